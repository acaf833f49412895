//! The shape and the names of the state, the control and other variables.

use crate::expr::Shape;
use crate::problem::read::sizes::MOST_STATES;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Entry, Value};
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::quote;
use std::collections::BTreeSet;
use std::ops::Range;

/// `state = "x"`, `"x[3]"`, `"x[d]"` or `"x[q, v]"`, as typed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StateSpec {
    base: String,
    components: Components,
    span: Option<Range<usize>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Components {
    /// Nothing said: as many as the data have.
    Open,
    Count(usize),
    Named(Vec<String>),
}

/// The state once its size is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StateNames {
    pub base: String,
    /// One component without an index.
    pub scalar: bool,
    /// Names the user gave to components.
    pub aliases: Vec<String>,
    /// Names in tables and plots.
    pub shown: Vec<String>,
    /// Written to the resolved file.
    pub typed: String,
}

/// Reads `dynamics.state`; `None` after an error.
pub(crate) fn read_state(reader: &mut Reader, section: &Section<'_>) -> Option<StateSpec> {
    let Some(entry) = section.take("state") else {
        return Some(StateSpec {
            base: "x".to_owned(),
            components: Components::Open,
            span: None,
        });
    };
    reader.record_entry(section, entry);
    let Value::Text(text) = &entry.node.value else {
        reader.wrong_type(section, entry, "\"x\", \"x[3]\" or \"x[q, v]\"");
        return None;
    };
    let parsed = parse(text, |name| reader.integer_parameter(name));
    if parsed.is_none() {
        malformed(reader, entry, text, "state");
    }
    let (base, components) = parsed?;
    let spec = StateSpec {
        base,
        components,
        span: Some(entry.node.span.clone()),
    };
    spec.is_small(reader).then_some(spec)
}

/// Reads the shape of a variable whose size nothing else tells: a bare name is a scalar.
pub(crate) fn read_shape(
    reader: &mut Reader,
    section: &Section<'_>,
    entry: &Entry,
    what: &str,
) -> Option<StateNames> {
    let Value::Text(text) = &entry.node.value else {
        reader.wrong_type(section, entry, "\"u\", \"u[3]\" or \"u[a, b]\"");
        return None;
    };
    let Some((base, components)) = parse(text, |name| reader.integer_parameter(name)) else {
        malformed(reader, entry, text, what);
        return None;
    };
    let spec = StateSpec {
        base,
        components,
        span: Some(entry.node.span.clone()),
    };
    spec.is_small(reader)
        .then(|| spec.build(spec.count().unwrap_or(1), None))
}

fn malformed(reader: &mut Reader, entry: &Entry, text: &str, what: &str) {
    reader.push(
        Diagnostic::error(
            "E013",
            entry.node.span.clone(),
            format!("`{text}` is not the shape of a {what}"),
        )
        .note("accepted: \"x\", \"x[3]\", \"x[d]\" with an integer parameter d, \"x[q, v]\""),
    );
}

fn parse(text: &str, integer: impl Fn(&str) -> Option<usize>) -> Option<(String, Components)> {
    let text = text.trim();
    let Some((base, rest)) = text.split_once('[') else {
        // A bare name is a scalar when it stands alone, but the data may make it a vector.
        return is_name(text).then(|| (text.to_owned(), Components::Open));
    };
    let inside = rest.strip_suffix(']')?;
    let parts: Vec<&str> = inside.split(',').map(str::trim).collect();
    if !is_name(base.trim()) {
        return None;
    }
    let base = base.trim().to_owned();
    if let [one] = parts.as_slice() {
        let count = one.parse().ok().or_else(|| integer(one));
        if let Some(count) = count {
            return (count > 0).then_some((base, Components::Count(count)));
        }
    }
    let mut known = BTreeSet::from([base.as_str()]);
    let distinct = parts.iter().all(|part| known.insert(part));
    (distinct && parts.iter().all(|part| is_name(part))).then(|| {
        (
            base,
            Components::Named(parts.iter().map(|part| (*part).to_owned()).collect()),
        )
    })
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !matches!(text, "t" | "pi" | "inf")
}

