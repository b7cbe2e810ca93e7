//! A value in an arena that is owned like a `Box`.
use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::arena::Arena;
use crate::error::Error;

/// A value in an arena: dropping it runs its destructor and frees its block.
///
/// ```
/// use myonlymalloc::{Arena, ArenaBox, Error};
///
/// let arena = Arena::builder().limit_bytes(1 << 16).build()?;
/// let numbers = ArenaBox::try_new_in(vec![1, 2, 3], &arena)?;
/// assert_eq!(numbers.len(), 3);
/// let refused = ArenaBox::try_new_in([0u8; 100_000], &arena);
/// assert_eq!(refused.err(), Some(Error::Quota));
/// # Ok::<(), Error>(())
/// ```
pub struct ArenaBox<'a, T> {
    value: NonNull<T>,
    // The value is dropped with it, and the arena can't be meanwhile.
    owns: PhantomData<(T, &'a ())>,
}

// SAFETY: it owns the value, and any thread may free a block.
unsafe impl<T: Send> Send for ArenaBox<'_, T> {}
// SAFETY: it gives no more than references to the value.
unsafe impl<T: Sync> Sync for ArenaBox<'_, T> {}

impl<'a, T> ArenaBox<'a, T> {
    /// Moves `value` into `arena`. On failure it is dropped.
    pub fn try_new_in(
        value: T,
        arena: &'a Arena<'_>,
    ) -> Result<ArenaBox<'a, T>, Error> {
        let place = arena.alloc_raw(Layout::new::<T>())?.cast::<T>();
        // SAFETY: the place has T's size and alignment and is nobody else's.
        unsafe { place.as_ptr().write(value) };
        let owns = PhantomData;
        Ok(ArenaBox { value: place, owns })
    }

    /// The value; its block is freed.
    pub fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: the value is live, and not dropped a second time.
        unsafe {
            let value = this.value.as_ptr().read();
            this.free();
            value
        }
    }

    /// The value for as long as the arena is neither reset nor dropped. Its
    /// destructor won't run.
    pub fn leak(self) -> &'a mut T {
        // SAFETY: the value is live and stays so: nobody else owns it.
        unsafe { &mut *ManuallyDrop::new(self).value.as_ptr() }
    }

    /// # Safety
    /// The value was moved away or dropped, and is not used again.
    unsafe fn free(&self) {
        let layout = Layout::new::<T>();
        // SAFETY: the block is live, as the arena is borrowed.
        unsafe {
            myonlymalloc_sys::myonly_free_sized(
                self.value.as_ptr().cast(),
                layout.size(),
                layout.align(),
            );
        }
    }
}

impl<T> Drop for ArenaBox<'_, T> {
    fn drop(&mut self) {
        /// Frees the block also when the destructor panics.
        struct Free<'b, 'a, T>(&'b ArenaBox<'a, T>);
        impl<T> Drop for Free<'_, '_, T> {
            fn drop(&mut self) {
                // SAFETY: the value is gone by now.
                unsafe { self.0.free() }
            }
        }
        let free = Free(self);
        // SAFETY: the value is live, and this is the end of its owner.
        unsafe { free.0.value.as_ptr().drop_in_place() }
    }
}

impl<T> Deref for ArenaBox<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the value is live and this owns it.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for ArenaBox<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in deref.
        unsafe { self.value.as_mut() }
    }
}

impl<T: fmt::Debug> fmt::Debug for ArenaBox<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

impl<T: fmt::Display> fmt::Display for ArenaBox<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}
