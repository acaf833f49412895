//! A claim of the user: its names, its law, its links, and what their sides mean.

use crate::derivation::claim::form::Forms;
use crate::derivation::claim::ground::{Ground, Law};
use crate::derivation::claim::reading::{Context, LawText, Reader, is_taken};
use crate::expr::syntax::{Syntax, tree};
use crate::expr::{Expr, ExprError, Value, parse};
use crate::problem::meant::claim::{Binding, Claim, IdentitySpec, Typed, Under};
use crate::problem::meant::model::Problem;
use crate::problem::text::diagnostic::{Diagnostic, Source};
use std::ops::Range;

/// One side of a link.
#[derive(Clone, Debug)]
pub struct Side {
    pub text: String,
    pub tree: Syntax,
    /// The string of the file it stands in.
    pub typed: Typed,
    /// Where `text` starts in that string.
    pub offset: usize,
}

/// `left = right`.
#[derive(Clone, Debug)]
pub struct Link {
    pub left: Side,
    pub right: Side,
}

/// A mistake in an identity: what, and in which string of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Misread {
    pub error: ExprError,
    /// `None`: the identity as a whole.
    pub typed: Option<Typed>,
    /// Where the text the error speaks about starts in that string.
    pub offset: usize,
}

impl Misread {
    /// The mistake at its place in the file; `identity` is the span of the whole table.
    pub fn diagnostic(&self, source: &Source, identity: &Range<usize>) -> Diagnostic {
        let error = &self.error;
        let place = |range: &Range<usize>| match &self.typed {
            // Errors inside a definition speak about another text; the string that uses it is shown.
            Some(typed) if error.definition.is_some() => typed.span.clone(),
            Some(typed) => {
                let range = range.start + self.offset..range.end + self.offset;
                typed.locate(source, range)
            }
            None => identity.clone(),
        };
        let mut diagnostic = Diagnostic::error(error.code, place(&error.span), &error.message)
            .label(error.label.clone());
        if let Some(second) = &error.second {
            diagnostic = diagnostic.also(place(&second.0), second.1.clone());
        }
        if let Some(help) = &error.help {
            diagnostic = diagnostic.help(help.to_string());
        }
        diagnostic
    }
}

/// What trial fields stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Any function of the variables theirs depends on: what is proved holds for every such field.
    Any,
    /// What the file says.
    Given,
}

/// What kind of statement a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Between numbers, or functions of time.
    Number,
    /// At every point.
    Field,
    /// On almost every path.
    Path,
}

/// An identity, read.
#[derive(Clone, Debug)]
pub struct Identity {
    pub name: String,
    pub span: Range<usize>,
    pub at: Option<f64>,
    pub links: Vec<Link>,
    bindings: Vec<Binding>,
    law: Option<LawText>,
}

/// A process with the functionals of one identity in one mode.
#[derive(Clone, Debug)]
pub struct Opened {
    pub ground: Ground,
    pub forms: Forms,
    pub context: Context,
    pub law: Option<Law>,
}

/// The two sides of a link, component by component.
#[derive(Clone, Debug)]
pub struct Sides {
    pub level: Level,
    pub left: Vec<Expr>,
    pub right: Vec<Expr>,
    /// What a decimal number of seven digits or more on one side leaves open: half a unit of its last place.
    pub rounding: f64,
}

/// Digits from which a decimal number is taken to be rounded: `0.5` is exact, `0.528789712` is not.
const ROUNDED_FROM: usize = 7;

/// Half a unit in the last place of a side that is a rounded decimal number.
fn rounding(text: &str) -> f64 {
    let is_wrap = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '+' | '-');
    let text = text.trim_matches(is_wrap);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    let digits = format!("{whole}{decimals}");
    let significant = digits.trim_start_matches('0').len();
    match exponent.parse::<i32>() {
        Ok(exponent)
            if is_number(&digits) && !decimals.is_empty() && significant >= ROUNDED_FROM =>
        {
            let places = i32::try_from(decimals.len()).unwrap_or(i32::MAX);
            0.5 * 10f64.powi(exponent.saturating_sub(places))
        }
        _ => 0.0,
    }
}

