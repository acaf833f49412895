//! What problems of every kind mean once they are loaded, read off the shipped files and small texts.

use onsager::expr::{Expr, Value};
use onsager::problem::load;
use onsager::problem::meant::claim::{Claim, SweepMode, Under};
use onsager::problem::meant::law::Law;
use onsager::problem::meant::model::{Against, Boundary, Calculus};
use onsager::problem::meant::options::Setting;
use onsager::problem::meant::task::{Duration, Kind, Sense, Task};
use onsager::problem::{Loaded, parse_text};
use onsager::verification::vocabulary::standard;
use std::path::{Path, PathBuf};

/// Every shipped problem that is in order.
fn shipped() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("problems");
    let mut files = Vec::new();
    for kind in Kind::ALL {
        let folder = root.join(kind.name());
        for entry in std::fs::read_dir(folder).expect("a folder for each kind") {
            files.push(entry.expect("an entry").path());
        }
    }
    files.sort();
    files
}

fn shipped_as(file: &str) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("problems")
        .join(file);
    load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{report}"))
}

fn read(text: &str) -> Loaded {
    parse_text("a.toml", text, Path::new("."), &[], &standard())
        .unwrap_or_else(|report| panic!("{report}"))
}

/// The value of an expression at a time, a state and a control.
fn at(loaded: &Loaded, e: Expr, t: f64, x: &[f64], u: &[f64]) -> f64 {
    let problem = &loaded.problem;
    let mut point = vec![(problem.time, t)];
    point.extend(problem.state.iter().copied().zip(x.iter().copied()));
    point.extend(problem.control.iter().copied().zip(u.iter().copied()));
    problem.graph.evaluate(e, &point).expect("no free symbols")
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-13 * (1.0 + b.abs()), "{a} is not {b}");
}

#[test]
fn every_shipped_problem_loads_as_the_kind_of_its_folder() {
    let files = shipped();
    assert!(files.len() >= 19, "{files:?}");
    for path in files {
        let loaded = load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
        let folder = path.parent().and_then(Path::file_name).expect("a folder");
        assert_eq!(folder, loaded.problem.kind().name());
    }
}

#[test]
fn the_resolved_text_of_every_kind_states_the_same_problem() {
    for path in shipped() {
        let first = load(&path, &[], &standard()).unwrap_or_else(|report| panic!("{report}"));
        let folder = path.parent().expect("a folder");
        let again = parse_text("resolved.toml", &first.resolved, folder, &[], &standard())
            .unwrap_or_else(|report| panic!("{}\n{}\n{report}", path.display(), first.resolved));
        assert_eq!(first.resolved, again.resolved, "{}", path.display());
        let (a, b) = (&first.problem, &again.problem);
        assert_eq!(a.solvers, b.solvers);
        assert_eq!(a.checks, b.checks);
        assert_eq!(a.sweep, b.sweep);
        assert_eq!(a.references, b.references);
        assert_eq!(a.control_bounds, b.control_bounds);
        assert_eq!(a.grid, b.grid);
    }
}

#[test]
fn a_controlled_oscillator_keeps_names_shapes_and_costs() {
    let loaded = shipped_as("control/lq_oscillator.toml");
    let problem = &loaded.problem;
    assert_eq!(problem.state_names, ["q", "v"]);
    assert_eq!(problem.control_names, ["u"]);
    assert_eq!(problem.dynamics.horizon, (0.0, 3.0));
    assert_eq!(problem.dynamics.diffusion.len(), 2);
    assert_eq!(problem.dynamics.diffusion[0].len(), 1);
    let (x, u) = ([1.5, -0.5], [0.7]);
    close(at(&loaded, problem.dynamics.drift[0], 0.0, &x, &u), -0.5);
    close(
        at(&loaded, problem.dynamics.drift[1], 0.0, &x, &u),
        -1.5 + 0.4 * 0.5 + 0.7,
    );
    close(
        at(&loaded, problem.dynamics.diffusion[1][0], 0.0, &x, &u),
        0.5,
    );
    let Task::Control(task) = &problem.task else {
        panic!("a control problem");
    };
    assert_eq!(task.initial, Law::Delta(vec![1.5, 0.0]));
    close(
        at(&loaded, task.cost.running, 0.0, &x, &u),
        0.5 * (2.25 + 0.1 * 0.25) + 0.5 * 0.2 * 0.49,
    );
    close(
        at(&loaded, task.cost.terminal, 0.0, &x, &u),
        0.5 * (2.0 * 2.25 + 0.25),
    );
    assert_eq!(problem.sweep.as_ref().map(|sweep| sweep.runs()), Some(13));
    let hopf_cole = problem.checks.iter().find(|check| check.id == "hopf-cole");
    let hopf_cole = hopf_cole.expect("listed");
    assert_eq!(
        hopf_cole.against,
        Some(Against::Solver("riccati".to_owned()))
    );
    assert_eq!(hopf_cole.relative_tolerance, Some(1e-3));
    assert_eq!(problem.references.len(), 3);
}

