//! Derived coefficients against the user's expressions, differentiated another way.
//!
//! A simplifier that is wrong is wrong consistently, so proofs in its own algebra do not catch it. Here
//! divergences, the reverse drift, the running cost and both sides of the Hamilton–Jacobi–Bellman
//! equation (for a test function) come from forward-mode differentiation of the expressions as typed.

use crate::derivation::control::hamilton_jacobi_bellman as bellman;
use crate::derivation::control::optimal_control::optimal_control;
use crate::derivation::ground::as_typed::{CrossCheck, Point, compare, points, test_function};
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::stated::Stated;
use crate::expr::{Expr, Graph};

/// Points of the comparison.
const POINTS: usize = 64;

/// Compares at 64 seeded points; `None` if no point gave finite values.
///
/// # Errors
/// [`Refuted`] at the first point where the two ways differ by more than rounding.
///
/// # Cost
/// `d` forward passes per point over the drift, `O(d^2)` over diffusions that depend on the state.
pub fn cross_check(
    noising: &mut Noising,
    stated: &Stated,
    domain: Option<&[(f64, f64)]>,
) -> Result<Option<CrossCheck>, Refuted> {
    let value = test_function(noising);
    let control = optimal_control(noising, value);
    let right = bellman::right_side(noising, value);
    let mut derived = vec![noising.drift_divergence, noising.running_cost, right];
    derived.extend(&noising.reverse_drift);
    derived.extend(&control);
    let original = Original {
        graph: &stated.graph,
        stated,
        noisy_states: noisy_states(stated),
    };
    let places = points(&stated.state, stated.time, domain, stated.horizon);
    let process = &*noising;
    let forward = |_: &Graph, at: &Point| original.values(process, value, at);
    let claim = "derived coefficients agree with the expressions as typed";
    compare(&process.graph, claim, &derived, (&places, POINTS), forward)
}

/// The states that occur in the diffusion matrix.
fn noisy_states(stated: &Stated) -> Vec<usize> {
    let entries: Vec<Expr> = stated.diffusion.iter().flatten().copied().collect();
    (0..stated.state.len())
        .filter(|i| {
            let x = stated.state[*i];
            entries.iter().any(|e| stated.graph.depends_on(*e, x))
        })
        .collect()
}

/// The expressions as typed.
struct Original<'a> {
    graph: &'a Graph,
    stated: &'a Stated,
    noisy_states: Vec<usize>,
}

/// First and second derivatives of the diffusivity that are not zero by inspection.
struct Diffusivity {
    value: Vec<Vec<f64>>,
    /// `sum_j d_j D_ij`.
    divergence: Vec<f64>,
    double_divergence: f64,
}

