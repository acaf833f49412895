//! Linear Gaussian, mixture and point-mass laws against reference numbers made with other software
//! (`tests/reference/section05.json`: closed forms in higher precision, and one ODE integration). Every
//! record of the file is a test here.

use nalgebra::{DMatrix, DVector};
use onsager::discretization::noising::{Noising, Transition};
use onsager::discretization::reverse_step::{NoisedMoments, ReverseStep};
use onsager::discretization::schedule::{Schedule, TimeFunction};
use onsager::discretization::time_grid::TimeGrid;
use onsager::field::noised_mixture::{MixtureAt, NoisedMixture};
use onsager::numeric::batch::Batch;
use onsager::numeric::dense::{linear_transition, stationary_covariance};
use onsager::numeric::estimate::Estimate;
use onsager::numeric::random::Streams;
use onsager::problem::meant::law::{Covariance, Mixture};
use onsager::problem::meant::model::{Integrator, Spacing};
use onsager::solvers::walk::reverse_sampling::Walk;
use serde_json::Value;

struct Record {
    id: String,
    params: Value,
    /// All numbers of the value, nested arrays laid end to end.
    value: Vec<f64>,
    /// What the reference claims for its own error.
    error: f64,
}

/// The records whose id starts with `s05.` and the prefix; at least one.
fn records(prefix: &str) -> Vec<Record> {
    let text = include_str!("../reference/section05.json");
    let file: Value = serde_json::from_str(text).expect("the reference file is JSON");
    let found: Vec<Record> = file["records"]
        .as_array()
        .expect("a list of records")
        .iter()
        .map(|record| Record {
            id: record["id"].as_str().expect("an id").to_owned(),
            params: record["params"].clone(),
            value: numbers(&record["value"]),
            error: number(&record["abs_error_estimate"]),
        })
        .filter(|record| record.id.starts_with(&format!("s05.{prefix}")))
        .collect();
    assert!(!found.is_empty(), "the reference file has {prefix}");
    found
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(entries) => entries.iter().flat_map(numbers).collect(),
        other => vec![number(other)],
    }
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value
        .as_array()
        .expect("rows")
        .iter()
        .map(numbers)
        .collect()
}

fn matrix(value: &Value) -> DMatrix<f64> {
    let rows = rows(value);
    DMatrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])
}

/// Every entry agrees within what the reference claims, a relative rounding and a floor of `extra`.
fn agree(record: &Record, got: &[f64], extra: f64) {
    assert_eq!(got.len(), record.value.len(), "{}", record.id);
    for (index, (got, exact)) in got.iter().zip(&record.value).enumerate() {
        let allowed = record.error + extra + 1e-12 * exact.abs();
        let error = (got - exact).abs();
        assert!(
            error <= allowed,
            "{}[{index}]: {got} against {exact}",
            record.id
        );
    }
}

/// Noising whose transition over unit time is `N(alpha x, variance I)`.
fn unit_time(alpha: f64, variance: f64, dimension: usize) -> Transition {
    let schedule = if alpha == 1.0 {
        Schedule::Brownian {
            sigma: variance.sqrt(),
        }
    } else {
        let rate = -alpha.ln();
        let sigma = (2.0 * rate * variance / (1.0 - alpha * alpha)).sqrt();
        Schedule::OrnsteinUhlenbeck { rate, sigma }
    };
    Transition::Isotropic {
        schedule,
        centre: vec![0.0; dimension],
    }
}

fn point_masses(points: Vec<Vec<f64>>) -> Mixture {
    Mixture {
        weights: vec![1.0 / points.len() as f64; points.len()],
        covariances: vec![Covariance::Isotropic(0.0); points.len()],
        means: points,
    }
}

/// Log density, score and divergence at one point, through the batched sweep.
fn sweep(at: &MixtureAt, x: &[f64]) -> (f64, Vec<f64>, f64) {
    let points = Batch::from_rows(x.len(), &[x]);
    let (mut log, mut divergence) = ([0.0], [0.0]);
    let mut score = Batch::zeros(1, x.len());
    at.all(points.as_ref(), &mut log, score.as_mut(), &mut divergence);
    (log[0], score.row(0), divergence[0])
}

fn log_responsibilities(at: &MixtureAt, x: &[f64]) -> Vec<f64> {
    let mut out = Batch::zeros(1, at.count());
    at.log_responsibilities(Batch::from_rows(x.len(), &[x]).as_ref(), out.as_mut());
    out.row(0)
}

