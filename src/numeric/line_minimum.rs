//! Least values of many functions of one number, all at once.
//!
//! Candidates over the range, equally spaced and in powers of sixteen about zero, bracket the least value; parabolas and
//! golden sections find it between its neighbours. Kinks and several minima do no harm as long as candidates tell them
//! apart; a minimum at zero or at an end of the range is met exactly.
//!
//! # Cost
//! Some fifty values of each function where it is smooth, seventy at kinks.
//!
//! # Source
//! Brent, *Algorithms for Minimization Without Derivatives* (1973), chapter 5.

/// Most values between two candidates.
const STEPS: usize = 60;
/// Share of the longer part of a bracket that a golden section takes.
const GOLDEN: f64 = 0.381_966_011_250_105_1;
/// Precision of a place, relative and absolute: values say no more than half the digits.
const PRECISION: [f64; 2] = [1e-9, 1e-12];
/// Equally spaced candidates of a range that ends, cells.
const CELLS: i32 = 8;
/// Powers of sixteen among the candidates.
const POWERS: std::ops::RangeInclusive<i32> = -5..=10;

/// Places of the least values of `count` functions on a range, which may have no end: `values(s, out)` writes that of every
/// function at its own `s`. NaN where a function falls on to an end that is not there, or has no finite value.
pub fn line_minimum(
    count: usize,
    (low, high): (f64, f64),
    values: &mut dyn FnMut(&[f64], &mut [f64]),
) -> Vec<f64> {
    let mut out = vec![0.0; count];
    let mut at = |s: &[f64]| -> Vec<f64> {
        values(s, &mut out);
        // Beyond where a function is defined it is not small.
        let finite = |v: &f64| if v.is_nan() { f64::INFINITY } else { *v };
        out.iter().map(finite).collect()
    };
    let candidates = candidates((low, high));
    let (mut best, mut least) = (vec![0; count], vec![f64::INFINITY; count]);
    for (k, s) in candidates.iter().enumerate() {
        let found = at(&vec![*s; count]);
        for i in 0..count {
            let nearer = s.abs() < candidates[best[i]].abs();
            if found[i] < least[i] || (found[i] == least[i] && nearer) {
                (best[i], least[i]) = (k, found[i]);
            }
        }
    }
    let last = candidates.len() - 1;
    let brackets = best.iter().zip(&least).map(|(k, least)| {
        let ends = [k.saturating_sub(1), (k + 1).min(last)].map(|k| candidates[k]);
        Bracket::new(ends, candidates[*k], *least)
    });
    let mut brackets: Vec<Bracket> = brackets.collect();
    for _ in 0..STEPS {
        let next: Vec<f64> = brackets.iter_mut().map(Bracket::next).collect();
        if brackets.iter().all(|bracket| bracket.is_settled) {
            break;
        }
        for ((bracket, s), value) in brackets.iter_mut().zip(&next).zip(at(&next)) {
            bracket.learn(*s, value);
        }
    }
    let falls_on = |k: usize| (k == 0 && low.is_infinite()) || (k == last && high.is_infinite());
    (0..count)
        .map(|i| match brackets[i].points[0] {
            _ if falls_on(best[i]) || least[i] == f64::INFINITY => f64::NAN,
            (s, value) if value < least[i] => s,
            _ => candidates[best[i]],
        })
        .collect()
}

/// Where the least value of one function is, and the best three points so far, best first.
struct Bracket {
    ends: [f64; 2],
    points: [(f64, f64); 3],
    /// The last move, and the one before.
    moves: [f64; 2],
    is_settled: bool,
}

impl Bracket {
    fn new(ends: [f64; 2], place: f64, value: f64) -> Self {
        Self {
            ends,
            points: [(place, value); 3],
            moves: [0.0; 2],
            is_settled: false,
        }
    }

    /// Where to look next.
    fn next(&mut self) -> f64 {
        let ([from, to], x) = (self.ends, self.points[0].0);
        let near = PRECISION[0] * x.abs() + PRECISION[1];
        let middle = 0.5 * (from + to);
        self.is_settled |= (x - middle).abs() <= 2.0 * near - 0.5 * (to - from);
        if self.is_settled {
            return x;
        }
        let towards = |step: f64| if x < middle { step } else { -step };
        let [last, before] = self.moves;
        let mut step = match self.parabola() {
            Some(step) if before.abs() > near && step.abs() < 0.5 * before.abs() => {
                self.moves[1] = last;
                let at_end = (x + step - from).min(to - x - step) < 2.0 * near;
                if at_end { towards(near) } else { step }
            }
            _ => {
                self.moves[1] = if x < middle { to - x } else { from - x };
                GOLDEN * self.moves[1]
            }
        };
        if step.abs() < near {
            step = near.copysign(step);
        }
        self.moves[0] = step;
        x + step
    }

