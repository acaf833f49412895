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
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::matrix::{self, Matrix};
use crate::derivation::ground::noising::{dot, terms};
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
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

/// The degree of a polynomial in `symbols`, `None` if it is none of degree at most 12.
pub fn degree(graph: &mut Graph, e: Expr, symbols: &[Expr]) -> Option<usize> {
    let mut open = vec![graph.expand(e)];
    for degree in 0..=12 {
        open.retain(|e| graph.depends_on_any(*e, symbols));
        if open.is_empty() {
            return Some(degree);
        }
        let mut next: Vec<Expr> = Vec::new();
        for e in &open {
            for s in symbols {
                let slope = graph.derivative(*e, *s);
                next.push(graph.expand(slope));
            }
        }
        next.sort_unstable();
        next.dedup();
        open = next;
    }
    None
}

/// The terms of `e` that are no polynomial of degree at most `limit`, as words (the degree and the sum),
/// and the sum.
pub fn beyond(
    graph: &mut Graph,
    e: Expr,
    symbols: &[Expr],
    limit: usize,
) -> Option<(String, Expr)> {
    let whole = degree(graph, e, symbols);
    if whole.is_some_and(|d| d <= limit) {
        return None;
    }
    let expanded = graph.expand(e);
    let mut kept = Vec::new();
    for term in terms(graph, expanded) {
        if degree(graph, term, symbols).is_none_or(|d| d > limit) {
            kept.push(term);
        }
    }
    let sum = graph.add(&kept);
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
    let matrix = slope
        .iter()
        .map(|s| {
            let row = graph.gradient(*s, state);
            row.iter().map(|e| graph.expand(*e)).collect()
        })
        .collect();
    let vector = slope
        .iter()
        .map(|s| graph.substitute(*s, &origin))
        .collect();
    Quadratic {
        matrix,
        vector,
        constant: graph.substitute(e, &origin),
    }
}

/// What is not of the right degree.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocked {
    /// A sentence with the blocking term and its degree.
    pub words: String,
    pub term: Option<Expr>,
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
        if let Some((words, term)) = beyond(graph, *f, &state, 1) {
            return Err(Blocked {
                words: format!("drift[{i}] has {words}"),
                term: Some(term),
            });
        }
        let Some((row, constant)) = graph.affine_coefficients(*f, &state) else {
            return Err(Blocked {
                words: format!("drift[{i}] is not affine in the state"),
                term: Some(*f),
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
            return Err(Blocked {
                words: format!("{name} contains the state: {}", graph.text(*entry)),
                term: Some(*entry),
            });
        }
    }
    for (name, e) in [
        ("the running cost", controlled.running),
        ("the terminal cost", controlled.terminal),
    ] {
        if let Some((words, term)) = beyond(graph, e, &state, 2) {
            return Err(Blocked {
                words: format!("{name} has {words}"),
                term: Some(term),
            });
        }
    }
    Ok(LinearQuadratic {
        matrix: rows,
        shift,
        authority,
        running: quadratic(graph, controlled.running, &state),
        terminal: quadratic(graph, controlled.terminal, &state),
    })
}

/// The right sides of `P' = ...`, `r' = ...`, `c' = ...`, for unknown functions `P`, `r`, `c` of time.
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
    let (time, discount) = (controlled.process.time, controlled.discount);
    let graph = &mut controlled.process.graph;
    let form: Matrix = (0..d)
        .map(|i| {
            (0..d)
                .map(|j| graph.unknown(&format!("P[{}][{}]", i.min(j), i.max(j)), &[time]))
                .collect()
        })
        .collect();
    let vector: Vec<Expr> = (0..d)
        .map(|i| graph.unknown(&format!("r[{i}]"), &[time]))
        .collect();
    let constant = graph.unknown("c", &[time]);
    let (one, minus, half) = (graph.one(), graph.integer(-1), graph.rational(1, 2));
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
    let vector_rate = (0..d)
        .map(|i| {
            let later = graph.mul(&[discount, vector[i]]);
            let gained = graph.add(&[carried[i], driven[i], lq.running.vector[i]]);
            let gained = graph.neg(gained);
            graph.add(&[later, steered[i], gained])
        })
        .collect();
    let drifted = dot(graph, &lq.shift, &vector);
    let pulled = matrix::apply(graph, &lq.authority, &vector);
    let saved = dot(graph, &vector, &pulled);
    let saved = graph.mul(&[half, saved]);
    let mut trace = Vec::new();
    for (a, b) in diffusivity.iter().zip(&form) {
        trace.push(dot(graph, a, b));
    }
    let trace = graph.add(&trace);
    let spread = graph.mul(&[half, trace]);
    let later = graph.mul(&[discount, constant]);
    let gained = graph.add(&[drifted, spread, lq.running.constant]);
    let gained = graph.neg(gained);
    let constant_rate = graph.add(&[later, saved, gained]);
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
    let half = graph.rational(1, 2);
    let bent = matrix::apply(graph, &system.form, &state);
    let square = dot(graph, &state, &bent);
    let square = graph.mul(&[half, square]);
    let along = dot(graph, &system.vector, &state);
    let value = graph.add(&[square, along, system.constant]);
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
    let zero = graph.zero();
    let claim = "1/2 x'P x + r.x + c solves the Hamilton-Jacobi-Bellman equation";
    equal(graph, claim, inserted, zero)
}

