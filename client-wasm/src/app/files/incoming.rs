//! A file on its way to this user. What came is kept as the browser's own blobs, which it may lay on its
//! disk, until all of it is there and was compared; or it is written to a file of the user's.

use std::time::Duration;

use ferrite_protocol::file::{CancelReason, FileId, FileMessage, Receiving, Transfer};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::{Blob, BlobPropertyBag, Url};

use super::disk::Disk;
use super::event::Wrote;

/// Pieces together become a blob of so many bytes: until then they are in the page's memory.
const BLOB_BYTES: u32 = 4 * 1024 * 1024;

pub(super) struct Incoming {
    receiving: Receiving,
    /// Where it is written to, where it is not kept here.
    disk: Option<Disk>,
    /// What came since the last blob.
    pieces: Array,
    pieces_bytes: u32,
    blobs: Array,
    /// Where all of it is, once it is.
    url: Option<String>,
}

impl Incoming {
    pub(super) fn new(id: FileId, size: u64, name: &str) -> Self {
        Self {
            receiving: Receiving::offered(id, size, name),
            disk: None,
            pieces: Array::new(),
            pieces_bytes: 0,
            blobs: Array::new(),
            url: None,
        }
    }

    pub(super) fn receiving(&self) -> &Receiving {
        &self.receiving
    }

    pub(super) fn receiving_mut(&mut self) -> &mut Receiving {
        &mut self.receiving
    }

    /// Writes it to a file of the user's.
    pub(super) fn write_to(&mut self, disk: Disk) {
        self.receiving.used(Duration::ZERO, 0);
        self.disk = Some(disk);
    }

    pub(super) fn is_on_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Something became of what was to be written.
    pub(super) fn wrote(&mut self, wrote: &Wrote, now: Duration) {
        let Some(disk) = &mut self.disk else { return };
        match wrote {
            Wrote::Piece(bytes) => {
                disk.wrote(*bytes);
                self.receiving.used(now, disk.written());
                self.close();
            }
            Wrote::All => {
                disk.closed();
                self.receiving.kept();
            }
            Wrote::Failed => self.cancel(CancelReason::Failed),
        }
    }

    /// Once it was compared, and all of it was written.
    fn close(&mut self) {
        let (_, size) = self.receiving.progress();
        if let Some(disk) = &mut self.disk
            && self.receiving.is_compared()
            && disk.written() == size
        {
            disk.close();
        }
    }

    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    pub(super) fn hear(&mut self, message: &FileMessage<'_>, now: Duration) {
        let new = self.receiving.receive(now, message);
        if self.keep(new).is_err() {
            // The browser has no place for it.
            self.cancel(CancelReason::Failed);
        }
        if self.receiving.transfer().is_over() {
            self.forget_parts();
        }
    }

    pub(super) fn cancel(&mut self, reason: CancelReason) {
        self.receiving.cancel(reason);
        self.forget_parts();
    }

    fn keep(&mut self, new: &[u8]) -> Result<(), JsValue> {
        if let Some(disk) = &mut self.disk {
            disk.keep(new);
            self.close();
            return Ok(());
        }
        if !new.is_empty() {
            self.pieces.push(&Uint8Array::from(new));
            // A piece has less than 64 kB.
            self.pieces_bytes += new.len() as u32;
        }
        if self.pieces_bytes >= BLOB_BYTES {
            self.fold()?;
        }
        if self.receiving.transfer() == Transfer::Complete && self.url.is_none() {
            self.fold()?;
            let kind = BlobPropertyBag::new();
            // Never what its sender says it is: nothing of it runs here.
            kind.set_type("application/octet-stream");
            let all = Blob::new_with_blob_sequence_and_options(&self.blobs, &kind)?;
            self.url = Some(Url::create_object_url_with_blob(&all)?);
        }
        Ok(())
    }

    fn fold(&mut self) -> Result<(), JsValue> {
        let blob = Blob::new_with_u8_array_sequence(&self.pieces)?;
        self.blobs.push(&blob);
        self.pieces = Array::new();
        self.pieces_bytes = 0;
        Ok(())
    }

    fn forget_parts(&mut self) {
        self.pieces = Array::new();
        self.pieces_bytes = 0;
        self.blobs = Array::new();
        if self.receiving.transfer() != Transfer::Complete {
            self.disk = None;
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(url) = &self.url {
            let _ = Url::revoke_object_url(url);
        }
    }
}
