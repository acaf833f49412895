//! The steps of reverse diffusion that are exact for Gaussian data: [`crate::discretization::path_action`].
//!
//! The unknown is a score on noising time, `v = L' s`, or a policy on the time of the control, `v = L' D^-1 G u`.

use crate::discretization::noising::{Noising, Transition};
use crate::discretization::path_action::{ReverseStep, reverse_steps};
use crate::discretization::time_grid::TimeGrid;
use crate::field::noised_mixture::NoisedMixture;
use crate::field::peaks::Peaks;
use crate::numeric::batch::{Batch, BatchRef};
use crate::problem::meant::law::Covariance;
use crate::solvers::learned::stepped::{At, Stepped};
use nalgebra::DMatrix;

/// A walk from the end of the horizon back to the first node of a grid, whose end cost is `-log p` there.
pub struct ReverseWalk {
    steps: Vec<ReverseStep>,
    end_law: Peaks,
    dimension: usize,
    policy: Option<OfPolicy>,
}

/// How a policy becomes a score.
struct OfPolicy {
    /// Noising time and time of the control add up to this.
    whole: f64,
    /// `D^-1 G` of every step, and its inverse.
    scores: Vec<[DMatrix<f64>; 2]>,
}

impl ReverseWalk {
    /// The unknown is a score; the law must have positive definite covariances at the first node.
    pub fn new(law: &NoisedMixture, grid: &TimeGrid) -> Self {
        let end_law = law.mixture_at(grid.nodes()[0]);
        Self {
            steps: reverse_steps(law.transition(), grid, |t| coarse_covariance(law, t)),
            dimension: end_law.dimension(),
            end_law: Peaks::of(&end_law),
            policy: None,
        }
    }

    /// The same with a policy as the unknown, which is asked at `whole` less the noising time; `None` where the noise is
    /// not as many independent ones as there are states.
    pub fn of_policy(self, noising: &Noising, whole: f64) -> Option<Self> {
        let d = self.dimension;
        let unit = Batch::from_columns(d, d, DMatrix::<f64>::identity(d, d).as_slice().to_vec());
        let scores = self.steps.iter().map(|step| {
            // G' s = u.
            let mut columns = Batch::zeros(d, d);
            noising
                .noise(step.late)
                .control(unit.as_ref(), columns.as_mut());
            let back = DMatrix::from_fn(d, d, |i, j| columns.get(j, i));
            Some([back.clone().try_inverse()?, back])
        });
        let scores = match noising.noises() == d {
            true => scores.collect::<Option<Vec<_>>>()?,
            false => return None,
        };
        Some(Self {
            policy: Some(OfPolicy { whole, scores }),
            ..self
        })
    }

    /// The score that the unknown says, or from a score what the unknown would say.
    fn converted(&self, step: usize, which: usize, from: BatchRef<'_>) -> Option<Batch> {
        let policy = self.policy.as_ref()?;
        let mut out = Batch::zeros(from.points(), from.columns());
        let matrix = &policy.scores[step][which];
        out.as_mut().add_product(1.0, matrix, from);
        Some(out)
    }

    /// The cotangent of the unknown from that of the score, in place.
    fn pull_back_conversion(&self, step: usize, cotangent: &mut Batch) {
        if let Some(policy) = &self.policy {
            let of_score = cotangent.clone();
            cotangent.fill(0.0);
            let matrix = policy.scores[step][0].transpose();
            cotangent
                .as_mut()
                .add_product(1.0, &matrix, of_score.as_ref());
        }
    }
}

impl Stepped for ReverseWalk {
    fn steps(&self) -> usize {
        self.steps.len()
    }

    fn time(&self, step: usize) -> f64 {
        let late = self.steps[step].late;
        self.policy.as_ref().map_or(late, |p| p.whole - late)
    }

    fn length(&self, step: usize) -> f64 {
        self.steps[step].late - self.steps[step].early
    }

    fn outputs(&self) -> usize {
        self.dimension
    }

    fn noises(&self) -> usize {
        self.dimension
    }

    fn temperature(&self) -> Option<f64> {
        Some(1.0)
    }

