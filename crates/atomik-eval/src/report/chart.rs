//! Bars and curves as inline SVG. It takes its colours from the page's style, and its text can be
//! searched and read by screen readers.
//!
//! All charts are 360 units wide, about the width of a phone, so their text stays readable. A
//! system has the same colour and mark in all of them.

mod axis;
mod bars;
mod canvas;
mod curves;

pub use bars::{Bar, bars, span_decades};
pub use canvas::{COLOURS, style};
pub use curves::{Curve, Curves, curves};
