//! A log density tabulated on a state grid at time nodes, and its score.

use crate::discretization::state_grid::{Placement, StateGrid};
use crate::field::{Differentiable, Field, LogDensity};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::interpolation::{Blend, GridInterpolant, InterpolationError};
use crate::numeric::sums::add_scaled;

/// Why tables do not make a field.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GridFieldError {
    #[error("{tables} tables were given for {times} times; as many are needed, and at least one")]
    Tables { tables: usize, times: usize },
    #[error(transparent)]
    Interpolation(#[from] InterpolationError),
}

/// `log p = -V(xi, t) - log |dx/dxi|`, `s = -∇V`, with `V = -log rho` of the density in grid coordinates.
///
/// Cubic splines in space, the cubic through the four nearest nodes in time at fixed xi. Beyond the grid V
/// goes on as a quadratic along each axis; before the first and after the last time node it is frozen
/// in grid coordinates.
///
/// # Shapes
/// x: points × d \[state\]; score \[1/state\]; log density per point.
///
/// # Order
/// h⁴ in the log density, h³ in the score, h² in its divergence, and 4 in the spacing of the time nodes.
#[derive(Clone, Debug)]
pub struct GridScore {
    grid: StateGrid,
    times: Vec<f64>,
    tables: Vec<GridInterpolant>,
}

/// Nodes of the interpolation in time.
const TIME_NODES: usize = 4;

impl GridScore {
    /// One table of V per increasing time, first axis slowest.
    pub fn new(
        grid: StateGrid,
        times: Vec<f64>,
        tables: Vec<Vec<f64>>,
    ) -> Result<Self, GridFieldError> {
        if times.is_empty() || times.len() != tables.len() {
            return Err(GridFieldError::Tables {
                tables: tables.len(),
                times: times.len(),
            });
        }
        let tables = tables
            .into_iter()
            .map(|table| GridInterpolant::new(grid.axes(), &table))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            grid,
            times,
            tables,
        })
    }

    pub fn grid(&self) -> &StateGrid {
        &self.grid
    }

    /// Times of the tables.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// Placement and splines at one time.
    fn at(&self, t: f64) -> (Placement, Blend<'_>) {
        let last = self.times.len() - 1;
        let t = t.clamp(self.times[0], self.times[last]);
        let after = self.times.partition_point(|node| *node <= t);
        let nodes = TIME_NODES.min(last + 1);
        let first = after.saturating_sub(nodes / 2).min(last + 1 - nodes);
        let chosen = first..first + nodes;
        let parts = chosen
            .clone()
            .map(|i| {
                let weight = chosen
                    .clone()
                    .filter(|j| *j != i)
                    .map(|j| (t - self.times[j]) / (self.times[i] - self.times[j]))
                    .product();
                (weight, &self.tables[i])
            })
            .filter(|(weight, _)| *weight != 0.0)
            .collect();
        (self.grid.at(t), Blend::new(parts))
    }

    /// Log densities, scores and, if asked for, divergences.
    fn sweep(
        &self,
        t: f64,
        x: BatchRef<'_>,
        log_density: &mut [f64],
        score: BatchMut<'_>,
        divergence: Option<&mut [f64]>,
    ) {
        let (points, d) = (x.points(), x.columns());
        let (placement, blend) = self.at(t);
        let mut xi = Batch::zeros(points, d);
        placement.to_grid(x, xi.as_mut());
        let mut gradient = Batch::zeros(points, d);
        let mut second = divergence.is_some().then(|| Batch::zeros(points, d));
        let wanted = second.as_mut().map(Batch::as_mut);
        blend.eval(xi.as_ref(), log_density, gradient.as_mut(), wanted);
        if let Some((divergence, second)) = divergence.zip(second) {
            divergence.fill(0.0);
            for j in 0..d {
                let scale = placement.half_width[j].powi(-2);
                add_scaled(-scale, second.column(j), divergence);
            }
        }
        placement.gradient_to_state(-1.0, gradient.as_ref(), score);
        let volume = placement.log_volume();
        for value in log_density {
            *value = -*value - volume;
        }
    }
}

impl Field for GridScore {
    fn inputs(&self) -> usize {
        self.grid.dimension()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.sweep(t, x, &mut vec![0.0; x.points()], out, None);
    }
}

impl Differentiable for GridScore {
    fn eval_with_divergence(
        &self,
        t: f64,
        x: BatchRef<'_>,
        out: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        self.sweep(t, x, &mut vec![0.0; x.points()], out, Some(divergence));
    }
}

