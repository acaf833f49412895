//! Whether the expressions of a problem have finite values where the process is.
//!
//! Drift, diffusion and costs are evaluated, with the first derivatives of the costs, at the mean of the start
//! law and, where the file states a domain, at seeded points inside it. The first subexpression that has no
//! value is reported at the line it was written in, also when it is a derivative that fails.

use crate::derivation::ground::as_typed::{Point, points};
use crate::derivation::ground::stated::Stated;
use crate::expr::{Expr, Fault, Graph};
use crate::numeric::digits::significant;
use crate::problem::meant::model::Problem;
use crate::problem::text::diagnostic::Diagnostic;

/// Points inside a stated domain.
const POINTS: usize = 64;

/// At most one diagnostic for each expression of the file.
pub fn undefined(problem: &Problem, stated: &Stated) -> Vec<Diagnostic> {
    let mut graph = stated.graph.clone();
    let expressions = expressions(&mut graph, stated);
    let places = places(problem, stated);
    let mut found = Vec::new();
    for (what, e) in expressions {
        if graph.as_number(e).is_some() {
            continue;
        }
        let faults: Vec<(&Point, Fault)> = places
            .iter()
            .filter_map(|at| Some((at, graph.diagnose(e, at)?)))
            .collect();
        if let Some((at, fault)) = faults.first() {
            let count = (faults.len(), places.len());
            found.push(diagnostic(problem, &graph, &what, at, fault, count));
        }
    }
    // A derivative fails with what it is derived from; one message a place is enough.
    found.dedup_by(|a, b| a.span == b.span);
    found
}

/// What is evaluated, with its name.
fn expressions(graph: &mut Graph, stated: &Stated) -> Vec<(String, Expr)> {
    let mut all = Vec::new();
    for (i, f) in stated.drift.iter().enumerate() {
        all.push((format!("`dynamics.drift[{i}]`"), *f));
    }
    for (i, row) in stated.diffusion.iter().enumerate() {
        for (j, g) in row.iter().enumerate() {
            all.push((format!("`dynamics.diffusion[{i}][{j}]`"), *g));
        }
    }
    for (name, cost) in [("running", stated.running), ("terminal", stated.terminal)] {
        all.push((format!("`cost.{name}`"), cost));
        // A polynomial has a value everywhere, and so have its slopes.
        let symbols = graph.symbols(&[cost]);
        if graph.written_degree(cost, &symbols).is_some() {
            continue;
        }
        let slope = graph.gradient(cost, &stated.state);
        for (x, slope) in stated.state.iter().zip(slope) {
            all.push((format!("d/d{} of `cost.{name}`", graph.text(*x)), slope));
        }
    }
    all
}

fn places(problem: &Problem, stated: &Stated) -> Vec<Point> {
    let off = stated.control.iter().map(|u| (*u, 0.0));
    let mut places = Vec::new();
    if let Some(law) = problem.task.start_law().and_then(|law| law.mixture()) {
        let mean = law.mean();
        let mut at: Point = stated.state.iter().copied().zip(mean).collect();
        at.push((stated.time, stated.horizon.0));
        places.push(at);
    }
    if let Some(domain) = &problem.dynamics.domain {
        let inside = points(
            &stated.state,
            stated.time,
            Some(domain.as_slice()),
            stated.horizon,
        );
        places.extend(inside.into_iter().take(POINTS));
    }
    for at in &mut places {
        at.extend(off.clone());
    }
    places
}

fn diagnostic(
    problem: &Problem,
    graph: &Graph,
    what: &str,
    at: &Point,
    fault: &Fault,
    (failed, of): (usize, usize),
) -> Diagnostic {
    let place = fault
        .origin
        .as_ref()
        .map(|origin| match &origin.definition {
            Some(name) => format!("define.{name}"),
            None => origin.place.to_string(),
        });
    let known = place.and_then(|place| {
        let stem = place.split('[').next().unwrap_or_default().to_owned();
        problem
            .places
            .get(&place)
            .or_else(|| problem.places.get(&stem))
    });
    let message = format!("{} while evaluating {what}", fault.kind);
    let diagnostic = match known {
        Some(span) => Diagnostic::error("E301", span.clone(), message),
        None => Diagnostic::without_place("E301", message),
    };
    let values: Vec<String> = at
        .iter()
        .map(|(symbol, value)| format!("{} = {}", graph.text(*symbol), significant(*value, 4)))
        .collect();
    let origin = fault
        .origin
        .as_ref()
        .map_or(String::new(), |origin| format!("in {origin}: "));
    diagnostic
        .label("has no value there")
        .note(format!(
            "{origin}`{}` is {}",
            graph.text(fault.operand),
            significant(fault.argument, 4)
        ))
        .note(format!(
            "where: {} ({failed} of {of} points)",
            values.join(", ")
        ))
        .help("restrict `dynamics.domain`, move the start law, or guard with if(...)")
}
