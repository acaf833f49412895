//! Syntax to components: names resolved, shapes checked, ranges unrolled.

use super::error::{ExprError, closest};
use super::graph::{Expr, Graph, MOST_STEPS, Node};
use super::linear::transposed;
use super::origin::SourceId;
use super::rational::Rational;
use super::scope::{Definition, Scope, Value};
use super::syntax::{DEEPEST, Link, LoopRange, Phrase, Syntax};
use super::vocabulary::is_function;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Nodes an expression may add to its graph.
const LARGEST: usize = 1_000_000;

/// Mistakes reported of one expression.
const MOST_ERRORS: usize = 100;

/// Bits of the common denominator of one sum.
const LONGEST_DENOMINATOR: u64 = 2048;
/// Bits of the numbers multiplied by one product.
const LONGEST_PRODUCT: u64 = 16_384;

pub(super) struct Elaborator<'a> {
    pub(super) source: &'a str,
    pub(super) scope: &'a Scope,
    pub(super) graph: &'a mut Graph,
    pub(super) errors: Vec<ExprError>,
    /// Loop indices and parameters, innermost last.
    locals: Vec<(String, Value)>,
    /// Definitions being elaborated, outermost first.
    active: Vec<&'a str>,
    known: BTreeMap<&'a str, Value>,
    failed: BTreeSet<&'a str>,
    depth: usize,
    nodes_before: usize,
    steps_before: usize,
    /// Whether it was reported that the expression is too large.
    has_grown: bool,
    /// The text being read, for the origins of nodes.
    origin: SourceId,
    definition_origins: BTreeMap<&'a str, SourceId>,
}

impl<'a> Elaborator<'a> {
    pub(super) fn new(source: &'a str, scope: &'a Scope, graph: &'a mut Graph) -> Self {
        let (nodes_before, steps_before) = (graph.len(), graph.steps);
        let origin = graph.new_source(source, None);
        Self {
            source,
            scope,
            graph,
            errors: Vec::new(),
            locals: Vec::new(),
            active: Vec::new(),
            known: BTreeMap::new(),
            failed: BTreeSet::new(),
            depth: 0,
            nodes_before,
            steps_before,
            has_grown: false,
            origin,
            definition_origins: BTreeMap::new(),
        }
    }

    /// Records an error; `None` lets callers give up on this subtree and go on with its siblings.
    pub(super) fn fail<T>(&mut self, mut error: ExprError) -> Option<T> {
        error.definition = self.active.last().map(|name| Box::from(*name));
        if self.errors.len() < MOST_ERRORS && !self.errors.contains(&error) {
            self.errors.push(error);
        }
        None
    }

    /// Source text of a span, shortened to `fallback` when long.
    pub(super) fn snippet(&self, span: &Range<usize>, fallback: &str) -> String {
        match self.source.get(span.clone()) {
            Some(text) if text.len() <= 32 => text.to_owned(),
            _ => fallback.to_owned(),
        }
    }

    /// A value that is not a condition.
    pub(super) fn value(&mut self, syntax: &Syntax) -> Option<Value> {
        let item = self.item(syntax)?;
        if let Value::Scalar(e) = item
            && self.graph.is_condition(e)
        {
            let message = "a number is needed, this is a condition";
            let error = ExprError::new("E125", syntax.span.clone(), message, "condition");
            return self.fail(error.help("use if(condition, a, b) to choose between numbers"));
        }
        Some(item)
    }

    pub(super) fn scalar(&mut self, syntax: &Syntax) -> Option<Expr> {
        match self.value(syntax)? {
            Value::Scalar(e) => Some(e),
            value => self.fail(value.unfit("a scalar is needed", &syntax.span)),
        }
    }

    pub(super) fn condition(&mut self, syntax: &Syntax) -> Option<Expr> {
        match self.item(syntax)? {
            Value::Scalar(e) if self.graph.is_condition(e) => Some(e),
            value => {
                let message = format!("a condition is needed, this is a {}", value.shape());
                let error = ExprError::new("E125", syntax.span.clone(), message, value.shape());
                self.fail(error.help("conditions are comparisons, combined with and, or, not"))
            }
        }
    }

    /// A constant integer, for indices and loop bounds.
    pub(super) fn integer(&mut self, syntax: &Syntax) -> Option<i64> {
        let e = self.scalar(syntax)?;
        match self.graph.as_integer(e) {
            Some(n) => Some(n),
            None => {
                let found = self.graph.text(e);
                let message = format!("a constant integer is needed, `{found}` is not");
                let label = "indices and bounds are integers, integer parameters or loop indices";
                self.fail(ExprError::new("E124", syntax.span.clone(), message, label))
            }
        }
    }

