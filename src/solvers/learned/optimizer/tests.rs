use super::*;

/// Rosenbrock's valley: minimum 0 at (1, 1).
struct Valley;

impl Objective for Valley {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
        gradient[0] = -2.0 * a - 40.0 * x[0] * b;
        gradient[1] = 20.0 * b;
        self.value(x)
    }

    fn value(&self, x: &[f64]) -> f64 {
        (1.0 - x[0]).powi(2) + 10.0 * (x[1] - x[0] * x[0]).powi(2)
    }
}

fn minimise(optimizer: Optimizer, max_iterations: usize) -> (Vec<f64>, StopReason) {
    let settings = DescentSettings {
        optimizer,
        tolerance: 1e-8,
        max_iterations,
    };
    let mut descent = Descent::new(Arc::new(Valley), &[-1.2, 1.0], settings).expect("finite");
    let mut work = Work::default();
    loop {
        match descent.progress() {
            Progress::Stopped(reason) => return (descent.best().to_vec(), reason),
            Progress::Going { .. } => descent.advance(&mut work).expect("finite"),
        }
    }
}

#[test]
fn every_optimizer_finds_the_valley_floor() {
    for (optimizer, limit) in [
        (Optimizer::Lbfgs, 100),
        (Optimizer::NonlinearCg, 300),
        (Optimizer::TrustRegion, 100),
        (Optimizer::NewtonCg, 2000),
        (Optimizer::GaussNewton, 3000),
        (Optimizer::NelderMead, 300),
    ] {
        let (x, reason) = minimise(optimizer, limit);
        let error = (x[0] - 1.0).hypot(x[1] - 1.0);
        assert!(error < 1e-5, "{optimizer:?} ended at {x:?}: {reason}");
    }
}

#[test]
fn an_exhausted_budget_is_not_called_converged() {
    let (_, reason) = minimise(Optimizer::Lbfgs, 3);
    assert!(matches!(
        reason,
        StopReason::IterationLimit { limit: 3, .. }
    ));
}

/// Finite at the start, infinite beyond x = 1: the line search must come back.
struct Cliff;

impl Objective for Cliff {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient[0] = 1.0 / (1.0 - x[0]) - 100.0;
        self.value(x)
    }

    fn value(&self, x: &[f64]) -> f64 {
        -(1.0 - x[0]).ln() - 100.0 * x[0]
    }
}

#[test]
fn overflow_at_a_trial_point_does_not_end_the_descent() {
    let settings = DescentSettings {
        optimizer: Optimizer::Lbfgs,
        tolerance: 1e-6,
        max_iterations: 200,
    };
    let mut descent = Descent::new(Arc::new(Cliff), &[0.0], settings).expect("finite");
    let mut work = Work::default();
    while let Progress::Going { .. } = descent.progress() {
        descent.advance(&mut work).expect("finite");
    }
    assert!(
        (descent.best()[0] - 0.99).abs() < 1e-6,
        "{:?}",
        descent.best()
    );
}
