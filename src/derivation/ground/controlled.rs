//! A controlled diffusion with quadratic effort, from the expressions as typed.
//!
//! ```text
//! dX = ( b(X,t) + B(X,t) u ) dt + G(X,t) dW,      D = G G'
//! S[u] = E[ Phi(X_T) + int_0^T e^{-rho t} ( q(X,t) + 1/2 u' R(X,t) u ) dt ]
//! ```
//!
//! A running cost `l = l_0 + N.u + 1/2 u' R u` is completed to a square at the cheapest control
//! `u_0(x,t) = -R^-1 N`, and controls are counted from there: what is written `u` above is the user's control less
//! `u_0`, so `b = f(x, u_0, t)`, `B = df/du`, `q = l_0 + 1/2 N.u_0`, `R = d2 l / du du`. Values are not touched by it;
//! policies are given back as `u_0 + u`. What does not fit is named by an [`Obstacle`]: then there is still a
//! Hamilton–Jacobi–Bellman equation, but no closed minimiser. Prices that do not fit can be kept as they are, for a
//! minimum by numbers: `l = q + r(x, u, t)`.
//!
//! # Executed by
//! Putting the parts together again: `f = b + B (u - u_0)` and `l = q + 1/2 (u - u_0)' R (u - u_0)` for every `u`.

use crate::derivation::ground::as_typed::points;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal, equal};
use crate::derivation::ground::matrix::{self, Matrix};
use crate::derivation::ground::noising::{Noising, terms};
use crate::derivation::ground::notation;
use crate::derivation::ground::stated::{Clock, Stated, Terminal};
use crate::expr::arithmetic::{dot, sum};
use crate::expr::{Expr, Graph};
use crate::problem::meant::law::Law;
use nalgebra::DMatrix;

/// Why the minimiser has no closed form of this kind. Texts are in the user's expressions.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Obstacle {
    #[error("the diffusion contains the control: G[{row}][{column}] = {entry}")]
    NoiseDependsOnControl {
        row: usize,
        column: usize,
        entry: String,
    },
    #[error("the drift is not affine in the control: f[{component}] contains {term}")]
    NotControlAffine { component: usize, term: String },
    #[error("the running cost is not quadratic in the control: it contains {term}")]
    NotQuadratic { term: String },
    #[error(
        "R = {matrix} is not positive definite{at}: without bounds no control is best, with bounds the best lies on them"
    )]
    NotPositive { matrix: String, at: String },
    #[error("the running cost is linear in a control that has no quadratic price: {term}")]
    LinearPrice { term: String },
    #[error("R = {matrix} has no closed inverse")]
    NoInverse { matrix: String },
    #[error(
        "the running cost grows no faster than |{control}|: without bounds no control is best where the value is steep"
    )]
    Shallow { control: String },
}

impl Obstacle {
    /// The key of the file that it is about.
    pub fn place(&self) -> &'static str {
        match self {
            Self::NoiseDependsOnControl { .. } => "dynamics.diffusion",
            Self::NotControlAffine { .. } => "dynamics.drift",
            _ => "cost.running",
        }
    }
}

/// The one object behind every kind: a controlled diffusion and what steering it costs.
#[derive(Clone, Debug)]
pub struct ControlledDiffusion {
    /// The process without control, with `b` as its drift.
    pub process: Noising,
    /// Symbols of the control of the equations: those of the file, or new ones where it is counted from another place.
    pub control: Vec<Expr>,
    /// `u_0`: the user's control is this plus that of the equations. Zero unless the running cost is linear in it.
    pub cheapest: Vec<Expr>,
    /// `N`, where the square is not completed: what a control in a box costs besides `1/2 u' R u`.
    pub toll: Vec<Expr>,
    /// `r(x, u, t)`: what the control costs where that is not quadratic; then there is no `N` and no `R`. Zero else.
    pub other_price: Expr,
    /// `B`, states × controls.
    pub channel: Matrix,
    /// `q`.
    pub running: Expr,
    /// `R`, controls × controls.
    pub effort: Matrix,
    /// `R^-1`.
    pub inverse_effort: Matrix,
    /// `Phi` as an expression; zero where [`Terminal`] has none.
    pub terminal: Expr,
    pub end: Terminal,
    pub discount: Expr,
    pub horizon: (f64, f64),
    pub clock: Clock,
    /// Law of `X` at the start, where it is known.
    pub start: Option<Law>,
}

