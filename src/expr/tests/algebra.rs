//! Normal form, equality, structure queries and LaTeX.

use crate::expr::{Decision, Expr, Function, Graph, Scope, Shape, parse_scalar};

struct Board {
    graph: Graph,
    scope: Scope,
    x: Vec<Expr>,
}

fn board() -> Board {
    let (mut graph, mut scope) = (Graph::new(), Scope::new());
    let x = scope.state(&mut graph, "x", &Shape::Vector(2));
    scope.time(&mut graph);
    for name in ["a", "b", "sigma"] {
        scope.variable(&mut graph, name, &Shape::Scalar);
    }
    Board { graph, scope, x }
}

impl Board {
    fn read(&mut self, source: &str) -> Expr {
        parse_scalar(source, &self.scope, &mut self.graph).expect(source)
    }

    fn equal(&mut self, left: &str, right: &str) -> Decision {
        let (left, right) = (self.read(left), self.read(right));
        self.graph.equal(left, right)
    }
}

#[test]
fn identities_are_proved() {
    let identities = [
        ("(a + b)^3", "a^3 + 3*a^2*b + 3*a*b^2 + b^3"),
        ("1/(a + b) + 1/(a - b)", "2*a/(a^2 - b^2)"),
        ("(a^2 - b^2)/(a - b)", "a + b"),
        ("1/(2*a + 2*b)", "0.5/(a + b)"),
        ("1/(1 + 1/a)", "a/(a + 1)"),
        ("sqrt(a + b)*sqrt(a + b)", "a + b"),
        ("(a + b)^(3/2)/sqrt(a + b)", "a + b"),
        ("(a + b)^(-1/2)", "sqrt(a + b)/(a + b)"),
        ("sqrt(2)/2", "1/sqrt(2)"),
        ("sin(a)^2 + cos(a)^2", "1"),
        ("cos(a)^4 - sin(a)^4", "1 - 2*sin(a)^2"),
        ("cosh(a)^2 - sinh(a)^2", "1"),
        ("tanh(a)", "2*sigmoid(2*a) - 1"),
        ("sigmoid(a)", "exp(a)/(1 + exp(a))"),
        ("D(tanh(x[0]), x[0])", "1/cosh(x[0])^2"),
        ("D(tan(x[0]), x[0])", "1/cos(x[0])^2"),
        ("exp(a + log(b))", "b*exp(a)"),
        ("log(exp(a)*b) - log(b)", "a"),
        ("log(2*sqrt(b))", "log(2) + 0.5*log(b)"),
        ("logsumexp(a, b)", "log(exp(a) + exp(b))"),
        ("grad(logsumexp(x[0], x[1]))[0]", "1/(1 + exp(x[1] - x[0]))"),
        // Score of a Gaussian.
        (
            "D(log(exp(-(x[0] - a)^2/(2*b))/sqrt(2*pi*b)), x[0])",
            "-(x[0] - a)/b",
        ),
        ("abs(a)^2", "a^2"),
        ("a^b*a", "a^(b + 1)"),
    ];
    for (left, right) in identities {
        let outcome = board().equal(left, right);
        assert!(outcome.is_proved(), "{left} = {right}");
    }
}

#[test]
fn what_is_not_provable_is_tested_and_what_is_wrong_is_refuted() {
    match board().equal("asin(a/2) + acos(a/2)", "pi/2") {
        Decision::Tested {
            points,
            largest_relative_difference,
            ..
        } => {
            assert_eq!(points, 64);
            assert!(largest_relative_difference < 1e-28);
        }
        other => panic!("{other:?}"),
    }
    match board().equal("0.5*a^2", "a^2") {
        Decision::Refuted { at, left, right } => {
            let a = at.iter().find(|(name, _)| name == "a").expect("a occurs").1;
            assert_eq!((left, right), (0.5 * a * a, a * a));
        }
        other => panic!("{other:?}"),
    }
    // sqrt(a^2) is not a.
    assert!(matches!(
        board().equal("sqrt(a^2)", "a"),
        Decision::Refuted { .. }
    ));
    // Nowhere finite on the sampled box: nothing is claimed.
    let outcome = board().equal("log(-1 - a^2)", "log(-2 - a^2)");
    assert!(matches!(outcome, Decision::Undecided { .. }));
}

