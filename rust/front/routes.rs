//! The engine's own routes: `/health`, and what an application leaves to the engine.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::joint::Joint;
use super::{refusal, reply};

/// What a server that asks its application about every path can say about itself: `OPTIONS *` (RFC 9110, 9.3.7).
const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Whether the engine answers this path itself, before the application is asked.
pub(super) fn is_engines(path: &str) -> bool {
    path == "/health" || path == "*"
}

/// The routes as axum has them.
pub(super) fn engine_routes(joint: Arc<Joint>) -> Router {
    Router::new()
        .route("/health", get(health).fallback(only_get))
        .route("/", get(root))
        .fallback(nothing)
        .method_not_allowed_fallback(nothing)
        .with_state(joint)
}

/// Asks the engine's routes.
pub(super) async fn answer(routes: Router, method: Method, path: &str) -> reply::Draft {
    if path == "*" {
        let mut draft = reply::whole(Bytes::new());
        *draft.status_mut() = StatusCode::NO_CONTENT;
        draft.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOW));
        return draft;
    }
    let mut request = Request::new(axum::body::Body::empty());
    *request.method_mut() = method;
    let Ok(uri) = path.parse() else { return reply::error(404) };
    *request.uri_mut() = uri;
    let Ok(response) = routes.oneshot(request).await;
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => http::Response::from_parts(parts, reply::Content::Whole(body.to_bytes())),
        Err(_) => reply::error(500),
    }
}

async fn health(State(joint): State<Arc<Joint>>) -> Response {
    let (status, body) = joint.health();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, Bytes::from(body.to_string())).into_response()
}

async fn only_get() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::ALLOW, "GET, HEAD")];
    (StatusCode::METHOD_NOT_ALLOWED, headers, refusal::body(405, refusal::message(405))).into_response()
}

async fn root() -> Response {
    let body = serde_json::json!({
        "framework": "Lyger",
        "version": env!("CARGO_PKG_VERSION"),
        "message": "Hello from Rust! 🦀",
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn nothing() -> Response {
    let body = refusal::body(404, refusal::message(404));
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
