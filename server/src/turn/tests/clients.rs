//! This server's own client of TURN at this server, in virtual time: what the one asks for the other gives.

mod limits;
mod world;

use std::time::Duration;

use bytes::BytesMut;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::bench::*;
use crate::media::id::PeerId;
use crate::media::net::outbox::{Outbox, Transmit};
use crate::media::net::relayed::account::TurnServer;
use crate::media::net::relayed::allocation::Refusal;
use crate::media::net::relayed::client::{News, STEADY};
use crate::media::net::relayed::permissions::Admission;
use crate::media::net::stun::attribute::{ERROR_CODE, XOR_MAPPED_ADDRESS, XOR_RELAYED_ADDRESS};
use crate::media::net::stun::{Message, Method, Writer};

use world::{World, address, server};

const ANN: PeerId = PeerId(1);
/// Somebody else.
const STRANGER: &str = "198.100.1.9:7000";

#[test]
fn an_allocation_is_had_and_packets_go_through_it_both_ways() {
    let mut world = World::new(1);
    let granted = world.granted();
    assert_eq!(world.news, [News::Allocated(server(0, None), granted)]);
    world.permit(PEER);
    assert!(world.works(0));
    // By then there is a channel, and what is sent is four bytes longer.
    assert_eq!(world.send(0, PEER, b"by channel"), [b"by channel"]);
    let last = world.asked.last().unwrap();
    assert_eq!(last, &channel(0x4000, b"by channel"));
    assert!(world.works(0), "what comes by it is taken, too");
}

/// Channel data is padded on it, and nothing is asked twice.
#[test]
fn by_a_connection_all_is_the_same() {
    let mut world = World::by_connection();
    world.permit(PEER);
    assert!(world.works(0));
    assert_eq!(world.send(0, PEER, b"seven b"), [b"seven b"]);
    let padded = [&channel(0x4000, b"seven b")[..], &[0]].concat();
    assert_eq!(world.asked.last(), Some(&padded));
    world.asked.clear();
    world.is_away[0] = true;
    world.pass(Duration::from_secs(26));
    assert_eq!((world.asked.len(), world.number()), (1, Some(1)));
    world.pass(Duration::from_secs(3));
    assert_eq!(world.number(), Some(2));
    assert!(matches!(
        world.news.last(),
        Some(News::Failed(_, Refusal::Silent))
    ));
}

#[test]
fn a_connection_that_breaks_is_made_anew() {
    let mut world = World::by_connection();
    world.permit(PEER);
    world.pass(STEADY);
    world.client.lose_socket(world.now, 1, Refusal::Broken);
    world.exchange();
    assert_eq!(world.number(), Some(2));
    assert!(world.works(0));
    // It is told a second time that the first one broke.
    world.client.lose_socket(world.now, 1, Refusal::Broken);
    world.exchange();
    assert_eq!(world.number(), Some(2));
    assert!(world.works(0));
}

#[test]
fn a_permission_that_a_connection_lost_is_asked_for_again_soon() {
    let mut world = World::by_connection();
    world.lose = 1;
    world.permit(PEER);
    assert_eq!(world.permits().len(), 1);
    world.pass(Duration::from_secs(22));
    assert_eq!((world.permits().len(), world.number()), (2, Some(1)));
    assert!(world.works(0));
}

#[test]
fn what_is_of_no_use_later_is_so_for_a_relay_too() {
    let mut world = World::by_connection();
    world.permit(PEER);
    let expires = Some(world.now + Duration::from_millis(200));
    for _ in ["by an indication", "by a channel"] {
        let (path, mut outbox) = (world.path(PEER), Outbox::default());
        let write = |out: &mut BytesMut| {
            out.extend_from_slice(b"sound");
            Ok::<_, ()>(())
        };
        outbox.write(&path, 5, expires, write).unwrap();
        world.client.send(world.now, &outbox.pop().unwrap());
        let asked = std::iter::from_fn(|| world.client.poll_transmit());
        assert_eq!(asked.last().unwrap().expires, expires);
        world.works(0);
    }
}

#[test]
fn what_is_sent_together_leaves_together() {
    let mut world = World::new(1);
    world.permit(PEER);
    world.send(0, PEER, b"first");
    let mut outbox = Outbox::default();
    for _ in 0..10 {
        outbox.push(&world.path(PEER), BytesMut::zeroed(1000));
    }
    let transmit = outbox.pop().unwrap();
    world.client.send(world.now, &transmit);
    let count = world.client.poll_transmit().as_ref().map(Transmit::count);
    assert_eq!(count, Some(10));
}

/// A nonce is good for an hour, permissions for five minutes, channels for ten, and the allocation as well.
#[test]
fn an_allocation_is_kept_for_hours_with_its_permissions_and_channels() {
    let mut world = World::new(1);
    world.permit(PEER);
    for _ in 0..3 * 60 {
        world.pass(Duration::from_secs(60));
        assert!(world.works(0));
    }
    assert_eq!(world.news.len(), 1, "{:?}", world.news);
}

