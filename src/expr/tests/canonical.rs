//! Constructors: what is the same expression is the same node.

use crate::expr::{Function, Graph};

#[test]
fn like_terms_and_powers_are_collected() {
    let mut g = Graph::new();
    let (x, y) = (g.symbol("x"), g.symbol("y"));
    let a = g.add(&[x, y, x]);
    let two_x = {
        let two = g.integer(2);
        g.mul(&[two, x])
    };
    let b = g.add(&[y, two_x]);
    assert_eq!(a, b);
    assert_eq!(g.text(a), "2*x + y");
    let product = g.mul(&[x, y, x]);
    assert_eq!(g.text(product), "x^2*y");
    let ratio = g.div(product, x);
    assert_eq!(g.text(ratio), "x*y");
    let nothing = g.sub(a, b);
    assert!(g.is_zero(nothing));
}

#[test]
fn opposite_differences_cancel_and_square_alike() {
    let mut g = Graph::new();
    let (x, y) = (g.symbol("x"), g.symbol("y"));
    let (a, b) = (g.sub(x, y), g.sub(y, x));
    let ratio = g.div(a, b);
    assert_eq!(g.as_integer(ratio), Some(-1));
    assert_eq!(g.powi(a, 2), g.powi(b, 2));
    let cubes = (g.powi(a, 3), g.powi(b, 3));
    let sum = g.add(&[cubes.0, cubes.1]);
    assert!(g.is_zero(sum));
}

#[test]
fn decimals_are_exact_and_files_agree_with_expressions() {
    let mut g = Graph::new();
    let tenths = (g.number(0.1), g.number(0.2));
    let sum = g.add(&[tenths.0, tenths.1]);
    assert_eq!(sum, g.rational(3, 10));
    assert_eq!(g.number(0.9), g.rational(9, 10));
    let binary = g.binary(0.1);
    assert_ne!(binary, tenths.0);
    assert_eq!(g.evaluate(binary, &[]), Some(0.1));
}

#[test]
fn roots_are_exact_and_real() {
    let mut g = Graph::new();
    let x = g.symbol("x");
    let eight = g.integer(8);
    let root = g.sqrt(eight);
    let two = g.integer(2);
    let root_two = g.sqrt(two);
    assert_eq!(root, g.mul(&[two, root_two]));
    assert_eq!(g.mul(&[root_two, root_two]), two);
    let square = g.powi(x, 2);
    let size = g.sqrt(square);
    assert_eq!(
        size,
        g.apply(Function::Abs, &[x]),
        "sqrt(x^2) is |x|, not x"
    );
    let root_x = g.sqrt(x);
    assert_eq!(g.powi(root_x, 2), x);
}

#[test]
fn exponentials_merge_and_undo_logarithms() {
    let mut g = Graph::new();
    let (x, y) = (g.symbol("x"), g.symbol("y"));
    let (ex, ey) = (g.exp(x), g.exp(y));
    let sum = g.add(&[x, y]);
    assert_eq!(g.mul(&[ex, ey]), g.exp(sum));
    assert_eq!(g.log(ex), x);
    let lx = g.log(x);
    let two = g.integer(2);
    let twice = g.mul(&[two, lx]);
    assert_eq!(g.exp(twice), g.powi(x, 2));
    let inverse = g.powi(ex, -1);
    let one = g.mul(&[inverse, ex]);
    assert!(g.is_one(one));
}

#[test]
fn conditions_fold_and_choices_collapse() {
    let mut g = Graph::new();
    let (x, y) = (g.symbol("x"), g.symbol("y"));
    let (one, two) = (g.one(), g.integer(2));
    let yes = g.less(one, two);
    assert_eq!(g.choose(yes, x, y), x);
    let open = g.less(x, y);
    assert_eq!(g.choose(open, x, x), x);
    let not = g.not(open);
    assert_eq!(g.choose(not, x, y), g.choose(open, y, x));
    assert_eq!(g.and(&[yes, open]), open);
    assert!(g.is_condition(open) && !g.is_condition(x));
}

#[test]
fn extrema_flatten() {
    let mut g = Graph::new();
    let (x, y) = (g.symbol("x"), g.symbol("y"));
    let (one, two) = (g.one(), g.integer(2));
    let inner = g.apply(Function::Max, &[x, one]);
    let outer = g.apply(Function::Max, &[inner, y, two]);
    assert_eq!(outer, g.apply(Function::Max, &[two, y, x]));
    let kinks = g.kinks(outer);
    assert_eq!(kinks, [outer]);
}

#[test]
fn unknown_functions_differentiate_and_are_replaced_with_their_derivatives() {
    let mut g = Graph::new();
    let (x, t, y) = (g.symbol("x"), g.symbol("t"), g.symbol("y"));
    let v = g.unknown("V", &[x, t]);
    let v_t = g.derivative(v, t);
    let v_x = g.derivative(v, x);
    let v_xx = g.derivative(v_x, x);
    assert_eq!(g.text(v_t), "V_t");
    assert_eq!(g.text(v_xx), "V_{x x}");
    let (mixed, other) = (g.derivative(v_x, t), g.derivative(v_t, x));
    assert_eq!(mixed, other);
    assert!(g.depends_on(v, x) && !g.depends_on(v, y));
    // Heat equation residual V_t - V_xx/2 at V = exp(x + t/2) vanishes.
    let half = g.rational(1, 2);
    let diffusion = g.mul(&[half, v_xx]);
    let residual = g.sub(v_t, diffusion);
    let exponent = {
        let part = g.mul(&[half, t]);
        g.add(&[x, part])
    };
    let solution = g.exp(exponent);
    let zero = g.substitute(residual, &[(v, solution)]);
    assert!(g.is_zero(zero));
    // V_x(x, t) at x = 2 y is (d/dx x^3)(2 y) = 12 y^2.
    let two = g.integer(2);
    let doubled = g.mul(&[two, y]);
    let moved = g.substitute(v_x, &[(x, doubled)]);
    let cube = g.powi(x, 3);
    let value = g.substitute(moved, &[(v, cube)]);
    assert_eq!(g.text(value), "12*y^2");
}

#[test]
fn substitution_is_simultaneous() {
    let mut g = Graph::new();
    let (x, y) = (g.symbol("x"), g.symbol("y"));
    let difference = g.sub(x, y);
    let swapped = g.substitute(difference, &[(x, y), (y, x)]);
    assert_eq!(swapped, g.neg(difference));
}

#[test]
fn deep_expressions_do_not_overflow_the_stack() {
    let mut g = Graph::new();
    let x = g.symbol("x");
    let mut e = x;
    for _ in 0..2_000 {
        e = g.apply(Function::Sin, &[e]);
    }
    let slope = g.derivative(e, x);
    let two = g.integer(2);
    let moved = g.substitute(slope, &[(x, two)]);
    assert!(g.evaluate(moved, &[]).is_some_and(f64::is_finite));
    assert!(!g.text(e).is_empty());
}
