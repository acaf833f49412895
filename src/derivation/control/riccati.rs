//! Linear dynamics with quadratic costs: the value function is a quadratic form.
//!
//! With `b = A x + a`, `q = 1/2 x'Q x + k.x + q_0`, `Phi = 1/2 x'M x + m.x + m_0`, `S = B R^-1 B'` and
//! `G`, `B`, `R` free of the state, `V = 1/2 x'P x + r.x + c` with
//!
//! ```text
//! rho P - P' = A'P + P A - P S P + Q,                        P(T) = M
//! rho r - r' = (A - S P)'r + P a + k,                        r(T) = m
//! rho c - c' = a.r - 1/2 r.S r + 1/2 tr(D P) + q_0,          c(T) = m_0
//! u* = -R^-1 B' (P x + r)
//! ```
//!
//! # Assumptions
//! `R > 0`; the Riccati equation has a solution up to time 0 (it does where `Q, M >= 0`).
//!
//! # Source
//! Kalman (1960); Bryson & Ho, *Applied Optimal Control* (1975), chapter 5; Fleming & Rishel (1975),
//! section VI.5.
//!
//! # Executed by
//! Inserting the quadratic form in the Hamilton–Jacobi–Bellman equation, for every `x`.

use crate::derivation::control::bellman;
use crate::derivation::control::in_matrices::{self, is_large};
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::matrix::{self, Matrix};
use crate::derivation::ground::noising::terms;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::expr::arithmetic::{Arithmetic, dot, sum};
use crate::expr::{Expr, Graph};

const SOURCE: &str =
    "Kalman (1960); Bryson & Ho (1975), chapter 5; Fleming & Rishel (1975), section VI.5";

/// `1/2 x'M x + m.x + m_0`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quadratic {
    pub matrix: Matrix,
    pub vector: Vec<Expr>,
    pub constant: Expr,
}

/// The coefficients of a linear–quadratic problem.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearQuadratic {
    /// `A`.
    pub matrix: Matrix,
    /// `a`.
    pub shift: Vec<Expr>,
    /// `S = B R^-1 B'`.
    pub authority: Matrix,
    pub running: Quadratic,
    pub terminal: Quadratic,
}

/// The degree of a polynomial in `symbols`; `None` if it is none, or none that can be multiplied out in moderate time.
pub fn degree(graph: &mut Graph, e: Expr, symbols: &[Expr]) -> Option<usize> {
    let expanded = graph.expand_quickly(e);
    graph.written_degree(expanded, symbols)
}

/// The terms of `e` that are no polynomial of degree at most `limit`, as words (the degree and the sum),
/// and the sum.
pub fn beyond(
    graph: &mut Graph,
    e: Expr,
    symbols: &[Expr],
    limit: usize,
) -> Option<(String, Expr)> {
    let at_most = |degree: Option<usize>| degree.is_some_and(|d| d <= limit);
    if at_most(graph.written_degree(e, symbols)) {
        return None;
    }
    let whole = degree(graph, e, symbols);
    if at_most(whole) {
        return None;
    }
    let expanded = graph.expand_quickly(e);
    let mut kept = Vec::new();
    for term in terms(graph, expanded) {
        if !at_most(graph.written_degree(term, symbols)) {
            kept.push(term);
        }
    }
    let sum = graph.of(sum(kept));
    let words = notation::expression(graph, sum).text;
    let words = match whole {
        Some(degree) => format!("degree {degree}: {words}"),
        None => format!("a term that is no polynomial: {words}"),
    };
    Some((words, sum))
}

fn quadratic(graph: &mut Graph, e: Expr, state: &[Expr]) -> Quadratic {
    let zero = graph.zero();
    let origin: Vec<(Expr, Expr)> = state.iter().map(|x| (*x, zero)).collect();
    let slope = graph.gradient(e, state);
    let mut rows: Matrix = slope.iter().map(|s| graph.gradient(*s, state)).collect();
    for entry in rows.iter_mut().flatten() {
        *entry = graph.expand(*entry);
    }
    let at_origin = |s: &Expr| graph.substitute(*s, &origin);
    Quadratic {
        matrix: rows,
        vector: slope.iter().map(at_origin).collect(),
        constant: graph.substitute(e, &origin),
    }
}

/// What is not of the right degree.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocked {
    /// A sentence with the blocking term and its degree.
    pub words: String,
    pub term: Expr,
}

impl Blocked {
    fn by(term: Expr, words: String) -> Self {
        Self { words, term }
    }
}

/// `1/2 x'M x + m.x + m_0` where it is written as a polynomial of degree two.
fn read_quadratic(graph: &mut Graph, e: Expr, state: &[Expr]) -> Option<Quadratic> {
    let form = graph.quadratic_form(e, state)?;
    Some(Quadratic {
        matrix: form.curvature(graph),
        vector: form.linear,
        constant: form.constant,
    })
}

