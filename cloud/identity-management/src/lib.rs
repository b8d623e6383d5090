//! Identity management: identities, their verification, and who may see them.
