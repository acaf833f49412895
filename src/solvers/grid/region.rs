//! Where a grid has to be: where optimal paths go.
//!
//! A first box holds uncontrolled paths and what the noise alone could reach. On a coarse grid over it the equation is
//! solved, paths are walked under the policy found, and the box is moved to where they went, until it holds them. On the
//! same nodes and some more beyond every edge that only cuts the line off, the coarse answer then shows how much those
//! edges still matter: as long as they do the box grows, and what is left is part of the error.

use crate::field::Field;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::interpolation::UniformAxis;
use crate::numeric::random::Streams;
use crate::solvers::driver::SolveError;
use crate::solvers::grid::at_start::AtStart;
use crate::solvers::lowered::edges::{Edge, Edges};
use crate::solvers::lowered::problem::Lowered;
use crate::solvers::lowered::start_law::start_nodes;
use std::sync::Arc;

/// Paths that show where the process goes.
const PATHS: usize = 2048;
/// Their steps.
const STEPS: usize = 128;
/// Most parts of a step where the drift is stiff, and how far it may change along one, over itself.
const MOST_PARTS: usize = 64;
const STIFFEST: f64 = 0.5;
/// Standard deviations of the noise collected over the horizon that a control may push as far as.
const REACH: f64 = 4.0;
/// Share of the width by which an interval goes on.
const WIDER: f64 = 0.25;
/// Share of the width added at both ends.
const MARGIN: f64 = 0.125;
/// Share of the width of the paths at one time added at both ends of them: further ones are too rare to be seen.
const UNSEEN: f64 = 0.15;
/// Most boxes tried; those in which a box may shrink.
const ROUNDS: usize = 16;
const SHRINKING: usize = 4;
/// Widths by which an end moves in one round.
const GROWTH: f64 = 2.0;
/// How many times too wide a box has to be to shrink.
const WIDE: f64 = 2.0;
/// Share of its cells by which a box is widened to see what its edges matter.
const WIDENED: f64 = 0.25;
/// Change of the coarse value, relative to it, below which the edges do not matter, and most boxes widened for it.
const MATTERS: f64 = 1e-5;
const WIDER_BOXES: usize = 3;
/// Share of optimal paths beyond cut edges from which on there is no answer, where these edges change the coarse value by
/// more than this share of it: a value that goes on as a parabola is not cut.
const MOST_CUT: f64 = 0.01;
const MOST_CHANGED: f64 = 1e-3;
/// Name of the share of optimal paths beyond the grid.
pub(crate) const CUT_FACT: &str = "share of optimal paths beyond the domain";
/// Names of the bounds of the domain among the facts.
const BOUNDS: [[&str; 2]; 3] = [
    ["domain from, first state", "to, first state"],
    ["domain from, second state", "to, second state"],
    ["domain from, third state", "to, third state"],
];

/// Paths, at some of their times.
pub(crate) struct Scout {
    pub(crate) times: Vec<f64>,
    /// All paths at each time.
    pub(crate) points: Vec<Batch>,
}

/// What a coarse grid shows.
pub(crate) struct Probe {
    pub(crate) start: AtStart,
    pub(crate) policy: Arc<dyn Field + Send>,
}

/// Solves on one grid, coarsely; `None` where that fails.
pub(crate) type Solve<'a> = dyn Fn(&Arc<Edges>, &[UniformAxis]) -> Option<Probe> + 'a;

/// The box of a grid.
#[derive(Default)]
pub(crate) struct Region {
    pub(crate) edges: Arc<Edges>,
    /// What cutting the line off at its edges changes in the answer at the start.
    pub(crate) cut: AtStart,
}

