//! Identities of the equations: HJB and Hopf–Cole.

use crate::field::LogDensity;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::pairwise_sum;
use crate::verification::differences::{
    Stencil, Unknown, check_points, local_length, nan_max, noise_columns, norm, refined,
    relative_rms,
};
use crate::verification::identity::{Finding, Identity, NotApplicable, Scope, Settings};
use crate::verification::subject::{Claims, Subject};
use crate::verification::verdict::Residual;

/// Rms difference allowed between log densities of two routes.
const ROUTES: f64 = 1e-2;

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
        let noising = subject.lowered.noising();
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
        let mut drift = Batch::zeros(points, d);
        noising.drift(t, x, drift.as_mut());
        let speeds: Vec<f64> = (0..points)
            .map(|i| drift.row(i).iter().map(|f| f * f).sum::<f64>().sqrt())
            .collect();
        let sizes: Vec<f64> = columns.iter().map(|c| norm(c)).collect();
        // The columns of G, then the drift; directions of length zero stay put.
        let unit = |value: f64, size: f64| if size > 0.0 { value / size } else { 0.0 };
        let derivatives = stencil.along(unknown, step, columns.len() + 1, |k, i, j| match columns
            .get(k)
        {
            Some(column) => unit(column[j], sizes[k]),
            None => unit(drift.get(i, j), speeds[i]),
        });
        let (mut square, mut curvature) = (vec![0.0; points], vec![0.0; points]);
        for (size, [first, second]) in sizes.iter().zip(&derivatives) {
            for i in 0..points {
                square[i] += (size * first[i]).powi(2);
                curvature[i] += size * size * second[i];
            }
        }
        let [along_drift, _] = &derivatives[columns.len()];
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
/// Berner, Richter, Ullrich, *An optimal control perspective on diffusion-based generative
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

    fn proved_by(&self) -> &'static [&'static str] {
        &["eliminate-u"]
    }

    fn residual(
        &self,
        subject: &Subject<'_>,
        settings: &Settings,
    ) -> Result<Finding, NotApplicable> {
        let density = subject
            .log_density
            .ok_or(NotApplicable::Needs("a log density"))?;
        let cost = 4 * (subject.lowered.noising().noises() + 2);
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
/// Fleming, *Exit probabilities and optimal stochastic control* (1978).
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

    fn proved_by(&self) -> &'static [&'static str] {
        &["hopf-cole"]
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
        let cost = 8 * (subject.lowered.noising().noises() + 2);
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
