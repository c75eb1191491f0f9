pub use comfy_table::Table;
use comfy_table::{CellAlignment, presets};

/// The width to assume where stdout is no terminal.
const DEFAULT_WIDTH: usize = 140;
/// The width to assume of narrower terminals.
const LEAST_WIDTH: usize = 40;

/// A table of text, aligned to the left. It is also valid Markdown.
#[must_use]
pub fn text_table<T: AsRef<str>>(headings: &[T]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(headings.iter().map(AsRef::as_ref));
    table
}

/// As [`text_table`], with the columns after the first `labels` aligned to the right.
#[must_use]
pub fn number_table<T: AsRef<str>>(headings: &[T], labels: usize) -> Table {
    let mut table = text_table(headings);
    for column in table.column_iter_mut().skip(labels) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The characters that fit on a line of the terminal: at least 40, and 140 where stdout is none.
#[must_use]
pub fn width() -> usize {
    Table::new()
        .width()
        .map_or(DEFAULT_WIDTH, |width| usize::from(width).max(LEAST_WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown_with_numbers_aligned_to_the_right() {
        let mut table = number_table(&["design", "LUTs"], 1);
        table.add_row(["w8", "9"]).add_row(["w64_d512", "1024"]);
        assert_eq!(
            table.to_string(),
            "\
| design   | LUTs |
|----------|------|
| w8       |    9 |
| w64_d512 | 1024 |"
        );
    }

    #[test]
    fn text_is_aligned_to_the_left() {
        let mut table = text_table(&["option".to_owned(), "values".to_owned()]);
        table.add_row(["--width", "8"]);
        assert_eq!(
            table.to_string(),
            "\
| option  | values |
|---------|--------|
| --width | 8      |"
        );
    }
}
