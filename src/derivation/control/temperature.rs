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
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::controlled::{ControlledDiffusion, matrix_text};
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
use crate::derivation::ground::matrix::{Matrix, as_multiple_of_identity};
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::expr::{Expr, Graph};
use nalgebra::DMatrix;

const SOURCE: &str = "Fleming & Soner (2006), chapter VI; Kappen (2005); Todorov (2009)";

/// A temperature and how the proportionality was made sure of.
#[derive(Clone, Debug, PartialEq)]
pub struct Temperature {
    pub value: Expr,
    pub evidence: Evidence,
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
    let authority = controlled.authority();
    let diffusivity = controlled.process.diffusivity.clone();
    if !controlled.process.graph.is_zero(controlled.discount) {
        return Err(NoTemperature {
            because: "the discount would add a term psi log psi".to_owned(),
            nearest: Some("leave out cost.discount".to_owned()),
        });
    }
    let mut moving = controlled.process.state.clone();
    moving.push(controlled.process.time);
    let graph = &mut controlled.process.graph;
    let Some(value) = ratio(graph, &diffusivity, &authority) else {
        return Err(NoTemperature {
            because: "the control does not act on the state: B R^-1 B' = 0".to_owned(),
            nearest: None,
        });
    };
    let mut evidence = Evidence::Proved;
    for (wide, narrow) in diffusivity.iter().flatten().zip(authority.iter().flatten()) {
        let expected = graph.mul(&[value, *narrow]);
        match equal(graph, "G G' = lambda B R^-1 B'", *wide, expected) {
            Ok(found) => evidence = evidence.and(found),
            Err(_) => {
                let because = both_matrices(graph, &diffusivity, &authority);
                let nearest = nearest(graph, &diffusivity, &authority);
                return Err(NoTemperature { because, nearest });
            }
        }
    }
    if graph.is_provably_zero(value) {
        return Err(NoTemperature {
            because: "there is no noise where the control acts, so lambda would be 0".to_owned(),
            nearest: Some("add noise through the control channel".to_owned()),
        });
    }
    if graph.depends_on_any(value, &moving) {
        return Err(NoTemperature {
            because: format!(
                "G G' = lambda B R^-1 B' only with lambda = {}, which is no constant",
                graph.text(value)
            ),
            nearest: Some("let the effort R vary as the inverse of G G'".to_owned()),
        });
    }
    Ok(Temperature { value, evidence })
}

