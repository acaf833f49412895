//! Score matching with likelihood weighting: minimises `½ ∫ g² E|ŝ − s|² dt` without knowing s.
//!
//! ```text
//! denoising   ½ E |ŝ(X_t) − ∇ log p(X_t | X_0)|²
//! implicit    E [ ½ |ŝ|² + ∇·ŝ ]
//! ```
//!
//! With the weight g² (the trace of D per state) this is, up to a constant, the divergence of the noising
//! path law from the model's. Fields linear in their parameters are fitted node by node in closed form, at
//! the nodes' own times, where the objective decouples; mixtures and networks are fitted by descent.
//!
//! # Source
//! Hyvärinen (2005), Vincent (2011); Song, Durkan, Murray, Ermon (2021) for the weight.
//!
//! # Checked by
//! `score-losses`, `path-divergence`

use crate::field::family::{Family, FamilyError, spec_nodes};
use crate::field::time_nodes::{Basis, Located, NodeField, TimeNodes};
use crate::field::{affine, rbf};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::least_squares::LeastSquaresError;
use crate::numeric::random::Streams;
use crate::problem::format::card::Card;
use crate::problem::format::key::{Bound, Coordinates, Fallback, Form, Key, Names};
use crate::problem::format::page::Page;
use crate::problem::meant::kind::GENERATING;
use crate::problem::meant::law::Mixture;
use crate::problem::meant::named::Named;
use crate::problem::meant::options::FieldSpec;
use crate::problem::meant::setup::Setup;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::learned::gram;
use crate::solvers::learned::ground::law;
use crate::solvers::learned::optimizer::{Descent, DescentSettings, OPTIMIZER, Optimizer};
use crate::solvers::learned::score_descent::{ScoreDescent, ScoreTime};
use crate::solvers::learned::score_samples::{NoisingPaths, ScoreSample, moments};
use crate::solvers::lowered::answer::{Answer, HistoryEntry};
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use crate::solvers::options::{field_text, most_iterations, quarter, tolerance};
use nalgebra::DMatrix;
use rayon::prelude::*;
use std::sync::Arc;

/// The method's options.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreMatching {
    pub objective: ScoreObjective,
    pub field: FieldSpec,
    /// Points over all times.
    pub samples: usize,
    /// Smallest ridge, relative to the mean diagonal of the normal matrix; larger ones are chosen by
    /// cross-validation.
    pub ridge: f64,
    pub optimizer: Optimizer,
    pub tolerance: f64,
    pub max_iterations: usize,
}

/// Ridges tried above the smallest.
const RIDGES: [f64; 10] = [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0];
/// Ridges in a row without gain after which larger ones are not tried.
const RISES: usize = 3;
/// Condition number of the features beyond which normal equations, which square it, give way to QR: their
/// relative error is then about 1e-6.
const ILL_CONDITIONED: f64 = 1e5;
/// Nodes fitted between two looks at the clock; a multiple of most numbers of threads.
const NODES_AT_ONCE: usize = 12;
/// Times at which a field without nodes is trained.
const TRAINING_TIMES: usize = 24;
/// Least number of points per time.
const LEAST_POINTS: usize = 16;

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreObjective {
    Denoising,
    Implicit,
}

impl Named for ScoreObjective {
    const NAMES: &'static [(&'static str, Self)] =
        &[("denoising", Self::Denoising), ("implicit", Self::Implicit)];
}

/// Features where there are few states, else what second moments alone can do.
pub fn score_field(setup: &Setup<'_>) -> FieldSpec {
    if setup.dimension <= 8 {
        rbf::spec(200, 24)
    } else {
        affine::spec(24)
    }
}

