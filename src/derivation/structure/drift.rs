//! What the drift is: affine, a gradient, a gradient plus a field across it.

use super::affine::{affine_part, nonaffine, nonaffine_terms};
use super::finding::{Finding, shown};
use super::noise::{noise_without_state, state_in_noise};
use crate::derivation::ground::as_typed::points;
use crate::derivation::ground::evidence::{Evidence, equal};
use crate::derivation::ground::matrix::{self, as_multiple_of_identity};
use crate::derivation::ground::noising::{Noising, dot};
use crate::expr::Expr;
use crate::problem::meant::law::Law;

/// Affine drift, noise free of the state, a Gaussian mixture at the start.
pub(super) fn gaussian(noising: &mut Noising, start: Option<&Law>) -> Finding {
    let noise = state_in_noise(noising);
    let drift = nonaffine(noising);
    let components = match start {
        // Pinned ends are Gaussians without width.
        None => Some(1),
        Some(Law::LogDensity(_)) => None,
        Some(Law::Samples(samples)) => Some(samples.training.len()),
        Some(other) => other.mixture().map(|mixture| mixture.components()),
    };
    let found = match (&drift, &noise, components) {
        (Some((i, f)), _, _) => {
            let terms = nonaffine_terms(noising, *f);
            let kept = affine_part(noising, *f);
            Finding::missing(
                "gaussian",
                format!("f[{i}] is not affine: {}", shown(noising, terms)),
                format!("f[{i}] = {} (its affine terms)", shown(noising, kept)),
            )
            .blocked_by(terms)
        }
        (None, Some((i, k, name)), _) => {
            let nearest = noise_without_state(noising, *i, *k);
            let because = format!("G[{i}][{k}] contains {name}");
            Finding::missing("gaussian", because, nearest).blocked_by(noising.diffusion[*i][*k])
        }
        (None, None, None) => Finding::missing(
            "gaussian",
            "the data law is no Gaussian mixture",
            "data of family gaussian, mixture, curve or samples",
        ),
        (None, None, Some(count)) => {
            let because = if start.is_none() {
                "f is affine, G free of the state".to_owned()
            } else {
                format!(
                    "f is affine, G free of the state, the data a mixture of {count} Gaussian{}",
                    if count == 1 { "" } else { "s" }
                )
            };
            Finding::found("gaussian", Evidence::Proved, because)
        }
    };
    found.unlocking(
        "closed marginals and exact score",
        "f affine in the state, G free of it, the data a Gaussian mixture",
    )
}

/// The first pair of a vector field whose Jacobian is not symmetric, with the difference.
fn asymmetry(noising: &mut Noising, field: &[Expr]) -> Result<Evidence, (usize, usize, Expr)> {
    let mut evidence = Evidence::Proved;
    for i in 0..field.len() {
        for j in 0..i {
            let across = noising.graph.derivative(field[i], noising.state[j]);
            let back = noising.graph.derivative(field[j], noising.state[i]);
            if across == back {
                continue;
            }
            let claim = "the Jacobian is symmetric";
            match equal(&mut noising.graph, claim, across, back) {
                Ok(found) => evidence = evidence.and(found),
                Err(_) => {
                    let difference = noising.graph.sub(across, back);
                    return Err((i, j, difference));
                }
            }
        }
    }
    Ok(evidence)
}

/// The Jacobian of `f` is symmetric, or that of `D^-1 f` for constant `D`.
pub(super) fn gradient(noising: &mut Noising) -> Finding {
    let drift = noising.drift.clone();
    let found = match asymmetry(noising, &drift) {
        Ok(evidence) => {
            let because = if noising.dimension() == 1 {
                "one state"
            } else {
                "the Jacobian of f is symmetric"
            };
            Finding::found("gradient", evidence, because)
        }
        Err((i, j, difference)) => match in_metric(noising) {
            Some(evidence) => {
                Finding::found("gradient", evidence, "the Jacobian of D^-1 f is symmetric")
            }
            None => {
                let nearest = symmetric_drift(noising, difference, i, j);
                Finding::missing(
                    "gradient",
                    format!(
                        "d f[{i}]/d x[{j}] - d f[{j}]/d x[{i}] = {}",
                        shown(noising, difference)
                    ),
                    nearest,
                )
                .blocked_by(difference)
            }
        },
    };
    found.unlocking(
        "Boltzmann law, potential",
        "d f[i]/d x[j] = d f[j]/d x[i] for every two states",
    )
}

