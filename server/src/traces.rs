//! Traces of congestion control as files, one for each peer connection. A thread writes them: no shard waits for a disk.
//! Where it cannot keep up a trace ends, and the call goes on.

use std::collections::{HashMap, VecDeque};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use ferrite_protocol::{RoomId, SessionId};
use tokio::sync::oneshot;

use crate::congestion::Sink;
use crate::seldom::Seldom;

/// Files of one start of the server. For a further one the oldest makes room that is complete.
pub(crate) const MAX_FILES: usize = 64;
/// Blocks that wait to be written, of all traces.
pub(crate) const MAX_WAITING: usize = 256;
/// How long they may take when the server ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Whose are written, and the way to whoever does.
#[derive(Debug)]
pub(crate) struct Traces {
    /// All, if there are none.
    rooms: Vec<String>,
    next: AtomicU64,
    writer: SyncSender<Part>,
}

/// Something to be written.
#[derive(Debug)]
enum Part {
    Begins {
        number: u64,
        name: String,
        is_over: Arc<AtomicBool>,
    },
    Block(u64, Vec<u8>),
    Ends(u64),
    /// That was all.
    Stop(oneshot::Sender<()>),
}

impl Traces {
    /// Makes the directory, if it is not there, and starts the thread.
    pub(crate) fn start(directory: &Path, rooms: Vec<String>) -> io::Result<Self> {
        // Who spoke when is for nobody else on this machine.
        let mut made = DirBuilder::new();
        made.recursive(true).mode(0o700).create(directory)?;
        let (writer, parts) = sync_channel(MAX_WAITING);
        let shelf = Shelf::new(directory.to_owned());
        std::thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || shelf.fill(&parts))?;
        Ok(Self {
            rooms,
            next: AtomicU64::new(1),
            writer,
        })
    }

    /// Where the trace goes of a session's peer connection, which is made while it is in this room. `None` where
    /// nobody wants one.
    pub(crate) fn of(&self, session: &SessionId, room: Option<&RoomId>) -> Option<Box<dyn Sink>> {
        let is_wanted = |room: &RoomId| self.rooms.contains(&room.0);
        if !self.rooms.is_empty() && !room.is_some_and(is_wanted) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Some(Box::new(Shelved {
            number,
            name: Some(format!("{}-{number}.trace", session.0)),
            is_over: Arc::default(),
            writer: self.writer.clone(),
        }))
    }

    /// Waits until all is written, but not for long.
    pub(crate) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.writer.try_send(Part::Stop(done)).is_ok() {
            let _ = tokio::time::timeout(LAST_WORDS, ended).await;
        }
    }
}

/// One trace's way to its file.
struct Shelved {
    number: u64,
    /// Its name, until there is something to be written.
    name: Option<String>,
    /// It cannot be written.
    is_over: Arc<AtomicBool>,
    writer: SyncSender<Part>,
}

impl Sink for Shelved {
    fn write(&mut self, block: Vec<u8>) -> bool {
        if let Some(name) = self.name.take() {
            let (number, is_over) = (self.number, Arc::clone(&self.is_over));
            let begins = Part::Begins {
                number,
                name,
                is_over,
            };
            if self.writer.try_send(begins).is_err() {
                return false;
            }
        }
        let part = Part::Block(self.number, block);
        !self.is_over.load(Ordering::Relaxed) && self.writer.try_send(part).is_ok()
    }
}

impl Drop for Shelved {
    fn drop(&mut self) {
        if self.writer.try_send(Part::Ends(self.number)).is_err() {
            // Whoever makes room looks.
            self.is_over.store(true, Ordering::Relaxed);
        }
    }
}

/// The files.
struct Shelf {
    directory: PathBuf,
    /// All of this start of the server, the oldest first.
    files: VecDeque<(u64, PathBuf)>,
    open: HashMap<u64, (File, Arc<AtomicBool>)>,
    complaints: Seldom,
}

