//! Which states meet; where time and corners occur.

use super::finding::{Finding, Steering, Subject, shown};
use super::steering::obstructed;
use crate::derivation::control::product_form::{self, Coupling};
use crate::derivation::ground::noising::Noising;
use crate::expr::Expr;
use crate::problem::meant::law::{Law, Mixture};

/// More than one group of states that never meet.
pub(super) fn separable(subject: &mut Subject<'_>) -> Finding {
    let (groups, couplings, place) = match subject.steering {
        // What a control joins is not known where its price is not.
        Steering::Stated {
            facts: Err(obstacle),
            ..
        } => return obstructed("separable", obstacle),
        Steering::Stated {
            facts: Ok(facts), ..
        } => (
            facts.groups.clone(),
            facts.couplings.clone(),
            "the dynamics or the costs",
        ),
        _ => {
            let log_density = match subject.start {
                Some(Law::LogDensity(law)) => Some(law.log_density),
                _ => None,
            };
            let (groups, couplings) = product_form::groups_of_process(subject.process, log_density);
            (groups, couplings, "f or D")
        }
    };
    let found = if groups.len() > 1 {
        let ends = [subject.start, subject.end];
        // Bridges need both ends to factor too.
        let tangled = subject.end.and_then(|_| {
            let mut ends = ends.into_iter().flatten();
            ends.position(|law| !is_product(law))
        });
        match tangled {
            Some(end) => Finding::missing(
                "separable",
                format!(
                    "no states meet in the dynamics, but the {} law is no product over coordinates",
                    ["source", "target"][end]
                ),
                "a product law: diagonal covariances, and components on a full grid",
            ),
            None => Finding::found("separable", apart(subject, &groups, place)),
        }
    } else {
        coupled(subject.process, couplings.first())
    };
    let unlocks = match subject.steering {
        Steering::OwnNoise => "small problems, for data that factor too",
        _ => "d small problems",
    };
    found.unlocking(
        unlocks,
        "two groups of states that share no term of f and no noise",
    )
}

fn apart(subject: &Subject<'_>, groups: &[Vec<usize>], place: &str) -> String {
    let d = subject.process.dimension();
    if groups.len() < d {
        let name = |i: &usize| subject.process.graph.text(subject.process.state[*i]);
        let together = groups.iter().filter(|group| group.len() > 1).take(3);
        let together: Vec<String> = together
            .map(|group| {
                group
                    .iter()
                    .take(4)
                    .map(name)
                    .collect::<Vec<_>>()
                    .join(", ")
            })
            .collect();
        return format!(
            "{} groups of states never meet in {place}; together: {}",
            groups.len(),
            together.join(" | ")
        );
    }
    if place == "f or D" {
        return format!("no two of the {d} states meet in f or D");
    }
    let states = subject.process.state.iter().take(4);
    let names: Vec<String> = states.map(|x| subject.process.graph.text(*x)).collect();
    let more = if d > 4 { ", ..." } else { "" };
    format!("no term couples {}{more}", names.join(", "))
}

fn coupled(noising: &Noising, first: Option<&Coupling>) -> Finding {
    let Some(coupling) = first else {
        return Finding::missing("separable", "one state", "a second state");
    };
    let (i, j) = coupling.states;
    let name = |i: usize| noising.graph.text(noising.state[i]);
    let term = if coupling.term.len() > 60 {
        "a long term".to_owned()
    } else {
        coupling.term.clone()
    };
    let place = &coupling.place;
    Finding::missing(
        "separable",
        format!("states {} and {} meet in {place}: {term}", name(i), name(j)),
        format!("{place} without {term}"),
    )
}

/// Whether a law is a product over coordinates; samples and densities count as no product.
fn is_product(law: &Law) -> bool {
    match law {
        Law::LogDensity(_) | Law::Samples(_) => false,
        other => other.mixture().is_some_and(|mixture| factors(&mixture)),
    }
}

