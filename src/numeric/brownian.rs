//! Brownian motion that refines consistently: a step and its halves see the same path.
//!
//! Over an interval of length h a path is known by its increment and its space–time area
//!
//! ```text
//! W = W_{s+h} − W_s ~ N(0, h),      H = (1/h) ∫_s^{s+h} (W_r − W_s − (r − s)/h W) dr ~ N(0, h/12)
//! ```
//!
//! which are independent. Given (W, H), those of the two halves follow from two more normals Z ~ N(0, h/16),
//! N ~ N(0, h/12):
//!
//! ```text
//! W_left  = W/2 + 3/2 H + Z,      H_left  = H/4 − Z/2 + N/2
//! W_right = W/2 − 3/2 H − Z,      H_right = H/4 − Z/2 − N/2
//! ```
//!
//! Halves are drawn by the counter of their place in the tree, so nothing is stored and a path does not
//! depend on how deep anybody looks.
//!
//! # Source
//! Foster, Lyons, Oberhauser, *An optimal polynomial approximation of Brownian motion* (2020), theorem 2.2
//! and the construction after it.

use crate::numeric::batch::Batch;
use crate::numeric::random::Stream;

/// What is known of a block of Brownian paths over one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Increment {
    /// h
    pub length: f64,
    /// W: points × noises.
    pub wiener: Batch,
    /// H: points × noises; without columns where nobody asked for it.
    pub area: Batch,
    /// Standard normals independent of the path, for schemes that draw a law beyond it: points × spare.
    pub spare: Batch,
}

/// What a scheme wants to know of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whether the areas H are wanted.
    pub area: bool,
    /// Independent normals per path.
    pub spare: usize,
}

impl Wanted {
    /// Increments alone.
    pub const INCREMENT: Self = Self {
        area: false,
        spare: 0,
    };
}

impl Increment {
    /// Room for a block of paths.
    pub fn zeros(points: usize, noises: usize, wanted: Wanted) -> Self {
        Self {
            length: 0.0,
            wiener: Batch::zeros(points, noises),
            area: Batch::zeros(points, if wanted.area { noises } else { 0 }),
            spare: Batch::zeros(points, wanted.spare),
        }
    }

    /// This step followed by `next`: `W = W₁ + W₂`, `h H = h₁ H₁ + h₂ H₂ + ½ (h₂ W₁ − h₁ W₂)`. The spare
    /// normals stay those of the first step.
    pub fn then(&mut self, next: &Self) {
        let (first, second) = (self.length, next.length);
        let whole = first + second;
        let areas = self.area.as_mut_slice().iter_mut();
        let wieners = self.wiener.as_slice().iter().zip(next.wiener.as_slice());
        for ((area, later), (w1, w2)) in areas.zip(next.area.as_slice()).zip(wieners) {
            let bow = 0.5 * (second * w1 - first * w2);
            *area = (first * *area + second * later + bow) / whole;
        }
        self.wiener.add_scaled(1.0, &next.wiener);
        self.length = whole;
    }
}

/// Deepest level of halving.
pub const DEEPEST: u32 = 12;

/// The Brownian paths of a stream, over steps that can be halved.
#[derive(Clone, Copy, Debug)]
pub struct Brownian {
    stream: Stream,
    noises: usize,
    wanted: Wanted,
}

impl Brownian {
    /// Paths with `noises` components; the same stream gives the same paths, whatever is wanted of them.
    pub fn new(stream: Stream, noises: usize, wanted: Wanted) -> Self {
        Self {
            stream,
            noises,
            wanted,
        }
    }

    /// Room for the steps of a block.
    pub fn room(&self, points: usize) -> Increment {
        Increment::zeros(points, self.noises, self.wanted)
    }

    /// The whole step number `step` of length `length` of the paths `first, first + 1, ...`.
    pub fn step(&self, first: u64, step: u32, length: f64, out: &mut Increment) {
        out.length = length;
        self.draw(first, step, 1, 0, length.sqrt(), &mut out.wiener);
        if self.wanted.area {
            self.draw(first, step, 1, 1, (length / 12.0).sqrt(), &mut out.area);
        }
        self.draw(first, step, 1, 2, 1.0, &mut out.spare);
    }

    /// The `2^level` equal parts of a step, in order, of the same path as [`Self::step`].
    ///
    /// `out` holds one increment per part. Costs two normals per noise and part.
    ///
    /// # Panics
    /// If the paths carry no areas (halving needs them), or the level is beyond [`DEEPEST`].
    pub fn halved(&self, first: u64, step: u32, length: f64, level: u32, out: &mut [Increment]) {
        assert!(level <= DEEPEST, "at most {DEEPEST} halvings");
        assert_eq!(out.len(), 1 << level, "one increment per part");
        assert!(
            self.wanted.area || level == 0,
            "halving conditions on the areas"
        );
        self.step(first, step, length, &mut out[0]);
        let points = out[0].wiener.points();
        let mut middle = Batch::zeros(points, self.noises);
        let mut twist = Batch::zeros(points, self.noises);
        for depth in 0..level {
            let whole = length / f64::from(1_u32 << depth);
            // From the last part to the first, so that nothing is overwritten before it is read.
            for part in (0..1_usize << depth).rev() {
                let place = (1_u32 << depth) + part as u32;
                self.draw(first, step, place, 3, (whole / 16.0).sqrt(), &mut middle);
                self.draw(first, step, place, 4, (whole / 12.0).sqrt(), &mut twist);
                let (left, right) = pair(out, part);
                split(left, right, &middle, &twist);
                for (side, half) in [left, right].into_iter().enumerate() {
                    half.length = 0.5 * whole;
                    let place = 2 * place + side as u32;
                    self.draw(first, step, place, 2, 1.0, &mut half.spare);
                }
            }
        }
    }

