//! One page about a name: what `onsager explain` prints and `onsager list` names.

/// A page. The texts stand next to what they explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub name: &'static str,
    /// One line, without the name.
    pub summary: &'static str,
    /// What it means, with its formula.
    pub meaning: &'static str,
    /// What is usually behind it: what is seen, and what it means or what to do.
    pub causes: &'static [(&'static str, &'static str)],
    /// A piece of a problem file, or a line of the command line.
    pub example: &'static str,
}

impl Page {
    /// The page as text.
    pub fn text(&self) -> String {
        let mut text = format!("{} - {}\n", self.name, self.summary);
        if !self.meaning.is_empty() {
            text.push('\n');
            text.push_str(&indented(self.meaning));
        }
        if !self.causes.is_empty() {
            text.push('\n');
            let width = self.causes.iter().map(|(seen, _)| seen.len()).max();
            let width = width.unwrap_or(0);
            for (seen, meaning) in self.causes {
                text.push_str(&format!("  {seen:width$}   {meaning}\n"));
            }
        }
        if !self.example.is_empty() {
            text.push_str("\n  example\n");
            for line in self.example.lines() {
                text.push_str(&format!("    {line}\n"));
            }
        }
        text
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// The page of a name.
pub fn find(pages: &'static [Page], name: &str) -> Option<&'static Page> {
    pages.iter().find(|page| page.name == name)
}
