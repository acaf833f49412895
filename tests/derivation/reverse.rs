//! Derivations of whole problems: every step executed, slips caught, numbers against closed forms.

use onsager::derivation::control::optimal_control::{
    execute_gap, execute_stationarity, optimal_control,
};
use onsager::derivation::control::{hamilton_jacobi_bellman, hopf_cole};
use onsager::derivation::ground::noising::Noising;
use onsager::derivation::kind::lowering::{self, Lowering};
use onsager::derivation::kind::{print, reverse};
use onsager::derivation::law::gaussian_kernel::{self, transition_kernel};
use onsager::derivation::law::{fokker_planck, ito, reverse_sde};
use onsager::derivation::paths::action::{execute_path_weight, path_weight};
use onsager::derivation::{Derivation, Evidence, Refuted, derive};
use onsager::expr::Expr;
use onsager::problem::load;
use onsager::problem::meant::model::Problem;
use onsager::problem::parse_text;
use onsager::verification::vocabulary::standard;
use std::path::Path;

const ONE: &str = "family = \"gaussian\"\nmean = 0.5\ncov = 0.2";
const TWO: &str = "family = \"gaussian\"\nmean = [0.5, -0.3]\ncov = 0.2";
const PRIOR_ONE: &str = "[prior]\nfamily = \"gaussian\"\nmean = 1.0\ncov = 0.5";
const PRIOR_TWO: &str = "[prior]\nfamily = \"gaussian\"\nmean = [0.0, 0.0]\ncov = 0.5";

fn problem(data: &str, dynamics: &str) -> Problem {
    let text = format!(
        "format = 1\n[problem]\nname = \"case\"\nkind = \"reverse\"\n[data]\n{data}\n[dynamics]\n{dynamics}\n"
    );
    let loaded = parse_text("case.toml", &text, Path::new("."), &[], &standard())
        .unwrap_or_else(|report| panic!("{dynamics}\n{report}"));
    loaded.problem
}

/// `dX = 0.3 X dt + 0.5 X dW`.
fn geometric() -> Problem {
    let dynamics = "state = \"x\"\ndrift = \"0.3*x\"\ndiffusion = \"0.5*x\"\ncalculus = \"ito\"";
    problem(ONE, &format!("{dynamics}\n{PRIOR_ONE}"))
}

/// Nonlinear in two states, full noise matrix that depends on the state, read as Stratonovich.
fn tangled() -> Problem {
    let dynamics = r#"
        state = "x[2]"
        drift = ["x[0] - x[0]^3 + x[1]", "sin(x[0]) - x[1]*exp(-t)"]
        diffusion = [["0.5", "0.1*x[1]"], ["0.2", "0.3*(1 + x[0]^2)"]]
        calculus = "stratonovich""#;
    problem(TWO, &format!("{dynamics}\n{PRIOR_TWO}"))
}

fn double_well() -> Problem {
    let dynamics = "state = \"x\"\ndrift = \"x - x^3\"\ndiffusion = \"0.7*sqrt(1 + t)\"";
    problem(ONE, &format!("{dynamics}\n{PRIOR_ONE}"))
}

fn shipped(name: &str) -> Problem {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("problems/reverse/{name}.toml"));
    let loaded = load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
    loaded.problem
}

fn derived(problem: &Problem) -> Derivation {
    derive(problem).unwrap_or_else(|refuted| panic!("{refuted}"))
}

#[test]
fn every_step_is_proved() {
    let presets = [
        "preset = \"vp\"",
        "preset = \"vp\"\nbeta = 3.0",
        "preset = \"vp\"\nbeta = \"1 + t^2\"",
        "preset = \"sub-vp\"",
        "preset = \"ve\"",
        "preset = \"ou\"\nrate = 0.5\nsigma = 1.5\nmean = [0.5, 1.0]",
        "preset = \"brownian\"\nsigma = 0.75",
        "preset = \"linear\"\nA = [[-1.0, 0.5], [0.0, -2.0]]\nS = [[1.0, 0.25], [0.0, 0.75]]",
    ];
    let mut problems: Vec<(String, Problem)> = presets
        .iter()
        .map(|preset| ((*preset).to_owned(), problem(TWO, preset)))
        .collect();
    problems.push(("geometric".to_owned(), geometric()));
    problems.push(("tangled".to_owned(), tangled()));
    problems.push(("double well".to_owned(), double_well()));
    problems.push(("digits".to_owned(), shipped("digits")));
    for (name, problem) in &problems {
        let derivation = derived(problem);
        let has_kernel = derivation.step("denoising score matching").is_some();
        assert_eq!(
            has_kernel,
            problem.dynamics.preset.is_some() && !name.contains("linear"),
            "{name}"
        );
        for step in &derivation.steps {
            assert_eq!(step.evidence, Evidence::Proved, "{name}: {}", step.name);
            assert!(!step.statement.is_empty(), "{name}: {}", step.name);
        }
        let check = derivation.cross_check.expect("finite coefficients");
        assert_eq!(check.points, 64, "{name}");
        assert!(
            check.largest_relative_difference < 1e-12,
            "{name}: {check:?}"
        );
    }
}

