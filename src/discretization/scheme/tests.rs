use super::*;
use crate::expr::{Expr, Graph, Scope, Shape, parse_scalar};
use crate::numeric::brownian::Brownian;
use crate::numeric::dense::linear_transition;
use crate::numeric::estimate::Estimate;
use crate::numeric::random::{Stream, Streams};
use nalgebra::{DMatrix, DVector};

/// An equation written out, with controls `u[j]` if there are any.
fn sde(drift: &[&str], diffusion: &[&[&str]], controls: usize) -> Sde {
    let (mut graph, mut scope) = (Graph::new(), Scope::new());
    let time = scope.time(&mut graph);
    let state = scope.state(&mut graph, "x", &Shape::Vector(drift.len()));
    let control = scope.variable(&mut graph, "u", &Shape::Vector(controls));
    let mut read = |text: &&str| parse_scalar(text, &scope, &mut graph).expect("reads");
    let drift: Vec<Expr> = drift.iter().map(&mut read).collect();
    let diffusion: Vec<Vec<Expr>> = diffusion
        .iter()
        .map(|row| row.iter().map(&mut read).collect())
        .collect();
    Sde::compile(&mut graph, time, &state, &control, &drift, &diffusion).expect("compiles")
}

fn stream() -> Stream {
    Streams::new(12).role("schemes")
}

/// Ends of paths over [0, 1] in `2^level` steps, all levels on the same Brownian paths.
fn ends(sde: &Sde, scheme: &dyn Scheme, start: &[f64], paths: usize, level: u32) -> Batch {
    let rows = vec![start; paths];
    let path = Path {
        sde,
        scheme,
        nodes: &[0.0, 1.0],
        level,
        stream: &stream(),
        policy: None,
    };
    let start = Batch::from_rows(start.len(), &rows);
    path.walk(0, start.as_ref(), |_, _| ())
}

/// The Brownian paths of [`ends`] at time 1.
fn brownian(noises: usize, paths: usize) -> Batch {
    let noise = Brownian::new(stream(), noises, Wanted::INCREMENT);
    let mut room = noise.room(paths);
    noise.step(0, 0, 1.0, &mut room);
    room.wiener
}

fn mean_distance(a: &Batch, b: &Batch) -> f64 {
    let pairs = a.as_slice().iter().zip(b.as_slice());
    pairs.map(|(a, b)| (a - b).abs()).sum::<f64>() / a.as_slice().len() as f64
}

/// Slope of the logarithm of the error between two levels three halvings apart.
fn order(errors: [f64; 2]) -> f64 {
    (errors[0] / errors[1]).log2() / 3.0
}

const PATHS: usize = 2000;

/// Pathwise errors against a closed form at levels 4 and 7: the order is no less than declared, and the
/// closed form is the limit.
fn check_strong(sde: &Sde, scheme: &dyn Scheme, start: &[f64], exact: &Batch, finest: f64) {
    let errors = [4, 7].map(|level| mean_distance(&ends(sde, scheme, start, PATHS, level), exact));
    let (name, declared) = (scheme.claim().name, scheme.claim().strong);
    let measured = order(errors);
    assert!(
        measured > declared - 0.1,
        "{name}: order {measured}, declared {declared}"
    );
    assert!(errors[1] < finest, "{name}: {:e} at 128 steps", errors[1]);
}

/// `dX = ½ X dt + X (0.6 dW_1 + 0.8 dW_2)`: `X = exp(0.6 W_1 + 0.8 W_2)`.
#[test]
fn multiplicative_noise_follows_the_exponential_of_its_path() {
    let sde = sde(&["0.5*x[0]"], &[&["0.6*x[0]", "0.8*x[0]"]], 0);
    assert_eq!(sde.structure(), NoiseStructure::Commutative);
    let w = brownian(2, PATHS);
    let columns = w.column(0).iter().zip(w.column(1));
    let exact = Batch::from_columns(
        PATHS,
        1,
        columns.map(|(a, b)| (0.6 * a + 0.8 * b).exp()).collect(),
    );
    let milstein = Milstein::new(&sde).expect("commutative");
    check_strong(&sde, &EulerMaruyama::new(&sde), &[1.0], &exact, 0.2);
    check_strong(&sde, &milstein, &[1.0], &exact, 0.02);
    check_strong(&sde, &Heun::new(&sde), &[1.0], &exact, 0.02);
}

