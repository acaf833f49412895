//! From nodes to a tape: what depends on nothing is folded, what depends on time alone is done once per
//! call, the rest runs per point.

use super::function::Function;
use super::graph::{Expr, Graph, Node, Relation};
use super::rational::Rational;
use super::registers::{assign, schedule};
use super::tape::{Op, Operand, Row, Step, apply};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// A finished tape.
#[derive(Clone, Debug)]
pub(super) struct Tape {
    /// Values known at compile time; slot 0 is time.
    pub(super) slots: Vec<f64>,
    /// Once per call, in slots.
    pub(super) per_call: Vec<Step>,
    /// Sums of many inputs with numbers before them: a matrix times the inputs.
    pub(super) rows: Vec<Row>,
    /// Once per block, in registers; the inputs arrive in the first registers, the rows in those after them.
    pub(super) per_point: Vec<Step>,
    pub(super) registers: usize,
    pub(super) outputs: Vec<Operand>,
}

/// `scalar * column * column * ...`
#[derive(Clone, Debug)]
struct Factored {
    scalar: Operand,
    columns: Vec<Operand>,
}

struct Lowering<'a> {
    graph: &'a Graph,
    slots: Vec<f64>,
    /// Whether a slot is known at compile time.
    constant: Vec<bool>,
    constants: FxHashMap<u64, Operand>,
    per_call: Vec<Step>,
    per_point: Vec<Step>,
    /// Values per point so far, inputs included.
    columns: u32,
    /// Numbers of the inputs.
    places: FxHashMap<Expr, u32>,
    shared: FxHashMap<(Op, [Operand; 3]), Operand>,
    values: FxHashMap<Expr, Operand>,
    /// What sums have in rows.
    in_rows: FxHashMap<Expr, InRows>,
    /// Shifted exponentials and the inverse of their sum, per `logsumexp` node.
    softmax: FxHashMap<Expr, (Vec<Operand>, Operand)>,
}

/// Terms up to which a sum is added up step by step.
const FEW: usize = 8;

/// Terms of a sum that are formed by rows.
#[derive(Clone, Debug, Default)]
struct InRows {
    /// Of the inputs by themselves.
    linear: Option<u32>,
    /// Of products of two: the first input, and the row of the second ones.
    quadratic: Vec<(u32, u32)>,
}

/// What a term of a sum is of the inputs.
enum Monomial {
    Input(u32),
    Pair(u32, u32),
}

fn monomial(graph: &Graph, inputs: &FxHashMap<Expr, u32>, term: Expr) -> Option<Monomial> {
    if let Some(input) = inputs.get(&term) {
        return Some(Monomial::Input(*input));
    }
    let Node::Product(_, factors) = graph.node(term) else {
        return None;
    };
    let found: Option<Vec<(u32, i64)>> = factors
        .iter()
        .map(|(base, power)| Some((*inputs.get(base)?, graph.as_integer(*power)?)))
        .collect();
    match found?.as_slice() {
        [(i, 2)] => Some(Monomial::Pair(*i, *i)),
        [(i, 1), (j, 1)] => Some(Monomial::Pair(*i.min(j), *i.max(j))),
        _ => None,
    }
}

/// Rows for the sums of many inputs, and of many products of two.
fn rows(
    graph: &Graph,
    order: &[Expr],
    inputs: &FxHashMap<Expr, u32>,
) -> (Vec<Row>, FxHashMap<Expr, InRows>) {
    let (mut rows, mut found) = (Vec::new(), FxHashMap::default());
    for n in order {
        let Node::Sum(_, terms) = graph.node(*n) else {
            continue;
        };
        let (mut linear, mut quadratic) = (Row::new(), BTreeMap::<u32, Row>::new());
        for (term, factor) in terms {
            match monomial(graph, inputs, *term) {
                Some(Monomial::Input(i)) => linear.push((i, factor.to_f64())),
                Some(Monomial::Pair(i, j)) => {
                    quadratic.entry(i).or_default().push((j, factor.to_f64()));
                }
                None => {}
            }
        }
        let mut place = |row: Row| {
            rows.push(row);
            u32::try_from(rows.len() - 1).expect("fewer than 2^32 rows")
        };
        let mut own = InRows::default();
        if linear.len() > FEW {
            own.linear = Some(place(linear));
        }
        if quadratic.values().map(Vec::len).sum::<usize>() > FEW * FEW {
            let pairs = quadratic.into_iter();
            own.quadratic = pairs.map(|(i, row)| (i, place(row))).collect();
        }
        if own.linear.is_some() || !own.quadratic.is_empty() {
            found.insert(*n, own);
        }
    }
    (rows, found)
}

