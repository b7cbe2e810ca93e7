// error: E0597
use myonlymalloc::Arena;

fn main() {
    let text;
    {
        let arena = Arena::new().unwrap();
        text = arena.alloc_str("gone").unwrap();
    }
    println!("{text}");
}
