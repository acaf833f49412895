//! The expectation over a noise that moves points along one axis of a grid, in the log domain.
//!
//! ```text
//! Z(x) = -lambda log E exp(-W(x + g z e) / lambda),      z ~ N(0, 1), e along the axis
//! ```
//!
//! A Gauss–Hermite sum whose nodes are moved to the peak of the integrand and scaled to its width, as a parabola through
//! `x` and `x ± g e` shows them: exact where W is quadratic along the axis, whatever `lambda` is. Between nodes of the
//! grid W is the spline of the line. Where the peak is more than a jump away the parabola is taken again there, until it
//! stays: a steep W has no parabola that long.
//!
//! Where W has just been smoothed from a jump, [`AxisNoise::spread`] sums over the nodes of the grid instead.
//!
//! # Cost
//! `2 + rule` evaluations of a cubic and `rule` exponentials a node.
//!
//! # Source
//! Liu, Pierce, *Biometrika* 81 (1994): adaptive Gauss–Hermite quadrature.

use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::dispatch::{Kernel, dispatch};
use crate::numeric::elementary::{exp_of_negative, log};
use crate::numeric::interpolation::{UniformAxis, coefficients_along};
use crate::numeric::line_spline::LineSpline;
use crate::numeric::quadrature::Rule;

/// Least curvature along the noise, over lambda / g², for which the nodes are narrowed or widened as it says.
pub const LEAST_CURVATURE: f64 = -0.5;
/// Distance of a peak, in jumps, up to which the first parabola is believed.
const NEAR: f64 = 1.5;
/// Most parabolas, and the move below which the peak stays, over its width.
const PARABOLAS: usize = 40;
const STILL: f64 = 0.3;
/// Jumps beyond which a normal density counts for nothing.
const FAR: f64 = 8.0;
/// Lines of one block.
const SIDE_BY_SIDE: usize = 16;

/// One noise along one axis.
#[derive(Clone, Debug)]
pub struct AxisNoise<'a> {
    pub axes: &'a [UniformAxis],
    pub axis: usize,
    /// `g`, in units of the state.
    pub jump: f64,
    /// `lambda`
    pub temperature: f64,
    /// W is nowhere taken to be less than this: a parabola beyond the ends may fall for ever.
    pub floor: f64,
    /// Nodes and weights for a standard normal.
    pub rule: &'a Rule,
}

