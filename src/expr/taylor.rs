//! Forward-mode differentiation: value and first two derivatives along a line, node by node.
//!
//! Shares no rule with the symbolic [`Graph::derivative`](super::Graph::derivative), so each checks the
//! other.

use super::evaluate::{call, evaluate_node, power};
use super::function::Function;
use super::graph::{Expr, Graph, Node};
use super::special;
use rustc_hash::FxHashMap;

/// `[g(0), g'(0), g''(0)]` of `g(s) = e(x + s v)`.
type Jet = [f64; 3];

impl Graph {
    /// Values and derivatives of `roots` along a line: symbols and unknowns start at `at` and move with
    /// the given velocities (those not named stand still).
    ///
    /// `None` if a symbol or unknown has no value. At kinks the derivatives are those of the branch taken.
    pub fn taylor(
        &self,
        roots: &[Expr],
        at: &[(Expr, f64)],
        velocity: &[(Expr, f64)],
    ) -> Option<Vec<[f64; 3]>> {
        let mut jets: FxHashMap<Expr, Jet> = at.iter().map(|(e, v)| (*e, [*v, 0.0, 0.0])).collect();
        for (e, v) in velocity {
            jets.get_mut(e)?[1] = *v;
        }
        for n in self.reachable_until(roots, |n| jets.contains_key(&n)) {
            let jet = self.jet_of_node(self.node(n), &jets)?;
            jets.insert(n, jet);
        }
        Some(roots.iter().map(|root| jets[root]).collect())
    }

    fn jet_of_node(&self, node: &Node, jets: &FxHashMap<Expr, Jet>) -> Option<Jet> {
        let constant = |value: f64| [value, 0.0, 0.0];
        Some(match node {
            Node::Symbol(_) | Node::Unknown(..) => return None,
            Node::Number(value) => constant(value.to_f64()),
            Node::Pi => constant(std::f64::consts::PI),
            Node::Infinity => constant(f64::INFINITY),
            Node::Undefined => constant(f64::NAN),
            Node::Sum(start, terms) => {
                let mut sum = constant(start.to_f64());
                for (term, coefficient) in terms {
                    let (c, jet) = (coefficient.to_f64(), jets[term]);
                    (0..3).for_each(|k| sum[k] += c * jet[k]);
                }
                sum
            }
            Node::Product(coefficient, factors) => {
                let mut product = constant(coefficient.to_f64());
                for (base, exponent) in factors {
                    product = times(product, raised(jets[base], jets[exponent]));
                }
                product
            }
            Node::Apply(function, arguments) => {
                let arguments: Vec<Jet> = arguments.iter().map(|a| jets[a]).collect();
                applied(*function, &arguments)
            }
            Node::Choose(condition, yes, no) => {
                if jets[condition][0] != 0.0 {
                    jets[yes]
                } else {
                    jets[no]
                }
            }
            Node::Truth(_) | Node::Compare(..) | Node::And(_) | Node::Or(_) | Node::Not(_) => {
                constant(evaluate_node(node, |child| jets[&child][0])?)
            }
        })
    }
}

fn times(a: Jet, b: Jet) -> Jet {
    [
        a[0] * b[0],
        a[1] * b[0] + a[0] * b[1],
        a[2] * b[0] + 2.0 * a[1] * b[1] + a[0] * b[2],
    ]
}

/// `outer(inner)` from the value and two derivatives of `outer` at `inner[0]`.
fn chained(outer: Jet, inner: Jet) -> Jet {
    [
        outer[0],
        outer[1] * inner[1],
        outer[2] * inner[1] * inner[1] + outer[1] * inner[2],
    ]
}

fn raised(base: Jet, exponent: Jet) -> Jet {
    if exponent[1] != 0.0 || exponent[2] != 0.0 {
        let logarithm = applied(Function::Log, &[base]);
        return applied(Function::Exp, &[times(exponent, logarithm)]);
    }
    let (x, r) = (base[0], exponent[0]);
    if r == 1.0 {
        return base;
    }
    let outer = [
        power(x, r),
        r * power(x, r - 1.0),
        r * (r - 1.0) * power(x, r - 2.0),
    ];
    chained(outer, base)
}

fn applied(function: Function, arguments: &[Jet]) -> Jet {
    let values: Vec<f64> = arguments.iter().map(|a| a[0]).collect();
    let value = call(function, &values);
    match function {
        Function::Min | Function::Max => arguments
            .iter()
            .copied()
            .find(|a| a[0] == value)
            .unwrap_or([f64::NAN; 3]),
        Function::LogSumExp => {
            // Weights w, first derivative sum w a', second sum w (a'' + a'^2) - (sum w a')^2.
            let (mut first, mut second) = (0.0, 0.0);
            for a in arguments {
                let weight = (a[0] - value).exp();
                first += weight * a[1];
                second += weight * (a[2] + a[1] * a[1]);
            }
            [value, first, second - first * first]
        }
        Function::Atan2 => {
            // The angle's rate is (y' x - y x') / (x^2 + y^2).
            let (y, x) = (arguments[0], arguments[1]);
            let radius = x[0] * x[0] + y[0] * y[0];
            let turn = y[1] * x[0] - y[0] * x[1];
            let growth = 2.0 * (x[0] * x[1] + y[0] * y[1]);
            let change = y[2] * x[0] - y[0] * x[2];
            [
                value,
                turn / radius,
                (change * radius - turn * growth) / (radius * radius),
            ]
        }
        Function::Polygamma => {
            let (n, x) = (values[0], values[1]);
            let outer = [
                value,
                special::polygamma(n + 1.0, x),
                special::polygamma(n + 2.0, x),
            ];
            chained(outer, arguments[1])
        }
        _ => chained(slopes(function, values[0], value), arguments[0]),
    }
}

