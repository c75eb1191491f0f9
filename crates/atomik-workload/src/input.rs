//! Opens what users name: files or stdin, compressed or not, as UTF-8.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

/// Bytes at the start of an input from which its format is guessed.
const HEAD: u64 = 1 << 16;

/// Bytes that are read at once.
const BUFFER: usize = 1 << 16;

/// An opened text.
pub(crate) struct Input {
    /// The start of the text, without a byte order mark.
    pub head: Vec<u8>,
    /// Whether the text goes on after `head`.
    pub goes_on: bool,
    rest: Box<dyn Read>,
}

/// What an input is called in messages: `-` is stdin.
pub(crate) fn name(file: &Path) -> PathBuf {
    if is_stdin(file) {
        PathBuf::from("<stdin>")
    } else {
        file.to_owned()
    }
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

impl Input {
    /// Opens a file, or stdin if it is `-`.
    pub fn open(file: &Path) -> io::Result<Self> {
        Self::watched(file, |file| Box::new(file))
    }

    /// As [`Input::open`]; a file is read through what `watch` makes of it.
    pub fn watched(file: &Path, watch: impl FnOnce(File) -> Box<dyn Read>) -> io::Result<Self> {
        if is_stdin(file) {
            return Self::read(Box::new(io::stdin()));
        }
        if std::fs::metadata(file)?.is_dir() {
            return Err(refused("is a folder; name its files"));
        }
        Self::read(watch(File::open(file)?))
    }

    /// Unpacks a text if it is compressed, and reads its start.
    fn read(mut raw: Box<dyn Read>) -> io::Result<Self> {
        let mut magic = Vec::new();
        raw.by_ref().take(4).read_to_end(&mut magic)?;
        let raw = Cursor::new(magic.clone()).chain(raw);
        let mut rest: Box<dyn Read> = if magic.starts_with(&[0x1f, 0x8b]) {
            let raw = BufReader::with_capacity(BUFFER, raw);
            Box::new(Packed(flate2::bufread::MultiGzDecoder::new(raw)))
        } else if magic == [0x28, 0xb5, 0x2f, 0xfd] {
            let raw = BufReader::with_capacity(BUFFER, raw);
            Box::new(Packed(Zstd::Between(raw)))
        } else {
            Box::new(raw)
        };
        let mut head = Vec::new();
        rest.by_ref().take(HEAD).read_to_end(&mut head)?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(refused(
                "is UTF-16: convert it with `iconv -f UTF-16 -t UTF-8`",
            ));
        }
        if head.starts_with(b"PK\x03\x04") {
            return Err(refused(
                "is a ZIP archive or a spreadsheet: unpack it, or save it as CSV",
            ));
        }
        let goes_on = head.len() as u64 == HEAD;
        if head.starts_with(&[0xef, 0xbb, 0xbf]) {
            head.drain(..3);
        }
        Ok(Self {
            head,
            goes_on,
            rest,
        })
    }

    /// The whole text.
    pub fn text(self) -> impl BufRead + use<> {
        BufReader::with_capacity(BUFFER, Cursor::new(self.head).chain(self.rest))
    }
}

fn refused(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
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
                    "is compressed, and cut off or damaged: {error}: fetch it again, or pipe in \
                     what can be unpacked of it"
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn text(bytes: Vec<u8>) -> Result<String, String> {
        let mut text = String::new();
        let read = Input::read(Box::new(Cursor::new(bytes)))
            .and_then(|input| input.text().read_to_string(&mut text));
        read.map(|_| text).map_err(|error| error.to_string())
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
            assert!(message.contains("fetch it again"), "{message}");
        }
        for (bytes, reason) in [
            (vec![0xff, 0xfe, b'a', 0], "UTF-16"),
            (vec![0xfe, 0xff, 0, b'a'], "UTF-16"),
            (b"PK\x03\x04rest".to_vec(), "ZIP"),
        ] {
            let message = text(bytes).unwrap_err();
            assert!(
                message.starts_with("is ") && message.contains(reason),
                "{message}"
            );
        }
    }
}
