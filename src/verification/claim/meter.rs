//! Measuring the sides of a claim, as the user wrote them: no rule of a proof is used.
//!
//! | functional | route |
//! |---|---|
//! | `E[F(X_t, t)]` under the law of the noising process | lattice quadrature of the exact law; draws of `(X_0, X_t)` where conditional scores or random directions enter |
//! | integrals over time | Gauss–Legendre panels at two sizes |
//! | path functionals, controlled laws | simulated paths at two step sizes, extrapolated |
//! | variations | central differences at two steps on the same noise |
//! | `kl(P, Q)` | the log ratio of the transition densities of the two processes, along paths of P |

use crate::comparison::expectation::Cloud;
use crate::derivation::claim::form::{Form, Forms, Increment, Reading};
use crate::derivation::claim::ground::{Ground, Law};
use crate::derivation::claim::identity::Opened;
use crate::derivation::ground::matrix;
use crate::expr::{Expr, Graph, Node};
use crate::field::draws::{draw_mixture, draw_transition};
use crate::numeric::batch::Batch;
use crate::numeric::blocks::pairwise_sum;
use crate::numeric::quadrature::Rule;
use crate::problem::meant::law::Mixture;
use crate::verification::claim::line::{Break, expectation};
use crate::verification::claim::numbers::{Compiled, Numbers, Unmeasured};
use crate::verification::claim::paths::{Sampling, along_paths, body_values, source};
use crate::verification::claim::stencil;
use crate::verification::claim::value::{Measured, Source};
use std::collections::HashMap;
use std::num::NonZeroUsize;

/// Nodes per panel and panels of the coarser of two time rules.
const TIME_NODES: usize = 6;
const PANELS: usize = 5;
/// Rounding of a mean, relative to its size.
const ROUNDING: f64 = 1e-14;
/// Steps of time derivatives of a mean, relative to the horizon: of a law that is known, and along paths.
const MEAN_STEP: f64 = 5e-3;
const PATH_STEP: f64 = 2e-2;
/// Largest state of a lattice.
const LATTICE_STATES: usize = 3;
/// Part of the change between two step sizes taken as the error left after extrapolation: that of a first-order
/// scheme falls with the square of the step, by `rate * step / 2` of the change.
const LEFT_AFTER_EXTRAPOLATION: f64 = 0.1;
/// Relative steps of a variation.
const VARIATION_STEP: f64 = 0.05;

/// Most paths, and steps of each, one measurement may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    pub paths: usize,
    pub steps: usize,
}

/// A functional path by path: extrapolated in the step, and the change between the two steps.
struct Sampled {
    extrapolated: Vec<f64>,
    changes: Vec<f64>,
}

/// Measures functionals of one opened identity.
pub struct Meter<'a> {
    pub numbers: &'a Numbers,
    pub ground: Ground,
    pub forms: Forms,
    effort: Effort,
    // Only looked up, never iterated.
    known: HashMap<(Form, u32, u64), Measured>,
}

impl<'a> Meter<'a> {
    pub fn new(numbers: &'a Numbers, opened: &Opened, effort: Effort) -> Self {
        Self {
            numbers,
            ground: opened.ground.clone(),
            forms: opened.forms.clone(),
            effort,
            known: HashMap::new(),
        }
    }

    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// Forgets what was measured with another effort.
    pub fn set_effort(&mut self, effort: Effort) {
        self.effort = effort;
        self.known.clear();
    }

    fn graph(&mut self) -> &mut Graph {
        &mut self.ground.noising.graph
    }

    /// The functionals below an expression.
    fn atoms(&self, e: Expr) -> Vec<Expr> {
        self.forms.atoms(&self.ground.noising.graph, e)
    }

    /// What a functional is, and how often it is differentiated by time.
    fn form(&self, atom: Expr) -> Option<(&Form, u32)> {
        self.forms.form(&self.ground.noising.graph, atom)
    }

