//! Limits of arenas, trees of them, and what listeners are told.
use std::alloc::Layout;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use myonlymalloc::{Arena, ArenaBox, ArenaView, Error, Pressure};

const MIB: usize = 1 << 20;

fn bytes(size: usize) -> Layout {
    Layout::array::<u8>(size).unwrap()
}

fn is_refused(arena: &Arena, size: usize) -> bool {
    match arena.alloc(bytes(size)) {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error, Error::Quota);
            true
        }
    }
}

#[test]
fn a_quota_is_not_a_lack_of_memory() {
    let arena = Arena::builder().limit_bytes(MIB).build().unwrap();
    assert_eq!(arena.alloc(bytes(2 * MIB)).unwrap_err(), Error::Quota);
    assert_eq!(arena.alloc_str(&"x".repeat(2 * MIB)), Err(Error::Quota));
    let free = Arena::new().unwrap();
    let impossible = isize::MAX as usize - 64;
    assert_eq!(free.alloc(bytes(impossible)).unwrap_err(), Error::NoMemory);
    let many = free.alloc_slice_with(usize::MAX / 4, |i| i);
    assert_eq!(many.unwrap_err(), Error::NoMemory);
    assert_eq!(arena.stats().unwrap().refusals, 2);
}

#[test]
fn limits_move() {
    let arena = Arena::builder().limit_bytes(MIB).build().unwrap();
    assert!(is_refused(&arena, 2 * MIB));
    arena.set_limit_bytes(4 * MIB).unwrap();
    let block = arena.alloc_raw(bytes(2 * MIB)).unwrap();
    arena.set_limit_bytes(MIB).unwrap(); // below the charge
    assert!(is_refused(&arena, 100_000));
    unsafe { arena.free_raw(block, bytes(2 * MIB)) };
    assert!(!is_refused(&arena, 100_000));
}

#[test]
fn charges_go_up_the_tree_and_come_back() {
    let service = Arena::builder().limit_bytes(8 * MIB).build().unwrap();
    let mut tenant = Arena::builder()
        .parent(&service)
        .limit_bytes(4 * MIB)
        .build()
        .unwrap();
    {
        let request = Arena::builder().parent(&tenant).build().unwrap();
        request.alloc(bytes(3 * MIB)).unwrap();
        let charged = request.charged_bytes().unwrap();
        assert!(charged >= 3 * MIB);
        assert_eq!(tenant.charged_bytes(), Ok(charged));
        assert_eq!(service.charged_bytes(), Ok(charged));
        assert_eq!(tenant.stats().unwrap().children, 1);
        // The tenant's limit holds for its request too.
        assert!(is_refused(&request, 2 * MIB));
    }
    assert_eq!(service.charged_bytes(), Ok(0));
    tenant.alloc(bytes(3 * MIB)).unwrap();
    tenant.reset().unwrap();
    tenant.purge(0).unwrap();
    assert_eq!(service.charged_bytes(), tenant.charged_bytes());
}

#[test]
fn arenas_that_live_for_ever_may_have_children_anywhere() {
    let service: &'static Arena = Box::leak(Box::new(Arena::new().unwrap()));
    let mut tenants: Vec<Arena<'static>> = Vec::new();
    for _ in 0..3 {
        tenants.push(Arena::builder().parent(service).build().unwrap());
    }
    tenants[1].alloc(bytes(MIB)).unwrap();
    assert_eq!(service.charged_bytes(), tenants[1].charged_bytes());
    let moved = thread::spawn(move || tenants.len()).join().unwrap();
    assert_eq!(moved, 3);
    assert_eq!(service.charged_bytes(), Ok(0));
}

#[test]
fn a_forgotten_child_keeps_its_parent_alive() {
    let told = Arc::new(AtomicUsize::new(0));
    let parent = counting(&told, MIB);
    let child = Arena::builder().parent(&parent).build().unwrap();
    let child = child.into_raw();
    drop(parent); // is not destroyed, and keeps its listener
    let child = unsafe { Arena::from_raw(child) };
    assert!(is_refused(&child, 2 * MIB));
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert_eq!(Arc::strong_count(&told), 2);
}

#[test]
fn exact_bytes_count_bytes() {
    let arena = Arena::builder()
        .limit_bytes(1000)
        .exact_bytes()
        .build()
        .unwrap();
    let block = arena.alloc_at_least(bytes(600)).unwrap();
    // In the preset secure with what is kept behind it.
    let charged = arena.charged_bytes().unwrap();
    assert!(charged == block.len() || charged == block.len() + 16);
    assert!(is_refused(&arena, 600));
    let pages = Arena::new().unwrap();
    let mixed = Arena::builder().parent(&pages).exact_bytes().build();
    assert_eq!(mixed.unwrap_err(), Error::Unsupported);
}

