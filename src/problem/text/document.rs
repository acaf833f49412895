//! The file as typed: a tree of TOML values, each with its byte range.

use crate::problem::text::diagnostic::{Diagnostic, Source};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub span: Range<usize>,
    pub value: Value,
}

/// What TOML can say.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Table),
}

impl Value {
    /// With an article, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a decimal number",
            Self::Boolean(_) => "a boolean",
            Self::Datetime => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

/// Keys in the order of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub key_span: Range<usize>,
    pub node: Node,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The table of a key.
    pub(crate) fn table(&self, key: &str) -> Option<&Self> {
        match &self.get(key)?.node.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The string of a key.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.node.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The tables of a list, each with the place of its first key.
    pub(crate) fn list(&self, key: &str) -> Vec<(&Self, Range<usize>)> {
        let Some(Value::Array(items)) = self.get(key).map(|entry| &entry.node.value) else {
            return Vec::new();
        };
        let tables = items.iter().filter_map(|node| match &node.value {
            Value::Table(table) => {
                let first = table.entries.first();
                let place = first.map_or(node.span.clone(), |entry| entry.key_span.clone());
                Some((table, place))
            }
            _ => None,
        });
        tables.collect()
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }
}

/// Parses TOML, collecting every syntax error.
pub(crate) fn parse(text: &str) -> Result<Table, Vec<Diagnostic>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    let mut last_line = None;
    for error in errors {
        let span = error.span().unwrap_or(0..text.len().min(1));
        // One mistake per line: the parser resumes in the middle of it and trips again.
        let line = text[..span.start.min(text.len())].matches('\n').count();
        if last_line.replace(line) != Some(line) {
            let message = format!("not TOML: {}", error.message());
            diagnostics.push(Diagnostic::error("E001", span, message));
        }
    }
    let table = convert_table(table.get_ref(), 0, &mut diagnostics);
    if diagnostics.is_empty() {
        Ok(table)
    } else {
        Err(diagnostics)
    }
}

fn convert_table(table: &DeTable<'_>, shift: usize, diagnostics: &mut Vec<Diagnostic>) -> Table {
    let entries = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: moved(key.span(), shift),
            node: convert(value, shift, diagnostics),
        })
        .collect();
    Table { entries }
}

fn convert_array(
    array: &DeArray<'_>,
    shift: usize,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Node> {
    array
        .iter()
        .map(|item| convert(item, shift, diagnostics))
        .collect()
}

fn convert(value: &Spanned<DeValue<'_>>, shift: usize, diagnostics: &mut Vec<Diagnostic>) -> Node {
    let span = moved(value.span(), shift);
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => {
                diagnostics.push(
                    Diagnostic::error("E001", span.clone(), "integer out of range")
                        .note("integers have 64 bits"),
                );
                Value::Integer(0)
            }
        },
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(array) => Value::Array(convert_array(array, shift, diagnostics)),
        DeValue::Table(table) => Value::Table(convert_table(table, shift, diagnostics)),
    };
    Node { span, value }
}

fn moved(span: Range<usize>, shift: usize) -> Range<usize> {
    span.start + shift..span.end + shift
}

/// A value given with `--set key=value`: TOML, or a bare word taken as a string.
fn parse_override_value(text: &str, start: usize) -> Node {
    let span = start..start + text.len();
    let plain = Node {
        span,
        value: Value::Text(text.to_owned()),
    };
    match DeValue::parse(text) {
        Ok(value) => {
            let mut diagnostics = Vec::new();
            let node = convert(&value, start, &mut diagnostics);
            if diagnostics.is_empty() { node } else { plain }
        }
        Err(_) => plain,
    }
}

/// A value given on the command line: `key.path=value`, or `parameter=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    pub key: String,
    pub value: String,
}

impl Override {
    /// Splits `key=value` at the first `=`; `None` without one.
    pub fn parse(text: &str) -> Option<Self> {
        let (key, value) = text.split_once('=')?;
        Some(Self {
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
        })
    }
}

/// Writes the overrides into the tree. A short name must be a parameter; a path may name a key the
/// file does not have yet, which is then checked like any other.
pub(crate) fn apply_overrides(
    root: &mut Table,
    source: &mut Source,
    overrides: &[Override],
    tables: &[&str],
) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for item in overrides {
        let start = source.add_override(&format!("{}={}", item.key, item.value));
        let key_span = start..start + item.key.len();
        let node = parse_override_value(&item.value, key_span.end + 1);
        let path: Vec<&str> = item.key.split('.').collect();
        let result = match path.as_slice() {
            [name] => set_parameter(root, name, node),
            path => set_path(root, path, &key_span, node, tables),
        };
        if let Err((message, advice)) = result {
            let diagnostic = Diagnostic::error("E030", key_span, message);
            diagnostics.push(match advice {
                Some(advice) => diagnostic.label(advice),
                None => diagnostic,
            });
        }
    }
    diagnostics
}

