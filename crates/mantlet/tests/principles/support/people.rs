//! People and keys: who asks, and with what.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use super::{Client, Home, Server, mantlet};

/// Somebody with a personal key and a certificate as second factor.
pub struct Person {
    /// The personal key.
    pub key: String,
    /// What `--as` takes.
    pub dir: PathBuf,
    certificate: PathBuf,
    certificate_key: PathBuf,
}

/// An application's key.
pub struct Key {
    /// The whole key.
    pub key: String,
    /// Its public part.
    pub kid: String,
}

impl Home {
    /// Creates an application's key.
    pub fn key(&self, consumer: &str, options: &[&str]) -> Key {
        let made = self.json(&[&["key", "create", "--consumer", consumer], options].concat());
        let text = |member: &str| made[member].as_str().unwrap().to_owned();
        Key { key: text("key"), kid: text("kid") }
    }

    /// A key for the demo model that no limit stops.
    pub fn busy_key(&self, consumer: &str) -> Key {
        self.key(consumer, &["--model", "breast-cancer", "--rate", "6000000/min"])
    }

    /// Invites a person, who then has no role.
    pub fn invite(&self, user: &str) -> Person {
        let out = self.beside(&format!("{user}.mantlet"));
        self.json(&["user", "invite", user, "--out", out.to_str().unwrap()]);
        Person::at(&out, read(&out.join("key")))
    }

    /// Somebody who was invited, as their directory now says.
    pub fn invited(&self, user: &str) -> Person {
        let dir = self.beside(&format!("{user}.mantlet"));
        Person::at(&dir, read(&dir.join("key")))
    }

    /// Invites a person of a one-person home and binds them to a role.
    pub fn bound(&self, user: &str, role: &str) -> Person {
        let person = self.invite(user);
        self.json(&["role", "assign", user, role]);
        person
    }

    /// One of those whom `init` made: the operator, or a team's security person.
    pub fn founder(&self, user: &str) -> Person {
        let dir = self.path.join("keys/people").join(user);
        let key = if self.said("operator") == user {
            self.said("operator_key").to_owned()
        } else {
            read(&dir.join("key"))
        };
        Person::at(&dir, key)
    }
}

impl Person {
    fn at(dir: &Path, key: String) -> Self {
        let file = |name: &str| dir.join(name);
        let (certificate, certificate_key) = (file("certificate.pem"), file("certificate.key"));
        Self { key, dir: dir.to_owned(), certificate, certificate_key }
    }
}

impl Server {
    /// Has a person replace the key that somebody else handed them, so that nobody else knows it.
    pub fn take_over(&self, person: Person) -> Person {
        let kid = &person.key["mtk_live_".len()..][..12];
        let rotated = self.client_as(&person).post(&format!("/admin/v1/keys/{kid}/rotate"), &json!({}));
        assert_eq!(rotated.status, 200, "{}", rotated.text());
        let key = rotated.json()["key"].as_str().unwrap().to_owned();
        // Also where commands find it.
        let path = person.dir.join("key");
        fs::write(&path, &key).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        Person { key, ..person }
    }

    /// A command as a person, by their directory alone: without a home.
    pub fn command_as(&self, person: &Person, arguments: &[&str]) -> Command {
        let mut command = mantlet();
        command.args(arguments).arg("--as").arg(&person.dir);
        command.env("MANTLET_URL", format!("https://{}", self.address)).current_dir("/");
        command
    }

    /// Has a person approve what waits, signed as commands sign.
    pub fn approve(&self, person: &Person, item: &str) {
        let output = self.command_as(person, &["approve", "sign", item]).output().unwrap();
        assert!(output.status.success(), "{item}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A client with a person's key and certificate.
    pub fn client_as(&self, person: &Person) -> Client {
        let Person { key, certificate, certificate_key, .. } = person;
        self.client().certificate(&self.ca, certificate, certificate_key).bearer(key)
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key that was never issued, with the checksum that it should have: only its secret is wrong.
pub fn forged(kid: &str) -> String {
    let body = format!("mtk_live_{kid}_{}", "7".repeat(43));
    let mut rest = crc32(body.as_bytes());
    let mut digits = [0; 6];
    for slot in digits.iter_mut().rev() {
        *slot = BASE62[rest as usize % 62];
        rest /= 62;
    }
    body + std::str::from_utf8(&digits).unwrap()
}

/// CRC-32 as in IEEE 802.3, bit by bit, so that it shares nothing with what it checks.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}