impl ControlledDiffusion {
    /// Whether the horizon has no end: value and policy are then free of time.
    pub fn is_endless(&self) -> bool {
        self.horizon.1.is_infinite()
    }

    /// Whether the least cost per time is asked for, for ever and not discounted.
    pub fn averages(&self) -> bool {
        self.is_endless() && self.process.graph.is_zero(self.discount)
    }
}

/// The process the user's problem has at `u = 0`.
pub fn uncontrolled(stated: &Stated) -> Noising {
    let mut graph = stated.graph.clone();
    let off = vec![graph.zero(); stated.control.len()];
    process_under(graph, stated, &off)
}

/// The process under a control of state and time.
fn process_under(mut graph: Graph, stated: &Stated, control: &[Expr]) -> Noising {
    let at: Vec<(Expr, Expr)> = pairs(&stated.control, control);
    let drift = stated.drift.iter();
    let drift = drift.map(|f| graph.substitute(*f, &at)).collect();
    let (state, diffusion) = (stated.state.clone(), stated.diffusion.clone());
    Noising::new(graph, stated.time, state, drift, diffusion)
}

fn pairs(names: &[Expr], values: &[Expr]) -> Vec<(Expr, Expr)> {
    names.iter().copied().zip(values.iter().copied()).collect()
}

/// Takes the problem apart.
///
/// # Errors
/// The first [`Obstacle`] on the way to a closed minimiser.
pub fn take_apart(stated: &Stated) -> Result<ControlledDiffusion, Obstacle> {
    apart(stated, false)
}

/// The same for a control in a box. Its square is not completed, for that would move the box; it need not have a quadratic
/// price at all, for then its best values lie on the bounds. Entries of `R^-1` that belong to no price are those of the
/// identity: they only say what the control acts on.
///
/// # Errors
/// As [`take_apart`].
pub fn take_apart_in_bounds(stated: &Stated) -> Result<ControlledDiffusion, Obstacle> {
    apart(stated, true)
}

fn apart(stated: &Stated, bounded: bool) -> Result<ControlledDiffusion, Obstacle> {
    let mut graph = stated.graph.clone();
    noise_without_control(&graph, stated)?;
    let channel = channel(&mut graph, stated)?;
    let Effort {
        still,
        slope,
        matrix,
    } = effort(&mut graph, stated)?;
    let inverse_effort = inverse_price(&mut graph, stated, (&slope, &matrix), bounded)?;
    let nothing = vec![graph.zero(); slope.len()];
    let (mut cheapest, mut running) = (nothing.clone(), still);
    let mut control = stated.control.clone();
    let toll = if bounded { slope.clone() } else { nothing };
    if !bounded && !slope.iter().all(|s| graph.is_zero(*s)) {
        let priced = matrix::apply(&mut graph, &inverse_effort, &slope);
        cheapest = priced
            .iter()
            .map(|e| tidy_negative(&mut graph, *e))
            .collect();
        let least = graph.of(still + dot(&slope, &cheapest) / 2);
        running = notation::tidy(&mut graph, least);
        control = counted_names(&mut graph, stated);
    }
    Ok(ControlledDiffusion {
        other_price: graph.zero(),
        process: process_under(graph, stated, &cheapest),
        control,
        cheapest,
        toll,
        channel,
        running,
        effort: matrix,
        inverse_effort,
        terminal: stated.terminal,
        end: stated.end.clone(),
        discount: stated.discount,
        horizon: stated.horizon,
        clock: stated.clock,
        start: None,
    })
}

