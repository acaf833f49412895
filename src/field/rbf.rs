//! Affine fields plus gradients of Gaussian bumps on whitened coordinates.

use crate::discretization::noising::Noising;
use crate::field::draws::draw_noised;
use crate::field::noised_mixture::NoisedMixture;
use crate::field::rbf_few;
use crate::field::time_nodes::{Basis, Regressors, TimeNodes};
use crate::field::time_nodes::{TIME, nodes};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::dispatch::{Kernel, dispatch, multiply_add};
use crate::numeric::elementary::exp;
use crate::numeric::random::Stream;
use crate::numeric::sums::{add_scaled, dot};
use crate::problem::format::card::FieldCard;
use crate::problem::format::key::{Fallback, Form, Key};
use crate::problem::meant::options::{FieldSpec, Options};
use std::ops::Range;

/// The family's name, sizes and defaults.
pub static CARD: FieldCard = FieldCard {
    name: "rbf",
    about: "affine plus Gaussian features",
    options: &[
        Key::new(
            "centers",
            Form::Count(1),
            Fallback::Count(200),
            "Gaussian features",
        ),
        TIME,
        nodes(24),
    ],
    most_states: None,
    settings: |options| {
        let (centers, nodes) = (options.count("centers"), options.count("nodes"));
        format!("rbf {centers} at {nodes} times")
    },
};

/// The family with these sizes.
pub fn spec(centers: usize, nodes: usize) -> FieldSpec {
    FieldSpec {
        family: CARD.name,
        options: Options::of(vec![
            ("centers", centers.into()),
            ("time", "nodes".into()),
            ("nodes", nodes.into()),
        ]),
    }
}

/// Above this many states the affine part is diagonal: a full matrix would outnumber the bumps.
const FULL_AFFINE: usize = 8;
/// Draws per time node from which the centres are chosen.
const DRAWS_PER_NODE: usize = 256;
/// Bump width over the mean distance to the nearest centres.
const OVERLAP: f64 = 1.3;
/// How many nearest centres set the width.
const NEIGHBOURS: usize = 3;

/// `F = M ξ + c + Σ_k a_k w_k ∇ exp(−|ξ − c_k|²/2 w_k²)`.
///
/// A symmetric M makes the field a gradient, as every score is. Linear in `(M, c, a)`.
///
/// # Cost
/// K (d + one exponential) per point.
#[derive(Clone, Debug)]
pub struct RadialBasis {
    dimension: usize,
    /// Affine terms: component of F, and the coordinate it multiplies (`None`: constant).
    affine: Vec<(usize, Option<usize>)>,
    /// Centre by centre.
    centres: Vec<f64>,
    widths: Vec<f64>,
}

impl RadialBasis {
    /// Bumps at the given centres, as wide as their spacing asks for.
    pub fn new(dimension: usize, centres: Vec<Vec<f64>>) -> Self {
        let widths = widths(&centres);
        let mut affine: Vec<_> = (0..dimension).map(|j| (j, None)).collect();
        for j in 0..dimension {
            if dimension <= FULL_AFFINE {
                affine.extend((0..dimension).map(|l| (j, Some(l))));
            } else {
                affine.push((j, Some(j)));
            }
        }
        Self {
            dimension,
            affine,
            centres: centres.concat(),
            widths,
        }
    }

    /// Whitened draws of the noised law, pooled over all nodes.
    pub fn pool_of(
        noising: &Noising,
        law: &NoisedMixture,
        nodes: &TimeNodes,
        stream: &Stream,
    ) -> Vec<Vec<f64>> {
        let mut pool = Vec::with_capacity(nodes.count() * DRAWS_PER_NODE);
        for node in 0..nodes.count() {
            let t = nodes.time(node);
            let kernel = law.transition().between(noising.start(), t);
            let first = (node * DRAWS_PER_NODE) as u64;
            let x = draw_noised(law.mixture(), &kernel, stream, first, DRAWS_PER_NODE);
            let xi = nodes.locate(t).whiten(x.as_ref());
            pool.extend((0..DRAWS_PER_NODE).map(|i| xi.row(i)));
        }
        pool
    }

    /// Centres by k-means++ seeding on whitened points.
    pub fn from_pool(dimension: usize, pool: &[Vec<f64>], centres: usize, stream: &Stream) -> Self {
        Self::new(dimension, spread_out(pool, centres, stream, 0))
    }

