//! The end cost on the nodes of a grid, averaged where it jumps.
//!
//! ```text
//! W_i = -lambda log( 1/h int over the cells about x_i of exp(-Phi/lambda) (1 - |x - x_i|/h) dx )
//! ```
//!
//! or the same mean of `Phi` itself without a temperature. A jump between two nodes, read off the nodes, is off by up to
//! half a cell, which spoils the order of every scheme; these averages keep its mass and its place. In one state jumps are
//! found by bisection and each smooth piece of a cell has a quadrature of its own; in more states cells are sampled.
//!
//! # Source
//! Pooley, Vetzal, Forsyth, *J. Comput. Finance* 6 (2003): cell averages and damped first steps for digital options.

use crate::discretization::steered::SteeredProcess;
use crate::numeric::batch::Batch;
use crate::numeric::interpolation::UniformAxis;
use crate::numeric::quadrature::Rule;
use crate::solvers::grid::space_time::nodes_of;
use std::num::NonZeroUsize;

/// Share of a difference that is left across the half with more of it, from which on it may be a jump.
const LEFT: f64 = 0.75;
/// Share left after all bisections that makes it one, and their number.
const JUMPS: f64 = 0.25;
const BISECTIONS: usize = 40;
/// Nodes of a smooth piece of a cell.
const PIECE: NonZeroUsize = NonZeroUsize::new(4).unwrap();
/// Samples of two cells along an axis, in several states.
const SAMPLES: usize = 16;

/// The end cost on the nodes of a grid.
pub(crate) struct EndCost {
    pub(crate) values: Vec<f64>,
    /// Whether it jumps between nodes.
    pub(crate) jumps: bool,
}

/// The end cost on the nodes, averaged where it jumps; as `psi` where there is a temperature.
pub(crate) fn end_cost(
    process: &SteeredProcess,
    axes: &[UniformAxis],
    temperature: Option<f64>,
) -> EndCost {
    let nodes = nodes_of(axes);
    let values = at(process, &nodes);
    let suspects = suspects(process, axes, &nodes, &values);
    let jumps: Vec<(usize, usize, f64)> = suspects
        .into_iter()
        .filter_map(|(node, axis)| {
            let place = jump(process, axes[axis], axis, &nodes.row(node))?;
            Some((node, axis, place))
        })
        .collect();
    if jumps.is_empty() {
        return EndCost {
            values,
            jumps: false,
        };
    }
    let averages = Averages {
        process,
        axes,
        temperature,
    };
    let values = match axes {
        [axis] => averages.of_line(*axis, values, &jumps),
        _ => averages.of_cells(&nodes, values, &jumps),
    };
    EndCost {
        values,
        jumps: true,
    }
}

fn at(process: &SteeredProcess, x: &Batch) -> Vec<f64> {
    let mut out = vec![0.0; x.points()];
    process.terminal(x.as_ref(), &mut out);
    out
}

/// Nodes and axes between which and the next node halving a cell leaves most of a difference.
fn suspects(
    process: &SteeredProcess,
    axes: &[UniformAxis],
    nodes: &Batch,
    values: &[f64],
) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut inner = nodes.points();
    for (j, axis) in axes.iter().enumerate() {
        inner /= axis.count;
        let mut middles = nodes.clone();
        middles
            .column_mut(j)
            .iter_mut()
            .for_each(|x| *x += 0.5 * axis.step);
        let middles = at(process, &middles);
        let pairs = (0..nodes.points()).filter(|k| k / inner % axis.count + 1 < axis.count);
        let suspect = |k: &usize| {
            let (a, m, b) = (values[*k], middles[*k], values[k + inner]);
            let most = (m - a).abs().max((b - m).abs());
            most > LEFT * (b - a).abs() && most > f64::EPSILON.sqrt() * (a.abs() + b.abs())
        };
        found.extend(pairs.filter(suspect).map(|k| (k, j)));
    }
    found
}

/// Where the end cost jumps within a cell above a node along an axis.
fn jump(process: &SteeredProcess, axis: UniformAxis, j: usize, node: &[f64]) -> Option<f64> {
    let value = |x: f64| {
        let mut point = node.to_vec();
        point[j] = x;
        at(process, &Batch::from_rows(node.len(), &[point]))[0]
    };
    let (mut a, mut b) = (node[j], node[j] + axis.step);
    let (mut at_a, mut at_b) = (value(a), value(b));
    let middle = value(0.5 * (a + b));
    let whole = (middle - at_a).abs().max((at_b - middle).abs());
    for _ in 0..BISECTIONS {
        let m = 0.5 * (a + b);
        let at_m = value(m);
        if (at_m - at_a).abs() > (at_b - at_m).abs() {
            (b, at_b) = (m, at_m);
        } else {
            (a, at_a) = (m, at_m);
        }
    }
    ((at_b - at_a).abs() > JUMPS * whole).then_some(0.5 * (a + b))
}

struct Averages<'a> {
    process: &'a SteeredProcess,
    axes: &'a [UniformAxis],
    temperature: Option<f64>,
}

