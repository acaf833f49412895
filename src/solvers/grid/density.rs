//! The density in one state, forward in time on a grid.
//!
//! ```text
//! p_t = -J_x,      J = (f - D'/2) p - D/2 p_x
//! J_{i+1/2} = (D / 2h) [ B(-z) p_i - B(z) p_{i+1} ],    z = 2 (f - D'/2) h / D,    B(z) = z / (e^z - 1)
//! ```
//!
//! with coefficients at the faces, in the middle of a step, and TR-BDF2 in time; steps grow linearly from the start, so
//! that a point is resolved while it spreads. Nothing flows through edges that reflect or are never reached; an edge
//! that absorbs keeps what it gets, and gives nothing back.
//!
//! Four grids, points and steps halved from each to the next, show the order: where it is two, numbers are
//! `q_h + (q_h - q_2h)/3`, and their error is the distance from the same of coarser grids; else those of the finest grid,
//! with the error that the fall of the differences leads to expect.
//!
//! # Assumes
//! One state; a domain that holds the mass, noise that does not vanish in it. Events are not seen.
//!
//! # Order
//! Two in space and in time.
//!
//! # Source
//! Scharfetter and Gummel (1969), Chang and Cooper (1970) for the fluxes; Bank et al. (1985) for TR-BDF2.
//!
//! # Checked by
//! `mass`, `fpk-residual`, `grid-order`

use crate::expr::{CompileError, Kernel};
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::interpolation::UniformAxis;
use crate::numeric::random::Streams;
use crate::numeric::tridiagonal::Tridiagonal;
use crate::problem::format::card::Card;
use crate::problem::format::key::Fallback;
use crate::problem::format::page::Page;
use crate::problem::meant::grid::Scheme;
use crate::problem::meant::kind::SIMULATE;
use crate::problem::meant::law::Law;
use crate::problem::meant::model::Boundary;
use crate::problem::meant::named::Named;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::grid::grid_order::{Halved, observed_orders};
use crate::solvers::grid::line::Line;
use crate::solvers::grid::region::around_paths;
use crate::solvers::lowered::answer::{Answer, DensityRecord, Snapshot};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::options::{LATTICE, TIME_STEPS, grid_text, half_steps, points, scheme, steps};
use crate::solvers::walk::paths::names;

const NAME: &str = "fpk";
/// Grids, finest first.
const LEVELS: usize = 4;
const COARSEST: usize = 1 << (LEVELS - 1);
/// γ of TR-BDF2.
const GAMMA: f64 = 2.0 - std::f64::consts::SQRT_2;
/// Standard deviations of a start law that a domain chosen here holds.
const TAILS: f64 = 7.0;

/// Points and time steps of the finest grid, rounded up to what can be halved three times.
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    pub points: usize,
    pub steps: usize,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("density.md")),
    kinds: SIMULATE,
    later: &[],
    options: &[
        points(LATTICE),
        steps(TIME_STEPS).less(half_steps),
        scheme(Fallback::Found("grid.scheme, else central", |setup, _| {
            setup.grid.scheme.unwrap_or(Scheme::Central).name().into()
        })),
    ],
    settings: grid_text,
};

impl Density {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        Some(Self {
            points: options.counts("points")[0],
            steps: options.count("steps"),
        })
    }
}

/// The domain.
pub struct Admitted {
    domain: (f64, f64),
}

/// Grids, coarsest last, until they are done.
pub struct State {
    waiting: Vec<Grid>,
    done: Vec<DensityRecord>,
    taken: usize,
    steps: usize,
}

