//! The stationary density in one state.
//!
//! ```text
//! f p = 1/2 (D p)',      p ~ (1/D) exp( int 2 f/D dx )
//! ```
//!
//! by Gauss–Legendre panels, the logarithm of the density by integrals up to their nodes. The error of a moment is
//! its distance from the one with half the panels. Modes are zeros of `2 f - D'`, bisected to the last digit.
//!
//! # Assumes
//! One state, coefficients free of time, an integrable density; edges that reflect or are never reached.
//!
//! # Order
//! Sixteen in the width of a panel.
//!
//! # Source
//! Gardiner (2009), section 5.3.
//!
//! # Checked by
//! `stationary-flux`

use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::panels::NODES;
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::page::Page;
use crate::problem::meant::kind::SIMULATE;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::grid::line::{Balance, Line, keeps_mass};
use crate::solvers::lowered::answer::{Answer, StationaryDensity};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::options::{LATTICE, points, points_text};
use std::num::NonZeroUsize;

const NAME: &str = "stationary";
/// Bisections of an interval between neighbouring nodes.
const BISECTIONS: usize = 200;
/// Difference of logarithms below which two peaks are equally high.
const EQUAL: f64 = 1e-9;

/// Points of the quadrature.
#[derive(Clone, Debug, PartialEq)]
pub struct Stationary {
    pub points: usize,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of(NAME, include_str!("stationary.md")),
    kinds: SIMULATE,
    later: &[],
    options: &[points(LATTICE)],
    settings: points_text,
};

impl Stationary {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of(NAME)?;
        Some(Self {
            points: options.counts("points")[0],
        })
    }

    fn panels(&self) -> usize {
        self.points.div_ceil(NODES.get()).max(2)
    }
}

/// The coefficients and where the density lives.
pub struct Admitted {
    line: Line,
    interval: (f64, f64),
}

/// The density with all panels and with half of them, until there are both.
pub struct State {
    admitted: Admitted,
    found: Vec<Balance>,
}

impl Method for Stationary {
    const ASKS: Asks = Asks::NoControl;
    const ENDLESS: bool = true;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        lowered.admit_one_state(NAME)?;
        lowered.admit_autonomous(NAME)?;
        let refusal = |reason: String, accepted: &str| Refusal {
            method: NAME,
            reason,
            accepted: accepted.to_owned(),
        };
        if !keeps_mass(lowered) {
            return Err(refusal(
                "mass flows through the edges of the domain".to_owned(),
                "boundary = \"natural\" or \"reflect\"",
            ));
        }
        let line = Line::new(lowered).map_err(|e| refusal(e.to_string(), "numbers"))?;
        let interval = line.interval(lowered).ok_or_else(|| {
            refusal(
                "the density without flux does not fall off on both sides, or the noise vanishes"
                    .to_owned(),
                "a drift that confines, or dynamics.domain with reflecting edges",
            )
        })?;
        Ok(Admitted { line, interval })
    }

    fn start(&self, _: &Lowered, admitted: Admitted, _: &Streams) -> Result<State, SolveError> {
        Ok(State {
            admitted,
            found: Vec::new(),
        })
    }

    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        let panels = self.panels() >> state.found.len();
        let panels = NonZeroUsize::new(panels).unwrap_or(NonZeroUsize::MIN);
        let (a, b) = state.admitted.interval;
        let balance =
            state
                .admitted
                .line
                .balance(a, b, panels)
                .ok_or_else(|| SolveError::NotFinite {
                    what: "the logarithm of the density",
                    value: f64::NAN,
                    time: lowered.horizon().0,
                    suggestion: "a domain where the noise does not vanish".to_owned(),
                })?;
        work.unknowns = work.unknowns.max(balance.log_density.len() as u64);
        state.found.push(balance);
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        match state.found.len() {
            2 => Progress::Stopped(StopReason::Direct),
            n => Progress::Going {
                fraction: n as f64 / 2.0,
                objective: f64::NAN,
                measured: f64::NAN,
            },
        }
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let mut answer = Answer::default();
        let [fine, coarse] = &state.found[..] else {
            return Ok(answer);
        };
        let [exact, rough] = [fine, coarse].map(|balance| means(lowered, balance));
        let modes = modes(&state.admitted.line, fine);
        for (k, mode) in modes.all.iter().enumerate() {
            answer.push(format!("mode[{k}]"), *mode);
        }
        if let Some(highest) = modes.highest {
            answer.push("mode".to_owned(), highest);
        }
        for ((name, value), (_, other)) in exact.iter().zip(&rough) {
            // The sums themselves round.
            let rounding = 64.0 * f64::EPSILON * value.abs();
            let error = (value - other).abs().max(rounding);
            answer.push(
                name.clone(),
                Estimate::new(*value, error, ErrorKind::Quadrature),
            );
        }
        let (a, b) = state.admitted.interval;
        answer.facts = vec![("domain from", a), ("to", b)];
        answer.law.stationary = Some(normalised(fine));
        Ok(answer)
    }
}

