//! A peer's DTLS: its datagrams, and what comes of its handshake.

use std::time::Instant;

use bytes::BytesMut;

use super::Peer;
use crate::media::net::path::FourTuple;
use crate::media::transport::dtls::{Dtls, DtlsEvent, DtlsState};

impl Peer {
    pub(super) fn dtls_state(&self) -> DtlsState {
        match &self.dtls {
            _ if self.closed => DtlsState::Closed,
            Some(dtls) => dtls.state(),
            None => DtlsState::New,
        }
    }

    pub(super) fn handle_dtls(&mut self, now: Instant, path: FourTuple, datagram: &[u8]) {
        let Some(dtls) = &mut self.dtls else {
            return;
        };
        // Before there are keys a handshake cannot be told from noise, and needs an answer.
        match dtls.handle_datagram(now, datagram) {
            true => _ = self.ice.note_traffic(now, path, datagram.len()),
            false => self.ice.credit(&path, datagram.len()),
        }
        self.settle(now);
    }

    pub(super) fn handle_dtls_event(&mut self, now: Instant, event: DtlsEvent) {
        match event {
            DtlsEvent::Connected(srtp) => {
                self.srtp = Some(srtp);
                self.want_keyframes();
                self.pass_wishes_on();
            }
            DtlsEvent::Data(packet) => {
                self.start_sctp(now);
                if self.may_be_answered(packet.len())
                    && let Some(sctp) = &mut self.sctp
                {
                    sctp.handle_packet(now, packet);
                }
            }
            DtlsEvent::Closed => self.reason = Some("the other end closed".to_owned()),
            DtlsEvent::Failed(error) => self.reason = Some(error.to_string()),
        }
    }

    pub(super) fn pump_dtls(&mut self) {
        // Before the first check there is no path; the handshake's own timer sends again.
        let (path, was_held) = (self.ice.selected(), self.held.is_some());
        while let Some(data) = self.next_record() {
            match path {
                Some(path) if !self.ice.admit(&path, data.len()) => {
                    self.held = Some(data);
                    return;
                }
                Some(path) => self.outbox.push(&path, data),
                None => {}
            }
        }
        if was_held {
            self.unanswered = 0;
        }
    }

    pub(super) fn next_record(&mut self) -> Option<BytesMut> {
        (self.held.take()).or_else(|| self.dtls.as_mut().and_then(Dtls::poll_transmit))
    }
}
