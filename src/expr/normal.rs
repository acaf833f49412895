//! Normal form: polynomials over opaque atoms, with denominators kept as negative powers.

use super::function::Function;
use super::graph::{Expr, Graph, Node};
use super::rational::Rational;
use std::collections::BTreeMap;

/// Factors that the products of terms of one node may have, together, before it is left as it is.
const BUDGET: usize = 800_000;

/// Terms (products without coefficient; one for the constant) with their coefficients.
type Terms = BTreeMap<Expr, Rational>;

impl Graph {
    /// Multiplies everything out: a sum of products of powers of atoms.
    ///
    /// Atoms are symbols, unknown functions, function values (with expanded arguments), and sums under a
    /// negative or fractional power, which are divided by their content. `cos(u)^2` becomes
    /// `1 - sin(u)^2`, and logarithms of products with positive parts are split. Expressions that differ
    /// only by polynomial algebra over their atoms expand to the same node. A node that would need products with more than
    /// 800 000 factors (times machine words) is left as it is.
    pub fn expand(&mut self, e: Expr) -> Expr {
        for n in self.unexpanded(e) {
            let (image, _) = self.expand_node(n, &mut { BUDGET });
            self.remember(n, image);
        }
        self.expansions[&e]
    }

    /// As [`Self::expand`], `None` where all nodes together would need more factors than `budget`.
    pub(super) fn expand_within(&mut self, e: Expr, mut budget: usize) -> Option<Expr> {
        for n in self.unexpanded(e) {
            let (image, whole) = self.expand_node(n, &mut budget);
            if !whole {
                return None;
            }
            self.remember(n, image);
        }
        Some(self.expansions[&e])
    }

    /// Everything below `e` (and `e`) that has no expansion yet, children before parents.
    fn unexpanded(&self, e: Expr) -> Vec<Expr> {
        self.reachable_until(&[e], |n| self.expansions.contains_key(&n))
    }

    fn remember(&mut self, n: Expr, image: Expr) {
        self.expansions.insert(n, image);
        // What is expanded stays as it is.
        self.expansions.entry(image).or_insert(image);
    }

    /// Expands a node whose children are expanded; false where the budget did not last and it is left as it is.
    fn expand_node(&mut self, n: Expr, budget: &mut usize) -> (Expr, bool) {
        let node = self.shared(n);
        let before = self.len();
        let mut whole = true;
        let image = match &*node {
            Node::Product(coefficient, factors) => {
                let images: Vec<_> = factors
                    .iter()
                    .map(|(b, e)| (self.expansions[b], self.expansions[e]))
                    .collect();
                match self.expand_product(coefficient, &images, budget) {
                    Some(terms) => self.sum_of(terms),
                    None => {
                        whole = false;
                        self.product(coefficient.clone(), images)
                    }
                }
            }
            Node::Apply(function @ (Function::Exp | Function::Log), arguments) => {
                let argument = self.expansions[&arguments[0]];
                if *function == Function::Exp {
                    self.expand_exp(argument, budget)
                } else {
                    self.expand_log(argument, budget)
                }
            }
            _ => {
                let mut images = BTreeMap::new();
                node.children(|child| {
                    images.insert(child, self.expansions[&child]);
                });
                self.rebuild(&node, |child| images[&child])
            }
        };
        self.mark_derived(n, before);
        (image, whole)
    }

    fn terms_of(&mut self, e: Expr) -> Terms {
        let one = self.one();
        let node = self.shared(e);
        match &*node {
            Node::Number(value) if value.is_zero() => Terms::new(),
            Node::Number(value) => Terms::from([(one, value.clone())]),
            Node::Sum(constant, terms) => {
                let mut map: Terms = terms.iter().cloned().collect();
                if !constant.is_zero() {
                    map.insert(one, constant.clone());
                }
                map
            }
            Node::Product(coefficient, factors) => {
                let bare = self.product(Rational::one(), factors.clone());
                Terms::from([(bare, coefficient.clone())])
            }
            _ => Terms::from([(e, Rational::one())]),
        }
    }

    fn sum_of(&mut self, terms: Terms) -> Expr {
        let parts: Vec<_> = terms.into_iter().map(|(e, c)| (c, e)).collect();
        self.linear(&parts)
    }

