//! How fast the coefficients of the value change: the equation of the value at a cloud of points, projected on the
//! polynomials by least squares.

use crate::discretization::steered::SteeredProcess;
use crate::field::Field;
use crate::field::hermite::HermiteTerms;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{map_blocks, pairwise_add};
use crate::numeric::dense::{Cholesky, DenseError};
use crate::numeric::least_squares::gram_of_blocks;
use crate::numeric::runge_kutta::Rates;
use crate::solvers::learned::polynomial::law::BLOCK;
use crate::solvers::learned::polynomial::value::{Chart, combine, slopes};
use nalgebra::DMatrix;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// How second derivatives enter.
enum Second {
    /// Noise free of the state: one operator on the coefficients.
    Uniform,
    /// By pair of states: the entries of G whose products make up their diffusivity.
    Pairs(Vec<Pair>),
}

/// Two states that a noise moves together, and which entries of G multiply.
type Pair = (usize, usize, Vec<(usize, usize)>);

/// Points with everything that is evaluated there.
struct Block {
    x: Batch,
    psi: Batch,
    /// Value, slopes, second derivatives.
    found: Batch,
    drift: Batch,
    pulled: Batch,
    best: Batch,
    /// The control so far.
    previous: Batch,
    cost: Vec<f64>,
    rate: Vec<f64>,
    share: Vec<f64>,
}

/// A cloud of points in the coordinates of a chart.
pub(super) struct Cloud {
    process: Arc<SteeredProcess>,
    terms: Arc<HermiteTerms>,
    chart: Arc<Chart>,
    second: Second,
    blocks: Vec<Block>,
    /// Half the mean price of the control so far.
    slack: f64,
    points: usize,
    /// Rates found so far.
    pub evaluations: u64,
}

impl Cloud {
    /// The cloud `x`, of which the first `terms` are used, and the controls there so far.
    pub fn new(
        process: Arc<SteeredProcess>,
        terms: Arc<HermiteTerms>,
        chart: Arc<Chart>,
        x: &Batch,
        used: usize,
        (t, policy): (f64, Option<&dyn Field>),
    ) -> Self {
        let (points, d, controls) = (x.points(), x.columns(), process.controls());
        let diffusion = process.diffusion();
        let second = match diffusion.depends_on_state() {
            false => Second::Uniform,
            true => Second::Pairs(pairs(diffusion.places(), d)),
        };
        let columns = 1
            + d
            + match &second {
                Second::Uniform => 1,
                Second::Pairs(pairs) => pairs.len(),
            };
        let mut blocks = map_blocks(points, BLOCK, |range| {
            let x = x.as_ref().rows(range).to_batch();
            let n = x.points();
            let mut z = Batch::zeros(n, d);
            chart.apply(x.as_ref(), z.as_mut());
            let mut psi = Batch::zeros(n, used);
            terms.eval(z.as_ref(), psi.as_mut());
            let mut previous = Batch::zeros(n, controls);
            if let Some(policy) = policy {
                policy.eval(t, x.as_ref(), previous.as_mut());
            }
            Block {
                psi,
                found: Batch::zeros(n, columns),
                drift: Batch::zeros(n, d),
                pulled: Batch::zeros(n, controls),
                best: Batch::zeros(n, controls),
                previous,
                cost: vec![0.0; n],
                rate: vec![0.0; n],
                share: vec![0.0; used],
                x,
            }
        });
        let prices: Vec<Vec<f64>> = blocks
            .par_iter_mut()
            .map(|block| {
                let Block {
                    x, previous, cost, ..
                } = block;
                process.effort_rate(t, x.as_ref(), previous.as_ref(), cost);
                vec![cost.iter().sum()]
            })
            .collect();
        let slack = pairwise_add(prices).map_or(0.0, |sum| sum[0] / points as f64);
        Self {
            process,
            terms,
            chart,
            second,
            blocks,
            slack,
            points,
            evaluations: 0,
        }
    }

