//! Sums over slices, in forms that vectorise.

/// `y += scale · x`.
pub fn add_scaled(scale: f64, x: &[f64], y: &mut [f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += scale * x;
    }
}

/// Dot product in eight interleaved partial sums, so that it vectorises.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
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

/// Sum in eight interleaved partial sums, so that it vectorises.
#[inline(always)]
pub fn sum(values: &[f64]) -> f64 {
    let (head, tail) = values.as_chunks::<8>();
    let mut partial = [0.0; 8];
    for lanes in head {
        for l in 0..8 {
            partial[l] += lanes[l];
        }
    }
    partial.iter().chain(tail).sum()
}
