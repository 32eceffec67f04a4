//! What the two servers answer: the application by itself, inspection with what the application answers.

use std::future::pending;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::watch;

use super::front::{Front, Reply};
use super::{INSPECTED_BY, SERVED_BY};
use crate::clock::Clock;
use crate::connection::Connections;

/// How long inspection waits for the application, connecting included; modelled. Assumed: nginx's default.
const PATIENCE: Duration = Duration::from_secs(60);

/// Headers that are about one connection and are not passed on.
const OF_THE_CONNECTION: [&str; 4] = ["connection", "keep-alive", "te", "transfer-encoding"];

/// Which of the two servers this is.
pub(super) enum Role {
    Application,
    /// With its connections to the application.
    Inspection(Connections),
}

/// Answers requests as the present front demands.
pub(super) struct Answerer {
    pub(super) role: Role,
    pub(super) clock: Clock,
    pub(super) front: watch::Receiver<Front>,
}

impl Answerer {
    /// Fails only where the request does not arrive as a whole.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let front = *self.front.borrow();
        let mut answer = match front.reply(head.uri.path()) {
            Reply::Served(late) => {
                self.clock.sleep(late).await;
                self.serve(head, body).await
            }
            Reply::Unavailable => text(StatusCode::SERVICE_UNAVAILABLE, format!("{} is unwell\n", self.name())),
            Reply::Never => pending().await,
        };
        let mark = match self.role {
            Role::Application => SERVED_BY,
            Role::Inspection(_) => INSPECTED_BY,
        };
        answer.headers_mut().insert(mark, HeaderValue::from_static(self.name()));
        Ok(answer)
    }

    fn name(&self) -> &'static str {
        match self.role {
            Role::Application => "application",
            Role::Inspection(_) => "inspection",
        }
    }

    async fn serve(&self, head: Parts, body: Bytes) -> Response<Full<Bytes>> {
        match &self.role {
            Role::Application if head.method == Method::POST => {
                text(StatusCode::OK, format!("application took {} bytes\n", body.len()))
            }
            Role::Application => text(StatusCode::OK, "application is well\n".to_owned()),
            Role::Inspection(application) => {
                match self.clock.within(PATIENCE, pass_on(application, head, body)).await {
                    Some(Ok(answer)) => answer,
                    Some(Err(error)) => unreachable_application(&format!("{error:#}")),
                    None => unreachable_application("it has not answered in time"),
                }
            }
        }
    }
}

/// Asks the application what inspection was asked, `Host` included, and returns its answer.
async fn pass_on(application: &Connections, head: Parts, body: Bytes) -> Result<Response<Full<Bytes>>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = head.method;
    *request.uri_mut() = Uri::from(head.uri.into_parts().path_and_query.context("a request without a path")?);
    *request.headers_mut() = passed_on(head.headers);
    let (mut head, body) = application.ask(request).await?.into_parts();
    head.headers = passed_on(head.headers);
    Ok(Response::from_parts(head, Full::new(body)))
}

fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
    headers
}

fn unreachable_application(why: &str) -> Response<Full<Bytes>> {
    text(StatusCode::BAD_GATEWAY, format!("inspection cannot reach the application: {why}\n"))
}

/// An answer that nobody may keep.
fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
