//! Kills at random moments: the older run is whole, the next one clears what is left.

use crate::command::{assert_whole, case, names, only, onsager, ran};
use crate::mutate::setting;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn command(parent: &Path, verb: &str) -> Command {
    let mut command = onsager();
    command
        .arg("--out")
        .arg(parent)
        .arg(verb)
        .arg(case("tiny.toml"));
    if verb == "bench" {
        command.args(["--only", "hopf-cole,hjb", "--levels", "1"]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn kills_at_random_moments_lose_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    let parent = place.path().join("runs");
    let long = Duration::from_secs(120);
    let mut moments = Vec::new();
    for verb in ["solve", "bench", "verify"] {
        let began = Instant::now();
        assert_eq!(
            ran(&mut command(&parent, verb), long).code,
            Some(0),
            "{verb}"
        );
        moments.push((verb, began.elapsed()));
    }
    let finished = names(&parent);
    assert_eq!(finished.len(), 2, "a run and a benchmark");
    let mut random = ChaCha8Rng::seed_from_u64(setting("ONSAGER_FUZZ_SEED", 1));
    let kills = setting("ONSAGER_KILLS", 24);
    let (mut killed, mut rests) = (0, 0);
    for _ in 0..kills {
        let (verb, whole) = moments[random.random_range(0..moments.len())];
        let mut child = command(&parent, verb).spawn().expect("it starts");
        // Half of them near the end, where folders are written.
        let from = if random.random_range(0..2) == 0 {
            0.0
        } else {
            0.8
        };
        std::thread::sleep(whole.mul_f64(random.random_range(from..1.1)));
        child.kill().expect("it is ours");
        killed += u64::from(!child.wait().expect("it is ours").success());
        let found = names(&parent);
        rests += u64::from(found.len() > finished.len());
        for name in &finished {
            assert!(found.contains(name), "{name} is gone: {found:?}");
            assert_whole(&parent.join(name));
        }
        // What was left before is cleared: at most the rest of this one.
        assert!(found.len() <= finished.len() + 1, "{found:?}");
    }
    assert_eq!(ran(&mut command(&parent, "solve"), long).code, Some(0));
    assert_eq!(names(&parent), finished);
    println!("{killed} of {kills} ended by the kill, {rests} left something");
}

#[test]
fn a_run_that_was_killed_first_leaves_nothing_to_the_next() {
    let place = tempfile::tempdir().expect("a folder");
    let parent = place.path().join("runs");
    let rest = parent.join(".tiny-0123456789abcdef.0123456789abcdef.onsager");
    std::fs::create_dir_all(&rest).expect("writable");
    std::fs::write(rest.join("result.json"), "{").expect("writable");
    std::fs::write(rest.join(".onsager"), "{").expect("writable");
    let long = Duration::from_secs(60);
    assert_eq!(ran(&mut command(&parent, "solve"), long).code, Some(0));
    assert_whole(&only(&parent));
}
