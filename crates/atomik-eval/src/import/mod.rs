//! Traces from public data.
