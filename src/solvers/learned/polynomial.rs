//! The value as a polynomial of many states, fitted where its policy leads.
//!
//! ```text
//! V(x, t) = sum over alpha of c_alpha(t) psi_alpha(W (x - m))
//! c' = -P F(c) + rho c,      F = b . V_x + 1/2 D : V_xx + q - 1/2 V_x' B R^-1 B' V_x,      V(x, T) = P Phi
//! ```
//!
//! `psi` are products of Hermite polynomials in coordinates of mean zero and unit variance, of limited degree and at
//! most `interaction` states joined. `P` is least squares at the points of paths under the control found in the round
//! before: the law of a policy is the weight in which the equation of its cost does not amplify errors going back.
//! Derivatives are those of the polynomials, so that no noise enters but the choice of the points, and a value that is
//! a polynomial is found to the tolerance of the integration in time. Rounds begin with quadratics on paths without
//! control; while a round moves far from the one before, the price of control is limited from below to what the old
//! control earns,
//!
//! ```text
//! max( -1/2 V_x' B R^-1 B' V_x,  V_x' B u_old - mean(1/2 u_old' R u_old) ),
//! ```
//!
//! which leaves the equation alone near its solution and keeps it from escaping far from it.
//!
//! # Error
//! The polynomial is the exact value of a problem whose running cost differs by the residual `r = V_t + F - rho V`. By
//! Ito's formula on fresh paths under its policy `u`, with `R` the sum of `r dt`, of the jumps where the coordinates
//! change, and of the misfit of the end cost,
//!
//! ```text
//! J[u] = V(x_0) + E R,      V* = J[u] - gap,      gap = 1/2 E int |u - u*|^2 dt ~ c/2 Var R,      B R^-1 B' <= c D
//! ```
//!
//! `value` is `V(x_0) + E R - gap`; its error is the standard error of `E R` and the gap, added in quadrature.
//!
//! # Assumes
//! Natural boundaries, no bounds on the control and no stopping events; a cloud of paths that spreads in every
//! direction. Noise may depend on the state and needs no temperature. A start point is spread to a twentieth of the
//! mean covariance along the paths for the fit.
//!
//! # Cost
//! `paths terms²` a stretch of time for the factor, `paths terms states` an evaluation of the rates.
//!
//! # Limits
//! Measured at 8192 paths, 20 stretches and degree 4: six mixed double wells (210 terms) have 12.02 with an error of
//! 0.12 where the value is 12.0324, and the policy costs 12.16; a chain of eight (201 terms, pairs of states) has 19.44
//! with 0.05 where weighted paths say 19.440, and the policy costs 19.49; the same chain of twelve 29.15 with 0.07 (paths
//! along its policy 29.12 with 0.04), of twenty (1221 terms) 48.57 with 0.12 (48.52 with 0.06). Degree 6 was more than as many paths carry on
//! both: the projected equation became unstable, presumably because sampled moments of its terms are too far from those
//! of the law. A degree under which the value jumps, or the integration stalls, is given back and the answer of the degree
//! before it stands, with `stalled` as the reason to stop. In one state degree 8 still converges. Fresh paths beyond
//! the points count with the misfit at their edge.
//!
//! # Source
//! Beard, Saridis, Wen, *Automatica* 33 (1997) for Galerkin's method on the equation of the value; Kalise, Kunisch,
//! *SIAM J. Sci. Comput.* 40 (2018) for polynomials in many states; Richter, Sallandt, Nüsken, *ICML* (2021) for
//! regression along paths; Cohen, Migliorati, *SMAI J. Comput. Math.* 3 (2017) for the stability of least squares.
//!
//! # Checked by
//! `hjb-residual`, `policy-cost`, `hopf-cole`

mod law;
mod rates;
mod value;

use crate::field::hermite::HermiteTerms;
use crate::field::idle::Idle;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::map_blocks;
use crate::numeric::dense::Cholesky;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::random::Streams;
use crate::numeric::runge_kutta::{DenseSolution, Escape, Integration, Piece, Rates};
use crate::problem::format::card::Card;
use crate::problem::format::key::{Bound, Fallback, Form, Key, Less, Names};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::CONTROLLED;
use crate::problem::meant::named::Named;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::learned::polynomial::law::{BLOCK, clouds};
use crate::solvers::learned::polynomial::rates::{Cloud, Falling, Projection};
use crate::solvers::learned::polynomial::value::{
    Axes, Chart, PolynomialPolicy, PolynomialValue, Stretch, moments,
};
use crate::solvers::learned::unhindered::unhindered;
use crate::solvers::lowered::answer::{Answer, HistoryEntry, Quantity};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::options::{half, most_iterations, paths, paths_text, steps, tolerance};
use nalgebra::DMatrix;
use std::sync::Arc;

