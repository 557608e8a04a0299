//! The program: everything it does begins in `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mailtls_exporter::cli::run()
}
