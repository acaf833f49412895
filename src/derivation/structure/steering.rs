//! How control enters and what it costs.

use super::finding::{Finding, Steering};
use crate::derivation::control::{riccati, temperature};
use crate::derivation::ground::controlled::{self, Obstacle, take_apart};
use crate::derivation::ground::evidence::Evidence;
use crate::derivation::ground::matrix::as_multiple_of_identity;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::stated::Stated;

/// The second derivative of the drift in the control vanishes.
pub(super) fn control_affine(noising: &mut Noising, stated: &Stated) -> Finding {
    let found = match controlled::channel(&mut noising.graph, stated) {
        Ok(_) => Finding::found("control-affine", Evidence::Proved, "d2 drift / du2 = 0"),
        Err(obstacle) => Finding::missing(
            "control-affine",
            obstacle.to_string(),
            "let the control enter the drift linearly, as B(x,t) u",
        ),
    };
    found.unlocking("closed policy", "drift = b(x,t) + B(x,t) u")
}

/// The running cost is `q + 1/2 u'Ru` with `R > 0`.
pub(super) fn quadratic_control(noising: &mut Noising, stated: &Stated) -> Finding {
    let graph = &mut noising.graph;
    let checked = controlled::effort(graph, stated).and_then(|(_, effort)| {
        let smallest = controlled::positive(graph, stated, &effort)?;
        Ok((effort, smallest))
    });
    let found = match checked {
        Ok((effort, smallest)) => {
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
            Finding::found("quadratic-control", evidence, because)
        }
        Err(obstacle) => {
            let nearest = match &obstacle {
                Obstacle::CrossTerm { .. } => "complete the square in the control",
                Obstacle::NotPositive { .. } => "a positive price for every control",
                _ => "a running cost q(x,t) + 1/2 u'R(x,t) u",
            };
            Finding::missing("quadratic-control", obstacle.to_string(), nearest)
        }
    };
    found.unlocking(
        "closed policy",
        "running cost q + 1/2 u'Ru, R positive definite",
    )
}

/// At most six digits.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Affine drift, noise free of the state, quadratic costs.
pub(super) fn linear_quadratic(stated: &Stated) -> Finding {
    let lowered = take_apart(stated);
    let found = match lowered {
        Err(obstacle) => Finding::missing(
            "linear-quadratic",
            obstacle.to_string(),
            "control-affine drift and quadratic effort come first",
        ),
        Ok(mut controlled) => match riccati::linear_quadratic(&mut controlled) {
            Ok(_) => Finding::found(
                "linear-quadratic",
                Evidence::Proved,
                "drift affine, G, B and R free of the state, costs quadratic",
            ),
            Err(blocked) => {
                let found = Finding::missing(
                    "linear-quadratic",
                    blocked.words,
                    "drop or linearise that term",
                );
                match blocked.term {
                    Some(term) => found.blocked_by(term),
                    None => found,
                }
            }
        },
    };
    found.unlocking(
        "Riccati equation",
        "drift affine, G state-free, costs quadratic",
    )
}

/// `G G' = lambda B R^-1 B'`.
pub(super) fn hopf_cole(steering: Steering<'_>) -> Option<Finding> {
    let found = match steering {
        Steering::None => return None,
        // Reverse diffusion controls through its own noise, so this holds by construction.
        Steering::OwnNoise => Finding::found(
            "hopf-cole",
            Evidence::Proved,
            "B = G and R = I: B R^-1 B' = G G', lambda = 1",
        ),
        Steering::Stated(stated) => match take_apart(stated) {
            Err(obstacle) => Finding::missing(
                "hopf-cole",
                obstacle.to_string(),
                "control-affine drift and quadratic effort come first",
            ),
            Ok(mut controlled) => match temperature::temperature(&mut controlled) {
                Ok(found) => {
                    let graph = &controlled.process.graph;
                    let matrix = temperature::matrix_words(graph, &controlled.process.diffusivity);
                    Finding::found(
                        "hopf-cole",
                        found.evidence,
                        format!(
                            "G G' = {matrix} = lambda B R^-1 B', lambda = {}",
                            graph.text(found.value)
                        ),
                    )
                }
                Err(missing) => Finding::missing(
                    "hopf-cole",
                    missing.because,
                    missing.nearest.unwrap_or_else(|| {
                        "noise only where control acts, in proportion to B R^-1 B'".to_owned()
                    }),
                ),
            },
        },
    };
    Some(found.unlocking(
        "linear equation for exp(-V), path integral",
        "B R^-1 B' = D/lambda: noise only where control acts, priced alike",
    ))
}
