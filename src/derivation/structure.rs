//! Structure of the noising process, found symbolically, with what blocks it where it is missing.

use crate::derivation::evidence::{Evidence, equal};
use crate::derivation::noising::Noising;
use crate::expr::{Expr, Node};
use crate::problem::law::Law;

/// One structure, present or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// As `expect` names it in a problem file.
    pub name: &'static str,
    pub found: bool,
    pub evidence: Evidence,
    /// The reason; for a missing structure, the term that blocks it.
    pub because: String,
    /// What it makes possible, or would.
    pub unlocks: &'static str,
    /// The condition, in words or symbols.
    pub needed: &'static str,
    /// The smallest change of the problem that would bring it; empty for one that is found.
    pub nearest: String,
}

/// All findings about a noising process with this data law.
pub fn findings(noising: &mut Noising, data: &Law) -> Vec<Finding> {
    vec![
        additive_noise(noising),
        gaussian(noising, data),
        gradient(noising),
        linear_noise(noising),
        hopf_cole(),
        separable(noising),
        time_free(noising),
        kinks(noising),
    ]
}

/// Findings about the process of any other kind, with nothing steering it.
pub fn of_process(noising: &mut Noising, start: Option<&Law>) -> Vec<Finding> {
    let mut findings = vec![additive_noise(noising)];
    if let Some(law) = start {
        findings.push(gaussian(noising, law));
    }
    findings.extend([
        gradient(noising),
        linear_noise(noising),
        time_free(noising),
        kinks(noising),
    ]);
    findings
}

/// The first entry of `G` that contains a state, with that state.
fn state_in_noise(noising: &Noising) -> Option<(usize, usize, String)> {
    for (i, row) in noising.diffusion.iter().enumerate() {
        for (k, entry) in row.iter().enumerate() {
            for x in &noising.state {
                if noising.graph.depends_on(*entry, *x) {
                    return Some((i, k, noising.graph.text(*x)));
                }
            }
        }
    }
    None
}

/// The entry of `G` with every state at zero, or a constant where that is nothing.
fn noise_without_state(noising: &mut Noising, i: usize, k: usize) -> String {
    let entry = noising.diffusion[i][k];
    let at_rest = at_rest(noising, entry);
    if noising.graph.is_zero(at_rest) {
        format!("a constant for G[{i}][{k}]")
    } else {
        format!(
            "G[{i}][{k}] = {} (its value where the state is 0)",
            shown(noising, at_rest)
        )
    }
}

/// An expression with every state at zero.
fn at_rest(noising: &mut Noising, e: Expr) -> Expr {
    let zero = noising.graph.zero();
    let origin: Vec<_> = noising.state.iter().map(|x| (*x, zero)).collect();
    noising.graph.substitute(e, &origin)
}

/// A short form of an expression.
fn shown(noising: &Noising, e: Expr) -> String {
    let text = noising.graph.text(e);
    if text.len() > 80 {
        format!(
            "an expression of {} nodes",
            noising.graph.reachable(&[e]).len()
        )
    } else {
        text
    }
}

fn additive_noise(noising: &mut Noising) -> Finding {
    let blocked = state_in_noise(noising);
    let nearest = match blocked {
        None => String::new(),
        Some((i, k, _)) => noise_without_state(noising, i, k),
    };
    Finding {
        name: "additive-noise",
        found: blocked.is_none(),
        evidence: Evidence::Proved,
        because: match blocked {
            None => "G does not contain the state".to_owned(),
            Some((i, k, name)) => format!(
                "G[{i}][{k}] = {} contains {name}",
                shown(noising, noising.diffusion[i][k])
            ),
        },
        unlocks: "D = D(t): b = -f, q = div f; strong order 1 for Euler-Maruyama",
        needed: "no entry of G contains a state",
        nearest,
    }
}

/// The first drift component that is not affine in the state, with a state that survives two
/// derivatives.
fn nonaffine(noising: &mut Noising) -> Option<(usize, Expr)> {
    let state = noising.state.clone();
    for (i, f) in noising.drift.clone().into_iter().enumerate() {
        if noising.graph.affine_coefficients(f, &state).is_none() {
            return Some((i, f));
        }
    }
    None
}

/// What is left of an expression without its terms that are not affine in the state.
fn affine_part(noising: &mut Noising, e: Expr) -> Expr {
    let terms = nonaffine_terms(noising, e);
    let rest = noising.graph.sub(e, terms);
    noising.graph.expand(rest)
}

/// The terms of a sum that are not affine in the state.
fn nonaffine_terms(noising: &mut Noising, f: Expr) -> Expr {
    let expanded = noising.graph.expand(f);
    let Node::Sum { terms, .. } = noising.graph.node(expanded).clone() else {
        return expanded;
    };
    let state = noising.state.clone();
    let kept: Vec<_> = terms
        .into_iter()
        .filter(|(term, _)| noising.graph.affine_coefficients(*term, &state).is_none())
        .map(|(term, coefficient)| (coefficient, term))
        .collect();
    noising.graph.linear(&kept)
}

