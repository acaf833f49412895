//! Gathers what the figures and the arrays of a run show.

use crate::comparison::Comparison;
use crate::comparison::portraits::{
    Projection, control_slice, density_slices, paths, plotting_box,
};
use crate::field::LogDensity;
use crate::numeric::batch::Batch;
use crate::numeric::random::Streams;
use crate::problem::meant::law::{Law, Standardization};
use crate::report::record::{
    DensityMovie, FieldSlice, FigureData, NamedArray, PathBundle, PointSet, TimeProfile,
};
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;

/// Points of a cloud that are drawn; the arrays hold all of them.
const DRAWN_POINTS: usize = 1500;
const DRAWN_PATHS: usize = 24;
const PATH_STEPS: usize = 120;
/// Density snapshots.
const DRAWN_TIMES: usize = 5;

/// Figures and arrays of one run.
pub struct Pictures {
    pub figures: FigureData,
    pub arrays: Vec<NamedArray>,
}

/// How the table was standardized, which every output undoes.
fn standardization(lowered: &Lowered) -> Option<&Standardization> {
    match &lowered.data() {
        Law::Samples(samples) => samples.standardization.as_ref(),
        _ => None,
    }
}

/// Points in the units of the table.
fn in_table_units(lowered: &Lowered, points: &Batch) -> Batch {
    let mut points = points.clone();
    if let Some(standardization) = standardization(lowered) {
        standardization.undo(&mut points);
    }
    points
}

/// Axes of a lattice in the units of the table.
fn axes_in_table_units(lowered: &Lowered, mut axes: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    if let Some(standardization) = standardization(lowered) {
        for (j, axis) in axes.iter_mut().enumerate() {
            standardization.undo_axis(j, axis);
        }
    }
    axes
}

/// Draws the data, every solver's samples, field and paths, the densities and the error profiles.
pub fn pictures(lowered: &Lowered, solutions: &[Solution], comparison: &Comparison) -> Pictures {
    let mut pictures = Pictures {
        figures: FigureData {
            plots: lowered.problem.run.plots.clone(),
            ..FigureData::default()
        },
        arrays: Vec::new(),
    };
    profiles(&mut pictures, comparison);
    histories(&mut pictures, solutions);
    let Some(truth) = &comparison.true_samples else {
        return pictures;
    };
    let shown_truth = in_table_units(lowered, truth);
    let projection = Projection::new(&lowered.problem.state_names, &shown_truth);
    pictures.figures.coordinates.clone_from(&projection.labels);
    clouds(
        &mut pictures,
        lowered,
        &projection,
        &shown_truth,
        comparison,
    );
    flights(&mut pictures, lowered, solutions, &projection);
    if lowered.problem.dimension() <= 2 {
        let mut shown = vec![truth.as_ref()];
        shown.extend(
            comparison
                .rows
                .iter()
                .flat_map(|row| row.generated.iter().map(|g| g.samples.as_ref())),
        );
        let bounds = plotting_box(&shown);
        fields(&mut pictures, lowered, solutions, &bounds);
        densities(&mut pictures, lowered, solutions, &bounds);
    }
    pictures
}

fn profiles(pictures: &mut Pictures, comparison: &Comparison) {
    for row in &comparison.rows {
        let Some(error) = &row.control_error else {
            continue;
        };
        if comparison.reference.as_deref() == Some(row.solver.as_str()) {
            continue;
        }
        let key = format!("{}/control_error", row.solver);
        let (times, values): (Vec<f64>, Vec<f64>) =
            error.profile.iter().map(|(t, e)| (*t, e.value)).unzip();
        pictures.arrays.push(NamedArray::new(
            format!("{}/control_error_times", row.solver),
            &[("time", times.len())],
            "time",
            times.clone(),
        ));
        pictures.arrays.push(NamedArray::new(
            key.clone(),
            &[("time", values.len())],
            "1/time^0.5",
            values.clone(),
        ));
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
        let rows = history
            .iter()
            .flat_map(|e| [e.iteration as f64, e.objective, e.measured])
            .collect();
        pictures.arrays.push(NamedArray::new(
            format!("{}/history", solution.id),
            &[
                ("entry", history.len()),
                ("iteration, objective, measured", 3),
            ],
            "",
            rows,
        ));
    }
}

/// Rows in C order.
fn rows_of(batch: &Batch) -> Vec<f64> {
    (0..batch.points()).flat_map(|i| batch.row(i)).collect()
}

fn sample_array(key: &str, batch: &Batch) -> NamedArray {
    NamedArray::new(
        key,
        &[("sample", batch.points()), ("component", batch.columns())],
        "state",
        rows_of(batch),
    )
}

fn clouds(
    pictures: &mut Pictures,
    lowered: &Lowered,
    projection: &Projection,
    truth: &Batch,
    comparison: &Comparison,
) {
    let drawn = |batch: &Batch| {
        let count = batch.points().min(DRAWN_POINTS);
        projection.columns(batch.as_ref().rows(0..count))
    };
    pictures.arrays.push(sample_array("data/samples", truth));
    pictures.figures.data = Some(PointSet {
        solver: "data".to_owned(),
        noise_level: None,
        columns: drawn(truth),
        key: "data/samples".to_owned(),
    });
    for row in &comparison.rows {
        for generation in &row.generated {
            let key = format!("{}/samples_h{}", row.solver, generation.noise_level);
            let samples = in_table_units(lowered, &generation.samples);
            pictures.arrays.push(sample_array(&key, &samples));
            pictures.figures.samples.push(PointSet {
                solver: row.solver.clone(),
                noise_level: Some(generation.noise_level),
                columns: drawn(&samples),
                key,
            });
        }
    }
}

