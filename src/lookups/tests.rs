//! Tests the query language on a library of books, which Plaza does not know.

use diesel::pg::Pg;
use diesel::sql_types::Bool;

use super::fault::{Fault, Refusal};
use super::fragment::Fragment;
use super::predicate::Writer;
use super::request::{Request, RequestKind};
use super::selection::Selection;
use super::table::{Field, Grant, Reader, Relation, Resource, Rights, Through};

static BOOKS: Resource = Resource {
    name: "books",
    table: "books",
    id: "id",
    key: Field::ascii("isbn"),
    fields: &[
        Field::integer("id"),
        Field::text("title").with_trigrams(),
        Field::ascii("isbn"),
        Field::choice("cover", &["HARD", "SOFT"]),
        Field::time("printed_at").nullable(),
        Field::boolean("lent"),
        Field::integer("price").private(),
    ],
    relations: &[
        &Relation::one("author", &AUTHORS, "author_id", "id").then(&["books"]),
        &Relation::through("shelves", &SHELVES, &PLACES),
    ],
    readable: Rights::Where(&[Grant::Flag("shown"), Grant::Named("owner_id")]),
    ordering: "title",
    document: None,
    offered: &["author", "shelves__all"],
};

static PLACES: Through = Through {
    table: "places",
    near: "book_id",
    far: "shelf_id",
    fields: &[Field::integer("position")],
    repeats: &[],
};

static AUTHORS: Resource = Resource {
    name: "authors",
    table: "authors",
    id: "id",
    key: Field::username("name"),
    fields: &[Field::integer("id"), Field::username("name"), Field::time("born_at")],
    relations: &[&Relation::many("books", &BOOKS, "author_id")],
    readable: Rights::Everyone,
    ordering: "name",
    document: None,
    offered: &[],
};

static SHELVES: Resource = Resource {
    name: "shelves",
    table: "shelves",
    id: "id",
    key: Field::ascii("code"),
    fields: &[Field::integer("id"), Field::ascii("code"), Field::text("room")],
    relations: &[],
    readable: Rights::Everyone,
    ordering: "code",
    document: None,
    offered: &[],
};

fn reader() -> Reader {
    Reader { user: Some((7, "ana".into())), is_staff: true }
}

fn ask(query: &str, reader: &Reader) -> Result<Request, Refusal> {
    let parameters: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    Request::parse(&BOOKS, &parameters, reader, RequestKind::List)
}

/// Return the conditions of a query string as SQL.
fn sql(query: &str) -> String {
    let (reader, mut fragment) = (reader(), Fragment::default());
    let request = ask(query, &reader).expect(query);
    Writer { resource: &BOOKS, reader: &reader, zone: request.zone }.condition(&mut fragment, &request.node);
    text(&diesel::debug_query::<Pg, _>(&fragment.typed::<Bool>()).to_string())
}

fn text(debugged: &str) -> String {
    debugged.replace(" AND TRUE", "").replace(" -- binds: []", "")
}

fn faults(query: &str) -> Vec<String> {
    match ask(query, &reader()) {
        Err(Refusal::Faults(faults)) => {
            faults.iter().map(|Fault { parameter, code, .. }| format!("{parameter} {code}")).collect()
        }
        other => vec![format!("{other:?}")],
    }
}

