//! Evaluation of a Gaussian mixture on tiles of points: the inner loops behind exact scores.
//!
//! For a tile of points and a block of components, log densities are formed point by component, the
//! running maximum is updated, everything accumulated so far is rescaled, and the block's terms are added
//! relative to the new maximum: one pass over any number of components, nothing exponentiated before the
//! maximum is subtracted.
//!
//! All inner loops run along the points of a tile, in the same order for every point, and tiles are
//! always full (short ones are padded), so a point's bits do not depend on its neighbours.
#![allow(
    clippy::needless_range_loop,
    reason = "one index walks the same lane of several rows; zipped iterators hide that and vectorise worse"
)]

use crate::field::mixture_components::{Components, Expansion, GROUP, Shape};
use crate::field::mixture_few::{Isotropic, Points};
use crate::field::tile_rows::{AlignedRow, Row, Rows, TILE};
use crate::numeric::batch::{BatchMut, BatchRef};
use crate::numeric::dispatch::{Kernel, dispatch, multiply_add};
use crate::numeric::elementary::{exp_of_negative, log};
use faer::{Accum, MatMut, MatRef, Par};
use std::cell::Cell;
use std::ops::Range;

/// Largest dimension whose full covariances are applied row by row instead of by matrix products.
const SMALL: usize = 12;

/// What to write, each with one entry per point.
#[derive(Default)]
pub(super) struct Targets<'a> {
    pub(super) log_density: Option<&'a mut [f64]>,
    pub(super) score: Option<BatchMut<'a>>,
    pub(super) divergence: Option<&'a mut [f64]>,
}

/// Evaluates all points.
pub(super) fn evaluate(components: &Components, x: BatchRef<'_>, mut targets: Targets<'_>) {
    assert_eq!(
        x.columns(),
        components.dimension,
        "points have the mixture's dimension"
    );
    let mut tile = Tile::take(Layout::new(
        components,
        targets.log_density.is_some(),
        targets.score.is_some() || targets.divergence.is_some(),
        targets.divergence.is_some(),
    ));
    let expansion = match &components.shape {
        Shape::Isotropic { expansion, .. } => expansion.as_ref(),
        _ => None,
    };
    let mut rows = [0; TILE];
    for start in (0..x.points()).step_by(TILE) {
        let mut count = TILE.min(x.points() - start);
        (0..count).for_each(|lane| rows[lane] = start + lane);
        tile.load(x, &rows[..count]);
        if let Some(expansion) = expansion {
            tile.centre(expansion);
            dispatch(Expanded {
                components,
                expansion,
                tile: &mut tile,
            });
            tile.store(&rows[..count], &mut targets);
            // The few points where the expansion would lose digits are done again, directly.
            let points = std::mem::take(&mut count);
            for lane in 0..points {
                if tile.squares[lane] > expansion.reach {
                    rows[count] = rows[lane];
                    count += 1;
                }
            }
            if count == 0 {
                continue;
            }
            tile.load(x, &rows[..count]);
        }
        tile.sum(components);
        tile.store(&rows[..count], &mut targets);
    }
    tile.keep();
}

/// Logarithms of the responsibilities: `out[i][k] = log r_k(x_i)`.
pub(super) fn log_responsibilities(
    components: &Components,
    x: BatchRef<'_>,
    mut out: BatchMut<'_>,
) {
    let mut tile = Tile::new(Layout::new(components, true, false, false));
    let mut rows = [0; TILE];
    for start in (0..x.points()).step_by(TILE) {
        let count = TILE.min(x.points() - start);
        (0..count).for_each(|lane| rows[lane] = start + lane);
        tile.load(x, &rows[..count]);
        dispatch(Direct {
            components,
            tile: &mut tile,
        });
        dispatch(Finish { tile: &mut tile });
        for first in (0..components.count).step_by(tile.layout.block) {
            let last = (first + tile.layout.block).min(components.log_weights.len());
            dispatch(Logs {
                components,
                tile: &mut tile,
                first,
                last,
            });
            for k in first..last.min(components.count) {
                let column = &mut out.column_mut(k)[start..start + count];
                for (lane, value) in column.iter_mut().enumerate() {
                    *value = tile.logs[k - first][lane] - tile.maximum[lane];
                }
            }
        }
    }
}

