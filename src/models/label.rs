//! Labels, by which posts are sorted.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{Array, BigInt, Text};

use super::names::{LABEL_SLUG_MAX, Slug};
use super::numbered::Slugs;
use super::post::{Post, SlugChange};
use super::{Viewer, columns, computed};
use crate::lookups::page::Slice;
use crate::lookups::selection::Selection;
use crate::schema::{labels, post_labels};

/// Maximum number of characters of a name.
pub const NAME_MAX: usize = 128;

/// The slugs of labels.
const SLUGS: Slugs = Slugs { table: "labels", owner: "id", max: LABEL_SLUG_MAX };

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

/// A label with everything that its representation needs, read by one statement.
#[derive(Clone, Debug, Queryable)]
pub struct FullLabel {
    /// The row.
    pub label: Label,
    /// The number of published posts that have the label.
    pub post_count: i64,
}

/// The values for a new label.
#[derive(Clone, Debug)]
pub struct NewLabel {
    /// 1 to 128 characters. Several labels may have one name.
    pub name: String,
    /// The requested slug; `None` derives one from the name.
    pub slug: Option<Slug>,
}

/// A label as a request refers to it.
#[derive(Clone, Debug)]
pub enum LabelName {
    /// The label with this slug.
    Slug(Slug),
    /// The label with this name, whatever its case, or else a new one.
    Name(String),
    /// The label with this slug, or else a new one with this name.
    Both(Slug, String),
}

/// The columns that a request may change. `None` keeps a value.
#[derive(AsChangeset, Clone, Debug, Default, PartialEq, Eq)]
#[diesel(table_name = labels)]
#[expect(missing_docs, reason = "the columns speak for themselves")]
pub struct LabelChanges {
    pub name: Option<String>,
    pub slug: Option<String>,
}

computed!(
    /// The number of published posts that have a label, in a query over `labels`.
    PostCount,
    labels::id,
    BigInt,
    "(SELECT coalesce(sum(change), 0) FROM label_post_counts WHERE label_post_counts.label_id = labels.id)"
);

impl From<(Label, i64)> for FullLabel {
    fn from((label, post_count): (Label, i64)) -> Self {
        Self { label, post_count }
    }
}

#[derive(QueryableByName)]
struct LabelCount {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct LabelMatch {
    #[diesel(sql_type = BigInt)]
    place: i64,
    #[diesel(sql_type = BigInt)]
    id: i64,
}

impl Label {
    /// Find a label by its slug.
    pub fn find(conn: &mut PgConnection, slug: &str) -> QueryResult<FullLabel> {
        labels::table.filter(labels::slug.eq(slug)).select((Self::as_select(), PostCount)).first(conn)
    }

    /// Find the row alone.
    pub fn find_row(conn: &mut PgConnection, slug: &str) -> QueryResult<Self> {
        labels::table.filter(labels::slug.eq(slug)).select(Self::as_select()).first(conn)
    }

    /// Find the row and lock it for a change.
    pub fn lock(conn: &mut PgConnection, slug: &str) -> QueryResult<Self> {
        labels::table.filter(labels::slug.eq(slug)).select(Self::as_select()).for_update().first(conn)
    }

