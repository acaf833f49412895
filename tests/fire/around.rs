//! What happens around a run: other folders, other runs, kills at chosen moments.

use crate::command::{assert_whole, case, has, names, only, onsager, ran};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// Runs `onsager --out OUT ARGUMENTS` in a folder; the exit code.
fn code(folder: &Path, arguments: &[&str]) -> Option<i32> {
    let tiny = case("tiny.toml");
    let words = arguments.iter().map(|word| match *word {
        "TINY" => tiny.as_os_str(),
        word => word.as_ref(),
    });
    ran(onsager().args(words).current_dir(folder), LONG).code
}

/// The same under a program that tampers with its system calls.
fn tampered(folder: &Path, rules: &[&str], out: &str) -> std::process::ExitStatus {
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null"]).args(rules);
    let own = onsager();
    command.arg(own.get_program()).args(own.get_args());
    command.args(["--out", out, "solve"]).arg(case("tiny.toml"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.current_dir(folder).status().expect("strace runs")
}

fn ids(folder: &Path) -> Vec<String> {
    let text = fs::read(folder.join("result.json")).expect("written");
    let result: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let solvers = result["solvers"].as_array().expect("solvers");
    let ids = solvers.iter().map(|solver| solver["id"].as_str());
    ids.map(|id| id.expect("a name").to_owned()).collect()
}

#[test]
fn a_file_writes_among_runs_below_the_working_folder_or_nowhere() {
    let place = tempfile::tempdir().expect("a folder");
    let photos = place.path().join("victim/photos-202611");
    fs::create_dir_all(&photos).expect("writable");
    fs::write(photos.join("wedding.jpg"), "precious").expect("writable");
    let file = case("around/deletes_a_folder.toml");
    let file = file.to_str().expect("UTF-8");
    assert_eq!(code(place.path(), &["solve", file]), Some(2));
    assert_eq!(names(&photos), ["wedding.jpg"]);
    assert_eq!(names(&place.path().join("victim")), ["photos-202611"]);
    // Somebody who types the command may write there.
    assert_eq!(
        code(place.path(), &["--out", "victim", "solve", file]),
        Some(0)
    );
    assert_eq!(names(&photos), ["wedding.jpg"]);
    for dir in ["../elsewhere", "/tmp/elsewhere", "a/../../b"] {
        let set = format!("output.dir=\"{dir}\"");
        assert_eq!(
            code(place.path(), &["solve", "TINY", "--set", &set]),
            Some(2),
            "{dir}"
        );
    }
    let set = ["solve", "TINY", "--set", "output.dir=\"a/b\""];
    assert_eq!(code(place.path(), &set), Some(0));
    assert_eq!(code(place.path(), &set), Some(0));
    assert_whole(&only(&place.path().join("a/b")));
}

#[cfg(unix)]
#[test]
fn a_link_does_not_lead_out_of_the_working_folder() {
    let place = tempfile::tempdir().expect("a folder");
    let [work, elsewhere] = ["work", "elsewhere"].map(|name| place.path().join(name));
    fs::create_dir(&work).expect("writable");
    fs::create_dir(&elsewhere).expect("writable");
    std::os::unix::fs::symlink(&elsewhere, work.join("out")).expect("writable");
    for dir in ["out", "out/deeper"] {
        let set = format!("output.dir=\"{dir}\"");
        assert_eq!(
            code(&work, &["solve", "TINY", "--set", &set]),
            Some(2),
            "{dir}"
        );
    }
    assert_eq!(names(&elsewhere), [""; 0]);
}

#[test]
fn runs_that_differ_in_anything_have_folders_of_their_own() {
    let place = tempfile::tempdir().expect("a folder");
    let file = case("around/hash_collision.toml");
    let file = file.to_str().expect("UTF-8");
    // The seeds have the same CRC-32 in the file.
    for more in [&[][..], &["--seed", "201065858980131"]] {
        let arguments = [&["--out", "c", "solve", file], more].concat();
        assert_eq!(code(place.path(), &arguments), Some(0));
    }
    assert_eq!(names(&place.path().join("c")).len(), 2);
    let text = fs::read_to_string(case("tiny.toml")).expect("kept");
    let two = text.replace("[\"hopf-cole\"]", "[\"hopf-cole\", \"ddp\"]");
    fs::write(place.path().join("two.toml"), two).expect("writable");
    let runs: [&[&str]; 4] = [
        &[],
        &["--only", "ddp"],
        &["--max-time", "50s"],
        &["--max-time", "50s", "--only", "ddp"],
    ];
    for more in runs {
        let arguments = [&["--out", "o", "solve", "two.toml"], more].concat();
        assert_eq!(code(place.path(), &arguments), Some(0));
    }
    let parent = place.path().join("o");
    let found = names(&parent);
    assert_eq!(found.len(), 4, "{found:?}");
    let whole = found
        .iter()
        .filter(|name| ids(&parent.join(name)).len() == 2);
    assert_eq!(whole.count(), 2);
}

#[test]
fn a_table_that_changed_makes_another_run() {
    let place = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(case("around/table_no_header.toml")).expect("kept");
    let text = text
        .replace("table_no_header.csv", "t.csv")
        .replace("[run]", "[run]\nchecks = \"none\"\nsolvers = [\"exact\"]");
    fs::write(place.path().join("t.toml"), text).expect("writable");
    for last in ["4.5", "4.6"] {
        let rows: String = (0..9).map(|i| format!("{i},{}\n", (i * i) % 7)).collect();
        fs::write(place.path().join("t.csv"), format!("a,b\n{rows}2,{last}\n")).expect("writable");
        assert_eq!(
            code(place.path(), &["--out", "o", "solve", "t.toml"]),
            Some(0)
        );
    }
    assert_eq!(names(&place.path().join("o")).len(), 2);
}

#[test]
fn notes_in_a_run_survive_the_next() {
    let place = tempfile::tempdir().expect("a folder");
    let again = ["--out", "n", "solve", "TINY"];
    assert_eq!(code(place.path(), &again), Some(0));
    let folder = only(&place.path().join("n"));
    fs::write(folder.join("NOTES.md"), "mine").expect("writable");
    assert_eq!(code(place.path(), &again), Some(0));
    assert_eq!(only(&place.path().join("n")), folder);
    assert_eq!(
        fs::read_to_string(folder.join("NOTES.md")).expect("kept"),
        "mine"
    );
    assert_whole(&folder);
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_solved() {
    let place = tempfile::tempdir().expect("a folder");
    fs::write(place.path().join("file"), "").expect("writable");
    let mut command = onsager();
    command
        .args(["--out", "file/x", "solve"])
        .arg(case("tiny.toml"));
    let found = ran(command.current_dir(place.path()), LONG);
    assert_eq!(found.code, Some(5), "{found:?}");
    assert!(
        found.err.contains("file/x") && found.err.contains("ot a directory"),
        "{found:?}"
    );
}

#[test]
fn a_whole_run_is_there_at_every_moment_of_its_exchange() {
    if !has("strace", &["-o", "/dev/null", "true"]) {
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    let again = ["--out", "k", "solve", "TINY"];
    assert_eq!(code(place.path(), &again), Some(0));
    let parent = place.path().join("k");
    let folder = only(&parent);
    for rules in [
        [
            "-e",
            "trace=renameat2",
            "-e",
            "inject=renameat2:error=EIO:signal=SIGKILL:when=1",
        ],
        [
            "-e",
            "trace=renameat2",
            "-e",
            "inject=renameat2:error=EIO:signal=SIGKILL:when=2",
        ],
        [
            "-e",
            "trace=unlink",
            "-e",
            "inject=unlink:error=EIO:signal=SIGKILL:when=1",
        ],
        [
            "-e",
            "trace=write",
            "-e",
            "inject=write:signal=SIGKILL:when=7",
        ],
        [
            "-e",
            "trace=fsync",
            "-e",
            "inject=fsync:signal=SIGKILL:when=5",
        ],
    ] {
        tampered(place.path(), &rules, "k");
        assert_whole(&folder);
    }
    assert_eq!(code(place.path(), &again), Some(0));
    assert_eq!(only(&parent), folder);
}

#[test]
fn a_file_system_without_exchanges_and_a_full_one_lose_nothing() {
    if !has("strace", &["-o", "/dev/null", "true"]) {
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    let unknown = [
        "-e",
        "trace=renameat2",
        "-e",
        "inject=renameat2:error=EINVAL",
    ];
    for _ in 0..2 {
        assert!(tampered(place.path(), &unknown, "k").success());
        assert_whole(&only(&place.path().join("k")));
    }
    let folder = only(&place.path().join("k"));
    let before = fs::read(folder.join("result.json")).expect("written");
    let rules = [
        "-e",
        "trace=fsync",
        "-e",
        "inject=fsync:error=ENOSPC:when=4",
    ];
    assert_eq!(tampered(place.path(), &rules, "k").code(), Some(5));
    assert_eq!(
        fs::read(only(&place.path().join("k")).join("result.json")).expect("kept"),
        before
    );
}

#[test]
fn files_are_synced() {
    if !has("strace", &["-o", "/dev/null", "true"]) {
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    let log = place.path().join("log");
    let log = log.to_str().expect("UTF-8");
    let own = onsager();
    let status = Command::new("strace")
        .args(["-f", "-o", log, "-e", "trace=fsync,fdatasync"])
        .arg(own.get_program())
        .args(own.get_args())
        .args(["--out", "s", "solve"])
        .arg(case("tiny.toml"))
        .current_dir(place.path())
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("strace runs").success());
    let files = fs::read_dir(only(&place.path().join("s")))
        .expect("written")
        .count();
    let text = fs::read_to_string(log).expect("written");
    assert!(text.matches("sync(").count() >= files);
}

#[test]
fn many_writers_of_one_run_end_well_and_leave_one() {
    let place = tempfile::tempdir().expect("a folder");
    let is_apart = has("unshare", &["--pid", "--fork", "true"]);
    let started: Vec<_> = (0..8)
        .map(|_| {
            let own = onsager();
            // Each the first process of its container: their numbers are the same.
            let mut command = Command::new(if is_apart {
                "unshare".as_ref()
            } else {
                own.get_program()
            });
            if is_apart {
                command.args(["--pid", "--fork"]).arg(own.get_program());
            }
            command
                .args(own.get_args())
                .args(["--out", "p", "solve"])
                .arg(case("tiny.toml"));
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .current_dir(place.path());
            command.spawn().expect("it starts")
        })
        .collect();
    for mut child in started {
        assert!(child.wait().expect("it ends").success());
    }
    assert_whole(&only(&place.path().join("p")));
}
