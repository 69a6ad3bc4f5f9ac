//! Random queries on every list: existing names with valid or invalid values.

use plaza::lookups::lookup::{Lookup, PARTS};
use plaza::lookups::table::{Kind, Resource};
use plaza::models::resources::RESOURCES;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::query;

const LISTS: [&str; 9] = [
    "posts",
    "labels",
    "labels/ai/posts",
    "comments",
    "posts/p/comments",
    "posts/p/labels",
    "users",
    "profiles",
    "auth/sessions",
];

/// The table of each list.
fn resource(list: &str) -> &'static Resource {
    let name = match list {
        "labels/ai/posts" => "posts",
        "posts/p/comments" => "comments",
        "posts/p/labels" => "a post's labels",
        "auth/sessions" => "sessions",
        name => name,
    };
    RESOURCES.into_iter().find(|resource| resource.name == name).expect("a resource")
}

/// The name of every field and relation that can be reached.
fn names(resource: &'static Resource) -> Vec<(String, Option<Kind>)> {
    let of = |resource: &'static Resource, way: &str| {
        let fields = resource.fields.iter();
        fields.map(|field| (format!("{way}{}", field.name), Some(field.kind))).collect::<Vec<_>>()
    };
    let mut names = of(resource, "");
    for relation in resource.relations {
        names.push((relation.name.into(), None));
        names.extend(of(relation.target, &format!("{}__", relation.name)));
        let links = relation.link_fields().iter();
        names.extend(links.map(|field| (format!("{}__{}", relation.name, field.name), Some(field.kind))));
        for next in relation.onward() {
            names.push((format!("{}__{}", relation.name, next.name), None));
            names.extend(of(next.target, &format!("{}__{}__", relation.name, next.name)));
        }
    }
    names
}

/// The lookups that can follow a name.
fn endings(kind: Option<Kind>) -> Vec<String> {
    let plain = |lookups: &[Lookup]| lookups.iter().map(|lookup| format!("__{}", lookup.name())).collect();
    let mut endings: Vec<String> = match kind {
        Some(kind) => plain(Lookup::of(kind)),
        None => ["__in", "__all", "__isnull", "__exact"].map(String::from).to_vec(),
    };
    if kind == Some(Kind::Time) {
        for part in PARTS {
            let lookups =
                Lookup::of_part().iter().map(|lookup| format!("__{}__{}", part.name(), lookup.name()));
            endings.extend(lookups.chain([format!("__{}", part.name())]));
        }
    }
    endings.push(String::new());
    endings
}

/// The values that text is compared with, and other values for any field.
#[derive(Clone)]
pub struct Values {
    pub words: &'static [&'static str],
    pub others: BoxedStrategy<String>,
    /// How many of twelve values are other ones.
    pub wild: u32,
}

impl Values {
    /// A value for a name with this ending.
    fn of(&self, kind: Option<Kind>, ending: &str) -> BoxedStrategy<String> {
        let parts = ["__date", "__time", "__year", "__iso_year"];
        let part = parts.into_iter().find(|part| ending.starts_with(part));
        let is_part = PARTS.iter().any(|part| ending.starts_with(&format!("__{}", part.name())));
        let one = match (kind, part) {
            _ if ending.ends_with("__isnull") => select(["true", "false"].as_slice()),
            (_, Some("__date")) => select(["2020-02-02", "2026-01-01", "2999-12-31"].as_slice()),
            (_, Some("__time")) => select(["00:00", "09:30", "23:59:59.999999"].as_slice()),
            (_, Some(_)) => select(["2019", "2020", "2026", "2999"].as_slice()),
            _ if is_part => select(["0", "1", "2", "4", "11", "30"].as_slice()),
            (Some(Kind::Integer), _) => select(["0", "1", "2", "3", "4", "5"].as_slice()),
            (Some(Kind::Choice(choices)), _) => select(choices),
            (Some(Kind::Boolean), _) => select(["true", "false"].as_slice()),
            (Some(Kind::Time), _) => select(["2020-02-02", "2026-01-01", "2999-12-31T23:59:59Z"].as_slice()),
            _ => select(self.words),
        };
        let is_list = ["__in", "__range", "__all"].iter().any(|list| ending.ends_with(list));
        let fitting = vec(one, if is_list { 2 } else { 1 }).prop_map(|values| values.join(","));
        prop_oneof![12 - self.wild => fitting, self.wild => self.others.clone()].boxed()
    }

