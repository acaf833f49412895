//! Identities of the equations: HJB, Hopf–Cole, and the derivatives they are made of.

use crate::comparison::effort::Effort;
use crate::comparison::flow_likelihood::score_and_weighted_divergence;
use crate::discretization::noising::Noise;
use crate::discretization::time_grid::TimeGrid;
use crate::field::{Differentiable, Field, LogDensity};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::pairwise_sum;
use crate::problem::model::Spacing;
use crate::verification::identity::{Finding, Identity, NotApplicable, Scope, Settings};
use crate::verification::subject::{Claims, Subject};
use crate::verification::verdict::{Residual, Verdict};

/// Times at which equations are evaluated.
const TIMES: usize = 5;
/// Points at each time, at most.
const POINTS: usize = 64;
/// Difference step in units of the local length: truncation and rounding both near 1e-10.
const STEP: f64 = 0.005;
/// The same for tabulated densities, whose interpolant is rough on smaller scales.
const GRID_STEP: f64 = 0.1;

/// Rms difference allowed between log densities of two routes.
const ROUTES: f64 = 1e-2;

/// Interior times, evenly spread in log signal-to-noise ratio.
pub fn check_times(subject: &Subject<'_>, count: usize) -> Vec<f64> {
    let noising = &subject.problem.noising;
    let grid = TimeGrid::new(noising, subject.t_min(), count + 1, Spacing::LogSnr);
    grid.nodes()[1..=count].to_vec()
}

/// Draws of the noised law at the check times.
fn check_points(
    subject: &Subject<'_>,
    settings: &Settings,
    cost: usize,
) -> Result<Vec<(f64, Batch)>, NotApplicable> {
    let law = subject
        .law
        .ok_or(NotApplicable::Needs("draws of the noised law"))?;
    let times = check_times(subject, TIMES);
    let budget = Effort::new(subject.problem).evaluations / (TIMES * cost);
    let points = settings.samples.unwrap_or(budget.clamp(4, POINTS));
    let draws = law.draws(&times, points, &settings.streams);
    Ok(times.into_iter().zip(draws).collect())
}

/// A length on which the density changes: `1 / rms |s_i|`.
fn local_length(score: &dyn Field, t: f64, x: BatchRef<'_>) -> f64 {
    let mut values = Batch::zeros(x.points(), x.columns());
    score.eval(t, x, values.as_mut());
    let squares: Vec<f64> = values.as_slice().iter().map(|s| s * s).collect();
    (squares.len() as f64 / pairwise_sum(&squares)).sqrt()
}

/// First and second derivatives along lines, by central differences of order 4.
struct Stencil<'a> {
    density: &'a (dyn LogDensity + Send),
    t: f64,
    x: BatchRef<'a>,
    /// Log density at the points.
    base: Vec<f64>,
}

/// What is differentiated: the log density or the density over its value at the point.
#[derive(Clone, Copy, PartialEq)]
enum Unknown {
    LogDensity,
    Density,
}

impl<'a> Stencil<'a> {
    fn new(density: &'a (dyn LogDensity + Send), t: f64, x: BatchRef<'a>) -> Self {
        let mut base = vec![0.0; x.points()];
        density.log_density(t, x, &mut base);
        Self {
            density,
            t,
            x,
            base,
        }
    }

    /// Differences of the unknown from its value at the points.
    fn rise(&self, unknown: Unknown, t: f64, x: BatchRef<'_>) -> Vec<f64> {
        let mut values = vec![0.0; x.points()];
        self.density.log_density(t, x, &mut values);
        for (value, base) in values.iter_mut().zip(&self.base) {
            *value -= base;
            if unknown == Unknown::Density {
                *value = value.exp_m1();
            }
        }
        values
    }

