//! Generics with bounds and defaults, lifetimes, const generics, where clauses: each state takes what it uses.

use fsm_core::StateMachine;

/// A connection.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Idle, derive(Clone, Debug, PartialEq))]
pub enum Conn<'a, T: Clone = u8> {
    /// Nothing yet.
    #[on(open { peer: &'a str, payload: T } => Open)]
    Idle,
    /// Talking.
    #[on(close => Closed)]
    Open {
        /// To whom.
        peer: &'a str,
        /// About what.
        payload: T,
    },
    /// Over.
    #[state(end)]
    Closed {
        /// About what.
        payload: T,
    },
}

/// A ring, whose parameters have the names that generated code likes.
#[derive(StateMachine, Debug)]
#[fsm(initial = Empty, derive(Debug))]
pub enum Ring<'s, S, E: Iterator<Item = S>, const N: usize>
where
    S: Copy,
{
    /// Without a value.
    #[on(push { value: [S; N] } => Full)]
    #[on(read { source: E, name: &'s S } => Reading)]
    Empty,
    /// With one.
    #[on(pop => Empty)]
    #[on(either => Empty | Full, with = half)]
    Full {
        /// The values.
        value: [S; N],
    },
    /// From a source.
    #[on(stop => Empty)]
    Reading {
        /// Where from.
        source: E,
        /// A reference.
        name: &'s S,
    },
}

/// Bounds that build upon one with a lifetime that not every state has.
#[derive(StateMachine, Debug)]
#[fsm(initial = Waiting, context = &'a [u8])]
pub enum Reader<'a, T>
where
    T: Iterator<Item = &'a u8>,
    T::Item: Copy,
{
    /// Without a source.
    #[on(read { source: T, first: T::Item } => Reading)]
    Waiting {
        /// By whom.
        name: &'a str,
    },
    /// With one.
    #[on(stop => Stopped, guard = is_long)]
    Reading {
        /// What is read.
        source: T,
        /// What came first.
        first: T::Item,
    },
    /// At its end.
    #[state(end)]
    Stopped {
        /// What is left.
        source: T,
    },
}

fn is_long<T>(_: &reader::Reading<T>, _: &reader::event::Stop, context: &&[u8]) -> Result<(), &'static str>
where
    T: Iterator,
    T::Item: Copy,
{
    if context.is_empty() { Err("there is nothing to read") } else { Ok(()) }
}

fn half<S: Copy, const N: usize>(
    full: ring::Full<S, N>,
    _: ring::event::Either,
) -> ring::choice::FullEither<ring::Empty, ring::Full<S, N>> {
    if N.is_multiple_of(2) {
        ring::choice::FullEither::Empty(ring::Empty)
    } else {
        ring::choice::FullEither::Full(full)
    }
}

#[test]
fn a_state_takes_the_parameters_that_it_uses() {
    let peer = String::from("ada");
    let open = conn::Machine::new(conn::Idle).open(&peer, 5_u16);
    assert_eq!(open.peer, "ada");
    let closed: conn::Closed<u16> = open.close().into_data();
    let value: Conn<'_, u16> = Conn::Closed { payload: closed.payload };
    assert_eq!(value.state(), conn::State::Closed);
    let value = Conn::<u16>::Idle.apply(conn::event::Open { peer: "b", payload: 7 }).unwrap();
    assert!(value.can(conn::EventKind::Close));
    assert_eq!(Conn::<u16>::GRAPH.machine, "Conn");
    assert_eq!(size_of::<conn::Machine<'_, conn::Closed<u16>, u16>>(), size_of::<u16>());
}

#[test]
fn bounds_build_upon_bounds() {
    let bytes = [1, 2];
    let waiting = reader::Machine::new(reader::Waiting { name: "ada" }, &bytes[..]);
    let reading = waiting.read(bytes.iter(), &bytes[0]);
    assert_eq!(reading.stop().expect("there are bytes").into_data().source.count(), 2);
}

#[test]
fn const_generics_and_branches() {
    type Even = ring::Machine<'static, ring::Empty, u8, std::vec::IntoIter<u8>, 2>;
    let full = Even::new(ring::Empty).push([1, 2]);
    let ring::choice::FullEither::Empty(empty) = full.either() else { panic!("two is even") };
    assert_eq!(empty.read(vec![1_u8].into_iter(), &7).name, &7);
}
