//! Two people who know the name of a room, and nothing else, see each other's moving pictures within ten actions of
//! both together: one in Chromium, one in Firefox, and whoever comes first.

use std::cell::Cell;

use anyhow::{Result, ensure};
use ferrite_tests::{RoomPage, Seat, Server, firefox_and_chromium, scene};
use serde_json::{Value, json};

/// Fewer than this, of both.
const ACTIONS: u32 = 10;

/// Ends a line (WebDriver §17.4.2). Firefox ends none with what a text ends one with.
const ENTER: char = '\u{e007}';

/// Somebody in front of a browser. Whatever they do counts; to look and to wait does not.
struct Person<'a> {
    name: &'static str,
    seat: Seat<'a>,
    actions: Cell<u32>,
}

impl<'a> Person<'a> {
    fn at(seat: Seat<'a>, name: &'static str) -> Self {
        let actions = Cell::new(0);
        Self {
            name,
            seat,
            actions,
        }
    }

    fn acts(&self) -> Seat<'a> {
        self.actions.set(self.actions.get() + 1);
        self.seat
    }

    /// Finds into the room by the pointer, with as little typing as it needs.
    async fn comes_by_the_pointer(&self, server: &Server) -> Result<()> {
        self.acts().open(&server.url("/")).await?;
        self.sees_the_field_of("#room").await?;
        self.acts().type_into("#room", "kitchen").await?;
        self.acts().click("#room-form [type=submit]").await?;
        self.sees_the_field_of("#enter:enabled").await?;
        self.acts().type_into("#name", self.name).await?;
        self.acts().click("#enter").await
    }

    /// Finds into the room by the keyboard, where the key that ends a line is typed with it.
    async fn comes_by_the_keyboard(&self, server: &Server) -> Result<()> {
        self.acts().open(&server.url("/")).await?;
        self.sees_the_field_of("#room").await?;
        let room = format!("kitchen{ENTER}");
        self.acts().type_into("#room", &room).await?;
        self.sees_the_field_of("#enter:enabled").await?;
        let name = format!("{}{ENTER}", self.name);
        self.acts().type_into("#name", &name).await
    }

    async fn sees_the_field_of(&self, css: &str) -> Result<()> {
        let there = format!("document.querySelector({css:?})?.checkVisibility() ?? false");
        self.seat.holds(&format!("{css} to be there"), &there).await
    }

    /// Waits until ten more frames of the other were shown. Firefox keeps the W3C's counter for files only.
    async fn sees(&self, other: &str) -> Result<()> {
        let frames = format!(
            "((video) => video?.mozPaintedFrames ?? video?.getVideoPlaybackQuality().totalVideoFrames ?? 0)
            ({}?.querySelector('video'))",
            RoomPage::tile(other)
        );
        let before = self.seat.run(&format!("return {frames};"), vec![]).await?;
        let goal = before.as_u64().unwrap_or_default() + 10;
        let what = format!("{} to see {other}", self.name);
        let more = |seen: &Value| seen.as_u64() >= Some(goal);
        self.seat.until(&what, &frames, more).await.map(drop)
    }
}

async fn meet(first: Seat<'_>, second: Seat<'_>, server: &Server) -> Result<()> {
    let (ada, bo) = (Person::at(first, "Ada"), Person::at(second, "Bo"));
    ada.comes_by_the_pointer(server).await?;
    bo.comes_by_the_keyboard(server).await?;
    ada.sees("Bo").await?;
    bo.sees("Ada").await?;
    for person in [&ada, &bo] {
        person.seat.screenshot(person.name).await?;
    }
    let both = ada.actions.get() + bo.actions.get();
    ensure!(both < ACTIONS, "it took {both} actions");
    Ok(())
}

#[test]
fn firefox_and_chromium_meet_where_chromium_is_first() -> Result<()> {
    let options = RoomPage::windows();
    firefox_and_chromium(
        "front_chromium_first",
        &[],
        &options,
        async |fox, chrome, server| meet(Seat::Chromium(chrome), Seat::Firefox(fox), server).await,
    )
}

#[test]
fn firefox_and_chromium_meet_where_firefox_is_first() -> Result<()> {
    let options = RoomPage::windows();
    firefox_and_chromium(
        "front_firefox_first",
        &[],
        &options,
        async |fox, chrome, server| meet(Seat::Firefox(fox), Seat::Chromium(chrome), server).await,
    )
}

/// The form is there before what answers it is.
#[tokio::test]
async fn who_is_quicker_than_the_program_comes_to_the_room_as_well() -> Result<()> {
    scene("front_quick", async |scene| {
        let browser = &scene.browser;
        let begin = "const made = HTMLFormElement.prototype.addEventListener;
            HTMLFormElement.prototype.addEventListener = function (kind, ...rest) {
                if (kind !== 'submit') made.call(this, kind, ...rest);
            };";
        let command = "Page.addScriptToEvaluateOnNewDocument";
        browser
            .devtools(command, json!({ "source": begin }))
            .await?;
        browser.open(&scene.server.url("/")).await?;
        browser.type_into("#room", "Tea time\n").await?;
        let there = "location.pathname === '/r/Tea%20time' && location.search === ''";
        scene.holds("the room's page", there).await?;
        scene.run("history.back();").await?;
        let before = "location.pathname === '/' && location.search === ''";
        scene.holds("the front page", before).await
    })
    .await
}
