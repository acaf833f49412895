//! A method with its options, every default filled in.

use crate::problem::meant::task::PathFunctional;

/// How derivatives are taken on a grid of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// First order, keeps signs.
    Monotone,
    /// Second order.
    Central,
    Spectral,
}

impl Scheme {
    pub fn name(self) -> &'static str {
        match self {
            Self::Monotone => "monotone",
            Self::Central => "central",
            Self::Spectral => "spectral",
        }
    }
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
    /// Hidden tanh layers of these widths.
    Network { layers: Vec<usize> },
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
            Self::Network { layers } => write!(f, "network of layers {layers:?}"),
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

/// What `action` minimises: a distance between the law of the steered paths `P^u` and the best one `P*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathObjective {
    /// The cost itself, `lambda KL(P^u | P*)` above its least value; gradient through the paths.
    RelativeEntropy,
    /// `Var log dP^u/dP*` on paths that stay.
    LogVariance,
    /// `E (log dP^u/dP* + y)^2` on paths that stay, with `y` unknown.
    Moment,
    /// `KL(P* | P^u)`: regression on the noise of weighted paths.
    CrossEntropy,
    /// Regression on the lean adjoint along paths of the current control.
    AdjointMatching,
    /// Regression on the lean adjoint under the best law, by weighted paths.
    Socm,
}

impl PathObjective {
    pub const ALL: [Self; 6] = [
        Self::RelativeEntropy,
        Self::LogVariance,
        Self::Moment,
        Self::CrossEntropy,
        Self::AdjointMatching,
        Self::Socm,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::RelativeEntropy => "relative-entropy",
            Self::LogVariance => "log-variance",
            Self::Moment => "moment",
            Self::CrossEntropy => "cross-entropy",
            Self::AdjointMatching => "adjoint-matching",
            Self::Socm => "socm",
        }
    }

    /// Whether each iteration is one linear regression.
    pub fn is_regression(self) -> bool {
        matches!(
            self,
            Self::CrossEntropy | Self::AdjointMatching | Self::Socm
        )
    }

    /// Whether it is made of path weights, which exist where there is a temperature.
    pub fn needs_weights(self) -> bool {
        !matches!(self, Self::RelativeEntropy | Self::AdjointMatching)
    }
}

/// How `path-integral` evaluates the sum over paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKernel {
    /// Short-time kernels composed on a grid of states.
    Transfer,
    /// Weighted paths.
    MonteCarlo,
}

/// Coordinates of a polynomial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axes {
    /// The states, each to its own scale.
    States,
    /// Those in which the paths are uncorrelated.
    Principal,
}

impl Axes {
    pub const ALL: [Self; 2] = [Self::Principal, Self::States];

    pub fn name(self) -> &'static str {
        match self {
            Self::States => "states",
            Self::Principal => "principal",
        }
    }
}

/// A sampler that walks in the target density.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Unadjusted Langevin steps.
    Langevin,
    /// Langevin steps with accept and reject.
    Mala,
    /// Hamiltonian Monte Carlo.
    Hmc,
}

/// How the Riccati equation is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RiccatiForm {
    /// Integrated as a differential equation.
    Differential,
    /// Matrix exponentials of the linear equations it is made of.
    Hamiltonian,
}

impl RiccatiForm {
    pub const NAMES: [&'static str; 2] = ["differential", "hamiltonian"];
}

/// A time-stepping scheme for paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepper {
    EulerMaruyama,
    Heun,
    Milstein,
    ExponentialEuler,
}

