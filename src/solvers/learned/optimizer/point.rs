//! Vectors as argmin wants them.

use argmin_math::{
    ArgminAdd, ArgminConj, ArgminDiv, ArgminDot, ArgminL1Norm, ArgminL2Norm, ArgminMinMax,
    ArgminMul, ArgminSignum, ArgminSub, ArgminZeroLike,
};
use serde::{Deserialize, Serialize};

/// Argmin's vector: its arithmetic in partial sums that vectorise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Point(pub(super) Vec<f64>);

impl Point {
    fn with(&self, other: &Point, f: impl Fn(f64, f64) -> f64) -> Point {
        Point(
            self.0
                .iter()
                .zip(&other.0)
                .map(|(a, b)| f(*a, *b))
                .collect(),
        )
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Point {
        Point(self.0.iter().map(|a| f(*a)).collect())
    }
}

/// Eight interleaved partial sums.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut partial = [0.0; 8];
    let (head_a, tail_a) = a.as_chunks::<8>();
    let (head_b, tail_b) = b.as_chunks::<8>();
    for (a, b) in head_a.iter().zip(head_b) {
        for l in 0..8 {
            partial[l] += a[l] * b[l];
        }
    }
    let tail: f64 = tail_a.iter().zip(tail_b).map(|(a, b)| a * b).sum();
    partial.iter().sum::<f64>() + tail
}

impl ArgminAdd<Point, Point> for Point {
    fn add(&self, other: &Point) -> Point {
        self.with(other, |a, b| a + b)
    }
}

impl ArgminAdd<f64, Point> for Point {
    fn add(&self, other: &f64) -> Point {
        self.map(|a| a + other)
    }
}

impl ArgminSub<Point, Point> for Point {
    fn sub(&self, other: &Point) -> Point {
        self.with(other, |a, b| a - b)
    }
}

impl ArgminSub<f64, Point> for Point {
    fn sub(&self, other: &f64) -> Point {
        self.map(|a| a - other)
    }
}

impl ArgminMul<Point, Point> for Point {
    fn mul(&self, other: &Point) -> Point {
        self.with(other, |a, b| a * b)
    }
}

impl ArgminMul<f64, Point> for Point {
    fn mul(&self, other: &f64) -> Point {
        self.map(|a| a * other)
    }
}

impl ArgminMul<Point, Point> for f64 {
    fn mul(&self, other: &Point) -> Point {
        other.map(|a| a * self)
    }
}

impl ArgminDiv<f64, Point> for Point {
    fn div(&self, other: &f64) -> Point {
        self.map(|a| a / other)
    }
}

impl ArgminDot<Point, f64> for Point {
    fn dot(&self, other: &Point) -> f64 {
        dot(&self.0, &other.0)
    }
}

impl ArgminL1Norm<f64> for Point {
    fn l1_norm(&self) -> f64 {
        self.0.iter().map(|a| a.abs()).sum()
    }
}

impl ArgminL2Norm<f64> for Point {
    fn l2_norm(&self) -> f64 {
        norm(&self.0)
    }
}

impl ArgminZeroLike for Point {
    fn zero_like(&self) -> Point {
        self.map(|_| 0.0)
    }
}

impl ArgminConj for Point {
    fn conj(&self) -> Point {
        self.clone()
    }
}

impl ArgminSignum for Point {
    fn signum(self) -> Point {
        self.map(f64::signum)
    }
}

impl ArgminMinMax for Point {
    fn min(a: &Point, b: &Point) -> Point {
        a.with(b, f64::min)
    }

    fn max(a: &Point, b: &Point) -> Point {
        a.with(b, f64::max)
    }
}

/// Euclidean length.
pub(super) fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}