    /// The step to the vertex of the parabola through the three points, where that is in the bracket.
    fn parabola(&self) -> Option<f64> {
        let [(x, fx), (w, fw), (v, fv)] = self.points;
        let (r, q) = ((x - w) * (fx - fv), (x - v) * (fx - fw));
        let step = -((x - v) * q - (x - w) * r) / (2.0 * (q - r));
        let [from, to] = self.ends;
        (step.is_finite() && x + step > from && x + step < to).then_some(step)
    }

    fn learn(&mut self, s: f64, value: f64) {
        if self.is_settled {
            return;
        }
        let [best, second, third] = self.points;
        if value <= best.1 {
            self.ends[usize::from(s < best.0)] = best.0;
            self.points = [(s, value), best, second];
            return;
        }
        self.ends[usize::from(s >= best.0)] = s;
        if value <= second.1 || second.0 == best.0 {
            self.points = [best, (s, value), second];
        } else if value <= third.1 || third.0 == best.0 || third.0 == second.0 {
            self.points[2] = (s, value);
        }
    }
}

/// Candidates in a range, in order.
fn candidates((low, high): (f64, f64)) -> Vec<f64> {
    let powers = POWERS.map(|k| 16.0_f64.powi(k));
    let mut all: Vec<f64> = powers.flat_map(|s| [s, -s]).chain([0.0]).collect();
    let width = high - low;
    if width.is_finite() {
        let cells = (0..=CELLS).map(|k| low + width * f64::from(k) / f64::from(CELLS));
        all.extend(cells);
    } else {
        // About an end that is not zero.
        let end = [low, high].into_iter().find(|end| end.is_finite());
        let end = end.filter(|end| *end != 0.0);
        all.extend(end.into_iter().flat_map(|end| {
            let powers = POWERS.map(|k| 16.0_f64.powi(k));
            powers.flat_map(move |s| [end + s, end - s]).chain([end])
        }));
    }
    all.retain(|s| (low..=high).contains(s));
    all.sort_by(f64::total_cmp);
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

    fn least(range: (f64, f64), functions: &[fn(f64) -> f64]) -> Vec<f64> {
        line_minimum(functions.len(), range, &mut |s, out| {
            for ((out, s), f) in out.iter_mut().zip(s).zip(functions) {
                *out = f(*s);
            }
        })
    }

    #[test]
    fn least_values_are_found_at_kinks_at_ends_and_between() {
        let found = least(
            ALL,
            &[
                |s| s.powi(4) - 3.0 * s,
                |s| s.abs() + 0.5 * s * s - 0.4 * s,
                |s| s.abs() + 0.5 * s * s - 1.7 * s,
                |s| s.exp() - s,
                |s| (s - 1e4).powi(2),
                |s| (s * s - 1.0).powi(2) + 0.1 * s,
            ],
        );
        let right = [0.75_f64.cbrt(), 0.0, 0.7, 0.0, 1e4, -1.012273131];
        for (found, right) in found.iter().zip(right) {
            assert!(
                (found - right).abs() < 1e-6 * (1.0 + right.abs()),
                "{found} {right}"
            );
        }
        let found = least((0.5, 2.0), &[|s| s, |s| -s, |s| s * s.ln() - s]);
        for (found, right) in found.iter().zip([0.5, 2.0, 1.0]) {
            assert!((found - right).abs() < 1e-6, "{found} {right}");
        }
    }

    #[test]
    fn what_falls_for_ever_has_no_least_value() {
        let found = least(ALL, &[|s| -s, |s| -s * s, |_| f64::NAN]);
        assert!(found.iter().all(|s| s.is_nan()), "{found:?}");
        let found = least((0.0, f64::INFINITY), &[|s| s.sqrt(), |s| (s + 1.0).recip()]);
        assert!(found[0] == 0.0 && found[1].is_nan(), "{found:?}");
    }
}
