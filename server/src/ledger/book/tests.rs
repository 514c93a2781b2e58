use super::*;
use crate::ledger::project::Settings;
use crate::ledger::usage::Relayed;
use crate::turn::meter::{Owner, Payer};

/// 2026-11-29, at noon.
const NOON: u64 = 1_795_953_600;
const DAY: u64 = 24 * 60 * 60;

fn credential(name: &str, label: Option<&str>, lifetime: Option<u64>) -> Credential {
    Credential {
        username: name.to_owned(),
        password: format!("{name}'s secret"),
        api_key: format!("{name}'s key"),
        label: label.map(str::to_owned),
        created: NOON,
        lifetime,
        enabled: true,
        project: None,
    }
}

fn stored(number: Number) -> Payer {
    Payer::Stored(Owner {
        number,
        project: None,
    })
}

/// Credentials 0, 1, …; every third is called so, the others have no label.
fn book(count: usize) -> Book {
    let mut book = Book::default();
    for n in 0..count {
        let label = (n % 3 == 0).then_some("third");
        let made = credential(&n.to_string(), label, None);
        book.create(NOON, made).unwrap();
    }
    book
}

fn names(page: &Page) -> Vec<&str> {
    let credentials = page.credentials.iter();
    credentials
        .map(|credential| &*credential.username)
        .collect()
}

#[test]
fn pages_have_fifty_each_and_begin_with_the_newest() {
    let book = book(2 * PAGE + 1);
    let page = |page| book.list(NOON, &Filter::default(), page);
    let first = page(1);
    assert_eq!((first.total, first.pages, first.page), (101, 3, 1));
    assert_eq!((names(&first)[0], names(&first)[49]), ("100", "51"));
    assert_eq!((names(&page(2))[0], names(&page(3))), ("50", vec!["0"]));
    assert!(page(4).credentials.is_empty() && page(usize::MAX).credentials.is_empty());
    // None is on no page, and none on two.
    let all: Vec<_> = (1..=3).flat_map(|n| page(n).credentials).collect();
    let distinct: BTreeSet<_> = all.iter().map(|credential| &credential.username).collect();
    assert_eq!((all.len(), distinct.len()), (101, 101));
    let none = Book::default().list(NOON, &Filter::default(), 1);
    assert_eq!((none.total, none.pages, none.page), (0, 0, 1));
}

#[test]
fn a_label_and_an_expiry_leave_out_what_they_should() {
    let mut book = book(6);
    let short = credential("short", Some("third"), Some(60));
    book.create(NOON, short).unwrap();
    let list = |unix, all, label: Option<&str>| {
        let label = label.map(str::to_owned);
        let page = book.list(
            unix,
            &Filter {
                all,
                label,
                project: None,
            },
            1,
        );
        names(&page).join(" ")
    };
    assert_eq!(list(NOON, false, Some("third")), "short 3 0");
    assert_eq!(list(NOON + 59, false, Some("third")), "short 3 0");
    assert_eq!(list(NOON + 60, false, Some("third")), "3 0");
    assert_eq!(list(NOON + 60, true, Some("third")), "short 3 0");
    assert_eq!(list(NOON + 60, false, None), "5 4 3 2 1 0");
    // A label is compared whole, and as it is.
    for other in ["thir", "Third", "thirds"] {
        assert_eq!(list(NOON, true, Some(other)), "");
    }
}

#[test]
fn what_is_switched_says_what_it_is_already() {
    let mut book = Book::default();
    let made = credential("me", None, Some(60));
    book.create(NOON, made).unwrap();
    assert_eq!(book.enable(NOON, "me"), Err(Refused::Enabled));
    assert_eq!(book.disable("me"), Ok(()));
    assert_eq!(book.disable("me"), Err(Refused::Disabled));
    assert_eq!(book.enable(NOON + 59, "me"), Ok(()));
    assert_eq!(book.disable("me"), Ok(()));
    assert_eq!(book.enable(NOON + 60, "me"), Err(Refused::Expired));
    for nobody in [
        book.enable(NOON, "you"),
        book.disable("you"),
        book.delete("you"),
    ] {
        assert_eq!(nobody, Err(Refused::Unknown));
    }
    assert_eq!(book.delete("me"), Ok(()));
    assert_eq!(book.delete("me"), Err(Refused::Unknown));
}

