//! Ten thousand lines through a pipe, read by clients that stop, lose their link, or just keep up.
#![cfg(unix)]

use std::io::Write;
use std::thread;

use lanchat_tests::{Home, PASSWORD, Pipe, Place, Proxy, Signal, TestServer};

const LINES: u64 = 10_000;
const ROOM: &str = "numbers";

/// A reader of the room, and the last number that it was shown.
struct Reader {
    pipe: Pipe,
    last: u64,
}

impl Reader {
    fn enter(home: &Home, server: std::net::SocketAddr, name: &str) -> Self {
        let mut pipe = Pipe::json(home, server, name);
        pipe.enter(&format!("/join {ROOM}"));
        pipe.expect("room", |frame| frame["room"] == ROOM);
        Self { pipe, last: 0 }
    }

    /// Reads up to `number`; each line must be the next number.
    fn read_to(&mut self, number: u64) {
        while self.last < number {
            let frame = self.pipe.expect("message", |frame| frame["room"] == ROOM);
            assert_eq!(frame["message"], (self.last + 1).to_string(), "in order, once: {frame}");
            self.last += 1;
        }
    }

    /// Posts one more line and reads it: nothing may come before it.
    fn has_no_more(&mut self) {
        let end = format!("end of {}", self.last);
        self.pipe.enter(&end);
        let frame = self.pipe.expect("message", |frame| frame["room"] == ROOM);
        assert_eq!(frame["message"], end, "nothing twice: {frame}");
    }
}

/// `seq 1 10000 | lanchat --plain`, three readers (#2, item 4).
#[test]
fn ten_thousand_piped_lines_reach_every_reader_once_and_in_order() {
    let server = TestServer::start();
    let proxy = Proxy::to(server.address());
    let homes: [Home; 4] = std::array::from_fn(|_| Home::new());
    let mut steady = Reader::enter(&homes[0], server.address(), "steady");
    let mut stopped = Reader::enter(&homes[1], server.address(), "stopped");
    let mut cut_off = Reader::enter(&homes[2], proxy.address(), "cut-off");

    let address = server.address().to_string();
    let mut writer = Pipe::start(&homes[3], &Place::Here, &["--plain", "--server", &address]);
    let mut stdin = writer.process().take_stdin();
    let writing = thread::spawn(move || {
        let head = format!("/register writer {PASSWORD}\n/join {ROOM}\n");
        let lines = (1..=LINES).map(|number| format!("{number}\n"));
        std::iter::once(head).chain(lines).try_for_each(|line| stdin.write_all(line.as_bytes()))
    });

    stopped.read_to(1000);
    stopped.pipe.signal(Signal::Stop);
    cut_off.read_to(2000);
    proxy.cut();
    steady.read_to(LINES);
    writing.join().expect("the writer does not panic").expect("all lines are taken");
    assert_eq!(writer.finish(), 0, "{}", writer.complaints());

    stopped.pipe.signal(Signal::Continue);
    proxy.join(server.address());
    stopped.read_to(LINES);
    cut_off.read_to(LINES);
    drop((stopped, cut_off));
    steady.has_no_more();
}
