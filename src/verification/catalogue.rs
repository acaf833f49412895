//! Every check of this version, and what the derivation proves of it before anything is measured.
//!
//! A proof is about the optimum: the difference of the two sides is zero in normal form, under the stated
//! assumptions. Whether a solver came near the optimum, and whether the numbers behind both sides are
//! right, is measured all the same, so a proof has a row of its own and no measurement becomes `proved`.

use crate::derivation::{Derivation, Evidence, Step};
use crate::problem::format::card::CheckCard;
use crate::problem::meant::kind::{BRIDGE, CONTROL, Kind, PATH, SIMULATE};
use crate::problem::meant::model::CheckSpec;
use crate::verification::agreement::AGREEMENT;
use crate::verification::bench::Bench;
use crate::verification::densities::{FIRST_PASSAGE, FPK_RESIDUAL, MASS, STATIONARY_FLUX};
use crate::verification::derivatives::DERIVATIVES;
use crate::verification::equations::{HJB_RESIDUAL, HOPF_COLE, RICCATI_RESIDUAL};
use crate::verification::identity::{
    Check, CheckResult, DERIVATION, Identity, Measure, card, skipped,
};
use crate::verification::laws::{LIKELIHOOD, NOISE_INVARIANCE, PATH_DIVERGENCE};
use crate::verification::losses::{
    ENTROPY_BALANCE, EXPLICIT_DENOISING, EXPLICIT_IMPLICIT, SCORE_IDENTITY,
};
use crate::verification::normaliser::{EVIDENCE_BRACKET, EXACT_DRAWS, LOG_Z, QUANTILES};
use crate::verification::optimality::{GAP, PATHWISE, STATIONARITY, VERIFICATION};
use crate::verification::orders::{CONVERSION, GRID_ORDER, STRONG_ORDER};
use crate::verification::policies::{ESS, FEYNMAN_KAC, GIRSANOV, POLICY_COST, ZERO_VARIANCE};
use crate::verification::tables::{HOLDOUT_LIKELIHOOD, MEMORISATION};
use crate::verification::verdict::Verdict;

/// The checks, in the order in which they are listed.
pub static CHECKS: &[&Check] = &[
    &DERIVATIVES,
    &HJB_RESIDUAL,
    &HOPF_COLE,
    &VERIFICATION,
    &GAP,
    &PATHWISE,
    &EXPLICIT_IMPLICIT,
    &EXPLICIT_DENOISING,
    &STATIONARITY,
    &PATH_DIVERGENCE,
    &NOISE_INVARIANCE,
    &LIKELIHOOD,
    &ENTROPY_BALANCE,
    &SCORE_IDENTITY,
    &GRID_ORDER,
    &MEMORISATION,
    &HOLDOUT_LIKELIHOOD,
    &RICCATI_RESIDUAL,
    &POLICY_COST,
    &AGREEMENT,
    &FEYNMAN_KAC,
    &ZERO_VARIANCE,
    &GIRSANOV,
    &ESS,
    &LOG_Z,
    &EVIDENCE_BRACKET,
    &EXACT_DRAWS,
    &QUANTILES,
    &MASS,
    &FPK_RESIDUAL,
    &STATIONARY_FLUX,
    &CONVERSION,
    &STRONG_ORDER,
    &FIRST_PASSAGE,
];

/// Names that files may use and nothing executes yet.
static RESERVED: &[CheckCard] = &[
    reserved("duality-gap", CONTROL),
    reserved("marginals", BRIDGE),
    reserved("schroedinger-system", BRIDGE),
    reserved("static-dynamic", BRIDGE),
    reserved("forward-backward", BRIDGE),
    reserved("euler-lagrange", PATH),
    reserved("hamiltonian", PATH),
    reserved("action-quadrature", PATH),
    reserved("quasipotential", PATH),
    reserved("time-reversal", PATH),
    reserved("weak-order", SIMULATE),
];

const fn reserved(name: &'static str, later: &'static [Kind]) -> CheckCard {
    CheckCard {
        later,
        ..card(name, &[])
    }
}

/// The names that files may use.
pub fn cards() -> Vec<&'static CheckCard> {
    let checks = CHECKS.iter().map(|check| &check.card);
    checks.chain(RESERVED).collect()
}

