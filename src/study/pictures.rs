//! Figures and arrays of one run.

use crate::numeric::batch::Batch;
use crate::report::record::{DensityMovie, FigureData, NamedArray, PathBundle, PointSet};
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;

/// Points of a cloud that are drawn; the arrays hold all of them.
const DRAWN_POINTS: usize = 1500;
pub(super) const DRAWN_PATHS: usize = 24;

/// What figures are drawn from, and the numbers behind them.
pub(super) struct Pictures {
    pub figures: FigureData,
    pub arrays: Vec<NamedArray>,
}

impl Pictures {
    pub fn new(lowered: &Lowered) -> Self {
        Self {
            figures: FigureData {
                plots: lowered.problem.run.plots.clone(),
                ..FigureData::default()
            },
            arrays: Vec::new(),
        }
    }

    /// Draws against the first of these coordinates, with the time of the process.
    pub fn along(&mut self, lowered: &Lowered, coordinates: usize) {
        let names = lowered.problem.state_names.iter();
        self.figures.coordinates = names.take(coordinates).cloned().collect();
        self.figures.runs_forward = true;
    }

    /// Keeps an array; returns its key.
    pub fn keep(
        &mut self,
        key: String,
        axes: &[(&str, usize)],
        unit: &str,
        data: Vec<f64>,
    ) -> String {
        self.arrays
            .push(NamedArray::new(key.clone(), axes, unit, data));
        key
    }

    /// A cloud of points, `shown` of it drawn.
    pub fn cloud(
        &mut self,
        (solver, noise_level): (&str, Option<f64>),
        key: String,
        (axes, unit): ([&str; 2], &str),
        points: &Batch,
        shown: impl Fn(&Batch) -> Vec<Vec<f64>>,
    ) -> PointSet {
        let axes = [(axes[0], points.points()), (axes[1], points.columns())];
        let drawn = points.points().min(DRAWN_POINTS);
        PointSet {
            solver: solver.to_owned(),
            noise_level,
            columns: shown(&points.as_ref().rows(0..drawn).to_batch()),
            key: self.keep(key, &axes, unit, rows_of(points)),
        }
    }

    /// Paths of all states, `coordinates` of them drawn: by coordinate, then path, then time.
    pub fn paths(
        &mut self,
        (solver, noise_level): (&str, f64),
        (component, unit): (&str, &str),
        (times, states): (&[f64], &[Batch]),
        shown: impl Fn(&Batch) -> Vec<Vec<f64>>,
    ) {
        let axes = [
            ("time", times.len()),
            ("path", DRAWN_PATHS),
            (component, states.first().map_or(0, Batch::columns)),
        ];
        let data = states.iter().flat_map(rows_of).collect();
        let key = self.keep(format!("{solver}/paths"), &axes, unit, data);
        let columns: Vec<Vec<Vec<f64>>> = states.iter().map(shown).collect();
        let drawn = columns.first().map_or(0, Vec::len);
        let path = |c: usize, p: usize| columns.iter().map(|at| at[c][p]).collect();
        self.figures.paths.push(PathBundle {
            solver: solver.to_owned(),
            noise_level,
            times: times.to_vec(),
            coordinates: (0..drawn)
                .map(|c| (0..DRAWN_PATHS).map(|p| path(c, p)).collect())
                .collect(),
            key,
        });
    }

    /// Densities in the middle and at the end of the horizon, on the finest grid of each method that has them.
    pub fn densities(&mut self, solutions: &[Solution]) {
        for solution in solutions {
            let Some(found) = solution.answer.law.densities.first() else {
                continue;
            };
            let moments = [&found.middle[1], &found.end];
            let density: Vec<Vec<f64>> = moments.iter().map(|m| m.density.clone()).collect();
            let axes = [("time", moments.len()), ("coordinate", found.axis.count)];
            let key = format!("{}/density", solution.id);
            let nodes = (0..found.axis.count).map(|i| found.axis.node(i));
            let movie = DensityMovie {
                solver: solution.id.clone(),
                axes: vec![nodes.collect()],
                times: moments.iter().map(|snapshot| snapshot.time).collect(),
                key: self.keep(key, &axes, "", density.concat()),
                density,
            };
            self.figures.densities.push(movie);
        }
    }
}

/// Rows in C order.
fn rows_of(batch: &Batch) -> Vec<f64> {
    (0..batch.points()).flat_map(|i| batch.row(i)).collect()
}
