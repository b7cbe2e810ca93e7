// error: E0597
use myonlymalloc::Arena;

fn main() {
    let report;
    {
        let arena = Arena::new().unwrap();
        report = arena.explain();
    }
    println!("{report}");
}
