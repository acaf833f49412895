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
    Canonical, acceleration, canonical, execute_euler_lagrange, momentum, velocity,
};
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal, equal};
use crate::derivation::ground::matrix::{self, Matrix, as_multiple_of_identity};
use crate::derivation::ground::noising::{Noising, dot};
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Formula, Step};
use crate::derivation::paths::action::{execute_path_weight, path_weight};
use crate::expr::Expr;

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

/// `eps I` is taken out where the noise is a constant times the identity; else `eps = 1`, `a = D`.
pub fn metric(noising: &mut Noising) -> Metric {
    let mut moving = noising.state.clone();
    moving.push(noising.time);
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
        Functional::OnsagerMachlup => {
            let half = noising.graph.rational(1, 2);
            noising
                .graph
                .mul(&[half, metric.strength, noising.drift_divergence])
        }
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
    let graph = &mut noising.graph;
    let pulled = matrix::apply(graph, &metric.matrix, momentum);
    let square = dot(graph, momentum, &pulled);
    let half = graph.rational(1, 2);
    let kinetic = graph.mul(&[half, square]);
    let potential = graph.neg(potential);
    graph.add(&[along, kinetic, potential])
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
    let speed: Vec<Expr> = noising
        .drift
        .iter()
        .zip(&push)
        .map(|(f, p)| graph.add(&[*f, *p]))
        .collect();
    let missed: Vec<Expr> = speed
        .iter()
        .zip(&noising.drift)
        .map(|(v, f)| graph.sub(*v, *f))
        .collect();
    let pulled = matrix::apply(graph, &inverse, &missed);
    let square = dot(graph, &missed, &pulled);
    let half = graph.rational(1, 2);
    let kinetic = graph.mul(&[half, square]);
    let lagrangian = graph.add(&[kinetic, potential]);
    let power = dot(graph, momentum, &speed);
    let left = graph.sub(power, lagrangian);
    let claim = "the Legendre transform of the Lagrangian";
    equal(graph, claim, left, hamiltonian).map(Some)
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
    let alpha = exact.constant("alpha");
    let weight = path_weight(exact, alpha);
    let mut evidence = execute_path_weight(exact, alpha, &weight)?;
    let one_half = exact.graph.rational(1, 2);
    let middle = path_weight(exact, one_half);
    if !exact.is_multiplicative() {
        let expected = exact.graph.mul(&[one_half, exact.drift_divergence]);
        let claim = "the midpoint Jacobian is 1/2 div f";
        evidence = evidence.and(equal(&mut exact.graph, claim, middle.jacobian, expected)?);
    }
    let metric = metric(shown);
    let (square, eps) = written_square(shown, &metric);
    let jacobian = jacobian_rate(shown, &metric, Functional::OnsagerMachlup);
    let jacobian = notation::expression(&mut shown.graph, jacobian);
    let jacobian = notation::appended(&jacobian);
    let mark = |which: Functional| {
        if which == functional {
            "   (asked for)"
        } else {
            ""
        }
    };
    let multiplicative = exact.is_multiplicative();
    let drift = shown.drift.clone();
    let mut step = Step::new(
        "weight of a path",
        "path-weight",
        SOURCE,
        "the first moments of one step generate the process for every alpha",
        evidence,
    )
    .assuming(&[Assumption::SmoothCoefficients, Assumption::InvertibleNoise])
    .lines([notation::vector(shown, &Formula::new("f", "f"), &drift)]);
    if eps.is_none() {
        let diffusivity = shown.diffusivity.clone();
        let line = notation::matrix(shown, &Formula::new("D", "D"), &diffusivity);
        step.statement.push(line);
    }
    let (scale, scale_latex) = match &eps {
        Some(eps) => (
            format!(
                "P[x] ~ exp(-S/eps),   S = int L dt,   D = eps I,   eps = {}",
                eps.text
            ),
            format!(
                "P[x] \\propto e^{{-S/\\varepsilon}}, \\qquad S = \\int L \\, dt, \\qquad D = \\varepsilon I, \\quad \\varepsilon = {}",
                eps.latex
            ),
        ),
        None => (
            "P[x] ~ exp(-S),   S = int L dt".to_owned(),
            "P[x] \\propto e^{-S}, \\qquad S = \\int L \\, dt".to_owned(),
        ),
    };
    step = step.line(scale, scale_latex).line(
        format!(
            "Freidlin-Wentzell:  L = {}{}",
            square.text,
            mark(Functional::FreidlinWentzell)
        ),
        format!("\\text{{Freidlin-Wentzell: }} L = {}", square.latex),
    );
    if !multiplicative {
        step = step.line(
            format!(
                "Onsager-Machlup:    L = {}{}{}",
                square.text,
                jacobian.text,
                mark(Functional::OnsagerMachlup)
            ),
            format!(
                "\\text{{Onsager-Machlup: }} L = {}{}",
                square.latex, jacobian.latex
            ),
        );
    }
    let readings = [
        (
            "alpha = 0 (Ito): A = f, B = 0",
            "\\alpha = 0: \\; A = f, \\; B = 0",
        ),
        (
            "1/2 (midpoint): A = f - 1/2 div D, B = 1/2 div f - 1/8 div div D",
            "\\tfrac{1}{2}: \\; A = f - \\tfrac{1}{2} \\nabla \\cdot D, \\; B = \\tfrac{1}{2} \\nabla \\cdot f - \\tfrac{1}{8} \\nabla\\nabla : D",
        ),
        (
            "1 (anti-Ito): A = f - div D, B = div f - 1/2 div div D",
            "1: \\; A = f - \\nabla \\cdot D, \\; B = \\nabla \\cdot f - \\tfrac{1}{2} \\nabla\\nabla : D",
        ),
    ];
    step = step.line(
        "one step read at x + alpha dx:  exp(-(dx - A dt).D^-1 (dx - A dt)/(2 dt) - B dt)",
        "e^{-\\frac{1}{2\\,dt} (dx - A\\,dt)^\\top D^{-1} (dx - A\\,dt) - B\\,dt}",
    );
    for (text, latex) in readings {
        step = step.line(format!("  {text}"), latex);
    }
    Ok(step)
}