    fn atom(&mut self, form: Form) -> Expr {
        let noising = &mut self.ground.noising;
        self.forms.atom(&mut noising.graph, noising.time, form)
    }

    /// An expression with a symbol in the place of every functional, and the symbols.
    fn flat(&mut self, e: Expr, atoms: &[Expr]) -> (Expr, Vec<Expr>) {
        let graph = self.graph();
        let symbols: Vec<Expr> = (0..atoms.len())
            .map(|k| graph.symbol(&format!("#part{k}")))
            .collect();
        let images: Vec<(Expr, Expr)> = atoms.iter().copied().zip(symbols.clone()).collect();
        (graph.substitute(e, &images), symbols)
    }

    /// A number, or a function of time at `t`.
    ///
    /// # Errors
    /// [`Unmeasured`] with what has no value.
    pub fn number(&mut self, e: Expr, t: f64) -> Result<Measured, Unmeasured> {
        let atoms = self.atoms(e);
        let mut parts = Vec::with_capacity(atoms.len());
        for atom in &atoms {
            let found = self.form(*atom);
            let (form, order) = found.ok_or(Unmeasured::Unsupported("an unknown functional"))?;
            let form = form.clone();
            parts.push(self.functional(&form, order, t)?);
        }
        let time = self.ground.noising.time;
        let (flat, slots) = self.flat(e, &atoms);
        let values = parts.iter().map(|part| part.value);
        let mut at: Vec<(Expr, f64)> = slots.iter().copied().zip(values).collect();
        at.push((time, t));
        let graph = self.graph();
        let mut roots = vec![flat];
        roots.extend(slots.iter().map(|slot| graph.derivative(flat, *slot)));
        if let Node::Sum(_, terms) = graph.node(flat) {
            for (term, factor) in terms.clone() {
                roots.push(graph.linear(&[(factor, term)]));
            }
        }
        let Some(values) = graph.evaluate_all(&roots, &at) else {
            return Err(Unmeasured::NoValue(graph.text(flat)));
        };
        if values.iter().any(|v| !v.is_finite()) {
            let what = format!("{} at t = {t:.4}", graph.text(flat));
            return Err(Unmeasured::Infinite(what));
        }
        let slopes: Vec<(f64, &Measured)> = values[1..].iter().copied().zip(&parts).collect();
        let mut total = Measured::combined(values[0], &slopes);
        let terms = values[1 + slots.len()..].iter();
        total.scale = terms.fold(total.scale, |m, v| m.max(v.abs()));
        Ok(total)
    }

    fn functional(&mut self, form: &Form, order: u32, t: f64) -> Result<Measured, Unmeasured> {
        let key = (form.clone(), order, t.to_bits());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let measured = self.measured(form, order, t)?;
        self.known.insert(key, measured.clone());
        Ok(measured)
    }

    fn measured(&mut self, form: &Form, order: u32, t: f64) -> Result<Measured, Unmeasured> {
        match form {
            Form::Mean { law, body } if order == 0 => self.mean(law, *body, t),
            Form::Mean { law, body } => self.rate_of_mean(law, *body, order, t),
            Form::PathMean { law, body } => self.path_mean(law, *body),
            Form::TimeIntegral(body) => self.time_integral(*body),
            Form::Variation { body, parameter } => self.variation(*body, *parameter, t),
            Form::Divergence { of, from } => self.divergence(of, from),
            Form::Start(_) | Form::End(_) | Form::Integral(_) | Form::Stochastic { .. } => {
                Err(Unmeasured::Unsupported("a path functional outside E[...]"))
            }
        }
    }

