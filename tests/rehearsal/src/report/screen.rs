//! The terminal while a play runs: each event as a line when it is told, and below them how things stand.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::SPEAKS;
use super::buckets::Bucket;
use super::words::{self, COLUMNS, cut, wrapped};
use crate::clock::Moment;
use crate::narration::Narration;
use crate::timeline::{Class, Event, Record, Timeline};

/// Columns of the moving bar, before its words.
const BAR: usize = 15;

/// Rates are those of so much modelled time.
const RECENTLY: Duration = Duration::from_secs(30);

/// Without a terminal, how things stand is said at most this often, in modelled time.
const PLAIN_STATUS: Duration = Duration::from_secs(60);

/// How often the terminal is brought up to date when nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// Where the play is in its script.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Number of the command that is being played, from 1, and of all.
    pub(crate) command: usize,
    pub(crate) of: usize,
    /// As it is written.
    pub(crate) text: String,
}

/// Shows one play.
pub(crate) struct Screen<'a> {
    narration: &'a Narration,
    /// Only on a terminal.
    bar: Option<ProgressBar>,
    /// Number of events that have been shown.
    shown: usize,
    /// When it was last said how things stand.
    said: Moment,
}

impl<'a> Screen<'a> {
    pub(crate) fn open(narration: &'a Narration) -> Self {
        let bar = narration.terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} [{bar:10}] {wide_msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(0).with_style(style.progress_chars("=> "));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { narration, bar, shown: 0, said: Moment::default() }
    }

