//! Equality: what the rules prove, what a witness refutes, what is only tested.

use crate::expr::{
    Assumptions, Decision, Doubt, Expr, Graph, Rule, Scope, Shape, SideCondition, parse_scalar,
};

struct Bench {
    graph: Graph,
    scope: Scope,
    assumptions: Assumptions,
}

fn bench() -> Bench {
    let (mut graph, mut scope) = (Graph::new(), Scope::new());
    scope.state(&mut graph, "x", &Shape::Vector(2));
    scope.time(&mut graph);
    for name in ["a", "b", "c"] {
        scope.variable(&mut graph, name, &Shape::Scalar);
    }
    Bench {
        graph,
        scope,
        assumptions: Assumptions::default(),
    }
}

impl Bench {
    fn read(&mut self, source: &str) -> Expr {
        parse_scalar(source, &self.scope, &mut self.graph).expect(source)
    }

    fn decide(&mut self, left: &str, right: &str) -> Decision {
        let (left, right) = (self.read(left), self.read(right));
        self.graph.decide(left, right, &self.assumptions)
    }
}

#[test]
fn trigonometric_and_hyperbolic_identities_are_proved() {
    let identities = [
        ("sin(a)^2 + cos(a)^2", "1"),
        ("sin(2*a)", "2*sin(a)*cos(a)"),
        ("cos(2*a)", "1 - 2*sin(a)^2"),
        ("sin(a + b)", "sin(a)*cos(b) + cos(a)*sin(b)"),
        ("cos(a - b)*2", "cos(a)*cos(b)*2 + sin(a)*sin(b)*2"),
        ("sin(3*a)", "3*sin(a) - 4*sin(a)^3"),
        ("cos(5*a)", "16*cos(a)^5 - 20*cos(a)^3 + 5*cos(a)"),
        ("tan(a + b)", "(tan(a) + tan(b))/(1 - tan(a)*tan(b))"),
        ("tan(2*a)", "2*tan(a)/(1 - tan(a)^2)"),
        ("1 + tan(a)^2", "1/cos(a)^2"),
        ("sin(a/2)^2", "(1 - cos(a))/2"),
        ("sin(a)*sin(b)", "(cos(a - b) - cos(a + b))/2"),
        ("sin(a) + sin(b)", "2*sin((a + b)/2)*cos((a - b)/2)"),
        ("sin(a + pi/2)", "cos(a)"),
        ("cos(a + pi/3)", "cos(a)/2 - sqrt(3)*sin(a)/2"),
        ("sin(pi - a)*cos(2*pi + a)", "sin(2*a)/2"),
        ("sin(pi/6) + cos(7*pi/4)", "1/2 + sqrt(2)/2"),
        ("sin((a + b)^2)", "sin(a^2 + 2*a*b + b^2)"),
        ("D(sin(t)^2, t)", "sin(2*t)"),
        ("cosh(a)^2 - sinh(a)^2", "1"),
        ("cosh(a + b)", "cosh(a)*cosh(b) + sinh(a)*sinh(b)"),
        ("sinh(2*a)", "2*sinh(a)*cosh(a)"),
        ("tanh(a)", "sinh(a)/cosh(a)"),
        ("tanh(a + b)", "(tanh(a) + tanh(b))/(1 + tanh(a)*tanh(b))"),
        ("1 - tanh(a)^2", "1/cosh(a)^2"),
        ("tanh(a/2)", "2*sigmoid(a) - 1"),
        ("sigmoid(-a)", "1 - sigmoid(a)"),
        ("softplus(a) - softplus(-a)", "a"),
        ("D(softplus(x[0]), x[0])", "sigmoid(x[0])"),
        ("log(sigmoid(a))", "-softplus(-a)"),
        ("logsumexp(a, b)", "a + softplus(b - a)"),
        ("log(cosh(a))", "softplus(2*a) - a - log(2)"),
        ("expm1(2*a)", "expm1(a)^2 + 2*expm1(a)"),
        ("exp(log1p(a))", "1 + a"),
    ];
    for (left, right) in identities {
        let decision = bench().decide(left, right);
        assert!(
            matches!(decision, Decision::Proved { .. }),
            "{left} = {right}: {decision:?}"
        );
    }
}

