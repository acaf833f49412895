//! Expectations in one state by adaptive panels: cut where the integrand is not smooth, over a box taken from
//! the integrand and not from the law.
//!
//! Every panel is integrated by Gauss–Legendre rules of two orders, whose difference is the error; the worst
//! panels are halved until the errors are rounding. A pole that can be integrated costs depth; one that cannot
//! leaves an error as large as the value.

use crate::numeric::quadrature::Rule;
use crate::problem::meant::law::Mixture;
use std::num::NonZeroUsize;

/// Nodes of the two rules of a panel.
const NODES: [usize; 2] = [10, 20];
/// First panels per standard deviation of the narrowest component, within limits.
const FIRST: [usize; 2] = [64, 1024];
/// Points per panel where sign changes are looked for.
const LOOKS: usize = 8;
/// Halvings of a panel, and panels altogether.
const DEEPEST: u32 = 60;
const MOST: usize = 8192;
/// Width of a panel relative to its place, where nodes can still be told from its ends.
const NARROWEST: f64 = 4096.0 * f64::EPSILON;
/// The box ends where what lies beyond is this part of the largest value met, and is no wider than this many
/// standard deviations.
const NEGLIGIBLE: f64 = 1e-19;
const WIDEST: f64 = 60.0;
/// Errors of panels below this part of the whole are rounding.
const ROUNDING: f64 = 1e-15;

/// An integral with the bound on its error and the integral of the absolute value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Integral {
    pub value: f64,
    pub error: f64,
    pub scale: f64,
}

/// The function that is averaged, at many points.
pub type OnPoints<'a> = dyn Fn(&[f64]) -> Vec<f64> + 'a;

/// A function between whose levels the integrand breaks: its sign, or for a `floor` its whole part.
pub struct Break<'a> {
    pub function: Box<OnPoints<'a>>,
    pub is_floor: bool,
}

impl Break<'_> {
    fn levels(&self, x: &[f64]) -> Vec<f64> {
        let values = (self.function)(x);
        let level = |v: f64| if self.is_floor { v.floor() } else { sign(v) };
        values.into_iter().map(level).collect()
    }
}

fn sign(v: f64) -> f64 {
    if v == 0.0 { 0.0 } else { v.signum() }
}

/// `E[f(X)]` for a mixture on the line; `None` where the integrand does not decay, or is not a number.
pub fn expectation(law: &Mixture, f: &OnPoints<'_>, breaks: &[Break<'_>]) -> Option<Integral> {
    let variances: Vec<f64> = law.covariances.iter().map(|c| c.entry(0, 0)).collect();
    let mut total = Integral {
        value: 0.0,
        error: 0.0,
        scale: 0.0,
    };
    let mut dense = Vec::new();
    for (k, variance) in variances.iter().enumerate() {
        let (weight, mean) = (law.weights[k], law.means[k][0]);
        if *variance > 0.0 {
            dense.push((weight, mean, variance.sqrt()));
        } else {
            let value = weight * f(&[mean])[0];
            total.value += value;
            total.scale += value.abs();
        }
    }
    if dense.is_empty() {
        return total.value.is_finite().then_some(total);
    }
    let density = |x: f64| -> f64 {
        let part = |(w, m, s): &(f64, f64, f64)| w / s * (-0.5 * ((x - m) / s).powi(2)).exp();
        dense.iter().map(part).sum::<f64>() / std::f64::consts::TAU.sqrt()
    };
    let g = |x: &[f64]| -> Vec<f64> {
        let values = f(x).into_iter().zip(x);
        values
            .map(|(v, x)| if v == 0.0 { 0.0 } else { v * density(*x) })
            .collect()
    };
    let edges = cut(&dense, &g, breaks)?;
    let part = adaptive(&g, &edges);
    total.value += part.value;
    total.error += part.error;
    total.scale += part.scale;
    (total.value.is_finite() && total.scale.is_finite()).then_some(total)
}

