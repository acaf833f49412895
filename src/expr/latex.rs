//! Printing as LaTeX mathematics.

use super::function::Function;
use super::graph::{Expr, Graph, Node, Relation};
use super::rational::Rational;
use super::text::{Level, Printed, fraction_words, join_signed};
use rustc_hash::FxHashMap;

const GREEK: [&str; 34] = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
    "pi",
];

/// A name as LaTeX: `x[0]` is `x_{0}`, `sigma` a Greek letter, `t_min` and `k12` have subscripts. Names
/// of derived quantities may end in `^` (a hat), in `'` (a dot), or carry `_{another name}`.
pub fn latex_name(name: &str) -> String {
    if let Some(base) = name.strip_suffix('^') {
        return format!("\\hat{{{}}}", latex_name(base));
    }
    if let Some(base) = name.strip_suffix('\'') {
        return format!("\\dot{{{}}}", latex_name(base));
    }
    if let Some((base, inner)) = name.split_once("_{")
        && let Some(inner) = inner.strip_suffix('}')
    {
        return format!("{}_{{{}}}", latex_name(base), latex_name(inner));
    }
    if let Some((base, index)) = name.split_once('[') {
        let index = index.trim_end_matches(']');
        return format!("{}_{{{index}}}", latex_name(base));
    }
    if let Some((base, rest)) = name.split_once('_')
        && !base.is_empty()
        && !rest.is_empty()
    {
        return format!("{}_{{{}}}", latex_name(base), subscript(rest));
    }
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if !letters.is_empty() && letters.len() < name.len() {
        return format!("{}_{{{}}}", latex_name(letters), &name[letters.len()..]);
    }
    word(name)
}

fn subscript(name: &str) -> String {
    let parts: Vec<_> = name
        .split('_')
        .filter(|p| !p.is_empty())
        .map(word)
        .collect();
    parts.join(",")
}

fn word(name: &str) -> String {
    if GREEK.contains(&name) {
        format!("\\{name}")
    } else if name.chars().count() == 1 || name.chars().all(|c| c.is_ascii_digit()) {
        name.to_owned()
    } else {
        format!("\\mathrm{{{name}}}")
    }
}

impl Graph {
    /// The expression as LaTeX, without delimiters. Longer than 200 000 characters it is cut.
    ///
    /// Derivatives of unknown functions of symbols print as `\partial_{t} V`.
    pub fn latex(&self, e: Expr) -> String {
        self.printed(e, "\\cdots", |node, done| self.latex_of_node(node, done))
    }

    fn latex_of_node(&self, node: &Node, done: &FxHashMap<Expr, Printed>) -> Printed {
        let plain = |e: &Expr| done[e].text.as_str();
        match node {
            Node::Number(value) => number(value),
            Node::Pi => Printed::new("\\pi", Level::Atom),
            Node::Infinity => Printed::new("\\infty", Level::Atom),
            Node::Undefined => Printed::new("\\mathrm{undefined}", Level::Atom),
            Node::Truth(true) => Printed::new("\\top", Level::Atom),
            Node::Truth(false) => Printed::new("\\bot", Level::Atom),
            Node::Symbol(name) => Printed::new(latex_name(name), Level::Atom),
            Node::Unknown(name, arguments, orders) => {
                self.latex_of_unknown(name, arguments, orders, done)
            }
            Node::Sum(constant, terms) => self.latex_of_sum(constant, terms, done),
            Node::Product(coefficient, factors) => {
                self.latex_of_product(coefficient, factors, done)
            }
            Node::Apply(function, arguments) => latex_of_call(*function, arguments, done),
            Node::Compare(relation, a, b) => {
                let sign = match relation {
                    Relation::Less => "<",
                    Relation::LessOrEqual => "\\le",
                    Relation::Equal => "=",
                    Relation::NotEqual => "\\ne",
                };
                let text = format!("{} {sign} {}", plain(a), plain(b));
                Printed::new(text, Level::Condition)
            }
            Node::And(parts) | Node::Or(parts) => {
                let sign = if matches!(node, Node::And(_)) {
                    " \\wedge "
                } else {
                    " \\vee "
                };
                let parts: Vec<_> = parts.iter().map(|p| group(&done[p], Level::Sum)).collect();
                Printed::new(parts.join(sign), Level::Condition)
            }
            Node::Not(a) => {
                let text = format!("\\neg {}", group(&done[a], Level::Atom));
                Printed::new(text, Level::Sum)
            }
            Node::Choose(condition, yes, no) => Printed::new(
                format!(
                    "\\begin{{cases}} {} & {} \\\\ {} & \\text{{otherwise}} \\end{{cases}}",
                    plain(yes),
                    plain(condition),
                    plain(no)
                ),
                Level::Product,
            ),
        }
    }