/// What the method is called, does and asks for.
pub static CARD: Card = Card {
    page: Page::of("score-matching", include_str!("score_matching.md")),
    kinds: GENERATING,
    later: &[],
    options: &[
        Key::new(
            "objective",
            Form::Choice(Names::Fixed(ScoreObjective::names)),
            Fallback::Found("denoising for affine drift, else implicit", |setup, _| {
                let objective = if setup.affine {
                    ScoreObjective::Denoising
                } else {
                    ScoreObjective::Implicit
                };
                objective.name().into()
            }),
            "the loss",
        ),
        Key::new(
            "field",
            Form::Field(Coordinates::Together),
            Fallback::Found("rbf up to eight states, else affine", |setup, _| {
                score_field(setup).into()
            }),
            "family of scores",
        ),
        Key::new(
            "samples",
            Form::Count(2),
            Fallback::Found("100000 up to two states, else 20000", |setup, _| {
                if setup.dimension <= 2 {
                    100_000
                } else {
                    20_000
                }
                .into()
            }),
            "draws of the fit",
        )
        .less(quarter),
        Key::new(
            "ridge",
            Form::Number(Bound::NotNegative),
            Fallback::Number(1e-8),
            "smallest regulariser",
        ),
        OPTIMIZER,
        tolerance(Bound::NotNegative, Fallback::Number(1e-6)),
        most_iterations(Fallback::Count(200)),
    ],
    settings: |options| {
        let objective = options.name("objective");
        let field = field_text(options);
        format!("{objective}, {field}, {} samples", options.count("samples"))
    },
};

impl ScoreMatching {
    /// From the problem file's options; `None` for another method's.
    pub fn new(spec: &SolverSpec) -> Option<Self> {
        let options = spec.options_of("score-matching")?;
        Some(Self {
            objective: options.one("objective"),
            field: options.field("field")?.clone(),
            samples: options.count("samples"),
            ridge: options.number("ridge"),
            optimizer: options.one("optimizer"),
            tolerance: options.number("tol"),
            max_iterations: options.count("max_iter"),
        })
    }
}

/// What admission proved and built.
pub struct Admitted {
    data: Mixture,
    family: Family,
    /// Simulated points at the nodes, where the transition is not Gaussian.
    clouds: Option<Vec<Batch>>,
}

/// A fit in progress.
pub struct State {
    source: Source,
    work: Fitting,
}

/// Where points come from, and the family at its starting point.
struct Source {
    data: Mixture,
    family: Family,
    clouds: Option<Vec<Batch>>,
    streams: Streams,
}

enum Fitting {
    /// Closed form, node by node.
    Nodes(Vec<NodeFit>),
    Descent {
        descent: Box<Descent>,
        objective: Arc<ScoreDescent>,
    },
}

/// The fit of one node.
#[derive(Clone, Debug)]
struct NodeFit {
    theta: Vec<f64>,
    condition: f64,
    /// Solved by QR of the features, not by normal equations.
    by_qr: bool,
    ridge: f64,
    /// `E|ŝ_A − ŝ_B|² / 4` of the two half-sample fits: the sampling variance of the fit.
    variance: f64,
    /// Objective on the points of the fit.
    objective: f64,
    points: usize,
}

fn refusal(reason: impl Into<String>, accepted: &str) -> Refusal {
    Refusal::new("score-matching", reason, accepted)
}

impl ScoreMatching {
    fn points_per_time(&self, times: usize) -> usize {
        (self.samples / times.max(1)).max(LEAST_POINTS)
    }

    /// Walks the noising process once; moments for the whitening and clouds at the nodes come from the
    /// same paths.
    fn simulated(
        &self,
        lowered: &Lowered,
        data: &Mixture,
        streams: &Streams,
    ) -> Result<(Family, Vec<Batch>), FamilyError> {
        let count = spec_nodes(&self.field);
        let paths = self.points_per_time(count);
        let t_min = lowered.problem.time_settings.t_min;
        let mut walk = NoisingPaths::new(lowered.noising(), data, paths, streams);
        let nodes = TimeNodes::from_moments(lowered.noising(), t_min, count, |t| {
            moments(walk.at(t).as_ref())
        });
        let mut walk = NoisingPaths::new(lowered.noising(), data, paths, streams);
        let clouds: Vec<Batch> = (0..nodes.count())
            .map(|node| walk.at(nodes.time(node)).clone())
            .collect();
        let d = lowered.noising().dimension();
        let family = Family::on_nodes(&self.field, d, nodes, streams, |nodes, _| {
            clouds
                .iter()
                .enumerate()
                .flat_map(|(node, cloud)| {
                    let at = nodes.locate(nodes.time(node));
                    let kept = cloud.points().min(POOL_PER_NODE);
                    let xi = at.whiten(cloud.as_ref().rows(0..kept));
                    (0..kept).map(move |i| xi.row(i)).collect::<Vec<_>>()
                })
                .collect()
        })?;
        Ok((family, clouds))
    }

