//! The quadratic value where nothing depends on time: `riccati` with `form = "hamiltonian"`.
//!
//! ```text
//! z = (x, 1),   V = 1/2 z'P z + c,      A <- [A a; 0 0] - rho/2,   Q <- [Q k; k' 0],   S <- [S 0; 0 0]
//! -P' = Q + A'P + P A - P S P,          -c' = q_0 + 1/2 tr(D P) - rho c
//! ```
//!
//! `P` is carried from panel to panel by [`crate::numeric::symplectic`], exactly however long a panel is; spans of half and
//! twice the length come of one another, so a panel costs two solutions and a few products. Within a panel `P`
//! is the polynomial of degree seven that has its three derivatives at both ends, which the equation tells. Panels
//! are doubled and halved until that polynomial agrees with `P` and its slope half way, where it is carried too. The same polynomial
//! gives the integral in `c`.
//!
//! # Assumes
//! What `riccati` assumes, and coefficients free of time.
//!
//! # Order
//! `P` at the ends of panels exact but for rounding; order eight within them and for `c`. `O(d^3)` a panel.
//!
//! # Errors
//! Of the cost: what the polynomial misses half way, integrated, and the rounding of all panels. A solution that becomes
//! infinite is told with its time: no panel before it is short enough.
//!
//! # Source
//! Davison and Maki (1973); Bryson and Ho, *Applied Optimal Control* (1975), section 5.2.
//!
//! # Checked by
//! `riccati-residual`, `hjb-residual`, `policy-cost`

use crate::numeric::dense::symmetric_part;
use crate::numeric::estimate::{ErrorKind, Estimate};
use crate::numeric::quadrature::Rule;
use crate::numeric::random::Streams;
use crate::numeric::runge_kutta::Escape;
use crate::numeric::symplectic::SymplecticMap;
use crate::problem::meant::solver::SolverSpec;
use crate::solvers::closed::riccati::equations::{averaged, parts_of};
use crate::solvers::closed::riccati::{
    ACCEPTED, Admitted, HAMILTONIAN, NAME, OverTime, admitted, answered, escaped, moments,
    tolerance,
};
use crate::solvers::driver::{Method, Progress, SolveError, StopReason, Work};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::{Asks, Lowered};
use crate::solvers::lowered::refusal::Refusal;
use nalgebra::DMatrix;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Largest norm of the Hamiltonian matrix times the span of an exponential.
const LONGEST: f64 = 0.5;
/// The shortest panel is the horizon over two to this power.
const DEEPEST: usize = 40;
/// Most halvings down to the exponential: beyond, rounding of the rates alone is seen.
const STIFFEST: usize = 30;
/// Relative rounding of a panel.
const ROUNDING: f64 = 8.0 * f64::EPSILON;
/// The polynomial is asked for no more than this.
const FINEST: f64 = 1e-13;
/// Share of what is allowed below which the next panel is twice as long: order eight takes 256 of it.
const EASY: f64 = 1.0 / 1024.0;
/// Size of a part of the form below which its own relative error does not count, over the size of the part before it.
const LESSER: f64 = 1e-3;
/// The integral of `256 s^4 (1 - s)^4` over `0..1`: what a polynomial misses in the mean over what it misses half way.
const MEAN_MISS: f64 = 256.0 / 630.0;
/// Gauss–Legendre nodes of the integral in `c`: exact for the polynomial but for the discount.
const NODES: NonZeroUsize = NonZeroUsize::new(8).unwrap();
/// The most that `256 s^4 (1 - s)^4 (1 - 2 s)` reaches is 0.104 of its slope half way.
const ODD: f64 = 0.125;

/// The Riccati equation from panel to panel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hamiltonian {
    pub relative_tolerance: f64,
}

impl Hamiltonian {
    /// The method as asked for; `None` for another method's settings or another form.
    pub fn new(spec: &SolverSpec, lowered: &Lowered) -> Option<Self> {
        let relative_tolerance = tolerance(spec, lowered, HAMILTONIAN)?;
        Some(Self { relative_tolerance })
    }
}

