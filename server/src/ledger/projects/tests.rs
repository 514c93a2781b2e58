use super::*;

/// 2026-11-29, at noon.
const NOON: u64 = 1_795_953_600;
const MONTH: u64 = 30 * 24 * 60 * 60;

fn project(name: &str, quota: Option<u64>, action: QuotaExceeded) -> Project {
    Project {
        id: format!("{name}'s id"),
        api_key: format!("{name}'s key"),
        webhook_secret: "secret".to_owned(),
        created: NOON,
        settings: Settings {
            name: name.to_owned(),
            quota,
            webhook: Some("https://a.example/".to_owned()),
            emails: Vec::new(),
            action,
        },
        told: None,
        notices: Vec::new(),
    }
}

fn one(quota: u64, action: QuotaExceeded) -> Projects {
    let mut projects = Projects::default();
    projects
        .create(1, project("a", Some(quota), action))
        .unwrap();
    projects.note_written();
    projects
}

fn credential(project: Number, lifetime: Option<u64>) -> Credential {
    Credential {
        username: "me".to_owned(),
        password: "secret".to_owned(),
        api_key: "key".to_owned(),
        label: None,
        created: NOON,
        lifetime,
        enabled: true,
        project: Some(project),
    }
}

fn percents(projects: &Projects) -> Vec<u8> {
    let notices = projects.notices();
    notices.map(|(_, notice)| notice.reached.percent).collect()
}

#[test]
fn a_quota_that_is_used_up_switches_off_until_the_month_is_over() {
    let mut projects = one(1000, QuotaExceeded::Disable);
    let today = Day::of(NOON);
    projects.count(today, 1, 999);
    assert!(projects.review(NOON).switched.is_empty() && !projects.is_off(1));
    projects.count(today, 1, 1);
    assert_eq!(projects.review(NOON).switched, [1]);
    assert!(projects.is_off(1) && projects.review(NOON).switched.is_empty());
    // It is December two days later.
    assert_eq!(projects.review(NOON + MONTH).switched, [1]);
    assert!(!projects.is_off(1));
}

#[test]
fn a_larger_quota_switches_on_again() {
    let mut projects = one(1000, QuotaExceeded::Disable);
    projects.count(Day::of(NOON), 1, 1000);
    assert_eq!(projects.review(NOON).switched, [1]);
    let settings = project("a", Some(2000), QuotaExceeded::Disable).settings;
    projects.update(1, settings).unwrap();
    assert_eq!(projects.review(NOON).switched, [1]);
    assert!(!projects.is_off(1));
}

#[test]
fn who_is_only_to_be_told_goes_on_and_who_is_not_even_that_is_not_told() {
    for (action, expected) in [
        (QuotaExceeded::Notify, vec![80, 100]),
        (QuotaExceeded::None, vec![]),
    ] {
        let mut projects = one(1000, action);
        projects.count(Day::of(NOON), 1, 5000);
        assert!(projects.review(NOON).switched.is_empty() && !projects.is_off(1));
        projects.note_written();
        assert_eq!(percents(&projects), expected, "{action:?}");
    }
}

#[test]
fn nothing_is_told_before_it_is_written_nor_twice() {
    let mut projects = one(1000, QuotaExceeded::Notify);
    projects.count(Day::of(NOON), 1, 900);
    projects.review(NOON);
    assert!(percents(&projects).is_empty() && projects.is_urgent());
    projects.note_written();
    assert_eq!(percents(&projects), [80]);
    // As after a restart.
    let written = projects.get(1).cloned().unwrap();
    let mut projects = Projects::read(vec![(1, written)], vec![((Day::of(NOON), 1), 900)]);
    assert!(projects.review(NOON).reached.is_empty());
    assert_eq!(percents(&projects), [80]);
    let id = {
        let (project, notice) = projects.notices().next().unwrap();
        notice.id(project)
    };
    assert_eq!(id, "a's id-2026-11-80-1000");
    projects.settle(&id);
    projects.note_written();
    assert!(percents(&projects).is_empty());
    projects.count(Day::of(NOON), 1, 1);
    assert!(projects.review(NOON).reached.is_empty());
}

#[test]
fn of_what_nobody_takes_the_newest_is_kept() {
    let mut projects = one(1000, QuotaExceeded::Notify);
    for month in 0..6 {
        let unix = NOON + month * MONTH;
        projects.count(Day::of(unix), 1, 1000);
        projects.review(unix);
    }
    projects.note_written();
    assert_eq!(projects.notices().count(), MAX_NOTICES);
    let (project, last) = projects.notices().last().unwrap();
    assert_eq!(last.id(project), "a's id-2027-04-100-1000");
}

#[test]
fn the_credential_that_expires_last_comes_first_and_the_first_makes_room() {
    let mut projects = one(1000, QuotaExceeded::None);
    projects.note(10, &credential(1, Some(60)), true);
    projects.note(11, &credential(1, None), true);
    projects.note(12, &credential(1, Some(600)), true);
    assert_eq!(projects.credentials(1).collect::<Vec<_>>(), [11, 12, 10]);
    projects.note(11, &credential(1, None), false);
    assert_eq!(projects.credentials(1).collect::<Vec<_>>(), [12, 10]);
    assert_eq!(projects.room(NOON, 1), Ok(None));
    for number in 100..100 + MAX_OF_PROJECT as u64 {
        projects.note(number, &credential(1, None), true);
    }
    assert_eq!(projects.room(NOON + 59, 1), Err(Refused::Full));
    assert_eq!(projects.room(NOON + 60, 1), Ok(Some(10)));
    assert_eq!(projects.room(NOON, 2), Err(Refused::NoProject));
}

#[test]
fn names_are_for_one_project_each_and_there_is_a_limit() {
    let mut projects = one(1000, QuotaExceeded::None);
    let another = |name: &str| project(name, None, QuotaExceeded::None);
    assert_eq!(projects.create(2, another("a")), Err(Refused::NameTaken));
    projects.create(2, another("b")).unwrap();
    let taken = projects.update(2, another("a").settings);
    assert_eq!(taken, Err(Refused::NameTaken));
    assert_eq!(projects.update(2, another("b").settings), Ok(()));
    for number in 3..=MAX_PROJECTS as u64 {
        projects
            .create(number, another(&number.to_string()))
            .unwrap();
    }
    let full = projects.create(5000, another("z"));
    assert_eq!(full, Err(Refused::TooManyProjects));
}

#[test]
fn what_is_not_written_is_undone() {
    let mut projects = one(1000, QuotaExceeded::None);
    projects.note(10, &credential(1, None), true);
    projects.count(Day::of(NOON), 1, 5);
    projects.note_written();
    let before = projects.get(1).cloned();
    let renamed = project("z", None, QuotaExceeded::None);
    projects.update(1, renamed.settings).unwrap();
    projects
        .create(2, project("b", None, QuotaExceeded::None))
        .unwrap();
    projects.remove(1);
    projects.undo();
    assert_eq!(projects.get(1).cloned(), before);
    assert_eq!(
        (projects.number("b's id"), projects.usage(NOON, 1)),
        (None, 5)
    );
    // Whatever of it reached the disk all the same is written over.
    let writes = projects.writes();
    assert_eq!(writes.projects, [(1, before), (2, None)]);
    assert_eq!(writes.days, [((Day::of(NOON), 1), Some(5))]);
}
