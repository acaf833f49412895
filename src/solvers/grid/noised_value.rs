//! The Hopf–Cole road: the linear backward equation of the desirability, solved for its logarithm.
//!
//! ```text
//! psi = exp(-V) = p_t,     ∂V/∂t = D/2 (ΔV - |∇V|²) - f·∇V + ∇·f,     V(·, 0) = -log p_0,     u* = -Gᵀ∇V
//! ```
//!
//! In reverse time this is the equation `∂_τ psi + (-f)·∇psi + D/2 Δpsi = (∇·f) psi` of the uncontrolled
//! reverse process. Storing V keeps the tails: a Gaussian is a quadratic, which the scheme differentiates
//! without error at any width. Several components need two grid nodes per standard deviation: of the data,
//! or under affine drift of the noised data at `t_min`, where the equation then starts from the closed form. A
//! coarser grid is refused.
//!
//! # Assumes
//! One or two states, noise that does not depend on the state, axes of the noise that do not turn.
//!
//! # Order
//! Two in space and time on each grid (see [`crate::discretization::value_step`]), four after extrapolation.
//!
//! # Source
//! Hopf (1950), Cole (1951); Kappen (2005), section 2.
//!
//! # Checked by
//! `hopf-cole`

use crate::discretization::transport::AxisTransport;
use crate::discretization::value_step::ValueStep;
use crate::numeric::random::Streams;
use crate::numeric::tridiagonal::PivotError;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, Work};
use crate::solvers::grid::grid_ladder::{self, Admitted, GridEquation, Ladder};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;

/// Points per axis and time steps of the finest grid.
#[derive(Clone, Debug, PartialEq)]
pub struct HopfCole {
    pub points: Vec<usize>,
    pub steps: usize,
}

impl HopfCole {
    /// The method as asked for; `None` for another method's settings.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of("hopf-cole")?;
        Some(Self {
            points: options.counts("points"),
            steps: options.count("steps"),
        })
    }
}

/// V itself is the unknown.
pub struct ValueEquation;

impl GridEquation for ValueEquation {
    const NAME: &'static str = "hopf-cole";
    const NODES_PER_DEVIATION: f64 = 2.0;
    const LINEAR: bool = false;
    type Step<'a> = ValueStep<'a>;

    fn step<'a>(&self, transport: &'a AxisTransport, dt: f64) -> Result<ValueStep<'a>, PivotError> {
        Ok(ValueStep::new(transport, dt))
    }

    fn unknown(&self, value: f64) -> f64 {
        value
    }

    fn values(&self, _: &mut [f64]) {}
}

/// The solve under way.
pub struct HopfColeState(Ladder<ValueEquation>);

/// The grid on which the equation was found to apply.
pub struct HopfColeAdmitted(Admitted);

impl Method for HopfCole {
    const ASKS: Asks = Asks::AdditiveNoising;
    type Admitted = HopfColeAdmitted;
    type State = HopfColeState;

    fn admit(&self, lowered: &Lowered) -> Result<HopfColeAdmitted, Refusal> {
        grid_ladder::admit::<ValueEquation>(lowered, &self.points, self.steps).map(HopfColeAdmitted)
    }

    fn start(
        &self,
        _: &Lowered,
        admitted: HopfColeAdmitted,
        _: &Streams,
    ) -> Result<HopfColeState, SolveError> {
        Ladder::start(ValueEquation, admitted.0).map(HopfColeState)
    }

    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut HopfColeState,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        state.0.advance(lowered, work)
    }

    fn progress(&self, state: &HopfColeState) -> Progress {
        state.0.progress()
    }

    fn finish(&self, lowered: &Lowered, state: HopfColeState) -> Result<Answer, SolveError> {
        Ok(state.0.finish(lowered))
    }
}
