//! Identities about tables of points: memorisation and held-out rows.

use crate::comparison::effort::Effort;
use crate::comparison::expectation::Cloud;
use crate::comparison::reference_law::ReferenceLaw;
use crate::discretization::time_grid::TimeGrid;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::estimate::Estimate;
use crate::problem::format::card::CheckCard;
use crate::problem::meant::kind::REVERSE;
use crate::problem::meant::law::Law;
use crate::problem::meant::model::{Integrator, Spacing};
use crate::solvers::walk::reverse_sampling::Walk;
use crate::verification::identity::{Check, Finding, Identity, Measure, Measured, Settings, card};
use crate::verification::laws::flow_against_density;
use crate::verification::subject::{NotApplicable, Scope, Subject};
use crate::verification::verdict::Residual;

/// A sample is a copy when its nearest row is this much closer than its second nearest.
const COPY_RATIO: f64 = 1.0 / 3.0;
const STEPS: usize = 100;
const PATHS: usize = 4096;

/// The exact score of a table copies the table exactly as often as its noised law does.
///
/// ```text
/// law(Y_T) = ∫ p_T(y) p(x_0 | X_T = y) dy = p_{t_min}
/// ```
///
/// Executed: the fraction of generated samples (h = 1) that are copies of a training row — nearest row
/// three times closer than the second nearest — against the same fraction among draws of `p_{t_min}`.
///
/// # Source
/// The copy criterion is that of Yoon et al. (2023).
pub static MEMORISATION: Check = Check {
    card: CheckCard {
        tables_only: true,
        ..card("memorisation", REVERSE)
    },
    identities: &[Identity {
        equation: "P(copy of a training row) among generated samples = among draws of p_tmin",
        source: "the reverse process of a table ends in its noised rows; copy criterion of Yoon et al. (2023)",
        measure: Measure::claim(Scope::Optimum, &[], memorisation),
    }],
};

fn memorisation(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let Law::Samples(samples) = subject.lowered.data() else {
        return Err(NotApplicable::Needs("a table of samples as data"));
    };
    if samples.training.len() < 2 {
        return Err(NotApplicable::Needs("at least two training rows"));
    }
    let law = subject.law()?;
    let noising = subject.lowered.noising();
    let rows = Batch::from_rows(subject.dimension(), &samples.training);
    let budget = Effort::new(subject.lowered).evaluations * 2 / STEPS;
    let paths = settings.spec.samples.unwrap_or(budget.clamp(64, PATHS));
    let draw = |t: f64, name: &str| draws(law, t, paths, settings, name);
    let start = draw(noising.end(), "end");
    let grid = TimeGrid::new(noising, subject.t_min(), STEPS, Spacing::LogSnr);
    let generated = Walk {
        noising,
        score: &subject.claimed_score(),
        grid: &grid,
        noise_level: 1.0,
        integrator: Integrator::ExponentialEuler,
        stream: &settings.streams.role("generation"),
        block: block(),
    }
    .run(start.as_ref());
    let found = Estimate::from_samples(&copies(&generated, &rows));
    let expected = Estimate::from_samples(&copies(&draw(subject.t_min(), "truth"), &rows));
    let difference = found.minus(&expected);
    // A fraction of 0 or 1 still has the error of one count.
    let error = difference.error.max(1.0 / paths as f64);
    Ok(Finding::new(
        Residual::statistical(
            difference.value,
            error,
            0.0,
            settings.limit(0.1, 1.0),
            paths,
        ),
        format!(
            "copies: {:.3} of generated samples, {:.3} of draws of the noised table; bandwidth {}",
            found.value, expected.value, samples.bandwidth
        ),
    ))
}

fn draws(
    law: &ReferenceLaw<'_>,
    t: f64,
    points: usize,
    settings: &Settings<'_>,
    name: &str,
) -> Batch {
    law.draws(&[t], points, &settings.streams.scoped(name))
        .pop()
        .expect("one time was asked for")
}

/// 1 for points that copy a row, else 0.
fn copies(points: &Batch, rows: &Batch) -> Vec<f64> {
    map_blocks(points.points(), block(), |range| {
        let block = points.as_ref().rows(range);
        (0..block.points())
            .map(|i| {
                let [nearest, second] = two_nearest(&block.row(i), rows.as_ref());
                f64::from(nearest < COPY_RATIO * COPY_RATIO * second)
            })
            .collect::<Vec<f64>>()
    })
    .concat()
}

/// Squared distances to the two nearest rows.
fn two_nearest(point: &[f64], rows: BatchRef<'_>) -> [f64; 2] {
    let mut squares = vec![0.0; rows.points()];
    for (j, x) in point.iter().enumerate() {
        for (s, r) in squares.iter_mut().zip(rows.column(j)) {
            *s += (x - r) * (x - r);
        }
    }
    let mut nearest = [f64::INFINITY; 2];
    for s in squares {
        if s < nearest[0] {
            nearest = [s, nearest[0]];
        } else if s < nearest[1] {
            nearest[1] = s;
        }
    }
    nearest
}

/// The likelihood of held-out rows, two ways.
///
/// Executed as `likelihood`, at rows no solver has seen, which are not draws of the fitted law; the note
/// gives the mean on training rows too, the sign of overfitting.
pub static HOLDOUT_LIKELIHOOD: Check = Check {
    card: CheckCard {
        tables_only: true,
        ..card("holdout-nll", REVERSE)
    },
    identities: &[Identity {
        equation: "log p_T(x(T)) + int (div f - 1/2 D:grad s) dt = log p_tmin(x) at held-out rows",
        source: "instantaneous change of variables; Song et al. (2021), appendix D.2",
        measure: Measure::claim(Scope::Optimum, &[], holdout_likelihood),
    }],
};

fn holdout_likelihood(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let Law::Samples(samples) = subject.lowered.data() else {
        return Err(NotApplicable::Needs("a table of samples as data"));
    };
    if samples.holdout.is_empty() {
        return Err(NotApplicable::Needs("held-out rows (holdout = 0.2)"));
    }
    let density = subject.density()?;
    let d = subject.dimension();
    let points = settings
        .spec
        .samples
        .unwrap_or((Effort::new(subject.lowered).evaluations / 2000).clamp(8, 128));
    let x = Batch::from_rows(d, &samples.holdout[..points.min(samples.holdout.len())]);
    let mut finding = flow_against_density(subject, settings, &x)?;
    let mean = |rows: &[Vec<f64>]| {
        let cloud = Cloud::draws(Batch::from_rows(d, rows));
        let logs = cloud.map(|x| {
            let mut log = vec![0.0; x.points()];
            density.log_density(subject.t_min(), x, &mut log);
            log
        });
        -cloud.mean(&logs).value
    };
    finding.note = format!(
        "mean -log p: {:.4} on {} held-out rows, {:.4} on {} training rows; {}",
        mean(&samples.holdout),
        samples.holdout.len(),
        mean(&samples.training),
        samples.training.len(),
        finding.note
    );
    Ok(finding)
}
