//! Structure of a problem, found symbolically, with what blocks it where it is missing.
//!
//! | structure | test |
//! |---|---|
//! | `additive-noise`, `commutative-noise`, `linear-noise-in-state` | what `G` does with the state (`noise`) |
//! | `gaussian`, `gradient`, `transverse` | what the drift is (`drift`) |
//! | `control-affine`, `quadratic-control`, `linear-quadratic`, `hopf-cole` | how control enters and what it costs (`steering`) |
//! | `separable`, `time-free`, `kinks` | which states meet, where time and corners occur (`coupling`) |
//!
//! Evidence is *proved* (zero in normal form), *tested* (zero at seeded points), or *declared*: expected by
//! the file, and nothing found against it.

mod affine;
mod coupling;
mod drift;
pub mod facts;
mod finding;
pub mod gradient;
mod noise;
mod steering;

pub use drift::across;
pub use finding::{Finding, Steering, Subject};

use crate::derivation::ground::evidence::Evidence;
use crate::expr::{Expr, Graph};

/// Everything that is looked for in a problem of this kind.
pub fn findings(subject: &mut Subject<'_>) -> Vec<Finding> {
    let mut all = vec![
        noise::additive(subject.process),
        noise::commutative(subject.process),
        noise::linear(subject.process),
    ];
    if let Steering::Stated { stated, facts } = subject.steering {
        all.push(steering::control_affine(subject.process, stated));
        all.push(steering::quadratic_control(subject.process, stated));
        all.push(steering::linear_quadratic(facts));
    }
    all.extend(steering::hopf_cole(subject.process, subject.steering));
    all.push(drift::gaussian(subject.process, subject.start));
    all.push(drift::gradient(subject.process, subject.steering));
    all.push(drift::transverse(subject.process, subject.potentials));
    all.push(coupling::separable(subject));
    all.push(coupling::time_free(subject.process, subject.steering));
    all.push(coupling::kinks(subject.process, subject.steering));
    for finding in &mut all {
        if matches!(finding.evidence, Evidence::Stated) {
            let expected = subject.expected.iter().any(|name| name == finding.name);
            finding.found = expected;
            if expected {
                finding.evidence = Evidence::Declared;
            }
        }
        if let (false, Some(term)) = (finding.found, finding.term) {
            finding
                .because
                .push_str(&place(&subject.process.graph, term));
        }
    }
    all
}

/// Where a term was typed, if that is in a definition: it does not stand where it acts.
fn place(graph: &Graph, term: Expr) -> String {
    let origin = graph.origin(term);
    let name = origin.and_then(|origin| origin.definition);
    name.map_or(String::new(), |name| format!(", from `{name}`"))
}
