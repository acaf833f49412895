use super::{NoSolution, Stabilising, solve};
use crate::numeric::batch::Batch;
use crate::numeric::dense::{exponential, symmetric_part};
use crate::numeric::random::Streams;
use crate::numeric::symplectic::SymplecticMap;
use nalgebra::DMatrix;

/// Seeded normal entries.
struct Draws {
    streams: Streams,
    count: u32,
}

impl Draws {
    fn new(seed: u64) -> Self {
        let streams = Streams::new(seed);
        Self { streams, count: 0 }
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> DMatrix<f64> {
        let mut entries = Batch::zeros(rows, columns);
        let stream = self.streams.role("riccati");
        stream.normals(0, self.count, entries.as_mut());
        self.count += 1;
        DMatrix::from_column_slice(rows, columns, entries.as_slice())
    }

    /// A dense problem: `A`, `S = B B'`, `Q = C'C`, of size one, with unstable modes.
    fn problem(&mut self, d: usize, controls: usize) -> [DMatrix<f64>; 3] {
        let size = 1.0 / (d as f64).sqrt();
        let a = self.matrix(d, d) * size;
        let b = self.matrix(d, controls);
        let c = self.matrix(d, d) * size;
        [a, &b * b.transpose(), c.tr_mul(&c)]
    }
}

fn found([a, s, q]: &[DMatrix<f64>; 3]) -> Stabilising {
    solve(a, s, q).unwrap_or_else(|error| panic!("{error}"))
}

/// Made here of the unscaled matrices.
fn relative_residual([a, s, q]: &[DMatrix<f64>; 3], p: &DMatrix<f64>) -> f64 {
    let (carried, bent) = (p * a, p * s * p);
    let left = &carried + carried.transpose() - &bent + q;
    left.norm() / (2.0 * carried.norm() + bent.norm() + q.norm())
}

/// Back in time.
fn hamiltonian(a: &DMatrix<f64>, s: &DMatrix<f64>, q: &DMatrix<f64>) -> DMatrix<f64> {
    let d = a.nrows();
    let mut whole = DMatrix::zeros(2 * d, 2 * d);
    whole.view_mut((0, 0), (d, d)).copy_from(&-a);
    whole.view_mut((0, d), (d, d)).copy_from(s);
    whole.view_mut((d, 0), (d, d)).copy_from(q);
    whole.view_mut((d, d), (d, d)).copy_from(&a.transpose());
    whole
}

/// The limit of the differential equation, by the exponential of the Hamiltonian matrix over a time in which the closed
/// loop forgets its end.
fn of_a_long_horizon([a, s, q]: &[DMatrix<f64>; 3], slowest: f64) -> DMatrix<f64> {
    let d = a.nrows();
    let whole = hamiltonian(a, s, q);
    let step = 0.5 / whole.norm();
    let map = exponential(&(whole * step));
    let mut p = DMatrix::zeros(d, d);
    for _ in 0..(20.0 / (-slowest * step)).ceil() as usize {
        let image = map.columns(0, d) + map.columns(d, d) * &p;
        let (x, y) = (image.rows(0, d), image.rows(d, d));
        let solved = x.transpose().lu().solve(&y.transpose());
        p = symmetric_part(&solved.expect("a positive problem has a solution at all times"));
    }
    p
}

/// The limit by doubling a short span of the finite horizon, which shares no transform with the solution.
fn of_doubled_spans([a, s, q]: &[DMatrix<f64>; 3]) -> DMatrix<f64> {
    let rates = hamiltonian(a, s, q);
    let mut span = SymplecticMap::short(&rates, 0.5 / rates.norm()).expect("finite");
    // Slower than every rate there is by a factor of 2^40.
    for _ in 0..40 {
        span = span
            .doubled()
            .expect("a positive problem has a solution at all times");
    }
    span.form
}

/// Seeds 0 to 999: a thousand problems, `d` from 1 to 60 and one of 100, most of at most twelve states. The bounds are
/// those that are promised to users.
#[test]
fn a_thousand_random_problems_are_solved_to_rounding() {
    let small = (61..1000).map(|k| (k, 1 + k as usize % 12));
    let large = (0..60).map(|k| (k, 1 + k as usize));
    for (seed, d) in large.chain([(60, 100)]).chain(small) {
        let problem = Draws::new(seed).problem(d, d.div_ceil(2));
        let found = found(&problem);
        let residual = relative_residual(&problem, &found.form);
        assert!(residual < 1e-12, "d = {d}: {residual:e}");
        assert!(found.slowest < 0.0 && found.condition.is_finite());
        let least = found.form.clone().symmetric_eigenvalues().min();
        assert!(least > 0.0, "d = {d}: P has the eigenvalue {least}");
        let other = of_doubled_spans(&problem);
        let apart = (&found.form - &other).norm() / other.norm();
        let allowed = 1e-12 * found.condition;
        assert!(apart < allowed, "d = {d}: {apart:e} above {allowed:e}");
    }
}

/// Agreement within the condition number times rounding, as many steps of the other route make it.
#[test]
fn a_long_horizon_leads_to_the_same_solution() {
    for (seed, d) in [(1, 1), (2, 3), (3, 6), (4, 12), (5, 20)] {
        let problem = Draws::new(seed).problem(d, d.div_ceil(2));
        let found = found(&problem);
        let other = of_a_long_horizon(&problem, found.slowest);
        let apart = (&found.form - &other).norm() / other.norm();
        let allowed = 1e-14 * found.condition.max(10.0);
        assert!(apart < allowed, "d = {d}: {apart:e} above {allowed:e}");
    }
}

#[test]
fn closed_forms_are_met() {
    // Double integrator with a price of one on everything: [[sqrt 3, 1], [1, sqrt 3]].
    let a = DMatrix::from_row_slice(2, 2, &[0.0, 1.0, 0.0, 0.0]);
    let s = DMatrix::from_row_slice(2, 2, &[0.0, 0.0, 0.0, 1.0]);
    let q = DMatrix::<f64>::identity(2, 2);
    let root = 3.0_f64.sqrt();
    let expected = DMatrix::from_row_slice(2, 2, &[root, 1.0, 1.0, root]);
    assert!((found(&[a, s, q]).form - expected).amax() < 1e-14);
    // One state, an indefinite cost: P = a + sqrt(a^2 + s q) over s, as long as the root is real.
    let one = |x: f64| DMatrix::from_element(1, 1, x);
    let indefinite = [one(-2.0), one(1.0), one(-3.0)];
    assert!((found(&indefinite).form[(0, 0)] + 1.0).abs() < 1e-14);
    // Nothing to pay and nothing to steer.
    let idle = [one(-1.0), one(0.0), one(0.0)];
    assert_eq!(found(&idle).form[(0, 0)], 0.0);
}

/// The L-1011 aircraft, example 1.3 of Benner, Laub and Mehrmann, *A collection of benchmark examples for the numerical
/// solution of algebraic Riccati equations I* (1995), with the solution that other programs give.
#[test]
fn the_aircraft_of_the_benchmark_collection() {
    let a = DMatrix::from_row_slice(
        4,
        4,
        &[
            0.0, 1.0, 0.0, 0.0, 0.0, -1.89, 0.39, -5.53, 0.0, -0.034, -2.98, 2.43, 0.034, -0.0011,
            -0.99, -0.21,
        ],
    );
    let b = DMatrix::from_row_slice(4, 2, &[0.0, 0.0, 0.36, -1.6, -0.95, -0.032, 0.03, 0.0]);
    let q = DMatrix::from_row_slice(
        4,
        4,
        &[
            2.313, 2.727, 0.688, 0.023, 2.727, 4.271, 1.148, 0.323, 0.688, 1.148, 0.313, 0.102,
            0.023, 0.323, 0.102, 0.083,
        ],
    );
    let form = found(&[a, &b * b.transpose(), q]).form;
    let known = [
        ((0, 0), 1.323_859_571_818_399),
        ((0, 1), 0.901_532_849_521_640_8),
        ((1, 2), 0.433_428_168_734_104_8),
        ((2, 3), -1.363_287_358_987_666),
        ((3, 3), 4.461_181_625_458_085),
    ];
    for (place, value) in known {
        assert!(
            (form[place] - value).abs() < 1e-12,
            "{place:?} {}",
            form[place]
        );
    }
}

/// A mode that nothing reaches, and one that costs nothing, in coordinates that do not show it.
#[test]
fn the_mode_that_fails_is_named() {
    for seed in 0..50 {
        let d = 2 + seed as usize % 19;
        let mut draws = Draws::new(100 + seed);
        let [a, s, q] = draws.problem(d, d.div_ceil(2));
        let turn = draws.matrix(d, d).qr().q();
        let mode = 0.1 + 0.05 * (seed % 7) as f64;
        // The last coordinate goes its own way.
        let mut alone = a.clone();
        alone.row_mut(d - 1).fill(0.0);
        alone[(d - 1, d - 1)] = mode;
        let cut = |matrix: &DMatrix<f64>| {
            let mut cut = matrix.clone();
            cut.row_mut(d - 1).fill(0.0);
            cut.column_mut(d - 1).fill(0.0);
            cut
        };
        let turned = |matrix: &DMatrix<f64>| &turn * matrix * turn.transpose();
        match solve(&turned(&alone), &turned(&cut(&s)), &turned(&q)) {
            Err(NoSolution::Unstabilisable(found)) => {
                assert!(
                    (found.re - mode).abs() < 1e-8 && found.im == 0.0,
                    "{found:?}"
                );
            }
            other => panic!("{other:?}"),
        }
        let unseen = alone.transpose();
        match solve(&turned(&unseen), &turned(&s), &turned(&cut(&q))) {
            Err(NoSolution::Undetectable(found)) => {
                assert!(
                    (found.re - mode).abs() < 1e-8 && found.im == 0.0,
                    "{found:?}"
                );
            }
            other => panic!("{other:?}"),
        }
        // The same modes, stable: nothing is wrong.
        alone[(d - 1, d - 1)] = -mode;
        let stable = [turned(&alone), turned(&cut(&s)), turned(&q)];
        assert!(relative_residual(&stable, &found(&stable).form) < 1e-12);
    }
}

#[test]
fn a_cost_too_far_below_zero_has_no_best_policy() {
    let one = |x: f64| DMatrix::from_element(1, 1, x);
    // x'' + (4 - 5) x = 0 in the Hamiltonian matrix: +- i.
    match solve(&one(-2.0), &one(1.0), &one(-5.0)) {
        Err(NoSolution::NotStabilising(mode)) => {
            assert!(mode.re.abs() < 1e-12 && (mode.im.abs() - 1.0).abs() < 1e-12);
        }
        other => panic!("{other:?}"),
    }
}