/// The domain of the file, else a box that holds the optimal paths. `cells` are those of an axis of a coarse grid.
///
/// # Errors
/// Where paths leave the doubles, so that no box holds them.
pub(crate) fn settle(
    lowered: &Lowered,
    streams: &Streams,
    cells: &[usize],
    solve: &Solve<'_>,
) -> Result<Region, SolveError> {
    let given = lowered.problem.dynamics.domain.clone();
    let free = given.is_none();
    let first = given.unwrap_or_else(|| automatic(lowered, &walk(lowered, streams, None)));
    if !holds(&first) {
        return Err(SolveError::NotFinite {
            what: "the box that holds the paths",
            value: f64::NAN,
            time: lowered.compiled.steered.end(),
            suggestion: "dynamics.domain, or weaker noise".to_owned(),
        });
    }
    let mut edges = Arc::new(Edges::new(lowered, first.clone()));
    let mut probe = solve(&edges, &axes(&edges, cells, 0.0));
    let mut round = 0;
    while let (true, Some(found)) = (free && round < ROUNDS, &probe) {
        let steered = Some((found.policy.as_ref() as &dyn Field, edges.as_ref()));
        let paths = walk(lowered, streams, steered);
        let next = moved(&edges, &paths, &first, round < SHRINKING);
        let Some(next) = next.filter(|next| holds(next)) else {
            break;
        };
        edges = Arc::new(Edges::new(lowered, next));
        probe = solve(&edges, &axes(&edges, cells, 0.0));
        round += 1;
    }
    let mut cells = cells.to_vec();
    let mut cut = AtStart::default();
    for left in (0..WIDER_BOXES).rev() {
        let wider_axes = axes(&edges, &cells, WIDENED);
        let domain: Vec<(f64, f64)> = wider_axes
            .iter()
            .map(|axis| (axis.start, axis.node(axis.count - 1)))
            .collect();
        let wider = Arc::new(Edges {
            domain: domain.clone(),
            kinds: edges.kinds.clone(),
        });
        let (Some(here), Some(there)) = (&probe, solve(&wider, &wider_axes)) else {
            break;
        };
        cut = here.start.distance(&there.start);
        if !free || left == 0 || cut.value <= MATTERS * here.start.value.abs() {
            break;
        }
        edges = Arc::new(Edges::new(lowered, domain));
        cells = wider_axes.iter().map(|axis| axis.count - 1).collect();
        probe = Some(there);
    }
    Ok(Region { edges, cut })
}

/// Whether a box has an inside of finite size.
fn holds(domain: &[(f64, f64)]) -> bool {
    let size = |(low, high): &(f64, f64)| high - low;
    domain
        .iter()
        .all(|side| size(side) > 0.0 && size(side).is_finite())
}

/// Axes over a box, with some cells more beyond edges that only cut the line off.
fn axes(edges: &Edges, cells: &[usize], widened: f64) -> Vec<UniformAxis> {
    let of_axis = |(((low, high), kinds), cells): ((&(f64, f64), &[Edge; 2]), &usize)| {
        let more = (widened * *cells as f64).ceil();
        let step = (high - low) / *cells as f64;
        let beyond = |edge: Edge| if edge == Edge::Natural { more } else { 0.0 };
        let [below, above] = kinds.map(beyond);
        let count = cells + 1 + (below + above) as usize;
        UniformAxis::between(low - below * step, high + above * step, count)
    };
    let both = edges.domain.iter().zip(&edges.kinds);
    both.zip(cells).map(of_axis).collect()
}

/// Walks without control, or under a policy within edges; paths that leave the doubles are left out by whoever reads them.
pub(crate) fn walk(
    lowered: &Lowered,
    streams: &Streams,
    steering: Option<(&dyn Field, &Edges)>,
) -> Scout {
    let process = &lowered.compiled.steered;
    let dt = (process.end() - process.start()) / STEPS as f64;
    let noise = streams.role("scout");
    let mut x = lowered.draw_start(&streams.role("scout start"), 0, PATHS);
    let mut found = Scout {
        times: Vec::new(),
        points: Vec::new(),
    };
    let mut stopped = vec![false; PATHS];
    let mut z = Batch::zeros(PATHS, process.noises());
    for step in 0..STEPS {
        let t = process.start() + step as f64 * dt;
        found.times.push(t);
        found.points.push(x.clone());
        let frozen = steering.and_then(|(policy, _)| policy.frozen(t));
        let pull = Pull {
            lowered,
            t,
            policy: frozen
                .as_deref()
                .map(|policy| policy as &dyn Field)
                .or(steering.map(|(policy, _)| policy)),
            widths: steering.map(|(_, edges)| edges.domain.iter().map(|(a, b)| b - a).collect()),
        };
        let mut drift = pull.at(x.as_ref());
        let parts = match steering {
            Some(_) => pull.parts(&x, &drift, dt),
            None => 1,
        };
        let dt = dt / parts as f64;
        for part in 0..parts {
            if part > 0 {
                drift = pull.at(x.as_ref());
            }
            pull.tame(&mut drift, dt);
            let from = x.clone();
            noise.normals(0, (step + part * STEPS) as u32, z.as_mut());
            x.add_scaled(dt, &drift);
            process
                .diffusion()
                .add_times(t, from.as_ref(), dt.sqrt(), z.as_ref(), x.as_mut());
            if let Some((_, edges)) = steering {
                x = enter(edges, &from, &x, &mut stopped);
            }
        }
    }
    found.times.push(process.end());
    found.points.push(x);
    found
}

/// Where paths are after a move, those that were stopped where they were.
fn enter(edges: &Edges, from: &Batch, to: &Batch, stopped: &mut [bool]) -> Batch {
    let (mut at, now) = edges.enter(to.as_ref());
    for (i, (stopped, now)) in stopped.iter_mut().zip(now).enumerate() {
        if *stopped {
            (0..at.columns()).for_each(|j| at.column_mut(j)[i] = from.get(i, j));
        }
        *stopped |= now;
    }
    at
}

