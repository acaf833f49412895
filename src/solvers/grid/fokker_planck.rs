//! The forward road: the density of the noising process on a grid, then its log-gradient.
//!
//! ```text
//! ∂p/∂t = -∇·(f p) + 1/2 ∇∇:(D p),     p_0 = data law,     u* = Gᵀ ∇log p
//! ```
//!
//! Conservative, linear, in the density itself: everything [`crate::solvers::grid::noised_value`] is not. Where the
//! data are too narrow for the grid and the drift is affine the equation starts at `t_min` from the closed
//! form; a grid that does not resolve the law there either is refused.
//!
//! # Assumes
//! One or two states, noise that does not depend on the state, axes of the noise that do not turn, and a
//! start law with at least three grid nodes per standard deviation.
//!
//! # Order
//! Two in space and time on each grid (see [`crate::discretization::density_step`]), four after extrapolation.
//!
//! # Checked by
//! `hopf-cole`

use crate::discretization::density_step::DensityStep;
use crate::discretization::transport::AxisTransport;
use crate::numeric::random::Streams;
use crate::numeric::tridiagonal::PivotError;
use crate::problem::format::card::Card;
use crate::problem::format::key::Fallback;
use crate::problem::format::page::Page;
use crate::problem::meant::kind::GENERATING;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, Work};
use crate::solvers::grid::grid_ladder::{self, Admitted, GridEquation, Ladder};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::options::{grid_text, half_steps, points, steps};

/// Points per axis and time steps of the finest grid.
#[derive(Clone, Debug, PartialEq)]
pub struct FokkerPlanck {
    pub points: Vec<usize>,
    pub steps: usize,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of("fokker-planck", include_str!("fokker_planck.md")),
    kinds: GENERATING,
    later: &[],
    options: &[
        points(Fallback::Found(
            "801, 256 or 57 for one, two or more states",
            |setup, _| setup.per_state(801, 256, 57).into(),
        )),
        steps(Fallback::Count(200)).less(half_steps),
    ],
    settings: grid_text,
};

impl FokkerPlanck {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of("fokker-planck")?;
        Some(Self {
            points: options.counts("points"),
            steps: options.count("steps"),
        })
    }
}

/// Densities below this fraction of the peak carry no information in a linear scheme; their logarithm
/// is held here.
const FLOOR: f64 = 1e-30;

/// The density is the unknown.
pub struct DensityEquation;

impl GridEquation for DensityEquation {
    const NAME: &'static str = "fokker-planck";
    const NODES_PER_DEVIATION: f64 = 3.0;
    const LINEAR: bool = true;
    type Step<'a> = DensityStep<'a>;

    fn step<'a>(
        &self,
        transport: &'a AxisTransport,
        dt: f64,
    ) -> Result<DensityStep<'a>, PivotError> {
        DensityStep::new(transport, dt)
    }

    fn unknown(&self, value: f64) -> f64 {
        (-value).exp()
    }

    fn values(&self, table: &mut [f64]) {
        let peak = table.iter().fold(0.0_f64, |a, b| a.max(*b));
        for value in table {
            *value = -value.max(FLOOR * peak).ln();
        }
    }
}

/// The solve under way.
pub struct FokkerPlanckState(Ladder<DensityEquation>);

/// The grid on which the equation was found to apply.
pub struct FokkerPlanckAdmitted(Admitted);

impl Method for FokkerPlanck {
    const ASKS: Asks = Asks::AdditiveNoising;
    type Admitted = FokkerPlanckAdmitted;
    type State = FokkerPlanckState;

    fn admit(&self, lowered: &Lowered) -> Result<FokkerPlanckAdmitted, Refusal> {
        grid_ladder::admit::<DensityEquation>(lowered, &self.points, self.steps)
            .map(FokkerPlanckAdmitted)
    }

    fn start(
        &self,
        _: &Lowered,
        admitted: FokkerPlanckAdmitted,
        _: &Streams,
    ) -> Result<FokkerPlanckState, SolveError> {
        Ladder::start(DensityEquation, admitted.0).map(FokkerPlanckState)
    }

    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut FokkerPlanckState,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        state.0.advance(lowered, work)
    }

    fn progress(&self, state: &FokkerPlanckState) -> Progress {
        state.0.progress()
    }

    fn finish(&self, lowered: &Lowered, state: FokkerPlanckState) -> Result<Answer, SolveError> {
        Ok(state.0.finish(lowered))
    }
}
