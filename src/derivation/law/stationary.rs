//! Stationary densities in closed form.
//!
//! | case | density |
//! |---|---|
//! | no flux: `f p = 1/2 div(D p)`, so `grad log p = D^-1 (2 f - div D)` is a gradient | `exp` of its potential |
//! | `f = A x + a`, `D` constant | Gaussian with `A C + C A' = -D`, `A m = -a` |
//!
//! In one dimension the flux of a stationary density on the line vanishes, so the first row always
//! applies: `p ~ (1/D) exp(int 2 f/D dx)`.
//!
//! # Assumptions
//! Coefficients free of time; the density can be normalised (not checked here).
//!
//! # Source
//! Risken, *The Fokker–Planck Equation* (1989), sections 5.2 and 6.4; Gardiner (2009), section 5.3.
//!
//! # Executed by
//! The flux of the density, component by component; inserting the Gaussian in the Fokker–Planck operator.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal};
use crate::derivation::ground::matrix::{self, Matrix};
use crate::derivation::ground::noising::{Noising, terms};
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::derivation::law::antiderivative::{antiderivative, polynomial};
use crate::expr::arithmetic::{dot, exp, partial, power, sqrt, sum};
use crate::expr::{Expr, Function, Graph, Node, Rational};
use nalgebra::DMatrix;

const SOURCE: &str = "Risken (1989), sections 5.2 and 6.4; Gardiner (2009), section 5.3";

/// A density up to its constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Stationary {
    /// `exp(log)`, without flux.
    Balanced { log: Expr },
    /// Gaussian of a linear process, possibly with flux.
    Gaussian {
        log: Expr,
        mean: Vec<Expr>,
        covariance: Matrix,
    },
}

impl Stationary {
    pub fn log(&self) -> Expr {
        match self {
            Self::Balanced { log } | Self::Gaussian { log, .. } => *log,
        }
    }
}

/// `D^-1 (2 f - div D)`: the gradient of the log density where there is no flux.
fn balanced_slope(noising: &mut Noising) -> Option<Vec<Expr>> {
    let inverse = matrix::inverse(&mut noising.graph, &noising.diffusivity.clone())?;
    let graph = &mut noising.graph;
    let opened = &noising.diffusivity_divergence;
    let push = graph.pairwise(&noising.drift, opened, |f, e| 2 * f - e);
    let slope = matrix::apply(graph, &inverse, &push);
    Some(slope.iter().map(|s| notation::tidy(graph, *s)).collect())
}

/// A potential of a vector field, coordinate by coordinate; `None` if it is no gradient or none is found.
pub fn potential(graph: &mut Graph, field: &[Expr], state: &[Expr]) -> Option<Expr> {
    let mut sum = graph.zero();
    for (i, x) in state.iter().enumerate() {
        let rest = graph.of(field[i] - partial(sum, *x));
        let rest = graph.expand(rest);
        if graph.depends_on_any(rest, &state[..i]) {
            return None;
        }
        let part = antiderivative(graph, rest, *x)?;
        sum = graph.of(sum + part);
    }
    Some(sum)
}

/// The stationary density in closed form; `None` where none is found or time occurs.
pub fn stationary(noising: &mut Noising) -> Option<Stationary> {
    let t = noising.time;
    if noising
        .coefficients()
        .any(|e| noising.graph.depends_on(e, t))
    {
        return None;
    }
    if let Some(slope) = balanced_slope(noising)
        && let Some(log) = potential(&mut noising.graph, &slope, &noising.state)
    {
        return Some(Stationary::Balanced { log });
    }
    gaussian(noising)
}

/// The Gaussian of a linear process with constant noise, up to three states.
fn gaussian(noising: &mut Noising) -> Option<Stationary> {
    let d = noising.dimension();
    if d > 3 {
        return None;
    }
    let state = noising.state.clone();
    let graph = &mut noising.graph;
    let (mut rows, mut shift) = (Vec::new(), Vec::new());
    for f in &noising.drift {
        let (row, constant) = graph.affine_coefficients(*f, &state)?;
        rows.push(row);
        shift.push(constant);
    }
    let entries = noising.diffusivity.concat();
    if entries.iter().any(|e| graph.depends_on_any(*e, &state)) {
        return None;
    }
    let covariance = lyapunov(graph, &rows, &noising.diffusivity)?;
    let values: Option<Vec<f64>> = covariance
        .iter()
        .flatten()
        .map(|e| graph.evaluate(*e, &[]))
        .collect();
    DMatrix::from_row_slice(d, d, &values?).cholesky()?;
    let opposite = graph.each(shift.iter().map(|a| -*a));
    let mean = solve(graph, rows, opposite)?;
    let precision = matrix::inverse(graph, &covariance)?;
    let centred = graph.pairwise(&state, &mean, |x, m| x - m);
    let pulled = matrix::apply(graph, &precision, &centred);
    let log = graph.of(-dot(&centred, &pulled) / 2);
    Some(Stationary::Gaussian {
        log,
        mean,
        covariance,
    })
}

