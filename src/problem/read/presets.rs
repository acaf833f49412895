//! Presets: named noising processes, their keys, and their coefficients as symbols.

use crate::expr::{Expr, Graph};
use crate::numeric::quadrature::Rule;
use crate::problem::format::key::{Bound, Names};
use crate::problem::meant::model::{Calculus, Dynamics, Preset, Rate};
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Entry, Node, Value};
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::floats;
use std::num::NonZeroUsize;

/// Times at which a rate is tried for its sign.
const PROBES: usize = 64;

/// Dynamics of the preset named by `entry`.
pub(crate) fn preset_dynamics(
    reader: &mut Reader,
    section: &Section<'_>,
    entry: &Entry,
    horizon: (f64, f64),
    calculus: Calculus,
) -> Option<Dynamics> {
    let Value::Text(name) = &entry.node.value else {
        reader.wrong_type(section, entry, "the name of a preset");
        return None;
    };
    let known = reader.vocabulary.names(Names::Presets);
    let name = reader.named_choice(&entry.node, name, "dynamics.preset", &known)?;
    let preset = match name {
        "vp" => Preset::VariancePreserving {
            beta: read_beta(reader, section, horizon)?,
        },
        "sub-vp" => {
            let beta = read_beta(reader, section, horizon)?;
            let beta = straight(reader, beta, horizon.1);
            let time = reader.formulas.time();
            if let (Rate::Expression(rate), Some(entry)) = (&beta, section.take("beta"))
                && reader
                    .formulas
                    .graph
                    .integral_from_zero(*rate, time)
                    .is_none()
            {
                reader.push(
                    Diagnostic::error(
                        "E206",
                        entry.node.span.clone(),
                        "preset `sub-vp` needs the integral of `beta` in closed form",
                    )
                    .note(
                        "accepted: a number, [lo, hi], or a polynomial in t of degree two at most",
                    ),
                );
                return None;
            }
            Preset::SubVariancePreserving { beta }
        }
        "ve" => read_variance_exploding(reader, section)?,
        "ou" => {
            let rate = reader.number(section, "rate");
            let sigma = reader.number_or(section, "sigma", std::f64::consts::SQRT_2);
            let mean = read_point(reader, section, "mean")?;
            Preset::OrnsteinUhlenbeck { rate, sigma, mean }
        }
        "brownian" => Preset::Brownian {
            sigma: reader.number_or(section, "sigma", 1.0),
        },
        "langevin" => {
            let temperature = reader.number(section, "temperature");
            let potential = read_potential(reader, section, &[])?;
            Preset::Langevin {
                potential,
                temperature,
            }
        }
        "underdamped" => read_underdamped(reader, section, entry)?,
        _ => read_linear(reader, section)?,
    };
    if reader.formulas.state().is_empty() {
        return None;
    }
    let (drift, diffusion) = coefficients(reader, &preset, horizon);
    Some(Dynamics {
        horizon,
        preset: Some(preset),
        drift,
        diffusion,
        calculus,
        domain: None,
        boundary: Vec::new(),
    })
}

/// `potential`, which may depend on the state except for `velocities`.
fn read_potential(reader: &mut Reader, section: &Section<'_>, velocities: &[Expr]) -> Option<Expr> {
    let Some(entry) = section.take("potential") else {
        reader.missing(section, "potential", "\"(x^2 - 1)^2\"");
        return None;
    };
    reader.record_entry(section, entry);
    if reader.formulas.state().is_empty() {
        return None;
    }
    reader.remember("dynamics.potential", &entry.node);
    let potential = reader.scalar_at(&entry.node, "dynamics.potential")?;
    let graph = &reader.formulas.graph;
    let moving = velocities.iter().find(|v| graph.depends_on(potential, **v));
    if let Some(v) = moving {
        let name = graph.symbol_name(*v).unwrap_or_default().to_owned();
        reader.push(
            Diagnostic::error(
                "E206",
                entry.node.span.clone(),
                format!("`dynamics.potential` depends on the velocity `{name}`"),
            )
            .note("the first half of the state are positions, the second half their velocities"),
        );
        return None;
    }
    Some(potential)
}

fn read_underdamped(reader: &mut Reader, section: &Section<'_>, entry: &Entry) -> Option<Preset> {
    let temperature = reader.number(section, "temperature");
    let mass = reader.number(section, "mass");
    let friction = reader.number(section, "friction");
    let state = reader.formulas.state().to_vec();
    if state.len() % 2 == 1 {
        reader.push(
            Diagnostic::error(
                "E015",
                entry.node.span.clone(),
                format!(
                    "preset `underdamped` needs positions and velocities; the state has {} component{}",
                    state.len(),
                    if state.len() == 1 { "" } else { "s" }
                ),
            )
            .help("write state = \"x[q, v]\", or \"x[4]\" with two positions and their velocities"),
        );
        section.take("potential");
        return None;
    }
    let potential = read_potential(reader, section, &state[state.len() / 2..])?;
    Some(Preset::Underdamped {
        potential,
        temperature,
        mass,
        friction,
    })
}

