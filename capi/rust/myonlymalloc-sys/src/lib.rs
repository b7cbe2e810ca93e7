//! The C API of MyAndOnlyMalloc, the headers of `capi/include/myonly`, word for
//! word.
//!
//! The headers say what each function does; a test compares the layouts and the
//! names here with them. Use the `myonlymalloc` crate for a safe interface.
#![no_std]
#![allow(non_camel_case_types)]

use core::ffi::c_void;

/// C's `int`.
pub type c_int = i32;

/// C's `char` on Linux. `core::ffi::c_char` would need Rust 1.64, and Debian 12
/// has 1.63.
#[cfg(any(
    target_arch = "x86",
    target_arch = "x86_64",
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "sparc64"
))]
pub type c_char = i8;
#[cfg(not(any(
    target_arch = "x86",
    target_arch = "x86_64",
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "sparc64"
)))]
pub type c_char = u8;

/// Why a call failed; one of `MYONLY_OK` and `MYONLY_ERR_*`.
pub type myonly_status = i32;

pub const MYONLY_OK: myonly_status = 0;
pub const MYONLY_ERR_NOMEM: myonly_status = -1;
pub const MYONLY_ERR_QUOTA: myonly_status = -2;
pub const MYONLY_ERR_INVALID: myonly_status = -3;
pub const MYONLY_ERR_UNSUPPORTED: myonly_status = -4;
pub const MYONLY_ERR_BUSY: myonly_status = -5;
pub const MYONLY_ERR_STALE: myonly_status = -6;
pub const MYONLY_ERR_CORRUPT: myonly_status = -7;
pub const MYONLY_ERR_OS: myonly_status = -8;

pub const MYONLY_VERSION_MAJOR: u32 = 0;
pub const MYONLY_VERSION_MINOR: u32 = 1;
pub const MYONLY_VERSION_PATCH: u32 = 0;
pub const MYONLY_ABI_VERSION: u32 = 0;

pub const MYONLY_DESTROY_FREE: u64 = 0;
pub const MYONLY_DESTROY_REQUIRE_EMPTY: u64 = 1;

pub const MYONLY_ARENA_EXACT_BYTES: u64 = 1;
pub const MYONLY_ARENA_POISON_ON_RESET: u64 = 2;

pub const MYONLY_PRESSURE_SOFT: i32 = 1;
pub const MYONLY_PRESSURE_RELIEVED: i32 = 2;
pub const MYONLY_PRESSURE_LIMIT: i32 = 3;

pub const MYONLY_BLOCK_LIVE: i32 = 1;
pub const MYONLY_BLOCK_FREE: i32 = 2;

pub const MYONLY_FORMAT_TEXT: i32 = 0;
pub const MYONLY_FORMAT_JSON: i32 = 1;
pub const MYONLY_FORMAT_PROMETHEUS: i32 = 2;

pub const MYONLY_NO_ALLOC_REFUSE: i32 = 0;
pub const MYONLY_NO_ALLOC_ABORT: i32 = 1;

/// Names an arena. Opaque: a handle is not an address.
#[repr(C)]
pub struct myonly_arena {
    _private: [u8; 0],
}

/// A source of pages for an arena.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct myonly_page_source {
    pub struct_size: u32,
    pub version: u32,
    pub ctx: *mut c_void,
    pub reserve:
        Option<unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void>,
    pub purge:
        Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> c_int>,
    pub release:
        Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> c_int>,
}

/// As the C header's `MYONLY_PAGE_SOURCE_INIT`.
pub const MYONLY_PAGE_SOURCE_INIT: myonly_page_source = myonly_page_source {
    struct_size: core::mem::size_of::<myonly_page_source>() as u32,
    version: 0,
    ctx: core::ptr::null_mut(),
    reserve: None,
    purge: None,
    release: None,
};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct myonly_arena_options {
    pub struct_size: u32,
    pub version: u32,
    pub name: *const c_char,
    pub flags: u64,
    pub limit_bytes: usize,
    pub soft_limit_bytes: usize,
    pub reserve_bytes: usize,
    pub parent: *mut myonly_arena,
    pub pages: *const myonly_page_source,
    pub on_pressure:
        Option<unsafe extern "C" fn(*mut c_void, *mut myonly_arena, i32)>,
    pub ctx: *mut c_void,
}

/// As the C header's `MYONLY_ARENA_OPTIONS_INIT`.
pub const MYONLY_ARENA_OPTIONS_INIT: myonly_arena_options =
    myonly_arena_options {
        struct_size: core::mem::size_of::<myonly_arena_options>() as u32,
        version: 0,
        name: core::ptr::null(),
        flags: 0,
        limit_bytes: 0,
        soft_limit_bytes: 0,
        reserve_bytes: 0,
        parent: core::ptr::null_mut(),
        pages: core::ptr::null(),
        on_pressure: None,
        ctx: core::ptr::null_mut(),
    };

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct myonly_arena_stats_t {
    pub struct_size: u32,
    pub version: u32,
    pub name: [c_char; 32],
    pub live_blocks: u64,
    pub live_bytes: u64,
    pub peak_live_bytes: u64,
    pub allocations: u64,
    pub frees: u64,
    pub reserved_bytes: u64,
    pub region_bytes: u64,
    pub large_bytes: u64,
    pub huge_bytes: u64,
    pub free_block_bytes: u64,
    pub limit_bytes: u64,
    pub resets: u64,
    pub charged_bytes: u64,
    pub soft_limit_bytes: u64,
    pub children: u64,
    pub refusals: u64,
}

