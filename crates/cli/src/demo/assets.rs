//! The page, from memory.
//!
//! Every file has a tag of its content. Browsers keep files and ask with the tag whether theirs
//! is still the newest, so a reload costs no bytes and a new binary shows its own page at once.

use std::borrow::Cow;

use rust_embed::{EmbeddedFile, RustEmbed};
use vaxel::axum::Router;
use vaxel::axum::extract::Path;
use vaxel::axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use vaxel::axum::response::{IntoResponse, Response};
use vaxel::axum::routing::get;

#[derive(RustEmbed)]
#[folder = "src/demo/assets"]
struct Page;

/// The client library, which is not part of the page.
#[derive(RustEmbed)]
#[folder = "../../js"]
#[include = "vaxel.js"]
struct Client;

/// The page at `/`, each file under its name.
pub(crate) fn router() -> Router {
    Router::new()
        .route(
            "/",
            get(|headers: HeaderMap| async move { file("index.html", &headers) }),
        )
        .route(
            "/{name}",
            get(
                |Path(name): Path<String>, headers: HeaderMap| async move { file(&name, &headers) },
            ),
        )
}

fn file(name: &str, request: &HeaderMap) -> Response {
    let Some(file) = Page::get(name).or_else(|| Client::get(name)) else {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    };
    let tag = tag(&file);
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(content_type(name)),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, tag.clone()),
        (
            HeaderName::from_static("x-content-type-options"),
            HeaderValue::from_static("nosniff"),
        ),
    ];
    if request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|known| *known == tag)
    {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    match file.data {
        Cow::Borrowed(bytes) => (headers, bytes).into_response(),
        Cow::Owned(bytes) => (headers, bytes).into_response(),
    }
}

/// Half of the content's SHA-256 in hexadecimal, in quotes.
fn tag(file: &EmbeddedFile) -> HeaderValue {
    let mut tag = String::from("\"");
    for byte in &file.metadata.sha256_hash()[..16] {
        tag += &format!("{byte:02x}");
    }
    tag.push('"');
    HeaderValue::try_from(tag).expect("hexadecimal digits fit a header")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_content_type() {
        for name in Page::iter().chain(Client::iter()) {
            assert_ne!(content_type(&name), "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn the_page_and_its_client_are_in_the_binary() {
        for name in ["index.html", "app.js", "vaxel.js"] {
            assert_eq!(
                file(name, &HeaderMap::new()).status(),
                StatusCode::OK,
                "{name}"
            );
        }
        assert_eq!(
            file("package.json", &HeaderMap::new()).status(),
            StatusCode::NOT_FOUND
        );
    }

    #[test]
    fn a_known_tag_costs_no_body() {
        let first = file("index.html", &HeaderMap::new());
        let mut request = HeaderMap::new();
        request.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(
            file("index.html", &request).status(),
            StatusCode::NOT_MODIFIED
        );
    }
}
