//! The problem in numbers: one controlled diffusion for every kind.
//!
//! ```text
//! dX = ( b(X,t) + B(X,t) u ) dt + G(X,t) dW,      D = G G'
//! S[u] = E[ Phi(X_T) + int e^{-rho (t - t_0)} ( q(X,t) + 1/2 u' R(X,t) u ) dt ]
//! V(x,t) = min over u of the cost from (x,t) on,      u* = -R^-1 B' grad V
//! ```
//!
//! Reverse diffusion and sampling are posed on the reverse time `tau = t_0 + t_1 - t`, which runs over the horizon of the
//! file, reverse diffusion up to `t_min`: `b = -f + div D`, `B = G`, `R = 1`, `q = div f - 1/2 div div D`,
//! `Phi = -log p`. A simulation is the process without a control.

use crate::derivation::control::temperature::{NoTemperature, temperature};
use crate::derivation::ground::controlled::{
    ControlledDiffusion, Obstacle, take_apart, take_apart_at_any_price, take_apart_in_bounds,
};
use crate::derivation::ground::noising::Noising as Symbolic;
use crate::derivation::ground::stated::{Clock, Stated};
use crate::derivation::kind::dispatch::{EndLaw, lowered};

use crate::discretization::noising::{Noising, NoisingError};
use crate::discretization::scheme::{Sde, SdeError};
use crate::discretization::steered::SteeredProcess;
use crate::expr::{CompileError, Expr, Kernel};
use crate::field::noised_mixture::NoisedMixture;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Stream;
use crate::problem::meant::law::{Law, Mixture};
use crate::problem::meant::model::{Boundary, Problem};
use crate::problem::meant::task::{Kind, Sense, Task};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::lowered::start_law::{draw_start, is_drawn};

/// Why a problem could not be lowered to numbers.
#[derive(Debug, thiserror::Error)]
pub enum LoweringError {
    #[error(
        "this version has no solvers for problems of kind `{kind}`; it derives and checks them: onsager derive, onsager check"
    )]
    NoSolvers { kind: Kind },
    #[error("the dynamics, the cost, an observable or an event could not be compiled: {0}")]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Sde(#[from] SdeError),
    #[error(
        "the start law of the {process} is a {family}; it must be a point, a gaussian, mixture, curve, samples or uniform"
    )]
    StartNotDrawn {
        process: &'static str,
        family: &'static str,
    },
    #[error(
        "the noised data have no density at t = {time}: rounding leaves a covariance singular; a later `time.t_min`, wider data or more noise would give them one"
    )]
    Singular { time: f64 },
    #[error("no closed minimiser: {0}")]
    NoMinimiser(#[from] Obstacle),
}

/// What methods for processes without control ask for besides the coefficients.
#[derive(Clone, Debug)]
pub struct Uncontrolled {
    /// Drift, noise and what schemes ask for.
    pub sde: Sde,
    /// `[observe]`, one output each.
    pub observables: Kernel,
    /// Margins of the events that end a path: negative before, one output each.
    pub margins: Kernel,
    /// For every such event the noise of its margin, `grad m' D grad m`.
    pub margin_spreads: Kernel,
    /// Their names.
    pub stops: Vec<String>,
}

/// The process, compiled.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub steered: SteeredProcess,
    /// The noising process, where the controlled one runs against it.
    noising: Option<Result<Noising, NoisingError>>,
    uncontrolled: Option<Uncontrolled>,
}

/// What was found out about the process once, for every method to ask.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `lambda` with `G G' = lambda B R^-1 B'`, or why there is none.
    pub temperature: Result<f64, NoTemperature>,
    /// Law of the noised data, where it is a mixture under affine drift.
    pub marginals: Option<NoisedMixture>,
}

/// What a method asks of the process before it looks closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Control,
    /// A control, and every cost as an expression.
    WholeCost,
    NoControl,
    /// That it runs against a noising process whose noise is free of the state.
    AdditiveNoising,
}

/// A problem lowered to one controlled diffusion, with numbers in it.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// As the file means it.
    pub problem: Problem,
    /// The control problem as typed, or what the problem is lowered to.
    pub stated: Stated,
    /// `b`, `B`, `G`, `q`, `R`, `Phi`, symbolically.
    pub process: ControlledDiffusion,
    pub compiled: Compiled,
    pub facts: Facts,
    /// Start law of a reverse process as a mixture.
    pub(crate) prior: Option<Mixture>,
}