/// As the C header's `MYONLY_ARENA_STATS_INIT`.
pub const MYONLY_ARENA_STATS_INIT: myonly_arena_stats_t =
    myonly_arena_stats_t {
        struct_size: core::mem::size_of::<myonly_arena_stats_t>() as u32,
        version: 0,
        name: [0; 32],
        live_blocks: 0,
        live_bytes: 0,
        peak_live_bytes: 0,
        allocations: 0,
        frees: 0,
        reserved_bytes: 0,
        region_bytes: 0,
        large_bytes: 0,
        huge_bytes: 0,
        free_block_bytes: 0,
        limit_bytes: 0,
        resets: 0,
        charged_bytes: 0,
        soft_limit_bytes: 0,
        children: 0,
        refusals: 0,
    };

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct myonly_block_info {
    pub struct_size: u32,
    pub state: i32,
    pub start: *mut c_void,
    pub size: usize,
    pub arena: *mut myonly_arena,
    pub thread: u64,
}

/// As the C header's `MYONLY_BLOCK_INFO_INIT`.
pub const MYONLY_BLOCK_INFO_INIT: myonly_block_info = myonly_block_info {
    struct_size: core::mem::size_of::<myonly_block_info>() as u32,
    state: 0,
    start: core::ptr::null_mut(),
    size: 0,
    arena: core::ptr::null_mut(),
    thread: 0,
};

pub type myonly_block_fn = Option<
    unsafe extern "C" fn(*mut c_void, *const myonly_block_info) -> c_int,
>;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct myonly_walk_options {
    pub struct_size: u32,
    pub version: u32,
    pub flags: u64,
    pub least_bytes: usize,
}

/// As the C header's `MYONLY_WALK_OPTIONS_INIT`.
pub const MYONLY_WALK_OPTIONS_INIT: myonly_walk_options = myonly_walk_options {
    struct_size: core::mem::size_of::<myonly_walk_options>() as u32,
    version: 0,
    flags: 0,
    least_bytes: 0,
};

pub type myonly_write_fn =
    Option<unsafe extern "C" fn(*mut c_void, *const c_char, usize)>;

pub type myonly_arena_fn =
    Option<unsafe extern "C" fn(*mut c_void, *mut myonly_arena) -> c_int>;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct myonly_fault_options {
    pub struct_size: u32,
    pub version: u32,
    pub seed: u64,
    pub fail_nth: u64,
    pub probability: f64,
    pub above_bytes: usize,
    pub count: u64,
}

/// As the C header's `MYONLY_FAULT_OPTIONS_INIT`.
pub const MYONLY_FAULT_OPTIONS_INIT: myonly_fault_options =
    myonly_fault_options {
        struct_size: core::mem::size_of::<myonly_fault_options>() as u32,
        version: 0,
        seed: 0,
        fail_nth: 0,
        probability: 0.0,
        above_bytes: 0,
        count: 0,
    };

