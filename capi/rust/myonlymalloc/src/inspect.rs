//! Looking at heaps: walks, checks, and which block an address is in.
use core::ffi::c_void;
use core::ops::ControlFlow;
use core::ptr;

use crate::arena::Arena;
use crate::error::{text_of, Error};
use myonlymalloc_sys as sys;

/// A block of a heap.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BlockInfo {
    /// What the allocation returned. A walk's block may be freed by its owner
    /// any time.
    pub start: *mut u8,
    /// Usable bytes.
    pub size: usize,
    /// Allocated and not freed.
    pub is_live: bool,
    /// The handle of its arena; null: the process heap.
    pub arena: *mut sys::myonly_arena,
    /// Which thread's share of the arena it is in, from 1 on; 0: the part that
    /// all threads share.
    pub thread: u64,
}

impl BlockInfo {
    fn from_raw(raw: &sys::myonly_block_info) -> BlockInfo {
        BlockInfo {
            start: raw.start.cast(),
            size: raw.size,
            is_live: raw.state == sys::MYONLY_BLOCK_LIVE,
            arena: raw.arena,
            thread: raw.thread,
        }
    }
}

/// A broken invariant.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Damage {
    /// [`Error::Corrupt`], or why nothing could be checked.
    pub error: Error,
    /// The first broken invariant, or "".
    pub what: &'static str,
    /// An address at it, or 0.
    pub address: usize,
}

/// Looking at the arena.
impl Arena<'_> {
    /// Calls `visit` for each live block of `least_bytes` or more, while other
    /// threads go on: a block that lives throughout is visited exactly once. A
    /// `ControlFlow::Break` ends the walk.
    ///
    /// [`Error::Unsupported`] in a library of the preset "fast". With the
    /// feature `std` a panic in `visit` ends the walk and goes on here, without
    /// it ends the process.
    pub fn walk(
        &self,
        least_bytes: usize,
        visit: impl FnMut(&BlockInfo) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        walk(self.as_raw(), least_bytes, visit)
    }

    /// As [`check`](Arena::check), with the answer in the result and nothing on
    /// stderr.
    pub fn find_damage(&self) -> Result<(), Damage> {
        find_damage(self.as_raw())
    }
}

/// As [`Arena::walk`], of the process heap.
pub fn walk_process_heap(
    least_bytes: usize,
    visit: impl FnMut(&BlockInfo) -> ControlFlow<()>,
) -> Result<(), Error> {
    walk(ptr::null_mut(), least_bytes, visit)
}

/// The block that has `address`, which may be any, at its start or inside, live
/// or free. Async-signal-safe.
pub fn block_of<T: ?Sized>(address: *const T) -> Option<BlockInfo> {
    let mut raw = sys::MYONLY_BLOCK_INFO_INIT;
    // SAFETY: safe for every address.
    let status = unsafe { sys::myonly_block_of(address.cast(), &mut raw) };
    (status == sys::MYONLY_OK).then(|| BlockInfo::from_raw(&raw))
}

pub(crate) fn find_damage(arena: *mut sys::myonly_arena) -> Result<(), Damage> {
    let mut what = ptr::null();
    let mut address = ptr::null();
    // SAFETY: a wrong handle is recognised.
    let status =
        unsafe { sys::myonly_arena_check_at(arena, &mut what, &mut address) };
    Error::check(status).map_err(|error| Damage {
        error,
        what: match what.is_null() {
            true => "",
            // SAFETY: the text is constant and ends in a 0 byte.
            false => unsafe { text_of(what) },
        },
        address: address as usize,
    })
}

fn walk<F>(
    arena: *mut sys::myonly_arena,
    least_bytes: usize,
    visit: F,
) -> Result<(), Error>
where
    F: FnMut(&BlockInfo) -> ControlFlow<()>,
{
    let mut options = sys::MYONLY_WALK_OPTIONS_INIT;
    options.least_bytes = least_bytes;
    let mut visit = Guarded::new(visit);
    // SAFETY: `call` gets what it expects, during this call only.
    let status = unsafe {
        sys::myonly_arena_walk(
            arena,
            &options,
            Some(call::<F>),
            (&mut visit as *mut Guarded<F>).cast(),
        )
    };
    visit.finish();
    Error::check(status)
}

unsafe extern "C" fn call<F>(
    ctx: *mut c_void,
    block: *const sys::myonly_block_info,
) -> sys::c_int
where
    F: FnMut(&BlockInfo) -> ControlFlow<()>,
{
    // SAFETY: both are there, and nobody else uses `ctx`: the walk is over when
    // it is used again, and calls from one thread.
    let (visit, block) = unsafe {
        let visit = &mut *ctx.cast::<Guarded<F>>();
        (visit, BlockInfo::from_raw(&*block))
    };
    match visit.run(|visit| visit(&block)) {
        Some(ControlFlow::Continue(())) => 0,
        _ => 1,
    }
}

/// A closure for the library to call: its panics stay on this side.
pub(crate) struct Guarded<F> {
    function: F,
    #[cfg(feature = "std")]
    panic: Option<std::boxed::Box<dyn std::any::Any + Send>>,
}

impl<F> Guarded<F> {
    pub(crate) fn new(function: F) -> Self {
        Guarded {
            function,
            #[cfg(feature = "std")]
            panic: None,
        }
    }

    /// None if it panicked, now or before.
    #[cfg(feature = "std")]
    pub(crate) fn run<R>(
        &mut self,
        call: impl FnOnce(&mut F) -> R,
    ) -> Option<R> {
        use std::panic::{catch_unwind, AssertUnwindSafe};
        if self.panic.is_some() {
            return None;
        }
        let function = &mut self.function;
        match catch_unwind(AssertUnwindSafe(|| call(function))) {
            Ok(result) => Some(result),
            Err(panic) => {
                self.panic = Some(panic);
                None
            }
        }
    }

    #[cfg(not(feature = "std"))]
    pub(crate) fn run<R>(
        &mut self,
        call: impl FnOnce(&mut F) -> R,
    ) -> Option<R> {
        let function = &mut self.function;
        Some(crate::builder::no_unwind(|| call(function)))
    }

    /// The function again; goes on with a panic.
    pub(crate) fn finish(self) -> F {
        #[cfg(feature = "std")]
        if let Some(panic) = self.panic {
            std::panic::resume_unwind(panic);
        }
        self.function
    }
}
