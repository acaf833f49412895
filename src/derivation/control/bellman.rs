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
//! Fleming & Soner, *Controlled Markov Processes and Viscosity Solutions* (2006), chapters III and IV.
//!
//! # Executed by
//! Completing the square: for every control the bracket exceeds its minimum by
//! `1/2 (u - u*)' R (u - u*)`; stationarity and curvature in `u`; Itô's rule for `V` plus the cost so far.

use crate::derivation::control::in_matrices::{self, is_large};
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::matrix::{self, as_multiple_of_identity};
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::expr::Expr;
use crate::expr::arithmetic::{Arithmetic, dot};

const SOURCE: &str = "Fleming & Soner (2006), chapters III and IV";

/// `q + 1/2 u'Ru + (b + B u) . grad V + 1/2 D : grad grad V`.
pub fn bracket(controlled: &mut ControlledDiffusion, value: Expr, control: &[Expr]) -> Expr {
    let cost = controlled.cost_rate(control);
    let drift = controlled.steered(control);
    let generated = controlled.process.generator(&drift, value);
    controlled.process.of(cost + generated)
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
    let generated = controlled.process.generated(value);
    let graph = &mut controlled.process.graph;
    let pulled = matrix::apply(graph, &authority, &slope);
    graph.of(controlled.running + generated - dot(&slope, &pulled) / 2)
}

/// `V_t - rho V`, without the first where the horizon has no end.
pub(crate) fn passing(controlled: &ControlledDiffusion, value: Expr) -> Arithmetic {
    if controlled.is_endless() {
        return -(controlled.discount * value);
    }
    controlled.process.rate(value) - controlled.discount * value
}

/// `V_t - rho V` plus the minimum: zero, or the least average cost `c` where that is asked for.
pub fn residual(controlled: &mut ControlledDiffusion, value: Expr) -> Expr {
    let least = minimum(controlled, value);
    let passing = passing(controlled, value);
    controlled.process.of(passing + least)
}

/// The equation with the minimum taken.
pub fn equation(controlled: &mut ControlledDiffusion) -> Equation {
    let value = controlled.process.field("V");
    let residual = residual(controlled, value);
    let name = "hamilton-jacobi-bellman";
    let smooth = &[Assumption::SmoothValue];
    if controlled.is_endless() {
        let average = average_cost(controlled);
        let residual = controlled.process.of(residual - average);
        return Equation::new(name, value, residual, SOURCE).assuming(smooth);
    }
    let horizon = controlled.process.constant("T");
    let end = controlled.process.at_time("V", horizon);
    let closing = controlled.process.of(end - controlled.terminal);
    Equation::new(name, value, residual, SOURCE)
        .closing(closing)
        .assuming(smooth)
}

/// `c`, zero where that is not asked for.
pub(crate) fn average_cost(controlled: &mut ControlledDiffusion) -> Expr {
    if controlled.averages() {
        controlled.process.constant("c")
    } else {
        controlled.process.graph.zero()
    }
}

