//! Sixty slips a derivation is known for, planted one at a time into the shipped derivations: a lost or extra
//! factor 1/2, a sign, a dropped Ito term or divergence, a transposed matrix, the wrong scaling with the
//! schedule, swapped ends, the wrong law. Undamaged, every link is proved (`derivation_files.rs`), so nothing
//! here is a false alarm.

use onsager::derivation::claim::identity::read_identities;
use onsager::problem::parse_text;
use onsager::verification::claim::numbers::Numbers;
use onsager::verification::claim::{Effort, decide};
use onsager::verification::verdict::Verdict;
use onsager::verification::vocabulary::standard;
use std::path::Path;

/// Enough to see these slips.
const EFFORT: Effort = Effort {
    paths: 8192,
    steps: 32,
};
/// Slips that may stay undecided at this effort: means of exponentials whose tails few draws carry, and small differences.
const UNDECIDED: usize = 5;

/// File, identity, what it says, and what it is made to say.
const SLIPS: [(&str, &str, &str, &str); 60] = [
    ("anderson", "lowering", "- running*phi", "+ running*phi"),
    (
        "anderson",
        "lowering",
        "+ 0.5*trace(D @ hess(phi))",
        "+ trace(D @ hess(phi))",
    ),
    (
        "anderson",
        "hamilton-jacobi-bellman",
        "grad(V)) + 0.5*trace(D @ hess(V))",
        "grad(V)) - 0.5*trace(D @ hess(V))",
    ),
    (
        "anderson",
        "hamilton-jacobi-bellman",
        "- 0.5*norm2(diffusion' @ grad(V)) + running",
        "- norm2(diffusion' @ grad(V)) + running",
    ),
    (
        "anderson",
        "hamilton-jacobi-bellman",
        "D(V, t) = dot(reverse_drift",
        "-D(V, t) = dot(reverse_drift",
    ),
    (
        "anderson",
        "hamilton-jacobi-bellman",
        "0.5*norm2(diffusion' @ grad(V)) + running",
        "0.5*norm2(diffusion @ grad(V)) + running",
    ),
    (
        "anderson",
        "completed-square",
        "= 0.5*norm2(v - diffusion' @ score)",
        "= 0.5*norm2(v + diffusion' @ score)",
    ),
    (
        "anderson",
        "stationary-action",
        "diffusion' @ score, eta",
        "0.5*diffusion' @ score, eta",
    ),
    (
        "anderson",
        "reverse-drift",
        "= -drift + D @ score",
        "= drift + D @ score",
    ),
    (
        "anderson",
        "same-marginals",
        "+ 0.5*sum(i in 0..2: sum(j in 0..2: D(D(D[i, j]*exp(log_p)",
        "- 0.5*sum(i in 0..2: sum(j in 0..2: D(D(D[i, j]*exp(log_p)",
    ),
    (
        "anderson",
        "cost-is-value",
        "int(0.5*norm2(u) + running, t)",
        "int(norm2(u) + running, t)",
    ),
    (
        "discretizations",
        "one-measure",
        "drift^2/(2*D) + 0.5*div(drift)",
        "drift^2/(2*D) + div(drift)",
    ),
    (
        "discretizations",
        "one-measure",
        "- int(drift^2/(2*D) + div(drift), t)",
        "- int(drift^2/(2*D) - div(drift), t)",
    ),
    (
        "discretizations",
        "jacobian-is-cost",
        "running = div(drift)",
        "running = 0.5*div(drift)",
    ),
    (
        "discretizations",
        "chain-rule",
        "stratonovich(drift, dX) = start(U) - end(U)",
        "stratonovich(drift, dX) = end(U) - start(U)",
    ),
    (
        "discretizations",
        "ito-rule",
        "- int(0.5*D*div(drift), t)",
        "+ int(0.5*D*div(drift), t)",
    ),
    (
        "discretizations",
        "ito-rule",
        " - int(0.5*D*div(drift), t)",
        "",
    ),
    (
        "discretizations",
        "normalized",
        "exp(-ito(drift/g, dW) - int",
        "exp(-ito(drift/g, dW) + int",
    ),
    (
        "discretizations",
        "normalized",
        "drift^2/(2*D), t)) ] = 1",
        "drift^2/(2*g), t)) ] = 1",
    ),
    (
        "elbo",
        "value",
        "- running + 0.5*(g*grad(V))^2",
        "+ running + 0.5*(g*grad(V))^2",
    ),
    (
        "elbo",
        "verification-pathwise",
        "- ito(g*score, dW)",
        "+ ito(g*score, dW)",
    ),
    (
        "elbo",
        "verification-pathwise",
        "int(0.5*(v - g*score)^2, t)",
        "int((v - g*score)^2, t)",
    ),
    (
        "elbo",
        "evidence-lower-bound",
        "+ 0.5*E[ int((v - g*score)^2, t) ]",
        "+ E[ int((v - g*score)^2, t) ]",
    ),
    (
        "elbo",
        "density-ratio",
        "- end(terminal) - int(running, t)",
        "- end(terminal) + int(running, t)",
    ),
    (
        "elbo",
        "density-ratio",
        "under = \"controlled(0)\"",
        "under = \"reverse\"",
    ),
    (
        "elbo",
        "divergence-form",
        "0.5*v^2 - g*v*conditional_score",
        "0.5*v^2 + g*v*conditional_score",
    ),
    (
        "elbo",
        "divergence-form",
        "\"E[ 0.5*v^2 + g*div(v) ]\"",
        "\"E[ 0.5*v^2 ]\"",
    ),
    (
        "h_family",
        "same-marginals",
        "(1 + h)*D*score)*exp(log_p)) + 0.5*h*lap(",
        "(1 + h)*D*score)*exp(log_p)) + 0.5*lap(",
    ),
    (
        "h_family",
        "same-marginals",
        "(-drift + 0.5*(1 + h)*D*score)",
        "(drift + 0.5*(1 + h)*D*score)",
    ),
    (
        "h_family",
        "forward-counterpart",
        "0.5*(h - 1)*D*score",
        "0.5*(h + 1)*D*score",
    ),
    (
        "h_family",
        "flow-likelihood",
        "= -div(drift - 0.5*D*score)",
        "= -div(drift - D*score)",
    ),
    (
        "h_family",
        "log-density-equation",
        "+ grad(ell)*D*(grad(ell) - s_hat) )",
        "- grad(ell)*D*(grad(ell) - s_hat) )",
    ),
    (
        "h_family",
        "mean-likelihood",
        "E[ end(log_p) - start(log_p) ]",
        "E[ start(log_p) - end(log_p) ]",
    ),
    (
        "h_family",
        "mean-likelihood",
        "div(drift - 0.5*D*score) ], t )",
        "div(drift - 0.5*g*score) ], t )",
    ),
    (
        "nelson",
        "continuity",
        "= -div(v) - dot(v, score)",
        "= -div(v)",
    ),
    (
        "nelson",
        "forward-acceleration",
        "jac(drift) @ drift = grad(omega)",
        "jac(drift) @ drift = 2*grad(omega)",
    ),
    (
        "nelson",
        "euler-equation",
        "grad(omega - 0.5*norm2(w) - 0.5*D[0, 0]*div(w))",
        "grad(omega + 0.5*norm2(w) - 0.5*D[0, 0]*div(w))",
    ),
    (
        "nelson",
        "mean-acceleration",
        "= grad(omega - norm2(w) - D[0, 0]*div(w))",
        "= grad(omega - 0.5*norm2(w) - D[0, 0]*div(w))",
    ),
    (
        "nelson",
        "mean-velocity",
        "E[ drift - 0.5*D @ score ]",
        "E[ 0.5*drift - 0.5*D @ score ]",
    ),
    (
        "schroedinger",
        "product-law",
        "- 0.5*D*lap(phi*phi_hat)",
        "+ 0.5*D*lap(phi*phi_hat)",
    ),
    (
        "schroedinger",
        "hopf-cole",
        "- 0.5*D*grad(log(phi))^2",
        "- D*grad(log(phi))^2",
    ),
    (
        "schroedinger",
        "cost-of-the-bridge",
        "E[ int(0.5*u^2, t) ]",
        "E[ int(u^2, t) ]",
    ),
    (
        "schroedinger",
        "bridge-is-optimal",
        "+ 0.5*E[ int((v - g*grad(phi)/phi)^2, t) ]",
        "- 0.5*E[ int((v - g*grad(phi)/phi)^2, t) ]",
    ),
    (
        "schroedinger",
        "half-bridge",
        "\"-D(exp(log_p), t) + 0.5*D",
        "\"D(exp(log_p), t) + 0.5*D",
    ),
    (
        "score_matching_from_action",
        "lagrangian",
        "\"(w + drift)^2/(2*g^2)",
        "\"(w - drift)^2/(2*g^2)",
    ),
    (
        "score_matching_from_action",
        "pathwise",
        "int(0.5*g^2*s_hat^2 + div(drift), t)\n",
        "int(0.5*g^2*s_hat^2, t)\n",
    ),
    (
        "score_matching_from_action",
        "gap",
        "\"0.5*E[ int(g^2*(s_hat - score)^2, t) ]\"",
        "\"E[ int(g^2*(s_hat - score)^2, t) ]\"",
    ),
    (
        "score_matching_from_action",
        "path-divergence",
        "E[ end(log_p - log_prior) ]",
        "E[ start(log_p - log_prior) ]",
    ),
    (
        "score_matching_from_action",
        "path-divergence",
        "] + 0.5*E[ int(g^2*(s_hat - score)^2",
        "] + 0.5*E[ int(g^2*(s_hat + score)^2",
    ),
    (
        "score_matching_from_action",
        "minimum",
        "s_hat, score, eta",
        "s_hat, 0.5*score, eta",
    ),
    (
        "score_matching_from_action",
        "entropy-production",
        "2*drift/g^2 - score",
        "drift/g^2 - score",
    ),
    (
        "score_objectives",
        "stein",
        "= -E[ div(v) ]",
        "= E[ div(v) ]",
    ),
    (
        "score_objectives",
        "fisher-information",
        "= -E[ hess(log_p) ]",
        "= E[ hess(log_p) ]",
    ),
    (
        "score_objectives",
        "equivalence",
        "+ dot(slice, jac(v) @ slice)",
        "- dot(slice, jac(v) @ slice)",
    ),
    (
        "score_objectives",
        "stationarity",
        "+ div(v) ], v, score",
        "- div(v) ], v, score",
    ),
    (
        "score_objectives",
        "weighted",
        "E[ g^2*(0.5*norm2(v) + div(v)) ]",
        "E[ g*(0.5*norm2(v) + div(v)) ]",
    ),
    (
        "support",
        "relative-density",
        "(drift*grad(w) + 0.5*D*lap(w))",
        "(drift*grad(w) - 0.5*D*lap(w))",
    ),
    ("support", "mean-field", "+ m/sinh(t)", "- m/sinh(t)"),
    (
        "support",
        "posterior-martingale",
        "end(m) - start(m) =",
        "start(m) - end(m) =",
    ),
    (
        "support",
        "score-of-the-mixture",
        "E[ w*conditional_score ]",
        "E[ conditional_score ]",
    ),
];

