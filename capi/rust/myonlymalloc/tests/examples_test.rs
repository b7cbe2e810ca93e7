//! Runs each example and compares what it prints.
use std::path::PathBuf;
use std::process::Command;

/// The example's program: beside this test under cargo, in the runfiles under
/// Bazel.
fn program(name: &str) -> PathBuf {
    if option_env!("CARGO_MANIFEST_DIR").is_none() {
        return PathBuf::from("capi/rust").join(name);
    }
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    profile.join("examples").join(name)
}

fn output_of(name: &str) -> String {
    let program = program(name);
    let output = Command::new(&program)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn global_allocator_counts_words() {
    let expected = "the 3\nand 2\nbird 1\ncat 1\ndog 1\n\
                    allocated by MyAndOnlyMalloc 0.1.0\n";
    assert_eq!(output_of("global_allocator"), expected);
}

#[test]
fn arena_per_request_answers_resets_and_refuses() {
    let expected = "malloc or free -> free or malloc\n\
                    one lock per arena -> arena per lock one\n\
                    2 MiB: Quota\n\
                    still there: refusal the after\n\
                    request: 3 allocations, 1 live, 2 resets\n";
    assert_eq!(output_of("arena_per_request"), expected);
}
