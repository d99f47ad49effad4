//! `servers`: keeps web servers running. Each server is a process, and its life cycle is a durable state machine.

mod cli;
mod commands;
mod config;
mod demo;
mod goal;
mod health;
mod lock;
mod machine;
mod nodes;
mod postgres;
mod process;
mod render;
mod serve;
mod session;
mod store;
mod tail;
mod workers;

use clap::Parser as _;
use cli::{Cli, Command};
use std::{io, process::ExitCode};
use tracing_subscriber::filter::LevelFilter;

// The program mostly waits, so one thread is enough.
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

async fn run(Cli { paths, command }: Cli) -> anyhow::Result<()> {
    match command {
        None => demo::run(&paths).await,
        Some(Command::Up { ids }) => commands::up(&paths, &ids).await,
        Some(Command::Down { ids }) => commands::down(&paths, &ids).await,
        Some(Command::Manage) => commands::manage(&paths).await,
        Some(Command::Unpark { id }) => commands::unpark(&paths, &id).await,
        Some(Command::Ls) => commands::ls(&paths).await,
        Some(Command::Status) => commands::status(&paths).await,
        Some(Command::Log { id }) => commands::log(&paths, &id).await,
        Some(Command::Graph { id }) => commands::graph(&paths, id.as_deref()).await,
        Some(Command::Move { to }) => commands::move_to(&paths, &to).await,
        Some(Command::Nodes) => nodes::run(&paths).await,
        Some(Command::Serve(serve)) => serve::run(serve).await,
    }
}
