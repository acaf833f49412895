//! The shipped derivations: every link of the true ones is proved, every planted slip of the broken ones is
//! caught and named.

use onsager::derivation::claim::ground::Ground;
use onsager::derivation::claim::identity::{Identity, read_identities};
use onsager::derivation::claim::proof::prove_link;
use onsager::problem::Loaded;
use onsager::problem::load;
use onsager::problem::text::diagnostic::Report;
use onsager::verification::claim::numbers::Numbers;
use onsager::verification::claim::{Decided, Effort, decide};
use onsager::verification::verdict::Verdict;
use onsager::verification::vocabulary::standard;
use std::path::{Path, PathBuf};

/// Enough for the verdicts below, and quick.
const EFFORT: Effort = Effort {
    paths: 8192,
    steps: 32,
};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of derivations")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_stem()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

/// A file with its identities, or everything that is wrong with it.
fn opened(path: &Path) -> Result<(Loaded, Ground, Vec<Identity>), String> {
    let loaded = load(path, &[], &standard()).map_err(|report| report.to_string())?;
    let (ground, identities) = read_identities(&loaded.problem, &loaded.source)
        .map_err(|found| Report::new(loaded.source.clone(), found).render(false))?;
    Ok((loaded, ground, identities))
}

/// Every link of a file, with the name of its identity and its number.
fn decided(path: &Path) -> Vec<(String, usize, Decided)> {
    let (loaded, ground, identities) = opened(path).unwrap_or_else(|report| panic!("{report}"));
    let numbers = Numbers::new(&loaded.problem);
    let mut all = Vec::new();
    for identity in &identities {
        let links = decide(identity, &ground, &numbers, EFFORT)
            .unwrap_or_else(|error| panic!("{}: {}: {error:#?}", path.display(), identity.name));
        for (i, link) in links.into_iter().enumerate() {
            all.push((identity.name.clone(), i + 1, link));
        }
    }
    all
}

#[test]
fn every_link_of_the_shipped_derivations_is_proved() {
    let files = files("problems/derivations");
    assert!(files.len() >= 9);
    let mut unproved = Vec::new();
    for path in &files {
        let (_, ground, identities) = match opened(path) {
            Ok(opened) => opened,
            Err(report) => {
                unproved.push(report);
                continue;
            }
        };
        for identity in &identities {
            for (i, link) in identity.links.iter().enumerate() {
                if prove_link(identity, link, &ground).is_none() {
                    unproved.push(format!("{} {} {}", name(path), identity.name, i + 1));
                }
            }
        }
    }
    assert!(unproved.is_empty(), "{}", unproved.join("\n"));
}

/// File, identity, link, and the sentence that names the planted slip.
const PLANTED: [(&str, &str, usize, &str); 10] = [
    (
        "anderson",
        "reverse-drift",
        1,
        "lost the transpose of `diffusion`",
    ),
    (
        "discretizations",
        "chain-rule",
        1,
        "read `ito(drift, dX)` as Ito where Stratonovich is meant",
    ),
    ("elbo", "evidence-lower-bound", 1, "wrong sign of `running`"),
    (
        "h_family",
        "same-marginals",
        1,
        "lost a factor 1/2 in `(1 + h)*D*score`",
    ),
    (
        "nelson",
        "backward-acceleration",
        1,
        "wrong sign of `0.5*D[0, 0]*[lap(b[0]), lap(b[1])]`",
    ),
    (
        "schroedinger",
        "cost-of-the-bridge",
        1,
        "swapped the ends in `E[ start(log(phi)) - end(log(phi)) ]`",
    ),
    (
        "score_matching_from_action",
        "gap",
        1,
        "lost a factor 1/2 in `g^2*(s_hat - score)^2`",
    ),
    (
        "score_objectives",
        "equivalence",
        1,
        "lost the divergence `div(v)` in `0.5*norm2(v)`",
    ),
    (
        "score_objectives",
        "equivalence",
        2,
        "lost the divergence `div(v)` in `0.5*norm2(v)`",
    ),
    (
        "support",
        "posterior-martingale",
        1,
        "the wrong law: this holds under \"reverse\"",
    ),
];

#[test]
fn no_measurement_contradicts_a_proof() {
    for path in files("problems/derivations") {
        for (identity, link, decided) in decided(&path) {
            let place = format!("{} {identity} {link}", name(&path));
            assert_eq!(decided.verdict, Verdict::Proved, "{place}");
        }
    }
}

#[test]
fn every_planted_slip_is_caught_and_named() {
    let files = files("problems/derivations/broken");
    assert_eq!(files.len(), 9);
    let mut found = Vec::new();
    for path in &files {
        for (identity, link, decided) in decided(path) {
            if decided.verdict == Verdict::Fail {
                let slip = decided.slips.first().map(|slip| slip.sentence.clone());
                found.push((name(path), identity, link, slip.unwrap_or_default()));
            }
        }
    }
    let planted: Vec<_> = PLANTED
        .iter()
        .map(|(file, identity, link, slip)| {
            (
                (*file).to_owned(),
                (*identity).to_owned(),
                *link,
                (*slip).to_owned(),
            )
        })
        .collect();
    assert_eq!(found, planted);
}

#[test]
fn every_identity_that_cannot_be_read_says_where_why_and_what_instead() {
    // Names in messages are relative to the package, where tests run.
    let files = files("problems/refused/identities");
    assert!(files.len() >= 13);
    for path in files {
        let path = Path::new("problems/refused/identities").join(path.file_name().expect("a name"));
        let stem = name(&path);
        let report = opened(&path).expect_err(&stem);
        insta::with_settings!({ snapshot_path => "../refused", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("identity_{stem}"), report);
        });
    }
}
