//! What an arena tells when its charge meets its limits.
use core::alloc::Layout;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::mem;
use core::ptr::NonNull;

use crate::builder::no_unwind;
use crate::error::Error;
use crate::process::Stats;
use myonlymalloc_sys as sys;

/// What a pressure listener is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pressure {
    /// The charge rose above the soft limit.
    Soft,
    /// It fell below 7/8 of that again.
    Relieved,
    /// A request was refused by the limit; again only after the charge has been
    /// below it.
    Limit,
}

/// What can be done with an arena that somebody else owns, and may reset any
/// time: everything that hands out no memory of it.
#[derive(Clone, Copy)]
pub struct ArenaView<'a> {
    handle: *mut sys::myonly_arena,
    arena: PhantomData<&'a ()>,
}

// SAFETY: every call here is thread-safe on the C side.
unsafe impl Send for ArenaView<'_> {}
// SAFETY: as above.
unsafe impl Sync for ArenaView<'_> {}

impl ArenaView<'_> {
    pub(crate) fn new(handle: *mut sys::myonly_arena) -> Self {
        let arena = PhantomData;
        ArenaView { handle, arena }
    }

    /// What counts against the arena's limit, its children's included.
    pub fn charged_bytes(&self) -> Result<usize, Error> {
        let mut charged_bytes = 0;
        // SAFETY: a wrong handle is recognised.
        Error::check(unsafe {
            sys::myonly_arena_charged(self.handle, &mut charged_bytes)
        })?;
        Ok(charged_bytes)
    }

    /// Changes the limit, 0 = none; also below the charge: then every request
    /// that needs more is refused until that has fallen.
    pub fn set_limit_bytes(&self, limit_bytes: usize) -> Result<(), Error> {
        // SAFETY: a wrong handle is recognised.
        Error::check(unsafe {
            sys::myonly_arena_set_limit(self.handle, limit_bytes)
        })
    }

    /// Changes the soft limit, 0 = none. Without a listener it has no effect.
    pub fn set_soft_limit_bytes(
        &self,
        soft_limit_bytes: usize,
    ) -> Result<(), Error> {
        // SAFETY: a wrong handle is recognised.
        Error::check(unsafe {
            sys::myonly_arena_set_soft_limit(self.handle, soft_limit_bytes)
        })
    }

    /// Gives the arena's free memory back to the system until about
    /// `keep_bytes` of it are left.
    pub fn purge(&self, keep_bytes: usize) -> Result<(), Error> {
        // SAFETY: a wrong handle is recognised.
        Error::check(unsafe {
            sys::myonly_arena_purge(self.handle, keep_bytes)
        })
    }

    /// The arena's counters.
    pub fn stats(&self) -> Result<Stats, Error> {
        Stats::of(self.handle)
    }

    /// The arena's counters without a lock, perhaps a little old. Of a view of
    /// an arena this is async-signal-safe.
    pub fn peek(&self) -> Result<Stats, Error> {
        Stats::peek_of(self.handle)
    }
}

type Function = unsafe extern "C" fn(*mut c_void, *mut sys::myonly_arena, i32);

/// A listener in memory of the process heap. This crate has no `Box`.
pub(crate) struct Listener(NonNull<Head>);

/// What all listeners begin with.
struct Head {
    function: Function,
    drop: unsafe fn(NonNull<Head>),
}

#[repr(C)]
struct Full<F> {
    head: Head,
    listener: F,
}

// SAFETY: what it holds is Send and Sync.
unsafe impl Send for Listener {}
// SAFETY: as above.
unsafe impl Sync for Listener {}

impl Listener {
    pub(crate) fn new<F>(listener: F) -> Result<Listener, Error>
    where
        F: Fn(ArenaView<'_>, Pressure) + Send + Sync + 'static,
    {
        let layout = Layout::new::<Full<F>>();
        // SAFETY: no preconditions.
        let place =
            unsafe { sys::myonly_aligned_alloc(layout.align(), layout.size()) };
        let place: NonNull<Full<F>> =
            NonNull::new(place.cast()).ok_or_else(Error::last)?;
        let head = Head {
            function: tell::<F>,
            drop: drop_listener::<F>,
        };
        // SAFETY: the place has the size and alignment, and is nobody else's.
        unsafe { place.as_ptr().write(Full { head, listener }) };
        Ok(Listener(place.cast()))
    }

    pub(crate) fn function(&self) -> Function {
        // SAFETY: the head is there as long as this is.
        unsafe { self.0.as_ref().function }
    }

    pub(crate) fn ctx(&self) -> *mut c_void {
        self.0.as_ptr().cast()
    }

    /// For an arena that lives on: its listener may still be called.
    pub(crate) fn leak(self) {
        mem::forget(self);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // SAFETY: the arena is gone, or never was: nobody calls any more.
        unsafe { (self.0.as_ref().drop)(self.0) }
    }
}

unsafe fn drop_listener<F>(head: NonNull<Head>) {
    let full = head.cast::<Full<F>>().as_ptr();
    // SAFETY: `head` is that of a Full<F>, which Listener::new has made.
    unsafe {
        full.drop_in_place();
        sys::myonly_free(full.cast());
    }
}

unsafe extern "C" fn tell<F>(
    ctx: *mut c_void,
    arena: *mut sys::myonly_arena,
    event: i32,
) where
    F: Fn(ArenaView<'_>, Pressure),
{
    let event = match event {
        sys::MYONLY_PRESSURE_SOFT => Pressure::Soft,
        sys::MYONLY_PRESSURE_RELIEVED => Pressure::Relieved,
        sys::MYONLY_PRESSURE_LIMIT => Pressure::Limit,
        _ => return, // of a newer library
    };
    // SAFETY: `ctx` is the Full<F> of the arena, which can't be destroyed while
    // this runs.
    let listener = unsafe { &(*ctx.cast::<Full<F>>()).listener };
    no_unwind(|| listener(ArenaView::new(arena), event));
}
