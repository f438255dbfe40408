//! The real disk.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use platform::{Disk, RealDisk};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn files_are_made_read_and_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    assert!(!RealDisk.exists(&path).unwrap());
    assert_eq!(RealDisk.open(&path).unwrap_err().kind(), ErrorKind::NotFound);
    let file = RealDisk.create(&path).unwrap();
    assert_eq!(mode(&path), 0o600, "for us only");
    assert_eq!(RealDisk.create(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);

    file.write_at(2, b"cdef").unwrap();
    file.write_at(0, b"ab").unwrap();
    file.sync().unwrap();
    assert_eq!(file.octets().unwrap(), 6);
    let reader = RealDisk.open_read(&path).unwrap();
    let mut buffer = [0; 4];
    #[rustfmt::skip]
    let table: [(u64, &[u8], &str); 4] = [
        (0, b"abcd", "a full buffer"),
        (4, b"ef",   "fewer at the end"),
        (6, b"",     "nothing at the end"),
        (99, b"",    "nor behind it"),
    ];
    for (offset, expected, why) in table {
        let read = reader.read_at(offset, &mut buffer).unwrap();
        assert_eq!(&buffer[..read], expected, "{why}");
    }
    assert!(reader.write_at(0, b"x").is_err(), "opened for reading");
    file.truncate(3).unwrap();
    assert_eq!(reader.octets().unwrap(), 3);
    RealDisk.sync_dir(dir.path()).unwrap();
    assert!(RealDisk.free_octets(dir.path()).unwrap() > 0);
}

#[test]
fn names_are_listed_changed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["c", "a", "b"] {
        drop(RealDisk.create(&at(name)).unwrap());
    }
    RealDisk.rename(&at("c"), &at("a")).unwrap();
    RealDisk.make_dir(&at("x/y/z")).unwrap();
    RealDisk.make_dir(&at("x/y/z")).unwrap();
    assert_eq!(mode(&at("x/y")), 0o700, "for us only");
    let error = RealDisk.make_dir(&at("a")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotADirectory, "a file is in the way");
    assert_eq!(RealDisk.list(dir.path()).unwrap(), ["a", "b", "x"].map(OsString::from));
    RealDisk.remove(&at("b")).unwrap();
    assert_eq!(RealDisk.remove(&at("b")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(RealDisk.list(dir.path()).unwrap(), ["a", "x"].map(OsString::from));
}

#[test]
fn an_unnamed_file_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = RealDisk.unnamed(dir.path()).unwrap();
    file.write_at(0, b"spool").unwrap();
    let mut buffer = [0; 5];
    assert_eq!(file.read_at(0, &mut buffer).unwrap(), 5);
    assert!(RealDisk.list(dir.path()).unwrap().is_empty());
    let missing = RealDisk.unnamed(&dir.path().join("missing"));
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn whole_files_are_replaced_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    RealDisk.write_whole(&path, b"first").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(RealDisk.others_may_read(&path).unwrap());
    drop(RealDisk.create(&dir.path().join(".key.pem.new")).unwrap()); // left by a crash
    RealDisk.write_whole(&path, b"second").unwrap();
    assert_eq!(mode(&path), 0o600, "an older file's mode is not kept");
    assert!(!RealDisk.others_may_read(&path).unwrap());
    assert_eq!(RealDisk.list(dir.path()).unwrap(), [OsString::from("key.pem")]);
    assert_eq!(RealDisk.read_whole(&path, 6).unwrap(), b"second");
    assert_eq!(RealDisk.read_whole(&path, 5).unwrap_err().kind(), ErrorKind::FileTooLarge);
    let missing = RealDisk.read_whole(&dir.path().join("missing"), 5);
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
}
