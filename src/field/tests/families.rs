//! Every family's pull-backs against central differences of its values.

use crate::discretization::noising::Noising;
use crate::discretization::schedule::{Schedule, TimeFunction};
use crate::field::family::Family;
use crate::field::mixture_potential::MixturePotential;
use crate::field::noised_mixture::NoisedMixture;
use crate::field::{Differentiable, ScoreFamily};
use crate::field::{affine, chebyshev, mixture_potential, network, rbf};
use crate::numeric::batch::Batch;
use crate::numeric::random::Streams;
use crate::problem::meant::law::{Covariance, Mixture};

fn noising(d: usize) -> Noising {
    let beta = TimeFunction::Linear {
        lo: 0.1,
        slope: 19.9,
    };
    Noising::isotropic(Schedule::VariancePreserving(beta), d, 0.0, 1.0)
}

fn law(d: usize) -> NoisedMixture {
    let far = (0..d).map(|j| 1.0 + 0.3 * j as f64).collect();
    let near = (0..d).map(|j| -0.5 - 0.2 * j as f64).collect();
    let mixture = Mixture {
        weights: vec![0.4, 0.6],
        means: vec![far, near],
        covariances: vec![Covariance::Isotropic(0.1), Covariance::Isotropic(0.2)],
    };
    let transition = noising(d).transition().expect("affine").clone();
    NoisedMixture::new(mixture, transition, 0.0)
}

fn families(d: usize) -> Vec<Family> {
    let mut specs = vec![
        affine::spec(4),
        affine::spec(1),
        rbf::spec(5, 3),
        mixture_potential::spec(3),
        network::spec(vec![4, 3]),
    ];
    if d <= 2 {
        specs.push(chebyshev::spec(3, 3));
    }
    let streams = Streams::new(3);
    specs
        .iter()
        .map(|spec| {
            let mut family =
                Family::new(spec, &noising(d), &law(d), 1e-3, &streams).expect("applies");
            let stirred: Vec<f64> = family
                .get()
                .parameters()
                .iter()
                .enumerate()
                .map(|(i, p)| p + 0.3 * ((i * i) as f64).sin())
                .collect();
            family.get_mut().set_parameters(&stirred);
            family
        })
        .collect()
}

fn points(d: usize, n: usize) -> Batch {
    let mut x = Batch::zeros(n, d);
    Streams::new(8)
        .role("family-points")
        .normals(0, 0, x.as_mut());
    x
}

fn objective(family: &dyn ScoreFamily, t: f64, x: &Batch, c: &Batch, weight: &[f64]) -> f64 {
    let mut s = Batch::zeros(x.points(), x.columns());
    let mut divergence = vec![0.0; x.points()];
    family.eval_with_divergence(t, x.as_ref(), s.as_mut(), &mut divergence);
    let linear: f64 = s
        .as_slice()
        .iter()
        .zip(c.as_slice())
        .map(|(s, c)| s * c)
        .sum();
    linear
        + divergence
            .iter()
            .zip(weight)
            .map(|(d, w)| d * w)
            .sum::<f64>()
}

/// Central difference with one Richardson step: error O(h⁴).
fn derivative(f: impl Fn(f64) -> f64) -> f64 {
    let slope = |h: f64| (f(h) - f(-h)) / (2.0 * h);
    (4.0 * slope(1e-3) - slope(2e-3)) / 3.0
}

#[test]
fn parameter_gradients_are_derivatives_of_the_values() {
    for d in [1, 2, 3, 5] {
        let (x, c) = (points(d, 7), points(d, 7));
        let weight: Vec<f64> = (0..7).map(|i| 0.1 * i as f64 - 0.2).collect();
        for family in families(d) {
            let t = 0.23;
            let theta = family.get().parameters().to_vec();
            let mut gradient = vec![0.0; theta.len()];
            let values = family.get();
            values.pull_back(t, x.as_ref(), c.as_ref(), &mut gradient);
            values.pull_back_divergence(t, x.as_ref(), &weight, &mut gradient);
            for (i, g) in gradient.iter().enumerate() {
                let numeric = derivative(|h| {
                    let mut moved = family.clone();
                    let mut theta = theta.clone();
                    theta[i] += h;
                    moved.get_mut().set_parameters(&theta);
                    objective(moved.get(), t, &x, &c, &weight)
                });
                assert!(
                    (g - numeric).abs() < 1e-7 * (1.0 + numeric.abs()),
                    "d = {d}, parameter {i} of {}: {g} {numeric}",
                    theta.len()
                );
            }
        }
    }
}