    /// `coefficient * prod base^exponent` over expanded bases.
    fn expand_product(
        &mut self,
        coefficient: &Rational,
        factors: &[(Expr, Expr)],
        budget: &mut usize,
    ) -> Option<Terms> {
        let one = self.one();
        let mut total = Terms::from([(one, coefficient.clone())]);
        for (base, exponent) in factors {
            let power = self.as_number(*exponent).cloned();
            let is_sum = matches!(self.node(*base), Node::Sum(..));
            let cosine = match self.node(*base) {
                Node::Apply(Function::Cos, arguments) => Some(arguments[0]),
                _ => None,
            };
            match power {
                Some(power) if is_sum => {
                    let factor = self.expand_sum_power(*base, &power, budget)?;
                    total = self.multiply(&total, &factor, budget)?;
                }
                Some(power) if cosine.is_some() && power.to_integer().is_some_and(|n| n >= 2) => {
                    let argument = cosine.expect("matched above");
                    let factor = self.expand_cosine_power(argument, power.to_integer()?, budget)?;
                    total = self.multiply(&total, &factor, budget)?;
                }
                _ => {
                    let atom = self.pow(*base, *exponent);
                    let factor = self.terms_of(atom);
                    total = self.multiply(&total, &factor, budget)?;
                }
            }
        }
        Some(total)
    }

    /// `sum^power`: whole positive powers multiply out, the rest stays a power of the primitive sum.
    fn expand_sum_power(
        &mut self,
        sum: Expr,
        power: &Rational,
        budget: &mut usize,
    ) -> Option<Terms> {
        let whole = power.floor();
        let rest = power - &whole;
        let whole = whole.to_integer()?;
        let (content, primitive) = self.primitive(sum);
        let mut total = if whole >= 0 {
            let factor = self.terms_of(sum);
            self.raise(&factor, whole, budget)?
        } else {
            let (number, exponent) = (self.exact(content.clone()), self.integer(whole));
            let scale = self.pow(number, exponent);
            let inverse = self.pow(primitive, exponent);
            let atom = self.mul(&[scale, inverse]);
            self.terms_of(atom)
        };
        if !rest.is_zero() {
            let (number, exponent) = (self.exact(content), self.exact(rest));
            let scale = self.pow(number, exponent);
            let root = self.pow(primitive, exponent);
            let atom = self.mul(&[scale, root]);
            let factor = self.terms_of(atom);
            total = self.multiply(&total, &factor, budget)?;
        }
        Some(total)
    }

    /// `cos^n = cos^(n mod 2) (1 - sin^2)^(n / 2)`.
    fn expand_cosine_power(&mut self, argument: Expr, n: i64, budget: &mut usize) -> Option<Terms> {
        let sin = self.apply(Function::Sin, &[argument]);
        let square = self.powi(sin, 2);
        let one = self.one();
        let rest = self.sub(one, square);
        let factor = self.terms_of(rest);
        let even = self.raise(&factor, n / 2, budget)?;
        if n % 2 == 0 {
            return Some(even);
        }
        let cos = self.apply(Function::Cos, &[argument]);
        let odd = self.terms_of(cos);
        self.multiply(&even, &odd, budget)
    }

    /// Positive content and primitive part of a sum.
    fn primitive(&mut self, sum: Expr) -> (Rational, Expr) {
        let node = self.shared(sum);
        let Node::Sum(constant, terms) = &*node else {
            return (Rational::one(), sum);
        };
        let content = terms
            .iter()
            .fold(constant.abs(), |divisor, (_, c)| divisor.common_divisor(c));
        let Some(inverse) = content.reciprocal().filter(|_| !content.is_one()) else {
            return (Rational::one(), sum);
        };
        (content, self.linear(&[(inverse, sum)]))
    }

    fn raise(&mut self, factor: &Terms, power: i64, budget: &mut usize) -> Option<Terms> {
        let mut total = Terms::from([(self.one(), Rational::one())]);
        for _ in 0..power {
            total = self.multiply(&total, factor, budget)?;
        }
        Some(total)
    }

