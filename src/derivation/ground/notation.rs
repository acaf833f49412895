//! How coefficients and equations are written: in full where that is short, by their pattern where the
//! dimension is high.

use crate::derivation::ground::matrix::{as_multiple_of_identity, is_diagonal};
use crate::derivation::ground::noising::{Noising, terms};
use crate::derivation::ground::step::Formula;
use crate::expr::arithmetic::sum;
use crate::expr::{Expr, Graph, Node, Rational};

/// Up to this dimension components are written out.
const WRITTEN_OUT: usize = 3;

/// Longer expressions are only announced.
const LONGEST: usize = 240;
/// Expressions of more nodes are too long for that, however they are multiplied out.
const MOST_NODES: usize = 1000;

/// The expression, multiplied out if that is shorter; only its size if it is very long.
pub fn expression(graph: &mut Graph, e: Expr) -> Formula {
    let nodes = graph.reachable(&[e]).len();
    if nodes <= MOST_NODES {
        let e = tidy(graph, e);
        let text = graph.text(e);
        if text.len() <= LONGEST {
            return Formula::new(text, graph.latex(e));
        }
    }
    Formula::new(format!("(an expression of {nodes} nodes)"), "\\cdots")
}

/// `name = value`.
pub fn scalar(noising: &mut Noising, name: impl Into<Formula>, value: Expr) -> Formula {
    let value = expression(&mut noising.graph, value);
    equality(name, &value)
}

