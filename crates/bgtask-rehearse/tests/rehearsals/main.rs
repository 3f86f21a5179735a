//! Rehearsals as stories: a task, a day, and what came of it.

mod day;
mod picture;
mod scenarios;
mod stories;
