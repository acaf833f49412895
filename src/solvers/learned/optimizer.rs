//! Argmin behind our own loop: one call is one iteration, and the reason to stop is ours.
//!
//! Argmin reports "ok" for exhausted budgets and failed line searches alike, so its own termination is
//! never consulted: we stop on the gradient norm, on stagnation in double precision, or on the limit.

mod point;

use crate::problem::format::key::{Fallback, Form, Key, Names};
use crate::problem::meant::named::Named;
use crate::solvers::driver::{Progress, SolveError, StopReason, Work};
use crate::solvers::learned::optimizer::point::{Point, norm};
use crate::solvers::lowered::answer::HistoryEntry;
use argmin::core::{
    CostFunction, Error, Gradient, Hessian, IterState, Problem, Solver, State, TerminationReason,
    TerminationStatus,
};
use argmin::solver::conjugategradient::NonlinearConjugateGradient;
use argmin::solver::conjugategradient::beta::PolakRibierePlus;
use argmin::solver::gradientdescent::SteepestDescent;
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::neldermead::NelderMead;
use argmin::solver::newton::NewtonCG;
use argmin::solver::quasinewton::LBFGS;
use argmin::solver::trustregion::{Steihaug, TrustRegion};
use argmin_math::ArgminDot;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A smooth function of many variables.
pub trait Objective: Send + Sync {
    /// The value; `gradient` is overwritten.
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64;
    fn value(&self, x: &[f64]) -> f64;
}

/// Minimisers of argmin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimizer {
    Lbfgs,
    NonlinearCg,
    TrustRegion,
    NewtonCg,
    GaussNewton,
    NelderMead,
}

impl Named for Optimizer {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("lbfgs", Self::Lbfgs),
        ("nonlinear-cg", Self::NonlinearCg),
        ("trust-region", Self::TrustRegion),
        ("newton-cg", Self::NewtonCg),
        ("gauss-newton", Self::GaussNewton),
        ("nelder-mead", Self::NelderMead),
    ];
}

/// The option of the methods that have one.
pub const OPTIMIZER: Key = Key::new(
    "optimizer",
    Form::Choice(Names::Fixed(Optimizer::names)),
    Fallback::Name("lbfgs"),
    "minimiser",
);

/// What to do and when to stop.
#[derive(Clone, Copy, Debug)]
pub struct DescentSettings {
    pub optimizer: Optimizer,
    /// On the gradient norm (Nelder–Mead: on the spread of the objective over the simplex).
    pub tolerance: f64,
    pub max_iterations: usize,
}

/// Iterations without visible progress before the loop is called stalled.
const PATIENCE: usize = 5;
/// Relative decrease that counts as visible.
const VISIBLE: f64 = 1e-13;
/// Pairs kept by L-BFGS.
const MEMORY: usize = 12;
/// Relative size of the first simplex and of the steps of Hessian differences.
const SIMPLEX: f64 = 0.1;
const DIFFERENCE: f64 = 1e-6;
/// Inner conjugate-gradient steps of the trust-region method.
const INNER_STEPS: u64 = 60;
const INNER_TOLERANCE: f64 = 1e-4;

/// A minimisation in progress.
pub struct Descent {
    settings: DescentSettings,
    shared: Arc<Shared>,
    stepper: Box<dyn Stepper + Send>,
    /// Iterations since the stepper was made.
    age: usize,
    x: Vec<f64>,
    value: f64,
    norm: f64,
    iterations: usize,
    quiet: usize,
    stopped: Option<StopReason>,
    history: Vec<HistoryEntry>,
}

