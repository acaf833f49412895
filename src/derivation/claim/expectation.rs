//! Expectations: every number as moments at the ends, along the horizon, or at one time.

use crate::derivation::claim::form::Form;
use crate::derivation::claim::ground::Law;
use crate::derivation::claim::normal::{Workbench, monomials};
use crate::derivation::claim::path::PathForm;
use crate::derivation::claim::rule::Rule;
use crate::expr::arithmetic::sum;
use crate::expr::{Expr, Function, Node};
use std::collections::BTreeMap;

/// The law a moment is taken under. Forward and reverse processes share their laws at every time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Measure {
    Marginal,
    Controlled(Vec<Expr>),
}

/// Where on the horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    /// At the data end.
    Low,
    /// At the noise end.
    High,
    /// Integrated over the horizon.
    Running,
    /// At the time the claim is about.
    Now,
}

/// `E[integrand]` at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Moment {
    measure: Measure,
    place: Place,
    integrand: Expr,
}

/// Moments met so far, each a symbol.
#[derive(Default)]
pub(super) struct Moments {
    list: Vec<(Expr, Moment)>,
}

/// Integrands of one measure by place.
#[derive(Clone)]
struct Balance {
    low: Expr,
    high: Expr,
    running: Expr,
    now: Expr,
}

impl Measure {
    fn of(law: &Law) -> Self {
        match law {
            Law::Forward | Law::Reverse => Self::Marginal,
            Law::Controlled(v) => Self::Controlled(v.clone()),
        }
    }

    /// A law with these one-time laws and a direction.
    fn law(&self) -> Law {
        match self {
            Self::Marginal => Law::Forward,
            Self::Controlled(v) => Law::Controlled(v.clone()),
        }
    }
}

