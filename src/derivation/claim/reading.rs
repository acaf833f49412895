//! Text to expressions over functionals.
//!
//! Functionals are read from the leaves up: each becomes an atom with a name no source can spell, and
//! what is left is an expression like any other.

use crate::derivation::claim::form::{Form, Forms, Increment, Reading};
use crate::derivation::claim::ground::{Ground, Law, RESERVED};
use crate::expr::syntax::{Phrase, Syntax};
use crate::expr::{Expr, ExprError, Scope, Value, elaborate, is_function};
use crate::problem::meant::claim::Typed;
use std::ops::Range;

/// Functionals nested deeper than this are refused: reading recurses.
const DEEPEST: usize = 120;

/// Calls of this language beside those of expressions.
pub const FUNCTIONALS: [&str; 9] = [
    "E",
    "int",
    "start",
    "end",
    "ito",
    "stratonovich",
    "anti_ito",
    "variation",
    "kl",
];

/// What identities of kind `control` can speak about.
const IN_CONTROL: &str = "identities of kind `control` hold at every point, between the state, t, the controls, drift, diffusion, D, running and terminal";

/// Names and law in force while a text is read.
#[derive(Clone, Debug)]
pub struct Context {
    pub scope: Scope,
    /// The tree and text of `v` in `controlled(v)`; read again when a variation moves what it names.
    pub law: Option<LawText>,
}

/// A law as typed.
#[derive(Clone, Debug)]
pub enum LawText {
    Forward,
    Reverse,
    Controlled {
        tree: Syntax,
        source: String,
        typed: Typed,
    },
}

/// Reads the trees of one claim.
pub struct Reader<'a> {
    pub ground: &'a mut Ground,
    pub forms: &'a mut Forms,
    depth: usize,
    variations: usize,
    named: usize,
}

/// What is read, or every mistake in it.
type Read<T> = Result<T, Vec<ExprError>>;

/// The text a tree was read from, and what its names mean.
#[derive(Clone, Copy)]
struct Place<'a> {
    source: &'a str,
    context: &'a Context,
}

fn refused<T>(
    code: &'static str,
    span: &Range<usize>,
    (message, label): (impl Into<String>, impl Into<String>),
    help: Option<&str>,
) -> Read<T> {
    let mut error = ExprError::new(code, span.clone(), message, label);
    error.help = help.map(Into::into);
    Err(vec![error])
}

impl<'a> Reader<'a> {
    pub fn new(ground: &'a mut Ground, forms: &'a mut Forms) -> Self {
        Self {
            ground,
            forms,
            depth: 0,
            variations: 0,
            named: 0,
        }
    }

    /// The value of a tree of `source`.
    ///
    /// # Errors
    /// Those of expressions, and E132 to E135 for functionals.
    pub fn value(&mut self, tree: &Syntax, source: &str, context: &Context) -> Read<Value> {
        let mut tree = tree.clone();
        let mut context = context.clone();
        self.resolve(&mut tree, source, &mut context)?;
        elaborate(&tree, source, &context.scope, self.ground.graph())
    }

    fn value_at(&mut self, tree: &Syntax, place: Place<'_>) -> Read<Value> {
        self.value(tree, place.source, place.context)
    }

    /// A law as typed, with the meaning its names have here.
    pub fn law(&mut self, text: &LawText, context: &Context) -> Read<Law> {
        if !self.ground.controls.is_empty() {
            let message = "in kind `control` the law of the state follows from a policy, which only a solver finds";
            let words = (message, "no law to average over");
            return refused("E134", &(0..0), words, Some(IN_CONTROL));
        }
        match text {
            LawText::Forward => Ok(Law::Forward),
            LawText::Reverse => self.reversed(&(0..0)).map(|()| Law::Reverse),
            LawText::Controlled { tree, source, .. } => {
                self.reversed(&tree.span)?;
                let control = self.value(tree, source, context)?;
                self.control(control, &tree.span).map(Law::Controlled)
            }
        }
    }

    /// Reverse and controlled processes belong to problems that undo a diffusion.
    fn reversed(&self, span: &Range<usize>) -> Read<()> {
        if self.ground.reverses {
            return Ok(());
        }
        let message = "this problem undoes no diffusion, so it has no reverse process";
        let help = "identities of this kind are about under = \"forward\"";
        let words = (message, "a law of the reverse process");
        refused("E134", span, words, Some(help))
    }

    /// One entry per noise.
    fn control(&mut self, value: Value, span: &Range<usize>) -> Read<Vec<Expr>> {
        let noises = self.ground.noising.noises();
        let control = value.components();
        if control.len() == noises && !matches!(value, Value::Matrix(_)) {
            return Ok(control);
        }
        let shape = value.shape();
        let message = format!("a control is a vector[{noises}], this is a {shape}");
        let help = "the optimal control is `diffusion' @ score`";
        refused("E135", span, (message, shape), Some(help))
    }

