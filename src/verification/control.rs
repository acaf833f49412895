//! Identities of control problems, executed on the answers of the solvers.
//!
//! | check | two sides |
//! |---|---|
//! | `derivatives` | derived coefficients and forward-mode derivatives of the expressions as typed |
//! | `hjb-residual`, `riccati-residual` | the terms of the Hamilton–Jacobi–Bellman equation, differences of `V` |
//! | `hopf-cole` | `V` by two methods |
//! | `policy-cost` | simulated cost of the policy and the method's own value |
//! | `feynman-kac` | `-lambda log E[w]` over weighted paths and the method's own value |
//! | `zero-variance` | spread of the logarithm of the path weights falls like `step^(1/2)`; like `step` where the control is the same everywhere |
//! | `girsanov` | `E_u[dP^0/dP^u] = 1` |
//! | `ess` | effective sample size of the path weights |
//! | `log-z`, `evidence-bracket`, `quantiles` | normalisers and draws, see [`crate::verification::normaliser`] |
//! | `grid-order` | observed order over grid levels |

use crate::comparison::performance::spread;
use crate::comparison::policies::best;
use crate::comparison::policy_paths::{PolicyWalk, Simulator};
use crate::comparison::{Comparison, ComparisonRow};
use crate::derivation::Derivation;
use crate::field::Field;
use crate::field::idle::Idle;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Streams;
use crate::problem::meant::model::{Against, CheckSpec};
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::walk::weights::effective_share;
use crate::verification::bellman_terms::BellmanTerms;
use crate::verification::grid_order::grid_order;
use crate::verification::identity::{CheckResult, DERIVATION, run_all, skipped};
use crate::verification::normaliser::{bracket, draws, log_z};
use crate::verification::verdict::{Residual, Verdict};

/// Points at which equations are evaluated.
const POINTS: usize = 64;
/// Paths of statistical checks.
const PATHS: usize = 16_384;
/// Cost tolerance as a share of the value below which an error bar is called sharp.
const VAGUE: f64 = 0.1;
/// Places at which a control is compared with itself, and the relative differences that rounding makes.
const BLIND_PLACES: usize = 256;
const SAME_CONTROL: f64 = 1e-9;
/// Effective paths below which a mean of weights has no error bar.
const FEW: f64 = 100.0;

/// Everything a check may ask about.
struct Bench<'a> {
    lowered: &'a Lowered,
    simulator: Simulator,
    derivation: &'a Derivation,
    solutions: &'a [Solution],
    comparison: &'a Comparison,
    streams: Streams,
}

/// Runs every check of the file on every answer it is about.
pub fn verify_controls(
    lowered: &Lowered,
    derivation: &Derivation,
    solutions: &[Solution],
    comparison: &Comparison,
    streams: &Streams,
) -> Vec<CheckResult> {
    let bench = Bench {
        lowered,
        simulator: Simulator::new(lowered),
        derivation,
        solutions,
        comparison,
        streams: streams.scoped("verification"),
    };
    run_all(
        &lowered.problem.checks,
        |spec| bench.run(spec),
        |check| bench.why_not(check),
    )
}

impl<'a> Bench<'a> {
    fn run(&self, spec: &CheckSpec) -> Vec<CheckResult> {
        match spec.check.as_str() {
            "derivatives" => cross_checked(spec, self.derivation),
            "grid-order" => {
                let facts = self
                    .solutions
                    .iter()
                    .map(|s| (s.id.as_str(), s.answer.facts.as_slice()));
                grid_order(spec, facts)
            }
            "hjb-residual" => self.equation(spec, 1e-2, |method| method != "ddp"),
            "riccati-residual" => self.equation(spec, 1e-6, |method| method == "riccati"),
            "hopf-cole" => self.two_routes(spec),
            "policy-cost" => self.each(spec, |solution, row| policy_cost(spec, solution, row)),
            "feynman-kac" => self.each(spec, |solution, row| self.weighted(spec, solution, row)),
            "zero-variance" => self.each(spec, |solution, row| {
                self.zero_variance(spec, solution, row)
            }),
            "girsanov" => self.each(spec, |solution, _| self.girsanov(spec, solution)),
            "ess" => self.each(spec, |solution, row| effective(spec, solution, row)),
            "log-z" => self.each(spec, |solution, _| log_z(self.lowered, spec, solution)),
            "evidence-bracket" => self.each(spec, |solution, row| {
                bracket(self.lowered, spec, solution, row)
            }),
            "quantiles" | "exact-draws" => {
                let stream = self.streams.role("exact draws");
                self.each(spec, |solution, _| {
                    draws(self.lowered, spec, solution, &stream)
                })
            }
            _ => Vec::new(),
        }
    }

