//! What a client is answered over HTTP: always status 200, the status that counts is in the JSON.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, CACHE_CONTROL, CONTENT_TYPE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use vaxel_websocket::Frame;

/// An answer to a request of a long-poll client.
pub type PollResponse = Response<Vec<u8>>;

/// `{"status":…}`
pub(super) fn status(status: u16) -> PollResponse {
    json(format!("{{\"status\":{status}}}").into_bytes())
}

/// `{"status":…,"token":…,"messages":[…]}`: each message is a string that holds a frame.
pub(super) fn messages(status: u16, token: &str, frames: &[Frame]) -> PollResponse {
    let mut out =
        format!("{{\"status\":{status},\"token\":\"{token}\",\"messages\":[").into_bytes();
    for (index, frame) in frames.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let text = std::str::from_utf8(frame.payload()).expect("a text frame is UTF-8");
        serde_json::to_writer(&mut out, text).expect("a string has a JSON form");
    }
    out.extend_from_slice(b"]}");
    json(out)
}

/// What a browser asks before it lets a page of another origin send a request.
pub(super) fn options(request: &HeaderMap) -> PollResponse {
    let mut response = Response::new(Vec::new());
    let headers = response.headers_mut();
    if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    let methods = HeaderValue::from_static("get, post, options");
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    common(response)
}

/// An answer that is none of the protocol's.
pub(super) fn plain(status: StatusCode) -> PollResponse {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    response
}

fn json(body: Vec<u8>) -> PollResponse {
    let mut response = Response::new(body);
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, json);
    common(response)
}

fn common(mut response: PollResponse) -> PollResponse {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
