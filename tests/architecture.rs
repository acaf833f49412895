//! The order of the house: a module names only floors below its own, modules of one floor form no
//! circle, nothing is imported wholesale, and no room is called `utils`.
//!
//! The rules are functions of `(path, text)` pairs, so that violations planted in strings show that
//! they bite.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Floors, lowest first.
const FLOORS: [&str; 13] = [
    "numeric",
    "expr",
    "problem",
    "derivation",
    "discretization",
    "field",
    "solvers",
    "comparison",
    "analysis",
    "verification",
    "report",
    "study",
    "cli",
];

/// Names that say nothing about what is inside.
const NAMELESS: [&str; 5] = ["utils", "common", "helpers", "misc", "types"];

/// A source file: its module path (`["expr", "graph"]`) and its text without comments and literals.
struct File {
    path: String,
    module: Vec<String>,
    code: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let mut module: Vec<String> = path
            .trim_end_matches(".rs")
            .split('/')
            .map(str::to_owned)
            .collect();
        if matches!(
            module.last().map(String::as_str),
            Some("mod" | "lib" | "main")
        ) {
            module.pop();
        }
        Self {
            path: path.to_owned(),
            module,
            code: bare(text),
        }
    }

    fn is_root(&self) -> bool {
        self.path.ends_with("mod.rs")
    }

    /// The code before the first `#[cfg(test)]`: unit tests may look around.
    fn production(&self) -> &str {
        self.code
            .split_once("#[cfg(test)]")
            .map_or(self.code.as_str(), |(before, _)| before)
    }
}

/// The text with comments, strings and characters blanked, so that only code remains.
fn bare(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let starts = |i: usize, word: &str| {
        word.chars()
            .enumerate()
            .all(|(k, c)| chars.get(i + k) == Some(&c))
    };
    let mut code = String::new();
    let mut i = 0;
    while i < chars.len() {
        if starts(i, "//") {
            while i < chars.len() && chars[i] != '\n' {
                i += 1;
            }
        } else if starts(i, "/*") {
            while i < chars.len() && !starts(i, "*/") {
                i += 1;
            }
            i += 2;
        } else if chars[i] == 'r' && (starts(i, "r\"") || starts(i, "r#\"")) {
            let close = if starts(i, "r#") { "\"#" } else { "\"" };
            i += close.len() + 1;
            while i < chars.len() && !starts(i, close) {
                i += 1;
            }
            i += close.len();
        } else if chars[i] == '"' {
            i += 1;
            while i < chars.len() && chars[i] != '"' {
                i += if chars[i] == '\\' { 2 } else { 1 };
            }
            i += 1;
        } else if chars[i] == '\'' && (starts(i + 1, "\\") || chars.get(i + 2) == Some(&'\'')) {
            i += if chars[i + 1] == '\\' { 3 } else { 2 };
            while i < chars.len() && chars[i] != '\'' {
                i += 1;
            }
            i += 1;
        } else {
            code.push(chars[i]);
            i += 1;
        }
    }
    code
}

/// Every path that starts with `root::`, groups written out: `crate::a::{b, c::D}` is `a::b` and
/// `a::c::D`.
fn paths(code: &str, root: &str) -> Vec<Vec<String>> {
    let prefix = format!("{root}::");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let mut rest = code[at + prefix.len()..].chars().peekable();
        tree(&mut rest, Vec::new(), &mut found);
    }
    found
}

fn tree(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    mut path: Vec<String>,
    found: &mut Vec<Vec<String>>,
) {
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.next_if_eq(&'{').is_some() {
            loop {
                tree(rest, path.clone(), found);
                while rest.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
                if rest.next_if_eq(&'}').is_some() || rest.peek().is_none() {
                    return;
                }
            }
        }
        let mut word = String::new();
        while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '*')) {
            word.push(c);
            if c == '*' {
                break;
            }
        }
        if !word.is_empty() {
            path.push(word);
        }
        if rest.next_if_eq(&':').is_none() {
            break;
        }
        if rest.next_if_eq(&':').is_none() {
            break;
        }
    }
    if path.is_empty() {
        // Something that is no path (a macro fragment); step over it, or the caller would not end.
        rest.next();
    } else {
        found.push(path);
    }
    while rest.next_if(|c| !matches!(c, ',' | '}' | ';')).is_some() {}
}

