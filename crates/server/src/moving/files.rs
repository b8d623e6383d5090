//! How do files get from one database into another? One after the other, piece by piece.

use futures::channel::mpsc;
use futures::{SinkExt as _, StreamExt as _, future};
use parsimony_model::{Clock, Map};
use parsimony_store::{NewFile, Store, StoreError, StoredFile};

/// How many pieces wait to be written.
const WAITING_PIECES_MAX: usize = 2;

/// Copies the newest file of each name; gives how many, and tells of each.
pub(super) async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    clock: &dyn Clock,
    mut tell: impl FnMut(u64) + Send,
) -> Result<u64, String> {
    let (mut count, mut last) = (0, None::<String>);
    loop {
        let names = from.files().names(last.as_deref()).await;
        let names = names.map_err(|error| format!("The files of {} cannot be read: {error}.", from.describe()))?;
        if names.is_empty() {
            return Ok(count);
        }
        for name in &names {
            let told = |error: StoreError| format!("The file {name} cannot be copied: {error}.");
            let Some(file) = from.files().find_file(name).await.map_err(told)? else { continue };
            one(from, to, clock, &file).await.map_err(told)?;
            count += 1;
            tell(count);
        }
        last = names.last().cloned();
    }
}

async fn one(from: &dyn Store, to: &dyn Store, clock: &dyn Clock, file: &StoredFile) -> Result<(), StoreError> {
    // A move that begins again finds what it had copied.
    to.files().delete_file(&file.name).await?;
    let new = NewFile {
        name: file.name.clone(),
        content_type: None,
        metadata: file.metadata.clone().unwrap_or_default(),
        tags: Map::default(),
        stored_at: clock.now(),
    };
    let (mut sender, receiver) = mpsc::channel(WAITING_PIECES_MAX);
    let read = async move {
        let mut at = 0;
        while at < file.length {
            let piece = from.files().read(file, at).await;
            at += piece.as_ref().map_or(file.length, |piece| piece.len() as u64);
            // Whoever writes may have failed; that is told there.
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    };
    let (written, ()) = future::join(to.files().put(&new, receiver.boxed()), read).await;
    written?;
    let length = to.files().find_file(&file.name).await?.map_or(0, |file| file.length);
    if length == file.length {
        return Ok(());
    }
    Err(StoreError::unavailable(format!("{length} of {} bytes have come", file.length)))
}
