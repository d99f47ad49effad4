//! Real machines from public specifications, compared with `tests/machines`.

mod check;
mod exchange;
mod mermaid;
mod spec;
mod typed;

mod bgp;
mod breaker;
mod cd_player;
mod ci_job;
mod ci_pipeline;
mod ci_waits;
mod device_code;
mod dhcp;
mod document_workflow;
mod ec2;
mod github;
mod kubernetes;
mod magento_order;
mod media_player;
mod phone_call;
mod raft;
mod solidus;
mod stripe;
mod tcp;
