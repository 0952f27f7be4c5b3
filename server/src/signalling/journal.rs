//! What is known of calls that are not in the store yet: an append-only file in the data folder.
//!
//! Each line is one JSON object, and is handed to the operating system before anybody is told what it says, so that
//! a killed process takes nothing with it. From here records go to the store, whose commits also outlive a power
//! cut; what the store has taken is cut off when no call needs it any more.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use model::{CallId, EndCause};
use serde::{Deserialize, Serialize};
use store::CallRecord;

/// The file's name in the data folder.
const FILE_NAME: &str = "calls.journal";
/// A line that says that we live is written this often while a call runs: a call that a crash cuts off ends in its
/// record at most so much too early.
const ALIVE_EVERY_MS: i64 = 5_000;
/// Beyond this size the file is written anew, with what running calls need alone.
const LARGE: u64 = 1024 * 1024;
/// Lines that wait for room on a full disk; what does not fit in here stands in the log only.
const MOST_UNWRITTEN_BYTES: usize = 16 * 1024 * 1024;
/// How much is read at a time.
const CHUNK: usize = 64 * 1024;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    /// A call has begun: its record as it would be if nothing more became known.
    Began(CallRecord),
    /// The call of that record was answered.
    Answered { id: String, at: i64 },
    /// A call has ended.
    Ended(CallRecord),
    /// The server lives. All times are milliseconds since 1970.
    Alive { at: i64 },
}

/// The open file.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    /// Lines that the disk has not taken yet.
    unwritten: Vec<u8>,
    running: BTreeMap<CallId, CallRecord>,
    last_line_at: i64,
}

/// What a part of the file holds.
pub(super) struct Part {
    /// Records of calls that have ended.
    pub ended: Vec<CallRecord>,
    /// Where the next part begins.
    pub next: u64,
}

