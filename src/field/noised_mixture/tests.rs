//! Every shape and size against the definition, and what must not matter.

use super::*;
use crate::numeric::batch::Batch;

/// Numbers in (−1, 1) without structure.
fn noise(k: usize) -> f64 {
    2.0 * ((k as f64 + 1.0) * 0.618_033_988_749_894_9).fract() - 1.0
}

/// A mixture whose covariances are of the given kind.
fn mixture(kind: usize, d: usize, count: usize) -> Mixture {
    let total: f64 = (1..=count).map(|k| k as f64).sum();
    let covariance = |k: usize| match kind {
        0 => Covariance::Isotropic(0.3 + 0.1 * noise(k)),
        // One variance for all; so small that most components vanish at most points.
        3 => Covariance::Isotropic(0.4),
        4 => Covariance::Isotropic(0.02),
        5 => Covariance::Isotropic(2e-4 * (1.5 + noise(k))),
        1 => Covariance::Diagonal((0..d).map(|i| 0.5 + 0.3 * noise(k + 7 * i)).collect()),
        _ => {
            let entry = |i: usize, j: usize| {
                0.3 / d as f64 * noise(k + 13 * (i.min(j) * d + i.max(j)))
                    + if i == j { 0.6 } else { 0.0 }
            };
            Covariance::Full(
                (0..d)
                    .map(|i| (0..d).map(|j| entry(i, j)).collect())
                    .collect(),
            )
        }
    };
    Mixture {
        weights: (1..=count).map(|k| k as f64 / total).collect(),
        means: (0..count)
            .map(|k| (0..d).map(|j| 1.5 * noise(k * d + j + 100)).collect())
            .collect(),
        covariances: (0..count).map(covariance).collect(),
    }
}

fn points(count: usize, d: usize) -> Batch {
    Batch::from_columns(
        count,
        d,
        (0..count * d).map(|k| 2.0 * noise(k + 1000)).collect(),
    )
}

/// Log density by its definition, through another factorisation (LU).
fn log_density_by_definition(mixture: &Mixture, x: &[f64]) -> f64 {
    let d = x.len();
    let logs: Vec<f64> = (0..mixture.components())
        .map(|k| {
            let c = mixture.covariances[k].dense(d);
            let offset = DVector::from_fn(d, |i, _| x[i] - mixture.means[k][i]);
            let lu = c.lu();
            let solved = lu.solve(&offset).expect("regular");
            let log_det: f64 = lu.u().diagonal().iter().map(|u| u.abs().ln()).sum();
            let constant = d as f64 * std::f64::consts::TAU.ln();
            mixture.weights[k].ln() - 0.5 * (log_det + constant + offset.dot(&solved))
        })
        .collect();
    let largest = logs.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    largest + logs.iter().map(|l| (l - largest).exp()).sum::<f64>().ln()
}

struct Sweep {
    log_density: Vec<f64>,
    score: Batch,
    divergence: Vec<f64>,
}

fn sweep(at: &MixtureAt, x: BatchRef<'_>) -> Sweep {
    let mut out = Sweep {
        log_density: vec![0.0; x.points()],
        score: Batch::zeros(x.points(), x.columns()),
        divergence: vec![0.0; x.points()],
    };
    at.all(
        x,
        &mut out.log_density,
        out.score.as_mut(),
        &mut out.divergence,
    );
    out
}

#[test]
fn every_shape_and_size_agrees_with_the_definition_and_its_derivatives() {
    // Dimensions and counts on both sides of every switch in the kernels.
    let sizes = [
        (1, 5),
        (2, 25),
        (3, 4),
        (1, 700),
        (2, 900),
        (3, 600),
        (5, 300),
        (13, 9),
        (16, 150),
        (40, 60),
    ];
    for (kind, (d, count)) in (0..6).flat_map(|kind| sizes.map(|size| (kind, size))) {
        let law = mixture(kind, d, count);
        let at = MixtureAt::new(&law);
        let x = points(70, d);
        let out = sweep(&at, x.as_ref());
        let mut plain = vec![0.0; 70];
        at.log_density(x.as_ref(), &mut plain);
        for i in (0..70).step_by(23) {
            let context = format!("kind {kind}, d = {d}, K = {count}, point {i}");
            let row = x.row(i);
            let exact = log_density_by_definition(&law, &row);
            let (log, score, hessian) = at.derivatives(&row);
            let size = 1.0 + exact.abs();
            assert!((log - exact).abs() < 1e-12 * size, "{context}");
            assert!(
                (out.log_density[i] - exact).abs() < 1e-12 * size,
                "{context}"
            );
            assert!((plain[i] - exact).abs() < 1e-12 * size, "{context}");
            let largest = score.norm();
            for j in 0..d {
                assert!(
                    (out.score.get(i, j) - score[j]).abs() < 1e-11 * largest,
                    "{context}"
                );
            }
            let scale = hessian.trace().abs() + largest * largest;
            assert!(
                (out.divergence[i] - hessian.trace()).abs() < 1e-11 * scale,
                "{context}"
            );
        }
    }
}

