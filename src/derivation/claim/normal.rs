//! Normal forms of pointwise expressions, and of expectations of them.

use crate::derivation::claim::form::{Form, Forms};
use crate::derivation::claim::ground::{Ground, Law, orders_of};
use crate::derivation::claim::rule::Rule;
use crate::expr::arithmetic::{dot, partial, sum};
use crate::expr::{Expr, Graph, Node, Rational};
use std::collections::{BTreeMap, BTreeSet};

/// `sum coefficient * product of powers of atoms`, by the powers.
pub(super) type Monomials = BTreeMap<Vec<(Expr, u32)>, Expr>;

/// A proof under way: the process, its functionals, the rules used so far.
pub(super) struct Workbench<'a> {
    pub(super) ground: &'a mut Ground,
    pub(super) forms: &'a mut Forms,
    pub(super) rules: BTreeSet<Rule>,
}

/// `e` as a polynomial in `atoms`; `None` if it is not one.
pub(super) fn monomials(graph: &mut Graph, e: Expr, atoms: &[Expr]) -> Option<Monomials> {
    let mut found: BTreeMap<Vec<(Expr, u32)>, Vec<Expr>> = BTreeMap::new();
    let expanded = graph.expand(e);
    let (constant, terms) = match graph.node(expanded) {
        Node::Sum(constant, terms) => (constant.clone(), terms.clone()),
        _ => (Rational::zero(), vec![(expanded, Rational::one())]),
    };
    if !constant.is_zero() {
        let constant = graph.exact(constant);
        found.entry(Vec::new()).or_default().push(constant);
    }
    for (term, scale) in terms {
        let (scale, factors) = match graph.node(term) {
            Node::Product(coefficient, factors) => (&scale * coefficient, factors.clone()),
            _ => {
                let one = graph.one();
                (scale, vec![(term, one)])
            }
        };
        let (mut powers, mut rest) = (Vec::new(), Vec::new());
        for (base, exponent) in factors {
            match graph.as_integer(exponent).map(u32::try_from) {
                Some(Ok(power)) if atoms.contains(&base) => powers.push((base, power)),
                _ => rest.push((base, exponent)),
            }
        }
        let coefficient = graph.product(scale, rest);
        if graph.depends_on_any(coefficient, atoms) {
            return None;
        }
        powers.sort();
        found.entry(powers).or_default().push(coefficient);
    }
    let mut sums = Monomials::new();
    for (powers, parts) in found {
        let sum = graph.of(sum(parts));
        if !graph.is_zero(sum) {
            sums.insert(powers, sum);
        }
    }
    Some(sums)
}

/// Derivatives of the unknown function `name` below `e`.
fn derivatives_of(graph: &Graph, e: Expr, name: &str) -> Vec<(Expr, Vec<u32>)> {
    graph
        .unknowns(&[e])
        .into_iter()
        .filter_map(|n| orders_of(graph, n, name).map(|orders| (n, orders)))
        .collect()
}

