//! What others do to this server's own allocation, and how much of everything there is.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;

use super::super::bench::*;
use super::{ANN, STRANGER, World, address, server};
use crate::media::id::PeerId;
use crate::media::net::outbox::{MAX_WAITING, Outbox};
use crate::media::net::relayed::allocation::{MAX_REQUESTS, Refusal};
use crate::media::net::relayed::client::{MAX_SERVERS, News};
use crate::media::net::relayed::permissions::{MAX_OF_PEER, MAX_OF_SITE};
use crate::media::net::stun::attribute::{DATA, ERROR_CODE, XOR_PEER_ADDRESS};
use crate::media::net::stun::{Message, Method, TransactionId, Writer};

#[test]
fn permissions_end_with_their_peers_and_one_peer_has_few() {
    let mut world = World::new(1);
    let ip = |host: usize| IpAddr::from([198, 100, 1, host as u8]);
    let own = ip(200);
    // The latest are let in, and so is where its WebSocket comes from.
    let named: Vec<_> = (0..2 * MAX_OF_PEER).map(ip).collect();
    world.permit_named(1, own, &named);
    let latest = [&named[MAX_OF_PEER..], &[own]].concat();
    assert_eq!(world.permits(), latest);
    world.asked.clear();
    world.pass(Duration::from_secs(5 * 60));
    assert_eq!(world.permits().len(), MAX_OF_PEER + 1);
    world.gone.push(ANN);
    world.pass(Duration::from_secs(10 * 60));
    assert_eq!(world.permits().len(), MAX_OF_PEER + 1);
    assert!(world.client.granted().is_some());
}

#[test]
fn an_address_that_is_of_no_use_takes_no_place() {
    let mut world = World::new(1);
    let mut named: Vec<_> = (1..20).map(|at| IpAddr::from([10, 0, 0, at])).collect();
    named.push("2001:db8::7".parse().unwrap());
    let own: IpAddr = "198.100.1.200".parse().unwrap();
    let reflexive: IpAddr = "198.100.1.1".parse().unwrap();
    named.insert(0, reflexive);
    world.permit_named(1, own, &named);
    assert_eq!(world.permits(), [reflexive, own]);
}

/// Many sessions of one address, which invent addresses, leave, and come back.
#[test]
fn one_address_does_not_use_up_what_others_need() {
    let mut world = World::new(1);
    let attacker: IpAddr = "198.100.1.66".parse().unwrap();
    for id in 0..256_u64 {
        let invented = |at: u64| IpAddr::from([198, 101, id as u8, at as u8]);
        let invented: Vec<_> = (0..MAX_OF_PEER as u64).map(invented).collect();
        world.permit_named(1000 + id, attacker, &invented);
        if id % 16 == 0 {
            world.gone.extend((0..id).map(|id| PeerId(1000 + id)));
            world.pass(Duration::from_secs(11));
        }
    }
    let mut asked = world.permits();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), MAX_OF_SITE + 1);
    let victim: IpAddr = "198.102.1.1".parse().unwrap();
    world.permit_named(1, victim, &[]);
    assert!(world.permits().contains(&victim));
}

#[test]
fn who_comes_back_from_another_network_is_let_in_there() {
    let mut world = World::new(1);
    let [wifi, mobile] = [1, 2].map(|host| IpAddr::from([198, 100, 1, host]));
    world.permit_named(1, wifi, &[]);
    world.permit_named(1, mobile, &[]);
    assert_eq!(world.permits(), [wifi, mobile]);
    world.asked.clear();
    world.pass(Duration::from_secs(5 * 60));
    assert_eq!(world.permits(), [mobile]);
}

/// A server like this one lets in 64 for each relay.
#[test]
fn that_a_server_lets_in_no_more_is_told_once() {
    let mut world = World::new(1);
    for host in 0..70 {
        world.permit_named(host, IpAddr::from([198, 100, 1, host as u8]), &[]);
    }
    world.pass(Duration::from_secs(10 * 60));
    let refused = News::Refused(server(0, None), Refusal::Error(508));
    assert_eq!(world.news[1..], [refused]);
}

