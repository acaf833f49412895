//! How long a derivation takes as the problem grows: rings of n coupled oscillators, n = 2 to 1024.
//!
//! Timed, each stage once per size and the best of three: reading the energy, its gradient by reverse
//! accumulation, an HJB-like residual (transport, control price, second derivatives) of the energy as value
//! function, and compilation of gradient and residual. Reported per size, with nodes and tape operations,
//! and the exponent of time against n fitted over the upper half of the sizes, where fixed costs are small.
//! The claim is an exponent of at most 2.

use onsager::expr::{Expr, Graph, Kernel, Scope, Shape, parse_scalar};
use std::time::Instant;

const ENERGY: &str =
    "sum(i in 0..n: v[i]^2/2 + x[i]^2/2 + x[i]^4/4 + 1 - cos(x[(i+1) % n] - x[i]))";
const STAGES: [&str; 4] = ["read", "gradient", "residual", "compile"];

/// Seconds per stage, nodes of the graph, operations of the tape.
fn derive(n: usize) -> ([f64; 4], usize, usize) {
    let mut seconds = [0.0; 4];
    let started = Instant::now();
    let (mut graph, mut scope) = (Graph::new(), Scope::new());
    let mut variables = scope.variable(&mut graph, "x", &Shape::Vector(n));
    variables.extend(scope.variable(&mut graph, "v", &Shape::Vector(n)));
    let time = scope.time(&mut graph);
    scope.bind_number(&mut graph, "n", n as f64);
    let energy = parse_scalar(ENERGY, &scope, &mut graph).expect("the energy is well formed");
    seconds[0] = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let slope = graph.gradient(energy, &variables);
    seconds[1] = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let residual = residual(&mut graph, &slope, &variables);
    seconds[2] = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let mut outputs = slope;
    outputs.push(residual);
    let kernel = Kernel::compile(&graph, &outputs, time, &variables).expect("only inputs occur");
    seconds[3] = started.elapsed().as_secs_f64();
    (seconds, graph.len(), kernel.operations())
}

/// `sum_i v_i d_{x_i} H - d_{x_i} H d_{v_i} H - (d_{v_i} H)^2 / 2 + d_{v_i}^2 H / 2`.
fn residual(graph: &mut Graph, slope: &[Expr], variables: &[Expr]) -> Expr {
    let n = variables.len() / 2;
    let half = graph.rational(1, 2);
    let mut terms = Vec::new();
    for i in 0..n {
        let (force, momentum) = (slope[i], slope[n + i]);
        terms.push(graph.mul(&[variables[n + i], force]));
        let exchange = graph.mul(&[force, momentum]);
        terms.push(graph.neg(exchange));
        let square = graph.powi(momentum, 2);
        let price = graph.mul(&[half, square]);
        terms.push(graph.neg(price));
        let bend = graph.derivative(momentum, variables[n + i]);
        terms.push(graph.mul(&[half, bend]));
    }
    graph.add(&terms)
}

/// Slope of `log y` against `log x` by least squares.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let (mx, my) = logs
        .iter()
        .fold((0.0, 0.0), |(a, b), (x, y)| (a + x / count, b + y / count));
    let (top, bottom) = logs.iter().fold((0.0, 0.0), |(a, b), (x, y)| {
        (a + (x - mx) * (y - my), b + (x - mx) * (x - mx))
    });
    top / bottom
}

fn main() {
    println!(
        "{:>5} {:>9} {:>10}  seconds: {}",
        "n",
        "nodes",
        "operations",
        STAGES.join(", ")
    );
    let mut totals: Vec<(f64, [f64; 4])> = Vec::new();
    for power in 1..=10 {
        let n = 1 << power;
        let (mut best, nodes, operations) = derive(n);
        for _ in 0..2 {
            let (again, ..) = derive(n);
            for (b, a) in best.iter_mut().zip(again) {
                *b = b.min(a);
            }
        }
        let shown: Vec<String> = best.iter().map(|s| format!("{s:.2e}")).collect();
        println!("{n:>5} {nodes:>9} {operations:>10}  {}", shown.join("  "));
        totals.push((n as f64, best));
    }
    let upper = &totals[totals.len() / 2..];
    for (stage, name) in STAGES.iter().enumerate() {
        let points: Vec<_> = upper.iter().map(|(n, s)| (*n, s[stage])).collect();
        println!("{name}: time ~ n^{:.2}", exponent(&points));
    }
    let points: Vec<_> = upper.iter().map(|(n, s)| (*n, s.iter().sum())).collect();
    let total = exponent(&points);
    println!("all: time ~ n^{total:.2} (claim: at most 2)");
}
