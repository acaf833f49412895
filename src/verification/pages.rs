//! What each check claims, for which kinds, and what a failure usually means.

use crate::problem::format::card::CheckCard;
use crate::problem::format::page::Page;
use crate::problem::meant::kind::{
    BRIDGE, CONTROL, CONTROL_AND_SAMPLE, CONTROLLED, Kind, PATH, PINNED, REVERSE, SAMPLE, SIMULATE,
    SOLVED,
};

const fn check(
    name: &'static str,
    kinds: &'static [Kind],
    summary: &'static str,
    meaning: &'static str,
    causes: &'static [(&'static str, &'static str)],
) -> CheckCard {
    CheckCard {
        page: Page {
            name,
            summary,
            meaning,
            causes,
            example: "",
        },
        kinds,
        later: &[],
        tables_only: false,
    }
}

/// A check that files may name and nothing runs yet, for these kinds.
const fn later(card: CheckCard, later: &'static [Kind]) -> CheckCard {
    CheckCard { later, ..card }
}

/// A check that only makes sense for a table of points.
const fn of_table(card: CheckCard) -> CheckCard {
    CheckCard {
        tables_only: true,
        ..card
    }
}

/// Every check of the format.
pub static CHECKS: &[CheckCard] = &[
    later(
        check(
            "derivatives",
            SOLVED,
            "symbolic derivatives agree with automatic ones and differences",
            "Compiled drift, noise and their derivatives against forward-mode differentiation of the source and central\ndifferences, at seeded points.",
            &[("fails", "a mistake in this program: please report it")],
        ),
        PINNED,
    ),
    check(
        "hjb-residual",
        CONTROLLED,
        "the answer solves the Hamilton-Jacobi-Bellman equation",
        "V_t + min_u { l + f . grad V + 1/2 tr(D hess V) } = 0, with a stencil the solver does not use.",
        &[
            ("constant under refinement", "a wrong coefficient"),
            ("falls with the grid", "only too coarse"),
        ],
    ),
    check(
        "hopf-cole",
        CONTROLLED,
        "the linear and the nonlinear route agree",
        "V = -lambda log psi, where psi solves the linear equation.",
        &[("off by a factor", "lambda is wrong")],
    ),
    check(
        "verification",
        REVERSE,
        "S[u] >= V with equality at the optimum",
        "For every control S[u] - V = 1/2 E int |u - u*|^2 dt.",
        &[("S < V", "the cost or the value is wrong, not the field")],
    ),
    check(
        "gap",
        REVERSE,
        "the cost gap is the squared control error",
        "S[u] - V = 1/2 E_u int |u - u*|^2 dt, both sides on fresh noise.",
        &[("factor 2", "1/2 lost in the action")],
    ),
    check(
        "pathwise",
        REVERSE,
        "the cost of every path is the value, at the optimum",
        "V(x_0) = cost of the path - int u* dW, without an expectation.",
        &[("spread grows with the step", "time steps too large")],
    ),
    check(
        "explicit-implicit",
        REVERSE,
        "explicit and implicit score matching differ by a constant",
        "E |s - grad log p|^2 / 2 = E[ |s|^2/2 + div s ] + E |grad log p|^2 / 2.",
        &[("fails near t = 0", "mass lost by integration by parts")],
    ),
    check(
        "explicit-denoising",
        REVERSE,
        "explicit and denoising score matching differ by a constant",
        "E |s - grad log p|^2 = E |s - grad log p(X_t | X_0)|^2 + const.",
        &[("fails", "kernel and marginal belong to different schedules")],
    ),
    check(
        "stationarity",
        REVERSE,
        "the first variation of the action vanishes at the score",
        "d/d eps S[u* + eps v] = 0 for seeded directions v.",
        &[(
            "fails",
            "the end cost or the running cost is not the one of the lowering",
        )],
    ),
    check(
        "path-kl",
        REVERSE,
        "the divergence of path laws is the integrated error",
        "KL(P_u || P_u*) = 1/2 E_u int |u - u*|^2 dt.",
        &[("fails", "the noise level differs between the two laws")],
    ),
    check(
        "h-invariance",
        REVERSE,
        "every noise level has the same marginals",
        "dY = (-f + (1+h)/2 D s) dtau + sqrt(h) G dB has the marginals p_t for every h >= 0 if s is the score.",
        &[
            ("only h = 0 fails", "time steps of the flow"),
            ("all differ", "the field is not the score"),
        ],
    ),
    check(
        "likelihood",
        REVERSE,
        "the likelihood along the flow is the density",
        "log p_0(x) = log p_T(x_T) + int div(f - D s/2) dt along the probability flow.",
        &[("constant shift", "a Jacobian term is missing")],
    ),
    check(
        "entropy-balance",
        REVERSE,
        "entropy production balances",
        "dH/dt = E[div f] + 1/2 E[ grad log p . D grad log p ].",
        &[("factor 2", "D against sqrt(D)")],
    ),
    check(
        "score-identity",
        REVERSE,
        "moments of the score",
        "E[s] = 0 and E[x . s] = -d.",
        &[("second fails", "the score is scaled wrongly")],
    ),
    check(
        "grid-order",
        SOLVED,
        "the observed order of refinement",
        "Errors over grids fall as the order of the scheme says.",
        &[("too low", "kinks, or not yet asymptotic: add levels")],
    ),
    of_table(check(
        "memorisation",
        REVERSE,
        "generated points are not the training rows",
        "Distance to the nearest row, against that of held-out rows.",
        &[("smaller", "bandwidth 0 reproduces its data")],
    )),
    of_table(check(
        "holdout-nll",
        REVERSE,
        "held-out rows are as likely as training rows",
        "Mean negative log-likelihood of both.",
        &[("gap", "bandwidth too small")],
    )),
    check(
        "riccati-residual",
        CONTROL,
        "P solves the Riccati equation",
        "-P' = Q + A' P + P A - P B R^-1 B' P, by differences of the answer.",
        &[("fails", "integration tolerance, or a sign of the cost")],
    ),
    check(
        "policy-cost",
        CONTROL_AND_SAMPLE,
        "the simulated cost of the policy is the value",
        "J[u] - V within standard errors and the bias of the step.",
        &[
            ("J above V", "policy poor, or steps too large"),
            ("J below V", "the value is wrong"),
        ],
    ),
    check(
        "feynman-kac",
        CONTROL_AND_SAMPLE,
        "the value is a mean over uncontrolled paths",
        "V = -lambda log E[ exp(-(int q + Phi)/lambda) ].",
        &[("inconclusive", "few paths carry the mean")],
    ),
    later(
        check(
            "duality-gap",
            &[],
            "a lower bound meets the upper bound",
            "J[u] from above, a martingale bound from below.",
            &[("gap stays", "policy or bound poor")],
        ),
        CONTROL,
    ),
    check(
        "zero-variance",
        CONTROL_AND_SAMPLE,
        "the spread of log path weights vanishes with the step",
        "Under the optimal policy every path has the same weight, so std(log w) -> 0; an Euler scheme leaves\nstd ~ steps^(-1/2). The fitted slope is compared with `order`.",
        &[
            (
                "slope near 0, std large",
                "the policy is wrong (sign, missing factor, coarse grid)",
            ),
            (
                "slope 1/2, std above 1",
                "the policy is right, steps are too few",
            ),
        ],
    ),
    check(
        "girsanov",
        CONTROL_AND_SAMPLE,
        "the mean path weight is one",
        "E_u[ dP/dP_u ] = 1. Carried by rare paths: often inconclusive, and then said to be so.",
        &[("inconclusive", "use zero-variance instead")],
    ),
    check(
        "ess",
        CONTROL_AND_SAMPLE,
        "enough paths carry the weight",
        "(sum w)^2 / sum w^2 over the number of paths, above `tol`.",
        &[("small", "a better policy, or more steps")],
    ),
    check(
        "log-z",
        SAMPLE,
        "the normaliser is the known one",
        "log Z against `log_z` of the target, within its standard errors.",
        &[("low", "a mode was missed")],
    ),
    check(
        "evidence-bracket",
        SAMPLE,
        "lower bound <= log Z <= upper bound",
        "Mean log weights from below; from above the same over populations that end in a draw of the target, where the file has draws, else the method's own estimate, which is judged only against a known log Z. The bounds must be on their sides of log Z within their errors, and no farther apart than `tol`.",
        &[
            (
                "far apart",
                "a mode was missed, or more particles and steps",
            ),
            (
                "upper bound below",
                "an estimate from weights that miss mass",
            ),
        ],
    ),
    check(
        "exact-draws",
        SAMPLE,
        "generated points are distributed as exact draws",
        "Two-sample test against the map of [target.exact].",
        &[("fails", "modes missed or weights ignored")],
    ),
    check(
        "quantiles",
        SAMPLE,
        "quantiles of each coordinate against exact draws",
        "Differences in units of their standard errors.",
        &[("tails off", "rare regions are not reached")],
    ),
    later(
        check(
            "marginals",
            &[],
            "the bridge starts and ends where it should",
            "Law at both ends against [source] and [target].",
            &[("end off", "iterations too few")],
        ),
        BRIDGE,
    ),
    later(
        check(
            "schroedinger-system",
            &[],
            "the potentials solve their system",
            "phi + log int K exp(psi) = log source, psi + log int K' exp(phi) = log target.",
            &[("above tol", "raise max_iter")],
        ),
        BRIDGE,
    ),
    later(
        check(
            "static-dynamic",
            &[],
            "plan and process have the same energy",
            "KL(plan || reference plan) = 1/2 E int |u|^2 dt.",
            &[("factor 2", "the noise scale of the energy")],
        ),
        BRIDGE,
    ),
    later(
        check(
            "forward-backward",
            &[],
            "both drifts belong to one process",
            "forward drift - backward drift = D grad log p_t.",
            &[("fails", "one of the potentials is shifted in time")],
        ),
        BRIDGE,
    ),
    later(
        check(
            "euler-lagrange",
            &[],
            "the path solves its Euler-Lagrange equation",
            "d/dt dL/dx' = dL/dx along the path, by differences the solver does not use.",
            &[("at the ends only", "duration too short")],
        ),
        PATH,
    ),
    later(
        check(
            "hamiltonian",
            &[],
            "the Hamiltonian is constant along the path",
            "H = 1/2 p' D p + b . p, zero for a free duration.",
            &[("drifts", "too few images")],
        ),
        PATH,
    ),
    later(
        check(
            "action-quadrature",
            &[],
            "the action, evaluated anew",
            "The path on equal arclength with a rule of higher order. A solver's own sum can be fooled by images that slide\nto where the drift vanishes.",
            &[("higher than claimed", "images slid: redistribute them")],
        ),
        PATH,
    ),
    later(
        check(
            "quasipotential",
            &[],
            "action against the known quasipotential",
            "2 (U(saddle) - U(start)) for gradient and transverse drifts.",
            &[("too high", "duration too short, or a detour")],
        ),
        PATH,
    ),
    later(
        check(
            "time-reversal",
            &[],
            "uphill is downhill reversed",
            "For a gradient drift the uphill part is the reversed relaxation.",
            &[("fails", "the drift is no gradient")],
        ),
        PATH,
    ),
    check(
        "mass",
        SIMULATE,
        "probability is conserved",
        "Mass plus what was absorbed stays one.",
        &[("decays", "the domain is too small")],
    ),
    check(
        "fpk-residual",
        SIMULATE,
        "the density solves the Fokker-Planck equation",
        "With a stencil the solver does not use, falling over grids.",
        &[("constant", "a wrong coefficient: Ito against Stratonovich")],
    ),
    check(
        "stationary-flux",
        SIMULATE,
        "no current in the stationary state",
        "f p - 1/2 d(D p) = 0 in one state.",
        &[("constant current", "wrong boundary conditions")],
    ),
    check(
        "conversion",
        SIMULATE,
        "Ito and Stratonovich simulations agree",
        "After the drift correction 1/2 sum G d G both schemes have one law.",
        &[("fails", "the correction is lost or counted twice")],
    ),
    check(
        "strong-order",
        SIMULATE,
        "paths converge at the order of the scheme",
        "Halved steps on the same noise, up to `until`.",
        &[(
            "far too low",
            "paths that cross a barrier at one step and not at the other: shorten `until`",
        )],
    ),
    later(
        check(
            "weak-order",
            &[],
            "means converge at the order of the scheme",
            "Halved steps, differences of means.",
            &[("inconclusive", "noise hides the bias: more paths")],
        ),
        SIMULATE,
    ),
    check(
        "first-passage",
        SIMULATE,
        "simulated passage times against the backward equation",
        "Mean time until the event, within standard errors and the bias of the step.",
        &[("late", "crossings between steps are missed: smaller steps")],
    ),
];
