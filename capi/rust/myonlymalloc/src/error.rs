//! Why a call failed.
use core::fmt;

use myonlymalloc_sys as sys;

/// A failed call's `myonly_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The system is out of memory.
    NoMemory,
    /// The arena's own limit would be passed.
    Quota,
    /// An argument is wrong.
    Invalid,
    /// Not in this version.
    Unsupported,
    /// In use: not done.
    Busy,
    /// The arena is destroyed.
    Stale,
    /// An invariant is broken.
    Corrupt,
    /// A system call failed.
    Os,
    /// A status of a newer library.
    Other(i32),
}

impl Error {
    /// The error that `status` stands for, if it is one.
    pub(crate) fn check(status: sys::myonly_status) -> Result<(), Error> {
        match status {
            sys::MYONLY_OK => Ok(()),
            sys::MYONLY_ERR_NOMEM => Err(Error::NoMemory),
            sys::MYONLY_ERR_QUOTA => Err(Error::Quota),
            sys::MYONLY_ERR_INVALID => Err(Error::Invalid),
            sys::MYONLY_ERR_UNSUPPORTED => Err(Error::Unsupported),
            sys::MYONLY_ERR_BUSY => Err(Error::Busy),
            sys::MYONLY_ERR_STALE => Err(Error::Stale),
            sys::MYONLY_ERR_CORRUPT => Err(Error::Corrupt),
            sys::MYONLY_ERR_OS => Err(Error::Os),
            other => Err(Error::Other(other)),
        }
    }

    /// Why this thread's last failed call failed; only for use right after one.
    pub(crate) fn last() -> Error {
        // SAFETY: any thread may ask at any time.
        match Error::check(unsafe { sys::myonly_last_status() }) {
            Err(error) => error,
            Ok(()) => Error::NoMemory,
        }
    }

    /// The `myonly_status` this error stands for.
    pub fn status(self) -> sys::myonly_status {
        match self {
            Error::NoMemory => sys::MYONLY_ERR_NOMEM,
            Error::Quota => sys::MYONLY_ERR_QUOTA,
            Error::Invalid => sys::MYONLY_ERR_INVALID,
            Error::Unsupported => sys::MYONLY_ERR_UNSUPPORTED,
            Error::Busy => sys::MYONLY_ERR_BUSY,
            Error::Stale => sys::MYONLY_ERR_STALE,
            Error::Corrupt => sys::MYONLY_ERR_CORRUPT,
            Error::Os => sys::MYONLY_ERR_OS,
            Error::Other(status) => status,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the text is constant and ends in a 0 byte, for every status.
        let text = unsafe { text_of(sys::myonly_status_str(self.status())) };
        formatter.write_str(text)
    }
}

#[cfg(feature = "std")]
impl std::error::Error for Error {}

/// `text` up to its 0 byte, which has to be there.
///
/// # Safety
/// `text` ends in a 0 byte and lives unchanged for `'a`.
pub(crate) unsafe fn text_of<'a>(text: *const sys::c_char) -> &'a str {
    let mut length = 0;
    // SAFETY: every byte up to the 0 may be read.
    let bytes = unsafe {
        while *text.add(length) != 0 {
            length += 1;
        }
        core::slice::from_raw_parts(text.cast::<u8>(), length)
    };
    core::str::from_utf8(bytes).unwrap_or("not UTF-8")
}