    fn latex_of_unknown(
        &self,
        name: &str,
        arguments: &[Expr],
        orders: &[u32],
        done: &FxHashMap<Expr, Printed>,
    ) -> Printed {
        let simple = arguments.iter().all(|a| self.symbol_name(*a).is_some());
        let mut text = String::new();
        for (i, (argument, order)) in arguments.iter().zip(orders).enumerate() {
            let slot = if simple {
                done[argument].text.clone()
            } else {
                (i + 1).to_string()
            };
            match order {
                0 => {}
                1 => text.push_str(&format!("\\partial_{{{slot}}} ")),
                n => text.push_str(&format!("\\partial_{{{slot}}}^{{{n}}} ")),
            }
        }
        let level = if text.is_empty() {
            Level::Atom
        } else {
            Level::Power
        };
        text.push_str(&latex_name(name));
        if !simple {
            let list: Vec<_> = arguments.iter().map(|a| done[a].text.as_str()).collect();
            text.push_str(&format!("\\left({}\\right)", list.join(", ")));
        }
        Printed::new(text, level)
    }

    fn latex_of_sum(
        &self,
        constant: &Rational,
        terms: &[(Expr, Rational)],
        done: &FxHashMap<Expr, Printed>,
    ) -> Printed {
        let mut pieces: Vec<(bool, String)> = Vec::new();
        for (term, coefficient) in terms {
            let factors = match self.node(*term) {
                Node::Product(_, factors) => Some(factors.as_slice()),
                _ => None,
            };
            let size = coefficient.abs();
            let piece = match factors {
                Some(factors) => self.latex_of_product(&size, factors, done).text,
                None => scaled(&size, &done[term]),
            };
            pieces.push((coefficient.is_negative(), piece));
        }
        if !constant.is_zero() {
            pieces.push((constant.is_negative(), number(&constant.abs()).text));
        }
        Printed::new(join_signed(pieces), Level::Sum)
    }

    fn latex_of_product(
        &self,
        coefficient: &Rational,
        factors: &[(Expr, Expr)],
        done: &FxHashMap<Expr, Printed>,
    ) -> Printed {
        let (above, below) = fraction_words(&coefficient.abs());
        let (mut numerator, mut denominator): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
        for (base, exponent) in factors {
            match self.as_number(*exponent) {
                Some(power) if power.is_negative() => denominator.push((*base, -power)),
                Some(power) => numerator.push((power_latex(&done[base], power, &[]), base)),
                None => {
                    let one = Rational::one();
                    let piece = power_latex(&done[base], &one, &[done[exponent].text.as_str()]);
                    numerator.push((piece, base));
                }
            }
        }
        let alone = numerator.len() == 1 && denominator.is_empty() && coefficient.is_one();
        if alone {
            return Printed::new(numerator.remove(0).0.text, Level::Power);
        }
        let mut bottom: Vec<String> = below.into_iter().collect();
        let single_bottom = bottom.is_empty() && denominator.len() == 1;
        for (base, power) in &denominator {
            let piece = power_latex(&done[base], power, &[]);
            let level = if single_bottom {
                Level::Condition
            } else {
                Level::Power
            };
            bottom.push(group(&piece, level));
        }
        let single_top = above.is_none() && numerator.len() == 1 && !bottom.is_empty();
        let mut top: Vec<String> = above.into_iter().collect();
        for (piece, _) in &numerator {
            let level = if single_top {
                Level::Condition
            } else {
                Level::Power
            };
            top.push(group(piece, level));
        }
        let top = if top.is_empty() {
            "1".to_owned()
        } else {
            top.join(" \\, ")
        };
        let text = if bottom.is_empty() {
            top
        } else {
            format!("\\frac{{{top}}}{{{}}}", bottom.join(" \\, "))
        };
        if coefficient.is_negative() {
            return Printed::new(format!("-{text}"), Level::Sum);
        }
        Printed::new(text, Level::Product)
    }
}

