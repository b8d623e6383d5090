//! Does the embedded store do what every store must?

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parsimony_store::Store;
    use parsimony_store::conformance::{self, Fresh, Later};
    use parsimony_store_sqlite::{Limits, SqliteStore};
    use tempfile::TempDir;

    /// Stores in one folder, each in a file of its own.
    struct Files {
        folder: TempDir,
        count: std::sync::atomic::AtomicUsize,
    }

    impl Fresh for Files {
        fn store(&self) -> Later<'_, Arc<dyn Store>> {
            let number = self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let path = self.folder.path().join(format!("{number}.db"));
            // What is over goes soon, so that a behaviour need not wait for a minute.
            let limits = Limits { sweep_millis: 50, ..Limits::default() };
            Box::pin(async move { Arc::new(SqliteStore::open_within(path, limits).unwrap()) as Arc<dyn Store> })
        }

        fn has_transactions(&self) -> bool {
            true
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_behaviour() {
        let files = Files { folder: tempfile::tempdir().unwrap(), count: std::sync::atomic::AtomicUsize::new(0) };
        conformance::all(&files).await;
    }
}
