//! The steps of a control problem as identities between matrices, for problems too large to write out.
//!
//! Letters: the drift `b`, the channel `B`, the effort `R` with inverse `K`, the diffusivity `D`, the gradient `g` and
//! curvature `H` of the value, the control `u`. They stand for matrices of every size and with every entry, so a proof
//! here holds for each problem that can be taken apart; what is particular to one (that its parts make up what was
//! typed, that `D` is a multiple of `B R^-1 B'`) is executed on its entries.
//!
//! # Executed by
//! The same steps, entry by entry, in problems of up to [`WRITTEN_OUT`] states and controls.

use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::words::{
    WRITTEN_OUT, Words, half, matrix, same, scalar, symmetric, vector,
};

/// Whether a problem is too large to be written out.
pub(crate) fn is_large(controlled: &ControlledDiffusion) -> bool {
    controlled.dimension().max(controlled.control.len()) > WRITTEN_OUT
}

/// `q + 1/2 u'Ru + (b + B u) . g + 1/2 tr(D H)`.
fn bracket(control: &Words) -> Words {
    let push = matrix("B") * control;
    let effort = half() * control.dot(&(symmetric("R") * control));
    scalar("q") + effort + (vector("b") + push).dot(&vector("g")) + spread()
}

/// `1/2 tr(D H)`.
fn spread() -> Words {
    half() * (symmetric("D") * symmetric("H")).trace()
}

/// `-R^-1 B' g`.
fn policy() -> Words {
    -(symmetric("K") * matrix("B").transpose() * vector("g"))
}

/// `B R^-1 B'`.
fn authority() -> Words {
    matrix("B") * symmetric("K") * matrix("B").transpose()
}

/// `q + b . g + 1/2 tr(D H) - 1/2 g . B R^-1 B' g`.
fn minimum() -> Words {
    let saved = half() * vector("g").dot(&(authority() * vector("g")));
    scalar("q") + vector("b").dot(&vector("g")) + spread() - saved
}

/// `1/2 (u - u*)' R (u - u*)`.
fn waste() -> Words {
    let missed = vector("u") - policy();
    half() * missed.dot(&(symmetric("R") * &missed))
}

fn identity(claim: &str, left: &Words, right: &Words) -> Result<Evidence, Refuted> {
    same(
        claim,
        &left.cancelling("R", "K"),
        &right.cancelling("R", "K"),
    )
}

/// For every control the bracket is its minimum plus `1/2 (u - u*)' R (u - u*)`.
///
/// # Errors
/// [`Refuted`] if it is not.
pub(crate) fn square() -> Result<Evidence, Refuted> {
    let claim = "the bracket is its minimum plus 1/2 (u - u*)'R(u - u*)";
    identity(claim, &bracket(&vector("u")), &(minimum() + waste()))
}

/// The derivative of the bracket in `u` is `R u + B'g`, and vanishes at `u*`.
///
/// # Errors
/// [`Refuted`] if the bracket is not stationary there.
pub(crate) fn stationary() -> Result<Evidence, Refuted> {
    let slope = bracket(&vector("u")).gradient("u");
    let linear = symmetric("R") * vector("u") + matrix("B").transpose() * vector("g");
    let curved = identity("the curvature of the bracket is R", &slope, &linear)?;
    let there = slope.with("u", &policy());
    let claim = "the bracket is stationary at u*";
    Ok(curved.and(identity(claim, &there, &Words::default())?))
}

/// The bracket at `u*` is the minimum.
///
/// # Errors
/// [`Refuted`] if the minimum is another one.
pub(crate) fn eliminated() -> Result<Evidence, Refuted> {
    let claim = "the bracket at u* is the right side";
    identity(claim, &bracket(&policy()), &minimum())
}

