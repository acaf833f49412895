//! A process that is pulled towards the origin.

use onsager::problem::format::card::PresetCard;
use onsager::problem::format::key::{Bound, Fallback, Form, Key};
use onsager::problem::format::page::Page;

const PAGE: &str = "# pull
a linear pull

dX = -strength X dt + dW: every path is pulled towards the origin.
";

pub static TOY: PresetCard = PresetCard {
    page: Page::of("pull", PAGE),
    options: &[Key::new(
        "strength",
        Form::Number(Bound::Positive),
        Fallback::Number(1.0),
        "of the pull",
    )],
    coefficients: |options| {
        let strength = options.number("strength");
        [format!("-{strength:?}*x"), "1.0".to_owned()]
    },
};