/// The same with a price of any form, for a minimum by numbers: where there is no quadratic one that has a closed minimum.
///
/// # Errors
/// [`Obstacle`] where the drift is not affine in the control, or a control without bounds costs too little.
pub fn take_apart_at_any_price(
    stated: &Stated,
    bounds: Option<&[(f64, f64)]>,
) -> Result<ControlledDiffusion, Obstacle> {
    let mut graph = stated.graph.clone();
    noise_without_control(&graph, stated)?;
    let channel = channel(&mut graph, stated)?;
    if bounds.is_none() {
        outgrows(&graph, stated)?;
    }
    let controls = stated.control.len();
    let zero = graph.zero();
    let off = vec![zero; controls];
    let still = graph.substitute(stated.running, &pairs(&stated.control, &off));
    let places = points(&stated.state, stated.time, None, stated.horizon);
    let mut known = places
        .iter()
        .take(SEEN)
        .filter_map(|at| graph.evaluate(still, at));
    // A price such as u log(u) says nothing where the control is zero.
    let running = if known.all(f64::is_finite) {
        still
    } else {
        zero
    };
    Ok(ControlledDiffusion {
        other_price: graph.of(stated.running - running),
        inverse_effort: matrix::identity(&mut graph, controls),
        process: process_under(graph, stated, &off),
        control: stated.control.clone(),
        cheapest: off.clone(),
        toll: off,
        channel,
        running,
        effort: vec![vec![zero; controls]; controls],
        terminal: stated.terminal,
        end: stated.end.clone(),
        discount: stated.discount,
        horizon: stated.horizon,
        clock: stated.clock,
        start: None,
    })
}

/// Sizes of a control between which the cost per size must grow, and by how much at least.
const SIZES: [f64; 2] = [1e2, 1e4];
const OUTGROWS: f64 = 1.25;
/// Points of the state that are looked at.
const SEEN: usize = 8;

/// Whether the running cost grows faster than every control, each way.
fn outgrows(graph: &Graph, stated: &Stated) -> Result<(), Obstacle> {
    let places = points(&stated.state, stated.time, None, stated.horizon);
    for at in places.iter().take(SEEN) {
        for moved in &stated.control {
            let cost = |size: f64| {
                let size = |u: &Expr| if u == moved { size } else { 0.0 };
                let control = stated.control.iter().map(|u| (*u, size(u)));
                let at: Vec<(Expr, f64)> = at.iter().copied().chain(control).collect();
                graph.evaluate(stated.running, &at)
            };
            let still = cost(0.0).filter(|cost| cost.is_finite()).unwrap_or(0.0);
            let grows = |way: f64| {
                // Beyond where the cost is defined no control goes.
                let rate =
                    |size: f64| cost(way * size).map_or(f64::INFINITY, |c| (c - still) / size);
                let [near, far] = SIZES.map(rate);
                far.is_nan() || far == f64::INFINITY || far > OUTGROWS * near.max(0.0)
            };
            if !(grows(1.0) && grows(-1.0)) {
                let control = graph.text(*moved);
                return Err(Obstacle::Shallow { control });
            }
        }
    }
    Ok(())
}

fn noise_without_control(graph: &Graph, stated: &Stated) -> Result<(), Obstacle> {
    for (row, entries) in stated.diffusion.iter().enumerate() {
        for (column, entry) in entries.iter().enumerate() {
            if graph.depends_on_any(*entry, &stated.control) {
                return Err(Obstacle::NoiseDependsOnControl {
                    row,
                    column,
                    entry: graph.text(*entry),
                });
            }
        }
    }
    Ok(())
}

/// `R^-1` on the controls with a quadratic price, one on the diagonal of those in a box that have none.
fn inverse_price(
    graph: &mut Graph,
    stated: &Stated,
    (slope, effort): (&[Expr], &Matrix),
    bounded: bool,
) -> Result<Matrix, Obstacle> {
    let size = effort.len();
    let free = |k: &usize| effort[*k].iter().all(|e| graph.is_zero(*e));
    let (free, mut kept): (Vec<usize>, Vec<usize>) = (0..size).partition(free);
    if !bounded {
        if let Some(k) = free.iter().find(|k| !graph.is_zero(slope[**k])) {
            let term = graph.of(slope[*k] * stated.control[*k]);
            let term = graph.text(term);
            return Err(Obstacle::LinearPrice { term });
        }
        kept = (0..size).collect();
    }
    let row = |i: &usize| kept.iter().map(|j| effort[*i][*j]).collect();
    let priced: Matrix = kept.iter().map(row).collect();
    positive(graph, stated, &priced)?;
    let inner =
        matrix::inverse_by_elimination(graph, &priced).ok_or_else(|| Obstacle::NoInverse {
            matrix: matrix_text(graph, &priced),
        })?;
    let mut whole = matrix::identity(graph, size);
    for (i, row) in kept.iter().zip(inner) {
        for (j, entry) in kept.iter().zip(row) {
            whole[*i][*j] = entry;
        }
    }
    Ok(whole)
}

