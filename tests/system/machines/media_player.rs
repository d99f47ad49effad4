//! The media player of Android.

use fsm_core::StateMachine;

use super::typed::hold;

/// Plays a file or a stream.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = Idle | Prepared, derive(Clone, Copy, Debug, PartialEq))]
#[fsm(group(Usable, on(reset => Idle), on(set_volume | set_looping => _),
    group(Loaded, on(on_error => Error),
        group(Ready, on(start => Started), on(stop => Stopped), on(seek_to => _)))))]
#[on(release => End)]
pub(crate) enum MediaPlayer {
    /// Has no source.
    #[state(in = Usable)]
    #[on(set_data_source => Initialized)]
    Idle,
    /// Has a source.
    #[state(in = Loaded)]
    #[on(prepare => Prepared)]
    #[on(prepare_async => Preparing)]
    Initialized,
    /// Prepares in the background.
    #[on(on_prepared => Prepared)]
    #[on(on_error => Error)]
    Preparing,
    /// Can be started.
    #[state(in = Ready)]
    Prepared,
    /// Plays.
    #[state(in = Ready)]
    #[on(start => _)]
    #[on(pause => Paused)]
    #[on(on_completion { looping: bool } => Self | PlaybackCompleted, with = completed)]
    Started,
    /// Interrupted.
    #[state(in = Ready)]
    #[on(pause => _)]
    Paused,
    /// Has to be prepared again.
    #[state(in = Loaded)]
    #[on(prepare => Prepared)]
    #[on(prepare_async => Preparing)]
    #[on(stop => _)]
    Stopped,
    /// Has reached the end of its source.
    #[state(in = Ready)]
    #[on(pause => Paused)]
    PlaybackCompleted,
    /// Has failed.
    #[on(reset => Idle)]
    Error,
    /// Released.
    #[state(end)]
    End,
}

fn completed(
    started: media_player::Started,
    event: media_player::event::OnCompletion,
) -> media_player::choice::StartedOnCompletion {
    if event.looping { started.into() } else { media_player::PlaybackCompleted.into() }
}

hold! {
    MediaPlayer in media_player;
    states: [Idle, Initialized, Preparing, Prepared, Started, Paused, Stopped, PlaybackCompleted, Error, End];
    events: [
        SetDataSource, Prepare, PrepareAsync, OnPrepared, Start, Pause, Stop, SeekTo,
        OnCompletion { looping: true }, OnCompletion { looping: false }, OnError, SetVolume, SetLooping, Reset, Release,
    ];
    choices: [StartedOnCompletion(Started, PlaybackCompleted)];
}

#[test]
fn a_player_plays_to_the_end_and_is_released() {
    use media_player::{Idle, Machine, choice::StartedOnCompletion};
    let started = Machine::new(Idle).set_data_source().prepare_async().on_prepared().start().set_volume().seek_to();
    let StartedOnCompletion::Started(started) = started.on_completion(true) else { panic!("it loops") };
    let StartedOnCompletion::PlaybackCompleted(completed) = started.start().on_completion(false) else {
        panic!("it does not loop")
    };
    let stopped = completed.start().pause().pause().stop().stop();
    assert_eq!(MediaPlayer::from(stopped.prepare().reset().release()), MediaPlayer::End);
}

#[test]
fn calls_that_have_no_effect_stay_in_their_state() {
    let internal = |state, event| MediaPlayer::GRAPH.transition(state, event).is_some_and(|on| on.internal);
    assert!(internal("Started", "start") && internal("Paused", "pause") && internal("Stopped", "stop"));
    assert!(!internal("Prepared", "start") && !internal("Started", "on_completion"));
    let overridden = MediaPlayer::GRAPH.transition("Started", "start").and_then(|on| on.overrides);
    assert_eq!(overridden, Some("Ready"));
}
