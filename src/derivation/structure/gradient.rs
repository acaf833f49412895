//! Whether the drift is a gradient.
//!
//! Mixed derivatives decide where the drift is continuous. Across a jump they say nothing, so a drift that jumps in another
//! state than its own is no proof, whatever its derivatives off the jump.

use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::matrix::{self, as_multiple_of_identity};
use crate::derivation::ground::noising::Noising;
use crate::expr::Expr;

/// In which metric the drift is a gradient, and how that was made sure of.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    pub evidence: Evidence,
    pub because: &'static str,
}

/// `d_j f_i - d_i f_j` where it does not vanish.
#[derive(Clone, Debug, PartialEq)]
pub struct Asymmetry {
    pub pair: (usize, usize),
    pub difference: Expr,
}

/// The Jacobian of `f` is symmetric, or that of `D^-1 f` for constant `D`.
///
/// # Errors
/// The first pair of states whose derivatives differ.
pub fn gradient(noising: &mut Noising) -> Result<Gradient, Asymmetry> {
    let because = match noising.dimension() {
        1 => "one state",
        _ => "the Jacobian of f is symmetric",
    };
    match symmetric(noising, &noising.drift.clone()) {
        Ok(evidence) => Ok(Gradient { evidence, because }),
        Err(asymmetry) => match in_metric(noising) {
            Some(evidence) => Ok(Gradient {
                evidence,
                because: "the Jacobian of D^-1 f is symmetric",
            }),
            None => Err(asymmetry),
        },
    }
}

/// Whether a component of a field may jump where another coordinate than its own changes.
fn jumps_across(noising: &Noising, field: &[Expr]) -> bool {
    field.iter().enumerate().any(|(i, f)| {
        let others = noising.state.iter().enumerate().filter(|(j, _)| *j != i);
        let others: Vec<Expr> = others.map(|(_, x)| *x).collect();
        let jumps = noising.graph.jumps(*f);
        jumps
            .into_iter()
            .any(|jump| noising.graph.depends_on_any(jump, &others))
    })
}

/// The first pair of a vector field whose Jacobian is not symmetric, with the difference.
fn symmetric(noising: &mut Noising, field: &[Expr]) -> Result<Evidence, Asymmetry> {
    let mut evidence = match jumps_across(noising, field) {
        true => Evidence::Stated,
        false => Evidence::Proved,
    };
    for i in 0..field.len() {
        for j in 0..i {
            let across = noising.graph.derivative(field[i], noising.state[j]);
            let back = noising.graph.derivative(field[j], noising.state[i]);
            if across == back {
                continue;
            }
            let compared: Result<_, Refuted> =
                noising.equal("the Jacobian is symmetric", across, back);
            evidence = evidence.and(compared.map_err(|_| Asymmetry {
                pair: (i, j),
                difference: noising.of(across - back),
            })?);
        }
    }
    Ok(evidence)
}

/// Whether `D^-1 f` is a gradient, for a constant `D` that is no multiple of the identity.
fn in_metric(noising: &mut Noising) -> Option<Evidence> {
    let moving = noising.coordinates();
    let graph = &mut noising.graph;
    let mut entries = noising.diffusivity.iter().flatten();
    let constant = !entries.any(|e| graph.depends_on_any(*e, &moving));
    if !constant || as_multiple_of_identity(graph, &noising.diffusivity).is_some() {
        return None;
    }
    let inverse = matrix::inverse(graph, &noising.diffusivity)?;
    let scaled = matrix::apply(graph, &inverse, &noising.drift);
    symmetric(noising, &scaled).ok()
}
