//! Named numbers of a run, for `[reference.NAME]`.

use crate::comparison::expectation::clouds;
use crate::comparison::gaussian_family::{GeneratedGaussian, covariance_of};
use crate::comparison::generated::mixture_log_density;
use crate::comparison::reference_law::ReferenceLaw;
use crate::comparison::rows::{Comparison, Performance};
use crate::expr::Kernel;
use crate::field::{Field, LogDensity};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::meant::law::Covariance;
use crate::solvers::driver::Solution;
use crate::solvers::grid::discrete_value::DISCRETE_VALUE;
use crate::solvers::lowered::answer::{Answer, Quantity};
use crate::solvers::lowered::problem::Lowered;
use nalgebra::DVector;

/// Name of the cost of no control.
pub(super) const UNCONTROLLED: &str = "uncontrolled_cost";
/// Names of other costs, and what such names begin with.
const COSTS: [&str; 4] = ["value", "upper_bound", DISCRETE_VALUE, UNCONTROLLED];
const COSTS_OF: [&str; 2] = ["value_", "cost_"];

/// Named costs as the file counts them: gains, where it asks for the largest.
pub fn count_as_typed<'a>(
    lowered: &Lowered,
    numbers: impl Iterator<Item = (&'a str, &'a mut Estimate)>,
) {
    for (name, value) in numbers {
        if COSTS.contains(&name) || COSTS_OF.iter().any(|stem| name.starts_with(stem)) {
            *value = lowered.as_counted(*value);
        }
    }
}

/// Names what a comparison of scores found.
///
/// | name | meaning |
/// |---|---|
/// | `value` | `E_prior[−log p_T]` |
/// | `uncontrolled_cost` | the action of no control |
/// | `entropy_data`, `entropy_end` | differential entropies of `p_0` and `p_T` |
/// | `kl_end` | `KL(p_T ‖ prior)` |
/// | `mean_factor_end` | `alpha_T` of an isotropic schedule |
/// | `w_hH`, `nll_hH`, `w2_hH` | one Gaussian as data: generated variance (one state), cross entropy and distance to the data at noise level H (0, 0.2 as `0_2`, 1 and those of `[sample]`), in closed form |
/// | `nll` | `−E log q` of the data under the law the exact score generates at h = 0 |
/// | `control_error_ID`, `action_ID`, `gap_ID`, `nll_ID` | the comparison row of a solver |
pub(super) fn of_scores(lowered: &Lowered, comparison: &mut Comparison, streams: &Streams) {
    let noising = lowered.noising();
    let mut found: Vec<(String, Option<Estimate>)> = vec![
        ("value".to_owned(), comparison.value),
        (UNCONTROLLED.to_owned(), comparison.uncontrolled),
    ];
    let factor = noising.schedule().map(|schedule| {
        Estimate::closed_form(schedule.mean_factor(noising.start(), noising.end()))
    });
    found.push(("mean_factor_end".to_owned(), factor));
    for (name, estimate) in entropies(lowered, streams) {
        found.push((name.to_owned(), Some(estimate)));
    }
    for (name, estimate) in gaussian_numbers(lowered) {
        found.push((name, Some(estimate)));
    }
    for row in &comparison.rows {
        let id = &row.solver;
        let error = row.control_error.as_ref();
        let performance = row.performance.as_ref();
        found.extend([
            (format!("control_error_{id}"), error.map(|e| e.absolute)),
            (format!("action_{id}"), performance.map(Performance::action)),
            (
                format!("gap_{id}"),
                performance.and_then(|p| p.gap_integral),
            ),
            (format!("nll_{id}"), row.negative_log_likelihood),
        ]);
        if row.method == "exact" {
            found.push(("nll".to_owned(), row.negative_log_likelihood));
        }
    }
    for (name, estimate) in found {
        if let Some(estimate) = estimate {
            comparison.name(name, estimate);
        }
    }
}

/// Names what the methods found of a process without control.
///
/// | name | meaning |
/// |---|---|
/// | `mode`, `mean`, `mean_square`, `variance` | of the stationary law |
/// | `stationary_NAME` | an observable under it |
/// | `passage_time` | mean time until an event that ends a path |
/// | an observable, `mean_end`, `mean_square_end`, `covariance_end` | at the end of the horizon |
/// | `NAME_t1.5` | the same at a recorded time |
/// | `mass` | of the density at the end |
/// | any of them with `_ID` | as the solver of that id found it |
///
/// Where several methods give a number, the one with the smallest error of its own does. A path ends at an event
/// that stops it, so observables of paths are of stopped paths, while those of densities are not: where the file has
/// such an event, observables go by the names with `_ID` only.
pub(super) fn of_simulation(solutions: &[Solution], stopped: bool, comparison: &mut Comparison) {
    const LAW_FREE: [&str; 6] = [
        "mode",
        "mean",
        "mean_square",
        "variance",
        "passage_time",
        "mass",
    ];
    for solution in solutions {
        for Quantity { name, value } in &solution.answer.quantities {
            comparison.name(format!("{name}_{}", solution.id), *value);
        }
    }
    for quantity in surest(solutions) {
        let name = quantity.name.as_str();
        if !stopped || LAW_FREE.contains(&name) || name.starts_with("stationary_") {
            comparison.name(name, quantity.value);
        }
    }
}

