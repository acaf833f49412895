//! Identities of the control problem: verification theorem, gap, pathwise, stationarity.

use crate::comparison::controlled_paths::{ControlledWalk, PathIntegrals};
use crate::comparison::effort::Effort;
use crate::discretization::time_grid::TimeGrid;
use crate::field::draws::draw_mixture;
use crate::field::{Differentiable, LogDensity};
use crate::numeric::batch::Batch;
use crate::numeric::digits::significant;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Stream;
use crate::problem::meant::kind::REVERSE;
use crate::problem::meant::model::Spacing;
use crate::verification::identity::{Check, Finding, Identity, Measure, Measured, Settings, card};
use crate::verification::subject::{NotApplicable, Scope, Subject};
use crate::verification::trial::{Direction, Scales, Trial, tried};
use crate::verification::verdict::Residual;

/// Coarse steps of a simulation, at most.
const STEPS: usize = 64;
/// The same for the pathwise identity, which goes on to a quarter of the step.
const PATHWISE_STEPS: usize = 48;
/// Size of the perturbation of the score in the gap identity, relative to the score.
const AMPLITUDE: f64 = 0.25;
/// Relative tolerance of simulated costs, against `½E∫|u|² + E|V|`.
const COST_TOLERANCE: f64 = 1e-2;

/// A simulation of the reverse process from the prior, at several step sizes on one Brownian path.
struct Experiment<'a> {
    subject: &'a Subject<'a>,
    density: &'a (dyn LogDensity + Send),
    grid: TimeGrid,
    second_order: bool,
    start: Batch,
    stream: Stream,
    /// `−log p_T(Y_0)`
    initial_value: Vec<f64>,
}

impl<'a> Experiment<'a> {
    /// `runs`: how many simulations at both step sizes will be made, with at most `steps` coarse steps.
    fn new(
        subject: &'a Subject<'a>,
        settings: &Settings<'_>,
        steps: usize,
        runs: usize,
    ) -> Result<Self, NotApplicable> {
        let density = subject.density()?;
        let problem = subject.lowered;
        let (steps, paths) = Effort::new(problem).simulation(steps, runs);
        let paths = settings.spec.samples.unwrap_or(paths);
        let start_stream = settings.streams.role("start");
        let start = draw_mixture(problem.prior(), &start_stream, 0, paths);
        let mut initial_value = vec![0.0; paths];
        density.log_density(problem.noising().end(), start.as_ref(), &mut initial_value);
        initial_value.iter_mut().for_each(|v| *v = -*v);
        Ok(Self {
            subject,
            density,
            grid: TimeGrid::new(problem.noising(), subject.t_min(), steps, Spacing::LogSnr),
            second_order: true,
            start,
            stream: settings.streams.role("noise"),
            initial_value,
        })
    }

    fn run(
        &self,
        score: &dyn Differentiable,
        reference: Option<&dyn Differentiable>,
        level: u32,
        finest: u32,
    ) -> PathIntegrals {
        ControlledWalk {
            noising: self.subject.lowered.noising(),
            score,
            reference,
            second_order: self.second_order,
            grid: &self.grid,
            finest,
            stream: &self.stream,
        }
        .run(self.start.as_ref(), level)
    }

    /// `∫ (effort |u|² + divergence ∇·f) dτ − log p(Y_T)`, path by path, with the claimed constants.
    fn costs(&self, paths: &PathIntegrals) -> Vec<f64> {
        let claims = &self.subject.claims;
        let mut terminal = vec![0.0; paths.effort.len()];
        self.density
            .log_density(self.subject.t_min(), paths.end.as_ref(), &mut terminal);
        (0..terminal.len())
            .map(|i| {
                2.0 * claims.effort * paths.effort[i] + claims.divergence * paths.divergence[i]
                    - terminal[i]
            })
            .collect()
    }

    /// The cost and the zero-mean martingale of every path, less the value where it starts.
    fn excess(&self, paths: &PathIntegrals) -> Vec<f64> {
        let costs = self.costs(paths).into_iter().zip(&paths.martingale);
        costs
            .zip(&self.initial_value)
            .map(|((cost, martingale), value)| cost + martingale - value)
            .collect()
    }

    /// The size of what is compared: `½E∫|u|² + E|V|`.
    fn scale(&self, paths: &PathIntegrals) -> f64 {
        let sizes: Vec<f64> = paths
            .effort
            .iter()
            .zip(&self.initial_value)
            .map(|(e, v)| e + v.abs())
            .collect();
        Estimate::from_samples(&sizes).value
    }
}

/// A residual from the same quantity at step sizes 1 and ½, path by path: extrapolated at `order`, the
/// extrapolation itself is the bound on what bias remains.
fn extrapolated(coarse: &[f64], fine: &[f64], order: i32, limit: f64) -> Residual {
    let factor = 1.0 / (2f64.powi(order) - 1.0);
    let change: Vec<f64> = fine
        .iter()
        .zip(coarse)
        .map(|(f, c)| factor * (f - c))
        .collect();
    let values: Vec<f64> = fine.iter().zip(&change).map(|(f, c)| f + c).collect();
    let estimate = Estimate::from_samples(&values);
    Residual::statistical(
        estimate.value,
        estimate.error,
        Estimate::from_samples(&change).value.abs(),
        limit,
        values.len(),
    )
}