#[test]
fn state_pull_backs_and_divergences_are_derivatives_of_the_values() {
    for d in [1, 2, 3, 5] {
        let (x, c) = (points(d, 6), points(d, 6));
        for family in families(d) {
            let (family, t) = (family.get(), 0.4);
            let mut state = Batch::zeros(6, d);
            family.pull_back_state(t, x.as_ref(), c.as_ref(), state.as_mut());
            let mut divergence = vec![0.0; 6];
            let mut s = Batch::zeros(6, d);
            family.eval_with_divergence(t, x.as_ref(), s.as_mut(), &mut divergence);
            let at = |i: usize, l: usize, h: f64| {
                let mut row = x.row(i);
                row[l] += h;
                let mut out = Batch::zeros(1, d);
                family.eval(t, Batch::from_rows(d, &[row]).as_ref(), out.as_mut());
                out.row(0)
            };
            for (i, found) in divergence.iter().enumerate() {
                let mut trace = 0.0;
                for l in 0..d {
                    let numeric =
                        derivative(|h| at(i, l, h).iter().zip(c.row(i)).map(|(s, c)| s * c).sum());
                    let exact = state.get(i, l);
                    assert!(
                        (exact - numeric).abs() < 1e-7 * (1.0 + exact.abs()),
                        "d = {d}: {exact} {numeric}"
                    );
                    trace += derivative(|h| at(i, l, h)[l]);
                }
                assert!((found - trace).abs() < 1e-7 * (1.0 + trace.abs()));
            }
        }
    }
}

#[test]
fn one_sweep_pulls_back_the_same_as_two() {
    for d in [2, 5] {
        let (x, c) = (points(d, 9), points(d, 9));
        for family in families(d) {
            let (family, t) = (family.get(), 0.1);
            let p = family.parameters().len();
            let (mut separate, mut together) = (vec![0.0; p], vec![0.0; p]);
            let (mut a, mut b) = (Batch::zeros(9, d), Batch::zeros(9, d));
            family.pull_back(t, x.as_ref(), c.as_ref(), &mut separate);
            family.pull_back_state(t, x.as_ref(), c.as_ref(), a.as_mut());
            let wanted = (Some(together.as_mut_slice()), Some(b.as_mut()));
            family.carry_back(t, x.as_ref(), c.as_ref(), wanted.0, wanted.1);
            assert_eq!(separate, together);
            assert_eq!(a, b);
        }
    }
}

/// The family member equal to the law has the law's score, computed by other code.
#[test]
fn the_mixture_family_contains_the_noised_law() {
    for d in [1, 2, 4, 6] {
        let law = law(d);
        let transition = law.transition().clone();
        let mut family = MixturePotential::from_mixture(law.mixture(), transition, 0.0);
        family.prepare(&[0.3]);
        let x = points(d, 20);
        for t in [1e-3, 0.3, 1.0] {
            let (mut exact, mut found) = (Batch::zeros(20, d), Batch::zeros(20, d));
            let (mut exact_divergence, mut divergence) = (vec![0.0; 20], vec![0.0; 20]);
            law.eval_with_divergence(t, x.as_ref(), exact.as_mut(), &mut exact_divergence);
            family.eval_with_divergence(t, x.as_ref(), found.as_mut(), &mut divergence);
            for (a, b) in exact.as_slice().iter().zip(found.as_slice()) {
                assert!((a - b).abs() < 1e-11 * (1.0 + a.abs()), "d = {d}: {a} {b}");
            }
            for (a, b) in exact_divergence.iter().zip(&divergence) {
                assert!((a - b).abs() < 1e-10 * (1.0 + a.abs()), "d = {d}: {a} {b}");
            }
        }
    }
}