    /// Lock the label and every post that has it, so that staff can delete it. Posts are locked before labels, as by requests
    /// that label a post. A post that gets the label between the two locks could later cause a deadlock. In that case, both locks
    /// are released and taken again.
    pub fn lock_with_posts(conn: &mut PgConnection, slug: &str, staff: Viewer) -> QueryResult<Self> {
        loop {
            let locked = conn.transaction(|conn| {
                let known: i64 =
                    labels::table.filter(labels::slug.eq(slug)).select(labels::id).first(conn)?;
                let ids = Post::ids_with_label(conn, known, staff)?;
                Post::lock_all(conn, &ids)?;
                let label = Self::lock(conn, slug)?;
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

    /// Find the row for a caller that refers to it, and keep it from being deleted until the transaction ends.
    pub fn lock_key_share(conn: &mut PgConnection, slug: &str) -> QueryResult<Self> {
        labels::table.filter(labels::slug.eq(slug)).select(Self::as_select()).for_key_share().first(conn)
    }

    /// Return a page of a selection.
    pub fn page(conn: &mut PgConnection, selection: &Selection) -> QueryResult<Slice<FullLabel>> {
        selection.slice::<(Self, i64), _>(conn, |conn, rows| {
            let query = labels::table.select(((columns::<Self>(), PostCount), rows.place()));
            query.filter(rows.id_filter()).order(rows.order()).load(conn)
        })
    }

    /// Keep other transactions from creating labels with these slugs until this one ends. The slugs are locked in one order,
    /// after the posts are locked.
    fn lock_wanted(conn: &mut PgConnection, slugs: &[&str]) -> QueryResult<()> {
        diesel::sql_query(
            "SELECT pg_advisory_xact_lock(key) FROM (
                 SELECT DISTINCT hashtextextended(concat_ws(E'\\x01', current_schema(), 'label', slug), 0) AS key
                 FROM unnest($1) AS wanted (slug) ORDER BY key
             ) AS keys",
        )
        .bind::<Array<Text>, _>(slugs)
        .execute(conn)
        .map(drop)
    }

    /// Return the ids of the labels referred to, in that order, and keep these labels until the transaction ends. A label that is
    /// referred to by name and does not exist is created, only once however many requests refer to it. `None` if there is none.
    pub fn resolve(conn: &mut PgConnection, named: &[LabelName]) -> QueryResult<Vec<Option<i64>>> {
        loop {
            let ids = Self::find_or_make(conn, named)?;
            let found: Vec<i64> = ids.iter().copied().flatten().collect();
            let held: Vec<i64> = labels::table
                .filter(labels::id.eq_any(&found))
                .order(labels::id)
                .select(labels::id)
                .for_key_share()
                .load(conn)?;
            // A label that was being deleted no longer exists, and may be created again.
            if found.iter().all(|id| held.contains(id)) {
                return Ok(ids);
            }
        }
    }

    fn find_or_make(conn: &mut PgConnection, named: &[LabelName]) -> QueryResult<Vec<Option<i64>>> {
        let mut ids = Self::find_named(conn, named)?;
        let mut missing = Vec::new();
        for (place, named) in named.iter().enumerate().filter(|(place, _)| ids[*place].is_none()) {
            missing.extend(NewLabel::of(named).map(|new| (place, named, new)));
        }
        if !missing.is_empty() {
            let wanted: Vec<Slug> = missing.iter().map(|(_, _, new)| new.wanted()).collect();
            Self::lock_wanted(conn, &wanted.iter().map(Slug::as_str).collect::<Vec<_>>())?;
        }
        for (place, named, new) in missing {
            ids[place] = loop {
                // Another transaction, or an item before this one, may have created it in the meantime.
                if let found @ Some(_) = Self::find_named(conn, std::slice::from_ref(named))?.pop().flatten()
                {
                    break found;
                }
                if let Some(label) = new.insert(conn)? {
                    break Some(label.id);
                }
            };
        }
        Ok(ids)
    }

    /// Return the ids of the labels that exist, in the order of the request; `None` for the others.
    pub fn find_named(conn: &mut PgConnection, named: &[LabelName]) -> QueryResult<Vec<Option<i64>>> {
        // Each label is looked up by its slug or by its name. The other one is empty here, which no slug or name ever is.
        let text = |slug: bool| -> Vec<&str> {
            let text = |named| match named {
                &LabelName::Slug(ref text) | &LabelName::Both(ref text, _) if slug => text.as_str(),
                LabelName::Name(name) if !slug => name,
                _ => "",
            };
            named.iter().map(text).collect()
        };
        let found: Vec<LabelMatch> = diesel::sql_query(
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
        for LabelMatch { place, id } in found {
            let slot = usize::try_from(place - 1).ok().and_then(|place| ids.get_mut(place));
            let beyond = || {
                Error::DeserializationError(
                    format!("there is no place {place} among the requested labels").into(),
                )
            };
            *slot.ok_or_else(beyond)? = Some(id);
        }
        Ok(ids)
    }

    /// Update the row, which changes its version, unless no change was requested. Return the slug. Violates `labels_slug_key` if
    /// another label has the requested slug.
    pub fn update(
        &self,
        conn: &mut PgConnection,
        mut changes: LabelChanges,
        slug: Option<&SlugChange>,
    ) -> QueryResult<String> {
        changes.slug = match slug {
            Some(SlugChange::Set(slug)) => Some(slug.as_str().to_owned()),
            Some(SlugChange::Remake) => {
                let wanted = Slug::from_name(changes.name.as_ref().unwrap_or(&self.name));
                Some(if SLUGS.is_taken(conn, self.id, wanted.as_str())? {
                    SLUGS.first_free(conn, self.id, &wanted)?
                } else {
                    wanted.as_str().to_owned()
                })
            }
            None => None,
        };
        if changes == LabelChanges::default() {
            return Ok(self.slug.clone());
        }
        diesel::update(self).set(&changes).returning(labels::slug).get_result(conn)
    }

    /// Combine the changes of each label's post count into one sum, for labels with new changes. Up to `most` new changes select
    /// the labels. Return the number of new changes that were combined. Rows that another transaction is combining are skipped.
    pub fn sum_up_counts(conn: &mut PgConnection, most: i64) -> QueryResult<usize> {
        let summed: LabelCount = diesel::sql_query(
            "WITH chosen AS (
                 SELECT id FROM label_post_counts
                 WHERE label_id IN (SELECT label_id FROM label_post_counts WHERE NOT is_sum LIMIT $1)
                 FOR UPDATE SKIP LOCKED
             ), gone AS (
                 DELETE FROM label_post_counts WHERE id = ANY (ARRAY(SELECT id FROM chosen))
                 RETURNING label_id, change, is_sum
             ), made AS (
                 INSERT INTO label_post_counts (label_id, change, is_sum)
                 SELECT label_id, sum(change)::integer, true FROM gone GROUP BY label_id
             )
             SELECT count(*) FILTER (WHERE NOT is_sum) AS number FROM gone",
        )
        .bind::<BigInt, _>(most)
        .get_result(conn)?;
        // A count is never negative.
        Ok(usize::try_from(summed.number).unwrap_or_default())
    }

    /// Delete the label, which [`Label::lock_with_posts`] returned, and return the number of posts that had it.
    pub fn delete(&self, conn: &mut PgConnection) -> QueryResult<usize> {
        let taken =
            diesel::delete(post_labels::table.filter(post_labels::label_id.eq(self.id))).execute(conn)?;
        diesel::delete(self).execute(conn)?;
        Ok(taken)
    }
}

impl NewLabel {
    /// Return the label to create if none exists; `None` if the request gives its slug alone.
    fn of(named: &LabelName) -> Option<Self> {
        match named.clone() {
            LabelName::Slug(_) => None,
            LabelName::Name(name) => Some(Self { name, slug: None }),
            LabelName::Both(slug, name) => Some(Self { name, slug: Some(slug) }),
        }
    }

    fn wanted(&self) -> Slug {
        self.slug.clone().unwrap_or_else(|| Slug::from_name(&self.name))
    }

    /// Insert the label. Return `Ok(None)` if another label has the requested slug. A slug that is derived from the name gets a
    /// number instead.
    pub fn insert(&self, conn: &mut PgConnection) -> QueryResult<Option<Label>> {
        let wanted = self.wanted();
        let mut made = self.insert_as(conn, wanted.as_str())?;
        while made.is_none() && self.slug.is_none() {
            let free = SLUGS.first_free(conn, 0, &wanted)?;
            made = self.insert_as(conn, &free)?;
        }
        Ok(made)
    }

    /// Insert the label with this slug. An insert that conflicts with that of another transaction waits for the other to end.
    fn insert_as(&self, conn: &mut PgConnection, slug: &str) -> QueryResult<Option<Label>> {
        diesel::insert_into(labels::table)
            .values((labels::slug.eq(slug), labels::name.eq(&self.name)))
            .on_conflict(labels::slug)
            .do_nothing()
            .returning(Label::as_returning())
            .get_result(conn)
            .optional()
    }
}