/// What decides the sizes of a tile's tables.
#[derive(Clone, Copy, PartialEq)]
struct Layout {
    dimension: usize,
    /// Components treated together.
    block: usize,
    full: bool,
    isotropic: bool,
    logs_wanted: bool,
    slopes_wanted: bool,
    divergence_wanted: bool,
}

impl Layout {
    fn new(
        components: &Components,
        logs_wanted: bool,
        slopes_wanted: bool,
        divergence_wanted: bool,
    ) -> Self {
        let full = matches!(components.shape, Shape::Full { .. });
        // Keep a block's tables within the second-level cache.
        let block = if full {
            (1024 / components.dimension)
                .next_multiple_of(GROUP)
                .max(GROUP)
        } else {
            256
        };
        Self {
            dimension: components.dimension,
            block: block.min(components.log_weights.len()),
            full,
            isotropic: matches!(components.shape, Shape::Isotropic { .. }),
            logs_wanted,
            slopes_wanted,
            divergence_wanted,
        }
    }
}

thread_local! {
    /// The last tile of this thread: evaluations of few points spend more on clearing tables than on sums.
    static SPARE: Cell<Option<Tile>> = const { Cell::new(None) };
}

/// One tile of points with everything accumulated over components.
struct Tile {
    layout: Layout,
    /// One row per coordinate.
    x: Rows,
    /// `|x|²`, relative to the centre of the expansion.
    squares: AlignedRow,
    /// One row per component of the block: log densities, then responsibilities relative to the maximum
    /// (times the precision for isotropic components).
    logs: Rows,
    /// `|a_k|²`, for shapes where the log density does not give it away.
    slope_squares: Rows,
    /// `a_k`, one row per component and coordinate, for full covariances only.
    slopes: Rows,
    /// `x − m` and `W (x − m)` of one component, for full covariances only.
    offsets: Rows,
    whitened: Rows,
    maximum: AlignedRow,
    /// `Σ exp(L_k − maximum)`.
    total: AlignedRow,
    /// `Σ r_k (|a_k|² − tr C_k⁻¹)`.
    pull: AlignedRow,
    /// `Σ r_k a_k`, one row per coordinate.
    score: Rows,
}

impl Tile {
    fn new(layout: Layout) -> Self {
        let Layout {
            dimension,
            block,
            full,
            ..
        } = layout;
        let when = |wanted: bool, rows: usize| Rows::zeros(if wanted { rows } else { 0 });
        let row = AlignedRow([0.0; TILE]);
        Self {
            layout,
            x: when(true, dimension),
            squares: row,
            logs: when(true, block),
            slope_squares: when(layout.divergence_wanted && !layout.isotropic, block),
            slopes: when(layout.slopes_wanted && full, block * dimension),
            offsets: when(full, dimension),
            whitened: when(full, dimension),
            maximum: row,
            total: row,
            pull: row,
            score: when(true, dimension),
        }
    }

    /// This thread's last tile if it fits, else a new one.
    fn take(layout: Layout) -> Self {
        match SPARE.take() {
            Some(tile) if tile.layout == layout => tile,
            _ => Self::new(layout),
        }
    }

    fn keep(self) {
        // Slopes of padding are multiplied by zero, so they must not be left over from other points.
        if !self.layout.full {
            SPARE.set(Some(self));
        }
    }

    /// Copies the named points in; unused lanes repeat the last one.
    fn load(&mut self, x: BatchRef<'_>, rows: &[usize]) {
        for (j, lanes) in self.x.iter_mut().enumerate() {
            let column = x.column(j);
            if let Some(run) = run(rows) {
                lanes[..rows.len()].copy_from_slice(&column[run]);
            } else {
                for (lane, row) in lanes.iter_mut().zip(rows) {
                    *lane = column[*row];
                }
            }
            let last = lanes[rows.len() - 1];
            lanes[rows.len()..].fill(last);
        }
        self.maximum.fill(f64::NEG_INFINITY);
        self.total.fill(0.0);
        self.pull.fill(0.0);
        self.score.fill([0.0; TILE]);
    }

    /// Sums over all components, straight from the definition.
    fn sum(&mut self, components: &Components) {
        let isotropic = matches!(components.shape, Shape::Isotropic { .. });
        let many = components.log_weights.len() > self.layout.block;
        if isotropic && many && self.layout.slopes_wanted && components.dimension <= FEW {
            // A kernel of its own: the code for few components stays as it is without blocks.
            dispatch(Many {
                components,
                tile: self,
            });
        } else {
            dispatch(Direct {
                components,
                tile: self,
            });
        }
    }

