//! Units: their notation, and what an expression is measured in.

use crate::expr::{Dimensions, Expr, Graph, Scope, Shape, Unit, UnitFault, parse_scalar};

fn unit(text: &str) -> Unit {
    Unit::parse(text).expect(text)
}

struct Lab {
    graph: Graph,
    scope: Scope,
    dimensions: Dimensions,
}

fn lab() -> Lab {
    let (mut graph, mut scope) = (Graph::new(), Scope::new());
    let x = scope.state(&mut graph, "x", &Shape::Vector(2));
    let t = scope.time(&mut graph);
    let mut given: Vec<(Expr, Unit)> = x.iter().map(|x| (*x, unit("um"))).collect();
    given.push((t, unit("s")));
    for (name, measured) in [
        ("k", "1/s"),
        ("b", "1/(um^2 s)"),
        ("s", "um/s^0.5"),
        ("kT", "pN um"),
    ] {
        let symbol = scope.variable(&mut graph, name, &Shape::Scalar)[0];
        given.push((symbol, unit(measured)));
    }
    scope.variable(&mut graph, "n", &Shape::Scalar);
    Lab {
        graph,
        scope,
        dimensions: Dimensions::new(given),
    }
}

impl Lab {
    fn read(&mut self, source: &str) -> Expr {
        parse_scalar(source, &self.scope, &mut self.graph).expect(source)
    }

    fn measure(&mut self, source: &str) -> Result<Option<Unit>, Box<UnitFault>> {
        let e = self.read(source);
        self.dimensions.unit(&self.graph, e)
    }

    fn fault(&mut self, source: &str) -> (String, String) {
        let fault = self.measure(source).expect_err(source);
        let under = fault.origin().map_or("", |o| o.snippet()).to_owned();
        (fault.to_string(), under)
    }
}

#[test]
fn units_are_read_and_written() {
    for (text, printed) in [
        ("1/(um^2 s)", "1/(s*um^2)"),
        ("um/s^0.5", "um/s^(1/2)"),
        ("kg m^2 / s^2", "kg*m^2/s^2"),
        ("kg*m^(3/2)*m^-0.5", "kg*m"),
        ("1", "1"),
        ("m/m", "1"),
        ("(N m)^2/(kg*K)", "N^2*m^2/(K*kg)"),
        ("\u{b5}m", "\u{b5}m"),
    ] {
        assert_eq!(unit(text).to_string(), printed);
        assert_eq!(unit(printed), unit(text));
    }
    for (text, at) in [
        ("um/s kg", 5),
        ("2 um", 0),
        ("um^s", 3),
        ("um +", 3),
        ("", 0),
        ("(m", 2),
        ("m^(1/0)", 6),
    ] {
        let error = Unit::parse(text).expect_err(text);
        assert_eq!((error.code, error.span.start), ("E220", at), "{text}");
    }
    let deep = format!("{}m", "(".repeat(100_000));
    assert!(Unit::parse(&deep).is_err());
}

#[test]
fn units_of_expressions_are_inferred() {
    let mut lab = lab();
    for (source, expected) in [
        ("k*x[0] - b*x[0]^3", "um/s"),
        ("s*sqrt(1 + b*x[0]^2/k)", "um/s^0.5"),
        ("sqrt(norm2(x))", "um"),
        ("exp(-k*t)*n", "1"),
        ("D(b*x[0]^4, x[0])", "um/s"),
        ("kT*D(log(1 + b*norm2(x)/k), x[0])", "pN"),
        ("max(x[0], x[1], 0)", "um"),
        ("atan2(x[0], x[1]) + sign(t)", "1"),
        ("if(x[0] > 0, x[1], 0)", "um"),
        ("abs(x[0])^(1/2)", "um^0.5"),
        ("n^n + 2^n", "1"),
    ] {
        let found = lab.measure(source).map_err(|fault| fault.to_string());
        assert_eq!(found, Ok(Some(unit(expected))), "{source}");
    }
    assert_eq!(lab.measure("0").map_err(|f| f.to_string()), Ok(None));
    // An unknown and its derivatives.
    let (x, t) = (lab.read("x[0]"), lab.read("t"));
    let value = lab.graph.unknown("V", &[x, t]);
    let mut dimensions = Dimensions::new([(value, unit("J")), (x, unit("um")), (t, unit("s"))]);
    let slope = lab.graph.derivative(value, x);
    let bend = lab.graph.derivative(slope, x);
    let found = dimensions.unit(&lab.graph, bend).map_err(|f| f.to_string());
    assert_eq!(found, Ok(Some(unit("J/um^2"))));
}

#[test]
fn units_that_do_not_fit_name_the_piece_and_both_units() {
    let mut lab = lab();
    let faults = [
        (
            "k*x[0] - 2*b*x[0]^2",
            "units differ: `k*x[0]` in um/s and `2*b*x[0]^2` in 1/s",
            "2*b*x[0]^2",
        ),
        ("x[0] + 1", "units differ: `x[0]` in um and `1` in 1", "1"),
        (
            "n*exp(-x[0])",
            "`exp` takes a pure number, this is in um",
            "-x[0]",
        ),
        (
            "x[0]^n",
            "only a constant number can be the exponent of something in um",
            "x[0]",
        ),
        ("n^x[1]", "an exponent is a pure number, this is in um", "n"),
        (
            "if(x[0] > t, 1, 2)",
            "units differ: `x[0]` in um and `t` in s",
            "t",
        ),
    ];
    for (source, message, under) in faults {
        let mut fresh = self::lab();
        let (found, place) = fresh.fault(source);
        // Symbols keep the place where they were first read, so each case has a lab of its own.
        assert_eq!(
            (found.as_str(), place.as_str()),
            (message, under),
            "{source}"
        );
    }
    // A definition is blamed in its own text.
    lab.scope
        .define("U", "b*x[0]^4 + k*x[0]")
        .expect("well formed");
    let fault = lab
        .measure("D(U, x[0])")
        .expect_err("the second term is a velocity");
    let origin = fault.origin().expect("read");
    assert_eq!(origin.definition.as_deref(), Some("U"));
}
