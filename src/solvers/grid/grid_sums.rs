//! Integrals over the nodes of a state grid: mass, mean squares of controls, cost.

use crate::discretization::state_grid::StateGrid;
use crate::numeric::blocks::pairwise_sum;
use crate::numeric::interpolation::UniformAxis;

/// Nodes whose density is below this fraction of the peak do not enter error averages.
const NEGLIGIBLE: f64 = 1e-12;

/// Trapezoid weight of a node, in grid units.
pub(crate) fn node_weight(grid: &StateGrid, index: usize) -> f64 {
    let axes = grid.axes();
    let inner = axes.get(1).map_or(1, |axis| axis.count);
    let end = |axis: &UniformAxis, i: usize| {
        axis.step
            * if i == 0 || i == axis.count - 1 {
                0.5
            } else {
                1.0
            }
    };
    let first = end(&axes[0], index / inner);
    axes.get(1)
        .map_or(first, |axis| first * end(axis, index % inner))
}

/// `∫ exp(shift - V)` over the grid.
pub(crate) fn mass(grid: &StateGrid, values: &[f64], shift: f64) -> f64 {
    let terms: Vec<f64> = values
        .iter()
        .enumerate()
        .map(|(i, v)| node_weight(grid, i) * (shift - v).exp())
        .collect();
    pairwise_sum(&terms)
}

/// `E|Gᵀ∇(a - b)|²` and `E|Gᵀ∇a|²` under `exp(-a)`, with central differences; diffusivities along the
/// axes in grid units.
pub(crate) fn mean_squares(
    grid: &StateGrid,
    diffusivities: &[f64],
    a: &[f64],
    b: &[f64],
) -> (f64, f64) {
    let axes = grid.axes();
    let inner = axes.get(1).map_or(1, |axis| axis.count);
    let outer = axes[0].count;
    let least = a.iter().fold(f64::INFINITY, |m, v| m.min(*v));
    let limit = least - f64::ln(NEGLIGIBLE);
    let (mut error, mut size, mut total) = (Vec::new(), Vec::new(), Vec::new());
    for i in 1..outer - 1 {
        let row = if axes.len() == 2 { 1..inner - 1 } else { 0..1 };
        for index in row.map(|j| i * inner + j) {
            if a[index] > limit {
                continue;
            }
            let weight = (least - a[index]).exp();
            let (mut e, mut s) = (0.0, 0.0);
            for (axis, diffusivity) in diffusivities.iter().enumerate() {
                let stride = if axis == 0 { inner } else { 1 };
                let scale = diffusivity / (4.0 * axes[axis].step.powi(2));
                let slope = |v: &[f64]| v[index + stride] - v[index - stride];
                e += scale * (slope(a) - slope(b)).powi(2);
                s += scale * slope(a).powi(2);
            }
            error.push(weight * e);
            size.push(weight * s);
            total.push(weight);
        }
    }
    let total = pairwise_sum(&total);
    (pairwise_sum(&error) / total, pairwise_sum(&size) / total)
}
