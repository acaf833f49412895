use super::*;
use crate::discretization::noising::{Noising, Transition};
use crate::discretization::schedule::{Schedule, TimeFunction};
use crate::discretization::time_grid::TimeGrid;
use crate::field::draws::draw_mixture;
use crate::field::family::Family;
use crate::field::mixture_potential::MixturePotential;
use crate::field::noised_mixture::NoisedMixture;
use crate::field::peaks::Peaks;
use crate::field::{affine, chebyshev, mixture_potential, network, rbf};
use crate::numeric::blocks::with_threads;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Streams;
use crate::problem::meant::law::{Covariance, Mixture};
use crate::problem::meant::model::Spacing;
use crate::problem::meant::options::FieldSpec;
use crate::solvers::learned::path_ratio::PathRatio;
use crate::solvers::learned::reverse_walk::ReverseWalk;
use nalgebra::{DMatrix, DVector};

fn noising(d: usize) -> Noising {
    let beta = TimeFunction::Linear {
        lo: 0.1,
        slope: 7.9,
    };
    Noising::isotropic(Schedule::VariancePreserving(beta), d, 0.0, 1.0)
}

fn two_peaks(d: usize) -> Mixture {
    Mixture {
        weights: vec![0.4, 0.6],
        means: vec![vec![1.0; d], vec![-0.7; d]],
        covariances: vec![Covariance::Isotropic(0.1), Covariance::Isotropic(0.2)],
    }
}

fn linear_transition() -> Transition {
    Transition::Linear {
        matrix: DMatrix::from_row_slice(2, 2, &[-0.5, 1.0, -0.7, -0.3]),
        shift: DVector::from_column_slice(&[0.2, -0.1]),
        diffusivity: DMatrix::from_row_slice(2, 2, &[0.8, 0.2, 0.2, 0.5]),
    }
}

fn standard_normal(d: usize) -> Mixture {
    Mixture::gaussian(vec![0.0; d], Covariance::Isotropic(1.0))
}

fn path_cost(transition: Transition, law: Mixture, paths: usize, steps: usize) -> PathCost {
    let d = law.dimension();
    let grid = TimeGrid::new(&noising(d), 1e-2, steps, Spacing::LogSnr);
    let law = NoisedMixture::new(law, transition, 0.0);
    reverse_paths(&law, &grid, paths, &Streams::new(21))
}

fn reverse_paths(
    law: &NoisedMixture,
    grid: &TimeGrid,
    paths: usize,
    streams: &Streams,
) -> PathCost {
    let prior = standard_normal(law.mixture().dimension());
    PathCost::new(
        Arc::new(ReverseWalk::new(law, grid)),
        draw_mixture(&prior, &streams.role("path-start"), 0, paths),
        Normals::Drawn(streams.role("path-noise")),
    )
}

fn stirred(spec: &FieldSpec, d: usize) -> Family {
    let law = NoisedMixture::new(
        two_peaks(d),
        noising(d).transition().expect("affine").clone(),
        0.0,
    );
    let mut family = Family::new(spec, &noising(d), &law, 1e-2, &Streams::new(5)).expect("applies");
    let theta: Vec<f64> = family
        .get()
        .parameters()
        .iter()
        .enumerate()
        .map(|(i, p)| p + 0.1 * ((i * i + 1) as f64).sin())
        .collect();
    family.get_mut().set_parameters(&theta);
    family
}