impl Journal {
    /// Opens the journal of a data folder, or makes it. Calls that it knows the beginning of only were cut off by
    /// the end of an earlier process: they are given an end, at the last time of which anything is known.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(data_dir: &Path) -> io::Result<Journal> {
        let path = data_dir.join(FILE_NAME);
        let file = append_to(&path)?;
        let mut journal = Journal {
            path,
            file,
            length: 0,
            unwritten: Vec::new(),
            running: BTreeMap::new(),
            last_line_at: 0,
        };
        let bytes = std::fs::read(&journal.path)?;
        // the last line may be torn: a killed process wrote it, and nobody was told what it says
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            journal.file.set_len(whole as u64)?;
        }
        journal.length = whole as u64;
        let cut_off = CutOff::among(&bytes[..whole]);
        if cut_off.unreadable > 0 {
            let copy = journal.path.with_extension("unreadable");
            std::fs::copy(&journal.path, &copy)?;
            let lines = cut_off.unreadable;
            tracing::error!(lines, copy = %copy.display(), "the journal of calls has unreadable lines");
        }
        for record in cut_off.records() {
            journal.write(&Entry::Ended(record));
        }
        journal.flush()?;
        Ok(journal)
    }

    /// A call has begun.
    pub fn began(&mut self, call: CallId, record: CallRecord) {
        self.write(&Entry::Began(record.clone()));
        self.running.insert(call, record);
    }

    /// A call was answered at `at`.
    pub fn answered(&mut self, call: CallId, at: i64) {
        let Some(record) = self.running.get_mut(&call) else { return };
        record.answered_at = Some(at);
        let id = record.id.clone();
        self.write(&Entry::Answered { id, at });
    }

    /// The id of the record of a call that has begun.
    pub fn id_of(&self, call: CallId) -> Option<&str> {
        self.running.get(&call).map(|record| record.id.as_str())
    }

    /// A call has ended.
    pub fn ended(&mut self, call: CallId, record: CallRecord) {
        self.running.remove(&call);
        self.write(&Entry::Ended(record));
    }

    /// It is `now`, and we live.
    pub fn alive(&mut self, now: i64) {
        if !self.running.is_empty() && (now - self.last_line_at).abs() >= ALIVE_EVERY_MS {
            self.last_line_at = now;
            self.write(&Entry::Alive { at: now });
        }
    }

    /// Hands all lines to the operating system.
    ///
    /// # Errors
    /// If it does not take them; they are kept for the next time.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            match self.file.write(&self.unwritten) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.length += written as u64;
                    self.unwritten.drain(..written);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The ended calls in the next part of the file from `from` on.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read_from(&self, from: u64) -> io::Result<Part> {
        let mut size = CHUNK;
        loop {
            let left = usize::try_from(self.length.saturating_sub(from)).unwrap_or(usize::MAX);
            let mut bytes = vec![0; size.min(left)];
            self.file.read_exact_at(&mut bytes, from)?;
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            if whole == 0 && size < left {
                size *= 2;
                continue;
            }
            let ended = entries(&bytes[..whole]).filter_map(|entry| match entry {
                Ok(Entry::Ended(record)) => Some(record),
                _ => None,
            });
            return Ok(Part { ended: ended.collect(), next: from + whole as u64 });
        }
    }

    /// Cuts off what the store has taken, which is all before `stored`, if all is taken. Returns where to read on.
    ///
    /// # Errors
    /// If the file cannot be changed; it is as it was then.
    pub fn cut(&mut self, stored: u64) -> io::Result<u64> {
        if stored < self.length || !self.unwritten.is_empty() {
            return Ok(stored);
        }
        if self.running.is_empty() {
            self.file.set_len(0)?;
            self.length = 0;
        } else if self.length > LARGE {
            self.write_anew()?;
        }
        Ok(self.length)
    }

    /// How many ended calls the store has not taken, which are those from `stored` on.
    pub fn waiting(&self, stored: u64) -> io::Result<usize> {
        let mut waiting =
            entries(&self.unwritten).filter(|entry| matches!(entry, Ok(Entry::Ended(_)))).count();
        let mut from = stored;
        loop {
            let part = self.read_from(from)?;
            if part.next == from {
                return Ok(waiting);
            }
            waiting += part.ended.len();
            from = part.next;
        }
    }

    fn write_anew(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        for record in self.running.values() {
            bytes.extend(line(&Entry::Began(record.clone())));
        }
        crate::storage::write_private(&self.path, &bytes)?;
        self.file = append_to(&self.path)?;
        self.length = bytes.len() as u64;
        Ok(())
    }

    fn write(&mut self, entry: &Entry) {
        let line = line(entry);
        if self.unwritten.len() + line.len() > MOST_UNWRITTEN_BYTES {
            tracing::error!(line = %String::from_utf8_lossy(&line), "no room for the journal of calls");
            metrics::counter!("hotdesk_call_records_lost_total").increment(1);
            return;
        }
        self.unwritten.extend(line);
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

fn line(entry: &Entry) -> Vec<u8> {
    let mut line = serde_json::to_vec(entry).expect("texts and numbers are valid JSON");
    line.push(b'\n');
    line
}

fn entries(bytes: &[u8]) -> impl Iterator<Item = Result<Entry, serde_json::Error>> + '_ {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(serde_json::from_slice)
}

/// The calls of an earlier process that have no end.
#[derive(Default)]
struct CutOff {
    by_id: BTreeMap<String, CallRecord>,
    last_known_at: i64,
    unreadable: usize,
}

impl CutOff {
    fn among(bytes: &[u8]) -> CutOff {
        let mut cut_off = CutOff::default();
        for entry in entries(bytes) {
            let at = match entry {
                Ok(Entry::Began(record)) => {
                    let at = record.answered_at.unwrap_or(record.started_at);
                    cut_off.by_id.insert(record.id.clone(), record);
                    at
                }
                Ok(Entry::Answered { id, at }) => {
                    if let Some(record) = cut_off.by_id.get_mut(&id) {
                        record.answered_at = Some(at);
                    }
                    at
                }
                Ok(Entry::Ended(record)) => {
                    cut_off.by_id.remove(&record.id);
                    record.ended_at
                }
                Ok(Entry::Alive { at }) => at,
                Err(_) => {
                    cut_off.unreadable += 1;
                    continue;
                }
            };
            cut_off.last_known_at = cut_off.last_known_at.max(at);
        }
        cut_off
    }

    fn records(self) -> impl Iterator<Item = CallRecord> {
        let last_known_at = self.last_known_at;
        self.by_id.into_values().map(move |record| {
            let ended_at = last_known_at.max(record.answered_at.unwrap_or(record.started_at));
            let duration_ms = ended_at - record.started_at;
            CallRecord { ended_at, duration_ms, cause: EndCause::ConnectionLost, ..record }
        })
    }
}

#[cfg(test)]
mod tests {
    use store::conformance::record;

