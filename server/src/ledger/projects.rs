//! The projects, what each relayed by day, and which credentials are whose. A part of the [book](super::book), which
//! gives numbers and knows the credentials themselves; as there, what is written is how things are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::calendar::Day;
use super::credential::{Credential, Number, Refused};
use super::project::{Notice, Project, QuotaExceeded, Settings};
use super::quota::{self, Told};

/// Projects there may be.
pub const MAX_PROJECTS: usize = 1000;

/// Credentials of one. One more takes the place of the one that expired first.
pub const MAX_OF_PROJECT: usize = 10_000;

/// What a webhook that does not answer is to be told: older ones are forgotten.
pub const MAX_NOTICES: usize = 4;

#[derive(Debug)]
struct Entry {
    project: Project,
    days: BTreeMap<Day, u64>,
    /// Its credentials, the one that expires first before the others.
    credentials: BTreeSet<(u64, Number)>,
    /// Whether its quota has switched them off.
    is_off: bool,
}

/// What has to be written of them. What is `None` has to go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ProjectWrites {
    /// The projects.
    pub projects: Vec<(Number, Option<Project>)>,
    /// What each relayed on a day.
    pub days: Vec<((Day, Number), Option<u64>)>,
}

/// What was found by looking at quotas.
#[derive(Debug, Default)]
pub(super) struct Review {
    /// The projects whose credentials are to be switched off, or on.
    pub(super) switched: Vec<Number>,
    /// What was reached: which project's id, which percentage.
    pub(super) reached: Vec<(String, u8)>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Projects {
    entries: BTreeMap<Number, Entry>,
    by_id: HashMap<String, Number>,
    /// On which day it was last looked whose quota is used up, unless something has changed since.
    reviewed: Option<Day>,
    unwritten: BTreeSet<Number>,
    unwritten_days: BTreeSet<(Day, Number)>,
    /// What each was that has changed since it was last written, from the last change to the first.
    before: Vec<(Number, Option<Entry>)>,
}

impl Projects {
    /// As they were written.
    pub(super) fn read(projects: Vec<(Number, Project)>, days: Vec<((Day, Number), u64)>) -> Self {
        let mut read = Self::default();
        for (number, project) in projects {
            read.set(number, Some(Entry::new(project)));
        }
        for ((day, number), bytes) in days {
            if let Some(entry) = read.entries.get_mut(&number) {
                entry.days.insert(day, bytes);
            }
        }
        read
    }

    /// A project.
    pub fn get(&self, number: Number) -> Option<&Project> {
        self.entries.get(&number).map(|entry| &entry.project)
    }

    /// The number of the project that is called so in paths.
    pub fn number(&self, id: &str) -> Option<Number> {
        self.by_id.get(id).copied()
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Number, &Project)> {
        let entries = self.entries.iter();
        entries.map(|(number, entry)| (*number, &entry.project))
    }

    /// What one relayed in this month.
    pub fn usage(&self, unix: u64, number: Number) -> u64 {
        let entry = self.entries.get(&number);
        entry.map_or(0, |entry| entry.usage(Day::of(unix)))
    }

    /// Whether its quota has switched its credentials off.
    pub fn is_off(&self, number: Number) -> bool {
        self.entries.get(&number).is_some_and(|entry| entry.is_off)
    }

    /// The numbers of its credentials, the one that is good for the longest first.
    pub(super) fn credentials(&self, number: Number) -> impl Iterator<Item = Number> {
        let entry = self.entries.get(&number);
        let credentials = entry.into_iter().flat_map(|entry| entry.credentials.iter());
        credentials.rev().map(|(_, number)| *number)
    }

    /// The credential that makes room for another of the project, if one has to.
    pub(super) fn room(&self, unix: u64, number: Number) -> Result<Option<Number>, Refused> {
        let entry = self.entries.get(&number).ok_or(Refused::NoProject)?;
        if entry.credentials.len() < MAX_OF_PROJECT {
            return Ok(None);
        }
        let first = entry.credentials.first();
        let expired = first.filter(|(expires, _)| *expires <= unix);
        expired
            .map(|(_, number)| Some(*number))
            .ok_or(Refused::Full)
    }

