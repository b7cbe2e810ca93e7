//! What heaps tell about themselves, as text for whatever takes text.
use core::ffi::c_void;
use core::fmt;
use core::marker::PhantomData;
use core::ops::ControlFlow;
use core::ptr;
use core::slice;

use crate::arena::Arena;
use crate::error::Error;
use crate::inspect::Guarded;
use crate::pressure::ArenaView;
use myonlymalloc_sys as sys;

/// How statistics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// The text that Prometheus scrapes.
    Prometheus,
}

impl Format {
    fn raw(self) -> i32 {
        match self {
            Format::Text => sys::MYONLY_FORMAT_TEXT,
            Format::Json => sys::MYONLY_FORMAT_JSON,
            Format::Prometheus => sys::MYONLY_FORMAT_PROMETHEUS,
        }
    }
}

/// A report that is made when it is written: by `println!`, `write!` to a file
/// or a socket, `to_string()`. Making it allocates nothing.
///
/// ```
/// let arena = myonlymalloc::Arena::new()?;
/// println!("{}", arena.explain());
/// # Ok::<(), myonlymalloc::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Report<'a> {
    kind: Kind,
    arena: *mut sys::myonly_arena,
    borrows: PhantomData<&'a ()>,
}

#[derive(Clone, Copy)]
enum Kind {
    Explain,
    ExplainJson,
    Stats(Format),
    AllStats(Format),
}

/// Reports.
impl Arena<'_> {
    /// Where every byte is that the arena is charged, and which blocks pin the
    /// most pages.
    pub fn explain(&self) -> Report<'_> {
        Report::new(Kind::Explain, self.as_raw())
    }

    /// The same as one JSON object.
    pub fn explain_json(&self) -> Report<'_> {
        Report::new(Kind::ExplainJson, self.as_raw())
    }

    /// The arena's counters, as [`stats`](Arena::stats) has them.
    pub fn report(&self, format: Format) -> Report<'_> {
        Report::new(Kind::Stats(format), self.as_raw())
    }
}

/// As [`Arena::explain`], of the process heap.
pub fn explain_process_heap() -> Report<'static> {
    Report::new(Kind::Explain, ptr::null_mut())
}

/// The counters of the process, the process heap and every arena.
pub fn report(format: Format) -> Report<'static> {
    Report::new(Kind::AllStats(format), ptr::null_mut())
}

