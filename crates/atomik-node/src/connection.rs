use std::io;
use std::sync::Arc;
use std::time::Duration;

use atomik_replica::Shape;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::change::Change;
use crate::credential::Token;
use crate::handle::{Handle, Pending};
use crate::listener::{Input, Output};
use crate::protocol::{AdmissionError, Greeting, MAX_GREETING, MAX_LINE, Request, done, refused};
use crate::query;
use crate::stop::StopSignal;
use crate::text::parse_key;

/// Unanswered requests of one connection.
const AHEAD: usize = 256;

/// What the unanswered requests of one connection may cost together, in bytes.
const BUDGET: u32 = MAX_LINE as u32;

/// What a line of this many bytes costs: its bytes, and enough that no more than [`AHEAD`] requests
/// are unanswered.
fn cost(line: usize) -> u32 {
    (line as u32).clamp(BUDGET / AHEAD as u32, BUDGET)
}

/// Whether a line holds nothing but what JSON takes for whitespace. Any other line has an answer.
pub(crate) fn is_blank(line: &str) -> bool {
    line.bytes().all(|byte| b" \t\r\n".contains(&byte))
}

/// How long a client over TCP may take to send its token, in seconds.
const GREETING_SECONDS: u64 = 3;

/// How long a client that is turned away may take to read why, and a new one waits for another one
/// to end.
pub(crate) const LEAVING: Duration = Duration::from_millis(200);

/// How long a client may take to read its last answers after the node has stopped.
const FAREWELL: Duration = Duration::from_secs(2);

/// A control connection.
pub(crate) struct Connection {
    pub(crate) handle: Handle,
    /// The shape of values in this keyspace.
    pub(crate) shape: Shape,
    /// Whether the client has shown a token, and is told that it was right.
    pub(crate) by_token: bool,
    /// How long the client may send no request, or not read its answers.
    pub(crate) idle: Duration,
    pub(crate) stop: StopSignal,
}

/// The two directions of a control connection.
pub(crate) struct Client {
    input: BufReader<Input>,
    output: Output,
}

impl Client {
    pub(crate) fn new(input: Input, output: Output) -> Self {
        Self {
            input: BufReader::with_capacity(1 << 16, input),
            output,
        }
    }

    /// Waits until it has shown the token; `None` if it has shown something else, or nothing.
    pub(crate) async fn admitted(mut self, token: Token) -> Option<Self> {
        match admit(&mut self.input, &token).await {
            Ok(()) => Some(self),
            Err(error) => {
                self.dismiss(&refused(error)).await;
                None
            }
        }
    }

    /// Says why it is turned away.
    pub(crate) async fn dismiss(&mut self, refusal: &Json) {
        let line = format!("{refusal}\n");
        // A client that does not read it has gone.
        let _ = timeout(LEAVING, self.output.write_all(line.as_bytes())).await;
    }
}

/// A line to be written, in order.
struct Line {
    answer: Answer,
    /// What its request cost, which is given back when the line has been written.
    cost: u32,
}

enum Answer {
    Ready(Json),
    Waiting(Change, Pending),
}

impl Line {
    /// A line that answers no request.
    fn free(line: Json) -> Self {
        Self {
            answer: Answer::Ready(line),
            cost: 0,
        }
    }
}

impl Connection {
    /// Serves the connection until the client closes it or the node stops.
    pub(crate) async fn run(mut self, Client { input, output }: Client) {
        let (lines, queue) = mpsc::channel(AHEAD);
        let ahead = Arc::new(Semaphore::new(BUDGET as usize));
        let (idle, shape, stop) = (self.idle, self.shape.clone(), self.stop.clone());
        let writer = write_lines(output, queue, Arc::clone(&ahead), idle, shape, stop);
        let reader = self.read_lines(input, lines, ahead);
        // The reader ends at the end of the input or when the node stops; the writer then writes
        // the remaining answers. The writer ends early if the client stops reading, which ends the
        // reader.
        tokio::pin!(writer, reader);
        tokio::select! {
            () = &mut reader => writer.await,
            () = &mut writer => {}
        }
    }

    async fn read_lines(
        &mut self,
        mut input: BufReader<Input>,
        lines: mpsc::Sender<Line>,
        ahead: Arc<Semaphore>,
    ) {
        let mut line = Vec::new();
        if self.by_token {
            let welcome = Line::free(json!({"ok": true}));
            if lines.send(welcome).await.is_err() {
                return;
            }
        }
        loop {
            line.clear();
            let read = loop {
                let read = read_line(&mut input, &mut line, MAX_LINE);
                let read = tokio::select! {
                    () = self.stop.wait() => return,
                    read = timeout(self.idle, read) => read,
                };
                match read {
                    Ok(read) => break read,
                    // The client waits for an answer.
                    Err(_) if ahead.available_permits() < BUDGET as usize => {}
                    Err(_) => {
                        let idle = self.idle.as_secs();
                        let line = refused(format_args!("no request for {idle} s: connect again"));
                        let _ = lines.send(Line::free(line)).await;
                        return;
                    }
                }
            };
            let request = match read {
                Ok(true) => match std::str::from_utf8(&line) {
                    Ok(text) if is_blank(text) => continue,
                    Ok(text) => Request::parse(text).map_err(refused),
                    Err(_) => Err(refused("not a request: not UTF-8")),
                },
                Ok(false) => return,
                Err(error) => {
                    // The start of the next line is unknown.
                    let _ = lines.send(Line::free(refused(error))).await;
                    return;
                }
            };
            // The writer gives the cost back with the answer.
            let cost = cost(line.len());
            let Ok(permit) = ahead.acquire_many(cost).await else {
                return;
            };
            permit.forget();
            let is_request = request.is_ok();
            let answer = match request {
                Ok(Request::Watch { prefix }) => return self.watch(&prefix, &lines, input).await,
                Ok(request) => self.answer(request, &ahead, BUDGET - cost).await,
                Err(refusal) => Some(Answer::Ready(refusal)),
            };
            let Some(answer) = answer else { return };
            let sent = lines.send(Line { answer, cost }).await;
            if sent.is_err() || (!is_request && self.by_token) {
                return;
            }
        }
    }

