//! The derivation of a problem of any kind.

use crate::derivation::ground::controlled;
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::matrix;
use crate::derivation::ground::noising::{Noising, dot};
use crate::derivation::ground::stated::{Clock, Stated, Terminal};
use crate::derivation::kind::whole::Derivation;
use crate::derivation::kind::{bridge, control, path, reverse, simulate};
use crate::derivation::law::mixture_density::log_mixture;
use crate::derivation::law::passage::StoppingEvent;
use crate::derivation::paths::path_action::Functional;
use crate::derivation::structure::{Finding, Steering, Subject, across, findings};
use crate::expr::{Expr, Graph};
use crate::problem::meant::law::{Law, Mixture};
use crate::problem::meant::model::Problem;
use crate::problem::meant::task::{Duration, Event, PathFunctional, Task};

/// Derives and executes everything that follows from a problem.
///
/// # Errors
/// [`Refuted`] if a step is false: a mistake in this program or in its algebra, never in the problem.
///
/// # Cost
/// Expansion of expressions with `O(d)` terms for diagonal noise and `O(d^2)` for full noise.
pub fn derive(problem: &Problem) -> Result<Derivation, Refuted> {
    let stated = stated(problem);
    let structure = structure(problem, &stated);
    let calculus = problem.dynamics.calculus;
    let domain = problem.dynamics.domain.clone();
    match &problem.task {
        Task::Reverse(_) => reverse::derive(problem, &stated, structure),
        Task::Sample(task) => {
            let log_density = match &task.target {
                Law::LogDensity(law) => Some(law.log_density),
                _ => None,
            };
            reverse::derive_sample(problem, &stated, log_density, structure)
        }
        Task::Control(_) => {
            let setting = control::Setting { calculus, domain };
            control::derive(&stated, &stated, &setting, structure)
        }
        Task::Bridge(_) => bridge::derive(&stated, &stated, calculus, domain.as_deref(), structure),
        Task::Path(task) => {
            let setting = path::Setting {
                functional: match task.functional {
                    PathFunctional::FreidlinWentzell => Functional::FreidlinWentzell,
                    PathFunctional::OnsagerMachlup => Functional::OnsagerMachlup,
                },
                free_duration: task.duration == Duration::Free,
                transverse: transverse(problem, &stated),
                domain,
            };
            path::derive(&stated, &stated, &setting, structure)
        }
        Task::Simulate(task) => {
            let setting = simulate::Setting {
                calculus,
                domain,
                events: stopping(&task.events),
            };
            simulate::derive(&stated, &stated, &setting, structure)
        }
    }
}

/// The expressions of a problem as typed.
pub fn stated(problem: &Problem) -> Stated {
    let mut graph = problem.graph.clone();
    let zero = graph.zero();
    let (running, terminal, discount) = match &problem.task {
        Task::Control(task) => (
            task.cost.running,
            task.cost.terminal,
            graph.number(task.cost.discount),
        ),
        _ => (zero, zero, zero),
    };
    let end = match &problem.task {
        Task::Control(_) => Terminal::Expression(terminal),
        Task::Bridge(task) => Terminal::Pinned(task.target.clone()),
        _ => Terminal::None,
    };
    Stated {
        end,
        clock: Clock::Forward,
        graph,
        time: problem.time,
        state: problem.state.clone(),
        control: problem.control.clone(),
        drift: problem.dynamics.drift.clone(),
        diffusion: problem.dynamics.diffusion.clone(),
        running,
        terminal,
        discount,
        horizon: problem.dynamics.horizon,
    }
}

/// Where reverse diffusion ends, and the law of the noised data there.
#[derive(Clone, Debug)]
pub struct EndLaw {
    /// Noising time.
    pub time: f64,
    pub law: Mixture,
}

