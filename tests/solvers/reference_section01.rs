//! Reference numbers of the control problem: values, gaps, bounds, path weights (30-digit closed forms and
//! quadrature; `tests/reference/section01.json`).

use gauss_quad::GaussLegendre;
use nalgebra::{DMatrix, DVector};
use onsager::discretization::noising::Noising;
use onsager::discretization::path_weight::{LocalCoefficients, log_path_weight};
use onsager::discretization::schedule::{Schedule, TimeFunction};
use onsager::expr::Graph;
use onsager::field::noised_mixture::NoisedMixture;
use onsager::numeric::batch::BatchRef;
use onsager::problem::meant::law::{Covariance, Mixture};
use serde_json::Value;
use std::num::NonZeroUsize;

fn records() -> Vec<Value> {
    let text = include_str!("../reference/section01.json");
    let file: Value = serde_json::from_str(text).expect("valid JSON");
    file["records"].as_array().expect("records").clone()
}

fn record(id: &str) -> Value {
    records()
        .into_iter()
        .find(|r| r["id"] == id)
        .unwrap_or_else(|| panic!("no record {id}"))
}

fn number(value: &Value, key: &str) -> f64 {
    value[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} is a number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| v.as_f64().expect("a number"))
        .collect()
}

/// Compares with a record to its stated accuracy plus `own`, our own error relative to 1 + |value|.
fn compare(record: &Value, found: &[f64], own: f64) {
    let stated = number(record, "abs_error_estimate");
    let expected = numbers(&record["value"]);
    assert_eq!(expected.len(), found.len(), "{}", record["id"]);
    for (found, expected) in found.iter().zip(&expected) {
        let allowed = stated + own * (1.0 + expected.abs());
        assert!(
            (found - expected).abs() <= allowed,
            "{}: {found} {expected} (allowed {allowed:e})",
            record["id"]
        );
    }
}

fn mixture(gmm: &Value) -> Mixture {
    let weights = numbers(&gmm["weights"]);
    let means = gmm["means"]
        .as_array()
        .expect("means")
        .iter()
        .map(|m| match m {
            Value::Array(_) => numbers(m),
            _ => vec![m.as_f64().expect("a number")],
        })
        .collect();
    let covariances = match gmm.get("variances") {
        Some(variances) => numbers(variances)
            .into_iter()
            .map(Covariance::Isotropic)
            .collect(),
        None => gmm["covariances"]
            .as_array()
            .expect("covariances")
            .iter()
            .map(|c| Covariance::Full(c.as_array().expect("rows").iter().map(numbers).collect()))
            .collect(),
    };
    Mixture {
        weights,
        means,
        covariances,
    }
}

fn noising(params: &Value, dimension: usize) -> Noising {
    let forward = &params["forward"];
    match forward["schedule"].as_str().expect("a name") {
        "ou" => {
            let schedule = Schedule::OrnsteinUhlenbeck {
                rate: number(forward, "theta"),
                sigma: number(forward, "g"),
            };
            Noising::isotropic(schedule, dimension, 0.0, number(params, "T"))
        }
        "vp" => {
            let (lo, hi, end) = (
                number(forward, "b0"),
                number(forward, "b1"),
                number(forward, "T"),
            );
            let beta = TimeFunction::Linear {
                lo,
                slope: (hi - lo) / end,
            };
            Noising::isotropic(Schedule::VariancePreserving(beta), dimension, 0.0, end)
        }
        other => panic!("unknown schedule {other}"),
    }
}

fn law(data: Mixture, noising: &Noising) -> NoisedMixture {
    NoisedMixture::new(data, noising.transition().expect("affine").clone(), 0.0)
}

