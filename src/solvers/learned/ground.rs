//! Where the paths of a fit come from, and the unknown it starts with.

use crate::derivation::control::product_form::groups_of;
use crate::discretization::steered_slopes::SteeredSlopes;
use crate::discretization::time_grid::TimeGrid;
use crate::field::FieldFamily;
use crate::field::draws::{draw_mixture, draw_noised};
use crate::field::feedback::{Features, Feedback};
use crate::field::noised_mixture::NoisedMixture;
use crate::field::peaks::Peaks;
use crate::numeric::batch::Batch;
use crate::numeric::random::{Stream, Streams};
use crate::problem::meant::options::FieldSpec;
use crate::solvers::driver::SolveError;
use crate::solvers::learned::euler_walk::EulerWalk;
use crate::solvers::learned::path_cost::{Normals, PathCost};
use crate::solvers::learned::reverse_walk::ReverseWalk;
use crate::solvers::lowered::problem::Lowered;
use nalgebra::DMatrix;
use std::sync::Arc;

/// Paths of the pilot that finds where the states are.
const PILOT: usize = 512;

/// Where the paths come from.
#[derive(Clone)]
pub enum Ground {
    /// Reverse diffusion of data whose noised law is known, by steps that are exact for Gaussians; the unknown is a score or
    /// a policy.
    Noised { of_policy: bool },
    /// Any process, by Euler's steps.
    Steered {
        slopes: SteeredSlopes,
        temperature: Option<f64>,
        /// The density of the starts, where the process runs against a noising one.
        prior: Option<Peaks>,
    },
}

/// Paths against the noising, from the prior.
pub fn reverse_paths(
    lowered: &Lowered,
    grid: &TimeGrid,
    paths: usize,
    of_policy: bool,
    streams: &Streams,
) -> PathCost {
    let walk = ReverseWalk::new(law(lowered), grid);
    let (first, last) = lowered.horizon();
    let walk = match of_policy {
        true => walk.of_policy(lowered.noising(), first + last),
        false => Some(walk),
    };
    PathCost::new(
        Arc::new(walk.expect("admission saw noise of full rank")),
        draw_mixture(lowered.prior(), &streams.role("path-start"), 0, paths),
        Normals::Drawn(streams.role("path-noise")),
    )
}

/// The noised law.
///
/// # Panics
/// Where it is not known.
pub fn law(lowered: &Lowered) -> &NoisedMixture {
    let law = lowered.facts.marginals.as_ref();
    law.expect("admission saw the end law")
}

/// The time grid of the problem with `steps` steps.
pub fn grid(lowered: &Lowered, steps: usize) -> TimeGrid {
    let settings = &lowered.problem.time_settings;
    TimeGrid::new(lowered.noising(), settings.t_min, steps, settings.spacing)
}

impl Ground {
    /// Paths of a round. Scores see the same noise in every round, policies fresh one.
    pub fn paths(
        &self,
        lowered: &Lowered,
        steps: usize,
        paths: usize,
        (round, streams): (&str, &Streams),
    ) -> PathCost {
        match self {
            Self::Noised { of_policy } => {
                let fresh = streams.scoped(round);
                let streams = if *of_policy { &fresh } else { streams };
                reverse_paths(lowered, &grid(lowered, steps), paths, *of_policy, streams)
            }
            Self::Steered {
                slopes,
                temperature,
                ..
            } => {
                let process = lowered.compiled.steered.clone();
                let walk = EulerWalk::new(process, slopes.clone(), steps, *temperature);
                let start = streams.role(&format!("start {round}"));
                PathCost::new(
                    Arc::new(walk),
                    lowered.draw_start(&start, 0, paths),
                    Normals::Drawn(streams.role(&format!("noise {round}"))),
                )
            }
        }
    }

    /// The logarithm of the density of the starts, zero where the best law has the starts of the paths.
    pub fn log_starts(&self, lowered: &Lowered, paths: &PathCost) -> Vec<f64> {
        let start = paths.start().as_ref();
        match self {
            Self::Noised { .. } => Peaks::of(lowered.prior()).log_density(start),
            Self::Steered {
                prior: Some(prior), ..
            } => prior.log_density(start),
            Self::Steered { prior: None, .. } => vec![0.0; paths.paths()],
        }
    }

    /// A policy to start from: in reverse diffusion the best one for Gaussian data with the moments of the noised law, else
    /// the one that does nothing. Its coordinates are those of the states at its side.
    ///
    /// # Errors
    /// Paths without control that leave all numbers.
    pub fn policy(
        &self,
        lowered: &Lowered,
        field: &FieldSpec,
        steps: usize,
        streams: &Streams,
    ) -> Result<Feedback, SolveError> {
        let clouds = match self {
            Self::Noised { .. } => noised_clouds(lowered, steps, &streams.role("pilot")),
            Self::Steered { .. } => self.idle_clouds(lowered, steps, streams),
        };
        let (mean, scale) = moments(&clouds);
        let process = &lowered.compiled.steered;
        if let Some(bad) = mean.iter().chain(&scale).find(|value| !value.is_finite()) {
            return Err(SolveError::NotFinite {
                what: "a state of an uncontrolled path",
                value: *bad,
                time: process.end(),
                suggestion: "more steps".to_owned(),
            });
        }
        let options = &field.options;
        let features = match field.family {
            "rbf" => {
                let pool: Vec<Vec<f64>> = clouds
                    .iter()
                    .step_by(1 + steps / 16)
                    .flat_map(|x| (0..x.points()).step_by(4).map(|i| x.row(i)))
                    .map(|x| {
                        let parts = x.iter().zip(mean.iter().zip(&scale));
                        parts.map(|(x, (m, s))| (x - m) / s).collect()
                    })
                    .collect();
                let stream = streams.role("rbf-centres");
                Features::radial(&pool, options.count("centers"), &stream)
            }
            "chebyshev" => Features::Chebyshev {
                degree: options.count("degree"),
            },
            // Admission refused families of scores.
            _ => Features::Affine,
        };
        let times = self.nodes(lowered, steps, options.count("nodes"));
        let feedback = Feedback::new(features, process.controls(), (mean, scale), times);
        Ok(match self {
            Self::Noised { .. } => of_gaussian(lowered, feedback),
            Self::Steered { .. } => feedback.seeing(&states_of_controls(lowered)),
        })
    }

