//! Maxima of the target with their widths: where its mass may be, however far from the start and however narrow.
//!
//! ```text
//! m = argmax log rho from many starts,   H = -grad grad log rho over a standard deviation around m
//! log mass = log rho(m) + 1/2 log det(2 pi H^-1)
//! ```
//!
//! # Assumes
//! Nothing is proved: a maximum whose slopes no start feels is missing, and a mass that is not at a maximum (a ring,
//! a funnel) has no true width. Whoever uses the modes measures what they are worth.
//!
//! # Source
//! Laplace's method; Nocedal & Wright, *Numerical Optimization* (2006), ch. 7 for the ascent.

use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::map_blocks;
use crate::numeric::random::Streams;
use crate::problem::meant::law::{Covariance, Mixture};
use crate::solvers::driver::Work;
use crate::solvers::lowered::target::Target;
use crate::solvers::sampling::tempered::Reference;
use nalgebra::{DMatrix, DVector};
use std::f64::consts::TAU;

/// Starts at each distance, and these distances in standard deviations of the start law.
const STARTS: usize = 32;
const DISTANCES: [f64; 3] = [0.25, 1.0, 8.0];
/// Most steps of an ascent, and the gain in nats at which it ends.
const STEPS: usize = 200;
const LEVEL: f64 = 1e-9;
/// Most doublings or halvings of a step: from any length in doubles to any other.
const LENGTHS: usize = 1100;
/// Part of the gain that the slope promises which a step must make, and part of the slope left at which it is lengthened.
const GAIN: f64 = 1e-4;
const STEEP: f64 = 0.9;
/// Most modes that are kept, by their mass.
const MOST: usize = 32;
/// Fall of `log rho` that is taken as one standard deviation.
const FALL: f64 = 0.5;
/// Smallest curvature along an axis of the mode, in units of what single coordinates have: below, it is no maximum there.
const FLATTEST: f64 = 1e-3;
/// Mahalanobis distance within which two maxima are one.
const ONE: f64 = 2.0;
/// Weight that all modes share evenly in a mixture of them, whatever their mass.
const EVEN: f64 = 0.5;

/// One maximum.
#[derive(Clone, Debug)]
pub struct Mode {
    pub mean: Vec<f64>,
    pub covariance: DMatrix<f64>,
    pub log_mass: f64,
    /// Ascents that ended here.
    found: usize,
}

/// The modes that were found, the heaviest first.
#[derive(Clone, Debug, Default)]
pub struct Modes(pub Vec<Mode>);

/// `log rho` and its gradient at one point.
fn at(target: &Target, x: &[f64]) -> (f64, Vec<f64>) {
    let mut log_density = [0.0];
    let mut gradient = Batch::zeros(1, x.len());
    let point = Batch::from_rows(x.len(), &[x]);
    target.eval(point.as_ref(), &mut log_density, gradient.as_mut());
    (log_density[0], gradient.row(0))
}

impl Modes {
    /// Climbs from draws of the start law at several distances.
    pub fn find(target: &Target, start: &Reference, streams: &Streams, work: &mut Work) -> Self {
        let starts = starts(target, start, streams);
        let climbs = map_blocks(starts.len(), 1, |range| climb(target, &starts[range.start]));
        let mut modes = Self::default();
        for (top, evaluations) in climbs {
            work.gradients += evaluations;
            if let Some(top) = top {
                modes.add(target, top);
            }
        }
        modes.0.sort_by(|a, b| b.log_mass.total_cmp(&a.log_mass));
        modes.0.truncate(MOST);
        modes
    }

    fn add(&mut self, target: &Target, top: Vec<f64>) {
        let known = self.0.iter_mut().find(|mode| mode.distance(&top) < ONE);
        match known {
            Some(mode) => mode.found += 1,
            None => self.0.extend(Mode::at(target, top)),
        }
    }

    /// Whether the ascents came to each mode more than once: the chance that the next one finds a new mode is about
    /// the share of those that only one ascent found (Good, *Biometrika* 40 (1953)).
    pub fn are_all(&self) -> bool {
        !self.0.is_empty() && self.0.len() < MOST && self.0.iter().all(|mode| mode.found > 1)
    }

