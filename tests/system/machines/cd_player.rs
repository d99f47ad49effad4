//! The CD player of the statechart literature.

use fsm_core::StateMachine;

use super::typed::hold;

/// A player that continues with the song in which it was paused.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Empty, derive(Clone, Debug, PartialEq))]
#[fsm(group(Playing, on(stop => Stopped), on(pause => Paused), on(open_close => Open)))]
pub(crate) enum CdPlayer {
    /// The drawer is closed and empty.
    #[on(open_close => Open)]
    #[on(cd_detected { name: String } => Stopped)]
    Empty,
    /// The drawer is open.
    #[on(open_close => Empty)]
    Open,
    /// A CD is loaded.
    #[on(play => Song1)]
    #[on(open_close => Open)]
    #[on(stop => Self)]
    Stopped,
    /// The first song.
    #[state(in = Playing)]
    #[on(next_song => Song2)]
    Song1,
    /// The second song.
    #[state(in = Playing)]
    #[on(next_song => Song3)]
    #[on(previous_song => Song1)]
    Song2,
    /// The third song.
    #[state(in = Playing)]
    #[on(previous_song => Song2)]
    Song3,
    /// Interrupted.
    #[on(end_pause => history(Playing))]
    #[on(stop => Stopped)]
    #[on(open_close => Open)]
    Paused {
        /// Where it was paused.
        song: cd_player::history::Playing,
    },
}

hold! {
    CdPlayer in cd_player;
    states: [
        Empty, Open, Stopped, Song1, Song2, Song3, Paused { song: cd_player::Song1.into() },
        Paused { song: cd_player::Song2.into() }, Paused { song: cd_player::Song3.into() },
    ];
    events: [
        OpenClose, CdDetected { name: "louie, louie".into() }, Play, Stop, NextSong, PreviousSong, Pause, EndPause,
    ];
    choices: [PausedEndPause(Song1, Song2, Song3)];
}

/// The steps of `test()` in the source.
#[test]
fn a_paused_song_goes_on_and_play_begins_with_the_first() {
    use cd_player::{Empty, Machine, choice::PausedEndPause};
    let stopped = Machine::new(Empty).open_close().open_close().cd_detected("louie, louie".into());
    let paused = stopped.play().next_song().next_song().previous_song().pause();
    let PausedEndPause::Song2(song) = paused.end_pause() else { panic!("it was paused in the second song") };
    let song = song.pause().stop().stop().play();
    assert_eq!(CdPlayer::from(song), CdPlayer::Song1);
}
