//! Real collections and threads on the global allocator.
use std::alloc::{alloc, alloc_zeroed, dealloc, realloc, Layout};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{mpsc, Arc};
use std::thread;

use myonlymalloc::MyOnlyMalloc;

#[global_allocator]
static GLOBAL: MyOnlyMalloc = MyOnlyMalloc;

fn fill(block: *mut u8, size: usize) {
    for i in 0..size {
        unsafe { block.add(i).write(i as u8) };
    }
}

fn assert_filled(block: *const u8, size: usize) {
    for i in 0..size {
        assert_eq!(unsafe { *block.add(i) }, i as u8, "byte {i}");
    }
}

#[test]
fn boxes_come_from_the_process_heap() {
    let boxed = Box::new([1u8; 100]);
    let mut owner = std::ptr::null_mut();
    let status = unsafe {
        myonlymalloc::sys::myonly_arena_of(boxed.as_ptr().cast(), &mut owner)
    };
    assert_eq!(status, myonlymalloc::sys::MYONLY_OK);
    assert!(owner.is_null());
    assert!(unsafe { myonlymalloc::usable_size(boxed.as_ptr()) } >= 100);
}

#[test]
fn collections_keep_their_contents() {
    let mut map = HashMap::new();
    let mut tree = BTreeMap::new();
    let mut order = Vec::new();
    for i in 0..20_000u32 {
        map.insert(i.to_string(), vec![i; (i % 40) as usize]);
        tree.insert(i.reverse_bits(), format!("value {i}"));
        order.push(i);
    }
    for i in (0..20_000u32).step_by(3) {
        map.remove(&i.to_string());
    }
    for i in 0..20_000u32 {
        let expected = vec![i; (i % 40) as usize];
        let found = map.get(&i.to_string());
        assert_eq!(found, (i % 3 != 0).then_some(expected).as_ref());
        assert_eq!(tree[&i.reverse_bits()], format!("value {i}"));
    }
    assert_eq!(order.len(), 20_000);
    assert_eq!(myonlymalloc::check(), Ok(()));
}

