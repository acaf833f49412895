//! The hash-consed arena.

use super::function::Function;
use super::origin::Origins;
use super::rational::Rational;
use crate::numeric::time_limit::look;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A node of a [`Graph`]. Equal handles of one graph are equal expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expr(pub(super) u32);

/// What a comparison asks. `a > b` is stored as `b < a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

impl Relation {
    /// Whether one side may be anything below (or up to) the other.
    pub fn is_inequality(self) -> bool {
        matches!(self, Self::Less | Self::LessOrEqual)
    }
}

/// A canonical node. Only the constructors of [`Graph`] make nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    Number(Rational),
    Pi,
    Infinity,
    /// Not a number, whatever the point.
    Undefined,
    Truth(bool),
    Symbol(String),
    /// An opaque function `(name, arguments, orders)`; `orders` counts derivatives with respect to each argument slot.
    Unknown(String, Vec<Expr>, Vec<u32>),
    /// `(constant, terms)`: `constant + sum coefficient * term`, terms sorted, coefficients nonzero.
    Sum(Rational, Vec<(Expr, Rational)>),
    /// `(coefficient, factors)`: `coefficient * prod base^exponent`, bases sorted, exponents nonzero.
    Product(Rational, Vec<(Expr, Expr)>),
    Apply(Function, Vec<Expr>),
    Compare(Relation, Expr, Expr),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Expr),
    /// `if(condition, yes, no)`.
    Choose(Expr, Expr, Expr),
}

impl Node {
    /// Calls `visit` with every child.
    pub(super) fn children(&self, mut visit: impl FnMut(Expr)) {
        match self {
            Self::Number(_)
            | Self::Pi
            | Self::Infinity
            | Self::Undefined
            | Self::Truth(_)
            | Self::Symbol(_) => {}
            Self::Unknown(_, arguments, _) | Self::Apply(_, arguments) => {
                arguments.iter().copied().for_each(visit);
            }
            Self::Sum(_, terms) => terms.iter().for_each(|(term, _)| visit(*term)),
            Self::Product(_, factors) => {
                for (base, exponent) in factors {
                    visit(*base);
                    visit(*exponent);
                }
            }
            Self::Compare(_, a, b) => {
                visit(*a);
                visit(*b);
            }
            Self::And(parts) | Self::Or(parts) => parts.iter().copied().for_each(visit),
            Self::Not(a) => visit(*a),
            Self::Choose(condition, yes, no) => {
                visit(*condition);
                visit(*yes);
                visit(*no);
            }
        }
    }
}

/// Hash-consed expressions.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Arc<Node>>,
    // Only looked up, never iterated: results do not depend on hash order.
    handles: FxHashMap<Arc<Node>, Expr>,
    pub(super) derivatives: FxHashMap<(Expr, Expr), Expr>,
    pub(super) expansions: FxHashMap<Expr, Expr>,
    pub(super) origins: Origins,
    /// Steps taken to write out what was read into this graph, all expressions together.
    pub(super) steps: usize,
    /// Further steps for the numbers that are bound to names: what is large as typed may be large when written out.
    allowance: usize,
    /// Whether a text is being read, whose steps are counted and limited.
    pub(super) is_counting: bool,
    /// Whether the text being read takes more steps than are left.
    is_refused: bool,
    /// Nodes that were asked for.
    asked: u32,
    /// Factors that were multiplied out for proofs that came to nothing.
    pub(super) attempted: usize,
}

/// Nodes that are asked for between two looks at the time.
const BETWEEN_LOOKS: u32 = 256;

/// Open nodes up to which a search keeps them in a tree.
const FEW: usize = 32;

/// Steps all expressions read into one graph may take: a part read, a component formed, a term or factor
/// touched, an operand stored, a pair of words of long numbers multiplied.
pub(super) const MOST_STEPS: usize = 2_000_000;
/// Steps more for each number of a matrix that is bound to a name.
const STEPS_PER_NUMBER: usize = 16;