impl Identity {
    /// Reads an identity and checks names, shapes and levels of every side.
    ///
    /// # Errors
    /// Every mistake, each with its string.
    pub fn read(spec: &IdentitySpec, ground: &Ground) -> Result<Self, Vec<Misread>> {
        let mut errors = Vec::new();
        let law = read_law(spec.under.as_ref(), &mut errors);
        for binding in &spec.bindings {
            if is_taken(&binding.name) {
                errors.push(taken(binding));
            }
        }
        let links = read_links(&spec.claim, &mut errors);
        let identity = Self {
            name: spec.name.clone(),
            span: spec.span.clone(),
            at: spec.at,
            links,
            bindings: spec.bindings.clone(),
            law,
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut opened = identity.open(ground, Mode::Given)?;
        for link in &identity.links {
            for misread in opened
                .sides(&link.left, &link.right)
                .err()
                .into_iter()
                .flatten()
            {
                if !errors.contains(&misread) {
                    errors.push(misread);
                }
            }
        }
        if errors.is_empty() {
            return Ok(identity);
        }
        Err(errors)
    }

    /// The law it is about, as typed.
    pub fn law(&self) -> Option<&LawText> {
        self.law.as_ref()
    }

    /// The same identity about another law.
    pub fn under(&self, law: LawText) -> Self {
        Self {
            law: Some(law),
            ..self.clone()
        }
    }

    /// Whether any trial field is free to be another one.
    pub fn has_trials(&self) -> bool {
        !self.bindings.is_empty()
    }

    /// Binds the names of `let` in a copy of the process.
    ///
    /// # Errors
    /// Mistakes in `let` and in `controlled(...)`.
    pub fn open(&self, ground: &Ground, mode: Mode) -> Result<Opened, Vec<Misread>> {
        let mut opened = Opened {
            ground: ground.clone(),
            forms: Forms::default(),
            context: Context {
                scope: ground.scope().clone(),
                law: self.law.clone(),
            },
            law: None,
        };
        for binding in &self.bindings {
            let value = opened.binding(binding, mode)?;
            opened.context.scope.bind(&binding.name, value);
        }
        if let Some(law) = &self.law {
            let Opened {
                ground,
                forms,
                context,
                ..
            } = &mut opened;
            let found = Reader::new(ground, forms).law(law, context);
            opened.law = Some(found.map_err(|errors| {
                let typed = match &self.law {
                    Some(LawText::Controlled { typed, .. }) => Some(typed.clone()),
                    _ => None,
                };
                placed(errors, typed.as_ref(), 0)
            })?);
        }
        Ok(opened)
    }

    /// One link with its names bound.
    ///
    /// # Errors
    /// Mistakes in `let`, in the law, or of either side.
    pub fn open_link(
        &self,
        link: &Link,
        ground: &Ground,
        mode: Mode,
    ) -> Result<(Opened, Sides), Vec<Misread>> {
        let mut opened = self.open(ground, mode)?;
        let sides = opened.sides(&link.left, &link.right)?;
        Ok((opened, sides))
    }
}

impl Opened {
    fn binding(&mut self, binding: &Binding, mode: Mode) -> Result<Value, Vec<Misread>> {
        let mut components = Vec::new();
        let mut value = None;
        for typed in &binding.components {
            let graph = self.ground.graph();
            let found = parse(&typed.text, &self.context.scope, graph)
                .map_err(|errors| placed(errors, Some(typed), 0))?;
            components.extend(found.components());
            value = Some(found);
        }
        let value = match value {
            Some(value) if !binding.list => value,
            _ => self.ground.state_vector(components),
        };
        Ok(match mode {
            Mode::Given => value,
            Mode::Any => self.any(&binding.name, &value),
        })
    }

    /// Unknown functions of whatever the components depend on.
    fn any(&mut self, name: &str, value: &Value) -> Value {
        let variables = self.ground.noising.coordinates();
        let graph = self.ground.graph();
        let components = value.components();
        let dependence: Vec<Expr> = variables
            .into_iter()
            .filter(|x| components.iter().any(|e| graph.depends_on(*e, *x)))
            .collect();
        // One component depends on all variables any of them does: rotations stay possible.
        let unknowns: Vec<Expr> = (0..components.len())
            .map(|i| {
                let name = match components.len() {
                    1 => name.to_owned(),
                    _ => format!("{name}[{i}]"),
                };
                graph.unknown(&name, &dependence)
            })
            .collect();
        value.with_components(unknowns)
    }

    fn value(&mut self, side: &Side) -> Result<Value, Vec<Misread>> {
        let mut reader = Reader::new(&mut self.ground, &mut self.forms);
        reader
            .value(&side.tree, &side.text, &self.context)
            .map_err(|errors| placed(errors, Some(&side.typed), side.offset))
    }

