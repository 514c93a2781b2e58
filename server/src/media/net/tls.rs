//! TLS on a connection, after its handshake or, at the client's end, from the beginning: opens what arrives and seals what leaves. It waits for nothing, and
//! keeps of what the socket does not take no more than one write.

use std::io::{self, BufRead as _, ErrorKind, Read, Write};
use std::net::TcpStream;

use rustls::Connection;

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
pub struct TlsSession(Box<Connection>);

impl TlsSession {
    /// Of either end. What a client sends before the handshake is done waits for it.
    pub fn new(session: impl Into<Connection>) -> Self {
        Self(Box::new(session.into()))
    }

    /// Whether it is yet to be done.
    pub fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
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

    /// Reads a stream of bytes that are no messages: as [`Read`] does, where the end is one only if the other end has
    /// said so.
    pub fn read(&mut self, stream: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            match self.0.read_tls(stream) {
                // The next read says whether that was to be.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            let opened = self.0.process_new_packets();
            opened.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
    }

    /// Says that nothing more comes. It is [flushed](Self::flush) like everything else.
    pub fn say_end(&mut self) {
        self.0.send_close_notify();
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
