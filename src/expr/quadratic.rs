//! Structure queries: an expression as a polynomial of degree two in given symbols, read off its form.

use super::graph::{Expr, Graph, Node};
use super::rational::Rational;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// `c_0 + sum_i c_i s_i + sum_(i <= j) c_ij s_i s_j` in symbols `s`; no coefficient contains one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct QuadraticForm {
    pub constant: Expr,
    /// One entry a symbol.
    pub linear: Vec<Expr>,
    /// By pairs of indices, the smaller first; what is missing is zero.
    pub quadratic: BTreeMap<(usize, usize), Expr>,
}

impl QuadraticForm {
    /// The symmetric matrix `M` of second derivatives: the form is `1/2 s'M s` and what is of lower degree.
    pub fn curvature(&self, graph: &mut Graph) -> Vec<Vec<Expr>> {
        let (size, zero) = (self.linear.len(), graph.zero());
        let mut matrix = vec![vec![zero; size]; size];
        for (&(i, j), &entry) in &self.quadratic {
            if i == j {
                matrix[i][i] = graph.linear(&[(Rational::integer(2), entry)]);
            } else {
                (matrix[i][j], matrix[j][i]) = (entry, entry);
            }
        }
        matrix
    }
}

/// Indices of the symbols of a monomial, the smaller first; `NONE` for no symbol.
type Monomial = (u32, u32);
const NONE: u32 = u32::MAX;

/// A number, and multiples of expressions that contain no symbol.
#[derive(Clone, Debug, Default)]
struct Coefficient {
    number: Option<Rational>,
    others: Vec<(Rational, Expr)>,
}

impl Coefficient {
    fn number(value: &Rational) -> Self {
        Self {
            number: (!value.is_zero()).then(|| value.clone()),
            others: Vec::new(),
        }
    }

    fn add_scaled(&mut self, factor: &Rational, other: &Self) {
        if let Some(value) = &other.number {
            let value = factor * value;
            self.number = Some(match &self.number {
                Some(sum) => sum + &value,
                None => value,
            });
        }
        let scaled = other.others.iter().map(|(c, e)| (factor * c, *e));
        self.others.extend(scaled);
    }

    fn times(&self, other: &Self, graph: &mut Graph) -> Self {
        let mut product = Self::default();
        if let Some(value) = &self.number {
            product.add_scaled(value, other);
        }
        for (c, e) in &self.others {
            if let Some(value) = &other.number {
                product.others.push((c * value, *e));
            }
            for (b, f) in &other.others {
                let both = graph.mul(&[*e, *f]);
                product.others.push((c * b, both));
            }
        }
        product
    }

    fn node(&self, graph: &mut Graph) -> Expr {
        if self.others.is_empty() {
            return graph.exact(self.number.clone().unwrap_or_else(Rational::zero));
        }
        let mut parts = self.others.clone();
        if let Some(value) = &self.number {
            let one = graph.one();
            parts.push((value.clone(), one));
        }
        graph.linear(&parts)
    }
}

type Polynomial = BTreeMap<Monomial, Coefficient>;

/// Products of coefficients that one reading may form.
const PRODUCTS: usize = 4_000_000;

impl Graph {
    /// The integral of `e` over `symbol` from zero, where `e` is read as a polynomial of degree two at most.
    pub fn integral_from_zero(&mut self, e: Expr, symbol: Expr) -> Option<Expr> {
        let form = self.quadratic_form(e, &[symbol])?;
        let square = form.quadratic.get(&(0, 0)).copied();
        let coefficients = [Some(form.constant), Some(form.linear[0]), square];
        let mut terms = Vec::new();
        for (degree, coefficient) in (1..).zip(coefficients) {
            let Some(coefficient) = coefficient else {
                continue;
            };
            let share = self.rational(1, degree);
            let power = self.powi(symbol, degree);
            terms.push(self.mul(&[share, coefficient, power]));
        }
        Some(self.add(&terms))
    }

