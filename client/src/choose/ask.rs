//! Questions on the terminal before the line editor takes it over.

use std::future::Future;
use std::io::{self, BufRead, Write};

use crate::exit::{Failure, Reason};
use crate::trust::say;

/// What came first.
pub(super) enum Heard<T> {
    /// The typed line, without its line end.
    Answer(String),
    /// The news that was waited for at the same time.
    News(T),
}

/// Asks, and waits for the answer or for `news`. The end of the input is an error.
///
/// On Unix, a question that news made obsolete leaves everything typed so far to the next reader of the terminal. A
/// read of a Windows console cannot be cancelled, so there the user is asked to press Enter.
pub(super) async fn ask_until<T>(
    question: &str,
    news: impl Future<Output = Result<T, Failure>>,
) -> Result<Heard<T>, Failure> {
    let mut out = io::stdout().lock();
    out.write_all(question.as_bytes()).and_then(|()| out.flush())?;
    drop(out);
    let answer = answer();
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => Ok(Heard::Answer(answer?.trim().to_owned())),
        news = news => {
            // The cursor is at the end of the question, so begin a new row.
            say("")?;
            if cfg!(windows) {
                say("Press Enter to go on.")?;
                answer.await?;
            }
            Ok(Heard::News(news?))
        }
    }
}

/// Asks, and waits for the answer.
pub(super) async fn ask(question: &str) -> Result<String, Failure> {
    match ask_until(question, std::future::pending::<Result<(), Failure>>()).await? {
        Heard::Answer(answer) => Ok(answer),
        Heard::News(()) => Ok(String::new()),
    }
}

/// Reads the answer to a yes-or-no question. Returns `None` if it is neither, so that the question is asked again.
/// `enter`: what Enter alone means.
pub(super) fn yes_or_no(answer: &str, enter: Option<bool>) -> Option<bool> {
    match answer.to_lowercase().as_str() {
        "" => enter,
        "y" | "yes" => Some(true),
        "n" | "no" => Some(false),
        _ => None,
    }
}

/// Waits for the next line. Cancel safe.
#[cfg(unix)]
async fn answer() -> Result<String, Failure> {
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    #[expect(deprecated, reason = "the safe way in: standard input stays open as long as the process")]
    let input = AsyncFd::with_interest(io::stdin(), Interest::READABLE)?;
    // A terminal in line mode becomes readable when a whole line, or the end, is there.
    drop(input.readable().await?);
    read()
}

#[cfg(not(unix))]
async fn answer() -> Result<String, Failure> {
    let read = tokio::task::spawn_blocking(read);
    read.await.map_err(|error| Failure::new(Reason::Usage, error.to_string()))?
}

fn read() -> Result<String, Failure> {
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer)? {
        0 => Err(Failure::new(Reason::Usage, "The input has ended, so nothing can be asked.")),
        _ => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::yes_or_no;

    #[test]
    fn what_is_neither_yes_nor_no_is_no_answer() {
        assert_eq!((yes_or_no("Y", None), yes_or_no("no", Some(true))), (Some(true), Some(false)));
        for answer in ["maybe", "/quit", "j", "yy", "1"] {
            assert_eq!(yes_or_no(answer, Some(true)), None, "{answer}");
        }
        assert_eq!((yes_or_no("", None), yes_or_no("", Some(true))), (None, Some(true)));
    }
}
