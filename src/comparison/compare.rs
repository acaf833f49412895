//! Every solution against the best answer there is, for problems of every kind.
//!
//! | process | what is compared |
//! |---|---|
//! | runs against noise that is free of the state | scores, under the law of the noised data |
//! | any other with a control | policies, simulated on the time of the control |
//! | none to control | numbers by name |

use crate::comparison::control_error::{Clouds, control_error};
use crate::comparison::generated::{TrueSamples, generate};
use crate::comparison::likelihood::Likelihood;
use crate::comparison::performance::{of_score, value};
use crate::comparison::policies::compare_policies;
use crate::comparison::quantities::{of_scores, of_simulation};
use crate::comparison::reference_law::{ReferenceLaw, reference_answer};
use crate::comparison::rows::{Comparison, ComparisonRow};
use crate::field::idle::Idle;
use crate::numeric::random::Streams;
use crate::numeric::time_limit::in_time;
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;

/// Whether answers are compared as scores.
pub fn compares_scores(lowered: &Lowered) -> bool {
    let reverse = lowered.problem.reverse();
    let is_drawn = reverse.is_some_and(|task| task.data.mixture().is_some());
    is_drawn && lowered.undoes_additive_noise()
}

/// Measures every solution by code that did not produce it, on noise it has not seen. Where the time is up it keeps what
/// was measured by then.
pub fn compare(lowered: &Lowered, solutions: &[Solution], streams: &Streams) -> Comparison {
    let streams = streams.scoped("comparison");
    let mut comparison = Comparison {
        rows: solutions.iter().map(ComparisonRow::of).collect(),
        ..Comparison::default()
    };
    let measured = in_time(|| {
        if lowered.process.control.is_empty() {
            let stopped = !lowered.free().stops.is_empty();
            of_simulation(solutions, stopped, &mut comparison);
        } else if compares_scores(lowered) {
            compare_scores(lowered, solutions, &streams, &mut comparison);
        } else {
            compare_policies(lowered, solutions, &streams, &mut comparison);
        }
    });
    comparison.is_partial = measured.is_err();
    comparison
}

