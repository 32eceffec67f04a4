//! The real tools of an operator: SAM CLI and AWS CLI, from a private environment, aimed at the local AWS.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::aws::REGION;
use crate::local_aws::MARK;
use crate::narration::Step;
use crate::process::Process;
use crate::python::Environment;
use crate::workplace::Workplace;

/// Variables by which the cargo that runs us describes us; a build inside must not see them.
const CARGO_ABOUT_US: [&str; 7] = [
    "CARGO",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
];

/// All AWS SDKs and three link-time optimisations, on a slow machine that has other work.
const COMPILATION: Duration = Duration::from_secs(2 * 60 * 60);

/// A stack of twenty resources; a custom resource that never answered would hold it up for an hour.
const DEPLOYMENT: Duration = Duration::from_secs(10 * 60);

/// Where the deployment packages go.
const BUCKET: &str = "failopen-rehearsal-packages";

/// SAM CLI, AWS CLI, cargo-lambda and its linker.
pub(crate) struct Tools<'a> {
    environment: Environment,
    workplace: &'a Workplace,
    port: u16,
    /// Where operators' invocations go: past the referee.
    functions: String,
}

impl<'a> Tools<'a> {
    pub(crate) fn new(environment: Environment, workplace: &'a Workplace, port: u16, functions: String) -> Self {
        Self { environment, workplace, port, functions }
    }

    /// Where `sam build` puts the template and the functions.
    pub(crate) fn built(&self) -> PathBuf {
        self.workplace.run().join("sam/build")
    }

    /// Compiles the three functions for Lambda, with the command that `sam build` will repeat for each: all at once, and with
    /// cargo's own progress, which the SAM CLI keeps to itself.
    pub(crate) async fn compile(&self, step: &Step<'_>) -> Result<()> {
        let _turn = self.workplace.turn("functions", step).await?;
        let mut compile = Command::new("cargo");
        compile
            .args(["lambda", "build", "--release", "--bin", "provision", "--bin", "react", "--bin", "flip"])
            .args((ARCHITECTURE == "arm64").then_some("--arm64"))
            .current_dir(self.workplace.repository());
        self.prepare_compiler(&mut compile)?;
        Process::start("cargo lambda build", &mut compile, &self.workplace.log("compile"))?
            .finish(COMPILATION, step)
            .await
    }

    /// `sam build` of the real template.
    pub(crate) async fn build(&self, step: &Step<'_>) -> Result<()> {
        // cargo-lambda copies its result to one place for all runs.
        let _turn = self.workplace.turn("functions", step).await?;
        let mut build = Command::new(self.environment.program("sam"));
        build
            .args(["build", "--config-env", "rehearsal", "--template-file"])
            .arg(self.template(step)?)
            .arg("--build-dir")
            .arg(self.built())
            .current_dir(self.workplace.run());
        self.prepare_compiler(&mut build)?;
        Process::start("sam build", &mut build, &self.workplace.log("sam-build"))?.finish(COMPILATION, step).await
    }

    /// The real template; on a machine of another architecture a copy that names that one, as README.md says to do.
    fn template(&self, step: &Step<'_>) -> Result<PathBuf> {
        let repository = self.workplace.repository();
        let real = repository.join("template.yaml");
        if ARCHITECTURE == "x86_64" {
            return Ok(real);
        }
        let copy = self.workplace.run().join("template.yaml");
        let text = std::fs::read_to_string(&real).with_context(|| format!("{} cannot be read", real.display()))?;
        std::fs::write(&copy, for_architecture(&text, ARCHITECTURE, repository)?)?;
        step.did(format!("copied template.yaml with Architectures: [{ARCHITECTURE}], this machine's"));
        Ok(copy)
    }

    /// `sam deploy` of what was built, with these stack parameters.
    pub(crate) async fn deploy(&self, stack: &str, parameters: &[(&str, String)], step: &Step<'_>) -> Result<()> {
        self.aws(&["s3api", "create-bucket", "--bucket", BUCKET])?;
        let mut deploy = Command::new(self.environment.program("sam"));
        deploy
            .args([
                "deploy",
                "--config-env",
                "rehearsal",
                "--no-confirm-changeset",
                "--no-progressbar",
                "--stack-name",
                stack,
            ])
            .args(["--s3-bucket", BUCKET, "--region", REGION, "--capabilities", "CAPABILITY_IAM", "--template-file"])
            .arg(self.built().join("template.yaml"))
            .arg("--parameter-overrides")
            .args(parameters.iter().map(|(name, value)| format!("{name}={value}")))
            .current_dir(self.workplace.run());
        self.prepare(&mut deploy)?;
        Process::start("sam deploy", &mut deploy, &self.workplace.log(&format!("sam-deploy-{stack}")))?
            .finish(DEPLOYMENT, step)
            .await
    }

