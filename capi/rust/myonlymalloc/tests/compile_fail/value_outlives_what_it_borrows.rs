// error: E0597
use myonlymalloc::Arena;

fn main() {
    let arena = Arena::new().unwrap();
    let value;
    {
        let local = 7;
        value = arena.alloc_value(&local).unwrap();
    }
    println!("{value}");
}
