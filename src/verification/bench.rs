//! Everything a check may ask about, and the answers it is about.

use crate::comparison::policies::best;
use crate::comparison::policy_paths::{PolicyPaths, PolicyWalk, Simulator};
use crate::comparison::reference_law::{ReferenceAnswer, ReferenceLaw, reference_answer};
use crate::comparison::{Comparison, ComparisonRow, compares_scores};
use crate::derivation::Derivation;
use crate::expr::Expr;
use crate::field::Field;
use crate::field::idle::Idle;
use crate::numeric::batch::Batch;
use crate::numeric::random::Streams;
use crate::problem::meant::model::{Against, CheckSpec};
use crate::solvers::driver::Solution;
use crate::solvers::lowered::problem::Lowered;
use crate::verification::subject::{Claims, Scope, Subject};
use std::cell::{OnceCell, RefCell};

/// Points at which equations are evaluated.
const POINTS: usize = 64;

/// The problem, the answers to it and what is known of them.
pub struct Bench<'a> {
    pub lowered: &'a Lowered,
    pub derivation: &'a Derivation,
    pub solutions: &'a [Solution],
    pub comparison: &'a Comparison,
    pub streams: Streams,
    simulator: OnceCell<Simulator>,
    /// States at the shares of the horizon that were asked for.
    clouds: RefCell<Vec<(f64, (f64, Batch))>>,
    /// What claims are measured against; `None` where answers are not scores.
    reference: Option<ReferenceAnswer<'a>>,
    law: Option<ReferenceLaw<'a>>,
}

impl<'a> Bench<'a> {
    pub fn new(
        lowered: &'a Lowered,
        derivation: &'a Derivation,
        solutions: &'a [Solution],
        comparison: &'a Comparison,
        streams: &Streams,
    ) -> Self {
        let bench = Self {
            lowered,
            derivation,
            solutions,
            comparison,
            streams: streams.scoped("verification"),
            simulator: OnceCell::new(),
            clouds: RefCell::default(),
            reference: None,
            law: None,
        };
        if !bench.has_claims() {
            return bench;
        }
        Self {
            reference: reference_answer(lowered, solutions),
            law: ReferenceLaw::new(lowered, solutions),
            ..bench
        }
    }

    /// Whether answers claim a score and perhaps a density of a noised law.
    pub(super) fn has_claims(&self) -> bool {
        compares_scores(self.lowered)
    }

