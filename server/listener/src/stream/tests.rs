//! The stream over loopback, against a tokio-rustls client.

use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::Waker;

use lanchat_certs::{CertificateSlot, Identity, Policy};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, copy_bidirectional, duplex};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

pub(super) const ALPN: &[u8] = b"lanchat/1";
/// The buffer size for the sockets of a slow peer. Systems round it up, but never to as much as is sent.
const SOCKET_BYTES: usize = 4096;
const LONG: usize = 1024 * 1024;

pub(super) fn server_config() -> Arc<ServerConfig> {
    static CONFIG: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let identity = Arc::new(Identity::load_or_create(folder.path()).unwrap());
        let slot = CertificateSlot::new(identity, &["lab.local".into()], &[]).unwrap();
        lanchat_certs::server_config(&slot, &[ALPN])
    });
    Arc::clone(&CONFIG)
}

pub(super) fn client_config(alpn: &[&[u8]]) -> Arc<ClientConfig> {
    lanchat_certs::client_config(Policy::default(), alpn).0
}

pub(super) fn name() -> ServerName<'static> {
    ServerName::try_from("lab.local").unwrap()
}

/// Returns both ends of a TCP connection with small buffers, the server's first.
async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = TcpSocket::new_v4().unwrap();
    client.set_recv_buffer_size(SOCKET_BYTES as u32).unwrap();
    let (client, accepted) = tokio::join!(client.connect(listener.local_addr().unwrap()), listener.accept());
    let server = accepted.unwrap().0;
    SockRef::from(&server).set_send_buffer_size(SOCKET_BYTES).unwrap();
    (server, client.unwrap())
}

/// Shakes hands without waiting for a turn.
async fn accept(config: Arc<ServerConfig>, tcp: TcpStream) -> io::Result<Stream> {
    let mut stream = Stream::new(config, tcp)?;
    stream.shake_hands(|| std::future::ready(())).await?;
    Ok(stream)
}

async fn connected() -> (Stream, TlsStream<TcpStream>) {
    let (server, client) = sockets().await;
    let connector = TlsConnector::from(client_config(&[ALPN]));
    let (server, client) = tokio::join!(accept(server_config(), server), connector.connect(name(), client));
    (server.unwrap(), client.unwrap())
}

/// Reads what comes next; `None`: the peer has closed.
async fn read(stream: &mut Stream) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    loop {
        let came = poll_fn(|cx| stream.poll_read(cx, |plain| bytes.extend_from_slice(plain))).await?;
        if !bytes.is_empty() || !came.is_open {
            assert_eq!(came.is_open, !bytes.is_empty());
            return Ok(came.is_open.then_some(bytes));
        }
    }
}

/// Returns bytes that differ from their neighbours, so that a lost or duplicated piece is noticed.
fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 251 + at) as u8).collect()
}

fn assert_holds_nothing(stream: &Stream) {
    assert_eq!((stream.early.capacity(), stream.records.unsent.capacity()), (0, 0));
}

#[test]
fn a_stream_is_small() {
    assert!(size_of::<Stream>() <= 160, "{} bytes", size_of::<Stream>());
}

#[tokio::test]
async fn a_mebibyte_goes_both_ways_though_the_peer_reads_slowly() {
    let (mut server, client) = connected().await;
    let (mut reading, mut writing) = tokio::io::split(client);
    let echo = async {
        let mut echoed = 0;
        while echoed < LONG {
            let mut bytes = read(&mut server).await.unwrap().unwrap();
            echoed += bytes.len();
            server.write(&mut bytes).await.unwrap();
            assert_eq!(bytes.capacity(), 0);
        }
        assert_holds_nothing(&server);
    };
    let write = async {
        writing.write_all(&text(LONG)).await.unwrap();
        writing.flush().await.unwrap();
    };
    let read = async {
        let (mut bytes, mut piece) = (Vec::new(), [0; 1000]);
        while bytes.len() < LONG {
            let count = reading.read(&mut piece).await.unwrap();
            bytes.extend_from_slice(&piece[..count]);
            tokio::task::yield_now().await;
        }
        bytes
    };
    let ((), (), bytes) = tokio::join!(echo, write, read);
    assert!(bytes == text(LONG));
}

