//! Work on blocks of points in parallel, with results that do not depend on how the work was cut.

use crate::numeric::sums::add_scaled;
use crate::numeric::time_limit::{TimeLimit, look};
use rayon::prelude::*;
use std::cell::Cell;
use std::ops::Range;

/// Points per block when nothing else is asked for.
pub const BLOCK: usize = 256;

thread_local! {
    /// Threads of a pool carry the block size of their pool.
    static BLOCK_HERE: Cell<usize> = const { Cell::new(BLOCK) };
}

/// Points per block of the pool this thread works for; [`BLOCK`] outside any.
pub fn block() -> usize {
    BLOCK_HERE.get()
}

/// Sums over paths are formed in chunks of this many paths, whatever the block size, and the chunks
/// are added pairwise: the rounding is the same for every thread count and every block size that is
/// a multiple of it.
pub const CHUNK: usize = 64;

/// Applies `work` to consecutive ranges of at most `block` points; results come back in order. Ends between two of
/// them where the time is up.
pub fn map_blocks<T: Send>(
    points: usize,
    block: usize,
    work: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let block = block.max(1);
    (0..points.div_ceil(block))
        .into_par_iter()
        .map(|i| {
            look();
            work(i * block..((i + 1) * block).min(points))
        })
        .collect()
}

/// Pairwise sum in a fixed order: error grows like log2(n), and equal data give equal bits.
pub fn pairwise_sum(values: &[f64]) -> f64 {
    if values.len() <= CHUNK {
        return values.iter().sum();
    }
    let chunks = values.len().div_ceil(CHUNK);
    let middle = (chunks / 2) * CHUNK;
    pairwise_sum(&values[..middle]) + pairwise_sum(&values[middle..])
}

/// Adds equally long partial vectors pairwise, in order; `None` when there are none.
pub fn pairwise_add(mut partials: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    while partials.len() > 1 {
        let mut next = Vec::with_capacity(partials.len().div_ceil(2));
        let mut rest = partials.into_iter();
        while let Some(mut left) = rest.next() {
            if let Some(right) = rest.next() {
                add_scaled(1.0, &right, &mut left);
            }
            next.push(left);
        }
        partials = next;
    }
    partials.pop()
}

/// Runs `work` on a pool of `threads` threads (0 means one per core), in blocks of the present size.
pub fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    with_pool(threads, block(), work)
}

/// Most threads of a pool: more than any machine it was tried on has, fewer than exhaust one.
const MOST_THREADS: usize = 256;
/// Most points worked on at a time.
const LARGEST_BLOCK: usize = 1 << 16;

/// Runs `work` on a pool of `threads` threads (0 means one per core, more than 256 means 256) and cuts it in blocks of
/// `size` points, at most 65536. Both decide speed and memory only: results are the same bits for all of them.
pub fn with_pool<T: Send>(threads: usize, size: usize, work: impl FnOnce() -> T + Send) -> T {
    let size = size.clamp(1, LARGEST_BLOCK);
    let limit = TimeLimit::here();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.min(MOST_THREADS))
        .start_handler(move |_| {
            BLOCK_HERE.set(size);
            TimeLimit::carry(limit.clone());
        })
        .build();
    match pool {
        Ok(pool) => pool.install(work),
        // A machine that refuses new threads still has the ones it runs on.
        Err(_) => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back_in_order_and_cover_everything() {
        let pieces = map_blocks(1000, 64, |range| range);
        assert_eq!(pieces.first(), Some(&(0..64)));
        assert_eq!(pieces.iter().map(|r| r.len()).sum::<usize>(), 1000);
    }

    #[test]
    fn threads_of_a_pool_know_its_block_size() {
        let seen = |size| with_pool(2, size, || map_blocks(8, 1, |_| block()));
        assert_eq!(seen(96), [96; 8]);
        // A pool inside a pool keeps the size, and nothing is left behind.
        assert_eq!(with_pool(1, 32, || with_threads(2, block)), 32);
        assert_eq!(block(), BLOCK);
    }

    #[test]
    fn pairwise_sum_of_a_harmonic_series_has_no_visible_error() {
        let terms: Vec<f64> = (1..=100_000).map(|n| 1.0 / n as f64).collect();
        // H_100000 to 16 digits (Euler–Maclaurin).
        let difference: f64 = pairwise_sum(&terms) - 12.090146129863428;
        assert!(difference.abs() < 1e-14, "{difference:e}");
    }
}
