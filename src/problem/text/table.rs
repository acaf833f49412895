//! Tables of numbers from CSV files with a header line, and matrices from files of numbers alone.

use crate::problem::text::suggest::nearest;
use std::collections::BTreeSet;
use thiserror::Error;

/// Most columns: each is a state.
const MOST_COLUMNS: usize = 4096;
/// At most this many broken rows are reported for one table.
const REPORTED: usize = 5;

/// A column asked for by name, or by position counted from zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Name(String),
    Position(usize),
}

/// The columns asked for, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Numbers {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<f64>>,
}

/// What is wrong with a table. Lines are counted from one, the header included.
#[derive(Clone, Debug, Error, PartialEq)]
pub(crate) enum TableError {
    #[error("cannot read the table `{file}`: {reason}")]
    Unreadable { file: String, reason: String },
    #[error("the table `{file}` is empty: it has no header line")]
    NoHeader { file: String },
    #[error("the table `{file}` has no header line: its first line holds numbers")]
    NumbersForHeader { file: String },
    #[error("the table `{file}` has {count} columns called `{column}`")]
    SameName {
        file: String,
        column: String,
        count: usize,
    },
    #[error("the table `{file}` has {count} columns, more than the {MOST_COLUMNS} that are used")]
    Wide { file: String, count: usize },
    #[error("the table `{file}` has a header and no rows")]
    NoRows { file: String },
    #[error("the table `{file}` has no column `{column}`")]
    NoColumn {
        file: String,
        column: String,
        present: Vec<String>,
    },
    #[error("the table `{file}` has no column at position {position}: it has {count} columns, 0 to {}", count - 1)]
    NoPosition {
        file: String,
        position: usize,
        count: usize,
    },
    #[error("{file}:{line}: this row has {}, the header has {wanted}", values(*found))]
    Ragged {
        file: String,
        line: u64,
        found: usize,
        wanted: usize,
    },
    #[error("{file}:{line}: column `{column}` is empty")]
    Blank {
        file: String,
        line: u64,
        column: String,
    },
    #[error("{file}:{line}: column `{column}` holds `{value}`, which is not a finite number")]
    NotNumeric {
        file: String,
        line: u64,
        column: String,
        value: String,
    },
    #[error("{file}:{line}: {reason}")]
    Malformed {
        file: String,
        line: u64,
        reason: String,
    },
    #[error("{file}: {count} more rows like these")]
    More { file: String, count: usize },
}

fn values(count: usize) -> String {
    if count == 1 {
        "1 value".to_owned()
    } else {
        format!("{count} values")
    }
}

impl TableError {
    /// The diagnostic code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "E602",
            Self::NoHeader { .. } | Self::NumbersForHeader { .. } | Self::NoRows { .. } => "E604",
            Self::SameName { .. } => "E611",
            Self::Wide { .. } => "E610",
            Self::Ragged { .. } | Self::Malformed { .. } | Self::More { .. } => "E605",
            Self::NotNumeric { .. } | Self::Blank { .. } => "E606",
            Self::NoColumn { .. } | Self::NoPosition { .. } => "E607",
        }
    }

    /// What to try.
    pub(crate) fn advice(&self) -> Option<String> {
        match self {
            Self::NoColumn {
                column, present, ..
            } => {
                let listed = format!("columns: {}", present.join(", "));
                Some(match nearest(column, present.iter().map(String::as_str)) {
                    Some(name) => format!("did you mean `{name}`? {listed}"),
                    None => listed,
                })
            }
            Self::NumbersForHeader { .. } => {
                Some("name the columns in the first line, as in `x,y`".to_owned())
            }
            Self::SameName { .. } => {
                Some("give the columns different names, or choose them by position".to_owned())
            }
            Self::Wide { .. } => Some("choose some with `columns = [...]`".to_owned()),
            Self::NotNumeric { .. } => Some(
                "name the numeric columns with `columns = [...]`, or mend the table".to_owned(),
            ),
            Self::Unreadable { .. } => {
                Some("the path is relative to the folder of the problem file".to_owned())
            }
            _ => None,
        }
    }
}