#[test]
fn definitions_parameters_and_places_reach_the_derivation() {
    let loaded = shipped_as("control/double_well_control.toml");
    let problem = &loaded.problem;
    assert_eq!(problem.control_names, ["u[0]", "u[1]", "u[2]"]);
    let Some(Value::Scalar(potential)) = problem.definitions.get("U") else {
        panic!("a scalar potential");
    };
    close(at(&loaded, *potential, 0.0, &[0.0, 0.0, 0.0], &[]), 3.5);
    assert_eq!(problem.parameters["kappa[1]"], 1.0);
    let place = problem.places["define.U"].clone();
    assert!(loaded.source.slice(place).starts_with("\"sum(i in 0..d"));
    assert_eq!(
        loaded.source.slice(problem.places["cost.running"].clone()),
        "\"0.5*dot(u, u)\""
    );
    assert_eq!(problem.dynamics.domain, Some(vec![(-3.2, 3.2); 3]));
    let names: Vec<&str> = problem.references.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "value",
            "control[0]",
            "control[1]",
            "control[2]",
            "success[0]",
            "success[1]",
            "success[2]"
        ]
    );
    close(problem.references[2].value, 0.791123);
    let options = |i: usize, method: &str| {
        let options = problem.solvers[i].options_of(method);
        options.expect("the method of this place").clone()
    };
    let separable = options(0, "separable");
    assert_eq!(separable.counts("points"), [1601; 3]);
    assert_eq!(separable.count("steps"), 400);
    assert_eq!(options(1, "hjb").name("scheme"), "central");
    let paths = options(2, "path-integral");
    assert_eq!(paths.name("kernel"), "monte-carlo");
    assert_eq!(paths.count("paths"), 65536);
    assert_eq!(paths.text("use"), Some("split"));
    assert_eq!(paths.get("rounds"), Some(&Setting::Count(0)));
}

#[test]
fn weighted_paths_without_a_policy_fit_one_in_rounds() {
    let methods = |state: &str, settings: &str| {
        let problem = read(&format!(
            "format = 1\n[problem]\nname = \"a\"\nkind = \"control\"\n[dynamics]\nstate = \"{state}\"\ncontrol = \"u[1]\"\n\
             drift = [\"u[0]\"]\ndiffusion = 1\n[initial]\nfamily = \"delta\"\nat = [0.0]\n[cost]\nrunning = \"0.5*dot(u, u)\"\n\
             [[solver]]\nid = \"a\"\nmethod = \"path-integral\"\n{settings}\n\
             [[solver]]\nid = \"b\"\nmethod = \"path-integral\"\nuse = \"a\"\n"
        ))
        .problem;
        let settings = problem.solvers.iter().map(|solver| {
            let options = solver.options_of("path-integral").expect("as asked");
            let [rounds, degree, interaction] =
                ["rounds", "degree", "interaction"].map(|key| options.count(key));
            (rounds, degree, interaction)
        });
        settings.collect::<Vec<_>>()
    };
    assert_eq!(methods("x[1]", ""), [(16, 5, 1), (0, 0, 0)]);
    assert_eq!(
        methods("x[1]", "rounds = 3\ndegree = 2"),
        [(3, 2, 1), (0, 0, 0)]
    );
}

#[test]
fn a_short_control_problem_leaves_its_solvers_to_the_structure() {
    let problem = shipped_as("control/push_one.toml").problem;
    assert!(problem.automatic && problem.solvers.is_empty());
    assert_eq!(problem.state_names, ["x"]);
    assert_eq!(problem.time_settings.t_min, 0.0);
    assert!(
        problem
            .checks
            .iter()
            .any(|check| check.check == "policy-cost")
    );
}