/// The discrete adjoint against central differences, extrapolated once: 1e-7 relative.
#[test]
fn gradients_are_the_derivatives_of_the_mean_cost() {
    let specs = [
        affine::spec(3),
        rbf::spec(4, 2),
        mixture_potential::spec(2),
        network::spec(vec![5]),
        chebyshev::spec(2, 2),
    ];
    for transition in [
        noising(2).transition().expect("affine").clone(),
        linear_transition(),
    ] {
        let paths = path_cost(transition, two_peaks(2), 70, 9);
        for spec in &specs {
            let family = stirred(spec, 2);
            let anchor = stirred(&mixture_potential::spec(3), 2);
            for variate in [
                ControlVariate::Absent,
                ControlVariate::Own,
                ControlVariate::Anchored(anchor.get()),
            ] {
                let theta = family.get().parameters().to_vec();
                let mut gradient = vec![0.0; theta.len()];
                let mean = paths.mean_and_gradient(family.get(), variate, &mut gradient);
                assert_eq!(mean, paths.mean(family.get(), variate));
                for i in (0..theta.len()).step_by(3) {
                    let at = |h: f64| {
                        let mut moved = family.clone();
                        let mut theta = theta.clone();
                        theta[i] += h;
                        moved.get_mut().set_parameters(&theta);
                        paths.mean(moved.get(), variate)
                    };
                    let slope = |h: f64| (at(h) - at(-h)) / (2.0 * h);
                    let numeric = (4.0 * slope(3e-5) - slope(6e-5)) / 3.0;
                    assert!(
                        (gradient[i] - numeric).abs() < 1e-7 * (1.0 + numeric.abs()),
                        "{spec:?}, parameter {i}: {} {numeric}",
                        gradient[i]
                    );
                }
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let paths = path_cost(
        noising(2).transition().expect("affine").clone(),
        two_peaks(2),
        300,
        8,
    );
    let family = stirred(&mixture_potential::spec(2), 2);
    let run = |threads| {
        with_threads(threads, || {
            let mut gradient = vec![0.0; family.get().parameters().len()];
            let mean = paths.mean_and_gradient(family.get(), ControlVariate::Own, &mut gradient);
            (mean, gradient)
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn little_memory_gives_the_same_bits() {
    let steps = 11;
    let transition = noising(2).transition().expect("affine").clone();
    let paths = path_cost(transition, two_peaks(2), 100, steps);
    let family = stirred(&mixture_potential::spec(2), 2);
    let gradient = |paths: &PathCost| {
        let mut gradient = vec![0.0; family.get().parameters().len()];
        let mean = paths.mean_and_gradient(family.get(), ControlVariate::Own, &mut gradient);
        (mean, gradient)
    };
    let all = gradient(&paths);
    assert_eq!(paths.kept(), steps);
    let small = paths.with_tape(0);
    assert_eq!(small.kept(), 3);
    assert_eq!(gradient(&small), all);
}

/// Gaussian data: with the exact score and its own control variate every path costs
/// `−log p_T(Y_0)`, whatever the step: the steps have the exact mean and variance.
#[test]
fn gaussian_data_have_no_step_bias_and_no_noise_at_the_optimum() {
    for steps in [1, 3, 20] {
        let law = Mixture::gaussian(vec![0.6], Covariance::Isotropic(0.3));
        let transition = noising(1).transition().expect("affine").clone();
        let paths = path_cost(transition.clone(), law.clone(), 40, steps);
        let exact = NoisedMixture::new(law.clone(), transition.clone(), 0.0);
        let score = MixturePotential::from_mixture(&law, transition, 0.0);
        let at_end = Peaks::of(&exact.mixture_at(1.0));
        let expected = at_end.log_density(paths.start().as_ref());
        let found = paths.costs(&score, ControlVariate::Own);
        for (cost, log_density) in found.iter().zip(expected) {
            assert!(
                (cost + log_density).abs() < 1e-11,
                "{steps}: {cost} {log_density}"
            );
        }
    }
}

/// `S − V` of the exact score is the step bias: positive, and of order 1 in the step. Seed 21; the
/// order is measured within 4 standard errors (false alarm below 1e-4).
#[test]
fn the_step_bias_of_the_exact_score_is_positive_and_of_first_order() {
    let law = two_peaks(1);
    let transition = noising(1).transition().expect("affine").clone();
    let exact = NoisedMixture::new(law.clone(), transition.clone(), 0.0);
    let score = MixturePotential::from_mixture(&law, transition.clone(), 0.0);
    let at_end = Peaks::of(&exact.mixture_at(1.0));
    let bias = |steps: usize| {
        let paths = path_cost(transition.clone(), law.clone(), 40_000, steps);
        let value = at_end.log_density(paths.start().as_ref());
        let costs = paths.costs(&score, ControlVariate::Own);
        let excess: Vec<f64> = costs.iter().zip(value).map(|(c, v)| c + v).collect();
        Estimate::from_samples(&excess)
    };
    let (coarse, fine) = (bias(12), bias(24));
    assert!(coarse.value > 5.0 * coarse.error && fine.value > 5.0 * fine.error);
    let order = (coarse.value / fine.value).log2();
    let uncertainty =
        (coarse.error / coarse.value).hypot(fine.error / fine.value) / std::f64::consts::LN_2;
    assert!(
        (order - 1.0).abs() < 4.0 * uncertainty + 0.15,
        "{order} ± {uncertainty}: {coarse:?} {fine:?}"
    );
}

/// All control variates estimate the same mean. Seed 21, 4.5 standard errors: false alarm below 1e-5.
#[test]
fn control_variates_change_the_variance_only() {
    let transition = noising(1).transition().expect("affine").clone();
    let paths = path_cost(transition, two_peaks(1), 20_000, 10);
    let family = stirred(&mixture_potential::spec(2), 1);
    let anchor = stirred(&affine::spec(2), 1);
    let plain = paths.costs(family.get(), ControlVariate::Absent);
    for variate in [ControlVariate::Own, ControlVariate::Anchored(anchor.get())] {
        let other = paths.costs(family.get(), variate);
        let difference: Vec<f64> = plain.iter().zip(other).map(|(a, b)| a - b).collect();
        let mean = Estimate::from_samples(&difference);
        assert!(mean.value.abs() < 4.5 * mean.error, "{mean:?}");
    }
}

/// On paths of its own the log ratio is the cost with its control variate plus the log prior.
#[test]
fn log_ratios_are_path_actions_over_the_prior() {
    let transitions = [
        noising(2).transition().expect("affine").clone(),
        linear_transition(),
    ];
    for transition in transitions {
        let paths = path_cost(transition, two_peaks(2), 70, 9);
        let family = stirred(&mixture_potential::spec(2), 2);
        let prior = Peaks::of(&standard_normal(2));
        let log_prior = prior.log_density(paths.start().as_ref());
        let ratio = PathRatio::new(&paths, &log_prior, family.get());
        let costs = paths.costs(family.get(), ControlVariate::Own);
        let found = ratio.log_ratios(family.get());
        for ((r, c), l) in found.iter().zip(costs).zip(log_prior) {
            assert!((r - c - l).abs() < 1e-11 * (1.0 + r.abs()), "{r} {c} {l}");
        }
    }
}

/// The variance of the log ratio: its gradient against central differences, away from the control
/// that drew the paths.
#[test]
fn gradients_are_the_derivatives_of_the_variance() {
    let paths = path_cost(linear_transition(), two_peaks(2), 70, 9);
    let drawn = stirred(&mixture_potential::spec(2), 2);
    let log_prior = Peaks::of(&standard_normal(2)).log_density(paths.start().as_ref());
    let ratio = PathRatio::new(&paths, &log_prior, drawn.get());
    let mut family = drawn.clone();
    let theta: Vec<f64> = drawn
        .get()
        .parameters()
        .iter()
        .enumerate()
        .map(|(i, p)| p + 0.05 * (i as f64).cos())
        .collect();
    family.get_mut().set_parameters(&theta);
    let mut gradient = vec![f64::NAN; theta.len()];
    let (value, _) = ratio.square(family.get(), None, Some(&mut gradient));
    assert_eq!(value, ratio.square(family.get(), None, None).0);
    for i in 0..theta.len() {
        let at = |h: f64| {
            let mut moved = family.clone();
            let mut theta = theta.clone();
            theta[i] += h;
            moved.get_mut().set_parameters(&theta);
            ratio.square(moved.get(), None, None).0
        };
        let slope = |h: f64| (at(h) - at(-h)) / (2.0 * h);
        let numeric = (4.0 * slope(3e-5) - slope(6e-5)) / 3.0;
        assert!(
            (gradient[i] - numeric).abs() < 1e-7 * (1.0 + numeric.abs()),
            "parameter {i}: {} {numeric}",
            gradient[i]
        );
    }
}

/// Where the paths are the control's own, the mean gradient of half the variance is the action's. Seed
/// 21, both on the same paths; 4.5 standard errors from 40 batches: false alarm below 1e-4.
#[test]
fn the_ratio_has_the_gradient_of_the_action() {
    let transition = noising(1).transition().expect("affine").clone();
    let family = stirred(&mixture_potential::spec(2), 1);
    let prior = Peaks::of(&standard_normal(1));
    let law = NoisedMixture::new(two_peaks(1), transition, 0.0);
    let grid = TimeGrid::new(&noising(1), 1e-2, 12, Spacing::LogSnr);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut differences = vec![Vec::new(); family.get().parameters().len()];
    for outer in names {
        for inner in &names[..5] {
            let streams = Streams::new(21).scoped(outer).scoped(inner);
            let paths = reverse_paths(&law, &grid, 2000, &streams);
            let log_prior = prior.log_density(paths.start().as_ref());
            let ratio = PathRatio::new(&paths, &log_prior, family.get());
            let mut along = vec![0.0; differences.len()];
            let mut across = along.clone();
            paths.mean_and_gradient(family.get(), ControlVariate::Own, &mut along);
            ratio.square(family.get(), None, Some(&mut across));
            for (d, (a, b)) in differences.iter_mut().zip(along.iter().zip(across)) {
                d.push(a - 0.5 * b);
            }
        }
    }
    for (i, samples) in differences.iter().enumerate() {
        let mean = Estimate::from_samples(samples);
        assert!(mean.value.abs() < 4.5 * mean.error, "{i}: {mean:?}");
        assert!(mean.error < 0.05, "{i}: {mean:?}");
    }
}
