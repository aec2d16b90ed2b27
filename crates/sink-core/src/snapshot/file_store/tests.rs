use tempfile::TempDir;

use super::*;
use crate::{Appender, Bytes, destination::Entry, snapshot::Snapshot, snapshot::SnapshotEntry};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Number(u8);

impl Entry for Number {
    fn size_bytes(&self) -> usize {
        1
    }
}

impl SnapshotEntry for Number {
    fn encode(&self, bytes: &mut Appender<'_>) {
        bytes.push(self.0);
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        bytes.first().map(|byte| Self(*byte)).ok_or_else(|| "empty".to_owned())
    }
}

fn snapshot(number: u8) -> Vec<u8> {
    Snapshot::new("log", vec![Number(number)]).to_bytes()
}

async fn saved(store: &FileSnapshotStore, numbers: impl IntoIterator<Item = u8>) {
    for number in numbers {
        store.save(snapshot(number)).await.unwrap();
    }
}

fn files(folder: &TempDir) -> Vec<String> {
    let mut names = names(folder.path()).unwrap();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn the_newest_snapshot_is_what_is_loaded() {
    let folder = TempDir::new().unwrap();
    let store = FileSnapshotStore::open(folder.path()).unwrap();
    assert_eq!(store.load_latest().await.unwrap(), None);
    saved(&store, [1, 2]).await;
    assert_eq!(store.load_latest().await.unwrap(), Some(snapshot(2)));
}

#[tokio::test]
async fn only_the_last_few_are_kept() {
    let folder = TempDir::new().unwrap();
    let store = FileSnapshotStore::open(folder.path()).unwrap().keep(2);
    saved(&store, 1..=12).await;
    let [first, second] = [name(11), name(12)];
    assert_eq!(files(&folder), ["lock", &first, &second]);
    assert_eq!(second, "snapshot-00000000000000000012.bin");
}

#[tokio::test]
async fn numbers_rise_across_restarts_and_foreign_files_stay() {
    let folder = TempDir::new().unwrap();
    for foreign in ["snapshot-7.bin", "snapshot-0000000000000000000x.bin", "notes.tmp"] {
        fs::write(folder.path().join(foreign), "mine").unwrap();
    }
    for number in 1..=3 {
        let store = FileSnapshotStore::open(folder.path()).unwrap().keep(0);
        saved(&store, [number]).await;
    }
    let kept = name(3);
    let expected =
        ["lock", "notes.tmp", &kept, "snapshot-0000000000000000000x.bin", "snapshot-7.bin"];
    assert_eq!(files(&folder), expected);
}

#[tokio::test]
async fn a_crash_between_writing_and_renaming_leaves_the_snapshot_before() {
    let folder = TempDir::new().unwrap();
    let store = FileSnapshotStore::open(folder.path()).unwrap();
    saved(&store, [1]).await;
    drop(store);
    // All that such a crash leaves: the next file, under its temporary name, whole or in part.
    let half_written = folder.path().join(name(2)).with_extension("tmp");
    fs::write(&half_written, &snapshot(2)[..10]).unwrap();

    let store = FileSnapshotStore::open(folder.path()).unwrap();
    assert!(!half_written.exists());
    assert_eq!(store.load_latest().await.unwrap(), Some(snapshot(1)));
    saved(&store, [2]).await;
    assert_eq!(store.load_latest().await.unwrap(), Some(snapshot(2)));
}

#[tokio::test]
async fn a_damaged_newest_snapshot_is_an_error_that_names_it_and_the_older_ones() {
    let folder = TempDir::new().unwrap();
    let store = FileSnapshotStore::open(folder.path()).unwrap();
    saved(&store, [1, 2, 3]).await;
    let newest = folder.path().join(name(3));
    fs::write(&newest, &snapshot(3)[..20]).unwrap();
    let error = store.load_latest().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Snapshot);
    let said = error.to_string();
    for part in [&*name(1), &*name(2), &*newest.display().to_string(), "damaged"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    fs::remove_file(newest).unwrap();
    assert_eq!(store.load_latest().await.unwrap(), Some(snapshot(2)));
}

#[tokio::test]
async fn bytes_that_are_no_snapshot_are_not_kept() {
    let folder = TempDir::new().unwrap();
    let store = FileSnapshotStore::open(folder.path()).unwrap();
    let error = store.save(b"hello".to_vec()).await.unwrap_err();
    assert!(error.to_string().starts_with("save: these bytes are no snapshot: "), "{error}");
    assert_eq!(files(&folder), ["lock"]);
}

#[tokio::test]
async fn a_second_store_on_the_same_folder_is_refused_while_the_first_lives() {
    let folder = TempDir::new().unwrap();
    let store = FileSnapshotStore::open(folder.path()).unwrap();
    let error = FileSnapshotStore::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("another store has this folder open"), "{error}");
    drop(store);
    FileSnapshotStore::open(folder.path()).unwrap();
}

#[test]
fn a_missing_folder_is_an_error_that_names_it() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    let error = FileSnapshotStore::open(&missing).unwrap_err();
    assert!(error.to_string().contains(&missing.display().to_string()), "{error}");
}

#[tokio::test]
async fn a_failed_save_names_the_file_and_leaves_what_was_there() {
    let folder = TempDir::new().unwrap();
    let store = FileSnapshotStore::open(folder.path()).unwrap();
    saved(&store, [1]).await;
    // Where the temporary file should go there is a folder.
    let in_the_way = folder.path().join(name(2)).with_extension("tmp");
    fs::create_dir(&in_the_way).unwrap();
    let error = store.save(snapshot(2)).await.unwrap_err();
    assert!(error.to_string().contains(&name(2)), "{error}");
    assert_eq!(store.load_latest().await.unwrap(), Some(snapshot(1)));
    fs::remove_dir(in_the_way).unwrap();
    saved(&store, [2]).await;
    assert_eq!(store.load_latest().await.unwrap(), Some(snapshot(2)));
}
