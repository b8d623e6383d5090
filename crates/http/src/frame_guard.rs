//! Is what comes through a WebSocket made of frames? Looked at before the codec, which waits for the rest of a frame that
//! cannot be one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures::{Stream, StreamExt};

/// How long a ping, a pong or a close may be (RFC 6455, 5.5).
const CONTROL_BYTES_MAX: u8 = 125;

/// The bits of the first byte that say what a frame is, and of these the one that says that it controls.
const OPCODE: u8 = 0x0f;
const CONTROL: u8 = 0x08;

/// The bit of the second byte that says that a frame is masked, as those of clients are.
const MASKED: u8 = 0x80;

/// The bytes of a socket, until they are no frames any more.
pub(crate) struct Guarded {
    bytes: Payload,
    place: Place,
}

/// Where in a frame the next byte is.
#[derive(Clone, Copy)]
enum Place {
    Start,
    /// After its first byte.
    Second(u8),
    /// In its length, of which so many bytes are to come.
    Length {
        left: u8,
        sum: u64,
    },
    /// In its mask or its payload, of which so many bytes are to come.
    Rest(u64),
}

/// Bytes that are no frame.
#[derive(Debug)]
pub(crate) struct Broken;

impl Place {
    /// Goes on over some bytes.
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        while let Some((byte, after)) = bytes.split_first() {
            bytes = after;
            *self = match *self {
                Self::Start => Self::Second(*byte),
                Self::Second(first) => {
                    let length = byte & !MASKED;
                    if first & OPCODE & CONTROL != 0 && length > CONTROL_BYTES_MAX || byte & MASKED == 0 {
                        return Err(Broken);
                    }
                    match length {
                        126 => Self::Length { left: 2, sum: 0 },
                        127 => Self::Length { left: 8, sum: 0 },
                        length => Self::rest(u64::from(length)),
                    }
                }
                Self::Length { left, sum } => {
                    let sum = sum << 8 | u64::from(*byte);
                    if left > 1 { Self::Length { left: left - 1, sum } } else { Self::rest(sum) }
                }
                Self::Rest(left) => {
                    // The rest of it may have come as a whole.
                    let more = usize::try_from(left - 1).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = bytes.get(more..).unwrap_or_default();
                    match left - 1 - more as u64 {
                        0 => Self::Start,
                        left => Self::Rest(left),
                    }
                }
            };
        }
        Ok(())
    }

    /// After the length: four bytes of a mask, and the payload.
    fn rest(length: u64) -> Self {
        Self::Rest(length.saturating_add(4))
    }
}

/// The bytes of a socket, which end with an error where they are no frames.
pub(crate) fn guarded(bytes: Payload) -> Payload {
    Payload::Stream { payload: Box::pin(Guarded { bytes, place: Place::Start }) }
}

impl Stream for Guarded {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.bytes.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(bytes))) = &polled
            && self.place.pass(bytes).is_err()
        {
            let broken = io::Error::new(io::ErrorKind::InvalidData, "no WebSocket frame");
            return Poll::Ready(Some(Err(PayloadError::Io(broken))));
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked frame with this first byte and so many bytes.
    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..=125 => frame.push(MASKED | u8::try_from(length).unwrap()),
            126..=0xffff => {
                frame.push(MASKED + 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(MASKED + 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(vec![0; 4 + length]);
        frame
    }

    #[test]
    fn frames_pass_however_they_are_cut() {
        let sizes = [0, 1, 125, 126, 65_535, 65_536];
        let mut bytes: Vec<u8> = sizes.into_iter().flat_map(|size| frame(0x81, size)).collect();
        bytes.extend(frame(0x8a, 125));
        for step in [1, 2, 3, 7, 1_000, bytes.len()] {
            let mut place = Place::Start;
            for piece in bytes.chunks(step) {
                place.pass(piece).unwrap();
            }
            assert!(matches!(place, Place::Start), "{step}");
        }
    }

    #[test]
    fn what_is_no_frame_is_noticed_at_once() {
        for bytes in [[0x89, 0xfe], [0x88, 0xff], [0x81, 0x05]] {
            assert!(Place::Start.pass(&bytes).is_err(), "{bytes:?}");
        }
    }
}
