//! What each structure is, and what it makes possible.

use crate::problem::format::page::{Page, pages};

/// Every structure `expect` may name.
pub fn structures() -> Vec<Page> {
    pages(include_str!("structures.md"))
}
