//! Calls over a network of the laboratory, and what they say of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use super::nat64;
use super::place::{INSIDE, Place, SERVER, SERVER_V6, inside};
use super::rows::{Expected, Nat, Row, Site, UDP};
use crate::authority::Authority;
use crate::load::percentile;
use crate::native::NativeRoom;
use crate::{Browser, BrowserOptions, Firefox, Scene, Server, artefacts, machine, scene_on, wait};

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Caller {
    /// Chromium, with the client that the server gives out.
    Chromium,
    /// Firefox, likewise.
    Firefox,
    /// A program on `webrtc`'s peer connection, which has UDP only.
    Native,
}

impl Caller {
    /// Whether there is anything that this one could do there. In Firefox the client does not see why a call fails
    /// while a driver runs it.
    #[must_use]
    pub fn fits(self, row: &Row) -> bool {
        let by_udp = matches!(row.expected, Expected::Connects(_, ways) if ways.starts_with(UDP));
        match self {
            Self::Chromium => true,
            Self::Firefox => match row.expected {
                Expected::Connects(..) => !row.moves,
                Expected::Fails(_) => false,
            },
            Self::Native => by_udp && row.has_ipv4 && row.nat != Nat::Six && !row.moves,
        }
    }
}

/// The server's name, where one is asked for.
const NAME: &str = "ferrite.test";

/// What a page has at first, one after the other, until it has a data channel.
const STEPS: [&str; 4] = ["WebSocket", "answer", "ICE", "DTLS"];

/// When it had each of them, since it began. Without those that it was not seen to have.
type Steps = [Option<Duration>; STEPS.len()];

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// It connected by this way, after this time and with these steps; or, where the client moved, went on after it.
    Connected(String, Duration, Steps),
    /// It did not, for this cause, which people were told with these words.
    Failed(String, String),
}

/// What came of a row.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Each call.
    pub calls: Vec<Call>,
}

impl Outcome {
    /// The ways that calls took, each once, in order.
    #[must_use]
    pub fn ways(&self) -> Vec<&str> {
        let mut ways: Vec<_> = (self.calls.iter())
            .map(|call| match call {
                Call::Connected(way, ..) => way.as_str(),
                Call::Failed(cause, _) => cause.as_str(),
            })
            .collect();
        ways.sort_unstable();
        ways.dedup();
        ways
    }

    /// The time within which this share of them connected, if all did.
    #[must_use]
    pub fn within(&self, percent: usize) -> Option<Duration> {
        let times = self.calls.iter().map(|call| match call {
            Call::Connected(_, time, _) => Some(*time),
            Call::Failed(..) => None,
        });
        let times: Vec<_> = times.collect::<Option<_>>()?;
        Some(percentile(&times, percent))
    }

    /// How long each step took of those calls that had all of them, and the data channel after it: the share of them
    /// that was as fast.
    #[must_use]
    pub fn steps_within(&self, percent: usize) -> Vec<(&'static str, Duration)> {
        let whole = self.calls.iter().filter_map(|call| match call {
            Call::Connected(_, time, steps) => {
                let mut at: Vec<_> = steps.iter().copied().collect::<Option<_>>()?;
                at.push(*time);
                Some(at)
            }
            Call::Failed(..) => None,
        });
        let whole: Vec<_> = whole.collect();
        if whole.is_empty() {
            return Vec::new();
        }
        let names = STEPS.into_iter().chain(["channel"]).enumerate();
        let times = names.map(|(step, name)| {
            let took = |at: &Vec<Duration>| {
                let before = step
                    .checked_sub(1)
                    .map_or(Duration::ZERO, |before| at[before]);
                at[step].saturating_sub(before)
            };
            let times: Vec<_> = whole.iter().map(took).collect();
            (name, percentile(&times, percent))
        });
        times.collect()
    }

    /// What people were told, where it did not connect.
    #[must_use]
    pub fn told(&self) -> Option<&str> {
        self.calls.iter().find_map(|call| match call {
            Call::Connected(..) => None,
            Call::Failed(_, words) => Some(words.as_str()),
        })
    }

    /// Whether calls took another way than they should, or failed for another cause, in a sentence.
    #[must_use]
    pub fn went_wrong(&self, expected: Expected) -> Option<String> {
        let ways = self.ways();
        let right = match expected {
            Expected::Fails(cause) => ways == [cause],
            Expected::Connects(_, by) => ways.iter().all(|way| by.contains(way)),
        };
        let told = self.told().unwrap_or_default();
        (!right).then(|| format!("{ways:?} {told}, not {expected:?}"))
    }

    /// Whether more than one call of twenty took longer than it may, in a sentence.
    #[must_use]
    pub fn took_long(&self, expected: Expected) -> Option<String> {
        let Expected::Connects(limit, _) = expected else {
            return None;
        };
        let time = self.within(95).filter(|time| *time > limit)?;
        Some(format!("takes {time:?}, not {limit:?}"))
    }
}