    /// Why a check was about nothing here.
    fn why_not(&self, check: &str) -> &'static str {
        match check {
            "zero-variance" | "girsanov" | "ess" | "feynman-kac"
                if self.lowered.facts.temperature.is_err() =>
            {
                "path weights need a temperature: G G' = lambda B R^-1 B'"
            }
            "zero-variance" | "feynman-kac" if self.is_bounded() => {
                "path weights lead to the value of a control without bounds"
            }
            "log-z" => "needs a method with log_z, and target.log_z in the file",
            "evidence-bracket" => {
                "needs a method with bounds, and in the file target.log_z, [target.exact] or a mixture as target"
            }
            "quantiles" | "exact-draws" => {
                "needs a method with draws, and [target.exact] or a mixture as target"
            }
            "hopf-cole" => "needs two methods with a value",
            "riccati-residual" => "no riccati solution",
            "grid-order" => "no grid method recorded several levels",
            "hjb-residual" if self.is_bounded() => {
                "the equation it evaluates is that of a control without bounds"
            }
            "derivatives" => "no random point gave finite values",
            _ => "no answer it is about",
        }
    }

    fn is_bounded(&self) -> bool {
        self.lowered.problem.control_bounds.is_some()
    }

    /// Solutions a check is about: those listed, else all.
    fn listed(&self, spec: &CheckSpec) -> impl Iterator<Item = &'a Solution> {
        let on = spec.on.clone();
        self.solutions
            .iter()
            .filter(move |solution| on.is_empty() || on.contains(&solution.id))
    }

    fn each(
        &self,
        spec: &CheckSpec,
        measure: impl Fn(&Solution, &ComparisonRow) -> Option<CheckResult>,
    ) -> Vec<CheckResult> {
        self.listed(spec)
            .filter_map(|solution| {
                let row = self
                    .comparison
                    .rows
                    .iter()
                    .find(|r| r.solver == solution.id)?;
                measure(solution, row)
            })
            .collect()
    }

    /// The equation at points where the optimal process goes, a quarter, a half and three quarters through.
    fn equation(
        &self,
        spec: &CheckSpec,
        relative: f64,
        about: impl Fn(&str) -> bool,
    ) -> Vec<CheckResult> {
        let mut results = Vec::new();
        if self.is_bounded() {
            // With bounds the minimum has another form.
            return results;
        }
        for solution in self.listed(spec).filter(|s| about(s.method)) {
            let Some(value) = solution.answer.value.as_deref() else {
                continue;
            };
            let terms = BellmanTerms::new(self.lowered, value);
            let (mut residual, mut largest) = (0.0, 0.0);
            for share in [0.25, 0.5, 0.75] {
                let (t, cloud) = self.cloud(share);
                let (r, l) = terms.squares(t, &cloud);
                residual += r;
                largest += l;
            }
            let measured = (residual / largest).sqrt();
            let limit = spec
                .tolerance
                .unwrap_or_else(|| spec.relative_tolerance.unwrap_or(relative));
            let residual = Residual::deterministic(measured, 0.0, limit);
            results.push(CheckResult {
                residual: Some(residual),
                verdict: residual.verdict(spec.confidence),
                reason: format!(
                    "rms residual over the rms of the largest term at {} points",
                    3 * POINTS
                ),
                equation: "-V_t = b.grad V + 1/2 D:hess V + q - 1/2 grad V'B R^-1 B' grad V - rho V",
                source: "Bellman; Fleming & Soner (2006), chapter IV",
                ..skipped(spec, &solution.id, "")
            });
        }
        results
    }

    /// States of the best policy's process at a share of the horizon.
    fn cloud(&self, share: f64) -> (f64, Batch) {
        let process = &self.lowered.compiled.steered;
        let t = process.start() + share * (process.end() - process.start());
        let start = self
            .lowered
            .draw_start(&self.streams.role("points"), 0, POINTS);
        let idle = Idle {
            states: process.dimension(),
            controls: process.controls(),
        };
        let found = best(self.solutions);
        let policy: &dyn Field = match found.and_then(|b| b.answer.policy.as_deref()) {
            Some(policy) => policy,
            None => &idle,
        };
        let stream = self.streams.role("walk");
        let steps = self.lowered.problem.time_settings.steps as f64;
        let walk = PolicyWalk {
            simulator: &self.simulator,
            policy,
            reference: None,
            steps: ((share * steps).ceil() as usize).max(1),
            finest: 0,
            until: t,
            stream: &stream,
        };
        (t, walk.run(start.as_ref(), 0).end)
    }

    /// The values of two methods at the start and on the way.
    fn two_routes(&self, spec: &CheckSpec) -> Vec<CheckResult> {
        let against = match &spec.against {
            Some(Against::Solver(id)) => self.solutions.iter().find(|s| s.id == *id),
            _ => best(self.solutions),
        };
        let Some((other, truth)) =
            against.and_then(|s| s.answer.value.as_deref().map(|value| (s, value)))
        else {
            return Vec::new();
        };
        let mut results = Vec::new();
        for solution in self.listed(spec).filter(|s| s.id != other.id) {
            let Some(value) = solution.answer.value.as_deref() else {
                continue;
            };
            let (mut difference, mut scale) = (0.0_f64, 0.0_f64);
            for share in [0.0, 0.5] {
                let (t, cloud) = self.cloud(share);
                let mut values = Batch::zeros(cloud.points(), 2);
                let [own, known] = [value, truth].map(|v| {
                    let mut out = Batch::zeros(cloud.points(), 1);
                    v.eval(t, cloud.as_ref(), out.as_mut());
                    out
                });
                values.column_mut(0).copy_from_slice(own.column(0));
                values.column_mut(1).copy_from_slice(known.column(0));
                for (a, b) in values.column(0).iter().zip(values.column(1)) {
                    difference = difference.max((a - b).abs());
                    scale = scale.max(b.abs());
                }
            }
            let limit = spec
                .tolerance
                .unwrap_or_else(|| spec.relative_tolerance.unwrap_or(1e-4) * scale);
            let own = |s: &Solution| {
                let cost = s.answer.cost;
                cost.map_or(0.0, |cost| cost.error)
            };
            let residual = Residual::deterministic(difference, own(other), limit);
            results.push(CheckResult {
                residual: Some(residual),
                verdict: residual.verdict(spec.confidence),
                reason: format!(
                    "largest difference of V from `{}` where |V| reaches {}",
                    other.id,
                    crate::numeric::digits::significant(scale, 3)
                ),
                equation: "V by this method = V by another",
                source: "uniqueness of the value function",
                ..skipped(spec, &solution.id, "")
            });
        }
        results
    }

    /// The optimal cost by importance sampling.
    fn weighted(
        &self,
        spec: &CheckSpec,
        solution: &Solution,
        row: &ComparisonRow,
    ) -> Option<CheckResult> {
        if self.is_bounded() {
            return None;
        }
        let performance = row.performance.as_ref()?;
        let weights = performance.weights.as_ref()?;
        let weighted = weights.value;
        let value = self.comparison.value.or(row.value)?;
        let few = weights.effective_sample_size * (self.lowered.problem.run.paths as f64);
        let limit = spec.confidence * weighted.error + performance.step_bias + value.error;
        let residual = Residual {
            standard_error: Some(weighted.error),
            ..Residual::deterministic(weighted.value - value.value, 0.0, limit)
        };
        let verdict = if few < FEW {
            Verdict::Inconclusive
        } else {
            judged(&residual, value.value)
        };
        Some(CheckResult {
            residual: Some(residual),
            verdict,
            reason: format!("over {few:.0} effective paths; limit 4 se + step bias + own error"),
            false_alarm: residual.false_alarm(spec.confidence),
            equation: "V(x,t) = -lambda log E[exp(-(int q dt + Phi)/lambda)]",
            source: "Feynman-Kac; Kappen (2005)",
            ..skipped(spec, &solution.id, "")
        })
    }

    /// Spread of the log weights over three step sizes on the same Brownian paths.
    /// Whether a policy is the same at all states, as seen at unit normal distances from start points.
    fn is_blind(&self, policy: &dyn Field, start: BatchRef<'_>) -> bool {
        let process = &self.lowered.compiled.steered;
        let n = start.points().min(BLIND_PLACES);
        let mut places = start.rows(0..n).to_batch();
        let mut away = Batch::zeros(n, places.columns());
        let stream = self.streams.role("zero-variance places");
        stream.normals(0, 0, away.as_mut());
        places.add_scaled(1.0, &away);
        let mut control = Batch::zeros(n, process.controls());
        let middle = 0.5 * (process.start() + process.end());
        policy.eval(middle, places.as_ref(), control.as_mut());
        (0..control.columns()).all(|k| {
            let column = control.column(k);
            let (least, most) = column
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), u| {
                    (a.min(*u), b.max(*u))
                });
            most - least <= SAME_CONTROL * (1.0 + most.abs())
        })
    }

    fn zero_variance(
        &self,
        spec: &CheckSpec,
        solution: &Solution,
        row: &ComparisonRow,
    ) -> Option<CheckResult> {
        if self.is_bounded() {
            return None;
        }
        let policy = solution.answer.policy.as_deref()?;
        let lambda = *self.lowered.facts.temperature.as_ref().ok()?;
        // The identity holds for the optimal policy only: a learned or fitted one is judged where the file asks.
        let fitted = upper_bound(solution).is_some();
        let distance = row.control_error.as_ref();
        let optimal = distance.map_or(!fitted, |e| e.relative.value < 1e-2);
        if spec.on.is_empty() && !optimal {
            return None;
        }
        let stream = self.streams.role("zero-variance");
        let steps = (self.lowered.problem.time_settings.steps / 4).max(1);
        let paths = spec.samples.unwrap_or(PATHS);
        let start = self
            .lowered
            .draw_start(&self.streams.role("start"), 0, paths);
        let walk = PolicyWalk {
            simulator: &self.simulator,
            policy,
            reference: None,
            steps,
            finest: 2,
            until: self.lowered.compiled.steered.end(),
            stream: &stream,
        };
        // A spread of starting values is no spread of weights.
        let from = self.start_values(&start, solution, lambda);
        let spreads: Vec<f64> = (0..3)
            .map(|level| {
                let weights = walk.run(start.as_ref(), level).log_weights(lambda);
                let centred: Vec<f64> = weights.iter().zip(&from).map(|(w, v)| w + v).collect();
                spread(&centred)
            })
            .collect();
        let slopes = [0, 1].map(|k| (spreads[k] / spreads[k + 1]).log2());
        let slope = slopes[1];
        // A control of time alone leaves no integral against the noise, only sums over steps that converge.
        let blind = self.is_blind(policy, start.as_ref());
        let target = spec.order.unwrap_or(if blind { 1.0 } else { 0.5 });
        // The logarithm of a spread over n paths is known to about 1/sqrt(2n). Where the slope still changes
        // with the step, its limit is not known better than by that change, unless it moves away from the target.
        let settling = (slope - target).abs() < (slopes[0] - target).abs();
        let change = if settling {
            (slope - slopes[0]).abs()
        } else {
            0.0
        };
        let bias = (1.0 / paths as f64).sqrt() / 2.0_f64.ln() + change;
        let mut residual = Residual::deterministic(slope, bias, spec.tolerance.unwrap_or(0.15));
        residual.target = target;
        Some(CheckResult {
            residual: Some(residual),
            verdict: residual.verdict(spec.confidence),
            reason: format!(
                "std of log weights {:.3}, {:.3}, {:.3} at {steps}, {}, {} steps",
                spreads[0],
                spreads[1],
                spreads[2],
                2 * steps,
                4 * steps
            ),
            equation: match blind {
                true => {
                    "std(log dP*/dP^u) ~ step under the optimal policy, which is one of time alone"
                }
                false => "std(log dP*/dP^u) ~ step^(1/2) under the optimal policy",
            },
            source: "Thijssen & Kappen (2015)",
            ..skipped(spec, &solution.id, "")
        })
    }

    /// `V / lambda` at the start points, zero where the method has no value.
    fn start_values(&self, start: &Batch, solution: &Solution, lambda: f64) -> Vec<f64> {
        let mut values = Batch::zeros(start.points(), 1);
        let own = solution.answer.value.as_deref();
        let found = best(self.solutions);
        if let Some(value) = own.or(found.and_then(|b| b.answer.value.as_deref())) {
            value.eval(
                self.lowered.compiled.steered.start(),
                start.as_ref(),
                values.as_mut(),
            );
        }
        values.column(0).iter().map(|v| v / lambda).collect()
    }

    /// The mean of `dP^0/dP^u`.
    fn girsanov(&self, spec: &CheckSpec, solution: &Solution) -> Option<CheckResult> {
        let policy = solution.answer.policy.as_deref()?;
        let stream = self.streams.role("girsanov");
        let paths = spec.samples.unwrap_or(PATHS);
        let start = self
            .lowered
            .draw_start(&self.streams.role("start"), 0, paths);
        let walk = PolicyWalk {
            simulator: &self.simulator,
            policy,
            reference: None,
            steps: self.lowered.problem.time_settings.steps,
            finest: 0,
            until: self.lowered.compiled.steered.end(),
            stream: &stream,
        };
        let paths_found = walk.run(start.as_ref(), 0);
        let ratios = paths_found.log_ratio();
        let effective = effective_share(ratios) * paths as f64;
        let weights: Vec<f64> = ratios.iter().map(|r| r.exp()).collect();
        let mean = Estimate::from_samples(&weights);
        let mut residual = Residual::statistical(mean.value, mean.error, 0.0, 0.05, paths);
        residual.target = 1.0;
        let verdict = if effective < FEW {
            Verdict::Inconclusive
        } else {
            residual.verdict(spec.confidence)
        };
        Some(CheckResult {
            residual: Some(residual),
            verdict,
            reason: format!(
                "the mean is carried by {effective:.0} of {paths} paths{}",
                if effective < FEW {
                    ": its error bar cannot be trusted"
                } else {
                    ""
                }
            ),
            false_alarm: residual.false_alarm(spec.confidence),
            equation: "E_u[dP^0/dP^u] = 1",
            source: "Girsanov (1960)",
            ..skipped(spec, &solution.id, "")
        })
    }
}

