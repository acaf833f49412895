//! Spectral values by another basis, closed forms, and the grid.

use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::solvers::driver::{SolveError, Unsolved};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::fixture::answer;

fn at(field: Option<&(dyn Field + Send)>, t: f64, x: f64) -> f64 {
    let mut out = Batch::zeros(1, 1);
    let field = field.expect("a field");
    field.eval(t, Batch::from_rows(1, &[[x]]).as_ref(), out.as_mut());
    out.get(0, 0)
}

fn solved(dynamics: &str, at: f64, cost: &str, points: usize) -> Result<Answer, Unsolved> {
    answer(&format!(
        "[dynamics]\nstate = \"x\"\ncontrol = \"u\"\n{dynamics}\n[initial]\nfamily = \"delta\"\nat = {at:?}\n[cost]\n{cost}\n\
         [[solver]]\nid = \"waves\"\nmethod = \"hopf-cole\"\nscheme = \"spectral\"\npoints = {points}\n"
    ))
    .map(|solution| solution.answer)
}

fn well(kappa: f64, nu: f64, x: f64, points: usize) -> Answer {
    let dynamics =
        format!("drift = \"-4*{kappa:?}*x*(x^2 - 1) + u\"\ndiffusion = 1\ndomain = [-2.75, 2.75]");
    let cost = format!("running = \"0.5*u^2\"\nterminal = \"{nu:?}*(x^2 - 1)^2\"");
    solved(&dynamics, x, &cost, points).unwrap_or_else(|e| panic!("{e}"))
}

/// Values and controls of section 8 of the references, by a sinc basis, with their own errors.
#[test]
fn double_wells_agree_with_another_basis_to_ten_digits() {
    type Place = (f64, f64, f64, f64);
    let wells: [(f64, f64, f64, &[Place]); 2] = [
        (
            5.0,
            3.0,
            5.51e-11,
            &[
                (0.0, 0.0, 0.1366518397409413, -5.289173466589041e-13),
                (-1.0, 0.0, 0.1366517765718131, -1.333254420695665e-10),
                (0.4, 0.5, 0.1366918490133937, 0.0004570284289453497),
                (0.8, 0.9, 0.14150460337640614, 0.04902235015534373),
            ],
        ),
        (
            1.0,
            1.0,
            1.38e-11,
            &[
                (0.0, 0.0, 0.23963863653955642, -2.1476657857684015e-12),
                (0.5, 0.0, 0.23343214863040274, 0.01537295273323469),
                (-0.7, 0.6, 0.2363748273870938, -0.1199833237964738),
            ],
        ),
    ];
    for (kappa, nu, known, places) in wells {
        let answer = well(kappa, nu, 0.0, 161);
        let cost = answer.cost.expect("a cost");
        assert!((cost.value - places[0].2).abs() < 1e-10 + known, "{cost:?}");
        assert!(cost.error < 1e-10, "{cost:?}");
        for (x, t, value, control) in places {
            let v = at(answer.value.as_deref().map(|v| v as _), *t, *x);
            assert!((v - value).abs() < 1e-10 + known, "{x} {t}: {v} {value}");
            let u = at(answer.policy.as_deref().map(|u| u as _), *t, *x);
            assert!((u - control).abs() < 1e-8, "{x} {t}: {u} {control}");
        }
    }
}

/// The error says how far too few waves are off, and falls faster than any power.
#[test]
fn the_error_falls_faster_than_any_power() {
    let exact = 0.1366518397409413;
    let mut errors = Vec::new();
    for points in [64, 96, 128] {
        let cost = well(5.0, 3.0, 0.0, points).cost.expect("a cost");
        let off = (cost.value - exact).abs();
        assert!(off < cost.error + 1.1e-10, "{points}: {off:e} {cost:?}");
        errors.push(cost.error);
    }
    assert!(errors[1] < 1e-2 * errors[0], "{errors:?}");
    assert!(errors[2] < 1e-2 * errors[1], "{errors:?}");
}

