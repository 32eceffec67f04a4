//! The commands that a scenario is written in, as they are meant.

use std::fmt;
use std::time::Duration;

/// What stands between CloudFront and the application in a run of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layers {
    /// CloudFront's behaviours target inspection's own host, and nothing of this product exists.
    Nothing,
    /// The same, and people who move the distribution by hand.
    ByHand,
    /// Route 53 alone (`EdgeFailOpen=off`).
    Layer1,
    /// The flip alone: `Dns=external`, and a name that always leads to inspection.
    Layer2,
    Both,
}

impl Layers {
    pub(crate) const ALL: [Layers; 5] = [Layers::Nothing, Layers::ByHand, Layers::Layer1, Layers::Layer2, Layers::Both];

    /// The word in a scenario's file and at the end of a script's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Layers::Nothing => "nothing",
            Layers::ByHand => "by-hand",
            Layers::Layer1 => "layer-1",
            Layers::Layer2 => "layer-2",
            Layers::Both => "both",
        }
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who answers the failover record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dns {
    /// Route 53, or with layer 2 alone nobody who knows of health.
    #[default]
    Route53,
    /// Another service with health checks of its own (`Dns=external`): a real gdnsd.
    Gdnsd,
}

/// A scenario for one choice of layers, ready to be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// Name on the command line: that of the file, with the layers where the file has several.
    pub(crate) name: String,
    /// What happens, in a line.
    pub(crate) summary: String,
    pub(crate) layers: Layers,
    pub(crate) dns: Dns,
    /// Whether the protection names an alarm of the user's own.
    pub(crate) has_own_alarm: bool,
    /// Parameters of the stack that differ from those of every scenario. Durations in seconds are modelled ones.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// In the file, from 1.
    pub(crate) number: usize,
    /// As it is written.
    pub(crate) text: String,
    pub(crate) command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Inspection,
    Application,
}

/// In which way a service is dead. All durations are modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody listens: connections are refused, open ones are cut.
    Refused,
    /// Packets are dropped: no connection is accepted or refused, open ones stay silent.
    Blackhole,
    /// Connections and TLS are accepted, and no request is answered.
    Hangs,
    /// Every request is answered with 503.
    Errors,
    /// Every answer comes this late.
    Slow(Duration),
    /// As before, but with a certificate whose time is over.
    ExpiredCertificate,
    /// With a certificate for another name.
    WrongName,
    /// The health path is answered as ever, everything else with 503.
    BrokenTraffic,
    /// Refused and well in turn, each for half of this period; begins with refused.
    Flapping(Duration),
}

/// As the end of a sentence that begins with the host's name.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Refused => f.write_str("refuses connections"),
            Fault::Blackhole => f.write_str("drops all packets"),
            Fault::Hangs => f.write_str("accepts connections and answers nothing"),
            Fault::Errors => f.write_str("answers everything with 503"),
            Fault::Slow(delay) => write!(f, "answers {} s late", delay.as_secs()),
            Fault::ExpiredCertificate => f.write_str("shows an expired certificate"),
            Fault::WrongName => f.write_str("shows a certificate for a wrong name"),
            Fault::BrokenTraffic => f.write_str("answers everything but its health path with 503"),
            Fault::Flapping(period) => write!(f, "refuses connections every other half of {} s", period.as_secs()),
        }
    }
}

/// What happens to the events of alarms on their way to react.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// So many of so many are lost: 1 of 1 is all.
    Lose {
        lost: u32,
        of: u32,
    },
    /// Each is delivered so often.
    Copies(u32),
    Late(Duration),
    /// Each once, at once.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Inspected,
    Bypassed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Wait(Duration),
    Break(Host, Fault),
    Heal(Host),
    /// Route 53's checkers, CloudWatch and the events between go on; only what happens to events changes.
    AlarmEvents(Disturbance),
    /// Whether the schedule invokes react every minute.
    Ticks(bool),
    /// Calls to CloudFront are refused for their rate, for so long.
    ThrottleCloudFront(Duration),
    /// Somebody changes the distribution's comment in the console.
    EditComment(String),
    /// Somebody's infrastructure as code writes the distribution as it was before the first command, this often.
    RevertEvery(Duration),
    StopReverting,
    /// `None` for the side: hold.
    Pin(Option<Side>, Option<Duration>),
    Unpin,
    Unlatch,
    Bypass(Option<Duration>),
    Restore(Option<Duration>),
    /// Somebody at the other DNS service sends traffic to the application, whatever its check says, or no longer.
    ForceDns(bool),
    /// The user's own alarm rings, or is quiet again.
    OwnAlarm(bool),
    /// Every function is deleted from the account.
    RemoveFunctions,
    /// The stack is deleted.
    DeleteStack,
    Expect(Expectation),
}

/// Something that must be seen, and how long it is waited for. Without a time, as long as a slow machine needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expectation {
    pub(crate) wanted: Wanted,
    pub(crate) timing: Timing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timing {
    /// Sooner or later; `Some`: at the latest after this modelled time.
    Eventually(Option<Duration>),
    /// Now, and at every look for so long.
    Stays(Duration),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// `traffic` of status, and what viewers got in the last modelled minute does not contradict it.
    Traffic(String),
    /// `posture` of status.
    Posture(String),
    /// At least 99 % of what viewers got in the last modelled minute.
    Viewers(Seen),
    /// State of the protection's alarm: OK, ALARM, INSUFFICIENT_DATA.
    Alarm(String),
    /// `reason` of react's decision.
    Reason(String),
    /// Writes of the distribution by flip so far.
    Flips(Bound, usize),
    /// Route 53 has not taken inspection for unhealthy since the play began.
    Undetected,
    /// Everything is inspected again, and the restore was written no sooner than hold-down after the alarm was OK.
    InspectedAfterHoldDown,
    /// The distribution is byte for byte what it was before the protection.
    DistributionAsBefore,
    /// The comment that was edited is in the distribution still.
    CommentKept,
    /// The layer that brought the first bypassed answer since inspection broke.
    SavedBy(Savior),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Savior {
    Layer1,
    Layer2,
    Nobody,
}

impl fmt::Display for Savior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Savior::Layer1 => "layer 1",
            Savior::Layer2 => "layer 2",
            Savior::Nobody => "nobody",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Inspected,
    /// By either layer.
    Bypassed,
    Failed,
    /// Anything but failed: inspected or bypassed.
    Served,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Exactly,
    AtMost,
    AtLeast,
}
