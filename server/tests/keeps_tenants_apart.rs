//! Projects of the REST API, as the owner and the tenants meet them. What happens when a quota runs out is in
//! `tells_of_quotas.rs`.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::http::{Reply, get, send};
use crate::support::turn_api::{
    BEARER, ICE_SERVERS, KEY, LIST, call, check_described, create, directory, said, server,
};

mod support;

const PROJECT: &str = "/api/v2/turn/project";
const PROJECTS: &str = "/api/v2/turn/projects";

async fn project(addr: SocketAddr, body: &Value) -> Value {
    let reply = call(addr, "POST", PROJECT, body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// A path of a project, and somebody who uses it with its own key.
struct Tenant {
    addr: SocketAddr,
    path: String,
    key: String,
}

impl Tenant {
    async fn new(addr: SocketAddr, name: &str) -> Self {
        let made = project(addr, &json!({ "projectName": name })).await;
        Self {
            addr,
            path: format!("{PROJECT}/{}", made["_id"].as_str().unwrap()),
            key: made["apiKey"].as_str().unwrap().to_owned(),
        }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        let bearer = format!("Bearer {}", self.key);
        let headers = [("authorization", &*bearer)];
        send(self.addr, method, path, &headers, &body.to_string()).await
    }

    async fn make(&self, label: &str) -> Value {
        let path = format!("{}/credential", self.path);
        let reply = self.ask("POST", &path, &json!({ "label": label })).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    async fn labels(&self) -> Vec<String> {
        let path = format!("{}/credentials", self.path);
        let listed = self.ask("GET", &path, &json!({})).await.json();
        let data = listed["data"].as_array().unwrap().iter();
        data.map(|one| one["label"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn a_project_is_made_listed_changed_and_taken_away() {
    let server = server(&[]).await;
    let addr = server.addr;
    let wanted = json!({
        "projectName": "kitchen", "quotaInBytes": 1_048_576, "webhookUrl": "https://a.example/hook",
        "notificationEmails": ["cook@a.example"], "quotaExceededAction": "notify",
    });
    let made = project(addr, &wanted).await;
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&made[name], value);
    }
    assert_eq!(made["_id"].as_str().unwrap().len(), 24);
    let created = made["created"].as_str().unwrap();
    assert!(
        created.ends_with(".000Z") && created.len() == 24,
        "{created}"
    );
    let least = project(addr, &json!({ "projectName": "cellar" })).await;
    assert_eq!(
        (&least["quotaInBytes"], &least["webhookUrl"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(least["quotaExceededAction"], "disable");
    assert_ne!(least["apiKey"], made["apiKey"]);
    let listed = get(addr, PROJECTS, &BEARER).await.json();
    assert_eq!(listed, json!([made, least]));

    let path = format!("{PROJECT}/{}", made["_id"].as_str().unwrap());
    let changed = call(addr, "PUT", &path, &json!({ "quotaInBytes": 0 }))
        .await
        .json();
    let mut expected = made.clone();
    expected["quotaInBytes"] = json!(0);
    assert_eq!(changed, expected);
    let gone = call(addr, "DELETE", &path, &json!({})).await.json();
    assert_eq!(
        gone,
        json!({ "success": true, "message": "project removed" })
    );
    assert_eq!(get(addr, PROJECTS, &BEARER).await.json(), json!([least]));
    let again = call(addr, "DELETE", &path, &json!({})).await;
    assert_eq!(said(&again), (400, "Project not found".to_owned()));
}

#[tokio::test]
async fn a_tenant_makes_and_deletes_its_own_credentials_and_no_others() {
    let server = server(&[]).await;
    let addr = server.addr;
    let kitchen = Tenant::new(addr, "kitchen").await;
    let cellar = Tenant::new(addr, "cellar").await;
    let (mine, theirs) = (kitchen.make("mine").await, cellar.make("theirs").await);
    let owners = create(addr, &json!({ "label": "owner's" })).await;
    assert_eq!(kitchen.labels().await, ["mine"]);
    assert_eq!(cellar.labels().await, ["theirs"]);
    let all = get(addr, LIST, &BEARER).await.json();
    assert_eq!(all["pagination"]["total_records"], 3);
    let id = kitchen.path.rsplit_once('/').unwrap().1;
    assert_eq!(all["data"][2]["project"], id);

    let credential = format!("{}/credential", kitchen.path);
    for other in [&theirs, &owners] {
        let other = json!({ "username": other["username"] });
        let refused = kitchen.ask("DELETE", &credential, &other).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
    }
    let mine = json!({ "username": mine["username"] });
    let gone = kitchen.ask("DELETE", &credential, &mine).await.json();
    let expected = json!({ "success": true, "message": "credential removed" });
    assert_eq!(gone, expected);
    assert!(kitchen.labels().await.is_empty());
    assert_eq!(cellar.labels().await, ["theirs"]);
}

#[tokio::test]
async fn a_tenants_key_is_neither_anothers_nor_the_owners() {
    let server = server(&[]).await;
    let addr = server.addr;
    let kitchen = Tenant::new(addr, "kitchen").await;
    let cellar = Tenant::new(addr, "cellar").await;
    let credential = format!("{}/credential", kitchen.path);
    let usage = format!("{}/current_usage", kitchen.path);
    let nothings = format!("{PROJECT}/nothing/credential");
    // Whose key it is not is not told that there is such a project.
    for reply in [
        cellar.ask("POST", &credential, &json!({})).await,
        cellar.ask("GET", &usage, &json!({})).await,
        kitchen.ask("POST", &nothings, &json!({})).await,
    ] {
        assert_eq!(said(&reply), (400, "Project not found".to_owned()));
    }
    for (method, path) in [
        ("GET", PROJECTS),
        ("POST", PROJECT),
        ("GET", LIST),
        ("PUT", &kitchen.path),
        ("DELETE", &kitchen.path),
        ("GET", "/api/v2/turn/allocations"),
    ] {
        let refused = kitchen
            .ask(method, path, &json!({ "projectName": "x" }))
            .await;
        assert_eq!(
            said(&refused),
            (401, "Invalid secret key".to_owned()),
            "{path}"
        );
    }
    // The owner may, and the key may be in the query.
    let made = call(addr, "POST", &credential, &json!({ "label": "owner's" })).await;
    assert_eq!(
        (made.status, kitchen.labels().await),
        (200, vec!["owner's".to_owned()])
    );
    let query = format!("{usage}?projectApiKey={}", kitchen.key);
    let usage = get(addr, &query, &[]).await.json();
    let nothing = json!({ "quotaInBytes": 0, "usageInBytes": 0, "overageInBytes": 0 });
    assert_eq!(usage, nothing);
}

#[tokio::test]
async fn a_projects_key_shows_a_page_the_credential_that_is_good_for_the_longest() {
    let server = server(&["--external-ip", "203.0.113.7"]).await;
    let addr = server.addr;
    let kitchen = Tenant::new(addr, "kitchen").await;
    let ice = format!("{ICE_SERVERS}?apiKey={}", kitchen.key);
    let none = get(addr, &ice, &[]).await;
    let none_of_it = "No credential of this project may be used";
    assert_eq!(said(&none), (401, none_of_it.to_owned()));
    let path = format!("{}/credential", kitchen.path);
    let short = kitchen
        .ask("POST", &path, &json!({ "expiryInSeconds": 600 }))
        .await
        .json();
    let long = kitchen.make("long").await;
    let shown = async || {
        let origin = ("origin", "https://elsewhere.example");
        let reply = get(addr, &ice, &[origin]).await;
        assert_eq!(
            (reply.status, reply.must("access-control-allow-origin")),
            (200, "*")
        );
        let servers = reply.json();
        let relay = servers.as_array().unwrap().last().unwrap().clone();
        (relay["username"].clone(), relay["credential"].clone())
    };
    assert_eq!(
        shown().await,
        (long["username"].clone(), long["password"].clone())
    );
    let name = json!({ "username": long["username"] });
    call(addr, "POST", "/api/v1/turn/credential/disable", &name).await;
    assert_eq!(
        shown().await,
        (short["username"].clone(), short["password"].clone())
    );
    call(addr, "DELETE", &kitchen.path, &json!({})).await;
    assert_eq!(
        said(&get(addr, &ice, &[]).await),
        (401, "Invalid API Key".to_owned())
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_told_and_without_a_key_nothing_is_done() {
    let server = server(&[]).await;
    let addr = server.addr;
    let kitchen = Tenant::new(addr, "kitchen").await;
    for (body, expected) in [
        (
            json!({}),
            "please enter a text of fewer than 100 characters for projectName",
        ),
        (
            json!({ "projectName": "a", "quotaInBytes": 5 }),
            "please enter 0 or an integer of at least 1048576 for quotaInBytes",
        ),
        (
            json!({ "projectName": "a", "webhookUrl": "http://a.example/" }),
            "please enter a URL that begins with https:// and has at most 1024 bytes for webhookUrl",
        ),
        (
            json!({ "projectName": "a", "notificationEmails": ["x"] }),
            "please enter an array of at most 10 e-mail addresses for notificationEmails",
        ),
        (
            json!({ "projectName": "a", "quotaExceededAction": "x" }),
            "please enter disable, notify or none for quotaExceededAction",
        ),
        (
            json!({ "projectName": "kitchen" }),
            "another project has this name",
        ),
    ] {
        let reply = call(addr, "POST", PROJECT, &body).await;
        assert_eq!(said(&reply), (400, expected.to_owned()));
    }
    for (method, what) in [
        ("POST", "credential"),
        ("DELETE", "credential"),
        ("GET", "credentials"),
        ("GET", "current_usage"),
    ] {
        let path = format!("{}/{what}", kitchen.path);
        let none = send(addr, method, &path, &[], "{}").await;
        assert_eq!(
            said(&none),
            (
                400,
                "Please specify secret key or project API key".to_owned()
            )
        );
        let wrong = send(addr, method, &format!("{path}?secretKey=south"), &[], "{}").await;
        assert_eq!(said(&wrong), (401, "Invalid secret key".to_owned()));
        let wrong = send(
            addr,
            method,
            &format!("{path}?projectApiKey={KEY}"),
            &[],
            "{}",
        )
        .await;
        assert_eq!(said(&wrong), (400, "Project not found".to_owned()));
    }
    assert!(kitchen.labels().await.is_empty());
}

#[tokio::test]
async fn projects_are_there_after_a_kill() {
    let directory = directory("turn-projects-kept");
    let data = directory.to_str().unwrap();
    let first = server(&["--data", data]).await;
    let kitchen = Tenant::new(first.addr, "kitchen").await;
    kitchen.make("kept").await;
    first.end("-KILL").await;
    let second = server(&["--data", data]).await;
    let kitchen = Tenant {
        addr: second.addr,
        ..kitchen
    };
    assert_eq!(kitchen.labels().await, ["kept"]);
    let ice = format!("{ICE_SERVERS}?apiKey={}", kitchen.key);
    assert_eq!(get(second.addr, &ice, &[]).await.status, 200);
}

#[tokio::test]
async fn answers_are_as_they_are_described() {
    let server = server(&[]).await;
    let addr = server.addr;
    let document = get(addr, "/api/openapi.json", &[]).await.json();
    let kitchen = Tenant::new(addr, "kitchen").await;
    let long = json!({ "username": "x".repeat(5000) });
    let bodies = [
        json!({ "projectName": "kitchen" }),
        json!({ "projectName": "x" }),
        json!({ "username": "nobody" }),
        long,
    ];
    let of_project = |what: &str| {
        (
            format!("{}{what}", kitchen.path),
            format!("{PROJECT}/{{id}}{what}"),
        )
    };
    let plain = |path: &str| (path.to_owned(), path.to_owned());
    let mut called = 0;
    for (method, (path, described)) in [
        ("POST", plain(PROJECT)),
        ("GET", plain(PROJECTS)),
        ("PUT", of_project("")),
        ("POST", of_project("/credential")),
        ("DELETE", of_project("/credential")),
        ("GET", of_project("/credentials")),
        ("GET", of_project("/current_usage")),
        ("DELETE", of_project("")),
    ] {
        for body in &bodies {
            let reply = call(addr, method, &path, body).await;
            check_described(&document, method, &described, &reply);
            called += usize::from(reply.status == 200);
        }
        let without = send(addr, method, &path, &[], "{}").await;
        check_described(&document, method, &described, &without);
    }
    assert!(called >= 16, "{called} good answers");
}
