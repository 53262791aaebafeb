//! A small server of HTTP on loopback: four pages, all of them to be read only. Each connection carries one request.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{figures, page};
use crate::daemon::hub::Hub;
use crate::daemon::journal::Level;
use crate::daemon::look;

/// What is served at a time.
const CONNECTIONS_MAX: usize = 32;
/// The longest request, its headers included.
const REQUEST_BYTES_MAX: u64 = 16 << 10;
/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// A page that is open is told of changes at most this often.
const GATHER: Duration = Duration::from_millis(500);
/// And of ages at least this often.
const AGAIN: Duration = Duration::from_secs(10);

/// Serves on the port that is configured, for ever.
pub async fn keep(hub: Arc<Hub>) {
    let mut configured = hub.reconfigured();
    loop {
        let port = hub.metrics();
        let other = async {
            while hub.metrics() == port {
                // A hub that is gone has no port.
                if configured.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        tokio::select! {
            () = serve_at(&hub, port) => {}
            () = other => {}
        }
    }
}

async fn serve_at(hub: &Arc<Hub>, port: Option<u16>) {
    if let Some(port) = port {
        serve(Arc::clone(hub), port).await;
    }
    std::future::pending::<()>().await;
}

/// Serves for ever. Where the port cannot be had, that is said, and everything else goes on.
async fn serve(hub: Arc<Hub>, port: u16) {
    let listener = match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
        Ok(listener) => listener,
        Err(error) => {
            let facts = vec![("port", port.to_string()), ("why", error.to_string())];
            return hub.journal.say(Level::Error, "no page and no figures", facts);
        }
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // Whoever finds no place is turned away.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let hub = Arc::clone(&hub);
        tokio::spawn(async move {
            let _place = place;
            let _gone = answer(&hub, stream).await;
        });
    }
}

async fn answer(hub: &Hub, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let asked = tokio::time::timeout(PATIENCE, request(&mut stream)).await;
    let Ok(Ok(Some(path))) = asked else {
        return respond(&mut stream, "400 Bad Request", "text/plain", "this is no request that is answered here\n")
            .await;
    };
    let events = hub.journal.last();
    match path.as_str() {
        "/" => {
            let html = page::render(&look::status(hub), &events, page::Life::Live);
            respond(&mut stream, "200 OK", "text/html; charset=utf-8", &html).await
        }
        "/metrics" => {
            let text = figures::text(&look::status(hub));
            respond(&mut stream, "200 OK", "text/plain; version=0.0.4", &text).await
        }
        "/events" => follow(hub, &mut stream).await,
        _ => respond(&mut stream, "404 Not Found", "text/plain", "there are `/`, `/events` and `/metrics`\n").await,
    }
}

/// The path that is asked for; `None` where it is asked in another way than a browser on this machine does.
async fn request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut head = stream.take(REQUEST_BYTES_MAX);
    let mut line = String::new();
    head.read_line(&mut line).await?;
    let path = line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    let mut local = false;
    loop {
        line.clear();
        if head.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let header = line.trim_end();
        if header.is_empty() {
            return Ok(path.filter(|_| local));
        }
        if let Some((name, value)) = header.split_once(':') {
            // A page from elsewhere that has its name resolved to loopback says that name here.
            local |= name.eq_ignore_ascii_case("host") && is_loopback(value.trim());
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

async fn respond(stream: &mut BufReader<TcpStream>, status: &str, kind: &str, body: &str) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all(&[head.as_bytes(), body.as_bytes()].concat()).await?;
    stream.get_mut().shutdown().await
}

/// Tells a page that is open what changes, until it is closed.
async fn follow(hub: &Hub, stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
    stream.get_mut().write_all(head.as_bytes()).await?;
    let mut changes = hub.changes();
    let mut last = String::new();
    loop {
        changes.mark_unchanged();
        let main = page::main(&look::status(hub), &hub.journal.last());
        if main != last {
            let data = serde_json::to_string(&main).expect("text has a form in JSON");
            stream.get_mut().write_all(format!("data: {data}\n\n").as_bytes()).await?;
            last = main;
        }
        tokio::time::sleep(GATHER).await;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep(AGAIN) => {}
            () = hub.stopping.cancelled() => return Ok(()),
        }
    }
}