    /// Gaussians at the modes, `widening` times as wide.
    pub fn mixture(&self, widening: f64) -> Option<Mixture> {
        let heaviest = self.0.first()?.log_mass;
        let masses: Vec<f64> = self
            .0
            .iter()
            .map(|m| (m.log_mass - heaviest).exp())
            .collect();
        let total: f64 = masses.iter().sum();
        let even = EVEN / masses.len() as f64;
        let weights = masses.iter().map(|m| even + (1.0 - EVEN) * m / total);
        let wide = |mode: &Mode| Covariance::full(&(&mode.covariance * (widening * widening)));
        Some(Mixture {
            weights: weights.collect(),
            means: self.0.iter().map(|mode| mode.mean.clone()).collect(),
            covariances: self.0.iter().map(wide).collect(),
        })
    }
}

/// Draws of the start law at several distances; for a mixture also its means.
fn starts(target: &Target, start: &Reference, streams: &Streams) -> Vec<Vec<f64>> {
    let drawn = start.draw(&streams.role("climbs"), 0, STARTS * DISTANCES.len());
    let centre = start.mixture.mean();
    let moved = |i: usize| {
        let distance = DISTANCES[i / STARTS];
        let pairs = drawn.row(i).into_iter().zip(&centre);
        pairs.map(|(x, m)| m + distance * (x - m)).collect()
    };
    let mut starts: Vec<Vec<f64>> = (0..drawn.points()).map(moved).collect();
    if let Target::Mixture(peaks) = target {
        // Twice, like a maximum that was found again.
        let means = peaks.means().take(MOST);
        starts.extend(means.flat_map(|mean| [mean.to_vec(), mean.to_vec()]));
    }
    starts
}

/// The maximum reached from a point by quasi-Newton steps (BFGS), with the evaluations; `None` where the density is zero
/// or infinite.
fn climb(target: &Target, from: &[f64]) -> (Option<Vec<f64>>, u64) {
    let d = from.len();
    let mut x = DVector::from_column_slice(from);
    let mut count = 0;
    let mut look = |x: &DVector<f64>| {
        count += 1;
        let (value, slope) = at(target, x.as_slice());
        (value, DVector::from_vec(slope))
    };
    let (mut value, mut slope) = look(&x);
    let mut inverse: Option<DMatrix<f64>> = None;
    for _ in 0..STEPS {
        if !(value.is_finite() && slope.iter().all(|g| g.is_finite())) {
            return (None, count);
        }
        let newton = inverse.as_ref().map(|inverse| inverse * &slope);
        let uphill = newton.filter(|step| step.dot(&slope) > 0.0);
        let fresh = uphill.is_none();
        let step = uphill.unwrap_or_else(|| slope.normalize());
        let Some((length, next, rise)) = lengthened(&mut look, &x, value, &slope, &step) else {
            match fresh {
                true => break,
                false => inverse = None,
            }
            continue;
        };
        let (s, y) = (&step * length, &slope - &rise);
        let gain = next - value;
        x += &s;
        (value, slope) = (next, rise);
        let curvature = s.dot(&y);
        if curvature > 0.0 {
            let known = inverse.take();
            let before = known.unwrap_or_else(|| DMatrix::identity(d, d) * (curvature / y.dot(&y)));
            let left = DMatrix::identity(d, d) - &s * y.transpose() / curvature;
            inverse = Some(&left * before * left.transpose() + &s * s.transpose() / curvature);
        }
        if !fresh && gain < LEVEL {
            break;
        }
    }
    (value.is_finite().then(|| x.as_slice().to_vec()), count)
}