    /// Replaces every functional below `tree` by the name of its atom.
    fn resolve(&mut self, tree: &mut Syntax, source: &str, context: &mut Context) -> Read<()> {
        if self.depth == DEEPEST {
            let message = format!("nested more than {DEEPEST} levels deep");
            let words = (message, "this level is too deep");
            return refused("E103", &tree.span, words, None);
        }
        self.depth += 1;
        let result = self.resolve_inside(tree, source, context);
        self.depth -= 1;
        result
    }

    fn resolve_inside(
        &mut self,
        tree: &mut Syntax,
        source: &str,
        context: &mut Context,
    ) -> Read<()> {
        if let Some(value) = self.functional(tree, Place { source, context })? {
            self.named += 1;
            let name = format!("#value{}", self.named);
            context.scope.bind(&name, value);
            tree.kind = Phrase::Name(name);
            return Ok(());
        }
        let mut errors = Vec::new();
        for child in children(&mut tree.kind) {
            if let Err(found) = self.resolve(child, source, context) {
                errors.extend(found);
            }
        }
        if errors.is_empty() {
            return Ok(());
        }
        Err(errors)
    }

    /// The value of the functional `tree` is, if it is one.
    fn functional(&mut self, tree: &Syntax, place: Place<'_>) -> Read<Option<Value>> {
        let (span, context) = (&tree.span, place.context);
        match &tree.kind {
            Phrase::Index(base, arguments) if is_name(base, "E") => {
                let [body] = arguments.as_slice() else {
                    let help = "write E[ a ] + E[ b ] for several";
                    let words = ("`E[...]` takes one expression", "here");
                    return refused("E134", span, words, Some(help));
                };
                self.mean(body, place, span).map(Some)
            }
            Phrase::Call {
                name, arguments, ..
            } if FUNCTIONALS.contains(&name.as_str()) => {
                self.call(name, arguments, place, span).map(Some)
            }
            Phrase::Name(name) if self.is_meaningless(name, context) => {
                let message = format!("`{name}` has no meaning in identities of kind `control`");
                refused(
                    "E134",
                    span,
                    (message, "only a solver finds it"),
                    Some(IN_CONTROL),
                )
            }
            Phrase::Name(name) if name == "action" => self.action(context, span).map(Some),
            Phrase::Name(name) if name == "u" && context.scope.value("u").is_none() => {
                let law = self.required_law(context, span)?;
                let control = self.ground.control(&law);
                Ok(Some(self.ground.noise_vector(control)))
            }
            _ => Ok(None),
        }
    }

    /// Whether a name that other kinds give a meaning has none here.
    fn is_meaningless(&self, name: &str, context: &Context) -> bool {
        !self.ground.controls.is_empty()
            && RESERVED.contains(&name)
            && context.scope.value(name).is_none()
    }

    fn required_law(&mut self, context: &Context, span: &Range<usize>) -> Read<Law> {
        let Some(text) = context.law.clone() else {
            let message = "this depends on the law of the process, and the identity names none";
            let help = "add under = \"forward\", \"reverse\" or \"controlled(v)\"";
            return refused("E132", span, (message, "under which law?"), Some(help));
        };
        self.law(&text, context)
    }

    fn atom(&mut self, form: Form) -> Expr {
        let time = self.ground.noising.time;
        self.forms.atom(self.ground.graph(), time, form)
    }

    fn is_path(&self, e: Expr) -> bool {
        !self
            .forms
            .path_atoms(&self.ground.noising.graph, e)
            .is_empty()
    }

    /// Component by component.
    fn map(
        &mut self,
        value: &Value,
        mut f: impl FnMut(&mut Self, Expr) -> Read<Expr>,
    ) -> Read<Value> {
        Ok(match value {
            Value::Scalar(e) => Value::Scalar(f(self, *e)?),
            Value::Vector(v) => {
                Value::Vector(v.iter().map(|e| f(self, *e)).collect::<Result<_, _>>()?)
            }
            Value::Matrix(rows) => Value::Matrix(
                rows.iter()
                    .map(|row| row.iter().map(|e| f(self, *e)).collect())
                    .collect::<Result<_, _>>()?,
            ),
        })
    }

    fn mean(&mut self, body: &Syntax, place: Place<'_>, span: &Range<usize>) -> Read<Value> {
        let value = self.value_at(body, place);
        let law = self.required_law(place.context, span);
        let (value, law) = both(value, law)?;
        self.map(&value, |this, e| {
            let (law, of_path) = (law.clone(), this.is_path(e));
            if !of_path {
                return Ok(this.atom(Form::Mean { law, body: e }));
            }
            this.not_pointwise(e, &body.span)?;
            Ok(this.atom(Form::PathMean { law, body: e }))
        })
    }

