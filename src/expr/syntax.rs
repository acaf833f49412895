//! Tokens to a syntax tree, by operator precedence.
//!
//! From loosest to tightest: `or`, `and`, `not`, comparisons, `+ -`, `* / % .* ./ @`, unary minus,
//! `^ .^` (to the right), `'` and `[ ]`. Operators of one level form a flat chain, so a sum of a
//! hundred thousand terms is not a hundred thousand levels deep.

use super::error::ExprError;
use super::lexer::{Lexeme, Token, lex};
use super::rational::Rational;
use super::stack::{nesting_bound, with_room};
use std::ops::Range;

/// Nesting beyond this is an error: both the parser and the elaborator recurse.
pub(super) const DEEPEST: usize = 1000;

/// A node of the tree of a source.
#[derive(Clone, Debug)]
pub struct Syntax {
    pub kind: Phrase,
    /// Bytes of the source, parentheses included.
    pub span: Range<usize>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Phrase {
    Number(Rational),
    Name(String),
    Call {
        name: String,
        name_span: Range<usize>,
        arguments: Vec<Syntax>,
    },
    /// `sum(i in low..high: body)`.
    Fold {
        name: String,
        range: Box<LoopRange>,
        body: Box<Syntax>,
    },
    Index(Box<Syntax>, Vec<Syntax>),
    List(Vec<Syntax>),
    Negate(Box<Syntax>),
    Not(Box<Syntax>),
    Transpose(Box<Syntax>),
    /// `first op next op next ...`, from left to right.
    Chain(Box<Syntax>, Vec<Link>),
    Power(Box<Syntax>, Box<Link>),
}

/// An operator with what stands on its right.
#[derive(Clone, Debug)]
pub struct Link {
    pub operator: &'static str,
    pub operator_span: Range<usize>,
    pub right: Syntax,
}

/// `index in low..high`.
#[derive(Clone, Debug)]
pub struct LoopRange {
    pub index: String,
    pub low: Syntax,
    pub high: Syntax,
}

/// An expression that may carry ` for i in a..b`.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) body: Syntax,
    pub(super) range: Option<LoopRange>,
}

pub(super) const FOLDS: [&str; 5] = ["sum", "prod", "max", "min", "logsumexp"];

/// The tree of a source that is one expression.
///
/// # Errors
/// Syntax errors, and nesting beyond 1000 levels.
pub fn tree(source: &str) -> Result<Syntax, ExprError> {
    with_room(nesting_bound(source), || parse_syntax(source))
}

/// Parses a whole source as one expression.
pub(super) fn parse_syntax(source: &str) -> Result<Syntax, ExprError> {
    let mut parser = Parser::new(source)?;
    let body = parser.expression()?;
    parser.end("an operator or the end")?;
    Ok(body)
}

/// Parses an entry of a component list.
pub(super) fn parse_entry(source: &str) -> Result<Entry, ExprError> {
    let mut parser = Parser::new(source)?;
    let body = parser.expression()?;
    let range = if parser.take_word("for") {
        Some(parser.range()?)
    } else {
        None
    };
    parser.end("an operator, `for` or the end")?;
    Ok(Entry { body, range })
}

/// Parses `name` or `name(a, b)` on the left of a definition; returns name and parameters.
pub(super) fn parse_head(source: &str) -> Result<(String, Option<Vec<String>>), ExprError> {
    let mut parser = Parser::new(source)?;
    let name = parser.name("a name")?;
    let mut parameters = None;
    if parser.take("(") {
        let mut names = vec![parser.name("a parameter")?];
        while parser.take(",") {
            names.push(parser.name("a parameter")?);
        }
        parser.expect(")", "`,` or `)`")?;
        parameters = Some(names);
    }
    parser.end("`(` or the end")?;
    Ok((name, parameters))
}

