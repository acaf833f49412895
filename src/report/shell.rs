//! Words of commands that are shown to be typed again.

use crate::problem::text::visible::is_hidden;
use std::path::Path;

/// A path as one word of a shell; one that begins with a dash is no option.
pub fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    match text.starts_with('-') {
        true => word(&format!("./{text}")),
        false => word(&text),
    }
}

/// A text as one word of a shell: bare, or in quotes; what a terminal would obey is written in numbers.
pub fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:=,+@%-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    if !text.chars().any(is_hidden) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let escaped = text.chars().map(|c| match c {
        '\'' | '\\' => format!("\\{c}"),
        c if is_hidden(c) => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("$'{}'", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_one_word_and_harmless() {
        assert_eq!(
            word("problems/reverse/iris.toml"),
            "problems/reverse/iris.toml"
        );
        assert_eq!(word("a b"), "'a b'");
        assert_eq!(word(""), "''");
        assert_eq!(word("it's; rm -rf $HOME"), r"'it'\''s; rm -rf $HOME'");
        assert_eq!(word("a\u{1b}[31m'"), r"$'a\u001b[31m\''");
        assert_eq!(quoted(Path::new("-x.toml")), "./-x.toml");
    }
}
