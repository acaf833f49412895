//! Canonicalising constructors: flat sorted sums and products with exact coefficients.

use super::function::Function;
use super::graph::{Expr, Graph, Node, Relation};
use super::rational::Rational;
use std::collections::BTreeMap;

impl Graph {
    /// A named variable or parameter.
    pub fn symbol(&mut self, name: &str) -> Expr {
        self.intern(Node::Symbol(name.to_owned()))
    }

    /// An opaque function of `arguments`, such as `V(x, t)`; its derivatives stay symbolic.
    pub fn unknown(&mut self, name: &str, arguments: &[Expr]) -> Expr {
        self.intern(Node::Unknown(
            name.to_owned(),
            arguments.to_vec(),
            vec![0; arguments.len()],
        ))
    }

    pub fn integer(&mut self, value: i64) -> Expr {
        self.exact(Rational::integer(value))
    }

    /// `numerator / denominator`; undefined for a zero denominator.
    pub fn rational(&mut self, numerator: i64, denominator: i64) -> Expr {
        match Rational::new(numerator, denominator) {
            Some(value) => self.exact(value),
            None => self.undefined(),
        }
    }

    pub fn exact(&mut self, value: Rational) -> Expr {
        self.intern(Node::Number(value))
    }

    /// The shortest decimal that reads back as `value`, as an exact rational: 0.9 is 9/10, so a number
    /// from a file and the same digits in an expression are the same node. Evaluates back to `value`.
    pub fn number(&mut self, value: f64) -> Expr {
        match Rational::shortest(value) {
            Some(exact) => self.exact(exact),
            None => self.not_finite(value),
        }
    }

    /// The exact binary value of `value` (0.9 becomes 8106479329266893/2^53).
    pub fn binary(&mut self, value: f64) -> Expr {
        match Rational::binary(value) {
            Some(exact) => self.exact(exact),
            None => self.not_finite(value),
        }
    }

    fn not_finite(&mut self, value: f64) -> Expr {
        if value.is_nan() {
            return self.undefined();
        }
        let infinity = self.infinity();
        if value < 0.0 {
            self.neg(infinity)
        } else {
            infinity
        }
    }

    pub fn zero(&mut self) -> Expr {
        self.exact(Rational::zero())
    }

    pub fn one(&mut self) -> Expr {
        self.exact(Rational::one())
    }

    pub fn pi(&mut self) -> Expr {
        self.intern(Node::Pi)
    }

    pub fn infinity(&mut self) -> Expr {
        self.intern(Node::Infinity)
    }

    /// A value that is not a number anywhere.
    pub fn undefined(&mut self) -> Expr {
        self.intern(Node::Undefined)
    }

    pub fn truth(&mut self, value: bool) -> Expr {
        self.intern(Node::Truth(value))
    }

    pub fn add(&mut self, terms: &[Expr]) -> Expr {
        let parts: Vec<_> = terms.iter().map(|e| (Rational::one(), *e)).collect();
        self.linear(&parts)
    }

    pub fn sub(&mut self, a: Expr, b: Expr) -> Expr {
        self.linear(&[(Rational::one(), a), (Rational::integer(-1), b)])
    }

    pub fn neg(&mut self, a: Expr) -> Expr {
        self.linear(&[(Rational::integer(-1), a)])
    }

    pub fn mul(&mut self, factors: &[Expr]) -> Expr {
        let one = self.one();
        self.product(Rational::one(), factors.iter().map(|e| (*e, one)).collect())
    }

    pub fn div(&mut self, a: Expr, b: Expr) -> Expr {
        let (one, minus) = (self.one(), self.integer(-1));
        self.product(Rational::one(), vec![(a, one), (b, minus)])
    }

    pub fn pow(&mut self, base: Expr, exponent: Expr) -> Expr {
        self.product(Rational::one(), vec![(base, exponent)])
    }

