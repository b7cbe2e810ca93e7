// error: E0502
use myonlymalloc::Arena;

fn main() {
    let mut arena = Arena::new().unwrap();
    let text = arena.alloc_str("gone").unwrap();
    arena.reset().unwrap();
    println!("{text}");
}
