//! Reading: grammar, shapes, ranges, definitions, and what mistakes look like.

use crate::expr::{
    Expr, ExprError, Graph, Scope, Shape, Value, check_definitions, parse, parse_components,
    parse_condition, parse_scalar,
};

fn two_states() -> (Graph, Scope) {
    let mut g = Graph::new();
    let mut scope = Scope::new();
    scope.time(&mut g);
    scope.state(&mut g, "x", &Shape::Vector(2));
    scope.bind_number(&mut g, "d", 2.0);
    scope.bind_number(&mut g, "sigma", 0.9);
    scope.bind_vector(&mut g, "kappa", &[1.0, 3.0, 4.0]);
    scope.bind_matrix(&mut g, "A", &[vec![0.0, 1.0], vec![-2.0, 3.0]]);
    (g, scope)
}

fn text(source: &str) -> String {
    let (mut g, scope) = two_states();
    match parse(source, &scope, &mut g) {
        Ok(Value::Scalar(e)) => g.text(e),
        Ok(value) => {
            let parts: Vec<_> = value.components().iter().map(|e| g.text(*e)).collect();
            format!("{}: {}", value.shape(), parts.join("; "))
        }
        Err(errors) => panic!("{source}: {errors:?}"),
    }
}

fn errors(source: &str) -> Vec<ExprError> {
    let (mut g, scope) = two_states();
    parse(source, &scope, &mut g).expect_err(source)
}

/// Code, the text under the span, and the label.
fn told(source: &str) -> Vec<(String, String, String)> {
    let describe = |e: ExprError| (e.code.to_owned(), source[e.span].to_owned(), e.label);
    errors(source).into_iter().map(describe).collect()
}

fn value_at(source: &str, x: [f64; 2]) -> f64 {
    let (mut g, scope) = two_states();
    let e = parse_scalar(source, &scope, &mut g).expect(source);
    let symbols: Vec<Expr> = scope.value("x").expect("declared").components();
    g.evaluate(e, &[(symbols[0], x[0]), (symbols[1], x[1])])
        .expect("only x occurs")
}

#[test]
fn precedence_follows_mathematics() {
    assert_eq!(text("-2^2"), "-4");
    assert_eq!(text("2^3^2"), "512");
    assert_eq!(text("2^-1"), "1/2");
    assert_eq!(text("1 - 2 - 3"), "-4");
    assert_eq!(text("12/2/3"), "2");
    assert_eq!(text("2*-3"), "-6");
    assert_eq!(text("(0 - 1) % d"), "1");
    assert_eq!(text("0.1 + 0.2"), "0.3");
    assert_eq!(text("2.*3 + 1e1"), "16");
    assert_eq!(text("if(not 1 < 2 or 1 < 2 and 3 <= 3, 5, 6)"), "5");
}

#[test]
fn vectors_matrices_and_ranges_become_components() {
    assert_eq!(text("-x"), "vector[2]: -x[0]; -x[1]");
    assert_eq!(text("x + 1"), "vector[2]: x[0] + 1; x[1] + 1");
    assert_eq!(text("x .^ 2"), "vector[2]: x[0]^2; x[1]^2");
    assert_eq!(text("A @ x"), "vector[2]: x[1]; 3*x[1] - 2*x[0]");
    assert_eq!(text("A' @ [1, 0]"), "vector[2]: 0; 1");
    assert_eq!(text("trace(A) + A[1, 0] + A[1][1]"), "4");
    assert_eq!(text("outer([1, 2], [3, 4])"), "matrix[2, 2]: 3; 4; 6; 8");
    assert_eq!(text("2*eye(2) - diag([1, 1])"), "matrix[2, 2]: 1; 0; 0; 1");
    assert_eq!(text("quad(diag([1, 2]), x)"), "x[0]^2 + 2*x[1]^2");
    assert_eq!(
        text("sum(i in 0..d: x[(i+1) % d]*kappa[i])"),
        "3*x[0] + x[1]"
    );
    assert_eq!(text("sum(i in 0..0: x[i]) + prod(i in 0..0: 5)"), "1");
    assert_eq!(text("sum(i in 0..2: sum(j in i..2: 1))"), "3");
    assert_eq!(text("sum(i in 0..2: i*x)"), "vector[2]: x[0]; x[1]");
    assert_eq!(text("sin([0, 0])"), "vector[2]: 0; 0");
    assert_eq!(text("max(i in 0..2: x[i])"), "max(x[0], x[1])");
    assert_eq!(text("norm2(x) - dot(x, x)"), "0");
}

#[test]
fn calculus_refers_to_the_state() {
    assert_eq!(text("D(x[0]^3, x[0])"), "3*x[0]^2");
    assert_eq!(text("grad(x[0]^2*x[1])"), "vector[2]: 2*x[0]*x[1]; x[0]^2");
    assert_eq!(text("div(x .^ 2)"), "2*x[0] + 2*x[1]");
    assert_eq!(text("lap(norm2(x))"), "4");
    assert_eq!(text("hess(x[0]*x[1])"), "matrix[2, 2]: 0; 1; 1; 0");
    assert_eq!(text("jac(A @ x)"), "matrix[2, 2]: 0; 1; -2; 3");
}