    fn bumps(&self, range: Range<usize>) -> impl Iterator<Item = Bump<'_>> {
        self.centres
            .chunks_exact(self.dimension)
            .zip(&self.widths)
            .take(range.end)
            .skip(range.start)
            .map(|(centre, width)| Bump {
                centre,
                inverse: 1.0 / width,
            })
    }
}

/// The bumps of a basis in `D` states.
fn few<const D: usize>(basis: &RadialBasis, range: Range<usize>) -> rbf_few::Bumps<'_, D> {
    rbf_few::Bumps {
        centres: &basis.centres.as_chunks::<D>().0[range.clone()],
        widths: &basis.widths[range],
    }
}

/// Address of the seeding's uniforms, away from the draws' own.
const SEEDING: u32 = 7;

/// k-means++ seeding: each next centre is drawn with probability proportional to the squared distance
/// to the nearest one so far. At most as many centres as distinct points.
///
/// Different attempts use different random numbers.
pub(super) fn spread_out(
    pool: &[Vec<f64>],
    count: usize,
    stream: &Stream,
    attempt: u32,
) -> Vec<Vec<f64>> {
    let mut uniforms = Batch::zeros(count, 1);
    stream.uniforms(0, SEEDING + attempt, uniforms.as_mut());
    let mut nearest = vec![f64::INFINITY; pool.len()];
    let mut centres: Vec<Vec<f64>> = Vec::with_capacity(count);
    for n in 0..count.min(pool.len()) {
        let chosen = if n == 0 {
            0
        } else {
            let total: f64 = nearest.iter().sum();
            if total <= 0.0 {
                break;
            }
            let target = uniforms.get(n, 0) * total;
            let mut sum = 0.0;
            let found = nearest.iter().position(|d| {
                sum += d;
                sum >= target && *d > 0.0
            });
            match found {
                Some(i) => i,
                None => break,
            }
        };
        let centre = pool[chosen].clone();
        for (distance, x) in nearest.iter_mut().zip(pool) {
            *distance = distance.min(squared_distance(x, &centre));
        }
        centres.push(centre);
    }
    centres
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// As wide as the spacing of the centres asks for.
pub(super) fn widths(centres: &[Vec<f64>]) -> Vec<f64> {
    centres
        .iter()
        .map(|c| {
            let mut distances: Vec<f64> = centres
                .iter()
                .map(|other| squared_distance(c, other))
                .filter(|d| *d > 0.0)
                .collect();
            distances.sort_by(f64::total_cmp);
            let near = &distances[..distances.len().min(NEIGHBOURS)];
            if near.is_empty() {
                return 1.0;
            }
            OVERLAP * near.iter().map(|d| d.sqrt()).sum::<f64>() / near.len() as f64
        })
        .collect()
}

/// One Gaussian bump `φ = exp(−|δ|²/2)`, `δ = (ξ − c) inverse`; its feature is `−δ φ`.
#[derive(Clone, Copy)]
struct Bump<'a> {
    centre: &'a [f64],
    inverse: f64,
}

impl Bump<'_> {
    /// `out = φ`.
    #[inline(always)]
    fn heights<const FMA: bool>(&self, xi: BatchRef<'_>, out: &mut [f64]) {
        out.fill(0.0);
        for (j, c) in self.centre.iter().enumerate() {
            for (o, x) in out.iter_mut().zip(xi.column(j)) {
                let delta = x - c;
                *o = multiply_add::<FMA>(delta, delta, *o);
            }
        }
        let half = -0.5 * self.inverse * self.inverse;
        for o in out.iter_mut() {
            *o = exp::<FMA>(half * *o);
        }
    }
}

/// Adds `Σ_k a_k φ_k (−δ_k)` to `out`, over a range of bumps.
struct Combine<'a, 'b> {
    basis: &'a RadialBasis,
    range: Range<usize>,
    xi: BatchRef<'a>,
    weights: &'a [f64],
    out: BatchMut<'b>,
}

impl<'a, 'b> Combine<'a, 'b> {
    fn dispatch(self) {
        match self.basis.dimension {
            1 => dispatch(self.few::<1>()),
            2 => dispatch(self.few::<2>()),
            3 => dispatch(self.few::<3>()),
            _ => dispatch(self),
        }
    }

    fn few<const D: usize>(self) -> rbf_few::Combine<'a, 'b, D> {
        rbf_few::Combine {
            bumps: few(self.basis, self.range),
            xi: self.xi,
            weights: self.weights,
            out: self.out,
        }
    }
}