fn tidy_negative(graph: &mut Graph, e: Expr) -> Expr {
    let negative = graph.of(-e);
    notation::tidy(graph, negative)
}

/// Names for a control that is counted from another place than the user's.
fn counted_names(graph: &mut Graph, stated: &Stated) -> Vec<Expr> {
    let taken = [stated.state.as_slice(), &stated.control].concat();
    let taken: Vec<String> = taken.iter().map(|e| graph.text(*e)).collect();
    let stem = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
    let free = |name: &&str| !taken.iter().any(|known| stem(known) == **name);
    let name = ["v", "w", "nu"].into_iter().find(free).unwrap_or("dev");
    match stated.control.len() {
        1 => vec![graph.symbol(name)],
        several => (0..several)
            .map(|k| graph.symbol(&format!("{name}[{k}]")))
            .collect(),
    }
}

/// `B`, free of the control.
pub(crate) fn channel(graph: &mut Graph, stated: &Stated) -> Result<Matrix, Obstacle> {
    let mut rows = Vec::new();
    for (component, f) in stated.drift.iter().enumerate() {
        match graph.affine_coefficients(*f, &stated.control) {
            Some((row, _)) => rows.push(row),
            None => {
                return Err(Obstacle::NotControlAffine {
                    component,
                    term: offending(graph, *f, &stated.control, 2),
                });
            }
        }
    }
    Ok(rows)
}

/// A running cost `l_0 + N.u + 1/2 u' R u`.
pub(crate) struct Effort {
    /// `l_0`.
    pub still: Expr,
    /// `N`.
    pub slope: Vec<Expr>,
    /// `R`, free of the control.
    pub matrix: Matrix,
}

/// The parts of the running cost.
pub(crate) fn effort(graph: &mut Graph, stated: &Stated) -> Result<Effort, Obstacle> {
    let control = &stated.control;
    if let Some(read) = read_effort(graph, stated) {
        return Ok(read);
    }
    // Second derivatives alone prove nothing: those of |u| vanish off the kink.
    if degree_at_most(graph, stated.running, control, 2).is_none() {
        let term = offending(graph, stated.running, control, 3);
        return Err(Obstacle::NotQuadratic { term });
    }
    let zero = graph.zero();
    let off: Vec<(Expr, Expr)> = control.iter().map(|u| (*u, zero)).collect();
    let still = graph.substitute(stated.running, &off);
    let slopes = graph.gradient(stated.running, control);
    let mut matrix = Vec::new();
    for s in &slopes {
        let mut row = graph.gradient(*s, control);
        for entry in &mut row {
            if graph.depends_on_any(*entry, control) {
                *entry = graph.expand(*entry);
            }
        }
        matrix.push(row);
    }
    let slope = slopes.into_iter().map(|s| {
        let linear = graph.substitute(s, &off);
        match graph.is_provably_zero(linear) {
            true => zero,
            false => linear,
        }
    });
    Ok(Effort {
        slope: slope.collect(),
        still,
        matrix,
    })
}

/// The parts where the running cost is written as a polynomial of degree two in the control.
fn read_effort(graph: &mut Graph, stated: &Stated) -> Option<Effort> {
    let form = graph.quadratic_form(stated.running, &stated.control)?;
    let (matrix, zero) = (form.curvature(graph), graph.zero());
    let mut slope = form.linear;
    for entry in &mut slope {
        if graph.is_provably_zero(*entry) {
            *entry = zero;
        }
    }
    Some(Effort {
        still: form.constant,
        slope,
        matrix,
    })
}

