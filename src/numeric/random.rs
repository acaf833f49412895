//! Random numbers addressed by counter.
//!
//! A number is a pure function of (seed, role, path, step, component): results do not depend on
//! threads, chunking or block size, and noise can be replayed instead of stored.
//!
//! # Source
//! Salmon, Moraes, Dror, Shaw, *Parallel random numbers: as easy as 1, 2, 3* (SC11): Philox4x32-10.

use crate::numeric::batch::BatchMut;
use crate::numeric::dispatch::{Kernel, dispatch};
use crate::numeric::elementary::{log, sin_cos_turns};

/// The random numbers of one run.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    seed: u64,
}

/// The random numbers of one role (a solver's noise, a check's start points, ...).
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: [u32; 2],
}

impl Streams {
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The streams of one part of a run, such as a solver's: unrelated to every other part's.
    pub fn scoped(&self, name: &str) -> Self {
        self.role(name).streams()
    }

    /// The stream of a named role; different names give unrelated numbers.
    pub fn role(&self, name: &str) -> Stream {
        // FNV-1a over the name, mixed with the seed by one Philox block.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mixed = philox(
            [hash & LOW, hash >> 32, 0, 0],
            [self.seed as u32, (self.seed >> 32) as u32],
        );
        Stream {
            key: [mixed[0] as u32, mixed[1] as u32],
        }
    }
}

/// How the two uniforms of an address become the numbers of two neighbouring paths.
#[derive(Clone, Copy)]
enum Shape {
    /// As they are.
    Uniform,
    /// Box–Muller.
    Normal,
}

/// Component number set aside for [`Stream::choose`], so that choices are unrelated to the noise of
/// the same step.
const CHOICE: u32 = u32::MAX;

impl Stream {
    /// Standard normals: row i holds path `first + i`, column j component j, at time node `step`.
    ///
    /// Box–Muller on the two uniforms shared by an even path and the next odd one, with arithmetic that
    /// rounds alike on every machine: bits depend on nothing but (seed, role, path, step, component).
    pub fn normals(&self, first: u64, step: u32, out: BatchMut<'_>) {
        self.normals_from(first, step, 0, out);
    }

    /// As [`Stream::normals`], column j being component `component + j`.
    pub fn normals_from(&self, first: u64, step: u32, component: u32, out: BatchMut<'_>) {
        self.fill(Shape::Normal, first, step, component, out);
    }

    /// Uniforms in (0, 1], addressed like [`Stream::normals`] and built from the same bits: a role draws
    /// either normals or uniforms.
    pub fn uniforms(&self, first: u64, step: u32, out: BatchMut<'_>) {
        self.uniforms_from(first, step, 0, out);
    }

    /// As [`Stream::uniforms`], column j being component `component + j`.
    pub fn uniforms_from(&self, first: u64, step: u32, component: u32, out: BatchMut<'_>) {
        self.fill(Shape::Uniform, first, step, component, out);
    }

    /// The stream of a named role within this one, unrelated to it.
    pub fn role(&self, name: &str) -> Self {
        self.streams().role(name)
    }

    fn streams(&self) -> Streams {
        let [low, high] = self.key;
        Streams::new(u64::from(high) << 32 | u64::from(low))
    }

    /// Draws rows from a discrete law, independently for every path: `out[i]` is the row of path
    /// `first + i` and equals `k` with probability `(c_k - c_{k-1}) / c_last`.
    ///
    /// `cumulative` holds the partial sums `c` of the weights: it does not decrease and ends above zero.
    /// Rows of weight zero are never drawn. Costs a binary search per path.
    pub fn choose(&self, first: u64, step: u32, cumulative: &[f64], out: &mut [usize]) {
        let total = cumulative.last().copied().unwrap_or(0.0);
        assert!(total > 0.0, "a law to draw from has positive total weight");
        let mut draws = [0.0; 2 * LANES];
        for (piece, rows) in out.chunks_mut(2 * LANES).enumerate() {
            let draws = &mut draws[..rows.len()];
            dispatch(Fill {
                key: self.key,
                shape: Shape::Uniform,
                first: first + (piece * 2 * LANES) as u64,
                step,
                component: CHOICE,
                out: draws,
            });
            for (row, u) in rows.iter_mut().zip(draws.iter()) {
                let target = u * total;
                // u <= 1 may round above the total only if the sums were not monotone.
                *row = cumulative
                    .partition_point(|c| *c < target)
                    .min(cumulative.len() - 1);
            }
        }
    }

