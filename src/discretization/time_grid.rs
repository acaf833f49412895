//! Time nodes between the data end and the prior end of the horizon.

use crate::discretization::noising::Noising;
use crate::problem::meant::model::Spacing;

/// Increasing forward times `t_0 < t_1 < ... < t_n`; reverse simulation walks them backwards.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeGrid {
    nodes: Vec<f64>,
}

impl TimeGrid {
    /// `steps` intervals between `t_min` and the end of the horizon.
    ///
    /// `log-snr` is uniform in `log(alpha^2/sigma^2)` and needs an isotropic schedule; without one
    /// (or with `t_min` at the data, where the signal-to-noise ratio is infinite) the nodes are
    /// cosine-spaced.
    pub fn new(noising: &Noising, t_min: f64, steps: usize, spacing: Spacing) -> Self {
        let (a, b) = (t_min, noising.end());
        let steps = steps.max(1);
        let fractions = (0..=steps).map(|i| i as f64 / steps as f64);
        let nodes = match (spacing, noising.schedule()) {
            (Spacing::LogSnr, Some(schedule)) if t_min > noising.start() => {
                let (high, low) = (schedule.log_snr(a), schedule.log_snr(b));
                fractions
                    .map(|w| time_of(|t| schedule.log_snr(t), high + (low - high) * w, a, b))
                    .collect()
            }
            (Spacing::Uniform, _) => fractions.map(|w| a + (b - a) * w).collect(),
            (Spacing::Log, _) if a > 0.0 => fractions.map(|w| a * (b / a).powf(w)).collect(),
            (Spacing::Edm { rho }, _) if a >= 0.0 => fractions
                .map(|w| {
                    let (low, high) = (a.powf(1.0 / rho), b.powf(1.0 / rho));
                    (low + (high - low) * w).powf(rho)
                })
                .collect(),
            _ => fractions
                .map(|w| a + (b - a) * (1.0 - (std::f64::consts::FRAC_PI_2 * w).cos()))
                .collect(),
        };
        Self::from_nodes(nodes, a, b)
    }

    /// The ends are set exactly, whatever the rounding of the spacing rule.
    fn from_nodes(mut nodes: Vec<f64>, a: f64, b: f64) -> Self {
        let last = nodes.len() - 1;
        nodes[0] = a;
        nodes[last] = b;
        Self { nodes }
    }

    /// Increasing forward times.
    pub fn nodes(&self) -> &[f64] {
        &self.nodes
    }

    pub fn steps(&self) -> usize {
        self.nodes.len() - 1
    }

    /// Every interval halved: the refinement used for step-bias estimates.
    pub fn refined(&self) -> Self {
        let mut nodes = Vec::with_capacity(2 * self.nodes.len() - 1);
        for pair in self.nodes.windows(2) {
            nodes.extend([pair[0], 0.5 * (pair[0] + pair[1])]);
        }
        nodes.extend(self.nodes.last());
        Self { nodes }
    }
}

/// Bisection for a decreasing function of time.
fn time_of(value: impl Fn(f64) -> f64, target: f64, mut a: f64, mut b: f64) -> f64 {
    for _ in 0..60 {
        let middle = 0.5 * (a + b);
        if value(middle) > target {
            a = middle;
        } else {
            b = middle;
        }
    }
    0.5 * (a + b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discretization::schedule::{Schedule, TimeFunction};

    #[test]
    fn log_snr_nodes_are_equally_spaced_in_log_snr() {
        let beta = TimeFunction::Linear {
            lo: 0.1,
            slope: 19.9,
        };
        let noising = Noising::isotropic(Schedule::VariancePreserving(beta), 2, 0.0, 1.0);
        let grid = TimeGrid::new(&noising, 1e-3, 10, Spacing::LogSnr);
        let schedule = noising.schedule().expect("isotropic");
        let steps: Vec<f64> = grid
            .nodes()
            .windows(2)
            .map(|w| schedule.log_snr(w[1]) - schedule.log_snr(w[0]))
            .collect();
        for step in &steps {
            assert!((step - steps[0]).abs() < 1e-9, "{steps:?}");
        }
        assert_eq!(grid.refined().steps(), 20);
    }
}
