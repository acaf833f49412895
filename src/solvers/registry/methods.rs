//! The methods of this version, and the words that a problem file may use for them.

use crate::derivation::ground::stated::Clock;
use crate::field::family::FAMILIES;
use crate::problem::format::vocabulary::Vocabulary;
use crate::problem::meant::setup::Setup;
use crate::solvers::bridge::{self, Bridge};
use crate::solvers::closed::exact::{self, Exact};
use crate::solvers::closed::moments::at_rest::AtRest;
use crate::solvers::closed::moments::{self, Moments};
use crate::solvers::closed::passage::{self, FirstPassage};
use crate::solvers::closed::riccati::algebraic::Algebraic;
use crate::solvers::closed::riccati::hamiltonian::Hamiltonian;
use crate::solvers::closed::riccati::{self, Riccati};
use crate::solvers::closed::stationary::{self, Stationary};
use crate::solvers::driver::{Attempt, Registered, Solution, Unsolved, Watch};
use crate::solvers::grid::density::{self, Density};
use crate::solvers::grid::fokker_planck::{self, FokkerPlanck};
use crate::solvers::grid::hjb::stationary::StationaryHjb;
use crate::solvers::grid::hjb::{self, Hjb};
use crate::solvers::grid::hopf_cole::{self, HopfCole};
use crate::solvers::grid::long_horizon::{self, LongHorizon};
use crate::solvers::grid::noised_value::HopfCole as NoisedValue;
use crate::solvers::grid::separable::{self, Separable};
use crate::solvers::grid::spectral::Spectral;
use crate::solvers::grid::spectral::ground_state::GroundState;
use crate::solvers::learned::action::{self, Action};
use crate::solvers::learned::ddp::{self, Ddp};
use crate::solvers::learned::path_integral::{self, PathIntegral};
use crate::solvers::learned::polynomial::{self, Polynomial};
use crate::solvers::learned::score_matching::{self, ScoreMatching};
use crate::solvers::registry::reserved::RESERVED;
use crate::solvers::sampling::annealed::{self, Annealed};
use crate::solvers::sampling::chains::{self, Chains};
use crate::solvers::walk::paths::{self, Paths};

/// Every method with code, in the order in which they are listed.
pub static METHODS: &[Registered] = &[
    Registered {
        card: &exact::CARD,
        solve: |attempt, watch| attempt.drive(&Exact, watch),
    },
    Registered {
        card: &action::CARD,
        solve: |a, watch| a.drive_read(Action::new(a.spec), watch),
    },
    Registered {
        card: &score_matching::CARD,
        solve: |a, watch| a.drive_read(ScoreMatching::new(a.spec), watch),
    },
    Registered {
        card: &hopf_cole::CARD,
        solve: hopf_cole,
    },
    Registered {
        card: &fokker_planck::CARD,
        solve: |a, watch| a.drive_read(FokkerPlanck::new(a.spec), watch),
    },
    Registered {
        card: &bridge::CARD,
        solve: |a, watch| a.drive_read(Bridge::new(a.spec), watch),
    },
    Registered {
        card: &path_integral::CARD,
        solve: |a, watch| a.drive_read(PathIntegral::new(a.spec, a.found), watch),
    },
    Registered {
        card: &hjb::CARD,
        solve: nonlinear,
    },
    Registered {
        card: &riccati::CARD,
        solve: riccati,
    },
    Registered {
        card: &separable::CARD,
        solve: |a, watch| a.drive_read(Separable::new(a.spec), watch),
    },
    Registered {
        card: &long_horizon::CARD,
        solve: |a, watch| a.drive_read(LongHorizon::new(a.spec), watch),
    },
    Registered {
        card: &polynomial::CARD,
        solve: |a, watch| a.drive_read(Polynomial::new(a.spec), watch),
    },
    Registered {
        card: &ddp::CARD,
        solve: |a, watch| a.drive_read(Ddp::new(a.spec), watch),
    },
    Registered {
        card: &annealed::CARD,
        solve: |a, watch| a.drive_read(Annealed::new(a.spec), watch),
    },
    Registered {
        card: &chains::LANGEVIN,
        solve: chain,
    },
    Registered {
        card: &chains::MALA,
        solve: chain,
    },
    Registered {
        card: &chains::HMC,
        solve: chain,
    },
    Registered {
        card: &paths::EULER_MARUYAMA,
        solve: path,
    },
    Registered {
        card: &paths::HEUN,
        solve: path,
    },
    Registered {
        card: &paths::MILSTEIN,
        solve: path,
    },
    Registered {
        card: &paths::EXPONENTIAL_EULER,
        solve: path,
    },
    Registered {
        card: &density::CARD,
        solve: |a, watch| a.drive_read(Density::new(a.spec), watch),
    },
    Registered {
        card: &stationary::CARD,
        solve: |a, watch| a.drive_read(Stationary::new(a.spec), watch),
    },
    Registered {
        card: &passage::CARD,
        solve: |a, watch| a.drive_read(FirstPassage::new(a.spec), watch),
    },
    Registered {
        card: &moments::CARD,
        solve: linear_moments,
    },
];

