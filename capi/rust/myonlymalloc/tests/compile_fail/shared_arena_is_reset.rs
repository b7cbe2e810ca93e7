// error: E0596
use myonlymalloc::Arena;
use std::sync::Arc;

fn main() {
    let arena = Arc::new(Arena::new().unwrap());
    arena.reset().unwrap();
}
