//! Route 53 health checks.

use aws_sdk_route53::Client;
use aws_sdk_route53::types::{
    HealthCheck, HealthCheckConfig as SdkConfig, HealthCheckObservation, HealthCheckRegion, HealthCheckType,
    ResettableElementName, Tag, TagResourceType,
};
use failopen::id::{HealthCheckId, Hostname};
use failopen::port::{Checkers, Fault, FaultKind, HealthCheckConfig, ObservedHealthCheck};

use crate::fault::{fault, one_line};

const GET: &str = "GetHealthCheck";
const LIST: &str = "ListHealthChecks";
const STATUS: &str = "GetHealthCheckStatus";
const CREATE: &str = "CreateHealthCheck";
const TAG: &str = "ChangeTagsForResource";
const UPDATE: &str = "UpdateHealthCheck";
const DELETE: &str = "DeleteHealthCheck";

/// Tags that one call may add (API reference, ChangeTagsForResource).
const TAGS_A_CALL: usize = 10;

/// Route 53's health checks; always in the function's own account.
pub(crate) struct HealthChecks {
    client: Client,
}

impl HealthChecks {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(crate) async fn read(&self, id: &HealthCheckId) -> Result<Option<ObservedHealthCheck>, Fault> {
        let output = self.client.get_health_check().health_check_id(id.as_str()).send().await;
        let check = match output.map_err(|error| fault(GET, error)) {
            Ok(output) => output.health_check,
            Err(fault) if fault.kind == FaultKind::NotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        check
            .and_then(|check| observed(&check))
            .map(Some)
            .ok_or_else(|| Fault::new(FaultKind::Malformed, GET, "the answer holds no settings"))
    }

