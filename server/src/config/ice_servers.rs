//! Other STUN and TURN servers, as the settings name them, and where a provider hands such out. No refusal shows a
//! password, and no line of the log a key.

use std::fmt;
use std::fs;

use axum::http::Uri;
use axum::http::uri::{Authority, Scheme};
use ferrite_protocol::IceServer;

use super::value::Value;

/// Servers of a flag, a variable, or tables.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IceServers(Vec<IceServer>);

impl IceServers {
    pub(super) fn servers(&self) -> impl Iterator<Item = &IceServer> {
        self.0.iter()
    }
}

impl fmt::Debug for IceServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.0.iter().flat_map(|server| &server.urls);
        f.debug_list().entries(urls).finish()
    }
}

impl Value for IceServers {
    const SEVERAL: bool = true;
    const TABLES: bool = true;

    fn read(texts: &[&str]) -> Result<Self, String> {
        let mut servers = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let read = read_servers(text);
            servers.extend(read.map_err(|problem| format!("entry {}: {problem}", at + 1))?);
        }
        Ok(Self(servers))
    }

    fn show(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
impl IceServers {
    pub(crate) fn of(json: &str) -> Result<Self, String> {
        Self::read(&[json])
    }
}

/// Servers of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceServersFile(IceServers);

impl IceServersFile {
    pub(super) fn servers(&self) -> impl Iterator<Item = &IceServer> {
        self.0.servers()
    }
}

impl Value for IceServersFile {
    fn read(texts: &[&str]) -> Result<Self, String> {
        let [path] = texts else {
            return Err(format!("{} values: give one", texts.len()));
        };
        let unreadable = |error| format!("{path} cannot be read: {error}");
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let servers = read_servers(&text).map_err(|problem| format!("{path}: {problem}"))?;
        Ok(Self(IceServers(servers)))
    }

    fn show(&self) -> Option<String> {
        None
    }
}

const EXAMPLE: &str = r#"give JSON such as {"urls": ["turn:HOST:3478"], "username": "NAME", "credential": "PASSWORD"}"#;

/// One server or several, whose `urls` may be a single one, as browsers take them.
pub(crate) fn read_servers(text: &str) -> Result<Vec<IceServer>, String> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Several<T> {
        Many(Vec<T>),
        One(T),
    }
    impl<T> Several<T> {
        fn all(self) -> Vec<T> {
            match self {
                Self::Many(many) => many,
                Self::One(one) => vec![one],
            }
        }
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Server {
        urls: Several<String>,
        username: Option<String>,
        credential: Option<String>,
    }
    // What serde says would show what was written.
    let servers: Several<Server> = serde_json::from_str(text).map_err(|_| EXAMPLE)?;
    servers
        .all()
        .into_iter()
        .map(|server| {
            check(IceServer {
                urls: server.urls.all(),
                username: server.username,
                credential: server.credential,
            })
        })
        .collect()
}

/// A browser refuses all servers for one that is wrong.
fn check(server: IceServer) -> Result<IceServer, String> {
    let scheme = |url: &String| url.split_once(':').map(|(scheme, _)| scheme.to_owned());
    let schemes: Option<Vec<_>> = server.urls.iter().map(scheme).collect();
    let schemes = schemes
        .filter(|schemes| !schemes.is_empty())
        .ok_or(EXAMPLE)?;
    if let Some(other) = schemes
        .iter()
        .find(|scheme| !SCHEMES.contains(&scheme.as_str()))
    {
        return Err(format!(
            "{other}: is none of stun:, stuns:, turn: and turns:"
        ));
    }
    if let Some(wrong) = server.urls.iter().find(|url| !is_url(url)) {
        return Err(format!(
            "{wrong:?}: write it as turn:HOST:PORT?transport=tcp or stun:HOST:PORT"
        ));
    }
    let is_turn = schemes.iter().any(|scheme| scheme.starts_with("turn"));
    if is_turn && (server.username.is_none() || server.credential.is_none()) {
        return Err("a turn: server needs username and credential".to_owned());
    }
    Ok(server)
}

/// As browsers read them (RFC 7064 §3.1, RFC 7065 §3.1).
fn is_url(url: &str) -> bool {
    let (scheme, rest) = url.split_once(':').unwrap_or_default();
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let has_port = place
        .rsplit(']')
        .next()
        .is_some_and(|end| end.contains(':'));
    let is_place = |it: Authority| !it.host().is_empty() && (!has_port || it.port_u16().is_some());
    let is_query = |query| scheme.starts_with("turn") && TRANSPORTS.contains(&query);
    !place.contains('@') && place.parse().is_ok_and(is_place) && query.is_none_or(is_query)
}

const TRANSPORTS: [&str; 2] = ["transport=udp", "transport=tcp"];

const SCHEMES: [&str; 4] = ["stun", "stuns", "turn", "turns"];

/// Where a provider hands servers out. It may have a key in it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderUrl(String);

impl ProviderUrl {
    pub(crate) fn url(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProviderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderUrl")
    }
}

impl Value for Option<ProviderUrl> {
    fn read(texts: &[&str]) -> Result<Self, String> {
        let [text] = texts else {
            return Err(format!("{} values: give one", texts.len()));
        };
        // What was written is not shown.
        let uri: Option<Uri> = text.parse().ok();
        let schemes = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)];
        // Nobody is told a name and a password before the place.
        let is_one = !text.contains('@')
            && uri.is_some_and(|uri| schemes.contains(&uri.scheme()) && uri.host().is_some());
        match is_one {
            true => Ok(Some(ProviderUrl((*text).to_owned()))),
            false => Err(
                "give a URL such as https://relay.example.org/credentials?apiKey=KEY".to_owned(),
            ),
        }
    }

    fn show(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_as_browsers_take_them() {
        let read = |text| read_servers(text).unwrap();
        let one = read(r#"{"urls": "stun:a:80"}"#);
        assert_eq!(
            (one.len(), &one[0].urls[..]),
            (1, &["stun:a:80".to_owned()][..])
        );
        let two = read(
            r#"[{"urls": "stun:a"}, {"urls": ["turn:a", "turns:a"], "username": "u", "credential": "c"}]"#,
        );
        assert_eq!((two.len(), two[1].username.as_deref()), (2, Some("u")));
        for wrong in [
            "",
            "stun:a",
            "{}",
            r#"{"urls": []}"#,
            r#"{"urls": "http://a"}"#,
            r#"{"urls": "turn:a"}"#,
            r#"{"urls": "turn:a", "username": "u"}"#,
            r#"{"urls": "stun:a", "password": "c"}"#,
        ] {
            assert!(read_servers(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_provider_is_at_a_url_which_nothing_shows() {
        let read = |text: &str| Option::<ProviderUrl>::read(&[text]);
        for right in ["https://a.example/x?apiKey=hush", "http://127.0.0.1:80"] {
            let url = read(right).unwrap();
            assert_eq!(url.as_ref().map(ProviderUrl::url), Some(right));
            assert_eq!(
                (format!("{url:?}").as_str(), url.show()),
                ("Some(ProviderUrl)", None)
            );
        }
        for wrong in [
            "",
            "hush",
            "a.example/hush",
            "ftp://a.example/hush",
            "https://",
            "https://a b/hush",
            "https://me:hush@a.example",
        ] {
            let refused = read(wrong).unwrap_err();
            assert!(wrong.is_empty() || !refused.contains("hush"), "{refused}");
        }
    }
}
