//! Targets whose normaliser is known in closed form or by quadrature.

use super::*;
use crate::numeric::blocks::pairwise_sum;
use crate::problem::load;
use crate::solvers::driver::Solution;
use crate::solvers::lowered::fixture::lowered;
use crate::solvers::registry::methods::vocabulary;
use crate::solvers::registry::run::solve;
use crate::solvers::sampling::annealed::population::systematic_with;
use std::path::Path;

fn run(lowered: &Lowered) -> Solution {
    let spec = lowered
        .problem
        .solvers
        .iter()
        .find(|spec| spec.method() == NAME)
        .expect("the file asks for annealing");
    solve(lowered, spec, &[], None, &mut |_| ()).unwrap_or_else(|e| panic!("{e}"))
}

fn text(target: &str, states: usize, particles: usize) -> Lowered {
    let text = format!(
        "format = 1\n[problem]\nname = \"test\"\nkind = \"sample\"\n[target]\n{target}\n[dynamics]\nstate = \"x[{states}]\"\n\
         preset = \"vp\"\nbeta = [0.1, 10.0]\nhorizon = [0.0, 1.0]\n[run]\nseed = 5\n[[solver]]\nid = \"a\"\n\
         method = \"annealed\"\nparticles = {particles}\nsteps = 256\n"
    );
    lowered(&text)
}

fn quantity(answer: &Answer, name: &str) -> Estimate {
    let found = answer.quantities.iter().find(|q| q.name == name);
    found.unwrap_or_else(|| panic!("no {name}")).value
}

/// The file with so many particles: its `log_z` within five standard errors of the known number, and those small.
/// Sixteen populations: Student with 15 degrees of freedom, false-alarm probability 1.6e-4.
fn shipped(name: &str, particles: usize, largest_error: f64) -> Answer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("problems/sample/{name}.toml"));
    let loaded = load(&path, &[], &vocabulary()).unwrap_or_else(|report| panic!("{report}"));
    let mut lowered = Lowered::new(loaded.problem).expect("the lowered lowers");
    for spec in &mut lowered.problem.solvers {
        if spec.method() == NAME {
            spec.options.set("particles", particles);
        }
    }
    let known = lowered
        .problem
        .references
        .iter()
        .find(|reference| reference.name == "log_z")
        .expect("the file knows its normaliser")
        .value;
    let solution = run(&lowered);
    let log_z = quantity(&solution.answer, "log_z");
    let off = log_z.value - known;
    assert!(
        off.abs() < 5.0 * log_z.error && log_z.error < largest_error,
        "{name}: {off} +- {}; {:?} {}",
        log_z.error,
        solution.answer.facts,
        solution.stopped
    );
    solution.answer
}

/// Seed 31. A lost mode would show as 0.118. Each has a ninth of the weight, within six standard errors: Student with
/// 15 degrees of freedom, false-alarm probability 2.2e-4 for the nine.
#[test]
fn nine_modes_are_all_found() {
    let answer = shipped("gmm_nine", 8192, 0.02);
    for k in 0..9 {
        let weight = quantity(&answer, &format!("mode_weight[{k}]"));
        let off = weight.value - 1.0 / 9.0;
        assert!(
            off.abs() < 6.0 * weight.error && weight.error < 0.01,
            "{k}: {weight:?}"
        );
    }
}

/// Seed 32.
#[test]
fn five_double_wells() {
    shipped("many_well_five", 8192, 0.04);
}

/// Seed 8. The neck is narrower than the mouth by a factor of thousands.
#[test]
fn the_funnel() {
    shipped("funnel", 8192, 0.06);
}

/// Seed 5. Populations that end in a draw of the target have `E[Z/Z_N] = 1` exactly, here with two temperatures
/// for six states, where they are drawn anew; five standard errors over 4096 of them, false-alarm probability 6e-7.
/// Their mean logarithm is above `log Z` by as much as that of the forward ones is below.
#[test]
fn populations_with_a_held_path() {
    let d = 6;
    let mut lowered = text(
        "family = \"log-density\"\nlog_density = \"-0.5*sum(i in 0..6: (x[i] - 1)^2)\"",
        d,
        512,
    );
    lowered.problem.solvers[0].options.set("steps", 2_usize);
    let answer = run(&lowered).answer;
    let schedule = answer.backwards.as_deref().expect("a schedule");
    let streams = Streams::new(5);
    let mut exact = Batch::zeros(4096, d);
    streams.role("exact").normals(0, 0, exact.as_mut());
    exact.as_mut_slice().iter_mut().for_each(|x| *x += 1.0);
    let target = Target::new(&lowered.problem, NAME).expect("a density");
    let log_z = 0.5 * d as f64 * std::f64::consts::TAU.ln();
    let logs = schedule.log_normalisers(&target, exact, &streams);
    let inverse: Vec<f64> = logs.iter().map(|l| (log_z - l).exp()).collect();
    let one = Estimate::from_samples(&inverse);
    assert!((one.value - 1.0).abs() < 5.0 * one.error, "{one:?}");
    let upper = Estimate::from_samples(&logs);
    let lower = quantity(&answer, LOG_Z_LOWER);
    assert!(upper.value - log_z > 5.0 * upper.error, "{upper:?} {log_z}");
    assert!(lower.value < log_z, "{lower:?} {log_z}");
}

