//! Which front a run of the tests is about: LYGER_TEST_FRONT, axum without it.

/// As the setting `front` has it.
pub(crate) fn front() -> &'static str {
    match std::env::var("LYGER_TEST_FRONT").as_deref() {
        Err(_) | Ok("axum") => "axum",
        Ok("uring") if cfg!(feature = "zig-server") => "uring",
        Ok("uring") => panic!("LYGER_TEST_FRONT=uring needs the feature zig-server"),
        Ok(other) => panic!("LYGER_TEST_FRONT={other} is neither axum nor uring"),
    }
}
