//! Functionals as atoms: an expectation or a path integral is one symbol of the graph with an entry here.

use crate::derivation::claim::ground::Law;
use crate::expr::{Expr, Graph, Node};
use std::collections::HashMap;

/// Where a stochastic integral evaluates its integrand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reading {
    /// `ito`: before the step.
    Before,
    /// `stratonovich`: the mean of both ends.
    Middle,
    /// `anti_ito`: after the step.
    After,
}

/// What a stochastic integral runs against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Increment {
    /// `dX`, increments of the state in the direction of the process.
    State,
    /// `dW`, the noise of the law.
    Noise,
}

/// A functional.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `E[ body(X_t, t) ]`, a function of time.
    Mean { law: Law, body: Expr },
    /// `E[ body ]` of functionals of the path.
    PathMean { law: Law, body: Expr },
    /// `body` where the path starts.
    Start(Expr),
    /// `body` where the path ends.
    End(Expr),
    /// `int body(X_t, t) dt` along the path.
    Integral(Expr),
    /// `int body(t) dt` of a function of time.
    TimeIntegral(Expr),
    /// `int a . dX` or `int a . dW`.
    Stochastic {
        reading: Reading,
        integrand: Vec<Expr>,
        against: Increment,
    },
    /// The derivative of `body` by `parameter` at zero.
    Variation { body: Expr, parameter: Expr },
    /// `KL(of || from)` of path laws.
    Divergence { of: Law, from: Law },
}

impl Form {
    /// Whether it is a functional of one path.
    pub fn is_path(&self) -> bool {
        matches!(
            self,
            Self::Start(_) | Self::End(_) | Self::Integral(_) | Self::Stochastic { .. }
        )
    }
}

impl Form {
    /// The expressions it integrates, and the controls of its laws.
    fn integrands(&self) -> Vec<Expr> {
        let control = |law: &Law| match law {
            Law::Controlled(v) => v.clone(),
            Law::Forward | Law::Reverse => Vec::new(),
        };
        match self {
            Self::Mean { law, body } | Self::PathMean { law, body } => {
                let mut all = control(law);
                all.push(*body);
                all
            }
            Self::Start(e)
            | Self::End(e)
            | Self::Integral(e)
            | Self::TimeIntegral(e)
            | Self::Variation { body: e, .. } => vec![*e],
            Self::Stochastic { integrand, .. } => integrand.clone(),
            Self::Divergence { of, from } => [control(of), control(from)].concat(),
        }
    }
}

/// The functionals of a claim, each interned once.
#[derive(Clone, Debug, Default)]
pub struct Forms {
    forms: Vec<Form>,
    handles: HashMap<Form, Expr>,
}

impl Forms {
    /// The atom of a functional. Names start with `#`, which no source can spell.
    pub fn atom(&mut self, graph: &mut Graph, time: Expr, form: Form) -> Expr {
        if let Some(e) = self.handles.get(&form) {
            return *e;
        }
        let name = format!("#{}", self.forms.len());
        let e = match form {
            Form::Mean { .. } => graph.unknown(&name, &[time]),
            _ => graph.symbol(&name),
        };
        self.forms.push(form.clone());
        self.handles.insert(form, e);
        e
    }

    /// The functional behind an atom, and how often it is differentiated by time.
    pub fn form(&self, graph: &Graph, e: Expr) -> Option<(&Form, u32)> {
        let (name, order) = match graph.node(e) {
            Node::Symbol(name) => (name, 0),
            Node::Unknown(name, _, orders) => (name, *orders.first()?),
            _ => return None,
        };
        let index: usize = name.strip_prefix('#')?.parse().ok()?;
        Some((self.forms.get(index)?, order))
    }

    /// The atoms below `e`.
    pub fn atoms(&self, graph: &Graph, e: Expr) -> Vec<Expr> {
        let mut found = graph.reachable(&[e]);
        found.retain(|n| self.form(graph, *n).is_some());
        found
    }

    /// Every expression of state and time below `e`, inside functionals of functionals too.
    pub fn integrands(&self, graph: &Graph, e: Expr) -> Vec<Expr> {
        let mut found = vec![e];
        let mut next = 0;
        while let Some(e) = found.get(next).copied() {
            next += 1;
            for atom in self.atoms(graph, e) {
                let Some((form, _)) = self.form(graph, atom) else {
                    continue;
                };
                for e in form.integrands() {
                    if !found.contains(&e) {
                        found.push(e);
                    }
                }
            }
        }
        found
    }

    /// The functionals of a path below `e`, and integrals over time of what is no expectation: along a path
    /// they are like any other integral.
    pub fn path_terms(&self, graph: &Graph, e: Expr) -> Vec<Expr> {
        let mut found = self.atoms(graph, e);
        found.retain(|n| match self.form(graph, *n) {
            Some((Form::TimeIntegral(body), _)) => self.atoms(graph, *body).is_empty(),
            Some((form, _)) => form.is_path(),
            None => false,
        });
        found
    }

    /// The functionals of a path below `e`.
    pub fn path_atoms(&self, graph: &Graph, e: Expr) -> Vec<Expr> {
        let mut found = self.atoms(graph, e);
        found.retain(|n| self.form(graph, *n).is_some_and(|(form, _)| form.is_path()));
        found
    }
}
