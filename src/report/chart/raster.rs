//! Shaded grids as embedded PNG images.
//!
//! One colour with 256 levels of opacity, so that the same image reads on a light and on a dark page.
//!
//! # Source
//! W3C, Portable Network Graphics, third edition; RFC 1950 and 1951 (stored blocks); RFC 4648 (base 64).

/// The colour of densities.
const COLOUR: [u8; 3] = [0x6b, 0x7d, 0x96];

/// A PNG with one byte of opacity per pixel, first row on top.
///
/// # Panics
/// If `opacity` does not hold `width × height` pixels.
pub fn png(width: usize, height: usize, opacity: &[u8]) -> Vec<u8> {
    assert_eq!(opacity.len(), width * height, "one byte per pixel");
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::new();
    header.extend((width as u32).to_be_bytes());
    header.extend((height as u32).to_be_bytes());
    // eight bits per pixel, palette, and the only methods there are
    header.extend([8, 3, 0, 0, 0]);
    chunk(&mut out, b"IHDR", &header);
    chunk(&mut out, b"PLTE", &COLOUR.repeat(256));
    let levels: Vec<u8> = (0..=255).collect();
    chunk(&mut out, b"tRNS", &levels);
    let mut rows = Vec::with_capacity(height * (width + 1));
    for row in opacity.chunks(width) {
        rows.push(0);
        rows.extend(row);
    }
    chunk(&mut out, b"IDAT", &zlib_stored(&rows));
    chunk(&mut out, b"IEND", &[]);
    out
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    out.extend((data.len() as u32).to_be_bytes());
    let start = out.len();
    out.extend(kind);
    out.extend(data);
    let crc = crc32fast::hash(&out[start..]);
    out.extend(crc.to_be_bytes());
}

/// A zlib stream of stored blocks.
fn zlib_stored(data: &[u8]) -> Vec<u8> {
    const BLOCK: usize = u16::MAX as usize;
    let mut out = vec![0x78, 0x01];
    let blocks = data.len().div_ceil(BLOCK);
    for (n, block) in data.chunks(BLOCK).enumerate() {
        out.push(u8::from(n + 1 == blocks));
        let length = block.len() as u16;
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    out.extend(adler32(data).to_be_bytes());
    out
}

fn adler32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (mut a, mut b) = (1u32, 0u32);
    for byte in data {
        a = (a + u32::from(*byte)) % MODULUS;
        b = (b + a) % MODULUS;
    }
    (b << 16) | a
}

/// Bytes in base 64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group
            .iter()
            .fold(0u32, |word, byte| (word << 8) | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            if place <= group.len() {
                let digit = (word >> (18 - 6 * place)) & 63;
                out.push(char::from(DIGITS[digit as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_standard() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn checksums_of_known_data() {
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
        let image = png(2, 1, &[0, 255]);
        // An empty IEND chunk has a known checksum.
        assert!(image.ends_with(&[0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xAE, 0x42, 0x60, 0x82]));
    }
}
