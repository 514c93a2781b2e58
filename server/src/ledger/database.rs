//! The file: how what the [book](super::book) says lies in it, and how older files become as this server wants them.
//! Whatever is written is there whole or not at all, also when the process is killed or the machine loses power.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{
    DatabaseError, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, Table,
    TableDefinition, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::book::{Writes, Written};
use super::calendar::Day;
use super::credential::Number;
use super::usage::Line;

/// The file's name.
const NAME: &str = "ferrite.redb";

/// What the database keeps of the file in memory. It would take a gigabyte.
const CACHE: usize = 8 << 20;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const VERSION: &str = "version";
const NEXT: &str = "next";

/// As JSON: a field that comes later is no new schema.
const CREDENTIALS: TableDefinition<'_, Number, &[u8]> = TableDefinition::new("turn_credentials");
const USER_DAYS: TableDefinition<'_, (u32, Number), u64> = TableDefinition::new("turn_user_days");
const LINE_DAYS: TableDefinition<'_, (u32, u8), u64> = TableDefinition::new("turn_line_days");
const DAYS: TableDefinition<'_, u32, u64> = TableDefinition::new("turn_days");

/// As JSON, too.
const PROJECTS: TableDefinition<'_, Number, &[u8]> = TableDefinition::new("turn_projects");
const PROJECT_DAYS: TableDefinition<'_, (u32, Number), u64> =
    TableDefinition::new("turn_project_days");

type Migration = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// What makes a file of each version one of the next. A new file has version 0. All of them are one transaction.
const MIGRATIONS: &[Migration] = &[make_tables, add_lines, add_projects];

fn make_tables(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(CREDENTIALS)?;
    transaction.open_table(USER_DAYS)?;
    transaction.open_table(DAYS)?;
    Ok(())
}

fn add_lines(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(LINE_DAYS)?;
    Ok(())
}

fn add_projects(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(PROJECTS)?;
    transaction.open_table(PROJECT_DAYS)?;
    Ok(())
}

/// What a line is called in the file.
fn key(line: Line) -> u8 {
    match line {
        Line::Sessions => 1,
        Line::SharedSecret => 2,
    }
}

fn line(called: u8) -> Option<Line> {
    Line::ALL.into_iter().find(|line| key(*line) == called)
}

/// Why there is no database.
#[derive(Debug, Error)]
pub enum DataError {
    /// The directory or the file.
    #[error("{path} cannot be used: {source}", path = .path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody else has it open.
    #[error("{path} is in use by another server", path = .0.display())]
    InUse(PathBuf),
    /// This server does not know what it says.
    #[error("{path} is of schema version {found}, and this server knows {known} at most: start a newer one", path = .path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest that is known.
        known: u64,
    },
    /// The database.
    #[error("{path}: {source}", path = .path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// What it says.
        source: Box<redb::Error>,
    },
    /// A credential or a project.
    #[error("{path}: {what} {number} cannot be understood: {source}", path = .path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// A credential, or a project.
        what: &'static str,
        /// Its number.
        number: Number,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// The database.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    /// `None` after something went wrong: it is opened anew.
    open: Option<redb::Database>,
}

impl Database {
    /// Opens the one in a directory, or makes it, and reads what it says.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(directory: &Path) -> Result<(Self, Written), DataError> {
        Self::open_with(directory, MIGRATIONS)
    }

    /// One that cannot be written.
    #[cfg(test)]
    pub(super) fn broken() -> Self {
        let path = PathBuf::from("/nowhere/at/all");
        Self { path, open: None }
    }

    fn open_with(directory: &Path, migrations: &[Migration]) -> Result<(Self, Written), DataError> {
        let unusable = |source| DataError::Unusable {
            path: directory.to_owned(),
            source,
        };
        // Passwords are for nobody else on this machine.
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory);
        made.map_err(unusable)?;
        let path = directory.join(NAME);
        if !path.exists() {
            make(&path)?;
        }
        let database = open(&path, false)?;
        migrate(&path, &database, migrations)?;
        let written = read(&path, &database)?;
        let open = Some(database);
        Ok((Self { path, open }, written))
    }

    /// Writes, and returns when it is on the disk.
    ///
    /// # Errors
    /// When it may not be.
    pub fn write(&mut self, writes: &Writes) -> Result<(), DataError> {
        // After an error the library refuses all that follows.
        let database = match self.open.take() {
            Some(database) => database,
            // Not another: where the disk was gone, what is there now may be an empty one.
            None => open(&self.path, false)?,
        };
        write(&database, writes).map_err(|source| because(&self.path, source))?;
        self.open = Some(database);
        Ok(())
    }
}

