//! Commands under watch: how they end, how long they take, how much memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What became of a command.
#[derive(Debug)]
pub struct Ran {
    /// None where a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
    /// Largest resident size that was seen, in bytes; 0 where the system does not tell.
    pub peak: u64,
}

impl Ran {
    /// What no command may come to, whatever its file says.
    pub fn complaint(&self) -> Option<String> {
        match self.code {
            None => Some("ended by a signal".to_owned()),
            Some(0..=6) if !self.err.contains("panicked at") => None,
            Some(code) => Some(format!("code {code}")),
        }
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the cases.
pub fn case(name: &str) -> PathBuf {
    root().join("tests/cases/fire").join(name)
}

/// The command, quiet and on one thread.
pub fn onsager() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onsager"));
    command.args(["--threads", "1", "--quiet", "--progress", "never"]);
    command
}

/// Runs a command to its end, or for so long.
pub fn ran(command: &mut Command, longest: Duration) -> Ran {
    let place = tempfile::tempdir().expect("a folder");
    let [out, err] = ["out", "err"].map(|name| place.path().join(name));
    let create = |path: &PathBuf| Stdio::from(File::create(path).expect("writable"));
    command.stdout(create(&out)).stderr(create(&err));
    command.stdin(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().expect("the command starts");
    let mut peak = 0;
    let code = loop {
        peak = peak.max(resident(&child));
        if let Some(status) = child.try_wait().expect("the command is ours") {
            break status.code();
        }
        if began.elapsed() > longest {
            child.kill().expect("the command is ours");
            child.wait().expect("the command is ours");
            break None;
        }
        std::thread::sleep(Duration::from_millis(4));
    };
    let text = |path: &PathBuf| {
        let bytes = fs::read(path).expect("written");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ran {
        code,
        took: began.elapsed(),
        out: text(&out),
        err: text(&err),
        peak,
    }
}

/// Peak resident size in bytes.
fn resident(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    1024 * kilobytes.unwrap_or(0)
}

/// Names in a folder, hidden ones too.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The only folder in a folder.
pub fn only(folder: &Path) -> PathBuf {
    let names = names(folder);
    assert_eq!(names.len(), 1, "{names:?}");
    folder.join(&names[0])
}

/// Whether a program is there; a word where it is not.
pub fn has(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let is_there = status.is_ok_and(|status| status.success());
    if !is_there {
        println!("skipped: `{program}` does not work here");
    }
    is_there
}

/// Fails where a run folder is not whole: every file of its mark is there, and its results can be read.
pub fn assert_whole(folder: &Path) {
    let mark = fs::read(folder.join(".onsager")).expect("every run has a mark");
    let mark: serde_json::Value = serde_json::from_slice(&mark).expect("the mark is JSON");
    let files = mark["files"]
        .as_array()
        .expect("a finished run lists its files");
    assert!(!files.is_empty());
    for file in files {
        let path = folder.join(file.as_str().expect("a name"));
        let bytes = fs::read(&path).expect("every file of a run is there");
        assert!(!bytes.is_empty(), "{}", path.display());
        if path.extension().is_some_and(|end| end == "json") {
            let read: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
            assert!(read.is_ok(), "{}", path.display());
        }
    }
}
