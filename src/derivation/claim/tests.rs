//! Identities with known answers: true ones are proved, and none of their slips is.

use super::ground::Ground;
use super::identity::{Identity, Mode};
use super::proof::{Proof, prove};
use crate::derivation::ground::noising::Noising;
use crate::expr::{Graph, Scope, Shape, parse_scalar};
use crate::problem::meant::claim::{Binding, Claim, IdentitySpec, Typed, Under};

fn typed(text: &str) -> Typed {
    Typed {
        text: text.to_owned(),
        span: 0..text.len(),
    }
}

/// A process in d states with coefficients as expressions in `x[i]` and `t`.
fn ground(drift: &[&str], diffusion: &[&[&str]]) -> Ground {
    let mut graph = Graph::new();
    let mut scope = Scope::new();
    let time = scope.time(&mut graph);
    let state = scope.state(&mut graph, "x", &Shape::Vector(drift.len()));
    let mut read = |text: &&str| parse_scalar(text, &scope, &mut graph).expect("an expression");
    let drift = drift.iter().map(&mut read).collect();
    let diffusion = diffusion
        .iter()
        .map(|row| row.iter().map(&mut read).collect())
        .collect();
    Ground::new(
        Noising::new(graph, time, state, drift, diffusion),
        Scope::new(),
    )
}

fn ornstein_uhlenbeck() -> Ground {
    ground(
        &["-(1 + t)*x[0]/2", "-(1 + t)*x[1]/2"],
        &[&["sqrt(1 + t)", "0"], &["0", "sqrt(1 + t)"]],
    )
}

fn crooked() -> Ground {
    ground(
        &["x[1] - x[0]^3", "-sin(x[0])*t"],
        &[&["1 + x[1]^2/4", "x[0]"], &["0.5", "2 + cos(x[0])"]],
    )
}

fn spec(lets: &[(&str, &[&str])], under: Option<Under>, claim: &str) -> IdentitySpec {
    IdentitySpec {
        name: "test".to_owned(),
        span: 0..0,
        bindings: lets
            .iter()
            .map(|(name, components)| Binding {
                name: (*name).to_owned(),
                components: components.iter().map(|c| typed(c)).collect(),
                list: components.len() > 1,
            })
            .collect(),
        under,
        at: None,
        claim: Claim::Statement(typed(claim)),
    }
}

fn decide(ground: &Ground, spec: &IdentitySpec) -> Option<Proof> {
    let identity = Identity::read(spec, ground).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let mut opened = identity.open(ground, Mode::Any).expect("opens");
    let link = &identity.links[0];
    let sides = opened.sides(&link.left, &link.right).expect("reads");
    prove(&mut opened, &sides, Mode::Any)
}

fn forward() -> Option<Under> {
    Some(Under::Forward)
}

fn controlled(v: &str) -> Option<Under> {
    Some(Under::Controlled(typed(v)))
}

const FIELD: (&str, &[&str]) = ("v", &["sin(x[0])", "x[0]*x[1]"]);
const CONTROL: (&str, &[&str]) = ("v", &["sin(x[0])*t", "x[0]*x[1]"]);
const SCALAR: (&str, &[&str]) = ("w", &["x[0]^2*x[1] + t"]);

#[test]
fn integration_by_parts_is_proved_to_every_order() {
    for ground in [ornstein_uhlenbeck(), crooked()] {
        for claim in [
            "E[ div(v) ] = -E[ dot(v, score) ]",
            "E[ 0.5*norm2(v - score) ] = E[ 0.5*norm2(v) + div(v) ] + E[ 0.5*norm2(score) ]",
            "E[ score ] = 0",
            "E[ outer(score, score) ] = -E[ jac(score) ]",
            "E[ quad(hess(log_p), v) + dot(v, score)^2 ] = E[ div(v)^2 + dot(v, grad(div(v))) - dot(jac(v) @ v, score) ]",
            "E[ w*score ] = -E[ grad(w) ]",
        ] {
            let found = decide(&ground, &spec(&[FIELD, SCALAR], forward(), claim));
            assert!(found.is_some(), "{claim}");
        }
    }
}

#[test]
fn slips_of_true_identities_are_not_proved() {
    let ground = ornstein_uhlenbeck();
    for claim in [
        "E[ div(v) ] = E[ dot(v, score) ]",
        "E[ norm2(v - score) ] = E[ 0.5*norm2(v) + div(v) ] + E[ 0.5*norm2(score) ]",
        "E[ 0.5*norm2(v - score) ] = E[ 0.5*norm2(v) ] + E[ 0.5*norm2(score) ]",
        "D(log_p, t) = -div(drift) + dot(drift, score) + 0.5*trace(D @ (jac(score) + outer(score, score)))",
    ] {
        assert_eq!(
            decide(&ground, &spec(&[FIELD], forward(), claim)),
            None,
            "{claim}"
        );
    }
}

