use super::*;
use crate::numeric::batch::Batch;

struct Answers {
    value: Vec<f64>,
    gradient: Batch,
    laplacian: Vec<f64>,
}

fn evaluate(spline: &GridInterpolant, points: &Batch) -> Answers {
    let n = points.points();
    let mut a = Answers {
        value: vec![0.0; n],
        gradient: Batch::zeros(n, points.columns()),
        laplacian: vec![0.0; n],
    };
    spline.eval(
        points.as_ref(),
        &mut a.value,
        a.gradient.as_mut(),
        Some(&mut a.laplacian),
    );
    a
}

/// A plane grid over [-1, 1] × [0, 2] and largest errors of f = sin(2x + y) e^{-y/2}.
fn errors(counts: [usize; 2]) -> [f64; 3] {
    let axes = [
        UniformAxis::between(-1.0, 1.0, counts[0]),
        UniformAxis::between(0.0, 2.0, counts[1]),
    ];
    let f = |x: f64, y: f64| (2.0 * x + y).sin() * (-0.5 * y).exp();
    let mut values = Vec::new();
    for i in 0..counts[0] {
        for j in 0..counts[1] {
            values.push(f(axes[0].node(i), axes[1].node(j)));
        }
    }
    let spline = GridInterpolant::new(&axes, &values).expect("valid grid");
    let rows: Vec<[f64; 2]> = (0..120 * 120)
        .map(|k| {
            let (u, v) = ((k / 120) as f64 / 119.0, (k % 120) as f64 / 119.0);
            [2.0 * u - 1.0, 2.0 * v]
        })
        .collect();
    let got = evaluate(&spline, &Batch::from_rows(2, &rows));
    let mut worst = [0.0_f64; 3];
    for (i, [x, y]) in rows.iter().enumerate() {
        let (s, c, e) = ((2.0 * x + y).sin(), (2.0 * x + y).cos(), (-0.5 * y).exp());
        let exact_laplacian = e * (-4.0 * s + (-0.75 * s - c));
        worst[0] = worst[0].max((got.value[i] - s * e).abs());
        worst[1] = worst[1]
            .max((got.gradient.get(i, 0) - 2.0 * c * e).abs())
            .max((got.gradient.get(i, 1) - (c - 0.5 * s) * e).abs());
        worst[2] = worst[2].max((got.laplacian[i] - exact_laplacian).abs());
    }
    worst
}

#[test]
fn orders_are_four_three_and_two() {
    let (coarse, fine) = (errors([17, 21]), errors([33, 41]));
    for (k, order) in [4.0, 3.0, 2.0].into_iter().enumerate() {
        let seen = (coarse[k] / fine[k]).log2();
        assert!((seen - order).abs() < 0.4, "derivative {k}: order {seen}");
    }
    assert!(fine[0] < 2e-5, "{fine:?}");
}

#[test]
fn cubics_are_reproduced_whatever_the_grid() {
    let axis = UniformAxis {
        start: -2.0,
        step: 0.7,
        count: 4,
    };
    let f = |x: f64| 1.0 + x * (2.0 + x * (-3.0 + 0.5 * x));
    let values: Vec<f64> = (0..4).map(|i| f(axis.node(i))).collect();
    let spline = GridInterpolant::new(&[axis], &values).expect("valid grid");
    let points = Batch::from_columns(5, 1, vec![-2.0, -1.3, -0.4, 0.05, 0.1]);
    let got = evaluate(&spline, &points);
    for (i, x) in points.column(0).iter().enumerate() {
        assert!((got.value[i] - f(*x)).abs() < 1e-13);
        let slope = 2.0 + x * (-6.0 + 1.5 * x);
        assert!((got.gradient.get(i, 0) - slope).abs() < 1e-13);
        assert!((got.laplacian[i] - (3.0 * x - 6.0)).abs() < 1e-12);
    }
}

