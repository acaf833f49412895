//! The grid methods on three Gaussians in the plane and on a double well on a line.
//!
//! Work: every step of every nested grid moves every grid point once; a run solves the grid asked for
//! and three coarser ones. Throughput is points of the finest grid times its steps per second.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use onsager::problem::load;
use onsager::problem::meant::options::Options;
use onsager::problem::meant::solver::SolverSpec;
use onsager::solvers::grid::{fokker_planck, hopf_cole};
use onsager::solvers::lowered::problem::Lowered;
use onsager::solvers::registry::run::solve;
use onsager::verification::vocabulary::standard;
use std::path::Path;

fn grid_solve(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("grid solve");
    group.sample_size(10);
    for (file, points) in [("mixture_vp", vec![193, 193]), ("custom_drift", vec![801])] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("problems/reverse/{file}.toml"));
        let loaded = load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
        let lowered = Lowered::new(loaded.problem).expect("the shipped lowered lowers");
        let steps = 100;
        let work = points.iter().product::<usize>() * steps;
        group.throughput(Throughput::Elements(work as u64));
        for card in [&hopf_cole::CARD, &fokker_planck::CARD] {
            let mut options = Options::default();
            options.set("points", points.clone());
            options.set("steps", steps);
            let spec = SolverSpec {
                id: "grid".to_owned(),
                card,
                options,
            };
            let name = format!("{file}, {}, {}", spec.method(), spec.summary());
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    solve(&lowered, &spec, &[], None, &mut |_| {})
                        .unwrap_or_else(|refused| panic!("{refused}"))
                        .work
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, grid_solve);
criterion_main!(benches);
