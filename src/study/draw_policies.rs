//! What the figures and the arrays of a run on policies show.

use crate::comparison::Comparison;
use crate::comparison::portraits::{Curve, Flight, curve, flight, gains, mean};
use crate::field::Field;
use crate::field::scaled::Scaled;
use crate::numeric::batch::Batch;
use crate::numeric::random::Streams;
use crate::report::record::{FieldSlice, Gain, LogWeights, PolicyMap, TimeProfile};
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::typed_control::TypedControl;
use crate::study::pictures::{DRAWN_PATHS, Pictures};

const FRAMES: usize = 60;
const CURVE_POINTS: usize = 121;
/// Places of a map along the coordinate.
const MAP_POINTS: usize = 81;
/// States whose gains are drawn.
const DRAWN_GAINS: usize = 4;
/// Coordinates that are drawn.
const DRAWN_STATES: usize = 2;
/// Weights that a histogram needs.
const FEWEST_WEIGHTS: usize = 64;
/// Times of the curves, as shares of the horizon.
const SHARES: [f64; 4] = [0.0, 0.35, 0.7, 0.95];

/// Paths under every policy, policies and values along the first coordinate, draws, path weights.
pub(super) fn draw(
    pictures: &mut Pictures,
    lowered: &Lowered,
    solutions: &[Solution],
    comparison: &Comparison,
) {
    pictures.along(lowered, DRAWN_STATES);
    let streams = Streams::new(lowered.problem.run.seed).scoped("figures");
    let stream = streams.role("noise");
    let flights: Vec<(&Solution, &dyn Field, Flight)> = solutions
        .iter()
        .filter_map(|solution| {
            let policy = solution.answer.policy.as_deref()?;
            let seen = flight(lowered, policy, &stream, DRAWN_PATHS, FRAMES);
            Some((solution, policy as &dyn Field, seen))
        })
        .collect();
    for (solution, _, seen) in &flights {
        paths(pictures, &solution.id, seen);
    }
    let best = flights
        .iter()
        .find(|(solution, ..)| comparison.reference.as_deref() == Some(solution.id.as_str()));
    if let Some((_, _, along)) = best.or(flights.first()) {
        let frame = Frame::around(along);
        for (solution, policy, _) in &flights {
            let policy = &TypedControl::new(&lowered.compiled.steered, *policy);
            let slices = slices(pictures, (&solution.id, "control"), policy, &frame);
            pictures.figures.fields.extend(slices);
            map(pictures, &solution.id, policy, &frame);
            feedback(pictures, &solution.id, policy, along);
        }
        for solution in solutions {
            if let Some(value) = &solution.answer.value {
                let sign = lowered.sign_of_costs();
                let counted = Scaled::new(value.as_ref(), sign);
                let slices = slices(pictures, (&solution.id, "value"), &counted, &frame);
                pictures.figures.values.extend(slices);
            }
        }
    }
    for solution in solutions {
        if let Some(samples) = &solution.answer.samples {
            let key = format!("{}/samples", solution.id);
            let who = (solution.id.as_str(), Some(1.0));
            let axes = (["point", "state"], "");
            let cloud = pictures.cloud(who, key, axes, samples, first_states);
            pictures.figures.samples.push(cloud);
        }
    }
    weights(pictures, solutions, comparison);
}

/// The drawn coordinates, a column each.
fn first_states(points: &Batch) -> Vec<Vec<f64>> {
    let shown = 0..points.columns().min(DRAWN_STATES);
    shown.map(|j| points.column(j).to_vec()).collect()
}

/// Where fields are looked at: the range of the first coordinate that the best process visits, the other states at its
/// mean.
struct Frame<'a> {
    along: &'a Flight,
    range: (f64, f64),
}

