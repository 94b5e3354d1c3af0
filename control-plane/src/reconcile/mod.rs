//! What AWS says was called, against what the log says was let out.
