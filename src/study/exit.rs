//! Exit codes: one meaning each, the same for every command.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Solved,
    CheckFailed,
    BadInput,
    NotConverged,
    Inconclusive,
    InputOutput,
    TimeLimit,
    Internal,
    Interrupted,
}

impl Exit {
    pub const ALL: [Self; 9] = [
        Self::Solved,
        Self::CheckFailed,
        Self::BadInput,
        Self::NotConverged,
        Self::Inconclusive,
        Self::InputOutput,
        Self::TimeLimit,
        Self::Internal,
        Self::Interrupted,
    ];

    pub fn code(self) -> u8 {
        match self {
            Self::Solved => 0,
            Self::CheckFailed => 1,
            Self::BadInput => 2,
            Self::NotConverged => 3,
            Self::Inconclusive => 4,
            Self::InputOutput => 5,
            Self::TimeLimit => 6,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Self::Solved => {
                "solved; every check passed, was proved, was skipped with a reason or is listed as inconclusive"
            }
            Self::CheckFailed => "solved, at least one check failed; results are written",
            Self::BadInput => "the file or the command line is wrong; nothing was run or written",
            Self::NotConverged => {
                "a solver failed or did not converge, or every method refused; results, where there are any, are written and marked"
            }
            Self::Inconclusive => {
                "with --strict only: no failure, but something is inconclusive or a warning stands"
            }
            Self::InputOutput => "input, output or resources failed: missing data, full disk",
            Self::TimeLimit => "--max-time reached; partial results are written and marked",
            Self::Internal => "the program is wrong; nothing is written",
            Self::Interrupted => "interrupted; partial results are written and marked",
        }
    }

    /// Name of the page about them.
    pub const PAGE: &str = "exit-codes";

    /// The page about them.
    pub fn page() -> String {
        let mut text =
            String::from("exit-codes - how a command ended, the same for every command\n\n");
        for exit in Self::ALL {
            text.push_str(&format!("  {:<3} {}\n", exit.code(), exit.meaning()));
        }
        text.push_str("\n  when several apply: 70, 130, 2, 5, 6, 3, 1, 4, in this order\n");
        text
    }

    /// The one that wins when several apply.
    pub fn worst(candidates: impl IntoIterator<Item = Self>) -> Self {
        const PRECEDENCE: [Exit; 9] = [
            Exit::Internal,
            Exit::Interrupted,
            Exit::BadInput,
            Exit::InputOutput,
            Exit::TimeLimit,
            Exit::NotConverged,
            Exit::CheckFailed,
            Exit::Inconclusive,
            Exit::Solved,
        ];
        let found: Vec<Self> = candidates.into_iter().collect();
        PRECEDENCE
            .into_iter()
            .find(|exit| found.contains(exit))
            .unwrap_or(Self::Solved)
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_file_outranks_everything_and_success_nothing() {
        assert_eq!(
            Exit::worst([Exit::Solved, Exit::CheckFailed, Exit::NotConverged]),
            Exit::NotConverged
        );
        assert_eq!(
            Exit::worst([Exit::TimeLimit, Exit::BadInput]),
            Exit::BadInput
        );
        assert_eq!(Exit::worst([]), Exit::Solved);
    }
}
