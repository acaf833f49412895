//! How coefficients and equations are written: in full where that is short, by their pattern where the
//! dimension is high.

use crate::derivation::ground::matrix::as_multiple_of_identity;
use crate::derivation::ground::noising::{Noising, terms};
use crate::derivation::ground::step::Formula;
use crate::expr::{Expr, Graph, Node, Rational};

/// Up to this dimension components are written out.
const WRITTEN_OUT: usize = 3;

/// Longer expressions are only announced.
const LONGEST: usize = 240;

/// The expression, multiplied out if that is shorter; only its size if it is very long.
pub fn expression(graph: &mut Graph, e: Expr) -> Formula {
    let expanded = graph.expand(e);
    let (plain, spread) = (graph.text(e), graph.text(expanded));
    let (e, text) = if spread.len() < plain.len() {
        (expanded, spread)
    } else {
        (e, plain)
    };
    if text.len() > LONGEST {
        let nodes = graph.reachable(&[e]).len();
        return Formula::new(format!("(an expression of {nodes} nodes)"), "\\cdots");
    }
    Formula::new(text, graph.latex(e))
}

/// `name = value`.
pub fn scalar(noising: &mut Noising, name: &Formula, value: Expr) -> Formula {
    let value = expression(&mut noising.graph, value);
    equality(name, &value)
}

pub fn equality(name: &Formula, value: &Formula) -> Formula {
    Formula::new(
        format!("{} = {}", name.text, value.text),
        format!("{} = {}", name.latex, value.latex),
    )
}

/// The component as a function of its own coordinate `x[i]`, if it has no other.
fn own_pattern(noising: &mut Noising, component: Expr, i: usize) -> Option<Expr> {
    let generic = noising.graph.unknown("x[i]", &[]);
    let own = noising.state[i];
    let mut images = vec![(own, generic)];
    // Parameters with one entry per component count as one: `kappa[2]` is `kappa[i]` in component 2.
    let index = format!("[{i}]");
    for symbol in noising.graph.symbols(&[component]) {
        let name = noising.graph.symbol_name(symbol).unwrap_or_default();
        if let Some(stem) = name.strip_suffix(&index)
            && symbol != own
        {
            let pattern = format!("{stem}[i]");
            images.push((symbol, noising.graph.unknown(&pattern, &[])));
        }
    }
    let image = noising.graph.substitute(component, &images);
    let foreign = noising.graph.depends_on_any(image, &noising.state);
    (!foreign).then_some(image)
}

/// The one pattern all components follow.
fn pattern(noising: &mut Noising, components: &[Expr]) -> Option<Expr> {
    let first = own_pattern(noising, components[0], 0)?;
    for (i, component) in components.iter().enumerate().skip(1) {
        if own_pattern(noising, *component, i)? != first {
            return None;
        }
    }
    Some(first)
}

/// `v = (a, b)` in low dimension, `v_i = ...` where all components follow one pattern.
pub fn vector(noising: &mut Noising, name: &Formula, components: &[Expr]) -> Formula {
    if components.len() == 1 {
        return scalar(noising, name, components[0]);
    }
    if components.iter().all(|c| noising.graph.is_zero(*c)) {
        return equality(name, &Formula::new("0", "0"));
    }
    if let Some(generic) = pattern(noising, components) {
        let value = expression(&mut noising.graph, generic);
        let indexed = Formula::new(format!("{}_i", name.text), format!("{}_i", name.latex));
        return equality(&indexed, &value);
    }
    let shown = if components.len() <= WRITTEN_OUT {
        components.len()
    } else {
        2
    };
    let mut parts: Vec<Formula> = components[..shown]
        .iter()
        .map(|c| expression(&mut noising.graph, *c))
        .collect();
    if shown < components.len() {
        parts.push(Formula::new(
            format!("... {} components", components.len()),
            "\\cdots",
        ));
    }
    equality(name, &tuple(&parts))
}

/// `(a, b)`; `a` alone without parentheses.
pub fn tuple(parts: &[Formula]) -> Formula {
    if let [single] = parts {
        return single.clone();
    }
    let text: Vec<&str> = parts.iter().map(|p| p.text.as_str()).collect();
    let latex: Vec<&str> = parts.iter().map(|p| p.latex.as_str()).collect();
    Formula::new(
        format!("({})", text.join(", ")),
        format!("\\left({}\\right)", latex.join(",\\; ")),
    )
}

