//! The record of one run: plain data, filled by the command line from the rooms below.

use crate::numeric::estimate::Estimate;
use crate::report::encoding::{maybe_number, number};
use crate::verification::verdict::Verdict;
use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use sha2::{Digest, Sha256};

/// Version of the layout of `result.json`; a field never changes its meaning within one.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything a run found.
///
/// `Default` is the empty record: no solver, no check. Fields that stay empty leave out their part of
/// every view.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    pub identity: Identity,
    pub environment: Environment,
    /// One sentence with the main result and its error, such as
    /// "The action reaches S - V = 0.0012 ± 0.0003 above the optimum."
    pub headline: String,
    /// Why checks did not run or did not all run; the views then say UNVERIFIED.
    pub unverified: Option<String>,
    /// The exit code of the run, as the command line decided it.
    pub exit_code: i32,
    pub statement: Vec<StatementLine>,
    pub derivation: Vec<DerivationStep>,
    pub structures: Vec<StructureFinding>,
    pub solvers: Vec<SolverRow>,
    pub checks: Vec<CheckRow>,
    pub references: Vec<ReferenceRow>,
    /// Warnings of the file and of the run, one sentence each.
    pub warnings: Vec<String>,
    /// What this run does not show, one sentence each.
    pub limitations: Vec<String>,
    /// Commands worth running next.
    pub next: Vec<String>,
    #[serde(serialize_with = "array_header")]
    pub arrays: Vec<NamedArray>,
    #[serde(skip)]
    pub figures: FigureData,
}

/// Which problem was solved.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Identity {
    /// The problem's name; it also names the run folder.
    pub name: String,
    pub title: String,
    pub about: String,
    pub kind: String,
    /// Names of the state's components, as the user wrote them.
    pub states: Vec<String>,
    /// The problem file as it was named on the command line.
    pub file: String,
    /// The problem file as read.
    #[serde(skip)]
    pub text: String,
    /// The problem file with every default filled in.
    #[serde(skip)]
    pub resolved: String,
    /// SHA-256 of `resolved`, of the tables it names and of the options of the run, in hexadecimal.
    #[serde(skip)]
    pub digest: String,
    /// The first [`HASH_DIGITS`] of them.
    pub hash: String,
}

/// Digits of a hash that name a run: 64 bits.
pub const HASH_DIGITS: usize = 16;

impl Identity {
    /// The title, or the name where there is none.
    pub fn shown_title(&self) -> &str {
        match self.title.as_str() {
            "" => &self.name,
            title => title,
        }
    }

    /// The identity of a resolved file, run with these options.
    pub fn new(resolved: &str, options: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update((resolved.len() as u64).to_le_bytes());
        digest.update(resolved);
        digest.update(options);
        let digest: String = digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            resolved: resolved.to_owned(),
            hash: digest[..HASH_DIGITS].to_owned(),
            digest,
            ..Self::default()
        }
    }

    /// The name of its folder: problem name and hash.
    pub fn folder_name(&self) -> String {
        format!("{}-{}", self.name, self.hash)
    }
}

/// Where and how it ran.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Environment {
    pub program: String,
    pub version: String,
    /// The command line that gives this run again.
    pub command: String,
    pub seed: u64,
    pub threads: usize,
    /// Processor and operating system; empty where unknown.
    pub machine: String,
    /// Wall time by phase, in the order they ran.
    pub phases: Vec<Phase>,
}

impl Environment {
    /// Wall time of all phases.
    pub fn seconds(&self) -> f64 {
        // An empty floating-point sum is -0, which would show.
        self.phases
            .iter()
            .fold(0.0, |sum, phase| sum + phase.seconds)
    }
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Phase {
    pub name: String,
    pub seconds: f64,
}

/// One line of the typeset problem.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StatementLine {
    /// What it is: "noising process", "data law", "action".
    pub name: String,
    pub text: String,
    pub latex: String,
    /// First and last line of the file that say it; `None` for what follows from a default.
    pub lines: Option<(usize, usize)>,
}

/// How a derivation step was made sure of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// The difference is zero in canonical form.
    Proved,
    /// The difference is zero at random points.
    Tested,
    /// Taken from the source; nothing was executed.
    #[default]
    Stated,
    /// As `Stated`, but the file says that it holds.
    Declared,
}

impl Evidence {
    pub fn name(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Tested => "tested",
            Self::Stated => "stated",
            Self::Declared => "declared",
        }
    }
}

/// One step of the derivation.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DerivationStep {
    pub number: usize,
    pub name: String,
    /// Name of the rule, such as `hopf-cole`.
    pub rule: String,
    pub text: String,
    pub latex: String,
    pub assumptions: Vec<String>,
    pub source: String,
    pub evidence: Evidence,
}