fn gaussian(noising: &mut Noising, data: &Law) -> Finding {
    let noise = state_in_noise(noising);
    let drift = nonaffine(noising);
    let components = match data {
        Law::LogDensity(_) => None,
        Law::Samples(samples) => Some(samples.training.len()),
        other => other.mixture().map(|mixture| mixture.components()),
    };
    let because = match (&drift, &noise, components) {
        (Some((i, f)), _, _) => {
            let terms = nonaffine_terms(noising, *f);
            format!("f[{i}] is not affine: {}", shown(noising, terms))
        }
        (None, Some((i, k, name)), _) => format!("G[{i}][{k}] contains {name}"),
        (None, None, None) => "the data law is no Gaussian mixture".to_owned(),
        (None, None, Some(count)) => format!(
            "f is affine, G free of the state, the data a mixture of {count} Gaussian{}",
            if count == 1 { "" } else { "s" }
        ),
    };
    let nearest = match (&drift, &noise, components) {
        (Some((i, f)), _, _) => {
            let kept = affine_part(noising, *f);
            format!("f[{i}] = {} (its affine terms)", shown(noising, kept))
        }
        (None, Some((i, k, _)), _) => noise_without_state(noising, *i, *k),
        (None, None, None) => "data of family gaussian, mixture, curve or samples".to_owned(),
        (None, None, Some(_)) => String::new(),
    };
    Finding {
        name: "gaussian",
        found: drift.is_none() && noise.is_none() && components.is_some(),
        evidence: Evidence::Proved,
        because,
        unlocks: "closed marginals and exact score",
        needed: "f affine in the state, G free of it, the data a Gaussian mixture",
        nearest,
    }
}

/// `d_j f_i = d_i f_j` for all pairs: the drift is a gradient.
fn gradient(noising: &mut Noising) -> Finding {
    let unlocks = "Boltzmann law, potential";
    let needed = "d f[i]/d x[j] = d f[j]/d x[i] for every two states";
    let d = noising.dimension();
    let mut evidence = Evidence::Proved;
    for i in 0..d {
        for j in 0..i {
            let (x, y) = (noising.state[i], noising.state[j]);
            let (f, g) = (noising.drift[i], noising.drift[j]);
            let across = noising.graph.derivative(f, y);
            let back = noising.graph.derivative(g, x);
            if across == back {
                continue;
            }
            match equal(
                &mut noising.graph,
                "the Jacobian is symmetric",
                across,
                back,
            ) {
                Ok(found) => evidence = evidence.and(found),
                Err(_) => {
                    let difference = noising.graph.sub(across, back);
                    let nearest = symmetric_drift(noising, difference, i, j);
                    return Finding {
                        name: "gradient",
                        found: false,
                        evidence: Evidence::Proved,
                        because: format!(
                            "d f[{i}]/d x[{j}] - d f[{j}]/d x[{i}] = {}",
                            shown(noising, difference)
                        ),
                        unlocks,
                        needed,
                        nearest,
                    };
                }
            }
        }
    }
    Finding {
        name: "gradient",
        found: true,
        evidence,
        because: if d == 1 {
            "one state".to_owned()
        } else {
            "the Jacobian of f is symmetric".to_owned()
        },
        unlocks,
        needed,
        nearest: String::new(),
    }
}

/// The change of `f[i]` that makes one pair of the Jacobian symmetric.
fn symmetric_drift(noising: &mut Noising, difference: Expr, i: usize, j: usize) -> String {
    let state = noising.state.clone();
    let difference = noising.graph.expand(difference);
    if noising.graph.depends_on_any(difference, &state) {
        return format!("d f[{i}]/d x[{j}] made equal to d f[{j}]/d x[{i}]");
    }
    let rotation = noising.graph.mul(&[difference, state[j]]);
    let balanced = noising.graph.sub(noising.drift[i], rotation);
    let balanced = noising.graph.expand(balanced);
    format!("f[{i}] = {}", shown(noising, balanced))
}

fn linear_noise(noising: &mut Noising) -> Finding {
    let state = noising.state.clone();
    let mut blocked = None;
    'entries: for (i, row) in noising.diffusion.clone().iter().enumerate() {
        for (k, entry) in row.iter().enumerate() {
            if noising.graph.affine_coefficients(*entry, &state).is_none() {
                let kept = affine_part(noising, *entry);
                blocked = Some((
                    format!("G[{i}][{k}] = {}", shown(noising, *entry)),
                    format!("G[{i}][{k}] = {} (its affine terms)", shown(noising, kept)),
                ));
                break 'entries;
            }
        }
    }
    Finding {
        name: "linear-noise-in-state",
        found: blocked.is_none(),
        evidence: Evidence::Proved,
        because: match &blocked {
            None => "every entry of G is affine in the state".to_owned(),
            Some((entry, _)) => format!("{entry} is not affine in the state"),
        },
        unlocks: "exact moments, with an affine drift",
        needed: "every entry of G affine in the state",
        nearest: blocked.map_or(String::new(), |(_, nearest)| nearest),
    }
}

