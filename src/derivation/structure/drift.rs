//! What the drift is: affine, a gradient, a gradient plus a field across it.

use super::affine::{affine_part, nonaffine, nonaffine_terms};
use super::finding::{Finding, Steering, shown};
use super::gradient::{self, Asymmetry};
use super::noise::{noise_without_state, state_in_noise};
use crate::derivation::ground::as_typed::points;
use crate::derivation::ground::noising::Noising;
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
            Finding::found("gaussian", because)
        }
    };
    found.unlocking(
        "closed marginals and exact score",
        "f affine in the state, G free of it, the data a Gaussian mixture",
    )
}

/// The drift is a gradient.
pub(super) fn gradient(noising: &mut Noising, steering: Steering<'_>) -> Finding {
    let known = match steering {
        Steering::Stated {
            facts: Ok(facts), ..
        } => facts.gradient.clone(),
        _ => gradient::gradient(noising),
    };
    let found = match known {
        Ok(found) => Finding::found("gradient", found.because).by(found.evidence),
        Err(Asymmetry {
            pair: (i, j),
            difference,
        }) => {
            let words = shown(noising, difference);
            let because = format!("d f[{i}]/d x[{j}] - d f[{j}]/d x[{i}] = {words}");
            let nearest = symmetric_drift(noising, difference, i, j);
            Finding::missing("gradient", because, nearest).blocked_by(difference)
        }
    };
    found.unlocking(
        "Boltzmann law, potential",
        "d f[i]/d x[j] = d f[j]/d x[i] for every two states",
    )
}

/// The change of `f[i]` that makes one pair of the Jacobian symmetric.
fn symmetric_drift(noising: &mut Noising, difference: Expr, i: usize, j: usize) -> String {
    let state = noising.state.clone();
    let difference = noising.graph.expand(difference);
    if noising.graph.depends_on_any(difference, &state) {
        return format!("d f[{i}]/d x[{j}] made equal to d f[{j}]/d x[{i}]");
    }
    let balanced = noising.of(noising.drift[i] - difference * state[j]);
    let balanced = noising.graph.expand(balanced);
    format!("f[{i}] = {}", shown(noising, balanced))
}

/// `f = -grad U + l` with `l . grad U = 0` for a named function `U`.
pub(super) fn transverse(noising: &mut Noising, potentials: &[(String, Expr)]) -> Finding {
    let mut best: Option<(f64, String, Expr)> = None;
    for (name, potential) in potentials {
        let residual = across(noising, *potential);
        match noising.equal("l . grad U = 0", residual, 0) {
            Ok(evidence) => {
                let because = format!("f = -grad {name} + l with l.grad {name} = 0");
                return Finding::found("transverse", because)
                    .by(evidence)
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
    let rest = graph.pairwise(&noising.drift, &slope, |f, s| f + s);
    noising.dot(&rest, &slope)
}

/// The largest size of an expression at seeded points of the box `[-2, 2]^d`, and where.
fn worst(noising: &Noising, e: Expr) -> (f64, String) {
    let mut largest = (0.0, String::new());
    let places = points(&noising.state, noising.time, None, (0.0, 1.0));
    for at in places.iter().take(64) {
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
