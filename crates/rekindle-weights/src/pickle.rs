//! What a pickle asks for, read without building anything: how much, and whether it wants code to be run.
//!
//! pytorch-reader runs no code either, keeps what it does not know as a name and passes over it. A file that asks for `os.system` is
//! refused all the same: it was made to do harm elsewhere. The opcodes are those of Python's `pickletools`, protocols 0 to 5.

use std::io::{self, BufRead, Read};

/// More are in no checkpoint: a state dict has some thirty per tensor. Each makes an object of some 70 bytes, so this bounds memory.
const MOST_OPCODES: u64 = 8_000_000;

/// Longer names are none.
const LONGEST_LINE: u64 = 64 << 10;

/// Modules whose functions run code, files or programs, and what in `builtins` does. Not those that pickled models of users hold
/// (`getattr` of a bound method) or that a user's own package is likely to be called (`code`).
const MODULES: &[&str] = &[
    "ctypes",
    "ftplib",
    "httplib",
    "importlib",
    "marshal",
    "nt",
    "os",
    "pdb",
    "pickle",
    "pkgutil",
    "posix",
    "pty",
    "pydoc",
    "requests",
    "runpy",
    "shutil",
    "smtplib",
    "socket",
    "subprocess",
    "sys",
    "telnetlib",
    "timeit",
    "urllib",
    "urllib2",
    "webbrowser",
    "zipimport",
];
const BUILTINS: &[&str] = &[
    "__import__",
    "apply",
    "breakpoint",
    "compile",
    "eval",
    "exec",
    "execfile",
    "open",
];

/// What is wrong with a pickle.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It asks for this to be called.
    Code(String),
    /// It has more opcodes than this.
    TooMany(u64),
    /// It is damaged; the reader says how.
    Unreadable,
}

/// Reads one pickle up to its end.
pub(crate) fn scan(input: &mut dyn BufRead) -> Result<(), Finding> {
    let mut scan = Scan {
        input,
        strings: [String::new(), String::new()],
    };
    for _ in 0..MOST_OPCODES {
        if scan.step()? {
            return Ok(());
        }
    }
    Err(Finding::TooMany(MOST_OPCODES))
}

struct Scan<'a> {
    input: &'a mut dyn BufRead,
    /// The last two strings, from which opcode 0x93 makes a name.
    strings: [String; 2],
}

