//! The closed form: a Gaussian mixture (or a table with a kernel) under affine noising.
//!
//! `s = ∇ log Σ_k w_k N(Φ m_k + c, Φ S_k Φᵀ + C)`, and the value from the prior is
//! `V = E_prior[−log p_T]`.
//!
//! # Checked by
//! `score-equation`, `hjb`, `fokker-planck`

use crate::field::draws::draw_mixture;
use crate::field::peaks::Peaks;
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::quadrature::Rule;
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::page::Page;
use crate::problem::meant::kind::GENERATING;
use crate::problem::meant::law::Mixture;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::learned::action::end_law;
use crate::solvers::lowered::answer::{Answer, LawFound};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use nalgebra::{DMatrix, DVector};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// The method has no options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact;

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of("exact", include_str!("exact.md")),
    kinds: GENERATING,
    later: &[],
    options: &[],
    settings: |_| "closed form".to_owned(),
};

/// Nodes per coordinate of the two quadrature rules compared, and the largest dimension for them.
const COARSE: usize = 24;
const FINE: usize = 32;
const QUADRATURE_DIMENSION: usize = 2;
/// Draws of the prior above that dimension.
const DRAWS: usize = 20_000;

/// Nothing to iterate; the streams are for the value in many dimensions.
pub struct State {
    streams: Streams,
}

impl Method for Exact {
    const ASKS: Asks = Asks::AdditiveNoising;
    type Admitted = ();
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<(), Refusal> {
        end_law(lowered, "exact").map(|_| ())
    }

    fn start(&self, _: &Lowered, (): (), streams: &Streams) -> Result<State, SolveError> {
        Ok(State { streams: *streams })
    }

    fn advance(&self, _: &Lowered, _: &mut State, _: &mut Work) -> Result<(), SolveError> {
        Ok(())
    }

    fn progress(&self, _: &State) -> Progress {
        Progress::Stopped(StopReason::Direct)
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let law = lowered
            .facts
            .marginals
            .as_ref()
            .expect("admission saw the law");
        let end = Peaks::of(&law.mixture_at(lowered.noising().end()));
        let cost = expected_surprise(lowered.prior(), &end, &state.streams);
        Ok(Answer {
            score: Some(Arc::new(law.clone())),
            law: LawFound {
                log_density: Some(Box::new(law.clone())),
                ..LawFound::default()
            },
            cost: Some(cost),
            own_error: Some(0.0),
            history: Vec::new(),
            facts: vec![("components", law.mixture().components() as f64)],
            ..Answer::default()
        })
    }
}

/// `E_prior[−log p]`: tensor Gauss–Hermite rules of two orders in one and two states, draws above.
fn expected_surprise(prior: &Mixture, law: &Peaks, streams: &Streams) -> Estimate {
    if prior.dimension() > QUADRATURE_DIMENSION {
        let x = draw_mixture(prior, &streams.role("value-start"), 0, DRAWS);
        let values: Vec<f64> = law.log_density(x.as_ref()).iter().map(|l| -l).collect();
        return Estimate::from_samples(&values);
    }
    let [coarse, fine] = [COARSE, FINE].map(|points| quadrature(prior, law, points));
    let rounding = 8.0 * f64::EPSILON * fine.abs();
    Estimate::new(
        fine,
        (fine - coarse).abs().max(rounding),
        ErrorKind::Quadrature,
    )
}

fn quadrature(prior: &Mixture, law: &Peaks, points: usize) -> f64 {
    let d = prior.dimension();
    let rule = Rule::normal(NonZeroUsize::new(points).unwrap_or(NonZeroUsize::MIN));
    let count = points.pow(d as u32);
    let mut total = 0.0;
    for k in 0..prior.components() {
        let matrix = prior.covariances[k].dense(d);
        // A degenerate prior component contributes at its mean.
        let root = matrix
            .cholesky()
            .map_or_else(|| DMatrix::zeros(d, d), |factor| factor.l());
        let mut x = Batch::zeros(count, d);
        let mut weights = vec![1.0; count];
        for (n, weight) in weights.iter_mut().enumerate() {
            let digits = [n % points, n / points];
            let z = DVector::from_fn(d, |j, _| rule.nodes[digits[j]]);
            let moved = &root * z;
            for j in 0..d {
                x.column_mut(j)[n] = prior.means[k][j] + moved[j];
                *weight *= rule.weights[digits[j]];
            }
        }
        let log_density = law.log_density(x.as_ref());
        let mean: f64 = log_density.iter().zip(&weights).map(|(l, w)| -l * w).sum();
        total += prior.weights[k] * mean;
    }
    total
}