    /// First and second derivatives at step `step` along `direction(i, j)`, component j at point i.
    fn along(
        &self,
        unknown: Unknown,
        step: f64,
        direction: impl Fn(usize, usize) -> f64,
    ) -> [Vec<f64>; 2] {
        let [near, far] = [step, 2.0 * step].map(|step| {
            [step, -step].map(|shift| {
                let mut moved = self.x.to_batch();
                for j in 0..moved.columns() {
                    for (i, m) in moved.column_mut(j).iter_mut().enumerate() {
                        *m += shift * direction(i, j);
                    }
                }
                self.rise(unknown, self.t, moved.as_ref())
            })
        });
        let first = (0..self.base.len())
            .map(|i| (8.0 * (near[0][i] - near[1][i]) - (far[0][i] - far[1][i])) / (12.0 * step))
            .collect();
        let second = (0..self.base.len())
            .map(|i| {
                (16.0 * (near[0][i] + near[1][i]) - (far[0][i] + far[1][i])) / (12.0 * step * step)
            })
            .collect();
        [first, second]
    }

    /// Derivative in forward time.
    fn in_time(&self, unknown: Unknown, step: f64) -> Vec<f64> {
        let [early, late, earlier, later] = [-step, step, -2.0 * step, 2.0 * step]
            .map(|shift| self.rise(unknown, self.t + shift, self.x));
        (0..self.base.len())
            .map(|i| (8.0 * (late[i] - early[i]) - (later[i] - earlier[i])) / (12.0 * step))
            .collect()
    }
}

/// The terms of the Fokker–Planck equation divided by p, by differences of one unknown.
struct Terms {
    /// `∂_t`
    rate: Vec<f64>,
    /// `f·∇`
    advection: Vec<f64>,
    /// `|Gᵀ∇|²` of the unknown
    square: Vec<f64>,
    /// `D : ∇∇` of the unknown
    curvature: Vec<f64>,
    /// `∇·f`
    divergence: Vec<f64>,
}

impl Terms {
    fn new(
        subject: &Subject<'_>,
        density: &(dyn LogDensity + Send),
        unknown: Unknown,
        t: f64,
        x: BatchRef<'_>,
        relative_step: f64,
    ) -> Self {
        let noising = &subject.problem.noising;
        let (points, d) = (x.points(), x.columns());
        let stencil = Stencil::new(density, t, x);
        let length = local_length(subject.score, t, x);
        let step = relative_step * length;
        let columns = noise_columns(&noising.noise(t), d);
        let diffusivity: f64 = columns.iter().flatten().map(|g| g * g).sum::<f64>() / d as f64;
        // The density changes over the time in which diffusion crosses the local length.
        let time_scale = (length * length / diffusivity)
            .min(t - noising.start())
            .min(noising.end() - t);
        let (mut square, mut curvature) = (vec![0.0; points], vec![0.0; points]);
        for column in &columns {
            let size = column.iter().map(|g| g * g).sum::<f64>().sqrt();
            if size == 0.0 {
                continue;
            }
            let [first, second] = stencil.along(unknown, step, |_, j| column[j] / size);
            for i in 0..points {
                square[i] += (size * first[i]).powi(2);
                curvature[i] += size * size * second[i];
            }
        }
        let mut drift = Batch::zeros(points, d);
        noising.drift(t, x, drift.as_mut());
        let speeds: Vec<f64> = (0..points)
            .map(|i| drift.row(i).iter().map(|f| f * f).sum::<f64>().sqrt())
            .collect();
        let [along_drift, _] = stencil.along(unknown, step, |i, j| {
            if speeds[i] > 0.0 {
                drift.get(i, j) / speeds[i]
            } else {
                0.0
            }
        });
        let advection = along_drift
            .iter()
            .zip(&speeds)
            .map(|(a, v)| a * v)
            .collect();
        let mut divergence = vec![0.0; points];
        noising.drift_divergence(t, x, &mut divergence);
        Self {
            rate: stencil.in_time(unknown, relative_step * time_scale),
            advection,
            square,
            curvature,
            divergence,
        }
    }