    /// Reads `e` as a polynomial of degree two at most in `symbols`; `None` where its form does not show one.
    ///
    /// Sums are added and products multiplied out, so that the answer is exact; nothing is differentiated. Expressions
    /// whose higher terms cancel only after an expansion are not read.
    ///
    /// # Cost
    /// Linear in the number of operands of `e`, and in that of its monomials.
    pub fn quadratic_form(&mut self, e: Expr, symbols: &[Expr]) -> Option<QuadraticForm> {
        if !self.depends_on_any(e, symbols) {
            let zero = self.zero();
            return Some(QuadraticForm {
                constant: e,
                linear: vec![zero; symbols.len()],
                quadratic: BTreeMap::new(),
            });
        }
        let mut reading = Reading::of(symbols);
        let polynomial = reading.of_root(self, e)?;
        let mut form = QuadraticForm {
            constant: self.zero(),
            linear: vec![self.zero(); symbols.len()],
            quadratic: BTreeMap::new(),
        };
        for ((low, high), coefficient) in &polynomial {
            let node = coefficient.node(self);
            match (*low, *high) {
                (NONE, _) => form.constant = node,
                (i, NONE) => form.linear[i as usize] = node,
                (i, j) if !self.is_zero(node) => {
                    form.quadratic.insert((i as usize, j as usize), node);
                }
                _ => {}
            }
        }
        Some(form)
    }
}

/// The polynomials of the nodes read so far.
struct Reading {
    index: FxHashMap<Expr, u32>,
    lowest: Option<Expr>,
    /// `None` for nodes without symbols.
    known: FxHashMap<Expr, Option<Polynomial>>,
    products: usize,
}

impl Reading {
    fn of(symbols: &[Expr]) -> Self {
        Self {
            index: symbols.iter().copied().zip(0..).collect(),
            lowest: symbols.iter().min().copied(),
            known: FxHashMap::default(),
            products: 0,
        }
    }

    fn of_root(&mut self, graph: &mut Graph, e: Expr) -> Option<Polynomial> {
        // Nodes older than every symbol contain none.
        let lowest = self.lowest;
        let order = graph.reachable_until(&[e], |n| lowest.is_none_or(|lowest| n < lowest));
        for n in order {
            let polynomial = self.of_node(graph, n)?;
            self.known.insert(n, polynomial);
        }
        Some(match self.known.remove(&e).flatten() {
            Some(polynomial) => polynomial,
            None => BTreeMap::from([((NONE, NONE), free(graph, e))]),
        })
    }

    /// The polynomial of a node whose children are read; an outer `None` where it is of higher degree or none.
    fn of_node(&mut self, graph: &mut Graph, n: Expr) -> Option<Option<Polynomial>> {
        if let Some(i) = self.index.get(&n) {
            let one = Coefficient::number(&Rational::one());
            return Some(Some(BTreeMap::from([((*i, NONE), one)])));
        }
        let node = graph.shared(n);
        let mut moves = false;
        node.children(|child| moves |= self.moves(child));
        if !moves {
            return Some(None);
        }
        match &*node {
            Node::Sum(constant, terms) => {
                let mut sum = BTreeMap::from([((NONE, NONE), Coefficient::number(constant))]);
                for (term, factor) in terms {
                    self.add(graph, &mut sum, *term, factor);
                }
                Some(Some(sum))
            }
            Node::Product(coefficient, factors) => {
                self.of_product(graph, coefficient, factors).map(Some)
            }
            _ => None,
        }
    }

    fn moves(&self, e: Expr) -> bool {
        self.index.contains_key(&e) || matches!(self.known.get(&e), Some(Some(_)))
    }

    fn add(&self, graph: &Graph, sum: &mut Polynomial, term: Expr, factor: &Rational) {
        match self.known.get(&term) {
            Some(Some(polynomial)) => {
                for (monomial, coefficient) in polynomial {
                    let entry = sum.entry(*monomial).or_default();
                    entry.add_scaled(factor, coefficient);
                }
            }
            _ => {
                let entry = sum.entry((NONE, NONE)).or_default();
                entry.add_scaled(factor, &free(graph, term));
            }
        }
    }