/// Others wait even for a peer that reads a little each time.
#[tokio::test]
async fn a_peer_that_reads_slowly_is_let_go_when_it_is_overdue() {
    let (mut server, mut client) = connected().await;
    let mut out = text(LONG);
    let reading = async {
        let mut piece = [0; 4096];
        while client.read(&mut piece).await.is_ok_and(|count| count > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let writing = server.write_before(&mut out, |_| None, || true);
    let written = tokio::select! {
        written = writing => written,
        () = reading => unreachable!("the server stays"),
    };
    assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
}

/// A peer that only updates its keys would otherwise be read for ever.
#[tokio::test]
async fn what_brings_no_text_is_read_once_and_counted() {
    let (mut server, mut client) = connected().await;
    for _ in 0..20 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
    }
    client.flush().await.unwrap();
    let came = poll_fn(|cx| server.poll_read(cx, |text| assert!(text.is_empty()))).await.unwrap();
    assert!(came.is_open && came.wrapping > 20, "{came:?}");
}

#[tokio::test]
async fn a_write_that_is_dropped_is_continued_by_the_next() {
    let (mut server, mut client) = connected().await;
    let mut out = text(LONG);
    {
        let mut write = pin!(server.write(&mut out));
        assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert!(!server.records.unsent.is_empty(), "the sockets took all of it");
    assert!(out.len() < LONG && !out.is_empty());
    out.extend_from_slice(b"the end");
    let mut bytes = vec![0; LONG + 7];
    let (written, read) = tokio::join!(server.write(&mut out), client.read_exact(&mut bytes));
    written.unwrap();
    read.unwrap();
    assert!(bytes == [text(LONG).as_slice(), b"the end"].concat());
    assert_holds_nothing(&server);
}

#[tokio::test]
async fn a_short_line_leaves_its_buffer_to_the_next() {
    let (mut server, mut client) = connected().await;
    let mut out = Vec::with_capacity(KEPT_BYTES);
    out.extend_from_slice(b"hello");
    server.write(&mut out).await.unwrap();
    assert_eq!((out.len(), out.capacity()), (0, KEPT_BYTES));
    client.read_exact(&mut [0; 5]).await.unwrap();
    client.write_all(b"hi").await.unwrap();
    assert_eq!(read(&mut server).await.unwrap().unwrap(), b"hi");
    assert_holds_nothing(&server);
}

/// Returns a client that sends every byte alone.
async fn trickle(near: TcpStream) -> TlsStream<DuplexStream> {
    let (end, mut other_end) = duplex(1);
    let mut near = near;
    tokio::spawn(async move { copy_bidirectional(&mut other_end, &mut near).await });
    TlsConnector::from(client_config(&[ALPN])).connect(name(), end).await.unwrap()
}

#[tokio::test]
async fn bytes_may_come_one_by_one() {
    let (server, client) = sockets().await;
    let (server, mut client) = tokio::join!(accept(server_config(), server), trickle(client));
    let mut server = server.unwrap();
    assert_eq!(server.alpn(), Some(ALPN));
    let write = async {
        client.write_all(b"one by one").await.unwrap();
        client.flush().await.unwrap();
    };
    let ((), heard) = tokio::join!(write, read(&mut server));
    assert_eq!(heard.unwrap().unwrap(), b"one by one");
    assert_holds_nothing(&server);
}

#[tokio::test]
async fn both_sides_close_in_order() {
    let (mut server, mut client) = connected().await;
    client.shutdown().await.unwrap();
    assert_eq!(read(&mut server).await.unwrap(), None);
    assert_eq!(read(&mut server).await.unwrap(), None);
    server.write(&mut b"noted".to_vec()).await.unwrap();
    let mut bytes = Vec::new();
    // Without a close_notify this would be an error.
    let ((), read) = tokio::join!(server.close(), client.read_to_end(&mut bytes));
    read.unwrap();
    assert_eq!(bytes, b"noted");
}

#[tokio::test]
async fn a_peer_that_closes_without_a_word_has_closed() {
    let (mut server, mut client) = connected().await;
    client.write_all(b"last").await.unwrap();
    client.get_mut().0.shutdown().await.unwrap();
    assert_eq!(read(&mut server).await.unwrap().unwrap(), b"last");
    assert_eq!(read(&mut server).await.unwrap(), None);
}

#[tokio::test]
async fn a_peer_that_leaves_before_the_end_of_the_handshake_is_an_error() {
    let (server, client) = sockets().await;
    drop(client);
    let error = accept(server_config(), server).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn who_speaks_no_tls_gets_an_alert() {
    let (server, mut client) = sockets().await;
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let error = accept(server_config(), server).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    assert!(matches!(bytes.as_slice(), [21, 3, _, 0, 2, 2, _]), "{bytes:?}");
}

#[tokio::test]
async fn who_breaks_tls_later_gets_an_alert_that_is_not_lost() {
    let (mut server, mut client) = connected().await;
    let raw = client.get_mut().0;
    // More than one read takes in: the unread rest must not reset the connection before the alert is read.
    raw.write_all(&[b'x'; 3 * 16 * 1024]).await.unwrap();
    assert_eq!(read(&mut server).await.unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(server.write(&mut b"late".to_vec()).await.unwrap_err().kind(), ErrorKind::NotConnected);
    let mut nothing = [0];
    let ((), told) = tokio::join!(server.close(), client.read(&mut nothing));
    assert!(told.unwrap_err().to_string().contains("DecodeError"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_given_up() {
    let (mut server, _client) = connected().await;
    let error = server.write(&mut text(4 * LONG)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

/// Returns both ends of an unencrypted connection, the server's first.
async fn plain() -> (Stream, TcpStream) {
    let (server, client) = sockets().await;
    (Stream::plain(server), client)
}

#[tokio::test]
async fn plain_text_goes_both_ways_as_it_is_and_ends_in_order() {
    let (mut server, mut client) = plain().await;
    assert_eq!(server.alpn(), None);
    server.shake_hands(|| std::future::ready(())).await.unwrap();
    let mut out = text(LONG);
    let mut bytes = vec![0; LONG];
    let (written, read_all) = tokio::join!(server.write(&mut out), client.read_exact(&mut bytes));
    written.unwrap();
    read_all.unwrap();
    assert!(bytes == text(LONG));
    assert_holds_nothing(&server);
    client.write_all(b"hi").await.unwrap();
    assert_eq!(read(&mut server).await.unwrap().unwrap(), b"hi");
    client.shutdown().await.unwrap();
    assert_eq!(read(&mut server).await.unwrap(), None);
    server.write(&mut b"noted".to_vec()).await.unwrap();
    let mut last = Vec::new();
    let ((), told) = tokio::join!(server.close(), client.read_to_end(&mut last));
    told.unwrap();
    assert_eq!(last, b"noted");
}

#[tokio::test]
async fn what_is_taken_in_is_one_piece_until_it_has_left() {
    let (mut server, mut client) = connected().await;
    let (all, mut taken) = (text(LONG), 0);
    // Until there is back-pressure from the peer, which does not read.
    while let Poll::Ready(count) = poll_fn(|cx| Poll::Ready(server.poll_take_in(cx, &all[taken..]))).await {
        taken += count.unwrap();
        assert!(taken < LONG, "the sockets took all of it");
    }
    assert!((1..=PIECE_BYTES_MAX + 1024).contains(&server.unsent()), "{}", server.unsent());
    let rest = async {
        while taken < LONG {
            taken += poll_fn(|cx| server.poll_take_in(cx, &all[taken..])).await.unwrap();
        }
        poll_fn(|cx| server.poll_flush(cx)).await.unwrap();
    };
    let mut bytes = vec![0; LONG];
    let ((), heard) = tokio::join!(rest, client.read_exact(&mut bytes));
    heard.unwrap();
    assert!(bytes == text(LONG));
    assert_holds_nothing(&server);
}

#[tokio::test]
async fn who_takes_no_end_for_one_is_reset_with_the_last_word_read() {
    let (mut server, mut client) = plain().await;
    server.write(&mut b"farewell".to_vec()).await.unwrap();
    let mut word = [0; 8];
    let heard = async {
        client.read_exact(&mut word).await.unwrap();
        client.read(&mut [0]).await
    };
    let ((), end) = tokio::join!(server.reset(), heard);
    // Wine closes in order where Windows resets, and these tests run under wine there.
    if cfg!(not(windows)) || end.is_err() {
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!(&word, b"farewell");
}