type SetError = (String, Option<String>);

fn set_parameter(root: &mut Table, name: &str, node: Node) -> Result<(), SetError> {
    use crate::problem::text::suggest::did_you_mean;
    let missing = |advice| Err((format!("no parameter `{name}` in [params]"), advice));
    let Some(Entry {
        node: Node {
            value: Value::Table(params),
            ..
        },
        ..
    }) = root.get_mut("params")
    else {
        return missing(Some(
            "this file has no [params]; write the full path, as in time.steps=100".to_owned(),
        ));
    };
    if let Some(entry) = params.get_mut(name) {
        entry.node = node;
        return Ok(());
    }
    missing(did_you_mean(
        name,
        params.entries.iter().map(|entry| entry.key.as_str()),
    ))
}

fn set_path(
    table: &mut Table,
    path: &[&str],
    key_span: &Range<usize>,
    node: Node,
    tables: &[&str],
) -> Result<(), SetError> {
    use crate::problem::text::suggest::did_you_mean;
    let (first, rest) = path.split_first().ok_or(("empty path".to_owned(), None))?;
    if !tables.is_empty() && !tables.contains(first) {
        return Err((
            format!("no table `{first}`"),
            did_you_mean(first, tables.iter().copied()),
        ));
    }
    if *first == "params" {
        return match rest {
            [name] => set_parameter_in(table, name, node),
            _ => Err(("a parameter is written params.name".to_owned(), None)),
        };
    }
    if rest.is_empty() {
        match table.get_mut(first) {
            Some(entry) => entry.node = node,
            None => table.entries.push(Entry {
                key: (*first).to_owned(),
                key_span: key_span.clone(),
                node,
            }),
        }
        return Ok(());
    }
    if table.get(first).is_none() {
        table.entries.push(Entry {
            key: (*first).to_owned(),
            key_span: key_span.clone(),
            node: Node {
                span: key_span.clone(),
                value: Value::Table(Table::default()),
            },
        });
    }
    let Some(entry) = table.get_mut(first) else {
        unreachable!("the entry was just added");
    };
    match &mut entry.node.value {
        Value::Table(inner) => set_path(inner, rest, key_span, node, &[]),
        Value::Array(items) => set_in_array(items, first, rest, key_span, node),
        _ => Err((format!("`{first}` is not a table"), None)),
    }
}

fn set_parameter_in(root: &mut Table, name: &str, node: Node) -> Result<(), SetError> {
    set_parameter(root, name, node)
}

/// `solver.action.paths`: the element whose `id` (or method, or check) is named, or its position.
fn set_in_array(
    items: &mut [Node],
    array: &str,
    path: &[&str],
    key_span: &Range<usize>,
    node: Node,
) -> Result<(), SetError> {
    use crate::problem::text::suggest::did_you_mean;
    let Some((name, rest)) = path.split_first() else {
        return Err((
            format!("`{array}` is a list; name one of its entries"),
            None,
        ));
    };
    let names: Vec<String> = items.iter().map(element_name).collect();
    let position = names
        .iter()
        .position(|n| n == name)
        .or_else(|| name.parse().ok().filter(|i| *i < items.len()));
    let Some(position) = position else {
        return Err((
            format!("no entry `{name}` in [[{array}]]"),
            did_you_mean(name, names.iter().map(String::as_str)),
        ));
    };
    match &mut items[position].value {
        Value::Table(inner) if !rest.is_empty() => set_path(inner, rest, key_span, node, &[]),
        _ => Err((format!("`{array}.{name}` wants a key after it"), None)),
    }
}

