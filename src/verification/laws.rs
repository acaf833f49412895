//! Identities of laws: path divergence, the h-family, the flow likelihood.

use crate::comparison::effort::Effort;
use crate::comparison::expectation::{Cloud, clouds};
use crate::comparison::flow_likelihood::carry;
use crate::comparison::generated::mixture_log_density;
use crate::discretization::noising::{GaussianKernel, MeanMap, Transition};
use crate::discretization::time_grid::TimeGrid;
use crate::field::draws::draw_transition;
use crate::field::{Differentiable, Field, LogDensity};
use crate::numeric::batch::Batch;
use crate::numeric::blocks::block;
use crate::numeric::digits::significant;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Streams;
use crate::problem::meant::kind::REVERSE;
use crate::problem::meant::law::Covariance;
use crate::problem::meant::model::{Integrator, Spacing};
use crate::solvers::walk::reverse_sampling::Walk;
use crate::verification::differences::nan_max;
use crate::verification::identity::{Check, Finding, Identity, Measure, Measured, Settings, card};
use crate::verification::subject::{NotApplicable, Scope, Subject};
use crate::verification::trial::tried;
use crate::verification::verdict::Residual;
use nalgebra::DMatrix;

/// Kullback–Leibler divergence of the noising paths from the model paths.
///
/// ```text
/// E log dP/dQ = KL(p_T ‖ prior) + ½ ∫ E_{p_t} (ŝ − s)ᵀ D (ŝ − s) dt
/// ```
///
/// Executed on exact chains of the noising process. Left: the log ratio of transition densities, with
/// model steps `x = Φ⁻¹(x' − c + C ŝ(x')) + noise of covariance Φ⁻¹CΦ⁻ᵀ`, for which
/// `log K/K_model = r·ŝ + ½ ŝᵀCŝ − log det Φ`, `r = x' − Φx − c`. Right: `log p_T/prior` and the trapezoidal
/// weighted score error on the same chain. Three step sizes on one chain, extrapolated at orders 1 and 2; for isotropic noise the exactly
/// mean-zero `½(rᵀ∇ŝ r − C ∇·ŝ)` at the early end of each step is taken off, which removes most noise.
///
/// # Source
/// Girsanov's theorem; Song, Durkan, Murray, Ermon, *Maximum likelihood training of score-based
/// diffusion models* (2021), theorem 1.
pub static PATH_DIVERGENCE: Check = Check {
    card: card("path-kl", REVERSE),
    identities: &[Identity {
        equation: "E log dP/dQ = KL(p_T || prior) + 1/2 int E (v - s)' D (v - s) dt",
        source: "Girsanov's theorem; Song, Durkan, Murray, Ermon (2021), theorem 1",
        measure: Measure::claim(
            Scope::EveryField,
            &["verification", "girsanov"],
            path_divergence,
        ),
    }],
};

const STEPS: usize = 24;
const TOLERANCE: f64 = 2e-2;
/// Size of the perturbation of the score on the reference: log weights spread like it.
const AMPLITUDE: f64 = 0.25;

