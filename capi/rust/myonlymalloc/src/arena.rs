//! An arena that is owned: dropping it drops its memory.
use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{self, ManuallyDrop, MaybeUninit};
use core::ptr::{self, NonNull};
use core::slice;

use crate::builder::ArenaBuilder;
use crate::error::Error;
use crate::global::BLOCK_ALIGNMENT;
use crate::pressure::{ArenaView, Listener};
use crate::process::Stats;
use myonlymalloc_sys as sys;

/// An independent heap that drops all its blocks at once.
///
/// What [`alloc`](Arena::alloc) and its like return borrows the arena: it can't
/// be used after [`reset`](Arena::reset), which needs the arena exclusively,
/// nor after the arena was dropped.
///
/// ```compile_fail,E0502
/// let mut arena = myonlymalloc::Arena::new().unwrap();
/// let text = arena.alloc_str("borrows the arena").unwrap();
/// arena.reset().unwrap();
/// println!("{text}"); // error: the arena is still borrowed
/// ```
///
/// `'p` is how long its parent is borrowed, or its buffer: `'static` for an
/// arena that has neither.
///
/// Destructors of values in an arena don't run; those of an
/// [`ArenaBox`](crate::ArenaBox) do.
pub struct Arena<'p> {
    handle: NonNull<sys::myonly_arena>,
    listener: Option<Listener>,
    borrows: PhantomData<&'p ()>,
}

// SAFETY: a handle belongs to no thread: any thread may use and destroy it, and
// free its blocks.
unsafe impl Send for Arena<'_> {}

// SAFETY: every call that takes a shared reference is thread-safe on the C
// side. The two that aren't safe beside users of the arena's blocks are kept
// apart by the borrow checker: reset takes `&mut self`, destroy happens in
// drop.
unsafe impl Sync for Arena<'_> {}

impl Arena<'_> {
    /// An arena with the default options.
    pub fn new() -> Result<Arena<'static>, Error> {
        Arena::builder().build()
    }

    /// Options for a new arena: name, limits, parent, listener, memory.
    pub fn builder() -> ArenaBuilder<'static> {
        ArenaBuilder::new()
    }
}

/// Memory that borrows the arena.
// Each call gives memory of its own, as `Box::leak` does.
#[allow(clippy::mut_from_ref)]
impl Arena<'_> {
    /// Uninitialised memory of `layout`.
    pub fn alloc(
        &self,
        layout: Layout,
    ) -> Result<&mut [MaybeUninit<u8>], Error> {
        let block = self.alloc_raw(layout)?;
        // SAFETY: the block has that many bytes, is nobody else's, and lives
        // until the arena is reset or dropped, which ends this borrow.
        Ok(unsafe {
            slice::from_raw_parts_mut(block.as_ptr().cast(), layout.size())
        })
    }

    /// As [`alloc`](Arena::alloc), with all the bytes that the block has.
    pub fn alloc_at_least(
        &self,
        layout: Layout,
    ) -> Result<&mut [MaybeUninit<u8>], Error> {
        let mut actual = 0;
        // SAFETY: a wrong handle or alignment would be answered with null.
        let block = unsafe {
            sys::myonly_arena_alloc_at_least(
                self.as_raw(),
                layout.size(),
                layout.align(),
                &mut actual,
            )
        };
        let block = NonNull::new(block.cast()).ok_or_else(Error::last)?;
        // SAFETY: as in alloc.
        Ok(unsafe { slice::from_raw_parts_mut(block.as_ptr(), actual) })
    }

    /// Zeroed memory of `layout`.
    pub fn calloc(&self, layout: Layout) -> Result<&mut [u8], Error> {
        let block = self.calloc_raw(layout)?;
        // SAFETY: as in alloc, and every byte is initialised.
        Ok(unsafe { slice::from_raw_parts_mut(block.as_ptr(), layout.size()) })
    }

    /// Moves `value` into the arena. Its destructor won't run.
    pub fn alloc_value<T>(&self, value: T) -> Result<&mut T, Error> {
        let place = self.alloc_raw(Layout::new::<T>())?.cast::<T>();
        // SAFETY: the place has T's size and alignment and is nobody else's.
        // What T borrows outlives the use of the result: the type says so.
        unsafe {
            place.as_ptr().write(value);
            Ok(&mut *place.as_ptr())
        }
    }

    /// Copies `text` into the arena.
    pub fn alloc_str(&self, text: &str) -> Result<&mut str, Error> {
        let bytes = self.alloc_slice_copy(text.as_bytes())?;
        // SAFETY: the bytes of a str.
        Ok(unsafe { core::str::from_utf8_unchecked_mut(bytes) })
    }

    /// Copies `values` into the arena.
    pub fn alloc_slice_copy<T: Copy>(
        &self,
        values: &[T],
    ) -> Result<&mut [T], Error> {
        let place = self.alloc_raw(Layout::for_value(values))?.cast::<T>();
        // SAFETY: the place has the slice's size and alignment and is nobody
        // else's.
        unsafe {
            ptr::copy_nonoverlapping(
                values.as_ptr(),
                place.as_ptr(),
                values.len(),
            );
            Ok(slice::from_raw_parts_mut(place.as_ptr(), values.len()))
        }
    }

    /// `count` values, the `i`-th of them `make(i)`. Their destructors won't
    /// run.
    pub fn alloc_slice_with<T>(
        &self,
        count: usize,
        mut make: impl FnMut(usize) -> T,
    ) -> Result<&mut [T], Error> {
        let layout = Layout::array::<T>(count).map_err(|_| Error::NoMemory)?;
        let place = self.alloc_raw(layout)?.cast::<T>();
        // SAFETY: the place has that many values and is nobody else's.
        unsafe {
            for i in 0..count {
                place.as_ptr().add(i).write(make(i));
            }
            Ok(slice::from_raw_parts_mut(place.as_ptr(), count))
        }
    }
}

