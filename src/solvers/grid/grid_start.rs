//! Where a grid lies, and the time and law at which an equation on it can start.
//!
//! A grid resolves a law if its narrowest component has enough nodes per standard deviation. Where the data
//! are narrower and the drift is affine, an equation may start as late as `t_min`, from the noised law in closed
//! form; a grid that does not resolve that law either is refused, with the one that would.

use crate::discretization::noising::Noising;
use crate::discretization::state_grid::{Rotation, StateGrid};
use crate::discretization::transport::{cross_diffusivity, principal_axes};
use crate::expr::{CompileError, Kernel};
use crate::field::noised_mixture::MixtureAt;
use crate::numeric::batch::BatchMut;
use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::interpolation::GridInterpolant;
use crate::problem::meant::law::{Law, Mixture};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::refusal::Refusal;

/// What a method needs of the law it starts from.
#[derive(Clone, Copy)]
pub(crate) struct Demand<'a> {
    pub method: &'static str,
    /// Fewest nodes per standard deviation of every component of the start law.
    pub nodes_per_deviation: f64,
    /// Whether a single Gaussian needs them too; its logarithm is a quadratic at any width.
    pub single_gaussian: bool,
    /// How many tables the answer keeps of a grid with so many nodes.
    pub tables: &'a dyn Fn(usize) -> usize,
}

/// A grid, and where an equation on it starts.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub grid: StateGrid,
    pub time: f64,
    pub law: StartLaw,
}

#[derive(Clone, Debug)]
pub(crate) enum StartLaw {
    Mixture(Mixture),
    /// `-log rho` up to a constant.
    Unnormalised(Box<Kernel>),
}

/// Grid axes along which the diffusivity is diagonal at all times.
fn diagonal_axes(noising: &Noising) -> Result<Rotation, String> {
    let (a, b) = (noising.start(), noising.end());
    let probes: Vec<f64> = (0..=16)
        .map(|i| a + (b - a) * f64::from(i) / 16.0)
        .collect();
    let rotation = principal_axes(noising, probes[8]);
    for t in probes {
        let cross = cross_diffusivity(noising, rotation, t);
        if cross > 1e-12 {
            return Err(format!(
                "the principal axes of the noise turn with time (relative cross diffusivity {cross:.1e} at t = {t})"
            ));
        }
        let eigenvalues = noising
            .noise(t)
            .diffusivity(noising.dimension())
            .symmetric_eigenvalues();
        // A schedule may open with zero noise.
        if t > a && eigenvalues.min() <= 1e-12 * eigenvalues.max() {
            return Err(format!("the noise misses a direction at t = {t}"));
        }
    }
    Ok(rotation)
}

/// A grid over the data and everything they become, and the earliest start on it.
pub(crate) fn place(
    lowered: &Lowered,
    points: &[usize],
    demand: &Demand<'_>,
) -> Result<Placed, Refusal> {
    let refuse = |reason: String, accepted: &str| Refusal {
        method: demand.method,
        reason,
        accepted: accepted.to_owned(),
    };
    let noising = lowered.noising();
    let d = noising.dimension();
    if d > 2 {
        return Err(refuse(
            format!("the state has {d} components"),
            "one or two states",
        ));
    }
    let rotation = diagonal_axes(noising).map_err(|reason| {
        refuse(
            reason,
            "noise that reaches every direction, along axes that do not turn",
        )
    })?;
    let data = lowered.data().mixture();
    let grid = choose_grid(lowered, data.as_ref(), points, rotation)
        .map_err(|reason| refuse(reason, "a density with a domain, or a mixture"))?;
    let (time, law) =
        start_law(lowered, data, &grid, demand).map_err(|(reason, accepted)| Refusal {
            method: demand.method,
            reason,
            accepted,
        })?;
    Ok(Placed { grid, time, law })
}

fn choose_grid(
    lowered: &Lowered,
    data: Option<&Mixture>,
    points: &[usize],
    rotation: Rotation,
) -> Result<StateGrid, String> {
    let noising = lowered.noising();
    let grid = match (&lowered.problem.dynamics.domain, data) {
        (Some(domain), _) => StateGrid::over_domain(points, domain, rotation),
        (None, None) => return Err("the data are a density and no domain is given".to_owned()),
        (None, Some(data)) => match (noising.schedule(), noising.rest()) {
            (Some(schedule), Some(rest)) => {
                StateGrid::moving(points, schedule, rest, noising.start(), data)
            }
            _ => {
                let mut laws = vec![data.clone(), lowered.prior().clone()];
                if let Some(exact) = &lowered.facts.marginals {
                    let (a, b) = (noising.start(), noising.end());
                    laws.extend(
                        (1..=16).map(|i| exact.mixture_at(a + (b - a) * f64::from(i) / 16.0)),
                    );
                }
                StateGrid::covering(points, &laws, rotation)
            }
        },
    };
    grid.map_err(|error| error.to_string())
}