    fn narrow(&self, step: usize) -> &[f64] {
        self.steps[step].narrow()
    }

    fn shift(&self, step: usize, unknown: BatchRef<'_>, out: &mut Batch) {
        let score = self.converted(step, 0, unknown);
        let score = score.as_ref().map_or(unknown, Batch::as_ref);
        self.steps[step].control(score, out.as_mut());
    }

    fn shift_back(&self, step: usize, v: BatchRef<'_>, out: &mut Batch) {
        let mut none = Batch::zeros(v.points(), v.columns());
        self.steps[step].adjoint(v, none.as_mut(), out.as_mut());
        self.pull_back_conversion(step, out);
    }

    fn charge(
        &self,
        step: usize,
        _: At<'_>,
        v: BatchRef<'_>,
        costs: &mut [f64],
        state: &mut [f64],
    ) {
        let step = &self.steps[step];
        let (constant, ratio) = (step.constant(), step.log_jacobian());
        costs.iter_mut().for_each(|c| *c += constant);
        state.iter_mut().for_each(|c| *c += ratio);
        for j in 0..v.columns() {
            for (c, v) in costs.iter_mut().zip(v.column(j)) {
                *c += 0.5 * v * v;
            }
        }
    }

    fn advance(&self, step: usize, at: At<'_>, v: BatchRef<'_>, out: &mut Batch) {
        let mut push = at.noise.to_batch();
        for j in 0..v.columns() {
            for (p, v) in push.column_mut(j).iter_mut().zip(v.column(j)) {
                *p += v;
            }
        }
        self.steps[step].advance(at.x, push.as_ref(), out.as_mut());
    }

    fn pull_back(
        &self,
        step: usize,
        at: At<'_>,
        direct: Option<BatchRef<'_>>,
        adjoint: &mut Batch,
        unknown: &mut Batch,
    ) {
        let mut slope = Batch::zeros(at.x.points(), self.dimension);
        self.shift(step, at.unknown, &mut slope);
        if let Some(direct) = direct {
            for j in 0..direct.columns() {
                for (s, d) in slope.column_mut(j).iter_mut().zip(direct.column(j)) {
                    *s += d;
                }
            }
        }
        self.steps[step].adjoint(slope.as_ref(), adjoint.as_mut(), unknown.as_mut());
        self.pull_back_conversion(step, unknown);
    }

    fn best(&self, step: usize, _: BatchRef<'_>, slope: BatchRef<'_>, out: &mut Batch) {
        // v = -L'A^-T slope, so s = -A^-T slope.
        let mut score = slope.to_batch();
        let none = Batch::zeros(slope.points(), slope.columns());
        self.steps[step].adjoint(none.as_ref(), score.as_mut(), out.as_mut());
        score.as_mut_slice().iter_mut().for_each(|s| *s = -*s);
        *out = self.converted(step, 1, score.as_ref()).unwrap_or(score);
    }

    fn pull_back_free(&self, step: usize, x: BatchRef<'_>, adjoint: &mut Batch) {
        let [none, mut unused] = [0, 1].map(|_| Batch::zeros(x.points(), x.columns()));
        self.steps[step].adjoint(none.as_ref(), adjoint.as_mut(), unused.as_mut());
    }

    fn end_cost(&self, x: BatchRef<'_>, costs: &mut [f64], state: &mut [f64]) {
        for (i, log_density) in self.end_law.log_density(x).iter().enumerate() {
            costs[i] -= log_density;
            state[i] -= log_density;
        }
    }

    fn end_slope(&self, x: BatchRef<'_>, out: &mut Batch) {
        self.end_law.score(x, out.as_mut());
        out.as_mut_slice().iter_mut().for_each(|s| *s = -*s);
    }
}

/// The covariance of the noised law: full where the steps mix coordinates, otherwise its diagonal.
fn coarse_covariance(law: &NoisedMixture, t: f64) -> Covariance {
    let at = law.mixture_at(t);
    match law.transition() {
        Transition::Isotropic { .. } => Covariance::Diagonal(at.variances()),
        _ => Covariance::Full(at.covariance()),
    }
}