/// The control problem that a problem is lowered to: as typed for kind `control`; for kinds `reverse` and
/// `sample` the reverse process of [`crate::derivation::kind::lowering`], steered through its own noise at unit
/// price, in the reverse time `tau = t_0 + t_1 - t` under the name of `t`. The end cost is `-log rho`, as an expression
/// where the target has one or is a mixture of few Gaussians. Where the law of the noised data is known at a later time
/// than the first, the process ends there.
pub fn lowered(problem: &Problem, end: Option<&EndLaw>) -> Stated {
    let target = match &problem.task {
        Task::Sample(task) => &task.target,
        Task::Reverse(task) => &task.data,
        _ => return stated(problem),
    };
    let process = reverse::noising(problem);
    let (start, stop) = problem.dynamics.horizon;
    let mut graph = process.graph;
    let mixture = |graph: &mut Graph, law: &Mixture| log_mixture(graph, &problem.state, law);
    let log_density = match (end, target) {
        (Some(end), _) => mixture(&mut graph, &end.law),
        (None, Law::LogDensity(law)) => Some(law.log_density),
        (None, law) => law.mixture().and_then(|law| mixture(&mut graph, &law)),
    };
    let whole = graph.number(start + stop);
    let turned = graph.sub(whole, problem.time);
    let mut at_reverse_time = |e: Expr| graph.substitute(e, &[(problem.time, turned)]);
    let drift: Vec<Expr> = process
        .reverse_drift
        .iter()
        .map(|b| at_reverse_time(*b))
        .collect();
    let diffusion: Vec<Vec<Expr>> = process
        .diffusion
        .iter()
        .map(|row| row.iter().map(|g| at_reverse_time(*g)).collect())
        .collect();
    let killing = at_reverse_time(process.running_cost);
    let control: Vec<Expr> = (0..diffusion[0].len())
        .map(|k| graph.symbol(&format!("u[{k}]")))
        .collect();
    let push = matrix::apply(&mut graph, &diffusion, &control);
    let drift = drift
        .iter()
        .zip(&push)
        .map(|(b, push)| graph.add(&[*b, *push]))
        .collect();
    let square = dot(&mut graph, &control, &control);
    let half = graph.rational(1, 2);
    let effort = graph.mul(&[half, square]);
    let zero = graph.zero();
    let terminal = log_density.map_or(zero, |rho| graph.neg(rho));
    Stated {
        running: graph.add(&[killing, effort]),
        terminal,
        end: match (log_density, end) {
            (Some(_), _) => Terminal::Expression(terminal),
            (None, Some(end)) => Terminal::MinusLogDensity(Law::Mixture(end.law.clone())),
            (None, None) => Terminal::MinusLogDensity(target.clone()),
        },
        clock: Clock::Reversed,
        discount: zero,
        time: problem.time,
        state: problem.state.clone(),
        control,
        drift,
        diffusion,
        horizon: (start, end.map_or(stop, |end| start + stop - end.time)),
        graph,
    }
}

/// Events that end a path.
fn stopping(events: &[Event]) -> Vec<StoppingEvent> {
    events
        .iter()
        .filter(|event| event.stop)
        .map(|event| StoppingEvent {
            name: event.name.clone(),
            margin: event.margin,
        })
        .collect()
}

/// Scalars of `[define]` that depend on the state: candidates for a potential.
fn potentials(problem: &Problem, graph: &Graph) -> Vec<(String, Expr)> {
    problem
        .definitions
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_scalar()?)))
        .filter(|(_, e)| graph.depends_on_any(*e, &problem.state))
        .collect()
}

/// The first definition that is a transverse potential.
fn transverse(problem: &Problem, stated: &Stated) -> Option<(String, Expr, Expr)> {
    let mut process: Noising = controlled::uncontrolled(stated);
    let candidates = potentials(problem, &process.graph);
    candidates
        .into_iter()
        .find(|(_, potential)| {
            let residual = across(&mut process, *potential);
            process.graph.is_provably_zero(residual)
        })
        .map(|(name, potential)| (name, potential, potential))
}

/// The structure of a problem.
fn structure(problem: &Problem, stated: &Stated) -> Vec<Finding> {
    let mut process = controlled::uncontrolled(stated);
    let potentials = potentials(problem, &process.graph);
    let expected: Vec<String> = problem
        .expect
        .iter()
        .map(|expected| expected.structure.clone())
        .collect();
    let end = match &problem.task {
        Task::Bridge(task) => Some(&task.target),
        _ => None,
    };
    findings(&mut Subject {
        process: &mut process,
        steering: match &problem.task {
            Task::Control(_) => Steering::Stated(stated),
            Task::Simulate(_) | Task::Path(_) => Steering::None,
            Task::Reverse(_) | Task::Sample(_) | Task::Bridge(_) => Steering::OwnNoise,
        },
        start: problem.task.start_law(),
        end,
        potentials: &potentials,
        expected: &expected,
    })
}
