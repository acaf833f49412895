//! What the figures and the arrays of a run on scores show.

use crate::comparison::Comparison;
use crate::comparison::portraits::{
    Projection, control_slice, density_slices, paths, plotting_box,
};
use crate::numeric::batch::Batch;
use crate::numeric::random::Streams;
use crate::problem::meant::law::{Law, Standardization};
use crate::report::record::{DensityMovie, FieldSlice, TimeProfile};
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;
use crate::study::pictures::{DRAWN_PATHS, Pictures};

const PATH_STEPS: usize = 120;
/// Density snapshots.
const DRAWN_TIMES: usize = 5;

/// Draws the data, every solver's samples, field and paths, the densities and the error profiles.
pub(super) fn draw(
    pictures: &mut Pictures,
    lowered: &Lowered,
    solutions: &[Solution],
    comparison: &Comparison,
) {
    profiles(pictures, comparison);
    histories(pictures, solutions);
    let Some(truth) = &comparison.true_samples else {
        return;
    };
    let table = Table::of(lowered);
    let shown_truth = table.points(truth);
    let projection = Projection::new(&lowered.problem.state_names, &shown_truth);
    pictures.figures.coordinates.clone_from(&projection.labels);
    clouds(pictures, &table, &projection, &shown_truth, comparison);
    flights(pictures, &table, solutions, &projection);
    if lowered.problem.dimension() <= 2 {
        let mut shown = vec![truth.as_ref()];
        let generated = comparison.rows.iter().flat_map(|row| &row.generated);
        shown.extend(generated.map(|g| g.samples.as_ref()));
        let bounds = plotting_box(&shown);
        fields(pictures, &table, solutions, &bounds);
        densities(pictures, &table, solutions, &bounds);
    }
}

/// The problem in the units of its table, whose standardization every output undoes.
struct Table<'a> {
    lowered: &'a Lowered,
    standardization: Option<&'a Standardization>,
}

impl<'a> Table<'a> {
    fn of(lowered: &'a Lowered) -> Self {
        Self {
            lowered,
            standardization: match lowered.data() {
                Law::Samples(samples) => samples.standardization.as_ref(),
                _ => None,
            },
        }
    }

    fn points(&self, points: &Batch) -> Batch {
        let mut points = points.clone();
        if let Some(standardization) = self.standardization {
            standardization.undo(&mut points);
        }
        points
    }

    /// Axes of a lattice.
    fn axes(&self, mut axes: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        if let Some(standardization) = self.standardization {
            for (j, axis) in axes.iter_mut().enumerate() {
                standardization.undo_axis(j, axis);
            }
        }
        axes
    }
}

fn profiles(pictures: &mut Pictures, comparison: &Comparison) {
    for row in &comparison.rows {
        let is_reference = comparison.reference.as_deref() == Some(row.solver.as_str());
        let Some(error) = row.control_error.as_ref().filter(|_| !is_reference) else {
            continue;
        };
        let profile = error.profile.iter();
        let (times, values): (Vec<f64>, Vec<f64>) = profile.map(|(t, e)| (*t, e.value)).unzip();
        let axes = [("time", times.len())];
        let key = format!("{}/control_error", row.solver);
        pictures.keep(format!("{key}_times"), &axes, "time", times.clone());
        let key = pictures.keep(key, &axes, "1/time^0.5", values.clone());
        pictures.figures.control_errors.push(TimeProfile {
            solver: row.solver.clone(),
            times,
            values,
            key,
        });
    }
}

fn histories(pictures: &mut Pictures, solutions: &[Solution]) {
    for solution in solutions {
        let history = &solution.answer.history;
        if history.is_empty() {
            continue;
        }
        let rows = history.iter();
        let rows = rows.flat_map(|e| [e.iteration as f64, e.objective, e.measured]);
        let axes = [
            ("entry", history.len()),
            ("iteration, objective, measured", 3),
        ];
        let key = format!("{}/history", solution.id);
        pictures.keep(key, &axes, "", rows.collect());
    }
}