#[test]
fn a_blend_is_the_spline_of_the_blended_values() {
    let axes = [
        UniformAxis::between(-1.0, 1.0, 7),
        UniformAxis::between(0.0, 2.0, 9),
    ];
    let table = |k: f64| -> Vec<f64> { (0..63).map(|i| (k * f64::from(i)).sin()).collect() };
    let spline = |values: &[f64]| GridInterpolant::new(&axes, values).expect("valid grid");
    let (a, b) = (table(0.7), table(1.3));
    let mixed: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 0.25 * a - 2.0 * b).collect();
    let points = Batch::from_rows(2, &[[0.1, 0.2], [-0.7, 1.9], [1.5, -0.3]]);
    let expected = evaluate(&spline(&mixed), &points);
    let (a, b) = (spline(&a), spline(&b));
    let mut value = [0.0; 3];
    let (mut gradient, mut second) = (Batch::zeros(3, 2), Batch::zeros(3, 2));
    Blend::new(vec![(0.25, &a), (-2.0, &b)]).eval(
        points.as_ref(),
        &mut value,
        gradient.as_mut(),
        Some(second.as_mut()),
    );
    for (i, value) in value.iter().enumerate() {
        let laplacian = second.get(i, 0) + second.get(i, 1);
        assert!((value - expected.value[i]).abs() < 1e-12);
        assert!((gradient.get(i, 1) - expected.gradient.get(i, 1)).abs() < 1e-11);
        assert!((laplacian - expected.laplacian[i]).abs() < 1e-10);
    }
}

#[test]
fn few_nodes_give_the_line_and_the_parabola() {
    for (count, exact) in [(2, 5.0), (3, 3.25)] {
        let axis = UniformAxis::between(0.0, 2.0, count);
        let values: Vec<f64> = (0..count).map(|i| 1.0 + axis.node(i).powi(2)).collect();
        let spline = GridInterpolant::new(&[axis], &values).expect("valid grid");
        let got = evaluate(&spline, &Batch::from_columns(1, 1, vec![1.5]));
        let exact = if count == 2 { 1.0 + 2.0 * 1.5 } else { exact };
        assert!((got.value[0] - exact).abs() < 1e-14);
    }
}

#[test]
fn outside_the_grid_a_quadratic_goes_on_and_other_gradients_go_on_linearly() {
    let axes = [
        UniformAxis::between(-1.0, 1.0, 6),
        UniformAxis::between(-2.0, 1.0, 9),
    ];
    let f = |x: f64, y: f64| -0.5 * x * x + 0.3 * x * y - y * y + x;
    let mut values = Vec::new();
    for i in 0..6 {
        for j in 0..9 {
            values.push(f(axes[0].node(i), axes[1].node(j)));
        }
    }
    let spline = GridInterpolant::new(&axes, &values).expect("valid grid");
    let rows = [[9.0, -0.5], [-4.0, 6.0], [0.3, -11.0], [5.0, 5.0]];
    let got = evaluate(&spline, &Batch::from_rows(2, &rows));
    // Rounding grows like the squared number of steps outside, here up to a thousand.
    for (i, [x, y]) in rows.into_iter().enumerate() {
        assert!((got.value[i] - f(x, y)).abs() < 1e-10);
        assert!((got.gradient.get(i, 0) - (-x + 0.3 * y + 1.0)).abs() < 1e-10);
        assert!((got.gradient.get(i, 1) - (0.3 * x - 2.0 * y)).abs() < 1e-10);
        assert!((got.laplacian[i] + 3.0).abs() < 1e-10);
    }

    let axis = UniformAxis::between(0.0, 3.0, 31);
    let values: Vec<f64> = (0..31).map(|i| axis.node(i).sin()).collect();
    let spline = GridInterpolant::new(&[axis], &values).expect("valid grid");
    let points = Batch::from_columns(4, 1, vec![3.0, 3.5, 4.0, f64::NAN]);
    let got = evaluate(&spline, &points);
    let slope = got.gradient.column(0);
    assert!((slope[2] - 2.0 * slope[1] + slope[0]).abs() < 1e-13);
    assert!((slope[1] - slope[0] - 0.5 * got.laplacian[0]).abs() < 1e-13);
    assert!(got.value[3].is_nan() && slope[3].is_nan());
}