/// The degree in the control, if it is at most `limit` as written or multiplied out.
fn degree_at_most(graph: &mut Graph, e: Expr, control: &[Expr], limit: usize) -> Option<usize> {
    let small = |degree: &usize| *degree <= limit;
    let written = graph.written_degree(e, control);
    written.filter(small).or_else(|| {
        let expanded = graph.expand_quickly(e);
        graph.written_degree(expanded, control).filter(small)
    })
}

/// The terms of a sum that are no polynomial in the control of a degree below `order`.
fn offending(graph: &mut Graph, e: Expr, control: &[Expr], order: usize) -> String {
    let expanded = graph.expand_quickly(e);
    let mut kept = terms(graph, expanded);
    kept.retain(|term| {
        let degree = graph.written_degree(*term, control);
        degree.is_none_or(|degree| degree >= order)
    });
    let sum = graph.of(sum(kept));
    graph.text(sum)
}

/// `[[a, b], [c, d]]`.
pub fn matrix_text(graph: &Graph, matrix: &[Vec<Expr>]) -> String {
    if let [row] = matrix
        && let [entry] = row.as_slice()
    {
        return graph.text(*entry);
    }
    let rows: Vec<String> = matrix
        .iter()
        .map(|row| {
            let entries: Vec<String> = row.iter().map(|e| graph.text(*e)).collect();
            format!("[{}]", entries.join(", "))
        })
        .collect();
    format!("[{}]", rows.join(", "))
}

/// The smallest eigenvalue of `R`, over seeded points of the state (one point where `R` is constant).
pub(crate) fn positive(
    graph: &Graph,
    stated: &Stated,
    effort: &[Vec<Expr>],
) -> Result<f64, Obstacle> {
    let entries: Vec<Expr> = effort.iter().flatten().copied().collect();
    let size = effort.len();
    let mut smallest = f64::INFINITY;
    if size == 0 {
        return Ok(smallest);
    }
    let constant = entries.iter().all(|e| graph.as_number(*e).is_some());
    let places = points(&stated.state, stated.time, None, stated.horizon);
    for at in places.iter().take(if constant { 1 } else { 64 }) {
        let Some(values) = graph.evaluate_all(&entries, at) else {
            continue;
        };
        if values.iter().any(|v| !v.is_finite()) {
            continue;
        }
        let rows = DMatrix::from_row_slice(size, size, &values);
        let eigenvalues = rows.symmetric_eigenvalues();
        smallest = smallest.min(eigenvalues.min());
        // A margin: rounding must not make a singular matrix positive.
        if eigenvalues.min() <= 1e-12 * eigenvalues.amax() {
            let place: Vec<String> = at
                .iter()
                .map(|(e, v)| format!("{} = {v:.3}", graph.text(*e)))
                .collect();
            return Err(Obstacle::NotPositive {
                matrix: matrix_text(graph, effort),
                at: if constant {
                    String::new()
                } else {
                    format!(" at {}", place.join(", "))
                },
            });
        }
    }
    Ok(smallest)
}

/// `f = b + B (u - u_0)`, `l = q + 1/2 (u - u_0)' R (u - u_0)` and `R R^-1 = I`.
///
/// # Errors
/// [`Refuted`] if the parts do not make up what was typed.
pub fn execute(controlled: &mut ControlledDiffusion, stated: &Stated) -> Result<Evidence, Refuted> {
    let graph = &mut controlled.process.graph;
    let counted = graph.pairwise(&stated.control, &controlled.cheapest, |u, rest| u - rest);
    let steered = controlled.steered(&counted);
    let cost = controlled.cost_rate(&counted);
    let graph = &mut controlled.process.graph;
    let claim = "the drift is b + B u";
    let drift = all_equal(graph, claim, &stated.drift, &steered)?;
    let claim = "the running cost is q + 1/2 u'R u";
    let running = equal(graph, claim, stated.running, cost)?;
    let one = matrix::identity(graph, counted.len());
    let back = matrix::product(graph, &controlled.effort, &controlled.inverse_effort);
    let claim = "R R^-1 = I";
    let inverse = all_equal(graph, claim, &back.concat(), &one.concat())?;
    Ok(drift.and(running).and(inverse))
}

