//! Which two letters are a country, and what is its number? ISO 3166-1.

use isocountry::CountryCode;

/// Whether it is an assigned code of two capitals.
pub(crate) fn is_country(code: &str) -> bool {
    number(code).is_some()
}

/// The number of a country by its two capitals, as contracts know it: 276 for DE.
pub fn number(code: &str) -> Option<u16> {
    let number = CountryCode::for_alpha2(code).ok()?.numeric_id();
    u16::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_assigned_is_a_country() {
        let expected = [
            ("DE", Some(276)),
            ("GB", Some(826)),
            ("SS", Some(728)),
            ("UK", None),
            ("XX", None),
            ("de", None),
            ("", None),
        ];
        for (code, number) in expected {
            assert_eq!((super::number(code), is_country(code)), (number, number.is_some()), "{code}");
        }
        let letters = b'A'..=b'Z';
        let codes =
            letters.clone().flat_map(|one| letters.clone().map(move |two| String::from_utf8(vec![one, two]).unwrap()));
        assert_eq!(codes.filter(|code| is_country(code)).count(), 249);
    }
}