/// `1/2 (u - u*)' R (u - u*)`.
fn waste(controlled: &mut ControlledDiffusion, control: &[Expr], best: &[Expr]) -> Expr {
    let missed = controlled
        .process
        .graph
        .pairwise(control, best, |u, v| u - v);
    controlled.effort_rate(&missed)
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
    let waste = waste(controlled, &control, minimiser);
    let claim = "the bracket is its minimum plus 1/2 (u - u*)'R(u - u*)";
    controlled.process.equal(claim, left, minimum + waste)
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
    let graph = &mut controlled.process.graph;
    let at: Vec<_> = control
        .iter()
        .copied()
        .zip(minimiser.iter().copied())
        .collect();
    let mut evidence = Evidence::Proved;
    for (u, row) in control.iter().zip(&controlled.effort) {
        let slope = graph.derivative(bracket, *u);
        let there = graph.substitute(slope, &at);
        evidence = evidence.and(equal(graph, "the bracket is stationary at u*", there, 0)?);
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
    let waste = waste(controlled, &control, &best);
    let left = passing(controlled, value) + gained;
    let claim = "V plus the cost so far drifts at 1/2 (u - u*)'R(u - u*)";
    controlled.process.equal(claim, left, residual + waste)
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
fn effort_written(controlled: &mut ControlledDiffusion) -> Formula {
    let name = control_name(controlled);
    let square = match controlled.control.len() {
        1 => Formula::of("{}^2", &[&name]),
        _ => Formula::of("|{}|^2", &[&name]),
    };
    let graph = &mut controlled.process.graph;
    match as_multiple_of_identity(graph, &controlled.effort) {
        Some(price) => {
            let price = graph.of(price / 2);
            notation::multiple(graph, price, square)
        }
        None => Formula::of("1/2 {}'R {}", &[&name, &name]),
    }
}

/// `(B u) . grad V`.
fn push_written(controlled: &mut ControlledDiffusion) -> Formula {
    let name = control_name(controlled);
    let scalar = as_multiple_of_identity(&controlled.process.graph, &controlled.channel);
    if let (true, Some(gain)) = (controlled.dimension() > 1, scalar) {
        let inner = Formula::of("{}.grad V", &[&name]);
        return notation::multiple(&mut controlled.process.graph, gain, inner);
    }
    let control = controlled.control.clone();
    let push = controlled.push(&control);
    notation::along(&mut controlled.process, &push, "V")
        .unwrap_or_else(|| Formula::of("(B {}).grad V", &[&name]))
}

/// `-V_t`, or `rho V - V_t`; `c` or `rho V` where the horizon has no end.
fn left_side(controlled: &mut ControlledDiffusion) -> Formula {
    if controlled.averages() {
        return "c".into();
    }
    let rate = if controlled.is_endless() { 0 } else { -1 };
    let rate = controlled.process.graph.integer(rate);
    let parts = [(controlled.discount, "V".into()), (rate, "V_t".into())];
    notation::combination(&mut controlled.process.graph, &parts)
}

/// `,   V(x,T) = Phi`; nothing where the horizon has no end.
fn end_written(controlled: &mut ControlledDiffusion) -> Formula {
    if controlled.is_endless() {
        return "".into();
    }
    let terminal = notation::of_state(&mut controlled.process, controlled.terminal);
    let end = notation::time_of_end(&mut controlled.process, controlled.horizon.1);
    Formula::of(",   V(x,{}) = {}", &[&end, &terminal])
}

/// ` + q` in numbers; nothing if it vanishes.
fn running_written(controlled: &mut ControlledDiffusion) -> Formula {
    if controlled.process.graph.is_zero(controlled.running) {
        return "".into();
    }
    let value = notation::of_state(&mut controlled.process, controlled.running);
    notation::appended(&value)
}

/// ` - 1/2 grad V . B R^-1 B' grad V`, with its signs.
fn saved_written(controlled: &mut ControlledDiffusion) -> Formula {
    let authority = controlled.authority();
    let d = controlled.dimension();
    let process = &mut controlled.process;
    if let Some(common) = as_multiple_of_identity(&process.graph, &authority) {
        let square = match d {
            1 => Formula::of("{}^2", &[&notation::partial(process, "V", &[0])]),
            _ => "|grad V|^2".into(),
        };
        let weight = process.of(-common / 2);
        return notation::appended(&notation::multiple(&mut process.graph, weight, square));
    }
    if d > 3 {
        return Formula::of(" - {}", &[&"1/2 grad V.B R^-1 B' grad V".into()]);
    }
    let mut parts = Vec::new();
    for (i, row) in authority.iter().enumerate() {
        for (j, entry) in row.iter().enumerate().skip(i) {
            let [a, b] = [i, j].map(|i| notation::partial(process, "V", &[i]));
            parts.push(if i == j {
                (process.of(-*entry / 2), Formula::of("{}^2", &[&a]))
            } else {
                (process.of(-*entry), Formula::of("{} {}", &[&a, &b]))
            });
        }
    }
    notation::appended(&notation::combination(&mut process.graph, &parts))
}

/// The dynamic programming equation with its minimum open.
///
/// # Errors
/// [`Refuted`] if the square does not complete.
pub fn step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
) -> Result<Step, Refuted> {
    let evidence = if is_large(exact) {
        in_matrices::square()?
    } else {
        let value = exact.process.field("V");
        let (minimiser, least) = (policy(exact, value), minimum(exact, value));
        execute(exact, value, &minimiser, least)?
    };
    let (left, effort, push) = (left_side(shown), effort_written(shown), push_written(shown));
    let running = running_written(shown);
    let (name, end) = (control_name(shown), end_written(shown));
    let equation = Formula::of(
        "{} = min_{} { {} + {} } + L V{}{}",
        &[&left, &name, &effort, &push, &running, &end],
    );
    let executes = "for every u the bracket exceeds its minimum by 1/2 (u - u*)'R(u - u*)";
    let title = match (shown.is_endless(), shown.averages()) {
        (false, _) => "Hamilton-Jacobi-Bellman",
        (true, false) => "Hamilton-Jacobi-Bellman, stationary",
        (true, true) => "Hamilton-Jacobi-Bellman, stationary, c the least average cost",
    };
    let step = Step::new(title, "dynamic-programming", SOURCE)
        .executed(executes, evidence)
        .assuming(&[Assumption::SmoothValue])
        .line(equation);
    if effort.text.contains("'R") {
        return Ok(step.line(notation::matrix(&mut shown.process, "R", &shown.effort)));
    }
    Ok(step)
}

/// Executes that the policy is stationary.
///
/// # Errors
/// [`Refuted`] if it is not.
pub(crate) fn evidence_of_policy(exact: &mut ControlledDiffusion) -> Result<Evidence, Refuted> {
    if is_large(exact) {
        return in_matrices::stationary();
    }
    let value = exact.process.field("V");
    let minimiser = policy(exact, value);
    execute_stationarity(exact, value, &minimiser)
}

/// The minimiser.
///
/// # Errors
/// [`Refuted`] if it is not stationary.
pub fn policy_step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
) -> Result<Step, Refuted> {
    let evidence = evidence_of_policy(exact)?;
    let executes = "the u-derivative of the bracket vanishes at u*, its second derivative is R";
    Ok(
        Step::new("minimiser", "stationary-in-u; R > 0, so unique", SOURCE)
            .executed(executes, evidence)
            .assuming(&[Assumption::SmoothValue])
            .line(policy_written(shown)),
    )
}

