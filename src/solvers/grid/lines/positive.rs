//! One step of implicit Euler for `psi` on one line of nodes, in logarithms.
//!
//! ```text
//! (1 - dt L) psi_0 = psi_1,      V_0 = -lambda log psi_0 + dt s q
//! ```
//!
//! With slopes against the drift no entry of the matrix off its diagonal is positive, so elimination only ever adds and
//! multiplies positive numbers: of `psi` their logarithms are enough. Nothing underflows or overflows, however steep `V` is.

use crate::solvers::grid::lines::best::Frame;
use crate::solvers::grid::lines::line::Line;

/// What elimination leaves of one row: `psi_i = e^log + up psi_{i+1} + last psi_{n-1}`.
#[derive(Clone, Copy)]
struct Row {
    log: f64,
    up: f64,
    /// From the last node, on a circle.
    last: f64,
}

impl Line {
    /// The value `dt` back, by slopes of two nodes.
    pub(super) fn positive(&self, frame: &Frame, temperature: f64, dt: f64, value: &mut [f64]) {
        let n = value.len();
        let mut rows: Vec<Row> = Vec::with_capacity(n);
        let old = |i: usize, value: &[f64]| -value[i] / temperature;
        for i in 0..n - 1 {
            let [below, above] = self.rates(frame, i).map(|rate| dt * rate);
            let (before, last) = match rows.last() {
                Some(row) => (*row, below * row.last),
                // On a circle the node before the first is the last.
                None => (Row::NOTHING, below),
            };
            let pivot = 1.0 + below + above - below * before.up;
            rows.push(Row {
                log: log_sum(old(i, value), below.ln() + before.log) - pivot.ln(),
                up: above / pivot,
                last: last / pivot,
            });
        }
        // Every other node by the last one.
        let mut after = Row {
            log: f64::NEG_INFINITY,
            up: 0.0,
            last: 1.0,
        };
        for row in rows.iter_mut().rev() {
            row.log = log_sum(row.log, row.up.ln() + after.log);
            row.last += row.up * after.last;
            after = *row;
        }
        let [below, above] = self.rates(frame, n - 1).map(|rate| dt * rate);
        let (first, before) = (rows[0], rows[n - 2]);
        let known = log_sum(below.ln() + before.log, above.ln() + first.log);
        let pivot = 1.0 + below * (1.0 - before.last) + above * (1.0 - first.last);
        let last = log_sum(old(n - 1, value), known) - pivot.ln();
        let logs = rows
            .iter()
            .map(|row| log_sum(row.log, row.last.ln() + last));
        for (i, (v, log)) in value.iter_mut().zip(logs.chain([last])).enumerate() {
            let node = self.first + i * self.stride;
            let paid = if self.is_stopped(i) {
                0.0
            } else {
                dt * self.share * frame.cost[node]
            };
            *v = paid - temperature * log;
        }
    }

    /// Rates from a node to that below and that above it.
    fn rates(&self, frame: &Frame, i: usize) -> [f64; 2] {
        if self.is_stopped(i) {
            return [0.0; 2];
        }
        let (_, [drift, noise]) = self.coefficients(frame, i);
        let (below, above) = self.slopes(i);
        let slope = match drift > 0.0 {
            _ if self.is_outrun(drift, noise) && self.end(i).is_none() => self.centred(i),
            true => above,
            false => below,
        };
        let curvature = self.curvature(i);
        [1, 3].map(|k| (0.5 * noise * curvature[k] + drift * slope[k]).max(0.0))
    }
}

impl Row {
    const NOTHING: Self = Self {
        log: f64::NEG_INFINITY,
        up: 0.0,
        last: 0.0,
    };
}

/// `log(e^a + e^b)`.
fn log_sum(a: f64, b: f64) -> f64 {
    let (most, least) = if a > b { (a, b) } else { (b, a) };
    if least == f64::NEG_INFINITY {
        return most;
    }
    most + (least - most).exp().ln_1p()
}