/// What structure detection found, or what blocks it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StructureFinding {
    pub name: String,
    pub found: bool,
    pub evidence: Evidence,
    pub because: String,
    /// What it unlocks, or would unlock.
    pub unlocks: String,
}

/// One requested solver.
#[derive(Clone, Debug, Serialize)]
pub struct SolverRow {
    pub id: String,
    pub method: String,
    /// Field, discretisation and sizes in one line: "rbf 64 x 12 nodes, 4096 paths x 200 steps".
    pub settings: String,
    #[serde(flatten)]
    pub outcome: SolverOutcome,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum SolverOutcome {
    #[serde(rename = "ok")]
    Solved(Box<Solved>),
    /// The method does not apply, and why.
    Refused { reason: String, accepted: String },
    /// The method was admitted and failed.
    Failed { message: String },
}

impl SolverOutcome {
    pub fn status(&self) -> &'static str {
        match self {
            Self::Solved(_) => "ok",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
        }
    }
}

impl SolverRow {
    pub fn solved(&self) -> Option<&Solved> {
        match &self.outcome {
            SolverOutcome::Solved(solved) => Some(solved),
            _ => None,
        }
    }
}

/// The rows that have an answer, with it.
pub fn solved(solvers: &[SolverRow]) -> impl Iterator<Item = (&SolverRow, &Solved)> {
    solvers.iter().filter_map(|row| Some((row, row.solved()?)))
}

/// What a solver reached. Each `None` is a quantity that was not measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Solved {
    /// Why the loop ended, in words.
    pub stopped: String,
    pub converged: bool,
    /// rms of u - u_ref under the optimal law, integrated over time.
    pub control_error: Option<Estimate>,
    /// The same divided by the rms of u_ref.
    pub relative_control_error: Option<Estimate>,
    /// The id of the solver it is measured against; empty when that is this one.
    pub against: String,
    /// The optimal cost by the method itself, averaged over the start law.
    pub value: Option<Estimate>,
    /// `log Z` of a sampled target.
    pub log_normalizer: Option<Estimate>,
    /// The action S of the simulated control.
    pub action: Option<Estimate>,
    /// Bias of `action` from its finite step, estimated by halving it.
    #[serde(serialize_with = "maybe_number")]
    pub step_bias: Option<f64>,
    /// S - V, on common start points and noise.
    pub gap: Option<Estimate>,
    /// The same by the gap identity, 1/2 E int |u - u_ref|^2.
    pub gap_integral: Option<Estimate>,
    /// Kullback-Leibler divergence of the path laws, nats.
    pub path_kl: Option<Estimate>,
    /// Effective sample size of the path weights under the control, as a share of the paths.
    #[serde(serialize_with = "maybe_number")]
    pub effective_sample_size: Option<f64>,
    /// Standard deviation of the logarithm of these weights.
    #[serde(serialize_with = "maybe_number")]
    pub log_weight_spread: Option<f64>,
    /// Negative log-likelihood of held-out data by the probability flow, nats per point.
    pub held_out_nll: Option<Estimate>,
    /// One entry per noise level that samples were generated at.
    pub generated: Vec<GeneratedRow>,
    /// The weights the data law gives its components; empty where it has none.
    pub expected_mode_weights: Vec<f64>,
    /// The method's own estimate of its rms control error.
    #[serde(serialize_with = "maybe_number")]
    pub own_error: Option<f64>,
    /// Counted work: (name, count), zero counts left out by the views.
    pub work: Vec<(String, u64)>,
    /// Named facts worth a line: condition number, mass, boundary mass.
    pub facts: Vec<Fact>,
    /// Numbers it was asked for, with their errors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quantities: Vec<MeasuredQuantity>,
    pub seconds: f64,
    pub history: Vec<HistoryPoint>,
}

/// A named number a solver found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MeasuredQuantity {
    pub name: String,
    pub value: Option<Estimate>,
}

/// How good the samples of one solver at one noise level are.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GeneratedRow {
    /// h of the generating process.
    pub noise_level: f64,
    /// 2-Wasserstein distance of generated samples to draws of the data law at the end time.
    pub transport: Option<Estimate>,
    /// The same distance between two sets of true draws.
    pub transport_floor: Option<Estimate>,
    /// Energy distance, squared scale.
    pub energy_distance: Option<Estimate>,
    pub energy_floor: Option<Estimate>,
    /// Share of generated samples at each component of the data law.
    pub mode_weights: Vec<f64>,
    /// How many samples were generated.
    pub paths: usize,
    /// Their mean, in the units of the file.
    pub mean: Vec<f64>,
    /// Their covariance, row by row; empty above 64 states.
    pub covariance: Vec<Vec<f64>>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Fact {
    pub name: String,
    #[serde(serialize_with = "number")]
    pub value: f64,
}

