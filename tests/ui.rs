//! Wrong declarations and wrong uses, with the compiler's full output.

#[test]
fn compile_fail() {
    trybuild::TestCases::new().compile_fail("ui/declare/*.rs");
    trybuild::TestCases::new().compile_fail("ui/misuse/*.rs");
    trybuild::TestCases::new().compile_fail("ui/durable/*.rs");
}
