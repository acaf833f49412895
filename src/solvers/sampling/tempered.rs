//! A Hamiltonian step in a tempered density: the move of annealing, and with temperature one the baselines.
//!
//! ```text
//! log pi_b(x) = (1 - b) log q(x) + b log rho(x),      q = sum_k w_k N(m_k, C_k)
//! p ~ N(0, I);   L leapfrog steps of length e along x' = s p, p' = s grad log pi_b;
//! accepted with probability min(1, exp(-dH)),   H = |p|^2/2 - log pi_b
//! ```
//!
//! `s` is a scale per coordinate. The length of each trajectory's steps is drawn anew, `e = step r^-w` with
//! `w` uniform on (0, 1], so that one setting serves narrow and wide places; being independent of the state it
//! leaves the density invariant. One leapfrog step is the Langevin proposal with `h = e^2/2`.
//!
//! # Source
//! Duane, Kennedy, Pendleton, Roweth, *Phys. Lett. B* 195 (1987); Neal, *Handbook of MCMC* (2011), ch. 5.

use crate::field::draws::draw_mixture;
use crate::field::peaks::Peaks;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{block, map_blocks, pairwise_sum};
use crate::numeric::random::{Stream, Streams};
use crate::problem::meant::law::Mixture;
use crate::solvers::lowered::target::Target;

/// Where tempering begins: a mixture of Gaussians.
#[derive(Clone, Debug)]
pub struct Reference {
    pub mixture: Mixture,
    peaks: Peaks,
}

impl Reference {
    /// The covariances must be positive definite.
    pub fn new(mixture: Mixture) -> Self {
        let peaks = Peaks::of(&mixture);
        Self { mixture, peaks }
    }

    /// `log q` per point.
    pub fn log_density(&self, x: BatchRef<'_>) -> Vec<f64> {
        self.peaks.log_density(x)
    }

    /// Responsibilities of the Gaussians, points × components.
    pub fn shares(&self, x: BatchRef<'_>) -> Batch {
        self.peaks.shares(x)
    }

    /// Draws `first..first + points`.
    pub fn draw(&self, stream: &Stream, first: u64, points: usize) -> Batch {
        draw_mixture(&self.mixture, stream, first, points)
    }
}

/// Points with what is known of the target there.
#[derive(Clone, Debug)]
pub struct Cloud {
    pub x: Batch,
    /// `log rho` per point.
    pub log_density: Vec<f64>,
    /// `grad log rho`, points × states.
    pub gradient: Batch,
}

impl Cloud {
    pub fn new(target: &Target, x: Batch) -> Self {
        let (points, d) = (x.points(), x.columns());
        let mut cloud = Self {
            log_density: vec![0.0; points],
            gradient: Batch::zeros(points, d),
            x,
        };
        let blocks = map_blocks(points, block(), |range| {
            let mut log_density = vec![0.0; range.len()];
            let mut gradient = Batch::zeros(range.len(), d);
            let x = cloud.x.as_ref().rows(range);
            target.eval(x, &mut log_density, gradient.as_mut());
            (log_density, gradient)
        });
        let mut row = 0;
        for (log_density, gradient) in &blocks {
            cloud.log_density[row..row + log_density.len()].copy_from_slice(log_density);
            cloud.gradient.write_rows(row, gradient.as_ref());
            row += log_density.len();
        }
        cloud
    }

    /// Puts this row of another cloud in a point's place.
    pub fn set(&mut self, point: usize, other: &Self, row: usize) {
        self.log_density[point] = other.log_density[row];
        for j in 0..self.x.columns() {
            self.x.column_mut(j)[point] = other.x.get(row, j);
            self.gradient.column_mut(j)[point] = other.gradient.get(row, j);
        }
    }

    /// The points of these rows, in this order.
    pub fn pick(&self, rows: &[usize]) -> Self {
        let gather = |from: &Batch| {
            let mut to = Batch::zeros(rows.len(), from.columns());
            for j in 0..from.columns() {
                let column = from.column(j);
                for (value, row) in to.column_mut(j).iter_mut().zip(rows) {
                    *value = column[*row];
                }
            }
            to
        };
        Self {
            x: gather(&self.x),
            log_density: rows.iter().map(|row| self.log_density[*row]).collect(),
            gradient: gather(&self.gradient),
        }
    }
}

/// The density to stay in.
#[derive(Clone, Copy)]
pub struct Tempered<'a> {
    pub target: &'a Target,
    /// Left out at `b = 1`.
    pub reference: &'a Reference,
    /// `b`
    pub inverse_temperature: f64,
}

impl Tempered<'_> {
    /// `log pi_b`, where the target's part is known.
    fn log_density(&self, x: BatchRef<'_>, target: &[f64]) -> Vec<f64> {
        let b = self.inverse_temperature;
        let mut out = self.reference.log_density(x);
        for (o, target) in out.iter_mut().zip(target) {
            *o = if b == 1.0 {
                *target
            } else {
                (1.0 - b) * *o + b * target
            };
        }
        out
    }

    /// `p += scale · s grad log pi_b`, `scale` per point.
    fn kick(&self, move_: &Move, cloud: &Cloud, length: &[f64], factor: f64, p: &mut Batch) {
        let b = self.inverse_temperature;
        let mut own = Batch::zeros(cloud.x.points(), cloud.x.columns());
        if b < 1.0 {
            self.reference.peaks.score(cloud.x.as_ref(), own.as_mut());
        }
        for (j, s) in move_.scale.iter().enumerate() {
            let (gradient, own) = (cloud.gradient.column(j), own.column(j));
            for (i, p) in p.column_mut(j).iter_mut().enumerate() {
                let slope = b * gradient[i] + (1.0 - b) * own[i];
                *p += factor * length[i] * s * slope;
            }
        }
    }
}

