//! Typed access to the tree: every wrong value becomes a diagnostic, every value used (given or
//! default) is written down for `check --resolved`.

use crate::problem::format::key::{Bound, Fallback, Form, Key};
use crate::problem::format::names::LATER;
use crate::problem::format::schema;
use crate::problem::format::vocabulary::Vocabulary;
use crate::problem::meant::named::Named;
use crate::problem::text::diagnostic::{Diagnostic, Level, Source};
use crate::problem::text::document::{Entry, Node, Table, Value};
use crate::problem::text::names::Formulas;
use crate::problem::text::resolved::{Resolved, float, quote};
use crate::problem::text::suggest::did_you_mean;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

/// Letters of a name that a file gives.
pub(crate) const LONGEST_NAME: usize = 64;

/// A table of the file together with the record of which keys were used.
pub(crate) struct Section<'d> {
    /// As in messages: `data`, `solver`, `reference.entropy`.
    pub name: String,
    /// Where to point when a key is missing.
    pub span: Range<usize>,
    /// Index of the table in the resolved file.
    pub resolved: usize,
    table: Option<&'d Table>,
    taken: RefCell<BTreeSet<&'static str>>,
}

impl<'d> Section<'d> {
    /// The entry of a key, which counts as used from now on.
    pub(crate) fn take(&self, key: &'static str) -> Option<&'d Entry> {
        self.taken.borrow_mut().insert(key);
        self.table?.get(key)
    }

    /// Whether the file has the table.
    pub(crate) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.get(key).is_some())
    }

    /// Whether a key holds this string.
    pub(crate) fn is_text(&self, key: &str, text: &str) -> bool {
        let entry = self.table.and_then(|table| table.get(key));
        matches!(entry.map(|entry| &entry.node.value), Some(Value::Text(found)) if found == text)
    }

    /// All entries, for tables with keys of the user's choice.
    pub(crate) fn entries(&self) -> &'d [Entry] {
        self.table.map_or(&[], |table| &table.entries)
    }

    /// The entries nobody asked for.
    fn unused(&self) -> impl Iterator<Item = &'d Entry> {
        let taken = self.taken.borrow().clone();
        self.table
            .into_iter()
            .flat_map(|table| &table.entries)
            .filter(move |entry| !taken.contains(entry.key.as_str()))
    }
}

/// Reads values and collects what is wrong with them.
pub(crate) struct Reader {
    pub source: Source,
    pub formulas: Formulas,
    pub resolved: Resolved,
    pub diagnostics: Vec<Diagnostic>,
    pub vocabulary: Vocabulary,
    /// SHA-256 of every table that was read.
    pub data: Vec<String>,
}

impl Reader {
    /// The keys of the table that a section is, one after the other.
    fn keys(&self, section: &Section<'_>) -> Option<Vec<&'static Key>> {
        let name = section.name.split('.').next().unwrap_or_default();
        schema::table(name).map(|table| schema::keys(table, &self.vocabulary))
    }

    /// Whether the table holds a key the format does not have.
    pub(crate) fn has_unknown_keys(&self, section: &Section<'_>) -> bool {
        self.keys(section).is_some_and(|keys| {
            let known = |entry: &Entry| keys.iter().any(|key| key.name == entry.key);
            !section.entries().iter().all(known)
        })
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.level == Level::Error)
    }

