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
    const REVERSE: (LawText, &str) = (LawText::Reverse, "reverse");
    const FORWARD: (LawText, &str) = (LawText::Forward, "forward");
    let laws: &[(LawText, &str)] = match identity.law() {
        Some(LawText::Forward) => &[REVERSE],
        Some(LawText::Reverse) => &[FORWARD],
        Some(LawText::Controlled { .. }) => &[REVERSE, FORWARD],
        None => &[],
    };
    let slips = laws.iter().map(|(law, name)| Slip {
        sentence: format!("the wrong law: this holds under \"{name}\""),
        class: Class::Laws,
        place: Place::Law,
        span: 0..0,
        identity: identity.under(law.clone()),
        link: link.clone(),
    });
    slips.collect()
}

/// Every edit of a side: the tree with one node replaced.
fn edits(side: &Side) -> Vec<Edit> {
    let mut editor = Editor {
        text: &side.text,
        path: Vec::new(),
        variants: Vec::new(),
    };
    editor.collect(&side.tree, false);
    let edits = editor.variants.into_iter().map(|variant| {
        let mut tree = side.tree.clone();
        replace(&mut tree, &variant.path, variant.node);
        Edit {
            sentence: variant.sentence,
            class: variant.class,
            span: variant.span,
            tree,
        }
    });
    edits.chain(swapped_ends(side)).collect()
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

fn spanned(kind: Phrase, span: &Range<usize>) -> Syntax {
    let span = span.clone();
    Syntax { kind, span }
}

fn chain(first: Syntax, links: Vec<Operand>, span: &Range<usize>) -> Syntax {
    spanned(Phrase::Chain(Box::new(first), links), span)
}

/// `left operator right`, in the place of `span`, its operator `at`.
fn joined(
    left: Syntax,
    (operator, at): (&'static str, usize),
    right: Syntax,
    span: &Range<usize>,
) -> Syntax {
    let link = Operand {
        operator,
        operator_span: at..at,
        right,
    };
    chain(left, vec![link], span)
}

/// `numerator / denominator * node`.
fn scaled(numerator: i64, denominator: i64, node: &Syntax) -> Syntax {
    let factor = Rational::new(numerator, denominator);
    let factor = factor.expect("the denominators here are 1 and 2");
    let factor = spanned(Phrase::Number(factor), &node.span);
    joined(factor, ("*", node.span.start), node.clone(), &node.span)
}

fn transposed(node: &Syntax) -> Syntax {
    spanned(Phrase::Transpose(Box::new(node.clone())), &node.span)
}

fn snippet<'a>(text: &'a str, span: &Range<usize>) -> &'a str {
    text.get(span.clone()).unwrap_or("")
}

/// Whether a node is this name.
fn is_name(node: &Syntax, names: &[&str]) -> bool {
    matches!(&node.kind, Phrase::Name(name) if names.contains(&name.as_str()))
}

fn is_sum(kind: &Phrase) -> bool {
    matches!(kind, Phrase::Chain(_, links) if links.iter().all(|l| matches!(l.operator, "+" | "-")))
}

/// Readings of a stochastic integral, with their titles.
const READINGS: [(&str, &str); 3] = [
    ("ito", "Ito"),
    ("stratonovich", "Stratonovich"),
    ("anti_ito", "anti-Ito"),
];

/// Collects the variants of a tree of `text`.
struct Editor<'a> {
    text: &'a str,
    path: Vec<usize>,
    variants: Vec<Variant>,
}

