//! How is a list of bits written: Bitstring Status List 1.0, packed by GZIP, in base64url without padding, behind a `u`.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use parsimony_model::ParseError;

/// How many bits a list has: the least that the standard allows, so that one credential cannot be told from others.
pub(crate) const BITS: usize = 131_072;

const BYTES: usize = BITS / 8;

/// The letter that says base64url without padding.
const MULTIBASE: char = 'u';

/// The bits of a list, the first one leftmost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u8>);

impl Default for Bits {
    fn default() -> Self {
        Self(vec![0; BYTES])
    }
}

impl Bits {
    /// Reads what [`Self::encoded`] wrote.
    pub(crate) fn decode(text: &str) -> Result<Self, ParseError> {
        let unreadable = |why: &str| ParseError::internal(format!("a status list cannot be read: {why}"));
        let packed = text.strip_prefix(MULTIBASE).ok_or_else(|| unreadable("another multibase"))?;
        let packed = BASE64URL.decode(packed).map_err(|error| unreadable(&error.to_string()))?;
        let mut bytes = Vec::with_capacity(BYTES);
        let bound = BYTES as u64 + 1;
        GzDecoder::new(packed.as_slice())
            .take(bound)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(&error.to_string()))?;
        if bytes.len() == BYTES { Ok(Self(bytes)) } else { Err(unreadable("another length")) }
    }

    /// The bits as the list's credential has them.
    pub(crate) fn encoded(&self) -> Result<String, ParseError> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&self.0).map_err(ParseError::internal)?;
        let packed = gzip.finish().map_err(ParseError::internal)?;
        Ok(format!("{MULTIBASE}{}", BASE64URL.encode(packed)))
    }

    /// Sets a bit; tells whether it was not set before. There is none beyond the end.
    pub(crate) fn set(&mut self, index: usize) -> Result<bool, ParseError> {
        let byte = self.0.get_mut(index / 8).ok_or_else(|| ParseError::internal("an entry beyond its status list"))?;
        let bit = 0x80 >> (index % 8);
        let was_clear = *byte & bit == 0;
        *byte |= bit;
        Ok(was_clear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bit_is_leftmost_and_lists_go_round() {
        let mut bits = Bits::default();
        for (index, new) in [(0, true), (7, true), (8, true), (0, false), (BITS - 1, true)] {
            assert_eq!(bits.set(index).unwrap(), new, "{index}");
        }
        assert_eq!((bits.0[0], bits.0[1], bits.0[BYTES - 1]), (0x81, 0x80, 1));
        let text = bits.encoded().unwrap();
        assert!(text.starts_with("uH4sI"), "{text}");
        assert_eq!(Bits::decode(&text).unwrap(), bits);
        assert!(bits.set(BITS).is_err());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&vec![0; 4 * BYTES]).unwrap();
        let bomb = format!("u{}", BASE64URL.encode(gzip.finish().unwrap()));
        for text in ["", "u", "z123", "u!!!", "uAAAA", bomb.as_str()] {
            assert!(Bits::decode(text).is_err(), "{text:.20}");
        }
    }
}
