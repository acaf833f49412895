//! One grid equation solved on three nested grids at once, extrapolated, with the error that shows.
//!
//! The rungs have (h, dt), (2h, 2dt) and (4h, 4dt). A scheme of order two in both has at common nodes
//! `V_h = V + c h² + O(h⁴)`, so
//!
//! ```text
//! R_1 = V_h + (V_h - V_2h) / 3,      R_2 = V_2h + (V_2h - V_4h) / 3
//! ```
//!
//! are of order four. `R_1` is the answer; between the nodes of the 2h grid its correction is a spline.
//! A quarter of the difference `R_2 - R_1` is its error estimate, where order four would allow a fifteenth
//! and no order a whole.

use crate::discretization::noising::Noising;
use crate::discretization::splitting::{LineStep, SplitTable};
use crate::discretization::state_grid::{Rotation, StateGrid};
use crate::discretization::transport::{
    AxisTransport, Transport, cross_diffusivity, graded_times, principal_axes,
};
use crate::expr::{CompileError, Kernel};
use crate::field::LogDensity;
use crate::field::grid_field::GridScore;
use crate::field::noised_mixture::MixtureAt;
use crate::numeric::batch::{Batch, BatchMut};
use crate::numeric::blocks::{block, map_blocks, pairwise_sum};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::interpolation::{GridInterpolant, UniformAxis};
use crate::numeric::tridiagonal::PivotError;
use crate::problem::law::{Law, Mixture};
use crate::solvers::{
    ControlProblem, GridRecord, HistoryEntry, Outcome, Progress, Refusal, SolveError, StopReason,
    Work,
};
use nalgebra::DMatrix;

/// Rungs, finest first.
const RUNGS: usize = 3;
/// Share of `R_2 - R_1` reported as the error of `R_1`.
const ERROR_SHARE: f64 = 0.25;
/// Numbers kept for the answer: where the middle times would need more, the coarse ones are kept.
const MOST_NUMBERS: usize = 1 << 24;
/// Nodes whose density is below this fraction of the peak do not enter error averages.
const NEGLIGIBLE: f64 = 1e-12;

/// An equation for the density or its logarithm that splits into line steps.
pub(crate) trait GridEquation: Sync {
    const NAME: &'static str;
    /// Fewest nodes per standard deviation of every component of the start law.
    const NODES_PER_DEVIATION: f64;
    /// Whether the unknown is the density itself. If it is V, a single Gaussian needs no nodes.
    const LINEAR: bool;
    type Step<'a>: LineStep;
    fn step<'a>(&self, transport: &'a AxisTransport, dt: f64)
    -> Result<Self::Step<'a>, PivotError>;
    /// The unknown for a given V.
    fn unknown(&self, value: f64) -> f64;
    /// V for the unknown; `table` is overwritten.
    fn values(&self, table: &mut [f64]);
}

/// What admission proves: where the grid lies, where the equation starts and which times it visits.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    grid: StateGrid,
    /// Finest time nodes; a multiple of four steps.
    times: Vec<f64>,
    start: StartLaw,
    autonomous: bool,
    law: Option<Mixture>,
}

#[derive(Clone, Debug)]
enum StartLaw {
    Mixture(Mixture),
    /// `-log rho` up to a constant.
    Unnormalised(Box<Kernel>),
}

