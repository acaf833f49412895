//! Antiderivatives of elementary expressions in one variable, found by pattern and confirmed by
//! differentiation.
//!
//! Powers, exponentials and trigonometric functions of affine arguments, `u' u^n`, `u' exp(u)`, and
//! rational functions whose proper part is a multiple of the logarithmic derivative of the denominator.
//! What is not found is not claimed: there is no table of special functions.

use crate::derivation::ground::noising::terms;
use crate::derivation::ground::notation::tidy;
use crate::expr::{Expr, Function, Graph, Node, Rational};

/// Highest degree of numerators and denominators that are divided.
const LARGEST_DEGREE: usize = 12;

/// A function whose derivative in `x` is `e`, if one is found.
pub fn antiderivative(graph: &mut Graph, e: Expr, x: Expr) -> Option<Expr> {
    let mut parts = Vec::new();
    for candidate in [e, graph.expand(e)] {
        parts.clear();
        let pieces = terms(graph, candidate);
        for piece in pieces {
            parts.push(of_term(graph, piece, x));
        }
        if parts.iter().all(Option::is_some) {
            break;
        }
    }
    let parts: Option<Vec<Expr>> = parts.into_iter().collect();
    let whole = graph.add(&parts?);
    let back = graph.derivative(whole, x);
    let difference = graph.sub(back, e);
    graph.is_provably_zero(difference).then_some(whole)
}

/// The factors of a term as (base, exponent), with its coefficient.
fn factors(graph: &mut Graph, term: Expr) -> (Expr, Vec<(Expr, Expr)>) {
    match graph.node(term).clone() {
        Node::Product(coefficient, factors) => (graph.exact(coefficient), factors),
        _ => {
            let one = graph.one();
            (one, vec![(term, one)])
        }
    }
}

fn of_term(graph: &mut Graph, term: Expr, x: Expr) -> Option<Expr> {
    if !graph.depends_on(term, x) {
        return Some(graph.mul(&[term, x]));
    }
    let (coefficient, factors) = factors(graph, term);
    let (mut outside, mut inside) = (vec![coefficient], Vec::new());
    for (base, exponent) in factors {
        let power = graph.pow(base, exponent);
        if graph.depends_on(power, x) {
            inside.push((base, exponent));
        } else {
            outside.push(power);
        }
    }
    let found = of_factors(graph, &inside, x)?;
    outside.push(found);
    Some(graph.mul(&outside))
}

/// Of a product of factors that all contain `x`.
fn of_factors(graph: &mut Graph, factors: &[(Expr, Expr)], x: Expr) -> Option<Expr> {
    if let [(base, exponent)] = factors
        && let Some(found) = of_function(graph, *base, *exponent, x)
    {
        return Some(found);
    }
    for (k, (base, exponent)) in factors.iter().enumerate() {
        let rest: Vec<Expr> = factors
            .iter()
            .enumerate()
            .filter(|(l, _)| *l != k)
            .map(|(_, (b, e))| graph.pow(*b, *e))
            .collect();
        let rest = graph.mul(&rest);
        if let Some(found) = by_substitution(graph, *base, *exponent, rest, x) {
            return Some(found);
        }
    }
    rational(graph, factors, x)
}

/// `rest = c u'`: the antiderivative of `c u' u^n`, or of `c v' exp(v)` for `u = exp(v)`.
fn by_substitution(
    graph: &mut Graph,
    base: Expr,
    exponent: Expr,
    rest: Expr,
    x: Expr,
) -> Option<Expr> {
    if graph.depends_on(exponent, x) {
        return None;
    }
    if let Node::Apply(Function::Exp, arguments) = graph.node(base).clone()
        && graph.is_one(exponent)
    {
        let slope = graph.derivative(arguments[0], x);
        let ratio = constant_ratio(graph, rest, slope, x)?;
        return Some(graph.mul(&[ratio, base]));
    }
    let slope = graph.derivative(base, x);
    let ratio = constant_ratio(graph, rest, slope, x)?;
    let one = graph.one();
    let next = graph.add(&[exponent, one]);
    if graph.is_zero(next) {
        let log = graph.log(base);
        return Some(graph.mul(&[ratio, log]));
    }
    let raised = graph.pow(base, next);
    let scaled = graph.div(raised, next);
    Some(graph.mul(&[ratio, scaled]))
}

/// `a / b` if it does not contain `x`.
fn constant_ratio(graph: &mut Graph, a: Expr, b: Expr, x: Expr) -> Option<Expr> {
    if graph.is_provably_zero(b) {
        return None;
    }
    let quotient = graph.div(a, b);
    let quotient = tidy(graph, quotient);
    if !graph.depends_on(quotient, x) {
        return Some(quotient);
    }
    // Proportional sums: compare at two places.
    let (one, two) = (graph.integer(1), graph.integer(2));
    let here = graph.substitute(quotient, &[(x, one)]);
    let there = graph.substitute(quotient, &[(x, two)]);
    let difference = graph.sub(here, there);
    if !graph.is_provably_zero(difference) {
        return None;
    }
    let expected = graph.mul(&[here, b]);
    let difference = graph.sub(a, expected);
    graph.is_provably_zero(difference).then_some(here)
}

