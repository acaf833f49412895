//! What a horizon without an end leaves no room for: time, and an end.

use crate::problem::meant::model::Dynamics;
use crate::problem::meant::task::Task;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::reader::Reader;

/// Refuses coefficients of time, and an end cost, where the horizon has no end.
pub(crate) fn check_endless(reader: &mut Reader, dynamics: &Dynamics, task: &Task) {
    if dynamics.horizon.1.is_finite() {
        return;
    }
    let cost = match task {
        Task::Control(control) => Some(&control.cost),
        _ => None,
    };
    let (graph, time) = (&reader.formulas.graph, reader.formulas.time());
    let place = |key: &str| reader.formulas.places.get(key).cloned().unwrap_or(0..0);
    let mut wrong = Vec::new();
    if cost.is_some_and(|cost| !graph.is_zero(cost.terminal)) {
        let reason = "`cost.terminal` has no meaning: the horizon has no end";
        let help = "leave it out, or set horizon = [t0, t1]";
        wrong.push(Diagnostic::error("E213", place("cost.terminal"), reason).help(help));
    }
    let noise: Vec<_> = dynamics.diffusion.concat();
    let running: Vec<_> = cost.iter().map(|cost| cost.running).collect();
    for (key, entries) in [
        ("dynamics.drift", dynamics.drift.as_slice()),
        ("dynamics.diffusion", noise.as_slice()),
        ("cost.running", running.as_slice()),
    ] {
        if entries.iter().any(|e| graph.depends_on(*e, time)) {
            let reason = format!("`{key}` depends on t, and the horizon has no end");
            let help = match key {
                "cost.running" => {
                    "a cost that decays like exp(-rho t) is cost.discount = rho; else set horizon = [t0, t1]"
                }
                _ => "set horizon = [t0, t1]",
            };
            wrong.push(Diagnostic::error("E213", place(key), reason).help(help));
        }
    }
    for diagnostic in wrong {
        reader.push(diagnostic);
    }
}
