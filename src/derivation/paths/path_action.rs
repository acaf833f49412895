//! The action of a path: Freidlin–Wentzell, Onsager–Machlup, Hamilton's equations.
//!
//! For `dX = f dt + sqrt(eps) dW` with `D = eps a` a path has the weight `exp(-S/eps)`,
//!
//! ```text
//! S = int L dt,      L = 1/2 (x' - f) . a^-1 (x' - f) + kappa eps/2 div f
//! ```
//!
//! with `kappa = 0` (Freidlin–Wentzell, the limit of small noise) or 1 (Onsager–Machlup, the ratio of
//! probabilities of thin tubes, additive noise). The term is the Jacobian of the midpoint rule: read at
//! `x + alpha dx`, one step has drift `A = f - alpha div D` and the extra rate
//! `B = alpha div f - 1/2 alpha^2 div div D`.
//!
//! ```text
//! H = p . f + 1/2 p . a p - kappa eps/2 div f,      x' = f + a p,      p' = -J'p - 1/2 p . (grad a) p + kappa eps/2 grad div f
//! ```
//!
//! # Source
//! Onsager & Machlup (1953); Freidlin & Wentzell, *Random Perturbations of Dynamical Systems* (1984),
//! chapters 3 and 4; Dürr & Bach (1978); Lau & Lubensky (2007).
//!
//! # Executed by
//! The generator of the weight of one step; the Legendre transform; Hamilton's equations from the first
//! variation of the action at unknown paths; linearisation for the fluctuations.

use crate::derivation::control::classical_limit::{
    Canonical, Motion, canonical, momentum, velocity,
};
use crate::derivation::ground::as_typed;
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal};
use crate::derivation::ground::matrix::{self, Matrix, as_multiple_of_identity};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::derivation::paths::action::{execute_path_weight, path_weight};
use crate::expr::arithmetic::{dot, partial, power, sqrt, sum};
use crate::expr::{Expr, Graph};

const SOURCE: &str =
    "Onsager & Machlup (1953); Freidlin & Wentzell (1984), chapters 3 and 4; Durr & Bach (1978)";

/// Which functional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Functional {
    FreidlinWentzell,
    OnsagerMachlup,
}

/// The noise as `D = strength metric`.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// `eps`.
    pub strength: Expr,
    /// `a`.
    pub matrix: Matrix,
}

impl Metric {
    /// Whether `a` is the identity.
    fn is_plain(&self, graph: &Graph) -> bool {
        as_multiple_of_identity(graph, &self.matrix).is_some_and(|c| graph.is_one(c))
    }
}

/// `eps I` is taken out where the noise is a constant times the identity; else `eps = 1`, `a = D`.
pub fn metric(noising: &mut Noising) -> Metric {
    let moving = noising.coordinates();
    let graph = &mut noising.graph;
    match as_multiple_of_identity(graph, &noising.diffusivity) {
        Some(common) if !graph.depends_on_any(common, &moving) && !graph.is_zero(common) => {
            Metric {
                strength: common,
                matrix: matrix::identity(graph, noising.diffusivity.len()),
            }
        }
        _ => Metric {
            strength: graph.one(),
            matrix: noising.diffusivity.clone(),
        },
    }
}

/// `-kappa eps/2 div f`, as a potential energy with the sign it has in `L`: `+`.
fn jacobian_rate(noising: &mut Noising, metric: &Metric, functional: Functional) -> Expr {
    match functional {
        Functional::FreidlinWentzell => noising.graph.zero(),
        Functional::OnsagerMachlup => noising.of(metric.strength * noising.drift_divergence / 2),
    }
}

/// `H(x, p)`.
pub fn hamiltonian(
    noising: &mut Noising,
    metric: &Metric,
    functional: Functional,
    momentum: &[Expr],
) -> Expr {
    let potential = jacobian_rate(noising, metric, functional);
    let along = noising.dot(momentum, &noising.drift.clone());
    let pulled = matrix::apply(&mut noising.graph, &metric.matrix, momentum);
    noising.of(along + dot(momentum, &pulled) / 2 - potential)
}