impl Averages<'_> {
    /// The mean over points of these weights, which add up to one.
    fn mean(&self, points: &Batch, weights: &[f64]) -> f64 {
        let values = at(self.process, points);
        let both = || values.iter().zip(weights);
        let Some(lambda) = self.temperature else {
            return both().map(|(v, w)| w * v).sum();
        };
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let sum: f64 = both().map(|(v, w)| w * ((least - v) / lambda).exp()).sum();
        least - lambda * sum.ln()
    }

    /// One state: at both ends of a cell with a jump that cell piece by piece, a smooth one by its end.
    fn of_line(
        &self,
        axis: UniformAxis,
        mut values: Vec<f64>,
        jumps: &[(usize, usize, f64)],
    ) -> Vec<f64> {
        let rule = Rule::legendre(PIECE, 0.0, 1.0);
        let within = |cell: usize| jumps.iter().find(|jump| jump.0 == cell).map(|jump| jump.2);
        let touched = jumps.iter().flat_map(|(node, ..)| [*node, node + 1]);
        for i in touched {
            let here = axis.node(i);
            let (mut points, mut weights) = (Vec::new(), Vec::new());
            let sides = [i.checked_sub(1).and_then(within), within(i)];
            for (side, place) in [-1.0, 1.0].into_iter().zip(sides) {
                let Some(place) = place else {
                    points.push(here);
                    weights.push(0.5);
                    continue;
                };
                let cut = (place - here).abs();
                for (from, to) in [(0.0, cut), (cut, axis.step)] {
                    for (s, w) in rule.nodes.iter().zip(&rule.weights) {
                        let away = from + (to - from) * s;
                        points.push(here + side * away);
                        weights.push(w * (to - from) / axis.step * (1.0 - away / axis.step));
                    }
                }
            }
            let points = Batch::from_columns(points.len(), 1, points);
            values[i] = self.mean(&points, &weights);
        }
        values
    }

    /// Several states: about both nodes of every jump, sampled.
    fn of_cells(
        &self,
        nodes: &Batch,
        mut values: Vec<f64>,
        jumps: &[(usize, usize, f64)],
    ) -> Vec<f64> {
        let mut inner = vec![1; self.axes.len()];
        for j in (1..self.axes.len()).rev() {
            inner[j - 1] = inner[j] * self.axes[j].count;
        }
        let ends = jumps
            .iter()
            .flat_map(|(node, axis, _)| [*node, node + inner[*axis]]);
        let mut touched: Vec<usize> = ends.collect();
        touched.sort_unstable();
        touched.dedup();
        let samples = |axis: &UniformAxis| {
            let end = axis.step * (1.0 - 1.0 / SAMPLES as f64);
            UniformAxis::between(-end, end, SAMPLES)
        };
        let cell: Vec<UniformAxis> = self.axes.iter().map(samples).collect();
        let offsets = nodes_of(&cell);
        let hat = |k: usize| {
            let sides = self.axes.iter().enumerate();
            let along = sides.map(|(j, axis)| 1.0 - offsets.get(k, j).abs() / axis.step);
            along.product::<f64>()
        };
        let weights: Vec<f64> = (0..offsets.points()).map(hat).collect();
        let total: f64 = weights.iter().sum();
        let weights: Vec<f64> = weights.iter().map(|w| w / total).collect();
        for i in touched {
            let mut points = offsets.clone();
            for j in 0..self.axes.len() {
                let centre = nodes.get(i, j);
                points.column_mut(j).iter_mut().for_each(|x| *x += centre);
            }
            values[i] = self.mean(&points, &weights);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solvers::lowered::fixture::lowered;

    fn steered(end: &str) -> SteeredProcess {
        let text = format!(
            "format = 1\n[problem]\nname = \"t\"\nkind = \"control\"\n[dynamics]\nstate = \"x\"\ncontrol = \"u\"\n\
             drift = \"u\"\ndiffusion = \"1\"\n[initial]\nfamily = \"delta\"\nat = 0\n\
             [cost]\nrunning = \"0.5*u^2\"\nterminal = \"{end}\"\n"
        );
        lowered(&text).compiled.steered.clone()
    }

    /// `sum h W_i` and `sum h x_i W_i` over [-1, 1] against the integrals, wherever in its cell the jump is.
    #[test]
    fn averages_keep_the_mass_and_the_place_of_a_jump() {
        for place in [0.013, 0.049, 0.07] {
            let process = steered(&format!("if(x > {place}, 1, 0)"));
            let axis = UniformAxis::between(-1.0, 1.0, 21);
            let found = end_cost(&process, &[axis], None);
            assert!(found.jumps);
            let weight = |i: usize| axis.step * if i == 0 || i == 20 { 0.5 } else { 1.0 };
            let values = found.values.iter().enumerate();
            let mass: f64 = values.clone().map(|(i, v)| weight(i) * v).sum();
            let moment: f64 = values.map(|(i, v)| weight(i) * axis.node(i) * v).sum();
            assert!((mass - (1.0 - place)).abs() < 1e-9, "{place}: {mass}");
            // Half a cell at the end of the axis, where nothing jumps, is by the trapezoid rule.
            let exact = 0.5 * (1.0 - place * place);
            assert!((moment - exact).abs() < 1e-9, "{place}: {moment} {exact}");
        }
    }

    #[test]
    fn kinks_and_steep_slopes_are_no_jumps() {
        for end in ["abs(x - 0.013)", "tanh(40*x)", "min(x^2, 0.3)", "x^4"] {
            let axis = UniformAxis::between(-1.0, 1.0, 21);
            assert!(!end_cost(&steered(end), &[axis], Some(1.0)).jumps, "{end}");
        }
    }
}