    /// The projection on the first `count` terms.
    ///
    /// # Errors
    /// A pivot that is not positive: the terms are dependent on these points.
    pub fn projection(&self, count: usize) -> Result<Projection, DenseError> {
        let blocks: Vec<BatchRef<'_>> = self.blocks.iter().map(|b| b.psi.as_ref()).collect();
        let gram = gram_of_blocks(&blocks, count) / self.points as f64;
        let factor = Cholesky::new(&gram)?;
        let lower = factor.lower();
        let pivots = lower.diagonal();
        Ok(Projection {
            condition: pivots.max() / pivots.min(),
            factor,
            range: [Range {
                start: 0,
                end: count,
            }],
        })
    }

    /// The coefficients of the best polynomial for values at the points.
    pub fn fit(
        &mut self,
        projection: &Projection,
        values: impl Fn(BatchRef<'_>) -> Vec<f64> + Sync,
    ) -> Vec<f64> {
        self.blocks
            .par_iter_mut()
            .for_each(|block| block.rate = values(block.x.as_ref()));
        self.project(projection)
    }

    fn project(&mut self, projection: &Projection) -> Vec<f64> {
        let count = projection.range[0].end;
        let partials: Vec<Vec<f64>> = self
            .blocks
            .par_iter_mut()
            .map(|block| {
                for (k, share) in block.share[..count].iter_mut().enumerate() {
                    let pairs = block.psi.column(k).iter().zip(&block.rate);
                    *share = pairs.map(|(p, r)| p * r).sum();
                }
                block.share[..count].to_vec()
            })
            .collect();
        let mut moments = pairwise_add(partials).expect("a cloud has points");
        for m in &mut moments {
            *m /= self.points as f64;
        }
        let moments = DMatrix::from_vec(count, 1, moments);
        projection.factor.solve(&moments).as_slice().to_vec()
    }

    /// Fills `rate` of every block: `b . V_x + 1/2 D : V_xx + q` and the price of control of the limited equation.
    fn evaluate(&mut self, t: f64, coefficients: &[f64], slack: f64) {
        let maps = self.maps(t, coefficients);
        let (process, second, d) = (&self.process, &self.second, self.terms.dimension());
        self.blocks.par_iter_mut().for_each(|block| {
            combine(block.psi.as_ref(), &maps, &mut block.found);
            let x = block.x.as_ref();
            process.drift(t, x, block.drift.as_mut());
            process.running(t, x, &mut block.rate);
            let found = block.found.as_ref();
            for j in 0..d {
                let slopes = found.column(1 + j).iter().zip(block.drift.column(j));
                for (rate, (slope, drift)) in block.rate.iter_mut().zip(slopes) {
                    *rate += slope * drift;
                }
            }
            add_second(
                process,
                second,
                t,
                x,
                found.column_range(1 + d..found.columns()),
                &mut block.rate,
            );
            let slope = found.column_range(1..1 + d);
            process.best_response(t, x, slope, block.best.as_mut());
            block.pulled.fill(0.0);
            let channel = process.channel();
            channel.add_transposed_times(t, x, 1.0, slope, block.pulled.as_mut());
            for i in 0..x.points() {
                let (mut full, mut along) = (0.0, 0.0);
                for k in 0..block.pulled.columns() {
                    let pulled = block.pulled.get(i, k);
                    full += 0.5 * pulled * block.best.get(i, k);
                    along += pulled * block.previous.get(i, k);
                }
                block.rate[i] += full.max(along - slack);
            }
        });
    }

    /// Coefficients of value, slopes and second derivatives.
    fn maps(&self, t: f64, coefficients: &[f64]) -> DMatrix<f64> {
        let (d, count) = (self.terms.dimension(), coefficients.len());
        let columns = self.blocks[0].found.columns();
        let mut maps = DMatrix::zeros(count, columns);
        let mut lowered = vec![0.0; count];
        maps.column_mut(0).copy_from_slice(coefficients);
        slopes(
            &self.terms,
            &self.chart,
            coefficients,
            &mut lowered,
            &mut maps,
            1,
        );
        let mut twice = DMatrix::zeros(count, d);
        let uniform = match self.second {
            Second::Uniform => {
                let g = self.process.diffusion().at(t, &[]);
                Some(&g * g.transpose())
            }
            Second::Pairs(_) => None,
        };
        for i in 0..d {
            let slope: Vec<f64> = maps.column(1 + i).iter().copied().collect();
            slopes(
                &self.terms,
                &self.chart,
                &slope,
                &mut lowered,
                &mut twice,
                0,
            );
            match (&self.second, &uniform) {
                (Second::Pairs(pairs), _) => {
                    for (k, (_, j, _)) in pairs.iter().enumerate().filter(|(_, p)| p.0 == i) {
                        maps.column_mut(1 + d + k).copy_from(&twice.column(*j));
                    }
                }
                (Second::Uniform, Some(diffusivity)) => {
                    for j in 0..d {
                        let weight = 0.5 * diffusivity[(i, j)];
                        maps.column_mut(1 + d).axpy(weight, &twice.column(j), 1.0);
                    }
                }
                (Second::Uniform, None) => unreachable!("a uniform noise has a diffusivity"),
            }
        }
        maps
    }

    /// The residual of the whole equation at the points, `V_t` having coefficients `moving`.
    pub fn residuals(&mut self, t: f64, coefficients: &[f64], moving: &[f64]) -> Vec<f64> {
        self.evaluate(t, coefficients, f64::INFINITY);
        let late = self.process.discount();
        let terms = coefficients.len();
        let still: Vec<f64> = moving
            .iter()
            .zip(coefficients)
            .map(|(m, c)| m - late * c)
            .collect();
        let still = DMatrix::from_column_slice(terms, 1, &still);
        let mut out = Vec::with_capacity(self.points);
        for block in &self.blocks {
            let mut own = Batch::zeros(block.x.points(), 1);
            combine(block.psi.as_ref(), &still, &mut own);
            out.extend(own.column(0).iter().zip(&block.rate).map(|(m, r)| m + r));
        }
        out
    }
}

/// `rate += 1/2 D : V_xx`
fn add_second(
    process: &SteeredProcess,
    second: &Second,
    t: f64,
    x: BatchRef<'_>,
    curvatures: BatchRef<'_>,
    rate: &mut [f64],
) {
    let Second::Pairs(pairs) = second else {
        for (rate, term) in rate.iter_mut().zip(curvatures.column(0)) {
            *rate += term;
        }
        return;
    };
    let entries = process.diffusion().values(t, x);
    for (k, (i, j, products)) in pairs.iter().enumerate() {
        let weight = if i == j { 0.5 } else { 1.0 };
        for (a, b) in products {
            let factors = entries.column(*a).iter().zip(entries.column(*b));
            let terms = factors.zip(curvatures.column(k));
            for (rate, ((a, b), curvature)) in rate.iter_mut().zip(terms) {
                *rate += weight * a * b * curvature;
            }
        }
    }
}

/// Pairs of states that a noise moves together.
fn pairs(places: &[(usize, usize)], d: usize) -> Vec<Pair> {
    let mut out = Vec::new();
    for i in 0..d {
        for j in i..d {
            let entries = places.iter().enumerate();
            let products: Vec<(usize, usize)> = entries
                .filter(|(_, a)| a.0 == i)
                .filter_map(|(k, a)| {
                    let other = places.iter().position(|b| *b == (j, a.1))?;
                    Some((k, other))
                })
                .collect();
            if !products.is_empty() {
                out.push((i, j, products));
            }
        }
    }
    out
}

/// Least squares on the first terms.
pub(super) struct Projection {
    factor: Cholesky,
    /// An estimate of the condition number of the terms at the points.
    pub condition: f64,
    range: [Range<usize>; 1],
}

/// `c' = -P F(c)`, to be integrated backwards.
pub(super) struct Falling<'a> {
    pub cloud: &'a mut Cloud,
    pub projection: &'a Projection,
    /// Whether the price of control is limited by what the control so far earns.
    pub limited: bool,
}

impl Rates for Falling<'_> {
    fn blocks(&self) -> &[Range<usize>] {
        &self.projection.range
    }

    fn rates(&mut self, t: f64, y: &[f64], out: &mut [f64]) {
        let slack = match self.limited {
            true => self.cloud.slack,
            false => f64::INFINITY,
        };
        self.cloud.evaluate(t, y, slack);
        self.cloud.evaluations += 1;
        let late = self.cloud.process.discount();
        let projected = self.cloud.project(self.projection);
        for ((out, rate), c) in out.iter_mut().zip(&projected).zip(y) {
            *out = late * c - rate;
        }
    }
}
