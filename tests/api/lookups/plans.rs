//! The query plans of the main queries with 100,000 posts, or a million: each uses an index and never scans the whole
//! table.

use std::cell::RefCell;

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Text};
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use plaza::lookups::fragment::Sql;
use plaza::lookups::request::{Request, RequestKind};
use plaza::lookups::selection::Selection;
use plaza::lookups::table::{Reader, Resource};
use plaza::models::resources::{COMMENTS, LABELS_OF_POST, POST_OF_COMMENT, POSTS};

use crate::app::TestApp;
use crate::soak::many;

/// Selects the query plan for the rows of a selection, one line per row.
struct Explained {
    table: &'static str,
    rows: Sql<Bool>,
}

impl QueryFragment<Pg> for Explained {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        out.push_sql("EXPLAIN SELECT FROM ");
        out.push_sql(self.table);
        out.push_sql(" WHERE ");
        self.rows.walk_ast(out)
    }
}

impl QueryId for Explained {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Explained {
    type SqlType = Text;
}

impl RunQueryDsl<PgConnection> for Explained {}

/// Posts by 100 writers, four of which contain a rare word; 20,000 comments; a label that one post in 100 has, and
/// one that one post in 10,000 has.
const ROWS: &str = "
    ALTER TABLE users DISABLE TRIGGER USER; ALTER TABLE posts DISABLE TRIGGER USER; ALTER TABLE post_labels DISABLE TRIGGER USER;
    INSERT INTO users (id, username, username_key, email, email_key, password_hash)
        SELECT n, 'user' || n, 'user' || n, n || '@x', n || '@x', 'x' FROM generate_series(1, 100) AS n;
    INSERT INTO profiles (user_id, display_name) SELECT id, username FROM users;
    INSERT INTO posts (id, slug, title, content, rating, published, published_at, writer_id, created_at, updated_at)
        SELECT n, 'p' || n, CASE WHEN n % ({posts} / 4) = 0 THEN 'A Zephyr at ' ELSE 'Of ' END || md5(n::text),
            CASE WHEN n % ({posts} / 4) = 0 THEN 'about quinces' ELSE 'words' END, 1 + n % 5, n % 10 <> 0,
            CASE WHEN n % 10 <> 0 THEN timestamptz '2026-01-01' + n::bigint * 7919 % 100000 * interval '1 s' END, 1 + n % 100,
            timestamptz '2026-01-01' + n * interval '1 min', timestamptz '2026-03-01' + n::bigint * 31337 % 100000 * interval '1 s'
        FROM generate_series(1, {posts}) AS n;
    INSERT INTO labels (id, slug, name) VALUES (1, 'often', 'Often'), (2, 'rare', 'Rare');
    INSERT INTO post_labels (post_id, label_id, post_created_at)
        SELECT posts.id, labels.id, posts.created_at FROM posts, labels WHERE posts.id % (labels.id * 100) = 0 AND labels.id = 1
            OR posts.id % 10000 = 0 AND labels.id = 2;
    INSERT INTO comments (id, post_id, user_id, alias, content, created_at)
        SELECT n, n % 2000 * 50 + 1, 1 + n % 100, 'x', 'x', timestamptz '2026-01-01' + n * interval '1 min'
        FROM generate_series(1, 20000) AS n;
    ANALYZE users, profiles, posts, labels, post_labels, comments";

/// Plans for every kind of reader.
struct Planner<'a> {
    app: &'a TestApp,
    wrong: RefCell<Vec<String>>,
    readers: [(&'static str, Reader); 3],
}

impl Planner<'_> {
    fn plan(
        &self,
        resource: &'static Resource,
        query: &str,
        reader: &Reader,
        page: impl Fn(Selection) -> Selection,
    ) -> String {
        let parameters: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let request = Request::parse(resource, &parameters, reader, RequestKind::List).expect("a request");
        let rows =
            page(Selection::new(resource, reader.clone(), request).drive_by_link_index()).rows().id_filter();
        let explained = Explained { table: resource.table, rows };
        let lines: plaza::error::Result<Vec<String>> =
            self.app.app.state().db.transaction_blocking(|conn| Ok(explained.load(conn)?));
        lines.expect("a plan").join("\n")
    }

    /// Assert that each of these indexes is in the plan, for every reader, and that posts are read only through
    /// indexes.
    fn finds(
        &self,
        resource: &'static Resource,
        query: &str,
        indexes: &[&[&str]],
        page: impl Fn(Selection) -> Selection,
    ) {
        for (who, reader) in &self.readers {
            let plan = self.plan(resource, query, reader, &page);
            let uses = |names: &&[&str]| {
                names
                    .iter()
                    .any(|name| plan.contains(&format!(" {name} ")) || plan.contains(&format!(" {name}\n")))
            };
            if !indexes.iter().all(uses) || plan.contains("Seq Scan on posts") {
                self.wrong.borrow_mut().push(format!("{query} by {who}, not by {indexes:?}:\n{plan}"));
            }
        }
    }
}

#[actix_web::test]
async fn the_main_questions_are_answered_by_indexes() {
    let app = TestApp::new().await;
    app.sql(&ROWS.replace("{posts}", &many(100_000, 1_000_000).to_string()));
    let readers = [
        ("a guest", Reader::default()),
        ("a member", Reader { user: Some((7, "user7".into())), is_staff: false }),
        ("staff", Reader { user: Some((8, "user8".into())), is_staff: true }),
    ];
    let planner = Planner { app: &app, wrong: RefCell::default(), readers };
    let first = |selection: Selection| selection;
    let published: &[&str] = &["posts_published_at_id_idx", "posts_published_published_at_id_idx"];
    let text: &[&str] = &["posts_upper_title_trgm_idx", "posts_upper_title_prefix_idx"];
    for (query, indexes) in [
        ("", &["posts_created_at_id_idx"] as &[&str]),
        ("limit=100", &["posts_created_at_id_idx"]),
        ("ordering=created_at", &["posts_created_at_id_idx"]),
        ("ordering=title", &["posts_title_id_idx"]),
        ("ordering=-title", &["posts_title_id_idx"]),
        ("ordering=-published_at", published),
        ("ordering=published_at", published),
        ("ordering=-rating", &["posts_rating_id_idx"]),
        ("ordering=rating", &["posts_rating_id_idx"]),
        ("ordering=-updated_at", &["posts_updated_at_id_idx"]),
        ("ordering=id", &["posts_pkey"]),
        ("title__icontains=zephyr", &["posts_upper_title_trgm_idx"]),
        ("title__icontains=zephyr&ordering=title", &["posts_upper_title_trgm_idx"]),
        ("title__contains=Zephyr", &["posts_upper_title_trgm_idx"]),
        ("title__istartswith=a zeph", text),
        ("title__startswith=A Zeph", text),
        ("filter=title__icontains:zephyr and rating:1", &["posts_upper_title_trgm_idx"]),
        ("search=quinces", &["posts_document_idx"]),
        ("search=quinc*", &["posts_document_idx"]),
        ("search=quinces&ordering=-created_at", &["posts_document_idx"]),
        ("slug=p777", &["posts_slug_key"]),
        ("id=777", &["posts_pkey"]),
        ("writer=user9", &["posts_writer_id_created_at_id_idx"]),
        ("filter=writer:user9 and rating__gte:4", &["posts_writer_id_created_at_id_idx"]),
        ("labels=rare", &["post_labels_label_id_post_created_at_post_id_idx"]),
        (
            "comments__user=user9",
            &["comments_user_id_created_at_id_idx", "comments_post_id_created_at_id_idx"],
        ),
    ] {
        planner.finds(&POSTS, query, &[indexes], first);
    }
    let of_label = |selection: Selection| selection.within(&LABELS_OF_POST, "often");
    planner.finds(&POSTS, "", &[&["post_labels_label_id_post_created_at_post_id_idx"]], of_label);
    let of_post = |selection: Selection| selection.within(&POST_OF_COMMENT, "p51");
    planner.finds(&COMMENTS, "", &[&["comments_post_id_created_at_id_idx"], &["posts_slug_key"]], of_post);
    planner.finds(
        &COMMENTS,
        "post=p51",
        &[&["comments_post_id_created_at_id_idx"], &["posts_slug_key"]],
        first,
    );

    planner.finds(&COMMENTS, "", &[&["comments_created_at_id_idx"]], first);

    // A cursor deep in the list: the scan starts at that position and does not read up to it.
    for (query, place, index, is_backward) in [
        ("", vec!["2026-01-20T00:00:00Z", "27360"], "posts_created_at_id_idx", false),
        ("", vec!["2026-01-20T00:00:00Z", "27360"], "posts_created_at_id_idx", true),
        ("ordering=title", vec!["Of 8", "27360"], "posts_title_id_idx", false),
        ("ordering=-title", vec!["Of 8", "27360"], "posts_title_id_idx", true),
        ("ordering=-rating", vec!["3", "27360"], "posts_rating_id_idx", false),
        ("ordering=-updated_at", vec!["2026-03-01T12:00:00Z", "27360"], "posts_updated_at_id_idx", false),
        ("ordering=published_at", vec!["2026-01-01T12:00:00Z", "27360"], "published_at_id_idx", false),
        ("ordering=-published_at", vec!["infinity", "27360"], "published_at_id_idx", false),
    ] {
        let deep = |mut selection: Selection| {
            selection.from =
                Some((place.iter().map(|value| Some((*value).to_owned())).collect(), is_backward));
            selection
        };
        for (who, reader) in &planner.readers {
            let plan = planner.plan(&POSTS, query, reader, deep);
            let entered = plan.lines().skip_while(|line| !line.contains(index)).nth(1).unwrap_or_default();
            let is_entered = entered.trim_start().starts_with("Index Cond: ");
            if !is_entered || plan.contains("Seq Scan on posts") || plan.contains("Sort") {
                planner.wrong.borrow_mut().push(format!("{query} by {who} after {place:?}:\n{plan}"));
            }
        }
    }
    let wrong = planner.wrong.into_inner();
    assert!(wrong.is_empty(), "{} plans:\n{}", wrong.len(), wrong.join("\n\n"));
}