fn because(path: &Path, source: impl Into<redb::Error>) -> DataError {
    DataError::Database {
        path: path.to_owned(),
        source: Box::new(source.into()),
    }
}

/// Makes an empty one. It gets its name when it is whole: of one that was not, the library would make no more.
fn make(path: &Path) -> Result<(), DataError> {
    let unnamed = path.with_extension(format!("{}.new", std::process::id()));
    let removed = || match fs::remove_file(&unnamed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    };
    let unusable = |source| DataError::Unusable {
        path: unnamed.clone(),
        source,
    };
    removed().map_err(unusable)?;
    drop(open(&unnamed, true)?);
    // Unlike a new name, a further one takes nobody else's.
    match fs::hard_link(&unnamed, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(unusable(error))?,
        Ok(()) | Err(_) => {}
    }
    removed().map_err(unusable)?;
    // The name is on the disk, too.
    let directory = path.parent().map(File::open).transpose();
    let synced = directory.and_then(|directory| directory.map_or(Ok(()), |it| it.sync_all()));
    synced.map_err(unusable)
}

fn open(path: &Path, new: bool) -> Result<redb::Database, DataError> {
    let file = file(path, new)?;
    let opened = FileBackend::new(file).and_then(|file| {
        let mut builder = redb::Database::builder();
        builder.set_cache_size(CACHE).create_with_backend(file)
    });
    let is_in_use = matches!(opened, Err(DatabaseError::DatabaseAlreadyOpen));
    opened.map_err(|error| match is_in_use {
        true => DataError::InUse(path.to_owned()),
        false => because(path, error),
    })
}

fn file(path: &Path, new: bool) -> Result<File, DataError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(new).mode(0o600);
    let opened = options.open(path);
    opened.map_err(|source| DataError::Unusable {
        path: path.to_owned(),
        source,
    })
}

fn migrate(
    path: &Path,
    database: &redb::Database,
    migrations: &[Migration],
) -> Result<(), DataError> {
    let known = migrations.len() as u64;
    let run = || -> Result<u64, redb::Error> {
        let transaction = database.begin_write()?;
        let found = version(&transaction)?;
        if found >= known {
            transaction.abort()?;
            return Ok(found);
        }
        for migration in &migrations[found as usize..] {
            migration(&transaction)?;
        }
        transaction.open_table(META)?.insert(VERSION, known)?;
        transaction.commit()?;
        Ok(known)
    };
    let found = run().map_err(|error| because(path, error))?;
    match found > known {
        true => Err(DataError::Newer {
            path: path.to_owned(),
            found,
            known,
        }),
        false => Ok(()),
    }
}

fn version(transaction: &WriteTransaction) -> Result<u64, redb::Error> {
    let meta = transaction.open_table(META)?;
    let version = meta.get(VERSION)?;
    Ok(version.map_or(0, |version| version.value()))
}

fn read(path: &Path, database: &redb::Database) -> Result<Written, DataError> {
    let read = read_all(database).map_err(|error| because(path, error))?;
    let (mut written, credentials, projects) = read;
    written.credentials = understand(path, "credential", credentials)?;
    written.projects = understand(path, "project", projects)?;
    Ok(written)
}

/// What JSON says.
fn understand<T: DeserializeOwned>(
    path: &Path,
    what: &'static str,
    rows: Rows,
) -> Result<Vec<(Number, T)>, DataError> {
    let understand = |(number, json): (Number, Vec<u8>)| {
        let read = serde_json::from_slice(&json).map_err(|source| DataError::Malformed {
            path: path.to_owned(),
            what,
            number,
            source,
        })?;
        Ok((number, read))
    };
    rows.into_iter().map(understand).collect()
}

