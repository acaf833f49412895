//! A noisy curve as a Gaussian mixture.

use crate::expr::{Expr, Graph};
use crate::problem::meant::law::{Covariance, Curve, Mixture};
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::Value;
use crate::problem::text::reader::{Reader, Section};
use gauss_quad::GaussLegendre;
use std::num::NonZeroUsize;

/// Panels of the quadrature over the curve parameter: a corner at a quarter, a half or three quarters
/// of the curve falls between two of them.
const PANELS: usize = 4;
/// Nodes per panel of the first rule tried, and the most: a mixture larger than that is no cheap law.
const FEWEST: usize = 8;
const MOST: usize = 1024;
/// Agreement of log densities between two node counts.
const AGREEMENT: f64 = 1e-10;
/// Places on the curve where densities are compared, each with offsets across it.
const PROBES: usize = 48;

/// Reads `centre` (expressions of `s` in `[0, 1]`) and `width`.
pub(crate) fn read_curve(reader: &mut Reader, section: &Section<'_>) -> Option<Curve> {
    let width = reader.required_number(section, "width");
    let Some(entry) = section.take("centre") else {
        reader.missing(section, "centre", "[\"cos(2*pi*s)\", \"sin(2*pi*s)\"]");
        return None;
    };
    reader.record_entry(section, entry);
    if let Value::Array(items) = &entry.node.value
        && items.is_empty()
    {
        reader.push(Diagnostic::error(
            "E015",
            entry.node.span.clone(),
            "`centre` is empty; it needs one expression of s per state",
        ));
        return None;
    }
    let place = format!("{}.centre", section.name);
    let (parameter, centre) =
        reader.with_curve_parameter(|reader| reader.components_at(&entry.node, &place));
    let (centre, width) = (centre?, width?);
    match lower(&reader.formulas.graph, parameter, &centre, width) {
        Ok(mixture) => Some(Curve {
            parameter,
            centre,
            width,
            mixture,
        }),
        Err(problem) => {
            let message = match problem {
                LoweringError::NotFinite { s } => {
                    format!("`data.centre` is not finite at s = {s}")
                }
                LoweringError::TooMany { change } => format!(
                    "`data.width` = {width} is too small for the length of the curve: \
                     {} Gaussians leave an error of {change:.1e} in the log density",
                    PANELS * MOST
                ),
            };
            reader.push(
                Diagnostic::error("E207", entry.node.span.clone(), message)
                    .help("the only symbols of a curve are s and the parameters; widen it, or split it into pieces"),
            );
            None
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum LoweringError {
    NotFinite { s: f64 },
    TooMany { change: f64 },
}

/// The law `int_0^1 N(x; c(s), w^2 I) ds` as a mixture over Gauss–Legendre nodes of `s`, half as many
/// again until log densities on and around the curve agree.
fn lower(
    graph: &Graph,
    parameter: Expr,
    centre: &[Expr],
    width: f64,
) -> Result<Mixture, LoweringError> {
    let probes = probes(graph, parameter, centre, width)?;
    let mut nodes = FEWEST;
    let mut coarse = quadrature(graph, parameter, centre, width, nodes)?;
    let mut before = log_densities(&coarse, width, &probes);
    let mut change = f64::INFINITY;
    while nodes < MOST {
        nodes += nodes / 2;
        let fine = quadrature(graph, parameter, centre, width, nodes)?;
        let after = log_densities(&fine, width, &probes);
        change = before
            .iter()
            .zip(&after)
            .fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
        if change <= AGREEMENT {
            // The coarse rule is within the tolerance of the fine one and cheaper.
            return Ok(coarse);
        }
        (coarse, before) = (fine, after);
    }
    Err(LoweringError::TooMany { change })
}

fn point(
    graph: &Graph,
    parameter: Expr,
    centre: &[Expr],
    s: f64,
) -> Result<Vec<f64>, LoweringError> {
    graph
        .evaluate_all(centre, &[(parameter, s)])
        .filter(|point| point.iter().all(|c| c.is_finite()))
        .ok_or(LoweringError::NotFinite { s })
}

fn quadrature(
    graph: &Graph,
    parameter: Expr,
    centre: &[Expr],
    width: f64,
    nodes: usize,
) -> Result<Mixture, LoweringError> {
    let nodes = NonZeroUsize::new(nodes).expect("a rule has nodes");
    let rule = GaussLegendre::new(nodes);
    let length = 1.0 / PANELS as f64;
    let mut weights = Vec::new();
    let mut means = Vec::new();
    for panel in 0..PANELS {
        for (node, weight) in rule.as_node_weight_pairs() {
            let s = (panel as f64 + 0.5 * (node + 1.0)) * length;
            means.push(point(graph, parameter, centre, s)?);
            weights.push(0.5 * weight * length);
        }
    }
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum);
    let covariances = vec![Covariance::Isotropic(width * width); means.len()];
    Ok(Mixture {
        weights,
        means,
        covariances,
    })
}

/// Points on the curve and up to three widths away from it along each coordinate.
fn probes(
    graph: &Graph,
    parameter: Expr,
    centre: &[Expr],
    width: f64,
) -> Result<Vec<Vec<f64>>, LoweringError> {
    let mut points = Vec::new();
    for k in 0..PROBES {
        // Irrational spacing, so that no probe sits on a node of every rule.
        let s = (k as f64 + std::f64::consts::FRAC_1_SQRT_2) / PROBES as f64;
        let on = point(graph, parameter, centre, s)?;
        for axis in 0..centre.len() {
            for offset in [-3.0, -1.0, 1.0, 3.0] {
                let mut away = on.clone();
                away[axis] += offset * width;
                points.push(away);
            }
        }
        points.push(on);
    }
    Ok(points)
}

/// Log densities up to the constant common to all mixtures of this width.
fn log_densities(mixture: &Mixture, width: f64, points: &[Vec<f64>]) -> Vec<f64> {
    points
        .iter()
        .map(|x| {
            let logs: Vec<f64> = mixture
                .weights
                .iter()
                .zip(&mixture.means)
                .map(|(w, m)| {
                    let square: f64 = x.iter().zip(m).map(|(a, b)| (a - b) * (a - b)).sum();
                    w.ln() - 0.5 * square / (width * width)
                })
                .collect();
            let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            top + logs.iter().map(|l| (l - top).exp()).sum::<f64>().ln()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_segment_has_the_density_of_its_closed_form() {
        // c(s) = (2 s, 0), width w: p(x, y) = N(y; 0, w^2) (Phi(x/w) - Phi((x-2)/w)) / 2; far from both
        // ends this is N(y; 0, w^2) / 2.
        let mut graph = Graph::new();
        let s = graph.symbol("s");
        let two = graph.integer(2);
        let centre = [graph.mul(&[two, s]), graph.zero()];
        let width = 0.1;
        let mixture = lower(&graph, s, &centre, width).expect("converges");
        let points = [vec![1.0, 0.0], vec![1.13, 0.2]];
        let found = log_densities(&mixture, width, &points);
        for (point, log) in points.iter().zip(found) {
            let constant = (std::f64::consts::TAU * width * width).ln();
            let exact = -0.5 * (point[1] / width).powi(2) - 0.5 * constant - 2.0_f64.ln();
            assert!((log - constant - exact).abs() < 1e-9, "{log} {exact}");
        }
    }

    #[test]
    fn a_curve_that_is_too_thin_is_refused() {
        let mut graph = Graph::new();
        let s = graph.symbol("s");
        let long = graph.integer(1_000_000);
        let centre = [graph.mul(&[long, s])];
        assert!(matches!(
            lower(&graph, s, &centre, 1.0),
            Err(LoweringError::TooMany { .. })
        ));
    }
}