#[test]
fn usage_is_a_months() {
    let mut book = book(2);
    book.count(NOON - 29 * DAY, stored(0), 1000);
    book.count(NOON - DAY, stored(0), 20);
    book.count(NOON, stored(0), 300);
    book.count(NOON, stored(1), 4);
    assert_eq!(book.usage(NOON), 324);
    let by_date = book.usage_by_date(NOON);
    let by_date: Vec<_> = by_date
        .iter()
        .map(|(day, relayed)| (day.to_string(), relayed.all))
        .collect();
    let expected = [("2026-11-28", 20), ("2026-11-29", 304)];
    assert_eq!(
        by_date,
        expected.map(|(day, bytes)| (day.to_owned(), bytes))
    );
    let of = |name| book.usage_for(NOON, name);
    assert_eq!(
        [of("0"), of("1"), of("2")],
        [Ok(320), Ok(4), Err(Refused::Unknown)]
    );
    // Two days later it is December.
    assert_eq!(
        (
            book.usage(NOON + 2 * DAY),
            book.usage_for(NOON + 2 * DAY, "0")
        ),
        (0, Ok(0))
    );
}

#[test]
fn users_that_relayed_something_come_in_pages() {
    let mut book = book(PAGE + 2);
    assert_eq!(book.usage_by_user(NOON, 1), (Vec::new(), false));
    for number in 1..=PAGE as u64 {
        book.count(NOON, stored(number), number);
    }
    let (users, has_more) = book.usage_by_user(NOON, 1);
    assert_eq!(
        (users.len(), users[0].1, has_more),
        (PAGE, PAGE as u64, false)
    );
    book.count(NOON, stored(0), 7);
    assert!(book.usage_by_user(NOON, 1).1);
    let (users, has_more) = book.usage_by_user(NOON, 2);
    assert_eq!((users.len(), users[0].1, has_more), (1, 7, false));
}

#[test]
fn sessions_and_time_limited_credentials_have_lines_of_their_own() {
    let mut book = book(1);
    book.count(NOON - 29 * DAY, Payer::Sessions, 1000);
    book.count(NOON - DAY, Payer::Sessions, 20);
    book.count(NOON, Payer::Sessions, 3);
    book.count(NOON, Payer::TimeLimited, 400);
    book.count(NOON, stored(0), 5000);
    let of = |name| book.usage_for(NOON, name).unwrap();
    assert_eq!(
        [of("sessions"), of("shared-secret"), of("0")],
        [23, 400, 5000]
    );
    assert_eq!(book.usage(NOON), 5423);
    let by_date: Vec<_> = book.usage_by_date(NOON).into_iter().collect();
    let relayed = |all, of_lines| Relayed { all, of_lines };
    let expected = [relayed(20, [20, 0]), relayed(5403, [3, 400])];
    assert_eq!(
        by_date
            .iter()
            .map(|(_, relayed)| *relayed)
            .collect::<Vec<_>>(),
        expected
    );
    let (users, _) = book.usage_by_user(NOON, 1);
    let users: Vec<_> = users
        .iter()
        .map(|(user, bytes)| (&*user.username, *bytes))
        .collect();
    assert_eq!(
        users,
        [("sessions", 23), ("shared-secret", 400), ("0", 5000)]
    );
}

#[test]
fn what_a_deleted_one_relayed_is_still_the_accounts() {
    let mut book = book(1);
    book.count(NOON, stored(0), 5);
    book.delete("0").unwrap();
    // Its last relay is counted when it is gone already; and its number is nobody else's.
    book.count(NOON, stored(0), 6);
    book.create(NOON, credential("next", None, None)).unwrap();
    assert_eq!(
        (book.usage(NOON), book.usage_for(NOON, "next")),
        (11, Ok(0))
    );
}

#[test]
fn what_is_not_written_is_undone_and_written_as_it_was() {
    let mut book = book(2);
    book.note_written();
    book.count(NOON, stored(0), 5);
    book.disable("1").unwrap();
    book.delete("0").unwrap();
    book.create(NOON, credential("new", None, None)).unwrap();
    book.delete("new").unwrap();
    book.undo();
    assert_eq!(names(&book.list(NOON, &Filter::default(), 1)), ["1", "0"]);
    assert_eq!(book.usage_for(NOON, "0"), Ok(5));
    assert!(!book.has_changed() && !book.is_written());
    // Whatever of it reached the disk all the same is written over.
    let writes = book.writes();
    let enabled = |credential: &Option<Credential>| credential.as_ref().map(|one| one.enabled);
    let credentials: Vec<_> = writes
        .credentials
        .iter()
        .map(|(n, one)| (*n, enabled(one)))
        .collect();
    assert_eq!(credentials, [(0, Some(true)), (1, Some(true)), (2, None)]);
    assert_eq!(writes.user_days, [((Day::of(NOON), 0), Some(5))]);
    book.note_written();
    assert!(book.is_written());
}

