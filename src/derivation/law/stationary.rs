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
use crate::derivation::ground::evidence::{Evidence, Refuted, all_equal, equal};
use crate::derivation::ground::matrix::{self, Matrix};
use crate::derivation::ground::noising::{Noising, dot, terms};
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::derivation::law::antiderivative::{antiderivative, polynomial};
use crate::expr::{Expr, Function, Graph, Node};
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
pub fn balanced_slope(noising: &mut Noising) -> Option<Vec<Expr>> {
    let inverse = matrix::inverse(&mut noising.graph, &noising.diffusivity.clone())?;
    let graph = &mut noising.graph;
    let two = graph.integer(2);
    let push: Vec<Expr> = noising
        .drift
        .iter()
        .zip(&noising.diffusivity_divergence)
        .map(|(f, e)| {
            let twice = graph.mul(&[two, *f]);
            graph.sub(twice, *e)
        })
        .collect();
    let slope = matrix::apply(graph, &inverse, &push);
    Some(slope.iter().map(|s| notation::tidy(graph, *s)).collect())
}

/// A potential of a vector field, coordinate by coordinate; `None` if it is no gradient or none is found.
pub fn potential(graph: &mut Graph, field: &[Expr], state: &[Expr]) -> Option<Expr> {
    let mut sum = graph.zero();
    for (i, x) in state.iter().enumerate() {
        let known = graph.derivative(sum, *x);
        let rest = graph.sub(field[i], known);
        let rest = graph.expand(rest);
        if graph.depends_on_any(rest, &state[..i]) {
            return None;
        }
        let part = antiderivative(graph, rest, *x)?;
        sum = graph.add(&[sum, part]);
    }
    Some(sum)
}

/// The stationary density in closed form; `None` where none is found or time occurs.
pub fn stationary(noising: &mut Noising) -> Option<Stationary> {
    let t = noising.time;
    let coefficients: Vec<Expr> = noising
        .drift
        .iter()
        .chain(noising.diffusion.iter().flatten())
        .copied()
        .collect();
    if coefficients.iter().any(|e| noising.graph.depends_on(*e, t)) {
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
    let mut rows = Vec::new();
    let mut shift = Vec::new();
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
    let opposite: Vec<Expr> = shift.iter().map(|a| graph.neg(*a)).collect();
    let mean = solve(graph, rows, opposite)?;
    let precision = matrix::inverse(graph, &covariance)?;
    let centred: Vec<Expr> = state
        .iter()
        .zip(&mean)
        .map(|(x, m)| graph.sub(*x, *m))
        .collect();
    let pulled = matrix::apply(graph, &precision, &centred);
    let square = dot(graph, &centred, &pulled);
    let half = graph.rational(-1, 2);
    let log = graph.mul(&[half, square]);
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
                    rows[row][column] = graph.add(&[rows[row][column], coefficient]);
                }
            }
            right[row] = graph.neg(diffusivity[i][j]);
        }
    }
    let solution = solve(graph, rows, right)?;
    Some(
        (0..d)
            .map(|i| (0..d).map(|j| solution[place(i, j)]).collect())
            .collect(),
    )
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
            let factor = graph.div(rows[i][k], rows[k][k]);
            let pivot_row = rows[k].clone();
            for (entry, above) in rows[i].iter_mut().zip(&pivot_row).skip(k) {
                let part = graph.mul(&[factor, *above]);
                *entry = graph.sub(*entry, part);
            }
            let part = graph.mul(&[factor, right[k]]);
            right[i] = graph.sub(right[i], part);
        }
    }
    Some((0..n).map(|k| graph.div(right[k], rows[k][k])).collect())
}

/// `f_i - 1/2 sum_j (d_j D_ij + D_ij d_j log) = 0` without flux; `L* exp(log) = 0` for a Gaussian.
///
/// # Errors
/// [`Refuted`] if the density is not stationary.
pub fn execute(noising: &mut Noising, density: &Stationary) -> Result<Evidence, Refuted> {
    let log = density.log();
    let p = noising.graph.exp(log);
    let zero = noising.graph.zero();
    let gone = noising.forward_operator(p);
    let gone = noising.graph.div(gone, p);
    let claim = "the density is stationary";
    let still = equal(&mut noising.graph, claim, gone, zero)?;
    if let Stationary::Gaussian { .. } = density {
        return Ok(still);
    }
    let spread = noising.half_flux(p);
    let graph = &mut noising.graph;
    let carried: Vec<Expr> = noising.drift.iter().map(|f| graph.mul(&[*f, p])).collect();
    let claim = "the density has no flux";
    Ok(still.and(all_equal(graph, claim, &carried, &spread)?))
}

/// `u^c ... exp(rest)` for `sum c log u + rest`.
pub fn written_density(noising: &mut Noising, log: Expr) -> Formula {
    let graph = &mut noising.graph;
    let mut factors: Vec<(Expr, Expr)> = Vec::new();
    let mut rest = Vec::new();
    for term in terms(graph, log) {
        match logarithm(graph, term) {
            Some((weight, inside)) => match factors.iter_mut().find(|(u, _)| *u == inside) {
                Some((_, power)) => *power = graph.add(&[*power, weight]),
                None => factors.push((inside, weight)),
            },
            None => rest.push(term),
        }
    }
    let mut parts = Vec::new();
    for (inside, power) in factors {
        parts.push(graph.pow(inside, power));
    }
    let rest = graph.add(&rest);
    let algebraic = graph.mul(&parts);
    let mut out = if graph.is_one(algebraic) {
        Formula::new("", "")
    } else {
        notation::expression(graph, algebraic)
    };
    if !graph.is_zero(rest) {
        let inside = notation::expression(graph, rest);
        let gap = if out.text.is_empty() { "" } else { " " };
        out.text.push_str(&format!("{gap}exp({})", inside.text));
        out.latex
            .push_str(&format!(" \\exp\\left({}\\right)", inside.latex));
    }
    if out.text.is_empty() {
        return Formula::new("1", "1");
    }
    out
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
    Some((graph.div(term, *log), u))
}

