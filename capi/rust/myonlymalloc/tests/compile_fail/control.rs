// error: none. What the others do wrong, done right: so they fail for what they
// say and for nothing else.
use myonlymalloc::{Arena, ArenaBox, ArenaView, Error, PageSource, Pressure};
use std::thread;

fn send<T: Send>(_: &T) {}
fn sync<T: Sync>(_: &T) {}

fn main() -> Result<(), Error> {
    let parent = Arena::new()?;
    let mut child = Arena::builder()
        .parent(&parent)
        .on_pressure(|view: ArenaView<'_>, event: Pressure| {
            let _ = (view.charged_bytes(), event);
        })
        .build()?;
    send(&child);
    sync(&child);
    let text = child.alloc_str("text")?;
    let value = child.alloc_value((1, "one"))?;
    let boxed = ArenaBox::try_new_in(vec![1], &child)?;
    send(&boxed);
    sync(&boxed);
    thread::scope(|scope| {
        scope.spawn(|| text.make_ascii_uppercase());
        scope.spawn(|| value.0 += boxed.len());
    });
    println!("{text} {value:?}");
    drop(boxed);
    child.reset()?;
    drop(child);
    drop(parent);
    Ok(())
}

fn _moves_to_a_thread(arena: Arena<'static>) {
    thread::spawn(move || drop(arena));
}

fn _source(source: &'static impl PageSource) -> Result<Arena<'static>, Error> {
    Arena::builder().pages(source).build()
}