impl StateNames {
    /// The layout of the variable.
    pub(crate) fn shape(&self) -> Shape {
        if !self.aliases.is_empty() {
            Shape::Named(self.aliases.clone())
        } else if self.scalar {
            Shape::Scalar
        } else {
            Shape::Vector(self.shown.len())
        }
    }
}

impl StateSpec {
    fn count(&self) -> Option<usize> {
        match &self.components {
            Components::Open => None,
            Components::Count(count) => Some(*count),
            Components::Named(names) => Some(names.len()),
        }
    }

    /// Refuses more components than are worked with, before anything is made of them.
    fn is_small(&self, reader: &mut Reader) -> bool {
        let count = self.count().unwrap_or(1);
        if count > MOST_STATES {
            let base = &self.base;
            let message = format!(
                "`{base}` has {count} components, more than the {MOST_STATES} that are taken"
            );
            let span = self.span.clone().unwrap_or_default();
            reader.push(Diagnostic::error("E610", span, message));
        }
        count <= MOST_STATES
    }

    /// The names when the data have `dimension` components.
    pub(crate) fn names(
        &self,
        reader: &mut Reader,
        data: &Section<'_>,
        dimension: usize,
        columns: Option<&[String]>,
    ) -> Option<StateNames> {
        if let Some(count) = self.count()
            && count != dimension
        {
            let span = self.span.clone().unwrap_or(data.span.clone());
            reader.push(
                Diagnostic::error(
                    "E015",
                    span,
                    format!(
                        "the state has {count} components, [{}] has {dimension}",
                        data.name
                    ),
                )
                .also(data.span.clone(), format!("{dimension} components")),
            );
            return None;
        }
        Some(self.build(dimension, columns))
    }

    /// The names, if the declaration alone tells how many.
    pub(crate) fn sized(&self) -> Option<StateNames> {
        self.count().map(|count| self.build(count, None))
    }

    /// The names when nothing but the declaration tells the size.
    pub(crate) fn names_alone(
        &self,
        reader: &mut Reader,
        data: &Section<'_>,
    ) -> Option<StateNames> {
        if self.span.is_none() {
            let family = if data.is_text("family", "density") {
                "density"
            } else {
                "log-density"
            };
            reader.push(
                Diagnostic::error(
                    "E011",
                    data.span.clone(),
                    format!("family `{family}` needs `dynamics.state`"),
                )
                .help("add state = \"x\" (one component) or state = \"x[2]\" to [dynamics]"),
            );
            return None;
        }
        Some(self.build(self.count().unwrap_or(1), None))
    }

    fn build(&self, dimension: usize, columns: Option<&[String]>) -> StateNames {
        let base = self.base.clone();
        let scalar = dimension == 1 && self.components == Components::Open;
        let indexed: Vec<String> = if scalar {
            vec![base.clone()]
        } else {
            (0..dimension).map(|i| format!("{base}[{i}]")).collect()
        };
        let aliases = match &self.components {
            Components::Named(names) => names.clone(),
            _ => Vec::new(),
        };
        let shown = if !aliases.is_empty() {
            aliases.clone()
        } else {
            columns.map_or(indexed, <[String]>::to_vec)
        };
        let typed = if !aliases.is_empty() {
            quote(&format!("{base}[{}]", aliases.join(", ")))
        } else if scalar {
            quote(&base)
        } else {
            quote(&format!("{base}[{dimension}]"))
        };
        StateNames {
            base,
            scalar,
            aliases,
            shown,
            typed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, Components)> {
        parse(text, |name| (name == "d").then_some(4))
    }

    #[test]
    fn the_four_ways_to_write_a_state() {
        assert_eq!(parsed("x"), Some(("x".to_owned(), Components::Open)));
        assert_eq!(parsed("x[3]"), Some(("x".to_owned(), Components::Count(3))));
        assert_eq!(parsed("y[d]"), Some(("y".to_owned(), Components::Count(4))));
        assert_eq!(
            parsed("x[q, v]"),
            Some((
                "x".to_owned(),
                Components::Named(vec!["q".to_owned(), "v".to_owned()])
            ))
        );
    }

    #[test]
    fn nonsense_is_not_a_state() {
        for text in ["", "3x", "x[0]", "x[q, q]", "x[q", "t", "x[x]", "x y"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
