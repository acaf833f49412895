//! What is wrong with a problem file, where, and what would be accepted.

use crate::problem::text::visible::{message as shown, one_line};
use annotate_snippets::{AnnotationKind, Level as SnippetLevel, Renderer, Snippet};
use serde_json::{Value, json};
use std::ops::Range;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing is run.
    Error,
    /// Probably not what was meant.
    Warning,
}

impl Level {
    /// The word printed in front of the code.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A second place that belongs to the same diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Byte range in the [`Source`].
    pub span: Range<usize>,
    pub text: String,
}

/// One finding about a problem file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// `E0xx` file and schema, `E1xx` expressions, `E2xx` mathematics, `E6xx` data, `W4xx` lint.
    pub code: &'static str,
    pub level: Level,
    pub message: String,
    /// Byte range in the [`Source`]; `None` when the finding has no place in the file.
    pub span: Option<Range<usize>>,
    /// Text beside the caret.
    pub label: String,
    pub labels: Vec<Label>,
    /// Facts, printed as `= ...` lines.
    pub notes: Vec<String>,
    /// Advice, printed as `= help: ...` lines, most likely first.
    pub helps: Vec<String>,
}

impl Diagnostic {
    /// An error at a place in the file.
    pub fn error(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            level: Level::Error,
            message: shown(&message.into()),
            span: Some(span),
            label: String::new(),
            labels: Vec::new(),
            notes: Vec::new(),
            helps: Vec::new(),
        }
    }

    /// A lint at a place in the file.
    pub fn warning(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            ..Self::error(code, span, message)
        }
    }

    /// An error about the file as a whole.
    pub fn without_place(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            span: None,
            ..Self::error(code, 0..0, message)
        }
    }

    /// Sets the text beside the caret.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = shown(&text.into());
        self
    }

    /// The text beside the caret, if there is one.
    pub(crate) fn hint(self, text: Option<String>) -> Self {
        match text {
            Some(text) => self.label(text),
            None => self,
        }
    }

    /// Adds a second place.
    pub fn also(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: shown(&text.into()),
        });
        self
    }

    /// Adds a `= ...` line.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(shown(&text.into()));
        self
    }

    /// Adds a `= help: ...` line.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(shown(&text.into()));
        self
    }

    /// Renders as rustc does: title, place, line with caret, notes.
    pub fn render(&self, source: &Source, colour: bool) -> String {
        let level = match self.level {
            Level::Error => SnippetLevel::ERROR,
            Level::Warning => SnippetLevel::WARNING,
        };
        let mut group = level
            .primary_title(self.message.as_str())
            .id(self.code)
            .elements(self.snippet(source));
        for note in &self.notes {
            group = group.element(SnippetLevel::NOTE.no_name().message(note.as_str()));
        }
        for help in &self.helps {
            group = group.element(SnippetLevel::HELP.message(help.as_str()));
        }
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        renderer.render(&[group])
    }

    fn snippet<'a>(
        &'a self,
        source: &'a Source,
    ) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
        let span = self.span.clone()?;
        let segment = source.segment(span.start);
        let local = |range: &Range<usize>| segment.local(range);
        let primary = AnnotationKind::Primary.span(local(&span));
        let primary = if self.label.is_empty() {
            primary
        } else {
            primary.label(self.label.as_str())
        };
        let others = self
            .labels
            .iter()
            // A label in another segment (file against command line) has no line to draw here.
            .filter(|label| source.segment(label.span.start).start == segment.start)
            .map(|label| {
                AnnotationKind::Context
                    .span(local(&label.span))
                    .label(label.text.as_str())
            });
        Some(
            Snippet::source(segment.text.as_str())
                .path(segment.name.as_str())
                .annotation(primary)
                .annotations(others),
        )
    }

    /// One JSON object, as on the event stream.
    pub fn to_json(&self, source: &Source) -> Value {
        let hints: Vec<&String> = self.notes.iter().chain(&self.helps).collect();
        let mut object = json!({
            "v": 1,
            "ev": "diagnostic",
            "level": self.level.name(),
            "code": self.code,
            "message": self.message,
            "label": self.label,
            "file": source.name(),
            "hints": hints,
        });
        if let Some(span) = &self.span {
            let start = source.position(span.start);
            let end = source.position(span.end);
            object["file"] = json!(source.segment(span.start).name);
            object["line"] = json!(start.0);
            object["col"] = json!(start.1);
            object["end_line"] = json!(end.0);
            object["end_col"] = json!(end.1);
        }
        object
    }
}

/// A piece of text that spans may point into.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    /// Offset of its first byte in the common numbering.
    start: usize,
    name: String,
    text: String,
}

impl Segment {
    fn local(&self, range: &Range<usize>) -> Range<usize> {
        let end = self.text.len();
        let start = range.start.saturating_sub(self.start).min(end);
        start..range.end.saturating_sub(self.start).clamp(start, end)
    }
}

/// The text of a problem file followed by the overrides of the command line. Spans count bytes
/// through all of it, so that a message can point into either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    segments: Vec<Segment>,
}