    fn multiply(&mut self, a: &Terms, b: &Terms, budget: &mut usize) -> Option<Terms> {
        let one = self.one();
        let mut product = Terms::new();
        for (x, c) in a {
            for (y, d) in b {
                // Every factor is looked up; long coefficients cost more than one product of words.
                let steps = self.factor_count(*x) + self.factor_count(*y) + c.steps() + d.steps();
                *budget = budget.checked_sub(steps)?;
                if !self.pay(steps) {
                    return None;
                }
                let coefficient = c * d;
                let term = if *x == one {
                    *y
                } else if *y == one {
                    *x
                } else {
                    self.mul(&[*x, *y])
                };
                for (term, factor) in self.settle(term, budget)? {
                    let entry = product.entry(term).or_insert_with(Rational::zero);
                    *entry = &*entry + &(&coefficient * &factor);
                }
            }
        }
        product.retain(|_, c| !c.is_zero());
        Some(product)
    }

    fn factor_count(&self, term: Expr) -> usize {
        match self.node(term) {
            Node::Product(_, factors) => factors.len(),
            _ => 1,
        }
    }

    /// A product of terms may have gained a power that multiplies out; then it is expanded again.
    fn settle(&mut self, term: Expr, budget: &mut usize) -> Option<Terms> {
        let node = self.shared(term);
        let Node::Product(coefficient, factors) = &*node else {
            return Some(self.terms_of(term));
        };
        let unsettled = factors.iter().any(|(base, exponent)| {
            let Some(power) = self.as_number(*exponent) else {
                return false;
            };
            match self.node(*base) {
                Node::Sum(..) => *power >= Rational::one(),
                Node::Apply(Function::Cos, _) => {
                    power.is_integer() && *power >= Rational::integer(2)
                }
                _ => false,
            }
        });
        if unsettled {
            self.expand_product(coefficient, factors, budget)
        } else {
            Some(self.terms_of(term))
        }
    }

    /// `exp(a + r log u)` = `u^r exp(a)`.
    fn expand_exp(&mut self, argument: Expr, budget: &mut usize) -> Expr {
        let terms = self.terms_of(argument);
        let (mut logs, mut rest) = (Vec::new(), Vec::new());
        for (term, coefficient) in terms {
            match self.node(term) {
                Node::Apply(Function::Log, inner) => logs.push((inner[0], coefficient)),
                _ => rest.push((coefficient, term)),
            }
        }
        let rest = self.linear(&rest);
        let mut factors = vec![(self.exp(rest), self.one())];
        for (base, power) in logs {
            factors.push((base, self.exact(power)));
        }
        match self.expand_product(&Rational::one(), &factors, budget) {
            Some(terms) => self.sum_of(terms),
            None => self.product(Rational::one(), factors),
        }
    }

    /// Splits what is surely positive off a logarithm of a product, and odd or fractional powers of a
    /// single factor.
    fn expand_log(&mut self, argument: Expr, budget: &mut usize) -> Expr {
        let node = self.shared(argument);
        let Node::Product(coefficient, factors) = &*node else {
            return self.log(argument);
        };
        let (mut parts, mut rest) = (Vec::new(), Vec::new());
        for (base, exponent) in factors {
            let positive = match self.node(*base) {
                Node::Number(value) => !value.is_negative(),
                Node::Pi | Node::Apply(Function::Exp | Function::Sigmoid, _) => true,
                _ => false,
            };
            if positive {
                let log = self.log(*base);
                parts.push(self.mul(&[*exponent, log]));
            } else {
                rest.push((*base, *exponent));
            }
        }
        let sign = if coefficient.is_negative() { -1 } else { 1 };
        let size = self.exact(coefficient.abs());
        parts.push(self.log(size));
        if let [(base, exponent)] = rest.as_slice()
            && sign == 1
            && self.as_number(*exponent).is_some_and(|r| !r.is_even())
        {
            let log = self.log(*base);
            parts.push(self.mul(&[*exponent, log]));
        } else {
            let inside = self.product(Rational::integer(sign), rest);
            parts.push(self.log(inside));
        }
        let sum = self.add(&parts);
        // log(exp(a)) = a may bring a product back in; its parts are expanded already.
        let mut total = Terms::new();
        let one = self.one();
        for (term, coefficient) in self.terms_of(sum) {
            let factors = [(term, one)];
            match self.expand_product(&coefficient, &factors, budget) {
                Some(terms) => {
                    for (e, c) in terms {
                        let entry = total.entry(e).or_insert_with(Rational::zero);
                        *entry = &*entry + &c;
                    }
                }
                None => return sum,
            }
        }
        self.sum_of(total)
    }