impl Method for Hamiltonian {
    const ASKS: Asks = Asks::WholeCost;
    type Admitted = Panels;
    type State = Panels;

    fn admit(&self, lowered: &Lowered) -> Result<Panels, Refusal> {
        let found = admitted(lowered)?;
        let refusal = |reason: String| Refusal {
            method: NAME,
            reason,
            accepted: format!(
                "{ACCEPTED}; for form = \"hamiltonian\" nothing that depends on time, else form = \"differential\""
            ),
        };
        if !found.equations.is_constant() {
            return Err(refusal("the coefficients depend on time".to_owned()));
        }
        let panels = Panels::new(lowered, &found, self.relative_tolerance);
        if panels.shortest > STIFFEST {
            let stiffness = panels.stiffness();
            return Err(refusal(format!(
                "the fastest rate times the horizon is {stiffness:e}, above {:e}",
                LONGEST * 2_f64.powi(STIFFEST as i32)
            )));
        }
        Ok(panels)
    }

    fn start(&self, _: &Lowered, panels: Panels, _: &Streams) -> Result<Panels, SolveError> {
        Ok(panels)
    }

    fn advance(&self, _: &Lowered, state: &mut Panels, work: &mut Work) -> Result<(), SolveError> {
        work.unknowns = state.drift.nrows().pow(2) as u64;
        work.linear_solves += 2;
        state.advance()
    }

    fn progress(&self, state: &Panels) -> Progress {
        if state.is_done() {
            return Progress::Stopped(StopReason::Direct);
        }
        Progress::part(state.last().left as f64 / 2_f64.powi(DEEPEST as i32))
    }

    fn finish(&self, lowered: &Lowered, state: Panels) -> Result<Answer, SolveError> {
        let facts = vec![("panels", (state.nodes.len() - 1) as f64)];
        if !state.is_done() {
            // Out of time: a part of the horizon has no policy.
            return Ok(Answer {
                facts,
                ..Answer::default()
            });
        }
        let cost = state.cost(lowered);
        Ok(Answer {
            facts,
            ..answered(lowered, cost, Arc::new(state))
        })
    }
}

/// The form at one time with its derivatives in the time that is left.
#[derive(Debug)]
struct Node {
    /// In units of the shortest panel there can be.
    left: u64,
    forms: [DMatrix<f64>; 4],
    constants: [f64; 4],
}

/// The solution from the end of the horizon back.
#[derive(Debug)]
pub struct Panels {
    /// With a one attached to the state, less half the discount.
    drift: DMatrix<f64>,
    authority: DMatrix<f64>,
    cost: DMatrix<f64>,
    /// The Hamiltonian matrix, back in time.
    rates: DMatrix<f64>,
    noise: DMatrix<f64>,
    constant: f64,
    discount: f64,
    horizon: (f64, f64),
    tolerance: f64,
    /// How often the horizon is halved for spans whose exponential is taken.
    shortest: usize,
    /// How often it is halved for the next panel.
    level: usize,
    spans: Vec<Option<Arc<SymplecticMap>>>,
    nodes: Vec<Node>,
    /// What the polynomials miss in the integrals of `c`.
    missed: f64,
}