/// Maxima of a one-dimensional balanced density, where `2 f - D'` factors into `x^n` and at most a
/// quadratic.
pub fn modes(noising: &mut Noising) -> Vec<Expr> {
    let x = noising.state[0];
    let graph = &mut noising.graph;
    let two = graph.integer(2);
    let twice = graph.mul(&[two, noising.drift[0]]);
    let push = graph.sub(twice, noising.diffusivity_divergence[0]);
    let Some(coefficients) = polynomial(graph, push, x) else {
        return Vec::new();
    };
    let lowest = coefficients
        .iter()
        .take_while(|c| graph.is_zero(**c))
        .count();
    let mut roots = Vec::new();
    if lowest > 0 {
        roots.push(graph.zero());
    }
    match coefficients[lowest..] {
        [c, b] => {
            let ratio = graph.div(c, b);
            roots.push(graph.neg(ratio));
        }
        [c, b, a] => {
            let four = graph.integer(4);
            let square = graph.powi(b, 2);
            let product = graph.mul(&[four, a, c]);
            let inside = graph.sub(square, product);
            let bottom = graph.mul(&[two, a]);
            let squared_bottom = graph.powi(bottom, 2);
            // One root under one square root prints best.
            let ratio = graph.div(inside, squared_bottom);
            let ratio = notation::tidy(graph, ratio);
            let reach = graph.sqrt(ratio);
            let centre = graph.div(b, bottom);
            let centre = graph.neg(centre);
            roots.push(graph.sub(centre, reach));
            roots.push(graph.add(&[centre, reach]));
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

/// `p ~ ...` and its maxima.
fn density_written(shown: &mut Noising, log: Expr) -> Formula {
    let mut line = written_density(shown, log);
    if shown.dimension() > 1 {
        return line;
    }
    let x = Formula::new(
        shown.graph.text(shown.state[0]),
        shown.graph.latex(shown.state[0]),
    );
    let maxima = modes(shown);
    let graph = &mut shown.graph;
    let values: Vec<f64> = maxima
        .iter()
        .filter_map(|e| graph.evaluate(*e, &[]))
        .collect();
    if let [low, high] = values[..]
        && low == -high
        && low != 0.0
    {
        let root = notation::expression(graph, maxima[1]);
        line.text.push_str(&format!(
            ",   maximum at {} = +-{} = +-{high:.6}",
            x.text, root.text
        ));
        line.latex.push_str(&format!(
            ", \\qquad \\text{{maximum at }} {} = \\pm {} = \\pm {high:.6}",
            x.latex, root.latex
        ));
    } else if !values.is_empty() {
        let roots: Vec<Formula> = maxima
            .iter()
            .map(|e| notation::expression(graph, *e))
            .collect();
        let text: Vec<&str> = roots.iter().map(|r| r.text.as_str()).collect();
        let latex: Vec<&str> = roots.iter().map(|r| r.latex.as_str()).collect();
        line.text
            .push_str(&format!(",   maximum at {} = {}", x.text, text.join(", ")));
        line.latex.push_str(&format!(
            ", \\qquad \\text{{maximum at }} {} = {}",
            x.latex,
            latex.join(", ")
        ));
    }
    line
}

/// The equation `L* p = 0`.
pub fn equation(noising: &mut Noising) -> Equation {
    let p = noising.at_end("p");
    let residual = noising.forward_operator(p);
    Equation {
        id: "stationary",
        unknown: p,
        residual,
        closes_with: Vec::new(),
        assumes: vec![Assumption::SmoothCoefficients, Assumption::Normalisable],
        source: SOURCE,
    }
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
    let mut step = Step::new(name, "stationary", SOURCE, executes, evidence).about(equation);
    match &written {
        Stationary::Balanced { log } => {
            if shown.dimension() == 1 {
                step = step.line(
                    "f p = 1/2 (D p)':   p ~ (1/D) exp(int 2 f/D dx)",
                    "f p = \\frac{1}{2} (D p)': \\qquad p \\propto \\frac{1}{D} \\exp\\left(\\int \\frac{2 f}{D} \\, dx\\right)",
                );
            } else {
                step = step.line(
                    "f p = 1/2 div(D p):   grad log p = D^-1 (2 f - div D)",
                    "f p = \\frac{1}{2} \\nabla \\cdot (D p): \\qquad \\nabla \\log p = D^{-1} (2 f - \\nabla \\cdot D)",
                );
            }
            let line = density_written(shown, *log);
            step = step.line(
                format!("p ~ {}", line.text),
                format!("p \\propto {}", line.latex),
            );
        }
        Stationary::Gaussian {
            mean, covariance, ..
        } => {
            step = step
                .line(
                    "p = N(m, C),   A C + C A' = -D,   A m = -a",
                    "p = \\mathcal{N}(m, C), \\qquad A C + C A^\\top = -D, \\qquad A m = -a",
                )
                .lines([
                    notation::vector(shown, &Formula::new("m", "m"), mean),
                    notation::matrix(shown, &Formula::new("C", "C"), covariance),
                ]);
        }
    }
    if let Some((reading, mut other)) = other_reading
        && let Some(density) = stationary(&mut other)
    {
        execute(&mut other, &density)?;
        let line = density_written(&mut other, density.log());
        step = step.line(
            format!("{reading} instead:  p ~ {}", line.text),
            format!("\\text{{{reading} instead: }} p \\propto {}", line.latex),
        );
    }
    Ok(Some(step))
}