    /// All isotropic components in D states, in blocks with `MANY`; false, with nothing done, in other dimensions.
    #[inline(always)]
    fn merged<const FMA: bool, const MANY: bool, const D: usize>(
        &mut self,
        components: &Components,
        precisions: &[f64],
    ) -> bool {
        let (Some(x), Some(score)) = (self.x.first_chunk(), self.score.first_chunk_mut()) else {
            return false;
        };
        let isotropic = Isotropic {
            means: &components.means.as_chunks::<D>().0[..components.count],
            precisions: &precisions[..components.count],
            log_weights: &components.log_weights,
        };
        let mut points = Points {
            x,
            logs: &mut self.logs,
            maximum: &mut self.maximum,
            total: &mut self.total,
            pull: &mut self.pull,
            score,
        };
        if self.layout.divergence_wanted {
            points.sum::<FMA, true, MANY>(&isotropic);
        } else {
            points.sum::<FMA, false, MANY>(&isotropic);
        }
        true
    }

    fn centre(&mut self, expansion: &Expansion) {
        self.squares.fill(0.0);
        for (row, centre) in self.x.iter_mut().zip(&expansion.centre) {
            for (x, square) in row.iter_mut().zip(self.squares.iter_mut()) {
                *x -= centre;
                *square += *x * *x;
            }
        }
    }

    /// Normalises the sums and writes them to the named points.
    fn store(&mut self, rows: &[usize], targets: &mut Targets<'_>) {
        dispatch(Finish { tile: self });
        if let Some(out) = &mut targets.log_density {
            scatter(rows, &self.maximum, out);
        }
        if let Some(out) = &mut targets.score {
            for (j, lanes) in self.score.iter().enumerate() {
                scatter(rows, lanes, out.column_mut(j));
            }
        }
        if let Some(out) = &mut targets.divergence {
            scatter(rows, &self.pull, out);
        }
    }
}

/// The range that ascending rows fill without a gap.
fn run(rows: &[usize]) -> Option<Range<usize>> {
    let (first, last) = (*rows.first()?, *rows.last()?);
    (last - first + 1 == rows.len()).then_some(first..last + 1)
}

/// Writes lanes to their ascending rows.
fn scatter(rows: &[usize], lanes: &Row, out: &mut [f64]) {
    if let Some(run) = run(rows) {
        out[run].copy_from_slice(&lanes[..rows.len()]);
    } else {
        for (row, value) in rows.iter().zip(lanes) {
            out[*row] = *value;
        }
    }
}

/// Most states for which isotropic components are summed without a table of terms.
const FEW: usize = 3;

/// [`Tile::merged`] in up to [`FEW`] states.
#[inline(always)]
fn merge<const FMA: bool, const MANY: bool>(
    components: &Components,
    tile: &mut Tile,
    precisions: &[f64],
) -> bool {
    match components.dimension {
        1 => tile.merged::<FMA, MANY, 1>(components, precisions),
        2 => tile.merged::<FMA, MANY, 2>(components, precisions),
        FEW => tile.merged::<FMA, MANY, FEW>(components, precisions),
        _ => false,
    }
}

/// More isotropic components than a block holds, in few states.
struct Many<'a> {
    components: &'a Components,
    tile: &'a mut Tile,
}

impl Kernel for Many<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        if let Shape::Isotropic { precisions, .. } = &self.components.shape {
            merge::<FMA, true>(self.components, self.tile, precisions);
        }
    }
}

/// All components, straight from the definition.
struct Direct<'a> {
    components: &'a Components,
    tile: &'a mut Tile,
}

impl Kernel for Direct<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { components, tile } = self;
        let count = components.log_weights.len();
        if let Shape::Isotropic { precisions, .. } = &components.shape
            && tile.layout.slopes_wanted
            && count <= tile.layout.block
            && merge::<FMA, false>(components, tile, precisions)
        {
            return;
        }
        for first in (0..count).step_by(tile.layout.block) {
            let last = (first + tile.layout.block).min(count);
            logs::<FMA>(components, tile, first, last);
            weigh::<FMA>(components, tile, first, last);
            if tile.layout.slopes_wanted {
                accumulate::<FMA>(components, tile, first, last);
            }
        }
    }
}

