//! Ordinary differential equations to a relative tolerance, forwards or backwards, with a dense answer.
//!
//! Steps of the pair of Dormand and Prince go in twos. Values and rates at the ends and the middle of two steps
//! make up a polynomial of degree five, whose distance from the solution is of order six in the step like the
//! local error of the pair. A double step is accepted where both the embedded error and the defect of the
//! polynomial, `y' - f(t, y)` times the step, are below the tolerance: so the answer between the nodes is as good
//! as at them.
//!
//! # Order
//! 5 in the step, at the nodes and between them; 14 evaluations of the rates a double step.
//!
//! # Source
//! Dormand and Prince, *A family of embedded Runge–Kutta formulae* (1980), table 2; Hairer, Nørsett and Wanner,
//! *Solving Ordinary Differential Equations I* (1993), sections II.4 and II.6.

use crate::numeric::sums::add_scaled;
use crate::numeric::time_limit::look;
use std::ops::Range;

/// Relative errors below this are rounding.
const LEAST_TOLERANCE: f64 = 1e-13;
/// Share of the horizon tried first.
const FIRST_STEP: f64 = 0.01;
/// Share of the horizon below which a step does not move the time reliably.
const LEAST_STEP: f64 = 1e-14;

const STAGES: usize = 7;
const NODES: [f64; STAGES] = [0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0];
/// Row `i` weighs the stages before stage `i + 1`; the last row is the step of order 5.
const WEIGHTS: [&[f64]; STAGES - 1] = [
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[
        19372.0 / 6561.0,
        -25360.0 / 2187.0,
        64448.0 / 6561.0,
        -212.0 / 729.0,
    ],
    &[
        9017.0 / 3168.0,
        -355.0 / 33.0,
        46732.0 / 5247.0,
        49.0 / 176.0,
        -5103.0 / 18656.0,
    ],
    &[
        35.0 / 384.0,
        0.0,
        500.0 / 1113.0,
        125.0 / 192.0,
        -2187.0 / 6784.0,
        11.0 / 84.0,
    ],
];
/// Step of order 5 minus step of order 4.
const ERROR: [f64; STAGES] = [
    71.0 / 57600.0,
    0.0,
    -71.0 / 16695.0,
    71.0 / 1920.0,
    -17253.0 / 339200.0,
    22.0 / 525.0,
    -1.0 / 40.0,
];

/// `y' = f(t, y)`.
pub trait Rates {
    /// Parts of `y` whose errors are measured against their own size.
    fn blocks(&self) -> &[Range<usize>];
    /// `out = f(t, y)`.
    fn rates(&mut self, t: f64, y: &[f64], out: &mut [f64]);
}

/// The solution left the range of doubles, or changes faster than the time can be resolved.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the solution reached {value:e} at t = {time} and cannot be continued")]
pub struct Escape {
    pub time: f64,
    /// The entry of largest size, the last time it was finite.
    pub value: f64,
}

/// The polynomial over one double step.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Where the step began.
    from: f64,
    /// Signed.
    length: f64,
    /// At the beginning, in the middle, at the end.
    values: [Vec<f64>; 3],
    rates: [Vec<f64>; 3],
}

impl Piece {
    /// Where the step ended.
    pub fn to(&self) -> f64 {
        self.from + self.length
    }

    /// Adds up the nodes: weights of the values, and of the rates times the length.
    fn combine(&self, weights: [f64; 6], out: &mut [f64]) {
        let [a, b, c, p, q, r] = weights;
        let [p, q, r] = [p, q, r].map(|w| w * self.length);
        let [y0, y1, y2] = &self.values;
        let [f0, f1, f2] = &self.rates;
        for (i, out) in out.iter_mut().enumerate() {
            *out = a * y0[i] + b * y1[i] + c * y2[i] + p * f0[i] + q * f1[i] + r * f2[i];
        }
    }

    /// `out = y(t)`.
    pub fn value(&self, t: f64, out: &mut [f64]) {
        let s = (t - self.from) / self.length;
        let [a, b, c] = lagrange(s).map(|(l, _)| l * l);
        let weights = [
            (1.0 + 6.0 * s) * a,
            b,
            (7.0 - 6.0 * s) * c,
            s * a,
            (s - 0.5) * b,
            (s - 1.0) * c,
        ];
        self.combine(weights, out);
    }