#[test]
fn equations_are_found_by_their_names() {
    let mut derivation = derived(&double_well());
    for id in [
        "fokker-planck",
        "hamilton-jacobi-bellman",
        "hopf-cole",
        "reverse-fokker-planck",
        "log-likelihood",
    ] {
        let equation = derivation.equation(id).expect("a derived equation").clone();
        let other = derivation.graph.unknown("other", &[]);
        let replaced = derivation
            .graph
            .substitute(equation.residual, &[(equation.unknown, other)]);
        assert_ne!(replaced, equation.residual, "{id} is about its unknown");
        assert_eq!(equation.closes_with.len(), 1, "{id} is closed at one end");
    }
}

fn is_refuted(outcome: Result<Evidence, Refuted>, slip: &str) {
    assert!(outcome.is_err(), "{slip}: {outcome:?}");
}

/// Half of an expression.
fn halved(noising: &mut Noising, e: Expr) -> Expr {
    let half = noising.graph.rational(1, 2);
    noising.graph.mul(&[half, e])
}

#[test]
fn slips_in_the_law_and_the_lowering_are_refuted() {
    for problem in [geometric(), tangled()] {
        let mut n = reverse::noising(&problem);
        let p = n.field("p");
        let right = n.forward_operator(p);
        let spread = n.half_flux(p);
        let spread = n.divergence(&spread);
        let twice = n.graph.add(&[right, spread]);
        is_refuted(
            fokker_planck::execute(&mut n, p, twice),
            "no 1/2 before div div",
        );
        let minus = n.graph.neg(right);
        is_refuted(fokker_planck::execute(&mut n, p, minus), "sign");

        let true_lowering = lowering::lowering(&n);
        let forgot_divergence = Lowering {
            drift: n.drift.iter().map(|f| n.graph.neg(*f)).collect(),
            running: true_lowering.running,
        };
        is_refuted(lowering::execute(&mut n, &forgot_divergence), "b = -f");
        let plain = Lowering {
            drift: true_lowering.drift.clone(),
            running: n.drift_divergence,
        };
        is_refuted(lowering::execute(&mut n, &plain), "q = div f");
        let positive = Lowering {
            drift: true_lowering.drift.clone(),
            running: n.graph.neg(true_lowering.running),
        };
        is_refuted(lowering::execute(&mut n, &positive), "q of the wrong sign");

        let alpha = n.constant("alpha");
        let mut weight = path_weight(&mut n, alpha);
        weight.jacobian = halved(&mut n, weight.jacobian);
        is_refuted(
            execute_path_weight(&mut n, alpha, &weight),
            "half the Jacobian",
        );
    }
}

#[test]
fn slips_in_the_control_problem_are_refuted() {
    for problem in [double_well(), tangled()] {
        let mut n = reverse::noising(&problem);
        let value = n.field("V");
        let right = hamilton_jacobi_bellman::right_side(&mut n, value);
        let residual = hamilton_jacobi_bellman::residual(&mut n, value);
        let slope = n.gradient(value);
        let pulled = n.through_noise(&slope);
        let saved = n.half_square(&pulled);
        let unsaved = n.graph.add(&[right, saved]);
        is_refuted(
            hamilton_jacobi_bellman::execute(&mut n, value, unsaved),
            "no quadratic term",
        );
        let wrong = n.graph.add(&[residual, saved]);
        is_refuted(
            hamilton_jacobi_bellman::execute_value(&mut n, value, wrong),
            "twice the quadratic term",
        );
        let wrong = n.graph.add(&[residual, n.running_cost]);
        is_refuted(execute_gap(&mut n, wrong), "no running cost");
        let control = optimal_control(&mut n, value);
        let flipped: Vec<Expr> = control.iter().map(|u| n.graph.neg(*u)).collect();
        is_refuted(
            execute_stationarity(&mut n, value, &flipped),
            "u* of the wrong sign",
        );

        let psi = n.field("psi");
        let linear = hopf_cole::residual(&mut n, psi);
        let killed = n.graph.mul(&[n.running_cost, psi]);
        let unkilled = n.graph.sub(linear, killed);
        is_refuted(hopf_cole::execute(&mut n, psi, unkilled), "no potential");
    }
}

