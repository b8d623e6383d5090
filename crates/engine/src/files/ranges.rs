//! Which part of a file does a `Range` header ask for?

/// From where to where a part of a file goes; the end is no longer in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// The part that is asked for; `None` if the header asks for none that is known, and the whole file is answered.
///
/// Parse: there is one part at most, a reversed one begins at its smaller number, and one that lies beyond the file is empty.
pub(super) fn part(header: &str, length: u64) -> Option<Part> {
    let mut numbers = header.strip_prefix("bytes=")?.split('-').map(str::trim);
    let (from, to) = (numbers.next()?, numbers.next()?);
    if numbers.next().is_some() {
        return None;
    }
    let number = |text: &str| if text.is_empty() { Some(None) } else { text.parse::<u64>().ok().map(Some) };
    let (from, to) = (number(from)?, number(to)?);
    let Some(from) = from else {
        // The last so many bytes.
        let last = to.unwrap_or(length);
        return Some(Part { start: length.saturating_sub(last), end: length });
    };
    let to = to.unwrap_or(length);
    Some(Part { start: from.min(to).min(length), end: from.max(to).saturating_add(1).min(length) })
}

/// The header that tells which part is answered. Parse: its second number is that of the byte after the last one.
pub(super) fn told(part: Part, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_parse_server_reads_it() {
        for (header, length, expected) in [
            ("bytes=0-5", 12, Some((0, 6))),
            ("bytes=2-2", 12, Some((2, 3))),
            ("bytes=-4", 12, Some((8, 12))),
            ("bytes=10-", 12, Some((10, 12))),
            ("bytes=-", 12, Some((0, 12))),
            ("bytes=15000-18000", 1212, Some((1212, 1212))),
            ("bytes=15000-100", 1212, Some((100, 1212))),
            ("bytes=0-2000", 1212, Some((0, 1212))),
            ("bytes=-2000", 1, Some((0, 1))),
            ("bytes=0-18446744073709551615", 7, Some((0, 7))),
            ("bytes=a-b", 12, None),
            ("bytes=5", 12, None),
            ("bytes=0-1,3-4", 12, None),
            ("lines=0-5", 12, None),
            ("", 12, None),
        ] {
            let found = part(header, length).map(|part| (part.start, part.end));
            assert_eq!(found, expected, "{header} of {length}");
        }
        assert_eq!(told(Part { start: 0, end: 1 }, 1), "bytes 0-1/1");
    }
}
