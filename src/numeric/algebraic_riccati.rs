//! The stabilising solution of an algebraic Riccati equation.
//!
//! ```text
//! A'P + P A - P S P + Q = 0,      A - S P stable,      S >= 0,   Q symmetric
//! ```
//!
//! A Cayley transform turns it into the symplectic pair `(A_0, G_0, H_0)`, which structure-preserving doubling squares
//! until `A_k` has died out, `H_k -> P`; Newton's method (Kleinman) takes the residual down to rounding. First every mode
//! of `A` that is not stable is tested (Hautus): it must be reached by `S` and, where `Q >= 0`, be seen by `Q`, else no
//! solution is stabilising or the cheapest policy is not that of a stabilising one.
//!
//! # Order
//! Both iterations are quadratic. `O(d^3)` an iteration; an SVD of `d x 2d` for every mode that is not stable.
//!
//! # Source
//! Chu, Fan and Lin (2005) for the doubling; Kleinman (1968); Kenney and Hewer (1990) for the condition number; Hautus
//! (1969).

use crate::numeric::dense::{faer_view, symmetric_part};
use crate::numeric::symplectic::{SymplecticMap, solved};
use faer::{Mat, Side, c64};
use nalgebra::DMatrix;

/// Doublings after which nothing is left to come.
const DOUBLINGS: usize = 64;
/// Steps of Newton's method.
const NEWTON_STEPS: usize = 12;
/// Transforms that are tried.
const SHIFTS: i32 = 6;
/// Relative change below which an iteration has settled.
const SETTLED: f64 = 1e-16;
/// Real parts above minus this share of the norm count as not stable.
const MARGINAL: f64 = 1e-10;
/// Singular values below this share of the norm count as zero.
const HIDDEN: f64 = 1e-10;
/// Relative residual above which an answer is none.
const WRONG: f64 = 1e-6;

/// An eigenvalue.
pub type Mode = c64;

/// Why there is no solution to be used.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NoSolution {
    #[error("no control reaches the mode {}, which is not stable", written(*.0))]
    Unstabilisable(Mode),
    #[error("the running cost does not see the mode {}, which is not stable", written(*.0))]
    Undetectable(Mode),
    #[error("no policy is stabilising and best: the Hamiltonian matrix has the eigenvalue {} next to the imaginary axis", written(*.0))]
    NotStabilising(Mode),
    #[error("its eigenvalues could not be computed")]
    NoEigenvalues,
}

/// `0.5`, or `0.5 +- 2i`.
fn written(mode: Mode) -> String {
    let real = crate::numeric::digits::significant(mode.re, 6);
    if mode.im == 0.0 {
        return real;
    }
    let imaginary = crate::numeric::digits::significant(mode.im.abs(), 6);
    format!("{real} +- {imaginary}i")
}

/// The solution and how far it is to be trusted.
#[derive(Clone, Debug)]
pub struct Stabilising {
    /// `P`, symmetric to the bit.
    pub form: DMatrix<f64>,
    /// Norm of what is left of the equation over the norms of its terms.
    pub residual: f64,
    /// By how much relative changes of `A`, `S` and `Q` grow in `P` at most, to first order.
    pub condition: f64,
    /// Largest real part of the eigenvalues of `A - S P`, negative.
    pub slowest: f64,
}

/// Solves the equation; `authority` is `S`, `cost` is `Q`.
///
/// # Errors
/// [`NoSolution`], with the mode that fails.
pub fn solve(
    drift: &DMatrix<f64>,
    authority: &DMatrix<f64>,
    cost: &DMatrix<f64>,
) -> Result<Stabilising, NoSolution> {
    let size = drift.norm().max(f64::MIN_POSITIVE);
    let mut loose = eigenvalues(drift)?;
    loose.retain(|mode| mode.re >= -MARGINAL * size && mode.im >= 0.0);
    if let Some(mode) = loose
        .iter()
        .find(|mode| is_hidden(drift, authority, **mode))
    {
        return Err(NoSolution::Unstabilisable(*mode));
    }
    let across = drift.transpose();
    if is_convex(cost)
        && let Some(mode) = loose.iter().find(|mode| is_hidden(&across, cost, **mode))
    {
        return Err(NoSolution::Undetectable(*mode));
    }
    // Both of one size, P as large as its inverse.
    let ratio = (cost.norm() / authority.norm()).sqrt();
    let scale = Some(ratio).filter(|ratio| ratio.is_normal()).unwrap_or(1.0);
    let equation = Equation {
        drift,
        authority: authority * scale,
        cost: cost / scale,
    };
    let found = equation.doubled().and_then(|form| equation.refined(form));
    let Some((form, residual)) = found else {
        return Err(NoSolution::NotStabilising(nearest_to_axis(&equation)?));
    };
    let condition = equation.condition(&form);
    let closed = drift - &equation.authority * &form;
    Ok(Stabilising {
        slowest: slowest(&closed).ok_or(NoSolution::NoEigenvalues)?,
        form: form * scale,
        residual,
        condition,
    })
}

