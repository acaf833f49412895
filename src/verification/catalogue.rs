//! Every identity of this version, how a check of one runs, and the probe after a failure.

use crate::numeric::digits::significant;
use crate::problem::meant::model::CheckSpec;
use crate::verification::derivatives::Derivatives;
use crate::verification::equations::{HjbResidual, HopfCole};
use crate::verification::identity::{
    CheckResult, Finding, Identity, NotApplicable, ProbeLine, Settings,
};
use crate::verification::laws::{Likelihood, NoiseInvariance, PathDivergence};
use crate::verification::losses::{
    EntropyBalance, ExplicitDenoising, ExplicitImplicit, ScoreIdentity,
};
use crate::verification::optimality::{Gap, Pathwise, Stationarity, Verification};
use crate::verification::subject::{Claims, Subject};
use crate::verification::tables::{HoldoutLikelihood, Memorisation};
use crate::verification::verdict::{Residual, Verdict};

/// The identities, in the order reports list them.
pub fn catalogue() -> [&'static dyn Identity; 16] {
    [
        &Derivatives,
        &HjbResidual,
        &HopfCole,
        &Verification,
        &Gap,
        &Pathwise,
        &ExplicitImplicit,
        &ExplicitDenoising,
        &Stationarity,
        &PathDivergence,
        &NoiseInvariance,
        &Likelihood,
        &EntropyBalance,
        &ScoreIdentity,
        &Memorisation,
        &HoldoutLikelihood,
    ]
}

/// The identity of a name.
pub fn identity(name: &str) -> Option<&'static dyn Identity> {
    catalogue()
        .into_iter()
        .find(|identity| identity.id() == name)
}

/// A slip of a derivation: what it is called and the change of constants that would undo it.
pub struct Slip {
    pub name: &'static str,
    pub correct: fn(&mut Claims),
}

/// The usual slips, tried one at a time after a failure.
pub const SLIPS: [Slip; 13] = [
    Slip {
        name: "the score is half of what it should be",
        correct: |c| c.score *= 2.0,
    },
    Slip {
        name: "the score is twice what it should be",
        correct: |c| c.score *= 0.5,
    },
    Slip {
        name: "the score has the wrong sign",
        correct: |c| c.score = -c.score,
    },
    Slip {
        name: "the price of control misses its factor 1/2",
        correct: |c| c.effort *= 0.5,
    },
    Slip {
        name: "the price of control has one factor 1/2 too many",
        correct: |c| c.effort *= 2.0,
    },
    Slip {
        name: "the divergence of the drift is missing from the running cost",
        correct: |c| c.divergence += 1.0,
    },
    Slip {
        name: "the divergence of the drift has the wrong sign",
        correct: |c| c.divergence = -c.divergence,
    },
    Slip {
        name: "the divergence of the drift misses a factor 2",
        correct: |c| c.divergence *= 2.0,
    },
    Slip {
        name: "the diffusion term misses its factor 1/2",
        correct: |c| c.diffusion *= 0.5,
    },
    Slip {
        name: "the diffusion term has one factor 1/2 too many",
        correct: |c| c.diffusion *= 2.0,
    },
    Slip {
        name: "the divergence of the score is missing",
        correct: |c| c.score_divergence += 1.0,
    },
    Slip {
        name: "the divergence of the score has the wrong sign",
        correct: |c| c.score_divergence = -c.score_divergence,
    },
    Slip {
        name: "the divergence of the score is half of what it should be",
        correct: |c| c.score_divergence *= 2.0,
    },
];

/// Runs one identity on one subject and judges it; a failure is probed for the usual slips.
pub fn check(
    identity: &dyn Identity,
    subject: &Subject<'_>,
    spec: &CheckSpec,
    settings: &Settings,
) -> CheckResult {
    let mut result = CheckResult {
        id: spec.id.clone(),
        check: identity.id().to_owned(),
        on: subject.name.to_owned(),
        residual: None,
        confidence: settings.confidence,
        verdict: Verdict::Skipped,
        reason: String::new(),
        false_alarm: None,
        probe: Vec::new(),
        severity: spec.severity,
        equation: identity.equation(),
        source: identity.source(),
        proof: Vec::new(),
    };
    match identity.residual(subject, settings) {
        Err(reason) => result.reason = reason.to_string(),
        Ok(finding) => {
            judge(&mut result, &finding, settings);
            if result.verdict == Verdict::Fail {
                result.probe = probe(identity, subject, settings);
                let cause = result.likely_causes().next();
                if let Some(cause) = cause {
                    result.reason = format!("{}; likely: {cause}", result.reason);
                }
            }
        }
    }
    result
}

/// Fills in the verdict of a finding.
fn judge(result: &mut CheckResult, finding: &Finding, settings: &Settings) {
    let residual = finding.residual;
    result.residual = Some(residual);
    result.verdict = residual.verdict(settings.confidence);
    result.false_alarm = residual.false_alarm(settings.confidence);
    result.reason = match result.verdict {
        Verdict::Inconclusive => format!("{}; {}", finding.note, wanting(&residual, settings)),
        _ => finding.note.clone(),
    };
}

/// What would decide an inconclusive residual.
fn wanting(residual: &Residual, settings: &Settings) -> String {
    let bar = significant(residual.error_bar(settings.confidence), 2);
    let limit = significant(residual.limit, 2);
    match residual.samples_needed(settings.confidence) {
        Some(factor) if factor > 1.0 => format!(
            "error bar {bar} against tolerance {limit}: needs about {} times more samples (now {})",
            significant(factor, 2),
            residual.samples
        ),
        _ => format!(
            "error bar {bar} (systematic part {}) against tolerance {limit}: needs a finer resolution",
            significant(residual.bias, 2)
        ),
    }
}

/// Re-evaluates a failed identity with each slip undone. Never changes a result.
fn probe(identity: &dyn Identity, subject: &Subject<'_>, settings: &Settings) -> Vec<ProbeLine> {
    let mut lines = Vec::new();
    for slip in &SLIPS {
        let mut corrected = *subject;
        (slip.correct)(&mut corrected.claims);
        if corrected.claims == subject.claims {
            continue;
        }
        let finding: Result<Finding, NotApplicable> = identity.residual(&corrected, settings);
        if let Ok(finding) = finding {
            lines.push(ProbeLine {
                slip: slip.name,
                measured: finding.residual.measured,
                verdict: finding.residual.verdict(settings.confidence),
            });
        }
    }
    lines
}