pub(super) fn lower(graph: &Graph, outputs: &[Expr], time: Expr, state: &[Expr]) -> Tape {
    let order = graph.reachable(outputs);
    let places: FxHashMap<Expr, u32> = state.iter().copied().zip(0..).collect();
    let (rows, in_rows) = rows(graph, &order, &places);
    let mut lowering = Lowering {
        graph,
        slots: vec![0.0],
        constant: vec![false],
        constants: FxHashMap::default(),
        per_call: Vec::new(),
        per_point: Vec::new(),
        columns: u32::try_from(state.len() + rows.len()).expect("fewer than 2^32 inputs"),
        places,
        in_rows,
        shared: FxHashMap::default(),
        values: FxHashMap::default(),
        softmax: FxHashMap::default(),
    };
    lowering.values.insert(time, Operand::Slot(0));
    for (i, symbol) in (0..).zip(state) {
        lowering.values.insert(*symbol, Operand::Column(i));
    }
    // How many nodes and outputs refer to a node.
    let mut uses: FxHashMap<Expr, usize> = FxHashMap::default();
    for output in outputs {
        *uses.entry(*output).or_default() += 1;
    }
    for n in &order {
        graph
            .node(*n)
            .children(|child| *uses.entry(child).or_default() += 1);
    }
    let absorbed = absorbed(graph, &order, &uses);
    for n in &order {
        if !lowering.values.contains_key(n) && !absorbed.contains(n) {
            let value = lowering.node(*n);
            lowering.values.insert(*n, value);
        }
    }
    let outputs = outputs.iter().map(|e| lowering.value(*e)).collect();
    lowering.finish(outputs, state.len(), rows)
}

/// Products whose only reader is a sum: formed there, fused with the addition.
fn absorbed(graph: &Graph, order: &[Expr], uses: &FxHashMap<Expr, usize>) -> FxHashSet<Expr> {
    let mut absorbed = FxHashSet::default();
    for n in order {
        if let Node::Sum(_, terms) = graph.node(*n) {
            let products = terms.iter().map(|(term, _)| *term);
            absorbed.extend(
                products.filter(|term| {
                    uses[term] == 1 && matches!(graph.node(*term), Node::Product(..))
                }),
            );
        }
    }
    absorbed
}