fn compare_scores(
    lowered: &Lowered,
    solutions: &[Solution],
    streams: &Streams,
    comparison: &mut Comparison,
) {
    let reference = reference_answer(lowered, solutions);
    comparison.reference = reference.as_ref().map(|r| r.name.to_owned());
    let law = ReferenceLaw::new(lowered, solutions);
    let clouds = law
        .as_ref()
        .map(|law| Clouds::new(lowered, law, &streams.scoped("clouds")));
    let truth = law
        .as_ref()
        .map(|law| TrueSamples::new(lowered, law, streams));
    let likelihood = Likelihood::new(lowered, law.as_ref(), streams);
    for (row, solution) in comparison.rows.iter_mut().zip(solutions) {
        let Some(score) = solution.answer.score.as_deref() else {
            continue;
        };
        if let Some(reference) = &reference {
            let error = |clouds| control_error(lowered, score, reference, clouds);
            row.control_error = clouds.as_ref().map(error);
            row.performance = of_score(lowered, score, reference, streams);
        }
        if let Some(likelihood) = &likelihood {
            row.negative_log_likelihood = likelihood.of(lowered, score).ok();
        }
        if let Some(truth) = &truth {
            row.generated = generate(lowered, score, truth, &streams.scoped("generation"));
        }
    }
    if let Some(reference) = &reference {
        let (states, controls) = (lowered.dimension(), lowered.dimension());
        let idle = Idle { states, controls };
        comparison.uncontrolled = of_score(lowered, &idle, reference, streams).map(|p| p.cost);
        comparison.value = reference
            .log_density
            .map(|density| value(lowered, density, streams));
    }
    comparison.likelihood_on = likelihood.as_ref().map(Likelihood::on);
    comparison.closed_form_nll = likelihood.as_ref().and_then(Likelihood::closed_form);
    comparison.true_samples = truth.map(|t| t.data);
    of_scores(lowered, comparison, streams);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::scaled::Scaled;
    use crate::problem::parse_text;
    use crate::solvers::driver::{StopReason, Work};
    use crate::solvers::lowered::answer::Answer;
    use crate::solvers::registry::methods::vocabulary;
    use std::path::Path;
    use std::sync::Arc;

    const TEXT: &str = r#"
format = 1
[problem]
name = "mixture-vp"
kind = "reverse"
[data]
family  = "mixture"
weights = [0.3, 0.5, 0.2]
means   = [[-2.0, 0.0], [1.5, 1.0], [1.0, -2.0]]
covs    = [0.05, [0.10, 0.04], [[0.08, 0.05], [0.05, 0.08]]]
[dynamics]
preset = "vp"
beta   = [0.1, 20.0]
[time]
steps = 100
t_min = 1e-3
[run]
paths = 2048
[sample]
h = [0.0, 1.0]
steps = 100
paths = 2048
"#;

    fn lowered() -> Lowered {
        let loaded =
            parse_text("mixture.toml", TEXT, Path::new("."), &[], &vocabulary()).expect("valid");
        Lowered::new(loaded.problem).expect("mixtures")
    }

    fn solution(lowered: &Lowered, id: &str, factor: f64) -> Solution {
        Solution {
            id: id.to_owned(),
            method: "exact",
            answer: Answer {
                score: Some(Arc::new(Scaled::new(
                    lowered.facts.marginals.clone().expect("affine"),
                    factor,
                ))),
                ..Answer::default()
            },
            work: Work::default(),
            stopped: StopReason::Direct,
            seconds: 0.0,
        }
    }

    /// Seed 4. Statistical comparisons at 5 standard errors: false-alarm probability below 1e-5.
    #[test]
    fn the_exact_control_has_no_error_and_a_scaled_one_has_the_known_one() {
        let lowered = lowered();
        let solutions = [
            solution(&lowered, "right", 1.0),
            solution(&lowered, "long", 1.1),
        ];
        let comparison = compare(&lowered, &solutions, &Streams::new(4));
        let [right, long] = &comparison.rows[..] else {
            panic!("two rows");
        };
        let exact_error = right.control_error.as_ref().expect("measured");
        assert_eq!(exact_error.relative.value, 0.0);
        let error = long.control_error.as_ref().expect("measured");
        assert!((error.relative.value - 0.1).abs() < 1e-9, "{error:?}");
        // The gap two ways.
        for row in [right, long] {
            let action = row.performance.as_ref().expect("measured");
            let (direct, integral) = (action.gap.unwrap(), action.gap_integral.unwrap());
            let allowed = 5.0 * direct.error.hypot(integral.error) + action.step_bias;
            assert!(
                (direct.value - integral.value).abs() < allowed,
                "{action:?}"
            );
        }
        let uncontrolled = comparison.uncontrolled.expect("measured");
        let value = comparison.value.expect("a density is known");
        let gap = long.performance.as_ref().and_then(|p| p.gap_integral);
        assert!(uncontrolled.value - value.value > 20.0 * gap.unwrap().value);
        // The exact flow has the closed-form likelihood; the prior mismatch is 2.9e-6 nats.
        let flow = right.negative_log_likelihood.unwrap();
        let closed = comparison.closed_form_nll.unwrap();
        assert!(
            (flow.value - closed.value).abs() < 1e-3,
            "{flow:?} {closed:?}"
        );
        for generation in &right.generated {
            let energy = generation.energy;
            let se = energy.value.error.hypot(energy.floor.error);
            assert!(energy.value.value < energy.floor.value + 5.0 * se + 1e-2);
            assert!(generation.mode_error.unwrap().value < 0.1);
        }
        // Published values: two-dimensional quadrature, 1e-9.
        let named = |name: &str| {
            let found = comparison.quantities.iter().find(|q| q.name == name);
            found.expect("known name").value
        };
        assert!((named("entropy_data").value - 1.0337672961).abs() < 2e-9);
        assert!((named("entropy_end").value - 2.8379164613).abs() < 2e-9);
        assert!((named("kl_end").value - 2.86e-6).abs() < 1e-8);
        assert!((named("mean_factor_end").value - 0.0065715865).abs() < 1e-9);
    }
}