type Rows = Vec<(Number, Vec<u8>)>;

fn read_all(database: &redb::Database) -> Result<(Written, Rows, Rows), redb::Error> {
    let transaction = database.begin_read()?;
    let mut written = Written::default();
    let meta = transaction.open_table(META)?;
    written.next = meta.get(NEXT)?.map_or(0, |next| next.value());
    for row in transaction.open_table(USER_DAYS)?.iter()? {
        let (key, bytes) = row?;
        let (day, number) = key.value();
        written.user_days.push(((Day(day), number), bytes.value()));
    }
    for row in transaction.open_table(LINE_DAYS)?.iter()? {
        let (called, bytes) = row?;
        let (day, called) = called.value();
        let day = line(called).map(|line| ((Day(day), line), bytes.value()));
        written.line_days.extend(day);
    }
    for row in transaction.open_table(DAYS)?.iter()? {
        let (day, bytes) = row?;
        written.days.push((Day(day.value()), bytes.value()));
    }
    for row in transaction.open_table(PROJECT_DAYS)?.iter()? {
        let (key, bytes) = row?;
        let (day, number) = key.value();
        let day = ((Day(day), number), bytes.value());
        written.project_days.push(day);
    }
    let credentials = rows(&transaction.open_table(CREDENTIALS)?)?;
    let projects = rows(&transaction.open_table(PROJECTS)?)?;
    Ok((written, credentials, projects))
}

fn rows(table: &ReadOnlyTable<Number, &'static [u8]>) -> Result<Rows, redb::Error> {
    let mut rows = Vec::new();
    for row in table.iter()? {
        let (number, json) = row?;
        rows.push((number.value(), json.value().to_vec()));
    }
    Ok(rows)
}

fn write(database: &redb::Database, writes: &Writes) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        transaction.open_table(META)?.insert(NEXT, writes.next)?;
        let mut credentials = transaction.open_table(CREDENTIALS)?;
        write_rows(&mut credentials, &writes.credentials)?;
        let mut projects = transaction.open_table(PROJECTS)?;
        write_rows(&mut projects, &writes.projects.projects)?;
        let mut user_days = transaction.open_table(USER_DAYS)?;
        write_days(&mut user_days, &writes.user_days)?;
        let mut project_days = transaction.open_table(PROJECT_DAYS)?;
        write_days(&mut project_days, &writes.projects.days)?;
        let mut line_days = transaction.open_table(LINE_DAYS)?;
        for ((day, line), bytes) in &writes.line_days {
            line_days.insert((day.0, key(*line)), bytes)?;
        }
        let mut days = transaction.open_table(DAYS)?;
        for (day, bytes) in &writes.days {
            days.insert(day.0, bytes)?;
        }
        if let Some((of_each, of_all)) = writes.forget {
            user_days.retain_in(..(of_each.0, 0), |_, _| false)?;
            project_days.retain_in(..(of_all.0, 0), |_, _| false)?;
            line_days.retain_in(..(of_all.0, 0), |_, _| false)?;
            days.retain_in(..of_all.0, |_, _| false)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn write_rows<T: Serialize>(
    table: &mut Table<'_, Number, &'static [u8]>,
    rows: &[(Number, Option<T>)],
) -> Result<(), redb::Error> {
    for (number, row) in rows {
        match row {
            Some(row) => {
                let json = serde_json::to_vec(row).map_err(io::Error::from)?;
                table.insert(number, json.as_slice())?;
            }
            None => drop(table.remove(number)?),
        }
    }
    Ok(())
}

fn write_days(
    table: &mut Table<'_, (u32, Number), u64>,
    days: &[((Day, Number), Option<u64>)],
) -> Result<(), redb::Error> {
    for ((day, number), bytes) in days {
        match bytes {
            Some(bytes) => drop(table.insert((day.0, *number), bytes)?),
            None => drop(table.remove((day.0, *number))?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