/// `p . v - L = H` at `v = f + a p`, with `L` in terms of the velocity.
///
/// # Errors
/// [`Refuted`] if Lagrangian and Hamiltonian do not belong together.
pub fn execute_legendre(
    noising: &mut Noising,
    metric: &Metric,
    functional: Functional,
    hamiltonian: Expr,
    momentum: &[Expr],
) -> Result<Option<Evidence>, Refuted> {
    let Some(inverse) = matrix::inverse(&mut noising.graph, &metric.matrix) else {
        return Ok(None);
    };
    let potential = jacobian_rate(noising, metric, functional);
    let graph = &mut noising.graph;
    let push = matrix::apply(graph, &metric.matrix, momentum);
    let speed = graph.pairwise(&noising.drift, &push, |f, p| f + p);
    let missed = graph.pairwise(&speed, &noising.drift, |v, f| v - f);
    let pulled = matrix::apply(graph, &inverse, &missed);
    let lagrangian = dot(&missed, &pulled) / 2 + potential;
    let claim = "the Legendre transform of the Lagrangian";
    let left = dot(momentum, &speed) - lagrangian;
    noising.equal(claim, left, hamiltonian).map(Some)
}

/// `p . (f + G w) - 1/2 |w|^2 = H - 1/2 |w - G'p|^2` for every `w`: the Legendre transform where velocities are bound to the
/// range of `G`.
///
/// # Errors
/// [`Refuted`] if the noise and the Hamiltonian do not belong together.
pub fn execute_bound_legendre(
    noising: &mut Noising,
    functional: Functional,
    hamiltonian: Expr,
    momentum: &[Expr],
) -> Result<Evidence, Refuted> {
    let metric = metric(noising);
    let potential = jacobian_rate(noising, &metric, functional);
    let push = noising.constants("w", noising.noises());
    let along = noising.dot(momentum, &noising.drift.clone());
    let pulled = noising.through_noise(momentum);
    let gained = noising.dot(&pulled, &push);
    let effort = noising.half_square(&push);
    let missed = noising.graph.pairwise(&push, &pulled, |w, p| w - p);
    let waste = noising.half_square(&missed);
    let claim = "the Legendre transform of 1/2 |w|^2 along x' = f + G w";
    noising.equal(
        claim,
        along + gained - effort - potential,
        hamiltonian - waste,
    )
}

/// The step about the weight of a path, its readings and the Lagrangian.
///
/// # Errors
/// [`Refuted`] if the weight of one step generates another process.
pub fn lagrangian_step(
    exact: &mut Noising,
    shown: &mut Noising,
    functional: Functional,
) -> Result<Step, Refuted> {
    let evidence = execute_weight(exact)?;
    let executes = "the first moments of one step generate the process for every alpha";
    let step = Step::new("weight of a path", "path-weight", SOURCE)
        .executed(executes, evidence)
        .assuming(&[Assumption::SmoothCoefficients])
        .line(notation::vector(shown, "f", &shown.drift.clone()));
    if !as_typed::is_invertible(exact) {
        return Ok(bound_lagrangian(step, shown));
    }
    let step = step.assuming(&[Assumption::InvertibleNoise]);
    let additive = !exact.is_multiplicative();
    Ok(lagrangians(step, shown, functional, additive)
        .line("one step read at x + alpha dx:  exp(-(dx - A dt).D^-1 (dx - A dt)/(2 dt) - B dt)")
        .lines(
            [
                "  alpha = 0 (Ito): A = f, B = 0",
                "  1/2 (midpoint): A = f - 1/2 div D, B = 1/2 div f - 1/8 div div D",
                "  1 (anti-Ito): A = f - div D, B = div f - 1/2 div div D",
            ]
            .map(Formula::from),
        ))
}

/// The weight of a path where `D` has no inverse.
fn bound_lagrangian(step: Step, shown: &mut Noising) -> Step {
    let noise = notation::matrix(shown, "D", &shown.diffusivity.clone());
    step.line(noise)
        .line("D has no inverse: a path of finite action moves as x' = f + G w")
        .line("P[x] ~ exp(-S),   S = int L dt")
        .line("Freidlin-Wentzell:  L = min { 1/2 |w|^2 : x' = f + G w }")
}

/// The weight of one step at every `alpha`, and its Jacobian at the midpoint.
fn execute_weight(exact: &mut Noising) -> Result<Evidence, Refuted> {
    let alpha = exact.constant("alpha");
    let weight = path_weight(exact, alpha);
    let evidence = execute_path_weight(exact, alpha, &weight)?;
    if exact.is_multiplicative() {
        return Ok(evidence);
    }
    let one_half = exact.graph.rational(1, 2);
    let middle = path_weight(exact, one_half);
    let claim = "the midpoint Jacobian is 1/2 div f";
    let expected = one_half * exact.drift_divergence;
    Ok(evidence.and(exact.equal(claim, middle.jacobian, expected)?))
}