impl Shelf {
    fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            files: VecDeque::new(),
            open: HashMap::new(),
            complaints: Seldom::default(),
        }
    }

    fn fill(mut self, parts: &Receiver<Part>) {
        for part in parts {
            match part {
                Part::Begins {
                    number,
                    name,
                    is_over,
                } => self.begin(number, &name, is_over),
                Part::Block(number, block) => self.write(number, &block),
                Part::Ends(number) => _ = self.open.remove(&number),
                Part::Stop(done) => {
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    fn begin(&mut self, number: u64, name: &str, is_over: Arc<AtomicBool>) {
        if !self.make_room() {
            is_over.store(true, Ordering::Relaxed);
            return self.complain("as many are written as may be at a time");
        }
        let path = self.directory.join(name);
        let mut options = OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => {
                self.files.push_back((number, path));
                self.open.insert(number, (file, is_over));
            }
            Err(error) => {
                is_over.store(true, Ordering::Relaxed);
                self.complain(&error.to_string());
            }
        }
    }

    /// Whether there may be one more file.
    fn make_room(&mut self) -> bool {
        if self.files.len() < MAX_FILES {
            return true;
        }
        self.open
            .retain(|_, (_, is_over)| !is_over.load(Ordering::Relaxed));
        let open = &self.open;
        let complete = (self.files.iter()).position(|(number, _)| !open.contains_key(number));
        let Some((_, path)) = complete.and_then(|at| self.files.remove(at)) else {
            return false;
        };
        // Somebody may have taken it away.
        let _ = std::fs::remove_file(path);
        true
    }

    fn write(&mut self, number: u64, block: &[u8]) {
        let Some((file, is_over)) = self.open.get_mut(&number) else {
            return;
        };
        if let Err(error) = file.write_all(block) {
            is_over.store(true, Ordering::Relaxed);
            self.open.remove(&number);
            self.complain(&error.to_string());
        }
    }

    fn complain(&self, reason: &str) {
        if let Some(others) = self.complaints.admit(Instant::now()) {
            tracing::warn!(reason, others, "a trace is not written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let files = std::fs::read_dir(directory).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn directory(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("ferrite-{name}-{}", std::process::id()))
    }

    #[tokio::test]
    async fn the_oldest_makes_room_that_is_complete() {
        let directory = directory("shelf");
        let traces = Traces::start(&directory, Vec::new()).unwrap();
        let session = SessionId("s".to_owned());
        let begin = || {
            let mut sink = traces.of(&session, None).unwrap();
            assert!(sink.write(b"first".to_vec()));
            sink
        };
        // There is nothing of one that nothing is written of.
        drop(traces.of(&session, None));
        let first = begin();
        let others: Vec<_> = (1..MAX_FILES).map(|_| begin()).collect();
        // None of them is complete yet.
        let mut refused = traces.of(&session, None).unwrap();
        // More at once would fill the queue, which is another reason to refuse.
        while refused.write(Vec::new()) {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(others);
        drop((begin(), first));
        traces.close().await;
        let (names, name) = (names(&directory), |number| format!("s-{number}.trace"));
        assert_eq!(names.len(), MAX_FILES);
        assert!(names.contains(&name(2)) && ![1, 3].map(name).iter().any(|it| names.contains(it)));
        assert_eq!(std::fs::read(directory.join(name(2))).unwrap(), b"first");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test]
    async fn of_rooms_that_are_named_alone_traces_are_written() {
        let directory = directory("rooms");
        let traces = Traces::start(&directory, vec!["kitchen".to_owned()]).unwrap();
        let session = SessionId("s".to_owned());
        let of = |room: Option<&str>| {
            let room = room.map(|room| RoomId(room.to_owned()));
            traces.of(&session, room.as_ref()).is_some()
        };
        assert_eq!(
            [None, Some("cellar"), Some("kitchen")].map(of),
            [false, false, true]
        );
        traces.close().await;
        std::fs::remove_dir_all(directory).unwrap();
    }
}
