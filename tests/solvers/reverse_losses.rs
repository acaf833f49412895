//! Every loss of `action`, asked for reverse diffusion: a score or policies on the time of the control, judged by the
//! comparison, which shares no code with them.

use onsager::comparison::compare;
use onsager::numeric::random::Streams;
use onsager::problem::parse_text;
use onsager::solvers::lowered::problem::Lowered;
use onsager::solvers::registry::run::solve;
use onsager::verification::vocabulary::standard;
use std::path::Path;

const OBJECTIVES: [&str; 6] = [
    "relative-entropy",
    "log-variance",
    "moment",
    "cross-entropy",
    "adjoint-matching",
    "socm",
];

fn losses(names: &[&str], field: &str, more: &str) -> String {
    names
        .iter()
        .map(|name| {
            format!(
                "[[solver]]\nid = \"{name}\"\nmethod = \"action\"\nobjective = \"{name}\"\nfield = {field}\n\
                 paths = 2048\nsteps = 48\n{more}\n"
            )
        })
        .collect()
}

/// `½ E ∫ |u − u*|² dt` under every solver's control, by solver, against the exact score.
fn gaps(text: &str) -> Vec<(String, f64)> {
    let loaded = parse_text("test.toml", text, Path::new("."), &[], &standard()).expect("valid");
    let lowered = Lowered::new(loaded.problem).expect("it is lowered");
    let solved = lowered.problem.solvers.iter().map(|spec| {
        solve(&lowered, spec, &[], None, &mut |_| ()).unwrap_or_else(|e| panic!("{}: {e}", spec.id))
    });
    let solutions: Vec<_> = solved.collect();
    let comparison = compare(&lowered, &solutions, &Streams::new(17));
    let rows = solutions.iter().zip(&comparison.rows);
    rows.map(|(solution, row)| {
        let performance = row.performance.as_ref().expect("measured");
        let gap = performance
            .gap_integral
            .as_ref()
            .expect("a reference exists");
        (solution.id.clone(), gap.value)
    })
    .collect()
}

/// `u* = −x/(1 + e^−t)` on a law of variance `1 + e^−t`: `½ E ∫ |u*|² dt = ½ ∫_0^5 dt/(1 + e^−t)`.
fn energy() -> f64 {
    0.5 * ((1.0 + 5.0_f64.exp()).ln() - 2.0_f64.ln())
}

/// An affine policy contains the best one but for its interpolation: 8 nodes 5/7 apart leave `h²/8 max|gain''| = 0.006` of
/// a gain of 0.5 to 1. The noise of 2048 paths on 16 coefficients adds `sqrt(16/(2 · 2048 · 5))`, 0.03, where nothing takes
/// it out. Both together stay below a twentieth of the control; the gap is its square.
#[test]
fn every_loss_agrees_with_the_exact_score_of_a_gaussian() {
    let head = include_str!("../../problems/reverse/gaussian_1d.toml");
    let text = format!(
        "{head}\n{}[[solver]]\nmethod = \"exact\"\n",
        losses(
            &OBJECTIVES,
            "{ family = \"affine\", nodes = 8 }",
            "max_iter = 200"
        )
    );
    for (id, gap) in gaps(&text) {
        let relative = (gap.max(0.0) / energy()).sqrt();
        println!("{id}: {relative}");
        assert!(relative < 0.05, "{id}: {relative} of the control is wrong");
    }
}

/// Two peaks: the policies start from the best one for a Gaussian with the same moments, and learn most of what is missing.
/// The other losses need more than this: their controls are not held where no path was, and single paths leave.
#[test]
fn three_losses_learn_the_score_of_two_peaks() {
    let text = format!(
        "format = 1\n[problem]\nname = \"two-peaks\"\nkind = \"reverse\"\n[data]\nfamily = \"mixture\"\n\
         weights = [0.4, 0.6]\nmeans = [[-1.2], [1.0]]\ncovs = [0.25, 0.35]\n\
         [dynamics]\npreset = \"vp\"\nbeta = 1.0\nhorizon = [0.0, 4.0]\n[time]\nt_min = 0.01\n\
         [[solver]]\nid = \"affine\"\nmethod = \"action\"\nfield = {{ family = \"affine\", nodes = 8 }}\n{}",
        losses(
            &["relative-entropy", "log-variance", "socm"],
            "{ family = \"rbf\", centers = 12, nodes = 8 }",
            ""
        )
    );
    let gaps = gaps(&text);
    let (_, affine) = gaps[0];
    for (id, gap) in &gaps[1..] {
        println!("{id}: {gap} of {affine}");
        assert!(*gap < 0.3 * affine, "{id}: {gap} of {affine}");
    }
}
