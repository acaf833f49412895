//! What each method does, what it asks of a problem, and what is usually wrong when it fails.

use crate::problem::format::page::Page;

const fn method(
    name: &'static str,
    summary: &'static str,
    meaning: &'static str,
    causes: &'static [(&'static str, &'static str)],
    example: &'static str,
) -> Page {
    Page {
        name,
        summary,
        meaning,
        causes,
        example,
    }
}

/// Every method of the format.
pub const METHODS: &[Page] = &[
    method(
        "exact",
        "closed form of the score",
        "Under an affine drift with noise free of the state a Gaussian mixture stays one: component k has mean\nPhi m_k + c and covariance Phi C_k Phi' + S, and the score is the weighted sum of the component scores.\nA table of points is a mixture with one component a row.",
        &[("refused", "drift not affine, or the data are a density")],
        "[run]\nsolvers = [\"exact\"]",
    ),
    method(
        "action",
        "fits a control of a field family on simulated paths",
        "relative-entropy: S[u] = E[ Phi(X_T) + int (q + 1/2 u'R u) dt ] on replayed noise; gradients by the discrete\nadjoint, the minimiser by argmin. The gap S - V is half the squared control error under the controlled law.\nKinds control and sample also have, by `objective`: log-variance, Var log dP^u/dP* on recorded paths; moment, the\nsame with an unknown constant; cross-entropy, the noise of weighted paths; adjoint-matching, the lean adjoint along\nown paths; socm, the lean adjoint under weights. The last three solve one linear system per iteration. All but\nrelative-entropy and adjoint-matching need a temperature.",
        &[
            ("gap too large", "a richer field, or more paths"),
            ("iteration limit", "raise max_iter, or tol"),
            (
                "small power of the weights",
                "cross-entropy, socm: more iterations, or another objective",
            ),
            (
                "refused: needs a temperature",
                "relative-entropy or adjoint-matching",
            ),
        ],
        "[[solver]]\nmethod = \"action\"\nobjective = \"adjoint-matching\"\nfield = { family = \"affine\", nodes = 8 }",
    ),
    method(
        "score-matching",
        "fits the score to noised draws",
        "denoising: E |s(X_t) - grad log p(X_t | X_0)|^2; implicit: E[ |s|^2/2 + div s ]. In families that are linear in\ntheir parameters the fit is one linear system, otherwise argmin.",
        &[
            ("poor at small t", "more samples, or a larger t_min"),
            ("singular", "raise ridge"),
        ],
        "[[solver]]\nmethod = \"score-matching\"\nobjective = \"denoising\"",
    ),
    method(
        "hopf-cole",
        "linear backward equation, solved for its logarithm",
        "V = -lambda log psi with -psi_t = L psi - q psi/lambda. Stored as V, so no digit is lost where psi underflows.\nOne or two states, in control up to three; four nested grids give the value, its error and the observed order. Control:\nsteps along the drift with Gauss-Hermite noise, any lambda > 0, noise on some states only; where an edge or a stop acts\nor noise depends on the state, implicit steps line by line. Without dynamics.domain uncontrolled paths and the reach of\nthe noise choose it. scheme = \"spectral\" (control, one state, nothing that depends on time) takes all\ntimes from the levels of the symmetric form on cosines: ten digits from 161 points where psi is not lost to rounding.",
        &[
            (
                "refused",
                "noise and control price do not match; see `onsager explain hopf-cole` as a structure",
            ),
            (
                "few nodes per deviation",
                "more points, or a smaller domain",
            ),
            (
                "the value became inf or NaN",
                "a smaller dynamics.domain, or more steps",
            ),
            (
                "spectral: psi at the start is hidden by rounding",
                "scheme = \"central\" (V itself is stored), or a smaller domain",
            ),
        ],
        "[[solver]]\nmethod = \"hopf-cole\"\npoints = 401",
    ),
    method(
        "fokker-planck",
        "density of the noised data on a grid",
        "p_t = -div(f p) + 1/2 sum d_i d_j (D_ij p), then the gradient of log p.",
        &[("density too narrow", "more points; start later")],
        "[[solver]]\nmethod = \"fokker-planck\"",
    ),
    method(
        "bridge",
        "Schroedinger bridge between prior and data",
        "The noising process is the reference; potentials phi, psi solve the Schroedinger system by alternating\nprojections in the log domain. Between p_T and p_0 the bridge is the reverse process.",
        &[("slow", "small noise: more iterations, or eps scaling")],
        "[[solver]]\nmethod = \"bridge\"\npoints = 401",
    ),
    method(
        "path-integral",
        "weighted paths, or composed short-time kernels",
        "psi(x, t) = E[ exp(-(int q + Phi)/lambda) ] over uncontrolled paths; with `use` over paths under a policy,\nreweighted. Up to `rounds` rounds fit a control to the weighted paths, a polynomial of `degree` that joins at most\n`interaction` states; fresh paths under the last one give the estimate, and the control is the policy. Kind control:\nthe value at a start point. Kind sample: log Z, with the density of the prior in the weights. The error holds the standard error and the step bias; `pareto_k` is the shape of the weights' tail.\nkernel = \"transfer\" composes short-time kernels on a grid instead (kind reverse).",
        &[
            (
                "few effective paths",
                "more rounds, a higher degree, more paths, or a policy in `use`",
            ),
            (
                "infinite error",
                "pareto_k above 0.7: the weights' tail is too heavy for an error bar",
            ),
        ],
        "[[solver]]\nmethod = \"path-integral\"\nrounds = 16\ndegree = 3\npaths = 65536",
    ),
    method(
        "hjb",
        "the nonlinear equation of the value, with policy iteration",
        "-V_t = min_u { l + f . grad V + 1/2 tr(D hess V) } on a grid for each state, or for two or three that something couples.\nNoise may depend on the state and vanish, controls may have bounds. scheme = \"monotone\" converges for kinked values at\nfirst order, \"central\" at second where the value is smooth. Four nested grids give the error and the observed order.\nEdges reflect, absorb or are periodic as dynamics.boundary says; an event that ends paths where one state passes a\nnumber is an absorbing edge.",
        &[
            ("policy flips", "monotone scheme, more points"),
            (
                "four coupled states, or a noise or control that acts on two",
                "riccati, hopf-cole or path-integral",
            ),
        ],
        "[[solver]]\nmethod = \"hjb\"\nscheme = \"monotone\"",
    ),
    method(
        "riccati",
        "value and gain of linear-quadratic problems",
        "V = 1/2 x' P x + p' x + c, u* = -R^-1 B' (P x + p). Error-controlled integration backwards in time;\nform = \"hamiltonian\" takes P from matrix exponentials instead, where no coefficient depends on time: a route that\nshares nothing with the integration but the coefficients.",
        &[
            (
                "refused",
                "structure linear-quadratic is missing: see its blocking term",
            ),
            (
                "finite escape",
                "the costs are not convex over this horizon",
            ),
        ],
        "[run]\nsolvers = [\"riccati\"]",
    ),
    method(
        "separable",
        "one small problem per group of coupled states",
        "V(x) = sum over groups; each group is solved by riccati where it is linear-quadratic, else by hopf-cole on a\ngrid of its own, with scheme = \"spectral\" by its waves. Errors are added.",
        &[
            ("refused", "one group only: the coupling terms are named"),
            (
                "refused for a group",
                "more than three states, points that make too large a grid of three, or no temperature: see hopf-cole",
            ),
        ],
        "[[solver]]\nmethod = \"separable\"\npoints = 1601",
    ),
    method(
        "long-horizon",
        "a horizon of any length at the cost of a short one",
        "The ground state of H = -lambda L + q gives the cost per time of the best policy that goes on for ever\n(average_cost) and how long the end of the horizon is felt; hopf-cole goes back over that time, and before it the\nvalue rises by the average cost. Each state on a grid of its own.",
        &[
            (
                "refused",
                "no dynamics.domain, coupled states, or time in the dynamics: hopf-cole",
            ),
            (
                "the grid cuts the optimal process off",
                "a larger domain, or a running cost that keeps it within",
            ),
        ],
        "[[solver]]\nmethod = \"long-horizon\"\npoints = 801",
    ),
    method(
        "polynomial",
        "the value as a polynomial of many states",
        "The equation of the value at points of paths under its own policy, projected on Hermite polynomials by least\nsquares and integrated back in time; rounds of simulation and projection until the value stays. Quadratic values\nare exact. `interaction` limits how many states a term joins, `axes` says in which coordinates. `value` holds the\nmean misfit on fresh paths, `upper_bound` is the cost of the policy; no temperature is needed.",
        &[
            ("too many terms", "a smaller degree or interaction"),
            (
                "least squares is singular",
                "more paths, or a smaller degree",
            ),
            (
                "the fitted value became large",
                "a smaller degree: far from the paths a polynomial is not bounded",
            ),
        ],
        "[[solver]]\nmethod = \"polynomial\"\ndegree = 6\ninteraction = 2",
    ),
    method(
        "ddp",
        "differential dynamic programming without noise",
        "Newton steps on the deterministic problem, with a line search and a regularised expansion; the policy is the\nfeedback around the path found. `noise_free_cost` is the cost of that path in the limit of small steps, the answer\nfor vanishing noise; the cost is that of the policy with the noise in it.",
        &[
            ("other minimum", "several starts"),
            (
                "no step lowers the cost",
                "more steps in time: the explicit steps are unstable",
            ),
        ],
        "[[solver]]\nmethod = \"ddp\"\nsteps = 400",
    ),
    method(
        "annealed",
        "sequential Monte Carlo along tempered densities",
        "Populations of particles move from a Gaussian to the target along (1-b) log q + b log rho. Pilot runs choose q,\nthe temperatures and the steps of the Hamiltonian moves; 16 independent populations then give Z, its standard\nerror, and a lower bound on log Z from the mean of their logarithms. `steps` limits the temperatures.",
        &[
            ("few effective particles", "more particles"),
            (
                "iteration limit",
                "more steps: the last change of temperature was too large",
            ),
            (
                "a mode is missing",
                "a wider [prior]: the first pilot starts at four times its width",
            ),
        ],
        "[[solver]]\nmethod = \"annealed\"\nparticles = 8192",
    ),
    method(
        "langevin",
        "unadjusted Langevin walk in the target",
        "x <- x + h grad log rho + sqrt(2 h) z with h = step_size, one chain a path, from the prior. Biased of order h.\nGives means, second moments and draws; standard errors from the spread of the chains.",
        &[("one mode only", "not its task: annealed, path-integral")],
        "[[solver]]\nmethod = \"langevin\"\nstep_size = 0.01",
    ),
    method(
        "mala",
        "Langevin walk with accept and reject",
        "The Langevin step as a proposal of Metropolis and Hastings: no bias. The warmup adapts step_size to an\nacceptance of 0.574.",
        &[("acceptance near 0", "smaller step_size")],
        "[[solver]]\nmethod = \"mala\"",
    ),
    method(
        "hmc",
        "Hamiltonian Monte Carlo",
        "Trajectories of 8 leapfrog steps of a fictitious momentum, accepted or rejected. The warmup adapts step_size to\nan acceptance of 0.8.",
        &[("divergent", "smaller step_size")],
        "[[solver]]\nmethod = \"hmc\"\nstep_size = 0.1",
    ),
    method(
        "gaussian",
        "bridge between Gaussians in closed form",
        "For an affine reference the bridge between Gaussians is Gaussian; its covariances come from one matrix square\nroot.",
        &[(
            "refused",
            "an end law is no Gaussian, or the reference is not affine",
        )],
        "[run]\nsolvers = [\"gaussian\"]",
    ),
    method(
        "sinkhorn",
        "alternating projections on a grid",
        "phi <- log-ratio of the source, psi <- log-ratio of the target, until both marginals fit.",
        &[("slow", "more noise, or more iterations")],
        "[[solver]]\nmethod = \"sinkhorn\"\npoints = 701",
    ),
    method(
        "light-bridge",
        "Gaussian mixture for the adjusted potential",
        "exp(psi) is a sum of Gaussians; the fit needs draws of both ends and no simulation.",
        &[("poor fit", "more potentials")],
        "[[solver]]\nmethod = \"light-bridge\"\npotentials = 4",
    ),
    method(
        "ipf",
        "iterated fitting of forward and backward drifts",
        "Each half-step fits a drift to simulated paths of the other direction.",
        &[("drifting ends", "more paths")],
        "[[solver]]\nmethod = \"ipf\"",
    ),
    method(
        "mam",
        "minimum action over a fixed time",
        "1/2 int |x' - b|^2 dt over paths with fixed ends, as a sum over images.",
        &[("end effects", "a longer duration")],
        "[[solver]]\nmethod = \"mam\"\nduration = 20.0",
    ),
    method(
        "gmam",
        "geometric minimum action, time free",
        "int ( |x'| |b| - x'.b ) ds over curves at equal arclength.",
        &[(
            "action too low",
            "images slid together: see action-quadrature",
        )],
        "[[solver]]\nmethod = \"gmam\"",
    ),
    method(
        "string",
        "relaxation of a string along the drift",
        "Images follow the drift and are redistributed; ends in the minimum-energy path of a gradient drift.",
        &[("drift no gradient", "use gmam")],
        "[[solver]]\nmethod = \"string\"",
    ),
    method(
        "euler-maruyama",
        "explicit Euler for paths",
        "X <- X + f h + G sqrt(h) z. Strong order 1/2, 1 with additive noise; weak order 1.",
        &[(
            "explodes",
            "smaller steps, or a stiff drift: exponential-euler",
        )],
        "[[solver]]\nmethod = \"euler-maruyama\"\nsteps = 1000",
    ),
    method(
        "heun",
        "predictor and corrector for the Stratonovich reading",
        "Strong order 1 for commutative noise.",
        &[("wrong limit", "the Ito drift is converted first")],
        "[[solver]]\nmethod = \"heun\"",
    ),
    method(
        "milstein",
        "Euler with the first correction of the noise",
        "Adds 1/2 sum G G' (z^2 - 1) h: strong order 1 for commutative noise.",
        &[("order 1/2", "noise that does not commute")],
        "[[solver]]\nmethod = \"milstein\"\nsteps = 30000",
    ),
    method(
        "exponential-euler",
        "exact in the linear part of the drift",
        "No stability limit from a stiff linear part.",
        &[],
        "[[solver]]\nmethod = \"exponential-euler\"",
    ),
    method(
        "fpk",
        "density of a simulation on a grid",
        "Forward equation with the boundaries of [dynamics]; conserves mass up to what is absorbed.",
        &[("mass lost", "a larger domain, or reflecting edges")],
        "[[solver]]\nmethod = \"fpk\"\npoints = 801",
    ),
    method(
        "stationary",
        "stationary density",
        "Closed form where the flux vanishes: p ~ (1/D) exp(int 2 f/D) in one state, exp(-2U/D) for gradients.",
        &[("none exists", "the integral diverges: no confinement")],
        "[[solver]]\nmethod = \"stationary\"",
    ),
    method(
        "first-passage",
        "mean time until an event",
        "L T = -1 with T = 0 where the event has happened.",
        &[("infinite", "the event is never reached from somewhere")],
        "[[solver]]\nmethod = \"first-passage\"",
    ),
    method(
        "moments",
        "mean and covariance from their own equations",
        "m' = A m + a, C' = A C + C A' + D for affine drift.",
        &[("refused", "the drift is not affine")],
        "[[solver]]\nmethod = \"moments\"",
    ),
];
