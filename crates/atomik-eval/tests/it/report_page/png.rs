//! Screenshots: the PNG that Chromium writes (8 bits a sample, RGB or RGBA, not interlaced; PNG
//! specification, sections 4.1 and 9).

use std::io::Read;

use flate2::read::ZlibDecoder;

pub struct Image {
    pub width: usize,
    pub height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Image {
    pub fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.pixels[y * self.width + x]
    }

    pub fn decode(bytes: &[u8]) -> Self {
        let mut rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n").expect("a PNG");
        let (mut header, mut data) = (Vec::new(), Vec::new());
        while rest.len() >= 12 {
            let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            let body = &rest[8..8 + length];
            match &rest[4..8] {
                b"IHDR" => header = body.to_vec(),
                b"IDAT" => data.extend_from_slice(body),
                _ => {}
            }
            rest = &rest[12 + length..];
        }
        let size = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap()) as usize;
        let (width, height) = (size(0), size(4));
        let samples = match (header[8], header[9], header[12]) {
            (8, 2, 0) => 3,
            (8, 6, 0) => 4,
            other => panic!("a PNG of another kind: {other:?}"),
        };
        let mut raw = Vec::new();
        ZlibDecoder::new(&data[..])
            .read_to_end(&mut raw)
            .expect("pixels");
        let stride = width * samples;
        let mut before = vec![0u8; stride];
        let mut pixels = Vec::with_capacity(width * height);
        for row in raw.chunks_exact(stride + 1) {
            let mut line = row[1..].to_vec();
            for i in 0..stride {
                let left = if i < samples { 0 } else { line[i - samples] };
                let corner = if i < samples { 0 } else { before[i - samples] };
                let up = before[i];
                let guess = match row[0] {
                    0 => 0,
                    1 => left,
                    2 => up,
                    3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
                    _ => nearest(left, up, corner),
                };
                line[i] = line[i].wrapping_add(guess);
            }
            pixels.extend(line.chunks_exact(samples).map(|p| [p[0], p[1], p[2]]));
            before = line;
        }
        assert_eq!(pixels.len(), width * height);
        Self {
            width,
            height,
            pixels,
        }
    }
}

/// Paeth's predictor.
fn nearest(left: u8, up: u8, corner: u8) -> u8 {
    let (l, u, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let p = l + u - c;
    let (dl, du, dc) = ((p - l).abs(), (p - u).abs(), (p - c).abs());
    if dl <= du && dl <= dc {
        left
    } else if du <= dc {
        up
    } else {
        corner
    }
}
