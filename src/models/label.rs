//! Labels: what posts are sorted by.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};

use super::names::{LABEL_SLUG_MAX, Slug};
use super::post::{Post, SlugChange};
use super::{Viewer, computed, numbered};
use crate::lookups::page::{Keyset, Slice, paged};
use crate::schema::{labels, post_labels};

/// Most characters of a name.
pub const NAME_MAX: usize = 128;

/// A row of `labels`.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns speak for themselves; the migration explains them")]
pub struct Label {
    pub id: i64,
    pub slug: String,
    pub name: String,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

/// A label with what its representation needs: one statement.
#[derive(Clone, Debug, Queryable)]
pub struct FullLabel {
    /// The row.
    pub label: Label,
    /// How many published posts have it.
    pub post_count: i64,
}

/// What it takes to make a label.
#[derive(Clone, Debug)]
pub struct NewLabel {
    /// 1 to 128 characters. Several labels may be called alike.
    pub name: String,
    /// As wished; `None` has one made from the name.
    pub slug: Option<Slug>,
}

/// A label that somebody speaks of.
#[derive(Clone, Debug)]
pub enum Named {
    /// The one with this slug.
    Slug(Slug),
    /// The one of this name, in any case, or else a new one.
    Name(String),
    /// The one with this slug, or else a new one of this name.
    Both(Slug, String),
}

/// What may change; `None` keeps.
#[derive(AsChangeset, Clone, Debug, Default, PartialEq, Eq)]
#[diesel(table_name = labels)]
#[expect(missing_docs, reason = "the columns speak for themselves")]
pub struct LabelChanges {
    pub name: Option<String>,
    pub slug: Option<String>,
}

computed!(
    /// How many published posts have a label, in a query over `labels`.
    PostCount,
    labels::id,
    BigInt,
    "(SELECT coalesce(sum(change), 0) FROM label_post_counts WHERE label_post_counts.label_id = labels.id)"
);

#[derive(QueryableByName)]
struct Summed {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    place: i64,
    #[diesel(sql_type = BigInt)]
    id: i64,
}

impl Label {
    /// By slug.
    pub fn find(conn: &mut PgConnection, slug: &str) -> QueryResult<FullLabel> {
        labels::table.filter(labels::slug.eq(slug)).select((Self::as_select(), PostCount)).first(conn)
    }

    /// The bare row under a lock, for a change.
    pub fn lock(conn: &mut PgConnection, slug: &str) -> QueryResult<Self> {
        labels::table.filter(labels::slug.eq(slug)).select(Self::as_select()).for_update().first(conn)
    }

    /// The same with every post that has it, for its deletion by staff. Posts before labels, as whoever labels a post locks them. A
    /// post that takes the label between the two locks would be waited for in a circle later on: then both are let go, and taken
    /// anew.
    pub fn lock_with_posts(conn: &mut PgConnection, slug: &str, staff: Viewer) -> QueryResult<Self> {
        loop {
            let locked = conn.transaction(|conn| {
                let known: i64 =
                    labels::table.filter(labels::slug.eq(slug)).select(labels::id).first(conn)?;
                let locked = Post::lock_labeled(conn, known, staff, &[])?;
                let label = Self::lock(conn, slug)?;
                let ids = locked.iter().map(|post| post.id);
                let others = post_labels::table
                    .filter(post_labels::label_id.eq(label.id))
                    .filter(post_labels::post_id.ne_all(ids));
                let is_whole = !diesel::select(diesel::dsl::exists(others)).get_result::<bool>(conn)?;
                if is_whole { Ok(label) } else { Err(diesel::result::Error::RollbackTransaction) }
            });
            match locked {
                Err(diesel::result::Error::RollbackTransaction) => {}
                locked => return locked,
            }
        }
    }

