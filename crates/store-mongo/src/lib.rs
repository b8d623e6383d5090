//! MongoDB in Parse's own on-disk layout.
