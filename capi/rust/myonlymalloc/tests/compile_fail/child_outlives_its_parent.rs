// error: E0597
use myonlymalloc::Arena;

fn main() {
    let child;
    {
        let parent = Arena::new().unwrap();
        child = Arena::builder().parent(&parent).build().unwrap();
    }
    drop(child);
}
