// error: E0277
use myonlymalloc::testing::NoAllocation;

fn main() {
    let section = NoAllocation::refuse().unwrap();
    std::thread::spawn(move || drop(section));
}