#[test]
fn numbers_of_elementary_functions() {
    let close = |source: &str, expected: f64| {
        let value = value_at(source, [0.3, -1.2]);
        assert!(
            (value - expected).abs() < 1e-14,
            "{source}: {value} {expected}"
        );
    };
    close(
        "logsumexp(i in 0..2: x[i])",
        (0.3f64.exp() + (-1.2f64).exp()).ln(),
    );
    close("atan2(x[1], x[0])", (-1.2f64).atan2(0.3));
    close("softplus(x[1]) - log1p(exp(x[1]))", 0.0);
    close("sqrt(x[0])*norm(x)", 0.3f64.sqrt() * 1.53f64.sqrt());
    close("if(x[0] > x[1] and not x[0] == 1, 2, 3)", 2.0);
    close("if(x[1] > 0, log(x[1]), -1)", -1.0);
    close("floor(x[1]) + sign(x[1]) + abs(x[1])", -2.0 - 1.0 + 1.2);
    close("(-7.5) % 2", 0.5);
}

#[test]
fn definitions_come_in_any_order_and_functions_take_arguments() {
    let (mut g, mut scope) = two_states();
    scope.define("V", "2*U").expect("well formed");
    scope.define("U", "well(x[0], k)").expect("well formed");
    scope.define("k", "3").expect("well formed");
    scope
        .define("well(s, k)", "k*(s^2 - 1)^2")
        .expect("well formed");
    let e = parse_scalar("V", &scope, &mut g).expect("defined");
    let direct = parse_scalar("6*(x[0]^2 - 1)^2", &scope, &mut g).expect("plain");
    assert_eq!(e, direct);
    assert!(check_definitions(&scope, &mut g).is_empty());
    let found = parse("well(1)", &scope, &mut g).expect_err("too few");
    assert_eq!(found[0].code, "E114");
}

#[test]
fn cycles_and_mistakes_in_definitions_name_the_definition() {
    let (mut g, mut scope) = two_states();
    scope.define("a", "b + 1").expect("well formed");
    scope.define("b", "f(2)").expect("well formed");
    scope.define("f(s)", "s*a").expect("well formed");
    let found = parse("a", &scope, &mut g).expect_err("cyclic");
    assert_eq!(found[0].code, "E113");
    assert_eq!(found[0].label, "cycle: a -> b -> f -> a");
    assert_eq!(found[0].definition.as_deref(), Some("f"));
    let (mut g, mut scope) = two_states();
    scope.define("c", "sigm + 1").expect("well formed");
    let found = parse("c*c", &scope, &mut g).expect_err("misspelt");
    assert_eq!(found.len(), 1, "reported once");
    assert_eq!(found[0].definition.as_deref(), Some("c"));
    assert_eq!(found[0].span, 0..4);
    assert_eq!(check_definitions(&scope, &mut g), found);
    assert!(scope.define("g(", "1").is_err());
    let body = scope.define("h", "1 +").expect_err("incomplete");
    assert_eq!((body.code, body.definition.as_deref()), ("E101", Some("h")));
}

#[test]
fn component_lists_expand_ranges() {
    let (mut g, scope) = two_states();
    let parts = parse_components("x[i+1] - x[i] for i in 0..d-1", &scope, &mut g).expect("good");
    assert_eq!(parts.len(), 1);
    assert_eq!(g.text(parts[0]), "x[1] - x[0]");
    assert_eq!(
        parse_components("x", &scope, &mut g).map(|p| p.len()),
        Ok(2)
    );
    let condition = parse_condition("x[0] >= 1 and t > 0.5", &scope, &mut g).expect("condition");
    assert!(g.is_condition(condition));
    assert!(parse_condition("x[0]", &scope, &mut g).is_err());
}

#[test]
fn named_components_and_scalar_states() {
    let mut g = Graph::new();
    let mut scope = Scope::new();
    let names = ["q", "v"].map(str::to_owned).to_vec();
    scope.state(&mut g, "x", &Shape::Named(names));
    let by_name = parse_scalar("q + v", &scope, &mut g).expect("named");
    let by_index = parse_scalar("x[0] + x[1]", &scope, &mut g).expect("indexed");
    assert_eq!(by_name, by_index);
    let mut scope = Scope::new();
    scope.state(&mut g, "y", &Shape::Scalar);
    let slope = parse("-grad(y^2/2)", &scope, &mut g).expect("scalar state");
    assert_eq!(
        slope,
        parse("-y[0]", &scope, &mut g).expect("index of a scalar state")
    );
    assert!(matches!(slope, Value::Scalar(_)));
}

