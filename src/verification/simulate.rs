//! Identities of simulations, executed on the answers of the solvers.
//!
//! | check | two sides |
//! |---|---|
//! | `derivatives` | derived coefficients and forward-mode derivatives of the expressions as typed |
//! | `mass` | mass inside and absorbed, and one |
//! | `fpk-residual` | terms of the Fokker–Planck equation by differences a solver does not use |
//! | `stationary-flux` | `f p` and `1/2 (D p)'`, by differences |
//! | `conversion` | paths by a scheme in Itô's reading and by one in Stratonovich's, on the same noise |
//! | `strong-order` | distances of paths with halved steps on the same noise |
//! | `first-passage` | simulated times of the event and the backward equation |
//! | `grid-order` | observed order over grid levels |

use crate::derivation::Derivation;
use crate::discretization::scheme::{NoiseStructure, Scheme};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::meant::model::{Against, CheckSpec};
use crate::problem::meant::named::Named;
use crate::solvers::driver::Solution;
use crate::solvers::grid::line::Line;
use crate::solvers::lowered::answer::DensityRecord;
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::walk::paths::Stepper;
use crate::solvers::walk::paths::{level_distances, path_distances, scheme};
use crate::verification::control::cross_checked;
use crate::verification::grid_order::grid_order;
use crate::verification::identity::{CheckResult, run_all, skipped};
use crate::verification::verdict::{Residual, Verdict};

/// Paths of the checks that walk.
const PATHS: usize = 4096;
/// Steps of the walk, where the file sets no end for it.
const STEPS: f64 = 256.0;
/// Halvings, where the file does not say.
const LEVELS: usize = 3;
/// Nodes of a difference quotient.
const STENCIL: usize = 7;
/// Share of a density's top below which its relative errors do not count.
const SMALL: f64 = 1e-6;

/// Everything a check may ask about.
struct Bench<'a> {
    lowered: &'a Lowered,
    derivation: &'a Derivation,
    solutions: &'a [Solution],
    streams: Streams,
}