/// `a_ij / b_ij` at the first entry where `b` does not vanish.
fn ratio(graph: &mut Graph, a: &[Vec<Expr>], b: &[Vec<Expr>]) -> Option<Expr> {
    for (above, below) in a.iter().flatten().zip(b.iter().flatten()) {
        if !graph.is_provably_zero(*below) {
            let quotient = graph.div(*above, *below);
            return Some(notation::tidy(graph, quotient));
        }
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
    let diagonal = matrix.iter().enumerate().all(|(i, row)| {
        let mut entries = row.iter().enumerate();
        entries.all(|(j, entry)| i == j || graph.is_zero(*entry))
    });
    if diagonal && matrix.len() > 1 {
        let entries: Vec<String> = matrix
            .iter()
            .enumerate()
            .map(|(i, row)| notation::brief(graph, row[i]))
            .collect();
        return format!("diag({})", entries.join(", "));
    }
    let longest = matrix.iter().flatten().map(|e| graph.text(*e).len()).max();
    if longest.is_some_and(|n| n > 40) {
        return format!(
            "a full {0} x {0} matrix that depends on state or time",
            matrix.len()
        );
    }
    matrix_text(graph, matrix)
}

/// The rank where all entries are numbers.
fn rank(graph: &Graph, matrix: &[Vec<Expr>]) -> Option<usize> {
    let values: Option<Vec<f64>> = matrix
        .iter()
        .flatten()
        .map(|entry| graph.evaluate(*entry, &[]))
        .collect();
    let values = values?;
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
    let d = wide.len();
    let idle: Vec<usize> = (0..d)
        .filter(|i| graph.is_provably_zero(narrow[*i][*i]))
        .collect();
    let noisy_idle: Vec<usize> = idle
        .iter()
        .copied()
        .filter(|i| !graph.is_provably_zero(wide[*i][*i]))
        .collect();
    let keep: Vec<usize> = (0..d).filter(|i| !idle.contains(i)).collect();
    let part = |matrix: &Matrix| -> Matrix {
        keep.iter()
            .map(|i| keep.iter().map(|j| matrix[*i][*j]).collect())
            .collect()
    };
    let (inner, acting) = (part(wide), part(narrow));
    let value = ratio(graph, &inner, &acting)?;
    let proportional = |graph: &mut Graph| {
        inner
            .iter()
            .flatten()
            .zip(acting.iter().flatten())
            .all(|(a, b)| {
                let expected = graph.mul(&[value, *b]);
                let difference = graph.sub(*a, expected);
                graph.is_provably_zero(difference)
            })
    };
    if !noisy_idle.is_empty() && !graph.is_provably_zero(value) && proportional(graph) {
        let rows: Vec<String> = noisy_idle
            .iter()
            .map(|i| format!("dynamics.diffusion[{i}]"))
            .collect();
        return Some(format!(
            "set {} to 0 (noise only where control acts) -> lambda = {}",
            rows.join(" and "),
            graph.text(value)
        ));
    }
    if noisy_idle.is_empty() {
        let silent: Vec<String> = keep
            .iter()
            .filter(|i| graph.is_provably_zero(wide[**i][**i]))
            .map(|i| format!("dynamics.diffusion[{i}]"))
            .collect();
        if !silent.is_empty() {
            return Some(format!(
                "add noise where control acts: {} is 0 there",
                silent.join(" and ")
            ));
        }
        // Same support: the prices do not fit the noise.
        if rank(graph, wide).is_none() || rank(graph, narrow).is_none() {
            return None;
        }
        let ratios: Vec<String> = keep
            .iter()
            .map(|i| {
                let quotient = graph.div(wide[*i][*i], narrow[*i][*i]);
                let quotient = notation::tidy(graph, quotient);
                graph.text(quotient)
            })
            .collect();
        return Some(format!(
            "scale the prices of the controls so that the ratios {} become one number",
            ratios.join(", ")
        ));
    }
    None
}

/// `psi_t + L psi - (q / lambda) psi`.
pub fn residual(controlled: &mut ControlledDiffusion, lambda: Expr, psi: Expr) -> Expr {
    let process = &mut controlled.process;
    let drift = process.drift.clone();
    let generated = process.generator(&drift, psi);
    let graph = &mut process.graph;
    let rate = graph.derivative(psi, process.time);
    let killed = graph.mul(&[controlled.running, psi]);
    let killed = graph.div(killed, lambda);
    let killed = graph.neg(killed);
    graph.add(&[rate, generated, killed])
}

/// The linear equation.
pub fn equation(controlled: &mut ControlledDiffusion, lambda: Expr) -> Equation {
    let psi = controlled.process.field("psi");
    let residual = residual(controlled, lambda, psi);
    let horizon = controlled.process.constant("T");
    let end = controlled.process.at_time("psi", horizon);
    let graph = &mut controlled.process.graph;
    let exponent = graph.div(controlled.terminal, lambda);
    let exponent = graph.neg(exponent);
    let there = graph.exp(exponent);
    Equation {
        id: "hopf-cole",
        unknown: psi,
        residual,
        closes_with: vec![graph.sub(end, there)],
        assumes: vec![Assumption::SmoothValue],
        source: SOURCE,
    }
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
    let graph = &mut controlled.process.graph;
    let log = graph.log(psi);
    let value = graph.mul(&[lambda, log]);
    let value = graph.neg(value);
    let transformed = bellman::residual(controlled, value);
    let graph = &mut controlled.process.graph;
    let quotient = graph.div(residual, psi);
    let scaled = graph.mul(&[lambda, quotient]);
    let expected = graph.neg(scaled);
    let claim = "V = -lambda log psi makes the equation linear";
    equal(graph, claim, transformed, expected)
}

/// The step.
///
/// # Errors
/// [`Refuted`] if the transformation does not linearise.
pub fn step(
    exact: &mut ControlledDiffusion,
    shown: &mut ControlledDiffusion,
    temperature: &Temperature,
    written: Expr,
) -> Result<Step, Refuted> {
    let lambda = temperature.value;
    let equation = equation(exact, lambda);
    let evidence = execute(exact, lambda, equation.unknown, equation.residual)?
        .and(temperature.evidence.clone());
    let process = &mut shown.process;
    let price = notation::expression(&mut process.graph, written);
    let number = notation::expression(&mut exact.process.graph, lambda);
    let end = notation::time_of_end(process, shown.horizon.1);
    let killed = if process.graph.is_zero(shown.running) {
        Formula::new("", "")
    } else {
        let rate = process.graph.div(shown.running, written);
        let rate = notation::of_state(process, rate);
        Formula::new(
            format!(" - ({}) psi", rate.text),
            format!(" - \\left({}\\right) \\psi", rate.latex),
        )
    };
    let exponent = process.graph.div(shown.terminal, written);
    let exponent = notation::of_state(process, exponent);
    let lambda_text = if price.text == number.text {
        Formula::new(price.text.clone(), price.latex)
    } else {
        Formula::new(
            format!("{} = {}", price.text, number.text),
            format!("{} = {}", price.latex, number.latex),
        )
    };
    let cost = if process.graph.is_zero(shown.running) {
        ("Phi(X_T)", "\\Phi(X_T)")
    } else {
        (
            "(int_t^T q ds + Phi(X_T))",
            "\\left(\\int_t^T q \\, ds + \\Phi(X_T)\\right)",
        )
    };
    Ok(Step::new(
        "linear equation for psi = exp(-V/lambda)",
        "hopf-cole; G G' = lambda B R^-1 B'",
        SOURCE,
        "V = -lambda log psi inserted in the Hamilton-Jacobi-Bellman equation",
        evidence,
    )
    .line(
        format!("V = -lambda log psi,   lambda = {}", lambda_text.text),
        format!(
            "V = -\\lambda \\log \\psi, \\qquad \\lambda = {}",
            lambda_text.latex
        ),
    )
    .line(
        format!(
            "-psi_t = L psi{},   psi(x,{}) = exp(-({}))",
            killed.text, end.text, exponent.text
        ),
        format!(
            "-\\psi_t = L \\psi{}, \\qquad \\psi(x,{}) = e^{{-\\left({}\\right)}}",
            killed.latex, end.latex, exponent.latex
        ),
    )
    .line(
        format!(
            "psi(x,t) = E[ exp(-{}/lambda) | X_t = x ],   X uncontrolled   (Feynman-Kac)",
            cost.0
        ),
        format!(
            "\\psi(x,t) = \\mathbb{{E}}\\left[ e^{{-{}/\\lambda}} \\mid X_t = x \\right]",
            cost.1
        ),
    )
    .about(equation))
}