#[test]
fn equations_at_every_point() {
    for ground in [ornstein_uhlenbeck(), crooked()] {
        for claim in [
            "D(exp(log_p), t) = -div(drift*exp(log_p)) + 0.5*sum(i in 0..2: sum(j in 0..2: D(D(D[i, j]*exp(log_p), x[i]), x[j])))",
            // HJB in noising time: V_tau = -V_t.
            "-D(V, t) + dot(reverse_drift, grad(V)) + 0.5*trace(D @ hess(V)) - 0.5*norm2(diffusion' @ grad(V)) + running = 0",
        ] {
            assert!(
                decide(&ground, &spec(&[], None, claim)).is_some(),
                "{claim}"
            );
        }
    }
}

#[test]
fn statements_about_paths() {
    for ground in [ornstein_uhlenbeck(), crooked()] {
        let cases = [
            (
                forward(),
                "end(w) - start(w) = int(D(w, t) + 0.5*trace(D @ hess(w)), t) + ito(grad(w), dX)",
            ),
            (
                forward(),
                "stratonovich(v, dX) = ito(v, dX) + int(0.5*trace(D @ jac(v)), t)",
            ),
            (
                forward(),
                "ito(v, dX) = int(dot(v, drift), t) + ito(diffusion' @ v, dW)",
            ),
            (
                controlled("v"),
                "end(terminal) + int(0.5*norm2(v) + running, t) = start(V) + int(0.5*norm2(v - diffusion' @ score), t) - ito(diffusion' @ score, dW)",
            ),
            (
                Some(Under::Reverse),
                "end(log_p) - start(log_p) = int(0.5*norm2(diffusion' @ score) + running, t) + ito(diffusion' @ score, dW)",
            ),
        ];
        for (under, claim) in cases {
            let found = decide(&ground, &spec(&[CONTROL, SCALAR], under, claim));
            assert!(found.is_some(), "{claim}");
        }
    }
    let wrong = "end(w) - start(w) = int(D(w, t) + trace(D @ hess(w)), t) + ito(grad(w), dX)";
    let found = decide(&crooked(), &spec(&[SCALAR], forward(), wrong));
    assert_eq!(found, None);
}

#[test]
fn expectations_of_path_functionals() {
    for ground in [ornstein_uhlenbeck(), crooked()] {
        let cases = [
            (forward(), "E[ ito(v, dW)^2 ] = E[ int(norm2(v), t) ]"),
            (forward(), "E[ ito(v, dX) ] = int(E[ dot(v, drift) ], t)"),
            (forward(), "E[ start(w)*ito(v, dW) ] = 0"),
            (forward(), "E[ exp(ito(v, dW) - 0.5*int(norm2(v), t)) ] = 1"),
            (
                forward(),
                "D(E[w], t) = E[ D(w, t) + dot(drift, grad(w)) + 0.5*trace(D @ hess(w)) ]",
            ),
            (
                forward(),
                "E[ start(log_p) - end(log_p) ] = int(E[ running + 0.5*dot(score, D @ score) ], t)",
            ),
            (
                controlled("v"),
                "E[ end(terminal) + int(0.5*norm2(v) + running, t) ] - E[ start(V) ] = 0.5*E[ int(norm2(v - diffusion' @ score), t) ]",
            ),
            (forward(), "variation(action, u, diffusion' @ score, v) = 0"),
            (
                forward(),
                "kl(forward, controlled(v)) = E[ end(log_p - log_prior) ] + 0.5*E[ int(norm2(v - diffusion' @ score), t) ]",
            ),
            (
                forward(),
                "E[ 0.5*dot(slice, v)^2 + dot(slice, jac(v) @ slice) ] = E[ 0.5*norm2(v) + div(v) ]",
            ),
            (
                forward(),
                "E[ 0.5*norm2(v - conditional_score) ] = E[ 0.5*norm2(v) + div(v) + 0.5*norm2(conditional_score) ]",
            ),
            (
                forward(),
                "variation(E[ 0.5*norm2(v - score) ], v, score, v) = 0",
            ),
        ];
        for (under, claim) in cases {
            let found = decide(&ground, &spec(&[CONTROL, SCALAR], under, claim));
            assert!(found.is_some(), "{claim}");
        }
    }
}
