//! The program `heck` as an operator runs it.

mod common;

use common::heck::{Heck, command, run};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

fn node(folder: &Path, args: &[&str]) -> Heck {
    Heck::spawn(command(folder, &["node"]).args(args))
}

fn boot(node: &mut Heck) -> u64 {
    let line = node.logs("the node runs");
    let digits = line.split("boot=").nth(1).expect("it logs its life");
    digits.split_whitespace().next().expect("a number").parse().expect("a number")
}

#[test]
fn a_node_starts_without_arguments_and_keeps_its_name_and_secrets_but_takes_a_new_life() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["name", "keyring", "api-token"];
    let read = || files.map(|file| fs::read(dir.path().join("heck-data").join(file)).unwrap());
    let mut first = node(dir.path(), &[]);
    let name = first.says("heck node ");
    assert!(!first.gossip().ends_with(":0"));
    let (held, first_boot) = (read(), boot(&mut first));
    first.signal("TERM");
    assert_eq!(first.wait().code, Some(0));
    let mut second = node(dir.path(), &[]);
    assert_eq!(second.says("heck node "), name);
    assert!(boot(&mut second) > first_boot);
    assert_eq!(read(), held);
}

#[test]
fn a_node_leaves_at_a_signal_within_its_bound_and_its_peers_see_that_it_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = node(dir.path(), &["--data-dir=a", "--name=a"]);
    let gossip = a.gossip();
    for signal in ["INT", "TERM"] {
        let key = ["--key-file=a/keyring", "--leave-grace=200ms"];
        let mut b = node(dir.path(), &["--data-dir=b", "--name=b", "--join", &gossip, key[0], key[1]]);
        b.logs("the node runs");
        a.logs("a member is alive name=\"b\"");
        b.signal(signal);
        a.logs("a member left name=\"b\"");
        let ended = b.wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.took < Duration::from_secs(10), "{ended:?}");
    }
}

#[test]
fn a_second_signal_ends_a_node_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = node(dir.path(), &["--data-dir=a"]);
    let gossip = a.gossip();
    let slow = ["--leave-grace=1h", "--stop-timeout=1h"];
    let mut b =
        node(dir.path(), &["--data-dir=b", "--join", &gossip, "--key-file=a/keyring", slow[0], slow[1]]);
    a.logs("a member is alive");
    b.signal("TERM");
    b.logs("Leaving");
    b.signal("TERM");
    assert_eq!(b.wait().code, Some(1));
}

#[test]
fn a_node_finds_its_cluster_though_that_starts_later_and_is_given_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = node(dir.path(), &["--data-dir=a"]);
    let port = a.gossip().rsplit(':').next().unwrap().to_owned();
    a.signal("TERM");
    a.wait();
    let host = format!("localhost:{port}");
    let mut b = node(
        dir.path(),
        &["--data-dir=b", "--join=no-such-host.invalid:1", "--join", &host, "--key-file=a/keyring"],
    );
    b.logs("joining");
    let bind = format!("--bind=127.0.0.1:{port}");
    let mut a = node(
        dir.path(),
        &["--data-dir=a", "--name", fs::read_to_string(dir.path().join("a/name")).unwrap().trim(), &bind],
    );
    b.logs("Serving");
    a.logs("a member is alive");
}

#[test]
fn what_is_wrong_with_settings_is_told_and_nothing_starts() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("heck.toml"), "weight = 1\nbnd = \"127.0.0.1:0\"\n").unwrap();
    fs::create_dir(dir.path().join("other")).unwrap();
    fs::write(dir.path().join("other/name"), "other").unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["--config=heck.toml"], "heck.toml:2:1: there is no setting `bnd`"),
        (&["--config=none.toml"], "none.toml cannot be read"),
        (&["--join=127.0.0.1:1"], "scp that-node:heck-data/keyring heck-data/keyring"),
        (&["--bind=0.0.0.0:0"], "say with `advertise`"),
        (&["--data-dir=other", "--name=mine"], "belongs to the node `other`, not to `mine`"),
    ];
    for (args, complaint) in cases {
        let mut command = command(dir.path(), &["node"]);
        if args[0].contains("config") {
            command.env_remove("HECK_BIND");
        }
        command.args(args);
        let ended = run(command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(complaint), "{ended:?}");
        assert!(!dir.path().join("heck-data/journal").exists());
    }
}

#[test]
fn a_start_that_fails_leaves_nothing_that_the_next_one_would_take_for_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    fs::write(dir.path().join("tokens"), "short\n").unwrap();
    let cases: [(&[&str], &str); 7] = [
        (&["--bind", &addr], "`--bind IP:PORT` takes another address"),
        (&["--http", &addr], "`--http IP:PORT` takes another address"),
        (&["--outputs-agent-check", &addr], "`outputs.agent_check`"),
        (&["--advertise=no-such-host.invalid:7400"], "does not resolve"),
        (&["--api-certificate=none.pem", "--api-key=none.pem"], "none.pem"),
        (&["--api-read-tokens=tokens"], "line 1"),
        (&["--key-file=nosuch"], "nosuch"),
    ];
    for (args, complaint) in cases {
        let ended = run({
            let mut start = command(dir.path(), &["node", "--name=first"]);
            start.args(args);
            start
        });
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(ended.err.contains(complaint), "{args:?}: {ended:?}");
        let left = fs::read_dir(dir.path().join("heck-data")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{args:?} left files behind");
    }
    // A node that joins is told that it lacks the cluster's key, whatever failed before, and may have another name.
    let joins = run(command(dir.path(), &["node", "--join=127.0.0.1:1"]));
    assert!(joins.err.contains("--join needs the key of the cluster"), "{joins:?}");
    node(dir.path(), &["--name=second"]).says("heck node second");
}