#[test]
fn score_and_hessian_are_derivatives_of_the_log_density() {
    for kind in 0..3 {
        let law = mixture(kind, 3, 6);
        let at = MixtureAt::new(&law);
        let x = [0.3, -0.8, 0.5];
        let (_, score, hessian) = at.derivatives(&x);
        let h = 1e-5;
        for j in 0..3 {
            let moved = |by: f64| {
                let mut y = x;
                y[j] += by;
                y
            };
            let value = |by: f64| log_density_by_definition(&law, &moved(by));
            let slope =
                (8.0 * (value(h) - value(-h)) - value(2.0 * h) + value(-2.0 * h)) / (12.0 * h);
            assert!((slope - score[j]).abs() < 1e-9);
            let (ahead, behind) = (at.derivatives(&moved(h)).1, at.derivatives(&moved(-h)).1);
            for i in 0..3 {
                let curvature = (ahead[i] - behind[i]) / (2.0 * h);
                assert!((curvature - hessian[(i, j)]).abs() < 1e-8);
            }
        }
        let mut batch = Batch::zeros(1, 9);
        at.hessian(Batch::from_rows(3, &[x]).as_ref(), batch.as_mut());
        assert_eq!(batch.get(0, 5), hessian[(1, 2)]);
    }
}

#[test]
fn bits_do_not_depend_on_how_the_points_are_cut() {
    let cases = [
        (0, 2, 25),
        (3, 2, 25),
        (4, 2, 900),
        (5, 2, 900),
        (0, 3, 700),
        (0, 20, 200),
        (4, 20, 600),
        (1, 4, 30),
        (2, 3, 10),
        (2, 15, 5),
    ];
    for (kind, d, count) in cases {
        let at = MixtureAt::new(&mixture(kind, d, count));
        let mut x = points(150, d);
        // Points beyond the reach of the expansion take another path; that is per point, too.
        x.column_mut(0)[40] = 3e4;
        let whole = sweep(&at, x.as_ref());
        for block in [1, 41, 64, 100] {
            for start in (0..150).step_by(block) {
                let rows = start..(start + block).min(150);
                let part = sweep(&at, x.as_ref().rows(rows.clone()));
                assert_eq!(part.log_density, whole.log_density[rows.clone()]);
                assert_eq!(part.divergence, whole.divergence[rows.clone()]);
                for j in 0..d {
                    assert_eq!(part.score.column(j), &whole.score.column(j)[rows.clone()]);
                }
            }
        }
    }
}

#[test]
fn matrix_products_hand_far_points_and_tiny_variances_to_the_direct_path() {
    let (d, count) = (24, 200);
    let mut law = mixture(0, d, count);
    let x = points(3, d);
    let mut far = x.clone();
    far.column_mut(3)[1] = 1e6;
    for (variance, x) in [(0.1, &far), (1e-12, &x)] {
        law.covariances = vec![Covariance::Isotropic(variance); count];
        let at = MixtureAt::new(&law);
        let out = sweep(&at, x.as_ref());
        for i in 0..3 {
            let (log, score, hessian) = at.derivatives(&x.row(i));
            assert!((out.log_density[i] / log - 1.0).abs() < 1e-13);
            for j in 0..d {
                assert!((out.score.get(i, j) - score[j]).abs() < 1e-12 * score.norm());
            }
            // The divergence is a difference of squares of the score.
            let rounding = 1e-14 * score.norm_squared();
            let trace = hessian.trace();
            assert!((out.divergence[i] - trace).abs() < 1e-9 * trace.abs() + rounding);
        }
    }
}

#[test]
fn responsibilities_sum_to_one_and_survive_far_tails() {
    let at = MixtureAt::new(&mixture(2, 2, 300));
    let mut x = points(66, 2);
    x.column_mut(0)[65] = 900.0;
    let mut logs = Batch::zeros(66, 300);
    at.log_responsibilities(x.as_ref(), logs.as_mut());
    for i in [0, 63, 65] {
        assert!(log_sum_exp(&logs.row(i)).abs() < 1e-10);
    }
    assert!(
        logs.row(65).iter().any(|log| *log < -1e4),
        "tails keep their logarithms"
    );
}

#[test]
fn points_that_are_not_numbers_spoil_only_themselves() {
    for count in [7, 700] {
        let at = MixtureAt::new(&mixture(0, 2, count));
        let mut x = points(5, 2);
        let clean = sweep(&at, x.as_ref());
        x.column_mut(1)[2] = f64::NAN;
        let out = sweep(&at, x.as_ref());
        assert!(out.log_density[2].is_nan());
        assert!(out.score.get(2, 0).is_nan() && out.divergence[2].is_nan());
        assert_eq!(out.log_density[3], clean.log_density[3]);
        assert_eq!(out.score.row(1), clean.score.row(1));
    }
}

#[test]
fn preparation_at_a_time_agrees_with_the_law_at_that_time() {
    use crate::discretization::schedule::Schedule;
    for kind in 0..3 {
        let schedule = Schedule::OrnsteinUhlenbeck {
            rate: 0.7,
            sigma: 1.1,
        };
        let transition = Transition::Isotropic {
            schedule,
            centre: vec![0.5, -0.25],
        };
        let noised = NoisedMixture::new(mixture(kind, 2, 9), transition, 0.0);
        let x = points(10, 2);
        let mut fast = vec![0.0; 10];
        noised.at(0.3).log_density(x.as_ref(), &mut fast);
        let law = noised.mixture_at(0.3);
        for (i, log) in fast.iter().enumerate() {
            assert!((log - log_density_by_definition(&law, &x.row(i))).abs() < 1e-13);
        }
    }
}
