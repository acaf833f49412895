//! Problems that fall apart into smaller ones.
//!
//! If the states form groups that no drift component, noise, control authority or cost couples, the value
//! function is a sum over the groups, `V = sum_g V_g(x_g, t)`, and `psi = prod_g psi_g`.
//!
//! # Source
//! Separation of variables; Todorov (2009) for the product of desirabilities.
//!
//! # Executed by
//! The Hamilton–Jacobi–Bellman residual of `sum_g V_g` is the sum of the residuals of the groups, each in
//! its own coordinates.

use crate::derivation::control::bellman;
use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::matrix::Matrix;
use crate::derivation::ground::noising::{Noising, terms};
use crate::derivation::ground::step::{Formula, Step};
use crate::expr::arithmetic::sum;
use crate::expr::{Expr, Graph};
use std::collections::HashMap;

const SOURCE: &str = "separation of variables; Todorov (2009)";

/// Two states that meet, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coupling {
    /// Length of the text of the term: the smallest coupling is the first to remove.
    pub size: usize,
    pub states: (usize, usize),
    /// `drift[0]`, `the running cost`, ...
    pub place: String,
    pub term: String,
}

/// States that meet in terms of a list of named expressions, and the couplings that made them meet.
fn groups(
    graph: &mut Graph,
    state: &[Expr],
    sums: &[(String, Option<usize>, Expr)],
    pairs: &[(String, usize, usize, Expr)],
) -> (Vec<Vec<usize>>, Vec<Coupling>) {
    let d = state.len();
    let index: HashMap<Expr, usize> = state.iter().copied().zip(0..).collect();
    let states_in = |graph: &Graph, e: Expr| -> Vec<usize> {
        let symbols = graph.symbols(&[e]).into_iter();
        let mut met: Vec<usize> = symbols.filter_map(|s| index.get(&s).copied()).collect();
        met.sort_unstable();
        met
    };
    let mut meetings: Vec<Meeting<'_>> = Vec::new();
    for (place, own, e) in sums {
        for term in terms(graph, *e) {
            let mut met = states_in(graph, term);
            if let Some(i) = own
                && !met.contains(i)
            {
                met.push(*i);
            }
            let pairs = met.windows(2);
            meetings.extend(pairs.map(|pair| ((pair[0], pair[1]), place.as_str(), term)));
        }
    }
    for (place, i, j, e) in pairs {
        if !graph.is_zero(*e) && !graph.is_provably_zero(*e) {
            let others = states_in(graph, *e).into_iter().chain([*j]);
            let others = others.filter(|k| k != i);
            meetings.extend(others.map(|k| ((*i, k), place.as_str(), *e)));
        }
    }
    let mut of: Vec<usize> = (0..d).collect();
    for ((i, j), _, _) in &meetings {
        let (a, b) = (of[*i], of[*j]);
        let (low, high) = (a.min(b), a.max(b));
        of.iter_mut().filter(|g| **g == high).for_each(|g| *g = low);
    }
    let members = |first: usize| (0..d).filter(|i| of[*i] == first).collect::<Vec<_>>();
    let groups = (0..d).map(members).filter(|group| !group.is_empty());
    (groups.collect(), couplings(graph, meetings))
}

/// Two states, where they meet, and in which term.
type Meeting<'a> = ((usize, usize), &'a str, Expr);

/// Couplings that are put in words: of more, those by the smallest terms.
const MOST_COUPLINGS: usize = 500;

fn couplings(graph: &Graph, mut meetings: Vec<Meeting<'_>>) -> Vec<Coupling> {
    if meetings.len() > MOST_COUPLINGS {
        meetings.sort_by_cached_key(|(_, _, term)| graph.reachable(&[*term]).len());
        meetings.truncate(MOST_COUPLINGS);
    }
    let written = meetings.into_iter();
    let mut couplings: Vec<Coupling> = written
        .map(|((i, j), place, term)| coupling(graph, place, i, j, term))
        .collect();
    couplings.sort();
    couplings.dedup();
    couplings
}

fn coupling(graph: &Graph, place: &str, i: usize, j: usize, term: Expr) -> Coupling {
    let text = graph.text(term);
    Coupling {
        size: text.len(),
        states: (i.min(j), i.max(j)),
        place: place.to_owned(),
        term: text,
    }
}

/// The groups of a control problem.
pub fn groups_of(controlled: &mut ControlledDiffusion) -> (Vec<Vec<usize>>, Vec<Coupling>) {
    let authority = controlled.authority();
    let costs = [
        ("the running cost", controlled.running),
        ("the terminal cost", controlled.terminal),
    ];
    let mut tolled = Vec::new();
    for (k, toll) in controlled.toll.iter().enumerate() {
        let pushed = controlled.channel.iter().enumerate();
        let pushed = pushed.filter(|(_, row)| !controlled.process.graph.is_zero(row[k]));
        tolled.extend(pushed.map(|(i, _)| (i, *toll)));
    }
    meetings(&mut controlled.process, &costs, Some(&authority), &tolled)
}

/// The groups of a process without costs; `log_density` joins the states its terms couple.
pub fn groups_of_process(
    process: &mut Noising,
    log_density: Option<Expr>,
) -> (Vec<Vec<usize>>, Vec<Coupling>) {
    let density = log_density.map(|e| ("the log density", e));
    meetings(process, density.as_slice(), None, &[])
}