    /// `E[body(X_t, t)]`.
    fn mean(&mut self, law: &Law, body: Expr, t: f64) -> Result<Measured, Unmeasured> {
        let Some(mixture) = self.numbers.law_at(law, t) else {
            return self.mean_by_paths(law, body, t);
        };
        let compiled = self.numbers.compile(&self.ground, &[body])?;
        if compiled.uses_origin || compiled.uses_slice {
            return self.mean_by_pairs(law, &compiled, t);
        }
        if mixture.dimension() == 1 {
            return self.mean_on_the_line(&mixture, &compiled, body, t);
        }
        let known = compiled.at(self.numbers, t)?;
        let lattice = mixture.dimension() <= LATTICE_STATES;
        let cloud = if lattice {
            Cloud::lattice(&mixture)
        } else {
            let stream = self.numbers.streams.role("draws");
            Cloud::draws(draw_mixture(&mixture, &stream, 0, self.effort.paths))
        };
        let values = cloud.map(|x| {
            let mut out = Batch::zeros(x.points(), 1);
            compiled.eval(t, &known, x, None, None, out.as_mut());
            out.column(0).to_vec()
        });
        if !lattice {
            return Ok(Measured::from_draws(Source::Draws, values, 0.0));
        }
        let mean = match self.breaks(body).is_empty() {
            true => cloud.mean(&values),
            false => cloud.rough_mean(&values),
        };
        let sizes: Vec<f64> = values.iter().map(|v| v.abs()).collect();
        let scale = cloud.mean(&sizes).value;
        Ok(Measured {
            value: mean.value,
            bias: mean.error + cloud.edge(&values),
            deviations: Vec::new(),
            scale,
        })
    }

    /// Where `body` is not smooth in the state, each with whether it is a `floor`.
    fn breaks(&mut self, body: Expr) -> Vec<(Expr, bool)> {
        let state = self.ground.noising.state.clone();
        let mut found = self.graph().breaks(body);
        found.retain(|(e, _)| self.ground.noising.graph.depends_on_any(*e, &state));
        found
    }

    fn mean_on_the_line(
        &mut self,
        mixture: &Mixture,
        compiled: &Compiled,
        body: Expr,
        t: f64,
    ) -> Result<Measured, Unmeasured> {
        let numbers = self.numbers;
        let places = self.breaks(body);
        let switches: Vec<Compiled> = places
            .iter()
            .map(|(e, _)| numbers.compile(&self.ground, &[*e]))
            .collect::<Result<_, _>>()?;
        let on_points = |compiled: &Compiled, known: &[f64], x: &[f64]| {
            let mut points = Batch::zeros(x.len(), 1);
            points.column_mut(0).copy_from_slice(x);
            let mut out = Batch::zeros(x.len(), 1);
            compiled.eval(t, known, points.as_ref(), None, None, out.as_mut());
            out.column(0).to_vec()
        };
        let mut breaks = Vec::with_capacity(places.len());
        for ((_, is_floor), switch) in places.iter().zip(&switches) {
            let known = switch.at(numbers, t)?;
            breaks.push(Break {
                function: Box::new(move |x| on_points(switch, &known, x)),
                is_floor: *is_floor,
            });
        }
        let integrate = |known: &[f64]| {
            expectation(mixture, &|x| on_points(compiled, known, x), &breaks)
                .ok_or_else(|| Unmeasured::Infinite(format!("E[...] at t = {t:.4}")))
        };
        let found = integrate(&compiled.at(numbers, t)?)?;
        let mut bias = found.error;
        if compiled.has_rates() {
            bias += (integrate(&compiled.at_again(numbers, t)?)?.value - found.value).abs();
        }
        Ok(Measured {
            value: found.value,
            bias,
            deviations: Vec::new(),
            scale: found.scale,
        })
    }

