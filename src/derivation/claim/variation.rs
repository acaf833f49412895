//! First variations: the derivative of a functional along a direction, as functionals.

use crate::derivation::claim::form::{Form, Increment, Reading};
use crate::derivation::claim::ground::Law;
use crate::derivation::claim::normal::Workbench;
use crate::derivation::claim::rule::Rule;
use crate::expr::arithmetic::{Arithmetic, sum};
use crate::expr::{Expr, Graph};

impl Workbench<'_> {
    /// `d/dparameter` of an expression over functionals, at zero.
    pub(super) fn variation(&mut self, e: Expr, parameter: Expr) -> Option<Expr> {
        let atoms = self.atoms(e);
        let graph = self.graph();
        let zero = graph.zero();
        let at_zero = [(parameter, zero)];
        let slots: Vec<(Expr, Expr)> = atoms
            .iter()
            .enumerate()
            .map(|(k, a)| (*a, graph.symbol(&format!("#varied{k}"))))
            .collect();
        let back: Vec<(Expr, Expr)> = slots.iter().map(|(a, s)| (*s, *a)).collect();
        let flat = graph.substitute(e, &slots);
        let direct = graph.derivative(flat, parameter);
        let mut parts: Vec<Arithmetic> = vec![graph.substitute(direct, &back).into()];
        for (atom, slot) in &slots {
            let graph = self.graph();
            let outer = graph.derivative(flat, *slot);
            let outer = graph.substitute(outer, &back);
            let (form, order) = self.form(*atom)?;
            if order > 0 {
                return None;
            }
            parts.push(outer * self.varied_form(&form, parameter)?);
        }
        let slope = self.graph().of(sum(parts));
        // What is left of the parameter sits inside atoms; those are rebuilt at zero.
        let mut images = Vec::new();
        for atom in self.atoms(slope) {
            let (form, _) = self.form(atom)?;
            let settled = self.settled(&form, &at_zero)?;
            images.push((atom, self.atom(settled)));
        }
        images.extend(at_zero);
        Some(self.graph().substitute(slope, &images))
    }

    /// The derivative of one functional by the parameter, not yet at zero.
    fn varied_form(&mut self, form: &Form, parameter: Expr) -> Option<Expr> {
        let graph = self.graph();
        let slope = |graph: &mut Graph, e: Expr| graph.derivative(e, parameter);
        let varied = match form {
            Form::Start(body) => Form::Start(slope(graph, *body)),
            Form::End(body) => Form::End(slope(graph, *body)),
            Form::Integral(body) => Form::Integral(slope(graph, *body)),
            Form::Stochastic {
                reading,
                integrand,
                against: Increment::State,
            } => Form::Stochastic {
                reading: *reading,
                integrand: integrand.iter().map(|a| slope(graph, *a)).collect(),
                against: Increment::State,
            },
            Form::TimeIntegral(body) => {
                let varied = self.variation(*body, parameter)?;
                Form::TimeIntegral(varied)
            }
            Form::Mean { law, body } => {
                if depends(graph, law, parameter) {
                    return None;
                }
                let (law, body) = (law.clone(), slope(graph, *body));
                Form::Mean { law, body }
            }
            Form::PathMean { law, body } => return self.varied_path_mean(law, *body, parameter),
            Form::Divergence { .. } | Form::Variation { .. } | Form::Stochastic { .. } => {
                return None;
            }
        };
        Some(self.atom(varied))
    }

    /// `d E_u[Z] = E_u[ dZ + Z int (du) . dW ]`.
    fn varied_path_mean(&mut self, law: &Law, body: Expr, parameter: Expr) -> Option<Expr> {
        let mut parts: Vec<Arithmetic> = vec![self.graph().derivative(body, parameter).into()];
        for atom in self.path_terms(body) {
            let outer = self.graph().derivative(body, atom);
            let (form, _) = self.form(atom)?;
            parts.push(outer * self.varied_form(&form, parameter)?);
        }
        if let Law::Controlled(v) = law {
            let graph = self.ground.graph();
            let moved: Vec<Expr> = v.iter().map(|v| graph.derivative(*v, parameter)).collect();
            if moved.iter().any(|e| !graph.is_zero(*e)) {
                self.used(Rule::ChangeOfMeasure);
                let tilt = Form::Stochastic {
                    reading: Reading::Before,
                    integrand: moved,
                    against: Increment::Noise,
                };
                parts.push(body * self.atom(tilt));
            }
        }
        let (law, body) = (law.clone(), self.graph().of(sum(parts)));
        Some(self.atom(Form::PathMean { law, body }))
    }

    /// The functional with expressions replaced inside, at every depth.
    fn settled(&mut self, form: &Form, images: &[(Expr, Expr)]) -> Option<Form> {
        let mut form = form.clone();
        match &mut form {
            Form::Start(body) | Form::End(body) | Form::Integral(body) => {
                self.settle(std::slice::from_mut(body), images);
            }
            Form::Stochastic { integrand, .. } => self.settle(integrand, images),
            Form::Mean { law, body } => {
                self.settle_law(law, images);
                self.settle(std::slice::from_mut(body), images);
            }
            Form::PathMean { law, body } => {
                self.settle_law(law, images);
                *body = self.settled_inside(*body, images)?;
            }
            Form::TimeIntegral(body) => *body = self.settled_inside(*body, images)?,
            Form::Divergence { of, from } => {
                self.settle_law(of, images);
                self.settle_law(from, images);
            }
            Form::Variation { .. } => return None,
        }
        Some(form)
    }

    fn settle(&mut self, expressions: &mut [Expr], images: &[(Expr, Expr)]) {
        for e in expressions {
            *e = self.graph().substitute(*e, images);
        }
    }

    fn settle_law(&mut self, law: &mut Law, images: &[(Expr, Expr)]) {
        if let Law::Controlled(v) = law {
            self.settle(v, images);
        }
    }

    fn settled_inside(&mut self, e: Expr, images: &[(Expr, Expr)]) -> Option<Expr> {
        let mut all = images.to_vec();
        for atom in self.atoms(e) {
            let (form, order) = self.form(atom)?;
            if order > 0 {
                return None;
            }
            let settled = self.settled(&form, images)?;
            all.push((atom, self.atom(settled)));
        }
        Some(self.graph().substitute(e, &all))
    }
}

/// Whether a law moves with the parameter.
fn depends(graph: &Graph, law: &Law, parameter: Expr) -> bool {
    match law {
        Law::Controlled(v) => v.iter().any(|v| graph.depends_on(*v, parameter)),
        _ => false,
    }
}
