//! The externs are written by hand; these tests hold them to the C header.
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use myonlymalloc_sys::*;

/// The folder of this crate: absolute under cargo, in the runfiles under Bazel.
fn crate_dir() -> PathBuf {
    let dir = option_env!("CARGO_MANIFEST_DIR");
    PathBuf::from(dir.unwrap_or("capi/rust/myonlymalloc-sys"))
}

fn include_dir() -> PathBuf {
    crate_dir().join("../../include")
}

fn temporary_dir() -> PathBuf {
    let base = std::env::var_os("TEST_TMPDIR")
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = base.join(format!("myonly-abi-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn layout_in_c() -> String {
    let dir = temporary_dir();
    let program = dir.join("abi_layout");
    run(Command::new("cc")
        .args(["-std=c11", "-Wall", "-Werror", "-I"])
        .arg(include_dir())
        .arg(crate_dir().join("tests/abi_layout.c"))
        .arg("-o")
        .arg(&program));
    let layout = run(&mut Command::new(&program));
    std::fs::remove_dir_all(&dir).unwrap();
    layout
}

fn layout_in_rust() -> String {
    let mut text = String::new();
    macro_rules! size {
        ($type:ty) => {
            let size = std::mem::size_of::<$type>();
            writeln!(text, "{} {size}", stringify!($type)).unwrap();
        };
    }
    macro_rules! fields {
        ($type:ident, $init:ident, $($field:ident)*) => {
            size!($type);
            let value = $init;
            let base = std::ptr::addr_of!(value) as usize;
            $(
                let offset = std::ptr::addr_of!(value.$field) as usize - base;
                let name = stringify!($field);
                writeln!(text, "{}.{name} {offset}", stringify!($type))
                    .unwrap();
            )*
        };
    }
    macro_rules! values {
        ($($name:ident)*) => {
            $(writeln!(text, "{} {}", stringify!($name), $name).unwrap();)*
        };
    }
    size!(myonly_status);
    fields!(
        myonly_arena_options, MYONLY_ARENA_OPTIONS_INIT,
        struct_size version name flags limit_bytes soft_limit_bytes
        reserve_bytes parent pages on_pressure ctx
    );
    fields!(
        myonly_arena_stats_t, MYONLY_ARENA_STATS_INIT,
        struct_size version name live_blocks live_bytes peak_live_bytes
        allocations frees reserved_bytes region_bytes large_bytes huge_bytes
        free_block_bytes limit_bytes resets
        charged_bytes soft_limit_bytes children refusals
    );
    fields!(
        myonly_page_source, MYONLY_PAGE_SOURCE_INIT,
        struct_size version ctx reserve purge release
    );
    fields!(
        myonly_block_info, MYONLY_BLOCK_INFO_INIT,
        struct_size state start size arena thread
    );
    fields!(
        myonly_walk_options, MYONLY_WALK_OPTIONS_INIT,
        struct_size version flags least_bytes
    );
    fields!(
        myonly_fault_options, MYONLY_FAULT_OPTIONS_INIT,
        struct_size version seed fail_nth probability above_bytes count
    );
    values!(
        MYONLY_OK MYONLY_ERR_NOMEM MYONLY_ERR_QUOTA MYONLY_ERR_INVALID
        MYONLY_ERR_UNSUPPORTED MYONLY_ERR_BUSY MYONLY_ERR_STALE
        MYONLY_ERR_CORRUPT MYONLY_ERR_OS MYONLY_VERSION_MAJOR
        MYONLY_VERSION_MINOR MYONLY_VERSION_PATCH MYONLY_ABI_VERSION
        MYONLY_DESTROY_FREE MYONLY_DESTROY_REQUIRE_EMPTY
        MYONLY_ARENA_EXACT_BYTES MYONLY_ARENA_POISON_ON_RESET
        MYONLY_PRESSURE_SOFT MYONLY_PRESSURE_RELIEVED MYONLY_PRESSURE_LIMIT
        MYONLY_BLOCK_LIVE MYONLY_BLOCK_FREE
        MYONLY_FORMAT_TEXT MYONLY_FORMAT_JSON MYONLY_FORMAT_PROMETHEUS
        MYONLY_NO_ALLOC_REFUSE MYONLY_NO_ALLOC_ABORT
    );
    text
}

/// Each declared function with the number of its parameters. `marker` starts a
/// declaration, the first ';' after it ends it.
fn functions(path: &Path, marker: &str) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut found = BTreeMap::new();
    for part in text.split(marker).skip(1) {
        let declaration = part.split(';').next().unwrap();
        let open = match declaration.find('(') {
            Some(open) => open,
            None => continue, // the definition of the macro MYONLY_API
        };
        let close = declaration[open..].find(')').unwrap() + open;
        let name = declaration[..open]
            .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap();
        if !name.starts_with("myonly_") {
            continue;
        }
        let list = declaration[open + 1..close].trim();
        let count = match list {
            "" | "void" => 0,
            _ => list.trim_end_matches(',').split(',').count(),
        };
        found.insert(name.to_string(), count);
    }
    found
}

#[test]
fn layouts_and_constants_are_those_of_the_header() {
    assert_eq!(layout_in_rust(), layout_in_c());
}

#[test]
fn every_function_of_the_headers_is_declared_with_its_parameters() {
    let mut in_c = BTreeMap::new();
    let mut headers = 0;
    for entry in std::fs::read_dir(include_dir().join("myonly")).unwrap() {
        in_c.extend(functions(&entry.unwrap().path(), "MYONLY_API"));
        headers += 1;
    }
    let in_rust = functions(&crate_dir().join("src/lib.rs"), "pub fn ");
    assert!(headers >= 6, "only {headers} headers");
    assert!(
        in_c.len() >= 45,
        "the headers were not understood: {in_c:?}"
    );
    assert_eq!(in_rust, in_c);
}

#[test]
fn the_library_is_the_version_of_these_declarations() {
    let version = MYONLY_VERSION_MAJOR << 16
        | MYONLY_VERSION_MINOR << 8
        | MYONLY_VERSION_PATCH;
    unsafe {
        assert_eq!(myonly_version(), version);
        assert_eq!(myonly_abi_version(), MYONLY_ABI_VERSION);
    }
}

#[test]
fn stats_are_written_within_the_size_that_was_passed() {
    let mut stats = MYONLY_ARENA_STATS_INIT;
    stats.refusals = u64::MAX;
    stats.struct_size -= 8; // all but `refusals`
    unsafe {
        let status = myonly_arena_stats(std::ptr::null_mut(), &mut stats);
        assert_eq!(status, MYONLY_OK);
    }
    assert_eq!(stats.refusals, u64::MAX);
}

#[test]
fn a_destroyed_arena_is_recognised() {
    let mut arena = std::ptr::null_mut();
    unsafe {
        let status = myonly_arena_create(std::ptr::null(), &mut arena);
        assert_eq!(status, MYONLY_OK);
        assert!(!myonly_arena_alloc(arena, 100).is_null());
        let require_empty =
            myonly_arena_destroy(arena, MYONLY_DESTROY_REQUIRE_EMPTY);
        assert_eq!(require_empty, MYONLY_ERR_BUSY);
        assert_eq!(myonly_arena_destroy(arena, MYONLY_DESTROY_FREE), MYONLY_OK);
        assert!(myonly_arena_alloc(arena, 100).is_null());
        assert_eq!(myonly_last_status(), MYONLY_ERR_STALE);
        assert_eq!(myonly_arena_reset(arena), MYONLY_ERR_STALE);
    }
}