    /// `out = y'(t)` of the polynomial.
    pub fn slope(&self, t: f64, out: &mut [f64]) {
        let s = (t - self.from) / self.length;
        let basis = lagrange(s);
        let [a, b, c] = basis.map(|(l, _)| l * l);
        let [da, db, dc] = basis.map(|(l, slope)| 2.0 * l * slope);
        let weights = [
            6.0 * a + (1.0 + 6.0 * s) * da,
            db,
            -6.0 * c + (7.0 - 6.0 * s) * dc,
            a + s * da,
            b + (s - 0.5) * db,
            c + (s - 1.0) * dc,
        ];
        self.combine(weights.map(|w| w / self.length), out);
    }
}

/// The three quadratics that are 1 at one of 0, 1/2, 1 and vanish at the others, with their slopes.
fn lagrange(s: f64) -> [(f64, f64); 3] {
    [
        (2.0 * (s - 0.5) * (s - 1.0), 4.0 * s - 3.0),
        (-4.0 * s * (s - 1.0), 4.0 - 8.0 * s),
        (2.0 * s * (s - 0.5), 4.0 * s - 1.0),
    ]
}

/// An integration under way.
pub struct Integration<R> {
    equation: R,
    span: f64,
    end: f64,
    time: f64,
    /// Signed length of the next double step.
    step: f64,
    tolerance: f64,
    value: Vec<f64>,
    rate: Vec<f64>,
    stages: [Vec<f64>; STAGES],
    trial: Vec<f64>,
    /// Double steps so far.
    accepted: u64,
}

impl<R: Rates> Integration<R> {
    /// From `y(start) = value` to `end`, on either side.
    pub fn new(mut equation: R, start: f64, end: f64, value: Vec<f64>, tolerance: f64) -> Self {
        let size = value.len();
        let mut rate = vec![0.0; size];
        equation.rates(start, &value, &mut rate);
        let span = end - start;
        Self {
            equation,
            span,
            end,
            time: start,
            step: FIRST_STEP * span,
            tolerance: tolerance.max(LEAST_TOLERANCE),
            value,
            rate,
            stages: std::array::from_fn(|_| vec![0.0; size]),
            trial: vec![0.0; size],
            accepted: 0,
        }
    }

    /// The same with another length of the first double step, such as the last of an integration before it.
    pub fn starting_with(mut self, length: f64) -> Self {
        self.step = length.abs().min(self.span.abs()).copysign(self.span);
        self
    }

    /// The length of the next double step.
    pub fn next_length(&self) -> f64 {
        self.step.abs()
    }

    pub fn time(&self) -> f64 {
        self.time
    }

    pub fn value(&self) -> &[f64] {
        &self.value
    }

    /// The right sides.
    pub fn rates(&self) -> &R {
        &self.equation
    }

    /// Double steps so far.
    pub fn steps(&self) -> u64 {
        self.accepted
    }

    /// Whether the end is reached.
    pub fn is_done(&self) -> bool {
        self.time == self.end
    }

    /// Share of the horizon behind.
    pub fn fraction(&self) -> f64 {
        1.0 - (self.end - self.time) / self.span
    }

    /// One accepted double step; at the end there is none.
    ///
    /// # Errors
    /// [`Escape`] where ever shorter steps are refused.
    pub fn advance(&mut self) -> Result<Option<Piece>, Escape> {
        while !self.is_done() {
            look();
            let left = self.end - self.time;
            // The last two steps share what is left, so that neither is a sliver.
            let (length, last) = if self.step.abs() >= left.abs() {
                (left, true)
            } else if 2.0 * self.step.abs() > left.abs() {
                (0.5 * left, false)
            } else {
                (self.step, false)
            };
            let (piece, error) = self.attempt(length);
            if error <= 1.0 {
                let grown = (0.9 * error.powf(-0.2)).clamp(0.2, 4.0);
                self.step = grown * length;
                self.time = if last { self.end } else { piece.to() };
                self.value.copy_from_slice(&piece.values[2]);
                self.rate.copy_from_slice(&piece.rates[2]);
                self.accepted += 1;
                return Ok(Some(piece));
            }
            // An error that is not a number comes from overflow.
            let shrunk = if error.is_finite() {
                (0.9 * error.powf(-0.2)).clamp(0.1, 0.9)
            } else {
                0.1
            };
            self.step = shrunk * length;
            if self.step.abs() < LEAST_STEP * self.span.abs() {
                return Err(self.escape());
            }
        }
        Ok(None)
    }

