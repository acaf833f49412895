//! Paths of a Brownian motion until they leave an interval.

use super::*;
use crate::field::idle::Idle;
use crate::numeric::random::Streams;
use crate::solvers::lowered::fixture::lowered;

/// Costs of paths of noise 0.8 from 0.3 until they leave (-1, 1), by events or by absorbing edges.
fn left(cost: &str, events: bool, steps: usize, paths: usize) -> Estimate {
    let ends = match events {
        true => {
            "\n[[event]]\nname = \"right\"\nwhen = \"x > 1\"\nstop = true\n[[event]]\nname = \"left\"\nwhen = \"x < -1\"\nstop = true\n"
        }
        false => "",
    };
    let domain = match events {
        true => "",
        false => "domain = [-1, 1]\nboundary = \"absorb\"\n",
    };
    let lowered = lowered(&format!(
        "format = 1\n[problem]\nname = \"test\"\nkind = \"control\"\n[dynamics]\nstate = \"x\"\ncontrol = \"u\"\ndrift = \"u\"\n\
         diffusion = 0.8\nhorizon = [0.0, 24.0]\n{domain}[initial]\nfamily = \"delta\"\nat = 0.3\n[cost]\n{cost}{ends}"
    ));
    let walk = SteeredWalk {
        lowered: &lowered,
        policy: &Idle {
            states: 1,
            controls: 1,
        },
        steps,
        finest: 0,
        stream: &Streams::new(31).role("noise"),
    };
    let start = Batch::from_rows(1, &vec![[0.3]; paths]);
    Estimate::from_samples(&walk.run(start.as_ref(), 0).cost)
}

/// `E tau = (1 - x^2)/s^2`, `E e^{-r tau} = cosh(k x)/cosh(k)`, `k = sqrt(2 r)/s`: the crossings between nodes are drawn from
/// their law, so that the step leaves no bias that 40000 paths see. Nodes alone would put the edges `0.5826 s sqrt(h)`
/// farther out: at the steps used 2.23 and 1.81 for the mean time of 1.42. Seed 31; four standard errors, eight numbers:
/// false-alarm probability 5e-4.
#[test]
fn times_of_leaving_do_not_depend_on_the_step() {
    let (s, r, x) = (0.8_f64, 0.7_f64, 0.3_f64);
    let k = (2.0 * r).sqrt() / s;
    let cases = [
        (
            "running = \"1 + 0.5*u^2\"\nterminal = \"0\"",
            (1.0 - x * x) / (s * s),
        ),
        (
            "running = \"0.5*u^2\"\nterminal = \"1\"\ndiscount = 0.7",
            (k * x).cosh() / k.cosh(),
        ),
    ];
    for (cost, exact) in cases {
        for events in [true, false] {
            for steps in [96, 384] {
                let found = left(cost, events, steps, 40_000);
                assert!(
                    (found.value - exact).abs() < 4.0 * found.error && found.error < 0.01,
                    "{cost}, {steps} steps: {found:?} {exact}"
                );
            }
        }
    }
}

/// The same for steps twice as long on the same noise: paths agree on most crossings, so that the difference of the two is
/// known better than either. Seed 31.
#[test]
fn long_steps_see_the_same_crossings() {
    let lowered = lowered(
        "format = 1\n[problem]\nname = \"test\"\nkind = \"control\"\n[dynamics]\nstate = \"x\"\ncontrol = \"u\"\n\
         drift = \"-x + u\"\ndiffusion = 0.8\nhorizon = [0.0, 8.0]\ndomain = [-1, 1]\nboundary = \"absorb\"\n\
         [initial]\nfamily = \"delta\"\nat = 0.3\n[cost]\nrunning = \"1 + 0.5*u^2\"\nterminal = \"0\"",
    );
    let walk = SteeredWalk {
        lowered: &lowered,
        policy: &Idle {
            states: 1,
            controls: 1,
        },
        steps: 160,
        finest: 1,
        stream: &Streams::new(31).role("noise"),
    };
    let start = Batch::from_rows(1, &vec![[0.3]; 4000]);
    let [coarse, fine] = [0, 1].map(|level| walk.run(start.as_ref(), level));
    let apart: Vec<f64> = fine
        .cost
        .iter()
        .zip(&coarse.cost)
        .map(|(f, c)| f - c)
        .collect();
    let (apart, alone) = (
        Estimate::from_samples(&apart),
        Estimate::from_samples(&fine.cost),
    );
    assert!(apart.error < 0.35 * alone.error, "{apart:?} {alone:?}");
    for (end, cost) in fine.end.column(0).iter().zip(&fine.cost) {
        let whole = (*cost - 8.0).abs() < 1e-9;
        assert!(whole || (end.abs() - 1.0).abs() < 1e-12, "{end} {cost}");
    }
}
