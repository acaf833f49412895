//! Printing in the syntax of problem files; what is printed reads back as the same node.

use super::graph::{Expr, Graph, Node, Relation};
use super::rational::Rational;
use rustc_hash::FxHashMap;

/// How tightly a printed piece holds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Condition,
    Sum,
    Product,
    Power,
    Atom,
}

#[derive(Clone, Debug)]
pub(super) struct Printed {
    pub(super) text: String,
    pub(super) level: Level,
}

impl Printed {
    pub(super) fn new(text: impl Into<String>, level: Level) -> Self {
        Self {
            text: text.into(),
            level,
        }
    }
}

/// Pieces longer than this are cut: shared parts can make the tree exponentially longer than the graph.
const LONGEST: usize = 200_000;

impl Graph {
    /// The expression as one would type it.
    ///
    /// Unknown functions print as their name with derivatives as a subscript (`V_t`, `V_{x[0] x[1]}`).
    /// A text longer than 200 000 characters is cut with `...`.
    pub fn text(&self, e: Expr) -> String {
        self.printed(e, "...", |node, done| self.text_of_node(node, done))
    }

    /// Prints operands before what contains them; a piece that grows too long is replaced by `cut`.
    pub(super) fn printed(
        &self,
        e: Expr,
        cut: &str,
        piece_of: impl Fn(&Node, &FxHashMap<Expr, Printed>) -> Printed,
    ) -> String {
        let mut done: FxHashMap<Expr, Printed> = FxHashMap::default();
        for n in self.reachable(&[e]) {
            let mut piece = piece_of(self.node(n), &done);
            if piece.text.len() > LONGEST {
                piece = Printed::new(cut, Level::Atom);
            }
            done.insert(n, piece);
        }
        done.remove(&e).map(|p| p.text).unwrap_or_default()
    }

    fn text_of_node(&self, node: &Node, done: &FxHashMap<Expr, Printed>) -> Printed {
        let plain = |e: &Expr| done[e].text.as_str();
        let list = |items: &[Expr]| items.iter().map(plain).collect::<Vec<_>>().join(", ");
        match node {
            Node::Number(value) => number(value),
            Node::Pi => Printed::new("pi", Level::Atom),
            Node::Infinity => Printed::new("inf", Level::Atom),
            Node::Undefined => Printed::new("(0/0)", Level::Atom),
            Node::Truth(true) => Printed::new("0 < 1", Level::Condition),
            Node::Truth(false) => Printed::new("1 < 0", Level::Condition),
            Node::Symbol(name) => Printed::new(name, Level::Atom),
            Node::Unknown(name, arguments, orders) => Printed::new(
                self.text_of_unknown(name, arguments, orders, done),
                Level::Atom,
            ),
            Node::Sum(constant, terms) => self.text_of_sum(constant, terms, done),
            Node::Product(coefficient, factors) => self.text_of_product(coefficient, factors, done),
            Node::Apply(function, arguments) => Printed::new(
                format!("{}({})", function.name(), list(arguments)),
                Level::Atom,
            ),
            Node::Compare(relation, a, b) => {
                let word = match relation {
                    Relation::Less => "<",
                    Relation::LessOrEqual => "<=",
                    Relation::Equal => "==",
                    Relation::NotEqual => "!=",
                };
                let text = format!("{} {word} {}", plain(a), plain(b));
                Printed::new(text, Level::Condition)
            }
            Node::And(parts) | Node::Or(parts) => {
                let word = if matches!(node, Node::And(_)) {
                    " and "
                } else {
                    " or "
                };
                let parts: Vec<_> = parts.iter().map(|p| format!("({})", plain(p))).collect();
                Printed::new(parts.join(word), Level::Condition)
            }
            Node::Not(a) => Printed::new(format!("not ({})", plain(a)), Level::Condition),
            Node::Choose(condition, yes, no) => Printed::new(
                format!("if({}, {}, {})", plain(condition), plain(yes), plain(no)),
                Level::Atom,
            ),
        }
    }

    fn text_of_unknown(
        &self,
        name: &str,
        arguments: &[Expr],
        orders: &[u32],
        done: &FxHashMap<Expr, Printed>,
    ) -> String {
        let simple = arguments.iter().all(|a| self.symbol_name(*a).is_some());
        let mut slots = Vec::new();
        for (i, (argument, order)) in arguments.iter().zip(orders).enumerate() {
            let slot = match self.symbol_name(*argument) {
                Some(symbol) if simple => symbol.to_owned(),
                _ => i.to_string(),
            };
            slots.extend((0..*order).map(|_| slot.clone()));
        }
        let subscript = match slots.as_slice() {
            [] => String::new(),
            [single] if simple && single.chars().all(char::is_alphanumeric) => format!("_{single}"),
            _ => format!("_{{{}}}", slots.join(" ")),
        };
        if simple {
            return format!("{name}{subscript}");
        }
        let list: Vec<_> = arguments.iter().map(|a| done[a].text.as_str()).collect();
        format!("{name}{subscript}({})", list.join(", "))
    }

    fn text_of_sum(
        &self,
        constant: &Rational,
        terms: &[(Expr, Rational)],
        done: &FxHashMap<Expr, Printed>,
    ) -> Printed {
        let mut pieces: Vec<(bool, String)> = terms
            .iter()
            .map(|(term, coefficient)| {
                let piece = self.text_of_scaled(&coefficient.abs(), *term, done);
                (coefficient.is_negative(), piece.text)
            })
            .collect();
        if !constant.is_zero() {
            let piece = (constant.is_negative(), number(&constant.abs()).text);
            pieces.push(piece);
        }
        Printed::new(join_signed(pieces), Level::Sum)
    }

