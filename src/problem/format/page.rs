//! One page about a name: what `onsager explain` prints and `onsager list` names.

use std::iter;

/// A page in a book: a Markdown text with a section for each name.
///
/// A section is a heading, a line that says what it is, what it means with its formula, a list of what is usually behind
/// it (`- **seen** what it means or what to do`), and a piece of a problem file or of the command line between fences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub name: &'static str,
    book: &'static str,
}

impl Page {
    pub const fn of(name: &'static str, book: &'static str) -> Self {
        Self { name, book }
    }

    fn section(&self) -> &'static str {
        let mut sections = sections(self.book);
        let found = sections.find(|(name, _)| *name == self.name);
        found.map_or("", |(_, section)| section)
    }

    /// One line, without the name.
    pub fn summary(&self) -> &'static str {
        self.section().lines().next().unwrap_or_default()
    }

    /// The piece between fences.
    pub fn example(&self) -> Option<&'static str> {
        let (_, rest) = self.section().split_once("```\n")?;
        Some(rest.trim_end().trim_end_matches("```"))
    }

    /// The page as text.
    pub fn text(&self) -> String {
        let body = self.section().split("```\n").next().unwrap_or_default();
        let (causes, meaning): (Vec<&str>, Vec<&str>) = body
            .lines()
            .skip(1)
            .filter(|line| !line.is_empty())
            .partition(|line| line.starts_with("- **"));
        let mut text = format!("{} - {}\n", self.name, self.summary());
        let mut part = |lines: Vec<String>, indent: &str| {
            if !lines.is_empty() {
                text.push('\n');
            }
            for line in lines {
                text.push_str(&format!("{indent}{line}\n"));
            }
        };
        part(meaning.into_iter().map(str::to_owned).collect(), "  ");
        part(aligned(&causes), "  ");
        if let Some(example) = self.example() {
            let lines = example.lines().map(|line| format!("  {line}"));
            part(
                iter::once("example".to_owned()).chain(lines).collect(),
                "  ",
            );
        }
        text
    }
}

/// What is seen in one column, what to do in the next.
fn aligned(causes: &[&str]) -> Vec<String> {
    let causes = causes
        .iter()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("** "));
    let width = causes.clone().map(|(seen, _)| seen.len()).max();
    let width = width.unwrap_or(0);
    causes
        .map(|(seen, meaning)| format!("{seen:width$}   {meaning}"))
        .collect()
}

/// The sections of a book by name.
pub(crate) fn sections(book: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    book.trim_start_matches("# ")
        .split("\n# ")
        .filter_map(|section| section.split_once('\n'))
        .map(|(name, rest)| (name, rest.trim()))
}

/// Every page of a book, in order.
pub fn pages(book: &'static str) -> Vec<Page> {
    sections(book)
        .map(|(name, _)| Page::of(name, book))
        .collect()
}