/// `beta`: a number, `[lo, hi]` (linear over the horizon), or an expression of `t`.
fn read_beta(reader: &mut Reader, section: &Section<'_>, horizon: (f64, f64)) -> Option<Rate> {
    let Some(entry) = section.take("beta") else {
        reader.record(section, "beta", floats(&[0.1, 20.0]));
        return Some(Rate::Linear { lo: 0.1, hi: 20.0 });
    };
    reader.record_entry(section, entry);
    let node = &entry.node;
    let place = "dynamics.beta";
    let rate = match &node.value {
        Value::Array(_) => {
            let values = reader.numbers_at(node, place)?;
            let [lo, hi] = values.as_slice() else {
                reader.push(
                    Diagnostic::error(
                        "E015",
                        node.span.clone(),
                        format!("`{place}` has {} entries, not 2", values.len()),
                    )
                    .note("accepted: a number, [lo, hi], or an expression of t"),
                );
                return None;
            };
            Rate::Linear { lo: *lo, hi: *hi }
        }
        Value::Text(_) => {
            let beta = reader.scalar_at(node, place)?;
            let state = reader.formulas.state().to_vec();
            if reader.formulas.graph.depends_on_any(beta, &state) {
                reader.push(Diagnostic::error(
                    "E206",
                    node.span.clone(),
                    format!("`{place}` depends on the state; a schedule depends on t only"),
                ));
                return None;
            }
            match reader.formulas.value_of(beta) {
                Some(value) => Rate::Constant(value),
                None => Rate::Expression(beta),
            }
        }
        _ => Rate::Constant(reader.number_at(node, place)?),
    };
    check_rate(reader, node, &rate, horizon)?;
    Some(rate)
}

/// A rate whose expression is linear in time, by its values at time 0 and at the end of the horizon.
fn straight(reader: &mut Reader, rate: Rate, end: f64) -> Rate {
    let Rate::Expression(beta) = rate else {
        return rate;
    };
    let time = reader.formulas.time();
    let graph = &mut reader.formulas.graph;
    let parts = graph.affine_coefficients(beta, &[time]);
    let ends = parts.and_then(|(slope, lo)| {
        let [slope, lo] = [slope[0], lo].map(|e| graph.evaluate(e, &[]));
        Some((slope?, lo?))
    });
    match ends {
        Some((slope, lo)) => Rate::Linear {
            lo,
            hi: lo + slope * end,
        },
        None => rate,
    }
}

/// A noise rate must be finite and not negative, and positive inside the horizon.
fn check_rate(
    reader: &mut Reader,
    node: &Node,
    rate: &Rate,
    (start, end): (f64, f64),
) -> Option<()> {
    for k in 0..=PROBES {
        let fraction = k as f64 / PROBES as f64;
        let t = start + (end - start) * fraction;
        let value = match rate {
            Rate::Constant(value) => *value,
            Rate::Linear { lo, hi } => lo + (hi - lo) * fraction,
            Rate::Expression(beta) => {
                let time = reader.formulas.time();
                reader
                    .formulas
                    .graph
                    .evaluate(*beta, &[(time, t)])
                    .unwrap_or(f64::NAN)
            }
        };
        let inside = k > 0 && k < PROBES;
        if !(value.is_finite() && value >= 0.0) || (inside && value <= 0.0) {
            reader.push(
                Diagnostic::error(
                    "E013",
                    node.span.clone(),
                    format!("`dynamics.beta` is {value} at t = {t}"),
                )
                .note("a noise rate is finite, and positive inside the horizon"),
            );
            return None;
        }
    }
    if let Rate::Expression(beta) = rate {
        integrable(reader, node, *beta, (start, end))?;
    }
    Some(())
}

/// Halvings of the distance to an end of the horizon, and how many of the last must not shrink the integral between them
/// by this share for it to diverge.
const HALVINGS: i32 = 28;
const LAST: usize = 6;
const SHRINKS: f64 = 1e-4;
/// Nodes of the integral from one halving to the next.
const NODES: NonZeroUsize = NonZeroUsize::new(12).expect("not zero");

