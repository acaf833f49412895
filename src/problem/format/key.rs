//! What a key of the format is.

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Text,
    Flag,
    /// A whole number.
    Count,
    /// A count or one per state.
    Counts,
    /// A number, or a string that evaluates to one.
    Number,
    /// Numbers in arrays of any depth, or one number.
    Numbers,
    /// A number or an expression.
    Expression,
    /// Expressions in arrays of any depth, or one expression.
    Expressions,
    /// One of these names.
    Choice(fn() -> Vec<&'static str>),
    /// A list of these names, or one of them.
    Choices(fn() -> Vec<&'static str>),
    /// A list of names of the user's choice, or one.
    Names,
    /// A table with these keys.
    Table(&'static [Key]),
    /// A table with keys of the user's choice, each of this form.
    Free(&'static Form),
    /// Any of these forms.
    Either(&'static [Form]),
    /// Exactly this word.
    Word(&'static str),
}

/// The default of a key that every such table must have.
pub const REQUIRED: &str = "required";

/// One key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub form: Form,
    /// In words; [`REQUIRED`] where there is none, empty where absence is a meaning of its own.
    pub default: &'static str,
    pub about: &'static str,
}
