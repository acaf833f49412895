//! Groups of states that nothing couples: the problem of each, its solution by another method, and the sum of fields.

use crate::derivation::control::product_form::{Coupling, restricted};
use crate::derivation::ground::controlled::ControlledDiffusion;
use crate::derivation::ground::noising::{Noising, terms};
use crate::expr::arithmetic::sum;
use crate::expr::{CompileError, Expr};
use crate::field::Field;
use crate::numeric::batch::{Batch, BatchMut, BatchRef};
use crate::numeric::random::Streams;
use crate::problem::meant::law::{Covariance, Law, Mixture};
use crate::solvers::driver::{Method, Progress, SolveError, Work};
use crate::solvers::lowered::answer::Answer;
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::refusal::Refusal;
use std::sync::Arc;

/// The smallest coupling, as the end of a sentence about coupled states; empty where there is none.
pub(crate) fn smallest_coupling(couplings: &[Coupling]) -> String {
    let smallest = couplings.iter().min_by_key(|coupling| coupling.size);
    smallest.map_or(String::new(), |coupling| {
        format!(": {} in {}", coupling.term, coupling.place)
    })
}

/// The first noise that moves two states, as the end of a sentence.
pub(crate) fn joined_noise(lowered: &Lowered) -> Option<String> {
    let mut parts = lowered.process.clone();
    let states = parts.dimension();
    let pairs = (0..states).flat_map(|i| (0..i).map(move |j| (i, j)));
    for (i, j) in pairs {
        let entry = parts.process.diffusivity[i][j];
        let graph = &mut parts.process.graph;
        if !graph.is_zero(entry) && !graph.is_provably_zero(entry) {
            let [a, b] = [j, i].map(|k| graph.text(parts.process.state[k]));
            let text = graph.text(entry);
            return Some(format!(
                "a noise moves both {a} and {b}: G G'[{i}][{j}] = {text}"
            ));
        }
    }
    None
}

/// A group being solved by a method.
pub(crate) trait Solving {
    fn start(&mut self, streams: &Streams) -> Result<(), SolveError>;
    fn advance(&mut self, work: &mut Work) -> Result<(), SolveError>;
    fn progress(&self) -> Progress;
    fn finish(self: Box<Self>) -> Result<Answer, SolveError>;
}

enum Phase<M: Method> {
    Admitted(Option<M::Admitted>),
    Started(M::State),
}

struct GroupSolve<M: Method> {
    method: M,
    lowered: Lowered,
    phase: Phase<M>,
}

const NOT_STARTED: &str = "groups are started before they advance";

impl<M> Solving for GroupSolve<M>
where
    M: Method,
{
    fn start(&mut self, streams: &Streams) -> Result<(), SolveError> {
        if let Phase::Admitted(admitted) = &mut self.phase {
            let admitted = admitted.take().expect("a group starts once");
            let state = self.method.start(&self.lowered, admitted, streams)?;
            self.phase = Phase::Started(state);
        }
        Ok(())
    }

    fn advance(&mut self, work: &mut Work) -> Result<(), SolveError> {
        match &mut self.phase {
            Phase::Started(state) => self.method.advance(&self.lowered, state, work),
            Phase::Admitted(_) => unreachable!("{NOT_STARTED}"),
        }
    }

    fn progress(&self) -> Progress {
        match &self.phase {
            Phase::Started(state) => self.method.progress(state),
            Phase::Admitted(_) => unreachable!("{NOT_STARTED}"),
        }
    }

    fn finish(self: Box<Self>) -> Result<Answer, SolveError> {
        match self.phase {
            Phase::Started(state) => self.method.finish(&self.lowered, state),
            Phase::Admitted(_) => unreachable!("{NOT_STARTED}"),
        }
    }
}

pub(crate) fn admitted<M>(method: M, lowered: Lowered) -> Result<Box<dyn Solving>, Refusal>
where
    M: Method + 'static,
{
    let admitted = method.admit(&lowered)?;
    Ok(Box::new(GroupSolve {
        method,
        lowered,
        phase: Phase::Admitted(Some(admitted)),
    }))
}

