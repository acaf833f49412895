//! Schrödinger bridge between the data law and the start law of the reverse process, with the noising
//! process as reference: Sinkhorn in the log domain.
//!
//! ```text
//! phi_0(x) = ∫ p(y,T|x,0) phi_T(y) dy,     hat phi_0 phi_0 = mu_0,     hat phi_T phi_T = pi
//! reverse drift  -f + D grad log hat phi,  so the control is G' grad log hat phi
//! ```
//!
//! Two roads to the kernel: under affine drift it is Gaussian and the data side stays a mixture
//! (`tilted_mixture`); under any other drift of one state it is composed of short-time
//! Gaussians on a grid (`kernel_chain`). Neither shares a formula with the stencils of
//! [`crate::solvers::grid::noised_value`] and [`crate::solvers::grid::fokker_planck`].
//!
//! # Which optimum
//! The score is the optimal reverse control from `pi` when `hat phi_t` is the law `p_t` of the noised data, that
//! is when `pi = p_T`. For any other start law the bridge still ends at the data while the score does not, and
//! by the chain rule of relative entropy the two controls differ by
//!
//! ```text
//! 1/2 E_P ∫ |G'∇log hat phi - G'∇log p|² dt  =  KL(P|R) - KL(pi|p_T)
//! ```
//!
//! which is measured and reported as the distance from the score; the chain counts it into its own error.
//!
//! # Assumes
//! Affine drift, one or two states and a data law that is a mixture or a table; or any drift of one state with
//! noise that does not depend on it.
//!
//! # Source
//! Chen, Georgiou, Pavon, *Stochastic control liaisons* (2021), section 6, for the system; Cuturi (2013)
//! and Peyré, Cuturi (2019), section 4.4, for the iteration in the log domain.
//!
//! # Checked by
//! `hjb-residual` and `hopf-cole` (`hat phi` solves Fokker–Planck); the Gaussian closed form in the tests.

mod kernel_chain;
mod tilted_mixture;

use crate::discretization::noising::GaussianKernel;
use crate::field::noised_mixture::NoisedMixture;
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::{Bound, Fallback};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::GENERATING;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::bridge::kernel_chain::ChainBridge;
use crate::solvers::bridge::tilted_mixture::TiltedMixture;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::grid::grid_record::record_densities;
use crate::solvers::lowered::answer::HistoryEntry;
use crate::solvers::lowered::answer::{Answer, LawFound};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::options::{most_iterations, points, points_text, tolerance};
use std::sync::Arc;

/// The method's options.
#[derive(Clone, Debug, PartialEq)]
pub struct Bridge {
    /// Grid points per axis.
    pub points: Vec<usize>,
    /// Total variation of the start marginal at which the iteration ends.
    pub tolerance: f64,
    pub max_iterations: usize,
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of("bridge", include_str!("bridge.md")),
    kinds: GENERATING,
    later: &[],
    options: &[
        points(Fallback::Found("401 in one state, else 128", |setup, _| {
            setup.per_state(401, 128, 128).into()
        })),
        tolerance(Bound::NotNegative, Fallback::Number(1e-9)),
        most_iterations(Fallback::Count(2000)),
    ],
    settings: points_text,
};

impl Bridge {
    /// From the problem file's options; `None` for another method's.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of("bridge")?;
        Some(Self {
            points: options.counts("points"),
            tolerance: options.number("tol"),
            max_iterations: options.count("max_iter"),
        })
    }
}

/// What admission proved: the kernel is Gaussian and the data a mixture, or a grid carries both.
pub struct Admitted(Ground);

enum Ground {
    Affine {
        law: Box<NoisedMixture>,
        kernel: GaussianKernel,
    },
    Line(kernel_chain::Admitted),
}

/// An iteration in progress.
pub struct State {
    road: Road,
    measured: f64,
    iterations: usize,
    history: Vec<HistoryEntry>,
}

enum Road {
    Mixture(Box<TiltedMixture>),
    Chain(Box<ChainBridge>),
}

