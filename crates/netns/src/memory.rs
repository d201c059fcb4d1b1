//! Memory of the process: one arena, and nothing kept that was only needed for a moment.
//!
//! glibc gives each thread an arena of its own and keeps what was freed in it. An agent reads ten
//! thousand manifests once and then holds little: without this it would look four times as large.
#![allow(unsafe_code, reason = "mallopt(3) and malloc_trim(3) have no safe wrapper")]

/// Lets all threads share one arena. To be called before other threads start.
pub fn use_one_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two integers and touches nothing of ours; it may be called at any time.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives memory that is free back to the kernel.
pub fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes an integer, locks the allocator itself and moves no live memory.
    unsafe {
        libc::malloc_trim(0);
    }
}
