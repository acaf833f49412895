//! Plain aligned columns: one line per row, no frames, made for `grep` and `awk`.

use crate::problem::text::visible::one_line;

/// Rows of cells under a header; the first column identifies the row.
#[derive(Debug)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Between columns.
const GAP: usize = 2;

impl Table {
    pub fn new(header: &[&str]) -> Self {
        Self {
            header: header.iter().map(|title| (*title).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// # Panics
    /// If the row does not have one cell per column.
    pub fn push(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.header.len(), "one cell per column");
        self.rows
            .push(row.iter().map(|cell| one_line(cell)).collect());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As [`Self::render`], or nothing where there are no rows.
    pub fn render_rows(&self, width: usize) -> String {
        if self.is_empty() {
            return String::new();
        }
        self.render(width)
    }

    /// Drops columns that are empty in every row.
    pub fn without_empty_columns(mut self) -> Self {
        let keep: Vec<bool> = (0..self.header.len())
            .map(|column| self.rows.iter().any(|row| !row[column].is_empty()))
            .collect();
        for row in std::iter::once(&mut self.header).chain(&mut self.rows) {
            let mut wanted = keep.iter();
            row.retain(|_| *wanted.next().unwrap_or(&false));
        }
        self
    }

    /// The table; columns that do not fit `width` continue in further blocks, each beginning with the
    /// first column again. Cells are never cut.
    pub fn render(&self, width: usize) -> String {
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                std::iter::once(&self.header)
                    .chain(&self.rows)
                    .map(|row| row[column].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut out = String::new();
        for (number, block) in blocks(&widths, width).iter().enumerate() {
            if number > 0 {
                out.push('\n');
            }
            for row in std::iter::once(&self.header).chain(&self.rows) {
                let mut line = String::new();
                for &column in block {
                    let cell = if row[column].is_empty() {
                        "-"
                    } else {
                        &row[column]
                    };
                    line.push_str(&format!("{cell:<width$}", width = widths[column] + GAP));
                }
                out.push_str(line.trim_end());
                out.push('\n');
            }
        }
        out
    }
}

/// Splits columns into blocks that fit; the first column leads each.
fn blocks(widths: &[usize], width: usize) -> Vec<Vec<usize>> {
    let mut blocks = vec![vec![0]];
    let lead = widths.first().copied().unwrap_or(0);
    let mut used = lead;
    for (column, needed) in widths.iter().enumerate().skip(1) {
        if used + GAP + needed > width && blocks.last().is_some_and(|block| block.len() > 1) {
            blocks.push(vec![0]);
            used = lead;
        }
        used += GAP + needed;
        if let Some(block) = blocks.last_mut() {
            block.push(column);
        }
    }
    blocks
}

/// Text as by [`wrap`], with the last line ended.
pub fn paragraph(text: &str, width: usize, indent: usize) -> String {
    wrap(text, width, indent) + "\n"
}

/// Breaks text at spaces so that lines fit `width`; later lines start with `indent` spaces.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > indent && used + 1 + length > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(&["solver", "gap", "none", "time"]);
        table.push(vec![
            "exact".into(),
            "0".into(),
            String::new(),
            "1 s".into(),
        ]);
        table.push(vec![
            "a".into(),
            String::new(),
            String::new(),
            "12 s".into(),
        ]);
        table
    }

    #[test]
    fn columns_line_up_and_missing_cells_show_a_dash() {
        assert_eq!(
            sample().without_empty_columns().render(80),
            "solver  gap  time\nexact   0    1 s\na       -    12 s\n"
        );
    }

    #[test]
    fn a_narrow_terminal_gets_more_blocks() {
        assert_eq!(
            sample().without_empty_columns().render(13),
            "solver  gap\nexact   0\na       -\n\nsolver  time\nexact   1 s\na       12 s\n"
        );
    }

    #[test]
    fn text_wraps_with_indent() {
        assert_eq!(wrap("one two three four", 9, 2), "one two\n  three\n  four");
    }
}
