//! How many may be in a room: as the server says, or fewer where who came first has it so.

use std::num::NonZeroU32;

use super::*;

fn for_so_many(id: &str, most: u32) -> Newcomer {
    Newcomer {
        max_participants: NonZeroU32::new(most),
        ..newcomer(id)
    }
}

fn take(rooms: &Arc<Rooms>, newcomer: Newcomer) -> Result<Seat, RoomError> {
    Seat::take(rooms, "r".into(), newcomer)
}

#[test]
fn who_comes_first_says_how_many_may_be_there() {
    let rooms = rooms(LIMITS);
    let first = take(&rooms, for_so_many("1", 2)).unwrap();
    // What others say of it comes too late.
    let second = take(&rooms, for_so_many("2", 9)).unwrap();
    assert_eq!(take(&rooms, newcomer("3")).unwrap_err(), RoomError::Full(2));
    // Nobody is there twice.
    let again = take(&rooms, newcomer("2")).unwrap();
    drop(second);
    drop(first);
    // It stays so when they leave, as long as the room is there.
    let _third = take(&rooms, newcomer("3")).unwrap();
    assert_eq!(take(&rooms, newcomer("4")).unwrap_err(), RoomError::Full(2));
    drop(again);
    let _fourth = take(&rooms, newcomer("4")).unwrap();
}

#[test]
fn a_room_that_is_made_anew_is_as_large_as_is_said_then() {
    let rooms = rooms(LIMITS);
    let first = take(&rooms, for_so_many("1", 1)).unwrap();
    assert_eq!(take(&rooms, newcomer("2")).unwrap_err(), RoomError::Full(1));
    // They have still to notice that it has ended.
    rooms.end(&"r".into(), None).unwrap();
    let second = take(&rooms, newcomer("2")).unwrap();
    let third = take(&rooms, newcomer("3")).unwrap();
    drop((first, second, third));
    let _fourth = take(&rooms, for_so_many("4", 1)).unwrap();
    assert_eq!(take(&rooms, newcomer("5")).unwrap_err(), RoomError::Full(1));
}

#[test]
fn the_servers_own_limit_holds_above() {
    let rooms = rooms(RoomLimits {
        participants: 2,
        ..LIMITS
    });
    let _first = take(&rooms, for_so_many("1", u32::MAX)).unwrap();
    let _second = take(&rooms, newcomer("2")).unwrap();
    assert_eq!(take(&rooms, newcomer("3")).unwrap_err(), RoomError::Full(2));
}
