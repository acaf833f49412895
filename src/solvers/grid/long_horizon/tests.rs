use crate::numeric::batch::Batch;
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::fixture::answer;

fn answered(body: &str) -> Answer {
    answer(body).unwrap_or_else(|e| panic!("{e}")).answer
}

fn fact(answered: &Answer, name: &str) -> f64 {
    let found = answered.facts.iter().find(|fact| fact.0 == name);
    found.expect("recorded").1
}

fn policy(answered: &Answer, t: f64, x: &[f64]) -> Vec<f64> {
    let at = Batch::from_rows(x.len(), &[x]);
    let field = answered.policy.as_deref().expect("a policy");
    let mut u = Batch::zeros(1, field.outputs());
    field.eval(t, at.as_ref(), u.as_mut());
    u.row(0)
}

/// `dX = -a X dt + u dt + s dW`, cost `1/2 (Q X^2 + R u^2)`: `P^2/R + 2 a P = Q`, average cost `s^2 P / 2`, gain `P/R`,
/// `E_1 - E_0 = lambda sqrt(a^2 + Q/R)`.
#[test]
fn an_ornstein_uhlenbeck_process_costs_what_the_algebraic_riccati_equation_says() {
    let (a, s, q, r) = (0.5_f64, 0.8_f64, 2.0_f64, 0.5_f64);
    let body = |method: &str, end: &str| {
        format!(
            "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"-{a}*x + u\"\ndiffusion = \"{s}\"\nhorizon = [0.0, 200.0]\n\
             domain = [-4.0, 4.0]\n[initial]\nfamily = \"delta\"\nat = 1.0\n\
             [cost]\nrunning = \"0.5*{q}*x^2 + 0.5*{r}*u^2\"\nterminal = \"{end}\"\n\
             [[solver]]\nid = \"d\"\nmethod = \"{method}\"\n"
        )
    };
    let rate = (a * a + q / r).sqrt();
    let p = r * (rate - a);
    let found = answered(&body("long-horizon", "0.7*x^2"));
    let average = found.quantities[0].value;
    let exact = 0.5 * s * s * p;
    assert_eq!(found.quantities[0].name, "average_cost");
    assert!(
        (average.value - exact).abs() < average.error.max(1e-9) && average.error < 1e-6,
        "{average:?} {exact}"
    );
    assert!((fact(&found, "relaxation time") * rate - 1.0).abs() < 1e-3);
    assert!((fact(&found, "grid_order") - 2.0).abs() < 0.05);
    assert!((policy(&found, 50.0, &[0.6])[0] + 0.6 * p / r).abs() < 1e-5);
    let known = answered(&body("riccati", "0.7*x^2")).cost.expect("a value");
    let cost = found.cost.expect("a value");
    assert!(
        (cost.value - known.value).abs() < 2.0 * cost.error && cost.error < 1e-3,
        "{cost:?} {known:?}"
    );
}

/// Two wells and a price for the left one, over a horizon that `hopf-cole` takes as a whole; and a second state that
/// nothing couples to it, an oscillator of average cost `1/2`.
#[test]
fn wells_and_an_oscillator_agree_with_the_whole_horizon() {
    let wells = |solver: &str| {
        answered(&format!(
            "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"-4*x*(x^2 - 1) + u\"\ndiffusion = \"1\"\nhorizon = [0.0, 24.0]\n\
             domain = [-3.0, 3.0]\n[initial]\nfamily = \"delta\"\nat = -1.0\n\
             [cost]\nrunning = \"0.5*(x - 1)^2 + 0.5*u^2\"\nterminal = \"x^2\"\n\
             [[solver]]\nid = \"d\"\n{solver}\n"
        ))
    };
    let whole = wells("method = \"hopf-cole\"\npoints = 401\nsteps = 800");
    let long = wells("method = \"long-horizon\"\npoints = 401\nsteps = 400");
    let (known, cost) = (whole.cost.expect("a value"), long.cost.expect("a value"));
    assert!(
        (cost.value - known.value).abs() < 1e-4 * known.value,
        "{cost:?} {known:?}"
    );
    assert!(fact(&long, "time solved back from the end") < 24.0);
    for x in [-1.2, -0.5, 0.0, 0.4, 1.1] {
        for t in [3.0, 12.0, 23.5] {
            let (a, b) = (policy(&long, t, &[x])[0], policy(&whole, t, &[x])[0]);
            assert!((a - b).abs() < 1e-3, "at {x}, {t}: {a} {b}");
        }
    }
    let both = answered(
        "[dynamics]\nstate = \"z[x, y]\"\ncontrol = \"u[2]\"\ndrift = [\"-4*x*(x^2 - 1) + u[0]\", \"u[1]\"]\ndiffusion = \"eye(2)\"\n\
         horizon = [0.0, 24.0]\ndomain = [[-3.0, 3.0], [-6.0, 6.0]]\n[initial]\nfamily = \"delta\"\nat = [-1.0, 0.0]\n\
         [cost]\nrunning = \"0.5*(x - 1)^2 + 0.5*y^2 + 0.5*dot(u, u)\"\nterminal = \"x^2\"\n\
         [[solver]]\nid = \"d\"\nmethod = \"long-horizon\"\npoints = 401\nsteps = 400\n",
    );
    let [one, two] = [&long, &both].map(|answered| answered.quantities[0].value);
    assert!(
        (two.value - one.value - 0.5).abs() < 1e-6,
        "{one:?} {two:?}"
    );
}

#[test]
fn what_it_cannot_do_is_refused() {
    let because = |drift: &str, more: &str, running: &str| {
        let refused = answer(&format!(
            "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"{drift}\"\ndiffusion = \"1\"\n{more}\n\
             [initial]\nfamily = \"delta\"\nat = 1.0\n[cost]\nrunning = \"{running} + 0.5*u^2\"\nterminal = \"x^2\"\n\
             [[solver]]\nid = \"d\"\nmethod = \"long-horizon\"\n",
        ));
        match refused {
            Ok(_) => panic!("solved"),
            Err(other) => other.to_string(),
        }
    };
    let reason = because("-t*x + u", "domain = [-4.0, 4.0]", "x^2");
    assert!(reason.contains("depend on time"), "{reason}");
    let reason = because("-x + u", "", "x^2");
    assert!(reason.contains("names no domain"), "{reason}");
    // Nothing keeps it.
    let reason = because("u", "domain = [-4.0, 4.0]", "0");
    assert!(reason.contains("cuts the optimal process off"), "{reason}");
}