impl Lowering<'_> {
    fn number(&mut self, value: f64) -> Operand {
        let next = Operand::Slot(u32::try_from(self.slots.len()).expect("fewer than 2^32 slots"));
        let found = *self.constants.entry(value.to_bits()).or_insert(next);
        if found == next {
            self.slots.push(value);
            self.constant.push(true);
        }
        found
    }

    fn rational(&mut self, value: &Rational) -> Operand {
        self.number(value.to_f64())
    }

    fn known(&self, operand: Operand) -> Option<f64> {
        match operand {
            Operand::Slot(i) if self.constant[i as usize] => Some(self.slots[i as usize]),
            _ => None,
        }
    }

    fn is(&self, operand: Operand, value: f64) -> bool {
        self.known(operand) == Some(value)
    }

    /// Emits an operation, or finds its value.
    fn emit(&mut self, op: Op, operands: [Operand; 3]) -> Operand {
        if let [Some(a), Some(b), Some(c)] = operands.map(|o| self.known(o)) {
            return self.number(apply(op, [a, b, c]));
        }
        if let Some(found) = self.shared.get(&(op, operands)) {
            return *found;
        }
        let per_call = operands.iter().all(|o| matches!(o, Operand::Slot(_)));
        let value = if per_call {
            let dest = u32::try_from(self.slots.len()).expect("fewer than 2^32 slots");
            self.slots.push(0.0);
            self.constant.push(false);
            self.per_call.push(Step { op, dest, operands });
            Operand::Slot(dest)
        } else {
            let dest = self.columns;
            self.columns += 1;
            self.per_point.push(Step { op, dest, operands });
            Operand::Column(dest)
        };
        self.shared.insert((op, operands), value);
        value
    }

    fn one(&mut self, op: Op, a: Operand) -> Operand {
        self.emit(op, [a, a, a])
    }

    fn two(&mut self, op: Op, a: Operand, b: Operand) -> Operand {
        self.emit(op, [a, b, b])
    }

    fn add(&mut self, a: Operand, b: Operand) -> Operand {
        if self.is(a, 0.0) {
            return b;
        }
        if self.is(b, 0.0) {
            return a;
        }
        let (a, b) = column_first(a, b);
        self.two(Op::Add, a, b)
    }

    fn sub(&mut self, a: Operand, b: Operand) -> Operand {
        if self.is(b, 0.0) {
            return a;
        }
        match b {
            // The tape has no column minus slot.
            Operand::Slot(_) if matches!(a, Operand::Column(_)) => {
                let zero = self.number(0.0);
                let negative = self.two(Op::Sub, zero, b);
                self.add(a, negative)
            }
            _ => self.two(Op::Sub, a, b),
        }
    }

    fn mul(&mut self, a: Operand, b: Operand) -> Operand {
        if self.is(a, 1.0) {
            return b;
        }
        if self.is(b, 1.0) {
            return a;
        }
        let (a, b) = column_first(a, b);
        self.two(Op::Mul, a, b)
    }

    fn div(&mut self, a: Operand, b: Operand) -> Operand {
        if self.is(b, 1.0) {
            return a;
        }
        match (a, b) {
            (Operand::Column(_), Operand::Slot(_)) => {
                let one = self.number(1.0);
                let inverse = self.two(Op::Div, one, b);
                self.mul(a, inverse)
            }
            _ => self.two(Op::Div, a, b),
        }
    }

    /// `a * b + c`
    fn mul_add(&mut self, a: Operand, b: Operand, c: Operand) -> Operand {
        if self.is(a, 1.0) {
            return self.add(b, c);
        }
        if self.is(b, 1.0) {
            return self.add(a, c);
        }
        if self.is(c, 0.0) {
            return self.mul(a, b);
        }
        if self.is(a, -1.0) {
            return self.sub(c, b);
        }
        if self.is(b, -1.0) {
            return self.sub(c, a);
        }
        let (a, b) = column_first(a, b);
        if matches!(a, Operand::Slot(_)) {
            let product = self.mul(a, b);
            return self.add(product, c);
        }
        self.emit(Op::MulAdd, [a, b, c])
    }

    fn value(&self, e: Expr) -> Operand {
        self.values[&e]
    }

    fn node(&mut self, e: Expr) -> Operand {
        let graph = self.graph;
        match graph.node(e) {
            Node::Number(value) => self.rational(value),
            Node::Pi => self.number(std::f64::consts::PI),
            Node::Infinity => self.number(f64::INFINITY),
            Node::Undefined => self.number(f64::NAN),
            Node::Truth(truth) => self.number(f64::from(*truth)),
            Node::Symbol(_) | Node::Unknown(..) => {
                unreachable!("compilation admits only inputs as symbols")
            }
            Node::Sum(constant, terms) => self.sum(e, constant, terms),
            Node::Product(coefficient, factors) => {
                let factored = self.factored(coefficient, factors);
                self.product(&factored)
            }
            Node::Apply(Function::Exp, arguments) => self.exponential(arguments[0]),
            Node::Apply(Function::LogSumExp, arguments) => self.log_sum_exp(e, arguments),
            Node::Apply(function @ (Function::Min | Function::Max), arguments) => {
                let values: Vec<_> = arguments.iter().map(|a| self.value(*a)).collect();
                self.extremum(*function, &values)
            }
            Node::Apply(function, arguments) => match arguments.as_slice() {
                [a] => {
                    let a = self.value(*a);
                    self.one(Op::One(*function), a)
                }
                [a, b] => {
                    let (a, b) = (self.value(*a), self.value(*b));
                    self.two(Op::Two(*function), a, b)
                }
                _ => unreachable!("arity is checked when the node is made"),
            },
            Node::Compare(relation, a, b) => {
                let op = match relation {
                    Relation::Less => Op::Less,
                    Relation::LessOrEqual => Op::LessOrEqual,
                    Relation::Equal => Op::Equal,
                    Relation::NotEqual => Op::NotEqual,
                };
                let (a, b) = (self.value(*a), self.value(*b));
                self.two(op, a, b)
            }
            Node::And(parts) | Node::Or(parts) => {
                let op = if matches!(graph.node(e), Node::And(_)) {
                    Op::And
                } else {
                    Op::Or
                };
                let mut total = self.value(parts[0]);
                for part in &parts[1..] {
                    let part = self.value(*part);
                    total = self.two(op, total, part);
                }
                total
            }
            Node::Not(a) => {
                let a = self.value(*a);
                self.one(Op::Not, a)
            }
            Node::Choose(condition, yes, no) => {
                let operands = [self.value(*condition), self.value(*yes), self.value(*no)];
                self.emit(Op::Select, operands)
            }
        }
    }

    fn extremum(&mut self, function: Function, values: &[Operand]) -> Operand {
        let mut best = values[0];
        for value in &values[1..] {
            let (a, b) = column_first(best, *value);
            best = self.two(Op::Two(function), a, b);
        }
        best
    }

    fn factored(&mut self, coefficient: &Rational, factors: &[(Expr, Expr)]) -> Factored {
        let mut scalar = self.rational(coefficient);
        let (mut columns, mut below) = (Vec::new(), Vec::new());
        let mut below_scalar = self.number(1.0);
        for (base, exponent) in factors {
            let base = self.value(*base);
            let (inverse, piece) = match self.graph.as_number(*exponent) {
                Some(power) => (power.is_negative(), self.fixed_power(base, &power.abs())),
                None => {
                    let exponent = self.value(*exponent);
                    (false, self.two(Op::Power, base, exponent))
                }
            };
            match (piece, inverse) {
                (Operand::Slot(_), false) => scalar = self.mul(scalar, piece),
                (Operand::Slot(_), true) => below_scalar = self.mul(below_scalar, piece),
                (Operand::Column(_), false) => columns.push(piece),
                (Operand::Column(_), true) => below.push(piece),
            }
        }
        scalar = self.div(scalar, below_scalar);
        if !below.is_empty() {
            let one = self.number(1.0);
            let denominator = self.product(&Factored {
                scalar: one,
                columns: below,
            });
            let numerator = match columns.is_empty() {
                true => std::mem::replace(&mut scalar, one),
                false => self.product(&Factored {
                    scalar: one,
                    columns: std::mem::take(&mut columns),
                }),
            };
            columns.push(self.div(numerator, denominator));
        }
        Factored { scalar, columns }
    }

    fn product(&mut self, factored: &Factored) -> Operand {
        let Some((first, rest)) = factored.columns.split_first() else {
            return factored.scalar;
        };
        let mut total = *first;
        for column in rest {
            total = self.mul(total, *column);
        }
        if self.is(factored.scalar, -1.0) {
            let zero = self.number(0.0);
            return self.sub(zero, total);
        }
        self.mul(total, factored.scalar)
    }

    /// `base^power` for a positive number `power`: multiplications and square roots where they suffice.
    fn fixed_power(&mut self, base: Operand, power: &Rational) -> Operand {
        match power.small() {
            Some((n, 1)) if n <= 64 => self.integer_power(base, n),
            Some((n, 2)) if n <= 64 => {
                let root = self.one(Op::Sqrt, base);
                if n == 1 {
                    return root;
                }
                let whole = self.integer_power(base, n / 2);
                self.mul(whole, root)
            }
            _ => {
                let exponent = self.rational(power);
                self.two(Op::Power, base, exponent)
            }
        }
    }

    fn integer_power(&mut self, base: Operand, n: i64) -> Operand {
        match n {
            1 => base,
            _ if n % 2 == 0 => {
                let root = self.integer_power(base, n / 2);
                self.mul(root, root)
            }
            _ => {
                let even = self.integer_power(base, n - 1);
                self.mul(even, base)
            }
        }
    }

    /// The terms of a sum that rows have formed, as pieces to be added up; their kinds are left out of the others.
    fn pieces_of_rows(&mut self, own: &InRows) -> Vec<Factored> {
        let inputs = u32::try_from(self.places.len()).expect("fewer than 2^32 inputs");
        let row = |row: &u32| Operand::Column(inputs + row);
        let columns = own.linear.iter().map(|r| vec![row(r)]);
        let pairs = own.quadratic.iter();
        let columns = columns.chain(pairs.map(|(i, r)| vec![Operand::Column(*i), row(r)]));
        let columns: Vec<_> = columns.collect();
        let one = self.number(1.0);
        let pieces = columns.into_iter();
        let pieces = pieces.map(|columns| Factored {
            scalar: one,
            columns,
        });
        pieces.collect()
    }

    fn is_in_row(&self, own: &InRows, term: Expr) -> bool {
        match monomial(self.graph, &self.places, term) {
            Some(Monomial::Input(_)) => own.linear.is_some(),
            Some(Monomial::Pair(..)) => !own.quadratic.is_empty(),
            None => false,
        }
    }

    fn sum(&mut self, e: Expr, constant: &Rational, terms: &[(Expr, Rational)]) -> Operand {
        let mut scalar = self.rational(constant);
        let own = self.in_rows.get(&e).cloned().unwrap_or_default();
        let mut pieces = self.pieces_of_rows(&own);
        for (term, coefficient) in terms {
            if self.is_in_row(&own, *term) {
                continue;
            }
            let mut factored = match (self.values.get(term).copied(), self.graph.node(*term)) {
                (Some(value @ Operand::Column(_)), _) => Factored {
                    scalar: self.number(1.0),
                    columns: vec![value],
                },
                (Some(value), _) => Factored {
                    scalar: value,
                    columns: Vec::new(),
                },
                (None, Node::Product(_, factors)) => self.factored(&Rational::one(), factors),
                (None, _) => unreachable!("only products are absorbed"),
            };
            let coefficient = self.rational(coefficient);
            factored.scalar = self.mul(coefficient, factored.scalar);
            if factored.columns.is_empty() {
                scalar = self.add(scalar, factored.scalar);
            } else {
                pieces.push(factored);
            }
        }
        // Begin with a piece that a fused operation can add to.
        let mut total = scalar;
        for mut piece in pieces {
            let last = piece
                .columns
                .pop()
                .expect("pieces without columns were added above");
            if piece.columns.is_empty() {
                total = self.mul_add(last, piece.scalar, total);
                continue;
            }
            let (plus, minus) = (self.is(piece.scalar, 1.0), self.is(piece.scalar, -1.0));
            if plus || minus {
                piece.scalar = self.number(1.0);
                let rest = self.product(&piece);
                total = match total {
                    Operand::Column(_) if minus => self.emit(Op::NegMulAdd, [rest, last, total]),
                    _ if minus => {
                        let product = self.mul(rest, last);
                        self.sub(total, product)
                    }
                    _ => self.mul_add(rest, last, total),
                };
            } else {
                let scalar = std::mem::replace(&mut piece.scalar, self.number(1.0));
                piece.columns.push(last);
                let product = self.product(&piece);
                total = self.mul_add(product, scalar, total);
            }
        }
        total
    }

    /// `m + log(sum exp(a_k - m))` with `m` the largest argument.
    fn log_sum_exp(&mut self, e: Expr, arguments: &[Expr]) -> Operand {
        let values: Vec<_> = arguments.iter().map(|a| self.value(*a)).collect();
        let top = self.extremum(Function::Max, &values);
        let mut parts = Vec::with_capacity(values.len());
        let mut total = self.number(0.0);
        for value in values {
            let shifted = self.sub(value, top);
            let part = self.one(Op::One(Function::Exp), shifted);
            total = self.add(total, part);
            parts.push(part);
        }
        let log = self.one(Op::One(Function::Log), total);
        let sum = self.add(log, top);
        // inf - inf is not a number, yet the result is the infinite argument.
        let size = self.one(Op::One(Function::Abs), top);
        let infinity = self.number(f64::INFINITY);
        let infinite = self.two(Op::Equal, size, infinity);
        let one = self.number(1.0);
        let inverse = self.div(one, total);
        self.softmax.insert(e, (parts, inverse));
        self.emit(Op::Select, [infinite, top, sum])
    }

    /// `exp(argument)`; a softmax weight `exp(a_k - logsumexp(a))` reuses the terms of the sum.
    fn exponential(&mut self, argument: Expr) -> Operand {
        if let Some((node, k)) = self.softmax_weight(argument)
            && let Some((parts, inverse)) = self.softmax.get(&node)
        {
            let (part, inverse) = (parts[k], *inverse);
            return self.mul(part, inverse);
        }
        let argument = self.value(argument);
        self.one(Op::One(Function::Exp), argument)
    }

    /// The `logsumexp` node and index `k` if `e` is `a_k - logsumexp(a)`.
    fn softmax_weight(&self, e: Expr) -> Option<(Expr, usize)> {
        let Node::Sum(constant, terms) = self.graph.node(e) else {
            return None;
        };
        let minus = Rational::integer(-1);
        let (node, arguments) =
            terms
                .iter()
                .find_map(|(term, c)| match self.graph.node(*term) {
                    Node::Apply(Function::LogSumExp, arguments) if *c == minus => {
                        Some((*term, arguments))
                    }
                    _ => None,
                })?;
        let rest = || terms.iter().filter(|(term, _)| *term != node);
        let matches = |argument: &Expr| match self.graph.node(*argument) {
            Node::Sum(other, terms) => constant == other && rest().eq(terms.iter()),
            Node::Number(value) => constant == value && rest().next().is_none(),
            Node::Product(coefficient, factors) if constant.is_zero() && !coefficient.is_one() => {
                rest().count() == 1
                    && rest().all(|(term, c)| c == coefficient && self.has_factors(*term, factors))
            }
            _ => constant.is_zero() && rest().eq(std::iter::once(&(*argument, Rational::one()))),
        };
        arguments.iter().position(matches).map(|k| (node, k))
    }

    fn has_factors(&self, e: Expr, wanted: &[(Expr, Expr)]) -> bool {
        match self.graph.node(e) {
            Node::Product(_, factors) => factors == wanted,
            _ => matches!(wanted, [(base, exponent)] if *base == e && self.graph.is_one(*exponent)),
        }
    }

    /// Orders the steps depth first from the outputs (dropping what no output needs) and assigns registers.
    fn finish(self, outputs: Vec<Operand>, inputs: usize, rows: Vec<Row>) -> Tape {
        let before = inputs + rows.len();
        let steps = schedule(&self.per_point, &outputs, before);
        let (per_point, registers, outputs) = assign(steps, outputs, before);
        Tape {
            rows,
            slots: self.slots,
            per_call: self.per_call,
            per_point,
            registers,
            outputs,
        }
    }
}

fn column_first(a: Operand, b: Operand) -> (Operand, Operand) {
    match a {
        Operand::Slot(_) => (b, a),
        Operand::Column(_) => (a, b),
    }
}
