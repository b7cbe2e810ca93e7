//! Rust on MyAndOnlyMalloc: a global allocator and arenas.
//!
//! [`MyOnlyMalloc`] makes every `Vec`, `String` and `Box` of a program come
//! from the allocator's process heap. An [`Arena`] is a heap of its own, whose
//! memory is dropped at once by [`Arena::reset`] or when the arena is dropped;
//! what was allocated from it borrows it and so can't outlive either.
#![no_std]
#![cfg_attr(feature = "allocator_api", feature(allocator_api))]
#![deny(missing_docs, unsafe_op_in_unsafe_fn)]

#[cfg(feature = "std")]
extern crate std;

#[cfg(any(feature = "allocator_api", feature = "allocator-api2"))]
mod allocator_trait;
mod arena;
mod boxed;
mod builder;
mod error;
mod global;
mod inspect;
mod pressure;
mod process;
mod report;
pub mod testing;

pub use arena::Arena;
pub use boxed::ArenaBox;
pub use builder::{ArenaBuilder, PageSource};
pub use error::Error;
pub use global::MyOnlyMalloc;
pub use inspect::{block_of, walk_process_heap, BlockInfo, Damage};
pub use myonlymalloc_sys as sys;
pub use pressure::{ArenaView, Pressure};
pub use process::{
    check, find_damage, is_process_allocator, note_idle, peek, purge, stats,
    usable_size, version, Stats,
};
pub use report::{
    explain_process_heap, for_each_arena, report, Format, Report,
};

// The examples of the README are compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
