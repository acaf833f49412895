//! Tensor grids over one or two states that follow the mass of a noised law.
//!
//! A grid is a box `[-1, 1]^d` of nodes `xi` and a frame that places it in state space:
//!
//! ```text
//! x = c(t) + Q diag(l(t)) xi
//! ```
//!
//! A *moving* frame serves linear isotropic noising: `c` is the mean of `X_t` and `l` its reach, so the
//! same nodes resolve narrow data and a wide prior. A *fixed* frame serves every other process; its axes
//! may be turned by `Q` so that the diffusivity is diagonal on the grid.

use crate::discretization::schedule::Schedule;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::interpolation::UniformAxis;
use crate::problem::meant::law::Mixture;

/// Standard deviations covered on each side of every component: `2 Q(7) = 2.6e-12` of it is outside.
pub const TAILS: f64 = 7.0;

/// Why there is no grid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StateGridError {
    #[error("state grids cover one or two states, not {0}")]
    Dimension(usize),
    #[error("axis {axis} of the grid has half-width {half_width}; it must be positive and finite")]
    Extent { axis: usize, half_width: f64 },
}

/// The axes of a turned grid: column j is axis j.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotation {
    pub cosine: f64,
    pub sine: f64,
}

impl Rotation {
    pub const NONE: Self = Self {
        cosine: 1.0,
        sine: 0.0,
    };

    /// The direction of grid axis j.
    pub fn direction(self, axis: usize) -> (f64, f64) {
        if axis == 0 {
            (self.cosine, self.sine)
        } else {
            (-self.sine, self.cosine)
        }
    }

    /// `e' M e` for the direction e of grid axis j, where M has these entries.
    pub fn quadratic(self, axis: usize, entry: impl Fn(usize, usize) -> f64) -> f64 {
        let (a, b) = self.direction(axis);
        a * a * entry(0, 0) + 2.0 * a * b * entry(0, 1) + b * b * entry(1, 1)
    }

    /// Component of a state vector along grid axis j.
    #[inline(always)]
    fn along(self, axis: usize, x: f64, y: f64) -> f64 {
        if axis == 0 {
            self.cosine * x + self.sine * y
        } else {
            self.cosine * y - self.sine * x
        }
    }

    /// Component i of the state vector with grid components (a, b).
    #[inline(always)]
    fn back(self, component: usize, a: f64, b: f64) -> f64 {
        if component == 0 {
            self.cosine * a - self.sine * b
        } else {
            self.sine * a + self.cosine * b
        }
    }
}

#[derive(Clone, Debug)]
enum Frame {
    Fixed {
        placement: Placement,
    },
    /// `l_j = α a_j + TAILS sqrt(α² v_j + σ²)`, with α, σ of the transition from `start`.
    Moving {
        schedule: Box<Schedule>,
        start: f64,
        /// What the drift pulls towards.
        rest: Vec<f64>,
        /// Mean of the data.
        mean: Vec<f64>,
        reach: Vec<f64>,
        variance: Vec<f64>,
    },
}

/// Where the grid is at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    pub centre: Vec<f64>,
    pub half_width: Vec<f64>,
    pub rotation: Rotation,
}

/// Nodes `xi` on `[-1, 1]^d` and their frame.
#[derive(Clone, Debug)]
pub struct StateGrid {
    frame: Frame,
    axes: Vec<UniformAxis>,
}

impl StateGrid {
    /// Every axis has a multiple of this many steps, so that three coarser grids nest in it.
    pub const STEP_MULTIPLE: usize = 8;

    /// A frame that follows linear isotropic noising of `data` from `start` around `rest`.
    pub fn moving(
        points: &[usize],
        schedule: &Schedule,
        rest: &[f64],
        start: f64,
        data: &Mixture,
    ) -> Result<Self, StateGridError> {
        let d = data.dimension();
        let mean = data.mean();
        let largest = |value: &dyn Fn(usize) -> f64| {
            (0..data.components()).map(value).fold(0.0_f64, f64::max)
        };
        let reach = (0..d)
            .map(|j| largest(&|k| (data.means[k][j] - mean[j]).abs()))
            .collect();
        let variance = (0..d)
            .map(|j| largest(&|k| data.covariances[k].entry(j, j)))
            .collect();
        let frame = Frame::Moving {
            schedule: Box::new(schedule.clone()),
            start,
            rest: rest.to_vec(),
            mean,
            reach,
            variance,
        };
        Self::with_frame(frame, points, d)
    }

