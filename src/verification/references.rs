//! Known numbers of the file against what the run produced.

use crate::numeric::digits::significant;
use crate::numeric::estimate::ErrorKind;
use crate::problem::meant::model::{Reference, Severity};
use crate::solvers::lowered::answer::Quantity;
use crate::verification::identity::CheckResult;
use crate::verification::verdict::{Residual, Verdict};

/// An own error above this fraction of the value is too vague to pass.
const VAGUE: f64 = 1e-2;
/// An own error above this many nats of a logarithm is too vague: ten percent of the number whose logarithm it is.
const VAGUE_NATS: f64 = 0.1;
/// Standard errors of a Monte Carlo interval.
const CONFIDENCE: f64 = 4.0;

/// `reference:NAME` for every `[reference.NAME]`: passes when the distance is at most the tolerance of the
/// number plus the error of the result; a result that does not know itself to one percent, or a logarithm
/// (`log_...`) to a tenth of a nat, is inconclusive.
pub fn check_references(references: &[Reference], quantities: &[Quantity]) -> Vec<CheckResult> {
    references
        .iter()
        .map(|reference| check_reference(reference, quantities))
        .collect()
}

fn check_reference(reference: &Reference, quantities: &[Quantity]) -> CheckResult {
    let name = format!("reference:{}", reference.name);
    let mut result = CheckResult {
        id: name.clone(),
        check: name,
        on: "all".to_owned(),
        residual: None,
        confidence: CONFIDENCE,
        verdict: Verdict::Skipped,
        reason: String::new(),
        probe: Vec::new(),
        severity: Severity::Fail,
        equation: "|computed - reference| <= tolerance + own error",
        source: "the problem file",
        proof: Vec::new(),
    };
    let Some(quantity) = quantities.iter().find(|q| q.name == reference.name) else {
        let known: Vec<&str> = quantities.iter().map(|q| q.name.as_str()).collect();
        result.reason = format!(
            "this run has no quantity of that name; it has {}",
            known.join(", ")
        );
        return result;
    };
    let estimate = quantity.value;
    let statistical = estimate.kind == ErrorKind::StandardError;
    let own = if statistical {
        CONFIDENCE * estimate.error
    } else {
        estimate.error
    };
    let difference = estimate.value - reference.value;
    let limit = reference.tolerance + own;
    result.residual = Some(Residual {
        measured: difference,
        target: 0.0,
        limit,
        standard_error: statistical.then_some(estimate.error),
        bias: if statistical { 0.0 } else { estimate.error },
        samples: 0,
    });
    // A reference of 0 has no relative size; its tolerance is the scale.
    let scale = reference.value.abs().max(reference.tolerance);
    let vague = if reference.name.starts_with("log_") {
        VAGUE_NATS
    } else {
        VAGUE * scale
    };
    result.verdict = if difference.is_nan() || difference.abs() > limit {
        Verdict::Fail
    } else if own > vague && own > reference.tolerance {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    };
    result.reason = format!(
        "computed {} (own error {}, {}), reference {} ± {}, {}",
        significant(estimate.value, 10),
        significant(own, 2),
        estimate.kind.name(),
        reference.value,
        significant(reference.tolerance, 1),
        reference.source
    );
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::estimate::Estimate;

    fn reference(value: f64, tolerance: f64) -> Reference {
        Reference {
            name: "v".to_owned(),
            value,
            tolerance,
            source: "test".to_owned(),
        }
    }

    fn verdict(reference: Reference, estimate: Estimate) -> Verdict {
        let quantities = [Quantity {
            name: "v".to_owned(),
            value: estimate,
        }];
        check_references(&[reference], &quantities)[0].verdict
    }

    #[test]
    fn own_error_widens_the_limit_but_a_vague_result_cannot_pass() {
        let sharp = Estimate::new(1.0005, 1e-6, ErrorKind::Grid);
        assert_eq!(verdict(reference(1.0, 1e-3), sharp), Verdict::Pass);
        assert_eq!(verdict(reference(1.0, 1e-4), sharp), Verdict::Fail);
        let vague = Estimate::new(1.05, 0.1, ErrorKind::Grid);
        assert_eq!(verdict(reference(1.0, 1e-3), vague), Verdict::Inconclusive);
        assert_eq!(
            check_references(&[reference(1.0, 1.0)], &[])[0].verdict,
            Verdict::Skipped
        );
    }
}
