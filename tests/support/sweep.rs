//! How much of what takes long a test does.

/// Whether the whole sweep is tried, which `SWEEP=full` before the command asks for, and not the part of it that
/// `cargo test` has time for. Each sweep says what its whole is.
pub fn is_full() -> bool {
    std::env::var_os("SWEEP").is_some_and(|size| size == "full")
}
