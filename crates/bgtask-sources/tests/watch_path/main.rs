//! Path watches on real folders.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod files;
mod folders;
mod renames;
mod scene;
mod settling;
mod sharing;
mod ways;
