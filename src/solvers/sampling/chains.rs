//! Chains that walk in the target: Langevin with and without correction, Hamiltonian Monte Carlo. Baselines.
//!
//! ```text
//! langevin:  x <- x + h grad log rho + sqrt(2 h) z
//! mala:      the same, accepted with probability min(1, rho(x') k(x|x') / (rho(x) k(x'|x)))
//! hmc:       leapfrog steps of length h, accepted with probability min(1, exp(-dH))
//! ```
//!
//! Every path is a chain of its own, started from the law of `[prior]`. The warmup is thrown away and adapts the
//! step of the two corrected walks to their acceptance.
//!
//! # Assumes
//! A chain stays in the mode it finds. Standard errors come from the spread of the chains' averages: they do not
//! see what no chain has visited, nor the start where the warmup was too short, nor the bias of order `h` of the
//! uncorrected walk.
//!
//! # Source
//! Roberts, Tweedie, *Bernoulli* 2 (1996); Neal, *Handbook of MCMC* (2011), ch. 5.
//!
//! # Checked by
//! `quantiles`

use crate::numeric::batch::Batch;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::{Bound, Fallback, Form, Key};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::SAMPLE;
use crate::problem::meant::law::{Covariance, Mixture};
use crate::problem::meant::named::Named;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::answer::Quantity;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::target::Target;
use crate::solvers::options::{RUN_PATHS, paths_text, quarter};
use crate::solvers::sampling::tempered::{Cloud, Move, MoveStreams, Reference, Tempered};

/// Leapfrog steps of a Hamiltonian trajectory.
const LEAPFROGS: usize = 8;
/// Longest over shortest step of a trajectory, so that none is periodic.
const RANGE: f64 = 2.0;
/// Coordinates whose moments are reported.
const REPORTED: usize = 4;
/// Moves between two looks at the clock.
const BATCH: usize = 16;

/// A sampler that walks in the target density.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Unadjusted Langevin steps.
    Langevin,
    /// Langevin steps with accept and reject.
    Mala,
    /// Hamiltonian Monte Carlo.
    Hmc,
}

impl Named for Walk {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("langevin", Self::Langevin),
        ("mala", Self::Mala),
        ("hmc", Self::Hmc),
    ];
}

/// Each path keeps its length where there is less work: what a walk forgets of its start does not depend on their
/// number.
const OPTIONS: &[Key] = &[
    Key::new("paths", Form::Count(1), RUN_PATHS, "chains").less(quarter),
    Key::new(
        "steps",
        Form::Count(1),
        Fallback::Found("ten times time.steps", |setup, _| (10 * setup.steps).into()),
        "moves of a chain",
    ),
    Key::new(
        "step_size",
        Form::Number(Bound::Positive),
        Fallback::Number(0.1),
        "step",
    ),
    Key::new(
        "warmup",
        Form::Count(0),
        Fallback::Count(1000),
        "moves that are thrown away",
    ),
];

/// What the walk is called and does.
pub static LANGEVIN: Card = Card {
    page: Page::of("langevin", include_str!("chains.md")),
    kinds: SAMPLE,
    later: &[],
    options: OPTIONS,
    settings: paths_text,
};

/// What the walk is called and does.
pub static MALA: Card = Card {
    page: Page::of("mala", include_str!("chains.md")),
    kinds: SAMPLE,
    later: &[],
    options: OPTIONS,
    settings: paths_text,
};

/// What the walk is called and does.
pub static HMC: Card = Card {
    page: Page::of("hmc", include_str!("chains.md")),
    kinds: SAMPLE,
    later: &[],
    options: OPTIONS,
    settings: paths_text,
};

/// A walk with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chains {
    pub walk: Walk,
    pub paths: usize,
    pub steps: usize,
    pub step_size: f64,
    pub warmup: usize,
}

impl Chains {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = &spec.options;
        Walk::from_name(spec.method()).map(|walk| Self {
            walk,
            paths: options.count("paths"),
            steps: options.count("steps"),
            step_size: options.number("step_size"),
            warmup: options.count("warmup"),
        })
    }

    fn name(&self) -> &'static str {
        self.walk.name()
    }

    /// Mean acceptance at which a walk mixes fastest; `None`: nothing is rejected.
    fn wanted(&self) -> Option<f64> {
        match self.walk {
            Walk::Langevin => None,
            Walk::Mala => Some(0.574),
            Walk::Hmc => Some(0.8),
        }
    }
}

/// Progress of the chains.
pub struct State {
    target: Target,
    streams: MoveStreams,
    cloud: Cloud,
    moves: Move,
    /// Moves done, the warmup included.
    done: usize,
    /// Sum of acceptances since the warmup.
    accepted: f64,
    /// Sums of `x` and of `x^2` per chain since the warmup.
    sums: [Batch; 2],
}

impl State {
    fn tally(&mut self) {
        for j in 0..self.cloud.x.columns() {
            let x = self.cloud.x.column(j);
            let [first, second] = &mut self.sums;
            let sums = first.column_mut(j).iter_mut().zip(second.column_mut(j));
            for ((first, second), x) in sums.zip(x) {
                *first += x;
                *second += x * x;
            }
        }
    }
}

impl Method for Chains {
    const ASKS: Asks = Asks::Control;
    type Admitted = Target;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Target, Refusal> {
        Target::new(&lowered.problem, self.name())
    }