    fn mean_by_pairs(
        &mut self,
        law: &Law,
        compiled: &Compiled,
        t: f64,
    ) -> Result<Measured, Unmeasured> {
        if matches!(law, Law::Controlled(_)) {
            let what = "conditional scores and random directions under a controlled law";
            return Err(Unmeasured::Unsupported(what));
        }
        let (Some(exact), Some(data)) = (&self.numbers.exact, &self.numbers.data) else {
            return Err(Unmeasured::NoLaw);
        };
        let known = compiled.at(self.numbers, t)?;
        let (pairs, streams) = (self.effort.paths, self.numbers.streams.scoped("pairs"));
        let kernel = exact.transition().between(self.numbers.start, t);
        let origin = draw_mixture(data, &streams.role("start"), 0, pairs);
        let (x, _) = draw_transition(&kernel, origin.as_ref(), &streams.role("noise"), 0);
        let mut slice = Batch::zeros(pairs, data.dimension());
        streams.role("slice").normals(0, 0, slice.as_mut());
        let mut out = Batch::zeros(pairs, 1);
        compiled.eval(
            t,
            &known,
            x.as_ref(),
            Some(origin.as_ref()),
            Some(slice.as_ref()),
            out.as_mut(),
        );
        Ok(Measured::from_draws(
            Source::Pairs,
            out.column(0).to_vec(),
            0.0,
        ))
    }

    fn mean_by_paths(&mut self, law: &Law, body: Expr, t: f64) -> Result<Measured, Unmeasured> {
        let atom = self.atom(Form::End(body));
        let from = if *law == Law::Forward {
            self.numbers.start
        } else {
            self.numbers.end
        };
        self.sampled(law, atom, from, t)
    }

    /// `d^n/dt^n E[body]` from means at neighbouring times.
    fn rate_of_mean(
        &mut self,
        law: &Law,
        body: Expr,
        order: u32,
        t: f64,
    ) -> Result<Measured, Unmeasured> {
        if order > 2 {
            return Err(Unmeasured::HighRate);
        }
        let span = self.numbers.end - self.numbers.start;
        if self.numbers.law_at(law, t).is_none() {
            return self.rate_by_paths(law, body, order, t);
        }
        let mut rates = Vec::with_capacity(2);
        for step in [MEAN_STEP * span, 0.5 * MEAN_STEP * span] {
            let (nodes, weights) = self.stencil(order, t, step);
            let means: Vec<Measured> = nodes
                .iter()
                .map(|t| self.mean(law, body, *t))
                .collect::<Result<_, _>>()?;
            let value = weights.iter().zip(&means).map(|(w, m)| w * m.value).sum();
            let parts: Vec<(f64, &Measured)> = weights.iter().copied().zip(&means).collect();
            let mut rate = Measured::combined(value, &parts);
            // Scales of the means are amplified by the weights; a rate has the size of its value.
            rate.scale = means.iter().map(|m| m.scale).fold(value.abs(), f64::max);
            rates.push(rate);
        }
        let gap = (rates[1].value - rates[0].value).abs();
        let mut rate = rates.swap_remove(0);
        rate.bias += gap + ROUNDING * rate.scale / (MEAN_STEP * span).powi(order as i32);
        Ok(rate)
    }

    /// Whether a mean is differentiated by time whose law is known along paths alone.
    pub fn has_path_rates(&self, e: Expr) -> bool {
        self.atoms(e).into_iter().any(|atom| match self.form(atom) {
            Some((Form::Mean { law, .. }, order)) => {
                order > 0 && (self.numbers.exact.is_none() || matches!(law, Law::Controlled(_)))
            }
            _ => false,
        })
    }

    fn stencil(&self, order: u32, t: f64, step: f64) -> (Vec<f64>, Vec<f64>) {
        let nodes = stencil::nodes(t, self.numbers.start, self.numbers.end, step);
        let weights = stencil::weights(t, &nodes)[order as usize];
        (nodes.to_vec(), weights.to_vec())
    }