    /// What both sides mean.
    ///
    /// # Errors
    /// Mistakes of either side, shapes that differ, levels that do not fit.
    pub fn sides(&mut self, left: &Side, right: &Side) -> Result<Sides, Vec<Misread>> {
        let (a, b) = match (self.value(left), self.value(right)) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(mut a), Err(b)) => {
                a.extend(b);
                return Err(a);
            }
            (Err(errors), _) | (_, Err(errors)) => return Err(errors),
        };
        let (mut left_parts, mut right_parts) = (a.components(), b.components());
        if left_parts.len() != right_parts.len() {
            let graph = &self.ground.noising.graph;
            let zero = |parts: &[Expr]| parts.len() == 1 && graph.is_zero(parts[0]);
            if zero(&right_parts) {
                right_parts = vec![right_parts[0]; left_parts.len()];
            } else if zero(&left_parts) {
                left_parts = vec![left_parts[0]; right_parts.len()];
            } else {
                let message = format!("a {} is never a {}", a.shape(), b.shape());
                let help = "both sides have one shape, or one of them is 0";
                return Err(vec![whole(right, "E135", message, b.shape(), Some(help))]);
            }
        }
        let level = self.level(left, right, &left_parts, &right_parts)?;
        Ok(Sides {
            level,
            left: left_parts,
            right: right_parts,
            rounding: rounding(&left.text).max(rounding(&right.text)),
        })
    }

    fn level(
        &self,
        left: &Side,
        right: &Side,
        left_parts: &[Expr],
        right_parts: &[Expr],
    ) -> Result<Level, Vec<Misread>> {
        let graph = &self.ground.noising.graph;
        let (mut path, mut field, mut number) = (false, None, None);
        for (side, parts) in [(left, left_parts), (right, right_parts)] {
            for e in parts {
                let all = self.forms.atoms(graph, *e);
                let paths = self.forms.path_atoms(graph, *e);
                path |= !paths.is_empty();
                if paths.len() < all.len() {
                    number = Some(side);
                }
                if self.ground.is_pointwise(*e) {
                    field = Some(side);
                }
            }
        }
        match (path, field, number) {
            (true, Some(side), _) => {
                let help =
                    "write start(a) or end(a) for its value at an end, int(a, t) for its integral";
                let message = "a function of the state stands beside a functional of the path";
                let label = "at which point of the path?";
                Err(vec![whole(side, "E133", message, label, Some(help))])
            }
            (false, Some(side), Some(_)) => {
                let help = "write E[ a ] for its expectation";
                let message = "a function of the state stands beside an expectation";
                let label = "depends on the state";
                Err(vec![whole(side, "E133", message, label, Some(help))])
            }
            (true, None, _) if self.law.is_none() => {
                let help = "add under = \"forward\", \"reverse\" or \"controlled(v)\"";
                let message = "paths have a law, and the identity names none";
                let label = "under which law?";
                Err(vec![whole(left, "E132", message, label, Some(help))])
            }
            (true, None, _) => Ok(Level::Path),
            (false, Some(_), None) => Ok(Level::Field),
            (false, None, _) => Ok(Level::Number),
        }
    }
}

/// Reads the identities of a problem file, with the process they are about.
///
/// # Errors
/// Every mistake, each at its place.
pub fn read_identities(
    problem: &Problem,
    source: &Source,
) -> Result<(Ground, Vec<Identity>), Vec<Diagnostic>> {
    let ground = Ground::of(problem);
    let (mut identities, mut diagnostics) = (Vec::new(), Vec::new());
    for spec in &problem.identities {
        match Identity::read(spec, &ground) {
            Ok(identity) => identities.push(identity),
            Err(errors) => {
                let found = errors.iter().map(|e| e.diagnostic(source, &spec.span));
                diagnostics.extend(found);
            }
        }
    }
    if diagnostics.is_empty() {
        Ok((ground, identities))
    } else {
        Err(diagnostics)
    }
}

fn read_law(under: Option<&Under>, errors: &mut Vec<Misread>) -> Option<LawText> {
    match under? {
        Under::Forward => Some(LawText::Forward),
        Under::Reverse => Some(LawText::Reverse),
        Under::Controlled(typed) => match tree(&typed.text) {
            Ok(tree) => Some(LawText::Controlled {
                tree,
                source: typed.text.clone(),
                typed: typed.clone(),
            }),
            Err(error) => {
                errors.extend(placed(vec![error], Some(typed), 0));
                None
            }
        },
    }
}

