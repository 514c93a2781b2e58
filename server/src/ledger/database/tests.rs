use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::ledger::credential::Credential;
use crate::ledger::project::{Project, QuotaExceeded, Settings};
use crate::ledger::projects::ProjectWrites;

/// A directory that goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ferrite-database-{}-{count}", std::process::id());
        Self(std::env::temp_dir().join(name).join("made"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn credential(name: &str) -> Credential {
    Credential {
        username: name.to_owned(),
        password: "secret".to_owned(),
        api_key: "key".to_owned(),
        label: Some("\u{1f41f} \" \0".to_owned()),
        created: 7,
        lifetime: Some(u64::MAX),
        enabled: false,
        project: Some(11),
    }
}

fn project(id: &str) -> Project {
    Project {
        id: id.to_owned(),
        api_key: "key".to_owned(),
        webhook_secret: "secret".to_owned(),
        created: 8,
        settings: Settings {
            name: "kitchen".to_owned(),
            quota: Some(u64::MAX),
            webhook: Some("https://a.example/".to_owned()),
            emails: vec!["a@b.example".to_owned()],
            action: QuotaExceeded::Notify,
        },
        told: None,
        notices: Vec::new(),
    }
}

#[test]
fn what_is_written_is_read_and_what_is_forgotten_is_not() {
    let scratch = Scratch::new();
    let (mut database, written) = Database::open(&scratch.0).unwrap();
    assert_eq!(written, Written::default());
    let day = Day(20_000);
    let mut writes = Writes {
        next: 9,
        credentials: vec![(3, Some(credential("a"))), (5, Some(credential("b")))],
        user_days: vec![
            ((day, 3), Some(1)),
            ((day, 5), Some(2)),
            ((Day(19_000), 5), Some(4)),
        ],
        line_days: vec![
            ((day, Line::Sessions), 6),
            ((day, Line::SharedSecret), 7),
            ((Day(18_999), Line::Sessions), 8),
        ],
        days: vec![(day, 3), (Day(19_000), 4)],
        forget: None,
        projects: ProjectWrites {
            projects: vec![(11, Some(project("a"))), (12, Some(project("b")))],
            days: vec![((day, 11), Some(9)), ((day, 12), Some(10))],
        },
    };
    database.write(&writes).unwrap();
    // Written again, it is the same.
    database.write(&writes).unwrap();
    writes.credentials = vec![(3, None)];
    writes.user_days = vec![((day, 3), None)];
    writes.projects.projects = vec![(12, None)];
    writes.projects.days = vec![((day, 12), None)];
    writes.forget = Some((Day(19_500), Day(19_000)));
    database.write(&writes).unwrap();
    drop(database);
    let (_, written) = Database::open(&scratch.0).unwrap();
    let expected = Written {
        next: 9,
        credentials: vec![(5, credential("b"))],
        user_days: vec![((day, 5), 2)],
        line_days: vec![((day, Line::Sessions), 6), ((day, Line::SharedSecret), 7)],
        days: vec![(Day(19_000), 4), (day, 3)],
        projects: vec![(11, project("a"))],
        project_days: vec![((day, 11), 9)],
    };
    assert_eq!(written, expected);
}

#[test]
fn after_an_error_it_is_opened_anew() {
    let scratch = Scratch::new();
    let (mut database, _) = Database::open(&scratch.0).unwrap();
    let write = |next| Writes {
        next,
        ..Writes::default()
    };
    database.write(&write(1)).unwrap();
    database.open = None;
    database.write(&write(2)).unwrap();
    drop(database);
    assert_eq!(Database::open(&scratch.0).unwrap().1.next, 2);
    let left: Vec<_> = std::fs::read_dir(&scratch.0).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing but the database: {left:?}");
}

#[test]
fn it_is_for_its_owner_alone_and_for_one_server() {
    let scratch = Scratch::new();
    let open = Database::open(&scratch.0).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&scratch.0), mode(&scratch.0.join(NAME))),
        (0o700, 0o600)
    );
    let second = Database::open(&scratch.0).unwrap_err();
    assert!(matches!(second, DataError::InUse(_)), "{second}");
    drop(open);
    Database::open(&scratch.0).unwrap();
}

