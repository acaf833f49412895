//! Reverse simulation with the exact score, Euler–Maruyama.
//!
//! Work per path-step: one score of the mixture (one exponential a component), one normal a state.
//! - `25 components, 2 states`: 5 × 5 means two apart, standard deviation 0.1, variance-preserving
//!   noising with beta linear from 0.1 to 20, 500 steps.
//! - `8 components, 64 states`: isotropic components, 200 steps.
//!
//! Throughput is path-steps per second.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use onsager::discretization::noising::Noising;
use onsager::discretization::schedule::{Schedule, TimeFunction};
use onsager::discretization::time_grid::TimeGrid;
use onsager::field::draws::draw_mixture;
use onsager::field::noised_mixture::NoisedMixture;
use onsager::numeric::blocks::BLOCK;
use onsager::numeric::random::Streams;
use onsager::problem::meant::law::{Covariance, Mixture};
use onsager::problem::meant::model::{Integrator, Spacing};
use onsager::solvers::walk::reverse_sampling::Walk;

fn equal_mixture(means: Vec<Vec<f64>>, variance: f64) -> Mixture {
    let components = means.len();
    Mixture {
        weights: vec![1.0 / components as f64; components],
        means,
        covariances: vec![Covariance::Isotropic(variance); components],
    }
}

fn five_by_five() -> Mixture {
    let axis = [-4.0, -2.0, 0.0, 2.0, 4.0];
    let means = axis
        .iter()
        .flat_map(|x| axis.iter().map(|y| vec![*x, *y]))
        .collect();
    equal_mixture(means, 0.01)
}

/// Eight corners of a cube embedded in 64 dimensions.
fn eight_corners() -> Mixture {
    let means = (0..8)
        .map(|k| {
            (0..64)
                .map(|j| if (k >> (j % 3)) & 1 == 1 { 1.0 } else { -1.0 })
                .collect()
        })
        .collect();
    equal_mixture(means, 0.04)
}

fn reverse_simulation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reverse simulation");
    group.sample_size(10);
    for (name, mixture, paths, steps) in [
        ("25 components, 2 states", five_by_five(), 10_000, 500),
        ("8 components, 64 states", eight_corners(), 2_000, 200),
    ] {
        let beta = TimeFunction::Linear {
            lo: 0.1,
            slope: 19.9,
        };
        let noising = Noising::isotropic(
            Schedule::VariancePreserving(beta),
            mixture.dimension(),
            0.0,
            1.0,
        );
        let transition = noising.transition().expect("linear noising").clone();
        let prior = Mixture::gaussian(vec![0.0; mixture.dimension()], Covariance::Isotropic(1.0));
        let score = NoisedMixture::new(mixture, transition, 0.0);
        let grid = TimeGrid::new(&noising, 1e-3, steps, Spacing::Uniform);
        let streams = Streams::new(1);
        let start = draw_mixture(&prior, &streams.role("start"), 0, paths);
        let walk = Walk {
            noising: &noising,
            score: &score,
            grid: &grid,
            noise_level: 1.0,
            integrator: Integrator::EulerMaruyama,
            stream: &streams.role("noise"),
            block: BLOCK,
        };
        group.throughput(Throughput::Elements((paths * steps) as u64));
        group.bench_function(name, |bencher| bencher.iter(|| walk.run(start.as_ref())));
    }
    group.finish();
}

criterion_group!(benches, reverse_simulation);
criterion_main!(benches);
