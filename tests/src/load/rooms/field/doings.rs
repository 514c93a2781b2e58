//! What single participants are made to do while media flows.

use anyhow::Result;
use ferrite_protocol::{ClientMessage, ParticipantId};

use super::super::wire::wall_clock;
use super::Field;

impl Field {
    /// Somebody of this room says something to all in it.
    pub fn say(&mut self, number: usize, length: usize) -> Result<()> {
        let Some(Some(guest)) = self.guests.get_mut(number) else {
            return Ok(());
        };
        let text = format!("{:<length$}", wall_clock());
        guest.say(&ClientMessage::Say {
            id: None,
            to: None,
            topic: "load".to_owned(),
            text,
        })
    }

    /// Somebody watches others than before, who are drawn.
    pub fn change_watch(&mut self, number: usize) -> Result<()> {
        let Some(Some(guest)) = self.guests.get(number) else {
            return Ok(());
        };
        let (room, own) = (guest.room, guest.id.clone());
        let in_room = self.all().filter(|other| other.room == room);
        let cameras = in_room.filter(|other| other.part.has_camera() && other.keys.is_some());
        let mut others: Vec<ParticipantId> = cameras.filter_map(|other| other.id.clone()).collect();
        others.retain(|other| Some(other) != own.as_ref());
        for at in (1..others.len()).rev() {
            let with = self.random.number() as usize % (at + 1);
            others.swap(at, with);
        }
        let widths = &self.options.widths;
        let width = widths.get(number % widths.len().max(1)).copied();
        match &mut self.guests[number] {
            Some(guest) => guest.watch(&others, width),
            None => Ok(()),
        }
    }
}