/// `∂_t log p` from the Fokker–Planck equation divided by p, isotropic noise.
fn log_density_rate(noising: &Noising, law: &NoisedMixture, t: f64, x: &[f64]) -> f64 {
    let d = x.len();
    let (_, score, hessian) = law.at(t).derivatives(x);
    let point = BatchRef::new(x, 1, d, 1);
    let mut drift = onsager::numeric::batch::Batch::zeros(1, d);
    noising.drift(t, point, drift.as_mut());
    let mut divergence = [0.0];
    noising.drift_divergence(t, point, &mut divergence);
    let diffusivity = noising.noise(t).diffusivity(d);
    let advection: f64 = drift
        .row(0)
        .iter()
        .zip(score.iter())
        .map(|(f, s)| f * s)
        .sum();
    -divergence[0] - advection
        + 0.5 * ((&diffusivity * &hessian).trace() + (&diffusivity * &score).dot(&score))
}

#[test]
fn value_control_and_reverse_drift_of_a_mixture() {
    for id in [
        "s01.hjb.y+0.7.tau0.4",
        "s01.hjb.y-1.2.tau1.2",
        "s01.hjb.y+0.tau1.45",
    ] {
        let record = record(id);
        let params = &record["params"];
        let noising = noising(params, 1);
        let law = law(mixture(&params["gmm"]), &noising);
        let t = number(params, "T") - number(params, "tau");
        let y = number(params, "y");
        let (log, score, _) = law.at(t).derivatives(&[y]);
        let forward = &params["forward"];
        let control = number(forward, "g") * score[0];
        let drift = number(forward, "theta") * y + number(forward, "g") * control;
        let rate = log_density_rate(&noising, &law, t, &[y]);
        // dV/dtau = d(log p)/dt
        compare(&record, &[-log, control, drift, rate], 4e-15);
    }
}

#[test]
fn derivatives_of_a_full_covariance_mixture() {
    for id in [
        "s01.gmm2d.x+0.3,-0.2.t0.05",
        "s01.gmm2d.x-0.8,+0.9.t0.2",
        "s01.gmm2d.x+1.1,+0.4.t0.5",
    ] {
        let record = record(id);
        let params = &record["params"];
        let noising = noising(params, 2);
        let law = law(mixture(&params["gmm"]), &noising);
        let (x, t) = (numbers(&params["x"]), number(params, "t"));
        let (log, score, hessian) = law.at(t).derivatives(&x);
        let found = [
            log,
            score[0],
            score[1],
            hessian[(0, 0)],
            hessian[(0, 1)],
            hessian[(1, 1)],
            log_density_rate(&noising, &law, t, &x),
        ];
        compare(&record, &found, 1e-14);
    }
}

/// The reverse process under `u = −k (y − c)`: `dY = (a Y + b) dτ + g dB`, `a = θ − g k`, `b = g k c`.
struct AffineControl {
    theta: f64,
    g: f64,
    k: f64,
    c: f64,
    end: f64,
}

impl AffineControl {
    fn new(params: &Value) -> Self {
        Self {
            theta: number(&params["forward"], "theta"),
            g: number(&params["forward"], "g"),
            k: number(params, "k"),
            c: number(params, "c"),
            end: number(params, "T"),
        }
    }

    /// Mean and variance of `Y_τ` started in N(mean, var).
    fn law(&self, mean: f64, var: f64, tau: f64) -> (f64, f64) {
        let (a, b) = (self.theta - self.g * self.k, self.g * self.k * self.c);
        let growth = (a * tau).exp();
        let variance =
            growth * growth * var + self.g * self.g * (2.0 * a * tau).exp_m1() / (2.0 * a);
        (growth * mean + b * (a * tau).exp_m1() / a, variance)
    }

    fn control(&self, y: f64) -> f64 {
        -self.k * (y - self.c)
    }

    /// `E[ ∫ (½u² + ∇·f) dτ − log p_0(Y_T) ]`
    fn cost(&self, data: &NoisedMixture, mean: f64, var: f64) -> f64 {
        let running = integral(self.end, |tau| {
            let (m, v) = self.law(mean, var, tau);
            0.5 * self.k * self.k * ((m - self.c).powi(2) + v) - self.theta
        });
        let (m, v) = self.law(mean, var, self.end);
        running - gaussian_mean(m, v, |y| data.at(0.0).derivatives(&[y]).0)
    }

