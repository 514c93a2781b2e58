//! Projects: made, listed, changed and taken away by the owner; their credentials, which their own key makes, too; and
//! what they relayed.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::asker::{Owner, Parameters, ProjectAsker};
use super::body::fields;
use super::credentials::{self, page_of, read_filter};
use super::desk::TurnApi;
use super::failure::Failure;
use super::settings;
use crate::ledger::Refused;
use crate::ledger::book::Book;
use crate::ledger::calendar::timestamp;
use crate::ledger::credential::Number;
use crate::ledger::project::{Project, Settings};
use crate::random;

/// `POST /api/v2/turn/project`.
pub(super) async fn create(
    _: Owner,
    State(api): State<TurnApi>,
    body: Body,
) -> Result<Json<Value>, Failure> {
    let settings = settings::read(&fields(body).await?, Settings::default())?;
    let made = api.ledger.ask(move |book, unix| {
        let project = Project {
            id: random::hex(24),
            api_key: random::text(40),
            webhook_secret: random::text(40),
            created: unix,
            settings,
            told: None,
            notices: Vec::new(),
        };
        let id = project.id.clone();
        book.create_project(project)?;
        let number = book.projects.number(&id).ok_or(Refused::NoProject)?;
        show(book, unix, number)
    });
    Ok(Json(made.await??))
}

/// `GET /api/v2/turn/projects`.
pub(super) async fn list(
    _: Owner,
    State(api): State<TurnApi>,
) -> Result<Json<Vec<Value>>, Failure> {
    let listed = api.ledger.ask(|book, unix| {
        let numbers = book.projects.iter().map(|(number, _)| number);
        let shown = numbers.map(|number| show(book, unix, number));
        shown.collect::<Result<_, _>>()
    });
    Ok(Json(listed.await??))
}

/// `PUT /api/v2/turn/project/:id`: what is not said stays as it was.
pub(super) async fn update(
    _: Owner,
    State(api): State<TurnApi>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Value>, Failure> {
    let fields = fields(body).await?;
    let updated = api.ledger.ask(move |book, unix| {
        let number = book.projects.number(&id).ok_or(Refused::NoProject)?;
        let known = book.projects.get(number).ok_or(Refused::NoProject)?;
        let settings = settings::read(&fields, known.settings.clone())?;
        book.projects.update(number, settings)?;
        Ok::<_, Failure>(show(book, unix, number)?)
    });
    Ok(Json(updated.await??))
}

/// `DELETE /api/v2/turn/project/:id`.
pub(super) async fn delete(
    _: Owner,
    State(api): State<TurnApi>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let deleted = api.ledger.ask(move |book, _| {
        let number = book.projects.number(&id).ok_or(Refused::NoProject)?;
        book.delete_project(number);
        Ok::<_, Refused>(())
    });
    deleted.await??;
    Ok(Json(
        json!({ "success": true, "message": "project removed" }),
    ))
}

/// `POST /api/v2/turn/project/:id/credential`.
pub(super) async fn create_credential(
    asker: ProjectAsker,
    State(api): State<TurnApi>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Value>, Failure> {
    let wanted = credentials::Wanted::read(&fields(body).await?)?;
    let made = api.ledger.ask(move |book, unix| {
        let project = project(book, &asker, &id)?;
        let credential = wanted.credential(unix, Some(project));
        book.create(unix, credential.clone()).map(|()| credential)
    });
    Ok(Json(credentials::show_made(&made.await??)))
}

/// `DELETE /api/v2/turn/project/:id/credential`.
pub(super) async fn delete_credential(
    asker: ProjectAsker,
    State(api): State<TurnApi>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Value>, Failure> {
    let username = credentials::username(body).await?;
    let done = api.ledger.ask(move |book, _| {
        let project = project(book, &asker, &id)?;
        let done = book.delete_of(project, &username);
        done.map_err(|_| Failure::NothingToDelete)
    });
    done.await??;
    Ok(Json(credentials::removed()))
}

/// `GET /api/v2/turn/project/:id/credentials`.
pub(super) async fn list_credentials(
    asker: ProjectAsker,
    parameters: Parameters,
    State(api): State<TurnApi>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let (mut filter, page) = (read_filter(&parameters), parameters.page()?);
    let listed = api.ledger.ask(move |book, unix| {
        filter.project = Some(project(book, &asker, &id)?);
        Ok::<_, Refused>(page_of(book, unix, &filter, page))
    });
    Ok(Json(listed.await??))
}

/// `GET /api/v2/turn/project/:id/current_usage`.
pub(super) async fn usage(
    asker: ProjectAsker,
    State(api): State<TurnApi>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let asked = api.ledger.ask(move |book, unix| {
        let number = project(book, &asker, &id)?;
        let project = book.projects.get(number).ok_or(Refused::NoProject)?;
        Ok::<_, Refused>((project.settings.quota, book.projects.usage(unix, number)))
    });
    let (quota, usage) = asked.await??;
    Ok(Json(json!({
        "quotaInBytes": quota.unwrap_or_default(),
        "usageInBytes": usage,
        "overageInBytes": quota.map_or(0, |quota| usage.saturating_sub(quota)),
    })))
}

/// The project of a path, for who may use it. To others there is none.
fn project(book: &Book, asker: &ProjectAsker, id: &str) -> Result<Number, Refused> {
    let number = book.projects.number(id).ok_or(Refused::NoProject)?;
    match asker {
        ProjectAsker::Owner => Ok(number),
        ProjectAsker::Project(its) if *its == number => Ok(number),
        ProjectAsker::Project(_) => Err(Refused::NoProject),
    }
}

fn show(book: &Book, unix: u64, number: Number) -> Result<Value, Refused> {
    let project = book.projects.get(number).ok_or(Refused::NoProject)?;
    let settings = &project.settings;
    Ok(json!({
        "_id": project.id,
        "projectName": settings.name,
        "quotaInBytes": settings.quota.unwrap_or_default(),
        "webhookUrl": settings.webhook,
        "notificationEmails": settings.emails,
        "quotaExceededAction": settings.action,
        "apiKey": project.api_key,
        "created": timestamp(project.created),
        "webhookSecret": project.webhook_secret,
        "usageInBytes": book.projects.usage(unix, number),
        "disabled": book.projects.is_off(number),
    }))
}
