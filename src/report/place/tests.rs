//! Folders among foreign files, rests of killed runs and other writers.

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = entries(folder)
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

fn text(path: PathBuf) -> String {
    std::fs::read_to_string(path).expect("readable")
}

fn written(parent: &Path, content: &str) -> Result<PathBuf, PlaceError> {
    let mut place = Place::reserve(parent, "ring-1", "same")?;
    place.save("result.json", content.as_bytes())?;
    place.save("plots/a.svg", content.as_bytes())?;
    place.publish()
}

#[test]
fn a_newer_folder_replaces_the_older_and_keeps_what_others_put_into_it() {
    let parent = tempfile::tempdir().expect("temporary folder");
    let folder = written(parent.path(), "first").expect("writable");
    std::fs::write(folder.join("NOTES.md"), "mine").expect("writable");
    std::fs::write(folder.join("plots/mine.png"), "mine").expect("writable");
    std::fs::create_dir(folder.join("more")).expect("writable");
    assert_eq!(written(parent.path(), "second").expect("writable"), folder);
    assert_eq!(names(parent.path()), ["ring-1"]);
    assert_eq!(
        names(&folder),
        [MARK, "NOTES.md", "more", "plots", "result.json"]
    );
    assert_eq!(names(&folder.join("plots")), ["a.svg", "mine.png"]);
    assert_eq!(text(folder.join("result.json")), "second");
    assert_eq!(text(folder.join("NOTES.md")), "mine");
}

#[test]
fn what_is_not_ours_or_not_the_same_is_refused_and_untouched() {
    let parent = tempfile::tempdir().expect("temporary folder");
    let target = parent.path().join("ring-1");
    std::fs::create_dir(&target).expect("writable");
    std::fs::write(target.join("wedding.jpg"), "precious").expect("writable");
    let refused = written(parent.path(), "new");
    assert!(matches!(refused, Err(PlaceError::Foreign { .. })));
    assert_eq!(names(parent.path()), ["ring-1"]);
    // A run of another identity, and one that is not finished.
    for mark in [
        r#"{"identity":"other","files":[]}"#,
        r#"{"identity":"same","files":null}"#,
        "",
    ] {
        std::fs::write(target.join(MARK), mark).expect("writable");
        let refused = written(parent.path(), "new");
        assert!(matches!(refused, Err(PlaceError::Foreign { .. })), "{mark}");
    }
    assert_eq!(text(target.join("wedding.jpg")), "precious");
}

#[test]
fn a_place_that_is_given_up_leaves_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let parent = folder.path().join("runs");
    let mut place = Place::reserve(&parent, "ring-1", "same").expect("writable");
    place.save("plots/a.svg", b"<svg/>").expect("writable");
    drop(place);
    assert!(!parent.exists());
}

#[test]
fn rests_of_killed_runs_are_cleared_and_living_ones_left() {
    let parent = tempfile::tempdir().expect("temporary folder");
    let parent = parent.path();
    let living = Place::reserve(parent, "ring-1", "same").expect("writable");
    for (number, mark) in [None, Some(""), Some(r#"{"identity":"same","files":null}"#)]
        .into_iter()
        .enumerate()
    {
        let rest = parent.join(format!(".ring-1.{number:016x}.{HIDDEN}"));
        std::fs::create_dir_all(rest.join("plots")).expect("writable");
        if let Some(mark) = mark {
            std::fs::write(rest.join(MARK), mark).expect("writable");
            std::fs::write(rest.join("plots/stale.svg"), "").expect("writable");
        } else {
            std::fs::remove_dir(rest.join("plots")).expect("writable");
        }
    }
    // Neither the rest of an older version nor anything else that is hidden.
    std::fs::create_dir(parent.join(".ring-1.1.unfinished")).expect("writable");
    written(parent, "next").expect("writable");
    drop(living);
    assert_eq!(names(parent), [".ring-1.1.unfinished", "ring-1"]);
}

#[test]
fn an_older_run_that_was_moved_aside_comes_back() {
    let parent = tempfile::tempdir().expect("temporary folder");
    let folder = written(parent.path(), "old").expect("writable");
    let aside = parent.path().join(format!(".ring-1.{:016x}.{HIDDEN}", 7));
    std::fs::rename(&folder, &aside).expect("writable");
    drop(Place::reserve(parent.path(), "ring-2", "same").expect("writable"));
    assert_eq!(names(parent.path()), ["ring-1"]);
    // Beside a newer one only what is foreign is kept of it.
    std::fs::rename(&folder, &aside).expect("writable");
    std::fs::write(aside.join("NOTES.md"), "mine").expect("writable");
    std::fs::create_dir(&folder).expect("writable");
    drop(Place::reserve(parent.path(), "ring-2", "same").expect("writable"));
    assert_eq!(names(parent.path()), ["ring-1"]);
    assert_eq!(names(&folder), ["NOTES.md"]);
}

#[test]
fn exchanges_without_help_of_the_system_do_the_same() {
    let parent = tempfile::tempdir().expect("temporary folder");
    let [a, b] = ["a", "b"].map(|name| parent.path().join(name));
    for path in [&a, &b] {
        std::fs::create_dir(path).expect("writable");
        std::fs::write(path.join("name"), path.to_string_lossy().as_bytes()).expect("writable");
    }
    swap_plainly(&a, &b).expect("both are there");
    assert_eq!(text(a.join("name")), b.to_string_lossy());
    assert_eq!(text(b.join("name")), a.to_string_lossy());
    assert!(put_plainly(&a, &b).is_err());
}

#[test]
fn links_are_not_followed() {
    let parent = tempfile::tempdir().expect("temporary folder");
    let parent = parent.path();
    let elsewhere = parent.join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("plots")).expect("writable");
    std::fs::write(elsewhere.join("plots/a.svg"), "precious").expect("writable");
    let runs = parent.join("runs");
    let rest = runs.join(format!(".ring-1.{:016x}.{HIDDEN}", 3));
    std::fs::create_dir_all(&rest).expect("writable");
    let mark = r#"{"identity":"same","files":["plots/a.svg","../../elsewhere/plots/a.svg"]}"#;
    std::fs::write(rest.join(MARK), mark).expect("writable");
    #[cfg(unix)]
    std::os::unix::fs::symlink(elsewhere.join("plots"), rest.join("plots")).expect("writable");
    written(&runs, "new").expect("writable");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&elsewhere, runs.join("ring-2")).expect("writable");
        let linked = Place::reserve(&runs, "ring-2", "same");
        assert!(matches!(linked, Err(PlaceError::Foreign { .. })));
    }
    assert_eq!(text(elsewhere.join("plots/a.svg")), "precious");
}
