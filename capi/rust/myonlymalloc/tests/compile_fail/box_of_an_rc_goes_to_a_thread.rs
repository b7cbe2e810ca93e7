// error: E0277
use myonlymalloc::{Arena, ArenaBox};
use std::rc::Rc;

fn main() {
    let arena = Arena::new().unwrap();
    let boxed = ArenaBox::try_new_in(Rc::new(7), &arena).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(boxed));
    });
}
