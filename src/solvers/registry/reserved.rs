//! Methods of kinds `bridge` and `path`: files may name them with their options, `solve` refuses them. Each leaves this
//! file when its code lands.

use crate::problem::format::card::Card;
use crate::problem::format::key::{Bound, Coordinates, Fallback, Form, Key, Names};
use crate::problem::format::ladder::Less;
use crate::problem::format::page::Page;
use crate::problem::meant::kind::{BRIDGE, PATH};
use crate::problem::meant::named::Named;
use crate::problem::meant::task::{Duration, PathFunctional};
use crate::solvers::learned::score_matching::score_field;
use crate::solvers::options::{
    LATTICE, RUN_PATHS, TIME_STEPS, field_text, half, most_iterations, paths, paths_text, points,
    points_text, quarter, steps, tolerance,
};

/// In the order in which they are listed.
pub static RESERVED: &[&Card] = &[
    &GAUSSIAN,
    &SINKHORN,
    &LIGHT_BRIDGE,
    &IPF,
    &MAM,
    &GMAM,
    &STRING,
];

const IMAGES: Key = Key::new(
    "images",
    Form::Count(3),
    Fallback::Found("path.images", |setup, _| {
        setup.path.map_or(200, |path| path.images).into()
    }),
    "points of the path",
)
.less(|_| Less::Part { of: 2, least: 17 });

/// Read, refused by `solve`.
static GAUSSIAN: Card = Card {
    page: Page {
        name: "gaussian",
        summary: "bridge between Gaussians in closed form",
        meaning: "For an affine reference the bridge between Gaussians is Gaussian; its covariances come from one matrix square\nroot.",
        causes: &[(
            "refused",
            "an end law is no Gaussian, or the reference is not affine",
        )],
        example: "[run]\nsolvers = [\"gaussian\"]",
    },
    kinds: &[],
    later: BRIDGE,
    options: &[],
    settings: |_| "closed form".to_owned(),
};

/// Read, refused by `solve`.
static SINKHORN: Card = Card {
    page: Page {
        name: "sinkhorn",
        summary: "alternating projections on a grid",
        meaning: "phi <- log-ratio of the source, psi <- log-ratio of the target, until both marginals fit.",
        causes: &[("slow", "more noise, or more iterations")],
        example: "[[solver]]\nmethod = \"sinkhorn\"\npoints = 701",
    },
    kinds: &[],
    later: BRIDGE,
    options: &[
        points(LATTICE),
        tolerance(Bound::Positive, Fallback::Number(1e-10)),
        most_iterations(Fallback::Count(5000)),
    ],
    settings: points_text,
};

/// Read, refused by `solve`.
static LIGHT_BRIDGE: Card = Card {
    page: Page {
        name: "light-bridge",
        summary: "Gaussian mixture for the adjusted potential",
        meaning: "exp(psi) is a sum of Gaussians; the fit needs draws of both ends and no simulation.",
        causes: &[("poor fit", "more potentials")],
        example: "[[solver]]\nmethod = \"light-bridge\"\npotentials = 4",
    },
    kinds: &[],
    later: BRIDGE,
    options: &[
        Key::new(
            "potentials",
            Form::Count(1),
            Fallback::Count(4),
            "Gaussians of the potential",
        ),
        Key::new("samples", Form::Count(2), RUN_PATHS, "draws of the fit").less(quarter),
        tolerance(Bound::Positive, Fallback::Number(1e-8)),
        most_iterations(Fallback::Count(20_000)),
    ],
    settings: |options| {
        let (potentials, samples) = (options.count("potentials"), options.count("samples"));
        format!("{potentials} Gaussians, {samples} samples")
    },
};

/// Read, refused by `solve`.
static IPF: Card = Card {
    page: Page {
        name: "ipf",
        summary: "iterated fitting of forward and backward drifts",
        meaning: "Each half-step fits a drift to simulated paths of the other direction.",
        causes: &[("drifting ends", "more paths")],
        example: "[[solver]]\nmethod = \"ipf\"",
    },
    kinds: &[],
    later: BRIDGE,
    options: &[
        Key::new(
            "field",
            Form::Field(Coordinates::Together),
            Fallback::Found("rbf up to eight states, else affine", |setup, _| {
                score_field(setup).into()
            }),
            "family of drifts",
        ),
        paths(RUN_PATHS).less(half),
        steps(TIME_STEPS),
        tolerance(Bound::Positive, Fallback::Number(1e-3)),
        most_iterations(Fallback::Count(20)).less(|_| Less::Part { of: 2, least: 2 }),
    ],
    settings: |options| format!("{}, {}", field_text(options), paths_text(options)),
};

/// Read, refused by `solve`.
static MAM: Card = Card {
    page: Page {
        name: "mam",
        summary: "minimum action over a fixed time",
        meaning: "1/2 int |x' - b|^2 dt over paths with fixed ends, as a sum over images.",
        causes: &[("end effects", "a longer duration")],
        example: "[[solver]]\nmethod = \"mam\"\nduration = 20.0",
    },
    kinds: &[],
    later: PATH,
    options: &[
        IMAGES,
        tolerance(Bound::Positive, Fallback::Number(1e-8)),
        most_iterations(Fallback::Count(5000)),
        Key::new(
            "functional",
            Form::Choice(Names::Fixed(PathFunctional::names)),
            Fallback::Found("path.functional", |setup, _| {
                let path = setup.path.map(|path| path.functional);
                path.unwrap_or(PathFunctional::FreidlinWentzell)
                    .name()
                    .into()
            }),
            "what is minimised",
        ),
        // A fixed time that is long for rates of order one, where the file leaves the time free.
        Key::new(
            "duration",
            Form::Number(Bound::Positive),
            Fallback::Found(
                "path.duration, or 20 where that is free",
                |setup, _| match setup.path.map(|path| path.duration) {
                    Some(Duration::Fixed(duration)) => duration.into(),
                    _ => 20.0.into(),
                },
            ),
            "time the path takes",
        ),
    ],
    settings: |options| {
        let (images, duration) = (options.count("images"), options.number("duration"));
        format!("{images} images over {duration}")
    },
};

/// Read, refused by `solve`.
static GMAM: Card = Card {
    page: Page {
        name: "gmam",
        summary: "geometric minimum action, time free",
        meaning: "int ( |x'| |b| - x'.b ) ds over curves at equal arclength.",
        causes: &[(
            "action too low",
            "images slid together: see action-quadrature",
        )],
        example: "[[solver]]\nmethod = \"gmam\"",
    },
    kinds: &[],
    later: PATH,
    options: &[
        IMAGES,
        tolerance(Bound::Positive, Fallback::Number(1e-8)),
        most_iterations(Fallback::Count(5000)),
    ],
    settings: |options| format!("{} images", options.count("images")),
};

/// Read, refused by `solve`.
static STRING: Card = Card {
    page: Page {
        name: "string",
        summary: "relaxation of a string along the drift",
        meaning: "Images follow the drift and are redistributed; ends in the minimum-energy path of a gradient drift.",
        causes: &[("drift no gradient", "use gmam")],
        example: "[[solver]]\nmethod = \"string\"",
    },
    kinds: &[],
    later: PATH,
    options: &[
        IMAGES,
        tolerance(Bound::Positive, Fallback::Number(1e-8)),
        most_iterations(Fallback::Count(5000)),
    ],
    settings: |options| format!("{} images", options.count("images")),
};
