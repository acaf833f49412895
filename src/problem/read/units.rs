//! Checks `[units]`: every expression is read again with its parameters as symbols, and measured.
//!
//! A drift is state per time, a diffusion state per root of time, a running cost terminal cost per time;
//! events and observables must be consistent. Names without a unit are pure numbers, and so are the numbers in
//! an expression, so a dimensional constant needs a name in `[params]`. Keys of presets are not measured:
//! their bare numbers are in the units the report prints.

use crate::expr::{
    Dimensions, Expr, ExprError, Graph, Rational, Scope, Unit, Value as Meaning, parse,
    parse_components, parse_condition,
};
use crate::problem::meant::claim::Typed;
use crate::problem::text::document::{Node, Table, Value};
use crate::problem::text::reader::Reader;

/// Names as symbols with units, over a graph where nothing has been read.
struct Bench {
    graph: Graph,
    scope: Scope,
    units: Vec<(Expr, Unit)>,
    time: Unit,
    state: Vec<Unit>,
}

/// What an expression is, for the unit it should have.
struct Role {
    place: String,
    what: &'static str,
    unit: Option<Unit>,
}

/// Reports units that cannot be read and expressions whose units do not fit.
pub(crate) fn check_units(reader: &mut Reader, root: &Table, typed: &[(String, Typed)]) {
    if typed.is_empty() || reader.has_errors() {
        return;
    }
    let mut units = Vec::with_capacity(typed.len());
    for (name, text) in typed {
        match Unit::parse(&text.text) {
            Ok(unit) => units.push((name.as_str(), unit)),
            Err(error) => {
                let node = Node {
                    span: text.span.clone(),
                    value: Value::Text(text.text.clone()),
                };
                reader.expression_errors(&node, &format!("units.{name}"), &[error]);
            }
        }
    }
    if units.len() < typed.len() {
        return;
    }
    let bench = Bench::new(reader, units);
    bench.dynamics(reader, root);
    bench.costs(reader, root);
    bench.questions(reader, root);
}

impl Bench {
    fn new(reader: &Reader, mut units: Vec<(&str, Unit)>) -> Self {
        let formulas = &reader.formulas;
        let (mut graph, mut scope) = (formulas.graph.clone(), formulas.scope.clone());
        let mut given: Vec<(String, Unit)> = Vec::new();
        let mut named: Vec<(&str, Unit, Meaning)> = units
            .drain(..)
            .filter_map(|(name, unit)| {
                let value = parse(name, &scope, &mut graph).ok()?;
                Some((name, unit, value))
            })
            .collect();
        // A whole vector first, so that a component can have a unit of its own.
        named.sort_by_key(|(_, _, value)| std::cmp::Reverse(value.components().len()));
        for (name, unit, value) in named {
            let components = value.components();
            let variables = components.iter().map(|e| graph.symbol_name(*e));
            let variables: Option<Vec<&str>> = variables.collect();
            let symbols: Vec<String> = match variables {
                Some(names) => names.into_iter().map(str::to_owned).collect(),
                None => {
                    let names = (0..components.len()).map(|i| format!("{name}[{i}]"));
                    let names: Vec<String> = names.collect();
                    let symbols = names.iter().map(|name| graph.symbol(name)).collect();
                    scope.bind(name, value.with_components(symbols));
                    names
                }
            };
            given.retain(|(known, _)| !symbols.contains(known));
            given.extend(symbols.into_iter().map(|symbol| (symbol, unit.clone())));
        }
        let of = |name: &str| {
            let found = given.iter().find(|(known, _)| known == name);
            found.map(|(_, unit)| unit.clone()).unwrap_or_default()
        };
        let names = formulas.state.iter();
        let names = names.filter_map(|e| formulas.graph.symbol_name(*e));
        let (time, state) = (of("t"), names.map(of).collect());
        // Faults are located by where a node was read, so nothing may have been read before.
        let (mut graph, scope) = scope.transplanted(&graph);
        let symbols = given.into_iter();
        let units = symbols.map(|(name, unit)| (graph.symbol(&name), unit));
        Self {
            units: units.collect(),
            graph,
            scope,
            time,
            state,
        }
    }

    fn dynamics(&self, reader: &mut Reader, root: &Table) {
        let rate = self.state.iter().map(|unit| unit.per(&self.time));
        let rate: Vec<Unit> = rate.collect();
        if let Some(node) = find(root, "dynamics", "drift") {
            self.components(reader, node, "dynamics.drift", "a drift", &rate);
        }
        let root_time = self
            .time
            .raised(&Rational::new(1, 2).unwrap_or_else(Rational::one));
        let noise = self.state.iter().map(|unit| unit.per(&root_time));
        let noise: Vec<Unit> = noise.collect();
        let Some(node) = find(root, "dynamics", "diffusion") else {
            return;
        };
        let place = "dynamics.diffusion";
        match &node.value {
            Value::Array(rows) if rows.iter().any(|r| matches!(r.value, Value::Array(_))) => {
                for (i, (row, unit)) in rows.iter().zip(&noise).enumerate() {
                    let place = format!("{place}[{i}]");
                    let unit = std::slice::from_ref(unit);
                    self.components(reader, row, &place, "a diffusion", unit);
                }
            }
            _ => self.components(reader, node, place, "a diffusion", &noise),
        }
    }