fn clouds(
    pictures: &mut Pictures,
    table: &Table<'_>,
    projection: &Projection,
    truth: &Batch,
    comparison: &Comparison,
) {
    const AXES: ([&str; 2], &str) = (["sample", "component"], "state");
    let shown = |points: &Batch| projection.columns(points.as_ref());
    let key = "data/samples".to_owned();
    let data = pictures.cloud(("data", None), key, AXES, truth, shown);
    pictures.figures.data = Some(data);
    for row in &comparison.rows {
        for generation in &row.generated {
            let level = generation.noise_level;
            let key = format!("{}/samples_h{level}", row.solver);
            let samples = table.points(&generation.samples);
            let who = (row.solver.as_str(), Some(level));
            let cloud = pictures.cloud(who, key, AXES, &samples, shown);
            pictures.figures.samples.push(cloud);
        }
    }
}

fn flights(
    pictures: &mut Pictures,
    table: &Table<'_>,
    solutions: &[Solution],
    projection: &Projection,
) {
    let problem = &table.lowered.problem;
    let streams = Streams::new(problem.run.seed).scoped("pictures");
    let levels = problem.sample.noise_levels.iter().copied();
    let level = levels.fold(0.0, f64::max);
    for solution in solutions {
        let score = solution.answer.score();
        let (times, states) = paths(
            table.lowered,
            score,
            level,
            DRAWN_PATHS,
            PATH_STEPS,
            &streams,
        );
        let states: Vec<Batch> = states.iter().map(|s| table.points(s)).collect();
        pictures.paths(
            (&solution.id, level),
            ("component", "state"),
            (&times, &states),
            |points| projection.columns(points.as_ref()),
        );
    }
}

/// The recorded time nearest the middle of the noising, where the field is neither the data's nor the
/// prior's.
fn middle_time(lowered: &Lowered) -> f64 {
    let record = &lowered.problem.time_settings.record;
    let noising = lowered.noising();
    let middle = 0.5 * (noising.start() + noising.end());
    record.get(record.len() / 3).copied().unwrap_or(middle)
}

fn fields(
    pictures: &mut Pictures,
    table: &Table<'_>,
    solutions: &[Solution],
    bounds: &[(f64, f64)],
) {
    let count = if bounds.len() == 1 { 201 } else { 19 };
    let time = middle_time(table.lowered);
    for solution in solutions {
        let score = solution.answer.score();
        let slice = control_slice(table.lowered, score, time, bounds, count);
        let mut axes: Vec<(&str, usize)> = vec![("x", count); bounds.len()];
        axes.insert(0, ("component", slice.components.len()));
        let data = slice.components.concat();
        let key = pictures.keep(format!("{}/u", solution.id), &axes, "1/time^0.5", data);
        let mut arrows = slice.components;
        if let Some(standardization) = table.standardization
            && arrows.len() == bounds.len()
        {
            // Arrows show directions in the units of the axes.
            for (component, scale) in arrows.iter_mut().zip(&standardization.scale) {
                component.iter_mut().for_each(|u| *u *= scale);
            }
        }
        pictures.figures.fields.push(FieldSlice {
            solver: solution.id.clone(),
            time: slice.time,
            axes: table.axes(slice.axes),
            components: arrows,
            key,
        });
    }
}

/// The closed form's density where there is one, and every solver's own density.
fn densities(
    pictures: &mut Pictures,
    table: &Table<'_>,
    solutions: &[Solution],
    bounds: &[(f64, f64)],
) {
    let record = &table.lowered.problem.time_settings.record;
    let stride = record.len().div_ceil(DRAWN_TIMES).max(1);
    let times: Vec<f64> = record.iter().copied().step_by(stride).collect();
    let count = if bounds.len() == 1 { 401 } else { 81 };
    for solution in solutions {
        let Some(law) = &solution.answer.law.log_density else {
            continue;
        };
        let (axes, mut density) = density_slices(law.as_ref(), &times, bounds, count);
        if let Some(standardization) = table.standardization {
            let volume = standardization.volume();
            for p in density.iter_mut().flatten() {
                *p /= volume;
            }
        }
        let mut shape: Vec<(&str, usize)> = vec![("x", count); bounds.len()];
        shape.insert(0, ("time", times.len()));
        let key = format!("{}/p", solution.id);
        let movie = DensityMovie {
            solver: solution.id.clone(),
            axes: table.axes(axes),
            times: times.clone(),
            key: pictures.keep(key, &shape, "1/state", density.concat()),
            density,
        };
        pictures.figures.densities.push(movie);
    }
}
