//! Settings of posts.

use clap::Args;

use super::values::Switch;

/// Optional rules about posts.
#[derive(Args, Clone, Debug)]
pub struct Posts {
    /// Whether titles must be in title case: `Hello World`
    #[arg(long, env = "PLAZA_TITLE_CASE", default_value = "off", global = true)]
    pub title_case: Switch,

    /// Whether a post's slug must be the one that is made from its title, but for the number that keeps it unique
    #[arg(long, env = "PLAZA_SLUG_OF_TITLE", default_value = "off", global = true)]
    pub slug_of_title: Switch,
}
