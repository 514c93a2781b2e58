//! Whatever comes, what is held has a bound, and what is agreed holds.

use proptest::prelude::*;

use super::bench::*;
use crate::media::net::stun::Method;
use crate::turn::allocation::{MAX_CHANNELS, MAX_PERMISSIONS};

/// What a client does.
#[derive(Clone, Debug)]
enum Deed {
    Allocate,
    Refresh(u32),
    Permit(u8, u16),
    Bind(u16, u8, u16),
    Send(u8, u16),
    Channel(u16, Vec<u8>),
    Noise(Vec<u8>),
    Cut(usize),
    Wait(u16),
    Close,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        Just(Deed::Allocate),
        any::<u32>().prop_map(|lifetime| Deed::Refresh(lifetime % 1000)),
        (any::<u8>(), any::<u16>()).prop_map(|(peer, port)| Deed::Permit(peer, port)),
        (0x3ff0_u16..0x4010, any::<u8>(), 0..4_u16)
            .prop_map(|(n, peer, port)| Deed::Bind(n, peer, port)),
        (any::<u8>(), any::<u16>()).prop_map(|(peer, port)| Deed::Send(peer, port)),
        (
            0x3ff0_u16..0x4010,
            proptest::collection::vec(any::<u8>(), 0..20)
        )
            .prop_map(|(number, data)| Deed::Channel(number, data)),
        proptest::collection::vec(any::<u8>(), 0..60).prop_map(Deed::Noise),
        (0..100_usize).prop_map(Deed::Cut),
        (0..700_u16).prop_map(Deed::Wait),
        Just(Deed::Close),
    ]
}

fn peer(n: u8, port: u16) -> String {
    match n {
        0..128 => format!("198.100.1.{}:{port}", n + 1),
        128..192 => format!("10.0.0.{n}:{port}"),
        192.. => "203.0.113.1:3478".to_owned(),
    }
}

fn do_one(bench: &mut Bench, client: &mut Client, deed: &Deed) {
    let path = client.path;
    match deed {
        Deed::Allocate => drop(client.allocate(bench)),
        Deed::Refresh(lifetime) => drop(client.refresh(bench, *lifetime)),
        Deed::Permit(n, port) => _ = client.permit(bench, &peer(*n, *port)),
        Deed::Bind(number, n, port) => _ = client.bind(bench, *number, &peer(*n, *port)),
        Deed::Send(n, port) => _ = client.send(bench, &peer(*n, *port), b"data"),
        Deed::Channel(number, data) => _ = bench.give(&path, &channel(*number, data)),
        Deed::Noise(noise) => _ = bench.give(&path, noise),
        Deed::Cut(len) => {
            let mut request = client.request(bench, Method::CreatePermission, |_| {});
            request.truncate(*len);
            bench.give(&path, &request);
        }
        Deed::Wait(seconds) => bench.pass(SECOND * u32::from(*seconds)),
        Deed::Close => bench.turn.handle_closed(&path, &mut bench.machine),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_clients_do_nobody_inside_is_reached_and_nothing_is_left(
        deeds in proptest::collection::vec((0..3_usize, deed()), 0..80),
    ) {
        let mut bench = Bench::with(Default::default(), 50_000..=50_003);
        let mut clients = ["198.51.100.7:1", "198.51.100.7:2", "[2a00::7]:3"].map(Client::new);
        for (who, deed) in &deeds {
            // A nonce of yesterday says nothing new.
            clients[*who].nonce.clear();
            bench.now += SECOND;
            do_one(&mut bench, &mut clients[*who], deed);
            for (from, to, _) in bench.relayed() {
                prop_assert!(bench.machine.open.contains(&from));
                prop_assert!(to.ip().to_string().starts_with("198.100."), "{}", to);
            }
            bench.sent();
            prop_assert!(bench.turn.len() <= 3);
            prop_assert!(bench.machine.open.len() <= bench.turn.len());
        }
        for _ in 0..2 {
            bench.pass(SECOND * 3600);
        }
        prop_assert!(bench.turn.is_empty() && bench.machine.open.is_empty());
        prop_assert!(bench.shared.quotas.is_empty());
        let all = bench.shared.ports.take(0, crate::turn::ports::Parity::Pair, 0);
        prop_assert!(all.is_some());
    }
}

/// Work for a datagram is looking through what one allocation may have.
const _: () = assert!(MAX_PERMISSIONS <= 64 && MAX_CHANNELS <= 64);
