// error: E0505
use myonlymalloc::Arena;

fn main() {
    let arena = Arena::new().unwrap();
    let text = arena.alloc_str("gone").unwrap();
    drop(arena);
    println!("{text}");
}
