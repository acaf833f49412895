//! What the diffusion matrix does with the state.

use super::affine::affine_part;
use super::finding::{Finding, shown};
use crate::derivation::ground::evidence::Evidence;
use crate::derivation::ground::matrix::transpose;
use crate::derivation::ground::noising::Noising;
use crate::expr::Expr;

/// The first entry of `G` that contains a state, with that state.
pub(super) fn state_in_noise(noising: &Noising) -> Option<(usize, usize, String)> {
    for (i, row) in noising.diffusion.iter().enumerate() {
        for (k, entry) in row.iter().enumerate() {
            let mut found = noising.graph.symbols(&[*entry]);
            found.retain(|e| noising.state.contains(e));
            if let Some(x) = found.first() {
                return Some((i, k, noising.graph.text(*x)));
            }
        }
    }
    None
}

/// The entry of `G` with every state at zero, or a constant where that is nothing.
pub(super) fn noise_without_state(noising: &mut Noising, i: usize, k: usize) -> String {
    let entry = noising.diffusion[i][k];
    let at_rest = at_rest(noising, entry);
    if noising.graph.is_zero(at_rest) {
        format!("a constant for G[{i}][{k}]")
    } else {
        format!(
            "G[{i}][{k}] = {} (its value where the state is 0)",
            shown(noising, at_rest)
        )
    }
}

/// An expression with every state at zero.
fn at_rest(noising: &mut Noising, e: Expr) -> Expr {
    let zero = noising.graph.zero();
    let origin: Vec<_> = noising.state.iter().map(|x| (*x, zero)).collect();
    noising.graph.substitute(e, &origin)
}

/// `S` contains no state.
pub(super) fn additive(noising: &mut Noising) -> Finding {
    let found = match state_in_noise(noising) {
        None => Finding::found("additive-noise", "G does not contain the state"),
        Some((i, k, name)) => {
            let entry = noising.diffusion[i][k];
            let because = format!("G[{i}][{k}] = {} contains {name}", shown(noising, entry));
            let nearest = noise_without_state(noising, i, k);
            Finding::missing("additive-noise", because, nearest).blocked_by(entry)
        }
    };
    found.unlocking(
        "D = D(t): b = -f, q = div f; strong order 1 for Euler-Maruyama",
        "no entry of G contains a state",
    )
}

/// The Lie brackets of the columns of `G` vanish: `(G_k . grad) G_l = (G_l . grad) G_k`.
pub(super) fn commutative(noising: &mut Noising) -> Finding {
    const UNLOCKS: (&str, &str) = (
        "Milstein steps without Levy areas",
        "(G_k.grad) G_l = (G_l.grad) G_k for every two noises",
    );
    let noises = noising.noises();
    let plain = if noises == 1 {
        Some("one noise")
    } else if state_in_noise(noising).is_none() {
        Some("G does not contain the state")
    } else {
        None
    };
    if let Some(because) = plain {
        return Finding::found("commutative-noise", because).unlocking(UNLOCKS.0, UNLOCKS.1);
    }
    let columns = transpose(&noising.diffusion);
    let mut evidence = Evidence::Proved;
    let mut missing = None;
    'pairs: for k in 0..noises {
        for l in 0..k {
            let (a, b) = (&columns[k], &columns[l]);
            for i in 0..noising.dimension() {
                let (onto, back) = (noising.gradient(b[i]), noising.gradient(a[i]));
                let (left, right) = (noising.dot(a, &onto), noising.dot(b, &back));
                match noising.equal("the bracket vanishes", left, right) {
                    Ok(found) => evidence = evidence.and(found),
                    Err(_) => {
                        let bracket = noising.of(left - right);
                        let bracket = noising.graph.expand(bracket);
                        missing = Some((l, k, i, bracket));
                        break 'pairs;
                    }
                }
            }
        }
    }
    let found = match missing {
        None => Finding::found(
            "commutative-noise",
            "the brackets of the noise columns vanish",
        )
        .by(evidence),
        Some((l, k, i, bracket)) => Finding::missing(
            "commutative-noise",
            format!(
                "noises {l} and {k}: component {i} of their bracket is {}",
                shown(noising, bracket)
            ),
            format!(
                "let noise {k} act on a state of its own, without the states noise {l} acts on"
            ),
        )
        .blocked_by(bracket),
    };
    found.unlocking(UNLOCKS.0, UNLOCKS.1)
}

/// `S` is affine in the state.
pub(super) fn linear(noising: &mut Noising) -> Finding {
    let state = noising.state.clone();
    const NAME: &str = "linear-noise-in-state";
    let mut found = Finding::found(NAME, "every entry of G is affine in the state");
    'entries: for (i, row) in noising.diffusion.clone().iter().enumerate() {
        for (k, entry) in row.iter().enumerate() {
            if noising.graph.affine_coefficients(*entry, &state).is_none() {
                let kept = affine_part(noising, *entry);
                let because = format!(
                    "G[{i}][{k}] = {} is not affine in the state",
                    shown(noising, *entry)
                );
                let nearest = format!("G[{i}][{k}] = {} (its affine terms)", shown(noising, kept));
                found = Finding::missing(NAME, because, nearest).blocked_by(*entry);
                break 'entries;
            }
        }
    }
    found.unlocking(
        "exact moments, with an affine drift",
        "every entry of G affine in the state",
    )
}
