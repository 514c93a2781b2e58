//! The credentials and what was relayed with each. It knows what may be done with them, what they are asked for, and
//! what of it has not been written yet; it knows no file and no clock.
//!
//! What is written is how things are, not how they changed: written twice it is the same, so that nothing counts
//! twice, whatever fails and when.

mod usage;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::calendar::Day;
use super::credential::{Credential, Number, Refused};
use super::project::Project;
use super::projects::{ProjectWrites, Projects, Review};
use super::usage::Line;

/// Credentials there may be. One more takes the place of the one that expired first.
pub const MAX_CREDENTIALS: usize = 100_000;

/// How many a page has.
pub const PAGE: usize = 50;

/// How long is known what all relayed on a day.
pub const DAYS_KEPT: u32 = 400;

/// How long what each relayed: no month that one may ask for is longer.
pub const USER_DAYS_KEPT: u32 = 62;

/// Some of the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Those of this page, the newest first.
    pub credentials: Vec<Credential>,
    /// How many there are on all.
    pub total: usize,
    /// Which page it is; the first is 1.
    pub page: usize,
    /// How many pages there are.
    pub pages: usize,
}

/// Which of them are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Also those that are past their time.
    pub all: bool,
    /// Those that are called so.
    pub label: Option<String>,
    /// Those of a project.
    pub project: Option<Number>,
}

/// A credential and what was relayed with it, by day.
#[derive(Clone, Debug)]
struct Entry {
    credential: Credential,
    days: BTreeMap<Day, u64>,
}

/// What was written, and has been read again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The number of the next credential.
    pub next: Number,
    /// The credentials.
    pub credentials: Vec<(Number, Credential)>,
    /// What each relayed on a day.
    pub user_days: Vec<((Day, Number), u64)>,
    /// What those of a line did.
    pub line_days: Vec<((Day, Line), u64)>,
    /// What all did.
    pub days: Vec<(Day, u64)>,
    /// The projects.
    pub projects: Vec<(Number, Project)>,
    /// What each relayed on a day.
    pub project_days: Vec<((Day, Number), u64)>,
}

/// What has to be written. What is `None` has to go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// The number of the next credential.
    pub next: Number,
    /// The credentials.
    pub credentials: Vec<(Number, Option<Credential>)>,
    /// What each relayed on a day.
    pub user_days: Vec<((Day, Number), Option<u64>)>,
    /// What those of a line did.
    pub line_days: Vec<((Day, Line), u64)>,
    /// What all did.
    pub days: Vec<(Day, u64)>,
    /// Days before these are forgotten: of each, of all.
    pub forget: Option<(Day, Day)>,
    /// What there is of projects.
    pub projects: ProjectWrites,
}

#[derive(Debug, Default)]
struct Unwritten {
    credentials: BTreeSet<Number>,
    user_days: BTreeSet<(Day, Number)>,
    line_days: BTreeSet<(Day, Line)>,
    days: BTreeSet<Day>,
    forget: Option<(Day, Day)>,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Book {
    /// The projects.
    pub projects: Projects,
    next: Number,
    entries: BTreeMap<Number, Entry>,
    by_name: HashMap<String, Number>,
    by_expiry: BTreeSet<(u64, Number)>,
    line_days: BTreeMap<(Day, Line), u64>,
    days: BTreeMap<Day, u64>,
    today: Option<Day>,
    unwritten: Unwritten,
    /// What each was that has changed since it was last written, from the last change to the first.
    before: Vec<(Number, Option<Entry>)>,
}

impl Book {
    /// As it was written.
    pub fn read(written: Written) -> Self {
        let mut book = Self {
            next: written.next,
            line_days: written.line_days.into_iter().collect(),
            days: written.days.into_iter().collect(),
            ..Self::default()
        };
        let last = written.projects.iter().map(|(number, _)| number + 1).max();
        book.next = book.next.max(last.unwrap_or_default());
        book.projects = Projects::read(written.projects, written.project_days);
        for (number, credential) in written.credentials {
            book.next = book.next.max(number + 1);
            let days = BTreeMap::new();
            book.set(number, Some(Entry { credential, days }));
        }
        for ((day, number), bytes) in written.user_days {
            if let Some(entry) = book.entries.get_mut(&number) {
                entry.days.insert(day, bytes);
            }
        }
        book
    }

    /// Adds a credential.
    ///
    /// # Errors
    /// When there are too many, or its project is not there.
    pub fn create(&mut self, unix: u64, credential: Credential) -> Result<(), Refused> {
        if let Some(project) = credential.project
            && let Some(expired) = self.projects.room(unix, project)?
        {
            self.change(expired, None);
        }
        if self.entries.len() >= MAX_CREDENTIALS {
            let first = self.by_expiry.first().copied();
            let (_, number) = first
                .filter(|(expires, _)| *expires <= unix)
                .ok_or(Refused::Full)?;
            self.change(number, None);
        }
        let (number, days) = (self.number(), BTreeMap::new());
        self.change(number, Some(Entry { credential, days }));
        Ok(())
    }

