//! Files of somebody else: a clear refusal within a second and little memory, or an answer in time.

use crate::command::{case, names, onsager, ran, root};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Files that are refused when they are read, with the word that says what is wrong.
const REFUSED: [(&str, &str); 19] = [
    ("abort_alloc_act_field.toml", "`solver.field`"),
    (
        "abort_alloc_act_paths.toml",
        "`solver.paths` = 1000000000000",
    ),
    (
        "abort_alloc_annealed.toml",
        "`solver.particles` = 1000000000000000",
    ),
    (
        "abort_alloc_ddp_steps.toml",
        "`solver.steps` = 1000000000000",
    ),
    (
        "abort_alloc_fpk_points.toml",
        "`solver.points` = 1000000000",
    ),
    ("abort_alloc_paths1e9.toml", "`run.paths` = 1000000000"),
    (
        "abort_alloc_pi_paths.toml",
        "`solver.paths` = 1000000000000",
    ),
    (
        "abort_alloc_rev_samplesteps.toml",
        "`sample.steps` = 1000000000000",
    ),
    ("abort_state_2e32.toml", "`x` has 4294967296 components"),
    ("abort_state_min.toml", "`x` has 1000000 components"),
    (
        "ansi_forge_solver_id.toml",
        "`solver.id` must be kebab-case",
    ),
    (
        "internal_error_sign_u.toml",
        "`event.name` must be kebab-case",
    ),
    ("record_many.toml", "`time.record`"),
    ("WRONG_reverse_sign_drift.toml", "[prior] is missing"),
    ("around/id_zip_slip.toml", "`solver.id` must be kebab-case"),
    ("around/name_255_letters.toml", "at most 64 letters"),
    ("around/table_no_header.toml", "has no header line"),
    ("around/table_device.toml", "no such file"),
    (
        "panic_point_masses_no_noise.toml",
        "rounding leaves a covariance singular",
    ),
];

fn files(folder: &Path) -> Vec<String> {
    let is_problem = |name: &String| name.ends_with(".toml");
    names(folder).into_iter().filter(is_problem).collect()
}

#[test]
fn every_file_is_refused_at_once_or_answered_in_time() {
    let place = tempfile::tempdir().expect("a folder");
    let own = files(&case(""));
    let around = files(&case("around"))
        .into_iter()
        .map(|name| format!("around/{name}"));
    let slack = if cfg!(debug_assertions) { 4.0 } else { 1.0 };
    for name in own.into_iter().chain(around) {
        let mut command = onsager();
        command
            .args(["--max-time", "2s", "--out"])
            .arg(place.path());
        let found = ran(
            command.arg("solve").arg(case(&name)),
            Duration::from_secs(60),
        );
        assert_eq!(found.complaint(), None, "{name}: {found:?}");
        let words = REFUSED.iter().find(|(refused, _)| *refused == name);
        let words = words
            .map(|(_, words)| *words)
            .filter(|words| !words.is_empty());
        if let Some(words) = words {
            assert!(
                found.code == Some(2) || found.code == Some(5),
                "{name}: {found:?}"
            );
            assert!(found.err.contains(words), "{name}: {found:?}");
            assert!(
                found.took < Duration::from_secs(1).mul_f64(slack),
                "{name}: {found:?}"
            );
        }
        assert!(
            found.took < Duration::from_secs(3).mul_f64(slack),
            "{name}: {found:?}"
        );
        assert!(found.peak < 1 << 30, "{name}: {found:?}");
    }
}

/// A problem with one of its lines replaced.
fn changed(line: &str, by: &str) -> String {
    let text = fs::read_to_string(case("tiny.toml")).expect("kept");
    assert!(text.contains(line), "{line}");
    text.replace(line, by)
}

/// How `check` ends on a text, and what it says.
fn checked(text: &str) -> (Option<i32>, String) {
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("a.toml");
    fs::write(&file, text).expect("writable");
    let found = ran(onsager().arg("check").arg(&file), Duration::from_secs(60));
    assert!(found.took < Duration::from_secs(30), "{found:?}");
    assert!(found.peak < 1 << 30, "{found:?}");
    (found.code, found.err)
}

