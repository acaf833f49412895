//! The derivation of a least-action problem, step by step.

use crate::derivation::control::classical_limit::{canonical, momentum};
use crate::derivation::ground::as_typed;
use crate::derivation::ground::controlled;
use crate::derivation::ground::evidence::Refuted;
use crate::derivation::ground::matrix::as_multiple_of_identity;
use crate::derivation::ground::noising::Noising;
use crate::derivation::ground::stated::Stated;
use crate::derivation::ground::step::Step;
use crate::derivation::kind::whole::{CrossCheck, Derivation};
use crate::derivation::law::generator;
use crate::derivation::paths::path_action::{self, Functional};
use crate::derivation::structure::Finding;
use crate::expr::Expr;

/// What a path problem adds to the expressions.
#[derive(Clone, Debug)]
pub struct Setting {
    pub functional: Functional,
    pub free_duration: bool,
    /// A potential with `f = -grad U + l`, `l . grad U = 0`: its name, and its expression in the graphs of
    /// the two statements.
    pub transverse: Option<(String, Expr, Expr)>,
    pub domain: Option<Vec<(f64, f64)>>,
}

/// Derives and executes the action and its stationary paths.
///
/// # Errors
/// [`Refuted`] if a step is false.
pub fn derive(
    stated: &Stated,
    shown: &Stated,
    setting: &Setting,
    structure: Vec<Finding>,
) -> Result<Derivation, Refuted> {
    let mut exact = controlled::uncontrolled(stated);
    let mut written = controlled::uncontrolled(shown);
    let mut notes = Vec::new();
    let multiplicative = exact.is_multiplicative();
    let functional = if multiplicative && setting.functional == Functional::OnsagerMachlup {
        notes.push(
            "no Onsager-Machlup functional for noise that depends on the state: pass to unit noise first, z = int dx/sqrt(D) in one dimension"
                .to_owned(),
        );
        Functional::FreidlinWentzell
    } else {
        setting.functional
    };
    let mut steps: Vec<Step> = vec![
        path_action::lagrangian_step(&mut exact, &mut written, functional)?,
        path_action::hamilton_step(&mut exact, &mut written, functional, setting.free_duration)?,
    ];
    if setting.free_duration {
        steps.push(path_action::geometric_step(&mut exact, &mut written)?);
    }
    let isotropic = as_multiple_of_identity(&exact.graph, &exact.diffusivity).is_some();
    if let (Some((name, potential, shown_potential)), true) = (&setting.transverse, isotropic) {
        steps.push(path_action::transverse_step(
            &mut exact,
            &mut written,
            name,
            *potential,
            *shown_potential,
        )?);
    }
    let mut side_results = Vec::new();
    if !multiplicative {
        side_results.push(path_action::fluctuation_step(&mut exact)?);
    }
    side_results.push(generator::step(&mut exact, &mut written, "generator")?);
    let check = cross_check(&mut exact, stated, setting)?;
    Ok(Derivation::numbered(
        exact.graph,
        steps,
        side_results,
        structure,
        check,
        notes,
    ))
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
    let (d, state) = (exact.dimension(), exact.state.clone());
    let p = momentum(&mut exact.graph, &state);
    let h = path_action::hamiltonian(exact, &metric, Functional::FreidlinWentzell, &p);
    let system = canonical(&mut exact.graph, &state, &p, h);
    let mut derived = system.velocity.clone();
    derived.extend(&system.force);
    let mut places = as_typed::points(
        &stated.state,
        stated.time,
        setting.domain.as_deref(),
        stated.horizon,
    );
    for (n, at) in places.iter_mut().enumerate() {
        for (i, p) in p.iter().enumerate() {
            // Any momenta do, as long as they are generic.
            let phase = (7 * n + 3 * i + 1) as f64;
            at.push((*p, phase.sin()));
        }
    }
    let strength = metric.strength;
    let noises = stated.diffusion.first().map_or(0, Vec::len);
    as_typed::compare(
        &exact.graph,
        "Hamilton's equations",
        &derived,
        &places,
        |graph, at| {
            let momenta = graph.evaluate_all(&p, at)?;
            let eps = graph.evaluate(strength, at)?;
            let coefficients = as_typed::coefficients(graph, &stated.drift, &stated.diffusion, at)?;
            let pulled: Vec<f64> = coefficients
                .columns
                .iter()
                .map(|column| column.iter().zip(&momenta).map(|(g, p)| g * p).sum())
                .collect();
            let mut values: Vec<f64> = (0..d)
                .map(|i| {
                    let push: f64 = coefficients
                        .columns
                        .iter()
                        .zip(&pulled)
                        .map(|(column, w)| column[i] * w)
                        .sum();
                    coefficients.drift[i] + push / eps
                })
                .collect();
            let mut roots = stated.drift.clone();
            roots.extend(stated.diffusion.iter().flatten());
            for x in &stated.state {
                let jets = graph.taylor(&roots, at, &[(*x, 1.0)])?;
                let carried: f64 = (0..d).map(|i| momenta[i] * jets[i][1]).sum();
                let bent: f64 = (0..noises)
                    .map(|k| {
                        let change: f64 = (0..d)
                            .map(|i| momenta[i] * jets[d + i * noises + k][1])
                            .sum();
                        pulled[k] * change
                    })
                    .sum();
                values.push(-carried - bent / eps);
            }
            Some(values)
        },
    )
}
