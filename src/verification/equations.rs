//! Identities of the equations: HJB, of log densities and of values, and Hopf–Cole.

use crate::field::{Field, LogDensity};
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::pairwise_sum;
use crate::numeric::digits::significant;
use crate::problem::meant::kind::{CONTROL, CONTROLLED};
use crate::solvers::driver::Solution;
use crate::solvers::lowered::answer::AVERAGE_COST;
use crate::solvers::lowered::edges::{Edges, end_paths};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::start_law::start_nodes;
use crate::verification::bench::Bench;
use crate::verification::differences::{
    Stencil, Unknown, check_points, local_length, nan_max, noise_columns, norm, refined,
    relative_rms,
};
use crate::verification::identity::{Check, Finding, Identity, Measure, Measured, Settings, card};
use crate::verification::subject::{Claims, Scope, Subject};
use crate::verification::verdict::Residual;

/// Rms difference allowed between log densities of two routes.
const ROUTES: f64 = 1e-2;

/// Longest step of a difference in time, as a share of the horizon.
const TIME_STEP: f64 = 0.01;
/// Times that it is made four times shorter.
const SHORTER: usize = 4;
/// Step of a difference in a state, as a share of the spread of the points.
const STATE_STEP: f64 = 0.05;
/// The least spread, where all points coincide.
const LEAST_SPREAD: f64 = 0.1;

/// Central differences of fourth order: offsets with weights of the first and the second derivative.
const STENCIL: [(f64, f64, f64); 4] = [
    (-2.0, 1.0 / 12.0, -1.0 / 12.0),
    (-1.0, -8.0 / 12.0, 16.0 / 12.0),
    (1.0, 8.0 / 12.0, 16.0 / 12.0),
    (2.0, -1.0 / 12.0, -1.0 / 12.0),
];
/// How many steps differences reach.
const REACH: f64 = 2.0;
const CENTRE: f64 = -30.0 / 12.0;

/// The terms of the Fokker–Planck equation divided by p, by differences of one unknown.
struct Terms {
    /// `∂_t`
    rate: Vec<f64>,
    /// `f·∇`
    advection: Vec<f64>,
    /// `|Gᵀ∇|²` of the unknown
    square: Vec<f64>,
    /// `D : ∇∇` of the unknown
    curvature: Vec<f64>,
    /// `∇·f`
    divergence: Vec<f64>,
}

impl Terms {
    fn new(
        subject: &Subject<'_>,
        density: &(dyn LogDensity + Send),
        unknown: Unknown,
        t: f64,
        x: BatchRef<'_>,
        relative_step: f64,
    ) -> Self {
        let noising = subject.lowered.noising();
        let (points, d) = (x.points(), x.columns());
        let stencil = Stencil::new(density, t, x);
        let length = local_length(subject.score, t, x);
        let step = relative_step * length;
        let columns = noise_columns(&noising.noise(t), d);
        let diffusivity: f64 = columns.iter().flatten().map(|g| g * g).sum::<f64>() / d as f64;
        // The density changes over the time in which diffusion crosses the local length.
        let time_scale = (length * length / diffusivity)
            .min(t - noising.start())
            .min(noising.end() - t);
        let mut drift = Batch::zeros(points, d);
        noising.drift(t, x, drift.as_mut());
        let speeds: Vec<f64> = (0..points)
            .map(|i| drift.row(i).iter().map(|f| f * f).sum::<f64>().sqrt())
            .collect();
        let sizes: Vec<f64> = columns.iter().map(|c| norm(c)).collect();
        // The columns of G, then the drift; directions of length zero stay put.
        let unit = |value: f64, size: f64| if size > 0.0 { value / size } else { 0.0 };
        let derivatives = stencil.along(unknown, step, columns.len() + 1, |k, i, j| match columns
            .get(k)
        {
            Some(column) => unit(column[j], sizes[k]),
            None => unit(drift.get(i, j), speeds[i]),
        });
        let (mut square, mut curvature) = (vec![0.0; points], vec![0.0; points]);
        for (size, [first, second]) in sizes.iter().zip(&derivatives) {
            for i in 0..points {
                square[i] += (size * first[i]).powi(2);
                curvature[i] += size * size * second[i];
            }
        }
        let [along_drift, _] = &derivatives[columns.len()];
        let advection = along_drift
            .iter()
            .zip(&speeds)
            .map(|(a, v)| a * v)
            .collect();
        let mut divergence = vec![0.0; points];
        noising.drift_divergence(t, x, &mut divergence);
        Self {
            rate: stencil.in_time(unknown, relative_step * time_scale),
            advection,
            square,
            curvature,
            divergence,
        }
    }

