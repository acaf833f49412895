//! What can be wrong with a source expression.

use std::collections::BTreeSet;
use std::ops::Range;
use thiserror::Error;

/// A mistake in an expression, located in its source.
///
/// | code | meaning |
/// |---|---|
/// | E101 | syntax: something else was expected |
/// | E102 | a character or number that cannot be read |
/// | E103 | a limit: nesting, nodes after expansion, loop length |
/// | E111 | unknown name |
/// | E112 | unknown function |
/// | E113 | definitions in a cycle |
/// | E114 | wrong number of arguments |
/// | E121 | `*`, `/` or `^` between vectors: elementwise, inner or outer? |
/// | E122 | shapes that do not fit |
/// | E123 | index out of range |
/// | E124 | an index or range bound that is not a constant integer |
/// | E125 | a condition where a number is needed, or the reverse |
/// | E126 | division by zero, or arithmetic with `inf` |
/// | E127 | a derivative with respect to something that is not a variable |
/// | E220 | a unit that cannot be read |
/// | E221 | units that do not fit |
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ExprError {
    pub code: &'static str,
    pub message: String,
    /// Bytes of the source the message is about.
    pub span: Range<usize>,
    /// Printed under the span.
    pub label: String,
    /// One suggestion.
    pub help: Option<Box<str>>,
    /// A second place that matters.
    pub second: Option<Box<(Range<usize>, String)>>,
    /// The definition whose text the spans refer to; `None`: the parsed source itself.
    pub definition: Option<Box<str>>,
}

impl ExprError {
    pub(crate) fn new(
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            span,
            label: label.into(),
            help: None,
            second: None,
            definition: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<Box<str>>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn second(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.second = Some(Box::new((span, label.into())));
        self
    }
}

/// The candidate closest to `name`, if it is close enough to be a slip. Of several equally close ones only
/// a beginning of `name` is suggested (`sin` for `sine`): a wrong suggestion costs more than none.
pub(super) fn closest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (name.chars().count() / 3 + 1).min(3);
    let near: BTreeSet<(usize, &str)> = candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    let least = near.first()?.0;
    let nearest: Vec<&str> = near
        .iter()
        .take_while(|(distance, _)| *distance == least)
        .map(|(_, candidate)| *candidate)
        .collect();
    match nearest.as_slice() {
        [single] => Some(single),
        several => several.iter().copied().find(|c| name.starts_with(c)),
    }
}
