//! Dynamic programming for a controlled diffusion with quadratic effort, in its own time.
//!
//! ```text
//! rho V - V_t = min_u { 1/2 u'Ru + (B u) . grad V } + q + L V,      V(x, T) = Phi(x)
//! u* = -R^-1 B' grad V
//! rho V - V_t = L V + q - 1/2 grad V . B R^-1 B' grad V
//! J[u] - V = 1/2 E_u int (u - u*)' R (u - u*) dt
//! ```
//!
//! `L` is the generator without control, `rho` the discount rate (zero for none).
//!
//! # Assumptions
//! `R > 0`, so the minimum is unique; a value function with the derivatives named.
//!
//! # Source
//! Fleming & Soner, *ControlledDiffusion Markov Processes and Viscosity Solutions* (2006), chapters III and IV.
//!
//! # Executed by
//! Completing the square: for every control the bracket exceeds its minimum by
//! `1/2 (u - u*)' R (u - u*)`; stationarity and curvature in `u`; Itô's rule for `V` plus the cost so far.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::matrix::{as_multiple_of_identity, transpose};
use crate::derivation::ground::noising::dot;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::expr::Expr;

const SOURCE: &str = "Fleming & Soner (2006), chapters III and IV";

/// `q + 1/2 u'Ru + (b + B u) . grad V + 1/2 D : grad grad V`.
pub fn bracket(controlled: &mut ControlledDiffusion, value: Expr, control: &[Expr]) -> Expr {
    let cost = controlled.cost_rate(control);
    let drift = controlled.steered(control);
    let generated = controlled.process.generator(&drift, value);
    controlled.process.graph.add(&[cost, generated])
}

/// `-R^-1 B' grad V`.
pub fn policy(controlled: &mut ControlledDiffusion, value: Expr) -> Vec<Expr> {
    let slope = controlled.process.gradient(value);
    controlled.best_response(&slope)
}

/// `q + L V - 1/2 grad V . B R^-1 B' grad V`.
pub fn minimum(controlled: &mut ControlledDiffusion, value: Expr) -> Expr {
    let slope = controlled.process.gradient(value);
    let authority = controlled.authority();
    let drift = controlled.process.drift.clone();
    let generated = controlled.process.generator(&drift, value);
    let graph = &mut controlled.process.graph;
    let pulled: Vec<Expr> = authority
        .iter()
        .map(|row| dot(graph, row, &slope))
        .collect();
    let square = dot(graph, &slope, &pulled);
    let half = graph.rational(-1, 2);
    let saved = graph.mul(&[half, square]);
    graph.add(&[controlled.running, generated, saved])
}

/// `V_t - rho V` plus the minimum.
pub fn residual(controlled: &mut ControlledDiffusion, value: Expr) -> Expr {
    let least = minimum(controlled, value);
    let graph = &mut controlled.process.graph;
    let rate = graph.derivative(value, controlled.process.time);
    let later = graph.mul(&[controlled.discount, value]);
    let later = graph.neg(later);
    graph.add(&[rate, later, least])
}

/// The equation with the minimum taken.
pub fn equation(controlled: &mut ControlledDiffusion) -> Equation {
    let value = controlled.process.field("V");
    let residual = residual(controlled, value);
    let horizon = controlled.process.constant("T");
    let end = controlled.process.at_time("V", horizon);
    Equation {
        id: "hamilton-jacobi-bellman",
        unknown: value,
        residual,
        closes_with: vec![controlled.process.graph.sub(end, controlled.terminal)],
        assumes: vec![Assumption::SmoothValue],
        source: SOURCE,
    }
}

/// For every control the bracket is `minimum` plus `1/2 (u - u*)' R (u - u*)`.
///
/// # Errors
/// [`Refuted`] if it is not.
pub fn execute(
    controlled: &mut ControlledDiffusion,
    value: Expr,
    minimiser: &[Expr],
    minimum: Expr,
) -> Result<Evidence, Refuted> {
    let control = controlled.process.constants("u*", controlled.control.len());
    let left = bracket(controlled, value, &control);
    let missed: Vec<Expr> = control
        .iter()
        .zip(minimiser)
        .map(|(u, v)| controlled.process.graph.sub(*u, *v))
        .collect();
    let waste = controlled.effort_rate(&missed);
    let graph = &mut controlled.process.graph;
    let right = graph.add(&[minimum, waste]);
    let claim = "the bracket is its minimum plus 1/2 (u - u*)'R(u - u*)";
    equal(graph, claim, left, right)
}