#[test]
fn a_stale_nonce_is_replaced() {
    let mut world = World::new(1);
    world.permit(PEER);
    // The server's clock goes on by more than an hour.
    for bench in &mut world.servers {
        bench.machine.unix += 2 * 3600;
    }
    let refreshes = |world: &World| {
        let is_one = |it: &&Vec<u8>| {
            Message::read(it).is_some_and(|it| it.typ() == Method::Refresh.request())
        };
        world.asked.iter().filter(is_one).count()
    };
    let now = world.now + Duration::from_secs(12);
    world.now = now;
    world.client.handle_timeout(now, |_| true);
    world.exchange();
    assert_eq!(refreshes(&world), 2, "with the old nonce and the new one");
    assert!(world.works(0) && world.news.len() == 1);
}

#[test]
fn what_is_lost_is_asked_again() {
    for lose in 1..5 {
        let mut world = World::with(vec![server(0, None)]);
        world.client.start_over(world.now);
        world.lose = lose;
        world.exchange();
        assert_eq!(world.client.granted(), None);
        world.pass(Duration::from_secs(8));
        world.permit(PEER);
        assert!(world.works(0), "{lose} lost");
        // Nothing was given up for it.
        assert_eq!(world.number(), Some(2));
    }
}

#[test]
fn when_a_server_goes_away_another_takes_over_with_the_same_permissions() {
    let mut world = World::new(2);
    world.permit(PEER);
    assert!(world.works(0));
    world.is_away[0] = true;
    world.pass(Duration::from_secs(28));
    assert!(
        matches!(
            &world.news[..],
            [News::Allocated(..), News::Failed(lost, Refusal::Silent), News::Allocated(..)]
                if lost.name == "turn0"
        ),
        "{:?}",
        world.news
    );
    assert_eq!(world.at(), Some(address(1)));
    assert!(world.works(1));
    // And back, where that one goes away, too.
    world.is_away = vec![false, true];
    world.servers[0] = Bench::new();
    world.pass(Duration::from_secs(28));
    world.servers[0].now = world.now;
    assert_eq!(world.at(), Some(address(0)));
}

#[test]
fn a_server_that_is_sent_something_and_says_nothing_is_asked_at_once() {
    let mut world = World::new(2);
    world.permit(PEER);
    assert!(world.works(0));
    world.is_away[0] = true;
    world.pass(Duration::from_secs(3));
    world.send(0, PEER, b"media");
    world.pass(Duration::from_secs(16));
    assert!(world.client.granted().is_some(), "{:?}", world.news);
    assert_eq!(world.at(), Some(address(1)));
}

#[test]
fn a_server_that_forgot_us_is_asked_anew() {
    let mut world = World::new(1);
    world.permit(PEER);
    let now = world.now;
    world.servers[0] = Bench::new();
    world.servers[0].now = now;
    world.pass(Duration::from_secs(13));
    let failed = News::Failed(server(0, None), Refusal::Error(437));
    assert!(world.news.contains(&failed), "{:?}", world.news);
    assert!(world.works(0));
    assert_eq!(world.number(), Some(2));
}

#[test]
fn who_is_refused_asks_the_next_and_comes_back_seldom() {
    let wrong = server(0, Some("wrong"));
    let world = World::with(vec![wrong.clone(), server(1, None)]);
    let refused = News::Failed(wrong.clone(), Refusal::Credentials);
    assert_eq!(world.news[0], refused);
    assert_eq!(world.at(), Some(address(1)));
    let mut world = World::with(vec![wrong]);
    world.pass(Duration::from_secs(3600));
    assert!((50..80).contains(&world.news.len()), "{}", world.news.len());
}

#[test]
fn an_allocation_that_does_not_last_is_as_good_as_none() {
    let mut world = World::new(1);
    for _ in 0..31 {
        if world.client.granted().is_some() {
            let number = world.number().unwrap();
            (world.client).lose_socket(world.now, number, Refusal::Error(437));
            let now = world.now;
            world.servers[0] = Bench::new();
            world.servers[0].now = now;
        }
        world.pass(Duration::from_secs(1));
    }
    let had = |news: &&News| matches!(news, News::Allocated(..));
    let had = world.news.iter().filter(had).count();
    assert!((4..7).contains(&had), "{had}");
    // One that lasts makes up for them.
    world.pass(Duration::from_secs(45));
    assert!(world.client.granted().is_some());
    let number = world.number().unwrap();
    (world.client).lose_socket(world.now, number, Refusal::Error(437));
    let now = world.now;
    world.servers[0] = Bench::new();
    world.servers[0].now = now;
    world.pass(Duration::from_secs(1));
    assert!(world.client.granted().is_some());
}

#[test]
fn a_name_that_means_another_address_each_time_is_asked_no_more_often() {
    let of_one_name = |at| TurnServer {
        name: "turn.example:3478".to_owned(),
        ..server(at, Some("wrong"))
    };
    let mut servers = [0, 1].map(of_one_name);
    let mut world = World::with(servers.to_vec());
    for _ in 0..600 {
        servers.reverse();
        world.client.set_servers(world.now, servers.to_vec());
        world.pass(Duration::from_secs(1));
    }
    assert!((10..60).contains(&world.news.len()), "{}", world.news.len());
}