/// Whether `D^-1 f` is a gradient, for a constant `D` that is no multiple of the identity.
fn in_metric(noising: &mut Noising) -> Option<Evidence> {
    let mut moving = noising.state.clone();
    moving.push(noising.time);
    let diffusivity = noising.diffusivity.clone();
    let graph = &mut noising.graph;
    let constant = !diffusivity
        .iter()
        .flatten()
        .any(|e| graph.depends_on_any(*e, &moving));
    if !constant || as_multiple_of_identity(graph, &diffusivity).is_some() {
        return None;
    }
    let inverse = matrix::inverse(graph, &diffusivity)?;
    let drift = noising.drift.clone();
    let scaled = matrix::apply(graph, &inverse, &drift);
    asymmetry(noising, &scaled).ok()
}

/// The change of `f[i]` that makes one pair of the Jacobian symmetric.
fn symmetric_drift(noising: &mut Noising, difference: Expr, i: usize, j: usize) -> String {
    let state = noising.state.clone();
    let difference = noising.graph.expand(difference);
    if noising.graph.depends_on_any(difference, &state) {
        return format!("d f[{i}]/d x[{j}] made equal to d f[{j}]/d x[{i}]");
    }
    let rotation = noising.graph.mul(&[difference, state[j]]);
    let balanced = noising.graph.sub(noising.drift[i], rotation);
    let balanced = noising.graph.expand(balanced);
    format!("f[{i}] = {}", shown(noising, balanced))
}

/// `f = -grad U + l` with `l . grad U = 0` for a named function `U`.
pub(super) fn transverse(noising: &mut Noising, potentials: &[(String, Expr)]) -> Finding {
    let mut best: Option<(f64, String, Expr)> = None;
    for (name, potential) in potentials {
        let residual = across(noising, *potential);
        let zero = noising.graph.zero();
        match equal(&mut noising.graph, "l . grad U = 0", residual, zero) {
            Ok(evidence) => {
                return Finding::found(
                    "transverse",
                    evidence,
                    format!("f = -grad {name} + l with l.grad {name} = 0"),
                )
                .unlocking(TRANSVERSE.0, TRANSVERSE.1);
            }
            Err(_) => {
                let (size, place) = worst(noising, residual);
                if best.as_ref().is_none_or(|(least, _, _)| size < *least) {
                    let words = format!("l.grad {name} reaches {size:.3e} at {place}");
                    best = Some((size, words, residual));
                }
            }
        }
    }
    let found = match best {
        None => Finding::missing(
            "transverse",
            "no function of the state in [define] to take as potential",
            "define U with f = -grad U + l and l.grad U = 0",
        ),
        Some((_, words, residual)) => Finding::missing(
            "transverse",
            words,
            "turn l = f + grad U until it is orthogonal to grad U, as c*(D(U, y), -D(U, x)) is",
        )
        .blocked_by(residual),
    };
    found.unlocking(TRANSVERSE.0, TRANSVERSE.1)
}

const TRANSVERSE: (&str, &str) = (
    "exact quasipotential 2 U",
    "f = -grad U + l and l.grad U = 0 for a U from [define]",
);

/// `(f + grad U) . grad U`.
pub fn across(noising: &mut Noising, potential: Expr) -> Expr {
    let slope = noising.gradient(potential);
    let graph = &mut noising.graph;
    let rest: Vec<Expr> = noising
        .drift
        .iter()
        .zip(&slope)
        .map(|(f, s)| graph.add(&[*f, *s]))
        .collect();
    dot(graph, &rest, &slope)
}

/// The largest size of an expression at seeded points of the box `[-2, 2]^d`, and where.
fn worst(noising: &Noising, e: Expr) -> (f64, String) {
    let mut largest = (0.0, String::new());
    for at in points(&noising.state, noising.time, None, (0.0, 1.0))
        .iter()
        .take(64)
    {
        let Some(value) = noising.graph.evaluate(e, at) else {
            continue;
        };
        if value.abs() > largest.0 {
            let place: Vec<String> = noising
                .state
                .iter()
                .zip(at)
                .map(|(x, (_, v))| format!("{} = {v:.2}", noising.graph.text(*x)))
                .collect();
            largest = (value.abs(), place.join(", "));
        }
    }
    largest
}
