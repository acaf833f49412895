//! What a key of the format is.

use crate::problem::meant::options::{Options, Setting};
use crate::problem::meant::setup::Setup;

/// Names a key accepts.
#[derive(Clone, Copy, Debug)]
pub enum Names {
    Fixed(fn() -> Vec<&'static str>),
    Listed(&'static [&'static str]),
    Methods,
    Checks,
    Presets,
    Families,
}

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Text,
    Flag,
    /// A whole number of at least this.
    Count(usize),
    /// Points of a grid: a count or one per state, each of at least this.
    Counts(usize),
    /// A number, or a string that evaluates to one.
    Number(Bound),
    /// Numbers in arrays of any depth, or one number.
    Numbers,
    /// A number or an expression.
    Expression,
    /// Expressions in arrays of any depth, or one expression.
    Expressions,
    /// One of these names.
    Choice(Names),
    /// A list of these names, or one of them; before them stand words for several.
    Choices(&'static [&'static str], Names),
    /// A list of names of the user's choice, or one.
    Names,
    /// The id of a solver.
    Solver,
    /// A field family by name, or a table with its sizes.
    Field(Coordinates),
    /// Whole numbers of at least one, one per layer.
    Layers,
    /// A table with the keys of this part of the format.
    Table(&'static str),
    /// A table with keys of the user's choice, each of this form.
    Free(&'static Form),
    /// Any of these forms.
    Either(&'static [Form]),
    /// Exactly this word.
    Word(&'static str),
}

impl Form {
    /// The least whole number.
    pub(crate) fn least(&self) -> usize {
        match self {
            Self::Count(least) | Self::Counts(least) => *least,
            Self::Either(forms) => forms.iter().map(Self::least).max().unwrap_or_default(),
            _ => 0,
        }
    }

    /// The range of a number.
    pub(crate) fn bound(&self) -> Bound {
        match self {
            Self::Number(bound) => *bound,
            Self::Either(forms) => forms.first().map_or(Bound::Finite, Self::bound),
            _ => Bound::Finite,
        }
    }
}

/// What a family of fields is a function of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// All states together: families for few states are refused in more.
    Together,
    /// Families for few states are sums of functions of one state each.
    OneByOne,
}

/// The range of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    Finite,
    Positive,
    NotNegative,
    /// At least zero and below one.
    Fraction,
}

impl Bound {
    pub(crate) fn admits(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Self::Finite => true,
                Self::Positive => value > 0.0,
                Self::NotNegative => value >= 0.0,
                Self::Fraction => (0.0..1.0).contains(&value),
            }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Finite => "a finite number",
            Self::Positive => "positive",
            Self::NotNegative => "zero or positive",
            Self::Fraction => "at least 0 and below 1",
        }
    }
}

/// What stands in for a key that is absent.
#[derive(Clone, Copy, Debug)]
pub enum Fallback {
    /// Nothing: every such table must have the key.
    Required,
    /// Nothing: absence is a meaning of its own.
    Absent,
    Flag(bool),
    Count(usize),
    Number(f64),
    Name(&'static str),
    /// In words: the reader of the table finds it.
    Words(&'static str),
    /// In words, and how it is found from the problem and the options before this one.
    Found(&'static str, fn(&Setup<'_>, &Options) -> Setting),
}

impl Fallback {
    /// As documentation says it; empty where there is none.
    pub fn text(&self) -> String {
        match self {
            Self::Required => "required".to_owned(),
            Self::Absent => String::new(),
            Self::Flag(value) => value.to_string(),
            Self::Count(value) => value.to_string(),
            Self::Number(value) => format!("{value:?}").trim_end_matches(".0").to_owned(),
            Self::Name(words) | Self::Words(words) | Self::Found(words, _) => (*words).to_owned(),
        }
    }

    /// The value, where a problem and the options before this one tell it.
    pub(crate) fn setting(&self, setup: &Setup<'_>, options: &Options) -> Option<Setting> {
        match self {
            Self::Count(value) => Some(Setting::Count(*value)),
            Self::Number(value) => Some(Setting::Number(*value)),
            Self::Name(name) => Some(Setting::Name(name)),
            Self::Found(_, find) => Some(find(setup, options)),
            Self::Required | Self::Absent | Self::Flag(_) | Self::Words(_) => None,
        }
    }
}

/// What one rung down a ladder of work does to an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Less {
    /// Nothing: the option is no work.
    Same,
    /// One part of so many, while at least so much is left.
    Part { of: usize, least: usize },
    /// One less, down to this.
    One { least: usize },
    /// Half the intervals of every state.
    Intervals,
    /// Three quarters of the waves of every state: their error falls faster than any power.
    Waves,
    /// A hundred times the relative tolerance.
    Tolerance,
}

/// Half the steps.
pub const HALF_STEPS: Less = Less::Part { of: 2, least: 8 };
/// A quarter of the samples: twice the sampling error.
pub const QUARTER: Less = Less::Part { of: 4, least: 64 };
/// Half the paths of a fit.
pub const HALF: Less = Less::Part { of: 2, least: 64 };

/// One key of a table, or one option of a method.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub form: Form,
    pub default: Fallback,
    pub about: &'static str,
    /// Whether the key has a meaning, given the problem and the options before it.
    pub when: fn(&Setup<'_>, &Options) -> bool,
    /// What a study of work does to it.
    pub less: fn(&Options) -> Less,
}

impl Key {
    pub const fn new(
        name: &'static str,
        form: Form,
        default: Fallback,
        about: &'static str,
    ) -> Self {
        Self {
            name,
            form,
            default,
            about,
            when: |_, _| true,
            less: |_| Less::Same,
        }
    }

    /// The key where it has a meaning only for some problems or after some options.
    pub const fn when(self, when: fn(&Setup<'_>, &Options) -> bool) -> Self {
        Self { when, ..self }
    }

    /// The key as part of the work of its method.
    pub const fn less(self, less: fn(&Options) -> Less) -> Self {
        Self { less, ..self }
    }
}