/// The weight of a path and the Lagrangians of both functionals; for additive noise also the second.
fn lagrangians(step: Step, shown: &mut Noising, functional: Functional, additive: bool) -> Step {
    let metric = metric(shown);
    let jacobian = jacobian_rate(shown, &metric, Functional::OnsagerMachlup);
    let jacobian = notation::expression(&mut shown.graph, jacobian);
    let jacobian = notation::appended(&jacobian);
    let (square, step) = if metric.is_plain(&shown.graph) {
        let square = match shown.dimension() {
            1 => "1/2 (x' - f)^2",
            _ => "1/2 |x' - f|^2",
        };
        let eps = notation::expression(&mut shown.graph, metric.strength);
        let weight = "P[x] ~ exp(-S/eps),   S = int L dt,   D = eps I,   eps = {}";
        (square, step.line(Formula::of(weight, &[&eps])))
    } else {
        let square = match shown.dimension() {
            1 => "(x' - f)^2/(2 D)",
            _ => "1/2 (x' - f).D^-1 (x' - f)",
        };
        let noise = notation::matrix(shown, "D", &shown.diffusivity.clone());
        let step = step.line(noise).line("P[x] ~ exp(-S),   S = int L dt");
        (square, step)
    };
    let mark = |which| {
        if which == functional {
            "   (asked for)"
        } else {
            ""
        }
    };
    let plain = mark(Functional::FreidlinWentzell);
    let step = step.line(format!("Freidlin-Wentzell:  L = {square}{plain}"));
    if !additive {
        return step;
    }
    let machlup = mark(Functional::OnsagerMachlup);
    let template = format!("Onsager-Machlup:    L = {square}{{}}{machlup}");
    step.line(Formula::of(&template, &[&jacobian]))
}

/// The step about Hamilton's equations and, for a constant metric, the Euler–Lagrange equation.
///
/// # Errors
/// [`Refuted`] if they are not stationary for the action.
pub fn hamilton_step(
    exact: &mut Noising,
    shown: &mut Noising,
    functional: Functional,
    free_duration: bool,
) -> Result<Step, Refuted> {
    let scales = metric(exact);
    let (p, h, _) = canonical_of(exact, &scales, functional);
    let mut evidence = match execute_legendre(exact, &scales, functional, h, &p)? {
        Some(evidence) => evidence,
        None => execute_bound_legendre(exact, functional, h, &p)?,
    };
    let executed = accelerated(exact, functional, |graph, motion, a| {
        motion.execute(graph, &a)
    });
    let mut euler = None;
    if let Some(found) = executed {
        evidence = evidence.and(found?);
        euler = accelerated(shown, functional, |_, _, a| a);
    }
    let scales = metric(shown);
    let (_, h, system) = canonical_of(shown, &scales, functional);
    let short = shown.dimension() <= 3;
    let executes = match euler {
        Some(_) => "the Legendre transform; the first variation of the action at unknown paths",
        None => "the Legendre transform",
    };
    let mut step = Step::new("Hamilton's equations", "hamilton", SOURCE)
        .executed(executes, evidence)
        .assuming(&[Assumption::SmoothCoefficients]);
    step = if short {
        step.line(notation::scalar(shown, "H", h))
            .line(notation::vector(shown, "x'", &system.velocity))
            .line(notation::vector(shown, "p'", &system.force))
    } else {
        step.line("H = p.f + 1/2 p.D p,   x' = dH/dp,   p' = -dH/dx")
    };
    let autonomous = !exact
        .coefficients()
        .any(|e| exact.graph.depends_on(e, exact.time));
    if autonomous {
        step = step.line(if free_duration {
            "H = 0 along the path (t absent, duration free)"
        } else {
            "H is constant along the path (t absent)"
        });
    }
    Ok(match euler.filter(|_| short) {
        Some(a) => step.line(notation::vector(shown, "Euler-Lagrange:  x''", &a)),
        None => step,
    })
}

fn canonical_of(
    noising: &mut Noising,
    metric: &Metric,
    functional: Functional,
) -> (Vec<Expr>, Expr, Canonical) {
    let p = momentum(&mut noising.graph, &noising.state);
    let h = hamiltonian(noising, metric, functional, &p);
    let system = canonical(&mut noising.graph, &noising.state, &p, h);
    (p, h, system)
}