    /// The numerator of an expanded expression over the common denominator of its sums and cosines: zero exactly
    /// where the expression is. `None` when it grows too large.
    pub(super) fn numerator(&mut self, expanded: Expr) -> Option<Expr> {
        let mut current = expanded;
        // A product by one denominator can uncover another; each round removes all visible ones.
        for _ in 0..8 {
            let terms = self.terms_of(current);
            let mut denominators: BTreeMap<Expr, Rational> = BTreeMap::new();
            for term in terms.keys() {
                if let Node::Product(_, factors) = self.node(*term) {
                    for (base, exponent) in factors {
                        let power = self.as_number(*exponent).map(|r| -r);
                        let clears = matches!(
                            self.node(*base),
                            Node::Sum(..) | Node::Apply(Function::Cos, _)
                        );
                        if let Some(power) = power.filter(|_| clears)
                            && !power.is_negative()
                            && power.is_integer()
                        {
                            let entry = denominators.entry(*base).or_insert_with(Rational::zero);
                            *entry = entry.clone().max(power);
                        }
                    }
                }
            }
            if denominators.is_empty() {
                return Some(current);
            }
            let mut budget = BUDGET;
            let mut total = Terms::new();
            for (term, coefficient) in terms {
                let mut factors: Vec<_> = Vec::new();
                for (base, power) in &denominators {
                    factors.push((*base, self.exact(power.clone())));
                }
                factors.push((term, self.one()));
                let product = self.product(coefficient, factors);
                let settled = self.settle_whole(product, &mut budget)?;
                for (e, c) in settled {
                    let entry = total.entry(e).or_insert_with(Rational::zero);
                    *entry = &*entry + &c;
                }
            }
            current = self.sum_of(total);
        }
        Some(current)
    }

    fn settle_whole(&mut self, product: Expr, budget: &mut usize) -> Option<Terms> {
        let node = self.shared(product);
        match &*node {
            Node::Product(coefficient, factors) => {
                self.expand_product(coefficient, factors, budget)
            }
            _ => Some(self.terms_of(product)),
        }
    }

    /// Rewrites hyperbolic and logistic functions by exponentials and `tan` by `sin` and `cos`, so that
    /// identities between them become polynomial.
    pub(super) fn elementary(&mut self, e: Expr) -> Expr {
        let mut images: BTreeMap<Expr, Expr> = BTreeMap::new();
        for n in self.reachable(&[e]) {
            let node = self.shared(n);
            let image = match &*node {
                Node::Apply(function, arguments) => {
                    let arguments: Vec<_> = arguments.iter().map(|a| images[a]).collect();
                    self.elementary_function(*function, &arguments)
                }
                _ => self.rebuild(&node, |child| images[&child]),
            };
            images.insert(n, image);
        }
        images[&e]
    }

    fn elementary_function(&mut self, function: Function, arguments: &[Expr]) -> Expr {
        let u = arguments[0];
        let one = self.one();
        let minus_u = self.neg(u);
        match function {
            Function::Sinh | Function::Cosh | Function::Tanh | Function::Sigmoid => {
                let (up, down) = (self.exp(u), self.exp(minus_u));
                match function {
                    Function::Sigmoid => {
                        let below = self.add(&[one, down]);
                        self.powi(below, -1)
                    }
                    Function::Tanh => {
                        let (above, below) = (self.sub(up, down), self.add(&[up, down]));
                        self.div(above, below)
                    }
                    _ => {
                        let half = self.rational(1, 2);
                        let sum = if function == Function::Sinh {
                            self.sub(up, down)
                        } else {
                            self.add(&[up, down])
                        };
                        self.mul(&[half, sum])
                    }
                }
            }
            Function::Softplus => {
                let up = self.exp(u);
                let inside = self.add(&[one, up]);
                self.log(inside)
            }
            Function::Log1p => {
                let inside = self.add(&[one, u]);
                self.log(inside)
            }
            Function::Expm1 => {
                let up = self.exp(u);
                self.sub(up, one)
            }
            Function::LogSumExp => {
                let parts: Vec<_> = arguments.iter().map(|a| self.exp(*a)).collect();
                let sum = self.add(&parts);
                self.log(sum)
            }
            Function::Tan => {
                let (sin, cos) = (
                    self.apply(Function::Sin, &[u]),
                    self.apply(Function::Cos, &[u]),
                );
                self.div(sin, cos)
            }
            _ => self.apply(function, arguments),
        }
    }
}