/// Derived coefficients against forward-mode derivatives of the expressions as typed.
pub(super) fn cross_checked(spec: &CheckSpec, derivation: &Derivation) -> Vec<CheckResult> {
    let Some(check) = &derivation.cross_check else {
        return Vec::new();
    };
    let residual = Residual::deterministic(
        check.largest_relative_difference,
        0.0,
        spec.tolerance.unwrap_or(1e-9),
    );
    vec![CheckResult {
        residual: Some(residual),
        verdict: residual.verdict(spec.confidence),
        reason: format!("largest relative difference at {} points", check.points),
        equation: "derived coefficients = forward-mode derivatives of the expressions as typed",
        source: "definition",
        ..skipped(spec, DERIVATION, "")
    }]
}

/// Within the limit passes, unless the limit is vague beside the value.
fn judged(residual: &Residual, value: f64) -> Verdict {
    if !residual.measured.is_finite() || residual.distance() > residual.limit {
        Verdict::Fail
    } else if residual.limit > VAGUE * value.abs() {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    }
}

/// The cost that `path-integral` gives its fitted control.
fn upper_bound(solution: &Solution) -> Option<Estimate> {
    let mut quantities = solution.answer.quantities.iter();
    let bound = quantities.find(|q| q.name == "upper_bound")?;
    (solution.method == "path-integral").then_some(bound.value)
}

