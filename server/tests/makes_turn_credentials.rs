//! The REST API of stored TURN credentials, as its clients meet it. That what it makes opens relays is shown by
//! coturn's client, in `tests/tests/stored_credentials_open_relays.rs`.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::PATIENCE;
use crate::support::http::{Reply, get, request, send};
use crate::support::process::Running;
use crate::support::turn_api::{
    BEARER, CREDENTIAL, ICE_SERVERS, KEY, LIST, call, check_described, create, said, server,
};

mod support;

#[tokio::test]
async fn a_credential_is_made_and_listed() {
    let server = server(&[]).await;
    let addr = server.addr;
    let made = create(
        addr,
        &json!({ "expiryInSeconds": 3600, "label": "kitchen" }),
    )
    .await;
    assert_eq!(
        (&made["expiryInSeconds"], &made["label"]),
        (&json!(3600), &json!("kitchen"))
    );
    for field in ["username", "password", "apiKey"] {
        assert!(made[field].as_str().unwrap().len() >= 24, "{made}");
    }
    // Without a body, too: for ever, and without a label.
    let other = request(addr, "POST", &format!("{CREDENTIAL}?secretKey={KEY}"), &[]).await;
    let other = other.json();
    assert_eq!(
        (&other["expiryInSeconds"], &other["label"]),
        (&Value::Null, &Value::Null)
    );

    let listed = get(addr, LIST, &BEARER).await.json();
    let names = listed["data"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|credential| &credential["username"]).collect();
    assert_eq!(names, [&other["username"], &made["username"]]);
    let mut expected = made.clone();
    expected["expired"] = false.into();
    expected["enabled"] = true.into();
    expected["project"] = Value::Null;
    assert_eq!(listed["data"][1], expected);
    let pagination = json!({
        "total_records": 2, "current_page": 1, "total_pages": 1, "next_page": null, "prev_page": null
    });
    assert_eq!(listed["pagination"], pagination);
}

#[tokio::test]
async fn a_credential_is_switched_and_taken_away() {
    let server = server(&[]).await;
    let addr = server.addr;
    let made = create(addr, &json!({})).await;
    let name = json!({ "username": made["username"] });
    let nobody = json!({ "username": "nobody" });
    let switch = async |what: &str, body: &Value| {
        said(&call(addr, "POST", &format!("{CREDENTIAL}/{what}"), body).await)
    };
    let say = |status: u16, text: &str| (status, text.to_owned());
    assert_eq!(
        switch("enable", &name).await,
        say(400, "credential is already enabled")
    );
    assert_eq!(
        switch("disable", &name).await,
        say(200, "Turn credential disabled successfully")
    );
    assert_eq!(
        switch("disable", &name).await,
        say(400, "credential is already disabled")
    );
    assert_eq!(
        switch("enable", &name).await,
        say(200, "Credential enabled successfully")
    );
    for what in ["enable", "disable"] {
        assert_eq!(
            switch(what, &nobody).await,
            say(401, "credential not found")
        );
        let missing = say(400, "`username` field missing in the request body");
        assert_eq!(switch(what, &json!({})).await, missing);
    }
    let gone = call(addr, "DELETE", CREDENTIAL, &name).await;
    assert_eq!(
        gone.json(),
        json!({ "success": true, "message": "credential removed" })
    );
    let again = call(addr, "DELETE", CREDENTIAL, &name).await;
    assert_eq!(
        said(&again),
        say(400, "credential of the specified username is not found")
    );
}

