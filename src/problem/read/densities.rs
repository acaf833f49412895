//! Tries whether an expression is a density: its sign near the origin, its integral along rays to infinity.

use crate::expr::Expr;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::Node;
use crate::problem::text::reader::Reader;

/// Points at which a density is tried for its sign.
const PROBES: usize = 64;
/// Half width of the box of these points.
const PROBE_REACH: f64 = 3.0;
/// Radii at which the integral over shells is tried.
const RADII: [f64; 4] = [1e3, 1e6, 1e9, 1e12];
/// Most axes along which rays go, rays that are spread evenly, and most states whose pairs have rays of their own.
const AXES: usize = 32;
const RAYS: usize = 16;
const PAIRED: usize = 6;
/// Ratio to which widths across a ray are found.
const WIDTH: f64 = 1.5;

/// Tries a density at points spread evenly over a box around the origin.
pub(super) fn positive_density(
    reader: &mut Reader,
    node: &Node,
    place: &str,
    density: Expr,
) -> Option<()> {
    let state = reader.formulas.state().to_vec();
    for k in 0..PROBES {
        let at: Vec<_> = state
            .iter()
            .enumerate()
            .map(|(i, x)| (*x, PROBE_REACH * spread(k, i, state.len())))
            .collect();
        let value = reader.formulas.graph.evaluate(density, &at)?;
        if value >= 0.0 {
            continue;
        }
        let point: Vec<String> = at.iter().map(|(_, x)| format!("{x:.4}")).collect();
        reader.push(
            Diagnostic::error(
                "E043",
                node.span.clone(),
                format!(
                    "`{place}` is {value:.6} at x = [{}]; a density is not negative",
                    point.join(", ")
                ),
            )
            .help("if this is the logarithm, use family = \"log-density\" and log_density = ..."),
        );
        return None;
    }
    Some(())
}

/// Point `k` of an additive recurrence in `[-1, 1]^d` whose points fill the box evenly in every
/// dimension: steps `1/phi^i`, `phi` the positive root of `phi^(d+1) = phi + 1`.
fn spread(k: usize, component: usize, dimension: usize) -> f64 {
    let mut phi = 2.0_f64;
    for _ in 0..32 {
        phi = (1.0 + phi).powf(1.0 / (dimension as f64 + 1.0));
    }
    let step = phi.powi(-(component as i32 + 1));
    2.0 * (0.5 + (k as f64 + 1.0) * step).fract() - 1.0
}

/// Refuses a density whose integral over shells does not fall along a ray.
///
/// The part of a shell of radius `r` around the ray is `rho r` times the widths across it, at most `r`, within which `rho`
/// falls by a factor e.
pub(super) fn finite_integral(
    reader: &mut Reader,
    node: &Node,
    place: &str,
    log_density: Expr,
) -> Option<()> {
    let state = reader.formulas.state().to_vec();
    let graph = &reader.formulas.graph;
    let at = |x: &[f64]| {
        let pairs: Vec<_> = state.iter().copied().zip(x.iter().copied()).collect();
        graph.evaluate(log_density, &pairs).unwrap_or(f64::NAN)
    };
    let Some(ray) = rays(state.len()).into_iter().find(|ray| grows(&at, ray)) else {
        return Some(());
    };
    let shown: Vec<String> = ray.iter().map(|u| format!("{u:.3}")).collect();
    reader.push(
        Diagnostic::error(
            "E044",
            node.span.clone(),
            format!(
                "the integral of the density `{place}` is infinite: it does not fall fast enough along x = r*[{}]",
                shown.join(", ")
            ),
        )
        .help("check the signs: the logarithm of a density falls to -infinity in every direction"),
    );
    None
}

/// Directions of length one: the axes, pairs of few states, and some spread evenly.
fn rays(d: usize) -> Vec<Vec<f64>> {
    let axis = |entries: &[(usize, f64)]| {
        let mut ray = vec![0.0; d];
        entries.iter().for_each(|(i, u)| ray[*i] = *u);
        ray
    };
    let mut rays = Vec::new();
    for i in 0..d.min(AXES) {
        rays.extend([1.0, -1.0].map(|u| axis(&[(i, u)])));
        let others = if d <= PAIRED { 0..i } else { 0..0 };
        for j in others {
            for (a, b) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
                rays.push(axis(&[(i, a), (j, b)]));
            }
        }
    }
    rays.extend((0..RAYS).map(|k| (0..d).map(|i| spread(k, i, d)).collect()));
    for ray in &mut rays {
        let length = ray.iter().map(|u: &f64| u * u).sum::<f64>().sqrt();
        ray.iter_mut().for_each(|u| *u /= length);
    }
    rays
}

/// Whether the integral over shells does not fall from any radius to the next.
fn grows(log_density: &impl Fn(&[f64]) -> f64, ray: &[f64]) -> bool {
    let rises = |parts: &dyn Fn(f64) -> f64| {
        let parts = RADII.map(parts);
        // Infinite or no number: nothing is known of it.
        parts.iter().all(|part| part.is_finite()) && parts.windows(2).all(|w| w[1] >= w[0])
    };
    let point = |r: f64| ray.iter().map(|u| r * u).collect::<Vec<f64>>();
    // Widths are at most the radius: first as if they were.
    let bound = |r: f64| log_density(&point(r)) + ray.len() as f64 * r.ln();
    rises(&bound)
        && rises(&|r| {
            let x = point(r);
            let largest = (0..ray.len()).max_by(|a, b| ray[*a].abs().total_cmp(&ray[*b].abs()));
            let across = (0..ray.len()).filter(|i| Some(*i) != largest);
            let widths = across.map(|i| log_width(log_density, &x, i, r));
            log_density(&x) + r.ln() + widths.sum::<f64>()
        })
}

/// Logarithm of the distance along an axis, at most `most`, at which the density has fallen by e on both sides.
fn log_width(log_density: &impl Fn(&[f64]) -> f64, x: &[f64], axis: usize, most: f64) -> f64 {
    let here = log_density(x);
    let holds = |distance: f64| {
        [distance, -distance].iter().any(|step| {
            let mut moved = x.to_vec();
            moved[axis] += step;
            log_density(&moved) >= here - 1.0
        })
    };
    let mut width = most;
    while width > f64::MIN_POSITIVE && !holds(width) {
        width /= WIDTH;
    }
    width.ln()
}