impl Graph {
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of distinct nodes made so far.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node behind a handle of this graph.
    pub fn node(&self, e: Expr) -> &Node {
        &self.nodes[e.0 as usize]
    }

    /// A shared copy of the node, for passes that build while they read.
    pub(super) fn shared(&self, e: Expr) -> Arc<Node> {
        Arc::clone(&self.nodes[e.0 as usize])
    }

    /// Announces numbers of a file or table, which expressions may then use.
    pub fn expect_numbers(&mut self, count: usize) {
        self.allowance = self.allowance.saturating_add(STEPS_PER_NUMBER * count);
    }

    /// Steps that all expressions may take.
    pub(super) fn most_steps(&self) -> usize {
        MOST_STEPS.saturating_add(self.allowance)
    }

    /// Counts `steps` of reading; false when the text takes too many.
    ///
    /// From then on constructors give `Undefined` at once instead of anything compound, so that what is
    /// under way (a gradient, a determinant) ends soon. The text is refused.
    pub(super) fn pay(&mut self, steps: usize) -> bool {
        if self.is_counting {
            // Steps that are refused are not taken: they leave the rest to other texts.
            match self.steps.checked_add(steps) {
                Some(total) if total <= self.most_steps() => self.steps = total,
                _ => self.is_refused = true,
            }
        }
        !self.is_exhausted()
    }

    /// Whether the text being read has taken too many steps.
    pub(super) fn is_exhausted(&self) -> bool {
        self.is_refused
    }

    /// Ends the reading of a text; what was derived with too few steps is forgotten.
    pub(super) fn end_reading(&mut self) {
        if self.is_exhausted() {
            self.derivatives.clear();
            self.expansions.clear();
        }
        self.is_counting = false;
        self.is_refused = false;
    }

    pub(super) fn intern(&mut self, node: Node) -> Expr {
        self.asked = self.asked.wrapping_add(1);
        if self.asked.is_multiple_of(BETWEEN_LOOKS) {
            look();
        }
        if self.is_counting {
            let mut operands = 0;
            node.children(|_| operands += 1);
            if !self.pay(1 + operands) && operands > 0 {
                return self.undefined();
            }
        }
        if let Some(e) = self.handles.get(&node) {
            return *e;
        }
        let e = Expr(u32::try_from(self.nodes.len()).expect("a graph holds fewer than 2^32 nodes"));
        let node = Arc::new(node);
        self.nodes.push(Arc::clone(&node));
        self.handles.insert(node, e);
        e
    }

    /// The handle of a node that exists already.
    pub(super) fn find(&self, node: &Node) -> Option<Expr> {
        self.handles.get(node).copied()
    }

    /// The exact value of a number node.
    pub fn as_number(&self, e: Expr) -> Option<&Rational> {
        match self.node(e) {
            Node::Number(value) => Some(value),
            _ => None,
        }
    }

    /// The value of an integer node.
    pub fn as_integer(&self, e: Expr) -> Option<i64> {
        self.as_number(e).and_then(Rational::to_integer)
    }

    pub fn is_zero(&self, e: Expr) -> bool {
        self.as_number(e).is_some_and(Rational::is_zero)
    }

    pub fn is_one(&self, e: Expr) -> bool {
        self.as_number(e).is_some_and(Rational::is_one)
    }

    /// True for comparisons, `and`, `or`, `not` and truth values.
    pub fn is_condition(&self, e: Expr) -> bool {
        matches!(
            self.node(e),
            Node::Truth(_) | Node::Compare(..) | Node::And(_) | Node::Or(_) | Node::Not(_)
        )
    }

    /// The name of a symbol node.
    pub fn symbol_name(&self, e: Expr) -> Option<&str> {
        match self.node(e) {
            Node::Symbol(name) => Some(name),
            _ => None,
        }
    }

    /// Everything below `roots` (and the roots), children before parents.
    pub fn reachable(&self, roots: &[Expr]) -> Vec<Expr> {
        self.reachable_until(roots, |_| false)
    }

