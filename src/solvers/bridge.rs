//! Schrödinger bridge between the data law and the start law of the reverse process, with the noising
//! process as reference: Sinkhorn in the log domain with the exact Gaussian transition kernel.
//!
//! ```text
//! phi_0(x) = ∫ p(y,T|x,0) phi_T(y) dy,     hat phi_0 phi_0 = mu_0,     hat phi_T phi_T = pi
//! reverse drift  -f + D grad log hat phi,  so the control is G' grad log hat phi
//! ```
//!
//! `log phi_T` lives on a grid over the start law (trapezoid weights). On the data side `log phi_0` is
//! smooth on the scale of a mixture component, so it is expanded to second order about each mean; the
//! product `mu_0 / phi_0` is then again a Gaussian mixture, and `hat phi_t` is its noised law in closed
//! form at every t, however narrow the data. Expansion error: third derivatives of `log phi_0` over one
//! component, of order `(alpha_T / sigma_T)^3` times its width cubed; zero for point masses.
//!
//! # Assumes
//! Affine drift, one or two states, a data law that is a mixture or a table.
//!
//! # Cost
//! One kernel evaluation per component and grid point and iteration.
//!
//! # Source
//! Chen, Georgiou, Pavon, *Stochastic control liaisons* (2021), section 6, for the system; Cuturi (2013)
//! and Peyré, Cuturi (2019), section 4.4, for the iteration in the log domain.
//!
//! # Checked by
//! `hjb-residual` and `hopf-cole` (`hat phi` solves Fokker–Planck); the Gaussian closed form in the tests.

use crate::discretization::noising::{GaussianKernel, MeanMap};
use crate::field::LogDensity;
use crate::field::noised_mixture::{MixtureAt, NoisedMixture};
use crate::numeric::batch::Batch;
use crate::numeric::blocks::{block, map_blocks, pairwise_sum};
use crate::numeric::log_sum_exp::log_sum_exp;
use crate::numeric::random::Streams;
use crate::problem::law::{Covariance, Mixture};
use crate::problem::model::MethodSpec;
use crate::solvers::{
    ControlProblem, HistoryEntry, Method, Outcome, Progress, Refusal, SolveError, StopReason, Work,
};
use nalgebra::{DMatrix, DVector};

/// Half width of the grid in standard deviations of the start law and of the noised data law; a Gaussian
/// has 3e-12 of its mass beyond.
const HALF_WIDTH: f64 = 7.0;

/// The method's options.
#[derive(Clone, Debug, PartialEq)]
pub struct Bridge {
    /// Grid points per axis.
    pub points: Vec<usize>,
    /// Total variation of the start marginal at which the iteration ends.
    pub tolerance: f64,
    pub max_iterations: usize,
}

impl Bridge {
    /// From the problem file's options; `None` for another method's.
    pub fn new(spec: &MethodSpec) -> Option<Self> {
        match spec {
            MethodSpec::Bridge {
                points,
                tolerance,
                max_iterations,
            } => Some(Self {
                points: points.clone(),
                tolerance: *tolerance,
                max_iterations: *max_iterations,
            }),
            _ => None,
        }
    }
}

/// What admission proved: the data law as a mixture, and its transition to the end.
pub struct Admitted {
    law: NoisedMixture,
    kernel: GaussianKernel,
}

/// An iteration in progress.
pub struct State {
    law: NoisedMixture,
    kernel: GaussianKernel,
    precision: DMatrix<f64>,
    log_normalizer: f64,
    nodes: Batch,
    cell: f64,
    log_start: Vec<f64>,
    /// `log phi_T` at the nodes.
    potential: Vec<f64>,
    /// `hat phi_0`, normalised, and the logarithm of its mass.
    tilted: Mixture,
    log_mass: f64,
    /// `−E_{mu_0} log phi_0` in the expansion.
    data_term: f64,
    measured: f64,
    iterations: usize,
    /// Start of the horizon.
    begin: f64,
    history: Vec<HistoryEntry>,
}

/// `−log phi_0` to second order about one mean.
struct Expansion {
    value: f64,
    gradient: DVector<f64>,
    hessian: DMatrix<f64>,
}

