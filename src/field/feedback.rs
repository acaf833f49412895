//! Controls that are linear in their parameters, with one set of coefficients per time node.
//!
//! ```text
//! u_i(x, t) = sum_a theta_ai(t) phi_a(xi),      xi = (x - mean) / scale
//! ```
//!
//! and `theta(t)` interpolates linearly between nodes. All controls share their features:
//!
//! | family | features |
//! |---|---|
//! | affine | `1, xi_1, ..., xi_d` |
//! | rbf | those and `exp(-|xi - c_k|^2 / 2 w_k^2)` |
//! | chebyshev | those and `T_2(s_l), ..., T_n(s_l)`, `s_l = xi_l / 3` clamped to \[-1, 1\], for each state |
//!
//! The last family has no products of states: it is made for many states with little coupling. A control that is known
//! to depend on some states only can be kept from seeing the features of others; their coefficients stay zero.

use crate::field::rbf::{spread_out, widths};
use crate::field::time_nodes::blend;
use crate::field::{Field, FieldFamily};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::random::Stream;
use crate::numeric::sums::{add_scaled, dot};

/// Deviations up to which the polynomials are resolved.
const REACH: f64 = 3.0;

/// Features of the whitened state.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    Affine,
    Radial {
        centres: Vec<Vec<f64>>,
        widths: Vec<f64>,
    },
    Chebyshev {
        degree: usize,
    },
}

/// A feedback control with unknown coefficients.
#[derive(Clone, Debug)]
pub struct Feedback {
    features: Features,
    controls: usize,
    mean: Vec<f64>,
    scale: Vec<f64>,
    /// Times of the nodes, ascending.
    times: Vec<f64>,
    /// Features each control sees.
    seen: Vec<Vec<usize>>,
    /// Node by node, control by control.
    theta: Vec<f64>,
}

/// A node and the share of the next one, in \[0, 1\].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    pub node: usize,
    pub share: f64,
}

impl Features {
    /// Bumps at centres spread over whitened points.
    pub fn radial(pool: &[Vec<f64>], centres: usize, stream: &Stream) -> Self {
        let centres = spread_out(pool, centres, stream, 0);
        Self::Radial {
            widths: widths(&centres),
            centres,
        }
    }
}

impl Feedback {
    /// The control that does nothing.
    pub fn new(
        features: Features,
        controls: usize,
        (mean, scale): (Vec<f64>, Vec<f64>),
        times: Vec<f64>,
    ) -> Self {
        assert_eq!(mean.len(), scale.len(), "one scale per state");
        let mut feedback = Self {
            features,
            controls,
            mean,
            scale,
            times,
            seen: Vec::new(),
            theta: Vec::new(),
        };
        feedback.seen = vec![(0..feedback.features()).collect(); controls];
        feedback.theta = vec![0.0; feedback.features() * controls * feedback.nodes()];
        feedback
    }

    /// The same where each control depends on the given states only. Features of several states stay.
    pub fn seeing(mut self, states: &[Vec<usize>]) -> Self {
        let count = self.mean.len();
        self.seen = states
            .iter()
            .map(|states| {
                let mut seen = vec![0];
                seen.extend(states.iter().map(|l| 1 + l));
                match &self.features {
                    Features::Affine => {}
                    Features::Radial { widths, .. } => {
                        seen.extend((0..widths.len()).map(|k| 1 + count + k))
                    }
                    Features::Chebyshev { degree } => {
                        let powers = states.iter().flat_map(|l| (2..=*degree).map(|k| (*l, k)));
                        seen.extend(powers.map(|(l, k)| self.polynomial(l, k, *degree)));
                    }
                }
                seen
            })
            .collect();
        self
    }

    /// Features that a control sees.
    pub fn seen(&self, control: usize) -> &[usize] {
        &self.seen[control]
    }

    /// Coefficients that may differ from zero.
    pub fn unknowns(&self) -> usize {
        self.nodes() * self.seen.iter().map(Vec::len).sum::<usize>()
    }

    /// Features in all.
    pub fn features(&self) -> usize {
        let states = self.mean.len();
        1 + states
            + match &self.features {
                Features::Affine => 0,
                Features::Radial { widths, .. } => widths.len(),
                Features::Chebyshev { degree } => states * degree.saturating_sub(1),
            }
    }

    pub fn controls(&self) -> usize {
        self.controls
    }

    pub fn nodes(&self) -> usize {
        self.times.len()
    }

