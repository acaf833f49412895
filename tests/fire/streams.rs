//! Streams that are closed or full: the run is written all the same.

use crate::command::{assert_whole, case, only, onsager};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

fn solve(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onsager"));
    command
        .args(["--threads", "1"])
        .args(more)
        .args(["--out", "e", "solve"]);
    command.arg(case("tiny.toml")).current_dir(folder);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn full() -> Stdio {
    File::create("/dev/full")
        .expect("a device of every Linux")
        .into()
}

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_has_gone_loses_no_run() {
    for streams in 0..3 {
        for more in [&[][..], &["--json"], &["--progress", "always"]] {
            let place = tempfile::tempdir().expect("a folder");
            let mut command = solve(place.path(), more);
            if streams != 1 {
                command.stdout(closed());
            }
            if streams != 0 {
                command.stderr(closed());
            }
            let code = command.status().expect("it runs").code();
            assert_eq!(code, Some(0), "{streams} {more:?}");
            assert_whole(&only(&place.path().join("e")));
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_an_error_and_loses_no_run() {
    for more in [&[][..], &["--json"]] {
        let place = tempfile::tempdir().expect("a folder");
        let mut command = solve(place.path(), more);
        command.stdout(full()).stderr(Stdio::piped());
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(5), "{more:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"));
        assert_whole(&only(&place.path().join("e")));
        let code = solve(place.path(), more).stderr(full()).status();
        assert_eq!(code.expect("it runs").code(), Some(0));
    }
    let tiny = case("tiny.toml");
    let tiny = tiny.to_str().expect("UTF-8");
    let commands: [&[&str]; 8] = [
        &["derive", tiny, "--format", "json"],
        &["check", "--resolved", tiny],
        &["verify", tiny],
        &["list", "methods"],
        &["explain", "exit-codes"],
        &["schema"],
        &["--help"],
        &["--version"],
    ];
    for arguments in commands {
        let mut command = onsager();
        command.args(arguments).stdout(full()).stderr(Stdio::null());
        let code = command.status().expect("it runs").code();
        assert_eq!(code, Some(5), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn the_first_interrupt_saves_what_is_whole() {
    let place = tempfile::tempdir().expect("a folder");
    let text = std::fs::read_to_string(case("tiny.toml")).expect("kept");
    let long = text.replace(
        "[\"hopf-cole\"]",
        "[\"hopf-cole\", \"path-integral\"]\nmax_time = 600",
    );
    std::fs::write(place.path().join("long.toml"), long).expect("writable");
    let mut command = Command::new(env!("CARGO_BIN_EXE_onsager"));
    command.args(["--out", "e", "--progress", "always", "solve", "long.toml"]);
    command
        .args(["--set", "run.paths=4000000"])
        .args(["--set", "time.steps=20000"]);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .current_dir(place.path());
    let mut child = command.spawn().expect("it starts");
    let mut heard = String::new();
    let mut stream = child.stderr.take().expect("piped");
    let mut letter = [0];
    while !heard.contains("path-integral: started") {
        assert_eq!(stream.read(&mut letter).expect("readable"), 1, "{heard}");
        heard.push(char::from(letter[0]));
    }
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(status.expect("kill runs").success());
    stream.read_to_string(&mut heard).expect("readable");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{heard}");
    assert!(
        heard.contains("interrupted: saving what is whole"),
        "{heard}"
    );
    let folder = only(&place.path().join("e"));
    assert_whole(&folder);
    let result = std::fs::read_to_string(folder.join("result.json")).expect("written");
    assert!(result.contains("the run was interrupted"));
}
