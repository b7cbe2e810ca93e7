//! What must not compile doesn't, and for the right reason: each file of
//! compile_fail names in its first line the error that rustc has to give.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;

/// Beside this file under cargo, in the runfiles under Bazel.
fn folder() -> PathBuf {
    let package = option_env!("CARGO_MANIFEST_DIR");
    Path::new(package.unwrap_or("capi/rust/myonlymalloc"))
        .join("tests/compile_fail")
}

fn rustc() -> String {
    if let Some(rustc) = option_env!("MYONLY_RUSTC") {
        return rustc.to_string(); // the one that compiled this
    }
    std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_string())
}

/// The compiled crate: of several that cargo has left, the newest.
fn crate_file() -> PathBuf {
    if option_env!("CARGO_MANIFEST_DIR").is_none() {
        return PathBuf::from("capi/rust/libmyonlymalloc.rlib");
    }
    let test = std::env::current_exe().unwrap();
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libmyonlymalloc-") && name.ends_with(".rlib")
    };
    std::fs::read_dir(test.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(is_ours)
        .max_by_key(|path| path.metadata().unwrap().modified().unwrap())
        .expect("libmyonlymalloc-*.rlib beside this test")
}

/// The errors that rustc has with `source`; those without a number as "error".
fn errors_of(source: &Path) -> (BTreeSet<String>, String) {
    let library = crate_file();
    let base = std::env::var_os("TEST_TMPDIR")
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let stem = source.file_stem().unwrap().to_string_lossy();
    let output = base.join(format!("myonly-{}-{stem}", std::process::id()));
    let result = Command::new(rustc())
        .args(["--edition=2021", "--crate-type=bin", "--emit=metadata"])
        .arg("--extern")
        .arg(format!("myonlymalloc={}", library.display()))
        .arg("-L")
        .arg(library.parent().unwrap())
        .arg("-o")
        .arg(&output)
        .arg(source)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", rustc()));
    let _ = std::fs::remove_file(output);
    let text = String::from_utf8(result.stderr).unwrap();
    let mut errors: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("error["))
        .map(|line| line.split(']').next().unwrap().to_string())
        .collect();
    if !result.status.success() && errors.is_empty() {
        errors.insert("error".to_string());
    }
    (errors, text)
}

/// "// error: E0597" or "// error: none. ..."
fn expected(source: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(source).unwrap();
    let first = text.lines().next().unwrap();
    let error = first.strip_prefix("// error: ").expect(first);
    let error = error.split('.').next().unwrap();
    Some(error.to_string())
        .filter(|error| error != "none")
        .into_iter()
        .collect()
}

#[test]
fn each_file_has_the_error_that_it_names() {
    let mut sources: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    sources.sort();
    assert!(sources.len() >= 20, "only {}", sources.len());
    assert!(sources.iter().any(|source| expected(source).is_empty()));
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(String::new()));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let source = match sources.get(i) {
                    Some(source) => source,
                    None => break,
                };
                let (errors, text) = errors_of(source);
                if errors != expected(source) {
                    *wrong.lock().unwrap() +=
                        &format!("{}: {errors:?}\n{text}", source.display());
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong}");
}