fn height(floor: &str) -> Option<usize> {
    FLOORS.iter().position(|known| *known == floor)
}

/// Mentions of the same floor's parent or of a floor above.
fn climbs(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files {
        let Some(own) = file.module.first() else {
            // `lib.rs` and `main.rs` stand outside the house.
            continue;
        };
        let Some(level) = height(own) else {
            broken.push(format!("{}: `{own}` is not a floor", file.path));
            continue;
        };
        for path in paths(&file.code, "crate") {
            match height(&path[0]) {
                Some(other) if other <= level => {}
                Some(_) => broken.push(format!(
                    "{}: floor `{own}` names `{}` above it",
                    file.path,
                    path.join("::")
                )),
                None => broken.push(format!(
                    "{}: `crate::{}` does not name a floor",
                    file.path,
                    path.join("::")
                )),
            }
        }
        for binary in paths(&file.code, "onsager") {
            broken.push(format!(
                "{}: the library names itself as `onsager::{}`",
                file.path,
                binary.join("::")
            ));
        }
    }
    broken
}

/// Wholesale imports of our own modules; `use super::*` is for unit tests.
fn wholesale(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files {
        let ours = paths(&file.code, "crate")
            .into_iter()
            .chain(paths(file.production(), "super"))
            .chain(paths(file.production(), "self"));
        for path in ours {
            let in_tests = file.module.iter().any(|m| m == "tests");
            if path.last().is_some_and(|word| word == "*") && !in_tests {
                broken.push(format!("{}: imports `{}`", file.path, path.join("::")));
            }
        }
    }
    broken
}

fn nameless(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.module.iter().any(|m| NAMELESS.contains(&m.as_str())))
        .map(|file| format!("{}: the name says nothing", file.path))
        .collect()
}

/// The module a path inside a floor leads to: the longest prefix that is a file; a re-export leads to the file it
/// comes from, and what a root defines itself to the root.
fn target(path: &[String], files: &[File], exports: &Exports) -> Option<Vec<String>> {
    let file = (1..=path.len()).rev().find_map(|length| {
        files
            .iter()
            .find(|file| file.module == path[..length])
            .map(|file| (file, path.get(length)))
    });
    let (file, item) = file?;
    if !file.is_root() {
        return Some(file.module.clone());
    }
    let exported = exports.get(&(file.module.clone(), item?.clone()));
    Some(exported.unwrap_or(&file.module).clone())
}

/// The simulators that measure answers, and what they must not name: the code that makes answers.
const JUDGES: [(&str, &[&str]); 3] = [
    ("comparison/controlled_paths.rs", &["solvers"]),
    ("comparison/policy_paths.rs", &MAKERS),
    ("comparison/path_ends.rs", &MAKERS),
];
const MAKERS: [&str; 4] = [
    "discretization",
    "solvers::walk",
    "solvers::learned",
    "solvers::grid",
];

/// Where a simulator that measures answers names what makes them, or the other way round.
fn entangled(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files {
        let mentions = paths(file.production(), "crate");
        let mut forbidden: Vec<&str> = Vec::new();
        if file.module.first().is_some_and(|floor| floor == "solvers") {
            forbidden.push("comparison");
        }
        for (judge, makers) in JUDGES {
            if file.path == judge {
                forbidden.extend(makers);
            }
        }
        for mention in mentions.iter().map(|path| path.join("::")) {
            if forbidden.iter().any(|name| mention.starts_with(name)) {
                broken.push(format!("{}: names `{mention}`", file.path));
            }
        }
    }
    broken
}

type Exports = BTreeMap<(Vec<String>, String), Vec<String>>;

/// `pub use graph::Expr` in `expr/mod.rs`: (`expr`, `Expr`) stands in `expr::graph`.
fn exports(files: &[File]) -> Exports {
    let mut map = Exports::new();
    for root in files.iter().filter(|file| file.is_root()) {
        let children = files.iter().filter(|file| {
            file.module.len() == root.module.len() + 1 && file.module.starts_with(&root.module)
        });
        for child in children {
            let name = child.module.last().expect("a child has a name");
            for path in paths(&root.code, name) {
                let item = path.last().expect("a path has a last word").clone();
                map.insert((root.module.clone(), item), child.module.clone());
            }
        }
    }
    map
}

