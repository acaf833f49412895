//! The usual slips: one edit of a link at a time, each with the sentence that names it.
//!
//! An edit *undoes* a slip: if the edited link holds, the slip is the likely mistake.

use crate::derivation::claim::ground::RESERVED;
use crate::derivation::claim::identity::{Identity, Link, Side};
use crate::derivation::claim::reading::{FUNCTIONALS, LawText, children};
use crate::expr::Rational;
use crate::expr::syntax::{Link as Operand, Phrase, Syntax, tree};
use std::ops::Range;

/// Edits of one link beyond this many are not tried.
const MOST: usize = 2000;

/// Kinds of slips, likely ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Ends,
    Transposition,
    Reading,
    Factor,
    Sign,
    Laws,
    ExtraTerm,
    LostTerm,
}

/// Which side an edit is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Left,
    Right,
    /// `under`.
    Law,
}

/// A slip with the link as it should have been.
#[derive(Clone, Debug)]
pub struct Slip {
    /// What was done wrong, in the past tense.
    pub sentence: String,
    pub class: Class,
    pub place: Place,
    /// Bytes of the side.
    pub span: Range<usize>,
    pub identity: Identity,
    pub link: Link,
}

/// One edit of a tree.
struct Edit {
    sentence: String,
    class: Class,
    span: Range<usize>,
    tree: Syntax,
}

/// All single slips of a link.
pub fn slips(identity: &Identity, link: &Link) -> Vec<Slip> {
    let mut found = Vec::new();
    let mut add = |place: Place, side: &Side, edits: Vec<Edit>| {
        for edit in edits {
            let edited = Side {
                tree: edit.tree,
                ..side.clone()
            };
            let mut link = link.clone();
            match place {
                Place::Left => link.left = edited,
                _ => link.right = edited,
            }
            found.push(Slip {
                sentence: edit.sentence,
                class: edit.class,
                place,
                span: edit.span,
                identity: identity.clone(),
                link,
            });
        }
    };
    let sides = [(Place::Left, &link.left), (Place::Right, &link.right)];
    for (place, side) in sides {
        add(place, side, edits(side));
    }
    for (place, side) in sides {
        add(place, side, missing_terms(side));
    }
    found.extend(other_laws(identity, link));
    found.sort_by_key(|slip| (slip.class, slip.span.len()));
    found.truncate(MOST);
    found
}

fn other_laws(identity: &Identity, link: &Link) -> Vec<Slip> {
    let laws: &[(LawText, &str)] = match identity.law() {
        Some(LawText::Forward) => &[(LawText::Reverse, "reverse")],
        Some(LawText::Reverse) => &[(LawText::Forward, "forward")],
        Some(LawText::Controlled { .. }) => {
            &[(LawText::Reverse, "reverse"), (LawText::Forward, "forward")]
        }
        None => &[],
    };
    laws.iter()
        .map(|(law, name)| Slip {
            sentence: format!("the wrong law: this holds under \"{name}\""),
            class: Class::Laws,
            place: Place::Law,
            span: 0..0,
            identity: identity.under(law.clone()),
            link: link.clone(),
        })
        .collect()
}

/// Every edit of a side: the tree with one node replaced.
fn edits(side: &Side) -> Vec<Edit> {
    let mut variants = Vec::new();
    collect(
        &side.tree,
        &side.text,
        Context::default(),
        &mut Vec::new(),
        &mut variants,
    );
    variants
        .into_iter()
        .map(|variant| {
            let mut tree = side.tree.clone();
            replace(&mut tree, &variant.path, variant.node);
            Edit {
                sentence: variant.sentence,
                class: variant.class,
                span: variant.span,
                tree,
            }
        })
        .chain(swapped_ends(side))
        .collect()
}