/// `1/2 |x' - f|^2` and `eps`, or the form with `D^-1`.
fn written_square(shown: &mut Noising, metric: &Metric) -> (Formula, Option<Formula>) {
    let identity = as_multiple_of_identity(&shown.graph, &metric.matrix)
        .is_some_and(|c| shown.graph.is_one(c));
    if !identity {
        let form = if shown.dimension() == 1 {
            Formula::new("(x' - f)^2/(2 D)", "\\frac{(\\dot{x} - f)^2}{2 D}")
        } else {
            Formula::new(
                "1/2 (x' - f).D^-1 (x' - f)",
                "\\frac{1}{2} (\\dot{x} - f)^\\top D^{-1} (\\dot{x} - f)",
            )
        };
        return (form, None);
    }
    let eps = notation::expression(&mut shown.graph, metric.strength);
    let square = if shown.dimension() == 1 {
        Formula::new("1/2 (x' - f)^2", "\\frac{1}{2} (\\dot{x} - f)^2")
    } else {
        Formula::new("1/2 |x' - f|^2", "\\frac{1}{2} |\\dot{x} - f|^2")
    };
    (square, Some(eps))
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
    let mut evidence =
        execute_legendre(exact, &scales, functional, h, &p)?.unwrap_or(Evidence::Proved);
    let mut euler = None;
    if let Some((v, a)) = acceleration_of(exact, &scales, functional) {
        let potential = jacobian_rate(exact, &scales, functional);
        let (state, time, drift) = (exact.state.clone(), exact.time, exact.drift.clone());
        evidence = evidence.and(execute_euler_lagrange(
            &mut exact.graph,
            (&state, time),
            &drift,
            &scales.matrix,
            potential,
            (&v, &a),
        )?);
        let scales = metric(shown);
        euler = acceleration_of(shown, &scales, functional).map(|(_, a)| a);
    }
    let scales = metric(shown);
    let (_, h, system) = canonical_of(shown, &scales, functional);
    let mut step = Step::new(
        "Hamilton's equations",
        "hamilton",
        SOURCE,
        "the Legendre transform; the first variation of the action at unknown paths",
        evidence,
    );
    if shown.dimension() <= 3 {
        let h = notation::scalar(shown, &Formula::new("H", "H"), h);
        let x = notation::vector(shown, &Formula::new("x'", "\\dot{x}"), &system.velocity);
        let p = notation::vector(shown, &Formula::new("p'", "\\dot{p}"), &system.force);
        step = step.lines([h, x, p]);
    } else {
        step = step.line(
            "H = p.f + 1/2 p.D p,   x' = dH/dp,   p' = -dH/dx",
            "H = p \\cdot f + \\frac{1}{2} p^\\top D p, \\qquad \\dot{x} = \\partial_p H, \\qquad \\dot{p} = -\\partial_x H",
        );
    }
    let coefficients: Vec<Expr> = exact
        .drift
        .iter()
        .chain(exact.diffusion.iter().flatten())
        .copied()
        .collect();
    let autonomous = !coefficients
        .iter()
        .any(|e| exact.graph.depends_on(*e, exact.time));
    if autonomous {
        step = if free_duration {
            step.line(
                "H = 0 along the path (t absent, duration free)",
                "H = 0 \\text{ along the path}",
            )
        } else {
            step.line("H is constant along the path (t absent)", "\\dot{H} = 0")
        };
    }
    if let Some(a) = euler
        && shown.dimension() <= 3
    {
        let name = Formula::new("Euler-Lagrange:  x''", "\\ddot{x}");
        let line = notation::vector(shown, &name, &a);
        step.statement.push(line);
    }
    Ok(step.assuming(&[Assumption::SmoothCoefficients]))
}