/// Log densities of a block of components.
struct Logs<'a> {
    components: &'a Components,
    tile: &'a mut Tile,
    first: usize,
    last: usize,
}

impl Kernel for Logs<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        logs::<FMA>(self.components, self.tile, self.first, self.last);
    }
}

/// The padding is left out: it has no weight.
#[inline(always)]
fn logs<const FMA: bool>(components: &Components, tile: &mut Tile, first: usize, last: usize) {
    let d = components.dimension;
    for k in first..last.min(components.count) {
        let row = k - first;
        let means = &components.means[k * d..(k + 1) * d];
        let log_weight = components.log_weights[k];
        match &components.shape {
            Shape::Isotropic { precisions, .. } => {
                let sums = squared_distances::<FMA>(&tile.x, means);
                let factor = -0.5 * precisions[k];
                // Borrowed once: a row looked up per lane keeps the loop from vectorising.
                let logs = &mut tile.logs[row];
                for lane in 0..TILE {
                    logs[lane] = multiply_add::<FMA>(sums[lane], factor, log_weight);
                }
            }
            Shape::Diagonal { precisions, .. } => {
                let precisions = &precisions[k * d..(k + 1) * d];
                let (sums, squares) = weighted_distances::<FMA>(&tile.x, means, precisions);
                let logs = &mut tile.logs[row];
                for lane in 0..TILE {
                    logs[lane] = multiply_add::<FMA>(sums[lane], -0.5, log_weight);
                }
                if tile.layout.divergence_wanted {
                    tile.slope_squares[row] = squares;
                }
            }
            Shape::Full { whitenings, .. } => {
                let whitening = &whitenings[k * d * d..(k + 1) * d * d];
                full_logs::<FMA>(tile, means, whitening, log_weight, row);
            }
        }
    }
}

/// `Σ_j (x_j − m_j)²`, four coordinates per pass over the tile.
#[inline(always)]
fn squared_distances<const FMA: bool>(x: &[Row], means: &[f64]) -> Row {
    #[inline(always)]
    fn add<const FMA: bool, const J: usize>(x: &[Row; J], means: &[f64; J], sums: &mut Row) {
        for lane in 0..TILE {
            let mut sum = sums[lane];
            for j in 0..J {
                let offset = x[j][lane] - means[j];
                sum = multiply_add::<FMA>(offset, offset, sum);
            }
            sums[lane] = sum;
        }
    }
    let mut sums = [0.0; TILE];
    let ((x, x_rest), (means, means_rest)) = (x.as_chunks::<4>(), means.as_chunks::<4>());
    for (x, means) in x.iter().zip(means) {
        add::<FMA, 4>(x, means, &mut sums);
    }
    match (x_rest, means_rest) {
        ([a], [m]) => add::<FMA, 1>(&[*a], &[*m], &mut sums),
        ([a, b], [m, n]) => add::<FMA, 2>(&[*a, *b], &[*m, *n], &mut sums),
        ([a, b, c], [m, n, o]) => add::<FMA, 3>(&[*a, *b, *c], &[*m, *n, *o], &mut sums),
        _ => {}
    }
    sums
}

/// `Σ_j p_j (x_j − m_j)²` and `Σ_j (p_j (x_j − m_j))²`.
#[inline(always)]
fn weighted_distances<const FMA: bool>(x: &[Row], means: &[f64], precisions: &[f64]) -> (Row, Row) {
    let mut sums = [0.0; TILE];
    let mut squares = [0.0; TILE];
    for ((x, mean), precision) in x.iter().zip(means).zip(precisions) {
        for lane in 0..TILE {
            let offset = x[lane] - mean;
            let slope = offset * precision;
            sums[lane] = multiply_add::<FMA>(offset, slope, sums[lane]);
            squares[lane] = multiply_add::<FMA>(slope, slope, squares[lane]);
        }
    }
    (sums, squares)
}