fn matrix(covariance: &Covariance, d: usize) -> DMatrix<f64> {
    DMatrix::from_fn(d, d, |i, j| covariance.entry(i, j))
}

/// Anisotropy below this is rounding and grid error, not structure.
const ISOTROPIC: f64 = 1e-9;

/// The symmetric part, as a multiple of the identity where it is one.
fn cheapest(matrix: &DMatrix<f64>) -> Covariance {
    let d = matrix.nrows();
    let mean = matrix.trace() / d as f64;
    let away = (matrix - DMatrix::identity(d, d) * mean).amax();
    if away <= ISOTROPIC * mean {
        return Covariance::Isotropic(mean);
    }
    let symmetric = 0.5 * (matrix + matrix.transpose());
    Covariance::Full(
        symmetric
            .row_iter()
            .map(|row| row.iter().copied().collect())
            .collect(),
    )
}

fn factor(kernel: &GaussianKernel) -> DMatrix<f64> {
    let d = kernel.shift.len();
    match &kernel.factor {
        MeanMap::Scalar(a) => DMatrix::identity(d, d) * *a,
        MeanMap::Matrix(a) => a.clone(),
    }
}

/// A tensor grid over both laws, and the volume of one cell.
fn grid(laws: [&Mixture; 2], points: &[usize]) -> (Batch, f64) {
    let d = laws[0].dimension();
    let bounds: Vec<(f64, f64)> = (0..d)
        .map(|j| {
            let ends = laws.map(|law| {
                let (mean, spread) = (law.mean()[j], HALF_WIDTH * law.covariance()[j][j].sqrt());
                (mean - spread, mean + spread)
            });
            (ends[0].0.min(ends[1].0), ends[0].1.max(ends[1].1))
        })
        .collect();
    let steps: Vec<f64> = bounds
        .iter()
        .zip(points)
        .map(|((low, high), n)| (high - low) / (*n as f64 - 1.0))
        .collect();
    let total = points.iter().product();
    let mut nodes = Batch::zeros(total, d);
    for j in 0..d {
        let stride: usize = points[j + 1..].iter().product();
        for (i, x) in nodes.column_mut(j).iter_mut().enumerate() {
            *x = bounds[j].0 + steps[j] * ((i / stride) % points[j]) as f64;
        }
    }
    (nodes, steps.iter().product())
}

impl State {
    /// `−log phi_0` about a mean: moments of the nodes under `p(y|m) phi_T(y)`.
    fn expand(&self, mean: &[f64]) -> Expansion {
        let d = mean.len();
        let centre = self.kernel.mean(mean);
        let mut terms = self.potential.clone();
        for i in 0..d {
            for j in 0..d {
                let weight = -0.5 * self.precision[(i, j)];
                let columns = self.nodes.column(i).iter().zip(self.nodes.column(j));
                for (term, (y, z)) in terms.iter_mut().zip(columns) {
                    *term += weight * (y - centre[i]) * (z - centre[j]);
                }
            }
        }
        let log_sum = log_sum_exp(&terms);
        let mut shift = DVector::zeros(d);
        let mut second = DMatrix::zeros(d, d);
        for (n, term) in terms.iter().enumerate() {
            let r = (term - log_sum).exp();
            if r == 0.0 {
                continue;
            }
            for i in 0..d {
                let y = self.nodes.get(n, i) - centre[i];
                shift[i] += r * y;
                for j in 0..d {
                    second[(i, j)] += r * y * (self.nodes.get(n, j) - centre[j]);
                }
            }
        }
        let spread = second - &shift * shift.transpose();
        let pull = factor(&self.kernel).transpose() * &self.precision;
        Expansion {
            value: -(log_sum + self.log_normalizer + self.cell.ln()),
            gradient: -(&pull * shift),
            hessian: &pull * factor(&self.kernel) - &pull * spread * pull.transpose(),
        }
    }