#[test]
fn slips_in_the_reverse_process_are_refuted() {
    for problem in [geometric(), tangled(), double_well()] {
        let mut n = reverse::noising(&problem);
        let h = n.constant("h");
        let p = n.field("p");
        let log = n.graph.log(p);
        let score = n.gradient(log);
        let half: Vec<Expr> = score.iter().map(|s| halved(&mut n, *s)).collect();
        let drift = reverse_sde::reverse_drift(&mut n, h, &half);
        is_refuted(reverse_sde::execute(&mut n, &drift), "half the score");
        let one = n.graph.one();
        let drift = reverse_sde::reverse_drift(&mut n, one, &score);
        is_refuted(
            reverse_sde::execute(&mut n, &drift),
            "one drift for every h",
        );
        let mut likelihood = reverse_sde::likelihood_equation(&mut n);
        let slope = n.gradient(likelihood.unknown);
        let diffused = n.diffuse(&slope);
        let bent = n.dot(&slope, &diffused);
        likelihood.residual = n.graph.add(&[likelihood.residual, bent]);
        is_refuted(
            reverse_sde::execute_likelihood(&mut n, likelihood.residual),
            "a term too many",
        );
    }
}

#[test]
fn slips_in_kernels_and_readings_are_refuted() {
    let vp = problem(TWO, "preset = \"vp\"");
    let mut n = reverse::noising(&vp);
    let preset = vp.dynamics.preset.as_ref().expect("a preset");
    let kernel = transition_kernel(&mut n, preset, 1.0).expect("a kernel");
    let mut slow = kernel.clone();
    slow.mean_factor = n.graph.powi(kernel.mean_factor, 2);
    is_refuted(gaussian_kernel::execute(&mut n, &slow), "alpha_t squared");
    let mut wide = kernel.clone();
    wide.variance = n.graph.sqrt(kernel.variance);
    is_refuted(
        gaussian_kernel::execute(&mut n, &wide),
        "sigma_t for its square",
    );

    let mut n = reverse::noising(&tangled());
    let one = n.graph.one();
    let anti = ito::drift_at(&mut n, one);
    is_refuted(ito::execute(&mut n, &anti), "anti-Ito for Stratonovich");
}

/// `dX = a X dt + sigma X dW` from log-normal data: `log X_t` is Gaussian, so everything is known.
///
/// Values of `[V, u*, reverse drift, running cost]` from the closed form in 30 digits.
#[test]
fn geometric_noise_has_the_values_of_the_closed_form() {
    let cases = [
        (
            1.4,
            0.25,
            [
                0.5394416980568483,
                -0.7312576629037647,
                -0.2318803640326353,
                0.05,
            ],
        ),
        (
            0.6,
            0.8,
            [
                1.5213108624056957,
                3.0879201320332816,
                1.0463760396099844,
                0.05,
            ],
        ),
    ];
    let mut n = reverse::noising(&geometric());
    let (x, t) = (n.state[0], n.time);
    // log X_t ~ N(0.1 + (0.3 - 0.125) t, 0.04 + 0.25 t).
    let g = &mut n.graph;
    let (start, rate) = (g.number(0.1), g.number(0.175));
    let moved = g.mul(&[rate, t]);
    let mean = g.add(&[start, moved]);
    let (start, rate) = (g.number(0.04), g.number(0.25));
    let grown = g.mul(&[rate, t]);
    let variance = g.add(&[start, grown]);
    let log_x = g.log(x);
    let distance = g.sub(log_x, mean);
    let square = g.powi(distance, 2);
    let two = g.integer(2);
    let scaled = g.div(square, variance);
    let energy = g.div(scaled, two);
    let pi = g.pi();
    let circle = g.mul(&[two, pi, variance]);
    let width = g.log(circle);
    let width = g.div(width, two);
    let value = g.add(&[energy, width, log_x]);
    let residual = hamilton_jacobi_bellman::residual(&mut n, value);
    let control = optimal_control(&mut n, value);
    let one = n.graph.one();
    let minus_slope = n.gradient(value);
    let score: Vec<Expr> = minus_slope.iter().map(|s| n.graph.neg(*s)).collect();
    let drift = reverse_sde::reverse_drift(&mut n, one, &score);
    let wanted = [value, control[0], drift[0], n.running_cost];
    assert!(
        n.graph.is_provably_zero(residual),
        "{}",
        n.graph.text(residual)
    );
    for (y, tau, expected) in cases {
        let at = [(x, y), (t, 1.0 - tau)];
        let found = n
            .graph
            .evaluate_all(&wanted, &at)
            .expect("all symbols given");
        for (a, b) in found.iter().zip(expected) {
            assert!(
                (a - b).abs() <= 4e-15 * (1.0 + b.abs()),
                "{found:?} {expected:?}"
            );
        }
    }
}

