//! The validated problem: what the user means. Nothing in it can be malformed.

use crate::expr::{Expr, Graph, Value};
use crate::problem::meant::claim::{IdentitySpec, Sweep, Typed};
use crate::problem::meant::grid::GridSettings;
use crate::problem::meant::law::Law;
use crate::problem::meant::named::Named;
use crate::problem::meant::setup::Setup;
use crate::problem::meant::solver::SolverSpec;
use crate::problem::meant::task::{Kind, Reverse, Task};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

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
    /// Overdamped motion in a potential, `dX = -grad U dt + sqrt(2 temperature) dW`.
    Langevin { potential: Expr, temperature: f64 },
    /// Positions and velocities, `dq = v dt`,
    /// `dv = -(grad U(q)/mass + friction v) dt + sqrt(2 friction temperature/mass) dW`; the first half of the
    /// state are the positions.
    Underdamped {
        potential: Expr,
        temperature: f64,
        mass: f64,
        friction: f64,
    },
}

impl Preset {
    /// Whether the drift is affine in the state and the noise free of it.
    pub fn is_affine(&self) -> bool {
        !matches!(self, Self::Langevin { .. } | Self::Underdamped { .. })
    }
}

/// What happens at the edge of the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// The process never gets there, or the domain is cut where it hardly does.
    Natural,
    Reflect,
    Absorb,
    Periodic,
}

impl Named for Boundary {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("natural", Self::Natural),
        ("reflect", Self::Reflect),
        ("absorb", Self::Absorb),
        ("periodic", Self::Periodic),
    ];
}

/// How the noise integral is read when the diffusion depends on the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calculus {
    Ito,
    Stratonovich,
    Klimontovich,
}

impl Named for Calculus {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("ito", Self::Ito),
        ("stratonovich", Self::Stratonovich),
        ("klimontovich", Self::Klimontovich),
    ];
}

/// The process, symbolically. `drift` is always the Itô drift; in kind `control` it contains the control.
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
    /// One per state.
    pub boundary: Vec<Boundary>,
}

impl Dynamics {
    /// Whether the noise is free of the state.
    pub fn is_additive(&self, graph: &Graph, state: &[Expr]) -> bool {
        let mut entries = self.diffusion.iter().flatten();
        !entries.any(|entry| graph.depends_on_any(*entry, state))
    }
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
    /// Time over which paths are walked: all of the horizon where that ends.
    pub window: f64,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Fail,
    Warn,
}

impl Named for Severity {
    const NAMES: &'static [(&'static str, Self)] = &[("fail", Self::Fail), ("warn", Self::Warn)];
}

/// What a check compares an answer with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    /// The answer of the solver with this id.
    Solver(String),
    /// A `[reference.*]` number.
    Reference,
    /// The closed form.
    Exact,
}

/// A check with its settings; `None` means the check's own default.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckSpec {
    pub id: String,
    pub check: String,
    /// Solver ids it applies to; empty: all it can.
    pub on: Vec<String>,
    /// What the answer is compared with, where the file says so.
    pub against: Option<Against>,
    pub tolerance: Option<f64>,
    pub relative_tolerance: Option<f64>,
    /// Standard errors.
    pub confidence: f64,
    pub samples: Option<usize>,
    /// Expected order of convergence.
    pub order: Option<f64>,
    /// Refinements.
    pub levels: Option<usize>,
    /// End time of the check, if before the horizon.
    pub until: Option<f64>,
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

impl Named for Integrator {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("euler-maruyama", Self::EulerMaruyama),
        ("heun", Self::Heun),
        ("exponential-euler", Self::ExponentialEuler),
        ("ddpm", Self::Ddpm),
    ];
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
    /// Control symbols, laid out like the state; empty except in kind `control`.
    pub control: Vec<Expr>,
    pub control_names: Vec<String>,
    /// Bounds of each control, possibly infinite on one side.
    pub control_bounds: Option<Vec<(f64, f64)>>,
    /// Named numbers, already substituted in the expressions.
    pub parameters: BTreeMap<String, f64>,
    /// `[define]`, entries without arguments: what each name stands for.
    pub definitions: BTreeMap<String, Value>,
    /// `[units]`, as typed.
    pub units: Vec<(String, Typed)>,
    pub dynamics: Dynamics,
    /// Affine drift and noise free of the state, as far as the coefficients show it.
    pub affine: bool,
    /// What is asked, with the laws, costs and ends that belong to it.
    pub task: Task,
    pub observe: Vec<(String, Expr)>,
    pub time_settings: TimeSettings,
    pub grid: GridSettings,
    pub run: RunSettings,
    pub solvers: Vec<SolverSpec>,
    /// The file leaves the choice of solvers to the structure of the problem; `solvers` is empty where the
    /// derivation has to find it.
    pub automatic: bool,
    pub checks: Vec<CheckSpec>,
    pub sample: SampleSettings,
    pub identities: Vec<IdentitySpec>,
    pub sweep: Option<Sweep>,
    pub references: Vec<Reference>,
    pub output: OutputSettings,
    /// Where expressions stand in the source, by key: `dynamics.drift[0]`, `dynamics.diffusion`,
    /// `cost.running`, `cost.terminal`, `define.U`.
    pub places: BTreeMap<String, Range<usize>>,
}

impl Problem {
    pub fn dimension(&self) -> usize {
        self.state.len()
    }

    pub fn kind(&self) -> Kind {
        self.task.kind()
    }

    /// What the defaults of options depend on.
    pub fn setup(&self) -> Setup<'_> {
        let law = self.task.start_law();
        Setup {
            kind: self.kind(),
            dimension: self.dimension(),
            components: law.and_then(Law::mixture).map(|m| m.components()),
            affine: self.affine,
            additive: self.dynamics.is_additive(&self.graph, &self.state),
            grid: &self.grid,
            endless: self.is_endless(),
            steps: self.time_settings.steps,
            paths: self.run.paths,
            path: self.task.path(),
        }
    }

    /// Whether the horizon has no end: the best policy is then the same at all times.
    pub fn is_endless(&self) -> bool {
        self.dynamics.horizon.1.is_infinite()
    }

    /// Times over which paths are walked: the horizon, or the first `time.window` of one without an end.
    pub fn window(&self) -> (f64, f64) {
        match self.dynamics.horizon {
            (start, end) if end.is_infinite() => (start, start + self.time_settings.window),
            whole => whole,
        }
    }

    /// The laws of a problem of kind `reverse`.
    pub fn reverse(&self) -> Option<&Reverse> {
        self.task.reverse()
    }
}