    /// A functional of the path beside a bare function of the state is a number beside a field.
    fn not_pointwise(&self, e: Expr, span: &Range<usize>) -> Read<()> {
        if !self.ground.is_pointwise(e) {
            return Ok(());
        }
        let message = "a function of the state stands beside a functional of the path";
        let help = "write start(a) or end(a) for its value at an end, int(a, t) for its integral";
        let words = (message, "at which point of the path?");
        refused("E133", span, words, Some(help))
    }

    /// What the argument of `start`, `end`, `int` and the stochastic integrals must be.
    fn pointwise(&mut self, tree: &Syntax, place: Place<'_>) -> Read<Value> {
        let value = self.value_at(tree, place)?;
        if value.components().iter().any(|e| self.is_path(*e)) {
            let message = "a functional of the path inside another one";
            let help = "products of path functionals stand side by side inside E[...]";
            let words = (message, "expected a function of the state and t");
            return refused("E133", &tree.span, words, Some(help));
        }
        Ok(value)
    }

    fn call(
        &mut self,
        name: &str,
        arguments: &[Syntax],
        place: Place<'_>,
        span: &Range<usize>,
    ) -> Read<Value> {
        let (count, form) = match name {
            "E" => (1, "E[ a ]"),
            "start" | "end" => (1, "start(a), end(a)"),
            "int" => (2, "int(a, t)"),
            "variation" => (4, "variation(functional, field, at, direction)"),
            "kl" => (2, "kl(P, Q)"),
            _ => (2, "ito(a, dX) or ito(a, dW)"),
        };
        if arguments.len() != count || name == "E" {
            let message = format!("`{name}` is written {form}");
            let label = format!("{} arguments given", arguments.len());
            return refused("E134", span, (message, label), None);
        }
        match name {
            "start" | "end" => {
                let value = self.pointwise(&arguments[0], place)?;
                let make = if name == "start" {
                    Form::Start
                } else {
                    Form::End
                };
                self.map(&value, |this, e| Ok(this.atom(make(e))))
            }
            "int" => self.integral(arguments, place),
            "variation" => self.variation(arguments, place),
            "kl" => {
                let of = self.path_law(&arguments[0], place);
                let from = self.path_law(&arguments[1], place);
                let (of, from) = both(of, from)?;
                Ok(Value::Scalar(self.atom(Form::Divergence { of, from })))
            }
            _ => self.stochastic(name, arguments, place),
        }
    }

    fn integral(&mut self, arguments: &[Syntax], place: Place<'_>) -> Read<Value> {
        if !is_name(&arguments[1], "t") {
            let help = "write int(a, t); expectations over the state are E[ a ]";
            let words = ("integrals run over time", "expected `t`");
            return refused("E134", &arguments[1].span, words, Some(help));
        }
        let value = self.pointwise(&arguments[0], place)?;
        self.map(&value, |this, e| {
            let form = if this.ground.is_pointwise(e) {
                Form::Integral(e)
            } else {
                Form::TimeIntegral(e)
            };
            Ok(this.atom(form))
        })
    }

    fn stochastic(&mut self, name: &str, arguments: &[Syntax], place: Place<'_>) -> Read<Value> {
        let reading = match name {
            "ito" => Reading::Before,
            "stratonovich" => Reading::Middle,
            _ => Reading::After,
        };
        let (against, length) = if is_name(&arguments[1], "dX") {
            (Increment::State, self.ground.noising.dimension())
        } else if is_name(&arguments[1], "dW") {
            (Increment::Noise, self.ground.noising.noises())
        } else {
            let message = format!("`{name}` integrates against dX or dW");
            let words = (message, "expected `dX` or `dW`");
            let help = "time integrals are written int(a, t)";
            return refused("E134", &arguments[1].span, words, Some(help));
        };
        let value = self.pointwise(&arguments[0], place)?;
        let integrand = value.components();
        if integrand.len() != length || matches!(value, Value::Matrix(_)) {
            let shape = value.shape();
            let message = format!("`{name}` of a {shape} against a vector[{length}]");
            return refused("E135", &arguments[0].span, (message, shape), None);
        }
        Ok(Value::Scalar(self.atom(Form::Stochastic {
            reading,
            integrand,
            against,
        })))
    }

