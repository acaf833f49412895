//! Verdicts on a corpus of claims, true ones and slips: what is false is not passed, what is true is not failed.

mod generated;

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

/// Outcomes by kind and truth, and a line for every claim that was not judged right.
#[derive(Default)]
struct Tally {
    cells: BTreeMap<(String, bool), BTreeMap<Outcome, usize>>,
    wrong: Vec<String>,
}

impl Tally {
    fn judge(&mut self, law: &LawOfClaims) {
        let study = Study::parse(&file(law)).unwrap_or_else(|error| panic!("{error}"));
        let decided = study.identities().unwrap_or_else(|error| panic!("{error}"));
        for (claim, (_, links)) in law.claims.iter().zip(&decided.decided) {
            let link = &links[0];
            let found = outcome(claim, link.verdict);
            let cell = self
                .cells
                .entry((claim.kind.clone(), claim.is))
                .or_default();
            *cell.entry(found).or_default() += 1;
            if !matches!(found, Outcome::Right | Outcome::Open) {
                let measured = link.evidence.measurement.as_ref();
                let by = measured.map_or_else(ToString::to_string, |m| {
                    format!("{}; {}; {:?}", m.note, m.interval(), m.doubt)
                });
                let line = format!("{found:?}: {} = {} ({by})", link.left, link.right);
                self.wrong.push(line);
            }
        }
    }

    fn count(&self, wanted: Outcome) -> usize {
        self.cells
            .values()
            .filter_map(|cell| cell.get(&wanted))
            .sum()
    }

    /// Prints the tally and asserts what a judge must keep.
    fn holds(&self, fewest: usize) {
        for ((kind, is), cell) in &self.cells {
            println!("{kind:24} {is:5} {cell:?}");
        }
        println!("{}", self.wrong.join("\n"));
        let counts = OUTCOMES.map(|outcome| self.count(outcome));
        let claims: usize = counts.iter().sum();
        let named: Vec<_> = OUTCOMES.iter().zip(counts).collect();
        println!("{claims} claims: {named:?}");
        let [_, proofs, misses, alarms, undecided, _] = counts;
        assert!(claims >= fewest, "only {claims} claims");
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
}

#[test]
fn the_corpus_is_judged_right() {
    let corpus: Corpus = toml::from_str(include_str!("corpus.toml")).expect("the corpus is TOML");
    let mut tally = Tally::default();
    for law in &corpus.law {
        tally.judge(law);
    }
    tally.holds(300);
}
