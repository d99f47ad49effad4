//! A TCP connection.

use fsm_core::StateMachine;

use super::typed::hold;

/// One end of a connection.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Closed, derive(Clone, Debug, PartialEq))]
pub(crate) enum TcpConnection {
    /// No connection.
    #[state(name = "CLOSED")]
    #[on(passive_open => Listen)]
    #[on(active_open => SynSent)]
    Closed,
    /// Waits for the other end.
    #[state(name = "LISTEN")]
    #[on(close => Closed)]
    #[on(send => SynSent)]
    #[on(rcv_syn => SynReceived, with = accept)]
    Listen,
    /// Has sent a request.
    #[state(name = "SYN-SENT")]
    #[on(close => Closed)]
    #[on(rcv_syn => SynReceived, with = cross)]
    #[on(rcv_syn_ack => Established)]
    SynSent,
    /// Both have asked.
    #[state(name = "SYN-RECEIVED")]
    #[on(rcv_ack_of_syn => Established)]
    #[on(close => FinWait1)]
    #[on(rcv_rst => Listen, guard = listened)]
    SynReceived {
        /// After `LISTEN`.
        passive: bool,
    },
    /// Open for data.
    #[state(name = "ESTABLISHED")]
    #[on(close => FinWait1)]
    #[on(rcv_fin => CloseWait)]
    Established,
    /// This end has closed.
    #[state(name = "FIN-WAIT-1")]
    #[on(rcv_ack_of_fin => FinWait2)]
    #[on(rcv_fin => Closing)]
    #[on(rcv_fin_and_ack_of_fin => TimeWait)]
    FinWait1,
    /// The other end has acknowledged.
    #[state(name = "FIN-WAIT-2")]
    #[on(rcv_fin => TimeWait)]
    FinWait2,
    /// The other end has closed.
    #[state(name = "CLOSE-WAIT")]
    #[on(close => LastAck)]
    CloseWait,
    /// Both have closed at once.
    #[state(name = "CLOSING")]
    #[on(rcv_ack_of_fin => TimeWait)]
    Closing,
    /// Waits for the last acknowledgement.
    #[state(name = "LAST-ACK")]
    #[on(rcv_ack_of_fin => Closed)]
    LastAck,
    /// Waits until no segment can be in transit.
    #[state(name = "TIME-WAIT")]
    #[on(timeout_2msl => Closed)]
    TimeWait,
}

fn accept(_: tcp_connection::Listen, _: tcp_connection::event::RcvSyn) -> tcp_connection::SynReceived {
    tcp_connection::SynReceived { passive: true }
}

fn cross(_: tcp_connection::SynSent, _: tcp_connection::event::RcvSyn) -> tcp_connection::SynReceived {
    tcp_connection::SynReceived { passive: false }
}

fn listened(received: &tcp_connection::SynReceived, _: &tcp_connection::event::RcvRst) -> Result<(), &'static str> {
    received.passive.then_some(()).ok_or("this end did not listen")
}

hold! {
    TcpConnection in tcp_connection;
    states: [
        Closed, Listen, SynSent, SynReceived { passive: true }, SynReceived { passive: false }, Established, FinWait1,
        FinWait2, CloseWait, Closing, LastAck, TimeWait,
    ];
    events: [
        PassiveOpen, ActiveOpen, Close, Send, RcvSyn, RcvSynAck, RcvAckOfSyn, RcvRst, RcvFin, RcvAckOfFin,
        RcvFinAndAckOfFin, Timeout2msl,
    ];
}

#[test]
fn a_connection_opens_and_closes() {
    let received = tcp_connection::Machine::new(tcp_connection::Closed).passive_open().rcv_syn();
    let received = received.rcv_rst().expect("it listened").rcv_syn();
    let time_wait = received.rcv_ack_of_syn().close().rcv_ack_of_fin().rcv_fin();
    assert_eq!(TcpConnection::from(time_wait.timeout_2msl()), TcpConnection::Closed);
}

#[test]
fn a_reset_returns_to_listen_only_after_a_passive_open() {
    let closed = tcp_connection::Machine::new(tcp_connection::Closed);
    let refused = closed.active_open().rcv_syn().rcv_rst().unwrap_err();
    assert_eq!(refused.reason.as_str(), "this end did not listen");
    assert_eq!(TcpConnection::from(refused.machine), TcpConnection::SynReceived { passive: false });
}
