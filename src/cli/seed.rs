//! `plaza seed`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use diesel::prelude::*;
use fake::Fake;
use fake::faker::lorem::en::{Paragraphs, Sentence};
use fake::faker::name::en::{FirstName, LastName};
use fake::rand::rngs::StdRng;
use fake::rand::{RngExt, SeedableRng};
use indicatif::{ProgressBar, ProgressStyle};

use super::Result;
use super::database::Database;
use crate::auth::passwords::Passwords;
use crate::config::Config;
use crate::models::choices::CATEGORIES;
use crate::models::names::{Email, Slug, Username};
use crate::models::user::NewUser;
use crate::schema::{posts, profiles, users};

/// What every made-up user logs in with.
const PASSWORD: &str = "plaza-demo-password";
/// How long ago the oldest post was written; users are older.
const OLDEST_POST: chrono::TimeDelta = chrono::TimeDelta::days(365);
/// Posts that one statement writes.
const BATCH: usize = 500;

/// Fill the database with made-up users and posts.
#[derive(Args)]
pub struct Seed {
    /// How many posts; there is a user for every ten of them
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    posts: u32,
    /// Which of the possible contents
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A row of `posts` as it is written.
#[derive(Insertable)]
#[diesel(table_name = posts)]
struct Row {
    slug: String,
    title: String,
    content: String,
    category: &'static str,
    rating: i16,
    rank: i16,
    published: bool,
    writer_id: i64,
    editor_id: Option<i64>,
    created_at: chrono::DateTime<chrono::Utc>,
}

impl Seed {
    /// Prints how to log in as one of the users.
    pub fn run(&self, config: &Config) -> Result<ExitCode> {
        let database = Database::migrated(config)?;
        let mut conn = database.connect()?;
        let mut random = StdRng::seed_from_u64(self.seed);
        let people = self.make_users(&mut conn, &mut random, config.argon2())?;
        self.make_posts(&mut conn, &mut random, &people)?;
        // The planner should know of the new rows before the first request does.
        diesel::sql_query("ANALYZE").execute(&mut conn)?;
        let name: String = users::table.order(users::id.desc()).select(users::username).first(&mut conn)?;
        drop(conn);
        database.stop()?;
        println!(
            "Made {} users and {} posts. Log in as {name} with the password {PASSWORD}.",
            people.len(),
            self.posts
        );
        Ok(ExitCode::SUCCESS)
    }

    fn make_users(
        &self,
        conn: &mut PgConnection,
        random: &mut StdRng,
        argon2: argon2::Params,
    ) -> Result<Vec<i64>> {
        // One hash for all: they share the password, and Argon2 is made to be slow.
        let hash = actix_web::rt::System::new()
            .block_on(async { Passwords::start(1, argon2)?.hash(PASSWORD.to_owned()).await })
            .map_err(|error| error.to_string())?;
        let bar = progress("users", u64::from(self.posts.div_ceil(10)));
        let mut ids = Vec::new();
        while ids.len() < self.posts.div_ceil(10) as usize {
            let (first, last): (String, String) =
                (FirstName().fake_with_rng(random), LastName().fake_with_rng(random));
            let number = random.random_range(100_000..1_000_000_u32);
            let name = format!("{}.{}{number}", first.to_lowercase(), last.to_lowercase().replace('\'', ""));
            let (Some(username), Some(email)) =
                (Username::parse(&name), Email::parse(&format!("{name}@example.org")))
            else {
                continue;
            };
            if NewUser::clash(conn, &username, &email)?.is_some() {
                continue;
            }
            let new = NewUser { username, email, password_hash: hash.clone(), is_staff: false };
            let id = new.insert(conn)?.id;
            let joined =
                chrono::Utc::now() - OLDEST_POST - chrono::TimeDelta::days(random.random_range(1..700));
            diesel::update(users::table.find(id)).set(users::created_at.eq(joined)).execute(conn)?;
            diesel::update(profiles::table.find(id))
                .set((
                    profiles::display_name.eq(format!("{first} {last}")),
                    profiles::bio.eq(Sentence(5..20).fake_with_rng::<String, _>(random)),
                    profiles::created_at.eq(joined),
                ))
                .execute(conn)?;
            ids.push(id);
            bar.inc(1);
        }
        bar.finish();
        Ok(ids)
    }

    fn make_posts(&self, conn: &mut PgConnection, random: &mut StdRng, people: &[i64]) -> Result<()> {
        let bar = progress("posts", u64::from(self.posts));
        let mut left = self.posts as usize;
        while left > 0 {
            let size = left.min(BATCH);
            conn.transaction::<_, Box<dyn std::error::Error + Send + Sync>, _>(|conn| {
                let rows: Vec<Row> = (0..size).map(|_| row(random, people)).collect();
                diesel::insert_into(posts::table).values(rows).execute(conn)?;
                Ok(())
            })?;
            left -= size;
            bar.inc(size as u64);
        }
        bar.finish();
        Ok(())
    }
}

fn row(random: &mut StdRng, people: &[i64]) -> Row {
    let title: String = Sentence(3..9).fake_with_rng(random);
    let title = title.trim_end_matches('.').to_owned();
    let paragraphs: Vec<String> = Paragraphs(2..6).fake_with_rng(random);
    let someone = |random: &mut StdRng| people[random.random_range(0..people.len())];
    // A number makes the slug unique without a statement for each post.
    let slug: String = Slug::from_title(&title).as_str().chars().take(200).collect();
    Row {
        slug: format!("{slug}-{}", uuid::Uuid::new_v4().simple()),
        title,
        content: paragraphs.join("\n\n"),
        category: CATEGORIES[random.random_range(0..CATEGORIES.len())].value,
        rating: random.random_range(1..=5),
        rank: random.random_range(1..=5),
        published: random.random_bool(0.9),
        writer_id: someone(random),
        editor_id: random.random_bool(0.3).then(|| someone(random)),
        created_at: chrono::Utc::now()
            - chrono::TimeDelta::seconds(random.random_range(0..OLDEST_POST.num_seconds())),
    }
}

fn progress(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what);
    if let Ok(style) =
        ProgressStyle::with_template("{msg:>8} {wide_bar} {human_pos}/{human_len} {per_sec}, {eta} left")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
