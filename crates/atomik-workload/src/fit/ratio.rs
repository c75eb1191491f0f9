//! Ratios.

/// A part of a whole, or 0 if the whole is 0.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    }
}

/// A share in percent: `0.30 %`.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        small if small < 0.01 => "<0.01 %".to_owned(),
        100.0 => "100 %".to_owned(),
        percent => format!("{percent:.2} %"),
    }
}