/// A step up of a length that gains what the slope promises and leaves less of it: the length, the value and the slope
/// there.
fn lengthened(
    look: &mut impl FnMut(&DVector<f64>) -> (f64, DVector<f64>),
    x: &DVector<f64>,
    value: f64,
    slope: &DVector<f64>,
    step: &DVector<f64>,
) -> Option<(f64, f64, DVector<f64>)> {
    let promise = step.dot(slope);
    let mut best: Option<(f64, f64, DVector<f64>)> = None;
    let mut length = 1.0;
    for _ in 0..LENGTHS {
        let (next, rise) = look(&(x + step * length));
        let gains = next - value > GAIN * length * promise && next.is_finite();
        match (gains, &best) {
            (true, known) if known.as_ref().is_none_or(|known| next > known.1) => {
                let steep = step.dot(&rise) > STEEP * promise;
                let halved = length < 1.0;
                best = Some((length, next, rise));
                if halved || !steep {
                    break;
                }
                length *= 2.0;
            }
            (false, None) => length *= 0.5,
            _ => break,
        }
    }
    best
}

impl Mode {
    /// The widths around a maximum; `None` where there are none.
    fn at(target: &Target, mean: Vec<f64>) -> Option<Self> {
        let d = mean.len();
        let top = at(target, &mean).0;
        let widths: Option<Vec<f64>> = (0..d).map(|j| width(target, &mean, top, j)).collect();
        let widths = widths?;
        // Curvatures in units of the widths, from slopes on both sides.
        let mut curvature = DMatrix::zeros(d, d);
        for j in 0..d {
            let slope = |side: f64| {
                let mut x = mean.clone();
                x[j] += side * widths[j];
                at(target, &x).1
            };
            let (above, below) = (slope(1.0), slope(-1.0));
            for i in 0..d {
                let rise = 0.5 * (below[i] - above[i]) * widths[i];
                if !rise.is_finite() {
                    return None;
                }
                curvature[(i, j)] += 0.5 * rise;
                curvature[(j, i)] += 0.5 * rise;
            }
        }
        let mut eigen = curvature.symmetric_eigen();
        eigen
            .eigenvalues
            .apply(|value: &mut f64| *value = value.max(FLATTEST));
        let log_det: f64 = eigen
            .eigenvalues
            .iter()
            .map(|value: &f64| (TAU / value).ln())
            .sum();
        eigen
            .eigenvalues
            .apply(|value: &mut f64| *value = value.recip());
        let scale = DMatrix::from_diagonal(&DVector::from_column_slice(&widths));
        let volume: f64 = widths.iter().map(|w| w.ln()).sum();
        Some(Self {
            covariance: &scale * eigen.recompose() * &scale,
            log_mass: top + 0.5 * log_det + volume,
            mean,
            found: 1,
        })
    }

    /// Mahalanobis distance of a point.
    fn distance(&self, x: &[f64]) -> f64 {
        let offset = DVector::from_iterator(x.len(), x.iter().zip(&self.mean).map(|(x, m)| x - m));
        match self.covariance.clone().cholesky() {
            Some(factor) => offset.dot(&factor.solve(&offset)).sqrt(),
            None => f64::INFINITY,
        }
    }

    /// Points within the distance that nearly all of a Gaussian of these widths keeps, as ones.
    pub fn near(&self, x: BatchRef<'_>) -> Vec<f64> {
        let d = x.columns() as f64;
        let reach = (d + 4.0 * (2.0 * d).sqrt()).sqrt();
        let inside = |i: usize| self.distance(&x.row(i)) < reach;
        (0..x.points()).map(|i| f64::from(inside(i))).collect()
    }
}

/// Distance along one axis at which `log rho` has fallen by [`FALL`], the mean of both sides; `None` where it does not
/// fall at any distance in doubles.
fn width(target: &Target, mean: &[f64], top: f64, axis: usize) -> Option<f64> {
    let fallen = |distance: f64| {
        let side = |sign: f64| {
            let mut x = mean.to_vec();
            x[axis] += sign * distance;
            at(target, &x).0
        };
        0.5 * (side(1.0).max(f64::MIN) + side(-1.0).max(f64::MIN)) < top - FALL
    };
    let (mut inside, mut outside) = (f64::MIN_POSITIVE.sqrt(), 1e100);
    if !fallen(outside) {
        return None;
    }
    while outside / inside > 1.01 {
        let middle = (inside * outside).sqrt();
        match fallen(middle) {
            true => outside = middle,
            false => inside = middle,
        }
    }
    Some(outside.max(f64::EPSILON * mean[axis].abs()))
}
