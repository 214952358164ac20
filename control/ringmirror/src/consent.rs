//! A question before something that cannot be taken back.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::exit_code::{CommandError, ExitCode};

/// What the person in front of the terminal said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    Given,
    Refused,
}

impl Consent {
    /// How a command ends that was not allowed.
    pub(crate) const REFUSED: ExitCode = ExitCode::Interrupted;
}

/// Asks on the terminal; `yes` says that nobody need be asked.
///
/// # Errors
/// When there is no terminal to ask on: the fix is `--yes`.
pub(crate) fn ask(question: &str, yes: bool) -> Result<Consent, CommandError> {
    if yes {
        return Ok(Consent::Given);
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(no_terminal(question));
    }
    let mut stderr = io::stderr();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let consent = said(&answer);
    if consent == Consent::Refused {
        writeln!(stderr, "nothing was done")?;
    }
    Ok(consent)
}

fn no_terminal(question: &str) -> CommandError {
    let text = "There is no terminal to ask on: add --yes to do it without asking";
    CommandError::usage(format!("{question} {text}"))
}

fn said(answer: &str) -> Consent {
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Consent::Given,
        _ => Consent::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for answer in ["y\n", "Y", " yes \n"] {
            assert_eq!(said(answer), Consent::Given, "{answer:?}");
        }
        for answer in ["", "\n", "n", "no", "yesterday", "j"] {
            assert_eq!(said(answer), Consent::Refused, "{answer:?}");
        }
    }

    #[test]
    fn where_nobody_can_be_asked_the_fix_is_named() {
        let refused = no_terminal("Really?");
        assert_eq!(refused.code, ExitCode::Usage);
        assert!(refused.error.to_string().starts_with("Really? There is no terminal"));
        assert!(refused.error.to_string().contains("--yes"));
    }

    #[test]
    fn who_says_yes_beforehand_is_not_asked() {
        assert_eq!(ask("Really?", true).unwrap(), Consent::Given);
    }
}
