//! Equations, the steps that produce them, and the whole derivation.

use crate::derivation::assumption::Assumption;
use crate::derivation::evidence::Evidence;
use crate::derivation::structure::Finding;
use crate::expr::{Expr, Graph};

/// An equation for an unknown function: `residual = 0` with `closes_with = 0` at its ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Equation {
    /// The name under which checks refer to it.
    pub id: &'static str,
    /// The unknown function, without derivatives.
    pub unknown: Expr,
    /// Zero for the solution. Time is noising time; reverse time runs against it.
    pub residual: Expr,
    /// Initial or end conditions, each zero for the solution.
    pub closes_with: Vec<Expr>,
    pub assumes: Vec<Assumption>,
    pub source: &'static str,
}

/// One displayed line, for a terminal and for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula {
    pub text: String,
    /// LaTeX mathematics without delimiters.
    pub latex: String,
}

impl Formula {
    pub fn new(text: impl Into<String>, latex: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            latex: latex.into(),
        }
    }
}

/// A named step of a derivation and what became of executing it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// From 1; 0 until the step is part of a derivation.
    pub number: usize,
    pub name: &'static str,
    /// The rule applied, such as `hopf-cole`.
    pub rule: &'static str,
    /// What is executed to make sure of it, in words.
    pub executes: &'static str,
    pub statement: Vec<Formula>,
    pub assumptions: Vec<Assumption>,
    pub source: &'static str,
    pub equation: Option<Equation>,
    pub evidence: Evidence,
}

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
    pub structure: Vec<Finding>,
    /// `None` when no random point gave finite values.
    pub cross_check: Option<CrossCheck>,
}

impl Derivation {
    /// The equation with this id.
    pub fn equation(&self, id: &str) -> Option<&Equation> {
        self.steps
            .iter()
            .filter_map(|step| step.equation.as_ref())
            .find(|equation| equation.id == id)
    }

    /// The step with this name or rule.
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps
            .iter()
            .find(|step| step.name == name || step.rule == name)
    }
}
