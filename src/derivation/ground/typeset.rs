//! The text notation of formulas as LaTeX.
//!
//! Formulas are written once, as a terminal shows them, and typeset from that:
//!
//! | text | LaTeX |
//! |---|---|
//! | `alpha_t`, `X_0`, `E_u`, `int_tau^T` | subscripts and superscripts; Greek names are letters |
//! | `s^`, `x'`, `u*` | a hat, a dot, a star; `B'`, `x'P x` and `(A - S)'r` are transposed |
//! | `grad V`, `div D`, `div div D`, `p.b` | `\nabla V`, `\nabla \cdot D`, `\nabla\nabla : D`, `p \cdot b` |
//! | `1/2`, `sqrt(h)`, `D^-1`, `e^(-d/2)` | a fraction, a root, powers |
//! | two, three spaces | `\quad`, `\qquad` |
//! | words | upright; between backticks (which the text does not show) whatever they are |
//! | `{}` | the place of a part |

use crate::expr::latex_name;

/// Stands for `{}` until parts are filled in.
const PLACE: char = '\u{1}';

/// The LaTeX of a template with `parts` in the places of `{}`.
pub fn typeset(template: &str, parts: &[&str]) -> String {
    let marked: Vec<char> = template.replace("{}", &PLACE.to_string()).chars().collect();
    filled(&latex(&marked), PLACE, parts)
}

/// The text of a template.
pub fn plain(template: &str, parts: &[&str]) -> String {
    let marked = template.replace("{}", &PLACE.to_string()).replace('`', "");
    filled(&marked, PLACE, parts)
}

fn filled(template: &str, place: char, parts: &[&str]) -> String {
    let mut pieces = template.split(place);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    let mut parts = parts.iter();
    for piece in pieces {
        out.push_str(parts.next().expect("a part for every place"));
        out.push_str(piece);
    }
    assert!(parts.next().is_none(), "a place for every part: {template}");
    out
}

fn latex(source: &[char]) -> String {
    let mut reader = Reader { source, at: 0 };
    let mut out = String::new();
    while let Some(c) = reader.next() {
        match c {
            ' ' => out.push_str(reader.space(&out)),
            '`' => {
                let words = reader.until('`').replace('_', "\\_");
                let words = reader.upright(&out, &words);
                out.push_str(&words);
            }
            'a'..='z' | 'A'..='Z' => reader.word(&mut out),
            '0'..='9' => reader.number(&mut out),
            PLACE => reader.name(&mut out, PLACE.to_string(), false),
            '}' => out.push_str("\\right\\}"),
            '|' if reader.follows("|") => reader.sign(&mut out, c),
            '|' if out.ends_with(' ') && reader.peek() == Some(' ') => out.push_str("\\mid"),
            ')' | ']' if out.ends_with(' ') => {
                reader.name(&mut out, format!("\\right{c}"), false);
            }
            ')' | ']' | '|' => reader.name(&mut out, c.to_string(), false),
            '{' => out.push_str("\\left\\{"),
            // Brackets that stand apart from what they hold grow with it.
            '(' | '[' if reader.peek() == Some(' ') => out.push_str(&format!("\\left{c}")),
            '.' if reader.follows("..") => {
                reader.at += 2;
                out.push_str("\\cdots");
            }
            '.' if !out.ends_with(' ') && reader.peek().is_some_and(|c| c != ' ') => {
                out.push_str(" \\cdot ");
            }
            '~' => {
                let density = out.ends_with("p ") || out.ends_with("] ");
                out.push_str(if density { "\\propto" } else { "\\sim" });
            }
            _ => reader.sign(&mut out, c),
        }
    }
    out
}