    /// `coefficient * term` for a positive coefficient.
    fn text_of_scaled(
        &self,
        coefficient: &Rational,
        term: Expr,
        done: &FxHashMap<Expr, Printed>,
    ) -> Printed {
        match self.node(term) {
            Node::Product(_, factors) => self.text_of_product(coefficient, factors, done),
            _ if coefficient.is_one() => done[&term].clone(),
            _ => {
                let (above, below) = fraction_words(coefficient);
                let body = parenthesised(&done[&term], Level::Power);
                let mut text = above.map_or(String::new(), |n| format!("{n}*"));
                text.push_str(&body);
                if let Some(d) = below {
                    text = format!("{text}/{d}");
                }
                Printed::new(text, Level::Product)
            }
        }
    }

    fn text_of_product(
        &self,
        coefficient: &Rational,
        factors: &[(Expr, Expr)],
        done: &FxHashMap<Expr, Printed>,
    ) -> Printed {
        let (above, below) = fraction_words(&coefficient.abs());
        let mut numerator: Vec<String> = above.into_iter().collect();
        let below_is_number = below.is_some();
        let mut denominator: Vec<String> = below.into_iter().collect();
        for (base, exponent) in factors {
            let power = self.as_number(*exponent);
            match power {
                Some(power) if power.is_negative() => {
                    denominator.push(self.text_of_power(*base, None, &-power, done));
                }
                Some(power) => numerator.push(self.text_of_power(*base, None, power, done)),
                None => {
                    let power = Some(done[exponent].clone());
                    numerator.push(self.text_of_power(*base, power, &Rational::one(), done));
                }
            }
        }
        if let ([single], []) = (numerator.as_slice(), denominator.as_slice())
            && coefficient.is_one()
        {
            let level = if factors.len() == 1 && single.contains('^') {
                Level::Power
            } else {
                Level::Atom
            };
            return Printed::new(single, level);
        }
        let mut text = if numerator.is_empty() {
            "1".to_owned()
        } else {
            numerator.join("*")
        };
        // `2*(a - b)` in parentheses would read as `2*a - 2*b`.
        let lone_sum = factors
            .iter()
            .find(|(_, e)| self.as_number(*e).is_some_and(Rational::is_negative))
            .is_some_and(|(b, e)| {
                self.as_integer(*e) == Some(-1) && matches!(self.node(*b), Node::Sum(..))
            });
        match denominator.as_slice() {
            [] => {}
            [number, sum] if below_is_number && lone_sum => text = format!("{text}/{number}/{sum}"),
            [single] => text = format!("{text}/{single}"),
            several => text = format!("{text}/({})", several.join("*")),
        }
        if coefficient.is_negative() {
            return Printed::new(format!("-{text}"), Level::Sum);
        }
        Printed::new(text, Level::Product)
    }

    fn text_of_power(
        &self,
        base: Expr,
        symbolic: Option<Printed>,
        power: &Rational,
        done: &FxHashMap<Expr, Printed>,
    ) -> String {
        if let Some(exponent) = symbolic {
            let body = parenthesised(&done[&base], Level::Atom);
            return format!("{body}^{}", parenthesised(&exponent, Level::Atom));
        }
        if power.is_one() {
            return parenthesised(&done[&base], Level::Power);
        }
        if power.small() == Some((1, 2)) {
            return format!("sqrt({})", done[&base].text);
        }
        let body = parenthesised(&done[&base], Level::Atom);
        match power.to_integer() {
            Some(n) => format!("{body}^{n}"),
            None => format!("{body}^({power})"),
        }
    }
}

/// The text, in parentheses unless it holds together at least as tightly as `level`.
fn parenthesised(piece: &Printed, level: Level) -> String {
    if piece.level >= level {
        piece.text.clone()
    } else {
        format!("({})", piece.text)
    }
}

/// `a - b + c` with a positive term first where there is one.
pub(super) fn join_signed(mut pieces: Vec<(bool, String)>) -> String {
    if let Some(first) = pieces.iter().position(|(negative, _)| !negative) {
        pieces[..=first].rotate_right(1);
    }
    let mut text = String::new();
    for (i, (negative, piece)) in pieces.iter().enumerate() {
        text.push_str(match (i, negative) {
            (0, true) => "-",
            (0, false) => "",
            (_, true) => " - ",
            (_, false) => " + ",
        });
        text.push_str(piece);
    }
    text
}

/// A positive coefficient as numerator and denominator words; `None` where the word is 1.
pub(super) fn fraction_words(value: &Rational) -> (Option<String>, Option<String>) {
    if value.is_one() {
        return (None, None);
    }
    match value.small() {
        Some((1, d)) if d <= 64 => (None, Some(d.to_string())),
        Some((n, d)) if d > 1 && d <= 9 && n <= 9 => (Some(n.to_string()), Some(d.to_string())),
        _ => match value.decimal(17) {
            Some(text) => (Some(text), None),
            None => {
                let whole = value.to_string();
                match whole.split_once('/') {
                    Some(("1", d)) => (None, Some(d.to_owned())),
                    Some((n, d)) => (Some(n.to_owned()), Some(d.to_owned())),
                    None => (Some(whole), None),
                }
            }
        },
    }
}

fn number(value: &Rational) -> Printed {
    if value.is_negative() {
        let positive = number(&value.abs());
        return Printed::new(format!("-{}", positive.text), Level::Sum);
    }
    match fraction_words(value) {
        (None, None) => Printed::new("1", Level::Atom),
        (Some(n), None) => Printed::new(n, Level::Atom),
        (n, Some(d)) => Printed::new(
            format!("{}/{d}", n.unwrap_or_else(|| "1".to_owned())),
            Level::Product,
        ),
    }
}