    /// Terminal cost, and running cost as terminal cost per time.
    fn costs(&self, reader: &mut Reader, root: &Table) {
        let mut terminal = None;
        if let Some(node) = find(root, "cost", "terminal") {
            let role = role("cost.terminal", "a terminal cost", None);
            terminal = self.measure_value(reader, node, &role).flatten();
        }
        if let Some(node) = find(root, "cost", "running") {
            let unit = terminal.map(|unit| unit.per(&self.time));
            let role = role(
                "cost.running",
                "a running cost (terminal cost per time)",
                unit,
            );
            self.measure_value(reader, node, &role);
        }
    }

    /// Events and observables.
    fn questions(&self, reader: &mut Reader, root: &Table) {
        if let Some(Value::Array(events)) = root.get("event").map(|e| &e.node.value) {
            for event in events {
                let Value::Table(table) = &event.value else {
                    continue;
                };
                let Some(when) = table.get("when") else {
                    continue;
                };
                let Value::Text(text) = &when.node.value else {
                    continue;
                };
                let mut graph = self.graph.clone();
                let role = role("event.when", "an event", None);
                match parse_condition(text, &self.scope, &mut graph) {
                    Ok(e) => {
                        self.measure(reader, &when.node, &role, &graph, e);
                    }
                    Err(errors) => unmeasured(reader, &when.node, &role, &errors),
                }
            }
        }
        if let Some(Value::Table(observed)) = root.get("observe").map(|e| &e.node.value) {
            for entry in &observed.entries {
                let role = role(&format!("observe.{}", entry.key), "an observable", None);
                self.measure_value(reader, &entry.node, &role);
            }
        }
    }

    /// Components in order, the last unit serving all that follow; a lone scalar serves every unit.
    fn components(
        &self,
        reader: &mut Reader,
        node: &Node,
        place: &str,
        what: &'static str,
        units: &[Unit],
    ) {
        let items = match &node.value {
            Value::Array(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut position = 0;
        for item in &items {
            let mut graph = self.graph.clone();
            let role = |unit: &Unit| Role {
                place: place.to_owned(),
                what,
                unit: Some(unit.clone()),
            };
            let entries = match &item.value {
                Value::Text(text) => parse_components(text, &self.scope, &mut graph),
                Value::Integer(n) => Ok(vec![graph.integer(*n)]),
                Value::Float(x) => Ok(vec![graph.number(*x)]),
                _ => return,
            };
            let entries = match entries {
                Ok(entries) => entries,
                Err(errors) => return unmeasured(reader, item, &role(&Unit::none()), &errors),
            };
            let isotropic = items.len() == 1 && entries.len() == 1;
            let wanted: Vec<(Expr, &Unit)> = if isotropic {
                units.iter().map(|unit| (entries[0], unit)).collect()
            } else {
                let from = |k: usize| units.get(position + k).or(units.last());
                let pairs = entries.iter().enumerate();
                pairs.filter_map(|(k, e)| Some((*e, from(k)?))).collect()
            };
            position += entries.len();
            for (e, unit) in wanted {
                if self.measure(reader, item, &role(unit), &graph, e).is_none() {
                    return;
                }
            }
        }
    }

    fn measure_value(&self, reader: &mut Reader, node: &Node, role: &Role) -> Option<Option<Unit>> {
        let Value::Text(text) = &node.value else {
            return None;
        };
        let mut graph = self.graph.clone();
        match parse(text, &self.scope, &mut graph) {
            Ok(value) => {
                let mut unit = None;
                for e in value.components() {
                    unit = self.measure(reader, node, role, &graph, e)?;
                }
                Some(unit)
            }
            Err(errors) => {
                unmeasured(reader, node, role, &errors);
                None
            }
        }
    }

    /// The unit of `e` (`None` inside: any), or `None` after a report.
    fn measure(
        &self,
        reader: &mut Reader,
        node: &Node,
        role: &Role,
        graph: &Graph,
        e: Expr,
    ) -> Option<Option<Unit>> {
        let mut dimensions = Dimensions::new(self.units.iter().cloned());
        let error = match dimensions.unit(graph, e) {
            Err(fault) => fault.error(),
            Ok(unit) => {
                let (Some(found), Some(wanted)) = (&unit, &role.unit) else {
                    return Some(unit);
                };
                if found == wanted {
                    return Some(unit);
                }
                let length = match &node.value {
                    Value::Text(text) => text.len(),
                    _ => usize::MAX,
                };
                ExprError {
                    code: "E221",
                    message: format!("`{}` is in {found}, {} is in {wanted}", role.place, role.what),
                    span: 0..length,
                    label: found.to_string(),
                    help: found.is_none().then(|| {
                        "numbers have no unit: give the constant a name in [params] and a unit in [units]"
                            .into()
                    }),
                    second: None,
                    definition: None,
                }
            }
        };
        reader.expression_errors(node, &role.place, &[error]);
        None
    }
}

fn role(place: &str, what: &'static str, unit: Option<Unit>) -> Role {
    Role {
        place: place.to_owned(),
        what,
        unit,
    }
}

fn find<'d>(root: &'d Table, table: &str, key: &str) -> Option<&'d Node> {
    match &root.get(table)?.node.value {
        Value::Table(table) => table.get(key).map(|entry| &entry.node),
        _ => None,
    }
}

/// The expression reads with parameters as numbers but not as symbols: one with a unit is an index or a bound.
fn unmeasured(reader: &mut Reader, node: &Node, role: &Role, errors: &[ExprError]) {
    let error = errors.first().map(|first| ExprError {
        code: "E221",
        message: format!(
            "`{}` cannot be measured: a parameter with a unit is used as an index or a bound",
            role.place
        ),
        help: Some("indices and bounds are pure numbers: take the parameter out of [units]".into()),
        ..first.clone()
    });
    if let Some(error) = error {
        reader.expression_errors(node, &role.place, &[error]);
    }
}
