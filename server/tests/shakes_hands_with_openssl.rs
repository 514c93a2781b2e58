//! OpenSSL as the other end of DTLS: in both roles, with either kind of certificate, and for both kinds of SRTP keys.
//! What it exports must open what is sealed here, and seal what opens here (RFC 5764 §4.2).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrite_server::media::rtp::header::Header;
use ferrite_server::media::sdp::{DtlsRole, Fingerprint, HashAlgorithm};
use ferrite_server::media::transport::dtls::{Dtls, DtlsEvent, Identity};
use ferrite_server::media::transport::srtp::Srtp;
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;

const PATIENCE: Duration = Duration::from_secs(20);
const LABEL: &str = "EXTRACTOR-dtls_srtp";

/// What a packet's payload is.
const PAYLOAD: &[u8] = b"sealed at one end, opened at the other";

/// SRTP as OpenSSL calls it, and how long its keys and salts are.
struct Profile {
    name: &'static str,
    profile: ProtectionProfile,
    key: usize,
    salt: usize,
}

const AES_CM: Profile = Profile {
    name: "SRTP_AES128_CM_SHA1_80",
    profile: ProtectionProfile::Aes128CmHmacSha1_80,
    key: 16,
    salt: 14,
};
const AES_GCM: Profile = Profile {
    name: "SRTP_AEAD_AES_128_GCM",
    profile: ProtectionProfile::AeadAes128Gcm,
    key: 16,
    salt: 12,
};

const P256: [&str; 3] = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA: [&str; 3] = ["rsa", "-pkeyopt", "rsa_keygen_bits:2048"];

/// A certificate of OpenSSL's making.
struct Certificate {
    directory: PathBuf,
    fingerprint: Fingerprint,
}

impl Certificate {
    fn make(test: &str, key: [&str; 3]) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        std::fs::create_dir_all(&directory).unwrap();
        let mut make = Command::new("openssl");
        make.args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=openssl",
        ])
        .args(["-newkey"])
        .args(key)
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(&directory);
        let made = make.output().expect("openssl is installed");
        assert!(made.status.success(), "{made:?}");
        let mut ask = Command::new("openssl");
        ask.args([
            "x509",
            "-in",
            "certificate.pem",
            "-noout",
            "-fingerprint",
            "-sha256",
        ])
        .current_dir(&directory);
        let said = String::from_utf8(ask.output().unwrap().stdout).unwrap();
        let (_, digest) = said.trim().split_once('=').unwrap();
        Self {
            fingerprint: Fingerprint {
                algorithm: HashAlgorithm::Sha256,
                digest: hexadecimal(&digest.replace(':', "")),
            },
            directory,
        }
    }
}

fn hexadecimal(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let digits = digits.map(|pair| std::str::from_utf8(pair).unwrap());
    digits
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// OpenSSL's command, and the lines that it prints.
struct OpenSsl {
    child: Child,
    lines: Receiver<String>,
}

impl OpenSsl {
    fn start(
        command: &str,
        certificate: &Certificate,
        profile: &Profile,
        place: [&str; 2],
    ) -> Self {
        let length = 2 * (profile.key + profile.salt);
        let mut child = Command::new("openssl")
            .args([
                command,
                "-dtls1_2",
                "-cert",
                "certificate.pem",
                "-key",
                "key.pem",
            ])
            .args(["-use_srtp", profile.name, "-keymatexport", LABEL])
            .args(["-keymatexportlen", &length.to_string()])
            .args(place)
            .current_dir(&certificate.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (say, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        Self { child, lines }
    }

    /// The rest of the first line that has this in it, and was printed by now.
    fn find(&self, what: &str) -> Option<String> {
        let mut lines = self.lines.try_iter();
        lines.find_map(|line| Some(line.split_once(what)?.1.trim().to_owned()))
    }

    fn wait_for(&self, what: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).expect(what);
            if let Some((_, rest)) = line.split_once(what) {
                return rest.trim().to_owned();
            }
        }
    }

    fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Our end, on a socket.
struct Here {
    dtls: Dtls,
    socket: UdpSocket,
    remote: Option<SocketAddr>,
    srtp: Option<Box<Srtp>>,
    data: Vec<u8>,
}

impl Here {
    fn new(socket: UdpSocket, role: DtlsRole, theirs: Fingerprint) -> Self {
        socket
            .set_read_timeout(Some(Duration::from_millis(10)))
            .unwrap();
        Self {
            dtls: Dtls::new(Identity::generate().unwrap(), role, vec![theirs]),
            socket,
            remote: None,
            srtp: None,
            data: Vec::new(),
        }
    }

    /// Takes what comes, until something is so.
    fn run_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            let now = Instant::now();
            assert!(now < deadline, "{what}");
            if self.dtls.poll_timeout().is_some_and(|due| due <= now) {
                self.dtls.handle_timeout(now);
            }
            self.send();
            let mut datagram = [0; 2048];
            if let Ok((length, from)) = self.socket.recv_from(&mut datagram) {
                self.remote = Some(from);
                (self.dtls).handle_datagram(Instant::now(), &datagram[..length]);
                self.hear();
                self.send();
            }
        }
    }

    fn send(&mut self) {
        while let (Some(remote), Some(datagram)) = (self.remote, self.dtls.poll_transmit()) {
            self.socket.send_to(&datagram, remote).unwrap();
        }
    }

    fn hear(&mut self) {
        while let Some(event) = self.dtls.poll_event() {
            match event {
                DtlsEvent::Connected(srtp) => self.srtp = Some(srtp),
                DtlsEvent::Data(data) => self.data.extend_from_slice(&data),
                DtlsEvent::Closed => {}
                DtlsEvent::Failed(error) => panic!("{error}"),
            }
        }
    }
}