impl Scan<'_> {
    /// One opcode; whether it was the last.
    fn step(&mut self) -> Result<bool, Finding> {
        match self.bytes::<1>()?[0] {
            b'.' => return Ok(true),
            // Names: module and name in two lines, the same with `i`, or the last two strings.
            b'c' | b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                check(&module, &name)?;
            }
            0x93 => check(&self.strings[0].clone(), &self.strings[1].clone())?,
            // Strings.
            b'X' => {
                let length = u32::from_le_bytes(self.bytes()?);
                self.string(u64::from(length))?;
            }
            0x8c | b'U' => {
                let [length] = self.bytes()?;
                self.string(u64::from(length))?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.bytes()?);
                self.string(length)?;
            }
            b'V' | b'S' => {
                let line = self.line()?;
                self.remember(line.trim_matches(['\'', '"']).to_owned());
            }
            // Lengths and that many bytes.
            b'T' | b'B' | 0x8b => {
                let length = u32::from_le_bytes(self.bytes()?);
                self.skip(u64::from(length))?;
            }
            b'C' | 0x8a => {
                let [length] = self.bytes()?;
                self.skip(u64::from(length))?;
            }
            0x8e | 0x96 => {
                let length = u64::from_le_bytes(self.bytes()?);
                self.skip(length)?;
            }
            // Arguments of a fixed size.
            b'K' | b'h' | b'q' | 0x80 | 0x82 => self.skip(1)?,
            b'M' | 0x83 => self.skip(2)?,
            b'J' | b'j' | b'r' | 0x84 => self.skip(4)?,
            b'G' | 0x95 => self.skip(8)?,
            // A line.
            b'F' | b'I' | b'L' | b'P' | b'g' | b'p' => {
                self.line()?;
            }
            // None.
            b'('
            | b'0'
            | b'1'
            | b'2'
            | b'N'
            | b'Q'
            | b'R'
            | b'a'
            | b'b'
            | b'd'
            | b'}'
            | b'e'
            | b'l'
            | b']'
            | b'o'
            | b's'
            | b't'
            | b')'
            | b'u'
            | 0x81
            | 0x85..=0x89
            | 0x8f..=0x92
            | 0x94
            | 0x97
            | 0x98 => {}
            _ => return Err(Finding::Unreadable),
        }
        Ok(false)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Finding> {
        let mut bytes = [0; N];
        let read = self.input.read_exact(&mut bytes);
        read.map_err(|_| Finding::Unreadable)?;
        Ok(bytes)
    }

    fn skip(&mut self, length: u64) -> Result<(), Finding> {
        let skipped = io::copy(&mut (&mut *self.input).take(length), &mut io::sink());
        match skipped {
            Ok(found) if found == length => Ok(()),
            _ => Err(Finding::Unreadable),
        }
    }

    fn line(&mut self) -> Result<String, Finding> {
        let mut line = Vec::new();
        let read = (&mut *self.input)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line);
        if read.is_err() || line.pop() != Some(b'\n') {
            return Err(Finding::Unreadable);
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Reads a string; of one longer than a name only that it is there.
    fn string(&mut self, length: u64) -> Result<(), Finding> {
        if length > 256 {
            self.remember(String::new());
            return self.skip(length);
        }
        let mut bytes = vec![0; length as usize];
        let read = self.input.read_exact(&mut bytes);
        read.map_err(|_| Finding::Unreadable)?;
        self.remember(String::from_utf8_lossy(&bytes).into_owned());
        Ok(())
    }

    fn remember(&mut self, string: String) {
        self.strings.swap(0, 1);
        self.strings[1] = string;
    }
}

fn check(module: &str, name: &str) -> Result<(), Finding> {
    let root = module.split('.').next().unwrap_or(module);
    let builtin = matches!(root, "builtins" | "__builtin__") && BUILTINS.contains(&name);
    if builtin || MODULES.contains(&root) {
        return Err(Finding::Code(format!("{module}.{name}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan_all(mut bytes: &[u8]) -> Result<(), Finding> {
        scan(&mut bytes)
    }

    #[test]
    fn a_pickle_that_asks_for_code_is_found_in_every_protocol_also_where_its_result_is_dropped() {
        let code = |name: &str| Err(Finding::Code(name.into()));
        assert_eq!(
            scan_all(b"cposix\nsystem\n(S'ls'\ntR."),
            code("posix.system")
        );
        assert_eq!(
            scan_all(b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R0}."),
            code("__builtin__.eval")
        );
        let four = b"\x80\x04\x95\x1c\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x02ls\x94\x85\x94R\x94.";
        assert_eq!(scan_all(four), code("posix.system"));
        assert_eq!(scan_all(b"(S'ls'\nios\nsystem\n."), code("os.system"));
    }

    #[test]
    fn what_checkpoints_hold_passes() {
        assert_eq!(
            scan_all(b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01."),
            Ok(())
        );
        assert_eq!(scan_all(b"\x80\x02c__builtin__\nset\nq\x00]\x85R."), Ok(()));
        assert_eq!(
            scan_all(
                b"\x80\x02cargparse\nNamespace\n)\x81}X\x02\x00\x00\x00lrG?\xf0\0\0\0\0\0\0sb."
            ),
            Ok(())
        );
    }

    #[test]
    fn a_pickle_without_end_or_of_absurd_length_is_not_followed() {
        assert_eq!(
            scan_all(b"\x80\x02X\xff\xff\xff\x7fabc"),
            Err(Finding::Unreadable)
        );
        let mut endless = io::BufReader::new(io::repeat(b'N'));
        assert_eq!(scan(&mut endless), Err(Finding::TooMany(MOST_OPCODES)));
    }
}
