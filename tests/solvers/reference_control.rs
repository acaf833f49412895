//! Control problems against reference numbers made with other software: sections 06 and 08.
//!
//! Records about one part of a method are tested beside that part; the last test says where each one is.

use onsager::field::Field;
use onsager::numeric::batch::Batch;
use onsager::problem::parse_text;
use onsager::solvers::driver::Solution;
use onsager::solvers::lowered::problem::Lowered;
use onsager::solvers::registry::run::solve;
use onsager::verification::vocabulary::standard;
use serde_json::Value;
use std::path::Path;

struct Record {
    id: String,
    params: Value,
    value: Vec<f64>,
    error: f64,
}

impl Record {
    fn number(&self, key: &str) -> f64 {
        self.params[key].as_f64().expect("a number")
    }
}

fn records(prefix: &str) -> Vec<Record> {
    let files = [
        include_str!("../reference/section06.json"),
        include_str!("../reference/section08.json"),
    ];
    let number = |value: &Value| value.as_f64().expect("a number");
    let all = files.iter().flat_map(|text| {
        let file: Value = serde_json::from_str(text).expect("the reference file is JSON");
        file["records"].as_array().expect("a list").clone()
    });
    all.filter_map(|record| {
        let id = record["id"].as_str().expect("an id").to_owned();
        let value = match &record["value"] {
            Value::Array(values) => values.iter().filter_map(Value::as_f64).collect(),
            other => other.as_f64().into_iter().collect(),
        };
        id.starts_with(prefix).then(|| Record {
            id,
            params: record["params"].clone(),
            value,
            error: number(&record["abs_error_estimate"]),
        })
    })
    .collect()
}

