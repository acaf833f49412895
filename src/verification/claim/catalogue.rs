//! The built-in identities in the language of problem files, to be printed, copied and changed.
//!
//! Text only: the measuring code of the catalogue is independent of it, and a test decides every entry.

/// A built-in identity as `[[identity]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Name of the check.
    pub check: &'static str,
    /// Names of `let` with their components.
    lets: &'static [(&'static str, &'static [&'static str])],
    /// `under`; empty where the claim is about every point.
    under: &'static str,
    claim: &'static str,
}

const fn at_points(check: &'static str, claim: &'static str) -> Written {
    written(check, &[], "", claim)
}

const fn written(
    check: &'static str,
    lets: &'static [(&'static str, &'static [&'static str])],
    under: &'static str,
    claim: &'static str,
) -> Written {
    Written {
        check,
        lets,
        under,
        claim,
    }
}

/// A trial field in two states.
const TRIAL: &[(&str, &[&str])] = &[("v", &["sin(x[0])", "x[0]*x[1]"])];
const TRIAL_AND_DIRECTION: &[(&str, &[&str])] = &[
    ("v", &["sin(x[0])", "x[0]*x[1]"]),
    ("eta", &["exp(-norm2(x))", "0"]),
];

/// The identities of reverse diffusion that are statements about functionals, for vector states.
pub const WRITTEN: [Written; 13] = [
    at_points(
        "hjb-residual",
        "D(V, t) = dot(reverse_drift, grad(V)) + 0.5*trace(D @ hess(V)) - 0.5*norm2(diffusion' @ grad(V)) + running",
    ),
    at_points(
        "hopf-cole",
        "D(exp(-V), t) = dot(reverse_drift, grad(exp(-V))) + 0.5*trace(D @ hess(exp(-V))) - running*exp(-V)",
    ),
    written(
        "verification",
        &[],
        "reverse",
        "E[ end(terminal) + int(0.5*norm2(u) + running, t) ] = E[ start(V) ]",
    ),
    written(
        "gap",
        TRIAL,
        "controlled(v)",
        "E[ end(terminal) + int(0.5*norm2(v) + running, t) ] - E[ start(V) ] = 0.5*E[ int(norm2(v - diffusion' @ score), t) ]",
    ),
    written(
        "pathwise",
        &[],
        "reverse",
        "start(V) = end(terminal) + int(0.5*norm2(u) + running, t) + ito(u, dW)",
    ),
    written(
        "explicit-implicit",
        TRIAL,
        "forward",
        "E[ 0.5*norm2(v - score) ] = E[ 0.5*norm2(v) + div(v) ] + 0.5*E[ norm2(score) ]",
    ),
    written(
        "explicit-denoising",
        TRIAL,
        "forward",
        "E[ 0.5*norm2(v - score) ] = E[ 0.5*norm2(v - conditional_score) ] - 0.5*E[ norm2(conditional_score) - norm2(score) ]",
    ),
    written(
        "stationarity",
        TRIAL_AND_DIRECTION,
        "forward",
        "variation(E[ 0.5*norm2(v - score) ], v, score, eta) = 0",
    ),
    written(
        "path-kl",
        TRIAL,
        "forward",
        "kl(forward, controlled(v)) = E[ end(log_p - log_prior) ] + 0.5*E[ int(norm2(v - diffusion' @ score), t) ]",
    ),
    written(
        "h-invariance",
        &[("h", &["0.5"])],
        "",
        "-D(exp(log_p), t) = -div((-drift + 0.5*(1 + h)*(D @ score))*exp(log_p)) + 0.5*h*exp(log_p)*trace(D @ (hess(log_p) + outer(score, score)))",
    ),
    written(
        "likelihood",
        &[],
        "",
        "D(log_p, t) + dot(drift - 0.5*(D @ score), score) = -div(drift - 0.5*(D @ score))",
    ),
    written(
        "entropy-balance",
        &[],
        "forward",
        "E[ start(log_p) - end(log_p) ] = int( E[ running + 0.5*dot(score, D @ score) ], t )",
    ),
    written(
        "score-identity",
        &[],
        "forward",
        "E[ outer(x, score) ] = -E[ jac(x) ]",
    ),
];

/// The text of a check, where the language can say it.
pub fn text_of(check: &str) -> Option<String> {
    WRITTEN
        .iter()
        .find(|written| written.check == check)
        .map(Written::toml)
}

impl Written {
    /// The table as a problem file would have it.
    pub fn toml(&self) -> String {
        let mut text = format!("[[identity]]\nname  = \"{}\"\n", self.check);
        let lets: Vec<String> = self
            .lets
            .iter()
            .map(|(name, components)| match components {
                [one] => format!("{name} = \"{one}\""),
                many => format!("{name} = [\"{}\"]", many.join("\", \"")),
            })
            .collect();
        if !lets.is_empty() {
            text.push_str(&format!("let   = {{ {} }}\n", lets.join(", ")));
        }
        if !self.under.is_empty() {
            text.push_str(&format!("under = \"{}\"\n", self.under));
        }
        text.push_str(&format!("claim = \"{}\"\n", self.claim));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derivation::claim::identity::read_identities;
    use crate::derivation::claim::proof::prove_link;
    use crate::problem::parse_text;
    use crate::verification::catalogue::identity;
    use crate::verification::vocabulary::standard;
    use std::path::Path;

    const PROBLEM: &str = r#"
format = 1
[problem]
name = "catalogue"
kind = "reverse"
[data]
family  = "mixture"
weights = [0.4, 0.6]
means   = [[-1.0, 0.5], [0.8, -0.3]]
covs    = [0.4, 0.6]
[dynamics]
preset  = "linear"
A       = [[-1.0, 0.5], [-0.5, -0.6]]
S       = [[1.0, 0.0], [0.4, 0.9]]
horizon = [0.0, 1.0]
"#;

    #[test]
    fn every_written_identity_is_in_the_catalogue_and_proved() {
        let tables: Vec<String> = WRITTEN.iter().map(Written::toml).collect();
        let text = format!("{PROBLEM}\n{}", tables.join("\n"));
        let loaded = parse_text("catalogue.toml", &text, Path::new("."), &[], &standard())
            .unwrap_or_else(|report| panic!("{report}"));
        let (ground, identities) = read_identities(&loaded.problem, &loaded.source)
            .unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"));
        assert_eq!(identities.len(), WRITTEN.len());
        for found in &identities {
            assert!(identity(&found.name).is_some(), "{}", found.name);
            let proof = prove_link(found, &found.links[0], &ground);
            assert!(proof.is_some(), "{}", found.name);
        }
    }
}
