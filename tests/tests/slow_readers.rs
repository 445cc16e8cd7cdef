//! Fifty clients that stop reading while much is written: they cost the server almost no memory and do not delay
//! others, and when they resume they get everything in order (I2, I7).
//!
//! CI uses 8,000 messages of one KiB, twice what the sockets in between hold; `LANCHAT_LEDGER=long` uses 200,000. The
//! measurements are printed.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lanchat_tests::{Crowd, DEADLINE, Light, TestServer, new_id, report};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};

const READERS: usize = 50;
const READER_ACCOUNTS: usize = 5;
const WRITERS: usize = 4;
/// Posts of one writer on the way.
const WINDOW: usize = 16;
const GROWTH_MAX_KIB: u64 = 32 * 1024;

fn messages() -> usize {
    if std::env::var("LANCHAT_LEDGER").is_ok_and(|size| size == "long") { 200_000 } else { 8_000 }
}

/// Returns the resident memory of the server, in KiB.
fn resident(server: &TestServer) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Makes the writers post `count` messages in all. Returns how long each ack took, in order.
async fn write(writers: Vec<Light>, count: usize) -> (Vec<Light>, Vec<Duration>) {
    let mut tasks = JoinSet::new();
    for mut writer in writers {
        tasks.spawn(async move {
            let mut took = Vec::new();
            while took.len() < count / WRITERS {
                let sent = Instant::now();
                for _ in 0..WINDOW {
                    let text = "x".repeat(1024);
                    let post = json!({"type": "send", "id": new_id(), "room": "lobby", "message": text});
                    writer.say(&post).await.expect("the server listens");
                }
                for _ in 0..WINDOW {
                    writer.expect("ack").await.expect("an ack");
                    took.push(sent.elapsed());
                }
            }
            (writer, took)
        });
    }
    let (mut writers, mut took) = (Vec::new(), Vec::new());
    for (writer, times) in tasks.join_all().await {
        writers.push(writer);
        took.extend(times);
    }
    took.sort();
    (writers, took)
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}

/// A reader that has stopped, and is disconnected after a while for making no progress: it comes back with its cursor.
struct Stopped {
    light: Light,
    token: String,
    cursor: u64,
}

impl Stopped {
    /// Reads up to `last`: every position once, in order.
    async fn read_to(mut self, last: u64, crowd: Arc<Crowd>) {
        while self.cursor < last {
            match self.light.next_line().await {
                Ok(line) => {
                    let Some(seq) = seq(line) else { continue };
                    assert_eq!(seq, self.cursor + 1, "no gap, no double");
                    self.cursor = seq;
                }
                Err(_) => {
                    let cursor = Some(self.cursor);
                    self.light = crowd.come(Ipv4Addr::LOCALHOST, &self.token, cursor, 0).await;
                }
            }
        }
    }
}

/// Returns the position of an entry. A parser would be most of the work of this test.
fn seq(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    text.starts_with("{\"type\":\"message\"").then_some(())?;
    text.split("\"seq\":").nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stop_cost_little_memory_delay_nobody_and_then_read_everything() {
    let server = TestServer::start();
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        writers.push(Light::register(server.address(), &format!("writer{number}")).await.0);
    }
    let mut tokens = Vec::new();
    for number in 0..READER_ACCOUNTS {
        tokens.push(Light::register(server.address(), &format!("reader{number}")).await.1);
    }
    let (writers, alone) = write(writers, messages() / 4).await;

    let head = (WRITERS + READER_ACCOUNTS + alone.len()) as u64;
    let mut stopped = Vec::new();
    for number in 0..READERS {
        let token = tokens[number % READER_ACCOUNTS].clone();
        let mut light = Light::connect(server.address(), Ipv4Addr::LOCALHOST).await.expect("a server");
        light.resume(&token, Some(head)).await.expect("a session");
        stopped.push(Stopped { light, token, cursor: head });
    }
    let before = resident(&server);
    // Until the sockets are full, the readers still cost what readers cost.
    let (writers, filling) = write(writers, messages() * 3 / 4).await;
    let (_writers, beside) = write(writers, messages() / 4).await;
    let after = resident(&server);
    let last = head + (filling.len() + beside.len()) as u64;
    let growth = after.saturating_sub(before);
    report(&format!(
        "slow readers: {} messages past {READERS} stopped readers; memory {before} KiB -> {after} KiB; \
         ack p99 {:?} alone, {:?} while their sockets fill, {:?} beside them",
        filling.len() + beside.len(),
        p99(&alone),
        p99(&filling),
        p99(&beside),
    ));
    assert!(growth < GROWTH_MAX_KIB, "{growth} KiB more for readers that do not read");

    let (mut reading, crowd) = (JoinSet::new(), Crowd::before(server.address()));
    for reader in stopped {
        reading.spawn(reader.read_to(last, Arc::clone(&crowd)));
    }
    let patience = DEADLINE * 10;
    tokio::time::timeout(patience, reading.join_all()).await.expect("all of them read all of it");
    report(&format!(
        "slow readers: {} KiB after all had read all; {} comings back were turned away",
        resident(&server),
        crowd.refused.load(Ordering::Relaxed)
    ));
}
