//! Equations, and the steps that produce them.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::Evidence;
use crate::derivation::ground::typeset::{plain, typeset};
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

impl Equation {
    /// An equation that holds without conditions at its ends and assumes nothing.
    pub fn new(id: &'static str, unknown: Expr, residual: Expr, source: &'static str) -> Self {
        Self {
            id,
            unknown,
            residual,
            closes_with: Vec::new(),
            assumes: Vec::new(),
            source,
        }
    }

    pub fn closing(mut self, condition: Expr) -> Self {
        self.closes_with.push(condition);
        self
    }

    pub fn assuming(mut self, assumptions: &[Assumption]) -> Self {
        self.assumes.extend_from_slice(assumptions);
        self
    }
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

    /// A template in the text notation of formulas, with parts in the places of its `{}`; the LaTeX is typeset
    /// from it.
    pub fn of(template: &str, parts: &[&Self]) -> Self {
        let (text, latex): (Vec<_>, Vec<_>) = parts
            .iter()
            .map(|part| (part.text.as_str(), part.latex.as_str()))
            .unzip();
        Self::new(plain(template, &text), typeset(template, &latex))
    }
}

impl From<String> for Formula {
    fn from(text: String) -> Self {
        Self::of(&text, &[])
    }
}

impl From<&str> for Formula {
    fn from(text: &str) -> Self {
        Self::of(text, &[])
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
    /// A step that states nothing yet and has not been executed.
    pub fn new(name: &'static str, rule: &'static str, source: &'static str) -> Self {
        Self {
            number: 0,
            name,
            rule,
            executes: "",
            statement: Vec::new(),
            assumptions: Vec::new(),
            source,
            equation: None,
            evidence: Evidence::Stated,
        }
    }

    /// What was executed, and what came of it.
    pub fn executed(mut self, executes: &'static str, evidence: Evidence) -> Self {
        self.executes = executes;
        self.evidence = evidence;
        self
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

    /// The rule without its condition: `hopf-cole` of `hopf-cole; B R^-1 B' = D`.
    pub fn rule_name(&self) -> &'static str {
        self.rule.split(';').next().unwrap_or(self.rule)
    }

    /// Adds a line.
    pub fn line(mut self, formula: impl Into<Formula>) -> Self {
        self.statement.push(formula.into());
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

    /// The equation the step produces; what the step assumes covers it.
    pub fn producing(mut self, equation: Equation) -> Self {
        self.equation = Some(equation);
        self
    }

    /// The equation the step produces, with what it assumes.
    pub fn about(mut self, equation: Equation) -> Self {
        self.assumptions.extend_from_slice(&equation.assumes);
        self.equation = Some(equation);
        self
    }
}
