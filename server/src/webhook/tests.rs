use std::sync::mpsc;

use super::*;
use crate::ledger::calendar::Day;
use crate::ledger::keeper::MAX_WAITING;
use crate::ledger::project::{Notice, Project, Settings};
use crate::ledger::quota::Told;
use crate::turn::stored::Stored;

/// A ledger with a project that has one notice, and the notice's id.
async fn ledger() -> (Arc<Ledger>, String) {
    let ledger = Ledger::open(None, Arc::<Stored>::default()).unwrap();
    let notice = Notice {
        reached: Told {
            month: Day(20_000),
            quota: 1000,
            percent: 80,
        },
        usage: 900,
        at: 0,
    };
    let project = Project {
        id: "id".to_owned(),
        api_key: "key".to_owned(),
        webhook_secret: "secret".to_owned(),
        created: 0,
        settings: Settings::default(),
        told: None,
        notices: vec![notice.clone()],
    };
    let id = notice.id(&project);
    let created = ledger.ask(move |book, _| book.create_project(project));
    created.await.unwrap().unwrap();
    (Arc::new(ledger), id)
}

/// Has the ledger be busy until what is returned is dropped.
async fn keep_busy(ledger: &Arc<Ledger>) -> (mpsc::Sender<()>, JoinSet<Result<(), Unavailable>>) {
    let (release, held) = mpsc::channel();
    let (started, has_started) = tokio::sync::oneshot::channel();
    let mut asks = JoinSet::new();
    let asking = ledger.clone();
    asks.spawn(async move {
        let hold = asking.ask(move |_, _| {
            let _ = started.send(());
            let _ = held.recv();
        });
        hold.await
    });
    has_started.await.unwrap();
    for _ in 0..=MAX_WAITING {
        let asking = ledger.clone();
        asks.spawn(async move { asking.ask(|_, _| ()).await });
    }
    let refused = asks.join_next().await.unwrap().unwrap();
    assert!(matches!(refused, Err(Unavailable::Busy)), "{refused:?}");
    (release, asks)
}

#[tokio::test]
async fn what_was_taken_is_settled_as_soon_as_the_ledger_is_not_busy_any_more() {
    let (ledger, id) = ledger().await;
    let mut teller = Teller::new(ledger.clone());
    teller.follow().await.unwrap();
    assert_eq!(teller.schedule.take(Instant::now()), Some(id.clone()));
    teller.note(Some((id, Ok(()))));
    let (release, asks) = keep_busy(&ledger).await;
    assert!(teller.begin().await.is_err());
    assert_eq!((teller.over.len(), teller.calls.len()), (1, 0));
    drop(release);
    asks.join_all().await;
    teller.begin().await.unwrap();
    assert_eq!((teller.over.len(), teller.calls.len()), (0, 0));
    let left = ledger.ask(|book, _| book.projects.noted().count()).await;
    assert!(matches!(left, Ok(0)), "{left:?}");
    ledger.close().await;
}
