//! How far the control at the start is off, by differences of weighted paths.
//!
//! ```text
//! B_j' grad V(x_0) = -lambda |B_j| d/ds log E_v[ w | X_0 = x_0 + s B_j / |B_j| ]
//! ```
//!
//! Paths from both sides of the start see the same noise and walk under the fitted control, whatever that is worth: the
//! difference of the logarithms of their mean weights has the slope of the value in it. Its standard error, the distance
//! from steps twice as long, and the distance of the fitted control from what the slopes say are the error of the control.

use crate::numeric::batch::Batch;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Streams;
use crate::solvers::learned::path_integral::refinement::steered;
use crate::solvers::learned::path_integral::steering::Steering;
use crate::solvers::learned::path_integral::weighing::Weighing;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::walk::steered_walk::SteeredWalk;
use crate::solvers::walk::weights::log_mean;
use nalgebra::DVector;

/// Distance of a side from the start, over the standard deviation of the noise of the horizon.
const ASIDE: f64 = 0.02;
/// Paths walked at once.
const BLOCK: usize = 8192;

/// The control at the start of one answer.
pub(super) struct StartControl<'a> {
    pub lowered: &'a Lowered,
    pub weighing: &'a Weighing,
    pub fitted: &'a Steering,
    pub paths: usize,
    /// Steps of the coarser of two walks.
    pub steps: usize,
    pub streams: Streams,
}

impl StartControl<'_> {
    /// By component; nothing where paths start from a law.
    pub(super) fn error(&self) -> Vec<f64> {
        let Some(point) = self.lowered.start_point() else {
            return Vec::new();
        };
        let process = &self.lowered.compiled.steered;
        let t = process.start();
        let channel = process.channel().at(t, point);
        let slopes: Vec<Estimate> = channel
            .column_iter()
            .map(|column| self.slope(point, &column.into_owned()))
            .collect();
        let at = |of: &dyn Fn(&Estimate) -> f64| {
            DVector::from_iterator(slopes.len(), slopes.iter().map(of))
        };
        let prices = process.inverse_effort().at(t, point);
        let control = -(&prices * at(&|slope| slope.value));
        let error = prices.abs() * at(&|slope| slope.error);
        let mut fitted = Batch::zeros(1, process.controls());
        let here = Batch::from_rows(point.len(), &[point]);
        crate::field::Field::eval(self.fitted, t, here.as_ref(), fitted.as_mut());
        let both = control.iter().zip(&error).zip(fitted.as_slice());
        both.map(|((slope, error), fitted)| (fitted - slope).abs() + error)
            .collect()
    }

    /// The slope of the value along a column of `B`, times its length.
    fn slope(&self, point: &[f64], column: &DVector<f64>) -> Estimate {
        let process = &self.lowered.compiled.steered;
        let length = column.norm();
        if length == 0.0 {
            return Estimate::closed_form(0.0);
        }
        let noise = process.diffusion().at(process.start(), point);
        let duration = process.end() - process.start();
        let aside = ASIDE * (noise.tr_mul(column).norm() / length) * duration.sqrt();
        let [below, above] = [-1.0, 1.0].map(|side| {
            let moved = point.iter().zip(column.iter());
            let from: Vec<f64> = moved.map(|(x, b)| x + side * aside * b / length).collect();
            self.log_weights(&from)
        });
        let scale = self.weighing.temperature() * length / (2.0 * aside);
        let [coarse, fine] = [0, 1].map(|level| difference(&below[level], &above[level]));
        let bias = fine.value - coarse.value;
        Estimate::new(
            scale * fine.value,
            scale * fine.error.hypot(bias),
            fine.kind,
        )
    }

    /// Log weights of paths from a point, on long and on short steps.
    fn log_weights(&self, from: &[f64]) -> [Vec<f64>; 2] {
        let mut found = [Vec::new(), Vec::new()];
        steered(self.lowered, None, Some(self.fitted), |policy| {
            for block in 0..self.paths.div_ceil(BLOCK) {
                let points = BLOCK.min(self.paths - block * BLOCK);
                let start = Batch::from_rows(from.len(), &vec![from; points]);
                let walk = SteeredWalk {
                    lowered: self.lowered,
                    policy,
                    steps: self.steps,
                    finest: 1,
                    stream: &self.streams.role(&format!("start control {block}")),
                };
                for (level, found) in found.iter_mut().enumerate() {
                    let paths = walk.run(start.as_ref(), level as u32);
                    found.extend(self.weighing.log_weights(&start, &paths));
                }
            }
        });
        found
    }
}

/// `log mean w_below - log mean w_above`, paired: of both the same noise.
fn difference(below: &[f64], above: &[f64]) -> Estimate {
    let [low, high] = [below, above].map(|logs| log_mean(logs).value);
    let both = below.iter().zip(above);
    let shares: Vec<f64> = both
        .map(|(a, b)| (a - low).exp() - (b - high).exp())
        .collect();
    let spread = Estimate::from_samples(&shares);
    Estimate::new(low - high, spread.error, spread.kind)
}
