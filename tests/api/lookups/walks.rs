//! Walks from page to page by cursor: over random rows in random orders, with random changes between the pages.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::Value;

use super::property::check;
use super::walked::{LISTS, List, SEEDS, WORLD};
use super::{keys, query};
use crate::app::TestApp;
use crate::client::Client;
use crate::soak::many;

/// A change between two pages.
#[derive(Clone, Debug)]
enum Act {
    Insert(u32),
    Delete(Index),
    Touch(Index),
}

#[derive(Clone, Debug)]
struct Walk {
    list: &'static List,
    ordering: String,
    filter: (&'static str, &'static str),
    is_staff: bool,
    /// For each row, the seed of its columns and whether it may be deleted.
    rows: Vec<(u32, bool)>,
    limits: Vec<usize>,
    acts: Vec<Vec<Act>>,
}

fn walk(act: impl Strategy<Value = Act> + Clone) -> impl Strategy<Value = Walk> {
    let list = select(LISTS.iter().collect::<Vec<_>>());
    list.prop_flat_map(move |list| {
        let fields = subsequence(list.fields.to_vec(), 1..=3).prop_shuffle();
        let terms = (fields, vec(any::<bool>(), 3)).prop_map(|(fields, is_descending)| {
            let terms = fields.iter().zip(is_descending);
            let terms = terms.map(|(field, down)| format!("{}{field}", if down { "-" } else { "" }));
            terms.collect::<Vec<_>>().join(",")
        });
        let filter = prop_oneof![Just(("", "")), select(list.filters.to_vec())];
        let rows = vec((0..SEEDS, any::<bool>()), 0..40);
        let acts = vec(vec(act.clone(), 0..4), 0..8);
        (terms, filter, any::<bool>(), rows, vec(1_usize..12, 1..4), acts).prop_map(
            move |(ordering, filter, is_staff, rows, limits, acts)| Walk {
                list,
                ordering,
                filter,
                is_staff,
                rows,
                limits,
                acts,
            },
        )
    })
}

/// The id of the row with this index.
fn id(place: usize) -> usize {
    1000 + place
}

impl Walk {
    fn start(&self, app: &TestApp) {
        let rows = self.rows.iter().enumerate();
        let rows = rows.map(|(place, (seed, _))| self.list.insert(id(place), *seed));
        app.sql(&[WORLD.to_owned()].into_iter().chain(rows).collect::<Vec<_>>().join(";"));
    }

    /// Make the changes that follow this page.
    fn act(&self, app: &TestApp, page: usize) {
        let doomed: Vec<usize> = (0..self.rows.len()).filter(|place| self.rows[*place].1).collect();
        let acts = self.acts.get(page).into_iter().flatten().enumerate();
        let statements = acts.map(|(number, act)| match act {
            Act::Insert(seed) => self.list.insert(id(100 + 10 * page + number), *seed),
            Act::Delete(row) if !doomed.is_empty() => self.list.delete(id(*row.get(&doomed))),
            Act::Touch(row) if !self.rows.is_empty() => self.list.touch(id(row.index(self.rows.len()))),
            _ => String::new(),
        });
        let statements = statements.filter(|statement| !statement.is_empty()).collect::<Vec<_>>();
        if !statements.is_empty() {
            app.sql(&statements.join(";"));
        }
    }

    async fn page(&self, client: &Client, limit: usize, cursor: &Value) -> Result<Value, String> {
        let limit = limit.to_string();
        let mut parameters = vec![("limit", limit.as_str()), ("ordering", &self.ordering), self.filter];
        parameters.extend(cursor.as_str().map(|cursor| ("cursor", cursor)));
        parameters.retain(|(name, _)| !name.is_empty());
        let answer = client.get(&format!("{}?{}", self.list.path, query(&parameters))).await;
        if answer.status == "200 OK" { Ok(answer.json()) } else { Err(format!("{answer:?}")) }
    }

    /// All rows in one page.
    async fn whole(&self, client: &Client) -> Result<Vec<Value>, String> {
        let page = self.page(client, 100, &Value::Null).await?;
        if page["next"].is_null() { Ok(keys(&page, self.list.key)) } else { Err("more than a page".into()) }
    }

    fn limit(&self, page: usize) -> usize {
        self.limits[page % self.limits.len()]
    }