impl AxisNoise<'_> {
    /// Replaces W by Z at all nodes, the first axis slowest.
    pub fn apply(&self, values: &mut [f64]) {
        let count = self.axes[self.axis].count;
        let inner: usize = self.axes[self.axis + 1..].iter().map(|a| a.count).product();
        let rows = coefficients_along(values, count, inner);
        let place = |line: usize, i: usize| (line / inner * count + i) * inner + line % inner;
        let row = |line: usize| &rows[line * (count + 2)..][..count + 2];
        let shared: &[f64] = values;
        let least = shared.iter().copied().fold(f64::INFINITY, f64::min);
        let own =
            |line: usize| -> Vec<f64> { (0..count).map(|i| shared[place(line, i)]).collect() };
        let lines = values.len() / count;
        let found: Vec<f64> = if lines < SIDE_BY_SIDE {
            // Too few lines to share out: their points are.
            let of_line = |line: usize| {
                let (mut spline, own) = (LineSpline::default(), own(line));
                spline.set(row(line));
                map_blocks(count, block(), |range| {
                    let mut scratch = Scratch::new(range.len());
                    let first = range.start;
                    self.along(&spline, first, (&own[range], least), &mut scratch);
                    scratch.out
                })
                .concat()
            };
            (0..lines).flat_map(of_line).collect()
        } else {
            map_blocks(lines, SIDE_BY_SIDE, |range| {
                let (mut spline, mut scratch) = (LineSpline::default(), Scratch::new(count));
                let mut out = Vec::with_capacity(range.len() * count);
                for line in range {
                    spline.set(row(line));
                    self.along(&spline, 0, (&own(line), least), &mut scratch);
                    out.extend_from_slice(&scratch.out);
                }
                out
            })
            .concat()
        };
        for (line, z) in found.chunks(count).enumerate() {
            for (i, z) in z.iter().enumerate() {
                values[place(line, i)] = *z;
            }
        }
    }

    /// Nodes `first..` of a line, whose values are `centre`.
    fn along(
        &self,
        spline: &LineSpline,
        first: usize,
        (centre, least): (&[f64], f64),
        scratch: &mut Scratch,
    ) {
        dispatch(Along {
            spline,
            first: first as f64,
            centre,
            cells: self.jump / self.axes[self.axis].step,
            temperature: self.temperature,
            floor: self.floor,
            rule: self.rule,
            least,
            scratch,
        });
    }

    /// Whether sums over nodes of the grid resolve the noise.
    pub fn is_resolved(&self) -> bool {
        self.jump.abs() >= self.axes[self.axis].step
    }

    /// Replaces W by Z as a sum over nodes, of spectral accuracy where the noise is resolved, also where W is steep or bends
    /// within a jump. Beyond the ends W goes on as a parabola.
    pub fn spread(&self, values: &mut [f64]) {
        let count = self.axes[self.axis].count;
        let inner: usize = self.axes[self.axis + 1..].iter().map(|a| a.count).product();
        let place = |line: usize, i: usize| (line / inner * count + i) * inner + line % inner;
        let shared: &[f64] = values;
        let found = map_blocks(values.len() / count, 1, |range| {
            let lines = range.map(|line| {
                let own: Vec<f64> = (0..count).map(|i| shared[place(line, i)]).collect();
                self.spread_line(&own)
            });
            lines.collect::<Vec<_>>()
        });
        for (line, z) in found.iter().flatten().enumerate() {
            for (i, z) in z.iter().enumerate() {
                values[place(line, i)] = *z;
            }
        }
    }

    fn spread_line(&self, own: &[f64]) -> Vec<f64> {
        let cells = (self.jump / self.axes[self.axis].step).abs();
        let colder = self.temperature.recip();
        let steepest = own
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs() * colder)
            .fold(0.0, f64::max);
        let beyond = (FAR * cells).ceil() as usize;
        let reach = FAR * cells + (cells * cells * steepest).min(own.len() as f64);
        let reach = (reach.ceil() as usize).min(own.len() + beyond);
        let n = own.len();
        // Through nodes as far apart as it goes on: a jump near the end is not stretched.
        let apart = beyond.min((n - 1) / 2);
        let parabola = |[a, b, c]: [f64; 3], k: usize| {
            let s = -(k as f64) / apart as f64;
            a + s * (0.5 * (4.0 * b - 3.0 * a - c) + 0.5 * s * (a - 2.0 * b + c))
        };
        let first = [0, apart, 2 * apart].map(|i| own[i]);
        let last = [0, apart, 2 * apart].map(|i| own[n - 1 - i]);
        let below = (1..=beyond).rev().map(|k| parabola(first, k));
        let above = (1..=beyond).map(|k| parabola(last, k));
        let exponents: Vec<f64> = below
            .chain(own.iter().copied())
            .chain(above)
            .map(|w| -w.max(self.floor) * colder)
            .collect();
        let weights: Vec<f64> = (0..=reach)
            .map(|k| -0.5 * (k as f64 / cells).powi(2))
            .collect();
        let terms = (-(reach as i64)..=reach as i64).map(|k| weights[k.unsigned_abs() as usize]);
        let norm: f64 = terms.map(f64::exp).sum();
        (0..n)
            .map(|i| {
                let middle = i + beyond;
                let range = middle.saturating_sub(reach)..(middle + reach + 1).min(exponents.len());
                let exponent = |j: usize| exponents[j] + weights[j.abs_diff(middle)];
                let top = range
                    .clone()
                    .map(exponent)
                    .fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = range.map(|j| (exponent(j) - top).exp()).sum();
                -self.temperature * (top + (sum / norm).ln())
            })
            .collect()
    }
}

/// Peak and width of `exp(-F)` for `F(z) = W/lambda + z^2/2`, by Newton's steps from where a first parabola puts them; never
/// further than `most` from zero, beyond which `F` is above what it is there.
pub(crate) fn peak(
    mut exponent: impl FnMut(f64) -> f64,
    first: (f64, f64),
    most: f64,
) -> (f64, f64) {
    let (mut z, mut width) = (first.0.clamp(-most, most), first.1);
    let mut best = (exponent(0.0), 0.0, first.1);
    for _ in 0..PARABOLAS {
        let [below, here, above] = [z - width, z, z + width].map(&mut exponent);
        let slope = 0.5 * (above - below) / width;
        let curvature = (above - 2.0 * here + below) / (width * width);
        let bent = curvature.max(1.0 + LEAST_CURVATURE);
        let next = (z - slope / bent).clamp(-most, most);
        if !next.is_finite() {
            break;
        }
        let moved = (next - z).abs();
        width = bent.sqrt().recip();
        if here < best.0 {
            best = (here, z, width);
        }
        z = next;
        if moved <= STILL * width {
            return (z, width);
        }
    }
    (best.1, best.2)
}

/// Tables of one line, or of a part of one.
struct Scratch {
    peak: Vec<f64>,
    width: Vec<f64>,
    /// Exponents of the terms, one row a node of the rule.
    exponents: Vec<f64>,
    top: Vec<f64>,
    out: Vec<f64>,
}

impl Scratch {
    fn new(points: usize) -> Self {
        Self {
            peak: vec![0.0; points],
            width: vec![0.0; points],
            exponents: Vec::new(),
            top: vec![0.0; points],
            out: vec![0.0; points],
        }
    }
}

struct Along<'a> {
    spline: &'a LineSpline,
    first: f64,
    centre: &'a [f64],
    /// The jump in cells.
    cells: f64,
    temperature: f64,
    floor: f64,
    rule: &'a Rule,
    /// Least value of the whole grid.
    least: f64,
    scratch: &'a mut Scratch,
}

