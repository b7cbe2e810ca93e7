// error: E0599
use myonlymalloc::Arena;

fn main() {
    // Its owner may reset the arena meanwhile.
    let arena = Arena::builder()
        .on_pressure(|view, _| drop(view.alloc_str("text")))
        .build();
    drop(arena);
}