impl Panels {
    /// Nothing solved yet.
    fn new(lowered: &Lowered, admitted: &Admitted, tolerance: f64) -> Self {
        let [a, shift, s, q, slope, noise, q0] = &admitted.equations.coefficients;
        let d = shift.nrows();
        let (n, rho) = (d + 1, admitted.equations.discount);
        let mut drift = DMatrix::identity(n, n) * (-0.5 * rho);
        let mut corner = drift.view_mut((0, 0), (d, d));
        corner += a;
        drift.view_mut((0, d), (d, 1)).copy_from(shift);
        let mut authority = DMatrix::zeros(n, n);
        authority.view_mut((0, 0), (d, d)).copy_from(s);
        let bordered = |form: &DMatrix<f64>, vector: &DMatrix<f64>| {
            let mut whole = form.clone().resize(n, n, 0.0);
            whole.view_mut((0, d), (d, 1)).copy_from(vector);
            let across = vector.transpose();
            whole.view_mut((d, 0), (1, d)).copy_from(&across);
            whole
        };
        let cost = bordered(q, slope);
        let mut rates = DMatrix::zeros(2 * n, 2 * n);
        rates.view_mut((0, 0), (n, n)).copy_from(&-&drift);
        rates.view_mut((0, n), (n, n)).copy_from(&authority);
        rates.view_mut((n, 0), (n, n)).copy_from(&cost);
        let across = drift.transpose();
        rates.view_mut((n, n), (n, n)).copy_from(&across);
        let (form, vector, constant) = parts_of(&admitted.end, d);
        let vector = DMatrix::from_column_slice(d, 1, vector.as_slice());
        let end = bordered(&form.into_owned(), &vector);
        let process = &lowered.compiled.steered;
        let mut panels = Self {
            drift,
            authority,
            cost,
            rates,
            noise: noise.clone(),
            constant: q0[(0, 0)],
            discount: rho,
            horizon: (process.start(), process.end()),
            tolerance: tolerance.max(FINEST),
            shortest: 1,
            level: 0,
            spans: vec![None; DEEPEST + 2],
            nodes: Vec::new(),
            missed: 0.0,
        };
        let halvings = (panels.stiffness() / LONGEST).log2().ceil();
        panels.shortest = halvings.clamp(1.0, DEEPEST as f64) as usize;
        panels.level = panels.shortest - 1;
        let forms = panels.derivatives(end);
        panels.nodes.push(panels.node(0, forms, constant));
        panels
    }

    /// Norm of the rates times the horizon.
    fn stiffness(&self) -> f64 {
        let columns = self.rates.column_iter();
        let norm = columns.map(|c| c.lp_norm(1)).fold(0.0, f64::max);
        norm * (self.horizon.1 - self.horizon.0)
    }

    fn is_done(&self) -> bool {
        self.last().left == 1 << DEEPEST
    }

    fn last(&self) -> &Node {
        self.nodes.last().expect("there is the end of the horizon")
    }

    /// A span of the horizon in units of the shortest panel, as time.
    fn time(&self, units: u64) -> f64 {
        let share = units as f64 / 2_f64.powi(DEEPEST as i32);
        share * (self.horizon.1 - self.horizon.0)
    }

    /// `A - S P`, and the right side of the equation.
    fn speed(&self, form: &DMatrix<f64>) -> [DMatrix<f64>; 2] {
        let closed = &self.drift - &self.authority * form;
        let bent = (&self.drift + &closed) * 0.5;
        let speed = &self.cost + symmetric_part(&(form * bent)) * 2.0;
        [closed, speed]
    }

    /// The form with its derivatives, by differentiating the equation.
    fn derivatives(&self, form: DMatrix<f64>) -> [DMatrix<f64>; 4] {
        let twice = |half: DMatrix<f64>| symmetric_part(&half) * 2.0;
        let [closed, first] = self.speed(&form);
        let second = twice(&first * &closed);
        let pulled = &self.authority * &first;
        let third = twice(&second * closed) - symmetric_part(&(&first * pulled)) * 2.0;
        [form, first, second, third]
    }

    fn node(&self, left: u64, forms: [DMatrix<f64>; 4], constant: f64) -> Node {
        let [gained, speed, bend, _] = forms.each_ref().map(|form| self.spread(form));
        let rho = self.discount;
        let first = self.constant + gained - rho * constant;
        let second = speed - rho * first;
        let third = bend - rho * second;
        Node {
            left,
            forms,
            constants: [constant, first, second, third],
        }
    }

    /// `1/2 tr(D P)`.
    fn spread(&self, form: &DMatrix<f64>) -> f64 {
        let d = self.noise.nrows();
        0.5 * self.noise.dot(&form.view((0, 0), (d, d)))
    }

    /// What carries the form over the horizon halved so many times.
    fn span(&mut self, level: usize) -> Option<Arc<SymplecticMap>> {
        if self.spans[level].is_none() {
            let made = if level >= self.shortest {
                let whole = self.horizon.1 - self.horizon.0;
                SymplecticMap::short(&self.rates, whole / 2_f64.powi(level as i32))
            } else {
                self.span(level + 1)?.doubled()
            };
            self.spans[level] = made.map(Arc::new);
        }
        self.spans[level].clone()
    }