/// Of `x^n` and of functions of `a x + b`.
fn of_function(graph: &mut Graph, base: Expr, exponent: Expr, x: Expr) -> Option<Expr> {
    if graph.depends_on(exponent, x) {
        return None;
    }
    if let Some((rate, _)) = graph.affine_coefficients(base, &[x]) {
        let one = graph.one();
        let next = graph.add(&[exponent, one]);
        let raised = if graph.is_zero(next) {
            graph.log(base)
        } else {
            let raised = graph.pow(base, next);
            graph.div(raised, next)
        };
        return Some(graph.div(raised, rate[0]));
    }
    if !graph.is_one(exponent) {
        return None;
    }
    let Node::Apply(function, arguments) = graph.node(base).clone() else {
        return None;
    };
    let [argument] = arguments.as_slice() else {
        return None;
    };
    let (rate, _) = graph.affine_coefficients(*argument, &[x])?;
    let whole = match function {
        Function::Exp => base,
        Function::Sin => {
            let cosine = graph.apply(Function::Cos, &[*argument]);
            graph.neg(cosine)
        }
        Function::Cos => graph.apply(Function::Sin, &[*argument]),
        Function::Sinh => graph.apply(Function::Cosh, &[*argument]),
        Function::Cosh => graph.apply(Function::Sinh, &[*argument]),
        Function::Tanh => {
            let cosh = graph.apply(Function::Cosh, &[*argument]);
            graph.log(cosh)
        }
        Function::Sigmoid => graph.apply(Function::Softplus, &[*argument]),
        _ => return None,
    };
    Some(graph.div(whole, rate[0]))
}

/// Coefficients of a polynomial in `x`, lowest first.
pub fn polynomial(graph: &mut Graph, e: Expr, x: Expr) -> Option<Vec<Expr>> {
    let zero = graph.zero();
    let mut rest = graph.expand(e);
    let mut coefficients = Vec::new();
    let mut factorial = 1_i64;
    for n in 0..=LARGEST_DEGREE {
        if n > 0 {
            factorial *= i64::try_from(n).ok()?;
        }
        let there = graph.substitute(rest, &[(x, zero)]);
        let weight = graph.exact(Rational::new(1, factorial)?);
        coefficients.push(graph.mul(&[weight, there]));
        let slope = graph.derivative(rest, x);
        rest = graph.expand(slope);
        if graph.is_zero(rest) {
            return Some(coefficients);
        }
    }
    None
}

fn assembled(graph: &mut Graph, coefficients: &[Expr], x: Expr) -> Expr {
    let mut parts = Vec::new();
    for (n, c) in coefficients.iter().enumerate() {
        let power = graph.powi(x, i64::try_from(n).expect("a degree fits in 64 bits"));
        parts.push(graph.mul(&[*c, power]));
    }
    graph.add(&parts)
}

/// Of a quotient of polynomials whose proper part is `c Q'/Q`.
fn rational(graph: &mut Graph, factors: &[(Expr, Expr)], x: Expr) -> Option<Expr> {
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for (base, exponent) in factors {
        match graph.as_integer(*exponent)? {
            n if n > 0 => above.push(graph.powi(*base, n)),
            n => below.push(graph.powi(*base, -n)),
        }
    }
    let (numerator, denominator) = (graph.mul(&above), graph.mul(&below));
    let mut remainder = polynomial(graph, numerator, x)?;
    let divisor = polynomial(graph, denominator, x)?;
    let leading = *divisor.last()?;
    if divisor.len() < 2 {
        return None;
    }
    let mut quotient = Vec::new();
    while remainder.len() >= divisor.len() {
        let top = *remainder.last()?;
        let factor = graph.div(top, leading);
        let factor = tidy(graph, factor);
        let shift = remainder.len() - divisor.len();
        for (n, c) in divisor.iter().enumerate() {
            let product = graph.mul(&[factor, *c]);
            let left = graph.sub(remainder[n + shift], product);
            remainder[n + shift] = tidy(graph, left);
        }
        remainder.pop();
        quotient.push((shift, factor));
    }
    let mut parts = Vec::new();
    for (power, c) in quotient {
        let next = i64::try_from(power).ok()? + 1;
        let raised = graph.powi(x, next);
        let weight = graph.rational(1, next);
        parts.push(graph.mul(&[weight, c, raised]));
    }
    let proper = assembled(graph, &remainder, x);
    if !graph.is_provably_zero(proper) {
        let slope = graph.derivative(denominator, x);
        let ratio = constant_ratio(graph, proper, slope, x)?;
        let log = graph.log(denominator);
        parts.push(graph.mul(&[ratio, log]));
    }
    Some(graph.add(&parts))
}

#[cfg(test)]
mod tests {
    use super::antiderivative;
    use crate::expr::{Graph, Scope, Shape, parse_scalar};

    #[test]
    fn finds_what_differentiates_back_and_nothing_else() {
        let mut graph = Graph::new();
        let mut scope = Scope::new();
        let x = scope.state(&mut graph, "x", &Shape::Scalar)[0];
        let read = |graph: &mut Graph, text: &str| {
            parse_scalar(text, &scope, graph).unwrap_or_else(|e| panic!("{text}: {e:?}"))
        };
        for (integrand, expected) in [
            ("3*x^2 - 2", "x^3 - 2*x"),
            ("sin(2*x) + exp(-x)", "-cos(2*x)/2 - exp(-x)"),
            ("8*(x - x^3)/(1 + x^2/2)", "24*log(1 + x^2/2) - 8*x^2"),
            ("x*exp(-x^2)", "-exp(-x^2)/2"),
            ("1/(2*x + 1)", "log(2*x + 1)/2"),
            ("cos(x)*sin(x)^3", "sin(x)^4/4"),
        ] {
            let e = read(&mut graph, integrand);
            let found = antiderivative(&mut graph, e, x);
            let expected = read(&mut graph, expected);
            let found = found.unwrap_or_else(|| panic!("{integrand}"));
            let difference = graph.sub(found, expected);
            assert!(graph.is_provably_zero(difference), "{integrand}");
        }
        for hopeless in ["exp(-x^2)", "sin(x)/x", "1/(1 + x^4)"] {
            let e = read(&mut graph, hopeless);
            assert_eq!(antiderivative(&mut graph, e, x), None, "{hopeless}");
        }
    }
}