/// The coefficients, or the term that is not of the right degree.
///
/// # Errors
/// The blocking term.
pub fn linear_quadratic(controlled: &mut ControlledDiffusion) -> Result<LinearQuadratic, Blocked> {
    let state = controlled.process.state.clone();
    let authority = controlled.authority();
    let process = &mut controlled.process;
    let graph = &mut process.graph;
    let (mut rows, mut shift) = (Vec::new(), Vec::new());
    for (i, f) in process.drift.iter().enumerate() {
        let Some((row, constant)) = graph.affine_coefficients(*f, &state) else {
            return Err(match beyond(graph, *f, &state, 1) {
                Some((words, term)) => Blocked::by(term, format!("drift[{i}] has {words}")),
                None => Blocked::by(*f, format!("drift[{i}] is not affine in the state")),
            });
        };
        rows.push(row);
        shift.push(constant);
    }
    let parts = [
        ("the diffusion G", process.diffusion.concat()),
        ("the control channel B", controlled.channel.concat()),
        ("the effort R", controlled.effort.concat()),
    ];
    for (name, entries) in parts {
        if let Some(entry) = entries.iter().find(|e| graph.depends_on_any(**e, &state)) {
            let words = format!("{name} contains the state: {}", graph.text(*entry));
            return Err(Blocked::by(*entry, words));
        }
    }
    let mut cost = |name: &str, e: Expr| match read_quadratic(graph, e, &state) {
        Some(read) => Ok(read),
        None => match beyond(graph, e, &state, 2) {
            Some((words, term)) => Err(Blocked::by(term, format!("{name} has {words}"))),
            None => Ok(quadratic(graph, e, &state)),
        },
    };
    Ok(LinearQuadratic {
        running: cost("the running cost", controlled.running)?,
        terminal: cost("the terminal cost", controlled.terminal)?,
        matrix: rows,
        shift,
        authority,
    })
}

/// Short forms of drift and costs in matrices, for problems too large to be printed entry by entry.
pub(crate) fn abbreviations(
    controlled: &ControlledDiffusion,
    lq: &LinearQuadratic,
) -> Vec<(Vec<Expr>, String)> {
    let graph = &controlled.process.graph;
    let plus = |parts: &[Expr], words: &str| {
        let absent = parts.iter().all(|e| graph.is_zero(*e));
        if absent {
            String::new()
        } else {
            format!(" + {words}")
        }
    };
    let form = |name: &str, slope: &str, constant: &str, form: &Quadratic| {
        let linear = plus(&form.vector, &format!("{slope}.x"));
        format!("1/2 x'{name} x{linear}{}", plus(&[form.constant], constant))
    };
    let drift = format!("A x{}", plus(&lq.shift, "a"));
    let running = form("Q", "k", "q_0", &lq.running);
    let terminal = form("M", "m", "m_0", &lq.terminal);
    let is_long = |form: &Quadratic| form.matrix.len() > 1 && !graph.is_zero(form.matrix[0][1]);
    let mut short = vec![(controlled.process.drift.clone(), drift)];
    if is_long(&lq.running) {
        short.push((vec![controlled.running], running));
    }
    if is_long(&lq.terminal) {
        short.push((vec![controlled.terminal], terminal));
    }
    short
}

/// The right sides of `P' = ...`, `r' = ...`, `c' = ...`, for unknown functions `P`, `r`, `c` of time. Where the horizon
/// has no end they vanish; where it asks for the average cost, that is the constant and stands where its rate did.
#[derive(Clone, Debug, PartialEq)]
pub struct RiccatiSystem {
    /// Symmetric.
    pub form: Matrix,
    pub vector: Vec<Expr>,
    pub constant: Expr,
    pub form_rate: Matrix,
    pub vector_rate: Vec<Expr>,
    pub constant_rate: Expr,
}