/// `V = (x^2 tanh(T - t) + sigma^2 log cosh(T - t)) / 2` for a free particle that pays `x^2/2`, with nothing that keeps it
/// in the domain at the end.
#[test]
fn a_quadratic_value_is_found_from_a_start_that_edges_do_not_reach() {
    for (sigma, x) in [(1.0, 0.5), (0.5, -1.0)] {
        let dynamics = format!("drift = \"0*x + u\"\ndiffusion = {sigma:?}\ndomain = [-9, 9]");
        let cost = "running = \"0.5*u^2 + 0.5*x^2\"\nterminal = \"0\"";
        let answer = solved(&dynamics, x, cost, 161).unwrap_or_else(|e| panic!("{e}"));
        let exact = |x: f64, t: f64| {
            0.5 * x * x * (1.0 - t).tanh() + 0.5 * sigma * sigma * (1.0 - t).cosh().ln()
        };
        let cost = answer.cost.expect("a cost");
        let off = (cost.value - exact(x, 0.0)).abs();
        assert!(off <= cost.error && cost.error < 1e-9, "{off:e} {cost:?}");
        let u = at(answer.policy.as_deref().map(|u| u as _), 0.5, 1.5);
        assert!((u + 1.5 * 0.5_f64.tanh()).abs() < 1e-7, "{u}");
    }
}

/// What leaves the domain is told by the edges: the error covers it.
#[test]
fn a_domain_that_is_too_small_shows_in_the_error() {
    let cost = "running = \"0.5*u^2 + 0.5*x^2\"\nterminal = \"0\"";
    let dynamics = "drift = \"0*x + u\"\ndiffusion = 1\ndomain = [-2, 2]";
    let answer = solved(dynamics, 0.5, cost, 161).unwrap_or_else(|e| panic!("{e}"));
    let exact = 0.125 * 1.0_f64.tanh() + 0.5 * 1.0_f64.cosh().ln();
    let cost = answer.cost.expect("a cost");
    let off = (cost.value - exact).abs();
    assert!(off < cost.error && cost.error > 1e-3, "{off:e} {cost:?}");
}

#[test]
fn what_it_cannot_do_is_refused_with_the_numbers() {
    let quadratic = "running = \"0.5*u^2\"\nterminal = \"x^2\"";
    let refused = |dynamics: &str| match solved(dynamics, 0.5, quadratic, 64) {
        Err(Unsolved::Refused(refusal)) => refusal.reason,
        _ => panic!("refused"),
    };
    let reason = refused("drift = \"-t*x + u\"\ndiffusion = 1\ndomain = [-4, 4]");
    assert!(reason.contains("depend on time"), "{reason}");
    let edge = "drift = \"-x + u\"\ndiffusion = 1\ndomain = [-4, 4]\nboundary = \"reflect\"";
    let reason = refused(edge);
    assert!(reason.contains("an edge is not natural"), "{reason}");
    // From far out at a small temperature psi is e^{-400} of its largest.
    let cold = "drift = \"u\"\ndiffusion = 0.05\ndomain = [-4, 4]";
    match solved(cold, 3.0, quadratic, 128) {
        Err(Unsolved::Failed(SolveError::Underflow { share, .. })) => {
            assert!(share < 1e-13, "{share}")
        }
        Err(other) => panic!("{other}"),
        Ok(answer) => panic!("{:?}", answer.cost),
    }
    let two = answer(
        "[dynamics]\nstate = \"x[2]\"\ncontrol = \"u[2]\"\ndrift = \"u\"\ndiffusion = 1\n[initial]\nfamily = \"delta\"\n\
         at = [0.0, 0.0]\n[cost]\nrunning = \"0.5*dot(u, u)\"\nterminal = \"x[0]*x[1]\"\n\
         [[solver]]\nid = \"waves\"\nmethod = \"hopf-cole\"\nscheme = \"spectral\"\n",
    );
    match two {
        Err(Unsolved::Refused(refusal)) => {
            assert!(refusal.reason.contains("not of 2"), "{refusal}")
        }
        _ => panic!("refused"),
    }
}