/// The check of a name.
pub fn find(checks: &[&'static Check], name: &str) -> Option<&'static Check> {
    let mut checks = checks.iter().copied();
    checks.find(|check| check.card.page.name == name)
}

/// What a check measures here: the first of its identities that is about this problem.
pub(super) fn identity(check: &'static Check, bench: &Bench<'_>) -> Option<&'static Identity> {
    let mut identities = check.identities.iter();
    identities.find(|i| bench.has_claims() || !matches!(i.measure, Measure::Claim { .. }))
}

/// Puts the proof of each identity, where there is one, in front of its first measurement. Checks that the
/// file points at certain solvers stay as they are.
pub(super) fn with_proofs(
    measured: Vec<CheckResult>,
    bench: &Bench<'_>,
    checks: &[&'static Check],
    asked: &[CheckSpec],
) -> Vec<CheckResult> {
    let mut told: Vec<&str> = Vec::new();
    let mut results = Vec::with_capacity(measured.len());
    for result in measured {
        let spec = asked
            .iter()
            .find(|spec| spec.id == result.id && spec.on.is_empty());
        if let Some(spec) = spec
            && !told.contains(&spec.check.as_str())
        {
            told.push(&spec.check);
            let identity = find(checks, &spec.check).and_then(|check| identity(check, bench));
            results.extend(identity.and_then(|claim| proof(claim, bench.derivation, spec)));
        }
        results.push(result);
    }
    results
}

/// The proof of an identity; `None` unless every step it needs is proved in this derivation.
fn proof(claim: &Identity, derivation: &Derivation, spec: &CheckSpec) -> Option<CheckResult> {
    let Measure::Claim { proved_by, .. } = claim.measure else {
        return None;
    };
    let steps: Vec<&Step> = proved_by
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
        equation: claim.equation,
        source: claim.source,
        proof: steps.iter().map(|step| step.number).collect(),
        ..skipped(spec, DERIVATION, "")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Comparison;
    use crate::derivation::derive;
    use crate::numeric::random::Streams;
    use crate::problem::parse_text;
    use crate::solvers::lowered::problem::Lowered;
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

    /// Rows with the proofs that a derivation gives.
    fn proved(
        rows: Vec<CheckResult>,
        derivation: &Derivation,
        asked: &[CheckSpec],
    ) -> Vec<CheckResult> {
        let problem = parse_text("line.toml", LINE, Path::new("."), &[], &standard())
            .expect("valid")
            .problem;
        let lowered = Lowered::new(problem).expect("a mixture");
        let comparison = Comparison::default();
        let bench = Bench::new(&lowered, derivation, &[], &comparison, &Streams::new(1));
        with_proofs(rows, &bench, CHECKS, asked)
    }

    fn rules(name: &str) -> &'static [&'static str] {
        match find(CHECKS, name).expect("a check").identities[0].measure {
            Measure::Claim { proved_by, .. } => proved_by,
            _ => &[],
        }
    }

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
        let after = proved(before.clone(), &derivation, &problem.checks);
        let (proofs, rest): (Vec<CheckResult>, Vec<CheckResult>) = after
            .iter()
            .cloned()
            .partition(|row| row.verdict == Verdict::Proved);
        assert_eq!(rest, before, "no measurement is touched");
        let names: Vec<&str> = proofs.iter().map(|row| row.check.as_str()).collect();
        let expected: Vec<&str> = problem
            .checks
            .iter()
            .map(|spec| spec.check.as_str())
            .filter(|name| !rules(name).is_empty())
            .collect();
        assert_eq!(names, expected, "every step of this problem is proved");
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
        let after = proved(measured(&checks), &derivation, &checks);
        let is_proved = |name: &str| {
            after
                .iter()
                .any(|row| row.check == name && row.verdict == Verdict::Proved)
        };
        assert!(!is_proved("path-kl") && !is_proved("gap") && is_proved("stationarity"));
    }

    /// Names of rules are words in two rooms; they must agree.
    #[test]
    fn every_rule_named_as_a_proof_is_a_step() {
        let problem = parse_text("line.toml", LINE, Path::new("."), &[], &standard())
            .expect("valid")
            .problem;
        let derivation = derive(&problem).expect("true steps");
        for check in CHECKS {
            for rule in rules(check.card.page.name) {
                assert!(derivation.step(rule).is_some(), "{rule}");
            }
        }
    }
}