    /// A value or a condition.
    fn item(&mut self, syntax: &Syntax) -> Option<Value> {
        if self.depth == DEEPEST {
            let message = format!("nested more than {DEEPEST} levels deep");
            let label = "this level is too deep, definitions included";
            return self.fail(ExprError::new("E103", syntax.span.clone(), message, label));
        }
        self.spend(1, &syntax.span)?;
        self.depth += 1;
        let before = self.graph.len();
        let value = self.item_inside(syntax);
        self.depth -= 1;
        // Marking passes over what was made below, at every level.
        let made = self.graph.len() - before;
        self.spend(made / 16, &syntax.span)?;
        match &value {
            Some(Value::Scalar(e)) => {
                self.graph
                    .mark_read(&[*e], before, self.origin, &syntax.span);
            }
            Some(value) => {
                let components = value.components();
                self.spend(components.len(), &syntax.span)?;
                self.graph
                    .mark_read(&components, before, self.origin, &syntax.span);
            }
            None => {}
        }
        value
    }

    /// Accounts for `steps` taken at `span`; fails when the expression has become too large.
    pub(super) fn spend(&mut self, steps: usize, span: &Range<usize>) -> Option<()> {
        let few = self.graph.pay(steps);
        let message = if self.graph.len() - self.nodes_before
            > LARGEST + self.graph.most_steps() - MOST_STEPS
        {
            format!("grows beyond {LARGEST} nodes")
        } else if few {
            return Some(());
        } else {
            let most = self.graph.most_steps();
            let before = if self.steps_before > most / 2 {
                ", with what was read before,"
            } else {
                ""
            };
            format!("takes{before} more than {most} steps to write out")
        };
        if std::mem::replace(&mut self.has_grown, true) {
            return None;
        }
        self.fail(ExprError::new("E103", span.clone(), message, "grew here"))
    }

    fn item_inside(&mut self, syntax: &Syntax) -> Option<Value> {
        match &syntax.kind {
            Phrase::Number(value) => Some(Value::Scalar(self.graph.exact(value.clone()))),
            Phrase::Name(name) => self.name(name, &syntax.span),
            Phrase::Call {
                name,
                name_span,
                arguments,
            } => self.call(name, name_span, arguments, &syntax.span),
            Phrase::Fold { name, range, body } => {
                let values = self.unroll(range, body, &syntax.span)?;
                let mut terms = Vec::with_capacity(values.len());
                for value in values {
                    let Value::Scalar(e) = value else {
                        if name == "sum" {
                            return self.sum_of_vectors(range, body, &syntax.span);
                        }
                        let message =
                            format!("`{name}` runs over scalars, not a {}", value.shape());
                        let error =
                            ExprError::new("E122", body.span.clone(), message, value.shape());
                        return self.fail(error);
                    };
                    terms.push(e);
                }
                self.reduce(name, &terms, &syntax.span).map(Value::Scalar)
            }
            Phrase::Index(base, indices) => self.index(base, indices, &syntax.span),
            Phrase::List(items) => self.list(items, &syntax.span),
            Phrase::Negate(inner) => {
                let value = self.value(inner)?;
                Some(self.map(&value, Graph::neg))
            }
            Phrase::Not(inner) => {
                let condition = self.condition(inner)?;
                Some(Value::Scalar(self.graph.not(condition)))
            }
            Phrase::Transpose(inner) => match self.value(inner)? {
                Value::Matrix(rows) => Some(Value::Matrix(transposed(&rows))),
                other => {
                    let error = other.unfit("only a matrix has a transpose", &inner.span);
                    self.fail(match other {
                        Value::Vector(_) => error.help(
                            "a vector stands left of `@` as a row: `x @ A`; forms are `quad(A, x)`, `dot(x, y)`",
                        ),
                        _ => error,
                    })
                }
            },
            Phrase::Chain(first, links) => self.chain(first, links),
            Phrase::Power(base, link) => {
                let left = self.value(base);
                let right = self.value(&link.right);
                self.binary(link, (left?, &base.span), right?)
            }
        }
    }

