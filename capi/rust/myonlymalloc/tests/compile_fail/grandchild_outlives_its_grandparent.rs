// error: E0597
use myonlymalloc::Arena;

fn grandchild<'p>(parent: &'p Arena<'_>) -> Arena<'p> {
    Arena::builder().parent(parent).build().unwrap()
}

fn main() {
    let child;
    {
        let parent = Arena::new().unwrap();
        child = grandchild(&parent);
    }
    drop(child);
}