/// The problem of one group; `constants` are what the costs are where all states vanish.
pub(crate) fn group_problem(
    lowered: &Lowered,
    parts: &ControlledDiffusion,
    group: &[usize],
    constants: bool,
) -> Result<Lowered, CompileError> {
    let state = &parts.process.state;
    let mut own = if constants {
        parts.clone()
    } else {
        restricted(parts, group)
    };
    let mut graph = own.process.graph;
    let zero = graph.zero();
    let others: Vec<(Expr, Expr)> = (0..state.len())
        .filter(|i| !group.contains(i))
        .map(|i| (state[i], zero))
        .collect();
    own.running = graph.substitute(own.running, &others);
    own.terminal = graph.substitute(own.terminal, &others);
    let mut drift = Vec::new();
    let (mut diffusion, mut channel) = (Vec::new(), Vec::new());
    for i in group {
        drift.push(graph.substitute(parts.process.drift[*i], &others));
        for (matrix, rows) in [
            (&parts.process.diffusion, &mut diffusion),
            (&parts.channel, &mut channel),
        ] {
            let row = matrix[*i].iter();
            rows.push(row.map(|e| graph.substitute(*e, &others)).collect());
        }
    }
    own.channel = channel;
    let priced: Vec<Expr> = {
        let expanded = graph.expand_quickly(parts.other_price);
        let mut terms = terms(&mut graph, expanded);
        terms.retain(|term| match parts.joined_by(&graph, *term).first() {
            Some(state) => group.contains(state),
            None => constants,
        });
        terms
    };
    own.other_price = graph.of(sum(priced));
    let states = group.iter().map(|i| state[*i]).collect();
    own.process = Noising::new(graph, parts.process.time, states, drift, diffusion);
    let mut whole = lowered.problem.clone();
    if let Some(domain) = &mut whole.dynamics.domain {
        *domain = group.iter().map(|i| domain[*i]).collect();
    }
    let boundary = &mut whole.dynamics.boundary;
    if boundary.len() == state.len() {
        *boundary = group.iter().map(|i| boundary[*i]).collect();
    }
    own.start = Some(marginal(lowered.start(), group));
    lowered.part(whole, own)
}

/// The law of some of the states.
fn marginal(law: &Law, group: &[usize]) -> Law {
    match (law, law.mixture()) {
        (Law::Delta(point), _) => Law::Delta(group.iter().map(|i| point[*i]).collect()),
        (Law::Uniform(sides), _) => Law::Uniform(group.iter().map(|i| sides[*i]).collect()),
        (_, Some(mixture)) => {
            let covariance = |whole: &Covariance| {
                let row = |i: &usize| group.iter().map(|j| whole.entry(*i, *j)).collect();
                Covariance::Full(group.iter().map(row).collect())
            };
            let mean = |mean: &Vec<f64>| group.iter().map(|i| mean[*i]).collect();
            Law::Mixture(Mixture {
                weights: mixture.weights.clone(),
                means: mixture.means.iter().map(mean).collect(),
                covariances: mixture.covariances.iter().map(covariance).collect(),
            })
        }
        _ => unreachable!("a law without draws was refused when the problem was lowered"),
    }
}

/// A sum of fields, each of some of the states.
pub(crate) struct Summed {
    parts: Vec<(Vec<usize>, Arc<dyn Field + Send>)>,
    inputs: usize,
}

impl Summed {
    pub(crate) fn new(parts: Vec<(Vec<usize>, Arc<dyn Field + Send>)>, inputs: usize) -> Self {
        Self { parts, inputs }
    }
}

impl Field for Summed {
    fn inputs(&self) -> usize {
        self.inputs
    }

    fn outputs(&self) -> usize {
        self.parts[0].1.outputs()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let parts = self.parts.iter();
        let fields = parts.map(|(group, field)| (group.as_slice(), &**field as &dyn Field));
        add_up(fields, t, x, out);
    }

    fn frozen(&self, t: f64) -> Option<Box<dyn Field + '_>> {
        let frozen: Vec<_> = self.parts.iter().map(|part| part.1.frozen(t)).collect();
        if frozen.iter().all(Option::is_none) {
            return None;
        }
        Some(Box::new(FrozenSum {
            whole: self,
            frozen,
        }))
    }
}

/// A sum of fields at one time; where a part has nothing to prepare, the part itself.
struct FrozenSum<'a> {
    whole: &'a Summed,
    frozen: Vec<Option<Box<dyn Field + 'a>>>,
}

impl Field for FrozenSum<'_> {
    fn inputs(&self) -> usize {
        self.whole.inputs
    }

    fn outputs(&self) -> usize {
        self.whole.outputs()
    }

    fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        let parts = self.whole.parts.iter().zip(&self.frozen);
        let fields = parts.map(|((group, field), frozen)| match frozen {
            Some(frozen) => (group.as_slice(), &**frozen),
            None => (group.as_slice(), &**field as &dyn Field),
        });
        add_up(fields, t, x, out);
    }
}

/// The sum of fields that each see some of the states.
fn add_up<'a>(
    fields: impl Iterator<Item = (&'a [usize], &'a dyn Field)>,
    t: f64,
    x: BatchRef<'_>,
    mut out: BatchMut<'_>,
) {
    out.fill(0.0);
    let mut own = Batch::zeros(x.points(), out.columns());
    for (group, field) in fields {
        let mut at = Batch::zeros(x.points(), group.len());
        for (j, i) in group.iter().enumerate() {
            at.column_mut(j).copy_from_slice(x.column(*i));
        }
        field.eval(t, at.as_ref(), own.as_mut());
        for j in 0..out.columns() {
            for (o, v) in out.column_mut(j).iter_mut().zip(own.column(j)) {
                *o += v;
            }
        }
    }
}