/// A method with its options; every default is filled in.
#[derive(Clone, Debug, PartialEq)]
pub enum MethodSpec {
    Exact,
    Action {
        objective: PathObjective,
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
        /// None where `scheme` is spectral.
        steps: usize,
        scheme: Scheme,
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
    PathIntegral {
        kernel: PathKernel,
        paths: usize,
        steps: usize,
        /// Grid of composed kernels.
        points: Vec<usize>,
        /// Id of the solver whose policy drives the paths.
        importance: Option<String>,
        /// Most rounds in which a control is fitted to the weighted paths, by polynomials of `degree` that join at most
        /// `interaction` states.
        rounds: usize,
        degree: usize,
        interaction: usize,
    },
    Hjb {
        points: Vec<usize>,
        steps: usize,
        scheme: Scheme,
        tolerance: f64,
        max_iterations: usize,
    },
    Riccati {
        /// One where the form has none.
        relative_tolerance: f64,
        form: RiccatiForm,
    },
    /// One problem per group of coupled states.
    Separable {
        /// Points per state.
        points: Vec<usize>,
        /// None where `scheme` is spectral.
        steps: usize,
        scheme: Scheme,
    },
    /// Ground state, and the last stretch of the horizon.
    LongHorizon {
        /// Points per state.
        points: Vec<usize>,
        /// Of the last stretch.
        steps: usize,
    },
    /// Polynomials of many states, fitted along the paths of their policy.
    Polynomial {
        degree: usize,
        /// Most states that a term joins.
        interaction: usize,
        axes: Axes,
        paths: usize,
        /// Stretches of time with coordinates of their own.
        steps: usize,
        relative_tolerance: f64,
        tolerance: f64,
        max_iterations: usize,
    },
    /// Differential dynamic programming of the noise-free problem.
    Ddp {
        steps: usize,
        tolerance: f64,
        max_iterations: usize,
    },
    Annealed {
        particles: usize,
        steps: usize,
    },
    Walk {
        walk: Walk,
        paths: usize,
        steps: usize,
        step_size: f64,
        warmup: usize,
    },
    /// Closed form of a bridge between Gaussians.
    GaussianBridge,
    Sinkhorn {
        points: Vec<usize>,
        tolerance: f64,
        max_iterations: usize,
    },
    LightBridge {
        /// Gaussian components of the adjusted potential.
        potentials: usize,
        samples: usize,
        tolerance: f64,
        max_iterations: usize,
    },
    /// Iterative proportional fitting of two drifts.
    Ipf {
        field: FieldSpec,
        paths: usize,
        steps: usize,
        tolerance: f64,
        max_iterations: usize,
    },
    /// Minimum action over a fixed time.
    Mam {
        duration: f64,
        functional: PathFunctional,
        images: usize,
        tolerance: f64,
        max_iterations: usize,
    },
    /// Geometric minimum action: the time is free.
    Gmam {
        images: usize,
        tolerance: f64,
        max_iterations: usize,
    },
    /// Relaxation of a string to a path along the drift.
    StringRelaxation {
        images: usize,
        tolerance: f64,
        max_iterations: usize,
    },
    Simulation {
        stepper: Stepper,
        paths: usize,
        steps: usize,
    },
    /// Density on a grid, forward in time.
    Fpk {
        points: Vec<usize>,
        steps: usize,
        scheme: Scheme,
    },
    /// Stationary density.
    Stationary {
        points: Vec<usize>,
    },
    /// Mean time until an event, from the backward equation.
    FirstPassage {
        points: Vec<usize>,
    },
    /// Mean and covariance from their own equations.
    Moments {
        relative_tolerance: f64,
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
                objective,
                field,
                paths,
                steps,
                ..
            } => {
                let objective = match objective {
                    PathObjective::RelativeEntropy => String::new(),
                    other => format!("{}, ", other.name()),
                };
                format!("{objective}{field}, {paths} paths x {steps} steps")
            }
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
            Self::HopfCole {
                points,
                scheme: Scheme::Spectral,
                ..
            }
            | Self::Separable {
                points,
                scheme: Scheme::Spectral,
                ..
            } => {
                let points: Vec<String> = points.iter().map(usize::to_string).collect();
                format!("{} waves", points.join(" + "))
            }
            Self::HopfCole { points, steps, .. } | Self::FokkerPlanck { points, steps } => {
                format!("{} points x {steps} steps", lattice(points))
            }
            Self::Bridge { points, .. }
            | Self::Sinkhorn { points, .. }
            | Self::Stationary { points }
            | Self::FirstPassage { points } => format!("{} points", lattice(points)),
            Self::PathIntegral {
                kernel: PathKernel::Transfer,
                points,
                steps,
                ..
            }
            | Self::Hjb { points, steps, .. }
            | Self::Fpk { points, steps, .. } => {
                format!("{} points x {steps} steps", lattice(points))
            }
            Self::PathIntegral {
                paths,
                steps,
                rounds,
                degree,
                ..
            } if *rounds > 0 => {
                format!("{paths} paths x {steps} steps, up to {rounds} rounds of degree {degree}")
            }
            Self::PathIntegral { paths, steps, .. }
            | Self::Walk { paths, steps, .. }
            | Self::Simulation { paths, steps, .. } => format!("{paths} paths x {steps} steps"),
            Self::Separable { points, steps, .. } | Self::LongHorizon { points, steps } => {
                let points: Vec<String> = points.iter().map(usize::to_string).collect();
                format!("{} points x {steps} steps", points.join(" + "))
            }
            Self::Riccati {
                form: RiccatiForm::Hamiltonian,
                ..
            } => "matrix exponentials".to_owned(),
            Self::Riccati {
                relative_tolerance, ..
            }
            | Self::Moments { relative_tolerance } => {
                format!("relative tolerance {relative_tolerance:e}")
            }
            Self::Polynomial {
                degree,
                interaction,
                paths,
                steps,
                ..
            } => format!(
                "degree {degree}, at most {interaction} states a term, {paths} paths x {steps} steps"
            ),
            Self::Ddp { steps, .. } => format!("{steps} steps"),
            Self::Annealed { particles, steps } => format!("{particles} particles x {steps} steps"),
            Self::GaussianBridge => "closed form".to_owned(),
            Self::LightBridge {
                potentials,
                samples,
                ..
            } => format!("{potentials} Gaussians, {samples} samples"),
            Self::Ipf {
                field,
                paths,
                steps,
                ..
            } => format!("{field}, {paths} paths x {steps} steps"),
            Self::Mam {
                duration, images, ..
            } => format!("{images} images over {duration}"),
            Self::Gmam { images, .. } | Self::StringRelaxation { images, .. } => {
                format!("{images} images")
            }
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
            Self::PathIntegral { .. } => "path-integral",
            Self::Hjb { .. } => "hjb",
            Self::Riccati { .. } => "riccati",
            Self::Separable { .. } => "separable",
            Self::LongHorizon { .. } => "long-horizon",
            Self::Polynomial { .. } => "polynomial",
            Self::Ddp { .. } => "ddp",
            Self::Annealed { .. } => "annealed",
            Self::Walk { walk, .. } => match walk {
                Walk::Langevin => "langevin",
                Walk::Mala => "mala",
                Walk::Hmc => "hmc",
            },
            Self::GaussianBridge => "gaussian",
            Self::Sinkhorn { .. } => "sinkhorn",
            Self::LightBridge { .. } => "light-bridge",
            Self::Ipf { .. } => "ipf",
            Self::Mam { .. } => "mam",
            Self::Gmam { .. } => "gmam",
            Self::StringRelaxation { .. } => "string",
            Self::Simulation { stepper, .. } => match stepper {
                Stepper::EulerMaruyama => "euler-maruyama",
                Stepper::Heun => "heun",
                Stepper::Milstein => "milstein",
                Stepper::ExponentialEuler => "exponential-euler",
            },
            Self::Fpk { .. } => "fpk",
            Self::Stationary { .. } => "stationary",
            Self::FirstPassage { .. } => "first-passage",
            Self::Moments { .. } => "moments",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct SolverSpec {
    pub id: String,
    pub method: MethodSpec,
}