pub fn equality(name: impl Into<Formula>, value: &Formula) -> Formula {
    Formula::of("{} = {}", &[&name.into(), value])
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
pub fn vector(noising: &mut Noising, name: impl Into<Formula>, components: &[Expr]) -> Formula {
    let name = name.into();
    if components.len() == 1 {
        return scalar(noising, name, components[0]);
    }
    if components.iter().all(|c| noising.graph.is_zero(*c)) {
        return Formula::of("{} = 0", &[&name]);
    }
    if let Some(short) = abbreviated(noising, components) {
        return equality(name, &short);
    }
    if let Some(generic) = pattern(noising, components) {
        let value = expression(&mut noising.graph, generic);
        return Formula::of("{}_i = {}", &[&name, &value]);
    }
    equality(name, &tuple(&listed(noising, components)))
}

/// The components; of many the first two and their number.
fn listed(noising: &mut Noising, components: &[Expr]) -> Vec<Formula> {
    let count = components.len();
    let shown = if count <= WRITTEN_OUT { count } else { 2 };
    let written = components[..shown].iter();
    let mut parts: Vec<Formula> = written
        .map(|c| expression(&mut noising.graph, *c))
        .collect();
    if shown < count {
        parts.push(Formula::new(format!("... {count} components"), "\\cdots"));
    }
    parts
}

/// `a, b`.
pub fn list(parts: &[Formula]) -> Formula {
    let (text, latex): (Vec<_>, Vec<_>) = parts
        .iter()
        .map(|p| (p.text.as_str(), p.latex.as_str()))
        .unzip();
    Formula::new(text.join(", "), latex.join(",\\; "))
}

/// `(a, b)`; `a` alone without parentheses.
pub fn tuple(parts: &[Formula]) -> Formula {
    match parts {
        [single] => single.clone(),
        several => grouped(&list(several)),
    }
}

/// `(a)`.
pub fn grouped(inside: &Formula) -> Formula {
    Formula::new(
        format!("({})", inside.text),
        format!("\\left({}\\right)", inside.latex),
    )
}

/// A function of the state: `sum_i g(x[i])` where it is a sum over coordinates that follows one pattern.
pub fn of_state(noising: &mut Noising, e: Expr) -> Formula {
    if let Some(short) = abbreviated(noising, &[e]) {
        return short;
    }
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
    let parts = noising.graph.each(own.into_iter().map(sum));
    match pattern(noising, &parts) {
        Some(generic) if parts.iter().all(|p| !noising.graph.is_zero(*p)) => {
            let mut value = expression(&mut noising.graph, generic);
            if matches!(noising.graph.node(generic), Node::Sum(..)) {
                value = grouped(&value);
            }
            Formula::of("sum_i {}", &[&value])
        }
        _ => expression(&mut noising.graph, e),
    }
}

/// What is printed in place of expressions that have a short form in matrices.
fn abbreviated(noising: &Noising, components: &[Expr]) -> Option<Formula> {
    let mut all = noising.abbreviations.iter();
    let found = all.find(|(known, _)| known == components);
    found.map(|(_, short)| Formula::from(short.clone()))
}

/// The end of the horizon as a number.
pub fn time_of_end(noising: &mut Noising, end: f64) -> Formula {
    let end = noising.graph.number(end);
    expression(&mut noising.graph, end)
}

/// `M = a I`, `M = diag(a, b)`, or the entries in low dimension.
pub fn matrix(noising: &mut Noising, name: impl Into<Formula>, rows: &[Vec<Expr>]) -> Formula {
    let name = name.into();
    let (height, width) = (rows.len(), rows[0].len());
    if (height, width) == (1, 1) {
        return scalar(noising, name, rows[0][0]);
    }
    if height == width && is_diagonal(&noising.graph, rows) {
        let diagonal: Vec<Expr> = rows.iter().enumerate().map(|(i, row)| row[i]).collect();
        return diagonal_matrix(noising, &name, &diagonal);
    }
    if height > WRITTEN_OUT || width > WRITTEN_OUT {
        return Formula::new(
            format!("{} = a full {height} x {width} matrix", name.text),
            format!(
                "{} \\in \\mathbb{{R}}^{{{height} \\times {width}}}",
                name.latex
            ),
        );
    }
    let (mut text, mut latex) = (Vec::new(), Vec::new());
    for row in rows {
        let entries: Vec<Formula> = row
            .iter()
            .map(|entry| expression(&mut noising.graph, *entry))
            .collect();
        text.push(format!("[{}]", list(&entries).text));
        let words: Vec<&str> = entries.iter().map(|e| e.latex.as_str()).collect();
        latex.push(words.join(" & "));
    }
    let latex = latex.join(" \\\\ ");
    let body = Formula::new(
        format!("[{}]", text.join(", ")),
        format!("\\begin{{pmatrix}} {latex} \\end{{pmatrix}}"),
    );
    equality(name, &body)
}

fn diagonal_matrix(noising: &mut Noising, name: &Formula, diagonal: &[Expr]) -> Formula {
    if diagonal.iter().all(|entry| *entry == diagonal[0]) {
        let value = expression(&mut noising.graph, diagonal[0]);
        return match value.text.as_str() {
            "0" => Formula::of("{} = 0", &[name]),
            "1" => Formula::of("{} = I", &[name]),
            text if text.contains([' ', '/']) => {
                Formula::of("{} = {} I", &[name, &grouped(&value)])
            }
            _ => Formula::of("{} = {} I", &[name, &value]),
        };
    }
    let entries = match pattern(noising, diagonal) {
        Some(generic) => expression(&mut noising.graph, generic),
        None => list(&listed(noising, diagonal)),
    };
    Formula::of("{} = diag({})", &[name, &entries])
}

/// `u_t = ...` for a residual of the form `c u_t - ...` with constant `c`; `None` where components are
/// not written out or the equation is long.
pub fn rate(noising: &mut Noising, unknown: Expr, residual: Expr) -> Option<Formula> {
    if noising.dimension() > WRITTEN_OUT {
        return None;
    }
    let marker = noising.constant("rate");
    let (time, graph) = (noising.time, &mut noising.graph);
    let rate = graph.derivative(unknown, time);
    // The residual is affine in the rate: its value at rate 0 and the slope give the rest.
    let marked = graph.substitute(residual, &[(rate, marker)]);
    let zero = graph.zero();
    let rest = graph.substitute(marked, &[(marker, zero)]);
    let whole = graph.of(marked - rest);
    let slope = graph.of(whole / marker);
    let slope = graph.expand(slope);
    graph.as_number(slope)?;
    let scaled = graph.of(rest / slope);
    let right = graph.of(-scaled);
    let value = expression(graph, right);
    if value.latex == "\\cdots" {
        return None;
    }
    let name = Formula::new(graph.text(rate), graph.latex(rate));
    Some(equality(name, &value))
}

/// `c` in front of a symbol: nothing for 1, parentheses around sums.
fn scaled(graph: &mut Graph, coefficient: Expr, symbol: &Formula) -> (bool, Formula) {
    if let Some((1, below)) = graph.as_number(coefficient).and_then(Rational::small)
        && below > 1
        && !symbol.text.contains(" int ")
    {
        let text = format!("{}/{below}", symbol.text);
        let latex = format!("\\frac{{1}}{{{below}}} {}", symbol.latex);
        return (false, Formula::new(text, latex));
    }
    let mut value = expression(graph, coefficient);
    if matches!(graph.node(coefficient), Node::Sum(..)) {
        value = grouped(&value);
    }
    match value.text.as_str() {
        "1" => return (false, symbol.clone()),
        "-1" => return (true, symbol.clone()),
        _ => {}
    }
    let negative = value.text.starts_with('-') && value.latex.starts_with('-');
    let cut = usize::from(negative);
    let text = format!("{} {}", &value.text[cut..], symbol.text);
    let latex = format!("{} \\, {}", &value.latex[cut..], symbol.latex);
    (negative, Formula::new(text, latex))
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
        text.push_str(&format!("{sign}{}", piece.text));
        latex.push_str(&format!("{sign}{}", piece.latex));
    }
    if text.is_empty() {
        return "0".into();
    }
    Formula::new(text, latex)
}

