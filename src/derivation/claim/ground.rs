//! What the names of a claim stand for: the process, its law and its control as symbols.

use crate::derivation::ground::matrix::as_multiple_of_identity;
use crate::derivation::ground::noising::Noising;
use crate::expr::arithmetic::dot;
use crate::expr::{Expr, Graph, Node, Scope, Shape, Value};
use crate::problem::meant::law::Law as StatedLaw;
use crate::problem::meant::model::Problem;
use crate::problem::meant::task::{Cost, Task};
use std::collections::BTreeMap;

/// Names a `let` may not take: they mean something in every claim.
pub const RESERVED: [&str; 20] = [
    "score",
    "log_p",
    "log_prior",
    "V",
    "u",
    "drift",
    "diffusion",
    "D",
    "g",
    "reverse_drift",
    "running",
    "terminal",
    "conditional_score",
    "slice",
    "action",
    "dX",
    "dW",
    "forward",
    "reverse",
    "t",
];

/// A path law of the problem.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// The noising process, in noising time, from the data.
    Forward,
    /// Its time reversal, in reverse time, from `p_T`.
    Reverse,
    /// `dY = (b + G v) dtau + G dB` in reverse time, from the prior; `v` has one entry per noise.
    Controlled(Vec<Expr>),
}

/// The process of a problem with the unknown functions claims are about.
///
/// | name | meaning |
/// |---|---|
/// | `drift`, `diffusion`, `D` | `f`, `G`, `D = G G'` of the noising process; `g` where `G = g I` |
/// | `reverse_drift` | `b = -f + div D`, the drift of the uncontrolled reverse process |
/// | `running`, `terminal` | `q = div f - 1/2 div div D`, and `-log p` |
/// | `log_p`, `score`, `V` | `log p_t`, its gradient, `-log p_t` |
/// | `u` | the control of the law: `v` under `controlled(v)`, else `G' score` |
/// | `log_prior` | log density the controlled process starts from |
/// | `conditional_score` | `grad log p(x_t \| x_0)` |
/// | `slice` | a random direction: independent standard normals |
///
/// In kind `control` the names `drift`, `diffusion`, `D`, `g`, `running`, `terminal` and the controls are those
/// of the user's problem, and the others have no meaning.
#[derive(Clone, Debug)]
pub struct Ground {
    pub noising: Noising,
    pub log_p: Expr,
    pub score: Vec<Expr>,
    pub log_prior: Expr,
    pub conditional_score: Vec<Expr>,
    pub slice: Vec<Expr>,
    /// First and last time, where claims about the ends may use them.
    pub horizon: Option<(Expr, Expr)>,
    /// Whether the problem has a reverse process that can be controlled.
    pub reverses: bool,
    /// Controls of the user's problem, in kind `control`.
    pub controls: Vec<Expr>,
    /// States that start above zero and stay there, because drift and noise vanish at zero.
    pub positive: Vec<Expr>,
    scope: Scope,
    scalar: bool,
}

impl Ground {
    /// Adds the unknown functions of claims to a noising process and names everything. `scope` holds
    /// what the problem file defines beside the state.
    pub fn new(mut noising: Noising, mut scope: Scope) -> Self {
        let log_p = noising.field("log_p");
        let score = noising.gradient(log_p);
        let log_prior = noising.at_end("log_prior");
        let scalar = declare_state(&mut noising, &mut scope);
        let d = noising.dimension();
        let indexed = |name: &str, i: usize| match d {
            1 => name.to_owned(),
            _ => format!("{name}[{i}]"),
        };
        let conditional_score = (0..d)
            .map(|i| noising.field(&indexed("conditional_score", i)))
            .collect();
        let slice = (0..d)
            .map(|i| noising.graph.symbol(&format!("#{}", indexed("slice", i))))
            .collect();
        let mut ground = Self {
            noising,
            log_p,
            score,
            log_prior,
            conditional_score,
            slice,
            horizon: None,
            reverses: true,
            controls: Vec::new(),
            positive: Vec::new(),
            scope,
            scalar,
        };
        ground.name_everything();
        ground
    }

    /// The process of a problem file, with its parameters and definitions.
    pub fn of(problem: &Problem) -> Self {
        let mut noising = Noising::of_problem(problem);
        let mut scope = Scope::new();
        bind_parameters(&mut noising.graph, &mut scope, problem);
        for (name, value) in &problem.definitions {
            scope.bind(name, value.clone());
        }
        let (start, end) = horizon(problem);
        let positive = positive_states(&mut noising, problem);
        let graph = &mut noising.graph;
        let horizon = (graph.number(start), graph.number(end));
        let named = scope.clone();
        let mut ground = Self {
            horizon: Some(horizon),
            reverses: problem.task.prior().is_some(),
            controls: problem.control.clone(),
            positive,
            ..Self::new(noising, scope)
        };
        if let Task::Control(task) = &problem.task {
            ground.name_control(problem, &task.cost, named);
        }
        ground
    }

