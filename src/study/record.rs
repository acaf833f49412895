//! The record of a run, and the folder it is written to. Copies and names; computes nothing but its pictures.

use crate::derivation::{Derivation, Evidence as Found, Finding, Formula};
use crate::numeric::blocks::with_pool;
use crate::numeric::time_limit::in_time;
use crate::problem::Loaded;
use crate::problem::meant::model::Problem;
use crate::report::events::EventLog;
use crate::report::figures::undrawn;
use crate::report::place::Place;
use crate::report::record::{
    DerivationStep, Environment, Evidence, Phase, Record, StructureFinding,
};
use crate::report::run_folder::{Parts, WriteError, write_run};
use crate::report::shell::quoted;
use crate::study::compared::Terms;
use crate::study::findings::Findings;
use crate::study::headline::{headline, limitations};
use crate::study::pictures::Pictures;
use crate::study::rows::{check_rows, reference_rows, solver_rows};
use crate::study::statement::statement;
use crate::study::{draw_policies, draw_scores};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time that pictures may take beyond that of the run.
const DRAWING: Duration = Duration::from_millis(300);

impl Findings {
    /// Everything that was found, as plain data for the report. `command` gives the run again; `strict` is as in
    /// [`Findings::exit`].
    pub fn record(&self, command: &str, strict: bool) -> Record {
        with_pool(self.threads, self.block, || self.assemble(command, strict))
    }

    /// Writes the run folder below `parent`, and returns its path.
    ///
    /// # Errors
    /// [`WriteError`]; an older run folder is left as it was.
    pub fn write(&self, parent: &Path) -> Result<PathBuf, WriteError> {
        let record = self.record("", false);
        let events = EventLog::of(&record);
        let place = Place::reserve(parent, &record.folder_name(), &self.identity.digest)?;
        write_run(&record, &events, self.parts(), place)
    }

    /// The parts of the run folder that the file asks for.
    pub fn parts(&self) -> Parts {
        let output = &self.lowered.problem.output;
        Parts {
            html: output.html,
            arrays: output.arrays,
            events: output.events,
        }
    }

    /// The folder that the file wants run folders in.
    pub fn directory(&self) -> &Path {
        &self.lowered.problem.output.directory
    }

    fn assemble(&self, command: &str, strict: bool) -> Record {
        let began = Instant::now();
        let mut pictures = Pictures::new(&self.lowered);
        let drawn = self
            .limit
            .in_overtime(DRAWING, || in_time(|| self.draw(&mut pictures)));
        let Pictures { figures, arrays } = pictures;
        let mut phases = self.phases.clone();
        phases.push(Phase {
            name: "draw".to_owned(),
            seconds: began.elapsed().as_secs_f64(),
        });
        let file = quoted(Path::new(&self.identity.file));
        let mut record = Record {
            identity: self.identity.clone(),
            environment: environment(&self.lowered.problem, command, phases),
            headline: headline(self),
            unverified: self.unverified(),
            exit_code: i32::from(self.exit(strict).code()),
            statement: statement(self),
            derivation: derivation_steps(&self.derivation),
            structures: structures(&self.derivation.structure),
            solvers: solver_rows(self),
            checks: check_rows(&self.checks),
            references: reference_rows(self),
            warnings: warnings(&self.loaded),
            limitations: limitations(self),
            next: vec![
                format!("onsager derive {file}"),
                format!("onsager check {file} --resolved"),
            ],
            figures,
            arrays,
        };
        record.limitations.extend(undrawn(&record));
        if drawn.is_err() {
            let sentence = "Not every figure was drawn: the time was up.";
            record.limitations.push(sentence.to_owned());
        }
        record
    }

    fn draw(&self, pictures: &mut Pictures) {
        let (lowered, solutions) = (&self.lowered, &self.answers.solutions);
        let comparison = &self.comparison;
        match self.terms() {
            Terms::Scores => draw_scores::draw(pictures, lowered, solutions, comparison),
            Terms::Policies => draw_policies::draw(pictures, lowered, solutions, comparison),
            Terms::Numbers => {
                pictures.along(lowered, 1);
                pictures.densities(solutions);
            }
        }
    }

    /// Why not everything was verified; `None` when it was.
    fn unverified(&self) -> Option<String> {
        if self.limit.is_interrupted() {
            return Some("the run was interrupted; what was whole by then is here".to_owned());
        }
        if self.is_cut_short() {
            return Some("the time was up before everything was compared and checked".to_owned());
        }
        if self.lowered.problem.checks.is_empty() {
            return Some("checks were turned off in the file".to_owned());
        }
        (!self.only.is_empty()).then(|| format!("only {} ran", self.only.join(", ")))
    }
}

/// Where and how it ran.
pub(super) fn environment(problem: &Problem, command: &str, phases: Vec<Phase>) -> Environment {
    Environment {
        program: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: command.to_owned(),
        seed: problem.run.seed,
        threads: rayon::current_num_threads(),
        machine: format!("{} {}", std::env::consts::ARCH, std::env::consts::OS),
        phases,
    }
}

/// Warnings of the file, one sentence each.
fn warnings(loaded: &Loaded) -> Vec<String> {
    let warnings = loaded.warnings.iter();
    warnings
        .map(|w| format!("{}: {}", w.code, w.message))
        .collect()
}

fn derivation_steps(derivation: &Derivation) -> Vec<DerivationStep> {
    let steps = derivation.steps.iter();
    steps
        .map(|step| DerivationStep {
            number: step.number,
            name: step.name.to_owned(),
            rule: step.rule.to_owned(),
            text: lines(&step.statement, |formula| &formula.text),
            latex: lines(&step.statement, |formula| &formula.latex),
            assumptions: step
                .assumptions
                .iter()
                .map(|assumption| assumption.sentence().to_owned())
                .collect(),
            source: step.source.to_owned(),
            evidence: evidence(&step.evidence),
        })
        .collect()
}

/// One display a line.
fn lines(statement: &[Formula], part: impl Fn(&Formula) -> &str) -> String {
    let shown: Vec<&str> = statement.iter().map(part).collect();
    shown.join("\n")
}

/// What structure detection found, or what blocks it.
pub fn structures(findings: &[Finding]) -> Vec<StructureFinding> {
    let findings = findings.iter();
    findings
        .map(|finding| StructureFinding {
            name: finding.name.to_owned(),
            found: finding.found,
            evidence: evidence(&finding.evidence),
            because: finding.because.clone(),
            unlocks: finding.unlocks.to_owned(),
        })
        .collect()
}

fn evidence(found: &Found) -> Evidence {
    match found {
        Found::Proved => Evidence::Proved,
        Found::Tested { .. } => Evidence::Tested,
        Found::Stated => Evidence::Stated,
        Found::Declared => Evidence::Declared,
    }
}