/// A function of the state: `sum_i g(x[i])` where it is a sum over coordinates that follows one pattern.
pub fn of_state(noising: &mut Noising, e: Expr) -> Formula {
    let d = noising.dimension();
    let terms = terms(&mut noising.graph, e);
    if d < 2 || terms.len() < 2 {
        return expression(&mut noising.graph, e);
    }
    let mut own = vec![Vec::new(); d];
    for term in terms {
        let met: Vec<usize> = (0..d)
            .filter(|i| noising.graph.depends_on(term, noising.state[*i]))
            .collect();
        match met.as_slice() {
            [single] => own[*single].push(term),
            _ => return expression(&mut noising.graph, e),
        }
    }
    let parts: Vec<Expr> = own.iter().map(|terms| noising.graph.add(terms)).collect();
    match pattern(noising, &parts) {
        Some(generic) if parts.iter().all(|p| !noising.graph.is_zero(*p)) => {
            let value = expression(&mut noising.graph, generic);
            let generic_is_sum = matches!(noising.graph.node(generic), Node::Sum(..));
            if generic_is_sum {
                Formula::new(
                    format!("sum_i ({})", value.text),
                    format!("\\sum_i \\left({}\\right)", value.latex),
                )
            } else {
                Formula::new(
                    format!("sum_i {}", value.text),
                    format!("\\sum_i {}", value.latex),
                )
            }
        }
        _ => expression(&mut noising.graph, e),
    }
}

/// The end of the horizon as a number.
pub fn time_of_end(noising: &mut Noising, end: f64) -> Formula {
    let end = noising.graph.number(end);
    expression(&mut noising.graph, end)
}

/// `M = a I`, `M = diag(a, b)`, or the entries in low dimension.
pub fn matrix(noising: &mut Noising, name: &Formula, rows: &[Vec<Expr>]) -> Formula {
    if rows.len() == 1 && rows[0].len() == 1 {
        return scalar(noising, name, rows[0][0]);
    }
    let square = rows.len() == rows[0].len();
    let off_diagonal = rows.iter().enumerate().any(|(i, row)| {
        row.iter()
            .enumerate()
            .any(|(j, entry)| i != j && !noising.graph.is_zero(*entry))
    });
    if square && !off_diagonal {
        let diagonal: Vec<Expr> = rows.iter().enumerate().map(|(i, row)| row[i]).collect();
        return diagonal_matrix(noising, name, &diagonal);
    }
    if rows.len() > WRITTEN_OUT || rows[0].len() > WRITTEN_OUT {
        let size = (rows.len(), rows[0].len());
        return Formula::new(
            format!("{} = a full {} x {} matrix", name.text, size.0, size.1),
            format!(
                "{} \\in \\mathbb{{R}}^{{{} \\times {}}}",
                name.latex, size.0, size.1
            ),
        );
    }
    let mut text = Vec::new();
    let mut latex = Vec::new();
    for row in rows {
        let entries: Vec<Formula> = row
            .iter()
            .map(|entry| expression(&mut noising.graph, *entry))
            .collect();
        let words: Vec<&str> = entries.iter().map(|e| e.text.as_str()).collect();
        text.push(format!("[{}]", words.join(", ")));
        let words: Vec<&str> = entries.iter().map(|e| e.latex.as_str()).collect();
        latex.push(words.join(" & "));
    }
    let body = Formula::new(
        format!("[{}]", text.join(", ")),
        format!(
            "\\begin{{pmatrix}} {} \\end{{pmatrix}}",
            latex.join(" \\\\ ")
        ),
    );
    equality(name, &body)
}

