//! Gradients of many variables: one sweep, the same values, and work that grows with the size.

use super::random::{build, recipe, seeded, setting};
use crate::expr::{Expr, Graph, Kernel, Scope, Shape, parse_scalar};
use proptest::prelude::*;

const ENERGY: &str =
    "sum(i in 0..n: v[i]^2/2 + x[i]^2/2 + x[i]^4/4 + 1 - cos(x[(i+1) % n] - x[i]))";

/// Energy of a ring of `n` coupled oscillators, with positions and velocities.
fn ring(n: usize) -> (Graph, Expr, Vec<Expr>) {
    let (mut graph, mut scope) = (Graph::new(), Scope::new());
    let mut variables = scope.variable(&mut graph, "x", &Shape::Vector(n));
    variables.extend(scope.variable(&mut graph, "v", &Shape::Vector(n)));
    scope.time(&mut graph);
    scope.bind_number(&mut graph, "n", n as f64);
    let energy = parse_scalar(ENERGY, &scope, &mut graph).expect("the energy is well formed");
    (graph, energy, variables)
}

/// `sum_i v_i d_{x_i} H - d_{x_i} H d_{v_i} H - (d_{v_i} H)^2 / 2 + d_{v_i}^2 H / 2`.
fn residual(graph: &mut Graph, energy: Expr, variables: &[Expr]) -> Expr {
    let slope = graph.gradient(energy, variables);
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

#[test]
fn derivation_work_grows_at_most_quadratically() {
    // Nodes made, derivatives memoised, operations compiled: per size.
    let counts = |n: usize| {
        let (mut graph, energy, variables) = ring(n);
        let typed = graph.len();
        let residual = residual(&mut graph, energy, &variables);
        let time = graph.symbol("t");
        let kernel = Kernel::compile(&graph, &[residual], time, &variables).expect("compiles");
        let made = graph.len() - typed;
        [made, graph.derivatives.len(), kernel.operations()]
    };
    let (small, large) = (counts(32), counts(128));
    for (a, b) in small.iter().zip(large) {
        let exponent = (b as f64 / *a as f64).log2() / 2.0;
        assert!(exponent < 1.1, "{small:?} {large:?}: {exponent}");
    }
    // One forward sweep for each of 256 variables would memoise every node of the energy 256 times.
    assert!(large[1] < 3 * 256, "{large:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..seeded() })]

    /// The reverse sweep against forward-mode values, for functions of many variables.
    #[test]
    fn reverse_gradients_match_forward_mode(recipes in prop::collection::vec(recipe(), 6)) {
        let mut s = setting();
        let t = s.variables[2];
        // The recipes' two states, renamed, so that each part has its own.
        let mut variables = Vec::new();
        let mut parts = Vec::new();
        for (k, recipe) in recipes.iter().enumerate() {
            let part = build(&mut s.graph, &s.variables, recipe);
            let own: Vec<Expr> = (0..2).map(|i| s.graph.symbol(&format!("y[{}]", 2 * k + i))).collect();
            let renamed = [(s.variables[0], own[0]), (s.variables[1], own[1])];
            parts.push(s.graph.substitute(part, &renamed));
            variables.extend(own);
        }
        let pairs: Vec<Expr> = (0..5).map(|k| s.graph.mul(&[parts[k], parts[k + 1]])).collect();
        let e = s.graph.add(&pairs);
        let gradient = s.graph.gradient(e, &variables);
        let mut at: Vec<(Expr, f64)> = variables.iter().enumerate()
            .map(|(i, v)| (*v, 0.3 + 0.37 * (i as f64 * 1.3).sin()))
            .collect();
        at.push((t, 0.283));
        let below = s.graph.reachable(&[e]);
        let inside = s.graph.evaluate_all(&below, &at).expect("all have values");
        prop_assume!(inside.iter().all(|v| v.is_finite() && v.abs() < 1e3));
        let values = s.graph.evaluate_all(&gradient, &at).expect("all have values");
        for (variable, value) in variables.iter().zip(values) {
            let jet = s.graph.taylor(&[e], &at, &[(*variable, 1.0)]).expect("all have values")[0];
            prop_assume!(jet[1].is_finite() && value.is_finite() && jet[1].abs() < 1e6);
            prop_assert!((jet[1] - value).abs() <= 1e-7 * (1.0 + value.abs()), "{jet:?} {value}");
        }
    }
}