impl Road {
    fn sweep(&mut self, lowered: &Lowered) -> Result<f64, SolveError> {
        match self {
            Self::Mixture(road) => road.sweep(lowered),
            Self::Chain(road) => road.sweep(lowered),
        }
    }

    fn nodes(&self) -> usize {
        match self {
            Self::Mixture(road) => road.nodes(),
            Self::Chain(road) => road.nodes(),
        }
    }

    /// `KL(P|R)`.
    fn divergence(&self) -> f64 {
        match self {
            Self::Mixture(road) => road.divergence(),
            Self::Chain(road) => road.divergence(),
        }
    }

    /// `KL(pi|p_T)`.
    fn end_divergence(&self) -> f64 {
        match self {
            Self::Mixture(road) => road.end_divergence(),
            Self::Chain(road) => road.end_divergence(),
        }
    }
}

impl State {
    /// Rms over time of the distance between the controls of the bridge and of the score, under the bridge.
    fn distance_from_score(&self, lowered: &Lowered) -> f64 {
        let excess = self.road.divergence() - self.road.end_divergence();
        let duration = lowered.noising().end() - lowered.noising().start();
        (2.0 * excess.max(0.0) / duration).sqrt()
    }
}

impl Method for Bridge {
    const ASKS: Asks = Asks::AdditiveNoising;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let refuse = |reason: String, accepted: &str| Refusal {
            method: "bridge",
            reason,
            accepted: accepted.to_owned(),
        };
        let states = lowered.noising().dimension();
        if states > 2 {
            return Err(refuse(
                format!("its grid would have {states} axes"),
                "one or two states",
            ));
        }
        let Some(kernel) = lowered.noising().kernel(lowered.noising().end()) else {
            return kernel_chain::admit(lowered, &self.points)
                .map(|ground| Admitted(Ground::Line(ground)));
        };
        match &lowered.facts.marginals {
            Some(law) => Ok(Admitted(Ground::Affine {
                law: Box::new(law.clone()),
                kernel,
            })),
            None if states == 1 => kernel_chain::admit(lowered, &self.points)
                .map(|ground| Admitted(Ground::Line(ground))),
            None => Err(refuse(
                format!("the data law is a {}", lowered.data().family()),
                "family gaussian, mixture, samples or curve; or one state",
            )),
        }
    }

    fn start(
        &self,
        lowered: &Lowered,
        admitted: Admitted,
        _: &Streams,
    ) -> Result<State, SolveError> {
        let road = match admitted.0 {
            Ground::Affine { law, kernel } => Road::Mixture(Box::new(TiltedMixture::new(
                lowered,
                *law,
                kernel,
                &self.points,
            )?)),
            Ground::Line(ground) => Road::Chain(Box::new(ChainBridge::new(lowered, ground)?)),
        };
        Ok(State {
            road,
            measured: f64::INFINITY,
            iterations: 0,
            history: Vec::new(),
        })
    }

    /// One full Sinkhorn sweep: the data marginal, then the start marginal.
    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        state.measured = state.road.sweep(lowered)?;
        state.iterations += 1;
        state.history.push(HistoryEntry {
            iteration: state.iterations as u64,
            objective: state.road.divergence(),
            measured: state.measured,
        });
        work.unknowns = state.road.nodes() as u64;
        work.field_points += state.road.nodes() as u64;
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
                objective: state.road.divergence(),
                measured: state.measured,
            }
        }
    }

    fn is_whole(&self, state: &State) -> bool {
        state.iterations > 0
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let distance = state.distance_from_score(lowered);
        let mut facts = vec![
            ("start marginal error (total variation)", state.measured),
            (
                "KL of the bridge from the noising process",
                state.road.divergence(),
            ),
            (
                "KL of the prior from the end law",
                state.road.end_divergence(),
            ),
            ("rms control distance from the score", distance),
        ];
        let answer = match state.road {
            Road::Mixture(road) => {
                let law = road.solution();
                Answer {
                    score: Some(Arc::new(law.clone())),
                    law: LawFound {
                        log_density: Some(Box::new(law)),
                        ..LawFound::default()
                    },
                    cost: None,
                    own_error: None,
                    history: state.history,
                    facts,
                    ..Answer::default()
                }
            }
            Road::Chain(road) => {
                let answer = road.answer(lowered);
                facts.push(("error of the kernel's steps", answer.own_error));
                facts.extend(answer.orders);
                facts.push(("mass that left the grid", answer.mass_lost));
                let record = record_densities(&answer.field, &lowered.problem.time_settings.record);
                Answer {
                    score: Some(Arc::new(answer.field.clone())),
                    law: LawFound {
                        log_density: Some(Box::new(answer.field)),
                        grid: Some(record),
                        ..LawFound::default()
                    },
                    cost: None,
                    own_error: Some(answer.own_error.hypot(distance)),
                    history: state.history,
                    facts,
                    ..Answer::default()
                }
            }
        };
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::noised_mixture::MixtureAt;
    use crate::numeric::batch::Batch;
    use crate::numeric::quadrature::Rule;
    use crate::problem::parse_text;
    use crate::solvers::driver::drive;
    use crate::solvers::registry::methods::vocabulary;
    use std::path::Path;

    fn solved(data: &str, prior: &str) -> (Lowered, crate::solvers::driver::Solution) {
        let text = format!(
            "format = 1\n[problem]\nname = \"bridge\"\nkind = \"reverse\"\n[data]\n{data}\n[prior]\n{prior}\n[dynamics]\nstate = \"x\"\npreset = \"ou\"\nrate = 0.7\nsigma = 1.1\nmean = [0.0]\n"
        );
        let loaded =
            parse_text("bridge.toml", &text, Path::new("."), &[], &vocabulary()).expect("valid");
        let lowered = Lowered::new(loaded.problem).expect("affine");
        let method = Bridge {
            points: vec![401],
            tolerance: 1e-11,
            max_iterations: 200,
        };
        let streams = Streams::new(1);
        let solution = drive(
            &method,
            &lowered,
            "sb",
            "bridge",
            &streams,
            None,
            &mut |_| {},
        )
        .expect("admitted");
        (lowered, solution)
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
        let schedule = problem.noising().schedule().expect("isotropic");
        let alpha = schedule.mean_factor(0.0, 1.0);
        let s2 = schedule.noise_variance(0.0, 1.0);
        let e: f64 = s2 / alpha;
        let c = 0.5 * (-e + (e * e + 4.0 * a * b).sqrt());
        let conditional = b - c * c / a;
        let exact = 0.5
            * (conditional / s2 - 1.0 - (conditional / s2).ln()
                + ((m1 - alpha * m0).powi(2) + (c / a - alpha).powi(2) * a) / s2);
        let measured = solution.answer.facts[1].1;
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
        let hat = solution
            .answer
            .law
            .log_density
            .as_ref()
            .expect("closed form");
        let at = |t: f64, x: f64| {
            let mut out = [0.0];
            hat.log_density(t, Batch::from_rows(1, &[[x]]).as_ref(), &mut out);
            out[0]
        };
        let kernel = problem.noising().kernel(1.0).expect("affine");
        let variance = kernel.covariance.entry(0, 0);
        let start = MixtureAt::new(problem.prior());
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
        let data = MixtureAt::new(problem.facts.marginals.as_ref().expect("mixture").mixture());
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
        let loaded =
            parse_text("three.toml", text, Path::new("."), &[], &vocabulary()).expect("valid");
        let lowered = Lowered::new(loaded.problem).expect("affine");
        let method = Bridge {
            points: vec![64; 3],
            tolerance: 1e-9,
            max_iterations: 10,
        };
        let refusal = method.admit(&lowered).err().expect("three axes");
        assert_eq!(refusal.accepted, "one or two states");
    }
}
