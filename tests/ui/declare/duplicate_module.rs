use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = On)]
enum HttpServer {
    #[on(flip => On)]
    On,
}

#[derive(StateMachine)]
#[fsm(initial = On)]
enum HTTPServer {
    #[on(flip => On)]
    On,
}

fn main() {}