#[tokio::test]
async fn a_list_has_pages_and_a_label_picks_some() {
    let server = server(&[]).await;
    for n in 0..60 {
        let label = ["even", "odd & so on"][n % 2];
        create(server.addr, &json!({ "label": label })).await;
    }
    let list = async |query: &str| get(server.addr, &format!("{LIST}?{query}"), &BEARER).await;
    let first = list("page=1").await.json();
    let second = list("page=2").await.json();
    let page = |json: &Value| {
        (
            json["data"].as_array().unwrap().len(),
            json["pagination"].clone(),
        )
    };
    let pagination = |page: usize, next: Value, prev: Value| {
        json!({
            "total_records": 60, "current_page": page, "total_pages": 2, "next_page": next, "prev_page": prev
        })
    };
    assert_eq!(page(&first), (50, pagination(1, json!(2), Value::Null)));
    assert_eq!(page(&second), (10, pagination(2, Value::Null, json!(1))));
    let odd = list("label=odd+%26+so+on").await.json();
    assert_eq!(odd["pagination"]["total_records"], 30);
    let odd = odd["data"].as_array().unwrap();
    assert!(
        odd.iter()
            .all(|credential| credential["label"] == "odd & so on")
    );
    assert_eq!(list("label=nothing").await.json()["data"], json!([]));
    assert_eq!(list("page=0").await.status, 400);
}

