//! Affine fields plus tensor Chebyshev polynomials on whitened coordinates, in one or two states.

use crate::field::affine::shared_standard;
use crate::field::time_nodes::{Basis, Regressors};
use crate::field::time_nodes::{TIME, nodes};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::sums::{add_scaled, dot};
use crate::problem::format::card::FieldCard;
use crate::problem::format::key::{Fallback, Form, Key};
use crate::problem::meant::options::{FieldSpec, Options};

/// The family's name, sizes and defaults.
pub static CARD: FieldCard = FieldCard {
    name: "chebyshev",
    about: "tensor Chebyshev polynomials",
    options: &[
        Key::new(
            "degree",
            Form::Count(1),
            Fallback::Count(8),
            "largest degree",
        ),
        TIME,
        nodes(16),
    ],
    most_states: Some(2),
    settings: |options| {
        let (degree, nodes) = (options.count("degree"), options.count("nodes"));
        format!("chebyshev of degree {degree} at {nodes} times")
    },
};

/// The family with these sizes.
pub fn spec(degree: usize, nodes: usize) -> FieldSpec {
    FieldSpec {
        family: CARD.name,
        options: Options::of(vec![
            ("degree", degree.into()),
            ("time", "nodes".into()),
            ("nodes", nodes.into()),
        ]),
    }
}

/// Half side of the box, in standard deviations of the noised law.
const HALF_SIDE: f64 = 3.0;

/// Regressors of every component: `1`, `ξ_l`, and `Π_l T_{n_l}(u_l)` of total degree two or more with
/// each `n_l` at most the degree, `u_l = clip(ξ_l / 3, −1, 1)`. Outside the box only the affine part
/// grows.
#[derive(Clone, Debug)]
pub struct Chebyshev {
    dimension: usize,
    degree: usize,
    /// Degrees per coordinate.
    products: Vec<[usize; 2]>,
}

/// Chebyshev values and their derivatives with respect to ξ, per coordinate.
struct Tables {
    values: Vec<Batch>,
    slopes: Vec<Batch>,
}

impl Chebyshev {
    /// One or two states.
    pub fn new(dimension: usize, degree: usize) -> Self {
        assert!(
            (1..=2).contains(&dimension),
            "tensor polynomials are for one or two states"
        );
        let second = if dimension == 2 { degree } else { 0 };
        let mut products = Vec::new();
        for a in 0..=degree {
            for b in 0..=second {
                if a + b >= 2 {
                    products.push([a, b]);
                }
            }
        }
        Self {
            dimension,
            degree,
            products,
        }
    }

    fn count(&self) -> usize {
        1 + self.dimension + self.products.len()
    }

    fn tables(&self, xi: BatchRef<'_>) -> Tables {
        let n = xi.points();
        let (mut values, mut slopes) = (Vec::new(), Vec::new());
        for l in 0..self.dimension {
            let mut value = Batch::zeros(n, self.degree + 1);
            let mut slope = Batch::zeros(n, self.degree + 1);
            for i in 0..n {
                let raw = xi.get(i, l) / HALF_SIDE;
                let u = raw.clamp(-1.0, 1.0);
                let inner = if raw == u { 1.0 / HALF_SIDE } else { 0.0 };
                let (mut t, mut t_next) = (1.0, u);
                let (mut s, mut s_next) = (0.0, 1.0);
                for m in 0..=self.degree {
                    value.column_mut(m)[i] = t;
                    slope.column_mut(m)[i] = s * inner;
                    let after = 2.0 * u * t_next - t;
                    let slope_after = 2.0 * t_next + 2.0 * u * s_next - s;
                    (t, t_next) = (t_next, after);
                    (s, s_next) = (s_next, slope_after);
                }
            }
            values.push(value);
            slopes.push(slope);
        }
        Tables { values, slopes }
    }

