//! Counts steps of work, so that a test can say what one datagram makes the server do. In anything but
//! this crate's own tests it is nothing.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts steps: entries looked at, elements read.
#[inline(always)]
#[cfg_attr(not(test), expect(unused_variables, reason = "only tests count"))]
pub(crate) fn count(steps: usize) {
    #[cfg(test)]
    STEPS.set(STEPS.get() + steps);
}

/// The steps something takes on this thread.
#[cfg(test)]
pub(crate) fn steps_of(something: impl FnOnce()) -> usize {
    let before = STEPS.get();
    something();
    STEPS.get() - before
}
