//! What comes to the REST API of TURN credentials: an address with a query in the first line, and a body. It is from
//! strangers, and from tenants, who have a key and are no friends of each other.

use ferrite_server::ledger::Credential;
use ferrite_server::ledger::book::{Book, Filter, PAGE};
use ferrite_server::ledger::credential::Number;
use ferrite_server::ledger::project::{Project, Settings};
use ferrite_server::turn_api_inputs::read;

/// 2026-11-29, at noon.
const NOON: u64 = 1_795_953_600;

/// Reads the input as every call would, and does what each would do.
pub fn rest(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (address, body) = input.split_at(end.unwrap_or(input.len()));
    let address = String::from_utf8_lossy(address);
    let mut book = Book::default();
    let owners = tenant(&mut book, "owner's");
    let tenants = tenant(&mut book, "tenant's");
    let others = names(&book, Some(owners));
    let known = Settings {
        name: "known".to_owned(),
        ..Settings::default()
    };
    let body = body.get(1..).unwrap_or_default();
    let Some(inputs) = read(&address, body, (NOON, Some(tenants), known)) else {
        return;
    };
    if let Some(settings) = inputs.settings {
        check_settings(&mut book, tenants, settings);
    }
    if let Some(credential) = inputs.credential {
        check_credential(&mut book, tenants, &credential);
    }
    let listed = book.list(NOON, &inputs.filter, inputs.page.unwrap_or(1));
    assert!(listed.credentials.len() <= PAGE && listed.page >= 1);
    if let Some(username) = &inputs.username {
        // Whatever a tenant says, others keep what they have.
        assert!(book.delete_of(tenants, username).is_err() || !others.contains(username));
        let _ = (book.disable(username), book.enable(NOON, username));
    }
    assert_eq!(names(&book, Some(owners)), ["owner's"]);
}

fn project(name: &str) -> Project {
    Project {
        id: name.to_owned(),
        api_key: "key".to_owned(),
        webhook_secret: "secret".to_owned(),
        created: NOON,
        settings: Settings {
            name: name.to_owned(),
            ..Settings::default()
        },
        told: None,
        notices: Vec::new(),
    }
}

/// A project with a credential, which is called like it.
fn tenant(book: &mut Book, name: &str) -> Number {
    book.create_project(project(name)).unwrap();
    let number = book.projects.number(name).unwrap();
    let credential = Credential {
        username: name.to_owned(),
        password: "secret".to_owned(),
        api_key: "key".to_owned(),
        label: None,
        created: NOON,
        lifetime: None,
        enabled: true,
        project: Some(number),
    };
    book.create(NOON, credential).unwrap();
    number
}

fn names(book: &Book, project: Option<Number>) -> Vec<String> {
    let filter = Filter {
        all: true,
        label: None,
        project,
    };
    let listed = book.list(NOON, &filter, 1).credentials;
    listed.into_iter().map(|one| one.username).collect()
}

/// What is accepted makes sense, can be kept and read again, and is undone whole.
fn check_settings(book: &mut Book, number: Number, settings: Settings) {
    let name = settings.name.chars().count();
    assert!((1..100).contains(&name));
    assert!(settings.quota.is_none_or(|quota| quota >= 1 << 20));
    assert!(settings.emails.len() <= 10 && settings.emails.iter().all(|one| one.len() <= 254));
    if let Some(url) = &settings.webhook {
        // A scheme is the same in capitals (RFC 3986 §3.1).
        let scheme = url.to_ascii_lowercase();
        let is_http = scheme.starts_with("http://") || scheme.starts_with("https://");
        assert!(url.len() <= 1024 && is_http, "{url}");
    }
    let project = Project {
        settings: settings.clone(),
        ..project("kept")
    };
    let json = serde_json::to_vec(&project).unwrap();
    assert_eq!(serde_json::from_slice::<Project>(&json).unwrap(), project);
    book.note_written();
    let before = book.projects.get(number).cloned();
    if book.projects.update(number, settings).is_ok() {
        book.undo();
    }
    assert_eq!(book.projects.get(number).cloned(), before);
}

fn check_credential(book: &mut Book, tenants: Number, credential: &Credential) {
    assert!(credential.lifetime.is_none_or(|seconds| seconds > 0));
    assert!(
        credential
            .label
            .as_ref()
            .is_none_or(|label| label.len() <= 256)
    );
    let json = serde_json::to_vec(credential).unwrap();
    assert!(serde_json::from_slice::<Credential>(&json).unwrap() == *credential);
    book.create(NOON, credential.clone()).unwrap();
    assert!(!credential.is_expired(NOON));
    let best = book.best_of(NOON, tenants).unwrap();
    // One that is good for longer than time lasts is as good.
    assert!(best.expires().is_none_or(|expires| expires == u64::MAX));
    book.delete_of(tenants, &credential.username).unwrap();
}
