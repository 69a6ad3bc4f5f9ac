//! The labels that a client chooses for a post: named by slug or by name, with a reason.

use diesel::PgConnection;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::api::input::{Check, Member, Object};
use crate::error::{Error, Result, Violation};
use crate::models::label::{Label, NAME_MAX, Named};
use crate::models::names::{LABEL_SLUG_MAX, Slug, fold};
use crate::models::post_label::{self, Labeling, MOST};

/// Most characters of a reason.
pub const REASON_MAX: usize = 256;

/// A label for a post. `slug`, `name` or both: a label that is there, or one to make and add.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChosenLabel {
    /// Of a label that is there; with a `name`, of one to make otherwise.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128, pattern = "^[A-Za-z0-9_-]*$", examples("ai"))]
    slug: Member<String>,
    /// Of a label that is there, in any case, or of one to make.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128, examples("Artificial Intelligence"))]
    name: Member<String>,
    /// Why the post has it; left out, it stays as it was.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256, examples("It is about Ada"))]
    reason: Member<String>,
}

/// Labels for a post.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChosenLabels {
    /// Different ones.
    #[serde(default)]
    #[schema(value_type = Vec<ChosenLabel>, required, max_items = 100)]
    labels: Member<Vec<Object<ChosenLabel>>>,
}

/// Why a post has a label.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reasoned {
    /// Left out, it stays as it was.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256, examples("It is about Ada"))]
    reason: Member<String>,
}

/// A chosen label that is valid by itself.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Where in the list.
    place: usize,
    named: Named,
    reason: Option<Option<String>>,
}

impl ChosenLabels {
    /// Those that are valid by themselves.
    pub fn validate(self, check: &mut Check) -> Vec<Chosen> {
        let labels = check.required("labels", self.labels).unwrap_or_default();
        validate(labels, check)
    }
}

impl Reasoned {
    /// `None` keeps.
    pub fn validate(self, check: &mut Check) -> Option<Option<String>> {
        check.clearable("reason", self.reason, REASON_MAX)
    }
}

/// Those of a list at `/labels` that are valid by themselves.
pub fn validate(labels: Vec<Object<ChosenLabel>>, check: &mut Check) -> Vec<Chosen> {
    if labels.len() > MOST {
        check.fault(too_many("/labels"));
        return Vec::new();
    }
    let choose = |(place, Object(label)): (usize, Object<ChosenLabel>)| {
        let member = |name| format!("labels/{place}/{name}");
        let reason = check.clearable(&member("reason"), label.reason, REASON_MAX);
        let faults = check.count();
        let slug = check.slug(&member("slug"), label.slug, LABEL_SLUG_MAX).flatten();
        let name = check.clearable(&member("name"), label.name, NAME_MAX).flatten();
        // What cannot be a name is not looked for: U+0000 would break the query.
        if check.count() > faults {
            return None;
        }
        let named = match (slug, name) {
            (Some(slug), Some(name)) => Named::Both(slug, name),
            (Some(slug), None) => Named::Slug(slug),
            (None, Some(name)) => Named::Name(name),
            (None, None) => {
                let detail = "A label is named by `slug`, by `name`, or by both.";
                check.fault(Violation::body(format!("/labels/{place}"), "required", detail));
                return None;
            }
        };
        Some(Chosen { place, named, reason })
    };
    labels.into_iter().enumerate().filter_map(choose).collect()
}

/// Note which of them are not there and cannot be made, and which come twice; the ids of those that are there.
pub fn check_labels(conn: &mut PgConnection, check: &mut Check, chosen: &[Chosen]) -> Result<Vec<i64>> {
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let named: Vec<Named> = chosen.iter().map(|chosen| chosen.named.clone()).collect();
    let ids = Label::find_named(conn, &named)?;
    check.faults(faults(chosen, &ids, |named| matches!(named, Named::Slug(_))));
    Ok(ids.into_iter().flatten().collect())
}

/// Put them on a locked post; labels that are not there yet are made. They have been checked, but by now they may have gone.
pub fn put_labels(conn: &mut PgConnection, post_id: i64, chosen: &[Chosen]) -> Result<()> {
    // Most posts are written without any.
    if chosen.is_empty() {
        return Ok(());
    }
    let named: Vec<Named> = chosen.iter().map(|chosen| chosen.named.clone()).collect();
    let ids = Label::resolve(conn, &named)?;
    let mut check = Check::default();
    check.faults(faults(chosen, &ids, |_| true));
    check.finish(|| Some(()))?;
    let labelings: Vec<Labeling> = ids
        .into_iter()
        .flatten()
        .zip(chosen)
        .map(|(label_id, chosen)| Labeling { post_id, label_id, reason: chosen.reason.clone() })
        .collect();
    post_label::add(conn, &labelings)?;
    refuse_overfull(conn, &[post_id], |_| "/labels".to_owned())
}

fn faults(chosen: &[Chosen], ids: &[Option<i64>], must_be: impl Fn(&Named) -> bool) -> Vec<Violation> {
    let mut faults = Vec::new();
    for (index, (item, id)) in chosen.iter().zip(ids).enumerate() {
        let place = item.place;
        // Of labels that are still to be made, two are the same if they are called alike.
        let is_twice = match id {
            Some(_) => ids[..index].contains(id),
            None => chosen[..index]
                .iter()
                .zip(ids)
                .any(|(other, id)| id.is_none() && is_same(&other.named, &item.named)),
        };
        if id.is_none() && must_be(&item.named) {
            let detail = "There is no label with this slug.";
            faults.push(Violation::body(format!("/labels/{place}/slug"), "unknown_label", detail));
        } else if is_twice {
            faults.push(duplicate(format!("/labels/{place}"), "This label is in the list already."));
        }
    }
    faults
}

/// Whether making the one would make the other.
fn is_same(one: &Named, other: &Named) -> bool {
    match (one, other) {
        (Named::Slug(one) | Named::Both(one, _), Named::Slug(other) | Named::Both(other, _)) => one == other,
        (Named::Name(one) | Named::Both(_, one), Named::Name(other)) => fold(one) == fold(other),
        (Named::Name(one), Named::Both(other, _)) => Slug::from_name(one) == *other,
        (Named::Slug(_), Named::Name(_)) | (Named::Name(_), Named::Slug(_)) => false,
    }
}

/// The fault of an item that says again what one before it said.
pub fn duplicate(pointer: String, detail: &'static str) -> Violation {
    Violation::body(pointer, "duplicate", detail)
}

/// 422 where a post has more labels than it may; `pointer` tells where it was asked for.
pub fn refuse_overfull(
    conn: &mut PgConnection,
    post_ids: &[i64],
    pointer: impl FnOnce(i64) -> String,
) -> Result<()> {
    match post_label::find_overfull(conn, post_ids)? {
        Some(post_id) => Err(Error::invalid(too_many(pointer(post_id)))),
        None => Ok(()),
    }
}

fn too_many(pointer: impl Into<String>) -> Violation {
    let detail = format!("A post may have {MOST} labels at the most.");
    Violation::body(pointer, "too_many", detail).with(json!({ "max": MOST }))
}
