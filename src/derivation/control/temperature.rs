//! The temperature at which the Hamilton–Jacobi–Bellman equation becomes linear.
//!
//! Where one number `lambda` makes `G G' = lambda B R^-1 B'`, noise enters exactly where control acts and
//! in proportion to how cheap it is. Then `V = -lambda log psi` turns
//! `-V_t = L V + q - 1/2 grad V . B R^-1 B' grad V` into
//!
//! ```text
//! -psi_t = L psi - (q / lambda) psi,      psi(x, T) = exp(-Phi(x) / lambda)
//! psi(x, t) = E[ exp( -(int_t^T q ds + Phi(X_T)) / lambda ) | X_t = x ]      (uncontrolled X)
//! ```
//!
//! # Assumptions
//! No discount; `lambda` free of state and time; a positive solution.
//!
//! # Source
//! Fleming & Soner (2006), chapter VI; Kappen (2005); Todorov (2009).
//!
//! # Executed by
//! Inserting `V = -lambda log psi`.

use crate::derivation::control::bellman;
use crate::derivation::control::in_matrices::{self, is_large};
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::controlled::{ControlledDiffusion, matrix_text};
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::matrix::{self, Matrix, as_multiple_of_identity, is_diagonal};
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::derivation::ground::words::WRITTEN_OUT;
use crate::expr::arithmetic::{exp, log};
use crate::expr::{Expr, Graph};
use nalgebra::DMatrix;

const SOURCE: &str = "Fleming & Soner (2006), chapter VI; Kappen (2005); Todorov (2009)";

/// A temperature and how the proportionality was made sure of.
#[derive(Clone, Debug, PartialEq)]
pub struct Temperature {
    pub value: Expr,
    pub evidence: Evidence,
    /// Numbers as typed fit up to the rounding of their digits only.
    pub is_rounded: bool,
}

/// Why there is no temperature, with what would give one.
#[derive(Clone, Debug, PartialEq)]
pub struct NoTemperature {
    pub because: String,
    pub nearest: Option<String>,
}

/// The number `lambda` with `G G' = lambda B R^-1 B'`.
///
/// # Errors
/// [`NoTemperature`] with both matrices, their ranks and the nearest change.
pub fn temperature(controlled: &mut ControlledDiffusion) -> Result<Temperature, NoTemperature> {
    let missing = |because: &str, nearest: Option<&str>| NoTemperature {
        because: because.to_owned(),
        nearest: nearest.map(str::to_owned),
    };
    let authority = controlled.authority();
    let diffusivity = controlled.process.diffusivity.clone();
    if !controlled.process.graph.is_zero(controlled.discount) {
        let because = "the discount would add a term psi log psi";
        return Err(missing(because, Some("leave out cost.discount")));
    }
    let moving = controlled.process.coordinates();
    let graph = &mut controlled.process.graph;
    let Some(value) = ratio(graph, &diffusivity, &authority, &moving) else {
        let because = "the control does not act on the state: B R^-1 B' = 0";
        return Err(missing(because, None));
    };
    let mut evidence = Evidence::Proved;
    for (wide, narrow) in diffusivity.iter().flatten().zip(authority.iter().flatten()) {
        match equal(graph, "G G' = lambda B R^-1 B'", *wide, value * *narrow) {
            Ok(found) => evidence = evidence.and(found),
            Err(_) => {
                if let Some(found) = rounded(graph, &diffusivity, &authority) {
                    return Ok(found);
                }
                let because = both_matrices(graph, &diffusivity, &authority);
                let nearest = nearest(graph, &diffusivity, &authority);
                return Err(NoTemperature { because, nearest });
            }
        }
    }
    if graph.is_provably_zero(value) {
        let because = "there is no noise where the control acts, so lambda would be 0";
        return Err(missing(
            because,
            Some("add noise through the control channel"),
        ));
    }
    if graph.depends_on_any(value, &moving) {
        let lambda = graph.text(value);
        let because =
            format!("G G' = lambda B R^-1 B' only with lambda = {lambda}, which is no constant");
        let nearest = "let the effort R vary as the inverse of G G'";
        return Err(missing(&because, Some(nearest)));
    }
    Ok(Temperature {
        value,
        evidence,
        is_rounded: false,
    })
}