    /// `base^exponent` with an integer exponent.
    pub fn powi(&mut self, base: Expr, exponent: i64) -> Expr {
        let exponent = self.integer(exponent);
        self.pow(base, exponent)
    }

    pub fn sqrt(&mut self, a: Expr) -> Expr {
        let half = self.rational(1, 2);
        self.pow(a, half)
    }

    pub fn exp(&mut self, a: Expr) -> Expr {
        self.apply(Function::Exp, &[a])
    }

    pub fn log(&mut self, a: Expr) -> Expr {
        self.apply(Function::Log, &[a])
    }

    /// `sum coefficient * part`, with like terms collected.
    pub fn linear(&mut self, parts: &[(Rational, Expr)]) -> Expr {
        let mut constant = Rational::zero();
        let mut collected: BTreeMap<Expr, Rational> = BTreeMap::new();
        for (coefficient, part) in parts {
            if !self.pay(1) {
                return self.undefined();
            }
            let node = self.shared(*part);
            match &*node {
                Node::Undefined => return *part,
                Node::Number(value) => constant = self.plus_product(&constant, coefficient, value),
                Node::Sum(inner, terms) => {
                    constant = self.plus_product(&constant, coefficient, inner);
                    self.pay(terms.len());
                    for (term, factor) in terms {
                        self.accumulate(&mut collected, *term, coefficient, factor);
                    }
                }
                Node::Product(inner, factors) if !inner.is_one() => {
                    let term = self.bare_product(factors);
                    self.accumulate(&mut collected, term, coefficient, inner);
                }
                _ => self.accumulate(&mut collected, *part, coefficient, &Rational::one()),
            }
        }
        let terms: Vec<_> = collected
            .into_iter()
            .filter(|(_, coefficient)| !coefficient.is_zero())
            .collect();
        match terms.as_slice() {
            [] => self.exact(constant),
            [(term, coefficient)] if constant.is_zero() => self.scaled(coefficient.clone(), *term),
            _ => self.intern(Node::Sum(constant, terms)),
        }
    }

    /// `total + coefficient * value`, its steps paid; `total` when there are none left.
    fn plus_product(
        &mut self,
        total: &Rational,
        coefficient: &Rational,
        value: &Rational,
    ) -> Rational {
        if !self.pay(coefficient.steps_with(value)) {
            return total.clone();
        }
        let product = coefficient * value;
        if !self.pay(total.steps_with(&product)) {
            return total.clone();
        }
        total + &product
    }

    fn accumulate(
        &mut self,
        collected: &mut BTreeMap<Expr, Rational>,
        term: Expr,
        coefficient: &Rational,
        value: &Rational,
    ) {
        let entry = collected.entry(term).or_insert_with(Rational::zero);
        *entry = self.plus_product(entry, coefficient, value);
    }

    /// `coefficient * term` for a term that is neither number nor sum and has no coefficient.
    fn scaled(&mut self, coefficient: Rational, term: Expr) -> Expr {
        if coefficient.is_one() {
            return term;
        }
        let factors = match self.node(term) {
            Node::Product(_, factors) => factors.clone(),
            _ => vec![(term, self.one())],
        };
        self.intern(Node::Product(coefficient, factors))
    }

    fn bare_product(&mut self, factors: &[(Expr, Expr)]) -> Expr {
        match factors {
            [(base, exponent)] if self.is_one(*exponent) => *base,
            _ => self.intern(Node::Product(Rational::one(), factors.to_vec())),
        }
    }

