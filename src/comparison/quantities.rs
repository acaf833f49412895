//! Named numbers of a run, for `[reference.NAME]`.

use crate::comparison::expectation::clouds;
use crate::comparison::gaussian_family::{GeneratedGaussian, covariance_of};
use crate::comparison::generated::mixture_log_density;
use crate::comparison::reference_law::ReferenceLaw;
use crate::comparison::rows::ComparisonRow;
use crate::field::LogDensity;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::meant::law::Covariance;
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::problem::Lowered;
use nalgebra::DVector;

/// Every named number this run produced.
///
/// | name | meaning |
/// |---|---|
/// | `value` | `E_prior[−log p_T]` |
/// | `entropy_data`, `entropy_end` | differential entropies of `p_0` and `p_T` |
/// | `kl_end` | `KL(p_T ‖ prior)` |
/// | `mean_factor_end` | `alpha_T` of an isotropic schedule |
/// | `w_hH`, `nll_hH`, `w2_hH` | one Gaussian as data: generated variance (one state), cross entropy and distance to the data at noise level H (0, 0.2 as `0_2`, 1 and those of `[sample]`), in closed form |
/// | `nll` | `−E log q` of the data under the law the exact score generates at h = 0 |
/// | `control_error_ID`, `action_ID`, `gap_ID`, `nll_ID` | the comparison row of a solver |
pub fn quantities(
    lowered: &Lowered,
    rows: &[ComparisonRow],
    value: Option<Estimate>,
    streams: &Streams,
) -> Vec<Quantity> {
    let mut out = Vec::new();
    let mut push = |name: String, estimate: Option<Estimate>| {
        if let Some(estimate) = estimate {
            out.push(Quantity {
                name,
                value: estimate,
            });
        }
    };
    push("value".to_owned(), value);
    if let Some(schedule) = lowered.noising().schedule() {
        let factor = schedule.mean_factor(lowered.noising().start(), lowered.noising().end());
        push(
            "mean_factor_end".to_owned(),
            Some(Estimate::closed_form(factor)),
        );
    }
    for (name, estimate) in entropies(lowered, streams) {
        push(name.to_owned(), Some(estimate));
    }
    for (name, estimate) in gaussian_numbers(lowered) {
        push(name, Some(estimate));
    }
    for row in rows {
        let id = &row.solver;
        let error = row.control_error.as_ref().map(|e| e.absolute);
        push(format!("control_error_{id}"), error);
        push(
            format!("action_{id}"),
            row.action.as_ref().map(|a| a.action),
        );
        push(
            format!("gap_{id}"),
            row.action.as_ref().and_then(|a| a.gap_integral),
        );
        push(format!("nll_{id}"), row.negative_log_likelihood);
        if row.method == "exact" {
            push("nll".to_owned(), row.negative_log_likelihood);
        }
    }
    out
}

/// Entropies of both ends and the divergence of the end law from the prior.
fn entropies(lowered: &Lowered, streams: &Streams) -> Vec<(&'static str, Estimate)> {
    let Some(exact) = &lowered.facts.marginals else {
        return Vec::new();
    };
    let Some(law) = ReferenceLaw::new(lowered, &[]) else {
        return Vec::new();
    };
    let (start, end) = (lowered.noising().start(), lowered.noising().end());
    let mut out = Vec::new();
    let streams = streams.scoped("entropies");
    // Point masses have no entropy.
    if !exact.mixture().covariances.iter().any(is_singular) {
        let cloud = &clouds(lowered, &law, &[start], 1, None, &streams)[0];
        let logs = cloud.map(|x| minus_log(exact, start, x));
        out.push(("entropy_data", cloud.mean(&logs)));
    }
    let cloud = &clouds(lowered, &law, &[end], 1, None, &streams)[0];
    let logs = cloud.map(|x| minus_log(exact, end, x));
    out.push(("entropy_end", cloud.mean(&logs)));
    let ratios: Vec<f64> = mixture_log_density(lowered.prior(), &cloud.points)
        .iter()
        .zip(&logs)
        .map(|(prior, minus)| -minus - prior)
        .collect();
    out.push(("kl_end", cloud.mean(&ratios)));
    out
}

fn minus_log(density: &dyn LogDensity, t: f64, x: crate::numeric::batch::BatchRef<'_>) -> Vec<f64> {
    let mut out = vec![0.0; x.points()];
    density.log_density(t, x, &mut out);
    out.iter_mut().for_each(|l| *l = -*l);
    out
}

fn is_singular(covariance: &Covariance) -> bool {
    match covariance {
        Covariance::Isotropic(v) => *v <= 0.0,
        Covariance::Diagonal(v) => v.iter().any(|v| *v <= 0.0),
        // Full matrices are validated positive definite.
        Covariance::Full(_) => false,
    }
}

fn gaussian_numbers(lowered: &Lowered) -> Vec<(String, Estimate)> {
    let Some(exact) = &lowered.facts.marginals else {
        return Vec::new();
    };
    let data = exact.mixture();
    let mut levels = vec![0.0, 0.2, 1.0];
    for h in &lowered.problem.sample.noise_levels {
        if !levels.contains(h) {
            levels.push(*h);
        }
    }
    let t_min = lowered.problem.time_settings.t_min;
    let mut out = Vec::new();
    for h in levels {
        let law = GeneratedGaussian::new(lowered.noising(), data, lowered.prior(), h, t_min);
        let Some(law) = law else {
            return Vec::new();
        };
        let mean = DVector::from_column_slice(&data.means[0]);
        let covariance = covariance_of(data);
        let level = format!("{h}").replace('.', "_");
        // Two step sizes of order 4 agree to this relative size on the published examples.
        let number = |v: f64| Estimate::new(v, 1e-9 * (1.0 + v.abs()), ErrorKind::Grid);
        if data.dimension() == 1 {
            out.push((format!("w_h{level}"), number(law.covariance[(0, 0)])));
        }
        out.push((
            format!("nll_h{level}"),
            number(law.cross_entropy(&mean, &covariance)),
        ));
        out.push((
            format!("w2_h{level}"),
            number(law.wasserstein(&mean, &covariance)),
        ));
    }
    out
}
