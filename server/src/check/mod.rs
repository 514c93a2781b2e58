//! The server's test of itself: whether what is told to clients can be reached, whether a relay relays, and whether
//! the machine gives what the settings need. `ferrite check` prints it, and the server's start logs its short form.
//!
//! | module | what lives there |
//! |---|---|
//! | `report` | rows, and how they are shown |
//! | `verdicts` | what a finding means, and what to do about it. Pure |
//! | `ports` | whether the ports of the settings can be had, and who has them |
//! | `target` | the server that is asked, and where |
//! | `line` | what a server is spoken to over: datagrams or a stream |
//! | `relaying` | an allocation, and a packet through it and back |
//! | `sealed` | TLS's handshake, and the certificate that is shown |
//! | `dtls` | DTLS's handshake |
//! | `others` | the servers of the settings and of their provider |
//! | `front` | the front door |
//! | `machine` | clock, files, sockets and directory |
//!
//! All that it sends goes to this server's own addresses, to the STUN and TURN servers of its settings, and to
//! the provider that names such.

use crate::{Config, Server, StartError};

mod dtls;
mod front;
mod line;
mod machine;
mod others;
mod ports;
mod relaying;
mod report;
mod sealed;
mod target;
mod verdicts;

pub use self::machine::files_wanted;
pub use self::report::{Report, Row, Status};
pub use self::target::Target;

use self::machine::Clock;
use self::ports::{Found, Ports};
use crate::provider::Provider;

/// Tests a server with these settings: the one that runs on its ports, or else one that is started for it.
pub async fn check(config: Config) -> Report {
    let clock = Clock::look();
    let Ports { found, asked } = ports::look(&config).await;
    let ports = asked.iter().map(|port| verdicts::port(port, found));
    let mut report = Report::new(found == Found::Running, ports.collect());
    let (rows, server) = match found {
        Found::Free => of_another(&config).await,
        Found::Running => (of_that(&config).await, None),
        Found::Taken => (verdicts::untested(), None),
    };
    report.add(rows);
    // While it runs: one of them may lead to it.
    report.add(of_others(&config).await);
    if let Some(server) = server {
        server.shutdown().await;
    }
    report.add(machine::look(&config, clock));
    report
}

/// Tests a server that runs.
async fn of_that(config: &Config) -> Vec<Row> {
    let mut rows = Target::running(config).test().await;
    if config.media.asks_for_its_address() {
        rows.push(verdicts::unknown_external());
    }
    rows
}

/// Starts a server, and tests it.
async fn of_another(config: &Config) -> (Vec<Row>, Option<Server>) {
    let mut config = config.clone();
    // Its database may be in use, and whoever runs the test may not be who runs the server.
    config.data.directory = None;
    match Server::start(config.clone()).await {
        Ok(server) => {
            let mut rows = Target::of(&server).test().await;
            if config.media.asks_for_its_address() {
                rows.push(verdicts::external(server.external()));
            }
            (rows, Some(server))
        }
        Err(error) => (not_started(&error), None),
    }
}

/// What their provider says, if there is one, and what each URL gives of the servers that it or the settings name: whatever
/// becomes of this one.
async fn of_others(config: &Config) -> Vec<Row> {
    let (mut named, mut rows) = (config.turn.ice_servers(), Vec::new());
    if let Some(provider) = Provider::new(config) {
        let found = provider.fetch().await;
        rows.push(verdicts::provider(&found));
        named.extend(found.into_iter().flatten());
    }
    let tried = others::ask(&named).await;
    let tried = tried.iter();
    rows.extend(tried.map(|it| verdicts::ice_server(it.url, it.over, &it.found)));
    rows
}

fn not_started(error: &StartError) -> Vec<Row> {
    let mut rows = vec![verdicts::not_started(&error.to_string())];
    rows.extend(verdicts::untested());
    rows
}