    /// Adds a project.
    ///
    /// # Errors
    /// When there are too many, or one is called so.
    pub fn create_project(&mut self, project: Project) -> Result<(), Refused> {
        let number = self.number();
        self.projects.create(number, project)
    }

    /// Takes a project away, with its credentials.
    pub fn delete_project(&mut self, number: Number) {
        let credentials: Vec<_> = self.projects.credentials(number).collect();
        for credential in credentials {
            self.change(credential, None);
        }
        self.projects.remove(number);
    }

    /// Of the credentials of a project that may be used the one that is good for the longest.
    pub fn best_of(&self, unix: u64, project: Number) -> Option<&Credential> {
        let numbers = self.projects.credentials(project);
        let entries = numbers.filter_map(|number| self.entries.get(&number));
        let mut good = entries.map(|entry| &entry.credential);
        good.find(|it| self.is_usable(it) && !it.is_expired(unix))
    }

    /// Whether nobody has switched a credential off, nor its project's quota.
    pub fn is_usable(&self, credential: &Credential) -> bool {
        let is_off = |project| self.projects.is_off(project);
        credential.enabled && !credential.project.is_some_and(is_off)
    }

    fn number(&mut self) -> Number {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Lets nobody use it.
    ///
    /// # Errors
    /// When nobody is called so, or could use it.
    pub fn disable(&mut self, username: &str) -> Result<(), Refused> {
        self.switch(username, false, |credential| match credential.enabled {
            true => Ok(()),
            false => Err(Refused::Disabled),
        })
    }

    /// Lets it be used again.
    ///
    /// # Errors
    /// When nobody is called so, or it can be used, or is past its time.
    pub fn enable(&mut self, unix: u64, username: &str) -> Result<(), Refused> {
        self.switch(username, true, |credential| match credential.enabled {
            true => Err(Refused::Enabled),
            false if credential.is_expired(unix) => Err(Refused::Expired),
            false => Ok(()),
        })
    }

    /// Takes it away. What it relayed counts for the account and its project all the same.
    ///
    /// # Errors
    /// When nobody is called so.
    pub fn delete(&mut self, username: &str) -> Result<(), Refused> {
        let number = *self.by_name.get(username).ok_or(Refused::Unknown)?;
        self.change(number, None);
        Ok(())
    }

    /// The same, where it has to be of a project.
    ///
    /// # Errors
    /// When nobody of the project is called so.
    pub fn delete_of(&mut self, project: Number, username: &str) -> Result<(), Refused> {
        let number = self.by_name.get(username);
        let entry = number.and_then(|number| self.entries.get(number));
        let is_its = entry.is_some_and(|entry| entry.credential.project == Some(project));
        match is_its {
            true => self.delete(username),
            false => Err(Refused::Unknown),
        }
    }

    /// A page of those that are asked for. A page that there is not is empty.
    pub fn list(&self, unix: u64, filter: &Filter, page: usize) -> Page {
        let is_asked_for = |credential: &&Credential| {
            let is_named = |label| credential.label.as_ref() == Some(label);
            (filter.all || !credential.is_expired(unix))
                && filter.label.as_ref().is_none_or(is_named)
        };
        let asked: Vec<_> = match filter.project {
            // Of many tenants' credentials only the project's own are looked at.
            Some(project) => {
                let mut newest: Vec<_> = self.projects.credentials(project).collect();
                newest.sort_unstable_by_key(|number| Reverse(*number));
                let entries = newest.iter().filter_map(|number| self.entries.get(number));
                let credentials = entries.map(|entry| &entry.credential);
                credentials.filter(is_asked_for).collect()
            }
            None => {
                let newest = self.entries.values().rev().map(|entry| &entry.credential);
                newest.filter(is_asked_for).collect()
            }
        };
        let page = page.max(1);
        Page {
            total: asked.len(),
            page,
            pages: asked.len().div_ceil(PAGE),
            credentials: of_page(asked.into_iter(), page).cloned().collect(),
        }
    }

    /// Looks whose quota runs out.
    pub(super) fn review(&mut self, unix: u64) -> Review {
        self.projects.review(unix)
    }

    /// The credentials of a project.
    pub fn credentials_of(&self, project: Number) -> impl Iterator<Item = (Number, &Credential)> {
        let numbers = self.projects.credentials(project);
        numbers.filter_map(|number| Some((number, &self.entries.get(&number)?.credential)))
    }

    /// What the credential of a number is called.
    pub fn label(&self, number: Number) -> Option<&str> {
        let entry = self.entries.get(&number)?;
        entry.credential.label.as_deref()
    }

    /// All credentials, by their numbers.
    pub fn credentials(&self) -> impl Iterator<Item = (Number, &Credential)> {
        let entries = self.entries.iter();
        entries.map(|(number, entry)| (*number, &entry.credential))
    }

    /// The credentials that have changed since it was last written: what each is called, and what it is now, if it
    /// is.
    pub fn changed(&self) -> impl Iterator<Item = (Number, &str, Option<&Credential>)> {
        self.before.iter().filter_map(|(number, before)| {
            let now = self.entries.get(number).map(|entry| &entry.credential);
            let known = now.or(before.as_ref().map(|entry| &entry.credential))?;
            Some((*number, known.username.as_str(), now))
        })
    }

    /// Whether a credential or a project has changed since it was last written.
    pub fn has_changed(&self) -> bool {
        !self.before.is_empty() || self.projects.has_changed()
    }

    /// Whether there is nothing to write.
    pub fn is_written(&self) -> bool {
        let Unwritten {
            credentials,
            user_days,
            line_days,
            days,
            forget,
        } = &self.unwritten;
        let has_days = !(user_days.is_empty() && line_days.is_empty() && days.is_empty());
        let is_quiet = credentials.is_empty() && !has_days && forget.is_none();
        is_quiet && self.projects.is_written()
    }

    /// What has to be written.
    pub fn writes(&self) -> Writes {
        let credential = |number| {
            let entry = self.entries.get(&number);
            (number, entry.map(|entry| entry.credential.clone()))
        };
        let of_user = |(day, number)| {
            let entry = self.entries.get(&number);
            let bytes = entry.and_then(|entry| entry.days.get(&day).copied());
            ((day, number), bytes)
        };
        let of_line = |key| Some((key, *self.line_days.get(&key)?));
        let of_all = |day| Some((day, *self.days.get(&day)?));
        let Unwritten {
            credentials,
            user_days,
            line_days,
            days,
            forget,
        } = &self.unwritten;
        Writes {
            next: self.next,
            credentials: credentials.iter().copied().map(credential).collect(),
            user_days: user_days.iter().copied().map(of_user).collect(),
            line_days: line_days.iter().copied().filter_map(of_line).collect(),
            days: days.iter().copied().filter_map(of_all).collect(),
            forget: *forget,
            projects: self.projects.writes(),
        }
    }

    /// They were.
    pub fn note_written(&mut self) {
        self.unwritten = Unwritten::default();
        self.before.clear();
        self.projects.note_written();
    }

    /// They were not: what was done to credentials is undone. What was relayed was relayed, and will be written.
    pub fn undo(&mut self) {
        self.projects.undo();
        while let Some((number, before)) = self.before.pop() {
            self.set(number, before);
        }
    }

    fn switch(
        &mut self,
        username: &str,
        enabled: bool,
        check: impl FnOnce(&Credential) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let number = *self.by_name.get(username).ok_or(Refused::Unknown)?;
        let mut entry = self.entries.get(&number).ok_or(Refused::Unknown)?.clone();
        check(&entry.credential)?;
        entry.credential.enabled = enabled;
        self.change(number, Some(entry));
        Ok(())
    }

    fn change(&mut self, number: Number, entry: Option<Entry>) {
        let before = self.set(number, entry);
        self.unwritten.credentials.insert(number);
        let days = before.iter().flat_map(|before| before.days.keys());
        self.unwritten
            .user_days
            .extend(days.map(|day| (*day, number)));
        self.before.push((number, before));
    }

    /// Puts an entry where it belongs, and takes what was there.
    fn set(&mut self, number: Number, entry: Option<Entry>) -> Option<Entry> {
        let before = self.entries.remove(&number);
        if let Some(Entry { credential, .. }) = &before {
            self.projects.note(number, credential, false);
            self.by_name.remove(&credential.username);
            let expires = credential.expires();
            expires.map(|expires| self.by_expiry.remove(&(expires, number)));
        }
        if let Some(entry) = entry {
            let credential = &entry.credential;
            self.projects.note(number, credential, true);
            self.by_name.insert(credential.username.clone(), number);
            self.by_expiry
                .extend(credential.expires().map(|expires| (expires, number)));
            self.entries.insert(number, entry);
        }
        before
    }
}

fn of_page<T>(all: impl Iterator<Item = T>, page: usize) -> impl Iterator<Item = T> {
    all.skip((page - 1).saturating_mul(PAGE)).take(PAGE)
}

fn sum(days: &BTreeMap<Day, u64>, unix: u64) -> u64 {
    days.range(Day::of(unix).month()..)
        .map(|(_, bytes)| bytes)
        .sum()
}

#[cfg(test)]
mod tests;