impl ControlledDiffusion {
    pub fn dimension(&self) -> usize {
        self.process.dimension()
    }

    /// Whether the control of the equations is the user's.
    pub fn counts_from_zero(&self) -> bool {
        let graph = &self.process.graph;
        self.cheapest.iter().all(|e| graph.is_zero(*e))
    }

    /// The user's control `u_0 + u`.
    pub fn as_typed(&mut self, control: &[Expr]) -> Vec<Expr> {
        let graph = &mut self.process.graph;
        graph.pairwise(control, &self.cheapest, |u, rest| u + rest)
    }

    /// `B u`.
    pub fn push(&mut self, control: &[Expr]) -> Vec<Expr> {
        matrix::apply(&mut self.process.graph, &self.channel, control)
    }

    /// `b + B u`.
    pub fn steered(&mut self, control: &[Expr]) -> Vec<Expr> {
        let push = self.push(control);
        let process = &mut self.process;
        process.graph.pairwise(&process.drift, &push, |b, p| b + p)
    }

    /// `N . u + 1/2 u' R u + r(x, u, t)`.
    pub fn effort_rate(&mut self, control: &[Expr]) -> Expr {
        let graph = &mut self.process.graph;
        let priced = matrix::apply(graph, &self.effort, control);
        let other = graph.substitute(self.other_price, &pairs(&self.control, control));
        graph.of(dot(&self.toll, control) + dot(control, &priced) / 2 + other)
    }

    /// Whether a control has a price that is not quadratic.
    pub fn has_other_price(&self) -> bool {
        !self.process.graph.is_zero(self.other_price)
    }

    /// States that a term of a graph contains, or that a control in it pushes.
    pub fn joined_by(&self, graph: &Graph, term: Expr) -> Vec<usize> {
        let symbols = graph.symbols(&[term]);
        let pushes = |i: usize| {
            let row = self.channel[i].iter().zip(&self.control);
            let mut own = row.filter(|(entry, _)| !graph.is_zero(**entry));
            own.any(|(_, control)| symbols.contains(control))
        };
        let state = &self.process.state;
        let joined = |i: &usize| symbols.contains(&state[*i]) || pushes(*i);
        (0..state.len()).filter(joined).collect()
    }

    /// Whether every control has a quadratic price and no other.
    pub fn is_priced(&self) -> bool {
        let graph = &self.process.graph;
        let tolled = self.toll.iter().any(|e| !graph.is_zero(*e));
        let priced = |row: &Vec<Expr>| row.iter().any(|e| !graph.is_zero(*e));
        !tolled && !self.has_other_price() && self.effort.iter().all(priced)
    }

    /// `q + 1/2 u' R u`.
    pub fn cost_rate(&mut self, control: &[Expr]) -> Expr {
        let effort = self.effort_rate(control);
        self.process.of(self.running + effort)
    }

    /// `B' v`.
    pub fn through_channel(&mut self, vector: &[Expr]) -> Vec<Expr> {
        let columns = matrix::transpose(&self.channel);
        matrix::apply(&mut self.process.graph, &columns, vector)
    }

    /// `B R^-1 B'`, states × states.
    pub fn authority(&mut self) -> Matrix {
        let graph = &mut self.process.graph;
        let columns = matrix::transpose(&self.channel);
        let priced = matrix::product(graph, &self.channel, &self.inverse_effort);
        matrix::product(graph, &priced, &columns)
    }

    /// `-R^-1 B' v`: the control that minimises `1/2 u' R u + (B u) . v`.
    pub fn best_response(&mut self, slope: &[Expr]) -> Vec<Expr> {
        let pulled = self.through_channel(slope);
        let graph = &mut self.process.graph;
        let scaled = matrix::apply(graph, &self.inverse_effort, &pulled);
        graph.each(scaled.iter().map(|u| -*u))
    }
}