    use super::*;

    fn begun(id: &str, at: i64) -> CallRecord {
        CallRecord { answered_at: None, ended_at: at, duration_ms: 0, ..record(id, None, None, at) }
    }

    fn all(journal: &Journal) -> Vec<CallRecord> {
        journal.read_from(0).unwrap().ended
    }

    fn open(dir: &tempfile::TempDir) -> Journal {
        Journal::open(dir.path()).unwrap()
    }

    #[test]
    fn a_call_without_an_end_gets_one_at_the_last_known_time() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(&dir);
        journal.began(CallId(1), begun("a", 1_000));
        journal.answered(CallId(1), 3_000);
        journal.began(CallId(2), begun("b", 4_000));
        journal.alive(9_000);
        journal.ended(CallId(2), record("b", None, None, 4_000));
        journal.began(CallId(3), begun("c", 70_000));
        journal.flush().unwrap();
        drop(journal);

        let ended = all(&open(&dir));
        assert_eq!(ended.len(), 3, "each once: {ended:?}");
        assert_eq!(ended[0], record("b", None, None, 4_000));
        let answered = CallRecord {
            answered_at: Some(3_000),
            ended_at: 70_000,
            duration_ms: 69_000,
            ..begun("a", 1_000)
        };
        assert_eq!(ended[1], CallRecord { cause: EndCause::ConnectionLost, ..answered });
        assert_eq!((ended[2].id.as_str(), ended[2].ended_at), ("c", 70_000));
        assert_eq!(all(&open(&dir)), ended, "opening it again changes nothing");
    }

    #[test]
    fn a_torn_last_line_is_no_line_and_the_next_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(&dir);
        journal.ended(CallId(1), record("a", None, None, 0));
        journal.flush().unwrap();
        drop(journal);
        let path = dir.path().join(FILE_NAME);
        let whole = std::fs::read(&path).unwrap();
        for torn in 1..whole.len() {
            std::fs::write(&path, [&whole[..], &whole[..torn]].concat()).unwrap();
            let mut journal = open(&dir);
            journal.ended(CallId(2), record("b", None, None, 0));
            journal.flush().unwrap();
            let ids: Vec<_> = all(&journal).into_iter().map(|record| record.id).collect();
            assert_eq!(ids, ["a", "b"]);
        }
    }

    #[test]
    fn unreadable_lines_are_kept_aside_and_the_others_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let good = line(&Entry::Ended(record("a", None, None, 0)));
        std::fs::write(&path, [b"\x00\xff nonsense\n", &good[..]].concat()).unwrap();
        assert_eq!(all(&open(&dir)).len(), 1);
        assert!(std::fs::read(path.with_extension("unreadable")).unwrap().starts_with(b"\x00\xff"));
    }

    #[test]
    fn what_is_stored_is_cut_off_once_no_call_needs_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(&dir);
        journal.began(CallId(1), begun("a", 0));
        journal.flush().unwrap();
        let end = journal.length;
        assert_eq!(journal.cut(end).unwrap(), end, "the call runs");
        journal.ended(CallId(1), record("a", None, None, 0));
        journal.flush().unwrap();
        assert_eq!(journal.cut(end).unwrap(), end, "its end is not stored");
        assert_eq!(journal.cut(journal.length).unwrap(), 0);
        assert_eq!(std::fs::metadata(dir.path().join(FILE_NAME)).unwrap().len(), 0);
    }

    #[test]
    fn a_large_file_is_written_anew_and_keeps_running_calls() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(&dir);
        journal.began(CallId(1), begun("long", 0));
        journal.answered(CallId(1), 7);
        let mut n = 1;
        while journal.unwritten.len() as u64 <= LARGE {
            n += 1;
            journal.ended(CallId(n), record(&n.to_string(), None, None, 0));
        }
        journal.flush().unwrap();
        assert_eq!(journal.waiting(0).unwrap() as u64, n - 1);
        let from = journal.cut(journal.length).unwrap();
        assert!(from < 1_000, "{from}");
        journal.ended(CallId(9), record("later", None, None, 0));
        journal.flush().unwrap();
        assert_eq!(journal.read_from(from).unwrap().ended[0].id, "later");
        drop(journal);
        let ended = all(&open(&dir));
        assert_eq!(
            ended.last().map(|record| (record.id.as_str(), record.answered_at)),
            Some(("long", Some(7)))
        );
    }
}