impl<'a> Frame<'a> {
    fn around(along: &'a Flight) -> Self {
        let visited = along
            .states
            .iter()
            .flat_map(|frame| frame.column(0).iter().copied());
        let (low, high) = visited.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| {
            (a.min(x), b.max(x))
        });
        let margin = 0.1 * (high - low).max(1e-3);
        Self {
            along,
            range: (low - margin, high + margin),
        }
    }

    fn curve(&self, field: &dyn Field, frame: usize, points: usize) -> Curve {
        let centre = mean(&self.along.states[frame]);
        curve(field, self.along.times[frame], &centre, self.range, points)
    }

    /// The frames that curves are drawn of.
    fn chosen(&self) -> impl Iterator<Item = usize> {
        let last = (self.along.times.len() - 1) as f64;
        SHARES
            .into_iter()
            .map(move |share| (share * last).round() as usize)
    }
}

fn paths(pictures: &mut Pictures, id: &str, seen: &Flight) {
    let along = (&seen.times[..], &seen.states[..]);
    pictures.paths((id, 1.0), ("state", ""), along, first_states);
    let axes = [("time", seen.times.len())];
    pictures.keep(
        format!("{id}/path_times"),
        &axes,
        "time",
        seen.times.clone(),
    );
}

/// The first output of a field at the chosen times, kept as arrays.
fn slices(
    pictures: &mut Pictures,
    (id, what): (&str, &str),
    field: &dyn Field,
    frame: &Frame<'_>,
) -> Vec<FieldSlice> {
    let mut out = Vec::new();
    for n in frame.chosen() {
        let curve = frame.curve(field, n, CURVE_POINTS);
        let key = format!("{id}/{what}_t{n}");
        let axes = [("coordinate", CURVE_POINTS)];
        out.push(FieldSlice {
            solver: id.to_owned(),
            time: curve.time,
            key: pictures.keep(key, &axes, "", curve.height.clone()),
            axes: vec![curve.coordinate],
            components: vec![curve.height],
        });
    }
    out
}

/// The first control at all frames.
fn map(pictures: &mut Pictures, id: &str, policy: &dyn Field, frame: &Frame<'_>) {
    let times = frame.along.times.clone();
    let rows: Vec<Curve> = (0..times.len())
        .map(|n| frame.curve(policy, n, MAP_POINTS))
        .collect();
    let Some(first) = rows.first() else {
        return;
    };
    let control: Vec<f64> = rows.iter().flat_map(|row| row.height.clone()).collect();
    let axes = [("time", times.len()), ("coordinate", MAP_POINTS)];
    let key = pictures.keep(format!("{id}/control_map"), &axes, "", control.clone());
    pictures.figures.policies.push(PolicyMap {
        solver: id.to_owned(),
        coordinate: first.coordinate.clone(),
        times,
        control,
        key,
    });
}

/// The gains of the first states over time.
fn feedback(pictures: &mut Pictures, id: &str, policy: &dyn Field, along: &Flight) {
    let rows = gains(policy, along);
    let states = rows.first().map_or(0, Vec::len);
    let axes = [("time", rows.len()), ("state", states)];
    let key = pictures.keep(format!("{id}/gains"), &axes, "", rows.concat());
    let profiles = (0..states.min(DRAWN_GAINS)).map(|state| Gain {
        state,
        profile: TimeProfile {
            solver: id.to_owned(),
            times: along.times.clone(),
            values: rows.iter().map(|row| row[state]).collect(),
            key: key.clone(),
        },
    });
    pictures.figures.gains.extend(profiles);
}

/// Weights of a method's own paths, else of the paths under its policy.
fn weights(pictures: &mut Pictures, solutions: &[Solution], comparison: &Comparison) {
    for solution in solutions {
        let row = comparison.row(&solution.id);
        let performance = row.and_then(|row| row.performance.as_ref());
        let weights = performance.and_then(|performance| performance.weights.as_ref());
        let under_policy = weights.map_or(&[][..], |weights| &weights.logs);
        let values = match &solution.answer.log_weights[..] {
            [] => under_policy,
            own => own,
        };
        if values.len() < FEWEST_WEIGHTS {
            continue;
        }
        let key = format!("{}/log_weights", solution.id);
        let key = pictures.keep(key, &[("path", values.len())], "", values.to_vec());
        pictures.figures.log_weights.push(LogWeights {
            solver: solution.id.clone(),
            values: values.to_vec(),
            key,
        });
    }
}
