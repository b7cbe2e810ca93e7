// error: E0505
use myonlymalloc::Arena;

fn main() {
    let parent = Arena::new().unwrap();
    let child = Arena::builder().parent(&parent).build().unwrap();
    drop(parent);
    drop(child);
}
