//! Orders of the grid schemes, each on its own grid without extrapolation.

use onsager::discretization::density_step::DensityStep;
use onsager::discretization::noising::Noising;
use onsager::discretization::schedule::Schedule;
use onsager::discretization::splitting::SplitTable;
use onsager::discretization::state_grid::StateGrid;
use onsager::discretization::transport::{Transport, graded_times};
use onsager::discretization::value_step::ValueStep;
use onsager::field::noised_mixture::NoisedMixture;
use onsager::field::{Field, LogDensity};
use onsager::numeric::batch::Batch;
use onsager::numeric::tridiagonal::PivotError;
use onsager::problem::meant::law::{Covariance, Mixture};

#[derive(Clone, Copy, Debug)]
enum Scheme {
    Value,
    Density,
}

struct Case {
    noising: Noising,
    exact: NoisedMixture,
    grid: StateGrid,
}

/// Two bumps under an Ornstein–Uhlenbeck process, on a moving grid of one state.
fn case(points: usize) -> Case {
    let data = Mixture {
        weights: vec![0.4, 0.6],
        means: vec![vec![-1.0], vec![0.8]],
        covariances: vec![Covariance::Isotropic(0.15), Covariance::Isotropic(0.1)],
    };
    let schedule = Schedule::OrnsteinUhlenbeck {
        rate: 0.7,
        sigma: 1.1,
    };
    let noising = Noising::isotropic(schedule.clone(), 1, 0.0, 0.6);
    let transition = noising.transition().expect("affine").clone();
    Case {
        exact: NoisedMixture::new(data.clone(), transition, 0.0),
        grid: StateGrid::moving(&[points], &schedule, &[0.0], 0.0, &data).expect("a grid"),
        noising,
    }
}

/// V at the end on the grid.
fn run(case: &Case, scheme: Scheme, steps: usize) -> Vec<f64> {
    let states = case.grid.states(0.0);
    let mut values = vec![0.0; states.points()];
    case.exact.log_density(0.0, states.as_ref(), &mut values);
    let volume = case.grid.at(0.0).log_volume();
    for value in &mut values {
        *value = match scheme {
            Scheme::Value => -*value - volume,
            Scheme::Density => (*value + volume).exp(),
        };
    }
    let mut table = SplitTable::new(&[states.points()], values);
    let mut transport = Transport::new(case.grid.clone(), false);
    let typical = Batch::zeros(1, 1);
    let times = graded_times(&case.noising, 0.0, 0.1, typical.as_ref(), steps);
    for pair in times.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let axes = transport.during(&case.noising, from, to);
        match scheme {
            Scheme::Value => table.strang(|axis, part| {
                Ok::<_, PivotError>(ValueStep::new(&axes[axis], part * (to - from)))
            }),
            Scheme::Density => {
                table.strang(|axis, part| DensityStep::new(&axes[axis], part * (to - from)))
            }
        }
        .expect("regular");
    }
    let values = table.table(1);
    match scheme {
        Scheme::Value => values,
        Scheme::Density => values.iter().map(|rho| -rho.ln()).collect(),
    }
}

/// Rms of the score of `values` minus that of `reference`, by central differences, under the exact end law.
fn distance(case: &Case, values: &[f64], reference: &dyn Fn(usize) -> f64) -> f64 {
    let end = case.noising.end();
    let states = case.grid.states(end);
    let x = states.column(0);
    let mut weight = vec![0.0; x.len()];
    case.exact.log_density(end, states.as_ref(), &mut weight);
    let (mut sum, mut total) = (0.0, 0.0);
    for i in 1..x.len() - 1 {
        let score = -(values[i + 1] - values[i - 1]) / (x[i + 1] - x[i - 1]);
        sum += weight[i].exp() * (score - reference(i)).powi(2);
        total += weight[i].exp();
    }
    (sum / total).sqrt()
}

/// Least-squares slope of log2 error against level.
fn order(errors: &[f64]) -> f64 {
    let n = errors.len() as f64;
    let mean = (n - 1.0) / 2.0;
    let numerator: f64 = errors
        .iter()
        .enumerate()
        .map(|(i, e)| (i as f64 - mean) * e.log2())
        .sum();
    let denominator: f64 = (0..errors.len()).map(|i| (i as f64 - mean).powi(2)).sum();
    -numerator / denominator
}

#[test]
fn order_two_in_space_towards_the_closed_form() {
    for scheme in [Scheme::Value, Scheme::Density] {
        let errors: Vec<f64> = [65, 129, 257, 513]
            .into_iter()
            .map(|points| {
                let case = case(points);
                let values = run(&case, scheme, 2000);
                let end = case.noising.end();
                let states = case.grid.states(end);
                let mut score = Batch::zeros(states.points(), 1);
                case.exact.eval(end, states.as_ref(), score.as_mut());
                distance(&case, &values, &|i| score.get(i, 0))
            })
            .collect();
        let seen = order(&errors);
        assert!(
            (seen - 2.0).abs() < 0.15,
            "{scheme:?}: {seen} from {errors:?}"
        );
        assert!(errors[3] < 2e-4, "{scheme:?}: {errors:?}");
    }
}

#[test]
fn order_two_in_time_against_a_fine_step() {
    let case = case(257);
    for scheme in [Scheme::Value, Scheme::Density] {
        let score = |values: &[f64], i: usize| {
            let states = case.grid.states(case.noising.end());
            let x = states.column(0);
            -(values[i + 1] - values[i - 1]) / (x[i + 1] - x[i - 1])
        };
        let fine = run(&case, scheme, 4096);
        let errors: Vec<f64> = [32, 64, 128, 256]
            .into_iter()
            .map(|steps| distance(&case, &run(&case, scheme, steps), &|i| score(&fine, i)))
            .collect();
        let seen = order(&errors);
        assert!(
            (seen - 2.0).abs() < 0.15,
            "{scheme:?}: {seen} from {errors:?}"
        );
    }
}