    /// `∂_t log p` as the HJB equation of `V = −log p` gives it, with the claimed constants:
    /// `min_u {effort |u|² + u·Gᵀ∇V}` is `−|Gᵀ∇V|² / (4 effort)`.
    fn hjb(&self, claims: &Claims, i: usize) -> [f64; 4] {
        [
            claims.diffusion * self.curvature[i],
            self.square[i] / (4.0 * claims.effort),
            -self.advection[i],
            -claims.divergence * self.divergence[i],
        ]
    }

    /// `∂_t p / p` as the linear equation gives it.
    fn linear(&self, i: usize) -> [f64; 3] {
        [
            0.5 * self.curvature[i],
            -self.advection[i],
            -self.divergence[i],
        ]
    }
}

/// The HJB equation: of `V = −log p` where answers claim a density, else of V, whatever it belongs to.
///
/// ```text
/// ∂_τ V = −½ D:∇∇V + ½ |Gᵀ∇V|² + f·∇V − ∇·f
/// ```
///
/// Executed: time and space differences of the claimed log density (order 4) against the terms of the
/// equation, at draws of `p_t`; rms residual over rms of the largest term, worst of five times.
///
/// # Source
/// Berner, Richter, Ullrich, *An optimal control perspective on diffusion-based generative
/// modeling* (2022), lemma 2.3.
pub static HJB_RESIDUAL: Check = Check {
    card: card("hjb-residual", CONTROLLED),
    identities: &[
        Identity {
            equation: "dV/dtau = -1/2 D:hess V + 1/2 |G' grad V|^2 + f.grad V - div f,  V = -log p",
            source: "Fokker-Planck equation under V = -log p; Berner, Richter, Ullrich (2022), lemma 2.3",
            measure: Measure::claim(Scope::Densities, &["eliminate-u"], hjb_residual),
        },
        Identity {
            equation: BELLMAN,
            source: BELLMAN_SOURCE,
            measure: Measure::Answer {
                needs: bellman_needs,
                residual: |bench, solution, settings| {
                    let zero_noise = solution.method == "ddp";
                    (!zero_noise).then(|| bellman(bench, solution, settings, 1e-2))?
                },
            },
        },
    ],
};

const BELLMAN: &str = "-V_t = b.grad V + 1/2 D:hess V + q - 1/2 grad V'B R^-1 B' grad V - rho V";
const BELLMAN_SOURCE: &str = "Bellman; Fleming & Soner (2006), chapter IV";

fn bellman_needs(lowered: &Lowered) -> &'static str {
    match lowered.obstructed_control() {
        Some(_) => {
            "the equation it evaluates is that of a control without bounds and with a quadratic price"
        }
        None => "no answer it is about",
    }
}

/// The same on the answer of `riccati`, which is a polynomial.
pub static RICCATI_RESIDUAL: Check = Check {
    card: card("riccati-residual", CONTROL),
    identities: &[Identity {
        equation: BELLMAN,
        source: BELLMAN_SOURCE,
        measure: Measure::Answer {
            needs: |_| "no riccati solution",
            residual: |bench, solution, settings| {
                let riccati = solution.method == "riccati";
                riccati.then(|| bellman(bench, solution, settings, 1e-6))?
            },
        },
    }],
};

