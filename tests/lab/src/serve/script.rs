//! Plays a script to a client.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::declare::script::{Script, Step};

/// How a connection is left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    Close,
    Reset,
}

impl Leave {
    /// What becomes of the connection when it is dropped.
    pub(crate) fn prepare(self, stream: &TcpStream) -> io::Result<()> {
        match self {
            Self::Close => Ok(()),
            Self::Reset => stream.set_zero_linger(),
        }
    }
}

/// Plays all steps, unless the client leaves before.
pub(crate) async fn play(
    script: &Script,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> io::Result<Leave> {
    for step in &script.steps {
        match step {
            Step::Say(what) => say(stream, what).await?,
            Step::Repeat { what, times, pause } => {
                let mut said = 0;
                while times.is_none_or(|times| said < times) {
                    say(stream, what).await?;
                    said += 1;
                    if *pause > Duration::ZERO {
                        tokio::time::sleep(*pause).await;
                    }
                }
            }
            Step::Hear => {
                if stream.read(&mut vec![0; 16 * 1024]).await? == 0 {
                    return Ok(Leave::Close);
                }
            }
            Step::Hang => while stream.read(&mut [0; 64]).await? > 0 {},
            Step::Reset => return Ok(Leave::Reset),
        }
    }
    Ok(Leave::Close)
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), what: &[u8]) -> io::Result<()> {
    stream.write_all(what).await?;
    stream.flush().await
}
