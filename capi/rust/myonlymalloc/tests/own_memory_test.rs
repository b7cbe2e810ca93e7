//! Arenas over memory that the program gives.
use std::alloc::{alloc_zeroed, dealloc, Layout};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use myonlymalloc::{Arena, Error, PageSource};

fn bytes(size: usize) -> Layout {
    Layout::array::<u8>(size).unwrap()
}

#[test]
fn an_arena_stays_inside_its_buffer() {
    let buffer = vec![MaybeUninit::<u8>::uninit(); 256 << 10];
    let buffer = buffer.leak();
    let range = buffer.as_ptr_range();
    let mut arena = Arena::builder().name("buffer").build_in(buffer).unwrap();
    let mut blocks = 0;
    let error = loop {
        match arena.alloc(bytes(1000)) {
            Ok(block) => assert!(
                range.start <= block.as_ptr()
                    && block.as_ptr_range().end <= range.end
            ),
            Err(error) => break error,
        }
        blocks += 1;
    };
    assert_eq!(error, Error::NoMemory);
    assert!(blocks > 100, "only {blocks} blocks");
    arena.reset().unwrap();
    assert!(arena.alloc(bytes(1000)).is_ok());
}

#[test]
fn a_buffer_can_be_used_again() {
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); 128 << 10];
    for round in 0..3u8 {
        // SAFETY: each is dropped at the end of the loop's body.
        let arena = unsafe { Arena::builder().build_over(&mut buffer) };
        let arena = arena.unwrap();
        assert_eq!(arena.alloc_str("text").unwrap(), "text");
        drop(arena);
        buffer.fill(MaybeUninit::new(round));
    }
    let small = &mut buffer[..1000];
    // SAFETY: there is no arena.
    let refused = unsafe { Arena::builder().build_over(small) };
    assert_eq!(refused.unwrap_err(), Error::Invalid);
}

#[derive(Default)]
struct Pages {
    reserved: AtomicUsize,
    refuse: AtomicBool,
}

// SAFETY: memory of the global allocator, zeroed, as large and as aligned as is
// asked for.
unsafe impl PageSource for Pages {
    fn reserve(&self, bytes: usize, alignment: usize) -> Option<NonNull<u8>> {
        if self.refuse.load(Ordering::Relaxed) {
            return None;
        }
        self.reserved.fetch_add(bytes, Ordering::Relaxed);
        // Its alignment isn't told when it is released: the most there is.
        assert!(alignment <= ALIGNMENT);
        let layout = Layout::from_size_align(bytes, ALIGNMENT).unwrap();
        NonNull::new(unsafe { alloc_zeroed(layout) })
    }

    unsafe fn release(&self, start: NonNull<u8>, bytes: usize) -> bool {
        self.reserved.fetch_sub(bytes, Ordering::Relaxed);
        let layout = Layout::from_size_align(bytes, ALIGNMENT).unwrap();
        unsafe { dealloc(start.as_ptr(), layout) };
        true
    }
}

const ALIGNMENT: usize = 2 << 20;

#[test]
fn pages_come_from_the_programs_source_and_go_back() {
    let pages: &'static Pages = Box::leak(Box::default());
    let arena = Arena::builder().pages(pages).build().unwrap();
    arena.alloc(bytes(1 << 20)).unwrap();
    assert!(pages.reserved.load(Ordering::Relaxed) >= 1 << 20);
    pages.refuse.store(true, Ordering::Relaxed);
    assert_eq!(arena.alloc(bytes(64 << 20)).unwrap_err(), Error::NoMemory);
    drop(arena);
    assert_eq!(pages.reserved.load(Ordering::Relaxed), 0);
}
