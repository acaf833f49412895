//! Verdicts on a corpus of claims, true ones and slips: what is false is not passed, what is true is not failed.

use onsager::study::Study;
use onsager::verification::verdict::Verdict;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Corpus {
    law: Vec<LawOfClaims>,
}

#[derive(Deserialize)]
struct LawOfClaims {
    problem: String,
    claims: Vec<Claim>,
}

#[derive(Deserialize)]
struct Claim {
    kind: String,
    is: bool,
    /// No measurement can decide it.
    #[serde(default)]
    open: bool,
    #[serde(flatten)]
    identity: toml::Table,
}

/// What became of a claim.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Outcome {
    Right,
    FalseProof,
    Miss,
    FalseAlarm,
    Undecided,
    /// Undecided where nothing else can be right.
    Open,
}

const OUTCOMES: [Outcome; 6] = [
    Outcome::Right,
    Outcome::FalseProof,
    Outcome::Miss,
    Outcome::FalseAlarm,
    Outcome::Undecided,
    Outcome::Open,
];

fn outcome(claim: &Claim, verdict: Verdict) -> Outcome {
    match (verdict, claim.is) {
        (Verdict::Proved, false) => Outcome::FalseProof,
        (Verdict::Pass, false) => Outcome::Miss,
        (Verdict::Fail, true) => Outcome::FalseAlarm,
        (Verdict::Proved | Verdict::Pass, true) | (Verdict::Fail, false) => Outcome::Right,
        _ if claim.open => Outcome::Open,
        _ => Outcome::Undecided,
    }
}

/// The problem with its claims, named by their number.
fn file(law: &LawOfClaims) -> String {
    let mut text = law.problem.clone();
    for (i, claim) in law.claims.iter().enumerate() {
        let identity = toml::to_string(&claim.identity).expect("a table");
        let (keys, tables) = identity.split_once("\n[").unwrap_or((&identity, ""));
        text.push_str(&format!("\n[[identity]]\nname = \"c{i}\"\n{keys}\n"));
        if let Some(table) = tables.strip_prefix("let]") {
            text.push_str(&format!("[identity.let]{table}\n"));
        }
    }
    text
}

#[test]
fn the_corpus_is_judged_right() {
    let corpus: Corpus = toml::from_str(include_str!("corpus.toml")).expect("the corpus is TOML");
    let mut tally: BTreeMap<(&str, bool), BTreeMap<Outcome, usize>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for law in &corpus.law {
        let study = Study::parse(&file(law)).unwrap_or_else(|error| panic!("{error}"));
        let decided = study.identities().unwrap_or_else(|error| panic!("{error}"));
        for (claim, (_, links)) in law.claims.iter().zip(&decided) {
            let link = &links[0];
            let found = outcome(claim, link.verdict);
            *tally
                .entry((&claim.kind, claim.is))
                .or_default()
                .entry(found)
                .or_default() += 1;
            if !matches!(found, Outcome::Right | Outcome::Open) {
                let measured = link.evidence.measurement.as_ref();
                let by = measured.map_or_else(ToString::to_string, |m| {
                    format!("{}; {}; {:?}", m.note, m.interval(), m.doubt)
                });
                wrong.push(format!("{found:?}: {} = {} ({by})", link.left, link.right));
            }
        }
    }
    let count =
        |wanted: Outcome| -> usize { tally.values().filter_map(|cell| cell.get(&wanted)).sum() };
    for ((kind, is), cell) in &tally {
        println!("{kind:24} {is:5} {cell:?}");
    }
    println!("{}", wrong.join("\n"));
    let counts = OUTCOMES.map(count);
    let claims: usize = counts.iter().sum();
    println!(
        "{claims} claims: {:?}",
        OUTCOMES.iter().zip(counts).collect::<Vec<_>>()
    );
    let [_, proofs, misses, alarms, undecided, _] = counts;
    assert!(claims >= 300, "the corpus has {claims} claims");
    assert_eq!(proofs, 0, "false claims are proved");
    assert!(100 * misses <= claims, "{misses} of {claims} are missed");
    assert!(
        200 * alarms <= claims,
        "{alarms} of {claims} are false alarms"
    );
    assert!(
        20 * undecided <= claims,
        "{undecided} of {claims} are undecided"
    );
}
