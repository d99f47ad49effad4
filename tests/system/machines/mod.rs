//! Real machines from public specifications, compared with `tests/machines`.

mod check;
mod exchange;
mod mermaid;
mod spec;
mod typed;

mod breaker;
mod dhcp;
mod ec2;
mod github;
mod kubernetes;
mod raft;
mod solidus;
mod stripe;
mod tcp;
