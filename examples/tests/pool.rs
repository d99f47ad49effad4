//! A test that runs the `pool` example.

use std::process::Command;

#[test]
fn h5_the_stream_continues_after_every_kind_of_failure() {
    let output = Command::new(env!("CARGO_BIN_EXE_pool")).output().expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("it is text");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");

    // The order of the stations and the intermediate states depend on the scheduler.
    let lines = |id: &str, prefix: &str| -> Vec<&str> {
        let of_id = |line: &'_ str| line.split_whitespace().nth(1) == Some(id);
        let what = text.lines().filter(|line| of_id(line)).filter_map(|line| line.split_once(id));
        what.map(|(_, what)| what.trim()).filter(|what| what.starts_with(prefix)).collect()
    };
    for (id, last_state, resumes_at) in [
        ("athens", "-- Running, run 2: panicked: reading 3 is not a number", 4),
        ("bergen", "-- Running, run 2: reading 3 is damaged", 4),
        ("cairo", "-- Running, run 2: a permanent child returned", 3),
        ("dakar", "-- Running, run 2: missed heartbeat: no beat for 1.", 3),
        ("essen", "-- Running, run 2: missed heartbeat: no beat for 1.", 3),
    ] {
        let mut readings = vec!["reading 1, by run 1".to_owned(), "reading 2, by run 1".to_owned()];
        readings.extend((resumes_at..=6).map(|number| format!("reading {number}, by run 2")));
        assert_eq!(lines(id, "reading"), readings, "{text}");
        assert!(lines(id, "--").last().is_some_and(|state| state.starts_with(last_state)), "{text}");
    }
    assert!(lines("essen", "-- Leaked, run 1: missed heartbeat").len() == 1, "{text}");

    assert!(text.contains("\nshutdown: 0 children were stopped by force\n"), "{text}");
    for line in [
        "athens   [1, 2, 4, 5, 6]",
        "bergen   [1, 2, 4, 5, 6]",
        "cairo    [1, 2, 3, 4, 5, 6]",
        "dakar    [1, 2, 3, 4, 5, 6]",
        "essen    [1, 2, 3, 4, 5, 6]",
        "every valid reading arrived once and in order: yes",
    ] {
        assert!(text.lines().any(|text| text == line), "`{line}` is not in\n{text}");
    }
}
