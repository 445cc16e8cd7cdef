//! One attempt at one address: TCP, TLS 1.3 with our protocol, the key, and the greeting.

use std::net::SocketAddr;
use std::time::Duration;

use lanchat_certs::{Decision, Fingerprint, Observed, Policy, Refused, alpn_of, client_config};
use lanchat_model::{ServerId, limits};
use lanchat_protocol::{ErrorCode, Hello, LineBuffer, ServerFrame, version};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::connection::Connection;
use crate::sentence::quoted;
use crate::target::Target;

/// Bytes read from the socket at a time.
const READ_BYTES: usize = 4096;
/// The reason given when small packets pass and large ones seem to be lost.
const LOST_PACKETS: &str = "the network loses large packets, as some VPNs and tunnels do: then a smaller MTU on this \
                            computer helps (Linux: `ip link set dev INTERFACE mtu 1280`)";

/// Why an address did not yield a connection.
pub(crate) enum Failure {
    /// Nothing answers there.
    Unanswered(String),
    /// The server is pinned under another key.
    Changed { server_id: ServerId, pinned: Fingerprint, presented: Fingerprint },
    /// The key is not the one that was demanded.
    Unexpected { expected: Fingerprint, presented: Fingerprint },
    /// Another server answers than the one that was meant.
    WrongServer { presented: Fingerprint },
    /// The server has no free place.
    Full { reason: String, retry_after: Option<Duration> },
    /// The connection was closed without a word, as a full server closes it.
    TurnedAway,
    /// The address accepts connections, but no answer arrives.
    Silent,
    /// There is no protocol version in common.
    Version(Vec<u32>),
    /// Something other than a lanchat server answers, or a server that breaks the protocol.
    NotLanchat(String),
}

fn not_lanchat(reason: impl Into<String>) -> Failure {
    Failure::NotLanchat(reason.into())
}

/// Connects to `address` and reads the greeting, by the deadline `until`.
pub(crate) async fn attempt(
    address: SocketAddr,
    target: &Target,
    policy: &Policy,
    until: Instant,
) -> Result<Connection, Failure> {
    let unanswered = |error: std::io::Error| Failure::Unanswered(plain(&error));
    let tcp = match timeout_at(until, TcpStream::connect(address)).await {
        Ok(tcp) => tcp.map_err(unanswered)?,
        Err(_) => return Err(Failure::Unanswered(NO_ANSWER.to_owned())),
    };
    tcp.set_nodelay(true).map_err(unanswered)?;
    notice_loss(&tcp);
    let greeted = timeout_at(until, greet(tcp, address, target, policy)).await;
    greeted.unwrap_or(Err(Failure::Silent))
}

/// Makes the system end the connection when sent data is not received. Systems other than Linux do so later.
fn notice_loss(tcp: &TcpStream) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = socket2::SockRef::from(tcp).set_tcp_user_timeout(Some(limits::LINK_UNRECEIVED_MAX)) {
        tracing::debug!(%error, "a lost link is noticed later");
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = tcp;
}

/// Performs the handshake and reads the greeting.
async fn greet(
    tcp: TcpStream,
    address: SocketAddr,
    target: &Target,
    policy: &Policy,
) -> Result<Connection, Failure> {
    let (mut stream, observed) = shake_hands(tcp, address, policy).await?;
    if target.server_id.is_some_and(|expected| expected != observed.server_id) {
        return Err(Failure::WrongServer { presented: observed.fingerprint });
    }
    let mut received = LineBuffer::default();
    let (hello, hello_line) = read_hello(&mut stream, &mut received).await?;
    if hello.server_id != observed.server_id.to_string() {
        return Err(not_lanchat("it greets under another id than its certificate has"));
    }
    if version::negotiate(&hello.versions).is_none() {
        return Err(Failure::Version(hello.versions));
    }
    let Observed { server_id, fingerprint, decision } = observed;
    let target = target.clone();
    Ok(Connection { stream, received, hello, hello_line, server_id, fingerprint, decision, address, target })
}