/// The whole side with start and end exchanged.
fn swapped_ends(side: &Side) -> Option<Edit> {
    let mut tree = side.tree.clone();
    let mut ends = 0;
    let mut open = vec![&mut tree];
    while let Some(node) = open.pop() {
        if let Phrase::Call { name, .. } = &mut node.kind
            && let Some(other) = [("start", "end"), ("end", "start")]
                .iter()
                .find_map(|(this, other)| (name == this).then_some(other))
        {
            (*other).clone_into(name);
            ends += 1;
        }
        open.extend(children(&mut node.kind));
    }
    (ends > 1).then(|| Edit {
        class: Class::Ends,
        sentence: format!("swapped the ends in `{}`", side.text.trim()),
        span: side.tree.span.clone(),
        tree,
    })
}

/// A node to put at a path of child positions.
struct Variant {
    class: Class,
    path: Vec<usize>,
    node: Syntax,
    sentence: String,
    span: Range<usize>,
}

/// What surrounds a node.
#[derive(Clone, Copy, Default)]
struct Context {
    /// A factor of a product or an operand of a power: factors are tried on the whole product only.
    factor: bool,
}

fn number(value: Rational, span: &Range<usize>) -> Syntax {
    Syntax {
        kind: Phrase::Number(value),
        span: span.clone(),
    }
}

fn ratio(numerator: i64, denominator: i64) -> Rational {
    Rational::new(numerator, denominator).expect("the denominators here are 1 and 2")
}

/// `factor * node`.
fn scaled(factor: Rational, node: &Syntax) -> Syntax {
    Syntax {
        kind: Phrase::Chain(
            Box::new(number(factor, &node.span)),
            vec![Operand {
                operator: "*",
                operator_span: node.span.start..node.span.start,
                right: node.clone(),
            }],
        ),
        span: node.span.clone(),
    }
}

fn snippet<'a>(text: &'a str, span: &Range<usize>) -> &'a str {
    text.get(span.clone()).unwrap_or("")
}

fn is_zero(node: &Syntax) -> bool {
    matches!(&node.kind, Phrase::Number(value) if value.is_zero())
}

/// Edits of a node and of everything below it.
fn collect(
    node: &Syntax,
    text: &str,
    context: Context,
    path: &mut Vec<usize>,
    variants: &mut Vec<Variant>,
) {
    let words = snippet(text, &node.span);
    let mut push = |class: Class, node_new: Syntax, sentence: String, span: &Range<usize>| {
        variants.push(Variant {
            class,
            path: path.clone(),
            node: node_new,
            sentence,
            span: span.clone(),
        });
    };
    let is_sum = matches!(&node.kind, Phrase::Chain(_, links) if links.iter().all(|l| matches!(l.operator, "+" | "-")));
    let names_only =
        matches!(&node.kind, Phrase::Name(name) if matches!(name.as_str(), "t" | "dX" | "dW"));
    if !context.factor && !is_sum && !is_zero(node) && !names_only {
        push(
            Class::Factor,
            scaled(ratio(1, 2), node),
            format!("lost a factor 1/2 in `{words}`"),
            &node.span,
        );
        push(
            Class::Factor,
            scaled(ratio(2, 1), node),
            format!("lost a factor 2 in `{words}`"),
            &node.span,
        );
        push(
            Class::Sign,
            scaled(ratio(-1, 1), node),
            format!("wrong sign of `{words}`"),
            &node.span,
        );
    }
    match &node.kind {
        Phrase::Chain(first, links) if is_sum => {
            sum_edits(node, first, links, text, &mut push);
        }
        Phrase::Transpose(inner) => push(
            Class::Transposition,
            (**inner).clone(),
            format!("transposed `{}`", snippet(text, &inner.span)),
            &node.span,
        ),
        Phrase::Chain(first, links) if links.iter().any(|l| l.operator == "@") => {
            matrix_edits(node, first, links, text, &mut push);
        }
        Phrase::Call {
            name,
            name_span,
            arguments,
        } => call_edits(node, name, name_span, arguments, text, &mut push),
        _ => {}
    }
    below(node, text, path, variants);
}