const NAME: &str = "polynomial";
const ACCEPTED: &str = "no bounds on the control, natural boundaries, no stopping event; hjb up to three coupled states";
/// Most terms of a polynomial.
const MOST_TERMS: usize = 4000;
/// Paths a term needs at least.
const PATHS_A_TERM: usize = 2;
/// Spread of a start point, as a share of the mean covariance along the paths.
const SPREAD: f64 = 0.05;
/// Degree of the first rounds, and how much is added when a degree is settled.
const FIRST_DEGREE: usize = 2;
const MORE_DEGREE: usize = 2;
/// Relative change of the value at which a degree is settled, and rounds after which it is raised anyway.
const SETTLED: f64 = 0.05;
const MOST_BELOW: usize = 4;
/// Relative change of the value that shows that a degree is too high for the paths.
const DIVERGED: f64 = 0.5;
/// Most double steps of the integration in a stretch of time.
const MOST_STEPS: usize = 64;
/// Fresh paths for the residual.
const FRESH: usize = 8192;

/// The method with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Polynomial {
    pub degree: usize,
    /// Most states that a term joins.
    pub interaction: usize,
    pub axes: Axes,
    pub paths: usize,
    /// Stretches of time with coordinates of their own.
    pub steps: usize,
    /// Relative accuracy of the integration in time.
    pub relative_tolerance: f64,
    /// Relative change of the value from one round to the next.
    pub tolerance: f64,
    pub max_iterations: usize,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("polynomial.md")),
    kinds: CONTROLLED,
    later: &[],
    options: &[
        Key::new(
            "axes",
            Form::Choice(Names::Fixed(Axes::names)),
            Fallback::Name("principal"),
            "coordinates of its terms",
        ),
        // The error is that of the degree; paths are what its terms need.
        Key::new(
            "degree",
            Form::Count(1),
            Fallback::Count(4),
            "largest degree",
        )
        .less(|_| Less::One { least: 2 }),
        Key::new(
            "interaction",
            Form::Count(1),
            Fallback::Found("all states", |setup, _| setup.dimension.into()),
            "most states that a term joins",
        ),
        paths(Fallback::Count(8192)).less(half),
        steps(Fallback::Count(20)),
        Key::new(
            "rtol",
            Form::Number(Bound::Positive),
            Fallback::Number(1e-5),
            "relative accuracy of the integration",
        ),
        tolerance(Bound::Positive, Fallback::Number(2e-3)),
        most_iterations(Fallback::Count(16)),
    ],
    settings: |options| {
        let (degree, joined) = (options.count("degree"), options.count("interaction"));
        let paths = paths_text(options);
        format!("degree {degree}, at most {joined} states a term, {paths}")
    },
};

impl Polynomial {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        Some(Self {
            degree: options.count("degree"),
            interaction: options.count("interaction"),
            axes: options.one("axes"),
            paths: options.count("paths"),
            steps: options.count("steps"),
            relative_tolerance: options.number("rtol"),
            tolerance: options.number("tol"),
            max_iterations: options.count("max_iter"),
        })
    }
}

/// Rounds so far and the one under way.
pub struct State {
    lowered: Arc<Lowered>,
    terms: Arc<HermiteTerms>,
    streams: Streams,
    degree: usize,
    /// The degree before.
    lower: usize,
    /// Rounds done, and those of this degree.
    rounds: usize,
    here: usize,
    /// Where this round's paths are at the ends of the stretches.
    clouds: Vec<Batch>,
    /// A root of the covariance that a start point is given.
    spread: Option<DMatrix<f64>>,
    /// Stretches of this round, the last in time first.
    going: Vec<Stretch>,
    /// First step of the next integration.
    length: f64,
    condition: f64,
    found: Option<Arc<PolynomialValue>>,
    /// The last answer of the degree before this one.
    settled: Option<Arc<PolynomialValue>>,
    measured: f64,
    history: Vec<HistoryEntry>,
    stopped: Option<StopReason>,
}

