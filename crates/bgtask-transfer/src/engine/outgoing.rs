use std::fs::File;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::CHUNK;

/// What a request carries: nothing, or a file, a chunk at a time.
pub(super) enum Outgoing {
    Nothing,
    File {
        file: File,
        left: u64,
        /// How much the connection has taken so far.
        taken: Arc<AtomicU64>,
    },
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self::File { file, left, taken } = self.get_mut() else { return Poll::Ready(None) };
        let mut chunk = vec![0; CHUNK.min(usize::try_from(*left).unwrap_or(CHUNK))];
        if chunk.is_empty() {
            return Poll::Ready(None);
        }
        if let Err(error) = file.read_exact(&mut chunk) {
            return Poll::Ready(Some(Err(error)));
        }
        *left -= chunk.len() as u64;
        taken.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Nothing | Self::File { left: 0, .. })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::File { left, .. } => SizeHint::with_exact(*left),
        }
    }
}
