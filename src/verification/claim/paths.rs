//! Functionals along simulated paths.
//!
//! Euler–Maruyama from the start law of the process, on a uniform grid; the same noise at two step sizes,
//! so that functionals can be extrapolated and their step bias seen. Integrals are sums over the steps:
//! the trapezoidal rule in time, and for `int a . dX` the integrand before, in the middle of or after
//! each step, as the reading says.

use crate::derivation::claim::form::{Form, Forms, Increment, Reading};
use crate::derivation::claim::ground::{Ground, Law};
use crate::expr::{Expr, Kernel};
use crate::field::draws::draw_mixture;
use crate::numeric::batch::Batch;
use crate::numeric::blocks::{block, map_blocks};
use crate::numeric::random::Stream;
use crate::problem::meant::law::Mixture;
use crate::verification::claim::numbers::{Compiled, Numbers, Unmeasured};
use crate::verification::claim::value::Source;
use std::ops::Range;

/// How many paths, over which part of the horizon, in how many steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    pub paths: usize,
    pub steps: usize,
    /// Steps of the finest grid in use: noise is drawn there and added up.
    pub finest: usize,
    /// Noising time where paths begin and where they stop.
    pub from: f64,
    pub to: f64,
}

/// Values of functionals, one row per path.
pub struct PathValues {
    pub atoms: Vec<Expr>,
    pub columns: Batch,
}

/// What one atom adds up.
struct Track {
    /// First output column of its integrand.
    first: usize,
    form: Form,
}

/// A law with everything compiled.
struct Plan {
    compiled: Compiled,
    tracks: Vec<Track>,
    d: usize,
    noises: usize,
}

/// The group of draws a law belongs to.
pub fn source(law: &Law) -> Source {
    match law {
        Law::Forward => Source::Forward,
        Law::Reverse => Source::Reverse,
        Law::Controlled(_) => Source::Controlled,
    }
}

/// The functionals `atoms` on paths of a law.
///
/// # Errors
/// [`Unmeasured`] where coefficients or integrands have no value.
pub fn along_paths(
    numbers: &Numbers,
    ground: &mut Ground,
    forms: &Forms,
    law: &Law,
    atoms: &[Expr],
    sampling: Sampling,
) -> Result<PathValues, Unmeasured> {
    let plan = Plan::new(numbers, ground, forms, law, atoms)?;
    let start = match law {
        Law::Forward => numbers.data.clone(),
        Law::Reverse => {
            let exact = numbers.exact.as_ref();
            exact.map(|exact| exact.mixture_at(sampling.from))
        }
        Law::Controlled(_) => numbers.prior.clone(),
    }
    .ok_or(Unmeasured::NoLaw)?;
    let time = |k: usize| {
        let passed = k as f64 / sampling.steps as f64;
        sampling.from + passed * (sampling.to - sampling.from)
    };
    let known: Vec<Vec<f64>> = (0..=sampling.steps)
        .map(|k| plan.compiled.at(numbers, time(k)))
        .collect::<Result<_, _>>()?;
    let walk = Walk {
        plan: &plan,
        numbers,
        start: &start,
        role: match source(law) {
            Source::Forward => "forward",
            Source::Reverse => "reverse",
            Source::Controlled | Source::Draws | Source::Pairs => "controlled",
        },
        sampling,
        step: (sampling.to - sampling.from).abs() / sampling.steps as f64,
    };
    let blocks = map_blocks(sampling.paths, block(), |range| {
        walk.run(range, &time, &known)
    });
    let mut columns = Batch::zeros(sampling.paths, atoms.len());
    let mut row = 0;
    for values in &blocks {
        columns.write_rows(row, values.as_ref());
        row += values.points();
    }
    Ok(PathValues {
        atoms: atoms.to_vec(),
        columns,
    })
}

impl Plan {
    fn new(
        numbers: &Numbers,
        ground: &mut Ground,
        forms: &Forms,
        law: &Law,
        atoms: &[Expr],
    ) -> Result<Self, Unmeasured> {
        let (d, noises) = (ground.noising.dimension(), ground.noising.noises());
        let mut outputs = ground.drift_of(law);
        outputs.extend(ground.noising.diffusion.iter().flatten());
        let mut tracks = Vec::new();
        for atom in atoms {
            let form = match forms.form(&ground.noising.graph, *atom) {
                Some((form, 0)) => form.clone(),
                _ => return Err(Unmeasured::Unsupported("a rate of a path functional")),
            };
            let first = outputs.len();
            match &form {
                Form::Start(e) | Form::End(e) | Form::Integral(e) | Form::TimeIntegral(e) => {
                    outputs.push(*e)
                }
                Form::Stochastic { integrand, .. } => outputs.extend(integrand),
                _ => {
                    return Err(Unmeasured::Unsupported(
                        "an expectation inside a path functional",
                    ));
                }
            }
            tracks.push(Track { first, form });
        }
        let compiled = numbers.compile(ground, &outputs)?;
        if compiled.uses_origin || compiled.uses_slice {
            return Err(Unmeasured::Unsupported(
                "conditional scores and random directions along paths",
            ));
        }
        Ok(Self {
            compiled,
            tracks,
            d,
            noises,
        })
    }
}