impl Workbench<'_> {
    pub(super) fn graph(&mut self) -> &mut Graph {
        self.ground.graph()
    }

    pub(super) fn used(&mut self, rule: Rule) {
        self.rules.insert(rule);
    }

    /// The functionals below `e`.
    pub(super) fn atoms(&self, e: Expr) -> Vec<Expr> {
        self.forms.atoms(&self.ground.noising.graph, e)
    }

    /// The functionals of a path below `e`.
    pub(super) fn path_terms(&self, e: Expr) -> Vec<Expr> {
        self.forms.path_terms(&self.ground.noising.graph, e)
    }

    /// The functional behind an atom, and how often it is differentiated by time.
    pub(super) fn form(&self, atom: Expr) -> Option<(Form, u32)> {
        let (form, order) = self.forms.form(&self.ground.noising.graph, atom)?;
        Some((form.clone(), order))
    }

    /// The atom of a functional.
    pub(super) fn atom(&mut self, form: Form) -> Expr {
        let time = self.ground.noising.time;
        self.forms.atom(self.ground.graph(), time, form)
    }

    /// `d_t log p = -div f - f . s + 1/2 ( div div D + 2 (div D) . s + D : (grad s + s s') )`.
    fn rate_of_log_density(&mut self) -> Expr {
        let score = self.ground.score.clone();
        let noising = &mut self.ground.noising;
        let carried = noising.dot(&noising.drift.clone(), &score);
        let opened = 2 * dot(&noising.diffusivity_divergence, &score);
        let mut terms = vec![noising.double_divergence + opened];
        for (i, row) in noising.diffusivity.iter().enumerate() {
            for (j, entry) in row.iter().enumerate() {
                let curvature = partial(score[i], noising.state[j]) + score[i] * score[j];
                terms.push(*entry * curvature);
            }
        }
        noising.of(sum(terms) / 2 - (noising.drift_divergence + carried))
    }

    /// Writes time derivatives of the log density by its equation.
    pub(super) fn without_rates(&mut self, e: Expr) -> Expr {
        let slot = self.ground.noising.dimension();
        let mut e = e;
        loop {
            let graph = &self.ground.noising.graph;
            let found = derivatives_of(graph, e, "log_p");
            let rates: Vec<_> = found.into_iter().filter(|(_, o)| o[slot] > 0).collect();
            if rates.is_empty() {
                return e;
            }
            self.used(Rule::FokkerPlanck);
            let first = self.rate_of_log_density();
            let mut images = Vec::with_capacity(rates.len());
            for (node, orders) in rates {
                let (time, state) = (self.ground.noising.time, self.ground.noising.state.clone());
                let graph = self.graph();
                let mut image = first;
                for (x, order) in state.iter().zip(&orders) {
                    for _ in 0..*order {
                        image = graph.derivative(image, *x);
                    }
                }
                for _ in 1..orders[slot] {
                    image = graph.derivative(image, time);
                }
                images.push((node, image));
            }
            e = self.graph().substitute(e, &images);
        }
    }

    /// Whether a function of state and time vanishes.
    pub(super) fn vanishes(&mut self, e: Expr) -> bool {
        if self.ground.noising.graph.is_zero(e) {
            return true;
        }
        let e = self.without_rates(e);
        self.graph().is_provably_zero(e)
    }

    /// Whether `E[e] = 0` at every time under the law `p_t`, whatever `p_t` is.
    ///
    /// `int F e^L dx` with `L = log p` is stationary in L for every L exactly if the Euler operator of
    /// `F e^L` vanishes; if F is a polynomial in L and its derivatives the integral then equals its limit for
    /// `L -> -infinity`, which is zero.
    pub(super) fn averages_out(&mut self, e: Expr) -> bool {
        let e = self.without_rates(e);
        if self.graph().is_provably_zero(e) {
            return true;
        }
        let Some(euler) = self.euler(e) else {
            return false;
        };
        let holds = self.graph().is_provably_zero(euler);
        if holds {
            self.used(Rule::IntegrationByParts);
        }
        holds
    }

    /// `e^-L sum_a (-1)^|a| D^a ( d(F e^L) / d(D^a L) )`.
    fn euler(&mut self, e: Expr) -> Option<Expr> {
        let slot = self.ground.noising.dimension();
        let (state, score) = (self.ground.noising.state.clone(), self.ground.score.clone());
        let graph = self.graph();
        let found = derivatives_of(graph, e, "log_p");
        let nodes: Vec<Expr> = found.iter().map(|(n, _)| *n).collect();
        monomials(graph, e, &nodes)?;
        let slots: Vec<(Expr, Expr)> = nodes
            .iter()
            .enumerate()
            .map(|(k, n)| (*n, graph.symbol(&format!("#slot{k}"))))
            .collect();
        let back: Vec<(Expr, Expr)> = slots.iter().map(|(n, s)| (*s, *n)).collect();
        let flat = graph.substitute(e, &slots);
        let mut parts = vec![e];
        for ((_, orders), (_, symbol)) in found.iter().zip(&slots) {
            if orders[slot] > 0 {
                return None;
            }
            let slope = graph.derivative(flat, *symbol);
            let mut part = graph.substitute(slope, &back);
            for (i, order) in orders[..slot].iter().enumerate() {
                for _ in 0..*order {
                    part = graph.of(-(partial(part, state[i]) + part * score[i]));
                }
            }
            parts.push(part);
        }
        Some(graph.of(sum(parts)))
    }

    /// The average over the random direction and, given `X_t`, over the start: moments of normals, and
    /// `score` for a single `conditional_score`, which is its mean under the noising process and its reversal
    /// alone. `None` where these appear in other ways.
    pub(super) fn averaged(&mut self, law: &Law, e: Expr) -> Option<Expr> {
        let slice = self.ground.slice.clone();
        let conditional = self.ground.conditional_score.clone();
        let score = self.ground.score.clone();
        let mut atoms = slice.clone();
        atoms.extend(&conditional);
        let graph = self.graph();
        if !graph.depends_on_any(e, &atoms) {
            return Some(e);
        }
        if matches!(law, Law::Controlled(_)) && graph.depends_on_any(e, &conditional) {
            return None;
        }
        let differentiated = graph.unknowns(&[e]).into_iter().any(|n| {
            let Node::Unknown(name, _, orders) = graph.node(n) else {
                return false;
            };
            name.starts_with("conditional_score") && orders.iter().any(|o| *o > 0)
        });
        if differentiated {
            return None;
        }
        let mut parts = Vec::new();
        let (mut directed, mut conditioned) = (false, false);
        for (powers, coefficient) in monomials(graph, e, &atoms)? {
            let mut factors = vec![coefficient];
            let starts: u32 = powers
                .iter()
                .filter(|(a, _)| conditional.contains(a))
                .map(|(_, power)| power)
                .sum();
            for (atom, power) in powers {
                if slice.contains(&atom) {
                    directed = true;
                    factors.push(graph.integer(normal_moment(power)));
                } else if starts == 1 {
                    conditioned = true;
                    let i = conditional.iter().position(|c| *c == atom)?;
                    factors.push(score[i]);
                } else {
                    factors.push(graph.powi(atom, i64::from(power)));
                }
            }
            parts.push(graph.mul(&factors));
        }
        let sum = graph.of(sum(parts));
        if directed {
            self.used(Rule::RandomDirection);
        }
        if conditioned {
            self.used(Rule::Tower);
        }
        Some(sum)
    }

    /// `d/dt E[e]` as the expectation of this.
    pub(super) fn rate_of_mean(&mut self, law: &Law, e: Expr) -> Expr {
        match law {
            Law::Forward | Law::Reverse => self.ground.rate(&Law::Forward, e),
            Law::Controlled(_) => {
                let rate = self.ground.rate(law, e);
                self.graph().of(-rate)
            }
        }
    }
}

/// `E Z^n`: 0 for odd n, else `(n - 1)!!`.
fn normal_moment(power: u32) -> i64 {
    if power % 2 == 1 {
        return 0;
    }
    (1..i64::from(power)).step_by(2).product()
}
