//! Distances between two sets of samples.
//!
//! Every distance is computed on disjoint groups of the samples, so it carries a standard error, and is
//! compared with its sampling floor: the same distance between two sets of one law.

use crate::numeric::batch::{Batch, BatchRef};
use crate::numeric::blocks::{map_blocks, pairwise_sum};
use crate::numeric::estimate::Estimate;
use crate::numeric::random::Stream;

/// Groups for standard errors.
const GROUPS: usize = 8;
/// Largest set of an exact assignment (cubic cost).
const ASSIGNMENT_POINTS: usize = 128;
/// Random directions of the sliced distance.
const DIRECTIONS: usize = 64;

/// Energy distance `2 E|X − Y| − E|X − X'| − E|Y − Y'| ≥ 0`, zero only for equal laws.
///
/// The U-statistic: unbiased, so it can be slightly negative between equal laws. Cost n²/8 distances.
///
/// # Source
/// Székely, Rizzo, *Energy statistics* (2013).
pub fn energy_distance(x: &Batch, y: &Batch) -> Estimate {
    by_groups(x, y, x.points(), |x, y| {
        2.0 * mean_distance(x, y, false) - mean_distance(x, x, true) - mean_distance(y, y, true)
    })
}

/// `W2` distance: the root of the least mean squared displacement.
///
/// One state: sorted pairing, all points. More: exact assignment on groups of at most 128 points; the
/// value is then dominated by its sampling floor, which must be read beside it.
pub fn wasserstein(x: &Batch, y: &Batch) -> Estimate {
    if x.columns() == 1 {
        return by_groups(x, y, x.points(), |x, y| {
            sorted_cost(x.column(0), y.column(0)).sqrt()
        });
    }
    by_groups(x, y, ASSIGNMENT_POINTS * GROUPS, |x, y| {
        let n = x.points();
        let costs: Vec<f64> = (0..n * n)
            .map(|index| squared_distance(x, index / n, y, index % n))
            .collect();
        (assignment_cost(&costs, n) / n as f64).sqrt()
    })
}

/// Sliced `W2`: root mean of the one-dimensional squared distances along seeded directions.
pub fn sliced_wasserstein(x: &Batch, y: &Batch, stream: &Stream) -> Estimate {
    let d = x.columns();
    let mut directions = Batch::zeros(DIRECTIONS, d);
    stream.normals(0, 0, directions.as_mut());
    by_groups(x, y, x.points(), |x, y| {
        let costs: Vec<f64> = (0..DIRECTIONS)
            .map(|k| {
                let direction = directions.row(k);
                let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
                let project = |b: BatchRef<'_>| -> Vec<f64> {
                    (0..b.points())
                        .map(|i| (0..d).map(|j| direction[j] * b.get(i, j)).sum::<f64>() / length)
                        .collect()
                };
                sorted_cost(&project(x), &project(y))
            })
            .collect();
        (pairwise_sum(&costs) / DIRECTIONS as f64).sqrt()
    })
}

/// Mean and standard error of a statistic over disjoint groups of at most `limit` points in all.
fn by_groups(
    x: &Batch,
    y: &Batch,
    limit: usize,
    statistic: impl Fn(BatchRef<'_>, BatchRef<'_>) -> f64 + Sync,
) -> Estimate {
    let points = x.points().min(y.points()).min(limit);
    let size = points / GROUPS;
    assert!(size >= 2, "distances need at least two points per group");
    let values = map_blocks(GROUPS, 1, |group| {
        let rows = group.start * size..(group.start + 1) * size;
        statistic(x.as_ref().rows(rows.clone()), y.as_ref().rows(rows))
    });
    Estimate::from_samples(&values)
}

fn squared_distance(x: BatchRef<'_>, i: usize, y: BatchRef<'_>, j: usize) -> f64 {
    (0..x.columns())
        .map(|c| {
            let difference = x.get(i, c) - y.get(j, c);
            difference * difference
        })
        .sum()
}

/// `E|X − Y|` over all pairs; `same` leaves out the pairs of a point with itself.
fn mean_distance(x: BatchRef<'_>, y: BatchRef<'_>, same: bool) -> f64 {
    let mut squares = vec![0.0; y.points()];
    let rows: Vec<f64> = (0..x.points())
        .map(|i| {
            squares.fill(0.0);
            for c in 0..x.columns() {
                let centre = x.get(i, c);
                for (s, v) in squares.iter_mut().zip(y.column(c)) {
                    *s += (v - centre) * (v - centre);
                }
            }
            squares.iter().map(|s| s.sqrt()).sum()
        })
        .collect();
    let pairs = x.points() * (y.points() - usize::from(same));
    pairwise_sum(&rows) / pairs as f64
}

/// Mean squared displacement of the monotone pairing of two equally long samples.
fn sorted_cost(x: &[f64], y: &[f64]) -> f64 {
    let sorted = |v: &[f64]| {
        let mut v = v.to_vec();
        v.sort_by(f64::total_cmp);
        v
    };
    let squares: Vec<f64> = sorted(x)
        .iter()
        .zip(&sorted(y))
        .map(|(a, b)| (a - b) * (a - b))
        .collect();
    pairwise_sum(&squares) / squares.len() as f64
}

