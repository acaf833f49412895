//! One grid equation solved on four nested grids at once, extrapolated, with the error that shows.
//!
//! The rungs have (h, dt), (2h, 2dt), (4h, 4dt) and (8h, 8dt). A scheme of order two in both has at common nodes
//! `V_h = V + c h² + O(h⁴)`, so
//!
//! ```text
//! R_1 = V_h + (V_h - V_2h) / 3,      R_2 = V_2h + (V_2h - V_4h) / 3
//! ```
//!
//! are of order four. `R_1` is the answer; between the nodes of the 2h grid its correction is a spline.
//! A quarter of the difference `R_2 - R_1` is its error estimate, where order four would allow a fifteenth
//! and no order a whole. The order itself is observed too: see [`crate::solvers::grid::grid_order`].

use crate::discretization::splitting::{LineStep, SplitTable};
use crate::discretization::state_grid::{Placement, StateGrid};
use crate::discretization::transport::{AxisTransport, Transport, graded_times};
use crate::field::grid_field::GridScore;
use crate::numeric::batch::Batch;
use crate::numeric::blocks::{block, map_blocks, pairwise_sum};
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::interpolation::GridInterpolant;
use crate::numeric::tridiagonal::PivotError;
use crate::problem::meant::law::Mixture;
use crate::solvers::driver::{Progress, SolveError, StopReason, Work};
use crate::solvers::grid::grid_order::{observed_orders, time_mean};
use crate::solvers::grid::grid_record::record_densities;
use crate::solvers::grid::grid_start::{
    self, Demand, Placed, StartLaw, autonomous, smallest_variance, start_values,
};
use crate::solvers::grid::grid_sums::{mass, mean_squares, node_weight};
use crate::solvers::lowered::answer::HistoryEntry;
use crate::solvers::lowered::answer::{Answer, LawFound};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::refusal::Refusal;
use std::sync::Arc;

/// Rungs, finest first; the last one only shows whether the order is the one assumed.
const RUNGS: usize = 4;
/// Finest steps in one of the rung that closes the extrapolation.
const COARSE: usize = 4;
/// Share of `R_2 - R_1` reported as the error of `R_1`.
const ERROR_SHARE: f64 = 0.25;
/// Numbers kept for the answer: where the middle times would need more, the coarse ones are kept.
const MOST_NUMBERS: usize = 1 << 24;

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
    placed: Placed,
    /// Finest time nodes; a multiple of eight steps.
    times: Vec<f64>,
    autonomous: bool,
}

/// Steps of the finest rung from one kept table to the next.
fn kept_stride(nodes: usize, steps: usize) -> usize {
    if 4 * nodes * steps / 2 <= MOST_NUMBERS {
        2
    } else {
        COARSE
    }
}

/// Whether the equation applies, and on which grid.
pub(crate) fn admit<E: GridEquation>(
    lowered: &Lowered,
    points: &[usize],
    steps: usize,
) -> Result<Admitted, Refusal> {
    let coarsest = 1 << (RUNGS - 1);
    let steps = coarsest * steps.div_ceil(coarsest).max(4);
    let demand = Demand {
        method: E::NAME,
        nodes_per_deviation: E::NODES_PER_DEVIATION,
        single_gaussian: E::LINEAR,
        tables: &|nodes| steps / kept_stride(nodes, steps) + 1,
    };
    let placed = grid_start::place(lowered, points, &demand)?;
    let noising = lowered.noising();
    let d = noising.dimension();
    let (variance, typical) = match &placed.law {
        StartLaw::Mixture(mixture) => (
            smallest_variance(mixture),
            Batch::from_rows(d, &mixture.means),
        ),
        StartLaw::Unnormalised(_) => {
            let Placement {
                centre, half_width, ..
            } = placed.grid.at(placed.time);
            let narrowest = half_width.iter().copied().fold(f64::INFINITY, f64::min);
            (0.01 * narrowest * narrowest, Batch::from_rows(d, &[centre]))
        }
    };
    let times = graded_times(noising, placed.time, variance, typical.as_ref(), steps);
    Ok(Admitted {
        placed,
        times,
        autonomous: autonomous(lowered),
    })
}

