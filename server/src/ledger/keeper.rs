//! The thread that owns the book and the database. Whoever wants something of it waits for an answer, and no shard
//! ever does: what shards have to know lies in [`Stored`], and what they have to tell in its meters.
//!
//! What is answered is on the disk. What comes while something is written is written together, next.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::{Notify, oneshot};

use super::book::{Book, Written};
use super::credential::{Credential, Number};
use super::database::{DataError, Database};
use super::project_keys::ProjectKeys;
use crate::clock::unix_time;
use crate::seldom::Seldom;
use crate::turn::meter::Owner;
use crate::turn::stored::{Stored, StoredUser};

/// Calls that wait at a time.
pub const MAX_WAITING: usize = 256;

/// How often meters are read.
const READ_EVERY: Duration = Duration::from_secs(1);

/// How often what they said is written, while relays go on. What was relayed since is lost if the process is killed.
pub const WRITE_EVERY: Duration = Duration::from_secs(5);

/// The rest is for a shard that tells its meters late, and a disk that is slow.
#[cfg(test)]
pub(crate) const LOST_AT_MOST: Duration = Duration::from_secs(10);

/// Why a call was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// Too many wait.
    #[error("too many calls wait for the database")]
    Busy,
    /// It could not be written, or the server is stopping.
    #[error("the database could not be written")]
    Unwritten,
}

/// What is told whoever waits, once it is known whether it was written.
type Answer = Box<dyn FnOnce(bool) + Send>;

/// Something to be done with the book at a second.
type Job = Box<dyn FnOnce(&mut Book, u64) -> Answer + Send>;

enum Mail {
    Job(Job),
    Close,
}

/// The door to the thread.
#[derive(Debug)]
pub struct Ledger {
    queue: SyncSender<Mail>,
    keys: Arc<ProjectKeys>,
    notices: Arc<Notify>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Ledger {
    /// Opens the database in a directory, if there is one, and puts what may be used into `stored`.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(directory: Option<&Path>, stored: Arc<Stored>) -> Result<Self, DataError> {
        let opened = directory.map(Database::open).transpose()?;
        let (database, written) = match opened {
            Some((database, written)) => (Some(database), written),
            None => (None, Written::default()),
        };
        let (book, keys) = (Book::read(written), Arc::<ProjectKeys>::default());
        let notices = Arc::<Notify>::default();
        let told = Told {
            stored,
            keys: keys.clone(),
            notices: notices.clone(),
        };
        let keeper = Keeper::new(book, database, told, (Instant::now(), unix_time()));
        let (queue, mail) = sync_channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("ledger".to_owned());
        let thread = thread.spawn(move || keeper.run(&mail));
        let thread = thread.map_err(|source| DataError::Unusable {
            path: directory.unwrap_or(Path::new("")).to_owned(),
            source,
        })?;
        Ok(Self {
            queue,
            keys,
            notices,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Does something with the book, and says what came of it when that is on the disk.
    ///
    /// # Errors
    /// When it is not: what was done is undone.
    pub async fn ask<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Book, u64) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |book, unix| {
            let said = act(book, unix);
            Box::new(move |is_written| {
                if is_written {
                    let _ = answer.send(said);
                }
            })
        });
        self.queue
            .try_send(Mail::Job(job))
            .map_err(|error| match error {
                TrySendError::Full(_) => Unavailable::Busy,
                TrySendError::Disconnected(_) => Unavailable::Unwritten,
            })?;
        answered.await.map_err(|_| Unavailable::Unwritten)
    }

    /// The project that a key is of, without waiting.
    pub fn project_of(&self, key: &str) -> Option<Number> {
        self.keys.find(key)
    }

    /// Waits until there may be something new that a webhook is to be told.
    pub async fn notices(&self) {
        self.notices.notified().await;
    }

    /// Writes what there is, and closes the database. Relays have to be over.
    pub async fn close(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let queue = self.queue.clone();
        let closing = tokio::task::spawn_blocking(move || {
            let _ = queue.send(Mail::Close);
            thread.is_none_or(|thread| thread.join().is_ok())
        });
        if !matches!(closing.await, Ok(true)) {
            tracing::error!("the database's thread failed");
        }
    }
}

/// Whoever is told what is in the book.
#[derive(Default)]
struct Told {
    stored: Arc<Stored>,
    keys: Arc<ProjectKeys>,
    notices: Arc<Notify>,
}

