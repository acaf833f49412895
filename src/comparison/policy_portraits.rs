//! What a policy and a value look like: curves along the first coordinate, and paths under the policy.

use crate::field::Field;
use crate::numeric::batch::Batch;
use crate::numeric::random::Stream;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::walk::steered_walk::SteeredWalk;

/// States of the process under a policy, on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Flight {
    pub times: Vec<f64>,
    /// One batch of states per time.
    pub states: Vec<Batch>,
}

/// Walks `count` paths and keeps their states at about `frames` times, the first and the last among them.
///
/// # Cost
/// Each frame is walked to from the start on the same noise: `frames/2` times the steps of one walk.
pub fn flight(
    lowered: &Lowered,
    policy: &dyn Field,
    stream: &Stream,
    count: usize,
    frames: usize,
) -> Flight {
    let process = &lowered.compiled.steered;
    let steps = lowered.problem.time_settings.steps.max(1);
    let stride = steps.div_ceil(frames.max(1)).max(1);
    let start = lowered.draw_start(stream, 0, count);
    let length = process.end() - process.start();
    let mut flight = Flight {
        times: vec![process.start()],
        states: vec![start.clone()],
    };
    let mut done = 0;
    while done < steps {
        done = (done + stride).min(steps);
        let until = process.start() + length * done as f64 / steps as f64;
        let walk = SteeredWalk {
            lowered,
            policy,
            reference: None,
            steps: done,
            finest: 0,
            until,
            stream,
        };
        flight.times.push(until);
        flight.states.push(walk.run(start.as_ref(), 0).end);
    }
    flight
}

/// A field along the first coordinate.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    pub time: f64,
    pub coordinate: Vec<f64>,
    /// The first output.
    pub height: Vec<f64>,
}

/// The first output of a field against the first coordinate over `range`, the other states at `centre`.
pub fn curve(
    field: &dyn Field,
    time: f64,
    centre: &[f64],
    (low, high): (f64, f64),
    points: usize,
) -> Curve {
    let mut x = Batch::zeros(points, centre.len());
    for (j, value) in centre.iter().enumerate() {
        x.column_mut(j).fill(*value);
    }
    let share = |i: usize| i as f64 / (points - 1).max(1) as f64;
    let coordinate: Vec<f64> = (0..points).map(|i| low + (high - low) * share(i)).collect();
    x.column_mut(0).copy_from_slice(&coordinate);
    let mut out = Batch::zeros(points, field.outputs());
    field.eval(time, x.as_ref(), out.as_mut());
    Curve {
        time,
        coordinate,
        height: out.column(0).to_vec(),
    }
}

/// `-du_0/dx_j` at the mean of every frame, one row a frame: the feedback gains of the first control, by central
/// differences over a thousandth of the spread of the paths. Exact for affine policies.
pub fn gains(policy: &dyn Field, along: &Flight) -> Vec<Vec<f64>> {
    const SHARE: f64 = 1e-3;
    let d = along.states.first().map_or(0, Batch::columns);
    let widths: Vec<f64> = (0..d)
        .map(|j| {
            let column = along.states.iter().flat_map(|s| s.column(j));
            let (low, high) = column.fold((f64::INFINITY, f64::NEG_INFINITY), |a, x| {
                (a.0.min(*x), a.1.max(*x))
            });
            SHARE * (high - low).max(SHARE)
        })
        .collect();
    let frames = along.times.iter().zip(&along.states);
    frames
        .map(|(time, states)| {
            let centre = mean(states);
            // Above and below the mean in each coordinate in turn.
            let mut places = Batch::zeros(2 * d, d);
            for (j, (centre, width)) in centre.iter().zip(&widths).enumerate() {
                let column = places.column_mut(j);
                column.fill(*centre);
                column[2 * j] += width;
                column[2 * j + 1] -= width;
            }
            let mut control = Batch::zeros(2 * d, policy.outputs());
            policy.eval(*time, places.as_ref(), control.as_mut());
            let u = control.column(0);
            (0..d)
                .map(|j| (u[2 * j + 1] - u[2 * j]) / (2.0 * widths[j]))
                .collect()
        })
        .collect()
}

/// Mean of every coordinate.
pub fn mean(states: &Batch) -> Vec<f64> {
    (0..states.columns())
        .map(|j| states.column(j).iter().sum::<f64>() / states.points() as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::batch::{BatchMut, BatchRef};
    use crate::numeric::random::Streams;
    use crate::problem::parse_text;
    use crate::solvers::registry::methods::vocabulary;
    use crate::solvers::walk::steered_walk::Idle;
    use std::path::Path;

    const TEXT: &str = r#"
format = 1
[problem]
name = "still"
kind = "control"
[dynamics]
state = "x[2]"
control = "u"
drift = ["1", "u"]
diffusion = [[0.0], [1.0]]
[initial]
family = "delta"
at = [2.0, 0.0]
[cost]
running = "0.5*u^2"
terminal = "x[1]^2"
[time]
steps = 10
"#;

    /// `u = t - 2 x_0 + 3 x_1`
    struct Plane;

    impl Field for Plane {
        fn inputs(&self) -> usize {
            2
        }

        fn outputs(&self) -> usize {
            1
        }

        fn eval(&self, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
            for (i, u) in out.column_mut(0).iter_mut().enumerate() {
                *u = t - 2.0 * x.get(i, 0) + 3.0 * x.get(i, 1);
            }
        }
    }

    #[test]
    fn gains_of_a_plane_are_its_slopes() {
        let states = |shift: f64| Batch::from_rows(2, &[[shift, 0.0], [shift + 1.0, 0.5]]);
        let along = Flight {
            times: vec![0.0, 1.0],
            states: vec![states(0.0), states(4.0)],
        };
        for row in gains(&Plane, &along) {
            assert!((row[0] - 2.0).abs() < 1e-9 && (row[1] + 3.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_frame_continues_the_one_before_it() {
        let loaded =
            parse_text("still.toml", TEXT, Path::new("."), &[], &vocabulary()).expect("valid");
        let lowered = Lowered::new(loaded.problem).expect("a control lowered");
        let idle = Idle {
            states: 2,
            controls: 1,
        };
        let stream = Streams::new(1).role("flight");
        let seen = flight(&lowered, &idle, &stream, 4, 5);
        assert_eq!(seen.times.len(), 6);
        for (t, states) in seen.times.iter().zip(&seen.states) {
            // The first coordinate moves at unit speed.
            assert!(states.column(0).iter().all(|x| (x - 2.0 - t).abs() < 1e-12));
        }
        // Brownian increments over a fifth of the horizon: 20 of them within 5 standard deviations.
        for pair in seen.states.windows(2) {
            for (a, b) in pair[0].column(1).iter().zip(pair[1].column(1)) {
                let step = (b - a).abs();
                assert!(step > 0.0 && step < 5.0 * 0.2_f64.sqrt());
            }
        }
    }
}
