//! The typeset problem beside the lines of the file that say it.

use crate::derivation::ground::stated::{Clock, Stated};
use crate::expr::{Expr, Graph};
use crate::problem::Loaded;
use crate::problem::meant::law::Law;
use crate::problem::meant::model::Problem;
use crate::problem::meant::task::Reverse;
use crate::report::record::StatementLine;
use crate::solvers::lowered::problem::Lowered;
use crate::study::compared::Terms;
use crate::study::findings::Findings;

/// How a list of expressions is written.
struct Notation {
    entry: fn(&Graph, Expr) -> String,
    open: &'static str,
    comma: &'static str,
    dots: &'static str,
    close: &'static str,
    /// Between the rows of a matrix.
    rows: &'static str,
    /// Entries that are shown; a mark says that others follow.
    shown: usize,
}

/// Drift and noise of the controlled process.
const TEXT: Notation = Notation {
    entry: |graph, e| graph.text(e),
    open: "(",
    comma: ", ",
    dots: "...",
    close: ")",
    rows: "; ",
    shown: 4,
};
const LATEX: Notation = Notation {
    entry: |graph, e| graph.latex(e),
    open: r"\big(",
    comma: r",\; ",
    dots: r"\ldots",
    close: r"\big)",
    rows: r";\; ",
    shown: 4,
};
/// Those of the noising process.
const NOISING_TEXT: Notation = Notation {
    open: "[",
    close: "]",
    shown: 3,
    ..TEXT
};
const NOISING_LATEX: Notation = Notation {
    dots: r"\dots",
    rows: r";\;",
    shown: 3,
    ..LATEX
};

impl Notation {
    fn list(&self, graph: &Graph, entries: &[Expr]) -> String {
        let few = entries.iter().take(self.shown);
        let mut words: Vec<String> = few.map(|e| (self.entry)(graph, *e)).collect();
        if entries.len() > self.shown {
            words.push(self.dots.to_owned());
        }
        format!("{}{}{}", self.open, words.join(self.comma), self.close)
    }

    /// A list that needs no brackets for one entry.
    fn vector(&self, graph: &Graph, entries: &[Expr]) -> String {
        match entries {
            [one] => (self.entry)(graph, *one),
            _ => self.list(graph, entries),
        }
    }

    /// Drift and noise of a process, a line each.
    fn coefficients(&self, stated: &Stated) -> String {
        let rows = stated.diffusion.iter().take(self.shown);
        let rows: Vec<String> = rows.map(|row| self.list(&stated.graph, row)).collect();
        let drift = self.list(&stated.graph, &stated.drift);
        format!("f = {drift}\nG = {}", rows.join(self.rows))
    }

    /// The same of the noising process, whose noise may be a number times the identity.
    fn noising(&self, problem: &Problem) -> String {
        let graph = &problem.graph;
        let diffusion = &problem.dynamics.diffusion;
        let isotropic = diffusion.iter().enumerate().all(|(i, row)| {
            let entry = |(j, e): (usize, &Expr)| {
                if i == j {
                    *e == diffusion[0][0]
                } else {
                    graph.text(*e) == "0"
                }
            };
            row.len() == diffusion.len() && row.iter().enumerate().all(entry)
        });
        let noise = if isotropic {
            let unit = if diffusion.len() > 1 { " I" } else { "" };
            format!("{}{unit}", self.vector(graph, &diffusion[0][..1]))
        } else {
            let rows: Vec<_> = diffusion
                .iter()
                .map(|row| self.vector(graph, row))
                .collect();
            rows.join(self.rows)
        };
        let drift = self.vector(graph, &problem.dynamics.drift);
        format!("f = {drift}\nG = {noise}")
    }
}

/// What is asked, line by line.
pub(super) fn statement(found: &Findings) -> Vec<StatementLine> {
    let lowered = &found.lowered;
    match (found.terms(), lowered.problem.reverse()) {
        (Terms::Numbers, _) => vec![process(lowered)],
        (Terms::Scores, Some(task)) => reverse(&found.loaded, task),
        _ => controlled(lowered),
    }
}

fn line(name: &str, text: String, latex: String, lines: Option<(usize, usize)>) -> StatementLine {
    StatementLine {
        name: name.to_owned(),
        text,
        latex,
        lines,
    }
}

fn reverse(loaded: &Loaded, task: &Reverse) -> Vec<StatementLine> {
    let problem = &loaded.problem;
    let (start, end) = problem.dynamics.horizon;
    let lines = |table: &str| table_lines(loaded.source.text(), table);
    let [data, prior] = [&task.data, &task.prior].map(describe_law);
    vec![
        line(
            "data law",
            format!("X_{start} ~ p_0: {data}"),
            format!(r"X_{{{start}}} \sim p_0 \quad\text{{({data})}}"),
            lines("data"),
        ),
        line(
            "noising process",
            format!(
                "dX = f dt + G dW, t in [{start}, {end}]\n{}",
                NOISING_TEXT.noising(problem)
            ),
            format!(
                "dX = f\\,dt + G\\,dW,\\quad t \\in [{start}, {end}]\n{}",
                NOISING_LATEX.noising(problem)
            ),
            lines("dynamics"),
        ),
        line(
            "start law of the reverse process",
            format!("Y_0 ~ pi: {prior}"),
            format!(r"Y_0 \sim \pi \quad\text{{({prior})}}"),
            lines("prior"),
        ),
        line(
            "asked for: the optimal control",
            "min over u of S[u] = E[ int (1/2 |u|^2 + div f) dtau - log p_0(Y_T) ]\ndY = (-f + G u) dtau + G dB".to_owned(),
            r"\min_u\; S[u] = \mathbb{E}\Big[\int_0^T \big(\tfrac12 |u|^2 + \nabla\cdot f\big)\,d\tau - \log p_0(Y_T)\Big]".to_owned() + "\n" + r"dY = (-f + G u)\,d\tau + G\,dB",
            None,
        ),
    ]
}

