//! The value as a sum over paths, by weighted simulation.
//!
//! ```text
//! control:  V(x_0) = -lambda log E_v[ w ],     w = exp(-(Phi + int q dt)/lambda) dP^0/dP^v
//! sample:   Z      = E_v[ w / p(Y_0) ],        Y_0 ~ p, the law of [prior]; lambda = 1
//! ```
//!
//! over paths steered by `v`: nothing, or the policy of the solver named by `use`. The second line holds because
//! `psi(y) = E[exp(-int q - Phi) | Y_0 = y]` over the uncontrolled reverse process solves the forward equation of
//! the noised target with `Phi = -log rho`: it is `Z p_T(y)`, and integrates to `Z`.
//!
//! # Assumes
//! A temperature, no bounds on the control; for kind `control` a point as start law, because the logarithm of a
//! mean over starts is not the mean of logarithms. For kind `sample` a prior with a density everywhere.
//!
//! # Order
//! Standard error like paths^-1/2, times `lambda` and the spread of the weights; Euler's step bias, of order 1,
//! is the distance from a walk of half as many steps on the same Brownian paths and part of the error. The error
//! is infinite where the fitted tail of the weights is heavier than [`HEAVIEST`]. For kind `sample` also
//! `E[log w] <= log Z` and the estimate `E[w log w]/E[w]` of an upper bound, see [`weighted_mean_log`].
//!
//! # Source
//! Kappen, *J. Stat. Mech.* (2005) P11011; Thijssen, Kappen, *Phys. Rev. E* 91 (2015) for steered paths.
//!
//! # Checked by
//! `feynman-kac`, `log-z`, `evidence-bracket`

use crate::field::Field;
use crate::field::peaks::Peaks;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::problem::method::{MethodSpec, PathKernel};
use crate::problem::task::Task;
use crate::solvers::control::steered_walk::{Idle, SteeredPaths, SteeredWalk};
use crate::solvers::control::target::{Target, has_density};
use crate::solvers::control::weights::{
    HEAVIEST, effective_share, log_mean, pareto_shape, weighted_mean_log, weighted_value,
};
use crate::solvers::control::{ControlOutcome, ControlProblem, LOG_Z_LOWER, LOG_Z_UPPER_ESTIMATE};
use crate::solvers::{
    HistoryEntry, Method, Progress, Quantity, Refusal, Solution, SolveError, StopReason, Work,
};

const NAME: &str = "path-integral";
/// Paths between two looks at the clock.
const ROUND: usize = 8192;

/// Weighted paths with their settings.
#[derive(Clone, Copy)]
pub struct PathIntegral<'a> {
    pub kernel: PathKernel,
    pub paths: usize,
    pub steps: usize,
    /// The solver whose policy steers the paths.
    pub importance: Option<&'a str>,
    /// That policy, where the solver found one.
    pub policy: Option<&'a dyn Field>,
}

impl<'a> PathIntegral<'a> {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &'a MethodSpec, found: &'a [Solution<ControlOutcome>]) -> Option<Self> {
        let MethodSpec::PathIntegral {
            kernel,
            paths,
            steps,
            importance,
            ..
        } = spec
        else {
            return None;
        };
        let importance = importance.as_deref();
        let used = found.iter().find(|s| Some(s.id.as_str()) == importance);
        let policy = used.and_then(|s| s.outcome.policy.as_deref());
        Some(Self {
            kernel: *kernel,
            paths: *paths,
            steps: *steps,
            importance,
            policy: policy.map(|policy| policy as &dyn Field),
        })
    }
}

/// What turns paths into weights.
pub enum Weighing {
    Control {
        temperature: f64,
    },
    Sample {
        prior: Peaks,
        /// `rho`, where the end cost does not contain it.
        target: Option<Target>,
    },
}

/// Log weights so far, on full steps and on steps twice as long.
pub struct State {
    weighing: Weighing,
    streams: Streams,
    fine: Vec<f64>,
    coarse: Vec<f64>,
    history: Vec<HistoryEntry>,
}