/// Reverse diffusion controls through its own noise, so this holds by construction.
fn hopf_cole() -> Finding {
    Finding {
        name: "hopf-cole",
        found: true,
        evidence: Evidence::Proved,
        because: "B = G and R = I: B R^-1 B' = G G', lambda = 1".to_owned(),
        unlocks: "linear equation for exp(-V), path integral",
        needed: "B R^-1 B' = D/lambda: noise only where control acts, priced alike",
        nearest: String::new(),
    }
}

/// Groups of states that meet in a drift component or share a noise.
fn separable(noising: &Noising) -> Finding {
    let d = noising.dimension();
    let mut group: Vec<usize> = (0..d).collect();
    let mut joins = Vec::new();
    for i in 0..d {
        for (j, x) in noising.state.iter().enumerate() {
            let couples = i != j
                && (noising.graph.depends_on(noising.drift[i], *x)
                    || !noising.graph.is_zero(noising.diffusivity[i][j])
                    || noising
                        .graph
                        .depends_on_any(noising.diffusivity[i][i], &[*x]));
            if couples && group[i] != group[j] {
                let (from, to) = (group[i].max(group[j]), group[i].min(group[j]));
                joins.push((i, j));
                group
                    .iter_mut()
                    .filter(|g| **g == from)
                    .for_each(|g| *g = to);
            }
        }
    }
    group.sort_unstable();
    group.dedup();
    let found = group.len() > 1;
    let because = match (found, joins.first()) {
        (true, None) => format!("no two of the {d} states meet in f or D"),
        (true, Some(_)) => format!("{} groups of states never meet in f or D", group.len()),
        (false, Some((i, j))) => format!(
            "states {} and {} meet",
            noising.graph.text(noising.state[*i]),
            noising.graph.text(noising.state[*j])
        ),
        (false, None) => "one state".to_owned(),
    };
    Finding {
        name: "separable",
        found,
        evidence: Evidence::Proved,
        because,
        unlocks: "small problems, for data that factor too",
        needed: "two groups of states that share no term of f and no noise",
        nearest: match (found, joins.first()) {
            (true, _) => String::new(),
            (false, Some((i, j))) => format!(
                "f[{i}] and D[{i}] without {}",
                noising.graph.text(noising.state[*j])
            ),
            (false, None) => "a second state".to_owned(),
        },
    }
}

fn time_free(noising: &mut Noising) -> Finding {
    let t = noising.time;
    let drift = noising.drift.iter().enumerate();
    let drift = drift.map(|(i, f)| (format!("f[{i}]"), *f));
    let noise = noising.diffusion.iter().enumerate().flat_map(|(i, row)| {
        let row = row.iter().enumerate();
        row.map(move |(k, entry)| (format!("G[{i}][{k}]"), *entry))
    });
    let blocked = drift
        .chain(noise)
        .find(|(_, entry)| noising.graph.depends_on(*entry, t));
    let (because, nearest) = match &blocked {
        None => ("neither f nor G contains t".to_owned(), String::new()),
        Some((name, entry)) => {
            let zero = noising.graph.zero();
            let frozen = noising.graph.substitute(*entry, &[(t, zero)]);
            (
                format!("{name} = {} contains t", shown(noising, *entry)),
                format!("{name} = {} (its value at t = 0)", shown(noising, frozen)),
            )
        }
    };
    Finding {
        name: "time-free",
        found: blocked.is_none(),
        evidence: Evidence::Proved,
        because,
        unlocks: "stationary law, one factorisation for all steps",
        needed: "neither f nor G contains t",
        nearest,
    }
}

/// Here "found" is a warning: derivatives of kinked coefficients hold off the kink only.
fn kinks(noising: &Noising) -> Finding {
    let mut kinked = Vec::new();
    for e in noising
        .drift
        .iter()
        .chain(noising.diffusion.iter().flatten())
    {
        kinked.extend(noising.graph.kinks(*e));
    }
    Finding {
        name: "kinks",
        found: !kinked.is_empty(),
        evidence: Evidence::Proved,
        because: match kinked.first() {
            None => "f and G are smooth".to_owned(),
            Some(first) => format!("{} is not smooth", shown(noising, *first)),
        },
        unlocks: "nothing; derivatives hold away from the kink",
        needed: "abs, min, max, sign, floor or if in f or G",
        nearest: if kinked.is_empty() {
            "smooth coefficients are the better case: expect no kinks".to_owned()
        } else {
            String::new()
        },
    }
}