fn path_divergence(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let density = subject.density()?;
    let transition = subject
        .lowered
        .noising()
        .transition()
        .ok_or(NotApplicable::Needs("an affine drift (exact chains)"))?;
    let law = subject.law()?;
    let trial = tried(subject, &settings.streams, AMPLITUDE)?;
    // One chain at a quarter of the coarse step serves all three step sizes.
    let (steps, paths) = Effort::new(subject.lowered).simulation(STEPS, 1);
    let paths = settings.spec.samples.unwrap_or(paths);
    let coarse = TimeGrid::new(
        subject.lowered.noising(),
        subject.t_min(),
        steps,
        Spacing::LogSnr,
    );
    let fine = coarse.refined().refined();
    let start = law
        .draws(&[subject.t_min()], paths, &settings.streams)
        .pop()
        .expect("one time was asked for");
    let chain = forward_chain(transition, fine.nodes(), start, &settings.streams);
    let (mut divergence, mut effort) = (0.0, 0.0);
    let levels = [4, 2, 1].map(|stride| {
        let nodes: Vec<f64> = fine.nodes().iter().step_by(stride).copied().collect();
        let states: Vec<&Batch> = chain.iter().step_by(stride).collect();
        let sides = Sides::new(
            subject,
            density,
            transition,
            trial.as_ref(),
            &nodes,
            &states,
        );
        divergence = Estimate::from_samples(&sides.right).value;
        effort = Estimate::from_samples(&sides.effort).value;
        sides
            .left
            .iter()
            .zip(&sides.right)
            .map(|(l, r)| l - r)
            .collect::<Vec<f64>>()
    });
    // Romberg at orders 1 and 2; the last change bounds the remaining bias.
    let combine = |weights: [f64; 3]| -> Estimate {
        let values: Vec<f64> = (0..paths)
            .map(|i| (0..3).map(|l| weights[l] * levels[l][i]).sum())
            .collect();
        Estimate::from_samples(&values)
    };
    let estimate = combine([1.0 / 3.0, -2.0, 8.0 / 3.0]);
    let change = combine([1.0 / 3.0, -1.0, 2.0 / 3.0]);
    let limit = settings.limit(TOLERANCE, effort + divergence.abs());
    Ok(Finding::new(
        Residual::statistical(
            estimate.value,
            estimate.error,
            change.value.abs(),
            limit,
            paths,
        ),
        format!(
            "log weights against weighted score error; path divergence {}",
            significant(divergence, 4)
        ),
    ))
}

/// Chains of the noising process through the exact transitions, one table per node.
fn forward_chain(
    transition: &Transition,
    nodes: &[f64],
    start: Batch,
    streams: &Streams,
) -> Vec<Batch> {
    let mut chain = vec![start];
    for (n, pair) in nodes.windows(2).enumerate() {
        let kernel = transition.between(pair[0], pair[1]);
        let stream = streams.role(&format!("chain-{n}"));
        let last = chain.last().expect("the chain has a start");
        let next = draw_transition(&kernel, last.as_ref(), &stream, 0).0;
        chain.push(next);
    }
    chain
}

/// Both sides of the path divergence, path by path.
struct Sides {
    left: Vec<f64>,
    right: Vec<f64>,
    /// `½ ∫ |Gᵀs|²`, the scale.
    effort: Vec<f64>,
}

impl Sides {
    fn new(
        subject: &Subject<'_>,
        density: &dyn LogDensity,
        transition: &Transition,
        trial: &dyn Differentiable,
        nodes: &[f64],
        states: &[&Batch],
    ) -> Self {
        let (points, d) = (states[0].points(), states[0].columns());
        let noising = subject.lowered.noising();
        let score = subject.claimed_score();
        let last = nodes.len() - 1;
        let log_density = |t: f64, x: &Batch| {
            let mut out = vec![0.0; points];
            density.log_density(t, x.as_ref(), &mut out);
            out
        };
        let prior = mixture_log_density(subject.lowered.prior(), states[last]);
        let (first, end) = (
            log_density(nodes[0], states[0]),
            log_density(nodes[last], states[last]),
        );
        let mut left: Vec<f64> = first.iter().zip(&prior).map(|(p, q)| p - q).collect();
        let mut right: Vec<f64> = end.iter().zip(&prior).map(|(p, q)| p - q).collect();
        let mut effort = vec![0.0; points];
        let (mut v, mut s) = (Batch::zeros(points, d), Batch::zeros(points, d));
        let mut spread = vec![0.0; points];
        for n in 0..=last {
            let t = nodes[n];
            trial.eval_with_divergence(t, states[n].as_ref(), v.as_mut(), &mut spread);
            score.eval(t, states[n].as_ref(), s.as_mut());
            let before = if n > 0 { t - nodes[n - 1] } else { 0.0 };
            let after = if n < last { nodes[n + 1] - t } else { 0.0 };
            let weight = 0.5 * (before + after);
            let noise = noising.noise(t);
            let mut difference = v.clone();
            difference.add_scaled(-1.0, &s);
            let (mut u, mut w) = (
                Batch::zeros(points, noising.noises()),
                Batch::zeros(points, noising.noises()),
            );
            noise.control(difference.as_ref(), u.as_mut());
            noise.control(s.as_ref(), w.as_mut());
            for j in 0..u.columns() {
                for i in 0..points {
                    right[i] += weight * subject.claims.effort * u.get(i, j).powi(2);
                    effort[i] += weight * 0.5 * w.get(i, j).powi(2);
                }
            }
            if n > 0 {
                let kernel = transition.between(nodes[n - 1], t);
                add_log_ratio(&kernel, states[n - 1], states[n], &v, &mut left);
            }
            if n < last {
                let kernel = transition.between(t, nodes[n + 1]);
                let ends = [states[n], states[n + 1]];
                add_quadratic(&kernel, trial, t, ends, &v, &spread, &mut left);
            }
        }
        Self {
            left,
            right,
            effort,
        }
    }
}