/// Memory for code that keeps its own books: a block lives until it is freed,
/// or the arena is reset or dropped.
impl Arena<'_> {
    /// As [`alloc`](Arena::alloc).
    #[inline]
    pub fn alloc_raw(&self, layout: Layout) -> Result<NonNull<u8>, Error> {
        let (arena, size) = (self.as_raw(), layout.size());
        // SAFETY: a wrong handle or alignment would be answered with null.
        let block = unsafe {
            if layout.align() <= BLOCK_ALIGNMENT {
                sys::myonly_arena_alloc(arena, size)
            } else {
                sys::myonly_arena_aligned_alloc(arena, layout.align(), size)
            }
        };
        NonNull::new(block.cast()).ok_or_else(Error::last)
    }

    /// As [`calloc`](Arena::calloc).
    pub fn calloc_raw(&self, layout: Layout) -> Result<NonNull<u8>, Error> {
        if layout.align() <= BLOCK_ALIGNMENT {
            // SAFETY: a wrong handle would be answered with null.
            let block = unsafe {
                sys::myonly_arena_calloc(self.as_raw(), 1, layout.size())
            };
            return NonNull::new(block.cast()).ok_or_else(Error::last);
        }
        let block = self.alloc_raw(layout)?;
        // SAFETY: the block has that many bytes.
        unsafe { ptr::write_bytes(block.as_ptr(), 0, layout.size()) };
        Ok(block)
    }

    /// Fills `out` with blocks of `size` bytes, aligned to 16, as far as they
    /// go. Returns how many; the rest of `out` stays as it was.
    pub fn alloc_batch_raw(&self, size: usize, out: &mut [*mut u8]) -> usize {
        // SAFETY: there is room for that many pointers.
        unsafe {
            sys::myonly_arena_alloc_batch(
                self.as_raw(),
                size,
                out.as_mut_ptr().cast(),
                out.len(),
            )
        }
    }

    /// Frees one block before the arena is reset or dropped.
    ///
    /// # Safety
    /// `block` is a live block of `layout` of this arena and isn't used again.
    #[inline]
    pub unsafe fn free_raw(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe {
            sys::myonly_free_sized(
                block.as_ptr().cast(),
                layout.size(),
                layout.align(),
            );
        }
    }

    /// Frees what [`alloc_batch_raw`](Arena::alloc_batch_raw) gave; null
    /// pointers are skipped.
    ///
    /// # Safety
    /// Each is null or a live block of this arena, and isn't used again.
    pub unsafe fn free_batch_raw(&self, blocks: &mut [*mut u8]) {
        // SAFETY: the caller's promise.
        unsafe {
            sys::myonly_free_batch(blocks.as_mut_ptr().cast(), blocks.len());
        }
    }

    /// Resizes `block` where it is, or leaves it alone. Its usable size if it
    /// now has `size` bytes.
    ///
    /// # Safety
    /// `block` is a live block of this arena, and nothing uses what is behind
    /// its new end.
    pub unsafe fn try_resize_raw(
        &self,
        block: NonNull<u8>,
        size: usize,
    ) -> Option<usize> {
        let mut actual = 0;
        // SAFETY: the caller's promise.
        let resized = unsafe {
            sys::myonly_try_resize(block.as_ptr().cast(), size, &mut actual)
        };
        (resized == 1).then_some(actual)
    }

    /// Moves `block`, where it is, and its charge from another arena of the
    /// same tree to this one. [`Error::Unsupported`] up to 64 KiB, and for an
    /// arena of another tree.
    ///
    /// # Safety
    /// `block` is a live block, and the caller's own: nothing borrows it from
    /// the arena that it leaves.
    pub unsafe fn transfer_here(
        &self,
        block: NonNull<u8>,
    ) -> Result<(), Error> {
        // SAFETY: the caller's promise.
        Error::check(unsafe {
            sys::myonly_arena_transfer(block.as_ptr().cast(), self.as_raw())
        })
    }
}

