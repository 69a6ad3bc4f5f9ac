//! The query language over HTTP: Django's lookups on every list. It does not know any resource by name.
//!
//! A request passes through these modules, each of which is pure but the last:
//!
//! 1. `table`: the fields and relations of a resource; the only place that declares them. `lookup` says how they compare.
//! 2. `request`: reads a query string into conditions, an ordering and a page, or into every `fault` in it; `name`, `value`,
//!    `condition` and `filter` read its parts.
//! 3. `predicate` with `comparison`, and `order`: write those as SQL, in `fragment`s of the program's own text and bound values.
//! 4. `selection` and `rows`: the statement, with `page` and `cursor` for the neighbouring pages.
//! 5. `reading`: what is asked of the database.
//!
//! `describe` documents the tables for people.

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
