//! A problem posed from code, key by key, in the words of a problem file.

use crate::study::posed::{Study, Unable};
use crate::study::registry::Registry;
use toml::{Table, Value};

/// A statement in the making.
#[derive(Clone, Debug, Default)]
pub struct Pose {
    root: Table,
}

impl Pose {
    /// A problem of this kind under this name.
    pub fn new(kind: &str, name: &str) -> Self {
        Self::default()
            .set("problem.kind", kind)
            .set("problem.name", name)
    }

    /// Sets a key of a table, such as `dynamics.drift`.
    ///
    /// # Panics
    /// If a table stands where a value was set.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let (tables, key) = key.rsplit_once('.').unwrap_or(("", key));
        let mut here = &mut self.root;
        for name in tables.split('.').filter(|name| !name.is_empty()) {
            let table = here.entry(name).or_insert_with(|| Table::new().into());
            here = table.as_table_mut().expect("a table, not a value");
        }
        here.insert(key.to_owned(), value.into());
        self
    }

    /// The text of the problem file that says the same.
    pub fn text(&self) -> String {
        format!("format = 1\n{}", self.root)
    }

    /// Reads the problem against the words of the program as it is.
    ///
    /// # Errors
    /// Everything that is wrong with it, placed in [`Pose::text`].
    pub fn read(&self) -> Result<Study, Unable> {
        Registry::standard().parse(&self.text())
    }
}
