//! Plays the recording of an earlier build's server (`tests/fixtures`): today's client makes the requests of that
//! build's client, and shows everything that the server says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::HashMap;

use lanchat_client::{AttachPolicy, Client, Event, Events, Options, Secret, connect};
use lanchat_model::{Seq, limits};
use lanchat_protocol::ServerFrame;
use serde_json::Value;
use support::{Fake, Peer, TestHome, within};
use tokio::task::JoinHandle;

const RECORDING: &str = include_str!("../../../tests/fixtures/e00f49f/session.jsonl");
/// The account whose connections are played.
const WHO: &str = "ana";
/// How many older lines each connection asked for.
const TAILS: [u64; 5] = [50, 50, 0, 0, 50];

/// One line of the recording.
#[derive(Debug)]
enum Step {
    /// A frame from the client.
    Said(Value),
    /// A frame from the server.
    Told(Value),
    /// The end of a connection, and who ended it.
    Ended(String),
}

/// Returns the recording without the frames that depend on the clock: typing signals, and marks with their answers.
fn steps() -> Vec<Step> {
    let (mut steps, mut marks) = (Vec::new(), Vec::new());
    for line in RECORDING.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if line["client"] != WHO {
            continue;
        }
        let (frame, connection) = (line["frame"].take(), line["connection"].as_u64());
        let id = (connection, frame["id"].clone());
        match (line["from"].as_str(), frame["type"].as_str()) {
            (Some("client"), Some("typing")) => {}
            (Some("client"), Some("mark")) => marks.push(id),
            (Some("client"), _) => steps.push(Step::Said(frame)),
            (Some("server"), Some("ok")) if marks.contains(&id) => {}
            (Some("server"), _) => steps.push(Step::Told(frame)),
            _ => steps.push(Step::Ended(line["end"].as_str().unwrap().to_owned())),
        }
    }
    steps
}

/// What a run of the client shows of the room and of the user's messages.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    entries: Vec<Value>,
    acked: Vec<String>,
    refused: Vec<String>,
}

impl Shown {
    fn count(&self) -> usize {
        self.entries.len() + self.acked.len() + self.refused.len()
    }

    fn take(&mut self, event: Event) {
        use ServerFrame::{Joined, Left, Message};
        match event {
            Event::Frame { frame: Message(_) | Joined(_) | Left(_), line } => {
                self.entries.push(serde_json::from_str(&line).unwrap());
            }
            Event::Acked { id, .. } => self.acked.push(id.to_string()),
            Event::Refused { id, .. } => self.refused.push(id.to_string()),
            Event::Reset { .. } | Event::Stopped { .. } => panic!("{event:?}"),
            _ => {}
        }
    }
}

/// Makes today's client do what that build's client did. An error is what a person would be told.
async fn ask(client: Client, frame: Value, tail: u64) -> Result<(), String> {
    let text = |name: &str| frame[name].as_str().unwrap_or_default();
    let number = |name: &str| frame[name].as_u64().unwrap();
    let secret = |name: &str| Secret(text(name).into());
    let done = match text("type") {
        "register" => client.register(text("username"), None, &secret("password")).await.map(drop),
        "login" => client.login(text("username"), &secret("password")).await.map(drop),
        "resume" => client.resume().await.map(drop),
        "attach" => client.attach(AttachPolicy::new(tail, limits::JOIN_TAIL_MAX)).await.map(drop),
        "join" => client.join(text("room"), number("tail")).await.map(drop),
        "leave" => client.leave(text("room")).await,
        "rooms" => client.rooms().await.map(drop),
        "members" => client.members(frame["room"].as_str()).await.map(drop),
        "whois" => client.whois(text("username")).await.map(drop),
        "history" => {
            let before = Seq::try_from(number("before")).unwrap();
            client.history(text("room"), Some(before), number("limit")).await.map(drop)
        }
        "away" => client.away(frame["reason"].as_str()).await,
        "back" => client.back().await,
        "passwd" => client.passwd(&secret("old"), &secret("new")).await,
        "logout" => client.logout().await,
        "send" => {
            let sent = client.send(text("room"), text("message"), frame["action"] == true).await;
            return sent.map(drop).map_err(|error| error.to_string());
        }
        "bye" => {
            client.close().await;
            Ok(())
        }
        other => panic!("nobody can ask for {other}"),
    };
    done.map_err(|error| error.to_string())
}

/// One run of the program, from its start to its end.
struct Run {
    client: Client,
    events: Events,
    shown: Shown,
    expected: Shown,
}

impl Run {
    /// Waits until everything received is shown.
    async fn catch_up(&mut self) {
        while self.shown.count() < self.expected.count() {
            let event = within("all that was said", self.events.next()).await;
            self.shown.take(event.expect("more, and not the end"));
        }
    }

    /// Ends the run, and checks that nothing is left to show.
    async fn finish(mut self) {
        drop(self.client);
        while let Some(event) = within("the end of the events", self.events.next()).await {
            self.shown.take(event);
        }
        assert_eq!(self.shown, self.expected);
    }
}

