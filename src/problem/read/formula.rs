//! Expressions in the file: parameters, definitions, and the characters an error is about.

use crate::expr::{self, Expr, ExprError, Shape, Value as Meaning, check_definitions, is_function};
use crate::problem::read::state::StateNames;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Entry, Node, Table, Value, offset_in_token};
use crate::problem::text::folder::DataFolder;
use crate::problem::text::names::{Formulas, Shaped};
use crate::problem::text::reader::{LONGEST_NAME, Reader, Section};
use crate::problem::text::resolved::quote;
use crate::problem::text::table::{TableError, read_matrix};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Range;

/// The symbol of the curve parameter.
const CURVE_PARAMETER: &str = "s";
/// Values of the language that no name may shadow.
const RESERVED: [&str; 3] = ["t", "pi", "inf"];

impl Reader {
    /// Reads `[params]`: numbers, arrays, matrices, and expressions of other parameters in any order.
    pub(crate) fn read_parameters(&mut self, section: &Section<'_>, folder: &DataFolder) {
        let entries: Vec<&Entry> = section
            .entries()
            .iter()
            .filter(|entry| self.good_name(entry, &entry.key))
            .collect();
        for entry in &entries {
            self.record_named(section, entry);
            match &entry.node.value {
                Value::Table(table) => self.bind_file(entry, table, folder),
                _ => self.bind_parameter(entry),
            }
        }
        for entry in entries {
            if let Value::Text(_) = entry.node.value {
                self.evaluate_parameter(entry);
            }
        }
        self.formulas.scope.time(&mut self.formulas.graph);
    }

    /// `{ file = "A.csv" }`: a matrix, or a vector where the file has one column.
    fn bind_file(&mut self, entry: &Entry, table: &Table, folder: &DataFolder) {
        let name = entry.key.as_str();
        let mut file = None;
        for inner in &table.entries {
            match (&inner.node.value, inner.key.as_str()) {
                (Value::Text(text), "file") => file = Some((text, &inner.node)),
                _ => {
                    let message = format!("`{}` of `params.{name}` is not known", inner.key);
                    self.push(
                        Diagnostic::error("E010", inner.key_span.clone(), message).help(
                            "accepted: { file = \"A.csv\" }, numbers without a header, or .npy",
                        ),
                    );
                    return;
                }
            }
        }
        let Some((file, node)) = file else {
            let message = format!("`params.{name}` names no file");
            self.push(
                Diagnostic::error("E012", entry.node.span.clone(), message)
                    .help("accepted: { file = \"A.csv\" }"),
            );
            return;
        };
        let Some(bytes) = self.data(folder, node, file) else {
            return;
        };
        let rows = match read_matrix(&bytes, file) {
            Ok(rows) => rows,
            Err(errors) => return self.table_errors(node, errors),
        };
        let Formulas { graph, scope, .. } = &mut self.formulas;
        graph.expect_numbers(rows.iter().map(Vec::len).sum());
        if rows.iter().all(|row| row.len() == 1) {
            scope.bind_vector(graph, name, &rows.concat());
        } else {
            scope.bind_matrix(graph, name, &rows);
        }
    }

    /// The bytes of a file named in the problem.
    pub(crate) fn data(&mut self, folder: &DataFolder, node: &Node, file: &str) -> Option<Vec<u8>> {
        match folder.read(file) {
            Ok(bytes) => {
                let hash = Sha256::digest(&bytes);
                let hash = hash.iter().map(|byte| format!("{byte:02x}"));
                self.data.push(hash.collect());
                Some(bytes)
            }
            Err(error) => {
                self.push(
                    Diagnostic::error(error.code(), node.span.clone(), error.to_string())
                        .help(error.advice()),
                );
                None
            }
        }
    }

    pub(crate) fn table_errors(&mut self, node: &Node, errors: Vec<TableError>) {
        for error in errors {
            let diagnostic = Diagnostic::error(error.code(), node.span.clone(), error.to_string());
            self.push(match error.advice() {
                Some(advice) => diagnostic.help(advice),
                None => diagnostic,
            });
        }
    }

