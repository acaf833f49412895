//! Identities of expectations at fixed times: score matching, score moments, entropy balance.

use crate::comparison::effort::Effort;
use crate::comparison::expectation::{Cloud, clouds, trapezoid, weighted_sum};
use crate::discretization::noising::GaussianKernel;
use crate::discretization::time_grid::TimeGrid;
use crate::field::Field;
use crate::field::draws::{draw_mixture, draw_transition};
use crate::numeric::batch::Batch;
use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::digits::significant;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::problem::meant::kind::REVERSE;
use crate::problem::meant::model::Spacing;
use crate::verification::differences::check_times;
use crate::verification::identity::{Check, Finding, Identity, Measure, Measured, Settings, card};
use crate::verification::subject::{NotApplicable, Scope, Subject};
use crate::verification::trial::tried;
use crate::verification::verdict::Residual;
use gauss_quad::GaussLegendre;
use nalgebra::{DMatrix, DVector};
use std::num::NonZeroUsize;

/// Times of a pooled expectation.
const TIMES: usize = 6;
/// Relative tolerances: by draws, by quadrature with closed forms, by quadrature with tabulated fields.
const BY_DRAWS: f64 = 5e-2;
const BY_LATTICE: f64 = 1e-6;
const BY_TABLE: f64 = 2e-2;
/// Entropy balance by draws, relative to the dissipation that the drift nearly cancels.
const ENTROPY_BY_DRAWS: f64 = 1e-2;
/// A trial field other than the score is only as smooth as its solver made it.
const BY_LATTICE_OF_SOLVER: f64 = 1e-3;

/// Draws at a time, at most: pointwise expectations are cheap.
const DRAWS: usize = 32_768;

/// The law at each of `times` as weighted points.
fn laws(
    subject: &Subject<'_>,
    settings: &Settings<'_>,
    times: &[f64],
    fields: usize,
) -> Result<Vec<Cloud>, NotApplicable> {
    let law = subject.law()?;
    let budget = Effort::new(subject.lowered).evaluations / (times.len() * fields);
    let wanted = settings.spec.samples.unwrap_or(budget.clamp(64, DRAWS));
    Ok(clouds(
        subject.lowered,
        law,
        times,
        fields,
        Some(wanted),
        &settings.streams,
    ))
}

/// The average over times of the expectations of values known at the clouds.
fn pooled(values: &[Vec<f64>], clouds: &[Cloud], limit: f64) -> Residual {
    let weights = vec![1.0 / clouds.len() as f64; clouds.len()];
    let mean = weighted_sum(clouds, &weights, values);
    if clouds[0].is_statistical() {
        let samples = clouds.iter().map(|c| c.points.points()).sum();
        Residual::statistical(mean.value, mean.error, 0.0, limit, samples)
    } else {
        Residual::deterministic(mean.value, mean.error, limit)
    }
}

fn default_tolerance(subject: &Subject<'_>, cloud: &Cloud) -> f64 {
    if cloud.is_statistical() {
        BY_DRAWS
    } else if !subject.closed_form {
        BY_TABLE
    } else if subject.trial.is_some() {
        BY_LATTICE_OF_SOLVER
    } else {
        BY_LATTICE
    }
}

/// Explicit and implicit score matching differ by a constant.
///
/// ```text
/// ½E|ŝ − s|²  =  E[½|ŝ|² + ∇·ŝ] + ½E|s|²
/// ```
///
/// Executed at six times, both sides on common points of `p_t` (lattice up to two states, draws above);
/// the difference over `E|s|²`, averaged over times. ŝ is the solver's field; on the reference a seeded
/// perturbation of the score.
///
/// # Source
/// Hyvärinen, *Estimation of non-normalized statistical models by score matching* (2005), theorem 1.
pub static EXPLICIT_IMPLICIT: Check = Check {
    card: card("explicit-implicit", REVERSE),
    identities: &[Identity {
        equation: "1/2 E|v - s|^2 = E[1/2 |v|^2 + div v] + 1/2 E|s|^2",
        source: "integration by parts; Hyvarinen (2005), theorem 1",
        measure: Measure::claim(
            Scope::EveryField,
            &["integrate by parts"],
            explicit_implicit,
        ),
    }],
};