    pub(super) fn create(&mut self, number: Number, project: Project) -> Result<(), Refused> {
        if self.entries.len() >= MAX_PROJECTS {
            return Err(Refused::TooManyProjects);
        }
        self.check_name(number, &project.settings.name)?;
        self.change(number, Some(Entry::new(project)));
        Ok(())
    }

    /// Says something else of it.
    ///
    /// # Errors
    /// When there is no such project, or another has that name.
    pub fn update(&mut self, number: Number, settings: Settings) -> Result<(), Refused> {
        self.check_name(number, &settings.name)?;
        let entry = self.entries.get(&number).ok_or(Refused::NoProject)?;
        let mut entry = entry.but_credentials();
        entry.project.settings = settings;
        self.change(number, Some(entry));
        Ok(())
    }

    /// Takes one away that has no credentials any more.
    pub(super) fn remove(&mut self, number: Number) {
        self.change(number, None);
    }

    fn check_name(&self, number: Number, name: &str) -> Result<(), Refused> {
        let has_it =
            |(other, project): (Number, &Project)| other != number && project.settings.name == name;
        match self.iter().any(has_it) {
            true => Err(Refused::NameTaken),
            false => Ok(()),
        }
    }

    /// Notes that a credential is there, or is there no more.
    pub(super) fn note(&mut self, number: Number, credential: &Credential, is_there: bool) {
        let entry = credential.project.and_then(|it| self.entries.get_mut(&it));
        let Some(entry) = entry else {
            return;
        };
        let key = (credential.expires().unwrap_or(u64::MAX), number);
        match is_there {
            true => entry.credentials.insert(key),
            false => entry.credentials.remove(&key),
        };
    }

    pub(super) fn count(&mut self, day: Day, number: Number, bytes: u64) {
        if let Some(entry) = self.entries.get_mut(&number) {
            *entry.days.entry(day).or_default() += bytes;
            self.unwritten_days.insert((day, number));
            self.reviewed = None;
        }
    }

    /// Looks whose quota runs out, and notes who is to be told of it.
    pub(super) fn review(&mut self, unix: u64) -> Review {
        let (today, mut review) = (Day::of(unix), Review::default());
        if self.reviewed.replace(today) == Some(today) {
            return review;
        }
        for (number, entry) in &mut self.entries {
            for reached in entry.note_thresholds(unix) {
                self.unwritten.insert(*number);
                let id = entry.project.id.clone();
                review.reached.push((id, reached.percent));
            }
            let is_off = entry.is_used_up(today);
            if std::mem::replace(&mut entry.is_off, is_off) != is_off {
                review.switched.push(*number);
            }
        }
        review
    }

    /// What is to be told, and has been written: were it told before, it could be told twice.
    pub fn notices(&self) -> impl Iterator<Item = (&Project, &Notice)> {
        let written = self.noted().filter(|(_, _, is_written)| *is_written);
        written.map(|(project, notice, _)| (project, notice))
    }

    /// What is to be told, and whether all that is known of its project has been written.
    pub fn noted(&self) -> impl Iterator<Item = (&Project, &Notice, bool)> {
        self.entries.iter().flat_map(|(number, entry)| {
            let is_written = !self.unwritten.contains(number);
            let notices = entry.project.notices.iter();
            notices.map(move |notice| (&entry.project, notice, is_written))
        })
    }

    /// Something was told, or never can be.
    pub fn settle(&mut self, id: &str) {
        let is_it = |entry: &Entry| {
            let mut notices = entry.project.notices.iter();
            notices.any(|notice| notice.id(&entry.project) == id)
        };
        let found = self.entries.iter().find(|(_, entry)| is_it(entry));
        let Some((number, mut entry)) =
            found.map(|(number, entry)| (*number, entry.but_credentials()))
        else {
            return;
        };
        let project = &mut entry.project;
        let mut notices = std::mem::take(&mut project.notices);
        notices.retain(|notice| notice.id(project) != id);
        project.notices = notices;
        self.change(number, Some(entry));
    }

    /// Forgets days that are long past.
    pub(super) fn forget(&mut self, before: Day) {
        for entry in self.entries.values_mut() {
            entry.days = entry.days.split_off(&before);
        }
        self.unwritten_days.retain(|(day, _)| *day >= before);
    }