    /// `∂_t log p` as the HJB equation of `V = −log p` gives it, with the claimed constants:
    /// `min_u {effort |u|² + u·Gᵀ∇V}` is `−|Gᵀ∇V|² / (4 effort)`.
    fn hjb(&self, claims: &Claims, i: usize) -> [f64; 4] {
        [
            claims.diffusion * self.curvature[i],
            self.square[i] / (4.0 * claims.effort),
            -self.advection[i],
            -claims.divergence * self.divergence[i],
        ]
    }

    /// `∂_t p / p` as the linear equation gives it.
    fn linear(&self, i: usize) -> [f64; 3] {
        [
            0.5 * self.curvature[i],
            -self.advection[i],
            -self.divergence[i],
        ]
    }
}

/// The columns of G.
fn noise_columns(noise: &Noise, dimension: usize) -> Vec<Vec<f64>> {
    match noise {
        Noise::Isotropic(g) => (0..dimension)
            .map(|i| {
                (0..dimension)
                    .map(|j| if i == j { *g } else { 0.0 })
                    .collect()
            })
            .collect(),
        Noise::Matrix(g) => g
            .column_iter()
            .map(|column| column.iter().copied().collect())
            .collect(),
    }
}

/// Relative rms of residuals against the rms of the largest term, over points of one time.
fn relative_rms(residuals: &[f64], scales: &[f64]) -> f64 {
    let square = |v: &[f64]| pairwise_sum(&v.iter().map(|v| v * v).collect::<Vec<_>>());
    (square(residuals) / square(scales)).sqrt()
}

/// Evaluates a relative residual at the working step, and at twice the step if it is above the limit:
/// their difference bounds the error of the differences.
fn refined(
    closed_form: bool,
    limit: f64,
    confidence: f64,
    residual: impl Fn(f64) -> f64,
) -> Residual {
    let step = if closed_form { STEP } else { GRID_STEP };
    let measured = residual(step);
    let first = Residual::deterministic(measured, 0.0, limit);
    if first.verdict(confidence) == Verdict::Pass {
        return first;
    }
    let change = (residual(2.0 * step) - measured).abs();
    Residual::deterministic(measured, change.min(measured), limit)
}

/// The HJB equation of the value `V = −log p`.
///
/// ```text
/// ∂_τ V = −½ D:∇∇V + ½ |Gᵀ∇V|² + f·∇V − ∇·f
/// ```
///
/// Executed: time and space differences of the claimed log density (order 4) against the terms of the
/// equation, at draws of `p_t`; rms residual over rms of the largest term, worst of five times.
///
/// # Source
/// theory 1.1; Berner, Richter, Ullrich, *An optimal control perspective on diffusion-based generative
/// modeling* (2022), lemma 2.3.
pub struct HjbResidual;

impl Identity for HjbResidual {
    fn id(&self) -> &'static str {
        "hjb-residual"
    }

    fn equation(&self) -> &'static str {
        "dV/dtau = -1/2 D:hess V + 1/2 |G' grad V|^2 + f.grad V - div f,  V = -log p"
    }

    fn source(&self) -> &'static str {
        "Fokker-Planck equation under V = -log p; Berner, Richter, Ullrich (2022), lemma 2.3"
    }

    fn scope(&self) -> Scope {
        Scope::Densities
    }

    fn residual(
        &self,
        subject: &Subject<'_>,
        settings: &Settings,
    ) -> Result<Finding, NotApplicable> {
        let density = subject
            .log_density
            .ok_or(NotApplicable::Needs("a log density"))?;
        let cost = 4 * (subject.problem.noising.noises() + 2);
        let clouds = check_points(subject, settings, cost)?;
        let limit = settings.limit(if subject.closed_form { 1e-5 } else { 1e-2 }, 1.0);
        let residual = refined(subject.closed_form, limit, settings.confidence, |step| {
            let worst = clouds.iter().map(|(t, x)| {
                let terms = Terms::new(subject, density, Unknown::LogDensity, *t, x.as_ref(), step);
                let (residuals, scales): (Vec<f64>, Vec<f64>) = (0..x.points())
                    .map(|i| {
                        let right = terms.hjb(&subject.claims, i);
                        let largest = right
                            .iter()
                            .fold(terms.rate[i].abs(), |m, v| m.max(v.abs()));
                        (terms.rate[i] - right.iter().sum::<f64>(), largest)
                    })
                    .unzip();
                relative_rms(&residuals, &scales)
            });
            worst.fold(0.0, nan_max)
        });
        Ok(Finding {
            residual,
            note: format!(
                "relative to the largest term, worst of {} times x {} points",
                clouds.len(),
                clouds[0].1.points()
            ),
        })
    }
}

