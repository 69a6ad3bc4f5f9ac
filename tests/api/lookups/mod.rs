//! The lookup language: what Django's ORM answers, from any HTTP client.

mod django;
mod documented;
