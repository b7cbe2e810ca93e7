//! Links the allocator: a prebuilt library where MYONLYMALLOC_LIB_DIR names its
//! folder, else the sources of the repository, compiled here.
//!
//! The C++ compiler and ar are called directly, without the `cc` crate: this
//! crate then has no dependency at all, and `cargo build --offline` works with
//! an empty registry. CXX, AR and CXXFLAGS are honoured, as are CXX_<target>
//! and AR_<target> for a cross build.
//!
//! Nothing of libstdc++ is linked: the core uses no exceptions, no RTTI and no
//! guarded statics, and of Abseil only headers.
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

const LIB_DIR: &str = "MYONLYMALLOC_LIB_DIR";

fn main() {
    let manifest_dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let root = manifest_dir.join("../../..");
    println!("cargo:rerun-if-env-changed={LIB_DIR}");
    println!("cargo:rerun-if-changed=build.rs");
    let include = root.join("capi/include");
    if include.is_dir() {
        println!("cargo:include={}", include.display());
    }
    match env::var_os(LIB_DIR) {
        Some(dir) => link_prebuilt(Path::new(&dir)),
        None => compile_and_link(&root, &include),
    }
}

/// Links libmyonlymalloc.a of `dir`, or the shared library if there is no
/// archive.
fn link_prebuilt(dir: &Path) {
    let has = |name: &str| dir.join(name).is_file();
    let kind = if has("libmyonlymalloc.a") {
        static_kind()
    } else if has("libmyonlymalloc.so") {
        "dylib"
    } else {
        panic!(
            "{LIB_DIR}={}: neither libmyonlymalloc.a nor libmyonlymalloc.so",
            dir.display()
        );
    };
    println!("cargo:rerun-if-changed={}", dir.display());
    println!("cargo:rustc-link-search=native={}", dir.display());
    println!("cargo:rustc-link-lib={kind}=myonlymalloc");
}

fn static_kind() -> &'static str {
    // Nothing refers to the objects that define malloc before libc's own would
    // be found: the linker has to take them all.
    if feature("OVERRIDE") {
        "static:+whole-archive"
    } else {
        "static"
    }
}

fn compile_and_link(root: &Path, include: &Path) {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let sources = list_sources(root);
    let compiler = tool("CXX", "c++");
    let mut flags: Vec<String> = [
        "-std=c++17",
        "-O2",
        "-g1",
        "-fPIC",
        "-fno-exceptions",
        "-fno-rtti",
        "-fno-threadsafe-statics",
        "-fno-asynchronous-unwind-tables",
        "-fvisibility=hidden",
        "-fvisibility-inlines-hidden",
    ]
    .map(String::from)
    .to_vec();
    if !feature("DEBUG") {
        flags.push("-DNDEBUG".into());
    }
    // Compilers know malloc and merge its calls; who implements it can't have
    // that.
    for name in ["malloc", "calloc", "realloc", "free"] {
        flags.push(format!("-fno-builtin-{name}"));
    }
    for dir in [root, include] {
        flags.push(format!("-I{}", dir.display()));
    }
    println!("cargo:rerun-if-env-changed=CXXFLAGS");
    if let Ok(more) = env::var("CXXFLAGS") {
        flags.extend(more.split_whitespace().map(String::from));
    }
    let objects: Vec<PathBuf> = (0..sources.len())
        .map(|i| {
            let stem = sources[i].file_stem().unwrap().to_string_lossy();
            out_dir.join(format!("{i}_{stem}.o"))
        })
        .collect();
    compile_all(&compiler, &flags, &sources, &objects);

    let archive = out_dir.join("libmyonlymalloc.a");
    // ar would keep the members of sources that are gone by now.
    let _ = fs::remove_file(&archive);
    let mut ar = Command::new(tool("AR", "ar"));
    run(ar.arg("crs").arg(&archive).args(&objects));
    println!("cargo:rustc-link-search=native={}", out_dir.display());
    println!("cargo:rustc-link-lib={}=myonlymalloc", static_kind());
}

/// The core and the C API: what `//capi` (and with the `override` feature
/// `//capi:override`) is made of.
fn list_sources(root: &Path) -> Vec<PathBuf> {
    let allocator = root.join("allocator");
    let capi = root.join("capi");
    if !allocator.is_dir() {
        panic!(
            "the sources of the allocator are not beside this crate: set \
             {LIB_DIR} to the folder of a prebuilt libmyonlymalloc"
        );
    }
    let mut sources = Vec::new();
    add_sources(&allocator, true, &mut sources);
    add_sources(&capi, false, &mut sources);
    if feature("OVERRIDE") {
        add_sources(&capi.join("override"), true, &mut sources);
    }
    // Cargo looks into the folders itself, headers and new files included.
    println!("cargo:rerun-if-changed={}", allocator.display());
    for part in ["include", "override"] {
        println!("cargo:rerun-if-changed={}", capi.join(part).display());
    }
    for source in &sources {
        println!("cargo:rerun-if-changed={}", source.display());
    }
    sources
}

fn add_sources(dir: &Path, recursive: bool, sources: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    // Sorted, so that the same tree gives the same archive.
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if recursive {
                add_sources(&path, true, sources);
            }
        } else if path.extension() == Some(OsStr::new("cc"))
            && !is_for_tests(&path)
        {
            sources.push(path);
        }
    }
}

/// Fakes live beside what they stand for, so that they are easy to find.
fn is_for_tests(path: &Path) -> bool {
    let stem = path.file_stem().unwrap().to_string_lossy();
    stem.starts_with("fake_") || stem.ends_with("_test")
}

fn compile_all(
    compiler: &OsStr,
    flags: &[String],
    sources: &[PathBuf],
    objects: &[PathBuf],
) {
    let jobs: usize = env::var("NUM_JOBS")
        .ok()
        .and_then(|jobs| jobs.parse().ok())
        .unwrap_or(1);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(sources.len()) {
            scope.spawn(|| loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= sources.len() {
                    break;
                }
                let mut command = Command::new(compiler);
                command.args(flags).arg("-c").arg(&sources[i]);
                run(command.arg("-o").arg(&objects[i]));
            });
        }
    });
}

fn run(command: &mut Command) {
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

fn tool(variable: &str, default: &str) -> std::ffi::OsString {
    let target = env::var("TARGET").unwrap().replace('-', "_");
    for name in [format!("{variable}_{target}"), variable.to_string()] {
        println!("cargo:rerun-if-env-changed={name}");
        if let Some(value) = env::var_os(&name) {
            return value;
        }
    }
    default.into()
}

fn feature(name: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
}
