//! Riccati's equation, an integration written out by hand, and values of one variable as the other road.

use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::numeric::blocks::with_threads;
use crate::solvers::driver::{Solution, Unsolved};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::fixture::{answer, lowered};
use crate::solvers::registry::run::solve;
use nalgebra::DMatrix;

fn at(field: Option<&(dyn Field + Send)>, t: f64, x: &[f64]) -> Vec<f64> {
    let field = field.expect("a field");
    let mut out = Batch::zeros(1, field.outputs());
    field.eval(t, Batch::from_rows(x.len(), &[x]).as_ref(), out.as_mut());
    out.row(0)
}

fn solved(body: &str) -> Answer {
    answer(body)
        .unwrap_or_else(|unsolved| panic!("{unsolved}"))
        .answer
}

fn fact(answer: &Answer, name: &str) -> f64 {
    let found = answer.facts.iter().find(|fact| fact.0 == name);
    found.unwrap_or_else(|| panic!("{name}")).1
}

/// Three states, noise on two of them, a discount, coefficients that depend on time.
const LINEAR: &str = "format = 1\n[problem]\nname = \"test\"\nkind = \"control\"\n[dynamics]\nstate = \"x[3]\"\n\
    control = \"u[2]\"\ndrift = [\"x[1]\", \"-x[0] - 0.4*x[1] + 0.3*x[2] + u[0]\", \"0.2*t*x[0] - x[2] + 0.7*u[1]\"]\n\
    diffusion = [[\"0\", \"0\"], [\"0.5\", \"0.1\"], [\"0\", \"0.4\"]]\nhorizon = [0.0, 1.5]\n\
    [initial]\nfamily = \"delta\"\nat = [0.8, -0.3, 0.5]\n[cost]\ndiscount = 0.2\n\
    running = \"0.5*dot(u, u) + 0.6*dot(x, x)\"\nterminal = \"0.5*(x[0] - 1)^2 + x[1]^2 + 0.3*x[0]*x[2]\"\n\
    [time]\nsteps = 80\n[[solver]]\nid = \"exact\"\nmethod = \"riccati\"\n";

/// A quadratic value is found to the tolerance of the integration, whatever the points: the distance from Riccati's
/// equation falls with the tolerance, and degrees above two do not matter. The points lie among the paths.
#[test]
fn a_quadratic_value_is_that_of_riccati() {
    let points = [[0.8, -0.3, 0.5], [0.6, -0.2, 0.3]];
    let distance = |degree: usize, rtol: f64| {
        let lowered = lowered(&format!(
            "{LINEAR}[[solver]]\nid = \"p\"\nmethod = \"polynomial\"\ndegree = {degree}\npaths = 4096\nsteps = 10\n\
             rtol = {rtol:e}\nmax_iter = 8\n"
        ));
        let [exact, found] = [0, 1].map(|k| {
            let spec = &lowered.problem.solvers[k];
            solve(&lowered, spec, &[], None, &mut |_| ())
                .unwrap_or_else(|unsolved| panic!("{unsolved}"))
                .answer
        });
        let (v, own) = (exact.cost.expect("a cost"), found.cost.expect("a cost"));
        assert!(
            (v.value - own.value).abs() < 4.0 * own.error + 1e-7,
            "{v:?} {own:?}"
        );
        let mut worst = 0.0_f64;
        for x in &points {
            for t in [0.0, 0.7, 1.4] {
                let fields = |o: &Answer| {
                    let mut out = at(o.value.as_deref(), t, x);
                    out.extend(at(o.policy.as_deref(), t, x));
                    out
                };
                for (a, b) in fields(&exact).iter().zip(&fields(&found)) {
                    worst = worst.max((a - b).abs());
                }
            }
        }
        worst
    };
    let (loose, tight) = (distance(2, 1e-4), distance(2, 1e-9));
    assert!(loose < 1e-3 && tight < 1e-7, "{loose:e} {tight:e}");
    let four = distance(4, 1e-9);
    assert!(four < 1e-6, "{four:e}");
}

/// With noise `C_i x_i dW` shared by two states the matrix of the quadratic value solves
/// `-P' = A'P + P A + C P C - P P + Q`, integrated here by the classical Runge-Kutta steps.
#[test]
fn a_noise_that_grows_with_the_states_enters_by_its_square() {
    let answer = solved(
        "[dynamics]\nstate = \"x[2]\"\ncontrol = \"u[2]\"\ncalculus = \"ito\"\n\
         drift = [\"0.3*x[0] + x[1] + u[0]\", \"-0.5*x[0] + u[1]\"]\n\
         diffusion = [[\"0.6*x[0]\"], [\"0.4*x[1]\"]]\nhorizon = [0.0, 1.0]\n\
         [initial]\nfamily = \"gaussian\"\nmean = [1.0, -0.5]\ncov = [[0.2, 0.0], [0.0, 0.1]]\n\
         [cost]\nrunning = \"0.5*dot(u, u) + 0.5*dot(x, x)\"\nterminal = \"x[0]^2 + 0.5*x[1]^2\"\n\
         [time]\nsteps = 40\n\
         [[solver]]\nid = \"p\"\nmethod = \"polynomial\"\ndegree = 3\npaths = 512\nsteps = 10\nrtol = 1e-9\n",
    );
    let a = DMatrix::from_row_slice(2, 2, &[0.3, 1.0, -0.5, 0.0]);
    let c = DMatrix::from_row_slice(2, 2, &[0.36, 0.24, 0.24, 0.16]);
    let rate = |p: &DMatrix<f64>| {
        a.transpose() * p + p * &a + c.component_mul(p) - p * p + DMatrix::identity(2, 2)
    };
    let mut p = DMatrix::from_row_slice(2, 2, &[2.0, 0.0, 0.0, 1.0]);
    let h = 1e-3;
    for _ in 0..1000 {
        let k1 = rate(&p);
        let k2 = rate(&(&p + &k1 * (0.5 * h)));
        let k3 = rate(&(&p + &k2 * (0.5 * h)));
        let k4 = rate(&(&p + &k3 * h));
        p += (k1 + k2 * 2.0 + k3 * 2.0 + k4) * (h / 6.0);
    }
    for x in [[1.0, -0.5], [0.3, 0.4]] {
        let point = nalgebra::DVector::from_column_slice(&x);
        let exact = 0.5 * (point.transpose() * &p * &point)[(0, 0)];
        let found = at(answer.value.as_deref(), 0.0, &x)[0];
        assert!((found - exact).abs() < 1e-6, "{found} {exact}");
        let u = at(answer.policy.as_deref(), 0.0, &x);
        let pull = &p * &point;
        assert!((u[0] + pull[0]).abs() + (u[1] + pull[1]).abs() < 1e-6);
    }
}

