//! A stand-in for the crate `allocator-api2` 0.2, for the tests of this folder,
//! which must run without a registry: its trait and its error by the same names
//! and signatures, and none of its collections. Written for this project.
#![no_std]
#![deny(unsafe_op_in_unsafe_fn)]

pub mod alloc {
    use core::fmt;
    use core::ptr::NonNull;

    pub use core::alloc::Layout;

    /// There is no memory for it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AllocError;

    impl fmt::Display for AllocError {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("no memory")
        }
    }

    /// # Safety
    /// As for the trait of the same name in the standard library.
    pub unsafe trait Allocator {
        fn allocate(&self, layout: Layout)
            -> Result<NonNull<[u8]>, AllocError>;

        fn allocate_zeroed(
            &self,
            layout: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            let mut block = self.allocate(layout)?;
            // SAFETY: the block is new.
            unsafe { block.as_mut().fill(0) };
            Ok(block)
        }

        /// # Safety
        /// `block` is a live block of `layout` of this allocator.
        unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout);

        /// # Safety
        /// `block` is a live block of `old`; `new` is not smaller.
        unsafe fn grow(
            &self,
            block: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            let moved = self.allocate(new)?;
            // SAFETY: the caller's promise.
            unsafe { self.move_to(block, old, moved, old.size()) };
            Ok(moved)
        }

        /// # Safety
        /// As for `grow`.
        unsafe fn grow_zeroed(
            &self,
            block: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            let moved = self.allocate_zeroed(new)?;
            // SAFETY: the caller's promise.
            unsafe { self.move_to(block, old, moved, old.size()) };
            Ok(moved)
        }

        /// # Safety
        /// `block` is a live block of `old`; `new` is not larger.
        unsafe fn shrink(
            &self,
            block: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            let moved = self.allocate(new)?;
            // SAFETY: the caller's promise.
            unsafe { self.move_to(block, old, moved, new.size()) };
            Ok(moved)
        }

        fn by_ref(&self) -> &Self
        where
            Self: Sized,
        {
            self
        }

        /// # Safety
        /// `from` is a live block of `layout`, both have `size` bytes.
        #[doc(hidden)]
        unsafe fn move_to(
            &self,
            from: NonNull<u8>,
            layout: Layout,
            to: NonNull<[u8]>,
            size: usize,
        ) {
            // SAFETY: the caller's promise.
            unsafe {
                let to = to.cast::<u8>().as_ptr();
                from.as_ptr().copy_to_nonoverlapping(to, size);
                self.deallocate(from, layout);
            }
        }
    }

    // SAFETY: that of what it refers to.
    unsafe impl<A: Allocator + ?Sized> Allocator for &A {
        fn allocate(
            &self,
            layout: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            (**self).allocate(layout)
        }

        unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
            // SAFETY: the caller's promise.
            unsafe { (**self).deallocate(block, layout) }
        }
    }
}
