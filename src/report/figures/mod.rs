//! The figures of a report, drawn from the record.
//!
//! Every solver keeps its colour and its dash in all of them. Time is the forward time t of the noising
//! process; axes run from its end to the data, as generation does.

pub mod answers;
pub mod clouds;
pub mod densities;
pub mod drawing;
pub mod fields;
pub mod motion;
pub mod steering;
pub mod work_precision;

use crate::report::figures::drawing::{Cast, Drawing};
use crate::report::record::Record;

/// All figures that were asked for and that the record has data for.
pub fn drawings(record: &Record) -> Vec<Drawing> {
    let cast = Cast::new(record);
    let asked = &record.figures.plots;
    [
        clouds::samples(record, &cast),
        fields::values(record, &cast),
        steering::policies(record, &cast),
        steering::gains(record, &cast),
        fields::fields(record, &cast),
        densities::densities(record, &cast),
        motion::plane(record, &cast),
        motion::coordinate(record, &cast),
        answers::control_errors(record, &cast),
        steering::weights(record, &cast),
        steering::evidence(record, &cast),
        answers::accuracy(record, &cast),
        answers::sample_quality(record, &cast),
        answers::convergence(record, &cast),
        answers::verification(record),
    ]
    .into_iter()
    .flatten()
    .filter(|drawing| {
        let names = asked_as(drawing.name);
        names.is_empty() || names.iter().any(|name| asked.iter().any(|a| a == name))
    })
    .collect()
}

/// Names of `run.plots` that a figure goes by; the figures without any are always drawn.
fn asked_as(drawing: &str) -> &'static [&'static str] {
    match drawing {
        "samples" => &["samples", "pairs"],
        "value" => &["value"],
        "policy" => &["policy"],
        "gains" => &["gains"],
        "field" => &["score", "policy"],
        "density" => &["density"],
        "paths" | "paths-time" => &["paths"],
        "control-error" => &["control-error"],
        "log-weights" => &["weights", "log-weights"],
        "evidence" => &["evidence"],
        "convergence" => &["convergence"],
        _ => &[],
    }
}

/// What a reader should know of the names of `run.plots` that gave no figure.
pub fn undrawn(record: &Record) -> Option<String> {
    let drawn = drawings(record);
    let gave = |name: &String| {
        let mut names = drawn.iter().map(|drawing| asked_as(drawing.name));
        names.any(|names| names.iter().any(|n| n == name))
    };
    let missing: Vec<String> = record
        .figures
        .plots
        .iter()
        .filter(|name| !gave(name))
        .cloned()
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "Asked for in run.plots, but there is nothing to draw: {}.",
            drawing::listed(&missing)
        )
    })
}
