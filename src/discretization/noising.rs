//! The noising process with numbers in it: drift, noise and, where it is Gaussian, its transition law.

use crate::discretization::matrix_field::MatrixField;
use crate::discretization::schedule::Schedule;
use crate::expr::{CompileError, Expr, Graph, Kernel};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::dense::{linear_transition, symmetric_part};
use crate::problem::meant::law::Covariance;
use crate::problem::meant::model::{Preset, Problem};
use nalgebra::{DMatrix, DVector};

/// Why a noising process could not be turned into numbers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoisingError {
    #[error(
        "the diffusion depends on the state (entry [{row}][{column}]), and the method needs noise free of it"
    )]
    StateDependentNoise { row: usize, column: usize },
    #[error("the dynamics could not be compiled: {0}")]
    Compile(#[from] CompileError),
}

/// The diffusion matrix G at one time.
#[derive(Clone, Debug, PartialEq)]
pub enum Noise {
    /// `g I`, as many noises as states.
    Isotropic(f64),
    /// States × noises.
    Matrix(DMatrix<f64>),
}

impl Noise {
    /// `D = G Gᵀ`.
    pub fn diffusivity(&self, dimension: usize) -> DMatrix<f64> {
        match self {
            Self::Isotropic(g) => DMatrix::identity(dimension, dimension) * (g * g),
            Self::Matrix(g) => g * g.transpose(),
        }
    }

    /// `out += scale · G z` for a block of noise vectors (points × noises).
    pub fn add_times(&self, scale: f64, z: BatchRef<'_>, mut out: BatchMut<'_>) {
        match self {
            Self::Isotropic(g) => {
                for j in 0..out.columns() {
                    for (o, z) in out.column_mut(j).iter_mut().zip(z.column(j)) {
                        *o += scale * g * z;
                    }
                }
            }
            Self::Matrix(g) => {
                for i in 0..g.nrows() {
                    for j in 0..g.ncols() {
                        let factor = scale * g[(i, j)];
                        if factor != 0.0 {
                            for (o, z) in out.column_mut(i).iter_mut().zip(z.column(j)) {
                                *o += factor * z;
                            }
                        }
                    }
                }
            }
        }
    }

    /// `out = Gᵀ s`: a score (points × states) turned into the control (points × noises).
    pub fn control(&self, score: BatchRef<'_>, mut out: BatchMut<'_>) {
        match self {
            Self::Isotropic(g) => {
                for j in 0..out.columns() {
                    for (o, s) in out.column_mut(j).iter_mut().zip(score.column(j)) {
                        *o = g * s;
                    }
                }
            }
            Self::Matrix(g) => {
                out.fill(0.0);
                for i in 0..g.nrows() {
                    for j in 0..g.ncols() {
                        let factor = g[(i, j)];
                        for (o, s) in out.column_mut(j).iter_mut().zip(score.column(i)) {
                            *o += factor * s;
                        }
                    }
                }
            }
        }
    }

    /// `out += scale · D s` for a block of scores.
    pub fn add_diffusivity_times(&self, scale: f64, score: BatchRef<'_>, mut out: BatchMut<'_>) {
        match self {
            Self::Isotropic(g) => {
                for j in 0..out.columns() {
                    for (o, s) in out.column_mut(j).iter_mut().zip(score.column(j)) {
                        *o += scale * g * g * s;
                    }
                }
            }
            Self::Matrix(g) => {
                let mut control = Batch::zeros(score.points(), g.ncols());
                self.control(score, control.as_mut());
                self.add_times(scale, control.as_ref(), out);
            }
        }
    }
}

/// The mean map of a Gaussian transition.
#[derive(Clone, Debug, PartialEq)]
pub enum MeanMap {
    Scalar(f64),
    Matrix(DMatrix<f64>),
}

impl MeanMap {
    /// All entries, `dimension` by `dimension`.
    pub fn dense(&self, dimension: usize) -> DMatrix<f64> {
        match self {
            Self::Scalar(a) => DMatrix::identity(dimension, dimension) * *a,
            Self::Matrix(a) => a.clone(),
        }
    }
}

/// `X_t | X_s = x  ~  N(factor x + shift, covariance)`.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianKernel {
    pub factor: MeanMap,
    pub shift: Vec<f64>,
    pub covariance: Covariance,
}

impl GaussianKernel {
    /// Mean of the transition from one point.
    pub fn mean(&self, x: &[f64]) -> Vec<f64> {
        match &self.factor {
            MeanMap::Scalar(a) => x.iter().zip(&self.shift).map(|(x, c)| a * x + c).collect(),
            MeanMap::Matrix(a) => (a * DVector::from_column_slice(x))
                .iter()
                .zip(&self.shift)
                .map(|(x, c)| x + c)
                .collect(),
        }
    }
}

