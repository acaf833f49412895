//! Progress on standard error: one animated line per solver on a terminal, rare plain lines elsewhere.

use crate::cli::arguments::{Common, When};
use crate::cli::output::tell;
use crate::solvers::driver::Progress;
use crate::study::Moment;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Steps of a bar; fractions are shown to this resolution.
const RESOLUTION: u64 = 1000;

/// The progress of a run, a line for each part of it.
pub struct ProgressLines {
    wanted: bool,
    line: ProgressLine,
}

impl ProgressLines {
    pub fn new(common: &Common) -> Self {
        Self {
            wanted: match common.progress {
                When::Always => true,
                When::Never => false,
                When::Auto => !common.quiet,
            },
            line: ProgressLine::Silent,
        }
    }

    /// Shows a moment of a run.
    pub fn tell(&mut self, moment: Moment<'_>) {
        match moment {
            Moment::Begins { name, doing } => {
                let terminal = std::io::stderr().is_terminal();
                self.line = ProgressLine::begin(name, self.wanted, terminal);
                self.line.show(0.0, doing);
            }
            Moment::Goes(progress) => self.line.solver(progress),
            Moment::Ends(outcome) => {
                std::mem::replace(&mut self.line, ProgressLine::Silent).end(outcome);
            }
        }
    }
}

/// Where progress goes.
enum ProgressLine {
    /// Nowhere.
    Silent,
    /// An animated line, at most ten updates a second.
    Animated(ProgressBar),
    /// A line at the start, one per ten percent but at most every thirty seconds, one at the end.
    Plain {
        name: String,
        began: Instant,
        last: Instant,
        next: f64,
    },
}

impl ProgressLine {
    /// Begins a line for one named piece of work.
    fn begin(name: &str, wanted: bool, terminal: bool) -> Self {
        if !wanted {
            return Self::Silent;
        }
        if terminal {
            let bar = ProgressBar::with_draw_target(
                Some(RESOLUTION),
                ProgressDrawTarget::stderr_with_hz(10),
            );
            if let Ok(style) = ProgressStyle::with_template(
                "{prefix:<14} [{bar:30}] {percent:>3}%  {msg}  {eta} left",
            ) {
                bar.set_style(style.progress_chars("#> "));
            }
            bar.set_prefix(name.to_owned());
            return Self::Animated(bar);
        }
        tell(&format!("{name}: started\n"));
        Self::Plain {
            name: name.to_owned(),
            began: Instant::now(),
            last: Instant::now(),
            next: 0.1,
        }
    }

    /// Shows a solver's progress.
    fn solver(&mut self, progress: &Progress) {
        if let Progress::Going {
            fraction,
            objective,
            measured,
        } = progress
        {
            let message = if objective.is_finite() {
                format!("objective {objective:.6}  measured {measured:.2e}")
            } else {
                format!("measured {measured:.2e}")
            };
            self.show(*fraction, &message);
        }
    }

    /// Shows a fraction done with a message.
    fn show(&mut self, fraction: f64, message: &str) {
        match self {
            Self::Silent => {}
            Self::Animated(bar) => {
                bar.set_message(message.to_owned());
                bar.set_position((fraction.clamp(0.0, 1.0) * RESOLUTION as f64) as u64);
            }
            Self::Plain {
                name, last, next, ..
            } => {
                if fraction >= *next && last.elapsed() > Duration::from_secs(30) {
                    tell(&format!("{name}: {:.0} %  {message}\n", 100.0 * fraction));
                    *last = Instant::now();
                    *next = (fraction * 10.0).floor() / 10.0 + 0.1;
                }
            }
        }
    }

    /// Ends the line; the result itself goes to standard output elsewhere.
    fn end(self, outcome: &str) {
        match self {
            Self::Silent => {}
            Self::Animated(bar) => bar.finish_and_clear(),
            Self::Plain { name, began, .. } => {
                let seconds = began.elapsed().as_secs_f64();
                tell(&format!("{name}: {outcome} in {seconds:.1} s\n"));
            }
        }
    }
}