/// The symmetric solution of `A C + C A' = -D`, by elimination.
fn lyapunov(graph: &mut Graph, a: &Matrix, diffusivity: &Matrix) -> Option<Matrix> {
    let d = a.len();
    let place = |i: usize, j: usize| {
        let (low, high) = (i.min(j), i.max(j));
        high * (high + 1) / 2 + low
    };
    let size = d * (d + 1) / 2;
    let zero = graph.zero();
    let (mut rows, mut right) = (vec![vec![zero; size]; size], vec![zero; size]);
    for i in 0..d {
        for j in 0..=i {
            let row = place(i, j);
            for (k, (left, across)) in a[i].iter().zip(&a[j]).enumerate() {
                for (coefficient, column) in [(*left, place(k, j)), (*across, place(i, k))] {
                    rows[row][column] = graph.of(rows[row][column] + coefficient);
                }
            }
            right[row] = graph.of(-diffusivity[i][j]);
        }
    }
    let solution = solve(graph, rows, right)?;
    let row = |i: usize| (0..d).map(|j| solution[place(i, j)]).collect();
    Some((0..d).map(row).collect())
}

/// Solves a linear system of numbers exactly; `None` if it is singular or not made of numbers.
fn solve(graph: &mut Graph, mut rows: Matrix, mut right: Vec<Expr>) -> Option<Vec<Expr>> {
    let n = right.len();
    for k in 0..n {
        let pivot = (k..n).find(|i| {
            let entry = rows[*i][k];
            graph.as_number(entry).is_some() && !graph.is_zero(entry)
        })?;
        rows.swap(k, pivot);
        right.swap(k, pivot);
        for i in 0..n {
            if i == k || graph.is_zero(rows[i][k]) {
                continue;
            }
            let factor = graph.of(rows[i][k] / rows[k][k]);
            let pivot_row = rows[k].clone();
            for (entry, above) in rows[i].iter_mut().zip(&pivot_row).skip(k) {
                *entry = graph.of(*entry - factor * *above);
            }
            right[i] = graph.of(right[i] - factor * right[k]);
        }
    }
    Some(graph.each((0..n).map(|k| right[k] / rows[k][k])))
}

/// `f_i - 1/2 sum_j (d_j D_ij + D_ij d_j log) = 0` without flux; `L* exp(log) = 0` for a Gaussian.
///
/// # Errors
/// [`Refuted`] if the density is not stationary.
pub fn execute(noising: &mut Noising, density: &Stationary) -> Result<Evidence, Refuted> {
    let log = density.log();
    let p = noising.of(exp(log));
    let gone = noising.forward_operator(p);
    let still = noising.equal("the density is stationary", gone / p, 0)?;
    if let Stationary::Gaussian { .. } = density {
        return Ok(still);
    }
    let spread = noising.half_flux(p);
    let carried = noising.carried(&noising.drift.clone(), p);
    let claim = "the density has no flux";
    Ok(still.and(all_equal(&mut noising.graph, claim, &carried, &spread)?))
}

/// `u^c ... exp(rest)` for `sum c log u + rest`.
fn written_density(noising: &mut Noising, log: Expr) -> Formula {
    let graph = &mut noising.graph;
    let mut factors: Vec<(Expr, Expr)> = Vec::new();
    let mut rest = Vec::new();
    for term in terms(graph, log) {
        match logarithm(graph, term) {
            Some((weight, inside)) => match factors.iter_mut().find(|(u, _)| *u == inside) {
                Some((_, power)) => *power = graph.of(*power + weight),
                None => factors.push((inside, weight)),
            },
            None => rest.push(term),
        }
    }
    let (algebraic, rest) = (graph.product(Rational::one(), factors), graph.of(sum(rest)));
    if graph.is_zero(rest) {
        return notation::expression(graph, algebraic);
    }
    let inside = notation::expression(graph, rest);
    let exponential = Formula::new(
        format!("exp({})", inside.text),
        format!("\\exp\\left({}\\right)", inside.latex),
    );
    if graph.is_one(algebraic) {
        return exponential;
    }
    Formula::of(
        "{} {}",
        &[&notation::expression(graph, algebraic), &exponential],
    )
}

/// `(c, u)` for `c log u`.
fn logarithm(graph: &mut Graph, term: Expr) -> Option<(Expr, Expr)> {
    let inside = |graph: &Graph, e: Expr| match graph.node(e) {
        Node::Apply(Function::Log, arguments) => arguments.first().copied(),
        _ => None,
    };
    if let Some(u) = inside(graph, term) {
        let one = graph.one();
        return Some((one, u));
    }
    let Node::Product(_, factors) = graph.node(term).clone() else {
        return None;
    };
    let (log, _) = factors
        .iter()
        .find(|(base, exponent)| graph.is_one(*exponent) && inside(graph, *base).is_some())?;
    let u = inside(graph, *log)?;
    Some((graph.of(term / *log), u))
}