impl State {
    /// Goes back to the answer of the degree before, where there is one, and stops.
    fn give_back(&mut self) -> bool {
        let Some(settled) = self.settled.take() else {
            return false;
        };
        self.found = Some(settled);
        self.degree = self.lower;
        self.going.clear();
        self.stopped = Some(StopReason::Stalled {
            measured: self.measured,
        });
        true
    }
}

impl Method for Polynomial {
    const ASKS: Asks = Asks::WholeCost;
    type Admitted = HermiteTerms;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<HermiteTerms, Refusal> {
        unhindered(lowered, NAME, ACCEPTED)?;
        let d = lowered.compiled.steered.dimension();
        let terms =
            HermiteTerms::new(d, self.degree, self.interaction, MOST_TERMS).map_err(|e| {
                let reason = format!(
                    "{d} states joined by {} have {} terms of degree {}, more than {MOST_TERMS}",
                    self.interaction.min(d),
                    e.terms,
                    e.degree
                );
                let accepted = format!("degree = {}, or a smaller interaction", e.degree - 1);
                Refusal::new(NAME, reason, accepted)
            })?;
        let least = PATHS_A_TERM * terms.terms();
        if self.paths < least {
            let reason = format!(
                "{} paths cannot tell {} terms apart",
                self.paths,
                terms.terms()
            );
            let accepted = format!("paths = {least} or more, or a smaller degree or interaction");
            return Err(Refusal::new(NAME, reason, accepted));
        }
        Ok(terms)
    }

    fn start(
        &self,
        lowered: &Lowered,
        terms: HermiteTerms,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let length =
            (lowered.compiled.steered.end() - lowered.compiled.steered.start()) / self.steps as f64;
        Ok(State {
            lowered: Arc::new(lowered.clone()),
            degree: FIRST_DEGREE.min(terms.degree()),
            lower: 0,
            terms: Arc::new(terms),
            streams: *streams,
            rounds: 0,
            here: 0,
            clouds: Vec::new(),
            spread: None,
            going: Vec::new(),
            length,
            condition: 1.0,
            found: None,
            settled: None,
            measured: f64::INFINITY,
            history: Vec::new(),
            stopped: None,
        })
    }

    fn advance(&self, _: &Lowered, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        if state.clouds.is_empty() {
            return self.walk(state, work);
        }
        if let Err(error) = self.go_back(state, work) {
            return state.give_back().then_some(()).ok_or(error);
        }
        if state.going.len() == self.steps {
            self.end_round(state);
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        match state.stopped {
            Some(reason) => Progress::Stopped(reason),
            None => {
                let part = state.going.len() as f64 / self.steps as f64;
                Progress::Going {
                    fraction: (state.rounds as f64 + part) / self.max_iterations as f64,
                    objective: state.history.last().map_or(f64::NAN, |h| h.objective),
                    measured: state.measured,
                }
            }
        }
    }

    fn is_whole(&self, state: &State) -> bool {
        state.found.is_some()
    }

    fn finish(&self, _: &Lowered, state: State) -> Result<Answer, SolveError> {
        let mut answer = Answer {
            history: state.history.clone(),
            facts: vec![
                ("rounds", state.rounds as f64),
                ("degree", state.degree as f64),
                ("terms", state.terms.terms_up_to(state.degree) as f64),
                ("condition", state.condition),
            ],
            ..Answer::default()
        };
        let Some(value) = state.found.clone() else {
            // Out of time before the first round ended.
            return Ok(answer);
        };
        let policy = PolynomialPolicy {
            value: value.clone(),
            process: Arc::new(state.lowered.compiled.steered.clone()),
        };
        let (start, misfits) = self.misfits(&state, &value, &policy);
        let above = Estimate::from_samples(&misfits);
        let spread = above.error * (misfits.len() as f64).sqrt();
        let gap = 0.5 * leverage(&state.lowered) * spread * spread;
        let bound = start.value + above.value;
        if !bound.is_finite() {
            return Err(SolveError::NotFinite {
                what: "the misfit on fresh paths",
                value: bound,
                time: state.lowered.compiled.steered.end(),
                suggestion: "more paths, or a smaller degree".to_owned(),
            });
        }
        answer.facts.extend([
            ("fitted value", start.value),
            ("misfit on fresh paths", above.value),
            ("spread of the misfit", spread),
            ("gap of the policy", gap),
        ]);
        answer.quantities.push(Quantity {
            name: "upper_bound".to_owned(),
            value: Estimate::new(
                bound,
                above.error.hypot(start.error),
                ErrorKind::StandardError,
            ),
        });
        let error = above.error.hypot(start.error).hypot(gap);
        let error = error.hypot(self.relative_tolerance * self.steps as f64 * bound.abs());
        let kind = match gap > above.error {
            true => ErrorKind::Grid,
            false => ErrorKind::StandardError,
        };
        answer.cost = Some(Estimate::new(bound - gap, error, kind));
        answer.value = Some(Arc::new(Shared(value)));
        answer.policy = Some(Arc::new(policy));
        Ok(answer)
    }
}

impl Polynomial {
    /// Steps of the paths in a stretch of time.
    fn path_steps(&self, lowered: &Lowered) -> usize {
        lowered.problem.time_settings.steps.div_ceil(self.steps)
    }