#[test]
fn so_many_requests_are_under_way_and_the_allocation_waits_for_none() {
    let mut world = World::new(1);
    world.is_away[0] = true;
    for host in 0..70 {
        let own = IpAddr::from([198, 100, 1, host as u8]);
        world.client.permit(world.now, PeerId(host), own, &[]);
    }
    assert_eq!(world.take_asked().len(), MAX_REQUESTS);
    world.pass(Duration::from_secs(13));
    let typ = Method::Refresh.request();
    let is_refresh = |it: &Vec<u8>| Message::read(it).is_some_and(|it| it.typ() == typ);
    assert!(world.asked.iter().any(is_refresh));
}

#[test]
fn so_many_servers_are_asked() {
    let servers = (0..MAX_SERVERS + 2).map(|at| server(at, Some("wrong")));
    let mut world = World::with(servers.collect());
    world.pass(Duration::from_secs(60));
    let failed = world.news.iter().filter_map(|news| match news {
        News::Failed(server, _) => Some(server.address),
        News::Allocated(..) | News::Refused(..) => None,
    });
    let mut failed: Vec<_> = failed.collect();
    failed.sort_unstable();
    failed.dedup();
    assert_eq!(failed.len(), MAX_SERVERS);
}

#[test]
fn what_waits_is_taken_before_there_is_no_room_for_more() {
    let mut world = World::new(1);
    world.permit(PEER);
    world.send(0, PEER, b"first");
    let (path, mut taken) = (world.path(PEER), 0);
    for _ in 0..2 * MAX_WAITING / 32 {
        let mut outbox = Outbox::default();
        (0..32).for_each(|_| outbox.push(&path, BytesMut::from(&b"media"[..])));
        if !world.client.send(world.now, &outbox.pop().unwrap()) {
            let transmits = std::iter::from_fn(|| world.client.poll_transmit());
            taken += transmits.map(|it| it.count()).sum::<usize>();
        }
    }
    let rest = std::iter::from_fn(|| world.client.poll_transmit());
    taken += rest.map(|it| it.count()).sum::<usize>();
    assert_eq!(taken, 2 * MAX_WAITING);
}

#[test]
fn what_was_asked_is_no_answer_and_neither_is_an_end_that_nobody_signed() {
    let mut world = World::new(1);
    let peer: SocketAddr = PEER.parse().unwrap();
    world.client.permit(world.now, ANN, peer.ip(), &[]);
    let asked = world.take_asked().concat();
    (world.client).handle_datagram(world.now, address(0), &asked);
    world.pass(Duration::from_millis(500));
    assert_eq!(world.permits(), [peer.ip()], "it is asked again");
    world.now += Duration::from_secs(12);
    world.client.handle_timeout(world.now, |_| true);
    let refresh = world.take_asked().concat();
    let mut forged = BytesMut::new();
    let transaction = Message::read(&refresh).unwrap().transaction();
    let mut writer = Writer::new(&mut forged, Method::Refresh.error(), transaction);
    writer.add(ERROR_CODE, &[0, 0, 4, 37]);
    writer.finish();
    (world.client).handle_datagram(world.now, address(0), &forged);
    world.pass(Duration::from_secs(1));
    assert_eq!((world.news.len(), world.number()), (1, Some(1)));
    assert!(world.works(0));
}

/// Who knows where the server sees us can send in its name, but answers nothing.
#[test]
fn what_others_send_in_its_name_does_not_keep_a_server_for_long() {
    let mut world = World::new(2);
    world.permit(PEER);
    world.is_away[0] = true;
    let mut forged = BytesMut::new();
    let typ = Method::Data.indication();
    let mut writer = Writer::new(&mut forged, typ, TransactionId([7; 12]));
    writer.add_address(XOR_PEER_ADDRESS, STRANGER.parse().unwrap());
    writer.add(DATA, b"noise");
    writer.finish();
    for _ in 0..45 {
        world.pass(Duration::from_secs(1));
        (world.client).handle_datagram(world.now, address(0), &forged);
    }
    assert_eq!(world.at(), Some(address(1)));
}