    /// Times of the nodes of a policy: equally many steps of the walk between any two.
    fn nodes(&self, lowered: &Lowered, steps: usize, nodes: usize) -> Vec<f64> {
        let process = &lowered.compiled.steered;
        let (start, end) = (process.start(), process.end());
        let shares = (0..nodes.max(1)).map(|node| node as f64 / (nodes.max(2) - 1) as f64);
        match self {
            Self::Steered { .. } => shares.map(|share| start + (end - start) * share).collect(),
            Self::Noised { .. } => {
                let (grid, horizon) = (grid(lowered, steps), lowered.horizon());
                let noised = shares.map(|share| {
                    let place = (1.0 - share) * grid.steps() as f64;
                    let before = (place as usize).min(grid.steps() - 1);
                    let [early, late] = [0, 1].map(|k| grid.nodes()[before + k]);
                    early + (late - early) * (place - before as f64)
                });
                noised.map(|t| horizon.0 + horizon.1 - t).collect()
            }
        }
    }

    /// States of paths without control, step by step.
    fn idle_clouds(&self, lowered: &Lowered, steps: usize, streams: &Streams) -> Vec<Batch> {
        let process = &lowered.compiled.steered;
        let states = process.dimension();
        let unit = (vec![0.0; states], vec![1.0; states]);
        let times = vec![process.start()];
        let idle = Feedback::new(Features::Affine, process.controls(), unit, times);
        let paths = self.paths(lowered, steps, PILOT, ("pilot", streams));
        let clouds = paths.each_block(|_, mut block| {
            let mut states = paths.watched(&idle, &mut block, |_, _| ()).states;
            states.push(block.x);
            states
        });
        clouds.concat()
    }
}

/// Draws of the noised law at the nodes of the grid.
fn noised_clouds(lowered: &Lowered, steps: usize, stream: &Stream) -> Vec<Batch> {
    let (law, grid) = (law(lowered), grid(lowered, steps));
    let nodes = grid.nodes().iter().enumerate();
    let start = lowered.noising().start();
    nodes
        .map(|(k, t)| {
            let kernel = law.transition().between(start, *t);
            draw_noised(law.mixture(), &kernel, stream, (k * PILOT) as u64, PILOT)
        })
        .collect()
}

/// Mean and deviation of every state over all points; a deviation of one where there is none.
fn moments(clouds: &[Batch]) -> (Vec<f64>, Vec<f64>) {
    let count: usize = clouds.iter().map(Batch::points).sum();
    let states = clouds.first().map_or(0, Batch::columns);
    let over = |l: usize, f: &dyn Fn(f64) -> f64| -> f64 {
        let sums = clouds
            .iter()
            .map(|x| x.column(l).iter().map(|x| f(*x)).sum::<f64>());
        sums.sum::<f64>() / count as f64
    };
    let mean: Vec<f64> = (0..states).map(|l| over(l, &|x| x)).collect();
    let scale = (0..states)
        .map(|l| over(l, &|x| (x - mean[l]).powi(2)).sqrt())
        .map(|scale| if scale > 0.0 { scale } else { 1.0 })
        .collect();
    (mean, scale)
}

/// `u = -G' P^-1 (x - m)` at the nodes, with the moments of the noised law.
fn of_gaussian(lowered: &Lowered, mut feedback: Feedback) -> Feedback {
    let (law, (first, last)) = (law(lowered), lowered.horizon());
    let (features, d) = (feedback.features(), lowered.dimension());
    let (centre, scale) = feedback.whitening();
    let mut theta = Vec::new();
    for t in feedback.times() {
        let t = first + last - t;
        let at = law.mixture_at(t);
        let mean = at.mean();
        // Admission saw that the law has no component of zero width.
        let covariance = at.covariance();
        let inverse = DMatrix::from_fn(d, d, |i, j| covariance[i][j]).try_inverse();
        let inverse = inverse.unwrap_or_else(|| DMatrix::identity(d, d));
        let scores = Batch::from_columns(d, d, inverse.as_slice().to_vec());
        let mut gain = Batch::zeros(d, feedback.controls());
        lowered
            .noising()
            .noise(t)
            .control(scores.as_ref(), gain.as_mut());
        for i in 0..feedback.controls() {
            let gain = gain.column(i);
            let mut row = vec![0.0; features];
            for l in 0..d {
                row[0] -= gain[l] * (centre[l] - mean[l]);
                row[1 + l] = -gain[l] * scale[l];
            }
            theta.extend(row);
        }
    }
    feedback.set_parameters(&theta);
    feedback
}

/// The states that the best control depends on: those of the group a control acts in, where nothing couples the groups.
fn states_of_controls(lowered: &Lowered) -> Vec<Vec<usize>> {
    let mut parts = lowered.process.clone();
    let (groups, _) = groups_of(&mut parts);
    let graph = &parts.process.graph;
    (0..lowered.compiled.steered.controls())
        .map(|control| {
            let moved = |l: &usize| !graph.is_zero(parts.channel[*l][control]);
            let group = groups.iter().find(|group| group.iter().any(moved));
            group.cloned().unwrap_or_default()
        })
        .collect()
}