/// With an infinite end paths are walked over a window of their own, and the resolved text says the same again.
#[test]
fn a_horizon_may_have_no_end() {
    for (file, window, discount) in [
        ("control/pendulum_upright.toml", 20.0, 0.0),
        ("control/double_well_discounted.toml", 10.0, 0.5),
        // Its references have names in quotes.
        ("control/aircraft.toml", 10.0, 0.0),
    ] {
        let loaded = shipped_as(file);
        let problem = &loaded.problem;
        assert!(problem.is_endless() && problem.setup().endless);
        assert_eq!(problem.dynamics.horizon, (0.0, f64::INFINITY));
        assert_eq!(problem.window(), (0.0, window));
        let Task::Control(task) = &problem.task else {
            panic!("a control problem");
        };
        assert_eq!(task.cost.discount, discount);
        let again = read(&loaded.resolved).problem;
        assert_eq!(again.dynamics.horizon, problem.dynamics.horizon);
        assert_eq!(again.time_settings, problem.time_settings);
        assert_eq!(again.references, problem.references);
    }
}

#[test]
fn a_cost_that_is_maximised_is_minimised_with_the_other_sign() {
    let text = |sense: &str| {
        format!(
            "format = 1\n[problem]\nname = \"a\"\nkind = \"control\"\n[dynamics]\nstate = \"x\"\n\
             control = \"u[a, b]\"\ncontrol_bounds = [[-1, 1], [0, \"inf\"]]\nhorizon = [1.0, 3.0]\n\
             drift = \"a - b*x\"\ndiffusion = 1\n[initial]\nfamily = \"uniform\"\nbox = [-1, 2]\n\
             [cost]\nrunning = \"x^2 - a\"\nterminal = \"3*x\"\ndiscount = 0.5\nsense = \"{sense}\"\n\
             bounds_penalty = 10\n"
        )
    };
    let cost = |loaded: &Loaded| match &loaded.problem.task {
        Task::Control(task) => task.cost.clone(),
        _ => panic!("a control problem"),
    };
    let (least, most) = (read(&text("min")), read(&text("max")));
    assert_eq!(cost(&most).sense, Sense::Maximise);
    for (x, u) in [([0.5], [0.25, 1.0]), ([-2.0], [-1.0, 0.0])] {
        let value = |loaded: &Loaded| at(loaded, cost(loaded).running, 2.0, &x, &u);
        close(value(&least), x[0] * x[0] - u[0]);
        close(value(&most), u[0] - x[0] * x[0]);
    }
    close(
        at(&most, cost(&most).terminal, 0.0, &[2.0], &[0.0, 0.0]),
        -6.0,
    );
    let problem = &least.problem;
    assert_eq!(problem.control_names, ["a", "b"]);
    assert_eq!(
        problem.control_bounds,
        Some(vec![(-1.0, 1.0), (0.0, f64::INFINITY)])
    );
    assert_eq!(problem.dynamics.horizon, (1.0, 3.0));
    assert_eq!(cost(&least).discount, 0.5);
    assert_eq!(cost(&least).bounds_penalty, Some(10.0));
    let Task::Control(task) = &problem.task else {
        panic!("a control problem");
    };
    assert_eq!(task.initial, Law::Uniform(vec![(-1.0, 2.0)]));
}

#[test]
fn a_simulation_has_events_observables_units_and_its_reading_of_the_noise() {
    let loaded = shipped_as("simulate/double_well_multiplicative.toml");
    let problem = &loaded.problem;
    assert_eq!(problem.dynamics.calculus, Calculus::Ito);
    let Task::Simulate(task) = &problem.task else {
        panic!("a simulation");
    };
    assert_eq!(task.initial, Law::Delta(vec![-1.0]));
    let [event] = task.events.as_slice() else {
        panic!("one event");
    };
    assert!(event.stop && event.name == "reach-right");
    close(at(&loaded, event.margin, 0.0, &[-1.0], &[]), -2.0);
    close(at(&loaded, event.margin, 0.0, &[3.0], &[]), 2.0);
    let observed: Vec<&str> = problem
        .observe
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(observed, ["energy", "right"]);
    close(
        at(&loaded, problem.observe[0].1, 0.0, &[2.0], &[]),
        4.0 - 2.0,
    );
    close(at(&loaded, problem.observe[1].1, 0.0, &[2.0], &[]), 1.0);
    let unit = problem.units.iter().find(|(name, _)| name == "b");
    assert_eq!(unit.map(|(_, unit)| unit.text.as_str()), Some("1/(um^2 s)"));
    close(problem.references[0].value, 0.875_f64.sqrt());
    let order = problem
        .checks
        .iter()
        .find(|check| check.check == "strong-order");
    let order = order.expect("listed");
    assert_eq!(
        (order.order, order.levels, order.until),
        (Some(1.0), Some(4), Some(2.0))
    );
    let mut solvers = problem.solvers.iter();
    let milstein = solvers.find_map(|solver| solver.options_of("milstein"));
    let milstein = milstein.expect("listed");
    assert_eq!(milstein.count("steps"), 30_000);
    assert_eq!(milstein.count("paths"), 4000);
}

