//! Who is in a room, asked before one enters it.

use ferrite_protocol::JoinToken;
use js_sys::{Object, Reflect};
use serde::Deserialize;
use wasm_bindgen::JsValue;

use crate::{dom, gaps, url};

/// Who is there, as far as the server tells.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Glimpse {
    pub(crate) count: usize,
    /// Of the first who came and have one.
    pub(crate) names: Vec<String>,
}

/// Asks. Nothing, where the server does not tell, or is away: whoever enters sees anyway.
pub(crate) async fn ask(token: Option<JoinToken>) -> Option<Glimpse> {
    let options = options(token).ok()?;
    let answer = gaps::fetch(&url::people_of_the_page()?, &options)
        .await
        .ok()?;
    let glimpse = (answer.status() == 200)
        .then(|| answer.json())?
        .await
        .ok()?;
    dom::read(glimpse).ok()
}

fn options(token: Option<JoinToken>) -> Result<Object, JsValue> {
    let (options, headers) = (Object::new(), Object::new());
    if let Some(JoinToken(token)) = token {
        let shown = format!("Bearer {token}");
        Reflect::set(&headers, &"authorization".into(), &shown.into())?;
    }
    Reflect::set(&options, &"headers".into(), &headers)?;
    Ok(options)
}
