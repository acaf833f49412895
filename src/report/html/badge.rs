//! Verdicts as symbol and word, never by colour alone.

use crate::verification::verdict::Verdict;
use maud::{Markup, html};

/// A verdict as symbol and word.
pub(super) fn badge(verdict: Verdict) -> Markup {
    html! { span.v.(verdict.name()) { (symbol(verdict)) " " (verdict.name()) } }
}

pub(super) fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proved => "∎",
        Verdict::Pass => "✓",
        Verdict::Fail => "✗",
        Verdict::Inconclusive => "?",
        Verdict::Skipped => "–",
    }
}
