//! Archives as other programs write them, and archives that mean harm.

use std::{io::Write, path::Path, process::Command};

use flate2::{Compression, write::GzEncoder};

use super::{tar::is_tar, unpack::unpack, *};

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One ustar entry.
fn entry(name: &[u8], kind: u8, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[156] = kind;
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut out = [header.as_slice(), content].concat();
    out.resize(out.len().div_ceil(512) * 512, 0);
    out
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while format!("{length}{rest}").len() != length {
        length += 1;
    }
    entry(b"pax", b'x', format!("{length}{rest}").as_bytes())
}

fn names(files: &Files) -> Vec<&str> {
    files.keys().map(String::as_str).collect()
}

/// A directory with a long name in it, an empty file and a directory below.
fn sample(dir: &Path) -> String {
    let long = format!("code/{}.txt", "n".repeat(90));
    std::fs::create_dir(dir.join("code")).unwrap();
    std::fs::write(dir.join("model.onnx"), vec![7; 100_000]).unwrap();
    std::fs::write(dir.join("code/empty"), b"").unwrap();
    std::fs::write(dir.join(&long), b"x").unwrap();
    long
}

#[test]
fn archives_of_other_programs_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from");
    std::fs::create_dir(&from).unwrap();
    let long = sample(&from);
    let expect = ["code/empty", &long, "model.onnx"];
    let script = "import sys, zipfile, pathlib\n\
        with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:\n\
        \x20   for p in sorted(pathlib.Path('.').rglob('*')):\n\
        \x20       z.write(p)\n";
    let tarfile = "import sys, tarfile\nwith tarfile.open(sys.argv[1], 'w:gz') as t:\n    t.add('.')\n";
    let path = |name: &str| dir.path().join(name);
    let commands: [(&str, Command); 5] = [
        ("gnu.tar.gz", tar_command(&["--format=gnu", "-czf"])),
        ("pax.tar", tar_command(&["--format=pax", "-cf"])),
        ("ustar.tar", tar_command(&["--format=ustar", "-cf"])),
        ("python.tar.gz", python(tarfile)),
        ("python.zip", python(script)),
    ];
    for (name, mut command) in commands {
        command.current_dir(&from).arg(path(name));
        if name.ends_with(".tar") || name.starts_with("gnu") {
            command.arg(".");
        }
        assert!(command.status().unwrap().success(), "{name}");
        let files =
            unpack(std::fs::read(path(name)).unwrap(), "x").unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(names(&files), expect, "{name}");
        assert_eq!(
            (files["model.onnx"].len(), files[&long].as_slice()),
            (100_000, b"x".as_slice()),
            "{name}"
        );
    }
}

fn tar_command(arguments: &[&str]) -> Command {
    let mut command = Command::new("tar");
    command.args(arguments);
    command
}

fn python(script: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", script]);
    command
}

#[test]
fn what_is_no_archive_is_one_file() {
    assert_eq!(names(&unpack(b"ONNX".to_vec(), "model.onnx").unwrap()), ["model.onnx"]);
    assert!(matches!(unpack(b"x".to_vec(), "../x"), Err(ImportError::Name(_))));
    let package =
        crate::server::upload::encode("m", [("a", b"1".as_slice()), ("b/c", b"2".as_slice())].into_iter());
    assert_eq!(names(&unpack(package, "x").unwrap()), ["a", "b/c"]);
}