/// Builds a row's network, and calls so many times, one after another.
pub fn run(row: &Row, caller: Caller, calls: usize) -> Result<Outcome> {
    let mut outcome = Outcome { calls: Vec::new() };
    inside(row, async |place| {
        let _machine = machine::shared().await?;
        let dir = artefacts::fresh(&format!("lab/{}", file_name(row.name)))?;
        let authority = Authority::new()?;
        // Firefox opens no relays over TLS by their address.
        let named = match caller {
            Caller::Firefox if row.firewall.is_sealed() => NAME,
            Caller::Firefox | Caller::Chromium | Caller::Native => SERVER,
        };
        let certificate = authority.vouch(named, &dir)?;
        let server = start(row, place, &dir, &certificate).await?;
        let server = server.reached_at(SERVER, named);
        if caller == Caller::Native {
            for _ in 0..calls {
                outcome.calls.push(natively(&server).await);
            }
            return Ok(());
        }
        let page = Page::open(caller, &dir, &server, &authority).await?;
        for _ in 0..calls {
            outcome.calls.push(match row.moves {
                false => page.call().await?,
                true => page.move_on(place).await?,
            });
        }
        page.close().await
    })?;
    Ok(outcome)
}

/// Builds a row's network, and plays a scene with a server and a browser at its ends.
pub fn scene_over(
    row: &Row,
    name: &str,
    play: impl AsyncFnOnce(&mut Scene) -> Result<()> + Send,
) -> Result<()> {
    inside(row, async |place| {
        let dir = artefacts::fresh(name)?;
        let certificate = Authority::new()?.vouch(SERVER, &dir)?;
        let server = start(row, place, &dir, &certificate).await?;
        let options = chromium(&server);
        scene_on(server, dir, &options, play).await
    })
}

fn file_name(name: &str) -> String {
    name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_")
}

/// The server, where a row has it, with the files of a certificate and its key.
async fn start(row: &Row, place: &Place, dir: &Path, certificate: &[PathBuf; 2]) -> Result<Server> {
    let own = match row.site {
        _ if !row.has_ipv4 => format!("[{SERVER_V6}]"),
        Site::Public => SERVER.to_owned(),
        Site::Behind => INSIDE.to_owned(),
    };
    let [cert, key] = certificate
        .each_ref()
        .map(|path| path.to_str().context("a path in UTF-8"));
    let tls = ["--tls-cert", cert?, "--tls-key", key?];
    let (port, tls) = match row.firewall.is_sealed() {
        true => (443, &tls[..]),
        false => (8080, &[][..]),
    };
    let external = match row.site {
        Site::Public => &[][..],
        Site::Behind => &["--external-ip", SERVER][..],
    };
    let (listen, flags) = (format!("{own}:{port}"), [tls, external].concat());
    let start = async || Server::start_at(dir, &listen, &flags).await;
    let server = place.at_server(start).await?;
    let server = server.reached_at(INSIDE, SERVER);
    Ok(match row.nat {
        // As a resolver of such a network would have it (RFC 6147).
        Nat::Six => {
            let own = nat64::mapped(SERVER.parse()?);
            server.reached_at(SERVER, &format!("[{own}]"))
        }
        _ => server,
    })
}

fn chromium(server: &Server) -> BrowserOptions {
    let options = BrowserOptions {
        // Nobody that it knows vouches for the certificate.
        flags: vec!["--ignore-certificate-errors".to_owned()],
        no_loopback: true,
        ..BrowserOptions::default()
    };
    options.trusting(&server.url(""))
}

/// A page of the server's with the client in it, and nothing else.
enum Page {
    Chromium(Box<Browser>),
    Firefox(Box<Firefox>),
}

impl Page {
    async fn open(
        caller: Caller,
        dir: &Path,
        server: &Server,
        authority: &Authority,
    ) -> Result<Self> {
        let url = server.url("/healthz");
        let page = match caller {
            Caller::Firefox => {
                let firefox = match server.url("").contains(NAME) {
                    true => Firefox::start_with_names(dir, SERVER).await?,
                    false => Firefox::start(dir).await?,
                };
                firefox.believe(&authority.certificate()).await?;
                firefox.open(&url).await?;
                Self::Firefox(Box::new(firefox))
            }
            Caller::Chromium | Caller::Native => {
                let browser = Browser::start(dir, &chromium(server)).await?;
                browser.open(&url).await?;
                Self::Chromium(Box::new(browser))
            }
        };
        page.run(CLIENT).await?;
        Ok(page)
    }

    async fn run(&self, body: &str) -> Result<Value> {
        match self {
            Self::Chromium(browser) => browser.run(body, vec![]).await,
            Self::Firefox(firefox) => firefox.run(body, vec![]).await,
        }
    }

    async fn call(&self) -> Result<Call> {
        read(&self.run("return await call();").await?)
    }