impl Workbench<'_> {
    fn moment(
        &mut self,
        moments: &mut Moments,
        measure: Measure,
        place: Place,
        integrand: Expr,
    ) -> Option<Expr> {
        let integrand = self.averaged(&measure.law(), integrand)?;
        let graph = self.graph();
        if graph.is_zero(integrand) {
            return Some(integrand);
        }
        let moment = Moment {
            measure,
            place,
            integrand,
        };
        if let Some((e, _)) = moments.list.iter().find(|(_, known)| *known == moment) {
            return Some(*e);
        }
        let name = format!("#moment{}", moments.list.len());
        let e = graph.symbol(&name);
        moments.list.push((e, moment));
        Some(e)
    }

    /// Whether a number, or a function of time, made of expectations vanishes.
    pub(super) fn number_vanishes(&mut self, e: Expr) -> bool {
        let mut moments = Moments::default();
        self.lowered(&mut moments, e)
            .and_then(|lowered| self.balanced(&moments, lowered))
            .unwrap_or(false)
    }

    /// Writes every functional by moments.
    fn lowered(&mut self, moments: &mut Moments, e: Expr) -> Option<Expr> {
        let mut images = Vec::new();
        for atom in self.atoms(e) {
            let (form, order) = self.form(atom)?;
            images.push((atom, self.lowered_form(moments, &form, order)?));
        }
        Some(self.graph().substitute(e, &images))
    }

    fn lowered_form(&mut self, moments: &mut Moments, form: &Form, order: u32) -> Option<Expr> {
        match form {
            Form::Mean { law, body } => {
                if !self.atoms(*body).is_empty() {
                    return None;
                }
                let mut body = self.averaged(law, *body)?;
                for _ in 0..order {
                    self.used(Rule::Dynkin);
                    body = self.rate_of_mean(law, body);
                }
                self.moment(moments, Measure::of(law), Place::Now, body)
            }
            Form::PathMean { law, body } => self.lowered_path(moments, law, *body),
            Form::TimeIntegral(body) => self.lowered_time_integral(moments, *body),
            Form::Divergence { of, from } => self.lowered_divergence(moments, of, from),
            Form::Variation { body, parameter } => {
                self.used(Rule::FirstVariation);
                let slope = self.variation(*body, *parameter)?;
                self.lowered(moments, slope)
            }
            Form::Start(_) | Form::End(_) | Form::Integral(_) | Form::Stochastic { .. } => None,
        }
    }

    /// `int c(t) E[F] dt = int E[c F] dt`, term by term.
    fn lowered_time_integral(&mut self, moments: &mut Moments, body: Expr) -> Option<Expr> {
        self.used(Rule::Fubini);
        let mut inner = Moments::default();
        let lowered = self.lowered(&mut inner, body)?;
        let symbols: Vec<Expr> = inner.list.iter().map(|(e, _)| *e).collect();
        let mut parts = Vec::new();
        for (powers, coefficient) in monomials(self.graph(), lowered, &symbols)? {
            let part = match powers.as_slice() {
                [] => self.moment(moments, Measure::Marginal, Place::Running, coefficient)?,
                [(symbol, 1)] => {
                    let (_, moment) = inner.list.iter().find(|(e, _)| e == symbol)?;
                    let moment = moment.clone();
                    if moment.place != Place::Now {
                        return None;
                    }
                    let integrand = self.graph().of(coefficient * moment.integrand);
                    self.moment(moments, moment.measure, Place::Running, integrand)?
                }
                _ => return None,
            };
            parts.push(part);
        }
        Some(self.graph().of(sum(parts)))
    }

    /// `KL = KL of the start laws + 1/2 E int |u_P - u_Q|^2 dt`.
    fn lowered_divergence(&mut self, moments: &mut Moments, of: &Law, from: &Law) -> Option<Expr> {
        self.used(Rule::PathDivergence);
        let (u, v) = (self.ground.control(of), self.ground.control(from));
        let noising = &mut self.ground.noising;
        let gap = noising.graph.pairwise(&u, &v, |u, v| u - v);
        let effort = noising.half_square(&gap);
        let (law, prior) = (self.ground.log_p, self.ground.log_prior);
        let start = match (Measure::of(of), Measure::of(from)) {
            (Measure::Marginal, Measure::Controlled(_)) => noising.of(law - prior),
            (Measure::Controlled(_), Measure::Marginal) => noising.of(prior - law),
            _ => noising.graph.zero(),
        };
        self.moments_along(moments, of, (Place::High, start), effort)
    }

    /// `E[start] + E int along dt`, the start at its place.
    fn moments_along(
        &mut self,
        moments: &mut Moments,
        law: &Law,
        (place, start): (Place, Expr),
        along: Expr,
    ) -> Option<Expr> {
        let start = self.moment(moments, Measure::of(law), place, start)?;
        let along = self.moment(moments, Measure::of(law), Place::Running, along)?;
        Some(self.graph().of(start + along))
    }

    /// The expectation of products of up to two path functionals.
    fn lowered_path(&mut self, moments: &mut Moments, law: &Law, body: Expr) -> Option<Expr> {
        let body = self.with_exponential_martingales(law, body)?;
        let atoms = self.path_terms(body);
        let mut constant = Vec::new();
        let mut linear: Vec<Expr> = Vec::new();
        // Coefficients of the second factor of each product, by the first.
        let mut products: BTreeMap<Expr, Vec<Expr>> = BTreeMap::new();
        for (powers, coefficient) in monomials(self.graph(), body, &atoms)? {
            let graph = self.graph();
            match powers.as_slice() {
                [] => constant.push(coefficient),
                [(a, 1)] => linear.push(graph.of(coefficient * *a)),
                [(a, 2)] => {
                    let part = graph.of(coefficient * *a);
                    products.entry(*a).or_default().push(part);
                }
                [(a, 1), (b, 1)] => {
                    let (first, second) = self.stochastic_first(*a, *b);
                    let part = self.graph().of(coefficient * second);
                    products.entry(first).or_default().push(part);
                }
                _ => return None,
            }
        }
        let linear = self.graph().of(sum(linear));
        let form = self.path_form(law, linear)?;
        let mut parts = constant;
        parts.push(self.mean_of(moments, law, &form)?);
        for (first, seconds) in products {
            let second = self.graph().of(sum(seconds));
            let (first, second) = (self.path_form(law, first)?, self.path_form(law, second)?);
            parts.push(self.mean_of_product(moments, law, &first, &second)?);
        }
        Some(self.graph().of(sum(parts)))
    }

    /// A stochastic integral before anything else, so that what multiplies it is collected.
    fn stochastic_first(&self, a: Expr, b: Expr) -> (Expr, Expr) {
        let stochastic = |e| matches!(self.form(e), Some((Form::Stochastic { .. }, _)));
        if stochastic(b) && !stochastic(a) {
            (b, a)
        } else {
            (a, b)
        }
    }

    fn start_place(law: &Law) -> Place {
        match law {
            Law::Forward => Place::Low,
            Law::Reverse | Law::Controlled(_) => Place::High,
        }
    }

    fn mean_of(&mut self, moments: &mut Moments, law: &Law, form: &PathForm) -> Option<Expr> {
        self.used(Rule::Linearity);
        let graph = self.graph();
        if form.noise.iter().any(|a| !graph.is_zero(*a)) {
            self.used(Rule::Martingale);
        }
        let start = (Self::start_place(law), form.start);
        self.moments_along(moments, law, start, form.integral)
    }

    /// `E[A B]` where no time integral meets anything.
    fn mean_of_product(
        &mut self,
        moments: &mut Moments,
        law: &Law,
        a: &PathForm,
        b: &PathForm,
    ) -> Option<Expr> {
        let a_integral = self.vanishes(a.integral);
        let b_integral = self.vanishes(b.integral);
        let zero = |this: &mut Self, form: &PathForm| {
            this.vanishes(form.start) && form.noise.iter().all(|e| this.vanishes(*e))
        };
        let a_zero = a_integral && zero(self, a);
        let b_zero = b_integral && zero(self, b);
        if a_zero || b_zero {
            let graph = self.graph();
            return Some(graph.zero());
        }
        if !(a_integral && b_integral) {
            return None;
        }
        self.used(Rule::Isometry);
        let noising = &mut self.ground.noising;
        let start = (Self::start_place(law), noising.of(a.start * b.start));
        let along = noising.dot(&a.noise, &b.noise);
        self.moments_along(moments, law, start, along)
    }

    /// Replaces `exp(A)` by its expectation given the start, `exp(start)`, where A is the logarithm of
    /// an exponential martingale and nothing else of the path multiplies it.
    fn with_exponential_martingales(&mut self, law: &Law, body: Expr) -> Option<Expr> {
        let graph = &self.ground.noising.graph;
        let mut exponentials = graph.reachable(&[body]);
        exponentials.retain(|n| matches!(graph.node(*n), Node::Apply(Function::Exp, _)));
        let mut images = Vec::new();
        for node in exponentials {
            let Node::Apply(_, arguments) = self.ground.noising.graph.node(node) else {
                unreachable!("only exponentials were kept");
            };
            let argument = arguments[0];
            if self.path_terms(argument).is_empty() {
                continue;
            }
            let form = self.path_form(law, argument)?;
            let square = self.ground.noising.half_square(&form.noise);
            let total = self.graph().of(form.integral + square);
            if !self.vanishes(total) {
                return None;
            }
            self.used(Rule::ExponentialMartingale);
            let start = self.graph().exp(form.start);
            images.push((node, self.atom(Form::Start(start))));
        }
        if images.is_empty() {
            return Some(body);
        }
        let nodes: Vec<Expr> = images.iter().map(|(node, _)| *node).collect();
        let starts: Vec<Expr> = images.iter().map(|(_, start)| *start).collect();
        let replaced = self.graph().substitute(body, &images);
        for powers in monomials(self.graph(), replaced, &starts)?.keys() {
            if powers.iter().map(|(_, power)| power).sum::<u32>() > 1 {
                return None;
            }
        }
        // Other factors must be known at the start.
        let others = self.path_terms(body);
        let innocent = others.iter().all(|a| {
            let inside = nodes
                .iter()
                .any(|n| self.ground.noising.graph.depends_on_any(*n, &[*a]));
            let outside = self.ground.noising.graph.depends_on_any(replaced, &[*a]);
            !outside || (!inside && matches!(self.form(*a), Some((Form::Start(_), _))))
        });
        innocent.then_some(replaced)
    }

    /// Whether an expression over moments vanishes.
    fn balanced(&mut self, moments: &Moments, e: Expr) -> Option<bool> {
        let symbols: Vec<Expr> = moments.list.iter().map(|(e, _)| *e).collect();
        let time = self.ground.noising.time;
        let graph = self.graph();
        let zero = graph.zero();
        let mut constant = zero;
        let mut balances: Vec<(Measure, Balance)> = Vec::new();
        for (powers, coefficient) in monomials(graph, e, &symbols)? {
            let symbol = match powers.as_slice() {
                [] => {
                    constant = coefficient;
                    continue;
                }
                [(symbol, 1)] => *symbol,
                _ => return None,
            };
            let (_, moment) = moments.list.iter().find(|(e, _)| *e == symbol)?;
            let graph = self.graph();
            if moment.place != Place::Now && graph.depends_on(coefficient, time) {
                return None;
            }
            let part = graph.of(coefficient * moment.integrand);
            let at = match balances.iter().position(|(m, _)| *m == moment.measure) {
                Some(at) => at,
                None => {
                    let empty = Balance {
                        low: zero,
                        high: zero,
                        running: zero,
                        now: zero,
                    };
                    balances.push((moment.measure.clone(), empty));
                    balances.len() - 1
                }
            };
            let balance = &mut balances[at].1;
            let slot = match moment.place {
                Place::Low => &mut balance.low,
                Place::High => &mut balance.high,
                Place::Running => &mut balance.running,
                Place::Now => &mut balance.now,
            };
            *slot = graph.of(*slot + part);
        }
        self.used(Rule::Linearity);
        if balances.is_empty() {
            return Some(self.vanishes(constant));
        }
        // A constant is its own expectation under any of the laws.
        let nothing = self.ground.noising.graph.is_zero(constant);
        let homes = if nothing { 1 } else { balances.len() };
        Some((0..homes).any(|home| {
            let mut balances = balances.clone();
            let graph = self.graph();
            let balance = &mut balances[home].1;
            if graph.is_zero(balance.now) {
                balance.low = graph.of(balance.low + constant);
            } else {
                balance.now = graph.of(balance.now + constant);
            }
            balances
                .iter()
                .all(|(measure, balance)| self.balance_vanishes(measure, balance))
        }))
    }

    fn balance_vanishes(&mut self, measure: &Measure, balance: &Balance) -> bool {
        let law = measure.law();
        let Balance {
            mut low,
            mut high,
            mut running,
            now,
        } = balance.clone();
        // The far end by the near end and the rate between them.
        let (near, far) = match measure {
            Measure::Marginal => (&mut low, &mut high),
            Measure::Controlled(_) => (&mut high, &mut low),
        };
        if !self.ground.noising.graph.is_zero(*far) {
            self.used(Rule::Dynkin);
            let rate = self.ground.rate(&law, *far);
            let graph = self.ground.graph();
            running = graph.of(running + rate);
            *near = graph.of(*near + *far);
        }
        let near = *near;
        let near = self.at_end(near, matches!(measure, Measure::Marginal));
        [near, running, now].into_iter().all(|e| match measure {
            Measure::Marginal => self.averages_out(e),
            Measure::Controlled(_) => self.vanishes(e),
        })
    }

    /// `e` at the data end or the noise end: time outside of unknown functions becomes the number it is there.
    fn at_end(&mut self, e: Expr, data_end: bool) -> Expr {
        let Some((start, end)) = self.ground.horizon else {
            return e;
        };
        let e = self.without_rates(e);
        let time = self.ground.noising.time;
        let graph = self.graph();
        let mut images: Vec<(Expr, Expr)> =
            graph.unknowns(&[e]).into_iter().map(|n| (n, n)).collect();
        images.push((time, if data_end { start } else { end }));
        graph.substitute(e, &images)
    }
}