/// `A`, `a` (one column) and `D` of affine noising, free of the state.
#[derive(Clone, Debug)]
pub struct Coefficients([MatrixField; 3]);

impl Coefficients {
    fn at(&self, t: f64) -> [DMatrix<f64>; 3] {
        self.0.each_ref().map(|matrix| matrix.at(t, &[]))
    }
}

/// Gaussian transition laws of affine noising.
#[derive(Clone, Debug)]
pub enum Transition {
    /// Linear isotropic noising around a centre.
    Isotropic {
        schedule: Schedule,
        centre: Vec<f64>,
    },
    /// `dX = (A X + a) dt + G dW`, all constant.
    Linear {
        matrix: DMatrix<f64>,
        shift: DVector<f64>,
        diffusivity: DMatrix<f64>,
    },
    /// The same with coefficients that depend on time.
    TimeDependent(Box<Coefficients>),
}

impl Transition {
    /// The law of `X_t` given `X_s`, t ≥ s.
    pub fn between(&self, s: f64, t: f64) -> GaussianKernel {
        match self {
            Self::Isotropic { schedule, centre } => {
                let factor = schedule.mean_factor(s, t);
                GaussianKernel {
                    factor: MeanMap::Scalar(factor),
                    shift: centre.iter().map(|c| (1.0 - factor) * c).collect(),
                    covariance: Covariance::Isotropic(schedule.noise_variance(s, t)),
                }
            }
            Self::Linear {
                matrix,
                shift,
                diffusivity,
            } => constant_kernel(matrix, shift, diffusivity, t - s),
            Self::TimeDependent(coefficients) => moments(coefficients, s, t),
        }
    }
}

/// The transition of a constant linear drift, in the form of this module.
fn constant_kernel(
    matrix: &DMatrix<f64>,
    shift: &DVector<f64>,
    diffusivity: &DMatrix<f64>,
    t: f64,
) -> GaussianKernel {
    let law = linear_transition(matrix, shift, diffusivity, t);
    GaussianKernel {
        factor: MeanMap::Matrix(law.map),
        shift: law.shift.iter().copied().collect(),
        covariance: Covariance::full(&symmetric_part(&law.covariance)),
    }
}

/// Steps of the coarse Runge–Kutta pass over one transition.
const MOMENT_STEPS: usize = 64;

/// `Φ' = A Φ`, `m' = A m + a`, `C' = A C + C Aᵀ + D`: classical Runge–Kutta at two step sizes,
/// extrapolated (order 5).
fn moments(coefficients: &Coefficients, s: f64, t: f64) -> GaussianKernel {
    let coarse = integrate_moments(coefficients, s, t, MOMENT_STEPS);
    let fine = integrate_moments(coefficients, s, t, 2 * MOMENT_STEPS);
    let [factor, shift, covariance] = [0, 1, 2].map(|i| &fine[i] + (&fine[i] - &coarse[i]) / 15.0);
    GaussianKernel {
        factor: MeanMap::Matrix(factor),
        shift: shift.iter().copied().collect(),
        covariance: Covariance::full(&symmetric_part(&covariance)),
    }
}

fn integrate_moments(
    coefficients: &Coefficients,
    s: f64,
    t: f64,
    steps: usize,
) -> [DMatrix<f64>; 3] {
    let d = coefficients.0[0].rows();
    let slope = |time: f64, y: &[DMatrix<f64>; 3]| {
        let [a, shift, diffusivity] = coefficients.at(time);
        [
            &a * &y[0],
            &a * &y[1] + shift,
            &a * &y[2] + &y[2] * a.transpose() + diffusivity,
        ]
    };
    let step_along =
        |y: &[DMatrix<f64>; 3], k: &[DMatrix<f64>; 3], h: f64| [0, 1, 2].map(|i| &y[i] + &k[i] * h);
    let h = (t - s) / steps as f64;
    let mut y = [
        DMatrix::identity(d, d),
        DMatrix::zeros(d, 1),
        DMatrix::zeros(d, d),
    ];
    for n in 0..steps {
        let time = s + n as f64 * h;
        let k1 = slope(time, &y);
        let k2 = slope(time + 0.5 * h, &step_along(&y, &k1, 0.5 * h));
        let k3 = slope(time + 0.5 * h, &step_along(&y, &k2, 0.5 * h));
        let k4 = slope(time + h, &step_along(&y, &k3, h));
        y = [0, 1, 2].map(|i| &y[i] + (&k1[i] + (&k2[i] + &k3[i]) * 2.0 + &k4[i]) * (h / 6.0));
    }
    y
}

