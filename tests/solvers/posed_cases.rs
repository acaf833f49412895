//! Small problems with known answers: what is posed is what is solved, and what is called proved is true.
//!
//! Truths: Riccati equations, finite differences and quadrature made with other software, closed forms.

use onsager::derivation::{Evidence, Finding};
use onsager::study::{Findings, Solvers, Study, Unable};
use onsager::verification::verdict::Verdict;
use std::path::Path;

fn posed(name: &str) -> Study {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let path = folder.join(name).with_extension("toml");
    Study::load(&path).unwrap_or_else(|why| panic!("{name}: {why}"))
}

fn structure(name: &str, wanted: &str) -> Finding {
    let found = posed(name).structure();
    let found = found.unwrap_or_else(|why| panic!("{name}: {why}"));
    let mut findings = found.into_iter();
    let finding = findings.find(|finding| finding.name == wanted);
    finding.expect("every structure is looked for")
}

fn solved(name: &str, methods: &[&str]) -> Findings {
    let asked = match methods {
        [] => Solvers::File,
        some => Solvers::Named(some),
    };
    let found = posed(name).solve(asked);
    found.unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// A number of a run: the truth lies within three errors of it, and within `sharp`.
fn holds(found: &Findings, what: &str, truth: f64, sharp: f64) {
    let value = found.quantity(what).expect("a named number");
    let off = (value.value - truth).abs();
    let name = &found.lowered().problem.name;
    assert!(off <= sharp, "{name}: {what} = {value:?}, right {truth}");
    let rounding = 1e-6 * truth.abs();
    assert!(
        off <= 3.0 * value.error + rounding,
        "{name}: {what} = {value:?}, right {truth}"
    );
}

#[test]
fn kinks_make_no_quadratic_costs() {
    for name in ["abs_end_cost", "kink_rare_lq", "oscillator_abs_end"] {
        let finding = structure(name, "linear-quadratic");
        assert!(!finding.found, "{name}: {finding:?}");
    }
    // -0.25 log E exp(-|0.5 + 0.5 Z| / 0.25), by quadrature.
    let found = solved("abs_end_cost", &[]);
    let value = found.quantity("value").expect("a value").value;
    assert!((value - 0.364869870678).abs() < 1e-4, "{value}");
}

#[test]
fn costs_linear_in_the_control_are_completed_to_a_square() {
    // p = -0.6 exp(0.4 (1 - t)); V = p x + int (-0.33 p - 0.605 p^2), u = -0.3 - 1.1 p.
    let found = solved("linear_control_cost", &[]);
    holds(&found, "value", 0.3573471, 1e-6);
    holds(&found, "control", 0.6846043, 1e-6);
    let found = solved("c1_indefinite_cross", &[]);
    holds(&found, "value", -0.6159643328, 1e-7);
    let answer = found.answer("riccati").expect("solved");
    let control = answer.policy().expect("a policy").at(3.0, &[1.0])[0];
    // At the end V = 0 and the cheapest control is -2 x.
    assert!((control + 2.0).abs() < 1e-9, "{control}");
}

#[test]
fn gains_carry_the_sign_of_the_file() {
    let found = solved("c3_firm", &[]);
    holds(&found, "value", 3.350827994245495, 1e-6);
    holds(&found, "control", 0.318521337949, 1e-6);
    let answer = found.answer("riccati").expect("solved");
    let value = answer.value().expect("a value").at(0.0, &[2.0]);
    assert!((value - 3.350827994245495).abs() < 1e-6, "{value}");
    let record = found.record("", false);
    assert!(record.headline.starts_with("The optimal gain is 3.35083"));
    let cost = record.statement.iter().find(|line| line.name == "gain");
    assert!(cost.expect("the gain is stated").text.starts_with("max"));
    let found = solved("c4_sense_max", &["hopf-cole"]);
    holds(&found, "value", -2.03734, 1e-5);
}

#[test]
fn a_temperature_may_hide_behind_noise_of_the_state() {
    let finding = structure("state_noise_temperature_ito", "hopf-cole");
    assert!(finding.found && finding.because.ends_with("lambda = 1/2"));
    let typed = "format = 1\n[problem]\nname = \"typed\"\nkind = \"control\"\n[dynamics]\nstate = \"x\"\n\
        control = \"u\"\ndrift = \"-x + u\"\ndiffusion = 0.7071067811865476\n\
        [initial]\nfamily = \"delta\"\nat = 0.5\n[cost]\nrunning = \"0.5*u^2\"\nterminal = \"x^4\"\n";
    let study = Study::parse(typed).expect("a problem");
    let derivation = study.derive().expect("nothing is refuted");
    let finding = derivation.structure.iter().find(|f| f.name == "hopf-cole");
    assert!(finding.expect("looked for").found);
    // Two controls, whose noises differ in the last digit of what was typed.
    let pair = typed
        .replace("\"x\"", "\"x[2]\"")
        .replace("\"u\"", "\"u[2]\"")
        .replace("\"-x + u\"", "[\"u[0]\", \"u[1]\"]")
        .replace(
            "0.7071067811865476",
            "[0.7071067811865476, 0.7071067811865475]",
        )
        .replace("at = 0.5", "at = [0.5, 0.5]")
        .replace("u^2", "norm2(u)")
        .replace("x^4", "x[0]^4 + x[1]^4*x[0]^2");
    let study = Study::parse(&pair).expect("a problem");
    let derivation = study.derive().expect("nothing is refuted");
    let finding = derivation.structure.iter().find(|f| f.name == "hopf-cole");
    let finding = finding.expect("looked for");
    assert!(finding.found, "{finding:?}");
    assert!(matches!(finding.evidence, Evidence::Tested { .. }));
}

#[test]
fn prices_join_controls_of_any_number() {
    let finding = structure("price_couples_controls", "separable");
    assert!(
        finding.because.ends_with("together: x[0], x[1]"),
        "{finding:?}"
    );
    assert!(!structure("lq_four_controls_nondiag", "separable").found);
    let found = solved("lq_four_controls_nondiag", &[]);
    holds(&found, "value", 1.60228849, 1e-6);
    // Without a price nothing is known of what a control joins.
    let unknown = structure("c9b_bangbang", "separable");
    assert!(!unknown.found);
}

#[test]
fn singular_noise_is_never_inverted() {
    let derivation = posed("b5_rank_deficient").derive().expect("derived");
    for step in derivation.all_steps() {
        for line in &step.statement {
            assert!(!line.text.contains("D^-1"), "{}", line.text);
        }
    }
}

#[test]
fn a_control_without_a_price_stays_on_its_bounds() {
    // E max over s <= 1 of (W_s - s)^2: the control pushes to the origin.
    let found = solved("c9b_bangbang", &[]);
    let value = found.quantity("value").expect("a value");
    let off = (value.value - 0.333369058824627).abs();
    assert!(off <= 3.0 * value.error && value.error < 0.02, "{value:?}");
    // A harvest in a box pays best at full speed: E int x dt along x = 2 - t, far from zero.
    let harvest = "format = 1\n[problem]\nname = \"harvest\"\nkind = \"control\"\n[dynamics]\nstate = \"x\"\n\
        control = \"u\"\ncontrol_bounds = [0.0, 1.0]\nhorizon = [0.0, 1.0]\ndrift = \"-u\"\ndiffusion = 0.1\n\
        domain = [-1.0, 5.0]\n[initial]\nfamily = \"delta\"\nat = 2.0\n[cost]\nsense = \"max\"\n\
        running = \"x*u\"\n";
    let found = Study::parse(harvest).expect("a problem");
    let found = found.solve(Solvers::File).expect("solved by hjb");
    let value = found.quantity("value").expect("a value");
    let off = (value.value - 1.5).abs();
    assert!(off <= 3.0 * value.error + 1e-3, "{value:?}");
}

#[test]
fn rounding_is_no_contradiction() {
    let study = posed("false_refutation_power30");
    study.derive().expect("what is right is not refuted");
}

#[test]
fn squares_are_not_multiplied_out_for_nothing() {
    let posed = [posed("hang_two_gaussians"), posed("mixture_end_10d")];
    let found = posed.map(|study| study.structure().expect("a structure"));
    for findings in found {
        let linear = findings.iter().find(|f| f.name == "hopf-cole");
        assert!(linear.expect("looked for").found);
    }
}

/// A problem of one state from 0.5 in a price and an end cost, on a small grid.
fn priced(running: &str, bounds: &str) -> Result<Findings, Unable> {
    let text = format!(
        "format = 1\n[problem]\nname = \"priced\"\nkind = \"control\"\n[dynamics]\nstate = \"x\"\n\
         control = \"u\"\n{bounds}drift = \"u\"\ndiffusion = 0.5\n[initial]\nfamily = \"delta\"\nat = 0.5\n[cost]\n\
         running = \"{running}\"\nterminal = \"x^2\"\n[run]\npaths = 500\n\
         [[solver]]\nmethod = \"hjb\"\npoints = 201\nsteps = 100\n"
    );
    Study::parse(&text).expect("a problem").solve(Solvers::File)
}

#[test]
fn prices_of_any_form_are_minimised_by_numbers() {
    // V_t = -1/8 V'' + max over u of -(u V' + r(u)), by central differences on three grids, fourth order in time.
    let cases = [
        ("u^4", "", 0.189158, -0.43925),
        ("u^2 + abs(u)", "", 0.462252, 0.0),
        ("abs(u)", "control_bounds = [-1.0, 1.0]\n", 0.399885, 0.0),
    ];
    for (running, bounds, value, control) in cases {
        let found = priced(running, bounds).unwrap_or_else(|why| panic!("{running}: {why}"));
        let seen = found.quantity("value").expect("a value");
        let off = (seen.value - value).abs();
        assert!(off <= 3.0 * seen.error && off < 1e-3, "{running}: {seen:?}");
        let seen = found.quantity("control").expect("a control").value;
        assert!((seen - control).abs() < 5e-3, "{running}: {seen}");
    }
}

#[test]
fn prices_without_a_best_control_are_refused_with_a_code() {
    for running in ["abs(u)", "u^2 - u^4", "exp(u)"] {
        let Err(why @ Unable::Refused(_)) = priced(running, "") else {
            panic!("{running} has no best control");
        };
        assert_eq!(why.exit().code(), 3);
        assert!(why.to_string().contains("E321"), "{why}");
    }
}

/// Finite differences with other software.
#[test]
fn bounded_controls_may_push_several_states() {
    let found = solved("rotated_bounds", &[]);
    holds(&found, "value", 2.70316659, 0.1);
    holds(&found, "control[0]", 0.8, 0.05);
    holds(&found, "control[1]", 0.5, 0.05);
}

/// Noise on one of two states, an end cost that jumps along the other: no value runs away where the drift leaves the grid.
#[test]
fn values_beyond_the_grid_do_not_run_away() {
    let found = solved("oscillator_abs_end", &[]);
    holds(&found, "value", 2.55820499, 0.2);
}

#[test]
fn right_answers_at_kinks_and_exits_fail_no_check() {
    for name in ["abs_end_cost", "c10_exit_homing"] {
        let found = solved(name, &[]);
        let failed: Vec<_> = found
            .verdicts()
            .filter(|c| c.verdict == Verdict::Fail)
            .collect();
        assert!(failed.is_empty(), "{name}: {failed:?}");
    }
    let found = solved("c10_exit_homing", &[]);
    holds(&found, "value", -0.7682028797, 1e-5);
}

#[test]
fn a_drift_that_jumps_is_not_turned_around() {
    let reverse = "format = 1\n[problem]\nname = \"jump\"\nkind = \"reverse\"\n[data]\nfamily = \"gaussian\"\n\
        mean = 0\ncov = 1\n[prior]\nfamily = \"gaussian\"\nmean = 0\ncov = 1\n[dynamics]\ndrift = \"-3*sign(x)\"\ndiffusion = 1\ndomain = [-6, 6]\n";
    let study = Study::parse(reverse).expect("a problem");
    let why = study
        .derive()
        .expect_err("its reverse has a part on the jump");
    assert!(why.to_string().contains("E302"), "{why}");
}

#[test]
fn a_schedule_whose_integral_diverges_is_refused_at_its_end() {
    let pole = "format = 1\n[problem]\nname = \"pole\"\nkind = \"reverse\"\n[data]\nfamily = \"gaussian\"\n\
        mean = 0.7\ncov = 0.3\n[dynamics]\npreset = \"vp\"\nbeta = \"pi*tan(pi*t/2)\"\nhorizon = [0.0, 1.0]\n";
    // Finite in doubles at t = 1, where tan(pi/2) is 1.6e16.
    let why = Study::parse(pole).err().expect("its integral diverges");
    assert!(why.to_string().contains("diverges at t = 1"), "{why}");
    Study::parse(&pole.replace("1.0]", "0.995]")).expect("no pole on the horizon");
}

/// Means of observables under a policy know what the step of the walks is worth: 34 bars off before. Truth: moment
/// equations of the optimal feedback.
#[test]
fn means_at_the_end_hold_the_bias_of_the_step() {
    let found = solved("observed_end", &[]);
    holds(&found, "end", 0.1498544414, 1e-3);
    holds(&found, "end2", 0.02259374939, 3e-4);
}

/// A thousand standard deviations of the prior away and a hundred times narrower: log Z = 3/2 log(2 pi 0.01).
#[test]
fn a_far_and_narrow_target_is_found() {
    let found = solved("far_centre", &[]);
    holds(
        &found,
        "log_z",
        1.5 * (0.01 * std::f64::consts::TAU).ln(),
        0.05,
    );
}

/// A mode of a twentieth of the mass and of a width of 0.22 in six states: lost, log Z is -0.051.
#[test]
fn a_narrow_mode_among_wide_ones_is_found() {
    let found = solved("narrow_mode", &[]);
    holds(&found, "log_z", 0.0, 0.06);
    let weight = found.quantity("mode_weight[2]").expect("a weight");
    assert!((weight.value - 0.05).abs() < 0.02, "{weight:?}");
}

/// `log x` is infinite at a node that nothing reaches. Truth: log x_0 + 0.72 t.
#[test]
fn an_observable_may_be_infinite_at_an_edge() {
    let found = solved("logarithm_at_an_edge", &[]);
    holds(&found, "lg", 0.91_f64.ln() + 0.72 * 1.18, 0.05);
}

/// All mass falls towards zero and spreads on its way: the start is at the upper end of the law at rest, and of where paths
/// go without it. Truth: 0.57 exp((0.28^2 - 0.39) t).
#[test]
fn a_grid_holds_the_way_to_the_law_at_rest() {
    let found = solved("decaying_geometric", &[]);
    holds(&found, "mean_end", 0.57 * (-0.3116_f64 * 0.8).exp(), 1e-4);
}

/// The logarithm of a mixture has branch points near the real axis: 7 bars off before. Truth: panels on principal axes.
#[test]
fn entropies_of_mixtures_hold_their_error() {
    let found = solved("entropy_of_four", &[]);
    holds(&found, "entropy_data", 2.53224013692111, 1e-6);
}

/// Took gigabytes of draws. Truth: moment equations.
#[test]
fn a_gaussian_in_three_states_takes_little_memory() {
    let found = solved("gaussian_three_states", &[]);
    holds(&found, "nll", 3.955453315459876, 0.4);
}

/// The noise of `sub-vp` needs the integral of its rate, here `0.31 t + 1.3 t^3`.
#[test]
fn rates_of_second_degree_are_integrated() {
    let found = posed("sub_vp_quadratic_rate").structure();
    assert!(found.is_ok(), "{:?}", found.err());
}

/// A density that is not smooth at zero: the order of the grids is not two, and nothing is extrapolated as if it were.
/// Truth: 0.57 + (1.13 - 0.57) exp(-2.07 t).
#[test]
fn densities_that_are_not_smooth_hold_their_error() {
    let found = solved("square_root_noise", &[]);
    holds(
        &found,
        "mean_end",
        0.57 + 0.56 * (-2.07_f64 * 1.85).exp(),
        0.02,
    );
}
