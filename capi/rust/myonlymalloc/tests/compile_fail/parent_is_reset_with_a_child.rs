// error: E0502
use myonlymalloc::Arena;

fn main() {
    let mut parent = Arena::new().unwrap();
    let child = Arena::builder().parent(&parent).build().unwrap();
    parent.reset().unwrap();
    drop(child);
}