// myonly/myonly.h
extern "C" {
    pub fn myonly_status_str(status: myonly_status) -> *const c_char;
    pub fn myonly_last_status() -> myonly_status;

    pub fn myonly_version() -> u32;
    pub fn myonly_version_str() -> *const c_char;
    pub fn myonly_abi_version() -> u32;
    pub fn myonly_is_process_allocator() -> c_int;

    pub fn myonly_alloc(size: usize) -> *mut c_void;
    pub fn myonly_free(ptr: *mut c_void);
    pub fn myonly_calloc(count: usize, size: usize) -> *mut c_void;
    pub fn myonly_realloc(ptr: *mut c_void, size: usize) -> *mut c_void;
    pub fn myonly_aligned_alloc(alignment: usize, size: usize) -> *mut c_void;
    pub fn myonly_alloc_at_least(
        size: usize,
        alignment: usize,
        actual: *mut usize,
    ) -> *mut c_void;
    pub fn myonly_free_sized(ptr: *mut c_void, size: usize, alignment: usize);
    pub fn myonly_try_resize(
        ptr: *mut c_void,
        size: usize,
        actual: *mut usize,
    ) -> c_int;
    pub fn myonly_usable_size(ptr: *const c_void) -> usize;
    pub fn myonly_alloc_batch(
        size: usize,
        out: *mut *mut c_void,
        count: usize,
    ) -> usize;
    pub fn myonly_free_batch(ptrs: *mut *mut c_void, count: usize);
    pub fn myonly_purge(keep_bytes: usize) -> usize;
    pub fn myonly_thread_idle();

    pub fn myonly_arena_create(
        options: *const myonly_arena_options,
        out: *mut *mut myonly_arena,
    ) -> myonly_status;
    pub fn myonly_arena_alloc(
        arena: *mut myonly_arena,
        size: usize,
    ) -> *mut c_void;
    pub fn myonly_arena_calloc(
        arena: *mut myonly_arena,
        count: usize,
        size: usize,
    ) -> *mut c_void;
    pub fn myonly_arena_realloc(
        arena: *mut myonly_arena,
        ptr: *mut c_void,
        size: usize,
    ) -> *mut c_void;
    pub fn myonly_arena_aligned_alloc(
        arena: *mut myonly_arena,
        alignment: usize,
        size: usize,
    ) -> *mut c_void;
    pub fn myonly_arena_alloc_at_least(
        arena: *mut myonly_arena,
        size: usize,
        alignment: usize,
        actual: *mut usize,
    ) -> *mut c_void;
    pub fn myonly_arena_alloc_batch(
        arena: *mut myonly_arena,
        size: usize,
        out: *mut *mut c_void,
        count: usize,
    ) -> usize;
    pub fn myonly_arena_reset(arena: *mut myonly_arena) -> myonly_status;
    pub fn myonly_arena_destroy(
        arena: *mut myonly_arena,
        flags: u64,
    ) -> myonly_status;
    pub fn myonly_arena_of(
        ptr: *const c_void,
        out: *mut *mut myonly_arena,
    ) -> myonly_status;
    pub fn myonly_arena_stats(
        arena: *mut myonly_arena,
        out: *mut myonly_arena_stats_t,
    ) -> myonly_status;
    pub fn myonly_arena_check(arena: *mut myonly_arena) -> myonly_status;
}

// myonly/limits.h
extern "C" {
    pub fn myonly_arena_set_limit(
        arena: *mut myonly_arena,
        limit_bytes: usize,
    ) -> myonly_status;
    pub fn myonly_arena_set_soft_limit(
        arena: *mut myonly_arena,
        soft_limit_bytes: usize,
    ) -> myonly_status;
    pub fn myonly_arena_charged(
        arena: *mut myonly_arena,
        charged_bytes: *mut usize,
    ) -> myonly_status;
    pub fn myonly_arena_purge(
        arena: *mut myonly_arena,
        keep_bytes: usize,
    ) -> myonly_status;
    pub fn myonly_arena_transfer(
        ptr: *mut c_void,
        to: *mut myonly_arena,
    ) -> myonly_status;
}

// myonly/inspect.h
extern "C" {
    pub fn myonly_arena_walk(
        arena: *mut myonly_arena,
        options: *const myonly_walk_options,
        visit: myonly_block_fn,
        ctx: *mut c_void,
    ) -> myonly_status;
    pub fn myonly_arena_check_at(
        arena: *mut myonly_arena,
        what: *mut *const c_char,
        r#where: *mut *const c_void,
    ) -> myonly_status;
    pub fn myonly_block_of(
        ptr: *const c_void,
        out: *mut myonly_block_info,
    ) -> myonly_status;
    pub fn myonly_arena_peek(
        arena: *mut myonly_arena,
        out: *mut myonly_arena_stats_t,
    ) -> myonly_status;
}

// myonly/memory.h
extern "C" {
    pub fn myonly_arena_create_in(
        buffer: *mut c_void,
        bytes: usize,
        options: *const myonly_arena_options,
        out: *mut *mut myonly_arena,
    ) -> myonly_status;
}

// myonly/report.h
extern "C" {
    pub fn myonly_arena_explain(
        arena: *mut myonly_arena,
        write: myonly_write_fn,
        ctx: *mut c_void,
    ) -> myonly_status;
    pub fn myonly_arena_explain_json(
        arena: *mut myonly_arena,
        write: myonly_write_fn,
        ctx: *mut c_void,
    ) -> myonly_status;
    pub fn myonly_arena_stats_write(
        arena: *mut myonly_arena,
        format: i32,
        write: myonly_write_fn,
        ctx: *mut c_void,
    ) -> myonly_status;
    pub fn myonly_stats_write(
        format: i32,
        write: myonly_write_fn,
        ctx: *mut c_void,
    ) -> myonly_status;
    pub fn myonly_arena_for_each(
        visit: myonly_arena_fn,
        ctx: *mut c_void,
    ) -> myonly_status;
}

// myonly/testing.h
extern "C" {
    pub fn myonly_no_alloc_begin(action: i32) -> myonly_status;
    pub fn myonly_no_alloc_end() -> myonly_status;
    pub fn myonly_fault_begin(
        arena: *mut myonly_arena,
        options: *const myonly_fault_options,
    ) -> myonly_status;
    pub fn myonly_fault_end(
        arena: *mut myonly_arena,
        failures: *mut u64,
    ) -> myonly_status;
}
