//! Refuses sizes before memory is taken for them.
//!
//! What is estimated is a little more than the arrays that surely grow with a size, in bytes: so many numbers for each
//! path, step, node or parameter. It tells a slip of the pen from a large problem, and keeps a file of somebody else from
//! taking the machine; methods refuse more narrowly what they cannot keep.

use crate::problem::meant::options::{FieldSpec, Options, Setting};
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::Node;
use crate::problem::text::reader::{Reader, Section};

/// Bytes that one size may ask for.
const MOST: f64 = 4.0 * GIB;
const GIB: f64 = 1_073_741_824.0;
/// Bytes of a number.
const NUMBER: f64 = size_of::<f64>() as f64;
/// Most states: every pair of them has an entry in some matrix.
pub(crate) const MOST_STATES: usize = 4096;
/// Most times at which laws are recorded.
pub(crate) const MOST_RECORDED: usize = 10_000;

/// Numbers kept of a path: where it is and was, noise, control, costs, weights.
fn path(dimension: usize) -> f64 {
    16.0 + 6.0 * dimension as f64
}

/// Numbers kept of a step: what is frozen in it, and for linear processes its matrices.
fn step(dimension: usize) -> f64 {
    let states = dimension as f64;
    16.0 + 4.0 * states + states * states
}

/// Numbers kept of a node of a grid, over the levels of its extrapolation.
const NODE: f64 = 24.0;

/// Numbers that so many paths and steps of `[time]`, `[run]` or `[sample]` ask for.
pub(crate) fn plain(key: &str, count: usize, dimension: usize) -> f64 {
    let count = count as f64;
    match key {
        "steps" => count * step(dimension),
        _ => count * path(dimension),
    }
}

/// Numbers that nodes of a grid ask for, along its states: which of them stand in one grid is for its method to say.
pub(crate) fn nodes(counts: &[usize]) -> f64 {
    NODE * counts.iter().map(|n| *n as f64).sum::<f64>()
}

/// Numbers that a field asks for: its parameters, and the products of its features with one another.
fn field(spec: &FieldSpec, dimension: usize) -> f64 {
    let states = dimension as f64;
    let count = |key| spec.options.count(key) as f64;
    let times = count("nodes").max(1.0);
    let features = match spec.family {
        "rbf" => count("centers"),
        "chebyshev" => (count("degree") + 1.0).powf(states.min(2.0)),
        "mixture" => return count("components") * (states + 2.0) * 64.0,
        "network" => {
            let layers = spec.options.counts("layers");
            let pairs = layers
                .windows(2)
                .map(|pair| pair[0] as f64 * pair[1] as f64);
            let widest = layers.iter().max().map_or(0.0, |n| *n as f64);
            return 64.0 * (pairs.sum::<f64>() + widest * (states + 1024.0));
        }
        _ => states + 1.0,
    };
    features * times * states * 16.0 + 3.0 * features * features
}

/// Numbers that each option of a method asks for.
fn of_options(options: &Options, dimension: usize) -> Vec<(&'static str, f64)> {
    let steps = options.count("steps").max(1) as f64;
    // The polynomial method keeps its paths at every step.
    let is_kept = options.has("axes");
    let asked = options.iter().map(|(key, setting)| {
        let numbers = match (key, setting) {
            ("steps", Setting::Count(count)) => plain("steps", *count, dimension),
            ("paths", Setting::Count(count)) if is_kept => {
                plain(key, *count, dimension).max(*count as f64 * steps * dimension as f64)
            }
            ("paths" | "particles" | "samples", Setting::Count(count)) => {
                plain(key, *count, dimension)
            }
            ("degree", Setting::Count(degree)) => {
                let most = options.count("interaction").clamp(1, dimension);
                terms(*degree, most, dimension).powi(2) * 3.0
            }
            (_, Setting::Counts(counts)) => nodes(counts),
            (_, Setting::Field(spec)) => field(spec, dimension),
            _ => 0.0,
        };
        (key, numbers)
    });
    asked.collect()
}

/// Terms of a polynomial of this degree that join at most `most` of the states.
fn terms(degree: usize, most: usize, dimension: usize) -> f64 {
    let mut total = 0.0;
    let mut choices = 1.0;
    for joined in 0..=most.min(degree) {
        // So many of the states, and so many ways to share the degree among them.
        let shares: f64 = (0..joined)
            .map(|i| (degree - i) as f64 / (i + 1) as f64)
            .product();
        total += choices * shares;
        choices *= dimension.saturating_sub(joined) as f64 / (joined + 1) as f64;
    }
    total
}

impl Reader {
    /// Refuses the options of a method that ask for too much memory, at the keys that do.
    pub(crate) fn charge_options(
        &mut self,
        section: &Section<'_>,
        options: &Options,
        dimension: usize,
    ) {
        for (key, numbers) in of_options(options, dimension) {
            let place = format!("{}.{key}", section.name);
            // Defaults come from the method, or from a table that was charged itself.
            if let Some(entry) = section.take(key) {
                self.charge(&entry.node, &place, numbers);
            }
        }
    }

    /// Refuses a value that asks for so many numbers, where they are too many.
    pub(crate) fn charge(&mut self, node: &Node, place: &str, numbers: f64) {
        if numbers * NUMBER > MOST {
            let text = self.typed(node);
            let message = too_much(&format!("`{place}` = {text}"), numbers);
            self.push(Diagnostic::error("E610", node.span.clone(), message));
        }
    }
}

fn too_much(what: &str, numbers: f64) -> String {
    let gibibytes = numbers * NUMBER / GIB;
    let size = match gibibytes < 1e5 {
        true => format!("{gibibytes:.0}"),
        false => format!("{gibibytes:.1e}"),
    };
    let most = MOST / GIB;
    format!("{what} asks for about {size} GiB of memory, more than the {most} that are taken")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_counted_as_they_are_written_out() {
        // 1, x, x^2, x^3; then with y in place of x; then xy, x^2 y, x y^2.
        assert_eq!(terms(3, 1, 2), 7.0);
        assert_eq!(terms(3, 2, 2), 10.0);
        assert_eq!(terms(4, 2, 8), 1.0 + 8.0 * 4.0 + 28.0 * 6.0);
    }

    #[test]
    fn usual_sizes_are_admitted_and_slips_are_not() {
        let admits = |numbers: f64| numbers * NUMBER <= MOST;
        assert!(admits(plain("paths", 1_000_000, 64)));
        assert!(admits(plain("steps", 100_000, 40)));
        assert!(admits(nodes(&[1601, 1601, 1601])));
        assert!(!admits(plain("paths", 1_000_000_000, 1)));
        assert!(!admits(plain("steps", 1_000_000_000, 1)));
        assert!(!admits(nodes(&[1_000_000_000])));
        let rbf = |centers: usize| FieldSpec {
            family: "rbf",
            options: Options::of(vec![("centers", centers.into())]),
        };
        assert!(admits(field(&rbf(2000), 2)));
        assert!(!admits(field(&rbf(1_000_000), 2)));
    }
}