    /// Points at one time and their conditional scores.
    fn sample(
        &self,
        lowered: &Lowered,
        source: &Source,
        node: usize,
        t: f64,
        points: usize,
    ) -> ScoreSample {
        match &source.clouds {
            Some(clouds) => ScoreSample {
                x: clouds[node].clone(),
                target: None,
            },
            None => {
                let kernel = lowered
                    .noising()
                    .kernel(t)
                    .expect("without clouds the transition is Gaussian");
                ScoreSample::antithetic(&source.data, &kernel, points, node as u32, &source.streams)
            }
        }
    }

    fn fit<B: Basis>(
        &self,
        field: &NodeField<B>,
        node: usize,
        sample: &ScoreSample,
        theta: &[f64],
    ) -> Result<NodeFit, LeastSquaresError> {
        let basis = field.basis();
        let at = field.nodes().locate(field.nodes().time(node));
        let xi = at.whiten(sample.x.as_ref());
        let n = xi.points();
        // Halves of whole antithetic pairs.
        let middle = n / 4 * 2;
        let normal = |range: std::ops::Range<usize>| {
            let part = xi.as_ref().rows(range.clone());
            let weights = vec![1.0 / part.points() as f64; part.points()];
            let moments = match (self.objective, &sample.target) {
                (ScoreObjective::Denoising, Some(target)) => {
                    let target = target.as_ref().rows(range);
                    gram::target_moments(basis, &at, part, target, &weights)
                }
                _ => gram::implicit_moments(basis, &at, part, &weights),
            };
            (gram::gram(basis, &at, part, &weights), moments)
        };
        let halves = [normal(0..middle), normal(middle..n)];
        let p = basis.coefficients();
        let origin = &theta[node * p..(node + 1) * p];
        let (ridge, parts) = self.best_ridge(basis, &at, &halves, origin);
        let [(gram_a, moments_a), (gram_b, moments_b)] = &halves;
        let share = middle as f64 / n as f64;
        let whole = gram_a * share + gram_b * (1.0 - share);
        let moments: Vec<f64> = moments_a
            .iter()
            .zip(moments_b)
            .map(|(a, b)| share * a + (1.0 - share) * b)
            .collect();
        let normal = gram::minimise(basis, &at, &whole, &moments, origin, ridge);
        let by_qr = match &normal {
            Ok(fit) => fit.condition > ILL_CONDITIONED,
            Err(error) => matches!(error, LeastSquaresError::RankDeficient { .. }),
        };
        let fit = if by_qr {
            let points = gram::Points {
                xi: xi.as_ref(),
                weights: &vec![1.0 / n as f64; n],
                target: match self.objective {
                    ScoreObjective::Denoising => sample.target.as_ref().map(Batch::as_ref),
                    ScoreObjective::Implicit => None,
                },
            };
            gram::minimise_by_qr(basis, &at, points, &moments, origin, ridge)?
        } else {
            normal?
        };
        let variance = parts.map_or(f64::NAN, |[a, b]| {
            let difference: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
            0.25 * gram::squared_norm(basis, &at, &whole, &difference)
        });
        Ok(NodeFit {
            objective: gram::objective(basis, &at, &whole, &moments, &fit.theta),
            theta: fit.theta,
            condition: fit.condition,
            by_qr,
            ridge,
            variance,
            points: n,
        })
    }

    /// The ridge whose half-sample fits do best on the other half, and those fits.
    fn best_ridge<B: Basis>(
        &self,
        basis: &B,
        at: &Located,
        halves: &[(DMatrix<f64>, Vec<f64>); 2],
        origin: &[f64],
    ) -> (f64, Option<[Vec<f64>; 2]>) {
        let [a, b] = halves;
        let mut best = (f64::INFINITY, self.ridge, None);
        let mut rises = 0;
        let larger = RIDGES.iter().copied().filter(|r| *r > self.ridge);
        for ridge in std::iter::once(self.ridge).chain(larger) {
            if rises == RISES {
                break;
            }
            let fits = gram::minimiser(basis, at, &a.0, &a.1, origin, ridge)
                .zip(gram::minimiser(basis, at, &b.0, &b.1, origin, ridge));
            if let Some((on_a, on_b)) = fits {
                let loss = gram::objective(basis, at, &b.0, &b.1, &on_a)
                    + gram::objective(basis, at, &a.0, &a.1, &on_b);
                rises += 1;
                if loss < best.0 {
                    best = (loss, ridge, Some([on_a, on_b]));
                    rises = 0;
                }
            }
        }
        (best.1, best.2)
    }

