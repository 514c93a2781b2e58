//! Webhooks: a project's owner is told that its quota runs out. What is to be told is the ledger's, and stays there
//! until it was told or cannot be; nothing here waits in anybody's way.
//!
//! | module | what lives there |
//! |---|---|
//! | `schedule` | when each is told, and told again. No clock, no network |
//! | `letter` | what is told, and its signature |
//! | `post` | one call over HTTP or HTTPS |

use std::future::pending;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ledger::Ledger;

mod letter;
mod post;
mod schedule;

use letter::Letter;
use post::{Post, Undelivered};
use schedule::{Fate, Schedule};

#[cfg(test)]
pub(crate) use post::PATIENCE;
#[cfg(test)]
pub(crate) use schedule::{LONGEST_WAIT, MAX_AT_ONCE, MAX_TRIES};

/// What came of a call: which, and whether it was taken.
type Outcome = (String, Result<(), Undelivered>);

/// Tells whoever is to be told, until `stop`.
pub(crate) async fn tell(ledger: Arc<Ledger>, stop: CancellationToken) {
    let mut teller = Teller {
        ledger,
        post: Arc::default(),
        schedule: Schedule::default(),
        calls: JoinSet::new(),
    };
    while !stop.is_cancelled() {
        teller.begin().await;
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
            Some(ended) = teller.calls.join_next() => teller.settle(ended.ok()).await,
        }
    }
}

struct Teller {
    ledger: Arc<Ledger>,
    post: Arc<Post>,
    schedule: Schedule,
    calls: JoinSet<Outcome>,
}

impl Teller {
    /// Begins the calls that are due.
    async fn begin(&mut self) {
        let ids = self.ledger.ask(|book, _| {
            let notices = book.projects.notices();
            notices
                .map(|(project, notice)| notice.id(project))
                .collect::<Vec<_>>()
        });
        // Who is not answered now asks again when the next is due.
        let Ok(ids) = ids.await else { return };
        self.schedule.follow(Instant::now(), ids);
        while let Some(id) = self.schedule.take(Instant::now()) {
            let wanted = id.clone();
            let letter = self.ledger.ask(move |book, _| {
                let mut notices = book.projects.notices();
                let found = notices.find(|(project, notice)| notice.id(project) == wanted);
                found.and_then(|(project, notice)| Letter::new(project, notice))
            });
            let letter = letter.await.ok().flatten();
            let post = self.post.clone();
            self.calls.spawn(async move {
                let told = match letter {
                    Some(letter) => post.send(&letter, unix_time()).await,
                    None => Err(Undelivered::Nowhere),
                };
                (id, told)
            });
        }
    }

    /// Takes what came of a call. Of one that failed to end nothing is known: it is as if nobody had answered.
    async fn settle(&mut self, outcome: Option<Outcome>) {
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
            // Where that cannot be written it is told once more: receivers know it by its id.
            let _ = self
                .ledger
                .ask(move |book, _| book.projects.settle(&id))
                .await;
        }
    }
}

fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