#[derive(Clone, Debug)]
enum DriftForm {
    /// `-r(t) (x - c)`.
    Decay,
    /// `A x + a`, constant.
    Affine,
    /// Compiled expressions: the drift and its divergence.
    Compiled { drift: Kernel, divergence: Kernel },
}

#[derive(Clone, Debug)]
enum NoiseForm {
    Schedule,
    Compiled(MatrixField),
}

/// `dX = f(X,t) dt + G(t) dW` on `[start, end]`, with numbers in it.
#[derive(Clone, Debug)]
pub struct Noising {
    dimension: usize,
    start: f64,
    end: f64,
    drift: DriftForm,
    noise: NoiseForm,
    transition: Option<Transition>,
}

impl Noising {
    /// Linear isotropic noising around the origin.
    pub fn isotropic(schedule: Schedule, dimension: usize, start: f64, end: f64) -> Self {
        Self {
            dimension,
            start,
            end,
            drift: DriftForm::Decay,
            noise: NoiseForm::Schedule,
            transition: Some(Transition::Isotropic {
                schedule,
                centre: vec![0.0; dimension],
            }),
        }
    }

    /// The noising process of a validated problem.
    pub fn new(problem: &Problem) -> Result<Self, NoisingError> {
        let (start, end) = problem.dynamics.horizon;
        let dimension = problem.dimension();
        if let Some(preset) = &problem.dynamics.preset
            && let Some(schedule) = Schedule::new(preset, end, &problem.graph, problem.time)?
        {
            let mut noising = Self::isotropic(schedule, dimension, start, end);
            if let (
                Preset::OrnsteinUhlenbeck { mean, .. },
                Some(Transition::Isotropic { centre, .. }),
            ) = (preset, &mut noising.transition)
            {
                centre.clone_from(mean);
            }
            return Ok(noising);
        }
        Self::compiled(problem)
    }

    fn compiled(problem: &Problem) -> Result<Self, NoisingError> {
        let dynamics = &problem.dynamics;
        let mut graph: Graph = problem.graph.clone();
        let (time, state) = (problem.time, &problem.state);
        for (row, entries) in dynamics.diffusion.iter().enumerate() {
            for (column, entry) in entries.iter().enumerate() {
                if state.iter().any(|x| graph.depends_on(*entry, *x)) {
                    return Err(NoisingError::StateDependentNoise { row, column });
                }
            }
        }
        let noise = MatrixField::new(&graph, &dynamics.diffusion, time, &[])?;
        let jacobian: Vec<Vec<_>> = dynamics
            .drift
            .iter()
            .map(|f| graph.gradient(*f, state))
            .collect();
        let d = state.len();
        let diagonal: Vec<_> = (0..d).map(|i| jacobian[i][i]).collect();
        let divergence = graph.add(&diagonal);
        let drift = DriftForm::Compiled {
            drift: Kernel::compile(&graph, &dynamics.drift, time, state)?,
            divergence: Kernel::compile(&graph, &[divergence], time, state)?,
        };
        let mut noising = Self {
            dimension: d,
            start: dynamics.horizon.0,
            end: dynamics.horizon.1,
            drift,
            noise: NoiseForm::Compiled(noise),
            transition: None,
        };
        noising.transition = affine_transition(problem, &mut graph)?;
        if let Some(Transition::Linear { .. }) = noising.transition {
            noising.drift = DriftForm::Affine;
        }
        Ok(noising)
    }

    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of independent noises, the columns of G.
    pub fn noises(&self) -> usize {
        match &self.noise {
            NoiseForm::Schedule => self.dimension,
            NoiseForm::Compiled(noise) => noise.columns(),
        }
    }

    /// Start of the horizon, where the data live.
    pub fn start(&self) -> f64 {
        self.start
    }

    /// End of the horizon.
    pub fn end(&self) -> f64 {
        self.end
    }

    /// The Gaussian transition law, when the drift is affine.
    pub fn transition(&self) -> Option<&Transition> {
        self.transition.as_ref()
    }

    /// The law of `X_t` given the data point, when the drift is affine.
    pub fn kernel(&self, t: f64) -> Option<GaussianKernel> {
        self.transition.as_ref().map(|p| p.between(self.start, t))
    }

    /// The isotropic schedule, when there is one.
    pub fn schedule(&self) -> Option<&Schedule> {
        match &self.transition {
            Some(Transition::Isotropic { schedule, .. }) => Some(schedule),
            _ => None,
        }
    }

