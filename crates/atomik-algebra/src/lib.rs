//! ATOMiK.
