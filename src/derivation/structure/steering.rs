//! How control enters and what it costs.

use super::finding::{Finding, Steering};
use crate::derivation::control::temperature;
use crate::derivation::ground::controlled::{self, Obstacle};
use crate::derivation::ground::evidence::Evidence;
use crate::derivation::ground::matrix::as_multiple_of_identity;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::stated::Stated;
use crate::derivation::structure::facts::Facts;

/// The second derivative of the drift in the control vanishes.
pub(super) fn control_affine(noising: &mut Noising, stated: &Stated) -> Finding {
    let found = match controlled::channel(&mut noising.graph, stated) {
        Ok(_) => Finding::found("control-affine", "d2 drift / du2 = 0"),
        Err(obstacle) => Finding::missing(
            "control-affine",
            obstacle.to_string(),
            "let the control enter the drift linearly, as B(x,t) u",
        ),
    };
    found.unlocking("closed policy", "drift = b(x,t) + B(x,t) u")
}

/// The running cost is `l_0 + N.u + 1/2 u'Ru` with `R > 0`.
pub(super) fn quadratic_control(noising: &mut Noising, stated: &Stated) -> Finding {
    let graph = &mut noising.graph;
    let checked = controlled::effort(graph, stated).and_then(|cost| {
        let smallest = controlled::positive(graph, stated, &cost.matrix)?;
        Ok((cost.slope, cost.matrix, smallest))
    });
    let found = match checked {
        Ok((slope, effort, smallest)) => {
            let constant = effort
                .iter()
                .flatten()
                .all(|e| graph.as_number(*e).is_some());
            let matrix = match as_multiple_of_identity(graph, &effort) {
                Some(one) if graph.is_one(one) => "R = I".to_owned(),
                Some(price) if effort.len() == 1 => {
                    format!("R = {}", notation::brief(graph, price))
                }
                Some(price) => format!("R = {} I", notation::brief(graph, price)),
                None => "R".to_owned(),
            };
            let (evidence, because) = if constant {
                let because = format!("{matrix}, smallest eigenvalue {}", number(smallest));
                (Evidence::Proved, because)
            } else {
                let tested = Evidence::Tested {
                    points: 64,
                    largest_relative_difference: 0.0,
                };
                let because = format!("{matrix}, smallest eigenvalue at 64 points {smallest:.3}");
                (tested, because)
            };
            let linear = match slope.iter().all(|s| graph.is_zero(*s)) {
                true => "",
                false => "; linear terms completed to a square",
            };
            Finding::found("quadratic-control", because + linear).by(evidence)
        }
        Err(obstacle) => {
            let nearest = match &obstacle {
                Obstacle::NotPositive { .. } => "a positive price for every control",
                _ => "a running cost q(x,t) + N(x,t).u + 1/2 u'R(x,t) u",
            };
            Finding::missing("quadratic-control", obstacle.to_string(), nearest)
        }
    };
    found.unlocking(
        "closed policy",
        "running cost q + N.u + 1/2 u'Ru, R positive definite",
    )
}

/// At most six digits.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A structure that needs a closed minimiser.
pub(super) fn obstructed(name: &'static str, obstacle: &Obstacle) -> Finding {
    let nearest = "control-affine drift and quadratic effort come first";
    Finding::missing(name, obstacle.to_string(), nearest)
}

/// Affine drift, noise free of the state, quadratic costs.
pub(super) fn linear_quadratic(facts: Result<&Facts, &Obstacle>) -> Finding {
    const NAME: &str = "linear-quadratic";
    let found = match facts.map(|facts| &facts.quadratic) {
        Err(obstacle) => obstructed(NAME, obstacle),
        Ok(Ok(_)) => Finding::found(
            NAME,
            "drift affine, G, B and R free of the state, costs quadratic",
        ),
        Ok(Err(blocked)) => {
            Finding::missing(NAME, blocked.words.clone(), "drop or linearise that term")
                .blocked_by(blocked.term)
        }
    };
    found.unlocking(
        "Riccati equation",
        "drift affine, G state-free, costs quadratic",
    )
}

/// `G G' = lambda B R^-1 B'`.
pub(super) fn hopf_cole(process: &Noising, steering: Steering<'_>) -> Option<Finding> {
    const NAME: &str = "hopf-cole";
    let facts = match steering {
        Steering::None => return None,
        Steering::OwnNoise => None,
        Steering::Stated { facts, .. } => Some(facts.map(|facts| &facts.temperature)),
    };
    let found = match facts {
        // Reverse diffusion controls through its own noise, so this holds by construction.
        None => Finding::found(NAME, "B = G and R = I: B R^-1 B' = G G', lambda = 1"),
        Some(Err(obstacle)) => obstructed(NAME, obstacle),
        Some(Ok(Ok(found))) => {
            let matrix = temperature::matrix_words(&process.graph, &process.diffusivity);
            let lambda = process.graph.text(found.value);
            let because = format!("G G' = {matrix} = lambda B R^-1 B', lambda = {lambda}");
            Finding::found(NAME, because).by(found.evidence.clone())
        }
        Some(Ok(Err(missing))) => {
            let usual = "noise only where control acts, in proportion to B R^-1 B'";
            let nearest = missing.nearest.as_deref().unwrap_or(usual);
            Finding::missing(NAME, missing.because.clone(), nearest)
        }
    };
    Some(found.unlocking(
        "linear equation for exp(-V), path integral",
        "B R^-1 B' = D/lambda: noise only where control acts, priced alike",
    ))
}