struct Reader<'a> {
    source: &'a [char],
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.source.get(self.at).copied()
    }

    fn follows(&self, text: &str) -> bool {
        let rest = self.source[self.at..].iter().copied();
        rest.take(text.len()).eq(text.chars())
    }

    /// Whether a name would be over in so many characters.
    fn ends_after(&self, count: usize) -> bool {
        let next = self.source.get(self.at + count);
        next.is_none_or(|c| matches!(c, ' ' | ')' | ','))
    }

    /// What is read while `belongs` holds.
    fn run(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&belongs) {
            self.at += 1;
        }
        self.source[start..self.at].iter().collect()
    }

    /// What is read up to a mark, which is skipped.
    fn until(&mut self, mark: char) -> String {
        let words = self.run(|c| c != mark);
        self.at += 1;
        words
    }

    /// The inside of a bracket whose opening has been read.
    fn bracketed(&mut self, open: char, close: char) -> String {
        let (start, mut depth) = (self.at, 1);
        while depth > 0 {
            let c = self.next().expect("brackets are closed");
            depth += i32::from(c == open) - i32::from(c == close);
        }
        latex(&self.source[start..self.at - 1])
    }

    fn space(&mut self, before: &str) -> &'static str {
        match 1 + self.run(|c| c == ' ').len() {
            _ if before.is_empty() => "",
            1 => " ",
            2 => " \\quad ",
            _ => " \\qquad ",
        }
    }

    fn sign(&mut self, out: &mut String, c: char) {
        let pairs = [
            ("<=", "\\le"),
            (">=", "\\ge"),
            ("->", "\\to"),
            ("+-", "\\pm "),
            ("||", "\\|"),
        ];
        for (text, latex) in pairs {
            if text.starts_with(c) && self.follows(&text[1..]) {
                self.at += 1;
                return out.push_str(latex);
            }
        }
        out.push(c);
    }

    fn number(&mut self, out: &mut String) {
        self.at -= 1;
        let decimal = |c: char| c.is_ascii_digit() || c == '.';
        let above = self.run(decimal);
        if self.peek() == Some('/')
            && self.source[self.at + 1..]
                .first()
                .is_some_and(char::is_ascii_digit)
        {
            self.at += 1;
            let below = self.run(decimal);
            return out.push_str(&format!("\\frac{{{above}}}{{{below}}}"));
        }
        self.name(out, above, false);
    }

    fn word(&mut self, out: &mut String) {
        self.at -= 1;
        let word = self.run(|c| c.is_ascii_alphabetic());
        let base = match word.as_str() {
            "log" | "exp" | "min" | "max" | "inf" | "det" | "int" | "sum" | "prod" | "ell" => {
                format!("\\{word}")
            }
            "eps" => "\\varepsilon".to_owned(),
            "E" => "\\mathbb{E}".to_owned(),
            "N" if self.peek() == Some('(') => "\\mathcal{N}".to_owned(),
            "KL" | "ESM" | "ISM" | "DSM" => format!("\\mathrm{{{word}}}"),
            "tr" | "diag" => format!("\\operatorname{{{word}}}"),
            "grad" => "\\nabla".to_owned(),
            "div" if self.follows(" div") => {
                self.at += " div".len();
                "\\nabla\\nabla :".to_owned()
            }
            "div" => "\\nabla \\cdot".to_owned(),
            "sqrt" => {
                self.at += 1;
                format!("\\sqrt{{{}}}", self.bracketed('(', ')'))
            }
            _ if word == "d" || is_differential(&word) => {
                let after = out.strip_suffix(' ').unwrap_or_default();
                let measures = after.ends_with(|c: char| {
                    c.is_alphanumeric() || matches!(c, ')' | ']' | '}' | '|' | PLACE)
                });
                let gap = if measures && !after.ends_with("quad") {
                    "\\, "
                } else {
                    ""
                };
                format!("{gap}{}", self.differential(&word))
            }
            _ if word.len() == 1 || is_greek(&word) => latex_name(&word),
            _ => return self.prose(out, word),
        };
        let transposable = word.starts_with(|c: char| c.is_ascii_uppercase());
        self.name(out, base, transposable);
    }

    /// Words that are no mathematics, as many as stand together.
    fn prose(&mut self, out: &mut String, mut words: String) {
        loop {
            let start = self.at;
            let gap = self.run(|c| c == ' ' || c == '-');
            let next = self.run(|c| c.is_ascii_alphabetic());
            let joins = gap.len() == 1 && next.len() > 1 && !is_known(&next);
            if !joins {
                self.at = start;
                break;
            }
            words.push_str(&gap);
            words.push_str(&next);
        }
        let words = self.upright(out, &words);
        self.name(out, words, false);
    }

    /// Words with the single spaces around them, which mathematics would swallow.
    fn upright(&self, before: &str, words: &str) -> String {
        let ahead = before.ends_with(' ') && !before.ends_with("quad ");
        let behind = self.follows(" ") && !self.follows("  ");
        let [ahead, behind] = [ahead, behind].map(|space| if space { " " } else { "" });
        format!("\\text{{{ahead}{words}{behind}}}")
    }

    /// `dx`, or `dx/dt`.
    fn differential(&mut self, above: &str) -> String {
        let written = |word: &str| match &word[1..] {
            "" => "d".to_owned(),
            of => format!("d{}", latex_name(of)),
        };
        let start = self.at;
        if self.run(|c| c == '/') == "/" {
            let below = self.run(|c| c.is_ascii_alphabetic());
            if is_differential(&below) {
                return format!("\\frac{{{}}}{{{}}}", written(above), written(&below));
            }
        }
        self.at = start;
        written(above)
    }

    /// A name with its hat, dot, star and scripts.
    fn name(&mut self, out: &mut String, mut base: String, uppercase: bool) {
        let (mut scripts, closing) = (String::new(), base.ends_with([')', ']', '|']));
        loop {
            match self.peek() {
                Some('_') if self.source.len() > self.at + 1 => {
                    self.at += 1;
                    scripts.push_str(&format!("_{{{}}}", self.script()));
                }
                Some('^') => {
                    self.at += 1;
                    let hat = match self.peek() {
                        Some('(') => !closing,
                        Some(c) => !c.is_ascii_alphanumeric() && !matches!(c, '-' | '{'),
                        None => true,
                    };
                    if hat {
                        base = format!("\\hat{{{base}}}");
                    } else {
                        scripts.push_str(&format!("^{{{}}}", self.script()));
                    }
                }
                // b+ and b-, not sums.
                Some(sign @ ('+' | '-')) if !closing && self.ends_after(1) => {
                    self.at += 1;
                    scripts.push_str(&format!("_{sign}"));
                }
                Some('*') => {
                    self.at += 1;
                    scripts.push_str("^*");
                }
                Some('\'') => {
                    let primes = self.run(|c| c == '\'');
                    let before_letter = self.peek().is_some_and(|c| c.is_ascii_alphabetic());
                    let named = base.ends_with(|c: char| c.is_ascii_alphabetic());
                    if before_letter || (uppercase && !self.follows(" =") && !self.follows("(")) {
                        scripts.push_str("^\\top");
                        if before_letter {
                            scripts.push(' ');
                        }
                    } else if named && !self.follows("(") {
                        let dots = if primes.len() == 1 { "dot" } else { "ddot" };
                        base = format!("\\{dots}{{{base}}}");
                    } else {
                        scripts.push_str(&primes);
                    }
                }
                _ => break,
            }
        }
        out.push_str(&base);
        out.push_str(&scripts);
    }

    /// What stands after `_` or `^`.
    fn script(&mut self) -> String {
        match self.peek() {
            Some('{') => {
                self.at += 1;
                self.bracketed('{', '}')
            }
            Some('(') => {
                self.at += 1;
                self.bracketed('(', ')')
            }
            Some(PLACE) => {
                self.at += 1;
                PLACE.to_string()
            }
            _ => {
                let sign = self.run(|c| c == '-');
                let name = self.run(|c| c.is_ascii_alphanumeric());
                if is_greek(&name) {
                    return sign + &latex_name(&name);
                }
                sign + &name
            }
        }
    }
}

