//! Colours by role: one per solver, the same in every figure.

/// What a mark stands for; it decides the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The data, or the data law.
    Data,
    /// The solver at this place of the record.
    Solver(usize),
    /// Guides and reference lines.
    Guide,
    Good,
    Bad,
    Unsure,
}

/// Colours of solvers, light and dark: after Okabe and Ito, apart for colour-blind readers, adjusted
/// for contrast on either background.
const SOLVERS: [(&str, &str); 8] = [
    ("#0b62a8", "#6cb6f5"),
    ("#c4501b", "#f2925f"),
    ("#00806a", "#41c9ae"),
    ("#a3548b", "#dc9cc6"),
    ("#8a6d00", "#dfc04a"),
    ("#5b4db3", "#a99cf0"),
    ("#4d7a1f", "#9ccb66"),
    ("#8c2f39", "#ee8a93"),
];

/// Dashes of solver lines, so that print without colour tells them apart.
const DASHES: [&str; 8] = [
    "",
    "6 3",
    "2 2",
    "8 3 2 3",
    "10 3",
    "4 2 1 2 1 2",
    "1 3",
    "12 3 3 3",
];

impl Ink {
    /// Class of the colour in a style sheet.
    pub fn class(self) -> String {
        match self {
            Self::Data => "cd".to_owned(),
            Self::Solver(n) => format!("c{}", n % SOLVERS.len()),
            Self::Guide => "cg".to_owned(),
            Self::Good => "cp".to_owned(),
            Self::Bad => "cf".to_owned(),
            Self::Unsure => "cu".to_owned(),
        }
    }

    pub fn dash(self) -> &'static str {
        match self {
            Self::Solver(n) => DASHES[n % DASHES.len()],
            Self::Guide => "3 3",
            _ => "",
        }
    }
}

/// Which background a style is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

/// Style rules of all colours; `scope` is put before each selector.
pub fn colours(scope: &str, theme: Theme) -> String {
    let pick = |(light, dark): (&'static str, &'static str)| match theme {
        Theme::Light => light,
        Theme::Dark => dark,
    };
    let mut classes: Vec<(String, &str)> = (0..SOLVERS.len())
        .map(|n| (Ink::Solver(n).class(), pick(SOLVERS[n])))
        .collect();
    for (ink, colour) in [
        (Ink::Data, ("#7b818a", "#9aa3af")),
        (Ink::Guide, ("#9a9fa6", "#6d7580")),
        (Ink::Good, ("#1f7a3d", "#5fce85")),
        (Ink::Bad, ("#b3261e", "#ff8a80")),
        (Ink::Unsure, ("#8f6400", "#e9b949")),
    ] {
        classes.push((ink.class(), pick(colour)));
    }
    let mut out = String::new();
    for (class, colour) in classes {
        out.push_str(&format!(
            "{scope} .{class}.s{{stroke:{colour}}}{scope} .{class}.f{{fill:{colour}}}"
        ));
    }
    let (text, muted, frame) = match theme {
        Theme::Light => ("#1b1f24", "#5a616b", "#b4bac2"),
        Theme::Dark => ("#e3e6ea", "#a2abb6", "#4b535e"),
    };
    out.push_str(&format!(
        "{scope} text{{fill:{text}}}{scope} text.t{{fill:{muted}}}{scope} .frame{{stroke:{frame}}}"
    ));
    out
}

/// Style rules of shapes and sizes, the same for both themes.
pub fn shapes(scope: &str) -> String {
    [
        "text{font-size:11px}",
        "text.h{font-size:11.5px;font-weight:600}",
        "text.t{font-size:10px}",
        ".e{text-anchor:end}",
        ".m{text-anchor:middle}",
        ".s{fill:none;stroke-width:1.5;stroke-linejoin:round;stroke-linecap:round}",
        ".thin{stroke-width:.7}",
        ".f{stroke:none}",
        ".p{stroke-linecap:round}",
        ".frame{fill:none;stroke-width:1}",
    ]
    .iter()
    .map(|rule| format!("{scope} {rule}"))
    .collect()
}
