//! The five-line server: one cloud function, `hello`.

use std::process::ExitCode;

use parsimony_cloud::{Application, ParseError, Request, Rules};

async fn hello(_: Request) -> Result<&'static str, ParseError> {
    Ok("Hello")
}

fn main() -> ExitCode {
    parsimony_server::run([Application::new("first-light").define("hello", Rules::none(), hello)])
}
