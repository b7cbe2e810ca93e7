//! Blocks in all the ways there are: owned values, slices, batches, in place.
use std::alloc::Layout;
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::rc::Rc;
use std::thread;

use myonlymalloc::{Arena, ArenaBox, Error};

fn live_blocks(arena: &Arena) -> u64 {
    arena.stats().unwrap().live_blocks
}

#[test]
fn a_box_drops_its_value_and_frees_its_block() {
    let arena = Arena::new().unwrap();
    let shared = Rc::new(7);
    let mut boxed = ArenaBox::try_new_in(Rc::clone(&shared), &arena).unwrap();
    assert!(arena.owns(&*boxed));
    assert_eq!((**boxed, Rc::strong_count(&shared)), (7, 2));
    *boxed = Rc::new(8);
    assert_eq!(Rc::strong_count(&shared), 1);
    assert_eq!(format!("{boxed} {boxed:?}"), "8 8");
    assert_eq!(live_blocks(&arena), 1);
    drop(boxed);
    assert_eq!(live_blocks(&arena), 0);
}

#[test]
fn a_box_gives_its_value_back_or_leaks_it() {
    let mut arena = Arena::new().unwrap();
    let boxed = ArenaBox::try_new_in(String::from("text"), &arena).unwrap();
    assert_eq!(boxed.into_inner(), "text");
    assert_eq!(live_blocks(&arena), 0);
    let leaked = ArenaBox::try_new_in([1u8; 100], &arena).unwrap().leak();
    leaked[99] = 2;
    assert_eq!(live_blocks(&arena), 1);
    arena.reset().unwrap();
}

#[test]
fn a_refused_value_is_dropped() {
    let arena = Arena::builder().limit_bytes(1 << 16).build().unwrap();
    let shared = Rc::new(());
    let large = ([0u8; 100_000], Rc::clone(&shared));
    let refused = ArenaBox::try_new_in(large, &arena);
    assert_eq!(refused.err(), Some(Error::Quota));
    assert_eq!(Rc::strong_count(&shared), 1);
}

#[test]
fn a_destructor_that_panics_leaves_no_block() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let arena = Arena::new().unwrap();
    let boxed = ArenaBox::try_new_in((Panics, [0u8; 99]), &arena).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(move || drop(boxed))).is_err());
    assert_eq!(live_blocks(&arena), 0);
}

#[test]
fn a_box_goes_to_another_thread() {
    let arena = Arena::new().unwrap();
    let boxed = ArenaBox::try_new_in(vec![1, 2, 3], &arena).unwrap();
    let sum: i32 = thread::scope(|scope| {
        scope.spawn(move || boxed.iter().sum()).join().unwrap()
    });
    assert_eq!((sum, live_blocks(&arena)), (6, 0));
}

#[test]
fn overaligned_and_empty_values_have_places() {
    #[repr(align(256))]
    struct Aligned(u8);
    let arena = Arena::new().unwrap();
    let boxed = ArenaBox::try_new_in(Aligned(1), &arena).unwrap();
    assert_eq!(&*boxed as *const Aligned as usize % 256, 0);
    assert_eq!(boxed.0, 1);
    let dropped = Cell::new(0);
    struct Empty<'a>(&'a Cell<i32>);
    impl Drop for Empty<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    drop(ArenaBox::try_new_in(Empty(&dropped), &arena).unwrap());
    drop(ArenaBox::try_new_in((), &arena).unwrap());
    assert_eq!(dropped.get(), 1);
}

#[test]
fn slices_are_made_value_by_value() {
    let arena = Arena::new().unwrap();
    let squares = arena.alloc_slice_with(100, |i| i * i).unwrap();
    squares[0] = 5;
    assert_eq!((squares[0], squares[9], squares.len()), (5, 81, 100));
    assert!(arena.alloc_slice_with(0, |_| 1u64).unwrap().is_empty());
}

#[test]
fn at_least_gives_all_the_bytes_there_are() {
    let arena = Arena::new().unwrap();
    let layout = Layout::from_size_align(1001, 64).unwrap();
    let block = arena.alloc_at_least(layout).unwrap();
    assert!(block.len() >= 1001);
    assert_eq!(block.as_ptr() as usize % 64, 0);
    for byte in block.iter_mut() {
        byte.write(1);
    }
    let usable = unsafe { myonlymalloc::usable_size(block.as_ptr().cast()) };
    assert_eq!(usable, block.len());
    assert_eq!(arena.check(), Ok(()));
}

#[test]
fn batches_come_and_go() {
    let arena = Arena::builder().limit_bytes(256 << 10).build().unwrap();
    let mut blocks = [std::ptr::null_mut(); 50];
    assert_eq!(arena.alloc_batch_raw(48, &mut blocks), 50);
    assert_eq!(live_blocks(&arena), 50);
    unsafe { arena.free_batch_raw(&mut blocks) };
    assert_eq!(live_blocks(&arena), 0);
    let got = arena.alloc_batch_raw(10_000, &mut blocks);
    assert!((1..50).contains(&got), "{got} blocks of 10 KB in 256 KiB");
}

#[test]
fn a_block_is_resized_where_it_is_or_not_at_all() {
    let arena = Arena::new().unwrap();
    let layout = Layout::from_size_align(20_000, 8).unwrap();
    let block = arena.alloc_raw(layout).unwrap();
    unsafe {
        let usable = arena.try_resize_raw(block, 10_000).unwrap();
        assert!(usable >= 10_000);
        assert_eq!(myonlymalloc::usable_size(block.as_ptr()), usable);
        assert_eq!(arena.try_resize_raw(block, 1 << 40), None);
    }
}
