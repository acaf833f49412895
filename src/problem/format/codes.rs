//! What each code of a message means.

use crate::problem::format::page::{Page, pages};

/// Every code, in order. `E0xx` file and schema, `E1xx` expressions, `E2xx` mathematics, `E3xx` structure,
/// `E6xx` data, `E7xx` claims, `W4xx` lint.
pub fn codes() -> Vec<Page> {
    pages(include_str!("codes.md"))
}
