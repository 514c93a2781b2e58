//! OpenSSL as the other end of DTLS: in both roles, with every kind of certificate and of signature that is listed, and for both kinds of SRTP keys.
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
use ferrite_server::media::transport::dtls::{Dtls, DtlsEvent, Identity, SIGNATURES};
use ferrite_server::media::transport::srtp::Srtp;
use rtc::dtls::signature_hash_algorithm::SignatureScheme;
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;

const PATIENCE: Duration = Duration::from_secs(60);
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

/// What `openssl req -newkey` makes a key of.
type Key = &'static [&'static str];

const P256: Key = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: Key = &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
const RSA: Key = &["rsa", "-pkeyopt", "rsa_keygen_bits:2048"];
const ED25519: Key = &["ed25519"];

/// A certificate of OpenSSL's making.
struct Certificate {
    directory: PathBuf,
    fingerprint: Fingerprint,
}

impl Certificate {
    fn make(test: &str, key: Key) -> Self {
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
        options: &[&str],
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
            .args(options)
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
fn call(test: &str, role: DtlsRole, key: Key, profile: &Profile) {
    let certificate = Certificate::make(test, key);
    call_with(&certificate, role, profile, &[]);
}

/// The same with this certificate, and more options for OpenSSL.
fn call_with(certificate: &Certificate, role: DtlsRole, profile: &Profile, options: &[&str]) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = socket.local_addr().unwrap().to_string();
    let mut here = Here::new(socket, role, certificate.fingerprint.clone());
    let mut openssl = match role {
        DtlsRole::Server => {
            let options = [&["-connect", &local], options].concat();
            OpenSsl::start("s_client", certificate, profile, &options)
        }
        DtlsRole::Client => {
            let options = [&["-accept", "127.0.0.1:0"], options].concat();
            let openssl = OpenSsl::start("s_server", certificate, profile, &options);
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

/// What a scheme is called in OpenSSL, and the certificates that go with it.
fn of_openssl(scheme: SignatureScheme) -> (&'static str, &'static [Key]) {
    match scheme {
        SignatureScheme::EcdsaWithP256AndSha256 => ("ECDSA+SHA256", &[P256, P384]),
        SignatureScheme::Ed25519 => ("ed25519", &[ED25519]),
        SignatureScheme::Pkcs1WithSha256 => ("RSA+SHA256", &[RSA]),
        SignatureScheme::Pkcs1WithSha384 => ("RSA+SHA384", &[RSA]),
        SignatureScheme::Pkcs1WithSha512 => ("RSA+SHA512", &[RSA]),
        other => panic!("{other:?} is listed, and nobody has tried it"),
    }
}

/// RFC 5246 §7.4.1.4.1, §7.4.4: in TLS 1.2 a scheme names no curve, so it goes with every certificate of its kind.
fn each_listed_signature_is_verified(
    role: DtlsRole,
    option: &str,
    schemes: impl Iterator<Item = SignatureScheme>,
) {
    let mut certificates: Vec<(Key, Certificate)> = Vec::new();
    for scheme in schemes {
        let (name, keys) = of_openssl(scheme);
        for key in keys {
            if !certificates.iter().any(|(known, _)| known == key) {
                let directory = format!("openssl{option}-{}", certificates.len());
                certificates.push((key, Certificate::make(&directory, key)));
            }
            let of_key = certificates.iter().find(|(known, _)| known == key);
            println!("{name} with {key:?}");
            call_with(&of_key.unwrap().1, role, &AES_CM, &[option, name]);
        }
    }
}

#[test]
fn each_listed_signature_of_a_client_is_verified() {
    let listed = SIGNATURES.into_iter();
    each_listed_signature_is_verified(DtlsRole::Server, "-client_sigalgs", listed);
}

/// OpenSSL's server has no cipher for Ed25519 in DTLS, only in TLS: it looks for version 1.2 of that.
#[test]
fn each_listed_signature_of_a_server_is_verified() {
    let listed = SIGNATURES.into_iter();
    let listed = listed.filter(|scheme| *scheme != SignatureScheme::Ed25519);
    each_listed_signature_is_verified(DtlsRole::Client, "-sigalgs", listed);
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
    let _openssl = OpenSsl::start("s_client", &certificate, &AES_CM, &["-connect", &local]);
    here.run_until("a verdict", |_| false);
}