#[tokio::test]
async fn what_expires_is_left_out_unless_all_are_asked_for() {
    let server = server(&[]).await;
    let made = create(server.addr, &json!({ "expiryInSeconds": 1 })).await;
    let ice = format!("{ICE_SERVERS}?apiKey={}", made["apiKey"].as_str().unwrap());
    let expired = async || get(server.addr, LIST, &BEARER).await.json()["data"] == json!([]);
    let over = async {
        while !expired().await {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, over).await.unwrap();
    let all = get(server.addr, &format!("{LIST}?all=true"), &BEARER)
        .await
        .json();
    assert_eq!(all["data"][0]["expired"], true);
    assert_eq!(get(server.addr, &ice, &[]).await.status, 401);
}

#[tokio::test]
async fn a_page_of_any_origin_gets_its_ice_servers_by_its_key() {
    let server = server(&["--external-ip", "203.0.113.7"]).await;
    let made = create(server.addr, &json!({})).await;
    let key = made["apiKey"].as_str().unwrap();
    let origin = ("origin", "https://elsewhere.example");
    let reply = get(
        server.addr,
        &format!("{ICE_SERVERS}?apiKey={key}&region=global"),
        &[origin],
    )
    .await;
    assert_eq!(
        (reply.status, reply.must("access-control-allow-origin")),
        (200, "*")
    );
    assert_eq!(reply.must("cross-origin-resource-policy"), "cross-origin");
    assert_eq!(reply.must("cache-control"), "no-store");
    let servers = reply.json();
    let servers = servers.as_array().unwrap();
    assert!(servers.len() >= 3, "{servers:?}");
    // Who asks from this machine may hand it to others, who are not.
    for how in ["stun:", "turn:"] {
        let outside = format!("{how}203.0.113.7:");
        let offers = |server: &Value| server["urls"].as_str().unwrap().starts_with(&outside);
        assert!(servers.iter().any(offers), "{servers:?}");
    }
    for server in servers {
        let urls = server["urls"].as_str().unwrap();
        if urls.starts_with("stun:") {
            assert_eq!(server.as_object().unwrap().len(), 1);
        } else {
            assert!(
                urls.starts_with("turn:") && urls.contains("?transport="),
                "{urls}"
            );
            assert_eq!(server["username"], made["username"]);
            assert_eq!(server["credential"], made["password"]);
        }
    }
}

#[tokio::test]
async fn a_page_shows_its_key_in_a_header_if_it_likes_and_a_wrong_one_in_vain() {
    let server = server(&[]).await;
    let made = create(server.addr, &json!({})).await;
    let key = made["apiKey"].as_str().unwrap();
    let origin = ("origin", "https://elsewhere.example");
    // A browser asks first.
    let ask = [origin, ("access-control-request-method", "GET")];
    let allowed = request(server.addr, "OPTIONS", ICE_SERVERS, &ask).await;
    assert_eq!(
        (allowed.status, allowed.must("access-control-allow-origin")),
        (204, "*")
    );
    assert_eq!(
        allowed.must("access-control-allow-headers"),
        "authorization"
    );
    let bearer = [("authorization", &*format!("Bearer {key}"))];
    assert_eq!(get(server.addr, ICE_SERVERS, &bearer).await.status, 200);

    // A page that shows a wrong key, or none, can read that.
    let wrong = get(
        server.addr,
        &format!("{ICE_SERVERS}?apiKey=guess"),
        &[origin],
    )
    .await;
    assert_eq!(
        (wrong.status, wrong.json()),
        (401, json!({ "error": "Invalid API Key" }))
    );
    assert_eq!(wrong.must("access-control-allow-origin"), "*");
    let none = get(server.addr, ICE_SERVERS, &[origin]).await;
    assert_eq!(
        (none.status, none.json()),
        (400, json!({ "error": "Please specify API Key" }))
    );
    // The owner's key is none of a page's, nor a page's the owner's; and nobody else's page reads owners' answers.
    assert_eq!(
        get(server.addr, &format!("{ICE_SERVERS}?apiKey={KEY}"), &[])
            .await
            .status,
        401
    );
    let list = get(server.addr, &format!("{LIST}?secretKey={key}"), &[origin]).await;
    assert_eq!(
        (list.status, list.header("access-control-allow-origin")),
        (401, None)
    );
    // Who may not use it gets nothing for its key.
    let name = json!({ "username": made["username"] });
    call(server.addr, "POST", &format!("{CREDENTIAL}/disable"), &name).await;
    assert_eq!(get(server.addr, ICE_SERVERS, &bearer).await.status, 401);
    let listed = get(server.addr, LIST, &BEARER).await.json();
    assert_eq!(listed["data"][0]["enabled"], false);
}

#[tokio::test]
async fn without_the_key_nothing_is_done_and_what_makes_no_sense_is_told() {
    let server = server(&[]).await;
    let addr = server.addr;
    for (method, path) in [
        ("POST", CREDENTIAL),
        ("DELETE", CREDENTIAL),
        ("POST", "/api/v1/turn/credential/disable"),
        ("POST", "/api/v1/turn/credential/enable"),
        ("GET", LIST),
        ("GET", "/api/v1/turn/current_usage"),
        ("GET", "/api/v1/turn/current_usage_by_date"),
        ("GET", "/api/v1/turn/current_usage_for_user"),
        ("GET", "/api/v2/turn/current_usage_by_user"),
    ] {
        let none = request(addr, method, path, &[]).await;
        assert_eq!(
            said(&none),
            (400, "Please specify secret key".to_owned()),
            "{path}"
        );
        let wrong = request(addr, method, &format!("{path}?secretKey=south"), &[]).await;
        assert_eq!(
            said(&wrong),
            (401, "Invalid secret key".to_owned()),
            "{path}"
        );
    }
    assert_eq!(
        get(addr, LIST, &BEARER).await.json()["pagination"]["total_records"],
        0
    );

    let bad = "please enter a positive integer value for expiryInSeconds";
    for expiry in [json!(0), json!(-5), json!(1.5), json!("3600"), json!([])] {
        let reply = call(
            addr,
            "POST",
            CREDENTIAL,
            &json!({ "expiryInSeconds": expiry }),
        )
        .await;
        assert_eq!(said(&reply), (400, bad.to_owned()), "{expiry}");
    }
    for body in ["{", "[]", "7", "\u{0}", "{\"label\": 7}"] {
        let reply = send(addr, "POST", CREDENTIAL, &BEARER, body).await;
        assert_eq!(reply.status, 400, "{body}");
    }
    let long = json!({ "label": "x".repeat(5000) });
    assert_eq!(call(addr, "POST", CREDENTIAL, &long).await.status, 413);
    assert_eq!(get(addr, "/api/v1/turn/nothing", &BEARER).await.status, 404);
    assert_eq!(request(addr, "PUT", CREDENTIAL, &BEARER).await.status, 405);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = server(&[]).await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let head = format!(
        "POST {CREDENTIAL}?secretKey={KEY} HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 64];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await;
    answer.truncate(read.unwrap().unwrap());
    assert!(
        answer.starts_with(b"HTTP/1.1 413"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn an_address_makes_so_many_calls_and_another_has_its_own() {
    let server = server(&["--trusted-proxies", "127.0.0.1"]).await;
    let from = async |address: &str| {
        let headers = [("x-forwarded-for", address)];
        get(
            server.addr,
            &format!("{ICE_SERVERS}?apiKey=guess"),
            &headers,
        )
        .await
    };
    // Many at a time, so that a slow machine does not give one back for each.
    let mut refused = None;
    while refused.is_none() {
        let replies = join_all((0..100).map(|_| from("203.0.113.1"))).await;
        for reply in replies {
            match reply.status {
                429 => refused = Some(reply),
                status => assert_eq!(status, 401),
            }
        }
    }
    let refused = refused.expect("a limit");
    assert_eq!(
        (
            refused.must("retry-after"),
            refused.must("access-control-allow-origin")
        ),
        ("1", "*")
    );
    assert_eq!(from("203.0.113.2").await.status, 401);
}

#[tokio::test]
async fn without_a_key_there_is_no_such_thing() {
    let server = Running::start(&[]).await;
    assert_eq!(
        get(server.addr, &format!("{LIST}?secretKey="), &[])
            .await
            .status,
        404
    );
    let (_, _, log) = server.end("-TERM").await;
    assert!(!log.contains("--data"), "{log}");
}

#[tokio::test]
async fn the_log_says_what_is_forgotten_and_no_key_or_password() {
    let server = server(&["--log", "trace"]).await;
    let made = create(server.addr, &json!({ "label": "kitchen" })).await;
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    get(server.addr, &format!("{LIST}?secretKey={KEY}"), &[]).await;
    get(server.addr, &format!("{LIST}?secretKey=wrong-{KEY}"), &[]).await;
    get(
        server.addr,
        &format!("{ICE_SERVERS}?apiKey={}", text("apiKey")),
        &[],
    )
    .await;
    let name = json!({ "username": made["username"] });
    call(server.addr, "POST", &format!("{CREDENTIAL}/disable"), &name).await;
    call(server.addr, "DELETE", CREDENTIAL, &name).await;
    let (_, _, log) = server.end("-TERM").await;
    assert!(log.contains("are forgotten when the server stops"), "{log}");
    for secret in [
        KEY.to_owned(),
        text("password"),
        text("apiKey"),
        text("username"),
    ] {
        assert!(!log.contains(&secret), "{secret} in {log}");
    }
}

#[tokio::test]
async fn answers_are_as_they_are_described() {
    let server = server(&["--external-ip", "203.0.113.7"]).await;
    let addr = server.addr;
    let document = get(addr, "/api/openapi.json", &[]).await.json();
    let mut called = 0;
    let mut check = |method: &str, path: &str, reply: &Reply| {
        check_described(&document, method, path.split('?').next().unwrap(), reply);
        called += usize::from(reply.status == 200);
    };
    let made = create(addr, &json!({ "label": "me", "expiryInSeconds": 60 })).await;
    let name = json!({ "username": made["username"] });
    let for_user = format!(
        "/api/v1/turn/current_usage_for_user?username={}",
        made["username"].as_str().unwrap()
    );
    for path in [
        LIST,
        "/api/v1/turn/current_usage",
        "/api/v1/turn/current_usage_by_date",
        "/api/v2/turn/current_usage_by_user",
        &for_user,
    ] {
        check("GET", path, &get(addr, path, &BEARER).await);
        check("GET", path, &get(addr, path, &[]).await);
    }
    let ice = format!("{ICE_SERVERS}?apiKey={}", made["apiKey"].as_str().unwrap());
    for path in [&ice, ICE_SERVERS, &format!("{ICE_SERVERS}?apiKey=guess")] {
        check("GET", path, &get(addr, path, &[]).await);
    }
    let (disable, enable) = (
        format!("{CREDENTIAL}/disable"),
        format!("{CREDENTIAL}/enable"),
    );
    let long = json!({ "username": "x".repeat(5000) });
    for body in [
        &name,
        &name,
        &json!({}),
        &json!({ "username": "nobody" }),
        &long,
    ] {
        for (method, path) in [
            ("POST", CREDENTIAL),
            ("POST", &disable),
            ("POST", &enable),
            ("DELETE", CREDENTIAL),
        ] {
            check(method, path, &call(addr, method, path, body).await);
        }
    }
    assert!(called >= 10, "{called} good answers");
}