    /// The same along paths: the same noise at every node, so that its errors cancel between them.
    fn rate_by_paths(
        &mut self,
        law: &Law,
        body: Expr,
        order: u32,
        t: f64,
    ) -> Result<Measured, Unmeasured> {
        let (from, _) = self.ends(law);
        let atom = self.atom(Form::End(body));
        let (nodes, weights) = self.stencil(
            order,
            t,
            PATH_STEP * (self.numbers.end - self.numbers.start),
        );
        let mut total: Option<Sampled> = None;
        let used = nodes
            .into_iter()
            .zip(weights)
            .filter(|(_, weight)| *weight != 0.0);
        for (to, weight) in used {
            let one = self.sample(atom, law, from, to)?;
            let total = total.get_or_insert_with(|| Sampled {
                extrapolated: vec![0.0; one.extrapolated.len()],
                changes: vec![0.0; one.changes.len()],
            });
            for (into, v) in total.extrapolated.iter_mut().zip(&one.extrapolated) {
                *into += weight * v;
            }
            for (into, v) in total.changes.iter_mut().zip(&one.changes) {
                *into += weight * v;
            }
        }
        let total = total.ok_or(Unmeasured::HighRate)?;
        self.summed(law, total)
    }

    /// `E[body]` of path functionals.
    fn path_mean(&mut self, law: &Law, body: Expr) -> Result<Measured, Unmeasured> {
        let (from, to) = self.ends(law);
        for t in [from, to] {
            if let Some(at_end) = self.at_one_end(body, t == from) {
                return self.mean(law, at_end, t);
            }
        }
        if let Some(found) = self.affine_path_mean(law, body)? {
            return Ok(found);
        }
        self.sampled(law, body, from, to)
    }

    /// A functional of one end of the path alone, as a function of the state there.
    fn at_one_end(&mut self, body: Expr, at_start: bool) -> Option<Expr> {
        let atoms = self.forms.path_terms(&self.ground.noising.graph, body);
        let mut images = Vec::with_capacity(atoms.len());
        for atom in atoms {
            match self.form(atom)?.0 {
                Form::Start(e) if at_start => images.push((atom, *e)),
                Form::End(e) if !at_start => images.push((atom, *e)),
                _ => return None,
            }
        }
        (!images.is_empty()).then(|| self.graph().substitute(body, &images))
    }

    pub fn ends(&self, law: &Law) -> (f64, f64) {
        match law {
            Law::Forward => (self.numbers.start, self.numbers.end),
            Law::Reverse | Law::Controlled(_) => (self.numbers.end, self.numbers.start),
        }
    }

    /// Where only ends and time integrals enter linearly, under a law known at every time.
    fn affine_path_mean(&mut self, law: &Law, body: Expr) -> Result<Option<Measured>, Unmeasured> {
        let small = self.ground.noising.dimension() <= 2;
        if matches!(law, Law::Controlled(_)) || self.numbers.exact.is_none() || !small {
            return Ok(None);
        }
        let atoms = self.forms.path_terms(&self.ground.noising.graph, body);
        let stochastic = atoms
            .iter()
            .any(|a| matches!(self.form(*a), Some((Form::Stochastic { .. }, _))));
        if stochastic {
            return Ok(None);
        }
        let Some((coefficients, constant)) = self.graph().affine_coefficients(body, &atoms) else {
            return Ok(None);
        };
        let (from, to) = self.ends(law);
        let mut parts = vec![(1.0, self.number(constant, from)?)];
        for (atom, coefficient) in atoms.iter().zip(coefficients) {
            let Some((form, _)) = self.form(*atom) else {
                continue;
            };
            let form = form.clone();
            let coefficient = self.number(coefficient, from)?.value;
            let part = match form {
                Form::Start(e) => self.mean(law, e, from)?,
                Form::End(e) => self.mean(law, e, to)?,
                Form::Integral(e) | Form::TimeIntegral(e) => {
                    self.over_time(|this, t| this.mean(law, e, t))?
                }
                _ => return Ok(None),
            };
            parts.push((coefficient, part));
        }
        let value = parts.iter().map(|(c, part)| c * part.value).sum();
        let slopes: Vec<(f64, &Measured)> = parts.iter().map(|(c, part)| (*c, part)).collect();
        Ok(Some(Measured::combined(value, &slopes)))
    }

