//! Measuring a link: by quadrature, by draws until it is decided, path by path.

use crate::derivation::claim::identity::{Level, Opened, Sides};
use crate::numeric::batch::Batch;
use crate::numeric::blocks::pairwise_sum;
use crate::verification::claim::measurement::{CONFIDENCE, Measurement, times, worst};
use crate::verification::claim::meter::{Effort, Meter};
use crate::verification::claim::numbers::{Numbers, Unmeasured};
use crate::verification::claim::points::{by_algebra, field, field_at_start};
use crate::verification::claim::value::{Measured, Source};
use crate::verification::verdict::{Residual, Verdict};

/// Tolerance of quadrature, relative to the size of what is integrated, and its rounding.
const BY_QUADRATURE: f64 = 1e-7;
const ROUNDING: f64 = 1e-12;
/// Tolerance of draws, relative to the larger side or, where the sides are small by cancellation, to this part of
/// the spread of their difference from draw to draw. Neither changes with the number of draws.
const BY_DRAWS: f64 = 0.05;
const PART_OF_SPREAD: f64 = 0.5;
/// An interval this part of the tolerance ends the sampling.
const NARROW: f64 = 0.3;
/// Part of the variance that one draw may carry before the mean is that of a few draws.
const FEW_DRAWS: f64 = 0.05;
/// The same of squares of differences along paths, whose tails are those of squares.
const FEW_PATHS: f64 = 0.25;
/// Parts of all paths that are tried before all are.
const STAGES: [usize; 4] = [64, 16, 4, 1];
/// Rates along paths cost a run for each node of their stencil: part of the paths.
const RATES: usize = 8;
/// Fewest paths.
const FEWEST: usize = 256;
/// Tolerance path by path, relative to the spread of the sides.
const ON_PATHS: f64 = 0.06;
/// Steps of a claim path by path, whose error falls with the root of the step, in those of a mean.
const STEPS_ON_PATHS: usize = 8;
/// Most paths, and part of the effort, of a claim path by path.
const MOST_PATHS: usize = 1 << 14;
/// Part of the change between two steps left after extrapolation, and paths from which tails are looked at.
const LEFT_ON_PATHS: f64 = 0.1;
const MANY: usize = 4096;
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
    if let Some(found) = by_algebra(numbers, opened, sides, at) {
        return Ok(found);
    }
    let mut meter = Meter::new(numbers, opened, effort);
    match sides.level {
        Level::Number => {
            let all = || sides.left.iter().chain(&sides.right);
            let part = if all().any(|e| meter.has_path_rates(*e)) {
                RATES
            } else {
                1
            };
            let paths = effort.paths / part;
            sharpened(&mut meter, sides, at, Effort { paths, ..effort })
        }
        Level::Field if numbers.exact.is_none() => {
            field_at_start(&mut meter, &mut opened.clone(), sides)
        }
        Level::Field => field(&mut meter, sides, at),
        Level::Path => paths(&mut meter, opened, sides),
    }
}

/// With few paths first, then more until the claim is decided or the budget ends.
fn sharpened(
    meter: &mut Meter<'_>,
    sides: &Sides,
    at: Option<f64>,
    effort: Effort,
) -> Result<Measurement, Unmeasured> {
    let mut found = None;
    for part in STAGES {
        let paths = (effort.paths / part).max(FEWEST);
        meter.set_effort(Effort { paths, ..effort });
        let now = number(meter, sides, at)?;
        let residual = &now.residual;
        let decided = match now.verdict() {
            Verdict::Fail => true,
            Verdict::Pass => residual.error_bar(CONFIDENCE) <= NARROW * residual.limit,
            _ => false,
        };
        let is_drawn = residual.standard_error.is_some();
        found = Some(now);
        if decided || !is_drawn {
            break;
        }
    }
    found.ok_or(Unmeasured::Unsupported("a claim without components"))
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
            let when = if moving {
                format!(" at t = {t:.4}")
            } else {
                String::new()
            };
            found.push(compared(&left, &right, &gap, sides.rounding, &when));
        }
    }
    worst(found)
}

/// A difference of numbers against its tolerance.
fn compared(
    left: &Measured,
    right: &Measured,
    gap: &Measured,
    rounding: f64,
    when: &str,
) -> Measurement {
    let scale = left.scale.max(right.scale).max(gap.scale);
    let open = |value: f64| value.signum() * (value.abs() - rounding).max(0.0);
    let note = |how: &str| format!("{:.9} against {:.9}{when}, {how}", left.value, right.value);
    let error = gap
        .standard_error()
        .filter(|error| *error > ROUNDING * scale);
    let Some(error) = error else {
        let bias = gap.bias + ROUNDING * scale;
        let limit = BY_QUADRATURE * scale.max(f64::MIN_POSITIVE);
        return Measurement {
            residual: Residual::deterministic(open(gap.value), bias, limit),
            note: note("quadrature"),
            doubt: None,
        };
    };
    let spread = error * (gap.draws() as f64).sqrt();
    let size = left.value.abs().max(right.value.abs());
    let limit = BY_DRAWS * size.max(PART_OF_SPREAD * spread);
    let share = gap.largest_share();
    let doubt = (share > FEW_DRAWS).then(|| {
        let percent = 100.0 * share;
        format!(
            "heavy tails: one of {} draws carries {percent:.0} % of the variance",
            gap.draws()
        )
    });
    Measurement {
        residual: Residual::statistical(open(gap.value), error, gap.bias, limit, gap.draws()),
        note: note(&format!("{} draws", gap.draws())),
        doubt,
    }
}