fn solved(body: &str) -> Solution {
    let text = format!("format = 1\n[problem]\nname = \"test\"\nkind = \"control\"\n{body}");
    let loaded = parse_text("test.toml", &text, Path::new("."), &[], &standard())
        .unwrap_or_else(|report| panic!("{report}\n{text}"));
    let lowered = Lowered::new(loaded.problem).expect("the lowered lowers");
    let spec = &lowered.problem.solvers[0];
    solve(&lowered, spec, &[], None, &mut |_| ()).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

fn at(field: Option<&(dyn Field + Send)>, t: f64, x: &[f64]) -> Vec<f64> {
    let field = field.expect("a field");
    let mut out = Batch::zeros(1, field.outputs());
    field.eval(t, Batch::from_rows(x.len(), &[x]).as_ref(), out.as_mut());
    out.row(0)
}

/// One double well: `dX = (-4 kappa x (x² - 1) + u) dt + dW`, end cost `nu (x² - 1)²`.
fn double_well(kappa: f64, nu: f64, solver: &str) -> Solution {
    solved(&format!(
        "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"-{}*x*(x^2 - 1) + u\"\ndiffusion = 1.0\n\
         [initial]\nfamily = \"delta\"\nat = 0.0\n[cost]\nrunning = \"u^2/2\"\nterminal = \"{nu:?}*(x^2 - 1)^2\"\n\
         [[solver]]\n{solver}\n",
        4.0 * kappa
    ))
}

#[test]
fn double_wells_have_the_values_and_controls_of_the_spectral_solution() {
    let all: Vec<Record> = ["s08.dw0", "s08.dw1"]
        .iter()
        .flat_map(|p| records(p))
        .collect();
    let solver = "method = \"hopf-cole\"\npoints = 801\nsteps = 800";
    for (kappa, nu) in [(5.0, 3.0), (1.0, 1.0)] {
        let outcome = double_well(kappa, nu, solver).answer;
        let here = all.iter().filter(|record| record.number("kappa") == kappa);
        for record in here {
            let (t, x) = (record.number("t"), [record.number("x")]);
            let value = at(outcome.value.as_deref(), t, &x)[0];
            assert!(
                (value - record.value[0]).abs() < 2e-6 + record.error,
                "{}: {value}",
                record.id
            );
            let control = at(outcome.policy.as_deref(), t, &x)[0];
            assert!(
                (control - record.value[1]).abs() < 2e-5,
                "{}: {control}",
                record.id
            );
        }
    }
}

#[test]
fn matching_targets_average_to_the_value_and_control_of_the_grid() {
    for record in records("s08.socm") {
        let outcome = solved(&format!(
            "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"{:?}*x + {sigma:?}*u\"\ndiffusion = {:?}\n\
             [initial]\nfamily = \"delta\"\nat = {x:?}\n[cost]\nrunning = \"u^2/2\"\nterminal = \"{:?}*(x^2 - 1)^2\"\n\
             [[solver]]\nmethod = \"hopf-cole\"\npoints = 801\nsteps = 400\n",
            record.number("a"),
            record.number("lambda").sqrt() * record.number("sigma"),
            record.number("nu"),
            sigma = record.number("sigma"),
            x = record.number("x"),
        ))
        .answer;
        let x = [record.number("x")];
        let value = at(outcome.value.as_deref(), 0.0, &x)[0];
        assert!((value - record.value[0]).abs() < 2e-6, "{value}");
        let control = at(outcome.policy.as_deref(), 0.0, &x)[0];
        assert!((control - record.value[1]).abs() < 2e-5, "{control}");
    }
}

#[test]
fn the_quadratic_benchmarks_have_their_closed_forms() {
    for record in records("s06.bench") {
        let n = |key: &str| record.number(key);
        let each = n("x_each");
        let outcome = solved(&format!(
            "[dynamics]\nstate = \"x[20]\"\ncontrol = \"u[20]\"\ndrift = \"{:?}*x + u\"\ndiffusion = {:?}\n\
             [initial]\nfamily = \"delta\"\nat = {:?}\n\
             [cost]\nrunning = \"dot(u,u)/2 + {:?}*dot(x,x)\"\nterminal = \"{:?}*dot(x,x)\"\n\
             [[solver]]\nmethod = \"riccati\"\nrtol = 1e-12\n",
            n("A"),
            n("lambda").sqrt(),
            vec![each; 20],
            n("P"),
            n("Q"),
        ))
        .answer;
        let [gain, value, control] = record.value[..] else {
            panic!("{}: F, V and u", record.id);
        };
        let found = at(outcome.value.as_deref(), 0.0, &[each; 20])[0];
        assert!((found - value).abs() < 1e-10, "{}: {found}", record.id);
        for u in at(outcome.policy.as_deref(), 0.0, &[each; 20]) {
            assert!((u - control).abs() < 1e-10, "{}: {u}", record.id);
            assert!((u + 2.0 * gain * each).abs() < 1e-10, "{}: {u}", record.id);
        }
    }
}

/// The file that ships, by the values of its ten states.
#[test]
fn ten_double_wells_cost_the_sum_of_each() {
    let text = include_str!("../../problems/control/double_well_ten.toml");
    let loaded = parse_text(
        "test.toml",
        text,
        Path::new("problems/control"),
        &[],
        &standard(),
    )
    .unwrap_or_else(|report| panic!("{report}"));
    let lowered = Lowered::new(loaded.problem).expect("the lowered lowers");
    let spec = (lowered.problem.solvers.iter())
        .find(|spec| spec.method() == "separable")
        .expect("the file asks for separable");
    let solution =
        solve(&lowered, spec, &[], None, &mut |_| ()).unwrap_or_else(|why| panic!("{why}"));
    let cost = solution.answer.cost.expect("a cost");
    for record in records("s08.dw_d") {
        assert!((cost.value - record.value[0]).abs() < 1e-6, "{cost:?}");
    }
}

/// Nothing is left out: every record has a test here or beside the part of a method that it is about.
#[test]
fn every_record_is_a_test() {
    let tested = [
        "s06.bench",
        "s08.dw0",
        "s08.dw1",
        "s08.dw_d",
        "s08.socm",
        // src/solvers/control/riccati/tests.rs
        "s06.scalar",
        "s06.matrix",
        "s06.linear",
        // src/solvers/control/path_integral/tests.rs
        "s08.importance",
        // src/solvers/control/weights.rs
        "s08.pi_sample",
        // src/solvers/control/learned/tests.rs
        "s08.discrete_adjoint",
        "s08.lq_losses",
    ];
    let all = records("");
    assert!(!all.is_empty());
    for record in all {
        let found = tested.iter().any(|group| record.id.starts_with(group));
        assert!(found, "{} has no test", record.id);
    }
}