/// Verification theorem: the simulated cost of the optimal control is the value.
///
/// ```text
/// E[ ∫ (½|u*|² + ∇·f) dτ − log p(Y_T) ]  =  V = E_prior[−log p_T],      u* = Gᵀ s
/// ```
///
/// Executed: left side by simulation on fresh noise with the zero-mean martingale `∫u*·dB` of the same
/// paths added (an exact mean-zero sum at every step size), right side at the start points; two step
/// sizes, extrapolated at the weak order 2.
///
/// # Source
/// Fleming, Soner, *Controlled Markov Processes and Viscosity Solutions*, III.8.
pub static VERIFICATION: Check = Check {
    card: card("verification", REVERSE),
    identities: &[Identity {
        equation: "E[ int (1/2 |u*|^2 + div f) dtau - log p(Y_T) ] = E_prior[-log p_T],  u* = G' s",
        source: "verification theorem; Fleming, Soner, Controlled Markov Processes, III.8",
        measure: Measure::claim(Scope::Optimum, &["verification"], verification),
    }],
};

fn verification(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let experiment = Experiment::new(subject, settings, STEPS, 1)?;
    let score = subject.claimed_score();
    let mut scale = 0.0;
    let levels = [0, 1].map(|level| {
        let paths = experiment.run(&score, None, level, 1);
        scale = experiment.scale(&paths);
        experiment.excess(&paths)
    });
    let limit = settings.limit(COST_TOLERANCE, scale);
    let value = Estimate::from_samples(&experiment.initial_value).value;
    Ok(Finding::new(
        extrapolated(&levels[0], &levels[1], 2, limit),
        format!(
            "S[u*] - V on {} paths, {} and {} steps; V = {}",
            levels[0].len(),
            experiment.grid.steps(),
            2 * experiment.grid.steps(),
            significant(value, 5)
        ),
    ))
}

/// The gap identity, for any control.
///
/// ```text
/// S[u] − V = ½ E ∫ |u − u*|² dτ
/// ```
///
/// Executed on the same paths: the simulated cost minus `V(Y_0)` plus the zero-mean `∫u*·dB`, against the
/// integrated squared distance. On the reference the control is a seeded perturbation of the optimal one.
///
/// # Source
/// Girsanov's theorem.
pub static GAP: Check = Check {
    card: card("gap", REVERSE),
    identities: &[Identity {
        equation: "S[u] - V = 1/2 E int |u - u*|^2 dtau",
        source: "completion of the square along the value; Girsanov's theorem",
        measure: Measure::claim(Scope::EveryField, &["verification"], gap),
    }],
};

fn gap(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let experiment = Experiment::new(subject, settings, STEPS, 1)?;
    let optimal = subject.claimed_score();
    let trial = tried(subject, &settings.streams, AMPLITUDE)?;
    let mut scale = 0.0;
    let mut gap = 0.0;
    let levels = [0, 1].map(|level| {
        let paths = experiment.run(trial.as_ref(), Some(&optimal), level, 1);
        scale = experiment.scale(&paths);
        gap = Estimate::from_samples(&paths.distance).value;
        let excess = experiment.excess(&paths).into_iter();
        let gaps = excess
            .zip(&paths.distance)
            .map(|(excess, gap)| excess - gap);
        gaps.collect::<Vec<f64>>()
    });
    let limit = settings.limit(COST_TOLERANCE, scale);
    Ok(Finding::new(
        extrapolated(&levels[0], &levels[1], 2, limit),
        format!(
            "(S[u] - V) - 1/2 E int |u - u*|^2 on {} paths; the gap is {}",
            levels[0].len(),
            significant(gap, 4)
        ),
    ))
}

/// The pathwise identity: under the optimal control every path costs the same.
///
/// ```text
/// V(Y_0, 0) = ∫ (½|u*|² + ∇·f) dτ + ∫ u*·dB − log p(Y_T)      on every path
/// ```
///
/// Executed at three step sizes on the same Brownian paths: the rms of the difference falls as
/// step^(1/2) (Itô sums of the martingale); the fitted slope is compared with ½. A wrong control, price or
/// running cost leaves an rms that does not fall: slope 0.
///
/// # Source
/// Itô formula for V along the optimal process (zero variance at the optimum).
pub static PATHWISE: Check = Check {
    card: card("pathwise", REVERSE),
    identities: &[Identity {
        equation: "V(Y_0,0) = int (1/2 |u*|^2 + div f) dtau + int u*.dB - log p(Y_T) on every path",
        source: "Ito's formula for V along the optimal process",
        measure: Measure::claim(Scope::Optimum, &[], pathwise),
    }],
};

/// Groups of paths for the error of the slope.
const GROUPS: usize = 8;
/// Allowed deviation of a fitted order.
const ORDER_TOLERANCE: f64 = 0.15;

