//! Servers that pretend to be a known one: passwords and tokens do not reach them.
#![cfg(unix)]

use lanchat_tests::{
    FakeIdentity, FakeServer, Home, Launch, PASSWORD, Pipe, Place, Process, Proxy, ServerSpec, Terminal,
    TestPeer, TestServer, lanchat,
};

/// The exit code of a client that refuses a server's key.
const EXIT_TRUST: i32 = 3;
/// The exit code of a client without a server to connect to.
const EXIT_NO_SERVER: i32 = 2;

/// A client that knows a server, at an address that can be given to another server.
struct Known {
    server: TestServer,
    server_id: String,
    proxy: Proxy,
    home: Home,
}

impl Known {
    /// Registers ana; her client keeps the server's key and her token.
    fn new() -> Self {
        let server = TestServer::start();
        let proxy = Proxy::to(server.address());
        let peer = TestPeer::connect(server.address());
        let server_id = peer.hello()["server_id"].as_str().expect("an id").to_owned();
        let known = Self { server, server_id, proxy, home: Home::new() };
        let (code, complaints) = known.visit(&format!("/register ana {PASSWORD}\nhello\n"));
        assert_eq!(code, 0, "{complaints}");
        known
    }

    /// Runs the client with this input. Returns its exit code and its complaints.
    fn visit(&self, input: &str) -> (i32, String) {
        let address = self.proxy.address().to_string();
        let mut pipe = Pipe::start(&self.home, &Place::Here, &["--plain", "--server", &address]);
        pipe.process().write(input);
        let code = pipe.finish();
        pipe.process().stderr.wait_for_end();
        (code, pipe.complaints())
    }

    /// Gives the address of the server to an impostor and visits it twice: by token and by password.
    fn is_refused(&self, identity: impl Fn() -> FakeIdentity, impostor_id: &str) -> String {
        let mut said = String::new();
        for input in ["hello\n", &format!("/login ana {PASSWORD}\nhello\n")] {
            let impostor = FakeServer::start(identity(), impostor_id);
            self.proxy.join(impostor.address());
            let (code, complaints) = self.visit(input);
            impostor.wait_for_connections(1);
            assert_eq!(impostor.trusted_bytes(), 0, "the impostor was told something");
            assert_eq!(code, EXIT_TRUST, "{complaints}");
            said = complaints;
        }
        self.proxy.join(self.server.address());
        let (code, complaints) = self.visit("hello again\n");
        assert_eq!(code, 0, "the real server is trusted still: {complaints}");
        said
    }
}

/// The control: the fake server does count what a client trusts it with.
#[test]
fn a_server_that_was_never_seen_before_is_trusted_on_first_use() {
    let id = "0123456789abcdef0123456789abcdef";
    let unknown = FakeServer::start(FakeIdentity::with_own_key(id), id);
    let (home, address) = (Home::new(), unknown.address().to_string());
    let mut pipe = Pipe::start(&home, &Place::Here, &["--plain", "--server", &address]);
    pipe.process().stderr.wait_for_text("ot yet verified");
    pipe.enter(&format!("/register ana {PASSWORD}"));
    unknown.wait_for_trust();
}

/// The impostor has the same id and another key (#2, item 7).
#[test]
fn a_server_with_another_key_is_refused_before_anything_secret_is_sent() {
    let known = Known::new();
    let said = known.is_refused(|| FakeIdentity::with_own_key(&known.server_id), &known.server_id);
    assert!(
        said.contains(&format!("lanchat trust reset {}", known.server_id)),
        "it names the way out: {said}"
    );
    let words = said.split_whitespace().filter(|word| word.split('-').count() == 6).count();
    assert!(words >= 2, "both fingerprints in words: {said}");
    let hex = said.split(|c: char| !c.is_ascii_hexdigit()).filter(|run| run.len() == 64).count();
    assert!(hex >= 2, "both fingerprints in hex: {said}");
}

/// The impostor has the certificate of the real server, byte by byte, without its key (#2, item 7).
#[test]
fn a_copied_certificate_without_its_key_is_refused_before_anything_secret_is_sent() {
    let known = Known::new();
    let certificate = TestPeer::connect(known.server.address()).certificate();
    let identity = FakeIdentity::with_copied_certificate(certificate);
    let impostor = FakeServer::start(identity, &known.server_id);
    known.proxy.join(impostor.address());
    let (code, complaints) = known.visit(&format!("/login ana {PASSWORD}\nhello\n"));
    assert_ne!(code, 0, "{complaints}");
    impostor.wait_for_connections(1);
    assert_eq!(impostor.trusted_bytes(), 0, "the impostor was told something");
}

