//! The full text of a problem, every default filled in.

use crate::problem::meant::law::{Covariance, Law};
use std::collections::HashMap;

/// Tables with their keys, in the order in which they were first named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolved {
    tables: Vec<ResolvedTable>,
    /// Where solvers stand.
    solvers: usize,
}

#[derive(Clone, Debug)]
struct ResolvedTable {
    header: String,
    entries: Vec<(String, String)>,
    /// Where the keys stand among the entries.
    places: HashMap<String, usize>,
}

/// The tables after the solvers.
pub(crate) struct Rest(Vec<ResolvedTable>);

impl ResolvedTable {
    fn is_printed(&self) -> bool {
        !self.header.is_empty() && !self.entries.is_empty()
    }
}

impl Resolved {
    /// Opens a table; returns its index. A table without a header is never printed.
    pub(crate) fn table(&mut self, header: String) -> usize {
        self.tables.push(ResolvedTable {
            header,
            entries: Vec::new(),
            places: HashMap::new(),
        });
        self.tables.len() - 1
    }

    /// Sets a key to a TOML value, replacing an earlier one.
    pub(crate) fn set(&mut self, table: usize, key: &str, value: String) {
        let ResolvedTable {
            entries, places, ..
        } = &mut self.tables[table];
        match places.get(key) {
            Some(place) => entries[*place].1 = value,
            None => {
                places.insert(key.to_owned(), entries.len());
                entries.push((key.to_owned(), value));
            }
        }
    }

    /// Solvers stand after the tables so far.
    pub(crate) fn mark_solvers(&mut self) {
        self.solvers = self.tables.len();
    }

    /// Opens the place of the solvers for others, before or instead of those that are there; returns what comes after.
    pub(crate) fn open_solvers(&mut self, beside: bool) -> Rest {
        let mut after = self.tables.split_off(self.solvers);
        after.retain(|table| beside || table.header != "[[solver]]");
        let run = self
            .tables
            .iter_mut()
            .filter(|table| table.header == "[run]");
        for table in run {
            table.entries.retain(|(key, _)| key != "solvers");
            let keys = table.entries.iter().map(|(key, _)| key.clone());
            table.places = keys.zip(0..).collect();
        }
        Rest(after)
    }

    /// Puts back what comes after the solvers.
    pub(crate) fn close_solvers(&mut self, after: Rest) {
        self.tables.extend(after.0);
    }

    /// Leaves a table out of the text.
    pub(crate) fn forget(&mut self, table: usize) {
        self.tables[table].entries.clear();
        self.tables[table].places.clear();
    }

    /// The TOML text. Empty tables are left out.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::from("format = 1\n");
        for table in self.tables.iter().filter(|table| table.is_printed()) {
            text.push('\n');
            text.push_str(&table.header);
            text.push('\n');
            for (key, value) in &table.entries {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    }
}

/// Keys and TOML values that state a law again.
pub(crate) fn law_entries(law: &Law) -> Vec<(&'static str, String)> {
    let Law::Gaussian(mixture) = law else {
        // Other laws are never defaults; they are recorded as typed.
        return Vec::new();
    };
    vec![
        ("family", "\"gaussian\"".to_owned()),
        ("mean", floats(&mixture.means[0])),
        ("cov", covariance(&mixture.covariances[0])),
    ]
}

fn covariance(covariance: &Covariance) -> String {
    match covariance {
        Covariance::Isotropic(value) => float(*value),
        Covariance::Diagonal(values) => floats(values),
        Covariance::Full(rows) => {
            let rows: Vec<String> = rows.iter().map(|row| floats(row)).collect();
            format!("[{}]", rows.join(", "))
        }
    }
}

/// A TOML string.
pub(crate) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A TOML key, in quotes where it holds more than letters, digits, `_` and `-`.
pub(crate) fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(bare) {
        return name.to_owned();
    }
    quote(name)
}

/// A TOML float.
pub(crate) fn float(value: f64) -> String {
    format!("{value:?}")
}

/// A TOML array of floats.
pub(crate) fn floats(values: &[f64]) -> String {
    let items: Vec<String> = values.iter().map(|v| float(*v)).collect();
    format!("[{}]", items.join(", "))
}

/// A TOML array of strings.
pub(crate) fn quotes<S: AsRef<str>>(values: &[S]) -> String {
    let items: Vec<String> = values.iter().map(|v| quote(v.as_ref())).collect();
    format!("[{}]", items.join(", "))
}