    /// The paths of a round.
    fn walk(&self, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        let lowered = state.lowered.clone();
        let steps = self.path_steps(&lowered);
        let streams = state.streams.scoped(&format!("round {}", state.rounds));
        let mut start = lowered.draw_start(&streams.role("start"), 0, self.paths);
        let simulate = |start: &Batch| {
            let stream = streams.role("noise");
            match &state.found {
                None => {
                    let idle = Idle {
                        states: lowered.compiled.steered.dimension(),
                        controls: lowered.compiled.steered.controls(),
                    };
                    clouds(&lowered, &idle, start.as_ref(), self.steps, steps, &stream)
                }
                Some(value) => {
                    let policy = PolynomialPolicy {
                        value: value.clone(),
                        process: Arc::new(lowered.compiled.steered.clone()),
                    };
                    clouds(
                        &lowered,
                        &policy,
                        start.as_ref(),
                        self.steps,
                        steps,
                        &stream,
                    )
                }
            }
        };
        if lowered.start_point().is_some() {
            if state.spread.is_none() {
                state.spread = Some(spread_of(&simulate(&start))?);
            }
            if let Some(root) = &state.spread {
                let mut normals = Batch::zeros(start.points(), start.columns());
                streams.role("spread").normals(0, 0, normals.as_mut());
                start.as_mut().add_product(1.0, root, normals.as_ref());
            }
        }
        let found = simulate(&start);
        if lowered.start_point().is_some() {
            state.spread = Some(spread_of(&found)?);
        }
        let moves = (self.paths * self.steps * steps) as u64;
        work.normals += moves * lowered.compiled.steered.noises() as u64;
        work.field_points += moves;
        state.clouds = found;
        Ok(())
    }

    /// One stretch of time back.
    fn go_back(&self, state: &mut State, work: &mut Work) -> Result<(), SolveError> {
        let process = Arc::new(state.lowered.compiled.steered.clone());
        let k = self.steps - 1 - state.going.len();
        let span = (process.end() - process.start()) / self.steps as f64;
        let (from, to) = (
            process.start() + span * k as f64,
            process.start() + span * (k + 1) as f64,
        );
        let points = &alternating(&state.clouds[k], &state.clouds[k + 1]);
        let chart =
            Chart::of(points.as_ref(), self.axes).map_err(|least| SolveError::Singular {
                system: "covariance of the paths",
                pivot: least,
                suggestion: "noise or a start law that reaches every state".to_owned(),
            })?;
        let chart = Arc::new(chart);
        let count = state.terms.terms_up_to(state.degree);
        let old = state.found.clone().map(|value| PolynomialPolicy {
            value,
            process: process.clone(),
        });
        let mut cloud = Cloud::new(
            process.clone(),
            state.terms.clone(),
            chart.clone(),
            points,
            count,
            (from, old.as_ref().map(|p| p as _)),
        );
        let projection = cloud.projection(count).map_err(|_| SolveError::Singular {
            system: "least squares",
            pivot: 0.0,
            suggestion: "more paths, or a smaller degree or interaction".to_owned(),
        })?;
        state.condition = state.condition.max(projection.condition);
        let later = state.going.last();
        let coefficients = cloud.fit(&projection, |x: BatchRef<'_>| match later {
            Some(stretch) => stretch.value(to, x),
            None => {
                let mut out = vec![0.0; x.points()];
                process.terminal(x, &mut out);
                out
            }
        });
        let escape = |value: f64, time: f64| SolveError::NotFinite {
            what: "the fitted value",
            value,
            time,
            suggestion: "more paths, or a smaller degree".to_owned(),
        };
        if let Some(bad) = coefficients.iter().find(|c| !c.is_finite()) {
            return Err(escape(*bad, to));
        }
        let pieces = self
            .fall(state, (to, from), &mut cloud, &projection, &coefficients)
            .map_err(|escaped| escape(escaped.value, escaped.time))?;
        work.field_points += cloud.evaluations * points.points() as u64;
        work.linear_solves += cloud.evaluations;
        work.unknowns = work.unknowns.max(count as u64);
        state.going.push(Stretch {
            from,
            chart,
            terms: state.terms.clone(),
            coefficients: DenseSolution::new(pieces),
        });
        Ok(())
    }

