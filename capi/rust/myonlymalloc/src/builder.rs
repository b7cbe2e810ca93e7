//! How an arena is made: its options, its parent, its memory.
use core::ffi::c_void;
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use crate::arena::Arena;
use crate::error::Error;
use crate::pressure::{ArenaView, Listener, Pressure};
use myonlymalloc_sys as sys;

/// Bytes of an arena's name, with the 0 that ends it.
const NAME_SIZE: usize = 32;

/// How an arena is to be. Made by [`Arena::builder`]; `'p` is how long its
/// parent is borrowed.
#[must_use = "no arena is made before build()"]
pub struct ArenaBuilder<'p> {
    name: [u8; NAME_SIZE],
    limit_bytes: usize,
    soft_limit_bytes: usize,
    reserve_bytes: usize,
    flags: u64,
    parent: *mut sys::myonly_arena,
    pages: Option<sys::myonly_page_source>,
    listener: Option<Result<Listener, Error>>,
    borrows: PhantomData<&'p ()>,
}

impl<'p> ArenaBuilder<'p> {
    pub(crate) fn new() -> Self {
        ArenaBuilder {
            name: [0; NAME_SIZE],
            limit_bytes: 0,
            soft_limit_bytes: 0,
            reserve_bytes: 0,
            flags: 0,
            parent: ptr::null_mut(),
            pages: None,
            listener: None,
            borrows: PhantomData,
        }
    }

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

    /// The most bytes of pages the arena may hold, 0 = no limit. It is
    /// charged in units of 32 KiB, and of a page for blocks above 4 MiB. An
    /// allocation that would pass it fails with
    /// [`Error::Quota`].
    pub fn limit_bytes(mut self, limit_bytes: usize) -> Self {
        self.limit_bytes = limit_bytes;
        self
    }

    /// Above this charge [`on_pressure`](Self::on_pressure) is told; 0 = none.
    pub fn soft_limit_bytes(mut self, soft_limit_bytes: usize) -> Self {
        self.soft_limit_bytes = soft_limit_bytes;
        self
    }

    /// The last part of the limit, which is for what comes after a refusal.
    pub fn reserve_bytes(mut self, reserve_bytes: usize) -> Self {
        self.reserve_bytes = reserve_bytes;
        self
    }

    /// Limits count the usable bytes of live blocks, exactly, and not pages.
    pub fn exact_bytes(mut self) -> Self {
        self.flags |= sys::MYONLY_ARENA_EXACT_BYTES;
        self
    }

    /// Touching a dropped block faults: for finding `unsafe` code that does.
    pub fn poison_on_reset(mut self) -> Self {
        self.flags |= sys::MYONLY_ARENA_POISON_ON_RESET;
        self
    }

    /// What the arena holds is charged to `parent` too, and to its parents; the
    /// limits of all of them hold. The arena borrows its parent: it can't
    /// outlive it.
    ///
    /// For arenas that live as long as the program, let the parent do so as
    /// well: a `static`, or `Box::leak`.
    ///
    /// ```compile_fail,E0597
    /// use myonlymalloc::Arena;
    /// let request;
    /// {
    ///     let tenant = Arena::new().unwrap();
    ///     request = Arena::builder().parent(&tenant).build().unwrap();
    /// } // error: `tenant` does not live long enough
    /// drop(request);
    /// ```
    pub fn parent<'q>(self, parent: &'q Arena<'_>) -> ArenaBuilder<'q>
    where
        'p: 'q,
    {
        ArenaBuilder {
            parent: parent.as_raw(),
            ..self
        }
    }

    /// Calls `listener` when the charge rises above the soft limit, falls back,
    /// or a request is refused: in the thread whose call did it, when that call
    /// has done its work, without a lock.
    ///
    /// It may free, purge and allocate wherever it likes. A panic in it ends
    /// the process. It must own what it uses: the arena may be forgotten.
    pub fn on_pressure<F>(mut self, listener: F) -> Self
    where
        F: Fn(ArenaView<'_>, Pressure) + Send + Sync + 'static,
    {
        self.listener = Some(Listener::new(listener));
        self
    }

    /// Takes the arena's pages from `source` instead of the system.
    pub fn pages<S: PageSource>(mut self, source: &'static S) -> Self {
        let mut pages = sys::MYONLY_PAGE_SOURCE_INIT;
        pages.ctx = source as *const S as *mut c_void;
        pages.reserve = Some(reserve::<S>);
        pages.purge = Some(purge::<S>);
        pages.release = Some(release::<S>);
        self.pages = Some(pages);
        self
    }

    /// Makes the arena.
    pub fn build(self) -> Result<Arena<'p>, Error> {
        self.create(|options, out| {
            // SAFETY: the options are whole and live during the call, which
            // copies what it keeps.
            unsafe { sys::myonly_arena_create(options, out) }
        })
    }