/// What follows from the acceleration of the stationary path, where there is a closed one.
fn accelerated<T>(
    noising: &mut Noising,
    functional: Functional,
    then: impl FnOnce(&mut Graph, &Motion<'_>, Vec<Expr>) -> T,
) -> Option<T> {
    let metric = metric(noising);
    let potential = jacobian_rate(noising, &metric, functional);
    let graph = &mut noising.graph;
    let motion = Motion {
        state: &noising.state,
        time: noising.time,
        drift: &noising.drift,
        authority: &metric.matrix,
        potential,
        velocity: &velocity(graph, &noising.state),
    };
    let acceleration = motion.acceleration(graph)?;
    Some(then(graph, &motion, acceleration))
}

/// `1/2 |l v - f|^2 / l = |v| |f| - v.f + 1/2 (sqrt(l) |v| - |f| / sqrt(l))^2` for every speed factor `l`:
/// the best time along a curve costs `|v| |f| - v . f`. Norms are those of `a^-1`, written by components
/// `w` and `g` in an orthonormal frame.
///
/// # Errors
/// [`Refuted`] if `least` is not that cost.
pub fn execute_geometric(
    noising: &mut Noising,
    least: impl Fn(&mut Noising, &[Expr], &[Expr]) -> Expr,
) -> Result<Evidence, Refuted> {
    let d = noising.dimension();
    let (tangent, force) = (noising.constants("w", d), noising.constants("g", d));
    // A positive factor as a square, so that its root is plain.
    let root = noising.constant("l");
    let cost = least(noising, &tangent, &force);
    let graph = &mut noising.graph;
    let factor = graph.of(power(root, 2));
    let missed = graph.pairwise(&tangent, &force, |w, g| factor * w - g);
    let left = dot(&missed, &missed) / 2 / factor;
    let [long, strong] = [&tangent, &force].map(|vector| sqrt(dot(vector, vector)));
    let gap = power(root * long - strong / root, 2);
    let claim = "the best speed along a curve costs |w| |g| - w.g";
    noising.equal(claim, left, cost + gap / 2)
}

/// `|w| |g| - w . g`.
pub fn geometric_rate(noising: &mut Noising, tangent: &[Expr], force: &[Expr]) -> Expr {
    let [long, strong] = [tangent, force].map(|vector| sqrt(dot(vector, vector)));
    noising.of(long * strong - dot(tangent, force))
}

/// The step about the geometric action, for free durations.
///
/// # Errors
/// [`Refuted`] if the best speed costs something else.
pub fn geometric_step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let evidence = execute_geometric(exact, geometric_rate)?;
    let source = "Heymann & Vanden-Eijnden (2008); Freidlin & Wentzell (1984), section 4.3";
    let step = Step::new("geometric action", "geometric", source)
        .executed("completing the square in the speed along a curve", evidence)
        .assuming(&[Assumption::InvertibleNoise]);
    Ok(if metric(shown).is_plain(&shown.graph) {
        step.line(
            "over all durations:  S = int ( |dx/ds| |f| - dx/ds.f ) ds,   for any parameter s",
        )
        .line("attained at speed |x'| = |f|")
    } else {
        step.line("over all durations:  S = int ( |dx/ds|_a |f|_a - dx/ds.D^-1 f ) ds,   |v|_a^2 = v.D^-1 v")
            .line("attained at speed |x'|_a = |f|_a")
    })
}

/// `1/2 |v - f|^2 = 1/2 |v - (grad U + l)|^2 + 2 v . grad U` for every velocity, where
/// `f = -grad U + l` and `l . grad U = 0`.
///
/// # Errors
/// [`Refuted`] if the potential does not belong to the drift.
pub fn execute_transverse(noising: &mut Noising, potential: Expr) -> Result<Evidence, Refuted> {
    let speed = noising.constants("v", noising.dimension());
    let slope = noising.gradient(potential);
    let graph = &mut noising.graph;
    let downhill = graph.pairwise(&speed, &noising.drift, |v, f| v - f);
    // grad U + l = f + 2 grad U.
    let uphill = graph.pairwise(&downhill, &slope, |v, s| v - 2 * s);
    let (left, rest) = (noising.half_square(&downhill), noising.half_square(&uphill));
    let gained = noising.dot(&speed, &slope);
    let claim = "the action is 2 (U(end) - U(start)) plus a square";
    noising.equal(claim, left, rest + 2 * gained)
}

