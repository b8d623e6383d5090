//! How is a report written for spreadsheets? A line for each decision, in which nothing is a formula.

use std::borrow::Cow;

use parsimony_model::{Date, ParseError};

use super::figures::Report;

/// What a cell begins with that spreadsheets take for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The decisions of a report, comma-separated, as RFC 4180 says.
pub(super) fn write(report: &Report) -> Result<Vec<u8>, ParseError> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    let heads = [
        "verification",
        "identity",
        "level",
        "provider",
        "status",
        "reasons",
        "riskRating",
        "submittedAt",
        "reviewedAt",
    ];
    lines.write_record(heads).map_err(ParseError::internal)?;
    let moment = |date: Option<Date>| date.map(Date::to_iso).unwrap_or_default();
    for one in &report.decisions {
        let reasons = one.reasons.join(" ");
        let risk = one.risk_rating.clone().unwrap_or_default();
        let (submitted, reviewed) = (moment(one.submitted_at), moment(one.reviewed_at));
        let cells: [&str; 9] = [
            &one.verification,
            &one.identity,
            &one.level,
            &one.provider,
            &one.status,
            &reasons,
            &risk,
            &submitted,
            &reviewed,
        ];
        let cells = cells.map(harmless);
        lines.write_record(cells.iter().map(|cell| cell.as_bytes())).map_err(ParseError::internal)?;
    }
    lines.into_inner().map_err(|error| ParseError::internal(error.into_error()))
}

/// A cell that no spreadsheet takes for a formula: an apostrophe before it makes it text.
fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(FORMULA) { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, expected) in [
            ("=HYPERLINK(\"http://evil\")", "'=HYPERLINK(\"http://evil\")"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("APPROVED", "APPROVED"),
            ("", ""),
        ] {
            assert_eq!(harmless(cell), expected);
        }
    }
}