#[test]
fn sizes_are_refused_before_memory_is_taken_at_the_key_that_asks() {
    let run = "[run]\nsolvers=[\"hopf-cole\"]\n";
    let with = |method: &str, option: &str| {
        let table = format!("\n[[solver]]\nid = \"a\"\nmethod = \"{method}\"\n{option}\n[run]\n");
        changed(run, &table)
    };
    let (many, huge) = ("100000000000", "9223372036854775807");
    for size in [many, huge] {
        for (key, text) in [
            ("run.paths", changed("paths=256", &format!("paths={size}"))),
            ("time.steps", changed("steps=20", &format!("steps={size}"))),
            (
                "time.record",
                changed("steps=20", &format!("steps=20\nrecord={size}")),
            ),
            (
                "grid.points",
                changed("points=101", &format!("points={size}")),
            ),
            ("solver.points", with("hjb", &format!("points={size}"))),
            ("solver.steps", with("hjb", &format!("steps={size}"))),
            (
                "solver.paths",
                with("path-integral", &format!("paths={size}")),
            ),
            (
                "solver.degree",
                with("path-integral", &format!("degree={size}")),
            ),
            (
                "solver.degree",
                with("polynomial", &format!("degree={size}")),
            ),
            ("solver.paths", with("polynomial", &format!("paths={size}"))),
            (
                "solver.field",
                with(
                    "action",
                    &format!("field={{family=\"rbf\",centers={size}}}"),
                ),
            ),
            (
                "solver.field",
                with(
                    "action",
                    &format!("field={{family=\"network\",layers=[{size}]}}"),
                ),
            ),
            (
                "solver.field",
                with(
                    "action",
                    &format!("field={{family=\"chebyshev\",degree={size}}}"),
                ),
            ),
        ] {
            let (code, said) = checked(&text);
            assert_eq!(code, Some(2), "{key} {size}: {said}");
            assert!(
                said.contains("E610") && said.contains(&format!("`{key}`")),
                "{key} {size}: {said}"
            );
        }
    }
}

#[test]
fn names_are_short_and_plain_and_quotes_are_cut() {
    let long = "x".repeat(65);
    let escape = "a\\u001b[31m";
    for (line, by) in [
        ("name = \"tiny\"", format!("name = \"{long}\"")),
        ("name = \"tiny\"", format!("name = \"{escape}\"")),
        ("name = \"tiny\"", "name = \"../tiny\"".to_owned()),
        ("[run]", format!("[observe]\n\"{escape}\" = \"x\"\n[run]")),
        ("[run]", format!("[observe]\n{long} = \"x\"\n[run]")),
        ("[run]", format!("[params]\n{long} = 1\n[run]")),
        (
            "[run]",
            format!("[reference.\"{escape}\"]\nvalue = 1\ntol = 1\n[run]"),
        ),
        (
            "[run]",
            format!("[[check]]\ncheck = \"ess\"\nid = \"{escape}\"\n[run]"),
        ),
        (
            "[run]",
            format!("[[event]]\nname = \"{escape}\"\nwhen = \"x > 1\"\n[run]"),
        ),
        (
            "[run]",
            format!("[[identity]]\nname = \"{escape}\"\nlhs = \"1\"\nrhs = \"1\"\n[run]"),
        ),
        ("[run]", format!("\"{}\" = 1\n[run]", "y".repeat(100_000))),
        (
            "drift     = \"x",
            format!("drift     = \"{} x", "q".repeat(100_000)),
        ),
    ] {
        let (code, said) = checked(&changed(line, &by));
        assert_eq!(code, Some(2), "{by}");
        assert!(!said.contains('\u{1b}'), "{said}");
        let longest = said.lines().map(|line| line.chars().count()).max();
        assert!(longest < Some(600), "{said}");
    }
}

#[test]
fn text_of_a_file_is_harmless_wherever_it_leaves() {
    let place = tempfile::tempdir().expect("a folder");
    let hostile = fs::read_to_string(case("ansi_forge_solver_id.toml")).expect("kept");
    let line = hostile
        .lines()
        .find(|line| line.starts_with("id = "))
        .expect("an id");
    let file = place.path().join("a'b $(touch owned).toml");
    fs::write(&file, hostile.replace(line, "id = \"hc\"")).expect("writable");
    let arguments: [&[&str]; 5] = [
        &["solve"],
        &["verify"],
        &["check"],
        &["derive"],
        &["bench", "--only", "hc", "--levels", "1"],
    ];
    for arguments in arguments {
        let mut command = onsager();
        command
            .arg("--out")
            .arg(place.path().join("out"))
            .arg(arguments[0])
            .arg(&file);
        let found = ran(command.args(&arguments[1..]), Duration::from_secs(60));
        assert_eq!(found.complaint(), None, "{found:?}");
        for text in [&found.out, &found.err] {
            assert!(
                !text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}']),
                "{arguments:?}: {text}"
            );
            assert!(
                !text.contains("$(touch owned)") || text.contains("'\\''b $(touch owned)"),
                "{text}"
            );
        }
    }
    for folder in names(&place.path().join("out")) {
        let page = place.path().join("out").join(folder).join("report.html");
        let page = fs::read_to_string(page).expect("written");
        for raw in [
            "<script>alert",
            "<img src=x",
            "<svg onload",
            "href=\"javascript",
        ] {
            assert!(!page.contains(raw), "{raw}");
        }
        assert!(!page.contains('\u{1b}'));
    }
}