/// Reads a matrix: rows of numbers between commas, semicolons, tabs or spaces, lines that begin with `#` left out; or a
/// NumPy array (`.npy`) of one or two dimensions. `shown` is the name used in messages.
pub(crate) fn read_matrix(bytes: &[u8], shown: &str) -> Result<Vec<Vec<f64>>, Vec<TableError>> {
    let unreadable = |reason: String| TableError::Unreadable {
        file: shown.to_owned(),
        reason,
    };
    if shown.ends_with(".npy") {
        return parse_array(bytes).map_err(|reason| vec![unreadable(reason)]);
    }
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    let mut rows: Vec<Vec<f64>> = Vec::new();
    let mut errors = Vec::new();
    for (line, number) in lines {
        match matrix_row(line, number, rows.first().map(Vec::len), shown) {
            Ok(row) => rows.push(row),
            Err(error) => errors.push(error),
        }
        if errors.len() == REPORTED {
            break;
        }
    }
    if errors.is_empty() && rows.is_empty() {
        errors.push(unreadable("it holds no numbers".to_owned()));
    }
    if errors.is_empty() {
        Ok(rows)
    } else {
        Err(errors)
    }
}

fn matrix_row(
    text: &str,
    line: u64,
    wanted: Option<usize>,
    shown: &str,
) -> Result<Vec<f64>, TableError> {
    let file = shown.to_owned();
    let between = |c: char| c == ',' || c == ';' || c.is_whitespace();
    let fields = text.split(between).filter(|field| !field.is_empty());
    let mut row = Vec::with_capacity(wanted.unwrap_or(0));
    for (i, field) in fields.enumerate() {
        match field.parse::<f64>() {
            Ok(value) if value.is_finite() => row.push(value),
            _ => {
                return Err(TableError::NotNumeric {
                    file,
                    line,
                    column: i.to_string(),
                    value: field.to_owned(),
                });
            }
        }
    }
    match wanted {
        Some(wanted) if wanted != row.len() => Err(TableError::Ragged {
            file,
            line,
            found: row.len(),
            wanted,
        }),
        _ => Ok(row),
    }
}

/// The numbers of a NumPy array, row by row; one of one dimension is a column.
fn parse_array(bytes: &[u8]) -> Result<Vec<Vec<f64>>, String> {
    let array = npyz::NpyFile::new(bytes).map_err(|error| error.to_string())?;
    let shape: Vec<usize> = array.shape().iter().map(|n| *n as usize).collect();
    let count = shape
        .iter()
        .try_fold(1_usize, |product, n| product.checked_mul(*n));
    if count.is_none_or(|count| count > bytes.len()) {
        return Err(format!(
            "it has {} bytes, too few for its shape {shape:?}",
            bytes.len()
        ));
    }
    let by_columns = array.order() == npyz::Order::Fortran;
    let (rows, columns) = match shape.as_slice() {
        [rows] => (*rows, 1),
        [rows, columns] => (*rows, *columns),
        _ => return Err(format!("an array of {} dimensions", shape.len())),
    };
    let numbers: Vec<f64> = array.into_vec().map_err(|error| error.to_string())?;
    if let Some(value) = numbers.iter().find(|value| !value.is_finite()) {
        return Err(format!("it holds {value}"));
    }
    let entry = |i: usize, j: usize| {
        numbers[if by_columns {
            j * rows + i
        } else {
            i * columns + j
        }]
    };
    let row = |i: usize| (0..columns).map(|j| entry(i, j)).collect();
    Ok((0..rows).map(row).collect())
}

