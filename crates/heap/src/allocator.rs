//! The allocator itself: the only place of this crate with `unsafe`.
//!
//! # Safety
//!
//! Every block comes from the inner allocator and goes back to it, with the layout that it was asked for. That layout
//! is the caller's, except for a recorded block, which is asked for with its alignment raised to [`PAGE`]. Whether a block is
//! recorded is known from [`table`], where it stands from before it is handed out until it is freed:
//! a block's address is in use by one owner at a time, so nobody else adds or takes that entry between.
//! Only blocks whose address is a multiple of [`PAGE`] can be recorded ones, which is what makes the question cheap.
//! While a thread works on the table, what it allocates is not recorded, and it frees nothing else: so the question is
//! answered with no there, without a look into a table that may be locked by the very thread.
#![allow(unsafe_code, reason = "a global allocator can't be written without; see the module's documentation")]

use std::alloc::{GlobalAlloc, Layout};

use crate::{sampler, table};

/// Alignment of recorded blocks, in bytes.
const PAGE: usize = 4096;

/// The allocator `A`, with samples taken of what it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sampling<A>(A);

impl<A> Sampling<A> {
    /// Wraps `inner`. Sampling is off until [`start`](crate::start).
    pub const fn new(inner: A) -> Self {
        Self(inner)
    }
}

// SAFETY: the inner allocator keeps the contract, and is called as the module's documentation says. Nothing here
// unwinds: the table's lock is taken over when poisoned, and its code allocates only where recording is off for the thread.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Sampling<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if sampler::is_due(layout.size()) {
            // SAFETY: as for this function.
            return unsafe { self.recorded(layout, |inner, raised| inner.alloc(raised)) };
        }
        // SAFETY: as for this function.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if sampler::is_due(layout.size()) {
            // SAFETY: as for this function.
            return unsafe { self.recorded(layout, |inner, raised| inner.alloc_zeroed(raised)) };
        }
        // SAFETY: as for this function.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let layout =
            if may_be_recorded(block) && table::forget(block.addr()) { raised(layout) } else { layout };
        // SAFETY: the block is ours and `layout` is the one that it was asked for with.
        unsafe { self.0.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let due = sampler::is_due(size);
        if due || (may_be_recorded(block) && table::holds(block.addr())) {
            // SAFETY: as for this function.
            return unsafe { self.moved(block, layout, size, due) };
        }
        // SAFETY: the block was asked for with `layout`, since it is not recorded.
        unsafe { self.0.realloc(block, layout, size) }
    }
}

impl<A: GlobalAlloc> Sampling<A> {
    /// A block that is recorded, if it can be had with the raised alignment.
    ///
    /// # Safety
    /// As for [`GlobalAlloc::alloc`]; `ask` asks the inner allocator for a block of the layout that it is given.
    #[cold]
    unsafe fn recorded(&self, layout: Layout, ask: impl Fn(&A, Layout) -> *mut u8) -> *mut u8 {
        let block = ask(&self.0, raised(layout));
        if !block.is_null() && !table::record(block.addr(), layout.size()) {
            // The table is full. The block can't stay with an alignment that nobody remembers.
            // SAFETY: it was asked for with this layout just now.
            unsafe { self.0.dealloc(block, raised(layout)) };
            return ask(&self.0, layout);
        }
        block
    }

    /// Moves a block, recorded or not, to one of another size, which is recorded if it is `due`.
    ///
    /// # Safety
    /// As for [`GlobalAlloc::realloc`].
    #[cold]
    unsafe fn moved(&self, block: *mut u8, layout: Layout, size: usize, due: bool) -> *mut u8 {
        // SAFETY: the caller promises that `size`, rounded up to the alignment, does not overflow an `isize`.
        let layout_to = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the caller promises that `size` is not zero.
        let to = unsafe {
            if due {
                self.recorded(layout_to, |inner, raised| inner.alloc(raised))
            } else {
                self.0.alloc(layout_to)
            }
        };
        if !to.is_null() {
            // SAFETY: both blocks have at least so many bytes and are different blocks; the old one is then given back once.
            unsafe {
                std::ptr::copy_nonoverlapping(block, to, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        to
    }
}

/// The layout that a recorded block is asked for with.
fn raised(layout: Layout) -> Layout {
    // A size that can't be rounded up to a page can't be had in any case; the inner allocator says so.
    layout.align_to(PAGE).unwrap_or(layout)
}

fn may_be_recorded(block: *mut u8) -> bool {
    block.addr().is_multiple_of(PAGE) && table::has_any()
}