fn hjb_residual(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let density = subject.density()?;
    let cost = 4 * (subject.lowered.noising().noises() + 2);
    let clouds = check_points(subject, settings, cost)?;
    let limit = settings.limit(if subject.closed_form { 1e-5 } else { 1e-2 }, 1.0);
    let residual = worst(subject, settings, &clouds, limit, |t, x, step| {
        let terms = Terms::new(subject, density, Unknown::LogDensity, t, x, step);
        move |i| {
            let right = terms.hjb(&subject.claims, i);
            let rate = terms.rate[i];
            (
                rate - right.iter().sum::<f64>(),
                largest(&right).max(rate.abs()),
            )
        }
    });
    Ok(Finding::new(
        residual,
        format!(
            "relative to the largest term, worst of {} times x {} points",
            clouds.len(),
            clouds[0].1.points()
        ),
    ))
}

/// The Hopf–Cole transform: the nonlinear equation of V and the linear one of `p = e^{−V}` are one.
///
/// ```text
/// −e^{V} ( −∇·(f p) + ½ ∇∇:(D p) )  =  −½ D:∇∇V + ½ |Gᵀ∇V|² + f·∇V − ∇·f
/// ```
///
/// Executed: the right side by differences of the log density, the left by differences of the density
/// (relative to its value at the point, in the log domain); rms difference over rms of the largest term.
/// For a solver with a log density: its density against the reference, a second route to the same p.
///
/// # Source
/// Fleming, *Exit probabilities and optimal stochastic control* (1978).
pub static HOPF_COLE: Check = Check {
    card: card("hopf-cole", CONTROLLED),
    identities: &[
        Identity {
            equation: "exp(V) (-div(f p) + 1/2 div div (D p)) = 1/2 D:hess log p + 1/2 |G' grad log p|^2 - f.grad log p - div f",
            source: "Hopf-Cole transform p = exp(-V); Fleming (1978)",
            measure: Measure::claim(Scope::Densities, &["hopf-cole"], hopf_cole),
        },
        Identity {
            equation: "V by this method = V by another",
            source: "uniqueness of the value function",
            measure: Measure::answer(|_| "needs two methods with a value", two_routes),
        },
    ],
};

fn hopf_cole(subject: &Subject<'_>, settings: &Settings<'_>) -> Measured {
    let density = subject.density()?;
    if let Some(reference) = subject.reference_density {
        return density_agreement(subject, density, reference, settings);
    }
    let cost = 8 * (subject.lowered.noising().noises() + 2);
    let clouds = check_points(subject, settings, cost)?;
    let limit = settings.limit(if subject.closed_form { 1e-5 } else { 5e-3 }, 1.0);
    let residual = worst(subject, settings, &clouds, limit, |t, x, step| {
        let terms = |unknown| Terms::new(subject, density, unknown, t, x, step);
        let (nonlinear, linear) = (terms(Unknown::LogDensity), terms(Unknown::Density));
        move |i| {
            let left = nonlinear.hjb(&subject.claims, i);
            let right = linear.linear(i).iter().sum::<f64>();
            (left.iter().sum::<f64>() - right, largest(&left))
        }
    });
    Ok(Finding::new(
        residual,
        format!(
            "linear against nonlinear operator, worst of {} times x {} points",
            clouds.len(),
            clouds[0].1.points()
        ),
    ))
}

fn largest(terms: &[f64]) -> f64 {
    terms.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// The rms over points of residuals, over that of their scales, at the worst time: `terms` gives both at a point.
fn worst<'x, F: Fn(usize) -> (f64, f64)>(
    subject: &Subject<'_>,
    settings: &Settings<'_>,
    clouds: &'x [(f64, Batch)],
    limit: f64,
    terms: impl Fn(f64, BatchRef<'x>, f64) -> F,
) -> Residual {
    refined(
        subject.closed_form,
        limit,
        settings.spec.confidence,
        |step| {
            let at_time = |(t, x): &'x (f64, Batch)| {
                let (residuals, scales): (Vec<f64>, Vec<f64>) =
                    (0..x.points()).map(terms(*t, x.as_ref(), step)).unzip();
                relative_rms(&residuals, &scales)
            };
            clouds.iter().map(at_time).fold(0.0, nan_max)
        },
    )
}