/// Numbers of all methods; of several under one name first the one that knows itself best.
pub(super) fn surest(solutions: &[Solution]) -> Vec<&Quantity> {
    let all = solutions.iter().flat_map(|s| &s.answer.quantities);
    let mut all: Vec<&Quantity> = all.collect();
    all.sort_by(|a, b| a.value.error.total_cmp(&b.value.error));
    all
}

/// The numbers of one answer by name: `value`, at a start point `control` by component, and what the method calls its
/// quantities.
pub fn numbers_of(lowered: &Lowered, answer: &Answer) -> Vec<(String, Estimate)> {
    let mut numbers = found_with(lowered, answer);
    let named = numbers.iter_mut();
    count_as_typed(lowered, named.map(|(name, value)| (name.as_str(), value)));
    numbers
}

/// The same with costs as the equations count them.
pub(super) fn found_with(lowered: &Lowered, answer: &Answer) -> Vec<(String, Estimate)> {
    let mut out = Vec::new();
    if let Some(value) = answer.cost {
        out.push(("value".to_owned(), value));
    }
    if let (Some(point), Some(policy)) = (lowered.start_point(), &answer.policy) {
        out.extend(first_control(lowered, policy.as_ref(), point, answer));
    }
    let quantities = answer.quantities.iter();
    out.extend(quantities.map(|quantity| (quantity.name.clone(), quantity.value)));
    out
}

/// The control at the start, by component.
fn first_control(
    lowered: &Lowered,
    policy: &dyn Field,
    point: &[f64],
    answer: &Answer,
) -> Vec<(String, Estimate)> {
    let mut u = Batch::zeros(1, policy.outputs());
    let at = Batch::from_rows(point.len(), &[point]);
    let start = lowered.process.horizon.0;
    policy.eval(start, at.as_ref(), u.as_mut());
    let process = &lowered.compiled.steered;
    process.count_from_zero(start, at.as_ref(), &mut u);
    // Without an estimate of its own: it follows from the slope of the value, whose relative error it is given.
    let relative = answer.cost.map_or(0.0, |cost| {
        cost.error / cost.value.abs().max(f64::MIN_POSITIVE)
    });
    let mut out = Vec::new();
    for (j, value) in u.as_slice().iter().enumerate() {
        let own = answer.control_error.get(j).copied();
        let error = own.unwrap_or(relative * value.abs());
        let estimate = Estimate::new(*value, error, ErrorKind::Grid);
        if u.columns() == 1 {
            out.push(("control".to_owned(), estimate));
        }
        out.push((format!("control[{j}]"), estimate));
    }
    out
}

/// Means of `[observe]` at the end of the horizon over the ends of paths with steps of some length, twice and four times
/// as long on the same noise.
pub(super) fn observed(lowered: &Lowered, ends: &[Batch; 3]) -> Vec<(String, Estimate)> {
    let stated = &lowered.stated;
    let mut out = Vec::new();
    for (name, observable) in &lowered.problem.observe {
        let Ok(kernel) = Kernel::compile(&stated.graph, &[*observable], stated.time, &stated.state)
        else {
            // An observable of the control has no value at the end of the horizon.
            continue;
        };
        let values = ends.each_ref().map(|end| {
            let mut values = Batch::zeros(end.points(), 1);
            kernel.eval(lowered.process.horizon.1, end.as_ref(), values.as_mut());
            values.column(0).to_vec()
        });
        out.push((name.clone(), in_the_limit(&values)));
    }
    out
}

/// The mean in the limit of small steps for a scheme of order 1, from values on the same noise with steps of some length,
/// twice and four times as long. What the limit changes by when it is taken from the longer steps is part of the error.
fn in_the_limit([fine, middle, coarse]: &[Vec<f64>; 3]) -> Estimate {
    let limit = |fine: &[f64], coarse: &[f64]| {
        let pairs = fine.iter().zip(coarse);
        let limits: Vec<f64> = pairs.map(|(f, c)| 2.0 * f - c).collect();
        Estimate::from_samples(&limits)
    };
    let (mean, before) = (limit(fine, middle), limit(middle, coarse));
    let bias = (mean.value - before.value).abs();
    let kind = match bias > mean.error {
        true => ErrorKind::Step,
        false => mean.kind,
    };
    Estimate::new(mean.value, mean.error.hypot(bias), kind)
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

fn minus_log(density: &dyn LogDensity, t: f64, x: BatchRef<'_>) -> Vec<f64> {
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
