//! What can be typed.

use crate::numeric::blocks::BLOCK;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Stochastic control from a problem file: derive the action principle, discretize it, solve for the
/// optimal drift in several independent ways, compare the answers and verify the identities.
#[derive(Debug, Parser)]
#[command(name = "onsager", version, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Parse and validate problem files, find structure, print the plan; solves nothing
    Check {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Print the file with every default filled in
        #[arg(long)]
        resolved: bool,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Print the derivation with named steps, each executed
    Derive {
        file: PathBuf,
        /// Only these steps, by name
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// The main job: derive, solve, compare, verify, report
    Solve {
        file: PathBuf,
        /// Only these solvers, by id
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        #[command(flatten)]
        overrides: Overrides,
        /// Judge the file's reference numbers although --set changed the problem
        #[arg(long)]
        keep_references: bool,
    },
    /// Only the identities: those a file states, link by link, and the catalogue where it asks for solvers
    Verify {
        /// A problem file, or a folder of them
        file: PathBuf,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Work against precision: every method a problem admits, with more and more work, against the truth
    Bench {
        /// Problem files, or folders of them
        #[arg(required = true, value_name = "FILE|FOLDER")]
        paths: Vec<PathBuf>,
        /// Only these solvers, by id
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Amounts of work: what the file asks for, and so many less one halvings of it
        #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
        levels: u32,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Names, one per row: kinds, methods, checks, presets, structures, examples or codes
    List { what: String },
    /// One page about a code, check, method, structure or kind, or `exit-codes`, or `safety`
    Explain { name: String },
    /// Keys, types and defaults of the problem file; with --json a JSON Schema for editors
    Schema { table: Option<String> },
}

/// Values that replace those in the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Overrides {
    /// Replace a value: table.key=value, or name=value for a parameter
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// Events as JSON lines on standard output instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Results only, no notes
    #[arg(long, global = true)]
    pub quiet: bool,
    /// Colour of terminal output
    #[arg(long, global = true, value_enum, default_value_t = When::Auto)]
    pub color: When,
    /// Progress on standard error
    #[arg(long, global = true, value_enum, default_value_t = When::Auto)]
    pub progress: When,
    /// Threads; 0 is one per core. Results do not depend on it
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Points worked on at a time, for the size of a cache. Results do not depend on it
    #[arg(long, global = true, value_name = "POINTS", default_value_t = BLOCK)]
    pub block: usize,
    /// Seed of all random numbers, instead of the file's
    #[arg(long, global = true, value_name = "N")]
    pub seed: Option<u64>,
    /// Inconclusive checks and warnings count as failures (exit code 4)
    #[arg(long, global = true)]
    pub strict: bool,
    /// End the whole command within this time, such as 90s or 5m, with what is whole by then
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    pub max_time: Option<std::time::Duration>,
    /// Folder that run folders are written to, instead of the file's
    #[arg(long, global = true, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Latex,
    Mathml,
    Json,
}

impl When {
    /// Resolves `auto` by whether the stream is a terminal.
    pub fn holds(self, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal,
        }
    }
}

/// Longest time that is waited for, in seconds.
const LONGEST: f64 = 3.2e9;

/// Reads `90s`, `5m`, `1h` or plain seconds.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let scale = match unit {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unknown unit `{unit}`; use s, m or h")),
    };
    match number.parse::<f64>() {
        Ok(value) if value > 0.0 && value * scale <= LONGEST => {
            Ok(std::time::Duration::from_secs_f64(value * scale))
        }
        Ok(value) if value > 0.0 => Err("a time of at most a century".to_owned()),
        _ => Err("a positive time such as 90s, 5m or 1h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_carry_their_unit() {
        assert_eq!(duration("90s"), Ok(std::time::Duration::from_secs(90)));
        assert_eq!(duration("1.5m"), Ok(std::time::Duration::from_secs(90)));
        assert!(duration("-1s").is_err());
        assert!(duration("5 days").is_err());
        for impossible in ["0s", "nan", "inf", "1e20s", "1e300h", "-1e300"] {
            assert!(duration(impossible).is_err(), "{impossible}");
        }
    }
}
