//! How are files encrypted with `fileKey`? In Parse Server's own format, piece by piece: AES-256-GCM, the bytes followed by a
//! nonce of 16 bytes and a tag of 16.
//!
//! The tag can be known only when the last byte is, so the format has it at the end; before the first byte of a file is
//! answered, the whole of it is read once to see that the tag is right. Files do not change, so that is remembered.

use std::sync::Arc;

use aes::Aes256;
use aes::cipher::{
    Array, BlockCipherEncrypt as _, KeyInit as _, KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use ctr::Ctr32BE;
use futures::stream::{self, StreamExt as _};
use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;
use moka::sync::Cache;
use parsimony_model::{Clock, Date};
use parsimony_store::{Answer, Content, FileStore, NewFile, StoreError, StoredFile};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A block of the cipher, and how long the nonce and the tag are.
const BLOCK: usize = 16;

/// What follows the bytes: the nonce and the tag.
const TAIL: u64 = 32;

/// How many files are remembered whose tag was right.
const CHECKED_MAX: u64 = 10_000;

type Block = [u8; BLOCK];

/// A place for files that are encrypted in it.
pub struct Sealed {
    inner: Arc<dyn FileStore>,
    clock: Arc<dyn Clock>,
    key: [u8; 32],
    /// The files whose tag was right, and their nonces.
    checked: Cache<String, Block>,
}

impl Sealed {
    /// Encrypts what is put into this place. Parse: the key is the beginning of a text, the Base64 of a digest.
    pub fn new(inner: Arc<dyn FileStore>, clock: Arc<dyn Clock>, key: &str) -> Self {
        let text = BASE64.encode(Sha256::digest(key));
        let mut bytes = [0; 32];
        for (byte, letter) in bytes.iter_mut().zip(text.bytes()) {
            *byte = letter;
        }
        Self { inner, clock, key: bytes, checked: Cache::new(CHECKED_MAX) }
    }

    /// Reads so many bytes from here on.
    async fn exactly(&self, file: &StoredFile, from: u64, bytes: usize) -> Result<Bytes, StoreError> {
        let mut whole = BytesMut::new();
        while whole.len() < bytes {
            let piece = self.inner.read(file, from + whole.len() as u64).await?;
            if piece.is_empty() {
                return Err(StoreError::Corrupt(format!("the file {} ends too soon", file.name)));
            }
            whole.extend_from_slice(&piece);
        }
        whole.truncate(bytes);
        Ok(whole.freeze())
    }

    /// The nonce of a file whose tag is right.
    async fn check(&self, file: &StoredFile, length: u64) -> Result<Block, StoreError> {
        if let Some(nonce) = self.checked.get(&file.key) {
            return Ok(nonce);
        }
        let tail = self.exactly(file, length, BLOCK * 2).await?;
        let (nonce, tag) = tail.split_at(BLOCK);
        let nonce: Block = nonce.try_into().unwrap_or_default();
        let mut gcm = Gcm::new(&self.key, &nonce);
        let mut from = 0;
        while from < length {
            let mut piece = self.inner.read(file, from).await?;
            piece.truncate(usize::try_from(length - from).unwrap_or(usize::MAX));
            if piece.is_empty() {
                return Err(StoreError::Corrupt(format!("the file {} ends too soon", file.name)));
            }
            gcm.hash(&piece);
            from += piece.len() as u64;
        }
        if !bool::from(gcm.tag().ct_eq(tag)) {
            return Err(StoreError::Corrupt(format!("the file {} is not encrypted with this key", file.name)));
        }
        self.checked.insert(file.key.clone(), nonce);
        Ok(nonce)
    }
}

/// AES-256-GCM, a piece at a time, with a nonce of 16 bytes.
struct Gcm {
    stream: Ctr32BE<Aes256>,
    hash: GHash,
    /// What the sum is covered with to be the tag.
    cover: Block,
    /// What does not fill a block yet.
    rest: Vec<u8>,
    bytes: u64,
}

impl Gcm {
    fn new(key: &[u8; 32], nonce: &Block) -> Self {
        let aes = Aes256::new(&Array::from(*key));
        let mut subkey = Array::from([0; BLOCK]);
        aes.encrypt_block(&mut subkey);
        // A nonce that has not 12 bytes becomes the first counter by its hash.
        let mut start = GHash::new(&subkey);
        start.update(&[Array::from(*nonce), lengths(0, BLOCK as u64)]);
        let first: Block = start.finalize().into();
        let mut cover = Array::from(first);
        aes.encrypt_block(&mut cover);
        let mut next = first;
        let counter = u32::from_be_bytes([next[12], next[13], next[14], next[15]]).wrapping_add(1);
        next[12..].copy_from_slice(&counter.to_be_bytes());
        let stream = Ctr32BE::<Aes256>::new(&Array::from(*key), &Array::from(next));
        Self { stream, hash: GHash::new(&subkey), cover: cover.into(), rest: Vec::new(), bytes: 0 }
    }

    /// Encrypts bytes.
    fn seal(&mut self, piece: &mut [u8]) -> Result<(), StoreError> {
        self.stream.try_apply_keystream(piece).map_err(|_end| StoreError::unavailable("the file is too long"))?;
        self.hash(piece);
        Ok(())
    }

    /// Takes encrypted bytes into the sum.
    fn hash(&mut self, piece: &[u8]) {
        self.bytes = self.bytes.wrapping_add(piece.len() as u64);
        let mut piece = piece;
        if !self.rest.is_empty() {
            let (start, after) = piece.split_at(piece.len().min(BLOCK - self.rest.len()));
            self.rest.extend_from_slice(start);
            piece = after;
            if self.rest.len() < BLOCK {
                return;
            }
            self.hash.update_padded(&self.rest);
            self.rest.clear();
        }
        let (whole, rest) = piece.split_at(piece.len() - piece.len() % BLOCK);
        self.hash.update_padded(whole);
        self.rest.extend_from_slice(rest);
    }

    fn tag(mut self) -> Block {
        self.hash.update_padded(&self.rest);
        self.hash.update(&[lengths(0, self.bytes)]);
        let mut tag: Block = self.hash.finalize().into();
        for (byte, cover) in tag.iter_mut().zip(self.cover) {
            *byte ^= cover;
        }
        tag
    }
}

/// The last block of a sum: how many bits there were, of what is not encrypted and of what is.
fn lengths(plain: u64, sealed: u64) -> Array<u8, ghash::universal_hash::consts::U16> {
    let mut block = [0; BLOCK];
    for (byte, bits) in block.iter_mut().zip((plain * 8).to_be_bytes().into_iter().chain((sealed * 8).to_be_bytes())) {
        *byte = bits;
    }
    Array::from(block)
}

/// The content encrypted, and then the nonce and the tag.
fn seal(key: &[u8; 32], nonce: Block, content: Content) -> Content {
    let gcm = Some(Gcm::new(key, &nonce));
    stream::unfold((content, gcm, nonce), |(mut content, gcm, nonce)| async move {
        let mut gcm = gcm?;
        match content.next().await {
            Some(Ok(piece)) => {
                let mut piece = BytesMut::from(piece);
                let sealed = gcm.seal(&mut piece).map(|()| piece.freeze());
                Some((sealed, (content, Some(gcm), nonce)))
            }
            Some(Err(error)) => Some((Err(error), (content, None, nonce))),
            None => {
                let tail = [nonce, gcm.tag()].concat();
                Some((Ok(Bytes::from(tail)), (content, None, nonce)))
            }
        }
    })
    .boxed()
}

impl FileStore for Sealed {
    fn describe_files(&self) -> String {
        format!("{}, encrypted", self.inner.describe_files())
    }

    fn put<'a>(&'a self, file: &'a NewFile, content: Content) -> Answer<'a, ()> {
        let mut nonce = [0; BLOCK];
        self.clock.fill(&mut nonce);
        self.inner.put(file, seal(&self.key, nonce, content))
    }

    /// Parse: a file that is not encrypted with this key is not there.
    fn find_file<'a>(&'a self, name: &'a str) -> Answer<'a, Option<StoredFile>> {
        Box::pin(async move {
            let Some(mut file) = self.inner.find_file(name).await? else { return Ok(None) };
            let Some(length) = file.length.checked_sub(TAIL) else { return Ok(None) };
            match self.check(&file, length).await {
                Ok(_) => {
                    file.length = length;
                    Ok(Some(file))
                }
                Err(StoreError::Corrupt(cause)) => {
                    tracing::warn!(cause, "a file cannot be read with fileKey");
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        })
    }

    fn read<'a>(&'a self, file: &'a StoredFile, from: u64) -> Answer<'a, Bytes> {
        Box::pin(async move {
            if from >= file.length {
                return Ok(Bytes::new());
            }
            let whole = StoredFile { length: file.length + TAIL, ..file.clone() };
            let nonce = self.check(&whole, file.length).await?;
            let mut piece = BytesMut::from(self.inner.read(&whole, from).await?);
            piece.truncate(usize::try_from(file.length - from).unwrap_or(usize::MAX));
            let mut gcm = Gcm::new(&self.key, &nonce);
            let far = |_end| StoreError::Corrupt("the file is too long".to_owned());
            gcm.stream.try_seek(from).map_err(far)?;
            gcm.stream.try_apply_keystream(&mut piece).map_err(far)?;
            Ok(piece.freeze())
        })
    }

    fn delete_file<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        self.inner.delete_file(name)
    }

    fn names<'a>(&'a self, after: Option<&'a str>) -> Answer<'a, Vec<String>> {
        self.inner.names(after)
    }

    fn sweep(&self, since: Date) -> Answer<'_, u64> {
        self.inner.sweep(since)
    }
}