/// The system for these coefficients.
pub fn system(controlled: &mut ControlledDiffusion, lq: &LinearQuadratic) -> RiccatiSystem {
    let d = lq.shift.len();
    let diffusivity = controlled.process.diffusivity.clone();
    let averages = controlled.averages();
    let (time, discount) = (controlled.process.time, controlled.discount);
    let graph = &mut controlled.process.graph;
    let mut unknown = |name: String| graph.unknown(&name, &[time]);
    let mut entry = |i: usize, j: usize| unknown(format!("P[{}][{}]", i.min(j), i.max(j)));
    let form: Matrix = (0..d)
        .map(|i| (0..d).map(|j| entry(i, j)).collect())
        .collect();
    let vector: Vec<Expr> = (0..d).map(|i| unknown(format!("r[{i}]"))).collect();
    let constant = unknown("c".to_owned());
    let (one, minus) = (graph.one(), graph.integer(-1));
    let across = matrix::transpose(&lq.matrix);
    let left = matrix::product(graph, &across, &form);
    let right = matrix::product(graph, &form, &lq.matrix);
    let pressed = matrix::product(graph, &form, &lq.authority);
    let bent = matrix::product(graph, &pressed, &form);
    let parts = [
        (discount, &form),
        (minus, &left),
        (minus, &right),
        (one, &bent),
        (minus, &lq.running.matrix),
    ];
    let form_rate = matrix::combination(graph, &parts);
    let carried = matrix::apply(graph, &across, &vector);
    let steered = matrix::apply(graph, &pressed, &vector);
    let driven = matrix::apply(graph, &form, &lq.shift);
    let vector_rate = graph.each((0..d).map(|i| {
        let gained = carried[i] + driven[i] + lq.running.vector[i];
        discount * vector[i] + steered[i] - gained
    }));
    let pulled = matrix::apply(graph, &lq.authority, &vector);
    let trace = sum(diffusivity.iter().zip(&form).map(|(a, b)| dot(a, b)));
    let gained = dot(&lq.shift, &vector) + trace / 2 + lq.running.constant;
    let constant_rate = dot(&vector, &pulled) / 2 - gained;
    let constant_rate = match averages {
        true => graph.of(constant + constant_rate),
        false => graph.of(discount * constant + constant_rate),
    };
    RiccatiSystem {
        form,
        vector,
        constant,
        form_rate,
        vector_rate,
        constant_rate,
    }
}

/// `V = 1/2 x'P x + r.x + c` solves the Hamilton–Jacobi–Bellman equation for every `x`.
///
/// # Errors
/// [`Refuted`] if the rates are others.
pub fn execute(
    controlled: &mut ControlledDiffusion,
    system: &RiccatiSystem,
) -> Result<Evidence, Refuted> {
    let state = controlled.process.state.clone();
    let time = controlled.process.time;
    let graph = &mut controlled.process.graph;
    let bent = matrix::apply(graph, &system.form, &state);
    let value = graph.of(dot(&state, &bent) / 2 + dot(&system.vector, &state) + system.constant);
    if controlled.is_endless() {
        return execute_still(controlled, system, value);
    }
    let residual = bellman::residual(controlled, value);
    let graph = &mut controlled.process.graph;
    let unknowns = system.form.iter().flatten().chain(&system.vector);
    let rates = system.form_rate.iter().flatten().chain(&system.vector_rate);
    let mut replacements = Vec::new();
    for (unknown, rate) in unknowns
        .chain([&system.constant])
        .zip(rates.chain([&system.constant_rate]))
    {
        replacements.push((graph.derivative(*unknown, time), *rate));
    }
    let inserted = graph.substitute(residual, &replacements);
    let claim = "1/2 x'P x + r.x + c solves the Hamilton-Jacobi-Bellman equation";
    controlled.process.equal(claim, inserted, 0)
}

/// The same without an end: what is left over is the quadratic form of the right sides, which vanish.
fn execute_still(
    controlled: &mut ControlledDiffusion,
    system: &RiccatiSystem,
    value: Expr,
) -> Result<Evidence, Refuted> {
    let mut residual = bellman::residual(controlled, value);
    if controlled.averages() {
        let graph = &mut controlled.process.graph;
        residual = graph.of(Arithmetic::from(residual) - system.constant);
    }
    let state = controlled.process.state.clone();
    let graph = &mut controlled.process.graph;
    let bent = matrix::apply(graph, &system.form_rate, &state);
    let left = dot(&state, &bent) / 2 + dot(&system.vector_rate, &state) + system.constant_rate;
    let claim = "1/2 x'P x + r.x + c solves the Hamilton-Jacobi-Bellman equation";
    controlled.process.equal(claim, residual, -left)
}

