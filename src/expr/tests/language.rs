//! Matrices, ranges and limits of the language.

use crate::expr::{Expr, ExprError, Graph, Scope, Shape, Value, parse, parse_scalar};

struct Page {
    graph: Graph,
    scope: Scope,
}

fn page() -> Page {
    let (mut graph, mut scope) = (Graph::new(), Scope::new());
    scope.state(&mut graph, "x", &Shape::Vector(3));
    scope.time(&mut graph);
    for name in ["a", "b", "c", "d", "kappa"] {
        scope.variable(&mut graph, name, &Shape::Scalar);
    }
    scope.bind_number(&mut graph, "n", 3.0);
    scope.bind_vector(&mut graph, "w", &[1.0, 2.0, 4.0]);
    scope.bind_matrix(&mut graph, "M", &[vec![2.0, 1.0], vec![0.5, 3.0]]);
    scope
        .define("A", "[[a, b], [c, d]]")
        .expect("a matrix of symbols");
    Page { graph, scope }
}

impl Page {
    fn scalar(&mut self, source: &str) -> Expr {
        parse_scalar(source, &self.scope, &mut self.graph).expect(source)
    }

    fn text(&mut self, source: &str) -> String {
        let e = self.scalar(source);
        self.graph.text(e)
    }

    fn value(&mut self, source: &str) -> Value {
        parse(source, &self.scope, &mut self.graph).expect(source)
    }

    fn first_error(&mut self, source: &str) -> ExprError {
        let found = parse(source, &self.scope, &mut self.graph).expect_err(source);
        found[0].clone()
    }

    fn proves(&mut self, left: &str, right: &str) {
        let (left_value, right_value) = (self.value(left), self.value(right));
        assert_eq!(left_value.shape(), right_value.shape(), "{left}, {right}");
        let pairs = left_value
            .components()
            .into_iter()
            .zip(right_value.components());
        for (a, b) in pairs {
            assert!(self.graph.equal(a, b).is_proved(), "{left} = {right}");
        }
    }
}

#[test]
fn determinants_inverses_and_solutions_are_exact() {
    let mut p = page();
    assert_eq!(p.text("det(A)"), "a*d - b*c");
    assert_eq!(p.text("det(M)"), "5.5");
    assert_eq!(p.text("det(eye(40))"), "1");
    assert_eq!(p.text("det(diag(x))"), "x[0]*x[1]*x[2]");
    assert_eq!(p.text("det([[0, 1, 0], [1, 0, 0], [0, 0, a]])"), "-a");
    assert_eq!(p.text("inv(a) + det(b)"), "b + 1/a");
    p.proves("inv(A) @ A", "eye(2)");
    p.proves("A @ inv(A)", "eye(2)");
    p.proves("inv(M) @ M", "eye(2)");
    p.proves("A @ solve(A, [a + 1, x[0]])", "[a + 1, x[0]]");
    p.proves("M @ solve(M, [a + 1, x[0]])", "[a + 1, x[0]]");
    p.proves("solve(A, A)", "eye(2)");
    p.proves("det(A @ M)", "det(A)*det(M)");
    // A bordered matrix: the Schur complement.
    p.proves(
        "det([[a, b, x[0]], [c, d, x[1]], [x[0], x[1], 1]])",
        "det(A - outer([x[0], x[1]], [x[0], x[1]]))",
    );
    p.proves("trace(A' @ A)", "a^2 + b^2 + c^2 + d^2");
    p.proves(
        "quad(A, [x[0], x[1]])",
        "dot([x[0], x[1]], A @ [x[0], x[1]])",
    );
    // Jacobi's formula.
    p.proves(
        "D(det([[x[0], b], [c, x[0]]]), x[0])",
        "trace([[2*x[0], 0], [0, 0]])",
    );
}

#[test]
fn matrices_that_do_not_fit_say_both_shapes() {
    let mut p = page();
    let singular = p.first_error("inv([[a, b], [2*a, 2*b]])");
    assert_eq!(
        (singular.code, singular.label.as_str()),
        ("E126", "the determinant is 0")
    );
    assert_eq!(p.first_error("solve([[1, 2], [2, 4]], w)").code, "E122");
    let mismatch = p.first_error("solve(A, x)");
    assert_eq!(mismatch.message, "`solve` of matrix[2, 2] and vector[3]");
    assert_eq!(p.first_error("det(x)").label, "vector[3]");
    assert_eq!(
        p.first_error("det([[1, 2, 3], [4, 5, 6]])").label,
        "matrix[2, 3]"
    );
    let transposed = p.first_error("x' @ x");
    assert!(transposed.help.is_some_and(|h| h.contains("dot(x, y)")));
    let inner = p.first_error("x @ x");
    assert_eq!(
        inner.help.as_deref(),
        Some("the inner product is `dot(a, b)`")
    );
    let three = p.first_error("-kappa * x * (x .^ 2 - 1)");
    assert_eq!(three.code, "E121");
    assert_eq!(three.label, "left: vector[3], right: vector[3]");
    let help = three.help.expect("three suggestions");
    for way in [
        "elementwise",
        "inner product `dot(",
        "outer product `outer(",
    ] {
        assert!(help.contains(way), "{help}");
    }
}