/// `u* = -R^-1 B' grad V`, in numbers where that is short.
fn policy_written(shown: &mut ControlledDiffusion) -> Formula {
    let star = Formula::of("{}*", &[&control_name(shown)]);
    let (d, m) = (shown.dimension(), shown.control.len());
    let columns = matrix::transpose(&shown.channel);
    let graph = &mut shown.process.graph;
    let gains = matrix::product(graph, &shown.inverse_effort, &columns);
    if let (true, Some(gain)) = (d > 1, as_multiple_of_identity(graph, &gains)) {
        let gain = graph.of(-gain);
        return notation::equality(star, &notation::multiple(graph, gain, "grad V"));
    }
    if d > 3 || m > 3 {
        return Formula::of("{} = -R^-1 B' grad V", &[&star]);
    }
    let mut parts = Vec::new();
    for row in &gains {
        let negative = shown.process.graph.each(row.iter().map(|g| -*g));
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
    let (left, saved) = (left_side(shown), saved_written(shown));
    let running = running_written(shown);
    let step = Step::new("substitute the minimiser", "eliminate-u", SOURCE)
        .line(Formula::of("{} = L V{}{}", &[&left, &running, &saved]));
    let executes = "the bracket evaluated at u*";
    if is_large(exact) {
        let evidence = in_matrices::eliminated()?;
        let step = step.executed(executes, evidence);
        return Ok(step.assuming(&[Assumption::SmoothValue]));
    }
    let equation = equation(exact);
    let value = equation.unknown;
    let minimiser = policy(exact, value);
    // The bracket at u*, evaluated rather than completed to a square.
    let there = bracket(exact, value, &minimiser);
    let average = average_cost(exact);
    let right = passing(exact, value) + there - average;
    let claim = "the bracket at u* is the right side";
    let evidence = exact.process.equal(claim, equation.residual, right)?;
    Ok(step.executed(executes, evidence).about(equation))
}

/// What any other control costs.
///
/// # Errors
/// [`Refuted`] if Itô's rule gives another gap.
pub fn gap_step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
) -> Result<Step, Refuted> {
    let evidence = if is_large(exact) {
        in_matrices::square()?
    } else {
        let value = exact.process.field("V");
        let residual = residual(exact, value);
        execute_gap(exact, value, residual)?
    };
    let u = control_name(shown);
    let graph = &mut shown.process.graph;
    let mean = match as_multiple_of_identity(graph, &shown.effort) {
        Some(price) if graph.as_number(price).is_some() => {
            let price = graph.of(price / 2);
            let inside = match shown.control.len() {
                1 => "E_{} int ({} - {}*)^2 dt",
                _ => "E_{} int |{} - {}*|^2 dt",
            };
            notation::multiple(graph, price, Formula::of(inside, &[&u, &u, &u]))
        }
        _ => Formula::of("1/2 E_{} int ({} - {}*)'R({} - {}*) dt", &[&u; 5]),
    };
    let gap = if shown.averages() {
        "J[{}] - c = {} / T >= 0   `(J the cost per time, T -> inf)`"
    } else {
        "J[{}] - V = {} >= 0   `(from a fixed start)`"
    };
    let gap = Formula::of(gap, &[&u, &mean]);
    Ok(Step::new("cost gap of any control", "verification", SOURCE)
        .executed("Ito's rule for V(X,t) plus the cost so far", evidence)
        .line(gap)
        .assuming(&[Assumption::SmoothValue, Assumption::Novikov]))
}