#[test]
fn transition_kernels_of_the_schedules() {
    for record in records("kernel") {
        let forward = &record.params["forward"];
        let get = |name: &str| number(&forward[name]);
        let beta = || TimeFunction::Linear {
            lo: get("b0"),
            slope: (get("b1") - get("b0")) / get("T"),
        };
        let schedule = match forward["schedule"].as_str() {
            Some("vp") => Schedule::VariancePreserving(beta()),
            Some("subvp") => Schedule::SubVariancePreserving(beta()),
            Some("ve") => Schedule::VarianceExploding {
                minimum: get("smin"),
                maximum: get("smax"),
                end: get("T"),
            },
            Some("ou") => Schedule::OrnsteinUhlenbeck {
                rate: get("theta"),
                sigma: get("g"),
            },
            other => panic!("unknown schedule {other:?}"),
        };
        let t = number(&record.params["t"]);
        let got = [
            schedule.mean_factor(0.0, t),
            schedule.noise_variance(0.0, t),
            schedule.diffusivity(t),
            schedule.decay_rate(t),
            schedule.log_snr(t),
        ];
        agree(&record, &got, 1e-15);
    }
}

#[test]
fn linear_stochastic_differential_equation() {
    for record in records("linsde") {
        let (a, g) = (matrix(&record.params["A"]), matrix(&record.params["G"]));
        let c = DVector::from_vec(numbers(&record.params["c"]));
        let x0 = DVector::from_vec(numbers(&record.params["x0"]));
        let t = number(&record.params["t"]);
        let d = &g * g.transpose();
        let law = linear_transition(&a, &c, &d, t);
        let rest = stationary_covariance(&a, &d).expect("the drift is stable");
        let mean = &law.map * &x0 + &law.shift;
        let flat = |m: &DMatrix<f64>| m.transpose().iter().copied().collect::<Vec<f64>>();
        let got = [mean.as_slice().to_vec(), flat(&law.covariance), flat(&rest)].concat();
        agree(&record, &got, 0.0);

        let transition = Transition::Linear {
            matrix: a,
            shift: c,
            diffusivity: d,
        };
        let kernel = transition.between(0.4, 0.4 + t);
        let mut got = kernel.mean(x0.as_slice());
        got.extend((0..9).map(|k| kernel.covariance.entry(k / 3, k % 3)));
        got.extend(flat(&rest));
        agree(&record, &got, 0.0);
    }
}

#[test]
fn noised_mixture_with_full_covariances() {
    for record in records("gmm3") {
        let gmm = &record.params["gmm"];
        let covariances = gmm["covariances"].as_array().expect("a list");
        let mixture = Mixture {
            weights: numbers(&gmm["weights"]),
            means: rows(&gmm["means"]),
            covariances: covariances
                .iter()
                .map(|c| Covariance::Full(rows(c)))
                .collect(),
        };
        let alpha = number(&record.params["alpha"]);
        let variance = number(&record.params["sigma2"]);
        let x = numbers(&record.params["x"]);
        let at = NoisedMixture::new(mixture, unit_time(alpha, variance, 3), 0.0).at(1.0);
        let (log, score, divergence) = sweep(&at, &x);
        // Tweedie: E[x0 | x] = (x + σ² s)/α, Cov[x0 | x] = (σ² I + σ⁴ ∇s)/α².
        let posterior_mean = x
            .iter()
            .zip(&score)
            .map(|(x, s)| (x + variance * s) / alpha);
        let mut got = vec![log];
        got.extend(&score);
        got.push(divergence);
        got.extend(posterior_mean);
        got.push((3.0 * variance + variance * variance * divergence) / (alpha * alpha));
        got.extend(log_responsibilities(&at, &x).iter().map(|log| log.exp()));
        agree(&record, &got, 0.0);

        let (log, score, hessian) = at.derivatives(&x);
        got[0] = log;
        got[1..4].copy_from_slice(score.as_slice());
        got[4] = hessian.trace();
        agree(&record, &got, 0.0);
    }
}

#[test]
fn far_tails_where_plain_exponentials_vanish() {
    for record in records("extreme") {
        let gmm = &record.params["gmm"];
        let mixture = Mixture {
            weights: numbers(&gmm["weights"]),
            means: numbers(&gmm["means"])
                .into_iter()
                .map(|m| vec![m])
                .collect(),
            covariances: numbers(&gmm["variances"])
                .into_iter()
                .map(Covariance::Isotropic)
                .collect(),
        };
        let x = number(&record.params["x"]);
        let at = MixtureAt::new(&mixture);
        let (log, score, divergence) = sweep(&at, &[x]);
        let smallest = log_responsibilities(&at, &[x])[0];
        // The swept divergence is a difference of squares of the score.
        let rounding = 4.0 * f64::EPSILON * score[0] * score[0];
        agree(&record, &[log, score[0], divergence, smallest], rounding);
        let (log, score, hessian) = at.derivatives(&[x]);
        agree(&record, &[log, score[0], hessian[(0, 0)], smallest], 0.0);
    }
}

