//! Faults that tests under Shuttle plant to see them noticed; there are none elsewhere.

#[cfg(shuttle)]
pub(crate) use vaxel_runtime::explore::planted;

#[cfg(not(shuttle))]
pub(crate) const fn planted(_fault: &'static str) -> bool {
    false
}