    /// `½ E ∫ |u − u*|² dτ` under the controlled process.
    fn gap(&self, data: &NoisedMixture, mean: f64, var: f64) -> f64 {
        integral(self.end, |tau| {
            let at = data.at(self.end - tau);
            let difference = |y: f64| {
                let optimal = self.g * at.derivatives(&[y]).1[0];
                0.5 * (self.control(y) - optimal).powi(2)
            };
            let (m, v) = self.law(mean, var, tau);
            if v > 0.0 {
                gaussian_mean(m, v, difference)
            } else {
                difference(m)
            }
        })
    }
}

/// `∫_0^T` by 12 panels of 16 Gauss nodes.
fn integral(end: f64, f: impl Fn(f64) -> f64) -> f64 {
    const PANELS: usize = 12;
    let rule = GaussLegendre::new(const { NonZeroUsize::new(16).unwrap() });
    (0..PANELS)
        .map(|n| {
            let width = end / PANELS as f64;
            rule.integrate(n as f64 * width, (n + 1) as f64 * width, &f)
        })
        .sum()
}

/// Expectation under one Gaussian: 96 panels of 16 Gauss nodes over ten standard deviations.
fn gaussian_mean(mean: f64, variance: f64, f: impl Fn(f64) -> f64) -> f64 {
    const PANELS: usize = 96;
    let rule = GaussLegendre::new(const { NonZeroUsize::new(16).unwrap() });
    let spread = variance.sqrt();
    let width = 20.0 / PANELS as f64;
    (0..PANELS)
        .map(|n| {
            let left = -10.0 + n as f64 * width;
            rule.integrate(left, left + width, |z| {
                (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt() * f(mean + spread * z)
            })
        })
        .sum()
}

fn mixture_mean(law: &Mixture, f: impl Fn(f64) -> f64) -> f64 {
    (0..law.components())
        .map(|k| {
            law.weights[k] * gaussian_mean(law.means[k][0], law.covariances[k].entry(0, 0), &f)
        })
        .sum()
}

fn gaussian_log(x: f64, mean: f64, variance: f64) -> f64 {
    -0.5 * ((std::f64::consts::TAU * variance).ln() + (x - mean).powi(2) / variance)
}

fn gaussian_entropy(variance: f64) -> f64 {
    0.5 * (std::f64::consts::TAU * std::f64::consts::E * variance).ln()
}

/// The gap both ways: J − V from the costs, and ½E∫|u − u*|² by an independent double integral.
#[test]
fn gap_of_an_affine_control_from_a_fixed_start() {
    for id in ["s01.klgap.a", "s01.klgap.b"] {
        let record = record(id);
        let params = &record["params"];
        let control = AffineControl::new(params);
        let data = law(mixture(&params["gmm"]), &noising(params, 1));
        let start = number(params, "y0");
        let cost = control.cost(&data, start, 0.0);
        let value = -data.at(control.end).derivatives(&[start]).0;
        compare(&record, &[cost, value, cost - value], 1e-12);
        compare(
            &record,
            &[cost, value, control.gap(&data, start, 0.0)],
            1e-12,
        );
    }
}

#[test]
fn gap_of_an_affine_control_from_a_random_start() {
    let record = record("s01.klgap.random_start");
    let params = &record["params"];
    let control = AffineControl::new(params);
    let data = law(mixture(&params["gmm"]), &noising(params, 1));
    let (mean, var) = (number(params, "mean"), number(params, "var"));
    let end_law = data.at(control.end);
    let start_divergence = gaussian_mean(mean, var, |y| {
        gaussian_log(y, mean, var) - end_law.derivatives(&[y]).0
    });
    let (m, v) = control.law(mean, var, control.end);
    let end_divergence = gaussian_mean(m, v, |y| {
        gaussian_log(y, m, v) - data.at(0.0).derivatives(&[y]).0
    });
    let cost = control.cost(&data, mean, var);
    let gap = control.gap(&data, mean, var);
    let found = [
        cost,
        gaussian_entropy(var),
        start_divergence,
        gap,
        end_divergence,
    ];
    compare(&record, &found, 1e-12);
    // E J = H(π) + KL(π ‖ p_T) + ½E∫|u − u*|².
    assert!((cost - gaussian_entropy(var) - start_divergence - gap).abs() < 1e-12);
}

/// `E[ log π(X_T) + ∫ (∇·(f − G u) − ½u²) dt ]` for moments of X_t given as a function of t.
fn bound(control: &AffineControl, prior: (f64, f64), moments: impl Fn(f64) -> (f64, f64)) -> f64 {
    let (m, v) = moments(control.end);
    let end =
        -0.5 * ((std::f64::consts::TAU * prior.1).ln() + ((m - prior.0).powi(2) + v) / prior.1);
    end + integral(control.end, |t| {
        let (m, v) = moments(t);
        -control.theta + control.g * control.k
            - 0.5 * control.k * control.k * ((m - control.c).powi(2) + v)
    })
}

#[test]
fn evidence_bound_at_a_point() {
    for id in ["s01.elbo.x+0.5", "s01.elbo.x-2"] {
        let record = record(id);
        let params = &record["params"];
        let control = AffineControl::new(params);
        let noising = noising(params, 1);
        let (prior, x) = (
            (number(params, "mean"), number(params, "var")),
            number(params, "x"),
        );
        let moments = |t: f64| {
            let kernel = noising.kernel(t).expect("affine");
            (kernel.mean(&[x])[0], kernel.covariance.entry(0, 0))
        };
        let elbo = bound(&control, prior, moments);
        let (m, v) = control.law(prior.0, prior.1, control.end);
        let log_density = gaussian_log(x, m, v);
        compare(&record, &[elbo, log_density, log_density - elbo], 1e-13);
        // The gap as ½E∫|u − G ∇log ρ|², ρ(·, t) the law of Y_{T−t}.
        let gap = integral(control.end, |t| {
            let (m, v) = control.law(prior.0, prior.1, control.end - t);
            let (mean, variance) = moments(t);
            let difference = |y: f64| 0.5 * (control.control(y) + control.g * (y - m) / v).powi(2);
            if variance > 0.0 {
                gaussian_mean(mean, variance, difference)
            } else {
                difference(mean)
            }
        });
        compare(&record, &[elbo, log_density, gap], 1e-12);
    }
}

#[test]
fn evidence_bound_over_the_data() {
    let record = record("s01.elbo.mean");
    let params = &record["params"];
    let control = AffineControl::new(params);
    let noising = noising(params, 1);
    let data = law(mixture(&params["gmm"]), &noising);
    let prior = (number(params, "mean"), number(params, "var"));
    let moments = |t: f64| {
        let law = data.mixture_at(t);
        (law.mean()[0], law.covariance()[0][0])
    };
    let elbo = bound(&control, prior, moments);
    let start = data.at(0.0);
    let entropy = -mixture_mean(data.mixture(), |x| start.derivatives(&[x]).0);
    let end = data.at(control.end);
    let end_divergence = mixture_mean(&data.mixture_at(control.end), |x| {
        end.derivatives(&[x]).0 - gaussian_log(x, prior.0, prior.1)
    });
    let path = integral(control.end, |t| {
        let at = data.at(t);
        mixture_mean(&data.mixture_at(t), |x| {
            let optimal = control.g * at.derivatives(&[x]).1[0];
            0.5 * (control.control(x) - optimal).powi(2)
        })
    });
    compare(&record, &[elbo, entropy, end_divergence, path], 1e-12);
    assert!((elbo + entropy + end_divergence + path).abs() < 1e-12);
}

/// State-dependent noise, symbolically: `V = −log p`, `u* = G ∂ log p`, reverse drift `−f + D' + G u*`, running
/// cost `f' − ½ D''`, all by differentiation of expressions.
#[test]
fn geometric_brownian_motion() {
    for id in ["s01.gbm.y1.4.tau0.25", "s01.gbm.y0.6.tau0.8"] {
        let record = record(id);
        let params = &record["params"];
        let (a, sigma) = (number(params, "a"), number(params, "sigma"));
        let t = number(params, "T") - number(params, "tau");
        let mean = number(params, "lognormal_mu") + (a - 0.5 * sigma * sigma) * t;
        let variance = number(params, "lognormal_var") + sigma * sigma * t;
        let mut graph = Graph::new();
        let x = graph.symbol("x");
        let [a, sigma, m, v, tau] =
            [a, sigma, mean, variance, std::f64::consts::TAU].map(|n| graph.number(n));
        let half = graph.rational(1, 2);
        let f = graph.mul(&[a, x]);
        let noise = graph.mul(&[sigma, x]);
        let diffusivity = graph.powi(noise, 2);
        // V = log x + (log x − m)²/(2v) + ½ log(2πv)
        let log = graph.log(x);
        let offset = graph.sub(log, m);
        let square = graph.powi(offset, 2);
        let quotient = graph.div(square, v);
        let quadratic = graph.mul(&[half, quotient]);
        let volume = graph.mul(&[tau, v]);
        let volume = graph.log(volume);
        let normalisation = graph.mul(&[half, volume]);
        let value = graph.add(&[log, quadratic, normalisation]);
        let slope = graph.derivative(value, x);
        let control = graph.mul(&[noise, slope]);
        let control = graph.neg(control);
        let spread = graph.derivative(diffusivity, x);
        let kick = graph.mul(&[noise, control]);
        let back = graph.neg(f);
        let drift = graph.add(&[back, spread, kick]);
        let curvature = graph.derivative(spread, x);
        let curvature = graph.mul(&[half, curvature]);
        let growth = graph.derivative(f, x);
        let running = graph.sub(growth, curvature);
        let found = graph
            .evaluate_all(
                &[value, control, drift, running],
                &[(x, number(params, "y"))],
            )
            .expect("every symbol has a value");
        compare(&record, &found, 4e-15);
    }
}

#[test]
fn path_weights_for_every_evaluation_point() {
    let record = record("s01.alpha_action");
    let params = &record["params"];
    let path: Vec<DVector<f64>> = numbers(&params["path"])
        .into_iter()
        .map(|x| DVector::from_element(1, x))
        .collect();
    let dt = number(params, "dt");
    let times: Vec<f64> = (0..path.len()).map(|k| k as f64 * dt).collect();
    let (sigma, kappa) = (number(params, "sigma"), number(params, "kappa"));
    let (theta, cubic) = (number(params, "theta"), number(params, "c3"));
    let coefficients = |_: f64, x: &DVector<f64>| {
        let y = x[0];
        LocalCoefficients {
            drift: DVector::from_element(1, theta * y - cubic * y.powi(3)),
            diffusivity: DMatrix::from_element(1, 1, sigma * sigma * (1.0 + kappa * y * y)),
            diffusivity_divergence: DVector::from_element(1, 2.0 * sigma * sigma * kappa * y),
            drift_divergence: theta - 3.0 * cubic * y * y,
            double_divergence: 2.0 * sigma * sigma * kappa,
        }
    };
    let found: Vec<f64> = numbers(&params["alphas"])
        .into_iter()
        .map(|alpha| log_path_weight(alpha, &times, &path, coefficients).expect("regular noise"))
        .collect();
    compare(&record, &found, 4e-15);
}

/// Nothing is left out.
#[test]
fn every_record_is_a_test() {
    let tested = [
        "s01.hjb",
        "s01.gmm2d",
        "s01.klgap",
        "s01.elbo",
        "s01.gbm",
        "s01.alpha_action",
    ];
    for record in records() {
        let id = record["id"].as_str().expect("an id");
        assert!(tested.iter().any(|t| id.starts_with(t)), "{id}");
    }
}
