//! Does a folder do what every place for files must?

#[cfg(test)]
mod tests {
    use parsimony_connectors::files::FilesOutside;
    use parsimony_store::FileStore;
    use parsimony_store::conformance::files::{Keeps, check};

    #[tokio::test]
    async fn a_folder_keeps_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/files");
        let files = FilesOutside::in_folder(&path).unwrap();
        check(&files, Keeps::Content).await;
        let left: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().contains('#')), "nothing half done is left: {left:?}");
    }

    #[tokio::test]
    async fn nothing_outside_of_the_folder_is_reached() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        let files = FilesOutside::in_folder(folder.path().join("files")).unwrap();
        for name in ["../secret", "a/../../secret", "/../secret", "..", ".", "a\0b"] {
            assert_eq!(files.find_file(name).await.unwrap_or_default(), None, "{name:?}");
            assert!(!files.delete_file(name).await.unwrap_or_default(), "{name:?}");
        }
        assert!(folder.path().join("secret").exists());
    }
}
