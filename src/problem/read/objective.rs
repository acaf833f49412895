//! Reads `[cost]`, `[path]`, `[[event]]`, `[observe]` and `[grid]`.

use crate::expr::{Expr, Node as Meaning};
use crate::problem::format::key::Bound;
use crate::problem::meant::grid::GridSettings;
use crate::problem::meant::model::Dynamics;
use crate::problem::meant::task::{Cost, Duration, Event, Kind, Path, PathFunctional, Sense};
use crate::problem::read::sizes;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Entry, Node, Table, Value};
use crate::problem::text::reader::{Reader, Section};

/// Reads `[cost]`. `bounded`: the control has bounds.
pub(crate) fn read_cost(reader: &mut Reader, section: &Section<'_>, bounded: bool) -> Option<Cost> {
    let running = section.take("running");
    let terminal = section.take("terminal");
    if running.is_none() && terminal.is_none() && !reader.has_unknown_keys(section) {
        reader.push(
            Diagnostic::error(
                "E011",
                section.span.clone(),
                "[cost] needs `running` or `terminal`",
            )
            .help("add running = \"u^2/2\" (rate per unit time), terminal = \"x^2\" (at the end)"),
        );
    }
    let sense = reader.one(section, "sense").unwrap_or(Sense::Minimise);
    let discount = reader.number(section, "discount");
    let bounds_penalty = reader.optional_number(section, "bounds_penalty");
    if let (Some(entry), false) = (section.take("bounds_penalty"), bounded) {
        reader.push(Diagnostic::error(
            "E016",
            entry.key_span.clone(),
            "`bounds_penalty` has no meaning without `dynamics.control_bounds`",
        ));
    }
    reader.finish(section, "kind `control`");
    let mut part = |entry: Option<&Entry>, key: &'static str| -> Option<Expr> {
        let Some(entry) = entry else {
            reader.record(section, key, "0.0");
            return Some(reader.formulas.graph.zero());
        };
        reader.record_entry(section, entry);
        let place = format!("cost.{key}");
        reader.remember(place.as_str(), &entry.node);
        if reader.formulas.state().is_empty() {
            return None;
        }
        let e = reader.scalar_at(&entry.node, &place)?;
        if key == "terminal" && reader.refuses_control(&entry.node, "the terminal cost", e) {
            return None;
        }
        Some(e)
    };
    let terminal_cost = part(terminal, "terminal");
    let running_cost = part(running, "running");
    let stated = running.is_some() || terminal.is_some();
    if let (Some(e), false, true) = (running_cost, bounded, stated) {
        priced(reader, section, running, e)?;
    }
    let (mut running_cost, mut terminal_cost) = (running_cost?, terminal_cost?);
    if sense == Sense::Maximise {
        running_cost = reader.formulas.graph.neg(running_cost);
        terminal_cost = reader.formulas.graph.neg(terminal_cost);
    }
    Some(Cost {
        running: running_cost,
        terminal: terminal_cost,
        discount,
        sense,
        bounds_penalty,
    })
}

/// Without bounds every control must have a price, else there is no smallest cost.
fn priced(
    reader: &mut Reader,
    section: &Section<'_>,
    entry: Option<&Entry>,
    running: Expr,
) -> Option<()> {
    let graph = &reader.formulas.graph;
    let control = &reader.formulas.control;
    let priced = graph.symbols(&[running]);
    let free = control.iter().find(|u| !priced.contains(u));
    let Some(free) = free else { return Some(()) };
    let name = graph.symbol_name(*free).unwrap_or_default().to_owned();
    let span = entry.map_or(section.span.clone(), |entry| entry.node.span.clone());
    reader.push(
        Diagnostic::error(
            "E210",
            span,
            format!("the running cost does not contain the control `{name}`, which has no bounds"),
        )
        .note("an unbounded control without a price has no optimum")
        .help(format!(
            "add its price, as in running = \"{name}^2/2\", or set dynamics.control_bounds = [lo, hi]"
        )),
    );
    None
}

/// Reads `[path]` before the state is known: its ends tell how many components there are.
pub(crate) struct Ends {
    pub from: Option<Vec<f64>>,
    pub to: Option<Vec<f64>>,
}

