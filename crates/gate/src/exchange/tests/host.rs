//! Envoy's side of an answer: what it has, what it holds, what the client got.

/// What Envoy does with an answer's body. It mirrors the adapter: bytes can be replaced only while some are handed over, or held.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// What Envoy has and has not let go.
    buffer: Vec<u8>,
    /// Of that, what the adapter has read, or what stands for something that the gate keeps.
    read: usize,
    pub(super) place: Place,
    /// What the client got of the body.
    pub(super) delivered: Vec<u8>,
    /// The upstream has said all.
    pub(super) upstream_over: bool,
    pub(super) end: End,
    pub(super) headers: Headers,
}

/// Where Envoy stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Place {
    #[default]
    Flows,
    HandsOver,
    Holds,
}

/// How the answer ended for the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Open,
    Complete,
    Reset,
    Replaced,
}

/// Where the headers are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Headers {
    #[default]
    None,
    Held,
    Out,
}

impl Host {
    /// Envoy hands bytes over; gives back what has not been read.
    pub(super) fn hands_over(&mut self, slice: &[u8], end: bool) -> Vec<u8> {
        assert!(!self.upstream_over, "nothing comes after the end");
        if self.place == Place::Flows {
            assert!(self.buffer.is_empty());
        }
        self.buffer.extend_from_slice(slice);
        self.place = Place::HandsOver;
        self.upstream_over = end;
        self.buffer[self.read..].to_vec()
    }

    pub(super) fn release(&mut self, bytes: Vec<u8>) {
        match self.place {
            Place::Flows => panic!("there is nothing to replace"),
            Place::HandsOver => (self.buffer, self.read) = (bytes, 0),
            Place::Holds => {
                (self.buffer, self.read) = (bytes, 0);
                self.resume();
            }
        }
    }

    pub(super) fn hide(&mut self) {
        assert_eq!(self.place, Place::HandsOver, "it is hidden already");
        (self.buffer, self.read) = (b"!".to_vec(), 1);
    }

    pub(super) fn resume(&mut self) {
        assert_eq!(self.place, Place::Holds, "nothing is held");
        self.place = Place::Flows;
        self.headers = Headers::Out;
        self.delivered.append(&mut self.buffer);
        self.read = 0;
        if self.upstream_over {
            self.end = End::Complete;
        }
    }

    /// The callback is over.
    pub(super) fn returns(&mut self, holds: bool, keeps: bool) {
        if self.end != End::Open {
            return;
        }
        self.place = Place::Holds;
        if holds {
            self.read = if keeps { self.buffer.len() } else { self.read };
        } else {
            self.resume();
        }
    }
}
