//! The `parsimony` binary: the server with the applications it ships with.

use std::process::ExitCode;

fn main() -> ExitCode {
    parsimony_server::run([parsimony_identity_management::application(), parsimony_digital_assets::application()])
}
