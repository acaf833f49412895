//! Clouds of points along a policy.

use crate::field::Field;
use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::map_blocks;
use crate::numeric::random::Stream;
use crate::solvers::lowered::problem::Lowered;

/// Points a thread carries at a time.
pub(super) const BLOCK: usize = 256;

/// Where the paths from `start` are at the beginning of each of `stretches` equal parts of the horizon, and at its end.
///
/// ```text
/// X <- X + dt f / (1 + dt |f|_max) + G dW,      f = b + B u
/// ```
///
/// The clouds are where the value is fitted, so that their law need not be exact, but paths must not explode:
/// the drift of a step is bounded.
///
/// # Source
/// Hutzenthaler, Jentzen and Kloeden, *Ann. Appl. Probab.* 22 (2012), equation (4), for the bound.
pub(super) fn clouds(
    lowered: &Lowered,
    policy: &dyn Field,
    start: BatchRef<'_>,
    stretches: usize,
    steps: usize,
    stream: &Stream,
) -> Vec<Batch> {
    let process = &lowered.compiled.steered;
    let (points, d) = (start.points(), start.columns());
    let dt = (process.end() - process.start()) / (stretches * steps) as f64;
    let blocks = map_blocks(points, BLOCK, |range| {
        let first = range.start as u64;
        let mut x = start.rows(range).to_batch();
        let n = x.points();
        let mut kept = vec![x.clone()];
        let mut control = Batch::zeros(n, process.controls());
        let mut drift = Batch::zeros(n, d);
        let mut noise = Batch::zeros(n, process.noises());
        let mut moved = Batch::zeros(n, d);
        for step in 0..stretches * steps {
            let t = process.start() + dt * step as f64;
            policy.eval(t, x.as_ref(), control.as_mut());
            process.drift(t, x.as_ref(), drift.as_mut());
            let channel = process.channel();
            channel.add_times(t, x.as_ref(), 1.0, control.as_ref(), drift.as_mut());
            stream.normals(first, step as u32, noise.as_mut());
            moved.as_mut().copy_from(x.as_ref());
            let diffusion = process.diffusion();
            diffusion.add_times(t, x.as_ref(), dt.sqrt(), noise.as_ref(), moved.as_mut());
            for i in 0..n {
                let fastest = (0..d).fold(0.0_f64, |m, j| m.max(drift.get(i, j).abs()));
                let share = dt / (1.0 + dt * fastest);
                for j in 0..d {
                    moved.column_mut(j)[i] += share * drift.get(i, j);
                }
            }
            std::mem::swap(&mut x, &mut moved);
            if (step + 1) % steps == 0 {
                kept.push(x.clone());
            }
        }
        kept
    });
    (0..=stretches)
        .map(|k| {
            let mut cloud = Batch::zeros(points, d);
            let mut first = 0;
            for block in &blocks {
                cloud.write_rows(first, block[k].as_ref());
                first += block[k].points();
            }
            cloud
        })
        .collect()
}
