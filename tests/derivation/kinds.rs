//! Derivations of simulations, paths and bridges: every step executed, slips caught, numbers against
//! closed forms.

use onsager::derivation::control::classical_limit::{canonical, momentum};
use onsager::derivation::control::optimal_control::optimal_control;
use onsager::derivation::ground::controlled;
use onsager::derivation::ground::noising::Noising;
use onsager::derivation::ground::stated::{Clock, Stated, Terminal};
use onsager::derivation::kind::expectation::unmet;
use onsager::derivation::kind::{bridge, path, print, simulate};
use onsager::derivation::law::antiderivative::antiderivative;
use onsager::derivation::law::passage::{self, StoppingEvent};
use onsager::derivation::law::stationary::{self, Stationary};
use onsager::derivation::law::{likelihood_expansion, nelson, partition};
use onsager::derivation::paths::path_action::{self, Functional};
use onsager::derivation::paths::schrodinger;
use onsager::derivation::structure::{Steering, Subject, findings};
use onsager::derivation::{Derivation, Evidence, Refuted, derive};
use onsager::expr::{Expr, Graph, Scope, Shape, parse_scalar};
use onsager::problem::load;
use onsager::problem::meant::model::Calculus;
use onsager::verification::vocabulary::standard;
use std::path::Path;

/// A process from expressions, with further expressions in its graph.
fn process(
    shape: &Shape,
    drift: &[&str],
    diffusion: &[&[&str]],
    others: &[&str],
) -> (Stated, Vec<Expr>) {
    let mut graph = Graph::new();
    let mut scope = Scope::new();
    let time = scope.time(&mut graph);
    let state = scope.state(&mut graph, "x", shape);
    let mut read = |text: &str| -> Expr {
        parse_scalar(text, &scope, &mut graph).unwrap_or_else(|e| panic!("{text}: {e:?}"))
    };
    let drift = drift.iter().map(|f| read(f)).collect();
    let diffusion = diffusion
        .iter()
        .map(|row| row.iter().map(|g| read(g)).collect())
        .collect();
    let others = others.iter().map(|e| read(e)).collect();
    let zero = graph.zero();
    let stated = Stated {
        graph,
        time,
        state,
        control: Vec::new(),
        drift,
        diffusion,
        running: zero,
        terminal: zero,
        end: Terminal::None,
        clock: Clock::Forward,
        discount: zero,
        horizon: (0.0, 1.0),
    };
    (stated, others)
}

/// The double well with state-dependent noise.
fn noisy_well() -> Stated {
    process(
        &Shape::Scalar,
        &["x - x^3"],
        &[&["0.5*sqrt(1 + 0.5*x^2)"]],
        &[],
    )
    .0
}

/// A nongradient double well: `-grad U + l`, `l . grad U = 0`.
fn swirl() -> (Stated, Expr) {
    let named = Shape::Named(vec!["x".to_owned(), "y".to_owned()]);
    let mut graph = Graph::new();
    let mut scope = Scope::new();
    let time = scope.time(&mut graph);
    let state = scope.state(&mut graph, "r", &named);
    let mut read = |text: &str| -> Expr {
        parse_scalar(text, &scope, &mut graph).unwrap_or_else(|e| panic!("{text}: {e:?}"))
    };
    let potential = read("0.5*(x^2 - 1)^2 + y^2");
    let drift = vec![
        read("-2*x*(x^2 - 1) + 1.5*2*y"),
        read("-2*y - 1.5*2*x*(x^2 - 1)"),
    ];
    let (noise, zero) = (read("sqrt(0.05)"), read("0"));
    let stated = Stated {
        graph,
        time,
        state,
        control: Vec::new(),
        drift,
        diffusion: vec![vec![noise, zero], vec![zero, noise]],
        running: zero,
        terminal: zero,
        end: Terminal::None,
        clock: Clock::Forward,
        discount: zero,
        horizon: (0.0, 1.0),
    };
    (stated, potential)
}

