//! Where nodes come from: the user's text, kept beside the nodes and outside their identity.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The piece of text an expression was read from, or was derived from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What [`Graph::reading`](super::Graph::reading) named, such as `cost.running`; empty when it named nothing.
    pub place: Arc<str>,
    /// The definition whose body `text` is; `None`: the text stands at `place` itself.
    pub definition: Option<Arc<str>>,
    /// The whole text that was read.
    pub text: Arc<str>,
    /// Bytes of `text`.
    pub span: Range<usize>,
    /// Whether the node is a consequence of what stands there (a derivative, an expansion, a substitution)
    /// rather than its meaning.
    pub derived: bool,
}

impl Origin {
    /// Whether `inner`, of the same text, stands inside this span.
    pub(super) fn contains(&self, inner: &Self) -> bool {
        self.span.start <= inner.span.start && inner.span.end <= self.span.end
    }

    /// The characters at the span.
    pub fn snippet(&self) -> &str {
        self.text.get(self.span.clone()).unwrap_or_default()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.definition {
            Some(name) => write!(f, "`{}` in the definition of `{name}`", self.snippet()),
            None if self.place.is_empty() => write!(f, "`{}`", self.snippet()),
            None => write!(f, "`{}` in `{}`", self.snippet(), self.place),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) place: Arc<str>,
    pub(super) definition: Option<Arc<str>>,
    pub(super) text: Arc<str>,
}

/// Identifies a text that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SourceId(pub(super) u32);

#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) source: SourceId,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) derived: bool,
}

/// Origins of the nodes of one graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    pub(super) place: Arc<str>,
    pub(super) sources: Vec<Source>,
    /// One entry per node, as far as any was marked.
    pub(super) marks: Vec<Option<Mark>>,
}
