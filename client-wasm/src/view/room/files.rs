//! The files that go to and come from others: a line for each, and the button to offer one. Owns their
//! elements; what becomes of a file is told.

use wasm_bindgen::JsCast;
use web_sys::{
    Document, Element, Event, File, FileList, HtmlAnchorElement, HtmlElement, HtmlInputElement,
    HtmlOptionElement, HtmlProgressElement, HtmlSelectElement, HtmlTemplateElement,
};

use super::super::action::RoomAction;
use super::super::element::{Finder, Missing, child, copy_of, on, set_text, show};
use crate::dom::{Listener, Post};

/// What a line shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileLine<'a> {
    pub(crate) number: u32,
    pub(crate) name: &'a str,
    pub(crate) note: String,
    /// For programs and style sheets.
    pub(crate) state: &'static str,
    pub(crate) incoming: bool,
    /// From 0 to 1.
    pub(crate) progress: f64,
    pub(crate) can_take: bool,
    /// What its last button says.
    pub(crate) drop: String,
    /// Where it can be saved from.
    pub(crate) url: Option<&'a str>,
    /// By its name it is a picture, and small enough to be shown.
    pub(crate) is_picture: bool,
}

struct Line {
    number: u32,
    item: HtmlElement,
    note: Element,
    progress: HtmlProgressElement,
    take: HtmlElement,
    drop: HtmlElement,
    save: HtmlAnchorElement,
    picture: HtmlElement,
    /// Shows it once the browser could read it.
    _loaded: Listener,
}

/// The lines and the button.
pub(crate) struct Files {
    document: Document,
    list: HtmlElement,
    template: HtmlTemplateElement,
    input: HtmlInputElement,
    to: HtmlSelectElement,
    lines: Vec<Line>,
    _listeners: [Listener; 2],
}

impl Files {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let Finder(document): &Finder<'_> = find;
        let list: HtmlElement = find.get("file-lines")?;
        let input: HtmlInputElement = find.get("file-input")?;
        let to: HtmlSelectElement = find.get("file-to")?;
        let (chosen, whom) = (input.clone(), to.clone());
        let listeners = [
            on(&input, "change", post, move |_| {
                let files = all_of(chosen.files());
                // The same file can be chosen again.
                chosen.set_value("");
                let to = Some(whom.value()).filter(|to| !to.is_empty());
                (!files.is_empty()).then_some(RoomAction::Offer(files, to))
            }),
            on(&list, "click", post, |event| pressed(&event)),
        ];
        Ok(Self {
            document: Document::clone(document),
            list,
            template: find.get("file-item")?,
            input,
            to,
            lines: Vec::new(),
            _listeners: listeners,
        })
    }

    /// Whether files can be offered.
    pub(crate) fn enable(&self, enabled: bool) {
        self.input.set_disabled(!enabled);
        self.to.set_disabled(!enabled);
    }

    /// Whom files are offered to: everybody, where there is none.
    pub(crate) fn whom(&self) -> Option<String> {
        Some(self.to.value()).filter(|to| !to.is_empty())
    }

    /// Whom files can be offered to: ids and names. Who was chosen stays so.
    pub(crate) fn people(&self, people: &[(&str, &str)]) {
        let chosen = self.to.value();
        // The first is everybody.
        self.to.set_length(1);
        for (id, name) in people {
            let option = self.document.create_element("option").ok();
            if let Some(option) = option.and_then(|it| it.dyn_into::<HtmlOptionElement>().ok()) {
                option.set_value(id);
                option.set_text(name);
                let _ = self.to.append_child(&option);
            }
        }
        let is_there = people.iter().any(|(id, _)| *id == chosen);
        self.to.set_value(if is_there { &chosen } else { "" });
    }

    /// Shows these lines and no others.
    pub(crate) fn show(&mut self, lines: &[FileLine<'_>]) {
        let is_there = |known: &Line| lines.iter().any(|it| it.number == known.number);
        for gone in self.lines.extract_if(.., |known| !is_there(known)) {
            gone.item.remove();
        }
        for line in lines {
            if !self.lines.iter().any(|it| it.number == line.number) {
                let Some(made) = Line::new(&self.template, line) else {
                    continue;
                };
                let _ = self.list.append_child(&made.item);
                made.item.scroll_into_view_with_bool(false);
                self.lines.push(made);
            }
            let known = self.lines.iter().find(|it| it.number == line.number);
            known.into_iter().for_each(|known| known.show(line));
        }
    }
}

impl Line {
    fn new(template: &HtmlTemplateElement, line: &FileLine<'_>) -> Option<Self> {
        let item: HtmlElement = copy_of(template)?.dyn_into().ok()?;
        let _ = item.dataset().set("file", &line.number.to_string());
        let way = if line.incoming { "in" } else { "out" };
        let _ = item.dataset().set("way", way);
        child::<Element>(&item, ".what")?.set_text_content(Some(line.name));
        let progress: HtmlProgressElement = child(&item, "progress")?;
        let _ = progress.set_attribute("aria-label", line.name);
        let picture: HtmlElement = child(&item, ".picture")?;
        let _ = picture.set_attribute("alt", line.name);
        let loaded = picture.clone();
        let loaded = Listener::new(&picture, "load", move |_| show(&loaded, true));
        Some(Self {
            number: line.number,
            picture,
            _loaded: loaded,
            note: child(&item, ".note")?,
            progress,
            take: child(&item, ".take")?,
            drop: child(&item, ".drop")?,
            save: child(&item, ".save")?,
            item,
        })
    }

    fn show(&self, line: &FileLine<'_>) {
        let _ = self.item.dataset().set("state", line.state);
        set_text(&self.note, &line.note);
        self.progress.set_value(line.progress);
        show(&self.progress, line.state == "active");
        show(&self.take, line.can_take);
        set_text(&self.drop, &line.drop);
        show(&self.save, line.url.is_some());
        if let Some(url) = line.url
            && self.save.href() != url
        {
            self.save.set_href(url);
            self.save.set_download(line.name);
            if line.is_picture {
                let _ = self.picture.set_attribute("src", url);
            }
        }
    }
}

/// The files of a list.
pub(super) fn all_of(files: Option<FileList>) -> Vec<File> {
    let all = files
        .iter()
        .flat_map(|files| (0..files.length()).map(|at| files.get(at)));
    all.flatten().collect()
}

/// Which button of which line was pressed.
fn pressed(event: &Event) -> Option<RoomAction> {
    let button: Element = event.target()?.dyn_into().ok()?;
    let line: HtmlElement = button.closest("[data-file]").ok()??.dyn_into().ok()?;
    let number = line.dataset().get("file")?.parse().ok()?;
    let classes = button.class_name();
    let mut classes = classes.split(' ');
    classes.find_map(|class| match class {
        "take" => Some(RoomAction::Take(number)),
        "drop" => Some(RoomAction::Drop(number)),
        _ => None,
    })
}