/// Goes on to the children that carry a value of their own.
fn below(node: &Syntax, text: &str, path: &mut Vec<usize>, variants: &mut Vec<Variant>) {
    let mut copy = node.kind.clone();
    let skip_first = matches!(&node.kind, Phrase::Index(base, _) if matches!(&base.kind, Phrase::Name(n) if n == "E"));
    let factor = match &node.kind {
        Phrase::Chain(_, links) => !links.iter().all(|l| matches!(l.operator, "+" | "-")),
        Phrase::Power(..) | Phrase::Negate(_) => true,
        // A factor inside a linear call is the same slip as outside of it.
        Phrase::Call { name, .. } => {
            !FUNCTIONALS.contains(&name.as_str()) || name == "start" || name == "end"
        }
        Phrase::Index(base, _) => !matches!(&base.kind, Phrase::Name(n) if n == "E"),
        _ => false,
    };
    // The field, its place and the laws of a call are names.
    let skipped = |i: usize| match &node.kind {
        Phrase::Call { name, .. } if name == "variation" => i == 1,
        Phrase::Call { name, .. } if name == "kl" => true,
        Phrase::Call { name, .. } if name == "D" => i == 1,
        Phrase::Call { .. } => false,
        Phrase::Index(..) => i > 0 && !skip_first || i == 0 && skip_first,
        Phrase::Fold { .. } => i < 2,
        _ => false,
    };
    for (i, child) in children(&mut copy).into_iter().enumerate() {
        if skipped(i) {
            continue;
        }
        path.push(i);
        collect(child, text, Context { factor }, path, variants);
        path.pop();
    }
}

/// Signs and terms of a sum.
fn sum_edits(
    node: &Syntax,
    first: &Syntax,
    links: &[Operand],
    text: &str,
    push: &mut impl FnMut(Class, Syntax, String, &Range<usize>),
) {
    for (i, link) in links.iter().enumerate() {
        let words = snippet(text, &link.right.span);
        let mut flipped = links.to_vec();
        flipped[i].operator = if link.operator == "+" { "-" } else { "+" };
        let chain = |links: Vec<Operand>| Syntax {
            kind: Phrase::Chain(Box::new(first.clone()), links),
            span: node.span.clone(),
        };
        push(
            Class::Sign,
            chain(flipped),
            format!("wrong sign of `{words}`"),
            &link.right.span,
        );
        let mut shorter = links.to_vec();
        shorter.remove(i);
        let rest = if shorter.is_empty() {
            first.clone()
        } else {
            chain(shorter)
        };
        push(
            Class::ExtraTerm,
            rest,
            format!("an extra term `{words}`"),
            &link.right.span,
        );
    }
    // Without its first term a sum begins with the second.
    let rest = Syntax {
        kind: Phrase::Chain(
            Box::new(number(Rational::zero(), &first.span)),
            links.to_vec(),
        ),
        span: node.span.clone(),
    };
    let words = snippet(text, &first.span);
    push(
        Class::ExtraTerm,
        rest,
        format!("an extra term `{words}`"),
        &first.span,
    );
}

/// Transposition of the factors of a matrix product.
fn matrix_edits(
    node: &Syntax,
    first: &Syntax,
    links: &[Operand],
    text: &str,
    push: &mut impl FnMut(Class, Syntax, String, &Range<usize>),
) {
    let transposed = |factor: &Syntax| Syntax {
        kind: Phrase::Transpose(Box::new(factor.clone())),
        span: factor.span.clone(),
    };
    let plain = |factor: &Syntax| !matches!(factor.kind, Phrase::Transpose(_));
    if plain(first) {
        let kind = Phrase::Chain(Box::new(transposed(first)), links.to_vec());
        let words = snippet(text, &first.span);
        let edited = Syntax {
            kind,
            span: node.span.clone(),
        };
        push(
            Class::Transposition,
            edited,
            format!("lost the transpose of `{words}`"),
            &first.span,
        );
    }
    for (i, link) in links.iter().enumerate() {
        if link.operator == "@" && plain(&link.right) {
            let mut changed = links.to_vec();
            changed[i].right = transposed(&link.right);
            let words = snippet(text, &link.right.span);
            let edited = Syntax {
                kind: Phrase::Chain(Box::new(first.clone()), changed),
                span: node.span.clone(),
            };
            push(
                Class::Transposition,
                edited,
                format!("lost the transpose of `{words}`"),
                &link.right.span,
            );
        }
    }
}

