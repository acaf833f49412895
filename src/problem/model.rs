//! The validated problem: what the user means. Nothing in it can be malformed.

use crate::expr::{Expr, Graph};
use crate::problem::law::Law;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Undo a diffusion.
    Reverse,
}

/// A scalar function of time in a preset: constant, linear over the horizon, or the user's expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Rate {
    Constant(f64),
    /// `lo` at time 0 and `hi` at the end of the horizon.
    Linear {
        lo: f64,
        hi: f64,
    },
    Expression(Expr),
}

/// A named noising process.
#[derive(Clone, Debug, PartialEq)]
pub enum Preset {
    /// `dX = -beta/2 X dt + sqrt(beta) dW`.
    VariancePreserving { beta: Rate },
    /// `dX = -beta/2 X dt + sqrt(beta (1 - exp(-2 B))) dW`, `B = int beta`.
    SubVariancePreserving { beta: Rate },
    /// `dX = sqrt(d sigma^2/dt) dW`, `sigma` geometric from `minimum` to `maximum` over the horizon.
    VarianceExploding { minimum: f64, maximum: f64 },
    /// `dX = -rate (X - mean) dt + sigma dW`.
    OrnsteinUhlenbeck {
        rate: f64,
        sigma: f64,
        mean: Vec<f64>,
    },
    /// `dX = sigma dW`.
    Brownian { sigma: f64 },
    /// `dX = (A X + a) dt + S dW`.
    Linear {
        matrix: Vec<Vec<f64>>,
        shift: Vec<f64>,
        noise: Vec<Vec<f64>>,
    },
}

/// How the noise integral is read when the diffusion depends on the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calculus {
    Ito,
    Stratonovich,
    Klimontovich,
}

/// The noising process, symbolically. `drift` is always the Itô drift.
#[derive(Clone, Debug)]
pub struct Dynamics {
    pub horizon: (f64, f64),
    pub preset: Option<Preset>,
    /// Itô drift, one entry per state.
    pub drift: Vec<Expr>,
    /// Diffusion matrix, states × noises.
    pub diffusion: Vec<Vec<Expr>>,
    pub calculus: Calculus,
    /// Bounds of each coordinate for grid methods; `None` chooses them from the mass.
    pub domain: Option<Vec<(f64, f64)>>,
}