    /// A frame at rest that covers every one of `laws`.
    pub fn covering(
        points: &[usize],
        laws: &[Mixture],
        rotation: Rotation,
    ) -> Result<Self, StateGridError> {
        let d = laws[0].dimension();
        let mut low = vec![f64::INFINITY; d];
        let mut high = vec![f64::NEG_INFINITY; d];
        for law in laws {
            for k in 0..law.components() {
                for j in 0..d {
                    let (mean, deviation) = along_axis(law, k, j, rotation);
                    low[j] = low[j].min(mean - TAILS * deviation);
                    high[j] = high[j].max(mean + TAILS * deviation);
                }
            }
        }
        Self::fixed(points, &low, &high, rotation)
    }

    /// A frame at rest that covers the box `domain` of state space.
    pub fn over_domain(
        points: &[usize],
        domain: &[(f64, f64)],
        rotation: Rotation,
    ) -> Result<Self, StateGridError> {
        let d = domain.len();
        let corner = |bits: usize, j: usize| {
            if bits >> j & 1 == 0 {
                domain[j].0
            } else {
                domain[j].1
            }
        };
        let (mut low, mut high) = (vec![f64::INFINITY; d], vec![f64::NEG_INFINITY; d]);
        for bits in 0..1 << d {
            for j in 0..d {
                let y = if d == 2 { corner(bits, 1) } else { 0.0 };
                let along = rotation.along(j, corner(bits, 0), y);
                low[j] = low[j].min(along);
                high[j] = high[j].max(along);
            }
        }
        Self::fixed(points, &low, &high, rotation)
    }

    /// Bounds are along the turned axes.
    fn fixed(
        points: &[usize],
        low: &[f64],
        high: &[f64],
        rotation: Rotation,
    ) -> Result<Self, StateGridError> {
        let d = low.len();
        let middle: Vec<f64> = (0..d).map(|j| 0.5 * (low[j] + high[j])).collect();
        let other = if d == 2 { middle[1] } else { 0.0 };
        let placement = Placement {
            centre: (0..d).map(|i| rotation.back(i, middle[0], other)).collect(),
            half_width: (0..d).map(|j| 0.5 * (high[j] - low[j])).collect(),
            rotation,
        };
        Self::with_frame(Frame::Fixed { placement }, points, d)
    }

    fn with_frame(frame: Frame, points: &[usize], d: usize) -> Result<Self, StateGridError> {
        if !(1..=2).contains(&d) {
            return Err(StateGridError::Dimension(d));
        }
        let axes = (0..d)
            .map(|j| {
                let asked = points.get(j).or(points.last()).copied().unwrap_or(0);
                UniformAxis::between(
                    -1.0,
                    1.0,
                    Self::STEP_MULTIPLE
                        * asked.saturating_sub(1).div_ceil(Self::STEP_MULTIPLE).max(4)
                        + 1,
                )
            })
            .collect();
        let grid = Self { frame, axes };
        let start = match &grid.frame {
            Frame::Moving { start, .. } => *start,
            Frame::Fixed { .. } => 0.0,
        };
        for (axis, half_width) in grid.at(start).half_width.iter().enumerate() {
            // A moving frame may start at a point; it opens at once.
            let opens = matches!(grid.frame, Frame::Moving { .. });
            let usable = *half_width > 0.0 || (opens && *half_width == 0.0);
            if !(usable && half_width.is_finite()) {
                return Err(StateGridError::Extent {
                    axis,
                    half_width: *half_width,
                });
            }
        }
        Ok(grid)
    }

    /// Every `factor`-th node of every axis.
    pub fn coarsened(&self, factor: usize) -> Self {
        Self {
            frame: self.frame.clone(),
            axes: self
                .axes
                .iter()
                .map(|axis| UniformAxis::between(-1.0, 1.0, (axis.count - 1) / factor + 1))
                .collect(),
        }
    }

    /// Axes of the nodes `xi`; counts are one more than a multiple of [`Self::STEP_MULTIPLE`].
    pub fn axes(&self) -> &[UniformAxis] {
        &self.axes
    }

    pub fn dimension(&self) -> usize {
        self.axes.len()
    }

    pub fn nodes(&self) -> usize {
        self.axes.iter().map(|axis| axis.count).product()
    }

    /// Whether the frame moves.
    pub fn moves(&self) -> bool {
        matches!(self.frame, Frame::Moving { .. })
    }