/// An entirely different server is at an address where a known server used to be.
#[test]
fn another_server_at_a_known_address_is_not_taken_for_a_new_one() {
    let known = Known::new();
    let other = "fedcba9876543210fedcba9876543210";
    known.is_refused(|| FakeIdentity::with_own_key(other), other);
}

/// The swap happens while the client is connected: it reconnects by itself, to the impostor.
#[test]
fn a_client_that_reconnects_to_an_impostor_stops_before_it_resumes() {
    let known = Known::new();
    let address = known.proxy.address().to_string();
    let mut pipe = Pipe::start(&known.home, &Place::Here, &["--json", "--follow", "--server", &address]);
    pipe.expect("attached", |_| true);
    let impostor = FakeServer::start(FakeIdentity::with_own_key(&known.server_id), &known.server_id);
    known.proxy.cut();
    known.proxy.join(impostor.address());
    assert_eq!(pipe.process().wait(), EXIT_TRUST, "{}", pipe.complaints());
    impostor.wait_for_connections(1);
    assert_eq!(impostor.trusted_bytes(), 0, "the impostor was told something");
}

/// A login during a session makes another connection. It goes to the server of the session, and never to one that
/// answers there instead, even if the key was forgotten meanwhile.
#[test]
fn a_login_in_the_middle_of_a_session_goes_to_the_same_server() {
    let known = Known::new();
    let address = known.proxy.address().to_string();
    let mut pipe = Pipe::start(&known.home, &Place::Here, &["--json", "--follow", "--server", &address]);
    pipe.expect("attached", |_| true);
    let forget = Launch::new(lanchat()).home(&known.home).args(["trust", "reset", &known.server_id]);
    assert_eq!(Process::run(&forget, "").0, 0);
    let other = "fedcba9876543210fedcba9876543210";
    let impostor = FakeServer::start(FakeIdentity::with_own_key(other), other);
    known.proxy.join(impostor.address());
    pipe.enter(&format!("/login eve {PASSWORD}"));
    assert_eq!(pipe.process().wait(), EXIT_TRUST, "{}", pipe.complaints());
    impostor.wait_for_connections(1);
    assert_eq!(impostor.trusted_bytes(), 0, "the impostor was told something");
}

/// Nobody can be asked in a pipe, and the first of two known servers to answer must not win: the other may have been
/// slowed down on purpose.
#[test]
fn a_script_that_knows_several_servers_names_the_one_it_means() {
    let (home, server, mut other) = (Home::new(), TestServer::start(), TestServer::start());
    let run = |arguments: &[&str], input: &str| {
        Process::run(&Launch::new(lanchat()).home(&home).args(arguments), input)
    };
    for server in [&server, &other] {
        let address = server.address().to_string();
        let (code, _, complaints) = run(&["--server", &address], &format!("/register ana {PASSWORD}\n"));
        assert_eq!(code, 0, "{complaints}");
    }
    let gone = other.address().to_string();
    other.stop();
    for arguments in [&[][..], &["--plain"], &["--json"], &["--first-contact"]] {
        let (code, output, complaints) = run(arguments, "for one of them\n");
        assert_eq!((code, output.as_str()), (EXIT_NO_SERVER, ""), "{complaints}");
        for word in ["--server", &server.address().to_string(), &gone] {
            assert!(complaints.contains(word), "{word}: {complaints}");
        }
    }
    assert_eq!(run(&["--server", &server.address().to_string()], "for this one\n").0, 0);
}