fn process(lowered: &Lowered) -> StatementLine {
    let stated = &lowered.stated;
    let (start, end) = stated.horizon;
    line(
        "process",
        format!(
            "dX = f dt + G dW (Ito), t in [{start}, {end}], X at the start {}\n{}",
            lowered.start().family(),
            TEXT.coefficients(stated)
        ),
        format!(
            "dX = f(X,t)\\,dt + G(X,t)\\,dW,\\quad t \\in [{start}, {end}]\n{}",
            LATEX.coefficients(stated)
        ),
        None,
    )
}

fn controlled(lowered: &Lowered) -> Vec<StatementLine> {
    let stated = &lowered.stated;
    let mut graph = stated.graph.clone();
    // As typed: where the largest gain is asked for, costs carry the opposite sign of the gains.
    let gains = lowered.sign_of_costs() < 0.0;
    let mut typed = |e: Expr| if gains { graph.of(-e) } else { e };
    let [running, terminal] = [stated.running, stated.terminal].map(&mut typed);
    let (what, best) = if gains {
        ("gain", "max")
    } else {
        ("cost", "min")
    };
    let (start, end) = stated.horizon;
    let infinite = if end.is_infinite() {
        r"\infty".to_owned()
    } else {
        end.to_string()
    };
    let process = line(
        "controlled process",
        format!(
            "dX = f dt + G dW, t in [{start}, {end}]\n{}",
            TEXT.coefficients(stated)
        ),
        format!(
            "dX = f(X,u,t)\\,dt + G\\,dW,\\quad t \\in [{start}, {infinite}]\n{}",
            LATEX.coefficients(stated)
        ),
        None,
    );
    let cost = match lowered.problem.is_endless() {
        true => endless_cost(lowered),
        false => line(
            what,
            format!(
                "{best} over u of E[ Phi(X_T) + int l dt ]\nl = {}\nPhi = {}",
                graph.text(running),
                graph.text(terminal)
            ),
            format!(
                "\\{best}_u\\; \\mathbb{{E}}\\Big[\\Phi(X_T) + \\int \\ell\\,dt\\Big]\n\\ell = {}\n\\Phi = {}",
                graph.latex(running),
                graph.latex(terminal)
            ),
            None,
        ),
    };
    let reversed = lowered.process.clock == Clock::Reversed;
    let draws = (reversed && lowered.problem.reverse().is_none()).then(|| {
        line(
            "asked for: draws and the normaliser",
            "inf S = -log Z + KL(prior, p_T); the process below runs in reverse time".to_owned(),
            r"\inf S = -\log Z + \mathrm{KL}(\pi, p_T)".to_owned(),
            None,
        )
    });
    draws.into_iter().chain([process, cost]).collect()
}

/// The cost of a horizon without an end.
fn endless_cost(lowered: &Lowered) -> StatementLine {
    let stated = &lowered.stated;
    let graph = &stated.graph;
    let (text, latex) = if lowered.averages() {
        (
            "min over u of c = lim 1/T E[ int_0^T l dt ]".to_owned(),
            "\\min_u\\; c = \\lim_{T\\to\\infty} \\tfrac1T\\,\\mathbb{E}\\int_0^T \\ell\\,dt"
                .to_owned(),
        )
    } else {
        let rate = lowered.compiled.steered.discount();
        (
            format!("min over u of E[ int_0^inf exp(-{rate} t) l dt ]"),
            format!("\\min_u\\; \\mathbb{{E}}\\int_0^\\infty e^{{-{rate} t}} \\ell\\,dt"),
        )
    };
    let (own, own_latex) = (graph.text(stated.running), graph.latex(stated.running));
    line(
        "cost",
        format!("{text}\nl = {own}"),
        format!("{latex}\n\\ell = {own_latex}"),
        None,
    )
}

fn describe_law(law: &Law) -> String {
    match law {
        Law::Gaussian(_) => "a Gaussian".to_owned(),
        Law::Mixture(m) => format!("a mixture of {} Gaussians", m.components()),
        Law::Samples(s) => format!(
            "{} rows of {} with kernel width {}",
            s.training.len(),
            s.file,
            s.bandwidth
        ),
        Law::Curve(c) => format!("a curve of Gaussian width {}", c.width),
        Law::Delta(_) => "a point".to_owned(),
        Law::Uniform(_) => "uniform in a box".to_owned(),
        Law::LogDensity(_) => "an unnormalised density".to_owned(),
    }
}

/// First and last line of a table in the file, 1-based.
fn table_lines(text: &str, table: &str) -> Option<(usize, usize)> {
    let header = format!("[{table}]");
    let inline = format!("{table} =");
    let mut first = None;
    let mut last = 0;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        match first {
            None if line.starts_with(&header) => {
                first = Some(index + 1);
                last = index + 1;
            }
            None if line.starts_with(&inline) => return Some((index + 1, index + 1)),
            None => {}
            Some(_) if line.starts_with('[') && !line.starts_with("[[-") && !line.contains('=') => {
                break;
            }
            Some(_) if line.is_empty() => {}
            Some(_) => last = index + 1,
        }
    }
    first.map(|first| (first, last))
}