/// Runs every check of the file on every answer it is about.
pub fn verify_simulation(
    lowered: &Lowered,
    derivation: &Derivation,
    solutions: &[Solution],
    streams: &Streams,
) -> Vec<CheckResult> {
    let bench = Bench {
        lowered,
        derivation,
        solutions,
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
                let answers = self.solutions.iter();
                let facts = answers.map(|s| (s.id.as_str(), s.answer.facts.as_slice()));
                grid_order(spec, facts)
            }
            "mass" => self.each(spec, |solution| mass(spec, solution)),
            "fpk-residual" => self.each(spec, |solution| self.forward(spec, solution)),
            "stationary-flux" => self.each(spec, |solution| self.flux(spec, solution)),
            "first-passage" => self.each(spec, |solution| self.passage(spec, solution)),
            "strong-order" => self.strong_order(spec),
            "conversion" => self.conversion(spec).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Why a check was about nothing here.
    fn why_not(&self, check: &str) -> &'static str {
        match check {
            "mass" | "fpk-residual" | "grid-order" => "no density on a grid: method fpk",
            "stationary-flux" => "no stationary density in one state: method stationary",
            "first-passage" => "needs paths that reach their event, and method first-passage",
            "strong-order" => "no paths",
            "conversion" => "the noise is free of the state: both readings agree",
            "derivatives" => "no random point gave finite values",
            _ => "this version does not have it for kind `simulate`",
        }
    }

    /// Solutions a check is about: those listed, else all.
    fn each(
        &self,
        spec: &CheckSpec,
        measure: impl Fn(&Solution) -> Option<CheckResult>,
    ) -> Vec<CheckResult> {
        let listed = |solution: &&Solution| spec.on.is_empty() || spec.on.contains(&solution.id);
        let solutions = self.solutions.iter().filter(listed);
        solutions.filter_map(measure).collect()
    }

    /// The residual of the forward equation about the middle of the horizon on two grids.
    fn forward(&self, spec: &CheckSpec, solution: &Solution) -> Option<CheckResult> {
        let [fine, coarse] = &solution.answer.law.densities[..] else {
            return None;
        };
        let [measured, coarser] = [fine, coarse].map(|record| self.forward_residual(record));
        let (measured, coarser) = (measured?, coarser?);
        let limit = spec
            .tolerance
            .unwrap_or_else(|| spec.relative_tolerance.unwrap_or(1e-2));
        let residual = Residual::deterministic(measured, 0.0, limit);
        let order = (coarser / measured).log2();
        let verdict = match residual.verdict(spec.confidence) {
            // A residual that does not fall is one of another equation, however small.
            Verdict::Pass if order < 1.0 => Verdict::Fail,
            verdict => verdict,
        };
        Some(CheckResult {
            residual: Some(residual),
            verdict,
            reason: format!(
                "rms residual over the rms of the largest term at t = {:.3}, falling with order {order:.2}",
                fine.middle[1].time
            ),
            equation: "p_t = -(f p)' + 1/2 (D p)''",
            source: "Fokker-Planck equation; Risken (1989), chapter 4",
            ..skipped(spec, &solution.id, "")
        })
    }

    fn forward_residual(&self, record: &DensityRecord) -> Option<f64> {
        let line = Line::new(self.lowered).ok()?;
        let axis = record.axis;
        let (h, n) = (axis.step, axis.count);
        let [before, at, after] = &record.middle;
        let nodes: Vec<f64> = (0..n).map(|i| axis.node(i)).collect();
        let coefficients = line.at_time(at.time, &nodes);
        let product = |k: usize| -> Vec<f64> {
            let values = coefficients.column(k).iter().zip(&at.density);
            values.map(|(c, p)| c * p).collect()
        };
        let (carried, spread) = (product(0), product(1));
        let (a, b) = (at.time - before.time, after.time - at.time);
        let (mut residual, mut largest) = (0.0, [0.0; 3]);
        for i in 2..n - 2 {
            let [p, q, r] = [&before.density, &at.density, &after.density].map(|d| d[i]);
            let rate = (a * a * (r - q) + b * b * (q - p)) / (a * b * (a + b));
            // Five nodes, order four.
            let first =
                |g: &[f64]| (8.0 * (g[i + 1] - g[i - 1]) - (g[i + 2] - g[i - 2])) / (12.0 * h);
            let second = |g: &[f64]| {
                (16.0 * (g[i + 1] + g[i - 1]) - (g[i + 2] + g[i - 2]) - 30.0 * g[i])
                    / (12.0 * h * h)
            };
            let terms = [rate, first(&carried), -0.5 * second(&spread)];
            residual += terms.iter().sum::<f64>().powi(2);
            for (largest, term) in largest.iter_mut().zip(terms) {
                *largest += term * term;
            }
        }
        let largest = largest.into_iter().fold(0.0, f64::max);
        Some((residual / largest).sqrt())
    }

    /// The flux of the stationary density.
    fn flux(&self, spec: &CheckSpec, solution: &Solution) -> Option<CheckResult> {
        let law = solution.answer.law.stationary.as_ref()?;
        let line = Line::new(self.lowered).ok()?;
        let coefficients = line.at_time(self.lowered.horizon().0, &law.nodes);
        let spread: Vec<f64> = coefficients
            .column(1)
            .iter()
            .zip(&law.density)
            .map(|(d, p)| d * p)
            .collect();
        let top = law.density.iter().copied().fold(0.0, f64::max);
        let (mut residual, mut largest) = (0.0, 0.0);
        for i in 0..=law.nodes.len().checked_sub(STENCIL)? {
            let centre = i + STENCIL / 2;
            if law.density[centre] < SMALL * top {
                continue;
            }
            let window = i..i + STENCIL;
            let weights = slope_weights(&law.nodes[window.clone()], law.nodes[centre]);
            let slope: f64 = weights
                .iter()
                .zip(&spread[window])
                .map(|(w, g)| w * g)
                .sum();
            let carried = coefficients.get(centre, 0) * law.density[centre];
            residual += (carried - 0.5 * slope).powi(2);
            largest += carried.powi(2).max((0.5 * slope).powi(2));
        }
        let limit = spec
            .tolerance
            .unwrap_or_else(|| spec.relative_tolerance.unwrap_or(1e-5));
        let residual = Residual::deterministic((residual / largest).sqrt(), 0.0, limit);
        Some(CheckResult {
            residual: Some(residual),
            verdict: residual.verdict(spec.confidence),
            reason: format!("rms flux over the rms of its parts, {STENCIL}-node differences"),
            equation: "f p - 1/2 (D p)' = 0",
            source: "Gardiner (2009), section 5.3",
            ..skipped(spec, &solution.id, "")
        })
    }

    /// Simulated times against the backward equation.
    fn passage(&self, spec: &CheckSpec, solution: &Solution) -> Option<CheckResult> {
        let time = |solution: &Solution| {
            let named = |q: &&Quantity| q.name == "passage_time";
            solution
                .answer
                .quantities
                .iter()
                .find(named)
                .map(|q| q.value)
        };
        let simulated = time(solution).filter(|e| e.kind == ErrorKind::StandardError)?;
        let other = match &spec.against {
            Some(Against::Solver(id)) => self.solutions.iter().find(|s| s.id == *id),
            _ => self.solutions.iter().find(|s| s.method == "first-passage"),
        }?;
        let exact = time(other)?;
        let reached = solution.answer.facts.iter();
        let samples = self.lowered.problem.run.paths;
        // An error bar wider than a tenth of the time says too little.
        let limit = spec.tolerance.unwrap_or(0.1 * exact.value);
        let residual = Residual {
            target: 0.0,
            ..Residual::statistical(
                simulated.value - exact.value,
                simulated.error,
                exact.error,
                limit,
                samples,
            )
        };
        let excursion = residual.distance() > residual.error_bar(spec.confidence);
        let verdict = match residual.verdict(spec.confidence) {
            Verdict::Pass if excursion => Verdict::Fail,
            verdict => verdict,
        };
        let left = reached
            .filter(|(name, _)| *name == "paths without an event")
            .map(|(_, share)| *share)
            .fold(0.0, f64::max);
        Some(CheckResult {
            residual: Some(residual),
            verdict,
            reason: format!(
                "{:.4} against {:.4} by `{}`; {:.2} % of the paths end before the event",
                simulated.value,
                exact.value,
                other.id,
                100.0 * left
            ),
            false_alarm: residual.false_alarm(spec.confidence),
            equation: "E tau = T(x),  L T = -1",
            source: "Pontryagin, Andronov & Vitt (1933); Gardiner (2009), section 5.5",
            ..skipped(spec, &solution.id, "")
        })
    }

    /// The step of a path solver.
    fn step(&self, steps: usize) -> f64 {
        let (from, to) = self.lowered.horizon();
        (to - from) / steps as f64
    }

    /// Times of a walk: steps of length `h` from the start until the check's end.
    fn nodes(&self, spec: &CheckSpec, h: f64) -> Vec<f64> {
        let (from, to) = self.lowered.horizon();
        let end = spec.until.unwrap_or(from + STEPS * h).min(to);
        let steps = ((end - from) / h).round().max(1.0) as usize;
        (0..=steps).map(|k| from + k as f64 * h).collect()
    }

    /// Path solvers of the file that gave an answer and are listed.
    fn steppers(&self, spec: &CheckSpec) -> Vec<(String, Stepper, usize)> {
        let solvers = self.lowered.problem.solvers.iter();
        solvers
            .filter(|s| spec.on.is_empty() || spec.on.contains(&s.id))
            .filter(|s| self.solutions.iter().any(|found| found.id == s.id))
            .filter_map(|s| {
                let stepper = Stepper::from_name(s.method())?;
                Some((s.id.clone(), stepper, s.options.count("steps")))
            })
            .collect()
    }

    fn strong_order(&self, spec: &CheckSpec) -> Vec<CheckResult> {
        let paths = spec.samples.unwrap_or(PATHS);
        let levels = spec.levels.unwrap_or(LEVELS).clamp(2, 8);
        let streams = self.streams.scoped("strong-order");
        let mut results = Vec::new();
        for (id, stepper, steps) in self.steppers(spec) {
            let Ok(scheme) = scheme(stepper, self.lowered) else {
                continue;
            };
            let nodes = self.nodes(spec, self.step(steps));
            let scheme: &dyn Scheme = scheme.as_ref();
            let distances =
                level_distances(self.lowered, scheme, &nodes, levels as u32, paths, &streams);
            let target = spec.order.unwrap_or(scheme.claim().strong);
            results.push(CheckResult {
                equation: "E |X_h - X_{h/2}| ~ h^order on one Brownian path",
                source: "Kloeden and Platen (1992), section 9.3",
                ..order_result(spec, &id, &distances, target)
            });
        }
        results
    }

    /// Paths in both readings approach each other.
    fn conversion(&self, spec: &CheckSpec) -> Option<CheckResult> {
        let (stepper, order) = match self.lowered.free().sde.structure() {
            NoiseStructure::Additive => return None,
            NoiseStructure::Commutative => (Stepper::Milstein, 1.0),
            NoiseStructure::General { .. } => (Stepper::EulerMaruyama, 0.5),
        };
        let [ito, stratonovich] =
            [stepper, Stepper::Heun].map(|stepper| scheme(stepper, self.lowered).ok());
        let (ito, stratonovich) = (ito?, stratonovich?);
        let steps = self
            .steppers(spec)
            .first()
            .map_or(self.lowered.problem.time_settings.steps, |(_, _, steps)| {
                *steps
            });
        let nodes = self.nodes(spec, self.step(steps));
        let paths = spec.samples.unwrap_or(PATHS);
        let levels = spec.levels.unwrap_or(LEVELS).clamp(2, 8) as u32;
        let streams = self.streams.scoped("conversion");
        let schemes: [&dyn Scheme; 2] = [ito.as_ref(), stratonovich.as_ref()];
        let distances: Vec<Vec<f64>> = (0..levels)
            .map(|level| path_distances(self.lowered, schemes, &nodes, level, paths, &streams))
            .collect();
        Some(CheckResult {
            equation: "f_Ito = f_Stratonovich + 1/2 sum (G_j . grad) G_j",
            source: "Stratonovich (1966); Gardiner (2009), section 4.4",
            ..order_result(spec, "all", &distances, order)
        })
    }
}

