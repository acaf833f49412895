//! Gathers what the figures and the arrays of a control or sampling run show.

use crate::cli::figures::Pictures;
use crate::comparison::control::ControlComparison;
use crate::comparison::policy_portraits::{Flight, flight, mean, policy_curve};
use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::numeric::random::Streams;
use crate::report::record::{FieldSlice, FigureData, NamedArray, PathBundle, PointSet};
use crate::solvers::Solution;
use crate::solvers::control::{ControlOutcome, ControlProblem};

const DRAWN_PATHS: usize = 24;
const FRAMES: usize = 60;
const CURVE_POINTS: usize = 121;
/// Times of the curves, as shares of the horizon.
const SHARES: [f64; 4] = [0.0, 0.35, 0.7, 0.95];
/// Points of a cloud that are drawn; the arrays hold all of them.
const DRAWN_POINTS: usize = 1500;

/// Paths under every policy, the policies along the first coordinate, draws.
pub fn pictures(
    problem: &ControlProblem,
    solutions: &[Solution<ControlOutcome>],
    comparison: &ControlComparison,
    streams: &Streams,
) -> Pictures {
    let names = &problem.problem.state_names;
    let mut pictures = Pictures {
        figures: FigureData {
            coordinates: names.iter().take(2).cloned().collect(),
            runs_forward: true,
            ..FigureData::default()
        },
        arrays: Vec::new(),
    };
    let stream = streams.scoped("figures").role("noise");
    let flights: Vec<(&Solution<ControlOutcome>, &dyn Field, Flight)> = solutions
        .iter()
        .filter_map(|solution| {
            let policy = solution.outcome.policy.as_deref()?;
            let seen = flight(problem, policy, &stream, DRAWN_PATHS, FRAMES);
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
        for (solution, policy, _) in &flights {
            curves(&mut pictures, &solution.id, *policy, along);
        }
    }
    for solution in solutions {
        if let Some(samples) = &solution.outcome.samples {
            cloud(&mut pictures, &solution.id, samples, names.len().min(2));
        }
    }
    pictures
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

/// Curves over the range that the best process visits, the other states at its mean.
fn curves(pictures: &mut Pictures, id: &str, policy: &dyn Field, along: &Flight) {
    let visited = along
        .states
        .iter()
        .flat_map(|frame| frame.column(0).iter().copied());
    let (low, high) = visited.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| {
        (a.min(x), b.max(x))
    });
    let margin = 0.1 * (high - low).max(1e-3);
    for share in SHARES {
        let frame = (share * (along.times.len() - 1) as f64).round() as usize;
        let curve = policy_curve(
            policy,
            along.times[frame],
            &mean(&along.states[frame]),
            (low - margin, high + margin),
            CURVE_POINTS,
        );
        let key = format!("{id}/control_t{frame}");
        pictures.arrays.push(NamedArray::new(
            key.clone(),
            &[("coordinate", CURVE_POINTS)],
            "",
            curve.control.clone(),
        ));
        pictures.figures.fields.push(FieldSlice {
            solver: id.to_owned(),
            time: curve.time,
            axes: vec![curve.coordinate],
            components: vec![curve.control],
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