    /// `coefficient * prod base^exponent`, with like bases collected; undefined if it divides by zero.
    pub fn product(&mut self, coefficient: Rational, factors: Vec<(Expr, Expr)>) -> Expr {
        let mut build = ProductBuild {
            coefficient,
            powers: BTreeMap::new(),
            exponents: Vec::new(),
            work: factors,
            undefined: false,
        };
        loop {
            while let Some((base, exponent)) = build.work.pop() {
                build.undefined |= matches!(self.node(base), Node::Undefined)
                    || matches!(self.node(exponent), Node::Undefined);
                if build.undefined || !self.pay(1 + build.coefficient.steps()) {
                    return self.undefined();
                }
                self.absorb(base, exponent, &mut build);
            }
            if build.exponents.is_empty() {
                break;
            }
            // exp(a) exp(b) = exp(a + b)
            let total = self.add(&build.exponents);
            build.exponents.clear();
            let merged = self.exp(total);
            let one = self.one();
            if matches!(self.node(merged), Node::Apply(Function::Exp, _)) {
                build.powers.insert(merged, one);
            } else {
                build.work.push((merged, one));
            }
        }
        if build.undefined {
            return self.undefined();
        }
        if build.coefficient.is_zero() {
            return self.zero();
        }
        let factors: Vec<_> = build.powers.into_iter().collect();
        match factors.as_slice() {
            [] => self.exact(build.coefficient),
            [(base, exponent)] if self.is_one(*exponent) => {
                self.linear(&[(build.coefficient, *base)])
            }
            _ => self.intern(Node::Product(build.coefficient, factors)),
        }
    }

    /// Brings `base^exponent` into the product under construction.
    fn absorb(&mut self, base: Expr, exponent: Expr, build: &mut ProductBuild) {
        if self.is_zero(exponent) {
            return;
        }
        let node = self.shared(base);
        let power = self.as_number(exponent).cloned();
        if let Some(power) = &power {
            self.pay(power.steps());
        }
        match (&*node, power) {
            (Node::Number(value), _) if value.is_one() => {}
            (Node::Number(value), Some(power)) => {
                self.absorb_number(value, base, &power, exponent, build);
            }
            (Node::Apply(Function::Exp, arguments), _) => {
                let argument = self.mul(&[exponent, arguments[0]]);
                build.exponents.push(argument);
            }
            (Node::Apply(Function::Abs, arguments), Some(power)) if power.is_even() => {
                build.work.push((arguments[0], exponent));
            }
            (Node::Product(coefficient, factors), Some(power)) => {
                self.absorb_product((coefficient, factors), base, &power, exponent, build)
            }
            (Node::Sum(_, terms), Some(power))
                if power.is_integer() && terms[0].1.is_negative() =>
            {
                // One sign per sum, so that (a - b) and (b - a) cancel.
                let flipped = self.neg(base);
                if !power.is_even() {
                    build.coefficient = -&build.coefficient;
                }
                self.collect(flipped, exponent, build);
            }
            _ => self.collect(base, exponent, build),
        }
    }

    fn collect(&mut self, base: Expr, exponent: Expr, build: &mut ProductBuild) {
        match build.powers.remove(&base) {
            // The sum may have become reducible (an integer, zero): absorb it afresh.
            Some(earlier) => {
                let total = self.add(&[earlier, exponent]);
                build.work.push((base, total));
            }
            None => {
                build.powers.insert(base, exponent);
            }
        }
    }