    fn fit_node(
        &self,
        lowered: &Lowered,
        source: &Source,
        node: usize,
    ) -> Result<NodeFit, SolveError> {
        let theta = source.family.get().parameters();
        let fitted = match &source.family {
            Family::Affine(field) => self.fit_field(lowered, source, field, node, theta),
            Family::Radial(field) => self.fit_field(lowered, source, field, node, theta),
            Family::Chebyshev(field) => self.fit_field(lowered, source, field, node, theta),
            Family::Mixture(_) | Family::Network(_) => {
                unreachable!("not linear in the parameters: fitted by descent")
            }
        };
        fitted.map_err(|error| match error {
            LeastSquaresError::RankDeficient { .. } => SolveError::Singular {
                system: "score matching",
                pivot: 0.0,
                suggestion: "a positive ridge, fewer features or more samples".to_owned(),
            },
            LeastSquaresError::NotFinite => SolveError::NotFinite {
                what: "a normal equation",
                value: f64::NAN,
                time: nodes_of(&source.family).map_or(f64::NAN, |n| n.time(node)),
                suggestion: "a larger t_min".to_owned(),
            },
        })
    }

    fn fit_field<B: Basis>(
        &self,
        lowered: &Lowered,
        source: &Source,
        field: &NodeField<B>,
        node: usize,
        theta: &[f64],
    ) -> Result<NodeFit, LeastSquaresError> {
        let points = self.points_per_time(field.nodes().count());
        let t = field.nodes().time(node);
        let sample = self.sample(lowered, source, node, t, points);
        self.fit(field, node, &sample, theta)
    }

    fn descend(
        &self,
        lowered: &Lowered,
        data: &Mixture,
        family: &mut Family,
        streams: &Streams,
    ) -> Result<Fitting, SolveError> {
        let t_min = lowered.problem.time_settings.t_min;
        let nodes = TimeNodes::new(lowered.noising(), law(lowered), t_min, TRAINING_TIMES);
        let points = self.points_per_time(nodes.count());
        let times = (0..nodes.count())
            .map(|node| {
                let t = nodes.time(node);
                let kernel = lowered.noising().kernel(t).expect("admission saw the law");
                let sample = ScoreSample::antithetic(data, &kernel, points, node as u32, streams);
                ScoreTime {
                    time: t,
                    weight: nodes.hat_integral(node, |t| intensity(lowered, t)),
                    target: match self.objective {
                        ScoreObjective::Denoising => sample.target,
                        ScoreObjective::Implicit => None,
                    },
                    x: sample.x,
                }
            })
            .collect::<Vec<_>>();
        family.prepare(&times.iter().map(|t| t.time).collect::<Vec<_>>());
        let objective = Arc::new(ScoreDescent::new(family.clone(), times, streams));
        let settings = DescentSettings {
            optimizer: self.optimizer,
            tolerance: self.tolerance,
            max_iterations: self.max_iterations,
        };
        let start = vec![0.0; family.get().parameters().len()];
        let descent = Box::new(Descent::new(objective.clone(), &start, settings)?);
        Ok(Fitting::Descent { descent, objective })
    }
}

/// Points of each simulated cloud offered as centres.
const POOL_PER_NODE: usize = 256;

/// The trace of D per state, the likelihood weight.
fn intensity(lowered: &Lowered, t: f64) -> f64 {
    let d = lowered.noising().dimension();
    lowered.noising().noise(t).diffusivity(d).trace() / d as f64
}

fn nodes_of(family: &Family) -> Option<&TimeNodes> {
    match family {
        Family::Affine(field) => Some(field.nodes()),
        Family::Radial(field) => Some(field.nodes()),
        Family::Chebyshev(field) => Some(field.nodes()),
        Family::Mixture(_) | Family::Network(_) => None,
    }
}