impl Original<'_> {
    /// The derived quantities in their order, by forward-mode differentiation, and the size of the largest
    /// term.
    fn values(&self, noising: &Noising, test: Expr, at: &Point) -> Option<(Vec<f64>, f64)> {
        let d = self.stated.state.len();
        let drift = &self.stated.drift;
        let f = self.graph.evaluate_all(drift, at)?;
        let mut drift_divergence = 0.0;
        let mut scale: f64 = f.iter().fold(f64::MIN_POSITIVE, |s, v| s.max(v.abs()));
        for (i, x) in self.stated.state.iter().enumerate() {
            let jet = self.graph.taylor(&drift[i..=i], at, &[(*x, 1.0)])?;
            drift_divergence += jet[0][1];
            scale = scale.max(jet[0][1].abs());
        }
        let diffusivity = self.diffusivity(at)?;
        let running = drift_divergence - 0.5 * diffusivity.double_divergence;
        let b: Vec<f64> = (0..d).map(|i| diffusivity.divergence[i] - f[i]).collect();
        let (slope, curvature) = test_derivatives(noising, test, at, &diffusivity.value)?;
        let g: Vec<f64> = {
            let entries: Vec<Expr> = self.stated.diffusion.iter().flatten().copied().collect();
            self.graph.evaluate_all(&entries, at)?
        };
        let noises = g.len() / d;
        let control: Vec<f64> = (0..noises)
            .map(|k| -(0..d).map(|i| g[i * noises + k] * slope[i]).sum::<f64>())
            .collect();
        let carried: f64 = b.iter().zip(&slope).map(|(b, s)| b * s).sum();
        let saved: f64 = 0.5 * control.iter().map(|u| u * u).sum::<f64>();
        let mut values = vec![
            drift_divergence,
            running,
            0.5 * curvature - saved + carried + running,
        ];
        values.extend(&b);
        values.extend(&control);
        for term in [curvature, saved, carried, diffusivity.double_divergence] {
            scale = scale.max(term.abs());
        }
        Some((values, scale))
    }

    /// `D = G G'` and its divergences, entry by entry along coordinate and diagonal directions.
    fn diffusivity(&self, at: &[(Expr, f64)]) -> Option<Diffusivity> {
        let rows = &self.stated.diffusion;
        let (d, noises) = (rows.len(), rows[0].len());
        let entries: Vec<Expr> = rows.iter().flatten().copied().collect();
        // Value, first and second derivative of D along a direction.
        let along = |velocity: &[(Expr, f64)]| -> Option<Vec<[f64; 3]>> {
            let g = self.graph.taylor(&entries, at, velocity)?;
            let mut jets = vec![[0.0; 3]; d * d];
            for i in 0..d {
                for j in 0..d {
                    for k in 0..noises {
                        let (a, b) = (g[i * noises + k], g[j * noises + k]);
                        let jet = &mut jets[i * d + j];
                        jet[0] += a[0] * b[0];
                        jet[1] += a[1] * b[0] + a[0] * b[1];
                        jet[2] += a[2] * b[0] + 2.0 * a[1] * b[1] + a[0] * b[2];
                    }
                }
            }
            Some(jets)
        };
        let still = along(&[])?;
        let mut out = Diffusivity {
            value: (0..d)
                .map(|i| (0..d).map(|j| still[i * d + j][0]).collect())
                .collect(),
            divergence: vec![0.0; d],
            double_divergence: 0.0,
        };
        let x = &self.stated.state;
        let mut pure = Vec::new();
        for &j in &self.noisy_states {
            let jets = along(&[(x[j], 1.0)])?;
            for (i, total) in out.divergence.iter_mut().enumerate() {
                *total += jets[i * d + j][1];
            }
            out.double_divergence += jets[j * d + j][2];
            pure.push(jets);
        }
        // d_i d_j = (d_{i+j}^2 - d_i^2 - d_j^2) / 2 by polarisation; each pair counts twice.
        for (a, &i) in self.noisy_states.iter().enumerate() {
            for (b, &j) in self.noisy_states.iter().enumerate().take(a) {
                let both = along(&[(x[i], 1.0), (x[j], 1.0)])?;
                let entry = i * d + j;
                out.double_divergence += both[entry][2] - pure[a][entry][2] - pure[b][entry][2];
            }
        }
        Some(out)
    }
}

/// The gradient of the test function and `D : grad grad` of it.
fn test_derivatives(
    noising: &Noising,
    test: Expr,
    at: &[(Expr, f64)],
    diffusivity: &[Vec<f64>],
) -> Option<(Vec<f64>, f64)> {
    let x = &noising.state;
    let d = x.len();
    let mut pure = Vec::new();
    for x in x {
        pure.push(noising.graph.taylor(&[test], at, &[(*x, 1.0)])?[0]);
    }
    let mut curvature: f64 = (0..d).map(|i| diffusivity[i][i] * pure[i][2]).sum();
    for i in 0..d {
        for j in 0..i {
            if diffusivity[i][j] != 0.0 {
                let both = noising
                    .graph
                    .taylor(&[test], at, &[(x[i], 1.0), (x[j], 1.0)])?[0];
                curvature += diffusivity[i][j] * (both[2] - pure[i][2] - pure[j][2]);
            }
        }
    }
    Some((pure.iter().map(|jet| jet[1]).collect(), curvature))
}
