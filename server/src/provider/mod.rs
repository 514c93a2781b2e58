//! ICE servers that a provider hands out at a URL: fetched, kept, and fetched anew. Nobody waits for it: what is known
//! is told, and what comes later is told then. While the provider is down, what it said last holds.
//!
//! | module | what lives there |
//! |---|---|
//! | `answer` | what a provider's answer says |
//! | `pause` | when it is asked again |

use std::time::Duration;

use axum::http::Request;
use axum::http::header::{ACCEPT, AUTHORIZATION};
use bytes::Bytes;
use ferrite_protocol::IceServer;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::calling::{CallError, HttpClient};
use crate::config::{Config, RelayedCandidate};

mod answer;
mod pause;

pub(crate) use answer::MAX_BYTES;
#[cfg(test)]
pub(crate) use answer::MAX_URLS;
use answer::Nonsense;

/// How long the start waits for it, where it depends on what is said.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why nothing was learnt.
#[derive(Debug, Error)]
pub(crate) enum ProviderError {
    /// It does not answer, or refuses.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It answers something else.
    #[error(transparent)]
    Nonsense(#[from] Nonsense),
}

/// A provider, and how it is asked.
pub(crate) struct Provider {
    url: String,
    key: Option<String>,
    client: HttpClient,
}

impl Provider {
    /// The one of the settings, if they name one.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        Some(Self {
            url: config.turn.provider.as_ref()?.url().to_owned(),
            key: config.turn.provider_key(),
            client: HttpClient::default(),
        })
    }

    /// Asks it, once.
    pub(crate) async fn fetch(&self) -> Result<Vec<IceServer>, ProviderError> {
        let mut request = Request::get("/").header(ACCEPT, "application/json");
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let (body, most) = (Bytes::new(), MAX_BYTES);
        let called = self.client.call(&self.url, request, body, most);
        Ok(answer::read(&called.await?)?)
    }
}

/// Asks a provider again and again.
pub(crate) struct Follower {
    provider: Provider,
    every: Duration,
    /// What others are told after.
    configured: Vec<IceServer>,
    told: watch::Sender<Vec<IceServer>>,
}

impl Follower {
    /// Asks, and tells what is new, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            match stop.run_until_cancelled(self.provider.fetch()).await {
                None => return,
                Some(Ok(servers)) => {
                    failures = 0;
                    self.tell(servers);
                }
                Some(Err(error)) => {
                    failures += 1;
                    warn(failures, &error);
                }
            }
            let pause = pause::after(failures, self.every);
            if timeout(pause, stop.cancelled()).await.is_ok() {
                return;
            }
        }
    }

    fn tell(&self, provided: Vec<IceServer>) {
        let count = provided.len();
        let others = [&self.configured[..], &provided].concat();
        let is_news = self.told.send_if_modified(|known| {
            let is_news = *known != others;
            *known = others;
            is_news
        });
        if is_news {
            tracing::info!(count, "--ice-servers-url: the provider names these servers");
        }
    }
}

/// The servers of the settings, which are those of a provider, too, as soon as it has named them; and who asks it, if
/// there is one. It is asked beforehand where the start depends on what it says.
pub(crate) async fn others(config: &Config) -> (watch::Receiver<Vec<IceServer>>, Option<Follower>) {
    let configured = config.turn.ice_servers();
    let (told, others) = watch::channel(configured.clone());
    let Some(provider) = Provider::new(config) else {
        return (others, None);
    };
    let follower = Follower {
        provider,
        every: config.turn.provider_every,
        configured,
        told,
    };
    if config.media.asks_for_its_address()
        || config.turn.relayed_candidate == RelayedCandidate::Always
    {
        // Where that fails it is asked again at once, which says why.
        if let Ok(Ok(servers)) = timeout(PATIENCE, follower.provider.fetch()).await {
            follower.tell(servers);
        }
    }
    (others, Some(follower))
}

/// What follows a first failure is like it.
fn warn(failures: u32, error: &ProviderError) {
    const WHAT: &str = "--ice-servers-url: the provider was asked in vain; what it said last holds";
    match failures {
        1 => tracing::warn!(%error, "{WHAT}"),
        _ => tracing::debug!(%error, failures, "{WHAT}"),
    }
}
