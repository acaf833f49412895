//! First variations: the derivative of a functional along a direction, as functionals.

use crate::derivation::claim::form::{Form, Increment, Reading};
use crate::derivation::claim::ground::Law;
use crate::derivation::claim::normal::Workbench;
use crate::derivation::claim::rule::Rule;
use crate::expr::{Expr, Graph};

impl Workbench<'_> {
    /// `d/dparameter` of an expression over functionals, at zero.
    pub(super) fn variation(&mut self, e: Expr, parameter: Expr) -> Option<Expr> {
        let atoms = self.forms.atoms(&self.ground.noising.graph, e);
        let time = self.ground.noising.time;
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
        let mut parts = vec![graph.substitute(direct, &back)];
        for (atom, slot) in &slots {
            let graph = self.graph();
            let outer = graph.derivative(flat, *slot);
            let outer = graph.substitute(outer, &back);
            let (form, order) = self.forms.form(&self.ground.noising.graph, *atom)?;
            if order > 0 {
                return None;
            }
            let form = form.clone();
            let inner = self.varied_form(&form, parameter)?;
            parts.push(self.graph().mul(&[outer, inner]));
        }
        let slope = self.graph().add(&parts);
        // What is left of the parameter sits inside atoms; those are rebuilt at zero.
        let mut images = Vec::new();
        for atom in self.forms.atoms(&self.ground.noising.graph, slope) {
            let (form, _) = self.forms.form(&self.ground.noising.graph, atom)?;
            let form = form.clone();
            let settled = self.settled(&form, &at_zero)?;
            images.push((atom, self.forms.atom(self.ground.graph(), time, settled)));
        }
        images.extend(at_zero);
        Some(self.graph().substitute(slope, &images))
    }

    /// The derivative of one functional by the parameter, not yet at zero.
    fn varied_form(&mut self, form: &Form, parameter: Expr) -> Option<Expr> {
        let time = self.ground.noising.time;
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
                if graph.depends_on_any(*body, &[parameter]) || !depends(graph, law, parameter) {
                    if depends(graph, law, parameter) {
                        return None;
                    }
                    let body = slope(graph, *body);
                    Form::Mean {
                        law: law.clone(),
                        body,
                    }
                } else {
                    return None;
                }
            }
            Form::PathMean { law, body } => return self.varied_path_mean(law, *body, parameter),
            Form::Divergence { .. } | Form::Variation { .. } | Form::Stochastic { .. } => {
                return None;
            }
        };
        Some(self.forms.atom(self.ground.graph(), time, varied))
    }

    /// `d E_u[Z] = E_u[ dZ + Z int (du) . dW ]`.
    fn varied_path_mean(&mut self, law: &Law, body: Expr, parameter: Expr) -> Option<Expr> {
        let time = self.ground.noising.time;
        let atoms = self.forms.path_terms(&self.ground.noising.graph, body);
        let mut parts = vec![self.graph().derivative(body, parameter)];
        for atom in atoms {
            let outer = self.graph().derivative(body, atom);
            let (form, _) = self.forms.form(&self.ground.noising.graph, atom)?;
            let form = form.clone();
            let inner = self.varied_form(&form, parameter)?;
            parts.push(self.graph().mul(&[outer, inner]));
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
                let tilt = self.forms.atom(self.ground.graph(), time, tilt);
                parts.push(self.graph().mul(&[body, tilt]));
            }
        }
        let body = self.graph().add(&parts);
        let mean = Form::PathMean {
            law: law.clone(),
            body,
        };
        Some(self.forms.atom(self.ground.graph(), time, mean))
    }

    /// The functional with expressions replaced inside, at every depth.
    fn settled(&mut self, form: &Form, images: &[(Expr, Expr)]) -> Option<Form> {
        let law_settled = |this: &mut Self, law: &Law| match law {
            Law::Controlled(v) => Law::Controlled(
                v.iter()
                    .map(|v| this.graph().substitute(*v, images))
                    .collect(),
            ),
            other => other.clone(),
        };
        Some(match form {
            Form::Start(body) => Form::Start(self.graph().substitute(*body, images)),
            Form::End(body) => Form::End(self.graph().substitute(*body, images)),
            Form::Integral(body) => Form::Integral(self.graph().substitute(*body, images)),
            Form::Stochastic {
                reading,
                integrand,
                against,
            } => Form::Stochastic {
                reading: *reading,
                integrand: integrand
                    .iter()
                    .map(|a| self.graph().substitute(*a, images))
                    .collect(),
                against: *against,
            },
            Form::Mean { law, body } => Form::Mean {
                law: law_settled(self, law),
                body: self.graph().substitute(*body, images),
            },
            Form::PathMean { law, body } => Form::PathMean {
                law: law_settled(self, law),
                body: self.settled_inside(*body, images)?,
            },
            Form::TimeIntegral(body) => Form::TimeIntegral(self.settled_inside(*body, images)?),
            Form::Divergence { of, from } => Form::Divergence {
                of: law_settled(self, of),
                from: law_settled(self, from),
            },
            Form::Variation { .. } => return None,
        })
    }

    fn settled_inside(&mut self, e: Expr, images: &[(Expr, Expr)]) -> Option<Expr> {
        let time = self.ground.noising.time;
        let mut all = images.to_vec();
        for atom in self.forms.atoms(&self.ground.noising.graph, e) {
            let (form, order) = self.forms.form(&self.ground.noising.graph, atom)?;
            if order > 0 {
                return None;
            }
            let form = form.clone();
            let settled = self.settled(&form, images)?;
            all.push((atom, self.forms.atom(self.ground.graph(), time, settled)));
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
