//! Functionals of one path: everything by its start, one time integral and one Itô integral.

use crate::derivation::claim::form::{Form, Increment, Reading};
use crate::derivation::claim::ground::Law;
use crate::derivation::claim::normal::Workbench;
use crate::derivation::claim::rule::Rule;
use crate::expr::arithmetic::{partial, sum};
use crate::expr::{Expr, Graph};

/// `start(X_0) + int integral dt + int noise . dW`: a linear path functional, unique as a process of its end; at one end
/// alone other integrals give the same.
#[derive(Clone, Debug)]
pub(super) struct PathForm {
    pub(super) start: Expr,
    pub(super) integral: Expr,
    pub(super) noise: Vec<Expr>,
}

impl PathForm {
    fn zero(graph: &mut Graph, noises: usize) -> Self {
        let zero = graph.zero();
        Self {
            start: zero,
            integral: zero,
            noise: vec![zero; noises],
        }
    }

    /// Adds `scale * other`.
    fn add(&mut self, graph: &mut Graph, scale: Expr, other: &Self) {
        self.start = graph.of(self.start + scale * other.start);
        self.integral = graph.of(self.integral + scale * other.integral);
        self.noise = graph.pairwise(&self.noise, &other.noise, |into, e| into + scale * e);
    }
}

impl Workbench<'_> {
    /// The normal form of a functional that is affine in path atoms with constant coefficients.
    pub(super) fn path_form(&mut self, law: &Law, e: Expr) -> Option<PathForm> {
        let atoms = self.path_terms(e);
        let (coefficients, constant) = self.graph().affine_coefficients(e, &atoms)?;
        let moving = self.ground.noising.coordinates();
        let noises = self.ground.noising.noises();
        let graph = self.graph();
        let moves = |c: &Expr| graph.depends_on_any(*c, &moving);
        if moves(&constant) || coefficients.iter().any(moves) {
            return None;
        }
        let mut form = PathForm::zero(graph, noises);
        form.start = constant;
        for (atom, coefficient) in atoms.iter().zip(coefficients) {
            let one = self.atom_form(law, *atom)?;
            form.add(self.graph(), coefficient, &one);
        }
        Some(form)
    }

    /// The normal form of one path atom.
    fn atom_form(&mut self, law: &Law, atom: Expr) -> Option<PathForm> {
        let (form, _) = self.form(atom)?;
        let noises = self.ground.noising.noises();
        let mut normal = PathForm::zero(self.graph(), noises);
        match form {
            Form::Start(body) => normal.start = body,
            Form::Integral(body) | Form::TimeIntegral(body) => normal.integral = body,
            Form::End(body) => {
                self.used(Rule::Ito);
                normal.start = body;
                normal.integral = self.ground.rate(law, body);
                let slope = self.ground.noising.gradient(body);
                normal.noise = self.ground.noising.through_noise(&slope);
            }
            Form::Stochastic {
                reading,
                integrand,
                against,
            } => {
                normal.integral = self.correction(reading, &integrand, against);
                match against {
                    Increment::State => {
                        let drift = self.ground.drift_of(law);
                        let noising = &mut self.ground.noising;
                        let along = noising.dot(&integrand, &drift);
                        normal.integral = noising.of(normal.integral + along);
                        normal.noise = noising.through_noise(&integrand);
                    }
                    Increment::Noise => normal.noise = integrand,
                }
            }
            Form::Mean { .. }
            | Form::PathMean { .. }
            | Form::Variation { .. }
            | Form::Divergence { .. } => return None,
        }
        Some(normal)
    }

    /// Rate by which a reading exceeds Itô's: `alpha d[a, X]/dt`.
    fn correction(&mut self, reading: Reading, integrand: &[Expr], against: Increment) -> Expr {
        let noising = &mut self.ground.noising;
        let graph = &mut noising.graph;
        let weight = match reading {
            Reading::Before => return graph.zero(),
            Reading::Middle => graph.rational(1, 2),
            Reading::After => graph.one(),
        };
        let matrix = match against {
            Increment::State => &noising.diffusivity,
            Increment::Noise => &noising.diffusion,
        };
        let mut terms = Vec::new();
        for (row, x) in matrix.iter().zip(&noising.state) {
            for (entry, a) in row.iter().zip(integrand) {
                terms.push(weight * *entry * partial(*a, *x));
            }
        }
        let sum = graph.of(sum(terms));
        self.used(Rule::Correction);
        sum
    }

    /// Whether a functional vanishes on almost every path of a law.
    pub(super) fn vanishes_on_paths(&mut self, law: &Law, e: Expr) -> bool {
        let Some(form) = self.path_form(law, e) else {
            return false;
        };
        self.vanishes(form.start)
            && self.vanishes(form.integral)
            && form.noise.iter().all(|a| self.vanishes(*a))
    }
}
