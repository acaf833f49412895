//! One step of the reverse process with the denoiser frozen: DDIM, DDPM and every noise level.
//!
//! Given `X_t − c = alpha_t (X_0 − c) + sigma_t Z` and a guess `x̂_0` of the denoised state (measured
//! from `c`), the reverse process of noise level h is linear and is stepped exactly from (alpha_1,
//! sigma_1²) to the less noisy (alpha_0, sigma_0²):
//!
//! ```text
//! y_0 ~ N( alpha_0 [ x̂_0 + (y_1/alpha_1 − x̂_0) rho^{(1+h)/2} ],  sigma_0² (1 − rho^h) I )
//! rho = (sigma_0²/alpha_0²) / (sigma_1²/alpha_1²)
//! ```
//!
//! h = 0 is DDIM, h = 1 the ancestral step of DDPM.
//!
//! # Order
//! Exact for data at a single point (a Brownian or Ornstein–Uhlenbeck bridge at h = 1), where the denoiser
//! is constant; order 1 in the step otherwise.
//!
//! # Source
//! Ho, Jain, Abbeel (2020), eqs. (6)–(7); Song, Meng, Ermon, *Denoising diffusion implicit models* (2021),
//! eq. (12).
//!
//! # Checked by
//! `h-invariance`

use crate::discretization::schedule::Schedule;

/// Moments of the noising transition from the data: `X_t ~ N(mean_factor X_0, noise_variance I)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoisedMoments {
    /// alpha
    pub mean_factor: f64,
    /// sigma², state²
    pub noise_variance: f64,
}

impl NoisedMoments {
    /// Of a schedule at time t, counted from `start`, the time of the data.
    pub fn at(schedule: &Schedule, start: f64, t: f64) -> Self {
        Self {
            mean_factor: schedule.mean_factor(start, t),
            noise_variance: schedule.noise_variance(start, t),
        }
    }

    /// After discrete variance-preserving steps `x_k = sqrt(1 − beta_k) x_{k−1} + sqrt(beta_k) z`, one
    /// `beta_k` in (0, 1) each: `alpha² = Π (1 − beta_k)` (the ᾱ of DDPM), `sigma² = 1 − alpha²`.
    pub fn after_steps(betas: impl IntoIterator<Item = f64>) -> Self {
        let log_square: f64 = betas.into_iter().map(|beta| (-beta).ln_1p()).sum();
        Self {
            mean_factor: (0.5 * log_square).exp(),
            noise_variance: -log_square.exp_m1(),
        }
    }

    /// `sigma²/alpha²`, the inverse signal-to-noise ratio.
    pub fn relative_noise(&self) -> f64 {
        self.noise_variance / (self.mean_factor * self.mean_factor)
    }
}

/// Coefficients of the step: `y_0 = state y_1 + denoised x̂_0 + sqrt(variance) z`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReverseStep {
    pub state: f64,
    pub denoised: f64,
    /// state²
    pub variance: f64,
}

impl ReverseStep {
    /// The step from `late` to `early` at noise level h ≥ 0.
    ///
    /// # Panics
    /// If `late` is not noisier than `early`, or h is negative.
    pub fn between(late: NoisedMoments, early: NoisedMoments, noise_level: f64) -> Self {
        let (from, to) = (late.relative_noise(), early.relative_noise());
        assert!(
            from > to,
            "a reverse step ends with less noise: {from} to {to}"
        );
        assert!(noise_level >= 0.0, "noise levels are not negative");
        let log_ratio = to.ln() - from.ln();
        // h = 0 and a step to the data itself would multiply 0 by an infinite logarithm.
        let forgotten = |power: f64| {
            if power == 0.0 {
                0.0
            } else {
                -(power * log_ratio).exp_m1()
            }
        };
        let half = 0.5 * (1.0 + noise_level);
        Self {
            state: early.mean_factor / late.mean_factor * (half * log_ratio).exp(),
            denoised: early.mean_factor * forgotten(half),
            variance: early.noise_variance * forgotten(noise_level),
        }
    }

    /// The same step written for a frozen score `s`, with `x̂_0 = (y + sigma_1² s)/alpha_1` (Tweedie):
    /// factors of `y_1` and of `s`.
    pub fn from_score(&self, late: NoisedMoments) -> (f64, f64) {
        let share = self.denoised / late.mean_factor;
        (self.state + share, share * late.noise_variance)
    }

    /// Mean of the step for one coordinate.
    pub fn mean(&self, denoised: f64, state: f64) -> f64 {
        self.denoised * denoised + self.state * state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule::OrnsteinUhlenbeck {
        rate: 0.7,
        sigma: 1.3,
    };

    fn step(late: f64, early: f64, h: f64) -> ReverseStep {
        let at = |t| NoisedMoments::at(&SCHEDULE, 0.0, t);
        ReverseStep::between(at(late), at(early), h)
    }

    /// With a constant denoiser one step is as good as two: the scheme is exact there.
    #[test]
    fn two_steps_are_one_when_the_denoiser_does_not_move() {
        for h in [0.0, 0.3, 1.0, 2.5] {
            let (first, second, whole) =
                (step(1.4, 0.9, h), step(0.9, 0.25, h), step(1.4, 0.25, h));
            let state = second.state * first.state;
            let denoised = second.denoised + second.state * first.denoised;
            let variance = second.variance + second.state * second.state * first.variance;
            assert!((state - whole.state).abs() < 1e-15);
            assert!((denoised - whole.denoised).abs() < 1e-15);
            assert!((variance - whole.variance).abs() < 1e-15, "h = {h}");
        }
    }

    /// Small steps are those of `dY = (−f + (1+h)/2 g² s) dτ + sqrt(h) g dB` with the score of the
    /// frozen denoiser: a quotient of differences, wrong by the step.
    #[test]
    fn small_steps_have_the_drift_and_the_noise_of_the_reverse_process() {
        let (t, y, denoised, h) = (0.8, 0.6, -0.4, 0.7);
        let late = NoisedMoments::at(&SCHEDULE, 0.0, t);
        let score = (late.mean_factor * denoised - y) / late.noise_variance;
        let diffusivity = SCHEDULE.diffusivity(t);
        let drift = SCHEDULE.decay_rate(t) * y + 0.5 * (1.0 + h) * diffusivity * score;
        let errors = [1e-3, 5e-4].map(|length| {
            let step = step(t, t - length, h);
            let (own, pull) = step.from_score(late);
            assert!((own * y + pull * score - step.mean(denoised, y)).abs() < 1e-14);
            [
                (step.mean(denoised, y) - y) / length - drift,
                step.variance / length - h * diffusivity,
            ]
        });
        for (coarse, fine) in errors[0].iter().zip(&errors[1]) {
            assert!(fine.abs() < 5e-3, "{fine:e}");
            assert!((coarse / fine - 2.0).abs() < 0.02, "{coarse:e} {fine:e}");
        }
    }

    #[test]
    fn the_last_step_lands_on_the_denoised_state() {
        for h in [0.0, 1.0] {
            let step = step(0.5, 0.0, h);
            let landed = ReverseStep {
                state: 0.0,
                denoised: 1.0,
                variance: 0.0,
            };
            assert_eq!(step, landed, "h = {h}");
        }
    }
}