    /// `hat phi_0 = mu_0 / phi_0` as a mixture: `N(m, S) exp(g·δ + ½ δ·H δ)` is a Gaussian with
    /// covariance `S (I − H S)⁻¹` and mean `m + S (I − H S)⁻¹ g`.
    fn tilt(&mut self) -> Result<(), SolveError> {
        let law = self.law.mixture();
        let d = law.dimension();
        let expansions = map_blocks(law.components(), 1, |k| self.expand(&law.means[k.start]));
        let mut log_weights = Vec::with_capacity(law.components());
        let mut means = Vec::with_capacity(law.components());
        let mut covariances = Vec::with_capacity(law.components());
        let mut data_terms = Vec::with_capacity(law.components());
        for (k, e) in expansions.iter().enumerate() {
            let s = matrix(&law.covariances[k], d);
            let damping = DMatrix::identity(d, d) - &e.hessian * &s;
            let determinant = damping.determinant();
            let (Some(inverse), true) = (damping.try_inverse(), determinant > 0.0) else {
                return Err(SolveError::Singular {
                    system: "data-side tilt of the bridge",
                    pivot: determinant,
                    suggestion:
                        "a longer horizon or stronger noise, so that the end forgets the start"
                            .to_owned(),
                });
            };
            let tilted = &s * inverse;
            let step = &tilted * &e.gradient;
            log_weights.push(
                law.weights[k].ln() + e.value + 0.5 * e.gradient.dot(&step)
                    - 0.5 * determinant.ln(),
            );
            means.push(
                law.means[k]
                    .iter()
                    .zip(step.iter())
                    .map(|(m, s)| m + s)
                    .collect(),
            );
            covariances.push(cheapest(&tilted));
            data_terms.push(law.weights[k] * (e.value + 0.5 * (&e.hessian * &s).trace()));
        }
        self.log_mass = log_sum_exp(&log_weights);
        self.data_term = pairwise_sum(&data_terms);
        self.tilted = Mixture {
            weights: log_weights
                .iter()
                .map(|l| (l - self.log_mass).exp())
                .collect(),
            means,
            covariances,
        };
        Ok(())
    }

    fn solution(&self) -> NoisedMixture {
        NoisedMixture::new(
            self.tilted.clone(),
            self.law.transition().clone(),
            self.begin,
        )
    }
}