    /// In kind `control` names are those of the user's problem; what only the answer of a solver knows has none.
    fn name_control(&mut self, problem: &Problem, cost: &Cost, mut scope: Scope) {
        declare_state(&mut self.noising, &mut scope);
        for (name, control) in problem.control_names.iter().zip(&problem.control) {
            scope.bind(name, Value::Scalar(*control));
        }
        let whole = problem
            .control_names
            .first()
            .and_then(|name| name.split_once('['));
        if let Some((name, _)) = whole {
            scope.bind(name, Value::Vector(problem.control.clone()));
        }
        scope.bind("running", Value::Scalar(cost.running));
        scope.bind("terminal", Value::Scalar(cost.terminal));
        for name in ["drift", "diffusion", "D", "g"] {
            if let Some(value) = self.scope.value(name) {
                scope.bind(name, value.clone());
            }
        }
        self.scope = scope;
    }

    pub fn graph(&mut self) -> &mut Graph {
        &mut self.noising.graph
    }

    /// The names of every claim about this problem.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    fn name_everything(&mut self) {
        let noising = &self.noising;
        let (drift, reverse) = (noising.drift.clone(), noising.reverse_drift.clone());
        let running = noising.running_cost;
        let diffusion = noising.diffusion.clone();
        let diffusivity = noising.diffusivity.clone();
        let value = self.noising.of(-self.log_p);
        let bind = [
            ("drift", self.state_vector(drift)),
            ("reverse_drift", self.state_vector(reverse)),
            ("diffusion", self.noise_matrix(diffusion.clone())),
            ("D", self.noise_matrix(diffusivity)),
            ("running", Value::Scalar(running)),
            ("log_p", Value::Scalar(self.log_p)),
            ("V", Value::Scalar(value)),
            ("terminal", Value::Scalar(value)),
            ("score", self.state_vector(self.score.clone())),
            ("log_prior", Value::Scalar(self.log_prior)),
            (
                "conditional_score",
                self.state_vector(self.conditional_score.clone()),
            ),
            ("slice", self.state_vector(self.slice.clone())),
        ];
        for (name, value) in bind {
            self.scope.bind(name, value);
        }
        if let Some(g) = as_multiple_of_identity(&self.noising.graph, &diffusion) {
            self.scope.bind("g", Value::Scalar(g));
        }
    }

    /// A scalar where the state was declared as one.
    pub fn state_vector(&self, v: Vec<Expr>) -> Value {
        match v.as_slice() {
            [e] if self.scalar => Value::Scalar(*e),
            _ => Value::Vector(v),
        }
    }

    /// One entry per noise.
    pub fn noise_vector(&self, v: Vec<Expr>) -> Value {
        self.state_vector(v)
    }

    fn noise_matrix(&self, rows: Vec<Vec<Expr>>) -> Value {
        match rows.as_slice() {
            [row] if row.len() == 1 && self.scalar => Value::Scalar(row[0]),
            _ => Value::Matrix(rows),
        }
    }

    /// `G' score`.
    pub fn optimal_control(&mut self) -> Vec<Expr> {
        let score = self.score.clone();
        self.noising.through_noise(&score)
    }

    /// The control that makes the reverse process follow this law.
    pub fn control(&mut self, law: &Law) -> Vec<Expr> {
        match law {
            Law::Forward | Law::Reverse => self.optimal_control(),
            Law::Controlled(v) => v.clone(),
        }
    }

    /// Drift of a law in its own direction of time.
    pub fn drift_of(&mut self, law: &Law) -> Vec<Expr> {
        if *law == Law::Forward {
            return self.noising.drift.clone();
        }
        let control = self.control(law);
        let noising = &mut self.noising;
        let rows = noising.reverse_drift.iter().zip(&noising.diffusion);
        noising
            .graph
            .each(rows.map(|(b, row)| *b + dot(row, &control)))
    }

    /// `+-d_t F + drift . grad F + 1/2 D : grad grad F`, the rate of F along a law.
    pub fn rate(&mut self, law: &Law, e: Expr) -> Expr {
        let drift = self.drift_of(law);
        let noising = &mut self.noising;
        let slope = noising.rate(e);
        let along = noising.generator(&drift, e);
        noising.of(match law {
            Law::Forward => slope + along,
            Law::Reverse | Law::Controlled(_) => along - slope,
        })
    }

    /// Whether `e` depends on the state, also through unknown functions.
    pub fn is_pointwise(&self, e: Expr) -> bool {
        let graph = &self.noising.graph;
        [&self.noising.state, &self.slice, &self.controls]
            .into_iter()
            .any(|names| graph.depends_on_any(e, names))
    }
}

