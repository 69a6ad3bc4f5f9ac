//! Finds what the name of a condition means, segment by segment, such as `writer__username__istartswith`.

use super::lookup::{Lookup, PARTS, Part};
use super::table::{Field, Kind, Relation, Resource};

/// The separator of the segments of a name.
pub const SEPARATOR: &str = "__";

/// The path from a resource's row to another row, and the condition there.
#[derive(Clone, Debug)]
pub struct Name {
    /// The relations, one after the other.
    pub path: Vec<&'static Relation>,
    /// What is compared.
    pub subject: Subject,
    /// How it is compared.
    pub lookup: Lookup,
}

/// What a condition compares.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// A field of the row at the end of the path, or a part of it.
    Field(&'static Field, Option<Part>),
    /// A field of the link table of the last relation in the path, such as the `reason` of a post's label.
    Link(&'static Field, Option<Part>),
    /// The relation itself.
    Relation,
}

/// An unknown name, and a known one that may have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// A known name that is similar.
    pub nearest: Option<String>,
    /// What is wrong, as the end of a sentence.
    pub detail: String,
}

impl Name {
    /// Return what a name means for a resource.
    pub fn parse(resource: &'static Resource, text: &str) -> Result<Self, Unknown> {
        let mut walk = Walk { text, segments: text.split(SEPARATOR).collect(), place: 0 };
        let mut path = Vec::new();
        loop {
            let (fields, relations) = reach(resource, &path);
            let Some(segment) = walk.next() else {
                return Ok(Self { path, subject: Subject::Relation, lookup: Lookup::Exact });
            };
            let links = path.last().map(|last: &&Relation| last.link_fields()).unwrap_or_default();
            if let Some(field) = links.iter().find(|field| field.name == segment) {
                let (part, lookup) = walk.rest(field)?;
                return Ok(Self { path, subject: Subject::Link(field, part), lookup });
            }
            if let Some(field) = fields.iter().find(|field| field.name == segment) {
                let (part, lookup) = walk.rest(field)?;
                path.extend(field.via);
                return Ok(Self { path, subject: Subject::Field(field, part), lookup });
            }
            if let Some(relation) = relations.iter().copied().find(|relation| relation.name == segment) {
                path.push(relation);
                continue;
            }
            let of_relation = path.last().map(|last| Lookup::of_relation(last.is_to_one()));
            if let Some(lookup) = find(of_relation.unwrap_or_default(), segment) {
                walk.must_end()?;
                return Ok(Self { path, subject: Subject::Relation, lookup });
            }
            let known = fields.iter().chain(links).map(|field| field.name);
            let known = known.chain(relations.iter().map(|relation| relation.name));
            let known = known.chain(of_relation.unwrap_or_default().iter().map(|lookup| lookup.name()));
            return Err(walk.unknown(known.collect()));
        }
    }

    /// Whether only staff may use it.
    pub fn is_private(&self) -> bool {
        match self.subject {
            Subject::Field(field, _) | Subject::Link(field, _) => field.is_private,
            Subject::Relation => self.path.last().is_some_and(|relation| relation.target.key.is_private),
        }
    }

    /// Return the field whose values are compared.
    pub fn field(&self) -> Option<&'static Field> {
        match self.subject {
            Subject::Field(field, _) | Subject::Link(field, _) => Some(field),
            Subject::Relation => self.path.last().map(|relation| &relation.target.key),
        }
    }
}

/// Return the fields and relations at the end of a path.
fn reach(
    resource: &'static Resource,
    path: &[&'static Relation],
) -> (&'static [Field], Vec<&'static Relation>) {
    match path.last() {
        Some(last) => (last.target.fields, last.onward().collect()),
        None => (resource.fields, resource.relations.to_vec()),
    }
}

fn find(lookups: &[Lookup], name: &str) -> Option<Lookup> {
    lookups.iter().copied().find(|lookup| lookup.name() == name)
}

/// The segments of a name, one after the other.
struct Walk<'a> {
    text: &'a str,
    segments: Vec<&'a str>,
    place: usize,
}

impl<'a> Walk<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let segment = self.segments.get(self.place).copied()?;
        self.place += 1;
        Some(segment)
    }

    /// Read what follows the name of a field: a part of it, a lookup, both or nothing.
    fn rest(&mut self, field: &Field) -> Result<(Option<Part>, Lookup), Unknown> {
        let lookups = Lookup::of(field.kind);
        let parts = if field.kind == Kind::Time { PARTS } else { &[] };
        let Some(segment) = self.next() else { return Ok((None, Lookup::Exact)) };
        if let Some(part) = parts.iter().copied().find(|part| part.name() == segment) {
            let Some(segment) = self.next() else { return Ok((Some(part), Lookup::Exact)) };
            return match find(Lookup::of_part(), segment) {
                Some(lookup) => self.must_end().map(|()| (Some(part), lookup)),
                None => Err(self.unknown(Lookup::of_part().iter().map(|lookup| lookup.name()).collect())),
            };
        }
        if let Some(lookup) = find(lookups, segment) {
            return self.must_end().map(|()| (None, lookup));
        }
        let known = lookups.iter().map(|lookup| lookup.name());
        Err(self.unknown(known.chain(parts.iter().map(|part| part.name())).collect()))
    }

    fn must_end(&self) -> Result<(), Unknown> {
        match self.segments.get(self.place) {
            None => Ok(()),
            Some(segment) => {
                let known = self.segments[..self.place].join(SEPARATOR);
                let detail = format!("`{known}` is a complete condition, which `{segment}` cannot follow");
                Err(Unknown { nearest: Some(known), detail })
            }
        }
    }

    /// Return the error for the segment that was read last: it is none of those that are known there.
    fn unknown(&self, known: Vec<&str>) -> Unknown {
        let (before, after) = self.segments.split_at(self.place);
        let (segment, before) = before.split_last().map_or(("", before), |(last, rest)| (*last, rest));
        let nearest = nearest(segment, known.iter().copied()).map(|nearest| {
            let segments = before.iter().copied().chain([nearest]).chain(after.iter().copied());
            segments.collect::<Vec<_>>().join(SEPARATOR)
        });
        let detail = if before.is_empty() {
            format!("no field or relation has the name `{}`", self.text)
        } else {
            format!("`{}` can be followed only by {}", before.join(SEPARATOR), known.join(", "))
        };
        Unknown { nearest, detail }
    }
}

/// Return the most similar of the known names, if one is similar enough.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}
