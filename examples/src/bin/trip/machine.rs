//! The trip: a saga over three providers.

use crate::providers::{Answer, Provider, Providers};
use fsm_runtime::{DurableState, prelude::*};
use serde::{Deserialize, Serialize};

/// A trip with a seat, a payment and a room: all three, or none.
#[derive(StateMachine, Clone, Debug)]
#[fsm(initial = Reserving, durable, saga(undone = Cancelled), derive(Clone, Debug, Serialize, Deserialize))]
#[on(cancel { reason: String } => undo)]
pub(crate) enum Trip {
    /// The airline reserves a seat.
    #[state(work, undo = ReleasingSeat, uncertain = undo)]
    #[on(reserved { seat: String } => Charging)]
    #[on(refused { reason: String } => undo, by = worker)]
    Reserving,
    /// The bank charges the card.
    #[state(work, undo = Refunding, uncertain = undo)]
    #[on(charged { receipt: String } => BookingRoom)]
    #[on(refused => undo, by = worker)]
    Charging { seat: String },
    /// The hotel books a room.
    #[state(work, undo = CancellingRoom, uncertain = undo)]
    #[on(room_booked { room: String } => Booked)]
    #[on(refused => undo, by = worker)]
    BookingRoom { seat: String, receipt: String },
    /// The traveller has everything.
    #[state(end)]
    Booked { seat: String, receipt: String, room: String },
    /// The hotel cancels the room.
    #[state(work)]
    #[on(room_cancelled => undo)]
    CancellingRoom { reason: String },
    /// The bank refunds the payment.
    #[state(work)]
    #[on(refunded => undo)]
    Refunding { reason: String },
    /// The airline releases the seat.
    #[state(work)]
    #[on(released => undo)]
    ReleasingSeat { reason: String },
    /// Nothing is left of it.
    #[state(end)]
    Cancelled { reason: String },
}

/// Calls the providers. All calls of a trip have the same key, so what undoes a booking finds it without the provider's reference.
///
/// A call is a short statement on a local file. A call over a network is awaited.
pub(crate) struct Agency(pub(crate) Providers);

impl Agency {
    /// Returns the reference of the booking, or the reason why nothing is booked.
    async fn book<S: DurableState<Machine = Trip>>(
        &self,
        provider: Provider,
        task: &trip::Task<S>,
    ) -> Result<Result<String, String>, WorkError> {
        match self.0.book(provider, task.id(), &task.instance_key())? {
            Answer::Booked(reference) => Ok(Ok(reference)),
            Answer::Refused(reason) => Ok(Err(reason)),
            Answer::Lost => {
                task.cancelled().await;
                Err(format!("the {} did not answer", provider.name()).into())
            }
        }
    }

    fn undo<S: DurableState<Machine = Trip>>(&self, provider: Provider, task: &trip::Task<S>) -> Result<(), WorkError> {
        Ok(self.0.undo(provider, task.id(), &task.instance_key())??)
    }
}

impl trip::Workers for Agency {
    async fn reserving(&self, task: trip::Task<trip::Reserving>) -> Outcome<trip::Reserving> {
        match self.book(Provider::Airline, &task).await? {
            Ok(seat) => task.reserved(seat),
            Err(reason) => task.refused(reason),
        }
    }

    async fn charging(&self, task: trip::Task<trip::Charging>) -> Outcome<trip::Charging> {
        match self.book(Provider::Bank, &task).await? {
            Ok(receipt) => task.charged(receipt),
            Err(reason) => task.refused(reason),
        }
    }

    async fn booking_room(&self, task: trip::Task<trip::BookingRoom>) -> Outcome<trip::BookingRoom> {
        match self.book(Provider::Hotel, &task).await? {
            Ok(room) => task.room_booked(room),
            Err(reason) => task.refused(reason),
        }
    }

    async fn cancelling_room(&self, task: trip::Task<trip::CancellingRoom>) -> Outcome<trip::CancellingRoom> {
        self.undo(Provider::Hotel, &task)?;
        task.room_cancelled()
    }

    async fn refunding(&self, task: trip::Task<trip::Refunding>) -> Outcome<trip::Refunding> {
        self.undo(Provider::Bank, &task)?;
        task.refunded()
    }

    async fn releasing_seat(&self, task: trip::Task<trip::ReleasingSeat>) -> Outcome<trip::ReleasingSeat> {
        self.undo(Provider::Airline, &task)?;
        task.released()
    }
}
