//! How much of what takes long a test does.

/// Whether everything is tried, which `SWEEP=full` before the command asks for, and not the part of it that
/// `cargo test` has time for.
pub fn is_full() -> bool {
    std::env::var_os("SWEEP").is_some_and(|size| size == "full")
}
