//! Every table and key of the format: what it holds, its default, the kinds it belongs to. All of it stands in `tables.md`,
//! which the reader, the JSON schema and `onsager schema` share.

use crate::problem::format::key::{Bound, Fallback, Form, Key, Names};
use crate::problem::format::names;
use crate::problem::format::page::sections;
use crate::problem::meant::claim::SweepMode;
use crate::problem::meant::grid::Scheme;
use crate::problem::meant::kind::{EVERY, Kind};
use crate::problem::meant::model::{Boundary, Calculus, Integrator, Severity};
use crate::problem::meant::named::Named;
use crate::problem::meant::task::{PathFunctional, Sense};
use std::sync::LazyLock;

/// How a table is written.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// `[name]` with the listed keys.
    Single,
    /// `[name]` with keys of the user's choice.
    Free(Form),
    /// `[[name]]`, any number of times.
    List,
    /// `[name.NAME]`, each with the listed keys.
    Named,
    /// Keys of a table inside a table, or of several tables.
    Part,
    /// Part of the format, not of this version.
    Later,
}

/// One table of the format.
#[derive(Clone, Debug)]
pub struct TableSchema {
    pub name: &'static str,
    pub shape: Shape,
    pub kinds: Vec<Kind>,
    pub keys: Vec<Key>,
    /// Keys of the format that this version does not act on.
    pub later: Vec<&'static str>,
    pub about: &'static str,
}

impl TableSchema {
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub fn key_names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

static ALL: LazyLock<Vec<TableSchema>> = LazyLock::new(|| {
    let text = include_str!("tables.md");
    let (_, text) = text.split_once("\n# ").unwrap_or_default();
    let mut all: Vec<TableSchema> = sections(text).map(|(name, s)| table(name, s)).collect();
    let law = all.iter().find(|table| table.name == "law");
    let law = law.map(|table| table.keys.clone()).unwrap_or_default();
    for role in all
        .iter_mut()
        .filter(|table| names::ROLES.contains(&table.name))
    {
        role.keys.clone_from(&law);
    }
    all
});

/// Every table, in the order of `check --resolved`.
pub fn tables() -> impl Iterator<Item = &'static TableSchema> + Clone {
    let all = ALL.iter();
    all.filter(|table| !matches!(table.shape, Shape::Part))
}

/// The keys of a table inside a table.
pub fn part(name: &str) -> &'static [Key] {
    let mut all = ALL.iter();
    all.find(|table| table.name == name)
        .map_or(&[], |table| &table.keys)
}

/// A section: a line with shape, kinds and what it is about, a table of keys, and keys of later versions.
fn table(name: &'static str, section: &'static str) -> TableSchema {
    let mut head = section.lines().next().unwrap_or_default().splitn(3, "; ");
    let [shape, kinds, about] = [(); 3].map(|()| head.next().unwrap_or_default());
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let later = section
        .lines()
        .find_map(|line| line.strip_prefix("later: "));
    TableSchema {
        name,
        shape: match shape {
            "list" => Shape::List,
            "named tables" => Shape::Named,
            "part" => Shape::Part,
            "later" => Shape::Later,
            _ => match shape.strip_prefix("names = ") {
                Some(form) => Shape::Free(read_form(form)),
                None => Shape::Single,
            },
        },
        kinds: match kinds {
            "all kinds" => EVERY.to_vec(),
            some => some.split(", ").filter_map(Kind::from_name).collect(),
        },
        keys: rows.skip(1).map(key).collect(),
        later: later.map_or(Vec::new(), |later| later.split(", ").collect()),
        about,
    }
}

fn key(row: &'static str) -> Key {
    let mut cells = row.trim_matches('|').split('|').map(str::trim);
    let [name, holds, default, about] = [(); 4].map(|()| cells.next().unwrap_or_default());
    let form = read_form(holds);
    let default = match (default, form) {
        ("required", _) => Fallback::Required,
        ("", _) => Fallback::Absent,
        (text, Form::Flag) => Fallback::Flag(text == "true"),
        (text, Form::Choice(_)) if !text.contains(' ') => Fallback::Name(text),
        (text, Form::Count(_)) => text.parse().map_or(Fallback::Words(text), Fallback::Count),
        (text, Form::Number(_)) => text.parse().map_or(Fallback::Words(text), Fallback::Number),
        (text, _) => Fallback::Words(text),
    };
    Key::new(name, form, default, about)
}

fn read_form(text: &'static str) -> Form {
    if text.contains(" or ") {
        let forms: Vec<Form> = text.split(" or ").map(read_form).collect();
        return Form::Either(forms.leak());
    }
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match (word, rest) {
        ("flag", _) => Form::Flag,
        ("count", least) => Form::Count(least_of(least)),
        ("counts", least) => Form::Counts(least_of(least)),
        ("number", "") => Form::Number(Bound::Finite),
        ("number", "> 0") => Form::Number(Bound::Positive),
        ("number", _) => Form::Number(Bound::NotNegative),
        ("fraction", _) => Form::Number(Bound::Fraction),
        ("numbers", _) => Form::Numbers,
        ("expression", _) => Form::Expression,
        ("expressions", _) => Form::Expressions,
        ("names", "") => Form::Names,
        ("names", of) => Form::Free(Box::leak(Box::new(read_form(of.trim_start_matches("= "))))),
        ("table", part) => Form::Table(part),
        ("word", word) => Form::Word(word),
        ("one", of) => Form::Choice(read_names(of.trim_start_matches("of "))),
        ("list", of) => {
            let of = of.trim_start_matches("of ");
            let (words, names) = of.split_once(" and ").unwrap_or(("", of));
            let words = words.split(", ").filter(|word| !word.is_empty());
            let words: Vec<&'static str> = words.collect();
            Form::Choices(words.leak(), read_names(names))
        }
        _ => Form::Text,
    }
}

fn least_of(text: &str) -> usize {
    let least = text.trim_start_matches(">= ").parse();
    least.unwrap_or_default()
}

/// Names by what they are names of, or one after the other between quotes.
fn read_names(text: &'static str) -> Names {
    match text {
        "methods" => Names::Methods,
        "checks" => Names::Checks,
        "presets" => Names::Presets,
        "kinds" => Names::Fixed(<Kind as Named>::names),
        "structures" => Names::Fixed(|| names::all(names::STRUCTURES)),
        "plots" => Names::Fixed(|| names::all(names::PLOTS)),
        "laws" => Names::Fixed(|| names::FAMILIES.iter().map(|f| f.name).collect()),
        "calculi" => Names::Fixed(Calculus::names),
        "boundaries" => Names::Fixed(Boundary::names),
        "senses" => Names::Fixed(Sense::names),
        "functionals" => Names::Fixed(PathFunctional::names),
        "schemes" => Names::Fixed(Scheme::names),
        "integrators" => Names::Fixed(Integrator::names),
        "severities" => Names::Fixed(Severity::names),
        "spacings" => Names::Fixed(|| names::SPACINGS.to_vec()),
        "sweep modes" => Names::Fixed(SweepMode::names),
        "saves" => Names::Fixed(|| names::SAVES.to_vec()),
        quoted => {
            let words: Vec<&'static str> =
                quoted.split(", ").map(|w| w.trim_matches('"')).collect();
            Names::Listed(words.leak())
        }
    }
}