async fn shake_hands(
    tcp: TcpStream,
    address: SocketAddr,
    policy: &Policy,
) -> Result<(TlsStream<TcpStream>, Observed), Failure> {
    let (config, observation) = client_config(policy.clone(), &[version::ALPN]);
    let handshake = TlsConnector::from(config).connect(address.ip().into(), tcp);
    let outcome = tokio::time::timeout(limits::HANDSHAKE_MAX, handshake).await;
    let judged = observation.outcome();
    if let Some(Err(refused)) = judged {
        return Err(refusal(refused));
    }
    let stream = match outcome {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if is_a_cut(&error) => return Err(Failure::TurnedAway),
        Ok(Err(error)) => return Err(not_lanchat(format!("the TLS handshake failed: {}", plain(&error)))),
        Err(_) => return Err(Failure::Silent),
    };
    // A server that chose no protocol is not refused by TLS (RFC 7301 §3.2), so it is refused here.
    if alpn_of(stream.get_ref().1) != Ok(version::ALPN) {
        return Err(not_lanchat("it speaks TLS, but not the lanchat protocol"));
    }
    match judged {
        Some(Ok(observed)) if !matches!(observed.decision, Decision::Changed { .. }) => {
            Ok((stream, observed))
        }
        _ => Err(not_lanchat("it did not prove its key")),
    }
}

fn refusal(refused: Refused) -> Failure {
    match refused {
        Refused::Changed { server_id, pinned, offered } => {
            Failure::Changed { server_id, pinned, presented: offered }
        }
        Refused::Unexpected { expected, offered, .. } => Failure::Unexpected { expected, presented: offered },
        other => not_lanchat(other.to_string()),
    }
}

/// Reads the first frame, which has to be `hello`. A full server says that it is full instead.
async fn read_hello(
    stream: &mut TlsStream<TcpStream>,
    received: &mut LineBuffer,
) -> Result<(Hello, String), Failure> {
    let line = loop {
        if let Some(line) =
            received.next_line(limits::FRAME_BYTES_MAX).map_err(|bad| not_lanchat(quoted(&bad.reason)))?
        {
            break line.to_vec();
        }
        let mut bytes = [0; READ_BYTES];
        let count = match stream.read(&mut bytes).await {
            Ok(0) => return Err(Failure::TurnedAway),
            Err(error) if is_a_cut(&error) => return Err(Failure::TurnedAway),
            Err(error) => return Err(Failure::Unanswered(plain(&error))),
            Ok(count) => count,
        };
        received.push(&bytes[..count]);
    };
    let frame = ServerFrame::decode(&line).map_err(|bad| not_lanchat(quoted(&bad.reason)))?;
    match frame {
        Some(ServerFrame::Hello(hello)) => Ok((hello, String::from_utf8_lossy(&line).into_owned())),
        Some(ServerFrame::ErrorFrame(error)) if error.code == ErrorCode::ServerFull => Err(Failure::Full {
            reason: error.reason,
            retry_after: error.retry_after.map(Duration::from_secs),
        }),
        Some(ServerFrame::ErrorFrame(error)) => {
            Err(not_lanchat(format!("it says: {}", quoted(&error.reason))))
        }
        _ => Err(not_lanchat("it does not greet with 'hello'")),
    }
}

/// Returns whether the other side has closed the connection, cleanly or not.
fn is_a_cut(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};

    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

const NO_ANSWER: &str = "no answer: is the computer on, and does its firewall allow the port?";

/// Returns why nothing came of a connection that was accepted.
pub(crate) fn silent() -> String {
    format!(
        "the computer is on and takes the connection, but nothing else arrives from it: the server is stopped or very \
         busy, or {LOST_PACKETS}"
    )
}

/// Describes an error on an established connection in words that a person can act on.
pub(crate) fn plain_of_link(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::TimedOut => {
            format!(
                "what is sent does not arrive any more. If it happens again, and with long lines only, {LOST_PACKETS}"
            )
        }
        _ => plain(error),
    }
}

/// Describes a system error in words that a person can act on.
pub(crate) fn plain(error: &std::io::Error) -> String {
    use std::io::ErrorKind;

    match error.kind() {
        ErrorKind::ConnectionRefused => {
            "nothing listens there: is lanchatd running, on this port?".to_owned()
        }
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "no way leads there: are both computers on the same network?".to_owned()
        }
        ErrorKind::TimedOut => NO_ANSWER.to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => {
            "the connection was cut".to_owned()
        }
        _ => error.to_string(),
    }
}