fn normalised(balance: &Balance) -> StationaryDensity {
    let weights: Vec<f64> = balance.log_density.iter().map(|l| l.exp()).collect();
    let total = balance.panels.total(&weights);
    StationaryDensity {
        nodes: balance.panels.nodes().to_vec(),
        density: weights.iter().map(|w| w / total).collect(),
    }
}

/// `mean`, `mean_square`, `variance`, and the observables as `stationary_NAME`.
fn means(lowered: &Lowered, balance: &Balance) -> Vec<(String, f64)> {
    let StationaryDensity { nodes, density } = normalised(balance);
    let average = |values: &mut dyn Iterator<Item = f64>| {
        let terms: Vec<f64> = density.iter().zip(values).map(|(p, g)| p * g).collect();
        balance.panels.total(&terms)
    };
    let mean = average(&mut nodes.iter().copied());
    let square = average(&mut nodes.iter().map(|x| x * x));
    let variance = average(&mut nodes.iter().map(|x| (x - mean) * (x - mean)));
    let mut out = vec![
        ("mean".to_owned(), mean),
        ("mean_square".to_owned(), square),
        ("variance".to_owned(), variance),
    ];
    let x = Batch::from_columns(nodes.len(), 1, nodes.clone());
    let mut observed = Batch::zeros(nodes.len(), lowered.free().observables.outputs());
    lowered
        .free()
        .observables
        .eval(lowered.problem.window().1, x.as_ref(), observed.as_mut());
    for (k, (name, _)) in lowered.problem.observe.iter().enumerate() {
        let value = average(&mut observed.column(k).iter().copied());
        out.push((format!("stationary_{name}"), value));
    }
    out
}

struct Modes {
    /// Ascending.
    all: Vec<Estimate>,
    /// The highest; of several equally high ones the last.
    highest: Option<Estimate>,
}

fn modes(line: &Line, balance: &Balance) -> Modes {
    let nodes = balance.panels.nodes();
    let slopes: Vec<f64> = nodes.iter().map(|x| line.slope(*x)).collect();
    let mut all = Vec::new();
    let mut best: Option<(f64, Estimate)> = None;
    for i in 0..nodes.len() - 1 {
        if !(slopes[i] > 0.0 && slopes[i + 1] <= 0.0) {
            continue;
        }
        let (mut low, mut high) = (nodes[i], nodes[i + 1]);
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            if line.slope(middle) > 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        let mode = Estimate::closed_form(0.5 * (low + high));
        // The top between two nodes, by the parabola through the nearer one.
        let near = if mode.value - nodes[i] < nodes[i + 1] - mode.value {
            i
        } else {
            i + 1
        };
        let height = balance.log_density[near] + 0.5 * slopes[near] * (mode.value - nodes[near]);
        if best.is_none_or(|(top, _)| height > top - EQUAL) {
            best = Some((best.map_or(height, |(top, _)| top.max(height)), mode));
        }
        all.push(mode);
    }
    Modes {
        all,
        highest: best.map(|(_, mode)| mode),
    }
}