#[test]
fn point_masses_noised() {
    for record in records("empirical") {
        let data = rows(&record.params["data"]);
        let alpha = number(&record.params["alpha"]);
        let variance = number(&record.params["sigma2"]);
        let x = numbers(&record.params["x"]);
        let at = NoisedMixture::new(point_masses(data), unit_time(alpha, variance, 2), 0.0).at(1.0);
        let (log, score, hessian) = at.derivatives(&x);
        let logs = log_responsibilities(&at, &x);
        let weights: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
        let effective = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
        let entropy: f64 = logs.iter().zip(&weights).map(|(log, w)| -log * w).sum();
        let trace = hessian.trace();
        let spread = (2.0 * variance + variance * variance * trace) / (alpha * alpha);
        let mut got = vec![log];
        got.extend(score.iter());
        got.push(trace);
        got.extend(&weights);
        got.extend([effective, entropy, spread]);
        agree(&record, &got, 1e-15);

        let (log, score, divergence) = sweep(&at, &x);
        let size = score.iter().map(|s| s * s).sum::<f64>();
        got[0] = log;
        got[1..3].copy_from_slice(&score);
        got[3] = divergence;
        agree(&record, &got, 1e-15 + 4.0 * f64::EPSILON * size);
    }
}

#[test]
fn probability_flow_collapses_onto_the_right_point() {
    for record in records("collapse") {
        let data = rows(&record.params["data"]);
        let last = number(&record.params["sigma_end"]);
        let first = number(&record.params["sigma_start"]);
        // dx/d log σ = −σ² s, classical Runge–Kutta; the error is far below 1e-10 at this step.
        let slope = |log_sigma: f64, x: &[f64]| -> Vec<f64> {
            let variance = (2.0 * log_sigma).exp();
            let mut law = point_masses(data.clone());
            law.covariances.fill(Covariance::Isotropic(variance));
            let (_, score, _) = sweep(&MixtureAt::new(&law), x);
            score.iter().map(|s| -variance * s).collect()
        };
        let steps = 4000;
        let h = (last / first).ln() / f64::from(steps);
        let mut x = numbers(&record.params["start"]);
        let along = |x: &[f64], k: &[f64], h: f64| -> Vec<f64> {
            x.iter().zip(k).map(|(x, k)| x + h * k).collect()
        };
        for n in 0..steps {
            let at = first.ln() + h * f64::from(n);
            let k1 = slope(at, &x);
            let k2 = slope(at + 0.5 * h, &along(&x, &k1, 0.5 * h));
            let k3 = slope(at + 0.5 * h, &along(&x, &k2, 0.5 * h));
            let k4 = slope(at + h, &along(&x, &k3, h));
            for (i, x) in x.iter_mut().enumerate() {
                *x += h / 6.0 * (k1[i] + 2.0 * (k2[i] + k3[i]) + k4[i]);
            }
        }
        let distance = |y: &[f64]| (y[0] - x[0]).hypot(y[1] - x[1]);
        let reached = (0..data.len())
            .min_by(|a, b| distance(&data[*a]).total_cmp(&distance(&data[*b])))
            .expect("data");
        // The last entry is a distance divided by σ: its error is 1e-9 divided by 1e-4.
        let got = [reached as f64, x[0], x[1], distance(&data[reached]) / last];
        let position = Record {
            value: record.value[..3].to_vec(),
            ..record
        };
        agree(&position, &got[..3], 0.0);
        let error = (got[3] - record.value[3]).abs();
        assert!(error < record.error / last, "{error:e}");
    }
}

#[test]
fn landing_probabilities_are_the_responsibilities_at_the_start() {
    for record in records("landing") {
        let sigma = number(&record.params["sigma_start"]);
        let law = point_masses(rows(&record.params["data"]));
        let at = NoisedMixture::new(law, unit_time(1.0, sigma * sigma, 2), 0.0).at(1.0);
        let logs = log_responsibilities(&at, &numbers(&record.params["start"]));
        let got: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
        agree(&record, &got, 0.0);
    }
}