/// `c symbol`, with its sign.
pub fn multiple(graph: &mut Graph, coefficient: Expr, symbol: impl Into<Formula>) -> Formula {
    combination(graph, &[(coefficient, symbol.into())])
}

/// The expression or its expansion, whichever is shorter in print.
pub fn tidy(graph: &mut Graph, e: Expr) -> Expr {
    let expanded = graph.expand_quickly(e);
    if graph.text(expanded).len() < graph.text(e).len() {
        expanded
    } else {
        e
    }
}

/// `name_x`, `name_{x y}`: a derivative of an unknown, by the names of the coordinates.
pub fn partial(noising: &Noising, name: &str, along: &[usize]) -> Formula {
    let (names, latex): (Vec<_>, Vec<_>) = along
        .iter()
        .map(|i| {
            let x = noising.state[*i];
            (noising.graph.text(x), noising.graph.latex(x))
        })
        .unzip();
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
    let (one, half) = (noising.graph.one(), noising.graph.rational(1, 2));
    let scalar = as_multiple_of_identity(&noising.graph, &noising.diffusivity);
    if let (true, Some(common)) = (d > 1, scalar) {
        let still = drift.iter().all(|f| noising.graph.is_zero(*f));
        let spread = noising.of(half * common);
        let laplacian = Formula::from(format!("sum_i {name}_ii"));
        if let (false, Some(generic)) = (still, pattern(noising, drift)) {
            let slope = Formula::from(format!("{name}_i"));
            let (negative, term) = scaled(&mut noising.graph, generic, &slope);
            let sign = if negative { "-" } else { "" };
            let carried = Formula::of(&format!("sum_i {sign}{{}}"), &[&term]);
            return combination(&mut noising.graph, &[(one, carried), (spread, laplacian)]);
        }
        if still {
            return multiple(&mut noising.graph, spread, laplacian);
        }
    }
    if d > WRITTEN_OUT {
        return format!("f.grad {name} + 1/2 D : grad grad {name}").into();
    }
    let mut parts = Vec::new();
    for (i, f) in drift.iter().enumerate() {
        parts.push((*f, partial(noising, name, &[i])));
    }
    for i in 0..d {
        for j in i..d {
            let weight = if i == j { half } else { one };
            let weight = noising.of(weight * noising.diffusivity[i][j]);
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
    let parts = vector.iter().enumerate();
    let parts: Vec<(Expr, Formula)> = parts
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