struct Equation<'a> {
    drift: &'a DMatrix<f64>,
    authority: DMatrix<f64>,
    cost: DMatrix<f64>,
}

impl Equation<'_> {
    /// The limit of the doubling.
    fn doubled(&self) -> Option<DMatrix<f64>> {
        let d = self.drift.nrows();
        let norms = [self.drift.norm(), self.authority.norm(), self.cost.norm()];
        let size = norms.iter().fold(0.0_f64, |a, b| a.hypot(*b)) / (d as f64).sqrt();
        (0..SHIFTS)
            .map(|k| size.max(f64::MIN_POSITIVE) * 0.61 * 1.83_f64.powi(k))
            .find_map(|shift| self.doubled_from(shift))
    }

    /// From the transform with one shift; `None` where that meets an eigenvalue or nothing settles.
    fn doubled_from(&self, shift: f64) -> Option<DMatrix<f64>> {
        let d = self.drift.nrows();
        let identity = DMatrix::<f64>::identity(d, d);
        let shifted = self.drift - &identity * shift;
        let inverse = solved(&shifted, &identity)?;
        let whole = &shifted + &self.authority * inverse.tr_mul(&self.cost);
        let inner = solved(&whole, &identity)?;
        let mut span = SymplecticMap {
            map: &identity + &inner * (2.0 * shift),
            spread: symmetric_part(
                &(&inverse * &self.authority * inner.transpose() * (2.0 * shift)),
            ),
            form: symmetric_part(&(inner.tr_mul(&self.cost) * &inverse * (2.0 * shift))),
        };
        for _ in 0..DOUBLINGS {
            let next = span.doubled()?;
            if (&next.form - &span.form).norm() <= SETTLED * next.form.norm() {
                return Some(next.form);
            }
            span = next;
        }
        None
    }

    /// What is left of the equation, and that over the norms of its terms.
    fn residual(&self, form: &DMatrix<f64>) -> (DMatrix<f64>, f64) {
        let carried = form * self.drift;
        let bent = form * &self.authority * form;
        let left = symmetric_part(&(&carried + carried.transpose() - &bent + &self.cost));
        let scale = 2.0 * carried.norm() + bent.norm() + self.cost.norm();
        let relative = left.norm() / scale.max(f64::MIN_POSITIVE);
        (left, relative)
    }

    /// Newton's method from there, as long as it helps; `None` where the closed loop is not stable.
    fn refined(&self, mut form: DMatrix<f64>) -> Option<(DMatrix<f64>, f64)> {
        let (mut left, mut best) = self.residual(&form);
        for _ in 0..NEWTON_STEPS {
            let closed = self.drift - &self.authority * &form;
            let step = lyapunov(&closed, &left)?;
            let next = symmetric_part(&(&form + step));
            let (after, relative) = self.residual(&next);
            if relative.is_nan() || relative >= best {
                break;
            }
            let settled = relative > 0.5 * best;
            (form, left, best) = (next, after, relative);
            if settled {
                break;
            }
        }
        let closed = self.drift - &self.authority * &form;
        let stable = eigenvalues(&closed).ok()?.iter().all(|mode| mode.re < 0.0);
        (stable && best < WRONG).then_some((form, best))
    }

    /// The bound of Kenney and Hewer.
    fn condition(&self, form: &DMatrix<f64>) -> f64 {
        let d = form.nrows();
        let closed = self.drift - &self.authority * form;
        let of = |right: &DMatrix<f64>| {
            lyapunov(&closed, right).map_or(f64::INFINITY, |h| spectral_norm(&h))
        };
        let [flat, bent] = [of(&DMatrix::identity(d, d)), of(&(form * form))];
        let drift = spectral_norm(&self.drift.tr_mul(self.drift)).sqrt();
        let cross = 2.0 * (flat * bent).sqrt() * drift;
        let whole =
            flat * spectral_norm(&self.cost) + cross + bent * spectral_norm(&self.authority);
        (whole / spectral_norm(form).max(f64::MIN_POSITIVE)).max(1.0)
    }
}