/// The log density of one component with a full covariance: `y = W (x − m)`, `a = −Wᵀ y`.
#[inline(always)]
fn full_logs<const FMA: bool>(
    tile: &mut Tile,
    means: &[f64],
    whitening: &[f64],
    log_weight: f64,
    row: usize,
) {
    let d = means.len();
    for ((offsets, x), mean) in tile.offsets.iter_mut().zip(tile.x.iter()).zip(means) {
        for lane in 0..TILE {
            offsets[lane] = x[lane] - mean;
        }
    }
    let w = MatRef::from_row_major_slice(whitening, d, d);
    if d <= SMALL {
        for (i, out) in tile.whitened.iter_mut().enumerate() {
            *out = combination::<FMA>(&tile.offsets[..=i], &whitening[i * d..]);
        }
    } else {
        let offsets = tile.offsets.as_flattened();
        let whitened = tile.whitened.as_flattened_mut();
        multiply(offsets, w.transpose(), whitened, Accum::Replace, 1.0);
    }
    let mut sums = [0.0; TILE];
    add_squares::<FMA>(&tile.whitened, &mut sums);
    let logs = &mut tile.logs[row];
    for lane in 0..TILE {
        logs[lane] = multiply_add::<FMA>(sums[lane], -0.5, log_weight);
    }
    if !tile.layout.slopes_wanted {
        return;
    }
    let slopes = &mut tile.slopes[row * d..(row + 1) * d];
    if d <= SMALL {
        for (j, slope) in slopes.iter_mut().enumerate() {
            let mut coefficients = [0.0; SMALL];
            for i in j..d {
                coefficients[i - j] = -whitening[i * d + j];
            }
            *slope = combination::<FMA>(&tile.whitened[j..], &coefficients);
        }
    } else {
        let whitened = tile.whitened.as_flattened();
        multiply(whitened, w, slopes.as_flattened_mut(), Accum::Replace, -1.0);
    }
    if tile.layout.divergence_wanted {
        let mut squares = [0.0; TILE];
        add_squares::<FMA>(slopes, &mut squares);
        tile.slope_squares[row] = squares;
    }
}

/// `Σ_i c_i row_i`.
#[inline(always)]
fn combination<const FMA: bool>(rows: &[Row], coefficients: &[f64]) -> Row {
    let mut sums = [0.0; TILE];
    for (row, c) in rows.iter().zip(coefficients) {
        for lane in 0..TILE {
            sums[lane] = multiply_add::<FMA>(*c, row[lane], sums[lane]);
        }
    }
    sums
}

#[inline(always)]
fn add_squares<const FMA: bool>(rows: &[Row], sums: &mut Row) {
    for row in rows {
        for lane in 0..TILE {
            sums[lane] = multiply_add::<FMA>(row[lane], row[lane], sums[lane]);
        }
    }
}

/// `out (TILE × columns) = scale · left (TILE × inner) right (inner × columns)`, or added to it.
fn multiply(left: &[f64], right: MatRef<'_, f64>, out: &mut [f64], accum: Accum, scale: f64) {
    let left = MatRef::from_column_major_slice(left, TILE, right.nrows());
    let out = MatMut::from_column_major_slice_mut(out, TILE, right.ncols());
    // Threads own whole blocks of points already.
    faer::linalg::matmul::matmul(out, accum, left, right, scale, Par::Seq);
}

/// Brings the maximum up to date with the first `count` rows of log densities and, where something was `summed` before,
/// makes the sums relative to it. Returns what is to be subtracted: 0 instead of minus infinity, which makes vanishing
/// terms 0 rather than NaN.
#[inline(always)]
fn raise_maximum<const FMA: bool>(tile: &mut Tile, count: usize, summed: bool) -> AlignedRow {
    let mut maximum = tile.maximum;
    for logs in tile.logs[..count].iter() {
        for lane in 0..TILE {
            let log = logs[lane];
            maximum[lane] = if log > maximum[lane] {
                log
            } else {
                maximum[lane]
            };
        }
    }
    if summed {
        let factors = rescaling::<FMA>(&tile.maximum, &maximum);
        let sums = if tile.layout.slopes_wanted {
            &mut *tile.score
        } else {
            &mut []
        };
        for row in sums.iter_mut().chain([&mut *tile.total, &mut *tile.pull]) {
            for lane in 0..TILE {
                row[lane] *= factors[lane];
            }
        }
    }
    tile.maximum = maximum;
    for m in maximum.iter_mut() {
        *m = if *m > f64::NEG_INFINITY { *m } else { 0.0 };
    }
    maximum
}