/// The larger value; NaN wins.
pub fn nan_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// The Hopf–Cole transform: the nonlinear equation of V and the linear one of `p = e^{−V}` are one.
///
/// ```text
/// −e^{V} ( −∇·(f p) + ½ ∇∇:(D p) )  =  −½ D:∇∇V + ½ |Gᵀ∇V|² + f·∇V − ∇·f
/// ```
///
/// Executed: the right side by differences of the log density, the left by differences of the density
/// (relative to its value at the point, in the log domain); rms difference over rms of the largest term.
/// For a solver with a log density: its density against the reference, a second route to the same p.
///
/// # Source
/// theory 1.1; Fleming, *Exit probabilities and optimal stochastic control* (1978).
pub struct HopfCole;

impl Identity for HopfCole {
    fn id(&self) -> &'static str {
        "hopf-cole"
    }

    fn equation(&self) -> &'static str {
        "exp(V) (-div(f p) + 1/2 div div (D p)) = 1/2 D:hess log p + 1/2 |G' grad log p|^2 - f.grad log p - div f"
    }

    fn source(&self) -> &'static str {
        "Hopf-Cole transform p = exp(-V); Fleming (1978)"
    }

    fn scope(&self) -> Scope {
        Scope::Densities
    }

    fn residual(
        &self,
        subject: &Subject<'_>,
        settings: &Settings,
    ) -> Result<Finding, NotApplicable> {
        let density = subject
            .log_density
            .ok_or(NotApplicable::Needs("a log density"))?;
        if let Some(reference) = subject.reference_density {
            return density_agreement(subject, density, reference, settings);
        }
        let cost = 8 * (subject.problem.noising.noises() + 2);
        let clouds = check_points(subject, settings, cost)?;
        let limit = settings.limit(if subject.closed_form { 1e-5 } else { 5e-3 }, 1.0);
        let residual = refined(subject.closed_form, limit, settings.confidence, |step| {
            let worst = clouds.iter().map(|(t, x)| {
                let terms = |unknown| Terms::new(subject, density, unknown, *t, x.as_ref(), step);
                let (nonlinear, linear) = (terms(Unknown::LogDensity), terms(Unknown::Density));
                let (residuals, scales): (Vec<f64>, Vec<f64>) = (0..x.points())
                    .map(|i| {
                        let left = nonlinear.hjb(&subject.claims, i);
                        let right = linear.linear(i);
                        let largest = left.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
                        (
                            left.iter().sum::<f64>() - right.iter().sum::<f64>(),
                            largest,
                        )
                    })
                    .unzip();
                relative_rms(&residuals, &scales)
            });
            worst.fold(0.0, nan_max)
        });
        Ok(Finding {
            residual,
            note: format!(
                "linear against nonlinear operator, worst of {} times x {} points",
                clouds.len(),
                clouds[0].1.points()
            ),
        })
    }
}

