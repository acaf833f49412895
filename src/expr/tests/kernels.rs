//! Compiled kernels against node-by-node evaluation.

use super::random::{Recipe, build, recipe, seeded, setting};
use crate::expr::{CompileError, Expr, Graph, Kernel, Scope, Shape, parse, parse_scalar};
use crate::numeric::batch::Batch;
use crate::numeric::dispatch::Isa;
use proptest::prelude::*;

/// Points of a small lattice without symmetry.
fn points(count: usize) -> Batch {
    let rows: Vec<[f64; 2]> = (0..count)
        .map(|i| {
            let u = i as f64;
            [(1.7 * u).sin() * 1.9 + 0.1, (0.9 * u + 0.3).cos() * 1.7]
        })
        .collect();
    Batch::from_rows(2, &rows)
}

/// Relative to the largest value met inside: what a differently rounded evaluation may lose.
fn largest_inside(g: &Graph, e: Expr, at: &[(Expr, f64)]) -> f64 {
    let below = g.reachable(&[e]);
    let values = g.evaluate_all(&below, at).unwrap_or_default();
    values.iter().fold(1.0_f64, |m, v| m.max(v.abs()))
}

fn check(recipes: &[Recipe]) -> Result<(), TestCaseError> {
    let mut s = setting();
    let mut outputs: Vec<Expr> = Vec::new();
    for recipe in recipes {
        outputs.push(build(&mut s.graph, &s.variables, recipe));
    }
    let (state, t) = (&s.variables[..2], s.variables[2]);
    let kernel = Kernel::compile(&s.graph, &outputs, t, state).expect("only inputs occur");
    let x = points(19);
    for isa in Isa::available() {
        let mut out = Batch::zeros(x.points(), outputs.len());
        kernel.eval_with(isa, 0.37, x.as_ref(), out.as_mut());
        for i in 0..x.points() {
            let at = [(state[0], x.get(i, 0)), (state[1], x.get(i, 1)), (t, 0.37)];
            for (j, e) in outputs.iter().enumerate() {
                let inside = largest_inside(&s.graph, *e, &at);
                let slow = s.graph.evaluate(*e, &at).expect("all inputs have values");
                let fast = out.get(i, j);
                // Beyond this the problem is too badly conditioned for any two evaluations to agree,
                // and jumps (floor, sign, if) may fall on either side.
                if !slow.is_finite() || inside > 1e3 || s.graph.is_kinked(*e) {
                    continue;
                }
                prop_assert!(
                    (slow - fast).abs() <= 1e-8 * inside * (1.0 + slow.abs()),
                    "{} at {at:?} with {}: {slow} {fast}",
                    s.graph.text(*e),
                    isa.name()
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn kernels_agree_with_plain_evaluation(recipes in prop::collection::vec(recipe(), 1..4)) {
        check(&recipes)?;
    }
}

fn compile(sources: &[&str]) -> Kernel {
    let (mut g, mut scope) = (Graph::new(), Scope::new());
    let state = scope.state(&mut g, "x", &Shape::Vector(2));
    let t = scope.time(&mut g);
    let outputs: Vec<_> = sources
        .iter()
        .flat_map(|s| parse(s, &scope, &mut g).expect(s).components())
        .collect();
    Kernel::compile(&g, &outputs, t, &state).expect("only inputs occur")
}

fn at_point(kernel: &Kernel, t: f64, x: [f64; 2]) -> Vec<f64> {
    let mut out = vec![0.0; kernel.outputs()];
    kernel.eval_point(t, &x, &mut out);
    out
}

#[test]
fn every_function_is_compiled() {
    let kernel = compile(&[
        "asin(x[0]) + acos(x[0]) + atan(x[0])",
        "atan2(x[1], x[0])",
        "erf(x[0]) + lgamma(x[0] + 3)",
        "sigmoid(x[1]) + softplus(x[1])",
        "log1p(x[0]) + expm1(x[1])",
        "sinh(x[1]) + cosh(x[1]) + tan(x[1]) + tanh(x[1])",
        "x[0]^3 + x[0]^(-2) + (x[0] + 1)^(5/2) + x[0]^(1/3) + 2^x[1] + (x[0] + 1)^t",
        "if(x[0] > 0 and not x[1] > 0 or x[0] == 7, floor(x[1]), 5)",
        "max(x[0], x[1], 0.1) - min(x[0], t) + sign(x[1]) + abs(x[1])",
        "if(t > 1, x[0], x[1])",
    ]);
    let (a, b, t) = (0.4_f64, -0.8_f64, 0.25_f64);
    let expected = [
        std::f64::consts::FRAC_PI_2 + a.atan(),
        b.atan2(a),
        0.428_392_355_046_668_5 + 2.4_f64.ln() + 1.4_f64.ln() - 0.119_612_914_172_371_8,
        1.0 / (1.0 + 0.8_f64.exp()) + (1.0 + (-0.8_f64).exp()).ln(),
        1.4_f64.ln() + (-0.8_f64).exp() - 1.0,
        b.exp() + b.tan() + b.tanh(),
        a * a * a
            + 1.0 / (a * a)
            + 1.4_f64.powf(2.5)
            + a.cbrt()
            + 2.0_f64.powf(b)
            + 1.4_f64.powf(t),
        -1.0,
        0.4 - 0.25 - 1.0 + 0.8,
        b,
    ];
    for (value, expected) in at_point(&kernel, t, [a, b]).iter().zip(expected) {
        assert!((value - expected).abs() < 1e-13, "{value} {expected}");
    }
}

#[test]
fn the_result_does_not_depend_on_how_points_are_batched() {
    let kernel = compile(&[
        "exp(-x[0]^2)*sin(3*x[1]) + logsumexp(x[0], t*x[1])",
        "t^2",
        "x[1]",
    ]);
    let x = points(1000);
    let mut all = Batch::zeros(1000, 3);
    kernel.eval(0.6, x.as_ref(), all.as_mut());
    for i in [0, 7, 255, 256, 511, 999] {
        let single = at_point(&kernel, 0.6, [x.get(i, 0), x.get(i, 1)]);
        assert_eq!(single, all.row(i));
    }
    assert_eq!(all.get(3, 1), 0.6 * 0.6);
    let mut none = Batch::zeros(0, 3);
    kernel.eval(0.6, Batch::zeros(0, 2).as_ref(), none.as_mut());
}

#[test]
fn outside_the_domain_is_not_a_number_and_branches_do_not_leak() {
    let kernel = compile(&["log(x[0])", "sqrt(x[0])", "if(x[0] > 0, log(x[0]), 7)"]);
    let out = at_point(&kernel, 0.0, [-1.0, 0.0]);
    assert!(out[0].is_nan() && out[1].is_nan());
    assert_eq!(out[2], 7.0);
}

#[test]
fn log_sum_exp_survives_large_and_infinite_arguments() {
    let kernel = compile(&[
        "logsumexp(1000*x[0], 1000*x[1], -2000)",
        "logsumexp(log(x[0]), log(x[1]))",
    ]);
    let out = at_point(&kernel, 0.0, [1.0, 1.0]);
    assert!((out[0] - (1000.0 + 2.0_f64.ln())).abs() < 1e-12);
    assert_eq!(at_point(&kernel, 0.0, [0.0, 0.0])[1], f64::NEG_INFINITY);
}

#[test]
fn softmax_weights_reuse_the_exponentials_of_their_sum() {
    let (mut g, mut scope) = (Graph::new(), Scope::new());
    let state = scope.state(&mut g, "x", &Shape::Vector(2));
    let t = scope.time(&mut g);
    let source = "logsumexp(k in 0..8: -norm2(x - k)/2 - k)";
    let e = parse_scalar(source, &scope, &mut g).expect(source);
    let score = g.gradient(e, &state);
    let alone = Kernel::compile(&g, &[e], t, &state).expect("compiles");
    let with_score = Kernel::compile(&g, &[e, score[0], score[1]], t, &state).expect("compiles");
    // At most two multiplications and two additions per component and coordinate beyond the sum.
    assert!(
        with_score.operations() < alone.operations() + 8 * 6,
        "{}",
        with_score.operations()
    );
    // The shifted weights are the derivative all the same.
    let plain = parse_scalar(
        "log(sum(k in 0..8: exp(-norm2(x - k)/2 - k)))",
        &scope,
        &mut g,
    )
    .expect("the same without shifting");
    let slope = g.derivative(plain, state[0]);
    assert!(g.equal(slope, score[0]).is_proved());
    let both = Kernel::compile(&g, &[slope, score[0]], t, &state).expect("compiles");
    for i in 0..50 {
        let out = at_point(&both, 0.0, [0.2 * f64::from(i) - 3.0, 1.0]);
        assert!(
            (out[0] - out[1]).abs() < 1e-13 * (1.0 + out[0].abs()),
            "{out:?}"
        );
    }
}

#[test]
fn free_symbols_and_unknown_functions_are_named() {
    let mut g = Graph::new();
    let (x, t, k) = (g.symbol("x"), g.symbol("t"), g.symbol("k"));
    let e = g.mul(&[k, x]);
    match Kernel::compile(&g, &[e], t, &[x]) {
        Err(CompileError::FreeSymbols { names, .. }) => assert_eq!(names, ["k"]),
        other => panic!("{other:?}"),
    }
    let v = g.unknown("V", &[x, t]);
    let slope = g.derivative(v, t);
    match Kernel::compile(&g, &[slope], t, &[x]) {
        Err(CompileError::UnknownFunctions { names }) => assert_eq!(names, ["V_t"]),
        other => panic!("{other:?}"),
    }
}

/// Sums of many inputs and forms in many pairs of inputs run as rows of a matrix: to rounding what evaluation node by
/// node gives, at every point of blocks that are not full.
#[test]
fn long_sums_of_inputs_are_evaluated_as_they_are_written() {
    const SIZE: usize = 23;
    let mut g = Graph::new();
    let mut scope = Scope::new();
    let t = scope.time(&mut g);
    let x = scope.state(&mut g, "x", &Shape::Vector(SIZE));
    let entry = |i: usize, j: usize| ((i * 31 + j * 17) % 41) as f64 / 8.0 - 2.5;
    let matrix: Vec<Vec<f64>> = (0..SIZE)
        .map(|i| (0..SIZE).map(|j| entry(i, j)).collect())
        .collect();
    scope.bind_matrix(&mut g, "A", &matrix);
    let mut outputs = Vec::new();
    for text in [
        "dot(A @ x, x)*t + sin(x[0])",
        "quad(A, x)/2 + x[3]^3",
        "exp(dot(A[2], x)/50) - x[22]",
    ] {
        outputs.push(parse_scalar(text, &scope, &mut g).expect("a scalar"));
    }
    let by_entries = g.expand(outputs[1]);
    outputs.push(by_entries);
    let kernel = Kernel::compile(&g, &outputs, t, &x).expect("only inputs occur");
    let mut points = Batch::zeros(300, SIZE);
    for j in 0..SIZE {
        let column = points.column_mut(j).iter_mut().enumerate();
        column.for_each(|(i, x)| *x = (1.3 * i as f64 + 0.7 * j as f64).sin());
    }
    for isa in Isa::available() {
        let mut out = Batch::zeros(300, outputs.len());
        kernel.eval_with(isa, 0.5, points.as_ref(), out.as_mut());
        for i in [0, 7, 255, 256, 299] {
            let mut at: Vec<(Expr, f64)> = x.iter().copied().zip(points.row(i)).collect();
            at.push((t, 0.5));
            for (j, e) in outputs.iter().enumerate() {
                let expected = g.evaluate(*e, &at).expect("all values are given");
                let scale = largest_inside(&g, *e, &at);
                let difference = (out.get(i, j) - expected).abs();
                assert!(difference < 1e-13 * scale, "{j} at {i}: {difference:e}");
            }
        }
    }
}
