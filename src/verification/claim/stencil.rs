//! Derivatives of functions of time known at points.

/// Nodes of a stencil.
pub const NODES: usize = 7;

/// Positions of the nodes around `t`, inside `[start, end]`.
pub fn nodes(t: f64, start: f64, end: f64, step: f64) -> [f64; NODES] {
    let half = (NODES / 2) as f64;
    let first = (t - half * step).clamp(start, end - 2.0 * half * step);
    std::array::from_fn(|i| first + i as f64 * step)
}

/// Weights of the derivatives of order 0 to 2 at `t`, by Fornberg's recursion.
///
/// # Source
/// Fornberg, *Generation of finite difference formulas on arbitrarily spaced grids* (1988).
pub fn weights(t: f64, nodes: &[f64; NODES]) -> [[f64; NODES]; 3] {
    let mut weights = [[0.0; NODES]; 3];
    weights[0][0] = 1.0;
    let mut scale = 1.0;
    for n in 1..NODES {
        let mut product = 1.0;
        for m in 0..n {
            let gap = nodes[n] - nodes[m];
            product *= gap;
            if m + 1 == n {
                for k in (0..3).rev() {
                    let lower = if k > 0 { weights[k - 1][n - 1] } else { 0.0 };
                    weights[k][n] = scale / product
                        * (k as f64 * lower - (nodes[n - 1] - t) * weights[k][n - 1]);
                }
            }
            for k in (0..3).rev() {
                let lower = if k > 0 { weights[k - 1][m] } else { 0.0 };
                weights[k][m] = ((nodes[n] - t) * weights[k][m] - k as f64 * lower) / gap;
            }
        }
        scale = product;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_of_a_wave_inside_and_at_the_ends() {
        for t in [0.0, 0.001, 0.4, 1.0] {
            let nodes = nodes(t, 0.0, 1.0, 2e-3);
            let weights = weights(t, &nodes);
            let apply = |w: &[f64; NODES]| -> f64 {
                w.iter().zip(&nodes).map(|(w, x)| w * (3.0 * x).sin()).sum()
            };
            let exact = [
                (3.0 * t).sin(),
                3.0 * (3.0 * t).cos(),
                -9.0 * (3.0 * t).sin(),
            ];
            for (k, limit) in [1e-14, 1e-11, 1e-7].into_iter().enumerate() {
                let error = (apply(&weights[k]) - exact[k]).abs();
                assert!(error < limit, "order {k} at {t}: {error:e}");
            }
        }
    }
}
