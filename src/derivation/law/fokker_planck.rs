//! The law of the noising process.
//!
//! ```text
//! p_t = -div(f p) + 1/2 sum_ij d_i d_j (D_ij p),      p(x, 0) = p_0(x)
//! ```
//!
//! # Assumptions
//! Smooth coefficients and a flux that vanishes at infinity.
//!
//! # Source
//! Risken, *The Fokker–Planck Equation* (2nd ed. 1989), chapter 4; Song et al. (2021), appendix D.
//!
//! # Executed by
//! Duality with the Itô generator `L`: for all functions `p`, `phi`, the difference `phi L*p - p L phi` is
//! the divergence of an explicit vector.

use crate::derivation::ground::assumption::Assumption;
use crate::derivation::ground::evidence::{Evidence, Refuted};
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::notation;
use crate::derivation::ground::step::{Equation, Formula, Step};
use crate::expr::Expr;

const SOURCE: &str =
    "Risken, The Fokker-Planck Equation (1989), chapter 4; Song et al. (2021), appendix D";

/// The Fokker–Planck equation of the noising process.
pub fn equation(noising: &mut Noising) -> Equation {
    let p = noising.field("p");
    let residual = noising.fokker_planck_residual(p);
    let zero = noising.graph.zero();
    let (start, data) = (noising.at_time("p", zero), noising.at_end("p_0"));
    Equation::new("fokker-planck", p, residual, SOURCE)
        .closing(noising.of(start - data))
        .assuming(&[Assumption::SmoothCoefficients, Assumption::DecayAtInfinity])
}

/// `div( -phi f p + 1/2 phi div(D p) - 1/2 p D grad phi )`.
pub(super) fn boundary(noising: &mut Noising, phi: Expr, p: Expr) -> Expr {
    let slope = noising.gradient(phi);
    let (spread, diffused) = (noising.half_flux(p), noising.diffuse(&slope));
    let (carried, back) = (noising.of(-(phi * p)), noising.of(-p / 2));
    let drift = noising.drift.clone();
    let flux = noising.combine(&[(carried, &drift), (phi, &spread), (back, &diffused)]);
    noising.divergence(&flux)
}

/// `phi L*p - p L phi = div( -phi f p + 1/2 phi div(D p) - 1/2 p D grad phi )`.
///
/// # Errors
/// [`Refuted`] if it does not hold for the forward operator `operator` applied to `p`.
pub fn execute(noising: &mut Noising, p: Expr, operator: Expr) -> Result<Evidence, Refuted> {
    let phi = noising.field("phi");
    let generator = noising.generated(phi);
    let boundary = boundary(noising, phi, p);
    let difference = phi * operator - p * generator;
    noising.equal("phi L*p - p L phi is a divergence", difference, boundary)
}

/// The step: coefficients, the equation, and its duality with the generator.
///
/// # Errors
/// [`Refuted`] if the duality fails.
pub fn step(exact: &mut Noising, shown: &mut Noising, name: &'static str) -> Result<Step, Refuted> {
    let equation = equation(exact);
    let rate = exact.rate(equation.unknown);
    let operator = exact.of(rate - equation.residual);
    let evidence = execute(exact, equation.unknown, operator)?;
    let mut step = Step::new(name, "fokker-planck", SOURCE)
        .executed(
            "the right side is the adjoint of the Ito generator",
            evidence,
        )
        .line("dX = f dt + G dW,  D = G G'");
    for (name, value) in shown.definitions.clone() {
        step = step.line(notation::scalar(shown, format!("{name}(t)"), value));
    }
    step = step.line(notation::vector(shown, "f", &shown.drift.clone()));
    if shown.is_multiplicative() {
        step = step.line(notation::matrix(shown, "G", &shown.diffusion.clone()));
    }
    step = step.line(notation::matrix(shown, "D", &shown.diffusivity.clone()));
    if let [x] = shown.state[..] {
        return Ok(step.line(in_one_dimension(shown, x)).about(equation));
    }
    let p = shown.field("p");
    let residual = shown.fokker_planck_residual(p);
    Ok(step
        .line("p_t = -div(f p) + 1/2 div div(D p),   p(x,0) = p_0(x)")
        .lines(notation::rate(shown, p, residual))
        .about(equation))
}

/// `p_t = -d/dx[f p] + 1/2 d2/dx2[D p]` with its coefficients.
fn in_one_dimension(shown: &mut Noising, x: Expr) -> Formula {
    let (drift, diffusivity) = (shown.drift[0], shown.diffusivity[0][0]);
    let graph = &mut shown.graph;
    let x = Formula::new(graph.text(x), graph.latex(x));
    let carried = notation::multiple(graph, drift, "p");
    let spread = notation::multiple(graph, diffusivity, "p");
    let drifted = if graph.is_zero(drift) {
        "".into()
    } else {
        let slope = Formula::new(
            format!("d/d{}", x.text),
            format!("\\frac{{\\partial}}{{\\partial {}}}", x.latex),
        );
        Formula::of("-{}[{}] + ", &[&slope, &carried])
    };
    let second = Formula::new(
        format!("d2/d{}2", x.text),
        format!("\\frac{{\\partial^2}}{{\\partial {}^2}}", x.latex),
    );
    Formula::of(
        "p_t = {}1/2 {}[{}],   p({},0) = p_0({})",
        &[&drifted, &second, &spread, &x, &x],
    )
}
