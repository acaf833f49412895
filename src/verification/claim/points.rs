//! Claims at every point: by algebra where no unknown function is left, at points of the law else.

use crate::derivation::claim::identity::{Level, Opened, Sides};
use crate::derivation::claim::proof::{free_of_laws, without_rates};
use crate::expr::{Assumptions, Decision};
use crate::expr::{Expr, Node};
use crate::field::draws::draw_mixture;
use crate::numeric::batch::Batch;
use crate::problem::meant::law::Mixture;
use crate::verification::claim::measurement::{Measurement, times, worst};
use crate::verification::claim::meter::Meter;
use crate::verification::claim::numbers::{Numbers, Unmeasured};
use crate::verification::verdict::{Residual, Verdict};

/// Points at one time.
const POINTS: usize = 256;
/// Rounding at a point, relative to the largest term there: without and with differences in time; the tolerance.
const ROUNDING: f64 = 1e-11;
const ROUNDING_OF_RATES: f64 = 1e-9;
const TOLERANCE: f64 = 1e-7;

/// Decides a claim whose difference holds no unknown function, to some 22 digits and at random points of the
/// region of the law; `None` where a law has a say.
pub fn by_algebra(
    numbers: &Numbers,
    opened: &Opened,
    sides: &Sides,
    at: Option<f64>,
) -> Option<Measurement> {
    if sides.level == Level::Path {
        return None;
    }
    let mut opened = opened.clone();
    let pairs = free_of_laws(&mut opened, sides);
    let state = opened.ground.noising.state.clone();
    let mut within: Vec<(Expr, f64, f64)> = state
        .iter()
        .zip(numbers.region(state.len()))
        .map(|(x, (low, high))| (*x, low, high))
        .collect();
    let time = at.map_or((numbers.start, numbers.end), |t| (t, t));
    within.push((opened.ground.noising.time, time.0, time.1));
    let assumptions = Assumptions {
        positive: opened.ground.positive.clone(),
        within,
    };
    let is_whole = pairs.iter().all(Option::is_some);
    let decided: Vec<Measurement> = pairs
        .into_iter()
        .flatten()
        .map(|(l, r)| {
            let graph = &mut opened.ground.noising.graph;
            measurement(graph.decide(l, r, &assumptions), sides.rounding)
        })
        .collect();
    let worst = worst(decided).ok()?;
    (is_whole || worst.verdict() == Verdict::Fail).then_some(worst)
}

/// Sides of one size, equal or not: what a decision says of the difference.
fn measurement(decision: Decision, rounding: f64) -> Measurement {
    let equal = |note: String| Measurement {
        residual: Residual::deterministic(0.0, 0.0, f64::MIN_POSITIVE),
        note,
        doubt: None,
    };
    match decision {
        Decision::Proved { .. } => equal("equal by algebra".to_owned()),
        Decision::Tested { points, .. } => equal(format!("equal to 22 digits at {points} points")),
        Decision::Refuted { at, left, right } => {
            let place = |(name, value): &(String, f64)| format!("{name} = {value:.6}");
            let place: Vec<String> = at.iter().map(place).collect();
            let place = if place.is_empty() {
                String::new()
            } else {
                format!(" at {}", place.join(", "))
            };
            let gap = ((left - right).abs() - rounding).max(0.0);
            Measurement {
                residual: Residual::deterministic(gap, 0.0, f64::MIN_POSITIVE),
                note: format!("{left:.9} against {right:.9}{place}, to 22 digits"),
                doubt: None,
            }
        }
        Decision::Undecided { why } => Measurement {
            doubt: Some(why.to_string()),
            ..equal("at random points".to_owned())
        },
    }
}

/// Both sides with the terms of sums, whose size is the scale of rounding.
fn with_terms(meter: &mut Meter<'_>, l: Expr, r: Expr) -> Vec<Expr> {
    let mut roots = vec![l, r];
    let graph = &mut meter.ground.noising.graph;
    for side in [l, r] {
        if let Node::Sum(_, terms) = graph.node(side) {
            for (term, factor) in terms.clone() {
                roots.push(graph.linear(&[(factor, term)]));
            }
        }
    }
    roots
}

