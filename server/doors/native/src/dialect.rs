//! The framing of the native door: one frame, one line (PROTOCOL §2).

use std::sync::Arc;

use lanchat_frames::{Conversation, ServerInfo};
use lanchat_hub::{Error, Event, Reply, Welcome};
use lanchat_listener::{Closing, Dialect, Flow, Inbound};
use lanchat_protocol::LineBuffer;

pub(crate) struct NativeDialect {
    lines: LineBuffer,
    conversation: Conversation,
}

impl NativeDialect {
    pub(crate) fn new(info: Arc<ServerInfo>) -> Self {
        Self { lines: LineBuffer::default(), conversation: Conversation::new(info) }
    }
}

impl Dialect for NativeDialect {
    fn greet(&mut self, online: u64, out: &mut Vec<u8>) {
        self.conversation.greet(online, out);
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    fn held(&self) -> usize {
        self.lines.pending()
    }

    fn next_inbound(&mut self, out: &mut Vec<u8>) -> Inbound {
        match self.lines.next_line(self.conversation.frame_bytes_max()) {
            Ok(None) => Inbound::Incomplete,
            Ok(Some(line)) => self.conversation.take(line, out),
            Err(too_long) => self.conversation.refuse(too_long, out),
        }
    }

    fn welcome(&mut self, tag: &str, result: Result<Welcome, Error>, out: &mut Vec<u8>) -> Flow {
        self.conversation.welcome(tag, result, out)
    }

    fn reply(&mut self, tag: &str, result: Result<Reply, Error>, out: &mut Vec<u8>) -> Flow {
        self.conversation.reply(tag, result, out)
    }

    fn go_on(&mut self, out: &mut Vec<u8>) -> bool {
        self.conversation.go_on(out)
    }

    fn deliver(&mut self, event: &Event, out: &mut Vec<u8>) -> Flow {
        self.conversation.deliver(event, out)
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) -> Flow {
        self.conversation.keep_alive(out);
        Flow::Continue
    }

    fn close(&mut self, why: Closing<'_>, out: &mut Vec<u8>) {
        self.conversation.close(why, out);
    }
}