impl Weighing {
    fn temperature(&self) -> f64 {
        match self {
            Self::Control { temperature } => *temperature,
            Self::Sample { .. } => 1.0,
        }
    }

    fn log_weights(&self, start: &Batch, paths: &SteeredPaths) -> Vec<f64> {
        let mut out = paths.log_weights(self.temperature());
        if let Self::Sample { prior, target } = self {
            for (w, prior) in out.iter_mut().zip(prior.log_density(start.as_ref())) {
                *w -= prior;
            }
            if let Some(target) = target {
                let (points, d) = (start.points(), start.columns());
                let mut log_density = vec![0.0; points];
                let mut gradient = Batch::zeros(points, d);
                target.eval(paths.end.as_ref(), &mut log_density, gradient.as_mut());
                for (w, log_density) in out.iter_mut().zip(&log_density) {
                    *w += log_density;
                }
            }
        }
        // Outside the domain of the end cost: a path without weight.
        for w in out.iter_mut().filter(|w| w.is_nan()) {
            *w = f64::NEG_INFINITY;
        }
        out
    }
}

fn refuse<T>(reason: String, accepted: &str) -> Result<T, Refusal> {
    Err(Refusal {
        method: NAME,
        reason,
        accepted: accepted.to_owned(),
    })
}

impl Method for PathIntegral<'_> {
    type Problem = ControlProblem;
    type Admitted = Weighing;
    type State = State;
    type Outcome = ControlOutcome;

    fn admit(&self, problem: &ControlProblem) -> Result<Weighing, Refusal> {
        if self.kernel == PathKernel::Transfer {
            return refuse(
                format!(
                    "composed kernels are not made for kind `{}`",
                    problem.problem.kind()
                ),
                "kernel = \"monte-carlo\"",
            );
        }
        if let (Some(id), None) = (self.importance, self.policy) {
            return refuse(
                format!("the solver `{id}` gave no policy"),
                "in `use`, a solver before this one that answers with a policy; or no `use`",
            );
        }
        if problem.problem.control_bounds.is_some() {
            return refuse(
                "with bounds on the control the equation of the value is not linear".to_owned(),
                "no bounds; or hjb",
            );
        }
        let temperature = match &problem.temperature {
            Ok(temperature) => *temperature,
            Err(missing) => {
                return refuse(
                    format!("no temperature: {}", missing.because),
                    "noise and control price with G G' = lambda B R^-1 B'",
                );
            }
        };
        match &problem.problem.task {
            Task::Sample(task) => {
                let target = Target::new(&problem.problem, NAME)?;
                let Some(prior) = task.prior.mixture().filter(has_density) else {
                    return refuse(
                        format!("the prior is a {} without a density", task.prior.family()),
                        "a gaussian or a mixture as [prior]",
                    );
                };
                Ok(Weighing::Sample {
                    prior: Peaks::of(&prior),
                    target: (!problem.has_end_cost()).then_some(target),
                })
            }
            _ if problem.start_point().is_some() => Ok(Weighing::Control { temperature }),
            _ => refuse(
                format!(
                    "the start law is a {}, and the method gives the value at a point",
                    problem.start.family()
                ),
                "family = \"delta\" in [initial]; or another method",
            ),
        }
    }

    fn start(
        &self,
        _: &ControlProblem,
        weighing: Weighing,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        Ok(State {
            weighing,
            streams: *streams,
            fine: Vec::new(),
            coarse: Vec::new(),
            history: Vec::new(),
        })
    }

    fn advance(
        &self,
        problem: &ControlProblem,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let done = state.fine.len();
        let points = ROUND.min(self.paths - done);
        let start = problem.draw_start(&state.streams.role("start"), done as u64, points);
        let idle = Idle {
            states: problem.process.dimension(),
            controls: problem.process.controls(),
        };
        let stream = state.streams.role(&format!("noise {}", done / ROUND));
        let walk = SteeredWalk {
            problem,
            policy: self.policy.unwrap_or(&idle),
            reference: None,
            steps: self.steps.div_ceil(2),
            finest: 1,
            until: problem.process.end(),
            stream: &stream,
        };
        for (level, weights) in [(0, &mut state.coarse), (1, &mut state.fine)] {
            let paths = walk.run(start.as_ref(), level);
            weights.extend(state.weighing.log_weights(&start, &paths));
        }
        let nodes = (points * 3 * walk.steps) as u64;
        work.field_points += if self.policy.is_some() { nodes } else { 0 };
        work.normals += (points * 4 * walk.steps * problem.process.noises()) as u64;
        let so_far = weighted_value(&state.fine, state.weighing.temperature());
        state.history.push(HistoryEntry {
            iteration: state.fine.len() as u64,
            objective: so_far.value,
            measured: so_far.error,
        });
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        let last = state.history.last();
        if state.fine.len() >= self.paths {
            return Progress::Stopped(StopReason::Direct);
        }
        Progress::Going {
            fraction: state.fine.len() as f64 / self.paths as f64,
            objective: last.map_or(f64::NAN, |entry| entry.objective),
            measured: last.map_or(f64::INFINITY, |entry| entry.measured),
        }
    }

    fn finish(&self, problem: &ControlProblem, state: State) -> Result<ControlOutcome, SolveError> {
        let fine = log_mean(&state.fine);
        if !fine.value.is_finite() {
            return Err(SolveError::NotFinite {
                what: "the logarithm of the mean weight",
                value: fine.value,
                time: problem.process.end(),
                suggestion: "more steps, or a policy in `use`".to_owned(),
            });
        }
        let bias = (fine.value - log_mean(&state.coarse).value).abs();
        let shape = pareto_shape(&state.fine);
        let mut facts = vec![("step bias", state.weighing.temperature() * bias)];
        facts.extend(shape.map(|k| ("pareto_k", k)));
        let light = shape.is_none_or(|k| k <= HEAVIEST);
        let error = match light {
            true => fine.error.hypot(bias),
            false => f64::INFINITY,
        };
        let kind = match bias > fine.error && light {
            true => ErrorKind::Step,
            false => ErrorKind::StandardError,
        };
        let share = Estimate::new(
            effective_share(&state.fine),
            f64::INFINITY,
            ErrorKind::Unknown,
        );
        let mut outcome = ControlOutcome {
            quantities: vec![Quantity {
                name: "ess".to_owned(),
                value: share,
            }],
            history: state.history,
            facts,
            ..ControlOutcome::default()
        };
        match state.weighing {
            Weighing::Control { temperature } => {
                let value = Estimate::new(-temperature * fine.value, temperature * error, kind);
                outcome.cost = Some(value);
            }
            Weighing::Sample { .. } => {
                let named = |name: &str, value| Quantity {
                    name: name.to_owned(),
                    value,
                };
                outcome
                    .quantities
                    .push(named("log_z", Estimate::new(fine.value, error, kind)));
                let bounds: [(_, fn(&[f64]) -> Estimate); 2] = [
                    (LOG_Z_LOWER, Estimate::from_samples),
                    (LOG_Z_UPPER_ESTIMATE, weighted_mean_log),
                ];
                for (name, bound) in bounds {
                    let [own, halved] = [&state.fine, &state.coarse].map(|w| bound(w));
                    let bias = (own.value - halved.value).abs();
                    // A path without weight takes the lower bound to minus infinity: none.
                    if own.value.is_finite() && bias.is_finite() {
                        let kind = if bias > own.error {
                            ErrorKind::Step
                        } else {
                            own.kind
                        };
                        let bound = Estimate::new(own.value, own.error.hypot(bias), kind);
                        outcome.quantities.push(named(name, bound));
                    }
                }
            }
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests;
