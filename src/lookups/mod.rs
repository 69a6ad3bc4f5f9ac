//! The query language over HTTP: Django's lookups on every list. It knows no resource by name.
//!
//! A request goes through these, each of which is pure but the last:
//!
//! 1. `table`: what a resource's fields and relations are; the only place where they are told. `lookup` says how they compare.
//! 2. `request`: a query string into conditions, an ordering and a page, or every `fault` of it; `name`, `value`, `condition` and
//!    `filter` read its parts.
//! 3. `predicate` with `comparison`, and `order`: those as SQL, in `fragment`s of the program's own words and bound values.
//! 4. `selection` and `rows`: the statement, with `page` and `cursor` for what lies next to it.
//! 5. `reading`: what is asked of the database.
//!
//! `describe` tells people of the tables.

pub mod comparison;
pub mod condition;
pub mod cursor;
pub mod describe;
pub mod fault;
pub mod filter;
pub mod fragment;
pub mod lookup;
pub mod name;
pub mod order;
pub mod page;
pub mod predicate;
pub mod reading;
pub mod request;
pub mod rows;
pub mod selection;
pub mod table;
pub mod value;

#[cfg(test)]
mod tests;