    pub fn at(&self, t: f64) -> Placement {
        match &self.frame {
            Frame::Fixed { placement } => placement.clone(),
            Frame::Moving {
                schedule,
                start,
                rest,
                mean,
                reach,
                variance,
            } => {
                let factor = schedule.mean_factor(*start, t);
                let noise = schedule.noise_variance(*start, t);
                Placement {
                    centre: (0..rest.len())
                        .map(|j| rest[j] + factor * (mean[j] - rest[j]))
                        .collect(),
                    half_width: (0..rest.len())
                        .map(|j| {
                            let spread = (factor * factor * variance[j] + noise).sqrt();
                            factor * reach[j] + TAILS * spread
                        })
                        .collect(),
                    rotation: Rotation::NONE,
                }
            }
        }
    }

    /// All nodes in state space, first axis slowest.
    pub fn states(&self, t: f64) -> Batch {
        let d = self.dimension();
        let inner = self.axes.get(1).map_or(1, |axis| axis.count);
        let mut xi = Batch::zeros(self.nodes(), d);
        for (j, axis) in self.axes.iter().enumerate() {
            for (n, value) in xi.column_mut(j).iter_mut().enumerate() {
                *value = axis.node(if j == 0 { n / inner } else { n % inner });
            }
        }
        let mut x = Batch::zeros(self.nodes(), d);
        self.at(t).to_state(xi.as_ref(), x.as_mut());
        x
    }

    /// An upper bound of the mass of `law` beyond the grid at time t, by `Q(z) <= exp(-z²/2)/2`.
    pub fn outside(&self, t: f64, law: &Mixture) -> f64 {
        let placement = self.at(t);
        let mut total = 0.0;
        for k in 0..law.components() {
            for j in 0..self.dimension() {
                let (mean, deviation) = along_axis(law, k, j, placement.rotation);
                let centre = placement.along_axis(j, &placement.centre);
                for side in [-1.0, 1.0] {
                    let z = (placement.half_width[j] + side * (mean - centre)) / deviation;
                    total += law.weights[k]
                        * if z > 0.0 {
                            0.5 * (-0.5 * z * z).exp()
                        } else {
                            1.0
                        };
                }
            }
        }
        total
    }
}

/// Mean and standard deviation of component k along grid axis j.
fn along_axis(law: &Mixture, k: usize, j: usize, rotation: Rotation) -> (f64, f64) {
    let (mean, covariance) = (&law.means[k], &law.covariances[k]);
    if mean.len() == 1 {
        return (mean[0], covariance.entry(0, 0).sqrt());
    }
    let (a, b) = rotation.direction(j);
    let variance = rotation.quadratic(j, |i, k| covariance.entry(i, k));
    (a * mean[0] + b * mean[1], variance.max(0.0).sqrt())
}

impl Placement {
    /// Component of a state vector along grid axis j, in state units.
    pub fn along_axis(&self, j: usize, x: &[f64]) -> f64 {
        if x.len() == 1 {
            x[0]
        } else {
            self.rotation.along(j, x[0], x[1])
        }
    }

    /// `log |dx/dxi|`.
    pub fn log_volume(&self) -> f64 {
        self.half_width.iter().map(|l| l.ln()).sum()
    }

    /// `x = c + Q l xi`.
    pub fn to_state(&self, xi: BatchRef<'_>, mut x: BatchMut<'_>) {
        if xi.columns() == 1 {
            for (x, xi) in x.column_mut(0).iter_mut().zip(xi.column(0)) {
                *x = self.centre[0] + self.half_width[0] * xi;
            }
            return;
        }
        for component in 0..2 {
            let column = x.column_mut(component);
            for ((x, a), b) in column.iter_mut().zip(xi.column(0)).zip(xi.column(1)) {
                let (a, b) = (self.half_width[0] * a, self.half_width[1] * b);
                *x = self.centre[component] + self.rotation.back(component, a, b);
            }
        }
    }

    /// `xi = l⁻¹ Qᵀ (x - c)`.
    pub fn to_grid(&self, x: BatchRef<'_>, mut xi: BatchMut<'_>) {
        if x.columns() == 1 {
            for (xi, x) in xi.column_mut(0).iter_mut().zip(x.column(0)) {
                *xi = (x - self.centre[0]) / self.half_width[0];
            }
            return;
        }
        for axis in 0..2 {
            let column = xi.column_mut(axis);
            for ((xi, x), y) in column.iter_mut().zip(x.column(0)).zip(x.column(1)) {
                let along = self
                    .rotation
                    .along(axis, x - self.centre[0], y - self.centre[1]);
                *xi = along / self.half_width[axis];
            }
        }
    }

