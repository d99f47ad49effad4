use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(initial = A)]
enum Job {
    #[on(none => A, guard = [])]
    #[on(no_reason => A, guard = is_free else)]
    #[on(no_body => A, guard = |a, b|)]
    #[on(no_parameters => A, guard = move)]
    #[on(called => A, guard = [is_free, is_free()])]
    #[on(call_of_a_trait => A, guard = <Job as Ready>::ready())]
    #[on(waits => A, guard = async |a, b| Ok(()))]
    #[on(waits_in_a_list => A, guard = [is_free, async move |a, b| Ok(())])]
    #[on(builds => A, with = async |a, b| A)]
    A,
}

fn main() {}
