//! Calls that make or take matrices.

use super::elaborate::Elaborator;
use super::error::ExprError;
use super::graph::Expr;
use super::linear::Trouble;
use super::scope::Value;
use super::syntax::Syntax;
use std::ops::Range;

impl Elaborator<'_> {
    pub(super) fn matrix_call(
        &mut self,
        name: &str,
        arguments: &[Syntax],
        span: &Range<usize>,
    ) -> Option<Value> {
        match name {
            "outer" => {
                let (v, w) = (self.vector(&arguments[0]), self.vector(&arguments[1]));
                let (v, w) = (v?, w?);
                self.spend(v.len() * w.len(), span)?;
                let rows = v
                    .iter()
                    .map(|a| w.iter().map(|b| self.graph.mul(&[*a, *b])).collect());
                Some(Value::Matrix(rows.collect()))
            }
            "quad" => {
                let (matrix, v) = (self.value(&arguments[0]), self.vector(&arguments[1]));
                let (matrix, v) = (matrix?, v?);
                self.spend(v.len() * v.len(), span)?;
                self.quadratic(matrix, &v, arguments)
            }
            "trace" => {
                let (_, m) = self.square_matrix(&arguments[0])?;
                let diagonal: Vec<_> = (0..m.len()).map(|i| m[i][i]).collect();
                Some(Value::Scalar(self.graph.add(&diagonal)))
            }
            "diag" => {
                let v = self.vector(&arguments[0])?;
                self.diagonal(&v, span)
            }
            "eye" => match self.integer(&arguments[0])? {
                n @ 1..=500 => {
                    let ones = vec![self.graph.one(); usize::try_from(n).unwrap_or(0)];
                    self.diagonal(&ones, span)
                }
                n => {
                    let message = format!("no identity matrix of size {n}");
                    let label = "sizes are 1 to 500";
                    let span = arguments[0].span.clone();
                    self.fail(ExprError::new("E123", span, message, label))
                }
            },
            "det" => {
                let (_, m) = self.square_matrix(&arguments[0])?;
                self.spend(m.len().pow(3), span)?;
                match self.graph.determinant(&m) {
                    Some(value) => Some(Value::Scalar(value)),
                    None => self.trouble(Trouble::TooLarge, name, m.len(), span),
                }
            }
            _ => self.solution(name, arguments, span),
        }
    }

    /// `inv(A)`, or `solve(A, b)` for a vector or matrix `b`.
    fn solution(&mut self, name: &str, arguments: &[Syntax], span: &Range<usize>) -> Option<Value> {
        let matrix = self.square_matrix(&arguments[0]);
        let right = match arguments.get(1) {
            Some(syntax) => Some(self.value(syntax)?),
            None => None,
        };
        let (scalar, m) = matrix?;
        let columns: Vec<Vec<Expr>> = match &right {
            None => {
                let (zero, one) = (self.graph.zero(), self.graph.one());
                let n = m.len();
                let row = |i| (0..n).map(|j| if i == j { one } else { zero }).collect();
                (0..n).map(row).collect()
            }
            Some(Value::Scalar(b)) => vec![vec![*b]],
            Some(Value::Vector(b)) => b.iter().map(|e| vec![*e]).collect(),
            Some(Value::Matrix(b)) => b.clone(),
        };
        let n = m.len();
        if columns.len() != n {
            let shape = right.map_or_else(String::new, |r| r.shape());
            let message = format!("`{name}` of matrix[{n}, {n}] and {shape}");
            let error = ExprError::new("E122", arguments[1].span.clone(), message, shape);
            let label = format!("matrix[{n}, {n}]");
            return self.fail(error.second(arguments[0].span.clone(), label));
        }
        self.spend(n.pow(3), span)?;
        let rows = match self.graph.solve_linear(&m, &columns) {
            Ok(rows) => rows,
            Err(trouble) => return self.trouble(trouble, name, n, span),
        };
        Some(match right {
            None if scalar => Value::Scalar(rows[0][0]),
            Some(Value::Scalar(_)) => Value::Scalar(rows[0][0]),
            Some(Value::Vector(_)) => Value::Vector(rows.into_iter().flatten().collect()),
            None | Some(Value::Matrix(_)) => Value::Matrix(rows),
        })
    }

    fn trouble<T>(
        &mut self,
        trouble: Trouble,
        name: &str,
        n: usize,
        span: &Range<usize>,
    ) -> Option<T> {
        let error = match trouble {
            Trouble::Singular => {
                let message = format!("`{name}` of a singular matrix");
                ExprError::new("E126", span.clone(), message, "the determinant is 0")
            }
            Trouble::TooLarge => {
                let message =
                    format!("the determinant of this matrix[{n}, {n}] has too many terms");
                let label = "dense symbolic matrices go to about 12 rows";
                ExprError::new("E103", span.clone(), message, label)
            }
        };
        self.fail(error)
    }

    /// The rows of a square matrix; a scalar counts as one of size 1, and the flag says so.
    fn square_matrix(&mut self, syntax: &Syntax) -> Option<(bool, Vec<Vec<Expr>>)> {
        match self.value(syntax)? {
            Value::Scalar(e) => Some((true, vec![vec![e]])),
            Value::Matrix(rows) if rows.iter().all(|row| row.len() == rows.len()) => {
                Some((false, rows))
            }
            other => self.fail(other.unfit("a square matrix is needed", &syntax.span)),
        }
    }

    fn diagonal(&mut self, v: &[Expr], span: &Range<usize>) -> Option<Value> {
        self.spend(v.len() * v.len(), span)?;
        let zero = self.graph.zero();
        let row = |i: usize| {
            (0..v.len())
                .map(|j| if i == j { v[i] } else { zero })
                .collect()
        };
        Some(Value::Matrix((0..v.len()).map(row).collect()))
    }

    fn quadratic(&mut self, matrix: Value, v: &[Expr], arguments: &[Syntax]) -> Option<Value> {
        let rows = match matrix {
            Value::Scalar(e) if v.len() == 1 => vec![vec![e]],
            Value::Matrix(rows)
                if rows.len() == v.len() && rows.iter().all(|row| row.len() == v.len()) =>
            {
                rows
            }
            other => {
                let n = v.len();
                let message = format!("`quad` of {} and vector[{n}]", other.shape());
                let label = format!("expected matrix[{n}, {n}]");
                let error = ExprError::new("E122", arguments[0].span.clone(), message, label);
                return self.fail(error.second(arguments[1].span.clone(), format!("vector[{n}]")));
            }
        };
        let image: Vec<_> = rows.iter().map(|row| self.dot(row, v)).collect();
        Some(Value::Scalar(self.dot(v, &image)))
    }
}
