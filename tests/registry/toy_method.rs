//! A control that is proportional to the first state.

use onsager::field::Field;
use onsager::numeric::batch::{BatchMut, BatchRef};
use onsager::numeric::random::Streams;
use onsager::problem::format::card::Card;
use onsager::problem::format::key::{Bound, Fallback, Form, Key};
use onsager::problem::format::page::Page;
use onsager::problem::meant::task::Kind;
use onsager::solvers::driver::{Method, Progress, Registered, SolveError, StopReason, Work};
use onsager::solvers::lowered::answer::Answer;
use onsager::solvers::lowered::problem::{Asks, Lowered};
use onsager::solvers::lowered::refusal::Refusal;
use std::sync::Arc;

const NAME: &str = "fixed-gain";
const PAGE: &str = "# fixed-gain
a gain that is the same at all times

u = -gain x: it never looks at the cost.

- **a large gap** it is a toy
";

static CARD: Card = Card {
    page: Page::of(NAME, PAGE),
    kinds: &[Kind::Control],
    later: &[],
    options: &[Key::new(
        "gain",
        Form::Number(Bound::Finite),
        Fallback::Number(1.0),
        "of the feedback",
    )],
    settings: |options| format!("gain {}", options.number("gain")),
};

pub const TOY: Registered = Registered {
    card: &CARD,
    solve: |attempt, watch| {
        let gain = attempt.spec.options.number("gain");
        attempt.drive(&FixedGain { gain }, watch)
    },
};

struct FixedGain {
    gain: f64,
}

impl Method for FixedGain {
    const ASKS: Asks = Asks::Control;
    type Admitted = ();
    type State = Gain;

    fn admit(&self, _: &Lowered) -> Result<(), Refusal> {
        Ok(())
    }

    fn start(&self, lowered: &Lowered, (): (), _: &Streams) -> Result<Gain, SolveError> {
        Ok(Gain {
            gain: self.gain,
            states: lowered.dimension(),
        })
    }

    fn advance(&self, _: &Lowered, _: &mut Gain, _: &mut Work) -> Result<(), SolveError> {
        Ok(())
    }

    fn progress(&self, _: &Gain) -> Progress {
        Progress::Stopped(StopReason::Direct)
    }

    fn finish(&self, _: &Lowered, gain: Gain) -> Result<Answer, SolveError> {
        Ok(Answer {
            policy: Some(Arc::new(gain)),
            ..Answer::default()
        })
    }
}

struct Gain {
    gain: f64,
    states: usize,
}

impl Field for Gain {
    fn inputs(&self) -> usize {
        self.states
    }

    fn outputs(&self) -> usize {
        1
    }

    fn eval(&self, _: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        for (u, x) in out.column_mut(0).iter_mut().zip(x.column(0)) {
            *u = -self.gain * x;
        }
    }
}
