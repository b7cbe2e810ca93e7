//! Rust on MyAndOnlyMalloc: a global allocator and arenas.
//!
//! [`MyOnlyMalloc`] makes every `Vec`, `String` and `Box` of a program come
//! from the allocator's process heap. An [`Arena`] is a heap of its own, whose
//! memory is dropped at once by [`Arena::reset`] or when the arena is dropped;
//! what was allocated from it borrows it and so can't outlive either.
#![no_std]
#![cfg_attr(feature = "allocator_api", feature(allocator_api))]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(missing_docs)]

#[cfg(feature = "std")]
extern crate std;

mod arena;
mod error;
mod global;
#[cfg(feature = "allocator_api")]
#[allow(clippy::incompatible_msrv)] // a nightly compiler has it all
mod nightly;
mod process;

pub use arena::{Arena, ArenaBuilder};
pub use error::Error;
pub use global::MyOnlyMalloc;
pub use myonlymalloc_sys as sys;
pub use process::{
    check, is_process_allocator, purge, stats, usable_size, version, Stats,
};

// The examples of the README are compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
