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
use crate::derivation::ground::evidence::{Evidence, Refuted, equal};
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
    Equation {
        id: "fokker-planck",
        unknown: p,
        residual,
        closes_with: vec![noising.graph.sub(start, data)],
        assumes: vec![Assumption::SmoothCoefficients, Assumption::DecayAtInfinity],
        source: SOURCE,
    }
}

/// `phi L*p - p L phi = div( -phi f p + 1/2 phi div(D p) - 1/2 p D grad phi )`.
///
/// # Errors
/// [`Refuted`] if it does not hold for the forward operator `operator` applied to `p`.
pub fn execute(noising: &mut Noising, p: Expr, operator: Expr) -> Result<Evidence, Refuted> {
    let phi = noising.field("phi");
    let slope = noising.gradient(phi);
    let drift = noising.drift.clone();
    let generator = noising.generator(&drift, phi);
    let (spread, diffused) = (noising.half_flux(p), noising.diffuse(&slope));
    let carried = noising.graph.mul(&[phi, p]);
    let carried = noising.graph.neg(carried);
    let half = noising.graph.rational(-1, 2);
    let back = noising.graph.mul(&[half, p]);
    let flux = noising.combine(&[(carried, &drift), (phi, &spread), (back, &diffused)]);
    let boundary = noising.divergence(&flux);
    let forward = noising.graph.mul(&[phi, operator]);
    let backward = noising.graph.mul(&[p, generator]);
    let difference = noising.graph.sub(forward, backward);
    equal(
        &mut noising.graph,
        "phi L*p - p L phi is a divergence",
        difference,
        boundary,
    )
}

/// The step: coefficients, the equation, and its duality with the generator.
///
/// # Errors
/// [`Refuted`] if the duality fails.
pub fn step(exact: &mut Noising, shown: &mut Noising) -> Result<Step, Refuted> {
    step_named(exact, shown, "law of the noising process")
}

/// The step under another name.
///
/// # Errors
/// [`Refuted`] if the duality fails.
pub fn step_named(
    exact: &mut Noising,
    shown: &mut Noising,
    name: &'static str,
) -> Result<Step, Refuted> {
    let equation = equation(exact);
    let rate = exact.graph.derivative(equation.unknown, exact.time);
    let operator = exact.graph.sub(rate, equation.residual);
    let evidence = execute(exact, equation.unknown, operator)?;
    let mut statement = vec![Formula::new(
        "dX = f dt + G dW,  D = G G'",
        "dX = f \\, dt + G \\, dW, \\qquad D = G G^\\top",
    )];
    for (name, value) in shown.definitions.clone() {
        let name = Formula::new(
            format!("{name}(t)"),
            format!("{}(t)", crate::expr::latex_name(&name)),
        );
        statement.push(notation::scalar(shown, &name, value));
    }
    let (drift, diffusion) = (shown.drift.clone(), shown.diffusion.clone());
    let diffusivity = shown.diffusivity.clone();
    statement.push(notation::vector(shown, &Formula::new("f", "f"), &drift));
    if shown.is_multiplicative() {
        statement.push(notation::matrix(shown, &Formula::new("G", "G"), &diffusion));
    }
    statement.push(notation::matrix(
        shown,
        &Formula::new("D", "D"),
        &diffusivity,
    ));
    if let [x] = shown.state[..] {
        statement.push(in_one_dimension(shown, x));
        return Ok(finished(name, statement, equation, evidence));
    }
    statement.push(Formula::new(
        "p_t = -div(f p) + 1/2 div div(D p),   p(x,0) = p_0(x)",
        "\\partial_t p = -\\nabla \\cdot (f p) + \\frac{1}{2} \\nabla\\nabla : (D p), \\qquad p(x,0) = p_0(x)",
    ));
    let p = shown.field("p");
    let residual = shown.fokker_planck_residual(p);
    statement.extend(notation::rate(shown, p, residual));
    Ok(finished(name, statement, equation, evidence))
}

fn finished(
    name: &'static str,
    statement: Vec<Formula>,
    equation: Equation,
    evidence: Evidence,
) -> Step {
    let executes = "the right side is the adjoint of the Ito generator";
    Step::new(name, "fokker-planck", SOURCE, executes, evidence)
        .lines(statement)
        .about(equation)
}

/// `p_t = -d/dx[f p] + 1/2 d2/dx2[D p]` with its coefficients.
fn in_one_dimension(shown: &mut Noising, x: Expr) -> Formula {
    let x = Formula::new(shown.graph.text(x), shown.graph.latex(x));
    let p = Formula::new("p", "p");
    let (drift, diffusivity) = (shown.drift[0], shown.diffusivity[0][0]);
    let graph = &mut shown.graph;
    let carried = notation::combination(graph, &[(drift, p.clone())]);
    let spread = notation::combination(graph, &[(diffusivity, p)]);
    let drifted = if graph.is_zero(drift) {
        (String::new(), String::new())
    } else {
        (
            format!("-d/d{}[{}] + ", x.text, carried.text),
            format!(
                "-\\frac{{\\partial}}{{\\partial {}}}\\left[{}\\right] + ",
                x.latex, carried.latex
            ),
        )
    };
    Formula::new(
        format!(
            "p_t = {}1/2 d2/d{}2[{}],   p({},0) = p_0({})",
            drifted.0, x.text, spread.text, x.text, x.text
        ),
        format!(
            "\\partial_t p = {}\\frac{{1}}{{2}} \\frac{{\\partial^2}}{{\\partial {}^2}}\\left[{}\\right], \\qquad p({},0) = p_0({})",
            drifted.1, x.latex, spread.latex, x.latex, x.latex
        ),
    )
}
