//! Short names between a WASM module and its glue.
//!
//! wasm-bindgen ends the name of each import in 16 digits of a hash, so that modules of different builds cannot be
//! mixed. Ours are told apart by their addresses already, and digits of a hash are what no compression makes smaller:
//! twice 250 times, in the module and in the glue, they are 7 KB of the desk.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

/// What wasm-bindgen made up begins so; other names are somebody's.
const MADE_UP: &str = "__wb";

/// The section of imports (WebAssembly Core Specification §5.5.5).
const IMPORTS: u8 = 2;

/// Gives made-up imports names of one or two letters, in both files.
///
/// # Errors
/// If the module is none, or imports anything but functions.
pub fn shorten(module: &[u8], glue: &str) -> Result<(Vec<u8>, String)> {
    let mut names = BTreeMap::new();
    let mut short = Vec::with_capacity(module.len());
    let mut rest = Reader(module);
    short.extend_from_slice(rest.take(8)?);
    while !rest.0.is_empty() {
        let kind = rest.byte()?;
        let section = rest.bytes()?;
        short.push(kind);
        match kind {
            IMPORTS => put_bytes(&mut short, &imports(section, &mut names)?),
            _ => put_bytes(&mut short, section),
        }
    }
    Ok((short, renamed(glue, &names)))
}

/// The section anew; what was renamed goes into `names`.
fn imports<'a>(section: &'a [u8], names: &mut BTreeMap<&'a str, String>) -> Result<Vec<u8>> {
    let mut rest = Reader(section);
    let count = rest.number()?;
    let mut anew = Vec::with_capacity(section.len());
    put_number(&mut anew, count);
    for _ in 0..count {
        put_bytes(&mut anew, rest.bytes()?);
        let name = std::str::from_utf8(rest.bytes()?).context("the name of an import is no UTF-8")?;
        if name.starts_with(MADE_UP) {
            let number = names.len();
            put_bytes(&mut anew, names.entry(name).or_insert_with(|| letters(number)).as_bytes());
        } else {
            put_bytes(&mut anew, name.as_bytes());
        }
        let kind = rest.byte()?;
        if kind != 0 {
            bail!("the import {name} is no function");
        }
        anew.push(kind);
        put_number(&mut anew, rest.number()?);
    }
    Ok(anew)
}

/// `a` to `z`, then `aa`, `ab` and so on.
fn letters(number: usize) -> String {
    let last = char::from(b'a' + u8::try_from(number % 26).expect("less than 26"));
    match number / 26 {
        0 => last.to_string(),
        before => letters(before - 1) + &last.to_string(),
    }
}

/// Replaces whole words.
fn renamed(glue: &str, names: &BTreeMap<&str, String>) -> String {
    let of_word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '$');
    let mut anew = String::with_capacity(glue.len());
    let mut rest = glue;
    while !rest.is_empty() {
        let word = &rest[..rest.find(|character| !of_word(character)).unwrap_or(rest.len())];
        anew.push_str(names.get(word).map_or(word, String::as_str));
        rest = &rest[word.len()..];
        let between = &rest[..rest.find(of_word).unwrap_or(rest.len())];
        anew.push_str(between);
        rest = &rest[between.len()..];
    }
    anew
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("the module ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned number in LEB128.
    fn number(&mut self) -> Result<u32> {
        let mut number = 0;
        for shift in (0..32).step_by(7) {
            let byte = self.byte()?;
            number |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        bail!("a number of the module is too long")
    }

    /// Bytes with their count before them.
    fn bytes(&mut self) -> Result<&'a [u8]> {
        let count = self.number()?;
        self.take(usize::try_from(count)?)
    }
}

fn put_number(to: &mut Vec<u8>, mut number: u32) {
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        if number == 0 {
            return to.push(low);
        }
        to.push(low | 0x80);
    }
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_number(to, u32::try_from(bytes.len()).expect("a module is far below 4 GiB"));
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with these imports of `./m.js` and a last section that must stay as it is.
    fn module(imports: &[&str]) -> Vec<u8> {
        let mut section = Vec::new();
        put_number(&mut section, u32::try_from(imports.len()).unwrap());
        for name in imports {
            put_bytes(&mut section, b"./m.js");
            put_bytes(&mut section, name.as_bytes());
            section.extend([0, 200, 1]);
        }
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.push(IMPORTS);
        put_bytes(&mut module, &section);
        module.push(0);
        put_bytes(&mut module, b"\x04name");
        module
    }

    #[test]
    fn made_up_names_get_short_on_both_sides() {
        let long = module(&["__wbg_new_0123456789abcdef", "ours", "__wbg_new_0123456789abcdef0"]);
        let glue = "{ __wbg_new_0123456789abcdef: f, ours: g, __wbg_new_0123456789abcdef0: h }";
        let (short, glue) = shorten(&long, glue).unwrap();
        assert_eq!(short, module(&["a", "ours", "b"]));
        assert_eq!(glue, "{ a: f, ours: g, b: h }");
    }

    #[test]
    fn a_module_that_is_none_is_refused() {
        let whole = module(&["__wbg_a"]);
        for cut in [4, 9, 12, whole.len() - 1] {
            assert!(shorten(&whole[..cut], "").is_err(), "{cut} bytes");
        }
        // A memory instead of a function.
        let mut memory = whole;
        let kind = memory.windows(2).rposition(|pair| pair == [0, 200]).unwrap();
        memory[kind] = 2;
        assert!(shorten(&memory, "").is_err());
    }

    #[test]
    fn letters_never_repeat() {
        assert_eq!([0, 25, 26, 51, 52, 701, 702].map(letters), ["a", "z", "aa", "az", "ba", "zz", "aaa"]);
    }

    #[test]
    fn long_numbers_are_read_back() {
        for number in [0, 127, 128, 300_000, u32::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            assert_eq!(Reader(&bytes).number().unwrap(), number);
        }
        assert!(Reader(&[0x80; 6]).number().is_err());
    }
}
