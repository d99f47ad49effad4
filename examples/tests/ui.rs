//! Illegal transitions that must not compile.

#[test]
fn illegal_transitions_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
