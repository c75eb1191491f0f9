//! A live run of openraft.