/// A project with two credentials, and one beside it.
fn tenants() -> (Book, Number) {
    let mut book = book(1);
    let project = Project {
        id: "id".to_owned(),
        api_key: "its key".to_owned(),
        webhook_secret: "secret".to_owned(),
        created: NOON,
        settings: Settings {
            quota: Some(1000),
            ..Settings::default()
        },
        told: None,
        notices: Vec::new(),
    };
    book.create_project(project).unwrap();
    let number = book.projects.number("id").unwrap();
    for (name, lifetime) in [("short", Some(60)), ("long", None)] {
        let credential = credential(name, None, lifetime);
        let project = Some(number);
        book.create(
            NOON,
            Credential {
                project,
                ..credential
            },
        )
        .unwrap();
    }
    (book, number)
}

#[test]
fn a_project_has_credentials_and_usage_of_its_own() {
    let (mut book, project) = tenants();
    let filter = Filter {
        project: Some(project),
        ..Filter::default()
    };
    assert_eq!(names(&book.list(NOON, &filter, 1)), ["long", "short"]);
    // The newest comes first, however long each is good for.
    let newest = Credential {
        project: Some(project),
        ..credential("newest", None, Some(90))
    };
    book.create(NOON, newest).unwrap();
    let listed = book.list(NOON, &filter, 1);
    assert_eq!(names(&listed), ["newest", "long", "short"]);
    assert_eq!(book.delete_of(project, "newest"), Ok(()));
    assert_eq!(book.delete_of(project, "0"), Err(Refused::Unknown));
    let of = |number, project| Payer::Stored(Owner { number, project });
    book.count(NOON, of(2, Some(project)), 30);
    assert_eq!(book.delete_of(project, "short"), Ok(()));
    // What a deleted one relayed, also at the end, is the project's.
    book.count(NOON, of(2, Some(project)), 4);
    book.count(NOON, of(0, None), 500);
    assert_eq!(
        (book.projects.usage(NOON, project), book.usage(NOON)),
        (34, 534)
    );
    book.delete_project(project);
    assert_eq!(names(&book.list(NOON, &Filter::default(), 1)), ["0"]);
    assert_eq!((book.projects.number("id"), book.usage(NOON)), (None, 534));
}

#[test]
fn the_best_of_a_project_may_be_used_and_is_good_for_the_longest() {
    let (mut book, project) = tenants();
    let best = |book: &Book, unix| book.best_of(unix, project).map(|one| one.username.clone());
    assert_eq!(best(&book, NOON).as_deref(), Some("long"));
    book.disable("long").unwrap();
    assert_eq!(best(&book, NOON).as_deref(), Some("short"));
    assert_eq!(best(&book, NOON + 60), None);
    book.enable(NOON, "long").unwrap();
    let of = Payer::Stored(Owner {
        number: 3,
        project: Some(project),
    });
    book.count(NOON, of, 1000);
    book.review(NOON);
    assert_eq!(best(&book, NOON), None);
}

#[test]
fn a_project_that_is_not_deleted_after_all_has_its_credentials_again() {
    let (mut book, project) = tenants();
    book.note_written();
    book.delete_project(project);
    book.undo();
    assert_eq!(book.credentials_of(project).count(), 2);
    assert_eq!(book.best_of(NOON, project).unwrap().username, "long");
    let writes = book.writes();
    assert!(
        writes
            .projects
            .projects
            .iter()
            .all(|(_, one)| one.is_some())
    );
    assert!(writes.credentials.iter().all(|(_, one)| one.is_some()));
}

#[test]
fn the_one_that_expired_first_makes_room() {
    let mut book = book(MAX_CREDENTIALS - 2);
    for (name, lifetime) in [("later", 20), ("first", 10)] {
        book.create(NOON, credential(name, None, Some(lifetime)))
            .unwrap();
    }
    let next = |name| credential(name, None, None);
    assert_eq!(book.create(NOON + 9, next("a")), Err(Refused::Full));
    assert_eq!(book.create(NOON + 10, next("a")), Ok(()));
    assert_eq!(book.usage_for(NOON, "first"), Err(Refused::Unknown));
    assert_eq!(book.create(NOON + 19, next("b")), Err(Refused::Full));
    assert_eq!(book.usage_for(NOON, "later"), Ok(0));
    assert_eq!(book.entries.len(), MAX_CREDENTIALS);
}

#[test]
fn days_long_past_are_forgotten() {
    let mut book = book(1);
    for day in 0..500 {
        book.count(NOON + day * DAY, stored(0), 1);
        book.forget(NOON + day * DAY);
        let forget = book.writes().forget;
        assert!(forget.is_some(), "once a day");
        book.note_written();
        book.forget(NOON + day * DAY + 1);
        assert!(book.is_written());
    }
    assert_eq!(book.days.len(), DAYS_KEPT as usize + 1);
    assert_eq!(book.entries[&0].days.len(), USER_DAYS_KEPT as usize + 1);
}

#[test]
fn nothing_secret_is_shown() {
    let shown = format!("{:?}", book(1));
    assert!(
        !shown.contains("secret") && !shown.contains("key"),
        "{shown}"
    );
}