    /// Times of the nodes, ascending.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// Mean and scale of every state, which the features see.
    pub fn whitening(&self) -> (&[f64], &[f64]) {
        (&self.mean, &self.scale)
    }

    /// The node before `t`; times beyond the nodes are clamped.
    pub fn locate(&self, t: f64) -> Share {
        let after = self.times.partition_point(|node| *node <= t);
        let node = after.clamp(1, self.nodes().max(2) - 1) - 1;
        let share = match self.times[node..] {
            [here, next, ..] => ((t - here) / (next - here)).clamp(0.0, 1.0),
            _ => 0.0,
        };
        Share { node, share }
    }

    /// `phi_a` at every point, one column a feature.
    pub fn design(&self, x: BatchRef<'_>) -> Batch {
        let (points, states) = (x.points(), self.mean.len());
        let mut design = Batch::zeros(points, self.features());
        design.column_mut(0).fill(1.0);
        for l in 0..states {
            let (mean, inverse) = (self.mean[l], 1.0 / self.scale[l]);
            for (o, x) in design.column_mut(1 + l).iter_mut().zip(x.column(l)) {
                *o = (x - mean) * inverse;
            }
        }
        match &self.features {
            Features::Affine => {}
            Features::Radial { centres, widths } => {
                for (k, (centre, width)) in centres.iter().zip(widths).enumerate() {
                    let mut height = vec![0.0; points];
                    for (l, c) in centre.iter().enumerate() {
                        for (h, xi) in height.iter_mut().zip(design.column(1 + l)) {
                            *h += (xi - c) * (xi - c);
                        }
                    }
                    let column = design.column_mut(1 + states + k);
                    for (o, h) in column.iter_mut().zip(&height) {
                        *o = (-0.5 * h / (width * width)).exp();
                    }
                }
            }
            Features::Chebyshev { degree } => {
                for l in 0..states {
                    let s: Vec<f64> = (design.column(1 + l).iter())
                        .map(|xi| (xi / REACH).clamp(-1.0, 1.0))
                        .collect();
                    let (mut before, mut now) = (vec![1.0; points], s.clone());
                    for k in 2..=*degree {
                        recur(&s, &mut before, &mut now);
                        let column = self.polynomial(l, k, *degree);
                        design.column_mut(column).copy_from_slice(&now);
                    }
                }
            }
        }
        design
    }

    /// Column of `T_k` of one state.
    fn polynomial(&self, state: usize, k: usize, degree: usize) -> usize {
        1 + self.mean.len() + state * (degree - 1) + k - 2
    }

    /// Coefficients at a time, control by control.
    pub fn coefficients(&self, at: Share) -> Vec<f64> {
        let size = self.features() * self.controls;
        let left = &self.theta[at.node * size..(at.node + 1) * size];
        if at.share == 0.0 {
            return left.to_vec();
        }
        let right = &self.theta[(at.node + 1) * size..(at.node + 2) * size];
        blend(left, right, at.share)
    }

    /// The control at points whose features are known.
    pub fn combine(&self, at: Share, design: &Batch, mut out: BatchMut<'_>) {
        let coefficients = self.coefficients(at);
        let count = self.features();
        for (i, row) in coefficients.chunks_exact(count).enumerate() {
            let column = out.column_mut(i);
            column.fill(0.0);
            for a in &self.seen[i] {
                add_scaled(row[*a], design.column(*a), column);
            }
        }
    }

    /// Adds `sum over points (du/dtheta)' cotangent` to `gradient`, at points whose features are known.
    pub fn pull_back_features(
        &self,
        at: Share,
        design: &Batch,
        cotangent: BatchRef<'_>,
        gradient: &mut [f64],
    ) {
        let count = self.features();
        let size = count * self.controls;
        for i in 0..self.controls {
            let c = cotangent.column(i);
            for a in &self.seen[i] {
                let product = dot(c, design.column(*a));
                let place = at.node * size + i * count + a;
                gradient[place] += (1.0 - at.share) * product;
                if at.share > 0.0 {
                    gradient[place + size] += at.share * product;
                }
            }
        }
    }

