// error: E0597
use myonlymalloc::Arena;
use std::sync::atomic::{AtomicUsize, Ordering};

fn main() {
    let told = AtomicUsize::new(0);
    let count = &told;
    let arena = Arena::builder()
        .on_pressure(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .build();
    drop(arena);
}