/// `dX = (2X/(1+t) + (1+t)²) dt + (1+t)² dW`: `X = (1+t)² (x + W + t)` (Kloeden and Platen, eq. 4.4.5).
#[test]
fn additive_noise_that_moves_with_time_follows_its_closed_form() {
    let sde = sde(&["2*x[0]/(1+t) + (1+t)^2"], &[&["(1+t)^2"]], 0);
    assert_eq!(sde.structure(), NoiseStructure::Additive);
    let w = brownian(1, PATHS);
    let end = w.column(0).iter().map(|w| 4.0 * (0.5 + w + 1.0)).collect();
    let exact = Batch::from_columns(PATHS, 1, end);
    check_strong(&sde, &EulerMaruyama::new(&sde), &[0.5], &exact, 0.1);
    check_strong(&sde, &Heun::new(&sde), &[0.5], &exact, 0.02);
    for scheme in additive_schemes(&sde) {
        check_strong(&sde, scheme.as_ref(), &[0.5], &exact, 0.1);
    }
}

fn additive_schemes(sde: &Sde) -> Vec<Box<dyn Scheme>> {
    vec![
        Box::new(RungeKutta::new(sde).expect("additive")),
        Box::new(ExponentialEuler::new(sde).expect("additive")),
    ]
}

/// The process of Beneš, `dX = tanh(X) dt + dW` from 0, has the law ½ N(t, t) + ½ N(−t, t): `E X² = t + t²`.
///
/// Weak errors are differences to the finest level on the same paths, so what is left of the noise is of the
/// size of the strong error; seed 12, orders to 0.35 of the declared ones at 20000 paths, limits to five
/// standard errors (false alarms below 1e-5).
#[test]
fn weak_errors_fall_as_declared_towards_the_law_of_benes() {
    let sde = sde(&["tanh(x[0])"], &[&["1"]], 0);
    let paths = 20_000;
    let squares = |scheme: &dyn Scheme, level| -> Vec<f64> {
        let x = ends(&sde, scheme, &[0.0], paths, level);
        x.as_slice().iter().map(|x| x * x).collect()
    };
    let finest = squares(&RungeKutta::new(&sde).expect("additive"), 6);
    let limit = Estimate::from_samples(&finest);
    assert!((limit.value - 2.0).abs() < 5.0 * limit.error, "{limit:?}");
    let mut schemes = additive_schemes(&sde);
    schemes.push(Box::new(EulerMaruyama::new(&sde)));
    schemes.push(Box::new(Heun::new(&sde)));
    for scheme in schemes {
        let bias = |level| {
            let coarse = squares(scheme.as_ref(), level);
            let pairs = coarse.iter().zip(&finest);
            let differences: Vec<f64> = pairs.map(|(a, b)| a - b).collect();
            Estimate::from_samples(&differences)
        };
        let (coarse, fine) = (bias(1), bias(3));
        let measured = (coarse.value / fine.value).abs().log2() / 2.0;
        let (name, declared) = (scheme.claim().name, scheme.claim().weak);
        assert!(fine.value.abs() < 0.25, "{name}: {fine:?}");
        assert!(
            measured > declared - 0.35,
            "{name}: {measured}, declared {declared} ({coarse:?}, {fine:?})"
        );
    }
}

