//! The derivation of a problem of any kind.

use crate::derivation::ground::controlled::{self, Obstacle};
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::matrix;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::smoothness::rough;
use crate::derivation::ground::stated::{Clock, Stated, Terminal};
use crate::derivation::kind::whole::Derivation;
use crate::derivation::kind::{bridge, control, path, reverse, simulate};
use crate::derivation::law::mixture_density::log_mixture;
use crate::derivation::law::passage::StoppingEvent;
use crate::derivation::paths::path_action::Functional;
use crate::derivation::structure::facts::Known;
use crate::derivation::structure::{Finding, Steering, Subject, across, findings};
use crate::expr::arithmetic::dot;
use crate::expr::{Expr, Graph};
use crate::problem::meant::law::{Law, Mixture};
use crate::problem::meant::model::Problem;
use crate::problem::meant::task::{Duration, Event, PathFunctional, Task};
use crate::problem::text::diagnostic::Diagnostic;

/// Derives and executes everything that follows from a problem.
///
/// # Errors
/// [`Refuted`] if a step is false: a mistake in this program or in its algebra, never in the problem.
///
/// # Cost
/// Expansion of expressions with `O(d)` terms for diagonal noise and `O(d^2)` for full noise.
pub fn derive(problem: &Problem) -> Result<Derivation, Refuted> {
    let stated = stated(problem);
    let derivation = derive_stated(problem, &stated)?;
    let rough = rough(
        &stated.graph,
        &stated.state,
        &stated.drift,
        &stated.diffusion,
    );
    Ok(match rough {
        Some(rough) => derivation.beside(&rough.place, &stated.graph.text(rough.part)),
        None => derivation,
    })
}

fn derive_stated(problem: &Problem, stated: &Stated) -> Result<Derivation, Refuted> {
    let mut known = known(problem, stated);
    let structure = structure(problem, stated, known.as_mut());
    let calculus = problem.dynamics.calculus;
    let domain = problem.dynamics.domain.clone();
    match &problem.task {
        Task::Reverse(_) => reverse::derive(problem, stated, structure),
        Task::Sample(task) => {
            let log_density = match &task.target {
                Law::LogDensity(law) => Some(law.log_density),
                _ => None,
            };
            reverse::derive_sample(problem, stated, log_density, structure)
        }
        Task::Control(task) => {
            let setting = control::Setting {
                calculus,
                sense: task.cost.sense,
                bounded: problem.control_bounds.is_some(),
                domain,
            };
            let known = known.expect("control problems are taken apart");
            control::derive(stated, known, &setting, structure)
        }
        Task::Bridge(_) => bridge::derive(stated, calculus, domain.as_deref(), structure),
        Task::Path(task) => {
            let setting = path::Setting {
                functional: match task.functional {
                    PathFunctional::FreidlinWentzell => Functional::FreidlinWentzell,
                    PathFunctional::OnsagerMachlup => Functional::OnsagerMachlup,
                },
                free_duration: task.duration == Duration::Free,
                transverse: transverse(problem, stated),
                domain,
            };
            path::derive(stated, &setting, structure)
        }
        Task::Simulate(task) => {
            let setting = simulate::Setting {
                calculus,
                domain,
                events: stopping(&task.events),
            };
            simulate::derive(stated, &setting, structure)
        }
    }
}

/// A control problem taken apart, and what is known of it.
fn known(problem: &Problem, stated: &Stated) -> Option<Result<Known, Obstacle>> {
    matches!(problem.task, Task::Control(_)).then(|| Known::of(stated))
}

/// The structure of a problem, without the derivation that rests on it.
pub fn structure_of(problem: &Problem) -> Vec<Finding> {
    let stated = stated(problem);
    let mut known = known(problem, &stated);
    structure(problem, &stated, known.as_mut())
}

/// An error E302 where a process is to be turned around whose coefficients are not smooth enough for it.
pub fn unturnable(problem: &Problem, stated: &Stated) -> Option<Diagnostic> {
    if !matches!(problem.task, Task::Reverse(_) | Task::Sample(_)) {
        return None;
    }
    let graph = &stated.graph;
    let found = rough(graph, &stated.state, &stated.drift, &stated.diffusion)?;
    let part = graph.text(found.part);
    let stem = found.place.split('[').next().unwrap_or_default();
    let mut places = problem.places.iter();
    let place = places.find(|(known, _)| known.starts_with(stem));
    let span = place.map_or(0..0, |(_, span)| span.clone());
    let message = "the process cannot be turned around: a coefficient is not smooth";
    let diagnostic = Diagnostic::error("E302", span, message);
    Some(
        diagnostic
            .note(format!("`{part}` in `{}` jumps or has a corner", found.place))
            .note("reverse time needs div f and div div D, which have a part there that no formula beside it holds")
            .help("a smooth form, such as tanh(x/w) for sign(x)"),
    )
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
    let turned = graph.of(whole - problem.time);
    let mut at_reverse_time = |e: Expr| graph.substitute(e, &[(problem.time, turned)]);
    let mut turn =
        |vector: &Vec<Expr>| -> Vec<Expr> { vector.iter().map(|e| at_reverse_time(*e)).collect() };
    let drift = turn(&process.reverse_drift);
    let diffusion: Vec<Vec<Expr>> = process.diffusion.iter().map(turn).collect();
    let killing = at_reverse_time(process.running_cost);
    let control: Vec<Expr> = (0..diffusion[0].len())
        .map(|k| graph.symbol(&format!("u[{k}]")))
        .collect();
    let push = matrix::apply(&mut graph, &diffusion, &control);
    let drift = graph.pairwise(&drift, &push, |b, push| b + push);
    let zero = graph.zero();
    let terminal = log_density.map_or(zero, |rho| graph.of(-rho));
    Stated {
        running: graph.of(killing + dot(&control, &control) / 2),
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
fn transverse(problem: &Problem, stated: &Stated) -> Option<(String, Expr)> {
    let mut process: Noising = controlled::uncontrolled(stated);
    let candidates = potentials(problem, &process.graph);
    candidates.into_iter().find(|(_, potential)| {
        let residual = across(&mut process, *potential);
        process.graph.is_provably_zero(residual)
    })
}

/// The structure of a problem.
fn structure(
    problem: &Problem,
    stated: &Stated,
    known: Option<&mut Result<Known, Obstacle>>,
) -> Vec<Finding> {
    let mut uncontrolled = controlled::uncontrolled(stated);
    let potentials = potentials(problem, &uncontrolled.graph);
    let (process, steering) = match (&problem.task, known) {
        (_, Some(Ok(Known { parts, facts }))) => {
            let facts = Ok(&*facts);
            (&mut parts.process, Steering::Stated { stated, facts })
        }
        (_, Some(Err(obstacle))) => {
            let facts = Err(&*obstacle);
            (&mut uncontrolled, Steering::Stated { stated, facts })
        }
        (Task::Simulate(_) | Task::Path(_), None) => (&mut uncontrolled, Steering::None),
        (_, None) => (&mut uncontrolled, Steering::OwnNoise),
    };
    let expected: Vec<String> = problem
        .expect
        .iter()
        .map(|expected| expected.structure.clone())
        .collect();
    let end = match &problem.task {
        Task::Bridge(task) => Some(&task.target),
        _ => None,
    };
    let mut found = findings(&mut Subject {
        process,
        steering,
        start: problem.task.start_law(),
        end,
        potentials: &potentials,
        expected: &expected,
    });
    if problem.control_bounds.is_some() {
        found.iter_mut().for_each(Finding::bound);
    }
    found
}
