//! Every solution of a reverse diffusion against the best answer there is.

use crate::comparison::control_error::{
    Clouds, Uncontrolled, control_error, measure_action, value,
};
use crate::comparison::generated::{TrueSamples, generate};
use crate::comparison::likelihood::Likelihood;
use crate::comparison::quantities::quantities;
use crate::comparison::reference_law::{ReferenceLaw, reference_answer};
use crate::comparison::rows::{Comparison, ComparisonRow};
use crate::numeric::random::Streams;
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;

/// Measures every solution by code that did not produce it, on noise it has not seen.
pub fn compare(lowered: &Lowered, solutions: &[Solution], streams: &Streams) -> Comparison {
    let streams = streams.scoped("comparison");
    let reference = reference_answer(lowered, solutions);
    let law = ReferenceLaw::new(lowered, solutions);
    let clouds = law
        .as_ref()
        .map(|law| Clouds::new(lowered, law, &streams.scoped("clouds")));
    let truth = law
        .as_ref()
        .map(|law| TrueSamples::new(lowered, law, &streams));
    let likelihood = Likelihood::new(lowered, law.as_ref(), &streams);
    let rows: Vec<ComparisonRow> = solutions
        .iter()
        .map(|solution| {
            let score = solution.answer.score();
            ComparisonRow {
                solver: solution.id.clone(),
                method: solution.method,
                control_error: reference
                    .as_ref()
                    .zip(clouds.as_ref())
                    .map(|(reference, clouds)| control_error(lowered, score, reference, clouds)),
                action: reference
                    .as_ref()
                    .and_then(|reference| measure_action(lowered, score, reference, &streams)),
                negative_log_likelihood: likelihood
                    .as_ref()
                    .and_then(|likelihood| likelihood.of(lowered, score).ok()),
                generated: truth.as_ref().map_or(Vec::new(), |truth| {
                    generate(lowered, score, truth, &streams.scoped("generation"))
                }),
                work: solution.work,
                seconds: solution.seconds,
                stopped: solution.stopped,
            }
        })
        .collect();
    let uncontrolled = reference.as_ref().and_then(|reference| {
        let dimension = lowered.noising().dimension();
        measure_action(lowered, &Uncontrolled { dimension }, reference, &streams)
    });
    let value = reference
        .as_ref()
        .and_then(|r| r.log_density)
        .map(|density| value(lowered, density, &streams));
    let quantities = quantities(lowered, &rows, value, &streams);
    Comparison {
        reference: reference.map(|r| r.name.to_owned()),
        value,
        uncontrolled,
        likelihood_on: likelihood.as_ref().map_or("no data", Likelihood::on),
        closed_form_nll: likelihood.as_ref().and_then(Likelihood::closed_form),
        true_samples: truth.map(|t| t.data),
        rows,
        quantities,
    }
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
            let action = row.action.as_ref().expect("measured");
            let (direct, integral) = (action.gap.unwrap(), action.gap_integral.unwrap());
            let allowed = 5.0 * direct.error.hypot(integral.error) + action.step_bias;
            assert!(
                (direct.value - integral.value).abs() < allowed,
                "{action:?}"
            );
        }
        let uncontrolled = comparison.uncontrolled.as_ref().expect("measured");
        let gap = long.action.as_ref().and_then(|a| a.gap_integral).unwrap();
        assert!(uncontrolled.gap_integral.unwrap().value > 20.0 * gap.value);
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