/// How time nodes are spread between `t_min` and the end of the horizon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spacing {
    Uniform,
    Log,
    /// Uniform in log(alpha^2 / sigma^2).
    LogSnr,
    Cosine,
    Edm {
        rho: f64,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct TimeSettings {
    pub steps: usize,
    pub spacing: Spacing,
    /// The reverse process stops here; the law reached is that of X at `t_min`.
    pub t_min: f64,
    /// Times at which densities and samples are recorded.
    pub record: Vec<f64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RunSettings {
    pub seed: u64,
    /// Paths of Monte Carlo checks and of the comparison.
    pub paths: usize,
    /// 0: one per core.
    pub threads: usize,
    pub plots: Vec<String>,
    /// Wall-clock limit in seconds.
    pub max_time: Option<f64>,
}

/// Time dependence of a parametrised field: values at nodes, interpolated between them.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldSpec {
    /// `M(t) x + c(t)`.
    Affine { nodes: usize },
    /// Affine plus Gaussian features.
    Rbf { centers: usize, nodes: usize },
    /// Score of a noised mixture with unknown weights, means and covariances.
    Mixture { components: usize },
    /// Tensor Chebyshev polynomials of at most this degree (one or two states).
    Chebyshev { degree: usize, nodes: usize },
}

impl std::fmt::Display for FieldSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Affine { nodes } => write!(f, "affine at {nodes} times"),
            Self::Rbf { centers, nodes } => write!(f, "rbf {centers} at {nodes} times"),
            Self::Mixture { components } => write!(f, "mixture of {components}"),
            Self::Chebyshev { degree, nodes } => {
                write!(f, "chebyshev of degree {degree} at {nodes} times")
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimizer {
    Lbfgs,
    NonlinearCg,
    TrustRegion,
    NewtonCg,
    GaussNewton,
    NelderMead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreObjective {
    Denoising,
    Implicit,
}

/// A method with its options; every default is filled in.
#[derive(Clone, Debug, PartialEq)]
pub enum MethodSpec {
    Exact,
    Action {
        field: FieldSpec,
        optimizer: Optimizer,
        paths: usize,
        steps: usize,
        tolerance: f64,
        max_iterations: usize,
    },
    ScoreMatching {
        objective: ScoreObjective,
        field: FieldSpec,
        samples: usize,
        ridge: f64,
        optimizer: Optimizer,
        tolerance: f64,
        max_iterations: usize,
    },
    HopfCole {
        points: Vec<usize>,
        steps: usize,
    },
    FokkerPlanck {
        points: Vec<usize>,
        steps: usize,
    },
    Bridge {
        points: Vec<usize>,
        tolerance: f64,
        max_iterations: usize,
    },
}

impl MethodSpec {
    /// Field, discretisation and sizes in one line, for tables.
    pub fn summary(&self) -> String {
        let lattice = |points: &[usize]| {
            points
                .iter()
                .map(usize::to_string)
                .collect::<Vec<_>>()
                .join(" x ")
        };
        match self {
            Self::Exact => "closed form".to_owned(),
            Self::Action {
                field,
                paths,
                steps,
                ..
            } => format!("{field}, {paths} paths x {steps} steps"),
            Self::ScoreMatching {
                objective,
                field,
                samples,
                ..
            } => {
                let objective = match objective {
                    ScoreObjective::Denoising => "denoising",
                    ScoreObjective::Implicit => "implicit",
                };
                format!("{objective}, {field}, {samples} samples")
            }
            Self::HopfCole { points, steps } | Self::FokkerPlanck { points, steps } => {
                format!("{} points x {steps} steps", lattice(points))
            }
            Self::Bridge { points, .. } => format!("{} points", lattice(points)),
        }
    }

    /// The method's name in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Action { .. } => "action",
            Self::ScoreMatching { .. } => "score-matching",
            Self::HopfCole { .. } => "hopf-cole",
            Self::FokkerPlanck { .. } => "fokker-planck",
            Self::Bridge { .. } => "bridge",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct SolverSpec {
    pub id: String,
    pub method: MethodSpec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Fail,
    Warn,
}

/// A check with its settings; `None` means the check's own default.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckSpec {
    pub id: String,
    pub check: String,
    /// Solver ids it applies to; empty: all it can.
    pub on: Vec<String>,
    pub tolerance: Option<f64>,
    pub relative_tolerance: Option<f64>,
    /// Standard errors.
    pub confidence: f64,
    pub samples: Option<usize>,
    pub severity: Severity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrator {
    EulerMaruyama,
    Heun,
    ExponentialEuler,
    /// The denoiser frozen over a step: DDPM's ancestral step at h = 1, DDIM at h = 0.
    Ddpm,
}

/// How a found field generates.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleSettings {
    /// Noise levels: 0 is the probability flow, 1 the reverse SDE.
    pub noise_levels: Vec<f64>,
    pub integrator: Integrator,
    pub steps: usize,
    pub spacing: Spacing,
    pub paths: usize,
}

/// A known number, compared with what the run produced under the same name.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    pub name: String,
    pub value: f64,
    pub tolerance: f64,
    pub source: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OutputSettings {
    pub directory: PathBuf,
    pub html: bool,
    pub arrays: bool,
    pub events: bool,
    pub save: Vec<String>,
}

/// A structure the file says the problem has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    pub structure: String,
    /// Where the file says so.
    pub span: Range<usize>,
}

/// A problem after validation.
#[derive(Clone, Debug)]
pub struct Problem {
    pub name: String,
    pub kind: Kind,
    pub title: String,
    pub about: String,
    pub tags: Vec<String>,
    pub expect: Vec<Expectation>,
    /// The expression graph every `Expr` below lives in.
    pub graph: Graph,
    pub time: Expr,
    /// State symbols: the bare name for a scalar state, `x[0]`, `x[1]`, ... otherwise.
    pub state: Vec<Expr>,
    /// Names of the components as the user sees them.
    pub state_names: Vec<String>,
    /// Named numbers, already substituted in the expressions.
    pub parameters: BTreeMap<String, f64>,
    pub dynamics: Dynamics,
    pub data: Law,
    pub prior: Law,
    pub time_settings: TimeSettings,
    pub run: RunSettings,
    pub solvers: Vec<SolverSpec>,
    pub checks: Vec<CheckSpec>,
    pub sample: SampleSettings,
    pub references: Vec<Reference>,
    pub output: OutputSettings,
}

impl Problem {
    pub fn dimension(&self) -> usize {
        self.state.len()
    }
}
