//! The disk's own limit: appends to one file, with one sync for so many.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::bench::meter::{Groups, Meter};
use crate::bench::series::{Case, Kind};
use crate::bench::table::{Latencies, Row};
use crate::letter::{Form, Marker};

/// What to append, where, and for how long.
#[derive(Debug)]
pub(super) struct Append<'a> {
    pub(super) folder: &'a Path,
    /// Messages of this size, one sync for as many as there are connections.
    pub(super) case: Case,
    pub(super) duration: Duration,
}

impl Append<'_> {
    /// Appends and syncs.
    pub(super) fn measure(&self) -> Result<Row> {
        let batch = self.case.connections;
        let path = self.folder.join("appends");
        let mut file = File::create(&path)?;
        let form = Form { accounts: 1, size_octets: self.case.octets };
        let content = form.content(Marker { round: 0, connection: 0, number: 0 });
        let meter = Meter::begin(self.folder, Groups::default())?;
        let begun = Instant::now();
        let mut latencies = Vec::new();
        while begun.elapsed() < self.duration {
            let batch_begun = Instant::now();
            for _ in 0..batch {
                file.write_all(&content)?;
            }
            file.sync_data()?;
            latencies.extend((0..batch).map(|_| batch_begun.elapsed()));
        }
        let took = begun.elapsed();
        let files = self.folder.to_path_buf();
        let reading = meter.end(&files)?;
        std::fs::remove_file(&path)?;
        let row = Row::new(Kind::Disk, self.case, Latencies::new(latencies), [took, took], reading);
        println!("{row}");
        Ok(row)
    }
}