impl Method for Density {
    const ASKS: Asks = Asks::NoControl;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        lowered.admit_one_state(NAME)?;
        let refusal = |reason: &str, accepted: &str| Refusal {
            method: NAME,
            reason: reason.to_owned(),
            accepted: accepted.to_owned(),
        };
        if lowered.boundary(0) == Boundary::Periodic {
            return Err(refusal(
                "the domain is periodic",
                "edges that reflect, absorb or are never reached",
            ));
        }
        let domain = domain(lowered).ok_or_else(|| {
            refusal(
                "no domain is given, and the process does not confine itself",
                "dynamics.domain = [lo, hi]",
            )
        })?;
        Ok(Admitted { domain })
    }

    fn start(
        &self,
        lowered: &Lowered,
        admitted: Admitted,
        _: &Streams,
    ) -> Result<State, SolveError> {
        let (low, high) = admitted.domain;
        let cells = (self.points.max(2) - 1)
            .next_multiple_of(COARSEST)
            .max(8 * COARSEST);
        let steps = self.steps.max(4 * COARSEST).next_multiple_of(2 * COARSEST);
        let waiting: Vec<Grid> = (0..LEVELS)
            .map(|k| {
                let axis = UniformAxis::between(low, high, (cells >> k) + 1);
                Grid::new(lowered, axis, steps >> k)
            })
            .collect::<Result<_, CompileError>>()
            .unwrap_or_else(|error| unreachable!("the process was compiled before: {error}"));
        Ok(State {
            steps: waiting.iter().map(|grid| grid.steps).sum(),
            waiting,
            done: Vec::new(),
            taken: 0,
        })
    }

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        let Some(mut grid) = state.waiting.pop() else {
            return Ok(());
        };
        grid.advance()?;
        work.unknowns = work.unknowns.max(grid.axis.count as u64);
        work.linear_solves += 2;
        state.taken += 1;
        if grid.step == grid.steps {
            state.done.push(grid.finish());
        } else {
            state.waiting.push(grid);
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        if state.waiting.is_empty() {
            return Progress::Stopped(StopReason::Direct);
        }
        Progress::Going {
            fraction: state.taken as f64 / state.steps as f64,
            objective: f64::NAN,
            measured: f64::NAN,
        }
    }

    fn finish(&self, lowered: &Lowered, mut state: State) -> Result<Answer, SolveError> {
        let mut answer = Answer::default();
        state.done.reverse();
        let [finest, half, quarter, eighth] = &state.done[..] else {
            return Ok(answer);
        };
        let axis = finest.axis;
        answer.facts = vec![
            ("nodes", axis.count as f64),
            ("domain from", axis.start),
            ("to", axis.node(axis.count - 1)),
            (
                "least density",
                finest
                    .end
                    .density
                    .iter()
                    .copied()
                    .fold(f64::INFINITY, f64::min),
            ),
        ];
        let levels = [finest, half, quarter, eighth];
        let squares = [0, 1, 2].map(|k| difference(levels[k], levels[k + 1]));
        answer.facts.extend(observed_orders(squares));
        let found = levels.map(|level| means(lowered, level));
        for (k, name) in names(lowered).into_iter().enumerate() {
            let levels = found.each_ref().map(|means| means[k]);
            let (halved, [fine, coarser, ..]) = (Halved { levels, order: 2.0 }, levels);
            let (value, error) = match halved.extrapolates() {
                true => (
                    fine + (fine - coarser) / 3.0,
                    halved.error_of_extrapolated(1.0),
                ),
                false => (fine, halved.error_of_finest()),
            };
            let rounding = 1e-13 * value.abs();
            answer.push(
                name,
                Estimate::new(value, error + rounding, ErrorKind::Grid),
            );
        }
        let inside = mass(lowered, finest);
        answer.law.mass = Some(inside);
        answer.push("mass", Estimate::closed_form(inside.0));
        answer.law.densities = state.done.drain(..2).collect();
        if lowered.boundary(0) == Boundary::Absorb {
            // What an edge has absorbed is no density there.
            answer
                .law
                .densities
                .iter_mut()
                .for_each(DensityRecord::clear_edges);
        }
        Ok(answer)
    }
}

/// The file's domain, else an interval that holds the start law, the stationary law and the way between them.
fn domain(lowered: &Lowered) -> Option<(f64, f64)> {
    if let Some(domain) = &lowered.problem.dynamics.domain {
        return Some(domain[0]);
    }
    if !lowered.is_autonomous() {
        return None;
    }
    let (low, high) = Line::new(lowered).ok()?.interval(lowered)?;
    let (a, b) = match (lowered.start(), lowered.start().mixture()) {
        (Law::Uniform(sides), _) => sides[0],
        (_, Some(law)) => (0..law.components()).fold((low, high), |(a, b), k| {
            let reach = TAILS * law.covariances[k].entry(0, 0).sqrt();
            (
                a.min(law.means[k][0] - reach),
                b.max(law.means[k][0] + reach),
            )
        }),
        _ => (low, high),
    };
    let streams = Streams::new(lowered.problem.run.seed).scoped(NAME);
    Some(around_paths(lowered, &streams, (low.min(a), high.max(b))))
}

/// Widths that nodes own.
fn widths(axis: UniformAxis) -> impl Fn(usize) -> f64 {
    move |i| {
        if i == 0 || i + 1 == axis.count {
            0.5 * axis.step
        } else {
            axis.step
        }
    }
}

/// Mass inside, and mass that edges absorbed.
fn mass(lowered: &Lowered, record: &DensityRecord) -> (f64, f64) {
    let width = widths(record.axis);
    let last = record.axis.count - 1;
    let absorbs = lowered.boundary(0) == Boundary::Absorb;
    let (mut inside, mut absorbed) = (0.0, 0.0);
    for (i, p) in record.end.density.iter().enumerate() {
        let edge = i == 0 || i == last;
        if absorbs && edge {
            absorbed += width(i) * p;
        } else {
            inside += width(i) * p;
        }
    }
    (inside, absorbed)
}

