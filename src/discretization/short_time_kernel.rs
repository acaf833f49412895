//! The transition kernel of a nonlinear drift on a line, composed of short-time Gaussian kernels.
//!
//! Over a short step the process is the Ornstein–Uhlenbeck process that touches it, with the Itô term of the
//! curvature in its mean:
//!
//! ```text
//! X_{t+Δ} | X_t = x  ~  N(m, v),      e(r) = (exp(r Δ) - 1) / r
//! m = x + f e(f') + 1/4 D f'' e(f')²,      v = D e(2 f')
//! ```
//!
//! coefficients at the middle of the step. The kernels are tabulated between the nodes of a uniform grid and
//! chained (Chapman–Kolmogorov) by the trapezoid rule; functions and densities are carried as logarithms.
//!
//! # Order
//! Mean and variance are right to O(Δ³), and so is the third cumulant `f'' D² Δ³` left out: order two in the step.
//! An affine drift with constant coefficients is met exactly. In space the trapezoid rule of a Gaussian errs by
//! `2 exp(-2π² v/h²)`, 1e-8 where the deviation is one node and 1e-17 at the two nodes asked for here.
//!
//! # Cost
//! Steps × nodes × the width of a kernel in nodes, for each function carried.
//!
//! # Source
//! Onsager, Machlup (1953) for the composition; Ozaki (1992), Shoji, Ozaki (1998) for the local linearisation.
//!
//! # Checked by
//! The closed kernels of the Ornstein–Uhlenbeck and the Beneš process, in the tests.

use crate::discretization::noising::Noising;
use crate::numeric::batch::Batch;
use crate::numeric::log_sum_exp::log_sum_exp;
use crate::numeric::sums::dot;
use std::sync::Arc;

/// A kernel is tabulated up to this many deviations from its mean, where it has fallen by e⁻³⁶.
const REACH: f64 = 8.5;
/// Least variance of a tabulated kernel, in node spacings squared. Where a strong pull contracts a kernel below
/// it, which is where next to no mass is, the kernel is widened to what the trapezoid rule can sum.
const LEAST_VARIANCE: f64 = 1.0;
/// Rows that share one scaling of the function they sum.
const ROWS: usize = 32;
/// Sums below this have lost digits to underflow and are formed again term by term.
const SMALLEST: f64 = 1e-280;

/// Rows of a matrix that is zero far from its diagonal.
#[derive(Debug)]
struct Band {
    /// First column of every row.
    first: Vec<usize>,
    /// Row i occupies `entries[begin[i]..begin[i + 1]]`.
    begin: Vec<usize>,
    entries: Vec<f64>,
}

impl Band {
    fn new(rows: Vec<(usize, Vec<f64>)>) -> Self {
        let mut band = Self {
            first: Vec::with_capacity(rows.len()),
            begin: vec![0],
            entries: Vec::new(),
        };
        for (first, row) in rows {
            band.first.push(first);
            band.entries.extend(row);
            band.begin.push(band.entries.len());
        }
        band
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.entries[self.begin[i]..self.begin[i + 1]]
    }

    fn end(&self, i: usize) -> usize {
        self.first[i] + self.begin[i + 1] - self.begin[i]
    }

    /// The transpose, every row filled with zeros to an unbroken range.
    fn transposed(&self) -> Self {
        let count = self.first.len();
        let mut ranges = vec![(usize::MAX, 0); count];
        for i in 0..count {
            for range in &mut ranges[self.first[i]..self.end(i)] {
                *range = (range.0.min(i), i + 1);
            }
        }
        let rows = ranges
            .into_iter()
            .enumerate()
            .map(|(j, (first, end))| {
                let entry = |i: usize| {
                    let inside = (self.first[i]..self.end(i)).contains(&j);
                    if inside {
                        self.row(i)[j - self.first[i]]
                    } else {
                        0.0
                    }
                };
                (first.min(end), (first.min(end)..end).map(entry).collect())
            })
            .collect();
        Self::new(rows)
    }

    /// Multiplies column j by `weights[j]`.
    fn scale_columns(&mut self, weights: &[f64]) {
        for i in 0..self.first.len() {
            let (first, range) = (self.first[i], self.begin[i]..self.begin[i + 1]);
            for (entry, weight) in self.entries[range].iter_mut().zip(&weights[first..]) {
                *entry *= weight;
            }
        }
    }

