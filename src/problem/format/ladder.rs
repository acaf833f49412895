//! The same method with less work, for studies of what work buys.

use crate::problem::format::card::Card;
use crate::problem::format::key::Less;
use crate::problem::meant::options::{Options, Setting};

/// Coarsest grid and shortest run of steps that still mean something.
const FEWEST_POINTS: usize = 17;
/// Loss of relative tolerance per level, and the loosest.
const LOOSER: f64 = 100.0;
const LOOSEST: f64 = 2e-2;

impl Card {
    /// The options `level` rungs down a ladder of work; the options themselves at level 0.
    ///
    /// Every rung doubles the error that the leading error of the method allows, as far as it is known: grids have half
    /// the intervals in each state and half the steps, sampled means a quarter of the samples, adaptive integrations a
    /// hundred times the tolerance, spectral schemes three quarters of the waves, learned fields half the paths and half the
    /// iterations. `None` where the method has nothing to reduce or too little would be left.
    pub fn with_less_work(&self, options: &Options, level: u32) -> Option<Options> {
        (0..level).try_fold(options.clone(), |options, _| self.rung_below(options))
    }

    fn rung_below(&self, mut options: Options) -> Option<Options> {
        let mut reduced = false;
        for key in self.options {
            let less = (key.less)(&options);
            if let (Some(setting), true) = (options.get(key.name), less != Less::Same) {
                let fewer = reduce(less, setting)?;
                options.set(key.name, fewer);
                reduced = true;
            }
        }
        reduced.then_some(options)
    }
}

/// One rung less of one option, if enough is left.
fn reduce(less: Less, setting: &Setting) -> Option<Setting> {
    let enough = |value: usize, least: usize| (value >= least).then_some(value);
    let points = |counts: &[usize], fewer: fn(usize) -> usize| {
        let counts = counts.iter();
        let fewer: Option<Vec<usize>> = counts
            .map(|count| enough(fewer(*count), FEWEST_POINTS))
            .collect();
        fewer.map(Setting::Counts)
    };
    match (less, setting) {
        (Less::Part { of, least }, Setting::Count(count)) => {
            enough(count / of, least).map(Setting::Count)
        }
        (Less::One { least }, Setting::Count(count)) => {
            enough(count - 1, least).map(Setting::Count)
        }
        (Less::Intervals, Setting::Counts(counts)) => points(counts, |count| (count - 1) / 2 + 1),
        (Less::Waves, Setting::Counts(counts)) => points(counts, |count| count * 3 / 4),
        (Less::Tolerance, Setting::Number(value)) => {
            let looser = value * LOOSER;
            (looser <= LOOSEST).then_some(Setting::Number(looser))
        }
        _ => None,
    }
}
