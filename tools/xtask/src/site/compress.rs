//! Files compressed once, at build time, and as tightly as the formats allow.

use std::io::Write as _;

use anyhow::Result;

use super::memo::Memo;

/// Formats that are compressed already.
const TIGHT: &[&str] =
    &["avif", "gif", "gz", "br", "jpeg", "jpg", "mp3", "ogg", "opus", "png", "webm", "webp", "woff2"];

/// Brotli's window, 2^22 bytes: the largest that browsers must accept.
const BROTLI_WINDOW: u32 = 22;

/// The `.br` and `.gz` forms of a file, where they save at least a twentieth.
///
/// # Errors
/// If the memo cannot be written.
pub fn compress(path: &str, bytes: &[u8], memo: &Memo) -> Result<Vec<(String, Vec<u8>)>> {
    if path.rsplit_once('.').is_some_and(|(_, extension)| TIGHT.contains(&extension)) {
        return Ok(Vec::new());
    }
    let folder = memo.folder(&[b"compress", bytes], |folder| {
        std::fs::write(folder.join("br"), brotli(bytes)?)?;
        std::fs::write(folder.join("gz"), gzip(bytes)?)?;
        Ok(())
    })?;
    let mut smaller = Vec::new();
    for form in ["br", "gz"] {
        let compressed = std::fs::read(folder.join(form))?;
        if compressed.len() * 20 <= bytes.len() * 19 {
            smaller.push((format!("{path}.{form}"), compressed));
        }
    }
    Ok(smaller)
}

fn brotli(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 64 * 1024, 11, BROTLI_WINDOW);
    writer.write_all(bytes)?;
    writer.flush()?;
    Ok(writer.into_inner())
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn both_forms_hold_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let memo = Memo::open(folder.path()).unwrap();
        let file = b"desk ".repeat(200);
        let forms = compress("assets/a.js", &file, &memo).unwrap();
        let [(br_path, br), (gz_path, gz)] = forms.as_slice() else { panic!("two forms") };
        assert_eq!((br_path.as_str(), gz_path.as_str()), ("assets/a.js.br", "assets/a.js.gz"));
        let mut back = Vec::new();
        brotli::Decompressor::new(br.as_slice(), 4096).read_to_end(&mut back).unwrap();
        assert_eq!(back, file);
        back.clear();
        flate2::read::GzDecoder::new(gz.as_slice()).read_to_end(&mut back).unwrap();
        assert_eq!(back, file);
    }

    #[test]
    fn what_does_not_shrink_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let memo = Memo::open(folder.path()).unwrap();
        assert!(compress("a.txt", b"x", &memo).unwrap().is_empty());
        assert!(compress("a.png", &[0; 1000], &memo).unwrap().is_empty());
    }
}