impl Kernel for Along<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self {
            spline,
            first,
            centre,
            cells,
            temperature,
            floor,
            rule,
            least,
            scratch,
        } = self;
        let w = |place: f64| spline.at::<FMA>(place).max(floor);
        let n = centre.len();
        let colder = temperature.recip();
        let (peak, width) = (&mut scratch.peak[..n], &mut scratch.width[..n]);
        // Peak and width of exp(-W/lambda - z^2/2).
        for i in 0..n {
            let here = first + i as f64;
            let above = w(here + cells);
            let below = w(here - cells);
            let slope = 0.5 * (above - below) * colder;
            let curvature = (above - 2.0 * centre[i] + below) * colder;
            let bent = 1.0 + curvature.max(LEAST_CURVATURE);
            peak[i] = -slope / bent;
            width[i] = bent.sqrt().recip();
        }
        for i in 0..n {
            if peak[i].abs() <= NEAR {
                continue;
            }
            let here = first + i as f64;
            let exponent = |z: f64| w(here + cells * z) * colder + 0.5 * z * z;
            let most = NEAR + (2.0 * (centre[i] - least).max(0.0) * colder).sqrt();
            (peak[i], width[i]) = self::peak(exponent, (peak[i], width[i]), most);
        }
        scratch.exponents.resize(rule.nodes.len() * n, 0.0);
        let top = &mut scratch.top[..n];
        top.fill(f64::NEG_INFINITY);
        let rows = scratch.exponents.chunks_exact_mut(n);
        for ((z, weight), row) in rule.nodes.iter().zip(&rule.weights).zip(rows) {
            let height = weight.ln() + 0.5 * z * z;
            for i in 0..n {
                let moved = peak[i] + width[i] * z;
                let w = w(first + i as f64 + cells * moved);
                row[i] = height - 0.5 * moved * moved - w * colder;
                top[i] = top[i].max(row[i]);
            }
        }
        let out = &mut scratch.out[..n];
        out.fill(0.0);
        for row in scratch.exponents.chunks_exact(n) {
            for i in 0..n {
                out[i] += exp_of_negative::<FMA>(row[i] - top[i]);
            }
        }
        for i in 0..n {
            out[i] = -temperature * (top[i] + log::<FMA>(width[i] * out[i]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    /// `W = a x^2/2 + b x` along either axis of a plane, at temperatures down to where `exp(-W/lambda)` underflows: the
    /// expectation of a Gaussian in closed form.
    #[test]
    fn parabolas_are_exact_at_any_temperature() {
        let axes = [
            UniformAxis::between(-2.0, 2.0, 21),
            UniformAxis::between(-1.0, 3.0, 33),
        ];
        let rule = Rule::normal(NonZeroUsize::new(7).expect("seven"));
        let (a, b, jump) = (3.0, -1.5, 0.3);
        for temperature in [1.0, 1e-3] {
            for axis in [0, 1] {
                let coordinate = |place: usize| match axis {
                    0 => axes[0].node(place / 33),
                    _ => axes[1].node(place % 33),
                };
                let w = |x: f64| 0.5 * a * x * x + b * x;
                let mut values: Vec<f64> = (0..21 * 33).map(|p| w(coordinate(p))).collect();
                let noise = AxisNoise {
                    axes: &axes,
                    axis,
                    jump,
                    temperature,
                    floor: f64::NEG_INFINITY,
                    rule: &rule,
                };
                noise.apply(&mut values);
                let spread = 1.0 + a * jump * jump / temperature;
                for (place, got) in values.iter().enumerate() {
                    let x = coordinate(place);
                    let slope = a * x + b;
                    let exact = w(x) - 0.5 * (slope * jump).powi(2) / (temperature * spread)
                        + 0.5 * temperature * spread.ln();
                    assert!((got - exact).abs() < 1e-11, "{place}: {got} {exact}");
                }
            }
        }
    }

    /// Cut in lines or in points, on a line and as one of many equal lines, the numbers are the same bits.
    #[test]
    fn one_line_is_like_many() {
        let axis = UniformAxis::between(-2.0, 2.0, 41);
        let rule = Rule::normal(NonZeroUsize::new(7).expect("seven"));
        let w = |i: usize| (axis.node(i).powi(2) - 1.0).powi(2);
        let mut line: Vec<f64> = (0..41).map(w).collect();
        let mut plane: Vec<f64> = (0..41 * 20).map(|p| w(p / 20)).collect();
        let other = UniformAxis::between(0.0, 1.0, 20);
        let noise = |axes| AxisNoise {
            axes,
            axis: 0,
            jump: 0.4,
            temperature: 0.1,
            floor: f64::NEG_INFINITY,
            rule: &rule,
        };
        let (alone, both) = ([axis], [axis, other]);
        noise(&alone).apply(&mut line);
        noise(&both).apply(&mut plane);
        for (place, got) in plane.iter().enumerate() {
            assert_eq!(got.to_bits(), line[place / 20].to_bits());
        }
    }
}
