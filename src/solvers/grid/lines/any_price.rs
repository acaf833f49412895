//! The best controls where their price is not quadratic, by numbers.
//!
//! ```text
//! min over u in the box of  p . u + r(x, u, t),      p = B' grad V
//! ```
//!
//! One control: a minimum of a function of one number ([`line_minimum`]). Several: from the best along `-p` control by
//! control, again and again until nothing moves; once where the price is a sum over the controls. A price of several
//! controls together that has kinks where none of them alone helps, or several minima, may be missed.

use crate::discretization::steered::SteeredProcess;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::line_minimum::line_minimum;

/// Most rounds over the controls, and the relative move below which one is the last.
const ROUNDS: usize = 12;
const STILL: f64 = 1e-7;

/// The best controls in a box at a block of points, for pulls `p`; NaN where none is best.
pub(super) fn cheapest(
    process: &SteeredProcess,
    bounds: &[(f64, f64)],
    (t, x): (f64, BatchRef<'_>),
    pull: &Batch,
) -> Batch {
    let (points, controls) = (x.points(), bounds.len());
    let mut cost = |u: &Batch, out: &mut [f64]| {
        process.effort_rate(t, x, u.as_ref(), out);
        for j in 0..controls {
            for ((o, u), p) in out.iter_mut().zip(u.column(j)).zip(pull.column(j)) {
                *o += u * p;
            }
        }
    };
    let mut u = Batch::zeros(points, controls);
    for (j, (low, high)) in bounds.iter().enumerate() {
        u.column_mut(j).fill(0.0_f64.max(*low).min(*high));
    }
    if controls > 1 {
        downhill(bounds, pull, &mut u, &mut cost);
    }
    let free: Vec<usize> = (0..controls)
        .filter(|j| bounds[*j].0 < bounds[*j].1)
        .collect();
    for _ in 0..ROUNDS {
        let mut moved = 0.0_f64;
        for j in &free {
            let mut at = u.clone();
            let next = line_minimum(points, bounds[*j], &mut |s, out| {
                at.column_mut(*j).copy_from_slice(s);
                cost(&at, out);
            });
            for (u, next) in u.column_mut(*j).iter_mut().zip(next) {
                moved = moved.max((next - *u).abs() / (1.0 + next.abs()));
                *u = next;
            }
        }
        if moved < STILL || free.len() < 2 {
            break;
        }
    }
    u
}

/// The best in the direction of the pulls, kept in the box.
fn downhill(
    bounds: &[(f64, f64)],
    pull: &Batch,
    u: &mut Batch,
    cost: &mut dyn FnMut(&Batch, &mut [f64]),
) {
    let points = u.points();
    let moved = |s: &[f64], to: &mut Batch| {
        for (j, (low, high)) in bounds.iter().enumerate() {
            let pulls = pull.column(j).iter().zip(s);
            for (u, (p, s)) in to.column_mut(j).iter_mut().zip(pulls) {
                *u = (-s * p).max(*low).min(*high);
            }
        }
    };
    let mut at = u.clone();
    let best = line_minimum(points, (0.0, f64::INFINITY), &mut |s, out| {
        moved(s, &mut at);
        cost(&at, out);
    });
    // What falls for ever in this direction is found out along the controls.
    let best: Vec<f64> = best
        .iter()
        .map(|s| if s.is_nan() { 0.0 } else { *s })
        .collect();
    moved(&best, u);
}