    /// Integrates the coefficients back over a stretch.
    fn fall(
        &self,
        state: &mut State,
        (to, from): (f64, f64),
        cloud: &mut Cloud,
        projection: &Projection,
        coefficients: &[f64],
    ) -> Result<Vec<Piece>, Escape> {
        // Near the solution the limit would only act where the old value was extended beyond its points.
        let near = state.measured <= SETTLED;
        let mut found = Err(Escape {
            time: to,
            value: f64::INFINITY,
        });
        for limited in [!near, true] {
            let falling = Falling {
                cloud,
                projection,
                limited,
            };
            let start = coefficients.to_vec();
            let accuracy = self.relative_tolerance;
            let mut integration =
                Integration::new(falling, to, from, start, accuracy).starting_with(state.length);
            found = through(&mut integration);
            if found.is_ok() {
                state.length = integration.next_length();
                break;
            }
        }
        found
    }

    /// Takes the value of a round and decides whether there is another.
    fn end_round(&self, state: &mut State) {
        let mut stretches = std::mem::take(&mut state.going);
        stretches.reverse();
        state.clouds.clear();
        let value = PolynomialValue { stretches };
        let start = start_value(state, &value).value;
        let change = state.history.last().map_or(f64::INFINITY, |last| {
            (start - last.objective).abs() / start.abs().max(f64::MIN_POSITIVE)
        });
        if change > DIVERGED && state.give_back() {
            return;
        }
        state.found = Some(Arc::new(value));
        state.rounds += 1;
        state.here += 1;
        state.measured = change;
        state.history.push(HistoryEntry {
            iteration: state.rounds as u64,
            objective: start,
            measured: change,
        });
        let full = state.degree == state.terms.degree();
        if full && state.here > 1 && change <= self.tolerance {
            state.stopped = Some(StopReason::Converged {
                measured: change,
                tolerance: self.tolerance,
            });
        } else if state.rounds >= self.max_iterations {
            state.stopped = Some(StopReason::IterationLimit {
                limit: self.max_iterations,
                measured: change,
            });
        } else if !full && (change <= SETTLED || state.here >= MOST_BELOW) {
            state.settled = state.found.clone();
            state.lower = state.degree;
            state.degree = (state.degree + MORE_DEGREE).min(state.terms.degree());
            state.here = 0;
        }
    }

    /// The fitted value at the start, and for fresh paths from there what the policy costs more than it.
    fn misfits(
        &self,
        state: &State,
        value: &PolynomialValue,
        policy: &PolynomialPolicy,
    ) -> (Estimate, Vec<f64>) {
        let lowered = &state.lowered;
        let process = &policy.process;
        let streams = state.streams.scoped("fresh");
        let start = lowered.draw_start(&streams.role("start"), 0, FRESH);
        let steps = self.path_steps(lowered).div_ceil(2);
        let stream = streams.role("noise");
        let seen = clouds(
            lowered,
            policy,
            start.as_ref(),
            2 * self.steps,
            steps,
            &stream,
        );
        let span = (process.end() - process.start()) / self.steps as f64;
        let late = |t: f64| (-process.discount() * (t - process.start())).exp();
        let mut misfits = vec![0.0; FRESH];
        let mut add = |weight: f64, values: &[f64]| {
            for (m, v) in misfits.iter_mut().zip(values) {
                *m += weight * v;
            }
        };
        for (k, stretch) in value.stretches.iter().enumerate() {
            let middle = stretch.from + 0.5 * span;
            let coefficients = stretch.coefficients_at(middle);
            let mut moving = vec![0.0; coefficients.len()];
            stretch.coefficients.slope(middle, &mut moving);
            let mut cloud = Cloud::new(
                process.clone(),
                stretch.terms.clone(),
                stretch.chart.clone(),
                &stretch.chart.within(seen[2 * k + 1].as_ref()),
                coefficients.len(),
                (middle, None),
            );
            let residuals = cloud.residuals(middle, &coefficients, &moving);
            add(span * late(middle), &residuals);
            let end = stretch.from + span;
            let ends = &seen[2 * k + 2];
            add(-late(end), &valued(stretch, end, ends));
            match value.stretches.get(k + 1) {
                Some(next) => add(late(end), &valued(next, end, ends)),
                None => {
                    let mut terminal = vec![0.0; FRESH];
                    process.terminal(ends.as_ref(), &mut terminal);
                    add(late(end), &terminal);
                }
            }
        }
        (start_value(state, value), misfits)
    }
}

