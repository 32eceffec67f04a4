//! Viewers at the edges: they ask, and record what they got.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response};

use super::Load;
use super::class::{classify, reused};
use super::mix::{Method, Wish};
use crate::certificates::trusting;
use crate::clock::Moment;
use crate::connection::Connections;
use crate::timeline::{Answer, Class, Timeline};

/// When viewers give up; modelled. Assumed: people do so sooner, but a browser waits longer than CloudFront, whose slowest
/// answer with default settings comes after 90 s.
pub(super) const GIVE_UP: Duration = Duration::from_secs(120);

/// Body of a POST.
const ORDER: &str = "product=42&amount=1";

/// All viewers together, with their connections to each edge.
pub(super) struct Party {
    edges: Vec<Connections>,
    host: HeaderValue,
    application_origin: String,
    timeline: Arc<Timeline>,
}

impl Party {
    pub(super) fn of(settings: Load, timeline: Arc<Timeline>) -> Result<Self> {
        let tls = trusting(&settings.roots)?;
        let host = HeaderValue::from_str(&settings.host).context("the site's name")?;
        let edges = settings.edges.iter().map(|edge| Connections::with(*edge, &settings.host, tls.clone()));
        let edges = edges.collect::<Result<_>>()?;
        Ok(Self { edges, host, application_origin: settings.application_origin, timeline })
    }

    /// Asks, and records the answer or its absence.
    pub(super) async fn ask(&self, wish: Wish) {
        let clock = self.timeline.clock();
        let at = clock.now();
        let edge = &self.edges[wish.edge];
        let request = self.request(&wish);
        let answer = clock
            .within(GIVE_UP, async {
                if wish.keep_alive { edge.ask(request).await } else { edge.ask_once(request).await }
            })
            .await;
        self.record(wish, at, answer.and_then(Result::ok));
    }

    /// Records a request for which there was no room.
    pub(super) fn turn_away(&self, wish: Wish) {
        self.record(wish, self.timeline.clock().now(), None);
    }

    fn request(&self, wish: &Wish) -> Request<Full<Bytes>> {
        let (method, body) = match wish.method {
            Method::Get => (hyper::Method::GET, Bytes::new()),
            Method::Post => (hyper::Method::POST, Bytes::from_static(ORDER.as_bytes())),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = hyper::Uri::from_static(wish.path);
        request.headers_mut().insert(HOST, self.host.clone());
        if wish.method == Method::Post {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            request.headers_mut().insert(CONTENT_TYPE, form);
        }
        request
    }

    fn record(&self, wish: Wish, at: Moment, answer: Option<Response<Bytes>>) {
        let took = self.timeline.clock().now() - at;
        let (status, class, reused) = match &answer {
            Some(answer) => (
                answer.status().as_u16(),
                classify(answer.status(), answer.headers(), &self.application_origin),
                reused(answer.headers()),
            ),
            None => (0, Class::Failed, false),
        };
        let Wish { edge, method, path, keep_alive } = wish;
        self.timeline.answered(Answer {
            at,
            took,
            edge,
            method: method.name(),
            path,
            keep_alive,
            status,
            class,
            reused,
        });
    }
}