impl Lowered {
    /// Lowers a problem of any kind that can be solved.
    ///
    /// # Errors
    /// [`LoweringError`] where the kind has no solvers, the minimiser no closed form, or the start law no draws.
    pub fn new(problem: Problem) -> Result<Self, LoweringError> {
        let (start, data) = match &problem.task {
            Task::Bridge(_) | Task::Path(_) => (None, None),
            task => (task.prior().or(task.start_law()), noised(task)),
        };
        let Some(start) = start else {
            return Err(LoweringError::NoSolvers {
                kind: problem.kind(),
            });
        };
        if !is_drawn(start) {
            return Err(LoweringError::StartNotDrawn {
                process: if data.is_some() {
                    "reverse process"
                } else {
                    "process"
                },
                family: start.family(),
            });
        }
        let noising = match data.map(|_| Noising::new(&problem)) {
            Some(Err(NoisingError::Compile(error))) => return Err(error.into()),
            noising => noising,
        };
        let marginals = data.and_then(Law::mixture).and_then(|mixture| {
            let noising = noising.as_ref()?.as_ref().ok()?;
            let transition = noising.transition()?.clone();
            Some(NoisedMixture::new(mixture, transition, noising.start()))
        });
        let (first, end) = (problem.time_settings.t_min, problem.dynamics.horizon.1);
        let times = [first, 0.5 * (first + end), end];
        if let Some(time) = marginals.as_ref().and_then(|law| law.singular_at(&times)) {
            return Err(LoweringError::Singular { time });
        }
        let stated = lowered(&problem, end_law(&problem, marginals.as_ref()).as_ref());
        let mut process = apart(&stated, problem.control_bounds.as_deref())?;
        process.start = Some(start.clone());
        if problem.is_endless() {
            // What is walked or drawn; the methods know that it goes on.
            process.horizon = problem.window();
        }
        let temperature = match process.clock {
            // The lowering steers through the noise at unit price: B = G, R = 1.
            Clock::Reversed => Ok(1.0),
            Clock::Forward if !process.is_priced() => Err(NoTemperature {
                because: "a control has another price than a quadratic one".to_owned(),
                nearest: None,
            }),
            Clock::Forward => temperature_of(&mut process),
        };
        Ok(Self {
            compiled: Compiled {
                steered: SteeredProcess::new(&process)?,
                noising,
                uncontrolled: match &problem.task {
                    Task::Simulate(_) => Some(Uncontrolled::new(&problem, &process)?),
                    _ => None,
                },
            },
            facts: Facts {
                temperature,
                marginals,
            },
            prior: start.mixture().filter(|_| data.is_some()),
            stated,
            process,
            problem,
        })
    }

    /// The problem of a part of the process, whose coefficients are given.
    pub(crate) fn part(
        &self,
        problem: Problem,
        mut process: ControlledDiffusion,
    ) -> Result<Self, CompileError> {
        let temperature = temperature_of(&mut process);
        Ok(Self {
            compiled: Compiled {
                steered: SteeredProcess::new(&process)?,
                noising: None,
                uncontrolled: None,
            },
            facts: Facts {
                temperature,
                marginals: None,
            },
            stated: self.stated.clone(),
            prior: None,
            process,
            problem,
        })
    }

    /// The noising process of a problem that runs against it, or why the methods that need its kernels do not apply.
    ///
    /// # Errors
    /// [`NoisingError`] where the noise depends on the state.
    pub fn additive(&self) -> Result<&Noising, &NoisingError> {
        self.compiled
            .noising
            .as_ref()
            .expect("only processes that run against a noising one are asked for it")
            .as_ref()
    }

    /// The noising process of a problem that was found to have additive noise.
    ///
    /// # Panics
    /// If that was not asked before.
    pub fn noising(&self) -> &Noising {
        self.additive().expect("admission saw additive noise")
    }

    /// Whether the process runs against a noising process whose kernels are known to the methods of scores.
    pub fn undoes_additive_noise(&self) -> bool {
        matches!(self.compiled.noising, Some(Ok(_)))
    }