/// Whether the equation applies, and on which grid.
pub(crate) fn admit<E: GridEquation>(
    problem: &ControlProblem,
    points: &[usize],
    steps: usize,
) -> Result<Admitted, Refusal> {
    let refuse = |reason: String, accepted: &str| Refusal {
        method: E::NAME,
        reason,
        accepted: accepted.to_owned(),
    };
    let noising = &problem.noising;
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
    let data = problem.problem.data.mixture();
    let grid = choose_grid(problem, data.as_ref(), points, rotation)
        .map_err(|reason| refuse(reason, "a density with a domain, or a mixture"))?;
    let start = start_law::<E>(problem, data, &grid).map_err(|(reason, accepted)| Refusal {
        method: E::NAME,
        reason,
        accepted,
    })?;
    let steps = 4 * steps.div_ceil(4).max(4);
    let (start_time, law) = start;
    let variance = match &law {
        StartLaw::Mixture(mixture) => smallest_variance(mixture),
        StartLaw::Unnormalised(_) => {
            let widest = grid.at(start_time).half_width;
            widest
                .iter()
                .fold(f64::INFINITY, |a, l| a.min(0.01 * l * l))
        }
    };
    let typical = match &law {
        StartLaw::Mixture(mixture) => Batch::from_rows(d, &mixture.means),
        StartLaw::Unnormalised(_) => Batch::from_rows(d, &[grid.at(start_time).centre]),
    };
    let times = graded_times(noising, start_time, variance, typical.as_ref(), steps);
    let model = &problem.problem;
    let drift = &model.dynamics.drift;
    let autonomous = drift.len() == d
        && drift
            .iter()
            .all(|f| !model.graph.depends_on(*f, model.time));
    let mixture = match &law {
        StartLaw::Mixture(mixture) => Some(mixture.clone()),
        StartLaw::Unnormalised(_) => None,
    };
    Ok(Admitted {
        grid,
        times,
        start: law,
        autonomous,
        law: mixture,
    })
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

fn choose_grid(
    problem: &ControlProblem,
    data: Option<&Mixture>,
    points: &[usize],
    rotation: Rotation,
) -> Result<StateGrid, String> {
    let noising = &problem.noising;
    let grid = match (&problem.problem.dynamics.domain, data) {
        (Some(domain), _) => StateGrid::over_domain(points, domain, rotation),
        (None, None) => return Err("the data are a density and no domain is given".to_owned()),
        (None, Some(data)) => match (noising.schedule(), noising.rest()) {
            (Some(schedule), Some(rest)) => {
                StateGrid::moving(points, schedule, rest, noising.start(), data)
            }
            _ => {
                let mut laws = vec![data.clone(), problem.prior.clone()];
                if let Some(exact) = &problem.exact {
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
fn start_law<E: GridEquation>(
    problem: &ControlProblem,
    data: Option<Mixture>,
    grid: &StateGrid,
) -> Result<(f64, StartLaw), (String, String)> {
    let noising = &problem.noising;
    let begin = noising.start();
    let Some(data) = data else {
        let Law::LogDensity(density) = &problem.problem.data else {
            unreachable!("every other law is a mixture")
        };
        let model = &problem.problem;
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
    let needed = if data.components() > 1 || E::LINEAR {
        E::NODES_PER_DEVIATION
    } else {
        0.0
    };
    if smallest_variance(&data) > 0.0 && nodes(begin, &data) >= needed {
        return Ok((begin, StartLaw::Mixture(data)));
    }
    let Some(exact) = &problem.exact else {
        return Err((
            format!(
                "the narrowest part of the data has {:.2} grid nodes per standard deviation and the drift is not affine",
                nodes(begin, &data)
            ),
            format!("at least {needed} nodes: more points, a smaller domain or a wider bandwidth"),
        ));
    };
    let t_min = problem.problem.time_settings.t_min;
    let enough = |t: f64| {
        nodes(t, &exact.mixture_at(t)) >= needed && smallest_variance(&exact.mixture_at(t)) > 0.0
    };
    if t_min > begin && enough(t_min) {
        return Ok((t_min, StartLaw::Mixture(exact.mixture_at(t_min))));
    }
    let (mut low, mut high) = (t_min.max(begin), noising.end());
    if !enough(high) {
        return Err((
            format!(
                "the noised data have {:.2} grid nodes per standard deviation at the end of the horizon",
                nodes(high, &exact.mixture_at(high))
            ),
            format!("at least {needed} nodes: more points"),
        ));
    }
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok((high, StartLaw::Mixture(exact.mixture_at(high))))
}

/// Smallest eigenvalue of any component's covariance.
fn smallest_variance(law: &Mixture) -> f64 {
    let d = law.dimension();
    law.covariances
        .iter()
        .map(|c| {
            DMatrix::from_fn(d, d, |i, j| c.entry(i, j))
                .symmetric_eigenvalues()
                .min()
        })
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

/// The three grids under way.
pub(crate) struct Ladder<E> {
    equation: E,
    transports: Vec<Transport>,
    tables: Vec<SplitTable>,
    times: Vec<f64>,
    start_law: Option<Mixture>,
    /// Coarse steps taken.
    taken: usize,
    recorded: Vec<(f64, Vec<f64>)>,
    errors: Vec<ErrorAt>,
    cost: Option<Estimate>,
    mass_error: f64,
    least: f64,
    history: Vec<HistoryEntry>,
}

/// Mean squares under the density at one coarse time.
struct ErrorAt {
    time: f64,
    control_error: f64,
    control: f64,
}

impl<E: GridEquation> Ladder<E> {
    pub(crate) fn start(equation: E, admitted: Admitted) -> Result<Self, SolveError> {
        let Admitted {
            grid,
            times,
            start,
            autonomous,
            law,
        } = admitted;
        let grids: Vec<StateGrid> = (0..RUNGS).map(|r| grid.coarsened(1 << r)).collect();
        let mut values = start_values(&grids[0], times[0], &start);
        let first = *values.iter().find(|v| !v.is_finite()).unwrap_or(&values[0]);
        if !first.is_finite() {
            return Err(SolveError::NotFinite {
                what: "the log density of the data",
                value: first,
                time: times[0],
                suggestion: "a smaller domain".to_owned(),
            });
        }
        if law.is_none() {
            // A density known up to its constant: normalise on the finest grid.
            let shift = mass(&grids[0], &values, 0.0).ln();
            values.iter_mut().for_each(|v| *v += shift);
        }
        let finest = counts(&grids[0]);
        let reference = SplitTable::new(&finest, values);
        let tables = grids
            .iter()
            .enumerate()
            .map(|(r, grid)| {
                let unknown = reference
                    .table(1 << r)
                    .into_iter()
                    .map(|v| equation.unknown(v))
                    .collect();
                SplitTable::new(&counts(grid), unknown)
            })
            .collect();
        let recorded = vec![(times[0], reference.table(1))];
        Ok(Self {
            equation,
            transports: grids
                .into_iter()
                .map(|grid| Transport::new(grid, autonomous))
                .collect(),
            tables,
            times,
            start_law: law,
            taken: 0,
            recorded,
            errors: Vec::new(),
            cost: None,
            mass_error: 0.0,
            least: f64::INFINITY,
            history: Vec::new(),
        })
    }

    fn coarse_steps(&self) -> usize {
        (self.times.len() - 1) >> (RUNGS - 1)
    }

    /// One step of the coarsest rung, two of the middle, four of the finest.
    pub(crate) fn advance(
        &mut self,
        problem: &ControlProblem,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let first = self.taken << (RUNGS - 1);
        for half in 0..2 {
            let from = first + 2 * half;
            self.step(problem, 0, from, from + 1, work)?;
            self.step(problem, 0, from + 1, from + 2, work)?;
            self.step(problem, 1, from, from + 2, work)?;
            let numbers = 4 * self.transports[0].grid().nodes() * self.times.len() / 2;
            if half == 1 || numbers <= MOST_NUMBERS {
                self.record(self.times[from + 2])?;
            }
        }
        self.step(problem, 2, first, first + 4, work)?;
        self.taken += 1;
        self.compare(problem, first, first + 4);
        work.unknowns = self.transports[0].grid().nodes() as u64;
        Ok(())
    }

    fn step(
        &mut self,
        problem: &ControlProblem,
        rung: usize,
        from: usize,
        to: usize,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let (from, to) = (self.times[from], self.times[to]);
        let transports = self.transports[rung].during(&problem.noising, from, to);
        let equation = &self.equation;
        let mut sweeps = 0;
        self.tables[rung]
            .strang(|axis, fraction| {
                sweeps += 2 * transports[axis].lines as u64;
                equation.step(&transports[axis], fraction * (to - from))
            })
            .map_err(|error: PivotError| SolveError::Singular {
                system: "implicit line",
                pivot: error.pivot,
                suggestion: format!("more steps (it happened at t = {to})"),
            })?;
        work.linear_solves += sweeps;
        work.field_points += self.transports[rung].grid().nodes() as u64;
        Ok(())
    }

    /// V on every `stride`-th node of a rung.
    fn value_table(&self, rung: usize, stride: usize) -> Vec<f64> {
        let mut table = self.tables[rung].table(stride);
        self.equation.values(&mut table);
        table
    }

    fn record(&mut self, time: f64) -> Result<(), SolveError> {
        let mut table = self.value_table(0, 1);
        let correction: Vec<f64> = self
            .value_table(0, 2)
            .iter()
            .zip(&self.value_table(1, 1))
            .map(|(fine, coarse)| (fine - coarse) / 3.0)
            .collect();
        add_refined(
            [self.transports[0].grid(), self.transports[1].grid()],
            &correction,
            &mut table,
        );
        if let Some(value) = table.iter().find(|v| !v.is_finite()) {
            return Err(SolveError::NotFinite {
                what: "the log density on the grid",
                value: *value,
                time,
                suggestion: "more steps or more points".to_owned(),
            });
        }
        self.recorded.push((time, table));
        Ok(())
    }

    /// The two extrapolants at the coarse nodes, and the mass.
    fn compare(&mut self, problem: &ControlProblem, from: usize, to: usize) {
        let time = self.times[to];
        let fine = extrapolate(&self.value_table(0, 4), &self.value_table(1, 2));
        let coarse = extrapolate(&self.value_table(1, 2), &self.value_table(2, 1));
        let step = [self.times[from], time];
        let transports = self.transports[2].during(&problem.noising, step[0], step[1]);
        let grid = self.transports[2].grid();
        let (control_error, control) = mean_squares(grid, &transports, &fine, &coarse);
        self.errors.push(ErrorAt {
            time,
            control_error: ERROR_SHARE * ERROR_SHARE * control_error,
            control,
        });
        let finest = self.value_table(0, 1);
        let total = mass(self.transports[0].grid(), &finest, 0.0);
        self.mass_error = self.mass_error.max((total - 1.0).abs());
        self.least = self.tables[0]
            .values()
            .iter()
            .fold(self.least, |a, b| a.min(*b));
        self.history.push(HistoryEntry {
            iteration: self.taken as u64,
            objective: total,
            measured: self.own_error(problem),
        });
        if self.taken == self.coarse_steps() {
            let (_, answer) = &self.recorded[self.recorded.len() - 1];
            let grids = [self.transports[0].grid(), self.transports[2].grid()];
            self.cost = cost(problem, grids, [answer, &coarse]);
        }
    }

    /// Rms over time and the density of the estimated control error, from `t_min` on.
    fn own_error(&self, problem: &ControlProblem) -> f64 {
        let (error, _, duration) = self.averages(problem);
        (error / duration).sqrt()
    }

    /// `∫ E|δu|² dt`, `∫ E|u|² dt` and the time they run over, by the trapezoid rule.
    fn averages(&self, problem: &ControlProblem) -> (f64, f64, f64) {
        let mut totals = (0.0, 0.0, 0.0);
        let t_min = problem.problem.time_settings.t_min;
        let mut before = self.times[0].max(t_min.min(self.times[self.times.len() - 1]));
        let mut last: Option<&ErrorAt> = None;
        for at in self.errors.iter().filter(|at| at.time > t_min) {
            let dt = at.time - before;
            let mean = |a: f64, b: f64| 0.5 * (a + b) * dt;
            let previous = last.unwrap_or(at);
            totals.0 += mean(previous.control_error, at.control_error);
            totals.1 += mean(previous.control, at.control);
            totals.2 += dt;
            before = at.time;
            last = Some(at);
        }
        totals.2 = totals.2.max(f64::MIN_POSITIVE);
        totals
    }

    pub(crate) fn progress(&self) -> Progress {
        let steps = self.coarse_steps();
        if self.taken == steps {
            return Progress::Stopped(StopReason::Direct);
        }
        let (objective, measured) = self
            .history
            .last()
            .map_or((1.0, 0.0), |entry| (entry.objective, entry.measured));
        Progress::Going {
            fraction: self.taken as f64 / steps as f64,
            objective,
            measured,
        }
    }

    pub(crate) fn finish(mut self, problem: &ControlProblem) -> Outcome {
        let own_error = self.own_error(problem);
        let (error, control, _) = self.averages(problem);
        let mut facts = vec![
            ("relative own error", (error / control).sqrt()),
            ("largest error of the total mass", self.mass_error),
        ];
        if E::LINEAR {
            facts.push(("least density on the grid", self.least));
        }
        let grid = self.transports[0].grid();
        let end = self.times[self.times.len() - 1];
        if let Some(law) = &self.start_law {
            facts.push((
                "bound of the start mass outside",
                grid.outside(self.times[0], law),
            ));
        }
        facts.push((
            "bound of the prior mass outside",
            grid.outside(end, &problem.prior),
        ));
        if self.times[0] > problem.noising.start() {
            facts.push(("start time (closed form before)", self.times[0]));
            self.prepend_closed_form(problem);
        }
        let (times, tables) = self.recorded.into_iter().unzip();
        let field = GridScore::new(self.transports[0].grid().clone(), times, tables)
            .expect("every record is a table of the finest grid");
        let record = record_densities(&field, &problem.problem.time_settings.record);
        Outcome {
            score: Box::new(field.clone()),
            log_density: Some(Box::new(field)),
            cost: self.cost,
            own_error: Some(own_error),
            history: self.history,
            grid: Some(record),
            facts,
        }
    }

    /// Times between `t_min` and the start of the equation are covered by the exact transition.
    fn prepend_closed_form(&mut self, problem: &ControlProblem) {
        const NODES: usize = 24;
        let t_min = problem.problem.time_settings.t_min;
        let (begin, start) = (problem.noising.start(), self.times[0]);
        let Some(exact) = problem
            .exact
            .as_ref()
            .filter(|_| t_min > begin && t_min < start)
        else {
            return;
        };
        let grid = self.transports[0].grid();
        let ratio = (start - begin) / (t_min - begin);
        let early: Vec<_> = (0..NODES)
            .map(|i| {
                let time = begin + (t_min - begin) * ratio.powf(i as f64 / NODES as f64);
                let law = StartLaw::Mixture(exact.mixture_at(time));
                (time, start_values(grid, time, &law))
            })
            .collect();
        self.recorded.splice(0..0, early);
    }
}

fn counts(grid: &StateGrid) -> Vec<usize> {
    grid.axes().iter().map(|axis| axis.count).collect()
}

fn extrapolate(fine: &[f64], coarse: &[f64]) -> Vec<f64> {
    fine.iter()
        .zip(coarse)
        .map(|(f, c)| f + (f - c) / 3.0)
        .collect()
}

/// Adds the spline through `correction` on the second grid to `table` on the first.
fn add_refined(grids: [&StateGrid; 2], correction: &[f64], table: &mut [f64]) {
    let spline = GridInterpolant::new(grids[1].axes(), correction)
        .expect("state grids have one or two axes of at least five nodes");
    let axes = grids[0].axes();
    let inner = axes.get(1).map_or(1, |axis| axis.count);
    let pieces = map_blocks(table.len(), block(), |range| {
        let mut xi = Batch::zeros(range.len(), axes.len());
        for (j, axis) in axes.iter().enumerate() {
            for (value, n) in xi.column_mut(j).iter_mut().zip(range.clone()) {
                *value = axis.node(if j == 0 { n / inner } else { n % inner });
            }
        }
        let mut value = vec![0.0; range.len()];
        let mut gradient = Batch::zeros(range.len(), axes.len());
        spline.eval(xi.as_ref(), &mut value, gradient.as_mut(), None);
        value
    });
    for (value, correction) in table.iter_mut().zip(pieces.iter().flatten()) {
        *value += correction;
    }
}

/// `-log rho` at the nodes.
fn start_values(grid: &StateGrid, t: f64, law: &StartLaw) -> Vec<f64> {
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

/// Trapezoid weight of a node, in grid units.
fn node_weight(grid: &StateGrid, index: usize) -> f64 {
    let axes = grid.axes();
    let inner = axes.get(1).map_or(1, |axis| axis.count);
    let end = |axis: &UniformAxis, i: usize| {
        axis.step
            * if i == 0 || i == axis.count - 1 {
                0.5
            } else {
                1.0
            }
    };
    let first = end(&axes[0], index / inner);
    axes.get(1)
        .map_or(first, |axis| first * end(axis, index % inner))
}

/// `∫ exp(shift - V)` over the grid.
fn mass(grid: &StateGrid, values: &[f64], shift: f64) -> f64 {
    let terms: Vec<f64> = values
        .iter()
        .enumerate()
        .map(|(i, v)| node_weight(grid, i) * (shift - v).exp())
        .collect();
    pairwise_sum(&terms)
}

/// `E|Gᵀ∇(a - b)|²` and `E|Gᵀ∇a|²` under `exp(-a)`, with central differences.
fn mean_squares(
    grid: &StateGrid,
    transports: &[AxisTransport],
    a: &[f64],
    b: &[f64],
) -> (f64, f64) {
    let axes = grid.axes();
    let inner = axes.get(1).map_or(1, |axis| axis.count);
    let outer = axes[0].count;
    let least = a.iter().fold(f64::INFINITY, |m, v| m.min(*v));
    let limit = least - f64::ln(NEGLIGIBLE);
    let (mut error, mut size, mut total) = (Vec::new(), Vec::new(), Vec::new());
    for i in 1..outer - 1 {
        let row = if axes.len() == 2 { 1..inner - 1 } else { 0..1 };
        for index in row.map(|j| i * inner + j) {
            if a[index] > limit {
                continue;
            }
            let weight = (least - a[index]).exp();
            let (mut e, mut s) = (0.0, 0.0);
            for (axis, transport) in transports.iter().enumerate() {
                let stride = if axis == 0 { inner } else { 1 };
                let scale = transport.diffusivity / (4.0 * axes[axis].step.powi(2));
                let slope = |v: &[f64]| v[index + stride] - v[index - stride];
                e += scale * (slope(a) - slope(b)).powi(2);
                s += scale * slope(a).powi(2);
            }
            error.push(weight * e);
            size.push(weight * s);
            total.push(weight);
        }
    }
    let total = pairwise_sum(&total);
    (pairwise_sum(&error) / total, pairwise_sum(&size) / total)
}

/// `E_prior[V]` in state units at the end of the horizon, from two extrapolants.
fn cost(problem: &ControlProblem, grids: [&StateGrid; 2], values: [&[f64]; 2]) -> Option<Estimate> {
    if smallest_variance(&problem.prior) <= 0.0 {
        return None;
    }
    let prior = StartLaw::Mixture(problem.prior.clone());
    let end = problem.noising.end();
    let [fine, coarse] = [0, 1].map(|k| {
        let grid = grids[k];
        let log_prior = start_values(grid, end, &prior);
        let volume = grid.at(end).log_volume();
        let terms: Vec<f64> = log_prior
            .iter()
            .zip(values[k])
            .enumerate()
            .map(|(i, (p, v))| node_weight(grid, i) * (-p).exp() * (v + volume))
            .collect();
        pairwise_sum(&terms)
    });
    Some(Estimate::new(
        fine,
        ERROR_SHARE * (fine - coarse).abs(),
        ErrorKind::Grid,
    ))
}

/// Log densities on a fixed box at the recorded times, for plots.
pub(crate) fn record_densities(field: &GridScore, times: &[f64]) -> GridRecord {
    const TIMES: usize = 9;
    /// The grid reaches seven deviations; plots show four.
    const SHOWN: f64 = 4.0 / 7.0;
    let d = field.grid().dimension();
    let points = if d == 1 { 401 } else { 97 };
    let keep = times.len().div_ceil(TIMES).max(1);
    let times: Vec<f64> = times.iter().copied().step_by(keep).collect();
    let mut bounds = vec![(f64::INFINITY, f64::NEG_INFINITY); d];
    for t in &times {
        let placement = field.grid().at(*t);
        for sign in [-1.0, 1.0] {
            let corners = Batch::from_rows(
                d,
                &[vec![sign * SHOWN; d], {
                    let mut other = vec![sign * SHOWN; d];
                    other[d - 1] = -other[d - 1];
                    other
                }],
            );
            let mut x = Batch::zeros(2, d);
            placement.to_state(corners.as_ref(), x.as_mut());
            for (j, bound) in bounds.iter_mut().enumerate() {
                for x in x.column(j) {
                    *bound = (bound.0.min(*x), bound.1.max(*x));
                }
            }
        }
    }
    let axes: Vec<Vec<f64>> = bounds
        .iter()
        .map(|(low, high)| {
            (0..points)
                .map(|i| low + (high - low) * i as f64 / (points - 1) as f64)
                .collect()
        })
        .collect();
    let inner = if d == 2 { points } else { 1 };
    let mut states = Batch::zeros(points * inner, d);
    for j in 0..d {
        for (n, x) in states.column_mut(j).iter_mut().enumerate() {
            *x = axes[j][if j == 0 { n / inner } else { n % inner }];
        }
    }
    let log_density = times
        .iter()
        .map(|t| {
            map_blocks(states.points(), block(), |range| {
                let mut out = vec![0.0; range.len()];
                field.log_density(*t, states.as_ref().rows(range), &mut out);
                out
            })
            .concat()
        })
        .collect();
    GridRecord {
        axes,
        times,
        log_density,
    }
}
