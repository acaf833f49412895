//! Whether and when a margin became positive between two nodes of a path.
//!
//! ```text
//! P(crossed | m, m') = exp( -2 m m' / s ) for m, m' < 0, else 1
//! tau / (h - tau) ~ inverse Gaussian of mean |m| / |m'| and shape m^2 / s, given that it crossed
//! ```
//!
//! for a margin that is a Brownian motion with drift between its values `m < 0` and `m'`, and gains the variance `s` over
//! the step `h`: then both laws are exact, and free of the drift. The second is the same for `m'` as for its mirror
//! image, because after the crossing a path goes either way alike.
//!
//! # Source
//! Gobet, *Stochastic Process. Appl.* 87 (2000), for the probability; Borodin, Salminen, *Handbook of Brownian Motion*
//! (2002), for the time; Michael, Schucany, Haas, *Amer. Statist.* 30 (1976), for its draw.

use std::f64::consts::TAU;

/// Exponent beyond which a crossing is not drawn: its chance is below 1e-17.
const FAR: f64 = 40.0;
/// Uniforms that one look at a step uses at most.
pub const DRAWS: usize = 3;

/// The share of the step that had gone by when the margin became positive; `None` where it did not.
///
/// `before` is negative; `spread` is the variance that the margin gains over the step; `draws` gives uniforms in (0, 1]
/// and is asked only where chance matters.
pub fn crossing(
    before: f64,
    after: f64,
    spread: f64,
    draws: impl FnOnce() -> [f64; DRAWS],
) -> Option<f64> {
    if spread <= 0.0 {
        return (after >= 0.0).then(|| before / (before - after));
    }
    let exponent = (2.0 * before * after / spread).max(0.0);
    // NaN: a path that left the numbers crosses nothing.
    if exponent.is_nan() || after.is_nan() || (after < 0.0 && exponent >= FAR) {
        return None;
    }
    let exponent = if after < 0.0 { exponent } else { 0.0 };
    let [chance, u, v] = draws();
    let probability = (-exponent).exp();
    if chance > probability {
        return None;
    }
    // Given the crossing what is left of the first draw is uniform again.
    let choice = chance / probability;
    let normal_squared = -2.0 * u.ln() * (TAU * v).cos().powi(2);
    // A path that ends on the edge itself: the mean is infinite.
    let mean = before.abs() / after.abs().max(1e-12 * before.abs());
    let shape = before * before / spread;
    let a = mean * normal_squared / (2.0 * shape);
    let root = mean / (1.0 + a + (2.0 * a + a * a).sqrt());
    let odds = if choice * (mean + root) <= mean {
        root
    } else {
        mean * (mean / root)
    };
    Some(1.0 / (1.0 + 1.0 / odds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::batch::Batch;
    use crate::numeric::random::Streams;

    fn shares(after: f64, spread: f64, seed: u64, count: usize) -> Vec<Option<f64>> {
        let stream = Streams::new(seed).role("crossing");
        let mut draws = Batch::zeros(count, DRAWS);
        stream.uniforms(0, 0, draws.as_mut());
        (0..count)
            .map(|i| {
                let own = [draws.get(i, 0), draws.get(i, 1), draws.get(i, 2)];
                crossing(-0.3, after, spread, || own)
            })
            .collect()
    }

    /// The law of the first passage of 0 from -0.3, the path given to be at `after` in the end: its distribution function
    /// from the density `|m| s^{-3/2} (1-s)^{-1/2} exp(-m^2/2vs - m'^2/2v(1-s))`, integrated by the midpoint rule in
    /// `logit s`. Seeds 3 and 4; Kolmogorov's statistic below 2.2: false-alarm probability 1.3e-4 each.
    #[test]
    fn times_of_crossing_have_their_law() {
        for (seed, after) in [(3, 0.2), (4, -0.25)] {
            let spread = 0.7_f64;
            let found = shares(after, spread, seed, 40_000);
            let mut times: Vec<f64> = found.iter().flatten().copied().collect();
            let chance = (-2.0 * 0.3 * (-after).max(0.0) / spread).exp();
            let share = times.len() as f64 / found.len() as f64;
            let error = (chance * (1.0 - chance) / found.len() as f64).sqrt();
            assert!((share - chance).abs() <= 4.5 * error, "{share} {chance}");
            let cells = 20_000;
            let at = |k: f64| 1.0 / (1.0 + (14.0 - 28.0 * k / f64::from(cells)).exp());
            let weight = |k: i32| {
                let s = at(f64::from(k) + 0.5);
                let exponent =
                    0.09 / (2.0 * spread * s) + after * after / (2.0 * spread * (1.0 - s));
                (-exponent).exp() * (1.0 - s).sqrt() / s.sqrt()
            };
            let total: f64 = (0..cells).map(weight).sum();
            times.sort_by(f64::total_cmp);
            let (mut mass, mut worst) = (0.0, 0.0_f64);
            for k in 0..cells {
                mass += weight(k) / total;
                let edge = at(f64::from(k) + 1.0);
                let below = times.partition_point(|t| *t <= edge) as f64 / times.len() as f64;
                worst = worst.max((below - mass).abs());
            }
            assert!(worst * (times.len() as f64).sqrt() < 2.2, "{worst}");
        }
    }

    #[test]
    fn without_noise_the_line_between_the_ends_crosses() {
        let never = || unreachable!("no chance is involved");
        assert_eq!(crossing(-1.0, 3.0, 0.0, never), Some(0.25));
        assert_eq!(crossing(-1.0, -0.1, 0.0, never), None);
        assert_eq!(crossing(-1.0, -1.0, 0.01, never), None);
        assert_eq!(crossing(-1.0, f64::NAN, 0.01, never), None);
    }
}