fn explicit_implicit(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let times = check_times(subject, TIMES);
    let clouds = laws(subject, settings, &times, 2)?;
    let trial = tried(subject, &settings.streams, 0.5)?;
    let score = subject.claimed_score();
    let factor = subject.claims.score_divergence;
    let mut losses = [0.0; 2];
    let differences: Vec<Vec<f64>> = times
        .iter()
        .zip(&clouds)
        .map(|(t, cloud)| {
            let sides = cloud.map(|x| {
                let mut s = Batch::zeros(x.points(), x.columns());
                let mut v = Batch::zeros(x.points(), x.columns());
                let mut divergence = vec![0.0; x.points()];
                score.eval(*t, x, s.as_mut());
                trial.eval_with_divergence(*t, x, v.as_mut(), &mut divergence);
                (0..x.points())
                    .map(|i| {
                        let (s, v) = (s.row(i), v.row(i));
                        let explicit = 0.5 * squared_distance(&v, &s);
                        let implicit = 0.5 * square(&v) + factor * divergence[i];
                        [explicit, implicit, square(&s)]
                    })
                    .collect()
            });
            let column =
                |f: &dyn Fn(&[f64; 3]) -> f64| -> Vec<f64> { sides.iter().map(f).collect() };
            let information = cloud.mean(&column(&|v| v[2])).value;
            losses[0] += cloud.mean(&column(&|v| v[0])).value / information;
            losses[1] += cloud.mean(&column(&|v| v[1])).value / information;
            column(&|v| (v[0] - v[1] - 0.5 * v[2]) / information)
        })
        .collect();
    let limit = settings.limit(default_tolerance(subject, &clouds[0]), 1.0);
    Ok(Finding::new(
        pooled(&differences, &clouds, limit),
        format!(
            "over E|s|^2, mean of {TIMES} times; explicit {}, implicit {}",
            significant(losses[0] / TIMES as f64, 4),
            significant(losses[1] / TIMES as f64, 4)
        ),
    ))
}

fn square(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum()
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// `∇ log p(x_t | x_0) = −C⁻¹ (x_t − m(x_0))` and its mean square `tr C⁻¹`.
struct ConditionalScore<'a> {
    kernel: &'a GaussianKernel,
    precision: DMatrix<f64>,
}

impl<'a> ConditionalScore<'a> {
    fn new(kernel: &'a GaussianKernel) -> Option<Self> {
        let d = kernel.shift.len();
        let covariance = kernel.covariance.dense(d);
        Some(Self {
            kernel,
            precision: covariance.cholesky()?.inverse(),
        })
    }

    fn at(&self, x: &[f64], start: &[f64]) -> Vec<f64> {
        let offset = DVector::from_column_slice(x) - DVector::from_vec(self.kernel.mean(start));
        (-(&self.precision * offset)).iter().copied().collect()
    }
}

/// Explicit and denoising score matching differ by a constant.
///
/// ```text
/// ½E|ŝ − s|²  =  ½E|ŝ(X_t) − ∇log p(X_t|X_0)|² − ½( tr C_t⁻¹ − E|s|² )
/// ```
///
/// Executed at six times on pairs (X_0, X_t) of the noising process; the difference over `tr C_t⁻¹`,
/// averaged over times.
///
/// # Source
/// Vincent, *A connection between score matching and denoising autoencoders* (2011).
pub static EXPLICIT_DENOISING: Check = Check {
    card: card("explicit-denoising", REVERSE),
    identities: &[Identity {
        equation: "1/2 E|v - s|^2 = 1/2 E|v - grad log p(X_t|X_0)|^2 - 1/2 (tr C_t^-1 - E|s|^2)",
        source: "E[grad log p(X_t|X_0) | X_t] = s; Vincent (2011)",
        measure: Measure::claim(Scope::EveryField, &["condition on X_0"], explicit_denoising),
    }],
};

fn explicit_denoising(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let data = subject
        .lowered
        .data()
        .mixture()
        .ok_or(NotApplicable::Needs("draws of the data"))?;
    let times = check_times(subject, TIMES);
    let trial = tried(subject, &settings.streams, 0.5)?;
    let score = subject.claimed_score();
    let budget = Effort::new(subject.lowered).evaluations / (2 * TIMES);
    let points = settings.spec.samples.unwrap_or(budget.clamp(64, DRAWS));
    let (mut value, mut variance) = (0.0, 0.0);
    for (n, t) in times.iter().enumerate() {
        let kernel = subject
            .lowered
            .noising()
            .kernel(*t)
            .ok_or(NotApplicable::Needs(
                "an affine drift (Gaussian transition)",
            ))?;
        let conditional = ConditionalScore::new(&kernel).ok_or(NotApplicable::Needs(
            "noise in every direction at the checked times",
        ))?;
        let stream = settings.streams.role(&format!("pairs-{n}"));
        let start = draw_mixture(&data, &stream, 0, points);
        let (x, _) = draw_transition(&kernel, start.as_ref(), &stream, 0);
        let floor = conditional.precision.trace();
        let differences = map_blocks(points, block(), |range| {
            let (x, start) = (x.as_ref().rows(range.clone()), start.as_ref().rows(range));
            let mut s = Batch::zeros(x.points(), x.columns());
            let mut v = Batch::zeros(x.points(), x.columns());
            score.eval(*t, x, s.as_mut());
            trial.eval(*t, x, v.as_mut());
            (0..x.points())
                .map(|i| {
                    let (s, v) = (s.row(i), v.row(i));
                    let c = conditional.at(&x.row(i), &start.row(i));
                    let explicit = 0.5 * squared_distance(&v, &s);
                    let denoising = 0.5 * squared_distance(&v, &c);
                    (explicit - denoising + 0.5 * (floor - square(&s))) / floor
                })
                .collect::<Vec<f64>>()
        })
        .concat();
        let estimate = Estimate::from_samples(&differences);
        value += estimate.value / TIMES as f64;
        variance += (estimate.error / TIMES as f64).powi(2);
    }
    let limit = settings.limit(BY_DRAWS, 1.0);
    Ok(Finding::new(
        Residual::statistical(value, variance.sqrt(), 0.0, limit, points * TIMES),
        format!("over tr C_t^-1, mean of {TIMES} times x {points} pairs"),
    ))
}