/// Means of the columns of `names` at the end, what was absorbed included.
///
/// A node at an edge stands for the half cell inside: an observable that is infinite at the edge itself, as a logarithm at
/// zero, is taken in the middle of that.
fn means(lowered: &Lowered, record: &DensityRecord) -> Vec<f64> {
    let axis = record.axis;
    let at = |nodes: Vec<f64>| {
        let x = Batch::from_columns(nodes.len(), 1, nodes);
        let observables = &lowered.free().observables;
        let mut values = Batch::zeros(x.points(), observables.outputs());
        observables.eval(record.end.time, x.as_ref(), values.as_mut());
        values
    };
    let x: Vec<f64> = (0..axis.count).map(|i| axis.node(i)).collect();
    let mut values = at(x.clone());
    let (last, inside) = (axis.count - 1, 0.25 * axis.step);
    for (i, within) in [(0, x[0] + inside), (last, x[last] - inside)] {
        let near = at(vec![within]);
        for k in 0..values.columns() {
            let value = &mut values.column_mut(k)[i];
            if !value.is_finite() {
                *value = near.get(0, k);
            }
        }
    }
    let width = widths(axis);
    let average = |value: &dyn Fn(usize) -> f64| -> f64 {
        let terms = record.end.density.iter().enumerate();
        terms.map(|(i, p)| width(i) * p * value(i)).sum()
    };
    let mut out: Vec<f64> = (0..values.columns())
        .map(|k| average(&|i| values.get(i, k)))
        .collect();
    out.push(average(&|i| x[i]));
    out.push(average(&|i| x[i] * x[i]));
    out
}

/// Mean square of the difference of the last densities on the nodes of the coarser grid.
fn difference(fine: &DensityRecord, coarse: &DensityRecord) -> f64 {
    let pairs = fine.end.density.iter().step_by(2).zip(&coarse.end.density);
    pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / coarse.axis.count as f64
}

/// One grid with one number of steps.
struct Grid {
    axis: UniformAxis,
    steps: usize,
    step: usize,
    horizon: (f64, f64),
    density: Vec<f64>,
    /// `f`, `D`, `D'`.
    kernel: Kernel,
    autonomous: bool,
    absorbs: bool,
    /// Lower, diagonal and upper band of the generator.
    bands: [Vec<f64>; 3],
    middle: Vec<Snapshot>,
}

impl Grid {
    fn new(lowered: &Lowered, axis: UniformAxis, steps: usize) -> Result<Self, CompileError> {
        let process = &lowered.process.process;
        let wanted = [
            process.drift[0],
            process.diffusivity[0][0],
            process.diffusivity_divergence[0],
        ];
        Ok(Self {
            density: start_density(lowered.start(), axis),
            kernel: Kernel::compile(&process.graph, &wanted, process.time, &process.state)?,
            autonomous: lowered.is_autonomous(),
            absorbs: lowered.boundary(0) == Boundary::Absorb,
            horizon: lowered.horizon(),
            bands: Default::default(),
            middle: Vec::new(),
            step: 0,
            axis,
            steps,
        })
    }

    /// Times grow with the square of their number.
    fn time(&self, step: usize) -> f64 {
        let (from, to) = self.horizon;
        from + (to - from) * (step as f64 / self.steps as f64).powi(2)
    }

    fn assemble(&mut self, t: f64) {
        let (n, h) = (self.axis.count, self.axis.step);
        let faces: Vec<f64> = (0..n - 1).map(|i| self.axis.node(i) + 0.5 * h).collect();
        let x = Batch::from_columns(n - 1, 1, faces);
        let mut at = Batch::zeros(n - 1, 3);
        self.kernel.eval(t, x.as_ref(), at.as_mut());
        self.bands = [vec![0.0; n], vec![0.0; n], vec![0.0; n]];
        let [lower, diagonal, upper] = &mut self.bands;
        let width = widths(self.axis);
        for i in 0..n - 1 {
            let (f, d, slope) = (at.get(i, 0), at.get(i, 1), at.get(i, 2));
            let z = 2.0 * (f - 0.5 * slope) * h / d;
            let scale = 0.5 * d / h;
            // From an absorbing edge nothing comes back.
            let left = self.absorbs && i == 0;
            let right = self.absorbs && i + 2 == n;
            let forth = if left { 0.0 } else { scale * bernoulli(-z) };
            let back = if right { 0.0 } else { scale * bernoulli(z) };
            diagonal[i] -= forth / width(i);
            upper[i] += back / width(i);
            lower[i + 1] += forth / width(i + 1);
            diagonal[i + 1] -= back / width(i + 1);
        }
    }