/// The temperature of matrices of numbers that are proportional up to the rounding of what was typed.
fn rounded(graph: &mut Graph, wide: &Matrix, narrow: &Matrix) -> Option<Temperature> {
    let (wide, narrow) = (numbers(graph, wide)?, numbers(graph, narrow)?);
    let largest = |values: &[f64]| values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let place = (0..narrow.len()).max_by(|i, j| narrow[*i].abs().total_cmp(&narrow[*j].abs()))?;
    let lambda = wide[place] / narrow[place];
    let gaps = wide
        .iter()
        .zip(&narrow)
        .map(|(a, b)| (a - lambda * b).abs());
    let relative = gaps.fold(0.0, f64::max) / largest(&wide);
    // NaN where nothing is controlled or nothing is noisy.
    (lambda > 0.0 && relative <= ROUNDING).then(|| Temperature {
        value: graph.number(lambda),
        evidence: Evidence::Tested {
            points: 1,
            largest_relative_difference: relative,
        },
        is_rounded: true,
    })
}

/// Makes `D` what the temperature says it is, where the numbers of the file differ by their rounding; returns what it was.
pub fn match_noise(controlled: &mut ControlledDiffusion, found: &Temperature) -> Option<Matrix> {
    if !found.is_rounded {
        return None;
    }
    let authority = controlled.authority();
    let process = &mut controlled.process;
    let scaled = matrix::combination(&mut process.graph, &[(found.value, &authority)]);
    Some(std::mem::replace(&mut process.diffusivity, scaled))
}

/// Relative differences that the rounding of typed digits makes of entries of `G G'` and `B R^-1 B'`.
const ROUNDING: f64 = 16.0 * f64::EPSILON;

/// Where a quotient that should be a constant is read off, in this order.
const PLACES: [i64; 3] = [0, 1, 2];

/// `a_ij / b_ij` at the first entry where `b` does not vanish; its value at a point where that is equal to it everywhere.
fn ratio(graph: &mut Graph, a: &[Vec<Expr>], b: &[Vec<Expr>], moving: &[Expr]) -> Option<Expr> {
    for (above, below) in a.iter().flatten().zip(b.iter().flatten()) {
        if !graph.is_provably_zero(*below) {
            let quotient = graph.of(*above / *below);
            let tidy = notation::tidy(graph, quotient);
            return Some(constant_ratio(graph, (*above, *below), moving).unwrap_or(tidy));
        }
    }
    None
}

/// The number that `above` is times `below`, if it is one.
fn constant_ratio(
    graph: &mut Graph,
    (above, below): (Expr, Expr),
    moving: &[Expr],
) -> Option<Expr> {
    for place in PLACES {
        let place = graph.integer(place);
        let at: Vec<(Expr, Expr)> = moving.iter().map(|x| (*x, place)).collect();
        let [top, bottom] = [above, below].map(|e| graph.substitute(e, &at));
        let value = graph.of(top / bottom);
        let regular = graph.evaluate(value, &[]).is_some_and(f64::is_finite);
        if !regular || graph.is_provably_zero(bottom) {
            continue;
        }
        let value = notation::tidy(graph, value);
        let claim = "G G' = lambda B R^-1 B'";
        return equal(graph, claim, above, value * below)
            .ok()
            .map(|_| value);
    }
    None
}

/// A short form: `0.81 I`, `diag(0, 5)`, or the rows.
pub(crate) fn matrix_words(graph: &Graph, matrix: &[Vec<Expr>]) -> String {
    if let Some(common) = as_multiple_of_identity(graph, matrix)
        && matrix.len() > 1
    {
        return format!("{} I", notation::brief(graph, common));
    }
    if is_diagonal(graph, matrix) && matrix.len() > 1 {
        let rows = matrix.iter().enumerate();
        let entries: Vec<String> = rows
            .map(|(i, row)| notation::brief(graph, row[i]))
            .collect();
        return format!("diag({})", entries.join(", "));
    }
    if matrix.len() > WRITTEN_OUT {
        return format!("a full {0} x {0} matrix", matrix.len());
    }
    let longest = matrix.iter().flatten().map(|e| graph.text(*e).len()).max();
    if longest.is_some_and(|n| n > 40) {
        let d = matrix.len();
        return format!("a full {d} x {d} matrix that depends on state or time");
    }
    matrix_text(graph, matrix)
}