    fn chain(&mut self, first: &Syntax, links: &[Link]) -> Option<Value> {
        let logical = matches!(links[0].operator, "and" | "or");
        let operand = |this: &mut Self, syntax: &Syntax| {
            if logical {
                this.condition(syntax).map(Value::Scalar)
            } else {
                this.value(syntax)
            }
        };
        // Evaluate every operand, so that all their mistakes are reported.
        let first_value = operand(self, first);
        let others: Vec<_> = links
            .iter()
            .map(|link| operand(self, &link.right))
            .collect();
        let others: Option<Vec<_>> = others.into_iter().collect();
        let (mut value, others) = (first_value?, others?);
        // A long scalar sum is built in one go: adding one by one would copy it each time.
        let all_sums = links.iter().all(|l| matches!(l.operator, "+" | "-"));
        if all_sums && let Some(sum) = self.scalar_sum(&value, links, &others) {
            return Some(Value::Scalar(sum));
        }
        let all_products = links.iter().all(|l| matches!(l.operator, "*" | "/"));
        if all_products && let Some(product) = self.scalar_product(&value, links, &others) {
            return Some(Value::Scalar(product));
        }
        let mut span = first.span.clone();
        for (link, right) in links.iter().zip(others) {
            value = self.binary(link, (value, &span), right)?;
            span.end = link.right.span.end;
        }
        Some(value)
    }

    fn scalar_sum(&mut self, first: &Value, links: &[Link], others: &[Value]) -> Option<Expr> {
        let Value::Scalar(first) = first else {
            return None;
        };
        let mut terms = vec![*first];
        for (link, value) in links.iter().zip(others) {
            let Value::Scalar(e) = value else {
                return None;
            };
            terms.push(if link.operator == "-" {
                self.graph.neg(*e)
            } else {
                *e
            });
        }
        if terms.iter().any(|e| self.is_infinite(*e)) || !self.short_sum(&terms) {
            return None;
        }
        Some(self.graph.add(&terms))
    }

    /// Whether the exact sum of these terms has numbers of moderate length.
    pub(super) fn short_sum(&mut self, terms: &[Expr]) -> bool {
        let mut common = Rational::one();
        let mut steps = 0;
        let mut fits = |value: &Rational| {
            let unit = value.unit_fraction();
            steps += 1;
            if unit != common && !unit.is_one() {
                steps += unit.steps_with(&common);
                common = common.common_divisor(&unit);
            }
            common.bits() <= LONGEST_DENOMINATOR && steps <= MOST_STEPS
        };
        let short = terms.iter().all(|e| match self.graph.node(*e) {
            Node::Number(value) => fits(value),
            Node::Product(coefficient, _) => fits(coefficient),
            Node::Sum(constant, terms) => fits(constant) && terms.iter().all(|(_, c)| fits(c)),
            _ => true,
        });
        self.graph.pay(steps);
        short
    }

    /// Whether the exact product of these factors has numbers of moderate length.
    pub(super) fn short_product(&self, factors: &[Expr]) -> bool {
        let bits = factors.iter().map(|e| match self.graph.node(*e) {
            Node::Number(value) => value.bits(),
            Node::Product(coefficient, _) => coefficient.bits(),
            _ => 0,
        });
        bits.sum::<u64>() <= LONGEST_PRODUCT
    }

    pub(super) fn long_numbers<T>(&mut self, span: &Range<usize>) -> Option<T> {
        let message = "exact numbers grow too long";
        let label = "too many digits here; decimals such as 0.001 share one denominator";
        self.fail(ExprError::new("E103", span.clone(), message, label))
    }

    /// A product of scalars in one go, so that `2*(x + 1)*y` keeps its factors.
    fn scalar_product(&mut self, first: &Value, links: &[Link], others: &[Value]) -> Option<Expr> {
        let Value::Scalar(first) = first else {
            return None;
        };
        let (one, minus) = (self.graph.one(), self.graph.integer(-1));
        let mut factors = vec![(*first, one)];
        for (link, value) in links.iter().zip(others) {
            let Value::Scalar(e) = value else {
                return None;
            };
            let divides = link.operator == "/";
            if divides && self.graph.is_zero(*e) {
                return None;
            }
            factors.push((*e, if divides { minus } else { one }));
        }
        let numbers: Vec<_> = factors.iter().map(|(e, _)| *e).collect();
        if numbers.iter().any(|e| self.is_infinite(*e)) || !self.short_product(&numbers) {
            return None;
        }
        Some(self.graph.product(Rational::one(), factors))
    }

    /// Whether `inf` enters (also negated).
    pub(super) fn is_infinite(&self, e: Expr) -> bool {
        match self.graph.node(e) {
            Node::Infinity => true,
            Node::Product(_, factors) => factors
                .iter()
                .any(|(base, _)| matches!(self.graph.node(*base), Node::Infinity)),
            _ => false,
        }
    }