#[test]
fn a_block_changes_its_arena() {
    let root = Arena::new().unwrap();
    let from = Arena::builder().parent(&root).build().unwrap();
    let to = Arena::builder().parent(&root).build().unwrap();
    let stranger = Arena::new().unwrap();
    let block = from.alloc_raw(bytes(MIB)).unwrap();
    unsafe {
        assert_eq!(stranger.transfer_here(block), Err(Error::Unsupported));
        to.transfer_here(block).unwrap();
        drop(from);
        block.as_ptr().write_bytes(1, MIB);
        assert!(to.owns(block.as_ptr()));
        to.free_raw(block, bytes(MIB));
    }
    assert_eq!(to.stats().unwrap().live_blocks, 0);
}

// --- Pressure ---

fn counting(told: &Arc<AtomicUsize>, limit_bytes: usize) -> Arena<'static> {
    let told = Arc::clone(told);
    Arena::builder()
        .limit_bytes(limit_bytes)
        .on_pressure(move |_, _| {
            told.fetch_add(1, Ordering::Relaxed);
        })
        .build()
        .unwrap()
}

#[test]
fn listeners_are_told_what_happens() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&events);
    let arena = Arena::builder()
        .limit_bytes(4 * MIB)
        .soft_limit_bytes(2 * MIB)
        .on_pressure(move |arena: ArenaView<'_>, event| {
            let charged = arena.charged_bytes().unwrap();
            told.lock().unwrap().push((event, charged >= 2 * MIB));
        })
        .build()
        .unwrap();
    let block = arena.alloc_raw(bytes(3 * MIB)).unwrap();
    assert!(is_refused(&arena, 2 * MIB));
    unsafe { arena.free_raw(block, bytes(3 * MIB)) };
    arena.purge(0).unwrap();
    assert_eq!(
        *events.lock().unwrap(),
        [
            (Pressure::Soft, true),
            (Pressure::Limit, true),
            (Pressure::Relieved, false)
        ]
    );
}

#[test]
fn a_listener_may_evict() {
    let arena: &'static Arena = {
        let evict: Arc<Mutex<Vec<ArenaBox<'static, [u8; 100_000]>>>> =
            Arc::default();
        let cache = Arc::clone(&evict);
        let arena = Arena::builder()
            .limit_bytes(4 * MIB)
            .soft_limit_bytes(2 * MIB)
            .on_pressure(move |_, event| {
                if event != Pressure::Relieved {
                    cache.lock().unwrap().clear();
                }
            })
            .build()
            .unwrap();
        let arena: &'static Arena = Box::leak(Box::new(arena));
        for _ in 0..200 {
            let entry = ArenaBox::try_new_in([1; 100_000], arena).unwrap();
            // Not while the listener is told: it takes the same lock.
            evict.lock().unwrap().push(entry);
        }
        assert!(evict.lock().unwrap().len() < 41);
        arena
    };
    assert_eq!(arena.check(), Ok(()));
}

#[test]
fn a_listener_moves_and_dies_with_its_arena() {
    let told = Arc::new(AtomicUsize::new(0));
    let arena = counting(&told, MIB);
    let arena = thread::spawn(move || {
        assert!(is_refused(&arena, 2 * MIB));
        arena
    })
    .join()
    .unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert_eq!(Arc::strong_count(&told), 2);
    drop(arena);
    assert_eq!(Arc::strong_count(&told), 1);
    // Nor does one stay behind that never got an arena.
    let pages = Arena::new().unwrap();
    let count = Arc::clone(&told);
    let failed = Arena::builder()
        .parent(&pages)
        .exact_bytes()
        .on_pressure(move |_, _| drop(Arc::clone(&count)))
        .build();
    assert_eq!(failed.unwrap_err(), Error::Unsupported);
    assert_eq!(Arc::strong_count(&told), 1);
}

#[test]
fn the_reserve_is_for_what_comes_after_a_refusal() {
    let arena = Arena::builder()
        .limit_bytes(4 * MIB)
        .reserve_bytes(MIB)
        .build()
        .unwrap();
    let mut blocks = 0;
    while !is_refused(&arena, 100_000) {
        blocks += 1;
    }
    assert!(blocks < 32, "{blocks}: the reserve was there all the time");
    assert!(!is_refused(&arena, 100_000));
    assert!(arena.charged_bytes().unwrap() <= 4 * MIB);
}

#[test]
fn soft_limits_move() {
    let told = Arc::new(AtomicUsize::new(0));
    let arena = counting(&told, 0);
    arena.alloc(bytes(MIB)).unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 0);
    arena.set_soft_limit_bytes(MIB / 2).unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert_eq!(arena.stats().unwrap().soft_limit_bytes, (MIB / 2) as u64);
}