fn check(bytes: Vec<u8>, expect: fn(&ImportError) -> bool, what: &str) {
    for bytes in [gzipped(&bytes), bytes] {
        let error = unpack(bytes, "x").expect_err(what);
        assert!(expect(&error), "{what}: {error:?}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let named = |error: &ImportError| matches!(error, ImportError::Name(_));
    for name in ["/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a\\..\\x", "..", "C:x", "a\nb", ".//x"]
    {
        check(archive(&[entry(name.as_bytes(), b'0', b"x")]), named, name);
        check(
            archive(&[pax("path", name), entry(b"fine", b'0', b"x")]),
            |error| matches!(error, ImportError::Name(_) | ImportError::Malformed(_)),
            name,
        );
        check(archive(&[entry(b"long", b'L', name.as_bytes()), entry(b"fine", b'0', b"x")]), named, name);
    }
    check(archive(&[entry(b"\xFF", b'0', b"x")]), named, "no UTF-8");
    check(archive(&[entry(b"../d/", b'5', b"")]), named, "a directory elsewhere");
    let long = "n".repeat(5_000);
    check(archive(&[pax("path", &long), entry(b"fine", b'0', b"x")]), named, "a long name");
}

#[test]
fn links_and_devices_are_refused() {
    for kind in *b"1234567SKVMDA" {
        if kind == b'5' {
            continue;
        }
        let special = |error: &ImportError| matches!(error, ImportError::Special(_));
        check(archive(&[entry(b"x", kind, b"")]), special, &format!("type {}", char::from(kind)));
    }
    let unknown = |error: &ImportError| matches!(error, ImportError::Unknown(_));
    for key in ["linkpath", "size", "GNU.sparse.major"] {
        check(archive(&[pax(key, "1"), entry(b"x", b'0', b"x")]), unknown, key);
    }
}

#[test]
fn one_place_holds_one_file() {
    let twice = |error: &ImportError| matches!(error, ImportError::Twice(_));
    let file = |name: &str| entry(name.as_bytes(), b'0', b"x");
    check(archive(&[file("x"), file("x")]), twice, "twice");
    check(archive(&[file("x"), file("./x")]), twice, "twice in two spellings");
    check(archive(&[file("x"), file("x/y")]), twice, "a file in the place of a directory");
    check(archive(&[entry(b"d/", b'5', b"")]), |error| *error == ImportError::Empty, "nothing in it");
}

#[test]
fn what_is_cut_or_has_more_behind_it_is_refused() {
    let whole = archive(&[entry(b"x", b'0', &[9; 700])]);
    let malformed = |error: &ImportError| matches!(error, ImportError::Malformed(_));
    for length in [512, 513, 1_100, 1_536] {
        check(whole[..length].to_vec(), malformed, &format!("cut at {length}"));
    }
    check([whole.clone(), entry(b"y", b'0', b"")].concat(), malformed, "a second archive");
    let packed = gzipped(&whole);
    for bytes in [packed[..packed.len() - 3].to_vec(), [packed.clone(), packed].concat()] {
        assert!(matches!(unpack(bytes, "x"), Err(ImportError::Malformed(_))));
    }
    assert!(matches!(unpack(gzipped(b"text"), "x"), Err(ImportError::Unknown(_))));
}

#[test]
fn bombs_are_refused_before_they_fill_memory() {
    let mut huge = entry(b"x", b'0', b"");
    huge[124..135].copy_from_slice(b"77777777777");
    huge[148..156].fill(b' ');
    let sum: u64 = huge.iter().map(|byte| u64::from(*byte)).sum();
    huge[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    assert!(is_tar(&huge));
    check(archive(&[huge]), |error| *error == ImportError::TooLarge, "8 GiB that are not there");
    let many: Vec<Vec<u8>> = (0..=FILES_MAX).map(|n| entry(format!("f{n}").as_bytes(), b'0', b"")).collect();
    check(archive(&many), |error| *error == ImportError::TooLarge, "too many files");
    let many: Vec<Vec<u8>> = (0..=FILES_MAX * 4).map(|_| entry(b"d/", b'5', b"")).collect();
    check(archive(&many), |error| *error == ImportError::TooLarge, "too many directories");
}

/// A zip of one stored file, whose bytes tests then change.
fn zip(name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let length = (content.len() as u32).to_le_bytes();
    let common = |out: &mut Vec<u8>| {
        out.extend([20, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // version, flags, method, time, date
        out.extend(crc.sum().to_le_bytes());
        out.extend(length);
        out.extend(length);
        out.extend((name.len() as u16).to_le_bytes());
        out.extend([0, 0]);
    };
    let mut out = b"PK\x03\x04".to_vec();
    common(&mut out);
    out.extend(name);
    out.extend(content);
    let start = out.len() as u32;
    out.extend(b"PK\x01\x02\x14\x03");
    common(&mut out);
    out.extend([0; 14]);
    out.extend(name);
    let directory = out.len() as u32 - start;
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend(directory.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

#[test]
fn zips_that_contradict_themselves_are_refused() {
    let good = zip(b"model.onnx", b"0123456789");
    assert_eq!(names(&unpack(good.clone(), "x").unwrap()), ["model.onnx"]);
    let directory = good.len() - 22 - 46 - 10;
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (what, bytes) in [
        ("another name before the content", with(30, b'M')),
        ("another size before the content", with(18, 9)),
        ("another checksum", with(14, good[14] ^ 1)),
        ("changed content", with(40, b'x')),
        ("encrypted", with(6, 1)),
        ("another method", with(8, 12)),
        ("an offset", with(directory + 42, 1)),
        ("a symbolic link", with(directory + 41, 0xA0)),
        ("two entries", with(good.len() - 12, 2)),
        ("a comment", [good.clone(), b"c".to_vec()].concat()),
        ("something before it", [b"PK\x03\x04".to_vec(), good.clone()].concat()),
        ("cut", good[..good.len() - 1].to_vec()),
        ("a name that leads elsewhere", zip(b"../x", b"x")),
        ("an absolute name", zip(b"/x", b"x")),
    ] {
        assert!(unpack(bytes, "x").is_err(), "{what}");
    }
    // Every single changed byte, and every cut: an error or the same file, and never a panic.
    for at in 0..good.len() {
        for byte in [0, 1, 0x7F, 0x80, 0xFF, good[at] ^ 1] {
            if let Ok(files) = unpack(with(at, byte), "model.onnx") {
                assert!(files.len() == 1 && files.keys().all(|name| is_canonical(name)), "byte {at}");
            }
        }
        let _ = unpack(good[..at].to_vec(), "x");
    }
}
