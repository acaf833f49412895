//! Networks of tanh layers on whitened coordinates and time.
//!
//! ```text
//! a_0 = (xi, c(t)),   a_l = tanh(W_l' a_(l-1) + b_l),   s(x, t) = (W' a_L + b - xi) / w_t
//! ```
//!
//! with `xi = (x - m_t) / w_t` as in [`crate::field::time_nodes`], and the clock `c` running from -1 to 1 uniformly
//! in the log signal-to-noise ratio. `W = 0, b = 0` is the score of a Gaussian with the law's own moments.
//!
//! # Cost
//! Two operations a weight and point for a value, six for a value with both pull-backs, and one tanh a unit. Layers
//! are evaluated again on the way back, so that paths keep their states only.

use crate::field::time_nodes::{Located, TimeNodes};
use crate::field::{Differentiable, Field, FieldFamily, ScoreFamily};
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::dispatch::{Kernel, dispatch, multiply_add};
use crate::numeric::elementary::tanh_in_place;
use crate::numeric::random::Stream;
use crate::numeric::sums::{add_scaled, sum};
use crate::problem::format::card::FieldCard;
use crate::problem::format::key::{Fallback, Form, Key};
use crate::problem::meant::options::{FieldSpec, Options};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// The family's name, sizes and defaults.
pub static CARD: FieldCard = FieldCard {
    name: "network",
    about: "hidden tanh layers",
    options: &[Key::new(
        "layers",
        Form::Layers,
        Fallback::Found("[64, 64]", |_, _| vec![64, 64].into()),
        "widths of the hidden layers",
    )],
    most_states: None,
    settings: |options| format!("network of layers {:?}", options.counts("layers")),
};

/// The family with these sizes.
pub fn spec(layers: Vec<usize>) -> FieldSpec {
    FieldSpec {
        family: CARD.name,
        options: Options::of(vec![("layers", layers.into())]),
    }
}

/// A score with unknown weights.
#[derive(Clone, Debug)]
pub struct Network {
    dimension: usize,
    nodes: TimeNodes,
    /// The last one is linear.
    layers: Vec<Layer>,
    theta: Vec<f64>,
}

/// Weights from `first` on, the inputs of an output next to each other; then the biases.
#[derive(Clone, Copy, Debug)]
struct Layer {
    first: usize,
    inputs: usize,
    outputs: usize,
}

impl Layer {
    fn biases(self) -> std::ops::Range<usize> {
        let first = self.first + self.inputs * self.outputs;
        first..first + self.outputs
    }

    fn weights(self, theta: &[f64]) -> MatRef<'_, f64> {
        let weights = &theta[self.first..self.biases().start];
        MatRef::from_column_major_slice(weights, self.inputs, self.outputs)
    }

    /// `out = a W`, with the biases or without.
    fn apply(self, theta: &[f64], a: &Batch, biased: bool) -> Batch {
        let mut out = Batch::zeros(a.points(), self.outputs);
        if biased {
            for (j, bias) in theta[self.biases()].iter().enumerate() {
                out.column_mut(j).fill(*bias);
            }
        }
        product(out.faer_mut(), a.as_ref().faer(), self.weights(theta));
        out
    }

    /// `out = z W'`: a cotangent one layer back.
    fn apply_back(self, theta: &[f64], z: &Batch) -> Batch {
        let mut out = Batch::zeros(z.points(), self.inputs);
        product(
            out.faer_mut(),
            z.as_ref().faer(),
            self.weights(theta).transpose(),
        );
        out
    }

    /// Adds `a' z` to the gradient of the weights.
    fn collect_weights(self, a: &Batch, z: &Batch, gradient: &mut [f64]) {
        let weights = &mut gradient[self.first..self.biases().start];
        let weights = MatMut::from_column_major_slice_mut(weights, self.inputs, self.outputs);
        product(weights, a.as_ref().faer().transpose(), z.as_ref().faer());
    }

    fn collect_biases(self, z: &Batch, gradient: &mut [f64]) {
        for (j, g) in gradient[self.biases()].iter_mut().enumerate() {
            *g += sum(z.column(j));
        }
    }
}

/// `out += a b`.
fn product(out: MatMut<'_, f64>, a: MatRef<'_, f64>, b: MatRef<'_, f64>) {
    matmul(out, Accum::Add, a, b, 1.0, Par::Seq);
}