/// Diagonal components that are all combinations of one-dimensional ones, with product weights.
fn factors(mixture: &Mixture) -> bool {
    let (d, count) = (mixture.dimension(), mixture.components());
    let off_diagonal = mixture
        .covariances
        .iter()
        .any(|covariance| (0..d).any(|i| (0..i).any(|j| covariance.entry(i, j) != 0.0)));
    if off_diagonal {
        return false;
    }
    let mut kinds = vec![Vec::<((f64, f64), f64)>::new(); d];
    let mut which = vec![vec![0; d]; count];
    for (k, places) in which.iter_mut().enumerate() {
        for i in 0..d {
            let key = (mixture.means[k][i], mixture.covariances[k].entry(i, i));
            let known = kinds[i].iter().position(|(other, _)| *other == key);
            let place = known.unwrap_or_else(|| {
                kinds[i].push((key, 0.0));
                kinds[i].len() - 1
            });
            kinds[i][place].1 += mixture.weights[k];
            places[i] = place;
        }
    }
    let combinations = kinds
        .iter()
        .map(Vec::len)
        .try_fold(1_usize, usize::checked_mul);
    let all_there = combinations == Some(count);
    let weighted = (0..count).all(|k| {
        let product: f64 = (0..d).map(|i| kinds[i][which[k][i]].1).product();
        (product - mixture.weights[k]).abs() <= 1e-12
    });
    all_there && weighted
}

/// Named expressions of the dynamics and, where there are any, the costs.
fn entries(noising: &Noising, steering: Steering<'_>) -> Vec<(String, Expr)> {
    let drift = match steering {
        Steering::Stated { stated, .. } => &stated.drift,
        _ => &noising.drift,
    };
    let drift = drift.iter().enumerate();
    let mut all: Vec<(String, Expr)> = drift.map(|(i, f)| (format!("f[{i}]"), *f)).collect();
    for (i, row) in noising.diffusion.iter().enumerate() {
        for (k, entry) in row.iter().enumerate() {
            all.push((format!("G[{i}][{k}]"), *entry));
        }
    }
    if let Steering::Stated { stated, .. } = steering {
        all.push(("the running cost".to_owned(), stated.running));
        all.push(("the terminal cost".to_owned(), stated.terminal));
    }
    all
}

/// Time occurs nowhere.
pub(super) fn time_free(noising: &mut Noising, steering: Steering<'_>) -> Finding {
    let t = noising.time;
    let blocked = entries(noising, steering)
        .into_iter()
        .find(|(_, entry)| noising.graph.depends_on(*entry, t));
    let found = match blocked {
        None => {
            let because = match steering {
                Steering::Stated { .. } => "neither the dynamics nor the costs contain t",
                _ => "neither f nor G contains t",
            };
            Finding::found("time-free", because)
        }
        Some((name, entry)) => {
            let zero = noising.graph.zero();
            let frozen = noising.graph.substitute(entry, &[(t, zero)]);
            Finding::missing(
                "time-free",
                format!("{name} = {} contains t", shown(noising, entry)),
                format!("{name} = {} (its value at t = 0)", shown(noising, frozen)),
            )
            .blocked_by(entry)
        }
    };
    found.unlocking(
        "stationary law, one factorisation for all steps",
        "neither f nor G contains t",
    )
}

/// Here "found" is a warning: derivatives of kinked coefficients hold off the kink only.
pub(super) fn kinks(noising: &mut Noising, steering: Steering<'_>) -> Finding {
    let first = entries(noising, steering)
        .into_iter()
        .find_map(|(name, entry)| {
            let kink = noising.graph.kink_list(entry).into_iter().next()?;
            Some((name, kink))
        });
    let found = match first {
        None => Finding::missing(
            "kinks",
            match steering {
                Steering::Stated { .. } => "the dynamics and the costs are smooth",
                _ => "f and G are smooth",
            },
            "smooth coefficients are the better case: expect no kinks",
        ),
        Some((name, kink)) => {
            let switches: Vec<String> = kink
                .switches
                .iter()
                .take(2)
                .map(|e| format!("{} = 0", shown(noising, *e)))
                .collect();
            let place = if switches.is_empty() {
                String::new()
            } else {
                format!(" where {}", switches.join(" or "))
            };
            let words = shown(noising, kink.expression);
            Finding::found("kinks", format!("{words} in {name} is not smooth{place}"))
        }
    };
    found.unlocking(
        "nothing; derivatives hold away from the kink",
        "abs, min, max, sign, floor or if in f or G",
    )
}
