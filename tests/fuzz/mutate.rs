//! Edits of problem files that are meant to break their reader.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest text that is made.
const LONGEST: usize = 64 * 1024;

/// The texts below a folder.
pub fn files(folder: &Path, into: &mut Vec<(PathBuf, String)>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|e| e == "toml" || e == "txt")
            && let Ok(text) = fs::read_to_string(&path)
        {
            into.push((path, text));
        }
    }
}

/// A number of the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

const FRAGMENTS: [&str; 48] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "((((((((",
    "))))))))",
    "[[",
    "]]",
    "\"",
    "\"\"\"",
    "'",
    "=",
    "\n",
    "#",
    "x[0]",
    "x[999999999]",
    "x",
    "sum(i in 0..1000000: ",
    "sum(i in 0..d: x[i])",
    "prod(i in 0..9: ",
    "grad(",
    "hess(",
    "lap(",
    "D(",
    "jac(",
    "div(",
    "if(x[0] > 0, ",
    "exp(",
    "log(",
    "^",
    "^^",
    "2^1000000000",
    "1e308",
    "-1e-308",
    "nan",
    "inf",
    "0/0",
    "99999999999999999999",
    "-9223372036854775808",
    "E[",
    "ito(x, dX)",
    "variation(action, u, score, ",
    " for i in 0..5",
    "\u{3b1}",
    "det(A)",
    "@",
];

/// Expressions that grow when written out: `#` is a smaller one, `%` a number.
const GROWING: [&str; 40] = [
    "sum(i in 0..%: #)",
    "prod(i in 0..%: #)",
    "max(i in 0..%: #)",
    "logsumexp(i in 0..%: #)",
    "sum(i in 0..%: sum(j in 0..%: #))",
    "hess(#)[0][0]",
    "lap(#)",
    "grad(#)[0]",
    "D(#, x[0])",
    "D(D(D(#, x[0]), x[0]), x[0])",
    "det([[#, x[1]], [x[2], #]])",
    "inv([[#, x[1]], [x[2], #]])[0][0]",
    "trace(outer(x, x)*(#))",
    "quad(outer(x, x), x)*(#)",
    "norm(#*x)",
    "sum(#*x)",
    "(#)^(#)",
    "(#)^%",
    "(#)*(#)",
    "(#) + (#)",
    "(#)/(#)",
    "(#)^(1/%)",
    "(#) % %",
    "x[i]^i*(#)",
    "x[i % 3]*(#)",
    "i*(#)",
    "exp(#)",
    "log(#)",
    "tanh(#)",
    "abs(#)",
    "if(# > 0, #, #)",
    "max(#, #)",
    "atan2(#, #)",
    "softplus(#)",
    "lgamma(#)",
    "(1/(i + 1))*(#)",
    "(0.1^i + x[0])*(#)",
    "(2^i)*(#)",
    "exp(i*x[0])*(#)",
    "(x[0] + i)*(#)",
];

const LEAVES: [&str; 10] = [
    "x[0]",
    "x[1]",
    "(x[0] + x[1])",
    "t",
    "k",
    "i",
    "0.3",
    "norm2(x)",
    "1e-300",
    "pi",
];

/// An expression that grows when written out, with at most `budget` parts.
fn growing(budget: &mut usize, random: &mut ChaCha8Rng) -> String {
    if *budget == 0 || random.random_range(0..8) == 0 {
        return LEAVES[random.random_range(0..LEAVES.len())].to_owned();
    }
    *budget -= 1;
    let mut text = String::new();
    for character in GROWING[random.random_range(0..GROWING.len())].chars() {
        match character {
            '#' => text.push_str(&growing(budget, random)),
            '%' if random.random_range(0..4) > 0 => {
                let digits = random.random_range(1..6);
                let number = random.random_range(0..10u32.pow(digits));
                text.push_str(&number.to_string());
            }
            '%' => text.push('3'),
            other => text.push(other),
        }
    }
    text
}

/// Puts an expression that grows in the place of a quoted text.
fn replace_quoted(text: &mut String, random: &mut ChaCha8Rng) {
    let quotes: Vec<usize> = text.match_indices('"').map(|(at, _)| at).collect();
    let pairs = quotes.len() / 2;
    if pairs > 0 {
        let pair = random.random_range(0..pairs);
        let mut budget = random.random_range(1..12);
        let expression = growing(&mut budget, random);
        text.replace_range(quotes[2 * pair] + 1..quotes[2 * pair + 1], &expression);
    }
}

/// One random edit.
pub fn mutate(text: &mut String, others: &[(PathBuf, String)], random: &mut ChaCha8Rng) {
    let at = |text: &str, random: &mut ChaCha8Rng| {
        let mut at = random.random_range(0..=text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    match random.random_range(0..10) {
        7..10 => replace_quoted(text, random),
        0 => {
            let (a, b) = (at(text, random), at(text, random));
            let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 200));
            let to = (from..=to).rev().find(|i| text.is_char_boundary(*i));
            text.replace_range(from..to.unwrap_or(from), "");
        }
        1 | 2 => {
            let fragment = FRAGMENTS[random.random_range(0..FRAGMENTS.len())];
            let position = at(text, random);
            text.insert_str(position, fragment);
        }
        3 => {
            let (_, other) = &others[random.random_range(0..others.len())];
            let lines: Vec<&str> = other.lines().collect();
            if !lines.is_empty() {
                let first = random.random_range(0..lines.len());
                let last = (first + random.random_range(1..8)).min(lines.len());
                let position = at(text, random);
                text.insert_str(position, &format!("\n{}\n", lines[first..last].join("\n")));
            }
        }
        4 => {
            let fragment = FRAGMENTS[random.random_range(0..FRAGMENTS.len())];
            let times = 1usize << random.random_range(0..13);
            let position = at(text, random);
            text.insert_str(position, &fragment.repeat(times));
        }
        5 => {
            let character = char::from(random.random_range(32u8..127));
            let position = at(text, random);
            text.insert(position, character);
        }
        _ => {
            let mut lines: Vec<&str> = text.lines().collect();
            if lines.len() > 1 {
                let (a, b) = (
                    random.random_range(0..lines.len()),
                    random.random_range(0..lines.len()),
                );
                lines.swap(a, b);
                *text = lines.join("\n");
            }
        }
    }
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}