    fn fill(&self, shape: Shape, first: u64, step: u32, component: u32, mut out: BatchMut<'_>) {
        for column in 0..out.columns() {
            dispatch(Fill {
                key: self.key,
                shape,
                first,
                step,
                component: component + column as u32,
                out: out.column_mut(column),
            });
        }
    }
}

/// Philox blocks computed together.
const LANES: usize = 64;

/// One component of consecutive paths.
struct Fill<'a> {
    key: [u32; 2],
    shape: Shape,
    first: u64,
    step: u32,
    component: u32,
    out: &'a mut [f64],
}

impl Kernel for Fill<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let mut first = [0.0; LANES];
        let mut second = [0.0; LANES];
        let mut pairs = [0.0; 2 * LANES];
        let mut done = 0;
        while done < self.out.len() {
            let path = self.first + done as u64;
            // An odd first path is the second of its pair.
            let skip = (path % 2) as usize;
            // The last piece is rounded up to whole vectors: spare lanes are cheaper than scalar ones.
            let needed = (skip + self.out.len() - done).div_ceil(2);
            let lanes = needed.next_multiple_of(8).min(LANES);
            // One loop per stage, each simple enough to vectorise.
            for l in 0..lanes {
                let pair = (path / 2).wrapping_add(l as u64);
                let step = u64::from(self.step);
                let words = philox(
                    [pair & LOW, pair >> 32, step, self.component.into()],
                    self.key,
                );
                first[l] = unit(words[0], words[1]);
                second[l] = unit(words[2], words[3]);
            }
            if let Shape::Normal = self.shape {
                for l in 0..lanes {
                    // The uniform is positive, so its logarithm is finite. Fused operations would make
                    // the bits depend on the machine, hence never here.
                    let radius = (-2.0 * log::<false>(first[l])).sqrt();
                    let (sine, cosine) = sin_cos_turns::<false>(second[l]);
                    first[l] = radius * cosine;
                    second[l] = radius * sine;
                }
            }
            for l in 0..lanes {
                pairs[2 * l] = first[l];
                pairs[2 * l + 1] = second[l];
            }
            let count = (2 * LANES - skip).min(self.out.len() - done);
            self.out[done..done + count].copy_from_slice(&pairs[skip..skip + count]);
            done += count;
        }
    }
}

/// 53 random bits as a number in (0, 1].
#[inline(always)]
fn unit(low: u64, high: u64) -> f64 {
    let bits = (high << 32) | low;
    // 52 bits placed as a mantissa, the 53rd added: exact, and it vectorises where i64 to f64 does not.
    let upper = f64::from_bits((bits >> 12) | 0x3ff0_0000_0000_0000) - 1.0;
    let last = ((bits >> 11) & 1) + 1;
    let last = f64::from_bits(last | 0x4330_0000_0000_0000) - 4_503_599_627_370_496.0;
    upper + last * (1.0 / (1_u64 << 53) as f64)
}

const LOW: u64 = 0xffff_ffff;