struct Walk<'a> {
    plan: &'a Plan,
    numbers: &'a Numbers,
    start: &'a Mixture,
    role: &'static str,
    sampling: Sampling,
    step: f64,
}

impl Walk<'_> {
    fn run(
        &self,
        range: Range<usize>,
        time: &(dyn Fn(usize) -> f64 + Sync),
        known: &[Vec<f64>],
    ) -> Batch {
        let plan = self.plan;
        let (points, first) = (range.len(), range.start as u64);
        let streams = self.numbers.streams.scoped(self.role);
        let noise = streams.role("noise");
        let mut x = draw_mixture(self.start, &streams.role("start"), first, points);
        let mut totals = Batch::zeros(points, plan.tracks.len());
        let mut now = Batch::zeros(points, plan.compiled.outputs());
        let mut before = now.clone();
        let mut dw = Batch::zeros(points, plan.noises);
        let mut dx = Batch::zeros(points, plan.d);
        for (k, known) in known.iter().enumerate() {
            std::mem::swap(&mut now, &mut before);
            plan.compiled
                .eval(time(k), known, x.as_ref(), None, None, now.as_mut());
            let last = k == self.sampling.steps;
            for (column, track) in plan.tracks.iter().enumerate() {
                let into = totals.column_mut(column);
                let steps = Steps {
                    first: k == 0,
                    last,
                    step: self.step,
                    before: &before,
                    now: &now,
                    dx: &dx,
                    dw: &dw,
                };
                track.add(into, &steps);
            }
            if last {
                break;
            }
            self.increments(&noise, first, k, &mut dw);
            for i in 0..plan.d {
                let change = dx.column_mut(i);
                for (c, b) in change.iter_mut().zip(now.column(i)) {
                    *c = self.step * b;
                }
                for j in 0..plan.noises {
                    let g = now.column(plan.d + i * plan.noises + j);
                    for ((c, g), w) in change.iter_mut().zip(g).zip(dw.column(j)) {
                        *c += g * w;
                    }
                }
            }
            x.add_scaled(1.0, &dx);
        }
        totals
    }

    /// Brownian increments of a step, summed from those of the finest grid.
    fn increments(&self, noise: &Stream, first: u64, k: usize, dw: &mut Batch) {
        let ratio = self.sampling.finest / self.sampling.steps;
        let scale = (self.step / ratio as f64).sqrt();
        let mut piece = Batch::zeros(dw.points(), dw.columns());
        dw.fill(0.0);
        for fine in 0..ratio {
            noise.normals(first, (k * ratio + fine) as u32, piece.as_mut());
            dw.add_scaled(scale, &piece);
        }
    }
}

/// One step of a block of paths, seen from its end.
struct Steps<'a> {
    first: bool,
    last: bool,
    step: f64,
    before: &'a Batch,
    now: &'a Batch,
    dx: &'a Batch,
    dw: &'a Batch,
}

impl Track {
    fn add(&self, into: &mut [f64], steps: &Steps<'_>) {
        match &self.form {
            Form::Start(_) if steps.first => into.copy_from_slice(steps.now.column(self.first)),
            Form::End(_) if steps.last => into.copy_from_slice(steps.now.column(self.first)),
            Form::Integral(_) | Form::TimeIntegral(_) if !steps.first => {
                let ends = steps.before.column(self.first).iter();
                for ((total, a), b) in into.iter_mut().zip(ends).zip(steps.now.column(self.first)) {
                    *total += 0.5 * steps.step * (a + b);
                }
            }
            Form::Stochastic {
                reading,
                integrand,
                against,
            } if !steps.first => {
                let change = match against {
                    Increment::State => steps.dx,
                    Increment::Noise => steps.dw,
                };
                let (earlier, later) = match reading {
                    Reading::Before => (1.0, 0.0),
                    Reading::Middle => (0.5, 0.5),
                    Reading::After => (0.0, 1.0),
                };
                for i in 0..integrand.len() {
                    let a = steps.before.column(self.first + i);
                    let b = steps.now.column(self.first + i);
                    let c = change.column(i);
                    for (((total, a), b), c) in into.iter_mut().zip(a).zip(b).zip(c) {
                        *total += (earlier * a + later * b) * c;
                    }
                }
            }
            _ => {}
        }
    }
}

/// An expression over path functionals, path by path.
///
/// # Errors
/// [`Unmeasured`] where something else than these functionals enters.
pub fn body_values(
    ground: &Ground,
    values: &PathValues,
    body: &[Expr],
) -> Result<Batch, Unmeasured> {
    let kernel = Kernel::compile(
        &ground.noising.graph,
        body,
        ground.noising.time,
        &values.atoms,
    )?;
    let mut out = Batch::zeros(values.columns.points(), body.len());
    kernel.eval(f64::NAN, values.columns.as_ref(), out.as_mut());
    Ok(out)
}
