//! The local AWS: ministack, started by our launcher on a free loopback port, and ended with all that it started.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::aws::Wire;
use crate::narration::{Seen, Step};
use crate::process::{Process, tail};
use crate::python::Environment;
use crate::workplace::Workplace;

/// The account that everything lives in: AWS's documentation account.
pub(crate) const ACCOUNT: &str = "111122223333";

/// Marks every process of a run, functions included: they inherit the local AWS's environment.
pub(crate) const MARK: &str = "FAILOPEN_REHEARSAL_RUN";

/// A slow machine imports ninety services in this time.
const START: Duration = Duration::from_secs(90);

/// A running local AWS.
pub(crate) struct LocalAws {
    process: Process,
    port: u16,
}

/// What the functions are given beside what the template gives them.
pub(crate) struct FunctionEnvironment {
    /// Where they find AWS.
    pub(crate) endpoint: String,
    /// `host:port` of the rehearsal's DNS server.
    pub(crate) resolver: String,
    /// File with the root certificate of the rehearsal's origins; replaces the system's roots for the functions.
    pub(crate) roots: PathBuf,
}

impl LocalAws {
    /// Starts it on this port, which has to be free.
    pub(crate) async fn start(
        python: &Environment,
        port: u16,
        functions: &FunctionEnvironment,
        workplace: &Workplace,
        step: &Step<'_>,
    ) -> Result<Self> {
        let mut command = Command::new(python.program("python"));
        command
            .arg(workplace.repository().join("tests/rehearsal/local_aws/launcher.py"))
            .arg("--port")
            .arg(port.to_string())
            .arg("--endpoint")
            .arg(&functions.endpoint)
            // Every function inherits this environment: nothing of the user's, above all no way to a real account.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", workplace.home())
            .env("TMPDIR", workplace.temporary())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("MINISTACK_ACCOUNT_ID", ACCOUNT)
            .env("FAILOPEN_RESOLVER", &functions.resolver)
            .env("SSL_CERT_FILE", &functions.roots)
            .env(MARK, workplace.run())
            .current_dir(workplace.run());
        let mut process = Process::start("local AWS", &mut command, &workplace.log("local-aws"))?;
        let wire = Wire::to(port);
        step.until("the local AWS to be ready", START, async || {
            if let Some(status) = process.ended()? {
                bail!("the local AWS ended with {status}; its last words:\n{}", tail(process.log(), 20));
            }
            match wire.send("ministack", "GET", "/_ministack/ready", &[], b"").await {
                Ok(answer) if answer.status == 200 => Ok(Seen::Done(())),
                Ok(answer) => Ok(Seen::NotYet(format!("status {}", answer.status))),
                Err(_) => Ok(Seen::NotYet("no answer".to_owned())),
            }
        })
        .await?;
        Ok(Self { process, port })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its own address: where tools send their requests, and custom resources their answers.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Straight to it, for what AWS does not have: what checkers report, whether it is ready.
    pub(crate) fn backstage(&self) -> Wire {
        Wire::to(self.port)
    }

    pub(crate) fn log(&self) -> &Path {
        self.process.log()
    }
}

/// A loopback port that nobody listens on. Another program may take it before we do; then the start fails and says so.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
