//! At most one suggestion for a name that does not exist.
//!
//! Compared in lower case with `-` and `_` equal; accepted up to a Damerau–Levenshtein distance of
//! `min(3, length/3 + 1)`. Ties give none: a wrong suggestion costs more than no suggestion.

/// The candidate nearest to what was typed, if it is near and alone.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = normal(typed);
    let limit = (typed.chars().count() / 3 + 1).min(3);
    let mut best: Option<(usize, &str)> = None;
    let mut tied = false;
    for candidate in candidates {
        let distance = strsim::damerau_levenshtein(&typed, &normal(candidate));
        match best {
            Some((least, name)) if distance == least => tied |= name != candidate,
            Some((least, _)) if distance > least => {}
            _ => {
                best = Some((distance, candidate));
                tied = false;
            }
        }
    }
    best.filter(|(distance, _)| *distance <= limit && !tied)
        .map(|(_, name)| name)
}

/// "did you mean `x`?", or nothing.
pub fn did_you_mean<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(typed, candidates).map(|name| format!("did you mean `{name}`?"))
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// What other programs call it.
enum Synonym {
    /// Another key, suggested only where that key is valid.
    Key(&'static str),
    /// A sentence, valid anywhere.
    Advice(&'static str),
}

/// The synonym of a key, given the keys valid where it was typed.
pub fn synonym(typed: &str, valid: &[&str]) -> Option<String> {
    use Synonym::{Advice, Key};
    let meaning = match typed {
        "noise" | "sigma_fn" | "vol" | "volatility" | "g" | "G" => Key("diffusion"),
        "mu" | "f" | "rhs" => Key("drift"),
        "T" | "tspan" | "t_span" | "t_end" | "tmax" => Key("horizon"),
        "cov_matrix" | "covariance" | "variance" | "var" => Key("cov"),
        "covariances" | "variances" => Key("covs"),
        "filename" | "path" | "csv" => Key("file"),
        "normalize" | "normalise" | "standardise" | "whiten" => Key("standardize"),
        "test_fraction" | "validation" | "test" => Key("holdout"),
        "kernel_width" | "kde" => Key("bandwidth"),
        "tolerance" | "eps" | "atol" => Key("tol"),
        "max_iterations" | "maxiter" | "iterations" | "epochs" => Key("max_iter"),
        "n_paths" | "batch" | "batch_size" => Key("paths"),
        "n_steps" | "num_steps" => Key("steps"),
        "sde" | "schedule" => Key("preset"),
        "dt" => Advice("set `time.steps`"),
        "x0" => Advice("the start belongs in [data]"),
        _ => return None,
    };
    match meaning {
        Key(name) if valid.contains(&name) => Some(format!("did you mean `{name}`?")),
        Key(_) => None,
        Advice(text) => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let keys = ["state", "drift", "diffusion", "horizon"];
        assert_eq!(nearest("difusion", keys), Some("diffusion"));
        assert_eq!(nearest("dirft", keys), Some("drift"));
        assert_eq!(nearest("colour", keys), None);
    }

    #[test]
    fn dashes_underscores_and_case_do_not_count() {
        assert_eq!(nearest("Log_SNR", ["log-snr", "log"]), Some("log-snr"));
    }

    #[test]
    fn a_tie_gives_no_suggestion() {
        assert_eq!(nearest("rat", ["cat", "bat"]), None);
        assert_eq!(nearest("cat", ["cat", "bat"]), Some("cat"));
    }

    #[test]
    fn a_synonym_is_suggested_only_where_its_key_is_valid() {
        let valid = ["drift", "diffusion"];
        assert_eq!(
            synonym("vol", &valid),
            Some("did you mean `diffusion`?".to_owned())
        );
        assert_eq!(synonym("T", &valid), None);
        assert_eq!(synonym("dt", &valid), Some("set `time.steps`".to_owned()));
    }
}