/// `base^power`, or `base^{symbolic}`; a piece that stands alone keeps its own level.
fn power_latex(base: &Printed, power: &Rational, symbolic: &[&str]) -> Printed {
    if let [exponent] = symbolic {
        let text = format!("{}^{{{exponent}}}", group(base, Level::Atom));
        return Printed::new(text, Level::Power);
    }
    if power.is_one() {
        return base.clone();
    }
    if power.small() == Some((1, 2)) {
        return Printed::new(format!("\\sqrt{{{}}}", base.text), Level::Atom);
    }
    let text = format!("{}^{{{power}}}", group(base, Level::Atom));
    Printed::new(text, Level::Power)
}

fn latex_of_call(
    function: Function,
    arguments: &[Expr],
    done: &FxHashMap<Expr, Printed>,
) -> Printed {
    let list: Vec<_> = arguments.iter().map(|a| done[a].text.as_str()).collect();
    let list = list.join(", ");
    let name = match function {
        Function::Exp if list.len() <= 24 && !list.contains("frac") => {
            return Printed::new(format!("e^{{{list}}}"), Level::Power);
        }
        Function::Abs => return Printed::new(format!("\\left|{list}\\right|"), Level::Atom),
        Function::Floor => {
            return Printed::new(format!("\\lfloor {list} \\rfloor"), Level::Atom);
        }
        Function::Exp
        | Function::Log
        | Function::Sin
        | Function::Cos
        | Function::Tan
        | Function::Sinh
        | Function::Cosh
        | Function::Tanh
        | Function::Min
        | Function::Max => format!("\\{}", function.name()),
        Function::Asin => "\\arcsin".to_owned(),
        Function::Acos => "\\arccos".to_owned(),
        Function::Atan => "\\arctan".to_owned(),
        Function::Lgamma => "\\log\\Gamma".to_owned(),
        _ => format!("\\operatorname{{{}}}", function.name()),
    };
    Printed::new(format!("{name}\\left({list}\\right)"), Level::Atom)
}

fn scaled(size: &Rational, piece: &Printed) -> String {
    match fraction_words(size) {
        (None, None) => piece.text.clone(),
        (Some(n), None) => format!("{n} \\, {}", group(piece, Level::Power)),
        (None, Some(d)) => format!("\\frac{{{}}}{{{d}}}", piece.text),
        (Some(n), Some(d)) => format!("\\frac{{{n}}}{{{d}}} \\, {}", group(piece, Level::Power)),
    }
}

fn group(piece: &Printed, level: Level) -> String {
    if piece.level >= level {
        piece.text.clone()
    } else {
        format!("\\left({}\\right)", piece.text)
    }
}

fn number(value: &Rational) -> Printed {
    if value.is_negative() {
        return Printed::new(format!("-{}", number(&value.abs()).text), Level::Sum);
    }
    match fraction_words(value) {
        (None, None) => Printed::new("1", Level::Atom),
        (Some(n), None) => Printed::new(scientific(&n), Level::Atom),
        (n, Some(d)) => {
            let n = n.unwrap_or_else(|| "1".to_owned());
            Printed::new(format!("\\frac{{{n}}}{{{d}}}"), Level::Power)
        }
    }
}

fn scientific(text: &str) -> String {
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{mantissa} \\cdot 10^{{{exponent}}}"),
        None => text.to_owned(),
    }
}