#[test]
fn conditions_on_one_relation_bind_one_row() {
    insta::assert_snapshot!(sql("shelves=a&shelves__position__lt=3&lent=true"), @r#"EXISTS (SELECT FROM (places AS t1 INNER JOIN shelves AS t2 ON t2.id = t1.shelf_id) WHERE t1.book_id = books.id AND t2.code = $1 AND t1.position < $2) AND books.lent = $3 -- binds: ["a", 3, true]"#);
}

#[test]
fn exclusions_and_not_start_anew() {
    insta::assert_snapshot!(sql("exclude__shelves=a&exclude__shelves__room=b"), @r#"(EXISTS (SELECT FROM (places AS t1 INNER JOIN shelves AS t2 ON t2.id = t1.shelf_id) WHERE t1.book_id = books.id AND t2.code = $1)) IS NOT TRUE AND (EXISTS (SELECT FROM (places AS t3 INNER JOIN shelves AS t4 ON t4.id = t3.shelf_id) WHERE t3.book_id = books.id AND t4.room = $2)) IS NOT TRUE -- binds: ["a", "b"]"#);
}

#[test]
fn an_alternative_to_a_related_row_needs_none() {
    // As with Django's outer joins: the first book may have no shelf at all.
    insta::assert_snapshot!(sql("filter=(shelves:a or lent:true) and (shelves__room:b or cover:HARD)"), @r#"EXISTS (SELECT FROM (SELECT) AS t3 LEFT JOIN (places AS t1 INNER JOIN shelves AS t2 ON t2.id = t1.shelf_id) ON t1.book_id = books.id WHERE TRUE AND (t2.code = $1 OR books.lent = $2) AND (t2.room = $3 OR books.cover = $4)) -- binds: ["a", true, "b", "HARD"]"#);
}

#[test]
fn a_key_of_one_row_is_compared_as_a_value() {
    insta::assert_snapshot!(sql("author=me"), @r#"books.author_id = (SELECT t1.id FROM authors AS t1 WHERE t1.name = $1) -- binds: ["ana"]"#);
}

#[test]
fn text_is_compared_under_icus_root_collation() {
    insta::assert_snapshot!(sql("isbn__gt=9&isbn__icontains=x%25"), @r#"books.isbn COLLATE "und-x-icu" > $1 AND UPPER(books.isbn COLLATE "und-x-icu") LIKE UPPER($2 COLLATE "und-x-icu") -- binds: ["9", "%x\\%%"]"#);
}

#[test]
fn years_and_days_are_spans_that_an_index_finds() {
    insta::assert_snapshot!(sql("printed_at__year__lte=2024&tz=Asia/Kolkata"), @"(books.printed_at < $1) -- binds: [2024-12-31T18:30:00Z]");
    insta::assert_snapshot!(sql("printed_at__week=53"), @r#"EXTRACT(WEEK FROM (books.printed_at AT TIME ZONE $1)) = $2 -- binds: ["UTC", 53]"#);
}

#[test]
fn readers_without_a_right_see_no_row_over_a_relation() {
    let bob = Reader { user: Some((8, "bob".into())), is_staff: false };
    let request = ask("author__books__lent=true", &bob).expect("a request");
    let mut fragment = Fragment::default();
    Writer { resource: &BOOKS, reader: &bob, zone: request.zone }.condition(&mut fragment, &request.node);
    insta::assert_snapshot!(text(&diesel::debug_query::<Pg, _>(&fragment.typed::<Bool>()).to_string()), @"EXISTS (SELECT FROM authors AS t1 WHERE t1.id = books.author_id AND EXISTS (SELECT FROM books AS t2 WHERE t2.author_id = t1.id AND (t2.shown OR t2.owner_id = $1) AND t2.lent = $2)) -- binds: [8, true]");
}

#[test]
fn a_page_is_the_ids_first_and_begins_where_an_index_can() {
    let page = |query: &str, place: &[Option<&str>]| {
        let mut selection = Selection::new(&BOOKS, reader(), ask(query, &reader()).expect(query));
        let place = place.iter().map(|value| value.map(str::to_owned)).collect();
        selection.from = Some((place, false));
        text(&diesel::debug_query::<Pg, _>(&selection.rows().id_filter()).to_string())
    };
    insta::assert_snapshot!(page("ordering=-title", &[Some("M"), Some("4")]), @r#"books.id IN (SELECT books.id FROM books WHERE TRUE AND (books.title, books.id) < (CAST($1 AS text), CAST($2 AS bigint)) ORDER BY books.title DESC, books.id DESC LIMIT 21) -- binds: ["M", "4"]"#);
    insta::assert_snapshot!(page("ordering=printed_at", &[Some("infinity"), Some("4")]), @r#"books.id IN (SELECT books.id FROM books WHERE TRUE AND (COALESCE(books.printed_at, 'infinity'), books.id) > (CAST($1 AS timestamptz), CAST($2 AS bigint)) ORDER BY COALESCE(books.printed_at, 'infinity') ASC, books.id ASC LIMIT 21) -- binds: ["infinity", "4"]"#);
    insta::assert_snapshot!(page("ordering=-lent,author__name", &[Some("true"), None, Some("4")]), @r#"books.id IN (SELECT books.id FROM books LEFT JOIN authors AS t1 ON t1.id = books.author_id WHERE TRUE AND books.lent <= CAST($1 AS boolean) AND (books.lent < CAST($2 AS boolean) OR (books.lent = CAST($3 AS boolean) AND (FALSE OR (t1.name IS NULL AND (books.id > CAST($4 AS bigint)))))) ORDER BY books.lent DESC, t1.name ASC, books.id ASC LIMIT 21) -- binds: ["true", "true", "true", "4"]"#);
}

#[test]
fn what_is_wrong_is_said_with_what_was_meant() {
    let nearest = |query: &str| match ask(query, &reader()) {
        Err(Refusal::Faults(faults)) => faults[0].params["nearest"].as_str().unwrap_or_default().to_owned(),
        _ => "nothing is wrong".into(),
    };
    assert_eq!(nearest("titel=x"), "title");
    assert_eq!(nearest("exclude__titel__icontains=x"), "exclude__title__icontains");
    assert_eq!(nearest("title__icontain=x"), "title__icontains");
    assert_eq!(nearest("author__nam=x"), "author__name");
    assert_eq!(nearest("printed_at__yaer__gt=1"), "printed_at__year__gt");
    assert_eq!(nearest("limt=1"), "limit");
    assert_eq!(nearest("title__exact__in=1"), "title__exact");
    assert_eq!(faults("lent=yes&price__in=1,x&printed_at__range=1&cover=NONE&title=a").len(), 4);
    assert_eq!(faults("author__born_at__year=1900"), ["author__born_at__year unknown_parameter"]);
    assert_eq!(faults("ordering=shelves__room"), ["ordering not_sortable"]);
    assert_eq!(faults("ordering=title__exact"), ["ordering not_sortable"]);
    assert_eq!(faults("filter=lent:true and"), ["filter invalid_filter"]);
    assert_eq!(faults("tz=Mars/Olympus&tz=UTC"), ["tz invalid_parameter", "tz duplicate_parameter"]);
}

#[test]
fn what_is_staffs_is_refused_before_it_is_read() {
    let bob = Reader { user: Some((8, "bob".into())), is_staff: false };
    for query in ["price=1", "exclude__price__gt=1", "filter=not (price:1)", "ordering=-price"] {
        assert_eq!(ask(query, &bob).err(), Some(Refusal::Forbidden), "{query}");
        assert_eq!(ask(query, &Reader::default()).err(), Some(Refusal::Anonymous), "{query}");
        assert!(ask(query, &reader()).is_ok(), "{query}");
    }
}