/// Maxima of a one-dimensional balanced density, where `2 f - D'` factors into `x^n` and at most a
/// quadratic.
pub fn modes(noising: &mut Noising) -> Vec<Expr> {
    let x = noising.state[0];
    let graph = &mut noising.graph;
    let push = graph.of(2 * noising.drift[0] - noising.diffusivity_divergence[0]);
    let Some(coefficients) = polynomial(graph, push, x) else {
        return Vec::new();
    };
    let zeros = coefficients.iter().take_while(|c| graph.is_zero(**c));
    let lowest = zeros.count();
    let mut roots = Vec::new();
    if lowest > 0 {
        roots.push(graph.zero());
    }
    match coefficients[lowest..] {
        [c, b] => roots.push(graph.of(-(c / b))),
        [c, b, a] => {
            // One root under one square root prints best.
            let inside = graph.of(power(b, 2) - 4 * a * c);
            let ratio = graph.of(inside / power(2 * a, 2));
            let ratio = notation::tidy(graph, ratio);
            let reach = graph.of(sqrt(ratio));
            let centre = graph.of(-(b / (2 * a)));
            roots.push(graph.of(centre - reach));
            roots.push(graph.of(centre + reach));
        }
        _ => {}
    }
    let slope = graph.derivative(push, x);
    roots.retain(|root| {
        graph
            .evaluate(*root, &[])
            .and_then(|value| graph.evaluate(slope, &[(x, value)]))
            .is_some_and(|curvature| curvature < 0.0)
    });
    roots
}

/// A density and its maxima.
fn density_written(shown: &mut Noising, log: Expr) -> Formula {
    let density = written_density(shown, log);
    if shown.dimension() > 1 {
        return density;
    }
    let maxima = modes(shown);
    let graph = &mut shown.graph;
    let x = Formula::new(graph.text(shown.state[0]), graph.latex(shown.state[0]));
    let values: Vec<f64> = maxima
        .iter()
        .filter_map(|e| graph.evaluate(*e, &[]))
        .collect();
    let mut roots: Vec<Formula> = maxima
        .iter()
        .map(|e| notation::expression(graph, *e))
        .collect();
    match values[..] {
        [] => density,
        [low, high] if low == -high && low != 0.0 => {
            let template = format!("{{}},   maximum at {{}} = +-{{}} = +-{high:.6}");
            Formula::of(&template, &[&density, &x, &roots.remove(1)])
        }
        _ => {
            let parts = [&density, &x, &notation::list(&roots)];
            Formula::of("{},   maximum at {} = {}", &parts)
        }
    }
}

/// The equation `L* p = 0`.
pub fn equation(noising: &mut Noising) -> Equation {
    let p = noising.at_end("p");
    let residual = noising.forward_operator(p);
    Equation::new("stationary", p, residual, SOURCE)
        .assuming(&[Assumption::SmoothCoefficients, Assumption::Normalisable])
}

/// The step; `None` where no closed form is found. `other_reading` is the same process with its noise read
/// the other way, for comparison.
///
/// # Errors
/// [`Refuted`] if the density is not stationary.
pub fn step(
    exact: &mut Noising,
    shown: &mut Noising,
    other_reading: Option<(&'static str, Noising)>,
) -> Result<Option<Step>, Refuted> {
    let Some(density) = stationary(exact) else {
        return Ok(None);
    };
    let evidence = execute(exact, &density)?;
    let written = stationary(shown).unwrap_or_else(|| density.clone());
    let equation = equation(exact);
    let (name, executes) = match density {
        Stationary::Balanced { .. } => (
            "zero flux",
            "the flux of the density vanishes, component by component",
        ),
        Stationary::Gaussian { .. } => (
            "stationary Gaussian",
            "the Gaussian inserted in the Fokker-Planck operator",
        ),
    };
    let step = Step::new(name, "stationary", SOURCE)
        .executed(executes, evidence)
        .about(equation);
    let mut step = match &written {
        Stationary::Balanced { log } => {
            let condition = match shown.dimension() {
                1 => "f p = 1/2 (D p)':   p ~ (1/D) exp(int 2 f/D dx)",
                _ => "f p = 1/2 div(D p):   grad log p = D^-1 (2 f - div D)",
            };
            let density = density_written(shown, *log);
            step.line(condition)
                .line(Formula::of("p ~ {}", &[&density]))
        }
        Stationary::Gaussian {
            mean, covariance, ..
        } => step
            .line("p = N(m, C),   A C + C A' = -D,   A m = -a")
            .line(notation::vector(shown, "m", mean))
            .line(notation::matrix(shown, "C", covariance)),
    };
    if let Some((reading, mut other)) = other_reading
        && let Some(density) = stationary(&mut other)
    {
        execute(&mut other, &density)?;
        let line = density_written(&mut other, density.log());
        step = step.line(Formula::of(
            "{} instead:  p ~ {}",
            &[&reading.into(), &line],
        ));
    }
    Ok(Some(step))
}
