//! Methods of kinds `bridge` and `path`: files may name them with their options, `solve` refuses them. Each leaves this
//! file when its code lands.

use crate::problem::format::card::Card;
use crate::problem::format::key::Less;
use crate::problem::format::key::{Bound, Coordinates, Fallback, Form, Key, Names};
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
    page: Page::of("gaussian", include_str!("reserved.md")),
    kinds: &[],
    later: BRIDGE,
    options: &[],
    settings: |_| "closed form".to_owned(),
};

/// Read, refused by `solve`.
static SINKHORN: Card = Card {
    page: Page::of("sinkhorn", include_str!("reserved.md")),
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
    page: Page::of("light-bridge", include_str!("reserved.md")),
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
    page: Page::of("ipf", include_str!("reserved.md")),
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
    page: Page::of("mam", include_str!("reserved.md")),
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
    page: Page::of("gmam", include_str!("reserved.md")),
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
    page: Page::of("string", include_str!("reserved.md")),
    kinds: &[],
    later: PATH,
    options: &[
        IMAGES,
        tolerance(Bound::Positive, Fallback::Number(1e-8)),
        most_iterations(Fallback::Count(5000)),
    ],
    settings: |options| format!("{} images", options.count("images")),
};
