//! Derived formulas against the user's expressions as typed, differentiated another way.
//!
//! Proofs in the algebra of the simplifier cannot see its own mistakes. Here the right sides come from
//! forward-mode differentiation ([`Graph::taylor`]) of the expressions in the file: generators from
//! second derivatives along the noise columns, minima over the control from the value, slope and
//! curvature of the cost rate along the control axes. No rule of the symbolic route is used.

use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::stated::Stated;
use crate::expr::arithmetic::sum;
use crate::expr::{Expr, Function, Graph};
use crate::numeric::batch::Batch;
use crate::numeric::random::Streams;
use nalgebra::{DMatrix, DVector};

/// Points of a comparison; fewer in many states, where a point costs more and shows more.
const POINTS: usize = 64;
const STATE_POINTS: usize = 640;
const FEWEST_POINTS: usize = 4;

/// Points are drawn until that many gave finite values.
const DRAWS: usize = 512;

/// Differences beyond this, relative to the largest value, are not rounding.
const TOLERANCE: f64 = 1e-9;

/// Rounding of a value, relative to the largest term inside it: some thousand operations.
const ROUNDING: f64 = 1e-12;

/// Eigenvalues of `D` below this fraction of the largest carry no noise.
const RANK: f64 = 1e-12;

/// Half width of the box of points where the problem has no domain.
const HALF_WIDTH: f64 = 2.0;

/// Derived coefficients compared with the user's expressions, differentiated another way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossCheck {
    pub points: usize,
    pub largest_relative_difference: f64,
}

/// A point: values of the symbols and unknown constants.
pub type Point = Vec<(Expr, f64)>;

/// Seeded points: states in the domain or a box, times inside the horizon, or inside its first unit where it has no end.
pub fn points(
    state: &[Expr],
    time: Expr,
    domain: Option<&[(f64, f64)]>,
    horizon: (f64, f64),
) -> Vec<Point> {
    let d = state.len();
    let length = Some(horizon.1 - horizon.0).filter(|length| length.is_finite());
    let length = length.unwrap_or(1.0);
    let mut uniform = Batch::zeros(DRAWS, d + 1);
    let stream = Streams::new(0).role("derivation.cross-check");
    stream.uniforms(0, 0, uniform.as_mut());
    (0..DRAWS)
        .map(|point| {
            let mut at: Point = (0..d)
                .map(|i| {
                    let (lo, hi) = domain.map_or((-HALF_WIDTH, HALF_WIDTH), |domain| domain[i]);
                    (state[i], lo + (hi - lo) * uniform.get(point, i))
                })
                .collect();
            let u = uniform.get(point, d);
            at.push((time, horizon.0 + length * u));
            at
        })
        .collect()
}

/// Whether `D` has full rank at some point: where it has none anywhere, velocities are bound to the range of `G`.
pub fn is_invertible(noising: &Noising) -> bool {
    let d = noising.dimension();
    let entries = noising.diffusivity.concat();
    let places = points(&noising.state, noising.time, None, (0.0, 1.0));
    places.iter().take(FEWEST_POINTS).any(|at| {
        let values = noising.graph.evaluate_all(&entries, at);
        let finite = values.filter(|values| values.iter().all(|v| v.is_finite()));
        finite.is_some_and(|values| {
            let eigenvalues = DMatrix::from_row_slice(d, d, &values).symmetric_eigenvalues();
            eigenvalues.min() > RANK * eigenvalues.amax()
        })
    })
}

/// `sum_i sin(x_i + x_{i+1}/2 + t)`: smooth, with every second derivative next to the diagonal.
pub fn test_function(noising: &mut Noising) -> Expr {
    let d = noising.dimension();
    let (graph, x) = (&mut noising.graph, &noising.state);
    let mut terms = Vec::new();
    for i in 0..d {
        let phase = graph.of(x[i] + x[(i + 1) % d] / 2 + noising.time);
        terms.push(graph.apply(Function::Sin, &[phase]));
    }
    graph.of(sum(terms))
}

/// Points of a comparison in so many coordinates: 64, fewer in many, four at least.
pub fn points_wanted(coordinates: usize) -> usize {
    (STATE_POINTS / coordinates.max(1)).clamp(FEWEST_POINTS, POINTS)
}

/// Compares derived expressions with values found another way, and the size of the largest term in them, at
/// the first `wanted` points where both are finite; `None` if no point gave finite values.
///
/// # Errors
/// [`Refuted`] at the first point where they differ by more than rounding.
pub fn compare(
    graph: &Graph,
    claim: &str,
    derived: &[Expr],
    (points, wanted): (&[Point], usize),
    forward: impl Fn(&Graph, &Point) -> Option<(Vec<f64>, f64)>,
) -> Result<Option<CrossCheck>, Refuted> {
    let mut check = CrossCheck {
        points: 0,
        largest_relative_difference: 0.0,
    };
    for at in points {
        let Some(symbolic) = graph.evaluate_all(derived, at) else {
            continue;
        };
        let Some((values, scale)) = forward(graph, at) else {
            continue;
        };
        let (here, there) = (symbolic.len(), values.len());
        assert_eq!(here, there, "both ways have the same shape");
        if symbolic.iter().chain(&values).any(|v| !v.is_finite()) {
            continue;
        }
        for ((left, right), e) in symbolic.iter().zip(&values).zip(derived) {
            let difference = (left - right).abs() / scale.max(left.abs());
            // Terms that cancel leave their rounding behind.
            let rounding = || {
                graph
                    .largest_inside(*e, at)
                    .map_or(0.0, |size| ROUNDING * size)
            };
            if difference > TOLERANCE && (left - right).abs() > rounding() {
                return Err(Refuted {
                    claim: claim.to_owned(),
                    at: at.iter().map(|(e, v)| (graph.text(*e), *v)).collect(),
                    left: *left,
                    right: *right,
                });
            }
            check.largest_relative_difference = check.largest_relative_difference.max(difference);
        }
        check.points += 1;
        if check.points == wanted {
            break;
        }
    }
    Ok((check.points > 0).then_some(check))
}

