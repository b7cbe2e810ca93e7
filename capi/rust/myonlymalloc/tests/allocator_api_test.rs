//! Collections in an arena by the unstable Allocator trait. Empty without the
//! feature, which needs a nightly compiler.
#![cfg(feature = "allocator_api")]
#![feature(allocator_api)]
#![allow(clippy::incompatible_msrv)] // nightly only
use std::alloc::{Allocator, Layout};

use myonlymalloc::{Arena, MyOnlyMalloc};

#[test]
fn a_vec_grows_and_shrinks_in_an_arena() {
    let mut arena = Arena::new().unwrap();
    {
        let mut numbers = Vec::new_in(&arena);
        let mut others = Vec::new_in(&arena);
        for i in 0..50_000u64 {
            numbers.push(i);
            others.push(i * 3);
        }
        assert!(arena.owns(numbers.as_ptr()));
        numbers.truncate(100);
        numbers.shrink_to_fit();
        assert!(numbers.iter().copied().eq(0..100));
        assert!(others.iter().copied().eq((0..50_000).map(|i| i * 3)));
        assert_eq!(arena.stats().unwrap().live_blocks, 2);
    }
    assert_eq!(arena.stats().unwrap().live_blocks, 0);
    arena.reset().unwrap();
}

#[test]
fn a_limit_is_an_error_of_the_vec() {
    let arena = Arena::builder().limit_bytes(1 << 20).build().unwrap();
    let mut bytes: Vec<u8, &Arena> = Vec::new_in(&arena);
    assert!(bytes.try_reserve(2 << 20).is_err());
    assert!(bytes.try_reserve(1000).is_ok());
}

#[test]
fn growth_may_change_the_alignment() {
    let arena = Arena::new().unwrap();
    check_layout_changes(&&arena);
    check_layout_changes(&MyOnlyMalloc);
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
        let block = allocator.grow(block.cast(), small, large).unwrap();
        assert_eq!(address(block) % 4096, 0);
        let bytes = std::slice::from_raw_parts(block.cast::<u8>().as_ptr(), 40);
        assert_eq!(bytes, [7u8; 40]);
        let block = allocator.shrink(block.cast(), large, empty).unwrap();
        allocator.deallocate(block.cast(), empty);
        let block = allocator.allocate_zeroed(large).unwrap();
        assert_eq!(block.as_ref(), [0; 9000]);
        allocator.deallocate(block.cast(), large);
    }
}

/// A block keeps what it has by its alignment, which is more than a smaller
/// alignment explains when it is freed.
#[test]
fn the_alignment_may_become_smaller() {
    let arena = Arena::new().unwrap();
    check_smaller_alignments(&&arena);
    check_smaller_alignments(&MyOnlyMalloc);
    assert_eq!(arena.stats().unwrap().live_blocks, 0);
}

fn check_smaller_alignments(allocator: &impl Allocator) {
    for shift in 4..=16 {
        let old = Layout::from_size_align(100, 1 << shift).unwrap();
        for size in [1, 50, 100, 120, 5000] {
            let new = Layout::from_size_align(size, 8).unwrap();
            unsafe {
                let block = allocator.allocate(old).unwrap().cast::<u8>();
                block.as_ptr().write_bytes(7, 100);
                let block = if size < 100 {
                    allocator.shrink(block, old, new).unwrap()
                } else {
                    allocator.grow(block, old, new).unwrap()
                };
                assert_eq!(*block.cast::<u8>().as_ptr(), 7);
                allocator.deallocate(block.cast(), new);
            }
        }
    }
}

fn address(block: std::ptr::NonNull<[u8]>) -> usize {
    block.cast::<u8>().as_ptr() as usize
}