#[test]
fn unknown_names_get_one_suggestion() {
    let one = |source: &str, code: &str, under: &str, label: &str| {
        assert_eq!(
            told(source),
            [(code.to_owned(), under.to_owned(), label.to_owned())]
        );
    };
    one(
        "x[0] + x1^2",
        "E111",
        "x1",
        "vectors are zero-based: use x[0] or x[1] (state has 2 components)",
    );
    one(
        "2*x_1",
        "E111",
        "x_1",
        "vectors are zero-based: use x[0] or x[1] (state has 2 components)",
    );
    one("sigam*2", "E111", "sigam", "did you mean `sigma`?");
    one("e^2", "E111", "e", "there is no `e`: write exp(1)");
    one("sine(t)", "E112", "sine", "did you mean `sin`?");
    one("ln(t)", "E112", "ln", "the natural logarithm is `log`");
    one(
        "sigma(t)",
        "E112",
        "sigma",
        "`sigma` is a value, not a function",
    );
    one("exp", "E111", "exp", "`exp` is a function: write exp(...)");
    one("x[2]", "E123", "2", "valid indices are 0 to 1");
    one("x[-1]", "E123", "-1", "valid indices are 0 to 1");
    one(
        "x[t]",
        "E124",
        "t",
        "indices and bounds are integers, integer parameters or loop indices",
    );
    one("exp(1, 2)", "E114", "exp", "expected 1 argument");
    one(
        "x + kappa",
        "E122",
        "+",
        "left: vector[2], right: vector[3]",
    );
    one(
        "A @ kappa",
        "E122",
        "@",
        "left: matrix[2, 2], right: vector[3]",
    );
    one("dot(x, kappa)", "E122", "kappa", "vector[3]");
    one("1/(2 - d)", "E126", "(2 - d)", "this is 0");
    one("inf - inf", "E126", "-", "inf is not a number");
    one(
        "D(t, 2*t)",
        "E127",
        "2*t",
        "differentiate by a component of the state or by t",
    );
    one("(t > 1) + 2", "E125", "(t > 1)", "condition");
    one("if(t, 1, 2)", "E125", "t", "scalar");
}

#[test]
fn products_of_vectors_ask_which_product() {
    let found = errors("-x * (x .^ 2 - 1)");
    assert_eq!(found[0].code, "E121");
    assert_eq!(found[0].message, "`*` between two vectors of length 2");
    assert_eq!(found[0].label, "left: vector[2], right: vector[2]");
    let help = found[0].help.as_deref().expect("three suggestions");
    assert_eq!(
        help,
        "elementwise `-x .* (x .^ 2 - 1)`, inner product `dot(-x, (x .^ 2 - 1))`, or outer product `outer(-x, (x .^ 2 - 1))`"
    );
    assert_eq!(errors("x^2")[0].code, "E121");
    assert_eq!(
        errors("A*x")[0].help.as_deref(),
        Some("the matrix product is `A @ x`")
    );
}

#[test]
fn syntax_errors_say_what_was_expected() {
    let expected = |source: &str, at: usize, label: &str, help: Option<&str>| {
        let found = errors(source);
        assert_eq!(
            (found[0].span.start, found[0].label.as_str()),
            (at, label),
            "{source}"
        );
        assert_eq!(found[0].help.as_deref(), help, "{source}");
    };
    expected("1 +", 3, "expected a number, a name or `(`", None);
    expected("(1 + 2", 6, "expected an operator or `)`", None);
    expected(
        "2 t",
        2,
        "expected an operator or the end",
        Some("products need a sign: `2*t`"),
    );
    expected(
        "2**3",
        2,
        "expected a number, a name or `(`",
        Some("powers are written `^`"),
    );
    expected(
        "t = 1",
        2,
        "expected an operator or the end",
        Some("equality is written `==`"),
    );
    expected(
        "0 < t < 1",
        6,
        "expected `and` or `or`",
        Some("write `a < b and b < c`"),
    );
    expected(
        "sum(i in 0..2 t)",
        14,
        "expected `:` and the term",
        Some("products need a sign: `2*t`"),
    );
    expected("t $ 2", 2, "not allowed here", None);
}

#[test]
fn all_independent_mistakes_are_reported() {
    let codes: Vec<_> = errors("foo + bar(1) + x[7] + dot(x, kappa)")
        .iter()
        .map(|e| e.code)
        .collect();
    assert_eq!(codes, ["E111", "E112", "E123", "E122"]);
}

#[test]
fn limits_stop_runaway_input() {
    let deep = format!("{}t{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(errors(&deep)[0].code, "E103");
    let allowed = format!("{}t{}", "sin(".repeat(900), ")".repeat(900));
    assert!(text(&allowed).starts_with("sin(sin("));
    let minus = format!("{}t", "-".repeat(5000));
    assert_eq!(errors(&minus)[0].code, "E103");
    assert_eq!(errors("sum(i in 0..100000000: 1)")[0].code, "E103");
    // A long flat sum is not deep.
    let flat = vec!["t"; 20_000].join(" + ");
    assert_eq!(text(&flat), "20000*t");
}