/// The horizon of claims: from the start where the data have a density there, else from `t_min`.
pub fn horizon(problem: &Problem) -> (f64, f64) {
    let (start, end) = problem.window();
    let data = problem.task.start_law().and_then(StatedLaw::mixture);
    let dense = data.is_none_or(|mixture| {
        let mut covariances = mixture.covariances.iter();
        covariances.all(|c| (0..mixture.dimension()).all(|i| c.entry(i, i) > 0.0))
    });
    if dense {
        (start, end)
    } else {
        (problem.time_settings.t_min, end)
    }
}

/// States whose drift and noise vanish at zero and that start above it.
fn positive_states(noising: &mut Noising, problem: &Problem) -> Vec<Expr> {
    let law = problem.task.start_law().and_then(StatedLaw::mixture);
    let Some(law) = law else {
        return Vec::new();
    };
    let starts_above = |i: usize| {
        (0..law.components())
            .all(|k| law.means[k][i] > 0.0 && law.covariances[k].entry(i, i) == 0.0)
    };
    let mut found = noising.state.clone();
    let mut i = 0;
    found.retain(|x| {
        let coefficients: Vec<Expr> = [noising.drift[i]]
            .into_iter()
            .chain(noising.diffusion[i].iter().copied())
            .collect();
        let starts_above = starts_above(i);
        i += 1;
        let zero = noising.graph.zero();
        starts_above
            && coefficients.into_iter().all(|e| {
                let there = noising.graph.substitute(e, &[(*x, zero)]);
                noising.graph.is_zero(there)
            })
    });
    found
}

/// Numbers, vectors and matrices of `[params]`: `a`, `a[i]`, `a[i][j]`.
fn bind_parameters(graph: &mut Graph, scope: &mut Scope, problem: &Problem) {
    let mut arrays: BTreeMap<&str, BTreeMap<Vec<usize>, f64>> = BTreeMap::new();
    for (name, value) in &problem.parameters {
        let mut parts = name.split('[');
        let base = parts.next().unwrap_or(name);
        let indices: Option<Vec<usize>> = parts
            .map(|i| i.trim_end_matches(']').parse().ok())
            .collect();
        if let Some(indices) = indices {
            arrays.entry(base).or_default().insert(indices, *value);
        }
    }
    for (name, entries) in arrays {
        let Some(last) = entries.keys().next_back().cloned() else {
            continue;
        };
        let values: Vec<f64> = entries.into_values().collect();
        match last.as_slice() {
            [] => scope.bind_number(graph, name, values[0]),
            [_] => scope.bind_vector(graph, name, &values),
            [_, j] => {
                let rows: Vec<Vec<f64>> = values.chunks(j + 1).map(<[f64]>::to_vec).collect();
                scope.bind_matrix(graph, name, &rows);
            }
            _ => {}
        }
    }
}

/// Binds `t` and the state under the names the file gave them; true for a scalar state.
fn declare_state(noising: &mut Noising, scope: &mut Scope) -> bool {
    let names: Vec<String> = noising
        .state
        .iter()
        .map(|x| {
            let name = noising.graph.symbol_name(*x);
            name.expect("states are symbols").to_owned()
        })
        .collect();
    let shape = match names.as_slice() {
        [name] if !name.contains('[') => Shape::Scalar,
        [first, ..] if first.contains('[') => Shape::Vector(names.len()),
        _ => Shape::Named(names.clone()),
    };
    let name = match &shape {
        Shape::Named(_) => "x",
        _ => names[0].split('[').next().unwrap_or("x"),
    };
    let graph = &mut noising.graph;
    scope.time(graph);
    let declared = scope.state(graph, name, &shape);
    assert_eq!(declared, noising.state, "the state keeps its symbols");
    shape == Shape::Scalar
}

/// Orders of the derivative of the unknown function `name` that `e` is, if it is one.
pub(super) fn orders_of(graph: &Graph, e: Expr, name: &str) -> Option<Vec<u32>> {
    match graph.node(e) {
        Node::Unknown(found, _, orders) if found == name => Some(orders.clone()),
        _ => None,
    }
}
