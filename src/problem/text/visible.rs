//! Text of a file as a message may show it: nothing that a terminal would obey, and no more than is read.

/// Letters of a quoted part of a message.
const LONGEST_QUOTE: usize = 80;

/// Whether a character changes how the text around it is shown, instead of being shown: controls, marks that turn the
/// direction, and marks without width.
pub fn is_hidden(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    c.is_control()
        || turns
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// The text with hidden characters written by their numbers; line ends and tabs stay.
pub fn visible(text: &str) -> String {
    let is_shown = |c: char| matches!(c, '\n' | '\t') || !is_hidden(c);
    if text.chars().all(is_shown) {
        return text.to_owned();
    }
    let shown = text.chars().map(|c| match is_shown(c) {
        true => c.to_string(),
        false => format!("\\u{{{:x}}}", u32::from(c)),
    });
    shown.collect()
}

/// The same on one line.
pub fn one_line(text: &str) -> String {
    visible(text).replace(['\n', '\t'], " ")
}

/// A message whose parts between backticks are cut where they are long.
pub fn message(text: &str) -> String {
    let text = visible(text);
    let parts = text.split('`').enumerate();
    let short = parts.map(|(i, part)| match i % 2 {
        1 => shortened(&one_line(part), LONGEST_QUOTE),
        _ => part.to_owned(),
    });
    short.collect::<Vec<_>>().join("`")
}

/// The first letters of a long text, and that it goes on.
pub fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(
            visible("a\u{1b}[31mb\u{202e}\n"),
            "a\\u{1b}[31mb\\u{202e}\n"
        );
        assert_eq!(one_line("a\nforged\tb"), "a forged b");
        assert_eq!(visible("é β"), "é β");
    }

    #[test]
    fn long_quotes_are_cut_and_the_sentence_is_not() {
        let long = "x".repeat(10_000);
        let shown = message(&format!("unknown key `{long}` in [dynamics]"));
        assert!(shown.len() < 130, "{shown}");
        assert!(shown.ends_with("...` in [dynamics]"));
        let sentence = "a sentence that goes on and on ".repeat(10);
        assert_eq!(message(&sentence), sentence);
    }
}
