//! The operations of the OpenAPI document, as the gate needs them.

use std::collections::HashMap;

use actix_web::http::Method;
use serde_json::{Value, json};

/// The query parameter that every operation with conditions has, and no other operation.
const FILTER: &str = "filter";

/// What the gate needs to know about an operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Whether a call requires a token.
    pub needs_token: bool,
    /// The names of the query parameters.
    pub parameters: Vec<String>,
    /// Whether the operation accepts conditions. The document names only the most common ones, so the operation checks the names
    /// itself.
    pub takes_conditions: bool,
}

/// Every operation of the document, by path template and method.
#[derive(Debug, Default)]
pub struct Operations(HashMap<String, HashMap<Method, Operation>>);

impl Operations {
    /// Read the operations from the OpenAPI document.
    pub fn new(document: &Value) -> Self {
        let mut paths = HashMap::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            let methods = item
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(method, operation)| Some((method_of(method)?, Operation::of(operation))))
                .collect();
            paths.insert(path.clone(), methods);
        }
        Self(paths)
    }

    /// Return the operation of an actix route such as `/media/{key:.*}`.
    pub fn find(&self, pattern: &str, method: &Method) -> Option<&Operation> {
        // Most patterns are templates already.
        self.0.get(pattern).or_else(|| self.0.get(&template(pattern)))?.get(method)
    }

    /// Return the methods that a path accepts, for `Allow`. There are none if there is no such path. A path that accepts GET also
    /// accepts HEAD.
    pub fn methods(&self, pattern: &str) -> Vec<Method> {
        let mut methods: Vec<Method> = self
            .0
            .get(&template(pattern))
            .map(|methods| methods.keys().cloned().collect())
            .unwrap_or_default();
        if methods.contains(&Method::GET) {
            methods.push(Method::HEAD);
        }
        methods.sort_by_key(ToString::to_string);
        methods
    }
}

impl Operation {
    fn of(operation: &Value) -> Self {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let requirements = operation["security"].as_array().map(Vec::as_slice).unwrap_or_default();
        let parameters: Vec<String> = parameters
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
            .collect();
        Self {
            needs_token: !requirements.is_empty() && requirements.iter().all(|one| one != &json!({})),
            takes_conditions: parameters.iter().any(|name| name == FILTER),
            parameters,
        }
    }
}

fn method_of(name: &str) -> Option<Method> {
    match name {
        "get" => Some(Method::GET),
        "put" => Some(Method::PUT),
        "post" => Some(Method::POST),
        "delete" => Some(Method::DELETE),
        "patch" => Some(Method::PATCH),
        _ => None,
    }
}

/// Return the path in the document for a route's pattern: without the regular expressions of its segments.
pub fn template(pattern: &str) -> String {
    let mut template = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let name = name.split(':').next().unwrap_or_default();
        template.extend([before, "{", name, "}"]);
        rest = after;
    }
    template.push_str(rest);
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_no_regular_expressions() {
        assert_eq!(template("/media/{key:.*}"), "/media/{key}");
        assert_eq!(template("/a/{b}/c/{d}"), "/a/{b}/c/{d}");
        assert_eq!(template("/a"), "/a");
    }
}
