//! What this program's own types must refuse: a test for each, so that nobody declares it legal unnoticed.

#[test]
fn illegal_transitions_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
