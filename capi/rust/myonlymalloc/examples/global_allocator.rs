//! Every allocation of this program comes from MyAndOnlyMalloc.
use std::collections::HashMap;

#[global_allocator]
static GLOBAL: myonlymalloc::MyOnlyMalloc = myonlymalloc::MyOnlyMalloc;

fn main() {
    let text = "the cat and the dog and the bird";
    let mut counts: HashMap<String, usize> = HashMap::new();
    for word in text.split(' ') {
        *counts.entry(word.to_string()).or_default() += 1;
    }
    let mut words: Vec<_> = counts.into_iter().collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    for (word, count) in &words {
        println!("{word} {count}");
    }

    let stats = myonlymalloc::stats().expect("the process heap has counters");
    let first = words[0].0.as_ptr();
    // SAFETY: the string is live and came from the global allocator.
    let usable = unsafe { myonlymalloc::usable_size(first) };
    assert!(usable >= words[0].0.len());
    assert!(stats.live_blocks >= words.len() as u64);
    println!("allocated by MyAndOnlyMalloc {}", myonlymalloc::version());
}
