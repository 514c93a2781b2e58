//! What was relayed, by day and for whom: counted, listed and forgotten.

use super::{Book, DAYS_KEPT, PAGE, USER_DAYS_KEPT, of_page, sum};
use crate::ledger::calendar::Day;
use crate::ledger::credential::Refused;
use crate::ledger::usage::{Line, Relayed, User};
use crate::turn::meter::{Owner, Payer};

impl Book {
    /// What all relayed in this month.
    pub fn usage(&self, unix: u64) -> u64 {
        sum(&self.days, unix)
    }

    /// What those of a line relayed in this month.
    pub fn usage_of(&self, unix: u64, line: Line) -> u64 {
        let month = self.line_days.range((Day::of(unix).month(), line)..);
        let its = month.filter(|((_, one), _)| *one == line);
        its.map(|(_, bytes)| bytes).sum()
    }

    /// What all relayed in this month, by day. Days on which nothing was relayed are left out.
    pub fn usage_by_date(&self, unix: u64) -> Vec<(Day, Relayed)> {
        let month = self.days.range(Day::of(unix).month()..);
        let of_line = |day, line| self.line_days.get(&(day, line)).copied();
        let relayed = |(day, bytes): (&Day, &u64)| {
            let of_lines = Line::ALL.map(|line| of_line(*day, line).unwrap_or_default());
            (
                *day,
                Relayed {
                    all: *bytes,
                    of_lines,
                },
            )
        };
        month.map(relayed).collect()
    }

    /// What one relayed in this month, or those of a line.
    ///
    /// # Errors
    /// When nobody is called so.
    pub fn usage_for(&self, unix: u64, username: &str) -> Result<u64, Refused> {
        if let Some(line) = Line::called(username) {
            return Ok(self.usage_of(unix, line));
        }
        let number = self.by_name.get(username);
        let entry = number.and_then(|number| self.entries.get(number));
        Ok(sum(&entry.ok_or(Refused::Unknown)?.days, unix))
    }

    /// A page of those that relayed something in this month, with how much; and whether there is another. Lines come
    /// before credentials.
    pub fn usage_by_user(&self, unix: u64, page: usize) -> (Vec<(User, u64)>, bool) {
        let lines = Line::ALL.map(|line| (User::of_line(line), self.usage_of(unix, line)));
        let newest = self.entries.values().rev();
        let credentials = newest.map(|entry| (User::of(&entry.credential), sum(&entry.days, unix)));
        let all = lines.into_iter().chain(credentials);
        let mut used = all.filter(|(_, bytes)| *bytes > 0);
        let users: Vec<_> = of_page(&mut used, page.max(1)).collect();
        let has_more = users.len() == PAGE && used.next().is_some();
        (users, has_more)
    }

    /// Counts what was relayed for somebody, also when there is no credential of this number any more.
    pub fn count(&mut self, unix: u64, payer: Payer, bytes: u64) {
        let day = Day::of(unix);
        match payer {
            Payer::Stored(Owner { number, project }) => {
                if let Some(entry) = self.entries.get_mut(&number) {
                    *entry.days.entry(day).or_default() += bytes;
                    self.unwritten.user_days.insert((day, number));
                }
                if let Some(project) = project {
                    self.projects.count(day, project, bytes);
                }
            }
            Payer::Sessions => self.count_line(day, Line::Sessions, bytes),
            Payer::TimeLimited => self.count_line(day, Line::SharedSecret, bytes),
        }
        *self.days.entry(day).or_default() += bytes;
        self.unwritten.days.insert(day);
    }

    pub(super) fn count_line(&mut self, day: Day, line: Line, bytes: u64) {
        *self.line_days.entry((day, line)).or_default() += bytes;
        self.unwritten.line_days.insert((day, line));
    }

    /// Forgets days that are long past, once a day.
    pub fn forget(&mut self, unix: u64) {
        let today = Day::of(unix);
        if self.today.replace(today) == Some(today) {
            return;
        }
        let (of_each, of_all) = (today.before(USER_DAYS_KEPT), today.before(DAYS_KEPT));
        for entry in self.entries.values_mut() {
            entry.days = entry.days.split_off(&of_each);
        }
        self.days = self.days.split_off(&of_all);
        self.line_days.retain(|(day, _), _| *day >= of_all);
        self.projects.forget(of_all);
        self.unwritten.user_days.retain(|(day, _)| *day >= of_each);
        self.unwritten.line_days.retain(|(day, _)| *day >= of_all);
        self.unwritten.days.retain(|day| *day >= of_all);
        self.unwritten.forget = Some((of_each, of_all));
    }
}