/// The drift at one time, of no control or of a policy.
struct Pull<'a> {
    lowered: &'a Lowered,
    t: f64,
    policy: Option<&'a dyn Field>,
    /// Of the box, where there is one.
    widths: Option<Vec<f64>>,
}

impl Pull<'_> {
    fn at(&self, x: BatchRef<'_>) -> Batch {
        let process = &self.lowered.compiled.steered;
        let mut drift = Batch::zeros(x.points(), x.columns());
        process.drift(self.t, x, drift.as_mut());
        if let Some(policy) = self.policy {
            let mut u = Batch::zeros(x.points(), policy.outputs());
            policy.eval(self.t, x, u.as_mut());
            process
                .channel()
                .add_times(self.t, x, 1.0, u.as_ref(), drift.as_mut());
        }
        drift
    }

    /// A steep drift moves by at most one unit of length a step, or along the whole box.
    fn tame(&self, drift: &mut Batch, dt: f64) {
        let (points, d) = (drift.points(), drift.columns());
        for i in 0..points {
            let size = match &self.widths {
                None => (0..d).map(|j| drift.get(i, j).powi(2)).sum::<f64>().sqrt(),
                Some(widths) => (0..d)
                    .map(|j| drift.get(i, j).abs() / widths[j])
                    .fold(0.0, f64::max),
            };
            for j in 0..d {
                drift.column_mut(j)[i] /= 1.0 + dt * size;
            }
        }
    }

    /// Parts of a step in which the drift does not turn paths back beyond where they came from.
    fn parts(&self, x: &Batch, drift: &Batch, dt: f64) -> usize {
        let mut ahead = x.clone();
        ahead.add_scaled(dt, drift);
        let there = self.at(ahead.as_ref());
        let (mut change, mut size) = (0.0, 0.0);
        for (a, b) in drift.as_slice().iter().zip(there.as_slice()) {
            if a.is_finite() && b.is_finite() {
                change += (a - b).powi(2);
                size += a * a;
            }
        }
        if size == 0.0 {
            return 1;
        }
        let ratio = (change / size).sqrt() / STIFFEST;
        (ratio.ceil().max(1.0) as usize).min(MOST_PARTS)
    }
}

/// The box around the paths and around what the noise alone could reach from the start, with a margin.
fn automatic(lowered: &Lowered, scout: &Scout) -> Vec<(f64, f64)> {
    let process = &lowered.compiled.steered;
    let dt = (process.end() - process.start()) / STEPS as f64;
    // Where noise depends on the state: that of one of the starts.
    let centre = scout.points[0].row(0);
    (0..process.dimension())
        .map(|j| {
            let variance: f64 = scout.times[..STEPS]
                .iter()
                .map(|t| dt * process.diffusion().at(*t, &centre).row(j).norm_squared())
                .sum();
            let reach = REACH * variance.sqrt();
            let (a, b) = range(&scout.points[0], j);
            let all = scout.points.iter().map(|points| range(points, j));
            with_margin(all.fold((a - reach, b + reach), union))
        })
        .collect()
}

/// The box around paths, with what of them is too rare to be seen, and half of that.
fn held(scout: &Scout, j: usize) -> [(f64, f64); 2] {
    [UNSEEN, 0.5 * UNSEEN].map(|unseen| {
        let ranges = scout.points.iter().map(|points| {
            let (a, b) = range(points, j);
            (a - unseen * (b - a), b + unseen * (b - a))
        });
        ranges.fold((f64::INFINITY, f64::NEG_INFINITY), union)
    })
}

fn range(points: &Batch, j: usize) -> (f64, f64) {
    let finite = points.column(j).iter().filter(|x| x.is_finite());
    finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| {
        (a.min(*x), b.max(*x))
    })
}

fn union((a, b): (f64, f64), (c, d): (f64, f64)) -> (f64, f64) {
    (a.min(c), b.max(d))
}

fn with_margin((low, high): (f64, f64)) -> (f64, f64) {
    // A state that never moves still needs a grid.
    let margin = (MARGIN * (high - low)).max(1e-3 * (1.0 + low.abs()));
    (low - margin, high + margin)
}

