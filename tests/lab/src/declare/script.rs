//! What a server does that keeps to no protocol.

use std::time::Duration;

/// Steps that a server takes whatever the client makes of them. Behind the last one it closes the
/// connection, inside TLS without saying so.
///
/// ```
/// use mailtls_lab::{Script, Smtp};
///
/// let hangs_up_on_starttls = Script::new().say("220 mx\r\n").hear().say("250 STARTTLS\r\n").hear();
/// let server = Smtp::scripted(hangs_up_on_starttls);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Say(Vec<u8>),
    /// Says this so many times, or for ever, with a pause behind each.
    Repeat {
        what: Vec<u8>,
        times: Option<usize>,
        pause: Duration,
    },
    Hear,
    Hang,
    Reset,
}

impl Script {
    /// Closes the connection at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says this, in one segment if it fits.
    #[must_use]
    pub fn say(self, what: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Say(what.into()))
    }

    /// Says this so many times, as fast as it is read.
    #[must_use]
    pub fn repeat(self, times: usize, what: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Repeat {
            what: what.into(),
            times: Some(times),
            pause: Duration::ZERO,
        })
    }

    /// Says this for as long as somebody listens, with a breath between: an attacker that leaves
    /// the other tests some of the machine.
    #[must_use]
    pub fn repeat_for_ever(self, what: impl Into<Vec<u8>>) -> Self {
        self.every(Duration::from_millis(1), what)
    }

    /// Says this for as long as somebody listens, with this pause behind each.
    #[must_use]
    pub fn every(self, pause: Duration, what: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Repeat {
            what: what.into(),
            times: None,
            pause,
        })
    }

    /// Waits until the client says something.
    #[must_use]
    pub fn hear(self) -> Self {
        self.step(Step::Hear)
    }

    /// Says nothing more, and keeps the connection until the client leaves.
    #[must_use]
    pub fn hang(self) -> Self {
        self.step(Step::Hang)
    }

    /// Resets the connection.
    #[must_use]
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// Goes on with another script.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        self.steps.extend(next.steps);
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}