    /// Walk forward to the end. Return all rows in the order seen, and the last page.
    async fn forward(&self, app: &TestApp, client: &Client) -> Result<(Vec<Value>, Value), String> {
        let (mut seen, mut cursor) = (Vec::new(), Value::Null);
        for number in 0.. {
            let page = self.page(client, self.limit(number), &cursor).await?;
            let rows = keys(&page, self.list.key);
            if rows.len() < self.limit(number) && !page["next"].is_null() {
                return Err(format!("a page of {} with one after it: {page}", rows.len()));
            }
            if page["previous"].is_null() != (number == 0 || rows.is_empty()) {
                return Err(format!("page {number} with previous {}", page["previous"]));
            }
            seen.extend(rows);
            cursor = page["next_cursor"].clone();
            if cursor.is_null() {
                return Ok((seen, page));
            }
            self.act(app, number);
        }
        unreachable!("there is always another number")
    }

    /// Walk back to the beginning from the last page.
    async fn backward(&self, client: &Client, last: &Value) -> Result<Vec<Value>, String> {
        let (mut seen, mut before) = (keys(last, self.list.key), last.clone());
        for number in 0.. {
            if before["previous_cursor"].is_null() {
                break;
            }
            let page = self.page(client, self.limit(number), &before["previous_cursor"]).await?;
            let rows = keys(&page, self.list.key);
            if rows.is_empty() {
                // All earlier rows have been deleted.
                break;
            }
            // The page's next cursor must point to the rows seen before.
            let next = self.page(client, 1, &page["next_cursor"]).await?;
            if keys(&next, self.list.key).first() != seen.first() {
                return Err(format!("{next} follows {page}, and not {:?}", seen.first()));
            }
            seen = [rows, seen].concat();
            before = page;
        }
        Ok(seen)
    }

    async fn holds(&self, app: &TestApp, guest: &Client, staff: &Client) -> Result<(), String> {
        let client = if self.is_staff { staff } else { guest };
        self.start(app);
        let before = self.whole(client).await?;
        let (seen, last) = self.forward(app, client).await?;
        let after = self.whole(client).await?;
        let stable: HashSet<&Value> = before.iter().filter(|row| after.contains(row)).collect();
        let only_stable =
            |rows: &[Value]| rows.iter().filter(|row| stable.contains(row)).cloned().collect::<Vec<_>>();
        if only_stable(&seen) != only_stable(&before) || only_stable(&after) != only_stable(&before) {
            return Err(format!("before: {before:?}\nseen:   {seen:?}\nafter:  {after:?}"));
        }
        if seen.iter().collect::<HashSet<_>>().len() != seen.len() {
            return Err(format!("some come twice: {seen:?}"));
        }
        let back = self.backward(client, &last).await?;
        // If all rows of the last page were deleted, it has no row to go back from.
        if back != after && !keys(&last, self.list.key).is_empty() {
            return Err(format!("all:  {after:?}\nback: {back:?}"));
        }
        Ok(())
    }
}

async fn world() -> (TestApp, Client, Client) {
    let app = TestApp::new().await;
    for name in ["ana", "Bob", "carl", "gone"] {
        app.member(name);
    }
    app.sql(
        "UPDATE users SET is_active = false WHERE username = 'gone';
         -- Rows are what the test says, times of changes and publication too.
         ALTER TABLE posts DISABLE TRIGGER posts_touch; ALTER TABLE posts DISABLE TRIGGER posts_stamp_publication",
    );
    let (guest, staff) = (app.guest(), app.staff("root"));
    (app, guest, staff)
}

#[actix_web::test]
async fn rows_that_stay_are_visited_once_in_order_whatever_comes_and_goes() {
    let (app, guest, staff) = world().await;
    let act = prop_oneof![(0..SEEDS).prop_map(Act::Insert), any::<Index>().prop_map(Act::Delete)];
    check(&walk(act), many(20, 70), async |walk| walk.holds(&app, &guest, &staff).await).await;
}

#[actix_web::test]
async fn changes_of_what_a_list_is_not_sorted_by_move_no_row() {
    let (app, guest, staff) = world().await;
    let act = any::<Index>().prop_map(Act::Touch);
    check(&walk(act), many(10, 30), async |walk| walk.holds(&app, &guest, &staff).await).await;
}
