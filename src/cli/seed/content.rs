//! Made-up posts, their labels and their comments.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use fake::Fake;
use fake::faker::lorem::en::{Paragraph, Paragraphs, Sentence};
use fake::rand::RngExt;
use fake::rand::rngs::StdRng;

use super::people::SeedUser;
use super::{BATCH, OLDEST_POST, progress};
use crate::cli::Result;
use crate::models::choices::CATEGORIES;
use crate::models::label::{Label, LabelName};
use crate::models::names::Slug;
use crate::schema::{comments, post_labels, posts};

/// Labels per post.
const LABELS_OF_POST: usize = 3;

/// The names of the labels: more than fit on one page of a list.
const LABELS: [&str; 40] = [
    "Architecture",
    "Art",
    "Artificial Intelligence",
    "Astronomy",
    "Biology",
    "Books",
    "Chemistry",
    "Cities",
    "Climate",
    "Cooking",
    "Design",
    "Economics",
    "Education",
    "Energy",
    "Engineering",
    "Fashion",
    "Film",
    "Food",
    "Games",
    "Gardens",
    "Health",
    "History",
    "Housing",
    "Languages",
    "Law",
    "Markets",
    "Mathematics",
    "Medicine",
    "Music",
    "Nature",
    "Philosophy",
    "Photography",
    "Physics",
    "Politics",
    "Psychology",
    "Sport",
    "Technology",
    "Theatre",
    "Transport",
    "Travel",
];

/// A made-up post.
#[derive(Queryable)]
pub struct SeedPost {
    pub id: i64,
    pub created_at: DateTime<Utc>,
}

/// A row to insert into `posts`.
#[derive(Insertable)]
#[diesel(table_name = posts)]
struct PostRow {
    slug: String,
    title: String,
    content: String,
    category: &'static str,
    rating: i16,
    rank: i16,
    published: bool,
    writer_id: i64,
    editor_id: Option<i64>,
    created_at: DateTime<Utc>,
}

/// A row to insert into `post_labels`.
#[derive(Insertable)]
#[diesel(table_name = post_labels)]
struct LabelRow {
    post_id: i64,
    label_id: i64,
    reason: Option<String>,
    labeled_at: DateTime<Utc>,
}

/// A row to insert into `comments`.
#[derive(Insertable)]
#[diesel(table_name = comments)]
struct CommentRow<'a> {
    post_id: i64,
    user_id: i64,
    alias: &'a str,
    content: String,
    created_at: DateTime<Utc>,
}

/// Create the labels that do not exist yet, and return the ids of all.
pub fn make_labels(conn: &mut PgConnection) -> Result<Vec<i64>> {
    let named = LABELS.map(|name| LabelName::Name(name.to_owned()));
    let ids = conn.transaction(|conn| Label::resolve(conn, &named))?;
    Ok(ids.into_iter().flatten().collect())
}

/// Create posts by these people, each with [`LABELS_OF_POST`] labels.
pub fn make_posts(
    conn: &mut PgConnection,
    random: &mut StdRng,
    number: u32,
    people: &[SeedUser],
    labels: &[i64],
) -> Result<Vec<SeedPost>> {
    let bar = progress("posts", u64::from(number));
    let mut made = Vec::with_capacity(number as usize);
    while made.len() < number as usize {
        let size = BATCH.min(number as usize - made.len());
        let rows: Vec<PostRow> = (0..size).map(|_| post(random, people)).collect();
        let written: Vec<SeedPost> = conn.transaction(|conn| {
            let written: Vec<SeedPost> = diesel::insert_into(posts::table)
                .values(rows)
                .returning((posts::id, posts::created_at))
                .get_results(conn)?;
            let rows: Vec<LabelRow> =
                written.iter().flat_map(|post| labels_of(random, post, labels)).collect();
            diesel::insert_into(post_labels::table).values(rows).execute(conn)?;
            Ok::<_, diesel::result::Error>(written)
        })?;
        bar.inc(written.len() as u64);
        made.extend(written);
    }
    bar.finish();
    Ok(made)
}

/// Create comments by these people on these posts; some posts get many.
pub fn make_comments(
    conn: &mut PgConnection,
    random: &mut StdRng,
    number: u32,
    people: &[SeedUser],
    posts: &[SeedPost],
) -> Result<()> {
    let bar = progress("comments", u64::from(number));
    let mut left = number as usize;
    while left > 0 {
        let size = left.min(BATCH);
        let rows: Vec<CommentRow<'_>> = (0..size).map(|_| comment(random, people, posts)).collect();
        diesel::insert_into(comments::table).values(rows).execute(conn)?;
        left -= size;
        bar.inc(size as u64);
    }
    bar.finish();
    Ok(())
}

fn post(random: &mut StdRng, people: &[SeedUser]) -> PostRow {
    let title: String = Sentence(3..9).fake_with_rng(random);
    let title = title.trim_end_matches('.').to_owned();
    let paragraphs: Vec<String> = Paragraphs(2..6).fake_with_rng(random);
    let someone = |random: &mut StdRng| people[random.random_range(0..people.len())].id;
    // A UUID makes the slug unique without a statement for each post.
    let slug: String = Slug::from_title(&title).as_str().chars().take(200).collect();
    PostRow {
        slug: format!("{slug}-{}", uuid::Uuid::new_v4().simple()),
        title,
        content: paragraphs.join("\n\n"),
        category: CATEGORIES[random.random_range(0..CATEGORIES.len())].value,
        rating: random.random_range(1..=5),
        rank: random.random_range(1..=5),
        published: random.random_bool(0.9),
        writer_id: someone(random),
        editor_id: random.random_bool(0.3).then(|| someone(random)),
        created_at: Utc::now() - TimeDelta::seconds(random.random_range(0..OLDEST_POST.num_seconds())),
    }
}

fn labels_of(random: &mut StdRng, post: &SeedPost, labels: &[i64]) -> Vec<LabelRow> {
    let mut chosen = Vec::with_capacity(LABELS_OF_POST);
    while chosen.len() < LABELS_OF_POST.min(labels.len()) {
        // The first labels are more common than the last, as among real labels.
        let label = labels[random.random_range(0..labels.len()).min(random.random_range(0..labels.len()))];
        if !chosen.contains(&label) {
            chosen.push(label);
        }
    }
    let row = |label_id| LabelRow {
        post_id: post.id,
        label_id,
        reason: random.random_bool(0.5).then(|| Sentence(2..6).fake_with_rng(random)),
        labeled_at: post.created_at,
    };
    chosen.into_iter().map(row).collect()
}

fn comment<'a>(random: &mut StdRng, people: &'a [SeedUser], posts: &[SeedPost]) -> CommentRow<'a> {
    let post = &posts[random.random_range(0..posts.len()).min(random.random_range(0..posts.len()))];
    let author = &people[random.random_range(0..people.len())];
    let age = (Utc::now() - post.created_at).num_seconds().max(1);
    CommentRow {
        post_id: post.id,
        user_id: author.id,
        alias: &author.display_name,
        content: Paragraph(1..4).fake_with_rng(random),
        created_at: post.created_at + TimeDelta::seconds(random.random_range(0..age)),
    }
}