impl<'a> Editor<'a> {
    fn words(&self, node: &Syntax) -> &'a str {
        snippet(self.text, &node.span)
    }

    /// A variant of the node the path leads to; what is wrong stands at `place`.
    fn push(&mut self, class: Class, node: Syntax, place: &Syntax, sentence: String) {
        self.variants.push(Variant {
            class,
            path: self.path.clone(),
            node,
            sentence,
            span: place.span.clone(),
        });
    }

    /// Edits of a node and of everything below it. A factor of a product or an operand of a power is not
    /// scaled: factors are tried on the whole product only.
    fn collect(&mut self, node: &Syntax, factor: bool) {
        let zero = matches!(&node.kind, Phrase::Number(value) if value.is_zero());
        if !factor && !is_sum(&node.kind) && !zero && !is_name(node, &["t", "dX", "dW"]) {
            let words = self.words(node);
            let lost = |factor: &str| format!("lost a factor {factor} in `{words}`");
            self.push(Class::Factor, scaled(1, 2, node), node, lost("1/2"));
            self.push(Class::Factor, scaled(2, 1, node), node, lost("2"));
            let wrong = format!("wrong sign of `{words}`");
            self.push(Class::Sign, scaled(-1, 1, node), node, wrong);
        }
        match &node.kind {
            Phrase::Chain(first, links) if is_sum(&node.kind) => self.sum(node, first, links),
            Phrase::Transpose(inner) => {
                let sentence = format!("transposed `{}`", self.words(inner));
                self.push(Class::Transposition, (**inner).clone(), node, sentence);
            }
            Phrase::Chain(first, links) if links.iter().any(|l| l.operator == "@") => {
                self.matrix(node, first, links);
            }
            Phrase::Call {
                name, arguments, ..
            } => {
                self.reading(node, name, arguments);
                self.call(node, name, arguments);
            }
            _ => {}
        }
        self.below(node);
    }

    /// Goes on to the children that carry a value of their own.
    fn below(&mut self, node: &Syntax) {
        let averages = matches!(&node.kind, Phrase::Index(base, _) if is_name(base, &["E"]));
        let factor = match &node.kind {
            Phrase::Chain(..) => !is_sum(&node.kind),
            Phrase::Power(..) | Phrase::Negate(_) => true,
            // A factor inside a linear call is the same slip as outside of it.
            Phrase::Call { name, .. } => {
                !FUNCTIONALS.contains(&name.as_str()) || name == "start" || name == "end"
            }
            Phrase::Index(..) => !averages,
            _ => false,
        };
        // The field, its place and the laws of a call are names.
        let skipped = |i: usize| match &node.kind {
            Phrase::Call { name, .. } if name == "variation" || name == "D" => i == 1,
            Phrase::Call { name, .. } => name == "kl",
            Phrase::Index(..) => (i == 0) == averages,
            Phrase::Fold { .. } => i < 2,
            _ => false,
        };
        for (i, child) in shared_children(&node.kind).into_iter().enumerate() {
            if !skipped(i) {
                self.path.push(i);
                self.collect(child, factor);
                self.path.pop();
            }
        }
    }

    /// Signs and terms of a sum.
    fn sum(&mut self, node: &Syntax, first: &Syntax, links: &[Operand]) {
        for (i, link) in links.iter().enumerate() {
            let words = self.words(&link.right);
            let mut flipped = links.to_vec();
            flipped[i].operator = if link.operator == "+" { "-" } else { "+" };
            let flipped = chain(first.clone(), flipped, &node.span);
            let sentence = format!("wrong sign of `{words}`");
            self.push(Class::Sign, flipped, &link.right, sentence);
            let mut shorter = links.to_vec();
            shorter.remove(i);
            let rest = if shorter.is_empty() {
                first.clone()
            } else {
                chain(first.clone(), shorter, &node.span)
            };
            let sentence = format!("an extra term `{words}`");
            self.push(Class::ExtraTerm, rest, &link.right, sentence);
        }
        // Without its first term a sum begins with the second.
        let zero = spanned(Phrase::Number(Rational::zero()), &first.span);
        let rest = chain(zero, links.to_vec(), &node.span);
        let sentence = format!("an extra term `{}`", self.words(first));
        self.push(Class::ExtraTerm, rest, first, sentence);
    }

    /// Transposition of the factors of a matrix product.
    fn matrix(&mut self, node: &Syntax, first: &Syntax, links: &[Operand]) {
        let plain = |factor: &Syntax| !matches!(factor.kind, Phrase::Transpose(_));
        let lost = |words: &str| format!("lost the transpose of `{words}`");
        if plain(first) {
            let edited = chain(transposed(first), links.to_vec(), &node.span);
            self.push(Class::Transposition, edited, first, lost(self.words(first)));
        }
        for (i, link) in links.iter().enumerate() {
            if link.operator == "@" && plain(&link.right) {
                let mut changed = links.to_vec();
                changed[i].right = transposed(&link.right);
                let edited = chain(first.clone(), changed, &node.span);
                let sentence = lost(self.words(&link.right));
                self.push(Class::Transposition, edited, &link.right, sentence);
            }
        }
    }

    /// Readings of stochastic integrals, and their increments.
    fn reading(&mut self, node: &Syntax, name: &str, arguments: &[Syntax]) {
        let Some((_, found)) = READINGS.iter().find(|(known, _)| *known == name) else {
            return;
        };
        let words = self.words(node);
        for (other, title) in READINGS.iter().filter(|(known, _)| *known != name) {
            let edited = called(node, other, arguments.to_vec());
            let sentence = format!("read `{words}` as {found} where {title} is meant");
            self.push(Class::Reading, edited, node, sentence);
        }
        if let [integrand, against] = arguments
            && is_name(against, &["dX", "dW"])
        {
            let other = if is_name(against, &["dX"]) {
                "dW"
            } else {
                "dX"
            };
            let increment = spanned(Phrase::Name(other.to_owned()), &against.span);
            let edited = called(node, name, vec![integrand.clone(), increment]);
            let sentence = format!("`{words}` runs against the wrong increment: {other} is meant");
            self.push(Class::Reading, edited, against, sentence);
        }
    }

    /// Swapped ends, swapped laws.
    fn call(&mut self, node: &Syntax, name: &str, arguments: &[Syntax]) {
        let words = self.words(node);
        match (name, arguments) {
            ("start" | "end", _) => {
                let other = if name == "start" { "end" } else { "start" };
                let edited = called(node, other, arguments.to_vec());
                let sentence = format!("swapped the ends: `{words}` stands for {other}(...)");
                self.push(Class::Ends, edited, node, sentence);
            }
            ("kl", [of, from]) => {
                let edited = called(node, name, vec![from.clone(), of.clone()]);
                let sentence = format!("swapped the laws of `{words}`");
                self.push(Class::Laws, edited, node, sentence);
            }
            _ => {}
        }
    }
}

