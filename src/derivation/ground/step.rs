//! Equations, and the steps that produce them.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::Evidence;
use crate::expr::Expr;

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
