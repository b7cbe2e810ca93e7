// error: E0505
use myonlymalloc::testing::{FaultOptions, Faults};
use myonlymalloc::Arena;

fn main() {
    let arena = Arena::new().unwrap();
    let faults = Faults::in_arena(&arena, &FaultOptions::default()).unwrap();
    drop(arena);
    faults.end();
}