/// How to move.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// Longest step.
    pub step: f64,
    /// Longest over shortest step, `r`.
    pub range: f64,
    pub leapfrogs: usize,
    /// `s`, one per coordinate.
    pub scale: Vec<f64>,
    /// Whether ends are accepted or rejected; all are taken otherwise.
    pub corrected: bool,
}

/// Where random numbers of moves come from.
#[derive(Clone, Copy)]
pub struct MoveStreams {
    momenta: Stream,
    choices: Stream,
}

impl MoveStreams {
    pub fn new(streams: &Streams) -> Self {
        Self {
            momenta: streams.role("momenta"),
            choices: streams.role("acceptance"),
        }
    }
}

impl Move {
    /// Moves every point of the cloud, `node` counting the moves; returns the mean probability of acceptance.
    pub fn apply(
        &self,
        density: Tempered<'_>,
        cloud: &mut Cloud,
        streams: MoveStreams,
        first: u64,
        node: u32,
    ) -> f64 {
        let points = cloud.x.points();
        let blocks = map_blocks(points, block(), |range| {
            let rows: Vec<usize> = range.clone().collect();
            let mut part = cloud.pick(&rows);
            let first = first + range.start as u64;
            let accepted = self.trajectory(density, &mut part, streams, first, node);
            (part, accepted)
        });
        let (mut row, mut accepted) = (0, Vec::with_capacity(points));
        for (part, chances) in &blocks {
            cloud.x.write_rows(row, part.x.as_ref());
            cloud.gradient.write_rows(row, part.gradient.as_ref());
            let n = part.log_density.len();
            cloud.log_density[row..row + n].copy_from_slice(&part.log_density);
            accepted.extend_from_slice(chances);
            row += n;
        }
        pairwise_sum(&accepted) / points as f64
    }

    /// One trajectory a point; returns the probabilities of acceptance.
    fn trajectory(
        &self,
        density: Tempered<'_>,
        cloud: &mut Cloud,
        streams: MoveStreams,
        first: u64,
        node: u32,
    ) -> Vec<f64> {
        let (points, d) = (cloud.x.points(), cloud.x.columns());
        let mut momenta = Batch::zeros(points, d);
        streams.momenta.normals(first, node, momenta.as_mut());
        let mut choices = Batch::zeros(points, 2);
        streams.choices.uniforms(first, node, choices.as_mut());
        let length: Vec<f64> = choices
            .column(1)
            .iter()
            .map(|w| self.step * self.range.powf(-w))
            .collect();
        let before = energies(density, cloud, &momenta);
        let mut end = cloud.clone();
        density.kick(self, &end, &length, 0.5, &mut momenta);
        for leap in 0..self.leapfrogs {
            for (j, s) in self.scale.iter().enumerate() {
                let p = momenta.column(j);
                for (i, x) in end.x.column_mut(j).iter_mut().enumerate() {
                    *x += length[i] * s * p[i];
                }
            }
            let (x, gradient) = (end.x.as_ref(), end.gradient.as_mut());
            density.target.eval(x, &mut end.log_density, gradient);
            let factor = if leap + 1 == self.leapfrogs { 0.5 } else { 1.0 };
            density.kick(self, &end, &length, factor, &mut momenta);
        }
        if !self.corrected {
            *cloud = end;
            return vec![1.0; points];
        }
        let after = energies(density, &end, &momenta);
        let chances: Vec<f64> = before
            .iter()
            .zip(&after)
            .map(|(before, after)| {
                let drop = before - after;
                // A trajectory that left the doubles or the support; `min` would make a certainty of it.
                if drop.is_nan() {
                    0.0
                } else {
                    drop.exp().min(1.0)
                }
            })
            .collect();
        keep(&chances, choices.column(0), &end, cloud);
        chances
    }
}

/// Takes the ends that are accepted.
fn keep(chances: &[f64], uniforms: &[f64], end: &Cloud, cloud: &mut Cloud) {
    let accepted: Vec<usize> = (0..chances.len())
        .filter(|&i| uniforms[i] <= chances[i])
        .collect();
    for j in 0..cloud.x.columns() {
        let pairs = [
            (cloud.x.column_mut(j), end.x.column(j)),
            (cloud.gradient.column_mut(j), end.gradient.column(j)),
        ];
        for (to, from) in pairs {
            for &i in &accepted {
                to[i] = from[i];
            }
        }
    }
    for &i in &accepted {
        cloud.log_density[i] = end.log_density[i];
    }
}

/// `H` per point.
fn energies(density: Tempered<'_>, cloud: &Cloud, momenta: &Batch) -> Vec<f64> {
    let mut out = density.log_density(cloud.x.as_ref(), &cloud.log_density);
    out.iter_mut().for_each(|h| *h = -*h);
    for j in 0..momenta.columns() {
        for (h, p) in out.iter_mut().zip(momenta.column(j)) {
            *h += 0.5 * p * p;
        }
    }
    out
}