    /// One product of the tables; `along` takes the derivative in that coordinate.
    fn product(&self, tables: &Tables, degrees: [usize; 2], along: Option<usize>, out: &mut [f64]) {
        out.fill(1.0);
        for (l, degree) in degrees.iter().enumerate().take(self.dimension) {
            let table = if along == Some(l) {
                &tables.slopes[l]
            } else {
                &tables.values[l]
            };
            for (o, v) in out.iter_mut().zip(table.column(*degree)) {
                *o *= v;
            }
        }
    }

    /// Calls `visit(a, ρ_a)` for every regressor, or its derivative in coordinate `along`.
    fn for_each(
        &self,
        xi: BatchRef<'_>,
        along: Option<usize>,
        mut visit: impl FnMut(usize, &[f64]),
    ) {
        let tables = self.tables(xi);
        let mut column = vec![0.0; xi.points()];
        column.fill(if along.is_none() { 1.0 } else { 0.0 });
        visit(0, &column);
        for l in 0..self.dimension {
            match along {
                None => visit(1 + l, xi.column(l)),
                Some(along) => {
                    column.fill(if along == l { 1.0 } else { 0.0 });
                    visit(1 + l, &column);
                }
            }
        }
        for (a, degrees) in self.products.iter().enumerate() {
            self.product(&tables, *degrees, along, &mut column);
            visit(1 + self.dimension + a, &column);
        }
    }
}

impl Basis for Chebyshev {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn regressors(&self) -> Regressors {
        Regressors::Shared {
            count: self.count(),
        }
    }

    fn standard(&self) -> Vec<f64> {
        shared_standard(self.dimension, self.count())
    }

    fn combine(&self, xi: BatchRef<'_>, coefficients: &[f64], mut out: BatchMut<'_>) {
        let count = self.count();
        out.fill(0.0);
        self.for_each(xi, None, |a, column| {
            for j in 0..self.dimension {
                add_scaled(coefficients[j * count + a], column, out.column_mut(j));
            }
        });
    }

    fn divergence(&self, xi: BatchRef<'_>, coefficients: &[f64], scale: &[f64], out: &mut [f64]) {
        let count = self.count();
        out.fill(0.0);
        for j in 0..self.dimension {
            self.for_each(xi, Some(j), |a, column| {
                add_scaled(scale[j] * coefficients[j * count + a], column, out);
            });
        }
    }

    fn carry_back(
        &self,
        xi: BatchRef<'_>,
        cotangent: BatchRef<'_>,
        gradient: Option<&mut [f64]>,
        state: Option<(&[f64], BatchMut<'_>)>,
    ) {
        let count = self.count();
        if let Some(gradient) = gradient {
            self.for_each(xi, None, |a, column| {
                for j in 0..self.dimension {
                    gradient[j * count + a] += dot(cotangent.column(j), column);
                }
            });
        }
        let Some((coefficients, mut out)) = state else {
            return;
        };
        out.fill(0.0);
        for l in 0..self.dimension {
            let target = out.column_mut(l);
            self.for_each(xi, Some(l), |a, column| {
                for j in 0..self.dimension {
                    let theta = coefficients[j * count + a];
                    let pairs = cotangent.column(j).iter().zip(column);
                    for (o, (c, v)) in target.iter_mut().zip(pairs) {
                        *o += theta * c * v;
                    }
                }
            });
        }
    }

    fn pull_back_divergence(
        &self,
        xi: BatchRef<'_>,
        scale: &[f64],
        weight: &[f64],
        gradient: &mut [f64],
    ) {
        let count = self.count();
        for j in 0..self.dimension {
            self.for_each(xi, Some(j), |a, column| {
                gradient[j * count + a] += scale[j] * dot(weight, column);
            });
        }
    }

    fn design(&self, xi: BatchRef<'_>, out: &mut [f64]) {
        let n = xi.points();
        self.for_each(xi, None, |a, column| {
            out[a * n..(a + 1) * n].copy_from_slice(column);
        });
    }
}