/// The step.
///
/// # Errors
/// [`Refuted`] if the quadratic form does not solve the equation.
pub fn step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
    lq: &LinearQuadratic,
) -> Result<Step, Refuted> {
    let evidence = if is_large(exact) {
        in_matrices::riccati()?
    } else {
        let system = system(exact, lq);
        execute(exact, &system)?
    };
    let graph = &exact.process.graph;
    let zero = |v: &[Expr]| v.iter().all(|e| graph.is_zero(*e));
    let centred = zero(&lq.shift) && zero(&lq.running.vector) && zero(&lq.terminal.vector);
    let discounted = !graph.is_zero(exact.discount);
    let name = bellman::control_name(shown);
    if shown.is_endless() {
        return Ok(still_step(shown, lq, centred, evidence));
    }
    let end = notation::time_of_end(&mut shown.process, shown.horizon.1);
    let line = |symbol: &str, right: &str| {
        let minus = if discounted {
            format!("rho {symbol} - ")
        } else {
            "-".to_owned()
        };
        Formula::of(&format!("{minus}{symbol}' = {right}"), &[&end])
    };
    let executes =
        "the quadratic form inserted in the Hamilton-Jacobi-Bellman equation, for every x";
    let form = line("P", "A'P + P A - P S P + Q,   P({}) = M");
    let step = Step::new("Riccati system", "riccati", SOURCE)
        .executed(executes, evidence)
        .assuming(&[Assumption::RiccatiSolution]);
    let step = if centred {
        step.line("V = 1/2 x'P x + c")
            .line(form)
            .line(line("c", "1/2 tr(D P) + q_0,   c({}) = m_0"))
            .line(Formula::of("{}* = -R^-1 B' P x", &[&name]))
    } else {
        step.line("V = 1/2 x'P x + r.x + c")
            .line(form)
            .line(line("r", "(A - S P)'r + P a + k,   r({}) = m"))
            .line(line(
                "c",
                "a.r - 1/2 r.S r + 1/2 tr(D P) + q_0,   c({}) = m_0",
            ))
            .line(Formula::of("{}* = -R^-1 B' (P x + r)", &[&name]))
    };
    Ok(step.lines(coefficients_written(shown, lq, centred)))
}

/// The step without an end.
fn still_step(
    shown: &mut ControlledDiffusion,
    lq: &LinearQuadratic,
    centred: bool,
    evidence: Evidence,
) -> Step {
    let (averages, name) = (shown.averages(), bellman::control_name(shown));
    let left = |symbol: &str| match averages {
        true => "0".to_owned(),
        false => format!("rho {symbol}"),
    };
    let constant = if averages { "c" } else { "rho c" };
    let executes =
        "the quadratic form inserted in the Hamilton-Jacobi-Bellman equation, for every x";
    let mut step = Step::new("algebraic Riccati equation", "riccati", SOURCE)
        .executed(executes, evidence)
        .assuming(&[Assumption::StabilisingSolution]);
    let form = format!(
        "{} = A'P + P A - P S P + Q,   A - S P - rho/2 stable",
        left("P")
    );
    let form = if averages {
        form.replace(" - rho/2", "")
    } else {
        form
    };
    let value = match (centred, averages) {
        (true, true) => "V = 1/2 x'P x",
        (true, false) => "V = 1/2 x'P x + c",
        (false, true) => "V = 1/2 x'P x + r.x",
        (false, false) => "V = 1/2 x'P x + r.x + c",
    };
    step = step.line(value).line(Formula::of(&form, &[]));
    if centred {
        let trace = format!("{constant} = 1/2 tr(D P) + q_0");
        step = step
            .line(Formula::of(&trace, &[]))
            .line(Formula::of("{}* = -R^-1 B' P x", &[&name]));
    } else {
        let vector = format!("{} = (A - S P)'r + P a + k", left("r"));
        let trace = format!("{constant} = a.r - 1/2 r.S r + 1/2 tr(D P) + q_0");
        step = step
            .line(Formula::of(&vector, &[]))
            .line(Formula::of(&trace, &[]))
            .line(Formula::of("{}* = -R^-1 B' (P x + r)", &[&name]));
    }
    step.lines(coefficients_written(shown, lq, centred))
}

/// The matrices with their numbers.
fn coefficients_written(
    shown: &mut ControlledDiffusion,
    lq: &LinearQuadratic,
    centred: bool,
) -> Vec<Formula> {
    let horizon = shown.horizon;
    let process = &mut shown.process;
    let diffusivity = process.diffusivity.clone();
    // The end cost, where there is an end.
    let ends = |name: &&str| horizon.1.is_finite() || !name.starts_with(['M', 'm']);
    let mut lines = Vec::new();
    for (name, matrix) in [
        ("A", &lq.matrix),
        ("S = B R^-1 B'", &lq.authority),
        ("Q", &lq.running.matrix),
        ("M", &lq.terminal.matrix),
        ("D", &diffusivity),
    ]
    .into_iter()
    .filter(|line| ends(&line.0))
    {
        lines.push(notation::matrix(process, name, matrix));
    }
    let vectors = [
        ("a", &lq.shift),
        ("k", &lq.running.vector),
        ("m", &lq.terminal.vector),
    ];
    for (name, vector) in vectors.into_iter().filter(|line| !centred && ends(&line.0)) {
        lines.push(notation::vector(process, name, vector));
    }
    for (name, value) in [("q_0", lq.running.constant), ("m_0", lq.terminal.constant)]
        .into_iter()
        .filter(|line| ends(&line.0))
    {
        lines.push(notation::scalar(process, name, value));
    }
    lines
}
