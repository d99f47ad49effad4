//! `servers`: keeps web servers running, each a real process whose life is a durable state machine.

mod cli;
mod config;
mod health;
mod lock;
mod machine;
mod process;
mod render;
mod serve;
mod session;
mod steps;
mod tail;
mod tour;
mod wish;
mod workers;

use clap::Parser as _;
use cli::{Cli, Command};
use std::{io, process::ExitCode};
use tracing_subscriber::filter::LevelFilter;

// One thread is enough: whatever is done here is waiting.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(io::stderr).init();
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Cli { places, command }: Cli) -> anyhow::Result<()> {
    match command {
        None => tour::run(&places).await,
        Some(Command::Up { ids }) => steps::up(&places, &ids).await,
        Some(Command::Down { ids }) => steps::down(&places, &ids).await,
        Some(Command::Manage) => steps::manage(&places).await,
        Some(Command::Release { id }) => steps::release(&places, &id).await,
        Some(Command::Ls) => steps::ls(&places).await,
        Some(Command::Status) => steps::status(&places).await,
        Some(Command::Log { id }) => steps::log(&places, &id).await,
        Some(Command::Graph { id }) => steps::graph(&places, id.as_deref()).await,
        Some(Command::Serve(serve)) => serve::run(serve).await,
    }
}