/// Least total cost of a one-to-one assignment, by shortest augmenting paths.
///
/// # Source
/// Jonker, Volgenant, *A shortest augmenting path algorithm* (1987). Cost n³.
fn assignment_cost(costs: &[f64], n: usize) -> f64 {
    const NONE: usize = usize::MAX;
    let (mut row_price, mut column_price) = (vec![0.0; n], vec![0.0; n]);
    let mut row_of = vec![NONE; n];
    for row in 0..n {
        let mut distance: Vec<f64> = (0..n)
            .map(|j| costs[row * n + j] - row_price[row] - column_price[j])
            .collect();
        let mut parent = vec![row; n];
        let mut done = vec![false; n];
        let (mut scanned, mut reached) = (Vec::new(), 0.0);
        let end = loop {
            let column = (0..n)
                .filter(|j| !done[*j])
                .min_by(|a, b| distance[*a].total_cmp(&distance[*b]))
                .expect("fewer columns are done than rows are assigned");
            reached = distance[column].max(reached);
            done[column] = true;
            let owner = row_of[column];
            if owner == NONE {
                break column;
            }
            scanned.push(column);
            for j in 0..n {
                let through = reached + costs[owner * n + j] - row_price[owner] - column_price[j];
                if !done[j] && through < distance[j] {
                    distance[j] = through;
                    parent[j] = owner;
                }
            }
        };
        row_price[row] += reached;
        for column in scanned {
            let change = reached - distance[column];
            row_price[row_of[column]] += change;
            column_price[column] -= change;
        }
        let mut column = end;
        loop {
            let owner = parent[column];
            let previous = (0..n).find(|j| row_of[*j] == owner);
            row_of[column] = owner;
            match previous {
                Some(next) if owner != row => column = next,
                _ => break,
            }
        }
    }
    (0..n).map(|j| costs[row_of[j] * n + j]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::random::Streams;

    fn normals(role: &str, points: usize, d: usize) -> Batch {
        let mut batch = Batch::zeros(points, d);
        Streams::new(3).role(role).normals(0, 0, batch.as_mut());
        batch
    }

    #[test]
    fn assignment_agrees_with_all_permutations() {
        let n = 6;
        for case in 0..20 {
            let mut costs = Batch::zeros(n * n, 1);
            Streams::new(case)
                .role("assignment")
                .uniforms(0, 0, costs.as_mut());
            let costs = costs.column(0);
            let mut order: Vec<usize> = (0..n).collect();
            let mut best = f64::INFINITY;
            permutations(&mut order, 0, &mut |p| {
                let total: f64 = p.iter().enumerate().map(|(i, j)| costs[i * n + j]).sum();
                best = best.min(total);
            });
            let found = assignment_cost(costs, n);
            assert!((found - best).abs() < 1e-12, "{found} {best}");
        }
    }

    fn permutations(order: &mut [usize], from: usize, visit: &mut dyn FnMut(&[usize])) {
        if from == order.len() {
            visit(order);
        }
        for i in from..order.len() {
            order.swap(from, i);
            permutations(order, from + 1, visit);
            order.swap(from, i);
        }
    }

    #[test]
    fn a_shift_is_found_exactly_by_transport() {
        for d in [1, 2] {
            let x = normals("x", 256, d);
            let mut y = x.clone();
            y.column_mut(0).iter_mut().for_each(|v| *v += 3.0);
            let distance = wasserstein(&x, &y);
            assert!((distance.value - 3.0).abs() < 1e-12, "{distance:?}");
        }
    }

    /// Seed 3. Equal laws: U-statistic within 5 standard errors of zero on 8 groups (Student, 7 degrees
    /// of freedom: false-alarm probability 2e-3, frozen by the seed); shifted laws: clearly positive.
    #[test]
    fn energy_distance_is_zero_for_equal_laws_and_positive_for_shifted_ones() {
        let (x, mut y) = (normals("x", 4096, 2), normals("y", 4096, 2));
        let floor = energy_distance(&x, &y);
        assert!(floor.value.abs() < 5.0 * floor.error, "{floor:?}");
        y.column_mut(0).iter_mut().for_each(|v| *v += 0.5);
        let apart = energy_distance(&x, &y);
        assert!(apart.value > 20.0 * floor.error, "{apart:?} {floor:?}");
    }

    /// In one dimension the energy distance is `2 ∫ (F − G)²`; for point masses at 0 and a it is 2a.
    #[test]
    fn energy_distance_of_two_point_masses_is_twice_their_distance() {
        let x = Batch::zeros(64, 1);
        let y = Batch::from_columns(64, 1, vec![1.5; 64]);
        assert!((energy_distance(&x, &y).value - 3.0).abs() < 1e-12);
    }

    #[test]
    fn sliced_distance_of_a_shift_is_its_length_over_root_d() {
        let x = normals("x", 512, 3);
        let mut y = x.clone();
        y.column_mut(1).iter_mut().for_each(|v| *v += 2.0);
        let stream = Streams::new(1).role("directions");
        let found = sliced_wasserstein(&x, &y, &stream);
        // Mean of cos² over 64 directions is 1/3 within 4 standard errors of 0.037 (seeded).
        let expected = 2.0 / 3f64.sqrt();
        assert!((found.value - expected).abs() < 0.25, "{found:?}");
        assert!(found.error < 1e-12);
    }
}
