use std::fs;

use tempfile::TempDir;

use super::*;
use crate::{Appender, Bytes, destination::Entry, outcome::Reason};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Text(String);

impl Entry for Text {
    fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

impl SnapshotEntry for Text {
    fn encode(&self, bytes: &mut Appender<'_>) {
        bytes.extend_from_slice(self.0.as_bytes());
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        Ok(Self(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

fn file() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rejected.ndjson");
    (folder, path)
}

/// The future that puts this entry away.
fn put<E, H: DeadLetterHandler<E>>(
    letters: &H,
    entry: &E,
    sequence: u64,
    reason: &Reason,
) -> DeadLetterFuture {
    let age = Duration::from_micros(5_210_999);
    letters.handle(&DeadLetter { kind: "log", entry, sequence, attempts: 3, age, reason })
}

fn reason() -> Reason {
    Reason::new("TooOld", "")
}

fn read(path: &Path) -> Vec<Result<OwnedDeadLetter, Error>> {
    FileDeadLetters::read(path).unwrap().collect()
}

#[tokio::test]
async fn a_letter_is_one_line_of_json() {
    let (_folder, path) = file();
    let letters = FileDeadLetters::open(&path).unwrap();
    put(&letters, &Text("hello".into()), 17, &Reason::new("A", "b")).await.unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        r#"{"kind":"log","sequence":17,"attempts":3,"age_ms":5210,"code":"A","message":"b","payload":"aGVsbG8="}"#
            .to_owned()
            + "\n"
    );
}

#[tokio::test]
async fn whatever_the_destination_says_comes_back_as_it_was() {
    let (_folder, path) = file();
    let letters = FileDeadLetters::open(&path).unwrap();
    let message = "\"quoted\" \\ back\nnew line\r\u{0}\u{1f}\u{2028} ü 🦀";
    let payload: Vec<u8> = (0..=255).collect();
    let letters = letters.payload(|bytes: &Vec<u8>| bytes.clone());
    put(&letters, &payload, 1, &Reason::new("Bad\tCode", message)).await.unwrap();
    let letters = read(&path);
    assert_eq!(letters.len(), 1);
    assert_eq!(
        *letters[0].as_ref().unwrap(),
        OwnedDeadLetter {
            kind: "log".to_owned(),
            sequence: 1,
            attempts: 3,
            age: Duration::from_millis(5210),
            code: "Bad\tCode".to_owned(),
            message: message.to_owned(),
            payload,
        }
    );
}

#[tokio::test]
async fn a_file_that_is_opened_again_is_appended_to() {
    let (_folder, path) = file();
    for sequence in 1..=3 {
        let letters = FileDeadLetters::open(&path).unwrap();
        put(&letters, &Text("x".into()), sequence, &reason()).await.unwrap();
    }
    let sequences: Vec<_> = read(&path).into_iter().map(|line| line.unwrap().sequence).collect();
    assert_eq!(sequences, [1, 2, 3]);
}

#[tokio::test]
async fn a_line_that_a_crash_cut_short_does_not_spoil_the_next() {
    let (_folder, path) = file();
    let letters = FileDeadLetters::open(&path).unwrap();
    put(&letters, &Text("first".into()), 1, &reason()).await.unwrap();
    put(&letters, &Text("torn".into()), 2, &reason()).await.unwrap();
    drop(letters);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();

    let letters = FileDeadLetters::open(&path).unwrap();
    put(&letters, &Text("third".into()), 3, &reason()).await.unwrap();
    let lines = read(&path);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0].as_ref().unwrap().payload, b"first");
    let torn = lines[1].as_ref().unwrap_err();
    assert_eq!(torn.kind(), ErrorKind::Convert);
    assert!(torn.to_string().starts_with("read: line 2: no dead letter: EOF"), "{torn}");
    assert!(torn.to_string().contains(&path.display().to_string()), "{torn}");
    assert_eq!(lines[2].as_ref().unwrap().payload, b"third");
}

#[tokio::test]
async fn a_payload_that_is_not_base64_is_an_error_that_names_the_line() {
    let (_folder, path) = file();
    let line =
        r#"{"kind":"","sequence":1,"attempts":1,"age_ms":0,"code":"","message":"","payload":"?"}"#;
    fs::write(&path, format!("\n{line}\n")).unwrap();
    let lines = read(&path);
    assert_eq!(lines.len(), 1);
    let error = lines[0].as_ref().unwrap_err();
    assert!(error.to_string().starts_with("read: line 2: payload is not base64"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_that_are_written_at_once_never_mix() {
    let (_folder, path) = file();
    let letters = Arc::new(FileDeadLetters::open(&path).unwrap());
    let tasks: Vec<_> = (0..50)
        .map(|sequence| {
            let letters = Arc::clone(&letters);
            let text = Text(sequence.to_string().repeat(3000));
            tokio::spawn(async move { put(&*letters, &text, sequence, &reason()).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let mut lines: Vec<_> = read(&path).into_iter().map(Result::unwrap).collect();
    lines.sort_by_key(|line| line.sequence);
    assert_eq!(lines.len(), 50);
    for line in lines {
        assert_eq!(line.payload, line.sequence.to_string().repeat(3000).into_bytes());
    }
}

#[test]
fn a_missing_folder_is_an_error_that_names_the_file() {
    let (folder, _) = file();
    let path = folder.path().join("missing").join("rejected.ndjson");
    for error in [
        FileDeadLetters::open(&path).unwrap_err(),
        FileDeadLetters::read(&path).map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

/// A file that takes nothing more, as a full disk does.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_letter_that_cannot_be_written_is_an_error_that_names_the_file() {
    let full = File::options().append(true).open("/dev/full").unwrap();
    let letters = Letters {
        path: PathBuf::from("full.ndjson"),
        end: Mutex::new(End { file: full, torn: false }),
    };
    let letters = FileDeadLetters { file: Arc::new(letters), payload: Encoded };
    let error = put(&letters, &Text("x".into()), 1, &reason()).await.unwrap_err();
    assert!(error.to_string().starts_with("dead letter: cannot write full.ndjson: "), "{error}");
    assert!(letters.file.end.lock().unwrap().torn, "part of the line may be there");
}
