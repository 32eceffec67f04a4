//! What the functions log, at every level, caught for tests that look for what must not be there.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Once;

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt;

thread_local! {
    static CATCHING: RefCell<Option<Logs>> = const { RefCell::new(None) };
}

/// A place for log lines. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    lines: Rc<RefCell<Vec<u8>>>,
}

impl Logs {
    /// Runs something with every log line of this thread, TRACE included, caught as JSON.
    pub fn of<T>(&self, run: impl FnOnce() -> T) -> T {
        listen();
        let _until_the_end = Catching::into(self.clone());
        run()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lines.borrow()).into_owned()
    }
}

/// Installs the one subscriber of the process. It has to be there before the first event of any thread: `tracing`
/// remembers of an event's place that nobody wanted it.
pub(crate) fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let lines = failopen_cloud::logs::lines(|| Current);
        let only_caught = dynamic_filter_fn(|_, _| CATCHING.with_borrow(Option::is_some));
        let subscriber = tracing_subscriber::registry().with(only_caught).with(lines);
        tracing::subscriber::set_global_default(subscriber).expect("the tests have one subscriber");
    });
}

/// While it lives, lines of this thread are caught.
struct Catching;

impl Catching {
    fn into(logs: Logs) -> Self {
        CATCHING.set(Some(logs));
        Self
    }
}

impl Drop for Catching {
    fn drop(&mut self) {
        CATCHING.set(None);
    }
}

/// Writes to whoever catches the lines of this thread.
struct Current;

impl Write for Current {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        CATCHING.with_borrow(|catching| {
            if let Some(logs) = catching {
                logs.lines.borrow_mut().extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
