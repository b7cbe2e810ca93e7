//! Walks, checks, reports, and queries by address.
use std::alloc::Layout;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::thread;

use myonlymalloc::{block_of, Arena, Error, Format};

fn bytes(size: usize) -> Layout {
    Layout::array::<u8>(size).unwrap()
}

/// The preset fast knows no free objects: there is nothing to walk.
fn can_walk(arena: &Arena) -> bool {
    let can =
        arena.walk(0, |_| ControlFlow::Continue(())) != Err(Error::Unsupported);
    if !can {
        eprintln!("skipped: this preset has no walk");
    }
    can
}

#[test]
fn a_walk_shows_each_live_block_once() {
    let arena = Arena::new().unwrap();
    if !can_walk(&arena) {
        return;
    }
    let mut blocks: BTreeSet<*mut u8> = (1..200)
        .map(|i| arena.alloc_raw(bytes(i * 777)).unwrap().as_ptr())
        .collect();
    let seen_of = |least_bytes| {
        let mut seen = BTreeSet::new();
        arena
            .walk(least_bytes, |block| {
                assert!(block.is_live && block.arena == arena.as_raw());
                assert!(block.size >= least_bytes);
                assert!(seen.insert(block.start));
                ControlFlow::Continue(())
            })
            .unwrap();
        seen
    };
    assert_eq!(seen_of(0), blocks);
    blocks
        .retain(|block| unsafe { myonlymalloc::usable_size(*block) >= 50_000 });
    assert_eq!(seen_of(50_000), blocks);
}

#[test]
fn a_walk_ends_when_it_is_told_and_may_allocate() {
    let arena = Arena::new().unwrap();
    if !can_walk(&arena) {
        return;
    }
    for _ in 0..20 {
        arena.alloc(bytes(50)).unwrap();
    }
    let mut seen = 0;
    let result = arena.walk(0, |_| {
        seen += 1;
        arena.alloc(bytes(1)).unwrap();
        if seen == 5 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!((result, seen), (Ok(()), 5));
}

#[test]
fn a_walk_goes_on_beside_threads() {
    let arena = Arena::new().unwrap();
    if !can_walk(&arena) {
        return;
    }
    let lasting: BTreeSet<usize> = (0..100)
        .map(|_| arena.alloc(bytes(300)).unwrap().as_ptr() as usize)
        .collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..20_000 {
                let layout = bytes(i % 500);
                let block = arena.alloc_raw(layout).unwrap();
                unsafe { arena.free_raw(block, layout) };
            }
        });
        for _ in 0..20 {
            let mut seen = BTreeSet::new();
            let visit = |block: &myonlymalloc::BlockInfo| {
                seen.insert(block.start as usize);
                ControlFlow::Continue(())
            };
            arena.walk(0, visit).unwrap();
            assert!(seen.is_superset(&lasting));
        }
    });
}

/// Without the feature `std` it would end the process.
#[test]
#[cfg(feature = "std")]
fn a_panic_ends_a_walk_and_comes_out() {
    use std::panic::{catch_unwind, AssertUnwindSafe};
    let arena = Arena::new().unwrap();
    if !can_walk(&arena) {
        return;
    }
    arena.alloc(bytes(1)).unwrap();
    arena.alloc(bytes(1)).unwrap();
    let mut seen = 0;
    let result = catch_unwind(AssertUnwindSafe(|| {
        arena.walk(0, |_| {
            seen += 1;
            panic!("on purpose");
        })
    }));
    assert!(result.is_err());
    assert_eq!((seen, arena.check()), (1, Ok(())));
}

#[test]
fn addresses_lead_to_blocks() {
    let arena = Arena::new().unwrap();
    let block = arena.alloc(bytes(1000)).unwrap();
    let found = block_of(&block[500]).unwrap();
    assert_eq!(found.start, block.as_mut_ptr().cast());
    assert!(found.is_live && found.size >= 1000);
    assert_eq!(found.arena, arena.as_raw());
    assert!(block_of(&found).is_none());
}