    /// The answer to a request; `None` if the connection has ended meanwhile. `others` is what all
    /// other requests of the connection may cost.
    async fn answer(&self, request: Request, ahead: &Semaphore, others: u32) -> Option<Answer> {
        let answer = match request.change(&self.shape) {
            Err(error) => Answer::Ready(refused(error)),
            Ok(Some(change)) => match self.handle.submit(change.clone()).await {
                Ok(pending) => Answer::Waiting(change, pending),
                Err(error) => Answer::Ready(refused(error)),
            },
            Ok(None) => {
                // The query must see the earlier changes of this connection, acknowledged.
                let all = ahead.acquire_many(others).await.ok()?;
                let answer = query::answer(&self.handle, request).await;
                drop(all);
                Answer::Ready(answer)
            }
        };
        Some(answer)
    }

    /// Sends the events of keys with this prefix until the client closes the connection.
    async fn watch(
        &mut self,
        prefix: &str,
        lines: &mpsc::Sender<Line>,
        mut input: BufReader<Input>,
    ) {
        let watching = match parse_key(prefix) {
            Ok(prefix) => {
                let watching = self.handle.query(move |state| state.watch(prefix)).await;
                watching.map_err(refused)
            }
            Err(error) => Err(refused(error)),
        };
        let (first, watching) = match watching {
            Ok(watching) => (json!({"ok": true}), Some(watching)),
            Err(refusal) => (refusal, None),
        };
        if lines.send(Line::free(first)).await.is_err() {
            return;
        }
        let Some(mut watching) = watching else { return };
        loop {
            let event = tokio::select! {
                () = self.stop.wait() => return,
                event = watching.recv() => event,
                () = closed(&mut input) => return,
            };
            let Some(event) = event else { return };
            if lines.send(Line::free(event)).await.is_err() {
                return;
            }
        }
    }
}

/// Reads the first line of a connection over TCP and checks it.
async fn admit(input: &mut BufReader<Input>, token: &Token) -> Result<(), AdmissionError> {
    let mut line = Vec::new();
    let read = read_line(input, &mut line, MAX_GREETING);
    match timeout(Duration::from_secs(GREETING_SECONDS), read).await {
        Ok(Ok(_)) => Greeting::check(&line, token),
        Ok(Err(_)) => Err(AdmissionError::Greeting),
        Err(_) => Err(AdmissionError::Late(GREETING_SECONDS)),
    }
}

/// Reads a line of at most `longest` bytes into `line`, without its newline; `false` at the end of
/// the input. If it is cancelled, `line` holds what has arrived, and another call continues.
async fn read_line<R: AsyncRead + Unpin>(
    input: &mut BufReader<R>,
    line: &mut Vec<u8>,
    longest: usize,
) -> io::Result<bool> {
    loop {
        let available = input.fill_buf().await?;
        if available.is_empty() {
            return if line.is_empty() {
                Ok(false)
            } else {
                Err(io::Error::other(
                    "the last line does not end with a newline",
                ))
            };
        }
        let end = available.iter().position(|&byte| byte == b'\n');
        let taken = end.unwrap_or(available.len());
        if line.len() + taken > longest {
            return Err(io::Error::other(format!(
                "the line is longer than {longest} bytes: send smaller requests"
            )));
        }
        line.extend_from_slice(&available[..taken]);
        input.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Waits for the end of an input, discarding everything before it.
async fn closed<R: AsyncRead + Unpin>(input: &mut BufReader<R>) {
    while let Ok(available @ 1..) = input.fill_buf().await.map(<[u8]>::len) {
        input.consume(available);
    }
}

/// Writes answers in the order of their requests, until there are no more or the client stops
/// reading.
async fn write_lines(
    mut output: Output,
    mut queue: mpsc::Receiver<Line>,
    ahead: Arc<Semaphore>,
    idle: Duration,
    shape: Shape,
    mut stop: StopSignal,
) {
    let mut text = Vec::new();
    while let Some(Line { answer, cost }) = queue.recv().await {
        let answer = match answer {
            Answer::Ready(answer) => answer,
            Answer::Waiting(change, pending) => match pending.done().await {
                Ok(result) => done(&change, &result, &shape),
                Err(error) => refused(error),
            },
        };
        text.clear();
        text.extend_from_slice(answer.to_string().as_bytes());
        text.push(b'\n');
        let overdue = async {
            stop.wait().await;
            tokio::time::sleep(FAREWELL).await;
        };
        let written = tokio::select! {
            written = timeout(idle, output.write_all(&text)) => matches!(written, Ok(Ok(()))),
            () = overdue => false,
        };
        if !written {
            return;
        }
        ahead.add_permits(cost as usize);
    }
    // Fails if the client has gone.
    let _ = output.flush().await;
}