#[test]
fn many_definitions_take_linear_time() {
    let lines: String = (0..10_000)
        .map(|i| format!("d{i} = \"x + {i}\"\n"))
        .collect();
    let text = changed("[run]", &format!("[define]\n{lines}[run]"));
    let (code, said) = checked(&text);
    assert!(code == Some(0) || code == Some(2), "{said}");
}

#[cfg(unix)]
#[test]
fn tables_are_regular_files_of_the_folder() {
    let place = tempfile::tempdir().expect("a folder");
    fs::copy(
        case("around/table_device.toml"),
        place.path().join("t.toml"),
    )
    .expect("writable");
    let table = place.path().join("zero.csv");
    let check = || {
        let found = ran(
            onsager().arg("check").arg(place.path().join("t.toml")),
            Duration::from_secs(20),
        );
        assert!(found.took < Duration::from_secs(5), "{found:?}");
        assert!(found.peak < 1 << 30, "{found:?}");
        found
    };
    std::os::unix::fs::symlink("/dev/zero", &table).expect("writable");
    assert_eq!(check().code, Some(2));
    fs::remove_file(&table).expect("writable");
    let made = std::process::Command::new("mkfifo").arg(&table).status();
    assert!(made.expect("mkfifo runs").success());
    assert_eq!(check().code, Some(5));
    fs::remove_file(&table).expect("writable");
    let sparse = fs::File::create(&table).expect("writable");
    sparse.set_len(2 << 30).expect("writable");
    let found = check();
    assert!(
        found.code == Some(2) && found.err.contains("2147483648"),
        "{found:?}"
    );
    fs::write(&table, "a,".repeat(1_000_000) + "b\n1\n").expect("writable");
    let found = check();
    assert!(
        found.code == Some(2) && found.err.contains("1000001 columns"),
        "{found:?}"
    );
    fs::write(&table, "a,b,a\n1,2,3\n4,5,6\n").expect("writable");
    assert!(check().err.contains("2 columns called `a`"));
}

#[test]
fn many_threads_and_large_blocks_change_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    let mut texts = Vec::new();
    for more in [
        ["--threads", "1", "--block", "256"],
        ["--threads", "100000", "--block", "1000000000000"],
        ["--threads", "7", "--block", "0"],
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_onsager"));
        command.args(["--quiet", "--progress", "never"]).args(more);
        command
            .arg("--out")
            .arg(place.path())
            .arg("solve")
            .arg(case("tiny.toml"));
        let found = ran(&mut command, Duration::from_secs(60));
        assert_eq!(found.code, Some(0), "{found:?}");
        assert!(found.peak < 1 << 30, "{found:?}");
        let folder = crate::command::only(place.path());
        texts.push(fs::read(folder.join("arrays.npz")).expect("written"));
    }
    assert!(texts[0] == texts[1] && texts[0] == texts[2]);
}

#[test]
fn impossible_times_are_refused() {
    for time in ["1e30s", "0s", "-1s", "nan", "inf", "1e400h"] {
        let mut command = onsager();
        command
            .arg(format!("--max-time={time}"))
            .arg("check")
            .arg(case("tiny.toml"));
        assert_eq!(
            ran(&mut command, Duration::from_secs(9)).code,
            Some(2),
            "{time}"
        );
    }
    let (code, _) = checked(&changed("[run]", "[run]\nmax_time = 1e30"));
    assert_eq!(code, Some(2));
}

/// Problems whose parts take long, each in its own way.
#[test]
fn a_limit_bounds_every_part_of_every_command() {
    let place = tempfile::tempdir().expect("a folder");
    let slack = if cfg!(debug_assertions) { 1.5 } else { 1.0 };
    for problem in [
        "tests/cases/fire/around/horizon_1e4_max_time.toml",
        "problems/reverse/digits.toml",
        "problems/control/lq_oscillator.toml",
        "problems/sample/many_well_fifty.toml",
    ] {
        if !root().join(problem).exists() {
            continue;
        }
        for verb in ["solve", "verify", "bench", "derive", "check"] {
            let mut command = onsager();
            command
                .args(["--max-time", "1s", "--out"])
                .arg(place.path());
            let found = ran(
                command.arg(verb).arg(root().join(problem)),
                Duration::from_secs(60),
            );
            assert_eq!(found.complaint(), None, "{verb} {problem}: {found:?}");
            assert!(
                found.took < Duration::from_secs(2).mul_f64(slack),
                "{verb} {problem}: {found:?}"
            );
        }
    }
}
