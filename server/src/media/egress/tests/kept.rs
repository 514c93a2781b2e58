//! For how long packets may be asked for again, and what was sent is remembered for that.

use super::*;
use crate::media::egress::again::LOSSY_FOR;

#[test]
fn packets_are_kept_for_some_round_trips_and_longer_where_some_were_lost() {
    let ms = Duration::from_millis;
    let mut egress = egress(MediaKind::Video);
    let now = Instant::now();
    assert_eq!(
        egress.keeps_for(now, None),
        Duration::ZERO,
        "nothing was sent"
    );
    egress.forward(now, &packet(7, 1, KEY), false).unwrap();
    let kept = |egress: &Egress, now, rtt: u64| egress.keeps_for(now, Some(ms(rtt)));
    assert_eq!(egress.keeps_for(now, None), ms(400));
    let spans = [10, 150, 3000].map(|rtt| kept(&egress, now, rtt));
    assert_eq!(spans, [ms(100), ms(600), ms(1000)]);
    egress.wanted(now, None, 500).unwrap();
    assert_eq!(kept(&egress, now, 10), ms(400));
    assert_eq!(kept(&egress, now + LOSSY_FOR, 10), ms(100));
    let mut sound = Egress::new(&section(MediaKind::Audio), stream(), 500);
    sound.forward(now, &packet(7, 1, KEY), false).unwrap();
    assert_eq!(sound.keeps_for(now, None), Duration::ZERO);
}

#[test]
fn what_was_sent_is_remembered_for_as_long_as_it_is_kept() {
    let ms = Duration::from_millis;
    let mut egress = egress(MediaKind::Video);
    let start = Instant::now();
    let send = |egress: &mut Egress, at, number| {
        let media = packet(7, number, if number == 1 { KEY } else { DELTA });
        egress.forward(start + at, &media, false).unwrap();
    };
    send(&mut egress, ms(0), 1);
    send(&mut egress, ms(300), 2);
    assert!(egress.keeps(500), "nobody said for how long");
    egress.keep_sent_for(ms(100));
    send(&mut egress, ms(350), 3);
    assert!(egress.keeps(500), "others may have it kept");
    send(&mut egress, ms(450), 4);
    assert_eq!(
        [500, 501, 502].map(|ours| egress.keeps(ours)),
        [false, true, true]
    );
    egress.keep_sent_for(10 * HISTORY_SPAN);
    send(&mut egress, ms(1500), 5);
    assert_eq!([501, 502].map(|ours| egress.keeps(ours)), [false, false]);
}

#[test]
fn what_crosses_a_retransmission_over_a_long_path_asks_for_no_second_one() {
    let ms = Duration::from_millis;
    let (mut egress, now) = (egress(MediaKind::Video), Instant::now());
    for (number, kind) in [(1, KEY), (2, DELTA)] {
        egress
            .forward(now, &packet(7, number, kind), false)
            .unwrap();
    }
    let mut again = |at, rtt: u64, number| {
        let wanted = egress.wanted(now + ms(at), Some(ms(rtt)), number);
        wanted.is_some()
    };
    assert_eq!(
        [0, 100, 200, 299, 300].map(|at| again(at, 400, 500)),
        [true, false, false, false, true]
    );
    assert!(again(400, 100, 500), "the path is shorter now");
    assert_eq!([0, 10, 20].map(|at| again(at, 1, 501)), [true, false, true]);
}