/// Two routes to one density: rms difference of log densities at draws of `p_t`, worst of the times.
fn density_agreement(
    subject: &Subject<'_>,
    density: &(dyn LogDensity + Send),
    reference: &(dyn LogDensity + Send),
    settings: &Settings<'_>,
) -> Measured {
    let clouds = check_points(subject, settings, 2)?;
    let worst = clouds.iter().map(|(t, x)| {
        let (mut a, mut b) = (vec![0.0; x.points()], vec![0.0; x.points()]);
        density.log_density(*t, x.as_ref(), &mut a);
        reference.log_density(*t, x.as_ref(), &mut b);
        let squares: Vec<f64> = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).collect();
        (pairwise_sum(&squares) / squares.len() as f64).sqrt()
    });
    let limit = settings.limit(ROUTES, 1.0);
    Ok(Finding::new(
        Residual::deterministic(worst.fold(0.0, nan_max), 0.0, limit),
        "rms difference of log densities by two routes, worst time",
    ))
}

/// The equation at points where the optimal process goes, a quarter, a half and three quarters through.
fn bellman(
    bench: &Bench<'_>,
    solution: &Solution,
    settings: &Settings<'_>,
    relative: f64,
) -> Option<Finding> {
    if bench.lowered.obstructed_control().is_some() {
        // The minimum has another form.
        return None;
    }
    let value = solution.answer.value.as_deref()?;
    let average = solution.answer.quantity(AVERAGE_COST);
    let average = average.filter(|_| bench.lowered.averages());
    let terms = BellmanTerms {
        lowered: bench.lowered,
        value,
        average: average.map_or(0.0, |average| average.value),
    };
    let (mut residual, mut largest, mut points) = (0.0, 0.0, 0);
    for share in [0.25, 0.5, 0.75] {
        let (t, cloud) = bench.cloud(share);
        let cloud = away_from_ends(bench.lowered, &cloud);
        if cloud.points() == 0 {
            // All paths have ended, or are about to.
            continue;
        }
        let (r, l) = terms.squares(t, &cloud);
        residual += r;
        largest += l;
        points += cloud.points();
    }
    if points == 0 {
        return None;
    }
    let measured: f64 = (residual / largest).sqrt();
    Some(Finding::new(
        Residual::deterministic(measured, 0.0, settings.limit(relative, 1.0)),
        format!("rms residual over the rms of the largest term at {points} points"),
    ))
}

/// The values of two methods at the start and on the way.
fn two_routes(bench: &Bench<'_>, solution: &Solution, settings: &Settings<'_>) -> Option<Finding> {
    let other = bench.against(settings.spec, bench.best())?;
    let (known, own) = (other.answer.value.as_deref()?, &solution.answer.value);
    let own = own.as_deref().filter(|_| solution.id != other.id)?;
    let (mut difference, mut scale) = (0.0_f64, 0.0_f64);
    for share in [0.0, 0.5] {
        let (t, cloud) = bench.cloud(share);
        if cloud.points() == 0 {
            continue;
        }
        for (a, b) in at(own, t, &cloud).into_iter().zip(at(known, t, &cloud)) {
            difference = difference.max((a - b).abs());
            scale = scale.max(b.abs());
        }
    }
    // What both say of their own errors at the start.
    let errors = [other, solution].map(|one| one.answer.cost.map_or(0.0, |cost| cost.error));
    let limit = settings.limit(1e-4, scale) + settings.spec.confidence * errors[1];
    Some(Finding::new(
        Residual::deterministic(difference, errors[0], limit),
        format!(
            "largest difference of V from `{}` where |V| reaches {}",
            other.id,
            significant(scale, 3)
        ),
    ))
}

