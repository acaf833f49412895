//! Compiled expressions: log density and score of a mixture of 25 Gaussians in the plane, built
//! symbolically and evaluated on blocks of points.
//!
//! Compared: the tape on every instruction set of the machine, and node-by-node evaluation of the same
//! graph. Held equal: the expression, the points, one thread. Results agree to 1e-12, checked before
//! timing. Reported: points per second, with the operations per point of the tape.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use onsager::expr::{Expr, Graph, Kernel, Scope, Shape, parse_scalar};
use onsager::numeric::batch::Batch;
use onsager::numeric::dispatch::Isa;

const POINTS: usize = 8192;

struct Mixture {
    graph: Graph,
    state: Vec<Expr>,
    time: Expr,
    outputs: Vec<Expr>,
}

/// `log sum_k w_k N(x; m_k, s_k(t)^2)` on a 5 by 5 lattice of means, and its gradient.
fn mixture(source: &str) -> Mixture {
    let (mut graph, mut scope) = (Graph::new(), Scope::new());
    let state = scope.state(&mut graph, "x", &Shape::Vector(2));
    let time = scope.time(&mut graph);
    scope
        .define("a(k)", "k % 5 - 2")
        .expect("the definition is well formed");
    scope
        .define("b(k)", "floor(k/5) - 2")
        .expect("the definition is well formed");
    scope
        .define("s2(k)", "0.1 + 0.01*k + t")
        .expect("the definition is well formed");
    let log_density = parse_scalar(source, &scope, &mut graph).expect("the density is well formed");
    let mut outputs = vec![log_density];
    outputs.extend(graph.gradient(log_density, &state));
    Mixture {
        graph,
        state,
        time,
        outputs,
    }
}

const SHIFTED: &str = "logsumexp(k in 0..25: log((k + 1)/325) - log(2*pi*s2(k)) - ((x[0] - a(k))^2 + (x[1] - b(k))^2)/(2*s2(k)))";
const PLAIN: &str = "log(sum(k in 0..25: (k + 1)/325/(2*pi*s2(k))*exp(-((x[0] - a(k))^2 + (x[1] - b(k))^2)/(2*s2(k)))))";

fn points() -> Batch {
    let rows: Vec<[f64; 2]> = (0..POINTS)
        .map(|i| {
            let u = i as f64;
            [3.0 * (1.7 * u).sin(), 3.0 * (0.9 * u).cos()]
        })
        .collect();
    Batch::from_rows(2, &rows)
}

fn check(mixture: &Mixture, kernel: &Kernel, x: &Batch) {
    let mut out = Batch::zeros(POINTS, 3);
    kernel.eval(0.2, x.as_ref(), out.as_mut());
    for i in (0..POINTS).step_by(997) {
        let at = [
            (mixture.state[0], x.get(i, 0)),
            (mixture.state[1], x.get(i, 1)),
            (mixture.time, 0.2),
        ];
        let slow = mixture
            .graph
            .evaluate_all(&mixture.outputs, &at)
            .expect("all inputs have values");
        for (a, b) in slow.iter().zip(out.row(i)) {
            assert!((a - b).abs() < 1e-12 * (1.0 + a.abs()), "{a} {b}");
        }
    }
}

fn expression(criterion: &mut Criterion) {
    let x = points();
    let mut group = criterion.benchmark_group("mixture-25");
    group.throughput(Throughput::Elements(POINTS as u64));
    for (name, source) in [("logsumexp", SHIFTED), ("log-of-sum", PLAIN)] {
        let mixture = mixture(source);
        let compile = || {
            Kernel::compile(
                &mixture.graph,
                &mixture.outputs,
                mixture.time,
                &mixture.state,
            )
            .expect("only inputs occur")
        };
        let kernel = compile();
        check(&mixture, &kernel, &x);
        println!("{name}: {} operations per point", kernel.operations());
        let mut out = Batch::zeros(POINTS, 3);
        for isa in Isa::available() {
            group.bench_function(format!("{name}/{}", isa.name()), |bench| {
                bench.iter(|| kernel.eval_with(isa, 0.2, x.as_ref(), out.as_mut()));
            });
        }
        group.bench_function(format!("{name}/compile"), |bench| {
            bench.iter_batched(|| (), |()| compile(), BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, expression);
criterion_main!(benches);
