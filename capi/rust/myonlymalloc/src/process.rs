//! Questions to the library and to its process heap.
use core::ffi::c_void;
use core::fmt;
use core::ptr;

use crate::error::{text_of, Error};
use crate::inspect::Damage;
use myonlymalloc_sys as sys;

/// What a heap holds: one consistent snapshot of its counters.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Stats {
    /// Blocks that are allocated and not freed.
    pub live_blocks: u64,
    /// Usable bytes of those.
    pub live_bytes: u64,
    /// The most `live_bytes` seen when pages were taken.
    pub peak_live_bytes: u64,
    /// Allocations since the heap was made; resets keep the count.
    pub allocations: u64,
    /// Frees since the heap was made, blocks dropped by a reset included.
    pub frees: u64,
    /// Bytes of pages the heap holds.
    pub reserved_bytes: u64,
    /// Of those, bytes of regions that are cut into blocks.
    pub region_bytes: u64,
    /// Of those, bytes of runs that hold one large block each.
    pub large_bytes: u64,
    /// Of those, bytes of mappings that hold one huge block each.
    pub huge_bytes: u64,
    /// Bytes of free blocks in regions.
    pub free_block_bytes: u64,
    /// The heap's limit; 0 = none.
    pub limit_bytes: u64,
    /// How often the arena was reset.
    pub resets: u64,
    /// What counts against the limit, children's charges included.
    pub charged_bytes: u64,
    /// Above it a listener is told; 0 = none.
    pub soft_limit_bytes: u64,
    /// Arenas whose parent this is.
    pub children: u64,
    /// Requests that a limit has refused.
    pub refusals: u64,
    name: [sys::c_char; 32],
}

impl Stats {
    /// The heap's name.
    pub fn name(&self) -> &str {
        // SAFETY: the library ends a name in a 0 byte.
        unsafe { text_of(self.name.as_ptr()) }
    }

    /// Of the arena `handle`; null is the process heap.
    pub(crate) fn of(handle: *mut sys::myonly_arena) -> Result<Stats, Error> {
        let mut raw = sys::MYONLY_ARENA_STATS_INIT;
        // SAFETY: `raw` has the size it says; a wrong handle is recognised.
        Error::check(unsafe { sys::myonly_arena_stats(handle, &mut raw) })?;
        Ok(Stats::from_raw(&raw))
    }

    /// The same without a lock.
    pub(crate) fn peek_of(
        handle: *mut sys::myonly_arena,
    ) -> Result<Stats, Error> {
        let mut raw = sys::MYONLY_ARENA_STATS_INIT;
        // SAFETY: as in `of`.
        Error::check(unsafe { sys::myonly_arena_peek(handle, &mut raw) })?;
        Ok(Stats::from_raw(&raw))
    }

    fn from_raw(raw: &sys::myonly_arena_stats_t) -> Stats {
        Stats {
            live_blocks: raw.live_blocks,
            live_bytes: raw.live_bytes,
            peak_live_bytes: raw.peak_live_bytes,
            allocations: raw.allocations,
            frees: raw.frees,
            reserved_bytes: raw.reserved_bytes,
            region_bytes: raw.region_bytes,
            large_bytes: raw.large_bytes,
            huge_bytes: raw.huge_bytes,
            free_block_bytes: raw.free_block_bytes,
            limit_bytes: raw.limit_bytes,
            resets: raw.resets,
            charged_bytes: raw.charged_bytes,
            soft_limit_bytes: raw.soft_limit_bytes,
            children: raw.children,
            refusals: raw.refusals,
            name: raw.name,
        }
    }
}

impl fmt::Debug for Stats {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stats")
            .field("name", &self.name())
            .field("live_blocks", &self.live_blocks)
            .field("live_bytes", &self.live_bytes)
            .field("peak_live_bytes", &self.peak_live_bytes)
            .field("allocations", &self.allocations)
            .field("frees", &self.frees)
            .field("reserved_bytes", &self.reserved_bytes)
            .field("region_bytes", &self.region_bytes)
            .field("large_bytes", &self.large_bytes)
            .field("huge_bytes", &self.huge_bytes)
            .field("free_block_bytes", &self.free_block_bytes)
            .field("limit_bytes", &self.limit_bytes)
            .field("resets", &self.resets)
            .field("charged_bytes", &self.charged_bytes)
            .field("soft_limit_bytes", &self.soft_limit_bytes)
            .field("children", &self.children)
            .field("refusals", &self.refusals)
            .finish()
    }
}

/// The counters of the process heap.
pub fn stats() -> Result<Stats, Error> {
    Stats::of(ptr::null_mut())
}

/// Checks every invariant of the process heap and of what all arenas share.
pub fn check() -> Result<(), Error> {
    // SAFETY: null stands for the process heap.
    Error::check(unsafe { sys::myonly_arena_check(ptr::null_mut()) })
}

/// The counters of the process heap without a lock, perhaps a little old.
/// Async-signal-safe.
pub fn peek() -> Result<Stats, Error> {
    Stats::peek_of(ptr::null_mut())
}

/// As [`check`], with the answer in the result and nothing on stderr.
pub fn find_damage() -> Result<(), Damage> {
    crate::inspect::find_damage(ptr::null_mut())
}

/// Gives free memory of all arenas back to the system until at most
/// `keep_bytes` of it stay resident. Returns the bytes given back.
pub fn purge(keep_bytes: usize) -> usize {
    // SAFETY: no preconditions.
    unsafe { sys::myonly_purge(keep_bytes) }
}

/// This thread is going to wait: what it keeps free is given back, or there for
/// other threads, as if it had ended. Its next calls need nothing special.
pub fn note_idle() {
    // SAFETY: no preconditions.
    unsafe { sys::myonly_thread_idle() }
}

/// Whether `malloc` and `free` of this process are this library's: with the
/// `override` feature, or when the shared library is preloaded.
pub fn is_process_allocator() -> bool {
    // SAFETY: no preconditions.
    unsafe { sys::myonly_is_process_allocator() != 0 }
}

/// The library's version, such as "0.1.0".
pub fn version() -> &'static str {
    // SAFETY: the text is constant and ends in a 0 byte.
    unsafe { text_of(sys::myonly_version_str()) }
}

/// How many bytes `block` may hold: at least what was asked for.
///
/// # Safety
/// `block` is null or a live block of this library.
pub unsafe fn usable_size(block: *const u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { sys::myonly_usable_size(block.cast::<c_void>()) }
}