/// Whether a name is a Greek letter.
fn is_greek(name: &str) -> bool {
    latex_name(name).starts_with('\\') && !latex_name(name).contains('{')
}

/// `dt`, `dtau`, `dW`, ...
fn is_differential(word: &str) -> bool {
    let of = word.strip_prefix('d').unwrap_or_default();
    ["t", "tau", "s", "r", "x", "p", "H", "W", "B", "X", "Y", "Z"].contains(&of)
}

/// Whether a word has a meaning in mathematics.
fn is_known(word: &str) -> bool {
    const NAMES: [&str; 19] = [
        "log", "exp", "min", "max", "inf", "det", "int", "sum", "prod", "ell", "eps", "KL", "ESM",
        "ISM", "DSM", "tr", "grad", "div", "sqrt",
    ];
    NAMES.contains(&word) || is_greek(word) || is_differential(word)
}

#[cfg(test)]
mod tests {
    use super::{plain, typeset};

    #[test]
    fn formulas_are_typeset() {
        for (text, latex) in [
            ("D = G G'", "D = G G^\\top"),
            ("u* = -R^-1 B' (P x + r)", "u^* = -R^{-1} B^\\top (P x + r)"),
            ("-P' = A'P + P A", "-\\dot{P} = A^\\top P + P A"),
            (
                "ell_0' = -div b_0",
                "\\dot{\\ell}_{0} = -\\nabla \\cdot b_{0}",
            ),
            ("x'' = f", "\\ddot{x} = f"),
            ("1/2 x'P x", "\\frac{1}{2} x^\\top P x"),
            ("(A - S P)'r", "(A - S P)^\\top r"),
            ("f p = 1/2 (D p)'", "f p = \\frac{1}{2} (D p)'"),
            ("T'(-4) = 0", "T'(-4) = 0"),
            ("phi^_t = L* phi^", "\\hat{\\phi}_{t} = L^* \\hat{\\phi}"),
            ("s^(X_t) + z/sigma_t", "\\hat{s}(X_{t}) + z/\\sigma_{t}"),
            ("(2 pi eps)^(-d/2)", "(2 \\pi \\varepsilon)^{-d/2}"),
            ("1/2 D : grad grad V", "\\frac{1}{2} D : \\nabla \\nabla V"),
            ("div div(D p)", "\\nabla\\nabla :(D p)"),
            (
                "q + p.b,   p = grad V",
                "q + p \\cdot b, \\qquad p = \\nabla V",
            ),
            ("dX = f dt + G dW", "dX = f \\, dt + G \\, dW"),
            ("int_tau^T q dr", "\\int_{\\tau}^{T} q \\, dr"),
            (
                "E[ g(X_T) | X_t = x ]",
                "\\mathbb{E}\\left[ g(X_{T}) \\mid X_{t} = x \\right]",
            ),
            (
                "KL(P^u || P^{u*}) >= 0",
                "\\mathrm{KL}(P^{u} \\| P^{u^*}) \\ge 0",
            ),
            ("p ~ (1/D) exp(x)", "p \\propto (1/D) \\exp(x)"),
            ("z ~ N(0, I)", "z \\sim \\mathcal{N}(0, I)"),
            ("|det M(T)|^(-1/2)", "|\\det M(T)|^{-\\frac{1}{2}}"),
            ("phi(.,T)", "\\phi( \\cdot ,T)"),
            ("h = 0:  y", "h = 0: \\quad y"),
            ("min_u { u }", "\\min_{u} \\left\\{ u \\right\\}"),
            ("sqrt(h) G dB", "\\sqrt{h} G \\, dB"),
            ("f = 0 along the path", "f = 0 \\text{ along the path}"),
            ("at speed f", "\\text{at speed } f"),
            (
                "|dx/ds| + d/dtau p",
                "|\\frac{dx}{ds}| + \\frac{d}{d\\tau} p",
            ),
            ("b+ = b, (b+ + b-)/2", "b_+ = b, (b_+ + b_-)/2"),
            (
                "S = 0   `(from a start)`",
                "S = 0 \\qquad \\text{(from a start)}",
            ),
        ] {
            assert_eq!(typeset(text, &[]), latex, "{text}");
        }
    }

    #[test]
    fn parts_take_their_places() {
        let template = "min_{} {} + L V{}   `(as {})`";
        let parts = ["u", "\\frac{1}{2} u^2", "", "is"];
        assert_eq!(
            typeset(template, &parts),
            "\\min_{u} \\frac{1}{2} u^2 + L V \\qquad \\text{(as is)}"
        );
        assert_eq!(
            plain(template, &["u", "1/2 u^2", "", "is"]),
            "min_u 1/2 u^2 + L V   (as is)"
        );
        assert_eq!(typeset("{}* = -{}'R", &["u", "v"]), "u^* = -v^\\top R");
    }

    #[test]
    #[should_panic(expected = "a place for every part")]
    fn a_part_without_a_place_is_a_mistake() {
        plain("V", &["x"]);
    }
}
