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

/// Which states have met so far, and where.
struct Meetings {
    index: HashMap<Expr, usize>,
    /// The first member of the group of each state.
    of: Vec<usize>,
    groups: usize,
    list: Vec<Meeting>,
}

/// Two states, where they meet, and in which term.
type Meeting = ((usize, usize), String, Expr);

/// Couplings that are put in words: of more, those by the smallest terms.
const MOST_COUPLINGS: usize = 500;

impl Meetings {
    fn of(state: &[Expr]) -> Self {
        Self {
            index: state.iter().copied().zip(0..).collect(),
            of: (0..state.len()).collect(),
            groups: state.len(),
            list: Vec::new(),
        }
    }

    /// Whether all states are one group, for reasons enough.
    fn is_settled(&self) -> bool {
        self.groups <= 1 && self.list.len() > MOST_COUPLINGS
    }

    fn states_in(&self, graph: &Graph, e: Expr) -> Vec<usize> {
        let symbols = graph.symbols(&[e]).into_iter();
        let mut met: Vec<usize> = symbols
            .filter_map(|s| self.index.get(&s).copied())
            .collect();
        met.sort_unstable();
        met
    }

    fn meet(&mut self, (i, j): (usize, usize), place: &str, term: Expr) {
        let (a, b) = (self.of[i], self.of[j]);
        if a != b {
            let (low, high) = (a.min(b), a.max(b));
            let members = self.of.iter_mut().filter(|g| **g == high);
            members.for_each(|g| *g = low);
            self.groups -= 1;
        }
        self.list.push(((i, j), place.to_owned(), term));
    }

    /// States of one term meet, and with the state whose drift it is in.
    fn in_terms(&mut self, graph: &mut Graph, place: &str, own: Option<usize>, e: Expr) {
        if self.is_settled() {
            return;
        }
        let expanded = graph.expand_quickly(e);
        for term in terms(graph, expanded) {
            let mut met = self.states_in(graph, term);
            if let Some(i) = own
                && !met.contains(&i)
            {
                met.push(i);
            }
            for pair in met.windows(2) {
                self.meet((pair[0], pair[1]), place, term);
            }
        }
    }

    /// Two states meet in an entry of a matrix that does not vanish, and with the states in it.
    fn in_entry(&mut self, graph: &mut Graph, (i, j): (usize, usize), place: &str, e: Expr) {
        if self.is_settled() || graph.is_zero(e) || graph.is_provably_zero(e) {
            return;
        }
        let others = self.states_in(graph, e).into_iter().chain([j]);
        for k in others.filter(|k| *k != i) {
            self.meet((i, k), place, e);
        }
    }

    fn finished(self, graph: &Graph) -> (Vec<Vec<usize>>, Vec<Coupling>) {
        let d = self.of.len();
        let members = |first: usize| (0..d).filter(|i| self.of[*i] == first).collect::<Vec<_>>();
        let groups = (0..d).map(members).filter(|group| !group.is_empty());
        (groups.collect(), couplings(graph, self.list))
    }
}

fn couplings(graph: &Graph, mut meetings: Vec<Meeting>) -> Vec<Coupling> {
    if meetings.len() > MOST_COUPLINGS {
        meetings.sort_by_cached_key(|(_, _, term)| graph.reachable(&[*term]).len());
        meetings.truncate(MOST_COUPLINGS);
    }
    let written = meetings.into_iter();
    let mut couplings: Vec<Coupling> = written
        .map(|((i, j), place, term)| coupling(graph, &place, i, j, term))
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
    let met = priced_together(controlled);
    meetings(
        &mut controlled.process,
        &costs,
        Some(&authority),
        &tolled,
        &met,
    )
}

/// States that meet in a term of a price that is not quadratic, or through the controls in it.
fn priced_together(controlled: &mut ControlledDiffusion) -> Vec<(Vec<usize>, Expr)> {
    let graph = &mut controlled.process.graph;
    let expanded = graph.expand_quickly(controlled.other_price);
    let terms = terms(graph, expanded);
    let graph = &controlled.process.graph;
    let joined = terms.into_iter();
    joined
        .map(|term| (controlled.joined_by(graph, term), term))
        .collect()
}

/// The groups of a process without costs; `log_density` joins the states its terms couple.
pub fn groups_of_process(
    process: &mut Noising,
    log_density: Option<Expr>,
) -> (Vec<Vec<usize>>, Vec<Coupling>) {
    let density = log_density.map(|e| ("the log density", e));
    meetings(process, density.as_slice(), None, &[], &[])
}

/// Groups by drift, named functions of the state, and noise, what the control reaches, linear prices of controls that
/// push a state, and other terms with the states they join.
fn meetings(
    process: &mut Noising,
    functions: &[(&str, Expr)],
    authority: Option<&Matrix>,
    tolled: &[(usize, Expr)],
    joined: &[(Vec<usize>, Expr)],
) -> (Vec<Vec<usize>>, Vec<Coupling>) {
    let graph = &mut process.graph;
    let mut met = Meetings::of(&process.state);
    for (i, f) in process.drift.iter().enumerate() {
        met.in_terms(graph, &format!("drift[{i}]"), Some(i), *f);
    }
    for (name, e) in functions {
        met.in_terms(graph, name, None, *e);
    }
    let noise = ("G G'", &process.diffusivity);
    let matrices = [noise]
        .into_iter()
        .chain(authority.map(|a| ("B R^-1 B'", a)));
    for (name, matrix) in matrices {
        for (i, row) in matrix.iter().enumerate() {
            for (j, entry) in row.iter().enumerate().take(i + 1) {
                if met.is_settled() {
                    break;
                }
                met.in_entry(graph, (i, j), &format!("{name}[{i}][{j}]"), *entry);
            }
        }
    }
    for (i, e) in tolled {
        met.in_entry(graph, (*i, *i), "the price of a control", *e);
    }
    for (states, term) in joined {
        for pair in states.windows(2) {
            met.meet((pair[0], pair[1]), "the price of a control", *term);
        }
    }
    met.finished(graph)
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