    pub(crate) async fn by_reference(&self, reference: &str) -> Result<Option<ObservedHealthCheck>, Fault> {
        let mut pages = self.client.list_health_checks().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| fault(LIST, error))?;
            if let Some(check) = page.health_checks.iter().find(|check| check.caller_reference == reference) {
                let check = observed(check);
                return check
                    .map(Some)
                    .ok_or_else(|| Fault::new(FaultKind::Malformed, LIST, "the check found has no settings"));
            }
        }
        Ok(None)
    }

    pub(crate) async fn checkers(&self, id: &HealthCheckId) -> Result<Checkers, Fault> {
        let output = self.client.get_health_check_status().health_check_id(id.as_str()).send().await;
        let output = output.map_err(|error| fault(STATUS, error))?;
        Ok(count(&output.health_check_observations))
    }

    pub(crate) async fn create(&self, reference: &str, check: &HealthCheckConfig) -> Result<HealthCheckId, Fault> {
        let config =
            wanted(check).map_err(|error| Fault::new(FaultKind::Refused, CREATE, one_line(&error.to_string())))?;
        let output = self
            .client
            .create_health_check()
            .caller_reference(reference)
            .health_check_config(config)
            .send()
            .await
            .map_err(|error| {
                let taken = error.as_service_error().is_some_and(|error| error.is_health_check_already_exists());
                let fault = fault(CREATE, error);
                match taken {
                    true => Fault {
                        detail: format!(
                            "HealthCheckAlreadyExists: the reference {reference} belongs to a check with other settings, \
                             or to one that was deleted within the last days"
                        ),
                        ..fault
                    },
                    false => fault,
                }
            })?;
        let created = output.health_check.ok_or_else(|| {
            Fault::new(FaultKind::Unknown, CREATE, "the check was accepted but the answer does not name it")
        })?;
        Ok(HealthCheckId::new(created.id))
    }

    pub(crate) async fn tag(&self, id: &HealthCheckId, tags: &[(String, String)]) -> Result<(), Fault> {
        for some in tags.chunks(TAGS_A_CALL) {
            let some = some.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
            self.client
                .change_tags_for_resource()
                .resource_type(TagResourceType::Healthcheck)
                .resource_id(id.as_str())
                .set_add_tags(Some(some))
                .send()
                .await
                .map_err(|error| fault(TAG, error))?;
        }
        Ok(())
    }

    /// Type and interval are immutable, so they are not sent. A setting that is now empty is reset: leaving it out would
    /// keep its old value.
    pub(crate) async fn update(
        &self,
        id: &HealthCheckId,
        version: i64,
        check: &HealthCheckConfig,
    ) -> Result<(), Fault> {
        let mut reset = Vec::new();
        if check.regions.is_empty() {
            reset.push(ResettableElementName::Regions);
        }
        if check.path.is_none() && check.check_type.starts_with("HTTP") {
            reset.push(ResettableElementName::ResourcePath);
        }
        self.client
            .update_health_check()
            .health_check_id(id.as_str())
            .health_check_version(version)
            .set_fully_qualified_domain_name(check.host.as_ref().map(|host| host.as_str().to_owned()))
            .set_port(check.port.map(i32::from))
            .set_resource_path(check.path.clone())
            .set_search_string(check.search_string.clone())
            .set_failure_threshold(check.failure_threshold.and_then(|count| i32::try_from(count).ok()))
            .set_enable_sni(check.enable_sni)
            .inverted(check.inverted)
            .disabled(check.disabled)
            .set_regions(regions(check))
            .set_reset_elements((!reset.is_empty()).then_some(reset))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault(UPDATE, error))
    }

    pub(crate) async fn delete(&self, id: &HealthCheckId) -> Result<(), Fault> {
        let output = self.client.delete_health_check().health_check_id(id.as_str()).send().await;
        match output.map_err(|error| fault(DELETE, error)) {
            Ok(_) => Ok(()),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}

fn observed(check: &HealthCheck) -> Option<ObservedHealthCheck> {
    let config = check.health_check_config.as_ref()?;
    Some(ObservedHealthCheck {
        id: HealthCheckId::new(&check.id),
        caller_reference: check.caller_reference.clone(),
        version: check.health_check_version,
        config: HealthCheckConfig {
            check_type: config.r#type.as_str().to_owned(),
            host: config
                .fully_qualified_domain_name
                .as_ref()
                .map(|name| Hostname::new(name.trim_end_matches('.').to_ascii_lowercase())),
            port: config.port.and_then(|port| u16::try_from(port).ok()),
            path: config.resource_path.clone(),
            search_string: config.search_string.clone(),
            interval_seconds: config.request_interval.and_then(|seconds| u32::try_from(seconds).ok()),
            failure_threshold: config.failure_threshold.and_then(|count| u32::try_from(count).ok()),
            enable_sni: config.enable_sni,
            inverted: config.inverted.unwrap_or_default(),
            disabled: config.disabled.unwrap_or_default(),
            regions: config.regions().iter().map(|region| region.as_str().to_owned()).collect(),
        },
    })
}

fn wanted(check: &HealthCheckConfig) -> Result<SdkConfig, aws_sdk_route53::error::BuildError> {
    SdkConfig::builder()
        .r#type(HealthCheckType::from(check.check_type.as_str()))
        .set_fully_qualified_domain_name(check.host.as_ref().map(|host| host.as_str().to_owned()))
        .set_port(check.port.map(i32::from))
        .set_resource_path(check.path.clone())
        .set_search_string(check.search_string.clone())
        .set_request_interval(check.interval_seconds.and_then(|seconds| i32::try_from(seconds).ok()))
        .set_failure_threshold(check.failure_threshold.and_then(|count| i32::try_from(count).ok()))
        .set_enable_sni(check.enable_sni)
        .inverted(check.inverted)
        .disabled(check.disabled)
        .set_regions(regions(check))
        .build()
}

fn regions(check: &HealthCheckConfig) -> Option<Vec<HealthCheckRegion>> {
    let regions: Vec<_> = check.regions.iter().map(|region| HealthCheckRegion::from(region.as_str())).collect();
    (!regions.is_empty()).then_some(regions)
}

/// Counts checkers; Route 53 starts a good report with `Success`, e.g. `Success: HTTP Status Code 200, OK`.
fn count(observations: &[HealthCheckObservation]) -> Checkers {
    let reports = || {
        let report = |observation: &HealthCheckObservation| observation.status_report.as_ref()?.status.clone();
        observations.iter().filter_map(report)
    };
    let total = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Checkers {
        reporting: total(reports().count()),
        healthy: total(reports().filter(|status| status.starts_with("Success")).count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Reply, Server};
    use aws_sdk_route53::types::StatusReport;

    async fn checks(server: &Server) -> HealthChecks {
        HealthChecks::new(Client::new(&server.sdk().await))
    }

    #[tokio::test]
    async fn a_check_that_is_gone_is_none_and_its_deletion_succeeds() {
        let server = Server::start(|_, _| Reply::xml_error(404, "NoSuchHealthCheck"));
        assert_eq!(checks(&server).await.read(&"1111".into()).await, Ok(None));
        assert_eq!(checks(&server).await.delete(&"1111".into()).await, Ok(()));
    }

    #[tokio::test]
    async fn a_check_changed_by_another_is_stale() {
        let server = Server::start(|_, _| Reply::xml_error(409, "HealthCheckVersionMismatch"));
        let check = HealthCheckConfig { regions: Vec::new(), ..asked() };
        let updated = checks(&server).await.update(&"1111".into(), 7, &check).await;
        assert_eq!(updated.map_err(|fault| fault.kind), Err(FaultKind::Stale));
        let sent = String::from_utf8_lossy(&server.requests()[0].body).into_owned();
        assert!(sent.contains("<HealthCheckVersion>7</HealthCheckVersion>"), "{sent}");
        assert!(sent.contains("<ResettableElementName>Regions</ResettableElementName>"), "{sent}");
        assert!(
            !sent.contains("<Type>") && !sent.contains("RequestInterval"),
            "immutable settings are not sent: {sent}"
        );
    }

    #[tokio::test]
    async fn a_reference_that_is_taken_is_refused_and_explained() {
        let server = Server::start(|_, _| Reply::xml_error(409, "HealthCheckAlreadyExists"));
        let fault = checks(&server).await.create("reference-1", &asked()).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused);
        assert!(fault.detail.contains("reference-1") && fault.detail.contains("other settings"), "{fault}");
    }

    #[tokio::test]
    async fn a_check_is_found_by_its_reference_on_a_later_page() {
        let check = |id: &str, reference: &str| {
            format!(
                "<HealthCheck><Id>{id}</Id><CallerReference>{reference}</CallerReference><HealthCheckConfig>\
                 <Type>HTTPS</Type></HealthCheckConfig><HealthCheckVersion>1</HealthCheckVersion></HealthCheck>"
            )
        };
        let page = move |check: String, more: &str| {
            let body = format!(
                "<ListHealthChecksResponse><HealthChecks>{check}</HealthChecks>{more}<MaxItems>1</MaxItems>\
                 <Marker>m</Marker></ListHealthChecksResponse>"
            );
            Reply::new(200, body)
        };
        let server = Server::start(move |_, before| match before % 2 {
            0 => page(check("1", "other"), "<IsTruncated>true</IsTruncated><NextMarker>2</NextMarker>"),
            _ => page(check("2", "ours"), "<IsTruncated>false</IsTruncated>"),
        });
        let found = checks(&server).await.by_reference("ours").await.expect("readable").expect("is there");
        assert_eq!(found.id, "2".into());
        assert_eq!(checks(&server).await.by_reference("nobody's").await, Ok(None));
    }

    fn asked() -> HealthCheckConfig {
        HealthCheckConfig {
            check_type: "HTTPS_STR_MATCH".to_owned(),
            host: Some("inspection.example.net".into()),
            port: Some(443),
            path: Some("/health".to_owned()),
            search_string: Some("ok".to_owned()),
            interval_seconds: Some(10),
            failure_threshold: Some(2),
            enable_sni: Some(true),
            inverted: false,
            disabled: false,
            regions: ["us-east-1", "eu-west-1", "us-west-2"].map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn checkers_count_only_when_they_have_reported() {
        let saw = |status: Option<&str>| {
            let report = status.map(|status| StatusReport::builder().status(status).build());
            HealthCheckObservation::builder().set_status_report(report).build()
        };
        let checkers = count(&[
            saw(Some("Success: HTTP Status Code 200, OK")),
            saw(Some("Failure: HTTP Status Code 503")),
            saw(None),
        ]);
        assert_eq!(checkers, Checkers { reporting: 2, healthy: 1 });
    }

    #[test]
    fn settings_come_back_as_they_were_asked_for() {
        let asked = asked();
        let check = HealthCheck::builder()
            .id("1111")
            .caller_reference("reference")
            .health_check_version(7)
            .health_check_config(wanted(&asked).expect("complete"))
            .build()
            .expect("complete");
        let seen = observed(&check).expect("has settings");
        assert_eq!((seen.version, seen.caller_reference.as_str()), (7, "reference"));
        assert_eq!(seen.config, asked);
    }
}