/// The arena as a whole.
impl<'p> Arena<'p> {
    pub(crate) fn with(
        handle: NonNull<sys::myonly_arena>,
        listener: Option<Listener>,
    ) -> Self {
        Arena {
            handle,
            listener,
            borrows: PhantomData,
        }
    }

    /// Drops every block at once; the arena can be used again. No child may
    /// borrow it meanwhile.
    pub fn reset(&mut self) -> Result<(), Error> {
        // SAFETY: `&mut self` means that no block is borrowed any more.
        Error::check(unsafe { sys::myonly_arena_reset(self.as_raw()) })
    }

    /// What can be done with it by those who get no memory of it.
    pub fn view(&self) -> ArenaView<'_> {
        ArenaView::new(self.as_raw())
    }

    /// What counts against the limit, its children's included.
    pub fn charged_bytes(&self) -> Result<usize, Error> {
        self.view().charged_bytes()
    }

    /// Changes the limit, 0 = none; also below the charge: then every request
    /// that needs more is refused until that has fallen.
    pub fn set_limit_bytes(&self, limit_bytes: usize) -> Result<(), Error> {
        self.view().set_limit_bytes(limit_bytes)
    }

    /// Changes the soft limit, 0 = none. Without a listener it has no effect.
    pub fn set_soft_limit_bytes(&self, bytes: usize) -> Result<(), Error> {
        self.view().set_soft_limit_bytes(bytes)
    }

    /// Gives the arena's free memory back to the system until about
    /// `keep_bytes` of it are left.
    pub fn purge(&self, keep_bytes: usize) -> Result<(), Error> {
        self.view().purge(keep_bytes)
    }

    /// The arena's counters.
    pub fn stats(&self) -> Result<Stats, Error> {
        self.view().stats()
    }

    /// The arena's counters without a lock, perhaps a little old.
    /// Async-signal-safe.
    pub fn peek(&self) -> Result<Stats, Error> {
        self.view().peek()
    }

    /// Checks every invariant of the arena; if one is broken, one line on
    /// stderr says which.
    pub fn check(&self) -> Result<(), Error> {
        // SAFETY: a wrong handle is recognised.
        Error::check(unsafe { sys::myonly_arena_check(self.as_raw()) })
    }

    /// Whether `address`, which may be any, lies in memory of this arena.
    /// Async-signal-safe.
    pub fn owns<T: ?Sized>(&self, address: *const T) -> bool {
        let mut owner = ptr::null_mut();
        // SAFETY: safe for every address.
        let status =
            unsafe { sys::myonly_arena_of(address.cast(), &mut owner) };
        status == sys::MYONLY_OK && owner == self.as_raw()
    }

    /// The handle, for the C API.
    #[inline]
    pub fn as_raw(&self) -> *mut sys::myonly_arena {
        self.handle.as_ptr()
    }

    /// Gives up ownership: the caller destroys the arena. A listener goes with
    /// it, and is never dropped.
    pub fn into_raw(self) -> *mut sys::myonly_arena {
        ManuallyDrop::new(self).as_raw()
    }

    /// Takes ownership of an arena of the C API.
    ///
    /// # Safety
    /// `handle` is an arena's and nobody else resets or destroys it while the
    /// result lives.
    ///
    /// # Panics
    /// If `handle` is null.
    pub unsafe fn from_raw(handle: *mut sys::myonly_arena) -> Arena<'p> {
        Arena::with(NonNull::new(handle).expect("null is no arena"), None)
    }
}

impl Drop for Arena<'_> {
    fn drop(&mut self) {
        // SAFETY: the arena is owned, so no block is borrowed any more.
        let status = unsafe {
            sys::myonly_arena_destroy(self.as_raw(), sys::MYONLY_DESTROY_FREE)
        };
        // A child was forgotten, or another thread is in the listener: the
        // arena lives on, and may call it.
        if status == sys::MYONLY_ERR_BUSY {
            if let Some(listener) = mem::take(&mut self.listener) {
                listener.leak();
            }
        }
    }
}

impl fmt::Debug for Arena<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stats() {
            Ok(stats) => formatter.debug_tuple("Arena").field(&stats).finish(),
            Err(error) => formatter.debug_tuple("Arena").field(&error).finish(),
        }
    }
}
