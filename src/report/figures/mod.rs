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
pub mod work_precision;

use crate::report::figures::drawing::{Cast, Drawing};
use crate::report::record::Record;

/// All figures the record has data for.
pub fn drawings(record: &Record) -> Vec<Drawing> {
    let cast = Cast::new(record);
    [
        clouds::samples(record, &cast),
        fields::fields(record, &cast),
        densities::densities(record, &cast),
        motion::plane(record, &cast),
        motion::coordinate(record, &cast),
        answers::control_errors(record, &cast),
        answers::accuracy(record, &cast),
        answers::sample_quality(record, &cast),
        answers::convergence(record, &cast),
        answers::verification(record),
    ]
    .into_iter()
    .flatten()
    .collect()
}