fn pathwise(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    if !subject.closed_form {
        return Err(NotApplicable::Needs(
            "a closed-form log density (a tabulated one has an interpolation floor)",
        ));
    }
    let mut experiment = Experiment::new(subject, settings, PATHWISE_STEPS, 1)?;
    // The plain Itô sum, whose order is known whatever the noise.
    experiment.second_order = false;
    let score = subject.claimed_score();
    let levels = [0, 1, 2].map(|level| {
        let paths = experiment.run(&score, None, level, 2);
        experiment.excess(&paths)
    });
    let size = levels[0].len() / GROUPS;
    let rms =
        |values: &[f64]| (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt();
    let slopes: Vec<f64> = (0..GROUPS)
        .map(|g| {
            let rows = g * size..(g + 1) * size;
            let [coarse, _, fine] = [0, 1, 2].map(|level: usize| rms(&levels[level][rows.clone()]));
            // Least squares on three equally spaced logarithms uses the outer two.
            0.5 * (coarse / fine).log2()
        })
        .collect();
    let slope = Estimate::from_samples(&slopes);
    let mut residual = Residual::statistical(
        slope.value,
        slope.error,
        0.0,
        settings.limit(ORDER_TOLERANCE, 1.0),
        levels[0].len(),
    );
    residual.target = 0.5;
    let [coarse, middle, fine] = [0, 1, 2].map(|level: usize| significant(rms(&levels[level]), 3));
    Ok(Finding::new(
        residual,
        format!(
            "slope of the rms path difference, {coarse}, {middle}, {fine} at {}, {}, {} steps",
            experiment.grid.steps(),
            2 * experiment.grid.steps(),
            4 * experiment.grid.steps()
        ),
    ))
}

/// First variation: the action does not change to first order at the score.
///
/// ```text
/// d/dε S[Gᵀ(s + ε δ)] = 0 at ε = 0
/// ```
///
/// Executed for three seeded smooth directions δ (one of them what a wrong overall factor looks like):
/// central difference of simulated costs with common noise, the zero-mean `∫u*·dB` along each path
/// added; relative to `‖Gᵀδ‖ ‖u*‖`, the largest of the directions. The central difference errs by
/// `½ε² d/dε E∫|Gᵀδ|²`, which is measured and counted as bias.
///
/// # Source
/// First-order condition of the action.
pub static STATIONARITY: Check = Check {
    card: card("stationarity", REVERSE),
    identities: &[Identity {
        equation: "d/de S[G'(s + e delta)] = 0 at e = 0, for smooth delta",
        source: "first variation of the action",
        measure: Measure::claim(Scope::Optimum, &["verification"], stationarity),
    }],
};

/// ε: smaller steps drown in the noise of paths that part ways.
const EPSILON: f64 = 0.1;
const DIRECTIONS: [Direction; 3] = [Direction::Radial, Direction::Waves(1), Direction::Waves(2)];
const STATIONARITY_TOLERANCE: f64 = 3e-2;

fn stationarity(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let experiment = Experiment::new(subject, settings, STEPS, 2 * DIRECTIONS.len())?;
    let base = subject.claimed_score();
    let scales = Scales::new(subject, &settings.streams)?;
    let stream = settings.streams.role("directions");
    let mut worst: Option<Residual> = None;
    for direction in DIRECTIONS {
        let mut size = 0.0;
        let mut third = 0.0;
        let levels = [0, 1].map(|level| {
            let mut distances = Vec::new();
            let [minus, plus] = [-EPSILON, EPSILON].map(|amplitude| {
                let field = Trial::new(&base, scales.clone(), amplitude, direction, &stream);
                let paths = experiment.run(&field, Some(&base), level, 1);
                let distance = Estimate::from_samples(&paths.distance).value;
                let effort = Estimate::from_samples(&paths.effort).value;
                size = 2.0 * (distance * effort).sqrt() / EPSILON;
                distances.push(distance);
                let costs = experiment.costs(&paths);
                costs
                    .iter()
                    .zip(&paths.martingale)
                    .map(|(c, m)| c + m)
                    .collect::<Vec<f64>>()
            });
            third = (distances[1] - distances[0]).abs() / (2.0 * EPSILON);
            plus.iter()
                .zip(&minus)
                .map(|(p, m)| (p - m) / (2.0 * EPSILON))
                .collect::<Vec<f64>>()
        });
        let scaled = levels.map(|level| level.iter().map(|v| v / size).collect::<Vec<f64>>());
        let limit = settings.limit(STATIONARITY_TOLERANCE, 1.0);
        let mut residual = extrapolated(&scaled[0], &scaled[1], 2, limit);
        residual.bias += third / size;
        let larger = worst.is_none_or(|w| {
            residual.distance() + residual.error_bar(settings.spec.confidence)
                > w.distance() + w.error_bar(settings.spec.confidence)
                || residual.measured.is_nan()
        });
        if larger {
            worst = Some(residual);
        }
    }
    let residual = worst.expect("there are directions");
    Ok(Finding::new(
        residual,
        format!(
            "largest relative first variation over {} directions, {} paths",
            DIRECTIONS.len(),
            experiment.initial_value.len()
        ),
    ))
}
