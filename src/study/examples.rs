//! The problems that come with the program.

/// A shipped problem file.
pub struct Example {
    /// Below `problems/`.
    pub file: &'static str,
    text: &'static str,
}

macro_rules! example {
    ($file:literal) => {
        Example {
            file: $file,
            text: include_str!(concat!("../../problems/", $file)),
        }
    };
}

/// Every shipped problem that is in order.
pub const EXAMPLES: &[Example] = &[
    example!("benchmarks/p1_mixture_paths.toml"),
    example!("benchmarks/p2_mixture_paths_64.toml"),
    example!("benchmarks/p3_flow_likelihood.toml"),
    example!("benchmarks/p4_digits_paths.toml"),
    example!("benchmarks/p5_action_gradient.toml"),
    example!("benchmarks/p5_network_gradient.toml"),
    example!("benchmarks/p6_score_matching.toml"),
    example!("bridge/corners.toml"),
    example!("control/aircraft.toml"),
    example!("control/chain_of_wells.toml"),
    example!("control/double_well_control.toml"),
    example!("control/double_well_discounted.toml"),
    example!("control/double_well_one.toml"),
    example!("control/double_well_stay.toml"),
    example!("control/double_well_ten.toml"),
    example!("control/leave_interval.toml"),
    example!("control/linear_forty.toml"),
    example!("control/linear_ornstein_uhlenbeck.toml"),
    example!("control/lq_oscillator.toml"),
    example!("control/masses_on_springs.toml"),
    example!("control/pendulum_swing_up.toml"),
    example!("control/pendulum_upright.toml"),
    example!("control/push_one.toml"),
    example!("control/quadratic_easy.toml"),
    example!("control/quadratic_hard.toml"),
    example!("control/quadratic_ten.toml"),
    example!("control/rotated_wells.toml"),
    example!("control/three_coupled.toml"),
    example!("path/swirl_transition.toml"),
    example!("path/tilted.toml"),
    example!("reverse/custom_drift.toml"),
    example!("reverse/digits.toml"),
    example!("reverse/faithful.toml"),
    example!("reverse/gaussian_1d.toml"),
    example!("reverse/iris.toml"),
    example!("reverse/iris_four.toml"),
    example!("reverse/mixture_vp.toml"),
    example!("reverse/noise_with_state.toml"),
    example!("reverse/product_six.toml"),
    example!("reverse/swiss_roll.toml"),
    example!("reverse/swiss_roll_cosine.toml"),
    example!("reverse/twenty_five_gaussians.toml"),
    example!("reverse/twenty_five_gaussians_cosine.toml"),
    example!("sample/funnel.toml"),
    example!("sample/gmm_nine.toml"),
    example!("sample/many_well_32.toml"),
    example!("sample/many_well_fifty.toml"),
    example!("sample/many_well_five.toml"),
    example!("simulate/double_well_multiplicative.toml"),
    example!("simulate/trapped_bead.toml"),
];

impl Example {
    /// Its title, or its name without one.
    pub fn title(&self) -> String {
        let entry = |key: &str| {
            let table: toml::Table = self.text.parse().ok()?;
            let value = table.get("problem")?.get(key)?.as_str()?;
            Some(value.to_owned())
        };
        entry("title").or_else(|| entry("name")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::EXAMPLES;
    use crate::problem::meant::kind::{EVERY, Kind};
    use std::path::Path;

    #[test]
    fn every_shipped_problem_is_listed_and_titled() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("problems");
        let mut found = 0;
        let kinds = EVERY.iter().copied().map(Kind::name);
        for folder in kinds.chain(["benchmarks"]) {
            for entry in std::fs::read_dir(root.join(folder)).expect("a folder") {
                let name = entry.expect("an entry").file_name();
                let file = format!("{folder}/{}", name.to_string_lossy());
                let listed = EXAMPLES.iter().find(|example| example.file == file);
                let listed = listed.unwrap_or_else(|| panic!("{file} is not listed"));
                assert!(!listed.title().is_empty(), "{file}");
                found += 1;
            }
        }
        assert_eq!(found, EXAMPLES.len());
    }
}