    /// One panel more, or half as long a one the next time.
    fn advance(&mut self) -> Result<(), SolveError> {
        let left = self.last().left;
        let units = 1_u64 << (DEEPEST - self.level);
        let ends = self.span(self.level + 1).and_then(|half| {
            let middle = half.back(&self.last().forms[0])?;
            let end = half.back(&middle)?;
            Some((middle, end))
        });
        let panel = ends.map(|(middle, end)| self.panel(units, &middle, end));
        match panel {
            Some((node, missed, excess)) if excess <= 1.0 => {
                self.missed += missed;
                self.nodes.push(node);
                let aligned = (left + units).is_multiple_of(2 * units);
                if excess < EASY && aligned && self.level > 0 {
                    self.level -= 1;
                }
                Ok(())
            }
            _ if self.level + 1 < DEEPEST => {
                self.level += 1;
                Ok(())
            }
            _ => Err(escaped(Escape {
                time: self.horizon.1 - self.time(left + units),
                value: self.last().forms[0].amax(),
            })),
        }
    }

    /// A panel from what was carried: its far end, what its polynomial misses in the integral of `c`, and by how much it
    /// misses what is allowed half way.
    fn panel(&self, units: u64, middle: &DMatrix<f64>, end: DMatrix<f64>) -> (Node, f64, f64) {
        let last = self.last();
        let h = self.time(units);
        let forms = self.derivatives(end);
        let source = |forms: &[DMatrix<f64>; 4]| forms.each_ref().map(|form| self.spread(form));
        let sources = [source(&last.forms), source(&forms)];
        let [constant, halfway] = [1.0, 0.5].map(|share| {
            let shrunk = (-self.discount * h * share).exp();
            shrunk * last.constants[0] + self.integral(h, share, sources)
        });
        let node = self.node(last.left + units, forms, constant);
        // What it misses is even about the middle to leading order, or odd where that passes through zero.
        let even = between(last, &node, basis(h, 0.5)) - middle;
        let [_, speed] = self.speed(middle);
        let odd = between(last, &node, middle_slopes(h)) - speed * h;
        let off = |form: &DMatrix<f64>, slope: &DMatrix<f64>| {
            let (form, slope) = (self.sizes(form), self.sizes(slope));
            [0, 1, 2].map(|k| form[k] + ODD * slope[k])
        };
        let [form, vector, corner] = off(&even, &odd);
        let constants = last.constants.iter().chain(&node.constants);
        let between: f64 = basis(h, 0.5)
            .iter()
            .zip(constants)
            .map(|(w, c)| w * c)
            .sum();
        let off = [form, vector, corner, (between - halfway).abs()];
        let late = (-0.5 * self.discount * h).exp();
        // Not the trace, which may pass through zero too.
        let missed = h * MEAN_MISS * late * 0.5 * self.noise.norm() * form;
        let sizes = [last, &node].map(|node| {
            let [form, vector, corner] = self.sizes(&node.forms[0]);
            [form, vector, corner, node.constants[0].abs()]
        });
        let (mut excess, mut before) = (0.0_f64, 0.0_f64);
        for (k, off) in off.into_iter().enumerate() {
            let size = sizes.iter().map(|sizes| sizes[k]).fold(0.0, f64::max);
            before = size.max(LESSER * before);
            let relative = off / (self.tolerance * before);
            // Nothing missed of nothing is well; what is no number is not.
            if off != 0.0 && excess.is_finite() {
                excess = relative.max(excess) + 0.0 * relative;
            }
        }
        (node, missed, excess)
    }

    /// The integral of `e^(-rho (s - t)) (q_0 + 1/2 tr(D P(t)))` up to a share of a panel, from the traces of `P` and its
    /// derivatives at both ends.
    fn integral(&self, h: f64, share: f64, ends: [[f64; 4]; 2]) -> f64 {
        let rule = Rule::legendre(NODES, 0.0, share);
        let terms = rule.nodes.iter().zip(&rule.weights).map(|(s, weight)| {
            let parts = basis(h, *s).into_iter().zip(ends.into_iter().flatten());
            let source = self.constant + parts.map(|(b, part)| b * part).sum::<f64>();
            weight * h * (-self.discount * h * (share - s)).exp() * source
        });
        terms.sum()
    }