    /// Shows what happens, for as long as it is polled.
    pub(crate) async fn watch(&mut self, timeline: &Timeline, progress: impl Fn() -> Progress) {
        let mut news = timeline.news();
        loop {
            self.show(timeline, &progress());
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Brings the screen up to date. To be called once more at the end, for what happened last.
    pub(crate) fn show(&mut self, timeline: &Timeline, progress: &Progress) {
        let (now, opened) = (timeline.clock().now(), timeline.opened());
        let (lines, standing) = timeline.look(|record| {
            // What came before the play was its setting, and has been told as that.
            let news = record.events.iter().skip(self.shown).filter(|event| event.at >= opened);
            let lines: Vec<String> = news.flat_map(|event| event_lines(&event.since(opened))).collect();
            self.shown = record.events.len();
            (lines, Standing::of(record, now, opened))
        });
        for line in lines {
            self.say(&line);
        }
        match &self.bar {
            Some(bar) => {
                bar.set_length(progress.of as u64);
                bar.set_position(progress.command.saturating_sub(1) as u64);
                bar.set_message(cut(&standing.line(progress), COLUMNS - BAR));
            }
            None if now - self.said >= PLAIN_STATUS => {
                self.said = now;
                self.say(&cut(&standing.line(progress), COLUMNS));
            }
            None => {}
        }
    }

    /// A line above how things stand.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.narration.say(line)),
            None => self.narration.say(line),
        }
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How things stand at a moment.
#[derive(Clone, Debug)]
struct Standing {
    now: Moment,
    /// The last words of `status`, if it has spoken: what it calls the traffic, and the posture.
    traffic: Option<String>,
    posture: Option<String>,
    /// What viewers got recently.
    recent: Bucket,
}

impl Standing {
    /// `opened`: when the play began, from which its time is told.
    fn of(record: &Record, now: Moment, opened: Moment) -> Self {
        let last = record.statuses.last().filter(|sample| now - sample.at <= SPEAKS);
        let mut recent = Bucket::default();
        // Answers are recorded as they end, so that the recent ones are the last ones.
        for answer in record.answers.iter().rev().take_while(|answer| answer.ended() + RECENTLY >= now) {
            recent.add(answer.class);
        }
        Self {
            now: Moment::at(now - opened),
            traffic: last.map(|sample| sample.traffic.clone()),
            posture: last.map(|sample| sample.posture.clone()),
            recent,
        }
    }

    fn line(&self, progress: &Progress) -> String {
        let seconds = RECENTLY.min(self.now.since_begin()).as_secs_f64().max(1.0);
        let rates: Vec<String> = Class::ALL
            .into_iter()
            .filter(|class| self.recent.count(*class) > 0)
            .map(|class| format!("{class} {:.1}/s", self.recent.count(class) as f64 / seconds))
            .collect();
        let rates = if rates.is_empty() { "no answers".to_owned() } else { rates.join(", ") };
        // The command comes last: it is what may be cut, because its own lines tell what became of it.
        format!(
            "{}  status {}, {}  viewers {rates}  {}/{} {}",
            self.now,
            self.traffic.as_deref().unwrap_or("?"),
            self.posture.as_deref().unwrap_or("?"),
            progress.command,
            progress.of,
            progress.text,
        )
    }
}

/// `+03:20    alarm       failopen-www-inspection is in ALARM`, in as many lines as it needs.
fn event_lines(event: &Event) -> Vec<String> {
    wrapped(&format!("{:<9} {:<11} ", event.at.to_string(), words::kind(event.kind)), &event.text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::clock::{Clock, Scale};
    use crate::report::sample::{answer, at, event, status};
    use crate::timeline::Kind;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn an_event_is_a_line_with_its_time_and_kind() {
        let lines = event_lines(&event(200.0, Kind::AlarmAlarm, "failopen-www-inspection is in ALARM"));
        assert_eq!(lines, ["+03:20    alarm       failopen-www-inspection is in ALARM"]);
    }

    #[test]
    fn a_long_event_goes_on_below_its_text_and_no_line_is_too_long() {
        let lines = event_lines(&event(4000.0, Kind::Disturbance, &"many words ".repeat(20)));
        assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= COLUMNS), "{lines:?}");
        assert!(
            lines[1].starts_with(&format!("{}many", " ".repeat(22)))
                || lines[1].starts_with(&format!("{}words", " ".repeat(22)))
        );
        let endless = event_lines(&event(1.0, Kind::Operator, &"x".repeat(300)));
        assert!(endless.iter().all(|line| line.chars().count() <= COLUMNS), "{endless:?}");
    }

    #[test]
    fn how_things_stand_is_what_viewers_got_recently() {
        let record = Record {
            answers: vec![
                answer(10.0, 1.0, Class::Inspected),
                answer(71.0, 1.0, Class::Failed),
                answer(80.0, 1.0, Class::BypassedDns),
                answer(81.0, 1.0, Class::BypassedDns),
                answer(82.0, 1.0, Class::BypassedDns),
            ],
            statuses: vec![status(60.0, "inspected", "inspected"), status(90.0, "bypassed-dns", "inspected")],
            ..Record::default()
        };
        let progress = Progress { command: 3, of: 9, text: "wait 3m".to_owned() };
        let line = Standing::of(&record, at(100.0), Moment::default()).line(&progress);
        assert_eq!(
            line,
            "+01:40  status bypassed-dns, inspected  viewers bypassed-dns 0.1/s, failed 0.0/s  3/9 wait 3m"
        );
    }

    #[test]
    fn without_a_terminal_each_event_is_said_once() {
        let paper = Paper::default();
        let narration = Narration::plain(Box::new(paper.clone()));
        let timeline = Timeline::new(Clock::start(Scale::DEFAULT));
        let mut screen = Screen::open(&narration);
        timeline.tell_at(at(1.0), Kind::InspectionBroken, "inspection: refused");
        screen.show(&timeline, &Progress::default());
        screen.show(&timeline, &Progress::default());
        timeline.tell_at(at(2.0), Kind::InspectionHealed, "well again");
        screen.show(&timeline, &Progress::default());
        drop(screen);
        assert_eq!(paper.text(), "+00:01    fault       inspection: refused\n+00:02    healed      well again\n");
    }

    #[tokio::test]
    async fn whoever_watches_hears_what_is_told_meanwhile() {
        let paper = Paper::default();
        let narration = Narration::plain(Box::new(paper.clone()));
        let timeline = Timeline::new(Clock::start(Scale::DEFAULT));
        let mut screen = Screen::open(&narration);
        let play = async {
            for number in 0..3 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                timeline.tell_at(at(f64::from(number)), Kind::Operator, format!("does {number}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        tokio::select! {
            () = screen.watch(&timeline, Progress::default) => unreachable!("the play ends first"),
            () = play => {}
        }
        assert_eq!(paper.text().lines().count(), 3, "{}", paper.text());
    }
}
