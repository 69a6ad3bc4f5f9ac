//! The labels that a client chooses for a post, each named by slug, by name or by both, with a reason.

use diesel::PgConnection;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::api::input::{Check, Member, Object};
use crate::error::{Error, Result, Violation};
use crate::models::label::{Label, LabelName, NAME_MAX};
use crate::models::names::{LABEL_SLUG_MAX, Slug, fold};
use crate::models::post_label::{self, Labeling, MOST};

/// Maximum number of characters of a reason.
pub const REASON_MAX: usize = 256;

/// A label for a post, named by `slug`, `name` or both: an existing label, or a new one to create and add.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChosenLabel {
    /// Slug of an existing label. Together with `name`, the label is created if it does not exist.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128, pattern = "^[A-Za-z0-9_-]*$", examples("ai"))]
    slug: Member<String>,
    /// Name of an existing label, in any case, or of one to create.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128, examples("Artificial Intelligence"))]
    name: Member<String>,
    /// Why the post has the label. If left out, the reason stays as it was; `null` and `""` clear it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256, examples("It is about Ada"))]
    reason: Member<String>,
}

/// Labels for a post.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChosenLabels {
    /// The labels. Each may occur only once.
    #[serde(default)]
    #[schema(value_type = Vec<ChosenLabel>, required, max_items = 100)]
    labels: Member<Vec<Object<ChosenLabel>>>,
}

/// The reason why a post has a label.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reasoned)]
pub struct LabelReason {
    /// Why the post has the label. If left out, the reason stays as it was; `null` and `""` clear it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256, examples("It is about Ada"))]
    reason: Member<String>,
}

/// A chosen label that is valid in itself.
#[derive(Clone, Debug)]
pub struct LabelChoice {
    /// The position in the list.
    place: usize,
    named: LabelName,
    reason: Option<Option<String>>,
}

impl ChosenLabels {
    /// Return the labels that are valid in themselves, and note the faults of the others.
    pub fn validate(self, check: &mut Check) -> Vec<LabelChoice> {
        let labels = check.required("labels", self.labels).unwrap_or_default();
        validate(labels, check)
    }
}

impl LabelReason {
    /// Validate the reason. `None` keeps the previous one.
    pub fn validate(self, check: &mut Check) -> Option<Option<String>> {
        check.clearable("reason", self.reason, REASON_MAX)
    }
}

/// Return the labels of a list at `/labels` that are valid in themselves, and note the faults of the others.
pub fn validate(labels: Vec<Object<ChosenLabel>>, check: &mut Check) -> Vec<LabelChoice> {
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
        // An invalid slug or name is not looked up: U+0000 would break the query.
        if check.count() > faults {
            return None;
        }
        let named = match (slug, name) {
            (Some(slug), Some(name)) => LabelName::Both(slug, name),
            (Some(slug), None) => LabelName::Slug(slug),
            (None, Some(name)) => LabelName::Name(name),
            (None, None) => {
                let detail = "A label must have a `slug`, a `name`, or both.";
                check.fault(Violation::body(format!("/labels/{place}"), "required", detail));
                return None;
            }
        };
        Some(LabelChoice { place, named, reason })
    };
    labels.into_iter().enumerate().filter_map(choose).collect()
}

/// Note a fault for each label that does not exist and cannot be created, and for each that is listed twice. Return the ids of
/// the labels that exist.
pub fn check_labels(conn: &mut PgConnection, check: &mut Check, chosen: &[LabelChoice]) -> Result<Vec<i64>> {
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let named: Vec<LabelName> = chosen.iter().map(|chosen| chosen.named.clone()).collect();
    let ids = Label::find_named(conn, &named)?;
    check.faults(faults(chosen, &ids, |named| matches!(named, LabelName::Slug(_))));
    Ok(ids.into_iter().flatten().collect())
}

/// Add the labels to a locked post, and create those that do not exist. They have been checked, but may have been deleted since.
pub fn put_labels(conn: &mut PgConnection, post_id: i64, chosen: &[LabelChoice]) -> Result<()> {
    // Most posts are created without labels.
    if chosen.is_empty() {
        return Ok(());
    }
    let named: Vec<LabelName> = chosen.iter().map(|chosen| chosen.named.clone()).collect();
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

fn faults(
    chosen: &[LabelChoice],
    ids: &[Option<i64>],
    must_be: impl Fn(&LabelName) -> bool,
) -> Vec<Violation> {
    let mut faults = Vec::new();
    for (index, (item, id)) in chosen.iter().zip(ids).enumerate() {
        let place = item.place;
        // Labels that are still to be created have no ids. Two of them are the same if creating one would also create the other.
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
            faults.push(duplicate(format!("/labels/{place}"), "The list already contains this label."));
        }
    }
    faults
}

/// Whether creating one label would also create the other.
fn is_same(one: &LabelName, other: &LabelName) -> bool {
    match (one, other) {
        (
            LabelName::Slug(one) | LabelName::Both(one, _),
            LabelName::Slug(other) | LabelName::Both(other, _),
        ) => one == other,
        (LabelName::Name(one) | LabelName::Both(_, one), LabelName::Name(other)) => fold(one) == fold(other),
        (LabelName::Name(one), LabelName::Both(other, _)) => Slug::from_name(one) == *other,
        (LabelName::Slug(_), LabelName::Name(_)) | (LabelName::Name(_), LabelName::Slug(_)) => false,
    }
}

/// The fault of an item that repeats an earlier one.
pub fn duplicate(pointer: String, detail: &'static str) -> Violation {
    Violation::body(pointer, "duplicate", detail)
}

/// 422 if a post has more labels than allowed. `pointer` returns where the request asked for that post's labels.
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
    let detail = format!("A post must have at most {MOST} labels.");
    Violation::body(pointer, "too_many", detail).with(json!({ "max": MOST }))
}