    /// On simulated paths, extrapolated from two step sizes.
    fn sampled(
        &mut self,
        law: &Law,
        body: Expr,
        from: f64,
        to: f64,
    ) -> Result<Measured, Unmeasured> {
        let found = self.sample(body, law, from, to)?;
        self.summed(law, found)
    }

    fn sample(&mut self, body: Expr, law: &Law, from: f64, to: f64) -> Result<Sampled, Unmeasured> {
        let fine = self.effort.steps;
        let (paths, ends) = (self.effort.paths, (from, to));
        let [coarse, fine] = self.levels(law, &[body], paths, [fine / 2, fine], ends)?;
        let both = || fine.column(0).iter().zip(coarse.column(0));
        Ok(Sampled {
            extrapolated: both().map(|(f, c)| 2.0 * f - c).collect(),
            changes: both().map(|(f, c)| f - c).collect(),
        })
    }

    /// The mean of a sample with the bias that extrapolation leaves: part of the change between the steps, and
    /// the square of the step beside the size of a draw.
    fn summed(&self, law: &Law, found: Sampled) -> Result<Measured, Unmeasured> {
        let change = pairwise_sum(&found.changes) / found.changes.len() as f64;
        let mut measured = Measured::from_draws(source(law), found.extrapolated, 0.0);
        if !measured.value.is_finite() || !measured.scale.is_finite() {
            return Err(Unmeasured::Infinite(
                "a functional along the paths".to_owned(),
            ));
        }
        let step = 1.0 / self.effort.steps as f64;
        let spread = measured.standard_error().unwrap_or(0.0) * (measured.draws() as f64).sqrt();
        measured.bias = LEFT_AFTER_EXTRAPOLATION * change.abs();
        if change != 0.0 {
            measured.bias += step * step * spread;
        }
        Ok(measured)
    }

    /// Path functionals on the same noise at two numbers of steps, one row per path.
    ///
    /// # Errors
    /// [`Unmeasured`] where something has no value.
    pub fn levels(
        &mut self,
        law: &Law,
        bodies: &[Expr],
        paths: usize,
        [coarse, finest]: [usize; 2],
        (from, to): (f64, f64),
    ) -> Result<[Batch; 2], Unmeasured> {
        let mut atoms = Vec::new();
        for body in bodies {
            for atom in self.forms.path_terms(&self.ground.noising.graph, *body) {
                if !atoms.contains(&atom) {
                    atoms.push(atom);
                }
            }
        }
        let mut level = |steps: usize| {
            let sampling = Sampling {
                paths,
                steps,
                finest,
                from,
                to,
            };
            let (ground, forms) = (&mut self.ground, &self.forms);
            let values = along_paths(self.numbers, ground, forms, law, &atoms, sampling)?;
            body_values(ground, &values, bodies)
        };
        Ok([level(coarse)?, level(finest)?])
    }

    /// `int body(t) dt`.
    fn time_integral(&mut self, body: Expr) -> Result<Measured, Unmeasured> {
        if let Some(found) = self.controlled_time_integral(body)? {
            return Ok(found);
        }
        self.over_time(|this, t| this.number(body, t))
    }

    /// Means under a controlled law are recorded along the paths instead of simulated anew for each time.
    fn controlled_time_integral(&mut self, body: Expr) -> Result<Option<Measured>, Unmeasured> {
        let atoms = self.atoms(body);
        let mut common: Option<Law> = None;
        let mut integrands = Vec::new();
        for atom in &atoms {
            match self.form(*atom) {
                Some((Form::Mean { law, body }, 0))
                    if matches!(law, Law::Controlled(_))
                        && common.as_ref().is_none_or(|known| known == law) =>
                {
                    common = Some(law.clone());
                    integrands.push(*body);
                }
                _ => return Ok(None),
            }
        }
        let Some(law) = common else {
            return Ok(None);
        };
        let (flat, symbols) = self.flat(body, &atoms);
        let graph = self.graph();
        let Some((coefficients, constant)) = graph.affine_coefficients(flat, &symbols) else {
            return Ok(None);
        };
        let mut terms = vec![constant];
        for (c, e) in coefficients.iter().zip(&integrands) {
            terms.push(graph.mul(&[*c, *e]));
        }
        let integrand = graph.add(&terms);
        let atom = self.atom(Form::Integral(integrand));
        self.path_mean(&law, atom).map(Some)
    }

