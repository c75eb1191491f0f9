//! What the tests of the report are made of: a review that has everything, a reader of HTML that is
//! stricter than a browser, and a browser.

pub mod browser;
pub mod fixture;
pub mod html;
pub mod png;