/// Moments of the score.
///
/// ```text
/// E[v·s] = 0  (any constant v),      E[(x − m)·s] = −d
/// ```
///
/// Executed at six times for a seeded unit vector v, each relative to its natural size (`rms v·s`, d); the
/// larger of the two averages.
///
/// # Source
/// Integration by parts against `p_t` (Stein's identity).
pub static SCORE_IDENTITY: Check = Check {
    card: card("score-identity", REVERSE),
    identities: &[Identity {
        equation: "E[v.s] = 0,  E[(x - m).s] = -d",
        source: "Stein's identity",
        measure: Measure::claim(Scope::Optimum, &[], score_identity),
    }],
};

fn score_identity(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let times = check_times(subject, TIMES);
    let clouds = laws(subject, settings, &times, 1)?;
    let score = subject.claimed_score();
    let d = subject.dimension();
    let mut direction = Batch::zeros(1, d);
    settings
        .streams
        .role("direction")
        .normals(0, 0, direction.as_mut());
    let direction = direction.row(0);
    let length = square(&direction).sqrt();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for (t, cloud) in times.iter().zip(&clouds) {
        let mean: Vec<f64> = (0..d)
            .map(|j| cloud.mean(cloud.points.column(j)).value)
            .collect();
        let values = cloud.map(|x| {
            let mut s = Batch::zeros(x.points(), d);
            score.eval(*t, x, s.as_mut());
            (0..x.points())
                .map(|i| {
                    let (x, s) = (x.row(i), s.row(i));
                    let along: f64 = direction.iter().zip(&s).map(|(v, s)| v * s).sum();
                    let radial: f64 = (0..d).map(|j| (x[j] - mean[j]) * s[j]).sum();
                    [along / length, radial / d as f64 + 1.0]
                })
                .collect()
        });
        let column = |k: usize| -> Vec<f64> { values.iter().map(|v| v[k]).collect() };
        let along = column(0);
        let squares: Vec<f64> = along.iter().map(|a| a * a).collect();
        let size = cloud.mean(&squares).value.sqrt();
        first.push(along.iter().map(|a| a / size).collect::<Vec<f64>>());
        second.push(column(1));
    }
    let limit = settings.limit(default_tolerance(subject, &clouds[0]), 1.0);
    let [mean, radial] = [first, second].map(|e| pooled(&e, &clouds, limit));
    let bar = |r: &Residual| r.distance() + r.error_bar(settings.spec.confidence);
    let residual = if bar(&mean) > bar(&radial) {
        mean
    } else {
        radial
    };
    Ok(Finding::new(
        residual,
        format!(
            "E[v.s] {}, (E[(x-m).s] + d)/d {}, mean of {TIMES} times",
            significant(mean.measured, 2),
            significant(radial.measured, 2)
        ),
    ))
}

/// Entropy balance of the noising process.
///
/// ```text
/// H(p_T) − H(p_{t_min}) = ∫ ( E[∇·f] + ½ E[sᵀ D s] ) dt
/// ```
///
/// Executed: entropies from the claimed log density, the integral from the claimed score by Gauss–Legendre
/// panels in time; the price ½ is the claimed one.
///
/// # Source
/// De Bruijn's identity.
pub static ENTROPY_BALANCE: Check = Check {
    card: card("entropy-balance", REVERSE),
    identities: &[Identity {
        equation: "H(p_T) - H(p_tmin) = int ( E[div f] + 1/2 E[s' D s] ) dt",
        source: "de Bruijn's identity",
        measure: Measure::claim(Scope::Optimum, &[], entropy_balance),
    }],
};

/// Panels of the time integral and Gauss nodes per panel, two rules.
const PANELS: usize = 8;
const NODES: usize = 8;