#[test]
fn bad_grids_are_refused() {
    let axis = UniformAxis::between(0.0, 1.0, 3);
    assert_eq!(
        GridInterpolant::new(&[axis; 4], &[0.0; 81]).map(|_| ()),
        Err(InterpolationError::Dimension(4))
    );
    assert_eq!(
        GridInterpolant::new(&[axis], &[0.0; 4]).map(|_| ()),
        Err(InterpolationError::Values {
            nodes: 3,
            values: 4
        })
    );
    let flat = UniformAxis { step: 0.0, ..axis };
    assert!(GridInterpolant::new(&[axis, flat], &[0.0; 9]).is_err());
}

/// A product of cubics is its own tensor spline, in three dimensions and with every way to ask for it.
#[test]
fn a_product_of_cubics_is_reproduced_in_space() {
    let axes = [
        UniformAxis::between(-1.0, 2.0, 6),
        UniformAxis::between(0.0, 1.0, 9),
        UniformAxis::between(-2.0, 0.5, 21),
    ];
    let cubics = |x: &[f64]| {
        [
            1.0 + x[0] * (2.0 - x[0] * x[0]),
            0.5 - x[1] * x[1] * (1.0 - x[1]),
            2.0 + x[2] * (1.0 + 0.3 * x[2] * x[2]),
        ]
    };
    let slopes = |x: &[f64]| {
        [
            2.0 - 3.0 * x[0] * x[0],
            x[1] * (3.0 * x[1] - 2.0),
            1.0 + 0.9 * x[2] * x[2],
        ]
    };
    let bends = |x: &[f64]| [-6.0 * x[0], 6.0 * x[1] - 2.0, 1.8 * x[2]];
    let mut values = Vec::new();
    for i in 0..6 {
        for j in 0..9 {
            for k in 0..21 {
                let x = [axes[0].node(i), axes[1].node(j), axes[2].node(k)];
                values.push(cubics(&x).iter().product());
            }
        }
    }
    let spline = GridInterpolant::new(&axes, &values).expect("valid grid");
    let rows = [[-0.9, 0.05, 0.4], [0.3, 0.77, -1.3], [1.99, 1.0, -2.0]];
    let points = Batch::from_rows(3, &rows);
    let got = evaluate(&spline, &points);
    let mut alone = [0.0; 3];
    spline.values_at(points.as_ref(), &mut alone);
    let mut blended = [0.0; 3];
    let (mut gradient, mut second) = (Batch::zeros(3, 3), Batch::zeros(3, 3));
    Blend::new(vec![(0.75, &spline), (0.25, &spline)]).eval(
        points.as_ref(),
        &mut blended,
        gradient.as_mut(),
        Some(second.as_mut()),
    );
    for (i, x) in rows.iter().enumerate() {
        let f = cubics(x);
        let value: f64 = f.iter().product();
        for found in [got.value[i], alone[i], blended[i]] {
            assert!((found - value).abs() < 1e-12, "{found} {value}");
        }
        for (j, own) in f.iter().enumerate() {
            let others = value / own;
            let (slope, bend) = (slopes(x)[j] * others, bends(x)[j] * others);
            assert!((got.gradient.get(i, j) - slope).abs() < 1e-11);
            assert!((gradient.get(i, j) - slope).abs() < 1e-11);
            assert!((second.get(i, j) - bend).abs() < 1e-10);
        }
        let laplacian: f64 = (0..3).map(|j| second.get(i, j)).sum();
        assert!((got.laplacian[i] - laplacian).abs() < 1e-10);
    }
}