fn diagonal_matrix(noising: &mut Noising, name: &Formula, diagonal: &[Expr]) -> Formula {
    if diagonal.iter().all(|entry| *entry == diagonal[0]) {
        let value = expression(&mut noising.graph, diagonal[0]);
        let (text, latex) = match value.text.as_str() {
            "0" => ("0".to_owned(), "0".to_owned()),
            "1" => ("I".to_owned(), "I".to_owned()),
            text if text.contains([' ', '/']) => (
                format!("({text}) I"),
                format!("\\left({}\\right) I", value.latex),
            ),
            text => (format!("{text} I"), format!("{} \\, I", value.latex)),
        };
        return equality(name, &Formula::new(text, latex));
    }
    let empty = Formula::new("", "");
    let entries = vector(noising, &empty, diagonal);
    let bare = |text: &str| text.trim_start_matches([' ', '=']).to_owned();
    let Some(indexed) = entries.text.strip_prefix("_i = ") else {
        return Formula::new(
            format!("{} = diag{}", name.text, bare(&entries.text)),
            format!(
                "{} = \\operatorname{{diag}}{}",
                name.latex,
                bare(&entries.latex)
            ),
        );
    };
    Formula::new(
        format!("{} = diag({indexed})", name.text),
        format!(
            "{} = \\operatorname{{diag}}({})",
            name.latex,
            bare(entries.latex.trim_start_matches("_i"))
        ),
    )
}

/// `u_t = ...` for a residual of the form `c u_t - ...` with constant `c`; `None` where components are
/// not written out or the equation is long.
pub fn rate(noising: &mut Noising, unknown: Expr, residual: Expr) -> Option<Formula> {
    if noising.dimension() > WRITTEN_OUT {
        return None;
    }
    let rate = noising.graph.derivative(unknown, noising.time);
    // The residual is affine in the rate: its value at rate 0 and the slope give the rest.
    let marker = noising.constant("rate");
    let marked = noising.graph.substitute(residual, &[(rate, marker)]);
    let zero = noising.graph.zero();
    let rest = noising.graph.substitute(marked, &[(marker, zero)]);
    let whole = noising.graph.sub(marked, rest);
    let slope = noising.graph.div(whole, marker);
    let slope = noising.graph.expand(slope);
    noising.graph.as_number(slope)?;
    let scaled = noising.graph.div(rest, slope);
    let right = noising.graph.neg(scaled);
    let value = expression(&mut noising.graph, right);
    if value.latex == "\\cdots" {
        return None;
    }
    let name = Formula::new(noising.graph.text(rate), noising.graph.latex(rate));
    Some(equality(&name, &value))
}

/// `c` in front of a symbol: nothing for 1, parentheses around sums.
fn scaled(graph: &mut Graph, coefficient: Expr, symbol: &Formula) -> (bool, Formula) {
    if let Some((1, below)) = graph.as_number(coefficient).and_then(Rational::small)
        && below > 1
        && !symbol.text.contains(" int ")
    {
        let text = format!("{}/{below}", symbol.text);
        return (
            false,
            Formula::new(text, format!("\\frac{{1}}{{{below}}} {}", symbol.latex)),
        );
    }
    let value = expression(graph, coefficient);
    let is_sum = matches!(graph.node(coefficient), Node::Sum(..));
    let (text, latex) = match (value.text.as_str(), is_sum) {
        ("1", _) => return (false, symbol.clone()),
        ("-1", _) => return (true, symbol.clone()),
        (text, true) => (
            format!("({text})"),
            format!("\\left({}\\right)", value.latex),
        ),
        (text, false) => (text.to_owned(), value.latex.clone()),
    };
    let negative = !is_sum && text.starts_with('-') && latex.starts_with('-');
    let cut = usize::from(negative);
    let formula = Formula::new(
        format!("{} {}", &text[cut..], symbol.text),
        format!("{} \\, {}", &latex[cut..], symbol.latex),
    );
    (negative, formula)
}

/// `sum c_k symbol_k` without the vanishing terms; `0` if all vanish.
pub fn combination(graph: &mut Graph, parts: &[(Expr, Formula)]) -> Formula {
    let (mut text, mut latex) = (String::new(), String::new());
    for (coefficient, symbol) in parts {
        let coefficient = tidy(graph, *coefficient);
        if graph.is_zero(coefficient) {
            continue;
        }
        let (negative, piece) = scaled(graph, coefficient, symbol);
        let sign = match (text.is_empty(), negative) {
            (true, false) => "",
            (true, true) => "-",
            (false, false) => " + ",
            (false, true) => " - ",
        };
        text.push_str(sign);
        text.push_str(&piece.text);
        latex.push_str(sign);
        latex.push_str(&piece.latex);
    }
    if text.is_empty() {
        return Formula::new("0", "0");
    }
    Formula::new(text, latex)
}

/// The expression or its expansion, whichever is shorter in print.
pub fn tidy(graph: &mut Graph, e: Expr) -> Expr {
    let expanded = graph.expand(e);
    if graph.text(expanded).len() < graph.text(e).len() {
        expanded
    } else {
        e
    }
}