impl Ends {
    pub(crate) fn read(reader: &mut Reader, section: &Section<'_>) -> Self {
        let mut end = |key: &'static str| {
            let Some(entry) = section.take(key) else {
                if section.is_present() {
                    reader.missing(section, key, "[-1.0, 0.0]");
                }
                return None;
            };
            reader.record_entry(section, entry);
            let place = format!("path.{key}");
            let values = match &entry.node.value {
                Value::Array(_) => reader.numbers_at(&entry.node, &place)?,
                _ => vec![reader.number_at(&entry.node, &place)?],
            };
            for value in &values {
                reader.bounded(&entry.node, &place, *value, Bound::Finite)?;
            }
            (!values.is_empty()).then_some(values)
        };
        let (from, to) = (end("from"), end("to"));
        Self { from, to }
    }

    pub(crate) fn dimension(&self) -> Option<usize> {
        let end = self.from.as_ref().or(self.to.as_ref())?;
        Some(end.len())
    }
}

/// Reads the rest of `[path]`.
pub(crate) fn read_path(
    reader: &mut Reader,
    section: &Section<'_>,
    ends: Ends,
    dynamics: Option<&Dynamics>,
) -> Option<Path> {
    let functional = reader.one::<PathFunctional>(section, "functional");
    let duration = read_duration(reader, section);
    let images = reader.count(section, "images");
    let refine_endpoints = reader.flag(section, "refine_endpoints");
    reader.finish(section, "kind `path`");
    let (from, to) = (ends.from?, ends.to?);
    let dimension = reader.formulas.state().len();
    let mut good = true;
    for (key, end) in [("from", &from), ("to", &to)] {
        if let (Some(entry), true) = (section.take(key), dimension > 0 && end.len() != dimension) {
            good = false;
            reader.push(Diagnostic::error(
                "E015",
                entry.node.span.clone(),
                format!(
                    "`path.{key}` has {} component{}, the state has {dimension}",
                    end.len(),
                    if end.len() == 1 { "" } else { "s" }
                ),
            ));
        }
    }
    if let (Some(entry), true) = (section.take("to"), good && from == to) {
        good = false;
        reader.push(Diagnostic::error(
            "E211",
            entry.node.span.clone(),
            "the path ends where it starts",
        ));
    }
    if duration == Duration::Free {
        free_of_time(reader, section, dynamics?)?;
    }
    good.then_some(Path {
        from,
        to,
        functional: functional?,
        duration,
        images,
        refine_endpoints,
    })
}

fn read_duration(reader: &mut Reader, section: &Section<'_>) -> Duration {
    let Some(entry) = section.take("duration") else {
        reader.record(section, "duration", "\"free\"");
        return Duration::Free;
    };
    reader.record_entry(section, entry);
    if matches!(&entry.node.value, Value::Text(text) if text == "free") {
        return Duration::Free;
    }
    match reader.number_in(section, entry) {
        Some(value) => Duration::Fixed(value),
        None => Duration::Free,
    }
}

/// Over a free time only coefficients that do not depend on it have a meaning.
fn free_of_time(reader: &mut Reader, section: &Section<'_>, dynamics: &Dynamics) -> Option<()> {
    let (graph, time) = (&reader.formulas.graph, reader.formulas.time());
    let mut coefficients = dynamics
        .drift
        .iter()
        .chain(dynamics.diffusion.iter().flatten());
    if !coefficients.any(|e| graph.depends_on(*e, time)) {
        return Some(());
    }
    let span = section
        .take("duration")
        .map_or(section.span.clone(), |entry| entry.node.span.clone());
    reader.push(
        Diagnostic::error(
            "E211",
            span,
            "a path of free duration needs drift and diffusion free of t",
        )
        .help("set duration = 10.0, or take t out of [dynamics]"),
    );
    None
}

