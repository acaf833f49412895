//! What each structure is, and what it makes possible.

use crate::problem::format::page::Page;

const fn structure(
    name: &'static str,
    summary: &'static str,
    meaning: &'static str,
    causes: &'static [(&'static str, &'static str)],
) -> Page {
    Page {
        name,
        summary,
        meaning,
        causes,
        example: "",
    }
}

/// Every structure `expect` may name.
pub const STRUCTURES: &[Page] = &[
    structure(
        "additive-noise",
        "the noise does not depend on the state",
        "G = G(t). Ito, Stratonovich and anti-Ito readings agree, and Euler-Maruyama has strong order 1.",
        &[("missing", "the entry of G and the state in it are named")],
    ),
    structure(
        "commutative-noise",
        "the noise columns commute",
        "sum_j (G_jk d_j G_il - G_jl d_j G_ik) = 0 for all columns k, l. Then the Milstein scheme needs no Levy areas.",
        &[(
            "missing",
            "a pair of columns with a bracket that does not vanish",
        )],
    ),
    structure(
        "gaussian",
        "all marginals are Gaussian, or mixtures of Gaussians",
        "The drift is affine in the state, G free of it, the start a Gaussian mixture. Moments obey\nm' = A m + a, C' = A C + C A' + D, and the score is known in closed form.",
        &[("missing", "the term of the drift that is not affine")],
    ),
    structure(
        "control-affine",
        "the control enters the drift linearly",
        "f(x, u, t) = b(x, t) + B(x, t) u, that is d2 f / du du = 0. The minimiser has a closed form when the cost is\nquadratic too.",
        &[("missing", "the term that is not linear in u")],
    ),
    structure(
        "quadratic-control",
        "the running cost is quadratic in the control",
        "l(x, u, t) = q(x, t) + 1/2 u' R u with R positive definite. Then u* = -R^-1 B' grad V.",
        &[(
            "missing",
            "the smallest eigenvalue of R, or the term that is not quadratic",
        )],
    ),
    structure(
        "linear-quadratic",
        "affine drift, noise free of the state, quadratic costs",
        "V = 1/2 x' P x + p' x + c with the Riccati equation\n-P' = Q + A' P + P A - P B R^-1 B' P. Solved to rounding in any number of states.",
        &[("missing", "the term of too high degree, with its place")],
    ),
    structure(
        "hopf-cole",
        "a linear equation for exp(-V/lambda)",
        "lambda B R^-1 B' = D for one number lambda: noise only where the control acts, priced alike. Then\npsi = exp(-V/lambda) solves -psi_t = L psi - q psi/lambda, a sum over uncontrolled paths.",
        &[
            (
                "ranks differ",
                "noise where no control acts, or the reverse",
            ),
            ("no single lambda", "the price R does not match the noise"),
        ],
    ),
    structure(
        "separable",
        "groups of states that never meet",
        "No term of drift, noise or cost contains states of two groups, so V is a sum and each group is a problem of\nits own.",
        &[("missing", "the coupling terms, smallest first")],
    ),
    structure(
        "gradient",
        "the drift is minus the gradient of a potential",
        "d_j f_i = d_i f_j. With constant isotropic noise the stationary density is exp(-2 U / D), and the\nquasipotential is 2 U.",
        &[("missing", "an antisymmetric entry of the Jacobian")],
    ),
    structure(
        "transverse",
        "a gradient and a flow along its level lines",
        "f = -grad U + l with l . grad U = 0 for a U of [define]. The quasipotential is 2 U, whatever l is.",
        &[("missing", "l . grad U where it is largest")],
    ),
    structure(
        "linear-noise-in-state",
        "the noise is affine in the state",
        "With an affine drift, moments of every order obey closed linear equations.",
        &[("missing", "the entry of G that is not affine")],
    ),
    structure(
        "kinks",
        "abs, min, max, sign or if in a differentiated place",
        "Second derivatives do not exist on the switching set; schemes lose their order there.",
        &[("found", "the expression and its switching set")],
    ),
    structure(
        "time-free",
        "nothing depends on t",
        "Stationary laws, eigenvalue problems, passage times and paths of free duration make sense.",
        &[("missing", "the first use of t")],
    ),
];