#[test]
fn ranges_wrap_nest_and_may_be_empty() {
    let mut p = page();
    p.proves(
        "sum(i in 0..n: (x[(i+1) % n] - x[i])^2)",
        "(x[1] - x[0])^2 + (x[2] - x[1])^2 + (x[0] - x[2])^2",
    );
    assert_eq!(p.text("x[(0 - 1) % n]"), "x[2]");
    p.proves(
        "prod(i in 0..n: x[i] + 1)",
        "(x[0] + 1)*(x[1] + 1)*(x[2] + 1)",
    );
    assert_eq!(p.text("sum(i in 2..2: x[i]) + prod(i in 1..1: x[i])"), "1");
    assert_eq!(p.text("max(i in 0..n: w[i]) + min(i in 0..n: w[i])"), "5");
    p.proves(
        "logsumexp(k in 0..n: log(w[k]) - x[k])",
        "log(exp(-x[0]) + 2*exp(-x[1]) + 4*exp(-x[2]))",
    );
    p.proves(
        "sum(i in 0..n: sum(j in 0..i: x[i]*x[j]))",
        "x[1]*x[0] + x[2]*x[0] + x[2]*x[1]",
    );
    p.proves("sum(i in 0..2: w[i]*x)", "3*x");
    assert_eq!(p.first_error("max(i in 2..2: x[i])").code, "E124");
    // The branch that is decided away is not read: neighbours at an end.
    p.proves(
        "sum(i in 0..n: if(i > 0, x[i-1], 0)*x[i])",
        "x[0]*x[1] + x[1]*x[2]",
    );
    assert_eq!(p.first_error("sum(i in 0..n: x[i-1]*x[i])").code, "E123");
}

#[test]
fn calculus_stands_anywhere() {
    let mut p = page();
    p.scope
        .define("U", "(x[0]^2 - 1)^2 + x[0]*x[1] + x[2]^2/2")
        .expect("a potential");
    p.proves(
        "-grad(U) + 2*x",
        "[2*x[0] - 4*x[0]*(x[0]^2 - 1) - x[1], 2*x[1] - x[0], x[2]]",
    );
    p.proves("div(grad(U)) - lap(U)", "0");
    p.proves("trace(hess(U))", "lap(U)");
    p.proves("jac(grad(U))", "hess(U)");
    p.proves("D(norm2(x), x[1])*D(t^2, t)", "4*t*x[1]");
    p.proves("if(D(U, x[2]) > 0, 1, 2)", "if(x[2] > 0, 1, 2)");
}

#[test]
fn two_equally_near_names_give_no_suggestion() {
    let mut p = page();
    p.scope.bind_number(&mut p.graph, "rate1", 1.0);
    p.scope.bind_number(&mut p.graph, "rate2", 1.0);
    let tied = p.first_error("rate3");
    assert_eq!(tied.label, "not a variable, parameter or definition");
    assert_eq!(p.first_error("kapa").label, "did you mean `kappa`?");
}

/// Inputs meant to exhaust memory or time are refused, at the operator or definition that grows.
#[test]
fn growth_is_refused_where_it_happens() {
    let cases = [
        ("eye(300) @ eye(300)", "@"),
        (
            "1 + sum(i in 0..5000: 1/(i + 1))",
            "sum(i in 0..5000: 1/(i + 1))",
        ),
        ("prod(i in 1..5000: i)", "prod(i in 1..5000: i)"),
        ("2^4000*2^4000*2^4000*2^4000*2^4000", "*"),
        ("x + 2*eye(1001)", "1001"),
    ];
    // All expressions of a file share one budget, so each case has its own.
    for (source, grew) in cases {
        let error = page().first_error(source);
        assert!(
            ["E103", "E123"].contains(&error.code),
            "{source}: {error:?}"
        );
        assert_eq!(&source[error.span.clone()], grew, "{source}");
    }
    let dense: Vec<String> = (0..20)
        .map(|i| format!("[{}]", vec![format!("x[{}]", i % 3); 20].join(", ")))
        .collect();
    let error = page().first_error(&format!("det([{}])", dense.join(", ")));
    assert_eq!(error.code, "E103");
    // A modest harmonic sum is exact.
    assert_eq!(page().text("sum(i in 1..5: 1/i)"), "25/12");
}
