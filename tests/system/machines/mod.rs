//! Real machines from public specifications, compared with `tests/machines`.

mod check;
mod exchange;
mod mermaid;
mod spec;
mod typed;

mod bgp;
mod breaker;
mod device_code;
mod dhcp;
mod ec2;
mod github;
mod kubernetes;
mod raft;
mod solidus;
mod stripe;
mod tcp;