    /// Whether the process has what a method asks for.
    ///
    /// # Errors
    /// [`Refusal`] where it has not.
    pub fn provides(&self, asks: Asks, method: &'static str) -> Result<(), Refusal> {
        let kind = self.problem.kind();
        let (reason, accepted) = match asks {
            Asks::Control | Asks::WholeCost if self.process.control.is_empty() => (
                format!("a problem of kind `{kind}` has no control"),
                "kinds `control`, `reverse` and `sample`",
            ),
            Asks::WholeCost if !self.has_end_cost() => (
                format!(
                    "the density of a {} of this size is not written out as an end cost",
                    self.data().family()
                ),
                "a mixture of few Gaussians, a density or a log-density; or path-integral",
            ),
            Asks::NoControl if self.compiled.uncontrolled.is_none() => (
                format!("a problem of kind `{kind}` has a control"),
                "kind `simulate`",
            ),
            Asks::AdditiveNoising => match &self.compiled.noising {
                Some(Ok(_)) => return Ok(()),
                Some(Err(error)) => (
                    error.to_string(),
                    "hopf-cole, hjb, polynomial, path-integral",
                ),
                None => (
                    format!("a problem of kind `{kind}` undoes no noising process"),
                    "kinds `reverse` and `sample`",
                ),
            },
            _ => return Ok(()),
        };
        Err(Refusal {
            method,
            reason,
            accepted: accepted.to_owned(),
        })
    }

    /// Refuses methods on a line in more than one state.
    pub(crate) fn admit_one_state(&self, method: &'static str) -> Result<(), Refusal> {
        match self.dimension() {
            1 => Ok(()),
            d => Err(Refusal {
                method,
                reason: format!("{d} states"),
                accepted: "one state; or paths: euler-maruyama, heun, milstein".to_owned(),
            }),
        }
    }

    /// Refuses methods for coefficients free of time.
    pub(crate) fn admit_autonomous(&self, method: &'static str) -> Result<(), Refusal> {
        if self.is_autonomous() {
            return Ok(());
        }
        Err(Refusal {
            method,
            reason: "drift or noise depends on time".to_owned(),
            accepted: "coefficients free of time; or fpk and paths".to_owned(),
        })
    }

    /// Why the best control is not `-R^-1 B' grad V`, if it is not.
    pub fn obstructed_control(&self) -> Option<&'static str> {
        if self.problem.control_bounds.is_some() {
            Some("the control is bounded")
        } else {
            let other = self.process.has_other_price();
            other.then_some("a control has another price than a quadratic one")
        }
    }

    /// Whether the least cost per time is asked for, for ever and not discounted. Values are then known up to a constant,
    /// and every method makes their average over the start law zero.
    pub fn averages(&self) -> bool {
        self.problem.is_endless() && self.compiled.steered.discount() == 0.0
    }

    /// Refuses methods that go back from an end where the horizon has none.
    pub(crate) fn admit_end(&self, method: &'static str) -> Result<(), Refusal> {
        if !self.problem.is_endless() {
            return Ok(());
        }
        Err(Refusal {
            method,
            reason: "the horizon has no end to go back from".to_owned(),
            accepted: match self.process.control.is_empty() {
                true => "stationary, moments; or horizon = [t0, t1]",
                false => "riccati, hjb, and hopf-cole for the average cost; or horizon = [t0, t1]",
            }
            .to_owned(),
        })
    }

    /// What methods for processes without control ask for.
    ///
    /// # Panics
    /// If the process has a control.
    pub fn free(&self) -> &Uncontrolled {
        let free = self.compiled.uncontrolled.as_ref();
        free.expect("admission saw that nothing is controlled")
    }

    /// Law at the start of the noising, or of the target.
    ///
    /// # Panics
    /// If the process runs against no noising process.
    pub fn data(&self) -> &Law {
        let data = noised(&self.problem.task);
        data.expect("the process runs against a noising process")
    }

    /// Start law of the reverse process.
    ///
    /// # Panics
    /// If it is no mixture, or the process runs against no noising process.
    pub fn prior(&self) -> &Mixture {
        self.prior.as_ref().expect("the prior is a mixture")
    }

    /// Law at the start of the process.
    pub fn start(&self) -> &Law {
        let start = self.process.start.as_ref();
        start.expect("a process that is solved has a start law")
    }

    pub fn dimension(&self) -> usize {
        self.process.dimension()
    }

    /// 1, or -1 where the file asks for the largest gain: the equations count its opposite as a cost.
    pub fn sign_of_costs(&self) -> f64 {
        match &self.problem.task {
            Task::Control(task) if task.cost.sense == Sense::Maximise => -1.0,
            _ => 1.0,
        }
    }

    /// Whether a cost or the drift has a kink or a jump.
    pub fn is_kinked(&self) -> bool {
        let process = &self.process.process;
        let costs = [self.process.running, self.process.terminal];
        let mut parts = costs.iter().chain(&process.drift);
        parts.any(|e| process.graph.is_kinked(*e))
    }

    /// A cost of the equations as the file counts it.
    pub fn as_counted(&self, cost: Estimate) -> Estimate {
        Estimate::new(self.sign_of_costs() * cost.value, cost.error, cost.kind)
    }

    /// Start and end of the horizon of the file.
    pub fn horizon(&self) -> (f64, f64) {
        self.problem.dynamics.horizon
    }

    pub fn boundary(&self, state: usize) -> Boundary {
        self.problem.dynamics.boundary[state]
    }

    /// Whether the end cost is in the equations: it is not where it is the density of a mixture of many components, which
    /// only methods that ask for the density itself can do.
    pub fn has_end_cost(&self) -> bool {
        let known = match self.process.clock {
            Clock::Forward => true,
            Clock::Reversed => matches!(self.data(), Law::LogDensity(_)),
        };
        known || !self.process.process.graph.is_zero(self.process.terminal)
    }

    /// Whether dynamics and running costs are the same at all times.
    pub fn is_autonomous(&self) -> bool {
        let (parts, process) = (&self.process, &self.process.process);
        let matrices = [&process.diffusion, &parts.channel, &parts.effort];
        let mut entries = matrices.into_iter().flatten().flatten();
        let moving = |e: &Expr| process.graph.depends_on(*e, process.time);
        let mut rates = process.drift.iter().chain(&parts.toll);
        let costs = [&parts.running, &parts.other_price];
        !entries.any(moving) && !rates.any(moving) && !costs.into_iter().any(moving)
    }

    /// Draws `first..first + points` of the start law.
    pub fn draw_start(&self, stream: &Stream, first: u64, points: usize) -> Batch {
        draw_start(self.start(), stream, first, points)
    }

    /// The start point, where the start law is one.
    pub fn start_point(&self) -> Option<&[f64]> {
        match self.start() {
            Law::Delta(point) => Some(point),
            _ => None,
        }
    }
}

