//! Opens what is to be read: a file or standard input, plain, gzip or Zstandard.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What is read, decompressed.
pub(crate) struct Input {
    /// For messages.
    pub(crate) name: String,
    pub(crate) reader: BufReader<Box<dyn Read + Send>>,
    /// Bytes taken from the file so far, compressed as they are.
    pub(crate) position: Position,
    /// Bytes of the file, where that is known.
    pub(crate) size: Option<u64>,
}

/// Counts the bytes that were read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Position(Arc<AtomicU64>);

impl Position {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Counted<R>(R, Position);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

const BUFFER_BYTES: usize = 256 << 10;

/// Opens a file, or standard input for `-`. What it is compressed with is told by its first bytes.
pub(crate) fn open(path: &Path) -> io::Result<Input> {
    if path == Path::new("-") {
        return Input::new("<stdin>".to_owned(), io::stdin(), None);
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    let size = metadata.is_file().then_some(metadata.len());
    Input::new(path.display().to_string(), file, size)
}

impl Input {
    fn new(
        name: String,
        source: impl Read + Send + 'static,
        size: Option<u64>,
    ) -> io::Result<Self> {
        let position = Position::default();
        let mut raw = BufReader::with_capacity(BUFFER_BYTES, Counted(source, position.clone()));
        // A pipe may give its first bytes one by one, but a magic number is four bytes at most and
        // is written at once by every compressor.
        let start = raw.fill_buf()?;
        let reader: Box<dyn Read + Send> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(flate2::bufread::MultiGzDecoder::new(raw))
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Box::new(zstd::stream::read::Decoder::with_buffer(raw)?)
        } else {
            Box::new(raw)
        };
        let reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        Ok(Self { name, reader, position, size })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(bytes: Vec<u8>) -> io::Result<String> {
        let mut input = Input::new("test".to_owned(), io::Cursor::new(bytes), None)?;
        let mut text = String::new();
        input.reader.read_to_string(&mut text)?;
        Ok(text)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compression_is_told_by_the_first_bytes() {
        assert_eq!(read(b"plain".to_vec()).unwrap(), "plain");
        assert_eq!(read(Vec::new()).unwrap(), "");
        assert_eq!(read(gzip("small")).unwrap(), "small");
        let both = [gzip("first "), gzip("second")].concat();
        assert_eq!(read(both).unwrap(), "first second", "gzip files can be joined");
        let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        let both = [zstd("first "), zstd("second")].concat();
        assert_eq!(read(both).unwrap(), "first second", "and so can Zstandard's");
    }

    #[test]
    fn a_file_that_ends_in_the_middle_is_an_error() {
        let mut gzip = gzip(&"some text ".repeat(1000));
        gzip.truncate(gzip.len() / 2);
        assert_eq!(read(gzip).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let mut zstd = zstd::encode_all("some text ".repeat(1000).as_bytes(), 1).unwrap();
        zstd.truncate(zstd.len() / 2);
        assert!(read(zstd).is_err());
    }
}
