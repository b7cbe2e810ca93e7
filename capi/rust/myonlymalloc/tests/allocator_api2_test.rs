//! The convention of the crate allocator-api2: `&Arena` is an Allocator on
//! stable compilers. In this repository the crate is a stand-in of our own with
//! the same trait, so nothing but the trait is used here.
#![cfg(feature = "allocator-api2")]
use std::mem::MaybeUninit;

use allocator_api2::alloc::{Allocator, Layout};
use myonlymalloc::{Arena, MyOnlyMalloc};

/// As little of a vector as shows that its memory is the allocator's.
struct Numbers<A: Allocator> {
    start: std::ptr::NonNull<u64>,
    length: usize,
    capacity: usize,
    allocator: A,
}

impl<A: Allocator> Numbers<A> {
    fn new_in(allocator: A) -> Self {
        let start = std::ptr::NonNull::dangling();
        Numbers {
            start,
            length: 0,
            capacity: 0,
            allocator,
        }
    }

    fn layout(capacity: usize) -> Layout {
        Layout::array::<u64>(capacity).unwrap()
    }

    fn push(&mut self, number: u64) {
        if self.length == self.capacity {
            let old = Self::layout(self.capacity);
            let new = Self::layout(self.capacity * 2 + 1);
            let grown = unsafe {
                self.allocator.grow(self.start.cast(), old, new).unwrap()
            };
            self.capacity = grown.len() / 8;
            self.start = grown.cast();
        }
        unsafe { self.start.as_ptr().add(self.length).write(number) };
        self.length += 1;
    }

    fn as_slice(&self) -> &[u64] {
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl<A: Allocator> Drop for Numbers<A> {
    fn drop(&mut self) {
        let layout = Self::layout(self.capacity);
        unsafe { self.allocator.deallocate(self.start.cast(), layout) };
    }
}

#[test]
fn collections_live_in_an_arena_and_leave_it() {
    let mut arena = Arena::new().unwrap();
    {
        let mut numbers = Numbers::new_in(&arena);
        let allocator = &arena;
        let mut by_ref = Numbers::new_in(allocator.by_ref());
        for i in 0..50_000 {
            numbers.push(i);
            by_ref.push(i * 3);
        }
        assert!(arena.owns(numbers.as_slice().as_ptr()));
        assert!(numbers.as_slice().iter().copied().eq(0..50_000));
        assert_eq!(by_ref.as_slice()[49_999], 149_997);
        assert_eq!(arena.stats().unwrap().live_blocks, 2);
    }
    assert_eq!(arena.stats().unwrap().live_blocks, 0);
    arena.reset().unwrap();
}

#[test]
fn a_limit_is_an_alloc_error() {
    let arena = Arena::builder().limit_bytes(1 << 20).build().unwrap();
    let large = Layout::array::<u8>(2 << 20).unwrap();
    assert!((&arena).allocate(large).is_err());
    assert!((&arena).allocate_zeroed(large).is_err());
}

#[test]
fn every_change_of_layout_keeps_contents_and_alignment() {
    let arena = Arena::new().unwrap();
    check_layout_changes(&&arena);
    check_layout_changes(&MyOnlyMalloc);
    assert_eq!(arena.stats().unwrap().live_blocks, 0);
}

fn check_layout_changes(allocator: &impl Allocator) {
    let empty = Layout::from_size_align(0, 64).unwrap();
    let small = Layout::from_size_align(40, 8).unwrap();
    let large = Layout::from_size_align(9000, 4096).unwrap();
    unsafe {
        let block = allocator.allocate(empty).unwrap();
        assert_eq!((block.as_ref().len(), address(block) % 64), (0, 0));
        let block = allocator.grow(block.cast(), empty, small).unwrap();
        assert!(block.as_ref().len() >= 40);
        block.cast::<u8>().as_ptr().write_bytes(7, 40);
        let block = allocator.grow_zeroed(block.cast(), small, large).unwrap();
        assert_eq!(address(block) % 4096, 0);
        assert_eq!(block.as_ref()[..40], [7; 40]);
        assert!(block.as_ref()[40..9000].iter().all(|byte| *byte == 0));
        let block = allocator.shrink(block.cast(), large, small).unwrap();
        assert_eq!(block.as_ref()[..40], [7; 40]);
        let block = allocator.shrink(block.cast(), small, empty).unwrap();
        allocator.deallocate(block.cast(), empty);
    }
}

fn address(block: std::ptr::NonNull<[u8]>) -> usize {
    block.cast::<u8>().as_ptr() as usize
}

#[test]
fn a_block_of_a_full_arena_shrinks() {
    let small = Layout::array::<u8>(10).unwrap();
    for size in [1_000, 40_000, 400_000] {
        let arena = Arena::builder().limit_bytes(1 << 20).build().unwrap();
        let allocator = &arena;
        let large = Layout::array::<u8>(size).unwrap();
        let block = allocator.allocate(large).unwrap();
        arena.set_limit_bytes(1).unwrap();
        unsafe {
            let kept = allocator.shrink(block.cast(), large, small).unwrap();
            assert!(kept.len() >= small.size());
            allocator.deallocate(kept.cast(), small);
        }
        arena.check().unwrap();
    }
}

#[test]
fn aligned_blocks_of_a_full_arena_shrink() {
    for (old_align, new_align) in [(4096, 8), (4096, 64), (64, 64), (8, 64)] {
        for size in [1_000, 40_000, 400_000, 5_000_000] {
            let arena = Arena::builder().build().unwrap();
            check_shrinking_when_full(&arena, size, old_align, new_align);
            let buffer = vec![MaybeUninit::uninit(); 8 << 20];
            let buffer = Box::leak(buffer.into_boxed_slice());
            let arena = Arena::builder().build_in(buffer).unwrap();
            check_shrinking_when_full(&arena, size, old_align, new_align);
        }
    }
}

fn check_shrinking_when_full(
    arena: &Arena,
    size: usize,
    old_align: usize,
    new_align: usize,
) {
    let allocator = &arena;
    let large = Layout::from_size_align(size, old_align).unwrap();
    let small = Layout::from_size_align(10, new_align).unwrap();
    let block = allocator.allocate(large).unwrap();
    if address(block) % new_align != 0 {
        return unsafe { allocator.deallocate(block.cast(), large) };
    }
    unsafe { block.cast::<u8>().as_ptr().write_bytes(7, size) };
    arena.set_limit_bytes(1).unwrap();
    while allocator.allocate(small).is_ok() {}
    unsafe {
        let kept = allocator.shrink(block.cast(), large, small).unwrap();
        assert_eq!(address(kept) % new_align, 0);
        assert_eq!(kept.as_ref()[..10], [7; 10]);
        allocator.deallocate(kept.cast(), small);
    }
    arena.check().unwrap();
}