    /// Makes an arena with everything in `buffer`, of 64 KiB or more: it never
    /// asks the system for memory.
    pub fn build_in(
        self,
        buffer: &'static mut [MaybeUninit<u8>],
    ) -> Result<Arena<'p>, Error> {
        // SAFETY: nobody else can use the buffer any more.
        unsafe { self.build_over(buffer) }
    }

    /// As [`build_in`](Self::build_in), over a buffer that is used for
    /// something else afterwards.
    ///
    /// # Safety
    /// Before `'b` ends the arena is dropped: neither forgotten, nor the parent
    /// of one that was. The library would go on using the buffer.
    pub unsafe fn build_over<'b>(
        self,
        buffer: &'b mut [MaybeUninit<u8>],
    ) -> Result<Arena<'b>, Error>
    where
        'p: 'b,
    {
        let (start, bytes) = (buffer.as_mut_ptr().cast(), buffer.len());
        self.create(|options, out| {
            // SAFETY: as in build; the buffer is the arena's own for as long as
            // it lives.
            unsafe { sys::myonly_arena_create_in(start, bytes, options, out) }
        })
    }

    fn create<'a>(
        self,
        create: impl FnOnce(
            *const sys::myonly_arena_options,
            *mut *mut sys::myonly_arena,
        ) -> sys::myonly_status,
    ) -> Result<Arena<'a>, Error> {
        let mut options = sys::MYONLY_ARENA_OPTIONS_INIT;
        if self.name[0] != 0 {
            options.name = self.name.as_ptr().cast();
        }
        options.limit_bytes = self.limit_bytes;
        options.soft_limit_bytes = self.soft_limit_bytes;
        options.reserve_bytes = self.reserve_bytes;
        options.flags = self.flags;
        options.parent = self.parent;
        if let Some(pages) = &self.pages {
            options.pages = pages;
        }
        let listener = self.listener.transpose()?;
        if let Some(listener) = &listener {
            options.on_pressure = Some(listener.function());
            options.ctx = listener.ctx();
        }
        let mut handle = ptr::null_mut();
        Error::check(create(&options, &mut handle))?;
        let handle = NonNull::new(handle).ok_or(Error::Invalid)?;
        Ok(Arena::with(handle, listener))
    }
}

impl fmt::Debug for ArenaBuilder<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ArenaBuilder")
            .field("limit_bytes", &self.limit_bytes)
            .field("soft_limit_bytes", &self.soft_limit_bytes)
            .field("reserve_bytes", &self.reserve_bytes)
            .finish_non_exhaustive()
    }
}

/// Where an arena takes its pages from. Any thread may call, one at a time for
/// each arena. What is called must not use that arena, and must not panic: that
/// ends the process.
///
/// # Safety
/// What `reserve` returns is the arena's alone until it is released, and is as
/// its comment says; what `purge` reports to be purged reads as zero.
pub unsafe trait PageSource: Sync {
    /// `bytes` of memory that can be read and written and reads as zero,
    /// aligned to `alignment`, a power of two of at least 4,096.
    fn reserve(&self, bytes: usize, alignment: usize) -> Option<NonNull<u8>>;

    /// The arena doesn't need the contents of these whole pages for now.
    /// Whether they were given back, and read as zero from now on.
    ///
    /// # Safety
    /// The pages are of a reservation of this source.
    unsafe fn purge(&self, _start: NonNull<u8>, _bytes: usize) -> bool {
        false
    }

    /// The arena is destroyed, and with it what `reserve` has returned, whole.
    ///
    /// # Safety
    /// It is a reservation of this source, and not used any more.
    unsafe fn release(&self, _start: NonNull<u8>, _bytes: usize) -> bool {
        false
    }
}

unsafe extern "C" fn reserve<S: PageSource>(
    ctx: *mut c_void,
    bytes: usize,
    alignment: usize,
) -> *mut c_void {
    // SAFETY: `ctx` is what the builder stored.
    let source = unsafe { &*ctx.cast::<S>() };
    let start = no_unwind(|| source.reserve(bytes, alignment));
    start.map_or(ptr::null_mut(), |start| start.as_ptr().cast())
}

unsafe extern "C" fn purge<S: PageSource>(
    ctx: *mut c_void,
    start: *mut c_void,
    bytes: usize,
) -> sys::c_int {
    // SAFETY: as in reserve; the library asks for what it has reserved.
    no_unwind(|| unsafe {
        let start = NonNull::new_unchecked(start.cast());
        (*ctx.cast::<S>()).purge(start, bytes).into()
    })
}

unsafe extern "C" fn release<S: PageSource>(
    ctx: *mut c_void,
    start: *mut c_void,
    bytes: usize,
) -> sys::c_int {
    // SAFETY: as in purge.
    no_unwind(|| unsafe {
        let start = NonNull::new_unchecked(start.cast());
        (*ctx.cast::<S>()).release(start, bytes).into()
    })
}

/// Runs `call`; a panic in it ends the process, as it must not go through the
/// library.
pub(crate) fn no_unwind<R>(call: impl FnOnce() -> R) -> R {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            // A panic in the midst of a panic: this aborts.
            panic!("a panic can't pass through the allocator");
        }
    }
    let bomb = Bomb;
    let result = call();
    core::mem::forget(bomb);
    result
}