struct Stage {
    fake: Fake,
    home: TestHome,
    run: Option<Run>,
    peer: Option<Peer>,
    connection: usize,
    /// Whether the client reconnects by itself, and sends by itself what it has to send.
    is_lost: bool,
    hello: Value,
    /// Today's ids for the recorded ones.
    ids: HashMap<String, String>,
    /// The request that has no answer yet.
    asked: Option<JoinHandle<Result<(), String>>>,
}

impl Stage {
    async fn accept(&self) -> Peer {
        let mut peer = self.fake.try_accept().await.unwrap();
        let mut hello = self.hello.clone();
        hello["server_id"] = self.fake.id.to_string().into();
        peer.send(hello).await;
        peer
    }

    async fn started(&mut self) {
        let target = self.fake.target();
        let (connection, peer) = tokio::join!(connect(&target, &self.home.home), self.accept());
        let trusted = connection.unwrap().trust(&self.home.home).unwrap();
        let mut options = Options::default();
        options.device = Some("laptop".to_owned());
        let (client, events) = Client::start(trusted, self.home.home.clone(), options);
        self.run = Some(Run { client, events, shown: Shown::default(), expected: Shown::default() });
        self.peer = Some(peer);
    }

    async fn say(&mut self, frame: &Value) {
        let kind = frame["type"].as_str().unwrap();
        if self.run.is_none() {
            self.started().await;
        }
        let run = self.run.as_mut().unwrap();
        run.catch_up().await;
        if !(self.is_lost && ["resume", "attach", "send"].contains(&kind)) {
            let asked = ask(run.client.clone(), frame.clone(), TAILS[self.connection - 1]);
            self.asked = Some(tokio::spawn(asked));
        }
        if self.peer.is_none() {
            self.peer = Some(self.accept().await);
        }
        let asked = self.peer.as_mut().unwrap().expect(kind).await;
        for (name, value) in frame.as_object().unwrap() {
            assert!(name == "id" || asked[name] == *value, "it was {frame} and is {asked}");
        }
        let id = |frame: &Value| frame["id"].as_str().unwrap().to_owned();
        self.ids.insert(id(frame), id(&asked));
    }

    async fn tell(&mut self, frame: &Value) {
        let mut frame = frame.clone();
        if frame["type"] == "hello" {
            self.connection += 1;
            self.hello = frame;
            return;
        }
        let expected = &mut self.run.as_mut().unwrap().expected;
        if let Some(here) = frame["id"].as_str().and_then(|id| self.ids.get(id)) {
            frame["id"] = here.as_str().into();
        }
        let id = frame["id"].as_str().unwrap_or_default().to_owned();
        // The ids of posts are longer than those of requests.
        let (is_refusal, is_of_post) = (frame["type"] == "error", id.len() == 32);
        match frame["type"].as_str().unwrap() {
            "message" | "joined" | "left" => expected.entries.push(frame.clone()),
            "ack" => expected.acked.push(id.clone()),
            "error" if is_of_post => expected.refused.push(id.clone()),
            _ => {}
        }
        self.peer.as_mut().unwrap().send(frame.clone()).await;
        if let Some(asked) = self.asked.take_if(|_| !id.is_empty() && !is_of_post) {
            let outcome = within("the end of a request", asked).await.unwrap();
            assert_eq!(outcome.is_err(), is_refusal, "{outcome:?} by {frame}");
        }
    }

    /// Ends the connection; `next` holds the steps after that.
    async fn end(&mut self, by: &str, next: &[Step], is_over: bool) {
        self.run.as_mut().unwrap().catch_up().await;
        self.peer = None;
        self.is_lost = by == "lost";
        if is_over {
            return self.run.take().unwrap().finish().await;
        }
        let next = next.iter().take_while(|step| self.is_lost && !matches!(step, Step::Ended(_)));
        for step in next {
            if let Step::Said(frame) = step
                && frame["type"] == "send"
            {
                ask(self.run.as_ref().unwrap().client.clone(), frame.clone(), 0).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_server_of_an_earlier_build_is_understood_by_a_client_of_today() {
    let (hello, ids) = (Value::Null, HashMap::new());
    let (fake, home, run, peer, asked) = (Fake::start().await, TestHome::new(), None, None, None);
    let mut stage = Stage { fake, home, run, peer, connection: 0, is_lost: false, hello, ids, asked };
    let steps = steps();
    let mut last = "";
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Said(frame) => {
                last = frame["type"].as_str().unwrap();
                stage.say(frame).await;
            }
            Step::Told(frame) => stage.tell(frame).await,
            Step::Ended(by) => stage.end(by, &steps[at + 1..], last == "bye").await,
        }
    }
    assert!(stage.run.is_none() && stage.connection == TAILS.len());
    assert!(steps.len() > 100, "{} steps are not the whole recording", steps.len());
}
