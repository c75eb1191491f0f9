//! A logarithmic axis.

/// The points from left to right.
pub fn sorted(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut points: Vec<_> = points.collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// A logarithmic axis, with room for at least one mark.
#[derive(Clone, Copy)]
pub struct Range {
    from: f64,
    to: f64,
}

/// The axis of these values. `None` if there is none.
pub fn range(values: impl Iterator<Item = f64>) -> Option<Range> {
    let (from, to) = values.fold((f64::INFINITY, 0.0), |(from, to): (f64, f64), value| {
        (from.min(value), to.max(value))
    });
    if from > to {
        return None;
    }
    // 1, 2, 5, 10: neighbours differ by a factor of at most 2.5.
    let room = if to / from < 4.0 { 2.0 } else { 1.0 };
    Some(Range {
        from: from / room,
        to: to * room,
    })
}

impl Range {
    /// Where a value is: 0 at the beginning, 1 at the end.
    pub fn share(&self, value: f64) -> f64 {
        (value / self.from).log10() / (self.to / self.from).log10()
    }

    /// Decades, or 1, 2 and 5 per decade if there are few.
    pub fn marks(&self) -> Vec<f64> {
        let (from, to) = (
            self.from.log10().floor() as i32,
            self.to.log10().ceil() as i32,
        );
        let steps: &[f64] = if to - from > 3 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        (from..=to)
            .flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)))
            .filter(|&mark| mark >= self.from * 0.999 && mark <= self.to * 1.001)
            .collect()
    }
}

/// The marks whose labels do not overlap.
pub fn thinned(marks: Vec<f64>, at: impl Fn(f64) -> i32, room: impl Fn(f64) -> i32) -> Vec<f64> {
    let mut kept: Vec<f64> = Vec::new();
    for mark in marks {
        let free = kept
            .last()
            .is_none_or(|&last| (at(mark) - at(last)).abs() >= (room(mark) + room(last)) / 2);
        if free {
            kept.push(mark);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_axis_has_marks_and_all_of_its_values(
            values in prop::collection::vec(-9.0..20.0f64, 1..5),
        ) {
            let range = range(values.iter().map(|v| 10f64.powf(*v))).unwrap();
            prop_assert!(!range.marks().is_empty());
            for value in values {
                let share = range.share(10f64.powf(value));
                prop_assert!((-1e-9..=1.0 + 1e-9).contains(&share), "{share}");
            }
        }
    }
}