/// Over kept rows in proportion to their weights, and a fine grid of positions, every row is drawn in proportion.
#[test]
fn rows_with_one_kept_are_drawn_in_proportion() {
    let weights = [0.45, 0.05, 0.3, 0.2];
    let (n, mut counts) = (1000, [0.0; 4]);
    for (kept, w) in weights.iter().enumerate() {
        for k in 0..n {
            let uniform = (f64::from(k) + 0.5) / f64::from(n);
            let (rows, place) = systematic_with(&weights, kept, uniform);
            assert_eq!(rows[place], kept);
            for row in rows {
                counts[row] += w / f64::from(n);
            }
        }
    }
    for (count, w) in counts.iter().zip(weights) {
        assert!((count - 4.0 * w).abs() < 5e-3, "{count} {w}");
    }
}

/// Seed 5. A correlated Gaussian, `log Z = log 2 pi - 1/2 log det P + 3`, at five standard errors as above; the
/// draws have its moments within a tenth, over ten standard errors.
#[test]
fn a_gaussian_with_its_draws() {
    let lowered = text(
        "family = \"log-density\"\nlog_density = \"3 - (x[0] - 2)^2 - (x[1] + 1)^2 + (x[0] - 2)*(x[1] + 1)\"",
        2,
        4096,
    );
    let answer = run(&lowered).answer;
    let exact = std::f64::consts::TAU.ln() - 0.5 * 3.0_f64.ln() + 3.0;
    let log_z = quantity(&answer, "log_z");
    assert!(
        (log_z.value - exact).abs() < 5.0 * log_z.error,
        "{log_z:?} {exact}"
    );
    assert!(log_z.error < 0.02, "{log_z:?}");
    let bound = quantity(&answer, "log_z_lower_bound");
    assert!(
        bound.value <= log_z.value,
        "the mean of logarithms is below: {bound:?}"
    );
    let samples = answer.samples.expect("draws");
    let mean = |f: &dyn Fn(&[f64]) -> f64| {
        let values: Vec<f64> = (0..samples.points()).map(|i| f(&samples.row(i))).collect();
        pairwise_sum(&values) / values.len() as f64
    };
    // Precision [[2, -1], [-1, 2]]: covariance [[2, 1], [1, 2]]/3.
    let pairs = [
        (mean(&|x| x[0]), 2.0),
        (mean(&|x| x[1]), -1.0),
        (mean(&|x| (x[0] - 2.0).powi(2)), 2.0 / 3.0),
        (mean(&|x| (x[0] - 2.0) * (x[1] + 1.0)), 1.0 / 3.0),
    ];
    for (got, exact) in pairs {
        assert!((got - exact).abs() < 0.1, "{got} {exact}");
    }
}

/// Two runs agree to the bit, whatever the number of threads.
#[test]
fn threads_do_not_matter() {
    let lowered = text(
        "family = \"log-density\"\nlog_density = \"-x[0]^4\"",
        1,
        512,
    );
    let log_z = |threads| {
        let answer = crate::numeric::blocks::with_pool(threads, 64, || run(&lowered).answer);
        quantity(&answer, "log_z").value.to_bits()
    };
    assert_eq!(log_z(1), log_z(2));
}

#[test]
fn a_box_is_refused() {
    let lowered = text("family = \"uniform\"\nbox = [[0.0, 1.0]]", 1, 512);
    assert!(Target::new(&lowered.problem, NAME).is_err());
}

#[test]
fn rows_are_drawn_in_proportion() {
    assert_eq!(systematic(&[0.5, 0.0, 0.25, 0.25], 0.5), [0, 0, 2, 3]);
    assert_eq!(systematic(&[0.0, 0.0, 0.0, 1.0], 1.0), [3; 4]);
}

/// A kink, a plateau and a wall: ascents end, and of a line without curvature too.
#[test]
fn ascents_end_on_anything() {
    for density in [
        "-abs(x[0] - 3) - 2*abs(x[1])",
        "-max(abs(x[0]) - 1, 0)^2 - x[1]^2",
        "if(x[0] > 0, -x[0] - x[1]^2, -1e6 - x[0]^2 - x[1]^2)",
        "-exp(x[0]) - exp(-x[0]) - x[1]^4",
    ] {
        let lowered = text(
            &format!("family = \"log-density\"\nlog_density = \"{density}\""),
            2,
            512,
        );
        let target = Target::new(&lowered.problem, NAME).expect("a density");
        let wide = Mixture::gaussian(vec![0.0; 2], Covariance::Isotropic(16.0));
        let start = Reference::new(wide);
        let modes = Modes::find(&target, &start, &Streams::new(5), &mut Work::default());
        let positive = |mode: &modes::Mode| mode.covariance.clone().cholesky().is_some();
        assert!(modes.0.iter().all(positive), "{density}: {modes:?}");
    }
}
