//! Columns of text, as wide as what they hold.

/// Lines of a table: headings, then rows, columns two blanks apart, nothing behind the last one.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headings[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = line(&mut headings.iter().copied());
    let body = rows.iter().map(|row| line(&mut row.iter().map(String::as_str)));
    std::iter::once(head).chain(body).collect()
}

/// A number, `-` for -1, which stands for unknown.
pub(crate) fn known(number: i64) -> String {
    if number < 0 { "-".to_owned() } else { number.to_string() }
}

/// The first so many characters, on one line.
pub(crate) fn beginning(text: &str, chars_max: usize) -> String {
    let flat = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    flat.take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_they_hold() {
        let rows = [["a", "1"], ["longer", "x"]].map(|row| row.map(str::to_owned).to_vec());
        let lines = table(&["TOPIC", "ERROR"], &rows);
        assert_eq!(lines, ["TOPIC   ERROR", "a       1", "longer  x"]);
        assert_eq!(table(&["A", "B"], &[]), ["A  B"]);
    }

    #[test]
    fn a_text_for_a_column_is_short_and_on_one_line() {
        assert_eq!(beginning("one\ntwo\u{1b}[2J", 6), "one tw");
        assert_eq!(beginning("é", 80), "é");
        assert_eq!((known(-1), known(0)), ("-".to_owned(), "0".to_owned()));
    }
}