/// The entries row by row, where all are numbers.
fn numbers(graph: &Graph, matrix: &[Vec<Expr>]) -> Option<Vec<f64>> {
    graph.evaluate_all(&matrix.concat(), &[])
}

/// The rank where all entries are numbers.
fn rank(graph: &Graph, matrix: &[Vec<Expr>]) -> Option<usize> {
    let values = numbers(graph, matrix)?;
    let rows = DMatrix::from_row_slice(matrix.len(), matrix[0].len(), &values);
    let largest = rows.amax().max(f64::MIN_POSITIVE);
    Some(rows.rank(1e-12 * largest))
}

fn both_matrices(graph: &Graph, wide: &[Vec<Expr>], narrow: &[Vec<Expr>]) -> String {
    let mut text = format!(
        "G G' = {}, B R^-1 B' = {}",
        matrix_words(graph, wide),
        matrix_words(graph, narrow)
    );
    if let (Some(a), Some(b)) = (rank(graph, wide), rank(graph, narrow)) {
        text.push_str(&format!(", ranks {a} and {b}"));
    }
    text
}

/// The smallest change of one table that would make the matrices proportional.
fn nearest(graph: &mut Graph, wide: &Matrix, narrow: &Matrix) -> Option<String> {
    let table = |states: &[usize]| -> String {
        let rows = states.iter().map(|i| format!("dynamics.diffusion[{i}]"));
        rows.collect::<Vec<_>>().join(" and ")
    };
    let mut vanishes = |matrix: &Matrix, i: usize| graph.is_provably_zero(matrix[i][i]);
    let (idle, keep): (Vec<usize>, Vec<usize>) =
        (0..wide.len()).partition(|i| vanishes(narrow, *i));
    let (silent, _): (Vec<usize>, Vec<usize>) = keep.iter().partition(|i| vanishes(wide, **i));
    let (_, noisy_idle): (Vec<usize>, Vec<usize>) = idle.iter().partition(|i| vanishes(wide, **i));
    let part = |matrix: &Matrix| -> Matrix {
        let rows = keep.iter();
        rows.map(|i| keep.iter().map(|j| matrix[*i][*j]).collect())
            .collect()
    };
    let (inner, acting) = (part(wide), part(narrow));
    let value = ratio(graph, &inner, &acting, &[])?;
    if !noisy_idle.is_empty() {
        let differences = graph.pairwise(&inner.concat(), &acting.concat(), |a, b| a - value * b);
        let possible = !graph.is_provably_zero(value)
            && differences.into_iter().all(|e| graph.is_provably_zero(e));
        return possible.then(|| {
            let (rows, lambda) = (table(&noisy_idle), graph.text(value));
            format!("set {rows} to 0 (noise only where control acts) -> lambda = {lambda}")
        });
    }
    if !silent.is_empty() {
        let rows = table(&silent);
        return Some(format!("add noise where control acts: {rows} is 0 there"));
    }
    // Same support: the prices do not fit the noise.
    if rank(graph, wide).is_none() || rank(graph, narrow).is_none() {
        return None;
    }
    let mut ratios = Vec::new();
    for i in keep {
        let quotient = graph.of(wide[i][i] / narrow[i][i]);
        ratios.push(notation::brief(graph, quotient));
        if ratios.len() > 4 {
            ratios[4] = "...".to_owned();
            break;
        }
    }
    let ratios = ratios.join(", ");
    Some(format!(
        "scale the prices of the controls so that the ratios {ratios} become one number"
    ))
}

/// `psi_t + L psi - (q / lambda) psi`.
pub fn residual(controlled: &mut ControlledDiffusion, lambda: Expr, psi: Expr) -> Expr {
    let process = &mut controlled.process;
    let generated = process.generated(psi);
    let still = generated - controlled.running * psi / lambda;
    if controlled.horizon.1.is_infinite() {
        return process.of(still);
    }
    let rate = process.rate(psi);
    process.of(rate + still)
}

/// The linear equation.
pub fn equation(controlled: &mut ControlledDiffusion, lambda: Expr) -> Equation {
    let psi = controlled.process.field("psi");
    let residual = residual(controlled, lambda, psi);
    if controlled.is_endless() {
        let average = bellman::average_cost(controlled);
        let residual = controlled.process.of(residual + average * psi / lambda);
        return Equation::new("hopf-cole", psi, residual, SOURCE)
            .assuming(&[Assumption::SmoothValue]);
    }
    let horizon = controlled.process.constant("T");
    let end = controlled.process.at_time("psi", horizon);
    let closing = end - exp(-(controlled.terminal / lambda));
    Equation::new("hopf-cole", psi, residual, SOURCE)
        .closing(controlled.process.of(closing))
        .assuming(&[Assumption::SmoothValue])
}

