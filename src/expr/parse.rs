//! Entry points: a source string to a value, a scalar, a condition or components.

use super::elaborate::Elaborator;
use super::error::ExprError;
use super::graph::{Expr, Graph};
use super::scope::{Scope, Value};
use super::stack::{nesting_bound, with_room};
use super::syntax::{self, Syntax};

/// Reads a number, vector or matrix.
///
/// # Errors
/// All independent mistakes, in order of appearance.
pub fn parse(source: &str, scope: &Scope, graph: &mut Graph) -> Result<Value, Vec<ExprError>> {
    read(source, scope, graph, |elaborator| {
        let syntax = syntax::parse_syntax(source)?;
        Ok(elaborator.value(&syntax))
    })
}

/// The meaning of a tree read from `source` (see [`syntax::tree`]), which may have been edited since.
///
/// # Errors
/// As [`parse`].
pub fn elaborate(
    syntax: &Syntax,
    source: &str,
    scope: &Scope,
    graph: &mut Graph,
) -> Result<Value, Vec<ExprError>> {
    read(source, scope, graph, |elaborator| {
        Ok(elaborator.value(syntax))
    })
}

/// Reads a scalar.
pub fn parse_scalar(
    source: &str,
    scope: &Scope,
    graph: &mut Graph,
) -> Result<Expr, Vec<ExprError>> {
    let value = parse(source, scope, graph)?;
    let unfit = || vec![value.unfit("a scalar is needed", &(0..source.len()))];
    value.as_scalar().ok_or_else(unfit)
}

/// Reads a condition such as `x >= 1 and t > 0.5`.
pub fn parse_condition(
    source: &str,
    scope: &Scope,
    graph: &mut Graph,
) -> Result<Expr, Vec<ExprError>> {
    read(source, scope, graph, |elaborator| {
        let syntax = syntax::parse_syntax(source)?;
        Ok(elaborator.condition(&syntax))
    })
}

/// Reads an entry of a component list, which may end in ` for i in a..b` and then gives several.
///
/// An entry that is a vector contributes its components.
pub fn parse_components(
    source: &str,
    scope: &Scope,
    graph: &mut Graph,
) -> Result<Vec<Expr>, Vec<ExprError>> {
    read(source, scope, graph, |elaborator| {
        let entry = syntax::parse_entry(source)?;
        let values = match &entry.range {
            None => elaborator.value(&entry.body).map(|value| vec![value]),
            Some(range) => elaborator.unroll(range, &entry.body, &entry.body.span),
        };
        Ok(values.map(|values| values.iter().flat_map(Value::components).collect()))
    })
}

/// Elaborates every definition without parameters, so that mistakes in unused ones are found too.
/// Spans of the errors refer to the text of the definition they name.
pub fn check_definitions(scope: &Scope, graph: &mut Graph) -> Vec<ExprError> {
    let checked = read("", scope, graph, |elaborator| {
        let scope = elaborator.scope;
        for (name, definition) in &scope.definitions {
            if definition.parameters.is_none() {
                elaborator.defined(name, definition, &(0..0));
            }
        }
        Ok(Some(()))
    });
    checked.err().unwrap_or_default()
}

/// Runs `work` with room for its recursion; fails if it failed or reported anything.
fn read<T: Send>(
    source: &str,
    scope: &Scope,
    graph: &mut Graph,
    work: impl FnOnce(&mut Elaborator<'_>) -> Result<Option<T>, ExprError> + Send,
) -> Result<T, Vec<ExprError>> {
    with_room(nesting_bound(source) + scope.nesting, || {
        graph.is_counting = true;
        let mut elaborator = Elaborator::new(source, scope, graph);
        let value = work(&mut elaborator);
        let errors = elaborator.errors;
        graph.end_reading();
        match value.map_err(|error| vec![error])? {
            Some(value) if errors.is_empty() => Ok(value),
            _ => Err(errors),
        }
    })
}
