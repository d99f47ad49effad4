//! `servers`: keeps web servers running, each a real process whose life is a durable state machine.

mod cli;
mod config;
mod health;
mod lock;
mod process;
mod serve;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let done = match cli.command {
        Some(cli::Command::Serve(serve)) => serve::run(serve),
        _ => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