fn check_all(name: &str, derivation: &Derivation) {
    for step in derivation.all_steps() {
        assert!(
            !matches!(step.evidence, Evidence::Stated),
            "{name}: {}",
            step.name
        );
        assert!(!step.statement.is_empty(), "{name}: {}", step.name);
    }
    let check = derivation.cross_check.expect("finite coefficients");
    assert_eq!(check.points, 64, "{name}");
    assert!(check.largest_relative_difference < 1e-11, "{name}");
}

fn simulated(stated: &Stated, calculus: Calculus, events: Vec<StoppingEvent>) -> Derivation {
    let setting = simulate::Setting {
        calculus,
        domain: Some(vec![(-4.0, 4.0); stated.state.len()]),
        events,
    };
    simulate::derive(stated, &setting, Vec::new()).unwrap_or_else(|r| panic!("{r}"))
}

#[test]
fn every_step_of_a_simulation_is_executed() {
    let (_, margin) = process(&Shape::Scalar, &["x"], &[&["1"]], &["x - 1"]);
    let mut well = noisy_well();
    let margin = {
        let (one, x) = (well.graph.one(), well.state[0]);
        assert_eq!(margin.len(), 1);
        well.graph.sub(x, one)
    };
    let event = StoppingEvent {
        name: "reach-right".to_owned(),
        margin,
    };
    let derivation = simulated(&well, Calculus::Ito, vec![event]);
    check_all("well", &derivation);
    let text = print::text(&derivation);
    for line in [
        "p ~ (x^2 + 2)^23 exp(-8*x^2),   maximum at x = +-sqrt(14)/4 = +-0.935414",
        "Stratonovich instead:  p ~ (x^2 + 2)^(47/2) exp(-8*x^2)",
        "= +-0.968246",
        "T(1) = 0,   T'(-4) = 0",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let (spiral, _) = process(
        &Shape::Vector(2),
        &["-x[0] + 2*x[1] + 1", "-2*x[0] - x[1]"],
        &[&["1", "0.5"], &["0", "2"]],
        &[],
    );
    let derivation = simulated(&spiral, Calculus::Ito, Vec::new());
    check_all("spiral", &derivation);
    assert!(derivation.step("stationary Gaussian").is_some());
    let (curved, _) = process(
        &Shape::Vector(2),
        &["x[1]*sin(x[0])", "-x[0]^3*t"],
        &[&["1 + x[0]^2", "x[1]"], &["t", "cos(x[0])"]],
        &[],
    );
    let derivation = simulated(&curved, Calculus::Klimontovich, Vec::new());
    check_all("curved", &derivation);
    assert!(derivation.step("stationary").is_none());
}

#[test]
fn every_step_of_a_path_is_executed() {
    let (swirl, potential) = swirl();
    let setting = path::Setting {
        functional: Functional::FreidlinWentzell,
        free_duration: true,
        transverse: Some(("U".to_owned(), potential)),
        domain: None,
    };
    let derivation = path::derive(&swirl, &setting, Vec::new());
    check_all("swirl", &derivation.unwrap_or_else(|r| panic!("{r}")));
    for (name, stated) in [("well", noisy_well()), ("shear", shear())] {
        let setting = path::Setting {
            functional: Functional::OnsagerMachlup,
            free_duration: false,
            transverse: None,
            domain: None,
        };
        let derivation = path::derive(&stated, &setting, Vec::new());
        check_all(name, &derivation.unwrap_or_else(|r| panic!("{r}")));
    }
}

fn shear() -> Stated {
    process(
        &Shape::Vector(2),
        &["x[1]*sin(x[0]) + t", "-x[0]^3"],
        &[&["1", "0.5"], &["0", "2"]],
        &[],
    )
    .0
}

#[test]
fn every_step_of_a_bridge_is_executed() {
    let (brownian, _) = process(
        &Shape::Vector(2),
        &["0", "0"],
        &[&["1", "0"], &["0", "1"]],
        &[],
    );
    let (well, _) = process(&Shape::Scalar, &["x - x^3"], &[&["0.7"]], &[]);
    for (name, stated) in [
        ("brownian", brownian),
        ("well", well),
        ("noisy well", noisy_well()),
        ("shear", shear()),
    ] {
        let derivation = bridge::derive(&stated, Calculus::Ito, None, Vec::new());
        let derivation = derivation.unwrap_or_else(|r| panic!("{name}: {r}"));
        check_all(name, &derivation);
        let newton = derivation.step("newton").is_some();
        assert_eq!(newton, matches!(name, "brownian" | "well"), "{name}");
    }
}

fn is_refuted(outcome: Result<Evidence, Refuted>, slip: &str) {
    assert!(outcome.is_err(), "{slip}: {outcome:?}");
}

fn scaled(noising: &mut Noising, numerator: i64, denominator: i64, e: Expr) -> Expr {
    let factor = noising.graph.rational(numerator, denominator);
    noising.graph.mul(&[factor, e])
}

#[test]
fn slips_in_stationary_laws_and_passage_times_are_refuted() {
    let mut n = controlled::uncontrolled(&noisy_well());
    let density = stationary::stationary(&mut n).expect("one dimension");
    let log = density.log();
    for (slip, log) in [
        ("2 in place of 1 before f", scaled(&mut n, 1, 2, log)),
        ("sign", n.graph.neg(log)),
        ("no div D", {
            // The density of the anti-Ito reading lacks the factor 1/D.
            let logarithm = n.graph.log(n.diffusivity[0][0]);
            n.graph.add(&[log, logarithm])
        }),
    ] {
        is_refuted(
            stationary::execute(&mut n, &Stationary::Balanced { log }),
            slip,
        );
    }
    let mean = n.at_end("T");
    let residual = passage::residual(&mut n, mean);
    let one = n.graph.one();
    let opposite = n.graph.sub(residual, one);
    is_refuted(passage::execute(&mut n, mean, opposite), "no source");
    let curved = n.half_curvature(mean);
    let first_order = n.graph.sub(residual, curved);
    is_refuted(passage::execute(&mut n, mean, first_order), "no Ito term");
    let (spiral, _) = process(
        &Shape::Vector(2),
        &["-x[0] + 2*x[1]", "-2*x[0] - x[1]"],
        &[&["1", "0.5"], &["0", "2"]],
        &[],
    );
    let mut n = controlled::uncontrolled(&spiral);
    let density = stationary::stationary(&mut n).expect("a Gaussian");
    let Stationary::Gaussian {
        log,
        mean,
        covariance,
    } = density
    else {
        panic!("the spiral has a flux");
    };
    let doubled = scaled(&mut n, 1, 2, log);
    let wrong = Stationary::Gaussian {
        log: doubled,
        mean,
        covariance,
    };
    is_refuted(stationary::execute(&mut n, &wrong), "twice the covariance");
}

#[test]
fn slips_in_path_actions_are_refuted() {
    for stated in [noisy_well(), shear()] {
        let mut n = controlled::uncontrolled(&stated);
        let metric = path_action::metric(&mut n);
        let (d, state) = (n.dimension(), n.state.clone());
        let p = momentum(&mut n.graph, &state);
        let functional = Functional::OnsagerMachlup;
        let h = path_action::hamiltonian(&mut n, &metric, functional, &p);
        let half = scaled(&mut n, 1, 2, h);
        let outcome = path_action::execute_legendre(&mut n, &metric, functional, half, &p);
        assert!(outcome.is_err(), "half the Hamiltonian");
        let other = Functional::FreidlinWentzell;
        let outcome = path_action::execute_legendre(&mut n, &metric, other, h, &p);
        assert!(outcome.is_err(), "a Jacobian too many");
        let system = canonical(&mut n.graph, &state, &p, h);
        let (along, conjugate) = (n.constants("M", d), n.constants("P", d));
        let rates: Vec<Expr> = along.iter().chain(&conjugate).copied().collect();
        is_refuted(
            path_action::execute_fluctuations(&mut n, &system, &rates, (&along, &conjugate)),
            "Jacobi fields that only grow",
        );
    }
    let (swirl, potential) = swirl();
    let mut n = controlled::uncontrolled(&swirl);
    let half = scaled(&mut n, 1, 2, potential);
    is_refuted(path_action::execute_transverse(&mut n, half), "half of U");
    let opposite = n.graph.neg(potential);
    is_refuted(
        path_action::execute_transverse(&mut n, opposite),
        "sign of U",
    );
    let wrong = |n: &mut Noising, w: &[Expr], g: &[Expr]| {
        let rate = path_action::geometric_rate(n, w, g);
        scaled(n, 1, 2, rate)
    };
    is_refuted(
        path_action::execute_geometric(&mut n, wrong),
        "half the rate",
    );
    assert!(path_action::execute_geometric(&mut n, path_action::geometric_rate).is_ok());
}

#[test]
fn slips_in_bridges_and_velocities_are_refuted() {
    for stated in [noisy_well(), shear()] {
        let mut n = controlled::uncontrolled(&stated);
        let (phi, dual) = (n.field("phi"), n.field("phi^"));
        let forward = schrodinger::forward_drift(&mut n, phi);
        let backward = schrodinger::backward_drift(&mut n, dual);
        is_refuted(
            schrodinger::execute(&mut n, &backward, &forward),
            "ends swapped",
        );
        let b = n.drift.clone();
        is_refuted(schrodinger::execute(&mut n, &b, &backward), "no pull");
        let log = n.graph.log(phi);
        let slope = n.gradient(log);
        let control = n.through_noise(&slope);
        let half: Vec<Expr> = control.iter().map(|u| scaled(&mut n, 1, 2, *u)).collect();
        is_refuted(schrodinger::execute_energy(&mut n, &half), "half of u*");
        let p = n.field("p");
        let found = nelson::velocities(&mut n, &b, p);
        let mut wrong = found.clone();
        wrong.current = found.osmotic.clone();
        is_refuted(nelson::execute(&mut n, &wrong), "osmotic for current");
        let mut wrong = found.clone();
        wrong.osmotic = found.osmotic.iter().map(|u| n.graph.neg(*u)).collect();
        is_refuted(
            nelson::execute(&mut n, &wrong),
            "sign of the osmotic velocity",
        );
    }
    let (well, _) = process(&Shape::Scalar, &["x - x^3"], &[&["0.7"]], &[]);
    let mut n = controlled::uncontrolled(&well);
    let nu = nelson::viscosity(&mut n).expect("constant noise");
    let twice = scaled(&mut n, 2, 1, nu);
    let wrong = nelson::force(&mut n, twice);
    is_refuted(nelson::execute_newton(&mut n, &wrong), "D in place of nu");
    let still = scaled(&mut n, 0, 1, nu);
    let wrong = nelson::force(&mut n, still);
    is_refuted(
        nelson::execute_newton(&mut n, &wrong),
        "the classical force",
    );
}

/// Exponents and maxima of the stationary density, from two readings of the same noise.
#[test]
fn stationary_densities_have_the_moments_of_quadrature() {
    let mut n = controlled::uncontrolled(&noisy_well());
    let log = stationary::stationary(&mut n).expect("one dimension").log();
    let x = n.state[0];
    // E x^2 by the trapezoidal rule, which converges exponentially here.
    let (mut mass, mut square) = (0.0, 0.0);
    for k in -4000..=4000 {
        let y = f64::from(k) * 1e-3;
        let p = n.graph.evaluate(log, &[(x, y)]).expect("a number").exp();
        mass += p;
        square += p * y * y;
    }
    assert!(
        (square / mass - 0.803_545_726_8).abs() < 1e-9,
        "{}",
        square / mass
    );
    let modes = stationary::modes(&mut n);
    let values: Vec<f64> = modes
        .iter()
        .map(|e| n.graph.evaluate(*e, &[]).expect("a number"))
        .collect();
    assert_eq!(values.len(), 2);
    assert!((values[1] - 0.875_f64.sqrt()).abs() < 1e-15 && values[0] == -values[1]);
    let e = n.drift[0];
    assert!(antiderivative(&mut n.graph, e, x).is_some());
}

/// Every shipped problem of every kind: all steps proved or, where they are too large, tested at points; every formula converts, the structures it
/// expects are there.
#[test]
fn shipped_problems_derive() {
    let converter = math_core::LatexToMathML::new(math_core::MathCoreConfig::default())
        .expect("the default configuration is valid");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("problems");
    let mut seen = 0;
    for kind in ["control", "sample", "bridge", "path", "simulate"] {
        for entry in std::fs::read_dir(root.join(kind)).expect("a folder of problems") {
            let path = entry.expect("a readable folder").path();
            if path.extension().is_none_or(|e| e != "toml") {
                continue;
            }
            let loaded = load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
            let name = loaded.problem.name.clone();
            let derivation = derive(&loaded.problem).unwrap_or_else(|r| panic!("{name}: {r}"));
            seen += 1;
            for step in derivation.all_steps() {
                let executed = match &step.evidence {
                    Evidence::Proved => true,
                    // Forty dense states are too much to multiply out.
                    Evidence::Tested {
                        points,
                        largest_relative_difference,
                    } => {
                        let dense = loaded.problem.state.len() >= 40;
                        dense && *points >= 8 && *largest_relative_difference < 1e-25
                    }
                    _ => false,
                };
                assert!(executed, "{name}: {}: {:?}", step.name, step.evidence);
                for latex in print::step_latex(step) {
                    let outcome =
                        converter.convert_with_local_state(&latex, math_core::MathDisplay::Block);
                    assert!(outcome.is_ok(), "{name}: {latex}: {:?}", outcome.err());
                }
            }
            assert!(derivation.cross_check.is_some(), "{name}");
            let unmet = unmet(&loaded.problem.expect, &derivation.structure);
            assert!(unmet.is_empty(), "{name}: {unmet:?}");
        }
    }
    assert!(seen >= 8, "{seen} problems");
}

#[test]
fn slips_in_normalisers_and_expansions_are_refuted() {
    for stated in [noisy_well(), shear()] {
        let mut n = controlled::uncontrolled(&stated);
        let moving = n.field("c");
        is_refuted(
            partition::execute_shift(&mut n, moving),
            "a shift that moves",
        );
        let value = n.field("V");
        let best = optimal_control(&mut n, value);
        let flipped: Vec<Expr> = best.iter().map(|u| n.graph.neg(*u)).collect();
        is_refuted(partition::execute_weight(&mut n, &flipped), "sign of u*");
        let good = likelihood_expansion::rates(&mut n);
        let mut wrong = good.clone();
        wrong.next = scaled(&mut n, 2, 1, good.next);
        is_refuted(likelihood_expansion::execute(&mut n, &wrong), "a lost 1/2");
        let mut wrong = good.clone();
        wrong.leading = n.graph.neg(good.leading);
        is_refuted(
            likelihood_expansion::execute(&mut n, &wrong),
            "sign of div b_0",
        );
        let mut wrong = good;
        wrong.slope[0] = n.graph.zero();
        is_refuted(
            likelihood_expansion::execute(&mut n, &wrong),
            "no transport of g",
        );
    }
}

#[test]
fn near_misses_name_the_term() {
    let drift = ["-x[0] + x[1]", "-x[1] - x[0]^3"];
    let noise: [&[&str]; 2] = [&["1", "x[1]"], &["0", "x[0]"]];
    let (stated, others) = process(&Shape::Vector(2), &drift, &noise, &["x[0]^2 + x[1]^2"]);
    let mut n = controlled::uncontrolled(&stated);
    let found = findings(&mut Subject {
        process: &mut n,
        steering: Steering::None,
        start: None,
        end: None,
        potentials: &[("U".to_owned(), others[0])],
        expected: &[],
    });
    for (name, words) in [
        ("additive-noise", "G[0][1] = x[1] contains x[1]"),
        (
            "commutative-noise",
            "noises 0 and 1: component 1 of their bracket is",
        ),
        ("gaussian", "f[1] is not affine: -x[0]^3"),
        ("gradient", "d f[1]/d x[0] - d f[0]/d x[1] = -3*x[0]^2 - 1"),
        ("transverse", "l.grad U reaches"),
        ("separable", "states x[0] and x[1] meet in drift[0]: x[1]"),
    ] {
        let finding = found.iter().find(|f| f.name == name).expect("looked for");
        assert!(!finding.found && !finding.nearest.is_empty(), "{finding:?}");
        assert!(finding.because.contains(words), "{}", finding.because);
    }
    let linear = found.iter().find(|f| f.name == "linear-noise-in-state");
    assert!(linear.is_some_and(|f| f.found));
}