/// Whether the law of the noised data is known: the score has methods of its own there.
fn is_noised(attempt: &Attempt<'_>) -> bool {
    let lowered = attempt.lowered;
    lowered.process.clock == Clock::Reversed
        && lowered.undoes_additive_noise()
        && lowered.problem.reverse().is_some()
}

fn hopf_cole(attempt: &Attempt<'_>, watch: &mut Watch<'_>) -> Result<Solution, Unsolved> {
    let spec = attempt.spec;
    if attempt.lowered.problem.is_endless() {
        return attempt.drive_read(GroundState::new(spec), watch);
    }
    if is_noised(attempt) {
        return attempt.drive_read(NoisedValue::new(spec), watch);
    }
    match HopfCole::new(spec) {
        Some(method) => attempt.drive(&method, watch),
        None => attempt.drive_read(Spectral::new(spec), watch),
    }
}

fn nonlinear(attempt: &Attempt<'_>, watch: &mut Watch<'_>) -> Result<Solution, Unsolved> {
    if attempt.lowered.problem.is_endless() {
        return attempt.drive_read(StationaryHjb::new(attempt.spec), watch);
    }
    attempt.drive_read(Hjb::new(attempt.spec), watch)
}

fn riccati(attempt: &Attempt<'_>, watch: &mut Watch<'_>) -> Result<Solution, Unsolved> {
    if attempt.lowered.problem.is_endless() {
        return attempt.drive(&Algebraic, watch);
    }
    match Hamiltonian::new(attempt.spec, attempt.lowered) {
        Some(method) => attempt.drive(&method, watch),
        None => attempt.drive_read(Riccati::new(attempt.spec, attempt.lowered), watch),
    }
}

fn linear_moments(attempt: &Attempt<'_>, watch: &mut Watch<'_>) -> Result<Solution, Unsolved> {
    let method = Moments::new(attempt.spec);
    if attempt.lowered.problem.is_endless() {
        return attempt.drive_read(method.map(AtRest), watch);
    }
    attempt.drive_read(method, watch)
}

fn chain(attempt: &Attempt<'_>, watch: &mut Watch<'_>) -> Result<Solution, Unsolved> {
    attempt.drive_read(Chains::new(attempt.spec), watch)
}

fn path(attempt: &Attempt<'_>, watch: &mut Watch<'_>) -> Result<Solution, Unsolved> {
    attempt.drive_read(Paths::new(attempt.spec), watch)
}

/// The words for methods and fields; checks stand above this floor.
pub fn vocabulary() -> Vocabulary {
    let cards = METHODS.iter().map(|method| method.card);
    Vocabulary {
        methods: cards.chain(RESERVED.iter().copied()).collect(),
        families: FAMILIES.to_vec(),
        automatic,
        ..Vocabulary::empty()
    }
}

/// The methods of a reverse problem whose file leaves the choice open. What another kind admits is found by the
/// derivation.
fn automatic(setup: &Setup<'_>) -> Option<Vec<&'static str>> {
    let grids = setup.dimension <= 2;
    (setup.kind.is_reverse() && setup.additive).then(|| {
        match (setup.components.is_some(), setup.affine) {
            (true, true) if grids => {
                vec!["exact", "action", "score-matching", "hopf-cole", "bridge"]
            }
            (true, true) => vec!["exact", "action", "score-matching"],
            // Without a closed form the grid methods check one another.
            _ if grids => vec!["hopf-cole", "fokker-planck"],
            _ => vec!["action", "score-matching"],
        }
    })
}