/// Groups by drift, named functions of the state, and noise, what the control reaches, and linear prices of controls that
/// push a state.
fn meetings(
    process: &mut Noising,
    functions: &[(&str, Expr)],
    authority: Option<&Matrix>,
    tolled: &[(usize, Expr)],
) -> (Vec<Vec<usize>>, Vec<Coupling>) {
    let graph = &mut process.graph;
    let mut sums = Vec::new();
    for (i, f) in process.drift.iter().enumerate() {
        sums.push((format!("drift[{i}]"), Some(i), graph.expand_quickly(*f)));
    }
    for (name, e) in functions {
        sums.push(((*name).to_owned(), None, graph.expand_quickly(*e)));
    }
    let noise = ("G G'", &process.diffusivity);
    let matrices = [noise]
        .into_iter()
        .chain(authority.map(|a| ("B R^-1 B'", a)));
    let mut pairs = Vec::new();
    for (name, matrix) in matrices {
        for (i, row) in matrix.iter().enumerate() {
            for (j, entry) in row.iter().enumerate().take(i + 1) {
                pairs.push((format!("{name}[{i}][{j}]"), i, j, *entry));
            }
        }
    }
    let toll = |(i, e): &(usize, Expr)| ("the price of a control".to_owned(), *i, *i, *e);
    pairs.extend(tolled.iter().map(toll));
    groups(graph, &process.state, &sums, &pairs)
}

/// The part of a function that is left when all other groups are at the origin, without its constant.
fn own_part(graph: &mut Graph, e: Expr, state: &[Expr], group: &[usize]) -> Expr {
    let zero = graph.zero();
    let others: Vec<(Expr, Expr)> = (0..state.len())
        .filter(|i| !group.contains(i))
        .map(|i| (state[i], zero))
        .collect();
    let all: Vec<(Expr, Expr)> = state.iter().map(|x| (*x, zero)).collect();
    let own = graph.substitute(e, &others);
    let constant = graph.substitute(e, &all);
    graph.of(own - constant)
}

/// The problem of one group: its own running cost, the same dynamics.
pub fn restricted(controlled: &ControlledDiffusion, group: &[usize]) -> ControlledDiffusion {
    let mut part = controlled.clone();
    let state = part.process.state.clone();
    part.running = own_part(&mut part.process.graph, part.running, &state, group);
    part.terminal = own_part(&mut part.process.graph, part.terminal, &state, group);
    part
}

/// The residual of `sum_g V_g` is the sum of the residuals of the groups.
///
/// # Errors
/// [`Refuted`] if the groups are coupled.
pub fn execute(
    controlled: &mut ControlledDiffusion,
    groups: &[Vec<usize>],
) -> Result<Evidence, Refuted> {
    let state = controlled.process.state.clone();
    let zero = controlled.process.graph.zero();
    let mut values = Vec::new();
    for (g, group) in groups.iter().enumerate() {
        let mut arguments: Vec<Expr> = group.iter().map(|i| state[*i]).collect();
        arguments.push(controlled.process.time);
        let name = format!("V_{g}");
        values.push(controlled.process.graph.unknown(&name, &arguments));
    }
    let whole = controlled.process.of(sum(values.iter().copied()));
    let left = bellman::residual(controlled, whole);
    let mut parts = Vec::new();
    for (value, group) in values.iter().zip(groups) {
        let graph = &mut controlled.process.graph;
        let running = own_part(graph, controlled.running, &state, group);
        let before = std::mem::replace(&mut controlled.running, running);
        parts.push(bellman::residual(controlled, *value));
        controlled.running = before;
    }
    let graph = &mut controlled.process.graph;
    // Constants of the running cost belong to no group.
    let origin: Vec<(Expr, Expr)> = state.iter().map(|x| (*x, zero)).collect();
    parts.push(graph.substitute(controlled.running, &origin));
    let claim = "the residual of a sum over groups is the sum of their residuals";
    controlled.process.equal(claim, left, sum(parts))
}

/// The step.
///
/// # Errors
/// [`Refuted`] if the groups are coupled after all.
pub fn step(
    exact: &mut ControlledDiffusion,
    groups: &[Vec<usize>],
    linear: bool,
) -> Result<Step, Refuted> {
    let evidence = execute(exact, groups)?;
    let process = &exact.process;
    let written = |x: &usize| {
        let x = process.state[*x];
        Formula::new(process.graph.text(x), process.graph.latex(x))
    };
    let (unknown, between) = if linear { ("psi", " ") } else { ("V", " + ") };
    let shown = groups.len().min(4);
    let mut product = Formula::from(unknown);
    for (g, group) in groups.iter().enumerate().take(shown) {
        let names: Vec<Formula> = group.iter().map(written).collect();
        let template = vec!["{}"; names.len()].join(",");
        let arguments = Formula::of(&template, &names.iter().collect::<Vec<_>>());
        let sign = if g == 0 { " = " } else { between };
        let template = format!("{{}}{sign}{unknown}_{g}({{}},t)");
        product = Formula::of(&template, &[&product, &arguments]);
    }
    if shown < groups.len() {
        product
            .text
            .push_str(&format!("{between}... {} factors", groups.len()));
        product.latex.push_str(&format!("{between}\\cdots"));
    }
    let each = if groups.iter().all(|group| group.len() == 1) {
        "{},   each with its own one-dimensional equation"
    } else {
        "{},   each with its own equation"
    };
    let name = if linear { "product form" } else { "sum form" };
    let executes = "the residual of a sum of values is the sum of the residuals of the groups";
    Ok(Step::new(name, "separate", SOURCE)
        .executed(executes, evidence)
        .line(Formula::of(each, &[&product])))
}
