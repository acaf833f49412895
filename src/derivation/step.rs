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

impl Step {
    /// A step that states nothing yet.
    pub fn new(
        name: &'static str,
        rule: &'static str,
        source: &'static str,
        executes: &'static str,
        evidence: Evidence,
    ) -> Self {
        Self {
            number: 0,
            name,
            rule,
            executes,
            statement: Vec::new(),
            assumptions: Vec::new(),
            source,
            equation: None,
            evidence,
        }
    }

    /// The name by which a reader asks for the step: `hjb`, `policy`, `hopf-cole`, ...
    pub fn key(&self) -> &'static str {
        match self.rule_name() {
            "dynamic-programming" => "hjb",
            "stationary-in-u" => "policy",
            "fokker-planck" => "fpk",
            "integrate by parts" => "implicit",
            "condition on X_0" => "denoising",
            other => other,
        }
    }

    /// Adds a line.
    pub fn line(mut self, text: impl Into<String>, latex: impl Into<String>) -> Self {
        self.statement.push(Formula::new(text, latex));
        self
    }

    /// Adds lines.
    pub fn lines(mut self, formulas: impl IntoIterator<Item = Formula>) -> Self {
        self.statement.extend(formulas);
        self
    }

    pub fn assuming(mut self, assumptions: &[Assumption]) -> Self {
        self.assumptions.extend_from_slice(assumptions);
        self
    }

    /// The equation the step produces, with what it assumes.
    pub fn about(mut self, equation: Equation) -> Self {
        self.assumptions.extend_from_slice(&equation.assumes);
        self.equation = Some(equation);
        self
    }
}

impl Step {
    /// The rule without its condition: `hopf-cole` of `hopf-cole; B R^-1 B' = D`.
    pub fn rule_name(&self) -> &'static str {
        self.rule.split(';').next().unwrap_or(self.rule)
    }
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
