//! The weight of a discretized path, for every evaluation point of the stochastic integral.

use nalgebra::{DMatrix, DVector};

/// Coefficients of `dX = f dt + G dW` at one point, D = G Gᵀ.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalCoefficients {
    /// Itô drift f.
    pub drift: DVector<f64>,
    /// D, positive definite.
    pub diffusivity: DMatrix<f64>,
    /// `(∇·D)_i = Σ_j ∂_j D_ij`
    pub diffusivity_divergence: DVector<f64>,
    /// `∇·f`
    pub drift_divergence: f64,
    /// `∇∇:D = Σ_ij ∂_i ∂_j D_ij`
    pub double_divergence: f64,
}

/// Why a path has no weight.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum PathWeightError {
    #[error("the noise is degenerate in step {step}: its matrix has no Cholesky factor")]
    Degenerate { step: usize },
}

/// Log weight of the path `x_0, ..., x_N` at times `t_0 < ... < t_N`, α the evaluation point
/// `x̄ = x_k + α (x_{k+1} − x_k)`:
///
/// ```text
/// K_α = det(2πΔ D)^{-1/2} exp{ −(δ − A Δ)ᵀ D⁻¹ (δ − A Δ) / 2Δ − B Δ },    δ = x_{k+1} − x_k
/// A = f − α ∇·D,      B = α ∇·f − ½ α² ∇∇:D        (all at x̄; f the Itô drift)
/// ```
///
/// α = 0 is Itô, ½ Stratonovich, 1 anti-Itô. Read backwards, the α = 1 weight is the Itô weight of the
/// uncontrolled reverse process times `exp(−∫ ∇·f)`: the running cost of reverse diffusion is the Jacobian of
/// the noising action.
///
/// # Order
/// For additive noise all α agree pathwise as the step vanishes (standard deviation step^½); for noise
/// that depends on the state only the composed kernels agree.
///
/// # Errors
/// [`PathWeightError::Degenerate`] when D is singular at an evaluation point.
///
/// # Source
/// Langouche, Roekaerts, Tirapegui, *Functional Integration and Semiclassical Expansions* (1982).
pub fn log_path_weight(
    alpha: f64,
    times: &[f64],
    path: &[DVector<f64>],
    coefficients: impl Fn(f64, &DVector<f64>) -> LocalCoefficients,
) -> Result<f64, PathWeightError> {
    assert_eq!(times.len(), path.len(), "one time per point of the path");
    let mut total = 0.0;
    for step in 0..times.len().saturating_sub(1) {
        let length = times[step + 1] - times[step];
        let change = &path[step + 1] - &path[step];
        let at = coefficients(
            times[step] + alpha * length,
            &(&path[step] + &change * alpha),
        );
        let factor = at
            .diffusivity
            .clone()
            .cholesky()
            .ok_or(PathWeightError::Degenerate { step })?;
        let log_det: f64 = factor
            .l_dirty()
            .diagonal()
            .iter()
            .map(|l| 2.0 * l.ln())
            .sum();
        let drift = &at.drift - &at.diffusivity_divergence * alpha;
        let jacobian = alpha * at.drift_divergence - 0.5 * alpha * alpha * at.double_divergence;
        let rest = change - drift * length;
        let quadratic = rest.dot(&factor.solve(&rest)) / (2.0 * length);
        let normalisation =
            0.5 * (log_det + rest.len() as f64 * (std::f64::consts::TAU * length).ln());
        total -= normalisation + quadratic + jacobian * length;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_dependent(x: &DVector<f64>) -> LocalCoefficients {
        let (y, kappa, variance) = (x[0], 0.5, 0.49);
        LocalCoefficients {
            drift: DVector::from_element(1, y - y.powi(3)),
            diffusivity: DMatrix::from_element(1, 1, variance * (1.0 + kappa * y * y)),
            diffusivity_divergence: DVector::from_element(1, 2.0 * variance * kappa * y),
            drift_divergence: 1.0 - 3.0 * y * y,
            double_divergence: 2.0 * variance * kappa,
        }
    }

    /// On any grid, exactly: the α = 1 weight read backwards is the Itô weight of the process with drift
    /// `−f + ∇·D` times `exp(−Σ c Δ)`, `c = ∇·f − ½ ∇∇:D` at the later points.
    #[test]
    fn anti_ito_weight_is_the_reversed_ito_weight_with_the_running_cost() {
        let path: Vec<DVector<f64>> = [0.1, 0.35, 0.2, -0.3, -0.1]
            .map(|x| DVector::from_element(1, x))
            .to_vec();
        let times = [0.0, 0.1, 0.25, 0.3, 0.5];
        let forward =
            log_path_weight(1.0, &times, &path, |_, x| state_dependent(x)).expect("regular");
        let backwards: Vec<DVector<f64>> = path.iter().rev().cloned().collect();
        let reversed_times: Vec<f64> = times.iter().rev().map(|t| 0.5 - t).collect();
        let reversed = log_path_weight(0.0, &reversed_times, &backwards, |_, x| {
            let at = state_dependent(x);
            LocalCoefficients {
                drift: -at.drift + &at.diffusivity_divergence,
                ..at
            }
        })
        .expect("regular");
        let cost: f64 = (0..4)
            .map(|k| {
                let at = state_dependent(&path[k + 1]);
                (at.drift_divergence - 0.5 * at.double_divergence) * (times[k + 1] - times[k])
            })
            .sum();
        assert!(
            (forward - reversed + cost).abs() < 1e-13,
            "{forward} {reversed} {cost}"
        );
    }

    #[test]
    fn degenerate_noise_is_an_error() {
        let path = [DVector::zeros(1), DVector::zeros(1)];
        let result = log_path_weight(0.5, &[0.0, 0.1], &path, |_, x| LocalCoefficients {
            diffusivity: DMatrix::zeros(1, 1),
            ..state_dependent(x)
        });
        assert_eq!(result, Err(PathWeightError::Degenerate { step: 0 }));
    }
}
