//! Antiderivatives of elementary expressions in one variable, found by pattern and confirmed by
//! differentiation.
//!
//! Powers, exponentials and trigonometric functions of affine arguments, `u' u^n`, `u' exp(u)`, and
//! rational functions whose proper part is a multiple of the logarithmic derivative of the denominator.
//! What is not found is not claimed: there is no table of special functions.

use crate::derivation::ground::noising::terms;
use crate::derivation::ground::notation::tidy;
use crate::expr::arithmetic::{log, partial, power, sum};
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
    let whole = graph.of(sum(parts?));
    let difference = graph.of(partial(whole, x) - e);
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
        return Some(graph.of(term * x));
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
        let others = factors[..k].iter().chain(&factors[k + 1..]).copied();
        let rest = graph.product(Rational::one(), others.collect());
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
        return Some(graph.of(ratio * base));
    }
    let slope = graph.derivative(base, x);
    let ratio = constant_ratio(graph, rest, slope, x)?;
    let raised = raised(graph, base, exponent);
    Some(graph.of(ratio * raised))
}

/// `u^(n+1) / (n+1)`, or `log u` for `n = -1`.
fn raised(graph: &mut Graph, base: Expr, exponent: Expr) -> Expr {
    let next = graph.of(exponent + 1);
    if graph.is_zero(next) {
        return graph.of(log(base));
    }
    graph.of(power(base, next) / next)
}

/// `a / b` if it does not contain `x`.
fn constant_ratio(graph: &mut Graph, a: Expr, b: Expr, x: Expr) -> Option<Expr> {
    if graph.is_provably_zero(b) {
        return None;
    }
    let quotient = graph.of(a / b);
    let quotient = tidy(graph, quotient);
    if !graph.depends_on(quotient, x) {
        return Some(quotient);
    }
    // Proportional sums: compare at two places.
    let (one, two) = (graph.integer(1), graph.integer(2));
    let here = graph.substitute(quotient, &[(x, one)]);
    let there = graph.substitute(quotient, &[(x, two)]);
    let difference = graph.of(here - there);
    if !graph.is_provably_zero(difference) {
        return None;
    }
    let difference = graph.of(a - here * b);
    graph.is_provably_zero(difference).then_some(here)
}

/// Of `x^n` and of functions of `a x + b`.
fn of_function(graph: &mut Graph, base: Expr, exponent: Expr, x: Expr) -> Option<Expr> {
    if graph.depends_on(exponent, x) {
        return None;
    }
    if let Some((rate, _)) = graph.affine_coefficients(base, &[x]) {
        let raised = raised(graph, base, exponent);
        return Some(graph.of(raised / rate[0]));
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
            graph.of(-cosine)
        }
        Function::Cos => graph.apply(Function::Sin, &[*argument]),
        Function::Sinh => graph.apply(Function::Cosh, &[*argument]),
        Function::Cosh => graph.apply(Function::Sinh, &[*argument]),
        Function::Tanh => {
            let cosh = graph.apply(Function::Cosh, &[*argument]);
            graph.of(log(cosh))
        }
        Function::Sigmoid => graph.apply(Function::Softplus, &[*argument]),
        _ => return None,
    };
    Some(graph.of(whole / rate[0]))
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
        coefficients.push(graph.of(weight * there));
        let slope = graph.derivative(rest, x);
        rest = graph.expand(slope);
        if graph.is_zero(rest) {
            return Some(coefficients);
        }
    }
    None
}

fn assembled(graph: &mut Graph, coefficients: &[Expr], x: Expr) -> Expr {
    let terms = (0..).zip(coefficients).map(|(n, c)| *c * power(x, n));
    graph.of(sum(terms))
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
        let factor = graph.of(top / leading);
        let factor = tidy(graph, factor);
        let shift = remainder.len() - divisor.len();
        for (n, c) in divisor.iter().enumerate() {
            let left = graph.of(remainder[n + shift] - factor * *c);
            remainder[n + shift] = tidy(graph, left);
        }
        remainder.pop();
        quotient.push((shift, factor));
    }
    let mut parts = Vec::new();
    for (degree, c) in quotient {
        let next = i32::try_from(degree).ok()? + 1;
        parts.push(graph.of(c * power(x, next) / next));
    }
    let proper = assembled(graph, &remainder, x);
    if !graph.is_provably_zero(proper) {
        let slope = graph.derivative(denominator, x);
        let ratio = constant_ratio(graph, proper, slope, x)?;
        parts.push(graph.of(ratio * log(denominator)));
    }
    Some(graph.of(sum(parts)))
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