    /// Normals of one kind at one place of the tree of a step.
    fn draw(&self, first: u64, step: u32, place: u32, kind: u32, scale: f64, out: &mut Batch) {
        // Kinds 0 to 4, each with room for 2^16 components; places below 2^13.
        let address = (place << 19) | (kind << 16);
        assert!(out.columns() < 1 << 16, "components fit their address");
        self.stream.normals_from(first, step, address, out.as_mut());
        if scale != 1.0 {
            out.as_mut_slice().iter_mut().for_each(|z| *z *= scale);
        }
    }
}

/// Part `part` moved to its left half, with room for the right half.
fn pair(out: &mut [Increment], part: usize) -> (&mut Increment, &mut Increment) {
    if part > 0 {
        out.swap(part, 2 * part);
    }
    let (left, right) = out.split_at_mut(2 * part + 1);
    (&mut left[2 * part], &mut right[0])
}

fn split(left: &mut Increment, right: &mut Increment, middle: &Batch, twist: &Batch) {
    let lefts = left.wiener.as_mut_slice().iter_mut();
    let rights = right.wiener.as_mut_slice().iter_mut();
    let left_areas = left.area.as_mut_slice().iter_mut();
    let right_areas = right.area.as_mut_slice().iter_mut();
    let draws = middle.as_slice().iter().zip(twist.as_slice());
    for ((((w1, w2), h1), h2), (z, n)) in lefts
        .zip(rights)
        .zip(left_areas)
        .zip(right_areas)
        .zip(draws)
    {
        let (w, h) = (*w1, *h1);
        *w1 = 0.5 * w + 1.5 * h + z;
        *w2 = 0.5 * w - 1.5 * h - z;
        *h1 = 0.25 * h - 0.5 * z + 0.5 * n;
        *h2 = 0.25 * h - 0.5 * z - 0.5 * n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::random::Streams;

    const AREAS: Wanted = Wanted {
        area: true,
        spare: 1,
    };

    fn parts(level: u32, first: u64, points: usize) -> Vec<Increment> {
        let paths = Brownian::new(Streams::new(3).role("brownian"), 2, AREAS);
        let mut out = vec![paths.room(points); 1 << level];
        paths.halved(first, 5, 0.4, level, &mut out);
        out
    }

    #[test]
    fn parts_of_any_level_make_up_the_same_step() {
        let whole = &parts(0, 10, 9)[0];
        for level in [1, 2, 5] {
            let pieces = parts(level, 10, 9);
            let mut sum = pieces[0].clone();
            pieces[1..].iter().for_each(|piece| sum.then(piece));
            assert!((sum.length - 0.4).abs() < 1e-15);
            for (sum, whole) in [(&sum.wiener, &whole.wiener), (&sum.area, &whole.area)] {
                for (a, b) in sum.as_slice().iter().zip(whole.as_slice()) {
                    assert!((a - b).abs() < 1e-14, "level {level}: {a} {b}");
                }
            }
        }
    }

    /// And a finer level refines a coarser one, path by path, wherever the block begins.
    #[test]
    fn levels_are_nested_and_blocks_do_not_matter() {
        let (coarse, fine, moved) = (parts(2, 10, 9), parts(3, 10, 9), parts(3, 13, 2));
        for (k, part) in coarse.iter().enumerate() {
            let mut sum = fine[2 * k].clone();
            sum.then(&fine[2 * k + 1]);
            for (a, b) in sum.area.as_slice().iter().zip(part.area.as_slice()) {
                assert!((a - b).abs() < 1e-15);
            }
        }
        for (whole, moved) in fine.iter().zip(&moved) {
            assert_eq!(whole.wiener.column(1)[3..5], *moved.wiener.column(1));
            assert_eq!(whole.spare.column(0)[3..5], *moved.spare.column(0));
        }
    }

    /// 20000 paths, seed 3: second moments of the quarters of a step, and that no two of them know of each
    /// other. Sixty numbers at 5 standard errors: false alarms below 4e-5.
    #[test]
    fn parts_are_independent_with_the_right_variances() {
        let points = 20_000;
        let pieces = parts(2, 0, points);
        let mut columns = Vec::new();
        for piece in &pieces {
            let w = piece.length.sqrt();
            let scaled =
                |values: &[f64], scale: f64| values.iter().map(|v| v / scale).collect::<Vec<f64>>();
            columns.push(scaled(piece.wiener.column(0), w));
            columns.push(scaled(piece.area.column(0), w / 12_f64.sqrt()));
            columns.push(piece.spare.column(0).to_vec());
        }
        for (i, a) in columns.iter().enumerate() {
            for (j, b) in columns[..=i].iter().enumerate() {
                let mean = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / points as f64;
                let (expected, spread) = if i == j { (1.0, 2.0) } else { (0.0, 1.0) };
                let error = (spread / points as f64).sqrt();
                assert!((mean - expected).abs() < 5.0 * error, "{i} {j}: {mean}");
            }
        }
    }
}