impl Method for Bridge {
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, problem: &ControlProblem) -> Result<Admitted, Refusal> {
        let refuse = |reason: String, accepted: &str| Refusal {
            method: "bridge",
            reason,
            accepted: accepted.to_owned(),
        };
        let states = problem.noising.dimension();
        if states > 2 {
            return Err(refuse(
                format!("its grid would have {states} axes"),
                "one or two states",
            ));
        }
        let Some(kernel) = problem.noising.kernel(problem.noising.end()) else {
            return Err(refuse(
                "the drift is not affine, so the transition kernel is not Gaussian".to_owned(),
                "an affine drift",
            ));
        };
        match &problem.exact {
            Some(law) => Ok(Admitted {
                law: law.clone(),
                kernel,
            }),
            None => Err(refuse(
                format!("the data law is a {}", problem.data.family()),
                "family gaussian, mixture, samples or curve",
            )),
        }
    }

    fn start(
        &self,
        problem: &ControlProblem,
        admitted: Admitted,
        _: &Streams,
    ) -> Result<State, SolveError> {
        let Admitted { law, kernel } = admitted;
        let d = law.mixture().dimension();
        let covariance = matrix(&kernel.covariance, d);
        let determinant = covariance.determinant();
        let Some(precision) = covariance.try_inverse() else {
            return Err(SolveError::Singular {
                system: "transition covariance",
                pivot: determinant,
                suggestion: "noise in every state".to_owned(),
            });
        };
        let end = law.mixture_at(problem.noising.end());
        let (nodes, cell) = grid([&problem.prior, &end], &self.points);
        let start_law = MixtureAt::new(&problem.prior);
        let mut log_start = vec![0.0; nodes.points()];
        start_law.log_density(nodes.as_ref(), &mut log_start);
        Ok(State {
            potential: vec![0.0; nodes.points()],
            log_normalizer: -0.5 * (determinant.ln() + d as f64 * std::f64::consts::TAU.ln()),
            tilted: law.mixture().clone(),
            law,
            kernel,
            precision,
            nodes,
            cell,
            log_start,
            log_mass: 0.0,
            data_term: 0.0,
            measured: f64::INFINITY,
            iterations: 0,
            begin: problem.noising.start(),
            history: Vec::new(),
        })
    }

    /// One full Sinkhorn sweep: the data marginal, then the start marginal.
    fn advance(
        &self,
        problem: &ControlProblem,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        state.tilt()?;
        let law = state.solution();
        let end = problem.noising.end();
        let n = state.nodes.points();
        let log_hat = map_blocks(n, block(), |range| {
            let mut log = vec![0.0; range.len()];
            law.log_density(end, state.nodes.as_ref().rows(range), &mut log);
            log
        })
        .concat();
        let differences: Vec<f64> = log_hat
            .iter()
            .zip(&state.potential)
            .zip(&state.log_start)
            .map(|((hat, phi), start)| {
                0.5 * state.cell * ((hat + state.log_mass + phi).exp() - start.exp()).abs()
            })
            .collect();
        state.measured = pairwise_sum(&differences);
        if !state.measured.is_finite() {
            return Err(SolveError::NotFinite {
                what: "start marginal of the bridge",
                value: state.measured,
                time: end,
                suggestion: "more points, or a start law closer to the noised data".to_owned(),
            });
        }
        for ((phi, hat), start) in state
            .potential
            .iter_mut()
            .zip(&log_hat)
            .zip(&state.log_start)
        {
            *phi = start - hat - state.log_mass;
        }
        state.iterations += 1;
        state.history.push(HistoryEntry {
            iteration: state.iterations as u64,
            objective: state.divergence(),
            measured: state.measured,
        });
        work.unknowns = n as u64;
        work.field_points += n as u64;
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        let tolerance = self.tolerance;
        if state.measured <= tolerance {
            Progress::Stopped(StopReason::Converged {
                measured: state.measured,
                tolerance,
            })
        } else if state.iterations >= self.max_iterations {
            Progress::Stopped(StopReason::IterationLimit {
                limit: self.max_iterations,
                measured: state.measured,
            })
        } else {
            Progress::Going {
                fraction: state.iterations as f64 / self.max_iterations as f64,
                objective: state.divergence(),
                measured: state.measured,
            }
        }
    }

    fn finish(&self, _: &ControlProblem, state: State) -> Result<Outcome, SolveError> {
        let law = state.solution();
        let facts = vec![
            ("start marginal error (total variation)", state.measured),
            (
                "KL of the bridge from the noising process",
                state.divergence(),
            ),
        ];
        Ok(Outcome {
            score: Box::new(law.clone()),
            log_density: Some(Box::new(law)),
            cost: None,
            own_error: None,
            history: state.history,
            grid: None,
            facts,
        })
    }
}

