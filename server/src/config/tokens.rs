//! The settings of tokens: keys, each as `NAME:SECRET`, or `NAME:FILE.pem` with a public key. No refusal
//! shows what was written, not even a name: who mixed the two up would find the secret in the log.

use std::fs;
use std::path::Path;

use super::declare::settings;
use super::value::{Single, Value};
use crate::auth::{Key, Keys};

const HINT: &str = "give NAME:SECRET, or NAME:FILE.pem with a public key";

settings! {
    /// Who may join rooms.
    pub struct Tokens {
        /// A key that tokens are signed with, as NAME:SECRET, or as NAME:FILE.pem with a public key.
        /// With any, nobody joins a room without a token. Others on this machine can see a command line:
        /// better use the variable, or --token-key-file
        pub keys: Keys = Keys::default(), "token-key", "NAME:SECRET";

        /// A file with further keys, one in each line, as for --token-key
        pub key_file: KeyFile = KeyFile::default(), "token-key-file", "FILE";

        /// Where there are token keys: who may enter a room that nobody is in, anybody whose token lets them join it,
        /// or creators, those whose token has roomCreate
        pub new_rooms: NewRooms = NewRooms::Anybody, "new-rooms", "WHO";
    }
}

/// Who may enter a room that nobody is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewRooms {
    /// Who may join it.
    Anybody,
    /// Whose token lets them create rooms.
    Creators,
}

impl Single for NewRooms {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "anybody" => Ok(Self::Anybody),
            "creators" => Ok(Self::Creators),
            _ => Err("give anybody or creators".to_owned()),
        }
    }

    fn show(&self) -> String {
        let name = match self {
            Self::Anybody => "anybody",
            Self::Creators => "creators",
        };
        name.to_owned()
    }
}

impl Tokens {
    /// The keys of both; of two with one name, the file's is left out.
    #[must_use]
    pub fn all(&self) -> Keys {
        self.keys.clone().or(self.key_file.0.clone())
    }
}

/// The keys of a file.
#[derive(Clone, Debug, Default)]
pub struct KeyFile(Keys);

impl Value for Keys {
    const SEVERAL: bool = true;

    fn read(texts: &[&str]) -> Result<Self, String> {
        let written = texts.iter().flat_map(|text| text.split(','));
        let written = written.map(str::trim).filter(|text| !text.is_empty());
        let mut keys = Self::default();
        for (at, written) in written.enumerate() {
            let add = add(&mut keys, written, Path::new(""));
            add.map_err(|problem| format!("key {}: {problem}", at + 1))?;
        }
        some(keys)
    }

    fn show(&self) -> Option<String> {
        None
    }
}

impl Value for KeyFile {
    fn read(texts: &[&str]) -> Result<Self, String> {
        let [path] = texts else {
            return Err(format!("{} values: give one", texts.len()));
        };
        let path = Path::new(path);
        let beside = path.parent().unwrap_or_else(|| Path::new(""));
        let mut keys = Keys::default();
        // Its name is not shown: it may be a key by mistake.
        let unreadable = |error| format!("the file cannot be read: {error}");
        let text = fs::read_to_string(path).map_err(unreadable)?;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let place = |problem| format!("line {} of {}: {problem}", at + 1, path.display());
            add(&mut keys, line, beside).map_err(place)?;
        }
        some(keys).map(Self)
    }

    fn show(&self) -> Option<String> {
        None
    }
}

/// A server that was to have keys must not come up with open rooms.
fn some(keys: Keys) -> Result<Keys, String> {
    match keys.is_empty() {
        true => Err(format!("there is no key: {HINT}")),
        false => Ok(keys),
    }
}

/// Adds a key as it is written. Its file is looked for beside the one that names it.
fn add(keys: &mut Keys, written: &str, beside: &Path) -> Result<(), String> {
    let (name, value) = written.split_once(':').ok_or(HINT)?;
    let value = value.trim();
    let key = match Path::new(value).extension() {
        Some(extension) if extension == "pem" => Key::public(&public_key(&beside.join(value))?),
        _ => Key::secret(value),
    };
    let added = key.and_then(|key| keys.add(name.trim(), key));
    added.map_err(|error| error.to_string())
}

fn public_key(path: &Path) -> Result<String, String> {
    let unreadable = |error| format!("{} cannot be read: {error}", path.display());
    fs::read_to_string(path).map_err(unreadable)
}