    fn name(&mut self, name: &str, span: &Range<usize>) -> Option<Value> {
        if let Some((_, value)) = self.locals.iter().rev().find(|(local, _)| local == name) {
            return Some(value.clone());
        }
        if let Some(value) = self.scope.values.get(name) {
            return Some(value.clone());
        }
        let scope = self.scope;
        if let Some((name, definition)) = scope.definitions.get_key_value(name) {
            if let Some(parameters) = &definition.parameters {
                let message = format!("`{name}` is a function of {}", parameters.join(", "));
                let error = ExprError::new("E114", span.clone(), message, "used without arguments");
                return self.fail(error.help(format!("write `{name}({})`", parameters.join(", "))));
            }
            return self.defined(name, definition, span);
        }
        match name {
            "pi" => Some(Value::Scalar(self.graph.pi())),
            "inf" => Some(Value::Scalar(self.graph.infinity())),
            _ => self.unknown_name(name, span),
        }
    }

    /// The value of a definition without parameters, elaborated once.
    pub(super) fn defined(
        &mut self,
        name: &'a str,
        definition: &'a Definition,
        span: &Range<usize>,
    ) -> Option<Value> {
        if let Some(value) = self.known.get(name) {
            return Some(value.clone());
        }
        let value = self.enter(name, definition, Vec::new(), span);
        if let Some(value) = &value {
            self.known.insert(name, value.clone());
        }
        value
    }

    /// Elaborates the body of a definition with its parameters bound.
    pub(super) fn enter(
        &mut self,
        name: &'a str,
        definition: &'a Definition,
        parameters: Vec<(String, Value)>,
        span: &Range<usize>,
    ) -> Option<Value> {
        if self.active.contains(&name) {
            let mut cycle: Vec<&str> = self.active.clone();
            cycle.push(name);
            let start = cycle.iter().position(|n| *n == name).unwrap_or(0);
            let message = format!("`{name}` is defined in terms of itself");
            let label = format!("cycle: {}", cycle[start..].join(" -> "));
            return self.fail(ExprError::new("E113", span.clone(), message, label));
        }
        // A definition without parameters that failed has reported why.
        if self.failed.contains(name) {
            return None;
        }
        let locals = std::mem::replace(&mut self.locals, parameters);
        let source = std::mem::replace(&mut self.source, &definition.source);
        let read = match self.definition_origins.get(name) {
            Some(known) => *known,
            None => self.graph.new_source(&definition.source, Some(name)),
        };
        self.definition_origins.insert(name, read);
        let origin = std::mem::replace(&mut self.origin, read);
        self.active.push(name);
        let value = self.value(&definition.body);
        self.active.pop();
        self.source = source;
        self.origin = origin;
        self.locals = locals;
        if value.is_none() && definition.parameters.is_none() {
            self.failed.insert(name);
        }
        value
    }

    fn unknown_name(&mut self, name: &str, span: &Range<usize>) -> Option<Value> {
        let message = format!("unknown name `{name}`");
        let error = |label: String| ExprError::new("E111", span.clone(), message.clone(), label);
        if name == "e" {
            return self.fail(error("there is no `e`: write exp(1)".to_owned()));
        }
        if let Some(hint) = self.subscript_hint(name) {
            return self.fail(error(hint));
        }
        if is_function(name) {
            let label = format!("`{name}` is a function: write {name}(...)");
            return self.fail(error(label));
        }
        let locals = self.locals.iter().map(|(local, _)| local.as_str());
        let candidates = locals
            .chain(self.scope.values.keys().map(String::as_str))
            .chain(self.scope.definitions.keys().map(String::as_str))
            .chain(["pi", "inf"]);
        let label = match closest(name, candidates) {
            Some(best) => format!("did you mean `{best}`?"),
            None => "not a variable, parameter or definition".to_owned(),
        };
        self.fail(error(label))
    }

    /// `x1` and `x_1` for a vector `x`.
    fn subscript_hint(&self, name: &str) -> Option<String> {
        let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
        if base == name {
            return None;
        }
        let base = base.strip_suffix('_').unwrap_or(base);
        let length = match self.scope.values.get(base)? {
            Value::Vector(v) => v.len(),
            Value::Scalar(_) if self.scope.indexable.contains(base) => {
                return Some(format!("`{base}` is a scalar: write `{base}`"));
            }
            _ => return None,
        };
        let role = if self.scope.state_name.as_deref() == Some(base) {
            "state"
        } else {
            base
        };
        let what = match length {
            0 => "there is none".to_owned(),
            1 => format!("use {base}[0]"),
            2 => format!("use {base}[0] or {base}[1]"),
            n => format!("use {base}[0] to {base}[{}]", n - 1),
        };
        Some(format!(
            "vectors are zero-based: {what} ({role} has {length} components)"
        ))
    }

