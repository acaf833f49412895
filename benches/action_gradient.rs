//! Gradients of the discretized action per second: two states, 1024 paths of 100 steps, bumps with 12
//! time nodes (about 200 coefficients each) and a mixture of six.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use onsager::discretization::noising::Noising;
use onsager::discretization::schedule::{Schedule, TimeFunction};
use onsager::discretization::time_grid::TimeGrid;
use onsager::field::draws::draw_mixture;
use onsager::field::family::Family;
use onsager::field::noised_mixture::NoisedMixture;
use onsager::field::{mixture_potential, rbf};
use onsager::numeric::random::Streams;
use onsager::problem::meant::law::{Covariance, Mixture};
use onsager::problem::meant::model::Spacing;
use onsager::solvers::learned::path_cost::{ControlVariate, Normals, PathCost};
use onsager::solvers::learned::reverse_walk::ReverseWalk;
use std::sync::Arc;

const T_MIN: f64 = 1e-3;
const PATHS: usize = 1024;
const STEPS: usize = 100;

fn gradients(criterion: &mut Criterion) {
    let beta = TimeFunction::Linear {
        lo: 0.1,
        slope: 19.9,
    };
    let noising = Noising::isotropic(Schedule::VariancePreserving(beta), 2, 0.0, 1.0);
    let data = Mixture {
        weights: vec![0.3, 0.5, 0.2],
        means: vec![vec![-2.0, 0.0], vec![1.5, 1.0], vec![1.0, -2.0]],
        covariances: vec![
            Covariance::Isotropic(0.05),
            Covariance::Diagonal(vec![0.10, 0.04]),
            Covariance::Full(vec![vec![0.08, 0.05], vec![0.05, 0.08]]),
        ],
    };
    let transition = noising.transition().expect("affine").clone();
    let law = NoisedMixture::new(data, transition, 0.0);
    let prior = Mixture::gaussian(vec![0.0; 2], Covariance::Isotropic(1.0));
    let grid = TimeGrid::new(&noising, T_MIN, STEPS, Spacing::LogSnr);
    let streams = Streams::new(1);
    let paths = PathCost::new(
        Arc::new(ReverseWalk::new(&law, &grid)),
        draw_mixture(&prior, &streams.role("path-start"), 0, PATHS),
        Normals::Drawn(streams.role("path-noise")),
    );
    let mut group = criterion.benchmark_group("action-gradient");
    group.throughput(Throughput::Elements((PATHS * STEPS) as u64));
    group.sample_size(10);
    for (name, spec) in [
        ("rbf-200", rbf::spec(194, 12)),
        ("mixture-6", mixture_potential::spec(6)),
    ] {
        let mut family = Family::new(&spec, &noising, &law, T_MIN, &streams).expect("two states");
        family.prepare(&paths.times());
        let mut gradient = vec![0.0; family.get().parameters().len()];
        group.bench_function(name, |bencher| {
            bencher
                .iter(|| paths.mean_and_gradient(family.get(), ControlVariate::Own, &mut gradient));
        });
    }
    group.finish();
}

criterion_group!(benches, gradients);
criterion_main!(benches);
