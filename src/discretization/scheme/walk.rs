//! Walking a block of paths along a time grid.

use crate::discretization::scheme::{Policy, Scheme, Sde};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::brownian::{Brownian, Increment};
use crate::numeric::random::Stream;

/// A process, a scheme, a grid and the noise to walk it with.
///
/// Steps are the intervals of the grid, each halved `level` times; the Brownian path of a (path, interval)
/// is the same at every level.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    pub sde: &'a Sde,
    pub scheme: &'a dyn Scheme,
    /// Increasing times.
    pub nodes: &'a [f64],
    pub level: u32,
    pub stream: &'a Stream,
    pub policy: Option<&'a Policy<'a>>,
}

impl Path<'_> {
    /// Walks the paths `first, first + 1, ...` from their start points to the last node.
    ///
    /// `watch` sees every node of the grid with the states there, the first one included.
    pub fn walk(
        &self,
        first: u64,
        start: BatchRef<'_>,
        mut watch: impl FnMut(usize, BatchRef<'_>),
    ) -> Batch {
        let points = start.points();
        let mut equation = self.sde.equation(points, self.policy);
        let mut room = self.scheme.room(points);
        let mut wanted = self.scheme.wanted();
        // Halving conditions on the areas.
        wanted.area |= self.level > 0;
        let noise = Brownian::new(*self.stream, self.sde.noises(), wanted);
        let mut parts: Vec<Increment> = vec![noise.room(points); 1 << self.level];
        let mut x = start.to_batch();
        watch(0, x.as_ref());
        for (k, pair) in self.nodes.windows(2).enumerate() {
            let (from, length) = (pair[0], pair[1] - pair[0]);
            noise.halved(first, k as u32, length, self.level, &mut parts);
            for (part, increment) in parts.iter().enumerate() {
                let t = from + length * part as f64 / parts.len() as f64;
                self.scheme
                    .step(&mut equation, t, &mut x, increment, &mut room);
            }
            watch(k + 1, x.as_ref());
        }
        x
    }
}
