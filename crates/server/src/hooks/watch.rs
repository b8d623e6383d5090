//! How does a server notice that somebody has saved a hook script?

use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use parsimony_cloud::Script;
use parsimony_engine::Engine;
use tokio::sync::mpsc;

use super::folder;

/// How long after the first sign of a change the folder is read: a file may be written in several steps.
const SETTLING: Duration = Duration::from_millis(50);

/// How often the folder is read without a sign: not every file system gives one.
const LOOKING: Duration = Duration::from_secs(5);

/// Looks at a folder for as long as the future is polled, and makes an engine obey what is in it.
pub(crate) async fn watch(engine: Weak<Engine>, folder: PathBuf, mut known: Vec<Script>) {
    let (tell, mut told) = mpsc::channel(1);
    // Kept for as long as it shall tell.
    let _watcher = folder.is_dir().then(|| {
        let unwatched = "changes of hook scripts are noticed by looking for them";
        watcher(&folder, tell).inspect_err(|error| tracing::warn!(%error, folder = %folder.display(), unwatched))
    });
    let mut unreadable = false;
    // The first look is for what was saved after the start had read the folder, and before it was watched.
    loop {
        let Some(engine) = engine.upgrade() else { return };
        let path = folder.clone();
        let Ok(files) = tokio::task::spawn_blocking(move || folder::read(&path)).await else { return };
        // What is wrong is logged there, and shown by the API.
        match files {
            Ok(files) if files == known && !unreadable => {}
            Ok(files) => {
                known.clone_from(&files);
                unreadable = false;
                drop(engine.put_script_files(Ok(files)).await);
            }
            Err(_) if unreadable => {}
            Err(sentence) => {
                unreadable = true;
                drop(engine.put_script_files(Err(sentence)).await);
            }
        }
        // Whoever waits for a sign does not keep the engine.
        drop(engine);
        sign(&mut told).await;
    }
}

/// Waits for a sign of a change, but no longer than until it is time to look.
async fn sign(told: &mut mpsc::Receiver<()>) {
    match tokio::time::timeout(LOOKING, told.recv()).await {
        Ok(Some(())) => {
            tokio::time::sleep(SETTLING).await;
            while told.try_recv().is_ok() {}
        }
        // Nobody tells: the folder is not there, or cannot be watched.
        Ok(None) => tokio::time::sleep(LOOKING).await,
        Err(_elapsed) => {}
    }
}

fn watcher(folder: &Path, tell: mpsc::Sender<()>) -> notify::Result<impl Watcher + use<>> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // One sign is as good as many.
            tell.try_send(()).ok();
        }
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_not_looked_at_without_a_pause() {
        let (tell, mut told) = mpsc::channel(1);
        drop(tell);
        assert!(tokio::time::timeout(Duration::from_millis(100), sign(&mut told)).await.is_err());
        let (tell, mut told) = mpsc::channel(1);
        tell.send(()).await.unwrap();
        assert!(tokio::time::timeout(LOOKING, sign(&mut told)).await.is_ok());
    }
}