/// Path by path: the mean and the mean square of the difference, both extrapolated to a step of zero.
///
/// The mean square of a true claim falls at least like the step, its mean does too; what a false one has left
/// is compared with the spread of the sides.
fn paths(meter: &mut Meter<'_>, opened: &Opened, sides: &Sides) -> Result<Measurement, Unmeasured> {
    let law = opened.law.as_ref().ok_or(Unmeasured::NoLaw)?;
    let mut both = sides.left.clone();
    both.extend(&sides.right);
    let finest = STEPS_ON_PATHS * meter.effort().steps;
    let paths = (meter.effort().paths / 8).clamp(FEWEST, MOST_PATHS);
    let ends = meter.ends(law);
    let levels = meter.levels(law, &both, paths, [finest / 4, finest], ends)?;
    let graph = &meter.ground.noising.graph;
    let mut integrands = both.iter().flat_map(|e| meter.forms.integrands(graph, *e));
    let rough = !integrands
        .all(|e| graph.is_smooth(e, &meter.ground.noising.state, &meter.ground.positive));
    let count = sides.left.len();
    let found = (0..count).flat_map(|i| {
        let of = |level: &Batch| -> Vec<f64> {
            let pairs = level.column(i).iter().zip(level.column(count + i));
            pairs.map(|(l, r)| l - r).collect()
        };
        let sizes = [i, count + i].map(|j| spread(levels[1].column(j)));
        on_paths(
            [of(&levels[0]), of(&levels[1])],
            sizes[0].max(sizes[1]),
            rough,
            finest,
        )
    });
    worst(found.collect())
}

/// Standard deviation, or size where nothing varies.
fn spread(values: &[f64]) -> f64 {
    let draws = Measured::from_draws(Source::Forward, values.to_vec(), 0.0);
    let deviation = draws.standard_error().unwrap_or(0.0) * (values.len() as f64).sqrt();
    if deviation > ROUNDING * draws.scale {
        deviation
    } else {
        draws.scale
    }
}

/// The two measurements of one difference: its mean and its mean square, at two steps.
fn on_paths(differences: [Vec<f64>; 2], size: f64, rough: bool, finest: usize) -> Vec<Measurement> {
    let square = |values: &Vec<f64>| values.iter().map(|v| v * v).collect::<Vec<f64>>();
    let squares = differences.each_ref().map(square);
    let paths = squares[0].len();
    let [coarse, fine] = squares
        .each_ref()
        .map(|s| (pairwise_sum(s) / paths as f64).sqrt());
    let note = format!(
        "difference on {paths} paths of rms {fine:.2e} at {finest} steps, {coarse:.2e} at {}, sides of spread {size:.3}",
        finest / 4
    );
    let part = |levels: &[Vec<f64>; 2], scale: f64, limit: f64, what: &str| {
        let (residual, doubt) = left_over(levels, rough, scale, limit);
        Measurement {
            residual,
            note: format!("{what} of the {note}"),
            doubt,
        }
    };
    let mean = part(&differences, size, ON_PATHS * size, "mean");
    let limit = (ON_PATHS * size).powi(2);
    let mut mean_square = part(&squares, size * size, limit, "mean square");
    // Schemes of higher order overshoot; no mean square is negative.
    mean_square.residual.measured = mean_square.residual.measured.max(0.0);
    vec![mean, mean_square]
}

/// The mean of what two steps in a ratio of four leave at a step of zero, where it falls like the step.
fn left_over(
    [coarse, fine]: &[Vec<f64>; 2],
    rough: bool,
    scale: f64,
    limit: f64,
) -> (Residual, Option<String>) {
    let both = || fine.iter().zip(coarse);
    let draws: Vec<f64> = both().map(|(f, c)| (4.0 * f - c) / 3.0).collect();
    let changes: Vec<f64> = both().map(|(f, c)| f - c).collect();
    let paths = draws.len();
    let is_finite = scale.is_finite() && draws.iter().all(|v| v.is_finite());
    let mean = Measured::from_draws(Source::Forward, draws, 0.0);
    let left = if rough { 1.0 } else { LEFT_ON_PATHS };
    let change = pairwise_sum(&changes) / paths as f64;
    let bias = left * change.abs() + ROUNDING * scale;
    let error = mean.standard_error().unwrap_or(0.0);
    let is_heavy = paths > MANY && mean.largest_share() > FEW_PATHS;
    let doubt = match (is_finite, is_heavy) {
        (false, _) => Some("no finite value on some paths"),
        (_, true) => Some("heavy tails: few paths carry the difference"),
        _ => None,
    };
    let residual = Residual::statistical(mean.value, error, bias, limit, paths);
    (residual, doubt.map(str::to_owned))
}