/// The same identities with a slip in them: none may be proved or pass the test.
#[test]
fn slips_are_refuted_with_a_witness() {
    let slips = [
        ("sin(2*a)", "sin(a)*cos(a)"),
        ("cos(a - b)", "cos(a)*cos(b) - sin(a)*sin(b)"),
        ("sin(3*a)", "3*sin(a) - 4*sin(a)^2"),
        ("sin(a + pi/2)", "-cos(a)"),
        ("cos(a + pi/3)", "cos(a)/2 + sqrt(3)*sin(a)/2"),
        ("cosh(a)^2 + sinh(a)^2", "1"),
        ("tanh(a/2)", "sigmoid(a) - 1"),
        ("log(a*b)", "log(a)*log(b)"),
        ("sqrt(a + b)", "sqrt(a) + sqrt(b)"),
        ("exp(a)^2", "exp(a^2)"),
        ("D(x[0]^3, x[0])", "x[0]^2"),
        ("a", "a + 1/10^14"),
        ("if(a > 1.9, 1, 0)", "0"),
    ];
    for (left, right) in slips {
        let mut b = bench();
        match b.decide(left, right) {
            Decision::Refuted {
                at,
                left: l,
                right: r,
            } => {
                // The witness is one: plain evaluation sees the difference as well.
                let values: Vec<(Expr, f64)> = at.iter().map(|(n, v)| (b.read(n), *v)).collect();
                let (le, re) = (b.read(left), b.read(right));
                let plain = b
                    .graph
                    .evaluate_all(&[le, re], &values)
                    .expect("a full point");
                assert!((plain[0] - l).abs() < 1e-13 && (plain[1] - r).abs() < 1e-13);
                assert_ne!(plain[0], plain[1], "{left} = {right}");
            }
            other => panic!("{left} = {right}: {other:?}"),
        }
    }
}

#[test]
fn proofs_name_their_rules_and_conditions() {
    let mut b = bench();
    let (a, sum) = (b.read("a"), b.read("b + c"));
    match b.decide("a*(b + c) - a*b", "a*c") {
        Decision::Proved { rules, .. } => assert_eq!(rules, [Rule::Expansion]),
        other => panic!("{other:?}"),
    }
    match b.decide("(b + c)/(b^2 + 2*b*c + c^2)", "1/(b + c)") {
        Decision::Proved {
            rules,
            side_conditions,
        } => {
            assert_eq!(rules, [Rule::Expansion, Rule::CommonDenominator]);
            assert!(side_conditions.contains(&SideCondition::NotZero(sum)));
        }
        other => panic!("{other:?}"),
    }
    // Where log(a) is defined, a is positive; the proof says that it used this.
    match b.decide("log(a^3) + log(sqrt(a))", "3.5*log(a)") {
        Decision::Proved {
            rules,
            side_conditions,
        } => {
            assert!(rules.contains(&Rule::PositiveQuantities) || side_conditions.is_empty());
        }
        other => panic!("{other:?}"),
    }
    // sqrt(a^2) = a is false, unless a is known to be positive.
    assert!(matches!(
        b.decide("sqrt(a^2)", "a"),
        Decision::Refuted { .. }
    ));
    b.assumptions.positive.push(a);
    match b.decide("sqrt(a^2*(1 + c^2))", "a*sqrt(1 + c^2)") {
        Decision::Proved {
            rules,
            side_conditions,
        } => {
            assert!(rules.contains(&Rule::PositiveQuantities));
            assert_eq!(side_conditions, [SideCondition::Positive(a)]);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        b.decide("(a^2)^c", "a^(2*c)"),
        Decision::Proved { .. }
    ));
    assert!(matches!(
        b.decide("log(a^c)", "c*log(a)"),
        Decision::Proved { .. }
    ));
}

#[test]
fn positivity_is_not_taken_from_a_branch() {
    let mut b = bench();
    let decision = b.decide(
        "if(a > 0, log(a), 0) + sqrt(a^2)",
        "if(a > 0, log(a), 0) + a",
    );
    assert!(matches!(decision, Decision::Refuted { .. }), "{decision:?}");
}

#[test]
fn what_no_rule_proves_is_tested_with_a_stated_probability() {
    let mut b = bench();
    match b.decide("asin(a/2) + acos(a/2)", "pi/2") {
        Decision::Tested {
            points,
            largest_relative_difference,
            false_positive_probability,
        } => {
            assert_eq!(points, 64);
            assert!(largest_relative_difference < 1e-28);
            assert!(false_positive_probability < 1e-100);
        }
        other => panic!("{other:?}"),
    }
    match b.decide("max(a, b) + min(a, b)", "a + b") {
        Decision::Tested {
            false_positive_probability,
            ..
        } => assert!((false_positive_probability - 0.75_f64.powi(64)).abs() < 1e-12),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        b.decide("log(-1 - a^2)", "log(-2 - a^2)"),
        Decision::Undecided {
            why: Doubt::NowhereDefined
        }
    );
    // Known to double precision only.
    assert!(matches!(
        b.decide("lgamma(3 + c)", "lgamma(2 + c) + log(2 + c)"),
        Decision::Tested { .. }
    ));
    // Huge values inside excuse nothing.
    let hidden = b.decide("exp(exp(a + 4)) + a - exp(exp(a + 4))*(1 + 0)", "b");
    assert!(
        !matches!(hidden, Decision::Tested { .. } | Decision::Proved { .. }),
        "{hidden:?}"
    );
    let a = b.read("a");
    b.assumptions.within.push((a, 3.0, 4.0));
    assert!(matches!(b.decide("abs(a)", "a"), Decision::Proved { .. }));
    assert!(matches!(
        b.decide("max(a, 1)", "a"),
        Decision::Tested { .. }
    ));
}