/// `name_x`, `name_{x y}`: a derivative of an unknown, by the names of the coordinates.
pub fn partial(noising: &Noising, name: &str, along: &[usize]) -> Formula {
    let names: Vec<String> = along
        .iter()
        .map(|i| noising.graph.text(noising.state[*i]))
        .collect();
    let latex: Vec<String> = along
        .iter()
        .map(|i| noising.graph.latex(noising.state[*i]))
        .collect();
    let text = match names.as_slice() {
        [single] if single.chars().all(char::is_alphanumeric) => format!("{name}_{single}"),
        several if several.iter().all(|n| n.len() == 1) => format!("{name}_{}", several.concat()),
        several => format!("{name}_{{{}}}", several.join(" ")),
    };
    let stem = crate::expr::latex_name(name);
    Formula::new(text, format!("{stem}_{{{}}}", latex.join(" ")))
}

/// `v . grad N + 1/2 D : grad grad N` for the unknown `N`, written out where that is short.
pub fn operator(noising: &mut Noising, drift: &[Expr], name: &str) -> Formula {
    let d = noising.dimension();
    let stem = crate::expr::latex_name(name);
    let half = noising.graph.rational(1, 2);
    let scalar = as_multiple_of_identity(&noising.graph, &noising.diffusivity);
    if let (true, Some(common)) = (d > 1, scalar) {
        let still = drift.iter().all(|f| noising.graph.is_zero(*f));
        let spread = noising.graph.mul(&[half, common]);
        let laplacian = Formula::new(format!("sum_i {name}_ii"), format!("\\sum_i {stem}_{{ii}}"));
        if let (false, Some(generic)) = (still, pattern(noising, drift)) {
            let slope = Formula::new(format!("{name}_i"), format!("{stem}_i"));
            let (negative, term) = scaled(&mut noising.graph, generic, &slope);
            let sign = if negative { "-" } else { "" };
            let carried = Formula::new(
                format!("sum_i {sign}{}", term.text),
                format!("\\sum_i {sign}{}", term.latex),
            );
            let one = noising.graph.one();
            return combination(&mut noising.graph, &[(one, carried), (spread, laplacian)]);
        }
        if still {
            return combination(&mut noising.graph, &[(spread, laplacian)]);
        }
    }
    if d > WRITTEN_OUT {
        return Formula::new(
            format!("f.grad {name} + 1/2 D : grad grad {name}"),
            format!("f \\cdot \\nabla {stem} + \\frac{{1}}{{2}} D : \\nabla\\nabla {stem}"),
        );
    }
    let mut parts = Vec::new();
    for (i, f) in drift.iter().enumerate() {
        parts.push((*f, partial(noising, name, &[i])));
    }
    let one = noising.graph.one();
    for i in 0..d {
        for j in i..d {
            let weight = if i == j { half } else { one };
            let entry = noising.diffusivity[i][j];
            let weight = noising.graph.mul(&[weight, entry]);
            parts.push((weight, partial(noising, name, &[i, j])));
        }
    }
    combination(&mut noising.graph, &parts)
}

/// `v . grad N`, written out where that is short.
pub fn along(noising: &mut Noising, vector: &[Expr], name: &str) -> Option<Formula> {
    if vector.len() > WRITTEN_OUT {
        return None;
    }
    let parts: Vec<(Expr, Formula)> = vector
        .iter()
        .enumerate()
        .map(|(i, v)| (*v, partial(noising, name, &[i])))
        .collect();
    Some(combination(&mut noising.graph, &parts))
}

/// ` + value` or ` - value`, to stand after another term.
pub fn appended(value: &Formula) -> Formula {
    match (value.text.strip_prefix('-'), value.latex.strip_prefix('-')) {
        (Some(text), Some(latex)) => Formula::new(format!(" - {text}"), format!(" - {latex}")),
        _ => Formula::new(format!(" + {}", value.text), format!(" + {}", value.latex)),
    }
}

/// The expression in at most 60 characters; its size where it is longer.
pub fn brief(graph: &Graph, e: Expr) -> String {
    let text = graph.text(e);
    if text.len() <= 60 {
        return text;
    }
    format!("(an expression of {} nodes)", graph.reachable(&[e]).len())
}
