//! Marking nodes with the text they were read or derived from.

use super::graph::{Expr, Graph};
use super::origin::{Mark, Origin, Source, SourceId};
use std::ops::Range;
use std::sync::Arc;

impl Graph {
    /// Names the place that texts come from until the next call; it reappears in [`Origin::place`].
    pub fn reading(&mut self, place: &str) {
        self.origins.place = Arc::from(place);
    }

    /// The text `e` was first read from, or was derived from.
    ///
    /// A node that is read in several places keeps the first; `None` for nodes that were built by hand.
    pub fn origin(&self, e: Expr) -> Option<Origin> {
        let mark = (*self.origins.marks.get(e.0 as usize)?)?;
        let source = &self.origins.sources[mark.source.0 as usize];
        Some(Origin {
            place: Arc::clone(&source.place),
            definition: source.definition.clone(),
            text: Arc::clone(&source.text),
            span: mark.start as usize..mark.end as usize,
            derived: mark.derived,
        })
    }

    pub(super) fn new_source(&mut self, text: &str, definition: Option<&str>) -> SourceId {
        let id = u32::try_from(self.origins.sources.len()).expect("fewer than 2^32 texts are read");
        self.origins.sources.push(Source {
            place: Arc::clone(&self.origins.place),
            definition: definition.map(Arc::from),
            text: Arc::from(text),
        });
        SourceId(id)
    }

    /// `nodes` are what the user wrote at `span`; so are nodes made since `before` that have no origin yet.
    pub(super) fn mark_read(
        &mut self,
        nodes: &[Expr],
        before: usize,
        source: SourceId,
        span: &Range<usize>,
    ) {
        let (Ok(start), Ok(end)) = (u32::try_from(span.start), u32::try_from(span.end)) else {
            return;
        };
        let mark = Mark {
            source,
            start,
            end,
            derived: false,
        };
        self.mark_since(before, mark);
        for node in nodes {
            let known = &mut self.origins.marks[node.0 as usize];
            if known.is_none_or(|m| m.derived) {
                *known = Some(mark);
            }
        }
    }

    /// Nodes made since `before` are consequences of `cause`.
    pub(super) fn mark_derived(&mut self, cause: Expr, before: usize) {
        if self.len() == before {
            return;
        }
        if let Some(Some(mark)) = self.origins.marks.get(cause.0 as usize) {
            let mark = Mark {
                derived: true,
                ..*mark
            };
            self.mark_since(before, mark);
        }
    }

    fn mark_since(&mut self, before: usize, mark: Mark) {
        self.origins.marks.resize(self.len(), None);
        for known in &mut self.origins.marks[before..] {
            known.get_or_insert(mark);
        }
    }
}