impl Kernel for Combine<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        let mut height = vec![0.0; self.xi.points()];
        for (bump, a) in self.basis.bumps(self.range).zip(self.weights) {
            bump.heights::<FMA>(self.xi, &mut height);
            let factor = -a * bump.inverse;
            for (j, c) in bump.centre.iter().enumerate() {
                let column = self.out.column_mut(j);
                for ((o, x), h) in column.iter_mut().zip(self.xi.column(j)).zip(&height) {
                    *o = multiply_add::<FMA>(factor * h, x - c, *o);
                }
            }
        }
    }
}

/// Adds to each parameter `Σ_points c·(−δ) φ`, and, given weights a, adds the state cotangent
/// `Σ_k a_k φ_k inverse_k ((c·δ_k) δ_k − c)` to `out`.
struct PullBack<'a, 'b> {
    basis: &'a RadialBasis,
    xi: BatchRef<'a>,
    cotangent: BatchRef<'a>,
    gradient: Option<&'b mut [f64]>,
    state: Option<(&'a [f64], BatchMut<'b>)>,
}

impl<'a, 'b> PullBack<'a, 'b> {
    fn dispatch(self) {
        match self.basis.dimension {
            1 => dispatch(self.few::<1>()),
            2 => dispatch(self.few::<2>()),
            3 => dispatch(self.few::<3>()),
            _ => dispatch(self),
        }
    }

    fn few<const D: usize>(self) -> rbf_few::PullBack<'a, 'b, D> {
        rbf_few::PullBack {
            bumps: few(self.basis, 0..self.basis.widths.len()),
            xi: self.xi,
            cotangent: self.cotangent,
            gradient: self.gradient,
            state: self.state,
        }
    }
}

impl Kernel for PullBack<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        let n = self.xi.points();
        let (mut height, mut along) = (vec![0.0; n], vec![0.0; n]);
        for (k, bump) in self.basis.bumps(0..self.basis.widths.len()).enumerate() {
            bump.heights::<FMA>(self.xi, &mut height);
            along.fill(0.0);
            for (j, c) in bump.centre.iter().enumerate() {
                let (x, ct) = (self.xi.column(j), self.cotangent.column(j));
                for ((a, x), ct) in along.iter_mut().zip(x).zip(ct) {
                    *a = multiply_add::<FMA>(*ct, x - c, *a);
                }
            }
            if let Some(gradient) = &mut self.gradient {
                gradient[k] -= bump.inverse * dot(&along, &height);
            }
            if let Some((weights, out)) = &mut self.state {
                let factor = weights[k] * bump.inverse;
                let square = bump.inverse * bump.inverse;
                for (a, h) in along.iter_mut().zip(height.iter_mut()) {
                    *h *= factor;
                    *a *= *h * square;
                }
                for (j, c) in bump.centre.iter().enumerate() {
                    let (x, ct) = (self.xi.column(j), self.cotangent.column(j));
                    let column = out.column_mut(j);
                    for (i, o) in column.iter_mut().enumerate() {
                        *o += along[i] * (x[i] - c) - height[i] * ct[i];
                    }
                }
            }
        }
    }
}

/// `φ_k inverse_k Σ_j scale_j (δ_j² − 1)` for one bump.
struct Divergence<'a> {
    bump: Bump<'a>,
    xi: BatchRef<'a>,
    scale: &'a [f64],
    height: &'a mut [f64],
    out: &'a mut [f64],
}

impl Kernel for Divergence<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Bump { centre, inverse } = self.bump;
        self.bump.heights::<FMA>(self.xi, self.height);
        self.out.fill(-self.scale.iter().sum::<f64>());
        for (j, c) in centre.iter().enumerate() {
            let factor = self.scale[j] * inverse * inverse;
            for (o, x) in self.out.iter_mut().zip(self.xi.column(j)) {
                let delta = x - c;
                *o = multiply_add::<FMA>(factor * delta, delta, *o);
            }
        }
        for (o, h) in self.out.iter_mut().zip(self.height) {
            *o *= inverse * *h;
        }
    }
}

impl Basis for RadialBasis {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn regressors(&self) -> Regressors {
        Regressors::Coupled {
            count: self.affine.len() + self.widths.len(),
        }
    }

    fn standard(&self) -> Vec<f64> {
        let mut theta = vec![0.0; self.coefficients()];
        for (a, (j, l)) in self.affine.iter().enumerate() {
            if *l == Some(*j) {
                theta[a] = -1.0;
            }
        }
        theta
    }