    /// `out_i = log Σ_j B_ij exp(values_j)`.
    fn apply(&self, values: &[f64], scratch: &mut Vec<f64>, out: &mut [f64]) {
        let count = self.first.len();
        for block in (0..count).step_by(ROWS) {
            let rows = block..(block + ROWS).min(count);
            let low = rows.clone().map(|i| self.first[i]).min().unwrap_or(0);
            let high = rows.clone().map(|i| self.end(i)).max().unwrap_or(0);
            let window = &values[low..high.max(low)];
            let shift = window.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
            scratch.clear();
            scratch.extend(window.iter().map(|v| (v - shift).exp()));
            for i in rows {
                let row = self.row(i);
                let terms = &scratch[self.first[i] - low..];
                let sum = dot(row, &terms[..row.len()]);
                out[i] = if sum > SMALLEST {
                    shift + sum.ln()
                } else {
                    let terms = row.iter().zip(&values[self.first[i]..]);
                    log_sum_exp(&terms.map(|(b, v)| b.ln() + v).collect::<Vec<_>>())
                };
            }
        }
    }
}

/// One short step between the nodes.
#[derive(Debug)]
struct Step {
    duration: f64,
    diffusivity: f64,
    /// Densities forwards: row per target, `w_i K(y_j | x_i)`.
    push: Band,
    /// Expectations backwards: row per source, `w_j K(y_j | x_i)`.
    pull: Band,
}

/// `(exp(r Δ) - 1) / r`.
fn growth(rate: f64, duration: f64) -> f64 {
    let power = rate * duration;
    if power.abs() < f64::EPSILON {
        duration
    } else {
        power.exp_m1() / rate
    }
}

impl Step {
    fn new(noising: &Noising, nodes: &[f64], from: f64, to: f64) -> Self {
        let (middle, duration) = (0.5 * (from + to), to - from);
        let count = nodes.len();
        let h = (nodes[count - 1] - nodes[0]) / (count - 1) as f64;
        let diffusivity = noising.noise(middle).diffusivity(1)[(0, 0)];
        let slope_at = |offset: f64| {
            let x = nodes.iter().map(|x| x + offset).collect();
            let mut slope = vec![0.0; count];
            let x = Batch::from_columns(count, 1, x);
            noising.drift_divergence(middle, x.as_ref(), &mut slope);
            slope
        };
        let x = Batch::from_columns(count, 1, nodes.to_vec());
        let mut drift = Batch::zeros(count, 1);
        noising.drift(middle, x.as_ref(), drift.as_mut());
        let (slope, left, right) = (slope_at(0.0), slope_at(-0.5 * h), slope_at(0.5 * h));
        let rows = (0..count)
            .map(|i| {
                let e = growth(slope[i], duration);
                let curvature = (right[i] - left[i]) / h;
                let change = drift.get(i, 0) * e + 0.25 * diffusivity * curvature * e * e;
                let variance =
                    (diffusivity * growth(2.0 * slope[i], duration)).max(LEAST_VARIANCE * h * h);
                row(nodes, h, nodes[i] + change, variance, change)
            })
            .collect();
        let mut pull = Band::new(rows);
        let mut push = pull.transposed();
        let weights = trapezoid_weights(count, h);
        pull.scale_columns(&weights);
        push.scale_columns(&weights);
        Self {
            duration,
            diffusivity,
            push,
            pull,
        }
    }

    fn same(&self, duration: f64, diffusivity: f64) -> bool {
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs();
        close(self.duration, duration) && close(self.diffusivity, diffusivity)
    }
}

/// A Gaussian at the nodes it reaches. The most likely past of a node against the stream lies as far upstream as
/// the drift carries it down, so that much more is kept on both sides.
fn row(nodes: &[f64], h: f64, mean: f64, variance: f64, change: f64) -> (usize, Vec<f64>) {
    let reach = REACH * variance.sqrt() + 2.0 * change.abs();
    let position = |x: f64| ((x - nodes[0]) / h).clamp(0.0, (nodes.len() - 1) as f64);
    let first = position(mean - reach).ceil() as usize;
    let last = position(mean + reach).floor() as usize;
    let norm = (std::f64::consts::TAU * variance).sqrt().recip();
    let entries = nodes[first..=last.max(first)]
        .iter()
        .map(|y| norm * (-0.5 * (y - mean).powi(2) / variance).exp())
        .collect();
    (first, entries)
}

/// Weights of the trapezoid rule on `count` nodes a distance h apart.
pub fn trapezoid_weights(count: usize, h: f64) -> Vec<f64> {
    let mut weights = vec![h; count];
    weights[0] = 0.5 * h;
    weights[count - 1] = 0.5 * h;
    weights
}

