//! One kernel, compiled once per instruction set, chosen at run time.
//!
//! A [`Kernel`] is written once as plain loops over slices. [`dispatch`] runs the copy compiled for the
//! widest instruction set of the machine, so no build flag is needed to use AVX.
//!
//! Rust never contracts `a * b + c` by itself. A kernel that ignores its `FMA` parameter therefore gives
//! the same bits on every machine; one that passes it to [`multiply_add`] is faster and more accurate
//! where the hardware has fused multiply-add, and may differ in the last place elsewhere.

use std::sync::LazyLock;

/// An instruction set this program was compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What the target triple promises.
    Baseline,
    /// x86-64 with AVX2 and fused multiply-add.
    Avx2,
    /// x86-64 with AVX-512 (F, DQ, VL, BW).
    Avx512,
}

static DETECTED: LazyLock<Isa> = LazyLock::new(detect);

impl Isa {
    /// The widest set this machine has.
    pub fn detected() -> Self {
        *DETECTED
    }

    /// All sets this machine has, narrowest first.
    pub fn available() -> impl Iterator<Item = Isa> {
        [Self::Baseline, Self::Avx2, Self::Avx512]
            .into_iter()
            .filter(|isa| *isa <= Self::detected())
    }

    /// The word used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Runs a kernel with this instruction set, or with the widest the machine has if that is less.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.min(Self::detected()) {
            Self::Baseline => kernel.run::<BASELINE_FMA>(),
            // SAFETY: `detected` saw these features on this machine.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { run_avx2(kernel) },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { run_avx512(kernel) },
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => kernel.run::<BASELINE_FMA>(),
        }
    }
}

/// Whether the target triple itself promises fused multiply-add.
const BASELINE_FMA: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

/// A loop to be compiled for several instruction sets.
pub trait Kernel {
    type Output;
    /// Must be marked `#[inline(always)]`, as must everything it calls that should vectorise.
    fn run<const FMA: bool>(self) -> Self::Output;
}

/// Runs a kernel with the widest instruction set of this machine.
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    Isa::detected().run(kernel)
}

/// `a b + c`, fused where the kernel was compiled for hardware that can.
#[inline(always)]
pub fn multiply_add<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    // Without the hardware, `mul_add` is a library call per number.
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Isa {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        return Isa::Baseline;
    }
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw");
    if wide { Isa::Avx512 } else { Isa::Avx2 }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Isa {
    Isa::Baseline
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<true>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512vl,avx512bw")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<true>()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sum<'a>(&'a [f64]);

    impl Kernel for Sum<'_> {
        type Output = f64;
        #[inline(always)]
        fn run<const FMA: bool>(self) -> f64 {
            self.0
                .iter()
                .fold(0.0, |sum, x| multiply_add::<FMA>(*x, *x, sum))
        }
    }

    #[test]
    fn every_instruction_set_runs_the_same_kernel() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        for isa in Isa::available() {
            assert_eq!(isa.run(Sum(&values)), 328_350.0, "{}", isa.name());
        }
    }
}