fn flights(
    pictures: &mut Pictures,
    lowered: &Lowered,
    solutions: &[Solution],
    projection: &Projection,
) {
    let streams = Streams::new(lowered.problem.run.seed).scoped("pictures");
    let noise_level = lowered
        .problem
        .sample
        .noise_levels
        .iter()
        .copied()
        .fold(0.0, f64::max);
    for solution in solutions {
        let score = solution.answer.score();
        let (times, states) = paths(
            lowered,
            score,
            noise_level,
            DRAWN_PATHS,
            PATH_STEPS,
            &streams,
        );
        let states: Vec<Batch> = states.iter().map(|s| in_table_units(lowered, s)).collect();
        let key = format!("{}/paths", solution.id);
        let columns: Vec<Vec<Vec<f64>>> = states
            .iter()
            .map(|s| projection.columns(s.as_ref()))
            .collect();
        let coordinates = (0..projection.labels.len())
            .map(|c| {
                (0..DRAWN_PATHS)
                    .map(|p| columns.iter().map(|at| at[c][p]).collect())
                    .collect()
            })
            .collect();
        let components = lowered.problem.dimension();
        pictures.arrays.push(NamedArray::new(
            key.clone(),
            &[
                ("time", times.len()),
                ("path", DRAWN_PATHS),
                ("component", components),
            ],
            "state",
            states.iter().flat_map(rows_of).collect(),
        ));
        pictures.figures.paths.push(PathBundle {
            solver: solution.id.clone(),
            noise_level,
            times,
            coordinates,
            key,
        });
    }
}

/// The recorded time nearest the middle of the noising, where the field is neither the data's nor the
/// prior's.
fn middle_time(lowered: &Lowered) -> f64 {
    let record = &lowered.problem.time_settings.record;
    record
        .get(record.len() / 3)
        .copied()
        .unwrap_or(0.5 * (lowered.noising().start() + lowered.noising().end()))
}

fn fields(
    pictures: &mut Pictures,
    lowered: &Lowered,
    solutions: &[Solution],
    bounds: &[(f64, f64)],
) {
    let count = if bounds.len() == 1 { 201 } else { 19 };
    for solution in solutions {
        let slice = control_slice(
            lowered,
            solution.answer.score(),
            middle_time(lowered),
            bounds,
            count,
        );
        let key = format!("{}/u", solution.id);
        let mut axes: Vec<(&str, usize)> = vec![("x", count); bounds.len()];
        axes.insert(0, ("component", slice.components.len()));
        pictures.arrays.push(NamedArray::new(
            key.clone(),
            &axes,
            "1/time^0.5",
            slice.components.concat(),
        ));
        let mut arrows = slice.components;
        if let (Some(standardization), true) =
            (standardization(lowered), arrows.len() == bounds.len())
        {
            // Arrows show directions in the units of the axes.
            for (component, scale) in arrows.iter_mut().zip(&standardization.scale) {
                component.iter_mut().for_each(|u| *u *= scale);
            }
        }
        pictures.figures.fields.push(FieldSlice {
            solver: solution.id.clone(),
            time: slice.time,
            axes: axes_in_table_units(lowered, slice.axes),
            components: arrows,
            key,
        });
    }
}

/// The closed form's density where there is one, and every solver's own density.
fn densities(
    pictures: &mut Pictures,
    lowered: &Lowered,
    solutions: &[Solution],
    bounds: &[(f64, f64)],
) {
    let record = &lowered.problem.time_settings.record;
    let stride = record.len().div_ceil(DRAWN_TIMES).max(1);
    let times: Vec<f64> = record.iter().copied().step_by(stride).collect();
    let count = if bounds.len() == 1 { 401 } else { 81 };
    let mut laws: Vec<(&str, &dyn LogDensity)> = Vec::new();
    for solution in solutions {
        if let Some(law) = &solution.answer.law.log_density {
            laws.push((&solution.id, law.as_ref()));
        }
    }
    for (solver, law) in laws {
        let (axes, mut density) = density_slices(law, &times, bounds, count);
        if let Some(standardization) = standardization(lowered) {
            let volume = standardization.volume();
            for table in &mut density {
                table.iter_mut().for_each(|p| *p /= volume);
            }
        }
        let axes = axes_in_table_units(lowered, axes);
        let key = format!("{solver}/p");
        let mut shape: Vec<(&str, usize)> = vec![("x", count); bounds.len()];
        shape.insert(0, ("time", times.len()));
        pictures.arrays.push(NamedArray::new(
            key.clone(),
            &shape,
            "1/state",
            density.concat(),
        ));
        pictures.figures.densities.push(DensityMovie {
            solver: solver.to_owned(),
            axes,
            times: times.clone(),
            density,
            key,
        });
    }
}
