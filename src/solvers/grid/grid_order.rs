//! The order of a scheme as its own levels show it.
//!
//! ```text
//! p = log2( |u_2 - u_4| / |u_1 - u_2| ),      p' = log2( |u_4 - u_8| / |u_2 - u_4| )
//! ```
//!
//! for controls u_k with steps k times the finest. A scheme of order two whose next term is of order four has
//! `p = 2 + δ` and `p' = 2 + 4δ`, so `(p' - p) / 3` is how far p is from its limit; where that is large, the levels
//! are too coarse to tell the order. So they are where differences fall faster than the scheme's order allows:
//! unresolved features of the coarser levels do that.

/// Name under which a method of several levels records p among the facts of its answer.
pub const GRID_ORDER_FACT: &str = "grid_order";
/// Name of p'.
pub const COARSER_ORDER_FACT: &str = "grid_order of the coarser levels";

/// Name under which a method whose order is not two records its own.
pub const EXPECTED_ORDER_FACT: &str = "order of the scheme";

/// Both orders from mean squares of the differences between neighbouring levels, finest first; nothing where
/// two levels are equal.
pub(crate) fn observed_orders(squares: [f64; 3]) -> Vec<(&'static str, f64)> {
    let order = |k: usize| 0.5 * (squares[k + 1] / squares[k]).log2();
    let names = [GRID_ORDER_FACT, COARSER_ORDER_FACT];
    let orders = [order(0), order(1)];
    if orders.iter().all(|order| order.is_finite()) {
        names.into_iter().zip(orders).collect()
    } else {
        Vec::new()
    }
}

/// How far from an order `p` of the scheme that of the finest levels may be where it is known: a tenth and `p` tenths; that of
/// the coarser ones twice as far.
const KNOWN: f64 = 0.1;
/// Share of the last difference by which an extrapolation is off where only the finest levels show the order.
const HALF_KNOWN: f64 = 0.1;
/// Least order that is believed.
const SLOWEST: f64 = 0.5;

/// Answers of four grids, finest first, and the order of their scheme.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halved {
    pub(crate) levels: [f64; 4],
    pub(crate) order: f64,
}

impl Halved {
    fn differences(&self) -> [f64; 3] {
        [0, 1, 2].map(|k| self.levels[k] - self.levels[k + 1])
    }

    /// Whether the finest three levels show the order of the scheme, and whether the coarsest three do.
    fn shown(&self) -> [bool; 2] {
        let away = self.differences();
        [0, 1].map(|k| {
            let order = (away[k + 1] / away[k]).log2();
            (order - self.order).abs() <= KNOWN * (1.0 + self.order) * (1 + k) as f64
        })
    }

    /// Whether Richardson's extrapolation of the two finest levels is better than the finest.
    pub(crate) fn extrapolates(&self) -> bool {
        self.shown()[0]
    }

    /// `u_1 + (u_1 - u_2) / (2^p - 1)` from the two finest levels; how far it may be off. `share` is that of the distance to
    /// the same of the next two, where four levels show the order: differences that agree by accident show none.
    pub(crate) fn error_of_extrapolated(&self, share: f64) -> f64 {
        let rate = self.order.exp2();
        let away = self.differences();
        let limits = [0, 1, 2].map(|k| self.levels[k] + away[k] / (rate - 1.0));
        let [first, second] = [0, 1].map(|k| (limits[k] - limits[k + 1]).abs());
        let error = match self.shown() {
            [true, true] => {
                let floor = if self.order <= 1.0 { NEXT_TERM } else { 0.0 };
                (share * first.max(second / (rate * rate))).max(floor * away[0].abs())
            }
            [true, false] => first.max(second / rate).max(HALF_KNOWN * away[0].abs()),
            _ => first.max(second / rate).max(self.last()),
        };
        self.known(error)
    }

    /// How far the answer of the finest grid may be off.
    pub(crate) fn error_of_finest(&self) -> f64 {
        let away = self.differences();
        let order = (away[1] / away[0]).abs().log2().clamp(SLOWEST, self.order);
        let order = if self.shown()[0] { order } else { SLOWEST };
        self.known(self.last() / (order.exp2() - 1.0))
    }

    /// The difference between the two finest levels, or what that of the next two leads to expect.
    fn last(&self) -> f64 {
        let away = self.differences();
        away[0].abs().max(away[1].abs() / self.order.exp2())
    }

    /// An error that is no number is not known.
    fn known(&self, error: f64) -> f64 {
        let rounding = 8.0 * f64::EPSILON * self.levels[0].abs();
        if error.is_nan() {
            f64::INFINITY
        } else {
            error + rounding
        }
    }
}