/// Refuses a rate whose integral diverges at an end of the horizon, whatever a pole becomes in doubles: `int dt/t` gains
/// as much from every halving of the distance, a pole that can be integrated gains less and less.
fn integrable(
    reader: &mut Reader,
    node: &Node,
    beta: Expr,
    (start, end): (f64, f64),
) -> Option<()> {
    let time = reader.formulas.time();
    let graph = &reader.formulas.graph;
    let rate = |t: f64| graph.evaluate(beta, &[(time, t)]).unwrap_or(f64::NAN);
    for (edge, inwards) in [(start, 1.0), (end, -1.0)] {
        let place = |k: i32| edge + inwards * 0.5 * (end - start) * 0.5_f64.powi(k);
        let shells: Vec<f64> = (0..HALVINGS)
            .map(|k| {
                let (a, b) = (place(k + 1), place(k));
                Rule::legendre(NODES, a.min(b), a.max(b)).apply(rate)
            })
            .collect();
        let last = &shells[shells.len() - LAST..];
        let grows = |pair: &[f64]| pair[1] >= (1.0 - SHRINKS) * pair[0] && pair[0] > 0.0;
        if last.windows(2).all(grows) {
            let message = format!("the integral of `dynamics.beta` diverges at t = {edge}");
            reader.push(
                Diagnostic::error("E013", node.span.clone(), message)
                    .note("the noise forgets the data at once; reverse time could never begin")
                    .help("end the horizon before the pole, as in horizon = [0.0, 0.99]"),
            );
            return None;
        }
    }
    Some(())
}

fn read_variance_exploding(reader: &mut Reader, section: &Section<'_>) -> Option<Preset> {
    let Some(entry) = section.take("sigma") else {
        reader.record(section, "sigma", floats(&[0.01, 10.0]));
        return Some(Preset::VarianceExploding {
            minimum: 0.01,
            maximum: 10.0,
        });
    };
    reader.record_entry(section, entry);
    if !matches!(entry.node.value, Value::Array(_)) {
        reader.wrong_type(section, entry, "[smallest, largest] for preset `ve`");
        return None;
    }
    let (minimum, maximum) = reader.interval_at(&entry.node, "dynamics.sigma")?;
    reader.bounded(&entry.node, "dynamics.sigma[0]", minimum, Bound::Positive)?;
    Some(Preset::VarianceExploding { minimum, maximum })
}

/// A vector with one entry per state; a number stands for all, absence for zero.
fn read_point(reader: &mut Reader, section: &Section<'_>, key: &'static str) -> Option<Vec<f64>> {
    let dimension = reader.formulas.state().len();
    let Some(entry) = section.take(key) else {
        reader.record(section, key, floats(&vec![0.0; dimension]));
        return Some(vec![0.0; dimension]);
    };
    reader.record_entry(section, entry);
    let place = format!("{}.{key}", section.name);
    let Value::Array(_) = entry.node.value else {
        return reader
            .number_at(&entry.node, &place)
            .map(|value| vec![value; dimension]);
    };
    let values = reader.numbers_at(&entry.node, &place)?;
    if dimension > 0 && values.len() != dimension {
        reader.push(Diagnostic::error(
            "E015",
            entry.node.span.clone(),
            format!(
                "`{place}` has {} entries, the state has {dimension} components",
                values.len()
            ),
        ));
        return None;
    }
    Some(values)
}

fn read_linear(reader: &mut Reader, section: &Section<'_>) -> Option<Preset> {
    let dimension = reader.formulas.state().len();
    let matrix = read_matrix(reader, section, "A", "[[-1.0, 0.0], [0.0, -1.0]]");
    let shift = read_point(reader, section, "a");
    let noise = read_matrix(reader, section, "S", "1.0");
    let (matrix, shift, noise) = (matrix?, shift?, noise?);
    if dimension > 0 && matrix[0].len() != dimension {
        let place = section
            .take("A")
            .map_or(section.span.clone(), |e| e.node.span.clone());
        reader.push(Diagnostic::error(
            "E015",
            place,
            format!(
                "`dynamics.A` is {dimension} x {}, it must be {dimension} x {dimension}",
                matrix[0].len()
            ),
        ));
        return None;
    }
    Some(Preset::Linear {
        matrix,
        shift,
        noise,
    })
}

