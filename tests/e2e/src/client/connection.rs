//! One TCP connection, plain or TLS, on which a test writes what it likes.

use super::answer::{Answer, Reader};
use super::{DEADLINE, Tls};
use anyhow::{Context, Result, ensure};
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// The same socket, below any TLS.
    socket: TcpStream,
    /// Read and not yet asked for.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl Connection {
    /// # Errors
    /// Nobody listens there.
    pub fn open(address: &str) -> Result<Self> {
        let socket = TcpStream::connect(address).with_context(|| format!("connect to `{address}`"))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_write_timeout(Some(DEADLINE))?;
        Ok(Self { stream: Stream::Plain(socket.try_clone()?), socket, buffer: Vec::new() })
    }

    /// `CONNECT target` in this HTTP version (`HTTP/1.0` as Python's urllib3 sends it, or `HTTP/1.1`). The answer may
    /// be a refusal.
    ///
    /// # Errors
    /// There is no answer.
    pub fn through_proxy(proxy: &str, target: &str, version: &str) -> Result<(Answer, Self)> {
        let mut connection = Self::open(proxy)?;
        connection.send(format!("CONNECT {target} {version}\r\nhost: {target}\r\n\r\n").as_bytes())?;
        let answer = connection.answer_head()?;
        Ok((answer, connection))
    }

    /// Goes on in TLS.
    ///
    /// # Errors
    /// The handshake fails: no such certificate, not trusted, refused.
    pub fn tls(mut self, tls: &Tls) -> Result<Self> {
        ensure!(self.buffer.is_empty(), "the peer spoke before the handshake");
        let mut session = ClientConnection::new(Arc::new(tls.config.clone()), tls.name.clone())?;
        while session.is_handshaking() {
            session.complete_io(&mut self.socket).context("TLS handshake")?;
        }
        self.stream = Stream::Tls(Box::new(StreamOwned::new(session, self.socket.try_clone()?)));
        Ok(self)
    }

    /// The protocol that ALPN agreed on.
    #[must_use]
    pub fn protocol(&self) -> Option<String> {
        match &self.stream {
            Stream::Tls(stream) => {
                stream.conn.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned())
            }
            Stream::Plain(_) => None,
        }
    }

    /// The peer's certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Stream::Tls(stream) => Some(stream.conn.peer_certificates()?.first()?.to_vec()),
            Stream::Plain(_) => None,
        }
    }

    /// How long a read may wait.
    ///
    /// # Errors
    /// The socket is closed.
    pub fn deadline(&mut self, deadline: Duration) -> Result<()> {
        Ok(self.socket.set_read_timeout(Some(deadline))?)
    }

    /// # Errors
    /// The peer is gone.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("send")?;
        self.stream.flush().context("send")
    }

    /// The next answer, whole.
    ///
    /// # Errors
    /// The peer closed before its head, or the deadline passed.
    pub fn answer(&mut self) -> Result<Answer> {
        let mut reader = Reader { source: &mut self.stream, buffer: &mut self.buffer };
        let mut answer = reader.head()?;
        reader.body(&mut answer);
        Ok(answer)
    }

    /// The next answer's head; its body stays on the connection.
    ///
    /// # Errors
    /// As [`Connection::answer`].
    pub fn answer_head(&mut self) -> Result<Answer> {
        Reader { source: &mut self.stream, buffer: &mut self.buffer }.head()
    }

    /// Whatever comes next; empty when the peer closed.
    ///
    /// # Errors
    /// The deadline passed, or the peer reset the connection.
    pub fn some_bytes(&mut self) -> Result<Vec<u8>> {
        if self.buffer.is_empty() {
            let mut chunk = vec![0; 16 * 1024];
            let n = self.stream.read(&mut chunk)?;
            chunk.truncate(n);
            return Ok(chunk);
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Nothing more will be sent; answers can still be read.
    ///
    /// # Errors
    /// The socket is closed already.
    pub fn half_close(&mut self) -> Result<()> {
        if let Stream::Tls(stream) = &mut self.stream {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        Ok(self.socket.shutdown(Shutdown::Write)?)
    }

    /// Goes away without a word: TCP reset, no TLS close.
    ///
    /// # Errors
    /// The socket is closed already.
    pub fn abort(self) -> Result<()> {
        socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO))?;
        Ok(())
    }

    /// The bare socket, for another protocol.
    ///
    /// # Errors
    /// TLS runs on it.
    pub fn into_socket(self) -> Result<TcpStream> {
        ensure!(matches!(self.stream, Stream::Plain(_)), "TLS runs on this connection");
        Ok(self.socket)
    }
}
