//! What values on grids say at the start, and how far that is from the limit of fine grids.

use crate::field::Field;
use crate::numeric::batch::{Batch, BatchRef};
use crate::solvers::grid::space_time::Extrapolated;
use crate::solvers::lowered::edges::Edges;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::start_law::start_nodes;

/// The value averaged over the start law, and the control where that is a point; or a distance between two such.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AtStart {
    pub(crate) value: f64,
    pub(crate) control: Vec<f64>,
}

impl AtStart {
    pub(crate) fn new(
        lowered: &Lowered,
        edges: &Edges,
        value: &Extrapolated,
        policy: &dyn Field,
    ) -> Self {
        let process = &lowered.compiled.steered;
        let from = process.start();
        let start = start_nodes(lowered.start());
        let average = start.average(|points| {
            let inner = |x: BatchRef<'_>| value.eval_with_gradient(from, x).0;
            edges.values(process, points, inner)
        });
        let control = lowered.start_point().map_or(Vec::new(), |point| {
            let mut u = Batch::zeros(1, policy.outputs());
            policy.eval(
                from,
                Batch::from_rows(point.len(), &[point]).as_ref(),
                u.as_mut(),
            );
            u.row(0)
        });
        Self {
            value: average,
            control,
        }
    }

    /// How far two are apart, number by number.
    pub(crate) fn distance(&self, other: &Self) -> Self {
        let both = self.control.iter().zip(&other.control);
        Self {
            value: (self.value - other.value).abs(),
            control: both.map(|(a, b)| (a - b).abs()).collect(),
        }
    }

    pub(crate) fn plus(mut self, other: &Self) -> Self {
        self.value += other.value;
        let both = self.control.iter_mut().zip(&other.control);
        both.for_each(|(a, b)| *a += b);
        self
    }

    /// A number of each, from the same numbers of several.
    pub(crate) fn each<const N: usize>(
        levels: [&Self; N],
        number: impl Fn([f64; N]) -> f64,
    ) -> Self {
        let control = 0..levels[0].control.len();
        Self {
            value: number(levels.map(|level| level.value)),
            control: control
                .map(|j| number(levels.map(|level| level.control[j])))
                .collect(),
        }
    }
}