    /// Values of `body` for every index of the range.
    pub(super) fn unroll(
        &mut self,
        range: &LoopRange,
        body: &Syntax,
        span: &Range<usize>,
    ) -> Option<Vec<Value>> {
        let low = self.integer(&range.low);
        let high = self.integer(&range.high);
        let (low, high) = (low?, high?);
        // Charged before the first step: a range that is too long is refused at once.
        let length = usize::try_from(high.saturating_sub(low)).unwrap_or(0);
        self.spend(length, span)?;
        let mut values = Vec::new();
        for i in low..high {
            let index = self.graph.integer(i);
            self.locals
                .push((range.index.clone(), Value::Scalar(index)));
            let value = self.value(body);
            self.locals.pop();
            // One failing step is enough: the others usually fail alike.
            values.push(value?);
        }
        Some(values)
    }

    fn sum_of_vectors(
        &mut self,
        range: &LoopRange,
        body: &Syntax,
        span: &Range<usize>,
    ) -> Option<Value> {
        let values = self.unroll(range, body, span)?;
        let plus = |right: Syntax| Link {
            operator: "+",
            operator_span: span.clone(),
            right,
        };
        let link = plus(body.clone());
        let mut values = values.into_iter();
        let mut total = values.next()?;
        for value in values {
            self.spend(1, span)?;
            total = self.binary(&link, (total, &body.span), value)?;
        }
        Some(total)
    }

    fn index(&mut self, base: &Syntax, indices: &[Syntax], span: &Range<usize>) -> Option<Value> {
        // A plain name is not marked as read: `x[0]` stands at `x[0]`, not at `x`.
        let value = match &base.kind {
            Phrase::Name(name) => self.name(name, &base.span),
            _ => self.value(base),
        };
        if let Some(value) = &value {
            // The whole was copied.
            self.spend(value.size() / 16, span)?;
        }
        let numbers: Vec<_> = indices.iter().map(|i| self.integer(i)).collect();
        let numbers: Option<Vec<_>> = numbers.into_iter().collect();
        let (mut value, numbers) = (value?, numbers?);
        if let (Value::Scalar(_), Phrase::Name(name)) = (&value, &base.kind)
            && self.scope.indexable.contains(name)
        {
            value = Value::Vector(value.components());
        }
        let name = self.snippet(&base.span, "this value");
        for (i, syntax) in numbers.iter().zip(indices) {
            let length = match &value {
                Value::Scalar(_) => {
                    let message = format!("`{name}` is a scalar and has no components");
                    let error = ExprError::new("E122", span.clone(), message, "scalar");
                    return self.fail(error);
                }
                Value::Vector(v) => v.len(),
                Value::Matrix(m) => m.len(),
            };
            let Some(i) = usize::try_from(*i).ok().filter(|i| *i < length) else {
                let message = format!("index {i} is out of range for `{name}`");
                let label = match length {
                    0 => "it is empty".to_owned(),
                    1 => "the only index is 0".to_owned(),
                    n => format!("valid indices are 0 to {}", n - 1),
                };
                return self.fail(ExprError::new("E123", syntax.span.clone(), message, label));
            };
            value = match value {
                Value::Vector(v) => Value::Scalar(v[i]),
                Value::Matrix(m) => Value::Vector(m[i].clone()),
                scalar @ Value::Scalar(_) => scalar,
            };
        }
        Some(value)
    }

    fn list(&mut self, items: &[Syntax], span: &Range<usize>) -> Option<Value> {
        let values: Vec<_> = items.iter().map(|item| self.value(item)).collect();
        let values: Option<Vec<_>> = values.into_iter().collect();
        let values = values?;
        let (mut scalars, mut rows) = (Vec::new(), Vec::new());
        for value in &values {
            match value {
                Value::Scalar(e) => scalars.push(*e),
                Value::Vector(v) => rows.push(v.clone()),
                Value::Matrix(_) => {}
            }
        }
        if scalars.len() == values.len() {
            return Some(Value::Vector(scalars));
        }
        if rows.len() == values.len() && rows.iter().all(|row| row.len() == rows[0].len()) {
            return Some(Value::Matrix(rows));
        }
        let shapes: Vec<_> = values.iter().map(Value::shape).collect();
        let message = "entries of a list are all scalars or all rows of one length";
        let label = shapes.join(", ");
        self.fail(ExprError::new("E122", span.clone(), message, label))
    }
}