/// Adds `r·ŝ + ½ ŝᵀCŝ − log det Φ` to each path.
fn add_log_ratio(
    kernel: &GaussianKernel,
    before: &Batch,
    after: &Batch,
    score: &Batch,
    out: &mut [f64],
) {
    let d = before.columns();
    let log_det = match &kernel.factor {
        MeanMap::Scalar(a) => d as f64 * a.ln(),
        MeanMap::Matrix(a) => a.determinant().ln(),
    };
    let covariance = kernel.covariance.dense(d);
    let diagonal = covariance == DMatrix::from_diagonal(&covariance.diagonal());
    for (i, out) in out.iter_mut().enumerate() {
        let mean = kernel.mean(&before.row(i));
        let (x, s) = (after.row(i), score.row(i));
        let linear: f64 = (0..d).map(|j| (x[j] - mean[j]) * s[j]).sum();
        let quadratic: f64 = if diagonal {
            (0..d).map(|j| covariance[(j, j)] * s[j] * s[j]).sum()
        } else {
            (0..d)
                .map(|j| s[j] * (0..d).map(|k| covariance[(j, k)] * s[k]).sum::<f64>())
                .sum()
        };
        *out += linear + 0.5 * quadratic - log_det;
    }
}

/// Takes off `½ (rᵀ∇ŝ r − C ∇·ŝ)` at the early end of a step: mean zero given that end, and what the late
/// evaluation of ŝ adds to the midpoint.
fn add_quadratic(
    kernel: &GaussianKernel,
    field: &dyn Field,
    t: f64,
    [before, after]: [&Batch; 2],
    values: &Batch,
    divergence: &[f64],
    out: &mut [f64],
) {
    let (MeanMap::Scalar(factor), Covariance::Isotropic(variance)) =
        (&kernel.factor, &kernel.covariance)
    else {
        return;
    };
    const DIFFERENCE: f64 = 1e-4;
    let mut kick = after.clone();
    kick.add_scaled(-factor, before);
    for j in 0..kick.columns() {
        kick.column_mut(j)
            .iter_mut()
            .for_each(|r| *r -= kernel.shift[j]);
    }
    let mut moved = before.clone();
    moved.add_scaled(DIFFERENCE, &kick);
    let mut far = Batch::zeros(moved.points(), moved.columns());
    field.eval(t, moved.as_ref(), far.as_mut());
    for (i, out) in out.iter_mut().enumerate() {
        let curvature: f64 = (0..kick.columns())
            .map(|j| kick.get(i, j) * (far.get(i, j) - values.get(i, j)) / DIFFERENCE)
            .sum();
        *out -= 0.5 * (curvature - variance * divergence[i]);
    }
}

/// Every noise level of the reverse family ends in the same law.
///
/// ```text
/// dY = (−f + ½(1+h) D s) dτ + √h G dB,  Y_0 ~ p_T   ⇒   Y_τ ~ p_{T−τ}  for every h ≥ 0
/// ```
///
/// Executed with the sample generator (Heun, two step counts) for h = 0, ½, 1, 2 from draws of `p_T`; means
/// and second moments of coordinates and one seeded product against draws of `p_{t_min}`, in standard
/// deviations; the worst one. The false-alarm probability counts every comparison.
///
/// # Source
/// Hirono, Tanaka, Fukushima (arXiv 2403.11262), equation 9.
pub static NOISE_INVARIANCE: Check = Check {
    card: card("h-invariance", REVERSE),
    identities: &[Identity {
        equation: "dY = (-f + (1+h)/2 D s) dtau + sqrt(h) G dB, Y_0 ~ p_T  =>  Y_tau ~ p_{T-tau} for every h >= 0",
        source: "Fokker-Planck equation of the h-family; Hirono, Tanaka, Fukushima (arXiv 2403.11262), equation 9",
        measure: Measure::claim(Scope::Optimum, &["h-transform"], noise_invariance),
    }],
};

