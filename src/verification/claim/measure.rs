//! The residual of a link and the verdict it earns.

use crate::derivation::claim::identity::{Level, Opened, Sides};
use crate::expr::{Expr, Node};
use crate::field::draws::draw_mixture;
use crate::numeric::batch::Batch;
use crate::verification::claim::meter::{Effort, Meter};
use crate::verification::claim::numbers::{Numbers, Unmeasured};
use crate::verification::claim::value::Measured;
use crate::verification::verdict::{Residual, Verdict};

/// Standard errors of a confidence interval: a true claim is called false once in 16 000 links.
pub const CONFIDENCE: f64 = 4.0;
/// Tolerance of quadrature, relative to the size of what is integrated.
const BY_QUADRATURE: f64 = 1e-6;
/// Tolerance of draws, relative to the sides or to the spread of their difference: the error bar, where it
/// lies between these. A wider bar decides nothing; a narrower one would trust the step bias too far.
const BY_DRAWS: f64 = 0.02;
const CLOSEST: f64 = 1e-3;
/// Tolerance at points.
const AT_POINTS: f64 = 1e-6;
/// Tolerance path by path, after extrapolation in the step.
const ON_PATHS: f64 = 0.05;
/// Points at one time.
const POINTS: usize = 256;
/// Times, as fractions of the horizon, where a claim about every time is measured.
const FRACTIONS: [f64; 3] = [0.15, 0.5, 0.85];

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    pub residual: Residual,
    /// Both sides with numbers, and how.
    pub note: String,
}

/// Measures `left - right`: the component and time where it is largest against its limit.
///
/// # Errors
/// [`Unmeasured`] where something has no value.
pub fn measure(
    numbers: &Numbers,
    opened: &Opened,
    sides: &Sides,
    at: Option<f64>,
    effort: Effort,
) -> Result<Measurement, Unmeasured> {
    let mut meter = Meter::new(numbers, opened, effort);
    match sides.level {
        Level::Number => sharpened(&mut meter, sides, at, effort),
        Level::Field => field(&mut meter, sides, at),
        Level::Path => paths(&mut meter, opened, sides),
    }
}

fn times(numbers: &Numbers, at: Option<f64>) -> Vec<f64> {
    match at {
        Some(t) => vec![t],
        None => FRACTIONS
            .iter()
            .map(|f| numbers.start + f * (numbers.end - numbers.start))
            .collect(),
    }
}

/// How far beyond what its verdict needs.
fn excess(residual: &Residual) -> f64 {
    let limit = residual.limit.max(f64::MIN_POSITIVE);
    let excess = (residual.distance() + residual.error_bar(CONFIDENCE)) / limit;
    if excess.is_nan() {
        f64::INFINITY
    } else {
        excess
    }
}

fn worst(found: Vec<Measurement>) -> Result<Measurement, Unmeasured> {
    found
        .into_iter()
        .max_by(|a, b| excess(&a.residual).total_cmp(&excess(&b.residual)))
        .ok_or(Unmeasured::Unsupported("a claim without components"))
}

/// With a sixteenth of the paths first, then more while nothing can be said.
fn sharpened(
    meter: &mut Meter<'_>,
    sides: &Sides,
    at: Option<f64>,
    effort: Effort,
) -> Result<Measurement, Unmeasured> {
    for part in [16, 4] {
        let paths = (effort.paths / part).max(64);
        meter.set_effort(Effort { paths, ..effort });
        let found = number(meter, sides, at)?;
        if found.residual.verdict(CONFIDENCE) != Verdict::Inconclusive {
            return Ok(found);
        }
    }
    meter.set_effort(effort);
    number(meter, sides, at)
}

fn number(
    meter: &mut Meter<'_>,
    sides: &Sides,
    at: Option<f64>,
) -> Result<Measurement, Unmeasured> {
    let moving = {
        let graph = &meter.ground.noising.graph;
        let time = meter.ground.noising.time;
        let both = sides.left.iter().chain(&sides.right);
        both.clone().any(|e| graph.depends_on(*e, time))
    };
    let times = if moving {
        times(meter.numbers, at)
    } else {
        vec![at.unwrap_or(meter.numbers.start)]
    };
    let mut found = Vec::new();
    for t in times {
        for (l, r) in sides.left.iter().zip(&sides.right) {
            let difference = meter.ground.noising.graph.sub(*l, *r);
            let (left, right) = (meter.number(*l, t)?, meter.number(*r, t)?);
            let gap = meter.number(difference, t)?;
            let scale = left.scale.max(right.scale).max(gap.scale);
            let residual = match gap.standard_error() {
                Some(error) => {
                    let scale = spread_scale(&left, &right, error, gap.draws());
                    let bar = CONFIDENCE * error + gap.bias;
                    let limit = bar.clamp(CLOSEST * scale, BY_DRAWS * scale);
                    Residual::statistical(gap.value, error, gap.bias, limit, gap.draws())
                }
                None => Residual::deterministic(
                    gap.value,
                    gap.bias,
                    BY_QUADRATURE * scale.max(f64::MIN_POSITIVE),
                ),
            };
            let how = match gap.standard_error() {
                Some(_) => format!("{} draws", gap.draws()),
                None => "quadrature".to_owned(),
            };
            let when = if moving {
                format!(" at t = {t:.4}")
            } else {
                String::new()
            };
            found.push(Measurement {
                residual,
                note: format!("{:.6} against {:.6}{when}, {how}", left.value, right.value),
            });
        }
    }
    worst(found)
}