    /// `out = (du/dx)' cotangent`, point by point.
    fn pull_back_slopes(
        &self,
        at: Share,
        design: &Batch,
        cotangent: BatchRef<'_>,
        mut out: BatchMut<'_>,
    ) {
        let (count, states, points) = (self.features(), self.mean.len(), design.points());
        let coefficients = self.coefficients(at);
        out.fill(0.0);
        // Sum over controls: the cotangent of each feature.
        let lifted = |a: usize, into: &mut [f64]| {
            into.fill(0.0);
            for i in 0..self.controls {
                let coefficient = coefficients[i * count + a];
                if coefficient != 0.0 {
                    add_scaled(coefficient, cotangent.column(i), into);
                }
            }
        };
        let mut weight = vec![0.0; points];
        for l in 0..states {
            lifted(1 + l, &mut weight);
            add_scaled(1.0 / self.scale[l], &weight, out.column_mut(l));
        }
        match &self.features {
            Features::Affine => {}
            Features::Radial { centres, widths } => {
                for (k, (centre, width)) in centres.iter().zip(widths).enumerate() {
                    let a = 1 + states + k;
                    lifted(a, &mut weight);
                    for (w, height) in weight.iter_mut().zip(design.column(a)) {
                        *w *= -height / (width * width);
                    }
                    for (l, c) in centre.iter().enumerate() {
                        let inverse = 1.0 / self.scale[l];
                        let column = out.column_mut(l);
                        for ((o, w), xi) in column.iter_mut().zip(&weight).zip(design.column(1 + l))
                        {
                            *o += inverse * w * (xi - c);
                        }
                    }
                }
            }
            Features::Chebyshev { degree } => {
                for l in 0..states {
                    let s: Vec<f64> = (design.column(1 + l).iter()).map(|xi| xi / REACH).collect();
                    // Zero outside [-1, 1], where the polynomials are cut.
                    let inside: Vec<f64> = (s.iter())
                        .map(|s| f64::from(u8::from(s.abs() < 1.0)) / (REACH * self.scale[l]))
                        .collect();
                    // T_k' = k U_(k-1), U_0 = 1, U_1 = 2 s.
                    let mut before = vec![1.0; points];
                    let mut now: Vec<f64> = s.iter().map(|s| 2.0 * s).collect();
                    for k in 2..=*degree {
                        lifted(self.polynomial(l, k, *degree), &mut weight);
                        let column = out.column_mut(l);
                        let parts = weight.iter().zip(&inside).zip(&now);
                        for (o, ((w, inside), u)) in column.iter_mut().zip(parts) {
                            if *inside > 0.0 {
                                *o += k as f64 * inside * w * u;
                            }
                        }
                        recur(&s, &mut before, &mut now);
                    }
                }
            }
        }
    }
}

/// One step of the recurrence both kinds of Chebyshev polynomials share.
fn recur(s: &[f64], before: &mut Vec<f64>, now: &mut Vec<f64>) {
    for ((b, n), s) in before.iter_mut().zip(now.iter()).zip(s) {
        *b = 2.0 * s * n - *b;
    }
    std::mem::swap(before, now);
}

impl Field for Feedback {
    fn inputs(&self) -> usize {
        self.mean.len()
    }

    fn outputs(&self) -> usize {
        self.controls
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.combine(self.locate(t), &self.design(x), out);
    }
}

impl FieldFamily for Feedback {
    fn parameters(&self) -> &[f64] {
        &self.theta
    }

    fn set_parameters(&mut self, theta: &[f64]) {
        self.theta.copy_from_slice(theta);
    }