/// Simulated cost against the method's own value, or what it gives a policy that is not the best.
fn policy_cost(spec: &CheckSpec, solution: &Solution, row: &ComparisonRow) -> Option<CheckResult> {
    // The zero-noise value is another quantity.
    if solution.method == "ddp" {
        return None;
    }
    let performance = row.performance.as_ref()?;
    // A control fitted to weighted paths makes them agree better; its cost is a bound of the value that they give.
    let bound = upper_bound(solution);
    let value = bound.or(row.value)?;
    let limit = spec.tolerance.unwrap_or(
        spec.confidence * performance.cost.error.hypot(value.error) + performance.step_bias,
    );
    let residual = Residual {
        standard_error: Some(performance.cost.error),
        ..Residual::deterministic(performance.cost.value - value.value, 0.0, limit)
    };
    Some(CheckResult {
        residual: Some(residual),
        verdict: judged(&residual, value.value),
        reason: format!(
            "J - {}; the limit is {} se + step {}",
            if bound.is_some() { "upper_bound" } else { "V" },
            spec.confidence,
            crate::numeric::digits::significant(performance.step_bias, 2)
        ),
        false_alarm: residual.false_alarm(spec.confidence),
        equation: match bound {
            Some(_) => "J[u] = upper_bound",
            None => "J[u*] = V",
        },
        source: "verification theorem; Fleming & Soner (2006), chapter III",
        ..skipped(spec, &solution.id, "")
    })
}

/// The effective sample size must not be too small.
fn effective(spec: &CheckSpec, solution: &Solution, row: &ComparisonRow) -> Option<CheckResult> {
    let own = solution.answer.quantities.iter().find(|q| q.name == "ess");
    let weighed = row
        .performance
        .as_ref()
        .and_then(|p| Some(p.weights.as_ref()?.effective_sample_size));
    let share = own.map(|q| q.value.value).or(weighed)?;
    let smallest = spec.tolerance.unwrap_or(0.05);
    // Everything from the smallest acceptable share to 1.
    let residual = Residual {
        target: 0.5 * (1.0 + smallest),
        ..Residual::deterministic(share, 0.0, 0.5 * (1.0 - smallest) + 1e-12)
    };
    Some(CheckResult {
        residual: Some(residual),
        verdict: residual.verdict(spec.confidence),
        reason: format!("share of effective paths; at least {smallest} is asked for"),
        equation: "(sum w)^2 / (n sum w^2)",
        source: "Kong (1992)",
        ..skipped(spec, &solution.id, "")
    })
}