/// Reads the asked-for columns; all of them when `columns` is `None`. `shown` is the name used in messages.
pub(crate) fn parse(
    bytes: &[u8],
    shown: &str,
    columns: Option<&[Column]>,
) -> Result<Numbers, Vec<TableError>> {
    let file = || shown.to_owned();
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let header: Vec<String> = match reader.headers() {
        Ok(record) => record.iter().map(str::to_owned).collect(),
        Err(error) => {
            return Err(vec![TableError::Malformed {
                file: file(),
                line: 1,
                reason: error.to_string(),
            }]);
        }
    };
    if header.is_empty() {
        return Err(vec![TableError::NoHeader { file: file() }]);
    }
    if header.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err(vec![TableError::NumbersForHeader { file: file() }]);
    }
    let chosen = choose(&header, shown, columns)?;
    let mut errors = Vec::new();
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => match row(&record, &header, &chosen, shown) {
                Ok(values) => rows.push(values),
                Err(error) => errors.push(error),
            },
            Err(error) => errors.push(TableError::Malformed {
                file: file(),
                line: error.position().map_or(0, csv::Position::line),
                reason: "not UTF-8 text".to_owned(),
            }),
        }
    }
    if !errors.is_empty() {
        let more = errors.len().saturating_sub(REPORTED);
        errors.truncate(REPORTED);
        if more > 0 {
            errors.push(TableError::More {
                file: file(),
                count: more,
            });
        }
        return Err(errors);
    }
    if rows.is_empty() {
        return Err(vec![TableError::NoRows { file: file() }]);
    }
    Ok(Numbers {
        columns: chosen.iter().map(|i| header[*i].clone()).collect(),
        rows,
    })
}

fn choose(
    header: &[String],
    shown: &str,
    columns: Option<&[Column]>,
) -> Result<Vec<usize>, Vec<TableError>> {
    let wide = |count| TableError::Wide {
        file: shown.to_owned(),
        count,
    };
    let Some(columns) = columns else {
        if header.len() > MOST_COLUMNS {
            return Err(vec![wide(header.len())]);
        }
        let mut known = BTreeSet::new();
        let same = header.iter().find(|name| !known.insert(name.as_str()));
        return match same {
            Some(name) => Err(vec![same_name(header, name, shown)]),
            None => Ok((0..header.len()).collect()),
        };
    };
    if columns.len() > MOST_COLUMNS {
        return Err(vec![wide(columns.len())]);
    }
    let mut errors = Vec::new();
    let mut chosen = Vec::new();
    for column in columns {
        match column {
            Column::Name(name) if header.iter().filter(|h| *h == name).count() > 1 => {
                errors.push(same_name(header, name, shown));
            }
            Column::Name(name) => match header.iter().position(|h| h == name) {
                Some(position) => chosen.push(position),
                None => errors.push(TableError::NoColumn {
                    file: shown.to_owned(),
                    column: name.clone(),
                    present: header.to_vec(),
                }),
            },
            Column::Position(position) if *position < header.len() => chosen.push(*position),
            Column::Position(position) => errors.push(TableError::NoPosition {
                file: shown.to_owned(),
                position: *position,
                count: header.len(),
            }),
        }
    }
    if errors.is_empty() {
        Ok(chosen)
    } else {
        Err(errors)
    }
}

fn same_name(header: &[String], name: &str, shown: &str) -> TableError {
    TableError::SameName {
        file: shown.to_owned(),
        column: name.to_owned(),
        count: header.iter().filter(|h| *h == name).count(),
    }
}