impl LogDensity for GridScore {
    fn log_density(&self, t: f64, x: BatchRef<'_>, out: &mut [f64]) {
        let mut score = Batch::zeros(x.points(), x.columns());
        self.sweep(t, x, out, score.as_mut(), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discretization::noising::Noising;
    use crate::discretization::schedule::{Schedule, TimeFunction};
    use crate::discretization::state_grid::Rotation;
    use crate::field::noised_mixture::NoisedMixture;
    use crate::problem::meant::law::{Covariance, Mixture};

    #[test]
    fn a_noised_gaussian_is_interpolated_exactly_in_space_and_closely_in_time() {
        let data = Mixture::gaussian(
            vec![1.0, -0.5],
            Covariance::Full(vec![vec![0.3, 0.1], vec![0.1, 0.2]]),
        );
        let beta = TimeFunction::Linear {
            lo: 1.0,
            slope: 2.0,
        };
        let noising = Noising::isotropic(Schedule::VariancePreserving(beta), 2, 0.0, 1.0);
        let schedule = noising.schedule().expect("isotropic").clone();
        let exact = NoisedMixture::new(
            data.clone(),
            noising.transition().expect("affine").clone(),
            0.0,
        );
        let grid = StateGrid::moving(&[17, 17], &schedule, &[0.0, 0.0], 0.0, &data).expect("grid");
        let points = Batch::from_rows(2, &[[1.2, -0.4], [0.0, 0.6], [9.0, 0.0]]);
        let error = |nodes: usize| {
            let times: Vec<f64> = (0..=nodes).map(|i| i as f64 / nodes as f64).collect();
            let tables = times
                .iter()
                .map(|t| {
                    let states = grid.states(*t);
                    let mut log = vec![0.0; states.points()];
                    exact.log_density(*t, states.as_ref(), &mut log);
                    let volume = grid.at(*t).log_volume();
                    log.iter().map(|l| -l - volume).collect()
                })
                .collect();
            let field =
                GridScore::new(grid.clone(), times, tables).expect("as many tables as times");
            let mut worst = [0.0_f64; 2];
            for (slot, t) in [(0, 0.5), (1, 0.53)] {
                let (mut a, mut b) = (Batch::zeros(3, 2), Batch::zeros(3, 2));
                let (mut da, mut db) = ([0.0; 3], [0.0; 3]);
                let (mut la, mut lb) = ([0.0; 3], [0.0; 3]);
                field.eval_with_divergence(t, points.as_ref(), a.as_mut(), &mut da);
                exact.eval_with_divergence(t, points.as_ref(), b.as_mut(), &mut db);
                field.log_density(t, points.as_ref(), &mut la);
                exact.log_density(t, points.as_ref(), &mut lb);
                for (a, b) in a
                    .as_slice()
                    .iter()
                    .chain(&da)
                    .chain(&la)
                    .zip(b.as_slice().iter().chain(&db).chain(&lb))
                {
                    worst[slot] = worst[slot].max((a - b).abs() / (1.0 + b.abs()));
                }
            }
            worst
        };
        let (coarse, fine) = (error(10), error(20));
        assert!(coarse[0] < 1e-10 && fine[0] < 1e-10, "{coarse:?}");
        let order = (coarse[1] / fine[1]).log2();
        assert!(fine[1] < 1e-4 && order > 3.3, "{coarse:?} {fine:?}");
    }

    #[test]
    fn a_turned_grid_gives_the_same_field() {
        let data = Mixture::gaussian(
            vec![0.2, 0.1],
            Covariance::Full(vec![vec![0.5, 0.3], vec![0.3, 0.4]]),
        );
        let at = crate::field::noised_mixture::MixtureAt::new(&data);
        let rotation = Rotation {
            cosine: 0.6,
            sine: 0.8,
        };
        let grid = StateGrid::covering(&[9, 13], &[data], rotation).expect("grid");
        let states = grid.states(0.0);
        let volume = grid.at(0.0).log_volume();
        let table = (0..states.points())
            .map(|i| -at.derivatives(&states.row(i)).0 - volume)
            .collect();
        let field = GridScore::new(grid, vec![0.0], vec![table]).expect("one table");
        let x = [0.7, -0.3];
        let (log, score, hessian) = at.derivatives(&x);
        let points = Batch::from_rows(2, &[x]);
        let (mut out, mut divergence, mut value) = (Batch::zeros(1, 2), [0.0], [0.0]);
        field.eval_with_divergence(5.0, points.as_ref(), out.as_mut(), &mut divergence);
        field.log_density(-1.0, points.as_ref(), &mut value);
        assert!((value[0] - log).abs() < 1e-11);
        assert!((out.get(0, 0) - score[0]).abs() < 1e-10);
        assert!((out.get(0, 1) - score[1]).abs() < 1e-10);
        assert!((divergence[0] - hessian.trace()).abs() < 1e-9);
    }
}
