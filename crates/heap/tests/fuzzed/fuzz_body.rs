//! Any sequence of requests to the allocator keeps every block's content and takes nothing twice.
#![allow(unsafe_code, reason = "a test of a global allocator calls it")]

use std::alloc::{GlobalAlloc as _, Layout, System};

use collimator_heap::Sampling;

static ALLOCATOR: Sampling<System> = Sampling::new(System);

struct Block {
    at: *mut u8,
    layout: Layout,
    fill: u8,
}

impl Block {
    fn fill(&mut self, fill: u8) {
        self.fill = fill;
        // SAFETY: the block has so many bytes.
        unsafe { self.at.write_bytes(fill, self.layout.size()) };
    }

    fn check(&self, bytes: usize) {
        assert!(self.at.addr().is_multiple_of(self.layout.align()), "alignment of {:?}", self.layout);
        // SAFETY: the block has so many bytes, all written.
        let content = unsafe { std::slice::from_raw_parts(self.at, bytes) };
        assert!(content.iter().all(|byte| *byte == self.fill), "content of {:?}", self.layout);
    }
}

/// Three bytes a step: what to do, and how large. Sampling must be on, with a small interval.
pub(crate) fn fuzz_allocator(data: &[u8]) {
    let mut blocks: Vec<Block> = Vec::new();
    for (number, step) in data.chunks_exact(3).enumerate() {
        let &[what, low, high] = step else { return };
        let size = usize::from(u16::from_le_bytes([low, high])).max(1);
        let layout = Layout::from_size_align(size, 1 << (what >> 4 & 0xd)).expect("a small power of two");
        let last = blocks.len().checked_sub(1).map(|last| usize::from(low) % (last + 1));
        // SAFETY: sizes are not zero; each block is given back once, with its layout.
        unsafe {
            match (what & 3, last) {
                (0, _) => blocks.push(Block { at: ALLOCATOR.alloc(layout), layout, fill: 0 }),
                (1, _) => {
                    let block = Block { at: ALLOCATOR.alloc_zeroed(layout), layout, fill: 0 };
                    block.check(size);
                    blocks.push(block);
                }
                (2, Some(position)) => {
                    let block = &mut blocks[position];
                    block.at = ALLOCATOR.realloc(block.at, block.layout, size);
                    let kept = block.layout.size().min(size);
                    block.layout = Layout::from_size_align(size, block.layout.align()).expect("as before");
                    block.check(kept);
                    block.fill((number | 1) as u8);
                    continue;
                }
                (3, Some(position)) => {
                    let block = blocks.swap_remove(position);
                    block.check(block.layout.size());
                    ALLOCATOR.dealloc(block.at, block.layout);
                    continue;
                }
                _ => continue,
            }
        }
        if let Some(block) = blocks.last_mut() {
            assert!(!block.at.is_null());
            block.fill((number | 1) as u8);
        }
    }
    for block in blocks {
        block.check(block.layout.size());
        // SAFETY: as above.
        unsafe { ALLOCATOR.dealloc(block.at, block.layout) };
    }
}
