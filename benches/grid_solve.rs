//! The grid methods on three Gaussians in the plane and on a double well on a line.
//!
//! Work: every step of every nested grid moves every grid point once; a run solves the grid asked for
//! and three coarser ones. Throughput is points of the finest grid times its steps per second.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use onsager::problem::load;
use onsager::problem::meant::model::{MethodSpec, Scheme, SolverSpec};
use onsager::solvers::lowered::problem::Lowered;
use onsager::solvers::registry::run::solve;
use std::path::Path;

fn grid_solve(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("grid solve");
    group.sample_size(10);
    for (file, points) in [("mixture_vp", vec![193, 193]), ("custom_drift", vec![801])] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("problems/reverse/{file}.toml"));
        let loaded = load(&path, &[]).unwrap_or_else(|report| panic!("{report}"));
        let lowered = Lowered::new(loaded.problem).expect("the shipped lowered lowers");
        let steps = 100;
        let work = points.iter().product::<usize>() * steps;
        group.throughput(Throughput::Elements(work as u64));
        for method in [
            MethodSpec::HopfCole {
                points: points.clone(),
                steps,
                scheme: Scheme::Central,
            },
            MethodSpec::FokkerPlanck {
                points: points.clone(),
                steps,
            },
        ] {
            let name = format!("{file}, {}, {}", method.name(), method.summary());
            let spec = SolverSpec {
                id: "grid".to_owned(),
                method,
            };
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
