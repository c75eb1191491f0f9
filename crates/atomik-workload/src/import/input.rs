//! Opens tables: files or stdin, compressed or not, as UTF-8.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::ImportError;

/// Bytes at the start of an input from which its format is guessed.
const HEAD: u64 = 1 << 16;

/// The longest row, in bytes. A quote that is never closed would make the rest of a table one row.
pub(super) const MAX_ROW: u64 = 16 << 20;

/// An opened table.
pub(super) struct Input {
    /// Its name in messages.
    pub file: PathBuf,
    /// The start of the text, without a byte order mark.
    pub head: Vec<u8>,
    /// Whether the text goes on after `head`.
    pub goes_on: bool,
    /// The text, which ends with an error at a row that is too long.
    pub text: Box<dyn BufRead>,
    /// To be set to 0 at every row.
    pub row: Rc<Cell<u64>>,
}

impl Input {
    /// Opens a file, or stdin if it is `-`.
    pub fn open(file: &Path) -> Result<Self, ImportError> {
        if file.as_os_str() == "-" {
            return Self::read(Path::new("<stdin>"), Box::new(io::stdin()));
        }
        let data = std::fs::metadata(file).map_err(ImportError::io(file))?;
        if data.is_dir() {
            return Err(ImportError::file(file, "is a folder; name its files"));
        }
        let raw = File::open(file).map_err(ImportError::io(file))?;
        Self::read(file, Box::new(raw))
    }

    /// Reads what is called `file` in messages.
    pub fn read(file: &Path, mut raw: Box<dyn Read>) -> Result<Self, ImportError> {
        let failed = || ImportError::io(file);
        let mut magic = Vec::new();
        raw.by_ref()
            .take(4)
            .read_to_end(&mut magic)
            .map_err(failed())?;
        let raw = Cursor::new(magic.clone()).chain(raw);
        let mut text: Box<dyn Read> = if magic.starts_with(&[0x1f, 0x8b]) {
            let raw = BufReader::with_capacity(1 << 16, raw);
            Box::new(Packed(flate2::bufread::MultiGzDecoder::new(raw)))
        } else if magic == [0x28, 0xb5, 0x2f, 0xfd] {
            Box::new(Packed(Zstd::Between(BufReader::with_capacity(
                1 << 16,
                raw,
            ))))
        } else {
            Box::new(raw)
        };
        let mut head = Vec::new();
        text.by_ref()
            .take(HEAD)
            .read_to_end(&mut head)
            .map_err(failed())?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(ImportError::file(
                file,
                "is UTF-16: convert it with `iconv -f UTF-16 -t UTF-8`",
            ));
        }
        if head.starts_with(b"PK\x03\x04") {
            return Err(ImportError::file(
                file,
                "is a ZIP archive or a spreadsheet: unpack it, or save it as CSV",
            ));
        }
        let goes_on = head.len() as u64 == HEAD;
        if head.starts_with(&[0xef, 0xbb, 0xbf]) {
            head.drain(..3);
        }
        let row = Rc::new(Cell::new(0));
        let text = Guard {
            inner: Cursor::new(head.clone()).chain(text),
            row: Rc::clone(&row),
        };
        Ok(Self {
            file: file.to_owned(),
            head,
            goes_on,
            text: Box::new(BufReader::with_capacity(1 << 16, text)),
            row,
        })
    }
}

/// A compressed stream, which may be damaged.
struct Packed<R>(R);

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
        self.0.read(buffer).map_err(|error| match error.kind() {
            InvalidData | InvalidInput | Other | UnexpectedEof => io::Error::new(
                InvalidData,
                format!(
                    "is compressed, and cut off or damaged: {error}: get it anew, or pipe in what \
                     can be unpacked of it"
                ),
            ),
            _ => error,
        })
    }
}

/// A zstd stream of any number of frames.
enum Zstd<R: Read> {
    /// Between two frames.
    Between(BufReader<R>),
    Within(Box<Decoder<R>>),
    End,
}

type Decoder<R> = ruzstd::decoding::StreamingDecoder<BufReader<R>, ruzstd::decoding::FrameDecoder>;

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(self, Self::End) {
                Self::Between(mut raw) => {
                    if raw.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    let opened = Decoder::new(raw).map_err(|error| {
                        io::Error::new(io::ErrorKind::InvalidData, error.to_string())
                    })?;
                    *self = Self::Within(Box::new(opened));
                }
                Self::Within(mut decoder) => {
                    let count = decoder.read(buffer)?;
                    if count > 0 || buffer.is_empty() {
                        *self = Self::Within(decoder);
                        return Ok(count);
                    }
                    *self = Self::Between(decoder.into_inner());
                }
                Self::End => return Ok(0),
            }
        }
    }
}

/// Fails where a row is longer than [`MAX_ROW`].
struct Guard<R> {
    inner: R,
    row: Rc<Cell<u64>>,
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.row.get() > MAX_ROW {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a row of more than 16 MiB: close its quotes, or split it",
            ));
        }
        let count = self.inner.read(buffer)?;
        self.row.set(self.row.get() + count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn text(bytes: Vec<u8>) -> Result<String, String> {
        let input = Input::read(Path::new("x"), Box::new(Cursor::new(bytes)));
        let mut input = input.map_err(|error| error.to_string())?;
        let mut text = String::new();
        input
            .text
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
        Ok(text)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &str) -> Vec<u8> {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        ruzstd::encoding::compress_to_vec(text.as_bytes(), level)
    }

    #[test]
    fn compressed_and_plain_text_reads_the_same_in_parts_or_whole() {
        let long = "a,b\n".repeat(100_000);
        for sample in ["", "a", "a,b\n1,2\n", &long] {
            for bytes in [sample.as_bytes().to_vec(), gzip(sample), zstd(sample)] {
                assert_eq!(text(bytes.clone()).unwrap(), sample);
            }
            let marked = format!("\u{feff}{sample}");
            for bytes in [marked.as_bytes().to_vec(), gzip(&marked), zstd(&marked)] {
                assert_eq!(text(bytes).unwrap(), sample);
            }
            let twice = sample.repeat(2);
            assert_eq!(text([gzip(sample), gzip(sample)].concat()).unwrap(), twice);
            assert_eq!(text([zstd(sample), zstd(sample)].concat()).unwrap(), twice);
        }
    }

    #[test]
    fn what_is_cut_off_or_no_text_is_refused() {
        let long: String = (0..100_000).map(|number| format!("{number},")).collect();
        for whole in [gzip(&long), zstd(&long)] {
            let cut = whole[..whole.len() / 2].to_vec();
            let message = text(cut).unwrap_err();
            assert!(message.contains("cut off or damaged"), "{message}");
            assert!(message.contains("get it anew"), "{message}");
        }
        for (bytes, reason) in [
            (vec![0xff, 0xfe, b'a', 0], "UTF-16"),
            (vec![0xfe, 0xff, 0, b'a'], "UTF-16"),
            (b"PK\x03\x04rest".to_vec(), "ZIP"),
        ] {
            let message = text(bytes).unwrap_err();
            assert!(
                message.starts_with("x: is ") && message.contains(reason),
                "{message}"
            );
        }
    }
}