    fn path_law(&mut self, tree: &Syntax, place: Place<'_>) -> Read<Law> {
        match &tree.kind {
            Phrase::Name(name) if name == "forward" => return Ok(Law::Forward),
            Phrase::Name(name) if name == "reverse" => {
                return self.reversed(&tree.span).map(|()| Law::Reverse);
            }
            Phrase::Call {
                name, arguments, ..
            } if name == "controlled" && arguments.len() == 1 => {
                let value = self.value_at(&arguments[0], place)?;
                return self.control(value, &arguments[0].span).map(Law::Controlled);
            }
            _ => {}
        }
        let help = "path laws are forward, reverse and controlled(v)";
        let words = ("`kl` compares path laws", "not a path law");
        refused("E134", &tree.span, words, Some(help))
    }

    /// `E[ end(terminal) + int(1/2 |u|^2 + q) ]` under the control `u` in scope.
    fn action(&mut self, context: &Context, span: &Range<usize>) -> Read<Value> {
        self.reversed(span)?;
        let control = match context.scope.value("u") {
            Some(value) => {
                let value = value.clone();
                self.control(value, span)?
            }
            None => {
                let law = match &context.law {
                    Some(_) => self.required_law(context, span)?,
                    None => Law::Reverse,
                };
                self.ground.control(&law)
            }
        };
        let effort = self.ground.noising.half_square(&control);
        let noising = &mut self.ground.noising;
        let terminal = noising.of(-self.ground.log_p);
        let rate = noising.of(effort + noising.running_cost);
        let end = self.atom(Form::End(terminal));
        let along = self.atom(Form::Integral(rate));
        let body = self.ground.graph().of(end + along);
        let law = Law::Controlled(control);
        Ok(Value::Scalar(self.atom(Form::PathMean { law, body })))
    }

    /// The functional with the field moved to `at + parameter * direction`.
    fn variation(&mut self, arguments: &[Syntax], place: Place<'_>) -> Read<Value> {
        let [functional, field, at, direction] = arguments else {
            unreachable!("the caller counted four arguments");
        };
        let Phrase::Name(name) = &field.kind else {
            let message = "the second argument of `variation` is the name of the field that varies";
            return refused("E134", &field.span, (message, "expected a name"), None);
        };
        if name != "u" && place.context.scope.value(name).is_none() {
            let message = format!("`{name}` is not a field of this identity");
            let words = (message, "nothing of this name varies");
            return refused(
                "E134",
                &field.span,
                words,
                Some("vary `u` or a name of `let`"),
            );
        }
        let [at, towards] = [at, direction].map(|tree| self.value_at(tree, place));
        let (at, towards) = both(at, towards)?;
        let (a, b) = (at.components(), towards.components());
        if a.len() != b.len() {
            let (shape, field) = (towards.shape(), at.shape());
            let message = format!("the direction is a {shape}, the field a {field}");
            return refused("E135", &direction.span, (message, shape), None);
        }
        self.variations += 1;
        let name_of_parameter = format!("#step{}", self.variations);
        let graph = self.ground.graph();
        let parameter = graph.symbol(&name_of_parameter);
        let moved = graph.pairwise(&a, &b, |a, b| a + parameter * b);
        let mut inner = place.context.clone();
        let moved = match at {
            Value::Scalar(_) => Value::Scalar(moved[0]),
            _ => Value::Vector(moved),
        };
        inner.scope.bind(name, moved);
        let value = self.value(functional, place.source, &inner)?;
        self.map(&value, |this, body| {
            Ok(this.atom(Form::Variation { body, parameter }))
        })
    }
}

fn is_name(tree: &Syntax, name: &str) -> bool {
    matches!(&tree.kind, Phrase::Name(found) if found == name)
}

/// Both values, or the errors of both.
fn both<A, B>(a: Read<A>, b: Read<B>) -> Read<(A, B)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(mut a), Err(b)) => {
            a.extend(b);
            Err(a)
        }
        (Err(errors), _) | (_, Err(errors)) => Err(errors),
    }
}

/// The direct children of a node.
pub(crate) fn children(kind: &mut Phrase) -> Vec<&mut Syntax> {
    match kind {
        Phrase::Number(_) | Phrase::Name(_) => Vec::new(),
        Phrase::Call { arguments, .. } => arguments.iter_mut().collect(),
        Phrase::Fold { range, body, .. } => vec![&mut range.low, &mut range.high, body],
        Phrase::Index(base, indices) => {
            let mut all = vec![base.as_mut()];
            all.extend(indices);
            all
        }
        Phrase::List(items) => items.iter_mut().collect(),
        Phrase::Negate(a) | Phrase::Not(a) | Phrase::Transpose(a) => vec![a],
        Phrase::Chain(first, links) => {
            let mut all = vec![first.as_mut()];
            all.extend(links.iter_mut().map(|link| &mut link.right));
            all
        }
        Phrase::Power(base, link) => vec![base, &mut link.right],
    }
}

/// Whether a name is taken by the language.
pub fn is_taken(name: &str) -> bool {
    RESERVED.contains(&name) || FUNCTIONALS.contains(&name) || is_function(name)
}