    fn escape(&self) -> Escape {
        let most = self
            .value
            .iter()
            .fold(0.0_f64, |m, v| if v.abs() > m.abs() { *v } else { m });
        Escape {
            time: self.time,
            value: most,
        }
    }

    /// Two steps, and their error in units of the tolerance.
    fn attempt(&mut self, length: f64) -> (Piece, f64) {
        let half = 0.5 * length;
        let (from, middle) = (self.time, self.time + half);
        let (start, rate) = (self.value.clone(), self.rate.clone());
        let first = self.single(from, half, &start, &rate);
        let (halfway, half_rate) = (self.trial.clone(), self.stages[STAGES - 1].clone());
        let second = self.single(middle, half, &halfway, &half_rate);
        let piece = Piece {
            from,
            length,
            values: [start, halfway, self.trial.clone()],
            rates: [rate, half_rate, self.stages[STAGES - 1].clone()],
        };
        let mut error = larger(first, second);
        for share in [0.25, 0.75] {
            let t = from + share * length;
            let [value, slope, found, ..] = &mut self.stages;
            piece.value(t, value);
            piece.slope(t, slope);
            self.equation.rates(t, value, found);
            for (found, slope) in found.iter_mut().zip(slope.iter()) {
                *found = length * (*found - slope);
            }
            error = larger(error, self.relative(&piece, 2));
        }
        (piece, error / self.tolerance)
    }

    /// One step from `(t, y)` with known rates: the result is in `trial`, its rates in the last stage.
    fn single(&mut self, t: f64, step: f64, y: &[f64], rate: &[f64]) -> f64 {
        self.stages[0].copy_from_slice(rate);
        for (stage, weights) in WEIGHTS.iter().enumerate() {
            self.trial.copy_from_slice(y);
            for (weight, k) in weights.iter().zip(&self.stages) {
                if *weight != 0.0 {
                    add_scaled(step * weight, k, &mut self.trial);
                }
            }
            let at = t + NODES[stage + 1] * step;
            self.equation
                .rates(at, &self.trial, &mut self.stages[stage + 1]);
        }
        let mut worst = 0.0;
        for block in self.equation.blocks() {
            let (mut error, mut size) = (0.0, 0.0);
            for i in block.clone() {
                let difference: f64 = ERROR
                    .iter()
                    .zip(&self.stages)
                    .map(|(weight, k)| weight * k[i])
                    .sum();
                error = larger(error, step * difference);
                let moved = larger(step * self.stages[0][i], step * self.stages[6][i]);
                size = larger(larger(size, moved), larger(y[i], self.trial[i]));
            }
            worst = larger(worst, share(error, size));
        }
        worst
    }

    /// The largest of a stage over the size of the piece, block by block.
    fn relative(&self, piece: &Piece, stage: usize) -> f64 {
        let mut worst = 0.0;
        for block in self.equation.blocks() {
            let (mut error, mut size) = (0.0, 0.0);
            for i in block.clone() {
                error = larger(error, self.stages[stage][i]);
                for (values, rates) in piece.values.iter().zip(&piece.rates) {
                    size = larger(size, larger(values[i], piece.length * rates[i]));
                }
            }
            worst = larger(worst, share(error, size));
        }
        worst
    }
}

/// The larger size; NaN if either is.
fn larger(a: f64, b: f64) -> f64 {
    let (a, b) = (a.abs(), b.abs());
    if a.is_nan() || a > b { a } else { b }
}

/// `part / whole`, where nothing of nothing is no error.
fn share(part: f64, whole: f64) -> f64 {
    if part == 0.0 { 0.0 } else { part / whole }
}

/// A solution on a whole interval.
#[derive(Clone, Debug)]
pub struct DenseSolution {
    /// In the order they were made, without gaps.
    pieces: Vec<Piece>,
}

impl DenseSolution {
    /// Panics without a piece.
    pub fn new(pieces: Vec<Piece>) -> Self {
        assert!(!pieces.is_empty(), "a solution has a piece");
        Self { pieces }
    }

    /// Entries of the solution.
    pub fn size(&self) -> usize {
        self.pieces[0].values[0].len()
    }

    /// `out = y(t)`; outside the interval the nearest polynomial goes on.
    pub fn value(&self, t: f64, out: &mut [f64]) {
        self.piece(t).value(t, out);
    }

    /// `out = y'(t)` of the same polynomial.
    pub fn slope(&self, t: f64, out: &mut [f64]) {
        self.piece(t).slope(t, out);
    }