    fn start(
        &self,
        lowered: &Lowered,
        target: Target,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let x = lowered.draw_start(&streams.role("start"), 0, self.paths);
        let (points, d) = (x.points(), x.columns());
        let cloud = Cloud::new(&target, x);
        let (step, leapfrogs, range) = match self.walk {
            Walk::Hmc => (self.step_size, LEAPFROGS, RANGE),
            // One leapfrog step of length e is a Langevin step of h = e^2/2.
            Walk::Langevin | Walk::Mala => ((2.0 * self.step_size).sqrt(), 1, 1.0),
        };
        Ok(State {
            target,
            streams: MoveStreams::new(streams),
            cloud,
            moves: Move {
                step,
                range,
                leapfrogs,
                scale: vec![1.0; d],
                corrected: self.wanted().is_some(),
            },
            done: 0,
            accepted: 0.0,
            sums: [Batch::zeros(points, d), Batch::zeros(points, d)],
        })
    }

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        let d = state.moves.scale.len();
        // Left out at inverse temperature one.
        let unit = Mixture::gaussian(vec![0.0; d], Covariance::Isotropic(1.0));
        let reference = Reference::new(unit);
        for _ in 0..BATCH.min(self.warmup + self.steps - state.done) {
            let density = Tempered {
                target: &state.target,
                reference: &reference,
                inverse_temperature: 1.0,
            };
            let node = state.done as u32;
            let rule = self.wanted();
            let accepted = state
                .moves
                .apply(density, &mut state.cloud, state.streams, 0, node);
            if state.done < self.warmup {
                // Steps of the adaptation fall like n^-1/2.
                let gain = (state.done as f64 + 1.0).powf(-0.5);
                if let Some(wanted) = rule {
                    state.moves.step *= (gain * (accepted - wanted)).exp();
                }
            } else {
                state.accepted += accepted;
                state.tally();
            }
            state.done += 1;
        }
        let points = state.cloud.x.points() as u64;
        work.gradients += points * (BATCH * state.moves.leapfrogs) as u64;
        match state.cloud.x.as_slice().iter().find(|x| !x.is_finite()) {
            Some(value) => Err(SolveError::NotFinite {
                what: "a chain",
                value: *value,
                time: state.done as f64,
                suggestion: "a smaller step_size, or mala".to_owned(),
            }),
            None => Ok(()),
        }
    }

    fn progress(&self, state: &State) -> Progress {
        let all = self.warmup + self.steps;
        if state.done >= all {
            return Progress::Stopped(StopReason::Direct);
        }
        Progress::Going {
            fraction: state.done as f64 / all as f64,
            objective: f64::NAN,
            measured: state.moves.step,
        }
    }

    fn is_whole(&self, state: &State) -> bool {
        state.done > self.warmup
    }

    fn finish(&self, _: &Lowered, state: State) -> Result<Answer, SolveError> {
        // Out of time during the warmup: nothing was tallied, and the averages say so.
        let kept = state.done.saturating_sub(self.warmup) as f64;
        let d = state.moves.scale.len();
        let mut quantities = Vec::new();
        for (sums, name) in state.sums.iter().zip(["mean", "second_moment"]) {
            for j in 0..d.min(REPORTED) {
                let averages: Vec<f64> = sums.column(j).iter().map(|sum| sum / kept).collect();
                quantities.push(Quantity {
                    name: format!("{name}[{j}]"),
                    value: Estimate::from_samples(&averages),
                });
            }
        }
        let step_size = match self.walk {
            Walk::Hmc => state.moves.step,
            Walk::Langevin | Walk::Mala => 0.5 * state.moves.step * state.moves.step,
        };
        let mut facts = vec![("step size", step_size)];
        if self.wanted().is_some() {
            facts.push(("acceptance", state.accepted / kept));
        }
        Ok(Answer {
            quantities,
            facts,
            samples: Some(state.cloud.x),
            ..Answer::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::parse_text;
    use crate::solvers::registry::methods::vocabulary;
    use crate::solvers::registry::run::solve;
    use std::path::Path;

    /// Seed 9. A Gaussian with mean 1 and variance 4: 64 chains; five standard errors on four moments, Student
    /// with 63 degrees of freedom: false-alarm probability below 2e-5 a walk. The uncorrected walk, on this target
    /// an autoregression with factor `1 - h/4`, has variance `4/(1 - h/8)`.
    #[test]
    fn walks_have_the_moments_of_a_gaussian() {
        for (method, step, variance) in [
            ("langevin", 0.4, 4.0 / (1.0 - 0.4 / 8.0)),
            ("mala", 0.4, 4.0),
            ("hmc", 0.2, 4.0),
        ] {
            let text = format!(
                "format = 1\n[problem]\nname = \"test\"\nkind = \"sample\"\n[target]\nfamily = \"log-density\"\n\
                 log_density = \"-((x[0] - 1)^2 + (x[1] - 1)^2)/8\"\n[dynamics]\nstate = \"x[2]\"\npreset = \"vp\"\n\
                 horizon = [0.0, 1.0]\n[run]\nseed = 9\n[[solver]]\nid = \"walk\"\nmethod = \"{method}\"\n\
                 paths = 64\nsteps = 2000\nstep_size = {step}\nwarmup = 400\n"
            );
            let loaded = parse_text("test.toml", &text, Path::new("."), &[], &vocabulary())
                .unwrap_or_else(|report| panic!("{report}"));
            let lowered = Lowered::new(loaded.problem).expect("the lowered lowers");
            let spec = &lowered.problem.solvers[0];
            let solution =
                solve(&lowered, spec, &[], None, &mut |_| ()).unwrap_or_else(|e| panic!("{e}"));
            let quantities = &solution.answer.quantities;
            assert_eq!(quantities.len(), 4);
            for (quantity, exact) in
                quantities
                    .iter()
                    .zip([1.0, 1.0, variance + 1.0, variance + 1.0])
            {
                let Estimate { value, error, .. } = quantity.value;
                assert!(
                    (value - exact).abs() < 5.0 * error && error < 0.1,
                    "{method} {}: {value} +- {error}, exact {exact}",
                    quantity.name
                );
            }
        }
    }
}