/// The parts of a problem, with a price of any form where none has a closed minimum.
fn apart(stated: &Stated, bounds: Option<&[(f64, f64)]>) -> Result<ControlledDiffusion, Obstacle> {
    let found = match bounds {
        Some(_) => take_apart_in_bounds(stated),
        None => take_apart(stated),
    };
    match (found, bounds) {
        (Err(Obstacle::NotQuadratic { .. }), _)
        | (Err(Obstacle::NotPositive { .. } | Obstacle::NoInverse { .. }), Some(_)) => {
            take_apart_at_any_price(stated, bounds)
        }
        (found, _) => found,
    }
}

/// The law that a noising process starts from, where the problem runs against one.
fn noised(task: &Task) -> Option<&Law> {
    task.prior().and(task.start_law())
}

/// The temperature as a number.
fn temperature_of(process: &mut ControlledDiffusion) -> Result<f64, NoTemperature> {
    temperature(process).map(|found| {
        let number = process.process.graph.evaluate(found.value, &[]);
        number.expect("a temperature contains neither state nor time")
    })
}

impl Uncontrolled {
    fn new(problem: &Problem, process: &ControlledDiffusion) -> Result<Self, LoweringError> {
        let mut process: Symbolic = process.process.clone();
        let events = problem.task.events().iter();
        let stops: Vec<_> = events.filter(|event| event.stop).collect();
        let observed: Vec<Expr> = problem.observe.iter().map(|(_, e)| *e).collect();
        let margins: Vec<Expr> = stops.iter().map(|event| event.margin).collect();
        let spreads: Vec<Expr> = margins
            .iter()
            .map(|margin| {
                let slope = process.gradient(*margin);
                let pulled = process.diffuse(&slope);
                process.dot(&slope, &pulled)
            })
            .collect();
        let compile = |e: &[Expr]| Kernel::compile(&process.graph, e, process.time, &process.state);
        Ok(Self {
            sde: Sde::of(problem)?,
            observables: compile(&observed)?,
            margins: compile(&margins)?,
            margin_spreads: compile(&spreads)?,
            stops: stops.iter().map(|event| event.name.clone()).collect(),
        })
    }
}

/// Where reverse diffusion ends, and the law of the noised data there; a sampling problem ends at its target.
fn end_law(problem: &Problem, marginals: Option<&NoisedMixture>) -> Option<EndLaw> {
    let Task::Reverse(_) = &problem.task else {
        return None;
    };
    let time = problem.time_settings.t_min;
    Some(EndLaw {
        time,
        law: marginals?.mixture_at(time),
    })
}