/// Reads every `[[event]]`.
pub(crate) fn read_events(reader: &mut Reader, root: &Table) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let items: &[Node] = match root.get("event").map(|entry| &entry.node.value) {
        Some(Value::Array(items)) => items,
        _ => &[],
    };
    for node in items {
        let Value::Table(table) = &node.value else {
            continue;
        };
        let span = table
            .entries
            .first()
            .map_or(node.span.clone(), |entry| entry.key_span.clone());
        let section = reader.element("event", "[[event]]".to_owned(), span.clone(), table);
        let Some(event) = read_event(reader, &section) else {
            continue;
        };
        if events.iter().any(|other| other.name == event.name) {
            let message = format!("two events have the name `{}`", event.name);
            reader.push(Diagnostic::error("E024", span, message));
            continue;
        }
        events.push(event);
    }
    events
}

fn read_event(reader: &mut Reader, section: &Section<'_>) -> Option<Event> {
    let name = match section.take("name") {
        Some(_) => reader.name(section, "name"),
        None => {
            reader.missing(section, "name", "\"arrival\"");
            None
        }
    };
    let stop = reader.flag(section, "stop");
    let when = section.take("when");
    reader.finish(section, "an event");
    let Some(entry) = when else {
        reader.missing(section, "when", "\"x >= 1\"");
        return None;
    };
    reader.record_entry(section, entry);
    if reader.formulas.state().is_empty() {
        return None;
    }
    let inequality = |reader: &mut Reader, span| {
        reader.push(
            Diagnostic::error("E212", span, "an event is one inequality")
                .note(
                    "accepted: two expressions of t and the state with <, <=, > or >= between them",
                )
                .help("write when = \"x >= 1\""),
        );
    };
    let Value::Text(text) = &entry.node.value else {
        inequality(reader, entry.node.span.clone());
        return None;
    };
    if !text.contains(['<', '>', '=']) {
        inequality(reader, entry.node.span.clone());
        return None;
    }
    let condition = reader.condition_at(&entry.node, text, "event.when")?;
    if reader.refuses_control(&entry.node, "an event", condition) {
        return None;
    }
    let graph = &mut reader.formulas.graph;
    let sides = match graph.node(condition) {
        Meaning::Compare(relation, a, b) if relation.is_inequality() => Some((*a, *b)),
        _ => None,
    };
    let Some((a, b)) = sides else {
        inequality(reader, entry.node.span.clone());
        return None;
    };
    let margin = graph.sub(b, a);
    Some(Event {
        name: name?,
        condition,
        margin,
        stop,
    })
}

/// Reads `[observe]`; an entry of several components becomes `name[0]`, `name[1]`, ...
pub(crate) fn read_observables(reader: &mut Reader, section: &Section<'_>) -> Vec<(String, Expr)> {
    let mut observables = Vec::new();
    for entry in section.entries() {
        reader.record_named(section, entry);
        reader.check_key(entry, &section.name);
        if reader.formulas.state().is_empty() {
            continue;
        }
        let place = format!("observe.{}", entry.key);
        reader.remember(place.as_str(), &entry.node);
        match reader.components_at(&entry.node, &place).as_deref() {
            None => {}
            Some([e]) => observables.push((entry.key.clone(), *e)),
            Some(several) => {
                let named = several.iter().enumerate();
                observables.extend(named.map(|(i, e)| (format!("{}[{i}]", entry.key), *e)));
            }
        }
    }
    observables
}

/// Reads `[grid]`.
pub(crate) fn read_grid(reader: &mut Reader, section: &Section<'_>, kind: Kind) -> GridSettings {
    let dimension = reader.formulas.state().len().max(1);
    let points = section.take("points").and_then(|entry| {
        reader.record_entry(section, entry);
        let points = reader.points_at(&entry.node, "grid.points", dimension)?;
        reader.charge(&entry.node, "grid.points", sizes::nodes(&points));
        Some(points)
    });
    let mut settings = GridSettings {
        points,
        stretch: 1.0,
        scheme: None,
        levels: None,
    };
    // The grid methods of reverse diffusion choose their own cells and differences.
    if !kind.is_reverse() {
        if let Some(stretch) = reader.optional_number(section, "stretch") {
            settings.stretch = stretch;
        }
        if section.has("scheme") {
            settings.scheme = reader.one(section, "scheme");
        }
        settings.levels = reader.optional_count(section, "levels");
    }
    reader.finish(section, &format!("kind `{kind}`"));
    settings
}
