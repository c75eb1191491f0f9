//! Traces from seeds.
