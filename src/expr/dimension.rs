//! The unit of an expression, inferred from the units of its symbols.

use super::error::ExprError;
use super::function::Function;
use super::graph::{Expr, Graph, Node};
use super::origin::Origin;
use super::rational::Rational;
use super::units::Unit;
use rustc_hash::FxHashMap;
use std::fmt;

/// A unit and where what has it was written.
#[derive(Clone, Debug, PartialEq)]
struct Measured {
    unit: Unit,
    origin: Option<Origin>,
}

/// Where units do not fit.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitFault {
    kind: Misfit,
    /// Of the whole: a sum, a comparison, a choice, a call or a power.
    origin: Option<Origin>,
    /// What is to blame in it.
    part: Measured,
}

#[derive(Clone, Debug, PartialEq)]
enum Misfit {
    /// Another part must have the same unit: terms of a sum, sides of a comparison, branches.
    Unlike(Measured),
    /// A function of pure numbers (`exp`, `sin`, ...) was given a unit.
    Dimensional(Function),
    /// A base with a unit under an exponent that is not a constant number, or an exponent with a unit.
    Power { exponent: Unit },
}

impl UnitFault {
    /// As an error in the text at hand, or in the definition that is to blame.
    pub fn error(&self) -> ExprError {
        let place = |origin: Option<&Origin>| match origin {
            Some(o) => (o.span.clone(), o.definition.as_deref().map(Box::from)),
            None => (0..0, None),
        };
        let (span, definition) = place(self.origin());
        let mut error = ExprError::new("E221", span, self.to_string(), self.part.unit.to_string());
        if let Misfit::Unlike(other) = &self.kind {
            let (span, elsewhere) = place(other.origin.as_ref());
            let typed = other.origin.as_ref().is_some_and(|o| !o.derived);
            if typed && elsewhere == definition {
                error = error.second(span, other.unit.to_string());
            }
        }
        error.definition = definition;
        error
    }

    /// Where the offending subexpression was written.
    pub fn origin(&self) -> Option<&Origin> {
        match (&self.part.origin, &self.origin) {
            // A name keeps the place where it was first read, which may be elsewhere.
            (Some(inner), Some(outer)) if outer.text == inner.text && !outer.contains(inner) => {
                Some(outer)
            }
            (inner, outer) => inner.as_ref().or(outer.as_ref()),
        }
    }
}

impl fmt::Display for UnitFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = &self.part.unit;
        match &self.kind {
            Misfit::Unlike(other) => {
                let shown = |m: &Measured| match &m.origin {
                    Some(origin) if origin.derived => {
                        format!("what derives from `{}` in {}", origin.snippet(), m.unit)
                    }
                    Some(origin) => format!("`{}` in {}", origin.snippet(), m.unit),
                    None => m.unit.to_string(),
                };
                write!(
                    f,
                    "units differ: {} and {}",
                    shown(other),
                    shown(&self.part)
                )
            }
            Misfit::Dimensional(function) => {
                let name = function.name();
                write!(f, "`{name}` takes a pure number, this is in {unit}")
            }
            Misfit::Power { exponent } if exponent.is_none() => write!(
                f,
                "only a constant number can be the exponent of something in {unit}"
            ),
            Misfit::Power { exponent } => {
                write!(f, "an exponent is a pure number, this is in {exponent}")
            }
        }
    }
}

/// Infers units over one graph, each node once.
///
/// Numbers are pure, except that 0 (and `inf`) fit any unit, and so does a number that something is compared
/// with: `x > 1` is a threshold in the unit of `x`. Symbols and unknown functions that were given no
/// unit are pure numbers; a derivative of an unknown has its unit over those of the variables.
#[derive(Clone, Debug, Default)]
pub struct Dimensions {
    given: FxHashMap<Expr, Unit>,
    /// `None` fits any unit.
    known: FxHashMap<Expr, Option<Unit>>,
}

impl Dimensions {
    /// Units of symbols and unknown functions.
    pub fn new(given: impl IntoIterator<Item = (Expr, Unit)>) -> Self {
        Self {
            given: given.into_iter().collect(),
            known: FxHashMap::default(),
        }
    }

    /// The unit of `e`; `None` when any unit fits, as for 0.
    ///
    /// # Errors
    /// The first subexpression, operands before what uses them, whose units do not fit.
    pub fn unit(&mut self, graph: &Graph, e: Expr) -> Result<Option<Unit>, Box<UnitFault>> {
        for n in graph.reachable_until(&[e], |n| self.known.contains_key(&n)) {
            let unit = self.of_node(graph, n)?;
            self.known.insert(n, unit);
        }
        Ok(self.known[&e].clone())
    }

    fn measured(&self, graph: &Graph, e: Expr) -> Option<Measured> {
        let unit = self.known[&e].clone()?;
        let origin = graph.origin(e);
        Some(Measured { unit, origin })
    }