struct Parser<'a> {
    source: &'a str,
    lexemes: Vec<Lexeme>,
    position: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str) -> Result<Self, ExprError> {
        Ok(Self {
            source,
            lexemes: lex(source)?,
            position: 0,
            depth: 0,
        })
    }

    fn peek(&self) -> &Lexeme {
        &self.lexemes[self.position]
    }

    fn advance(&mut self) -> Lexeme {
        let lexeme = self.peek().clone();
        if lexeme.token != Token::End {
            self.position += 1;
        }
        lexeme
    }

    fn word(&self, lexeme: &Lexeme) -> &'a str {
        &self.source[lexeme.span.clone()]
    }

    fn take(&mut self, mark: &'static str) -> bool {
        let found = self.peek().token == Token::Mark(mark);
        if found {
            self.advance();
        }
        found
    }

    fn at_word(&self, word: &str) -> bool {
        self.peek().token == Token::Name && self.word(self.peek()) == word
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.advance();
        }
        found
    }

    fn unexpected(&self, expected: &str) -> ExprError {
        let found = self.peek();
        let what = match found.token {
            Token::End => "the expression ends too early".to_owned(),
            _ => format!("unexpected `{}`", self.word(found)),
        };
        let error = ExprError::new(
            "E101",
            found.span.clone(),
            what,
            format!("expected {expected}"),
        );
        match found.token {
            Token::Mark("=") => error.help("equality is written `==`"),
            Token::Mark("|") => error.help("the absolute value is `abs(a)`, alternatives are `or`"),
            Token::Name | Token::Number if self.position > 0 => {
                let before = self.word(&self.lexemes[self.position - 1]);
                let after = self.word(found);
                error.help(format!("products need a sign: `{before}*{after}`"))
            }
            Token::Mark("*") if self.position > 0 => {
                let before = &self.lexemes[self.position - 1];
                if before.token == Token::Mark("*") {
                    error.help("powers are written `^`")
                } else {
                    error
                }
            }
            _ => error,
        }
    }

    fn expect(&mut self, mark: &'static str, expected: &str) -> Result<Lexeme, ExprError> {
        if self.peek().token == Token::Mark(mark) {
            Ok(self.advance())
        } else {
            Err(self.unexpected(expected))
        }
    }

    fn end(&self, expected: &str) -> Result<(), ExprError> {
        if self.peek().token == Token::End {
            Ok(())
        } else {
            Err(self.unexpected(expected))
        }
    }

    fn name(&mut self, expected: &str) -> Result<String, ExprError> {
        if self.peek().token == Token::Name {
            let lexeme = self.advance();
            Ok(self.word(&lexeme).to_owned())
        } else {
            Err(self.unexpected(expected))
        }
    }

    /// Runs `parse` one level deeper.
    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, ExprError>,
    ) -> Result<T, ExprError> {
        if self.depth == DEEPEST {
            let message = format!("nested more than {DEEPEST} levels deep");
            let span = self.peek().span.clone();
            return Err(ExprError::new(
                "E103",
                span,
                message,
                "this level is too deep",
            ));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn expression(&mut self) -> Result<Syntax, ExprError> {
        self.nested(|p| p.level(0))
    }

    /// The binary operators of a precedence level that stand at the current position.
    fn operator(&self, level: usize) -> Option<&'static str> {
        const LEVELS: [&[&str]; 5] = [
            &["or"],
            &["and"],
            &["<", "<=", ">", ">=", "==", "!="],
            &["+", "-"],
            &["*", "/", "%", ".*", "./", "@"],
        ];
        let found = self.peek();
        let word = match found.token {
            Token::Mark(mark) => mark,
            Token::Name => self.word(found),
            _ => return None,
        };
        LEVELS[level].iter().find(|known| **known == word).copied()
    }

    fn level(&mut self, level: usize) -> Result<Syntax, ExprError> {
        if level == 5 {
            return self.unary();
        }
        if level == 2 && self.at_word("not") {
            let start = self.advance().span.start;
            let inner = self.nested(|p| p.level(2))?;
            let span = start..inner.span.end;
            return Ok(Syntax {
                kind: Phrase::Not(Box::new(inner)),
                span,
            });
        }
        let first = self.level(level + 1)?;
        let mut links = Vec::new();
        while let Some(operator) = self.operator(level) {
            let operator_span = self.advance().span;
            if level == 2 && !links.is_empty() {
                let error = ExprError::new(
                    "E101",
                    operator_span,
                    "comparisons cannot be chained",
                    "expected `and` or `or`",
                );
                return Err(error.help("write `a < b and b < c`"));
            }
            let right = self.level(level + 1)?;
            links.push(Link {
                operator,
                operator_span,
                right,
            });
        }
        let Some(last) = links.last() else {
            return Ok(first);
        };
        let span = first.span.start..last.right.span.end;
        Ok(Syntax {
            kind: Phrase::Chain(Box::new(first), links),
            span,
        })
    }

    fn unary(&mut self) -> Result<Syntax, ExprError> {
        if self.peek().token == Token::Mark("-") {
            let start = self.advance().span.start;
            let inner = self.nested(Self::unary)?;
            let span = start..inner.span.end;
            return Ok(Syntax {
                kind: Phrase::Negate(Box::new(inner)),
                span,
            });
        }
        if self.take("+") {
            return self.nested(Self::unary);
        }
        let base = self.postfix()?;
        for operator in ["^", ".^"] {
            if self.peek().token == Token::Mark(operator) {
                let operator_span = self.advance().span;
                let right = self.nested(Self::unary)?;
                let span = base.span.start..right.span.end;
                let link = Link {
                    operator,
                    operator_span,
                    right,
                };
                return Ok(Syntax {
                    kind: Phrase::Power(Box::new(base), Box::new(link)),
                    span,
                });
            }
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Result<Syntax, ExprError> {
        let mut base = self.primary()?;
        // Each postfix wraps the tree once more, so it counts as a level.
        let depth = self.depth;
        loop {
            let start = base.span.start;
            if self.depth == DEEPEST {
                return self.nested(|_| Ok(base));
            }
            if self.peek().token == Token::Mark("'") {
                let end = self.advance().span.end;
                base = Syntax {
                    kind: Phrase::Transpose(Box::new(base)),
                    span: start..end,
                };
            } else if self.take("[") {
                let indices = self.arguments("]")?;
                let end = self.lexemes[self.position - 1].span.end;
                base = Syntax {
                    kind: Phrase::Index(Box::new(base), indices),
                    span: start..end,
                };
            } else {
                self.depth = depth;
                return Ok(base);
            }
            self.depth += 1;
        }
    }

    /// One or more expressions up to the closing mark, which is taken.
    fn arguments(&mut self, close: &'static str) -> Result<Vec<Syntax>, ExprError> {
        let mut list = vec![self.expression()?];
        while self.take(",") {
            list.push(self.expression()?);
        }
        self.expect(close, &format!("`,` or `{close}`"))?;
        Ok(list)
    }

    fn range(&mut self) -> Result<LoopRange, ExprError> {
        let index = self.name("a loop index")?;
        if !self.take_word("in") {
            return Err(self.unexpected("`in`"));
        }
        let low = self.expression()?;
        self.expect("..", "`..`")?;
        let high = self.expression()?;
        Ok(LoopRange { index, low, high })
    }

    fn primary(&mut self) -> Result<Syntax, ExprError> {
        let lexeme = self.peek().clone();
        let span = lexeme.span.clone();
        match lexeme.token {
            Token::Number => {
                self.advance();
                let value = Rational::parse(self.word(&lexeme)).ok_or_else(|| {
                    let message = format!("`{}` is out of range", self.word(&lexeme));
                    let label = "decimal exponents go to 400, digits to 1000";
                    ExprError::new("E102", span.clone(), message, label)
                })?;
                Ok(Syntax {
                    kind: Phrase::Number(value),
                    span,
                })
            }
            Token::Name if !["and", "or", "not", "in", "for"].contains(&self.word(&lexeme)) => {
                self.advance();
                let name = self.word(&lexeme).to_owned();
                if self.take("(") {
                    return self.call(name, span);
                }
                Ok(Syntax {
                    kind: Phrase::Name(name),
                    span,
                })
            }
            Token::Mark("(") => {
                self.advance();
                let mut inner = self.expression()?;
                let close = self.expect(")", "an operator or `)`")?;
                inner.span = span.start..close.span.end;
                Ok(inner)
            }
            Token::Mark("[") => {
                self.advance();
                let items = self.arguments("]")?;
                let end = self.lexemes[self.position - 1].span.end;
                Ok(Syntax {
                    kind: Phrase::List(items),
                    span: span.start..end,
                })
            }
            _ => Err(self.unexpected("a number, a name or `(`")),
        }
    }

    /// After `name(`.
    fn call(&mut self, name: String, name_span: Range<usize>) -> Result<Syntax, ExprError> {
        let start = name_span.start;
        let next = self.lexemes.get(self.position + 1);
        let is_fold = self.peek().token == Token::Name
            && next.is_some_and(|n| n.token == Token::Name && self.word(n) == "in");
        let kind = if is_fold {
            if !FOLDS.contains(&name.as_str()) {
                let message = format!("`{name}` does not run over a range");
                let error = ExprError::new("E112", name_span, message, "not a loop");
                return Err(error.help(format!("loops are {}", FOLDS.join(", "))));
            }
            let range = Box::new(self.range()?);
            self.expect(":", "`:` and the term")?;
            let body = Box::new(self.expression()?);
            self.expect(")", "an operator or `)`")?;
            Phrase::Fold { name, range, body }
        } else {
            let arguments = if self.take(")") {
                Vec::new()
            } else {
                self.arguments(")")?
            };
            Phrase::Call {
                name,
                name_span,
                arguments,
            }
        };
        let end = self.lexemes[self.position - 1].span.end;
        Ok(Syntax {
            kind,
            span: start..end,
        })
    }
}
