//! The process heap as Rust's global allocator.
use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

use myonlymalloc_sys as sys;

/// The alignment that every block has, whatever was asked for.
pub(crate) const BLOCK_ALIGNMENT: usize = 16;

/// The process heap. Use it as
///
/// ```
/// #[global_allocator]
/// static GLOBAL: myonlymalloc::MyOnlyMalloc = myonlymalloc::MyOnlyMalloc;
/// ```
///
/// It works before `main`, while thread-locals are dropped, and after a fork:
/// it keeps no state on the Rust side. No call unwinds: the C++ side has no
/// exceptions, and a misuse it detects aborts the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct MyOnlyMalloc;

// SAFETY: each block comes from the process heap, is as large and as aligned as
// its layout says, and stays where it is until it is freed or reallocated. The
// functions of the C API are thread-safe and never unwind.
unsafe impl GlobalAlloc for MyOnlyMalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, alignment) = (layout.size(), layout.align());
        // SAFETY: no preconditions; a Layout's alignment is a power of two.
        unsafe {
            if alignment <= BLOCK_ALIGNMENT {
                sys::myonly_alloc(size).cast()
            } else {
                sys::myonly_aligned_alloc(alignment, size).cast()
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let size = layout.size();
        if layout.align() <= BLOCK_ALIGNMENT {
            // SAFETY: no preconditions.
            return unsafe { sys::myonly_calloc(1, size).cast() };
        }
        // SAFETY: the caller's promise about `layout` is passed on, and the
        // new block has `size` bytes.
        unsafe {
            let block = self.alloc(layout);
            if !block.is_null() {
                ptr::write_bytes(block, 0, size);
            }
            block
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller promises that `block` has this layout.
        unsafe {
            sys::myonly_free_sized(block.cast(), layout.size(), layout.align());
        }
    }

    #[inline]
    unsafe fn realloc(
        &self,
        block: *mut u8,
        layout: Layout,
        new_size: usize,
    ) -> *mut u8 {
        if layout.align() <= BLOCK_ALIGNMENT {
            // SAFETY: `block` is live, and `new_size` isn't 0.
            return unsafe { sys::myonly_realloc(block.cast(), new_size) }
                .cast();
        }
        // myonly_realloc forgets an alignment above 16 when it moves a block.
        // SAFETY: the caller promises that `block` has this layout, and that
        // `new_size` is a size for a layout of the same alignment.
        unsafe {
            if sys::myonly_try_resize(block.cast(), new_size, ptr::null_mut())
                == 1
            {
                return block;
            }
            let moved =
                sys::myonly_aligned_alloc(layout.align(), new_size).cast();
            move_block(block, layout, moved, new_size);
            moved
        }
    }
}

/// Copies `from`, a block of `layout`, to `to`, which has `to_size` bytes, and
/// frees it. Does nothing if `to` is null.
///
/// # Safety
/// `from` is a live block of `layout`; `to` is null or another block.
pub(crate) unsafe fn move_block(
    from: *mut u8,
    layout: Layout,
    to: *mut u8,
    to_size: usize,
) {
    if to.is_null() {
        return;
    }
    // SAFETY: both blocks have that many bytes and don't overlap.
    unsafe {
        ptr::copy_nonoverlapping(from, to, layout.size().min(to_size));
        sys::myonly_free_sized(from.cast(), layout.size(), layout.align());
    }
}
