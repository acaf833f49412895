//! Random numbers addressed by counter.
//!
//! A number is a pure function of (seed, role, path, step, component): results do not depend on
//! threads, chunking or block size, and noise can be replayed instead of stored.
//!
//! # Source
//! Salmon, Moraes, Dror, Shaw, *Parallel random numbers: as easy as 1, 2, 3* (SC11): Philox4x32-10.

use crate::numeric::batch::BatchMut;

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

    /// The stream of a named role; different names give unrelated numbers.
    pub fn role(&self, name: &str) -> Stream {
        // FNV-1a over the name, mixed with the seed by one Philox block.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mixed = philox(
            [hash as u32, (hash >> 32) as u32, 0, 0],
            [self.seed as u32, (self.seed >> 32) as u32],
        );
        Stream {
            key: [mixed[0], mixed[1]],
        }
    }
}

impl Stream {
    /// Standard normals: row i holds path `first + i`, column j component j, at time node `step`.
    pub fn normals(&self, first: u64, step: u32, mut out: BatchMut<'_>) {
        for pair in 0..out.columns().div_ceil(2) {
            for i in 0..out.points() {
                let [u, v] = self.unit_pair(first + i as u64, step, pair as u32);
                // u is in (0, 1], so the logarithm is finite.
                let radius = (-2.0 * u.ln()).sqrt();
                let (sine, cosine) = (std::f64::consts::TAU * v).sin_cos();
                out.column_mut(2 * pair)[i] = radius * cosine;
                if 2 * pair + 1 < out.columns() {
                    out.column_mut(2 * pair + 1)[i] = radius * sine;
                }
            }
        }
    }

    /// Uniforms in (0, 1], addressed like [`Stream::normals`].
    pub fn uniforms(&self, first: u64, step: u32, mut out: BatchMut<'_>) {
        for pair in 0..out.columns().div_ceil(2) {
            for i in 0..out.points() {
                let [u, v] = self.unit_pair(first + i as u64, step, pair as u32);
                out.column_mut(2 * pair)[i] = u;
                if 2 * pair + 1 < out.columns() {
                    out.column_mut(2 * pair + 1)[i] = v;
                }
            }
        }
    }

    fn unit_pair(&self, path: u64, step: u32, pair: u32) -> [f64; 2] {
        let word = philox([path as u32, (path >> 32) as u32, step, pair], self.key);
        [unit(word[0], word[1]), unit(word[2], word[3])]
    }
}

/// 53 random bits as a number in (0, 1].
fn unit(low: u32, high: u32) -> f64 {
    let bits = (u64::from(high) << 32) | u64::from(low);
    ((bits >> 11) + 1) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// One Philox4x32-10 block.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key[0] = key[0].wrapping_add(0x9E37_79B9);
            key[1] = key[1].wrapping_add(0xBB67_AE85);
        }
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_agrees_with_the_published_known_answers() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }
}