/// The four grids under way.
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
    /// Time, and mean square differences of neighbouring rungs.
    levels: Vec<(f64, [f64; RUNGS - 1])>,
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
            placed: Placed { grid, law, .. },
            times,
            autonomous,
        } = admitted;
        let grids: Vec<StateGrid> = (0..RUNGS).map(|r| grid.coarsened(1 << r)).collect();
        let mut values = start_values(&grids[0], times[0], &law);
        let first = *values.iter().find(|v| !v.is_finite()).unwrap_or(&values[0]);
        if !first.is_finite() {
            return Err(SolveError::NotFinite {
                what: "the log density of the data",
                value: first,
                time: times[0],
                suggestion: "a smaller domain".to_owned(),
            });
        }
        let start_law = match law {
            StartLaw::Mixture(mixture) => Some(mixture),
            StartLaw::Unnormalised(_) => None,
        };
        if start_law.is_none() {
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
            start_law,
            taken: 0,
            recorded,
            errors: Vec::new(),
            levels: Vec::new(),
            cost: None,
            mass_error: 0.0,
            least: f64::INFINITY,
            history: Vec::new(),
        })
    }

    fn coarse_steps(&self) -> usize {
        (self.times.len() - 1) / COARSE
    }

    /// One step of the third rung, two of the second, four of the finest; every other time one of the fourth.
    pub(crate) fn advance(&mut self, lowered: &Lowered, work: &mut Work) -> Result<(), SolveError> {
        let first = COARSE * self.taken;
        let kept = kept_stride(self.transports[0].grid().nodes(), self.times.len() - 1);
        for half in 0..2 {
            let from = first + 2 * half;
            self.step(lowered, 0, from, from + 1, work)?;
            self.step(lowered, 0, from + 1, from + 2, work)?;
            self.step(lowered, 1, from, from + 2, work)?;
            if half == 1 || kept == 2 {
                self.record(self.times[from + 2])?;
            }
        }
        let last = first + COARSE;
        self.step(lowered, 2, first, last, work)?;
        self.taken += 1;
        self.compare(lowered, first, last);
        if self.taken.is_multiple_of(2) {
            self.step(lowered, 3, first - COARSE, last, work)?;
            self.compare_levels(lowered, first - COARSE, last);
        }
        work.unknowns = self.transports[0].grid().nodes() as u64;
        Ok(())
    }

    fn step(
        &mut self,
        lowered: &Lowered,
        rung: usize,
        from: usize,
        to: usize,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let (from, to) = (self.times[from], self.times[to]);
        let transports = self.transports[rung].during(lowered.noising(), from, to);
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
    fn compare(&mut self, lowered: &Lowered, from: usize, to: usize) {
        let time = self.times[to];
        let fine = extrapolate(&self.value_table(0, 4), &self.value_table(1, 2));
        let coarse = extrapolate(&self.value_table(1, 2), &self.value_table(2, 1));
        let step = [self.times[from], time];
        let transports = self.transports[2].during(lowered.noising(), step[0], step[1]);
        let grid = self.transports[2].grid();
        let diffusivities: Vec<f64> = transports.iter().map(|axis| axis.diffusivity).collect();
        let (control_error, control) = mean_squares(grid, &diffusivities, &fine, &coarse);
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
            measured: self.own_error(lowered),
        });
        if self.taken == self.coarse_steps() {
            let (_, answer) = &self.recorded[self.recorded.len() - 1];
            let grids = [self.transports[0].grid(), self.transports[2].grid()];
            self.cost = cost(lowered, grids, [answer, &coarse]);
        }
    }

    /// Mean squares of the control differences between neighbouring rungs, at the coarsest nodes.
    fn compare_levels(&mut self, lowered: &Lowered, from: usize, to: usize) {
        let (from, to) = (self.times[from], self.times[to]);
        let transports = self.transports[RUNGS - 1].during(lowered.noising(), from, to);
        let diffusivities: Vec<f64> = transports.iter().map(|axis| axis.diffusivity).collect();
        let grid = self.transports[RUNGS - 1].grid();
        let tables: Vec<Vec<f64>> = (0..RUNGS)
            .map(|rung| self.value_table(rung, 1 << (RUNGS - 1 - rung)))
            .collect();
        let away = |k: usize| mean_squares(grid, &diffusivities, &tables[k], &tables[k + 1]).0;
        self.levels.push((to, [away(0), away(1), away(2)]));
    }

    /// Rms over time and the density of the estimated control error, from `t_min` on.
    fn own_error(&self, lowered: &Lowered) -> f64 {
        let (error, _, duration) = self.averages(lowered);
        (error / duration).sqrt()
    }

    /// `∫ E|δu|² dt`, `∫ E|u|² dt` and the time they run over, by the trapezoid rule.
    fn averages(&self, lowered: &Lowered) -> (f64, f64, f64) {
        let mut totals = (0.0, 0.0, 0.0);
        let t_min = lowered.problem.time_settings.t_min;
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

    pub(crate) fn finish(self, lowered: &Lowered) -> Answer {
        let own_error = self.own_error(lowered);
        let (error, control, _) = self.averages(lowered);
        let mut facts = vec![
            ("relative own error", (error / control).sqrt()),
            ("largest error of the total mass", self.mass_error),
        ];
        let t_min = lowered.problem.time_settings.t_min;
        facts.extend(observed_orders(time_mean(&self.levels, t_min)));
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
            grid.outside(end, lowered.prior()),
        ));
        if self.times[0] > lowered.noising().start() {
            facts.push(("start time", self.times[0]));
        }
        let (times, tables) = self.recorded.into_iter().unzip();
        let field = GridScore::new(self.transports[0].grid().clone(), times, tables)
            .expect("every record is a table of the finest grid");
        let record = record_densities(&field, &lowered.problem.time_settings.record);
        Answer {
            score: Some(Arc::new(field.clone())),
            law: LawFound {
                log_density: Some(Box::new(field)),
                grid: Some(record),
                ..LawFound::default()
            },
            cost: self.cost,
            own_error: Some(own_error),
            history: self.history,
            facts,
            ..Answer::default()
        }
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

/// `E_prior[V]` in state units at the end of the horizon, from two extrapolants.
fn cost(lowered: &Lowered, grids: [&StateGrid; 2], values: [&[f64]; 2]) -> Option<Estimate> {
    if smallest_variance(lowered.prior()) <= 0.0 {
        return None;
    }
    let prior = StartLaw::Mixture(lowered.prior().clone());
    let end = lowered.noising().end();
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
