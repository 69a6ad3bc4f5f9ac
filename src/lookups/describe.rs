//! Describes for people what can be asked of a resource. `docs/fields.md` is generated from this.

use std::fmt::Write;

use super::lookup::{Lookup, PARTS};
use super::table::{Field, Kind, Relation, Resource};

/// Return a section of Markdown about a resource.
pub fn describe(resource: &Resource) -> String {
    let mut text = format!(
        "## {}\n\nOrdered by `{}` by default.\n\n| field | type | available to |\n| --- | --- | --- |\n",
        resource.name, resource.ordering,
    );
    for field in resource.fields {
        line(&mut text, field);
    }
    if !resource.relations.is_empty() {
        text.push_str("\n| relation | to | compared by | continues with |\n| --- | --- | --- | --- |\n");
    }
    for relation in resource.relations {
        relation_line(&mut text, relation);
    }
    text.push('\n');
    text
}

fn line(text: &mut String, field: &Field) {
    let holds = match field.kind {
        Kind::Text | Kind::Ascii => "text".into(),
        Kind::Username => "text; `me` stands for the caller".into(),
        Kind::Integer => "number".into(),
        Kind::Choice(choices) => format!("enumeration: `{}`", choices.join("` `")),
        Kind::Time => "time".into(),
        Kind::Boolean => "boolean".to_owned(),
    };
    let nothing = if field.is_nullable { ", or null" } else { "" };
    let who = if field.is_private { "staff" } else { "all" };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "| `{}` | {holds}{nothing} | {who} |", field.name);
}

fn relation_line(text: &mut String, relation: &Relation) {
    let far = relation.target;
    let number = if relation.is_to_one() { "one of" } else { "any number of" };
    let mut onward: Vec<String> =
        relation.link_fields().iter().map(|field| format!("`{}`", field.name)).collect();
    onward.push(format!("every field of {}", far.name));
    onward.extend(relation.onward().map(|next| format!("`{}`", next.name)));
    let _ = writeln!(
        text,
        "| `{}` | {number} [{}](#{}) | `{}` | {} |",
        relation.name,
        far.name,
        far.name,
        far.key.name,
        onward.join(", "),
    );
}

/// Return a table of the lookups that each kind of field has.
pub fn lookups() -> String {
    let mut text = String::from("| on | lookups |\n| --- | --- |\n");
    let parts: Vec<String> = PARTS.iter().map(|part| format!("`{}`", part.name())).collect();
    for (on, lookups) in [
        ("text", names(Lookup::of(Kind::Text))),
        ("number, enumeration", names(Lookup::of(Kind::Integer))),
        ("time", format!("{}, and its parts: {}", names(Lookup::of(Kind::Time)), parts.join(" "))),
        ("part of a time", names(Lookup::of_part())),
        ("boolean", names(Lookup::of(Kind::Boolean))),
        ("relation to one", names(Lookup::of_relation(true))),
        ("relation to many", names(Lookup::of_relation(false))),
    ] {
        let _ = writeln!(text, "| {on} | {lookups} |");
    }
    text
}

fn names(lookups: &[Lookup]) -> String {
    lookups.iter().map(|lookup| format!("`{}`", lookup.name())).collect::<Vec<_>>().join(" ")
}
