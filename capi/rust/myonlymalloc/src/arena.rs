//! An arena that is owned: dropping it drops its memory.
use core::alloc::Layout;
use core::fmt;
use core::mem::{self, MaybeUninit};
use core::ptr::{self, NonNull};
use core::slice;

use crate::error::Error;
use crate::global::BLOCK_ALIGNMENT;
use crate::process::Stats;
use myonlymalloc_sys as sys;

/// Bytes of an arena's name, with the 0 that ends it.
const NAME_SIZE: usize = 32;

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
/// Destructors of values in an arena don't run.
pub struct Arena {
    handle: NonNull<sys::myonly_arena>,
}

// SAFETY: a handle belongs to no thread: any thread may use and destroy it, and
// free its blocks.
unsafe impl Send for Arena {}

// SAFETY: every call that takes a shared reference is thread-safe on the C
// side, under the arena's lock. The two that aren't safe beside users of the
// arena's blocks are kept apart by the borrow checker: reset takes `&mut self`,
// destroy happens in drop.
unsafe impl Sync for Arena {}

/// How an arena is to be. Made by [`Arena::builder`].
#[derive(Clone, Debug)]
#[must_use = "no arena is made before build()"]
pub struct ArenaBuilder {
    name: [u8; NAME_SIZE],
    limit_bytes: usize,
}

impl ArenaBuilder {
    /// Names the arena in statistics; at most 31 bytes are kept.
    pub fn name(mut self, name: &str) -> Self {
        let mut length = name.len().min(NAME_SIZE - 1);
        while !name.is_char_boundary(length) {
            length -= 1;
        }
        self.name = [0; NAME_SIZE];
        self.name[..length].copy_from_slice(&name.as_bytes()[..length]);
        self
    }

    /// The most bytes of pages the arena may hold, 0 = no limit; rounded down
    /// to 32 KiB. An allocation that would pass it fails with
    /// [`Error::Quota`].
    pub fn limit_bytes(mut self, limit_bytes: usize) -> Self {
        self.limit_bytes = limit_bytes;
        self
    }

    /// Makes the arena.
    pub fn build(self) -> Result<Arena, Error> {
        let mut options = sys::MYONLY_ARENA_OPTIONS_INIT;
        if self.name[0] != 0 {
            options.name = self.name.as_ptr().cast();
        }
        options.limit_bytes = self.limit_bytes;
        let mut handle = ptr::null_mut();
        // SAFETY: the options are whole and live during the call, which copies
        // the name.
        let status = unsafe { sys::myonly_arena_create(&options, &mut handle) };
        Error::check(status)?;
        NonNull::new(handle)
            .map(|handle| Arena { handle })
            .ok_or(Error::Invalid)
    }
}

impl Arena {
    /// An arena with the default options.
    pub fn new() -> Result<Arena, Error> {
        Arena::builder().build()
    }

    /// Options for a new arena: name, limit.
    pub fn builder() -> ArenaBuilder {
        ArenaBuilder {
            name: [0; NAME_SIZE],
            limit_bytes: 0,
        }
    }

    /// Uninitialised memory of `layout`.
    // Each call gives memory of its own, as `Box::leak` does.
    #[allow(clippy::mut_from_ref)]
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

    /// Zeroed memory of `layout`.
    #[allow(clippy::mut_from_ref)]
    pub fn calloc(&self, layout: Layout) -> Result<&mut [u8], Error> {
        let block = self.calloc_raw(layout)?;
        // SAFETY: as in alloc, and every byte is initialised.
        Ok(unsafe { slice::from_raw_parts_mut(block.as_ptr(), layout.size()) })
    }

    /// Moves `value` into the arena. Its destructor won't run.
    #[allow(clippy::mut_from_ref)]
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
    #[allow(clippy::mut_from_ref)]
    pub fn alloc_str(&self, text: &str) -> Result<&mut str, Error> {
        let bytes = self.alloc_slice_copy(text.as_bytes())?;
        // SAFETY: the bytes of a str.
        Ok(unsafe { core::str::from_utf8_unchecked_mut(bytes) })
    }

    /// Copies `values` into the arena.
    #[allow(clippy::mut_from_ref)]
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

    /// As [`alloc`](Arena::alloc), for code that keeps its own books. The block
    /// lives until it is freed or the arena is reset or dropped.
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

    /// As [`calloc`](Arena::calloc), for code that keeps its own books.
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

    /// Drops every block at once; the arena can be used again.
    pub fn reset(&mut self) -> Result<(), Error> {
        // SAFETY: `&mut self` means that no block is borrowed any more.
        Error::check(unsafe { sys::myonly_arena_reset(self.as_raw()) })
    }

    /// The arena's counters.
    pub fn stats(&self) -> Result<Stats, Error> {
        Stats::of(self.as_raw())
    }

    /// Checks every invariant of the arena.
    pub fn check(&self) -> Result<(), Error> {
        // SAFETY: a wrong handle is recognised.
        Error::check(unsafe { sys::myonly_arena_check(self.as_raw()) })
    }

    /// Whether `address`, which may be any, lies in memory of this arena.
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

    /// Gives up ownership: the caller destroys the arena.
    pub fn into_raw(self) -> *mut sys::myonly_arena {
        let handle = self.as_raw();
        mem::forget(self);
        handle
    }

    /// Takes ownership of an arena of the C API.
    ///
    /// # Safety
    /// `handle` is an arena's and nobody else resets or destroys it while the
    /// result lives.
    ///
    /// # Panics
    /// If `handle` is null.
    pub unsafe fn from_raw(handle: *mut sys::myonly_arena) -> Arena {
        let handle = NonNull::new(handle).expect("null is no arena");
        Arena { handle }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the arena is owned, so no block is borrowed any more. The
        // call can fail only for a handle that somebody else destroyed.
        unsafe {
            sys::myonly_arena_destroy(self.as_raw(), sys::MYONLY_DESTROY_FREE);
        }
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stats() {
            Ok(stats) => formatter.debug_tuple("Arena").field(&stats).finish(),
            Err(error) => formatter.debug_tuple("Arena").field(&error).finish(),
        }
    }
}