/// A matrix with one row per state; a number stands for that multiple of the identity.
fn read_matrix(
    reader: &mut Reader,
    section: &Section<'_>,
    key: &'static str,
    example: &str,
) -> Option<Vec<Vec<f64>>> {
    let dimension = reader.formulas.state().len();
    let Some(entry) = section.take(key) else {
        reader.missing(section, key, example);
        return None;
    };
    reader.record_entry(section, entry);
    let place = format!("{}.{key}", section.name);
    let Value::Array(items) = &entry.node.value else {
        let value = reader.number_at(&entry.node, &place)?;
        let mut rows = vec![vec![0.0; dimension]; dimension];
        for (i, row) in rows.iter_mut().enumerate() {
            row[i] = value;
        }
        return Some(rows);
    };
    let rows: Vec<Option<Vec<f64>>> = items
        .iter()
        .enumerate()
        .map(|(i, item)| reader.numbers_at(item, &format!("{place}[{i}]")))
        .collect();
    let rows: Vec<Vec<f64>> = rows.into_iter().collect::<Option<_>>()?;
    let width = rows.first().map_or(0, Vec::len);
    let fits = dimension == 0 || rows.len() == dimension;
    if !fits || width == 0 || rows.iter().any(|row| row.len() != width) {
        let lengths: Vec<String> = rows.iter().map(|row| row.len().to_string()).collect();
        reader.push(Diagnostic::error(
            "E015",
            entry.node.span.clone(),
            format!(
                "`{place}` has {} rows of length {}, the state has {dimension} components",
                rows.len(),
                lengths.join(", ")
            ),
        ));
        return None;
    }
    Some(rows)
}

/// Symbolic drift and diffusion of a preset.
///
/// Presets `vp` and `sub-vp` contract by `beta/2`; `sub-vp` multiplies the noise intensity by
/// `1 - exp(-2 B)`, `B = int_0^t beta`; `ve` adds variance `sigma(t)^2 - sigma(0)^2` with geometric
/// `sigma`; `langevin` and `underdamped` have the Gibbs density of their temperature as stationary law.
///
/// # Source
/// Song et al., *Score-based generative modeling through SDEs* (2021), eqs. 9, 11 and 14 and
/// appendix C; Pavliotis, *Stochastic Processes and Applications* (2014), eqs. 4.1 and 6.1.
fn coefficients(
    reader: &mut Reader,
    preset: &Preset,
    horizon: (f64, f64),
) -> (Vec<Expr>, Vec<Vec<Expr>>) {
    let state = reader.formulas.state().to_vec();
    let t = reader.formulas.time();
    let graph = &mut reader.formulas.graph;
    let still = vec![graph.zero(); state.len()];
    let half = graph.rational(-1, 2);
    let end = graph.number(horizon.1);
    match preset {
        Preset::VariancePreserving { beta } => {
            let beta = Beta::new(graph, beta, t, end);
            let drift = beta.drift(graph, half, &state);
            let noise = graph.sqrt(beta.rate);
            (drift, isotropic(graph, noise, &state))
        }
        Preset::SubVariancePreserving { beta } => {
            let beta = Beta::new(graph, beta, t, end);
            let drift = beta.drift(graph, half, &state);
            let missing = beta.missing(graph, t);
            let intensity = graph.mul(&[beta.rate, missing]);
            let noise = graph.sqrt(intensity);
            (drift, isotropic(graph, noise, &state))
        }
        Preset::VarianceExploding { minimum, maximum } => {
            let noise = geometric_noise(graph, (*minimum, *maximum), t, end);
            (still, isotropic(graph, noise, &state))
        }
        Preset::OrnsteinUhlenbeck { rate, sigma, mean } => {
            let rate = graph.number(*rate);
            let noise = graph.number(*sigma);
            let towards = |(x, mean): (&Expr, &f64)| {
                let mean = graph.number(*mean);
                let distance = graph.sub(mean, *x);
                graph.mul(&[rate, distance])
            };
            let drift = state.iter().zip(mean).map(towards).collect();
            (drift, isotropic(graph, noise, &state))
        }
        Preset::Brownian { sigma } => {
            let noise = graph.number(*sigma);
            (still, isotropic(graph, noise, &state))
        }
        Preset::Linear {
            matrix,
            shift,
            noise,
        } => linear(graph, matrix, shift, noise, &state),
        Preset::Langevin {
            potential,
            temperature,
        } => {
            let slope = graph.gradient(*potential, &state);
            let drift = slope.into_iter().map(|g| graph.neg(g)).collect();
            let (two, temperature) = (graph.integer(2), graph.number(*temperature));
            let intensity = graph.mul(&[two, temperature]);
            let noise = graph.sqrt(intensity);
            (drift, isotropic(graph, noise, &state))
        }
        Preset::Underdamped {
            potential,
            temperature,
            mass,
            friction,
        } => underdamped(graph, *potential, [*temperature, *mass, *friction], &state),
    }
}