    fn bind_parameter(&mut self, entry: &Entry) {
        let name = entry.key.as_str();
        let place = format!("params.{name}");
        match &entry.node.value {
            Value::Text(text) => self.define(entry, name, text),
            Value::Array(items) if items.iter().any(|i| matches!(i.value, Value::Array(_))) => {
                let rows: Vec<Option<Vec<f64>>> = items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| self.numbers_at(item, &format!("{place}[{i}]")))
                    .collect();
                let Some(rows) = rows.into_iter().collect::<Option<Vec<Vec<f64>>>>() else {
                    return;
                };
                if rows.iter().any(|row| row.len() != rows[0].len()) {
                    let lengths: Vec<String> =
                        rows.iter().map(|row| row.len().to_string()).collect();
                    self.push(Diagnostic::error(
                        "E015",
                        entry.node.span.clone(),
                        format!("`{place}` has rows of lengths {}", lengths.join(", ")),
                    ));
                    return;
                }
                for (i, row) in rows.iter().enumerate() {
                    for (j, value) in row.iter().enumerate() {
                        let name = format!("{name}[{i}][{j}]");
                        self.formulas.parameters.insert(name, *value);
                    }
                }
                let Formulas { graph, scope, .. } = &mut self.formulas;
                graph.expect_numbers(rows.iter().map(Vec::len).sum());
                scope.bind_matrix(graph, name, &rows);
            }
            Value::Array(_) => {
                if let Some(values) = self.numbers_at(&entry.node, &place) {
                    for (i, value) in values.iter().enumerate() {
                        self.formulas
                            .parameters
                            .insert(format!("{name}[{i}]"), *value);
                    }
                    let Formulas { graph, scope, .. } = &mut self.formulas;
                    scope.bind_vector(graph, name, &values);
                }
            }
            _ => {
                if let Some(value) = self.number_at(&entry.node, &place) {
                    self.formulas.parameters.insert(name.to_owned(), value);
                    let Formulas { graph, scope, .. } = &mut self.formulas;
                    scope.bind_number(graph, name, value);
                }
            }
        }
    }

    fn evaluate_parameter(&mut self, entry: &Entry) {
        let name = entry.key.as_str();
        let place = format!("params.{name}");
        let Formulas { graph, scope, .. } = &mut self.formulas;
        let value = match expr::parse(name, scope, graph) {
            Ok(value) => value,
            Err(errors) => {
                self.expression_errors(&entry.node, &place, &errors);
                return;
            }
        };
        for (i, e) in value.components().into_iter().enumerate() {
            let name = match value {
                Meaning::Scalar(_) => name.to_owned(),
                _ => format!("{name}[{i}]"),
            };
            match self.formulas.value_of(e) {
                Some(number) if number.is_finite() => {
                    self.formulas.parameters.insert(name, number);
                }
                _ => self.push(Diagnostic::error(
                    "E013",
                    entry.node.span.clone(),
                    format!("`{place}` is not a finite number"),
                )),
            }
        }
    }

    /// A parameter that counts something, for `state = "x[d]"`.
    pub(crate) fn integer_parameter(&self, name: &str) -> Option<usize> {
        let value = *self.formulas.parameters.get(name)?;
        (value.fract() == 0.0 && (1.0..=1e6).contains(&value)).then_some(value as usize)
    }

    /// Reads `[define]`. Bodies are read when they are used.
    pub(crate) fn read_definitions(&mut self, section: &Section<'_>) {
        for entry in section.entries() {
            let name = entry.key.split('(').next().unwrap_or_default().trim();
            if !self.good_name(entry, name) {
                continue;
            }
            if self.formulas.scope.contains(name) {
                self.push(Diagnostic::error(
                    "E024",
                    entry.key_span.clone(),
                    format!("`{name}` is already a parameter"),
                ));
                continue;
            }
            self.record_named(section, entry);
            match &entry.node.value {
                Value::Text(text) => self.define(entry, &entry.key, text),
                Value::Integer(_) | Value::Float(_) => {
                    if let Some(value) = self.number_at(&entry.node, &format!("define.{name}")) {
                        let Formulas { graph, scope, .. } = &mut self.formulas;
                        scope.bind_number(graph, name, value);
                    }
                }
                _ => self.wrong_type(section, entry, "an expression"),
            }
        }
    }

    fn define(&mut self, entry: &Entry, head: &str, body: &str) {
        let name = head.split('(').next().unwrap_or_default().trim();
        self.formulas
            .definitions
            .insert(name.to_owned(), entry.node.span.clone());
        if let Err(error) = self.formulas.scope.define(head, body) {
            if error.definition.is_some() {
                self.expression_errors(&entry.node, head, &[error]);
            } else {
                let key = Node {
                    span: entry.key_span.clone(),
                    value: Value::Text(head.to_owned()),
                };
                self.expression_errors(&key, head, &[error]);
            }
        }
    }

    /// Names must be identifiers, and may not be the reserved values.
    fn good_name(&mut self, entry: &Entry, name: &str) -> bool {
        let mut letters = name.chars();
        let identifier = letters
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        let identifier = identifier && name.len() <= LONGEST_NAME;
        if !identifier || RESERVED.contains(&name) {
            let message = if identifier {
                format!("`{name}` is reserved")
            } else {
                format!("`{name}` is not a name")
            };
            self.push(
                Diagnostic::error("E013", entry.key_span.clone(), message).note(
                    "names have letters, digits and `_`, at most 64; t, pi and inf are taken",
                ),
            );
            return false;
        }
        if is_function(name) {
            self.push(Diagnostic::warning(
                "W402",
                entry.key_span.clone(),
                format!("`{name}` is also a built-in function"),
            ));
        }
        true
    }

    /// Writes a user-named entry to the resolved file; names that are not bare keys are quoted.
    pub(crate) fn record_named(&mut self, section: &Section<'_>, entry: &Entry) {
        let bare = entry
            .key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        let key = if bare {
            entry.key.clone()
        } else {
            quote(&entry.key)
        };
        let text = self.typed(&entry.node);
        self.record(section, &key, text);
    }

    /// Declares the state; from here on expressions may use it.
    pub(crate) fn declare(&mut self, dynamics: &Section<'_>, names: &StateNames) {
        self.record(dynamics, "state", names.typed.clone());
        let taken: Vec<&String> = std::iter::once(&names.base)
            .chain(&names.aliases)
            .filter(|name| self.formulas.scope.contains(name))
            .collect();
        if let Some(name) = taken.first() {
            let span = dynamics
                .take("state")
                .map_or(dynamics.span.clone(), |entry| entry.node.span.clone());
            let message = format!("`{name}` names the state and a parameter or definition");
            self.push(Diagnostic::error("E024", span, message).help("rename one of them"));
        }
        let Formulas { graph, scope, .. } = &mut self.formulas;
        self.formulas.state = scope.state(graph, &names.base, &names.shape());
    }

    /// Declares the control.
    pub(crate) fn declare_control(&mut self, entry: &Entry, names: &StateNames) -> Option<()> {
        let taken = std::iter::once(&names.base)
            .chain(&names.aliases)
            .find(|name| self.formulas.scope.contains(name));
        if let Some(name) = taken {
            let message = format!("`{name}` names the control and something else");
            self.push(
                Diagnostic::error("E024", entry.node.span.clone(), message)
                    .help("rename one of them"),
            );
            return None;
        }
        let Formulas { graph, scope, .. } = &mut self.formulas;
        self.formulas.control = scope.variable(graph, &names.base, &names.shape());
        Some(())
    }

    /// Puts a variable in scope while `read` reads.
    pub(crate) fn with_variable<T>(
        &mut self,
        names: &StateNames,
        read: impl FnOnce(&mut Self) -> T,
    ) -> (Vec<Expr>, T) {
        let outer = self.formulas.scope.clone();
        let Formulas { graph, scope, .. } = &mut self.formulas;
        let symbols = scope.variable(graph, &names.base, &names.shape());
        let value = read(self);
        self.formulas.scope = outer;
        (symbols, value)
    }

    /// Refuses an expression that contains the control; whether it was refused. `what` it is, as in "the
    /// diffusion".
    pub(crate) fn refuses_control(&mut self, node: &Node, what: &str, e: Expr) -> bool {
        let graph = &self.formulas.graph;
        let mut symbols = graph.symbols(&[e]).into_iter();
        let Some(found) = symbols.find(|s| self.formulas.control.contains(s)) else {
            return false;
        };
        let name = graph.symbol_name(found).unwrap_or_default().to_owned();
        self.push(
            Diagnostic::error(
                "E209",
                node.span.clone(),
                format!("{what} contains the control `{name}`"),
            )
            .note("the control may stand in `drift`, `cost.running` and [observe]"),
        );
        true
    }

    /// Refuses an expression of the time or the control where only the state has a meaning.
    pub(crate) fn of_state_alone(&mut self, node: &Node, place: &str, e: Expr) -> Option<()> {
        if self.refuses_control(node, &format!("`{place}`"), e) {
            return None;
        }
        if self.formulas.graph.depends_on(e, self.formulas.time()) {
            self.push(Diagnostic::error(
                "E206",
                node.span.clone(),
                format!("`{place}` depends on t; a law at a fixed time depends on the state only"),
            ));
            return None;
        }
        Some(())
    }

    /// What each entry of `[define]` without arguments stands for, those with mistakes left out.
    pub(crate) fn defined_values(&mut self, section: &Section<'_>) -> BTreeMap<String, Meaning> {
        let mut values = BTreeMap::new();
        for entry in section.entries() {
            let Formulas { graph, scope, .. } = &mut self.formulas;
            if !entry.key.contains('(')
                && let Ok(value) = expr::parse(&entry.key, scope, graph)
            {
                values.insert(entry.key.clone(), value);
                self.remember(format!("define.{}", entry.key), &entry.node);
            }
        }
        values
    }

    /// Remembers where an expression of the problem stands.
    pub(crate) fn remember(&mut self, key: impl Into<String>, node: &Node) {
        self.formulas.places.insert(key.into(), node.span.clone());
    }

    /// A condition of time and state.
    pub(crate) fn condition_at(&mut self, node: &Node, text: &str, place: &str) -> Option<Expr> {
        let Formulas { graph, scope, .. } = &mut self.formulas;
        match expr::parse_condition(text, scope, graph) {
            Ok(e) => Some(e),
            Err(errors) => {
                self.expression_errors(node, place, &errors);
                None
            }
        }
    }

    /// Reports mistakes in definitions nobody uses, once the state is known. `curve`: definitions may mention the curve
    /// parameter.
    pub(crate) fn check_unused_definitions(&mut self, curve: bool) {
        if self.formulas.state.is_empty() {
            return;
        }
        let mut scope = self.formulas.scope.clone();
        let graph = &mut self.formulas.graph;
        if curve {
            scope.variable(graph, CURVE_PARAMETER, &Shape::Scalar);
        }
        let errors = check_definitions(&scope, graph);
        let nowhere = Node {
            span: 0..0,
            value: Value::Boolean(false),
        };
        self.expression_errors(&nowhere, "define", &errors);
    }

    /// Puts `s` in scope while `read` reads a curve.
    pub(crate) fn with_curve_parameter<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> T,
    ) -> (Expr, T) {
        let outer = self.formulas.scope.clone();
        let Formulas { graph, scope, .. } = &mut self.formulas;
        let parameter = scope.variable(graph, CURVE_PARAMETER, &Shape::Scalar)[0];
        let value = read(self);
        self.formulas.scope = outer;
        (parameter, value)
    }

    /// Turns errors of an expression into diagnostics at the characters they mean. An error inside a
    /// definition points there, once, however often the definition is used.
    pub(crate) fn expression_errors(&mut self, node: &Node, place: &str, errors: &[ExprError]) {
        for error in errors {
            let token = match &error.definition {
                Some(name) => self.formulas.definitions.get(&**name).cloned(),
                None => Some(node.span.clone()),
            };
            let Some(token) = token else { continue };
            let place = match &error.definition {
                Some(name) => format!("the definition of `{name}`"),
                None => format!("`{place}`"),
            };
            let message = match error.code {
                "E111" | "E112" => format!("{} in {place}", error.message),
                _ => error.message.clone(),
            };
            let raw = self.source.slice(token.clone()).to_owned();
            let locate = |span: &Range<usize>| -> Range<usize> {
                let start = offset_in_token(&raw, span.start);
                let end = offset_in_token(&raw, span.end).max(start);
                token.start + start..token.start + end
            };
            let mut diagnostic = Diagnostic::error(error.code, locate(&error.span), message)
                .label(error.label.as_str());
            if let Some(second) = &error.second {
                diagnostic = diagnostic.also(locate(&second.0), second.1.as_str());
            }
            if let Some(help) = &error.help {
                diagnostic = diagnostic.help(&**help);
            }
            if !self.diagnostics.contains(&diagnostic) {
                self.push(diagnostic);
            }
        }
    }

    fn parse(&mut self, node: &Node, text: &str, place: &str) -> Option<Meaning> {
        let Formulas { graph, scope, .. } = &mut self.formulas;
        graph.reading(place);
        match expr::parse(text, scope, graph) {
            Ok(value) => Some(value),
            Err(errors) => {
                self.expression_errors(node, place, &errors);
                None
            }
        }
    }

    /// The value of a constant expression.
    pub(crate) fn constant(&mut self, node: &Node, text: &str, place: &str) -> Option<f64> {
        let e = self.scalar_text(node, text, place)?;
        let value = self.formulas.value_of(e);
        if value.is_none() {
            let symbols = self.formulas.graph.symbols(&[e]);
            let names: Vec<&str> = symbols
                .iter()
                .filter_map(|symbol| self.formulas.graph.symbol_name(*symbol))
                .collect();
            let names = names.join(", ");
            self.push(
                Diagnostic::error(
                    "E208",
                    node.span.clone(),
                    format!("`{place}` must be a constant"),
                )
                .label(format!("depends on {names}")),
            );
        }
        value
    }

    fn scalar_text(&mut self, node: &Node, text: &str, place: &str) -> Option<Expr> {
        let Formulas { graph, scope, .. } = &mut self.formulas;
        graph.reading(place);
        match expr::parse_scalar(text, scope, graph) {
            Ok(e) => Some(e),
            Err(errors) => {
                self.expression_errors(node, place, &errors);
                None
            }
        }
    }

    /// A scalar expression or number.
    pub(crate) fn scalar_at(&mut self, node: &Node, place: &str) -> Option<Expr> {
        if let Value::Text(text) = &node.value {
            return self.scalar_text(node, text, place);
        }
        let value = self.number_at(node, place)?;
        Some(self.formulas.graph.number(value))
    }

    /// A list of expressions, whose entries may expand (`... for i in a..b`), or one expression.
    pub(crate) fn components_at(&mut self, node: &Node, place: &str) -> Option<Vec<Expr>> {
        match &node.value {
            Value::Array(items) => {
                let parts: Vec<Option<Vec<Expr>>> = items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| self.list_entry(item, &format!("{place}[{i}]")))
                    .collect();
                let parts: Vec<Vec<Expr>> = parts.into_iter().collect::<Option<_>>()?;
                Some(parts.concat())
            }
            Value::Text(text) => self
                .parse(node, text, place)
                .map(|value| value.components()),
            _ => Some(vec![self.scalar_at(node, place)?]),
        }
    }

    fn list_entry(&mut self, node: &Node, place: &str) -> Option<Vec<Expr>> {
        let Value::Text(text) = &node.value else {
            return Some(vec![self.scalar_at(node, place)?]);
        };
        let Formulas { graph, scope, .. } = &mut self.formulas;
        graph.reading(place);
        match expr::parse_components(text, scope, graph) {
            Ok(components) => Some(components),
            Err(errors) => {
                self.expression_errors(node, place, &errors);
                None
            }
        }
    }

    /// A scalar, a list or a list of rows, as written or as the expression says.
    pub(crate) fn matrix_at(&mut self, node: &Node, place: &str) -> Option<Shaped> {
        match &node.value {
            Value::Array(items) if items.iter().any(|i| matches!(i.value, Value::Array(_))) => {
                let rows: Vec<Option<Vec<Expr>>> = items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| self.components_at(item, &format!("{place}[{i}]")))
                    .collect();
                Some(Shaped::Matrix(rows.into_iter().collect::<Option<_>>()?))
            }
            Value::Array(_) => Some(Shaped::Vector(self.components_at(node, place)?)),
            Value::Text(text) => self.parse(node, text, place).map(|value| match value {
                Meaning::Scalar(e) => Shaped::Scalar(e),
                Meaning::Vector(v) => Shaped::Vector(v),
                Meaning::Matrix(m) => Shaped::Matrix(m),
            }),
            _ => Some(Shaped::Scalar(self.scalar_at(node, place)?)),
        }
    }
}