/// Both ends seal a packet, and the other opens it.
fn exchange(srtp: &mut Srtp, material: &[u8], profile: &Profile, openssl_is_client: bool) {
    let (keys, salts) = material.split_at(2 * profile.key);
    let provider = rtc::crypto::default_provider().unwrap();
    let context = |is_client: bool| {
        let at = usize::from(!is_client);
        let key = &keys[at * profile.key..][..profile.key];
        let salt = &salts[at * profile.salt..][..profile.salt];
        Context::new(key, salt, profile.profile, None, None, provider.crypto()).unwrap()
    };
    let mut packet = vec![0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7];
    packet.extend_from_slice(PAYLOAD);
    let header = Header::parse(&packet).unwrap();

    let mut ours = BytesMut::from(&packet[..]);
    srtp.protect_rtp(&mut ours, 0, &header).unwrap();
    assert_ne!(ours[12..12 + PAYLOAD.len()], *PAYLOAD);
    let opened = context(!openssl_is_client).decrypt_rtp(&ours).unwrap();
    assert_eq!(
        opened[..],
        packet[..],
        "{}: ours, opened there",
        profile.name
    );

    let theirs = context(openssl_is_client).encrypt_rtp(&packet).unwrap();
    let opened = srtp.unprotect_rtp(&theirs, &header).unwrap();
    assert_eq!(
        opened[..],
        packet[..],
        "{}: theirs, opened here",
        profile.name
    );
}

/// Connects, and compares keys and data.
fn call(test: &str, role: DtlsRole, key: [&str; 3], profile: &Profile) {
    let certificate = Certificate::make(test, key);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = socket.local_addr().unwrap().to_string();
    let mut here = Here::new(socket, role, certificate.fingerprint.clone());
    let mut openssl = match role {
        DtlsRole::Server => OpenSsl::start("s_client", &certificate, profile, ["-connect", &local]),
        DtlsRole::Client => {
            let openssl = OpenSsl::start(
                "s_server",
                &certificate,
                profile,
                ["-accept", "127.0.0.1:0"],
            );
            here.remote = Some(openssl.wait_for("ACCEPT").parse().unwrap());
            openssl
        }
    };
    here.dtls.start(Instant::now());
    let mut material = None;
    here.run_until("keys at both ends", |here| {
        material = material
            .take()
            .or_else(|| openssl.find("Keying material: "));
        material.is_some() && here.srtp.is_some()
    });
    openssl.say("hello from OpenSSL");
    here.run_until("a record of data", |here| {
        here.data.ends_with(b"hello from OpenSSL\n")
    });
    let mut srtp = here.srtp.take().unwrap();
    let openssl_is_client = matches!(role, DtlsRole::Server);
    exchange(
        &mut srtp,
        &hexadecimal(&material.unwrap()),
        profile,
        openssl_is_client,
    );
}

#[test]
fn as_the_client_with_aes_cm() {
    call("openssl-cm", DtlsRole::Server, P256, &AES_CM);
}

#[test]
fn as_the_client_with_aes_gcm() {
    call("openssl-gcm", DtlsRole::Server, P256, &AES_GCM);
}

#[test]
fn as_the_client_with_an_rsa_certificate() {
    call("openssl-rsa", DtlsRole::Server, RSA, &AES_CM);
}

#[test]
fn as_the_server_with_aes_cm() {
    call("openssl-server-cm", DtlsRole::Client, P256, &AES_CM);
}

#[test]
fn as_the_server_with_an_rsa_certificate_and_aes_gcm() {
    call("openssl-server-rsa", DtlsRole::Client, RSA, &AES_GCM);
}

/// What is not in the session description is nobody's.
#[test]
#[should_panic(expected = "the certificate does not match")]
fn who_has_another_certificate_is_refused() {
    let mut certificate = Certificate::make("openssl-stranger", P256);
    certificate.fingerprint.digest[0] ^= 1;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = socket.local_addr().unwrap().to_string();
    let mut here = Here::new(socket, DtlsRole::Server, certificate.fingerprint.clone());
    let _openssl = OpenSsl::start("s_client", &certificate, &AES_CM, ["-connect", &local]);
    here.run_until("a verdict", |_| false);
}