/// Circles between files, each named by its members.
fn circles(files: &[File]) -> Vec<String> {
    let exports = exports(files);
    let mut edges = Edges::new();
    for file in files.iter().filter(|file| !file.module.is_empty()) {
        let mut mentions = paths(file.production(), "crate");
        if file.is_root() {
            mentions.extend(own_children(file, files));
        } else if let Some((_, parent)) = file.module.split_last() {
            for path in paths(file.production(), "super") {
                let mut base = parent.to_vec();
                let up = path.iter().take_while(|word| *word == "super").count();
                base.truncate(base.len().saturating_sub(up));
                mentions.push([base, path[up..].to_vec()].concat());
            }
        }
        let targets = mentions
            .iter()
            .filter_map(|path| target(path, files, &exports))
            .filter(|module| *module != file.module);
        edges
            .entry(file.module.clone())
            .or_default()
            .extend(targets);
    }
    edges
        .keys()
        .filter_map(|from| {
            let onward = reachable(from, &edges);
            let back: Vec<String> = edges[from]
                .iter()
                .filter(|to| onward.contains(from) && reachable(to, &edges).contains(from))
                .map(|to| to.join("::"))
                .collect();
            let from = from.join("::");
            (!back.is_empty()).then(|| format!("{from} names {} in a circle", back.join(", ")))
        })
        .collect()
}

/// Paths into the files of its own folder that a root names outside `pub use`, which only hands names on.
fn own_children(root: &File, files: &[File]) -> Vec<Vec<String>> {
    let code: String = root
        .production()
        .split_inclusive(';')
        .filter(|statement| !statement.trim_start().starts_with("pub use"))
        .collect();
    let children = files.iter().filter(|file| {
        file.module.len() == root.module.len() + 1 && file.module.starts_with(&root.module)
    });
    children
        .flat_map(|child| {
            let name = child.module.last().expect("a child has a name");
            let inside = paths(&code, name).into_iter();
            inside.map(|path| [child.module.clone(), path].concat())
        })
        .collect()
}

type Edges = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

/// Everything one or more steps away.
fn reachable(from: &[String], edges: &Edges) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    let mut open = vec![from.to_vec()];
    while let Some(module) = open.pop() {
        for next in edges.get(&module).into_iter().flatten() {
            if found.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    found
}

fn read_sources(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .expect("the source folder is readable")
        .map(|entry| entry.expect("a folder entry is readable").path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path
            .file_name()
            .expect("an entry has a name")
            .to_string_lossy();
        if path.is_dir() {
            read_sources(&path, &format!("{prefix}{name}/"), files);
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).expect("a source file is UTF-8");
            files.push(File::new(&format!("{prefix}{name}"), &text));
        }
    }
}

fn sources() -> Vec<File> {
    let mut files = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read_sources(&folder, "", &mut files);
    files
}

fn assert_none(broken: Vec<String>) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_module_names_only_floors_below() {
    assert_none(climbs(&sources()));
}

#[test]
fn nothing_is_imported_wholesale() {
    assert_none(wholesale(&sources()));
}

#[test]
fn no_room_is_nameless() {
    assert_none(nameless(&sources()));
}

#[test]
fn no_modules_form_a_circle() {
    assert_none(circles(&sources()));
}

#[test]
fn what_measures_answers_makes_none() {
    assert_none(entangled(&sources()));
}

#[test]
fn the_sources_are_all_read() {
    let files = sources();
    for (judge, _) in JUDGES {
        assert!(files.iter().any(|f| f.path == judge), "{judge} is missing");
    }
    for floor in FLOORS.iter().filter(|floor| **floor != "analysis") {
        assert!(
            files.iter().any(|f| f.path == format!("{floor}/mod.rs")),
            "{floor} is missing"
        );
    }
    let mentions: usize = files.iter().map(|f| paths(&f.code, "crate").len()).sum();
    assert!(mentions > 100, "{mentions} mentions found");
}