/// `A'X + X A = -R` for a stable A, by Smith's squared iteration; `None` where it does not settle.
fn lyapunov(drift: &DMatrix<f64>, right: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let d = drift.nrows();
    let identity = DMatrix::<f64>::identity(d, d);
    let shift = (drift.norm() / (d as f64).sqrt()).max(f64::MIN_POSITIVE);
    let inverse = solved(&(drift - &identity * shift), &identity)?;
    let mut map = &identity + &inverse * (2.0 * shift);
    let mut sum = symmetric_part(&(inverse.tr_mul(right) * &inverse * (2.0 * shift)));
    for _ in 0..DOUBLINGS {
        let gained = symmetric_part(&map.tr_mul(&(&sum * &map)));
        sum += &gained;
        if !sum.norm().is_finite() {
            return None;
        }
        if gained.norm() <= SETTLED * sum.norm() {
            return Some(sum);
        }
        map = &map * &map;
    }
    None
}

/// Largest real part of the eigenvalues; `None` where they could not be computed.
pub fn slowest(matrix: &DMatrix<f64>) -> Option<f64> {
    let modes = eigenvalues(matrix).ok()?;
    let real = modes.iter().map(|mode| mode.re);
    Some(real.fold(f64::NEG_INFINITY, f64::max))
}

fn eigenvalues(matrix: &DMatrix<f64>) -> Result<Vec<Mode>, NoSolution> {
    let found = faer_view(matrix).eigenvalues();
    found.map_err(|_| NoSolution::NoEigenvalues)
}

/// Whether `[A - lambda, T]` has lost rank: nothing that goes through `T` moves the mode.
fn is_hidden(drift: &DMatrix<f64>, through: &DMatrix<f64>, mode: Mode) -> bool {
    let d = drift.nrows();
    let size = drift.norm().max(f64::MIN_POSITIVE);
    let scale = Some(size / through.norm()).filter(|scale| scale.is_finite());
    let scale = scale.unwrap_or(0.0);
    let both = Mat::<c64>::from_fn(d, 2 * d, |i, j| match j.checked_sub(d) {
        Some(k) => c64::new(scale * through[(i, k)], 0.0),
        None if i == j => c64::new(drift[(i, j)], 0.0) - mode,
        None => c64::new(drift[(i, j)], 0.0),
    });
    let Ok(values) = both.singular_values() else {
        return false;
    };
    values.iter().copied().fold(f64::INFINITY, f64::min) <= HIDDEN * size
}

/// Whether no eigenvalue of a symmetric matrix is below zero but for rounding.
fn is_convex(matrix: &DMatrix<f64>) -> bool {
    let values = faer_view(matrix).self_adjoint_eigenvalues(Side::Lower);
    let least = values.map_or(f64::NAN, |values| {
        values.iter().copied().fold(0.0, f64::min)
    });
    least >= -(matrix.nrows() as f64) * f64::EPSILON * matrix.norm()
}

/// Largest size of the eigenvalues of a symmetric matrix.
fn spectral_norm(matrix: &DMatrix<f64>) -> f64 {
    let values = faer_view(matrix).self_adjoint_eigenvalues(Side::Lower);
    values.map_or(f64::NAN, |values| {
        values.iter().fold(0.0, |most: f64, v| most.max(v.abs()))
    })
}

/// The eigenvalue of the Hamiltonian matrix nearest to the imaginary axis.
fn nearest_to_axis(equation: &Equation<'_>) -> Result<Mode, NoSolution> {
    let d = equation.drift.nrows();
    let mut whole = DMatrix::zeros(2 * d, 2 * d);
    whole.view_mut((0, 0), (d, d)).copy_from(equation.drift);
    whole
        .view_mut((0, d), (d, d))
        .copy_from(&-&equation.authority);
    whole.view_mut((d, 0), (d, d)).copy_from(&-&equation.cost);
    whole
        .view_mut((d, d), (d, d))
        .copy_from(&-equation.drift.transpose());
    let modes = eigenvalues(&whole)?;
    let nearest = modes
        .into_iter()
        .min_by(|a, b| a.re.abs().total_cmp(&b.re.abs()));
    nearest.ok_or(NoSolution::NoEigenvalues)
}

#[cfg(test)]
mod tests;
