//! Log density, score and divergence of exact mixtures, one time, blocks of 256 points.
//!
//! Throughput is points per second on one thread. The time-dependent part (`prepare`) is measured apart:
//! a solver pays it once per block and time.
//! - `25 components, 2 states`: isotropic, diagonal and full covariances.
//! - `8 components, 64 states`: the same.
//! - `1797 components, 64 states`: a table of the size of the digits data, noised point masses.
//! - `10000 components, 2 states`: a large table, with wide and with narrow kernels; a point sees about 30 of the
//!   narrow ones.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use onsager::field::noised_mixture::MixtureAt;
use onsager::numeric::batch::Batch;
use onsager::numeric::blocks::BLOCK;
use onsager::problem::meant::law::{Covariance, Mixture};
use std::hint::black_box;

/// Numbers in (−1, 1) without structure.
fn noise(k: usize) -> f64 {
    2.0 * (43_758.545_3 * (12.989_8 * (k as f64 + 1.0)).sin().abs()).fract() - 1.0
}

fn isotropic(_: usize) -> Covariance {
    Covariance::Isotropic(0.1)
}

fn narrow(_: usize) -> Covariance {
    Covariance::Isotropic(1e-5)
}

fn diagonal(d: usize) -> Covariance {
    Covariance::Diagonal((0..d).map(|i| 0.1 + 0.05 * noise(i)).collect())
}

fn full(d: usize) -> Covariance {
    let entry = |i: usize, j: usize| if i == j { 0.2 } else { 0.05 / d as f64 };
    Covariance::Full(
        (0..d)
            .map(|i| (0..d).map(|j| entry(i, j)).collect())
            .collect(),
    )
}

fn mixture(d: usize, count: usize, covariance: fn(usize) -> Covariance) -> Mixture {
    Mixture {
        weights: vec![1.0 / count as f64; count],
        means: (0..count)
            .map(|k| (0..d).map(|j| noise(k * d + j)).collect())
            .collect(),
        covariances: vec![covariance(d); count],
    }
}

fn mixture_score(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mixture");
    type Case = (&'static str, usize, usize, fn(usize) -> Covariance);
    let cases: [Case; 9] = [
        ("isotropic", 2, 25, isotropic),
        ("diagonal", 2, 25, diagonal),
        ("full", 2, 25, full),
        ("isotropic", 64, 8, isotropic),
        ("diagonal", 64, 8, diagonal),
        ("full", 64, 8, full),
        ("isotropic", 64, 1797, isotropic),
        ("isotropic", 2, 10_000, isotropic),
        ("narrow isotropic", 2, 10_000, narrow),
    ];
    for (shape, d, count, covariance) in cases {
        let name = format!("{shape}, {count} components, {d} states");
        let law = mixture(d, count, covariance);
        let at = MixtureAt::new(&law);
        let x = Batch::from_columns(BLOCK, d, (0..BLOCK * d).map(|k| noise(3 * k)).collect());
        let mut score = Batch::zeros(BLOCK, d);
        let mut log_density = vec![0.0; BLOCK];
        let mut divergence = vec![0.0; BLOCK];
        group.throughput(Throughput::Elements(BLOCK as u64));
        group.bench_function(BenchmarkId::new("score", &name), |bencher| {
            bencher.iter(|| at.score(black_box(x.as_ref()), score.as_mut()));
        });
        group.bench_function(BenchmarkId::new("all", &name), |bencher| {
            bencher.iter(|| {
                let x = black_box(x.as_ref());
                at.all(x, &mut log_density, score.as_mut(), &mut divergence);
            });
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("prepare", &name), |bencher| {
            bencher.iter(|| MixtureAt::new(black_box(&law)));
        });
    }
    group.finish();
}

criterion_group!(benches, mixture_score);
criterion_main!(benches);