impl Method for ScoreMatching {
    const ASKS: Asks = Asks::AdditiveNoising;
    type Admitted = Admitted;
    type State = State;

    fn admit(&self, lowered: &Lowered) -> Result<Admitted, Refusal> {
        let Some(data) = lowered.data().mixture() else {
            return Err(refusal(
                format!(
                    "data of family {} cannot be drawn from",
                    lowered.data().family()
                ),
                "gaussian, mixture, curve or samples",
            ));
        };
        let streams = Streams::new(lowered.problem.run.seed).scoped("score-matching-family");
        let t_min = lowered.problem.time_settings.t_min;
        let family_refusal =
            |error: FamilyError| refusal(error.to_string(), "another field family, such as rbf");
        if let Some(law) = &lowered.facts.marginals {
            let narrow = lowered
                .noising()
                .kernel(t_min)
                .is_none_or(|k| (0..data.dimension()).any(|j| k.covariance.entry(j, j) <= 0.0));
            if narrow && self.objective == ScoreObjective::Denoising {
                return Err(refusal(
                    format!(
                        "at t_min = {t_min} no noise has been added, so there is nothing to denoise"
                    ),
                    "t_min > 0, or objective = \"implicit\"",
                ));
            }
            let family = Family::new(&self.field, lowered.noising(), law, t_min, &streams)
                .map_err(family_refusal)?;
            return Ok(Admitted {
                data,
                family,
                clouds: None,
            });
        }
        if self.objective == ScoreObjective::Denoising {
            return Err(refusal(
                "denoising needs the transition density, which is Gaussian only for a drift affine in the state",
                "objective = \"implicit\"",
            ));
        }
        let (family, clouds) = self
            .simulated(lowered, &data, &streams)
            .map_err(family_refusal)?;
        Ok(Admitted {
            data,
            family,
            clouds: Some(clouds),
        })
    }

    fn start(
        &self,
        lowered: &Lowered,
        admitted: Admitted,
        streams: &Streams,
    ) -> Result<State, SolveError> {
        let mut family = admitted.family;
        let work = match &family {
            Family::Mixture(_) | Family::Network(_) => {
                self.descend(lowered, &admitted.data, &mut family, streams)?
            }
            _ => Fitting::Nodes(Vec::new()),
        };
        Ok(State {
            source: Source {
                data: admitted.data,
                family,
                clouds: admitted.clouds,
                streams: *streams,
            },
            work,
        })
    }

    /// Some nodes, or one iteration of the descent.
    fn advance(
        &self,
        lowered: &Lowered,
        state: &mut State,
        work: &mut Work,
    ) -> Result<(), SolveError> {
        if let Fitting::Descent { descent, objective } = &mut state.work {
            let before = work.gradients;
            descent.advance(work)?;
            work.field_points += (work.gradients - before) * objective.points() as u64;
            work.unknowns = state.source.family.get().parameters().len() as u64;
            return Ok(());
        }
        let total = nodes_of(&state.source.family).map_or(0, TimeNodes::count);
        let done = match &state.work {
            Fitting::Nodes(fits) => fits.len(),
            Fitting::Descent { .. } => unreachable!("descents returned above"),
        };
        let next = (done + NODES_AT_ONCE).min(total);
        let source = &state.source;
        let fits = (done..next)
            .into_par_iter()
            .map(|node| self.fit_node(lowered, source, node))
            .collect::<Result<Vec<_>, _>>()?;
        for fit in &fits {
            work.linear_solves += 1;
            work.field_points += fit.points as u64;
            work.normals += (fit.points / 2 * lowered.noising().dimension()) as u64;
            work.unknowns = work.unknowns.max(fit.theta.len() as u64);
        }
        if let Fitting::Nodes(all) = &mut state.work {
            all.extend(fits);
        }
        Ok(())
    }

    fn progress(&self, state: &State) -> Progress {
        match &state.work {
            Fitting::Descent { descent, .. } => descent.progress(),
            Fitting::Nodes(fits) => {
                let total = nodes_of(&state.source.family).map_or(0, TimeNodes::count);
                if fits.len() == total {
                    return Progress::Stopped(StopReason::Direct);
                }
                let last = fits.last();
                Progress::Going {
                    fraction: fits.len() as f64 / total.max(1) as f64,
                    objective: last.map_or(f64::NAN, |f| f.objective),
                    measured: last.map_or(f64::NAN, |f| f.condition),
                }
            }
        }
    }

