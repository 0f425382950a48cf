//! The webhook and its receiver.

use crate::common::heck::{Heck, command, run};
use crate::common::until;
use crate::node::{Node, Web};
use crate::origin::{Origin, answer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use tokio::runtime::{Builder, Runtime};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What a receiver got in one request.
#[derive(Clone, Debug)]
struct Told {
    headers: BTreeMap<String, String>,
    body: String,
}

impl Told {
    fn of(request: &str) -> Self {
        let (head, body) = request.split_once("\r\n\r\n").expect("a request has an end");
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Self { headers, body: body.to_owned() }
    }

    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// `origin from to`.
    fn change(&self) -> String {
        let event: Value = serde_json::from_str(&self.body).expect("JSON");
        assert_eq!(event["type"], "origin.transition");
        let part = |name: &str| event["data"][name].as_str().expect("a text").to_owned();
        format!("{} {} {}", part("origin"), part("from"), part("to"))
    }
}

/// A receiver that answers with these statuses one after another, and with the last of them from then on.
struct Receiver {
    _runtime: Runtime,
    origin: Origin,
}

impl Receiver {
    fn new(statuses: &[u16]) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let left = Arc::new(Mutex::new(statuses.to_vec()));
        let origin = runtime.block_on(Origin::start(move |_| {
            let mut left = left.lock().unwrap();
            let status = if left.len() > 1 { left.remove(0) } else { left[0] };
            Some(answer(status, "location: /elsewhere\r\n", ""))
        }));
        Self { _runtime: runtime, origin }
    }

    fn told(&self) -> Vec<Told> {
        self.origin.requests.lock().unwrap().iter().map(|request| Told::of(request)).collect()
    }

    fn changes(&self) -> Vec<String> {
        self.told().iter().map(Told::change).collect()
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.origin.addr)
    }
}

fn secret(folder: &Path) -> PathBuf {
    let path = folder.join("secret");
    fs::write(&path, SECRET).unwrap();
    path
}

fn args(receiver: &Receiver, secret: &Path) -> Vec<String> {
    let secret = secret.to_str().unwrap().to_owned();
    vec!["--outputs-webhook".into(), receiver.url(), "--outputs-webhook-secret".into(), secret]
}

fn start(receiver: &Receiver, folder: &Path, more: &[&str]) -> Node {
    let args = args(receiver, &secret(folder));
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Node::start(&args)
}

fn counted(node: &Node, metric: &str) -> u64 {
    let metrics = node.get("/metrics").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{metric} ")));
    line.unwrap_or_else(|| panic!("{metric} in {metrics}")).parse().unwrap()
}

/// The receiver of the document, run on what a receiver got.
fn document_accepts(told: &Told, body: &str) -> bool {
    let document = include_str!("../../OUTPUTS.md");
    let code = document.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let run = format!(
        "{code}\nimport sys, json\nheaders, body = json.load(sys.stdin)\nsys.exit(0 if verify({SECRET:?}, headers, \
         body.encode()) else 7)\n"
    );
    let mut python = Command::new("python3").args(["-c", &run]).stdin(Stdio::piped()).spawn().unwrap();
    let input = serde_json::to_vec(&(&told.headers, body)).unwrap();
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), &input).unwrap();
    let code = python.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 7)), "the example runs: {code:?}");
    code == Some(0)
}

