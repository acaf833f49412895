//! The whole derivation of a problem.

use crate::derivation::ground::as_typed::CrossCheck;
use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::Evidence;
use crate::derivation::ground::step::{Equation, Step};
use crate::derivation::structure::Finding;
use crate::expr::Graph;

/// A derivation: its steps, and the graph every expression in them lives in.
#[derive(Clone, Debug)]
pub struct Derivation {
    pub graph: Graph,
    pub steps: Vec<Step>,
    /// What follows besides, shown when asked for by name.
    pub side_results: Vec<Step>,
    pub structure: Vec<Finding>,
    /// `None` when no random point gave finite values.
    pub cross_check: Option<CrossCheck>,
    /// What was not derived, and why.
    pub notes: Vec<String>,
}

/// A derivation on its way.
#[derive(Default)]
pub(super) struct Outline {
    pub(super) steps: Vec<Step>,
    pub(super) side_results: Vec<Step>,
    pub(super) notes: Vec<String>,
}

impl Outline {
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Numbers the steps, side results after the others.
    pub(super) fn finished(
        mut self,
        graph: Graph,
        structure: Vec<Finding>,
        cross_check: Option<CrossCheck>,
    ) -> Derivation {
        let all = self.steps.iter_mut().chain(&mut self.side_results);
        for (i, step) in all.enumerate() {
            step.number = i + 1;
        }
        Derivation {
            graph,
            steps: self.steps,
            side_results: self.side_results,
            structure,
            cross_check,
            notes: self.notes,
        }
    }
}

impl Derivation {
    /// Of a problem whose coefficient at `place` is not smooth in `part`: what assumes smooth coefficients holds beside it
    /// and is proved nowhere.
    pub(super) fn beside(mut self, place: &str, part: &str) -> Self {
        for step in self.steps.iter_mut().chain(&mut self.side_results) {
            if step.assumptions.contains(&Assumption::SmoothCoefficients) {
                step.evidence = Evidence::Stated;
            }
        }
        self.notes.push(format!(
            "`{part}` in `{place}` jumps or has a corner: steps that need smooth coefficients hold beside it only"
        ));
        self
    }

    /// All steps, side results last.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(&self.side_results)
    }

    /// The equation with this id.
    pub fn equation(&self, id: &str) -> Option<&Equation> {
        self.all_steps()
            .filter_map(|step| step.equation.as_ref())
            .find(|equation| equation.id == id)
    }

    /// The step with this name or rule.
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.all_steps()
            .find(|step| step.name == name || step.rule_name() == name)
    }
}
