//! A stream whose first bytes were read to find out what is spoken on it, and are there to be read once more.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

/// The stream.
#[derive(Debug)]
pub(super) struct Rewind<S> {
    first: Vec<u8>,
    /// Of `first`, how many were read once more.
    given: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> Rewind<S> {
    /// Nothing was read yet.
    pub(super) const fn new(stream: S) -> Self {
        Self {
            first: Vec::new(),
            given: 0,
            stream,
        }
    }

    /// Reads until what came is `expected`, or cannot become it, or ends.
    pub(super) async fn while_like(mut stream: S, expected: &[u8]) -> io::Result<Self> {
        let mut first = Vec::with_capacity(expected.len());
        while first.len() < expected.len() && expected.starts_with(&first) {
            let left = expected.len() - first.len();
            let read = (&mut stream).take(left as u64).read_buf(&mut first).await?;
            if read == 0 {
                break;
            }
        }
        Ok(Self {
            first,
            given: 0,
            stream,
        })
    }

    /// The bytes that were read to find out.
    pub(super) fn read_so_far(&self) -> &[u8] {
        &self.first
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewind<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let left = this.first.get(this.given..).unwrap_or_default();
        if left.is_empty() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let count = left.len().min(buffer.remaining());
        buffer.put_slice(left.get(..count).unwrap_or_default());
        this.given += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewind<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn what_was_read_is_read_once_more() {
        for (why, sent, read_ahead) in [
            ("all of it", "PREFACE and more", "PREFACE"),
            ("a part, then the end", "PREF", "PREF"),
            ("something else", "GET / HTTP/1.1", "GET / H"),
            ("something else at the end", "PREFACX", "PREFACX"),
            ("nothing", "", ""),
        ] {
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(sent.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            let mut stream = Rewind::while_like(server, b"PREFACE").await.unwrap();
            assert_eq!(stream.read_so_far(), read_ahead.as_bytes(), "{why}");
            let mut all = String::new();
            stream.read_to_string(&mut all).await.unwrap();
            assert_eq!(all, sent, "{why}");
        }
    }

    #[tokio::test]
    async fn one_byte_at_a_time() {
        let (mut client, server) = tokio::io::duplex(1);
        let writing = async {
            client.write_all(b"PREFACE!").await.unwrap();
            client.shutdown().await.unwrap();
        };
        let reading = async {
            let mut stream = Rewind::while_like(server, b"PREFACE").await.unwrap();
            assert_eq!(stream.read_so_far(), b"PREFACE");
            let mut all = String::new();
            stream.read_to_string(&mut all).await.unwrap();
            assert_eq!(all, "PREFACE!");
        };
        tokio::join!(writing, reading);
    }
}
