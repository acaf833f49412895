//! The ground state of one state.
//!
//! ```text
//! H phi = -lambda ( b phi' + 1/2 D phi'' ) + q phi,      H phi = c phi,      phi = e^{-W/2} f,   W' = 2 b / D
//! -1/2 lambda D f'' + U f = c f,      U = q + lambda ( b^2 / (2 D) + b' / 2 )
//! ```
//!
//! by second differences, with `f` zero at both ends of the domain. `f^2` is the density of the optimal process at rest.

use crate::expr::{CompileError, Kernel};
use crate::numeric::batch::Batch;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::interpolation::UniformAxis;
use crate::numeric::spectrum::{eigenvalue, lowest_vector};
use crate::numeric::tridiagonal::PivotError;
use crate::solvers::lowered::problem::Lowered;

/// Grids, finest first.
const LEVELS: usize = 4;
/// Finest cells in one of the coarsest grid.
pub(super) const COARSEST: usize = 1 << (LEVELS - 1);
/// Share of the distance between the two extrapolated values reported as error.
const ERROR_SHARE: f64 = 0.25;

/// The lowest state of the operator and its distance from the next.
pub(super) struct Ground {
    /// `c`.
    pub(super) cost_rate: Estimate,
    /// `c` of every grid, finest first.
    pub(super) levels: [f64; LEVELS],
    /// Distance of the next eigenvalue over lambda: the rate at which the end of the horizon is forgotten.
    pub(super) gap: f64,
    /// Inner nodes of the finest grid, and `f^2` there, of sum one.
    pub(super) nodes: Batch,
    pub(super) density: Vec<f64>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoGround {
    #[error("the potential could not be compiled: {0}")]
    Compile(#[from] CompileError),
    #[error("the potential is {0}")]
    NotFinite(f64),
    #[error("{0}")]
    Pivot(#[from] PivotError),
}

/// One grid.
struct Operator {
    nodes: Batch,
    diagonal: Vec<f64>,
    off: Vec<f64>,
}

impl Operator {
    fn new(lowered: &Lowered, lambda: f64, axis: UniformAxis) -> Result<Self, NoGround> {
        let (process, own) = (&lowered.process.process, &lowered.compiled.steered);
        let inner: Vec<f64> = (1..axis.count - 1).map(|i| axis.node(i)).collect();
        let n = inner.len();
        let nodes = Batch::from_columns(n, 1, inner);
        let t = own.start();
        let diffusivity = own.diffusion().at(t, &[]).row(0).norm_squared();
        let slope = [process.drift_divergence];
        let slope = Kernel::compile(&process.graph, &slope, process.time, &process.state)?;
        let (mut drift, mut steepness) = (Batch::zeros(n, 1), Batch::zeros(n, 1));
        own.drift(t, nodes.as_ref(), drift.as_mut());
        slope.eval(t, nodes.as_ref(), steepness.as_mut());
        let mut cost = vec![0.0; n];
        own.running(t, nodes.as_ref(), &mut cost);
        let hop = 0.5 * lambda * diffusivity / (axis.step * axis.step);
        let terms = drift.column(0).iter().zip(steepness.column(0)).zip(&cost);
        let diagonal: Vec<f64> = terms
            .map(|((b, db), q)| 2.0 * hop + q + 0.5 * lambda * (b * b / diffusivity + db))
            .collect();
        if let Some(wrong) = diagonal.iter().find(|u| !u.is_finite()) {
            return Err(NoGround::NotFinite(*wrong));
        }
        Ok(Self {
            nodes,
            diagonal,
            off: vec![-hop; n - 1],
        })
    }

    fn eigenvalue(&self, k: usize) -> f64 {
        eigenvalue(&self.diagonal, &self.off, k)
    }
}

/// Solves for the ground state on `cells` cells, a multiple of [`COARSEST`], and on coarser grids for the error.
pub(super) fn ground(
    lowered: &Lowered,
    lambda: f64,
    (low, high): (f64, f64),
    cells: usize,
) -> Result<Ground, NoGround> {
    let grid = |k: usize| {
        let axis = UniformAxis::between(low, high, (cells >> k) + 1);
        Operator::new(lowered, lambda, axis)
    };
    let finest = grid(0)?;
    let mut levels = [finest.eigenvalue(0); LEVELS];
    for (k, level) in levels.iter_mut().enumerate().skip(1) {
        *level = grid(k)?.eigenvalue(0);
    }
    let extrapolated = |k: usize| (4.0 * levels[k] - levels[k + 1]) / 3.0;
    let largest = finest.diagonal.iter().fold(0.0_f64, |a, d| a.max(d.abs()));
    let error = ERROR_SHARE * (extrapolated(0) - extrapolated(1)).abs() + f64::EPSILON * largest;
    let next = finest.eigenvalue(1);
    let vector = lowest_vector(&finest.diagonal, &finest.off, levels[0], next)?;
    Ok(Ground {
        cost_rate: Estimate::new(extrapolated(0), error, ErrorKind::Grid),
        levels,
        gap: (next - levels[0]) / lambda,
        nodes: finest.nodes,
        density: vector.iter().map(|f| f * f).collect(),
    })
}