/// One iteration of a solver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct HistoryPoint {
    pub iteration: u64,
    #[serde(serialize_with = "number")]
    pub objective: f64,
    /// Gradient norm, marginal error or whatever the stop rule measures.
    #[serde(serialize_with = "number")]
    pub measured: f64,
}

/// One executed identity.
#[derive(Clone, Debug, Serialize)]
pub struct CheckRow {
    pub check: String,
    /// The solver it was executed on, or `problem`.
    pub on: String,
    #[serde(serialize_with = "maybe_number")]
    pub measured: Option<f64>,
    /// What the identity predicts; 0 for a difference.
    #[serde(serialize_with = "number")]
    pub target: f64,
    /// Standard error of `measured`.
    #[serde(serialize_with = "maybe_number")]
    pub se: Option<f64>,
    /// How `measured` reads, where it is more than a number ("2.2e-4, order 1.9"); else empty.
    pub measured_text: String,
    /// Largest distance of `measured` from `target` that passes; `None` where the criterion is another.
    #[serde(serialize_with = "maybe_number")]
    pub limit: Option<f64>,
    /// How the limit is made up ("4 se 0.064 + step 0.030"); else empty.
    pub limit_text: String,
    /// The identity, as LaTeX and as text.
    pub latex: String,
    pub formula: String,
    /// One line of meaning.
    pub meaning: String,
    pub verdict: Verdict,
    /// Why it is not `pass` or `proved`.
    pub reason: String,
    /// What would decide it or what to try, most likely first; the views show three.
    pub hints: Vec<String>,
}

/// A known number from the problem file and what the run gave.
#[derive(Clone, Debug, Serialize)]
pub struct ReferenceRow {
    pub name: String,
    #[serde(serialize_with = "number")]
    pub value: f64,
    pub measured: Option<Estimate>,
    /// The solver that measured it; empty where the problem itself did.
    pub on: String,
    pub tolerance: f64,
    pub source: String,
    pub verdict: Verdict,
    pub reason: String,
}

/// How often each verdict was given, checks and references together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub proved: usize,
    pub pass: usize,
    pub fail: usize,
    pub inconclusive: usize,
    pub skipped: usize,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.proved > 0 {
            write!(f, "{} proved, ", self.proved)?;
        }
        write!(
            f,
            "{} pass, {} fail, {} inconclusive, {} skipped",
            self.pass, self.fail, self.inconclusive, self.skipped
        )
    }
}

impl Record {
    /// Checks and references counted together.
    pub fn counts(&self) -> Counts {
        let checks = self.checks.iter().map(|row| row.verdict);
        let references = self.references.iter().map(|row| row.verdict);
        let mut counts = Counts::default();
        for verdict in checks.chain(references) {
            *match verdict {
                Verdict::Proved => &mut counts.proved,
                Verdict::Pass => &mut counts.pass,
                Verdict::Fail => &mut counts.fail,
                Verdict::Inconclusive => &mut counts.inconclusive,
                Verdict::Skipped => &mut counts.skipped,
            } += 1;
        }
        counts
    }

    /// The run folder's name.
    pub fn folder_name(&self) -> String {
        self.identity.folder_name()
    }
}

/// An array of `arrays.npz`, rows in C order: time first, then path or grid axes, then component.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedArray {
    /// `solver/quantity`.
    pub key: String,
    pub shape: Vec<usize>,
    /// One name per axis.
    pub axes: Vec<String>,
    /// Unit of the entries; empty for pure numbers.
    pub unit: String,
    pub data: Vec<f64>,
}

impl NamedArray {
    /// # Panics
    /// If the shape does not hold exactly `data`, or the axes are not one name per dimension.
    pub fn new(key: impl Into<String>, axes: &[(&str, usize)], unit: &str, data: Vec<f64>) -> Self {
        let shape: Vec<usize> = axes.iter().map(|(_, n)| *n).collect();
        let key = key.into();
        assert_eq!(
            shape.iter().product::<usize>(),
            data.len(),
            "the shape of array `{key}` holds its data"
        );
        Self {
            key,
            shape,
            axes: axes.iter().map(|(name, _)| (*name).to_owned()).collect(),
            unit: unit.to_owned(),
            data,
        }
    }
}

