//! The whole derivation of a problem.

use crate::derivation::ground::step::{Equation, Step};
use crate::derivation::structure::Finding;
use crate::expr::Graph;

/// Derived coefficients compared with the user's expressions, differentiated another way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossCheck {
    pub points: usize,
    pub largest_relative_difference: f64,
}

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

impl Derivation {
    /// Numbers the steps, side results after the others.
    pub fn numbered(
        graph: Graph,
        mut steps: Vec<Step>,
        mut side_results: Vec<Step>,
        structure: Vec<Finding>,
        cross_check: Option<CrossCheck>,
        notes: Vec<String>,
    ) -> Self {
        let all = steps.iter_mut().chain(&mut side_results);
        for (i, step) in all.enumerate() {
            step.number = i + 1;
        }
        Self {
            graph,
            steps,
            side_results,
            structure,
            cross_check,
            notes,
        }
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