/// The derivative of the bracket in `u` vanishes at `minimiser`, and its second derivative is `R`.
///
/// # Errors
/// [`Refuted`] if the bracket is not stationary there.
pub fn execute_stationarity(
    controlled: &mut ControlledDiffusion,
    value: Expr,
    minimiser: &[Expr],
) -> Result<Evidence, Refuted> {
    let control = controlled.control.clone();
    let bracket = bracket(controlled, value, &control);
    let effort = controlled.effort.clone();
    let graph = &mut controlled.process.graph;
    let zero = graph.zero();
    let at: Vec<(Expr, Expr)> = control
        .iter()
        .copied()
        .zip(minimiser.iter().copied())
        .collect();
    let mut evidence = Evidence::Proved;
    for (u, row) in control.iter().zip(&effort) {
        let slope = graph.derivative(bracket, *u);
        let there = graph.substitute(slope, &at);
        evidence = evidence.and(equal(
            graph,
            "the bracket is stationary at u*",
            there,
            zero,
        )?);
        for (v, entry) in control.iter().zip(row) {
            let curvature = graph.derivative(slope, *v);
            let claim = "the curvature of the bracket is R";
            evidence = evidence.and(equal(graph, claim, curvature, *entry)?);
        }
    }
    Ok(evidence)
}

/// `V(X_t, t)` plus the cost so far drifts, under any control, at `1/2 (u - u*)'R(u - u*)` where `V`
/// solves `residual = 0`.
///
/// # Errors
/// [`Refuted`] if the gap has another rate.
pub fn execute_gap(
    controlled: &mut ControlledDiffusion,
    value: Expr,
    residual: Expr,
) -> Result<Evidence, Refuted> {
    let control = controlled.process.constants("u*", controlled.control.len());
    let best = policy(controlled, value);
    let gained = bracket(controlled, value, &control);
    let missed: Vec<Expr> = control
        .iter()
        .zip(&best)
        .map(|(u, v)| controlled.process.graph.sub(*u, *v))
        .collect();
    let waste = controlled.effort_rate(&missed);
    let graph = &mut controlled.process.graph;
    let rate = graph.derivative(value, controlled.process.time);
    let later = graph.mul(&[controlled.discount, value]);
    let later = graph.neg(later);
    let left = graph.add(&[rate, later, gained]);
    let right = graph.add(&[residual, waste]);
    let claim = "V plus the cost so far drifts at 1/2 (u - u*)'R(u - u*)";
    equal(graph, claim, left, right)
}

/// The control as one prints it: `u`.
pub fn control_name(controlled: &ControlledDiffusion) -> Formula {
    let first = controlled.process.graph.text(controlled.control[0]);
    let stem = match first.strip_suffix("[0]") {
        Some(stem) => stem.to_owned(),
        None if controlled.control.len() == 1 => first,
        None => "u".to_owned(),
    };
    let latex = crate::expr::latex_name(&stem);
    Formula::new(stem, latex)
}

/// `1/2 u'Ru`, in numbers where `R` is a multiple of the identity.
pub fn effort_written(controlled: &mut ControlledDiffusion) -> Formula {
    let name = control_name(controlled);
    let single = controlled.control.len() == 1;
    let square = if single {
        Formula::new(format!("{}^2", name.text), format!("{}^2", name.latex))
    } else {
        Formula::new(format!("|{}|^2", name.text), format!("|{}|^2", name.latex))
    };
    let graph = &mut controlled.process.graph;
    match as_multiple_of_identity(graph, &controlled.effort) {
        Some(price) if graph.is_one(price) => Formula::new(
            format!("{}/2", square.text),
            format!("\\frac{{1}}{{2}} {}", square.latex),
        ),
        Some(price) => {
            let half = graph.rational(1, 2);
            let price = graph.mul(&[half, price]);
            notation::combination(graph, &[(price, square)])
        }
        None => Formula::new(
            format!("1/2 {0}'R {0}", name.text),
            format!("\\frac{{1}}{{2}} {0}^\\top R {0}", name.latex),
        ),
    }
}

/// `(B u) . grad V`.
fn push_written(controlled: &mut ControlledDiffusion) -> Formula {
    let name = control_name(controlled);
    let d = controlled.dimension();
    let scalar = as_multiple_of_identity(&controlled.process.graph, &controlled.channel);
    if let (true, Some(gain)) = (d > 1, scalar) {
        let inner = Formula::new(
            format!("{}.grad V", name.text),
            format!("{} \\cdot \\nabla V", name.latex),
        );
        return notation::combination(&mut controlled.process.graph, &[(gain, inner)]);
    }
    let control = controlled.control.clone();
    let push = controlled.push(&control);
    notation::along(&mut controlled.process, &push, "V").unwrap_or_else(|| {
        Formula::new(
            format!("(B {}).grad V", name.text),
            format!("(B {}) \\cdot \\nabla V", name.latex),
        )
    })
}

