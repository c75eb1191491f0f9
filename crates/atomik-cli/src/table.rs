use comfy_table::{CellAlignment, Table, presets};

/// A table with these headings, which reads as Markdown, too. Columns from `numbers` on are aligned
/// to the right.
pub fn table(headings: &[&str], numbers: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(headings);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A rate as a person reads it: `1.23 M`.
pub fn rate(per_second: f64) -> String {
    match per_second {
        1e9.. => format!("{:.2} G", per_second / 1e9),
        1e6.. => format!("{:.2} M", per_second / 1e6),
        1e3.. => format!("{:.0} k", per_second / 1e3),
        _ => format!("{per_second:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_a_prefix_that_fits() {
        let texts = [0.0, 999.0, 1e3, 45_600.0, 1_234_567.0, 2.5e9].map(rate);
        assert_eq!(texts, ["0", "999", "1 k", "46 k", "1.23 M", "2.50 G"]);
    }
}