fn wells(d: usize, at: f64, solver: &str) -> String {
    format!(
        "[params]\nd = {d}\n[define]\nm = \"{}\"\nU = \"sum(i in 0..d: ((x[i] - m)^2 - 1)^2)\"\n\
         [dynamics]\nstate = \"x[d]\"\ncontrol = \"u[d]\"\ndrift = \"-grad(U) + u\"\ndiffusion = \"1\"\n\
         horizon = [0.0, 1.0]\n[initial]\nfamily = \"delta\"\nat = {:?}\n[cost]\nrunning = \"0.5*dot(u, u)\"\n\
         terminal = \"sum(i in 0..d: ((x[i] - m)^2 - 1)^2)\"\n[time]\nsteps = 100\n\
         [[solver]]\nid = \"p\"\nmethod = \"polynomial\"\n{solver}\n",
        if d == 1 {
            "0*x[0]"
        } else {
            "2*sum(i in 0..d: x[i])/d"
        },
        vec![at; d]
    )
}

/// Record s08.dw1.x+0.5.t0 of the reference numbers: a well of strength one, started beside its barrier.
#[test]
fn the_value_of_a_double_well_converges_with_the_degree() {
    let (value, control) = (0.233_432_148_630_402_74, 0.015_372_952_733_234_69);
    let errors = [4, 8].map(|degree| {
        let answer = solved(&wells(
            1,
            0.5,
            &format!("degree = {degree}\npaths = 2048\nsteps = 20\nmax_iter = 8"),
        ));
        let cost = answer.cost.expect("a cost");
        assert!((cost.value - value).abs() < 4.0 * cost.error, "{cost:?}");
        let u = at(answer.policy.as_deref(), 0.0, &[0.5])[0];
        (cost.error, (u - control).abs())
    });
    assert!(errors[0].0 < 0.03 && errors[1].0 < 0.004, "{errors:?}");
    assert!(errors[1].1 < 0.02, "{errors:?}");
}

/// Three such wells in coordinates that a reflection mixes, started on the barriers (record s08.dw1.x+0.t0).
#[test]
fn mixed_wells_cost_the_sum_of_the_single_ones() {
    let value = 3.0 * 0.239_638_636_539_556_42;
    let solver = "degree = 6\npaths = 2048\nsteps = 16\nmax_iter = 6\nrtol = 1e-4";
    let answer = solved(&wells(3, 0.0, solver));
    let cost = answer.cost.expect("a cost");
    assert!((cost.value - value).abs() < 4.0 * cost.error, "{cost:?}");
    assert!(cost.error < 0.06, "{cost:?}");
    let bound = &answer.quantities[0];
    assert_eq!(bound.name, "upper_bound");
    let above = bound.value.value - value;
    assert!(
        above > -4.0 * bound.value.error && above < 0.06,
        "{bound:?}"
    );
    assert_eq!(fact(&answer, "terms"), 84.0);
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let body = wells(2, 0.3, "degree = 4\npaths = 1024\nsteps = 8\nmax_iter = 3");
    let [one, two] = [1, 2].map(|threads| with_threads(threads, || solved(&body).cost));
    assert_eq!(one, two);
    assert!(one.is_some_and(|cost| cost.error.is_finite()));
}

fn refused(attempt: Result<Solution, Unsolved>) -> String {
    match attempt {
        Err(Unsolved::Refused(refusal)) => refusal.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("solved"),
    }
}

#[test]
fn what_it_cannot_do_is_refused_with_numbers() {
    let many = refused(answer(&wells(12, 0.0, "degree = 5")));
    assert!(many.contains("6188 terms of degree 5"), "{many}");
    assert!(many.contains("degree = 4"), "{many}");
    let few = refused(answer(&wells(4, 0.0, "degree = 6\npaths = 300")));
    assert!(few.contains("300 paths"), "{few}");
    assert!(
        few.contains("210 terms") && few.contains("paths = 420"),
        "{few}"
    );
    let bounded = wells(1, 0.0, "").replace("horizon", "control_bounds = [-1, 1]\nhorizon");
    assert!(refused(answer(&bounded)).contains("bounded"));
}