fn canonical_of(
    noising: &mut Noising,
    metric: &Metric,
    functional: Functional,
) -> (Vec<Expr>, Expr, Canonical) {
    let p = momentum(&mut noising.graph, &noising.state);
    let h = hamiltonian(noising, metric, functional, &p);
    let state = noising.state.clone();
    let system = canonical(&mut noising.graph, &state, &p, h);
    (p, h, system)
}

fn acceleration_of(
    noising: &mut Noising,
    metric: &Metric,
    functional: Functional,
) -> Option<(Vec<Expr>, Vec<Expr>)> {
    let potential = jacobian_rate(noising, metric, functional);
    let v = velocity(&mut noising.graph, &noising.state);
    let (state, time, drift) = (noising.state.clone(), noising.time, noising.drift.clone());
    let a = acceleration(
        &mut noising.graph,
        (&state, time),
        &drift,
        &metric.matrix,
        potential,
        &v,
    )?;
    Some((v, a))
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
    let factor = graph.powi(root, 2);
    let missed: Vec<Expr> = tangent
        .iter()
        .zip(&force)
        .map(|(w, g)| {
            let fast = graph.mul(&[factor, *w]);
            graph.sub(fast, *g)
        })
        .collect();
    let square = dot(graph, &missed, &missed);
    let half = graph.rational(1, 2);
    let left = graph.mul(&[half, square]);
    let left = graph.div(left, factor);
    let (long, strong) = (dot(graph, &tangent, &tangent), dot(graph, &force, &force));
    let (long, strong) = (graph.sqrt(long), graph.sqrt(strong));
    let first = graph.mul(&[root, long]);
    let second = graph.div(strong, root);
    let gap = graph.sub(first, second);
    let gap = graph.powi(gap, 2);
    let waste = graph.mul(&[half, gap]);
    let right = graph.add(&[cost, waste]);
    let claim = "the best speed along a curve costs |w| |g| - w.g";
    equal(graph, claim, left, right)
}

