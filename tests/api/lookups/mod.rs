//! The lookup language: what Django's ORM answers, from any HTTP client.

mod django;
mod documented;
mod pages;
mod property;
mod walked;
mod walks;

use serde_json::Value;

/// A query string of these parameters.
pub fn query<N: AsRef<str>, V: AsRef<str>>(parameters: &[(N, V)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// One member of every result of a page.
pub fn keys(page: &Value, member: &str) -> Vec<Value> {
    let results = page["results"].as_array().unwrap_or_else(|| panic!("no page: {page}"));
    results.iter().map(|row| row[member].clone()).collect()
}