/// The box of the integrand, cut into panels at its breaks.
fn cut(dense: &[(f64, f64, f64)], g: &OnPoints<'_>, breaks: &[Break<'_>]) -> Option<Vec<f64>> {
    let narrowest = dense.iter().map(|(.., s)| *s).fold(f64::INFINITY, f64::min);
    let reach = |side: f64, sds: f64| {
        let ends = dense.iter().map(|(_, m, s)| side * m + sds * s);
        ends.fold(f64::NEG_INFINITY, f64::max) * side
    };
    let mut low = reach(-1.0, 10.0);
    let mut high = reach(1.0, 10.0);
    let within = spread(low, high, 512);
    let largest = g(&within)
        .into_iter()
        .map(f64::abs)
        .filter(|v| v.is_finite());
    let mut largest = largest.fold(0.0, f64::max);
    for (end, side) in [(&mut low, -1.0), (&mut high, 1.0)] {
        for sds in 10..=WIDEST as usize {
            *end = reach(side, sds as f64);
            let here = g(&[*end])[0].abs();
            if !here.is_finite() {
                return None;
            }
            largest = largest.max(here);
            if here <= NEGLIGIBLE * largest {
                break;
            }
            if sds == WIDEST as usize {
                return None;
            }
        }
    }
    let panels = (((high - low) / narrowest).ceil() as usize).clamp(FIRST[0], FIRST[1]);
    let mut edges = spread(low, high, panels + 1);
    for (_, m, s) in dense {
        edges.extend((-10..=10).map(|k| m + f64::from(k) * s));
    }
    edges.retain(|x| (low..=high).contains(x));
    let looks = spread(low, high, LOOKS * panels + 1);
    for one in breaks {
        edges.extend(crossings(one, &looks));
    }
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    Some(edges)
}

fn spread(low: f64, high: f64, points: usize) -> Vec<f64> {
    let step = (high - low) / (points - 1) as f64;
    (0..points)
        .map(|i| {
            if i + 1 == points {
                high
            } else {
                low + step * i as f64
            }
        })
        .collect()
}

/// Where a break changes its level, to the last digit.
fn crossings(one: &Break<'_>, looks: &[f64]) -> Vec<f64> {
    let levels = one.levels(looks);
    let mut brackets: Vec<(f64, f64, f64)> = (1..looks.len())
        .filter(|i| levels[*i] != levels[i - 1])
        .map(|i| (looks[i - 1], looks[i], levels[i - 1]))
        .collect();
    for _ in 0..70 {
        let middles: Vec<f64> = brackets.iter().map(|(a, b, _)| 0.5 * (a + b)).collect();
        let levels = one.levels(&middles);
        for ((bracket, middle), level) in brackets.iter_mut().zip(middles).zip(levels) {
            if level == bracket.2 {
                bracket.0 = middle;
            } else {
                bracket.1 = middle;
            }
        }
    }
    brackets.into_iter().map(|(_, b, _)| b).collect()
}

struct Panel {
    a: f64,
    b: f64,
    depth: u32,
    value: f64,
    error: f64,
    scale: f64,
}

fn adaptive(g: &OnPoints<'_>, edges: &[f64]) -> Integral {
    let reference =
        NODES.map(|n| Rule::legendre(NonZeroUsize::new(n).expect("rules have nodes"), -1.0, 1.0));
    let mut waiting: Vec<(f64, f64, u32)> = edges.windows(2).map(|w| (w[0], w[1], 0)).collect();
    let mut done: Vec<Panel> = Vec::new();
    loop {
        done.extend(panels(g, &reference, &waiting));
        let scale: f64 = done.iter().map(|p| p.scale).sum();
        let limit = ROUNDING * scale;
        let (coarse, fine): (Vec<Panel>, Vec<Panel>) = done.into_iter().partition(|p| {
            let rounding = 4.0 * f64::EPSILON * p.scale;
            let resolved = p.b - p.a > NARROWEST * p.a.abs().max(p.b.abs());
            p.error > limit.max(rounding) && p.depth < DEEPEST && resolved
        });
        done = fine;
        if coarse.is_empty() || done.len() + 2 * coarse.len() > MOST {
            done.extend(coarse);
            let sum = |f: fn(&Panel) -> f64| done.iter().map(f).sum::<f64>();
            return Integral {
                value: sum(|p| p.value),
                error: sum(|p| p.error),
                scale,
            };
        }
        waiting.clear();
        for p in coarse {
            let middle = 0.5 * (p.a + p.b);
            waiting.push((p.a, middle, p.depth + 1));
            waiting.push((middle, p.b, p.depth + 1));
        }
    }
}