#[test]
fn structure_names_what_blocks_it() {
    let finding = |problem: &Problem, name: &str| {
        let derivation = derived(problem);
        let mut all = derivation.structure.into_iter();
        all.find(|f| f.name == name)
            .expect("a structure of this name")
    };
    let tangled = tangled();
    for (name, because) in [
        ("additive-noise", "G[0][1] = x[1]/10 contains x[1]"),
        ("gaussian", "f[0] is not affine: 0.015*x[0]^2 - x[0]^3"),
        ("time-free", "contains t"),
        ("separable", "states x[0] and x[1] meet"),
        (
            "linear-noise-in-state",
            "G[1][1] = 0.3*x[0]^2 + 0.3 is not affine in the state",
        ),
    ] {
        let found = finding(&tangled, name);
        assert!(!found.found, "{name}");
        assert!(found.because.contains(because), "{name}: {}", found.because);
    }
    let gradient = finding(&tangled, "gradient");
    assert!(
        !gradient.found
            && gradient
                .because
                .starts_with("d f[1]/d x[0] - d f[0]/d x[1] = ")
    );
    let mixture = shipped("mixture_vp");
    for (name, expected) in [
        ("additive-noise", true),
        ("gaussian", true),
        ("gradient", true),
        ("separable", true),
        ("time-free", false),
        ("kinks", false),
        ("hopf-cole", true),
    ] {
        assert_eq!(finding(&mixture, name).found, expected, "{name}");
    }
    let curl = "state = \"x[2]\"\ndrift = [\"-x[0]*x[1]^2\", \"-x[1]*x[0]^2\"]\ndiffusion = 1.0";
    let curl_free = problem(TWO, &format!("{curl}\n{PRIOR_TWO}"));
    let gradient = finding(&curl_free, "gradient");
    assert!(gradient.found && gradient.evidence == Evidence::Proved);
}

#[test]
fn the_text_of_a_derivation() {
    let derivation = derived(&shipped("mixture_vp"));
    // The size of rounding errors is no part of the text.
    let text: String = print::text(&derivation)
        .lines()
        .map(
            |line| match line.split_once("largest relative difference") {
                Some((before, _)) => format!("{before}largest relative difference ...\n"),
                None => format!("{line}\n"),
            },
        )
        .collect();
    insta::assert_snapshot!(text);
}

#[test]
fn high_dimension_is_written_by_pattern() {
    let text = print::text(&derived(&shipped("digits")));
    assert!(text.contains("f_i = -beta*x[i]/2\n"), "{text}");
    assert!(text.contains("q = -32*beta\n"), "{text}");
    assert!(text.lines().all(|line| line.len() < 300), "{text}");
}

#[test]
fn every_formula_converts_to_mathml() {
    let converter = math_core::LatexToMathML::new(math_core::MathCoreConfig::default())
        .expect("the default configuration is valid");
    for problem in [
        geometric(),
        tangled(),
        shipped("mixture_vp"),
        shipped("digits"),
    ] {
        for step in &derived(&problem).steps {
            for latex in print::step_latex(step) {
                let outcome =
                    converter.convert_with_local_state(&latex, math_core::MathDisplay::Block);
                assert!(
                    outcome.is_ok(),
                    "{}: {latex}: {:?}",
                    step.name,
                    outcome.err()
                );
            }
        }
    }
}

#[test]
fn the_document_is_balanced() {
    let latex = print::latex(&derived(&tangled()));
    for (open, close) in [
        ("\\begin{gather*}", "\\end{gather*}"),
        ("\\begin{pmatrix}", "\\end{pmatrix}"),
        ("\\left", "\\right"),
        ("{", "}"),
    ] {
        // \leftarrow and friends do not occur.
        let (opened, closed) = (latex.matches(open).count(), latex.matches(close).count());
        assert_eq!(opened, closed, "{open} {close}");
    }
    let items = latex.matches("\\item").count();
    assert_eq!(items, derived(&tangled()).steps.len());
}