/// `-V_t`, or `rho V - V_t`.
fn left_side(controlled: &mut ControlledDiffusion) -> Formula {
    let graph = &mut controlled.process.graph;
    if graph.is_zero(controlled.discount) {
        return Formula::new("-V_t", "-V_t");
    }
    let one = graph.integer(-1);
    let parts = [
        (controlled.discount, Formula::new("V", "V")),
        (one, Formula::new("V_t", "V_t")),
    ];
    notation::combination(graph, &parts)
}

/// ` + q` in numbers; nothing if it vanishes.
fn running_written(controlled: &mut ControlledDiffusion) -> Formula {
    if controlled.process.graph.is_zero(controlled.running) {
        return Formula::new("", "");
    }
    let value = notation::of_state(&mut controlled.process, controlled.running);
    notation::appended(&value)
}

/// ` - 1/2 grad V . B R^-1 B' grad V`, with its signs.
fn saved_written(controlled: &mut ControlledDiffusion) -> Formula {
    let authority = controlled.authority();
    let d = controlled.dimension();
    let process = &mut controlled.process;
    let half = process.graph.rational(-1, 2);
    if let Some(common) = as_multiple_of_identity(&process.graph, &authority) {
        let square = if d == 1 {
            let slope = notation::partial(process, "V", &[0]);
            Formula::new(format!("{}^2", slope.text), format!("{}^2", slope.latex))
        } else {
            Formula::new("|grad V|^2", "|\\nabla V|^2")
        };
        let weight = process.graph.mul(&[half, common]);
        let value = notation::combination(&mut process.graph, &[(weight, square)]);
        return notation::appended(&value);
    }
    if d > 3 {
        return Formula::new(
            " - 1/2 grad V.B R^-1 B' grad V",
            " - \\frac{1}{2} \\nabla V \\cdot B R^{-1} B^\\top \\nabla V",
        );
    }
    let one = process.graph.integer(-1);
    let mut parts = Vec::new();
    for (i, row) in authority.iter().enumerate() {
        for (j, entry) in row.iter().enumerate().skip(i) {
            let (a, b) = (
                notation::partial(process, "V", &[i]),
                notation::partial(process, "V", &[j]),
            );
            let symbol = if i == j {
                Formula::new(format!("{}^2", a.text), format!("{}^2", a.latex))
            } else {
                Formula::new(
                    format!("{} {}", a.text, b.text),
                    format!("{} {}", a.latex, b.latex),
                )
            };
            let weight = if i == j { half } else { one };
            parts.push((process.graph.mul(&[weight, *entry]), symbol));
        }
    }
    let value = notation::combination(&mut process.graph, &parts);
    notation::appended(&value)
}

/// The dynamic programming equation with its minimum open.
///
/// # Errors
/// [`Refuted`] if the square does not complete.
pub fn step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
) -> Result<Step, Refuted> {
    let value = exact.process.field("V");
    let (minimiser, least) = (policy(exact, value), minimum(exact, value));
    let evidence = execute(exact, value, &minimiser, least)?;
    let (left, effort, push) = (left_side(shown), effort_written(shown), push_written(shown));
    let running = running_written(shown);
    let terminal = notation::of_state(&mut shown.process, shown.terminal);
    let end = notation::time_of_end(&mut shown.process, shown.horizon.1);
    let name = control_name(shown);
    let mut step = Step::new(
        "Hamilton-Jacobi-Bellman",
        "dynamic-programming",
        SOURCE,
        "for every u the bracket exceeds its minimum by 1/2 (u - u*)'R(u - u*)",
        evidence,
    )
    .assuming(&[Assumption::SmoothValue])
    .line(
        format!(
            "{} = min_{} {{ {} + {} }} + L V{},   V(x,{}) = {}",
            left.text, name.text, effort.text, push.text, running.text, end.text, terminal.text
        ),
        format!(
            "{} = \\min_{{{}}} \\left\\{{ {} + {} \\right\\}} + L V{}, \\qquad V(x,{}) = {}",
            left.latex,
            name.latex,
            effort.latex,
            push.latex,
            running.latex,
            end.latex,
            terminal.latex
        ),
    );
    if effort.text.contains("'R") {
        let matrix = shown.effort.clone();
        let name = Formula::new("R", "R");
        step.statement
            .push(notation::matrix(&mut shown.process, &name, &matrix));
    }
    Ok(step)
}

/// The minimiser.
///
/// # Errors
/// [`Refuted`] if it is not stationary.
pub fn policy_step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
) -> Result<Step, Refuted> {
    let value = exact.process.field("V");
    let minimiser = policy(exact, value);
    let evidence = execute_stationarity(exact, value, &minimiser)?;
    let name = control_name(shown);
    let star = Formula::new(format!("{}*", name.text), format!("{}^*", name.latex));
    let step = Step::new(
        "minimiser",
        "stationary-in-u; R > 0, so unique",
        SOURCE,
        "the u-derivative of the bracket vanishes at u*, its second derivative is R",
        evidence,
    )
    .assuming(&[Assumption::SmoothValue]);
    Ok(step.lines([policy_written(shown, &star)]))
}