/// How far p may be from its limit `expected`, as far as the levels can tell: by how much it still changes (over three
/// for order two; over one for order one, whose next term is of order two), and by how much it exceeds what the scheme can
/// have, which only terms beyond the leading one explain. On its way from below, farther from what is expected than that
/// share of the change explains, all of the change counts: the levels do not show yet how fast it gets there.
pub fn unsettled(order: f64, coarser: f64, expected: f64) -> f64 {
    let change = (coarser - order).abs();
    let share = change / (expected.exp2() - 1.0);
    let rises = coarser < order && order < expected;
    let unexplained = rises && expected - order > EXPLAINED * share;
    let moves = if unexplained { change } else { share };
    moves.max(order - expected)
}

/// Least share of the last difference that terms of second order leave of a scheme of first order: it has them always, and
/// levels at which they cancel agree by accident.
const NEXT_TERM: f64 = 0.01;

/// How much more than the share of its change that the next term leaves an order may be off to be explained by that.
const EXPLAINED: f64 = 1.5;

/// Mean over time, from `t_min` on, of values at increasing times, by the trapezoid rule; each value of fixed length.
pub(crate) fn time_mean<const N: usize>(values: &[(f64, [f64; N])], t_min: f64) -> [f64; N] {
    let mut total = [0.0; N];
    let mut duration = 0.0;
    let counted = values.partition_point(|(time, _)| *time < t_min);
    for pair in values[counted..].windows(2) {
        let ((from, a), (to, b)) = (&pair[0], &pair[1]);
        duration += to - from;
        for ((total, a), b) in total.iter_mut().zip(a).zip(b) {
            *total += 0.5 * (to - from) * (a + b);
        }
    }
    total.map(|total| total / duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_the_step_is_found_and_its_next_term_seen() {
        let level = |k: f64, next: f64| 3.0 * k * k + next * k.powi(4);
        let squares = |next: f64| {
            [(1.0, 2.0), (2.0, 4.0), (4.0, 8.0)]
                .map(|(a, b)| (level(b, next) - level(a, next)).powi(2))
        };
        let pure = observed_orders(squares(0.0));
        assert!((pure[0].1 - 2.0).abs() < 1e-12 && (pure[1].1 - 2.0).abs() < 1e-12);
        let mixed = observed_orders(squares(0.01));
        let (away, seen) = (mixed[0].1 - 2.0, (mixed[1].1 - mixed[0].1) / 3.0);
        assert!(
            away > 0.01 && (seen / away - 1.0).abs() < 0.2,
            "{away} {seen}"
        );
        assert!(observed_orders([0.0, 0.0, 0.0]).is_empty());
    }

    /// `1 + c h^p + c' h^(2p)`, its extrapolation and both errors.
    #[test]
    fn errors_of_four_grids_hold_what_is_left() {
        for (order, next) in [(1.0, 0.3), (2.0, -0.4), (2.0, 0.0)] {
            let level = |k: i32| {
                let h = 0.002 * 2.0_f64.powi(k).powf(order);
                1.0 + h + next * h * h
            };
            let halved = Halved {
                levels: [0, 1, 2, 3].map(level),
                order,
            };
            assert!(halved.extrapolates());
            let limit = level(0) + (level(0) - level(1)) / (order.exp2() - 1.0);
            let (off, error) = ((limit - 1.0).abs(), halved.error_of_extrapolated(1.0));
            assert!(
                off <= error && error < 20.0 * off + 1e-13,
                "{order}: {off:e} {error:e}"
            );
            let (off, error) = (level(0) - 1.0, halved.error_of_finest());
            assert!(
                0.9 * off < error && error < 1.5 * off,
                "{order}: {off:e} {error:e}"
            );
        }
    }

    /// The finest two agree by accident; differences that fall with the order of a kink.
    #[test]
    fn what_four_grids_do_not_agree_on_is_not_known() {
        let crossing = Halved {
            levels: [1.0, 1.0 + 1e-9, 1.02, 1.1],
            order: 2.0,
        };
        assert!(!crossing.extrapolates());
        assert!(crossing.error_of_extrapolated(0.25) > 4e-3);
        assert!(crossing.error_of_finest() > 4e-3);
        let kinked = Halved {
            levels: [1, 2, 4, 8].map(|h| 1.0 + 0.01 * f64::from(h).sqrt()),
            order: 2.0,
        };
        assert!(!kinked.extrapolates());
        assert!(kinked.error_of_finest() > 0.009);
        assert_eq!(
            Halved {
                levels: [f64::NAN; 4],
                order: 2.0
            }
            .error_of_finest(),
            f64::INFINITY
        );
    }

    #[test]
    fn a_mean_over_time_starts_at_its_time() {
        let values = [(0.0, [100.0]), (1.0, [1.0]), (2.0, [3.0]), (4.0, [3.0])];
        assert!((time_mean(&values, 1.0)[0] - 8.0 / 3.0).abs() < 1e-15);
    }
}