impl Descent {
    /// Evaluates the start point; fails if it is not finite there.
    pub fn new(
        objective: Arc<dyn Objective>,
        start: &[f64],
        settings: DescentSettings,
    ) -> Result<Self, SolveError> {
        let shared = Arc::new(Shared {
            objective,
            memo: Mutex::new(None),
            evaluations: AtomicU64::new(0),
            ceiling: Mutex::new(f64::INFINITY),
        });
        let (value, gradient) = shared.evaluate(start);
        let norm = norm(&gradient);
        if !(value.is_finite() && norm.is_finite()) {
            return Err(SolveError::Optimizer {
                message: format!("the objective at the start is {value}, its gradient norm {norm}"),
                suggestion: "a larger t_min or fewer components".to_owned(),
            });
        }
        // Trial points where the objective overflows look merely very bad to the line search.
        *locked(&shared.ceiling) = value.abs().max(1.0) * 1e6;
        let stepper = stepper(&shared, start, value, gradient, &settings);
        let mut descent = Self {
            settings,
            shared,
            stepper,
            age: 0,
            x: start.to_vec(),
            value,
            norm,
            iterations: 0,
            quiet: 0,
            stopped: None,
            history: Vec::new(),
        };
        descent.record();
        Ok(descent)
    }

    /// One iteration. A failed line search restarts the method from the best point once; a second
    /// failure in a row is a stall.
    pub fn advance(&mut self, work: &mut Work) -> Result<(), SolveError> {
        let before = self.shared.evaluations.load(Ordering::Relaxed);
        let stepped = self.stepper.step();
        work.gradients += self.shared.evaluations.load(Ordering::Relaxed) - before;
        self.iterations += 1;
        self.age += 1;
        match stepped {
            Ok(x) => self.accept(x),
            Err(_) if self.age > 1 => {
                let (value, gradient) = self.shared.evaluate(&self.x);
                self.stepper = stepper(&self.shared, &self.x, value, gradient, &self.settings);
                self.age = 0;
            }
            Err(_) => {
                self.stopped = Some(StopReason::Stalled {
                    measured: self.norm,
                });
            }
        }
        self.record();
        Ok(())
    }

    fn accept(&mut self, x: Vec<f64>) {
        let (value, measured) = if self.settings.optimizer == Optimizer::NelderMead {
            let value = self.shared.value(&x);
            (value, (self.value - value).abs())
        } else {
            let (value, gradient) = self.shared.evaluate(&x);
            (value, norm(&gradient))
        };
        let decrease = self.value - value;
        let simplex = self.settings.optimizer == Optimizer::NelderMead;
        self.quiet = if decrease > VISIBLE * value.abs().max(1e-300) {
            0
        } else {
            self.quiet + 1
        };
        if value <= self.value {
            self.x = x;
            self.value = value;
            // A simplex that has not moved says nothing about how far it is from a minimum.
            if !(simplex && measured == 0.0) {
                self.norm = measured;
            }
        }
        // A simplex shrinks for as many steps as it has corners before its best corner moves.
        let patience = if simplex {
            PATIENCE * (self.x.len() + 1)
        } else {
            PATIENCE
        };
        if !simplex && self.norm <= self.settings.tolerance {
            self.stopped = Some(StopReason::Converged {
                measured: self.norm,
                tolerance: self.settings.tolerance,
            });
        } else if self.quiet >= patience {
            self.stopped = Some(StopReason::Stalled {
                measured: self.norm,
            });
        }
    }

    fn record(&mut self) {
        if self.stopped.is_none() && self.iterations >= self.settings.max_iterations {
            self.stopped = Some(StopReason::IterationLimit {
                limit: self.settings.max_iterations,
                measured: self.norm,
            });
        }
        self.history.push(HistoryEntry {
            iteration: self.iterations as u64,
            objective: self.value,
            measured: self.norm,
        });
    }

    pub fn progress(&self) -> Progress {
        match self.stopped {
            Some(reason) => Progress::Stopped(reason),
            None => Progress::Going {
                fraction: self.iterations as f64 / self.settings.max_iterations.max(1) as f64,
                objective: self.value,
                measured: self.norm,
            },
        }
    }

    /// Best point so far.
    pub fn best(&self) -> &[f64] {
        &self.x
    }

    pub fn value(&self) -> f64 {
        self.value
    }

    /// Gradient norm at the best point (Nelder–Mead: spread of the simplex).
    pub fn norm(&self) -> f64 {
        self.norm
    }

    pub fn iterations(&self) -> usize {
        self.iterations
    }