    /// The AWS CLI with these arguments; what it prints must be JSON or nothing.
    pub(crate) fn aws(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(self.environment.program("aws"));
        command.args(arguments).args(["--output", "json"]).current_dir(self.workplace.run()).stdin(Stdio::null());
        self.prepare(&mut command)?;
        let output = command.output().context("the AWS CLI cannot be started")?;
        if !output.status.success() {
            bail!("aws {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        if output.stdout.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("aws {} printed something that is no JSON", arguments.join(" ")))
    }

    /// Invokes a function the way RUNBOOK.md tells an operator to, and returns what it answered.
    pub(crate) fn invoke(&self, function: &str, event: &Value) -> Result<Value> {
        let answer = self.workplace.temporary().join("answer.json");
        let (event, file) = (event.to_string(), answer.to_string_lossy());
        // Version 1, the one that Python's index has, takes the payload as it is; version 2 wants --cli-binary-format.
        let said = self.aws(&["lambda", "invoke", "--function-name", function, "--payload", &event, &file])?;
        let text = std::fs::read_to_string(&answer)?;
        if let Some(kind) = said.get("FunctionError") {
            bail!("{function} answered with a function error ({kind}): {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{function} answered something that is no JSON"))
    }

    /// The environment of what compiles: what the cargo that runs us says about us removed, all caches under `target/`.
    fn prepare_compiler(&self, command: &mut Command) -> Result<()> {
        self.prepare(command)?;
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if CARGO_ABOUT_US.contains(&text.as_ref()) || text.starts_with("CARGO_PKG_") {
                command.env_remove(&name);
            }
        }
        command
            .env("CARGO_TARGET_DIR", self.workplace.target())
            .env("ZIG_GLOBAL_CACHE_DIR", self.workplace.shared().join("zig"))
            .env("XDG_CACHE_HOME", self.workplace.shared().join("cache"));
        Ok(())
    }

    /// The environment of every tool: the local AWS and no other, and nothing left in the user's home.
    fn prepare(&self, command: &mut Command) -> Result<()> {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let is_account = text.starts_with("AWS_") && !text.starts_with("AWS_LC_");
            if is_account || text.starts_with("SAM_CLI_") {
                command.env_remove(&name);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths(std::iter::once(self.environment.programs()).chain(std::env::split_paths(&path)))?;
        for (variable, directory) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            if let Some(home) = rust_home(variable, directory) {
                command.env(variable, home);
            }
        }
        let none = self.workplace.home().join("no-such-file");
        command
            .env("PATH", path)
            .env("HOME", self.workplace.home())
            .env("TMPDIR", self.workplace.temporary())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // The SAM CLI draws tables as wide as the terminal that it does not have.
            .env("COLUMNS", "160")
            .env("SAM_CLI_TELEMETRY", "0")
            .env("SAM_CLI_CHECK_NEW_VERSION", "0")
            .env(MARK, self.workplace.run())
            // The SAM CLI uploads packages to names under this one, which works for a host name only.
            .env("AWS_ENDPOINT_URL", format!("http://localhost:{}", self.port))
            .env("AWS_ENDPOINT_URL_LAMBDA", &self.functions)
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_CONFIG_FILE", &none)
            .env("AWS_SHARED_CREDENTIALS_FILE", &none)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_PAGER", "");
        Ok(())
    }
}

/// Lambda's name of this machine's architecture: the local AWS runs the functions on it.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// The template for another architecture, to be used outside the repository.
fn for_architecture(template: &str, architecture: &str, repository: &Path) -> Result<String> {
    let mut text = template.to_owned();
    for (from, to) in [
        ("Architectures: [x86_64]", format!("Architectures: [{architecture}]")),
        ("CodeUri: .\n", format!("CodeUri: {}\n", repository.display())),
    ] {
        if text.matches(from).count() != 1 {
            bail!("template.yaml says `{}` more than once or not at all, so it was not changed", from.trim());
        }
        text = text.replace(from, &to);
    }
    Ok(text)
}

/// Where Rust's tools keep their things; found by the user's home directory, which the tools do not get to see.
fn rust_home(variable: &str, directory: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(directory)))
        .filter(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_template_can_be_made_for_another_architecture_by_two_lines() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let real = std::fs::read_to_string(repository.join("template.yaml")).unwrap();
        let copy = for_architecture(&real, "arm64", Path::new("/somewhere")).unwrap();
        let changed: Vec<_> = real.lines().zip(copy.lines()).filter(|(real, copy)| real != copy).collect();
        assert_eq!(
            changed,
            [
                ("    CodeUri: .", "    CodeUri: /somewhere"),
                ("    Architectures: [x86_64]", "    Architectures: [arm64]")
            ]
        );
    }
}
