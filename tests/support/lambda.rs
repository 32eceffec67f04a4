//! Lambda as a function's process sees it: the Runtime API on a loopback socket, the environment, and a deadline.
//!
//! Rules from "Using the Lambda runtime API for custom runtimes" (Developer Guide): `next` blocks until there is an event,
//! the deadline comes in milliseconds since 1970, and an invocation ends with `response` or `error`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::loopback::{Loopback, Manner};
use crate::world::{FLIP_ARN, REACT_ARN};

const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// A function's program and what its process finds in its environment.
#[derive(Clone, Debug)]
pub struct Function {
    program: PathBuf,
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    Answer(Value),
    /// A function error: `errorType` and `errorMessage`.
    Error(Value),
    /// The deadline came first and the process was killed, or the process ended by itself.
    Nothing,
}

/// One invocation, and everything that came out of the process.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub ended: Ended,
    /// Standard output and standard error.
    pub output: String,
    pub took: Duration,
}

impl Function {
    /// A program that finds the variables that Lambda and the template give it. Whatever it sends goes to `aws`.
    pub fn new(program: impl AsRef<Path>, aws: &Loopback) -> Self {
        let variables = [
            ("AWS_LAMBDA_FUNCTION_NAME", "failopen-function"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/failopen-function"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "token"),
            ("AWS_ENDPOINT_URL", &aws.origin()),
            ("FAILOPEN_LEDGER_TABLE", "failopen-ledger"),
            ("FAILOPEN_REACT_FUNCTION", REACT_ARN),
            ("FAILOPEN_FLIP_FUNCTION", FLIP_ARN),
            ("FAILOPEN_NOTIFICATION_TOPIC", "arn:aws:sns:us-east-1:111122223333:failopen"),
            ("FAILOPEN_ALLOWED_DISTRIBUTIONS", "E2EXAMPLE"),
            ("FAILOPEN_ALLOWED_HOSTED_ZONES", "Z0EXAMPLE"),
            ("FAILOPEN_ALLOWED_RECORDS", "cq-origin-www.cq-route.com"),
            // Nobody listens there, so no probe leaves this machine.
            ("FAILOPEN_RESOLVER", "127.0.0.1:9"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { program: program.as_ref().to_owned(), arguments: Vec::new(), variables }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self
    }

    /// Starts the process, hands it one event, and kills it when the invocation has ended or its time is up.
    pub fn invoke(&self, event: &Value, time_out: Duration) -> Invocation {
        let (tell, told) = channel();
        let api = runtime_api(event.to_string(), time_out, tell);
        let began = Instant::now();
        let mut process = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(&self.variables)
            .env("AWS_LAMBDA_RUNTIME_API", api.address.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the function's program starts");
        let outputs = [reader(process.stdout.take()), reader(process.stderr.take())];
        let ended = wait(&told, &mut process, time_out);
        let took = began.elapsed();
        let _already_over = process.kill();
        process.wait().expect("the process is ours");
        let output = outputs.map(|output| output.join().expect("the output is read")).concat();
        Invocation { ended, output, took }
    }
}

fn wait(told: &Receiver<Ended>, process: &mut Child, time_out: Duration) -> Ended {
    let deadline = Instant::now() + time_out;
    loop {
        match told.recv_timeout(Duration::from_millis(50)) {
            Ok(ended) => return ended,
            Err(RecvTimeoutError::Disconnected) => return Ended::Nothing,
            Err(RecvTimeoutError::Timeout) => {
                let is_over = process.try_wait().is_ok_and(|status| status.is_some());
                if is_over || Instant::now() >= deadline {
                    return told.try_recv().unwrap_or(Ended::Nothing);
                }
            }
        }
    }
}

/// The Runtime API of one invocation.
fn runtime_api(event: String, time_out: Duration, tell: Sender<Ended>) -> Loopback {
    let tell = Mutex::new(tell);
    Loopback::start(move |request, before| {
        if request.line.ends_with("/invocation/next") {
            if before > 0 {
                return Manner::Hang;
            }
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
            return Manner::answer(200, event.clone())
                .with("lambda-runtime-aws-request-id", REQUEST_ID)
                .with("lambda-runtime-deadline-ms", (now + time_out).as_millis().to_string())
                .with("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:111122223333:function:invoked");
        }
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        let ended = if request.line.ends_with("/response") { Ended::Answer(body) } else { Ended::Error(body) };
        let _nobody_waits_any_more = tell.lock().unwrap_or_else(PoisonError::into_inner).send(ended);
        Manner::answer(202, "")
    })
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    let mut pipe = pipe.expect("the pipe was asked for");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("the pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