fn entropy_balance(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let density = subject.density()?;
    let noising = subject.lowered.noising();
    let ends = [subject.t_min(), noising.end()];
    let end_clouds = laws(subject, settings, &ends, 1)?;
    let information = [0, 1].map(|n| {
        end_clouds[n].map(|x| {
            let mut log = vec![0.0; x.points()];
            density.log_density(ends[n], x, &mut log);
            log.iter().map(|l| -l).collect()
        })
    });
    let difference = weighted_sum(&end_clouds, &[-1.0, 1.0], &information);
    let fine = production(subject, settings, NODES)?;
    let change = difference.value;
    let measured = change - fine.value;
    let statistical = [difference, fine]
        .iter()
        .any(|e| e.kind == ErrorKind::StandardError);
    let residual = if statistical {
        // Lattices at the ends have errors far below those of draws.
        let error = difference.error.hypot(fine.error);
        let limit = settings.limit(ENTROPY_BY_DRAWS, dissipation(subject, settings)?);
        let samples = end_clouds[0].points.points();
        Residual::statistical(measured, error, 0.0, limit, samples)
    } else {
        let default = if subject.closed_form {
            BY_LATTICE
        } else {
            BY_TABLE
        };
        let scale = fine.value.abs().max(change.abs()).max(1.0);
        // Neighbouring orders: the finer rule is far better than their difference.
        let quadrature = (production(subject, settings, NODES - 1)?.value - fine.value).abs();
        let bias = difference.error + fine.error + 0.1 * quadrature;
        Residual::deterministic(measured, bias, settings.limit(default, scale))
    };
    Ok(Finding::new(
        residual,
        format!(
            "entropy change {change:.6}, production integral {:.6}",
            fine.value
        ),
    ))
}

/// `½ ∫ E[sᵀDs] dt` roughly, the scale of what cancels: from a few draws at the panel ends.
fn dissipation(subject: &Subject<'_>, settings: &Settings<'_>) -> Result<f64, NotApplicable> {
    let noising = subject.lowered.noising();
    let law = subject.law()?;
    let grid = TimeGrid::new(noising, subject.t_min(), PANELS, Spacing::LogSnr);
    let streams = settings.streams.scoped("dissipation");
    let total = grid
        .nodes()
        .iter()
        .zip(law.draws(grid.nodes(), 128, &streams))
        .zip(trapezoid(grid.nodes()))
        .map(|((t, x), weight)| {
            let mut s = Batch::zeros(x.points(), x.columns());
            subject.score.eval(*t, x.as_ref(), s.as_mut());
            let mut u = Batch::zeros(x.points(), noising.noises());
            noising.noise(*t).control(s.as_ref(), u.as_mut());
            weight * 0.5 * square(u.as_slice()) / x.points() as f64
        })
        .sum();
    Ok(total)
}

/// `∫ ( E[∇·f] + effort E[sᵀDs] ) dt` with the claimed constants.
fn production(
    subject: &Subject<'_>,
    settings: &Settings<'_>,
    nodes: usize,
) -> Result<Estimate, NotApplicable> {
    let noising = subject.lowered.noising();
    let panels = TimeGrid::new(noising, subject.t_min(), PANELS, Spacing::LogSnr);
    let rule = GaussLegendre::new(NonZeroUsize::new(nodes).expect("a rule has nodes"));
    let (mut times, mut weights) = (Vec::new(), Vec::new());
    for pair in panels.nodes().windows(2) {
        let (middle, half) = (0.5 * (pair[0] + pair[1]), 0.5 * (pair[1] - pair[0]));
        let mut panel: Vec<(f64, f64)> = rule
            .iter()
            .map(|(node, weight)| (middle + half * node, half * weight))
            .collect();
        panel.sort_by(|a, b| a.0.total_cmp(&b.0));
        times.extend(panel.iter().map(|p| p.0));
        weights.extend(panel.iter().map(|p| p.1));
    }
    let streams = Settings {
        streams: settings.streams.scoped("production"),
        ..*settings
    };
    let clouds = laws(subject, &streams, &times, 1)?;
    let score = subject.claimed_score();
    let mut rates = Vec::new();
    for (t, cloud) in times.iter().zip(&clouds) {
        let noise = noising.noise(*t);
        rates.push(cloud.map(|x| {
            let mut s = Batch::zeros(x.points(), x.columns());
            score.eval(*t, x, s.as_mut());
            let mut u = Batch::zeros(x.points(), noising.noises());
            noise.control(s.as_ref(), u.as_mut());
            let mut rate = vec![0.0; x.points()];
            noising.drift_divergence(*t, x, &mut rate);
            rate.iter_mut()
                .for_each(|r| *r *= subject.claims.divergence);
            for j in 0..u.columns() {
                for (r, u) in rate.iter_mut().zip(u.column(j)) {
                    *r += subject.claims.effort * u * u;
                }
            }
            rate
        }));
    }
    Ok(weighted_sum(&clouds, &weights, &rates))
}