    pub fn history(&self) -> &[HistoryEntry] {
        &self.history
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic inside an objective has already ended the run; the data are plain numbers.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A point with its value and gradient.
struct Evaluated {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// The objective with a memory of its last point: argmin asks for value and gradient separately.
struct Shared {
    objective: Arc<dyn Objective>,
    memo: Mutex<Option<Evaluated>>,
    evaluations: AtomicU64,
    ceiling: Mutex<f64>,
}

impl Shared {
    fn evaluate(&self, x: &[f64]) -> (f64, Vec<f64>) {
        if let Some(last) = &*locked(&self.memo)
            && last.x == x
        {
            return (last.value, last.gradient.clone());
        }
        let mut gradient = vec![0.0; x.len()];
        let mut value = self.objective.value_and_gradient(x, &mut gradient);
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        let ceiling = *locked(&self.ceiling);
        if ceiling.is_finite() && !(value < ceiling && gradient.iter().all(|g| g.is_finite())) {
            value = ceiling;
            gradient.fill(0.0);
        }
        *locked(&self.memo) = Some(Evaluated {
            x: x.to_vec(),
            value,
            gradient: gradient.clone(),
        });
        (value, gradient)
    }

    fn value(&self, x: &[f64]) -> f64 {
        let value = self.objective.value(x);
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        if value.is_finite() {
            value
        } else {
            *locked(&self.ceiling)
        }
    }
}

/// What argmin sees.
#[derive(Clone)]
struct Adapter {
    shared: Arc<Shared>,
    gradient_free: bool,
}

impl CostFunction for Adapter {
    type Param = Point;
    type Output = f64;
    fn cost(&self, x: &Point) -> Result<f64, Error> {
        Ok(if self.gradient_free {
            self.shared.value(&x.0)
        } else {
            self.shared.evaluate(&x.0).0
        })
    }
}

impl Gradient for Adapter {
    type Param = Point;
    type Gradient = Point;
    fn gradient(&self, x: &Point) -> Result<Point, Error> {
        Ok(Point(self.shared.evaluate(&x.0).1))
    }
}

impl Hessian for Adapter {
    type Param = Point;
    type Hessian = Curvature;
    fn hessian(&self, x: &Point) -> Result<Curvature, Error> {
        let (_, gradient) = self.shared.evaluate(&x.0);
        Ok(Curvature {
            shared: self.shared.clone(),
            x: Arc::new(x.0.clone()),
            gradient: Arc::new(gradient),
        })
    }
}

/// The Hessian as an operator: differences of gradients, one gradient per product.
#[derive(Clone)]
struct Curvature {
    shared: Arc<Shared>,
    x: Arc<Vec<f64>>,
    gradient: Arc<Vec<f64>>,
}

impl ArgminDot<Point, Point> for Curvature {
    fn dot(&self, direction: &Point) -> Point {
        let length = norm(&direction.0);
        if length == 0.0 {
            return direction.clone();
        }
        let h = DIFFERENCE * (1.0 + norm(&self.x)) / length;
        let moved: Vec<f64> = self
            .x
            .iter()
            .zip(&direction.0)
            .map(|(x, d)| x + h * d)
            .collect();
        let mut gradient = vec![0.0; moved.len()];
        // Past the memo: it keeps the base point.
        self.shared
            .objective
            .value_and_gradient(&moved, &mut gradient);
        self.shared.evaluations.fetch_add(1, Ordering::Relaxed);
        Point(
            gradient
                .iter()
                .zip(self.gradient.iter())
                .map(|(a, b)| (a - b) / h)
                .collect(),
        )
    }
}

/// One iteration of some argmin solver.
trait Stepper {
    /// The point after the step, or argmin's words for why there is none.
    fn step(&mut self) -> Result<Vec<f64>, String>;
}

struct Argmin<S, G, H> {
    solver: S,
    problem: Problem<Adapter>,
    state: Option<IterState<Point, G, (), H, (), f64>>,
    begun: bool,
}

impl<S, G: Clone, H: Clone> Stepper for Argmin<S, G, H>
where
    S: Solver<Adapter, IterState<Point, G, (), H, (), f64>>,
{
    fn step(&mut self) -> Result<Vec<f64>, String> {
        let mut state = self.state.take().ok_or("the optimizer has failed before")?;
        if !self.begun {
            self.begun = true;
            (state, _) = self
                .solver
                .init(&mut self.problem, state)
                .map_err(|e| e.to_string())?;
            state.update();
        }
        let (mut state, _) = self
            .solver
            .next_iter(&mut self.problem, state)
            .map_err(|e| e.to_string())?;
        if let TerminationStatus::Terminated(TerminationReason::SolverExit(message)) =
            state.get_termination_status()
        {
            return Err(message.clone());
        }
        state.update();
        state.increment_iter();
        let x = state
            .get_best_param()
            .ok_or("the optimizer lost its point")?
            .0
            .clone();
        self.state = Some(state);
        Ok(x)
    }
}

fn argmin_stepper<S, G, H>(
    solver: S,
    shared: &Arc<Shared>,
    gradient_free: bool,
    state: IterState<Point, G, (), H, (), f64>,
) -> Box<dyn Stepper + Send>
where
    S: Solver<Adapter, IterState<Point, G, (), H, (), f64>> + Send + 'static,
    G: Clone + Send + 'static,
    H: Clone + Send + 'static,
{
    Box::new(Argmin {
        solver,
        problem: Problem::new(Adapter {
            shared: shared.clone(),
            gradient_free,
        }),
        state: Some(state),
        begun: false,
    })
}

/// Argmin's default line search, with bounds that keep it from creeping.
fn line_search(curvature: f64) -> MoreThuenteLineSearch<Point, Point, f64> {
    MoreThuenteLineSearch::new()
        .with_c(1e-4, curvature)
        .and_then(|search| search.with_bounds(1e-12, 1e3))
        .and_then(|search| search.with_width_tolerance(1e-6))
        .expect("constants within the ranges of the line search")
}

fn stepper(
    shared: &Arc<Shared>,
    start: &[f64],
    value: f64,
    gradient: Vec<f64>,
    settings: &DescentSettings,
) -> Box<dyn Stepper + Send> {
    let x = Point(start.to_vec());
    fn begun<H>(
        x: &Point,
        value: f64,
        gradient: Vec<f64>,
    ) -> IterState<Point, Point, (), H, (), f64> {
        let state = IterState::new().param(x.clone()).cost(value);
        state.gradient(Point(gradient))
    }
    match settings.optimizer {
        Optimizer::Lbfgs => {
            let solver = LBFGS::new(line_search(0.9), MEMORY);
            argmin_stepper(solver, shared, false, begun::<()>(&x, value, gradient))
        }
        // In the metric of the Gauss–Newton matrix, which the caller's coordinates provide, the
        // Gauss–Newton direction is the steepest descent.
        Optimizer::GaussNewton => {
            let solver = SteepestDescent::new(line_search(0.5));
            argmin_stepper(solver, shared, false, begun::<()>(&x, value, gradient))
        }
        Optimizer::NonlinearCg => {
            let update = PolakRibierePlus::new();
            let solver = NonlinearConjugateGradient::new(line_search(0.1), update);
            argmin_stepper(solver, shared, false, begun::<()>(&x, value, gradient))
        }
        Optimizer::NewtonCg => {
            let solver = NewtonCG::new(line_search(0.5));
            let state = begun::<Curvature>(&x, value, gradient);
            argmin_stepper(solver, shared, false, state)
        }
        Optimizer::TrustRegion => {
            let inner = Steihaug::new().with_max_iters(INNER_STEPS);
            let inner = inner.with_epsilon(INNER_TOLERANCE);
            let solver = TrustRegion::new(inner.expect("a positive tolerance"));
            let state = begun::<Curvature>(&x, value, gradient);
            argmin_stepper(solver, shared, false, state)
        }
        Optimizer::NelderMead => {
            let mut corners = vec![x.clone()];
            corners.extend((0..start.len()).map(|i| {
                let mut corner = x.clone();
                corner.0[i] += SIMPLEX * (1.0 + corner.0[i].abs());
                corner
            }));
            let state = IterState::<Point, (), (), (), (), f64>::new();
            argmin_stepper(NelderMead::new(corners), shared, true, state)
        }
    }
}

#[cfg(test)]
mod tests;
