//! Which names are built-in functions.

use super::function::Function;
use super::syntax::FOLDS;

/// Functions with rules of their own and their number of arguments.
pub(super) const SPECIAL: [(&str, usize); 19] = [
    ("sqrt", 1),
    ("if", 3),
    ("dot", 2),
    ("norm", 1),
    ("norm2", 1),
    ("outer", 2),
    ("quad", 2),
    ("trace", 1),
    ("diag", 1),
    ("eye", 1),
    ("det", 1),
    ("inv", 1),
    ("solve", 2),
    ("D", 2),
    ("grad", 1),
    ("div", 1),
    ("lap", 1),
    ("hess", 1),
    ("jac", 1),
];

/// All built-in function names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let special = SPECIAL.iter().map(|(name, _)| *name);
    Function::all()
        .map(Function::name)
        .chain(special)
        .chain(FOLDS)
}

/// Whether `name` is a built-in function.
pub fn is_function(name: &str) -> bool {
    names().any(|known| known == name)
}