/// What the links of a damaged identity are found to be.
fn verdicts((file, identity, right, wrong): (&str, &str, &str, &str)) -> Vec<Verdict> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("problems/derivations");
    let text = std::fs::read_to_string(folder.join(format!("{file}.toml"))).expect("a derivation");
    assert_eq!(text.matches(right).count(), 1, "{file}: `{right}`");
    let text = text.replace(right, wrong);
    let loaded = parse_text(file, &text, &folder, &[], &standard())
        .unwrap_or_else(|report| panic!("{report}"));
    let (ground, identities) = read_identities(&loaded.problem, &loaded.source)
        .unwrap_or_else(|found| panic!("{file} {identity}: {found:?}"));
    let numbers = Numbers::new(&loaded.problem);
    let damaged = identities
        .iter()
        .find(|found| found.name == identity)
        .unwrap_or_else(|| panic!("{file} has no identity {identity}"));
    decide(damaged, &ground, &numbers, EFFORT)
        .unwrap_or_else(|error| panic!("{file} {identity}: {error:#?}"))
        .iter()
        .map(|link| link.verdict)
        .collect()
}

#[test]
fn planted_slips_are_caught() {
    let mut undecided = Vec::new();
    for slip in SLIPS {
        let (file, identity, _, wrong) = slip;
        let verdicts = verdicts(slip);
        if verdicts.contains(&Verdict::Fail) {
            continue;
        }
        assert!(
            verdicts.contains(&Verdict::Inconclusive),
            "{file} {identity}: `{wrong}` holds: {verdicts:?}"
        );
        undecided.push(format!("{file} {identity}: `{wrong}`"));
    }
    assert!(
        undecided.len() <= UNDECIDED,
        "{} of {} undecided:\n{}",
        undecided.len(),
        SLIPS.len(),
        undecided.join("\n")
    );
}