const NOISE_LEVELS: [f64; 4] = [0.0, 0.5, 1.0, 2.0];
/// Coordinates whose moments are compared, at most.
const COORDINATES: usize = 4;
const GENERATION_STEPS: usize = 64;
/// In standard deviations of the compared function.
const MOMENT_TOLERANCE: f64 = 0.1;

fn noise_invariance(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let law = subject.law()?;
    let problem = subject.lowered;
    // Four levels, two step counts with Heun's two evaluations: 24 per coarse step.
    let budget = 8 * Effort::new(problem).evaluations;
    let steps = GENERATION_STEPS
        .min(((budget / 24) as f64).sqrt() as usize)
        .max(16);
    let paths = (budget / (24 * steps)).clamp(64, DRAWS);
    let paths = settings.spec.samples.unwrap_or(paths);
    let ends = law.draws(
        &[problem.noising().end()],
        paths,
        &settings.streams.scoped("end"),
    );
    let reference = &clouds(
        problem,
        law,
        &[subject.t_min()],
        1,
        Some((4 * paths).min(DRAWS)),
        &settings.streams.scoped("truth"),
    )[0];
    let truth = feature_moments(reference);
    let coarse = TimeGrid::new(problem.noising(), subject.t_min(), steps, Spacing::LogSnr);
    let fine = coarse.refined();
    let score = subject.claimed_score();
    let mut worst: Option<(Residual, f64)> = None;
    for (n, h) in NOISE_LEVELS.into_iter().enumerate() {
        let run = |grid: &TimeGrid| {
            let samples = Walk {
                noising: problem.noising(),
                score: &score,
                grid,
                noise_level: h,
                integrator: Integrator::Heun,
                stream: &settings.streams.role(&format!("family-{n}")),
                block: block(),
            }
            .run(ends[0].as_ref());
            feature_moments(&Cloud::draws(samples))
        };
        let (rough, finer) = (run(&coarse), run(&fine));
        for ((rough, finer), truth) in rough.iter().zip(&finer).zip(&truth) {
            let residual = compare_moments(rough, finer, truth, paths, settings);
            let larger = worst.as_ref().is_none_or(|(w, _)| {
                residual.measured.is_nan()
                    || residual.distance() - residual.error_bar(settings.spec.confidence)
                        > w.distance() - w.error_bar(settings.spec.confidence)
            });
            if larger {
                worst = Some((residual, h));
            }
        }
    }
    let (residual, h) = worst.expect("there are noise levels");
    Ok(Finding::new(
        residual,
        format!(
            "worst of {} moments at h = 0, 0.5, 1, 2 (at h = {h}), in standard deviations; {paths} paths",
            truth.len()
        ),
    ))
}

/// Draws behind a comparison of moments, at most.
const DRAWS: usize = 16_384;

/// Mean and variance of one function of the state.
struct FeatureMoment {
    mean: Estimate,
    deviation: f64,
}

/// Moments of coordinates, their squares, and a product of neighbours.
fn feature_moments(cloud: &Cloud) -> Vec<FeatureMoment> {
    let d = cloud.points.columns();
    let coordinates = d.min(COORDINATES);
    let mut features: Vec<Vec<f64>> = Vec::new();
    for j in 0..coordinates {
        let column = cloud.points.column(j * d / coordinates);
        features.push(column.to_vec());
        features.push(column.iter().map(|x| x * x).collect());
        if d > 1 {
            let other = cloud.points.column((j * d / coordinates + 1) % d);
            features.push(column.iter().zip(other).map(|(a, b)| a * b).collect());
        }
    }
    features
        .iter()
        .map(|values| {
            let mean = cloud.mean(values);
            let squares: Vec<f64> = values.iter().map(|v| (v - mean.value).powi(2)).collect();
            FeatureMoment {
                mean,
                deviation: cloud.mean(&squares).value.sqrt(),
            }
        })
        .collect()
}