/// `V = -lambda log psi` with `D = lambda B R^-1 B'`: in terms of `s = grad log psi` and `W = grad grad psi / psi` the
/// minimum is `q - lambda (b . s + 1/2 tr(D W))`.
///
/// # Errors
/// [`Refuted`] if the transformed equation is another one.
pub(crate) fn linear() -> Result<Evidence, Refuted> {
    let lambda = scalar("lambda");
    let (slope, curvature) = (vector("s"), symmetric("W"));
    let outer = &slope * slope.transpose();
    let transformed = minimum()
        .with("g", &-(&lambda * &slope))
        .with("H", &-(&lambda * (&curvature - outer)));
    let generated = vector("b").dot(&slope) + half() * (symmetric("D") * &curvature).trace();
    let expected = scalar("q") - &lambda * generated;
    let at = |words: &Words| words.with("D", &(&lambda * authority()));
    let claim = "V = -lambda log psi makes the equation linear";
    same(claim, &at(&transformed), &at(&expected))
}

/// Conditioning by `psi` adds `D s`, `s = grad log psi`, to the drift, and that is `B u*` at `V = -lambda log psi`.
///
/// # Errors
/// [`Refuted`] if the conditioned drift is another one.
pub(crate) fn conditioned() -> Result<Evidence, Refuted> {
    let (s, w) = (vector("s"), symmetric("W"));
    let (slope, curvature, phi) = (vector("f"), symmetric("F"), scalar("phi"));
    let (b, d) = (vector("b"), symmetric("D"));
    // The generator on psi phi and on psi, over psi.
    let both = &curvature + &slope * s.transpose() + &s * slope.transpose() + &phi * &w;
    let whole = b.dot(&(&slope + &phi * &s)) + half() * (&d * both).trace();
    let solved = &phi * (b.dot(&s) + half() * (&d * &w).trace());
    let drift = &b + &d * &s;
    let right = drift.dot(&slope) + half() * (&d * &curvature).trace();
    let claim = "conditioning by psi adds D grad log psi to the drift";
    let doob = same(claim, &(whole - solved), &right)?;
    let lambda = scalar("lambda");
    let push = matrix("B") * policy().with("g", &-(&lambda * &s));
    let added = (&d * &s).with("D", &(&lambda * authority()));
    Ok(doob.and(same("B u* = D grad log psi", &push, &added)?))
}

/// `V = 1/2 x'P x + r.x + c` with the rates of the Riccati system solves the Hamilton–Jacobi–Bellman equation.
///
/// # Errors
/// [`Refuted`] if the rates are others.
pub(crate) fn riccati() -> Result<Evidence, Refuted> {
    let x = vector("x");
    let (form, slope, rho) = (symmetric("P"), vector("r"), scalar("rho"));
    let (a, shift) = (matrix("A"), vector("a"));
    let (cost, price) = (symmetric("Q"), vector("k"));
    let s = authority();
    let value = |form: &Words, slope: &Words, constant: &Words| {
        half() * x.dot(&(form * &x)) + slope.dot(&x) + constant
    };
    let form_rate = &rho * &form - a.transpose() * &form - &form * &a + &form * &s * &form - &cost;
    let steered = &a - &s * &form;
    let slope_rate = &rho * &slope - steered.transpose() * &slope - &form * &shift - &price;
    let constant_rate = &rho * scalar("c") - shift.dot(&slope) + half() * slope.dot(&(&s * &slope))
        - half() * (symmetric("D") * &form).trace()
        - scalar("q_0");
    let passing =
        value(&form_rate, &slope_rate, &constant_rate) - &rho * value(&form, &slope, &scalar("c"));
    let least = minimum()
        .with("b", &(&a * &x + &shift))
        .with("q", &value(&cost, &price, &scalar("q_0")))
        .with("g", &(&form * &x + &slope))
        .with("H", &form);
    let claim = "1/2 x'P x + r.x + c solves the Hamilton-Jacobi-Bellman equation";
    identity(claim, &(passing + least), &Words::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identity_holds() {
        for proof in [square, stationary, eliminated, linear, conditioned, riccati] {
            assert_eq!(proof(), Ok(Evidence::Proved));
        }
    }

    #[test]
    fn slips_are_refuted() {
        let twice = minimum() + spread();
        assert!(identity("twice the noise", &bracket(&policy()), &twice).is_err());
        let bent = bracket(&vector("u")).with("b", &-vector("b"));
        assert!(identity("another drift", &bent, &(minimum() + waste())).is_err());
    }
}