    fn advance(&mut self) -> Result<(), SolveError> {
        let (from, to) = (self.time(self.step), self.time(self.step + 1));
        if self.step == 0 || !self.autonomous {
            self.assemble(0.5 * (from + to));
        }
        let dt = to - from;
        let implicit = |band: &Vec<f64>, identity: f64| -> Vec<f64> {
            band.iter()
                .map(|a| identity - 0.5 * GAMMA * dt * a)
                .collect()
        };
        let [lower, diagonal, upper] = &self.bands;
        let factor = Tridiagonal::factor(
            &implicit(lower, 0.0),
            &implicit(diagonal, 1.0),
            &implicit(upper, 0.0),
        )
        .map_err(|error| SolveError::Singular {
            system: "density",
            pivot: error.pivot,
            suggestion: "a domain where the noise does not vanish".to_owned(),
        })?;
        let n = self.axis.count;
        let p = &self.density;
        let mut stage: Vec<f64> = (0..n)
            .map(|i| {
                let before = if i > 0 { lower[i] * p[i - 1] } else { 0.0 };
                let after = if i + 1 < n { upper[i] * p[i + 1] } else { 0.0 };
                p[i] + 0.5 * GAMMA * dt * (before + diagonal[i] * p[i] + after)
            })
            .collect();
        factor.solve(&mut stage);
        let (new, old) = (
            1.0 / (GAMMA * (2.0 - GAMMA)),
            -(1.0 - GAMMA) * (1.0 - GAMMA) / (GAMMA * (2.0 - GAMMA)),
        );
        for (p, stage) in self.density.iter_mut().zip(&stage) {
            *p = new * stage + old * *p;
        }
        factor.solve(&mut self.density);
        self.step += 1;
        if let Some(value) = self.density.iter().find(|p| !p.is_finite()) {
            return Err(SolveError::NotFinite {
                what: "the density",
                value: *value,
                time: to,
                suggestion: "a domain where drift and noise are finite".to_owned(),
            });
        }
        let centre = self.steps / 2;
        if (centre - 1..=centre + 1).contains(&self.step) {
            self.record();
        }
        Ok(())
    }

    fn record(&mut self) {
        self.middle.push(Snapshot {
            time: self.time(self.step),
            density: self.density.clone(),
        });
    }

    fn finish(self) -> DensityRecord {
        let end = Snapshot {
            time: self.time(self.steps),
            density: self.density,
        };
        let middle = self
            .middle
            .try_into()
            .unwrap_or_else(|_| unreachable!("three times about the middle are recorded"));
        DensityRecord {
            axis: self.axis,
            middle,
            end,
        }
    }
}

/// `z / (e^z - 1)`.
fn bernoulli(z: f64) -> f64 {
    if z.abs() < 1e-8 {
        1.0 - 0.5 * z
    } else {
        z / z.exp_m1()
    }
}

/// The start law on the nodes, of mass one; a point is shared by the two nodes around it.
fn start_density(law: &Law, axis: UniformAxis) -> Vec<f64> {
    let mut mass = vec![0.0; axis.count];
    match (law, law.mixture()) {
        (Law::Uniform(sides), _) => {
            // Cells that an edge of the interval cuts get their share.
            let ((a, b), h) = (sides[0], axis.step);
            let shared = |x: f64| ((x + 0.5 * h).min(b) - (x - 0.5 * h).max(a)).max(0.0);
            add_density(&mut mass, axis, 1.0, shared);
        }
        (_, Some(mixture)) => {
            for k in 0..mixture.components() {
                let (mean, weight) = (mixture.means[k][0], mixture.weights[k]);
                let variance = mixture.covariances[k].entry(0, 0);
                if variance.sqrt() > axis.step {
                    let bell = |x: f64| (-0.5 * (x - mean).powi(2) / variance).exp();
                    add_density(&mut mass, axis, weight, bell);
                } else {
                    // Narrower than the grid can show: a point.
                    add_point(&mut mass, axis, weight, mean);
                }
            }
        }
        _ => unreachable!("a law without draws was refused when the problem was lowered"),
    }
    let width = widths(axis);
    mass.iter().enumerate().map(|(i, m)| m / width(i)).collect()
}

fn add_density(mass: &mut [f64], axis: UniformAxis, weight: f64, density: impl Fn(f64) -> f64) {
    let width = widths(axis);
    let shares: Vec<f64> = (0..axis.count)
        .map(|i| width(i) * density(axis.node(i)))
        .collect();
    let total: f64 = shares.iter().sum();
    for (mass, share) in mass.iter_mut().zip(&shares) {
        *mass += weight * share / total;
    }
}

fn add_point(mass: &mut [f64], axis: UniformAxis, weight: f64, at: f64) {
    let place = ((at - axis.start) / axis.step).clamp(0.0, (axis.count - 1) as f64);
    let i = (place as usize).min(axis.count - 2);
    let share = place - i as f64;
    mass[i] += weight * (1.0 - share);
    mass[i + 1] += weight * share;
}