#[test]
fn an_older_file_becomes_a_newer_one_in_one_step_or_not_at_all() {
    const EXTRA: TableDefinition<'_, u64, u64> = TableDefinition::new("extra");
    fn second(transaction: &WriteTransaction) -> Result<(), redb::Error> {
        transaction.open_table(EXTRA)?.insert(1, 2)?;
        Ok(())
    }
    fn fails(_: &WriteTransaction) -> Result<(), redb::Error> {
        Err(io::Error::other("power is gone").into())
    }
    let scratch = Scratch::new();
    let (mut database, _) = Database::open(&scratch.0).unwrap();
    let writes = Writes {
        credentials: vec![(3, Some(credential("a")))],
        ..Writes::default()
    };
    database.write(&writes).unwrap();
    drop(database);

    let beyond = |further: &[Migration]| [MIGRATIONS, further].concat();
    let failed = Database::open_with(&scratch.0, &beyond(&[second, fails])).unwrap_err();
    assert!(failed.to_string().contains("power is gone"), "{failed}");
    let (database, written) = Database::open(&scratch.0).unwrap();
    assert_eq!(written.credentials.len(), 1);
    let reading = database.open.as_ref().unwrap().begin_read().unwrap();
    assert!(reading.open_table(EXTRA).is_err());
    drop((reading, database));

    let (database, written) = Database::open_with(&scratch.0, &beyond(&[second])).unwrap();
    assert_eq!(written.credentials.len(), 1);
    let reading = database.open.as_ref().unwrap().begin_read().unwrap();
    assert_eq!(
        reading
            .open_table(EXTRA)
            .unwrap()
            .get(1)
            .unwrap()
            .unwrap()
            .value(),
        2
    );
    drop((reading, database));

    let newer = Database::open(&scratch.0).unwrap_err();
    let versions = match newer {
        DataError::Newer { found, known, .. } => (found, known),
        other => panic!("{other}"),
    };
    let known = MIGRATIONS.len() as u64;
    assert_eq!(versions, (known + 1, known));
}

/// As the first version wrote it.
#[test]
fn a_file_of_the_first_version_opens_with_all_that_is_in_it() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(&scratch.0).unwrap();
    let path = scratch.0.join(NAME);
    make(&path).unwrap();
    let database = open(&path, false).unwrap();
    migrate(&path, &database, &MIGRATIONS[..1]).unwrap();
    let transaction = database.begin_write().unwrap();
    let json = br#"{"username":"a","password":"secret","api_key":"key","label":null,"created":7,"lifetime":60,"enabled":true}"#;
    {
        let mut meta = transaction.open_table(META).unwrap();
        meta.insert(NEXT, 4).unwrap();
        let mut credentials = transaction.open_table(CREDENTIALS).unwrap();
        credentials.insert(3, json.as_slice()).unwrap();
        let mut user_days = transaction.open_table(USER_DAYS).unwrap();
        user_days.insert((20_000, 3), 5).unwrap();
        let mut days = transaction.open_table(DAYS).unwrap();
        days.insert(20_000, 6).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    let (database, written) = Database::open(&scratch.0).unwrap();
    let first = Credential {
        label: None,
        lifetime: Some(60),
        enabled: true,
        project: None,
        ..credential("a")
    };
    let expected = Written {
        next: 4,
        credentials: vec![(3, first)],
        user_days: vec![((Day(20_000), 3), 5)],
        days: vec![(Day(20_000), 6)],
        ..Written::default()
    };
    assert_eq!(written, expected);
    let reading = database.open.as_ref().unwrap().begin_read().unwrap();
    let found = reading.open_table(META).unwrap().get(VERSION).unwrap();
    assert_eq!(found.unwrap().value(), MIGRATIONS.len() as u64);
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(&scratch.0).unwrap();
    let path = scratch.0.join(NAME);
    std::fs::write(&path, "a letter to somebody\n".repeat(1000)).unwrap();
    let refused = Database::open(&scratch.0).unwrap_err();
    assert!(matches!(refused, DataError::Database { .. }), "{refused}");
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("a letter")
    );
    let refused = Database::open(&path).unwrap_err();
    assert!(matches!(refused, DataError::Unusable { .. }), "{refused}");
}
