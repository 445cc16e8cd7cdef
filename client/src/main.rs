//! lanchat: the terminal client.

use std::process::ExitCode;

fn main() -> ExitCode {
    lanchat::main()
}