/// `|w| |g| - w . g`.
pub fn geometric_rate(noising: &mut Noising, tangent: &[Expr], force: &[Expr]) -> Expr {
    let graph = &mut noising.graph;
    let (long, strong) = (dot(graph, tangent, tangent), dot(graph, force, force));
    let (long, strong) = (graph.sqrt(long), graph.sqrt(strong));
    let product = graph.mul(&[long, strong]);
    let along = dot(graph, tangent, force);
    graph.sub(product, along)
}

/// The step about the geometric action, for free durations.
///
/// # Errors
/// [`Refuted`] if the best speed costs something else.
pub fn geometric_step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    let evidence = execute_geometric(exact, geometric_rate)?;
    let metric = metric(shown);
    let plain = as_multiple_of_identity(&shown.graph, &metric.matrix)
        .is_some_and(|c| shown.graph.is_one(c));
    let step = Step::new(
        "geometric action",
        "geometric",
        "Heymann & Vanden-Eijnden (2008); Freidlin & Wentzell (1984), section 4.3",
        "completing the square in the speed along a curve",
        evidence,
    )
    .assuming(&[Assumption::InvertibleNoise]);
    Ok(if plain {
        step.line(
            "over all durations:  S = int ( |dx/ds| |f| - dx/ds.f ) ds,   for any parameter s",
            "S = \\int \\left( \\left|\\frac{dx}{ds}\\right| |f| - \\frac{dx}{ds} \\cdot f \\right) ds",
        )
        .line("attained at speed |x'| = |f|", "|\\dot{x}| = |f|")
    } else {
        step.line(
            "over all durations:  S = int ( |dx/ds|_a |f|_a - dx/ds.D^-1 f ) ds,   |v|_a^2 = v.D^-1 v",
            "S = \\int \\left( \\left|\\frac{dx}{ds}\\right|_a |f|_a - \\frac{dx}{ds}^\\top D^{-1} f \\right) ds, \\qquad |v|_a^2 = v^\\top D^{-1} v",
        )
        .line("attained at speed |x'|_a = |f|_a", "|\\dot{x}|_a = |f|_a")
    })
}