#[test]
fn the_mixture_score_is_the_weighted_mean_of_component_scores() {
    let mut b = board();
    let p = "(0.3*exp(-(x[0] - 1)^2/(2*0.25)) + 0.7*exp(-(x[0] + 2)^2/2))";
    let left = format!("grad(log({p}))[0]");
    let right = format!(
        "(0.3*exp(-(x[0] - 1)^2/(2*0.25))*(1 - x[0])/0.25 + 0.7*exp(-(x[0] + 2)^2/2)*(-2 - x[0]))/{p}"
    );
    assert!(b.equal(&left, &right).is_proved());
}

#[test]
fn affine_structure_is_found_even_when_hidden() {
    let mut b = board();
    let x = b.x.clone();
    let hidden = b.read("(x[0] + a)^2 - x[0]^2 + sin(t)*x[1] + 1/(1/x[0])");
    let (coefficients, constant) = b.graph.affine_coefficients(hidden, &x).expect("affine");
    let texts: Vec<_> = coefficients.iter().map(|c| b.graph.text(*c)).collect();
    assert_eq!(texts, ["2*a + 1", "sin(t)"]);
    assert_eq!(b.graph.text(constant), "a^2");
    let bent = b.read("x[0]*x[1]");
    assert_eq!(b.graph.affine_coefficients(bent, &x), None);
}

#[test]
fn an_unknown_satisfies_an_identity_in_all_its_derivatives() {
    let mut g = Graph::new();
    let (x, t) = (g.symbol("x"), g.symbol("t"));
    let psi = g.unknown("psi", &[x, t]);
    // Hopf-Cole: V = -log psi turns psi_t + psi_xx/2 = 0 into V_t + V_xx/2 - V_x^2/2 = 0, times -psi.
    let log = g.log(psi);
    let value = g.neg(log);
    let (v_t, v_x) = (g.derivative(value, t), g.derivative(value, x));
    let v_xx = g.derivative(v_x, x);
    let half = g.rational(1, 2);
    let square = g.powi(v_x, 2);
    let bend = g.sub(v_xx, square);
    let bend = g.mul(&[half, bend]);
    let hjb = g.add(&[v_t, bend]);
    let (p_t, p_x) = (g.derivative(psi, t), g.derivative(psi, x));
    let p_xx = g.derivative(p_x, x);
    let heat = g.mul(&[half, p_xx]);
    let linear = g.add(&[p_t, heat]);
    let minus = g.neg(psi);
    let scaled = g.div(linear, minus);
    assert!(g.equal(hjb, scaled).is_proved());
}

#[test]
fn latex_reads_like_mathematics() {
    let mut b = board();
    let cases = [
        ("sigma^2*x[0]/2", "\\frac{x_{0} \\, \\sigma^{2}}{2}"),
        ("(a + b)^2", "\\left(a + b\\right)^{2}"),
        ("sqrt(a + 1)", "\\sqrt{a + 1}"),
        ("-a*(b - 1)", "-a \\, \\left(b - 1\\right)"),
        ("exp(-a)", "e^{-a}"),
        ("abs(a)/(b + 1)", "\\frac{\\left|a\\right|}{b + 1}"),
        ("0.9*a + 1/3", "0.9 \\, a + \\frac{1}{3}"),
    ];
    for (source, expected) in cases {
        let e = b.read(source);
        assert_eq!(b.graph.latex(e), expected, "{source}");
    }
    assert_eq!(crate::expr::latex_name("t_min"), "t_{\\mathrm{min}}");
    assert_eq!(crate::expr::latex_name("beta1"), "\\beta_{1}");
    let (x, t) = (b.x[0], b.read("t"));
    let v = b.graph.unknown("V", &[x, t]);
    let first = b.graph.derivative(v, x);
    let second = b.graph.derivative(first, x);
    let slope = b.graph.derivative(v, t);
    assert_eq!(b.graph.latex(second), "\\partial_{x_{0}}^{2} V");
    let half = b.graph.rational(1, 2);
    let term = b.graph.mul(&[half, second]);
    let sum = b.graph.add(&[slope, term]);
    assert!(
        b.graph
            .latex(sum)
            .contains("\\frac{\\partial_{x_{0}}^{2} V}{2}")
    );
}

#[test]
fn kinks_are_listed() {
    let mut b = board();
    let e = b.read("abs(a) + if(x[0] > 0, 1, b^2)*exp(a)");
    let kinks = b.graph.kinks(e);
    assert_eq!(kinks.len(), 2);
    let a = b.read("a");
    assert!(kinks.contains(&b.graph.apply(Function::Abs, &[a])));
    let smooth = b.read("exp(a)");
    assert!(!b.graph.is_kinked(smooth));
}
