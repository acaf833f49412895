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
    /// Displayed equations, one a line of the LaTeX; where the LaTeX is empty or beyond the converter,
    /// the same line of the text.
    pub fn display(&self, latex: &str, text: &str) -> Markup {
        let mut texts = text.lines();
        html! {
            @for line in latex.lines() {
                (self.line(line, texts.next().unwrap_or(line)))
            }
            @for rest in texts {
                pre { (rest) }
            }
        }
    }

    fn line(&self, latex: &str, text: &str) -> Markup {
        html! {
            @if let Some(mathml) = self.mathml(latex, MathDisplay::Block) {
                div.eq { (mathml) }
            } @else {
                pre { (text) }
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
