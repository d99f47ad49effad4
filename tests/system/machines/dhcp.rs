//! A DHCP client, which starts with or without a remembered address.

use fsm_core::StateMachine;

use super::typed::hold;

/// A host that needs an address.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = Init | InitReboot, derive(Clone, Copy, Debug, PartialEq))]
pub(crate) enum DhcpClient {
    /// It has no address.
    #[state(name = "INIT")]
    #[on(send_discover => Selecting)]
    Init,
    /// It remembers an address.
    #[state(name = "INIT-REBOOT")]
    #[on(send_request => Rebooting)]
    InitReboot,
    /// Collects offers.
    #[state(name = "SELECTING")]
    #[on(dhcpoffer => Selecting)]
    #[on(select_offer => Requesting)]
    Selecting,
    /// Has requested an offered address.
    #[state(name = "REQUESTING")]
    #[on(dhcpoffer => Requesting)]
    #[on(dhcpnak => Init)]
    #[on(dhcpack { acceptable: bool } => Init | Bound, with = acknowledged)]
    Requesting,
    /// Has requested its remembered address.
    #[state(name = "REBOOTING")]
    #[on(dhcpnak => Init)]
    #[on(dhcpack => Bound)]
    Rebooting,
    /// Has a lease.
    #[state(name = "BOUND")]
    #[on(dhcpoffer => Bound)]
    #[on(dhcpack => Bound)]
    #[on(dhcpnak => Bound)]
    #[on(t1_expires => Renewing)]
    Bound,
    /// Asks its server for more time.
    #[state(name = "RENEWING")]
    #[on(dhcpack => Bound)]
    #[on(dhcpnak => Init)]
    #[on(t2_expires => Rebinding)]
    Renewing,
    /// Asks any server for more time.
    #[state(name = "REBINDING")]
    #[on(dhcpack => Bound)]
    #[on(dhcpnak => Init)]
    #[on(lease_expired => Init)]
    Rebinding,
}

fn acknowledged(
    _: dhcp_client::Requesting,
    event: dhcp_client::event::Dhcpack,
) -> dhcp_client::choice::RequestingDhcpack {
    if event.acceptable { dhcp_client::Bound.into() } else { dhcp_client::Init.into() }
}

hold! {
    DhcpClient in dhcp_client;
    states: [Init, InitReboot, Selecting, Requesting, Rebooting, Bound, Renewing, Rebinding];
    events: [
        SendDiscover, SendRequest, Dhcpoffer, SelectOffer, Dhcpnak, Dhcpack { acceptable: true },
        Dhcpack { acceptable: false }, T1Expires, T2Expires, LeaseExpired,
    ];
    choices: [RequestingDhcpack(Init, Bound)];
}

#[test]
fn an_address_in_use_is_declined() {
    use dhcp_client::{Init, InitReboot, Machine, choice::RequestingDhcpack};
    let requesting = Machine::new(Init).send_discover().dhcpoffer().select_offer();
    let RequestingDhcpack::Init(init) = requesting.dhcpack(false) else { panic!("the address is taken") };
    let RequestingDhcpack::Bound(bound) = init.send_discover().select_offer().dhcpack(true) else {
        panic!("the address is free")
    };
    let rebooted = Machine::new(InitReboot).send_request().dhcpack(true);
    assert_eq!(bound.t1_expires().t2_expires().dhcpack(true), rebooted);
}
