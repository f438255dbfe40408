//! `mailbag`: the mail client's command line.
//!
//! Data goes to stdout, talk to stderr; `--json` prints one object a line. Errors are
//! `error: WHAT (WHERE): REMEDY`, and the exit code tells a script what happened.
//!
//! Not here: anything about mail (the library beside this file).

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