    pub(super) fn has_changed(&self) -> bool {
        !self.before.is_empty()
    }

    pub(super) fn is_written(&self) -> bool {
        self.unwritten.is_empty() && self.unwritten_days.is_empty()
    }

    /// Whether something waits to be written that should not: somebody is to be told of it.
    pub(super) fn is_urgent(&self) -> bool {
        !self.unwritten.is_empty()
    }

    pub(super) fn writes(&self) -> ProjectWrites {
        let of_day = |(day, number): &(Day, Number)| {
            let entry = self.entries.get(number);
            let bytes = entry.and_then(|entry| entry.days.get(day).copied());
            ((*day, *number), bytes)
        };
        let projects = self.unwritten.iter();
        ProjectWrites {
            projects: projects
                .map(|number| (*number, self.get(*number).cloned()))
                .collect(),
            days: self.unwritten_days.iter().map(of_day).collect(),
        }
    }

    pub(super) fn note_written(&mut self) {
        self.unwritten.clear();
        self.unwritten_days.clear();
        self.before.clear();
    }

    /// What was asked for is undone. Which credentials are whose is for the book, which undoes those after this.
    pub(super) fn undo(&mut self) {
        while let Some((number, before)) = self.before.pop() {
            self.set(number, before);
        }
    }

    fn change(&mut self, number: Number, entry: Option<Entry>) {
        let before = self.set(number, entry);
        self.unwritten.insert(number);
        if !self.entries.contains_key(&number) {
            let days = before.iter().flat_map(|before| before.days.keys());
            self.unwritten_days.extend(days.map(|day| (*day, number)));
        }
        self.before.push((number, before));
    }

    /// Puts an entry where it belongs, and takes what was there.
    fn set(&mut self, number: Number, entry: Option<Entry>) -> Option<Entry> {
        self.reviewed = None;
        let mut before = self.entries.remove(&number);
        if let Some(before) = &before {
            self.by_id.remove(&before.project.id);
        }
        if let Some(mut entry) = entry {
            // Whose a credential is does not change with the project: they stay with the one that is there.
            if let Some(before) = &mut before {
                entry.credentials = std::mem::take(&mut before.credentials);
            }
            self.by_id.insert(entry.project.id.clone(), number);
            self.entries.insert(number, entry);
        }
        before
    }
}

impl Entry {
    fn new(project: Project) -> Self {
        Self {
            project,
            days: BTreeMap::new(),
            credentials: BTreeSet::new(),
            is_off: false,
        }
    }

    /// The same without its credentials, of which there may be many, for whoever changes it.
    fn but_credentials(&self) -> Self {
        Self {
            project: self.project.clone(),
            days: self.days.clone(),
            credentials: BTreeSet::new(),
            is_off: self.is_off,
        }
    }

    fn usage(&self, today: Day) -> u64 {
        let month = self.days.range(today.month()..);
        month.map(|(_, bytes)| bytes).sum()
    }

    fn is_used_up(&self, today: Day) -> bool {
        let settings = &self.project.settings;
        let is_reached = |quota| quota::is_reached(100, quota, self.usage(today));
        settings.action == QuotaExceeded::Disable && settings.quota.is_some_and(is_reached)
    }

    /// Notes what is to be told.
    fn note_thresholds(&mut self, unix: u64) -> Vec<Told> {
        let (month, usage) = (Day::of(unix).month(), self.usage(Day::of(unix)));
        let project = &mut self.project;
        let quota = match (project.settings.action, project.settings.quota) {
            (QuotaExceeded::Disable | QuotaExceeded::Notify, Some(quota)) => quota,
            (QuotaExceeded::None, _) | (_, None) => return Vec::new(),
        };
        let news: Vec<_> = quota::news(project.told, month, quota, usage).collect();
        for reached in &news {
            project.told = Some(*reached);
            if project.settings.webhook.is_some() {
                project.notices.push(Notice {
                    reached: *reached,
                    usage,
                    at: unix,
                });
            }
        }
        let too_many = project.notices.len().saturating_sub(MAX_NOTICES);
        project.notices.drain(..too_many);
        news
    }
}

#[cfg(test)]
mod tests;
