// error: E0505
use myonlymalloc::{Arena, ArenaBox};

fn main() {
    let arena = Arena::new().unwrap();
    let _boxed = ArenaBox::try_new_in(7, &arena).unwrap();
    drop(arena); // the box is dropped after this
}