/// Value and two derivatives of a function of one variable.
fn slopes(function: Function, x: f64, value: f64) -> Jet {
    let (first, second) = match function {
        Function::Exp => (value, value),
        Function::Expm1 => (x.exp(), x.exp()),
        Function::Log => (1.0 / x, -1.0 / (x * x)),
        Function::Log1p => (1.0 / (1.0 + x), -1.0 / ((1.0 + x) * (1.0 + x))),
        Function::Sin => (x.cos(), -value),
        Function::Cos => (-x.sin(), -value),
        Function::Tan => (1.0 + value * value, 2.0 * value * (1.0 + value * value)),
        Function::Sinh => (x.cosh(), value),
        Function::Cosh => (x.sinh(), value),
        Function::Tanh => (1.0 - value * value, -2.0 * value * (1.0 - value * value)),
        Function::Asin | Function::Acos => {
            let inside = 1.0 - x * x;
            let slope = 1.0 / inside.sqrt();
            let sign = if function == Function::Asin {
                1.0
            } else {
                -1.0
            };
            (sign * slope, sign * x * slope / inside)
        }
        Function::Atan => {
            let inside = 1.0 + x * x;
            (1.0 / inside, -2.0 * x / (inside * inside))
        }
        Function::Abs => (super::evaluate::sign(x), 0.0),
        Function::Sign | Function::Floor => (0.0, 0.0),
        Function::Erf => {
            let bell = std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp();
            (bell, -2.0 * x * bell)
        }
        Function::Lgamma => (special::polygamma(0.0, x), special::polygamma(1.0, x)),
        Function::Sigmoid => {
            let slope = value * (1.0 - value);
            (slope, slope * (1.0 - 2.0 * value))
        }
        Function::Softplus => {
            let logistic = call(Function::Sigmoid, &[x]);
            (logistic, logistic * (1.0 - logistic))
        }
        Function::Min
        | Function::Max
        | Function::LogSumExp
        | Function::Atan2
        | Function::Polygamma => unreachable!("functions of several variables are handled before"),
    };
    [value, first, second]
}

#[cfg(test)]
mod tests {
    use super::super::{Function, Graph};

    /// Symbolic derivatives along a line against the jets, for every function of one variable.
    #[test]
    fn agrees_with_symbolic_derivatives() {
        let mut graph = Graph::new();
        let x = graph.symbol("x");
        let y = graph.symbol("y");
        let s = graph.symbol("s");
        let inside = graph.mul(&[x, y]);
        let half = graph.rational(1, 2);
        let inside = graph.mul(&[half, inside]);
        let three = graph.integer(3);
        let mut cases = Vec::new();
        for function in Function::all() {
            let arguments = match function {
                Function::Min | Function::Max | Function::LogSumExp | Function::Atan2 => {
                    vec![inside, y]
                }
                Function::Polygamma => vec![graph.one(), inside],
                _ => vec![inside],
            };
            cases.push(graph.apply(function, &arguments));
        }
        cases.push(graph.pow(x, y));
        let cube = graph.pow(inside, three);
        cases.push(graph.div(cube, y));
        let (at, velocity) = ([0.8, 1.3], [0.7, -0.4]);
        let mut moved = Vec::new();
        for ((e, value), v) in [x, y].into_iter().zip(at).zip(velocity) {
            let (start, rate) = (graph.number(value), graph.number(v));
            let shift = graph.mul(&[rate, s]);
            moved.push((e, graph.add(&[start, shift])));
        }
        let jets = graph
            .taylor(
                &cases,
                &[(x, at[0]), (y, at[1])],
                &[(x, velocity[0]), (y, velocity[1])],
            )
            .expect("every symbol has a value");
        for (case, jet) in cases.into_iter().zip(jets) {
            let name = graph.text(case);
            let mut line = graph.substitute(case, &moved);
            for (order, jet) in jet.iter().enumerate() {
                let expected = graph.evaluate(line, &[(s, 0.0)]).expect("only s is free");
                let close = (jet - expected).abs() <= 1e-12 * (1.0 + expected.abs());
                assert!(close, "{name}, order {order}: {jet} against {expected}");
                line = graph.derivative(line, s);
            }
        }
    }
}