    /// Gauss–Legendre panels over the horizon, at two sizes; the change is the error.
    fn over_time(
        &mut self,
        mut at: impl FnMut(&mut Self, f64) -> Result<Measured, Unmeasured>,
    ) -> Result<Measured, Unmeasured> {
        let (start, end) = (self.numbers.start, self.numbers.end);
        let positive = |n: usize| NonZeroUsize::new(n).expect("rules have nodes");
        let mut totals = Vec::with_capacity(2);
        for panels in [PANELS, 2 * PANELS] {
            let rule = Rule::panels(positive(TIME_NODES), positive(panels), start, end);
            let values: Vec<Measured> = rule
                .nodes
                .iter()
                .map(|t| at(self, *t))
                .collect::<Result<_, _>>()?;
            let value = rule
                .weights
                .iter()
                .zip(&values)
                .map(|(w, v)| w * v.value)
                .sum();
            let parts: Vec<(f64, &Measured)> = rule.weights.iter().copied().zip(&values).collect();
            let mut total = Measured::combined(value, &parts);
            let sizes = rule.weights.iter().zip(&values);
            total.scale = sizes.map(|(w, v)| w * v.scale).sum();
            totals.push(total);
        }
        let coarse = totals[0].value;
        let mut fine = totals.remove(1);
        if fine.deviations.is_empty() {
            fine.bias += (fine.value - coarse).abs();
        }
        Ok(fine)
    }

    /// Central differences of two steps, extrapolated; the change is the error.
    fn variation(&mut self, body: Expr, parameter: Expr, t: f64) -> Result<Measured, Unmeasured> {
        let mut slopes = Vec::with_capacity(2);
        for step in [VARIATION_STEP, 0.5 * VARIATION_STEP] {
            let mut ends = Vec::with_capacity(2);
            for sign in [1.0, -1.0] {
                let moved = self.graph().binary(sign * step);
                let e = self.moved(body, parameter, moved)?;
                ends.push(self.number(e, t)?);
            }
            let scale = 0.5 / step;
            let value = scale * (ends[0].value - ends[1].value);
            let mut slope = Measured::combined(value, &[(scale, &ends[0]), (-scale, &ends[1])]);
            // On the same noise both ends carry the same step bias; what remains is that of the slope.
            let paired = scale * (ends[0].bias - ends[1].bias).abs();
            if !slope.deviations.is_empty() {
                slope.bias = paired;
            }
            slope.scale = ends[0].scale.max(ends[1].scale);
            slopes.push(slope);
        }
        let value = (4.0 * slopes[1].value - slopes[0].value) / 3.0;
        let parts = [(4.0 / 3.0, &slopes[1]), (-1.0 / 3.0, &slopes[0])];
        let mut total = Measured::combined(value, &parts);
        total.scale = slopes[1].scale;
        if total.deviations.is_empty() {
            total.bias += 0.1 * (slopes[1].value - slopes[0].value).abs();
        }
        Ok(total)
    }

    /// `e` with the parameter replaced, also inside functionals.
    fn moved(&mut self, e: Expr, parameter: Expr, value: Expr) -> Result<Expr, Unmeasured> {
        let mut images = vec![(parameter, value)];
        for atom in self.atoms(e) {
            let Some((form, 0)) = self.form(atom) else {
                return Err(Unmeasured::Unsupported("variations of rates"));
            };
            let form = form.clone();
            let moved = self.moved_form(&form, parameter, value)?;
            images.push((atom, self.atom(moved)));
        }
        Ok(self.graph().substitute(e, &images))
    }

