//! What several answers say of one number, and what a policy was measured to cost, held against each other.
//!
//! No policy costs less than the least cost: a value above a measured cost is wrong, and so is one of two values that
//! differ by more than their errors. What an answer says of itself has no part in this.

use crate::comparison::rows::Comparison;
use crate::numeric::estimate::Estimate;
use crate::problem::meant::kind::Kind;
use crate::solvers::driver::Solution;
use crate::solvers::lowered::answer::{LOG_Z_LOWER, LOG_Z_UPPER_ESTIMATE};
use crate::solvers::lowered::problem::Lowered;

/// Rounding of two numbers that are equal, relative to their size.
const ROUNDING: f64 = 1e-9;
/// Methods whose cost is that of their policy, and one that answers another question: the limit without noise.
const OF_POLICY: [&str; 1] = ["action"];
const OTHER: [&str; 1] = ["ddp"];
/// Quantities that are no property of the law.
const OWN: [&str; 4] = ["ess", "upper_bound", LOG_Z_LOWER, LOG_Z_UPPER_ESTIMATE];

/// A number that somebody tells.
#[derive(Clone, Debug)]
struct Told {
    by: String,
    what: &'static str,
    value: f64,
    /// Half-width of the interval that it claims.
    width: f64,
    /// Whether it is the number itself; else it is above the number, as what a policy costs is above the least cost.
    itself: bool,
}

/// How far two numbers are apart beyond what they may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    pub excess: f64,
    pub limit: f64,
    /// Both, in words.
    pub words: String,
}

impl Pair {
    pub fn contradicts(&self) -> bool {
        self.excess > self.limit
    }
}

impl Told {
    /// How far this and another number are apart; `None` of two that are only above.
    fn against(&self, other: &Self) -> Option<Pair> {
        let apart = self.value - other.value;
        let excess = match (self.itself, other.itself) {
            (true, true) => apart.abs(),
            (true, false) => apart,
            (false, true) => -apart,
            (false, false) => return None,
        };
        let size = self.value.abs().max(other.value.abs());
        let limit = self.width.hypot(other.width) + ROUNDING * size;
        let words = format!(
            "{} of `{}` beside {} of `{}`",
            self.what, self.by, other.what, other.by
        );
        limit.is_finite().then_some(Pair {
            excess,
            limit,
            words,
        })
    }
}

/// The pair that is farthest apart beyond its limit.
fn worst(told: &[Told]) -> Option<Pair> {
    let pairs = told.iter().enumerate();
    let pairs = pairs.flat_map(|(i, a)| told[..i].iter().filter_map(|b| a.against(b)));
    farthest(pairs)
}

/// The pair whose excess is the largest multiple of its limit.
fn farthest(pairs: impl Iterator<Item = Pair>) -> Option<Pair> {
    pairs.max_by(|a, b| (a.excess / a.limit).total_cmp(&(b.excess / b.limit)))
}

/// The least cost as a solution tells it.
fn least_cost(solution: &Solution, confidence: f64) -> Option<Told> {
    let cost = solution.answer.cost?;
    (!OTHER.contains(&solution.method)).then(|| Told {
        by: solution.id.clone(),
        what: "V",
        value: cost.value,
        width: confidence * cost.error,
        itself: !OF_POLICY.contains(&solution.method),
    })
}

/// What policies were measured to cost, that of no control among them.
fn measured(comparison: &Comparison, confidence: f64) -> Vec<Told> {
    let told = |by: &str, what, cost: Estimate, bias: f64| Told {
        by: by.to_owned(),
        what,
        value: cost.value,
        width: confidence * cost.error + bias,
        itself: false,
    };
    let rows = comparison.rows.iter().filter_map(|row| {
        let performance = row.performance.as_ref()?;
        Some(told(
            &row.solver,
            "the cost of the policy",
            performance.cost,
            performance.step_bias,
        ))
    });
    let idle = comparison.uncontrolled;
    let idle = idle.map(|cost| told("no control", "the cost", cost, 0.0));
    rows.chain(idle).collect()
}

/// Solvers whose value is above what some policy was measured to cost, or below what their own was.
pub(super) fn doubted(
    solutions: &[Solution],
    comparison: &Comparison,
    confidence: f64,
) -> Vec<String> {
    let attained = measured(comparison, confidence);
    let is_doubted = |solution: &&Solution| {
        let Some(least) = least_cost(solution, confidence).filter(|least| least.itself) else {
            return false;
        };
        attained.iter().any(|cost| {
            let own = Told {
                itself: cost.by == solution.id,
                ..cost.clone()
            };
            least.against(&own).is_some_and(|pair| pair.contradicts())
        })
    };
    solutions
        .iter()
        .filter(is_doubted)
        .map(|solution| solution.id.clone())
        .collect()
}

/// The two numbers of a run that are farthest apart beyond their errors at `confidence`; `None` where each stands alone.
pub fn farthest_apart(
    lowered: &Lowered,
    solutions: &[Solution],
    comparison: &Comparison,
    confidence: f64,
) -> Option<Pair> {
    if lowered.problem.kind() == Kind::Control {
        let values = solutions.iter().filter_map(|s| least_cost(s, confidence));
        let told: Vec<Told> = values.chain(measured(comparison, confidence)).collect();
        return worst(&told);
    }
    // A path that an event stopped is another law than a density that sees none.
    let simulated = lowered.problem.kind() == Kind::Simulate;
    if simulated && !lowered.free().stops.is_empty() {
        return None;
    }
    let all = || {
        let quantities = |s: &'_ Solution| s.answer.quantities.clone();
        solutions
            .iter()
            .flat_map(move |s| quantities(s).into_iter().map(|q| (s.id.clone(), q)))
    };
    let mut names: Vec<String> = all().map(|(_, q)| q.name).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !OWN.contains(&name.as_str()));
    let groups = names.iter().filter_map(|name| {
        let told: Vec<Told> = all()
            .filter(|(_, q)| q.name == *name)
            .map(|(by, q)| Told {
                by,
                what: "the number",
                value: q.value.value,
                width: confidence * q.value.error,
                itself: true,
            })
            .collect();
        let pair = worst(&told)?;
        Some(Pair {
            words: format!("`{name}`: {}", pair.words),
            ..pair
        })
    });
    farthest(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(value: f64, width: f64, itself: bool) -> Told {
        Told {
            by: "a".to_owned(),
            what: "V",
            value,
            width,
            itself,
        }
    }

    #[test]
    fn a_value_above_a_measured_cost_contradicts_it_and_one_below_does_not() {
        let cost = told(1.0, 0.1, false);
        let judged = |value: f64| {
            let pair = told(value, 0.0, true)
                .against(&cost)
                .expect("a value and a cost");
            pair.contradicts()
        };
        assert!(judged(1.2) && !judged(1.05) && !judged(0.5));
        assert!(
            cost.against(&cost).is_none(),
            "two costs say nothing of each other"
        );
    }

    #[test]
    fn values_differ_on_both_sides_and_the_worst_pair_is_shown() {
        let all = [
            told(1.0, 0.01, true),
            told(1.02, 0.1, true),
            told(0.9, 0.01, true),
        ];
        let pair = worst(&all).expect("pairs");
        assert!(
            pair.contradicts() && (pair.excess - 0.1).abs() < 1e-12,
            "{pair:?}"
        );
        assert!(worst(&all[..1]).is_none());
        let unknown = [told(1.0, f64::INFINITY, true), told(5.0, 0.1, true)];
        assert!(
            worst(&unknown).is_none(),
            "an infinite error contradicts nothing"
        );
    }
}
