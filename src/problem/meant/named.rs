//! Values that have names in the file.

/// A choice whose values have names: one table gives both directions.
pub trait Named: Copy + PartialEq + 'static {
    /// In the order in which they are listed; the first stands in where nothing was chosen.
    const NAMES: &'static [(&'static str, Self)];

    /// As the file says it.
    fn name(self) -> &'static str {
        let mut known = Self::NAMES.iter();
        known
            .find(|(_, value)| *value == self)
            .map_or("", |(name, _)| name)
    }

    fn from_name(name: &str) -> Option<Self> {
        let mut known = Self::NAMES.iter();
        known.find(|(known, _)| *known == name).map(|(_, v)| *v)
    }

    fn names() -> Vec<&'static str> {
        Self::NAMES.iter().map(|(name, _)| *name).collect()
    }
}