/// Values, and the largest of them or one.
pub fn with_scale(values: Vec<f64>) -> (Vec<f64>, f64) {
    let scale = values.iter().fold(1.0_f64, |s, v| s.max(v.abs()));
    (values, scale)
}

/// Values of the coefficients of a diffusion at a point.
pub struct Coefficients {
    pub drift: Vec<f64>,
    /// One velocity per noise, in state coordinates.
    pub columns: Vec<Vec<f64>>,
}

/// Drift and noise columns; the control, if there is one, is part of the point.
pub fn coefficients(
    graph: &Graph,
    drift: &[Expr],
    diffusion: &[Vec<Expr>],
    at: &Point,
) -> Option<Coefficients> {
    let drift = graph.evaluate_all(drift, at)?;
    let noises = diffusion.first().map_or(0, Vec::len);
    let entries: Vec<Expr> = diffusion.iter().flatten().copied().collect();
    let values = graph.evaluate_all(&entries, at)?;
    let columns = (0..noises)
        .map(|k| (0..drift.len()).map(|i| values[i * noises + k]).collect())
        .collect();
    Some(Coefficients { drift, columns })
}

/// Value and first two derivatives of expressions along a direction of the state.
pub fn along(
    graph: &Graph,
    roots: &[Expr],
    state: &[Expr],
    direction: &[f64],
    at: &Point,
) -> Option<Vec<[f64; 3]>> {
    let velocity: Point = state
        .iter()
        .copied()
        .zip(direction.iter().copied())
        .collect();
    graph.taylor(roots, at, &velocity)
}

/// `v . grad e + 1/2 D : grad grad e` as the slope along the drift plus half the curvatures along the
/// noise columns.
pub fn generator(
    graph: &Graph,
    state: &[Expr],
    coefficients: &Coefficients,
    e: Expr,
    at: &Point,
) -> Option<f64> {
    let mut sum = along(graph, &[e], state, &coefficients.drift, at)?[0][1];
    for column in &coefficients.columns {
        sum += 0.5 * along(graph, &[e], state, column, at)?[0][2];
    }
    Some(sum)
}

/// The least of `l(x,u,t) + f(x,u,t) . grad e` over the control, its minimiser, and the generator part
/// without control removed: `[minimum, u_0, u_1, ...]`. Exact where the bracket is quadratic in `u`.
pub fn least_cost_rate(
    graph: &Graph,
    stated: &Stated,
    slope: &[f64],
    at: &Point,
) -> Option<Vec<f64>> {
    let m = stated.control.len();
    let mut off = at.clone();
    off.extend(stated.control.iter().map(|u| (*u, 0.0)));
    let along = |direction: &[(Expr, f64)]| -> Option<[f64; 3]> {
        let (jet, _) = cost_rate_along(graph, stated, slope, &off, direction)?;
        Some(jet)
    };
    let still = along(&[])?[0];
    let mut gradient = DVector::zeros(m);
    let mut curvature = DMatrix::zeros(m, m);
    for (k, u) in stated.control.iter().enumerate() {
        let jet = along(&[(*u, 1.0)])?;
        gradient[k] = jet[1];
        curvature[(k, k)] = jet[2];
    }
    for k in 0..m {
        for l in 0..k {
            let both = along(&[(stated.control[k], 1.0), (stated.control[l], 1.0)])?;
            let cross = 0.5 * (both[2] - curvature[(k, k)] - curvature[(l, l)]);
            curvature[(k, l)] = cross;
            curvature[(l, k)] = cross;
        }
    }
    let best = -curvature.cholesky()?.solve(&gradient);
    let mut out = vec![still + 0.5 * gradient.dot(&best)];
    out.extend(best.iter());
    Some(out)
}

/// `l(x,u,t) + f(x,u,t) . slope` and its first two derivatives along a direction of the control, with the size of the
/// largest term.
pub fn cost_rate_along(
    graph: &Graph,
    stated: &Stated,
    slope: &[f64],
    at: &Point,
    direction: &[(Expr, f64)],
) -> Option<([f64; 3], f64)> {
    let mut roots = stated.drift.clone();
    roots.push(stated.running);
    let jets = graph.taylor(&roots, at, direction)?;
    let (cost, drift) = jets.split_last()?;
    let mut jet = *cost;
    let mut scale = cost.iter().fold(0.0_f64, |s, v| s.max(v.abs()));
    for (f, s) in drift.iter().zip(slope) {
        for k in 0..3 {
            jet[k] += f[k] * s;
            scale = scale.max((f[k] * s).abs());
        }
    }
    Some((jet, scale))
}

/// The gradient of an expression in the state, one forward pass per coordinate.
pub fn gradient(graph: &Graph, state: &[Expr], e: Expr, at: &Point) -> Option<Vec<f64>> {
    state
        .iter()
        .map(|x| Some(graph.taylor(&[e], at, &[(*x, 1.0)])?[0][1]))
        .collect()
}