    /// Turns gradients with respect to `xi` into gradients with respect to x, times `factor`.
    pub fn gradient_to_state(&self, factor: f64, gradient: BatchRef<'_>, mut out: BatchMut<'_>) {
        if gradient.columns() == 1 {
            for (o, g) in out.column_mut(0).iter_mut().zip(gradient.column(0)) {
                *o = factor * g / self.half_width[0];
            }
            return;
        }
        for component in 0..2 {
            let column = out.column_mut(component);
            for ((o, a), b) in column
                .iter_mut()
                .zip(gradient.column(0))
                .zip(gradient.column(1))
            {
                let (a, b) = (a / self.half_width[0], b / self.half_width[1]);
                *o = factor * self.rotation.back(component, a, b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::meant::law::Covariance;

    fn two_bumps() -> Mixture {
        Mixture {
            weights: vec![0.25, 0.75],
            means: vec![vec![-2.0, 0.5], vec![1.0, 0.0]],
            covariances: vec![
                Covariance::Isotropic(0.04),
                Covariance::Diagonal(vec![0.09, 0.01]),
            ],
        }
    }

    #[test]
    fn a_moving_frame_keeps_the_mass_of_every_time_inside() {
        let data = two_bumps();
        for schedule in [
            Schedule::OrnsteinUhlenbeck {
                rate: 1.0,
                sigma: 1.0,
            },
            Schedule::VarianceExploding {
                minimum: 0.01,
                maximum: 50.0,
                end: 1.0,
            },
        ] {
            let grid =
                StateGrid::moving(&[64, 64], &schedule, &[0.3, 0.0], 0.0, &data).expect("grid");
            for t in [0.0, 1e-3, 0.2, 1.0] {
                let (factor, noise) = (
                    schedule.mean_factor(0.0, t),
                    schedule.noise_variance(0.0, t),
                );
                let law = Mixture {
                    weights: data.weights.clone(),
                    means: data
                        .means
                        .iter()
                        .map(|m| vec![0.3 + factor * (m[0] - 0.3), factor * m[1]])
                        .collect(),
                    covariances: data
                        .covariances
                        .iter()
                        .map(|c| {
                            Covariance::Diagonal(
                                (0..2)
                                    .map(|j| factor * factor * c.entry(j, j) + noise)
                                    .collect(),
                            )
                        })
                        .collect(),
                };
                // Four sides, each at least seven standard deviations away.
                let bound = 4.0 * 0.5 * (-0.5 * TAILS * TAILS).exp();
                assert!(grid.outside(t, &law) <= bound * (1.0 + 1e-9));
            }
        }
    }

    #[test]
    fn a_turned_grid_maps_back_and_forth() {
        let rotation = Rotation {
            cosine: 0.8,
            sine: 0.6,
        };
        let grid = StateGrid::covering(&[10, 13], &[two_bumps()], rotation).expect("grid");
        assert_eq!(grid.axes()[0].count % 8, 1);
        let placement = grid.at(0.0);
        let xi = Batch::from_rows(2, &[[1.0, 0.0], [0.3, -0.7]]);
        let (mut x, mut back) = (Batch::zeros(2, 2), Batch::zeros(2, 2));
        placement.to_state(xi.as_ref(), x.as_mut());
        placement.to_grid(x.as_ref(), back.as_mut());
        for (a, b) in back.as_slice().iter().zip(xi.as_slice()) {
            assert!((a - b).abs() < 1e-14);
        }
        // Axis 0 points along (0.8, 0.6).
        let step = [
            x.get(0, 0) - placement.centre[0],
            x.get(0, 1) - placement.centre[1],
        ];
        assert!((step[1] / step[0] - 0.75).abs() < 1e-12);
        assert!(grid.outside(0.0, &two_bumps()) < 1e-10);
    }

    #[test]
    fn a_domain_is_covered_and_a_flat_one_refused() {
        let grid = StateGrid::over_domain(&[33], &[(-1.0, 3.0)], Rotation::NONE).expect("grid");
        assert_eq!(grid.states(0.0).column(0)[0], -1.0);
        assert_eq!(grid.states(0.0).column(0)[grid.nodes() - 1], 3.0);
        assert!(StateGrid::over_domain(&[33], &[(1.0, 1.0)], Rotation::NONE).is_err());
        let three = [(0.0, 1.0); 3];
        assert_eq!(
            StateGrid::over_domain(&[8], &three[..2], Rotation::NONE)
                .map(|g| g.dimension())
                .ok(),
            Some(2)
        );
    }
}