    /// A name, with or without a lookup, and a value.
    fn condition(&self, resource: &'static Resource) -> BoxedStrategy<(String, String)> {
        let (values, named) = (self.clone(), select(names(resource)));
        let ended = named.prop_flat_map(|(name, kind)| (Just(name), Just(kind), select(endings(kind))));
        ended
            .prop_flat_map(move |(name, kind, ending)| {
                let value = values.of(kind, &ending);
                (Just(format!("{name}{ending}")), value)
            })
            .boxed()
    }

    fn filter(&self, resource: &'static Resource) -> impl Strategy<Value = (String, String)> + use<> {
        vec((self.condition(resource), 0_u8..6), 1..4).prop_map(|conditions| {
            let parts = conditions.into_iter().enumerate().map(|(place, ((name, value), shape))| {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                let condition = format!("{name}:\"{value}\"");
                let joint = if place == 0 { "" } else { [" and ", " or "][usize::from(shape) % 2] };
                match shape {
                    0 => format!("{joint}not {condition}"),
                    1 => format!("{joint}({condition})"),
                    2 => format!("{joint}not (not {condition} and {condition})"),
                    3 if name.ends_with("__in") => format!("{joint}{name}:[\"{value}\",x]"),
                    _ => format!("{joint}{condition}"),
                }
            });
            ("filter".to_owned(), parts.collect())
        })
    }

    fn parameter(&self, resource: &'static Resource) -> BoxedStrategy<(String, String)> {
        const CONTROLS: &[&str] =
            &["limit", "offset", "cursor", "count", "ordering", "filter", "tz", "all", "search"];
        const ZONES: &[&str] =
            &["UTC", "Asia/Kolkata", "America/New_York", "Etc/GMT+12", "Factory", "Pacific/Apia"];
        let excluded = self.condition(resource).prop_map(|(name, value)| (format!("exclude__{name}"), value));
        let term = (select(names(resource)), any::<bool>());
        let ordering = vec(term, 1..4).prop_map(|terms| {
            let terms = terms.into_iter();
            let terms = terms.map(|((name, _), down)| format!("{}{name}", if down { "-" } else { "" }));
            ("ordering".to_owned(), terms.collect::<Vec<_>>().join(","))
        });
        let others = || self.others.clone();
        let usual = prop_oneof![
            6 => self.condition(resource),
            2 => excluded,
            3 => self.filter(resource),
            1 => ordering,
            1 => select(ZONES).prop_map(|zone| ("tz".to_owned(), zone.to_owned())),
            1 => select(self.words).prop_map(|word| ("search".to_owned(), word.to_owned())),
        ];
        let odd = prop_oneof![
            (select(CONTROLS), others()).prop_map(|(name, value)| (name.to_owned(), value)),
            ("[a-z_]{0,12}", others()),
            select(["exact", "estimated"].as_slice()).prop_map(|way| ("count".to_owned(), way.to_owned())),
        ];
        prop_oneof![12 - self.wild => usual, self.wild => odd].boxed()
    }

    /// A list and a query string.
    pub fn question(&self) -> impl Strategy<Value = (&'static str, String)> + use<> {
        let values = self.clone();
        select(LISTS.as_slice())
            .prop_flat_map(move |list| (Just(list), vec(values.parameter(resource(list)), 1..4)))
            .prop_map(|(list, parameters)| (list, query(&parameters)))
    }
}
