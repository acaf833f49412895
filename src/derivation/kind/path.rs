//! The derivation of a least-action problem, step by step.

use crate::derivation::control::classical_limit::{canonical, momentum};
use crate::derivation::ground::as_typed::{self, CrossCheck, Point};
use crate::derivation::ground::controlled;
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::matrix::as_multiple_of_identity;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::stated::Stated;
use crate::derivation::kind::whole::{Derivation, Outline};
use crate::derivation::law::generator;
use crate::derivation::paths::path_action::{self, Functional};
use crate::derivation::structure::Finding;
use crate::expr::{Expr, Graph};

/// What a path problem adds to the expressions.
#[derive(Clone, Debug)]
pub struct Setting {
    pub functional: Functional,
    pub free_duration: bool,
    /// A potential with `f = -grad U + l`, `l . grad U = 0`, and its name.
    pub transverse: Option<(String, Expr)>,
    pub domain: Option<Vec<(f64, f64)>>,
}

/// Derives and executes the action and its stationary paths.
///
/// # Errors
/// [`Refuted`] if a step is false.
pub fn derive(
    stated: &Stated,
    setting: &Setting,
    structure: Vec<Finding>,
) -> Result<Derivation, Refuted> {
    let exact = &mut controlled::uncontrolled(stated);
    let shown = &mut exact.clone();
    let mut outline = Outline::default();
    let mut functional = setting.functional;
    let multiplicative = exact.is_multiplicative();
    if multiplicative && functional == Functional::OnsagerMachlup {
        outline.note("no Onsager-Machlup functional for noise that depends on the state: pass to unit noise first, z = int dx/sqrt(D) in one dimension");
        functional = Functional::FreidlinWentzell;
    }
    let free = setting.free_duration;
    let weight = path_action::lagrangian_step(exact, shown, functional)?;
    let motion = path_action::hamilton_step(exact, shown, functional, free)?;
    outline.steps.extend([weight, motion]);
    match (free, as_typed::is_invertible(exact)) {
        (true, true) => {
            let geometric = path_action::geometric_step(exact, shown)?;
            outline.steps.push(geometric);
        }
        (true, false) => outline.note(
            "no geometric action: without an inverse of D the speed along a curve is bound by x' = f + G w; over all durations H = 0",
        ),
        (false, _) => {}
    }
    let isotropic = as_multiple_of_identity(&exact.graph, &exact.diffusivity).is_some();
    if let (Some((name, potential)), true) = (&setting.transverse, isotropic) {
        let step = path_action::transverse_step(exact, shown, name, *potential)?;
        outline.steps.push(step);
    }
    if !multiplicative {
        let fluctuations = path_action::fluctuation_step(exact)?;
        outline.side_results.push(fluctuations);
    }
    let generator = generator::step(exact, shown, "generator")?;
    outline.side_results.push(generator);
    let check = cross_check(exact, stated, setting)?;
    Ok(outline.finished(exact.graph.clone(), structure, check))
}

/// Hamilton's equations of the small-noise action against forward-mode slopes of
/// `H = p . f + 1/2 |G' p|^2 / eps` as typed.
///
/// # Errors
/// [`Refuted`] at the first point where they differ.
fn cross_check(
    exact: &mut Noising,
    stated: &Stated,
    setting: &Setting,
) -> Result<Option<CrossCheck>, Refuted> {
    let metric = path_action::metric(exact);
    let p = momentum(&mut exact.graph, &exact.state);
    let h = path_action::hamiltonian(exact, &metric, Functional::FreidlinWentzell, &p);
    let system = canonical(&mut exact.graph, &exact.state, &p, h);
    let derived = [system.velocity, system.force].concat();
    let domain = setting.domain.as_deref();
    let mut places = as_typed::points(&stated.state, stated.time, domain, stated.horizon);
    for (n, at) in places.iter_mut().enumerate() {
        for (i, p) in p.iter().enumerate() {
            // Any momenta do, as long as they are generic.
            let phase = (7 * n + 3 * i + 1) as f64;
            at.push((*p, phase.sin()));
        }
    }
    let forward = |graph: &Graph, at: &Point| {
        let momenta = graph.evaluate_all(&p, at)?;
        let eps = graph.evaluate(metric.strength, at)?;
        motion_as_typed(graph, stated, &momenta, eps, at).map(as_typed::with_scale)
    };
    let claim = "Hamilton's equations, from the expressions as typed";
    let wanted = as_typed::points_wanted(places[0].len());
    as_typed::compare(&exact.graph, claim, &derived, (&places, wanted), forward)
}

/// `x' = f + G G'p / eps` and `p' = -d/dx (p . f + 1/2 |G' p|^2 / eps)` from the expressions as typed.
fn motion_as_typed(
    graph: &Graph,
    stated: &Stated,
    momenta: &[f64],
    eps: f64,
    at: &Point,
) -> Option<Vec<f64>> {
    let d = momenta.len();
    let typed = as_typed::coefficients(graph, &stated.drift, &stated.diffusion, at)?;
    let noises = typed.columns.len();
    let along = |column: &[f64]| -> f64 { column.iter().zip(momenta).map(|(g, p)| g * p).sum() };
    let pulled: Vec<f64> = typed.columns.iter().map(|column| along(column)).collect();
    let mut values = typed.drift.clone();
    for (i, value) in values.iter_mut().enumerate() {
        let pushes = typed.columns.iter().zip(&pulled);
        *value += pushes.map(|(column, w)| column[i] * w).sum::<f64>() / eps;
    }
    let mut roots = stated.drift.clone();
    roots.extend(stated.diffusion.iter().flatten());
    for x in &stated.state {
        let jets = graph.taylor(&roots, at, &[(*x, 1.0)])?;
        let slopes: Vec<f64> = jets.iter().map(|jet| jet[1]).collect();
        let changed = |k: usize| -> f64 {
            let column = (0..d).map(|i| slopes[d + i * noises + k]);
            column.zip(momenta).map(|(slope, p)| p * slope).sum()
        };
        let bent: f64 = (0..noises).map(|k| pulled[k] * changed(k)).sum();
        values.push(-along(&slopes[..d]) - bent / eps);
    }
    Some(values)
}