/// A server chooses its own name, even a known one: it must not get anything meant for another server.
#[test]
fn a_known_server_that_takes_the_name_of_another_one_gets_nothing_that_is_for_that_one() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    let data = folder.path().join("data");
    let called = |name: &str| ServerSpec { name: name.to_owned(), ..ServerSpec::default() };
    let mut workshop = TestServer::start_as(called("workshop"));
    let mut cafe = TestServer::start_as(called("cafe").on_data(&data));
    let run = |arguments: &[&str], input: &str| {
        Process::run(&Launch::new(lanchat()).home(&home).args(arguments), input)
    };
    for server in [&workshop, &cafe] {
        let address = server.address().to_string();
        let (code, _, complaints) = run(&["--server", &address], &format!("/register ana {PASSWORD}\n"));
        assert_eq!(code, 0, "{complaints}");
    }
    assert_eq!(run(&["--server", "workshop"], "for the workshop\n").0, 0);
    workshop.stop();
    let address = cafe.address();
    cafe.stop();
    let renamed = ServerSpec { listen: Some(address), ..called("workshop").on_data(&data) };
    let renamed = TestServer::start_as(renamed);
    for _ in 0..2 {
        let (code, _, complaints) = run(&["--server", "workshop"], "for the workshop alone\n");
        assert_eq!(code, EXIT_TRUST, "{complaints}");
        assert!(
            complaints.contains("ANOTHER one") && complaints.contains(&address.to_string()),
            "{complaints}"
        );
        // From here on it is also remembered under the name that it took.
        assert_eq!(run(&["--server", &address.to_string()], "for this one\n").0, 0);
    }
    assert!(!renamed.stores(b"for the workshop alone"));
}

/// A name that a person typed leads to the same server as before, whatever that server calls itself.
#[test]
fn a_name_that_was_typed_stays_with_the_server_that_it_led_to() {
    let home = Home::new();
    let mut server =
        TestServer::start_as(ServerSpec { name: "pi-server".to_owned(), ..ServerSpec::default() });
    let run = |arguments: &[&str], input: &str| {
        Process::run(&Launch::new(lanchat()).home(&home).args(arguments), input)
    };
    let address = server.address().to_string();
    let (code, _, complaints) = run(&["--server", &address], &format!("/register ana {PASSWORD}\n"));
    assert_eq!(code, 0, "{complaints}");
    // Pretend that the network knew a computer of this name then; now it does not.
    let path = home.files().into_iter().find(|path| path.ends_with("servers.json")).unwrap();
    let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    file["servers"][0]["typed"] = serde_json::json!(["workshop:7072"]);
    std::fs::write(&path, file.to_string()).unwrap();

    let (code, _, complaints) = run(&["--server", "workshop"], "for the workshop\n");
    assert_eq!(code, 0, "{complaints}");
    assert!(server.stores(b"for the workshop"));
    server.stop();
    let (code, _, complaints) = run(&["--server", "workshop", "--first-contact"], "for nobody else\n");
    assert_eq!(code, EXIT_NO_SERVER, "{complaints}");
    assert!(complaints.contains("led you to the server") && complaints.contains("pi-server"), "{complaints}");
}

/// A server can choose any name, but the name must never begin a row: there it could claim to be verified.
#[test]
fn no_name_of_a_server_begins_a_row_of_the_list() {
    let (home, id) = (Home::new(), "0123456789abcdef0123456789abcdef");
    // After the id, the state and a quotation mark, a row of 80 columns has room for 27 more.
    for filler in ["x".repeat(27), "花".repeat(13) + "x", "\u{1}".repeat(6) + "xxx"] {
        let name = format!("{filler}FORGED  verified");
        let server = FakeServer::start_as(FakeIdentity::with_own_key(id), id, &name);
        let address = server.address().to_string();
        let run =
            |arguments: &[&str]| Process::run(&Launch::new(lanchat()).home(&home).args(arguments), "hello\n");
        run(&["--server", &address]);
        let terminal = Terminal::start(Launch::new(lanchat()).home(&home).args(["trust", "list"]));
        terminal.wait_for_text("FORGED");
        assert_eq!(terminal.wait_for_exit(), 0);
        let rows = terminal.transcript();
        assert!(rows.iter().all(|row| !row.starts_with("FORGED")), "{rows:?}");
        assert_eq!(run(&["trust", "reset", id]).0, 0);
    }
}

/// An invitation carries the key: a server that shows another one is refused at first sight.
#[test]
fn an_invitation_with_the_wrong_key_never_connects() {
    let id = "0123456789abcdef0123456789abcdef";
    let impostor = FakeServer::start(FakeIdentity::with_own_key(id), id);
    let (home, link) = (Home::new(), format!("lanchat://{}/#{}", impostor.address(), "ab".repeat(32)));
    let mut pipe = Pipe::start(&home, &Place::Here, &["--plain", &link]);
    pipe.enter(&format!("/register ana {PASSWORD}"));
    assert_eq!(pipe.finish(), EXIT_TRUST, "{}", pipe.complaints());
    impostor.wait_for_connections(1);
    assert_eq!(impostor.trusted_bytes(), 0, "the impostor was told something");
}
