//! `ferrite token`: makes a token for trying, signed with the first secret among the server's keys, and
//! prints it alone.

use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use ferrite_server::auth::{self, Grants, MintError, SOURCES, Ticket};
use ferrite_server::config::read_time;

use crate::command_line::{refuse, say, told};

/// The settings that matter to it.
const SETTINGS: &[&str] = &["token-key", "token-key-file"];

const NO_SECRET: &str = "there is no key with a secret: give one as --token-key NAME:SECRET, in \
    FERRITE_TOKEN_KEY, in the file of --token-key-file, or in that of --config";

pub(crate) fn main() -> ExitCode {
    let (config, wish) = match told(command(), SETTINGS) {
        Ok(told) => told,
        Err(ended) => return ended,
    };
    let now = SystemTime::now();
    let Some(ticket) = ticket(&wish, now) else {
        return refuse(&"--ttl is longer than clocks go");
    };
    match auth::mint(&config.tokens.all(), &ticket, text(&wish, "room"), now) {
        Ok(token) => say(&token),
        Err(MintError::NoSecret) => refuse(&NO_SECRET),
        Err(error @ MintError::Refused(_)) => refuse(&error),
    }
}

fn command() -> Command {
    let wanted = |name, help| value(name, help).required(true);
    Command::new("ferrite token")
        .bin_name("ferrite token")
        .about("Makes a token for trying, signed with the first secret among the server's keys.")
        .arg(wanted("room", "The room that it opens"))
        .arg(wanted("identity", "Whose it is: one per room"))
        .arg(value("name", "What others are to see"))
        .arg(value("metadata", "What an application says of them"))
        .arg(
            value("ttl", "How long it opens the room")
                .value_parser(read_time)
                .default_value("6h"),
        )
        .arg(
            value(
                "source",
                "What may be published, unless it is everything. May be given several times",
            )
            .value_parser(PossibleValuesParser::new(SOURCES.map(|(_, name)| name)))
            .action(ArgAction::Append),
        )
        .arg(switch("no-publish", "Does not let them publish"))
        .arg(switch("no-subscribe", "Does not let them watch and listen"))
        .arg(switch("no-publish-data", "Does not let them send messages"))
        .arg(switch(
            "update-own-metadata",
            "Lets them change their own name and metadata",
        ))
        .arg(switch(
            "admin",
            "Lets them mute others, send them away, and end the room",
        ))
        .arg(switch(
            "create",
            "Lets them open rooms that nobody is in, where --new-rooms asks for that",
        ))
        .arg(switch("hidden", "Hides them from others"))
        .arg(
            value(
                "room-size",
                "How many may be in the room at a time, where they are the first in it",
            )
            .value_parser(value_parser!(NonZeroU32)),
        )
}

fn value(name: &'static str, help: &'static str) -> Arg {
    let value_name = match name {
        "ttl" => "TIME".to_owned(),
        "room-size" => "COUNT".to_owned(),
        _ => name.to_uppercase(),
    };
    Arg::new(name).long(name).value_name(value_name).help(help)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    let switch = Arg::new(name).long(name).help(help);
    switch.action(ArgAction::SetTrue)
}

/// `None` if it would run out after the end of time.
fn ticket(wish: &ArgMatches, now: SystemTime) -> Option<Ticket> {
    let owned = |name| wish.get_one::<String>(name).cloned();
    let ttl = wish.get_one("ttl").copied().unwrap_or(Duration::ZERO);
    Some(Ticket {
        identity: text(wish, "identity").to_owned(),
        name: owned("name"),
        metadata: owned("metadata"),
        grants: grants(wish),
        max_participants: wish.get_one("room-size").copied(),
        expires: now.checked_add(ttl)?,
    })
}

fn grants(wish: &ArgMatches) -> Grants {
    let sources = wish.get_many::<String>("source");
    let named = |names: clap::parser::ValuesRef<'_, String>| {
        let sources = names.filter_map(|it| SOURCES.iter().find(|(_, name)| name == it));
        sources.map(|(source, _)| *source).collect()
    };
    let is = |name| wish.get_flag(name);
    Grants {
        publish: !is("no-publish"),
        sources: sources.map(named),
        subscribe: !is("no-subscribe"),
        publish_data: !is("no-publish-data"),
        update_own_metadata: is("update-own-metadata"),
        admin: is("admin"),
        create: is("create"),
        hidden: is("hidden"),
    }
}

/// Of an argument that has to be there.
fn text<'a>(wish: &'a ArgMatches, name: &str) -> &'a str {
    wish.get_one::<String>(name).map_or("", String::as_str)
}