    /// The bare row, which stays until the transaction ends, for whoever refers to it.
    pub fn hold(conn: &mut PgConnection, slug: &str) -> QueryResult<Self> {
        labels::table.filter(labels::slug.eq(slug)).select(Self::as_select()).for_key_share().first(conn)
    }

    /// A page by name.
    pub fn page(conn: &mut PgConnection, keyset: &Keyset<String>) -> QueryResult<Slice<FullLabel>> {
        let query = labels::table.select((Self::as_select(), PostCount)).into_boxed();
        let query = paged!(query, keyset, labels::name, labels::id, ascending);
        Ok(keyset.slice(keyset.limit(query).load(conn)?))
    }

    /// Nobody else makes or renames labels until the transaction ends. After posts are locked and before labels are: several who
    /// make several at once would wait for each other's slugs in circles.
    pub fn lock_slugs(conn: &mut PgConnection) -> QueryResult<()> {
        diesel::sql_query(
            "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' label slugs', 0))",
        )
        .execute(conn)
        .map(drop)
    }

    /// The labels that are spoken of, in that order, which stay until the transaction ends; those that are to be had by their
    /// name and are not there yet are made. `None` where there is none.
    pub fn resolve(conn: &mut PgConnection, named: &[Named]) -> QueryResult<Vec<Option<i64>>> {
        let mut ids = Self::find_named(conn, named)?;
        let is_to_be_made =
            |(id, named): (&Option<i64>, &Named)| id.is_none() && !matches!(named, Named::Slug(_));
        if ids.iter().zip(named).any(is_to_be_made) {
            Self::lock_slugs(conn)?;
            for (id, named) in ids.iter_mut().zip(named).filter(|(id, named)| is_to_be_made((id, named))) {
                // Somebody else, or an item before this one, may have made it meanwhile.
                *id = match Self::find_named(conn, std::slice::from_ref(named))?.pop().flatten() {
                    None => NewLabel::of(named).insert(conn)?.map(|label| label.id),
                    found => found,
                };
            }
        }
        let held: Vec<i64> = labels::table
            .filter(labels::id.eq_any(ids.iter().flatten()))
            .order(labels::id)
            .select(labels::id)
            .for_key_share()
            .load(conn)?;
        Ok(ids.into_iter().map(|id| id.filter(|id| held.contains(id))).collect())
    }

