// error: E0515
use myonlymalloc::Arena;

fn text() -> &'static mut str {
    let arena = Arena::new().unwrap();
    arena.alloc_str("gone").unwrap()
}

fn main() {
    println!("{}", text());
}