/// The kernels of consecutive short steps between the nodes of one grid.
#[derive(Debug)]
pub struct KernelChain {
    times: Vec<f64>,
    steps: Vec<Arc<Step>>,
}

impl KernelChain {
    /// Kernels of a one-state process between `nodes` (uniform, increasing, at least two) over the steps between
    /// `times`. Where the drift does not depend on time, as proved by its owner (`autonomous`), steps of one
    /// length and noise share their table.
    pub fn new(noising: &Noising, nodes: &[f64], times: Vec<f64>, autonomous: bool) -> Self {
        let mut steps: Vec<Arc<Step>> = Vec::with_capacity(times.len());
        for pair in times.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let diffusivity = noising.noise(0.5 * (from + to)).diffusivity(1)[(0, 0)];
            let known = steps
                .iter()
                .rev()
                .find(|step| autonomous && step.same(to - from, diffusivity));
            let step = match known {
                Some(step) => step.clone(),
                None => Arc::new(Step::new(noising, nodes, from, to)),
            };
            steps.push(step);
        }
        Self { times, steps }
    }

    /// Ends of the steps, the start first.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// `log ∫ K(y | x) exp(log(x)) dx` after every step in turn; `watch` sees the start and each of them.
    pub fn push(&self, log: &[f64], mut watch: impl FnMut(usize, &[f64])) -> Vec<f64> {
        watch(0, log);
        let (mut now, mut next) = (log.to_vec(), vec![0.0; log.len()]);
        let mut scratch = Vec::new();
        for (n, step) in self.steps.iter().enumerate() {
            step.push.apply(&now, &mut scratch, &mut next);
            std::mem::swap(&mut now, &mut next);
            watch(n + 1, &now);
        }
        now
    }

    /// `log ∫ K(y | x) exp(log(y)) dy` over all steps, the last first.
    pub fn pull(&self, log: &[f64]) -> Vec<f64> {
        let (mut now, mut next) = (log.to_vec(), vec![0.0; log.len()]);
        let mut scratch = Vec::new();
        for step in self.steps.iter().rev() {
            step.pull.apply(&now, &mut scratch, &mut next);
            std::mem::swap(&mut now, &mut next);
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::format::vocabulary::Vocabulary;
    use crate::problem::parse_text;
    use std::path::Path;

    fn process(drift: &str, diffusion: &str) -> Noising {
        let text = format!(
            "format = 1\n[problem]\nname = \"kernel\"\nkind = \"reverse\"\n[data]\nfamily = \"gaussian\"\nmean = 0.0\ncov = 1.0\n[prior]\nfamily = \"gaussian\"\nmean = 0.0\ncov = 1.0\n[dynamics]\nstate = \"x\"\ndrift = \"{drift}\"\ndiffusion = \"{diffusion}\"\nhorizon = [0.0, 1.0]\n"
        );
        let loaded = parse_text(
            "kernel.toml",
            &text,
            Path::new("."),
            &[],
            &Vocabulary::empty(),
        )
        .expect("valid");
        Noising::new(&loaded.problem).expect("additive noise")
    }

    fn line(reach: f64, count: usize) -> Vec<f64> {
        (0..count)
            .map(|i| reach * (2.0 * i as f64 / (count - 1) as f64 - 1.0))
            .collect()
    }

    fn times(steps: usize) -> Vec<f64> {
        (0..=steps).map(|i| i as f64 / steps as f64).collect()
    }

    /// Worst error of a carried function where it matters, against an oracle at the nodes.
    fn worst(nodes: &[f64], found: &[f64], exact: impl Fn(f64) -> f64, reach: f64) -> f64 {
        nodes
            .iter()
            .zip(found)
            .filter(|(x, _)| x.abs() < reach)
            .map(|(x, found)| (found - exact(*x)).abs())
            .fold(0.0, f64::max)
    }

    /// Beneš: f = tanh x, D = 1 has `p(y, t | x) = N(y; x, t) cosh(y) / cosh(x) exp(-t/2)`, a mixture
    /// of N(x + t, t) and N(x - t, t). Both against the closed form and against itself: order two.
    #[test]
    fn a_benes_process_meets_its_closed_kernel_with_order_two() {
        let noising = process("tanh(x)", "1");
        let nodes = line(12.0, 481);
        let normal = |x: f64, m: f64, v: f64| {
            -0.5 * (x - m).powi(2) / v - 0.5 * (std::f64::consts::TAU * v).ln()
        };
        // From N(0.5, 0.3): weights (1 ± tanh x)/2 of the source make the sum
        // exp(-1/2) cosh(y) ∫ N(y; x, 1) N(x; 0.5, 0.3) / cosh(x) dx, the integral by brute force.
        let start: Vec<f64> = nodes.iter().map(|x| normal(*x, 0.5, 0.3)).collect();
        let exact = |y: f64| {
            let h = 1e-3;
            let sum: f64 = (-6000..=7000)
                .map(|i| h * f64::from(i))
                .map(|x| h * (normal(y, x, 1.0) + normal(x, 0.5, 0.3)).exp() / x.cosh())
                .sum();
            y.cosh().ln() - 0.5 + sum.ln()
        };
        // Backwards: E[exp(-X_1²)] from x, each Gaussian of the mixture in closed form.
        let target: Vec<f64> = nodes.iter().map(|y| -y * y).collect();
        let expected = |x: f64| {
            let one = |m: f64| (-m * m / 3.0).exp() / 3.0_f64.sqrt();
            let weight = 0.5 * (1.0 + x.tanh());
            (weight * one(x + 1.0) + (1.0 - weight) * one(x - 1.0)).ln()
        };
        let carried = |steps: usize| {
            let chain = KernelChain::new(&noising, &nodes, times(steps), true);
            [chain.push(&start, |_, _| {}), chain.pull(&target)]
        };
        let rungs = [16, 32, 64].map(carried);
        let errors = rungs.each_ref().map(|[f, b]| {
            [
                worst(&nodes, f, exact, 3.0),
                worst(&nodes, b, expected, 3.0),
            ]
        });
        let away = |a: &[f64], b: &[f64]| {
            nodes
                .iter()
                .zip(a.iter().zip(b))
                .filter(|(x, _)| x.abs() < 3.0)
                .map(|(_, (a, b))| (a - b).abs())
                .fold(0.0, f64::max)
        };
        for k in 0..2 {
            let to_limit = (errors[1][k] / errors[2][k]).log2();
            assert!(errors[2][k] < 2e-4, "{errors:?}");
            assert!((to_limit - 2.0).abs() < 0.15, "{to_limit} {errors:?}");
            let by_itself =
                (away(&rungs[0][k], &rungs[1][k]) / away(&rungs[1][k], &rungs[2][k])).log2();
            assert!((by_itself - 2.0).abs() < 0.15, "{by_itself}");
        }
    }

    /// An affine drift is its own local linearisation: one step or many, the Gaussian is exact; and far tails
    /// stay logarithms.
    #[test]
    fn an_affine_drift_is_exact_with_any_number_of_steps() {
        let noising = process("0.4 - 1.5*x", "0.8");
        let nodes = line(5.0, 401);
        let (m0, v0) = (-0.7, 0.09);
        let factor = (-1.5_f64).exp();
        let mean = factor * m0 + (1.0 - factor) * 0.4 / 1.5;
        let variance = factor * factor * v0 + 0.64 / 3.0 * (1.0 - factor * factor);
        let normal = |x: f64, m: f64, v: f64| {
            -0.5 * (x - m).powi(2) / v - 0.5 * (std::f64::consts::TAU * v).ln()
        };
        let start: Vec<f64> = nodes.iter().map(|x| normal(*x, m0, v0)).collect();
        for steps in [1, 7, 64] {
            let chain = KernelChain::new(&noising, &nodes, times(steps), true);
            let found = chain.push(&start, |_, _| {});
            let error = worst(&nodes, &found, |x| normal(x, mean, variance), 3.5);
            assert!(error < 1e-9, "{steps}: {error:e}");
        }
    }

    /// Time in drift and noise: coefficients at the middle of a step keep the order.
    #[test]
    fn coefficients_that_depend_on_time_keep_order_two() {
        let noising = process("sin(3*t) - x*(1 + t)", "0.6 + 0.5*t");
        let nodes = line(5.0, 401);
        let start: Vec<f64> = nodes.iter().map(|x| -2.0 * (x - 0.3).powi(2)).collect();
        let carried = |steps: usize| {
            KernelChain::new(&noising, &nodes, times(steps), false).push(&start, |_, _| {})
        };
        let [a, b, c] = [16, 32, 64].map(carried);
        let away = |a: &[f64], b: &[f64]| {
            let inner = 100..301;
            inner.map(|i| (a[i] - b[i]).abs()).fold(0.0, f64::max)
        };
        let order = (away(&a, &b) / away(&b, &c)).log2();
        assert!((order - 2.0).abs() < 0.15, "{order}");
    }
}