/// The fitted value averaged over the start law.
fn start_value(state: &State, value: &PolynomialValue) -> Estimate {
    let lowered = &state.lowered;
    let t = lowered.compiled.steered.start();
    match lowered.start_point() {
        Some(point) => {
            let point = Batch::from_rows(point.len(), &[point]);
            let (value, _) = value.eval_with_gradient(t, point.as_ref());
            Estimate::new(value[0], 0.0, ErrorKind::Rounding)
        }
        None => {
            let stream = state.streams.role("start law");
            let points = lowered.draw_start(&stream, 0, FRESH);
            Estimate::from_samples(&value.eval_with_gradient(t, points.as_ref()).0)
        }
    }
}

/// Every other path at the beginning of a stretch, the others at its end: where paths come from and where they go.
fn alternating(beginning: &Batch, end: &Batch) -> Batch {
    let mut out = beginning.clone();
    for j in 0..out.columns() {
        let odd = out.column_mut(j).iter_mut().zip(end.column(j)).skip(1);
        for (x, end) in odd.step_by(2) {
            *x = *end;
        }
    }
    out
}

/// All pieces of an integration.
fn through<R: Rates>(integration: &mut Integration<R>) -> Result<Vec<Piece>, Escape> {
    let mut pieces = Vec::new();
    while let Some(piece) = integration.advance()? {
        pieces.push(piece);
        if pieces.len() > MOST_STEPS {
            let value = integration
                .value()
                .iter()
                .fold(0.0, |m: f64, v| m.max(v.abs()));
            let time = integration.time();
            return Err(Escape { time, value });
        }
    }
    Ok(pieces)
}

/// The value at the end of paths.
fn valued(stretch: &Stretch, t: f64, x: &Batch) -> Vec<f64> {
    let blocks = map_blocks(x.points(), BLOCK, |range| {
        stretch.eval_with_gradient(t, x.as_ref().rows(range)).0
    });
    blocks.concat()
}

/// A root of a share of the mean covariance of clouds.
fn spread_of(clouds: &[Batch]) -> Result<DMatrix<f64>, SolveError> {
    let d = clouds[0].columns();
    let mut mean = DMatrix::zeros(d, d);
    for cloud in clouds {
        mean += moments(cloud.as_ref()).1;
    }
    let factor = Cholesky::new(&(mean * (SPREAD / clouds.len() as f64)));
    let factor = factor.map_err(|_| SolveError::Singular {
        system: "covariance of the paths",
        pivot: 0.0,
        suggestion: "noise or a start law that reaches every state".to_owned(),
    })?;
    Ok(factor.lower())
}

/// The least `c` with `B R^-1 B' <= c D` at the start, on what the noise moves.
fn leverage(lowered: &Lowered) -> f64 {
    let process = &lowered.compiled.steered;
    let mean = moments(
        lowered
            .draw_start(&Streams::new(0).role("mean"), 0, 1)
            .as_ref(),
    )
    .0;
    let t = process.start();
    let theta = process.leverage(t, &mean);
    let price = process.inverse_effort().at(t, &mean);
    (&theta * price * theta.transpose())
        .symmetric_eigenvalues()
        .max()
}

/// A value that its policy uses, too.
struct Shared(Arc<PolynomialValue>);

impl crate::field::Field for Shared {
    fn inputs(&self) -> usize {
        self.0.inputs()
    }

    fn outputs(&self) -> usize {
        1
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: crate::numeric::batch::BatchMut<'_>) {
        self.0.eval(t, x, out);
    }
}

#[cfg(test)]
mod tests;