/// Measures a claim at points of the law.
///
/// # Errors
/// [`Unmeasured`] where something has no value.
pub fn field(
    meter: &mut Meter<'_>,
    sides: &Sides,
    at: Option<f64>,
) -> Result<Measurement, Unmeasured> {
    let numbers = meter.numbers;
    let exact = numbers.exact.as_ref().ok_or(Unmeasured::NoLaw)?;
    let mut found = Vec::new();
    for t in times(numbers, at) {
        found.extend(at_time(meter, numbers, sides, t, &exact.mixture_at(t))?);
    }
    worst(found)
}

/// Refutes a claim at the start, where the density is known though the law has no closed form later.
///
/// # Errors
/// [`Unmeasured`] where it cannot be refuted there.
pub fn field_at_start(
    meter: &mut Meter<'_>,
    opened: &mut Opened,
    sides: &Sides,
) -> Result<Measurement, Unmeasured> {
    let numbers = meter.numbers.at_start().ok_or(Unmeasured::NoLaw)?;
    let law = numbers.data.clone().ok_or(Unmeasured::NoLaw)?;
    let sides = without_rates(opened, sides).ok_or(Unmeasured::NoLaw)?;
    meter.ground = opened.ground.clone();
    let found = worst(at_time(meter, &numbers, &sides, numbers.start, &law)?)?;
    match found.verdict() {
        Verdict::Fail => Ok(found),
        _ => Err(Unmeasured::NoLaw),
    }
}

/// One measurement for every component: the point where the difference exceeds its limit most.
fn at_time(
    meter: &mut Meter<'_>,
    numbers: &Numbers,
    sides: &Sides,
    t: f64,
    law: &Mixture,
) -> Result<Vec<Measurement>, Unmeasured> {
    let streams = numbers.streams.scoped(&format!("points-{}", t.to_bits()));
    let x = draw_mixture(law, &streams.role("points"), 0, POINTS);
    let mut slice = Batch::zeros(POINTS, x.columns());
    streams.role("slice").normals(0, 0, slice.as_mut());
    let mut found = Vec::with_capacity(sides.left.len());
    for (l, r) in sides.left.iter().zip(&sides.right) {
        let roots = with_terms(meter, *l, *r);
        let compiled = numbers.compile(&meter.ground, &roots)?;
        let values = |known: &[f64]| {
            let mut out = Batch::zeros(POINTS, roots.len());
            let (x, slice) = (x.as_ref(), slice.as_ref());
            compiled.eval(t, known, x, Some(x), Some(slice), out.as_mut());
            out
        };
        let first = values(&compiled.at(numbers, t)?);
        let again = match compiled.has_rates() {
            true => Some(values(&compiled.at_again(numbers, t)?)),
            false => None,
        };
        let points = (0..POINTS).map(|i| at_point(&first, again.as_ref(), &x.row(i), i, t));
        found.push(worst(points.collect())?);
    }
    Ok(found)
}

fn at_point(first: &Batch, again: Option<&Batch>, x: &[f64], i: usize, t: f64) -> Measurement {
    let gap = |values: &Batch| values.get(i, 0) - values.get(i, 1);
    let row = first.row(i);
    let scale = row.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let steps = again.map_or(0.0, |again| (gap(first) - gap(again)).abs());
    let rounding = match again {
        Some(_) => ROUNDING_OF_RATES,
        None => ROUNDING,
    };
    let place: Vec<String> = x.iter().map(|x| format!("{x:.4}")).collect();
    let place = format!("x = {}, t = {t:.4}", place.join(" "));
    let is_finite = row.iter().all(|v| v.is_finite()) && steps.is_finite();
    let doubt = (!is_finite).then(|| format!("no finite value at {place}"));
    let (l, r) = (first.get(i, 0), first.get(i, 1));
    Measurement {
        residual: Residual::deterministic(
            gap(first).abs(),
            2.0 * steps + rounding * scale,
            TOLERANCE * scale,
        ),
        note: format!("{l:.9} against {r:.9} at {place}, worst of {POINTS} points"),
        doubt,
    }
}