/// `z *= 1 - a²`, the derivative of tanh where its value is `a`.
struct TimesSlope<'a> {
    a: &'a [f64],
    z: &'a mut [f64],
}

impl Kernel for TimesSlope<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (z, a) in self.z.iter_mut().zip(self.a) {
            *z *= multiply_add::<FMA>(-a, *a, 1.0);
        }
    }
}

fn times_slope(a: &Batch, z: &mut Batch) {
    dispatch(TimesSlope {
        a: a.as_slice(),
        z: z.as_mut_slice(),
    });
}

impl Network {
    /// Hidden layers of the given widths. Their weights are standard normals over the root of the inputs; the last
    /// layer is zero.
    pub fn new(dimension: usize, nodes: TimeNodes, widths: &[usize], stream: &Stream) -> Self {
        let (mut layers, mut first, mut inputs) = (Vec::new(), 0, dimension + 1);
        for outputs in widths.iter().copied().chain(std::iter::once(dimension)) {
            layers.push(Layer {
                first,
                inputs,
                outputs,
            });
            first += (inputs + 1) * outputs;
            inputs = outputs;
        }
        let mut theta = vec![0.0; first];
        for (l, layer) in layers[..widths.len()].iter().enumerate() {
            let mut draws = Batch::zeros(layer.inputs, layer.outputs);
            stream.normals(0, l as u32, draws.as_mut());
            let scale = 1.0 / (layer.inputs as f64).sqrt();
            let weights = &mut theta[layer.first..layer.biases().start];
            for (w, z) in weights.iter_mut().zip(draws.as_slice()) {
                *w = scale * z;
            }
        }
        Self {
            dimension,
            nodes,
            layers,
            theta,
        }
    }

    /// `a_0, ..., a_L`.
    fn activations(&self, at: &Located, x: BatchRef<'_>) -> Vec<Batch> {
        let xi = at.whiten(x);
        let mut first = Batch::zeros(x.points(), self.dimension + 1);
        for j in 0..self.dimension {
            first.column_mut(j).copy_from_slice(xi.column(j));
        }
        let last = (self.nodes.count() - 1).max(1) as f64;
        let clock = 2.0 * (at.node as f64 + at.share) / last - 1.0;
        first.column_mut(self.dimension).fill(clock);
        let mut all = vec![first];
        for layer in self.hidden() {
            let mut a = layer.apply(&self.theta, &all[all.len() - 1], true);
            tanh_in_place(a.as_mut_slice());
            all.push(a);
        }
        all
    }

    fn hidden(&self) -> &[Layer] {
        &self.layers[..self.layers.len() - 1]
    }

    fn output(&self) -> Layer {
        self.layers[self.layers.len() - 1]
    }

    fn value(&self, at: &Located, activations: &[Batch], mut out: BatchMut<'_>) {
        let last = &activations[activations.len() - 1];
        let found = self.output().apply(&self.theta, last, true);
        for (j, scale) in at.scale.iter().enumerate() {
            let inverse = 1.0 / scale;
            let pairs = found.column(j).iter().zip(activations[0].column(j));
            for (o, (f, xi)) in out.column_mut(j).iter_mut().zip(pairs) {
                *o = (f - xi) * inverse;
            }
        }
    }

    /// `p_l = t_(l-1) W_l` of every hidden layer, and `t_L`, along whitened coordinate `j`:
    /// `t_l = (1 - a_l²) p_l`, `t_0 = e_j`.
    fn tangents(&self, activations: &[Batch], j: usize) -> (Vec<Batch>, Batch) {
        let mut tangent = Batch::zeros(activations[0].points(), self.dimension + 1);
        tangent.column_mut(j).fill(1.0);
        let mut all = Vec::with_capacity(self.layers.len());
        for (layer, a) in self.hidden().iter().zip(&activations[1..]) {
            let p = layer.apply(&self.theta, &tangent, false);
            tangent = p.clone();
            times_slope(a, &mut tangent);
            all.push(p);
        }
        (all, tangent)
    }

    /// Weights of the last layer that make component `j`.
    fn output_weights(&self, j: usize) -> std::ops::Range<usize> {
        let output = self.output();
        let first = output.first + j * output.inputs;
        first..first + output.inputs
    }

