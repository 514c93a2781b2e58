//! TLS on a connection after its handshake: opens what arrives and seals what leaves. It waits for nothing, and
//! keeps of what the socket does not take no more than one write.

use std::io::{self, BufRead as _, ErrorKind, Write};
use std::net::TcpStream;

use rustls::ServerConnection;

/// A connection whose handshake others have done.
#[derive(Debug)]
pub struct Secured {
    /// It does not block.
    pub stream: TcpStream,
    /// What was agreed on, and what came with it.
    pub session: TlsSession,
}

/// What was agreed on.
#[derive(Debug)]
pub struct TlsSession(Box<ServerConnection>);

impl TlsSession {
    /// After the handshake.
    pub fn new(session: ServerConnection) -> Self {
        Self(Box::new(session))
    }

    /// Opens what arrived, and gives out what is in it, and in what arrived before. An error says that the stream
    /// has ended, or is to end.
    pub fn open(
        &mut self,
        mut sealed: &[u8],
        mut give: impl FnMut(&[u8]) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        loop {
            self.give_out(&mut give)?;
            if sealed.is_empty() {
                return Ok(());
            }
            // A part of it at a time, so that what is opened does not pile up.
            match self.0.read_tls(&mut sealed) {
                Ok(1..) => {}
                Ok(_) | Err(_) => return Err(Broken),
            }
            self.0.process_new_packets().map_err(|_| Broken)?;
        }
    }

    fn give_out(
        &mut self,
        give: &mut impl FnMut(&[u8]) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let mut reader = self.0.reader();
        loop {
            let opened = match reader.fill_buf() {
                Ok(opened @ [_, ..]) => opened,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // The other end has said that nothing more comes.
                Ok(_) | Err(_) => return Err(Broken),
            };
            give(opened)?;
            let len = opened.len();
            reader.consume(len);
        }
    }

    /// Seals and writes, each message in a record of its own: there are clients that look for no second one in what
    /// they read at once. Returns how many bytes were taken: none while what was taken before waits.
    pub fn write<'m>(
        &mut self,
        stream: &mut impl Write,
        messages: impl Iterator<Item = &'m [u8]>,
    ) -> io::Result<usize> {
        if !self.flush(stream)? {
            return Ok(0);
        }
        let mut all = 0;
        for message in messages {
            let taken = self.0.writer().write(message)?;
            all += taken;
            if taken < message.len() {
                break;
            }
        }
        self.flush(stream)?;
        Ok(all)
    }

    /// Writes what waits. Returns whether nothing does any more.
    pub fn flush(&mut self, stream: &mut impl Write) -> io::Result<bool> {
        while self.0.wants_write() {
            match self.0.write_tls(stream) {
                Ok(1..) => {}
                Ok(_) => return Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Says that nothing more comes, if the socket takes it.
    pub fn close(&mut self, stream: &mut impl Write) {
        self.0.send_close_notify();
        let _ = self.flush(stream);
    }
}

/// A stream is not what it should be, or has ended.
#[derive(Debug)]
pub struct Broken;