/// Turns a block's log densities into terms relative to the new maximum, and rescales what was summed
/// before. Isotropic terms come out multiplied by their precision.
#[inline(always)]
fn weigh<const FMA: bool>(components: &Components, tile: &mut Tile, first: usize, last: usize) {
    let d = components.dimension as f64;
    let count = components.count.min(last) - first;
    tile.logs[count..last - first].fill([0.0; TILE]);
    let maximum = raise_maximum::<FMA>(tile, count, first > 0);
    let block = &mut tile.logs[..count];
    let (mut total, mut pull) = (tile.total, tile.pull);
    for (row, logs) in block.iter_mut().enumerate() {
        let k = first + row;
        match &components.shape {
            Shape::Isotropic { precisions, .. } if !tile.layout.divergence_wanted => {
                let precision = precisions[k];
                for lane in 0..TILE {
                    let term = exp_of_negative::<FMA>(logs[lane] - maximum[lane]);
                    total[lane] += term;
                    logs[lane] = term * precision;
                }
            }
            Shape::Isotropic { precisions, .. } => {
                // |a|² − tr C⁻¹ = p (p |x − m|² − d), and −½ p |x − m|² is the log without its weight.
                let precision = precisions[k];
                let log_weight = components.log_weights[k].max(f64::MIN);
                for lane in 0..TILE {
                    let term = exp_of_negative::<FMA>(logs[lane] - maximum[lane]);
                    let square = 2.0 * (log_weight - logs[lane]);
                    // A term of zero may come with an infinite square.
                    let square = if term > 0.0 { square - d } else { 0.0 };
                    let weighted = term * precision;
                    total[lane] += term;
                    pull[lane] = multiply_add::<FMA>(weighted, square, pull[lane]);
                    logs[lane] = weighted;
                }
            }
            Shape::Diagonal { traces, .. } | Shape::Full { traces, .. } => {
                for lane in 0..TILE {
                    let term = exp_of_negative::<FMA>(logs[lane] - maximum[lane]);
                    total[lane] += term;
                    logs[lane] = term;
                }
                if tile.layout.divergence_wanted {
                    let squares = &tile.slope_squares[row];
                    for lane in 0..TILE {
                        let inside = squares[lane] - traces[k];
                        pull[lane] = multiply_add::<FMA>(logs[lane], inside, pull[lane]);
                    }
                }
            }
        }
    }
    (tile.total, tile.pull) = (total, pull);
}

/// `exp(old − new)`: what sums relative to the old maximum are worth relative to the new one.
#[inline(always)]
fn rescaling<const FMA: bool>(old: &Row, new: &Row) -> Row {
    let mut factors = [1.0; TILE];
    for lane in 0..TILE {
        let change = old[lane] - new[lane];
        // Where both are minus infinity nothing was summed yet.
        factors[lane] = if change < 0.0 {
            exp_of_negative::<FMA>(change)
        } else {
            1.0
        };
    }
    factors
}

/// Adds `Σ r_k a_k` over a block whose terms are known.
#[inline(always)]
fn accumulate<const FMA: bool>(
    components: &Components,
    tile: &mut Tile,
    first: usize,
    last: usize,
) {
    match &components.shape {
        // The terms carry the precision already.
        Shape::Isotropic { .. } => add_offsets::<FMA, false>(components, &[], tile, first..last),
        Shape::Diagonal { precisions, .. } => {
            add_offsets::<FMA, true>(components, precisions, tile, first..last);
        }
        Shape::Full { .. } => {
            let slopes = tile.slopes.chunks_exact(components.dimension);
            for (terms, slopes) in tile.logs[..last - first].iter().zip(slopes) {
                for (sums, slope) in tile.score.iter_mut().zip(slopes) {
                    for lane in 0..TILE {
                        sums[lane] = multiply_add::<FMA>(terms[lane], slope[lane], sums[lane]);
                    }
                }
            }
        }
    }
}

