//! How coefficients and equations are written: in full where that is short, by their pattern where the
//! dimension is high.

use crate::derivation::noising::Noising;
use crate::derivation::step::Formula;
use crate::expr::{Expr, Graph};

/// Up to this dimension components are written out.
const WRITTEN_OUT: usize = 3;

/// Longer expressions are only announced.
const LONGEST: usize = 240;

/// The expression, multiplied out if that is shorter; only its size if it is very long.
fn expression(graph: &mut Graph, e: Expr) -> Formula {
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

fn equality(name: &Formula, value: &Formula) -> Formula {
    Formula::new(
        format!("{} = {}", name.text, value.text),
        format!("{} = {}", name.latex, value.latex),
    )
}

/// The component as a function of its own coordinate `x[i]`, if it has no other.
fn own_pattern(noising: &mut Noising, component: Expr, i: usize) -> Option<Expr> {
    let generic = noising.graph.unknown("x[i]", &[]);
    let own = noising.state[i];
    let image = noising.graph.substitute(component, &[(own, generic)]);
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
    let text: Vec<&str> = parts.iter().map(|p| p.text.as_str()).collect();
    let latex: Vec<&str> = parts.iter().map(|p| p.latex.as_str()).collect();
    let tuple = Formula::new(
        format!("({})", text.join(", ")),
        format!("\\left({}\\right)", latex.join(",\\; ")),
    );
    equality(name, &tuple)
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
    let diag = Formula::new(
        format!("diag {}", name.text),
        format!("\\operatorname{{diag}} {}", name.latex),
    );
    vector(noising, &diag, diagonal)
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