/// Readings of stochastic integrals, swapped ends, swapped laws, time direction.
fn call_edits(
    node: &Syntax,
    name: &str,
    name_span: &Range<usize>,
    arguments: &[Syntax],
    text: &str,
    push: &mut impl FnMut(Class, Syntax, String, &Range<usize>),
) {
    let words = snippet(text, &node.span);
    let renamed = |new: &str, arguments: Vec<Syntax>| Syntax {
        kind: Phrase::Call {
            name: new.to_owned(),
            name_span: name_span.clone(),
            arguments,
        },
        span: node.span.clone(),
    };
    const READINGS: [(&str, &str); 3] = [
        ("ito", "Ito"),
        ("stratonovich", "Stratonovich"),
        ("anti_ito", "anti-Ito"),
    ];
    if let Some((_, found)) = READINGS.iter().find(|(known, _)| *known == name) {
        for (other, title) in READINGS.iter().filter(|(known, _)| *known != name) {
            let sentence = format!("read `{words}` as {found} where {title} is meant");
            push(
                Class::Reading,
                renamed(other, arguments.to_vec()),
                sentence,
                &node.span,
            );
        }
        let swap = |e: &Syntax| matches!(&e.kind, Phrase::Name(n) if n == "dX" || n == "dW");
        if let [integrand, against] = arguments
            && swap(against)
        {
            let other = if snippet(text, &against.span) == "dX" {
                "dW"
            } else {
                "dX"
            };
            let changed = Syntax {
                kind: Phrase::Name(other.to_owned()),
                span: against.span.clone(),
            };
            let sentence = format!("`{words}` runs against the wrong increment: {other} is meant");
            push(
                Class::Reading,
                renamed(name, vec![integrand.clone(), changed]),
                sentence,
                &against.span,
            );
        }
    }
    match name {
        "start" | "end" => {
            let other = if name == "start" { "end" } else { "start" };
            let sentence = format!("swapped the ends: `{words}` stands for {other}(...)");
            push(
                Class::Ends,
                renamed(other, arguments.to_vec()),
                sentence,
                &node.span,
            );
        }
        "kl" if arguments.len() == 2 => {
            let swapped = vec![arguments[1].clone(), arguments[0].clone()];
            push(
                Class::Laws,
                renamed(name, swapped),
                format!("swapped the laws of `{words}`"),
                &node.span,
            );
        }
        _ => {}
    }
}

fn replace(tree: &mut Syntax, path: &[usize], node: Syntax) {
    match path.split_first() {
        None => *tree = node,
        Some((first, rest)) => {
            if let Some(child) = children(&mut tree.kind).into_iter().nth(*first) {
                replace(child, rest, node);
            }
        }
    }
}

/// Terms that get lost: corrections and divergences, put back into every integrand of the side.
fn missing_terms(side: &Side) -> Vec<Edit> {
    let mut slots = Vec::new();
    integrands(&side.tree, &mut Vec::new(), &mut slots);
    let mut edits = Vec::new();
    for (candidate, title) in candidates(side) {
        let Ok(term) = tree(&candidate) else { continue };
        for slot in &slots {
            for (operator, word) in [("+", ""), ("-", "-")] {
                let Some(old) = node_at(&side.tree, slot) else {
                    continue;
                };
                let mut edited = side.tree.clone();
                let sum = Syntax {
                    kind: Phrase::Chain(
                        Box::new(old.clone()),
                        vec![Operand {
                            operator,
                            operator_span: old.span.end..old.span.end,
                            right: term.clone(),
                        }],
                    ),
                    span: old.span.clone(),
                };
                replace(&mut edited, slot, sum);
                edits.push(Edit {
                    class: Class::LostTerm,
                    sentence: format!(
                        "lost the {title} `{word}{candidate}` in `{}`",
                        snippet(&side.text, &old.span)
                    ),
                    span: old.span.clone(),
                    tree: edited,
                });
            }
        }
    }
    edits
}

