//! Identities that the derivation proves for the problem at hand, before anything is measured.
//!
//! A proof is about the optimum: the difference of the two sides is zero in normal form, under the stated
//! assumptions. Whether a solver came near the optimum, and whether the numbers behind both sides are
//! right, is measured all the same, so a proof has a row of its own and no measurement becomes `proved`.

use crate::derivation::{Derivation, Evidence, Step};
use crate::problem::meant::model::CheckSpec;
use crate::verification::catalogue::identity;
use crate::verification::identity::{CheckResult, DERIVATION, Identity, skipped};
use crate::verification::verdict::Verdict;

/// Puts the proof of each identity, where there is one, in front of its first measurement. Checks that the
/// file points at certain solvers stay as they are.
pub fn with_proofs(
    measured: Vec<CheckResult>,
    derivation: &Derivation,
    checks: &[CheckSpec],
) -> Vec<CheckResult> {
    let mut told: Vec<&str> = Vec::new();
    let mut results = Vec::with_capacity(measured.len());
    for result in measured {
        let spec = checks
            .iter()
            .find(|spec| spec.id == result.id && spec.on.is_empty());
        if let Some(spec) = spec
            && !told.contains(&spec.check.as_str())
        {
            told.push(&spec.check);
            results.extend(identity(&spec.check).and_then(|claim| proof(claim, derivation, spec)));
        }
        results.push(result);
    }
    results
}

/// The proof of an identity; `None` unless every step it needs is proved in this derivation.
fn proof(claim: &dyn Identity, derivation: &Derivation, spec: &CheckSpec) -> Option<CheckResult> {
    let steps: Vec<&Step> = claim
        .proved_by()
        .iter()
        .map(|rule| derivation.step(rule))
        .collect::<Option<_>>()?;
    if steps.is_empty() || steps.iter().any(|step| step.evidence != Evidence::Proved) {
        return None;
    }
    let mut assumptions: Vec<&str> = Vec::new();
    for assumption in steps.iter().flat_map(|step| &step.assumptions) {
        if !assumptions.contains(&assumption.sentence()) {
            assumptions.push(assumption.sentence());
        }
    }
    let parts: Vec<String> = steps
        .iter()
        .map(|step| format!("step [{}] {}: {}", step.number, step.name, step.executes))
        .collect();
    let mut reason = parts.join("; ");
    if !assumptions.is_empty() {
        reason.push_str(&format!(". Assumes: {}", assumptions.join("; ")));
    }
    Some(CheckResult {
        verdict: Verdict::Proved,
        reason,
        equation: claim.equation(),
        source: claim.source(),
        proof: steps.iter().map(|step| step.number).collect(),
        ..skipped(spec, DERIVATION, "")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derivation::derive;
    use crate::problem::parse_text;
    use crate::verification::catalogue::catalogue;
    use crate::verification::vocabulary::standard;
    use std::path::Path;

    const LINE: &str = r#"
format = 1
[problem]
name = "line"
kind = "reverse"
[data]
family = "gaussian"
mean = 0.0
cov = 0.5
[dynamics]
preset = "ou"
rate = 1.0
sigma = 1.0
"#;

    fn measured(checks: &[CheckSpec]) -> Vec<CheckResult> {
        let rows = |spec| ["exact", "other"].map(|on| skipped(spec, on, ""));
        checks.iter().flat_map(rows).collect()
    }

    #[test]
    fn each_proved_identity_has_one_row_before_its_measurements() {
        let problem = parse_text("line.toml", LINE, Path::new("."), &[], &standard())
            .expect("valid")
            .problem;
        let derivation = derive(&problem).expect("true steps");
        let before = measured(&problem.checks);
        let after = with_proofs(before.clone(), &derivation, &problem.checks);
        let (proofs, rest): (Vec<CheckResult>, Vec<CheckResult>) = after
            .iter()
            .cloned()
            .partition(|row| row.verdict == Verdict::Proved);
        assert_eq!(rest, before, "no measurement is touched");
        let proved: Vec<&str> = proofs.iter().map(|row| row.check.as_str()).collect();
        let expected: Vec<&str> = problem
            .checks
            .iter()
            .filter_map(|spec| identity(&spec.check))
            .filter(|claim| !claim.proved_by().is_empty())
            .map(|claim| claim.id())
            .collect();
        assert_eq!(proved, expected, "every step of this problem is proved");
        assert!(
            proofs
                .iter()
                .all(|row| row.on == DERIVATION && row.residual.is_none())
        );
        let gap = after
            .iter()
            .position(|row| row.check == "gap")
            .expect("a row");
        assert_eq!(
            (after[gap].on.as_str(), after[gap + 1].on.as_str()),
            (DERIVATION, "exact")
        );
        assert!(after[gap].proof_text().starts_with("step ["));
    }

    #[test]
    fn what_is_only_tested_or_pointed_at_a_solver_is_not_proved() {
        let problem = parse_text("line.toml", LINE, Path::new("."), &[], &standard())
            .expect("valid")
            .problem;
        let mut derivation = derive(&problem).expect("true steps");
        for step in &mut derivation.steps {
            if step.rule == "girsanov" {
                step.evidence = Evidence::Tested {
                    points: 8,
                    largest_relative_difference: 1e-15,
                };
            }
        }
        let mut checks = problem.checks.clone();
        for spec in &mut checks {
            if spec.check == "gap" {
                spec.on = vec!["exact".to_owned()];
            }
        }
        let after = with_proofs(measured(&checks), &derivation, &checks);
        let proved = |name: &str| {
            after
                .iter()
                .any(|row| row.check == name && row.verdict == Verdict::Proved)
        };
        assert!(!proved("path-kl") && !proved("gap") && proved("stationarity"));
    }

    /// Names of rules are words in two rooms; they must agree.
    #[test]
    fn every_rule_named_as_a_proof_is_a_step() {
        let problem = parse_text("line.toml", LINE, Path::new("."), &[], &standard())
            .expect("valid")
            .problem;
        let derivation = derive(&problem).expect("true steps");
        for claim in catalogue() {
            for rule in claim.proved_by() {
                assert!(derivation.step(rule).is_some(), "{rule}");
            }
        }
    }
}
