//! Origins survive differentiation, and a failing value names the text that failed.

use crate::expr::{Expr, FaultKind, Graph, Scope, Shape, parse_scalar};

fn desk() -> (Graph, Scope, Vec<Expr>) {
    let (mut graph, mut scope) = (Graph::new(), Scope::new());
    let x = scope.state(&mut graph, "x", &Shape::Vector(2));
    scope.time(&mut graph);
    (graph, scope, x)
}

#[test]
fn a_node_keeps_its_first_place_and_derivatives_inherit_it() {
    let (mut g, scope, x) = desk();
    g.reading("cost.running");
    let source = "x[1]*log(1 + x[0]*x[1])";
    let cost = parse_scalar(source, &scope, &mut g).expect(source);
    g.reading("cost.terminal");
    let again = parse_scalar("2*log(1 + x[0]*x[1])", &scope, &mut g).expect("parses");
    let inner = parse_scalar("log(1 + x[0]*x[1])", &scope, &mut g).expect("parses");
    let origin = g.origin(inner).expect("it was read");
    assert_eq!(
        (&*origin.place, origin.span.clone()),
        ("cost.running", 5..23)
    );
    assert_eq!(origin.snippet(), "log(1 + x[0]*x[1])");
    assert!(!origin.derived);
    assert_eq!(
        &*g.origin(again).expect("it was read").place,
        "cost.terminal"
    );
    let slope = g.derivative(cost, x[1]);
    for e in g.reachable(&[slope]).into_iter().filter(|e| *e > again) {
        let origin = g.origin(e).expect("derived from what was read");
        assert!(origin.derived, "{}", g.text(e));
        assert_eq!(&*origin.place, "cost.running");
    }
    // Typing what had been derived makes it the user's.
    g.reading("define");
    let slope_text = g.text(slope);
    let typed = parse_scalar(&slope_text, &scope, &mut g).expect("prints readably");
    assert_eq!(typed, slope);
    assert!(!g.origin(slope).expect("typed").derived);
    assert_eq!(g.symbol("new"), g.symbol("new"));
    let fresh = g.symbol("new");
    assert_eq!(g.origin(fresh), None);
}

#[test]
fn failures_in_derived_expressions_point_at_what_was_typed() {
    let (mut g, mut scope, x) = desk();
    scope
        .define("L", "log(1 + x[0]*x[1])")
        .expect("well formed");
    g.reading("cost.running");
    let cost = parse_scalar("x[1]^2*L + sqrt(x[0])", &scope, &mut g).expect("parses");
    let slope = g.derivative(cost, x[1]);
    let at = |a: f64, b: f64| [(x[0], a), (x[1], b)];
    assert_eq!(g.diagnose(slope, &at(0.5, 1.0)), None);
    let fault = g
        .diagnose(slope, &at(-1.4, 0.92))
        .expect("log of a negative number");
    assert_eq!(fault.kind, FaultKind::LogOfNegative);
    assert!((fault.argument - (1.0 - 1.4 * 0.92)).abs() < 1e-15);
    let origin = fault.origin.expect("typed");
    assert_eq!(origin.snippet(), "log(1 + x[0]*x[1])");
    assert_eq!(origin.definition.as_deref(), Some("L"));
    assert_eq!(
        origin.to_string(),
        "`log(1 + x[0]*x[1])` in the definition of `L`"
    );
    // A division that only the derivative has: the pole of log' is put down to the log.
    let fault = g.diagnose(slope, &at(-1.0, 1.0)).expect("log of zero, 1/0");
    assert_eq!(
        fault.origin.expect("derived").snippet(),
        "log(1 + x[0]*x[1])"
    );
    let slope = g.derivative(cost, x[0]);
    let fault = g.diagnose(slope, &at(0.0, 1.0)).expect("1/sqrt(0)");
    assert_eq!(fault.kind, FaultKind::DivisionByZero);
    let origin = fault.origin.expect("derived");
    assert_eq!((origin.snippet(), origin.derived), ("sqrt(x[0])", true));
    assert_eq!(&*origin.place, "cost.running");
}

#[test]
fn the_branch_not_taken_is_not_to_blame() {
    let (mut g, scope, x) = desk();
    let mut read = |source: &str| parse_scalar(source, &scope, &mut g).expect(source);
    let guarded = read("if(x[0] > 0, log(x[0]), 0)");
    let other = read("exp(1000*x[1]) + if(x[0] > 0, 1, asin(x[0]))");
    let power = read("(x[0])^(1/3)/x[1]");
    assert_eq!(g.diagnose(guarded, &[(x[0], -1.0)]), None);
    let at = |a: f64, b: f64| [(x[0], a), (x[1], b)];
    let kind = |e: Expr, a: f64, b: f64| g.diagnose(e, &at(a, b)).map(|fault| fault.kind);
    assert_eq!(kind(other, 1.0, 1.0), Some(FaultKind::Overflow));
    assert_eq!(kind(power, -1.0, 1.0), Some(FaultKind::RootOfNegative));
    assert_eq!(kind(power, 1.0, 0.0), Some(FaultKind::DivisionByZero));
    assert!(matches!(
        kind(other, -2.0, 0.0),
        Some(FaultKind::OutsideDomain(_))
    ));
    let missing = g
        .diagnose(power, &[(x[0], 1.0)])
        .expect("x[1] has no value");
    assert_eq!((missing.kind, missing.operand), (FaultKind::NoValue, x[1]));
}

#[test]
fn kinks_know_where_they_switch_and_where_they_stand() {
    let (mut g, scope, x) = desk();
    g.reading("dynamics.drift[1]");
    let source = "abs(x[0] - 1) + max(x[0], x[1]) + if(x[1] > 2 or x[0] < 0, 1, t)";
    let e = parse_scalar(source, &scope, &mut g).expect(source);
    let kinks = g.kink_list(e);
    let mut shown: Vec<(String, Vec<String>)> = Vec::new();
    for kink in &kinks {
        let origin = kink.origin.clone().expect("typed");
        assert_eq!(&*origin.place, "dynamics.drift[1]");
        let switches = kink.switches.iter().map(|s| g.text(*s)).collect();
        shown.push((origin.snippet().to_owned(), switches));
    }
    assert_eq!(
        shown[0],
        ("abs(x[0] - 1)".to_owned(), vec!["x[0] - 1".to_owned()])
    );
    assert_eq!(shown[1].0, "max(x[0], x[1])");
    assert_eq!(shown[1].1, ["x[1] - x[0]"]);
    assert_eq!(shown[2].1.len(), 2);
    // The derivative switches where its source does.
    let slope = g.derivative(e, x[0]);
    let inherited = g.kink_list(slope);
    assert!(inherited.iter().all(|kink| kink.origin.is_some()));
    assert!(!inherited.is_empty());
}