    /// As [`Self::reachable`], without descending into (or listing) nodes where `stop` holds.
    pub(super) fn reachable_until(&self, roots: &[Expr], stop: impl Fn(Expr) -> bool) -> Vec<Expr> {
        let mut open: BTreeSet<Expr> = roots.iter().copied().filter(|e| !stop(*e)).collect();
        let mut found = Vec::new();
        // Children have smaller handles, so taking the largest first visits each node once.
        while open.len() <= FEW
            && let Some(e) = open.pop_last()
        {
            found.push(e);
            self.node(e).children(|child| {
                if !stop(child) {
                    open.insert(child);
                }
            });
        }
        self.reach_many(&open, &stop, &mut found);
        found.reverse();
        found
    }

    /// Goes on with many open nodes: a bit for each handle below the largest.
    fn reach_many(
        &self,
        open: &BTreeSet<Expr>,
        stop: &impl Fn(Expr) -> bool,
        found: &mut Vec<Expr>,
    ) {
        let Some(largest) = open.last() else { return };
        let mut words = vec![0_u64; largest.0 as usize / 64 + 1];
        for e in open {
            words[e.0 as usize / 64] |= 1 << (e.0 % 64);
        }
        for at in (0..words.len()).rev() {
            while words[at] != 0 {
                let bit = 63 - words[at].leading_zeros();
                words[at] &= !(1 << bit);
                let e = Expr((at * 64) as u32 + bit);
                found.push(e);
                self.node(e).children(|child| {
                    if !stop(child) {
                        words[child.0 as usize / 64] |= 1 << (child.0 % 64);
                    }
                });
            }
        }
    }

    /// Whether `symbol` occurs below `e` (also inside the arguments of unknown functions).
    pub fn depends_on(&self, e: Expr, symbol: Expr) -> bool {
        self.depends_on_any(e, &[symbol])
    }

    /// Whether any of `symbols` occurs below `e`.
    pub fn depends_on_any(&self, e: Expr, symbols: &[Expr]) -> bool {
        if matches!(self.node(e), Node::Number(_)) {
            return false;
        }
        let Some(lowest) = symbols.iter().min() else {
            return false;
        };
        // Older than every symbol: cannot contain one.
        if e < *lowest {
            return false;
        }
        let many: Option<FxHashSet<Expr>> =
            (symbols.len() > FEW).then(|| symbols.iter().copied().collect());
        let wanted = |e: &Expr| match &many {
            Some(set) => set.contains(e),
            None => symbols.contains(e),
        };
        let mut open = BTreeSet::from([e]);
        while let Some(e) = open.pop_last() {
            if wanted(&e) {
                return true;
            }
            if e < *lowest {
                return false;
            }
            self.node(e).children(|child| {
                open.insert(child);
            });
        }
        false
    }

    /// The symbols below `roots`, in order of creation.
    pub fn symbols(&self, roots: &[Expr]) -> Vec<Expr> {
        let mut found = self.reachable(roots);
        found.retain(|e| matches!(self.node(*e), Node::Symbol(_)));
        found
    }

    /// The unknown functions (and their derivatives) below `roots`.
    pub fn unknowns(&self, roots: &[Expr]) -> Vec<Expr> {
        let mut found = self.reachable(roots);
        found.retain(|e| matches!(self.node(*e), Node::Unknown(..)));
        found
    }

    /// The nodes below `e` that are not smooth: `abs`, `sign`, `min`, `max`, `floor`, `if`.
    pub fn kinks(&self, e: Expr) -> Vec<Expr> {
        let mut found = self.reachable(&[e]);
        found.retain(|e| match self.node(*e) {
            Node::Choose(..) => true,
            Node::Apply(function, _) => function.is_kinked(),
            _ => false,
        });
        found
    }

    pub fn is_kinked(&self, e: Expr) -> bool {
        !self.kinks(e).is_empty()
    }
}