/// The step.
///
/// # Errors
/// [`Refuted`] if the quadratic form does not solve the equation.
pub fn step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
    lq: &LinearQuadratic,
    written: &LinearQuadratic,
) -> Result<Step, Refuted> {
    let system = system(exact, lq);
    let evidence = execute(exact, &system)?;
    let graph = &exact.process.graph;
    let zero = |v: &[Expr]| v.iter().all(|e| graph.is_zero(*e));
    let centred = zero(&lq.shift) && zero(&lq.running.vector) && zero(&lq.terminal.vector);
    let discounted = !graph.is_zero(exact.discount);
    let name = bellman::control_name(shown);
    let end = notation::time_of_end(&mut shown.process, shown.horizon.1);
    let left = |symbol: &str| {
        if discounted {
            format!("rho {symbol} - {symbol}'")
        } else {
            format!("-{symbol}'")
        }
    };
    let left_latex = |symbol: &str| {
        if discounted {
            format!("\\rho {symbol} - \\dot{{{symbol}}}")
        } else {
            format!("-\\dot{{{symbol}}}")
        }
    };
    let mut step = Step::new(
        "Riccati system",
        "riccati",
        SOURCE,
        "the quadratic form inserted in the Hamilton-Jacobi-Bellman equation, for every x",
        evidence,
    )
    .assuming(&[Assumption::RiccatiSolution]);
    step = if centred {
        step.line("V = 1/2 x'P x + c", "V = \\frac{1}{2} x^\\top P x + c")
    } else {
        step.line(
            "V = 1/2 x'P x + r.x + c",
            "V = \\frac{1}{2} x^\\top P x + r \\cdot x + c",
        )
    };
    step = step.line(
        format!(
            "{} = A'P + P A - P S P + Q,   P({}) = M",
            left("P"),
            end.text
        ),
        format!(
            "{} = A^\\top P + P A - P S P + Q, \\qquad P({}) = M",
            left_latex("P"),
            end.latex
        ),
    );
    if !centred {
        step = step.line(
            format!(
                "{} = (A - S P)'r + P a + k,   r({}) = m",
                left("r"),
                end.text
            ),
            format!(
                "{} = (A - S P)^\\top r + P a + k, \\qquad r({}) = m",
                left_latex("r"),
                end.latex
            ),
        );
    }
    let (driven, driven_latex) = if centred {
        ("", "")
    } else {
        (
            "a.r - 1/2 r.S r + ",
            "a \\cdot r - \\frac{1}{2} r^\\top S r + ",
        )
    };
    step = step
        .line(
            format!("{} = {driven}1/2 tr(D P) + q_0,   c({}) = m_0", left("c"), end.text),
            format!(
                "{} = {driven_latex}\\frac{{1}}{{2}} \\operatorname{{tr}}(D P) + q_0, \\qquad c({}) = m_0",
                left_latex("c"),
                end.latex
            ),
        )
        .line(
            format!(
                "{}* = -R^-1 B'{}",
                name.text,
                if centred { " P x" } else { " (P x + r)" }
            ),
            format!(
                "{}^* = -R^{{-1}} B^\\top {}",
                name.latex,
                if centred { "P x" } else { "(P x + r)" }
            ),
        );
    Ok(step.lines(coefficients_written(shown, written, centred)))
}

/// The matrices with their numbers.
fn coefficients_written(
    shown: &mut ControlledDiffusion,
    lq: &LinearQuadratic,
    centred: bool,
) -> Vec<Formula> {
    let process = &mut shown.process;
    let diffusivity = process.diffusivity.clone();
    let mut lines = Vec::new();
    for (name, matrix) in [
        ("A", &lq.matrix),
        ("S", &lq.authority),
        ("Q", &lq.running.matrix),
        ("M", &lq.terminal.matrix),
        ("D", &diffusivity),
    ] {
        let label = match name {
            "S" => Formula::new("S = B R^-1 B'", "S = B R^{-1} B^\\top"),
            _ => Formula::new(name, name),
        };
        lines.push(notation::matrix(process, &label, matrix));
    }
    if !centred {
        for (name, vector) in [
            ("a", &lq.shift),
            ("k", &lq.running.vector),
            ("m", &lq.terminal.vector),
        ] {
            lines.push(notation::vector(process, &Formula::new(name, name), vector));
        }
    }
    for (name, value) in [("q_0", lq.running.constant), ("m_0", lq.terminal.constant)] {
        lines.push(notation::scalar(process, &Formula::new(name, name), value));
    }
    lines
}
