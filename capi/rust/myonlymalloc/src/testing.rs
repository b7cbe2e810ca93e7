//! For the tests of programs: sections that must not allocate, and requests
//! that fail on purpose. Each is a value: it ends when that is dropped.
//!
//! What counts is every request to this library: arenas, the global allocator,
//! and `malloc` where that is this library's.
use core::marker::PhantomData;
use core::ptr;

use crate::arena::Arena;
use crate::error::Error;
use myonlymalloc_sys as sys;

/// While it lives this thread must not allocate. Sections nest; they end in the
/// reverse order.
#[derive(Debug)]
#[must_use = "the section ends when this is dropped"]
pub struct NoAllocation {
    // A section is the thread's own.
    not_send: PhantomData<*mut ()>,
}

impl NoAllocation {
    /// Requests are refused.
    pub fn refuse() -> Result<NoAllocation, Error> {
        NoAllocation::begin(sys::MYONLY_NO_ALLOC_REFUSE)
    }

    /// A request prints one line and aborts.
    pub fn abort() -> Result<NoAllocation, Error> {
        NoAllocation::begin(sys::MYONLY_NO_ALLOC_ABORT)
    }

    fn begin(action: i32) -> Result<NoAllocation, Error> {
        // SAFETY: no preconditions.
        Error::check(unsafe { sys::myonly_no_alloc_begin(action) })?;
        let not_send = PhantomData;
        Ok(NoAllocation { not_send })
    }
}

impl Drop for NoAllocation {
    fn drop(&mut self) {
        // SAFETY: no preconditions.
        unsafe { sys::myonly_no_alloc_end() };
    }
}

/// Which requests fail.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FaultOptions {
    /// Of the numbers that decide by `probability`.
    pub seed: u64,
    /// The number of the one that fails, from 1 on; 0: none by its number.
    pub fail_nth: u64,
    /// That any one fails: 0 to 1.
    pub probability: f64,
    /// Only larger requests count.
    pub above_bytes: usize,
    /// After so many failures no more follow; 0: no bound.
    pub count: u64,
}

/// While it lives requests fail.
#[derive(Debug)]
#[must_use = "requests fail until this is dropped"]
pub struct Faults<'a> {
    arena: *mut sys::myonly_arena,
    // Of the arena, or this thread's own.
    borrows: PhantomData<(&'a (), *mut ())>,
}

impl Faults<'_> {
    /// Requests of this thread fail, whatever arena they are to.
    pub fn in_this_thread(
        options: &FaultOptions,
    ) -> Result<Faults<'static>, Error> {
        Faults::begin(ptr::null_mut(), options)
    }

    /// Requests to `arena` fail, of all threads.
    pub fn in_arena<'a>(
        arena: &'a Arena<'_>,
        options: &FaultOptions,
    ) -> Result<Faults<'a>, Error> {
        Faults::begin(arena.as_raw(), options)
    }

    fn begin<'a>(
        arena: *mut sys::myonly_arena,
        options: &FaultOptions,
    ) -> Result<Faults<'a>, Error> {
        let mut raw = sys::MYONLY_FAULT_OPTIONS_INIT;
        raw.seed = options.seed;
        raw.fail_nth = options.fail_nth;
        raw.probability = options.probability;
        raw.above_bytes = options.above_bytes;
        raw.count = options.count;
        // SAFETY: the options are whole; a wrong handle is recognised.
        Error::check(unsafe { sys::myonly_fault_begin(arena, &raw) })?;
        let borrows = PhantomData;
        Ok(Faults { arena, borrows })
    }

    /// None fails from now on. Returns how many have.
    pub fn end(self) -> u64 {
        let failures = self.finish();
        core::mem::forget(self);
        failures
    }

    fn finish(&self) -> u64 {
        let mut failures = 0;
        // SAFETY: a wrong handle is recognised.
        unsafe { sys::myonly_fault_end(self.arena, &mut failures) };
        failures
    }
}

impl Drop for Faults<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}
