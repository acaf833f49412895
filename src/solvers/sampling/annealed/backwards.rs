//! Populations that end in a draw of the target: their `Z` is biased upwards.
//!
//! ```text
//! x_n ~ rho/Z,   x_{k-1} <- moves of rung k from x_k,         k = n ... 1
//! the annealed population of N points, one of them held to x_0 ... x_n;   E[log Z_N] = log Z + KL >= log Z
//! ```
//!
//! The moves are their own reverses, so the held path has the law of a path of the population, weighted to the
//! target. With the others drawn given it, all points together have the law of the forward population times
//! `Z_N/Z`: the mean of `log Z_N` under it is above `log Z` by a divergence, where under the forward law it is below.
//! A mode the forward populations never see is reached from its draws, and shows as a gap between the two means.
//!
//! # Assumes
//! Draws of the target that the annealing did not make.
//!
//! # Source
//! Grosse, Ghahramani, Adams, arXiv:1511.02543 (2015), section 3; Andrieu, Doucet, Holenstein, *J. R. Stat. Soc. B*
//! 72 (2010), theorem 2, for the law of a population with a held path.

use crate::numeric::batch::Batch;
use crate::numeric::random::Streams;
use crate::solvers::lowered::answer::Backwards;
use crate::solvers::lowered::target::Target;
use crate::solvers::sampling::annealed::ladder::Ladder;
use crate::solvers::sampling::annealed::population::{Draws, Laws, Population, systematic_with};
use crate::solvers::sampling::tempered::{Cloud, Reference};
use crate::solvers::walk::weights::normalised;

/// An annealing with everything chosen.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub reference: Reference,
    pub ladder: Ladder,
    /// Points a population.
    pub population: usize,
}

impl Backwards for Schedule {
    fn log_normalisers(&self, target: &Target, exact: Batch, streams: &Streams) -> Vec<f64> {
        let laws = Laws {
            target,
            reference: &self.reference,
        };
        let paths = self.paths(laws, exact, &streams.scoped("held"));
        let count = paths[0].log_density.len();
        let streams = streams.scoped("others");
        (0..count)
            .map(|row| self.held(laws, &paths, row, &streams))
            .collect()
    }
}

impl Schedule {
    /// States of the held paths from the reference on, one more than rungs.
    fn paths(&self, laws: Laws<'_>, exact: Batch, streams: &Streams) -> Vec<Cloud> {
        let draws = Draws::new(streams, 0);
        let mut cloud = Cloud::new(laws.target, exact);
        let mut paths = vec![cloud.clone()];
        for rung in self.ladder.rungs.iter().rev() {
            rung.apply(laws, &mut cloud, draws);
            paths.push(cloud.clone());
        }
        paths.reverse();
        paths
    }

    /// One population with the path of this row among its own.
    fn held(&self, laws: Laws<'_>, paths: &[Cloud], row: usize, streams: &Streams) -> f64 {
        let n = self.population;
        let draws = Draws::new(streams, row * n);
        let x = self
            .reference
            .draw(&streams.role("start"), (row * n) as u64, n);
        let mut population = Population::new(Cloud::new(laws.target, x));
        let rungs = self.ladder.rungs.iter();
        let mut place = ((draws.uniform(0) * n as f64) as usize).min(n - 1);
        population.cloud.set(place, &paths[0], row);
        for (k, (rung, state)) in rungs.zip(&paths[1..]).enumerate() {
            let ratios = laws.ratios(&population.cloud);
            population.weigh(rung.inverse_temperature, &ratios);
            if population.is_degenerate() {
                let weights = normalised(&population.log_weights);
                let rows;
                (rows, place) = systematic_with(&weights, place, draws.uniform(1 + k as u32));
                population.resample(&rows);
            }
            rung.apply(laws, &mut population.cloud, draws);
            population.cloud.set(place, state, row);
        }
        population.log_mean()
    }
}
