//! Arenas: what is allocated from one, its limit, its end.
use std::alloc::Layout;
use std::sync::Arc;
use std::thread;

use myonlymalloc::{sys, Arena, Error};

fn bytes(size: usize) -> Layout {
    Layout::array::<u8>(size).unwrap()
}

#[test]
fn memory_is_aligned_writable_and_the_arenas() {
    let arena = Arena::new().unwrap();
    let other = Arena::new().unwrap();
    for alignment in [1, 8, 16, 64, 4096] {
        for size in [0, 1, 1000, 100_000] {
            let layout = Layout::from_size_align(size, alignment).unwrap();
            let block = arena.alloc(layout).unwrap();
            assert_eq!(block.len(), size);
            assert_eq!(block.as_ptr() as usize % alignment, 0);
            block.iter_mut().for_each(|byte| {
                byte.write(0xaa);
            });
            assert!(arena.owns(block.as_ptr()));
            assert!(!other.owns(block.as_ptr()));
        }
    }
    let on_stack = 0u8;
    assert!(!arena.owns(&on_stack));
    assert_eq!(arena.check(), Ok(()));
}

#[test]
fn values_keep_their_contents_beside_one_another() {
    let arena = Arena::new().unwrap();
    let text = arena.alloc_str("an arena's string").unwrap();
    let numbers = arena.alloc_slice_copy(&[1u32, 2, 3]).unwrap();
    let value = arena.alloc_value((7u64, "seven")).unwrap();
    text.make_ascii_uppercase();
    numbers[1] = 20;
    value.0 += 1;
    assert_eq!(text, "AN ARENA'S STRING");
    assert_eq!(numbers, [1, 20, 3]);
    assert_eq!(*value, (8, "seven"));
}

#[test]
fn calloc_is_zero_after_a_reset_too() {
    let mut arena = Arena::new().unwrap();
    for alignment in [1, 256] {
        let layout = Layout::from_size_align(5000, alignment).unwrap();
        for _ in 0..3 {
            let block = arena.calloc(layout).unwrap();
            assert!(block.iter().all(|byte| *byte == 0));
            block.fill(0xff);
            arena.reset().unwrap();
        }
    }
}

#[test]
fn the_limit_is_the_arenas_own_and_survivable() {
    let arena = Arena::builder().limit_bytes(1 << 20).build().unwrap();
    assert_eq!(arena.alloc(bytes(2 << 20)).unwrap_err(), Error::Quota);
    let mut blocks = 0;
    let refused = loop {
        match arena.alloc(bytes(10_000)) {
            Ok(_) => blocks += 1,
            Err(error) => break error,
        }
        assert!(blocks < 1000, "the limit was passed");
    };
    assert_eq!(refused, Error::Quota);
    assert!(blocks >= 50, "only {blocks} blocks of 10 KB in 1 MiB");
    let stats = arena.stats().unwrap();
    assert_eq!(stats.limit_bytes, 1 << 20);
    assert!(stats.reserved_bytes <= 1 << 20);
    assert_eq!(arena.check(), Ok(()));
    assert!(Arena::new().unwrap().alloc(bytes(2 << 20)).is_ok());
}

#[test]
fn reset_drops_every_block_and_keeps_the_arena() {
    let mut arena = Arena::builder().name("tenant 1").build().unwrap();
    for round in 0..5 {
        for i in 0..200 {
            arena.alloc(bytes(i * 37)).unwrap();
        }
        let stats = arena.stats().unwrap();
        assert_eq!(stats.live_blocks, 200);
        assert_eq!(stats.resets, round);
        assert_eq!(stats.name(), "tenant 1");
        arena.reset().unwrap();
        let stats = arena.stats().unwrap();
        assert_eq!((stats.live_blocks, stats.live_bytes), (0, 0));
        assert_eq!(arena.check(), Ok(()));
    }
}

#[test]
fn single_blocks_can_be_freed() {
    let arena = Arena::new().unwrap();
    let layout = Layout::from_size_align(300, 64).unwrap();
    let block = arena.alloc_raw(layout).unwrap();
    assert_eq!(arena.stats().unwrap().live_blocks, 1);
    unsafe { arena.free_raw(block, layout) };
    assert_eq!(arena.stats().unwrap().live_blocks, 0);
}

#[test]
fn dropping_the_arena_destroys_it() {
    let arena = Arena::new().unwrap();
    arena.alloc(bytes(100)).unwrap();
    let handle = arena.as_raw();
    drop(arena);
    let status = unsafe { sys::myonly_arena_check(handle) };
    assert_eq!(status, sys::MYONLY_ERR_STALE);
}

#[test]
fn a_handle_destroyed_behind_its_back_is_stale() {
    let handle = Arena::new().unwrap().into_raw();
    let mut arena = unsafe { Arena::from_raw(handle) };
    assert!(arena.alloc(bytes(1)).is_ok());
    let status =
        unsafe { sys::myonly_arena_destroy(handle, sys::MYONLY_DESTROY_FREE) };
    assert_eq!(status, sys::MYONLY_OK);
    assert_eq!(arena.alloc(bytes(1)).unwrap_err(), Error::Stale);
    assert_eq!(arena.reset(), Err(Error::Stale));
    assert_eq!(arena.check(), Err(Error::Stale));
    assert_eq!(arena.stats().unwrap_err(), Error::Stale);
}

#[test]
fn a_long_name_is_cut_between_characters() {
    let arena = Arena::builder()
        .name(&"\u{e9}".repeat(40)) // two bytes each
        .build()
        .unwrap();
    let stats = arena.stats().unwrap();
    assert_eq!(stats.name(), "\u{e9}".repeat(15));
    let unnamed = Arena::new().unwrap();
    assert_eq!(unnamed.stats().unwrap().name(), "arena");
}

#[test]
fn threads_share_an_arena_and_pass_it_on() {
    let arena = Arc::new(Arena::new().unwrap());
    let threads: Vec<_> = (0..4u8)
        .map(|t| {
            let arena = Arc::clone(&arena);
            thread::spawn(move || {
                let blocks: Vec<&mut [u8]> = (1..300)
                    .map(|size| arena.calloc(bytes(size)).unwrap())
                    .collect();
                for block in blocks {
                    assert!(block.iter().all(|byte| *byte == 0));
                    block.fill(t);
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let arena = Arc::try_unwrap(arena).unwrap();
    assert_eq!(arena.stats().unwrap().live_blocks, 4 * 299);
    thread::spawn(move || drop(arena)).join().unwrap();
}

#[test]
fn errors_have_texts_and_codes_of_the_library() {
    assert_eq!(Error::Quota.status(), sys::MYONLY_ERR_QUOTA);
    let texts = [
        Error::NoMemory,
        Error::Quota,
        Error::Stale,
        Error::Other(-99),
    ]
    .map(|error| error.to_string());
    assert_eq!(texts[3], "unknown status");
    for (i, text) in texts.iter().enumerate() {
        assert!(!text.is_empty() && !texts[i + 1..].contains(text), "{text}");
    }
}
