//! Real machines, declared as users declare theirs, and what the derive makes of them held against `tests/machines`.

mod check;
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
