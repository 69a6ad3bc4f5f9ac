//! `plaza seed`.

mod content;
mod covers;
mod people;

use std::process::ExitCode;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use fake::rand::SeedableRng;
use fake::rand::rngs::StdRng;
use indicatif::{ProgressBar, ProgressStyle};

use super::Result;
use super::database::Database;
use crate::config::Config;

/// The password of every made-up user.
const PASSWORD: &str = "plaza-demo-password";
/// Posts per user.
const POSTS_OF_USER: u32 = 10;
/// Comments per post, unless a number of comments is given.
const COMMENTS_OF_POST: u32 = 5;
/// One in this many posts has a cover, unless a number of covers is given.
const POSTS_OF_COVER: u32 = 10;
/// Maximum number of covers, unless a number is given: each cover consists of several files in the store.
const MOST_COVERS: u32 = 1000;
/// Age of the oldest post; users are older.
const OLDEST_POST: TimeDelta = TimeDelta::days(365);
/// Rows per transaction.
const BATCH: usize = 500;

/// Fill the database with made-up users, posts, labels, comments and covers.
#[derive(Args)]
pub struct Seed {
    /// Number of posts; there is one user for every ten posts, and each post has three labels
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    posts: u32,
    /// Number of comments [default: five for every post]
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    comments: Option<u32>,
    /// Number of covers, which the newest posts get [default: one for every ten posts, at most 1000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    covers: Option<u32>,
    /// Seed of the random content
    #[arg(long = "seed", default_value_t = 1)]
    variety: u64,
}

impl Seed {
    /// Create the content, and print how to log in as one of the users.
    pub fn run(&self, config: &Config) -> Result<ExitCode> {
        let database = Database::migrated(config)?;
        let mut conn = database.connect()?;
        // Otherwise, the made-up rows would write millions of events that never happened.
        conn.batch_execute("SET plaza.events = 'off'")?;
        let mut random = StdRng::seed_from_u64(self.variety);
        let people =
            people::make(&mut conn, &mut random, self.posts.div_ceil(POSTS_OF_USER), config.argon2())?;
        let labels = content::make_labels(&mut conn)?;
        let mut posts = content::make_posts(&mut conn, &mut random, self.posts, &people, &labels)?;
        let comments = self.comments.unwrap_or(self.posts.saturating_mul(COMMENTS_OF_POST));
        content::make_comments(&mut conn, &mut random, comments, &people, &posts)?;
        let covers =
            self.covers.unwrap_or_else(|| (self.posts / POSTS_OF_COVER).min(MOST_COVERS)).min(self.posts);
        posts.sort_by_key(|post| std::cmp::Reverse(post.created_at));
        posts.truncate(covers as usize);
        covers::make(config, &database, &mut random, &posts)?;
        // Give the planner statistics on the new rows before the first request comes.
        diesel::sql_query("VACUUM ANALYZE").execute(&mut conn)?;
        drop(conn);
        database.stop()?;
        println!(
            "Created {} users, {} posts with {} covers, and {comments} comments. Log in as {} with the password {PASSWORD}.",
            people.len(),
            self.posts,
            covers,
            people.last().map(|person| person.username.as_str()).unwrap_or_default(),
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn progress(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what);
    // If the template does not parse, the bar keeps its default look.
    if let Ok(style) =
        ProgressStyle::with_template("{msg:>8} {wide_bar} {human_pos}/{human_len} {per_sec}, {eta} left")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
