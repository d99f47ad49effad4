#[derive(StateMachine)]
#[fsm(initial = Open)]
pub enum Parcel {
    #[on(send => Sent)]
    Open,
    #[state(end)]
    Sent,
}

async fn run(parcels: Machines<Parcel>) {
    let _ = parcels.create("a", parcel::Open).await;
}

fn main() {}