#[test]
fn damage_is_named_with_its_place() {
    let arena = Arena::new().unwrap();
    assert!(arena.find_damage().is_ok());
    let first = arena.alloc_raw(bytes(5000)).unwrap();
    let second = arena.alloc_raw(bytes(5000)).unwrap();
    // The header of the higher block lies before it.
    let header = unsafe { first.as_ptr().max(second.as_ptr()).sub(8) };
    let damage = unsafe {
        let header = header.cast::<u64>();
        let saved = header.read();
        header.write(u64::MAX);
        let damage = arena.find_damage().unwrap_err();
        header.write(saved);
        damage
    };
    assert_eq!(damage.error, Error::Corrupt);
    assert!(!damage.what.is_empty() && damage.address != 0, "{damage:?}");
    assert_eq!(arena.check(), Ok(()));
}

#[test]
fn a_peek_is_not_far_from_the_statistics() {
    let arena = Arena::builder().name("peeked").build().unwrap();
    arena.alloc(bytes(1000)).unwrap();
    let (peek, stats) = (arena.peek().unwrap(), arena.stats().unwrap());
    assert_eq!((peek.name(), peek.live_blocks), ("peeked", 1));
    assert_eq!(peek.charged_bytes, stats.charged_bytes);
    assert!(myonlymalloc::peek().is_ok());
}

#[test]
fn reports_go_to_whatever_takes_text() {
    let arena = Arena::builder().name("explained").build().unwrap();
    arena.alloc(bytes(100_000)).unwrap();
    let mut text = String::new();
    write!(text, "{}", arena.explain()).unwrap();
    assert!(
        text.contains("explained") && text.contains("live"),
        "{text}"
    );
    let mut json = Vec::new();
    write!(json, "{}", arena.explain_json()).unwrap();
    let json = String::from_utf8(json).unwrap();
    assert!(
        json.starts_with('{') && json.contains("\"explained\""),
        "{json}"
    );
    assert!(arena.report(Format::Text).to_string().contains("explained"));
    let heap = myonlymalloc::explain_process_heap().to_string();
    assert!(heap.contains("process"), "{heap}");
}

#[test]
fn reports_of_all_have_every_arena() {
    let one = Arena::builder().name("one of all").build().unwrap();
    let other = Arena::builder().name("other of all").build().unwrap();
    let all = myonlymalloc::report(Format::Prometheus).to_string();
    let line = "myonly_arena_live_bytes{arena=\"one of all\"";
    assert!(all.contains(line), "{all}");
    assert!(all.contains("arena=\"other of all\""));
    let mut names = Vec::new();
    myonlymalloc::for_each_arena(|arena| {
        // Other tests make and drop arenas meanwhile.
        if let Ok(stats) = arena.stats() {
            names.push(stats.name().to_string());
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    for name in ["one of all", "other of all"] {
        assert_eq!(names.iter().filter(|each| *each == name).count(), 1);
    }
    drop((one, other));
}

#[test]
fn a_writer_that_fails_gets_no_more() {
    struct Full(usize);
    impl std::fmt::Write for Full {
        fn write_str(&mut self, _: &str) -> std::fmt::Result {
            self.0 += 1;
            Err(std::fmt::Error)
        }
    }
    let arena = Arena::new().unwrap();
    let mut full = Full(0);
    assert!(write!(full, "{}", arena.explain()).is_err());
    assert_eq!(full.0, 1);
}

#[test]
fn a_report_of_a_destroyed_arena_says_so() {
    let handle = Arena::new().unwrap().into_raw();
    let arena = unsafe { Arena::from_raw(handle) };
    drop(unsafe { Arena::from_raw(handle) });
    let text = arena.explain().to_string();
    assert_eq!(text, Error::Stale.to_string());
    assert_eq!(arena.peek().unwrap_err(), Error::Stale);
}