    /// The answers listed in the file, else all.
    pub(super) fn listed(&self, spec: &CheckSpec) -> impl Iterator<Item = &'a Solution> {
        let listed = move |id: &str| spec.on.is_empty() || spec.on.iter().any(|on| on == id);
        self.solutions.iter().filter(move |s| listed(&s.id))
    }

    /// The claims a check is about: of the answers listed in the file, else by the scope of the identity.
    pub(super) fn subjects(&self, scope: Scope, spec: &CheckSpec) -> Vec<Subject<'_>> {
        let explicit = !spec.on.is_empty();
        let mut subjects = Vec::new();
        if let Some(optimum) = self.optimum()
            && (!explicit || spec.on.iter().any(|on| on == optimum.name))
        {
            subjects.push(optimum);
        }
        for solution in self.listed(spec) {
            if subjects.iter().any(|s| s.name == solution.id) {
                continue;
            }
            let subject = match scope {
                Scope::Optimum if explicit => Some(self.claimed(solution, true)),
                Scope::Optimum => None,
                Scope::EveryField => self.trial(solution),
                Scope::Ingredients => Some(self.claimed(solution, false)),
                Scope::Densities => {
                    let has_density = solution.answer.law.log_density.is_some();
                    has_density.then(|| self.claimed(solution, false))
                }
            };
            subjects.extend(subject);
        }
        subjects
    }

    /// The reference, under the id of the exact solver if there is one.
    fn optimum(&self) -> Option<Subject<'_>> {
        let reference = self.reference?;
        let closed_form = self.lowered.facts.marginals.is_some();
        let exact = |s: &&Solution| closed_form && s.method == "exact";
        let name = self.solutions.iter().find(exact);
        Some(Subject {
            name: name.map_or(reference.name, |s| s.id.as_str()),
            lowered: self.lowered,
            law: self.law.as_ref(),
            score: reference.score,
            log_density: reference.log_density,
            reference_density: None,
            trial: None,
            claims: Claims::default(),
            closed_form,
        })
    }

    /// A solver's field as a trial against the reference score.
    fn trial<'b>(&'b self, solution: &'b Solution) -> Option<Subject<'b>> {
        Some(Subject {
            name: &solution.id,
            trial: Some(solution.answer.score()),
            ..self.optimum()?
        })
    }

    /// A solver's own ingredients; `borrow` lends it the reference density if it has none.
    fn claimed<'b>(&'b self, solution: &'b Solution, borrow: bool) -> Subject<'b> {
        let own = solution.answer.law.log_density.as_deref();
        let reference = self.reference.and_then(|r| r.log_density);
        Subject {
            name: &solution.id,
            lowered: self.lowered,
            law: self.law.as_ref(),
            score: solution.answer.score(),
            log_density: if borrow { own.or(reference) } else { own },
            reference_density: own.and(reference),
            trial: None,
            claims: Claims::default(),
            closed_form: solution.answer.law.grid.is_none() && !solution.answer.is_score_of_policy,
        }
    }

    /// How an answer did in simulations.
    pub(super) fn row(&self, solution: &Solution) -> Option<&'a ComparisonRow> {
        self.comparison.row(&solution.id)
    }

    /// The answer that a check compares with: as the file says, else the given one.
    pub(super) fn against(
        &self,
        spec: &CheckSpec,
        otherwise: Option<&'a Solution>,
    ) -> Option<&'a Solution> {
        match &spec.against {
            Some(Against::Solver(id)) => self.solutions.iter().find(|s| s.id == *id),
            _ => otherwise,
        }
    }

    /// What policies were compared with.
    pub(super) fn best(&self) -> Option<&'a Solution> {
        let reference = self.comparison.reference.as_deref();
        let compared = self
            .solutions
            .iter()
            .find(|s| Some(s.id.as_str()) == reference);
        compared.or_else(|| best(self.solutions, &[]))
    }

    /// Walks under a policy until `until`, at `steps << level` steps on the noise of the finest.
    pub(super) fn walk(
        &self,
        policy: &dyn Field,
        start: &Batch,
        (steps, level, finest): (usize, u32, u32),
        until: f64,
        role: &str,
    ) -> PolicyPaths {
        PolicyWalk {
            simulator: self.simulator.get_or_init(|| {
                let best = self.best().map(|best| &best.answer);
                Simulator::new(self.lowered).going_on(self.lowered, best)
            }),
            policy,
            reference: None,
            steps,
            finest,
            until,
            stream: &self.streams.role(role),
        }
        .run(start.as_ref(), level)
    }

    /// The first part of the problem that jumps or has a corner somewhere in the states and controls: a value has no
    /// derivatives there, or next to it, that orders of convergence could rest on.
    pub(super) fn rough(&self) -> Option<String> {
        let parts = &self.lowered.process;
        let process = &parts.process;
        let entries = process.diffusion.iter().chain(&parts.channel).flatten();
        let coefficients = process.drift.iter().chain(entries);
        let costs = [&parts.terminal, &parts.running, &parts.other_price];
        let mut all = coefficients.chain(costs);
        all.find_map(|e| self.moving(process.graph.kinks(*e)))
    }

    /// The first part of the end cost that may jump.
    pub(super) fn jump_at_end(&self) -> Option<String> {
        let parts = &self.lowered.process;
        self.moving(parts.process.graph.jumps(parts.terminal))
    }

    /// The first of some parts that depends on states or controls.
    fn moving(&self, found: Vec<Expr>) -> Option<String> {
        let parts = &self.lowered.process;
        let graph = &parts.process.graph;
        let names = [parts.process.state.as_slice(), &parts.control].concat();
        let moving = found.into_iter().find(|e| graph.depends_on_any(*e, &names));
        moving.map(|e| graph.text(e))
    }

    /// States of the best policy's process at a share of the horizon, of paths that go on.
    pub(super) fn cloud(&self, share: f64) -> (f64, Batch) {
        let known = self.clouds.borrow();
        if let Some((_, cloud)) = known.iter().find(|(known, _)| *known == share) {
            return cloud.clone();
        }
        drop(known);
        let cloud = self.states_at(share);
        self.clouds.borrow_mut().push((share, cloud.clone()));
        cloud
    }

    fn states_at(&self, share: f64) -> (f64, Batch) {
        let process = &self.lowered.compiled.steered;
        let t = process.start() + share * (process.end() - process.start());
        let start = self
            .lowered
            .draw_start(&self.streams.role("points"), 0, POINTS);
        let idle = Idle {
            states: process.dimension(),
            controls: process.controls(),
        };
        let policy: &dyn Field = match self.best().and_then(|b| b.answer.policy.as_deref()) {
            Some(policy) => policy,
            None => &idle,
        };
        let steps = self.lowered.problem.time_settings.steps as f64;
        let steps = ((share * steps).ceil() as usize).max(1);
        let walked = self.walk(policy, &start, (steps, 0, 0), t, "walk");
        let going = walked.ended().iter().enumerate();
        let going = going.filter(|(_, ended)| **ended >= t);
        let rows: Vec<Vec<f64>> = going.map(|(i, _)| walked.end.row(i)).collect();
        (t, Batch::from_rows(walked.end.columns(), &rows))
    }
}
