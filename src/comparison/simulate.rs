//! Named numbers of a simulation, from whichever method knows each best.

use crate::solvers::driver::Solution;
use crate::solvers::lowered::answer::Quantity;

/// Every number under the name that `[reference.NAME]` may use.
///
/// | name | meaning |
/// |---|---|
/// | `mode`, `mean`, `mean_square`, `variance` | of the stationary law |
/// | `stationary_NAME` | an observable under it |
/// | `passage_time` | mean time until an event that ends a path |
/// | an observable, `mean_end`, `mean_square_end`, `covariance_end` | at the end of the horizon |
/// | `NAME_t1.5` | the same at a recorded time |
/// | `mass` | of the density at the end |
/// | any of them with `_ID` | as the solver of that id found it |
///
/// Where several methods give a number, the one with the smallest error of its own does. A path ends at an event
/// that stops it, so observables of paths are of stopped paths, while those of densities are not: where the file has
/// such an event, observables go by the names with `_ID` only.
pub fn quantities(solutions: &[Solution], stopped: bool) -> Vec<Quantity> {
    let ambiguous = |name: &str| {
        let law_free = [
            "mode",
            "mean",
            "mean_square",
            "variance",
            "passage_time",
            "mass",
        ];
        stopped && !law_free.contains(&name) && !name.starts_with("stationary_")
    };
    let mut all: Vec<_> = solutions
        .iter()
        .flat_map(|solution| {
            solution
                .answer
                .quantities
                .iter()
                .map(move |q| (solution, q))
        })
        .collect();
    let mut out: Vec<Quantity> = Vec::new();
    for (solution, quantity) in &all {
        out.push(Quantity {
            name: format!("{}_{}", quantity.name, solution.id),
            value: quantity.value,
        });
    }
    all.sort_by(|(_, a), (_, b)| a.value.error.total_cmp(&b.value.error));
    for (_, quantity) in all {
        let known = out.iter().any(|q| q.name == quantity.name);
        if !known && !ambiguous(&quantity.name) {
            out.push(Quantity {
                name: quantity.name.clone(),
                value: quantity.value,
            });
        }
    }
    out
}