    fn piece(&self, t: f64) -> &Piece {
        let forwards = self.pieces[0].length > 0.0;
        let index = self.pieces.partition_point(|piece| {
            if forwards {
                piece.to() < t
            } else {
                piece.to() > t
            }
        });
        &self.pieces[index.min(self.pieces.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `y0' = -y1, y1' = y0` and `y2' = 3 t^2 y2`.
    struct Circle([Range<usize>; 2]);

    impl Rates for Circle {
        fn blocks(&self) -> &[Range<usize>] {
            &self.0
        }

        fn rates(&mut self, t: f64, y: &[f64], out: &mut [f64]) {
            out[0] = -y[1];
            out[1] = y[0];
            out[2] = 3.0 * t * t * y[2];
        }
    }

    /// `y' = y^2`, which escapes at `1 / y(0)`.
    struct Blast([Range<usize>; 1]);

    impl Rates for Blast {
        fn blocks(&self) -> &[Range<usize>] {
            &self.0
        }

        fn rates(&mut self, _: f64, y: &[f64], out: &mut [f64]) {
            out[0] = y[0] * y[0];
        }
    }

    fn circle(start: f64, end: f64, tolerance: f64) -> Integration<Circle> {
        let value = vec![start.cos(), start.sin(), start.powi(3).exp()];
        Integration::new(Circle([0..2, 2..3]), start, end, value, tolerance)
    }

    /// Largest error relative to the size of its block, at 300 times.
    fn worst(start: f64, end: f64, tolerance: f64) -> f64 {
        let mut integration = circle(start, end, tolerance);
        let mut pieces = Vec::new();
        while let Some(piece) = integration.advance().expect("the solution is smooth") {
            pieces.push(piece);
        }
        let dense = DenseSolution::new(pieces);
        let mut y = [0.0; 3];
        let mut worst = 0.0_f64;
        for i in 0..=300 {
            let t = start + (end - start) * f64::from(i) / 300.0;
            dense.value(t, &mut y);
            let growth = t.powi(3).exp();
            let errors = [y[0] - t.cos(), y[1] - t.sin(), (y[2] - growth) / growth];
            worst = errors.iter().fold(worst, |m, e| m.max(e.abs()));
        }
        worst
    }

    #[test]
    fn the_dense_answer_keeps_the_tolerance_forwards_and_backwards() {
        for tolerance in [1e-6, 1e-9, 1e-12] {
            for (start, end) in [(-1.0, 2.0), (1.5, -1.0)] {
                let error = worst(start, end, tolerance);
                assert!(error < 40.0 * tolerance, "{tolerance:e}: {error:e}");
            }
        }
    }

    #[test]
    fn one_double_step_has_a_local_error_of_order_six_at_and_between_the_nodes() {
        let error = |length: f64, share: f64| {
            let mut integration = circle(0.3, 1.0, 1e-3);
            let (piece, _) = integration.attempt(length);
            let t = 0.3 + share * length;
            let mut y = [0.0; 3];
            piece.value(t, &mut y);
            (y[0] - t.cos()).hypot(y[1] - t.sin())
        };
        for share in [0.2, 0.5, 0.8, 1.0] {
            let order = (error(0.2, share) / error(0.1, share)).log2();
            assert!((order - 6.0).abs() < 0.4, "at {share}: order {order}");
        }
    }

    #[test]
    fn the_slope_of_a_piece_is_the_derivative_of_its_value() {
        let (piece, _) = circle(0.3, 1.0, 1e-3).attempt(0.5);
        let (mut below, mut above, mut slope) = ([0.0; 3], [0.0; 3], [0.0; 3]);
        for t in [0.31, 0.5, 0.77] {
            piece.value(t - 1e-5, &mut below);
            piece.value(t + 1e-5, &mut above);
            piece.slope(t, &mut slope);
            for i in 0..3 {
                let difference = (above[i] - below[i]) / 2e-5;
                assert!((difference - slope[i]).abs() < 1e-8, "{i} at {t}");
            }
        }
    }

    #[test]
    fn a_solution_that_escapes_says_when() {
        let mut integration = Integration::new(
            Blast(std::array::from_fn(|_| 0..1)),
            0.0,
            1.0,
            vec![2.0],
            1e-8,
        );
        let escape = loop {
            match integration.advance() {
                Ok(piece) => assert!(piece.is_some(), "it went past the pole"),
                Err(escape) => break escape,
            }
        };
        assert!((escape.time - 0.5).abs() < 1e-6, "{escape}");
        assert!(escape.value > 1e6);
    }
}