fn node_at<'a>(tree: &'a Syntax, path: &[usize]) -> Option<&'a Syntax> {
    let mut node = tree;
    for step in path {
        node = shared_children(&node.kind).into_iter().nth(*step)?;
    }
    Some(node)
}

/// As [`children`], without the right to change them.
fn shared_children(kind: &Phrase) -> Vec<&Syntax> {
    match kind {
        Phrase::Number(_) | Phrase::Name(_) => Vec::new(),
        Phrase::Call { arguments, .. } => arguments.iter().collect(),
        Phrase::Fold { range, body, .. } => vec![&range.low, &range.high, body],
        Phrase::Index(base, indices) => std::iter::once(base.as_ref()).chain(indices).collect(),
        Phrase::List(items) => items.iter().collect(),
        Phrase::Negate(a) | Phrase::Not(a) | Phrase::Transpose(a) => vec![a],
        Phrase::Chain(first, links) => std::iter::once(first.as_ref())
            .chain(links.iter().map(|link| &link.right))
            .collect(),
        Phrase::Power(base, link) => vec![base, &link.right],
    }
}

/// Paths to what is averaged or integrated over time; the whole side where nothing is.
fn integrands(node: &Syntax, path: &mut Vec<usize>, slots: &mut Vec<Vec<usize>>) {
    let before = slots.len();
    let kids = shared_children(&node.kind);
    let wraps = match &node.kind {
        Phrase::Index(base, _) if matches!(&base.kind, Phrase::Name(n) if n == "E") => Some(1),
        Phrase::Call { name, .. } if name == "int" => Some(0),
        _ => None,
    };
    for (i, child) in kids.iter().enumerate() {
        path.push(i);
        integrands(child, path, slots);
        path.pop();
    }
    if slots.len() == before {
        if let Some(inner) = wraps {
            path.push(inner);
            slots.push(path.clone());
            path.pop();
        } else if path.is_empty() {
            slots.push(Vec::new());
        }
    }
}

/// Terms worth putting back, for the fields the side speaks of.
fn candidates(side: &Side) -> Vec<(String, &'static str)> {
    let mut found: Vec<(String, &'static str)> = vec![
        ("div(drift)".to_owned(), "divergence"),
        ("0.5*div(drift)".to_owned(), "divergence"),
        ("running".to_owned(), "running cost"),
    ];
    for (name, vector) in names(&side.tree) {
        if vector {
            found.push((format!("div({name})"), "divergence"));
            found.push((format!("0.5*div({name})"), "divergence"));
            found.push((format!("dot({name}, score)"), "score term"));
            found.push((format!("dot(drift, {name})"), "drift term"));
            found.push((format!("0.5*norm2({name})"), "square"));
            for factor in ["0.5*", ""] {
                found.push((format!("{factor}trace(D @ jac({name}))"), "correction"));
                found.push((format!("{factor}D*div({name})"), "correction"));
            }
        }
        for factor in ["0.5*", ""] {
            found.push((
                format!("{factor}trace(D @ hess({name}))"),
                "second-order term",
            ));
            found.push((format!("{factor}D*lap({name})"), "second-order term"));
        }
        found.push((format!("dot(drift, grad({name}))"), "transport term"));
        found.push((format!("D({name}, t)"), "time derivative"));
    }
    found
}

/// Fields a side speaks of, each as itself; shapes are tried both ways.
fn names(tree: &Syntax) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut open = vec![tree];
    while let Some(node) = open.pop() {
        if let Phrase::Name(name) = &node.kind {
            let fixed = RESERVED.contains(&name.as_str())
                && !matches!(name.as_str(), "score" | "log_p" | "V");
            let known = found
                .iter()
                .any(|(other, _): &(String, bool)| other == name);
            if !fixed && !known && !FUNCTIONALS.contains(&name.as_str()) {
                found.push((name.clone(), true));
            }
        }
        open.extend(shared_children(&node.kind));
    }
    found.sort();
    found
}