/// Adds `Σ r_k p_k (m_k − x)` over a block, coordinate by coordinate; unless `WEIGHTED`, without the `p_k`.
#[inline(always)]
fn add_offsets<const FMA: bool, const WEIGHTED: bool>(
    components: &Components,
    precisions: &[f64],
    tile: &mut Tile,
    block: Range<usize>,
) {
    let d = components.dimension;
    let terms = &tile.logs[..block.len()];
    for j in 0..d {
        let mut sums = tile.score[j];
        let x = &tile.x[j];
        // Padding makes every block a multiple of GROUP.
        for (group, terms) in terms.as_chunks::<GROUP>().0.iter().enumerate() {
            let at = |c: usize| (block.start + group * GROUP + c) * d + j;
            let means: [f64; GROUP] = std::array::from_fn(|c| components.means[at(c)]);
            let weights: [f64; GROUP] =
                std::array::from_fn(|c| if WEIGHTED { precisions[at(c)] } else { 1.0 });
            for lane in 0..TILE {
                let mut sum = sums[lane];
                for c in 0..GROUP {
                    let offset = means[c] - x[lane];
                    let slope = if WEIGHTED {
                        weights[c] * offset
                    } else {
                        offset
                    };
                    sum = multiply_add::<FMA>(terms[c][lane], slope, sum);
                }
                sums[lane] = sum;
            }
        }
        tile.score[j] = sums;
    }
}

/// Isotropic components by matrix products; the tile holds centred points.
struct Expanded<'a> {
    components: &'a Components,
    expansion: &'a Expansion,
    tile: &'a mut Tile,
}

impl Kernel for Expanded<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self {
            components,
            expansion,
            tile,
        } = self;
        let Shape::Isotropic { precisions, .. } = &components.shape else {
            unreachable!("only isotropic components are expanded");
        };
        let d = components.dimension;
        let count = components.log_weights.len();
        // Σ r_k p_k, by which the point itself pulls.
        let mut weight = [0.0; TILE];
        for first in (0..count).step_by(tile.layout.block) {
            let last = (first + tile.layout.block).min(count);
            let means = &expansion.means[first * d..last * d];
            let logs = &mut tile.logs[..last - first];
            let transposed = MatRef::from_column_major_slice(means, d, last - first);
            let products = logs.as_flattened_mut();
            multiply(
                tile.x.as_flattened(),
                transposed,
                products,
                Accum::Replace,
                1.0,
            );
            for (row, logs) in logs.iter_mut().enumerate() {
                let k = first + row;
                let (factor, log_weight) = (-0.5 * precisions[k], components.log_weights[k]);
                let square = expansion.squares[k];
                for lane in 0..TILE {
                    let sum = tile.squares[lane] + square;
                    let distance = multiply_add::<FMA>(-2.0, logs[lane], sum);
                    let distance = if distance < 0.0 { 0.0 } else { distance };
                    logs[lane] = multiply_add::<FMA>(distance, factor, log_weight);
                }
            }
            let before = tile.maximum;
            weigh::<FMA>(components, tile, first, last);
            if !tile.layout.slopes_wanted {
                continue;
            }
            let factors = rescaling::<FMA>(&before, &tile.maximum);
            for lane in 0..TILE {
                weight[lane] *= factors[lane];
            }
            let terms = &tile.logs[..last - first];
            for terms in terms {
                for lane in 0..TILE {
                    weight[lane] += terms[lane];
                }
            }
            let means = MatRef::from_row_major_slice(means, last - first, d);
            let score = tile.score.as_flattened_mut();
            multiply(terms.as_flattened(), means, score, Accum::Add, 1.0);
        }
        if tile.layout.slopes_wanted {
            for (sums, x) in tile.score.iter_mut().zip(tile.x.iter()) {
                for lane in 0..TILE {
                    sums[lane] = multiply_add::<FMA>(-weight[lane], x[lane], sums[lane]);
                }
            }
        }
    }
}

/// Divides by the total: `maximum` becomes the log density, `score` the score, `pull` the divergence.
struct Finish<'a> {
    tile: &'a mut Tile,
}

impl Kernel for Finish<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let tile = self.tile;
        let mut inverse = AlignedRow([0.0; TILE]);
        for lane in 0..TILE {
            inverse[lane] = 1.0 / tile.total[lane];
        }
        if tile.layout.logs_wanted {
            for lane in 0..TILE {
                tile.maximum[lane] += log::<FMA>(tile.total[lane]);
            }
        }
        if tile.layout.slopes_wanted {
            for sums in tile.score.iter_mut() {
                for lane in 0..TILE {
                    sums[lane] *= inverse[lane];
                }
            }
        }
        if tile.layout.divergence_wanted {
            for lane in 0..TILE {
                tile.pull[lane] *= inverse[lane];
            }
            for sums in tile.score.iter() {
                for lane in 0..TILE {
                    tile.pull[lane] = multiply_add::<FMA>(-sums[lane], sums[lane], tile.pull[lane]);
                }
            }
        }
    }
}
