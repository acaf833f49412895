//! Warnings about files that load but probably do not mean what they say.

use crate::expr::Scope;
use crate::problem::meant::law::Law;
use crate::problem::meant::model::Dynamics;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Node, Table, Value};
use crate::problem::text::reader::{Reader, Section};
use gauss_quad::GaussLegendre;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

/// Mass outside the domain that is worth a warning.
const LOST_MASS: f64 = 1e-6;

/// W406: mass of the law of a role table outside `domain`.
pub(crate) fn domain_mass(
    reader: &mut Reader,
    section: &Section<'_>,
    role: &str,
    data: &Law,
    dynamics: &Dynamics,
) {
    let (Some(domain), Some(mixture)) = (&dynamics.domain, data.mixture()) else {
        return;
    };
    // The union bound over coordinates: at most a factor of the dimension too large.
    let mut lost = 0.0;
    for ((weight, mean), covariance) in mixture
        .weights
        .iter()
        .zip(&mixture.means)
        .zip(&mixture.covariances)
    {
        for (i, (lo, hi)) in domain.iter().enumerate() {
            let deviation = covariance.entry(i, i).sqrt();
            lost += weight * (tail(hi - mean[i], deviation) + tail(mean[i] - lo, deviation));
        }
    }
    if lost > LOST_MASS
        && let Some(entry) = section.take("domain")
    {
        reader.push(
            Diagnostic::warning(
                "W406",
                entry.node.span.clone(),
                format!("about {lost:.1e} of the mass of [{role}] lies outside `domain`"),
            )
            .help("widen it, or leave it out for a domain that follows the mass"),
        );
    }
}

/// `P(Z > distance / deviation)` for a standard normal Z.
fn tail(distance: f64, deviation: f64) -> f64 {
    const NODES: NonZeroUsize = NonZeroUsize::new(64).unwrap();
    /// Standard deviations after which a normal density is below 1e-30.
    const FAR: f64 = 12.0;
    if deviation == 0.0 {
        return if distance < 0.0 { 1.0 } else { 0.0 };
    }
    let z = distance / deviation;
    if z < 0.0 {
        return 1.0 - tail(-distance, deviation);
    }
    if z > FAR {
        return 0.0;
    }
    let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    GaussLegendre::new(NODES).integrate(z, FAR, density)
}

/// W401: parameters no expression mentions, whether it could be read or not.
pub(crate) fn unused_parameters(reader: &mut Reader, root: &Table) {
    let Some(Value::Table(parameters)) = root.get("params").map(|entry| &entry.node.value) else {
        return;
    };
    let mut mentioned = BTreeSet::new();
    for entry in root.entries.iter().filter(|entry| entry.key != "problem") {
        mentions(&entry.node, &mut mentioned);
    }
    for entry in &parameters.entries {
        if !mentioned.contains(&entry.key) {
            reader.push(Diagnostic::warning(
                "W401",
                entry.key_span.clone(),
                format!("parameter `{}` is never used", entry.key),
            ));
        }
    }
}

/// Collects the names in every string below a value.
fn mentions(node: &Node, names: &mut BTreeSet<String>) {
    match &node.value {
        Value::Text(text) => names.extend(Scope::names_in(text)),
        Value::Array(items) => items.iter().for_each(|item| mentions(item, names)),
        Value::Table(table) => table
            .entries
            .iter()
            // Prose may contain any word.
            .filter(|entry| entry.key != "source")
            .for_each(|entry| mentions(&entry.node, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_tails_are_the_tabulated_ones() {
        // Abramowitz and Stegun, table 26.1.
        assert!((tail(1.0, 1.0) - 0.158_655_253_931_457).abs() < 1e-13);
        assert!((tail(-1.0, 1.0) - 0.841_344_746_068_543).abs() < 1e-13);
        assert!((tail(6.0, 2.0) - 1.349_898_031_630_1e-3).abs() < 1e-14);
    }
}
