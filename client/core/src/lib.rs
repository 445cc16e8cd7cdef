//! The client library of lanchat: finds a server, trusts its key, and holds a session that survives
//! lost connections.
//!
//! For front ends and bots. It knows no terminal and prints nothing.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use lanchat_client::{AttachPolicy, Client, Event, Home, Options, Secret, connect};
//!
//! let home = Home::open(std::path::Path::new("/var/lib/echo-bot"))?;
//! let connection = connect(&"pi.local".parse()?, &home).await?;
//! // A person would compare `connection.fingerprint().words()` here, if `connection.decision()` is `First`.
//! let trusted = connection.trust(&home)?;
//! let (client, mut events) = Client::start(trusted, home, Options::default());
//! client.login("echo", &Secret("correct horse".into())).await?;
//! client.attach(AttachPolicy::default()).await?;
//! client.send("lobby", "Hello.", false).await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Frame { line, .. } = event {
//!         // One line of JSON, as in PROTOCOL §5.
//!         let _ = line;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Nothing secret can be sent to an untrusted server: a [`Client`] is made from a [`Trusted`] connection, which is made
//! only from a [`Connection`] whose key was pinned by [`Connection::trust`].

mod attach;
mod attempt;
mod backoff;
mod breaches;
mod client;
mod connect;
mod connection;
mod delivery;
mod discover;
mod driver;
mod endpoint;
mod error;
mod event;
mod home;
mod link;
mod lookalike;
mod marks;
mod network;
mod on_link;
mod outbox;
mod patience;
mod prober;
mod reconnect;
mod requests;
mod search;
mod sentence;
mod servers;
mod shared;
mod spool;
mod target;

pub use attach::AttachPolicy;
pub use client::{Client, Options, Settled};
pub use connect::{Probe, connect, probe};
pub use connection::{Connection, Trusted};
pub use discover::{Discovered, Discovery, discover};
pub use error::{
    BadTarget, ConnectError, DiscoverError, HomeError, KeyChange, RequestError, SendError, Unanswered,
};
pub use event::{Event, Events, SessionInfo, Unsent};
pub use home::Home;
pub use lanchat_certs::private_file::{NO_RIGHTS, keeps_rights, owner_only};
pub use lanchat_certs::{Decision, Fingerprint, Pin, Pins};
pub use lanchat_protocol::Secret;
pub use lookalike::look_alike;
pub use patience::connect_patiently;
pub use search::{Search, Sighting};
pub use sentence::{Sentence, quoted};
pub use servers::Server;
pub use target::Target;