#[test]
fn a_bridge_has_two_laws_and_a_reference_process() {
    let problem = shipped_as("bridge/corners.toml").problem;
    let Task::Bridge(task) = &problem.task else {
        panic!("a bridge");
    };
    assert_eq!(task.source.family(), "gaussian");
    assert_eq!(task.target.mixture().map(|m| m.components()), Some(4));
    let light = problem.solvers[1].options_of("light-bridge");
    let light = light.expect("listed");
    assert_eq!(light.count("potentials"), 4);
    assert_eq!(light.count("max_iter"), 20_000);
    assert_eq!(problem.time_settings.t_min, 0.0);
}

#[test]
fn a_path_has_ends_a_functional_and_solvers_that_may_differ() {
    let problem = shipped_as("path/swirl_transition.toml").problem;
    let Task::Path(task) = &problem.task else {
        panic!("a path");
    };
    assert_eq!(
        (task.from.as_slice(), task.to.as_slice()),
        (&[-1.0, 0.0][..], &[1.0, 0.0][..])
    );
    assert_eq!(task.duration, Duration::Free);
    assert!(task.refine_endpoints);
    assert_eq!(problem.state_names, ["x", "y"]);
    close(problem.references[0].value, 1.0);
    let mam = problem.solvers[2].options_of("mam").expect("a timed path");
    assert_eq!((mam.number("duration"), mam.count("images")), (20.0, 2000));
    assert_eq!(mam.name("functional"), "onsager-machlup");
    let tilted = shipped_as("path/tilted.toml").problem;
    assert_eq!(tilted.state_names, ["x"]);
    assert!(tilted.automatic);
}

#[test]
fn a_target_density_has_its_normaliser_and_exact_draws() {
    let loaded = shipped_as("sample/funnel.toml");
    let problem = &loaded.problem;
    let Task::Sample(task) = &problem.task else {
        panic!("a sampling problem");
    };
    let Law::LogDensity(target) = &task.target else {
        panic!("a density");
    };
    close(
        target.log_normalizer.expect("known"),
        3.0_f64.ln() + 5.0 * std::f64::consts::TAU.ln(),
    );
    let exact = target.exact.as_ref().expect("given");
    assert_eq!((exact.noise.len(), exact.map.len()), (10, 10));
    let point: Vec<_> = exact.noise.iter().map(|z| (*z, 0.5)).collect();
    let draw: Vec<f64> = exact
        .map
        .iter()
        .map(|e| problem.graph.evaluate(*e, &point).expect("of the noise"))
        .collect();
    close(draw[0], 1.5);
    close(draw[9], 0.5 * 0.75_f64.exp());
    let mut x = [0.0_f64; 10];
    (x[0], x[4]) = (1.2, 0.8);
    let mut expected = -1.44 / 18.0;
    for i in 1..10 {
        expected -= 0.5 * x[i] * x[i] * (-x[0]).exp() + 0.5 * x[0];
    }
    close(at(&loaded, target.log_density, 0.0, &x, &[]), expected);
    assert_eq!(task.prior.family(), "gaussian");
    assert!(problem.time_settings.t_min > 0.0);
}

#[test]
fn a_density_is_stored_with_its_logarithm() {
    let loaded = read(
        "format = 1\n[problem]\nname = \"a\"\nkind = \"sample\"\n[target]\nfamily = \"density\"\n\
         density = \"1/(1 + x^4)\"\n[dynamics]\nstate = \"x\"\npreset = \"vp\"\n",
    );
    let Some(Law::LogDensity(law)) = loaded.problem.task.start_law() else {
        panic!("a density");
    };
    close(
        at(&loaded, law.log_density, 0.0, &[2.0], &[]),
        -(17.0_f64.ln()),
    );
    close(
        at(&loaded, law.density.expect("typed"), 0.0, &[2.0], &[]),
        1.0 / 17.0,
    );
}

