//! Real listeners: TCP, Unix socket, stopping.

use super::*;
use crate::http::{Address, Listener, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

async fn healthz(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) -> String {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn tcp_and_unix_sockets_are_served_and_stopped() {
    let plane = plane().await;
    let socket = plane.dir.path().join("data.sock");
    for address in ["127.0.0.1:0".to_owned(), format!("unix:{}", socket.display())] {
        let (stop, stopped) = watch::channel(false);
        let listener = Listener::bind(&address.parse().unwrap()).await.unwrap();
        let bound = listener.address().unwrap();
        let server = tokio::spawn(serve(listener, plane.data.clone(), stopped));
        let answer = match &bound {
            Address::Tcp(address) => {
                healthz(&mut tokio::net::TcpStream::connect(address).await.unwrap()).await
            }
            Address::Unix(path) => healthz(&mut tokio::net::UnixStream::connect(path).await.unwrap()).await,
        };
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        stop.send(true).unwrap();
        server.await.unwrap().unwrap();
        println!("{address} was served at {bound}");
    }
    assert!(!socket.exists(), "the socket file is gone");
}

#[tokio::test]
async fn a_socket_in_use_is_not_taken_and_a_stale_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let address = Address::Unix(dir.path().join("data.sock"));
    let first = Listener::bind(&address).await.unwrap();
    assert!(Listener::bind(&address).await.is_err());
    drop(first);
    Listener::bind(&address).await.unwrap();
}