/// The earliest time from which the equation can run, and the law there.
fn start_law(
    lowered: &Lowered,
    data: Option<Mixture>,
    grid: &StateGrid,
    demand: &Demand<'_>,
) -> Result<(f64, StartLaw), (String, String)> {
    let noising = lowered.noising();
    let begin = noising.start();
    let Some(data) = data else {
        let Law::LogDensity(density) = &lowered.data() else {
            unreachable!("every other law is a mixture")
        };
        let model = &lowered.problem;
        let kernel = Kernel::compile(
            &model.graph,
            &[density.log_density],
            model.time,
            &model.state,
        )
        .map_err(|error: CompileError| (error.to_string(), "a density of the states".to_owned()))?;
        return Ok((begin, StartLaw::Unnormalised(Box::new(kernel))));
    };
    let nodes = |t: f64, law: &Mixture| nodes_per_deviation(grid, t, law);
    let needed = if data.components() > 1 || demand.single_gaussian {
        demand.nodes_per_deviation
    } else {
        0.0
    };
    if smallest_variance(&data) > 0.0 && nodes(begin, &data) >= needed {
        return Ok((begin, StartLaw::Mixture(data)));
    }
    let latest = lowered.problem.time_settings.t_min.max(begin);
    let (time, law) = match &lowered.facts.marginals {
        Some(exact) => (latest, exact.mixture_at(latest)),
        None => (begin, data),
    };
    if smallest_variance(&law) > 0.0 && nodes(time, &law) >= needed {
        return Ok((time, StartLaw::Mixture(law)));
    }
    Err(unresolved(grid, time, &law, needed, demand))
}

/// Peak against step, and the grid that would do, with the memory its answer takes.
fn unresolved(
    grid: &StateGrid,
    time: f64,
    law: &Mixture,
    needed: f64,
    demand: &Demand<'_>,
) -> (String, String) {
    let deviation = smallest_variance(law).max(0.0).sqrt();
    if deviation == 0.0 {
        return (
            format!("the data at t = {time} are points, which no grid resolves"),
            "a later `t_min`, or a bandwidth".to_owned(),
        );
    }
    let nodes = nodes_per_deviation(grid, time, law);
    let reason = format!(
        "the narrowest peak at t = {time} has standard deviation {deviation:.3e}, a grid step is {:.3e}: {nodes:.2} steps per deviation where {needed} are needed",
        deviation / nodes
    );
    let counts: Vec<usize> = grid
        .at(time)
        .half_width
        .iter()
        .map(|l| resolving_count(2.0 * l * needed / deviation))
        .collect();
    let total: usize = counts.iter().product();
    let bytes = GridInterpolant::BYTES_PER_NODE * total * (demand.tables)(total);
    let accepted = format!(
        "points = {counts:?} or more (the answer then takes {:.2e} bytes), or a later `t_min`",
        bytes as f64
    );
    (reason, accepted)
}

/// The smallest number of nodes a grid has with at least `steps` steps.
fn resolving_count(steps: f64) -> usize {
    let multiple = StateGrid::STEP_MULTIPLE;
    multiple * (steps / multiple as f64).ceil() as usize + 1
}

/// Whether the drift is given by expressions that do not contain the time.
pub(crate) fn autonomous(lowered: &Lowered) -> bool {
    let model = &lowered.problem;
    let drift = &model.dynamics.drift;
    drift.len() == model.dimension()
        && drift
            .iter()
            .all(|f| !model.graph.depends_on(*f, model.time))
}

/// Smallest eigenvalue of any component's covariance.
pub(crate) fn smallest_variance(law: &Mixture) -> f64 {
    let d = law.dimension();
    law.covariances
        .iter()
        .map(|c| c.dense(d).symmetric_eigenvalues().min())
        .fold(f64::INFINITY, f64::min)
}

fn nodes_per_deviation(grid: &StateGrid, t: f64, law: &Mixture) -> f64 {
    let placement = grid.at(t);
    let step = grid
        .axes()
        .iter()
        .zip(&placement.half_width)
        .map(|(axis, l)| axis.step * l)
        .fold(0.0, f64::max);
    smallest_variance(law).max(0.0).sqrt() / step
}

/// `-log rho` at the nodes.
pub(crate) fn start_values(grid: &StateGrid, t: f64, law: &StartLaw) -> Vec<f64> {
    let states = grid.states(t);
    let volume = grid.at(t).log_volume();
    let at = match law {
        StartLaw::Mixture(mixture) => Some(MixtureAt::new(mixture)),
        StartLaw::Unnormalised(_) => None,
    };
    let pieces = map_blocks(states.points(), block(), |range| {
        let x = states.as_ref().rows(range.clone());
        let mut out = vec![0.0; range.len()];
        match (law, &at) {
            (StartLaw::Unnormalised(kernel), _) => {
                let points = range.len();
                kernel.eval(t, x, BatchMut::new(&mut out, points, 1, points));
            }
            (StartLaw::Mixture(_), Some(at)) => at.log_density(x, &mut out),
            (StartLaw::Mixture(_), None) => unreachable!("mixtures were factorised above"),
        }
        for value in &mut out {
            *value = -*value - volume;
        }
        out
    });
    pieces.concat()
}