/// The same noise in every coordinate.
fn isotropic(graph: &mut Graph, noise: Expr, state: &[Expr]) -> Vec<Vec<Expr>> {
    let zero = graph.zero();
    let row = |i: usize| (0..state.len()).map(move |j| if i == j { noise } else { zero });
    (0..state.len()).map(|i| row(i).collect()).collect()
}

/// `beta(t) = lo + slope t`, or the user's expression.
struct Beta {
    rate: Expr,
}

impl Beta {
    fn new(graph: &mut Graph, rate: &Rate, t: Expr, end: Expr) -> Self {
        let rate = match rate {
            Rate::Constant(value) => graph.number(*value),
            Rate::Linear { lo, hi } => {
                let (lo, hi) = (graph.number(*lo), graph.number(*hi));
                let rise = graph.sub(hi, lo);
                let slope = graph.div(rise, end);
                let linear = graph.mul(&[slope, t]);
                graph.add(&[lo, linear])
            }
            Rate::Expression(rate) => *rate,
        };
        Self { rate }
    }

    /// `-beta/2 x`.
    fn drift(&self, graph: &mut Graph, half: Expr, state: &[Expr]) -> Vec<Expr> {
        let each = state.iter();
        each.map(|x| graph.mul(&[half, self.rate, *x])).collect()
    }

    /// `1 - exp(-2 B)` with `B = int_0^t beta`.
    ///
    /// # Panics
    /// Where the rate is no polynomial of degree two at most; such a file is refused.
    fn missing(&self, graph: &mut Graph, t: Expr) -> Expr {
        let integral = graph
            .integral_from_zero(self.rate, t)
            .expect("a rate with a closed integral");
        let minus_two = graph.integer(-2);
        let exponent = graph.mul(&[minus_two, integral]);
        let decay = graph.exp(exponent);
        let one = graph.one();
        graph.sub(one, decay)
    }
}

/// `sqrt(d sigma^2/dt)` with `d sigma^2/dt = (2 L / T) sigma_min^2 exp(2 L t / T)`, `L = log(sigma_max / sigma_min)`.
fn geometric_noise(graph: &mut Graph, (low, high): (f64, f64), t: Expr, end: Expr) -> Expr {
    let (low, high) = (graph.number(low), graph.number(high));
    let ratio = graph.div(high, low);
    let log_ratio = graph.log(ratio);
    let two = graph.integer(2);
    let numerator = graph.mul(&[two, log_ratio]);
    let rate = graph.div(numerator, end);
    let root = graph.sqrt(rate);
    let exponent = graph.mul(&[rate, t]);
    let exponent = graph.div(exponent, two);
    let growth = graph.exp(exponent);
    graph.mul(&[low, root, growth])
}

/// `A x + a`, and the noise matrix.
fn linear(
    graph: &mut Graph,
    matrix: &[Vec<f64>],
    shift: &[f64],
    noise: &[Vec<f64>],
    state: &[Expr],
) -> (Vec<Expr>, Vec<Vec<Expr>>) {
    let drift = matrix
        .iter()
        .zip(shift)
        .map(|(row, shift)| {
            let mut terms = vec![graph.number(*shift)];
            for (a, x) in row.iter().zip(state) {
                let a = graph.number(*a);
                terms.push(graph.mul(&[a, *x]));
            }
            graph.add(&terms)
        })
        .collect();
    let noise = noise
        .iter()
        .map(|row| row.iter().map(|s| graph.number(*s)).collect())
        .collect();
    (drift, noise)
}

/// Forces and drag move the velocities, which alone have noise: of the strength that makes the temperature.
fn underdamped(
    graph: &mut Graph,
    potential: Expr,
    [temperature, mass, friction]: [f64; 3],
    state: &[Expr],
) -> (Vec<Expr>, Vec<Vec<Expr>>) {
    let half = state.len() / 2;
    let (positions, velocities) = state.split_at(half);
    let (mass, friction) = (graph.number(mass), graph.number(friction));
    let slope = graph.gradient(potential, positions);
    let mut drift = velocities.to_vec();
    for (g, v) in slope.into_iter().zip(velocities) {
        let force = graph.div(g, mass);
        let drag = graph.mul(&[friction, *v]);
        let lost = graph.add(&[force, drag]);
        drift.push(graph.neg(lost));
    }
    let (two, temperature) = (graph.integer(2), graph.number(temperature));
    let intensity = graph.mul(&[two, friction, temperature]);
    let intensity = graph.div(intensity, mass);
    let (noise, zero) = (graph.sqrt(intensity), graph.zero());
    let row = |i: usize| (0..half).map(move |k| if i == half + k { noise } else { zero });
    let diffusion = (0..state.len()).map(|i| row(i).collect()).collect();
    (drift, diffusion)
}