/// Mass, and what was absorbed.
fn mass(spec: &CheckSpec, solution: &Solution) -> Option<CheckResult> {
    let (inside, absorbed) = solution.answer.law.mass?;
    let limit = spec.tolerance.unwrap_or(1e-9);
    let residual = Residual::deterministic(inside + absorbed - 1.0, 0.0, limit);
    Some(CheckResult {
        residual: Some(residual),
        verdict: residual.verdict(spec.confidence),
        reason: format!("{inside:.12} inside, {absorbed:.3e} absorbed at the edges"),
        equation: "int p + absorbed = 1",
        source: "conservation of probability",
        ..skipped(spec, &solution.id, "")
    })
}

/// The order shown by distances of every path at successive levels.
fn order_result(spec: &CheckSpec, on: &str, distances: &[Vec<f64>], target: f64) -> CheckResult {
    let means: Vec<Estimate> = distances
        .iter()
        .map(|d| Estimate::from_samples(d))
        .collect();
    let slopes: Vec<f64> = means
        .windows(2)
        .map(|pair| (pair[0].value / pair[1].value).log2())
        .collect();
    let (last, count) = (slopes.len() - 1, distances[0].len());
    // The error of a ratio of means over the same paths, to first order.
    let [coarse, fine] = [&distances[last], &distances[last + 1]];
    let [a, b] = [means[last].value, means[last + 1].value];
    let relative: Vec<f64> = coarse
        .iter()
        .zip(fine)
        .map(|(c, f)| c / a - f / b)
        .collect();
    let error = Estimate::from_samples(&relative).error / std::f64::consts::LN_2;
    let settled = if last > 0 {
        // Where slopes approach the target their last change bounds what is left.
        let (before, now) = (slopes[last - 1] - target, slopes[last] - target);
        if now.abs() < before.abs() {
            (now - before).abs()
        } else {
            0.0
        }
    } else {
        0.0
    };
    let limit = spec.tolerance.unwrap_or(0.15);
    let mut residual = Residual::statistical(slopes[last], error, settled, limit, count);
    residual.target = target;
    let shown: Vec<String> = slopes.iter().map(|s| format!("{s:.2}")).collect();
    CheckResult {
        residual: Some(residual),
        verdict: residual.verdict(spec.confidence),
        reason: format!(
            "orders {} from level to level, {count} paths",
            shown.join(", ")
        ),
        false_alarm: residual.false_alarm(spec.confidence),
        ..skipped(spec, on, "")
    }
}

/// Weights of the derivative at `x` of the polynomial through the nodes.
fn slope_weights(nodes: &[f64], x: f64) -> Vec<f64> {
    let others = |j: usize| (0..nodes.len()).filter(move |k| *k != j);
    (0..nodes.len())
        .map(|j| {
            let bottom: f64 = others(j).map(|k| nodes[j] - nodes[k]).product();
            let top: f64 = others(j)
                .map(|left| {
                    others(j)
                        .filter(|k| *k != left)
                        .map(|k| x - nodes[k])
                        .product::<f64>()
                })
                .sum();
            top / bottom
        })
        .collect()
}
