//! What each code of a message means.

use crate::problem::format::page::Page;

const fn code(
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

/// Every code, in order. `E0xx` file and schema, `E1xx` expressions, `E2xx` mathematics, `E3xx` structure,
/// `E6xx` data, `E7xx` claims, `W4xx` lint.
pub const CODES: &[Page] = &[
    code(
        "E001",
        "the file is not TOML",
        "Nothing can be read before the syntax is right.",
        &[
            (
                "string without quotes",
                "expressions are strings: drift = \"-x\"",
            ),
            ("key given twice", "keep one of them"),
        ],
        "drift = \"-x\"",
    ),
    code(
        "E002",
        "the first line must be `format = 1`",
        "The format number says how the rest is read.",
        &[
            ("key missing", "make it the first line"),
            ("another number", "this version reads format 1"),
        ],
        "format = 1",
    ),
    code(
        "E003",
        "the kind of problem does not exist",
        "`problem.kind` says what is asked; it decides which tables belong to the file.",
        &[("misspelt", "onsager list kinds")],
        "[problem]\nname = \"a\"\nkind = \"control\"",
    ),
    code(
        "E010",
        "a table that this kind needs is missing",
        "Each kind has a short list of tables it cannot do without.",
        &[("misspelt table", "reported as E020 as well")],
        "onsager list kinds",
    ),
    code(
        "E011",
        "a key is missing",
        "The table is there, but not everything it needs.",
        &[("misspelt key", "reported as E021 instead")],
        "onsager schema dynamics",
    ),
    code(
        "E012",
        "a value of the wrong type",
        "For example a string where a list is meant.",
        &[(
            "list of one number",
            "mean = [0.5] and mean = 0.5 both work for one state",
        )],
        "onsager schema time",
    ),
    code(
        "E013",
        "a value outside its range",
        "The type is right, the value is not: negative, zero, not finite, reversed bounds, or a name that is no name.",
        &[
            ("interval reversed", "the first number is the smaller one"),
            (
                "name with spaces",
                "names of problems are words joined by `-`",
            ),
        ],
        "horizon = [0.0, 1.0]",
    ),
    code(
        "E014",
        "a name that is not in the list",
        "Methods, checks, presets, families and other choices have fixed names.",
        &[
            (
                "right name, other kind",
                "the message lists the names of this kind",
            ),
            ("misspelt", "the message suggests the nearest"),
        ],
        "onsager list methods",
    ),
    code(
        "E015",
        "sizes that do not fit",
        "Two things that must have as many components have not.",
        &[
            ("drift", "one expression per state"),
            ("means", "one per weight"),
            ("diffusion", "a number, one per state, or states x noises"),
        ],
        "drift = [\"x[1]\", \"-x[0]\"]",
    ),
    code(
        "E016",
        "a key that means nothing here",
        "The key exists, but the preset, family, method or kind chosen does not use it.",
        &[
            ("left over", "remove it"),
            ("other choice meant", "change preset, family or method"),
        ],
        "onsager schema solver",
    ),
    code(
        "E020",
        "a table that does not exist or does not belong here",
        "Unknown, or of another kind of problem.",
        &[(
            "role",
            "laws stand in [data], [initial], [source], [target] or [prior], by kind",
        )],
        "onsager schema",
    ),
    code(
        "E021",
        "a key that does not exist",
        "Nothing reads it; a typo would otherwise change the problem silently.",
        &[
            ("misspelt", "the message suggests the nearest"),
            ("other table", "the message names it"),
        ],
        "onsager schema dynamics",
    ),
    code(
        "E022",
        "a key slid into the table above it",
        "In TOML a key belongs to the last [table] before it.",
        &[("format below a table", "make it the first line")],
        "format = 1\n[problem]",
    ),
    code(
        "E023",
        "part of the format, not of this version",
        "The name is reserved and understood, but nothing acts on it yet.",
        &[("any", "remove it")],
        "",
    ),
    code(
        "E024",
        "the same name twice",
        "Two parameters, solvers, checks, events or claims with one name.",
        &[("two solvers of one method", "give each [[solver]] an id")],
        "[[solver]]\nid = \"fine\"\nmethod = \"hopf-cole\"",
    ),
    code(
        "E025",
        "a name that refers to nothing",
        "A check, `use`, `against`, unit or sweep names something the file does not have.",
        &[("solver without id", "its id is its method")],
        "[[check]]\ncheck = \"policy-cost\"\non = [\"riccati\"]",
    ),
    code(
        "E030",
        "`--set` names nothing",
        "A value can be replaced by its full path, or a parameter by its name.",
        &[
            ("short name", "only parameters have one"),
            ("list entry", "use the id: solver.mc.paths"),
        ],
        "onsager solve a.toml --set params.R=0.1",
    ),
    code(
        "E040",
        "weights that are no probabilities",
        "Weights are positive and sum to one.",
        &[
            (
                "sum is not 1",
                "the message shows them divided by their sum",
            ),
            ("zero weight", "leave the component out"),
        ],
        "weights = [0.25, 0.75]",
    ),
    code(
        "E041",
        "a covariance that is not symmetric",
        "C[i][j] = C[j][i].",
        &[("typing slip", "compare the two entries named")],
        "cov = [[1.0, 0.2], [0.2, 1.0]]",
    ),
    code(
        "E042",
        "a covariance that is not positive",
        "Every eigenvalue of a covariance is positive.",
        &[
            ("standard deviation meant", "give its square"),
            ("point masses", "family = \"samples\" with bandwidth = 0"),
        ],
        "cov = 0.25",
    ),
    code(
        "E043",
        "a density that is negative somewhere",
        "The density was tried at points around the origin.",
        &[("logarithm meant", "family = \"log-density\"")],
        "family = \"density\"\ndensity = \"1/(1 + x^4)\"",
    ),
    code(
        "E101",
        "an expression that ends or continues wrongly",
        "Something else was expected at the caret.",
        &[
            ("missing operator", "2 x is not a product; write 2*x"),
            ("bracket", "count them"),
        ],
        "drift = \"-2*x*(x^2 - 1)\"",
    ),
    code(
        "E102",
        "a character or number that cannot be read",
        "",
        &[("Greek letters", "names are ASCII")],
        "drift = \"-kappa*x\"",
    ),
    code(
        "E103",
        "an expression beyond the limits",
        "At most 1e6 nodes after expansion and nesting of 1000.",
        &[
            ("nested sums", "shorten a range"),
            ("definitions in definitions", "each use counts"),
        ],
        "sum(i in 0..100: x[i]^2)",
    ),
    code(
        "E111",
        "a name that stands for nothing",
        "Names are t, pi, inf, the state, the control, parameters and definitions.",
        &[
            ("x1", "vectors are zero-based: x[0]"),
            ("e", "write exp(1)"),
        ],
        "drift = \"-k*x[0]\"",
    ),
    code(
        "E112",
        "a function that does not exist",
        "Built-in functions and those of [define].",
        &[("ln", "log"), ("pow", "x^3")],
        "\"well(s, k)\" = \"k*(s^2 - 1)^2\"",
    ),
    code(
        "E113",
        "definitions in a circle",
        "A definition uses itself, perhaps through others.",
        &[(
            "parameter in terms of itself",
            "name the intermediate value",
        )],
        "",
    ),
    code(
        "E114",
        "a function with the wrong number of arguments",
        "",
        &[("atan", "two arguments: atan2(y, x)")],
        "atan2(x[1], x[0])",
    ),
    code(
        "E121",
        "`*`, `/` or `^` between vectors",
        "It could mean three things; say which.",
        &[
            ("elementwise", "a .* b"),
            ("inner product", "dot(a, b)"),
            ("outer product", "outer(a, b)"),
        ],
        "drift = \"-kappa .* x\"",
    ),
    code(
        "E122",
        "shapes that do not fit",
        "The message shows both.",
        &[
            ("scalar needed", "a cost is one number: norm2(x)"),
            ("row against column", "A @ x, A' @ x"),
        ],
        "running = \"quad(Q, x)\"",
    ),
    code(
        "E123",
        "an index out of range",
        "Indices count from zero.",
        &[("x[d]", "the last component is x[d-1]")],
        "x[(i+1) % d]",
    ),
    code(
        "E124",
        "an index or bound that is no constant integer",
        "Sums are expanded before anything is evaluated.",
        &[("bound depends on the state", "use if(...) inside the sum")],
        "sum(i in 0..d: x[i])",
    ),
    code(
        "E125",
        "a condition where a number is needed, or the reverse",
        "",
        &[("indicator", "if(x > 0, 1, 0)")],
        "if(x > 0, 1, 0)",
    ),
    code(
        "E126",
        "division by zero, or arithmetic with inf",
        "",
        &[("constant", "a parameter is zero")],
        "",
    ),
    code(
        "E127",
        "a derivative with respect to something that is no variable",
        "D(expression, variable).",
        &[("order of arguments", "D(U, x), not D(x, U)")],
        "drift = \"-D(U, x)\"",
    ),
    code(
        "E131",
        "a claim that is not one equation",
        "A claim has one `=`; a chain of equalities has at least two steps.",
        &[
            ("no `=`", "claim = \"a = b\""),
            ("several `=`", "steps = [\"a\", \"b\", \"c\"]"),
        ],
        "steps = [\"a\", \"b\"]",
    ),
    code(
        "E132",
        "a claim without a law",
        "An expectation depends on the law of the process, which the claim does not name.",
        &[("any", "add under and at")],
        "under = \"forward\"\nat = 0.3",
    ),
    code(
        "E133",
        "a state and a path in one term",
        "A function of the state stands beside a functional of the path; at which point of the path?",
        &[("inside E", "put it under the integral")],
        "E[ int( norm2(score), t ) ]",
    ),
    code(
        "E134",
        "a functional that cannot be read here",
        "Expectation, integral or law in a place where it has no meaning for this claim.",
        &[(
            "law of the reverse process",
            "claims of this kind are about under = \"forward\"",
        )],
        "E[ norm2(score) ] = -E[ div(score) ]",
    ),
    code(
        "E135",
        "a part of a claim with the wrong shape",
        "",
        &[("u", "the optimal control is diffusion' @ score")],
        "",
    ),
    code(
        "E136",
        "a bound name that is taken",
        "`let` may not rename what claims already know: score, log_p, V, u, drift, diffusion.",
        &[("score", "call it score_trial")],
        "let = { v = [\"sin(x[0])\"] }",
    ),
    code(
        "E204",
        "`calculus` is missing and the noise depends on the state",
        "dX = f dt + G(X) dW means different processes by the point at which G is taken. With the same f the Ito\ndrifts differ by 1/2 sum_jk G_jk d_j G_ik; the message shows both.",
        &[
            ("physics, smooth noise", "stratonovich"),
            ("finance, numerics", "ito"),
            ("isothermal", "klimontovich"),
        ],
        "calculus = \"ito\"",
    ),
    code(
        "E205",
        "a field family that is not for this many states",
        "",
        &[("chebyshev", "one or two states; use rbf or mixture")],
        "field = { family = \"rbf\", centers = 200 }",
    ),
    code(
        "E206",
        "an expression that depends on what it may not",
        "A schedule depends on t only, a law on the state only, a potential not on velocities.",
        &[("any", "the message names the variable")],
        "beta = \"0.1 + 19.9*t\"",
    ),
    code(
        "E207",
        "a curve that cannot be turned into Gaussians",
        "The law of a noisy curve is a mixture over its parameter s, refined until it no longer changes.",
        &[("thin and long", "widen it, or split it")],
        "centre = [\"cos(2*pi*s)\", \"sin(2*pi*s)\"]",
    ),
    code(
        "E208",
        "an expression where a constant is needed",
        "",
        &[("depends on x or t", "only parameters may stand here")],
        "cov = \"s^2\"",
    ),
    code(
        "E209",
        "the control where it may not be",
        "The control acts through the drift and costs in `cost.running`; noise, end cost, laws and events do not\ncontain it.",
        &[(
            "controlled noise",
            "not control-affine; no method of this version solves it",
        )],
        "drift = \"-x + u\"",
    ),
    code(
        "E210",
        "a control without effect or without price",
        "Without a place in the drift it does nothing; without price and bounds its optimum is infinite.",
        &[
            ("price missing", "add u^2/2 to cost.running"),
            ("bang-bang control", "set dynamics.control_bounds"),
        ],
        "[cost]\nrunning = \"u^2/2\"",
    ),
    code(
        "E211",
        "a path that cannot be",
        "Its ends coincide, or its duration is free while the drift depends on t.",
        &[
            ("closed loop", "state it as two paths"),
            ("drift of t", "set path.duration"),
        ],
        "[path]\nfrom = [-1.0]\nto = [1.0]",
    ),
    code(
        "E212",
        "an event that is not one inequality",
        "An event happens when one inequality of time and state first holds.",
        &[
            ("equality", "the path reaches it from one side: x >= 1"),
            ("two conditions", "two events, or min(a, b) > 0"),
        ],
        "[[event]]\nname = \"arrival\"\nwhen = \"x >= 1\"",
    ),
    code(
        "E220",
        "a unit that cannot be read",
        "Products and powers of unit names.",
        &[("1/(um^2 s)", "brackets around what is divided by")],
        "[units]\nt = \"s\"\nx = \"um\"",
    ),
    code(
        "E221",
        "two units do not fit",
        "The terms of a sum, a drift, a diffusion, a cost or a threshold carry different units.",
        &[("a parameter without its unit", "give it one in [units]")],
        "[units]\nt = \"s\"\nx = \"um\"",
    ),
    code(
        "E301",
        "an expression has no finite value where the process is",
        "Drift, diffusion and costs, with the slopes of the costs, are evaluated at the mean of the start law and at\npoints inside a stated domain. The message names the subexpression that fails, its operand, and the point.",
        &[
            (
                "domain",
                "reaches beyond where a logarithm, a root or a quotient is defined",
            ),
            ("start", "the start law sits on a singular point"),
        ],
        "drift = \"if(x > 0, 1/x, 0)\"",
    ),
    code(
        "E310",
        "an expected structure was not found",
        "`expect` pins a structure, so that an edit which loses it is an error and not a slow run. The message shows\nwhat is needed, what was found and the smallest change that would bring it.",
        &[("a term too many", "the message names it")],
        "expect = [\"linear-quadratic\"]",
    ),
    code(
        "E320",
        "no method applies to a control problem",
        "Left to choose, `solve` takes a method whose structure it finds: linear-quadratic, separable, a temperature\nfor the linear equation, or few enough states for a grid. The message names what is missing and what is nearest.",
        &[
            (
                "noise",
                "G G' = lambda B R^-1 B' makes path-integral possible in any dimension",
            ),
            (
                "coupling",
                "terms that couple many states keep the problem from falling apart",
            ),
            (
                "zero noise",
                "`solvers = [\"ddp\"]` answers the problem without noise",
            ),
        ],
        "[run]\nsolvers = [\"ddp\"]",
    ),
    code(
        "E601",
        "the problem file cannot be read",
        "",
        &[
            ("path", "relative to the current folder"),
            ("encoding", "UTF-8"),
        ],
        "",
    ),
    code(
        "E602",
        "a table of numbers cannot be read",
        "",
        &[("path", "relative to the problem file")],
        "file = \"data/rings.csv\"",
    ),
    code(
        "E603",
        "a table outside the folder",
        "Data stay below the problem file, or below the folder `problems` it is in.",
        &[("absolute path", "copy the table beside the file")],
        "file = \"data/rings.csv\"",
    ),
    code(
        "E604",
        "a table without rows",
        "The first line is the header, rows follow.",
        &[("header missing", "the first row was taken for it")],
        "",
    ),
    code(
        "E605",
        "a row of the wrong length",
        "",
        &[("decimal comma", "numbers use a point, columns a comma")],
        "",
    ),
    code(
        "E606",
        "a cell that is no number",
        "",
        &[("labels", "choose columns")],
        "columns = [\"x\", \"y\"]",
    ),
    code(
        "E607",
        "a column that does not exist",
        "",
        &[("position", "counted from zero")],
        "columns = [0, 1]",
    ),
    code(
        "E608",
        "too few rows",
        "At least two rows for the score and, with holdout, one aside.",
        &[("limit", "raise it")],
        "holdout = 0.2",
    ),
    code(
        "E701",
        "a claim is false",
        "The two sides differ beyond the error of their measurement. The usual slips are tried: factors 1/2 and 2, sign,\ntransposition, Ito against Stratonovich, direction of time; the one that fits is named.",
        &[("factor 1/2", "the generator has 1/2 D, the noise sqrt(D)")],
        "onsager verify a.toml",
    ),
    code(
        "W401",
        "a parameter is never used",
        "",
        &[("left over", "remove it")],
        "",
    ),
    code(
        "W402",
        "a name that is also a function",
        "It works, but reads badly: values and functions are looked up apart.",
        &[("any", "rename it")],
        "",
    ),
    code(
        "W406",
        "mass outside the domain",
        "The domain cuts the law at the start; what is outside is lost.",
        &[("narrow domain", "widen it or leave it out")],
        "domain = [-4.0, 4.0]",
    ),
    code(
        "W409",
        "constant or equal columns",
        "They carry no information, and make a covariance singular.",
        &[("border pixels", "choose columns")],
        "",
    ),
    code(
        "W412",
        "checks are disabled",
        "Results are marked UNVERIFIED everywhere.",
        &[("checks = \"none\"", "leave it out for the standard ones")],
        "checks = \"standard\"",
    ),
];

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn codes_are_in_order_and_named_once() {
        assert!(CODES.windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}
