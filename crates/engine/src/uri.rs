//! What of a text may stand in a part of a URL as it is?

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// All but what JavaScript's `encodeURIComponent` leaves as it is.
pub const URI_COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