    fn is_whole(&self, state: &State) -> bool {
        matches!(state.work, Fitting::Descent { .. })
    }

    fn finish(&self, lowered: &Lowered, state: State) -> Result<Answer, SolveError> {
        let mut family = state.source.family;
        match state.work {
            Fitting::Descent { descent, objective } => {
                family
                    .get_mut()
                    .set_parameters(&objective.parameters(descent.best()));
                let facts = vec![
                    ("parameters", family.get().parameters().len() as f64),
                    ("samples", objective.points() as f64),
                    ("objective", descent.value()),
                ];
                Ok(answer(family, None, descent.history().to_vec(), facts))
            }
            Fitting::Nodes(fits) => {
                let nodes = nodes_of(&family).expect("closed forms have nodes");
                if fits.len() < nodes.count() {
                    // Out of time: some node has no fit.
                    return Ok(Answer::default());
                }
                let duration = lowered.noising().end() - lowered.problem.time_settings.t_min;
                let weight: Vec<f64> = (0..fits.len())
                    .map(|node| nodes.hat_integral(node, |t| intensity(lowered, t)))
                    .collect();
                let total = |value: &dyn Fn(&NodeFit) -> f64| -> f64 {
                    fits.iter().zip(&weight).map(|(f, w)| value(f) * w).sum()
                };
                let variance = total(&|f| f.variance);
                let largest = |value: &dyn Fn(&NodeFit) -> f64| -> f64 {
                    fits.iter().map(value).fold(0.0, f64::max)
                };
                let facts = vec![
                    ("parameters", family.get().parameters().len() as f64),
                    ("nodes", fits.len() as f64),
                    ("samples", fits.iter().map(|f| f.points as f64).sum()),
                    ("largest_condition", largest(&|f| f.condition)),
                    (
                        "nodes_by_qr",
                        fits.iter().filter(|f| f.by_qr).count() as f64,
                    ),
                    ("largest_ridge", largest(&|f| f.ridge)),
                    ("objective", total(&|f| f.objective)),
                ];
                let history = fits
                    .iter()
                    .enumerate()
                    .map(|(node, fit)| HistoryEntry {
                        iteration: node as u64,
                        objective: fit.objective,
                        measured: fit.condition,
                    })
                    .collect();
                let own_error = (variance >= 0.0).then(|| (variance / duration).sqrt());
                let theta: Vec<f64> = fits.into_iter().flat_map(|f| f.theta).collect();
                family.get_mut().set_parameters(&theta);
                Ok(answer(family, own_error, history, facts))
            }
        }
    }
}

fn answer(
    family: Family,
    own_error: Option<f64>,
    history: Vec<HistoryEntry>,
    facts: Vec<(&'static str, f64)>,
) -> Answer {
    Answer {
        score: Some(Arc::from(family.into_score())),
        cost: None,
        own_error,
        history,
        facts,
        ..Answer::default()
    }
}

/// `½ E|ŝ − s|²` over weighted points, for a score given there: the explicit loss, and with the
/// conditional score of the points the denoising one.
pub fn matching_loss(found: BatchRef<'_>, wanted: BatchRef<'_>, weights: &[f64]) -> f64 {
    (0..found.columns())
        .map(|j| {
            let pairs = found.column(j).iter().zip(wanted.column(j));
            let terms = pairs.zip(weights);
            terms
                .map(|((a, b), w)| 0.5 * w * (a - b) * (a - b))
                .sum::<f64>()
        })
        .sum()
}

/// `E[½|ŝ|² + ∇·ŝ]` over weighted points.
pub fn implicit_loss(found: BatchRef<'_>, divergence: &[f64], weights: &[f64]) -> f64 {
    let square: f64 = (0..found.columns())
        .map(|j| {
            let column = found.column(j).iter().zip(weights);
            column.map(|(a, w)| 0.5 * w * a * a).sum::<f64>()
        })
        .sum();
    square
        + divergence
            .iter()
            .zip(weights)
            .map(|(d, w)| d * w)
            .sum::<f64>()
}
