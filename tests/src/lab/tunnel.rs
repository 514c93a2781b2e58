//! The link at work: what comes out of one TUN device goes into the other, when the rules say so.

use std::time::Instant;

use anyhow::{Context, Result};
use tokio_tun::Tun;

use super::link::{Direction, Shape};

/// More than any packet has.
const LONGEST: usize = 65_536;

/// The device's name, in the network of either end.
pub(super) const UPLINK: &str = "uplink";

/// A device of this name in the network of this thread.
pub(super) fn open(name: &str) -> Result<Tun> {
    let made = Tun::builder().name(name).up().build();
    made.context("making a TUN device")?
        .pop()
        .context("a TUN device")
}

/// Carries packets both ways, for as long as it is polled.
pub(super) async fn carry(ends: [Tun; 2], shape: Shape) -> Result<()> {
    let [one, other] = &ends;
    let mut there = Direction::new(shape, 1);
    let mut back = Direction::new(shape, 2);
    let (mut from_one, mut from_other) = (vec![0; LONGEST], vec![0; LONGEST]);
    loop {
        let next = [there.next(), back.next()].into_iter().flatten().min();
        tokio::select! {
            len = one.recv(&mut from_one) => there.send(Instant::now(), from_one[..len?].to_vec()),
            len = other.recv(&mut from_other) => back.send(Instant::now(), from_other[..len?].to_vec()),
            () = until(next) => {}
        }
        let now = Instant::now();
        while let Some(packet) = there.receive(now) {
            other.send_all(&packet).await?;
        }
        while let Some(packet) = back.receive(now) {
            one.send_all(&packet).await?;
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
