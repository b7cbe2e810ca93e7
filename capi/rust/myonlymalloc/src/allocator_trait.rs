//! The `Allocator` trait, for `Vec::new_in(&arena)` and its like: the unstable
//! one of the standard library, or its stable copy in the crate
//! `allocator-api2`, which hashbrown, bumpalo and others take.
use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;
use core::ptr::{self, NonNull};

#[cfg(not(feature = "allocator_api"))]
use allocator_api2::alloc::{AllocError, Allocator};
#[cfg(feature = "allocator_api")]
use core::alloc::{AllocError, Allocator};

use crate::arena::Arena;
use crate::global::{move_block, MyOnlyMalloc, BLOCK_ALIGNMENT};
use crate::testing::NoAllocation;
use myonlymalloc_sys as sys;

/// A block and how many bytes it really has.
type SizedBlock = (*mut c_void, usize);

/// What every heap of this library does alike: a block knows its arena.
macro_rules! free_and_resize {
    () => {
        unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
            // SAFETY: the caller's promise.
            unsafe { deallocate(block, layout) }
        }

        unsafe fn grow(
            &self,
            block: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            // SAFETY: the caller's promise.
            unsafe { resize(self, block, old, new) }
        }

        unsafe fn shrink(
            &self,
            block: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            // SAFETY: the caller's promise.
            unsafe { resize(self, block, old, new) }
        }
    };
}

// SAFETY: a block lives until it is freed or the arena is reset or dropped, and
// neither is possible while a reference to the arena is alive. Copies of the
// reference name the same arena; any of them may free.
unsafe impl Allocator for &Arena<'_> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        allocate(layout, |size, alignment| {
            let mut actual = 0;
            // SAFETY: wrong arguments would be answered with null.
            let block = unsafe {
                sys::myonly_arena_alloc_at_least(
                    self.as_raw(),
                    size,
                    alignment,
                    &mut actual,
                )
            };
            (block, actual)
        })
    }

    fn allocate_zeroed(
        &self,
        layout: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return Ok(empty(layout));
        }
        let block = self.calloc_raw(layout).map_err(|_| AllocError)?;
        Ok(slice_of(block, layout.size()))
    }

    free_and_resize!();
}

// SAFETY: blocks of the process heap live until they are freed; every value of
// this type stands for that heap.
unsafe impl Allocator for MyOnlyMalloc {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        allocate(layout, |size, alignment| {
            let mut actual = 0;
            // SAFETY: no preconditions.
            let block = unsafe {
                sys::myonly_alloc_at_least(size, alignment, &mut actual)
            };
            (block, actual)
        })
    }

    fn allocate_zeroed(
        &self,
        layout: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return Ok(empty(layout));
        }
        // SAFETY: the size isn't 0.
        let block = unsafe { self.alloc_zeroed(layout) };
        let block = NonNull::new(block).ok_or(AllocError)?;
        Ok(slice_of(block, layout.size()))
    }

    free_and_resize!();
}

fn allocate(
    layout: Layout,
    at_least: impl Fn(usize, usize) -> SizedBlock,
) -> Result<NonNull<[u8]>, AllocError> {
    if layout.size() == 0 {
        return Ok(empty(layout));
    }
    let (block, actual) = at_least(layout.size(), layout.align());
    let block = NonNull::new(block.cast()).ok_or(AllocError)?;
    Ok(slice_of(block, actual))
}

// The standard library has this from Rust 1.70 on.
fn slice_of(block: NonNull<u8>, size: usize) -> NonNull<[u8]> {
    let slice = ptr::slice_from_raw_parts_mut(block.as_ptr(), size);
    // SAFETY: the block isn't null.
    unsafe { NonNull::new_unchecked(slice) }
}

/// What stands for a block of no bytes: there is none.
fn empty(layout: Layout) -> NonNull<[u8]> {
    // SAFETY: an alignment isn't 0.
    let address = unsafe { NonNull::new_unchecked(layout.align() as *mut u8) };
    slice_of(address, 0)
}

/// # Safety
/// `block` is a live block of `layout`.
unsafe fn deallocate(block: NonNull<u8>, layout: Layout) {
    if layout.size() != 0 {
        // SAFETY: the caller's promise.
        unsafe {
            sys::myonly_free_sized(
                block.as_ptr().cast(),
                layout.size(),
                layout.align(),
            );
        }
    }
}

/// In place where that keeps the alignment, else by moving. A smaller one has to
/// explain the size of the block when that is freed, and may not. To less it
/// fails only if the block isn't aligned enough to stay where it is.
///
/// # Safety
/// `block` is a live block of `old` of `allocator`.
unsafe fn resize(
    allocator: &impl Allocator,
    block: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    if old.size() == 0 || new.size() == 0 {
        let moved = allocator.allocate(new)?;
        // SAFETY: the caller's promise.
        unsafe { deallocate(block, old) };
        return Ok(moved);
    }
    let is_aligned = block.as_ptr() as usize % new.align() == 0;
    let shrinks = new.size() <= old.size();
    if is_aligned && new.align().max(BLOCK_ALIGNMENT) >= old.align() {
        let mut actual = 0;
        // SAFETY: the block is live.
        let resized = unsafe {
            sys::myonly_try_resize(
                block.as_ptr().cast(),
                new.size(),
                &mut actual,
            )
        };
        if resized == 1 {
            return Ok(slice_of(block, actual));
        }
        // A callback has dropped the arena's blocks, this one too.
        if actual == 0 {
            return Err(AllocError);
        }
    }
    if shrinks && new.align() <= BLOCK_ALIGNMENT {
        // SAFETY: the block is live, and the size isn't 0.
        return unsafe { shrink(block, new) };
    }
    let moved = match allocator.allocate(new) {
        // SAFETY: as above; it may stay where it is.
        Err(_) if shrinks && is_aligned => unsafe { keep(block, new) },
        moved => moved,
    }?;
    if moved.cast() != block {
        let to = moved.cast::<u8>().as_ptr();
        // SAFETY: the block is live, `moved` is another one.
        unsafe { move_block(block.as_ptr(), old, to, new.size()) };
    }
    Ok(moved)
}

/// Never fails: where there is no memory for less the block stays as it is.
///
/// # Safety
/// `block` is a live one, larger than `new`, whose size isn't 0.
unsafe fn shrink(
    block: NonNull<u8>,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    // SAFETY: the caller's promise.
    let kept =
        unsafe { sys::myonly_realloc(block.as_ptr().cast(), new.size()) };
    let kept = NonNull::new(kept.cast()).ok_or(AllocError)?;
    Ok(slice_of(kept, new.size()))
}

/// The same where it is: there is no memory for less while nothing may be
/// asked for.
///
/// # Safety
/// As for [`shrink`].
unsafe fn keep(
    block: NonNull<u8>,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    let _section = NoAllocation::refuse().map_err(|_| AllocError)?;
    // SAFETY: the caller's promise.
    unsafe { shrink(block, new) }
}
