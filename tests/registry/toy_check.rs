//! A check from outside: one file, added to those of the program.

use onsager::comparison::Comparison;
use onsager::comparison::reference_law::ReferenceLaw;
use onsager::derivation::derive;
use onsager::field::LogDensity;
use onsager::numeric::batch::{Batch, BatchRef};
use onsager::numeric::random::Streams;
use onsager::problem::format::card::CheckCard;
use onsager::problem::format::page::Page;
use onsager::problem::meant::kind::REVERSE;
use onsager::problem::parse_text;
use onsager::solvers::lowered::problem::Lowered;
use onsager::study::Registry;
use onsager::verification::bench::Bench;
use onsager::verification::identity::{Check, Finding, Identity, Measure, Measured, Settings};
use onsager::verification::subject::{Claims, Scope, Subject};
use onsager::verification::verdict::{Residual, Verdict};
use onsager::verification::{check_claim, verify};
use std::path::Path;

const BOOK: &str = "# total-mass

the claimed density integrates to one

int p_t dx = 1 in one state, by the trapezoidal rule.

- **off by a factor** a normaliser is missing
";

/// `∫ p_T dx = 1` on a line.
pub static TOTAL_MASS: Check = Check {
    card: CheckCard {
        page: Page::of("total-mass", BOOK),
        kinds: REVERSE,
        later: &[],
        tables_only: false,
    },
    identities: &[Identity {
        equation: "int p_T dx = 1",
        source: "definition of a density",
        measure: Measure::claim(Scope::Ingredients, &[], total_mass),
    }],
};

fn total_mass(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let density = subject.density()?;
    let step = 0.01;
    let nodes: Vec<[f64; 1]> = (-1000..=1000).map(|i| [step * f64::from(i)]).collect();
    let x = Batch::from_rows(1, &nodes);
    let mut logs = vec![0.0; x.points()];
    density.log_density(subject.lowered.noising().end(), x.as_ref(), &mut logs);
    let mass: f64 = logs.iter().map(|log| step * log.exp()).sum();
    Ok(Finding::new(
        Residual::deterministic(mass - 1.0, 0.0, settings.limit(1e-9, 1.0)),
        "by the trapezoidal rule",
    ))
}

const LINE: &str = r#"
format = 1
[problem]
name = "toy"
kind = "reverse"
[data]
family  = "gaussian"
mean    = 0.5
cov     = 0.3
[dynamics]
preset = "ou"
rate   = 1.0
sigma  = 1.0
[run]
checks = ["total-mass", "derivatives"]
"#;

/// A density with a wrong normaliser.
struct Heavy<'a>(&'a (dyn LogDensity + Send));

impl LogDensity for Heavy<'_> {
    fn log_density(&self, t: f64, x: BatchRef<'_>, out: &mut [f64]) {
        self.0.log_density(t, x, out);
        out.iter_mut().for_each(|log| *log += 0.01);
    }
}

#[test]
fn a_check_from_outside_is_read_and_run_with_those_of_the_program() {
    let registry = Registry::standard().with(&TOTAL_MASS);
    let problem = parse_text("toy.toml", LINE, Path::new("."), &[], registry.words())
        .unwrap_or_else(|report| panic!("{report}"))
        .problem;
    let derivation = derive(&problem).expect("true steps");
    let lowered = Lowered::new(problem).expect("a mixture");
    let comparison = Comparison::default();
    let bench = Bench::new(&lowered, &derivation, &[], &comparison, &Streams::new(1));
    let found = verify(&bench, registry.checks(), &lowered.problem.checks);
    let told: Vec<(&str, Verdict)> = found
        .iter()
        .map(|r| (r.check.as_str(), r.verdict))
        .collect();
    assert_eq!(
        told,
        [
            ("total-mass", Verdict::Pass),
            ("derivatives", Verdict::Pass)
        ]
    );
    let law = ReferenceLaw::new(&lowered, &[]).expect("drawable");
    let exact = lowered.facts.marginals.as_ref().expect("a mixture");
    let heavy = Heavy(exact);
    let wrong = Subject {
        name: "heavy",
        lowered: &lowered,
        law: Some(&law),
        score: exact,
        log_density: Some(&heavy),
        reference_density: None,
        trial: None,
        claims: Claims::default(),
        closed_form: true,
    };
    let settings = Settings {
        spec: &lowered.problem.checks[0],
        streams: Streams::new(1),
    };
    let failed = check_claim(&TOTAL_MASS, &wrong, &settings);
    assert_eq!(failed.verdict, Verdict::Fail, "{failed:?}");
}