impl State {
    /// `KL(P|R) = E_pi log phi_T − E_{mu_0} log phi_0`.
    fn divergence(&self) -> f64 {
        let terms: Vec<f64> = self
            .potential
            .iter()
            .zip(&self.log_start)
            .map(|(phi, start)| {
                let mass = start.exp();
                if mass == 0.0 {
                    0.0
                } else {
                    self.cell * mass * phi
                }
            })
            .collect();
        pairwise_sum(&terms) + self.data_term
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::quadrature::Rule;
    use crate::problem::parse_text;
    use crate::solvers::drive;
    use std::path::Path;

    fn solved(data: &str, prior: &str) -> (ControlProblem, crate::solvers::Solution) {
        let text = format!(
            "format = 1\n[problem]\nname = \"bridge\"\nkind = \"reverse\"\n[data]\n{data}\n[prior]\n{prior}\n[dynamics]\nstate = \"x\"\npreset = \"ou\"\nrate = 0.7\nsigma = 1.1\nmean = [0.0]\n"
        );
        let loaded = parse_text("bridge.toml", &text, Path::new("."), &[]).expect("valid");
        let problem = ControlProblem::new(loaded.problem).expect("affine");
        let method = Bridge {
            points: vec![401],
            tolerance: 1e-11,
            max_iterations: 200,
        };
        let streams = Streams::new(1);
        let solution = drive(
            &method,
            &problem,
            "sb",
            "bridge",
            &streams,
            None,
            &mut |_| {},
        )
        .expect("admitted");
        (problem, solution)
    }

    /// Closed form for Gaussian end laws (Ornstein–Uhlenbeck reference, kernel N(αx, s²)): the
    /// covariance c of both ends solves c² + (s²/α) c = ab.
    #[test]
    fn gaussian_ends_have_the_closed_form_divergence() {
        let (m0, a, m1, b) = (0.4, 0.3, -0.5, 1.7);
        let (problem, solution) = solved(
            &format!("family = \"gaussian\"\nmean = [{m0}]\ncov = {a}"),
            &format!("family = \"gaussian\"\nmean = [{m1}]\ncov = {b}"),
        );
        let schedule = problem.noising.schedule().expect("isotropic");
        let alpha = schedule.mean_factor(0.0, 1.0);
        let s2 = schedule.noise_variance(0.0, 1.0);
        let e: f64 = s2 / alpha;
        let c = 0.5 * (-e + (e * e + 4.0 * a * b).sqrt());
        let conditional = b - c * c / a;
        let exact = 0.5
            * (conditional / s2 - 1.0 - (conditional / s2).ln()
                + ((m1 - alpha * m0).powi(2) + (c / a - alpha).powi(2) * a) / s2);
        let measured = solution.outcome.facts[1].1;
        assert!((measured - exact).abs() < 1e-8, "{measured} {exact}");
        assert!(solution.stopped.is_converged());
    }

    /// The marginal of the bridge at the data end is the data law: `hat phi_0 phi_0 = mu_0`, with
    /// `phi_0` by quadrature of its definition. Holds to the expansion's third derivatives.
    #[test]
    fn the_bridge_of_a_mixture_starts_from_the_data_law() {
        let (problem, solution) = solved(
            "family = \"mixture\"\nweights = [0.3, 0.7]\nmeans = [-1.0, 0.8]\ncovs = [0.01, 0.02]",
            "family = \"gaussian\"\nmean = [0.3]\ncov = 0.8",
        );
        let hat = solution.outcome.log_density.as_ref().expect("closed form");
        let at = |t: f64, x: f64| {
            let mut out = [0.0];
            hat.log_density(t, Batch::from_rows(1, &[[x]]).as_ref(), &mut out);
            out[0]
        };
        let kernel = problem.noising.kernel(1.0).expect("affine");
        let variance = kernel.covariance.entry(0, 0);
        let start = MixtureAt::new(&problem.prior);
        // phi_0(x) = ∫ p(y|x) pi(y) / hat phi_T(y) dy, up to the constant of hat phi.
        let count = |n: usize| std::num::NonZeroUsize::new(n).expect("positive");
        let rule = Rule::panels(count(12), count(60), -6.0, 7.0);
        let product = |x: f64| {
            let mean = kernel.mean(&[x])[0];
            let phi = rule.apply(|y| {
                let mut log = [0.0];
                start.log_density(Batch::from_rows(1, &[[y]]).as_ref(), &mut log);
                let transition = -0.5 * (y - mean).powi(2) / variance
                    - 0.5 * (std::f64::consts::TAU * variance).ln();
                (log[0] + transition - at(1.0, y)).exp()
            });
            at(0.0, x) + phi.ln()
        };
        let data = MixtureAt::new(problem.exact.as_ref().expect("mixture").mixture());
        for x in [-1.1, -1.0, -0.85, 0.6, 0.8, 1.0] {
            let mut exact = [0.0];
            data.log_density(Batch::from_rows(1, &[[x]]).as_ref(), &mut exact);
            let measured = product(x);
            assert!(
                (measured - exact[0]).abs() < 2e-3,
                "{x}: {measured} {}",
                exact[0]
            );
        }
    }

    #[test]
    fn three_states_are_refused_with_what_would_be_accepted() {
        let text = "format = 1\n[problem]\nname = \"three\"\nkind = \"reverse\"\n[data]\nfamily = \"gaussian\"\nmean = [0.0, 0.0, 0.0]\ncov = 1.0\n[dynamics]\npreset = \"vp\"\nbeta = [0.1, 20.0]\n";
        let loaded = parse_text("three.toml", text, Path::new("."), &[]).expect("valid");
        let problem = ControlProblem::new(loaded.problem).expect("affine");
        let method = Bridge {
            points: vec![64; 3],
            tolerance: 1e-9,
            max_iterations: 10,
        };
        let refusal = method.admit(&problem).err().expect("three axes");
        assert_eq!(refusal.accepted, "one or two states");
    }
}
