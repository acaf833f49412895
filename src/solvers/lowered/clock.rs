//! Answers to reverse diffusion on both clocks.
//!
//! A field on noising time and a policy on the time of the control say the same:
//!
//! ```text
//! u(x, tau) = G(x, t)' s(x, t),      t = t_0 + t_1 - tau
//! ```
//!
//! A method gives one of them, and the other follows here: every policy is measured like a score, every score
//! simulated like a policy.
//!
//! # Assumes
//! For a score from a policy: additive noise of full rank. The divergence of such a score is a central difference.

use crate::derivation::ground::stated::Clock;
use crate::discretization::noising::Noising;
use crate::field::{Differentiable, Field};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::Lowered;
use std::sync::Arc;

/// Step of the central differences of a divergence, against the size of the coordinate.
const STEP: f64 = 1e-4;

/// Gives an answer to reverse diffusion both its policy and its score, where one follows from the other.
pub fn complete(lowered: &Lowered, answer: &mut Answer) {
    if lowered.process.clock != Clock::Reversed {
        return;
    }
    let Ok(noising) = lowered.additive() else {
        return;
    };
    let (start, end) = lowered.problem.dynamics.horizon;
    let whole = start + end;
    match (&answer.policy, &answer.score) {
        (None, Some(score)) => {
            answer.policy = Some(Arc::new(PolicyOfScore {
                score: score.clone(),
                noising: noising.clone(),
                whole,
            }));
        }
        (Some(policy), None) => {
            answer.is_score_of_policy = true;
            answer.score = Some(Arc::new(ScoreOfPolicy {
                policy: policy.clone(),
                noising: noising.clone(),
                whole,
            }));
        }
        _ => {}
    }
}

/// `u = Gᵀ s` on the time of the control.
struct PolicyOfScore {
    score: Arc<dyn Differentiable + Send>,
    noising: Noising,
    whole: f64,
}

impl Field for PolicyOfScore {
    fn inputs(&self) -> usize {
        self.score.inputs()
    }

    fn outputs(&self) -> usize {
        self.noising.noises()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let noised = self.whole - t;
        let mut score = Batch::zeros(x.points(), self.score.outputs());
        self.score.eval(noised, x, score.as_mut());
        self.noising.noise(noised).control(score.as_ref(), out);
    }
}

/// `s = D^-1 G u` on noising time.
struct ScoreOfPolicy {
    policy: Arc<dyn Field + Send>,
    noising: Noising,
    whole: f64,
}

impl Field for ScoreOfPolicy {
    fn inputs(&self) -> usize {
        self.policy.inputs()
    }

    fn outputs(&self) -> usize {
        self.noising.dimension()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        let d = self.noising.dimension();
        let mut control = Batch::zeros(x.points(), self.policy.outputs());
        self.policy.eval(self.whole - t, x, control.as_mut());
        let noise = self.noising.noise(t);
        let mut pushed = Batch::zeros(x.points(), d);
        noise.add_times(1.0, control.as_ref(), pushed.as_mut());
        let inverse = noise.diffusivity(d).try_inverse();
        out.fill(0.0);
        for i in 0..d {
            for j in 0..d {
                // Without full rank the policy does not tell the whole score.
                let entry = inverse.as_ref().map_or(f64::NAN, |inverse| inverse[(i, j)]);
                if entry != 0.0 {
                    for (o, p) in out.column_mut(i).iter_mut().zip(pushed.column(j)) {
                        *o += entry * p;
                    }
                }
            }
        }
    }
}

impl Differentiable for ScoreOfPolicy {
    fn eval_with_divergence(
        &self,
        t: f64,
        x: BatchRef<'_>,
        out: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        self.eval(t, x, out);
        divergence.fill(0.0);
        let points = x.points();
        let mut moved = Batch::zeros(points, x.columns());
        let mut sides = [0, 1].map(|_| Batch::zeros(points, x.columns()));
        for j in 0..x.columns() {
            let steps: Vec<f64> = x
                .column(j)
                .iter()
                .map(|v| STEP * v.abs().max(1.0))
                .collect();
            for (side, sign) in sides.iter_mut().zip([1.0, -1.0]) {
                for i in 0..x.columns() {
                    moved.column_mut(i).copy_from_slice(x.column(i));
                }
                for (m, step) in moved.column_mut(j).iter_mut().zip(&steps) {
                    *m += sign * step;
                }
                self.eval(t, moved.as_ref(), side.as_mut());
            }
            let [right, left] = &sides;
            let slopes = right.column(j).iter().zip(left.column(j)).zip(&steps);
            for (out, ((right, left), step)) in divergence.iter_mut().zip(slopes) {
                *out += (right - left) / (2.0 * step);
            }
        }
    }
}