/// The next box, with what of the first one is near the paths; `None` where this one will do.
fn moved(
    edges: &Edges,
    paths: &Scout,
    first: &[(f64, f64)],
    may_shrink: bool,
) -> Option<Vec<(f64, f64)>> {
    let mut settled = true;
    let mut next = Vec::new();
    for (j, (low, high)) in edges.domain.iter().copied().enumerate() {
        let [wanted, needed] = held(paths, j);
        if !(wanted.0.is_finite() && wanted.1.is_finite()) {
            return None;
        }
        let (a, b) = with_margin(wanted);
        let width = b - a;
        let mut to = (
            a.min(first[j].0.max(a - width)),
            b.max(first[j].1.min(b + width)),
        );
        let natural = edges.kinds[j].map(|edge| edge == Edge::Natural);
        let held = (needed.0 >= low || !natural[0]) && (needed.1 <= high || !natural[1]);
        let shrinks = may_shrink && natural == [true; 2] && high - low > WIDE * (to.1 - to.0);
        if !shrinks {
            to = union(to, (low, high));
        }
        settled &= held && !shrinks;
        let most = GROWTH * (high - low);
        next.push((to.0.max(low - most), to.1.min(high + most)));
    }
    (!settled).then_some(next)
}

impl Region {
    /// Where the grid is, among the facts.
    pub(crate) fn facts(&self) -> Vec<(&'static str, f64)> {
        let axes = BOUNDS.iter().zip(&self.edges.domain);
        axes.flat_map(|(names, (low, high))| [(names[0], *low), (names[1], *high)])
            .collect()
    }
}

/// Share of the paths that at some time are beyond an edge that only cuts the line off.
///
/// # Errors
/// Where that is so much that the answer is that of another problem.
pub(crate) fn beyond(region: &Region, value: f64, paths: &Scout) -> Result<f64, SolveError> {
    let edges = &region.edges;
    let mut out = vec![false; PATHS];
    for points in &paths.points {
        for (j, ((low, high), kinds)) in edges.domain.iter().zip(&edges.kinds).enumerate() {
            let natural = kinds.map(|edge| edge == Edge::Natural);
            for (out, x) in out.iter_mut().zip(points.column(j)) {
                *out |= (natural[0] && x < low) || (natural[1] && x > high) || x.is_nan();
            }
        }
    }
    let share = out.iter().filter(|out| **out).count() as f64 / PATHS as f64;
    if share > MOST_CUT && region.cut.value > MOST_CHANGED * value.abs() {
        return Err(SolveError::Escapes {
            share,
            suggestion: "a wider dynamics.domain".to_owned(),
        });
    }
    Ok(share)
}

/// An interval of one state, made to hold paths without control on their way: where some leave it, as much more lies beyond
/// the outermost as between that and the middle one, twice the reach of the paths that are seen. An end stops where the
/// noise vanishes, which paths do not pass.
pub(crate) fn around_paths(
    lowered: &Lowered,
    streams: &Streams,
    (low, high): (f64, f64),
) -> (f64, f64) {
    let (mut below, mut above) = (low, high);
    for points in &walk(lowered, streams, None).points {
        let (a, b) = range(points, 0);
        let mut all: Vec<f64> = points.column(0).to_vec();
        all.retain(|x| x.is_finite());
        all.sort_by(f64::total_cmp);
        let Some(middle) = all.get(all.len() / 2) else {
            continue;
        };
        if a < low {
            below = below.min(before_stillness(lowered, a, 2.0 * a - middle));
        }
        if b > high {
            above = above.max(before_stillness(lowered, b, 2.0 * b - middle));
        }
    }
    (below, above)
}

/// `to`, or the first place on the way there from `from` at which a single noise vanishes.
fn before_stillness(lowered: &Lowered, from: f64, to: f64) -> f64 {
    let process = &lowered.compiled.steered;
    if process.noises() != 1 {
        return to;
    }
    let noise = |x: f64| process.diffusion().at(process.start(), &[x])[(0, 0)];
    let sign = noise(from).signum();
    if noise(to).signum() == sign {
        return to;
    }
    let (mut inside, mut beyond) = (from, to);
    for _ in 0..64 {
        let middle = 0.5 * (inside + beyond);
        if noise(middle) != 0.0 && noise(middle).signum() == sign {
            inside = middle;
        } else {
            beyond = middle;
        }
    }
    inside
}

/// The interval around the start law of one state that noise collects in a unit of time: what a domain that is looked for
/// begins with.
pub(crate) fn around_start(lowered: &Lowered) -> (f64, f64) {
    let start = start_nodes(lowered.start());
    let range = start.points.column(0).iter();
    let (low, high) = range.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| {
        (a.min(*x), b.max(*x))
    });
    let process = &lowered.compiled.steered;
    let noise = process
        .diffusion()
        .at(process.start(), &[0.5 * (low + high)]);
    // A state that never moves still needs a grid.
    let reach = (REACH * noise.row(0).norm()).max(1e-3 * (1.0 + low.abs()));
    (low - reach, high + reach)
}

/// An interval that goes on beyond the ends that are marked.
pub(crate) fn wider((low, high): (f64, f64), ends: [bool; 2]) -> (f64, f64) {
    let more = ends.map(|end| if end { WIDER * (high - low) } else { 0.0 });
    (low - more[0], high + more[1])
}