fn row(
    record: &csv::StringRecord,
    header: &[String],
    chosen: &[usize],
    shown: &str,
) -> Result<Vec<f64>, TableError> {
    let line = record.position().map_or(0, csv::Position::line);
    if record.len() != header.len() {
        return Err(TableError::Ragged {
            file: shown.to_owned(),
            line,
            found: record.len(),
            wanted: header.len(),
        });
    }
    chosen
        .iter()
        .map(|&i| match record[i].parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ if record[i].is_empty() => Err(TableError::Blank {
                file: shown.to_owned(),
                line,
                column: header[i].clone(),
            }),
            _ => Err(TableError::NotNumeric {
                file: shown.to_owned(),
                line,
                column: header[i].clone(),
                value: record[i].to_owned(),
            }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<Column> {
        names
            .iter()
            .map(|n| Column::Name((*n).to_owned()))
            .collect()
    }

    #[test]
    fn columns_come_in_the_order_asked_for() {
        let table = parse(
            b"a,b,label\n1,2,x\n3,4,y\n",
            "t.csv",
            Some(&names(&["b", "a"])),
        );
        let table = table.expect("a good table");
        assert_eq!(table.columns, ["b", "a"]);
        assert_eq!(table.rows, [[2.0, 1.0], [4.0, 3.0]]);
        let by_position = parse(b"a,b\n1,2\n", "t.csv", Some(&[Column::Position(1)]));
        assert_eq!(by_position.expect("a good table").rows, [[2.0]]);
    }

    #[test]
    fn matrices_have_any_separator_and_no_header() {
        let read = |text: &str| read_matrix(text.as_bytes(), "a.csv");
        let rows = vec![vec![1.0, -0.5], vec![0.25, 3.0]];
        for text in [
            "1,-0.5\n0.25, 3\n",
            "# A\n1 -5e-1\n\n 0.25\t3",
            "1;-0.5\n0.25;3",
        ] {
            assert_eq!(read(text), Ok(rows.clone()), "{text}");
        }
        for text in ["1,2\n3\n", "1,x\n", "# nothing\n"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_broken_row_is_named_by_line_and_column() {
        let errors =
            parse(b"a,b\n1,2\n3\n5,six\n7,nan\n", "t.csv", None).expect_err("three bad rows");
        let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "t.csv:3: this row has 1 value, the header has 2",
                "t.csv:4: column `b` holds `six`, which is not a finite number",
                "t.csv:5: column `b` holds `nan`, which is not a finite number",
            ]
        );
    }

    #[test]
    fn empty_tables_and_missing_columns_are_refused() {
        assert_eq!(
            parse(b"", "t.csv", None).expect_err("empty")[0].code(),
            "E604"
        );
        assert_eq!(
            parse(b"a,b\n", "t.csv", None).expect_err("no rows")[0].code(),
            "E604"
        );
        let error = &parse(b"alpha,b\n1,2\n", "t.csv", Some(&names(&["alhpa"])))
            .expect_err("no such column")[0];
        assert_eq!(error.code(), "E607");
        assert!(
            error
                .advice()
                .expect("advice")
                .starts_with("did you mean `alpha`?")
        );
    }

    #[test]
    fn a_missing_header_equal_names_and_too_many_columns_are_refused() {
        let code = |text: &str, columns: Option<&[Column]>| {
            parse(text.as_bytes(), "t.csv", columns).map_err(|errors| errors[0].code())
        };
        assert_eq!(code("0,0.5\n1,1.5\n", None), Err("E604"));
        assert_eq!(code("a,b,a\n1,2,3\n", None), Err("E611"));
        assert_eq!(code("a,b,a\n1,2,3\n", Some(&names(&["a"]))), Err("E611"));
        let by_position = [Column::Position(0), Column::Position(2)];
        assert!(code("a,b,a\n1,2,3\n", Some(&by_position)).is_ok());
        let wide = "a,".repeat(5000) + "b\n1\n";
        assert_eq!(code(&wide, None), Err("E610"));
        // The shape is looked at before memory is taken.
        let mut array = Vec::from(b"\x93NUMPY\x01\x00");
        let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 2), }\n";
        array.extend((header.len() as u16).to_le_bytes());
        array.extend(header.bytes());
        assert!(read_matrix(&array, "a.npy").is_err());
    }

    #[test]
    fn long_lists_of_errors_are_cut() {
        let mut text = String::from("a\n");
        text.push_str(&"x\n".repeat(20));
        let errors = parse(text.as_bytes(), "t.csv", None).expect_err("twenty bad rows");
        assert_eq!(errors.len(), REPORTED + 1);
        assert!(errors[REPORTED].to_string().contains("15 more"));
    }
}
