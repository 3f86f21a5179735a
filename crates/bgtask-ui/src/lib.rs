//! The tasks of a user on a screen of a terminal.
