//! The same method with less work, for studies of what work buys.

use crate::problem::meant::method::{MethodSpec, PathKernel, RiccatiForm, Scheme};

/// Coarsest grid and shortest run of steps that still mean something.
const FEWEST_POINTS: usize = 17;
const FEWEST_STEPS: usize = 8;
const FEWEST_PATHS: usize = 64;
const FEWEST_ITERATIONS: usize = 2;
/// Loss of relative tolerance per level.
const LOOSER: f64 = 100.0;
/// Loosest relative tolerance.
const LOOSEST: f64 = 2e-2;

impl MethodSpec {
    /// This method `level` rungs down a ladder of work; the method itself at level 0.
    ///
    /// Every rung doubles the error that the leading error of the method allows, as far as it is known: grids have half
    /// the intervals in each state and half the steps, sampled means a quarter of the samples, adaptive integrations a
    /// hundred times the tolerance, spectral schemes three quarters of the waves, learned fields half the paths and half the iterations. `None` where the method has
    /// nothing to reduce or too little would be left.
    pub fn with_less_work(&self, level: u32) -> Option<Self> {
        let mut less = self.clone();
        for _ in 0..level {
            less.halve()?;
        }
        Some(less)
    }

    /// One rung down.
    fn halve(&mut self) -> Option<()> {
        match self {
            Self::Exact
            | Self::GaussianBridge
            | Self::Riccati {
                form: RiccatiForm::Hamiltonian,
                ..
            } => None,
            Self::HopfCole {
                points,
                scheme: Scheme::Spectral,
                ..
            }
            | Self::Separable {
                points,
                scheme: Scheme::Spectral,
                ..
            } => fewer_waves(points),
            Self::HopfCole { points, steps, .. }
            | Self::FokkerPlanck { points, steps }
            | Self::Hjb { points, steps, .. }
            | Self::Separable { points, steps, .. }
            | Self::LongHorizon { points, steps }
            | Self::Fpk { points, steps, .. }
            | Self::PathIntegral {
                kernel: PathKernel::Transfer,
                points,
                steps,
                ..
            } => {
                coarsen(points)?;
                fewer(steps, 2, FEWEST_STEPS)
            }
            Self::Bridge { points, .. }
            | Self::Sinkhorn { points, .. }
            | Self::Stationary { points }
            | Self::FirstPassage { points } => coarsen(points),
            Self::PathIntegral { paths, steps, .. } | Self::Simulation { paths, steps, .. } => {
                fewer(paths, 4, FEWEST_PATHS)?;
                fewer(steps, 2, FEWEST_STEPS)
            }
            Self::Action {
                paths,
                max_iterations,
                ..
            }
            | Self::Ipf {
                paths,
                max_iterations,
                ..
            } => {
                fewer(paths, 2, FEWEST_PATHS)?;
                fewer(max_iterations, 2, FEWEST_ITERATIONS)
            }
            Self::ScoreMatching { samples, .. } | Self::LightBridge { samples, .. } => {
                fewer(samples, 4, FEWEST_PATHS)
            }
            Self::Riccati {
                relative_tolerance, ..
            }
            | Self::Moments { relative_tolerance } => {
                *relative_tolerance *= LOOSER;
                (*relative_tolerance <= LOOSEST).then_some(())
            }
            // The error is that of the degree; paths are what its terms need.
            Self::Polynomial { degree, paths, .. } => {
                fewer(paths, 2, FEWEST_PATHS)?;
                *degree -= 1;
                (*degree >= 2).then_some(())
            }
            Self::Ddp { steps, .. } => fewer(steps, 2, FEWEST_STEPS),
            Self::Annealed { particles, steps } => {
                fewer(particles, 2, FEWEST_PATHS)?;
                fewer(steps, 2, FEWEST_STEPS)
            }
            // Each path keeps its length: what a walk forgets of its start does not depend on their number.
            Self::Walk { paths, .. } => fewer(paths, 4, FEWEST_PATHS),
            Self::Mam { images, .. }
            | Self::Gmam { images, .. }
            | Self::StringRelaxation { images, .. } => fewer(images, 2, FEWEST_POINTS),
        }
    }
}

/// Half the intervals of every state.
fn coarsen(points: &mut [usize]) -> Option<()> {
    for count in points {
        *count = (*count - 1) / 2 + 1;
        if *count < FEWEST_POINTS {
            return None;
        }
    }
    Some(())
}

/// Three quarters of the waves of every state: their error falls faster than any power.
fn fewer_waves(points: &mut [usize]) -> Option<()> {
    for count in points {
        *count = *count * 3 / 4;
        if *count < FEWEST_POINTS {
            return None;
        }
    }
    Some(())
}

fn fewer(count: &mut usize, divisor: usize, least: usize) -> Option<()> {
    *count /= divisor;
    (*count >= least).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_lose_intervals_and_steps_until_nothing_is_left() {
        let full = MethodSpec::HopfCole {
            points: vec![129],
            steps: 64,
            scheme: Scheme::Central,
        };
        let expected = |points: usize, steps| {
            Some(MethodSpec::HopfCole {
                points: vec![points],
                steps,
                scheme: Scheme::Central,
            })
        };
        assert_eq!(full.with_less_work(0), Some(full.clone()));
        assert_eq!(full.with_less_work(1), expected(65, 32));
        assert_eq!(full.with_less_work(3), expected(17, 8));
        assert_eq!(full.with_less_work(4), None);
    }

    #[test]
    fn closed_forms_have_one_rung() {
        assert_eq!(MethodSpec::Exact.with_less_work(1), None);
        let loose = MethodSpec::Riccati {
            relative_tolerance: 1e-8,
            form: RiccatiForm::Differential,
        };
        assert!(loose.with_less_work(3).is_some());
        assert_eq!(loose.with_less_work(4), None);
    }
}