#[test]
fn an_api_beyond_loopback_is_never_without_a_token_and_warns_that_plain_http_is_overheard() {
    let dir = tempfile::tempdir().unwrap();
    let mut beyond = node(dir.path(), &["--http=0.0.0.0:0"]);
    let warning = beyond.logs("the API speaks plain HTTP");
    assert!(warning.contains("api.certificate"), "{warning}");
    let api = beyond.api(&dir.path().join("heck-data"));
    let port = api.addr().rsplit(':').next().unwrap().to_owned();
    let status = |head: &str, token: Option<&str>| {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let bearer = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
        let rest = "host: 127.0.0.1\r\nconnection: close\r\ncontent-length: 0";
        stream.write_all(format!("{head} HTTP/1.1\r\n{rest}\r\n{bearer}\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let token = fs::read_to_string(dir.path().join("heck-data/api-token")).unwrap();
    for head in ["GET /v1/origins", "GET /metrics", "PUT /v1/kv/k"] {
        assert_eq!(status(head, None), "401", "{head}");
        assert!(status(head, Some(token.trim())).starts_with('2'), "{head}");
    }
    assert_eq!(status("GET /livez", None), "200");
}

#[test]
fn the_log_is_json_where_that_is_asked_for_and_holds_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = node(dir.path(), &["--log-format=json", "--log-level=debug"]);
    let line = node.logs("the node runs");
    let fields: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(fields["level"], "INFO");
    node.signal("TERM");
    let ended = node.wait();
    let token = fs::read_to_string(dir.path().join("heck-data/api-token")).unwrap();
    let keyring = fs::read_to_string(dir.path().join("heck-data/keyring")).unwrap();
    let key =
        keyring.lines().find(|line| line.starts_with("key")).and_then(|line| line.split(' ').nth(2)).unwrap();
    for secret in [token.trim(), key] {
        assert!(!ended.err.contains(secret) && !ended.out.contains(secret), "{ended:?}");
    }
}

#[test]
fn the_sample_of_settings_is_what_the_program_prints() {
    let dir = tempfile::tempdir().unwrap();
    let ended = run(command(dir.path(), &["config"]));
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), include_str!("../heck.toml")));
}

#[test]
fn a_key_that_was_generated_by_hand_is_taken_over_and_a_node_that_lost_its_keys_asks_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let generated = run(command(dir.path(), &["keys", "generate"]));
    assert_eq!(generated.code, Some(0));
    fs::write(dir.path().join("cluster-key"), &generated.out).unwrap();
    let mut first = node(dir.path(), &["--key-file=cluster-key"]);
    let key = first.says("  key ");
    first.signal("TERM");
    first.wait();
    fs::remove_file(dir.path().join("heck-data/keyring")).unwrap();
    let lost = run(command(dir.path(), &["node"]));
    assert_eq!(lost.code, Some(2));
    assert!(lost.err.contains("heck keys generate"), "{lost:?}");
    assert_eq!(node(dir.path(), &["--key-file=cluster-key"]).says("  key "), key);
}

#[test]
fn a_key_file_that_is_not_used_as_there_is_a_keyring_already_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = node(dir.path(), &["--data-dir=a"]);
    first.logs("the node runs");
    // Its keys and no others, other keys, and none at all.
    let mut same = node(dir.path(), &["--data-dir=b", "--key-file=a/keyring"]);
    same.logs("the node runs");
    same.signal("TERM");
    same.wait();
    let mut again = node(dir.path(), &["--data-dir=b", "--key-file=a/keyring"]);
    again.logs("the node runs");
    assert!(!again.logged().contains("key file"), "{}", again.logged());
    let mut other = node(dir.path(), &["--data-dir=c"]);
    other.logs("the node runs");
    other.signal("TERM");
    other.wait();
    node(dir.path(), &["--data-dir=c", "--key-file=a/keyring"])
        .logs("the folder has a keyring already, with other keys");
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::copy(dir.path().join("c/keyring"), dir.path().join("d/keyring")).unwrap();
    node(dir.path(), &["--data-dir=d", "--key-file=nosuch"]).logs("nor can it be: nosuch");
}

#[test]
fn a_torn_keyring_is_told_and_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("heck-data/keyring");
    let mut first = node(dir.path(), &[]);
    let key = first.says("  key ");
    first.kill();
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole.trim_end().strip_suffix("end 1").unwrap()).unwrap();
    let mut second = node(dir.path(), &[]);
    second.logs("the keyring was damaged: it was set aside");
    assert_eq!(second.says("  key "), key);
    second.kill();
    fs::write(&path, "noise").unwrap();
    let ended = run(command(dir.path(), &["node"]));
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("keyring.damaged.2") && ended.err.contains("copy"), "{ended:?}");
}

#[test]
fn gossip_is_unsealed_only_where_that_is_asked_for_and_the_log_warns_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut plain = node(dir.path(), &["--seal=false"]);
    plain.logs("gossip is not sealed");
    plain.says("key     none");
    assert!(!dir.path().join("heck-data/keyring").exists());
}
