//! Closed-form derivatives against finite differences.

use crate::comparison::flow_likelihood::score_and_weighted_divergence;
use crate::discretization::noising::Noise;
use crate::field::{Differentiable, Field, LogDensity};
use crate::numeric::batch::Batch;
use crate::numeric::blocks::{block, map_blocks};
use crate::problem::format::card::CheckCard;
use crate::problem::meant::kind::{PINNED, SOLVED};
use crate::verification::bench::Bench;
use crate::verification::differences::{
    Stencil, Unknown, check_points, local_length, nan_max, noise_columns, norm, refined,
    relative_rms,
};
use crate::verification::identity::{
    Check, DERIVATION, Finding, Identity, Measure, Measured, Settings, card,
};
use crate::verification::subject::{Scope, Subject};
use crate::verification::verdict::Residual;

/// The score is the gradient of the log density, and its divergence is its divergence; where nobody claims a score,
/// derived coefficients are derivatives.
///
/// ```text
/// s = ∇ log p,      D : ∇s = Σ_k g_k·∂_{g_k} s
/// ```
///
/// Executed: the claimed score along the columns of G against differences of the claimed log density,
/// and the claimed weighted divergence against differences of the claimed score, at draws of `p_t`.
pub static DERIVATIVES: Check = Check {
    card: CheckCard {
        later: PINNED,
        ..card("derivatives", SOLVED)
    },
    identities: &[
        Identity {
            equation: "s = grad log p,  D:grad s = sum_k g_k . d_{g_k} s",
            source: "definition; closed-form derivatives against finite differences",
            measure: Measure::claim(Scope::Ingredients, &[], derivatives),
        },
        Identity {
            equation: "derived coefficients = forward-mode derivatives of the expressions as typed",
            source: "definition",
            measure: Measure::Problem {
                on: DERIVATION,
                needs: "no random point gave finite values",
                residual: cross_checked,
            },
        },
    ],
};

fn derivatives(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let cost = 8 * subject.lowered.noising().noises();
    let clouds = check_points(subject, settings, cost)?;
    let limit = settings.limit(if subject.closed_form { 1e-6 } else { 3e-2 }, 1.0);
    let residual = refined(
        subject.closed_form,
        limit,
        settings.spec.confidence,
        |step| {
            let worst = clouds.iter().map(|(t, x)| {
                let divergence = divergence_error(subject, *t, x, step);
                match subject.log_density {
                    Some(density) => {
                        nan_max(divergence, gradient_error(subject, density, *t, x, step))
                    }
                    None => divergence,
                }
            });
            worst.fold(0.0, nan_max)
        },
    );
    Ok(Finding::new(
        residual,
        format!(
            "{} against differences, relative",
            if subject.log_density.is_some() {
                "score and divergence"
            } else {
                "divergence of the score"
            }
        ),
    ))
}

fn gradient_error(
    subject: &Subject<'_>,
    density: &(dyn LogDensity + Send),
    t: f64,
    x: &Batch,
    step: f64,
) -> f64 {
    let length = local_length(subject.score, t, x.as_ref());
    let stencil = Stencil::new(density, t, x.as_ref());
    let mut score = Batch::zeros(x.points(), x.columns());
    subject.claimed_score().eval(t, x.as_ref(), score.as_mut());
    let units: Vec<Vec<f64>> = noise_columns(&subject.lowered.noising().noise(t), x.columns())
        .into_iter()
        .filter(|column| norm(column) > 0.0)
        .map(|column| {
            let size = norm(&column);
            column.iter().map(|g| g / size).collect()
        })
        .collect();
    let derivatives = stencil.along(
        Unknown::LogDensity,
        step * length,
        units.len(),
        |k, _, j| units[k][j],
    );
    let (mut residuals, mut scales) = (Vec::new(), Vec::new());
    for (unit, [first, _]) in units.iter().zip(&derivatives) {
        for (i, slope) in first.iter().enumerate() {
            let claimed: f64 = unit
                .iter()
                .enumerate()
                .map(|(j, u)| u * score.get(i, j))
                .sum();
            residuals.push(claimed - slope);
            scales.push(*slope);
        }
    }
    relative_rms(&residuals, &scales)
}

/// Differences of the claimed score along the columns of G, against the claimed divergence.
fn divergence_error(subject: &Subject<'_>, t: f64, x: &Batch, step: f64) -> f64 {
    let noise = subject.lowered.noising().noise(t);
    let field = subject.claimed_score();
    let length = local_length(subject.score, t, x.as_ref());
    let mut values = Batch::zeros(x.points(), x.columns());
    let mut claimed = vec![0.0; x.points()];
    if let Noise::Isotropic(_) = noise {
        score_and_weighted_divergence(&noise, &field, t, x.as_ref(), &mut values, &mut claimed);
    } else {
        // With a matrix G only the plain divergence is the field's own claim.
        field.eval_with_divergence(t, x.as_ref(), values.as_mut(), &mut claimed);
    }
    let factor = match &noise {
        Noise::Isotropic(g) => g * g,
        Noise::Matrix(_) => 1.0,
    };
    let step = step * length;
    let shifts = [(1.0, 8.0), (-1.0, -8.0), (2.0, -1.0), (-2.0, 1.0)];
    let (points, d) = (x.points(), x.columns());
    // One row per axis, shift and point, in few large blocks.
    let terms = map_blocks(d * shifts.len() * points, block(), |range| {
        let place = |row: usize| (row / (4 * points), (row / points) % 4, row % points);
        let mut moved = Batch::zeros(range.len(), d);
        for j in 0..d {
            for (m, row) in moved.column_mut(j).iter_mut().zip(range.clone()) {
                let (axis, shift, i) = place(row);
                *m = x.get(i, j)
                    + if axis == j {
                        shifts[shift].0 * step
                    } else {
                        0.0
                    };
            }
        }
        let mut shifted = Batch::zeros(range.len(), d);
        field.eval(t, moved.as_ref(), shifted.as_mut());
        range
            .enumerate()
            .map(|(place_in_block, row)| {
                let (axis, shift, i) = place(row);
                let weight = shifts[shift].1 * factor / (12.0 * step);
                (i, weight * shifted.get(place_in_block, axis))
            })
            .collect::<Vec<(usize, f64)>>()
    })
    .concat();
    let mut measured = vec![0.0; points];
    for (i, term) in terms {
        measured[i] += term;
    }
    let residuals: Vec<f64> = claimed.iter().zip(&measured).map(|(a, b)| a - b).collect();
    relative_rms(&residuals, &measured)
}

/// Derived coefficients against forward-mode derivatives of the expressions as typed.
fn cross_checked(bench: &Bench<'_>, settings: &Settings<'_>) -> Option<Finding> {
    let check = bench.derivation.cross_check.as_ref()?;
    let difference = check.largest_relative_difference;
    Some(Finding::new(
        Residual::deterministic(difference, 0.0, settings.tolerance(1e-9)),
        format!("largest relative difference at {} points", check.points),
    ))
}
