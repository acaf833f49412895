//! Gathers what the figures and the arrays of a control or sampling run show.

use crate::cli::figures::Pictures;
use crate::comparison::Comparison;
use crate::comparison::portraits::{Curve, Flight, curve, flight, gains, mean};
use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::numeric::random::Streams;
use crate::report::record::{
    FieldSlice, FigureData, Gain, LogWeights, NamedArray, PathBundle, PointSet, PolicyMap,
    TimeProfile,
};
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;

const DRAWN_PATHS: usize = 24;
const FRAMES: usize = 60;
const CURVE_POINTS: usize = 121;
/// Places of a map along the coordinate.
const MAP_POINTS: usize = 81;
/// States whose gains are drawn.
const DRAWN_GAINS: usize = 4;
/// Weights that a histogram needs.
const FEWEST_WEIGHTS: usize = 64;
/// Times of the curves, as shares of the horizon.
const SHARES: [f64; 4] = [0.0, 0.35, 0.7, 0.95];
/// Points of a cloud that are drawn; the arrays hold all of them.
const DRAWN_POINTS: usize = 1500;

/// Paths under every policy, policies and values along the first coordinate, draws, path weights.
pub fn pictures(
    lowered: &Lowered,
    solutions: &[Solution],
    comparison: &Comparison,
    streams: &Streams,
) -> Pictures {
    let names = &lowered.problem.state_names;
    let mut pictures = Pictures {
        figures: FigureData {
            coordinates: names.iter().take(2).cloned().collect(),
            runs_forward: true,
            plots: lowered.problem.run.plots.clone(),
            ..FigureData::default()
        },
        arrays: Vec::new(),
    };
    let stream = streams.scoped("figures").role("noise");
    let flights: Vec<(&Solution, &dyn Field, Flight)> = solutions
        .iter()
        .filter_map(|solution| {
            let policy = solution.answer.policy.as_deref()?;
            let seen = flight(lowered, policy, &stream, DRAWN_PATHS, FRAMES);
            Some((solution, policy as &dyn Field, seen))
        })
        .collect();
    for (solution, _, seen) in &flights {
        paths(&mut pictures, &solution.id, seen);
    }
    let best = flights
        .iter()
        .find(|(solution, ..)| comparison.reference.as_deref() == Some(solution.id.as_str()));
    if let Some((_, _, along)) = best.or(flights.first()) {
        let frame = Frame::around(along);
        for (solution, policy, _) in &flights {
            curves(&mut pictures, &solution.id, *policy, &frame);
            map(&mut pictures, &solution.id, *policy, &frame);
            feedback(&mut pictures, &solution.id, *policy, along);
        }
        for solution in solutions {
            if let Some(value) = &solution.answer.value {
                values(&mut pictures, &solution.id, value.as_ref(), &frame);
            }
        }
    }
    for solution in solutions {
        if let Some(samples) = &solution.answer.samples {
            cloud(&mut pictures, &solution.id, samples, names.len().min(2));
        }
    }
    weights(&mut pictures, solutions, comparison);
    pictures
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
    let states = seen.states.first().map_or(0, Batch::columns);
    let path = |j: usize, i: usize| -> Vec<f64> {
        seen.states.iter().map(|frame| frame.column(j)[i]).collect()
    };
    let key = format!("{id}/paths");
    let mut data = Vec::new();
    for frame in &seen.states {
        for i in 0..DRAWN_PATHS {
            data.extend((0..states).map(|j| frame.column(j)[i]));
        }
    }
    pictures.arrays.push(NamedArray::new(
        key.clone(),
        &[
            ("time", seen.times.len()),
            ("path", DRAWN_PATHS),
            ("state", states),
        ],
        "",
        data,
    ));
    pictures.arrays.push(NamedArray::new(
        format!("{id}/path_times"),
        &[("time", seen.times.len())],
        "time",
        seen.times.clone(),
    ));
    pictures.figures.paths.push(PathBundle {
        solver: id.to_owned(),
        noise_level: 1.0,
        times: seen.times.clone(),
        coordinates: (0..states.min(2))
            .map(|j| (0..DRAWN_PATHS).map(|i| path(j, i)).collect())
            .collect(),
        key,
    });
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
        pictures.arrays.push(NamedArray::new(
            key.clone(),
            &[("coordinate", CURVE_POINTS)],
            "",
            curve.height.clone(),
        ));
        out.push(FieldSlice {
            solver: id.to_owned(),
            time: curve.time,
            axes: vec![curve.coordinate],
            components: vec![curve.height],
            key,
        });
    }
    out
}

fn curves(pictures: &mut Pictures, id: &str, policy: &dyn Field, frame: &Frame<'_>) {
    let slices = slices(pictures, (id, "control"), policy, frame);
    pictures.figures.fields.extend(slices);
}

fn values(pictures: &mut Pictures, id: &str, value: &dyn Field, frame: &Frame<'_>) {
    let slices = slices(pictures, (id, "value"), value, frame);
    pictures.figures.values.extend(slices);
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
    let key = format!("{id}/control_map");
    let control: Vec<f64> = rows.iter().flat_map(|row| row.height.clone()).collect();
    pictures.arrays.push(NamedArray::new(
        key.clone(),
        &[("time", times.len()), ("coordinate", MAP_POINTS)],
        "",
        control.clone(),
    ));
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
    let key = format!("{id}/gains");
    pictures.arrays.push(NamedArray::new(
        key.clone(),
        &[("time", rows.len()), ("state", states)],
        "",
        rows.concat(),
    ));
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
        let performance = comparison
            .row(&solution.id)
            .and_then(|row| row.performance.as_ref());
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
        pictures.arrays.push(NamedArray::new(
            key.clone(),
            &[("path", values.len())],
            "",
            values.to_vec(),
        ));
        pictures.figures.log_weights.push(LogWeights {
            solver: solution.id.clone(),
            values: values.to_vec(),
            key,
        });
    }
}

fn cloud(pictures: &mut Pictures, id: &str, samples: &Batch, shown: usize) {
    let key = format!("{id}/samples");
    let (points, states) = (samples.points(), samples.columns());
    let mut data = Vec::with_capacity(points * states);
    for i in 0..points {
        data.extend((0..states).map(|j| samples.column(j)[i]));
    }
    pictures.arrays.push(NamedArray::new(
        key.clone(),
        &[("point", points), ("state", states)],
        "",
        data,
    ));
    pictures.figures.samples.push(PointSet {
        solver: id.to_owned(),
        noise_level: Some(1.0),
        columns: (0..shown)
            .map(|j| samples.column(j)[..points.min(DRAWN_POINTS)].to_vec())
            .collect(),
        key,
    });
}