    fn of_product(
        &mut self,
        graph: &mut Graph,
        coefficient: &Rational,
        factors: &[(Expr, Expr)],
    ) -> Option<Polynomial> {
        let one = graph.one();
        let (moving, still): (Vec<_>, Vec<_>) =
            factors.iter().partition(|(base, _)| self.moves(*base));
        if factors.iter().any(|(_, exponent)| self.moves(*exponent)) {
            return None;
        }
        let still = graph.product(coefficient.clone(), still);
        let mut product = BTreeMap::from([((NONE, NONE), free(graph, still))]);
        for (base, exponent) in moving {
            let times = match graph.as_integer(exponent) {
                Some(1) => 1,
                Some(2) => 2,
                _ if exponent == one => 1,
                _ => return None,
            };
            for _ in 0..times {
                product = self.times(graph, &product, base)?;
            }
        }
        Some(product)
    }

    fn times(&mut self, graph: &mut Graph, left: &Polynomial, right: Expr) -> Option<Polynomial> {
        let right = self.known.get(&right)?.as_ref()?;
        self.products += left.len() * right.len();
        if self.products > PRODUCTS {
            return None;
        }
        let mut product = Polynomial::new();
        for (a, c) in left {
            for (b, d) in right {
                let both = c.times(d, graph);
                if both.number.is_none() && both.others.is_empty() {
                    continue;
                }
                let entry = product.entry(joined(*a, *b)?).or_default();
                entry.add_scaled(&Rational::one(), &both);
            }
        }
        Some(product)
    }
}

/// The product of two monomials; `None` above degree two.
fn joined(a: Monomial, b: Monomial) -> Option<Monomial> {
    match (a, b) {
        ((NONE, _), other) | (other, (NONE, _)) => Some(other),
        ((i, NONE), (j, NONE)) => Some((i.min(j), i.max(j))),
        _ => None,
    }
}

/// An expression without symbols as a coefficient.
fn free(graph: &Graph, e: Expr) -> Coefficient {
    match graph.as_number(e) {
        Some(value) => Coefficient::number(value),
        None => Coefficient {
            number: None,
            others: vec![(Rational::one(), e)],
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::expr::Graph;
    use crate::expr::arithmetic::{exp, power};

    #[test]
    fn polynomials_of_second_degree_are_integrated() {
        let mut graph = Graph::new();
        let [t, k] = ["t", "k"].map(|name| graph.symbol(name));
        let (two, three) = (graph.integer(2), graph.integer(3));
        let square = graph.powi(t, 2);
        let linear = graph.mul(&[k, t]);
        let curved = graph.mul(&[three, square]);
        let e = graph.add(&[two, linear, curved]);
        let integral = graph.integral_from_zero(e, t).expect("a polynomial");
        let value = graph.evaluate(integral, &[(t, 2.0), (k, 5.0)]);
        assert_eq!(value, Some(2.0 * 2.0 + 5.0 * 2.0 + 8.0));
        let cube = graph.powi(t, 3);
        assert!(graph.integral_from_zero(cube, t).is_none());
    }

    #[test]
    fn products_and_squares_are_multiplied_out() {
        let mut g = Graph::new();
        let (a, t) = (g.symbol("a"), g.symbol("t"));
        let (x, y) = (g.symbol("x"), g.symbol("y"));
        let e = g.of(power(x - 2 * y + t, 2) * a / 2 + 3 * x * (y - 1) + exp(a * t));
        let form = g.quadratic_form(e, &[x, y]).expect("quadratic");
        assert_eq!(form.constant, g.of(a * power(t, 2) / 2 + exp(a * t)));
        assert_eq!(form.linear, [g.of(a * t - 3), g.of(-2 * a * t)]);
        let (xx, xy, yy) = (g.of(a / 2), g.of(3 - 2 * a), g.of(2 * a));
        let entries: Vec<_> = form.quadratic.into_iter().collect();
        assert_eq!(entries, [((0, 0), xx), ((0, 1), xy), ((1, 1), yy)]);
    }

    #[test]
    fn higher_degrees_and_other_functions_are_not_read() {
        let mut g = Graph::new();
        let (x, y) = (g.symbol("x"), g.symbol("y"));
        let cubic = g.of(x * x * y);
        let root = g.of(power(x * x, power(2, -1)) + y);
        let wave = g.of(exp(x) * y);
        for e in [cubic, root, wave] {
            assert_eq!(g.quadratic_form(e, &[x, y]), None, "{}", g.text(e));
        }
        let form = g.quadratic_form(wave, &[y]).expect("linear in y");
        assert_eq!(form.linear, [g.of(exp(x))]);
        assert!(form.quadratic.is_empty());
    }
}