impl Source {
    /// A file and its text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            segments: vec![Segment {
                start: 0,
                name: one_line(&name.into()),
                text: text.into(),
            }],
        }
    }

    /// The file name as the user gave it.
    pub fn name(&self) -> &str {
        &self.segments[0].name
    }

    /// The text of the file, without overrides.
    pub fn text(&self) -> &str {
        &self.segments[0].text
    }

    /// Appends the text of a command-line override; returns the offset of its first byte.
    pub(crate) fn add_override(&mut self, text: &str) -> usize {
        let last = &self.segments[self.segments.len() - 1];
        let start = last.start + last.text.len() + 1;
        self.segments.push(Segment {
            start,
            name: "--set".to_owned(),
            text: text.to_owned(),
        });
        start
    }

    /// The bytes of a span.
    pub fn slice(&self, span: Range<usize>) -> &str {
        let segment = self.segment(span.start);
        &segment.text[segment.local(&span)]
    }

    /// Line and column (in characters) of an offset, both counted from one.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let segment = self.segment(offset);
        let mut local = offset.saturating_sub(segment.start).min(segment.text.len());
        while !segment.text.is_char_boundary(local) {
            local -= 1;
        }
        let before = &segment.text[..local];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        (line, column)
    }

    fn segment(&self, offset: usize) -> &Segment {
        self.segments
            .iter()
            .rev()
            .find(|segment| segment.start <= offset)
            .unwrap_or(&self.segments[0])
    }
}

/// Everything found in one pass over a file that cannot be used, in order of position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub source: Source,
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Sorts by position; findings about the whole file come first.
    pub fn new(source: Source, mut diagnostics: Vec<Diagnostic>) -> Self {
        sort(&mut diagnostics);
        Self {
            source,
            diagnostics,
        }
    }

    /// All diagnostics and the closing line.
    pub fn render(&self, colour: bool) -> String {
        let mut text = render_all(&self.diagnostics, &self.source, colour);
        text.push_str(&self.summary());
        text.push('\n');
        text
    }

    /// `3 errors, 1 warning. Nothing was run.`
    pub fn summary(&self) -> String {
        let count = |level: Level| self.diagnostics.iter().filter(|d| d.level == level).count();
        let plural = |n: usize, word: &str| match n {
            1 => format!("1 {word}"),
            n => format!("{n} {word}s"),
        };
        let mut text = plural(count(Level::Error), "error");
        if count(Level::Warning) > 0 {
            text.push_str(", ");
            text.push_str(&plural(count(Level::Warning), "warning"));
        }
        text.push_str(". Nothing was run.");
        text
    }

    /// 5 when the only errors are files that could not be read, otherwise 2.
    pub fn exit_code(&self) -> u8 {
        let unreadable = |d: &Diagnostic| matches!(d.code, "E601" | "E602");
        let mut errors = self.diagnostics.iter().filter(|d| d.level == Level::Error);
        if errors.all(unreadable) { 5 } else { 2 }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

/// Orders diagnostics by position in the source.
pub(crate) fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|d| d.span.as_ref().map_or((0, 0), |s| (s.start + 1, s.end)));
}

/// Renders diagnostics one after another, separated by blank lines.
pub fn render_all(diagnostics: &[Diagnostic], source: &Source, colour: bool) -> String {
    diagnostics
        .iter()
        .map(|d| d.render(source, colour) + "\n\n")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Source, Diagnostic) {
        let source = Source::new(
            "wells.toml",
            "[dynamics]\nstate = \"x\"\ndifusion = \"s*sqrt(1 + a*x^2)\"\n",
        );
        let diagnostic = Diagnostic::error("E021", 23..31, "unknown key `difusion` in [dynamics]")
            .label("did you mean `diffusion`?")
            .note("valid here: state, drift, diffusion");
        (source, diagnostic)
    }

    #[test]
    fn an_error_names_file_line_column_and_draws_the_caret() {
        let (source, diagnostic) = example();
        let text = diagnostic.render(&source, false);
        assert_eq!(
            text,
            "error[E021]: unknown key `difusion` in [dynamics]\n \
             --> wells.toml:3:1\n  \
             |\n\
             3 | difusion = \"s*sqrt(1 + a*x^2)\"\n  \
             | ^^^^^^^^ did you mean `diffusion`?\n  \
             |\n  \
             = valid here: state, drift, diffusion"
        );
    }

    #[test]
    fn json_carries_the_same_place() {
        let (source, diagnostic) = example();
        let value = diagnostic.to_json(&source);
        assert_eq!(value["line"], 3);
        assert_eq!(value["col"], 1);
        assert_eq!(value["end_col"], 9);
        assert_eq!(value["code"], "E021");
    }

    #[test]
    fn a_span_in_an_override_is_shown_on_the_command_line() {
        let mut source = Source::new("a.toml", "format = 1\n");
        let start = source.add_override("kapa=2");
        let diagnostic = Diagnostic::error("E030", start..start + 4, "no such parameter");
        let text = diagnostic.render(&source, false);
        assert!(text.contains("--> --set:1:1"), "{text}");
        assert!(text.contains("kapa=2"), "{text}");
        assert_eq!(source.slice(start..start + 4), "kapa");
    }

    #[test]
    fn the_summary_counts_errors_and_warnings() {
        let (source, error) = example();
        let warning = Diagnostic::warning("W401", 0..1, "unused");
        let report = Report::new(source, vec![error.clone(), error, warning]);
        assert_eq!(report.summary(), "2 errors, 1 warning. Nothing was run.");
        assert_eq!(report.exit_code(), 2);
        assert_eq!(report.diagnostics[0].code, "W401");
    }
}
