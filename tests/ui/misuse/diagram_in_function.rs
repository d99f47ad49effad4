use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = Off)]
enum Lamp {
    #[on(flip => Off)]
    Off,
}

fn the_diagram_is_up_to_date() {
    fsm_core::diagram!(Lamp in "README.md");
}

fn main() {}