/// `u* = -R^-1 B' grad V`, in numbers where that is short.
fn policy_written(shown: &mut ControlledDiffusion, star: &Formula) -> Formula {
    let d = shown.dimension();
    let m = shown.control.len();
    let columns = transpose(&shown.channel);
    let gains = crate::derivation::ground::matrix::product(
        &mut shown.process.graph,
        &shown.inverse_effort,
        &columns,
    );
    let minus = shown.process.graph.integer(-1);
    if let (true, Some(gain)) = (d > 1, as_multiple_of_identity(&shown.process.graph, &gains)) {
        let gain = shown.process.graph.mul(&[minus, gain]);
        let slope = Formula::new("grad V", "\\nabla V");
        let value = notation::combination(&mut shown.process.graph, &[(gain, slope)]);
        return notation::equality(star, &value);
    }
    if d > 3 || m > 3 {
        return Formula::new(
            format!("{} = -R^-1 B' grad V", star.text),
            format!("{} = -R^{{-1}} B^\\top \\nabla V", star.latex),
        );
    }
    let mut parts = Vec::new();
    for row in &gains {
        let negative: Vec<Expr> = row
            .iter()
            .map(|g| shown.process.graph.mul(&[minus, *g]))
            .collect();
        parts.extend(notation::along(&mut shown.process, &negative, "V"));
    }
    notation::equality(star, &notation::tuple(&parts))
}

/// The equation with the minimiser put back.
///
/// # Errors
/// [`Refuted`] if the minimum is another one.
pub fn elimination_step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
) -> Result<Step, Refuted> {
    let equation = equation(exact);
    let value = equation.unknown;
    let minimiser = policy(exact, value);
    // The bracket at u*, evaluated rather than completed to a square.
    let there = bracket(exact, value, &minimiser);
    let graph = &mut exact.process.graph;
    let rate = graph.derivative(value, exact.process.time);
    let later = graph.mul(&[exact.discount, value]);
    let later = graph.neg(later);
    let right = graph.add(&[rate, later, there]);
    let claim = "the bracket at u* is the right side";
    let evidence = equal(graph, claim, equation.residual, right)?;
    let (left, saved) = (left_side(shown), saved_written(shown));
    let running = running_written(shown);
    Ok(Step::new(
        "substitute the minimiser",
        "eliminate-u",
        SOURCE,
        "the bracket evaluated at u*",
        evidence,
    )
    .line(
        format!("{} = L V{}{}", left.text, running.text, saved.text),
        format!("{} = L V{}{}", left.latex, running.latex, saved.latex),
    )
    .about(equation))
}

/// What any other control costs.
///
/// # Errors
/// [`Refuted`] if Itô's rule gives another gap.
pub fn gap_step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
) -> Result<Step, Refuted> {
    let value = exact.process.field("V");
    let residual = residual(exact, value);
    let evidence = execute_gap(exact, value, residual)?;
    let name = control_name(shown);
    let single = shown.control.len() == 1;
    let graph = &mut shown.process.graph;
    let square = |u: &str, minus: &str| match (single, minus) {
        (true, _) => format!("({u} - {u}{minus})^2"),
        (false, _) => format!("|{u} - {u}{minus}|^2"),
    };
    let (u, up) = (&name.text, &name.latex);
    let mean = match as_multiple_of_identity(graph, &shown.effort) {
        Some(price) if graph.as_number(price).is_some() => {
            let half = graph.rational(1, 2);
            let price = graph.mul(&[half, price]);
            let inside = Formula::new(
                format!("E_{u} int {} dt", square(u, "*")),
                format!("\\mathbb{{E}}_{{{up}}} \\int {} \\, dt", square(up, "^*")),
            );
            notation::combination(graph, &[(price, inside)])
        }
        _ => Formula::new(
            format!("1/2 E_{u} int ({u} - {u}*)'R({u} - {u}*) dt"),
            format!(
                "\\frac{{1}}{{2}} \\mathbb{{E}}_{{{up}}} \\int ({up} - {up}^*)^\\top R ({up} - {up}^*) \\, dt"
            ),
        ),
    };
    let (text, latex) = (mean.text, mean.latex);
    Ok(Step::new(
        "cost gap of any control",
        "verification",
        SOURCE,
        "Ito's rule for V(X,t) plus the cost so far",
        evidence,
    )
    .line(
        format!("J[{}] - V = {text} >= 0   (from a fixed start)", name.text),
        format!("J[{}] - V = {latex} \\ge 0", name.latex),
    )
    .assuming(&[Assumption::SmoothValue, Assumption::Novikov]))
}