/// Calls `visit` for every arena but the process heap; a `ControlFlow::Break`
/// ends it. Another thread may destroy an arena while it is visited: then calls
/// for it are [`Error::Stale`].
pub fn for_each_arena<F>(visit: F) -> Result<(), Error>
where
    F: FnMut(ArenaView<'_>) -> ControlFlow<()>,
{
    let mut visit = Guarded::new(visit);
    // SAFETY: `visit_arena` gets what it expects, during this call only.
    let status = unsafe {
        sys::myonly_arena_for_each(
            Some(visit_arena::<F>),
            (&mut visit as *mut Guarded<F>).cast(),
        )
    };
    visit.finish();
    Error::check(status)
}

unsafe extern "C" fn visit_arena<F>(
    ctx: *mut c_void,
    arena: *mut sys::myonly_arena,
) -> sys::c_int
where
    F: FnMut(ArenaView<'_>) -> ControlFlow<()>,
{
    // SAFETY: nobody else uses it meanwhile.
    let visit = unsafe { &mut *ctx.cast::<Guarded<F>>() };
    match visit.run(|visit| visit(ArenaView::new(arena))) {
        Some(ControlFlow::Continue(())) => 0,
        _ => 1,
    }
}

impl Report<'_> {
    fn new(kind: Kind, arena: *mut sys::myonly_arena) -> Self {
        let borrows = PhantomData;
        Report {
            kind,
            arena,
            borrows,
        }
    }

    /// # Safety
    /// `ctx` is what `write` expects.
    unsafe fn write(
        &self,
        write: sys::myonly_write_fn,
        ctx: *mut c_void,
    ) -> sys::myonly_status {
        // SAFETY: the caller's promise; a wrong handle is recognised.
        unsafe {
            match self.kind {
                Kind::Explain => {
                    sys::myonly_arena_explain(self.arena, write, ctx)
                }
                Kind::ExplainJson => {
                    sys::myonly_arena_explain_json(self.arena, write, ctx)
                }
                Kind::Stats(format) => sys::myonly_arena_stats_write(
                    self.arena,
                    format.raw(),
                    write,
                    ctx,
                ),
                Kind::AllStats(format) => {
                    sys::myonly_stats_write(format.raw(), write, ctx)
                }
            }
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Guarded::new(Utf8::new(formatter));
        // SAFETY: `write_piece` gets what it expects, during this call only.
        let status = unsafe {
            self.write(
                Some(write_piece),
                (&mut text as *mut Guarded<Utf8<'_, '_>>).cast(),
            )
        };
        text.finish().finish()?;
        match Error::check(status) {
            Ok(()) => Ok(()),
            Err(error) => error.fmt(formatter),
        }
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

unsafe extern "C" fn write_piece(
    ctx: *mut c_void,
    text: *const sys::c_char,
    length: usize,
) {
    // SAFETY: both are there, and nobody else uses `ctx` meanwhile.
    let (out, bytes) = unsafe {
        (
            &mut *ctx.cast::<Guarded<Utf8<'_, '_>>>(),
            slice::from_raw_parts(text.cast::<u8>(), length),
        )
    };
    out.run(|out| out.write(bytes));
}

/// Bytes that come in pieces, which may end within a character. What isn't
/// UTF-8 (a name from C, or one that was cut) becomes U+FFFD.
struct Utf8<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    begun: [u8; 4], // of a character
    length: usize,
    result: fmt::Result,
}

impl<'a, 'b> Utf8<'a, 'b> {
    fn new(out: &'a mut fmt::Formatter<'b>) -> Self {
        Utf8 {
            out,
            begun: [0; 4],
            length: 0,
            result: Ok(()),
        }
    }

    fn write(&mut self, mut bytes: &[u8]) {
        while self.length > 0 && !bytes.is_empty() {
            self.begun[self.length] = bytes[0];
            self.length += 1;
            match core::str::from_utf8(&self.begun[..self.length]) {
                Ok(_) => bytes = &bytes[1..],
                Err(error) if error.error_len().is_none() => {
                    bytes = &bytes[1..];
                    continue;
                }
                // The byte isn't of this character.
                Err(_) => self.length -= 1,
            }
            self.put_begun();
        }
        while !bytes.is_empty() {
            let (valid, rest) = match core::str::from_utf8(bytes) {
                Ok(text) => return self.put(text),
                Err(error) => {
                    let (valid, rest) = bytes.split_at(error.valid_up_to());
                    (valid, (error.error_len(), rest))
                }
            };
            self.put(core::str::from_utf8(valid).unwrap_or_default());
            match rest {
                (Some(wrong), rest) => {
                    self.put("\u{fffd}");
                    bytes = &rest[wrong..];
                }
                (None, rest) => {
                    self.begun[..rest.len()].copy_from_slice(rest);
                    self.length = rest.len();
                    return;
                }
            }
        }
    }

    fn put_begun(&mut self) {
        let begun = self.begun;
        let text = core::str::from_utf8(&begun[..self.length]);
        self.length = 0;
        self.put(text.unwrap_or("\u{fffd}"));
    }

    fn put(&mut self, text: &str) {
        if self.result.is_ok() {
            self.result = self.out.write_str(text);
        }
    }

    fn finish(mut self) -> fmt::Result {
        if self.length > 0 {
            self.put_begun();
        }
        self.result
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8;
    use core::fmt;
    extern crate std;
    use std::string::{String, ToString};

    struct Pieces<'a>(&'a [u8], usize);

    impl fmt::Display for Pieces<'_> {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mut out = Utf8::new(formatter);
            for piece in self.0.chunks(self.1) {
                out.write(piece);
            }
            out.finish()
        }
    }

    #[test]
    fn pieces_of_any_size_give_the_same_text() {
        let cases: [&[u8]; 7] = [
            "a\u{e9}\u{20ac}\u{1f600}z".as_bytes(),
            b"",
            b"\xff\xfe",
            b"cut \xe2\x82",
            b"\xe2\x82 then \xf0\x9f\x98",
            b"\xc3\xc3\xa9",
            b"\xf0\x9f\xf0\x9f\x98\x80",
        ];
        for bytes in cases {
            let expected = String::from_utf8_lossy(bytes);
            for size in 1..9 {
                assert_eq!(Pieces(bytes, size).to_string(), expected);
            }
        }
    }
}