/// A call with another name or other arguments.
fn called(node: &Syntax, new: &str, new_arguments: Vec<Syntax>) -> Syntax {
    let mut call = node.clone();
    if let Phrase::Call {
        name, arguments, ..
    } = &mut call.kind
    {
        new.clone_into(name);
        *arguments = new_arguments;
    }
    call
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
                let end = old.span.end;
                let sum = joined(old.clone(), (operator, end), term.clone(), &old.span);
                replace(&mut edited, slot, sum);
                let words = snippet(&side.text, &old.span);
                edits.push(Edit {
                    class: Class::LostTerm,
                    sentence: format!("lost the {title} `{word}{candidate}` in `{words}`"),
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
        Phrase::Index(base, _) if is_name(base, &["E"]) => Some(1),
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
    const FIXED: [(&str, &str); 3] = [
        ("div(drift)", "divergence"),
        ("0.5*div(drift)", "divergence"),
        ("running", "running cost"),
    ];
    const OF_A_FIELD: [(&str, &str); 15] = [
        ("div(#)", "divergence"),
        ("0.5*div(#)", "divergence"),
        ("dot(#, score)", "score term"),
        ("dot(drift, #)", "drift term"),
        ("0.5*norm2(#)", "square"),
        ("0.5*trace(D @ jac(#))", "correction"),
        ("0.5*D*div(#)", "correction"),
        ("trace(D @ jac(#))", "correction"),
        ("D*div(#)", "correction"),
        ("0.5*trace(D @ hess(#))", "second-order term"),
        ("0.5*D*lap(#)", "second-order term"),
        ("trace(D @ hess(#))", "second-order term"),
        ("D*lap(#)", "second-order term"),
        ("dot(drift, grad(#))", "transport term"),
        ("D(#, t)", "time derivative"),
    ];
    let mut found: Vec<_> = FIXED.map(|(term, title)| (term.to_owned(), title)).into();
    for name in names(&side.tree) {
        found.extend(OF_A_FIELD.map(|(term, title)| (term.replace('#', &name), title)));
    }
    found
}

/// Fields a side speaks of, each as itself; shapes are tried both ways.
fn names(tree: &Syntax) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![tree];
    while let Some(node) = open.pop() {
        if let Phrase::Name(name) = &node.kind {
            let fixed = RESERVED.contains(&name.as_str())
                && !matches!(name.as_str(), "score" | "log_p" | "V");
            if !fixed && !found.contains(name) && !FUNCTIONALS.contains(&name.as_str()) {
                found.push(name.clone());
            }
        }
        open.extend(shared_children(&node.kind));
    }
    found.sort();
    found
}