    fn combine(&self, xi: BatchRef<'_>, coefficients: &[f64], mut out: BatchMut<'_>) {
        out.fill(0.0);
        let (linear, weights) = coefficients.split_at(self.affine.len());
        for ((j, l), theta) in self.affine.iter().zip(linear) {
            let column = out.column_mut(*j);
            match l {
                Some(l) => add_scaled(*theta, xi.column(*l), column),
                None => column.iter_mut().for_each(|o| *o += theta),
            }
        }
        Combine {
            basis: self,
            range: 0..weights.len(),
            xi,
            weights,
            out,
        }
        .dispatch();
    }

    fn divergence(&self, xi: BatchRef<'_>, coefficients: &[f64], scale: &[f64], out: &mut [f64]) {
        let (linear, weights) = coefficients.split_at(self.affine.len());
        let diagonal = self.affine.iter().zip(linear);
        out.fill(
            diagonal
                .filter(|((j, l), _)| *l == Some(*j))
                .map(|((j, _), theta)| scale[*j] * theta)
                .sum(),
        );
        let (mut height, mut term) = (vec![0.0; xi.points()], vec![0.0; xi.points()]);
        for (bump, a) in self.bumps(0..weights.len()).zip(weights) {
            dispatch(Divergence {
                bump,
                xi,
                scale,
                height: &mut height,
                out: &mut term,
            });
            add_scaled(*a, &term, out);
        }
    }

    fn carry_back(
        &self,
        xi: BatchRef<'_>,
        cotangent: BatchRef<'_>,
        gradient: Option<&mut [f64]>,
        state: Option<(&[f64], BatchMut<'_>)>,
    ) {
        let affine = self.affine.len();
        let gradient = gradient.map(|gradient| {
            let (linear, bumps) = gradient.split_at_mut(affine);
            self.pull_back_affine(xi, cotangent, linear);
            bumps
        });
        let state = state.map(|(coefficients, mut out)| {
            let (linear, weights) = coefficients.split_at(affine);
            self.pull_back_affine_state(linear, cotangent, out.reborrow());
            (weights, out)
        });
        PullBack {
            basis: self,
            xi,
            cotangent,
            gradient,
            state,
        }
        .dispatch();
    }

    fn pull_back_divergence(
        &self,
        xi: BatchRef<'_>,
        scale: &[f64],
        weight: &[f64],
        gradient: &mut [f64],
    ) {
        let total: f64 = weight.iter().sum();
        let (linear, bumps) = gradient.split_at_mut(self.affine.len());
        for ((j, l), g) in self.affine.iter().zip(linear) {
            if *l == Some(*j) {
                *g += scale[*j] * total;
            }
        }
        let (mut height, mut term) = (vec![0.0; xi.points()], vec![0.0; xi.points()]);
        for (bump, g) in self.bumps(0..bumps.len()).zip(bumps) {
            dispatch(Divergence {
                bump,
                xi,
                scale,
                height: &mut height,
                out: &mut term,
            });
            *g += dot(weight, &term);
        }
    }

    fn design(&self, xi: BatchRef<'_>, out: &mut [f64]) {
        let (n, d) = (xi.points(), self.dimension);
        let (linear, bumps) = out.split_at_mut(n * d * self.affine.len());
        linear.fill(0.0);
        for ((j, l), rows) in self.affine.iter().zip(linear.chunks_exact_mut(n * d)) {
            let block = &mut rows[j * n..(j + 1) * n];
            match l {
                Some(l) => block.copy_from_slice(xi.column(*l)),
                None => block.fill(1.0),
            }
        }
        bumps.fill(0.0);
        for (k, rows) in bumps.chunks_exact_mut(n * d).enumerate() {
            Combine {
                basis: self,
                range: k..k + 1,
                xi,
                weights: &[1.0],
                out: BatchMut::new(rows, n, d, n),
            }
            .dispatch();
        }
    }
}

impl RadialBasis {
    fn pull_back_affine(&self, xi: BatchRef<'_>, cotangent: BatchRef<'_>, gradient: &mut [f64]) {
        for ((j, l), g) in self.affine.iter().zip(gradient) {
            let c = cotangent.column(*j);
            *g += match l {
                Some(l) => dot(c, xi.column(*l)),
                None => c.iter().sum(),
            };
        }
    }

    fn pull_back_affine_state(
        &self,
        linear: &[f64],
        cotangent: BatchRef<'_>,
        mut out: BatchMut<'_>,
    ) {
        out.fill(0.0);
        for ((j, l), theta) in self.affine.iter().zip(linear) {
            if let Some(l) = l {
                add_scaled(*theta, cotangent.column(*j), out.column_mut(*l));
            }
        }
    }
}