    /// The client moves during a call, and goes on.
    async fn move_on(&self, place: &mut Place) -> Result<Call> {
        self.run("await begin();").await?;
        place.move_client()?;
        read(&self.run("return await goOn();").await?)
    }

    async fn close(self) -> Result<()> {
        match self {
            Self::Chromium(browser) => browser.close().await,
            Self::Firefox(firefox) => firefox.close().await,
        }
    }
}

/// What a call in a page returns: `[way, ms, [ms of each step]]`, or `[cause, words]`.
fn read(said: &Value) -> Result<Call> {
    let text = |at: usize| said[at].as_str().map(str::to_owned);
    match (text(0), said[1].as_f64(), text(1)) {
        (Some(way), Some(took), _) => {
            let ms = |ms: f64| Duration::from_secs_f64(ms / 1000.0);
            let steps = std::array::from_fn(|at| said[2][at].as_f64().map(ms));
            Ok(Call::Connected(way, ms(took), steps))
        }
        (Some(cause), _, Some(words)) => Ok(Call::Failed(cause, words)),
        _ => bail!("the page said {said}"),
    }
}

/// The way is the kind of candidate and the protocol at this end.
const CLIENT: &str = r"
    // When the call that began last had each step first.
    let began = 0, steps = [];
    const note = (step) => steps[step] ??= performance.now() - began;
    window.WebSocket = class extends WebSocket {
        constructor(...given) {
            super(...given);
            this.addEventListener('open', () => note(0));
        }
    };
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(configuration) {
            super(configuration);
            window.connection = this;
            const has = (state) => ['connected', 'completed'].includes(state);
            this.addEventListener('signalingstatechange', () => this.remoteDescription && note(1));
            this.addEventListener('iceconnectionstatechange', () => has(this.iceConnectionState) && note(2));
            this.addEventListener('connectionstatechange', () => has(this.connectionState) && note(3));
        }
    };
    const { default: init, FerriteClient } = await import('/ferrite_client.js');
    await init();
    // As whoever calls has: a browser that was let have a microphone tells a page of every network it is in.
    await navigator.mediaDevices.getUserMedia({ audio: true });
    // From the browser itself: what a driver runs in Firefox does not see into statistics that another script got.
    const way = async () => {
        for (;;) {
            const stats = await window.connection.getStats();
            const transport = [...stats.values()].find(({ type }) => type === 'transport');
            const pair = stats.get(transport?.selectedCandidatePairId);
            const local = stats.get(pair?.localCandidateId);
            if (local) return `${local.candidateType} ${local.relayProtocol || local.protocol}`;
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
    };
    const cause = ({ why, code, message }) => [why ?? code, message];
    window.call = async () => {
        [began, steps] = [performance.now(), []];
        const client = new FerriteClient();
        // What is told first is what people see.
        const told = new Promise((resolve) =>
            client.on('status', ({ problem }) => problem?.why && resolve(cause(problem))));
        const called = began;
        const connected = client.start().then(() => performance.now() - called);
        try {
            const took = await Promise.race([connected, told]);
            return typeof took === 'number' ? [await way(), took, [...steps]] : took;
        } catch (error) {
            return cause(error);
        } finally {
            connected.catch(() => {});
            client.close();
        }
    };

    // A call in which something comes back every few milliseconds, and when the last of it did.
    let moving;
    window.begin = async () => {
        const client = new FerriteClient();
        await client.start();
        moving = { client, last: performance.now(), gap: 0 };
        client.on('message', () => {
            const now = performance.now();
            moving.gap = Math.max(moving.gap, now - moving.last);
            moving.last = now;
        });
        moving.timer = setInterval(() => client.send('on').catch(() => {}), 20);
        const began = performance.now();
        while (moving.last < began + 200) await new Promise((resolve) => setTimeout(resolve, 20));
        moving.gap = 0;
    };
    window.goOn = async () => {
        const began = performance.now();
        const { client } = moving;
        // A gap comes, and ends.
        while (moving.gap < 100 && performance.now() < began + 30000)
            await new Promise((resolve) => setTimeout(resolve, 20));
        clearInterval(moving.timer);
        try {
            return moving.gap < 100 ? ['nothing', 'nothing came after the change'] : [await way(), moving.gap];
        } finally {
            client.close();
        }
    };
";

async fn natively(server: &Server) -> Call {
    let began = Instant::now();
    let enter = NativeRoom::enter(server.address(), "lab", "native", None, &[]);
    match tokio::time::timeout(wait::PATIENCE, enter).await {
        Ok(Ok(room)) => {
            let took = began.elapsed();
            // It has what it came for.
            drop(room.leave().await);
            Call::Connected("host udp".to_owned(), took, Steps::default())
        }
        Ok(Err(error)) => Call::Failed("failed".to_owned(), format!("{error:#}")),
        Err(_) => Call::Failed("nothing".to_owned(), "does not connect".to_owned()),
    }
}