#[test]
fn a_climbing_import_is_caught() {
    let planted = [
        "use crate::solvers::Driver;",
        "use crate::{numeric::batch::Batch, cli};",
        "fn f() { let x = crate::report::render(); }",
        "#[cfg(test)]\nmod tests { use crate::field::Field; }",
        "use crate::Problem;",
        "use onsager::expr::Graph;",
    ];
    for text in planted {
        let broken = climbs(&[File::new("derivation/planted.rs", text)]);
        assert_eq!(broken.len(), 1, "{text}: {broken:?}");
    }
    let innocent = "// use crate::cli::Cli;\nuse crate::expr::{Expr, Graph};\nconst A: &str = \"crate::cli::x\";\nconst Q: char = '\"'; fn f() -> crate::problem::meant::model::Kind { crate::derivation::g() }";
    assert_none(climbs(&[File::new("derivation/innocent.rs", innocent)]));
    let stray = climbs(&[File::new("extras/mod.rs", "")]);
    assert_eq!(stray.len(), 1, "a folder that is no floor");
}

#[test]
fn a_wholesale_import_is_caught() {
    for text in [
        "use crate::*;",
        "use crate::expr::*;",
        "use super::*;",
        "use crate::{expr::*};",
    ] {
        let broken = wholesale(&[File::new("derivation/planted.rs", text)]);
        assert_eq!(broken.len(), 1, "{text}");
    }
    let tests = "#[cfg(test)]\nmod tests { use super::*; }";
    assert_none(wholesale(&[File::new("derivation/planted.rs", tests)]));
}

#[test]
fn a_nameless_room_is_caught() {
    assert_eq!(nameless(&[File::new("solvers/utils.rs", "")]).len(), 1);
    assert_eq!(nameless(&[File::new("expr/types/mod.rs", "")]).len(), 1);
}

#[test]
fn a_judge_that_shares_code_is_caught() {
    let planted = [
        (
            "comparison/policy_paths.rs",
            "use crate::solvers::walk::steered_walk::SteeredWalk;",
        ),
        (
            "comparison/path_ends.rs",
            "use crate::discretization::steered::SteeredProcess;",
        ),
        (
            "comparison/controlled_paths.rs",
            "use crate::solvers::walk::reverse_sampling::Walk;",
        ),
        (
            "solvers/learned/ddp.rs",
            "use crate::comparison::policy_paths::Simulator;",
        ),
    ];
    for (path, text) in planted {
        assert_eq!(entangled(&[File::new(path, text)]).len(), 1, "{path}");
    }
    let innocent = "use crate::solvers::lowered::problem::Lowered;\n#[cfg(test)]\nmod tests { use crate::solvers::walk::W; }";
    assert_none(entangled(&[File::new(
        "comparison/policy_paths.rs",
        innocent,
    )]));
}

#[test]
fn a_circle_is_caught() {
    let direct = [
        File::new("expr/a.rs", "use crate::expr::b::B;"),
        File::new("expr/b.rs", "use super::a::A;"),
        File::new("expr/c.rs", "use super::a::A;"),
    ];
    assert_eq!(circles(&direct).len(), 2);
    let exported = [
        File::new("expr/mod.rs", "pub use a::{A, Other};\npub use b::B;"),
        File::new("expr/a.rs", "use crate::expr::B;"),
        File::new("expr/b.rs", "use super::Other;"),
    ];
    assert_eq!(circles(&exported).len(), 2);
    let through_root = [
        File::new(
            "expr/mod.rs",
            "pub mod a;\npub struct Root;\nfn f() { a::run() }",
        ),
        File::new("expr/a.rs", "use super::Root;\nuse crate::expr::Root as R;"),
    ];
    assert_eq!(circles(&through_root).len(), 2);
    let chain = [
        File::new("expr/a.rs", "use super::b::B;"),
        File::new("expr/b.rs", "use super::c::C;"),
        File::new(
            "expr/c.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests { use crate::expr::a::A; }",
        ),
    ];
    assert_none(circles(&chain));
}
