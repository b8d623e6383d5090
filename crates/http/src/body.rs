//! How is a body read: within a bound, which holds for what it unpacks to as well.

use std::io::Read;
use std::time::Duration;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use actix_web::rt::time::timeout;
use actix_web::web;
use flate2::read::{GzDecoder, ZlibDecoder};
use futures::StreamExt;
use parsimony_model::{ErrorCode, ParseError};

/// Most bytes that are reserved because a client announced them; more only as they come.
const RESERVED_BYTES_MAX: usize = 64 * 1024;

/// How long a client may pause within a body.
const PAUSE_SECONDS_MAX: u64 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Deflate,
}

/// Reads the whole body, or refuses as soon as it is known to be too large.
pub(crate) async fn read(
    mut payload: web::Payload,
    headers: &HeaderMap,
    bytes_max: usize,
) -> Result<web::Bytes, ParseError> {
    let packing = packing(headers)?;
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let Some(mut whole) = next(&mut payload).await? else { return Ok(web::Bytes::new()) };
    if whole.len() > bytes_max {
        return Err(too_large(bytes_max));
    }
    // A small body comes in one piece and is not copied.
    if announced != Some(whole.len()) {
        let mut collected = web::BytesMut::with_capacity(announced.unwrap_or(0).min(RESERVED_BYTES_MAX));
        collected.extend_from_slice(&whole);
        while let Some(piece) = next(&mut payload).await? {
            if collected.len() + piece.len() > bytes_max {
                return Err(too_large(bytes_max));
            }
            collected.extend_from_slice(&piece);
        }
        whole = collected.freeze();
    }
    match packing {
        None => Ok(whole),
        // Unpacking many megabytes would hold up this worker's other requests.
        Some(packing) => web::block(move || unpack(packing, &whole, bytes_max))
            .await
            .map_err(ParseError::internal)?
            .map(web::Bytes::from),
    }
}

/// The next piece; a client that does not send it is not waited for.
pub(crate) async fn next(payload: &mut web::Payload) -> Result<Option<web::Bytes>, ParseError> {
    match timeout(Duration::from_secs(PAUSE_SECONDS_MAX), payload.next()).await {
        Ok(piece) => piece.transpose().map_err(unreadable),
        Err(elapsed) => Err(unreadable(elapsed)),
    }
}

/// Whether it has to be unpacked.
pub(crate) fn is_packed(headers: &HeaderMap) -> bool {
    !matches!(packing(headers), Ok(None))
}

fn packing(headers: &HeaderMap) -> Result<Option<Packing>, ParseError> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(None) };
    match value.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Packing::Gzip)),
        "deflate" => Ok(Some(Packing::Deflate)),
        other => Err(ParseError::new(
            ErrorCode::InvalidJson,
            format!(
                "The content encoding {} is not taken; gzip and deflate are.",
                parsimony_model::names::shorten(other)
            ),
        )),
    }
}

fn unpack(packing: Packing, packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, ParseError> {
    let mut unpacked = Vec::new();
    let bound = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let read = match packing {
        Packing::Gzip => GzDecoder::new(packed).take(bound).read_to_end(&mut unpacked),
        Packing::Deflate => ZlibDecoder::new(packed).take(bound).read_to_end(&mut unpacked),
    };
    match read {
        Ok(_) if unpacked.len() > bytes_max => Err(too_large(bytes_max)),
        Ok(_) => Ok(unpacked),
        Err(error) => Err(unreadable(error)),
    }
}

fn too_large(bytes_max: usize) -> ParseError {
    ParseError::new(ErrorCode::ObjectTooLarge, format!("The request body is larger than {bytes_max} bytes."))
}

fn unreadable(cause: impl std::fmt::Display) -> ParseError {
    ParseError {
        detail: Some(cause.to_string()),
        ..ParseError::new(ErrorCode::InvalidJson, "The request body could not be read.")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use actix_web::http::header::HeaderValue;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn the_bound_holds_for_what_a_body_unpacks_to() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b' '; 1_000_000]).unwrap();
        let packed = encoder.finish().unwrap();
        assert!(packed.len() < 2_000);
        assert_eq!(unpack(Packing::Gzip, &packed, 999_999).unwrap_err().code, ErrorCode::ObjectTooLarge);
        assert_eq!(unpack(Packing::Gzip, &packed, 1_000_000).unwrap().len(), 1_000_000);
        assert_eq!(unpack(Packing::Gzip, b"nonsense", 10).unwrap_err().code, ErrorCode::InvalidJson);
        assert_eq!(unpack(Packing::Deflate, b"nonsense", 10).unwrap_err().code, ErrorCode::InvalidJson);
    }

    #[test]
    fn only_encodings_with_a_bound_are_taken() {
        let with = |encoding| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
            packing(&headers)
        };
        assert_eq!(with("GZIP").unwrap(), Some(Packing::Gzip));
        assert_eq!(with("identity").unwrap(), None);
        assert_eq!(with("br").unwrap_err().code, ErrorCode::InvalidJson);
    }
}