/// Arrays without their data.
fn array_header<S: Serializer>(arrays: &[NamedArray], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(arrays.len()))?;
    for array in arrays {
        list.serialize_element(&Header::of(array))?;
    }
    list.end()
}

/// What is said about an array beside its data, here and in the NPZ.
#[derive(serde::Serialize)]
pub(crate) struct Header<'a> {
    key: &'a str,
    shape: &'a [usize],
    axes: &'a [String],
    unit: &'a str,
}

impl<'a> Header<'a> {
    pub(crate) fn of(array: &'a NamedArray) -> Self {
        Self {
            key: &array.key,
            shape: &array.shape,
            axes: &array.axes,
            unit: &array.unit,
        }
    }
}

/// What the figures are drawn from. Every `Vec` may be empty; its figure is then left out.
#[derive(Clone, Debug, Default)]
pub struct FigureData {
    /// Names of `run.plots`.
    pub plots: Vec<String>,
    /// Label, with unit, of each plotted coordinate: one, or the first two (or two principal ones).
    pub coordinates: Vec<String>,
    /// Whether paths run with the time t, as in control, or against it, as in generation.
    pub runs_forward: bool,
    /// The data, or draws from the data law.
    pub data: Option<PointSet>,
    /// Generated samples.
    pub samples: Vec<PointSet>,
    pub fields: Vec<FieldSlice>,
    /// Values along the first coordinate, one component each.
    pub values: Vec<FieldSlice>,
    /// The first control over time and the first coordinate.
    pub policies: Vec<PolicyMap>,
    /// Feedback gains of the first control against time.
    pub gains: Vec<Gain>,
    /// Logarithms of path weights.
    pub log_weights: Vec<LogWeights>,
    pub densities: Vec<DensityMovie>,
    pub paths: Vec<PathBundle>,
    /// Control error against time.
    pub control_errors: Vec<TimeProfile>,
}

impl FigureData {
    /// What the first coordinate is called.
    pub fn first_label(&self) -> &str {
        self.coordinates.first().map_or("x", String::as_str)
    }
}

/// A cloud of points in one or two plotted coordinates.
#[derive(Clone, Debug, Default)]
pub struct PointSet {
    /// The solver that made it; `data` for the data.
    pub solver: String,
    /// h of the generating process; `None` for data.
    pub noise_level: Option<f64>,
    /// One column per plotted coordinate.
    pub columns: Vec<Vec<f64>>,
    /// Key in the NPZ.
    pub key: String,
}

/// A score or control field on a grid at one time.
#[derive(Clone, Debug, Default)]
pub struct FieldSlice {
    pub solver: String,
    /// Forward time t.
    pub time: f64,
    /// One axis (a curve) or two (arrows).
    pub axes: Vec<Vec<f64>>,
    /// One component per axis, first axis slowest.
    pub components: Vec<Vec<f64>>,
    pub key: String,
}

/// The first control over time (slow) and the first coordinate (fast).
#[derive(Clone, Debug, Default)]
pub struct PolicyMap {
    pub solver: String,
    pub times: Vec<f64>,
    pub coordinate: Vec<f64>,
    pub control: Vec<f64>,
    pub key: String,
}

/// `-du_0/dx_j` at the mean of the controlled process.
#[derive(Clone, Debug, Default)]
pub struct Gain {
    /// `j`
    pub state: usize,
    pub profile: TimeProfile,
}

/// Logarithms of the path weights of one solver.
#[derive(Clone, Debug, Default)]
pub struct LogWeights {
    pub solver: String,
    pub values: Vec<f64>,
    pub key: String,
}

/// Density snapshots on a grid of one or two coordinates.
#[derive(Clone, Debug, Default)]
pub struct DensityMovie {
    pub solver: String,
    pub axes: Vec<Vec<f64>>,
    /// Forward times t.
    pub times: Vec<f64>,
    /// Density, one table per time, first axis slowest.
    pub density: Vec<Vec<f64>>,
    pub key: String,
}

/// Paths of the controlled process.
#[derive(Clone, Debug, Default)]
pub struct PathBundle {
    pub solver: String,
    pub noise_level: f64,
    /// Forward times t of the nodes.
    pub times: Vec<f64>,
    /// One entry per plotted coordinate; each holds one vector over `times` per path.
    pub coordinates: Vec<Vec<Vec<f64>>>,
    pub key: String,
}

/// A quantity of one solver against forward time.
#[derive(Clone, Debug, Default)]
pub struct TimeProfile {
    pub solver: String,
    pub times: Vec<f64>,
    pub values: Vec<f64>,
    pub key: String,
}