/// A generated moment against the true one, extrapolated in the step at order 2 within its statistics.
fn compare_moments(
    rough: &FeatureMoment,
    finer: &FeatureMoment,
    truth: &FeatureMoment,
    paths: usize,
    settings: &Settings<'_>,
) -> Residual {
    let deviation = truth.deviation.max(f64::MIN_POSITIVE);
    let change = (finer.mean.value - rough.mean.value).abs() / deviation;
    let error = finer.mean.error.hypot(truth.mean.error) / deviation;
    // With noise the change of step also re-draws the path, within its statistical error.
    let bias = (change - settings.spec.confidence * error).max(0.0) / 3.0;
    Residual::statistical(
        (finer.mean.value - truth.mean.value) / deviation,
        error,
        bias,
        settings.limit(MOMENT_TOLERANCE, 1.0),
        paths,
    )
}

/// The likelihood of the probability flow is the density.
///
/// ```text
/// log p_T(x(T)) + ∫ ( ∇·f − ½ D:∇s ) dt  =  log p_{t_min}(x),      dx/dt = f − ½ D s
/// ```
///
/// Executed at draws of `p_{t_min}`: Dormand–Prince with divergence against the claimed log density;
/// largest difference relative to `1 + |log p|`.
///
/// # Source
/// Song et al. (2021), appendix D.2.
pub static LIKELIHOOD: Check = Check {
    card: card("likelihood", REVERSE),
    identities: &[Identity {
        equation: "log p_T(x(T)) + int (div f - 1/2 D:grad s) dt = log p_tmin(x),  dx/dt = f - 1/2 D s",
        source: "instantaneous change of variables; Song et al. (2021), appendix D.2",
        measure: Measure::claim(Scope::Optimum, &["probability-flow"], likelihood),
    }],
};

const FLOW_TOLERANCE: f64 = 1e-9;
const LIKELIHOOD_TOLERANCE: f64 = 1e-5;

fn likelihood(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let law = subject.law()?;
    let points = settings
        .spec
        .samples
        .unwrap_or((Effort::new(subject.lowered).evaluations / 2000).clamp(8, 128));
    let x = law
        .draws(&[subject.t_min()], points, &settings.streams)
        .pop()
        .expect("one time was asked for");
    flow_against_density(subject, settings, &x)
}

/// The comparison at given points, also used on held-out rows.
pub fn flow_against_density(subject: &Subject<'_>, settings: &Settings<'_>, x: &Batch) -> Measured {
    let density = subject.density()?;
    let (t_min, end) = (subject.t_min(), subject.lowered.noising().end());
    let score = subject.claimed_score();
    let tolerance = if subject.closed_form {
        FLOW_TOLERANCE
    } else {
        1e-5
    };
    let carried = carry(
        subject.lowered.noising(),
        &score as &dyn Differentiable,
        x.as_ref(),
        t_min,
        end,
        tolerance,
    );
    let points = x.points();
    let default = if subject.closed_form {
        LIKELIHOOD_TOLERANCE
    } else {
        3e-2
    };
    let limit = settings.limit(default, 1.0);
    let carried = match carried {
        Ok(carried) => carried,
        // A flow that cannot be followed has no likelihood: the claim fails.
        Err(error) => {
            return Ok(Finding::new(
                Residual::deterministic(f64::NAN, 0.0, limit),
                error.to_string(),
            ));
        }
    };
    let (mut last, mut first) = (vec![0.0; points], vec![0.0; points]);
    density.log_density(end, carried.points.as_ref(), &mut last);
    density.log_density(t_min, x.as_ref(), &mut first);
    let mut worst = 0.0_f64;
    for i in 0..points {
        let flow = last[i] + carried.divergence[i];
        let difference = (flow - first[i]).abs() / (1.0 + first[i].abs());
        worst = nan_max(worst, difference);
    }
    let nll = -first.iter().sum::<f64>() / points as f64;
    Ok(Finding::new(
        Residual::deterministic(worst, 0.0, limit),
        format!("largest relative difference at {points} points; mean -log p = {nll:.4}"),
    ))
}
