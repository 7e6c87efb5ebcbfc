//! Servers of the tests' own that say their words whatever they hear, and what holds of a client of any of them.

use super::connection::{Connection, Failure, Lost, State, Work};
use super::flow::Flow;
use super::leaves::Leaves;
use super::socket::Socket;
use super::{Limits, Param};
use crate::json::encode;
use crate::json::forms::Forms;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// The words that a server says to who connects, and to who runs [`WORK`] then.
pub(super) struct Script {
    pub(super) greeting: Vec<u8>,
    /// Up to the end of the statement's preparation.
    pub(super) prepared: Vec<u8>,
    /// One row, of n = 7 and t = "hi", within a transaction.
    pub(super) executed: Vec<u8>,
}

pub(super) const WORK: Work<'static> = Work {
    sql: "SELECT ? AS n, t",
    params: &[Param::Int(7)],
    forms: Forms { decimals_as_numbers: false, times_as_sql: false, vectors_packed: false },
    is_alone: false,
    leaves: Leaves::Nothing,
};

pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A server that says its words whatever it hears, `step` bytes at a time, and hangs up.
pub(super) fn server(words: Vec<u8>, step: usize) -> Socket {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    tokio::spawn(async move {
        for words in words.chunks(step.max(1)) {
            if theirs.write_all(words).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        let _ = theirs.shutdown().await;
        // Closing with bytes unread would be a reset, which takes back what was said.
        let _ = theirs.read_to_end(&mut Vec::new()).await;
    });
    Socket::Unix(ours)
}

/// Connects and runs a statement; the rows as JSON. Whatever is said, it is over soon.
pub(super) async fn converse<C: Connection>(
    connecting: impl Future<Output = Result<C, Failure>>,
) -> Result<(String, State), Failure> {
    let limits = Limits::default();
    let conversation = async {
        let mut connection = connecting.await?;
        let mut flow = Flow::whole(&limits);
        connection.run(WORK, &mut flow).await?;
        Ok((String::from_utf8(encode::to_vec(&flow.into_table())).unwrap(), connection.state()))
    };
    timeout(Duration::from_secs(20), conversation).await.expect("a server that hung up is not waited for")
}

impl Script {
    /// All of its words.
    pub(super) fn whole(&self) -> Vec<u8> {
        [&self.greeting[..], &self.prepared, &self.executed].concat()
    }

    pub(super) fn is_the_same_whole_or_byte_by_byte<C: Connection>(
        &self,
        connect: impl AsyncFn(Vec<u8>, usize) -> Result<C, Failure>,
    ) {
        runtime().block_on(async {
            for step in [1, 2, 7, 4096] {
                let (json, state) = converse(connect(self.whole(), step)).await.unwrap();
                assert_eq!((json.as_str(), state), (r#"[{"n":7,"t":"hi"}]"#, State::InTransaction));
            }
        });
    }

    pub(super) fn cut_at_any_byte_it_is_lost_and_says_whether_the_statement_was_sent<C: Connection>(
        &self,
        connect: impl AsyncFn(Vec<u8>, usize) -> Result<C, Failure>,
    ) {
        let whole = self.whole();
        let unsent = self.greeting.len() + self.prepared.len();
        runtime().block_on(async {
            for end in 0..whole.len() {
                match converse(connect(whole[..end].to_vec(), 4096)).await {
                    Err(Failure::Lost(Lost { sent, message })) => {
                        assert_eq!(sent, end >= unsent, "cut at {end}: {message}");
                    }
                    other => panic!("cut at {end}: {other:?}"),
                }
            }
        });
    }

    pub(super) fn with_a_byte_changed_anywhere_it_is_never_a_panic<C: Connection>(
        &self,
        connect: impl AsyncFn(Vec<u8>, usize) -> Result<C, Failure>,
    ) {
        let whole = self.whole();
        runtime().block_on(async {
            for at in 0..whole.len() {
                for change in [0x01, 0x80, 0xff] {
                    let mut words = whole.clone();
                    words[at] ^= change;
                    let _ = converse(connect(words, 4096)).await;
                }
            }
        });
    }
}
