//! A stand-in for Patroni's REST API: it says what the test wants, over HTTP/1.0, as Patroni does.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use vip_manager::clock::wall_time;
use vip_manager::time::Moment;

use super::clock::{now, pause};
use super::fail::{OrFail, locked};
use super::host::Host;
use super::process::Process;
use super::tls::Tls;

/// Patroni's usual port.
pub(crate) const PORT: u16 = 8008;
const PAUSE: Duration = Duration::from_millis(2);

/// What Patroni would say.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// The member's name. Patroni 3.0 tells none: empty.
    pub(crate) name: String,
    pub(crate) leads: bool,
    /// When the lock ends that the last renewal has extended.
    pub(crate) leads_until: Option<Moment>,
    /// More members of the body, such as `"pause": true`.
    pub(crate) more: String,
    /// `ttl`, `loop_wait` and `retry_timeout`; none if `/config` fails.
    pub(crate) timing: Option<[u64; 3]>,
    /// The time of the last read from the store stands still.
    pub(crate) frozen_at: Option<u64>,
    /// It accepts connections and answers nothing.
    pub(crate) hangs: bool,
    /// An answer that is not Patroni's.
    pub(crate) raw: Option<&'static str>,
}

/// A running stand-in. It ends on drop.
#[derive(Debug)]
pub(crate) struct RestApi {
    host: Host,
    said: Arc<Mutex<Said>>,
    asked: Arc<Mutex<Vec<String>>>,
    server: Option<Server>,
}

/// Says what an API answers, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Voice(Arc<Mutex<Said>>);

impl Voice {
    pub(crate) fn say(&self, change: impl FnOnce(&mut Said)) {
        change(&mut locked(&self.0));
    }
}

#[derive(Debug)]
struct Server {
    open: Arc<Mutex<bool>>,
    thread: JoinHandle<()>,
}

impl RestApi {
    /// Starts the Patroni of this host, which does not lead.
    pub(crate) fn start(host: &Host) -> Self {
        let said = Said {
            name: host.name().to_owned(),
            leads: false,
            leads_until: None,
            more: String::new(),
            timing: Some([10, 1, 3]),
            frozen_at: None,
            hangs: false,
            raw: None,
        };
        let mut api =
            Self { host: host.clone(), said: Arc::new(Mutex::new(said)), asked: Arc::default(), server: None };
        api.listen();
        api
    }

    pub(crate) fn say(&self, change: impl FnOnce(&mut Said)) {
        change(&mut locked(&self.said));
    }

    pub(crate) fn voice(&self) -> Voice {
        Voice(Arc::clone(&self.said))
    }

    pub(crate) fn lead(&self, leads: bool) {
        self.say(|said| said.leads = leads);
    }

    /// The paths that were asked for, since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.asked))
    }

    /// Patroni has ended: connections are refused.
    pub(crate) fn end(&mut self) {
        if let Some(Server { open, thread }) = self.server.take() {
            *locked(&open) = false;
            drop(thread.join());
        }
    }

    /// It listens again.
    pub(crate) fn listen(&mut self) {
        let open = Arc::new(Mutex::new(true));
        let (said, asked, listens) = (Arc::clone(&self.said), Arc::clone(&self.asked), Arc::clone(&open));
        let (bound, ready) = std::sync::mpsc::channel();
        let thread = self.host.spawn(move || {
            let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)));
            let listener = listener.or_fail("listening as Patroni");
            listener.set_nonblocking(true).or_fail("listening as Patroni");
            bound.send(()).or_fail("telling that Patroni listens");
            while *locked(&listens) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let (said, asked) = (Arc::clone(&said), Arc::clone(&asked));
                        thread::spawn(move || serve(stream, &said, &asked));
                    }
                    Err(_) => pause(PAUSE),
                }
            }
        });
        ready.recv().or_fail("waiting for Patroni");
        self.server = Some(Server { open, thread });
    }
}

impl Drop for RestApi {
    fn drop(&mut self) {
        self.say(|said| said.hangs = false);
        self.end();
    }
}

/// Answers that the host leads to requests of this path, by TLS and only to clients with a certificate.
pub(crate) fn serve_by_tls(host: &Host, tls: &Tls, path: &str) -> Process {
    let answer = |body: &str| format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}");
    let files = host.directory().join("rest");
    fs::create_dir_all(&files).or_fail("making a directory for answers");
    let leader =
        format!("{{\"state\": \"running\", \"role\": \"master\", \"patroni\": {{\"name\": \"{}\"}}}}", host.name());
    fs::write(files.join(path), answer(&leader)).or_fail("writing an answer");
    fs::write(files.join("config"), answer("{\"ttl\": 30}")).or_fail("writing an answer");
    let server = tls.server(host);
    let mut command = host.command("openssl");
    command.current_dir(&files).args(["s_server", "-quiet", "-HTTP", "-Verify", "1", "-verify_return_error"]);
    command.arg("-accept").arg(PORT.to_string()).arg("-CAfile").arg(tls.ca_file());
    command.arg("-cert").arg(&server.certificate).arg("-key").arg(&server.key);
    Process::start("the REST API", command)
}

fn serve(mut stream: TcpStream, said: &Mutex<Said>, asked: &Mutex<Vec<String>>) {
    let _ = stream.set_nonblocking(false);
    let mut request = [0; 4096];
    let Ok(read) = stream.read(&mut request) else { return };
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    locked(asked).push(path.clone());
    while locked(said).hangs {
        pause(PAUSE);
    }
    let mut said = locked(said).clone();
    said.leads &= said.leads_until.is_none_or(|until| now() < until);
    let answer = answer(&path, &said);
    // The client may have given up.
    let _ = stream.write_all(answer.as_bytes());
}

fn answer(path: &str, said: &Said) -> String {
    if let Some(raw) = said.raw {
        return raw.to_owned();
    }
    let (status, body) = match (path, said.timing) {
        ("/config", Some([ttl, loop_wait, retry])) => {
            (200, format!("{{\"ttl\": {ttl}, \"loop_wait\": {loop_wait}, \"retry_timeout\": {retry}}}"))
        }
        ("/config", None) => (502, "<html>Bad Gateway</html>".to_owned()),
        _ => (if said.leads { 200 } else { 503 }, body(said)),
    };
    format!("HTTP/1.0 {status} X\r\nServer: BaseHTTP/0.6 Python/3.11.2\r\nContent-Type: application/json\r\n\r\n{body}")
}

fn body(said: &Said) -> String {
    let now = wall_time().0.as_secs();
    let (seen, more) = (said.frozen_at.unwrap_or(now), &said.more);
    let (version, name) = match said.name.as_str() {
        "" => ("3.0.2", String::new()),
        name => ("4.1.5", format!(", \"name\": \"{name}\"")),
    };
    let role = if said.leads { "master" } else { "replica" };
    format!(
        "{{\"state\": \"running\", \"role\": \"{role}\", \"timeline\": 1, \"dcs_last_seen\": {seen}, {more}\
         \"patroni\": {{\"version\": \"{version}\", \"scope\": \"pg_cluster\"{name}}}}}"
    )
}