    fn absorb_number(
        &mut self,
        value: &Rational,
        base: Expr,
        power: &Rational,
        exponent: Expr,
        build: &mut ProductBuild,
    ) {
        if value.is_zero() {
            build.undefined |= power.is_negative();
            build.coefficient = Rational::zero();
            return;
        }
        let whole = power.floor();
        let folded = whole.to_integer().and_then(|n| value.power(n));
        let Some(folded) = folded else {
            return self.collect(base, exponent, build);
        };
        self.pay(value.steps() + folded.steps_with(&build.coefficient));
        if power.is_integer() {
            build.coefficient = &build.coefficient * &folded;
            return;
        }
        let rest = power - &whole;
        let split = (!value.is_negative())
            .then(|| rest.small())
            .flatten()
            .and_then(|(p, q)| {
                let root = u32::try_from(q).ok().filter(|q| *q <= 16)?;
                value.power(p)?.split_root(root).map(|s| (s, q))
            });
        let Some(((outside, inside), root)) = split else {
            return self.collect(base, exponent, build);
        };
        build.coefficient = &(&build.coefficient * &folded) * &outside;
        if inside.is_one() {
            return;
        }
        let exponent = self.rational(1, root);
        // sqrt(2) sqrt(3) = sqrt(6)
        let partner = build
            .powers
            .iter()
            .find(|(b, e)| **e == exponent && self.as_number(**b).is_some_and(|v| !v.is_negative()))
            .map(|(b, _)| *b);
        match partner {
            Some(partner) => {
                build.powers.remove(&partner);
                let merged = self.as_number(partner).map(|v| v * &inside);
                let merged = self.exact(merged.expect("the partner is a number"));
                build.work.push((merged, exponent));
            }
            None => {
                let inside = self.exact(inside);
                build.powers.insert(inside, exponent);
            }
        }
    }

    /// `(c * prod b^e)^r`: distributes integer powers; of other powers only what is surely
    /// nonnegative moves out, so `sqrt(x^2)` is `abs(x)`.
    fn absorb_product(
        &mut self,
        (coefficient, factors): (&Rational, &[(Expr, Expr)]),
        base: Expr,
        power: &Rational,
        exponent: Expr,
        build: &mut ProductBuild,
    ) {
        if let Some(n) = power.to_integer() {
            match coefficient.power(n) {
                Some(value) => {
                    self.pay(value.steps_with(&build.coefficient));
                    build.coefficient = &build.coefficient * &value;
                }
                None => {
                    let number = self.exact(coefficient.clone());
                    self.collect(number, exponent, build);
                }
            }
            for (b, e) in factors {
                let e = self.mul(&[*e, exponent]);
                build.work.push((*b, e));
            }
            return;
        }
        let mut kept = Vec::new();
        for (b, e) in factors {
            let even = self.as_number(*e).is_some_and(Rational::is_even);
            let total = self.mul(&[*e, exponent]);
            if even {
                let size = self.apply(Function::Abs, &[*b]);
                build.work.push((size, total));
            } else if self.is_nonnegative_power(*b, *e) {
                build.work.push((*b, total));
            } else {
                kept.push((*b, *e));
            }
        }
        let size = coefficient.abs();
        if kept.len() == factors.len() && size.is_one() {
            return self.collect(base, exponent, build);
        }
        let size = self.exact(size);
        build.work.push((size, exponent));
        let sign = Rational::integer(if coefficient.is_negative() { -1 } else { 1 });
        let rest = self.product(sign, kept);
        build.work.push((rest, exponent));
    }

    fn is_nonnegative_power(&self, base: Expr, exponent: Expr) -> bool {
        match self.node(base) {
            Node::Number(value) => !value.is_negative(),
            Node::Pi | Node::Apply(Function::Exp | Function::Abs | Function::Sigmoid, _) => true,
            // A fractional power is real only for a nonnegative base.
            _ => self
                .as_number(exponent)
                .and_then(Rational::small)
                .is_some_and(|(_, q)| q % 2 == 0),
        }
    }

    pub fn less(&mut self, a: Expr, b: Expr) -> Expr {
        self.compare(Relation::Less, a, b)
    }

    pub fn less_or_equal(&mut self, a: Expr, b: Expr) -> Expr {
        self.compare(Relation::LessOrEqual, a, b)
    }

    pub fn compare(&mut self, relation: Relation, a: Expr, b: Expr) -> Expr {
        if let (Some(x), Some(y)) = (self.as_number(a), self.as_number(b)) {
            let value = match relation {
                Relation::Less => x < y,
                Relation::LessOrEqual => x <= y,
                Relation::Equal => x == y,
                Relation::NotEqual => x != y,
            };
            return self.truth(value);
        }
        let symmetric = matches!(relation, Relation::Equal | Relation::NotEqual);
        let (a, b) = if symmetric && b < a { (b, a) } else { (a, b) };
        self.intern(Node::Compare(relation, a, b))
    }

