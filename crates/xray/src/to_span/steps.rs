//! The work that could grow faster than a document, in elements looked at or moved, so that tests need no clock.

#[cfg(test)]
thread_local! {
    static TAKEN: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// So many elements were looked at, or moved.
#[cfg(test)]
pub(super) fn took(steps: usize) {
    TAKEN.set(TAKEN.get() + steps);
}

/// Nobody counts.
#[cfg(not(test))]
#[inline(always)]
pub(super) const fn took(_: usize) {}

/// The steps that this thread has taken since it was asked last.
#[cfg(test)]
pub(super) fn taken() -> usize {
    TAKEN.take()
}