    fn of_node(&self, graph: &Graph, n: Expr) -> Result<Option<Unit>, Box<UnitFault>> {
        if let Some(unit) = self.given.get(&n) {
            return Ok(Some(unit.clone()));
        }
        let pure = Ok(Some(Unit::none()));
        match graph.node(n) {
            Node::Number(value) if value.is_zero() => Ok(None),
            Node::Infinity | Node::Undefined => Ok(None),
            Node::Number(_) | Node::Pi | Node::Symbol(_) | Node::Truth(_) => pure,
            Node::And(_) | Node::Or(_) | Node::Not(_) => pure,
            Node::Unknown(..) => Ok(Some(self.of_unknown(graph, n))),
            Node::Sum(constant, terms) => {
                let mut parts: Vec<Measured> = Vec::with_capacity(terms.len() + 1);
                for (term, coefficient) in terms {
                    if let Some(mut part) = self.measured(graph, *term) {
                        part.origin = written(graph, *term, coefficient).or(part.origin);
                        parts.push(part);
                    }
                }
                if !constant.is_zero() {
                    let number = graph.find(&Node::Number(constant.clone()));
                    parts.push(Measured {
                        unit: Unit::none(),
                        origin: number.and_then(|e| graph.origin(e)),
                    });
                }
                common(graph, n, parts)
            }
            Node::Product(_, factors) => self.of_product(graph, n, factors),
            Node::Apply(function, arguments) => self.of_call(graph, n, *function, arguments),
            Node::Compare(_, a, b) => {
                // A threshold: `x > 1` means 1 in the unit of `x`.
                let sides = [*a, *b].into_iter();
                let sides = sides.filter(|e| graph.as_number(*e).is_none());
                let parts = sides.filter_map(|e| self.measured(graph, e));
                common(graph, n, parts.collect())?;
                pure
            }
            Node::Choose(_, yes, no) => {
                let parts = [*yes, *no].into_iter();
                let parts = parts.filter_map(|e| self.measured(graph, e));
                common(graph, n, parts.collect())
            }
        }
    }

    fn of_unknown(&self, graph: &Graph, n: Expr) -> Unit {
        let Node::Unknown(name, arguments, orders) = graph.node(n) else {
            return Unit::none();
        };
        let base = graph.find(&Node::Unknown(
            name.clone(),
            arguments.clone(),
            vec![0; orders.len()],
        ));
        let mut unit = base
            .and_then(|b| self.given.get(&b))
            .cloned()
            .unwrap_or_default();
        for (argument, order) in arguments.iter().zip(orders) {
            if let Some(below) = &self.known[argument] {
                let power = Rational::integer(-i64::from(*order));
                unit = unit.times(&below.raised(&power));
            }
        }
        unit
    }

    fn of_product(
        &self,
        graph: &Graph,
        n: Expr,
        factors: &[(Expr, Expr)],
    ) -> Result<Option<Unit>, Box<UnitFault>> {
        let mut total = Unit::none();
        for (base, exponent) in factors {
            let Some(base) = self.measured(graph, *base) else {
                return Ok(None);
            };
            match graph.as_number(*exponent) {
                Some(power) => total = total.times(&base.unit.raised(power)),
                None => {
                    if let Some(exponent) = self.measured(graph, *exponent)
                        && !(base.unit.is_none() && exponent.unit.is_none())
                    {
                        return Err(Box::new(UnitFault {
                            kind: Misfit::Power {
                                exponent: exponent.unit,
                            },
                            origin: graph.origin(n),
                            part: base,
                        }));
                    }
                }
            }
        }
        Ok(Some(total))
    }

    fn of_call(
        &self,
        graph: &Graph,
        n: Expr,
        function: Function,
        arguments: &[Expr],
    ) -> Result<Option<Unit>, Box<UnitFault>> {
        let parts: Vec<Measured> = arguments
            .iter()
            .filter_map(|a| self.measured(graph, *a))
            .collect();
        match function {
            Function::Abs | Function::Min | Function::Max => common(graph, n, parts),
            Function::Sign => Ok(Some(Unit::none())),
            Function::Atan2 => {
                common(graph, n, parts)?;
                Ok(Some(Unit::none()))
            }
            _ => match parts.into_iter().find(|part| !part.unit.is_none()) {
                Some(part) => Err(Box::new(UnitFault {
                    kind: Misfit::Dimensional(function),
                    origin: graph.origin(n),
                    part,
                })),
                None => Ok(Some(Unit::none())),
            },
        }
    }
}

/// The one unit of all parts, in the order in which they were written.
fn common(
    graph: &Graph,
    n: Expr,
    mut parts: Vec<Measured>,
) -> Result<Option<Unit>, Box<UnitFault>> {
    let place = |m: &Measured| m.origin.as_ref().map_or(usize::MAX, |o| o.span.start);
    parts.sort_by_key(place);
    let Some(first) = parts.first() else {
        return Ok(None);
    };
    match parts.iter().find(|part| part.unit != first.unit) {
        None => Ok(Some(first.unit.clone())),
        Some(second) => Err(Box::new(UnitFault {
            kind: Misfit::Unlike(first.clone()),
            origin: graph.origin(n),
            part: second.clone(),
        })),
    }
}

/// Where `coefficient * term` was written, also with the other sign: sums keep coefficients apart. The
/// narrowest place wins, because an operand of a sum is written inside it.
fn written(graph: &Graph, term: Expr, coefficient: &Rational) -> Option<Origin> {
    let Node::Product(_, factors) = graph.node(term) else {
        return None;
    };
    let scaled = [coefficient.clone(), -coefficient]
        .map(|coefficient| Node::Product(coefficient, factors.clone()));
    let handles = scaled.iter().filter_map(|node| graph.find(node));
    let origins = handles.chain([term]).filter_map(|e| graph.origin(e));
    origins
        .filter(|origin| !origin.derived)
        .min_by_key(|origin| origin.span.len())
}
