// error: E0506
use myonlymalloc::Arena;
use std::mem::MaybeUninit;

fn main() {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 65536];
    let arena = unsafe { Arena::builder().build_over(&mut buffer).unwrap() };
    buffer[0] = MaybeUninit::new(1);
    drop(arena);
}
