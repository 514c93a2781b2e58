//! Webhooks: a project's owner is told that its quota runs out. What is to be told is the ledger's, and stays there
//! until it was told or cannot be; nothing here waits in anybody's way.
//!
//! | module | what lives there |
//! |---|---|
//! | `schedule` | when each is told, and told again. No clock, no network |
//! | `letter` | what is told, and its signature |
//! | `post` | one call |

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::unix_time;
use crate::ledger::{Ledger, Unavailable};

mod letter;
mod post;
mod schedule;

use letter::Letter;
use post::{Post, Undelivered};
use schedule::{Fate, Schedule};

#[cfg(test)]
pub(crate) use schedule::{LONGEST_WAIT, MAX_AT_ONCE, MAX_TRIES};

/// What came of a call: which, and whether it was taken.
type Outcome = (String, Result<(), Undelivered>);

/// How long is waited before the ledger is asked again that did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Tells whoever is to be told, until `stop`.
pub(crate) async fn tell(ledger: Arc<Ledger>, stop: CancellationToken) {
    let mut teller = Teller::new(ledger);
    while !stop.is_cancelled() {
        if teller.begin().await.is_err() {
            let _ = timeout(ASK_AGAIN, stop.cancelled()).await;
            continue;
        }
        let wake = teller
            .schedule
            .next_wake()
            .map(tokio::time::Instant::from_std);
        tokio::select! {
            () = stop.cancelled() => {}
            () = teller.ledger.notices() => {}
            () = async { match wake {
                Some(wake) => tokio::time::sleep_until(wake).await,
                None => pending().await,
            } } => {}
            Some(ended) = teller.calls.join_next() => teller.note(ended.ok()),
        }
    }
}

struct Teller {
    ledger: Arc<Ledger>,
    post: Arc<Post>,
    schedule: Schedule,
    calls: JoinSet<Outcome>,
    /// What was told, or is given up, and the ledger has not settled yet.
    over: BTreeSet<String>,
}

impl Teller {
    fn new(ledger: Arc<Ledger>) -> Self {
        Self {
            ledger,
            post: Arc::default(),
            schedule: Schedule::default(),
            calls: JoinSet::new(),
            over: BTreeSet::new(),
        }
    }

    /// Has settled what is over, and begins the calls that are due.
    async fn begin(&mut self) -> Result<(), Unavailable> {
        self.follow().await?;
        while let Some(id) = self.schedule.take(Instant::now()) {
            let letter = match self.letter(id.clone()).await {
                Ok(letter) => letter,
                Err(error) => {
                    self.schedule.put_back(Instant::now(), &id);
                    return Err(error);
                }
            };
            let post = self.post.clone();
            self.calls.spawn(async move {
                let told = match letter {
                    Some(letter) => post.send(&letter, unix_time()).await,
                    None => Err(Undelivered::Nowhere),
                };
                (id, told)
            });
        }
        Ok(())
    }

    /// Has settled what is over, without which it would be told again, and learns what is to be told.
    async fn follow(&mut self) -> Result<(), Unavailable> {
        let over = self.over.clone();
        let noted = self.ledger.ask(move |book, _| {
            for id in &over {
                book.projects.settle(id);
            }
            let noted = book.projects.noted();
            noted
                .map(|(project, notice, is_written)| (notice.id(project), is_written))
                .collect()
        });
        let noted = noted.await?;
        self.over.clear();
        self.schedule.follow(Instant::now(), noted);
        Ok(())
    }

    /// What is told of a notice. `None` where there is nobody to tell any more.
    async fn letter(&self, wanted: String) -> Result<Option<Letter>, Unavailable> {
        let letter = self.ledger.ask(move |book, _| {
            let mut noted = book.projects.noted();
            let found = noted.find(|(project, notice, _)| notice.id(project) == wanted);
            found.and_then(|(project, notice, _)| Letter::new(project, notice))
        });
        letter.await
    }

    /// Takes what came of a call. Of one that failed to end nothing is known: it is as if nobody had answered.
    fn note(&mut self, outcome: Option<Outcome>) {
        let Some((id, told)) = outcome else {
            self.schedule.forget_calls(Instant::now());
            return;
        };
        let fate = match &told {
            Ok(()) => Fate::Over,
            Err(error) => {
                let fate = self.schedule.fail(Instant::now(), &id);
                match fate {
                    Fate::Again => tracing::debug!(id, %error, "a webhook was not told"),
                    Fate::Over => {
                        tracing::warn!(id, %error, "a webhook was not told, and is not tried again")
                    }
                }
                fate
            }
        };
        if fate == Fate::Over {
            self.schedule.end(&id);
            self.over.insert(id);
        }
    }
}

#[cfg(test)]
mod tests;