fn read_links(claim: &Claim, errors: &mut Vec<Misread>) -> Vec<Link> {
    let mut side = |typed: &Typed, range: Range<usize>| match tree(&typed.text[range.clone()]) {
        Ok(tree) => Some(Side {
            text: typed.text[range.clone()].to_owned(),
            tree,
            typed: typed.clone(),
            offset: range.start,
        }),
        Err(error) => {
            errors.extend(placed(vec![error], Some(typed), range.start));
            None
        }
    };
    let paired = |left: Option<Side>, right: Option<Side>| {
        let pair = left.zip(right);
        Vec::from_iter(pair.map(|(left, right)| Link { left, right }))
    };
    match claim {
        Claim::Sides { left, right } => {
            let [left, right] = [left, right].map(|typed| side(typed, 0..typed.text.len()));
            paired(left, right)
        }
        Claim::Statement(typed) => match equals_signs(&typed.text).as_slice() {
            [at] => {
                let ends = [0..*at, at + 1..typed.text.len()];
                let [left, right] = ends.map(|range| side(typed, range));
                paired(left, right)
            }
            signs => {
                errors.push(not_one_equation(typed, signs));
                Vec::new()
            }
        },
        Claim::Steps(steps) => {
            let sides = steps.iter().map(|typed| side(typed, 0..typed.text.len()));
            let sides: Vec<Option<Side>> = sides.collect();
            if steps.len() < 2 {
                let message = "a chain needs at least two steps";
                let error = ExprError::new("E131", 0..0, message, "one step equals nothing")
                    .help("write steps = [\"a\", \"b\", \"c\"] for a = b = c");
                errors.extend(placed(vec![error], steps.first(), 0));
            }
            let pairs = sides.windows(2);
            pairs
                .flat_map(|pair| paired(pair[0].clone(), pair[1].clone()))
                .collect()
        }
    }
}

/// Positions of `=` that are not part of a comparison.
fn equals_signs(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len())
        .filter(|i| {
            let before = i.checked_sub(1).map(|j| bytes[j]);
            bytes[*i] == b'='
                && bytes.get(i + 1) != Some(&b'=')
                && !matches!(before, Some(b'=' | b'<' | b'>' | b'!'))
        })
        .collect()
}

fn not_one_equation(typed: &Typed, signs: &[usize]) -> Misread {
    let (message, help) = if signs.is_empty() {
        ("a claim without `=`", "write claim = \"a = b\"")
    } else {
        (
            "a claim with several `=`",
            "write a chain as steps = [\"a\", \"b\", \"c\"]",
        )
    };
    let span = signs.get(1).map_or(0..typed.text.len(), |at| *at..at + 1);
    Misread {
        error: ExprError::new("E131", span, message, "one equation is expected").help(help),
        typed: Some(typed.clone()),
        offset: 0,
    }
}

fn taken(binding: &Binding) -> Misread {
    let name = &binding.name;
    let typed = binding.components.first();
    let message = format!("`{name}` already has a meaning in identities");
    let span = 0..typed.map_or(0, |typed| typed.text.len());
    Misread {
        error: ExprError::new("E136", span, message, format!("bound to `{name}`"))
            .help(format!("call it `{name}_trial`")),
        typed: typed.cloned(),
        offset: 0,
    }
}

fn placed(errors: Vec<ExprError>, typed: Option<&Typed>, offset: usize) -> Vec<Misread> {
    errors
        .into_iter()
        .map(|error| Misread {
            error,
            typed: typed.cloned(),
            offset,
        })
        .collect()
}

/// A mistake of a whole side.
fn whole(
    side: &Side,
    code: &'static str,
    message: impl Into<String>,
    label: impl Into<String>,
    help: Option<&str>,
) -> Misread {
    let mut error = ExprError::new(code, side.tree.span.clone(), message, label);
    error.help = help.map(Into::into);
    Misread {
        error,
        typed: Some(side.typed.clone()),
        offset: side.offset,
    }
}

#[cfg(test)]
mod rounded_numbers {
    use super::rounding;

    #[test]
    fn long_decimals_stand_for_their_rounding_and_short_ones_for_themselves() {
        assert_eq!(rounding("0.5"), 0.0);
        assert_eq!(rounding("1000000"), 0.0);
        assert_eq!(rounding("x*0.528789712"), 0.0);
        assert!((rounding(" (-0.528789712) ") - 5e-10).abs() < 1e-24);
        assert!((rounding("1.2345678e-3") - 5e-11).abs() < 1e-25);
    }
}