fn element_name(node: &Node) -> String {
    let Value::Table(table) = &node.value else {
        return String::new();
    };
    ["id", "method", "check"]
        .iter()
        .find_map(|key| match &table.get(key)?.node.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
        .unwrap_or_default()
}

/// Maps an offset in a decoded string to an offset in its TOML token, quotes and escapes included.
pub(crate) fn offset_in_token(token: &str, decoded: usize) -> usize {
    let (quotes, basic) = if token.starts_with("\"\"\"") {
        (3, true)
    } else if token.starts_with("'''") {
        (3, false)
    } else if token.starts_with('"') {
        (1, true)
    } else if token.starts_with('\'') {
        (1, false)
    } else {
        // A bare word from the command line.
        return decoded.min(token.len());
    };
    let body_end = token.len().saturating_sub(quotes);
    let mut at = quotes;
    if quotes == 3 {
        // TOML drops one line end right after the opening quotes.
        at += leading_newline(&token[at..]);
    }
    if !(basic && token.contains('\\')) {
        at = (at + decoded).min(body_end);
        while !token.is_char_boundary(at) {
            at += 1;
        }
        return at;
    }
    let mut produced = 0;
    while at < body_end {
        let rest = &token[at..];
        let Some(c) = rest.chars().next() else { break };
        if c == '\\' && basic {
            let (consumed, made) = escape(rest);
            if produced >= decoded && made > 0 {
                break;
            }
            at += consumed;
            produced += made;
        } else if produced >= decoded {
            break;
        } else {
            at += c.len_utf8();
            produced += c.len_utf8();
        }
    }
    at.min(body_end)
}

fn leading_newline(text: &str) -> usize {
    if text.starts_with("\r\n") {
        2
    } else {
        usize::from(text.starts_with('\n'))
    }
}

/// Bytes of one escape sequence in the token, and bytes it stands for.
fn escape(rest: &str) -> (usize, usize) {
    let hexadecimal = |digits: usize| {
        let code = rest
            .get(2..2 + digits)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .and_then(char::from_u32);
        (2 + digits, code.map_or(1, char::len_utf8))
    };
    match rest.as_bytes().get(1) {
        Some(b'u') => hexadecimal(4),
        Some(b'U') => hexadecimal(8),
        Some(b'x') => hexadecimal(2),
        // A backslash at the end of a line swallows all white space up to the next character.
        Some(b' ' | b'\t' | b'\r' | b'\n') => {
            let white = rest[1..].len() - rest[1..].trim_start().len();
            (1 + white, 0)
        }
        _ => (2, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_point_at_keys_and_values() {
        let text = "[data]\nfamily = \"gaussian\"\n";
        let root = parse(text).expect("valid");
        let Value::Table(data) = &root.get("data").expect("present").node.value else {
            panic!("a table");
        };
        let entry = data.get("family").expect("present");
        assert_eq!(&text[entry.key_span.clone()], "family");
        assert_eq!(&text[entry.node.span.clone()], "\"gaussian\"");
    }

    #[test]
    fn every_syntax_error_is_reported() {
        let errors = parse("a = \nb = 1\nc = ]\n").expect_err("two lines are broken");
        assert!(errors.len() >= 2, "{errors:?}");
        assert!(errors.iter().all(|e| e.code == "E001"));
    }

    #[test]
    fn offsets_survive_quotes_escapes_and_line_ends() {
        assert_eq!(offset_in_token("\"x + y\"", 4), 5);
        assert_eq!(offset_in_token("'x + y'", 4), 5);
        // Decoded: a TAB b; b is the third character.
        assert_eq!(offset_in_token("\"a\\tb\"", 2), 4);
        // Decoded: é (two bytes) then x.
        assert_eq!(offset_in_token("\"\\u00e9x\"", 2), 7);
        assert_eq!(offset_in_token("\"\"\"\nx + y\"\"\"", 4), 8);
        // A continued line: decoded "x + y".
        assert_eq!(offset_in_token("\"\"\"x + \\\n   y\"\"\"", 4), 12);
        assert_eq!(offset_in_token("x+y", 2), 2);
    }

    fn overridden(text: &str, key: &str, value: &str) -> Result<Table, Vec<Diagnostic>> {
        let mut root = parse(text).expect("valid");
        let mut source = Source::new("a.toml", text);
        let item = Override {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let diagnostics = apply_overrides(
            &mut root,
            &mut source,
            &[item],
            &["params", "time", "solver"],
        );
        if diagnostics.is_empty() {
            Ok(root)
        } else {
            Err(diagnostics)
        }
    }

    #[test]
    fn an_override_reaches_parameters_keys_and_solver_options() {
        let text = "[params]\nk = 1\n[[solver]]\nid = \"a\"\npaths = 3\n";
        for (key, path) in [
            ("k", "params"),
            ("params.k", "params"),
            ("time.steps", "time"),
            ("solver.a.paths", "solver"),
        ] {
            let root = overridden(text, key, "77").expect(key);
            let shown = format!("{:?}", root.get(path).expect("present").node.value);
            assert!(shown.contains("Integer(77)"), "{key}: {shown}");
        }
        let root = overridden(text, "time.spacing", "log").expect("a bare word is a string");
        assert!(format!("{root:?}").contains("Text(\"log\")"));
    }

    #[test]
    fn an_override_of_nothing_is_refused_with_a_suggestion() {
        let text = "[params]\nkappa = 1\n";
        let errors = overridden(text, "kapa", "2").expect_err("no such parameter");
        assert_eq!(errors[0].label, "did you mean `kappa`?");
        let errors = overridden(text, "tme.steps", "2").expect_err("no such table");
        assert_eq!(errors[0].label, "did you mean `time`?");
    }
}