#[test]
fn what_a_server_did_not_sign_or_somebody_else_sent_is_no_answer() {
    let mut world = World::with(vec![server(0, None)]);
    world.client.start_over(world.now);
    let asked = world.client.poll_transmit().unwrap();
    let transaction = Message::read(&asked.data).unwrap().transaction();
    let mut forged = BytesMut::new();
    let mut writer = Writer::new(&mut forged, Method::Allocate.success(), transaction);
    writer.add_address(XOR_RELAYED_ADDRESS, STRANGER.parse().unwrap());
    writer.add_address(XOR_MAPPED_ADDRESS, STRANGER.parse().unwrap());
    writer.finish();
    let mut refused = BytesMut::new();
    let mut writer = Writer::new(&mut refused, Method::Allocate.error(), transaction);
    writer.add(ERROR_CODE, &[0, 0, 4, 86]);
    writer.finish();
    let stranger = STRANGER.parse().unwrap();
    for (from, datagram) in [(address(0), &forged), (stranger, &refused)] {
        let given = world.client.handle_datagram(world.now, from, datagram);
        assert!(given.is_none() && world.client.granted().is_none());
    }
    assert!(world.client.take_news().is_empty());
    (world.client).handle_datagram(world.now, address(0), &refused);
    let news = world.client.take_news();
    assert_eq!(news, [News::Failed(server(0, None), Refusal::Error(486))]);
}

#[test]
fn who_starts_over_has_another_allocation_and_no_peers() {
    let mut world = World::new(1);
    world.permit(PEER);
    world.client.start_over(world.now);
    world.exchange();
    assert_eq!(world.number(), Some(2));
    world.peer_sends(0, PEER, b"there");
    assert!(world.given.is_empty());
    world.permit(PEER);
    assert!(world.works(0));
}

/// What a server sends, with bytes of it changed, and bytes that nobody wrote.
#[test]
fn no_bytes_of_a_server_do_harm() {
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..200 {
        let mut world = World::new(1);
        world.permit(PEER);
        world.send(0, PEER, b"first");
        for _ in 0..50 {
            let (port, now) = (world.granted().relayed.port(), world.now);
            let bench = &mut world.servers[0];
            (bench.turn).handle_peer(now, port, PEER.parse().unwrap(), &[7; 100]);
            let sent = bench.sent().into_iter().map(|(_, datagram)| datagram);
            for mut datagram in sent.chain([vec![0; random.random_range(0..300)]]) {
                for _ in 0..random.random_range(0..8) {
                    let at = random.random_range(0..datagram.len().max(1));
                    datagram
                        .get_mut(at)
                        .into_iter()
                        .for_each(|it| *it = random.random());
                }
                datagram.truncate(random.random_range(0..400));
                world.client.handle_datagram(now, address(0), &datagram);
            }
        }
        world.exchange();
        assert!(world.works(0));
    }
}

#[test]
fn an_allocation_is_let_go_at_the_end() {
    let mut world = World::new(1);
    assert_eq!(world.servers[0].turn.len(), 1);
    world.client.close(world.now);
    world.exchange();
    assert_eq!(world.servers[0].turn.len(), 0);
}

#[test]
fn an_allocation_at_a_server_that_is_not_named_any_more_is_the_last_there() {
    let mut world = World::new(2);
    world.client.set_servers(world.now, vec![server(0, None)]);
    world.exchange();
    assert_eq!(
        (world.at(), world.number()),
        (Some(address(0)), Some(1)),
        "it stays"
    );
    world.client.set_servers(world.now, vec![server(1, None)]);
    world.permit(PEER);
    assert_eq!(world.number(), Some(1));
    assert!(world.works(0), "it stays for as long as it works");
    world.is_away[0] = true;
    world.pass(Duration::from_secs(28));
    assert_eq!((world.at(), world.number()), (Some(address(1)), Some(2)));
    assert!(world.works(1));
}

#[test]
fn private_addresses_are_for_servers_that_have_one() {
    let admits = |server: &str, address: &str| {
        let admission = Admission {
            allow: vec!["10.1.0.0/16".parse().unwrap()],
            deny: vec!["198.51.100.0/24".parse().unwrap()],
        };
        admission.admits(server.parse().unwrap(), address.parse().unwrap())
    };
    for (server, address, is_admitted) in [
        ("192.0.2.1", "203.0.113.7", true),
        ("192.0.2.1", "::ffff:203.0.113.7", true),
        ("192.0.2.1", "198.51.100.7", false),
        ("192.0.2.1", "10.0.0.7", false),
        ("192.0.2.1", "10.1.0.7", true),
        ("192.0.2.1", "127.0.0.1", false),
        ("10.0.0.1", "192.168.1.7", true),
        ("10.0.0.1", "127.0.0.1", false),
        ("127.0.0.1", "127.0.0.1", true),
        ("192.0.2.1", "0.0.0.0", false),
        ("192.0.2.1", "224.0.0.1", false),
        ("192.0.2.1", "2001:db8::7", false),
        ("2001:db8::1", "2001:db8::7", true),
    ] {
        assert_eq!(admits(server, address), is_admitted, "{server} {address}");
    }
}
