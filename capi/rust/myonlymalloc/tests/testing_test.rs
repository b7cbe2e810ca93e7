//! Sections that must not allocate, and requests that fail on purpose.
use std::alloc::Layout;
use std::thread;

use myonlymalloc::testing::{FaultOptions, Faults, NoAllocation};
use myonlymalloc::{Arena, Error};

fn bytes(size: usize) -> Layout {
    Layout::array::<u8>(size).unwrap()
}

#[test]
fn nothing_is_allocated_in_a_section() {
    let arena = Arena::new().unwrap();
    {
        let _section = NoAllocation::refuse().unwrap();
        assert!(arena.alloc(bytes(1)).is_err());
        {
            let _inner = NoAllocation::refuse().unwrap();
            assert!(arena.alloc(bytes(1)).is_err());
        }
        assert!(arena.alloc(bytes(1)).is_err());
    }
    assert!(arena.alloc(bytes(1)).is_ok());
}

#[test]
fn other_threads_are_not_in_the_section() {
    let arena = Arena::new().unwrap();
    thread::scope(|scope| {
        let _section = NoAllocation::refuse().unwrap();
        let other = scope.spawn(|| arena.alloc(bytes(1)).is_ok());
        assert!(arena.alloc(bytes(1)).is_err());
        assert!(other.join().unwrap());
    });
}

#[test]
fn the_nth_request_of_the_thread_fails() {
    let arena = Arena::new().unwrap();
    let options = FaultOptions {
        fail_nth: 3,
        ..FaultOptions::default()
    };
    let faults = Faults::in_this_thread(&options).unwrap();
    let ok: Vec<bool> = {
        let mut ok = [true; 4];
        for each in &mut ok {
            *each = arena.alloc(bytes(1)).is_ok();
        }
        ok.to_vec()
    };
    assert_eq!(faults.end(), 1);
    assert_eq!(ok, [true, true, false, true]);
}

#[test]
fn requests_to_one_arena_fail() {
    let (arena, other) = (Arena::new().unwrap(), Arena::new().unwrap());
    let options = FaultOptions {
        probability: 1.0,
        above_bytes: 100,
        count: 2,
        ..FaultOptions::default()
    };
    {
        let _faults = Faults::in_arena(&arena, &options).unwrap();
        let again = Faults::in_arena(&arena, &options);
        assert_eq!(again.unwrap_err(), Error::Busy);
        assert!(other.alloc(bytes(101)).is_ok());
        assert!(arena.alloc(bytes(100)).is_ok());
        let refused = arena.alloc(bytes(101));
        assert_eq!(refused.unwrap_err(), Error::NoMemory);
        assert!(arena.alloc_str(&"x".repeat(200)).is_err());
        assert!(arena.alloc(bytes(101)).is_ok());
    }
    assert!(arena.alloc(bytes(101)).is_ok());
}