    pub fn and(&mut self, parts: &[Expr]) -> Expr {
        self.junction(parts, true)
    }

    pub fn or(&mut self, parts: &[Expr]) -> Expr {
        self.junction(parts, false)
    }

    /// `and` (neutral element true) or `or` (neutral element false).
    fn junction(&mut self, parts: &[Expr], neutral: bool) -> Expr {
        let mut flat = Vec::new();
        for part in parts {
            match (self.node(*part), neutral) {
                (Node::Truth(value), _) if *value == neutral => {}
                (Node::Truth(_), _) => return *part,
                (Node::And(inner), true) | (Node::Or(inner), false) => flat.extend(inner),
                _ => flat.push(*part),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        match flat.as_slice() {
            [] => self.truth(neutral),
            [single] => *single,
            _ if neutral => self.intern(Node::And(flat)),
            _ => self.intern(Node::Or(flat)),
        }
    }

    pub fn not(&mut self, a: Expr) -> Expr {
        match *self.node(a) {
            Node::Truth(value) => self.truth(!value),
            Node::Not(inner) => inner,
            _ => self.intern(Node::Not(a)),
        }
    }

    /// `if(condition, yes, no)`; only the taken branch counts, whatever the other evaluates to.
    pub fn choose(&mut self, condition: Expr, yes: Expr, no: Expr) -> Expr {
        match *self.node(condition) {
            Node::Truth(true) => yes,
            Node::Truth(false) => no,
            _ if yes == no => yes,
            Node::Not(inner) => self.choose(inner, no, yes),
            _ => self.intern(Node::Choose(condition, yes, no)),
        }
    }

    /// Builds a node equal to `node` with every child replaced by `image(child)`.
    pub(super) fn rebuild(&mut self, node: &Node, image: impl Fn(Expr) -> Expr) -> Expr {
        match node {
            Node::Sum(constant, terms) => {
                let constant = self.exact(constant.clone());
                let mut parts = vec![(Rational::one(), constant)];
                parts.extend(terms.iter().map(|(term, c)| (c.clone(), image(*term))));
                self.linear(&parts)
            }
            Node::Product(coefficient, factors) => {
                let factors = factors.iter().map(|(b, e)| (image(*b), image(*e)));
                let factors = factors.collect();
                self.product(coefficient.clone(), factors)
            }
            Node::Apply(function, arguments) => {
                let arguments: Vec<_> = arguments.iter().map(|a| image(*a)).collect();
                self.apply(*function, &arguments)
            }
            Node::Unknown(name, arguments, orders) => self.intern(Node::Unknown(
                name.clone(),
                arguments.iter().map(|a| image(*a)).collect(),
                orders.clone(),
            )),
            Node::Compare(relation, a, b) => self.compare(*relation, image(*a), image(*b)),
            Node::And(parts) => {
                let parts: Vec<_> = parts.iter().map(|a| image(*a)).collect();
                self.and(&parts)
            }
            Node::Or(parts) => {
                let parts: Vec<_> = parts.iter().map(|a| image(*a)).collect();
                self.or(&parts)
            }
            Node::Not(a) => self.not(image(*a)),
            Node::Choose(condition, yes, no) => {
                self.choose(image(*condition), image(*yes), image(*no))
            }
            Node::Number(_)
            | Node::Pi
            | Node::Infinity
            | Node::Undefined
            | Node::Truth(_)
            | Node::Symbol(_) => self.intern(node.clone()),
        }
    }
}

struct ProductBuild {
    coefficient: Rational,
    powers: BTreeMap<Expr, Expr>,
    /// Arguments of the exponentials met so far.
    exponents: Vec<Expr>,
    work: Vec<(Expr, Expr)>,
    /// A division by zero was met.
    undefined: bool,
}
