//! Who else is counted: sessions, and whoever has time-limited credentials, all of them together.

use super::bench::*;
use crate::turn::account::Reach;
use crate::turn::meter::Payer;

const OURSELVES: &str = "203.0.113.1:3478";

fn counted(bench: &Bench) -> Vec<(Payer, u64)> {
    let mut read = bench.shared.credentials.stored().meters().read();
    read.sort();
    read
}

#[test]
fn what_sessions_and_time_limited_credentials_relay_is_counted_and_a_test_of_ourselves_is_not() {
    let mut bench = Bench::new();
    let credentials = bench.shared.credentials.clone();
    let sessions = [credentials.issue(), credentials.issue()];
    for (n, issued) in sessions.iter().enumerate() {
        let remote = format!("198.51.100.{}:4000", n + 1);
        let mut client = Client::of(&remote, issued);
        client.relay(&mut bench);
        assert_eq!(client.permit(&mut bench, OURSELVES), 0);
        assert!(client.send(&mut bench, OURSELVES, &[0; 10]).is_some());
    }
    let mut client = Client::new("198.51.100.7:4000");
    client.relay(&mut bench);
    assert_eq!(client.permit(&mut bench, PEER), 0);
    client.send(&mut bench, PEER, &[0; 300]);
    let peer: std::net::SocketAddr = PEER.parse().unwrap();
    let tested = credentials.issue_for(Reach::Only(peer.ip()));
    let mut client = Client::of("198.51.100.8:4000", &tested);
    client.relay(&mut bench);
    assert_eq!(client.permit(&mut bench, PEER), 0);
    client.send(&mut bench, PEER, &[0; 4000]);
    bench.pass(SECOND);
    let expected = [(Payer::Sessions, 20), (Payer::TimeLimited, 300)];
    assert_eq!(counted(&bench), expected);
    // Their ends are not written at once, as those of stored credentials are.
    drop(sessions);
    bench.pass(SECOND);
    assert!(!credentials.stored().meters().take_ended());
    assert!(counted(&bench).is_empty());
}