/// A value function to be put into the equation.
struct BellmanTerms<'a> {
    lowered: &'a Lowered,
    value: &'a dyn Field,
    /// Least cost per time, where that is asked for.
    average: f64,
}

impl BellmanTerms<'_> {
    /// `V_t` by differences, with the step at which they change least when it is made shorter: longer ones are too coarse
    /// for a value that changes fast, shorter ones round.
    fn rate(&self, t: f64, x: &Batch) -> Vec<f64> {
        let process = &self.lowered.compiled.steered;
        let rate_at = |dt: f64| -> Vec<f64> {
            let mut rate = vec![0.0; x.points()];
            for (offset, weight, _) in STENCIL {
                for (rate, v) in rate.iter_mut().zip(at(self.value, t + offset * dt, x)) {
                    *rate += weight * v / dt;
                }
            }
            rate
        };
        let mut dt = TIME_STEP * (process.end() - process.start());
        let mut rate = rate_at(dt);
        let (mut best, mut least) = (rate.clone(), f64::INFINITY);
        for _ in 0..SHORTER {
            dt /= 4.0;
            let finer = rate_at(dt);
            let pairs = finer.iter().zip(&rate);
            let change: f64 = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
            if change < least {
                (best, least) = (finer.clone(), change);
            }
            rate = finer;
        }
        best
    }

    /// Sums over the points of the squares of the residual and of its largest term.
    fn squares(&self, t: f64, x: &Batch) -> (f64, f64) {
        let process = &self.lowered.compiled.steered;
        let (points, d) = (x.points(), x.columns());
        let steps = state_steps(x);
        // Hundreds of batches at one time.
        let still = self.value.frozen(t);
        let value = still.as_deref().unwrap_or(self.value);
        let centre = at(value, t, x);
        let mut slope = Batch::zeros(points, d);
        let mut diffusion = vec![0.0; points];
        let noise = Noise::new(self.lowered, t, x);
        for (j, step) in steps.iter().enumerate() {
            let shifted: Vec<Vec<f64>> = STENCIL
                .iter()
                .map(|(offset, ..)| at(value, t, &moved(x, &[(j, offset * step)])))
                .collect();
            for i in 0..points {
                let mut first = 0.0;
                let mut second = CENTRE * centre[i];
                for ((_, a, b), v) in STENCIL.iter().zip(&shifted) {
                    first += a * v[i];
                    second += b * v[i];
                }
                slope.column_mut(j)[i] = first / step;
                diffusion[i] += 0.5 * noise.entry(i, j, j) * second / (step * step);
            }
        }
        for (j, k) in noise.pairs() {
            let mixed = mixed((value, t), x, (j, k), &steps);
            for i in 0..points {
                diffusion[i] += noise.entry(i, j, k) * mixed[i];
            }
        }
        let rate = self.rate(t, x);
        let mut drift = Batch::zeros(points, d);
        process.drift(t, x.as_ref(), drift.as_mut());
        let mut running = vec![0.0; points];
        process.running(t, x.as_ref(), &mut running);
        let mut control = Batch::zeros(points, process.controls());
        process.best_response(t, x.as_ref(), slope.as_ref(), control.as_mut());
        let mut saved = vec![0.0; points];
        process.effort_rate(t, x.as_ref(), control.as_ref(), &mut saved);
        let (mut residual, mut largest) = (0.0, 0.0);
        for i in 0..points {
            let carried: f64 = (0..d)
                .map(|j| drift.column(j)[i] * slope.column(j)[i])
                .sum();
            let terms = [
                rate[i],
                carried,
                diffusion[i],
                running[i],
                -saved[i],
                -process.discount() * centre[i] - self.average,
            ];
            let sum: f64 = terms.iter().sum();
            let most = terms.iter().fold(0.0_f64, |m, t| m.max(t.abs()));
            residual += sum * sum;
            largest += most * most;
        }
        (residual, largest)
    }
}

