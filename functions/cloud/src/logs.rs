//! Logs: one JSON object a line, as Lambda's logging controls ask for it.
//!
//! Only our own events follow the configured level. The Lambda runtime is capped at WARN, whatever is asked for, because
//! below that it prints events, which hold pre-signed URLs. Everybody else is silent: the SDK prints requests, which hold
//! origin header values, and even its warnings quote what a service said (that of a role which cannot be assumed names its
//! external id, that of a wrong signature the session token). What matters of it is in the fault that our own code logs.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::environment::Variables;

/// Prefix of the target of every event of ours: the name of each of our crates starts with it.
const OURS: &str = "failopen";

/// The Lambda runtime.
const RUNTIME: &str = "lambda_runtime";

/// Where the Lambda runtime prints what a handler failed with, as Rust's debug text. [`crate::run`] has logged it with its
/// fields by then, and a panic has printed itself.
const FAILURES_AGAIN: &str = "lambda_runtime::layers::panic";

/// Starts logging to standard output. `AWS_LAMBDA_LOG_FORMAT` (`Text`, otherwise JSON) and `AWS_LAMBDA_LOG_LEVEL`, then
/// `RUST_LOG`, are honoured. A second start changes nothing. A panic becomes an event, too.
pub fn start() {
    let variables = Variables::of_the_process();
    let level = level(&variables);
    let is_text = variables.get("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("text"));
    // Only a second start fails, and the first one is as good.
    let _already_started = match is_text {
        true => text(level, std::io::stdout).try_init().is_err(),
        false => json(level, std::io::stdout).try_init().is_err(),
    };
    std::panic::set_hook(Box::new(panicked));
}

/// Logs where a panic was, and what it says only where the program's own text says it: a text that was put together when
/// it happened may quote whatever the function had in its hands.
fn panicked(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let said = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("its text is left out");
    tracing::error!(error_type = "Panic", place, "the function met a defect of its own: {said}");
}

/// `timestamp`, `level`, `message` and the fields of the event side by side: what Lambda's log filter looks for.
fn json<W>(level: LevelFilter, writer: W) -> impl SubscriberInitExt
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::registry().with(filter(level)).with(lines(writer))
}

/// The layer that writes each event as one line of JSON, in which nothing but the line's end acts on a terminal or a viewer.
pub fn lines<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(EscapingWriter(writer))
}

/// Makes writers that escape what acts, in either format.
struct EscapingWriter<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for EscapingWriter<W> {
    type Writer = Escaping<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Escaping(self.0.make_writer())
    }
}

/// RFC 8259 (section 7) wants only characters below U+0020 escaped. What else begins a command of a terminal, ends a line in
/// some viewers or turns the order of letters round stands inside a string too, where an escape means the same. Text has no
/// escapes of its own, so a line break in a field would begin a line there.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    /// Takes a whole event, as the layer writes it: only its last line break ends a line.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (line, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
        let mut escaped = String::with_capacity(text.len());
        for character in line.chars() {
            match acts(character) {
                true => write!(escaped, "\\u{:04x}", u32::from(character)).map_err(io::Error::other)?,
                false => escaped.push(character),
            }
        }
        escaped.push_str(end);
        self.0.write_all(escaped.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn acts(character: char) -> bool {
    let marks_direction = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}');
    let turns_order_round = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let ends_line = matches!(character, '\u{2028}' | '\u{2029}');
    character.is_control() || ends_line || marks_direction || turns_order_round
}

fn text<W>(level: LevelFilter, writer: W) -> impl SubscriberInitExt
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(EscapingWriter(writer));
    tracing_subscriber::registry().with(filter(level)).with(lines)
}

fn level(variables: &Variables<'_>) -> LevelFilter {
    let wanted = variables.get("AWS_LAMBDA_LOG_LEVEL").or_else(|| variables.get("RUST_LOG"));
    match wanted.as_deref() {
        None => LevelFilter::INFO,
        Some(fatal) if fatal.eq_ignore_ascii_case("fatal") => LevelFilter::ERROR,
        Some(level) => level.parse().unwrap_or(LevelFilter::INFO),
    }
}

