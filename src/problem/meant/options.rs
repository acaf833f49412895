//! The options of a method, every default filled in.

use crate::problem::meant::named::Named;

/// The value of one option.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    Count(usize),
    Number(f64),
    /// One of the names the option knows.
    Name(&'static str),
    /// Points, one count per state.
    Counts(Vec<usize>),
    Text(String),
    Field(FieldSpec),
}

impl From<usize> for Setting {
    fn from(value: usize) -> Self {
        Self::Count(value)
    }
}

impl From<f64> for Setting {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<&'static str> for Setting {
    fn from(value: &'static str) -> Self {
        Self::Name(value)
    }
}

impl From<Vec<usize>> for Setting {
    fn from(value: Vec<usize>) -> Self {
        Self::Counts(value)
    }
}

impl From<FieldSpec> for Setting {
    fn from(value: FieldSpec) -> Self {
        Self::Field(value)
    }
}

/// Options by name, in the order of the method's card; those that do not apply are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options(Vec<(&'static str, Setting)>);

impl Options {
    pub fn of(settings: Vec<(&'static str, Setting)>) -> Self {
        Self(settings)
    }

    pub fn get(&self, key: &str) -> Option<&Setting> {
        let mut known = self.0.iter();
        known
            .find(|(name, _)| *name == key)
            .map(|(_, setting)| setting)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Setting)> {
        self.0.iter().map(|(name, setting)| (*name, setting))
    }

    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Sets an option, replacing an earlier value.
    pub fn set(&mut self, key: &'static str, setting: impl Into<Setting>) {
        let setting = setting.into();
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some(entry) => entry.1 = setting,
            None => self.0.push((key, setting)),
        }
    }

    /// A whole number; 0 where the option does not apply.
    pub fn count(&self, key: &str) -> usize {
        match self.get(key) {
            Some(Setting::Count(value)) => *value,
            _ => 0,
        }
    }

    /// A number; 1 where the option does not apply.
    pub fn number(&self, key: &str) -> f64 {
        match self.get(key) {
            Some(Setting::Number(value)) => *value,
            _ => 1.0,
        }
    }

    /// The name chosen; empty where the option does not apply.
    pub fn name(&self, key: &str) -> &'static str {
        match self.get(key) {
            Some(Setting::Name(name)) => name,
            _ => "",
        }
    }

    /// The value whose name was chosen; the first one where the option does not apply.
    pub fn one<T: Named>(&self, key: &str) -> T {
        T::from_name(self.name(key)).unwrap_or(T::NAMES[0].1)
    }

    /// One count per state; empty where the option does not apply.
    pub fn counts(&self, key: &str) -> Vec<usize> {
        match self.get(key) {
            Some(Setting::Counts(values)) => values.clone(),
            _ => Vec::new(),
        }
    }

    /// A text that may be absent.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Setting::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn field(&self, key: &str) -> Option<&FieldSpec> {
        match self.get(key) {
            Some(Setting::Field(field)) => Some(field),
            _ => None,
        }
    }
}

/// A family of unknown fields with its sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldSpec {
    pub family: &'static str,
    pub options: Options,
}
