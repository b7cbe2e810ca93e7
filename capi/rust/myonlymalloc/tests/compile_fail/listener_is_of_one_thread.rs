// error: E0277
use myonlymalloc::Arena;
use std::cell::Cell;

fn main() {
    let told = Cell::new(0);
    let arena = Arena::builder()
        .on_pressure(move |_, _| told.set(told.get() + 1))
        .build();
    drop(arena);
}