/// The step about transverse drifts, for isotropic noise.
///
/// # Errors
/// [`Refuted`] if the decomposition fails.
pub fn transverse_step(
    exact: &mut Noising,
    shown: &mut Noising,
    name: &str,
    potential: Expr,
) -> Result<Step, Refuted> {
    let evidence = execute_transverse(exact, potential)?;
    let slope = shown.gradient(potential);
    let graph = &mut shown.graph;
    let across = graph.pairwise(&shown.drift, &slope, |f, s| f + s);
    let across: Vec<Expr> = across.iter().map(|l| notation::tidy(graph, *l)).collect();
    let u = Formula::new(name, crate::expr::latex_name(name));
    let action = "S = 2 ({}(end) - {}(start)) + 1/2 int |x' - grad {} - l|^2 dt";
    let cost =
        "uphill x' = grad {} + l costs 2 ({}(saddle) - {}(start)); downhill x' = f costs nothing";
    let source = "Freidlin & Wentzell (1984), section 4.3";
    let executes = "1/2 |v - f|^2 = 1/2 |v - grad U - l|^2 + 2 v.grad U for every velocity v";
    Ok(Step::new("transverse decomposition", "transverse", source)
        .executed(executes, evidence)
        .line(Formula::of("f = -grad {} + l,   l.grad {} = 0", &[&u, &u]))
        .line(notation::vector(shown, "l", &across))
        .line(Formula::of(action, &[&u; 3]))
        .line(Formula::of(cost, &[&u; 3])))
}

/// Jacobi fields: `M' = H_px M + H_pp P`, `P' = -H_xx M - H_xp P`, the linearisation of Hamilton's
/// equations.
///
/// # Errors
/// [`Refuted`] if `rates` (first of `M`, then of `P`) are not that linearisation.
pub fn execute_fluctuations(
    noising: &mut Noising,
    system: &Canonical,
    rates: &[Expr],
    (along, conjugate): (&[Expr], &[Expr]),
) -> Result<Evidence, Refuted> {
    let graph = &mut noising.graph;
    let size = graph.symbol("s*");
    let zero = graph.zero();
    let mut moved = Vec::new();
    let targets = noising.state.iter().chain(&system.momentum);
    for (x, v) in targets.zip(along.iter().chain(conjugate)) {
        moved.push((*x, graph.of(*x + size * *v)));
    }
    let mut linear = Vec::new();
    for e in system.velocity.iter().chain(&system.force) {
        let line = graph.substitute(*e, &moved);
        let slope = graph.derivative(line, size);
        linear.push(graph.substitute(slope, &[(size, zero)]));
    }
    let claim = "Jacobi fields are the linearised equations";
    all_equal(graph, claim, rates, &linear)
}

/// The step about fluctuations around the path (fixed duration).
///
/// # Errors
/// [`Refuted`] if the Jacobi equations are not the linearisation.
pub fn fluctuation_step(exact: &mut Noising) -> Result<Step, Refuted> {
    let scales = metric(exact);
    let (p, h, system) = canonical_of(exact, &scales, Functional::OnsagerMachlup);
    let d = exact.dimension();
    let (along, conjugate) = (exact.constants("M", d), exact.constants("P", d));
    let (graph, state) = (&mut exact.graph, &exact.state);
    let mut rates = Vec::new();
    // Second derivatives of H: rows H_p for M', then -H_x for P'.
    for (variables, sign) in [(&p, 1), (state, -1)] {
        for x in variables {
            let slope = graph.derivative(h, *x);
            let fields = state.iter().zip(&along).chain(p.iter().zip(&conjugate));
            let terms = fields.map(|(y, v)| partial(slope, *y) * *v);
            rates.push(graph.of(sign * sum(terms)));
        }
    }
    let evidence = execute_fluctuations(exact, &system, &rates, (&along, &conjugate))?;
    let source = "Van Vleck (1928); Gelfand & Yaglom (1960); Ludwig (1975)";
    Ok(Step::new("fluctuations around the path", "fluctuation", source)
        .executed("the linearisation of Hamilton's equations", evidence)
        .line("M' = H_px M + H_pp P,   P' = -H_xx M - H_xp P,   M(0) = 0, P(0) = I   (H of Onsager-Machlup)")
        .line("p(x_T,T|x_0) = (2 pi eps)^(-d/2) |det M(T)|^(-1/2) exp(-S/eps) (1 + O(eps))")
        .assuming(&[Assumption::NoCaustics]))
}