#[test]
fn every_change_is_told_once_by_the_node_that_found_it_however_many_nodes_there_are() {
    let (web, receiver, dir) = (Web::new(6), Receiver::new(&[204]), tempfile::tempdir().unwrap());
    let first = start(&receiver, dir.path(), &["--seal=false"]);
    let gossip = first.gossip.clone();
    let others: Vec<Node> =
        (0..2).map(|_| start(&receiver, dir.path(), &["--seal=false", "--join", &gossip])).collect();
    until(
        "all are members",
        || first.get("/v1/members").body,
        |body| body.matches(r#""alive""#).count() == 3,
    );
    for number in 0..6 {
        first.put(&format!("web{number}"), &web.url(number), r#", "tags": ["shop"]"#);
    }
    (0..6).for_each(|number| first.until_state(&format!("web{number}"), "healthy"));
    assert!(
        receiver.told().is_empty(),
        "that all is well from the beginning is no news: {:?}",
        receiver.changes()
    );
    for (is_well, state, change) in
        [(false, "unhealthy", "healthy unhealthy"), (true, "healthy", "unhealthy healthy")]
    {
        let before = receiver.told().len();
        (0..6).for_each(|number| web.set(number, is_well));
        for node in [&first, &others[0], &others[1]] {
            (0..6).for_each(|number| node.until_state(&format!("web{number}"), state));
        }
        until("all are told", || receiver.told().len(), |count| *count >= before + 6);
        // Whatever else would be told had its time.
        std::thread::sleep(std::time::Duration::from_millis(300));
        let mut changes = receiver.changes()[before..].to_vec();
        changes.sort();
        assert_eq!(changes, (0..6).map(|number| format!("web{number} {change}")).collect::<Vec<_>>());
    }
    let told = receiver.told();
    let nodes: BTreeMap<String, usize> = told.iter().fold(BTreeMap::new(), |mut nodes, told| {
        let event: Value = serde_json::from_str(&told.body).unwrap();
        *nodes.entry(event["data"]["node"].to_string()).or_default() += 1;
        assert_eq!(event["data"]["tags"][0], "shop");
        nodes
    });
    assert!(nodes.len() > 1, "several nodes own origins: {nodes:?}");
}

#[test]
fn what_is_told_is_signed_so_that_the_documents_receiver_accepts_it_and_nothing_else() {
    let (web, receiver, dir) = (Web::new(1), Receiver::new(&[200]), tempfile::tempdir().unwrap());
    let node = start(&receiver, dir.path(), &[]);
    node.put("web", &web.url(0), "");
    node.until_state("web", "healthy");
    web.set(0, false);
    let told = until("it is told", || receiver.told(), |told| !told.is_empty()).remove(0);
    assert_eq!(told.change(), "web healthy unhealthy");
    assert_eq!(told.headers["content-type"], "application/json");
    assert!(document_accepts(&told, &told.body));
    assert!(!document_accepts(&told, &told.body.replace("unhealthy", "healthy")));
    let mut late = told.clone();
    late.headers.insert("webhook-timestamp".into(), "1000000000".into());
    assert!(!document_accepts(&late, &told.body));
    let mut forged = told.clone();
    forged.headers.insert("webhook-signature".into(), "v1,AAAA".into());
    assert!(!document_accepts(&forged, &told.body));
}

#[test]
fn a_change_that_is_not_taken_is_told_again_under_the_same_identity_and_a_refused_one_is_not() {
    let (web, receiver, dir) =
        (Web::new(1), Receiver::new(&[503, 500, 200, 302, 200]), tempfile::tempdir().unwrap());
    let node = start(&receiver, dir.path(), &[]);
    node.put("web", &web.url(0), "");
    node.until_state("web", "healthy");
    web.set(0, false);
    until("it is taken", || counted(&node, "heck_webhooks_delivered_total"), |count| *count == 1);
    let told = receiver.told();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|again| again.id() == told[0].id() && again.body == told[0].body));
    assert_eq!(counted(&node, "heck_webhook_attempts_failed_total"), 2);
    web.set(0, true);
    // A redirect leads nowhere.
    until("it is refused", || counted(&node, "heck_webhooks_refused_total"), |count| *count == 1);
    web.set(0, false);
    until("the next is taken", || counted(&node, "heck_webhooks_delivered_total"), |count| *count == 2);
    let told = receiver.told();
    assert_eq!(told.len(), 5);
    assert_eq!(told.iter().map(Told::id).collect::<std::collections::BTreeSet<_>>().len(), 3);
    let requests = receiver.origin.requests.lock().unwrap().clone();
    assert!(requests.iter().all(|request| request.starts_with("POST /hook ")), "{requests:?}");
    assert_eq!(counted(&node, "heck_webhooks_waiting"), 0);
}

#[test]
fn a_webhook_without_a_secret_or_with_a_place_that_is_none_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let secret = secret(dir.path());
    let secret = secret.to_str().unwrap();
    let start = |args: &[&str]| {
        run({
            let mut command = command(dir.path(), &["node"]);
            command.args(args);
            command
        })
    };
    for (args, wrong) in [
        (&["--outputs-webhook", "http://127.0.0.1/"][..], "`outputs.webhook_secret`: it has to name a file"),
        (&["--outputs-webhook", "http://127.0.0.1/", "--outputs-webhook-secret", "none"], "none: "),
        (
            &["--outputs-webhook", "tcp://127.0.0.1:1", "--outputs-webhook-secret", secret],
            "`outputs.webhook`",
        ),
        (&["--outputs-webhook", "http://u:p@a/", "--outputs-webhook-secret", secret], "credentials"),
    ] {
        let ended = start(args);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(wrong), "{ended:?}");
    }
    let mut short = Heck::spawn(command(dir.path(), &["node"]).args([
        "--outputs-webhook",
        "http://hooks.invalid/secret-path",
        "--outputs-webhook-secret",
        secret,
    ]));
    let line = short.says("webhook");
    assert!(line.contains("http://hooks.invalid") && !line.contains("secret-path"), "{line}");
}