    /// Carries the cotangent of `W' a_L + b` back; returns that of `a_0`.
    fn backward(
        &self,
        activations: &[Batch],
        cotangent: Batch,
        mut gradient: Option<&mut [f64]>,
    ) -> Batch {
        let mut z = cotangent;
        for (l, layer) in self.layers.iter().enumerate().rev() {
            if let Some(gradient) = &mut gradient {
                layer.collect_weights(&activations[l], &z, gradient);
                layer.collect_biases(&z, gradient);
            }
            z = layer.apply_back(&self.theta, &z);
            if l > 0 {
                times_slope(&activations[l], &mut z);
            }
        }
        z
    }
}

impl Field for Network {
    fn inputs(&self) -> usize {
        self.dimension
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let at = self.nodes.locate(t);
        self.value(&at, &self.activations(&at, x), out);
    }
}

impl Differentiable for Network {
    fn eval_with_divergence(
        &self,
        t: f64,
        x: BatchRef<'_>,
        out: BatchMut<'_>,
        divergence: &mut [f64],
    ) {
        let at = self.nodes.locate(t);
        let activations = self.activations(&at, x);
        self.value(&at, &activations, out);
        let scales = at.inverse_squares();
        divergence.fill(-scales.iter().sum::<f64>());
        for (j, scale) in scales.iter().enumerate() {
            let (_, tangent) = self.tangents(&activations, j);
            for (k, w) in self.theta[self.output_weights(j)].iter().enumerate() {
                add_scaled(scale * w, tangent.column(k), divergence);
            }
        }
    }
}

impl FieldFamily for Network {
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
        let at = self.nodes.locate(t);
        let activations = self.activations(&at, x);
        let mut scaled = cotangent.to_batch();
        at.divide(scaled.as_mut());
        let start = self.backward(&activations, scaled.clone(), gradient);
        let Some(mut out) = out else {
            return;
        };
        for j in 0..self.dimension {
            let pairs = start.column(j).iter().zip(scaled.column(j));
            for (o, (s, c)) in out.column_mut(j).iter_mut().zip(pairs) {
                *o = s - c;
            }
        }
        at.divide(out);
    }
}

impl ScoreFamily for Network {
    /// Backwards through the tangents of each coordinate and through the values they depend on.
    fn pull_back_divergence(&self, t: f64, x: BatchRef<'_>, weight: &[f64], gradient: &mut [f64]) {
        let at = self.nodes.locate(t);
        let activations = self.activations(&at, x);
        let n = x.points();
        for (j, scale) in at.inverse_squares().iter().enumerate() {
            let (slopes, last) = self.tangents(&activations, j);
            // Cotangents of t_l and of a_l.
            let mut t_bar = Batch::zeros(n, last.columns());
            for (k, at) in self.output_weights(j).enumerate() {
                let factor = scale * self.theta[at];
                let mut sum = 0.0;
                let pairs = last.column(k).iter().zip(weight);
                for (o, (t, w)) in t_bar.column_mut(k).iter_mut().zip(pairs) {
                    *o = factor * w;
                    sum += w * t;
                }
                gradient[at] += scale * sum;
            }
            let mut a_bar = Batch::zeros(n, last.columns());
            for (l, layer) in self.hidden().iter().enumerate().rev() {
                let a = &activations[l + 1];
                let cotangents = a_bar.as_mut_slice().iter_mut().zip(t_bar.as_mut_slice());
                let values = slopes[l].as_slice().iter().zip(a.as_slice());
                for ((a_bar, t_bar), (p, a)) in cotangents.zip(values) {
                    let slope = 1.0 - a * a;
                    *a_bar = (*a_bar - 2.0 * a * p * *t_bar) * slope;
                    *t_bar *= slope;
                }
                layer.collect_weights(&activations[l], &a_bar, gradient);
                layer.collect_biases(&a_bar, gradient);
                if l > 0 {
                    let mut below = slopes[l - 1].clone();
                    times_slope(&activations[l], &mut below);
                    layer.collect_weights(&below, &t_bar, gradient);
                } else {
                    for o in 0..layer.outputs {
                        let at = layer.first + o * layer.inputs + j;
                        gradient[at] += sum(t_bar.column(o));
                    }
                }
                t_bar = layer.apply_back(&self.theta, &t_bar);
                a_bar = layer.apply_back(&self.theta, &a_bar);
            }
        }
    }
}