/// One Philox4x32-10 block; words are kept in the low halves of 64 bits.
#[inline(always)]
fn philox(mut counter: [u64; 4], mut key: [u32; 2]) -> [u64; 4] {
    for round in 0..10 {
        if round > 0 {
            key[0] = key[0].wrapping_add(0x9E37_79B9);
            key[1] = key[1].wrapping_add(0xBB67_AE85);
        }
        let a = (counter[0] & LOW) * 0xD251_1F53;
        let b = (counter[2] & LOW) * 0xCD9E_8D57;
        counter = [
            (b >> 32) ^ counter[1] ^ u64::from(key[0]),
            b & LOW,
            (a >> 32) ^ counter[3] ^ u64::from(key[1]),
            a & LOW,
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::batch::Batch;
    use crate::numeric::dispatch::Isa;

    fn philox_words(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
        philox(counter.map(u64::from), key).map(|word| word as u32)
    }

    #[test]
    fn philox_agrees_with_the_published_known_answers() {
        assert_eq!(
            philox_words([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox_words([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox_words(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    /// The definition, one number at a time, through the standard library.
    fn normal_by_definition(stream: Stream, path: u64, step: u32, component: u32) -> f64 {
        let pair = path / 2;
        let word = philox_words(
            [pair as u32, (pair >> 32) as u32, step, component],
            stream.key,
        );
        let unit = |low: u32, high: u32| {
            let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
            (bits + 1) as f64 / 2_f64.powi(53)
        };
        let radius = (-2.0 * unit(word[0], word[1]).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * unit(word[2], word[3])).sin_cos();
        radius * if path.is_multiple_of(2) { cosine } else { sine }
    }

    #[test]
    fn normals_follow_their_definition_at_every_address() {
        let stream = Streams::new(7).role("definition");
        for first in [0, 5, (1 << 33) - 3] {
            let mut batch = Batch::zeros(77, 3);
            stream.normals(first, 9, batch.as_mut());
            for i in 0..77 {
                for j in 0..3 {
                    let exact = normal_by_definition(stream, first + i as u64, 9, j as u32);
                    assert!((batch.get(i, j) - exact).abs() < 1e-14 * exact.abs().max(1.0));
                }
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_how_the_paths_are_cut_nor_on_the_machine() {
        let stream = Streams::new(11).role("cuts");
        let mut whole = Batch::zeros(1000, 2);
        stream.normals(3, 4, whole.as_mut());
        for block in [1, 2, 7, 31, 32, 33, 256, 999] {
            let mut cut = Batch::zeros(1000, 2);
            for start in (0..1000).step_by(block) {
                let end = (start + block).min(1000);
                stream.normals(3 + start as u64, 4, cut.as_mut().rows_mut(start..end));
            }
            assert_eq!(cut, whole, "blocks of {block}");
        }
        for isa in Isa::available() {
            let mut column = vec![0.0; 1000];
            isa.run(Fill {
                key: stream.key,
                shape: Shape::Normal,
                first: 3,
                step: 4,
                component: 1,
                out: &mut column,
            });
            assert_eq!(column, whole.column(1), "{}", isa.name());
        }
    }

    /// Kolmogorov's distance times the square root of the count.
    fn kolmogorov(mut sample: Vec<f64>, law: impl Fn(f64) -> f64) -> f64 {
        sample.sort_by(f64::total_cmp);
        let n = sample.len() as f64;
        let distance = sample.iter().enumerate().fold(0.0_f64, |worst, (i, x)| {
            let p = law(*x);
            worst
                .max((p - i as f64 / n).abs())
                .max(((i + 1) as f64 / n - p).abs())
        });
        distance * n.sqrt()
    }

    /// Standard normal distribution function, by the trapezoidal rule (spectrally accurate).
    fn normal_distribution(x: f64) -> f64 {
        // P(X <= x) = 1/2 + 1/pi ∫_0^∞ sin(x s) exp(-s^2/2) / s ds
        let width = 0.05;
        let sum: f64 = (1..200)
            .map(|k| {
                let s = width * (f64::from(k) - 0.5);
                (x * s).sin() * (-0.5 * s * s).exp() / s
            })
            .sum();
        0.5 + width * sum / std::f64::consts::PI
    }

    // Seed 20240; critical value 2.225 of Kolmogorov's law has false-alarm probability 1e-4 each, fixed
    // by the seed: the test is deterministic.
    #[test]
    fn uniforms_and_normals_have_the_right_law() {
        let mut batch = Batch::zeros(20_000, 2);
        let stream = Streams::new(20_240).role("law");
        stream.uniforms(0, 1, batch.as_mut());
        assert!(batch.as_slice().iter().all(|u| *u > 0.0 && *u <= 1.0));
        assert!(kolmogorov(batch.column(1).to_vec(), |u| u) < 2.225);
        stream.normals(0, 2, batch.as_mut());
        for j in 0..2 {
            assert!(kolmogorov(batch.column(j).to_vec(), normal_distribution) < 2.225);
        }
        // Moments 1..6 of all 40000 numbers, five standard errors: false alarm 6e-7 each.
        let expected = [0.0, 1.0, 0.0, 3.0, 0.0, 15.0];
        let variance = [1.0, 2.0, 15.0, 96.0, 945.0, 10_170.0];
        for (n, (mean, variance)) in (1..).zip(expected.iter().zip(variance)) {
            let powers: Vec<f64> = batch.as_slice().iter().map(|x| x.powi(n)).collect();
            let got = crate::numeric::blocks::pairwise_sum(&powers) / powers.len() as f64;
            let error = 5.0 * (variance / powers.len() as f64).sqrt();
            assert!((got - mean).abs() < error, "moment {n}: {got}");
        }
    }

    // Seed 31; each statistic is asymptotically standard normal, 5 sigma: false alarm 6e-7 each.
    #[test]
    fn neighbouring_paths_steps_components_roles_and_seeds_are_independent() {
        let n = 40_000;
        let draw = |seed: u64, role: &str, first: u64, step: u32| {
            let mut batch = Batch::zeros(n, 2);
            Streams::new(seed)
                .role(role)
                .normals(first, step, batch.as_mut());
            batch
        };
        let base = draw(31, "noise", 0, 0);
        let neighbours = [
            ("next path", draw(31, "noise", 1, 0).column(0).to_vec()),
            (
                "path after next",
                draw(31, "noise", 2, 0).column(0).to_vec(),
            ),
            ("next step", draw(31, "noise", 0, 1).column(0).to_vec()),
            ("next component", base.column(1).to_vec()),
            ("role", draw(31, "noise2", 0, 0).column(0).to_vec()),
            ("seed", draw(32, "noise", 0, 0).column(0).to_vec()),
        ];
        for (name, other) in neighbours {
            // Correlations of values, and of squares (variance 2 each): Box–Muller shares a radius.
            let pairs = || base.column(0).iter().zip(&other);
            let linear: f64 = pairs().map(|(a, b)| a * b).sum::<f64>() / (n as f64).sqrt();
            let squares: f64 = pairs()
                .map(|(a, b)| (a * a - 1.0) * (b * b - 1.0) / 2.0)
                .sum::<f64>()
                / (n as f64).sqrt();
            assert!(
                linear.abs() < 5.0 && squares.abs() < 5.0,
                "{name}: {linear} {squares}"
            );
        }
    }

    // Seed 5; chi-square with 3 degrees of freedom exceeds 21.1 with probability 1e-4.
    #[test]
    fn choices_follow_their_weights_and_skip_rows_of_weight_zero() {
        let weights = [0.0, 2.0, 1.0, 0.0, 4.0, 1.0, 0.0];
        let mut cumulative = weights.to_vec();
        for k in 1..weights.len() {
            cumulative[k] += cumulative[k - 1];
        }
        let stream = Streams::new(5).role("choice");
        let n = 40_000;
        let mut rows = vec![usize::MAX; n];
        stream.choose(0, 3, &cumulative, &mut rows);
        let mut counts = [0.0; 7];
        rows.iter().for_each(|k| counts[*k] += 1.0);
        let mut chi_square = 0.0;
        for (count, weight) in counts.iter().zip(weights) {
            let expected = n as f64 * weight / 8.0;
            if weight == 0.0 {
                assert_eq!(*count, 0.0);
            } else {
                chi_square += (count - expected) * (count - expected) / expected;
            }
        }
        assert!(chi_square < 21.1, "{chi_square}");
        let mut tail = vec![0; 100];
        stream.choose(917, 3, &cumulative, &mut tail);
        assert_eq!(tail, rows[917..1017]);
    }
}
