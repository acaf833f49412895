//! Characters to tokens with byte spans.

use super::error::ExprError;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Number,
    Name,
    /// An operator or bracket, by its spelling.
    Mark(&'static str),
    End,
}

#[derive(Clone, Debug)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) span: Range<usize>,
}

/// Longer marks before their prefixes.
const MARKS: [&str; 26] = [
    "..", ".*", "./", ".^", "<=", ">=", "==", "!=", "+", "-", "*", "/", "^", "%", "@", "'", "(",
    ")", "[", "]", ",", ":", "<", ">", "=", "|",
];

pub(super) fn lex(source: &str) -> Result<Vec<Lexeme>, ExprError> {
    let mut lexemes = Vec::new();
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let (token, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            (Token::Number, number_length(rest))
        } else if first.is_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            (Token::Name, length)
        } else if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            (Token::Mark(mark), mark.len())
        } else {
            let span = at..at + first.len_utf8();
            return Err(ExprError::new(
                "E102",
                span,
                format!("`{first}` has no meaning in an expression"),
                "not allowed here",
            ));
        };
        lexemes.push(Lexeme {
            token,
            span: at..at + length,
        });
        at += length;
    }
    lexemes.push(Lexeme {
        token: Token::End,
        span: source.len()..source.len(),
    });
    Ok(lexemes)
}

/// Length of the unsigned number at the start of `rest`. In `0..d` and `2.*x` the point is not its.
fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let mut length = digits(0);
    if bytes.get(length) == Some(&b'.')
        && !matches!(bytes.get(length + 1), Some(b'.' | b'*' | b'/' | b'^'))
    {
        length += 1 + digits(length + 1);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits((length + 1 + sign).min(bytes.len()));
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}
