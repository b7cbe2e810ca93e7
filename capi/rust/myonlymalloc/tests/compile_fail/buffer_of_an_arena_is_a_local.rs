// error: E0597
use myonlymalloc::Arena;
use std::mem::MaybeUninit;

fn main() {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 65536];
    let arena = Arena::builder().build_in(&mut buffer).unwrap();
    drop(arena);
}
