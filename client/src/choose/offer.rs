//! Asks a person when no server answers, or several do. The search goes on while a question is on the screen: a missing
//! server is connected to when it is back, and nobody hosts next to one that came up meanwhile.

use lanchat_client::Home;
use lanchat_model::{ServerId, limits};

use super::ask::{Heard, ask_until, yes_or_no};
use super::{Around, Choice, Found, lines_of, look_around, missing, nobody};
use crate::exit::{Failure, Reason};
use crate::sanitize::quoted;
use crate::trust::say;
use crate::view::clip;

/// Whether a server can be hosted here, and which one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hosting {
    /// Whether this program contains a server.
    pub(crate) possible: bool,
    /// The server whose data is here, if it was hosted before.
    pub(crate) own: Option<ServerId>,
}

/// The outcome of a question.
pub(super) enum Asked {
    /// The user's choice.
    Choice(Choice),
    /// There are servers that the question did not mention. `again`: the user has not decided anything yet.
    Around { now: Around, again: bool },
}

/// Asks what to do about what was found.
///
/// # Errors
/// [`Reason::NoServer`] when the user declines every offer.
pub(super) async fn offer(home: &Home, around: &Around, hosting: Hosting) -> Result<Asked, Failure> {
    around.others.iter().try_for_each(|other| say(other))?;
    match around.found.is_empty() {
        true => offer_to_host(home, around, hosting).await,
        false => offer_to_choose(home, around, hosting).await,
    }
}

/// Offers to host, because no server answers. Enter alone hosts only where that cannot split anybody off: if the user
/// knows no server, or used their own server last.
async fn offer_to_host(home: &Home, around: &Around, hosting: Hosting) -> Result<Asked, Failure> {
    let servers = home.servers()?;
    let own = servers.first().filter(|last| hosting.possible && hosting.own == Some(last.id));
    let others = around.knows_any && servers.iter().any(|server| hosting.own != Some(server.id));
    let missing = missing(home, around.knows_any)?;
    let question = match own {
        Some(own) => {
            say(&missing)?;
            format!("{} is your own server. Host it here? [Y/n] ", quoted(&clip(&own.name)))
        }
        None if around.knows_any => {
            say(&format!(
                "{missing} lanchat goes on looking, and connects when one is back. Ctrl+C leaves."
            ))?;
            "Host a new server here instead? [y/n] ".to_owned()
        }
        None => format!("{missing} Host one here? [Y/n] "),
    };
    let enter = (own.is_some() || !around.knows_any).then_some(true);
    let mut asks = hosting.possible;
    if !asks && !around.knows_any {
        return Err(nobody(home, false, &[])?);
    }
    let looking = look_on(home, around);
    tokio::pin!(looking);
    loop {
        let heard = match asks {
            true => ask_until(&question, &mut looking).await?,
            false => Heard::News((&mut looking).await?),
        };
        match heard {
            Heard::News(now) => return Ok(Asked::Around { now, again: true }),
            Heard::Answer(answer) => match yes_or_no(&answer, enter) {
                Some(true) => return look_before_hosting(home, around).await,
                Some(false) if !others => return Err(nobody(home, around.knows_any, &[])?),
                Some(false) => {
                    say("Still looking. Ctrl+C leaves.")?;
                    asks = false;
                }
                None => say("Type y to host a server on this computer, or n.")?,
            },
        }
    }
}

/// Lets a person choose among the servers that answer. Enter means the known one that was used last.
async fn offer_to_choose(home: &Home, around: &Around, hosting: Hosting) -> Result<Asked, Failure> {
    let found = &around.found;
    if around.knows_any && !found.iter().any(|found| found.known) {
        say(&format!("{} lanchat goes on looking.", missing(home, true)?))?;
        say("These are NEW to you:")?;
    } else {
        say("Servers on this network:")?;
    }
    let last = found.len().min(limits::SERVERS_LISTED_MAX);
    for (number, line) in (1..).zip(lines_of(found)) {
        match number <= last {
            true => say(&format!("{number:>3}  {line}"))?,
            false => say(&format!("     {line}"))?,
        }
    }
    let usual = usual(&found[..last], around.knows_any);
    let question = which_one(usual.map(|at| (at, &found[at])), last, hosting);
    let looking = look_on(home, around);
    tokio::pin!(looking);
    loop {
        let answer = match ask_until(&question, &mut looking).await? {
            Heard::News(now) => return Ok(Asked::Around { now, again: true }),
            Heard::Answer(answer) => answer.to_lowercase(),
        };
        let number = answer.parse::<usize>().ok().filter(|number| (1..=last).contains(number));
        match (number.map(|number| number - 1), answer.as_str(), usual) {
            (Some(at), _, _) | (None, "", Some(at)) => {
                return Ok(Asked::Choice(Choice::Server(found[at].target.clone())));
            }
            (None, "h" | "host", _) if hosting.possible => return look_before_hosting(home, around).await,
            (None, "q" | "quit", _) => return Err(Failure::new(Reason::NoServer, "No server was chosen.")),
            _ => say(&format!("Type {}.", what_to_type(last, hosting)))?,
        }
    }
}

/// Returns what Enter means: the known server that was used last, or the only server if the user knows none.
fn usual(listed: &[Found], knows_any: bool) -> Option<usize> {
    match (listed, knows_any) {
        ([_], false) => Some(0),
        _ => {
            let known = listed.iter().enumerate().filter(|(_, found)| found.known);
            known.min_by_key(|(_, found)| found.used).map(|(at, _)| at)
        }
    }
}

/// Says which answers the question takes.
fn what_to_type(last: usize, hosting: Hosting) -> String {
    let number = if last == 1 { "1 to join it".to_owned() } else { format!("a number from 1 to {last}") };
    let host = if hosting.possible { ", h to host here" } else { "" };
    format!("{number}{host}, or q to leave")
}

fn which_one(usual: Option<(usize, &Found)>, last: usize, hosting: Hosting) -> String {
    let mut ways = vec![if last == 1 { "1".to_owned() } else { format!("1 to {last}") }];
    if hosting.possible {
        ways.push("h to host here".to_owned());
    }
    if let Some((at, found)) = usual {
        ways.push(format!("Enter for {}, {}", at + 1, found.called()));
    }
    format!("Which one? [{}] ", ways.join("; "))
}

/// Hosts, unless somebody else is hosting by now.
async fn look_before_hosting(home: &Home, around: &Around) -> Result<Asked, Failure> {
    say("One more look, in case somebody else hosts by now…")?;
    let now = look_around(home, true).await?;
    match now.has_more_than(around) {
        true => Ok(Asked::Around { now, again: false }),
        false => Ok(Asked::Choice(Choice::Host)),
    }
}

/// Looks again and again until there is a server that was not there before. Cancel safe.
async fn look_on(home: &Home, before: &Around) -> Result<Around, Failure> {
    let mut pause = limits::LOOK_AGAIN_MIN;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(limits::LOOK_AGAIN_MAX);
        let now = look_around(home, true).await?;
        if now.has_more_than(before) {
            return Ok(now);
        }
    }
}
