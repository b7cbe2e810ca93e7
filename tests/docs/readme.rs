//! The Rust example of README.md, as it is there.
use myonlymalloc::{Arena, Error};

#[global_allocator] // every Box, Vec and String of the program
static GLOBAL: myonlymalloc::MyOnlyMalloc = myonlymalloc::MyOnlyMalloc;

fn main() -> Result<(), Error> {
    let mut arena = Arena::builder().name("request").build()?;
    let text = arena.alloc_str("a heap of its own")?;
    text.make_ascii_uppercase();
    println!("{text}");
    arena.reset() // `text` is gone, and the borrow checker knows
}
