//! Settings of posts: the optional rules.

use clap::Args;

use super::values::Switch;

/// The optional rules about posts, off by default.
#[derive(Args, Clone, Debug)]
pub struct Posts {
    /// Whether titles must be in title case: `Hello World`
    #[arg(long, env = "PLAZA_TITLE_CASE", default_value = "off", global = true)]
    pub title_case: Switch,

    /// Whether a post's slug must be the one that is derived from its title, except for the number that keeps it unique
    #[arg(long, env = "PLAZA_SLUG_OF_TITLE", default_value = "off", global = true)]
    pub slug_of_title: Switch,
}