/// `1/2 |v - f|^2 = 1/2 |v - (grad U + l)|^2 + 2 v . grad U` for every velocity, where
/// `f = -grad U + l` and `l . grad U = 0`.
///
/// # Errors
/// [`Refuted`] if the potential does not belong to the drift.
pub fn execute_transverse(noising: &mut Noising, potential: Expr) -> Result<Evidence, Refuted> {
    let d = noising.dimension();
    let speed = noising.constants("v", d);
    let slope = noising.gradient(potential);
    let graph = &mut noising.graph;
    let two = graph.integer(2);
    let mut downhill = Vec::new();
    let mut uphill = Vec::new();
    for ((v, f), s) in speed.iter().zip(&noising.drift).zip(&slope) {
        downhill.push(graph.sub(*v, *f));
        // grad U + l = f + 2 grad U.
        let twice = graph.mul(&[two, *s]);
        let reversed = graph.add(&[*f, twice]);
        uphill.push(graph.sub(*v, reversed));
    }
    let gained = dot(graph, &speed, &slope);
    let gained = graph.mul(&[two, gained]);
    let left = noising.half_square(&downhill);
    let rest = noising.half_square(&uphill);
    let right = noising.graph.add(&[rest, gained]);
    let claim = "the action is 2 (U(end) - U(start)) plus a square";
    equal(&mut noising.graph, claim, left, right)
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
    written: Expr,
) -> Result<Step, Refuted> {
    let evidence = execute_transverse(exact, potential)?;
    let slope = shown.gradient(written);
    let one = shown.graph.one();
    let drift = shown.drift.clone();
    let across = shown.combine(&[(one, &drift), (one, &slope)]);
    let across: Vec<Expr> = across
        .iter()
        .map(|l| notation::tidy(&mut shown.graph, *l))
        .collect();
    let latex = crate::expr::latex_name(name);
    let label = Formula::new("l", "l");
    let line = notation::vector(shown, &label, &across);
    Ok(Step::new(
        "transverse decomposition",
        "transverse",
        "Freidlin & Wentzell (1984), section 4.3",
        "1/2 |v - f|^2 = 1/2 |v - grad U - l|^2 + 2 v.grad U for every velocity v",
        evidence,
    )
    .line(
        format!("f = -grad {name} + l,   l.grad {name} = 0"),
        format!("f = -\\nabla {latex} + l, \\qquad l \\cdot \\nabla {latex} = 0"),
    )
    .lines([line])
    .line(
        format!(
            "S = 2 ({name}(end) - {name}(start)) + 1/2 int |x' - grad {name} - l|^2 dt"
        ),
        format!(
            "S = 2 ({latex}(\\text{{end}}) - {latex}(\\text{{start}})) + \\frac{{1}}{{2}} \\int |\\dot{{x}} - \\nabla {latex} - l|^2 \\, dt"
        ),
    )
    .line(
        format!("uphill x' = grad {name} + l costs 2 ({name}(saddle) - {name}(start)); downhill x' = f costs nothing"),
        format!("\\dot{{x}} = \\nabla {latex} + l: \\quad S = 2 ({latex}(\\text{{saddle}}) - {latex}(\\text{{start}}))"),
    ))
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
    let state = noising.state.clone();
    let graph = &mut noising.graph;
    let size = graph.symbol("s*");
    let zero = graph.zero();
    let mut moved = Vec::new();
    let targets = state.iter().chain(&system.momentum);
    for (x, v) in targets.zip(along.iter().chain(conjugate)) {
        let shift = graph.mul(&[size, *v]);
        moved.push((*x, graph.add(&[*x, shift])));
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
    let state = exact.state.clone();
    let graph = &mut exact.graph;
    let mut rates = Vec::new();
    // Second derivatives of H: rows H_p for M', then -H_x for P'.
    for (variables, sign) in [(&p, 1), (&state, -1)] {
        for x in variables {
            let slope = graph.derivative(h, *x);
            let mut terms = Vec::new();
            for (y, v) in state.iter().zip(&along).chain(p.iter().zip(&conjugate)) {
                let second = graph.derivative(slope, *y);
                terms.push(graph.mul(&[second, *v]));
            }
            let sum = graph.add(&terms);
            let sign = graph.integer(sign);
            rates.push(graph.mul(&[sign, sum]));
        }
    }
    let evidence = execute_fluctuations(exact, &system, &rates, (&along, &conjugate))?;
    Ok(Step::new(
        "fluctuations around the path",
        "fluctuation",
        "Van Vleck (1928); Gelfand & Yaglom (1960); Ludwig (1975)",
        "the linearisation of Hamilton's equations",
        evidence,
    )
    .line(
        "M' = H_px M + H_pp P,   P' = -H_xx M - H_xp P,   M(0) = 0, P(0) = I   (H of Onsager-Machlup)",
        "\\dot{M} = H_{px} M + H_{pp} P, \\qquad \\dot{P} = -H_{xx} M - H_{xp} P, \\qquad M(0) = 0, \\; P(0) = I",
    )
    .line(
        "p(x_T,T|x_0) = (2 pi eps)^(-d/2) |det M(T)|^(-1/2) exp(-S/eps) (1 + O(eps))",
        "p(x_T,T|x_0) = (2 \\pi \\varepsilon)^{-d/2} |\\det M(T)|^{-1/2} e^{-S/\\varepsilon} (1 + O(\\varepsilon))",
    )
    .assuming(&[Assumption::NoCaustics]))
}