#[test]
fn langevin_and_underdamped_presets_keep_the_gibbs_density() {
    // Zero probability current: for p = exp(-H/T) the Fokker-Planck operator vanishes.
    let overdamped = read(
        "format = 1\n[problem]\nname = \"a\"\nkind = \"simulate\"\n[define]\nU = \"(x^2 - 1)^2\"\n\
         [initial]\nfamily = \"delta\"\nat = 0\n[dynamics]\nstate = \"x\"\npreset = \"langevin\"\n\
         potential = \"U\"\ntemperature = 0.3\nboundary = \"reflect\"\ndomain = [-2, 2]\n",
    );
    let problem = &overdamped.problem;
    let x = 0.7;
    close(
        at(&overdamped, problem.dynamics.drift[0], 0.0, &[x], &[]),
        -4.0 * x * (x * x - 1.0),
    );
    close(
        at(
            &overdamped,
            problem.dynamics.diffusion[0][0],
            0.0,
            &[x],
            &[],
        )
        .powi(2),
        0.6,
    );
    assert_eq!(problem.dynamics.boundary, [Boundary::Reflect]);
    let kinetic = read(
        "format = 1\n[problem]\nname = \"a\"\nkind = \"simulate\"\n[initial]\nfamily = \"delta\"\n\
         at = [0, 0, 0, 0]\n[dynamics]\nstate = \"x[q, r, v, w]\"\npreset = \"underdamped\"\n\
         potential = \"q^4 + q*r\"\ntemperature = 0.3\nmass = 2\nfriction = 0.5\n",
    );
    let dynamics = &kinetic.problem.dynamics;
    let x = [0.5, -1.0, 0.25, 2.0];
    let drift = |i: usize| at(&kinetic, dynamics.drift[i], 0.0, &x, &[]);
    close(drift(0), 0.25);
    close(drift(1), 2.0);
    close(drift(2), -(4.0 * 0.125 - 1.0) / 2.0 - 0.5 * 0.25);
    close(drift(3), -0.5 / 2.0 - 0.5 * 2.0);
    assert_eq!(dynamics.diffusion[0].len(), 2);
    // Friction and noise balance at the temperature: 2 friction (T/m) = sigma^2.
    close(
        at(&kinetic, dynamics.diffusion[3][1], 0.0, &x, &[]).powi(2),
        2.0 * 0.5 * 0.3 / 2.0,
    );
    close(at(&kinetic, dynamics.diffusion[2][1], 0.0, &x, &[]), 0.0);
    close(at(&kinetic, dynamics.diffusion[0][0], 0.0, &x, &[]), 0.0);
}

#[test]
fn claims_and_sweeps_are_kept_as_typed() {
    let text = "format = 1\n[problem]\nname = \"a\"\nkind = \"reverse\"\n[params]\nk = 1.0\n\
        [data]\nfamily = \"gaussian\"\nmean = 0.5\ncov = \"k\"\n[dynamics]\npreset = \"vp\"\n\
        [[identity]]\nname = \"sides\"\nlet = { v = [\"sin(x)\"], c = 2 }\nunder = \"controlled( v )\"\nat = 0.3\n\
        lhs = \"E[ c ]\"\nrhs = \"2\"\n[[identity]]\nname = \"chain\"\nsteps = [\"1\", \"2 - 1\", \"0 + 1\"]\n\
        [sweep]\nmode = \"zip\"\nrepeat = 2\ncollect = [\"nll\"]\n[sweep.over]\n\"params.k\" = [1.0, 2.0]\n\
        \"time.steps\" = \"linspace(100, 200, 2)\"\n";
    let loaded = read(text);
    let [sides, chain] = loaded.problem.identities.as_slice() else {
        panic!("two claims");
    };
    assert_eq!(sides.bindings.len(), 2);
    assert!(sides.bindings[0].list && !sides.bindings[1].list);
    assert_eq!(sides.at, Some(0.3));
    let Some(Under::Controlled(inside)) = &sides.under else {
        panic!("a controlled law");
    };
    assert_eq!(inside.text, " v ");
    assert_eq!(loaded.source.slice(inside.span.clone()), " v ");
    let Claim::Sides { left, .. } = &sides.claim else {
        panic!("two sides");
    };
    assert_eq!(loaded.source.slice(left.span.clone()), "\"E[ c ]\"");
    assert!(matches!(&chain.claim, Claim::Steps(steps) if steps.len() == 3));
    let sweep = loaded.problem.sweep.expect("a sweep");
    assert_eq!((sweep.mode, sweep.runs()), (SweepMode::Zip, 4));
    assert_eq!(sweep.axes[1].values, ["100.0", "200.0"]);
}