/// At `V = -lambda log psi` the Hamilton–Jacobi–Bellman residual is `-lambda residual / psi`.
///
/// # Errors
/// [`Refuted`] if the transformed equation is another one.
pub fn execute(
    controlled: &mut ControlledDiffusion,
    lambda: Expr,
    psi: Expr,
    residual: Expr,
) -> Result<Evidence, Refuted> {
    let value = controlled.process.of(-(lambda * log(psi)));
    let transformed = bellman::residual(controlled, value);
    let claim = "V = -lambda log psi makes the equation linear";
    let expected = -(lambda * residual / psi);
    controlled.process.equal(claim, transformed, expected)
}

/// The step.
///
/// # Errors
/// [`Refuted`] if the transformation does not linearise.
pub fn step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
    temperature: &Temperature,
) -> Result<Step, Refuted> {
    let lambda = temperature.value;
    let (evidence, equation) = if is_large(exact) && !exact.is_endless() {
        (in_matrices::linear()?, None)
    } else {
        let equation = equation(exact, lambda);
        let linear = residual(exact, lambda, equation.unknown);
        let evidence = execute(exact, lambda, equation.unknown, linear)?;
        (evidence, Some(equation))
    };
    let evidence = evidence.and(temperature.evidence.clone());
    let about = |step: Step| match equation {
        Some(equation) => step.about(equation),
        None => step.assuming(&[Assumption::SmoothValue]),
    };
    if shown.is_endless() {
        return Ok(about(ground_step(shown, lambda, evidence)));
    }
    let process = &mut shown.process;
    let price = notation::expression(&mut process.graph, lambda);
    let end = notation::time_of_end(process, shown.horizon.1);
    let free = process.graph.is_zero(shown.running);
    let killed = if free {
        "".into()
    } else {
        let rate = process.of(shown.running / lambda);
        Formula::of(
            " - {} psi",
            &[&notation::grouped(&notation::of_state(process, rate))],
        )
    };
    let exponent = process.of(shown.terminal / lambda);
    let exponent = notation::of_state(process, exponent);
    let cost = if free {
        "Phi(X_T)"
    } else {
        "(int_t^T q ds + Phi(X_T))"
    };
    let name = "linear equation for psi = exp(-V/lambda)";
    let executes = "V = -lambda log psi inserted in the Hamilton-Jacobi-Bellman equation";
    let linear = Formula::of(
        "-psi_t = L psi{},   psi(x,{}) = exp(-({}))",
        &[&killed, &end, &exponent],
    );
    let mean = "psi(x,t) = E[ exp(-{}/lambda) | X_t = x ],   X uncontrolled   (Feynman-Kac)";
    let step = Step::new(name, "hopf-cole; G G' = lambda B R^-1 B'", SOURCE)
        .executed(executes, evidence)
        .line(Formula::of("V = -lambda log psi,   lambda = {}", &[&price]))
        .line(linear)
        .line(Formula::of(mean, &[&cost.into()]));
    Ok(about(step))
}

/// The step where the horizon has no end: the lowest state of a linear operator.
fn ground_step(shown: &mut ControlledDiffusion, lambda: Expr, evidence: Evidence) -> Step {
    let process = &mut shown.process;
    let price = notation::expression(&mut process.graph, lambda);
    let running = notation::of_state(process, shown.running);
    let name = "linear equation for psi = exp(-V/lambda)";
    let executes = "V = -lambda log psi inserted in the Hamilton-Jacobi-Bellman equation";
    Step::new(name, "hopf-cole; G G' = lambda B R^-1 B'", SOURCE)
        .executed(executes, evidence)
        .line(Formula::of("V = -lambda log psi,   lambda = {}", &[&price]))
        .line(Formula::of(
            "c psi = -lambda L psi + ({}) psi,   psi > 0",
            &[&running],
        ))
        .line("`c the lowest eigenvalue, psi its state without zeros; V up to a constant`")
}