/// One step of any length has the law of a linear equation exactly: the images of unit noises make up the
/// covariance. Noise enters the velocity only, so the position is moved by what is left of it.
#[test]
fn linear_equations_are_stepped_with_their_exact_law() {
    let sde = sde(&["x[1]", "-2*x[0] - 0.5*x[1] + 1"], &[&["0"], &["0.7"]], 0);
    let matrix = DMatrix::from_row_slice(2, 2, &[0.0, 1.0, -2.0, -0.5]);
    let shift = DVector::from_column_slice(&[0.0, 1.0]);
    let diffusivity = DMatrix::from_row_slice(2, 2, &[0.0, 0.0, 0.0, 0.49]);
    let law = linear_transition(&matrix, &shift, &diffusivity, 0.9);
    for scheme in &additive_schemes(&sde)[1..] {
        let mut noise = Increment::zeros(5, 1, scheme.wanted());
        noise.length = 0.9;
        noise.wiener.column_mut(0)[1] = 0.9_f64.sqrt();
        noise.spare.column_mut(0)[2] = 1.0;
        noise.spare.column_mut(1)[3] = 1.0;
        let mut x = Batch::zeros(5, 2);
        x.column_mut(0)[4] = 1.0;
        let mut room = scheme.room(5);
        scheme.step(&mut sde.equation(5, None), 0.3, &mut x, &noise, &mut room);
        let moved = |row: usize| DVector::from_vec(x.row(row)) - DVector::from_vec(x.row(0));
        let covariance = (1..4).fold(DMatrix::zeros(2, 2), |sum, row| {
            sum + moved(row) * moved(row).transpose()
        });
        let name = scheme.claim().name;
        assert!(
            (&covariance - &law.covariance).norm() < 1e-13,
            "{name}: {covariance}"
        );
        assert!(
            (DVector::from_vec(x.row(0)) - &law.shift).norm() < 1e-13,
            "{name}"
        );
        assert!((moved(4) - law.map.column(0)).norm() < 1e-13, "{name}");
    }
}

/// Where the drift bends, the pathwise orders are the declared ones: the double well against its finest
/// level.
#[test]
fn additive_schemes_have_their_order_in_a_double_well() {
    let sde = sde(&["x[0] - x[0]^3"], &[&["0.6"]], 0);
    let reference = RungeKutta::new(&sde).expect("additive");
    let finest = ends(&sde, &reference, &[0.3], 500, 10);
    let mut schemes = additive_schemes(&sde);
    schemes.push(Box::new(EulerMaruyama::new(&sde)));
    schemes.push(Box::new(Heun::new(&sde)));
    for scheme in schemes {
        let scheme = scheme.as_ref();
        let errors =
            [3, 6].map(|level| mean_distance(&ends(&sde, scheme, &[0.3], 500, level), &finest));
        let (measured, declared) = (order(errors), scheme.claim().strong);
        let name = scheme.claim().name;
        assert!(
            (measured - declared).abs() < 0.25,
            "{name}: {measured}, {errors:?}"
        );
        assert!(errors[1] < 0.02, "{name}: {errors:?}");
    }
}

#[test]
fn a_policy_closes_the_equation() {
    let open = sde(&["-x[0] + 2*u[0]"], &[&["0.5"]], 1);
    let closed = sde(&["-x[0] + 2*sin(x[0] + t)"], &[&["0.5"]], 0);
    let policy = |t: f64, x: BatchRef<'_>, mut u: BatchMut<'_>| {
        for (u, x) in u.column_mut(0).iter_mut().zip(x.column(0)) {
            *u = (x + t).sin();
        }
    };
    let start = Batch::from_rows(1, &[[0.2], [-0.4], [1.0]]);
    let walk = |sde: &Sde, policy: Option<&Policy<'_>>| {
        let path = Path {
            sde,
            scheme: &RungeKutta::new(sde).expect("additive"),
            nodes: &[0.0, 0.2, 0.5, 1.0],
            level: 2,
            stream: &stream(),
            policy,
        };
        path.walk(0, start.as_ref(), |_, _| ())
    };
    assert!(mean_distance(&walk(&open, Some(&policy)), &walk(&closed, None)) < 1e-14);
}

#[test]
fn schemes_refuse_noise_they_are_not_made_for() {
    let crossed = sde(&["0", "0"], &[&["1", "0"], &["0", "x[0]"]], 0);
    assert_eq!(
        Milstein::new(&crossed).err(),
        Some(SchemeRefusal::NotCommutative {
            scheme: "milstein",
            first: 0,
            second: 1,
            row: 1
        })
    );
    assert_eq!(Heun::new(&crossed).claim().strong, 0.5);
    assert_eq!(
        ExponentialEuler::new(&crossed).err(),
        Some(SchemeRefusal::NotAdditive {
            scheme: "exponential-euler",
            row: 1,
            column: 1
        })
    );
}
