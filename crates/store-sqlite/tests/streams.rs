//! Reads that hand their rows over in pieces: what if nobody takes them, too many ask, or the store is closed?

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures::TryStreamExt;
    use parsimony_model::schema::Field;
    use parsimony_model::{ClassName, ClassSchema, FieldName, FieldType, Filter, Object, ObjectId, map};
    use parsimony_store::{Bulk, Objects, Pieces, Scope, Selection, Store, StoreError};
    use parsimony_store_sqlite::{Limits, SqliteStore};
    use tempfile::TempDir;

    const ROWS: usize = 3_000;

    /// A store with many rows, and what asks for all of them.
    async fn filled(limits: Limits) -> (SqliteStore, Selection, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open_within(folder.path().join("f.db"), limits).unwrap();
        let mut class = ClassSchema::new(ClassName::parse("Row").unwrap());
        class.fields.insert(FieldName::parse("n").unwrap(), Field::plain(FieldType::Number));
        store.create_class(&class).await.unwrap();
        let class = Arc::new(class);
        let row = |n: usize| Object {
            class: class.name.clone(),
            id: ObjectId::parse(&format!("r{n}")).unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields: map! { "n" => n as f64 },
        };
        let rows: Vec<Object> = (0..ROWS).map(row).collect();
        store.insert_all(&class, &rows).await.unwrap();
        (store, Selection::new(class, Filter::everything(), Scope::Everything), folder)
    }

    async fn count(pieces: Pieces<Object>) -> Result<usize, StoreError> {
        pieces.try_fold(0, |count, piece| async move { Ok(count + piece.len()) }).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn rows_that_nobody_takes_in_time_are_cut_off_and_never_taken_for_all() {
        for limits in [
            Limits { stream_idle_millis_max: 50, ..Limits::default() },
            Limits { stream_millis_max: 50, ..Limits::default() },
        ] {
            let (store, all, _folder) = filled(limits).await;
            assert_eq!(count(store.pieces(&all).await.unwrap()).await.unwrap(), ROWS);
            let mut pieces = store.pieces(&all).await.unwrap();
            assert!(pieces.try_next().await.unwrap().is_some());
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert!(matches!(count(pieces).await, Err(StoreError::Timeout)));
            // The thread is free again.
            assert_eq!(count(store.pieces(&all).await.unwrap()).await.unwrap(), ROWS);
            store.close().await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn more_than_there_are_threads_for_are_found_as_ever() {
        let few = Limits { streams_max: 2, stream_wait_millis_max: 10, ..Limits::default() };
        let (store, all, _folder) = filled(few).await;
        let mut begun = Vec::new();
        for _ in 0..5 {
            begun.push(store.pieces(&all).await.unwrap());
        }
        for pieces in begun.drain(2..) {
            let pieces: Vec<Vec<Object>> = pieces.try_collect().await.unwrap();
            assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [ROWS]);
        }
        for pieces in begun {
            let pieces: Vec<Vec<Object>> = pieces.try_collect().await.unwrap();
            assert!(pieces.len() > 10, "{}", pieces.len());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn more_than_there_are_threads_for_wait_for_those_that_end() {
        let few = Limits { streams_max: 2, stream_wait_millis_max: 60_000, ..Limits::default() };
        let (store, all, _folder) = filled(few).await;
        let read = || async {
            let pieces: Vec<Vec<Object>> = store.pieces(&all).await.unwrap().try_collect().await.unwrap();
            assert!(pieces.len() > 10, "{}", pieces.len());
            assert_eq!(pieces.iter().map(Vec::len).sum::<usize>(), ROWS);
        };
        futures::future::join_all((0..20).map(|_| read())).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_store_that_is_closed_waits_for_nobody_who_is_slow() {
        let (store, all, _folder) = filled(Limits::default()).await;
        let mut slow = store.pieces(&all).await.unwrap();
        assert!(slow.try_next().await.unwrap().is_some());
        tokio::time::timeout(Duration::from_secs(5), store.close()).await.unwrap().unwrap();
        assert!(count(slow).await.is_err());
        assert!(store.pieces(&all).await.is_err());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_slow_reader_sees_the_rows_of_one_moment_and_stops_no_writer() {
        let (store, all, _folder) = filled(Limits::default()).await;
        let mut slow = store.pieces(&all).await.unwrap();
        let first = slow.try_next().await.unwrap().unwrap().len();
        assert_eq!(store.delete(&all).await.unwrap(), ROWS as u64);
        assert_eq!(store.count(&all).await.unwrap(), 0);
        assert_eq!(first + count(slow).await.unwrap(), ROWS);
    }
}