fn panels(g: &OnPoints<'_>, rules: &[Rule; 2], waiting: &[(f64, f64, u32)]) -> Vec<Panel> {
    let mut points = Vec::new();
    for (a, b, _) in waiting {
        let (centre, half) = (0.5 * (a + b), 0.5 * (b - a));
        for rule in rules {
            points.extend(rule.nodes.iter().map(|x| centre + half * x));
        }
    }
    let values = g(&points);
    let each = values.chunks(NODES[0] + NODES[1]);
    let panel = |(values, (a, b, depth)): (&[f64], &(f64, f64, u32))| {
        let half = 0.5 * (b - a);
        let sum = |rule: &Rule, values: &[f64]| {
            half * rule
                .weights
                .iter()
                .zip(values)
                .map(|(w, v)| w * v)
                .sum::<f64>()
        };
        let (few, many) = values.split_at(NODES[0]);
        let (rough, value) = (sum(&rules[0], few), sum(&rules[1], many));
        let sizes: Vec<f64> = many.iter().map(|v| v.abs()).collect();
        Panel {
            a: *a,
            b: *b,
            depth: *depth,
            value,
            error: (value - rough).abs(),
            scale: sum(&rules[1], &sizes),
        }
    };
    each.zip(waiting).map(panel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::meant::law::Covariance;

    fn standard() -> Mixture {
        Mixture::gaussian(vec![0.0], Covariance::Isotropic(1.0))
    }

    fn mean(f: fn(f64) -> f64, breaks: &[Break<'_>]) -> Option<Integral> {
        let on_points = move |x: &[f64]| x.iter().map(|x| f(*x)).collect();
        expectation(&standard(), &on_points, breaks)
    }

    fn at(k: f64) -> Break<'static> {
        Break {
            function: Box::new(move |x| x.iter().map(|x| x - k).collect()),
            is_floor: false,
        }
    }

    #[test]
    fn kinks_jumps_growth_and_poles() {
        let root = (2.0 / std::f64::consts::PI).sqrt();
        type Case = (fn(f64) -> f64, f64, f64);
        let cases: [Case; 5] = [
            (|x| x.abs(), root, 1e-13),
            (|x| if x > 0.0 { x } else { 0.0 }, root / 2.0, 1e-13),
            // 1 / sqrt(1 - 2 k), k = 0.45.
            (|x| (0.45 * x * x).exp(), 10f64.sqrt(), 1e-12),
            (|x| x.powi(6), 15.0, 1e-12),
            // E|X|^(-1/2) = 2^(-1/4) Gamma(1/4) / sqrt(pi).
            (
                |x| x.abs().powf(-0.5),
                2f64.powf(-0.25) * 3.625_609_908_221_908 / std::f64::consts::PI.sqrt(),
                1e-7,
            ),
        ];
        for (f, exact, limit) in cases {
            let found = mean(f, &[at(0.0)]).expect("finite");
            assert!(
                (found.value - exact).abs() < limit * exact,
                "{found:?} against {exact}"
            );
            assert!(
                (found.value - exact).abs() <= found.error + 1e-14 * found.scale,
                "{found:?} against {exact}"
            );
        }
    }

    #[test]
    fn a_pole_away_from_zero_is_not_hit() {
        let f = |x: f64| (x - 0.1).abs().powf(-0.5);
        let found = mean(f, &[at(0.1)]).expect("finite");
        assert!(found.error < 1e-7 * found.value, "{found:?}");
    }

    #[test]
    fn what_has_no_mean_is_not_given_one() {
        assert_eq!(mean(|x| (0.6 * x * x).exp(), &[]), None);
        let pole = mean(|x| 1.0 / x.abs(), &[at(0.0)]);
        assert!(pole.is_none_or(|found| found.error > 1e-4 * found.value));
    }
}