    fn carry_back(
        &self,
        t: f64,
        x: BatchRef<'_>,
        cotangent: BatchRef<'_>,
        gradient: Option<&mut [f64]>,
        out: Option<BatchMut<'_>>,
    ) {
        let (at, design) = (self.locate(t), self.design(x));
        if let Some(gradient) = gradient {
            self.pull_back_features(at, &design, cotangent, gradient);
        }
        if let Some(out) = out {
            self.pull_back_slopes(at, &design, cotangent, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::random::Streams;

    fn families() -> Vec<Features> {
        vec![
            Features::Affine,
            Features::Radial {
                centres: vec![vec![0.3, -0.2], vec![-1.0, 0.5]],
                widths: vec![0.8, 1.3],
            },
            Features::Chebyshev { degree: 4 },
        ]
    }

    fn field(features: Features) -> Feedback {
        let mut field = Feedback::new(
            features,
            3,
            (vec![0.1, -0.4], vec![0.7, 1.9]),
            vec![0.5, 1.0, 1.5, 2.0],
        );
        let theta: Vec<f64> = (0..field.parameters().len())
            .map(|i| (0.7 * i as f64).sin())
            .collect();
        field.set_parameters(&theta);
        field
    }

    fn projected(field: &Feedback, t: f64, x: &Batch, cotangent: &Batch) -> f64 {
        let mut out = Batch::zeros(x.points(), field.controls());
        field.eval(t, x.as_ref(), out.as_mut());
        dot(out.as_slice(), cotangent.as_slice())
    }

    #[test]
    fn pull_backs_are_central_differences() {
        let stream = Streams::new(3).role("points");
        let (mut x, mut cotangent) = (Batch::zeros(9, 2), Batch::zeros(9, 3));
        stream.normals(0, 0, x.as_mut());
        stream.normals(0, 1, cotangent.as_mut());
        let (t, h) = (1.13, 1e-6);
        for features in families() {
            let mut field = field(features.clone());
            let mut gradient = vec![0.0; field.parameters().len()];
            field.pull_back(t, x.as_ref(), cotangent.as_ref(), &mut gradient);
            let theta = field.parameters().to_vec();
            for (i, g) in gradient.iter().enumerate() {
                let [up, down] = [h, -h].map(|h| {
                    let mut moved = theta.clone();
                    moved[i] += h;
                    field.set_parameters(&moved);
                    projected(&field, t, &x, &cotangent)
                });
                assert!(
                    ((up - down) / (2.0 * h) - g).abs() < 1e-7,
                    "{features:?} {i}"
                );
            }
            field.set_parameters(&theta);
            let mut slope = Batch::zeros(9, 2);
            field.pull_back_state(t, x.as_ref(), cotangent.as_ref(), slope.as_mut());
            for l in 0..2 {
                for i in 0..9 {
                    let [up, down] = [h, -h].map(|h| {
                        let mut moved = x.clone();
                        moved.column_mut(l)[i] += h;
                        projected(&field, t, &moved, &cotangent)
                    });
                    let difference = (up - down) / (2.0 * h);
                    assert!(
                        (difference - slope.get(i, l)).abs() < 1e-7,
                        "{features:?}: {difference} is not {}",
                        slope.get(i, l)
                    );
                }
            }
        }
    }

    /// The second control sees the first state only: the same field as with the other coefficients at zero, and no
    /// gradient for them.
    #[test]
    fn features_of_unseen_states_stay_out() {
        let stream = Streams::new(4).role("points");
        let (mut x, mut cotangent) = (Batch::zeros(9, 2), Batch::zeros(9, 3));
        stream.normals(0, 0, x.as_mut());
        stream.normals(0, 1, cotangent.as_mut());
        for features in families() {
            let all = field(features.clone());
            let count = all.features();
            let some = all.clone().seeing(&[vec![0, 1], vec![0], vec![0, 1]]);
            let unseen: Vec<usize> = match features {
                Features::Affine | Features::Radial { .. } => vec![2],
                // T_2, T_3 and T_4 of the second state come last.
                Features::Chebyshev { .. } => vec![2, count - 3, count - 2, count - 1],
            };
            assert_eq!(all.unknowns() - some.unknowns(), 4 * unseen.len());
            let mut zeroed = all.clone();
            let mut theta = all.parameters().to_vec();
            for node in 0..4 {
                unseen
                    .iter()
                    .for_each(|a| theta[(3 * node + 1) * count + a] = 0.0);
            }
            zeroed.set_parameters(&theta);
            let (mut a, mut b) = (Batch::zeros(9, 3), Batch::zeros(9, 3));
            some.eval(1.3, x.as_ref(), a.as_mut());
            zeroed.eval(1.3, x.as_ref(), b.as_mut());
            assert_eq!(a, b);
            let mut gradient = vec![0.0; theta.len()];
            some.pull_back(1.3, x.as_ref(), cotangent.as_ref(), &mut gradient);
            for (g, t) in gradient.iter().zip(&theta) {
                assert!(*t != 0.0 || *g == 0.0);
            }
        }
    }

    #[test]
    fn coefficients_interpolate_between_the_nodes() {
        let field = field(Features::Affine);
        let size = 9;
        assert_eq!(
            field.coefficients(field.locate(0.5)),
            field.parameters()[..size]
        );
        assert_eq!(
            field.coefficients(field.locate(2.0)),
            field.parameters()[3 * size..]
        );
        let between = field.coefficients(field.locate(0.75));
        let mean = 0.5 * (field.parameters()[0] + field.parameters()[size]);
        assert!((between[0] - mean).abs() < 1e-14);
    }
}