/// The schedule, from the record of a process that starts at one point.
fn start_point_schedule(record: &Record) -> Schedule {
    let get = |name: &str| number(&record.params[name]);
    match get("theta") {
        0.0 => Schedule::Brownian { sigma: get("g") },
        theta => Schedule::OrnsteinUhlenbeck {
            rate: theta,
            sigma: get("g"),
        },
    }
}

/// The denoiser of a process that starts at one point is that point, so one step is exact.
#[test]
fn one_reverse_step_from_one_point_is_a_bridge() {
    for record in records("bridge") {
        let get = |name: &str| number(&record.params[name]);
        let schedule = start_point_schedule(&record);
        let at = |t: f64| NoisedMoments::at(&schedule, 0.0, t);
        let (late, early) = (at(get("T")), at(get("T") - get("tau")));
        let step = ReverseStep::between(late, early, get("h"));
        agree(
            &record,
            &[step.mean(get("x0"), get("y")), step.variance],
            0.0,
        );
    }
}

#[test]
fn ancestral_steps_of_a_discrete_schedule() {
    for record in records("ddpm") {
        let get = |name: &str| number(&record.params[name]);
        let (steps, k) = (get("N") as usize, get("k") as usize);
        let beta = |n: usize| get("b0") + (get("b1") - get("b0")) * n as f64 / (steps - 1) as f64;
        let after = |k: usize| NoisedMoments::after_steps((0..k).map(beta));
        let step = ReverseStep::between(after(k), after(k - 1), 1.0);
        let kept = after(k).mean_factor.powi(2);
        agree(
            &record,
            &[kept, step.denoised, step.state, step.variance],
            0.0,
        );
    }
}

#[test]
fn one_step_with_a_frozen_denoiser() {
    for record in records("exact_step") {
        let get = |name: &str| number(&record.params[name]);
        let moments = |alpha: &str, variance: &str| NoisedMoments {
            mean_factor: get(alpha),
            noise_variance: get(variance),
        };
        let (late, early) = (moments("alpha1", "s2_1"), moments("alpha0", "s2_0"));
        let got: Vec<f64> = numbers(&record.params["h"])
            .into_iter()
            .flat_map(|h| {
                let step = ReverseStep::between(late, early, h);
                [step.mean(get("x0hat"), get("x")), step.variance]
            })
            .collect();
        agree(&record, &got, 0.0);
    }
}

/// Nothing is left out: every record belongs to a group with a test above.
#[test]
fn every_record_is_a_test() {
    let tested = [
        "kernel",
        "linsde",
        "gmm3",
        "extreme",
        "empirical",
        "collapse",
        "landing",
        "bridge",
        "ddpm",
        "exact_step",
    ];
    for record in records("") {
        let group = tested
            .iter()
            .any(|group| record.id.starts_with(&format!("s05.{group}")));
        assert!(group, "{} has no test", record.id);
    }
}

// Seed 55, 40000 paths: mean and variance within five standard errors, false alarm 6e-7 each, plus the
// bias of 400 Heun steps (second order, below 1e-4 here; the deterministic record tests it alone).
#[test]
fn reverse_simulation_from_one_point_is_a_bridge() {
    for record in records("bridge") {
        let get = |name: &str| number(&record.params[name]);
        let (end, h) = (get("T"), get("h"));
        let schedule = start_point_schedule(&record);
        let noising = Noising::isotropic(schedule, 1, 0.0, end);
        let transition = noising.transition().expect("linear noising").clone();
        let score = NoisedMixture::new(point_masses(vec![vec![get("x0")]]), transition, 0.0);
        let grid = TimeGrid::new(&noising, end - get("tau"), 400, Spacing::Uniform);
        let paths = 40_000;
        let start = Batch::from_columns(paths, 1, vec![get("y"); paths]);
        let walk = Walk {
            noising: &noising,
            score: &score,
            grid: &grid,
            noise_level: h,
            integrator: Integrator::Heun,
            stream: &Streams::new(55).role("bridge"),
            block: 1024,
        };
        let reached = walk.run(start.as_ref());
        let mean = Estimate::from_samples(reached.column(0));
        let squares: Vec<f64> = reached
            .column(0)
            .iter()
            .map(|x| (x - mean.value).powi(2))
            .collect();
        let variance = Estimate::from_samples(&squares);
        for (got, exact) in [mean, variance].iter().zip(&record.value) {
            let error = (got.value - exact).abs();
            let allowed = 5.0 * got.error + 1e-4;
            assert!(
                error < allowed,
                "{}: {} against {exact}",
                record.id,
                got.value
            );
        }
    }
}
