//! Units of measurement: reading them, and inferring the unit of an expression.
//!
//! A unit is a product of rational powers of base names. Every name is a base of its own: `um` and `nm` are
//! as different as `um` and `s`, so a check says which *names* fit together and never rescales a number.

use super::error::ExprError;
use super::lexer::{Lexeme, Token, lex};
use super::rational::Rational;
use std::collections::BTreeMap;
use std::fmt;

/// Parentheses in a unit nest no deeper.
const DEEPEST: usize = 32;

/// A product of powers of base units; empty for a pure number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Unit(BTreeMap<String, Rational>);

impl Unit {
    /// The unit of a pure number.
    pub fn none() -> Self {
        Self::default()
    }

    /// A base unit.
    pub fn base(name: &str) -> Self {
        Self(BTreeMap::from([(name.to_owned(), Rational::one())]))
    }

    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    pub fn times(&self, other: &Self) -> Self {
        let mut powers = self.0.clone();
        for (name, power) in &other.0 {
            let total = powers.entry(name.clone()).or_insert_with(Rational::zero);
            *total = &*total + power;
        }
        powers.retain(|_, power| !power.is_zero());
        Self(powers)
    }

    pub fn raised(&self, power: &Rational) -> Self {
        let raise = |(name, p): (&String, &Rational)| (name.clone(), p * power);
        let mut powers: BTreeMap<_, _> = self.0.iter().map(raise).collect();
        powers.retain(|_, power| !power.is_zero());
        Self(powers)
    }

    pub fn per(&self, other: &Self) -> Self {
        self.times(&other.raised(&Rational::integer(-1)))
    }

    /// Reads `um`, `1/(um^2 s)`, `um/s^0.5`, `kg*m^(3/2)`, `1`.
    ///
    /// Factors are joined by `*`, a space or `/`; exponents are numbers. `a/b c` is refused, because it is
    /// read both ways.
    ///
    /// # Errors
    /// `E220`, at the characters that were not understood.
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        let lexemes = lex(text).map_err(|error| refused(error.span, "not part of a unit"))?;
        let mut reader = Reader {
            text,
            lexemes,
            position: 0,
            depth: 0,
        };
        let unit = reader.product()?;
        match reader.peek().token {
            Token::End => Ok(unit),
            _ => Err(reader.unexpected("`*`, `/`, `^` or the end")),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |(name, power): (&String, Rational)| match power.to_integer() {
            Some(1) => name.clone(),
            Some(n) => format!("{name}^{n}"),
            None => format!("{name}^({power})"),
        };
        let (above, below): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, p)| !p.is_negative());
        let above: Vec<_> = above
            .into_iter()
            .map(|(n, p)| word((n, p.clone())))
            .collect();
        let below: Vec<_> = below.into_iter().map(|(n, p)| word((n, -p))).collect();
        match above.as_slice() {
            [] => f.write_str("1")?,
            names => f.write_str(&names.join("*"))?,
        }
        match below.as_slice() {
            [] => Ok(()),
            [single] => write!(f, "/{single}"),
            several => write!(f, "/({})", several.join("*")),
        }
    }
}

fn refused(span: std::ops::Range<usize>, label: &str) -> ExprError {
    let message = "a unit is needed";
    ExprError::new("E220", span, message, label)
        .help("write `um/s`, `1/(um^2 s)`, `kg*m^2/s^2`, `um/s^0.5`, or `1` for a pure number")
}

struct Reader<'a> {
    text: &'a str,
    lexemes: Vec<Lexeme>,
    position: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> &Lexeme {
        &self.lexemes[self.position]
    }

    fn word(&self) -> &str {
        &self.text[self.peek().span.clone()]
    }

    fn take(&mut self, mark: &'static str) -> bool {
        let found = self.peek().token == Token::Mark(mark);
        self.position += usize::from(found);
        found
    }

    fn unexpected(&self, expected: &str) -> ExprError {
        refused(self.peek().span.clone(), &format!("expected {expected}"))
    }

    fn product(&mut self) -> Result<Unit, ExprError> {
        let mut total = self.factor()?;
        let mut divided = false;
        loop {
            let begins = matches!(
                self.peek().token,
                Token::Name | Token::Number | Token::Mark("(")
            );
            if self.take("*") {
                total = total.times(&self.factor()?);
            } else if self.take("/") {
                divided = true;
                total = total.per(&self.factor()?);
            } else if begins && divided {
                let label = "above or below the line? write parentheses: `a/(b c)`";
                return Err(refused(self.peek().span.clone(), label));
            } else if begins {
                total = total.times(&self.factor()?);
            } else {
                return Ok(total);
            }
        }
    }

    fn factor(&mut self) -> Result<Unit, ExprError> {
        let base = match self.peek().token {
            Token::Name => {
                let unit = Unit::base(self.word());
                self.position += 1;
                unit
            }
            Token::Number if self.word() == "1" => {
                self.position += 1;
                Unit::none()
            }
            Token::Number => {
                let label = "units have names, not scales: the only number is `1`";
                return Err(refused(self.peek().span.clone(), label));
            }
            Token::Mark("(") if self.depth < DEEPEST => {
                self.position += 1;
                self.depth += 1;
                let inner = self.product()?;
                self.depth -= 1;
                if !self.take(")") {
                    return Err(self.unexpected("`)`"));
                }
                inner
            }
            _ => return Err(self.unexpected("the name of a unit")),
        };
        if !self.take("^") {
            return Ok(base);
        }
        let bracketed = self.take("(");
        let negative = self.take("-");
        let mut power = self.number()?;
        if bracketed {
            if self.take("/") {
                let below = self.number()?.reciprocal();
                let below = below.ok_or_else(|| self.unexpected("a nonzero denominator"))?;
                power = &power * &below;
            }
            if !self.take(")") {
                return Err(self.unexpected("`)`"));
            }
        }
        Ok(base.raised(&if negative { -&power } else { power }))
    }

    fn number(&mut self) -> Result<Rational, ExprError> {
        let value = (self.peek().token == Token::Number)
            .then(|| Rational::parse(self.word()))
            .flatten();
        let value = value.ok_or_else(|| self.unexpected("a number"))?;
        self.position += 1;
        Ok(value)
    }
}