    /// Norms of `P`, `r` and the corner.
    fn sizes(&self, form: &DMatrix<f64>) -> [f64; 3] {
        let d = self.noise.nrows();
        [
            form.view((0, 0), (d, d)).norm(),
            form.view((0, d), (d, 1)).norm(),
            form[(d, d)].abs(),
        ]
    }

    /// The value averaged over the start law.
    fn cost(&self, lowered: &Lowered) -> Estimate {
        let (mean, covariance) = moments(lowered.start());
        let entries = self.at(self.horizon.0);
        let value = averaged(&entries, &mean, &covariance);
        let (form, vector, constant) = parts_of(&entries, mean.len());
        let terms = [
            0.5 * form.dot(&covariance),
            0.5 * mean.dot(&(form * &mean)),
            vector.dot(&mean),
            constant,
        ];
        let size: f64 = terms.iter().map(|term| term.abs()).sum();
        let error = self.missed + ROUNDING * self.nodes.len() as f64 * size;
        Estimate::new(value, error, ErrorKind::Quadrature)
    }
}

impl OverTime for Panels {
    fn at(&self, t: f64) -> Vec<f64> {
        let whole = self.horizon.1 - self.horizon.0;
        let left = (self.horizon.1 - t).clamp(0.0, whole);
        let after = self
            .nodes
            .partition_point(|node| self.time(node.left) <= left);
        let k = after.clamp(1, self.nodes.len() - 1);
        let (first, second) = (&self.nodes[k - 1], &self.nodes[k]);
        let h = self.time(second.left - first.left);
        let share = ((left - self.time(first.left)) / h).clamp(0.0, 1.0);
        let weights = basis(h, share);
        let form = between(first, second, weights);
        let constants = first.constants.iter().chain(&second.constants);
        let constant: f64 = weights.iter().zip(constants).map(|(w, c)| w * c).sum();
        let d = form.nrows() - 1;
        let mut y = Vec::with_capacity(d * d + d + 1);
        y.extend(form.view((0, 0), (d, d)).iter());
        y.extend(form.view((0, d), (d, 1)).iter());
        y.push(0.5 * form[(d, d)] + constant);
        y
    }
}

/// The forms of a panel's ends and their derivatives, weighed.
fn between(first: &Node, second: &Node, weights: [f64; 8]) -> DMatrix<f64> {
    let n = first.forms[0].nrows();
    let mut form = DMatrix::zeros(n, n);
    let parts = first.forms.iter().chain(&second.forms);
    for (weight, part) in weights.into_iter().zip(parts) {
        form.zip_apply(part, |sum, part| *sum += weight * part);
    }
    form
}

/// Slopes of the polynomials of [`basis`] half way, by the share.
fn middle_slopes(h: f64) -> [f64; 8] {
    let first = [-35.0 / 16.0, -19.0 / 32.0, -1.0 / 16.0, -1.0 / 384.0];
    std::array::from_fn(|k| match k {
        0..4 => first[k] * h.powi(k as i32),
        _ => -first[k - 4] * (-h).powi(k as i32 - 4),
    })
}

/// Values of the polynomials of degree seven that belong to value and three derivatives at `0`, then at `h`.
fn basis(h: f64, share: f64) -> [f64; 8] {
    let one_end = |s: f64, h: f64| {
        let rest = (1.0 - s).powi(4);
        let terms = [1.0, 4.0 * s, 10.0 * s * s, 20.0 * s * s * s];
        let mut power = rest;
        std::array::from_fn::<f64, 4, _>(|k| {
            if k > 0 {
                power *= s * h / k as f64;
            }
            power * terms[..4 - k].iter().sum::<f64>()
        })
    };
    let [a, b] = [one_end(share, h), one_end(1.0 - share, -h)];
    std::array::from_fn(|k| if k < 4 { a[k] } else { b[k - 4] })
}