/// Two routes to one density: rms difference of log densities at draws of `p_t`, worst of the times.
fn density_agreement(
    subject: &Subject<'_>,
    density: &(dyn LogDensity + Send),
    reference: &(dyn LogDensity + Send),
    settings: &Settings,
) -> Result<Finding, NotApplicable> {
    let clouds = check_points(subject, settings, 2)?;
    let worst = clouds.iter().map(|(t, x)| {
        let (mut a, mut b) = (vec![0.0; x.points()], vec![0.0; x.points()]);
        density.log_density(*t, x.as_ref(), &mut a);
        reference.log_density(*t, x.as_ref(), &mut b);
        let squares: Vec<f64> = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).collect();
        (pairwise_sum(&squares) / squares.len() as f64).sqrt()
    });
    let limit = settings.limit(ROUTES, 1.0);
    Ok(Finding {
        residual: Residual::deterministic(worst.fold(0.0, nan_max), 0.0, limit),
        note: "rms difference of log densities by two routes, worst time".to_owned(),
    })
}

/// The score is the gradient of the log density, and its divergence is its divergence.
///
/// ```text
/// s = ∇ log p,      D : ∇s = Σ_k g_k·∂_{g_k} s
/// ```
///
/// Executed: the claimed score along the columns of G against differences of the claimed log density,
/// and the claimed weighted divergence against differences of the claimed score, at draws of `p_t`.
pub struct Derivatives;

impl Identity for Derivatives {
    fn id(&self) -> &'static str {
        "derivatives"
    }

    fn equation(&self) -> &'static str {
        "s = grad log p,  D:grad s = sum_k g_k . d_{g_k} s"
    }

    fn source(&self) -> &'static str {
        "definition; closed-form derivatives against finite differences"
    }

    fn scope(&self) -> Scope {
        Scope::Ingredients
    }

    fn residual(
        &self,
        subject: &Subject<'_>,
        settings: &Settings,
    ) -> Result<Finding, NotApplicable> {
        let cost = 8 * subject.problem.noising.noises();
        let clouds = check_points(subject, settings, cost)?;
        let limit = settings.limit(if subject.closed_form { 1e-6 } else { 3e-2 }, 1.0);
        let mut gradient_checked = false;
        let residual = refined(subject.closed_form, limit, settings.confidence, |step| {
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
        });
        gradient_checked |= subject.log_density.is_some();
        Ok(Finding {
            residual,
            note: format!(
                "{} against differences, relative",
                if gradient_checked {
                    "score and divergence"
                } else {
                    "divergence of the score"
                }
            ),
        })
    }
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
    let (mut residuals, mut scales) = (Vec::new(), Vec::new());
    for column in noise_columns(&subject.problem.noising.noise(t), x.columns()) {
        let size = column.iter().map(|g| g * g).sum::<f64>().sqrt();
        if size == 0.0 {
            continue;
        }
        let unit: Vec<f64> = column.iter().map(|g| g / size).collect();
        let [first, _] = stencil.along(Unknown::LogDensity, step * length, |_, j| unit[j]);
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
    let noise = subject.problem.noising.noise(t);
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
    let columns = match &noise {
        Noise::Isotropic(_) => noise_columns(&noise, x.columns()),
        Noise::Matrix(_) => noise_columns(&Noise::Isotropic(1.0), x.columns()),
    };
    let step = step * length;
    let mut measured = vec![0.0; x.points()];
    let mut moved = x.clone();
    let mut shifted = Batch::zeros(x.points(), x.columns());
    for (axis, column) in columns.iter().enumerate() {
        for (shift, weight) in [(1.0, 8.0), (-1.0, -8.0), (2.0, -1.0), (-2.0, 1.0)] {
            for (m, x) in moved.column_mut(axis).iter_mut().zip(x.column(axis)) {
                *m = x + shift * step;
            }
            field.eval(t, moved.as_ref(), shifted.as_mut());
            let factor = weight * column[axis] * column[axis] / (12.0 * step);
            for (sum, s) in measured.iter_mut().zip(shifted.column(axis)) {
                *sum += factor * s;
            }
        }
        moved.column_mut(axis).copy_from_slice(x.column(axis));
    }
    let residuals: Vec<f64> = claimed.iter().zip(&measured).map(|(a, b)| a - b).collect();
    relative_rms(&residuals, &measured)
}
