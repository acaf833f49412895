//! What one core of this machine can do, measured on the spot, and the clock to measure it by.
//!
//! Rates are the best of several repetitions by processor time, so that other programs on the machine
//! matter little; elsewhere than on 64-bit Linux they are by wall time.

use onsager::numeric::batch::Batch;
use onsager::numeric::dispatch::{Kernel, dispatch};
use onsager::numeric::elementary::exp_in_place;
use onsager::numeric::random::Streams;
use std::hint::black_box;
use std::time::Instant;

/// Rates of one core, in units per second of processor time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub exponentials: f64,
    pub normals: f64,
    pub flops: f64,
    pub bytes: f64,
}

impl Limits {
    pub fn measure() -> Self {
        Self {
            exponentials: exponentials(),
            normals: normals(),
            flops: flops(),
            bytes: bytes(),
        }
    }
}

/// Processor seconds of all threads of this process, past ones too.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub fn processor_seconds() -> Option<f64> {
    #[repr(C)]
    struct Time {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Time) -> i32;
    }
    const PROCESS: i32 = 2;
    let mut time = Time {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: the C library, which the standard library links, fills the two numbers in.
    let status = unsafe { clock_gettime(PROCESS, &mut time) };
    (status == 0).then_some(time.seconds as f64 + 1e-9 * time.nanoseconds as f64)
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub fn processor_seconds() -> Option<f64> {
    None
}

/// Least seconds that `work` took over repetitions: processor seconds shared by `threads`, and wall.
pub fn least_seconds(threads: usize, repetitions: usize, mut work: impl FnMut()) -> (f64, f64) {
    let (mut processor, mut wall) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..repetitions {
        let before = processor_seconds();
        let began = Instant::now();
        work();
        let elapsed = began.elapsed().as_secs_f64();
        wall = wall.min(elapsed);
        let used = match (before, processor_seconds()) {
            (Some(before), Some(after)) => (after - before) / threads as f64,
            _ => elapsed,
        };
        processor = processor.min(used);
    }
    (processor, wall)
}

fn rate(units: usize, work: impl FnMut()) -> f64 {
    units as f64 / least_seconds(1, 9, work).0
}

/// Numbers that stay in the first-level cache.
const SHORT: usize = 1024;
const ROUNDS: usize = 100_000;

/// The better of this library's and of a bare loop without special cases.
fn exponentials() -> f64 {
    let arguments: Vec<f64> = (0..SHORT)
        .map(|k| -20.0 * k as f64 / SHORT as f64)
        .collect();
    let mut values = arguments.clone();
    let library = rate(SHORT * ROUNDS, || {
        for _ in 0..ROUNDS {
            values.copy_from_slice(black_box(&arguments));
            exp_in_place(black_box(&mut values));
        }
    });
    let bare = rate(SHORT * ROUNDS, || {
        for _ in 0..ROUNDS {
            bare_exponentials(black_box(&arguments), black_box(&mut values));
        }
    });
    library.max(bare)
}

#[cfg(target_arch = "x86_64")]
fn bare_exponentials(from: &[f64], to: &mut [f64]) {
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the instruction set was just seen.
        unsafe { bare::exponentials(from, to) }
    } else {
        to.copy_from_slice(from);
        exp_in_place(to);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn bare_exponentials(from: &[f64], to: &mut [f64]) {
    to.copy_from_slice(from);
    exp_in_place(to);
}

#[cfg(target_arch = "x86_64")]
mod bare {
    use std::arch::x86_64::*;

    /// Polynomial of degree 13 and the scaling instruction: about 1 ulp, finite arguments only.
    #[target_feature(enable = "avx512f")]
    pub fn exponentials(from: &[f64], to: &mut [f64]) {
        const COEFFICIENTS: [f64; 13] = [
            1.0 / 6_227_020_800.0,
            1.0 / 479_001_600.0,
            1.0 / 39_916_800.0,
            1.0 / 3_628_800.0,
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5_040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
            1.0,
        ];
        let one = _mm512_set1_pd(1.0);
        let log2_e = _mm512_set1_pd(std::f64::consts::LOG2_E);
        let high = _mm512_set1_pd(0.693_147_180_485_539_1);
        let low = _mm512_set1_pd(7.440_617_110_012_397e-11);
        let from = from.as_chunks::<32>().0;
        let to = to.as_chunks_mut::<32>().0;
        for (from, to) in from.iter().zip(to) {
            for (from, to) in from
                .as_chunks::<8>()
                .0
                .iter()
                .zip(to.as_chunks_mut::<8>().0)
            {
                // SAFETY: eight doubles each.
                let x = unsafe { _mm512_loadu_pd(from.as_ptr()) };
                let n = _mm512_roundscale_pd::<8>(_mm512_mul_pd(x, log2_e));
                let r = _mm512_fnmadd_pd(n, high, x);
                let r = _mm512_fnmadd_pd(n, low, r);
                let mut p = _mm512_set1_pd(COEFFICIENTS[0]);
                for c in &COEFFICIENTS[1..] {
                    p = _mm512_fmadd_pd(p, r, _mm512_set1_pd(*c));
                }
                p = _mm512_fmadd_pd(p, r, one);
                // SAFETY: eight doubles each.
                unsafe { _mm512_storeu_pd(to.as_mut_ptr(), _mm512_scalef_pd(p, n)) };
            }
        }
    }
}

/// Counter-addressed normals of this library.
fn normals() -> f64 {
    let stream = Streams::new(1).role("limit");
    let mut out = Batch::zeros(SHORT, 1);
    let mut step = 0;
    rate(SHORT * ROUNDS / 5, || {
        for _ in 0..ROUNDS / 5 {
            step += 1;
            stream.normals(0, step, black_box(out.as_mut()));
        }
    })
}

/// Independent chains of fused multiply-adds.
struct Chains<'a> {
    sums: &'a mut [[f64; 8]; 12],
}

impl Kernel for Chains<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (factor, term) = (black_box([0.999_999; 8]), black_box([1e-7; 8]));
        let mut sums = black_box(*self.sums);
        for _ in 0..ROUNDS * 150 {
            for sum in &mut sums {
                for lane in 0..8 {
                    sum[lane] = if FMA {
                        sum[lane].mul_add(factor[lane], term[lane])
                    } else {
                        sum[lane] * factor[lane] + term[lane]
                    };
                }
            }
        }
        *self.sums = sums;
    }
}

fn flops() -> f64 {
    let mut sums = [[1.0; 8]; 12];
    let operations = 2 * 8 * 12 * ROUNDS * 150;
    rate(operations, || {
        dispatch(Chains {
            sums: black_box(&mut sums),
        });
    })
}

/// Two arrays read and one written, all larger than the caches.
fn bytes() -> f64 {
    const LONG: usize = 1 << 23;
    let (a, b) = (vec![1.0; LONG], vec![2.0; LONG]);
    let mut c = vec![0.0; LONG];
    rate(3 * 8 * LONG, || {
        for ((c, a), b) in c.iter_mut().zip(black_box(&a)).zip(&b) {
            *c = a + 3.0 * b;
        }
        black_box(&mut c);
    })
}