    /// Those of them that are there, in that order.
    pub fn find_named(conn: &mut PgConnection, named: &[Named]) -> QueryResult<Vec<Option<i64>>> {
        // One of both is empty: `slug` is never, and so is no name.
        let text = |slug: bool| -> Vec<&str> {
            let text = |named| match named {
                &Named::Slug(ref text) | &Named::Both(ref text, _) if slug => text.as_str(),
                Named::Name(name) if !slug => name,
                _ => "",
            };
            named.iter().map(text).collect()
        };
        let found: Vec<Found> = diesel::sql_query(
            "SELECT place, found.id
             FROM unnest($1, $2) WITH ORDINALITY AS wanted (slug, name, place)
             CROSS JOIN LATERAL (
                 SELECT id FROM labels WHERE labels.slug = wanted.slug COLLATE \"C\"
                 UNION ALL
                 (SELECT id FROM labels WHERE upper(labels.name) = upper(wanted.name COLLATE \"und-x-icu\")
                  ORDER BY labels.name = wanted.name COLLATE \"und-x-icu\" DESC, id LIMIT 1)
             ) AS found",
        )
        .bind::<Array<Text>, _>(text(true))
        .bind::<Array<Text>, _>(text(false))
        .load(conn)?;
        let mut ids = vec![None; named.len()];
        for Found { place, id } in found {
            if let Some(slot) = usize::try_from(place - 1).ok().and_then(|place| ids.get_mut(place)) {
                *slot = Some(id);
            }
        }
        Ok(ids)
    }

    /// Change the row; the version moves, unless nothing was asked for. `Ok(None)` where the wished slug is another label's.
    pub fn update(
        &self,
        conn: &mut PgConnection,
        mut changes: LabelChanges,
        slug: Option<&SlugChange>,
    ) -> QueryResult<Option<String>> {
        changes.slug = match slug {
            Some(SlugChange::Set(slug)) if is_free(conn, slug.as_str(), self.id)? => {
                Some(slug.as_str().to_owned())
            }
            Some(SlugChange::Set(_)) => return Ok(None),
            Some(SlugChange::Remake) => {
                let wanted = Slug::from_name(changes.name.as_ref().unwrap_or(&self.name));
                Some(free_slug(conn, &wanted, self.id)?)
            }
            None => None,
        };
        if changes == LabelChanges::default() {
            return Ok(Some(self.slug.clone()));
        }
        diesel::update(self).set(&changes).returning(labels::slug).get_result(conn).map(Some)
    }

    /// Make one of the gains and losses of every label that has new ones, up to `most` of those; of how many. What somebody
    /// else sums up is left alone.
    pub fn sum_up_counts(conn: &mut PgConnection, most: i64) -> QueryResult<usize> {
        let summed: Summed = diesel::sql_query(
            "WITH some AS (
                 SELECT id FROM label_post_counts
                 WHERE label_id IN (SELECT label_id FROM label_post_counts WHERE NOT is_sum LIMIT $1)
                 FOR UPDATE SKIP LOCKED
             ), gone AS (
                 DELETE FROM label_post_counts WHERE id = ANY (ARRAY(SELECT id FROM some))
                 RETURNING label_id, change, is_sum
             ), made AS (
                 INSERT INTO label_post_counts (label_id, change, is_sum)
                 SELECT label_id, sum(change)::integer, true FROM gone GROUP BY label_id
             )
             SELECT count(*) FILTER (WHERE NOT is_sum) AS number FROM gone",
        )
        .bind::<BigInt, _>(most)
        .get_result(conn)?;
        Ok(usize::try_from(summed.number).unwrap_or_default())
    }

    /// Delete it, as [`Label::lock_with_posts`] gave it; from how many posts it is taken.
    pub fn delete(&self, conn: &mut PgConnection) -> QueryResult<usize> {
        let taken =
            diesel::delete(post_labels::table.filter(post_labels::label_id.eq(self.id))).execute(conn)?;
        diesel::delete(self).execute(conn)?;
        Ok(taken)
    }
}

impl NewLabel {
    fn of(named: &Named) -> Self {
        match named.clone() {
            Named::Slug(slug) => Self { name: slug.as_str().to_owned(), slug: Some(slug) },
            Named::Name(name) => Self { name, slug: None },
            Named::Both(slug, name) => Self { name, slug: Some(slug) },
        }
    }

    /// Write it, under [`Label::lock_slugs`]. `Ok(None)` where the wished slug is another label's.
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<Option<Label>> {
        let slug = match &self.slug {
            Some(slug) => slug.as_str().to_owned(),
            None => free_slug(conn, &Slug::from_name(&self.name), 0)?,
        };
        diesel::insert_into(labels::table)
            .values((labels::slug.eq(slug), labels::name.eq(&self.name)))
            .on_conflict(labels::slug)
            .do_nothing()
            .returning(Label::as_returning())
            .get_result(conn)
            .optional()
    }
}

fn is_free(conn: &mut PgConnection, slug: &str, id: i64) -> QueryResult<bool> {
    let other = labels::table.filter(labels::slug.eq(slug).and(labels::id.ne(id)));
    diesel::select(diesel::dsl::not(diesel::dsl::exists(other))).get_result(conn)
}

fn free_slug(conn: &mut PgConnection, wanted: &Slug, id: i64) -> QueryResult<String> {
    if is_free(conn, wanted.as_str(), id)? {
        return Ok(wanted.as_str().to_owned());
    }
    numbered::first_free(conn, "labels", "id", id, wanted, LABEL_SLUG_MAX)
}