    /// The state an isotropic schedule contracts towards.
    pub fn rest(&self) -> Option<&[f64]> {
        match &self.transition {
            Some(Transition::Isotropic { centre, .. }) => Some(centre),
            _ => None,
        }
    }

    /// `out = f(x, t)`.
    pub fn drift(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        match (&self.drift, &self.transition) {
            (DriftForm::Decay, Some(Transition::Isotropic { schedule, centre })) => {
                let rate = schedule.decay_rate(t);
                for (j, centre) in centre.iter().enumerate() {
                    for (o, x) in out.column_mut(j).iter_mut().zip(x.column(j)) {
                        *o = -rate * (x - centre);
                    }
                }
            }
            (DriftForm::Affine, Some(Transition::Linear { matrix, shift, .. })) => {
                for i in 0..self.dimension {
                    let column = out.column_mut(i);
                    column.fill(shift[i]);
                    for j in 0..self.dimension {
                        for (o, x) in column.iter_mut().zip(x.column(j)) {
                            *o += matrix[(i, j)] * x;
                        }
                    }
                }
            }
            (DriftForm::Compiled { drift, .. }, _) => drift.eval(t, x, out),
            _ => unreachable!("decay and affine drifts carry their transition"),
        }
    }

    /// `out = ∇·f(x, t)`, per unit time.
    pub fn drift_divergence(&self, t: f64, x: BatchRef<'_>, out: &mut [f64]) {
        match (&self.drift, &self.transition) {
            (DriftForm::Decay, Some(Transition::Isotropic { schedule, .. })) => {
                out.fill(-schedule.decay_rate(t) * self.dimension as f64);
            }
            (DriftForm::Affine, Some(Transition::Linear { matrix, .. })) => {
                out.fill(matrix.trace());
            }
            (DriftForm::Compiled { divergence, .. }, _) => {
                let points = x.points();
                divergence.eval(t, x, BatchMut::new(out, points, 1, points));
            }
            _ => unreachable!("decay and affine drifts carry their transition"),
        }
    }

    /// G(t).
    pub fn noise(&self, t: f64) -> Noise {
        match (&self.noise, &self.transition) {
            (NoiseForm::Schedule, Some(Transition::Isotropic { schedule, .. })) => {
                Noise::Isotropic(schedule.diffusivity(t).sqrt())
            }
            (NoiseForm::Compiled(noise), _) => isotropic_or_matrix(noise.at(t, &[])),
            _ => unreachable!("scheduled noise carries its schedule"),
        }
    }
}

fn isotropic_or_matrix(matrix: DMatrix<f64>) -> Noise {
    let g = matrix[(0, 0)];
    let square = matrix.nrows() == matrix.ncols();
    if square && matrix == DMatrix::identity(matrix.nrows(), matrix.ncols()) * g {
        Noise::Isotropic(g)
    } else {
        Noise::Matrix(matrix)
    }
}

/// The transition of a drift that is proved affine in the state; `None` otherwise.
fn affine_transition(
    problem: &Problem,
    graph: &mut Graph,
) -> Result<Option<Transition>, CompileError> {
    let (mut matrix, mut shift) = (Vec::new(), Vec::new());
    for f in &problem.dynamics.drift {
        let Some((coefficients, constant)) = graph.affine_coefficients(*f, &problem.state) else {
            return Ok(None);
        };
        matrix.push(coefficients);
        shift.push(vec![constant]);
    }
    let noise = &problem.dynamics.diffusion;
    let mut product = |a: &[Expr], b: &[Expr]| {
        let terms = a.iter().zip(b).map(|(a, b)| graph.mul(&[*a, *b]));
        let terms: Vec<Expr> = terms.collect();
        graph.add(&terms)
    };
    let diffusivity: Vec<Vec<Expr>> = noise
        .iter()
        .map(|a| noise.iter().map(|b| product(a, b)).collect())
        .collect();
    let field = |m: &[Vec<Expr>]| MatrixField::new(graph, m, problem.time, &[]);
    let fields = [field(&matrix)?, field(&shift)?, field(&diffusivity)?];
    let is_constant = fields.iter().all(MatrixField::is_constant);
    let coefficients = Coefficients(fields);
    if !is_constant {
        return Ok(Some(Transition::TimeDependent(Box::new(coefficients))));
    }
    let [matrix, shift, diffusivity] = coefficients.at(0.0);
    Ok(Some(Transition::Linear {
        matrix,
        shift: shift.column(0).into_owned(),
        diffusivity,
    }))
}