struct Keeper {
    book: Book,
    database: Option<Database>,
    stored: Arc<Stored>,
    keys: Arc<ProjectKeys>,
    notices: Arc<Notify>,
    /// When something was last written.
    written: Instant,
    failures: Seldom,
}

impl Keeper {
    fn new(
        mut book: Book,
        database: Option<Database>,
        told: Told,
        (now, unix): (Instant, u64),
    ) -> Self {
        let Told {
            stored,
            keys,
            notices,
        } = told;
        book.review(unix);
        keys.put(&book.projects);
        for (number, credential) in book.credentials() {
            publish(&stored, &book, number, credential);
        }
        Self {
            book,
            database,
            stored,
            keys,
            notices,
            written: now,
            failures: Seldom::default(),
        }
    }

    fn run(mut self, mail: &Receiver<Mail>) {
        loop {
            let first = mail.recv_timeout(READ_EVERY);
            let is_alone = matches!(first, Err(RecvTimeoutError::Disconnected));
            let (mut jobs, mut is_over) = (Vec::new(), is_alone);
            for mail in first.into_iter().chain(mail.try_iter().take(MAX_WAITING)) {
                match mail {
                    Mail::Job(job) => jobs.push(job),
                    Mail::Close => is_over = true,
                }
            }
            self.step(Instant::now(), unix_time(), jobs, is_over);
            if is_over {
                return;
            }
        }
    }

    /// Counts what was relayed, does what is wanted, writes what has to be, and answers.
    fn step(&mut self, now: Instant, unix: u64, jobs: Vec<Job>, is_over: bool) {
        let is_due = self.read_meters(now, unix) || is_over;
        // Who only reads what was written before need not wait for a disk.
        let jobs = jobs.into_iter().map(|job| {
            let answer = job(&mut self.book, unix);
            (answer, self.book.has_changed())
        });
        let answers: Vec<_> = jobs.collect();
        let is_written = !(is_due || self.book.has_changed()) || self.write(now);
        for (answer, has_changed) in answers {
            answer(is_written || !has_changed);
        }
    }

    /// Counts what was relayed. Says whether it is time to write that.
    fn read_meters(&mut self, now: Instant, unix: u64) -> bool {
        let meters = self.stored.meters();
        // What ended before this is read with the rest.
        let has_ended = meters.take_ended();
        for (payer, bytes) in meters.read() {
            self.book.count(unix, payer, bytes);
        }
        self.book.forget(unix);
        self.review(unix);
        let is_late = now.saturating_duration_since(self.written) >= WRITE_EVERY;
        let is_urgent = has_ended || self.book.projects.is_urgent();
        !self.book.is_written() && (is_urgent || is_late)
    }

    /// Switches off the credentials of projects whose quota is used up, and on when it is not any more. That waits for no
    /// disk: it follows from what was counted.
    fn review(&mut self, unix: u64) {
        let review = self.book.review(unix);
        for (project, percent) in review.reached {
            tracing::info!(project, percent, "a project's quota of TURN runs out");
        }
        for project in review.switched {
            for (number, credential) in self.book.credentials_of(project) {
                self.stored.remove(&credential.username);
                publish(&self.stored, &self.book, number, credential);
            }
        }
    }

    /// Writes what has not been. What that makes of credentials is so from then on.
    fn write(&mut self, now: Instant) -> bool {
        let database = self.database.as_mut();
        let result = database.map_or(Ok(()), |database| database.write(&self.book.writes()));
        if let Err(error) = result {
            if let Some(left_out) = self.failures.admit(now) {
                tracing::error!(%error, left_out, "TURN credentials and usage cannot be written");
            }
            self.book.undo();
            // What was relayed is late already: it is tried again in a second.
            return false;
        }
        self.written = now;
        for (number, username, credential) in self.book.changed() {
            self.stored.remove(username);
            if let Some(credential) = credential {
                publish(&self.stored, &self.book, number, credential);
            }
        }
        if self.book.projects.has_changed() {
            self.keys.put(&self.book.projects);
        }
        self.book.note_written();
        if self.book.projects.notices().next().is_some() {
            self.notices.notify_one();
        }
        true
    }
}

/// Lets a credential be used, if it may be.
fn publish(stored: &Stored, book: &Book, number: Number, credential: &Credential) {
    if book.is_usable(credential) {
        stored.put(StoredUser {
            username: credential.username.clone(),
            password: credential.password.clone(),
            api_key: credential.api_key.clone(),
            owner: Owner {
                number,
                project: credential.project,
            },
            expires: credential.expires(),
        });
    }
}

#[cfg(test)]
mod tests;
