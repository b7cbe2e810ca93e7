// error: E0597
use myonlymalloc::{Arena, ArenaBox};

fn main() {
    let boxed;
    {
        let arena = Arena::new().unwrap();
        boxed = ArenaBox::try_new_in(7, &arena).unwrap();
    }
    println!("{boxed}");
}
