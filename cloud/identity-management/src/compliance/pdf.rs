//! How is a report written for print? Pages of lines, in a font that every reader has.

use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

use super::figures::Report;

/// How many lines a page has.
const PAGE_LINES: usize = 48;

/// The size of a page, A4, in points.
const PAGE_SIZE: (f32, f32) = (595.0, 842.0);

/// Where the first line begins, from the lower left corner.
const FIRST_LINE: (f32, f32) = (56.0, 780.0);

/// From one line to the next.
const LEADING: f32 = 15.0;

/// The font, and its size.
const FONT: Name<'_> = Name(b"F1");
const FONT_SIZE: f32 = 10.0;

/// How many objects of the document come before the pages.
const BEFORE_PAGES: i32 = 4;

/// The figures of a report, as a document of the portable format. Its decisions are in the other files.
pub(super) fn write(report: &Report) -> Vec<u8> {
    let lines = lines(report);
    let pages: Vec<&[String]> = lines.chunks(PAGE_LINES).collect();
    let (catalog, tree, font, info) = (Ref::new(1), Ref::new(2), Ref::new(3), Ref::new(BEFORE_PAGES));
    let numbered = || (0..).zip(&pages);
    let page_ref = |place: i32| Ref::new(BEFORE_PAGES + 1 + 2 * place);
    let content_ref = |place: i32| Ref::new(BEFORE_PAGES + 2 + 2 * place);

    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
    pdf.pages(tree).kids(numbered().map(|(place, _)| page_ref(place))).count(count);
    pdf.type1_font(font).base_font(Name(b"Helvetica")).encoding_predefined(Name(b"WinAnsiEncoding"));
    pdf.document_info(info).title(TextStr("Compliance report"));
    for (place, lines) in numbered() {
        let mut page = pdf.page(page_ref(place));
        page.media_box(Rect::new(0.0, 0.0, PAGE_SIZE.0, PAGE_SIZE.1)).parent(tree).contents(content_ref(place));
        page.resources().fonts().pair(FONT, font);
        page.finish();
        pdf.stream(content_ref(place), &text(lines));
    }
    pdf.finish()
}

fn text(lines: &[String]) -> Vec<u8> {
    let mut content = Content::new();
    content.begin_text();
    content.set_font(FONT, FONT_SIZE);
    content.set_leading(LEADING);
    content.next_line(FIRST_LINE.0, FIRST_LINE.1);
    for line in lines {
        content.show(Str(printable(line).as_bytes()));
        content.next_line_using_leading();
    }
    content.end_text();
    content.finish().to_vec()
}

/// What the font has: everything else is a question mark. Reports are made of words of ours, all of which it has.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

fn lines(report: &Report) -> Vec<String> {
    let trail = &report.audit_trail;
    let holds = if trail.intact { "holds" } else { "IS BROKEN" };
    let mut lines = vec![
        "Compliance report: identity management".to_owned(),
        format!("From {} to {}", report.from, report.to),
        format!("Made {}", report.generated_at),
        String::new(),
    ];
    lines.extend(report.counts.iter().map(|counted| format!("{}, {}: {}", counted.of, counted.kind, counted.count)));
    lines.push(String::new());
    let hours = report.hours_to_decide.map_or_else(|| "-".to_owned(), |hours| hours.to_string());
    lines.push(format!("Decisions in this time: {}, in the middle after {hours} hours", report.decisions.len()));
    lines.push(format!("The audit trail {holds}, up to entry {}", trail.entries));
    lines.extend(trail.head_hash.as_ref().map(|hash| format!("Its last hash: {hash}")));
    lines
}