fn filter(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(LevelFilter::OFF)
        .with_target(RUNTIME, level.min(LevelFilter::WARN))
        .with_target(FAILURES_AGAIN, LevelFilter::OFF)
        .with_target(OURS, level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing::Level;

    /// Output that the test can look at afterwards.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text")
        }
    }

    #[test]
    fn an_event_is_one_line_of_json_and_a_payload_printed_by_the_runtime_is_none() {
        let page = Page::default();
        let writer = page.clone();
        let started = json(LevelFilter::TRACE, move || writer.clone()).set_default();
        tracing::trace!(target: "lambda_runtime", body = "https://confidential", "raw JSON event received from Lambda");
        tracing::info!(target: "failopen_react", protection = "www", decision = "hold", "decided");
        drop(started);
        let text = page.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"decided".into()));
        assert_eq!((&line["protection"], &line["decision"]), (&"www".into(), &"hold".into()));
        assert!(line["timestamp"].is_string(), "{line}");
    }

    #[test]
    fn nothing_in_a_line_acts_on_what_shows_it() {
        let page = Page::default();
        let writer = page.clone();
        let started = json(LevelFilter::TRACE, move || writer.clone()).set_default();
        let reason = "a\u{9b}31m \u{7f}\u{85}\u{2028}\u{2029}\u{202e}\u{2066}\u{61c}\u{200e}\u{200f}\r\n\u{1b}[2J ä€😀";
        tracing::info!(target: "failopen_react", reason, "decided");
        drop(started);
        let text = page.text();
        assert!(text.is_ascii() || text.chars().all(|c| c.is_ascii() || "ä€😀".contains(c)), "{text:?}");
        assert!(!text.trim_end_matches('\n').chars().any(char::is_control), "{text:?}");
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(line["reason"], reason, "nothing is lost");
    }

    #[test]
    fn in_the_text_format_an_event_is_one_line_too_in_which_nothing_acts() {
        let page = Page::default();
        let writer = page.clone();
        let started = text(LevelFilter::TRACE, move || writer.clone()).set_default();
        let reason =
            "a\nINFO failopen_react: forged\r\n\u{9b}31m\u{85}\u{2028}\u{202e}\u{61c}\u{200e}\u{200f}\u{1b}[2J ä€😀";
        tracing::info!(target: "failopen_react", reason, because = %reason, "decided\n{reason}");
        tracing::info!(target: "failopen_react", "the next one");
        drop(started);
        let text = page.text();
        assert_eq!(text.matches('\n').count(), 2, "{text:?}");
        assert!(text.ends_with("the next one\n"), "{text:?}");
        assert!(text.chars().all(|c| c == '\n' || c.is_ascii_graphic() || c == ' ' || "ä€😀".contains(c)), "{text:?}");
        assert!(text.contains("decided\\u000aa\\u000aINFO failopen_react: forged\\u000d\\u000a"), "{text:?}");
    }

    #[test]
    fn the_runtime_is_never_more_verbose_than_warn_and_everybody_else_is_silent() {
        let filter = filter(LevelFilter::TRACE);
        for target in ["aws_config::sts::assume_role", "aws_smithy_runtime::client", "hyper", "rustls", "hickory_proto"]
        {
            for level in [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR] {
                assert!(!filter.would_enable(target, &level), "{target} at {level}");
            }
        }
        for level in [Level::TRACE, Level::DEBUG, Level::INFO] {
            assert!(!filter.would_enable(RUNTIME, &level), "{level}");
        }
        assert!(filter.would_enable("lambda_runtime::layers::api_response", &Level::WARN));
        assert!(!filter.would_enable(FAILURES_AGAIN, &Level::ERROR));
        for target in ["failopen_cloud::cloudfront", "failopen_react", "failopen_flip::handler"] {
            assert!(filter.would_enable(target, &Level::TRACE), "{target}");
        }
    }

    #[test]
    fn a_stricter_level_binds_everyone() {
        let filter = filter(LevelFilter::ERROR);
        assert!(!filter.would_enable(RUNTIME, &Level::WARN));
        assert!(!filter.would_enable("failopen_react", &Level::WARN));
        assert!(filter.would_enable("failopen_react", &Level::ERROR));
    }

    #[test]
    fn lambda_s_level_goes_before_rust_s() {
        let level = |pairs: &[(&str, &str)]| level(&Variables::of(pairs));
        assert_eq!(level(&[]), LevelFilter::INFO);
        assert_eq!(level(&[("RUST_LOG", "debug")]), LevelFilter::DEBUG);
        assert_eq!(level(&[("AWS_LAMBDA_LOG_LEVEL", "WARN"), ("RUST_LOG", "debug")]), LevelFilter::WARN);
        assert_eq!(level(&[("AWS_LAMBDA_LOG_LEVEL", "FATAL")]), LevelFilter::ERROR);
        assert_eq!(level(&[("RUST_LOG", "lambda_runtime=trace")]), LevelFilter::INFO);
    }
}