    fn moved_form(
        &mut self,
        form: &Form,
        parameter: Expr,
        value: Expr,
    ) -> Result<Form, Unmeasured> {
        let image = [(parameter, value)];
        let moved_law = |this: &mut Self, law: &Law| match law {
            Law::Controlled(v) => Law::Controlled(
                v.iter()
                    .map(|v| this.graph().substitute(*v, &image))
                    .collect(),
            ),
            other => other.clone(),
        };
        Ok(match form {
            Form::Mean { law, body } => Form::Mean {
                law: moved_law(self, law),
                body: self.moved(*body, parameter, value)?,
            },
            Form::PathMean { law, body } => Form::PathMean {
                law: moved_law(self, law),
                body: self.moved(*body, parameter, value)?,
            },
            Form::Start(e) => Form::Start(self.graph().substitute(*e, &image)),
            Form::End(e) => Form::End(self.graph().substitute(*e, &image)),
            Form::Integral(e) => Form::Integral(self.graph().substitute(*e, &image)),
            Form::TimeIntegral(e) => Form::TimeIntegral(self.moved(*e, parameter, value)?),
            Form::Stochastic {
                reading,
                integrand,
                against,
            } => Form::Stochastic {
                reading: *reading,
                integrand: integrand
                    .iter()
                    .map(|a| self.graph().substitute(*a, &image))
                    .collect(),
                against: *against,
            },
            Form::Divergence { of, from } => Form::Divergence {
                of: moved_law(self, of),
                from: moved_law(self, from),
            },
            Form::Variation { .. } => {
                return Err(Unmeasured::Unsupported("second variations"));
            }
        })
    }

    /// `E_P` of the log ratio of transition densities, `int D^-1 (b_P - b_Q) . dX - 1/2 int (b_P' D^-1 b_P
    /// - b_Q' D^-1 b_Q) dt`, and of the start laws.
    fn divergence(&mut self, of: &Law, from: &Law) -> Result<Measured, Unmeasured> {
        // The forward process is the reverse one read backwards.
        let backwards = |law: &Law| match law {
            Law::Forward => Law::Reverse,
            other => other.clone(),
        };
        let (of, from) = (backwards(of), backwards(from));
        let diffusivity = self.ground.noising.diffusivity.clone();
        let inverse = matrix::inverse(self.graph(), &diffusivity)
            .ok_or(Unmeasured::Unsupported("divergences under singular noise"))?;
        let (b, c) = (self.ground.drift_of(&of), self.ground.drift_of(&from));
        let noising = &mut self.ground.noising;
        let mut pull =
            |v: &[Expr]| -> Vec<Expr> { inverse.iter().map(|row| noising.dot(row, v)).collect() };
        let (pulled_b, pulled_c) = (pull(&b), pull(&c));
        let squares = [noising.dot(&b, &pulled_b), noising.dot(&c, &pulled_c)];
        let graph = &mut noising.graph;
        let integrand = pulled_b
            .iter()
            .zip(&pulled_c)
            .map(|(b, c)| graph.sub(*b, *c))
            .collect();
        let half = graph.rational(-1, 2);
        let difference = graph.sub(squares[0], squares[1]);
        let rate = graph.mul(&[half, difference]);
        let start = match (&of, &from) {
            (Law::Reverse, Law::Controlled(_)) => {
                graph.sub(self.ground.log_p, self.ground.log_prior)
            }
            (Law::Controlled(_), Law::Reverse) => {
                graph.sub(self.ground.log_prior, self.ground.log_p)
            }
            _ => graph.zero(),
        };
        let forms = [
            Form::Start(start),
            Form::Integral(rate),
            Form::Stochastic {
                reading: Reading::Before,
                integrand,
                against: Increment::State,
            },
        ];
        let atoms = forms.map(|form| self.atom(form));
        let body = self.graph().add(&atoms);
        self.path_mean(&of, body)
    }
}