#[test]
fn blocks_pass_between_threads() {
    let shared = Arc::new("shared".repeat(100));
    let (sender, receiver) = mpsc::channel::<Vec<String>>();
    let threads: Vec<_> = (0..4)
        .map(|t| {
            let (sender, shared) = (sender.clone(), Arc::clone(&shared));
            thread::spawn(move || {
                for i in 0..500 {
                    let text = format!("{t} {i} {}", &shared[..i]);
                    sender.send(vec![text; 3]).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let mut received = 0;
    for texts in receiver {
        let i: usize = texts[0].split(' ').nth(1).unwrap().parse().unwrap();
        assert!(texts.iter().all(|text| text.ends_with(&shared[..i])));
        received += 1;
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!(received, 4 * 500);
    assert_eq!(myonlymalloc::check(), Ok(()));
}

#[test]
fn a_thread_may_allocate_while_its_locals_are_dropped() {
    struct OnDrop(mpsc::Sender<String>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.send("last words".repeat(1000)).unwrap();
        }
    }
    thread_local! {
        static LOCAL: RefCell<Option<OnDrop>> = const { RefCell::new(None) };
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        LOCAL.with(|local| *local.borrow_mut() = Some(OnDrop(sender)));
    })
    .join()
    .unwrap();
    assert_eq!(receiver.recv().unwrap(), "last words".repeat(1000));
}

#[test]
fn every_layout_is_honoured_through_growth_and_shrinking() {
    for shift in 0..=16 {
        let alignment = 1usize << shift;
        for size in [1, 15, 16, 100, 5000, 70_000] {
            let mut layout = Layout::from_size_align(size, alignment).unwrap();
            let mut block = unsafe { alloc(layout) };
            fill(block, size);
            for new_size in [size * 2 + 1, size * 40, size / 2 + 1] {
                let kept = layout.size().min(new_size);
                block = unsafe { realloc(block, layout, new_size) };
                assert!(!block.is_null());
                assert_eq!(block as usize % alignment, 0, "{layout:?}");
                assert_filled(block, kept);
                layout = Layout::from_size_align(new_size, alignment).unwrap();
                fill(block, new_size);
            }
            unsafe { dealloc(block, layout) };
        }
    }
}

/// Over-aligned blocks with a neighbour can't all grow in place: some move, and
/// the moved ones have to be aligned too.
#[test]
fn a_moved_block_keeps_its_alignment() {
    const ALIGNMENT: usize = 4096;
    let layout = Layout::from_size_align(64, ALIGNMENT).unwrap();
    let blocks: Vec<_> = (0..50).map(|_| unsafe { alloc(layout) }).collect();
    let mut moved = 0;
    for block in blocks {
        fill(block, 64);
        let larger = unsafe { realloc(block, layout, 20_000) };
        assert_eq!(larger as usize % ALIGNMENT, 0);
        assert_filled(larger, 64);
        moved += usize::from(larger != block);
        let layout = Layout::from_size_align(20_000, ALIGNMENT).unwrap();
        unsafe { dealloc(larger, layout) };
    }
    assert!(moved > 0, "the test shows nothing if no block moves");
}

#[test]
fn zeroed_blocks_are_zero_even_when_recycled() {
    for alignment in [8, 64, 8192] {
        let layout = Layout::from_size_align(30_000, alignment).unwrap();
        for _ in 0..3 {
            let block = unsafe { alloc_zeroed(layout) };
            assert_eq!(block as usize % alignment, 0);
            let bytes =
                unsafe { std::slice::from_raw_parts_mut(block, 30_000) };
            assert!(bytes.iter().all(|byte| *byte == 0));
            bytes.fill(0xff);
            unsafe { dealloc(block, layout) };
        }
    }
}

/// Hides where `pointer` comes from. The compiler knows what allocating
/// functions do: without this it takes an unused block for a success.
fn opaque(pointer: *mut u8) -> *mut u8 {
    unsafe { std::ptr::read_volatile(&pointer) }
}

#[test]
fn an_impossible_size_is_null() {
    let layout = Layout::from_size_align(isize::MAX as usize - 64, 8).unwrap();
    assert!(opaque(unsafe { alloc(layout) }).is_null());
    let small = Layout::from_size_align(100, 64).unwrap();
    let block = opaque(unsafe { alloc(small) });
    fill(block, 100);
    let larger = unsafe { realloc(block, small, layout.size()) };
    assert!(opaque(larger).is_null());
    assert_filled(block, 100);
    unsafe { dealloc(block, small) };

    let mut bytes: Vec<u8> = Vec::new();
    assert!(bytes.try_reserve_exact(isize::MAX as usize - 64).is_err());
}

#[test]
fn the_process_heap_counts() {
    let before = myonlymalloc::stats().unwrap();
    let kept: Vec<Box<u64>> = (0..1000).map(Box::new).collect();
    let after = myonlymalloc::stats().unwrap();
    assert!(after.allocations >= before.allocations + 1000);
    assert_eq!(kept.len(), 1000);
    drop(kept);
    myonlymalloc::purge(0);
}

/// With the `override` feature, and when the shared library is linked, which
/// always defines malloc.
#[test]
fn is_process_allocator_tells_whose_malloc_it_is() {
    extern "C" {
        fn malloc(size: usize) -> *mut std::ffi::c_void;
        fn free(block: *mut std::ffi::c_void);
    }
    let mut owner = std::ptr::null_mut();
    let status = unsafe {
        let block = malloc(100);
        let status = myonlymalloc::sys::myonly_arena_of(block, &mut owner);
        free(block);
        status
    };
    let ours = status == myonlymalloc::sys::MYONLY_OK;
    assert_eq!(myonlymalloc::is_process_allocator(), ours);
    assert!(ours || !cfg!(feature = "override"));
}

#[test]
#[cfg(target_os = "linux")]
fn the_program_does_not_need_the_cxx_library() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(
        maps.contains("libc.so") || maps.contains("ld-musl"),
        "{maps}"
    );
    assert!(
        !maps.contains("libstdc++") && !maps.contains("libc++"),
        "{maps}"
    );
}
