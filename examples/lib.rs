//! Keeps the examples of the project's README compiled: they run as this crate's doctests.

#[doc = include_str!("../README.md")]
mod readme {}