/// The size of the sides, or the spread of their difference from draw to draw where that is larger: then
/// the sides are small by cancellation.
fn spread_scale(left: &Measured, right: &Measured, error: f64, draws: usize) -> f64 {
    let spread = error * (draws as f64).sqrt();
    left.value.abs().max(right.value.abs()).max(spread)
}

/// Both sides with the terms of sums, whose size is the scale of rounding.
fn with_terms(meter: &Meter<'_>, l: Expr, r: Expr) -> Vec<Expr> {
    let mut roots = vec![l, r];
    for side in [l, r] {
        if let Node::Sum(_, terms) = meter.ground.noising.graph.node(side) {
            roots.extend(terms.iter().map(|(term, _)| *term));
        }
    }
    roots
}

fn field(meter: &mut Meter<'_>, sides: &Sides, at: Option<f64>) -> Result<Measurement, Unmeasured> {
    let numbers = meter.numbers;
    let mut found = Vec::new();
    for t in times(numbers, at) {
        let law = match &numbers.exact {
            Some(exact) => exact.mixture_at(t),
            None => numbers.data.clone().ok_or(Unmeasured::NoLaw)?,
        };
        let streams = numbers.streams.scoped(&format!("points-{}", t.to_bits()));
        let x = draw_mixture(&law, &streams.role("points"), 0, POINTS);
        let mut slice = Batch::zeros(POINTS, x.columns());
        streams.role("slice").normals(0, 0, slice.as_mut());
        for (l, r) in sides.left.iter().zip(&sides.right) {
            let roots = with_terms(meter, *l, *r);
            let compiled = numbers.compile(&meter.ground, &roots)?;
            let known = compiled.at(numbers, t)?;
            let mut out = Batch::zeros(POINTS, roots.len());
            compiled.eval(
                t,
                &known,
                x.as_ref(),
                Some(x.as_ref()),
                Some(slice.as_ref()),
                out.as_mut(),
            );
            let rms =
                |column: &[f64]| (column.iter().map(|v| v * v).sum::<f64>() / POINTS as f64).sqrt();
            let gaps: Vec<f64> = (0..POINTS).map(|i| out.get(i, 0) - out.get(i, 1)).collect();
            let scale = (0..roots.len())
                .map(|j| rms(out.column(j)))
                .fold(f64::MIN_POSITIVE, f64::max);
            found.push(Measurement {
                residual: Residual::deterministic(rms(&gaps), 0.0, AT_POINTS * scale),
                note: format!(
                    "rms difference at {POINTS} points, t = {t:.4}, sides of size {scale:.3}"
                ),
            });
        }
    }
    worst(found)
}

fn paths(meter: &mut Meter<'_>, opened: &Opened, sides: &Sides) -> Result<Measurement, Unmeasured> {
    let law = opened.law.as_ref().ok_or(Unmeasured::NoLaw)?;
    let mut both = sides.left.clone();
    both.extend(&sides.right);
    let finest = 2 * meter.effort().steps;
    let paths = (meter.effort().paths / 8).max(256);
    // The error of a path functional falls at least like the root of the step: a quarter halves it.
    let ends = meter.ends(law);
    let levels = meter.levels(law, &both, paths, [finest / 4, finest], ends)?;
    let rms = |values: &mut dyn Iterator<Item = f64>| {
        (values.map(|v| v * v).sum::<f64>() / paths as f64).sqrt()
    };
    let count = sides.left.len();
    let mut found = Vec::with_capacity(count);
    for i in 0..count {
        let gap = |level: &Batch| {
            let pairs = level.column(i).iter().zip(level.column(count + i));
            rms(&mut pairs.map(|(l, r)| l - r))
        };
        let (coarse, fine) = (gap(&levels[0]), gap(&levels[1]));
        let scale = rms(&mut levels[1].column(i).iter().copied())
            .max(rms(&mut levels[1].column(count + i).iter().copied()))
            .max(f64::MIN_POSITIVE);
        let extrapolated = (2.0 * fine - coarse).max(0.0).min(fine);
        found.push(Measurement {
            residual: Residual::deterministic(
                extrapolated,
                0.25 * (coarse - fine).abs(),
                ON_PATHS * scale,
            ),
            note: format!(
                "rms difference on {paths} paths {fine:.2e} at {finest} steps, {coarse:.2e} at {}, sides of size {scale:.3}",
                finest / 4
            ),
        });
    }
    worst(found)
}