    /// Opens `[name]`; an absent table has no keys and all defaults.
    pub(crate) fn section<'d>(&mut self, root: &'d Table, name: &str) -> Section<'d> {
        let entry = root.get(name);
        let table = entry.and_then(|entry| match &entry.node.value {
            Value::Table(table) => Some(table),
            _ => None,
        });
        Section {
            name: name.to_owned(),
            span: entry.map_or(0..0, |entry| entry.key_span.clone()),
            resolved: self.resolved.table(format!("[{name}]")),
            table,
            taken: RefCell::default(),
        }
    }

    /// Opens one element of a list of tables, or a named table, under `header` in the resolved file.
    pub(crate) fn element<'d>(
        &mut self,
        name: &str,
        header: String,
        span: Range<usize>,
        table: &'d Table,
    ) -> Section<'d> {
        Section {
            name: name.to_owned(),
            span,
            resolved: self.resolved.table(header),
            table: Some(table),
            taken: RefCell::default(),
        }
    }

    /// Reports the keys that exist in the schema but mean nothing in this context.
    pub(crate) fn finish(&mut self, section: &Section<'_>, context: &str) {
        let Some(keys) = self.keys(section) else {
            return;
        };
        let valid: Vec<&str> = section.taken.borrow().iter().copied().collect();
        for entry in section.unused() {
            // Unknown keys were reported before interpretation.
            if keys.iter().any(|key| key.name == entry.key) {
                self.diagnostics.push(
                    Diagnostic::error(
                        "E016",
                        entry.key_span.clone(),
                        format!("`{}` has no meaning for {context}", entry.key),
                    )
                    .note(format!("valid here: {}", valid.join(", "))),
                );
            }
        }
    }

    /// Records the text of a value for the resolved file.
    pub(crate) fn record(&mut self, section: &Section<'_>, key: &str, text: impl Into<String>) {
        self.resolved.set(section.resolved, key, text.into());
    }

    /// Records a value exactly as it stands in the file.
    pub(crate) fn record_entry(&mut self, section: &Section<'_>, entry: &Entry) {
        let text = self.typed(&entry.node);
        self.record(section, &entry.key, text);
    }

    /// The TOML text of a node as typed; bare words of the command line get their quotes.
    pub(crate) fn typed(&self, node: &Node) -> String {
        let raw = self.source.slice(node.span.clone());
        match &node.value {
            Value::Text(text) if !raw.starts_with(['"', '\'']) => quote(text),
            _ => raw.to_owned(),
        }
    }

    /// A wrong-type error.
    pub(crate) fn wrong_type(&mut self, section: &Section<'_>, entry: &Entry, wanted: &str) {
        let place = format!("{}.{}", section.name, entry.key);
        self.wrong::<()>(&entry.node, &place, wanted);
    }

    /// A wrong-type error in place of a value.
    fn wrong<T>(&mut self, node: &Node, place: &str, wanted: &str) -> Option<T> {
        let message = format!("`{place}` must be {wanted}");
        self.push(
            Diagnostic::error("E012", node.span.clone(), message)
                .label(format!("this is {}", node.value.kind())),
        );
        None
    }

    /// A missing-key error.
    pub(crate) fn missing(&mut self, section: &Section<'_>, key: &str, wanted: &str) {
        // A key nobody knows is probably the missing one, and was reported.
        if self.has_unknown_keys(section) {
            return;
        }
        self.push(
            Diagnostic::error(
                "E011",
                section.span.clone(),
                format!("[{}] needs `{key}`", section.name),
            )
            .help(format!("add {key} = {wanted}")),
        );
    }

    /// A string, recorded.
    pub(crate) fn text(&mut self, section: &Section<'_>, key: &'static str) -> Option<String> {
        let entry = section.take(key)?;
        self.record_entry(section, entry);
        self.text_at(&entry.node, &format!("{}.{key}", section.name))
    }

    /// The string a node holds.
    pub(crate) fn text_at(&mut self, node: &Node, place: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            _ => self.wrong(node, place, "a string"),
        }
    }

    /// A string with a default.
    pub(crate) fn text_or(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        default: &str,
    ) -> String {
        if section.has(key) {
            return self.text(section, key).unwrap_or_default();
        }
        section.take(key);
        self.record(section, key, quote(default));
        default.to_owned()
    }

    /// A name, recorded.
    pub(crate) fn name(&mut self, section: &Section<'_>, key: &'static str) -> Option<String> {
        let name = self.text(section, key)?;
        let entry = section.take(key)?;
        self.check_name(&entry.node, &name, &format!("{}.{key}", section.name));
        Some(name)
    }

    /// The same rule for keys that name quantities: as names of values, joined by `_` and in either case.
    pub(crate) fn check_key(&mut self, entry: &Entry, table: &str) {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || "_-[]".contains(c);
        if entry.key.len() > LONGEST_NAME || !entry.key.chars().all(is_letter) {
            let message = format!("`{}` is not a name for [{table}]", entry.key);
            let note =
                format!("accepted: letters, digits, `_`, `-` and `[i]`, at most {LONGEST_NAME}");
            self.push(Diagnostic::error("E013", entry.key_span.clone(), message).note(note));
        }
    }

    /// The one rule for names that a file gives: they become names of folders, files and arrays, and words of commands.
    pub(crate) fn check_name(&mut self, node: &Node, name: &str, place: &str) {
        let is_word = |word: &str| {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            !word.is_empty() && word.chars().all(is_plain)
        };
        if name.len() > LONGEST_NAME || !name.split('-').all(is_word) {
            let message = format!("`{place}` must be kebab-case, not `{name}`");
            let note = format!(
                "accepted: lower-case letters and digits, words joined by `-`, at most {LONGEST_NAME} letters"
            );
            self.push(Diagnostic::error("E013", node.span.clone(), message).note(note));
        }
    }

    /// The declaration of a key; what nobody declared holds text.
    fn declared(&self, section: &Section<'_>, key: &str) -> (Form, Fallback) {
        let keys = self.keys(section).unwrap_or_default();
        let found = keys.iter().find(|known| known.name == key);
        found.map_or((Form::Text, Fallback::Absent), |key| {
            (key.form, key.default)
        })
    }

    /// True or false.
    pub(crate) fn flag(&mut self, section: &Section<'_>, key: &'static str) -> bool {
        let default = matches!(self.declared(section, key).1, Fallback::Flag(true));
        let Some(entry) = section.take(key) else {
            self.record(section, key, default.to_string());
            return default;
        };
        self.record_entry(section, entry);
        match entry.node.value {
            Value::Boolean(value) => value,
            _ => {
                self.wrong_type(section, entry, "true or false");
                default
            }
        }
    }

    /// One of the names that a key knows.
    pub(crate) fn choice(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
    ) -> Option<&'static str> {
        let (form, default) = self.declared(section, key);
        let choices = match form {
            Form::Choice(names) => self.vocabulary.names(names),
            _ => Vec::new(),
        };
        match default {
            Fallback::Name(default) if !section.has(key) => {
                section.take(key);
                self.record(section, key, quote(default));
                Some(default)
            }
            _ => self.choice_of(section, key, &choices),
        }
    }

    /// One of several names, which must be there.
    pub(crate) fn choice_of(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        choices: &[&'static str],
    ) -> Option<&'static str> {
        let Some(entry) = section.take(key) else {
            self.missing(section, key, &one_of(choices));
            return None;
        };
        self.record_entry(section, entry);
        self.choice_at(&entry.node, &format!("{}.{key}", section.name), choices)
    }

    /// The value of the name chosen.
    pub(crate) fn one<T: Named>(&mut self, section: &Section<'_>, key: &'static str) -> Option<T> {
        self.choice(section, key).and_then(T::from_name)
    }

    /// The one of several names that a node holds.
    pub(crate) fn choice_at(
        &mut self,
        node: &Node,
        place: &str,
        choices: &[&'static str],
    ) -> Option<&'static str> {
        match &node.value {
            Value::Text(text) => self.named_choice(node, text, place, choices),
            _ => self.wrong(node, place, &format!("one of {}", choices.join(", "))),
        }
    }

    /// Looks a name up among the accepted ones.
    pub(crate) fn named_choice(
        &mut self,
        node: &Node,
        text: &str,
        place: &str,
        choices: &[&'static str],
    ) -> Option<&'static str> {
        if let Some(found) = choices.iter().find(|choice| **choice == text) {
            return Some(found);
        }
        let later = LATER
            .iter()
            .find(|word| word.place == place && word.name == text);
        if let Some(word) = later {
            let message = format!(
                "{} `{text}` is part of the format but not of this version",
                word.what
            );
            self.push(
                Diagnostic::error("E023", node.span.clone(), message)
                    .note(format!("accepted: {}", choices.join(", "))),
            );
            return None;
        }
        let diagnostic = Diagnostic::error(
            "E014",
            node.span.clone(),
            format!("unknown name `{text}` for `{place}`"),
        )
        .note(format!("accepted: {}", choices.join(", ")));
        self.push(diagnostic.hint(did_you_mean(text, choices.iter().copied())));
        None
    }

    /// A whole number.
    pub(crate) fn count(&mut self, section: &Section<'_>, key: &'static str) -> usize {
        match self.declared(section, key).1 {
            Fallback::Count(default) => self.count_or(section, key, default),
            _ => self.optional_count(section, key).unwrap_or_default(),
        }
    }

    /// A whole number with a default that depends on the problem.
    pub(crate) fn count_or(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        default: usize,
    ) -> usize {
        if !section.has(key) {
            section.take(key);
            self.record(section, key, default.to_string());
        }
        self.optional_count(section, key).unwrap_or(default)
    }

    /// A whole number that may be absent.
    pub(crate) fn optional_count(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
    ) -> Option<usize> {
        let entry = section.take(key)?;
        self.record_entry(section, entry);
        let least = self.declared(section, key).0.least();
        self.whole_number(&entry.node, &format!("{}.{key}", section.name), least)
    }

    /// A whole number of at least `least`.
    pub(crate) fn whole_number(&mut self, node: &Node, place: &str, least: usize) -> Option<usize> {
        match &node.value {
            Value::Integer(value) => match usize::try_from(*value) {
                Ok(value) if value >= least => Some(value),
                _ => {
                    self.push(Diagnostic::error(
                        "E013",
                        node.span.clone(),
                        format!("`{place}` must be at least {least}"),
                    ));
                    None
                }
            },
            _ => self.wrong(node, place, "a whole number"),
        }
    }

    /// An array of whole numbers of at least one.
    pub(crate) fn whole_numbers(
        &mut self,
        node: &Node,
        place: &str,
        what: &str,
    ) -> Option<Vec<usize>> {
        let items = format!("whole numbers, {what}");
        self.array_of(node, place, &items, |reader, item, place| {
            reader.whole_number(item, place, 1)
        })
    }

    /// An array; every item is read, so that all that is wrong is reported.
    fn array_of<T>(
        &mut self,
        node: &Node,
        place: &str,
        items_are: &str,
        read: impl Fn(&mut Self, &Node, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Array(items) = &node.value else {
            return self.wrong(node, place, &format!("an array of {items_are}"));
        };
        let values: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(i, item)| read(self, item, &format!("{place}[{i}]")))
            .collect();
        values.into_iter().collect()
    }

    /// Grid points: one count for all states, or one per state.
    pub(crate) fn points_at(
        &mut self,
        node: &Node,
        place: &str,
        dimension: usize,
    ) -> Option<Vec<usize>> {
        const LEAST: usize = 5;
        let Value::Array(items) = &node.value else {
            let points = self.whole_number(node, place, LEAST)?;
            return Some(vec![points; dimension]);
        };
        if items.len() != dimension {
            self.push(Diagnostic::error(
                "E015",
                node.span.clone(),
                format!(
                    "`{place}` has {} entries, the state has {dimension} components",
                    items.len()
                ),
            ));
            return None;
        }
        let points: Vec<Option<usize>> = items
            .iter()
            .map(|item| self.whole_number(item, place, LEAST))
            .collect();
        points.into_iter().collect()
    }

    /// A number, or a string that evaluates to one, in the range of its key.
    pub(crate) fn number_in(&mut self, section: &Section<'_>, entry: &Entry) -> Option<f64> {
        let place = format!("{}.{}", section.name, entry.key);
        let value = self.number_at(&entry.node, &place)?;
        let bound = self.declared(section, &entry.key).0.bound();
        self.bounded(&entry.node, &place, value, bound)
    }

    /// Checks a number against its range.
    pub(crate) fn bounded(
        &mut self,
        node: &Node,
        place: &str,
        value: f64,
        range: Bound,
    ) -> Option<f64> {
        if range.admits(value) {
            return Some(value);
        }
        self.push(
            Diagnostic::error(
                "E013",
                node.span.clone(),
                format!("`{place}` must be {}", range.words()),
            )
            .label(format!("this is {value}")),
        );
        None
    }

    /// A number.
    pub(crate) fn number(&mut self, section: &Section<'_>, key: &'static str) -> f64 {
        match self.declared(section, key).1 {
            Fallback::Number(default) => self.number_or(section, key, default),
            _ => self.optional_number(section, key).unwrap_or_default(),
        }
    }

    /// A number with a default that depends on the problem.
    pub(crate) fn number_or(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        default: f64,
    ) -> f64 {
        if !section.has(key) {
            section.take(key);
            self.record(section, key, float(default));
        }
        self.optional_number(section, key).unwrap_or(default)
    }

    /// A number that must be there.
    pub(crate) fn required_number(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
    ) -> Option<f64> {
        if !section.has(key) {
            section.take(key);
            self.missing(section, key, "a number");
        }
        self.optional_number(section, key)
    }

    /// An optional number; nothing is recorded when it is absent.
    pub(crate) fn optional_number(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
    ) -> Option<f64> {
        let entry = section.take(key)?;
        self.record_entry(section, entry);
        self.number_in(section, entry)
    }

    /// The value of a node that holds a number or a constant expression.
    pub(crate) fn number_at(&mut self, node: &Node, place: &str) -> Option<f64> {
        match &node.value {
            Value::Integer(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            Value::Text(text) => self.constant(node, text, place),
            _ => self.wrong(node, place, "a number"),
        }
    }

    /// An array of numbers.
    pub(crate) fn numbers_at(&mut self, node: &Node, place: &str) -> Option<Vec<f64>> {
        self.array_of(node, place, "numbers", Self::number_at)
    }

    /// Two finite numbers, the first below the second.
    pub(crate) fn interval_at(&mut self, node: &Node, place: &str) -> Option<(f64, f64)> {
        let (lo, hi) = self.bounds_at(node, place)?;
        if lo.is_finite() && hi.is_finite() {
            return Some((lo, hi));
        }
        self.push(Diagnostic::error(
            "E013",
            node.span.clone(),
            format!("`{place}` = [{lo}, {hi}] must be finite"),
        ));
        None
    }

    /// Two numbers, the first below the second, possibly infinite.
    pub(crate) fn bounds_at(&mut self, node: &Node, place: &str) -> Option<(f64, f64)> {
        let values = self.numbers_at(node, place)?;
        match values.as_slice() {
            [lo, hi] if lo < hi => Some((*lo, *hi)),
            [lo, hi] => {
                self.push(Diagnostic::error(
                    "E013",
                    node.span.clone(),
                    format!("`{place}` = [{lo}, {hi}] is not an interval; the first number must be below the second"),
                ));
                None
            }
            other => {
                self.push(Diagnostic::error(
                    "E015",
                    node.span.clone(),
                    format!("`{place}` has {} entries, not 2", other.len()),
                ));
                None
            }
        }
    }

    /// An array of strings, or a single string standing for an array of one.
    pub(crate) fn names_at(&mut self, node: &Node, place: &str) -> Option<Vec<(String, Node)>> {
        let items: Vec<&Node> = match &node.value {
            Value::Array(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut names = Vec::with_capacity(items.len());
        for item in items {
            match &item.value {
                Value::Text(text) => names.push((text.clone(), item.clone())),
                _ => return self.wrong(item, place, "a list of names"),
            }
        }
        Some(names)
    }
}

fn one_of(choices: &[&str]) -> String {
    choices
        .iter()
        .map(|choice| quote(choice))
        .collect::<Vec<_>>()
        .join(" or ")
}
