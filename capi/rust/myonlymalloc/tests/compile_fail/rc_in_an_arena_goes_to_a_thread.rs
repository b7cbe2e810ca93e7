// error: E0277
use myonlymalloc::Arena;
use std::rc::Rc;

fn main() {
    let arena = Arena::new().unwrap();
    let value = arena.alloc_value(Rc::new(7)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| drop(Rc::clone(value)));
    });
}