fn at(value: &dyn Field, t: f64, x: &Batch) -> Vec<f64> {
    let mut out = Batch::zeros(x.points(), 1);
    value.eval(t, x.as_ref(), out.as_mut());
    out.column(0).to_vec()
}

/// `∂_j ∂_k V` by four corners.
fn mixed(
    (value, t): (&dyn Field, f64),
    x: &Batch,
    (j, k): (usize, usize),
    steps: &[f64],
) -> Vec<f64> {
    let mut out = vec![0.0; x.points()];
    for (a, b, sign) in [
        (1.0, 1.0, 1.0),
        (1.0, -1.0, -1.0),
        (-1.0, 1.0, -1.0),
        (-1.0, -1.0, 1.0),
    ] {
        let corner = at(value, t, &moved(x, &[(j, a * steps[j]), (k, b * steps[k])]));
        for (o, v) in out.iter_mut().zip(corner) {
            *o += sign * v / (4.0 * steps[j] * steps[k]);
        }
    }
    out
}

/// `D = G G'` at every point.
struct Noise {
    matrices: Vec<nalgebra::DMatrix<f64>>,
}

impl Noise {
    fn new(lowered: &Lowered, t: f64, x: &Batch) -> Self {
        let diffusion = lowered.compiled.steered.diffusion();
        let at = |i: usize| {
            let g = diffusion.at(t, &x.as_ref().row(i));
            &g * g.transpose()
        };
        let count = if diffusion.depends_on_state() {
            x.points()
        } else {
            1
        };
        Self {
            matrices: (0..count).map(at).collect(),
        }
    }

    fn entry(&self, point: usize, j: usize, k: usize) -> f64 {
        self.matrices[point.min(self.matrices.len() - 1)][(j, k)]
    }

    /// Pairs `j < k` whose entry does not vanish everywhere.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let d = self.matrices[0].nrows();
        let mut pairs = Vec::new();
        for j in 0..d {
            for k in j + 1..d {
                if self.matrices.iter().any(|m| m[(j, k)] != 0.0) {
                    pairs.push((j, k));
                }
            }
        }
        pairs
    }
}

/// The points from which no difference reaches across an edge or event that ends paths: there is no equation beyond.
fn away_from_ends(lowered: &Lowered, x: &Batch) -> Batch {
    if !end_paths(lowered) || x.points() == 0 {
        return x.clone();
    }
    let steps = state_steps(x);
    let start = start_nodes(lowered.start());
    let around = |(j, step): (usize, &f64)| {
        // Events are looked for from the start on.
        let ends = x.column(j).iter().chain(start.points.column(j));
        let ends = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
            (v.min(a), v.max(b))
        });
        (ends.0 - REACH * step, ends.1 + REACH * step)
    };
    let given = lowered.problem.dynamics.domain.clone();
    let domain = given.unwrap_or_else(|| steps.iter().enumerate().map(around).collect());
    let edges = Edges::new(lowered, domain);
    let mut kept = vec![true; x.points()];
    for (j, step) in steps.iter().enumerate() {
        for way in [-REACH, REACH] {
            let (_, stopped) = edges.enter(moved(x, &[(j, way * step)]).as_ref());
            kept.iter_mut()
                .zip(stopped)
                .for_each(|(kept, stopped)| *kept &= !stopped);
        }
    }
    let rows = (0..x.points()).filter(|i| kept[*i]).map(|i| x.row(i));
    Batch::from_rows(x.columns(), &rows.collect::<Vec<_>>())
}

fn state_steps(x: &Batch) -> Vec<f64> {
    (0..x.columns())
        .map(|j| {
            let column = x.column(j);
            let n = column.len() as f64;
            let mean = column.iter().sum::<f64>() / n;
            let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            STATE_STEP * variance.sqrt().max(LEAST_SPREAD)
        })
        .collect()
}

fn moved(x: &Batch, by: &[(usize, f64)]) -> Batch {
    let mut out = x.clone();
    for (j, step) in by {
        out.column_mut(*j).iter_mut().for_each(|v| *v += step);
    }
    out
}
