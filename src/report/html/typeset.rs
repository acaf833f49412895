//! LaTeX to MathML, with the LaTeX kept for copying.

use math_core::{LatexToMathML, MathCoreConfig, MathDisplay};
use maud::{Markup, PreEscaped, html};

pub struct Typesetter {
    converter: Option<LatexToMathML>,
}

impl Default for Typesetter {
    fn default() -> Self {
        Self {
            converter: LatexToMathML::new(MathCoreConfig::default()).ok(),
        }
    }
}

impl Typesetter {
    /// Displayed equations, one per line of LaTeX; a line beyond the converter shows the same line of the
    /// text, and all of the text where there is no LaTeX.
    ///
    /// A line is set in pieces, cut at its wide spaces, so that a narrow page can break it there.
    pub fn display(&self, latex: &str, text: &str) -> Markup {
        let lines = equation_lines(latex);
        let texts: Vec<&str> = text.lines().collect();
        html! {
            @if lines.is_empty() && !text.is_empty() { pre { (text) } }
            @for (n, line) in lines.iter().enumerate() {
                @match self.pieces(line) {
                    Some(pieces) => { div.eq { @for piece in &pieces { (piece) " " } } }
                    None => { pre { (texts.get(n).unwrap_or(line)) } }
                }
            }
        }
    }

    fn pieces(&self, line: &str) -> Option<Vec<Markup>> {
        pieces(line)
            .into_iter()
            .map(|piece| match words(piece) {
                Some(words) => Some(html! { span.words { (words) } }),
                None => self.mathml(piece, MathDisplay::Block),
            })
            .collect()
    }

    /// An equation in running text.
    pub fn inline(&self, latex: &str, text: &str) -> Markup {
        match self.mathml(latex, MathDisplay::Inline) {
            Some(mathml) => mathml,
            None => html! { code { (text) } },
        }
    }

    fn mathml(&self, latex: &str, display: MathDisplay) -> Option<Markup> {
        if latex.trim().is_empty() {
            return None;
        }
        let converted = self
            .converter
            .as_ref()?
            .convert_with_local_state(latex, display)
            .ok()?
            .mathml;
        let copy = html! { (latex) }.into_string().replace('"', "&quot;");
        Some(PreEscaped(converted.replacen(
            "<math",
            &format!("<math alttext=\"{copy}\""),
            1,
        )))
    }
}

/// Lines that each hold an equation; an environment such as `aligned` stays in one piece.
fn equation_lines(latex: &str) -> Vec<&str> {
    if latex.contains(r"\begin{") {
        return vec![latex.trim()];
    }
    latex
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
}

/// The words of a piece that is nothing else: as running text they wrap.
fn words(piece: &str) -> Option<&str> {
    let words = piece.strip_prefix(r"\text{")?.strip_suffix('}')?;
    (!words.contains(['{', '}', '\\'])).then_some(words)
}

/// Parts of a line between `\quad` and `\qquad` that stand outside braces, brackets and `\left ... \right`.
fn pieces(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut depth = 0i32;
    for (at, _) in line.match_indices(['{', '}', '\\']) {
        let rest = &line[at..];
        let word = |name: &str| {
            rest.strip_prefix(name)
                .is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_alphabetic()))
        };
        if rest.starts_with('{') || word(r"\left") {
            depth += 1;
        } else if rest.starts_with('}') || word(r"\right") {
            depth -= 1;
        } else if depth == 0
            && let Some(space) = [r"\qquad", r"\quad"].into_iter().find(|name| word(name))
        {
            pieces.push(line[start..at].trim());
            start = at + space.len();
        }
    }
    pieces.push(line[start..].trim());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_wide_spaces_outside_of_groups() {
        assert_eq!(
            pieces(r"dX = f,\qquad \left[ a \quad b \right] {c \quad d} \quad e"),
            [r"dX = f,", r"\left[ a \quad b \right] {c \quad d}", "e"]
        );
        assert_eq!(equation_lines("a = b\n\nc = d"), ["a = b", "c = d"]);
        let aligned = "\\begin{aligned}\na\n\\end{aligned}";
        assert_eq!(equation_lines(aligned), [aligned]);
    }

    #[test]
    fn words_wrap_like_words() {
        let shown = Typesetter::default()
            .display(r"X_0 \sim p_0 \quad \text{(218 rows of a table)}", "")
            .into_string();
        assert!(shown.contains(r#"<span class="words">(218 rows of a table)</span>"#));
    }

    #[test]
    fn equations_keep_their_latex_and_bad_ones_their_text() {
        let typesetter = Typesetter::default();
        let good = typesetter
            .display(r"\partial_t V < \tfrac12 |\nabla V|^2", "V_t")
            .into_string();
        assert!(good.contains(r#"<math alttext="\partial_t V &lt; \tfrac12 |\nabla V|^2""#));
        let bad = typesetter.display(r"\frac{1}{", "1/0").into_string();
        assert_eq!(bad, "<pre>1/0</pre>");
    }
}
