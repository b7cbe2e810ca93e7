//! One arena serves request after request: each request's memory is dropped at
//! once, and none may take more than its limit.
use std::alloc::Layout;

use myonlymalloc::{Arena, Error};

/// The words of `request`, in reverse order, in memory of `arena`.
fn answer<'a>(arena: &'a Arena, request: &str) -> Result<&'a str, Error> {
    let answer = arena.calloc(Layout::array::<u8>(request.len()).unwrap())?;
    let mut end = 0;
    for word in request.split(' ').rev() {
        if end > 0 {
            answer[end] = b' ';
            end += 1;
        }
        answer[end..end + word.len()].copy_from_slice(word.as_bytes());
        end += word.len();
    }
    Ok(std::str::from_utf8(answer).expect("words of a str"))
}

fn main() -> Result<(), Error> {
    let mut arena = Arena::builder()
        .name("request")
        .limit_bytes(1 << 20)
        .build()?;
    for request in ["malloc or free", "one lock per arena"] {
        println!("{request} -> {}", answer(&arena, request)?);
        arena.reset()?;
    }

    let too_large = Layout::array::<u8>(2 << 20).unwrap();
    let refused = arena.alloc(too_large).unwrap_err();
    println!("2 MiB: {refused:?}");
    println!("still there: {}", answer(&arena, "after the refusal")?);

    let stats = arena.stats()?;
    println!(
        "{}: {} allocations, {} live, {} resets",
        stats.name(),
        stats.allocations,
        stats.live_blocks,
        stats.resets
    );
    arena.check()
}
